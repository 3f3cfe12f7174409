//! What was published: an essay's rows, as it gives them. JSON proofs at 13 bits of security, their witness
//! public; the two split proofs are joined by nothing but the verifier's recomputation.

/// Bytes of the fused proof at dimension 64, 4 heads, 64 steps.
pub const FUSED_BYTES: f64 = 276_503.0;
/// Bytes of both split proofs of the same row.
pub const SPLIT_BYTES: f64 = 315_785.0;
/// The arithmetic one of them.
pub const ARITHMETIC_BYTES: f64 = 272_638.0;
/// The lookup one.
pub const LOOKUP_BYTES: f64 = 43_147.0;
/// Fused against split over the four rows: the least and the largest ratio.
pub const RATIOS: [f64; 2] = [0.8756, 0.9228];
/// Growth of fused bytes from 32 to 64 steps over the four rows: the least and the largest.
pub const BYTES_GROWTH: [f64; 2] = [1.065, 1.081];
/// Growth of lookup claims from 32 to 64 steps.
pub const CLAIMS_GROWTH: f64 = 3.73;
/// Growth of trace rows from 32 to 64 steps.
pub const ROWS_GROWTH: f64 = 4.00;
