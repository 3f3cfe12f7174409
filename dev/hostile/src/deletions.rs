//! What becomes of the classes when the relation loses something.
//!
//! Every constraint, every lookup and every relation of the committed list ([`crate::stated`]) is deleted
//! once, and the attempts of the classes are made again without it. Their targets do not know of it: the
//! forgeries have lists of their own, cells are taken from committed columns, and the constraint drop
//! has its targets from the committed list. Nothing is deleted in the source, but a checker leaves the
//! thing out wherever it is stated, and multiplicities are filled as if it were not there. The pinned
//! snapshots and the class `names` play no part.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::attempt::Attempt;
use crate::cases::Case;
use crate::checker::{names, Drop};
use crate::constraint_drop::targets;
use crate::stated::{items, Item};

/// Classes that notice a deletion, each with the first attempt that no longer ends as it must.
pub type Noticed = BTreeMap<&'static str, String>;

/// Deletions from the systems of cases that are proven in one way.
pub struct Sweep {
    /// Everything that is deleted.
    noticed: BTreeMap<Item, Noticed>,
    /// Whether all classes are asked that notice a deletion, or one of them.
    thorough: bool,
}

impl Sweep {
    /// Of one in so many of the things that are on the list for the cases, and in scope.
    pub fn new(
        cases: &[Arc<Case>],
        (first, every): (usize, usize),
        thorough: bool,
        is_in_scope: impl Fn(&Item) -> bool,
    ) -> Self {
        let items = cases.iter().flat_map(|case| items(case.name));
        let items: BTreeSet<_> = items.filter(is_in_scope).collect();
        let sampled = items.into_iter().skip(first % every).step_by(every);
        Self {
            noticed: sampled.map(|item| (item, Noticed::new())).collect(),
            thorough,
        }
    }

    /// The deletions, and who noticed them.
    pub fn noticed(&self) -> &BTreeMap<Item, Noticed> {
        &self.noticed
    }

    /// Deletions from a case that a class has still to notice: without a class, those that none has noticed.
    fn open(&self, case: &Case, class: Option<&str>) -> Vec<(Item, Drop)> {
        let names = names(case);
        let is_open = |noticed: &Noticed| match class {
            Some(class) if self.thorough => !noticed.contains_key(class),
            _ => noticed.is_empty(),
        };
        let open = self.noticed.iter().filter(|(_, noticed)| is_open(noticed));
        open.filter_map(|(item, _)| Some((item.clone(), item.drop(&names)?)))
            .collect()
    }

    /// Makes the attempts of a class, until nothing is left that they could notice.
    pub fn attempts(
        &mut self,
        class: &'static str,
        case: &Case,
        attempts: impl Iterator<Item = Attempt>,
    ) {
        let open = self.open(case, Some(class));
        self.attempts_on(open, class, attempts);
    }

    /// The same, until nothing is left that no class has noticed.
    pub fn last_attempts(
        &mut self,
        class: &'static str,
        case: &Case,
        attempts: impl Iterator<Item = Attempt>,
    ) {
        let open = self.open(case, None);
        self.attempts_on(open, class, attempts);
    }

    fn attempts_on(
        &mut self,
        mut open: Vec<(Item, Drop)>,
        class: &'static str,
        attempts: impl Iterator<Item = Attempt>,
    ) {
        let mut attempts = attempts;
        while let Some(attempt) = (!open.is_empty()).then(|| attempts.next()).flatten() {
            let evaluation = attempt.forged.evaluate();
            // What does not end as it must anyway says nothing.
            let failures = evaluation.failing_names(&Drop::Nothing);
            if attempt.expect.check(&failures).is_err() {
                continue;
            }
            open.retain(|(item, drop)| {
                let notices = attempt.notices(&evaluation, drop);
                if notices {
                    self.note(item, class, attempt.label.clone());
                }
                !notices
            });
        }
    }

    /// Makes the attempts of the constraint drop. Each has one target, and looks at no other deletion.
    pub fn constraint_drop(&mut self, case: &Arc<Case>) {
        const CLASS: &str = "constraint-drop";
        let open = self.open(case, Some(CLASS));
        for target in targets(case) {
            let deleted = open.iter().find(|(_, drop)| drop == target.drop());
            let Some((item, drop)) = deleted else {
                continue;
            };
            let fails = target.outcome().is_ok() && target.outcome_of(drop).is_err();
            if fails {
                self.note(item, CLASS, target.label);
            }
        }
    }

    fn note(&mut self, item: &Item, class: &'static str, label: String) {
        if let Some(noticed) = self.noticed.get_mut(item) {
            noticed.entry(class).or_insert(label);
        }
    }
}
