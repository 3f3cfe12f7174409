//! The transcript of a proof, the same for prover and verifier: where it begins, and how it is run through
//! again. The order of its phases is that of [`matchmark_air::protocol`].
use core::convert::Infallible;

use alloc::vec::Vec;

use matchmark_air::challenges::Challenges;
use matchmark_air::hash::ProofChannel;
use matchmark_air::protocol::{self, Side, Transcript};
use matchmark_air::trees::Tree;
use matchmark_statement::{LookupStatement, SegmentStatement, StatementDigest};
use stwo::core::channel::MerkleChannel;
use stwo::core::fields::qm31::QM31;

use crate::proof::SegmentProof;
use crate::structure::ProofStructure;

/// A transcript that has absorbed the statement and everything that follows from it.
pub fn begin(statement: &SegmentStatement, structure: &ProofStructure) -> Transcript {
    begin_with_digest(&statement.digest(), structure)
}

/// As [`begin`], for a lookup proof.
pub fn begin_lookup(statement: &LookupStatement, structure: &ProofStructure) -> Transcript {
    begin_with_digest(&statement.digest(), structure)
}

/// As [`begin`], from the statement's digest.
pub fn begin_with_digest(digest: &StatementDigest, structure: &ProofStructure) -> Transcript {
    Transcript::begin(
        digest,
        structure.parameters(),
        structure.lifting_log_size(),
        structure.grinding(),
        structure.column_log_sizes(),
    )
}

/// Runs a transcript through a proof with its nonces, whatever these are worth, up to where the library takes
/// over.
pub fn replay(
    mut begun: Transcript,
    structure: &ProofStructure,
    proof: &SegmentProof,
) -> Transcript {
    begun.supply(&proof.nonces);
    absorb(begun, structure, proof)
}

/// As [`replay`], with whatever nonces the transcript has or finds.
pub fn absorb(
    mut begun: Transcript,
    structure: &ProofStructure,
    proof: &SegmentProof,
) -> Transcript {
    let mut side = Replay { structure, proof };
    match protocol::run(structure.order(), &mut begun, &mut side) {
        Ok(_) => begun,
        Err(never) => match never {},
    }
}

/// Absorbs what a proof says.
struct Replay<'a> {
    structure: &'a ProofStructure,
    proof: &'a SegmentProof,
}

impl Side for Replay<'_> {
    type Error = Infallible;

    fn commit(&mut self, tree: Tree, transcript: &mut Transcript) -> Result<(), Infallible> {
        let root = self.proof.stark.commitments[self.structure.place(tree)];
        ProofChannel::mix_root(transcript.channel(), root);
        Ok(())
    }

    fn claim(&mut self, _challenges: &Challenges) -> Result<Vec<QM31>, Infallible> {
        Ok(self.proof.claimed_sums.clone())
    }
}
