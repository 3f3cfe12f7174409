//! Models, keys and tokenizers from their files.

use std::sync::Arc;

use camino::Utf8Path;
use matchmark_composer::{KeyDifference, KeyError, KeyWeights, ModelKey, ModelOptions};
use matchmark_model::{FloatModel, IntegerModel, Tokenizer};
use matchmark_quant::CacheCapacity;
use matchmark_statement::{AcceptancePolicy, TokenId};

use crate::error::CliError;
use crate::files::{self, Form};
use crate::text::numbers;

/// The field that differs where the weights were committed otherwise than a key says.
const COMMITMENT: &str = "commitment to the weights";

/// Reads a model's file.
pub(crate) fn load_model(path: &Utf8Path) -> Result<Arc<IntegerModel>, CliError> {
    let bytes = files::read(path, Form::Model)?;
    let model = IntegerModel::from_bytes(&bytes).map_err(|source| CliError::ModelFile {
        path: path.to_owned(),
        source,
    })?;
    Ok(Arc::new(model))
}

/// Reads a key's file.
pub(crate) fn load_key(path: &Utf8Path) -> Result<ModelKey, CliError> {
    ModelKey::from_toml(&files::read_text(path, Form::Key)?).map_err(|source| CliError::Key {
        path: path.to_owned(),
        source,
    })
}

/// Reads the tokenizer of a model: from its folder, or from its file.
pub(crate) fn load_tokenizer(path: &Utf8Path) -> Result<Tokenizer, CliError> {
    if path.is_dir() {
        return FloatModel::read_tokenizer(path.as_std_path()).map_err(|source| CliError::Import {
            path: path.to_owned(),
            source: Box::new(source),
        });
    }
    Ok(load_model(path)?.tokenizer().clone())
}

/// The tokens of a prompt. An empty one has none, not even where a tokenizer begins every text with a
/// token of its own. One of more tokens than any model has positions is refused before it is read.
pub(crate) fn encode_prompt(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, CliError> {
    if text.is_empty() {
        return Ok(vec![]);
    }
    let tokens = tokenizer.encode_at_most(text, CacheCapacity::MAX as usize);
    tokens.map_err(|source| CliError::Tokens {
        what: "prompt",
        source,
    })
}

/// A key and the file that it is from.
pub(crate) struct NamedKey<'a> {
    pub(crate) path: &'a Utf8Path,
    pub(crate) key: ModelKey,
}

impl<'a> NamedKey<'a> {
    pub(crate) fn load(path: &'a Utf8Path) -> Result<Self, CliError> {
        Ok(Self {
            path,
            key: load_key(path)?,
        })
    }

    /// Whether this is the key of a model, by its identity, which covers everything that the model is.
    pub(crate) fn check_model(
        &self,
        path: &Utf8Path,
        model: &IntegerModel,
    ) -> Result<(), CliError> {
        let expected = self.key.outline().identity.to_string();
        self.check(path, "identity", expected, model.identity().to_string())
    }

    /// Whether a model was committed as the key says, where it speaks of trees of that blowup and height.
    pub(crate) fn check_weights(
        &self,
        path: &Utf8Path,
        weights: Option<KeyWeights>,
    ) -> Result<(), CliError> {
        let place = |it: &KeyWeights| (it.log_blowup, it.log_height);
        let own = |got: &KeyWeights| {
            let mut weights = self.key.weights().iter();
            weights.find(|it| place(it) == place(got))
        };
        match weights.and_then(|got| own(&got).map(|expected| (expected.commitment, got))) {
            None => Ok(()),
            Some((expected, got)) => {
                let (expected, got) = (expected.to_string(), got.commitment.to_string());
                self.check(path, COMMITMENT, expected, got)
            }
        }
    }

    /// Whether this is the tokenizer of the key's model.
    pub(crate) fn check_tokenizer(
        &self,
        path: &Utf8Path,
        tokenizer: &Tokenizer,
    ) -> Result<(), CliError> {
        let expected = self.key.tokenizer().to_string();
        self.check(
            path,
            "tokenizer",
            expected,
            tokenizer.identity().to_string(),
        )
    }

    /// The policy for a chain of the key's model that is given these tokens.
    pub(crate) fn policy(
        &self,
        prompt: &[u32],
        options: &ModelOptions,
    ) -> Result<AcceptancePolicy, CliError> {
        let prompt: Vec<TokenId> = prompt.iter().copied().map(TokenId::new).collect();
        let policy = self.key.policy(&prompt, options);
        policy.map_err(|source| self.refused(source))
    }

    /// Whether a policy is the one that follows from the key and the policy's own choices.
    pub(crate) fn check_policy(
        &self,
        path: &Utf8Path,
        policy: &AcceptancePolicy,
    ) -> Result<(), CliError> {
        match self.key.check_policy(policy) {
            Ok(()) => Ok(()),
            Err(KeyError::OtherPolicy {
                field,
                expected,
                got,
            }) => self.check(path, field, expected, got),
            Err(source) => Err(self.refused(source)),
        }
    }

    fn refused(&self, source: KeyError) -> CliError {
        CliError::Key {
            path: self.path.to_owned(),
            source,
        }
    }

    /// Whether another key is this one.
    pub(crate) fn check_key(&self, path: &Utf8Path, other: &ModelKey) -> Result<(), CliError> {
        match self.key.first_difference(other) {
            None => Ok(()),
            Some(KeyDifference {
                field,
                expected,
                got,
            }) => self.check(path, field, expected, got),
        }
    }

    fn check(
        &self,
        path: &Utf8Path,
        field: &'static str,
        expected: String,
        got: String,
    ) -> Result<(), CliError> {
        if expected == got {
            return Ok(());
        }
        Err(CliError::KeyMismatch {
            path: path.to_owned(),
            key: self.path.to_owned(),
            field,
            expected,
            got,
        })
    }
}

/// A policy and the file that it is from.
pub(crate) struct NamedPolicy<'a> {
    pub(crate) path: &'a Utf8Path,
    pub(crate) policy: AcceptancePolicy,
}

impl<'a> NamedPolicy<'a> {
    pub(crate) fn load(path: &'a Utf8Path) -> Result<Self, CliError> {
        let policy = AcceptancePolicy::from_toml(&files::read_text(path, Form::Policy)?);
        let policy = policy.map_err(|source| CliError::Policy {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { path, policy })
    }

    /// Whether these are the tokens that the policy's chain is given.
    pub(crate) fn check_prompt(&self, given: &[u32]) -> Result<(), CliError> {
        let expected: Vec<u32> = self.policy.prompt().iter().map(|it| it.get()).collect();
        if expected == given {
            return Ok(());
        }
        let words = |tokens: &[u32]| format!("{} tokens ({})", tokens.len(), numbers(tokens));
        Err(CliError::OtherPrompt {
            path: self.path.to_owned(),
            expected: words(&expected),
            got: words(given),
        })
    }
}
