//! What a model is made of.

use matchmark_graph::{Graph, MatrixName, ModelArithmetic, ModelShape};
use matchmark_quant::{digest_newtype, QuantError};
use matchmark_runtime::KvCache;
use matchmark_tables::{ActivationTable, RotaryTable, RsqrtTable, WeightTable};

use crate::{Matrix, ModelError, ModelScales, Tokenizer};

digest_newtype! {
    /// Identity of an [`IntegerModel`](crate::IntegerModel): SHA-256 over its canonical encoding.
    pub struct ModelId;
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
    /// The matrices of all layers and the output head, in the order of [`Graph::matrices`].
    pub matrices: Vec<Matrix>,
    /// The tables.
    pub tables: ModelTables,
    /// What the integers stand for.
    pub scales: ModelScales,
    /// From text to tokens and back.
    pub tokenizer: Tokenizer,
}

impl ModelParts {
    /// A matrix, to change it.
    ///
    /// # Panics
    /// If the graph of the shape has no such matrix, or the parts do not have all matrices.
    pub fn matrix_mut(&mut self, name: MatrixName) -> &mut Matrix {
        &mut self.matrices[Graph::decoder(&self.shape).matrix(name)]
    }

    /// Puts the row norms and the largest biases of these matrices into the arithmetic.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] where a shift is out of range.
    pub fn state_row_norms(&mut self) -> Result<(), QuantError> {
        let graph = Graph::decoder(&self.shape);
        let mut arithmetic = self.arithmetic.parts().clone();
        for ((name, ..), matrix) in graph.matrices().iter().zip(&self.matrices) {
            *arithmetic.matrix_mut(&graph, *name) = matrix.bounds();
        }
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
