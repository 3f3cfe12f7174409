//! What a model is made of.

use matchmark_quant::{digest_newtype, ModelArithmetic, ModelShape};
use matchmark_tables::{ActivationTable, RotaryTable, RsqrtTable, WeightTable};

use crate::{Matrix, ModelScales, Tokenizer};

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

/// What an [`IntegerModel`](crate::IntegerModel) is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelParts {
    /// Sizes.
    pub shape: ModelShape,
    /// Widths, shifts and constants.
    pub arithmetic: ModelArithmetic,
    /// Embedding, in units of its own, `[V, C]`.
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
