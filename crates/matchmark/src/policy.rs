//! The policy for a chain of a model, from its key and a verifier's choices.

use matchmark_graph::{LayerGroups, ModelShape};
#[cfg(feature = "model")]
use matchmark_models::{Message, Tokenizer};
use matchmark_quant::SegmentSteps;
use matchmark_statement::{
    AcceptancePolicy, CutPattern, Profile, Security, SecurityLevel, TokenId, VerifierDomain,
};
use matchmark_verifier::key::Stop;
use matchmark_verifier::{ModelKey, ModelOptions};

use crate::error::Error;

/// Name of the application where nothing is said of it.
const APPLICATION: &str = "matchmark";

/// The application `matchmark` with a nonce of zeros: a chain of this domain can be shown again and again.
pub(crate) fn default_domain() -> Result<VerifierDomain, Error> {
    Ok(VerifierDomain::new(APPLICATION, [0; 16])?)
}

/// The policy for a chain of a key's model that is being made, by a verifier and without a prover.
///
/// What is not said takes its default: no given tokens and none that are decoded, which no chain has; the
/// default security level; profile, groups of layers and steps of a segment as the key says, where it says one of them
/// alone, and else the default profile, one group, and 16 steps; the end tokens of the key; and the application
/// `matchmark` with a nonce of zeros, of which a chain can be shown again and again.
#[derive(Clone, Debug)]
#[must_use = "the policy is made by `build`"]
pub struct ModelPolicy<'a> {
    key: &'a ModelKey,
    prompt: Vec<TokenId>,
    tokens: u32,
    domain: Option<VerifierDomain>,
    level: SecurityLevel,
    profile: Option<Profile>,
    segment_steps: Option<SegmentSteps>,
    layers: Option<usize>,
    cuts: CutPattern,
    stop: Stop,
}

impl<'a> ModelPolicy<'a> {
    pub(crate) fn new(key: &'a ModelKey) -> Self {
        Self {
            key,
            prompt: Vec::new(),
            tokens: 0,
            domain: None,
            level: SecurityLevel::default(),
            profile: None,
            segment_steps: None,
            layers: None,
            cuts: CutPattern::default(),
            stop: Stop::default(),
        }
    }

    /// The text that the chain is given behind the model's prefix, as tokens of the key's tokenizer.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`] for another tokenizer, [`Error::Tokens`] for a text that has no tokens.
    #[cfg(feature = "model")]
    pub fn prompt(self, tokenizer: &Tokenizer, text: &str) -> Result<Self, Error> {
        check_tokenizer(self.key, tokenizer)?;
        let tokens = crate::model::encode_prompt(tokenizer, text)?;
        Ok(self.prompt_tokens(tokens))
    }

    /// The conversation that the chain is given, as tokens of the key's tokenizer, with those that begin the
    /// answer.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`] for another tokenizer, and [`Error::Chat`].
    #[cfg(feature = "model")]
    pub fn chat(self, tokenizer: &Tokenizer, messages: &[Message]) -> Result<Self, Error> {
        check_tokenizer(self.key, tokenizer)?;
        let prefix: Vec<u32> = self.key.prefix().iter().map(|it| it.get()).collect();
        let tokens = crate::model::encode_chat(tokenizer, &prefix, messages)?;
        Ok(self.prompt_tokens(tokens))
    }

    /// The tokens that the chain is given behind those of the model's prefix.
    pub fn prompt_tokens(mut self, tokens: impl IntoIterator<Item = u32>) -> Self {
        self.prompt = tokens.into_iter().map(TokenId::new).collect();
        self
    }

    /// How many tokens are decoded, or the most where an end token ends the answer before.
    pub fn tokens(mut self, tokens: u32) -> Self {
        self.tokens = tokens;
        self
    }

    /// Application and nonce: a new nonce for every chain that is asked for.
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

    /// Security level, in the profile that the key says, if it says one alone.
    pub fn level(mut self, level: SecurityLevel) -> Self {
        self.level = level;
        self.profile = None;
        self
    }

    /// Steps of a segment. A chain of fewer steps is one segment.
    pub fn segment_steps(mut self, steps: SegmentSteps) -> Self {
        self.segment_steps = Some(steps);
        self
    }

    /// Most layers that are proven in one part. Without it the layers are cut as the key says, if it says one way
    /// alone, and are one group otherwise.
    pub fn layers(mut self, layers: usize) -> Self {
        self.layers = Some(layers);
        self
    }

    /// Which segments are fused, and which are split. Without it all are fused.
    pub fn cuts(mut self, cuts: impl Into<CutPattern>) -> Self {
        self.cuts = cuts.into();
        self
    }

    /// Which tokens end the answer, in the place of those of the key.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] if the key does not speak of such a chain, or there is none.
    pub fn build(self) -> Result<AcceptancePolicy, Error> {
        let options = ModelOptions {
            domain: match self.domain {
                Some(domain) => domain,
                None => default_domain()?,
            },
            security: {
                let of_key = self.profile.or_else(|| self.key.profile(self.level));
                Security::new(self.level, of_key.unwrap_or_default())?
            },
            segment_steps: self.segment_steps.or_else(|| segment_steps_of(self.key)),
            tokens: self.tokens,
            // The key says it.
            granularity: self.key.granularity(),
            cuts: self.cuts,
            stop: self.stop,
            groups: groups_of(self.layers, &self.key.outline().shape, Some(self.key))?
                .unwrap_or_default(),
            shorter: None,
        };
        Ok(self.key.policy(&self.prompt, &options)?)
    }
}

/// The steps of a segment that a key says, if it says one number alone.
pub(crate) fn segment_steps_of(key: &ModelKey) -> Option<SegmentSteps> {
    match key.segment_steps() {
        [steps] => Some(*steps),
        _ => None,
    }
}

/// Into how many groups of layers a decoder is cut: the fewest of at most so many layers each; where nothing is said
/// of them, those of the key, if it has one way alone.
pub(crate) fn groups_of(
    layers: Option<usize>,
    shape: &ModelShape,
    key: Option<&ModelKey>,
) -> Result<Option<LayerGroups>, Error> {
    match (layers, key.map(ModelKey::groups).as_deref()) {
        (Some(each), _) => Ok(Some(LayerGroups::of_at_most(shape.layers(), each)?)),
        (None, Some([groups])) => Ok(Some(*groups)),
        (None, _) => Ok(None),
    }
}

/// Whether these are the tokens that a policy's chain is given, behind those of the model's prefix.
///
/// # Errors
///
/// [`Error::OtherPrompt`].
pub fn check_prompt(policy: &AcceptancePolicy, given: &[u32]) -> Result<(), Error> {
    // The tokens before the first step are the model's prefix.
    let own = policy.prompt().iter().skip(policy.steps().entries_before());
    let expected: Vec<u32> = own.map(|it| it.get()).collect();
    if expected == given {
        return Ok(());
    }
    let words = |tokens: &[u32]| format!("{} tokens ({})", tokens.len(), numbers(tokens));
    Err(Error::OtherPrompt {
        expected: words(&expected),
        got: words(given),
    })
}

/// Whether this is the tokenizer of the key's model.
#[cfg(feature = "model")]
pub(crate) fn check_tokenizer(key: &ModelKey, tokenizer: &Tokenizer) -> Result<(), Error> {
    let (expected, got) = (key.tokenizer(), tokenizer.identity());
    equal(
        "tokenizer",
        "identity",
        expected.to_string(),
        got.to_string(),
    )
}

/// Whether something is what a key says.
pub(crate) fn equal(
    what: &'static str,
    field: &'static str,
    expected: String,
    got: String,
) -> Result<(), Error> {
    if expected == got {
        return Ok(());
    }
    Err(Error::KeyMismatch {
        what,
        field,
        expected,
        got,
    })
}

/// Tokens as numbers, one after the other.
pub(crate) fn numbers(tokens: &[u32]) -> String {
    let words: Vec<String> = tokens.iter().map(u32::to_string).collect();
    words.join(" ")
}
