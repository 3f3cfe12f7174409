//! A witness, and what the constraints and relations must say of it.
//!
//! Classes make attempts and require that they end as expected; the sweep over deletions asks whether
//! they still would, if the relation lacked something ([`Attempt::notices`]).
use std::collections::BTreeSet;

use crate::checker::{Drop, Evaluation};
use crate::forge::Forged;

/// What must become of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It holds, for this reason.
    Holds(&'static str),
    /// Something refuses it.
    Refused,
    /// This is among what refuses it.
    Named(&'static str),
    /// This refuses it, and nothing else.
    Alone(&'static str),
}

impl Expect {
    /// Whether it came so; the error says what came.
    pub fn check(self, failures: &BTreeSet<&'static str>) -> Result<(), String> {
        match self {
            Self::Holds(reason) if !failures.is_empty() => {
                Err(format!("listed as free ({reason}), but fails {failures:?}"))
            }
            Self::Refused if failures.is_empty() => Err("free, and not on the list".into()),
            Self::Named(reason) if !failures.contains(reason) => {
                Err(format!("expected {reason}, got {failures:?}"))
            }
            Self::Alone(reason) if *failures != BTreeSet::from([reason]) => {
                Err(format!("expected {reason} alone, got {failures:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// A witness of a class.
pub struct Attempt {
    pub label: String,
    pub forged: Forged,
    pub expect: Expect,
    /// Whether multiplicities follow from what is stated; else one of them is what is wrong.
    pub follows: bool,
}

impl Attempt {
    /// Whether it ends as expected, by the crate's own checker.
    pub fn check(&self) -> Result<(), String> {
        self.expect.check(&self.forged.failures())
    }

    /// Those of the deletions by which the attempt no longer ends as expected. `evaluation` is that of
    /// its witness, and what does not touch it is passed over.
    ///
    /// A prover of a relation that lacks a lookup counts as if it were not there, and so multiplicities
    /// are filled anew; where one is itself what is wrong, only whole relations are left out.
    pub fn notices(&self, evaluation: &Evaluation, deleted: &Drop) -> bool {
        let holds = matches!(self.expect, Expect::Holds(_));
        let names = match *deleted {
            Drop::Constraint { component, index } => {
                let fails = |it: &(usize, usize, _)| (it.0, it.1) == (component, index);
                if !evaluation.failed.iter().any(fails) {
                    return false;
                }
                evaluation.failing_names(deleted)
            }
            Drop::Relation(_) => evaluation.failing_names(deleted),
            Drop::Tuple { component, index } => {
                if !self.follows || !(holds || evaluation.is_open_at(component, index)) {
                    return false;
                }
                let mut forged = self.forged.clone();
                forged.refill(deleted);
                forged.failures_without(deleted)
            }
            _ => return false,
        };
        self.expect.check(&names).is_err()
    }
}
