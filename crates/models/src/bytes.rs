//! Numbers and byte strings of the canonical encoding.

/// A length or a size.
pub(crate) fn encode_u32(out: &mut Vec<u8>, value: usize) {
    // Every length and size of a valid model is below 2^32.
    out.extend_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
}

/// A byte string with its length.
pub(crate) fn encode_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    encode_u32(out, bytes.len());
    out.extend_from_slice(bytes);
}
