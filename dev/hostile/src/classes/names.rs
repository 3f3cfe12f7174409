//! The list of all constraints and lookups ([`stated`]) against what the components state, both ways.
//!
//! What the components no longer state, or state anew, fails here by its name. That the name is there
//! says nothing of what stands behind it: for that are the classes that forge, and `deletions`, which
//! shows that they do not need the list.
use std::collections::BTreeSet;

use crate::report::Recorder;
use crate::stated::{self, Counts};

pub fn run(recorder: &mut Recorder) {
    let cases = stated::all_cases();
    for case in &cases {
        let (listed, stated) = (stated::listed(case.name), stated::stated(case));
        let components: BTreeSet<_> = listed.keys().chain(stated.keys()).collect();
        for component in components {
            let of = |all: &stated::Stated| all.get(component).cloned().unwrap_or_default();
            let ([constraints, lookups], [own, used]) = (of(&listed), of(&stated));
            let place = format!("{}/{component}", case.name);
            compare(recorder, &format!("{place}/constraint"), &constraints, &own);
            compare(recorder, &format!("{place}/lookup"), &lookups, &used);
        }
    }
    recorder.require("the list has the cases of the suite", || {
        let cases = cases.iter().map(|case| case.name.to_owned()).collect();
        match stated::listed_cases() == cases {
            true => Ok(()),
            false => Err(format!(
                "expected {cases:?}, got {:?}",
                stated::listed_cases()
            )),
        }
    });
}

/// One attempt for each name that is on the list, or that the components state.
fn compare(recorder: &mut Recorder, place: &str, listed: &Counts, stated: &Counts) {
    let names: BTreeSet<_> = listed.keys().chain(stated.keys()).collect();
    for name in names {
        let count = |counts: &Counts| counts.get(name).copied().unwrap_or_default();
        let (expected, got) = (count(listed), count(stated));
        recorder.require(&format!("{place} {name}"), || match expected == got {
            true => Ok(()),
            false => Err(format!(
                "listed {expected} times, stated {got} times; `write-stated` writes the list anew"
            )),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Extent;
    use indicatif::ProgressBar;

    /// A name that is missing, a name that is new, and another count fail by name.
    #[test]
    fn differences_are_named() {
        let counts = |names: &[(&str, usize)]| -> Counts {
            let names = names.iter();
            names
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect()
        };
        let listed = counts(&[("kept", 1), ("missing", 1), ("repeated", 2)]);
        let stated = counts(&[("kept", 1), ("new", 1), ("repeated", 1)]);
        let mut recorder = Recorder::new("names", 1, Extent::Quick, None, ProgressBar::hidden());
        compare(&mut recorder, "narrow/vectors/constraint", &listed, &stated);
        let row = recorder.finish();
        assert_eq!((row.attempts, row.unmet), (4, 3));
        for name in ["missing", "new", "repeated"] {
            let place = format!("names: narrow/vectors/constraint {name}: listed");
            assert!(
                row.failures.iter().any(|it| it.starts_with(&place)),
                "{name}"
            );
        }
    }

    /// The components state what is on the list.
    #[test]
    fn the_list_is_that_of_the_components() {
        for case in stated::all_cases() {
            assert_eq!(
                stated::listed(case.name),
                stated::stated(&case),
                "{}",
                case.name
            );
        }
    }
}
