//! The known forgeries of what a segment claims: cache entries, heads, queries, ranges, public
//! values, positions and multiplicities; in the manner of `forgeries.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::common::attacks::{self, Attack};
use crate::common::cases::{
    all, bounded_narrow, bounded_wide, fast, narrow, unclipped, wide, Case,
};
use crate::common::checker::Drop;
use crate::common::forge::Forge;
use crate::common::gadgets::{self, entry};
use crate::common::proving::{honest, outcome, policy, statement, Claim, Outcome};
use crate::common::refusal::{refuse, refuse_in, BALANCE, CONSTRAINT};
use crate::common::world::{sizes, World};
use crate::common::Rng;
use matchmark_air::challenges::ProjectionChallenges;
use matchmark_air::mock::failures;
use matchmark_air::witness::columns::field;
use matchmark_air::witness::projections::project;
use matchmark_quant::StepRange;
use matchmark_verifier::verify_segment;
use stwo::core::fields::m31::M31;

/// One forgery at the default level: the refusal does not depend on weak parameters.
#[test]
fn levels_refuse_alike() {
    let mut spec = wide();
    spec.security = fast();
    let attack: Attack = Box::new(|case, seed| attacks::false_maximum(case, seed, true));
    refuse(
        &spec,
        &attack,
        "attained grows only where the gap is zero",
        CONSTRAINT,
        1,
    );
    let attack: Attack = Box::new(attacks::weight_not_in_table);
    refuse(&spec, &attack, "weight table", BALANCE, 1);
}

#[test]
fn cache_entry_changed() {
    for (value, reason) in [
        (false, "a key is kept or new"),
        (true, "a value is kept or new"),
    ] {
        for lane in 0..2 {
            let attack: Attack =
                Box::new(move |case, seed| attacks::entry_changes(case, seed, lane, value));
            for spec in all()
                .iter()
                .filter(|spec| lane < spec.case().layout.lanes())
            {
                refuse(spec, &attack, reason, CONSTRAINT, 1);
            }
        }
    }
}

/// Two cache entries change places between before and after, in the same or in another head.
fn entries_swapped(case: &Arc<Case>, seed: u64, across_heads: bool) -> Option<Forge> {
    let claimed = World::random(case, seed);
    let (_, groups, dim, before, _) = sizes(case);
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
    forge.witness.state_before = claimed.witness(case).state_before;
    Some(forge)
}

#[test]
fn cache_entry_swapped_or_moved() {
    let reason = "a value is kept or new";
    refuse_in(
        &all(),
        |case, seed| entries_swapped(case, seed, false),
        reason,
        CONSTRAINT,
    );
    let grouped = [narrow(), bounded_wide(), bounded_narrow(), unclipped()];
    refuse_in(
        &grouped,
        |case, seed| entries_swapped(case, seed, true),
        reason,
        CONSTRAINT,
    );
}

#[test]
fn new_entry_is_not_the_public_one() {
    for column in [1, 2] {
        refuse_in(
            &all(),
            move |case, seed| {
                let mut forge = Forge::honest(case, seed);
                let (head, step, dim) = entry(case, &mut Rng(seed));
                let size = case.layout.group_size();
                for h in head / size * size..(head / size + 1) * size {
                    let row = case.layout.vector_row(h, step, dim);
                    let flip = if forge.witness.public[column][row] == M31::from(1) {
                        0
                    } else {
                        1
                    };
                    forge.witness.public[column][row] = M31::from(flip);
                }
                Some(forge)
            },
            "key projection",
            BALANCE,
        );
    }
}

#[test]
fn nothing_appended() {
    // The states of this claim are no caches of the right length, so it cannot even be stated; the
    // mock checker refuses it by name.
    for spec in all() {
        let case = spec.case();
        let forged = attacks::nothing_is_appended(&case, 1)
            .unwrap()
            .finish(&Drop::Nothing);
        assert_eq!(forged.failures(), BTreeSet::from(["key projection"]));
    }
}

#[test]
fn heads_reordered() {
    refuse_in(
        &all(),
        |case, seed| {
            let (heads, _, dim, _, _) = sizes(case);
            let mut forge = Forge::honest(case, seed);
            let mut rng = Rng(seed);
            let (a, b, step) = (rng.below(heads), rng.below(heads), entry(case, &mut rng).1);
            for c in 0..dim {
                let (x, y) = (
                    case.layout.vector_row(a, step, c),
                    case.layout.vector_row(b, step, c),
                );
                forge.witness.public[3].swap(x, y);
                forge
                    .witness
                    .vectors
                    .iter_mut()
                    .for_each(|column| column.swap(x, y));
            }
            Some(forge)
        },
        "step totals",
        BALANCE,
    );
}

#[test]
fn query_reused_across_heads() {
    refuse_in(
        &all(),
        |case, seed| {
            let claimed = World::random(case, seed);
            let (heads, _, dim, _, steps) = sizes(case);
            let (from, to) = (0, 1 + Rng(seed).below(heads - 1));
            let mut used = claimed.clone();
            used.q
                .copy_within(from..from + steps * dim, to * steps * dim);
            let mut forge = Forge::new(case, &used);
            forge.witness.public[0].clone_from(&claimed.witness(case).public[0]);
            Some(forge)
        },
        "step totals",
        BALANCE,
    );
}

#[test]
fn values_out_of_range() {
    // Queries of -M - 1 have no public values; old entries of the cache are the relation's alone.
    refuse_in(&all(), gadgets::query_out_of_range, "value range", BALANCE);
    for value in [false, true] {
        let attack =
            move |case: &Arc<Case>, seed| gadgets::entry_out_of_range(case, seed, 0, value);
        refuse_in(&all(), attack, "value range", BALANCE);
    }
}

/// Multiplicities that are right modulo `p` only by being negative, or that a prover repeats.
#[test]
fn multiplicity_wraps() {
    // A run that answers minus once, and one that answers twice: the sum over rows is right.
    refuse_in(
        &all(),
        |case, seed| {
            let mut forge = attacks::output_without_candidates(case, seed)?;
            let rows: Vec<_> = forge
                .steps()
                .iter()
                .map(|at| forge.run(at.0, at.1).end - 1)
                .collect();
            for (index, row) in rows.iter().enumerate() {
                forge.candidates[*row].last = [2, -1 + 1, 1, -1][index % 4];
            }
            Some(forge)
        },
        "step totals",
        BALANCE,
    );
    // A weight that the table does not hold, paid for by a negative use of one that it holds.
    for spec in all() {
        let case = spec.case();
        let forge = attacks::weight_not_in_table(&case, 5)
            .or_else(|| attacks::weight_not_in_table(&case, 6));
        let mut forged = forge.unwrap().finish(&Drop::Nothing);
        for column in forged.witness.tables.iter_mut().flatten() {
            column[0] -= M31::from(1);
            column[1] += M31::from(1);
        }
        assert!(forged.failures().contains("weight table"));
        assert_eq!(outcome(&forged).name(), BALANCE);
    }
}

/// The public values in the file are not those of the trace, in one entry of each tensor.
#[test]
fn public_values_differ_from_the_trace() {
    for spec in all() {
        let case = spec.case();
        for column in 0..4 {
            let (_, honest) = honest(&case, 9);
            let mut claimed = honest.clone();
            let row = case.layout.vector_row(0, 0, 0);
            let other = if claimed.witness.public[column][row] == M31::from(0) {
                1
            } else {
                0
            };
            for h in 0..if column == 1 || column == 2 {
                case.layout.group_size()
            } else {
                1
            } {
                claimed.witness.public[column][case.layout.vector_row(h, 0, 0)] = field(other);
            }
            if claimed.is_true() {
                continue;
            }
            let claim = Claim::of(&claimed).unwrap();
            // The prover computes with the honest values, and states the others.
            let outcome = claim.outcome(&honest);
            assert!(
                ["constraints (prover)", BALANCE, "constraints"].contains(&outcome.name()),
                "{outcome:?}"
            );
        }
    }
}

/// The steps are said to stand one position later or earlier. With the states' own commitments the
/// verifier notices at once; with commitments made for the other number of entries, the relations do.
#[test]
fn positions_relabelled() {
    let mut mounted = 0;
    for spec in all() {
        let case = spec.case();
        let (claim, honest) = honest(&case, 4);
        for shift in [-1_i64, 1] {
            let before = (case.steps.entries_before() as i64 + shift) as u32;
            let Ok(steps) = StepRange::new(before, case.steps.steps() as u32) else {
                continue;
            };
            if steps.entries_after() > case.layout.capacity() {
                continue;
            }
            mounted += 1;
            let points = ProjectionChallenges::structural();
            let at = steps.entries_before();
            let projections = project(&case.layout, at, &honest.witness, points);
            let failures = failures(&case.layout, at, &honest.witness, &projections);
            let names: Vec<_> = failures.iter().map(|failure| failure.name()).collect();
            assert!(names.contains(&"key projection"), "{names:?}");

            let own = [claim.before.commitment(), claim.after.commitment()];
            let lifting = claim.prover.lifting_log_size();
            let relabelled = [
                (&claim.before, steps.entries_before()),
                (&claim.after, steps.entries_after()),
            ]
            .map(|(state, entries)| {
                let shape = case.layout.shape();
                state
                    .opening()
                    .state_commitment(shape, entries as u64, lifting)
            });
            for (states, refusal) in [(own, "state"), (relabelled, BALANCE)] {
                let boundary = claim.statement.boundary();
                let statement = statement(&claim.prover, steps, &claim.values, states, boundary);
                let policy = policy(&claim.prover, &statement);
                let proven = claim
                    .prover
                    .prove_witness(
                        statement,
                        claim.values.clone(),
                        &honest.witness,
                        &claim.before,
                        &claim.after,
                    )
                    .unwrap();
                let error = verify_segment(&proven.file, &policy).unwrap_err();
                assert_eq!(Outcome::Refused(error.clone()).name(), refusal, "{error}");
            }
        }
    }
    assert!(mounted >= 5, "{mounted}");
}
