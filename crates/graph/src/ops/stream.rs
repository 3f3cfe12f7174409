//! A stage of the residual stream: an addition, and the normalization of what comes of it.

use alloc::vec::Vec;

use matchmark_quant::QuantError;
use serde::{Deserialize, Serialize};

use crate::edge::EdgeKind;
use crate::limits::EMBEDDING_SHIFT;
use crate::numbers::{in_range, shift, Numbers, MAX_SHIFT};

/// Smallest shift of normalization.
pub(crate) const MIN_NORM_SHIFT: u8 = 11;
/// Largest shift of normalization.
pub(crate) const MAX_NORM_SHIFT: u8 = 16;
/// Epsilon of normalization stays below this.
pub(crate) const NORM_EPSILON_LIMIT: u32 = 1 << 20;

/// Adds accumulators to the stream before, rescales, and normalizes the sum. The first stage has no stream
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Number of channels.
    pub channels: usize,
    /// Whether it is the first stage.
    pub first: bool,
}

impl Stream {
    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        let before = (!self.first).then_some((EdgeKind::Stream, self.channels));
        core::iter::once((EdgeKind::Accumulators, self.channels))
            .chain(before)
            .collect()
    }

    pub(crate) fn gives(&self) -> Vec<(EdgeKind, usize)> {
        let kinds = [EdgeKind::Stream, EdgeKind::Values];
        kinds.map(|kind| (kind, self.channels)).to_vec()
    }

    /// A row for each channel.
    pub(crate) const fn rows(&self) -> usize {
        self.channels
    }
}

/// The constants of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamArithmetic {
    /// The sum of accumulators and stream is divided by two to this power: 1 to 14. In the first stage it is
    /// that of the embedding.
    pub shift: u8,
    /// The stream before is multiplied by two to this power: 0 to 14, and nothing in the first stage. The unit
    /// of the stream grows by `2^(shift - before)` here.
    #[serde(default)]
    pub before: Option<u8>,
    /// Its normalization.
    pub norm: NormArithmetic,
}

/// A normalization of the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormArithmetic {
    /// The product of a stream value and a reciprocal square root is divided by two to this power and the
    /// exponent of the sum of squares: 11 to 16.
    pub shift: u8,
    /// Epsilon, in units of the scaled sum of squares: below `2^20`.
    pub epsilon: u32,
}

impl StreamArithmetic {
    /// Those of the first stage, which is the embedding.
    #[must_use]
    pub const fn first(norm: NormArithmetic) -> Self {
        Self {
            shift: EMBEDDING_SHIFT,
            before: None,
            norm,
        }
    }

    pub(super) fn check(&self) -> Result<(), QuantError> {
        shift("shift of the stream", self.shift)?;
        if let Some(before) = self.before {
            let max = MAX_SHIFT.into();
            in_range("shift of the stream before", before.into(), 0, max)?;
        }
        self.norm.check()
    }

    pub(super) fn append_numbers(&self, numbers: &mut Vec<u32>) {
        let Self {
            shift,
            before,
            norm:
                NormArithmetic {
                    shift: norm_shift,
                    epsilon,
                },
        } = *self;
        // The first stage is not the embedding's in any other way.
        if let Some(before) = before {
            numbers.extend([shift, before].map(u32::from));
        }
        numbers.extend([u32::from(norm_shift), epsilon]);
    }

    pub(super) fn read(stream: &Stream, numbers: &mut Numbers<'_>) -> Result<Self, QuantError> {
        let (shift, before) = if stream.first {
            (EMBEDDING_SHIFT, None)
        } else {
            let shift = numbers.byte("shift of the stream")?;
            (shift, Some(numbers.byte("shift of the stream before")?))
        };
        Ok(Self {
            shift,
            before,
            norm: NormArithmetic {
                shift: numbers.byte("shift of normalization")?,
                epsilon: numbers.number()?,
            },
        })
    }

    pub(super) const fn count(stream: &Stream) -> usize {
        if stream.first {
            2
        } else {
            4
        }
    }

    pub(super) const fn is_of(&self, stream: &Stream) -> bool {
        match self.before {
            None => stream.first && self.shift == EMBEDDING_SHIFT,
            Some(_) => !stream.first,
        }
    }
}

impl NormArithmetic {
    fn check(&self) -> Result<(), QuantError> {
        let (min, max) = (MIN_NORM_SHIFT, MAX_NORM_SHIFT);
        let shift = u64::from(self.shift);
        in_range("shift of normalization", shift, min.into(), max.into())?;
        let most = u64::from(NORM_EPSILON_LIMIT) - 1;
        in_range("epsilon of normalization", self.epsilon.into(), 0, most)
    }
}
