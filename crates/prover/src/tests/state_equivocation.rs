//! A Merkle root alone does not fix a cache.
//!
//! The attacker builds one tree, half of it from the codeword of one cache and half from that of
//! another. As long as all queries fall into the right half, the tree opens as either. At `q` queries
//! that takes about `2^q` trials, whatever the blowup. What comes of it against commitments of root and
//! fingerprint is the class `state` of the hostile suite.
use matchmark_air::column::field;
use matchmark_air::fingerprint::{Opening, PortContent};
use matchmark_statement::{SecurityLevel, SegmentStatement};
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::Column;
use stwo::prover::vcs_lifted::prover::MerkleProverLifted;

use super::protocol::{Attempt, Case, Honest, Variant};
use crate::part::ProverTree;
use crate::CommittedState;

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
        // Free on rows that no step asks for.
        let attained = witness.main.component_mut("scores").column_mut("attained");
        let filler = attained.len() - 1;
        attained[filler] = field(*trial);
        let attempt = Attempt {
            witness: &witness,
            ..*attempt
        };
        let proof = attempt.prove(variant, &|_, _| {}, false);
        proof.is_some_and(|proof| attempt.verify(variant, proof).is_ok())
    })
}

/// The statement with both states given by the roots of their trees.
fn restate(case: &Case, honest: &Honest) -> SegmentStatement {
    let mut parts = honest.statement.parts();
    let height = case.prover.lifting_log_size();
    let steps = parts.steps;
    let commitment = |state: &CommittedState, entries: usize| {
        let content = PortContent::State {
            shape: parts.terms.shape,
            entries: entries as u64,
        };
        bare_root(state.tree()).commitment(&content, height)
    };
    let before = commitment(&honest.before, steps.entries_before());
    let after = commitment(&honest.after, steps.entries_after());
    (parts.state_before, parts.state_after) = (before, after);
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
        honest.statement = restate(&case, honest);
    }
    assert_eq!(a.statement.state_before(), b.statement.state_before());
    for honest in [&a, &b] {
        let trials = attack(&honest.attempt(&case), Variant::BareRoots);
        assert!(trials.is_some(), "one root, both caches accepted");
    }
}
