//! What is to be proven, of a trace or of a model.

use matchmark_composer::{
    shorter_chain, ChainOptions, ChainPlan, ChainWork, Committing, Cutting, CuttingChoice,
    ModelMock, ModelOptions, ModelPlan, Resources, Schedule,
};
use matchmark_models::Message;
use matchmark_quant::{AttentionShape, Rounding, ScoreStep, SegmentSteps, StepRange};
use matchmark_runtime::AttentionTrace;
use matchmark_statement::{
    CutPattern, LayerGroups, ModelIdentity, Profile, Security, SecurityLevel, VerifierDomain,
};
use matchmark_tables::WeightTable;
use matchmark_verifier::key::Stop;

use crate::error::Error;
use crate::key::Key;
use crate::model::Model;
use crate::policy::{default_domain, groups_of, segment_steps_of};

/// Begins a proof: of the decode of a trace, or of the tokens that a model chooses after a prompt.
pub fn prove<P: Provable>(what: P) -> Prove<P::Source> {
    Prove {
        source: what.source(),
        domain: None,
        level: SecurityLevel::default(),
        profile: None,
        segment_steps: None,
        cuts: CutPattern::default(),
    }
}

/// What can be proven: a [`Model`], or the trace of an attention layer.
pub trait Provable: sealed::Sealed {
    /// What else is said of it.
    type Source;

    /// The same, with nothing said yet.
    fn source(self) -> Self::Source;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::Model {}
    impl Sealed for &crate::Model {}
    impl Sealed for crate::Trace {}
    impl Sealed for &crate::Trace {}
}

impl Provable for Model {
    type Source = TokensOf;

    fn source(self) -> TokensOf {
        TokensOf {
            model: self,
            prompt: Prompt::Tokens(Vec::new()),
            tokens: 0,
            stop: Stop::default(),
            key: None,
            layers: None,
            granularity: None,
            full_length: false,
        }
    }
}

impl Provable for &Model {
    type Source = TokensOf;

    fn source(self) -> TokensOf {
        self.clone().source()
    }
}

impl Provable for AttentionTrace {
    type Source = TraceOf;

    fn source(self) -> TraceOf {
        TraceOf {
            trace: self,
            rounding: Rounding::NearestTiesUp,
            table: None,
            score_step: None,
        }
    }
}

impl Provable for &AttentionTrace {
    type Source = TraceOf;

    fn source(self) -> TraceOf {
        self.clone().source()
    }
}

/// A claim that is being made: what is not said takes its default, which is the default security level, and the
/// application `matchmark` with a nonce of zeros, of which a chain can be shown again and again.
///
/// How the chain of a model is cut into parts, by layers and by steps, and the profile of their proofs, are those of
/// its key, where that says one way alone. What nobody says follows from the size of the model and the memory that
/// proving may take: see [`Cutting`].
#[derive(Clone, Debug)]
#[must_use = "nothing is proven before `run`"]
pub struct Prove<S> {
    source: S,
    domain: Option<VerifierDomain>,
    level: SecurityLevel,
    profile: Option<Profile>,
    segment_steps: Option<SegmentSteps>,
    cuts: CutPattern,
}

/// The tokens of a model, in a claim.
#[derive(Clone, Debug)]
pub struct TokensOf {
    model: Model,
    prompt: Prompt,
    tokens: u32,
    stop: Stop,
    /// On the heap: it is much larger than everything else here.
    key: Option<Box<Key>>,
    layers: Option<usize>,
    granularity: Option<SegmentSteps>,
    full_length: bool,
}

/// The decode of a trace, in a claim.
#[derive(Clone, Debug)]
pub struct TraceOf {
    trace: AttentionTrace,
    rounding: Rounding,
    table: Option<WeightTable>,
    score_step: Option<ScoreStep>,
}

#[derive(Clone, Debug)]
enum Prompt {
    Tokens(Vec<u32>),
    Text(String),
    Chat(Vec<Message>),
}

impl<S> Prove<S> {
    /// Application and nonce of the verifier: a new nonce for every chain that it asks for.
    pub fn domain(mut self, domain: VerifierDomain) -> Self {
        self.domain = Some(domain);
        self
    }

    /// Security level and profile.
    pub fn security(mut self, security: Security) -> Self {
        self.level = security.level();
        self.profile = Some(security.profile());
        self
    }

    /// Security level, in the profile that follows from the rest: the default one of a trace.
    pub fn level(mut self, level: SecurityLevel) -> Self {
        self.level = level;
        self.profile = None;
        self
    }

    /// Steps of a segment. Without it all steps of a trace are one segment, and 16 tokens of a small model. More
    /// steps than there are mean one segment.
    pub fn segment_steps(mut self, steps: SegmentSteps) -> Self {
        self.segment_steps = Some(steps);
        self
    }

    /// Which segments are fused (one proof) and which are split (two proofs, joined by pairs of index and
    /// weight that both open). Without it all are fused.
    pub fn cuts(mut self, cuts: impl Into<CutPattern>) -> Self {
        self.cuts = cuts.into();
        self
    }

    /// The security of a trace's chain.
    fn of_trace(&self) -> Result<Security, Error> {
        Ok(Security::new(self.level, self.profile.unwrap_or_default())?)
    }

    fn domain_or_default(&self) -> Result<VerifierDomain, Error> {
        self.domain.clone().map_or_else(default_domain, Ok)
    }
}

impl Prove<TokensOf> {
    /// The text that the model continues.
    pub fn prompt(mut self, text: impl Into<String>) -> Self {
        self.source.prompt = Prompt::Text(text.into());
        self
    }

    /// The conversation that the model answers, in the place of a text.
    pub fn chat(mut self, messages: impl Into<Vec<Message>>) -> Self {
        self.source.prompt = Prompt::Chat(messages.into());
        self
    }

    /// The tokens that the model continues, in the place of a text.
    pub fn prompt_tokens(mut self, tokens: impl IntoIterator<Item = u32>) -> Self {
        self.source.prompt = Prompt::Tokens(tokens.into_iter().collect());
        self
    }

    /// How many tokens are decoded, or the most where an end token ends the answer before.
    pub fn tokens(mut self, tokens: u32) -> Self {
        self.source.tokens = tokens;
        self
    }

    /// Which tokens end the answer, in the place of the model's own.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.source.stop = stop;
        self
    }

    /// Most layers that are proven in one part: fewer layers take less memory, and make more proofs. Without it the
    /// layers are cut as the key says, if there is one that says one way alone, and else as memory allows.
    pub fn layers(mut self, layers: usize) -> Self {
        self.source.layers = Some(layers);
        self
    }

    /// Of how many steps the last segment has a multiple: what it decodes behind the answer is surplus. Without it, as
    /// the key says, and without a key 1 for a small model and 16 for any other.
    pub fn granularity(mut self, steps: SegmentSteps) -> Self {
        self.source.granularity = Some(steps);
        self
    }

    /// The chain is the one that the longest answer takes, wherever the answer ends. Without it an answer that an end
    /// token ends early is proven in the shortest chain that holds it: of those that the key has circuits for, or without
    /// one of those that a key for all lengths has.
    pub fn full_length(mut self) -> Self {
        self.source.full_length = true;
        self
    }

    /// The model must be the one of this key, and be committed as it says.
    pub fn key(mut self, key: Key) -> Self {
        self.source.key = Some(Box::new(key));
        self
    }

    /// Plans a check of the constraints without a proof: nothing is committed.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`] if there is no such chain, [`Error::Tokens`] for a text and [`Error::Chat`] for a
    /// conversation that has no tokens.
    pub fn mock(self) -> Result<Mock, Error> {
        let (model, prompt, options) = self.chain(&Resources::default())?;
        let model = model.as_integer().clone();
        Ok(Mock::Tokens(Box::new(ModelMock::new(
            model, prompt, &options,
        )?)))
    }

    /// How the chain is cut, as far as it is said here or by a key, and else as it fits into the memory.
    fn cutting(&self, resources: &Resources) -> Result<Cutting, Error> {
        let TokensOf {
            model,
            key,
            layers,
            granularity,
            ..
        } = &self.source;
        let model = model.as_integer();
        let key = key.as_deref().map(AsRef::as_ref);
        let groups: Option<LayerGroups> = groups_of(*layers, model.shape(), key)?;
        let choice = CuttingChoice {
            groups,
            segment_steps: self
                .segment_steps
                .or_else(|| key.and_then(segment_steps_of)),
            granularity: key.map(|key| key.granularity()).or(*granularity),
            profile: self
                .profile
                .or_else(|| key.and_then(|key| key.profile(self.level))),
        };
        Ok(Cutting::of_model(model, self.level, choice, resources)?)
    }

    /// Model, given tokens and options of the chain.
    fn chain(&self, resources: &Resources) -> Result<(&Model, Vec<u32>, ModelOptions), Error> {
        let TokensOf {
            model,
            prompt,
            tokens,
            stop,
            key,
            ..
        } = &self.source;
        if let Some(key) = key {
            key.check_model(model)?;
        }
        let prompt = match prompt {
            Prompt::Tokens(tokens) => tokens.clone(),
            Prompt::Text(text) => model.encode(text)?,
            Prompt::Chat(messages) => model.encode_chat(messages)?,
        };
        let Cutting {
            groups,
            segment_steps,
            granularity,
            profile,
            is_small: _,
        } = self.cutting(resources)?;
        let mut options = ModelOptions {
            domain: self.domain_or_default()?,
            security: Security::new(self.level, profile)?,
            segment_steps: Some(segment_steps),
            tokens: *tokens,
            granularity,
            cuts: self.cuts.clone(),
            stop: stop.clone(),
            groups,
            shorter: None,
        };
        options.shorter = self.shorter(&prompt, &options)?;
        Ok((model, prompt, options))
    }

    /// The steps of the shorter chain that the answer is proven in, if one holds it: executes the model.
    fn shorter(&self, prompt: &[u32], options: &ModelOptions) -> Result<Option<u32>, Error> {
        let TokensOf {
            model,
            key,
            full_length,
            ..
        } = &self.source;
        if *full_length {
            return Ok(None);
        }
        let model = model.as_integer();
        let prefix = model.prefix().tokens.len();
        let given = prefix + prompt.len();
        let lengths = match key.as_deref() {
            Some(key) => key.as_ref().shorter_steps(prompt.len(), options)?,
            None => options.shorter_steps(model.shape(), prefix, given),
        };
        Ok(shorter_chain(model, prompt, options, &lengths)?)
    }

    /// Commits the model, if there is memory for that and for the proofs.
    fn plan(&self, resources: &Resources) -> Result<ModelPlan, Error> {
        let (model, prompt, options) = self.chain(resources)?;
        let model = model.as_integer();
        let committing = Committing {
            groups_held: Schedule::groups_held(model, prompt.len(), &options, resources)?,
            weights: match &self.source.key {
                Some(key) => key.weights_of(prompt.len(), &options)?,
                None => None,
            },
        };
        let plan = ModelPlan::committing(model.clone(), prompt, &options, committing)?;
        // What is in several groups of layers is compared when a segment is complete.
        if let Some(key) = &self.source.key {
            key.check_weights(plan.weights())?;
        }
        Ok(plan)
    }
}

impl Prove<TraceOf> {
    /// Rounding rule of the outputs.
    pub fn rounding(mut self, rounding: Rounding) -> Self {
        self.source.rounding = rounding;
        self
    }

    /// The weight table, in the place of the trace's own or the default one.
    pub fn table(mut self, table: WeightTable) -> Self {
        self.source.table = Some(table);
        self
    }

    /// The score step, in the place of the trace's own or 1.
    pub fn score_step(mut self, step: ScoreStep) -> Self {
        self.source.score_step = Some(step);
        self
    }

    /// Plans a check of the constraints without a proof.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`] if there is no such chain.
    pub fn mock(self) -> Result<Mock, Error> {
        Ok(Mock::Trace(Box::new(self.plan()?)))
    }

    fn plan(self) -> Result<ChainPlan, Error> {
        let (domain, security) = (self.domain_or_default()?, self.of_trace()?);
        let TraceOf {
            trace,
            rounding,
            table,
            score_step,
        } = self.source;
        let options = ChainOptions {
            domain,
            security,
            model: ModelIdentity::TraceOnly,
            rounding,
            table,
            score_step,
            segment_steps: self.segment_steps,
            cuts: self.cuts,
        };
        Ok(ChainPlan::new(trace, options)?)
    }
}

/// A claim with everything that is said of it.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    Trace(Prove<TraceOf>),
    Tokens(Prove<TokensOf>),
}

impl Claim {
    pub(crate) fn plan(self, resources: &Resources) -> Result<ChainWork, Error> {
        Ok(match self {
            Self::Trace(claim) => claim.plan()?.into(),
            Self::Tokens(claim) => claim.plan(resources)?.into(),
        })
    }
}

/// A chain whose constraints can be checked without a proof.
#[derive(Debug)]
pub enum Mock {
    /// The decode of a trace.
    Trace(Box<ChainPlan>),
    /// The tokens of a model.
    Tokens(Box<ModelMock>),
}

impl Mock {
    /// Number of segments.
    #[must_use]
    pub fn segments(&self) -> u64 {
        match self {
            Self::Trace(plan) => plan.segment_count(),
            Self::Tokens(mock) => mock.segment_count(),
        }
    }

    /// The steps of the chain.
    #[must_use]
    pub fn steps(&self) -> StepRange {
        match self {
            Self::Trace(plan) => plan.steps(),
            Self::Tokens(mock) => mock.steps(),
        }
    }

    /// Heads of the cache.
    #[must_use]
    pub fn attention(&self) -> AttentionShape {
        match self {
            Self::Trace(plan) => plan.trace().shape(),
            Self::Tokens(mock) => mock.model().shape().all_layers_attention(),
        }
    }

    /// Checks all constraints and relations on the witnesses of all segments. `on_segment` is called after
    /// each segment.
    ///
    /// # Errors
    ///
    /// [`Error::Mock`] with the first constraint and row that fail.
    pub fn run(&self, mut on_segment: impl FnMut(u64, StepRange)) -> Result<(), Error> {
        match self {
            Self::Trace(plan) => plan.mock(&mut on_segment)?,
            Self::Tokens(mock) => mock.run(&mut on_segment)?,
        }
        Ok(())
    }
}
