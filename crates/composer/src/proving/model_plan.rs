//! What is to be proven of a model: the tokens that are given, and how many are decoded.

use std::fmt;
use std::sync::Arc;

use matchmark_models::{IntegerModel, ModelError, ModelState};
use matchmark_prover::{model_outline, ChainTerms, ProveError, SegmentSizes};
use matchmark_quant::{SegmentSteps, StepRange};
use matchmark_runtime::KvCache;
use matchmark_statement::{
    AcceptancePolicy, CutPattern, EndTokens, LayerGroup, LayerGroups, TokenId,
};
use matchmark_verifier::key::{KeyWeights, ModelOptions, Stop};

use crate::layout::MODEL_FILE;
use crate::proving::end_tokens::end_tokens;
use crate::proving::error::PlanError;
use crate::proving::manifest::{ChainInputs, ChainManifest, FileDigest, PlanFiles};
use crate::proving::plan::to_u32;
use crate::proving::provers::{Committing, Provers};
use crate::proving::segments::{chain_policy, segment_sizes};

/// A chain of a model that can be proven: the tokens have their positions, and weights and tables are
/// committed.
#[derive(Clone)]
pub struct ModelPlan {
    model: Arc<IntegerModel>,
    prompt: Vec<u32>,
    steps: StepRange,
    cuts: CutPattern,
    end_tokens: EndTokens,
    /// Most tokens of the answer; what the last segment decodes behind them is surplus. A shorter chain generates fewer.
    answer_tokens: u32,
    /// Log of the height of the trees.
    log_height: u32,
    provers: Arc<Provers>,
}

impl ModelPlan {
    /// Plans the proof of a prompt, behind the model's prefix, and of the tokens that the model chooses after
    /// it: in the chain that the longest answer takes, or in the shorter one that the options name. Commits the model.
    ///
    /// # Errors
    ///
    /// [`PlanError`], one variant a reason. Nothing has been written or proven then.
    pub fn new(
        model: Arc<IntegerModel>,
        prompt: Vec<u32>,
        options: &ModelOptions,
    ) -> Result<Self, PlanError> {
        Self::committing(model, prompt, options, Committing::default())
    }

    /// As [`Self::new`], with what is known of the committed weights, and of how many groups of layers they may be
    /// held at a time.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn committing(
        model: Arc<IntegerModel>,
        prompt: Vec<u32>,
        options: &ModelOptions,
        committing: Committing,
    ) -> Result<Self, PlanError> {
        let prompt = behind_prefix(&model, &prompt);
        let given: Vec<TokenId> = prompt.iter().copied().map(TokenId::new).collect();
        let prefix = model.prefix().tokens.len();
        let (chain, steps) = options.chain(model.shape(), prefix, &given)?;
        let end_tokens = end_tokens(&options.stop, &model)?;
        let log_height = chain
            .lifting_log_size(&model_outline(&model))
            .map_err(ProveError::from)?;
        let provers = Provers::of_model(chain, Arc::clone(&model), committing)?;
        let plan = Self {
            model,
            prompt,
            steps,
            cuts: options.cuts.clone(),
            end_tokens,
            answer_tokens: options.tokens,
            log_height,
            provers: Arc::new(provers),
        };
        for steps in plan.segments() {
            for group in 0..plan.terms().groups().count() {
                let layout = plan.terms().layout_of(group, steps.steps());
                layout.map_err(ProveError::from)?;
            }
        }
        Ok(plan)
    }

    /// The plan that a manifest describes.
    pub(crate) fn from_manifest(
        model: IntegerModel,
        prompt: &[TokenId],
        manifest: &ChainManifest,
        groups_held: usize,
    ) -> Result<Self, PlanError> {
        let ChainManifest {
            steps,
            terms,
            cuts,
            end_tokens,
            answer_tokens,
            ..
        } = manifest;
        // Where steps, prefix or tokens are not such, the manifest of the plan differs from this one.
        let length = terms.shape.segment_steps();
        let last = steps.segments(length).last();
        let granularity = last.map_or(Ok(length), |it| SegmentSteps::new(to_u32(it.steps())));
        let own = prompt.iter().skip(model.prefix().tokens.len());
        // A chain that generates fewer tokens than the answer may have is a shorter one.
        let generated = (steps.entries_after() + 1).saturating_sub(prompt.len());
        let shorter = (to_u32(generated) < *answer_tokens).then(|| to_u32(steps.steps()));
        let prompt: Vec<u32> = own.map(|token| token.get()).collect();
        let options = ModelOptions {
            domain: terms.domain.clone(),
            security: terms.security,
            segment_steps: Some(length),
            tokens: *answer_tokens,
            // Filled up to what it has.
            granularity: granularity?,
            cuts: cuts.clone(),
            stop: Stop::Tokens(end_tokens.clone()),
            groups: terms.groups(),
            shorter,
        };
        // What the manifest says is compared with what was committed when a segment is complete.
        let committing = Committing {
            weights: terms.decoder.map(|decoder| decoder.weights),
            groups_held,
        };
        Self::committing(Arc::new(model), prompt, &options, committing)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &IntegerModel {
        &self.model
    }

    /// The tokens that are given, the model's prefix first.
    #[must_use]
    pub fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    /// The steps of the whole chain, or the most that it has where an end token ends it before.
    #[must_use]
    pub fn steps(&self) -> StepRange {
        self.steps
    }

    /// The steps of the segments, in order. All have the same number, but the last may have fewer. A chain
    /// that an end token ends has the first of them.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = StepRange> {
        let length = self.terms().shape.segment_steps();
        self.steps.segments(length)
    }

    /// Number of segments, or the most that there are.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        self.segments().len() as u64
    }

    /// The policy that accepts this chain and no other.
    ///
    /// # Errors
    ///
    /// [`PlanError`], for no plan that is known.
    pub fn policy(&self) -> Result<AcceptancePolicy, PlanError> {
        let first = self.first_caches().map_err(ProveError::from)?;
        let end = (self.end_tokens.clone(), self.answer_tokens);
        chain_policy(
            &self.provers,
            self.given(),
            end,
            first,
            self.steps,
            &self.cuts,
        )
    }

    /// The tokens that end the answer.
    #[must_use]
    pub fn end_tokens(&self) -> &EndTokens {
        &self.end_tokens
    }

    /// Most tokens of the answer.
    #[must_use]
    pub fn answer_tokens(&self) -> u32 {
        self.answer_tokens
    }

    /// Which segments are fused, and which are split.
    #[must_use]
    pub fn cuts(&self) -> &CutPattern {
        &self.cuts
    }

    /// The commitment to the weights in trees of the chain's height, as a key lists it.
    #[must_use]
    pub fn weights(&self) -> Option<KeyWeights> {
        let terms = self.terms();
        terms.decoder.map(|decoder| KeyWeights {
            log_blowup: terms.security.parameters().log_blowup,
            log_height: self.log_height,
            groups: decoder.groups,
            commitment: decoder.weights,
        })
    }

    /// The tokens that are given, as statements and policies have them.
    pub(crate) fn given(&self) -> Vec<TokenId> {
        self.prompt.iter().copied().map(TokenId::new).collect()
    }

    pub(crate) fn provers(&self) -> &Arc<Provers> {
        &self.provers
    }

    /// The terms of the chain.
    #[must_use]
    pub fn terms(&self) -> &ChainTerms {
        self.provers.terms()
    }

    /// The cache that each group of layers begins with.
    pub(crate) fn first_caches(&self) -> Result<Vec<KvCache>, ModelError> {
        first_caches(&self.model, self.terms().groups())
    }

    /// Sizes of all segments, in order.
    pub(crate) fn sizes(&self) -> Result<Vec<SegmentSizes>, ProveError> {
        let terms = self.terms();
        let steps = terms.shape.segment_steps().get() as usize;
        segment_sizes(terms, steps, &self.cuts, self.segment_count())
    }

    /// The manifest of the chain, with the content of the copy that it speaks of.
    pub(crate) fn files(&self) -> PlanFiles {
        let model = self.model.to_bytes();
        let manifest = ChainManifest {
            format: ChainManifest::FORMAT,
            steps: self.steps,
            cuts: self.cuts.clone(),
            end_tokens: self.end_tokens.clone(),
            answer_tokens: self.answer_tokens,
            inputs: ChainInputs::Model {
                model_sha256: FileDigest::of(&model),
                prompt: self.given(),
            },
            terms: self.terms().shared().clone(),
        };
        PlanFiles {
            manifest,
            copies: vec![(MODEL_FILE, model)],
        }
    }
}

/// The cache that each group of layers of a model begins with.
pub(crate) fn first_caches(
    model: &IntegerModel,
    groups: LayerGroups,
) -> Result<Vec<KvCache>, ModelError> {
    let shape = model.shape();
    let all = ModelState::initial(model);
    let heads = shape.attention().kv_heads();
    let of_group = |group: LayerGroup| {
        let (first, end) = (group.layers().start, group.layers().end);
        let attention = shape.attention_of(group.count())?;
        Ok(all
            .cache()
            .of_heads(attention, first * heads..end * heads)?)
    };
    groups.all(shape.layers()).map(of_group).collect()
}

/// The tokens of a prompt behind those of the model's prefix.
pub(crate) fn behind_prefix(model: &IntegerModel, prompt: &[u32]) -> Vec<u32> {
    [model.prefix().tokens.as_slice(), prompt].concat()
}

impl fmt::Debug for ModelPlan {
    /// The plan without its weights.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelPlan")
            .field("model", &self.model.identity())
            .field("prompt", &self.prompt)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
