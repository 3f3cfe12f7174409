//! The known forgeries, each a witness whose every other part is consistent with it.
//!
//! For each: the plain reference disagrees with the claim, the mock checker names the constraint or
//! relation that refuses it, and a full proof of the claim, verified against a policy that was made for
//! exactly this claim, is refused with a typed error.
//!
//! To the known forgeries comes one for each constraint and each lookup of a case ([`attacks::alone`]),
//! which nothing else refuses: whatever the relation lost, one of them would be a proof.
use crate::cases::{vector_place, vector_row};
use std::sync::Arc;

use matchmark_air::trees::Tree;
use matchmark_quant::Rounding;
use stwo::core::fields::m31::M31;

use crate::attacks::{self, Attack};
use crate::attempt::{Attempt, Expect};
use crate::cases::{
    all, bounded_narrow, bounded_wide, edges, exact, narrow, split_digits, two_digits, unclipped,
    wide, Case, Spec,
};
use crate::checker::Drop;
use crate::digits;
use crate::forge::vector_mut;
use crate::forge::{Forge, Forged, ScoreRow};
use crate::gadgets::{self, entry, Part};
use crate::proving::{outcome, Outcome};
use crate::reduced::{prove, verify, verify_as_stated, Claimed, Setup};
use crate::refusal::{BALANCE, CONSTRAINT};
use crate::report::Recorder;
use crate::world::{output_remainder, sizes, World};
use crate::Rng;

/// Seeds that a forgery may try before it counts as impossible.
const SEEDS: u64 = 300;
/// Seeds that it may try on a shape that need not suit it.
const SEEDS_OF_EDGES: u64 = 24;
/// Witnesses that it may offer until one is refused as expected.
const OFFERED: usize = 12;
/// Kinds of forgeries that find room in each of the shapes at the ends of their ranges.
const ON_EDGES: usize = 20;

/// One forgery on some of the cases.
pub(super) struct Forgery {
    name: String,
    specs: Vec<Spec>,
    attack: Attack,
    /// What the mock checker is to say.
    expect: Expect,
    /// What refuses the proof.
    refusal: &'static str,
    /// The lookup without which it passes, if it is chosen for that.
    lookup: Option<Drop>,
}

/// Forgeries in the making.
struct List {
    name: &'static str,
    forgeries: Vec<Forgery>,
}

impl List {
    fn add(
        &mut self,
        specs: &[Spec],
        attack: impl Fn(&Arc<Case>, u64) -> Option<Forge> + Send + Sync + 'static,
        reason: &'static str,
        refusal: &'static str,
    ) {
        self.forgeries.push(Forgery {
            name: format!("{} {}", self.name, self.forgeries.len()),
            specs: specs.to_vec(),
            attack: Box::new(attack),
            expect: Expect::Named(reason),
            refusal,
            lookup: None,
        });
    }
}

/// Adds the forgeries of one kind.
type Kind = fn(&mut List);

const KINDS: [(&str, Kind); 22] = [
    ("false maximum", false_maximum),
    ("clip without cause", clip_without_cause),
    ("no clip with cause", no_clip_with_cause),
    (
        "quotient off by one denominator",
        quotient_off_by_one_denominator,
    ),
    ("gap quotient off by one step", gap_quotient_off_by_one_step),
    ("remainder is any number", remainder_is_any_number),
    ("sum leaves out an entry", sum_leaves_out_an_entry),
    ("future entry attended", future_entry_attended),
    ("masked entry counted", masked_entry_counted),
    ("past entry left out", past_entry_left_out),
    ("weight not in the table", weight_not_in_the_table),
    ("gap wraps the modulus", gap_wraps_the_modulus),
    ("rounding of the other kind", rounding_of_the_other_kind),
    ("cache entry changed", cache_entry_changed),
    ("cache entry swapped or moved", cache_entry_swapped_or_moved),
    (
        "new entry is not the public one",
        new_entry_is_not_the_public_one,
    ),
    ("heads reordered", heads_reordered),
    ("query reused across heads", query_reused_across_heads),
    ("values out of range", values_out_of_range),
    ("multiplicity wraps", multiplicity_wraps),
    ("numerator wraps the modulus", numerator_wraps_the_modulus),
    ("digits of another value", digits_of_another_value),
];

pub fn run(recorder: &mut Recorder) {
    let times = recorder.amount(1, 8);
    let known = known();
    for forgery in &known {
        for spec in &forgery.specs {
            mount(recorder, forgery, &spec.case(), times);
        }
    }
    for spec in all() {
        let case = spec.case();
        for forgery in alone(&case) {
            mount(recorder, &forgery, &case, times);
        }
    }
    for spec in edges() {
        let case = spec.case();
        let alone = alone(&case);
        let mut found = 0;
        for forgery in known.iter().chain(&alone) {
            let attempts = attempts(forgery, &case, recorder.seed, SEEDS_OF_EDGES, 1);
            found += attempts.len();
            for attempt in attempts {
                record(recorder, forgery, &attempt);
            }
        }
        recorder.require(&format!("forgeries on {}", case.name), || {
            match found >= ON_EDGES {
                true => Ok(()),
                false => Err(format!("expected {ON_EDGES}, got {found}")),
            }
        });
    }
}

/// The known forgeries.
fn known() -> Vec<Forgery> {
    let of_kind = |(name, kind): (&'static str, Kind)| {
        let mut list = List {
            name,
            forgeries: vec![],
        };
        kind(&mut list);
        list.forgeries
    };
    KINDS.into_iter().flat_map(of_kind).collect()
}

/// One forgery for each constraint and each lookup of a case.
fn alone(case: &Arc<Case>) -> Vec<Forgery> {
    let forgery = |it: attacks::Alone| Forgery {
        name: it.label,
        specs: vec![],
        attack: it.attack,
        expect: Expect::Alone(it.reason),
        refusal: it.constraint.map_or(BALANCE, |_| CONSTRAINT),
        lookup: it.lookup,
    };
    attacks::alone(case).into_iter().map(forgery).collect()
}

/// One attempt of every forgery on a case of the class.
pub(super) fn of_case(case: &Arc<Case>, seed: u64) -> impl Iterator<Item = Attempt> + '_ {
    let is_of = |forgery: &Forgery| forgery.specs.iter().any(|spec| spec.name == case.name);
    let known = known().into_iter().filter(is_of).collect::<Vec<_>>();
    let all = known.into_iter().chain(alone(case));
    all.flat_map(move |forgery| attempts(&forgery, case, seed, SEEDS, 1))
}

/// The first witnesses of false claims that come as expected, so many of them; where none does, the last
/// one that was offered.
fn attempts(
    forgery: &Forgery,
    case: &Arc<Case>,
    first: u64,
    seeds: u64,
    times: usize,
) -> Vec<Attempt> {
    let mut found: Vec<Attempt> = vec![];
    let mut offered = 0;
    for seed in first..first + seeds {
        let Some(forge) = (forgery.attack)(case, seed) else {
            continue;
        };
        let forged = forge.finish(&Drop::Nothing);
        if forged.is_true() {
            // Equal values in the world made the change none.
            continue;
        }
        offered += 1;
        let is_last = offered == OFFERED * times;
        let passes_without = |lookup: &Drop| {
            let mut forged = forged.clone();
            forged.refill(lookup);
            forged.failures_without(lookup).is_empty()
        };
        let is_expected = forgery.expect.check(&forged.failures()).is_ok()
            && forgery.lookup.as_ref().is_none_or(passes_without);
        if is_expected || (is_last && found.is_empty()) {
            found.push(Attempt {
                label: format!("{}/{}/{}", forgery.name, case.name, found.len() + 1),
                forged,
                expect: forgery.expect,
                follows: true,
            });
        }
        if is_last || found.len() == times {
            break;
        }
    }
    found
}

/// Mounts a forgery at the first seeds that suit it, some times.
fn mount(recorder: &mut Recorder, forgery: &Forgery, case: &Arc<Case>, times: usize) {
    let attempts = attempts(forgery, case, recorder.seed, SEEDS, times);
    for attempt in &attempts {
        record(recorder, forgery, attempt);
    }
    let label = format!("{}/{}", forgery.name, case.name);
    if attempts.is_empty() {
        recorder.require(&label, || Err("no seed suits the forgery".into()));
    }
}

fn record(recorder: &mut Recorder, forgery: &Forgery, attempt: &Attempt) {
    recorder.require(&format!("{}/constraints", attempt.label), || {
        attempt.check()
    });
    let is_expected =
        |other: &Outcome| [forgery.refusal, "no public values"].contains(&other.name());
    recorder.refuse_as(&attempt.label, is_expected, || {
        let outcome = match forgery.expect {
            Expect::Alone(_) => outcome_as_forged(&attempt.forged),
            _ => outcome(&attempt.forged),
        };
        match outcome {
            Outcome::Accepted => Ok(()),
            other => Err(other),
        }
    });
}

/// What becomes of a forged witness whose random linear combinations and states are committed as they are,
/// unlike by the prover, which makes the ones from the witness and takes nothing but caches for the others.
fn outcome_as_forged(forged: &Forged) -> Outcome {
    let setup = Setup::new(&forged.case);
    let claimed = Claimed::of(&setup, forged);
    let proofs = match prove(&claimed, &Drop::Nothing) {
        Ok(proofs) => proofs,
        Err(error) => return Outcome::Unproven(error),
    };
    let verified = match &claimed.values {
        Ok(values) => verify_as_stated(&claimed, values, &proofs),
        Err(_) => verify(&claimed, &Drop::Nothing, &proofs),
    };
    verified.map_or_else(Outcome::Refused, |()| Outcome::Accepted)
}

fn false_maximum(list: &mut List) {
    let reason = "attained grows only where the gap is zero";
    list.add(
        &all(),
        |case, seed| attacks::false_maximum(case, seed, true),
        reason,
        CONSTRAINT,
    );
    let reason = "a run that ends has attained its maximum";
    list.add(
        &all(),
        |case, seed| attacks::false_maximum(case, seed, false),
        reason,
        CONSTRAINT,
    );
    let reason = "the maximum is constant over a run";
    list.add(&all(), attacks::maximum_by_score, reason, CONSTRAINT);
}

fn clip_without_cause(list: &mut List) {
    let clipping = [narrow(), wide(), bounded_wide(), bounded_narrow(), exact()];
    let attack = |case: &Arc<Case>, seed| gadgets::clip_without_cause(case, seed, Part::Low);
    list.add(&clipping, attack, "limb range", BALANCE);
    // The gap itself is changed: then the score is another one.
    list.add(&all(), clip_by_gap, "step totals", BALANCE);
}

/// The index is set to the last one with no excess, so that gap and score change with it.
fn clip_by_gap(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut forge = Forge::honest(case, seed);
    let (head, step, row) = gadgets::place(&forge, &mut Rng(seed));
    if forge.scores[row].index == forge.last_index() || forge.gap(row) == 0 {
        return None;
    }
    let rem = forge.gap_remainder(row);
    forge.set_gap(row, forge.last_index(), 0, rem);
    forge.follow_run(head, step);
    Some(forge)
}

fn no_clip_with_cause(list: &mut List) {
    let clipping = [narrow(), wide(), bounded_wide(), bounded_narrow(), exact()];
    list.add(
        &clipping,
        attacks::no_clip_with_cause,
        "only the last index clips",
        CONSTRAINT,
    );
}

fn quotient_off_by_one_denominator(list: &mut List) {
    for part in [
        Part::Low,
        Part::High,
        Part::Complement,
        Part::ComplementLow,
        Part::ComplementHigh,
    ] {
        let attack = move |case: &Arc<Case>, seed| gadgets::output_remainder(case, seed, part);
        list.add(&all(), attack, "limb range", BALANCE);
    }
}

fn gap_quotient_off_by_one_step(list: &mut List) {
    let stepping = [wide(), bounded_narrow(), unclipped()];
    for part in [Part::Low, Part::Complement, Part::ComplementHigh] {
        let attack = move |case: &Arc<Case>, seed| gadgets::gap_remainder(case, seed, part);
        list.add(&stepping, attack, "limb range", BALANCE);
    }
}

fn remainder_is_any_number(list: &mut List) {
    // A remainder below its bound that is not the division's: the numerator is another one.
    list.add(
        &all(),
        |case, seed| {
            let mut rng = Rng(seed);
            let mut forge = Forge::honest(case, seed);
            let at = entry(case, &mut rng);
            let (denominator, numerators) = forge.sums(forge.run(at.0, at.1));
            let out = rng.symmetric(forge.limit());
            let true_rem =
                output_remainder(case.terms.rounding, numerators[at.2], denominator, out);
            let rem = forge.random_remainder(&mut rng, denominator);
            forge.set_output(at, denominator, out, rem);
            (rem != true_rem).then_some(forge)
        },
        "step totals",
        BALANCE,
    );
}

/// Outputs that follow from some of the rows of the run only.
fn sum_without(case: &Arc<Case>, seed: u64, first: bool) -> Option<Forge> {
    let mut forge = Forge::honest(case, seed);
    let (head, step, _) = entry(case, &mut Rng(seed));
    let run = forge.run(head, step);
    let part = if first {
        run.start + 1..run.end
    } else {
        run.start..run.end - 1
    };
    if part.is_empty() || forge.sums(part.clone()).0 == 0 {
        return None;
    }
    forge.follow(head, step, part);
    Some(forge)
}

fn sum_leaves_out_an_entry(list: &mut List) {
    list.add(
        &all(),
        |case, seed| sum_without(case, seed, true),
        "step totals",
        BALANCE,
    );
    list.add(
        &all(),
        |case, seed| sum_without(case, seed, false),
        "step totals",
        BALANCE,
    );
}

/// Replaces the rows of a run, keeping the number of all rows.
fn replace_run(forge: &mut Forge, head: usize, step: usize, rows: Vec<ScoreRow>) -> Option<()> {
    let run = forge.run(head, step);
    let total = forge.scores.len();
    let filler = *forge.scores.last()?;
    if forge.first_filler() + rows.len() - run.len() > total {
        return None;
    }
    let len = rows.len();
    forge.scores.splice(run.clone(), rows);
    forge.scores.resize(total, filler);
    if forge.sums(run.start..run.start + len).0 == 0 {
        return None;
    }
    forge.follow(head, step, run.start..run.start + len);
    Some(())
}

/// The run goes on to the next position, which the step must not see.
fn future_entry(case: &Arc<Case>, seed: u64, told: bool) -> Option<Forge> {
    let (_, _, dim, before, steps) = sizes(case);
    let mut forge = Forge::honest(case, seed);
    let (head, step, _) = entry(case, &mut Rng(seed));
    if step + 1 == steps {
        return None;
    }
    let world = World::random(case, seed);
    let group = case.layout.shape().attention().kv_head_of(head);
    let position = before + step + 1;
    let score: i64 = (0..dim)
        .map(|c| {
            i64::from(world.q[(head * steps + step) * dim + c])
                * world.key(case, group, position, c)
        })
        .sum();
    let mut rows = forge.scores[forge.run(head, step)].to_vec();
    let last = rows.last_mut()?;
    let gap = last.maximum - score;
    let mut next = *last;
    // Told: the step's totals are said to end at the future position. Else they end where they
    // should, and the future entry is only counted.
    last.last = i64::from(!told);
    next.last = i64::from(told);
    next.cache_row = case.layout.cache_row(group, position, dim - 1) as i64;
    next.first = 0;
    rows.push(next);
    let start = forge.run(head, step).start;
    let row = start + rows.len() - 1;
    if gap < 0 {
        return None;
    }
    replace_run(&mut forge, head, step, rows)?;
    forge.set_true_gap(row, gap);
    forge.follow(head, step, start..row + 1);
    Some(forge)
}

fn future_entry_attended(list: &mut List) {
    for told in [true, false] {
        let attack = move |case: &Arc<Case>, seed| future_entry(case, seed, told);
        list.add(&all(), attack, "step totals", BALANCE);
    }
}

fn masked_entry_counted(list: &mut List) {
    // The first position is visited twice in a run: `first` is 1 there by the relation, so that the
    // sums begin anew; saying 0 is refused by the relation.
    for first in [0, 1] {
        let reason = if first == 0 {
            "value rlc"
        } else {
            "step totals"
        };
        list.add(
            &all(),
            move |case, seed| {
                let mut forge = Forge::honest(case, seed);
                let (head, step, _) = entry(case, &mut Rng(seed));
                let mut rows = forge.scores[forge.run(head, step)].to_vec();
                let mut again = rows[0];
                again.first = first;
                rows.insert(1, again);
                replace_run(&mut forge, head, step, rows)?;
                Some(forge)
            },
            reason,
            if first == 0 { CONSTRAINT } else { BALANCE },
        );
    }
}

fn past_entry_left_out(list: &mut List) {
    let reason = "a run steps through consecutive positions";
    list.add(
        &all(),
        |case, seed| {
            let mut forge = Forge::honest(case, seed);
            let (head, step, _) = entry(case, &mut Rng(seed));
            let mut rows = forge.scores[forge.run(head, step)].to_vec();
            if rows.len() < 3 {
                return None;
            }
            rows.remove(1);
            replace_run(&mut forge, head, step, rows)?;
            Some(forge)
        },
        reason,
        CONSTRAINT,
    );
    // The oldest entry, whose key is zero: nothing but the flag of the first position is missing.
    list.add(
        &all(),
        |case, seed| {
            let mut world = World::random(case, seed);
            let (head, step, _) = entry(case, &mut Rng(seed));
            let (_, _, dim, before, _) = sizes(case);
            if before == 0 {
                return None;
            }
            let group = case.layout.shape().attention().kv_head_of(head);
            world.prefix_k[group * before * dim..][..dim].fill(0);
            let mut forge = Forge::new(case, &world);
            let mut rows = forge.scores[forge.run(head, step)].to_vec();
            let (best, oldest) = (
                rows[1..]
                    .iter()
                    .any(|row| row.attained == 1 && row.index == 0),
                rows[0],
            );
            if !best || oldest.attained == 1 {
                return None;
            }
            rows.remove(0);
            rows[0].first = 1;
            replace_run(&mut forge, head, step, rows)?;
            Some(forge)
        },
        "value rlc",
        BALANCE,
    );
}

fn weight_not_in_the_table(list: &mut List) {
    list.add(
        &all(),
        attacks::weight_not_in_table,
        "weight table",
        BALANCE,
    );
}

fn gap_wraps_the_modulus(list: &mut List) {
    list.add(
        &[bounded_narrow(), bounded_wide(), exact()],
        gadgets::gap_that_wraps,
        "limb range",
        BALANCE,
    );
    list.add(
        &[narrow(), wide()],
        gadgets::gap_that_wraps,
        "limb range",
        BALANCE,
    );
}

fn rounding_of_the_other_kind(list: &mut List) {
    list.add(
        &all(),
        |case, seed| {
            let mut forge = Forge::honest(case, seed);
            let at = entry(case, &mut Rng(seed));
            let other = match case.terms.rounding {
                Rounding::Floor => Rounding::NearestTiesUp,
                Rounding::NearestTiesUp => Rounding::Floor,
            };
            let (denominator, numerators) = forge.sums(forge.run(at.0, at.1));
            let (out, _) = other.divide(numerators[at.2], denominator);
            let rem = output_remainder(case.terms.rounding, numerators[at.2], denominator, out);
            forge.set_output(at, denominator, out, rem);
            Some(forge)
        },
        "limb range",
        BALANCE,
    );
}

fn cache_entry_changed(list: &mut List) {
    for (value, reason) in [
        (false, "a key is kept or new"),
        (true, "a value is kept or new"),
    ] {
        for lane in 0..2 {
            let specs = all();
            let specs: Vec<Spec> = specs
                .into_iter()
                .filter(|spec| lane < spec.case().layout.lanes())
                .collect();
            let attack =
                move |case: &Arc<Case>, seed| attacks::entry_changes(case, seed, lane, value);
            list.add(&specs, attack, reason, CONSTRAINT);
        }
    }
}

/// Two cache entries change places between before and after, in the same or in another head.
fn entries_swapped(case: &Arc<Case>, seed: u64, across_heads: bool) -> Option<Forge> {
    let claimed = World::random(case, seed);
    let (_, groups, dim, before, _) = sizes(case);
    if before == 0 {
        return None;
    }
    let mut rng = Rng(seed ^ 0x7377_6170);
    let (a, b) = (rng.below(before), rng.below(before));
    let (g, h) = (rng.below(groups), rng.below(groups));
    let h = if across_heads { h } else { g };
    if (g, a) == (h, b) || (across_heads && g == h) {
        return None;
    }
    let mut used = claimed.clone();
    for tensor in [&mut used.prefix_k, &mut used.prefix_v] {
        for c in 0..dim {
            tensor.swap((g * before + a) * dim + c, (h * before + b) * dim + c);
        }
    }
    let mut forge = Forge::new(case, &used);
    attacks::claim_state(&mut forge, &claimed.witness(case), Tree::StateBefore);
    Some(forge)
}

fn cache_entry_swapped_or_moved(list: &mut List) {
    let reason = "a value is kept or new";
    list.add(
        &all(),
        |case, seed| entries_swapped(case, seed, false),
        reason,
        CONSTRAINT,
    );
    let grouped = [narrow(), bounded_wide(), bounded_narrow(), unclipped()];
    list.add(
        &grouped,
        |case, seed| entries_swapped(case, seed, true),
        reason,
        CONSTRAINT,
    );
}

fn new_entry_is_not_the_public_one(list: &mut List) {
    for column in ["key", "value"] {
        list.add(
            &all(),
            move |case, seed| {
                let mut forge = Forge::honest(case, seed);
                let (head, step, dim) = entry(case, &mut Rng(seed));
                let size = case.layout.group_size();
                for h in head / size * size..(head / size + 1) * size {
                    let place = vector_place(&case.layout, h, step, dim);
                    let entry = vector_mut(&mut forge.witness, column, place);
                    *entry = M31::from(u32::from(*entry != M31::from(1)));
                }
                Some(forge)
            },
            "key rlc",
            BALANCE,
        );
    }
}

fn heads_reordered(list: &mut List) {
    list.add(
        &all(),
        |case, seed| {
            let (heads, _, dim, _, _) = sizes(case);
            let mut forge = Forge::honest(case, seed);
            let mut rng = Rng(seed);
            let (a, b, step) = (rng.below(heads), rng.below(heads), entry(case, &mut rng).1);
            for c in 0..dim {
                let (x, y) = (
                    vector_row(&case.layout, a, step, c),
                    vector_row(&case.layout, b, step, c),
                );
                let vectors = forge.witness.main.component_mut("vectors");
                let is_own = |name: &str| !["query", "key", "value"].contains(&name);
                for column in &mut vectors.columns {
                    if let (true, Some(entries)) = (is_own(column.read.name), &mut column.entries) {
                        entries.swap(x, y);
                    }
                }
            }
            Some(forge)
        },
        "step totals",
        BALANCE,
    );
}

fn query_reused_across_heads(list: &mut List) {
    list.add(
        &all(),
        |case, seed| {
            let claimed = World::random(case, seed);
            let (heads, _, dim, _, steps) = sizes(case);
            let (from, to) = (0, 1 + Rng(seed).below(heads - 1));
            let mut used = claimed.clone();
            used.q
                .copy_within(from..from + steps * dim, to * steps * dim);
            let mut forge = Forge::new(case, &used);
            attacks::claim_entries(&mut forge, &claimed.witness(case), "query");
            Some(forge)
        },
        "step totals",
        BALANCE,
    );
}

fn values_out_of_range(list: &mut List) {
    // Queries of -M - 1 have no public values; old entries of the cache are the relation's alone.
    list.add(&all(), gadgets::query_out_of_range, "value range", BALANCE);
    let has_digits = |spec: &Spec| spec.case().layout.digits().is_some();
    let (in_digits, whole): (Vec<_>, Vec<_>) = all().into_iter().partition(has_digits);
    for (value, specs, reason) in [
        (false, &all(), "value range"),
        (true, &whole, "value range"),
        (true, &in_digits, "value digits"),
    ] {
        let attack = move |case: &Arc<Case>, seed| {
            let looks_up_digits = value && case.layout.digits().is_some();
            let is_of_case = looks_up_digits == (reason == "value digits");
            is_of_case.then(|| gadgets::entry_out_of_range(case, seed, 0, value))?
        };
        list.add(specs, attack, reason, BALANCE);
    }
}

/// Outputs that are right modulo `p`, with the carry that this takes.
fn numerator_wraps_the_modulus(list: &mut List) {
    for part in [Part::Low, Part::High] {
        let attack = move |case: &Arc<Case>, seed| digits::numerator_that_wraps(case, seed, part);
        list.add(
            &[two_digits(), split_digits()],
            attack,
            "limb range",
            BALANCE,
        );
    }
    let attack = |case: &Arc<Case>, seed| digits::numerator_that_wraps(case, seed, Part::TopBound);
    list.add(&[split_digits()], attack, "limb range", BALANCE);
    list.add(
        &[two_digits(), split_digits()],
        digits::carry_as_a_fraction,
        "limb range",
        BALANCE,
    );
}

/// The same with a small carry, and digits that are not those of the output, or of a cache entry.
fn digits_of_another_value(list: &mut List) {
    let both = [two_digits(), split_digits()];
    let reason = "value digits";
    list.add(&both, digits::output_of_other_digits, reason, BALANCE);
    list.add(
        &[two_digits()],
        digits::entry_of_other_digits,
        reason,
        BALANCE,
    );
}

/// Runs that answer minus once, and twice: the sum over all rows is right.
fn multiplicity_wraps(list: &mut List) {
    list.add(
        &all(),
        |case, seed| {
            let mut forge = attacks::output_without_scores(case, seed, None)?;
            let rows: Vec<_> = forge
                .steps()
                .iter()
                .map(|at| forge.run(at.0, at.1).end - 1)
                .collect();
            for (index, row) in rows.iter().enumerate() {
                forge.scores[*row].last = [2, -1 + 1, 1, -1][index % 4];
            }
            Some(forge)
        },
        "step totals",
        BALANCE,
    );
}
