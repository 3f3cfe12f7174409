//! The model.

use matchmark_graph::{Graph, MatrixName, ModelArithmetic, ModelBounds, ModelShape};
use matchmark_quant::{AccumulatorBounds, GapBounds, Rounding, ScoreStep, TableBounds, ValueBits};
use matchmark_runtime::DecodeRules;

use crate::parts::{check_tokens, ModelId, ModelParts, ModelPrefix, ModelTables};
use crate::{Matrix, ModelError, ModelScales, Tokenizer};

/// A decoder on integers: lengths fit the shape, and no accumulator can leave its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerModel {
    parts: ModelParts,
    graph: Graph,
    identity: ModelId,
}

impl IntegerModel {
    /// Checks the parts and puts them together.
    ///
    /// # Errors
    /// [`ModelError::WrongLength`], [`ModelError::WrongMatrix`], [`ModelError::WrongTable`],
    /// [`ModelError::WrongVocabulary`], [`ModelError::MatrixBounds`], those of the prefix, and
    /// [`ModelError::Quantity`] if an intermediate value could leave its range at some position.
    pub fn new(parts: ModelParts) -> Result<Self, ModelError> {
        let graph = Graph::decoder(&parts.shape);
        check_lengths(&parts, &graph)?;
        check_tables(&parts)?;
        check_bounds(&parts, &graph)?;
        check_prefix(&parts)?;
        let identity = crate::encode::identity(&parts);
        Ok(Self {
            parts,
            graph,
            identity,
        })
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

    /// What it computes, node by node.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The matrices of all layers and the output head, in the order of [`Graph::matrices`].
    #[must_use]
    pub fn matrices(&self) -> &[Matrix] {
        &self.parts.matrices
    }

    /// A matrix. The embedding is none: see [`IntegerModel::embedding`].
    ///
    /// # Panics
    /// If there is no such matrix.
    #[must_use]
    pub fn matrix(&self, name: MatrixName) -> &Matrix {
        &self.parts.matrices[self.graph.matrix(name)]
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

fn check_lengths(parts: &ModelParts, graph: &Graph) -> Result<(), ModelError> {
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
    let matrices = graph.matrices();
    length("matrices", matrices.len(), parts.matrices.len())?;
    let scales = &parts.scales;
    length("scales of layers", shape.layers(), scales.layers.len())?;
    length("scales of the stream", shape.stages(), scales.stream.len())?;
    let normalized = scales.normalized.len();
    length("scales of normalized values", shape.stages(), normalized)?;
    for (&(name, node, place), matrix) in matrices.iter().zip(&parts.matrices) {
        let linear = graph.linear(node);
        let expected = (linear.matrices()[place].outputs, linear.inputs());
        let got = (matrix.outputs(), matrix.inputs());
        if got != expected {
            return Err(ModelError::WrongMatrix {
                matrix: name,
                outputs: expected.0,
                inputs: expected.1,
                got_outputs: got.0,
                got_inputs: got.1,
            });
        }
        let biases = if linear.has_biases() { expected.0 } else { 0 };
        length("biases", biases, matrix.biases().len())?;
    }
    if parts.tokenizer.len() != vocabulary {
        return Err(ModelError::WrongVocabulary {
            expected: vocabulary,
            got: parts.tokenizer.len(),
        });
    }
    Ok(())
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

/// The matrices have the norms and biases that the arithmetic states, and with those no intermediate value can
/// leave its range.
fn check_bounds(parts: &ModelParts, graph: &Graph) -> Result<(), ModelError> {
    let (shape, arithmetic) = (&parts.shape, &parts.arithmetic);
    ModelBounds::new(shape, arithmetic)?;
    for (&(name, node, place), weights) in graph.matrices().iter().zip(&parts.matrices) {
        let stated = arithmetic.linear(node).matrices[place];
        let own = weights.bounds();
        if stated != own {
            return Err(ModelError::MatrixBounds {
                matrix: name,
                expected: stated,
                got: own,
            });
        }
    }
    check_attention(
        shape,
        arithmetic.value_bits(),
        arithmetic.score_step(),
        parts.tables.weights.bounds(),
    )
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
