//! Consistent forgeries against constraints and relations, by what they break.
//!
//! Several attacks live in two worlds: the claim is made of one, the computation of the other, and
//! exactly the constraint that ties the two together breaks.
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use matchmark_air::column::field;
use matchmark_air::relation::RelationTag;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{PartTrace, SegmentWitness};
use stwo::core::fields::m31::M31;

use super::cases::{vector_place, Case, VectorPlace};
use super::checker::{tuple_labels, Drop, TupleLabel};
use super::digits;
use super::forge::{vector_mut, Combiner, Forge};
use super::gadgets::{self, entry, place, Part};
use super::world::{sizes, tree_of, World};
use super::Rng;

/// Builds a forged witness from a seed, or finds the seed unsuitable.
pub type Attack = Box<dyn Fn(&Arc<Case>, u64) -> Option<Forge> + Send + Sync>;

/// Two worlds that differ in one query vector.
fn other_query(case: &Arc<Case>, seed: u64) -> (World, World) {
    let claimed = World::random(case, seed);
    let mut used = claimed.clone();
    let (_, _, dim, _, steps) = sizes(case);
    let (head, step, _) = entry(case, &mut Rng(seed ^ 0x6f74_6871));
    let other = World::random(case, seed ^ 0xffff_0000);
    let range = (head * steps + step) * dim..(head * steps + step + 1) * dim;
    used.q[range.clone()].copy_from_slice(&other.q[range]);
    (claimed, used)
}

/// Two worlds that differ in one old cache entry of a lane: in its key, or in its value.
fn other_entry(case: &Arc<Case>, seed: u64, lane: usize, value: bool) -> Option<(World, World)> {
    let claimed = World::random(case, seed);
    let mut used = claimed.clone();
    let (_, groups, dim, before, _) = sizes(case);
    if before == 0 {
        return None;
    }
    let mut rng = Rng(seed ^ 0x6f74_6865);
    let (group, position) = (rng.below(groups), rng.below(before));
    if case.layout.lane_row(group, 0, 0).0 != lane {
        return None;
    }
    let other = World::random(case, seed ^ 0xffff_0000);
    let start = (group * before + position) * dim;
    let range = start..start + dim;
    if value {
        used.prefix_v[range.clone()].copy_from_slice(&other.prefix_v[range]);
    } else {
        used.prefix_k[range.clone()].copy_from_slice(&other.prefix_k[range]);
    }
    Some((claimed, used))
}

fn rlcs_of(case: &Arc<Case>, world: &World) -> Combiner {
    Forge::new(case, world).combiner()
}

/// Sets the totals at the end of every run to those of the vectors component.
fn copy_totals(totals: &[(VectorPlace, usize)], trace: &mut PartTrace, which: &str) {
    for (VectorPlace { row, lane }, last) in totals {
        let total = trace.component("vectors").extension(which, *lane, *row);
        let scores = trace.component_mut("scores");
        scores.set_extension(which, 0, *last, total);
    }
}

/// Has the caches that another witness claims.
fn claim_states(forge: &mut Forge, claimed: &SegmentWitness) {
    for tree in [Tree::StateBefore, Tree::StateAfter] {
        claim_state(forge, claimed, tree);
    }
}

/// Has one of them, with the digits of its values.
pub fn claim_state(forge: &mut Forge, claimed: &SegmentWitness, tree: Tree) {
    forge.witness.main = forge.witness.main.with_tree_of(tree, &claimed.main);
    if tree == Tree::StateAfter && forge.case.layout.digits().is_some() {
        let cache = forge.witness.main.component_mut("cache");
        cache.take("value high", claimed.main.component("cache"));
    }
}

/// Has an entry of the vectors component that another witness claims.
pub fn claim_entries(forge: &mut Forge, claimed: &SegmentWitness, name: &str) {
    let claimed = claimed.main.component("vectors");
    let vectors = forge.witness.main.component_mut("vectors");
    vectors.take(name, claimed);
}

/// Another denominator for the dimensions from the second on.
pub fn denominator_by_dimension(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6465_6e6f);
    let mut forge = Forge::honest(case, seed);
    let (head, step, dim) = entry(case, &mut rng);
    if dim == 0 {
        return None;
    }
    let (denominator, numerators) = forge.sums(forge.run(head, step));
    let (true_out, _) = case.terms.rounding.divide(numerators[dim], denominator);
    let other = 1 + rng.below(denominator as usize) as i64;
    let (out, rem) = case.terms.rounding.divide(numerators[dim], other);
    if out == true_out || out.abs() > forge.limit() {
        return None;
    }
    forge.set_output((head, step, dim), other, out, rem);
    Some(forge)
}

/// Scores of another query: the sum of `q * K` is taken as the other query's.
pub fn scores_of_another_query(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let (claimed, used) = other_query(case, seed);
    let mut forge = Forge::new(case, &used);
    forge.rlcs = Some(forge.combiner());
    claim_entries(&mut forge, &claimed.witness(case), "query");
    Some(forge)
}

/// Scores of another query: their totals are taken as the claimed query's.
pub fn totals_of_another_query(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let (claimed, used) = other_query(case, seed);
    let mut forge = Forge::new(case, &used);
    let mut honest = Forge::new(case, &claimed);
    let (of_used, of_claimed, totals) = (forge.combiner(), honest.combiner(), forge.totals());
    forge.rlcs = Some(Arc::new(move |points| {
        let mut rlcs = of_used(points);
        let claimed = of_claimed(points);
        let vectors = rlcs.component_mut("vectors");
        vectors.take("score", claimed.component("vectors"));
        copy_totals(&totals, &mut rlcs, "score");
        rlcs
    }));
    claim_entries(&mut forge, &honest.witness, "query");
    Some(forge)
}

/// An output that nothing supports; the caller says which random linear combinations hide it.
fn unsupported_output(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    unsupported_output_at(case, seed).map(|(forge, _)| forge)
}

/// The same with the head and step that it is of.
fn unsupported_output_at(case: &Arc<Case>, seed: u64) -> Option<(Forge, (usize, usize))> {
    let mut rng = Rng(seed ^ 0x756e_7375);
    let mut forge = Forge::honest(case, seed);
    let at = entry(case, &mut rng);
    let (denominator, _) = forge.sums(forge.run(at.0, at.1));
    let out = rng.symmetric(forge.limit());
    let rem = forge.random_remainder(&mut rng, denominator);
    if out == forge.output(at.0, at.1, at.2) {
        return None;
    }
    forge.set_output(at, denominator, out, rem);
    Some((forge, (at.0, at.1)))
}

/// The combined numerator is the true one, the output is not.
pub fn output_beside_its_rlc(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let rlcs = rlcs_of(case, &World::random(case, seed));
    let mut forge = unsupported_output(case, seed)?;
    forge.rlcs = Some(rlcs);
    Some(forge)
}

/// An output one too small whose rounding shift makes up for it, whatever the remainder says.
pub fn shift_beside_its_remainder(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    case.layout.rounding_shift()?;
    let mut forge = Forge::honest(case, seed);
    forge.rlcs = Some(forge.combiner());
    let at = entry(case, &mut Rng(seed ^ 0x7368_6966));
    let (denominator, numerators) = forge.sums(forge.run(at.0, at.1));
    let (out, rem) = case.terms.rounding.divide(numerators[at.2], denominator);
    if out == -forge.limit() {
        return None;
    }
    forge.set_output(at, denominator, out - 1, rem);
    let shift = forge.shift_of(denominator, rem) + denominator;
    let shift = forge.split(true, shift, 0);
    let place = vector_place(&case.layout, at.0, at.1, at.2);
    forge.set_shift_limbs(place, shift.low, shift.high);
    Some(forge)
}

/// The numerators of the scores component are taken as those of the claimed output.
pub fn numerators_beside_the_scores(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut forge = unsupported_output(case, seed)?;
    let (of_output, totals) = (forge.combiner(), forge.totals());
    forge.rlcs = Some(Arc::new(move |points| {
        let mut rlcs = of_output(points);
        copy_totals(&totals, &mut rlcs, "numerator");
        rlcs
    }));
    Some(forge)
}

/// A combined value that makes up for an output that nothing supports: of a score in this lane, whose weight is not
/// zero.
pub fn value_that_makes_up(case: &Arc<Case>, seed: u64, lane: usize) -> Option<Forge> {
    let (mut forge, (head, step)) = unsupported_output_at(case, seed)?;
    let lanes = case.layout.score_lanes();
    let run = forge.run(head, step);
    let scores = run.clone().filter(|place| place % lanes == lane);
    let weighed: Vec<usize> = scores
        .filter(|place| forge.scores[*place].weight != 0)
        .collect();
    let place = *weighed.get(Rng(seed ^ 0x6d61_6b65).below(weighed.len().max(1)))?;
    let weight = field(forge.scores[place].weight);
    let (first, last) = (place / lanes, run.end / lanes - 1);
    let of_output = forge.combiner();
    let total = vector_place(&case.layout, head, step, case.layout.head_dim() - 1);
    forge.rlcs = Some(Arc::new(move |points| {
        let mut rlcs = of_output(points);
        let vectors = rlcs.component("vectors");
        let wanted = vectors.extension("numerator", total.lane, total.row);
        let scores = rlcs.component_mut("scores");
        let lacking = wanted - scores.extension("numerator", 0, last);
        let value = scores.extension("value", lane, first) + lacking * weight.inverse();
        scores.set_extension("value", lane, first, value);
        for row in first..=last {
            let sum = scores.extension("numerator", 0, row) + lacking;
            scores.set_extension("numerator", 0, row, sum);
        }
        rlcs
    }));
    Some(forge)
}

/// No run of scores answers for any output, or for any of the heads of this lane.
pub fn output_without_scores(case: &Arc<Case>, seed: u64, lane: Option<usize>) -> Option<Forge> {
    let (mut forge, (head, _)) = unsupported_output_at(case, seed)?;
    let is_of_lane = |head: usize| {
        let of_head = vector_place(&case.layout, head, 0, 0).lane;
        lane.is_none_or(|lane| lane == of_head)
    };
    if !is_of_lane(head) {
        return None;
    }
    for (head, step) in forge.steps() {
        let run = forge.run(head, step);
        if is_of_lane(head) {
            forge.scores[run].iter_mut().for_each(|row| row.last = 0);
        }
    }
    Some(forge)
}

/// The run visits two positions in the wrong order: weights meet each other's values.
pub fn run_out_of_order(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6f72_6465);
    let mut forge = Forge::honest(case, seed);
    let (head, step, _) = entry(case, &mut rng);
    let (run, lanes) = (forge.run(head, step), case.layout.score_lanes());
    let rows = run.start / lanes..run.end / lanes;
    // Neither the first nor the last: those positions are held by relations.
    let inner = rows.len().checked_sub(2).filter(|inner| *inner >= 2)?;
    let (a, b) = (rng.below(inner), rng.below(inner));
    let (a, b) = (rows.start + 1 + a, rows.start + 1 + b);
    let scores = &mut forge.scores;
    for lane in 0..lanes {
        let (a, b) = (a * lanes + lane, b * lanes + lane);
        (scores[a].cache_row, scores[b].cache_row) = (scores[b].cache_row, scores[a].cache_row);
    }
    forge.follow_run(head, step);
    Some(forge)
}

/// Every row of a run has a maximum of its own, the largest of its scores.
pub fn maximum_by_score(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6d61_7869);
    let mut forge = Forge::honest(case, seed);
    let (head, step, _) = entry(case, &mut rng);
    let (run, lanes) = (forge.run(head, step), case.layout.score_lanes());
    let mut attained = 0;
    for row in run.start / lanes..run.end / lanes {
        let of_row = run.start.max(row * lanes)..(row + 1) * lanes;
        let scores: Vec<i64> = of_row.clone().map(|score| forge.score(score)).collect();
        let maximum = *scores.iter().max()?;
        for (place, score) in of_row.zip(scores) {
            forge.set_true_gap(place, maximum - score);
            attained |= i64::from(score == maximum);
            forge.scores[place].maximum = maximum;
            forge.scores[place].attained = attained;
        }
    }
    forge.follow_run(head, step);
    Some(forge)
}

/// A gap beyond the table takes an index before the last: part of the quotient is called excess.
pub fn no_clip_with_cause(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    case.layout.excess()?;
    let mut rng = Rng(seed ^ 0x6e6f_636c);
    let mut forge = Forge::honest(case, seed);
    let (head, step, row) = place(&forge, &mut rng);
    let quotient = forge.scores[row].index + forge.excess(row);
    let index = rng.below(forge.last_index() as usize) as i64;
    if index >= quotient {
        return None;
    }
    forge.set_gap(row, index, quotient - index, forge.gap_remainder(row));
    forge.follow_run(head, step);
    Some(forge)
}

/// A run whose maximum is above all of its scores, with the gaps and outputs that follow, and its scores.
fn raised_maximum(case: &Arc<Case>, seed: u64) -> Option<(Forge, Range<usize>)> {
    let mut rng = Rng(seed ^ 0x666d_6178);
    let mut forge = Forge::honest(case, seed);
    let (head, step, _) = entry(case, &mut rng);
    let more = 1 + rng.below(2 * forge.score_step() as usize * forge.last_index() as usize) as i64;
    let run = forge.run(head, step);
    for row in run.clone() {
        let gap = forge.gap(row) + more;
        if case.layout.excess().is_none() && gap / forge.score_step() > forge.last_index() {
            return None;
        }
        forge.set_true_gap(row, gap);
        forge.scores[row].maximum += more;
    }
    if forge.sums(run.clone()).0 == 0 {
        return None;
    }
    forge.follow_run(head, step);
    Some((forge, run))
}

/// A maximum above all scores. `attained` says where the lie is: that a gap is zero, or nowhere.
pub fn false_maximum(case: &Arc<Case>, seed: u64, attained: bool) -> Option<Forge> {
    let (mut forge, run) = raised_maximum(case, seed)?;
    for score in &mut forge.scores[run] {
        score.attained = i64::from(attained);
    }
    Some(forge)
}

/// A maximum above all scores, which an absent lane attains.
pub fn maximum_of_an_absent_score(case: &Arc<Case>, seed: u64, lane: usize) -> Option<Forge> {
    let (mut forge, run) = raised_maximum(case, seed)?;
    let absent = run.start % case.layout.score_lanes();
    if lane >= absent {
        return None;
    }
    for score in &mut forge.scores[run.start - absent + lane..run.end] {
        score.attained = 1;
    }
    Some(forge)
}

/// A run that begins in the head before, leaves its last position out, and goes on with its own first one, which has
/// the flag that an absent lane before it gives: this lane.
pub fn run_from_the_head_before(case: &Arc<Case>, seed: u64, lane: usize) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6865_6164);
    let (layout, lanes) = (&case.layout, case.layout.score_lanes());
    let (head, step, _) = entry(case, &mut rng);
    let kv_head = layout.shape().attention().kv_head_of(head);
    let before = kv_head.checked_sub(1)?;
    let positions = layout.cache_positions();
    let is_next = layout.cache_row(kv_head, 0, 0)
        == layout.cache_row(before, 0, 0) + positions * layout.position_stride();
    let mut forge = Forge::honest(case, seed);
    let own = forge.run(head, step);
    // The lane behind this one has the head's first position, where the last lane has the last one.
    if !is_next || (lane + own.len()) % lanes != lanes - 1 {
        return None;
    }
    // Scores of the head before are zero, so that the totals are what the vectors say.
    let maximum = forge.scores[own.start].maximum;
    if maximum < 0 {
        return None;
    }
    let first = layout.cache_row(before, 0, layout.head_dim() - 1) as i64;
    let count = positions + own.len();
    let rows = count.div_ceil(lanes);
    let start = forge.first_filler();
    let range = start..start + rows * lanes;
    if range.end > forge.scores.len() {
        return None;
    }
    let missing = rows * lanes - count;
    let mut attained = 0;
    for (index, place) in range.clone().enumerate() {
        let is_absent = index < missing || index + 1 == missing + positions;
        match (index + own.len()).checked_sub(rows * lanes) {
            Some(index) => forge.scores[place] = forge.scores[own.start + index],
            None if is_absent => forge.set_gap(place, 0, 0, 0),
            None => {
                forge.set_true_gap(place, maximum);
                attained |= i64::from(maximum == 0);
            }
        }
        let score = &mut forge.scores[place];
        attained |= score.attained * i64::from(index + own.len() >= rows * lanes);
        score.cache_row =
            first + ((index as i64) - (missing as i64)) * layout.position_stride() as i64;
        score.first = i64::from(index < lanes);
        score.present = i64::from(!is_absent);
        score.maximum = maximum;
        score.attained = attained;
        score.last = i64::from(index + 1 == rows * lanes);
    }
    for score in &mut forge.scores[own] {
        score.last = 0;
    }
    forge.follow(head, step, range);
    Some(forge)
}

/// Keys (or values) of the cache are combined as if an old entry were another one.
pub fn rlc_of_another_entry(
    case: &Arc<Case>,
    seed: u64,
    lane: usize,
    value: bool,
) -> Option<Forge> {
    let (claimed, used) = other_entry(case, seed, lane, value)?;
    let mut forge = Forge::new(case, &used);
    forge.rlcs = Some(forge.combiner());
    claim_states(&mut forge, &claimed.witness(case));
    Some(forge)
}

/// An old entry of the cache changes between before and after.
pub fn entry_changes(case: &Arc<Case>, seed: u64, lane: usize, value: bool) -> Option<Forge> {
    let (claimed, used) = other_entry(case, seed, lane, value)?;
    let mut forge = Forge::new(case, &used);
    claim_state(&mut forge, &claimed.witness(case), Tree::StateBefore);
    Some(forge)
}

/// The scores component uses combined values of another cache.
pub fn values_of_another_cache(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let lane = Rng(seed).below(case.layout.lanes());
    let (claimed, used) = other_entry(case, seed, lane, true)?;
    let mut forge = Forge::new(case, &used);
    let (of_used, of_claimed) = (forge.combiner(), rlcs_of(case, &claimed));
    forge.rlcs = Some(Arc::new(move |points| {
        let mut rlcs = of_used(points);
        let claimed = of_claimed(points);
        let state = rlcs.component_mut("cache");
        for name in ["combined keys", "combined values"] {
            state.take(name, claimed.component("cache"));
        }
        rlcs
    }));
    claim_states(&mut forge, &claimed.witness(case));
    Some(forge)
}

/// Nothing is appended: the new entries stand in the cache before, and the public ones are others.
pub fn nothing_is_appended(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut forge = Forge::honest(case, seed);
    let after = tree_of(&forge.witness.main, Tree::StateAfter);
    forge.witness.main.set_tree(Tree::StateBefore, &after);
    let state = forge.witness.main.component_mut("cache");
    state
        .named_mut("new")
        .for_each(|column| column.fill(M31::from(0)));
    let place = vector_place(&case.layout, 0, 0, 0);
    *vector_mut(&mut forge.witness, "key", place) = field(i64::from(seed.is_multiple_of(2)));
    Some(forge)
}

/// A weight that is not the table's for its index.
pub fn weight_not_in_table(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x7765_6967);
    let mut forge = Forge::honest(case, seed);
    let (head, step, row) = place(&forge, &mut rng);
    let weight = rng.below(1 + case.terms.weight_table().max_weight() as usize) as i64;
    if weight == forge.scores[row].weight {
        return None;
    }
    forge.scores[row].weight = weight;
    if forge.sums(forge.run(head, step)).0 == 0 {
        return None;
    }
    forge.follow_run(head, step);
    Some(forge)
}

/// A weight that is not the table's, in the arithmetic proof alone: the lookup proof of a split segment
/// is about the honest pairs.
pub fn memberships_of_other_pairs(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut forge = weight_not_in_table(case, seed)?;
    forge.keeps_lookup = true;
    Some(forge)
}

/// The constraints of the attention, by what a case must have for them to be there: a list of its own,
/// which does not follow what the components state.
const CONSTRAINTS: [(&str, &str, Has); 17] = [
    (
        "vectors",
        "denominator is constant over a step",
        Has::Dimensions,
    ),
    ("vectors", "combined score accumulates q * K", Has::Heads),
    (
        "vectors",
        "rounding shift is half of r - Z",
        Has::RoundingShift,
    ),
    (
        "vectors",
        "combined numerator accumulates o * Z + r",
        Has::Heads,
    ),
    (
        "scores",
        "a run steps through consecutive positions",
        Has::All,
    ),
    ("scores", "the maximum is constant over a run", Has::All),
    ("scores", "only the last index clips", Has::Excess),
    (
        "scores",
        "no lane is absent behind one that is present",
        Has::Absent,
    ),
    (
        "scores",
        "attained grows only where the gap is zero",
        Has::Positions,
    ),
    (
        "scores",
        "attained grows only where there is a score",
        Has::Absent,
    ),
    (
        "scores",
        "a run that ends has attained its maximum",
        Has::All,
    ),
    ("scores", "combined scores accumulate", Has::All),
    ("scores", "combined numerators accumulate w * V", Has::All),
    ("cache", "a key is kept or new", Has::Lanes),
    ("cache", "a value is kept or new", Has::Lanes),
    ("cache", "combined keys accumulate", Has::Lanes),
    ("cache", "combined values accumulate", Has::Lanes),
];

/// Which cases have a constraint that an attack can break.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Has {
    All,
    /// All of them, once for each query head of a row.
    Heads,
    Dimensions,
    RoundingShift,
    Excess,
    /// All of them, once for each position of a row.
    Positions,
    /// Once for each lane that may be absent.
    Absent,
    /// All of them, once for each lane of the cache.
    Lanes,
}

impl Has {
    /// How often.
    fn times(self, case: &Case) -> usize {
        let layout = &case.layout;
        match self {
            Self::All => 1,
            Self::Heads => layout.vector_lanes(),
            Self::Dimensions if layout.head_dim() > 1 => layout.vector_lanes(),
            Self::RoundingShift if layout.rounding_shift().is_some() => layout.vector_lanes(),
            Self::Excess if layout.excess().is_some() => layout.score_lanes(),
            Self::Dimensions | Self::RoundingShift | Self::Excess => 0,
            Self::Positions => layout.score_lanes(),
            Self::Absent => layout.score_lanes() - 1,
            Self::Lanes => layout.lanes(),
        }
    }
}

/// The tuples with their lanes: how many of the component before them have the same label.
pub fn with_lanes(labels: Vec<TupleLabel>) -> Vec<(TupleLabel, usize)> {
    let mut seen: HashMap<(usize, String), usize> = HashMap::new();
    labels
        .into_iter()
        .map(|label| {
            let count = seen.entry((label.0, label.3.clone())).or_default();
            *count += 1;
            (label, *count - 1)
        })
        .collect()
}

/// A forgery that is refused by one constraint or one lookup, and by nothing else.
pub struct Alone {
    pub label: String,
    pub attack: Attack,
    pub reason: &'static str,
    /// Component and lane of the constraint, if it is one.
    pub constraint: Option<(&'static str, usize)>,
    /// The lookup, if it is one: without it the false claim passes.
    pub lookup: Option<Drop>,
}

/// One for each constraint of a case, and for each lookup that a false claim can do without.
pub fn alone(case: &Case) -> Vec<Alone> {
    let constraints = CONSTRAINTS.into_iter().flat_map(|(component, name, has)| {
        (0..has.times(case)).map(move |lane| Alone {
            label: format!("{name}, {lane}"),
            attack: on_constraint(name, lane).expect("an attack on every constraint"),
            reason: name,
            constraint: Some((component, lane)),
            lookup: None,
        })
    });
    let lookups = with_lanes(tuple_labels(case)).into_iter();
    let lookups = lookups.filter_map(|((component, index, tag, label, _), lane)| {
        Some(Alone {
            attack: on_tuple(&label, component, lane)?,
            label,
            reason: tag.name(),
            constraint: None,
            lookup: Some(Drop::Tuple { component, index }),
        })
    });
    constraints.chain(lookups).collect()
}

/// The attack on a constraint; constraints repeat for every lane.
pub fn on_constraint(name: &str, lane: usize) -> Option<Attack> {
    Some(match name {
        "denominator is constant over a step" => Box::new(denominator_by_dimension),
        "combined score accumulates q * K" => Box::new(scores_of_another_query),
        "combined numerator accumulates o * Z + r" => Box::new(output_beside_its_rlc),
        "rounding shift is half of r - Z" => Box::new(shift_beside_its_remainder),
        "a run steps through consecutive positions" => Box::new(run_out_of_order),
        "the maximum is constant over a run" => Box::new(maximum_by_score),
        "only the last index clips" => Box::new(no_clip_with_cause),
        "attained grows only where the gap is zero" => {
            Box::new(|case, seed| false_maximum(case, seed, true))
        }
        "a run that ends has attained its maximum" => {
            Box::new(|case, seed| false_maximum(case, seed, false))
        }
        "attained grows only where there is a score" => {
            Box::new(move |case, seed| maximum_of_an_absent_score(case, seed, lane))
        }
        "no lane is absent behind one that is present" => {
            Box::new(move |case, seed| run_from_the_head_before(case, seed, lane))
        }
        "combined scores accumulate" => Box::new(totals_of_another_query),
        "combined numerators accumulate w * V" => Box::new(numerators_beside_the_scores),
        "a key is kept or new" => {
            Box::new(move |case, seed| entry_changes(case, seed, lane, false))
        }
        "a value is kept or new" => {
            Box::new(move |case, seed| entry_changes(case, seed, lane, true))
        }
        "combined keys accumulate" => {
            Box::new(move |case, seed| rlc_of_another_entry(case, seed, lane, false))
        }
        "combined values accumulate" => {
            Box::new(move |case, seed| rlc_of_another_entry(case, seed, lane, true))
        }
        _ => return None,
    })
}

/// The attack on a whole relation of the attention.
pub fn on_relation(tag: RelationTag) -> Option<Attack> {
    let attack: Attack = match tag {
        RelationTag::Weight => Box::new(weight_not_in_table),
        RelationTag::Limb => Box::new(|case, seed| {
            let wide = case.forms.remainder;
            let part = if wide {
                Part::ComplementHigh
            } else {
                Part::Complement
            };
            gadgets::output_remainder(case, seed, part)
        }),
        RelationTag::Value => Box::new(gadgets::query_out_of_range),
        RelationTag::ValueRlc => Box::new(values_of_another_cache),
        RelationTag::KeyRlc => Box::new(nothing_is_appended),
        RelationTag::StepTotals => Box::new(|case, seed| output_without_scores(case, seed, None)),
        RelationTag::ValueDigits => Box::new(digits::output_of_other_digits),
        // Of a decoder alone.
        RelationTag::Range
        | RelationTag::Activation
        | RelationTag::Rotation
        | RelationTag::ReciprocalRoot
        | RelationTag::Exponent
        | RelationTag::SquareSums
        | RelationTag::NormFactor
        | RelationTag::AttentionEntry
        | RelationTag::LinearInput
        | RelationTag::LinearOutput
        | RelationTag::StreamValue => return None,
    };
    Some(attack)
}

/// The attack on one tuple of a row that requires something, or provides it in a number that the
/// prover does not choose, in a lane of the component; `None` where the prover chooses the number, or provides what is required.
pub fn on_tuple(label: &str, component: usize, lane: usize) -> Option<Attack> {
    let part = Part::of(label);
    if let Some(lane) = label.strip_prefix("key range of lane ") {
        let lane = lane.parse().ok()?;
        return Some(Box::new(move |case, seed| {
            gadgets::entry_out_of_range(case, seed, lane, false)
        }));
    }
    let value = ["value range of lane ", "value digits of lane "];
    if let Some(lane) = value.iter().find_map(|it| label.strip_prefix(it)) {
        let lane = lane.parse().ok()?;
        return Some(Box::new(move |case, seed| {
            gadgets::entry_out_of_range(case, seed, lane, true)
        }));
    }
    Some(match (component, label, part) {
        (0, "query range", _) => Box::new(gadgets::query_out_of_range),
        (0, "output range", _) => Box::new(gadgets::output_out_of_range),
        (0, "output digits", _) => Box::new(digits::output_of_other_digits),
        (0, "key rlc", _) => Box::new(nothing_is_appended),
        (0, "step totals", _) => {
            Box::new(move |case, seed| output_without_scores(case, seed, Some(lane)))
        }
        (0, _, Some(part)) if label.starts_with("rounding shift") => {
            Box::new(move |case, seed| gadgets::remainder_of_the_wrong_parity(case, seed, part))
        }
        (0, _, Some(part)) if label.starts_with("carry") => {
            Box::new(move |case, seed| digits::numerator_that_wraps(case, seed, part))
        }
        (0, _, Some(part)) => {
            Box::new(move |case, seed| gadgets::output_remainder(case, seed, part))
        }
        (_, "weight", _) => Box::new(weight_not_in_table),
        (1, "value rlc", _) => Box::new(move |case, seed| value_that_makes_up(case, seed, lane)),
        (1, "excess top bound", _) => Box::new(gadgets::gap_that_wraps),
        (1, _, Some(part)) if label.starts_with("excess complement") => {
            Box::new(move |case, seed| gadgets::excess_above_its_maximum(case, seed, part))
        }
        (1, _, Some(part)) if label.starts_with("excess") => {
            Box::new(move |case, seed| gadgets::clip_without_cause(case, seed, part))
        }
        (1, _, Some(part)) => Box::new(move |case, seed| gadgets::gap_remainder(case, seed, part)),
        _ => return None,
    })
}
