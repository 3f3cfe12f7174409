//! The transcript of a proof, the same for prover and verifier.
//!
//! **Invariant (order of phases):**
//! 1. [`begin`]: statement digest, security parameters, column sizes;
//! 2. roots of the preprocessed tree, the model tree of a decoder, the state before, the state after, and
//!    the boundary of a split segment;
//! 3. root of the witness tree;
//! 4. [`draw_projection`](Transcript::draw_projection): the projection challenges;
//! 5. root of the projections tree;
//! 6. [`draw_lookup`](Transcript::draw_lookup): the lookup challenges;
//! 7. [`claim_sums`](Transcript::claim_sums), root of the lookups tree;
//! 8. the library: composition, out-of-domain point, openings, low-degree test.
//!
//! A lookup proof has no states and no projections: its boundary comes in step 2, and steps 4 and 5 are
//! left out.
//!
//! A relation's challenges come after every value that the relation carries; the commitments to states,
//! model and boundary, which hold root and fingerprint, stand in the statement, and the fingerprint points
//! follow from the roots.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_air::challenges::{LookupChallenges, ProjectionChallenges};
use matchmark_statement::{LookupStatement, SegmentStatement, StatementDigest};
use stwo::core::channel::{Blake2sChannel, Channel};
use stwo::core::fields::qm31::QM31;

use crate::structure::ProofStructure;

/// Labels of what is absorbed, each with its length.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Label {
    Statement = 1,
    Parameters = 2,
    ColumnSizes = 3,
    ClaimedSums = 4,
}

/// Transcript of one segment.
#[derive(Clone, Debug)]
pub struct Transcript {
    channel: Blake2sChannel,
}

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
    let mut transcript = Transcript {
        channel: Blake2sChannel::default(),
    };
    let words: Vec<u32> = digest
        .as_bytes()
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    transcript.absorb(Label::Statement, &words);
    let parameters = structure.parameters();
    transcript.absorb(
        Label::Parameters,
        &[
            parameters.pow_bits,
            parameters.log_blowup,
            parameters.queries,
            parameters.fold_step,
            parameters.log_last_layer,
            structure.lifting_log_size(),
        ],
    );
    for tree in structure.column_log_sizes() {
        transcript.absorb(Label::ColumnSizes, tree);
    }
    transcript
}

impl Transcript {
    fn absorb(&mut self, label: Label, words: &[u32]) {
        let mut labelled = vec![label as u32, u32::try_from(words.len()).unwrap_or(u32::MAX)];
        labelled.extend_from_slice(words);
        self.channel.mix_u32s(&labelled);
    }

    /// The library's channel, for committing trees.
    pub fn channel(&mut self) -> &mut Blake2sChannel {
        &mut self.channel
    }

    /// Draws the points of the random projections. The witness tree must be committed.
    pub fn draw_projection(&mut self) -> ProjectionChallenges {
        ProjectionChallenges::draw(&mut self.channel)
    }

    /// Draws the coefficients of the relations. The projections tree must be committed.
    pub fn draw_lookup(&mut self) -> LookupChallenges {
        LookupChallenges::draw(&mut self.channel)
    }

    /// Absorbs the claimed sums. The lookups tree is committed next.
    pub fn claim_sums(&mut self, claimed_sums: &[QM31]) {
        let words: Vec<u32> = claimed_sums
            .iter()
            .flat_map(|sum| sum.to_m31_array())
            .map(|coordinate| coordinate.0)
            .collect();
        self.absorb(Label::ClaimedSums, &words);
    }
}
