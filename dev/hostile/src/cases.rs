//! Small shapes that between them use every gadget in every form.
use std::sync::Arc;

use matchmark_air::describe::describe_segment;
use matchmark_air::gadgets::less_than::LessThan;
use matchmark_air::layout::decoder::DecoderLayout;
use matchmark_air::layout::{LaneChoice, SegmentLayout};
use matchmark_air::preprocessed::Constants;
use matchmark_air::trees::Tree;
use matchmark_air::witness::Column;
use matchmark_models::{IntegerModel, ModelGroup};
use matchmark_prover::{ChainTerms, ModelChain, ProveError};
use matchmark_quant::{
    AccumulatorBounds, AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy,
    QueryHeads, Rounding, ScoreStep, SegmentSteps, StepRange, ValueBits, MODULUS,
};
use matchmark_statement::{
    Cut, PortCommitment, Profile, Security, SecurityLevel, SegmentShape, VerifierDomain,
};
use matchmark_tables::{Rational, WeightTable};

/// What a case is made of.
#[derive(Clone, Debug)]
pub struct Spec {
    pub name: &'static str,
    /// Query heads, key/value heads, head dimension.
    pub heads: [u32; 3],
    pub capacity: u32,
    pub segment_steps: u32,
    pub entries_before: u32,
    pub steps: u32,
    pub bits: u8,
    pub score_step: u32,
    pub rounding: Rounding,
    pub table: WeightTable,
    pub security: Security,
    pub cut: Cut,
    pub lanes: LaneChoice,
}

/// A segment's terms and layout.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    pub terms: ChainTerms,
    pub layout: SegmentLayout,
    pub steps: StepRange,
    pub forms: Forms,
    /// How many values stand in a row.
    pub lanes: LaneChoice,
    /// The decoder whose attention this is, if it is one's.
    pub decoder: Option<Arc<DecoderPart>>,
}

impl Case {
    /// What the preprocessed columns hold.
    pub fn constants(&self) -> Constants<'_> {
        Constants {
            table: self.terms.weight_table(),
            arithmetic: self.decoder.as_ref().map(|part| part.group.arithmetic()),
        }
    }

    /// Whether some statement has the layout: then the verifier of the project has something to say of its proofs.
    pub fn is_stated(&self) -> bool {
        self.lanes == LaneChoice::FewestCells
    }

    /// The decoder, of a case that is one's.
    pub fn expect_decoder(&self) -> (&Arc<DecoderPart>, &DecoderLayout) {
        let part = self.decoder.as_ref().expect("a decoder's case");
        (part, self.layout.decoder().expect("a decoder's layout"))
    }
}

/// Where (query head, step, dimension) stands in the vectors component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorPlace {
    pub row: usize,
    pub lane: usize,
}

/// Row of (query head, step, dimension) in the vectors component, of a layout with one head in a row.
pub fn vector_row(layout: &SegmentLayout, head: usize, step: usize, dim: usize) -> usize {
    assert_eq!(layout.vector_lanes(), 1, "query heads in a row");
    layout.vector_row(head, step, dim).0
}

/// Where (query head, step, dimension) stands in the vectors component.
pub fn vector_place(layout: &SegmentLayout, head: usize, step: usize, dim: usize) -> VectorPlace {
    let (row, lane) = layout.vector_row(head, step, dim);
    VectorPlace { row, lane }
}

/// The decoder of a case.
#[derive(Debug)]
pub struct DecoderPart {
    pub model: Arc<IntegerModel>,
    pub chain: ModelChain,
    /// The layers of the case: all of them, or those of one group.
    pub group: ModelGroup,
    /// Which group it is.
    pub index: u16,
    /// Commitments to the weights of all groups.
    pub weights: Vec<PortCommitment>,
    /// The model tree.
    pub columns: Vec<Column>,
}

/// Which gadgets take two limbs; `None` for one that the layout does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    pub excess: Option<bool>,
    /// Largest excess plus one, where the gadget holds the excess to it exactly.
    pub exact: Option<i64>,
    pub gap_remainder: Option<bool>,
    pub remainder: bool,
}

impl Forms {
    pub(crate) fn of(layout: &SegmentLayout, terms: &ChainTerms) -> Self {
        let limb_bits = layout.log_rows().limbs;
        let two_limbs = LessThan::new((1 << limb_bits) + 1, limb_bits);
        let gap_remainder = layout.gap_remainder();
        let gap_remainder = gap_remainder.map(|gadget| Some(gadget) == two_limbs);
        let gap_columns = gap_remainder.map_or(0, |wide| if wide { 3 } else { 1 });
        let columns = describe_segment(layout, 0)[1]
            .columns
            .iter()
            .find(|(tree, _)| *tree == Tree::Witness)
            .map_or(0, |(_, columns)| *columns);
        // Four columns that all lanes share; of each lane three, two of them in the tree of the pairs if it is split,
        // then the excess, then the gap remainder; and whether it is present, of all but the last.
        let plain = match layout.cut() {
            Cut::Fused => 3,
            Cut::Split => 1,
        };
        let lanes = layout.score_lanes();
        let of_excess = (columns - 4 - (lanes - 1)) / lanes - gap_columns - plain;
        Self {
            excess: layout.excess().map(|_| of_excess >= 2),
            exact: (of_excess == 3).then(|| excess_bound(layout, terms)),
            gap_remainder,
            remainder: Some(layout.remainder()) == two_limbs,
        }
    }
}

/// How large the sums of a layout can get.
pub(crate) fn bounds(layout: &SegmentLayout, terms: &ChainTerms) -> AccumulatorBounds {
    let shape = layout.shape();
    let bounds = AccumulatorBounds::new(
        &shape.attention(),
        shape.capacity(),
        layout.value_bits(),
        terms.quantization.score_step(),
        terms.weight_table().bounds(),
    );
    bounds.unwrap()
}

/// The largest quotient of a gap, less the table's last index, plus one.
fn excess_bound(layout: &SegmentLayout, terms: &ChainTerms) -> i64 {
    bounds(layout, terms).max_quotient() + 2 - layout.table_len() as i64
}

/// Whether the top limb of the excess is bounded from above: where the limbs alone have room for a gap
/// that is another one modulo `p`. By the numbers, not by what the components state.
pub fn excess_is_bounded(case: &Case) -> bool {
    let Some(wide) = case.forms.excess.filter(|_| case.forms.exact.is_none()) else {
        return false;
    };
    let layout = &case.layout;
    let slack = (1_i64 << (layout.log_rows().limbs * (1 + u32::from(wide)))) - 1;
    let reach = i64::from(layout.score_step()) * (layout.table_len() as i64 + slack);
    reach >= i64::from(MODULUS) - bounds(layout, &case.terms).max_gap()
}

/// Whether the top limb of a carry is bounded from above: where the limbs alone have room for sums that wrap.
/// By the numbers, not by what the components state.
pub fn carry_is_bounded(case: &Case) -> bool {
    let bounds = bounds(&case.layout, &case.terms);
    let Some(digits) = bounds.digits() else {
        return false;
    };
    let (slack, offset) = (
        (1_u64 << (2 * case.layout.log_rows().limbs)) - 1,
        digits.max_denominator(),
    );
    !digits.allow_carries(offset.max(slack.saturating_sub(offset)))
}

pub fn insecure() -> Security {
    Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap()
}

pub fn fast() -> Security {
    Security::new(SecurityLevel::Conjectured100, Profile::Fast).unwrap()
}

pub fn table(entries: &[u32]) -> WeightTable {
    WeightTable::custom(entries.to_vec(), "adversarial test").unwrap()
}

impl Spec {
    /// The same at another level.
    pub fn with_security(self, security: Security) -> Self {
        Self { security, ..self }
    }

    pub fn terms(&self) -> ChainTerms {
        let [query, kv, dim] = self.heads;
        let attention = AttentionShape::new(
            QueryHeads::new(query).unwrap(),
            KvHeads::new(kv).unwrap(),
            HeadDim::new(dim).unwrap(),
        )
        .unwrap();
        ChainTerms::attention(
            VerifierDomain::new("adversarial", [7; 16]).unwrap(),
            self.security,
            QuantizationPolicy::new(
                ValueBits::new(self.bits).unwrap(),
                ScoreStep::new(self.score_step).unwrap(),
                None,
            ),
            self.rounding,
            SegmentShape::new(
                attention,
                CacheCapacity::new(self.capacity).unwrap(),
                SegmentSteps::new(self.segment_steps).unwrap(),
            )
            .unwrap(),
            self.table.clone(),
        )
    }

    /// The case, if the relation carries its shape.
    pub fn try_case(&self) -> Result<Arc<Case>, ProveError> {
        let terms = self.terms();
        let layout = terms.layout(self.steps as usize)?;
        let layout = layout.with_lanes(self.lanes)?.with_cut(self.cut);
        Ok(Arc::new(Case {
            name: self.name,
            forms: Forms::of(&layout, &terms),
            lanes: self.lanes,
            layout,
            steps: StepRange::new(self.entries_before, self.steps).unwrap(),
            terms,
            decoder: None,
        }))
    }

    pub fn case(&self) -> Arc<Case> {
        self.try_case().unwrap()
    }
}

/// Weights of the essay's table, clip at 8, `D = 1`, `Floor`: no gap remainder, everything else in
/// one limb; two lanes; the segment is shorter than the longest of its chain.
pub fn narrow() -> Spec {
    Spec {
        name: "narrow",
        heads: [2, 2, 4],
        capacity: 7,
        segment_steps: 3,
        entries_before: 4,
        steps: 2,
        bits: 4,
        score_step: 1,
        rounding: Rounding::Floor,
        table: WeightTable::essay9(),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// Grouped heads in one lane; excess in two limbs without an upper bound; output remainder in two
/// limbs, gap remainder in one.
pub fn wide() -> Spec {
    Spec {
        name: "wide",
        heads: [4, 1, 4],
        capacity: 6,
        segment_steps: 2,
        entries_before: 4,
        steps: 2,
        bits: 8,
        score_step: 5,
        rounding: Rounding::NearestTiesUp,
        table: WeightTable::exp256_default(),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// Excess in two limbs with a bounded top limb; `Floor` with a remainder in two limbs; three heads
/// on two lanes, so that one place of the second lane is empty.
pub fn bounded_wide() -> Spec {
    Spec {
        name: "bounded wide",
        heads: [3, 3, 4],
        capacity: 5,
        segment_steps: 2,
        entries_before: 3,
        steps: 2,
        bits: 12,
        score_step: 1000,
        rounding: Rounding::Floor,
        table: WeightTable::exp256_default(),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// Excess in one bounded limb, gap remainder in two limbs, output remainder in one.
pub fn bounded_narrow() -> Spec {
    Spec {
        name: "bounded narrow",
        heads: [2, 2, 4],
        capacity: 5,
        segment_steps: 2,
        entries_before: 3,
        steps: 2,
        bits: 12,
        score_step: 1 << 19,
        rounding: Rounding::NearestTiesUp,
        table: table(&[64, 40, 20, 10, 5, 3, 2, 1]),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// Excess held to its maximum exactly, by a complement in two limbs: only the widest gaps need that.
pub fn exact() -> Spec {
    let exponential = WeightTable::exponential(Rational::new(1, 256).unwrap(), 11, 4096).unwrap();
    // No weight is zero, so that forged runs have a denominator.
    let entries: Vec<u32> = exponential.entries().iter().map(|it| *it.max(&1)).collect();
    Spec {
        name: "exact",
        heads: [2, 1, 128],
        capacity: 5,
        segment_steps: 2,
        entries_before: 3,
        steps: 2,
        bits: 12,
        score_step: 1200,
        rounding: Rounding::Floor,
        table: table(&entries),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// A table so long that nothing clips: no excess. Grouped heads 2 to 1 on two lanes, odd dimension.
pub fn unclipped() -> Spec {
    Spec {
        name: "unclipped",
        heads: [4, 2, 5],
        capacity: 6,
        segment_steps: 3,
        entries_before: 3,
        steps: 3,
        bits: 4,
        score_step: 60,
        rounding: Rounding::NearestTiesUp,
        table: WeightTable::essay9(),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// Denominators so large that the rounding shift needs a range check of its own.
pub fn shifted() -> Spec {
    Spec {
        name: "shifted",
        heads: [2, 1, 4],
        capacity: 5,
        segment_steps: 2,
        entries_before: 3,
        steps: 2,
        bits: 12,
        score_step: 60_000,
        rounding: Rounding::NearestTiesUp,
        table: table(&[100_000, 60_000, 30_000, 9000, 2500, 800, 90, 1]),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// Weights so heavy that values have two digits; the carry is bounded by its limbs; two lanes, and one query
/// head each.
pub fn two_digits() -> Spec {
    Spec {
        name: "two digits",
        heads: [2, 2, 4],
        capacity: 5,
        segment_steps: 2,
        entries_before: 3,
        steps: 2,
        bits: 11,
        score_step: 20_000,
        rounding: Rounding::NearestTiesUp,
        table: table(&[1_500_000, 900_000, 300_000, 90_000, 25_000, 8000, 900, 10]),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// The same in two proofs, heavier, so that the top limb of the carry is bounded from above; `Floor`, grouped
/// heads.
pub fn split_digits() -> Spec {
    Spec {
        name: "split digits",
        heads: [2, 1, 3],
        bits: 12,
        rounding: Rounding::Floor,
        table: table(&[1_800_000, 900_000, 300_000, 90_000, 25_000, 8000, 900, 10]),
        cut: Cut::Split,
        lanes: LaneChoice::FewestCells,
        ..two_digits()
    }
}

/// [`narrow`] in two proofs.
pub fn split_narrow() -> Spec {
    Spec {
        name: "split narrow",
        cut: Cut::Split,
        lanes: LaneChoice::FewestCells,
        ..narrow()
    }
}

/// [`wide`] in two proofs: a table with more entries than there are pairs, and grouped heads.
pub fn split_wide() -> Spec {
    Spec {
        name: "split wide",
        cut: Cut::Split,
        lanes: LaneChoice::FewestCells,
        ..wide()
    }
}

/// Six query heads on one key/value head, and vectors of one dimension.
pub fn one_dimension() -> Spec {
    Spec {
        name: "one dimension",
        heads: [6, 1, 1],
        capacity: 5,
        segment_steps: 2,
        entries_before: 3,
        steps: 2,
        bits: 6,
        score_step: 50,
        rounding: Rounding::NearestTiesUp,
        table: WeightTable::essay9(),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// A segment that is the whole chain: from an empty cache to a full one.
pub fn whole_chain() -> Spec {
    Spec {
        name: "whole chain",
        heads: [2, 1, 3],
        capacity: 4,
        segment_steps: 4,
        entries_before: 0,
        steps: 4,
        bits: 4,
        score_step: 3,
        rounding: Rounding::Floor,
        table: WeightTable::essay9(),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// The largest score step that the relation carries, with the widest values, in the first segment of a
/// chain.
pub fn largest_step() -> Spec {
    Spec {
        name: "largest step",
        heads: [2, 2, 3],
        capacity: 5,
        segment_steps: 3,
        entries_before: 0,
        steps: 2,
        bits: 12,
        score_step: ScoreStep::MAX,
        rounding: Rounding::NearestTiesUp,
        table: table(&[3, 1]),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// The longest table, in two proofs: it has more entries than there are pairs.
pub fn longest_table() -> Spec {
    let len = WeightTable::MAX_LEN as u32;
    let entries: Vec<u32> = (0..len).map(|index| 1 + (len - index) / 5).collect();
    Spec {
        name: "longest table",
        heads: [2, 1, 2],
        capacity: 4,
        segment_steps: 1,
        entries_before: 2,
        steps: 1,
        bits: 8,
        score_step: 2,
        rounding: Rounding::Floor,
        table: table(&entries),
        security: insecure(),
        cut: Cut::Split,
        lanes: LaneChoice::FewestCells,
    }
}

/// Shapes at the ends of their ranges. Some attacks need more room than they have, so that they are no
/// cases of the constraint drop.
pub fn edges() -> Vec<Spec> {
    vec![
        one_dimension(),
        whole_chain(),
        largest_step(),
        longest_table(),
    ]
}

/// All others.
pub fn all() -> Vec<Spec> {
    vec![
        narrow(),
        wide(),
        bounded_wide(),
        bounded_narrow(),
        exact(),
        unclipped(),
        shifted(),
        split_narrow(),
        split_wide(),
        two_digits(),
        split_digits(),
    ]
}

/// Two query heads and three positions in a row, which at such a size no statement has: there are attacks on what lanes
/// have besides, in systems of this layout. Two heads of the cache in a lane; all gadgets.
pub fn lanes() -> Spec {
    Spec {
        name: "lanes",
        heads: [6, 3, 4],
        capacity: 14,
        segment_steps: 3,
        entries_before: 10,
        steps: 3,
        bits: 8,
        score_step: 61,
        rounding: Rounding::NearestTiesUp,
        table: WeightTable::exp256_default(),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::UpTo(3),
    }
}

/// The same in two proofs.
pub fn split_lanes() -> Spec {
    Spec {
        name: "split lanes",
        cut: Cut::Split,
        ..lanes()
    }
}

/// Cases of layouts that no statement has.
pub fn unstated() -> Vec<Spec> {
    vec![lanes(), split_lanes()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_take_both_forms() {
        let bounded = [two_digits(), split_digits()].map(|spec| {
            let case = spec.case();
            assert!(case.layout.digits().is_some(), "{}", case.name);
            carry_is_bounded(&case)
        });
        assert_eq!(bounded, [false, true]);
        let whole = |spec: &Spec| spec.case().layout.digits().is_none();
        assert_eq!(all().iter().filter(|spec| !whole(spec)).count(), 2);
        assert!(edges().iter().all(whole));
    }

    /// The shapes are what they are there for.
    #[test]
    fn edges_are_at_the_ends() {
        let shape = |spec: &Spec| spec.terms().shape;
        let one = one_dimension();
        assert_eq!(shape(&one).attention().head_dim(), 1);
        assert!(shape(&one).attention().group_size() > 4);
        let whole = whole_chain();
        assert_eq!((whole.entries_before, whole.steps), (0, whole.capacity));
        let step = largest_step();
        assert!(step.entries_before == 0 && step.steps < step.segment_steps);
        assert!(ScoreStep::new(step.score_step + 1).is_err());
        assert_eq!(bounds(&step.case().layout, &step.terms()).max_quotient(), 1);
        let table = longest_table().table.entries().len();
        assert_eq!(table, WeightTable::MAX_LEN);
    }
}
