//! What can be left out, and the attack on each.
use std::sync::Arc;

use matchmark_air::circuit::Circuit;
use matchmark_air::describe::describe_segment;
use matchmark_air::relation::RelationTag;
use matchmark_statement::Cut;

use super::{Proof, Target};
use crate::attacks::{
    memberships_of_other_pairs, on_constraint, on_relation, on_tuple, with_lanes,
};
use crate::cases::Case;
use crate::checker::{names, tuple_labels, Drop};
use crate::stated::{items, Item, What};

/// Tuples that no system can do without: they are the only answer to tuples of other rows whose
/// number the prover does not choose. Leaving one out makes every claim unprovable, so there is
/// nothing to kill.
const PROVIDERS: [&str; 4] = [
    "value rlc of lane",
    "key rlc of lane",
    "step totals",
    "entries of",
];

/// How the descriptions name the library's own constraints.
const SUMS: &str = "lookup sums ";

/// Everything that can be left out of the system of a case.
pub fn targets(case: &Arc<Case>) -> Vec<Target> {
    if case.decoder.is_some() {
        return super::decoder::targets(case);
    }
    let mut targets = constraints(case);
    targets.extend(sums(case));
    let target = |label: String, drop, reason: &str, proof| Target {
        label: format!("{}/{label}", case.name),
        case: case.clone(),
        drop,
        reason: reason.to_owned(),
        proof,
    };
    for tag in relations(case) {
        let label = format!("relation {}", tag.name());
        let proof = on_relation(tag).map_or(Proof::Missing, Proof::Killed);
        targets.push(target(label, Drop::Relation(tag), tag.name(), proof));
    }
    for ((component, index, tag, label, _), lane) in with_lanes(tuple_labels(case)) {
        let proof = match on_tuple(&label, component, lane) {
            Some(attack) => Proof::Killed(attack),
            None if PROVIDERS.iter().any(|it| label.starts_with(it)) => Proof::Indispensable,
            None => Proof::Missing,
        };
        let label = format!("tuple {component}.{index} {label}");
        let drop = Drop::Tuple { component, index };
        targets.push(target(label, drop, tag.name(), proof));
    }
    let mut balanced = vec![RelationTag::Limb];
    if case.layout.cut() == Cut::Split {
        balanced.push(RelationTag::Weight);
        let proof = Proof::Killed(Box::new(memberships_of_other_pairs));
        let label = "comparison of the pairs".to_owned();
        targets.push(target(label, Drop::Pairs, "pairs", proof));
    }
    // One relation of each proof: the claimed sums are about all of them together.
    for tag in balanced {
        let label = format!("claimed sums cancel, {}", tag.name());
        let proof = on_relation(tag).map_or(Proof::Missing, Proof::Killed);
        targets.push(target(label, Drop::Balance, tag.name(), proof));
    }
    targets
}

fn constraints(case: &Arc<Case>) -> Vec<Target> {
    let names = names(case);
    let items = items(case.name).into_iter();
    let constraints = items.filter(|item| item.what == What::Constraint);
    let target = |item: Item| Target {
        label: format!("{}/{item}", case.name),
        case: case.clone(),
        // What the components no longer state leaves nothing out, and nothing refuses its attack.
        drop: item.drop(&names).unwrap_or(Drop::Nothing),
        proof: on_constraint(&item.name, item.ordinal).map_or(Proof::Missing, Proof::Killed),
        reason: item.name,
    };
    constraints.map(target).collect()
}

/// The relations of a case of attention.
fn relations(case: &Case) -> impl Iterator<Item = RelationTag> {
    let digits = case.layout.digits().map(|_| RelationTag::ValueDigits);
    RelationTag::ATTENTION.into_iter().chain(digits)
}

/// The library's own constraints on the LogUp columns of every component. What fails without them is
/// any relation of their proof, as the claimed sum is then any number.
fn sums(case: &Arc<Case>) -> Vec<Target> {
    let mut targets = vec![];
    let in_lookup = Circuit::structural(&case.layout, case.layout.main_part()).len();
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
                proof: on_relation(tag).map_or(Proof::Missing, Proof::Killed),
            });
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use matchmark_prover::ProveError;

    use super::*;
    use crate::cases::{all, narrow, unstated};
    use crate::reduced::{prove, Claimed, Setup};

    /// What is left out is that and no more: the forgery against one constraint does not pass a system
    /// without another.
    #[test]
    fn a_system_without_another_constraint_refuses() {
        let case = narrow().case();
        let setup = Setup::new(&case);
        let targets = constraints(&case);
        let others = targets.iter().cycle().skip(1);
        for (target, other) in targets.iter().zip(others) {
            let forged = target.outcome().unwrap();
            let claimed = Claimed::of(&setup, &forged);
            assert!(prove(&claimed, &target.drop).is_ok(), "{}", target.label);
            assert_eq!(
                prove(&claimed, &other.drop).err(),
                Some(ProveError::ConstraintsNotSatisfied),
                "{} without {}",
                target.label,
                other.label
            );
        }
    }

    /// Every constraint, every tuple and every LogUp constraint of the descriptions is a target.
    #[test]
    fn targets_are_complete() {
        for spec in all().into_iter().chain(unstated()) {
            let case = spec.case();
            let descriptions = describe_segment(&case.layout, case.steps.entries_before());
            let constraints: usize = descriptions.iter().map(|it| it.constraints.len()).sum();
            let tuples = descriptions.iter().flat_map(|it| &it.tuples);
            let tuples: usize = tuples.map(|(_, count)| count).sum();
            let targets = targets(&case);
            let count = |is_kind: fn(&Drop) -> bool| {
                targets
                    .iter()
                    .filter(|target| is_kind(&target.drop))
                    .count()
            };
            let is_constraint =
                |drop: &Drop| matches!(drop, Drop::Constraint { .. } | Drop::Sum { .. });
            assert_eq!(count(is_constraint), constraints, "{}", case.name);
            let is_tuple = |drop: &Drop| matches!(drop, Drop::Tuple { .. });
            assert_eq!(count(is_tuple), tuples, "{}", case.name);
            let is_relation = |drop: &Drop| matches!(drop, Drop::Relation(_));
            assert_eq!(
                count(is_relation),
                relations(&case).count(),
                "{}",
                case.name
            );
        }
    }
}
