//! Constraint drop: for every constraint, every relation and every single tuple there is a forged,
//! otherwise consistent witness of a false claim which a system without it would accept, and which
//! the system with it refuses for exactly that reason.
//!
//! The lists of constraints and tuples are taken from the components themselves: a new one without
//! a killing witness fails here.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::common::attacks::{
    memberships_of_other_pairs, on_constraint, on_relation, on_tuple, Attack,
};
use crate::common::cases::{all, split_narrow, split_wide, Case};
use crate::common::checker::{evaluate, tuple_labels, Drop};
use crate::common::forge::{Forge, Forged};
use crate::common::gadgets::excess_is_bounded;
use matchmark_air::describe::describe_segment;
use matchmark_air::relation::RelationTag;

/// Seeds that an attack may try before it counts as impossible.
const SEEDS: u64 = 400;

/// Looks for a seed with which the attack states something false that fails for `reason` alone and
/// that nothing but `drop` refuses.
fn kill(case: &Arc<Case>, attack: &Attack, drop: &Drop, reason: &str) -> Result<u64, String> {
    let expected = BTreeSet::from([reason]);
    let mut last = String::from("no seed is suitable");
    for seed in 0..SEEDS {
        let Some(forge) = attack(case, seed) else {
            continue;
        };
        let forged = forge.finish(drop);
        let failures = forged.failures();
        let without = forged.failures_without(drop);
        if forged.is_true() || failures != expected || !without.is_empty() {
            last = format!(
                "seed {seed}: true {}, fails {failures:?}, without it {without:?}",
                forged.is_true()
            );
            continue;
        }
        assert_eq!(
            forged.failures_without(&Drop::Nothing),
            failures,
            "the two evaluators disagree"
        );
        return Ok(seed);
    }
    Err(format!("{}: {reason}: {drop:?}: {last}", case.name))
}

/// What the kill matrix of a case could not kill, and how much it did.
#[derive(Default)]
struct Score {
    killed: usize,
    survivors: Vec<String>,
}

impl Score {
    fn add(&mut self, result: Result<u64, String>) {
        match result {
            Ok(_) => self.killed += 1,
            Err(survivor) => self.survivors.push(survivor),
        }
    }

    fn finish(self, what: &str) {
        println!("{what}: {} killed", self.killed);
        assert!(self.survivors.is_empty(), "{}", self.survivors.join("\n"));
    }
}

#[test]
fn honest_worlds_satisfy_everything() {
    for spec in all() {
        let case = spec.case();
        for seed in 0..4 {
            let honest = Forge::honest(&case, seed).finish(&Drop::Nothing);
            assert_eq!(honest.failures(), BTreeSet::new(), "{}", case.name);
            assert!(honest.is_true(), "{}, seed {seed}", case.name);
        }
    }
}

#[test]
fn every_constraint_is_killed() {
    let mut score = Score::default();
    for spec in all() {
        let case = spec.case();
        let descriptions = describe_segment(&case.layout, case.steps.entries_before());
        for (component, description) in descriptions.iter().enumerate() {
            let mut seen: Vec<&str> = vec![];
            for (index, (name, _)) in description.constraints.iter().enumerate() {
                if name.starts_with("lookup sums ") {
                    continue;
                }
                let lane = seen.iter().filter(|other| *other == name).count();
                seen.push(name);
                let drop = Drop::Constraint { component, index };
                score.add(match on_constraint(name, lane) {
                    Some(attack) => kill(&case, &attack, &drop, name),
                    None => Err(format!("{}: no attack on \"{name}\"", case.name)),
                });
            }
        }
    }
    score.finish("constraints");
}

#[test]
fn every_relation_is_killed() {
    let mut score = Score::default();
    for spec in all() {
        let case = spec.case();
        for tag in RelationTag::ALL {
            let attack = on_relation(tag);
            score.add(kill(&case, &attack, &Drop::Relation(tag), tag.name()));
        }
    }
    score.finish("relations");
}

/// Without the comparison of the two boundaries the table memberships of a split segment are about
/// other pairs than its sums.
#[test]
fn the_shared_boundary_is_killed() {
    let mut score = Score::default();
    for spec in [split_narrow(), split_wide()] {
        let case = spec.case();
        let attack: Attack = Box::new(memberships_of_other_pairs);
        score.add(kill(&case, &attack, &Drop::Boundary, "boundary"));
    }
    score.finish("boundaries");
}

/// Tuples that no system can do without: they are the only answer to tuples of other rows whose
/// number the prover does not choose. Leaving one out makes every claim unprovable, so there is
/// nothing to kill.
const PROVIDERS: [&str; 3] = [
    "value projection of lane",
    "key projection of lane",
    "step totals",
];

#[test]
fn every_tuple_is_killed() {
    let mut score = Score::default();
    for spec in all() {
        let case = spec.case();
        for (component, index, tag, label, _) in tuple_labels(&case) {
            let drop = Drop::Tuple { component, index };
            if let Some(attack) = on_tuple(&label, component) {
                score.add(
                    kill(&case, &attack, &drop, tag.name()).map_err(|e| format!("{label}: {e}")),
                );
                continue;
            }
            assert!(
                PROVIDERS.iter().any(|provider| label.starts_with(provider)),
                "no attack on {label}"
            );
            let honest = Forge::honest(&case, 1).finish(&drop);
            assert!(!honest.failures_without(&drop).is_empty(), "{label}");
        }
    }
    score.finish("tuples");
}

/// Whether a component has tuples that are attacked: all but the tables.
fn required(case: &Case, component: usize) -> bool {
    let description = &describe_segment(&case.layout, 0)[component];
    !["tables", "weight table"].contains(&description.name)
}

/// The labels by which tuples are attacked are those of the constraints, place by place.
#[test]
fn tuple_labels_are_complete() {
    for spec in all() {
        let case = spec.case();
        let honest: Forged = Forge::honest(&case, 2).finish(&Drop::Nothing);
        let stated = evaluate(&case, &honest.witness, &honest.projections).tuples;
        let labels = tuple_labels(&case);
        let places: BTreeSet<_> = stated
            .iter()
            .filter(|tuple| required(&case, tuple.component))
            .map(|tuple| (tuple.component, tuple.index, tuple.tag))
            .collect();
        let labelled: BTreeSet<_> = labels
            .iter()
            .map(|(component, index, tag, ..)| (*component, *index, *tag))
            .collect();
        assert_eq!(places, labelled, "{}", case.name);
        let descriptions = describe_segment(&case.layout, 0);
        let components = descriptions.iter().enumerate();
        for (component, description) in components.filter(|(place, _)| required(&case, *place)) {
            let count: usize = description.tuples.iter().map(|(_, count)| count).sum();
            let here = labels.iter().filter(|label| label.0 == component).count();
            assert_eq!(count, here, "{}: {}", case.name, description.name);
        }
    }
}

/// The cases use every gadget in every form, so that no form goes without an attack. The excess that is
/// held to its maximum exactly needs dimension 128; `exact_clipping` attacks it.
#[test]
fn cases_cover_every_form_of_every_gadget() {
    let mut forms = BTreeSet::new();
    for spec in all() {
        let case = spec.case();
        let layout = &case.layout;
        let limbs = |wide: bool| if wide { "two limbs" } else { "one limb" };
        forms.insert(match case.forms.excess {
            None => "no excess".to_owned(),
            Some(wide) => {
                let bounded = excess_is_bounded(&case);
                format!("excess in {}, bounded {bounded}", limbs(wide))
            }
        });
        forms.insert(match case.forms.gap_remainder {
            None => "no gap remainder".to_owned(),
            Some(wide) => format!("gap remainder in {}", limbs(wide)),
        });
        let wide = limbs(case.forms.remainder);
        forms.insert(format!("output remainder in {wide}, {}", layout.rounding()));
        forms.insert(format!("shift {}", layout.rounding_shift().is_some()));
        forms.insert(format!("{} lanes", layout.lanes()));
        forms.insert(format!("grouped {}", layout.group_size() > 1));
        forms.insert(format!(
            "short {}",
            layout.steps() < layout.shape().segment_steps().get() as usize
        ));
    }
    // Excess 5, gap remainder 3, output remainder 4, rounding shift 2, lanes 2, grouping 2, length 2.
    assert_eq!(forms.len(), 20, "{forms:#?}");
}
