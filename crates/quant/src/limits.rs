//! Scales and sizes of the tables that decoders have.

/// Cosines and sines are scaled by `2^12`.
pub const ROTARY_SCALE_LOG: u8 = 12;
/// The table of reciprocal square roots has `2^14` entries.
pub const RSQRT_LOG_LEN: u8 = 14;
/// Reciprocal square roots are scaled by `2^17`.
pub const RSQRT_SCALE_LOG: u8 = 17;
/// No entry of the table of reciprocal square roots is larger: `2^15 - 1`.
pub const RSQRT_MAX: u32 = (1 << 15) - 1;
