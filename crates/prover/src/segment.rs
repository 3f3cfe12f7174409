//! Proving of one segment, in the order of the transcript.
use std::sync::Arc;

use matchmark_air::challenges::Challenges;
use matchmark_air::hash::ProofChannel;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::segment::{public_columns, SegmentComponents, SegmentContext};
use matchmark_air::state::fingerprint_point;
use matchmark_air::witness::columns::to_evaluation;
use matchmark_air::witness::lookups::lookups_tree;
use matchmark_air::witness::projections::project;
use matchmark_air::witness::SegmentWitness;
use matchmark_runtime::SegmentExecution;
use matchmark_statement::{OwnFields, PublicValues, SegmentStatement, SegmentStatementParts};
use matchmark_verifier::proof::ProofBytes;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{transcript, SegmentFile, SegmentProof};
use num_traits::Zero;
use stwo::core::fields::qm31::QM31;
use stwo::core::utils::MaybeOwned;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::{prove, CommitmentSchemeProver, ComponentProver, ProvingError};
use tracing::info_span;

use crate::error::ProveError;
use crate::setup::{ChainTerms, SegmentProver};
use crate::sizes::SegmentSizes;
use crate::state::CommittedState;

/// The steps of a segment and the caches around them.
pub struct SegmentInput<'a> {
    /// What the reference computed.
    pub execution: &'a SegmentExecution,
    /// The cache before the first step.
    pub before: &'a CommittedState,
    /// The cache after the last step.
    pub after: &'a CommittedState,
}

/// Sizes of a proven segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentMetrics {
    /// Uses of the weight table: candidates of all heads and steps.
    pub lookup_claims: u64,
    /// Rows of all components.
    pub trace_rows: u64,
    /// Cells of all commitment trees but the composition.
    pub committed_cells: u64,
    /// Columns opened at the queries, over all trees.
    pub opened_columns: u64,
    /// Where the bytes of the proof are.
    pub proof_bytes: ProofBytes,
}

/// A proven segment.
#[derive(Debug)]
pub struct ProvenSegment {
    /// Statement, public values and proof.
    pub file: SegmentFile,
    /// Sizes.
    pub metrics: SegmentMetrics,
}

/// The public values of an execution.
///
/// # Errors
///
/// [`ProveError::PublicValues`] if they do not fit the terms.
pub fn public_values(
    terms: &ChainTerms,
    execution: &SegmentExecution,
) -> Result<PublicValues, ProveError> {
    Ok(PublicValues::new(
        execution.shape,
        terms.quantization.value_bits(),
        execution.steps.steps(),
        execution.q.clone(),
        execution.k.clone(),
        execution.v.clone(),
        execution.out.clone(),
    )?)
}

impl SegmentProver {
    /// Proves the steps between two committed caches.
    ///
    /// # Errors
    ///
    /// [`ProveError::StateEntries`] if the caches do not fit the steps;
    /// [`ProveError::ConstraintsNotSatisfied`] if the execution is not one of the terms' semantics.
    pub fn prove(&self, input: &SegmentInput<'_>) -> Result<ProvenSegment, ProveError> {
        let SegmentInput {
            execution,
            before,
            after,
        } = input;
        let steps = execution.steps;
        for (which, expected, state) in [
            ("first", steps.entries_before(), before),
            ("last", steps.entries_after(), after),
        ] {
            let got = state.cache().entries();
            if got != expected {
                return Err(ProveError::StateEntries {
                    which,
                    expected,
                    got,
                });
            }
        }
        let (statement, public_values) = self.claim(input)?;
        let witness = info_span!("witness").in_scope(|| self.witness(input))?;
        self.prove_witness(statement, public_values, &witness, before, after)
    }

    /// The witness of an execution between two caches: what [`Self::prove`] proves, and what the mock
    /// checker takes.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`] or [`ProveError::PublicValues`] if the execution does not fit the terms.
    pub fn witness(&self, input: &SegmentInput<'_>) -> Result<SegmentWitness, ProveError> {
        let execution = input.execution;
        let layout = self.terms().layout(execution.steps.steps())?;
        let public = public_columns(&layout, &public_values(self.terms(), execution)?);
        Ok(SegmentWitness::generate(
            &layout,
            execution,
            &public,
            input.before.columns.clone(),
            input.after.columns.clone(),
            &self.terms().table,
        ))
    }

    /// What [`Self::prove`] would prove: the statement and its public values, without a proof.
    ///
    /// # Errors
    ///
    /// [`ProveError::PublicValues`] or [`ProveError::Statement`] if the execution is none of these
    /// terms.
    pub fn claim(
        &self,
        input: &SegmentInput<'_>,
    ) -> Result<(SegmentStatement, PublicValues), ProveError> {
        let values = public_values(self.terms(), input.execution)?;
        let statement = self.statement(input.execution, input.before, input.after, &values)?;
        Ok((statement, values))
    }

    /// The statement of an execution between two caches.
    ///
    /// # Errors
    ///
    /// [`ProveError::Statement`] if the fields do not fit together.
    pub fn statement(
        &self,
        execution: &SegmentExecution,
        before: &CommittedState,
        after: &CommittedState,
        public_values: &PublicValues,
    ) -> Result<SegmentStatement, ProveError> {
        let own = OwnFields {
            steps: execution.steps,
            public_values: public_values.digest(),
            state_before: before.commitment(),
            state_after: after.commitment(),
        };
        let parts = SegmentStatementParts::of(self.terms().shared(), own);
        Ok(SegmentStatement::new(parts)?)
    }

    /// Proves a given witness for a given statement, whether or not one follows from the other: the
    /// interface through which tests offer forged witnesses.
    ///
    /// # Errors
    ///
    /// [`ProveError::ConstraintsNotSatisfied`] if a constraint does not hold. An unbalanced relation
    /// is not noticed here, but by the verifier.
    pub fn prove_witness(
        &self,
        statement: SegmentStatement,
        public_values: PublicValues,
        witness: &SegmentWitness,
        before: &CommittedState,
        after: &CommittedState,
    ) -> Result<ProvenSegment, ProveError> {
        let layout = SegmentLayout::of(&statement)?;
        let structure = ProofStructure::new(&layout, statement.security());
        let entries_before = statement.steps().entries_before();
        let preprocessed = self.preprocessed(&layout);
        let mut scheme = CommitmentSchemeProver::<SimdBackend, ProofChannel>::new(
            structure.pcs_config(),
            self.twiddles(),
        );
        scheme.set_store_polynomials_coefficients();
        let mut transcript = transcript::begin(&statement, &structure);
        for tree in [&*preprocessed, &before.tree, &after.tree] {
            scheme.commit_tree(MaybeOwned::Borrowed(tree), transcript.channel());
        }
        info_span!("commit witness").in_scope(|| {
            let mut tree = scheme.tree_builder();
            tree.extend_evals(witness.witness_tree().map(|c| to_evaluation(c)).collect());
            tree.commit(transcript.channel());
        });
        let projection = transcript.draw_projection();
        let projections = info_span!("commit projections").in_scope(|| {
            let projections = project(&layout, entries_before, witness, projection);
            let mut tree = scheme.tree_builder();
            let columns = projections.columns();
            tree.extend_evals(columns.iter().map(|c| to_evaluation(c)).collect());
            tree.commit(transcript.channel());
            projections
        });
        let lookup = transcript.draw_lookup();
        let point = |state: &CommittedState| fingerprint_point(state.opening().root);
        let mut context = SegmentContext {
            entries_before,
            challenges: Challenges { projection, lookup },
            claimed_sums: vec![QM31::zero(); SegmentComponents::count(&layout)],
            fingerprint_points: [point(before), point(after)],
            public: Arc::new(public_columns(&layout, &public_values)),
        };
        info_span!("commit lookups").in_scope(|| {
            // The sums are not known yet, and the tuples do not depend on them.
            let components = SegmentComponents::new(&layout, &context);
            let (columns, claimed_sums) = lookups_tree(&components, witness, &projections);
            transcript.claim_sums(&claimed_sums);
            context.claimed_sums = claimed_sums;
            let mut tree = scheme.tree_builder();
            tree.extend_evals(columns);
            tree.commit(transcript.channel());
        });
        let mut components = SegmentComponents::new(&layout, &context);
        components
            .vectors
            .extend_public_columns(self.twiddles(), self.log_blowup());
        let provers: Vec<&dyn ComponentProver<SimdBackend>> = [
            &components.vectors as &dyn ComponentProver<SimdBackend>,
            &components.candidates,
            &components.state,
        ]
        .into_iter()
        .chain(components.tables.iter().map(|table| table as _))
        .collect();
        let stark = info_span!("stark")
            .in_scope(|| prove(&provers, transcript.channel(), scheme))
            .map_err(|error| match error {
                ProvingError::ConstraintsNotSatisfied => ProveError::ConstraintsNotSatisfied,
            })?;
        let proof = SegmentProof {
            claimed_sums: context.claimed_sums,
            stark: stark.0,
        };
        let metrics = metrics(&layout, &statement, &structure, &proof);
        let file = SegmentFile::new(statement, public_values, proof.encode(&structure)?);
        Ok(ProvenSegment { file, metrics })
    }
}

fn metrics(
    layout: &SegmentLayout,
    statement: &SegmentStatement,
    structure: &ProofStructure,
    proof: &SegmentProof,
) -> SegmentMetrics {
    let sizes = SegmentSizes::new(layout, structure);
    SegmentMetrics {
        lookup_claims: statement.steps().lookup_claims(&layout.shape().attention()),
        trace_rows: sizes.trace_rows,
        committed_cells: sizes.committed_cells,
        opened_columns: sizes.opened_columns,
        proof_bytes: proof.bytes_by_part(),
    }
}
