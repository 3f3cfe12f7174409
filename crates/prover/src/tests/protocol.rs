//! Variants of the protocol: sides of the one driver that differ from the real ones in one thing.
use std::sync::Arc;

use matchmark_air::challenges::{Challenges, LookupChallenges, RlcChallenges};
use matchmark_air::circuit::{Circuit, CircuitContext};
use matchmark_air::column::Evaluation;
use matchmark_air::fingerprint::{fingerprint_point, Opening, PortContent};
use matchmark_air::hash::{MerkleHasher, ProofChannel};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::ops::attention::vectors::entries::public_columns;
use matchmark_air::points::PortPoints;
use matchmark_air::protocol::{self, Side, Transcript};
use matchmark_air::trees::Tree;
use matchmark_air::witness::{PartTrace, SegmentWitness};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
    ScoreStep, SegmentSteps, StepRange, ValueBits,
};
use matchmark_runtime::{execute_segment, DecodeRules, KvCache, SegmentExecution, SegmentInputs};
use matchmark_statement::{
    AcceptancePolicy, AttentionValues, ChainStatement, Cut, ProofPart, Security, SecurityLevel,
    SegmentCut, SegmentShape, SegmentStatement, VerifierDomain,
};
use matchmark_tables::WeightTable;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::transcript;
use matchmark_verifier::{SegmentFile, SegmentProof};
use num_traits::Zero;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::CommitmentSchemeVerifier;
use stwo::core::proof::StarkProof;
use stwo::core::verifier::verify;

use crate::part::{prove_part, PartInput, ProverTree, Strategy};
use crate::{ChainTerms, CommittedState, ProveError, SegmentProver};

/// One thing in which a protocol differs from the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The protocol as it is.
    Real,
    /// Lookup challenges are drawn together with the RLC challenges, before the random linear combinations
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
        let cut = statement.cut().kind();
        let circuits = self.prover.circuits(cut, steps).unwrap();
        let chain = ChainStatement::of([statement]).unwrap();
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

/// What a forger may do to the random linear combinations, knowing what it knows at that point.
pub type Forge<'a> = &'a dyn Fn(&mut PartTrace, &LookupChallenges);

/// A forger in a variant of the protocol.
struct Forger<'a> {
    attempt: &'a Attempt<'a>,
    variant: Variant,
    forge: Forge<'a>,
    cancel_sums: bool,
    /// Lookup challenges that were drawn too early.
    early: Option<LookupChallenges>,
}

impl Strategy for Forger<'_> {
    fn trace(&self) -> &PartTrace {
        &self.attempt.witness.main
    }

    fn draw_rlc(&mut self, transcript: &mut Transcript) -> RlcChallenges {
        let rlc = transcript.draw_rlc();
        self.early = (self.variant == Variant::EarlyLookups).then(|| transcript.draw_lookup());
        rlc
    }

    fn draw_lookup(&mut self, transcript: &mut Transcript) -> LookupChallenges {
        let early = self.early.take();
        early.unwrap_or_else(|| transcript.draw_lookup())
    }

    fn combine(&mut self, challenges: &RlcChallenges) -> PartTrace {
        let Attempt { case, witness, .. } = self.attempt;
        let mut trace = witness.combine(&case.layout, *challenges);
        let guess = LookupChallenges::structural();
        (self.forge)(&mut trace, self.early.as_ref().unwrap_or(&guess));
        trace
    }

    fn claim(&mut self, _: &Circuit, _: &mut [Evaluation], sums: &mut [QM31]) {
        if self.cancel_sums {
            let total = sums.iter().fold(QM31::zero(), |total, sum| total + *sum);
            sums[1] -= total;
        }
    }
}

impl Attempt<'_> {
    /// Proves by a variant of the protocol. `forge` sees the lookup challenges that the prover has
    /// when it commits the random linear combinations: the real ones with [`Variant::EarlyLookups`], a guess
    /// otherwise. `None` if the library's own check already fails.
    pub fn prove(
        &self,
        variant: Variant,
        forge: Forge<'_>,
        cancel_sums: bool,
    ) -> Option<SegmentProof> {
        let layout = &self.case.layout;
        let prover = &self.case.prover;
        let structure = ProofStructure::new(layout, self.statement.security()).unwrap();
        let preprocessed = prover.preprocessed(ProofPart::Whole, layout);
        let input = PartInput {
            layout,
            structure: &structure,
            entries_before: self.statement.steps().entries_before(),
            trees: vec![
                (Tree::Preprocessed, &*preprocessed),
                (Tree::StateBefore, self.before),
                (Tree::StateAfter, self.after),
            ],
            public: Arc::new(public_columns(layout, self.public_values)),
            twiddles: prover.twiddles(),
        };
        let mut forger = Forger {
            attempt: self,
            variant,
            forge,
            cancel_sums,
            early: None,
        };
        let transcript = transcript::begin(self.statement, &structure);
        match prove_part(&input, transcript, &mut forger) {
            Ok(proof) => Some(proof),
            Err(ProveError::ConstraintsNotSatisfied) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The proof as a segment file.
    pub fn file(&self, proof: &SegmentProof) -> SegmentFile {
        let structure = ProofStructure::new(&self.case.layout, self.statement.security()).unwrap();
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
        let structure = ProofStructure::new(layout, self.statement.security()).unwrap();
        let mut transcript = transcript::begin(self.statement, &structure);
        transcript.supply(&proof.nonces);
        let mut side = VariantVerifier {
            attempt: self,
            variant,
            structure: &structure,
            scheme: CommitmentSchemeVerifier::new(structure.pcs_config()),
            proof,
            early: None,
        };
        let claimed = protocol::run(structure.order(), &mut transcript, &mut side)?;
        let VariantVerifier {
            mut scheme, proof, ..
        } = side;
        let ports = structure.trees().iter().filter(|tree| tree.is_port());
        let point = |tree: &Tree| {
            let root = proof.stark.commitments[structure.place(*tree)];
            (*tree, fingerprint_point(root))
        };
        let context = CircuitContext {
            entries_before: self.statement.steps().entries_before(),
            challenges: claimed.challenges,
            claimed_sums: claimed.claimed_sums,
            points: PortPoints::new(ports.map(point).collect()),
            public: Arc::new(public_columns(layout, self.public_values)),
        };
        let circuit = Circuit::new(layout, ProofPart::Whole, &context);
        let stark = StarkProof::<MerkleHasher>(proof.stark);
        verify(
            &circuit.components(),
            transcript.hand_over(),
            &mut scheme,
            stark,
        )
        .map_err(|error| error.to_string())?;
        let finished = transcript.finish();
        finished.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// The verifier of a variant of the protocol.
struct VariantVerifier<'a> {
    attempt: &'a Attempt<'a>,
    variant: Variant,
    structure: &'a ProofStructure,
    scheme: CommitmentSchemeVerifier<ProofChannel>,
    proof: SegmentProof,
    early: Option<LookupChallenges>,
}

impl Side for VariantVerifier<'_> {
    type Error = String;

    fn commit(&mut self, tree: Tree, transcript: &mut Transcript) -> Result<(), String> {
        let place = self.structure.place(tree);
        let root = self.proof.stark.commitments[place];
        let statement = self.attempt.statement;
        if let Some(port) = tree.port() {
            let samples = &self.proof.stark.sampled_values[place];
            let fingerprint = match self.variant {
                Variant::BareRoots => vec![],
                _ => samples.iter().map(|column| column[0]).collect(),
            };
            let opening = Opening { root, fingerprint };
            let height = self.structure.lifting_log_size();
            let content = PortContent::of(statement, &self.attempt.case.layout, port).unwrap();
            if Some(opening.commitment(&content, height)) != statement.port(port) {
                return Err(port.to_string());
            }
        }
        let sizes = &self.structure.column_log_sizes()[place];
        self.scheme.commit(root, sizes, transcript.channel());
        Ok(())
    }

    fn claim(&mut self, _challenges: &Challenges) -> Result<Vec<QM31>, String> {
        let sums = &self.proof.claimed_sums;
        let total = sums.iter().fold(QM31::zero(), |sum, x| sum + *x);
        if !total.is_zero() {
            return Err("lookup sums".to_owned());
        }
        Ok(sums.clone())
    }

    fn draw_rlc(&mut self, transcript: &mut Transcript) -> RlcChallenges {
        let rlc = transcript.draw_rlc();
        self.early = (self.variant == Variant::EarlyLookups).then(|| transcript.draw_lookup());
        rlc
    }

    fn draw_lookup(&mut self, transcript: &mut Transcript) -> LookupChallenges {
        let early = self.early.take();
        early.unwrap_or_else(|| transcript.draw_lookup())
    }
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
            cut: Cut::Fused,
        };
        let public_values = crate::public_values(case.prover.terms(), &execution).unwrap();
        let statement = case
            .prover
            .statement(&input, &public_values, SegmentCut::Fused)
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
