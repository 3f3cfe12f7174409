//! One proof in the making: the prover's side of the protocol.
use std::sync::Arc;

use matchmark_air::challenges::{Challenges, LookupChallenges, RlcChallenges};
use matchmark_air::channel::{self, Search};
use matchmark_air::circuit::{Circuit, CircuitContext};
use matchmark_air::column::{to_evaluation, Evaluation};
use matchmark_air::fingerprint::fingerprint_point;
use matchmark_air::harness::public_columns::PublicColumns;
use matchmark_air::hash::ProofChannel;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::points::{check_point, PortPoints};
use matchmark_air::protocol::{self, Claimed, Side, Transcript};
use matchmark_air::trees::Tree;
use matchmark_air::witness::lookups::lookups_tree;
use matchmark_air::witness::PartTrace;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{SegmentProof, VerifyError};
use stwo::core::fields::qm31::QM31;
use stwo::core::utils::MaybeOwned;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::twiddles::TwiddleTree;
use stwo::prover::{prove, CommitmentSchemeProver, CommitmentTreeProver, ProvingError};
use tracing::info_span;

use crate::error::ProveError;

/// A committed tree on the proving side.
pub type ProverTree = CommitmentTreeProver<SimdBackend, ProofChannel>;

/// What a proof is made of, besides its columns.
#[derive(Clone)]
pub struct PartInput<'a> {
    /// Layout of the segment.
    pub layout: &'a SegmentLayout,
    /// Structure of the proof.
    pub structure: &'a ProofStructure,
    /// Cache entries before the segment.
    pub entries_before: usize,
    /// The preprocessed tree, and the ports.
    pub trees: Vec<(Tree, &'a ProverTree)>,
    /// The public columns; read in attention alone.
    pub public: Arc<PublicColumns>,
    /// Twiddles of the largest domain.
    pub twiddles: &'a TwiddleTree<SimdBackend>,
}

/// What a prover decides in each phase. The methods have what an honest prover does; attacks do something
/// else. Nothing that a verifier relies on depends on it.
pub trait Strategy {
    /// The columns that do not depend on a challenge.
    fn trace(&self) -> &PartTrace;

    /// The same with the random linear combinations at these challenges.
    fn combine(&mut self, challenges: &RlcChallenges) -> PartTrace;

    /// The components that make the LogUp columns (as long as there are no claimed sums), and those that are
    /// proven.
    fn circuit(&self, input: &PartInput<'_>, context: &CircuitContext) -> Circuit {
        Circuit::new(input.layout, input.structure.part(), context)
    }

    /// Sees the LogUp columns and the claimed sums before they are absorbed.
    fn claim(&mut self, _circuit: &Circuit, _columns: &mut [Evaluation], _sums: &mut [QM31]) {}

    /// Finds the work before challenges.
    fn search(&self) -> Search {
        channel::search()
    }

    /// Draws the RLC challenges.
    fn draw_rlc(&mut self, transcript: &mut Transcript) -> RlcChallenges {
        transcript.draw_rlc()
    }

    /// Draws the lookup challenges.
    fn draw_lookup(&mut self, transcript: &mut Transcript) -> LookupChallenges {
        transcript.draw_lookup()
    }
}

/// Makes a proof.
///
/// # Errors
///
/// [`ProveError::ConstraintsNotSatisfied`] if a constraint does not hold, [`ProveError::SubfieldPoint`] if a
/// port cannot be opened at its fingerprint point. An unbalanced relation is not noticed here, but by the
/// verifier.
pub fn prove_part(
    input: &PartInput<'_>,
    mut transcript: Transcript,
    strategy: &mut impl Strategy,
) -> Result<SegmentProof, ProveError> {
    // The library panics where a fingerprint cannot be opened. (Its own out-of-domain point it draws
    // behind all commitments, and whoever proves cannot be made to meet a bad one.)
    let ports = input.trees.iter().filter(|(tree, _)| tree.is_port());
    let points = ports.map(|(tree, committed)| {
        let point = check_point(fingerprint_point(committed.commitment.root()))?;
        Ok((*tree, point))
    });
    let points = PortPoints::new(points.collect::<Result<_, ProveError>>()?);
    transcript.search(strategy.search());
    let structure = input.structure;
    let mut scheme = CommitmentSchemeProver::new(structure.pcs_config(), input.twiddles);
    scheme.set_store_polynomials_coefficients();
    let mut side = PartProver {
        trace: strategy.trace().clone(),
        input,
        strategy,
        points,
        scheme,
        lookups: vec![],
    };
    let claimed = protocol::run(structure.order(), &mut transcript, &mut side)?;
    let mut circuit = side.circuit(claimed.clone());
    let PartProver { scheme, .. } = side;
    circuit.extend_public_columns(input.twiddles, structure.parameters().log_blowup);
    let stark = info_span!("stark")
        .in_scope(|| prove(&circuit.provers(), transcript.hand_over(), scheme))
        .map_err(|error| match error {
            ProvingError::ConstraintsNotSatisfied => ProveError::ConstraintsNotSatisfied,
        })?;
    Ok(SegmentProof {
        claimed_sums: claimed.claimed_sums,
        nonces: transcript.finish().map_err(VerifyError::Work)?,
        stark: stark.0,
    })
}

struct PartProver<'a, S> {
    input: &'a PartInput<'a>,
    strategy: &'a mut S,
    points: PortPoints,
    scheme: CommitmentSchemeProver<'a, SimdBackend, ProofChannel>,
    trace: PartTrace,
    lookups: Vec<Evaluation>,
}

impl<S: Strategy> PartProver<'_, S> {
    fn circuit(&self, claimed: Claimed) -> Circuit {
        let Claimed {
            challenges,
            claimed_sums,
        } = claimed;
        let context = CircuitContext {
            entries_before: self.input.entries_before,
            challenges,
            claimed_sums,
            points: self.points.clone(),
            public: self.input.public.clone(),
        };
        self.strategy.circuit(self.input, &context)
    }
}

impl<S: Strategy> Side for PartProver<'_, S> {
    type Error = ProveError;

    fn commit(&mut self, tree: Tree, transcript: &mut Transcript) -> Result<(), ProveError> {
        let mut committed = self.input.trees.iter();
        if let Some((_, committed)) = committed.find(|(other, _)| *other == tree) {
            let committed = MaybeOwned::Borrowed(*committed);
            self.scheme.commit_tree(committed, transcript.channel());
            return Ok(());
        }
        let _span = info_span!("commit", tree = tree.name()).entered();
        let columns = match tree {
            Tree::Lookups => std::mem::take(&mut self.lookups),
            Tree::Preprocessed
            | Tree::Model
            | Tree::StreamIn
            | Tree::StreamOut
            | Tree::StateBefore
            | Tree::StateAfter
            | Tree::Pairs
            | Tree::Witness
            | Tree::Rlc
            | Tree::Composition => {
                let columns = self.trace.tree(tree).into_iter();
                columns.map(|column| to_evaluation(column)).collect()
            }
        };
        let mut builder = self.scheme.tree_builder();
        builder.extend_evals(columns);
        builder.commit(transcript.channel());
        Ok(())
    }

    fn combine(&mut self, challenges: &RlcChallenges) -> Result<(), ProveError> {
        let _span = info_span!("rlc").entered();
        self.trace = self.strategy.combine(challenges);
        Ok(())
    }

    fn claim(&mut self, challenges: &Challenges) -> Result<Vec<QM31>, ProveError> {
        let _span = info_span!("lookups").entered();
        // The sums are not known yet, and the tuples do not depend on them.
        let circuit = self.circuit(Claimed {
            challenges: challenges.clone(),
            claimed_sums: vec![],
        });
        let (mut columns, mut sums) = lookups_tree(&circuit, &self.trace);
        self.strategy.claim(&circuit, &mut columns, &mut sums);
        self.lookups = columns;
        Ok(sums)
    }

    fn draw_rlc(&mut self, transcript: &mut Transcript) -> RlcChallenges {
        self.strategy.draw_rlc(transcript)
    }

    fn draw_lookup(&mut self, transcript: &mut Transcript) -> LookupChallenges {
        self.strategy.draw_lookup(transcript)
    }
}
