//! Limits that whoever computes bounds shares with the relation.

/// `2^30`: the magnitude that no intermediate value may reach. Below it, equality in the field M31
/// is equality of integers, signs included.
pub const ACCUMULATOR_LIMIT: u64 = 1 << 30;
/// Log of the most rows that a component of the relation can have.
pub const MAX_LOG_ROWS: u32 = 22;
/// Widest limb of a range check: two of them hold every number below `2^28`.
pub const MAX_LIMB_BITS: u32 = 14;
