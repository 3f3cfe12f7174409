//! The model.

use matchmark_quant::Rounding;
use matchmark_quant::{
    AccumulatorBounds, GapBounds, ModelArithmetic, ModelBounds, ModelShape, ScoreStep, TableBounds,
    ValueBits, STREAM_BITS,
};
use matchmark_runtime::DecodeRules;

use crate::parts::{LayerWeights, ModelId, ModelParts, ModelTables};
use crate::{Matrix, ModelError, ModelScales, Tokenizer};

/// A decoder on integers: lengths fit the shape, and no accumulator can leave its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerModel {
    parts: ModelParts,
    identity: ModelId,
}

impl IntegerModel {
    /// Checks the parts and puts them together.
    ///
    /// # Errors
    /// [`ModelError::WrongLength`], [`ModelError::WrongMatrix`],
    /// [`ModelError::EmbeddingOutOfRange`], [`ModelError::WrongTable`],
    /// [`ModelError::WrongVocabulary`], [`ModelError::WeightExponent`], and [`ModelError::Quantity`]
    /// if an intermediate value could leave its range at some position.
    pub fn new(parts: ModelParts) -> Result<Self, ModelError> {
        check_lengths(&parts)?;
        check_tables(&parts)?;
        check_bounds(&parts)?;
        let identity = crate::encode::identity(&parts);
        Ok(Self { parts, identity })
    }

    /// The parts, by value.
    #[must_use]
    pub fn into_parts(self) -> ModelParts {
        self.parts
    }

    pub(crate) const fn parts(&self) -> &ModelParts {
        &self.parts
    }

    /// SHA-256 over everything that the model is.
    #[must_use]
    pub const fn identity(&self) -> ModelId {
        self.identity
    }

    /// Sizes.
    #[must_use]
    pub const fn shape(&self) -> &ModelShape {
        &self.parts.shape
    }

    /// Widths, shifts and constants.
    #[must_use]
    pub const fn arithmetic(&self) -> &ModelArithmetic {
        &self.parts.arithmetic
    }

    /// The embedding, in units of its own, `[V, C]`.
    #[must_use]
    pub fn embedding(&self) -> &[i16] {
        &self.parts.embedding
    }

    /// The matrices of one layer.
    ///
    /// # Panics
    /// If there is no such layer.
    #[must_use]
    pub fn layer(&self, layer: usize) -> &LayerWeights {
        &self.parts.layers[layer]
    }

    /// The matrices of all layers.
    #[must_use]
    pub fn layers(&self) -> &[LayerWeights] {
        &self.parts.layers
    }

    /// The output head, `[V, C]`.
    #[must_use]
    pub const fn head(&self) -> &Matrix {
        &self.parts.head
    }

    /// The tables.
    #[must_use]
    pub const fn tables(&self) -> &ModelTables {
        &self.parts.tables
    }

    /// What the integers stand for.
    #[must_use]
    pub const fn scales(&self) -> &ModelScales {
        &self.parts.scales
    }

    /// From text to tokens and back.
    #[must_use]
    pub const fn tokenizer(&self) -> &Tokenizer {
        &self.parts.tokenizer
    }

    /// The rules of the attention, the same in all layers.
    #[must_use]
    pub fn attention_rules(&self) -> DecodeRules {
        DecodeRules {
            table: self.parts.tables.weights.clone(),
            rounding: Rounding::NearestTiesUp,
            score_step: self.parts.arithmetic.score_step(),
            value_bits: self.parts.arithmetic.value_bits(),
        }
    }
}

fn check_lengths(parts: &ModelParts) -> Result<(), ModelError> {
    let shape = &parts.shape;
    let (hidden, vocabulary) = (shape.hidden(), shape.vocabulary());
    let length = |part: &str, expected, got| {
        if got == expected {
            return Ok(());
        }
        Err(ModelError::WrongLength {
            part: part.to_owned(),
            expected,
            got,
        })
    };
    length("embedding", vocabulary * hidden, parts.embedding.len())?;
    length("layers", shape.layers(), parts.layers.len())?;
    length(
        "scales of layers",
        shape.layers(),
        parts.scales.layers.len(),
    )?;
    let limit = 1i32 << (STREAM_BITS - 1);
    for (index, &entry) in parts.embedding.iter().enumerate() {
        let got = i32::from(entry);
        if !(-limit..limit).contains(&got) {
            return Err(ModelError::EmbeddingOutOfRange {
                index,
                minimum: -limit,
                maximum: limit - 1,
                got,
            });
        }
    }
    let (query, kv, mlp) = (shape.query_width(), shape.kv_width(), shape.mlp());
    for (layer, weights) in parts.layers.iter().enumerate() {
        let sizes = [
            (query, hidden),
            (kv, hidden),
            (kv, hidden),
            (hidden, query),
            (mlp, hidden),
            (mlp, hidden),
            (hidden, mlp),
        ];
        for ((name, matrix), (outputs, inputs)) in weights.named().into_iter().zip(sizes) {
            check_matrix(&of_layer(name, layer), matrix, outputs, inputs)?;
        }
    }
    check_matrix("output head", &parts.head, vocabulary, hidden)?;
    if parts.tokenizer.len() != vocabulary {
        return Err(ModelError::WrongVocabulary {
            expected: vocabulary,
            got: parts.tokenizer.len(),
        });
    }
    Ok(())
}

fn of_layer(name: &str, layer: usize) -> String {
    format!("{name} projection of layer {layer}")
}

fn check_matrix(
    name: &str,
    matrix: &Matrix,
    outputs: usize,
    inputs: usize,
) -> Result<(), ModelError> {
    let (got_outputs, got_inputs) = (matrix.outputs(), matrix.inputs());
    if (got_outputs, got_inputs) == (outputs, inputs) {
        return Ok(());
    }
    Err(ModelError::WrongMatrix {
        matrix: name.to_owned(),
        outputs,
        inputs,
        got_outputs,
        got_inputs,
    })
}

fn check_tables(parts: &ModelParts) -> Result<(), ModelError> {
    let (shape, bits) = (&parts.shape, parts.arithmetic.value_bits());
    let ModelTables {
        weights: _, // Any weight table will do; its bounds are checked with the attention's.
        rsqrt: _,   // There is one.
        activation,
        rotary,
    } = &parts.tables;
    if activation.value_bits() != bits {
        return Err(ModelError::WrongTable {
            table: "activation",
            expected: format!("{bits} bits"),
            got: format!("{} bits", activation.value_bits()),
        });
    }
    let expected = (shape.positions(), shape.attention().head_dim() / 2);
    let got = (rotary.positions(), rotary.pairs());
    if got != expected {
        let words = |(positions, pairs)| format!("{positions} positions of {pairs} pairs");
        return Err(ModelError::WrongTable {
            table: "rotary",
            expected: words(expected),
            got: words(got),
        });
    }
    Ok(())
}

/// No exponent is above the arithmetic's, and with those no intermediate value can leave its range.
fn check_bounds(parts: &ModelParts) -> Result<(), ModelError> {
    let (shape, arithmetic) = (&parts.shape, &parts.arithmetic);
    let check = |matrix: String, weights: &Matrix| {
        let got = weights.exponents().iter().copied().max().unwrap_or(0);
        if got <= arithmetic.weight_exponent() {
            return Ok(());
        }
        Err(ModelError::WeightExponent {
            matrix,
            expected: arithmetic.weight_exponent(),
            got,
        })
    };
    for (layer, weights) in parts.layers.iter().enumerate() {
        for (name, matrix) in weights.named() {
            check(of_layer(name, layer), matrix)?;
        }
    }
    check("output head".to_owned(), &parts.head)?;
    ModelBounds::new(shape, arithmetic)?;
    check_attention(
        shape,
        arithmetic.value_bits(),
        arithmetic.score_step(),
        parts.tables.weights.bounds(),
    )
}

/// The attention of all positions has a proof.
pub(crate) fn check_attention(
    shape: &ModelShape,
    bits: ValueBits,
    step: ScoreStep,
    table: TableBounds,
) -> Result<(), ModelError> {
    let bounds = AccumulatorBounds::new(&shape.attention(), shape.capacity(), bits, step, table)?;
    GapBounds::new(&bounds, step, table.len)?;
    Ok(())
}
