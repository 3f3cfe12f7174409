//! Why a statement, or a part of one, is refused.

use alloc::string::String;

use matchmark_quant::{
    AttentionShape, CacheCapacity, QuantError, Rounding, Scales, ScoreStep, ValueBits,
};
use thiserror::Error;

use crate::codec::CodecError;
use crate::identity::{ModelId, PortCommitment, StatementVersion};
use crate::tokens::{TokenEnds, TokenId};

/// Why a statement, or a part of one, is refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// No security level has this name.
    #[error("unknown security level {got:?}: expected {expected}")]
    UnknownSecurityLevel {
        /// The names there are.
        expected: &'static str,
        /// The name given.
        got: String,
    },
    /// No profile has this name.
    #[error("unknown profile {got:?}: expected {expected}")]
    UnknownProfile {
        /// The names there are.
        expected: &'static str,
        /// The name given.
        got: String,
    },
    /// The security level does not come in this profile.
    #[error("security level {level} has no profile {got}: expected {expected}")]
    ProfileUnavailable {
        /// Name of the level.
        level: &'static str,
        /// Name of the only profile it has.
        expected: &'static str,
        /// Name of the profile asked for.
        got: &'static str,
    },
    /// The application name is empty or too long.
    #[error("application name has {got} bytes, expected 1 to {expected}")]
    ApplicationLength {
        /// Largest length, in bytes.
        expected: usize,
        /// Length given, in bytes.
        got: usize,
    },
    /// The application name holds something else than printable ASCII.
    #[error("application name has {got:?} at byte {position}, expected printable ASCII")]
    ApplicationCharacter {
        /// Byte position of the character.
        position: usize,
        /// The character.
        got: char,
    },
    /// There is no cut of this name.
    #[error("cut is {got:?}, expected {expected}")]
    UnknownCut {
        /// The names there are.
        expected: &'static str,
        /// The name given.
        got: String,
    },
    /// A lookup proof was named for a segment that has none.
    #[error("segment is {got}, expected {expected}")]
    NotSplit {
        /// Name of the cut of a segment with a lookup proof.
        expected: &'static str,
        /// Name of this one's.
        got: &'static str,
    },
    /// The statement is of a version that this crate does not know.
    #[error("statement version is {got}, expected {expected}")]
    UnsupportedVersion {
        /// The only version known.
        expected: StatementVersion,
        /// The version given.
        got: StatementVersion,
    },
    /// Segments would be longer than the cache that they fill.
    #[error("segments of up to {got} steps in a cache of {expected} entries: expected at most {expected} steps")]
    SegmentStepsAboveCapacity {
        /// Cache entries at the end of the chain.
        expected: u32,
        /// Largest number of steps of a segment.
        got: u32,
    },
    /// The segment ends beyond the capacity of the cache.
    #[error("segment ends at cache entry {got}, expected at most {expected}")]
    EntriesAboveCapacity {
        /// Cache entries at the end of the chain.
        expected: usize,
        /// Cache entries after the segment.
        got: usize,
    },
    /// The segment has more steps than its shape allows.
    #[error("segment has {got} steps, expected at most {expected}")]
    StepsAboveSegment {
        /// Largest number of steps of a segment.
        expected: usize,
        /// Steps of this segment.
        got: usize,
    },
    /// The number of given tokens is 0 or beyond what a cache can hold.
    #[error("prompt has {got} tokens, expected 1 to {expected}")]
    PromptLength {
        /// Largest number of given tokens.
        expected: u32,
        /// The number given.
        got: u32,
    },
    /// A model is named, but no decoder described.
    #[error("statement names model {got}, expected its decoder as well")]
    DecoderMissing {
        /// The model.
        got: ModelId,
    },
    /// A decoder is described, but no model named.
    #[error(
        "statement describes a decoder with weights {got}, expected the model's identity as well"
    )]
    DecoderUnexpected {
        /// The decoder's weights.
        got: PortCommitment,
    },
    /// The segments' attention is not that of all layers of the decoder.
    #[error("shape of a decoder segment is {got}, expected that of all layers: {expected}")]
    DecoderAttention {
        /// The attention of all layers taken as one.
        expected: AttentionShape,
        /// The attention of the segments.
        got: AttentionShape,
    },
    /// The quantization has another value width than the decoder's arithmetic.
    #[error("quantization of a decoder has {got}, expected {expected} as in its arithmetic")]
    DecoderValueBits {
        /// Width by the arithmetic.
        expected: ValueBits,
        /// Width by the quantization.
        got: ValueBits,
    },
    /// The quantization has another score step than the decoder's arithmetic.
    #[error(
        "quantization of a decoder has score step {got}, expected {expected} as in its arithmetic"
    )]
    DecoderScoreStep {
        /// Step by the arithmetic.
        expected: ScoreStep,
        /// Step by the quantization.
        got: ScoreStep,
    },
    /// The quantization of a decoder has scales, which are part of the model's identity.
    #[error("quantization of a decoder has scales q {}, k {}, v {}, expected none", .got.q, .got.k, .got.v)]
    DecoderScales {
        /// The scales.
        got: Scales,
    },
    /// The outputs of a decoder's attention are rounded by another rule.
    #[error("rounding of a decoder is {got}, expected {expected}")]
    DecoderRounding {
        /// The only rule that decoders have.
        expected: Rounding,
        /// The rule given.
        got: Rounding,
    },
    /// The chain would go beyond the position limit of the decoder.
    #[error("cache capacity is {got}, expected at most the {expected} positions of the decoder")]
    CapacityAbovePositions {
        /// The decoder's position limit.
        expected: CacheCapacity,
        /// Cache entries at the end of the chain.
        got: CacheCapacity,
    },
    /// More tokens are given than the cache has entries.
    #[error("prompt has {got} tokens, expected at most the {expected} entries of the cache")]
    PromptAboveCapacity {
        /// Cache entries at the end of the chain.
        expected: CacheCapacity,
        /// Number of given tokens.
        got: u32,
    },
    /// A decoder segment without its first and its next token.
    #[error("decoder segment has no tokens, expected its first and its next one")]
    TokensMissing,
    /// Tokens of a segment that is not one of a decoder.
    #[error("attention segment has tokens ({got}), expected none")]
    TokensUnexpected {
        /// The tokens.
        got: TokenEnds,
    },
    /// A part of a decoder that is cut into groups of layers does not say which of them it is of.
    #[error("statement names no group of layers, expected one of {expected}")]
    GroupMissing {
        /// Number of groups.
        expected: u16,
    },
    /// A statement names a group of layers where all layers are one.
    #[error("statement names group {got} of layers, expected none: all layers are one group")]
    GroupUnexpected {
        /// The group.
        got: u16,
    },
    /// There is no such group.
    #[error("statement names group {got} of layers, counted from 0, expected one of {expected}")]
    GroupIndex {
        /// Number of groups.
        expected: u16,
        /// The group.
        got: u16,
    },
    /// A group of layers has a stream that its place does not have, or lacks one.
    #[error(
        "group {group} of layers has {} commitment to a stream {which}, expected {}",
        if *.expected { "no" } else { "a" }, if *.expected { "one" } else { "none" }
    )]
    GroupStream {
        /// `in` or `out`.
        which: &'static str,
        /// The group.
        group: u16,
        /// Whether there is one.
        expected: bool,
    },
    /// A token is not in the vocabulary.
    #[error("the {which} token is {got}, expected one below {expected}")]
    TokenAboveVocabulary {
        /// `first` or `next`.
        which: &'static str,
        /// Size of the vocabulary.
        expected: usize,
        /// The token.
        got: TokenId,
    },
    /// More end tokens than a list has.
    #[error("there are {got} end tokens, expected at most {expected}")]
    TooManyEndTokens {
        /// The most.
        expected: usize,
        /// The number given.
        got: usize,
    },
    /// End tokens that are not ascending, or one of them twice.
    #[error("end token {index}, counted from 0, is not above the one before it: expected ascending tokens, each once")]
    EndTokenOrder {
        /// Index of the first that is out of order.
        index: usize,
    },
    /// A quantity leaves its bounds.
    #[error(transparent)]
    Quantity(#[from] QuantError),
    /// The statement has no encoding, or the bytes are not valid.
    #[error(transparent)]
    Codec(#[from] CodecError),
}
