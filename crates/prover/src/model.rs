//! The proof of a segment of a whole decoder.
use matchmark_air::layout::SegmentLayout;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, DecoderExecution, Execution, SegmentWitness};
use matchmark_models::{IntegerModel, ModelExecution, ModelGroup};
use matchmark_quant::StepRange;
use matchmark_statement::{
    Cut, GroupFields, LayerGroups, OwnFields, SegmentCut, SegmentStatement, SegmentStatementParts,
    TokenEnds, TokenId, TokenValues,
};

use crate::error::ProveError;
use crate::segment::{PartPorts, ProvenSegment};
use crate::setup::SegmentProver;
use crate::state::CommittedState;
use crate::stream::{stream_columns, CommittedStream};

/// The tokens of a segment and the caches around them.
pub struct ModelInput<'a> {
    /// What the model computed.
    pub execution: &'a ModelExecution,
    /// The cache before the first token.
    pub before: &'a CommittedState,
    /// The cache after the last token.
    pub after: &'a CommittedState,
    /// The stream that comes from the group of layers before, if there is one.
    pub stream_in: Option<&'a CommittedStream>,
    /// The stream that goes to the group of layers behind, if there is one.
    pub stream_out: Option<&'a CommittedStream>,
    /// Whether one proof is to show the segment, or two.
    pub cut: Cut,
}

impl<'a> ModelInput<'a> {
    /// What the part's proofs open besides.
    fn ports(&self) -> PartPorts<'a> {
        PartPorts {
            before: self.before,
            after: self.after,
            stream_in: self.stream_in,
            stream_out: self.stream_out,
        }
    }
}

impl SegmentProver {
    /// What a fused part of these tokens would prove between these ports: the statement and its tokens, without an
    /// execution and without a proof.
    ///
    /// # Errors
    ///
    /// [`ProveError::NoModel`] if the chain is not a decoder's, [`ProveError::PublicValues`] or
    /// [`ProveError::Statement`] if the tokens do not fit the terms.
    pub fn claim_tokens(
        &self,
        steps: StepRange,
        [consumed, chosen]: [&[u32]; 2],
        ports: PartPorts<'_>,
    ) -> Result<(SegmentStatement, TokenValues), ProveError> {
        self.state_tokens(steps, [consumed, chosen], ports, SegmentCut::Fused)
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
        let execution = input.execution;
        let tokens = [&execution.tokens[..], &execution.choices];
        self.state_tokens(execution.steps, tokens, input.ports(), cut)
    }

    fn state_tokens(
        &self,
        range: StepRange,
        [consumed, chosen]: [&[u32]; 2],
        ports: PartPorts<'_>,
        cut: SegmentCut,
    ) -> Result<(SegmentStatement, TokenValues), ProveError> {
        let decoder = self.terms().decoder.ok_or(ProveError::NoModel)?;
        let tokens = |tokens: &[u32]| tokens.iter().copied().map(TokenId::new).collect::<Vec<_>>();
        let (consumed, chosen) = (tokens(consumed), tokens(chosen));
        let ends = consumed.first().zip(chosen.last());
        let own_tokens = ends.map(|(first, next)| TokenEnds {
            first: *first,
            next: *next,
        });
        let values = TokenValues::new(&decoder.shape, range.steps(), consumed, chosen)?;
        let own = OwnFields {
            steps: range,
            public_values: values.digest(),
            state_before: ports.before.commitment(),
            state_after: ports.after.commitment(),
            cut,
            tokens: own_tokens,
            group: self.group_fields(ports),
        };
        let parts = SegmentStatementParts::of(self.terms().shared().clone(), own);
        Ok((SegmentStatement::new(parts)?, values))
    }

    /// What the statement of a part says besides, where there are several groups of layers.
    fn group_fields(&self, input: PartPorts<'_>) -> Option<GroupFields> {
        let model = self.model()?;
        let several = self.terms().groups() != LayerGroups::ONE;
        several.then(|| GroupFields {
            index: self.group(),
            weights: model.commitment(),
            stream_in: input.stream_in.map(CommittedStream::commitment),
            stream_out: input.stream_out.map(CommittedStream::commitment),
        })
    }

    fn model_layout(&self, input: &ModelInput<'_>) -> Result<SegmentLayout, ProveError> {
        let layout = self.layout_of_steps(input.execution.steps.steps())?;
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
            committed.model(),
            committed.group(),
            committed.columns(),
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
        crate::segment::check_entries(input.execution.steps, input.before, input.after)?;
        let witness = tracing::info_span!("witness").in_scope(|| self.model_witness(input))?;
        let pairs = self.commit_pairs(&witness);
        let cut = self.name_pairs(&self.model_layout(input)?, pairs.as_ref());
        let (statement, tokens) = self.state_model(input, cut)?;
        let values = tokens.into();
        self.prove_committed(statement, values, &witness, input.ports(), pairs.as_ref())
    }
}

/// The witness of an execution of a model between two caches, all three given by the columns of their trees.
pub(crate) fn decoder_witness(
    layout: &SegmentLayout,
    execution: &ModelExecution,
    model: &IntegerModel,
    group: &ModelGroup,
    columns: &[Column],
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
    let mut ports = vec![
        (Tree::Model, columns.to_vec()),
        (Tree::StateBefore, before),
        (Tree::StateAfter, after),
    ];
    let streams = layout.streams();
    if streams.goes_in {
        let stage = execution.steps.steps() * execution.shape.hidden();
        let stream = &execution.stream[..stage];
        ports.push((Tree::StreamIn, stream_columns(layout, stream)));
    }
    if streams.goes_out {
        let stream = execution.stream_out();
        ports.push((Tree::StreamOut, stream_columns(layout, stream)));
    }
    let execution = Execution {
        attention,
        after: &ports[2].1,
        entries: &entries,
        table: &model.tables().weights,
        decoder: Some(DecoderExecution {
            execution,
            model,
            arithmetic: group.arithmetic(),
        }),
    };
    SegmentWitness::generate(layout, &execution, &ports)
}
