//! Keys: what a verifier needs of a model instead of its weights.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use matchmark_model::{IntegerModel, TokenizerId};
use matchmark_prover::{ModelChain, ModelOutline, ProveError, SegmentProver};
use matchmark_quant::{CacheCapacity, SegmentSteps};
use matchmark_runtime::KvCache;
use matchmark_statement::{
    AcceptancePolicy, ModelCommitment, Profile, PromptLength, RelationDigest, RelationVersion,
    Security, SecurityLevel, VerifierDomain,
};
use matchmark_tables::TableError;
use matchmark_verifier::variant_names;
use serde::{Deserialize, Serialize};

use crate::proving::boundaries::BoundaryPattern;
use crate::proving::error::PlanError;
use crate::proving::model_cache::{model_prover, ModelCache};
use crate::proving::plan::to_u32;
use crate::proving::tokens::ModelOptions;
use crate::proving::work::chain_policy;

/// The commitment to a model's weights in trees of one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyWeights {
    /// Base-two logarithm of the inverse code rate, by level and profile.
    pub log_blowup: u32,
    /// Base-two logarithm of the height of the trees, by the length of segments and chain.
    pub log_height: u32,
    /// The commitment: a digest over root and fingerprint of the tree that holds the weights.
    pub commitment: ModelCommitment,
}

/// What a verifier needs of a model: its identity and everything that a policy says of it.
///
/// It follows from the model: whoever holds the weights derives it anew and compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelKey {
    pub(crate) relation_version: RelationVersion,
    pub(crate) relation_digest: RelationDigest,
    pub(crate) outline: ModelOutline,
    pub(crate) tokenizer: TokenizerId,
    pub(crate) max_segment_steps: SegmentSteps,
    /// Sorted, one for each blowup and height.
    pub(crate) weights: Vec<KeyWeights>,
}

/// In what two keys differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDifference {
    /// Name of the field.
    pub field: &'static str,
    /// On the side that was asked.
    pub expected: String,
    /// On the other side.
    pub got: String,
}

/// Why there is no key, or no policy by it. One variant a reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file is of another version of the format.
    #[error("the key has format {got}, expected {expected}")]
    Format {
        /// The only version known.
        expected: u32,
        /// The version in the file.
        got: u32,
    },
    /// The text is no key.
    #[error("no key: {reason}")]
    Text {
        /// What is wrong with it.
        reason: String,
    },
    /// The text says the same as a key's, in other words.
    #[error("no key: line {line} is {got:?}, expected {expected:?}")]
    NotCanonical {
        /// The first line that differs, counted from 1.
        line: usize,
        /// The line as it is written.
        expected: String,
        /// The line in the file.
        got: String,
    },
    /// The table in the text is none.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The commitments are not sorted by blowup and height, or there is none.
    #[error("the commitments of a key are sorted by blowup and height: commitment {index} is not")]
    Order {
        /// Index of the first commitment that is out of order, counted from 0.
        index: usize,
    },
    /// The key is one of another relation.
    #[error("the key is of relation {got}, expected {expected}")]
    Relation {
        /// The relation of this program.
        expected: RelationDigest,
        /// The relation of the key.
        got: RelationDigest,
    },
    /// Segments would be longer than those that the key speaks of.
    #[error(
        "segments of {got} steps, expected at most {expected}, the longest that the key speaks of"
    )]
    SegmentSteps {
        /// The longest segments of the key.
        expected: u32,
        /// Steps of a segment.
        got: u32,
    },
    /// The key has no commitment for such a chain.
    #[error(
        "the key has no commitment for {security}: expected one of {expected}, got blowup 2^{log_blowup} and \
         height 2^{log_height}"
    )]
    NoCommitment {
        /// Level and profile.
        security: Security,
        /// Blowups and heights that the key has commitments for, in words.
        expected: String,
        /// The blowup of level and profile.
        log_blowup: u32,
        /// Height of the chain's trees.
        log_height: u32,
    },
    /// The choices make no chain of the model.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The relation cannot carry the model, or the terms are no statement.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

variant_names!(KeyError {
    Format,
    Text,
    NotCanonical,
    Table,
    Order,
    Relation,
    SegmentSteps,
    NoCommitment,
    Plan,
    Prove,
});

impl ModelKey {
    /// Longest segments that a key speaks of where nothing is said of them.
    pub const MAX_SEGMENT_STEPS: u32 = 64;

    /// Derives the key of a model for chains of these levels, whose segments have at most so many
    /// steps: commits the weights once for each blowup and height that such a chain can have.
    ///
    /// # Errors
    ///
    /// [`KeyError::Prove`] or [`KeyError::Plan`] if the relation cannot carry any chain of the model.
    pub fn derive(
        model: &Arc<IntegerModel>,
        levels: &[SecurityLevel],
        max_segment_steps: SegmentSteps,
    ) -> Result<Self, KeyError> {
        Self::derive_with_cache(model, levels, max_segment_steps, None)
    }

    /// As [`Self::derive`], with the model committed by way of a cache, if there is one: the same key.
    ///
    /// # Errors
    ///
    /// As [`Self::derive`], and [`PlanError::ModelCache`] if the cache cannot be used.
    pub fn derive_with_cache(
        model: &Arc<IntegerModel>,
        levels: &[SecurityLevel],
        max_segment_steps: SegmentSteps,
        cache: Option<&ModelCache>,
    ) -> Result<Self, KeyError> {
        let outline = ModelOutline::of(model);
        let heights = heights(&outline, max_segment_steps)?;
        let mut weights = BTreeSet::new();
        for (log_blowup, security) in blowups(levels) {
            for shape in heights.values() {
                let prover = model_prover(shape.chain(security)?, Arc::clone(model), cache)?;
                if let Some(committed) = prover.model() {
                    weights.insert(KeyWeights {
                        log_blowup,
                        log_height: prover.lifting_log_size(),
                        commitment: committed.commitment(),
                    });
                }
            }
        }
        let any = ChainShape {
            steps: 1,
            capacity: 1,
        };
        let terms = any.chain(Security::default())?.terms(
            &outline,
            // The relation is asked for, which no weights have a say in.
            ModelCommitment::from_bytes([0; 32]),
        )?;
        let shared = terms.shared();
        Ok(Self {
            relation_version: shared.relation_version,
            relation_digest: shared.relation_digest,
            outline,
            tokenizer: model.tokenizer().identity(),
            max_segment_steps,
            weights: weights.into_iter().collect(),
        })
    }

    /// What the key says of the model, but for the commitments.
    #[must_use]
    pub fn outline(&self) -> &ModelOutline {
        &self.outline
    }

    /// Identity of the model's tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> TokenizerId {
        self.tokenizer
    }

    /// Longest segments that the key speaks of.
    #[must_use]
    pub fn max_segment_steps(&self) -> SegmentSteps {
        self.max_segment_steps
    }

    /// The commitments, sorted by blowup and height.
    #[must_use]
    pub fn weights(&self) -> &[KeyWeights] {
        &self.weights
    }

    /// The policy for a chain that begins with `prompt` given tokens. Everything in it is taken from the
    /// key and these choices, or computed from them: nothing comes from a prover.
    ///
    /// # Errors
    ///
    /// [`KeyError::Relation`] for a key of another relation, [`KeyError::SegmentSteps`] and
    /// [`KeyError::NoCommitment`] for choices that the key does not speak of, [`KeyError::Plan`] for
    /// those that make no chain of the model.
    pub fn policy(
        &self,
        prompt: usize,
        options: &ModelOptions,
    ) -> Result<AcceptancePolicy, KeyError> {
        let shape = &self.outline.shape;
        let (chain, steps) = options.chain(shape, prompt)?;
        let (expected, got) = (self.max_segment_steps.get(), chain.segment_steps.get());
        if got > expected {
            return Err(KeyError::SegmentSteps { expected, got });
        }
        let log_height = chain.lifting_log_size(&self.outline)?;
        let security = options.security;
        let log_blowup = security.parameters().log_blowup;
        let commitment = self
            .weights
            .iter()
            .find(|it| (it.log_blowup, it.log_height) == (log_blowup, log_height))
            .ok_or_else(|| KeyError::NoCommitment {
                security,
                expected: self.heights(),
                log_blowup,
                log_height,
            })?
            .commitment;
        let terms = chain.terms(&self.outline, commitment)?;
        let (expected, got) = (terms.shared().relation_digest, self.relation_digest);
        if expected != got {
            return Err(KeyError::Relation { expected, got });
        }
        let prover = SegmentProver::new(terms)?;
        let first = prover.state(KvCache::empty(shape.all_layers_attention()))?;
        let pattern = BoundaryPattern::default();
        Ok(chain_policy(&prover, first.commitment(), steps, &pattern)?)
    }

    /// Derives the key of a model anew, for the same levels and segments as this one: equal if this is
    /// the model's.
    ///
    /// # Errors
    ///
    /// Those of [`Self::derive`].
    pub fn rederive(&self, model: &Arc<IntegerModel>) -> Result<Self, KeyError> {
        self.rederive_with_cache(model, None)
    }

    /// As [`Self::rederive`], with the model committed by way of a cache, if there is one.
    ///
    /// # Errors
    ///
    /// Those of [`Self::derive_with_cache`].
    pub fn rederive_with_cache(
        &self,
        model: &Arc<IntegerModel>,
        cache: Option<&ModelCache>,
    ) -> Result<Self, KeyError> {
        let has = |log_blowup: &u32| self.weights.iter().any(|it| it.log_blowup == *log_blowup);
        let levels: Vec<SecurityLevel> = SecurityLevel::ALL
            .into_iter()
            .filter(|level| blowups(&[*level]).keys().all(has))
            .collect();
        Self::derive_with_cache(model, &levels, self.max_segment_steps, cache)
    }

    /// Blowups and heights of the commitments, in words.
    fn heights(&self) -> String {
        let words: Vec<String> = self
            .weights
            .iter()
            .map(|it| format!("2^{} and 2^{}", it.log_blowup, it.log_height))
            .collect();
        words.join(", ")
    }

    /// The first field in which `other` differs from `self`, if any.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<KeyDifference> {
        let fields = self.fields().into_iter().zip(other.fields());
        let of_fields = fields
            .map(|((field, expected), (_, got))| KeyDifference {
                field,
                expected,
                got,
            })
            .find(|it| it.expected != it.got);
        of_fields.or_else(|| {
            let differs = |(a, b): &(Option<&KeyWeights>, Option<&KeyWeights>)| a != b;
            let words = |it: Option<&KeyWeights>| {
                it.map_or_else(
                    || "none".to_owned(),
                    |it| {
                        format!(
                            "{} at blowup 2^{} and height 2^{}",
                            it.commitment, it.log_blowup, it.log_height
                        )
                    },
                )
            };
            let count = self.weights.len().max(other.weights.len());
            (0..count)
                .map(|index| (self.weights.get(index), other.weights.get(index)))
                .find(differs)
                .map(|(expected, got)| KeyDifference {
                    field: "commitment to the weights",
                    expected: words(expected),
                    got: words(got),
                })
        })
    }

    /// The fields but for the commitments, in words.
    fn fields(&self) -> [(&'static str, String); 8] {
        let Self {
            relation_version,
            relation_digest,
            outline:
                ModelOutline {
                    identity,
                    shape,
                    arithmetic,
                    table,
                },
            tokenizer,
            max_segment_steps,
            weights: _, // Compared by the caller.
        } = self;
        [
            ("relation version", relation_version.to_string()),
            ("relation digest", relation_digest.to_string()),
            ("model", identity.to_string()),
            ("tokenizer", tokenizer.to_string()),
            ("shape", format!("{shape:?}")),
            ("arithmetic", format!("{arithmetic:?}")),
            ("weight table", table.id().to_string()),
            ("longest segment", max_segment_steps.to_string()),
        ]
    }
}

/// Sizes of a chain on which the height of its trees depends.
#[derive(Clone, Copy)]
struct ChainShape {
    steps: u32,
    capacity: u32,
}

impl ChainShape {
    /// A chain of these sizes. The commitment to the weights does not depend on the rest.
    fn chain(self, security: Security) -> Result<ModelChain, KeyError> {
        Ok(ModelChain {
            domain: VerifierDomain::new("matchmark", [0; 16]).map_err(ProveError::from)?,
            security,
            capacity: CacheCapacity::new(self.capacity).map_err(PlanError::from)?,
            segment_steps: SegmentSteps::new(self.steps).map_err(PlanError::from)?,
            prompt: PromptLength::new(1).map_err(ProveError::from)?,
        })
    }
}

/// Every height that trees of the model's chains can have, at some blowup, with a chain that has it.
fn heights(
    outline: &ModelOutline,
    max_segment_steps: SegmentSteps,
) -> Result<BTreeMap<u32, ChainShape>, KeyError> {
    let positions = to_u32(outline.shape.positions());
    let mut heights = BTreeMap::new();
    let mut refused = None;
    for steps in 1..=max_segment_steps.get().min(positions) {
        for capacity in steps..=positions {
            let shape = ChainShape { steps, capacity };
            let chain = shape.chain(Security::default())?;
            match chain.lifting_log_size(outline) {
                Ok(height) => {
                    heights.entry(height).or_insert(shape);
                }
                // Longer chains are larger still.
                Err(error) => {
                    refused.get_or_insert(error);
                    break;
                }
            }
        }
    }
    match refused {
        Some(error) if heights.is_empty() => Err(error.into()),
        _ => Ok(heights),
    }
}

/// The blowups of these levels, each with a level and profile that has it.
fn blowups(levels: &[SecurityLevel]) -> BTreeMap<u32, Security> {
    levels
        .iter()
        .flat_map(|&level| Profile::ALL.map(|profile| Security::new(level, profile)))
        // A level need not have every profile.
        .filter_map(Result::ok)
        .map(|security| (security.parameters().log_blowup, security))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use matchmark_quant::{HiddenSize, Layers, MlpSize, ModelShape, VocabularySize};
    use matchmark_tables::WeightTable;

    use super::*;
    use crate::tests::common::model::model;

    fn heights_of(
        outline: &ModelOutline,
        steps: u32,
    ) -> Result<BTreeMap<u32, ChainShape>, KeyError> {
        heights(outline, SegmentSteps::new(steps).unwrap())
    }

    /// A key speaks of the chains that there are, and there is none where no chain is.
    #[test]
    fn chains_that_the_relation_cannot_carry_have_no_height() {
        let outline = ModelOutline::of(&model(5));
        let chain = |outline: &ModelOutline, steps, capacity| {
            let shape = ChainShape { steps, capacity };
            let chain = shape.chain(Security::default()).unwrap();
            chain.lifting_log_size(outline)
        };
        for (height, shape) in heights_of(&outline, 4).unwrap() {
            let got = chain(&outline, shape.steps, shape.capacity).unwrap();
            assert_eq!(got, height);
        }
        // Of so large a vocabulary there are chains of short segments alone.
        let mut large = outline.clone();
        large.shape = ModelShape::new(
            Layers::new(2).unwrap(),
            HiddenSize::new(12).unwrap(),
            outline.shape.attention(),
            MlpSize::new(20).unwrap(),
            VocabularySize::new(VocabularySize::MAX).unwrap(),
            CacheCapacity::new(64).unwrap(),
        )
        .unwrap();
        assert!(chain(&large, 64, 64).is_err());
        assert!(!heights_of(&large, 64).unwrap().is_empty());
        // With such weights the sums of no attention row fit into the field.
        let mut heavy = outline;
        heavy.table = WeightTable::custom(vec![(1 << 24) - 1, 1], "large").unwrap();
        assert!(matches!(
            heights_of(&heavy, 4),
            Err(KeyError::Prove(ProveError::Layout(_)))
        ));
    }
}
