//! What can be left out of a decoder, and the attack on each: every constraint, every relation, and
//! every use of a relation by the components around the attention and by the joints to it. The other
//! uses by the attention, and the library's own constraints, are left out of the attention's cases.
use std::sync::Arc;

use matchmark_air::relation::RelationTag;

use super::{Proof, Target};
use crate::attacks::Attack;
use crate::cases::Case;
use crate::checker::{names, Drop, Names};
use crate::decoder::attacks::{is_fixed, on_constraint, on_relation, on_tuple};

/// The constraint that joins the attention to what comes after it.
const JOINT: &str = "projected outputs accumulate";

/// Everything of it.
pub fn targets(case: &Arc<Case>) -> Vec<Target> {
    let (_, decoder) = case.expect_decoder();
    let mut targets = vec![];
    for (component, names) in names(case).iter().enumerate() {
        targets.extend(constraints(case, component, names));
        targets.extend(tuples(case, component, names));
    }
    for tag in RelationTag::ATTENTION
        .into_iter()
        .chain(RelationTag::DECODER)
    {
        let label = format!("relation {}", tag.name());
        let mut attacks = on_relation(decoder, tag);
        if attacks.is_empty() {
            targets.push(target(
                case,
                label.clone(),
                Drop::Relation(tag),
                tag.name(),
                None,
            ));
        }
        for (of, attack) in attacks.drain(..) {
            let label = format!("{label}{of}");
            let drop = Drop::Relation(tag);
            targets.push(target(case, label, drop, tag.name(), Some(attack)));
        }
    }
    targets
}

fn target(
    case: &Arc<Case>,
    label: String,
    drop: Drop,
    reason: &str,
    attack: Option<Attack>,
) -> Target {
    Target {
        label: format!("{}/{label}", case.name),
        case: case.clone(),
        drop,
        reason: reason.to_owned(),
        proof: attack.map_or(Proof::Missing, Proof::Killed),
    }
}

fn constraints<'a>(
    case: &'a Arc<Case>,
    component: usize,
    names: &'a Names,
) -> impl Iterator<Item = Target> + 'a {
    let all = names.constraints.iter().enumerate();
    let layers = case.expect_decoder().1.shape().layers();
    // One layer of attention hardly moves what a decoder chooses: its own constraints are left out where
    // there are more.
    let of_attention = matches!(names.component, "vectors" | "candidates" | "state");
    let in_scope = move |name: &str| !of_attention || layers > 1 || name == JOINT;
    all.filter(move |(_, name)| in_scope(name))
        .map(move |(index, name)| {
            let before = names.constraints[..index].iter();
            let ordinal = before.filter(|other| *other == name).count();
            let label = format!("constraint {component}.{index} {name}");
            let attack = on_constraint(names.component, name, ordinal);
            let drop = Drop::Constraint { component, index };
            target(case, label, drop, name, attack)
        })
}

fn tuples<'a>(
    case: &'a Arc<Case>,
    component: usize,
    names: &'a Names,
) -> impl Iterator<Item = Target> + 'a {
    let all = names.tuples.iter().enumerate();
    all.filter(move |(_, tag)| is_in_scope(names.component, **tag))
        .map(move |(index, tag)| {
            let before = names.tuples[..index].iter();
            let ordinal = before.filter(|other| *other == tag).count();
            let label = format!(
                "tuple {component}.{index} {} {ordinal} of {}",
                tag.name(),
                names.component
            );
            let drop = Drop::Tuple { component, index };
            let attack = on_tuple(names.component, *tag, ordinal);
            let mut target = target(case, label, drop, tag.name(), attack);
            if is_fixed(names.component, *tag) {
                target.proof = Proof::Indispensable;
            }
            target
        })
}

/// The attention's own uses are left out of its own cases.
fn is_in_scope(component: &str, tag: RelationTag) -> bool {
    match component {
        "vectors" | "candidates" | "state" => RelationTag::DECODER.contains(&tag),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::cases::all;

    /// Every constraint, relation and use has a forgery, or is answered by others in fixed numbers.
    #[test]
    fn every_part_of_a_decoder_is_needed() {
        let mut survivors = vec![];
        for spec in all() {
            let case = spec.case();
            let targets = targets(&case);
            assert!(targets.len() > 100, "{}", targets.len());
            for target in targets {
                if let Err(error) = target.outcome() {
                    eprintln!("{error}");
                    survivors.push(error);
                }
            }
        }
        assert!(survivors.is_empty(), "{}", survivors.join("\n"));
    }
}
