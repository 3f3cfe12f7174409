//! Limits that whoever computes bounds shares with the relation, and scales and sizes of the tables that decoders
//! have.

/// `2^30`: the magnitude that no intermediate value may reach. Below it, equality in the field M31
/// is equality of integers, signs included.
pub const ACCUMULATOR_LIMIT: u64 = 1 << 30;
/// Log of the most rows that a component of the relation can have.
pub const MAX_LOG_ROWS: u32 = 22;
/// Widest limb of a range check: two of them hold every number below `2^28`.
pub const MAX_LIMB_BITS: u32 = 14;

/// Cosines and sines are scaled by `2^12`.
pub const ROTARY_SCALE_LOG: u8 = 12;
/// The table of reciprocal square roots has `2^14` entries.
pub const RSQRT_LOG_LEN: u8 = 14;
/// Reciprocal square roots are scaled by `2^17`.
pub const RSQRT_SCALE_LOG: u8 = 17;
/// No entry of the table of reciprocal square roots is larger: `2^15 - 1`.
pub const RSQRT_MAX: u32 = (1 << 15) - 1;
