//! Constraint drop: for every constraint, every relation and every single tuple a forged, otherwise
//! consistent witness of a false claim, which a system without it would accept, and which the system
//! with it refuses for exactly that reason. First the checkers say so ([`Target::outcome`]), then
//! proofs do ([`Target::proof_outcome`]): one made and accepted by the system that lacks it, and
//! everything the full system makes of the same witness, which its verifier refuses.
//!
//! The constraints and tuples are those of the list that stands beside the components
//! ([`crate::stated`]): one that they no longer state is a target all the same, whose false claim the
//! whole system accepts. A new one fails the class `names` until it is on the list, and is a survivor
//! here until it has a killing witness.
mod decoder;
mod proofs;
mod targets;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use decoder::targets_of;
pub use targets::targets;

use super::attacks::Attack;
use super::cases::Case;
use super::checker::Drop;
use super::claim::claim_is_true;
use super::forge::{Forge, Forged};

/// Seeds that an attack may try before it counts as impossible.
const SEEDS: u64 = 400;
/// Forged witnesses that an attack may offer, until one is refused for the one reason alone.
const MOUNTED: u64 = 12;

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

impl Target {
    /// Whether the checkers show that it is needed: the witness that does. The error says why not.
    pub fn outcome(&self) -> Result<Forged, String> {
        self.outcome_of(&Drop::Nothing)
    }

    /// The same where the relation itself had lost `deleted`.
    pub fn outcome_of(&self, deleted: &Drop) -> Result<Forged, String> {
        match &self.proof {
            Proof::Missing => Err(format!("{}: no attack", self.label)),
            Proof::Indispensable => {
                let honest = Forge::honest(&self.case, 1);
                let whole = honest.clone().finish(deleted).failures_without(deleted);
                if !whole.is_empty() {
                    return Err(format!("{}: honest claims fail {whole:?}", self.label));
                }
                let honest = honest.finish(&self.drop);
                if honest.failures_without(&self.drop).is_empty() {
                    return Err(format!("{}: honest claims pass without it", self.label));
                }
                Ok(honest)
            }
            Proof::Killed(attack) => self.kill(attack, deleted),
        }
    }

    /// What is left out.
    pub fn drop(&self) -> &Drop {
        &self.drop
    }

    /// Whether the checkers know it: they have no LogUp columns.
    pub fn is_of_checkers(&self) -> bool {
        !matches!(self.drop, Drop::Sum { .. } | Drop::Balance)
    }

    /// Looks for a seed with which the attack states something false that fails for `reason` alone and
    /// that nothing but `drop` refuses.
    fn kill(&self, attack: &Attack, deleted: &Drop) -> Result<Forged, String> {
        let expected = BTreeSet::from([self.reason.as_str()]);
        let left = match self.is_of_checkers() {
            true => BTreeSet::new(),
            false => expected.clone(),
        };
        let mut last = String::from("no seed is suitable");
        let mut mounted = 0;
        for seed in 0..SEEDS {
            if mounted == MOUNTED {
                break;
            }
            let Some(forge) = attack(&self.case, seed) else {
                continue;
            };
            if claim_is_true(&self.case, &forge.witness) {
                last = format!("seed {seed}: what it claims is true");
                continue;
            }
            mounted += 1;
            let forged = forge.finish(&self.drop);
            let evaluation = forged.evaluate();
            let failures = evaluation.failing_names(deleted);
            if failures.is_empty() && !forged.is_true() {
                return Err(format!("{}: a false claim passes, seed {seed}", self.label));
            }
            let without = evaluation.failing_names(&self.drop);
            if forged.is_true() || failures != expected || without != left {
                last = format!(
                    "seed {seed}: true {}, fails {failures:?}, without it {without:?}",
                    forged.is_true()
                );
                continue;
            }
            if *deleted == Drop::Nothing && forged.failures() != failures {
                return Err(format!("{}: the two evaluators disagree", self.label));
            }
            return Ok(forged);
        }
        Err(format!("{}: {}: {last}", self.label, self.reason))
    }
}
