//! Models: the terms of a decoder's chain, its committed weights, and the proof of a segment.
use std::sync::Arc;

use matchmark_air::components::vectors::entries::entry_columns;
use matchmark_air::fingerprint::PortContent;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, DecoderExecution, Execution, SegmentWitness};
use matchmark_model::{IntegerModel, ModelExecution};
use matchmark_statement::{
    ModelId, OwnFields, PortCommitment, SegmentBoundary, SegmentStatement, SegmentStatementParts,
    TokenCut, TokenId, TokenValues,
};
use matchmark_verifier::key::ModelOutline;

use crate::committed::CommittedColumns;
use crate::error::ProveError;
use crate::part::ProverTree;
use crate::segment::ProvenSegment;
use crate::setup::SegmentProver;
use crate::state::CommittedState;

/// What the terms of a chain say of this model, but for its committed weights.
pub fn model_outline(model: &IntegerModel) -> ModelOutline {
    ModelOutline {
        identity: ModelId::from_bytes(*model.identity().as_bytes()),
        shape: *model.shape(),
        arithmetic: *model.arithmetic(),
        table: model.tables().weights.clone(),
    }
}

/// Weights and tables of a model in their commitment tree, shared by all proofs of a chain.
pub struct CommittedModel {
    model: Arc<IntegerModel>,
    tree: ProverTree,
    columns: Vec<Column>,
    commitment: PortCommitment,
}

impl CommittedModel {
    /// The commitment that statements and keys carry.
    pub fn commitment(&self) -> PortCommitment {
        self.commitment
    }

    /// The model.
    pub fn model(&self) -> &Arc<IntegerModel> {
        &self.model
    }

    pub(crate) fn tree(&self) -> &ProverTree {
        &self.tree
    }
}

/// The tokens of a segment and the caches around them.
pub struct ModelInput<'a> {
    /// What the model computed.
    pub execution: &'a ModelExecution,
    /// The cache before the first token.
    pub before: &'a CommittedState,
    /// The cache after the last token.
    pub after: &'a CommittedState,
}

impl SegmentProver {
    /// Commits the columns of a model in a tree of the chain's height.
    pub(crate) fn commit_model(
        &self,
        model: Arc<IntegerModel>,
        columns: Vec<Column>,
    ) -> CommittedModel {
        let CommittedColumns {
            tree,
            columns,
            opening,
        } = self.commit_with_fingerprint(columns);
        let outline = model_outline(&model);
        let content = PortContent::Model {
            shape: &outline.shape,
            arithmetic: &outline.arithmetic,
            table: outline.table.id(),
        };
        let commitment = opening.commitment(&content, self.lifting_log_size());
        CommittedModel {
            model,
            tree,
            columns,
            commitment,
        }
    }

    /// What [`Self::prove_model`] would prove: the statement and its tokens, without a proof.
    ///
    /// # Errors
    ///
    /// [`ProveError::NoModel`] if the chain is not a decoder's, [`ProveError::PublicValues`] or
    /// [`ProveError::Statement`] if the execution does not fit the terms.
    pub fn claim_model(
        &self,
        input: &ModelInput<'_>,
    ) -> Result<(SegmentStatement, TokenValues), ProveError> {
        let decoder = self.terms().decoder.ok_or(ProveError::NoModel)?;
        let execution = input.execution;
        let tokens = |tokens: &[u32]| tokens.iter().copied().map(TokenId::new).collect::<Vec<_>>();
        let (consumed, chosen) = (tokens(&execution.tokens), tokens(&execution.choices));
        let cut = consumed.first().zip(chosen.last());
        let own_tokens = cut.map(|(first, next)| TokenCut {
            first: *first,
            next: *next,
        });
        let steps = execution.steps.steps();
        let values = TokenValues::new(&decoder.shape, steps, consumed, chosen)?;
        let own = OwnFields {
            steps: execution.steps,
            public_values: values.digest(),
            state_before: input.before.commitment(),
            state_after: input.after.commitment(),
            boundary: SegmentBoundary::Fused,
            tokens: own_tokens,
        };
        let parts = SegmentStatementParts::of(self.terms().shared().clone(), own);
        Ok((SegmentStatement::new(parts)?, values))
    }

    /// The witness of an execution between two caches: what [`Self::prove_model`] proves, and what the
    /// mock checker takes.
    ///
    /// # Errors
    ///
    /// [`ProveError::NoModel`], or [`ProveError::Layout`].
    pub fn model_witness(&self, input: &ModelInput<'_>) -> Result<SegmentWitness, ProveError> {
        let committed = self.model().ok_or(ProveError::NoModel)?;
        let layout = self.terms().layout(input.execution.steps.steps())?;
        let states = [input.before, input.after].map(|state| state.columns().to_vec());
        Ok(decoder_witness(
            &layout,
            input.execution,
            (&committed.model, &committed.columns),
            states,
        ))
    }

    /// Proves the tokens between two committed caches.
    ///
    /// # Errors
    ///
    /// [`ProveError::NoModel`] if the chain is not a decoder's; [`ProveError::StateEntries`] if the
    /// caches do not fit the tokens; [`ProveError::ConstraintsNotSatisfied`] if the execution is not one
    /// of the model.
    pub fn prove_model(&self, input: &ModelInput<'_>) -> Result<ProvenSegment, ProveError> {
        let ModelInput {
            execution,
            before,
            after,
        } = input;
        crate::segment::check_entries(execution.steps, before, after)?;
        let (statement, tokens) = self.claim_model(input)?;
        let witness = tracing::info_span!("witness").in_scope(|| self.model_witness(input))?;
        self.prove_witness(statement, tokens, &witness, before, after)
    }
}

/// The witness of an execution of a model between two caches, all three given by the columns of their trees.
pub(crate) fn decoder_witness(
    layout: &SegmentLayout,
    execution: &ModelExecution,
    (model, columns): (&IntegerModel, &[Column]),
    [before, after]: [Vec<Column>; 2],
) -> SegmentWitness {
    let attention = &execution.attention;
    let values = [&attention.q, &attention.k, &attention.v, &attention.out];
    let entries = entry_columns(layout, values.map(Vec::as_slice));
    let entries: Vec<Column> = entries
        .columns()
        .iter()
        .cloned()
        .map(Column::from)
        .collect();
    let ports = [
        (Tree::Model, columns.to_vec()),
        (Tree::StateBefore, before),
        (Tree::StateAfter, after),
    ];
    let execution = Execution {
        attention,
        entries: &entries,
        table: &model.tables().weights,
        decoder: Some(DecoderExecution { execution, model }),
    };
    SegmentWitness::generate(layout, &execution, &ports)
}
