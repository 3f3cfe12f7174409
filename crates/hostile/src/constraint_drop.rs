//! Constraint drop: for every constraint, every relation and every single tuple a forged, otherwise
//! consistent witness of a false claim, which a system without it would accept, and which the system
//! with it refuses for exactly that reason. First the checkers say so ([`Target::outcome`]), then
//! proofs do ([`Target::proof_outcome`]): one made and accepted by the system that lacks it, and
//! everything the full system makes of the same witness, which its verifier refuses.
//!
//! The lists of constraints and tuples are taken from the components themselves: a new one without a
//! killing witness is a survivor.
use std::collections::BTreeSet;
use std::sync::Arc;

use matchmark_air::describe::describe_segment;
use matchmark_air::relation::RelationTag;
use matchmark_air::segment::SegmentComponents;
use matchmark_prover::ProveError;
use matchmark_statement::Boundary;
use matchmark_verifier::VerifyError;

use super::attacks::{memberships_of_other_pairs, on_constraint, on_relation, on_tuple, Attack};
use super::cases::Case;
use super::checker::{tuple_labels, Drop};
use super::forge::{Forge, Forged};
use super::reduced::{prove, verify, verify_as_stated, Claimed, Setup};

/// Seeds that an attack may try before it counts as impossible.
const SEEDS: u64 = 400;

/// Tuples that no system can do without: they are the only answer to tuples of other rows whose
/// number the prover does not choose. Leaving one out makes every claim unprovable, so there is
/// nothing to kill.
const PROVIDERS: [&str; 3] = [
    "value projection of lane",
    "key projection of lane",
    "step totals",
];

/// How the descriptions name the library's own constraints.
const SUMS: &str = "lookup sums ";

/// How a part of the system is shown to be needed.
enum Proof {
    /// By a false claim that passes without it.
    Killed(Attack),
    /// By there being no claim at all that passes without it.
    Indispensable,
    /// Not at all.
    Missing,
}

/// A part of the constraint system that is left out.
pub struct Target {
    /// What it is, unlike every other of the case.
    pub label: String,
    case: Arc<Case>,
    drop: Drop,
    /// Name by which the full system refuses.
    reason: String,
    proof: Proof,
}

/// Everything that can be left out of the system of a case.
pub fn targets(case: &Arc<Case>) -> Vec<Target> {
    let mut targets = constraints(case);
    targets.extend(sums(case));
    let target = |label: String, drop, reason: &str, proof| Target {
        label: format!("{}/{label}", case.name),
        case: case.clone(),
        drop,
        reason: reason.to_owned(),
        proof,
    };
    for tag in RelationTag::ALL {
        let label = format!("relation {}", tag.name());
        let proof = Proof::Killed(on_relation(tag));
        targets.push(target(label, Drop::Relation(tag), tag.name(), proof));
    }
    for (component, index, tag, label, _) in tuple_labels(case) {
        let proof = match on_tuple(&label, component) {
            Some(attack) => Proof::Killed(attack),
            None if PROVIDERS.iter().any(|it| label.starts_with(it)) => Proof::Indispensable,
            None => Proof::Missing,
        };
        let label = format!("tuple {component}.{index} {label}");
        let drop = Drop::Tuple { component, index };
        targets.push(target(label, drop, tag.name(), proof));
    }
    if case.layout.boundary() == Boundary::Split {
        let proof = Proof::Killed(Box::new(memberships_of_other_pairs));
        let label = "comparison of the boundaries".to_owned();
        targets.push(target(label, Drop::Boundary, "boundary", proof));
    }
    targets
}

fn constraints(case: &Arc<Case>) -> Vec<Target> {
    let mut targets = vec![];
    let descriptions = describe_segment(&case.layout, case.steps.entries_before());
    for (component, description) in descriptions.iter().enumerate() {
        let mut seen: Vec<&str> = vec![];
        for (index, (name, _)) in description.constraints.iter().enumerate() {
            if name.starts_with(SUMS) {
                continue;
            }
            let lane = seen.iter().filter(|other| *other == name).count();
            seen.push(name);
            targets.push(Target {
                label: format!("{}/constraint {component}.{index} {name}", case.name),
                case: case.clone(),
                drop: Drop::Constraint { component, index },
                reason: name.clone(),
                proof: on_constraint(name, lane).map_or(Proof::Missing, Proof::Killed),
            });
        }
    }
    targets
}

/// The library's own constraints on the LogUp columns of every component. What fails without them is
/// any relation of their proof, as the claimed sum is then any number.
fn sums(case: &Arc<Case>) -> Vec<Target> {
    let mut targets = vec![];
    let in_lookup = SegmentComponents::count(&case.layout);
    let descriptions = describe_segment(&case.layout, case.steps.entries_before());
    for (component, description) in descriptions.iter().enumerate() {
        let constraints = description.constraints.iter();
        let sums = constraints.filter(|(name, _)| name.starts_with(SUMS));
        for (index, (name, _)) in sums.enumerate() {
            let tag = match component < in_lookup {
                true => RelationTag::Limb,
                false => RelationTag::Weight,
            };
            targets.push(Target {
                label: format!("{}/constraint {component}.{name}", case.name),
                case: case.clone(),
                drop: Drop::Sum { component, index },
                reason: tag.name().to_owned(),
                proof: Proof::Killed(on_relation(tag)),
            });
        }
    }
    targets
}

impl Target {
    /// Whether the checkers show that it is needed: the witness that does. The error says why not.
    pub fn outcome(&self) -> Result<Forged, String> {
        match &self.proof {
            Proof::Missing => Err(format!("{}: no attack", self.label)),
            Proof::Indispensable => {
                let honest = Forge::honest(&self.case, 1).finish(&self.drop);
                if honest.failures_without(&self.drop).is_empty() {
                    return Err(format!("{}: honest claims pass without it", self.label));
                }
                Ok(honest)
            }
            Proof::Killed(attack) => self.kill(attack),
        }
    }

    /// Whether the checkers know it: they have no LogUp columns.
    pub fn is_of_checkers(&self) -> bool {
        !matches!(self.drop, Drop::Sum { .. })
    }

    /// Whether proofs of this witness, which [`Self::outcome`] gave, show that it is needed; the error
    /// says why not.
    pub fn proof_outcome(&self, setup: &Setup, forged: &Forged) -> Result<(), String> {
        let claimed = Claimed::of(setup, forged);
        let reduced = prove(&claimed, &self.drop)
            .map_err(|error| format!("not provable without it: {error}"))?;
        let accepted = verify(&claimed, &self.drop, &reduced);
        if matches!(self.proof, Proof::Indispensable) {
            return expect("without it", accepted, is_unbalanced);
        }
        accepted.map_err(|error| format!("refused without it: {error}"))?;

        // The very proof of the system that lacks it.
        let is_refusal: fn(&VerifyError) -> bool = match self.drop {
            Drop::Boundary => is_other_boundary,
            _ => is_unsatisfied,
        };
        expect(
            "with it",
            verify(&claimed, &Drop::Nothing, &reduced),
            is_refusal,
        )?;
        self.expect_of_verifier(&claimed, &reduced, is_refusal)?;

        // And what the full prover makes of the witness.
        match (&self.drop, prove(&claimed, &Drop::Nothing)) {
            (Drop::Constraint { .. }, Err(ProveError::ConstraintsNotSatisfied)) => Ok(()),
            (Drop::Constraint { .. }, Ok(_)) => Err("provable with it".to_owned()),
            (_, Err(error)) => Err(format!("not provable with it: {error}")),
            (drop, Ok(full)) => {
                let is_refusal = match drop {
                    Drop::Boundary => is_other_boundary,
                    _ => is_unbalanced,
                };
                expect(
                    "in full",
                    verify(&claimed, &Drop::Nothing, &full),
                    is_refusal,
                )?;
                self.expect_of_verifier(&claimed, &full, is_refusal)
            }
        }
    }

    /// The verifier of the project refuses for this reason; or no file can be made for it, and that is
    /// so only where values are out of their range.
    fn expect_of_verifier(
        &self,
        claimed: &Claimed<'_>,
        proofs: &[Vec<u8>],
        is_refusal: fn(&VerifyError) -> bool,
    ) -> Result<(), String> {
        match &claimed.values {
            Ok(values) => {
                let verified = verify_as_stated(claimed, values, proofs);
                expect("by the verifier", verified, is_refusal)
            }
            Err(_) if self.reason == RelationTag::Value.name() => Ok(()),
            Err(error) => Err(format!("no public values: {error}")),
        }
    }

    /// Looks for a seed with which the attack states something false that fails for `reason` alone and
    /// that nothing but `drop` refuses.
    fn kill(&self, attack: &Attack) -> Result<Forged, String> {
        let expected = BTreeSet::from([self.reason.as_str()]);
        let left = match self.is_of_checkers() {
            true => BTreeSet::new(),
            false => expected.clone(),
        };
        let mut last = String::from("no seed is suitable");
        for seed in 0..SEEDS {
            let Some(forge) = attack(&self.case, seed) else {
                continue;
            };
            let forged = forge.finish(&self.drop);
            let failures = forged.failures();
            let without = forged.failures_without(&self.drop);
            if forged.is_true() || failures != expected || without != left {
                last = format!(
                    "seed {seed}: true {}, fails {failures:?}, without it {without:?}",
                    forged.is_true()
                );
                continue;
            }
            if forged.failures_without(&Drop::Nothing) != failures {
                return Err(format!("{}: the two evaluators disagree", self.label));
            }
            return Ok(forged);
        }
        Err(format!("{}: {}: {last}", self.label, self.reason))
    }
}

/// That a refusal came, and this one.
fn expect(
    which: &str,
    verified: Result<(), VerifyError>,
    is_refusal: fn(&VerifyError) -> bool,
) -> Result<(), String> {
    match verified {
        Ok(()) => Err(format!("accepted {which}")),
        Err(error) if is_refusal(&error) => Ok(()),
        Err(error) => Err(format!("refused {which} for another reason: {error:?}")),
    }
}

/// The error behind the wrapper that says which proof it is about.
fn innermost(error: &VerifyError) -> &VerifyError {
    match error {
        VerifyError::Lookup(error) => error,
        error => error,
    }
}

fn is_unsatisfied(error: &VerifyError) -> bool {
    *innermost(error) == VerifyError::ConstraintsNotSatisfied
}

fn is_unbalanced(error: &VerifyError) -> bool {
    matches!(innermost(error), VerifyError::LookupSumNotZero { .. })
}

fn is_other_boundary(error: &VerifyError) -> bool {
    matches!(innermost(error), VerifyError::BoundaryNotOpened { .. })
}
