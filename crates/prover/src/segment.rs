//! Proving of one segment, in the order of the transcript.
use std::sync::Arc;

use matchmark_air::challenges::Challenges;
use matchmark_air::components::candidates::witness::boundary_columns;
use matchmark_air::decoder::segment::DecoderComponents;
use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_air::hash::ProofChannel;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::lookup::{LookupComponents, LookupContext};
use matchmark_air::points::check_point;
use matchmark_air::segment::{public_columns, SegmentComponents, SegmentContext};
use matchmark_air::witness::columns::to_evaluation;
use matchmark_air::witness::lookups::{lookups_tree, lookups_tree_of_lookup};
use matchmark_air::witness::projections::project;
use matchmark_air::witness::{Column, LookupWitness, SegmentWitness};
use matchmark_quant::StepRange;
use matchmark_runtime::SegmentExecution;
use matchmark_statement::{
    AttentionValues, Boundary, BoundaryCommitment, LookupStatement, OwnFields, PublicValues,
    SegmentBoundary, SegmentStatement, SegmentStatementParts,
};
use matchmark_verifier::key::ChainTerms;
use matchmark_verifier::sizes::ProofSizes;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::transcript::{self, Transcript};
use matchmark_verifier::{LookupFile, SegmentFile, SegmentProof};
use num_traits::Zero;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;
use stwo::core::utils::MaybeOwned;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::{prove, CommitmentSchemeProver, ComponentProver, ProvingError};
use tracing::info_span;

use crate::committed::CommittedColumns;
use crate::error::ProveError;
use crate::model::CommittedModel;
use crate::setup::SegmentProver;
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
    /// Whether one proof is to show the segment, or two.
    pub boundary: Boundary,
}

/// Sizes of a proven segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMetrics {
    /// Uses of the weight table: candidates of all heads and steps.
    pub lookup_claims: u64,
    /// Rows of all components.
    pub trace_rows: u64,
    /// Cells of all commitment trees but the composition.
    pub committed_cells: u64,
    /// Columns opened at the queries, over all trees.
    pub opened_columns: u64,
    /// Where the bytes of the proofs are: of the fused one, or of the arithmetic and the lookup one.
    pub proofs: Vec<ProofSizes>,
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
) -> Result<AttentionValues, ProveError> {
    Ok(AttentionValues::new(
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
            boundary: _,
        } = input;
        check_entries(execution.steps, before, after)?;
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
        let layout = self.layout(input)?;
        let public = public_columns(&layout, &public_values(self.terms(), execution)?);
        Ok(SegmentWitness::generate(
            &layout,
            execution,
            &public,
            input.before.columns().to_vec(),
            input.after.columns().to_vec(),
            self.terms().weight_table(),
        ))
    }

    /// What [`Self::prove`] would prove: the statement and its public values, without a proof.
    ///
    /// # Errors
    ///
    /// [`ProveError::PublicValues`] or [`ProveError::Statement`] if the execution does not fit these
    /// terms.
    pub fn claim(
        &self,
        input: &SegmentInput<'_>,
    ) -> Result<(SegmentStatement, AttentionValues), ProveError> {
        let values = public_values(self.terms(), input.execution)?;
        let boundary = match input.boundary {
            Boundary::Fused => SegmentBoundary::Fused,
            Boundary::Split => {
                let layout = self.layout(input)?;
                let table = self.terms().weight_table();
                let columns = boundary_columns(&layout, input.execution, table);
                SegmentBoundary::Split(self.boundary(&layout, &columns))
            }
        };
        let statement = self.statement(input, &values, boundary)?;
        Ok((statement, values))
    }

    /// The commitment to the boundary columns of a split segment.
    pub fn boundary(&self, layout: &SegmentLayout, columns: &[Column]) -> BoundaryCommitment {
        let opening = self.commit_with_fingerprint(columns.to_vec()).opening;
        opening.boundary_commitment(layout, self.lifting_log_size())
    }

    fn layout(&self, input: &SegmentInput<'_>) -> Result<SegmentLayout, ProveError> {
        let layout = self.terms().layout(input.execution.steps.steps())?;
        Ok(layout.with_boundary(input.boundary))
    }

    /// The statement of an execution between two caches, with this boundary.
    ///
    /// # Errors
    ///
    /// [`ProveError::Statement`] if the fields do not fit together.
    pub fn statement(
        &self,
        input: &SegmentInput<'_>,
        public_values: &AttentionValues,
        boundary: SegmentBoundary,
    ) -> Result<SegmentStatement, ProveError> {
        let own = OwnFields {
            steps: input.execution.steps,
            public_values: public_values.digest(),
            state_before: input.before.commitment(),
            state_after: input.after.commitment(),
            boundary,
            tokens: None,
        };
        let parts = SegmentStatementParts::of(self.terms().shared().clone(), own);
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
        public_values: impl Into<PublicValues>,
        witness: &SegmentWitness,
        before: &CommittedState,
        after: &CommittedState,
    ) -> Result<ProvenSegment, ProveError> {
        let public_values = public_values.into();
        let layout = SegmentLayout::of(&statement)?;
        let structures = ProofStructure::all(&layout, statement.security());
        let boundary = match layout.boundary() {
            Boundary::Fused => None,
            Boundary::Split => Some(self.commit_with_fingerprint(witness.boundary.clone())),
        };
        let states = [before, after];
        let (main, values) = (&structures[0], &public_values);
        let proof =
            self.prove_main(&statement, values, witness, states, boundary.as_ref(), main)?;
        let mut metrics = metrics(&statement, &structures);
        metrics.proofs.push(proof.sizes(main));
        let lookup = match (boundary, structures.get(1), &witness.lookup) {
            (Some(boundary), Some(structure), Some(witness)) => {
                let statement = LookupStatement::new(statement.clone())?;
                // An honest witness has the same boundary in both proofs. A forged one may not.
                let boundary = if boundary.columns == witness.boundary {
                    boundary
                } else {
                    self.commit_with_fingerprint(witness.boundary.clone())
                };
                let proof =
                    self.prove_lookup(&statement, &layout, witness, &boundary, structure)?;
                metrics.proofs.push(proof.sizes(structure));
                Some(LookupFile::new(statement, proof.encode(structure)?))
            }
            _ => None,
        };
        let proof = proof.encode(main)?;
        let file = SegmentFile::new(statement, public_values, proof).with_lookup(lookup);
        Ok(ProvenSegment { file, metrics })
    }

    /// Proves the arithmetic of a segment, with the table memberships if it is fused.
    fn prove_main(
        &self,
        statement: &SegmentStatement,
        public_values: &PublicValues,
        witness: &SegmentWitness,
        [before, after]: [&CommittedState; 2],
        boundary: Option<&CommittedColumns>,
        structure: &ProofStructure,
    ) -> Result<SegmentProof, ProveError> {
        let layout = SegmentLayout::of(statement)?;
        let entries_before = statement.steps().entries_before();
        let preprocessed = self.preprocessed(structure.part(), &layout);
        let mut scheme = self.scheme(structure);
        let mut transcript = transcript::begin(statement, structure);
        let model = self.model();
        let fixed = core::iter::once(&*preprocessed)
            .chain(model.map(CommittedModel::tree))
            .chain([before.tree(), after.tree()])
            .chain(boundary.map(|it| &it.tree));
        for tree in fixed {
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
        // The library panics where a fingerprint cannot be opened. (Its own out-of-domain point it draws
        // behind all commitments, and whoever proves cannot be made to meet a bad one.)
        let point = |opening: &Opening| check_point(fingerprint_point(opening.root));
        let none = || Ok(CirclePoint::zero());
        let mut context = SegmentContext {
            entries_before,
            challenges: Challenges { projection, lookup },
            claimed_sums: vec![QM31::zero(); SegmentComponents::count(&layout)],
            fingerprint_points: [point(before.opening())?, point(after.opening())?],
            boundary_point: boundary.map_or_else(none, |it| point(&it.opening))?,
            model_point: model.map_or_else(none, |it| point(it.opening()))?,
            public: match public_values {
                PublicValues::Attention(values) => Arc::new(public_columns(&layout, values)),
                // A decoder has no public columns.
                PublicValues::Tokens(_) => SegmentContext::structural(&layout).public,
            },
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
        .chain(
            components
                .decoder
                .iter()
                .flat_map(DecoderComponents::provers),
        )
        .chain(components.tables.iter().map(|table| table as _))
        .collect();
        finish(&provers, &mut transcript, scheme, context.claimed_sums)
    }

    /// Proves the table memberships of a split segment.
    fn prove_lookup(
        &self,
        statement: &LookupStatement,
        layout: &SegmentLayout,
        witness: &LookupWitness,
        boundary: &CommittedColumns,
        structure: &ProofStructure,
    ) -> Result<SegmentProof, ProveError> {
        let preprocessed = self.preprocessed(structure.part(), layout);
        let mut scheme = self.scheme(structure);
        let mut transcript = transcript::begin_lookup(statement, structure);
        for tree in [&*preprocessed, &boundary.tree] {
            scheme.commit_tree(MaybeOwned::Borrowed(tree), transcript.channel());
        }
        let mut tree = scheme.tree_builder();
        tree.extend_evals(vec![to_evaluation(&witness.uses)]);
        tree.commit(transcript.channel());
        let mut context = LookupContext {
            challenges: transcript.draw_lookup(),
            boundary_point: check_point(fingerprint_point(boundary.opening.root))?,
            ..LookupContext::structural()
        };
        let components = LookupComponents::new(layout, &context);
        let (columns, claimed_sums) = lookups_tree_of_lookup(&components, witness);
        transcript.claim_sums(&claimed_sums);
        context.claimed_sums = claimed_sums;
        let mut tree = scheme.tree_builder();
        tree.extend_evals(columns);
        tree.commit(transcript.channel());
        let components = LookupComponents::new(layout, &context);
        let provers: [&dyn ComponentProver<SimdBackend>; 2] =
            [&components.membership, &components.table];
        finish(&provers, &mut transcript, scheme, claimed_sums.to_vec())
    }

    fn scheme(
        &self,
        structure: &ProofStructure,
    ) -> CommitmentSchemeProver<'_, SimdBackend, ProofChannel> {
        let mut scheme = CommitmentSchemeProver::new(structure.pcs_config(), self.twiddles());
        scheme.set_store_polynomials_coefficients();
        scheme
    }
}

/// The caches stand where the steps begin and end.
pub(crate) fn check_entries(
    steps: StepRange,
    before: &CommittedState,
    after: &CommittedState,
) -> Result<(), ProveError> {
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
    Ok(())
}

/// Hands a committed trace to the library.
fn finish(
    components: &[&dyn ComponentProver<SimdBackend>],
    transcript: &mut Transcript,
    scheme: CommitmentSchemeProver<'_, SimdBackend, ProofChannel>,
    claimed_sums: Vec<QM31>,
) -> Result<SegmentProof, ProveError> {
    let stark = info_span!("stark")
        .in_scope(|| prove(components, transcript.channel(), scheme))
        .map_err(|error| match error {
            ProvingError::ConstraintsNotSatisfied => ProveError::ConstraintsNotSatisfied,
        })?;
    Ok(SegmentProof {
        claimed_sums,
        stark: stark.0,
    })
}

fn metrics(statement: &SegmentStatement, structures: &[ProofStructure]) -> SegmentMetrics {
    let sizes = SegmentSizes::new(structures);
    SegmentMetrics {
        lookup_claims: statement
            .steps()
            .lookup_claims(&statement.shape().attention()),
        trace_rows: sizes.trace_rows,
        committed_cells: sizes.committed_cells,
        opened_columns: sizes.opened_columns,
        proofs: vec![],
    }
}
