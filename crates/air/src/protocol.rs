//! The order of phases of every proof, in one place.
//!
//! Prover, verifier, the grinding of edited proofs, systems that lack a constraint and the attacks on the
//! protocol itself are [`Side`]s of [`run`]: they say what they do in a phase, and never when it comes.
//!
//! **Invariant (order of phases):**
//! 1. [`Transcript::begin`]: statement digest, security parameters, bits of proof of work, column sizes;
//! 2. roots of the preprocessed tree and of the ports: the model of a decoder, the streams between
//!    groups of layers, the state before, the state after, the pairs of a split segment;
//! 3. root of the witness tree;
//! 4. the challenges of the random linear combinations (RLC) are drawn;
//! 5. root of the RLC tree;
//! 6. the lookup challenges are drawn;
//! 7. claimed sums, root of the lookups tree;
//! 8. the library: composition, out-of-domain point, openings, low-degree test.
//!
//! A lookup proof has no states and no random linear combinations: steps 4 and 5 are left out. Before a
//! challenge is drawn comes the work that it needs, if any ([`channel`](crate::channel)).
//!
//! A relation's challenges come after every value that the relation carries; the commitments to ports,
//! which hold root and fingerprint, stand in the statement, and the fingerprint points follow from the
//! roots.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_statement::{SecurityParameters, StatementDigest};
use stwo::core::channel::Channel;
use stwo::core::fields::qm31::QM31;

use crate::challenges::{Challenges, LookupChallenges, RlcChallenges};
use crate::channel::{Challenge, Grinding, GrindingChannel, Search, WorkError};
use crate::trees::{Tree, TreeOrder};

/// Labels of what is absorbed, each with its length.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Label {
    Statement = 1,
    Parameters = 2,
    ColumnSizes = 3,
    ClaimedSums = 4,
    Grinding = 5,
}

/// Transcript of one proof.
#[derive(Clone, Debug)]
pub struct Transcript {
    channel: GrindingChannel,
}

impl Transcript {
    /// A transcript that has absorbed a statement and what follows from it: the parameters of the low-degree
    /// test, the height of the trees, the bits of work before the challenges, and the log sizes of the columns
    /// of every component tree.
    pub fn begin(
        statement: &StatementDigest,
        parameters: &SecurityParameters,
        lifting_log_size: u32,
        grinding: &Grinding,
        column_log_sizes: &[Vec<u32>],
    ) -> Self {
        let mut transcript = Self {
            channel: GrindingChannel::new(grinding.clone()),
        };
        let words: Vec<u32> = statement
            .as_bytes()
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        transcript.absorb(Label::Statement, &words);
        let SecurityParameters {
            pow_bits,
            log_blowup,
            queries,
            fold_step,
            log_last_layer,
        } = *parameters;
        transcript.absorb(
            Label::Parameters,
            &[
                pow_bits,
                log_blowup,
                queries,
                fold_step,
                log_last_layer,
                lifting_log_size,
            ],
        );
        let bits: Vec<u32> = grinding.all().map(|(_, bits)| bits).collect();
        transcript.absorb(Label::Grinding, &bits);
        for tree in column_log_sizes {
            transcript.absorb(Label::ColumnSizes, tree);
        }
        transcript
    }

    fn absorb(&mut self, label: Label, words: &[u32]) {
        let mut labelled = vec![label as u32, u32::try_from(words.len()).unwrap_or(u32::MAX)];
        labelled.extend_from_slice(words);
        self.channel.mix_u32s(&labelled);
    }

    /// The channel, for committing trees.
    pub fn channel(&mut self) -> &mut GrindingChannel {
        &mut self.channel
    }

    /// The work before challenges is found (prover).
    pub fn search(&mut self, search: Search) {
        self.channel.search(search);
    }

    /// The work before challenges is what a proof carries (verifier).
    pub fn supply(&mut self, nonces: &[u64]) {
        self.channel.supply(nonces);
    }

    /// The channel for the library, which draws all that comes next.
    pub fn hand_over(&mut self) -> &mut GrindingChannel {
        self.channel.hand_over();
        &mut self.channel
    }

    /// The nonces found, when the library is done. Nothing is proven, or verified, without this.
    ///
    /// # Errors
    ///
    /// [`WorkError`] if the work before a challenge is not there.
    pub fn finish(self) -> Result<Vec<u64>, WorkError> {
        self.channel.finish()?;
        Ok(self.channel.found().to_vec())
    }

    /// Draws the points of the random linear combinations. The witness tree must be committed.
    pub fn draw_rlc(&mut self) -> RlcChallenges {
        self.channel.work(Challenge::Rlc);
        RlcChallenges::draw(&mut self.channel)
    }

    /// Draws the coefficients of the relations. The RLC tree must be committed.
    pub fn draw_lookup(&mut self) -> LookupChallenges {
        self.channel.work(Challenge::Lookups);
        LookupChallenges::draw(&mut self.channel)
    }

    /// Absorbs the claimed sums. The lookups tree is committed next.
    fn claim_sums(&mut self, claimed_sums: &[QM31]) {
        let words: Vec<u32> = claimed_sums
            .iter()
            .flat_map(|sum| sum.to_m31_array())
            .map(|coordinate| coordinate.0)
            .collect();
        self.absorb(Label::ClaimedSums, &words);
    }
}

/// One side of a proof: what it does in each phase.
pub trait Side {
    /// Why it stops.
    type Error;

    /// Commits a tree, or takes note of its root: the transcript absorbs it.
    ///
    /// # Errors
    ///
    /// If the side stops here.
    fn commit(&mut self, tree: Tree, transcript: &mut Transcript) -> Result<(), Self::Error>;

    /// The RLC challenges are known; the RLC tree is committed next.
    ///
    /// # Errors
    ///
    /// If the side stops here.
    fn combine(&mut self, _challenges: &RlcChallenges) -> Result<(), Self::Error> {
        Ok(())
    }

    /// All challenges are known: the claimed sums, one a component. The lookups tree is committed next.
    ///
    /// # Errors
    ///
    /// If the side stops here.
    fn claim(&mut self, challenges: &Challenges) -> Result<Vec<QM31>, Self::Error>;

    /// Draws the RLC challenges.
    fn draw_rlc(&mut self, transcript: &mut Transcript) -> RlcChallenges {
        transcript.draw_rlc()
    }

    /// Draws the lookup challenges.
    fn draw_lookup(&mut self, transcript: &mut Transcript) -> LookupChallenges {
        transcript.draw_lookup()
    }
}

/// What is fixed when the library takes over.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Challenges of the proof.
    pub challenges: Challenges,
    /// One claimed LogUp sum a component.
    pub claimed_sums: Vec<QM31>,
}

/// Runs a side through all phases before the library's own.
///
/// # Errors
///
/// Those of the side.
pub fn run<S: Side>(
    order: &TreeOrder,
    transcript: &mut Transcript,
    side: &mut S,
) -> Result<Claimed, S::Error> {
    // No constraint of a proof without random linear combinations names their points.
    let mut rlc = RlcChallenges::structural();
    let mut claimed = None;
    for tree in order.of_components() {
        match tree {
            Tree::Preprocessed
            | Tree::Model
            | Tree::StreamIn
            | Tree::StreamOut
            | Tree::StateBefore
            | Tree::StateAfter
            | Tree::Pairs
            | Tree::Witness => {}
            Tree::Rlc => {
                rlc = side.draw_rlc(transcript);
                side.combine(&rlc)?;
            }
            Tree::Lookups => {
                let lookup = side.draw_lookup(transcript);
                let challenges = Challenges { rlc, lookup };
                let claimed_sums = side.claim(&challenges)?;
                transcript.claim_sums(&claimed_sums);
                claimed = Some(Claimed {
                    challenges,
                    claimed_sums,
                });
            }
            Tree::Composition => unreachable!("the library commits the composition"),
        }
        side.commit(*tree, transcript)?;
    }
    match claimed {
        Some(claimed) => Ok(claimed),
        None => unreachable!("every proof has lookups"),
    }
}
