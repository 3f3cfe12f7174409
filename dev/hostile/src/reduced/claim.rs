//! What a forged witness claims, committed, and what the proofs of a case share.
use std::sync::Arc;

use matchmark_air::column::to_evaluation;
use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_air::trees::Tree;
use matchmark_air::witness::{preprocessed_columns, Column, PartTrace};
use matchmark_prover::part::ProverTree;
use matchmark_prover::SegmentProver;
use matchmark_statement::{
    AcceptancePolicy, GroupFields, LayerGroups, OwnFields, PublicValues, PublicValuesDigest,
    SegmentCut, SegmentStatement, SegmentStatementParts,
};
use matchmark_verifier::structure::ProofStructure;
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::poly::twiddles::TwiddleTree;

use crate::cases::Case;
use crate::forge::Forged;
use crate::ports::{pairs_of, state_of, stream_content};
use crate::proving::{policy, prover, public_values, tokens_of, NoValues};
use crate::world::tree_of;

/// What all proofs of a case share.
pub struct Setup {
    pub case: Arc<Case>,
    pub prover: SegmentProver,
    /// One structure a proof: of the only one, or of the arithmetic and the lookup proof.
    pub structures: Vec<ProofStructure>,
    /// The preprocessed tree of each.
    pub preprocessed: Vec<Committed>,
    /// The model tree of a decoder.
    pub model: Option<Committed>,
    pub twiddles: TwiddleTree<SimdBackend>,
    log_blowup: u32,
}

/// What the statement of a part says of its group of layers, where there are several.
fn group_fields(case: &Case, streams: &[(Tree, Committed)], height: u32) -> Option<GroupFields> {
    let part = case.decoder.as_ref()?;
    let stream = |tree: Tree| {
        let committed = streams.iter().find(|(of, _)| *of == tree);
        let content = stream_content(case, tree);
        committed.map(|(_, committed)| committed.opening.commitment(&content, height))
    };
    (part.chain.groups != LayerGroups::ONE).then(|| GroupFields {
        index: part.index,
        weights: part.weights[usize::from(part.index)],
        stream_in: stream(Tree::StreamIn),
        stream_out: stream(Tree::StreamOut),
    })
}

/// A tree with what opens it.
pub struct Committed {
    pub tree: ProverTree,
    pub opening: Opening,
}

impl Setup {
    pub fn new(case: &Arc<Case>) -> Self {
        let layout = &case.layout;
        let security = case.terms.security;
        let log_blowup = security.parameters().log_blowup;
        // The composition polynomial is one bit longer than the longest column.
        let log_domain = layout
            .lifting_log_size(log_blowup)
            .max(layout.max_log_rows() + 1);
        let domain = CanonicCoset::new(log_domain).circle_domain();
        let mut setup = Self {
            case: case.clone(),
            prover: prover(case),
            structures: ProofStructure::all(layout, security).unwrap(),
            preprocessed: vec![],
            model: None,
            twiddles: SimdBackend::precompute_twiddles(domain.half_coset),
            log_blowup,
        };
        let parts = setup.structures.iter().map(ProofStructure::part);
        let constants = case.constants();
        setup.preprocessed = parts
            .map(|part| setup.commit(&preprocessed_columns(layout, part, &constants)))
            .collect();
        let model = case.decoder.as_ref();
        setup.model = model.map(|part| setup.commit(&part.columns));
        setup
    }

    /// Commits columns, and evaluates them at their fingerprint.
    pub fn commit(&self, columns: &[Column]) -> Committed {
        let evaluations = columns.iter().map(|column| to_evaluation(column)).collect();
        let height = self.structures[0].lifting_log_size();
        let tree = ProverTree::new(
            SimdBackend::interpolate_columns(evaluations, &self.twiddles),
            self.log_blowup,
            &self.twiddles,
            true,
            Some(height),
            &BaseColumnPool::new(),
        );
        let root = tree.commitment.root();
        let point = fingerprint_point(root);
        let fingerprint = tree.polynomials.iter().map(|polynomial| {
            let doublings = height - polynomial.evals.domain.log_size();
            polynomial.eval_at_point(point.repeated_double(doublings), None)
        });
        let fingerprint = fingerprint.collect();
        Committed {
            tree,
            opening: Opening { root, fingerprint },
        }
    }
}

/// A forged witness with the statement that it is proven for, and everything that is committed before
/// the first challenge.
pub struct Claimed<'a> {
    pub setup: &'a Setup,
    pub forged: &'a Forged,
    pub statement: SegmentStatement,
    pub values: Result<PublicValues, NoValues>,
    pub states: [Committed; 2],
    /// The pairs of each proof of a split segment.
    pub pairs: Vec<Committed>,
    /// The streams of a group of layers.
    pub streams: Vec<(Tree, Committed)>,
}

impl<'a> Claimed<'a> {
    /// The claim of a forged witness. Whatever its columns hold is committed as it is, unlike by the
    /// prover, which takes nothing but caches.
    pub fn of(setup: &'a Setup, forged: &'a Forged) -> Self {
        let case = &setup.case;
        let (layout, steps, witness) = (&case.layout, case.steps, &forged.witness);
        let commit = |trace: &PartTrace, tree| setup.commit(&tree_of(trace, tree));
        let height = setup.structures[0].lifting_log_size();
        let before = commit(&witness.main, Tree::StateBefore);
        let after = commit(&witness.main, Tree::StateAfter);
        let state = |committed: &Committed, entries: usize| {
            let opening = &committed.opening;
            state_of(opening, case.terms.shape, entries as u64, height)
        };
        let commitments = [
            state(&before, steps.entries_before()),
            state(&after, steps.entries_after()),
        ];
        let pairs: Vec<Committed> = match &witness.lookup {
            None => vec![],
            Some(lookup) => [&witness.main, lookup]
                .map(|trace| commit(trace, Tree::Pairs))
                .into(),
        };
        let cut = match pairs.first() {
            None => SegmentCut::Fused,
            Some(first) => SegmentCut::Split(pairs_of(&first.opening, layout, height)),
        };
        assert_eq!(cut.kind(), layout.cut(), "cut of the layout");
        let values = public_values(forged);
        let digest = match &values {
            Ok(values) => values.digest(),
            // Nothing encodes to it, and no file holds the claim.
            Err(_) => PublicValuesDigest::from_bytes([0; 32]),
        };
        let [state_before, state_after] = commitments;
        let own = OwnFields {
            steps,
            public_values: digest,
            state_before,
            state_after,
            cut,
            tokens: forged.witness.tokens.as_ref().and_then(tokens_of),
            group: None,
        };
        let trees = [Tree::StreamIn, Tree::StreamOut].into_iter();
        let trees = trees.filter(|tree| !witness.main.tree(*tree).is_empty());
        let streams: Vec<_> = trees
            .map(|tree| (tree, commit(&witness.main, tree)))
            .collect();
        let own = OwnFields {
            group: group_fields(case, &streams, height),
            ..own
        };
        let parts = SegmentStatementParts::of(case.terms.shared().clone(), own);
        let statement = SegmentStatement::new(parts).unwrap();
        Self {
            setup,
            forged,
            statement,
            values,
            states: [before, after],
            pairs,
            streams,
        }
    }

    /// The trees of the proof that shows the arithmetic that come before every challenge, the witness apart.
    pub fn main_trees(&self) -> Vec<(Tree, &ProverTree)> {
        let [before, after] = &self.states;
        let model = self.setup.model.iter().map(|it| (Tree::Model, it));
        let pairs = self.pairs.first().map(|it| (Tree::Pairs, it));
        [
            (Tree::Preprocessed, &self.setup.preprocessed[0]),
            (Tree::StateBefore, before),
            (Tree::StateAfter, after),
        ]
        .into_iter()
        .chain(model)
        .chain(pairs)
        .chain(self.streams.iter().map(|(tree, it)| (*tree, it)))
        .map(|(tree, committed)| (tree, &committed.tree))
        .collect()
    }

    /// The same of the lookup proof.
    pub fn lookup_trees(&self) -> Vec<(Tree, &ProverTree)> {
        vec![
            (Tree::Preprocessed, &self.setup.preprocessed[1].tree),
            (Tree::Pairs, &self.pairs[1].tree),
        ]
    }

    /// The policy that accepts the statement with these values.
    pub fn policy(&self, values: &PublicValues) -> AcceptancePolicy {
        policy(&self.setup.prover, &self.statement, values)
    }
}
