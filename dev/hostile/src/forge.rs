//! A witness that can be changed by name, and made consistent again around the change.
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::circuit::Circuit;
use matchmark_air::column::field;
use matchmark_air::harness::evaluator::{RowEvaluator, Rows};
use matchmark_air::harness::row::{Observer, Source};
use matchmark_air::harness::trace::TraceColumn;
use matchmark_air::ops::attention::cache::columns::LaneEntries;
use matchmark_air::relation::RelationTag;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, PartTrace, SegmentWitness};
use matchmark_quant::{centered, embed, MODULUS};
use matchmark_statement::ProofPart;
use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::prover::backend::simd::m31::PackedBaseField;

use super::cases::{vector_place, Case, VectorPlace};
use super::checker::{evaluate, mock_names, Drop, Evaluation};
use super::claim::claim_is_true;
use super::world::{output_remainder, sizes, tree_of, World};
use super::Rng;

/// Random linear combinations of forged columns, at whichever points are drawn.
pub type Combiner = Arc<dyn Fn(RlcChallenges) -> PartTrace + Send + Sync>;

/// Limbs of the columns that a range gadget adds; entries that a layout does not have are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limbs {
    pub low: i64,
    pub high: i64,
    pub complement_low: i64,
}

/// A lane of a row of the scores component. What the lanes of a row share is that of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreRow {
    pub cache_row: i64,
    /// 1 on the first row of a run, in each of its lanes.
    pub first: i64,
    pub last: i64,
    pub maximum: i64,
    pub present: i64,
    pub index: i64,
    pub weight: i64,
    pub attained: i64,
    pub excess: Limbs,
    pub remainder: Limbs,
}

/// A forged witness in the making.
#[derive(Clone)]
pub struct Forge {
    pub case: Arc<Case>,
    pub witness: SegmentWitness,
    /// The lanes of the rows of the scores component, one after the other; [`Forge::finish`] writes them back.
    pub scores: Vec<ScoreRow>,
    /// The scores of each (head, step) among them.
    runs: HashMap<(usize, usize), Range<usize>>,
    /// Random linear combinations, where the attack forges them; else those of the witness.
    pub rlcs: Option<Combiner>,
    /// Whether the lookup proof of a split segment keeps the honest pairs.
    pub keeps_lookup: bool,
}

/// The columns of the scores component that its lanes share, by name.
const SHARED: [&str; 4] = ["cache row", "first", "last", "maximum"];

/// The columns of each lane by name, as [`ScoreRow`] has them. A layout has no others, and may have fewer.
const OF_LANES: [&str; 10] = [
    "present",
    "index",
    "weight",
    "attained",
    "excess low",
    "excess high",
    "excess complement low",
    "remainder low",
    "remainder high",
    "remainder complement low",
];

impl ScoreRow {
    /// The entries in the order of [`SHARED`].
    fn shared(&self) -> [i64; SHARED.len()] {
        let Self {
            cache_row,
            first,
            last,
            maximum,
            ..
        } = *self;
        [cache_row, first, last, maximum]
    }

    /// The entries in the order of [`OF_LANES`].
    fn of_lane(&self) -> [i64; OF_LANES.len()] {
        let Self {
            present,
            index,
            weight,
            attained,
            excess,
            remainder,
            ..
        } = *self;
        [
            present,
            index,
            weight,
            attained,
            excess.low,
            excess.high,
            excess.complement_low,
            remainder.low,
            remainder.high,
            remainder.complement_low,
        ]
    }

    fn of_entries(shared: [i64; SHARED.len()], of_lane: [i64; OF_LANES.len()]) -> Self {
        let [cache_row, first, last, maximum] = shared;
        let [present, index, weight, attained, a, b, c, d, e, f] = of_lane;
        let limbs = |[low, high, complement_low]: [i64; 3]| Limbs {
            low,
            high,
            complement_low,
        };
        Self {
            cache_row,
            first,
            last,
            maximum,
            present,
            index,
            weight,
            attained,
            excess: limbs([a, b, c]),
            remainder: limbs([d, e, f]),
        }
    }
}

/// The entry of a column of the vectors component, for writing: of the only one of this name, or of the head's.
pub fn vector_mut<'a>(
    witness: &'a mut SegmentWitness,
    name: &str,
    place: VectorPlace,
) -> &'a mut M31 {
    let vectors = witness.main.component_mut("vectors");
    let named = vectors.columns.iter_mut();
    let mut named: Vec<_> = named.filter(|it| it.read.name == name).collect();
    let lane = if named.len() == 1 { 0 } else { place.lane };
    match &mut named.remove(lane).entries {
        Some(entries) => &mut entries[place.row],
        None => panic!("the column {name} is not filled yet"),
    }
}

impl Forge {
    /// The honest witness of a world, open for changes.
    pub fn new(case: &Arc<Case>, world: &World) -> Self {
        Self::of_witness(case, world.witness(case))
    }

    /// A given witness, open for changes.
    pub fn of_witness(case: &Arc<Case>, witness: SegmentWitness) -> Self {
        let (heads, _, _, _, steps) = sizes(case);
        let lanes = case.layout.score_lanes();
        let mut runs = HashMap::new();
        let mut next = 0;
        for (h, t) in (0..heads).flat_map(|h| (0..steps).map(move |t| (h, t))) {
            let count = case.steps.scores(t);
            // The first row is filled up in front.
            next += case.layout.score_rows(count) * lanes;
            runs.insert((h, t), next - count..next);
        }
        let mut forge = Self {
            case: case.clone(),
            scores: vec![],
            witness,
            runs,
            rlcs: None,
            keeps_lookup: false,
        };
        forge.scores = forge.read_scores();
        forge
    }

    /// The honest witness of a seeded world.
    pub fn honest(case: &Arc<Case>, seed: u64) -> Self {
        if let Some(part) = &case.decoder {
            return Self::of_witness(case, part.witness(case, &part.run(case, seed)));
        }
        Self::new(case, &World::random(case, seed))
    }

    /// The scores of a head and step, without absent ones.
    pub fn run(&self, head: usize, step: usize) -> Range<usize> {
        self.runs[&(head, step)].clone()
    }

    /// All (head, step) pairs.
    pub fn steps(&self) -> Vec<(usize, usize)> {
        let mut steps: Vec<_> = self.runs.keys().copied().collect();
        steps.sort_unstable();
        steps
    }

    /// The first lane of the first row that no step needs.
    pub fn first_filler(&self) -> usize {
        self.runs.values().map(|run| run.end).max().unwrap()
    }

    /// The last score step index `L - 1`.
    pub fn last_index(&self) -> i64 {
        self.case.layout.table_len() as i64 - 1
    }

    pub fn weight_of(&self, index: i64) -> i64 {
        i64::from(self.case.terms.weight_table().entries()[index as usize])
    }

    pub fn score_step(&self) -> i64 {
        i64::from(self.case.layout.score_step())
    }

    pub fn limb_bits(&self) -> u32 {
        self.case.layout.log_rows().limbs
    }

    /// `M`.
    pub fn limit(&self) -> i64 {
        i64::from(self.case.layout.value_bits().max_value())
    }

    fn read_scores(&self) -> Vec<ScoreRow> {
        let scores = self.witness.main.component("scores");
        let (lanes, stride) = (
            self.case.layout.score_lanes(),
            self.case.layout.position_stride(),
        );
        let shared = SHARED.map(|name| scores.column(name));
        let of_lanes = OF_LANES.map(|name| scores.named(name).collect::<Vec<_>>());
        let row_of = |row: usize, lane: usize| {
            let mut own = of_lanes.each_ref().map(|columns| {
                let column = columns.get(lane);
                column.map_or(0, |column| centered(column[row].0))
            });
            if lane + 1 == lanes {
                own[0] = 1;
            }
            let mut of_row = shared.map(|column| centered(column[row].0));
            of_row[0] -= ((lanes - 1 - lane) * stride) as i64;
            if lane + 1 < lanes {
                of_row[2] = 0;
            }
            ScoreRow::of_entries(of_row, own)
        };
        (0..1 << scores.log_rows)
            .flat_map(|row| (0..lanes).map(move |lane| (row, lane)))
            .map(|(row, lane)| row_of(row, lane))
            .collect()
    }

    fn write_scores(&mut self) {
        let lanes = self.case.layout.score_lanes();
        let rows: Vec<&[ScoreRow]> = self.scores.chunks_exact(lanes).collect();
        let scores = self.witness.main.component_mut("scores");
        assert_eq!(rows.len(), 1 << scores.log_rows, "score rows");
        for (index, name) in SHARED.into_iter().enumerate() {
            let column = rows.iter().map(|row| field(row[lanes - 1].shared()[index]));
            *scores.column_mut(name) = column.collect();
        }
        for (index, name) in OF_LANES.into_iter().enumerate() {
            for (lane, column) in scores.named_mut(name).enumerate() {
                let entries = rows.iter().map(|row| field(row[lane].of_lane()[index]));
                *column = entries.collect();
            }
        }
        if let (Some(lookup), false) = (&mut self.witness.lookup, self.keeps_lookup) {
            let pairs = tree_of(&self.witness.main, Tree::Pairs);
            lookup.set_tree(Tree::Pairs, &pairs);
        }
    }

    /// The value that limbs stand for.
    pub fn limb_value(&self, limbs: Limbs, wide: bool) -> i64 {
        limbs.low
            + if wide {
                limbs.high << self.limb_bits()
            } else {
                0
            }
    }

    /// Excess `x` of a row.
    pub fn excess(&self, row: usize) -> i64 {
        let wide = self.case.forms.excess == Some(true);
        self.limb_value(self.scores[row].excess, wide)
    }

    /// Gap remainder of a row.
    pub fn gap_remainder(&self, row: usize) -> i64 {
        let wide = self.case.forms.gap_remainder == Some(true);
        self.limb_value(self.scores[row].remainder, wide)
    }

    /// Gap of a row.
    pub fn gap(&self, row: usize) -> i64 {
        (self.scores[row].index + self.excess(row)) * self.score_step() + self.gap_remainder(row)
    }

    /// Score of a row.
    pub fn score(&self, row: usize) -> i64 {
        self.scores[row].maximum - self.gap(row)
    }

    /// Largest excess plus one, where that is what its complement is taken below.
    pub fn excess_bound(&self) -> i64 {
        self.case.forms.exact.unwrap_or(0)
    }

    /// Limbs of a number in their honest form; the complement is that below `bound`.
    pub fn split(&self, wide: bool, value: i64, bound: i64) -> Limbs {
        let mask = (1 << self.limb_bits()) - 1;
        if wide {
            Limbs {
                low: value & mask,
                high: value >> self.limb_bits(),
                complement_low: (bound - 1 - value) & mask,
            }
        } else {
            Limbs {
                low: value,
                ..Limbs::default()
            }
        }
    }

    /// Writes a gap as index, excess and remainder, and the weight that belongs to the index.
    pub fn set_gap(&mut self, row: usize, index: i64, excess: i64, remainder: i64) {
        let forms = self.case.forms;
        let wide = forms.excess == Some(true);
        let excess = self.split(wide, excess, self.excess_bound());
        let wide = forms.gap_remainder == Some(true);
        let remainder = self.split(wide, remainder, self.score_step());
        let weight = self.weight_of(index);
        let row = &mut self.scores[row];
        row.index = index;
        row.weight = weight;
        row.excess = excess;
        row.remainder = remainder;
    }

    /// Writes a non-negative gap as the semantics say.
    pub fn set_true_gap(&mut self, row: usize, gap: i64) {
        let (quotient, remainder) = (gap / self.score_step(), gap % self.score_step());
        let index = quotient.min(self.last_index());
        self.set_gap(row, index, quotient - index, remainder);
    }

    /// Value vector at a cache row's position, as the state after the segment has it.
    fn value_vector(&self, cache_row: i64) -> Vec<i64> {
        let layout = &self.case.layout;
        let row = usize::try_from(cache_row).unwrap();
        let (lane, row) = (
            row >> layout.log_rows().cache,
            row & (layout.lane_offset(1) - 1),
        );
        let column = self.witness.main.tree(Tree::StateAfter)[LaneEntries::of_lane(lane).value];
        let first = row + 1 - layout.head_dim();
        column[first..=row].iter().map(|x| centered(x.0)).collect()
    }

    /// Denominator and numerators of a run as those of its scores have them that are present.
    pub fn sums(&self, rows: Range<usize>) -> (i64, Vec<i64>) {
        let mut denominator = 0;
        let mut numerators = vec![0; self.case.layout.head_dim()];
        for row in rows {
            let ScoreRow {
                weight,
                cache_row,
                present: 1,
                ..
            } = self.scores[row]
            else {
                continue;
            };
            denominator += weight;
            for (sum, value) in numerators.iter_mut().zip(self.value_vector(cache_row)) {
                *sum += weight * value;
            }
        }
        (denominator, numerators)
    }

    /// Weighted sums of the high digits of the values of a run; zero where values are carried whole.
    pub fn high_sums(&self, rows: Range<usize>) -> Vec<i64> {
        let mut sums = vec![0; self.case.layout.head_dim()];
        let Some(digits) = self.case.layout.digits() else {
            return sums;
        };
        for row in rows {
            let ScoreRow {
                weight,
                cache_row,
                present: 1,
                ..
            } = self.scores[row]
            else {
                continue;
            };
            for (sum, value) in sums.iter_mut().zip(self.value_vector(cache_row)) {
                *sum += weight * digits.high(value);
            }
        }
        sums
    }

    /// Writes the carry of an output by limbs, where the layout has one; with its offset.
    pub fn set_carry_limbs(&mut self, place: VectorPlace, low: i64, high: i64) {
        if self.case.layout.digits().is_some() {
            *vector_mut(&mut self.witness, "carry low", place) = field(low);
            *vector_mut(&mut self.witness, "carry high", place) = field(high);
        }
    }

    /// Writes a carry, without its offset.
    pub fn set_carry(&mut self, place: VectorPlace, carry: i64) {
        if let Some(digits) = self.case.layout.digits() {
            let limbs = self.split(true, carry + i64::from(digits.carry_offset()), 0);
            self.set_carry_limbs(place, limbs.low, limbs.high);
        }
    }

    /// Writes the high digit of an output, and the carry that goes with it and with this sum of the high digits
    /// of values; none, where that is out of its range, as the output is then another one, whatever it says.
    fn set_digits(&mut self, place: VectorPlace, denominator: i64, out: i64, high_sum: i64) {
        let Some(digits) = self.case.layout.digits() else {
            return;
        };
        let high = digits.high(out);
        *vector_mut(&mut self.witness, "output high", place) = field(high);
        let offset = i64::from(digits.carry_offset());
        let carry = high_sum - high * denominator;
        let is_in_range = (-offset..offset).contains(&carry);
        self.set_carry(place, if is_in_range { carry } else { 0 });
    }

    /// Output entry as it stands.
    pub fn output(&self, head: usize, step: usize, dim: usize) -> i64 {
        let VectorPlace { row, lane } = vector_place(&self.case.layout, head, step, dim);
        let vectors = self.witness.main.component("vectors");
        let outputs = vectors.named("output").nth(lane);
        outputs.map_or(0, |column| centered(column[row].0))
    }

    /// Writes the remainder of an output by limbs.
    pub fn set_remainder_limbs(&mut self, place: VectorPlace, limbs: Limbs) {
        *vector_mut(&mut self.witness, "remainder low", place) = field(limbs.low);
        if self.case.forms.remainder {
            *vector_mut(&mut self.witness, "remainder high", place) = field(limbs.high);
            let complement_low = "remainder complement low";
            *vector_mut(&mut self.witness, complement_low, place) = field(limbs.complement_low);
        }
    }

    /// Largest remainder plus one for a denominator.
    pub fn remainder_bound(&self, denominator: i64) -> i64 {
        output_remainder(self.case.terms.rounding, 0, denominator, -1)
            - output_remainder(self.case.terms.rounding, 0, denominator, 0)
    }

    /// Writes the rounding shift by limbs, where the layout has one; `value` includes the offset.
    pub fn set_shift_limbs(&mut self, place: VectorPlace, low: i64, high: i64) {
        if self.case.layout.rounding_shift().is_some() {
            *vector_mut(&mut self.witness, "shift low", place) = field(low);
            *vector_mut(&mut self.witness, "shift high", place) = field(high);
        }
    }

    /// The rounding shift `(r - Z) / 2` with its offset: of the wrong parity a huge number, as half of
    /// an odd one is in the field.
    pub fn shift_of(&self, denominator: i64, rem: i64) -> i64 {
        let doubled = rem - denominator;
        let offset = i64::from(self.case.layout.rounding_offset());
        if doubled % 2 == 0 {
            doubled / 2 + offset
        } else {
            let half = (doubled + i64::from(MODULUS)) / 2;
            i64::from(embed(half + offset))
        }
    }

    /// A random remainder for a denominator, of the parity that a rounding shift needs.
    pub fn random_remainder(&self, rng: &mut Rng, denominator: i64) -> i64 {
        let rem = rng.below(self.remainder_bound(denominator) as usize) as i64;
        match self.case.layout.rounding_shift() {
            Some(_) if (rem - denominator) % 2 != 0 => rem ^ 1,
            _ => rem,
        }
    }

    /// Writes denominator, output, remainder, rounding shift and digits of one entry.
    pub fn set_output(&mut self, at: (usize, usize, usize), denominator: i64, out: i64, rem: i64) {
        let high_sums = self.high_sums(self.run(at.0, at.1));
        self.write_output(at, denominator, (out, rem), high_sums[at.2]);
    }

    /// [`Self::set_output`] for a sum of the high digits of values.
    fn write_output(
        &mut self,
        at: (usize, usize, usize),
        denominator: i64,
        (out, rem): (i64, i64),
        high_sum: i64,
    ) {
        let place = vector_place(&self.case.layout, at.0, at.1, at.2);
        *vector_mut(&mut self.witness, "denominator", place) = field(denominator);
        *vector_mut(&mut self.witness, "output", place) = field(out);
        let wide = self.case.forms.remainder;
        let bound = self.remainder_bound(denominator);
        self.set_remainder_limbs(place, self.split(wide, rem, bound));
        let shift = self.split(true, self.shift_of(denominator, rem), 0);
        self.set_shift_limbs(place, shift.low, shift.high);
        self.set_digits(place, denominator, out, high_sum);
    }

    /// Writes denominator, outputs and remainders of a step as they follow from rows of the scores component.
    pub fn follow(&mut self, head: usize, step: usize, rows: Range<usize>) {
        let (denominator, numerators) = self.sums(rows.clone());
        let high_sums = self.high_sums(rows);
        for (c, (numerator, high_sum)) in numerators.into_iter().zip(high_sums).enumerate() {
            let divided = self.case.terms.rounding.divide(numerator, denominator);
            self.write_output((head, step, c), denominator, divided, high_sum);
        }
    }

    /// [`Self::follow`] for the step's own run.
    pub fn follow_run(&mut self, head: usize, step: usize) {
        self.follow(head, step, self.run(head, step));
    }

    /// Random linear combinations of the witness as it stands, whatever becomes of it later.
    pub fn combiner(&mut self) -> Combiner {
        self.write_scores();
        let (case, witness) = (self.case.clone(), self.witness.clone());
        Arc::new(move |points| witness.combine(&case.layout, points))
    }

    /// Where the totals of a step stand, for every step: among the vectors, and in which row among the scores.
    pub fn totals(&self) -> Vec<(VectorPlace, usize)> {
        let layout = &self.case.layout;
        let rows = |(head, step)| {
            let place = vector_place(layout, head, step, layout.head_dim() - 1);
            (place, self.run(head, step).end / layout.score_lanes() - 1)
        };
        self.steps().into_iter().map(rows).collect()
    }

    /// Writes everything back and fills every multiplicity that a prover can choose so that the
    /// relations of a system without `drop` balance as far as they can.
    pub fn finish(mut self, drop: &Drop) -> Forged {
        self.write_scores();
        let combiner = self.rlcs.take();
        let points = RlcChallenges::structural();
        let rlcs = rlcs_at(&self.case, &self.witness, combiner.as_ref(), points);
        let case = self.case;
        let mut witness = self.witness;
        // What is public is what the tokens say.
        if let Some(public) = witness.public_columns(&case.layout) {
            witness.main.set_public(&public);
        }
        balance(&case, &mut witness, &rlcs, drop);
        Forged {
            case,
            witness,
            rlcs,
            combiner,
        }
    }
}

/// What is forged at these points, or else what follows from the witness.
fn rlcs_at(
    case: &Case,
    witness: &SegmentWitness,
    combiner: Option<&Combiner>,
    points: RlcChallenges,
) -> PartTrace {
    match combiner {
        Some(combiner) => combiner(points),
        None => witness.combine(&case.layout, points),
    }
}

/// Fills the multiplicities of the tables and of the combined values.
pub fn balance(case: &Case, witness: &mut SegmentWitness, rlcs: &PartTrace, drop: &Drop) {
    let layout = &case.layout;
    let points = RlcChallenges::structural();
    let circuit = witness.circuit(layout, points);
    let of_lookup = Circuit::structural(layout, ProofPart::Lookup);
    let zero = |columns: &mut TraceColumn| {
        if let Some(column) = &mut columns.entries {
            column.fill(M31::zero());
        }
    };
    let multiplicities = |trace: &mut PartTrace, circuit: &Circuit| {
        for (component, columns) in circuit.iter().zip(&mut trace.components) {
            if !component.constraints().tables().is_empty() {
                let columns = columns.columns_from_mut(Source::Tree(Tree::Witness));
                columns.for_each(zero);
            }
        }
    };
    multiplicities(&mut witness.main, &circuit);
    if let Some(lookup) = &mut witness.lookup {
        multiplicities(lookup, &of_lookup);
    }
    let state = witness.main.component_mut("cache");
    state
        .named_mut("value uses")
        .for_each(|column| column.fill(M31::zero()));
    let open = evaluate(case, witness, rlcs).open(drop);
    fill(&circuit, &mut witness.main, &open);
    if let Some(lookup) = &mut witness.lookup {
        fill(&of_lookup, lookup, &open);
    }
    // Combined values: the row is the first element of the tuple, and no two rows share it. Where
    // the tuple is not the row's own, nothing balances, whatever stands here.
    let state = witness.main.component_mut("cache");
    let mut uses: Vec<&mut Column> = state.named_mut("value uses").collect();
    for ((tag, values), net) in &open {
        if *tag == RelationTag::ValueRlc {
            let row = values[0].0 as usize;
            let (lane, row) = (
                row >> layout.log_rows().cache,
                row & (layout.lane_offset(1) - 1),
            );
            if let Some(column) = uses.get_mut(lane) {
                column[row] += *net;
            }
        }
    }
}

/// Sets the multiplicity of every entry of the tables to what is open; repeated entries stay unused.
fn fill(circuit: &Circuit, trace: &mut PartTrace, open: &HashMap<(RelationTag, Vec<M31>), M31>) {
    for (component, columns) in circuit.iter().zip(&mut trace.components) {
        let constraints = component.constraints();
        if constraints.tables().is_empty() {
            continue;
        }
        let rows = Rows::in_row_order(&trace.preprocessed, columns);
        let mut entries = OpenEntries {
            open,
            seen: BTreeSet::new(),
            vector: 0,
            table: 0,
            uses: vec![],
        };
        for vector in 0..rows.vectors() {
            (entries.vector, entries.table) = (vector, 0);
            constraints.run(&mut rows.evaluator(vector), &mut entries);
        }
        let OpenEntries { uses, .. } = entries;
        let mut multiplicities: Vec<_> = columns
            .columns_from_mut(Source::Tree(Tree::Witness))
            .filter_map(|column| column.entries.as_mut())
            .collect();
        for (table, row, net) in uses {
            multiplicities[table][row] = net;
        }
    }
}

/// Finds the rows of tables whose entries are open.
struct OpenEntries<'a> {
    open: &'a HashMap<(RelationTag, Vec<M31>), M31>,
    seen: BTreeSet<(RelationTag, Vec<u32>)>,
    vector: usize,
    table: usize,
    /// Table within the component, row, and what is open.
    uses: Vec<(usize, usize, M31)>,
}

impl Observer<RowEvaluator<'_>> for OpenEntries<'_> {
    fn tuple(&mut self, tag: RelationTag, _: &PackedBaseField, values: &[PackedBaseField]) {
        let values: Vec<_> = values.iter().map(|value| value.to_array()).collect();
        for (lane, row) in Rows::rows_of(self.vector).enumerate() {
            let entry: Vec<M31> = values.iter().map(|value| value[lane]).collect();
            let elements = entry.iter().map(|element| element.0).collect();
            if let Some(net) = self.open.get(&(tag, entry)) {
                if self.seen.insert((tag, elements)) {
                    self.uses.push((self.table, row, *net));
                }
            }
        }
        self.table += 1;
    }
}

/// A forged witness, complete.
#[derive(Clone)]
pub struct Forged {
    pub case: Arc<Case>,
    pub witness: SegmentWitness,
    /// A trace whose random linear combinations are those at the points of the mock checker.
    pub rlcs: PartTrace,
    combiner: Option<Combiner>,
}

impl Forged {
    /// What the crate's mock checker finds.
    pub fn failures(&self) -> BTreeSet<&'static str> {
        mock_names(&self.case, &self.witness, &self.rlcs)
    }

    /// Everything that it states.
    pub fn evaluate(&self) -> Evaluation {
        evaluate(&self.case, &self.witness, &self.rlcs)
    }

    /// What a system without `drop` finds.
    pub fn failures_without(&self, drop: &Drop) -> BTreeSet<&'static str> {
        self.evaluate().failing_names(drop)
    }

    /// Fills all multiplicities anew, as a prover of a system without `drop` would.
    pub fn refill(&mut self, drop: &Drop) {
        balance(&self.case, &mut self.witness, &self.rlcs, drop);
    }

    /// Whatever becomes of the witness, its random linear combinations are those of another one.
    pub fn keep_rlcs_of(&mut self, other: &Self) {
        let (case, witness) = (other.case.clone(), other.witness.clone());
        self.combiner = Some(Arc::new(move |points| {
            witness.combine(&case.layout, points)
        }));
    }

    /// The trace that a prover commits when these points are drawn.
    pub fn trace_at(&self, points: RlcChallenges) -> PartTrace {
        let combiner = self.combiner.as_ref();
        let rlcs = rlcs_at(&self.case, &self.witness, combiner, points);
        let main = &self.witness.main;
        main.with_tree_of(Tree::Rlc, &rlcs)
    }

    /// Whether the plain reference agrees with the claim.
    pub fn is_true(&self) -> bool {
        claim_is_true(&self.case, &self.witness)
    }
}
