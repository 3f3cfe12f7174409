//! Checking a segment's constraints without a proof.
use std::sync::Arc;

use matchmark_air::decoder::model::model_columns;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::mock::check;
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::witness::Column;
use matchmark_models::{IntegerModel, ModelExecution, ModelGroup};
use matchmark_quant::StepRange;
use matchmark_runtime::{KvCache, SegmentExecution};
use matchmark_statement::{Cut, PortCommitment, TokenId, TokenValues};

use matchmark_verifier::key::{ChainTerms, ModelChain};

use crate::committed::model_outline;
use crate::error::ProveError;
use crate::model::decoder_witness;
use crate::segment::attention_witness;

/// Checks all constraints and relations of a segment on its witness, row by row, those of both
/// proofs if it is split. Nothing is
/// committed and nothing is proven; caches and execution are taken as they are.
///
/// # Errors
///
/// [`ProveError::Mock`] with the first constraint and row that fail, or the first tuple that is
/// left over; another [`ProveError`] if caches or execution do not fit the terms.
pub fn mock_segment(
    terms: &ChainTerms,
    execution: &SegmentExecution,
    before: &KvCache,
    after: &KvCache,
    cut: Cut,
) -> Result<(), ProveError> {
    let steps = execution.steps;
    let layout = terms.layout(steps.steps()).map_err(ProveError::from)?;
    let layout = layout.with_cut(cut);
    check_caches(&layout, steps, before, after)?;
    let states = [before, after].map(|cache| entries(&layout, cache));
    let witness = attention_witness(terms, &layout, execution, states)?;
    Ok(check(&layout, &witness)?)
}

/// The caches stand where the steps begin and end, and have room in the layout.
fn check_caches(
    layout: &SegmentLayout,
    steps: StepRange,
    before: &KvCache,
    after: &KvCache,
) -> Result<(), ProveError> {
    let refuse = |which, expected, got| {
        Err(ProveError::StateEntries {
            which,
            expected,
            got,
        })
    };
    for (which, expected, got) in [
        ("first", steps.entries_before(), before.entries()),
        ("last", steps.entries_after(), after.entries()),
    ] {
        if got != expected {
            return refuse(which, expected, got);
        }
    }
    if after.entries() > layout.capacity() {
        return refuse("last", layout.capacity(), after.entries());
    }
    Ok(())
}

/// Checks the segments of a model's chain without a proof: nothing is committed.
pub struct ModelMock {
    terms: ChainTerms,
    index: usize,
    model: Arc<IntegerModel>,
    group: ModelGroup,
    columns: Vec<Column>,
}

impl ModelMock {
    /// Makes the columns of weights and tables of a group of layers, which all segments share.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`] or [`ProveError::Statement`] if the relation cannot carry the model.
    pub fn new(
        chain: &ModelChain,
        model: Arc<IntegerModel>,
        group: u16,
    ) -> Result<Self, ProveError> {
        let outline = model_outline(&model);
        // No constraint speaks of the commitment.
        let terms = chain.terms(&outline, PortCommitment::from_bytes([0; 32]))?;
        let longest = chain.segment_steps.get() as usize;
        let layout = chain.layout_of(&outline, usize::from(group), longest)?;
        let layers = layout.decoder().map(|decoder| *decoder.layers());
        let layers = ModelGroup::new(&model, layers.ok_or(ProveError::NoModel)?)?;
        let columns = model_columns(&layout, &model);
        Ok(Self {
            terms,
            index: usize::from(group),
            model,
            group: layers,
            columns,
        })
    }

    /// Checks all constraints and relations of a segment on its witness, row by row, and that its tokens
    /// are of the vocabulary. Nothing is committed and nothing is proven; caches and execution are taken as
    /// they are.
    ///
    /// # Errors
    ///
    /// [`ProveError::Mock`] with the first constraint and row that fail, or the first tuple that is
    /// left over; another [`ProveError`] if caches, tokens or execution do not fit the terms.
    pub fn check(
        &self,
        execution: &ModelExecution,
        before: &KvCache,
        after: &KvCache,
        cut: Cut,
    ) -> Result<(), ProveError> {
        let steps = execution.steps;
        let layout = self.terms.layout_of(self.index, steps.steps())?;
        let layout = layout.with_cut(cut);
        check_caches(&layout, steps, before, after)?;
        let tokens = |tokens: &[u32]| tokens.iter().copied().map(TokenId::new).collect::<Vec<_>>();
        let (consumed, chosen) = (tokens(&execution.tokens), tokens(&execution.choices));
        let shape = self.model.shape();
        TokenValues::new(shape, steps.steps(), consumed, chosen).map_err(ProveError::from)?;
        let states = [before, after].map(|cache| entries(&layout, cache));
        let witness = decoder_witness(
            &layout,
            execution,
            &self.model,
            &self.group,
            &self.columns,
            states,
        );
        Ok(check(&layout, &witness)?)
    }
}
