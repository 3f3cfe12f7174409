//! Constraint drop: for every constraint, every relation and every single tuple there is a forged,
//! otherwise consistent witness of a false claim which a system without it would accept, and which
//! the system with it refuses for exactly that reason.
//!
//! The constraints are those of the committed list, the tuples those that follow from the forms of a
//! case: a new one without a killing witness fails here.

use std::collections::BTreeSet;

use matchmark_air::describe::describe_segment;
use matchmark_hostile::cases::excess_is_bounded;
use matchmark_hostile::cases::{all, unstated, Spec};
use matchmark_hostile::checker::{evaluate, tuple_labels, Drop};
use matchmark_hostile::constraint_drop::targets;
use matchmark_hostile::forge::{Forge, Forged};

/// All cases, those of layouts that no statement has included.
fn every_case() -> Vec<Spec> {
    all().into_iter().chain(unstated()).collect()
}

#[test]
fn honest_worlds_satisfy_everything() {
    for spec in every_case() {
        let case = spec.case();
        for seed in 0..4 {
            let honest = Forge::honest(&case, seed).finish(&Drop::Nothing);
            assert_eq!(honest.failures(), BTreeSet::new(), "{}", case.name);
            assert!(honest.is_true(), "{}, seed {seed}", case.name);
        }
    }
}

/// Everything that can be left out of the constraint system lets some false claim pass.
#[test]
fn every_constraint_relation_and_tuple_is_killed() {
    let outcomes: Vec<_> = every_case()
        .iter()
        .flat_map(|spec| targets(&spec.case()))
        .collect();
    let survivors: Vec<String> = outcomes
        .iter()
        .filter_map(|target| target.outcome().err())
        .collect();
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
    assert!(outcomes.len() > 250, "{}", outcomes.len());
}

/// The labels by which tuples are attacked are those of the constraints, place by place.
#[test]
fn tuple_labels_are_complete() {
    for spec in every_case() {
        let case = spec.case();
        let honest: Forged = Forge::honest(&case, 2).finish(&Drop::Nothing);
        let stated = evaluate(&case, &honest.witness, &honest.rlcs).tuples;
        let labels = tuple_labels(&case);
        let places: BTreeSet<_> = stated
            .iter()
            .map(|tuple| (tuple.component, tuple.index, tuple.tag))
            .collect();
        let labelled: BTreeSet<_> = labels
            .iter()
            .map(|(component, index, tag, ..)| (*component, *index, *tag))
            .collect();
        assert_eq!(places, labelled, "{}", case.name);
        let descriptions = describe_segment(&case.layout, 0);
        for (component, description) in descriptions.iter().enumerate() {
            let count: usize = description.tuples.iter().map(|(_, count)| count).sum();
            let here = labels.iter().filter(|label| label.0 == component).count();
            assert_eq!(count, here, "{}: {}", case.name, description.name);
        }
    }
}

/// The cases use every gadget in every form, so that no form goes without an attack.
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
                let exact = case.forms.exact.is_some();
                format!(
                    "excess in {}, bounded {bounded}, exact {exact}",
                    limbs(wide)
                )
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
    // Excess 6, gap remainder 3, output remainder 4, rounding shift 2, lanes 2, grouping 2, length 2.
    assert_eq!(forms.len(), 21, "{forms:#?}");
}
