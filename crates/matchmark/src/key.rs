//! Keys of models, and the policies that follow from them.

#[cfg(feature = "prover")]
use matchmark_composer::{derive_key, rederive_key, Cutting, CuttingChoice, Resources};
#[cfg(feature = "prover")]
use matchmark_graph::LayerGroups;
#[cfg(feature = "prover")]
use matchmark_models::IntegerModel;
#[cfg(feature = "model")]
use matchmark_models::Tokenizer;
#[cfg(feature = "prover")]
use matchmark_quant::SegmentSteps;
use matchmark_statement::{AcceptancePolicy, TokenId};
#[cfg(feature = "prover")]
use matchmark_statement::{Cut, Profile, Security, SecurityLevel};
use matchmark_verifier::key::{KeyDifference, KeyError, ModelKey, Stop};

use crate::error::Error;
#[cfg(feature = "prover")]
use crate::model::Model;
use crate::policy::{equal, ModelPolicy};

/// What a verifier needs of a model: commitments to its weights, its shape and arithmetic, and the roots
/// of all circuits. It follows from the model; whoever holds the weights derives it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(ModelKey);

impl From<ModelKey> for Key {
    fn from(key: ModelKey) -> Self {
        Self(key)
    }
}

impl AsRef<ModelKey> for Key {
    /// The key with everything that it says.
    fn as_ref(&self) -> &ModelKey {
        &self.0
    }
}

impl Key {
    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Ok(Self(ModelKey::from_toml(text)?))
    }

    /// The text form.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.0.to_toml()
    }

    /// Reads the binary form.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self(ModelKey::from_bytes(bytes)?))
    }

    /// The binary form.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        Ok(self.0.to_bytes()?)
    }

    /// The tokens with which every text of the model begins: no chain is given them, and all begin behind them.
    #[must_use]
    pub fn prefix(&self) -> &[TokenId] {
        self.0.prefix()
    }

    /// Begins the policy for a chain of the key's model. Nothing in it comes from a prover.
    pub fn policy(&self) -> ModelPolicy<'_> {
        ModelPolicy::new(&self.0)
    }

    /// Whether a policy is the one that follows from the key and from what the policy itself chooses: domain,
    /// level and profile, given tokens, number of tokens, the longest segments, and whether they may be fused,
    /// split or both. Its end tokens must be the key's.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`] with the first field that differs; [`Error::Key`] if the key has no such
    /// policy.
    pub fn check_policy(&self, policy: &AcceptancePolicy) -> Result<(), Error> {
        self.check_policy_stopping(policy, &Stop::Model)
    }

    /// As [`Self::check_policy`], where a verifier has chosen other end tokens than the key's, or none.
    ///
    /// # Errors
    ///
    /// Those of [`Self::check_policy`].
    pub fn check_policy_stopping(
        &self,
        policy: &AcceptancePolicy,
        stop: &Stop,
    ) -> Result<(), Error> {
        match self.0.check_policy_stopping(policy, stop) {
            Ok(()) => Ok(()),
            Err(KeyError::OtherPolicy {
                field,
                expected,
                got,
            }) => equal("policy", field, expected, got),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this is the tokenizer of the key's model.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`].
    #[cfg(feature = "model")]
    pub fn check_tokenizer(&self, tokenizer: &Tokenizer) -> Result<(), Error> {
        crate::policy::check_tokenizer(&self.0, tokenizer)
    }

    /// Whether another key is this one.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`] with the first field that differs.
    pub fn check_key(&self, other: &Self) -> Result<(), Error> {
        match self.0.first_difference(&other.0) {
            None => Ok(()),
            Some(KeyDifference {
                field,
                expected,
                got,
            }) => equal("derived key", field, expected, got),
        }
    }
}

#[cfg(feature = "prover")]
impl Key {
    /// Derives the key of a model, with all the memory that there is.
    ///
    /// # Errors
    ///
    /// Those of [`Self::derive_with`].
    pub fn derive(model: &Model, options: &KeyOptions) -> Result<Self, Error> {
        Self::derive_with(model, options, &Resources::default(), &mut |_, _| {})
    }

    /// Derives the key of a model: commits the weights for each blowup and height that a chain can have, and
    /// the preprocessed columns of all segments. `on_tree` is told how many trees are done, and how many
    /// there are.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`] if there is too little memory: found before anything is committed.
    /// [`Error::Keygen`] if the options allow no chain of the model.
    pub fn derive_with(
        model: &Model,
        options: &KeyOptions,
        resources: &Resources,
        on_tree: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, Error> {
        let options = options.resolved(model.as_integer(), resources)?;
        resources.check_key(model.as_integer(), &options)?;
        Ok(Self(derive_key(model.as_integer(), &options, on_tree)?))
    }

    /// Derives the key of a model anew, for the chains that this one is for, and compares.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`] if it is the key of another model, and those of [`Self::derive_with`].
    pub fn check_derivation(
        &self,
        model: &Model,
        resources: &Resources,
        on_tree: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Error> {
        self.check_model(model)?;
        resources.check_key_again(model.as_integer(), &self.0)?;
        let derived = rederive_key(&self.0, model.as_integer(), on_tree)?;
        self.check_key(&Self(derived))
    }

    /// Whether this is the key of a model, by its identity, which covers everything that the model is, and by
    /// the end tokens, which the key lists beside it.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`].
    pub fn check_model(&self, model: &Model) -> Result<(), Error> {
        let expected = self.0.outline().identity.to_string();
        equal("model", "identity", expected, model.identity().to_string())?;
        let (expected, got) = (self.0.end_tokens(), model.end_tokens()?);
        let (expected, got) = (expected.to_string(), got.to_string());
        equal("model", "end tokens", expected, got)
    }

    /// The commitment to the weights of a chain of the model in several groups of layers, as the key has it; `None`
    /// where it has none, or all layers are one group.
    #[cfg(feature = "prover")]
    pub(crate) fn weights_of(
        &self,
        prompt: usize,
        options: &matchmark_composer::ModelOptions,
    ) -> Result<Option<matchmark_statement::PortCommitment>, Error> {
        if options.groups == LayerGroups::ONE {
            return Ok(None);
        }
        let outline = self.0.outline();
        let prefix = self.0.prefix().len();
        let chain = options.chain_after(&outline.shape, prefix, prefix + prompt);
        let (chain, _) = chain.map_err(KeyError::from)?;
        let log_height = chain.lifting_log_size(outline);
        let log_height = log_height.map_err(KeyError::from)?;
        let log_blowup = options.security.parameters().log_blowup;
        Ok(self.0.commitment(log_blowup, log_height, options.groups))
    }

    /// Whether a model was committed as the key says, where it speaks of trees of that blowup and height.
    pub(crate) fn check_weights(
        &self,
        weights: Option<matchmark_verifier::key::KeyWeights>,
    ) -> Result<(), Error> {
        let Some(got) = weights else {
            return Ok(());
        };
        match self
            .0
            .commitment(got.log_blowup, got.log_height, got.groups)
        {
            None => Ok(()),
            Some(expected) => equal(
                "model",
                "commitment to the weights",
                expected.to_string(),
                got.commitment.to_string(),
            ),
        }
    }
}

/// For which chains of a model a key is. `Default` is the default security level, and whatever a proof of the model
/// takes where nothing is said: of a small one all profiles, segments of 16 steps, and all layers in one group; of any
/// other the [`Cutting`](matchmark_composer::Cutting) that follows from its size and the memory that proving may take.
#[cfg(feature = "prover")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyOptions {
    levels: Vec<SecurityLevel>,
    profiles: Vec<Profile>,
    segment_steps: Vec<SegmentSteps>,
    layers: Vec<usize>,
    granularity: Option<SegmentSteps>,
    cuts: Vec<Cut>,
    chain_steps: Vec<u32>,
}

#[cfg(feature = "prover")]
impl KeyOptions {
    /// For these security levels; none means the default one.
    #[must_use]
    pub fn levels(mut self, levels: impl IntoIterator<Item = SecurityLevel>) -> Self {
        self.levels = levels.into_iter().collect();
        self
    }

    /// For these profiles of the levels; none means all that they have.
    #[must_use]
    pub fn profiles(mut self, profiles: impl IntoIterator<Item = Profile>) -> Self {
        self.profiles = profiles.into_iter().collect();
        self
    }

    /// For chains whose segments have so many steps; none means 16. Each number costs some trees.
    #[must_use]
    pub fn segment_steps(mut self, steps: impl IntoIterator<Item = SegmentSteps>) -> Self {
        self.segment_steps = steps.into_iter().collect();
        self
    }

    /// For chains whose last segment has a multiple of so many steps; none means 1 for a small model, and 16 for any
    /// other.
    #[must_use]
    pub fn granularity(mut self, steps: Option<SegmentSteps>) -> Self {
        self.granularity = steps;
        self
    }

    /// For segments that are cut into proofs in these ways; none means both for a small model, and fused ones for any
    /// other.
    #[must_use]
    pub fn cuts(mut self, cuts: impl IntoIterator<Item = Cut>) -> Self {
        self.cuts = cuts.into_iter().collect();
        self
    }

    /// For chains of so many steps alone: tokens that are given behind the model's prefix, and tokens that are
    /// decoded, less one. None means all that the model's positions allow.
    #[must_use]
    pub fn chain_steps(mut self, steps: impl IntoIterator<Item = u32>) -> Self {
        self.chain_steps = steps.into_iter().collect();
        self
    }

    /// For chains whose decoder is cut into groups of at most so many layers; none means all layers in one group.
    /// Each number costs some trees.
    #[must_use]
    pub fn layers(mut self, layers: impl IntoIterator<Item = usize>) -> Self {
        self.layers = layers.into_iter().collect();
        self
    }

    fn resolved(
        &self,
        model: &IntegerModel,
        resources: &Resources,
    ) -> Result<matchmark_composer::KeyOptions, Error> {
        let shape = model.shape();
        let default = [SecurityLevel::default()];
        let levels = if self.levels.is_empty() {
            &default[..]
        } else {
            &self.levels
        };
        let mut options = matchmark_composer::KeyOptions::of_levels(levels)?;
        if !self.profiles.is_empty() {
            let has = |profile| self.profiles.contains(&profile);
            options
                .securities
                .retain(|security| has(security.profile()));
        }
        if !self.segment_steps.is_empty() {
            options.segment_steps.clone_from(&self.segment_steps);
        }
        options.chain_steps.clone_from(&self.chain_steps);
        if !self.layers.is_empty() {
            let groups = self.layers.iter();
            options.groups = groups
                .map(|each| LayerGroups::of_at_most(shape.layers(), *each))
                .collect::<Result<_, _>>()?;
        }
        // What nothing is said of is as a proof of the model has it.
        let choice = CuttingChoice {
            groups: options
                .groups
                .first()
                .filter(|_| !self.layers.is_empty())
                .copied(),
            segment_steps: self.segment_steps.first().copied(),
            granularity: self.granularity,
            profile: self.profiles.first().copied(),
        };
        let cutting = Cutting::of_model(model, levels[0], choice, resources)?;
        options.granularity = cutting.granularity;
        if !self.cuts.is_empty() {
            options.cuts.clone_from(&self.cuts);
        } else if !cutting.is_small {
            options.cuts = vec![Cut::Fused];
        }
        if self.layers.is_empty() {
            options.groups = vec![cutting.groups];
        }
        if self.segment_steps.is_empty() {
            options.segment_steps = vec![cutting.segment_steps];
        }
        if self.profiles.is_empty() && !cutting.is_small {
            let has = |security: &Security| security.profile() == cutting.profile;
            options.securities.retain(has);
        }
        Ok(options)
    }
}
