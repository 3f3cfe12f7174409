//! The reasons for which a quantity is refused.

use alloc::string::String;

/// Why a quantity of the integer semantics is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantError {
    /// A parameter lies outside of its range.
    #[error("{parameter} is {got}, expected {minimum} to {maximum}")]
    ParameterOutOfRange {
        /// What the parameter is, in words.
        parameter: &'static str,
        /// Smallest accepted value.
        minimum: u64,
        /// Largest accepted value.
        maximum: u64,
        /// The value that came.
        got: u64,
    },
    /// A value lies outside of `[-maximum, maximum]`.
    #[error("value {got} is outside of the {bits}-bit range, expected {minimum} to {maximum}", minimum = -.maximum)]
    ValueOutOfRange {
        /// Value width in bits.
        bits: u8,
        /// Largest accepted magnitude, `2^(bits-1) - 1`.
        maximum: i32,
        /// The value that came.
        got: i32,
    },
    /// A value is the most negative two's complement number of its width (-128 at 8 bits), which
    /// is not a member of the symmetric range.
    #[error("value {got} is excluded at {bits} bits: the range is symmetric, expected {minimum} to {maximum}", minimum = -.maximum)]
    ValueIsExcludedMinimum {
        /// Value width in bits.
        bits: u8,
        /// Largest accepted magnitude, `2^(bits-1) - 1`.
        maximum: i32,
        /// The value that came, `-maximum - 1`.
        got: i32,
    },
    /// The key/value heads do not divide the query heads.
    #[error("{query_heads} query heads cannot be shared out among {kv_heads} key/value heads, expected a multiple of {kv_heads}")]
    HeadsNotDivisible {
        /// Number of query heads.
        query_heads: u32,
        /// Number of key/value heads.
        kv_heads: u32,
    },
    /// An intermediate value could leave the range in which field arithmetic is integer
    /// arithmetic.
    #[error("{quantity} could reach {bound}, expected less than {limit}")]
    AccumulatorTooLarge {
        /// Which intermediate value.
        quantity: &'static str,
        /// The largest magnitude that this shape allows.
        bound: u64,
        /// The magnitude that must not be reached.
        limit: u64,
    },
    /// A cache is so long that a weighted sum of its values could leave the range in which field arithmetic
    /// is integer arithmetic.
    #[error("{got} positions (cache entries) are too many for {bits}-bit values and weights of up to {max_weight}, expected at most {expected}: fewer value bits, smaller weights or a shorter cache fit")]
    TooManyEntries {
        /// Value width in bits.
        bits: u8,
        /// Largest entry of the weight table.
        max_weight: u32,
        /// The most entries that fit.
        expected: u64,
        /// Entries of the cache.
        got: u32,
    },
    /// A model is so large that a component of the relation would have too many rows, even for a single
    /// token.
    #[error(
        "the model needs {got} rows of the {component} component, expected at most {expected}"
    )]
    TooManyRows {
        /// The component.
        component: &'static str,
        /// The most rows that a component has.
        expected: u64,
        /// The fewest that the model needs.
        got: u64,
    },
    /// A rescaled value lies so far outside of its range that a proof could not carry the excess.
    #[error("rescaling {input} by 2^-{shift} leaves the range that a proof can carry: {got} beyond the limits, expected less than {limit}")]
    ExcessTooLarge {
        /// The number that was rescaled.
        input: i64,
        /// Shift, in bits.
        shift: u8,
        /// How far a value may lie outside of its range, exclusive.
        limit: u32,
        /// How far this one does.
        got: u64,
    },
    /// The head dimension is odd, so that its channels cannot be rotated in pairs.
    #[error(
        "head dimension is {got}, expected an even number: rotary embedding pairs its channels"
    )]
    OddHeadDim {
        /// The head dimension.
        got: u32,
    },
    /// A scale is not a finite positive number.
    #[error("scale is {got}, expected a finite number above zero")]
    ScaleNotPositive {
        /// The number that came.
        got: f64,
    },
    /// A float tensor holds a NaN or an infinity.
    #[error("element {index} is {got}, expected a finite number")]
    NotFinite {
        /// Position of the element in the flattened tensor.
        index: usize,
        /// The element.
        got: f32,
    },
    /// A rounding rule has no such name.
    #[error("rounding rule is {got:?}, expected \"floor\" or \"nearest\"")]
    UnknownRounding {
        /// The name that came.
        got: String,
    },
    /// The score increment that one table index stands for is not a number that a table can carry.
    #[error("table delta is {got}, expected {minimum:e} to {maximum}")]
    TableDeltaOutOfRange {
        /// Smallest accepted value.
        minimum: f64,
        /// Largest accepted value.
        maximum: f64,
        /// The value that came.
        got: f64,
    },
}
