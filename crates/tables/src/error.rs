//! The reasons for which a table is refused.

use alloc::string::String;

/// Why a table, or a text that should be one, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The first entry is zero: a denominator could be zero.
    #[error("first table entry is 0, expected at least 1")]
    FirstEntryZero,
    /// An entry is too large.
    #[error("table entry {index} is {got}, expected at most {maximum}")]
    EntryTooLarge {
        /// Index of the entry.
        index: usize,
        /// Largest accepted entry.
        maximum: u32,
        /// The entry.
        got: u32,
    },
    /// The table has too few or too many entries.
    #[error("table has {got} entries, expected {minimum} to {maximum}")]
    LengthOutOfRange {
        /// Smallest accepted length.
        minimum: usize,
        /// Largest accepted length.
        maximum: usize,
        /// The length that came.
        got: usize,
    },
    /// A fraction has the denominator zero.
    #[error("denominator is 0, expected at least 1")]
    ZeroDenominator,
    /// A text is not a fraction.
    #[error("fraction is {got:?}, expected two decimal numbers such as \"1/16\"")]
    FractionSyntax {
        /// The text.
        got: String,
    },
    /// The exponent per index is zero: all entries would be equal.
    #[error("delta is 0, expected a fraction above zero")]
    ZeroDelta,
    /// The scale of an exponential table is too large.
    #[error("table scale is 2^{got}, expected at most 2^{maximum}")]
    LogScaleOutOfRange {
        /// Largest accepted exponent.
        maximum: u8,
        /// The exponent that came.
        got: u8,
    },
    /// The interval arithmetic cannot tell which integer is nearest to an entry.
    #[error(
        "entry {index} lies too close to the middle of two integers to be rounded with certainty"
    )]
    RoundingUndecided {
        /// Index of the entry.
        index: usize,
    },
    /// A table says what it is, and an entry says otherwise.
    #[error("table entry {index} is {got}, expected {expected} by the table's kind")]
    EntryContradictsKind {
        /// Index of the entry.
        index: usize,
        /// The entry that the kind determines.
        expected: u32,
        /// The entry that came.
        got: u32,
    },
    /// A table has another length than its kind determines.
    #[error("table has {got} entries, expected {expected} by the table's kind")]
    LengthContradictsKind {
        /// The length that the kind determines.
        expected: usize,
        /// The length that came.
        got: usize,
    },
    /// A description is too long.
    #[error("description has {got} bytes, expected at most {maximum}")]
    DescriptionTooLong {
        /// Largest accepted length in bytes.
        maximum: usize,
        /// The length that came.
        got: usize,
    },
    /// A description holds a control character, or begins or ends with white space.
    #[error("description holds a control character or outer white space, expected one line of plain text")]
    DescriptionNotPlain,
    /// A line of the text form is not what it should be.
    #[error("line {line} is {got:?}, expected {expected}")]
    UnexpectedLine {
        /// Line number, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
    /// The text form ends too early.
    #[error("table text ends, expected {expected}")]
    UnexpectedEnd {
        /// What should follow.
        expected: &'static str,
    },
    /// The text form says another number of entries than it has.
    #[error("table text announces {expected} entries, got {got}")]
    EntryCount {
        /// The announced number.
        expected: usize,
        /// The number of entries that came.
        got: usize,
    },
    /// An entry of an activation or rotary table is too large.
    #[error("table entry {index} is {got}, expected {minimum} to {maximum}", minimum = -.maximum)]
    SignedEntryTooLarge {
        /// Index of the entry.
        index: usize,
        /// Largest accepted magnitude.
        maximum: i32,
        /// The entry.
        got: i32,
    },
    /// A table has another number of entries than its domain.
    #[error("table has {got} entries, expected {expected} by its domain")]
    LengthContradictsDomain {
        /// The number of entries of the domain.
        expected: usize,
        /// The number that came.
        got: usize,
    },
    /// A head dimension cannot be rotated in pairs.
    #[error("head dimension is {got}, expected an even number")]
    OddHeadDim {
        /// The head dimension.
        got: usize,
    },
}
