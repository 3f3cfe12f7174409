//! Why a part of a chain is not proven by itself.

use matchmark_quant::StepRange;
use matchmark_statement::{CodecError, EndToken};
use matchmark_verifier::variant_names;

use crate::proving::manifest::FileDigest;

/// Why there is no such part, or no such input of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// The chain is that of a trace, which is proven as a whole.
    #[error("parts by themselves are those of a model, got a chain of a trace; `matchmark resume` proves it")]
    NotOfModel,
    /// The chain has fewer parts.
    #[error("expected a part of the chain, below {expected}, got {got}")]
    NoSuchPart {
        /// Number of parts, or the most that there are.
        expected: u64,
        /// The part.
        got: u64,
    },
    /// An end token comes before the part.
    #[error("the chain ends with {end} before part {part}")]
    BehindEnd {
        /// The end token.
        end: EndToken,
        /// The part.
        part: u64,
    },
    /// The bytes are not those of an input.
    #[error("the bytes are not the input of a part, expected them to begin with {expected:?}")]
    Magic {
        /// How they begin.
        expected: &'static str,
    },
    /// The bytes are of another version.
    #[error("the input has format {got}, expected {expected}")]
    Format {
        /// This version.
        expected: u32,
        /// That of the bytes.
        got: u32,
    },
    /// The bytes are no encoding of an input.
    #[error("the input of a part: {0}")]
    Encoding(#[from] CodecError),
    /// The input is one of another chain.
    #[error("the input is of the chain with manifest {got}, expected {expected}")]
    OtherChain {
        /// SHA-256 of this chain's manifest.
        expected: FileDigest,
        /// That of the input's.
        got: FileDigest,
    },
    /// The input has other steps than the part.
    #[error("the input is of {got}, expected {expected}")]
    Steps {
        /// The steps of the part.
        expected: StepRange,
        /// Those of the input.
        got: StepRange,
    },
    /// The part is there already.
    #[error("part {part} is there already; remove its file to have it proven again")]
    Proven {
        /// The part.
        part: u64,
    },
}

variant_names!(PartError {
    NotOfModel,
    NoSuchPart,
    BehindEnd,
    Magic,
    Format,
    Encoding,
    OtherChain,
    Steps,
    Proven,
});
