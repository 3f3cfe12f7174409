//! Attention over the cache: scores, weights and outputs of queries, and the keys and values that a segment
//! adds.
pub mod cache;
pub mod scores;
pub mod vectors;
