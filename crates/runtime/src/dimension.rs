//! Dimensions of tensors as the quantities of `matchmark-quant` take them.

/// A dimension for a constructor that refuses everything near `u32::MAX`.
pub(crate) fn to_u32(dimension: usize) -> u32 {
    u32::try_from(dimension).unwrap_or(u32::MAX)
}
