//! Integer ranges, scales, rounding rules, shapes and accumulator bounds of quantized attention.
//!
//! This is the lowest crate of the workspace. It says which integers an attention decode works on
//! (signed values of 4 to 12 bits in a symmetric range), how many of them there are
//! ([`AttentionShape`], [`StepRange`]), how a quotient is rounded ([`Rounding`]), how large every
//! intermediate value can become ([`AccumulatorBounds`]), how one is rescaled ([`Rescale`]) and how
//! integers are embedded into the field M31 ([`embed`]). It also holds the [quantization policy](QuantizationPolicy) with its
//! identity, and the [`digest_newtype!`] macro with which the crates above make their own
//! identities.
//!
//! It knows nothing of lookup tables and nothing of proofs.
//!
//! ```
//! use matchmark_quant::{AttentionShape, HeadDim, KvHeads, QueryHeads, Rounding, StepRange};
//!
//! # fn main() -> Result<(), matchmark_quant::QuantError> {
//! let shape = AttentionShape::new(QueryHeads::new(4)?, KvHeads::new(2)?, HeadDim::new(64)?)?;
//! let steps = StepRange::new(2, 64)?;
//! assert_eq!(steps.lookup_claims(&shape), 8_832);
//! assert_eq!(Rounding::NearestTiesUp.divide(-7, 2), (-3, 0));
//! # Ok(())
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod bounds;
pub mod digest;
mod digits;
mod error;
mod field;
mod float;
mod limits;
mod parameters;
mod policy;
mod rescale;
mod rounding;
mod shape;
mod steps;
mod values;

pub use bounds::{AccumulatorBounds, GapBounds, TableBounds};
pub use digest::{DigestParseError, TaggedSha256};
pub use digits::DigitBounds;
pub use error::QuantError;
pub use field::{centered, embed, MODULUS};
pub use float::{
    exact_table_delta, quantize_tensor, score_step_from, sqrt_head_dim, table_delta_value,
    TABLE_DELTA_FRACTION_BITS,
};
pub use limits::{
    ACCUMULATOR_LIMIT, MAX_LIMB_BITS, MAX_LOG_ROWS, ROTARY_SCALE_LOG, RSQRT_LOG_LEN, RSQRT_MAX,
    RSQRT_SCALE_LOG,
};
pub use parameters::{
    CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads, ScoreStep,
    SegmentSteps, VocabularySize,
};
pub use policy::{QuantizationId, QuantizationPolicy, Scale, Scales};
pub use rescale::{Rescale, Rescaled, EXCESS_BITS, NORM_PRODUCT_BITS, STREAM_EXCESS_BITS};
pub use rounding::Rounding;
pub use shape::AttentionShape;
pub use steps::{Segments, StepRange};
pub use values::ValueBits;

/// The example of the README, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
