//! Two sets of columns under one root.
//!
//! A Merkle root alone does not fix columns. The attacker builds one tree, half of it from the codeword
//! of one set of columns and half from that of another. As long as all queries fall into the right half,
//! the tree opens as either: at `q` queries after about `2^q` trials, whatever the blowup. What tells the
//! two apart are their fingerprints, so that a commitment of root and fingerprint opens to one of them.
use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_statement::{Port, PortCommitment, SegmentCut, SegmentStatement, VerifierDomain};
use matchmark_verifier::VerifyError;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::Column as _;
use stwo::prover::vcs_lifted::prover::MerkleProverLifted;

use crate::checker::Drop;
use crate::ports::{pairs_of, state_of};
use crate::reduced::{prove, verify_as_stated, Claimed, Committed, Setup};

/// A tree that two proofs speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Before, Self::After];

    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }

    /// Its place among the states of a claim.
    pub fn place(self) -> usize {
        self as usize
    }

    /// The port of the state.
    pub fn port(self) -> Port {
        match self {
            Self::Before => Port::StateBefore,
            Self::After => Port::StateAfter,
        }
    }

    /// Entries of the cache on this side of a segment.
    pub fn entries(self, statement: &SegmentStatement) -> u64 {
        let steps = statement.steps();
        match self {
            Self::Before => steps.entries_before() as u64,
            Self::After => steps.entries_after() as u64,
        }
    }
}

/// Replaces the commitments of two trees by that of one: its first half the codeword of `a`, its second
/// half that of `b`. Each keeps its own polynomials, and has their fingerprint at the point of the common
/// root.
pub fn half_and_half(setup: &Setup, a: &mut Committed, b: &mut Committed) {
    let polynomials = a.tree.polynomials.iter().zip(&b.tree.polynomials);
    let hybrid: Vec<BaseColumn> = polynomials
        .map(|(a, b)| {
            let (a, b) = (a.evals.values.to_cpu(), b.evals.values.to_cpu());
            let half = a.len() / 2;
            a[..half].iter().chain(&b[half..]).copied().collect()
        })
        .collect();
    let height = setup.structures[0].lifting_log_size();
    for side in [a, b] {
        side.tree.commitment = MerkleProverLifted::commit(hybrid.iter().collect(), height, 0);
        let root = side.tree.commitment.root();
        let point = fingerprint_point(root);
        let fingerprint = side.tree.polynomials.iter().map(|polynomial| {
            let doublings = height - polynomial.evals.domain.log_size();
            polynomial.eval_at_point(point.repeated_double(doublings), None)
        });
        side.opening = Opening {
            root,
            fingerprint: fingerprint.collect(),
        };
    }
}

/// The commitment to what opens a state of a claim.
pub fn state_commitment(claimed: &Claimed<'_>, side: Side, opening: &Opening) -> PortCommitment {
    let statement = &claimed.statement;
    let height = claimed.setup.structures[0].lifting_log_size();
    state_of(opening, statement.shape(), side.entries(statement), height)
}

/// The commitment to what opens the pairs of a claim.
pub fn pairs_commitment(claimed: &Claimed<'_>, opening: &Opening) -> PortCommitment {
    let setup = claimed.setup;
    pairs_of(
        opening,
        &setup.case.layout,
        setup.structures[0].lifting_log_size(),
    )
}

/// States a claim with another commitment to one of its states.
pub fn restate(claimed: &mut Claimed<'_>, side: Side, commitment: PortCommitment) {
    let mut parts = claimed.statement.parts();
    match side {
        Side::Before => parts.state_before = commitment,
        Side::After => parts.state_after = commitment,
    }
    claimed.statement = SegmentStatement::new(parts).unwrap();
}

/// States a claim with another commitment to its pairs.
pub fn restate_pairs(claimed: &mut Claimed<'_>, commitment: PortCommitment) {
    let mut parts = claimed.statement.parts();
    parts.cut = SegmentCut::Split(commitment);
    claimed.statement = SegmentStatement::new(parts).unwrap();
}

/// Proves a claim once more and has the verifier judge it. Trials differ in the nonce of the domain, which
/// stands for everything that an attacker may choose anew: the queries are drawn anew.
pub fn attempt(claimed: &mut Claimed<'_>, trial: usize) -> (Vec<Vec<u8>>, Result<(), VerifyError>) {
    let mut parts = claimed.statement.parts();
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&(trial as u64).to_le_bytes());
    parts.terms.domain = VerifierDomain::new("equivocation", nonce).unwrap();
    claimed.statement = SegmentStatement::new(parts).unwrap();
    let proofs = prove(claimed, &Drop::Nothing).unwrap();
    let values = claimed.values.as_ref().unwrap();
    let verified = verify_as_stated(claimed, values, &proofs);
    (proofs, verified)
}

/// The first trial, if there is one, that is accepted.
pub fn opens(claimed: &mut Claimed<'_>, trials: usize) -> Option<usize> {
    (0..trials).find(|trial| attempt(claimed, *trial).1.is_ok())
}
