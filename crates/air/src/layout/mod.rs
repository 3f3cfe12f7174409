//! The layout of a segment: how many rows and columns each component has, where a value stands, and
//! how wide the range checks are. Everything follows from the statement; nothing is chosen by the
//! prover.
//!
//! **Invariant:** a layout does not depend on the position of the segment in its chain. All segments
//! of a chain with the same number of steps share one preprocessed tree, and all segments of a chain
//! share the heights of all trees, so that a state commitment means the same on both sides of a cut.
pub mod decoder;
pub mod digits;
mod lanes;
pub mod limbs;

use alloc::vec;

use matchmark_graph::{ArithmeticTerms, Graph, Kind, LayerGroup, LayerGroups, ModelShape};
use matchmark_quant::{
    AccumulatorBounds, AttentionShape, GapBounds, Rounding, ScoreStep, TableBounds, ValueBits,
    MAX_LIMB_BITS, MODULUS,
};
use matchmark_statement::{Cut, ProofPart, SegmentKind, SegmentShape, SegmentStatement};

use decoder::DecoderLayout;
use digits::ValueDigits;
pub use lanes::LaneChoice;
use lanes::{choose, scores_columns, vectors_columns};
use limbs::{LessThan, NonNegative};

/// Smallest log size of a component: one SIMD vector of rows.
pub const MIN_LOG_ROWS: u32 = 5;
pub use matchmark_quant::MAX_LOG_ROWS;
/// Width of the limb table: at least, so that two limbs hold every remainder of small shapes, and
/// at most, so that two limbs stay far from the modulus.
const LIMB_BITS: core::ops::RangeInclusive<u32> = 12..=MAX_LIMB_BITS;
/// Columns for keys (and for values) over which the heads of a cache are spread when there are several.
const CACHE_LANES: usize = 2;

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
    /// The attention is not that of the model.
    #[error("attention is {got}, expected {expected} for all layers of the model")]
    Attention {
        /// Heads of all layers.
        expected: AttentionShape,
        /// Heads of the segment's shape.
        got: AttentionShape,
    },
    /// The decoder has no such group of layers.
    #[error("the decoder has no such group of layers, expected one of those that it is cut into")]
    Layers,
    /// The accumulators of the shape leave their bounds.
    #[error(transparent)]
    Bounds(#[from] matchmark_quant::QuantError),
}

/// Log sizes of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRows {
    /// Rows (query heads, step, dimension).
    pub vectors: u32,
    /// Rows (query head, step, cache positions).
    pub scores: u32,
    /// Rows (key/value head within its lane, position, dimension).
    pub cache: u32,
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
            scores,
            cache,
            limbs,
            values,
            weights,
        } = *self;
        [vectors, scores, cache, limbs, values, weights]
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
    table: TableBounds,
    heads_per_lane: usize,
    lanes: usize,
    lane_choice: LaneChoice,
    vector_lanes: usize,
    score_lanes: usize,
    log_rows: LogRows,
    excess: Option<NonNegative>,
    gap_remainder: Option<LessThan>,
    remainder: LessThan,
    rounding_shift: Option<NonNegative>,
    digits: Option<ValueDigits>,
    cut: Cut,
    graph: Graph,
    decoder: Option<DecoderLayout>,
    /// Log of the largest component of any group of layers of the decoder.
    tallest: u32,
}

pub(crate) fn log_rows(component: &'static str, rows: u64) -> Result<u32, LayoutError> {
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

/// How many times the denominator a remainder stays below.
fn rounding_factor(rounding: Rounding) -> u64 {
    match rounding {
        Rounding::Floor => 1,
        Rounding::NearestTiesUp => 2,
    }
}

/// The range check of the clipped part of a gap quotient, such that gaps are unique.
///
/// A gap is decomposed as `D * (index + excess) + remainder`, with the remainder below `D`. As the true
/// gap lies within `+-max_gap`, the decomposition gives it if it cannot reach `p - max_gap`.
fn excess(
    gaps: &GapBounds,
    score_step: ScoreStep,
    table_len: u32,
    limb_bits: u32,
) -> Option<NonNegative> {
    let max_excess = gaps.max_excess();
    if max_excess == 0 {
        return None;
    }
    let accepts = |slack| gaps.allow(score_step, table_len, slack);
    Some(fits(NonNegative::covering(max_excess, limb_bits, accepts)))
}

/// A gadget whose bound the checked bounds keep within two limbs.
fn fits<T>(gadget: Option<T>) -> T {
    match gadget {
        Some(gadget) => gadget,
        None => unreachable!("two limbs hold every checked bound"),
    }
}

/// The range check of `u = (r - Z) / 2` where rounding to nearest needs one.
///
/// The rule `2N + Z = 2oZ + r` is stated in halves, `N = oZ + u`. Where both sides of the doubled rule
/// differ by less than `p`, equality in the field is equality of integers, and `r - Z` is even. Beyond
/// that, a remainder of the wrong parity could stand for a difference of `p / 2`, and `u` is shown to be
/// an integer below the reach of two limbs instead: `r - Z = 2u` is then an equality of integers, as both
/// sides are below `2^29`, so `2u` is at most `Z` in magnitude, and the two sides of `N = oZ + u` differ
/// by less than twice the bound on numerators, hence by less than `p`. No shape needs a bound of its own.
///
/// Where values have two digits, the doubled rule of the low one is below `p` by the bounds on digits.
fn rounding_shift(
    bounds: &AccumulatorBounds,
    max_value: u64,
    rounding: Rounding,
    limb_bits: u32,
) -> Option<NonNegative> {
    let (denominator, modulus) = (bounds.max_denominator().unsigned_abs(), u64::from(MODULUS));
    if rounding == Rounding::Floor
        || bounds.digits().is_some()
        || (4 * max_value + 1) * denominator < modulus
    {
        return None;
    }
    let reach = (1 << (2 * limb_bits)) - 1;
    NonNegative::covering(reach, limb_bits, |_| true)
}

/// Whether a stream comes from a group of layers before, and whether one goes to a group behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// From a group before.
    pub goes_in: bool,
    /// To a group behind.
    pub goes_out: bool,
}

impl SegmentLayout {
    /// The layout that a statement fixes.
    ///
    /// # Errors
    ///
    /// Any [`LayoutError`], if the relation cannot carry the shape.
    pub fn of(statement: &SegmentStatement) -> Result<Self, LayoutError> {
        // Of a shape that a statement has, those of its groups of layers are shapes, too.
        let shape = statement.part_shape().map_err(|_| LayoutError::Layers)?;
        let layout = Self::new(
            shape,
            statement.steps().steps(),
            statement.quantization().value_bits(),
            statement.quantization().score_step(),
            statement.rounding(),
            statement.table_bounds(),
        )?;
        let layout = layout.with_cut(statement.cut().kind());
        match statement.decoder() {
            None => Ok(layout),
            Some(decoder) => {
                let place = (decoder.groups, usize::from(statement.group_index()));
                layout.with_layers(decoder.shape, decoder.arithmetic, place)
            }
        }
    }

    /// The same segment, proven in this way. Heights do not depend on it.
    #[must_use]
    pub fn with_cut(mut self, cut: Cut) -> Self {
        self.cut = cut;
        self
    }

    /// Computes the layout of a segment of `steps` steps, proven by one proof.
    ///
    /// # Errors
    ///
    /// Any [`LayoutError`], if the relation cannot carry the shape.
    pub fn new(
        shape: SegmentShape,
        steps: usize,
        value_bits: ValueBits,
        score_step: ScoreStep,
        rounding: Rounding,
        table: TableBounds,
    ) -> Result<Self, LayoutError> {
        let arithmetic = (value_bits, score_step, rounding, table);
        Self::with_choice(shape, steps, arithmetic, LaneChoice::FewestCells)
    }

    /// The same segment with other lanes, before it is made a decoder's: for descriptions of lanes, and attacks on
    /// them, at sizes at which they do not pay. No statement has them.
    ///
    /// # Errors
    ///
    /// Any [`LayoutError`], if the relation cannot carry the shape.
    pub fn with_lanes(self, choice: LaneChoice) -> Result<Self, LayoutError> {
        let arithmetic = self.arithmetic()?;
        let other = Self::with_choice(self.shape, self.steps, arithmetic, choice)?;
        Ok(other.with_cut(self.cut))
    }

    /// What the attention is made from.
    fn arithmetic(&self) -> Result<(ValueBits, ScoreStep, Rounding, TableBounds), LayoutError> {
        let score_step = ScoreStep::new(self.score_step)?;
        Ok((self.value_bits, score_step, self.rounding, self.table))
    }

    fn with_choice(
        shape: SegmentShape,
        steps: usize,
        (value_bits, score_step, rounding, table): (ValueBits, ScoreStep, Rounding, TableBounds),
        lane_choice: LaneChoice,
    ) -> Result<Self, LayoutError> {
        let attention = shape.attention();
        let bounds =
            AccumulatorBounds::new(&attention, shape.capacity(), value_bits, score_step, table)?;
        let (dim, heads) = (attention.head_dim() as u64, attention.query_heads() as u64);
        let capacity = u64::from(shape.capacity().get());
        let segment_steps = u64::from(shape.segment_steps().get());
        let lanes = CACHE_LANES.min(attention.kv_heads());
        let heads_per_lane = attention.kv_heads().div_ceil(lanes);
        let graph = Graph::attention(&attention);
        let entries = graph.rows_per_token(Kind::Attention) as u64;
        let height = |lanes: usize| log_rows("vectors", entries / lanes as u64 * segment_steps);
        // Lanes of query heads that share a key and value head, and that leave none over.
        let (vector_lanes, vectors) = choose(lane_choice, vectors_columns, |lanes| {
            let is_whole = attention.group_size().is_multiple_of(lanes);
            is_whole.then(|| height(lanes))
        })?;
        // The last full segment of the chain has the most scores: its step `t` attends to
        // `capacity - segment_steps + t + 1` entries.
        let height = |lanes: usize| {
            let attended = capacity - segment_steps + 1..=capacity;
            let rows: u64 = attended.map(|count| count.div_ceil(lanes as u64)).sum();
            log_rows("scores", heads * rows)
        };
        let (score_lanes, scores) =
            choose(lane_choice, scores_columns, |lanes| Some(height(lanes)))?;
        let cache = log_rows("cache", heads_per_lane as u64 * capacity * dim)?;
        let max_value = u64::from(value_bits.max_value().unsigned_abs());
        let values = log_rows("value table", 2 * max_value + 1)?;
        let weights = log_rows("weight table", u64::from(table.len))?;

        let gaps = GapBounds::new(&bounds, score_step, table.len)?;
        let remainder_bound = bounds.max_denominator().unsigned_abs() * rounding_factor(rounding);
        let carries = bounds.digits().map(|it| 2 * it.max_denominator());
        let widest = remainder_bound
            .max(score_step.get().into())
            .max(gaps.max_excess() + 1)
            .max(carries.unwrap_or_default());
        let mut limb_bits = vectors
            .max(scores)
            .max(cache)
            .clamp(*LIMB_BITS.start(), *LIMB_BITS.end());
        if widest > 1 << (2 * limb_bits) {
            limb_bits = *LIMB_BITS.end();
        }
        let less_than = |bound: u64| fits(LessThan::new(bound, limb_bits));
        let gap_remainder = match score_step.get() {
            1 => None,
            step => Some(less_than(step.into())),
        };
        Ok(Self {
            shape,
            steps,
            value_bits,
            score_step: score_step.get(),
            rounding,
            table,
            heads_per_lane,
            lanes,
            lane_choice,
            vector_lanes,
            score_lanes,
            log_rows: LogRows {
                vectors,
                scores,
                cache,
                limbs: limb_bits,
                values,
                weights,
            },
            excess: excess(&gaps, score_step, table.len, limb_bits),
            gap_remainder,
            remainder: less_than(remainder_bound),
            rounding_shift: rounding_shift(&bounds, max_value, rounding, limb_bits),
            digits: bounds
                .digits()
                .map(|digits| fits(ValueDigits::new(digits, limb_bits))),
            cut: Cut::Fused,
            graph,
            decoder: None,
            tallest: 0,
        })
    }

    /// Shape shared by the segments of the chain.
    pub fn shape(&self) -> &SegmentShape {
        &self.shape
    }

    /// Whether one proof shows the segment, or two.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// The parts that are proven one by one, in the order of their proofs.
    pub fn parts(&self) -> impl Iterator<Item = ProofPart> {
        self.cut.parts().iter().copied()
    }

    /// The proof that shows the arithmetic: the only one, or the first of two.
    pub fn main_part(&self) -> ProofPart {
        self.cut.main_part()
    }

    /// What the segment is of.
    pub fn kind(&self) -> SegmentKind {
        match self.decoder {
            None => SegmentKind::Attention,
            Some(_) => SegmentKind::Decoder,
        }
    }

    /// The same segment as the attention of a decoder: of all layers, one after the other.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Attention`] if the shape is not that of all layers together, and those of
    /// [`DecoderLayout::new`].
    pub fn with_decoder(
        self,
        shape: ModelShape,
        arithmetic: ArithmeticTerms,
    ) -> Result<Self, LayoutError> {
        self.with_layers(shape, arithmetic, (LayerGroups::ONE, 0))
    }

    /// The same segment as the attention of a group of layers of a decoder that is cut into so many: of these
    /// layers, one after the other. The trees of all groups are as high as the tallest component of any.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Layers`] if there is no such group, [`LayoutError::Attention`] if the shape is not that of
    /// its layers together, and those of [`DecoderLayout::new`], of any of the groups.
    pub fn with_layers(
        self,
        shape: ModelShape,
        arithmetic: ArithmeticTerms,
        (groups, index): (LayerGroups, usize),
    ) -> Result<Self, LayoutError> {
        let layers = shape.layers();
        let group = groups.group(layers, index).ok_or(LayoutError::Layers)?;
        let mut layout = self.with_group(shape, arithmetic, &group)?;
        // Groups of one kind have one layout.
        let mut kinds = vec![group.kind()];
        for other in groups.all(layers) {
            if kinds.contains(&other.kind()) {
                continue;
            }
            kinds.push(other.kind());
            let of_other = layout.of_other_layers(shape, arithmetic, &other)?;
            layout.tallest = layout.tallest.max(of_other.tallest);
        }
        Ok(layout)
    }

    /// The layout of another group of layers, of a segment of as many steps.
    fn of_other_layers(
        &self,
        shape: ModelShape,
        arithmetic: ArithmeticTerms,
        group: &LayerGroup,
    ) -> Result<Self, LayoutError> {
        let of_layers = self.shape.of_layers(&shape, group);
        let layout = Self::with_choice(
            of_layers.map_err(|_| LayoutError::Layers)?,
            self.steps,
            self.arithmetic()?,
            self.lane_choice,
        )?;
        layout.with_group(shape, arithmetic, group)
    }

    fn with_group(
        mut self,
        shape: ModelShape,
        arithmetic: ArithmeticTerms,
        group: &LayerGroup,
    ) -> Result<Self, LayoutError> {
        let expected = shape.attention_of(group.count())?;
        let got = self.shape.attention();
        if expected != got {
            return Err(LayoutError::Attention { expected, got });
        }
        let segment_steps = self.shape.segment_steps().get() as usize;
        let steps = (segment_steps, self.steps);
        let decoder = DecoderLayout::new(shape, arithmetic, group, steps, self.lane_choice)?;
        debug_assert_eq!(
            decoder.graph().rows_per_token(Kind::Attention),
            self.graph.rows_per_token(Kind::Attention),
            "the attention of all layers is one attention"
        );
        self.tallest = self.log_rows.max().max(decoder.max_log_rows());
        self.decoder = Some(decoder);
        Ok(self)
    }

    /// What the segment computes, node by node: the decoder's graph, or that of attention alone, which is one node.
    pub fn graph(&self) -> &Graph {
        let decoder = self.decoder.as_ref();
        decoder.map_or(&self.graph, DecoderLayout::graph)
    }

    /// What is around the attention, if the segment is a decoder's.
    pub fn decoder(&self) -> Option<&DecoderLayout> {
        self.decoder.as_ref()
    }

    /// The decoder of a layout that has one.
    pub(crate) fn expect_decoder(&self) -> &DecoderLayout {
        match &self.decoder {
            Some(decoder) => decoder,
            None => unreachable!("only the proofs of a decoder have its columns"),
        }
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
        self.table.len as usize
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

    /// Log of the largest component, of any group of layers where a decoder is cut into several: trees that two
    /// proofs open have one height.
    pub fn max_log_rows(&self) -> u32 {
        self.log_rows.max().max(self.tallest)
    }

    /// Whether a stream comes from a group of layers before, and whether one goes to a group behind.
    pub fn streams(&self) -> Streams {
        let has = |kind| self.decoder().is_some_and(|it| it.has(kind));
        Streams {
            goes_in: has(Kind::StreamIn),
            goes_out: has(Kind::StreamOut),
        }
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

    /// Range check of the rounding shift `(r - Z) / 2`, offset by [`Self::rounding_offset`]; `None` where
    /// it follows from the other bounds.
    pub fn rounding_shift(&self) -> Option<NonNegative> {
        self.rounding_shift
    }

    /// What is added to a rounding shift so that it is not negative: half the reach of two limbs.
    pub fn rounding_offset(&self) -> u32 {
        1 << (2 * self.log_rows.limbs - 1)
    }

    /// The digits of values and outputs; `None` where they are carried whole.
    pub fn digits(&self) -> Option<ValueDigits> {
        self.digits
    }

    /// The digits of a layout that has some.
    pub(crate) fn expect_digits(&self) -> ValueDigits {
        match self.digits {
            Some(digits) => digits,
            None => unreachable!("only layouts with digits have their columns"),
        }
    }

    /// Query heads that stand side by side in a row of the vectors component: they share a key and value head.
    pub fn vector_lanes(&self) -> usize {
        self.vector_lanes
    }

    /// Row and lane of (query head, step within the segment, dimension) in the vectors component.
    pub fn vector_row(&self, head: usize, step: usize, dim: usize) -> (usize, usize) {
        let steps = self.shape.segment_steps().get() as usize;
        let (heads, lane) = (head / self.vector_lanes, head % self.vector_lanes);
        ((heads * steps + step) * self.head_dim() + dim, lane)
    }

    /// Name of a query entry inside the relations: unique over lanes.
    pub fn query_entry(&self, head: usize, step: usize, dim: usize) -> usize {
        let (row, lane) = self.vector_row(head, step, dim);
        self.query_offset(lane) + row
    }

    /// What [`Self::query_entry`] adds for a lane.
    pub fn query_offset(&self, lane: usize) -> usize {
        lane << self.log_rows.vectors
    }

    /// How often each new key and value of a head is taken by rows of the vectors component.
    pub fn entry_uses(&self) -> usize {
        self.group_size() / self.vector_lanes
    }

    /// Cache positions that stand side by side in a row of the scores component.
    pub fn score_lanes(&self) -> usize {
        self.score_lanes
    }

    /// Rows of the scores component for a step that attends to so many entries.
    pub fn score_rows(&self, count: usize) -> usize {
        count.div_ceil(self.score_lanes)
    }

    /// Positions that each key/value head has rows for in the cache component: as many as its height
    /// holds, and at least the capacity. They follow from the height alone, so that chains of many lengths
    /// share their preprocessed columns.
    pub fn cache_positions(&self) -> usize {
        (1 << self.log_rows.cache) / (self.heads_per_lane * self.head_dim())
    }

    /// Lane and row of (key/value head, cache position, dimension) in the cache component.
    pub fn lane_row(&self, kv_head: usize, position: usize, dim: usize) -> (usize, usize) {
        let head = kv_head % self.heads_per_lane;
        let row = (head * self.cache_positions() + position) * self.head_dim();
        (kv_head / self.heads_per_lane, row + dim)
    }

    /// Name of a cache row inside the relations: unique over lanes.
    pub fn cache_row(&self, kv_head: usize, position: usize, dim: usize) -> usize {
        let (lane, row) = self.lane_row(kv_head, position, dim);
        self.lane_offset(lane) + row
    }

    /// What [`Self::cache_row`] adds for a lane.
    pub fn lane_offset(&self, lane: usize) -> usize {
        lane << self.log_rows.cache
    }

    /// What [`Self::cache_row`] grows by from one position to the next.
    pub fn position_stride(&self) -> usize {
        self.head_dim()
    }

    /// Values that enter random linear combinations: keys and values of the cache, scores, outputs; in a
    /// decoder all inputs and outputs of matrices. Values and outputs of two digits count twice: so do they in
    /// the degree of what is combined over the dimensions.
    pub fn combined_values(&self) -> u64 {
        let rows = self.log_rows;
        let digits = if self.digits.is_some() { 2 } else { 1 };
        let attention = (1 + digits) * self.lanes as u64 * (1 << rows.cache)
            + (1 + digits) * ((self.vector_lanes as u64) << rows.vectors)
            + 2 * ((self.score_lanes as u64) << rows.scores);
        let decoder = self.decoder.as_ref();
        let outputs = (self.vector_lanes as u64) << rows.vectors;
        attention + decoder.map_or(0, |decoder| decoder.combined_values(outputs))
    }
}
