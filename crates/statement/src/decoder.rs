//! What a statement says of a whole decoder: its shape, its arithmetic, its weights and its prompt.

use core::fmt;

use matchmark_graph::{ArithmeticTerms, LayerGroups, ModelBounds, ModelShape};
use matchmark_quant::{QuantizationPolicy, Rounding};
use serde::{Deserialize, Serialize};

use crate::error::StatementError;
use crate::identity::PortCommitment;
use crate::prompt::PromptLength;
use crate::shape::SegmentShape;
use crate::tokens::{TokenEnds, TokenId};

/// What a segment is a segment of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKind {
    /// Attention alone: queries, keys and values in, outputs out.
    Attention,
    /// A whole decoder: tokens in, tokens out.
    Decoder,
}

impl SegmentKind {
    /// The name used in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Decoder => "decoder",
        }
    }

    /// The kind of segments whose terms speak of a decoder, or do not.
    pub(crate) const fn of(decoder: Option<&DecoderTerms>) -> Self {
        match decoder {
            None => Self::Attention,
            Some(_) => Self::Decoder,
        }
    }
}

impl fmt::Display for SegmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What all segments of a decoder's chain have in common, besides what they share with those of
/// attention alone.
///
/// The keys and values of all layers are one cache, so that the shape of the segments is the attention
/// of all layers taken as one, [`ModelShape::all_layers_attention`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderTerms {
    /// Layers, widths, the attention of one layer, vocabulary and position limit.
    pub shape: ModelShape,
    /// What holds for all nodes of the integer arithmetic, and the identity of the constants of each.
    pub arithmetic: ArithmeticTerms,
    /// Commitment to weights and tables: that of all groups of layers, [`PortCommitment::of_groups`].
    pub weights: PortCommitment,
    /// Into how many groups of layers the decoder is cut. Each is proven by parts of its own.
    pub groups: LayerGroups,
    /// How many tokens at the beginning of the chain are given; all others are the decoder's choice.
    pub prompt: PromptLength,
}

impl DecoderTerms {
    /// Whether these other terms go with the decoder.
    pub(crate) fn check(
        &self,
        quantization: &QuantizationPolicy,
        rounding: Rounding,
        shape: &SegmentShape,
    ) -> Result<(), StatementError> {
        let (expected, got) = (self.shape.all_layers_attention(), shape.attention());
        if expected != got {
            return Err(StatementError::DecoderAttention { expected, got });
        }
        let (expected, got) = (self.arithmetic.value_bits(), quantization.value_bits());
        if expected != got {
            return Err(StatementError::DecoderValueBits { expected, got });
        }
        let (expected, got) = (self.arithmetic.score_step(), quantization.score_step());
        if expected != got {
            return Err(StatementError::DecoderScoreStep { expected, got });
        }
        if let Some(got) = quantization.scales() {
            return Err(StatementError::DecoderScales { got });
        }
        let (expected, got) = (Rounding::NearestTiesUp, rounding);
        if expected != got {
            return Err(StatementError::DecoderRounding { expected, got });
        }
        let (expected, got) = (self.shape.capacity(), shape.capacity());
        if got > expected {
            return Err(StatementError::CapacityAbovePositions { expected, got });
        }
        let (expected, got) = (shape.capacity(), self.prompt.get());
        if got > expected.get() {
            return Err(StatementError::PromptAboveCapacity { expected, got });
        }
        self.groups.check(self.shape.layers())?;
        ModelBounds::check_terms(&self.shape, &self.arithmetic)?;
        Ok(())
    }

    /// Whether a token is one of the vocabulary; `which` names it.
    fn check_token(&self, which: &'static str, got: TokenId) -> Result<(), StatementError> {
        let expected = self.shape.vocabulary();
        if got.is_below(expected) {
            return Ok(());
        }
        Err(StatementError::TokenAboveVocabulary {
            which,
            expected,
            got,
        })
    }
}

/// Whether a segment's own fields go with there being a decoder, or none.
pub(crate) fn check_own(
    decoder: Option<&DecoderTerms>,
    tokens: Option<TokenEnds>,
) -> Result<(), StatementError> {
    match (decoder, tokens) {
        (None, None) => Ok(()),
        (None, Some(got)) => Err(StatementError::TokensUnexpected { got }),
        (Some(_), None) => Err(StatementError::TokensMissing),
        (Some(decoder), Some(TokenEnds { first, next })) => {
            decoder.check_token("first", first)?;
            decoder.check_token("next", next)
        }
    }
}
