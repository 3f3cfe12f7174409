//! Targets in proofs: by the system that lacks them, and by the full one.
use matchmark_air::relation::RelationTag;
use matchmark_prover::ProveError;
use matchmark_statement::Port;
use matchmark_verifier::VerifyError;

use super::{Proof, Target};
use crate::checker::Drop;
use crate::decoder::choices::NOWHERE;
use crate::forge::Forged;
use crate::reduced::{prove, verify, verify_as_stated, Claimed, Setup};

impl Target {
    /// Whether the verifier adds terms of a relation: of tokens, or of the one of biases. A group of layers behind
    /// others has none without biases.
    fn has_public_terms(&self, tag: RelationTag) -> bool {
        let Some(decoder) = self.case.layout.decoder() else {
            return false;
        };
        let layers = decoder.layers();
        let has_inputs = layers.is_first() || decoder.shape().attention_bias();
        tag == RelationTag::LinearInput && has_inputs
    }

    /// Whether proofs of this witness, which [`Self::outcome`] gave, show that it is needed; the error
    /// says why not.
    pub fn proof_outcome(&self, setup: &Setup, forged: &Forged) -> Result<(), String> {
        let claimed = Claimed::of(setup, forged);
        let reduced = prove(&claimed, &self.drop)
            .map_err(|error| format!("not provable without it: {error}"))?;
        let accepted = verify(&claimed, &self.drop, &reduced);
        if matches!(self.proof, Proof::Indispensable) {
            return expect("without it", accepted, is_unbalanced);
        }
        accepted.map_err(|error| format!("refused without it: {error}"))?;

        // The very proof of the system that lacks it.
        let is_refusal: fn(&VerifyError) -> bool = match self.drop {
            Drop::Pairs => is_other_pairs,
            Drop::Balance => is_unbalanced,
            // The verifier has terms of its own in them.
            Drop::Relation(tag) if self.has_public_terms(tag) => is_unbalanced,
            _ => is_unsatisfied,
        };
        expect(
            "with it",
            verify(&claimed, &Drop::Nothing, &reduced),
            is_refusal,
        )?;
        self.expect_of_verifier(&claimed, &reduced, is_refusal)?;

        // And what the full prover makes of the witness.
        match (&self.drop, prove(&claimed, &Drop::Nothing)) {
            (Drop::Constraint { .. }, Err(ProveError::ConstraintsNotSatisfied)) => Ok(()),
            (Drop::Constraint { .. }, Ok(_)) => Err("provable with it".to_owned()),
            (_, Err(error)) => Err(format!("not provable with it: {error}")),
            (drop, Ok(full)) => {
                let is_refusal = match drop {
                    Drop::Pairs => is_other_pairs,
                    _ => is_unbalanced,
                };
                expect(
                    "in full",
                    verify(&claimed, &Drop::Nothing, &full),
                    is_refusal,
                )?;
                self.expect_of_verifier(&claimed, &full, is_refusal)
            }
        }
    }

    /// The verifier of the project refuses for this reason; or no file can be made for it, and that is
    /// so only where values are out of their range, or where a token is none of the vocabulary.
    fn expect_of_verifier(
        &self,
        claimed: &Claimed<'_>,
        proofs: &[Vec<u8>],
        is_refusal: fn(&VerifyError) -> bool,
    ) -> Result<(), String> {
        // It has no circuit of a layout that no statement has.
        if !self.case.is_stated() {
            return Ok(());
        }
        match &claimed.values {
            Ok(values) => {
                let verified = verify_as_stated(claimed, values, proofs);
                expect("by the verifier", verified, is_refusal)
            }
            Err(_) if [RelationTag::Value.name(), NOWHERE].contains(&self.reason.as_str()) => {
                Ok(())
            }
            Err(error) => Err(format!("no public values: {error}")),
        }
    }
}

/// That a refusal came, and this one.
fn expect(
    which: &str,
    verified: Result<(), VerifyError>,
    is_refusal: fn(&VerifyError) -> bool,
) -> Result<(), String> {
    match verified {
        Ok(()) => Err(format!("accepted {which}")),
        Err(error) if is_refusal(&error) => Ok(()),
        Err(error) => Err(format!("refused {which} for another reason: {error:?}")),
    }
}

/// The error behind the wrapper that says which proof it is about.
fn innermost(error: &VerifyError) -> &VerifyError {
    match error {
        VerifyError::Lookup(error) => error,
        error => error,
    }
}

fn is_unsatisfied(error: &VerifyError) -> bool {
    *innermost(error) == VerifyError::ConstraintsNotSatisfied
}

fn is_unbalanced(error: &VerifyError) -> bool {
    matches!(innermost(error), VerifyError::LookupSumNotZero { .. })
}

fn is_other_pairs(error: &VerifyError) -> bool {
    matches!(
        innermost(error),
        VerifyError::PortNotOpened {
            port: Port::Pairs,
            ..
        }
    )
}
