//! What a model is made of.

use matchmark_quant::{digest_newtype, ModelArithmetic, ModelShape, QuantError};
use matchmark_runtime::KvCache;
use matchmark_tables::{ActivationTable, RotaryTable, RsqrtTable, WeightTable};

use crate::{Matrix, ModelError, ModelScales, Tokenizer};

digest_newtype! {
    /// Identity of an [`IntegerModel`](crate::IntegerModel): SHA-256 over its canonical encoding.
    pub struct ModelId;
}

/// The matrices of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerWeights {
    /// Query projection, `[H d, C]`.
    pub query: Matrix,
    /// Key projection, `[G d, C]`.
    pub key: Matrix,
    /// Value projection, `[G d, C]`.
    pub value: Matrix,
    /// Output projection of the attention, `[C, H d]`.
    pub output: Matrix,
    /// Gate projection, `[F, C]`.
    pub gate: Matrix,
    /// Up projection, `[F, C]`.
    pub up: Matrix,
    /// Down projection, `[C, F]`.
    pub down: Matrix,
}

impl LayerWeights {
    /// The query projection.
    #[must_use]
    pub const fn q(&self) -> &Matrix {
        &self.query
    }

    /// The key projection.
    #[must_use]
    pub const fn k(&self) -> &Matrix {
        &self.key
    }

    /// The value projection.
    #[must_use]
    pub const fn v(&self) -> &Matrix {
        &self.value
    }

    /// The output projection of the attention.
    #[must_use]
    pub const fn o(&self) -> &Matrix {
        &self.output
    }

    /// The gate projection.
    #[must_use]
    pub const fn gate(&self) -> &Matrix {
        &self.gate
    }

    /// The up projection.
    #[must_use]
    pub const fn up(&self) -> &Matrix {
        &self.up
    }

    /// The down projection.
    #[must_use]
    pub const fn down(&self) -> &Matrix {
        &self.down
    }

    /// The matrices with their names, in the order of the canonical encoding.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, &Matrix); 7] {
        // Taken apart, so that a new matrix has its place.
        let Self {
            query,
            key,
            value,
            output,
            gate,
            up,
            down,
        } = self;
        [
            ("query", query),
            ("key", key),
            ("value", value),
            ("output", output),
            ("gate", gate),
            ("up", up),
            ("down", down),
        ]
    }
}

/// The tables of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelTables {
    /// From clipped gap quotients to weights, for all layers.
    pub weights: WeightTable,
    /// Reciprocal square roots.
    pub rsqrt: RsqrtTable,
    /// The activation of the gate.
    pub activation: ActivationTable,
    /// Rotary embedding.
    pub rotary: RotaryTable,
}

/// The fixed opening of every text, such as the first tokens of a chat template.
///
/// No step computes it: its keys and values are content of the model, taken from the floats, and the cache with
/// which every text begins. First tokens carry activations that are hundreds of times as large as all others,
/// and no range has to hold them. A model without one has no tokens here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPrefix {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Their keys and values in all layers.
    pub cache: KvCache,
}

impl ModelPrefix {
    /// No prefix.
    #[must_use]
    pub fn none(shape: &ModelShape) -> Self {
        Self {
            tokens: Vec::new(),
            cache: KvCache::empty(shape.all_layers_attention()),
        }
    }
}

/// What an [`IntegerModel`](crate::IntegerModel) is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelParts {
    /// Sizes.
    pub shape: ModelShape,
    /// Widths, shifts and constants.
    pub arithmetic: ModelArithmetic,
    /// The tokens before every text.
    pub prefix: ModelPrefix,
    /// Embedding, the first stream of each token, `[V, C]`.
    pub embedding: Vec<i16>,
    /// The matrices of each layer.
    pub layers: Vec<LayerWeights>,
    /// The output head, `[V, C]`.
    pub head: Matrix,
    /// The tables.
    pub tables: ModelTables,
    /// What the integers stand for.
    pub scales: ModelScales,
    /// From text to tokens and back.
    pub tokenizer: Tokenizer,
}

impl ModelParts {
    /// The arithmetic, with the row norms of these weights.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] where a shift is out of range.
    pub fn state_row_norms(&mut self) -> Result<(), QuantError> {
        let mut arithmetic = self.arithmetic.parts().clone();
        for (nodes, weights) in arithmetic.layers.iter_mut().zip(&self.layers) {
            // Taken apart, so that a new matrix has its norm.
            let LayerWeights {
                query,
                key,
                value,
                output,
                gate,
                up,
                down,
            } = weights;
            nodes.query.row_norm = query.row_norm();
            nodes.key.row_norm = key.row_norm();
            nodes.value.row_norm = value.row_norm();
            nodes.output.row_norm = output.row_norm();
            nodes.gate.row_norm = gate.row_norm();
            nodes.up.row_norm = up.row_norm();
            nodes.down.row_norm = down.row_norm();
        }
        arithmetic.head_row_norm = self.head.row_norm();
        self.arithmetic = ModelArithmetic::new(arithmetic)?;
        Ok(())
    }
}

/// There are tokens, and all are of the vocabulary.
pub(crate) fn check_tokens(shape: &ModelShape, tokens: &[u32]) -> Result<(), ModelError> {
    if tokens.is_empty() {
        return Err(ModelError::NoTokens);
    }
    let vocabulary = shape.vocabulary();
    for (index, &got) in tokens.iter().enumerate() {
        if usize::try_from(got).map_or(true, |token| token >= vocabulary) {
            return Err(ModelError::UnknownToken {
                index,
                vocabulary,
                got,
            });
        }
    }
    Ok(())
}
