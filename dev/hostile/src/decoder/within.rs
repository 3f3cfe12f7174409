//! Attacks on the attention inside a decoder: one for each of its constraints and lookups, as far as a
//! decoder has room for it.
use std::sync::Arc;

use matchmark_air::relation::RelationTag;
use matchmark_quant::centered;
use stwo::core::fields::m31::M31;

use super::attacks::{any, lying, on_attention, on_constraint};
use super::execution::{run_behind, Value, What};
use super::forge::forge;
use super::rescalings::{lie, Break};
use crate::attacks::{self, Alone, Attack};
use crate::cases::Case;
use crate::checker::tuple_labels;
use crate::digits;
use crate::Rng;

/// What an entry of the attention has to come from a decoder for: its own attacks change the entries.
const ENTRIES: [&str; 5] = [
    "query range",
    "output range",
    "key rlc",
    "key range",
    "value range",
];

/// One unit more or less in the attention moves hardly any choice. So these have no seed among the first
/// ones, or none at all, and are left to the attention's own cases and to the constraint drop.
const TOO_SMALL: [&str; 5] = [
    "attained grows only where the gap is zero",
    "a run that ends has attained its maximum",
    "a key is kept or new",
    "output remainder",
    "gap remainder",
];

/// All of them; none where there is one layer, whose attention hardly moves what is chosen.
pub fn alone(case: &Arc<Case>) -> Vec<Alone> {
    if case.expect_decoder().1.layers().count() < 2 {
        return vec![];
    }
    let others = ENTRIES.iter().chain(&TOO_SMALL);
    let is_other = |label: &str| others.clone().any(|it| label.starts_with(it));
    let of_attention = attacks::alone(case).into_iter();
    let of_attention =
        of_attention.filter(|it| !is_other(&it.label) && on_digits(&it.label).is_none());
    let mut all: Vec<_> = of_attention.map(in_decoder).collect();
    let mut add = |label: String, attack: Attack| {
        all.push(by_lookup(label, attack, RelationTag::Value));
    };
    add("query out of range".to_owned(), query_out_of_range());
    for lane in 0..case.layout.lanes() {
        add(
            format!("old key out of range, lane {lane}"),
            old_entry_out_of_range(lane, false),
        );
        // In digits it is their lookup that it does not pass.
        if case.layout.digits().is_none() {
            add(
                format!("old value out of range, lane {lane}"),
                old_entry_out_of_range(lane, true),
            );
        }
    }
    all.extend(of_digits(case));
    all
}

/// Those on values in two digits: on each lookup of digits and of carries, and on all of them together.
pub fn of_digits(case: &Arc<Case>) -> Vec<Alone> {
    if case.layout.digits().is_none() {
        return vec![];
    }
    let labels = tuple_labels(case).into_iter();
    let lookups = labels.filter_map(|(_, _, tag, label, _)| {
        let attack = on_digits(&label)?;
        Some(by_lookup(label, attack, tag))
    });
    let fraction = on_attention(Box::new(digits::carry_as_a_fraction));
    let entry = on_attention(Box::new(digits::entry_of_other_digits));
    let whole = [
        ("carry that is a fraction", fraction, RelationTag::Limb),
        ("digits of another entry", entry, RelationTag::ValueDigits),
    ];
    let whole = whole.map(|(label, attack, tag)| by_lookup(label.to_owned(), attack, tag));
    lookups.chain(whole).collect()
}

fn by_lookup(label: String, attack: Attack, tag: RelationTag) -> Alone {
    Alone {
        label,
        attack,
        reason: tag.name(),
        constraint: None,
        lookup: None,
    }
}

/// The attack on a lookup of digits or of a carry, by what the lookup is for; `None` for any other.
pub fn on_digits(label: &str) -> Option<Attack> {
    if let Some(lane) = label.strip_prefix("value digits of lane ") {
        return Some(old_entry_out_of_range(lane.parse().ok()?, true));
    }
    let is_of_outputs = label == "output digits" || label.starts_with("carry ");
    let attack = is_of_outputs.then(|| attacks::on_tuple(label, 0, 0))?;
    attack.map(on_attention)
}

/// The same attack where a decoder goes on with the outputs.
fn in_decoder(alone: Alone) -> Alone {
    let own = alone
        .constraint
        .and_then(|(component, lane)| on_constraint(component, alone.reason, lane));
    Alone {
        attack: own.unwrap_or_else(|| on_attention(alone.attack)),
        ..alone
    }
}

/// A rotated query is not clamped.
fn query_out_of_range() -> Attack {
    Box::new(|case, seed| {
        let (part, decoder) = case.expect_decoder();
        let attention = decoder.shape().attention();
        let queries = attention.query_heads() * attention.head_dim() / 2;
        let (run, _) = lying(case, seed, any, |site, said, rng| {
            let is_query = matches!(site.what, What::Rescaled(Value::Rotated(_)));
            let is_query = is_query && site.index < queries;
            is_query && lie(part, site, said, Break::Unclipped, rng)
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// An old entry of the cache is out of range, and all that follows from it; no output is, so that it is the entry
/// that is refused.
fn old_entry_out_of_range(lane: usize, value: bool) -> Attack {
    Box::new(move |case, seed| {
        let mut rng = Rng(seed ^ 0x6f6f_7261);
        let attention = case.layout.shape().attention();
        let (before, dim) = (case.steps.entries_before(), attention.head_dim());
        let head = rng.below(attention.kv_heads());
        if case.layout.lane_row(head, 0, 0).0 != lane {
            return None;
        }
        let at = head * before * dim + rng.below(before * dim);
        let other = -(case.layout.value_bits().max_value() as i16) - 1;
        let run = run_behind(
            case,
            seed,
            |world| match value {
                true => world.prefix_v[at] = other,
                false => world.prefix_k[at] = other,
            },
            &mut |_, _| {},
        );
        let is_in_range = |output: &M31| centered(output.0) > i64::from(other);
        let outputs = run.witness.main.component("vectors").column("output");
        let are_in_range = outputs.iter().all(is_in_range);
        are_in_range.then(|| forge(case, run, vec![]))
    })
}
