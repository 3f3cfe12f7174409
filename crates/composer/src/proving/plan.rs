//! What is to be proven: a trace, the terms, its segments, and which of them are split.

use matchmark_prover::{mock_segment, ChainTerms, ProveError, SegmentProver, SegmentSizes};
use matchmark_quant::{CacheCapacity, Rounding, ScoreStep, SegmentSteps, StepRange};
use matchmark_runtime::{execute_segment, AttentionTrace, DecodeRules, KvCache, TraceError};
use matchmark_statement::{
    AcceptancePolicy, Cut, CutPattern, EndTokens, ModelIdentity, Security, SegmentShape,
    SharedTerms, VerifierDomain,
};
use matchmark_tables::WeightTable;

use crate::layout::{TABLE_FILE, TRACE_FILE};
use crate::proving::error::{ChainProveError, PlanError};
use crate::proving::manifest::{ChainInputs, ChainManifest, FileDigest, PlanFiles};
use crate::proving::provers::Provers;
use crate::proving::segments::{chain_policy, segment_sizes};

/// What a prover decides about a chain, beside the trace.
#[derive(Clone, Debug)]
pub struct ChainOptions {
    /// Application and nonce of the verifier.
    pub domain: VerifierDomain,
    /// Security level and profile.
    pub security: Security,
    /// The model that the values come from, if the statements are to speak of one.
    pub model: ModelIdentity,
    /// Rounding rule of the outputs.
    pub rounding: Rounding,
    /// The weight table; `None` takes the trace's own, or else the default one.
    pub table: Option<WeightTable>,
    /// The score step; `None` takes the trace's own, or else 1.
    pub score_step: Option<ScoreStep>,
    /// Steps of a segment; `None` proves all steps in one, as does a number above theirs.
    pub segment_steps: Option<SegmentSteps>,
    /// Which segments are fused, and which are split.
    pub cuts: CutPattern,
}

/// A chain that can be proven: trace and terms fit each other, every accumulator stays within its
/// bounds, and the relation can carry the shape.
#[derive(Clone, Debug)]
pub struct ChainPlan {
    trace: AttentionTrace,
    rules: DecodeRules,
    terms: ChainTerms,
    cuts: CutPattern,
}

impl ChainPlan {
    /// Plans the proof of all steps of a trace.
    ///
    /// # Errors
    ///
    /// [`PlanError`], one variant a reason. Nothing has been written or proven then.
    pub fn new(trace: AttentionTrace, options: ChainOptions) -> Result<Self, PlanError> {
        let range = trace.step_range();
        let ChainOptions {
            domain,
            security,
            model,
            rounding,
            table,
            score_step,
            segment_steps,
            cuts,
        } = options;
        let rules = trace.rules(rounding, table, score_step)?;
        let all = SegmentSteps::new(to_u32(range.steps()))?;
        let segment_steps = segment_steps.map_or(all, |steps| steps.min(all));
        let capacity = CacheCapacity::new(to_u32(range.entries_after()))?;
        let shape = SegmentShape::new(trace.shape(), capacity, segment_steps);
        let terms = ChainTerms::attention(
            domain,
            security,
            trace.quantization(&rules),
            rounding,
            shape.map_err(ProveError::from)?,
            rules.table.clone(),
        )
        .with(|it| it.model = model);
        rules.bounds(&trace.shape(), range.entries_after())?;
        let plan = Self {
            trace,
            rules,
            terms,
            cuts,
        };
        for steps in plan.segment_lengths() {
            plan.terms.layout(steps).map_err(ProveError::from)?;
        }
        Ok(plan)
    }

    /// The plan that a manifest describes.
    pub(crate) fn from_terms(
        trace: AttentionTrace,
        table: WeightTable,
        terms: &SharedTerms,
        cuts: CutPattern,
    ) -> Result<Self, PlanError> {
        Self::new(
            trace,
            ChainOptions {
                domain: terms.domain.clone(),
                security: terms.security,
                model: terms.model,
                rounding: terms.rounding,
                table: Some(table),
                score_step: Some(terms.quantization.score_step()),
                segment_steps: Some(terms.shape.segment_steps()),
                cuts,
            },
        )
    }

    /// The trace.
    #[must_use]
    pub fn trace(&self) -> &AttentionTrace {
        &self.trace
    }

    /// The rules by which the reference decodes.
    #[must_use]
    pub fn rules(&self) -> &DecodeRules {
        &self.rules
    }

    /// The terms of the chain.
    #[must_use]
    pub fn terms(&self) -> &ChainTerms {
        &self.terms
    }

    /// The steps of the whole chain.
    #[must_use]
    pub fn steps(&self) -> StepRange {
        self.trace.step_range()
    }

    /// The steps of the segments, in order. All have the same number, but the last may have fewer.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = StepRange> {
        self.steps().segments(self.terms.shape.segment_steps())
    }

    /// Number of segments.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        self.segments().len() as u64
    }

    /// Which segments are fused, and which are split.
    #[must_use]
    pub fn cuts(&self) -> &CutPattern {
        &self.cuts
    }

    /// How a segment is proven.
    #[must_use]
    pub fn cut(&self, segment: u64) -> Cut {
        self.cuts.of(segment)
    }

    /// The same plan with other rules than its terms say: a defect, for the tests of what comes of it.
    #[cfg(test)]
    pub(crate) fn with_rules(mut self, change: impl FnOnce(&mut DecodeRules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// Sizes of all segments together.
    pub(crate) fn sizes(&self) -> Result<Vec<SegmentSizes>, ProveError> {
        let steps = self.terms.shape.segment_steps().get() as usize;
        segment_sizes(&self.terms, steps, &self.cuts, self.segment_count())
    }

    /// The lengths of segments in use, in steps: one, or two if the last segment is shorter.
    #[must_use]
    pub fn segment_lengths(&self) -> Vec<usize> {
        let full = self.terms.shape.segment_steps().get() as usize;
        let rest = self.steps().steps() % full;
        [full, rest]
            .into_iter()
            .filter(|steps| *steps > 0)
            .collect()
    }

    /// The manifest of the chain, with the contents of the copies that it speaks of.
    pub(crate) fn files(&self) -> Result<PlanFiles, TraceError> {
        let trace = self.trace.encode()?;
        let table = self.terms.weight_table().to_text().into_bytes();
        let manifest = ChainManifest {
            format: ChainManifest::FORMAT,
            steps: self.steps(),
            cuts: self.cuts.clone(),
            end_tokens: EndTokens::NONE,
            answer_tokens: 0,
            inputs: ChainInputs::Trace {
                trace_sha256: FileDigest::of(&trace),
                table_sha256: FileDigest::of(&table),
            },
            terms: self.terms.shared().clone(),
        };
        Ok(PlanFiles {
            manifest,
            copies: vec![(TRACE_FILE, trace), (TABLE_FILE, table)],
        })
    }

    /// The policy that accepts this chain and no other, computed from trace, table and terms: the
    /// first state from the prefix, the preprocessed roots from shape and table.
    ///
    /// # Errors
    ///
    /// [`PlanError`], for no plan that is known.
    pub fn policy(&self) -> Result<AcceptancePolicy, PlanError> {
        let provers = Provers::of_one(SegmentProver::new(self.terms.clone())?);
        let first = vec![KvCache::from_prefix(&self.trace)];
        let (given, steps) = (Vec::new(), self.steps());
        let none = (EndTokens::NONE, 0);
        chain_policy(&provers, given, none, first, steps, &self.cuts)
    }

    /// Checks the constraints of all segments on their witnesses, without a proof. `on_segment` is
    /// called after each segment with its index and steps.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::Prove`] with the first constraint and row that fail,
    /// [`ChainProveError::Execute`] and [`ChainProveError::ExecuteModel`] for a segment that the reference
    /// does not execute.
    pub fn mock(&self, mut on_segment: impl FnMut(u64, StepRange)) -> Result<(), ChainProveError> {
        let mut cache = KvCache::from_prefix(&self.trace);
        for (segment, steps) in (0..).zip(self.segments()) {
            let (execution, after) = self
                .trace
                .segment(steps)
                .and_then(|inputs| execute_segment(&cache, &inputs, &self.rules))
                .map_err(|source| ChainProveError::Execute { segment, source })?;
            mock_segment(&self.terms, &execution, &cache, &after, self.cut(segment))
                .map_err(|source| ChainProveError::Prove { segment, source })?;
            on_segment(segment, steps);
            cache = after;
        }
        Ok(())
    }
}

/// A count as `u32`, for constructors that refuse everything near `u32::MAX`.
pub(crate) fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
