//! Forgeries of what a segment claims that take more than a forged witness: public values, positions and
//! multiplicities. The others are the class `forgeries` of the hostile suite.

use std::collections::BTreeSet;

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::column::field;
use matchmark_air::fingerprint::PortContent;
use matchmark_air::mock::failures;
use matchmark_hostile::attacks::{self, Attack};
use matchmark_hostile::cases::vector_place;
use matchmark_hostile::cases::{all, fast, wide};
use matchmark_hostile::checker::Drop;
use matchmark_hostile::forge::vector_mut;
use matchmark_hostile::proving::{honest, outcome, policy, statement, Claim, Outcome};
use matchmark_hostile::refusal::{refuse, BALANCE, CONSTRAINT};
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
fn nothing_appended() {
    // The states of this claim are not caches of the right length, so it cannot even be stated; the
    // mock checker refuses it by name.
    for spec in all() {
        let case = spec.case();
        let forged = attacks::nothing_is_appended(&case, 1)
            .unwrap()
            .finish(&Drop::Nothing);
        assert_eq!(forged.failures(), BTreeSet::from(["key rlc"]));
    }
}

/// A multiplicity that is right modulo `p` only by being negative.
#[test]
fn negative_multiplicity() {
    // A weight that the table does not hold, paid for by a negative use of one that it holds.
    for spec in all() {
        let case = spec.case();
        let forge = attacks::weight_not_in_table(&case, 5)
            .or_else(|| attacks::weight_not_in_table(&case, 6));
        let mut forged = forge.unwrap().finish(&Drop::Nothing);
        for component in &mut forged.witness.main.components {
            if component.name == "tables" {
                for column in &mut component.columns {
                    let uses = column.entries.as_mut().unwrap();
                    uses[0] -= M31::from(1);
                    uses[1] += M31::from(1);
                }
            }
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
        for column in ["query", "key", "value", "output"] {
            let (_, honest) = honest(&case, 9);
            let mut claimed = honest.clone();
            let first = vector_place(&case.layout, 0, 0, 0);
            let entry = vector_mut(&mut claimed.witness, column, first);
            let other = i64::from(*entry == M31::from(0));
            let heads = match column {
                "key" | "value" => case.layout.group_size(),
                _ => 1,
            };
            for h in 0..heads {
                let place = vector_place(&case.layout, h, 0, 0);
                *vector_mut(&mut claimed.witness, column, place) = field(other);
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
            let points = RlcChallenges::structural();
            let mut elsewhere = honest.witness.clone();
            elsewhere.entries_before = steps.entries_before();
            let trace = elsewhere.combine(&case.layout, points);
            let failures = failures(&case.layout, &elsewhere, &trace);
            let names: Vec<_> = failures.iter().map(|failure| failure.name()).collect();
            assert!(names.contains(&"key rlc"), "{names:?}");

            let own = [claim.before.commitment(), claim.after.commitment()];
            let lifting = claim.prover.lifting_log_size();
            let relabelled = [
                (&claim.before, steps.entries_before()),
                (&claim.after, steps.entries_after()),
            ]
            .map(|(state, entries)| {
                let content = PortContent::State {
                    shape: *case.layout.shape(),
                    entries: entries as u64,
                };
                state.opening().commitment(&content, lifting)
            });
            for (states, refusal) in [(own, "state"), (relabelled, BALANCE)] {
                let cut = claim.statement.cut();
                let statement = statement(&claim.prover, steps, &claim.values, states, cut);
                let policy = policy(&claim.prover, &statement, &claim.values);
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
