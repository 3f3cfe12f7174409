//! What can be left out of a decoder, and the attack on each: every constraint, every relation, and
//! every use of a relation by the components around the attention and by the joints to it. The other
//! uses by the attention are left out of the attention's cases, but for those of digits and of carries, and so
//! are the library's own constraints.
use std::sync::Arc;

use matchmark_air::relation::RelationTag;
use matchmark_statement::Cut;

use super::{Proof, Target};
use crate::attacks::{memberships_of_other_pairs, Attack};
use crate::cases::Case;
use crate::checker::{names, Drop, Names};
use crate::decoder::attacks::{is_fixed, on_attention, on_constraint, on_relation, on_tuple};
use crate::decoder::within::on_digits;
use crate::stated::{items, Item, What};

/// The constraint that joins the attention to what comes after it.
const JOINT: &str = "combined outputs accumulate";

/// Everything of it.
pub fn targets(case: &Arc<Case>) -> Vec<Target> {
    let (_, decoder) = case.expect_decoder();
    let names = names(case);
    let mut targets: Vec<Target> = items(case.name)
        .into_iter()
        .filter(|item| is_in_scope(case, item))
        .map(|item| of_item(case, &names, item))
        .collect();
    if case.layout.cut() == Cut::Split {
        let attack = on_attention(Box::new(memberships_of_other_pairs));
        let label = "comparison of the pairs".to_owned();
        targets.push(target(case, label, Drop::Pairs, "pairs", Some(attack)));
    }
    let items = items(case.name);
    let is_listed = |tag: &RelationTag| {
        let of_list = |item: &Item| item.what == What::Relation && item.tag() == Some(*tag);
        items.iter().any(of_list)
    };
    for tag in RelationTag::ATTENTION
        .into_iter()
        .chain(RelationTag::DECODER)
        .filter(is_listed)
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
    targets.extend(targets_of_digits(case));
    targets
}

/// What a decoder has that others lack: for values in two digits, and to join groups of layers.
pub fn targets_of(case: &Arc<Case>) -> Vec<Target> {
    let streams = case.layout.streams();
    let mut own = targets_of_digits(case);
    if streams.goes_in || streams.goes_out {
        let names = ["stream in", "stream out", "stream value", "StreamIn"];
        let is_own = |target: &Target| names.iter().any(|name| target.label.contains(name));
        own.extend(targets(case).into_iter().filter(is_own));
    }
    own
}

/// What it has for values in two digits: their relation, and the uses of it and of limbs by digits and carries.
pub fn targets_of_digits(case: &Arc<Case>) -> Vec<Target> {
    let (_, decoder) = case.expect_decoder();
    if case.layout.digits().is_none() {
        return vec![];
    }
    let names = names(case);
    let lookups = items(case.name).into_iter().filter_map(|item| {
        let attack = on_digits(&item.label(case)?)?;
        let (drop, tag) = (item.drop(&names).unwrap_or(Drop::Nothing), item.tag()?);
        Some(target(
            case,
            item.to_string(),
            drop,
            tag.name(),
            Some(attack),
        ))
    });
    let relations = RelationTag::DIGITS.into_iter().flat_map(|tag| {
        let attacks = on_relation(decoder, tag).into_iter();
        attacks.map(move |(of, attack)| {
            let label = format!("relation {}{of}", tag.name());
            target(case, label, Drop::Relation(tag), tag.name(), Some(attack))
        })
    });
    lookups.chain(relations).collect()
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

/// A constraint or a lookup of the list. What the components no longer state leaves nothing out, and
/// nothing refuses its attack.
fn of_item(case: &Arc<Case>, names: &[Names], item: Item) -> Target {
    let component = item.component.as_str();
    let label = item.to_string();
    let drop = item.drop(names).unwrap_or(Drop::Nothing);
    let Some(tag) = item.tag() else {
        let attack = on_constraint(component, &item.name, item.ordinal);
        return target(case, label, drop, &item.name, attack);
    };
    let attack = on_tuple(component, tag, item.ordinal);
    let mut target = target(case, label, drop, tag.name(), attack);
    if is_fixed(component, tag) {
        target.proof = Proof::Indispensable;
    }
    target
}

/// One layer of attention hardly moves what a decoder chooses: its own constraints are left out where
/// there are more, or where what it gives goes out. Its own uses of relations are left out of its own cases, but for [`targets_of_digits`].
fn is_in_scope(case: &Case, item: &Item) -> bool {
    let layers = case.expect_decoder().1.layers();
    let is_seen = layers.count() > 1 || !layers.is_last();
    let is_attention = ["vectors", "scores", "cache"].contains(&item.component.as_str());
    match item.what {
        What::Relation => false,
        What::Constraint => !is_attention || is_seen || item.name == JOINT,
        What::Lookup => {
            let is_joint = item
                .tag()
                .is_some_and(|tag| RelationTag::DECODER.contains(&tag));
            !is_attention || is_joint
        }
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

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
            let of_case = targets.into_par_iter();
            let of_case = of_case.filter_map(|target| target.outcome().err());
            survivors.extend(of_case.collect::<Vec<String>>());
        }
        assert!(survivors.is_empty(), "{}", survivors.join("\n"));
    }
}
