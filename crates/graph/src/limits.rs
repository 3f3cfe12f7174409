//! Widths and limits that all graphs have.

/// Width of a value of the residual stream: two's complement, `[-2^15, 2^15 - 1]`.
pub const STREAM_BITS: u8 = 16;
/// Width of a query or key before rotation: two's complement, `[-2^12, 2^12 - 1]`.
pub const ROTARY_BITS: u8 = 13;
/// Weights lie in `[-2047, 2047]`; the bounds on accumulators may allow less.
pub const WEIGHT_LIMIT: i16 = 2047;
/// A sum of squares is taken in units of `2^15`.
pub const SQUARE_SHIFT: u8 = 15;
/// A sum of squares in these units, epsilon included, stays below `2^28`.
pub const SQUARE_LIMIT: i64 = 1 << 28;
/// Largest number of weights that the relation has in a row.
pub const MAX_LINEAR_WIDTH: usize = 512;
/// The embedding is the first stream, times two to this power in the accumulators of the stream.
pub const EMBEDDING_SHIFT: u8 = 1;
