//! The integers of a whole decoder: its shape, its widths and shifts.

mod arithmetic;
mod bounds;
mod nodes;
mod shape;
mod terms;

pub use arithmetic::{ModelArithmetic, ModelArithmeticParts};
pub use bounds::ModelBounds;
pub use nodes::{LayerArithmetic, MatrixArithmetic, NormArithmetic, ResidualArithmetic};
pub use shape::ModelShape;
pub use terms::{ArithmeticId, ArithmeticTerms};

/// Width of a value of the residual stream: two's complement, `[-2^15, 2^15 - 1]`.
pub const STREAM_BITS: u8 = 16;
/// Width of a query or key before rotation: two's complement, `[-2^12, 2^12 - 1]`.
pub const ROTARY_BITS: u8 = 13;
/// Cosines and sines are scaled by `2^12`.
pub const ROTARY_SCALE_LOG: u8 = 12;
/// Weights lie in `[-2047, 2047]`; the bounds on accumulators may allow less.
pub const WEIGHT_LIMIT: i16 = 2047;
/// A sum of squares is taken in units of `2^15`.
pub const SQUARE_SHIFT: u8 = 15;
/// A sum of squares in these units, epsilon included, stays below `2^28`.
pub const SQUARE_LIMIT: i64 = 1 << 28;
/// The table of reciprocal square roots has `2^14` entries.
pub const RSQRT_LOG_LEN: u8 = 14;
/// Reciprocal square roots are scaled by `2^17`.
pub const RSQRT_SCALE_LOG: u8 = 17;
/// Largest number of weights that the relation has in a row.
pub const MAX_LINEAR_WIDTH: usize = 512;
/// No entry of the table of reciprocal square roots is larger: `2^15 - 1`.
pub const RSQRT_MAX: u32 = (1 << 15) - 1;
