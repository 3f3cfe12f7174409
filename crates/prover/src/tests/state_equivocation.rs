//! A Merkle root alone does not fix a cache.
//!
//! The attacker builds one tree, half of it from the codeword of one cache and half from that of
//! another. As long as all queries fall into the right half, the tree opens as either. At `q` queries
//! that takes about `2^q` trials, whatever the blowup. Against (root, fingerprint) commitments the two
//! proofs speak of two different states.
use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_air::witness::columns::field;
use matchmark_statement::{SecurityLevel, SegmentStatement};
use matchmark_verifier::{verify_segment, VerifyError};
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::Column;
use stwo::prover::vcs_lifted::prover::MerkleProverLifted;

use super::protocol::{Attempt, Case, Honest, Variant};
use crate::setup::ProverTree;
use crate::CommittedState;

/// Column of the candidates component whose value is free on rows that no step asks for.
const ATTAINED: usize = 6;
/// Trials before an attack counts as failed; 2^3 are expected at 3 queries.
const TRIALS: i64 = 400;

/// Replaces the commitments of two state trees by that of one tree: its first half the codeword of
/// `a`, its second half that of `b`.
fn half_and_half(case: &Case, a: &mut CommittedState, b: &mut CommittedState) {
    let hybrid: Vec<BaseColumn> = a
        .tree()
        .polynomials
        .iter()
        .zip(&b.tree().polynomials)
        .map(|(a, b)| {
            let (a, b) = (a.evals.values.to_cpu(), b.evals.values.to_cpu());
            let half = a.len() / 2;
            a[..half].iter().chain(&b[half..]).copied().collect()
        })
        .collect();
    for state in [a, b] {
        state.tree_mut().commitment =
            MerkleProverLifted::commit(hybrid.iter().collect(), case.prover.lifting_log_size(), 0);
    }
}

/// Proves with fresh free cells until a proof is accepted; the number of trials.
fn attack(attempt: &Attempt<'_>, variant: Variant) -> Option<i64> {
    (1..=TRIALS).find(|trial| {
        let mut witness = attempt.witness.clone();
        let filler = witness.candidates[ATTAINED].len() - 1;
        witness.candidates[ATTAINED][filler] = field(*trial);
        let attempt = Attempt {
            witness: &witness,
            ..*attempt
        };
        let proof = attempt.prove(variant, &|_, _| {}, false);
        proof.is_some_and(|proof| attempt.verify(variant, proof).is_ok())
    })
}

/// The statement with the state before given by `opening`, the state after by the tree's root, and
/// by the fingerprint if there is one.
fn restate(case: &Case, honest: &Honest, before: &Opening, bare: bool) -> SegmentStatement {
    let mut parts = honest.statement.parts();
    let height = case.prover.lifting_log_size();
    let steps = parts.steps;
    parts.state_before =
        before.state_commitment(&parts.shape, steps.entries_before() as u64, height);
    if bare {
        let after = bare_root(honest.after.tree());
        parts.state_after =
            after.state_commitment(&parts.shape, steps.entries_after() as u64, height);
    }
    SegmentStatement::new(parts).unwrap()
}

fn bare_root(tree: &ProverTree) -> Opening {
    Opening {
        root: tree.commitment.root(),
        fingerprint: vec![],
    }
}

/// Two segments that begin with two different caches under one root.
fn two_caches(case: &Case) -> (Honest, Honest) {
    let (mut a, mut b) = (
        Honest::new(case, case.prefix(11)),
        Honest::new(case, case.prefix(21)),
    );
    assert_ne!(a.execution.out, b.execution.out, "the caches differ");
    half_and_half(case, &mut a.before, &mut b.before);
    assert_eq!(
        a.before.tree().commitment.root(),
        b.before.tree().commitment.root()
    );
    (a, b)
}

#[test]
fn a_bare_root_opens_to_two_caches() {
    let case = Case::new(SecurityLevel::Insecure13);
    let (mut a, mut b) = two_caches(&case);
    for honest in [&mut a, &mut b] {
        let before = bare_root(honest.before.tree());
        honest.statement = restate(&case, honest, &before, true);
    }
    assert_eq!(a.statement.state_before(), b.statement.state_before());
    for honest in [&a, &b] {
        let trials = attack(&honest.attempt(&case), Variant::BareRoots);
        assert!(trials.is_some(), "one root, both caches accepted");
    }
}

#[test]
fn a_commitment_opens_to_one_cache() {
    let case = Case::new(SecurityLevel::Insecure13);
    let (mut a, mut b) = two_caches(&case);
    let height = case.prover.lifting_log_size();
    // Each proof can be had, but it names its own cache: the fingerprints differ.
    let fingerprint = |honest: &Honest| {
        let point = fingerprint_point(honest.before.tree().commitment.root());
        Opening {
            root: honest.before.tree().commitment.root(),
            fingerprint: honest
                .before
                .tree()
                .polynomials
                .iter()
                .map(|p| {
                    p.eval_at_point(
                        point.repeated_double(height - p.evals.domain.log_size()),
                        None,
                    )
                })
                .collect(),
        }
    };
    let (of_a, of_b) = (fingerprint(&a), fingerprint(&b));
    a.statement = restate(&case, &a, &of_a, false);
    b.statement = restate(&case, &b, &of_b, false);
    assert_ne!(a.statement.state_before(), b.statement.state_before());
    assert!(attack(&a.attempt(&case), Variant::Real).is_some());

    // Under the other's commitment no trial is accepted, and the refusal names the state.
    b.statement = restate(&case, &b, &of_a, false);
    let attempt = b.attempt(&case);
    let mut proof = attempt.prove(Variant::Real, &|_, _| {}, false).unwrap();
    let policy = case.policy(&b.statement);
    let refusal = verify_segment(&attempt.file(&proof), &policy).unwrap_err();
    assert!(
        matches!(refusal, VerifyError::StateMismatch { which: "first", .. }),
        "{refusal}"
    );
    // A false fingerprint in the proof gets past that comparison, and no further.
    for (samples, value) in proof.stark.sampled_values[1]
        .iter_mut()
        .zip(&of_a.fingerprint)
    {
        samples[0] = *value;
    }
    let refusal = verify_segment(&attempt.file(&proof), &policy).unwrap_err();
    assert!(
        !matches!(refusal, VerifyError::StateMismatch { .. }),
        "{refusal}"
    );
}
