//! The known forgeries of the arithmetic: maxima, clipping, divisions, sums, the set of candidates,
//! wrapping and rounding. Each is a witness whose every other part is consistent with it.
//!
//! For each: the plain reference disagrees with the claim, the mock checker names the constraint or
//! relation that refuses it, and a full proof of the claim, verified against a policy that was made
//! for exactly this claim, is refused with a typed error. Those of the claim itself are in
//! `forgeries_claims.rs`.

use std::sync::Arc;

use crate::common::attacks::{self};
use crate::common::cases::{
    all, bounded_narrow, bounded_wide, fast, insecure, narrow, table, unclipped, wide, Case, Spec,
};
use crate::common::checker::Drop;
use crate::common::forge::{CandidateRow, Forge};
use crate::common::gadgets::{self, entry, Part};
use crate::common::proving::{honest, outcome, Outcome};
use crate::common::refusal::{refuse_in, BALANCE, CONSTRAINT};
use crate::common::world::{output_remainder, sizes, World};
use crate::common::Rng;
use matchmark_quant::Rounding;
use matchmark_statement::Boundary;
use std::collections::BTreeSet;

#[test]
fn honest_claims_are_accepted() {
    for mut spec in all() {
        for security in [insecure(), fast()] {
            spec.security = security;
            let (claim, forged) = honest(&spec.case(), 3);
            assert_eq!(claim.outcome(&forged), Outcome::Accepted, "{}", spec.name);
        }
    }
}

#[test]
fn false_maximum() {
    let reason = "attained grows only where the gap is zero";
    refuse_in(
        &all(),
        |case, seed| attacks::false_maximum(case, seed, true),
        reason,
        CONSTRAINT,
    );
    let reason = "a run that ends has attained its maximum";
    refuse_in(
        &all(),
        |case, seed| attacks::false_maximum(case, seed, false),
        reason,
        CONSTRAINT,
    );
    let reason = "the maximum is constant over a run";
    refuse_in(&all(), attacks::maximum_by_candidate, reason, CONSTRAINT);
}

#[test]
fn clip_without_cause() {
    let clipping = [narrow(), wide(), bounded_wide(), bounded_narrow()];
    let attack = |case: &Arc<Case>, seed| gadgets::clip_without_cause(case, seed, Part::Low);
    refuse_in(&clipping, attack, "limb range", BALANCE);
    // The gap itself is changed: then the score is another one.
    refuse_in(&all(), clip_by_gap, "step totals", BALANCE);
}

/// The index is set to the last one with no excess, so that gap and score change with it.
fn clip_by_gap(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut forge = Forge::honest(case, seed);
    let (head, step, row) = gadgets::place(&forge, &mut Rng(seed));
    if forge.candidates[row].index == forge.last_index() || forge.gap(row) == 0 {
        return None;
    }
    let rem = forge.gap_remainder(row);
    forge.set_gap(row, forge.last_index(), 0, rem);
    forge.follow_run(head, step);
    Some(forge)
}

#[test]
fn no_clip_with_cause() {
    let clipping = [narrow(), wide(), bounded_wide(), bounded_narrow()];
    refuse_in(
        &clipping,
        attacks::no_clip_with_cause,
        "only the last index clips",
        CONSTRAINT,
    );
}

#[test]
fn quotient_off_by_one_denominator() {
    for part in [
        Part::Low,
        Part::High,
        Part::Complement,
        Part::ComplementLow,
        Part::ComplementHigh,
    ] {
        let attack = move |case: &Arc<Case>, seed| gadgets::output_remainder(case, seed, part);
        refuse_in(&all(), attack, "limb range", BALANCE);
    }
}

#[test]
fn gap_quotient_off_by_one_step() {
    let stepping = [wide(), bounded_narrow(), unclipped()];
    for part in [Part::Low, Part::Complement, Part::ComplementHigh] {
        let attack = move |case: &Arc<Case>, seed| gadgets::gap_remainder(case, seed, part);
        refuse_in(&stepping, attack, "limb range", BALANCE);
    }
}

#[test]
fn remainder_is_any_number() {
    // A remainder below its bound that is not the division's: the numerator is another one.
    refuse_in(
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

#[test]
fn sum_misses_a_candidate() {
    refuse_in(
        &all(),
        |case, seed| sum_without(case, seed, true),
        "step totals",
        BALANCE,
    );
    refuse_in(
        &all(),
        |case, seed| sum_without(case, seed, false),
        "step totals",
        BALANCE,
    );
}

/// Replaces the rows of a run, keeping the number of all rows.
fn replace_run(forge: &mut Forge, head: usize, step: usize, rows: Vec<CandidateRow>) -> Option<()> {
    let run = forge.run(head, step);
    let total = forge.candidates.len();
    let filler = *forge.candidates.last()?;
    if forge.first_filler() + rows.len() - run.len() > total {
        return None;
    }
    let len = rows.len();
    forge.candidates.splice(run.clone(), rows);
    forge.candidates.resize(total, filler);
    if forge.sums(run.start..run.start + len).0 == 0 {
        return None;
    }
    forge.follow(head, step, run.start..run.start + len);
    Some(())
}

/// The run goes on to the next position, which the step must not see.
fn future_candidate(case: &Arc<Case>, seed: u64, told: bool) -> Option<Forge> {
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
    let mut rows = forge.candidates[forge.run(head, step)].to_vec();
    let last = rows.last_mut()?;
    let gap = last.maximum - score;
    let mut next = *last;
    // Told: the step's totals are said to end at the future position. Else they end where they
    // should, and the future candidate is only counted.
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

#[test]
fn future_candidate_attended() {
    for told in [true, false] {
        let attack = move |case: &Arc<Case>, seed| future_candidate(case, seed, told);
        refuse_in(&all(), attack, "step totals", BALANCE);
    }
}

#[test]
fn masked_candidate_counted() {
    // The first position is visited twice in a run: `first` is 1 there by the relation, so that the
    // sums begin anew; saying 0 is refused by the relation.
    for first in [0, 1] {
        let reason = if first == 0 {
            "value projection"
        } else {
            "step totals"
        };
        refuse_in(
            &all(),
            move |case, seed| {
                let mut forge = Forge::honest(case, seed);
                let (head, step, _) = entry(case, &mut Rng(seed));
                let mut rows = forge.candidates[forge.run(head, step)].to_vec();
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

#[test]
fn past_candidate_left_out() {
    let reason = "a run steps through consecutive positions";
    refuse_in(
        &all(),
        |case, seed| {
            let mut forge = Forge::honest(case, seed);
            let (head, step, _) = entry(case, &mut Rng(seed));
            let mut rows = forge.candidates[forge.run(head, step)].to_vec();
            rows.remove(1);
            replace_run(&mut forge, head, step, rows)?;
            Some(forge)
        },
        reason,
        CONSTRAINT,
    );
    // The oldest entry, whose key is zero: nothing but the flag of the first position is missing.
    refuse_in(
        &all(),
        |case, seed| {
            let mut world = World::random(case, seed);
            let (head, step, _) = entry(case, &mut Rng(seed));
            let (_, _, dim, before, _) = sizes(case);
            let group = case.layout.shape().attention().kv_head_of(head);
            world.prefix_k[group * before * dim..][..dim].fill(0);
            let mut forge = Forge::new(case, &world);
            let mut rows = forge.candidates[forge.run(head, step)].to_vec();
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
        "value projection",
        BALANCE,
    );
}

#[test]
fn weight_not_in_the_table() {
    refuse_in(
        &all(),
        attacks::weight_not_in_table,
        "weight table",
        BALANCE,
    );
}

#[test]
fn gap_wraps_the_modulus() {
    refuse_in(
        &[bounded_narrow(), bounded_wide()],
        gadgets::gap_that_wraps,
        "limb range",
        BALANCE,
    );
    refuse_in(
        &[narrow(), wide()],
        gadgets::gap_that_wraps,
        "limb range",
        BALANCE,
    );
}

#[test]
fn rounding_of_the_other_kind() {
    refuse_in(
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

/// The other solution of the division: `2 (N - o Z) + Z - r = p` instead of zero, for a denominator
/// so large that the field has room for it. The heaviest shape that does without a range check of the
/// rounding shift, and the next heavier one, are among those tried.
#[test]
fn rounding_wraps_the_modulus() {
    let (mut without, mut with, mut wrapped) = (0, 0, 0);
    for (bits, weight) in [
        (8, 2_700_000),
        (8, 1_406_342),
        (8, 1_406_341),
        (12, 174_000),
        (12, 87_414),
        (12, 87_413),
        (4, 16_000_000),
    ] {
        for rounding in [Rounding::NearestTiesUp, Rounding::Floor] {
            let Some(mut forge) = heavy_world(bits, weight, rounding) else {
                continue;
            };
            match forge.case.layout.rounding_shift() {
                None => without += 1,
                Some(_) => with += 1,
            }
            let Some((out, rem)) = gadgets::wrapped_output(&forge, (0, 0, 0)) else {
                continue;
            };
            wrapped += 1;
            let (denominator, _) = forge.sums(forge.run(0, 0));
            for c in 0..4 {
                forge.set_output((0, 0, c), denominator, out, rem);
            }
            let forged = forge.finish(&Drop::Nothing);
            assert!(!forged.is_true());
            assert_eq!(forged.failures(), BTreeSet::from(["limb range"]));
            let shape = format!("{bits} bits, weight {weight}, {rounding}: output {out}");
            assert_eq!(outcome(&forged).name(), BALANCE, "{shape}");
        }
    }
    assert!(
        without >= 9 && with >= 2 && wrapped >= 2,
        "{without}, {with}, {wrapped}"
    );
}

/// Three candidates of full weight whose values are all `M`; `None` if the shape is refused.
fn heavy_world(bits: u8, weight: u32, rounding: Rounding) -> Option<Forge> {
    let spec = Spec {
        name: "heavy weights",
        heads: [1, 1, 4],
        capacity: 3,
        segment_steps: 1,
        entries_before: 2,
        steps: 1,
        bits,
        score_step: 5000,
        rounding,
        table: table(&[weight, 1]),
        security: insecure(),
        boundary: Boundary::Fused,
    };
    let full = |len| vec![(1_i16 << (bits - 1)) - 1; len];
    let world = World {
        q: vec![0; 4],
        k: vec![0; 4],
        v: full(4),
        prefix_k: vec![0; 8],
        prefix_v: full(8),
    };
    Some(Forge::new(&spec.try_case().ok()?, &world))
}
