//! The model.

use matchmark_quant::Rounding;
use matchmark_quant::{
    AccumulatorBounds, GapBounds, LayerArithmetic, ModelArithmetic, ModelBounds, ModelShape,
    ScoreStep, TableBounds, ValueBits,
};
use matchmark_runtime::DecodeRules;

use crate::parts::{check_tokens, LayerWeights, ModelId, ModelParts, ModelPrefix, ModelTables};
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
    /// [`ModelError::WrongLength`], [`ModelError::WrongMatrix`], [`ModelError::WrongTable`],
    /// [`ModelError::WrongVocabulary`], [`ModelError::RowNorm`], those of the prefix, and
    /// [`ModelError::Quantity`] if an intermediate value could leave its range at some position.
    pub fn new(parts: ModelParts) -> Result<Self, ModelError> {
        check_lengths(&parts)?;
        check_tables(&parts)?;
        check_bounds(&parts)?;
        check_prefix(&parts)?;
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

    /// The tokens before every text, with their keys and values.
    #[must_use]
    pub const fn prefix(&self) -> &ModelPrefix {
        &self.parts.prefix
    }

    /// The embedding, `[V, C]`.
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
    let scales = &parts.scales;
    length("scales of layers", shape.layers(), scales.layers.len())?;
    length("scales of the stream", shape.stages(), scales.stream.len())?;
    let normalized = scales.normalized.len();
    length("scales of normalized values", shape.stages(), normalized)?;
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
    let (shape, bits) = (&parts.shape, parts.arithmetic.terms().gate_bits());
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

/// The rows of weights have the norms that the arithmetic states, and with those no intermediate value can leave
/// its range.
fn check_bounds(parts: &ModelParts) -> Result<(), ModelError> {
    let (shape, arithmetic) = (&parts.shape, &parts.arithmetic);
    ModelBounds::new(shape, arithmetic)?;
    let check = |matrix: String, weights: &Matrix, expected: u32| {
        let got = weights.row_norm();
        if got == expected {
            return Ok(());
        }
        Err(ModelError::RowNorm {
            matrix,
            expected,
            got,
        })
    };
    for (layer, (weights, nodes)) in parts.layers.iter().zip(arithmetic.layers()).enumerate() {
        for ((name, matrix), norm) in weights.named().into_iter().zip(row_norms(nodes)) {
            check(of_layer(name, layer), matrix, norm)?;
        }
    }
    let norm = arithmetic.head_row_norm();
    check("output head".to_owned(), &parts.head, norm)?;
    check_attention(
        shape,
        arithmetic.value_bits(),
        arithmetic.score_step(),
        parts.tables.weights.bounds(),
    )
}

/// The norms of the matrices of a layer, in the order of [`LayerWeights::named`].
fn row_norms(layer: &LayerArithmetic) -> [u32; 7] {
    let LayerArithmetic {
        attention_norm: _, // No matrix.
        query,
        key,
        value,
        output,
        mlp_norm: _,
        gate,
        up,
        gated: _,
        down,
    } = layer;
    [
        query.row_norm,
        key.row_norm,
        value.row_norm,
        output.row_norm,
        gate.row_norm,
        up.row_norm,
        down.row_norm,
    ]
}

/// The cache of the prefix belongs to its tokens, and there is room for a text.
fn check_prefix(parts: &ModelParts) -> Result<(), ModelError> {
    let ModelPrefix { tokens, cache } = &parts.prefix;
    let shape = &parts.shape;
    if !tokens.is_empty() {
        check_tokens(shape, tokens)?;
    }
    let expected = shape.all_layers_attention();
    if cache.shape() != expected {
        return Err(ModelError::WrongState {
            expected,
            got: cache.shape(),
        });
    }
    let (expected, got) = (tokens.len(), cache.entries());
    if expected != got {
        return Err(ModelError::PrefixCache { expected, got });
    }
    let positions = shape.positions();
    if got >= positions {
        return Err(ModelError::PrefixTooLong { positions, got });
    }
    Ok(cache.check(parts.arithmetic.value_bits())?)
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
