//! The proof of a segment of a whole decoder.
use matchmark_air::layout::SegmentLayout;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, DecoderExecution, Execution, SegmentWitness};
use matchmark_models::{IntegerModel, ModelExecution};
use matchmark_statement::{
    Cut, OwnFields, SegmentCut, SegmentStatement, SegmentStatementParts, TokenEnds, TokenId,
    TokenValues,
};

use crate::error::ProveError;
use crate::segment::ProvenSegment;
use crate::setup::SegmentProver;
use crate::state::CommittedState;

/// The tokens of a segment and the caches around them.
pub struct ModelInput<'a> {
    /// What the model computed.
    pub execution: &'a ModelExecution,
    /// The cache before the first token.
    pub before: &'a CommittedState,
    /// The cache after the last token.
    pub after: &'a CommittedState,
    /// Whether one proof is to show the segment, or two.
    pub cut: Cut,
}

impl SegmentProver {
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
        let cut = match input.cut {
            Cut::Fused => SegmentCut::Fused,
            Cut::Split => self.cut(&self.model_layout(input)?, &self.model_witness(input)?),
        };
        self.state_model(input, cut)
    }

    /// The statement of an execution of a model between two caches, cut in this way, and its tokens.
    fn state_model(
        &self,
        input: &ModelInput<'_>,
        cut: SegmentCut,
    ) -> Result<(SegmentStatement, TokenValues), ProveError> {
        let decoder = self.terms().decoder.ok_or(ProveError::NoModel)?;
        let execution = input.execution;
        let tokens = |tokens: &[u32]| tokens.iter().copied().map(TokenId::new).collect::<Vec<_>>();
        let (consumed, chosen) = (tokens(&execution.tokens), tokens(&execution.choices));
        let ends = consumed.first().zip(chosen.last());
        let own_tokens = ends.map(|(first, next)| TokenEnds {
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
            cut,
            tokens: own_tokens,
        };
        let parts = SegmentStatementParts::of(self.terms().shared().clone(), own);
        Ok((SegmentStatement::new(parts)?, values))
    }

    fn model_layout(&self, input: &ModelInput<'_>) -> Result<SegmentLayout, ProveError> {
        let layout = self.terms().layout(input.execution.steps.steps())?;
        Ok(layout.with_cut(input.cut))
    }

    /// The witness of an execution between two caches: what [`Self::prove_model`] proves, and what the
    /// mock checker takes.
    ///
    /// # Errors
    ///
    /// [`ProveError::NoModel`], or [`ProveError::Layout`].
    pub fn model_witness(&self, input: &ModelInput<'_>) -> Result<SegmentWitness, ProveError> {
        let committed = self.model().ok_or(ProveError::NoModel)?;
        let layout = self.model_layout(input)?;
        let states = [input.before, input.after].map(|state| state.columns().to_vec());
        Ok(decoder_witness(
            &layout,
            input.execution,
            (committed.model(), committed.columns()),
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
            cut: _,
        } = input;
        crate::segment::check_entries(execution.steps, before, after)?;
        let witness = tracing::info_span!("witness").in_scope(|| self.model_witness(input))?;
        let pairs = self.commit_pairs(&witness);
        let cut = self.name_pairs(&self.model_layout(input)?, pairs.as_ref());
        let (statement, tokens) = self.state_model(input, cut)?;
        let states = [*before, *after];
        self.prove_committed(statement, tokens.into(), &witness, states, pairs.as_ref())
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
        after: &ports[2].1,
        entries: &entries,
        table: &model.tables().weights,
        decoder: Some(DecoderExecution { execution, model }),
    };
    SegmentWitness::generate(layout, &execution, &ports)
}
