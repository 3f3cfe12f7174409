//! The layout of a segment: how many rows and columns each component has, where a value stands, and
//! how wide the range checks are. Everything follows from the statement; nothing is chosen by the
//! prover.
//!
//! **Invariant:** a layout does not depend on the position of the segment in its chain. All segments
//! of a chain with the same number of steps share one preprocessed tree, and all segments of a chain
//! share the heights of all trees, so that a state commitment means the same on both sides of a cut.
use matchmark_quant::{AccumulatorBounds, Rounding, ValueBits, MODULUS};
use matchmark_statement::{SegmentShape, SegmentStatement};

use crate::gadgets::less_than::LessThan;
use crate::gadgets::non_negative::NonNegative;

/// Smallest log size of a component: one SIMD vector of rows.
pub const MIN_LOG_ROWS: u32 = 5;
/// Largest log size of a component.
pub const MAX_LOG_ROWS: u32 = 22;
/// Width of the limb table: at least, so that two limbs hold every remainder of small shapes, and
/// at most, so that two limbs stay far from the modulus.
const LIMB_BITS: core::ops::RangeInclusive<u32> = 12..=14;
/// Columns for keys (and for values) that a state tree is split into when there are several heads.
const STATE_LANES: usize = 2;

/// A shape that the relation cannot carry.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A component would have too many rows.
    #[error("{component} needs 2^{got} rows, expected at most 2^{expected}")]
    TooManyRows {
        /// Which component.
        component: &'static str,
        /// Largest log size.
        expected: u32,
        /// Log size that the shape needs.
        got: u32,
    },
    /// Gaps could wrap around the field.
    #[error("gap decomposition reaches {got}, expected less than {expected}")]
    GapWraps {
        /// The modulus less the largest gap.
        expected: u64,
        /// The largest value of the decomposition.
        got: u64,
    },
    /// Rounded numerators could wrap around the field.
    #[error("(4M + 1) times the largest denominator is {got}, expected less than {expected}: use fewer cache entries, smaller weights or floor rounding")]
    RoundingWraps {
        /// The modulus.
        expected: u64,
        /// The largest difference between the two sides of the rounding rule.
        got: u64,
    },
    /// A remainder does not fit its limbs.
    #[error("{quantity} reaches {got}, expected at most {expected}")]
    RangeTooWide {
        /// Which quantity.
        quantity: &'static str,
        /// Largest value that the limbs hold.
        expected: u64,
        /// Value that the shape needs.
        got: u64,
    },
    /// The accumulators of the shape leave their bounds.
    #[error(transparent)]
    Bounds(#[from] matchmark_quant::QuantError),
}

/// Log sizes of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRows {
    /// Rows (query head, step, dimension).
    pub vectors: u32,
    /// Rows (query head, step, candidate).
    pub candidates: u32,
    /// Rows (key/value head within its lane, position, dimension).
    pub state: u32,
    /// Entries of the limb range table.
    pub limbs: u32,
    /// Entries of the value range table.
    pub values: u32,
    /// Entries of the weight table.
    pub weights: u32,
}

impl LogRows {
    fn max(&self) -> u32 {
        let Self {
            vectors,
            candidates,
            state,
            limbs,
            values,
            weights,
        } = *self;
        [vectors, candidates, state, limbs, values, weights]
            .into_iter()
            .fold(MIN_LOG_ROWS, u32::max)
    }
}

/// Layout of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentLayout {
    shape: SegmentShape,
    steps: usize,
    value_bits: ValueBits,
    score_step: u32,
    rounding: Rounding,
    table_len: usize,
    heads_per_lane: usize,
    lanes: usize,
    log_rows: LogRows,
    excess: Option<NonNegative>,
    gap_remainder: Option<LessThan>,
    remainder: LessThan,
}

fn log_rows(component: &'static str, rows: usize) -> Result<u32, LayoutError> {
    let log = rows.max(1).next_power_of_two().ilog2().max(MIN_LOG_ROWS);
    if log > MAX_LOG_ROWS {
        return Err(LayoutError::TooManyRows {
            component,
            expected: MAX_LOG_ROWS,
            got: log,
        });
    }
    Ok(log)
}

impl SegmentLayout {
    /// The layout that a statement fixes.
    ///
    /// # Errors
    ///
    /// Any [`LayoutError`], if the relation cannot carry the shape.
    pub fn of(statement: &SegmentStatement) -> Result<Self, LayoutError> {
        Self::new(
            statement.shape(),
            statement.steps().steps(),
            statement.quantization().value_bits(),
            statement.quantization().score_step(),
            statement.rounding(),
            statement.table_bounds(),
        )
    }

    /// Computes the layout of a segment of `steps` steps.
    ///
    /// # Errors
    ///
    /// Any [`LayoutError`], if the relation cannot carry the shape.
    pub fn new(
        shape: SegmentShape,
        steps: usize,
        value_bits: ValueBits,
        score_step: matchmark_quant::ScoreStep,
        rounding: Rounding,
        table: matchmark_quant::TableBounds,
    ) -> Result<Self, LayoutError> {
        let attention = shape.attention();
        let bounds =
            AccumulatorBounds::new(&attention, shape.capacity(), value_bits, score_step, table)?;
        let (max_denominator, max_gap, max_quotient) = (
            bounds.max_denominator().unsigned_abs(),
            bounds.max_gap().unsigned_abs(),
            bounds.max_quotient().unsigned_abs(),
        );
        let (dim, heads) = (attention.head_dim(), attention.query_heads());
        let capacity = shape.capacity().get() as usize;
        let segment_steps = shape.segment_steps().get() as usize;
        let lanes = STATE_LANES.min(attention.kv_heads());
        let heads_per_lane = attention.kv_heads().div_ceil(lanes);
        // The last full segment of the chain has the most candidates: its step `t` attends to
        // `capacity - segment_steps + t + 1` entries.
        let candidates: usize = (0..segment_steps)
            .map(|t| (capacity + t + 1).saturating_sub(segment_steps))
            .sum();
        let vectors = log_rows("vectors", heads * segment_steps * dim)?;
        let candidates = log_rows("candidates", heads * candidates)?;
        let state = log_rows("state", heads_per_lane * capacity * dim)?;
        let values = log_rows("value table", value_bits.max_value() as usize * 2 + 1)?;
        let weights = log_rows("weight table", table.len as usize)?;

        let remainder_bound = match rounding {
            Rounding::Floor => max_denominator,
            Rounding::NearestTiesUp => 2 * max_denominator,
        };
        // The rounding rule 2N + Z = 2oZ + r is stated in halves, N = oZ + (r - Z) / 2. Where both sides
        // of the doubled rule differ by less than p, equality in the field is equality of integers,
        // and the parity of r - Z with it.
        let doubled = (4 * u64::from(value_bits.max_value().unsigned_abs()) + 1) * max_denominator;
        if rounding == Rounding::NearestTiesUp && doubled >= u64::from(MODULUS) {
            return Err(LayoutError::RoundingWraps {
                expected: u64::from(MODULUS),
                got: doubled,
            });
        }
        let mut limb_bits = vectors
            .max(candidates)
            .max(state)
            .clamp(*LIMB_BITS.start(), *LIMB_BITS.end());
        let score_step = score_step.get();
        if remainder_bound.max(u64::from(score_step)) > 1 << (2 * limb_bits) {
            limb_bits = *LIMB_BITS.end();
        }
        let remainder =
            LessThan::new(remainder_bound, limb_bits).ok_or(LayoutError::RangeTooWide {
                quantity: "output remainder",
                expected: 1 << (2 * limb_bits),
                got: remainder_bound,
            })?;
        let gap_remainder = match score_step {
            1 => None,
            _ => Some(LessThan::new(u64::from(score_step), limb_bits).ok_or(
                LayoutError::RangeTooWide {
                    quantity: "gap remainder",
                    expected: 1 << (2 * limb_bits),
                    got: u64::from(score_step),
                },
            )?),
        };
        let max_excess = max_quotient.saturating_sub(u64::from(table.len) - 1);
        // The gap is decomposed as D * (index + excess) + remainder. As the true gap lies within
        // +-max_gap, the decomposition is unique if it cannot reach p - max_gap.
        let limit = u64::from(MODULUS) - max_gap;
        let reach = |excess: u64| {
            u64::from(score_step) * (u64::from(table.len) - 1 + excess)
                + gap_remainder.map_or(0, |gadget| gadget.reach().max(u64::from(score_step)))
        };
        let excess = match max_excess {
            0 => None,
            _ => Some(
                NonNegative::covering(max_excess, limb_bits, |slack| reach(slack) < limit).ok_or(
                    LayoutError::GapWraps {
                        expected: limit,
                        got: reach(max_excess),
                    },
                )?,
            ),
        };
        if reach(0) >= limit {
            return Err(LayoutError::GapWraps {
                expected: limit,
                got: reach(0),
            });
        }
        Ok(Self {
            shape,
            steps,
            value_bits,
            score_step,
            rounding,
            table_len: table.len as usize,
            heads_per_lane,
            lanes,
            log_rows: LogRows {
                vectors,
                candidates,
                state,
                limbs: limb_bits,
                values,
                weights,
            },
            excess,
            gap_remainder,
            remainder,
        })
    }

    /// Shape shared by the segments of the chain.
    pub fn shape(&self) -> &SegmentShape {
        &self.shape
    }

    /// Steps of this segment.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Width of the quantized values.
    pub fn value_bits(&self) -> ValueBits {
        self.value_bits
    }

    /// Score step `D`.
    pub fn score_step(&self) -> u32 {
        self.score_step
    }

    /// Rounding rule of the outputs.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// Entries of the weight table.
    pub fn table_len(&self) -> usize {
        self.table_len
    }

    /// Number of column pairs (keys, values) in a state tree.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Heads in a lane (the last lane may have fewer).
    pub fn heads_per_lane(&self) -> usize {
        self.heads_per_lane
    }

    /// Head dimension `d`.
    pub fn head_dim(&self) -> usize {
        self.shape.attention().head_dim()
    }

    /// Query heads for each key/value head.
    pub fn group_size(&self) -> usize {
        self.shape.attention().group_size()
    }

    /// Largest cache length of the chain.
    pub fn capacity(&self) -> usize {
        self.shape.capacity().get() as usize
    }

    /// Log sizes of the components.
    pub fn log_rows(&self) -> LogRows {
        self.log_rows
    }

    /// Log of the largest component.
    pub fn max_log_rows(&self) -> u32 {
        self.log_rows.max()
    }

    /// Log size of the domain of all commitment trees at this blowup.
    pub fn lifting_log_size(&self, log_blowup: u32) -> u32 {
        self.max_log_rows() + log_blowup
    }

    /// Range check of the clipped part of a gap quotient; `None` if no gap of the shape clips.
    pub fn excess(&self) -> Option<NonNegative> {
        self.excess
    }

    /// Range check of gap remainders; `None` if the score step is 1.
    pub fn gap_remainder(&self) -> Option<LessThan> {
        self.gap_remainder
    }

    /// Range check of output remainders.
    pub fn remainder(&self) -> LessThan {
        self.remainder
    }

    /// Row of (query head, step within the segment, dimension) in the vectors component.
    pub fn vector_row(&self, head: usize, step: usize, dim: usize) -> usize {
        let steps = self.shape.segment_steps().get() as usize;
        (head * steps + step) * self.head_dim() + dim
    }

    /// Lane and row of (key/value head, cache position, dimension) in the state component.
    pub fn state_row(&self, kv_head: usize, position: usize, dim: usize) -> (usize, usize) {
        let row = ((kv_head % self.heads_per_lane) * self.capacity() + position) * self.head_dim();
        (kv_head / self.heads_per_lane, row + dim)
    }

    /// Name of a cache row inside the relations: unique over lanes.
    pub fn cache_row(&self, kv_head: usize, position: usize, dim: usize) -> usize {
        let (lane, row) = self.state_row(kv_head, position, dim);
        self.lane_offset(lane) + row
    }

    /// What [`Self::cache_row`] adds for a lane.
    pub fn lane_offset(&self, lane: usize) -> usize {
        lane << self.log_rows.state
    }

    /// What [`Self::cache_row`] grows by from one position to the next.
    pub fn position_stride(&self) -> usize {
        self.head_dim()
    }

    /// Upper bound on the uses of all relations together, counting table uses by rows.
    pub fn lookup_uses(&self) -> u64 {
        self.lookup_tuples()
    }

    /// Tuples of all relations: rows times tuples a row, over all components.
    pub fn lookup_tuples(&self) -> u64 {
        let LogRows {
            vectors,
            candidates,
            state,
            limbs,
            values,
            weights,
        } = self.log_rows;
        // Generous counts a row: the gadgets take at most four tuples each.
        let lanes = self.lanes as u64;
        [
            (vectors, 8),
            (candidates, 10),
            (state, 4 * lanes),
            (limbs, 1),
            (values, 1),
            (weights, 1),
        ]
        .into_iter()
        .map(|(log, tuples)| tuples << log)
        .sum()
    }

    /// Values that enter random projections: keys and values of the cache, scores, outputs.
    pub fn projected_values(&self) -> u64 {
        let rows = self.log_rows;
        (2 * self.lanes as u64) * (1 << rows.state)
            + 2 * (1 << rows.vectors)
            + 2 * (1 << rows.candidates)
    }
}
