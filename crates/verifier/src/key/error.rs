//! Why there is no key, or no policy by it.
use alloc::string::String;

use matchmark_graph::LayerGroups;
use matchmark_quant::QuantError;
use matchmark_statement::{CodecError, PolicyError, ProofPart, RelationDigest, Security, TokenId};
use matchmark_tables::TableError;

use super::chain::{ChainTermsError, ModelOptionsError};

/// Why there is no key, or no policy by it. One variant a reason.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes do not begin as a key does.
    #[error("key: the bytes are not a binary key, expected them to begin with {expected:?}")]
    Magic {
        /// How the bytes of a key begin.
        expected: &'static str,
    },
    /// The file or the bytes are of another version of the format.
    #[error(
        "the key has format {got}, expected {expected}: derive it anew with `matchmark keygen`"
    )]
    Format {
        /// The only version known.
        expected: u32,
        /// The version in the file.
        got: u32,
    },
    /// The bytes are not an encoding of a key.
    #[error("key: {0}")]
    Encoding(#[from] CodecError),
    /// The text is not a key.
    #[error("key: {reason}")]
    Text {
        /// What is wrong with it.
        reason: String,
    },
    /// The text says the same as a key's, in other words.
    #[error("key: line {line} is {got:?}, expected {expected:?}")]
    NotCanonical {
        /// The first line that differs, counted from 1.
        line: usize,
        /// The line as it is written.
        expected: String,
        /// The line in the file.
        got: String,
    },
    /// The table in the text is not valid.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The shape and the arithmetic of the key's model allow an intermediate value that leaves the field.
    #[error("key: {0}")]
    Bounds(QuantError),
    /// A list of the key is empty, or not in its one order.
    #[error("key: the {list} of a key are sorted, each is there once: item {index} is out of order, or missing")]
    Order {
        /// Which list: `"segment lengths"`, `"commitments"`, `"circuits"` or `"roots of a circuit"`.
        list: &'static str,
        /// Index of the first item that is out of order, counted from 0; 0 for an empty list.
        index: usize,
    },
    /// An end token is not in the vocabulary.
    #[error(
        "key: end token {got}, expected only tokens below {expected}, the size of the vocabulary"
    )]
    EndToken {
        /// Size of the vocabulary.
        expected: usize,
        /// The lowest end token that it does not have.
        got: TokenId,
    },
    /// A token of the prefix is not in the vocabulary.
    #[error(
        "key: token {got} of the prefix, expected only tokens below {expected}, the size of the vocabulary"
    )]
    PrefixToken {
        /// Size of the vocabulary.
        expected: usize,
        /// The token.
        got: TokenId,
    },
    /// A key has a prefix and no first cache that belongs to it, or the other way round.
    #[error("key: circuits {index} have a first state without a prefix, or none with one")]
    FirstState {
        /// Index of the circuits, counted from 0.
        index: usize,
    },
    /// The key is one of another relation.
    #[error(
        "the key is of relation {got}, expected {expected}: derive it anew with `matchmark keygen`"
    )]
    Relation {
        /// The relation of this program.
        expected: RelationDigest,
        /// The relation of the key.
        got: RelationDigest,
    },
    /// The key has no commitment for such a chain.
    #[error(
        "the key has no commitment for {security}: expected one of {expected}, got blowup 2^{log_blowup} and \
         height 2^{log_height} in groups of layers: {groups}; `matchmark keygen` takes levels, profiles, segment \
         lengths and layers of a group"
    )]
    NoCommitment {
        /// Level and profile.
        security: Security,
        /// Blowups and heights that the key has commitments for, in words.
        expected: String,
        /// The blowup of level and profile.
        log_blowup: u32,
        /// Height of the chain's trees.
        log_height: u32,
        /// Into how many groups of layers the chain's decoder is cut.
        groups: LayerGroups,
    },
    /// The key has no root for a proof of segments of this length in such a chain.
    #[error(
        "the key has no circuit for the {part} proof of a segment of {steps} steps in a chain that is cut every {segment_steps} \
         steps, in groups of layers: {groups}, at {security}: expected a chain that is cut every {expected} steps, and segments that are {cuts}; `matchmark keygen \
         --segment-steps {segment_steps}` derives a key for this one"
    )]
    NoCircuit {
        /// Level and profile.
        security: Security,
        /// Segment lengths that the key is for, in words.
        expected: String,
        /// The ways in which segments may be cut into proofs, in words.
        cuts: String,
        /// The proof that there is no circuit for.
        part: ProofPart,
        /// Longest segments of the chain.
        segment_steps: u32,
        /// Into how many groups of layers its decoder is cut.
        groups: LayerGroups,
        /// Length of the segment.
        steps: u32,
    },
    /// A policy is not the one that follows from the key and the policy's own choices.
    #[error("the {field} of the policy is {got}, expected {expected} by the key")]
    OtherPolicy {
        /// The field, as in [`AcceptancePolicyParts`](matchmark_statement::AcceptancePolicyParts).
        field: &'static str,
        /// What follows from the key.
        expected: String,
        /// What the policy says.
        got: String,
    },
    /// The choices make no chain of the model.
    #[error(transparent)]
    Options(#[from] ModelOptionsError),
    /// The relation cannot carry the chain, or its terms are not a statement.
    #[error(transparent)]
    Terms(#[from] ChainTermsError),
    /// What follows from the key is not a policy: the key does not describe a model that there could be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

variant_names!(KeyError {
    Magic,
    Format,
    Encoding,
    Text,
    NotCanonical,
    Table,
    Bounds,
    Order,
    EndToken,
    PrefixToken,
    FirstState,
    Relation,
    NoCommitment,
    NoCircuit,
    OtherPolicy,
    Options,
    Terms,
    Policy,
});
