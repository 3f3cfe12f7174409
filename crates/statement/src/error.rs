//! Why a statement, or a part of one, is refused.

use alloc::string::String;

use matchmark_quant::QuantError;
use thiserror::Error;

use crate::boundary::Boundary;
use crate::codec::CodecError;
use crate::identity::StatementVersion;
use crate::security::{Profile, SecurityLevel};

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
        /// The level.
        level: SecurityLevel,
        /// The only profile it has.
        expected: Profile,
        /// The profile asked for.
        got: Profile,
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
    /// There is no boundary of this name.
    #[error("boundary is {got:?}, expected {expected}")]
    UnknownBoundary {
        /// The names there are.
        expected: &'static str,
        /// The name given.
        got: String,
    },
    /// A lookup proof was named for a segment that has none.
    #[error("segment is {got}, expected {expected}")]
    NotSplit {
        /// How a segment with a lookup proof is proven.
        expected: Boundary,
        /// How this one is.
        got: Boundary,
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
    /// A quantity leaves its bounds.
    #[error(transparent)]
    Quantity(#[from] QuantError),
    /// The statement has no encoding, or the bytes are none.
    #[error(transparent)]
    Codec(#[from] CodecError),
}
