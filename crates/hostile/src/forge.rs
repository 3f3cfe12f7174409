//! A witness that can be changed by name, and made consistent again around the change.
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use matchmark_air::challenges::ProjectionChallenges;
use matchmark_air::preprocessed::Preprocessed;
use matchmark_air::relation::RelationTag;
use matchmark_air::segment::table_groups;
use matchmark_air::witness::columns::field;
use matchmark_air::witness::projections::{project, Projections};
use matchmark_air::witness::{Column, SegmentWitness};
use matchmark_quant::{centered, embed, MODULUS};
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::cases::Case;
use super::checker::{evaluate, mock_names, Drop, Evaluation};
use super::world::{claim_is_true, output_remainder, sizes, World};
use super::Rng;

/// Projections of forged columns, at whichever points are drawn.
pub type Projector = Arc<dyn Fn(ProjectionChallenges) -> Projections + Send + Sync>;

/// Limbs of the columns that a range gadget adds; entries that a layout does not have are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limbs {
    pub low: i64,
    pub high: i64,
    pub complement_low: i64,
}

/// A row of the candidates component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateRow {
    pub cache_row: i64,
    pub first: i64,
    pub last: i64,
    pub maximum: i64,
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
    /// Rows of the candidates component; [`Forge::finish`] writes them back.
    pub candidates: Vec<CandidateRow>,
    /// First row of the run of each (head, step), and its length.
    runs: HashMap<(usize, usize), Range<usize>>,
    /// Projections, where the attack forges them; else those of the witness.
    pub projections: Option<Projector>,
    /// Whether the lookup proof of a split segment keeps the honest boundary.
    pub keeps_lookup: bool,
}

/// The columns of the candidates component in the order of a fused segment, wherever they stand.
pub fn candidate_columns(witness: &SegmentWitness) -> Vec<&Column> {
    let (columns, boundary) = (&witness.candidates, &witness.boundary);
    let (before, after) = columns.split_at(4);
    before.iter().chain(boundary).chain(after).collect()
}

/// [`candidate_columns`], for writing.
pub fn candidate_columns_mut(witness: &mut SegmentWitness) -> Vec<&mut Column> {
    let (columns, boundary) = (&mut witness.candidates, &mut witness.boundary);
    let (before, after) = columns.split_at_mut(4);
    before.iter_mut().chain(boundary).chain(after).collect()
}

impl Forge {
    /// The honest witness of a world, open for changes.
    pub fn new(case: &Arc<Case>, world: &World) -> Self {
        Self::of_witness(case, world.witness(case))
    }

    /// A given witness, open for changes.
    pub fn of_witness(case: &Arc<Case>, witness: SegmentWitness) -> Self {
        let (heads, _, _, _, steps) = sizes(case);
        let mut runs = HashMap::new();
        let mut next = 0;
        for (h, t) in (0..heads).flat_map(|h| (0..steps).map(move |t| (h, t))) {
            let count = case.steps.candidates(t);
            runs.insert((h, t), next..next + count);
            next += count;
        }
        let mut forge = Self {
            case: case.clone(),
            candidates: vec![],
            witness,
            runs,
            projections: None,
            keeps_lookup: false,
        };
        forge.candidates = forge.read_candidates();
        forge
    }

    /// The honest witness of a seeded world.
    pub fn honest(case: &Arc<Case>, seed: u64) -> Self {
        if let Some(part) = &case.decoder {
            return Self::of_witness(case, part.witness(case, &part.run(case, seed)));
        }
        Self::new(case, &World::random(case, seed))
    }

    /// Rows of the run of a head and step.
    pub fn run(&self, head: usize, step: usize) -> Range<usize> {
        self.runs[&(head, step)].clone()
    }

    /// All (head, step) pairs.
    pub fn steps(&self) -> Vec<(usize, usize)> {
        let mut steps: Vec<_> = self.runs.keys().copied().collect();
        steps.sort_unstable();
        steps
    }

    /// The first row that no step needs.
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

    fn optional_columns(&self) -> [Option<(usize, bool)>; 2] {
        let forms = &self.case.forms;
        let excess = forms.excess.map(|wide| (7, wide));
        let exact = usize::from(forms.exact.is_some());
        let next = excess.map_or(7, |(column, wide)| column + 1 + usize::from(wide) + exact);
        let remainder = forms.gap_remainder.map(|wide| (next, wide));
        [excess, remainder]
    }

    fn read_candidates(&self) -> Vec<CandidateRow> {
        let columns = candidate_columns(&self.witness);
        let [excess, remainder] = self.optional_columns();
        let get = |column: usize, row: usize| centered(columns[column][row].0);
        let limbs = |place: Option<(usize, bool)>, row: usize, complement: bool| {
            let mut limbs = Limbs::default();
            if let Some((column, wide)) = place {
                limbs.low = get(column, row);
                if wide {
                    limbs.high = get(column + 1, row);
                }
                if wide && complement {
                    limbs.complement_low = get(column + 2, row);
                }
            }
            limbs
        };
        (0..columns[0].len())
            .map(|row| CandidateRow {
                cache_row: get(0, row),
                first: get(1, row),
                last: get(2, row),
                maximum: get(3, row),
                index: get(4, row),
                weight: get(5, row),
                attained: get(6, row),
                excess: limbs(excess, row, self.case.forms.exact.is_some()),
                remainder: limbs(remainder, row, true),
            })
            .collect()
    }

    fn write_candidates(&mut self) {
        let [excess, remainder] = self.optional_columns();
        let exact = self.case.forms.exact.is_some();
        let mut columns = candidate_columns_mut(&mut self.witness);
        assert_eq!(columns[0].len(), self.candidates.len(), "candidate rows");
        for (row, candidate) in self.candidates.iter().enumerate() {
            let mut set = |column: usize, value: i64| columns[column][row] = field(value);
            let CandidateRow {
                cache_row,
                first,
                last,
                maximum,
                index,
                weight,
                attained,
                excess: excess_limbs,
                remainder: remainder_limbs,
            } = *candidate;
            let plain = [cache_row, first, last, maximum, index, weight, attained];
            for (column, value) in plain.into_iter().enumerate() {
                set(column, value);
            }
            if let Some((column, wide)) = excess {
                set(column, excess_limbs.low);
                if wide {
                    set(column + 1, excess_limbs.high);
                }
                if exact {
                    set(column + 2, excess_limbs.complement_low);
                }
            }
            if let Some((column, wide)) = remainder {
                set(column, remainder_limbs.low);
                if wide {
                    set(column + 1, remainder_limbs.high);
                    set(column + 2, remainder_limbs.complement_low);
                }
            }
        }
        if let (Some(lookup), false) = (&mut self.witness.lookup, self.keeps_lookup) {
            lookup.boundary.clone_from(&self.witness.boundary);
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
        self.limb_value(self.candidates[row].excess, wide)
    }

    /// Gap remainder of a row.
    pub fn gap_remainder(&self, row: usize) -> i64 {
        let wide = self.case.forms.gap_remainder == Some(true);
        self.limb_value(self.candidates[row].remainder, wide)
    }

    /// Gap of a row.
    pub fn gap(&self, row: usize) -> i64 {
        (self.candidates[row].index + self.excess(row)) * self.score_step()
            + self.gap_remainder(row)
    }

    /// Score of a row.
    pub fn score(&self, row: usize) -> i64 {
        self.candidates[row].maximum - self.gap(row)
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
        let row = &mut self.candidates[row];
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
            row >> layout.log_rows().state,
            row & (layout.lane_offset(1) - 1),
        );
        let column = &self.witness.state_after[2 * lane + 1];
        let first = row + 1 - layout.head_dim();
        column[first..=row].iter().map(|x| centered(x.0)).collect()
    }

    /// Denominator and numerators of a run as its rows have them.
    pub fn sums(&self, rows: Range<usize>) -> (i64, Vec<i64>) {
        let mut denominator = 0;
        let mut numerators = vec![0; self.case.layout.head_dim()];
        for row in rows {
            let CandidateRow {
                weight, cache_row, ..
            } = self.candidates[row];
            denominator += weight;
            for (sum, value) in numerators.iter_mut().zip(self.value_vector(cache_row)) {
                *sum += weight * value;
            }
        }
        (denominator, numerators)
    }

    /// Output entry as it stands.
    pub fn output(&self, head: usize, step: usize, dim: usize) -> i64 {
        let row = self.case.layout.vector_row(head, step, dim);
        centered(self.witness.entries[3][row].0)
    }

    /// Writes the remainder of an output by limbs.
    pub fn set_remainder_limbs(&mut self, row: usize, limbs: Limbs) {
        let wide = self.case.forms.remainder;
        self.witness.vectors[1][row] = field(limbs.low);
        if wide {
            self.witness.vectors[2][row] = field(limbs.high);
            self.witness.vectors[3][row] = field(limbs.complement_low);
        }
    }

    /// Largest remainder plus one for a denominator.
    pub fn remainder_bound(&self, denominator: i64) -> i64 {
        output_remainder(self.case.terms.rounding, 0, denominator, -1)
            - output_remainder(self.case.terms.rounding, 0, denominator, 0)
    }

    /// Writes the rounding shift by limbs, where the layout has one; `value` includes the offset.
    pub fn set_shift_limbs(&mut self, row: usize, low: i64, high: i64) {
        if self.case.layout.rounding_shift().is_some() {
            let wide = self.case.forms.remainder;
            let column = 2 + 2 * usize::from(wide);
            self.witness.vectors[column][row] = field(low);
            self.witness.vectors[column + 1][row] = field(high);
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

    /// Writes denominator, output, remainder and rounding shift of one entry.
    pub fn set_output(&mut self, at: (usize, usize, usize), denominator: i64, out: i64, rem: i64) {
        let row = self.case.layout.vector_row(at.0, at.1, at.2);
        self.witness.vectors[0][row] = field(denominator);
        self.witness.entries[3][row] = field(out);
        let wide = self.case.forms.remainder;
        let bound = self.remainder_bound(denominator);
        self.set_remainder_limbs(row, self.split(wide, rem, bound));
        let shift = self.split(true, self.shift_of(denominator, rem), 0);
        self.set_shift_limbs(row, shift.low, shift.high);
    }

    /// Writes denominator, outputs and remainders of a step as they follow from rows of candidates.
    pub fn follow(&mut self, head: usize, step: usize, rows: Range<usize>) {
        let (denominator, numerators) = self.sums(rows);
        for (c, numerator) in numerators.into_iter().enumerate() {
            let (out, rem) = self.case.terms.rounding.divide(numerator, denominator);
            self.set_output((head, step, c), denominator, out, rem);
        }
    }

    /// [`Self::follow`] for the step's own run.
    pub fn follow_run(&mut self, head: usize, step: usize) {
        self.follow(head, step, self.run(head, step));
    }

    /// Projections of the witness as it stands, whatever becomes of it later.
    pub fn projector(&mut self) -> Projector {
        self.write_candidates();
        let (case, witness) = (self.case.clone(), self.witness.clone());
        Arc::new(move |points| {
            let before = case.steps.entries_before();
            project(&case.layout, before, &witness, points)
        })
    }

    /// The rows that hold the totals of a step, for every step: among the vectors, and among the
    /// candidates.
    pub fn totals(&self) -> Vec<(usize, usize)> {
        let layout = &self.case.layout;
        let rows = |(head, step)| {
            let row = layout.vector_row(head, step, layout.head_dim() - 1);
            (row, self.run(head, step).end - 1)
        };
        self.steps().into_iter().map(rows).collect()
    }

    /// Writes everything back and fills every multiplicity that a prover can choose so that the
    /// relations of a system without `drop` balance as far as they can.
    pub fn finish(mut self, drop: &Drop) -> Forged {
        self.write_candidates();
        let projector = self.projections.take();
        let points = ProjectionChallenges::structural();
        let projections = projections_at(&self.case, &self.witness, projector.as_ref(), points);
        let case = self.case;
        let mut witness = self.witness;
        balance(&case, &mut witness, &projections, drop);
        Forged {
            case,
            witness,
            projections,
            projector,
        }
    }
}

/// What is forged at these points, or else what follows from the witness.
fn projections_at(
    case: &Case,
    witness: &SegmentWitness,
    projector: Option<&Projector>,
    points: ProjectionChallenges,
) -> Projections {
    match projector {
        Some(projector) => projector(points),
        None => project(&case.layout, case.steps.entries_before(), witness, points),
    }
}

/// Fills the multiplicities of the tables and of the projected values.
pub fn balance(case: &Case, witness: &mut SegmentWitness, projections: &Projections, drop: &Drop) {
    let layout = &case.layout;
    let zero = |column: &mut Vec<M31>| column.fill(M31::zero());
    witness.tables.iter_mut().flatten().for_each(zero);
    witness.lookup.iter_mut().for_each(|it| zero(&mut it.uses));
    witness.state.iter_mut().skip(1).step_by(2).for_each(zero);
    let open = evaluate(case, witness, projections).open(drop);
    let entry = |witness: &SegmentWitness, column: Preprocessed| {
        let columns = Preprocessed::of(layout.main_part());
        let index = columns.iter().position(|c| *c == column).unwrap();
        witness.preprocessed[index].clone()
    };
    let of_model = witness.model_tables().to_vec();
    let mut of_model = of_model.into_iter();
    for (group, (_, tables)) in table_groups(layout, layout.main_part())
        .into_iter()
        .enumerate()
    {
        for (index, table) in tables.into_iter().enumerate() {
            let entry = |column| entry(witness, column);
            let mut columns: Vec<Column> = table.columns().iter().map(|it| entry(*it)).collect();
            columns.extend(of_model.by_ref().take(table.model_columns()));
            fill(
                &mut witness.tables[group][index],
                table.tag(),
                &columns,
                &open,
            );
        }
    }
    if let Some(lookup) = &mut witness.lookup {
        let columns = &lookup.preprocessed;
        fill(&mut lookup.uses, RelationTag::Weight, columns, &open);
    }
    // Projected values: the row is the first element of the tuple, and no two rows share it. Where
    // the tuple is not the row's own, nothing balances, whatever stands here.
    for ((tag, values), net) in &open {
        if *tag == RelationTag::ValueProjection {
            let row = values[0].0 as usize;
            let (lane, row) = (
                row >> layout.log_rows().state,
                row & (layout.lane_offset(1) - 1),
            );
            if let Some(column) = witness.state.get_mut(2 * lane + 1) {
                column[row] += *net;
            }
        }
    }
}

/// Sets the multiplicity of every entry of a table to what is open; repeated entries stay unused.
fn fill(
    uses: &mut Column,
    tag: RelationTag,
    columns: &[Column],
    open: &HashMap<(RelationTag, Vec<M31>), M31>,
) {
    let mut seen = BTreeSet::new();
    for (row, uses) in uses.iter_mut().enumerate() {
        let values: Vec<M31> = columns.iter().map(|column| column[row]).collect();
        let entry = (tag, values);
        let Some(net) = open.get(&entry) else {
            continue;
        };
        if seen.insert(entry.1.iter().map(|value| value.0).collect::<Vec<_>>()) {
            *uses = *net;
        }
    }
}

/// A forged witness, complete.
#[derive(Clone)]
pub struct Forged {
    pub case: Arc<Case>,
    pub witness: SegmentWitness,
    /// At the points of the mock checker.
    pub projections: Projections,
    projector: Option<Projector>,
}

impl Forged {
    /// What the crate's mock checker finds.
    pub fn failures(&self) -> BTreeSet<&'static str> {
        mock_names(&self.case, &self.witness, &self.projections)
    }

    /// Everything that it states.
    pub fn evaluate(&self) -> Evaluation {
        evaluate(&self.case, &self.witness, &self.projections)
    }

    /// What a system without `drop` finds.
    pub fn failures_without(&self, drop: &Drop) -> BTreeSet<&'static str> {
        self.evaluate().failing_names(drop)
    }

    /// Fills all multiplicities anew, as a prover of a system without `drop` would.
    pub fn refill(&mut self, drop: &Drop) {
        balance(&self.case, &mut self.witness, &self.projections, drop);
    }

    /// Whatever becomes of the witness, its projections are those of another one.
    pub fn keep_projections_of(&mut self, other: &Self) {
        let (case, witness) = (other.case.clone(), other.witness.clone());
        self.projector = Some(Arc::new(move |points| {
            project(&case.layout, case.steps.entries_before(), &witness, points)
        }));
    }

    /// The projections that a prover commits when these points are drawn.
    pub fn projections_at(&self, points: ProjectionChallenges) -> Projections {
        projections_at(&self.case, &self.witness, self.projector.as_ref(), points)
    }

    /// Whether the plain reference agrees with the claim.
    pub fn is_true(&self) -> bool {
        claim_is_true(&self.case, &self.witness)
    }
}
