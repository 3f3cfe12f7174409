//! Constraint drop: for every constraint, every relation and every single tuple a forged, otherwise
//! consistent witness of a false claim, which a system without it would accept, and which the system
//! with it refuses for exactly that reason.
//!
//! The lists of constraints and tuples are taken from the components themselves: a new one without a
//! killing witness is a survivor.
use std::collections::BTreeSet;
use std::sync::Arc;

use matchmark_air::describe::describe_segment;
use matchmark_air::relation::RelationTag;
use matchmark_statement::Boundary;

use super::attacks::{memberships_of_other_pairs, on_constraint, on_relation, on_tuple, Attack};
use super::cases::Case;
use super::checker::{tuple_labels, Drop};
use super::forge::Forge;

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
    let target = |label: String, drop, reason: &str, proof| Target {
        label: format!("{}/{label}", case.name),
        case: case.clone(),
        drop,
        reason: reason.to_owned(),
        proof,
    };
    for tag in RelationTag::ATTENTION {
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
            // The library's own, of every relation together.
            if name.starts_with("lookup sums ") {
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

impl Target {
    /// Whether it is shown to be needed; the error says why not.
    pub fn outcome(&self) -> Result<(), String> {
        match &self.proof {
            Proof::Missing => Err(format!("{}: no attack", self.label)),
            Proof::Indispensable => {
                let honest = Forge::honest(&self.case, 1).finish(&self.drop);
                if honest.failures_without(&self.drop).is_empty() {
                    return Err(format!("{}: honest claims pass without it", self.label));
                }
                Ok(())
            }
            Proof::Killed(attack) => self.kill(attack),
        }
    }

    /// Looks for a seed with which the attack states something false that fails for `reason` alone and
    /// that nothing but `drop` refuses.
    fn kill(&self, attack: &Attack) -> Result<(), String> {
        let expected = BTreeSet::from([self.reason.as_str()]);
        let mut last = String::from("no seed is suitable");
        for seed in 0..SEEDS {
            let Some(forge) = attack(&self.case, seed) else {
                continue;
            };
            let forged = forge.finish(&self.drop);
            let failures = forged.failures();
            let without = forged.failures_without(&self.drop);
            if forged.is_true() || failures != expected || !without.is_empty() {
                last = format!(
                    "seed {seed}: true {}, fails {failures:?}, without it {without:?}",
                    forged.is_true()
                );
                continue;
            }
            if forged.failures_without(&Drop::Nothing) != failures {
                return Err(format!("{}: the two evaluators disagree", self.label));
            }
            return Ok(());
        }
        Err(format!("{}: {}: {last}", self.label, self.reason))
    }
}
