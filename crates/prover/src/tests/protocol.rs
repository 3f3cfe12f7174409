//! A prover and a verifier for variants of the protocol, out of the same parts as the real ones.
use std::sync::Arc;

use matchmark_air::challenges::{Challenges, LookupChallenges, ProjectionChallenges};
use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_air::hash::{MerkleHasher, ProofChannel};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::segment::{public_columns, SegmentComponents, SegmentContext};
use matchmark_air::trees::{Tree, TreeOrder};
use matchmark_air::witness::columns::to_evaluation;
use matchmark_air::witness::lookups::lookups_tree;
use matchmark_air::witness::projections::{project, Projections};
use matchmark_air::witness::SegmentWitness;
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
    ScoreStep, SegmentSteps, StepRange, ValueBits,
};
use matchmark_runtime::{execute_segment, DecodeRules, KvCache, SegmentExecution, SegmentInputs};
use matchmark_statement::{
    AcceptancePolicy, AttentionValues, Boundary, ChainAccumulator, ProofPart, Security,
    SecurityLevel, SegmentBoundary, SegmentShape, SegmentStatement, VerifierDomain,
};
use matchmark_tables::WeightTable;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::transcript::{self, Transcript};
use matchmark_verifier::{SegmentFile, SegmentProof};
use num_traits::Zero;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::CommitmentSchemeVerifier;
use stwo::core::proof::StarkProof;
use stwo::core::utils::MaybeOwned;
use stwo::core::verifier::verify;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::{prove, CommitmentSchemeProver, ComponentProver};

use crate::setup::ProverTree;
use crate::{ChainTerms, CommittedState, SegmentProver};

/// One thing in which a protocol differs from the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The protocol as it is.
    Real,
    /// Lookup challenges are drawn together with the projection challenges, before the projections
    /// that the relations carry are committed.
    EarlyLookups,
    /// A state is committed by its root alone.
    BareRoots,
}

/// A small decode: heads 2, d 8, 4 steps on 2 cache entries.
pub struct Case {
    pub prover: SegmentProver,
    pub layout: SegmentLayout,
    pub rules: DecodeRules,
    pub inputs: SegmentInputs,
}

/// Fixed pseudorandom values in `-limit..=limit`.
pub fn values(seed: u64, len: usize, limit: i16) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let span = 2 * u64::try_from(limit).unwrap() + 1;
        i16::try_from(state % span).unwrap() - limit
    };
    (0..len).map(|_| next()).collect()
}

impl Case {
    pub fn new(level: SecurityLevel) -> Self {
        let (heads, dim, prefix, steps) = (2_u32, 8_u32, 2_u32, 4_u32);
        let shape = AttentionShape::new(
            QueryHeads::new(heads).unwrap(),
            KvHeads::new(heads).unwrap(),
            HeadDim::new(dim).unwrap(),
        )
        .unwrap();
        let rules = DecodeRules {
            table: WeightTable::exp256_default(),
            rounding: Rounding::NearestTiesUp,
            score_step: ScoreStep::new(61).unwrap(),
            value_bits: ValueBits::DEFAULT,
        };
        let terms = ChainTerms::attention(
            VerifierDomain::new("attack", [7; 16]).unwrap(),
            Security::new(level, Default::default()).unwrap(),
            QuantizationPolicy::new(rules.value_bits, rules.score_step, None),
            rules.rounding,
            SegmentShape::new(
                shape,
                CacheCapacity::new(prefix + steps).unwrap(),
                SegmentSteps::new(steps).unwrap(),
            )
            .unwrap(),
            rules.table.clone(),
        );
        let len = (heads * steps * dim) as usize;
        let inputs = SegmentInputs::new(
            shape,
            rules.value_bits,
            StepRange::new(prefix, steps).unwrap(),
            values(1, len, 30),
            values(2, len, 127),
            values(3, len, 127),
        )
        .unwrap();
        let layout = terms.layout(steps as usize).unwrap();
        let prover = SegmentProver::new(terms).unwrap();
        Self {
            prover,
            layout,
            rules,
            inputs,
        }
    }

    /// A cache of two entries; different seeds give different caches.
    pub fn prefix(&self, seed: u64) -> KvCache {
        let shape = self.inputs.shape();
        let len = shape.kv_heads() * 2 * shape.head_dim();
        let (k, v) = (values(seed, len, 127), values(seed + 1, len, 127));
        KvCache::from_tensors(shape, 2, &k, &v).unwrap()
    }

    /// Runs the reference.
    pub fn execute(&self, cache: &KvCache) -> (SegmentExecution, KvCache) {
        execute_segment(cache, &self.inputs, &self.rules).unwrap()
    }

    /// The policy that accepts a chain of this one segment.
    pub fn policy(&self, statement: &SegmentStatement) -> AcceptancePolicy {
        let steps = statement.steps().steps();
        let boundary = statement.boundary().kind();
        let circuits = self.prover.circuits(boundary, steps).unwrap();
        let chain = ChainAccumulator::start(statement).finish();
        AcceptancePolicy::accepting(&chain, vec![], circuits).unwrap()
    }
}

/// A witness on its way to a proof. The trees of the states may be any trees.
pub struct Attempt<'a> {
    pub case: &'a Case,
    pub statement: &'a SegmentStatement,
    pub public_values: &'a AttentionValues,
    pub witness: &'a SegmentWitness,
    pub before: &'a ProverTree,
    pub after: &'a ProverTree,
}

/// What a forger may do to the projections, knowing what it knows at that point.
pub type Forge<'a> = &'a dyn Fn(&mut Projections, &LookupChallenges);

impl Attempt<'_> {
    /// Proves by a variant of the protocol. `forge` sees the lookup challenges that the prover has
    /// when it commits the projections: the real ones with [`Variant::EarlyLookups`], a guess
    /// otherwise. `None` if the library's own check already fails.
    pub fn prove(
        &self,
        variant: Variant,
        forge: Forge<'_>,
        cancel_sums: bool,
    ) -> Option<SegmentProof> {
        let layout = &self.case.layout;
        let prover = &self.case.prover;
        let structure = ProofStructure::new(layout, self.statement.security());
        let entries_before = self.statement.steps().entries_before();
        let preprocessed = prover.preprocessed(ProofPart::Fused, layout);
        let mut scheme = CommitmentSchemeProver::<SimdBackend, ProofChannel>::new(
            structure.pcs_config(),
            prover.twiddles(),
        );
        scheme.set_store_polynomials_coefficients();
        let mut transcript = transcript::begin(self.statement, &structure);
        for tree in [&*preprocessed, self.before, self.after] {
            scheme.commit_tree(MaybeOwned::Borrowed(tree), transcript.channel());
        }
        let mut tree = scheme.tree_builder();
        tree.extend_evals(
            self.witness
                .witness_tree()
                .map(|c| to_evaluation(c))
                .collect(),
        );
        tree.commit(transcript.channel());
        let (projection, early) = draw(variant, &mut transcript);
        let guess = early
            .clone()
            .unwrap_or_else(|| transcript.clone().draw_lookup());
        let mut projections = project(layout, entries_before, self.witness, projection);
        forge(&mut projections, &guess);
        let mut tree = scheme.tree_builder();
        tree.extend_evals(
            projections
                .columns()
                .iter()
                .map(|c| to_evaluation(c))
                .collect(),
        );
        tree.commit(transcript.channel());
        let lookup = early.unwrap_or_else(|| transcript.draw_lookup());
        let point = |tree: &ProverTree| fingerprint_point(tree.commitment.root());
        let mut context = SegmentContext {
            entries_before,
            challenges: Challenges { projection, lookup },
            claimed_sums: vec![QM31::zero(); SegmentComponents::count(layout)],
            fingerprint_points: [point(self.before), point(self.after)],
            boundary_point: CirclePoint::zero(),
            model_point: CirclePoint::zero(),
            public: Arc::new(public_columns(layout, self.public_values)),
        };
        let components = SegmentComponents::new(layout, &context);
        let (columns, mut sums) = lookups_tree(&components, self.witness, &projections);
        if cancel_sums {
            let total = sums.iter().fold(QM31::zero(), |total, sum| total + *sum);
            sums[1] -= total;
        }
        transcript.claim_sums(&sums);
        context.claimed_sums = sums;
        let mut tree = scheme.tree_builder();
        tree.extend_evals(columns);
        tree.commit(transcript.channel());
        let mut components = SegmentComponents::new(layout, &context);
        components
            .vectors
            .extend_public_columns(prover.twiddles(), prover.log_blowup());
        let mut provers: Vec<&dyn ComponentProver<SimdBackend>> = vec![
            &components.vectors,
            &components.candidates,
            &components.state,
        ];
        provers.extend(
            components
                .tables
                .iter()
                .map(|table| table as &dyn ComponentProver<_>),
        );
        let stark = prove(&provers, transcript.channel(), scheme).ok()?;
        Some(SegmentProof {
            claimed_sums: context.claimed_sums,
            stark: stark.0,
        })
    }

    /// The proof as a segment file.
    pub fn file(&self, proof: &SegmentProof) -> SegmentFile {
        let structure = ProofStructure::new(&self.case.layout, self.statement.security());
        let bytes = proof.encode(&structure).unwrap();
        SegmentFile::new(
            self.statement.clone(),
            self.public_values.clone().into(),
            bytes,
        )
    }

    /// Verifies by a variant of the protocol.
    pub fn verify(&self, variant: Variant, proof: SegmentProof) -> Result<(), String> {
        let layout = &self.case.layout;
        let structure = ProofStructure::new(layout, self.statement.security());
        let roots = proof.stark.commitments.clone();
        let place = |tree| structure.place(tree);
        let steps = self.statement.steps();
        for (tree, entries, expected) in [
            (
                Tree::StateBefore,
                steps.entries_before(),
                self.statement.state_before(),
            ),
            (
                Tree::StateAfter,
                steps.entries_after(),
                self.statement.state_after(),
            ),
        ] {
            let samples = &proof.stark.sampled_values[place(tree)];
            let fingerprint = match variant {
                Variant::BareRoots => vec![],
                _ => samples.iter().map(|column| column[0]).collect(),
            };
            let opening = Opening {
                root: roots[place(tree)],
                fingerprint,
            };
            let shape = self.statement.shape();
            let height = structure.lifting_log_size();
            if opening.state_commitment(&shape, entries as u64, height) != expected {
                return Err("state".to_owned());
            }
        }
        let total = proof
            .claimed_sums
            .iter()
            .fold(QM31::zero(), |sum, x| sum + *x);
        if !total.is_zero() {
            return Err("lookup sums".to_owned());
        }
        let mut scheme = CommitmentSchemeVerifier::<ProofChannel>::new(structure.pcs_config());
        let mut transcript = transcript::begin(self.statement, &structure);
        let mut commit = |tree: Tree, transcript: &mut Transcript| {
            let index = place(tree);
            let sizes = &structure.column_log_sizes()[index];
            scheme.commit(roots[index], sizes, transcript.channel());
        };
        for tree in &TreeOrder::of(ProofPart::Fused).all()[..4] {
            commit(*tree, &mut transcript);
        }
        let (projection, early) = draw(variant, &mut transcript);
        commit(Tree::Projections, &mut transcript);
        let lookup = early.unwrap_or_else(|| transcript.draw_lookup());
        transcript.claim_sums(&proof.claimed_sums);
        commit(Tree::Lookups, &mut transcript);
        let point = |tree: Tree| fingerprint_point(roots[place(tree)]);
        let context = SegmentContext {
            entries_before: steps.entries_before(),
            challenges: Challenges { projection, lookup },
            claimed_sums: proof.claimed_sums,
            fingerprint_points: [point(Tree::StateBefore), point(Tree::StateAfter)],
            boundary_point: CirclePoint::zero(),
            model_point: CirclePoint::zero(),
            public: Arc::new(public_columns(layout, self.public_values)),
        };
        let components = SegmentComponents::new(layout, &context);
        let stark = StarkProof::<MerkleHasher>(proof.stark);
        verify(
            &components.components(),
            transcript.channel(),
            &mut scheme,
            stark,
        )
        .map_err(|error| error.to_string())
    }
}

fn draw(
    variant: Variant,
    transcript: &mut Transcript,
) -> (ProjectionChallenges, Option<LookupChallenges>) {
    let projection = transcript.draw_projection();
    let early = (variant == Variant::EarlyLookups).then(|| transcript.draw_lookup());
    (projection, early)
}

/// An honest witness and everything that goes with it.
pub struct Honest {
    pub statement: SegmentStatement,
    pub public_values: AttentionValues,
    pub witness: SegmentWitness,
    pub execution: SegmentExecution,
    pub before: CommittedState,
    pub after: CommittedState,
}

impl Honest {
    pub fn new(case: &Case, prefix: KvCache) -> Self {
        let (execution, after) = case.execute(&prefix);
        let before = case.prover.state(prefix).unwrap();
        let after = case.prover.state(after).unwrap();
        let input = crate::SegmentInput {
            execution: &execution,
            before: &before,
            after: &after,
            boundary: Boundary::Fused,
        };
        let public_values = crate::public_values(case.prover.terms(), &execution).unwrap();
        let statement = case
            .prover
            .statement(&input, &public_values, SegmentBoundary::Fused)
            .unwrap();
        let witness = case.prover.witness(&input).unwrap();
        Self {
            statement,
            public_values,
            witness,
            execution,
            before,
            after,
        }
    }

    pub fn attempt<'a>(&'a self, case: &'a Case) -> Attempt<'a> {
        Attempt {
            case,
            statement: &self.statement,
            public_values: &self.public_values,
            witness: &self.witness,
            before: self.before.tree(),
            after: self.after.tree(),
        }
    }
}
