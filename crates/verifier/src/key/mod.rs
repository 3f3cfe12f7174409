//! Keys: what a verifier needs of a model instead of its weights.
//!
//! A policy for a chain of the model follows from its key and the verifier's own choices, in microseconds
//! and without anything of a prover: [`ModelKey::policy`]. What a key says of a model is the whole function
//! that is computed, so that a policy which differs from the derived one in anything is refused by
//! [`ModelKey::check_policy`].
mod binary;
mod chain;
mod error;
#[cfg(feature = "std")]
mod file;
mod policies;
mod sizes;
mod stop;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use matchmark_air::fingerprint::Opening;
use matchmark_graph::{LayerGroups, ModelBounds};
use matchmark_quant::SegmentSteps;
use matchmark_statement::{
    Cut, EndTokens, PortCommitment, PreprocessedRoot, Profile, ProofPart, RelationDigest,
    RelationVersion, Security, SecurityLevel, TokenId, TokenizerId,
};
use serde::{Deserialize, Serialize};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::vcs::blake2_hash::Blake2sHash;

pub use chain::{
    whole_steps, ChainTerms, ChainTermsError, ModelChain, ModelOptions, ModelOptionsError,
    ModelOutline,
};
pub use error::KeyError;
pub use sizes::CircuitSizes;
pub use stop::Stop;

/// The commitment to a model that is cut into so many groups of layers, in trees of one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyWeights {
    /// Base-two logarithm of the inverse code rate, by level and profile.
    pub log_blowup: u32,
    /// Base-two logarithm of the height of the trees, by the length of segments and chain.
    pub log_height: u32,
    /// Into how many groups of layers the model is cut.
    pub groups: LayerGroups,
    /// The commitment: a digest over root and fingerprint of the tree that holds the weights; of several groups
    /// that of all of them together, [`PortCommitment::of_groups`].
    pub commitment: PortCommitment,
}

/// What opens the commitment to a cache: root and fingerprint of its tree, as a key has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstState {
    /// Root of the tree.
    pub root: PreprocessedRoot,
    /// The coordinates of each column's value at the fingerprint point.
    pub fingerprint: Vec<[u32; 4]>,
}

impl FirstState {
    /// Of the opening of a tree.
    #[must_use]
    pub fn of(opening: &Opening) -> Self {
        let fingerprint = opening.fingerprint.iter();
        Self {
            root: PreprocessedRoot::from_bytes(opening.root.0),
            fingerprint: fingerprint
                .map(|it| it.to_m31_array().map(|it| it.0))
                .collect(),
        }
    }

    /// The opening; a coordinate that is no element of the field is taken modulo `p`, and is that of another
    /// commitment.
    pub(super) fn opening(&self) -> Opening {
        let value = |it: &[u32; 4]| QM31::from_m31_array(it.map(M31::from));
        Opening {
            root: Blake2sHash(self.root.to_bytes()),
            fingerprint: self.fingerprint.iter().map(value).collect(),
        }
    }
}

/// The circuits of segments of all lengths that chains of these sizes have, fused and split.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCircuits {
    /// The sizes.
    pub sizes: CircuitSizes,
    /// The cache that chains begin with, where the model has a prefix; an empty one otherwise.
    pub first_state: Option<FirstState>,
    /// The lengths of segments, ascending.
    pub steps: Vec<u32>,
    /// The roots of the preprocessed columns of fused segments, one for each length; none of a key for split ones alone.
    pub whole: Vec<PreprocessedRoot>,
    /// The roots of those of the arithmetic proofs of split segments, one for each length; none of a key for fused ones
    /// alone.
    pub arithmetic: Vec<PreprocessedRoot>,
    /// The root of those of the lookup proofs of split segments, which no length changes.
    pub lookup: Option<PreprocessedRoot>,
}

impl KeyCircuits {
    /// The root for this part of segments of this length.
    pub(super) fn root(&self, part: ProofPart, steps: u32) -> Option<PreprocessedRoot> {
        let index = self.steps.binary_search(&steps).ok()?;
        match part {
            ProofPart::Whole => self.whole.get(index).copied(),
            ProofPart::Arithmetic => self.arithmetic.get(index).copied(),
            ProofPart::Lookup => self.lookup,
        }
    }
}

/// What a verifier needs of a model: its identity and everything that a policy says of it.
///
/// It follows from the model: whoever holds the weights derives it anew and compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelKey {
    parts: ModelKeyParts,
}

/// The fields of a [`ModelKey`], open for construction and for taking apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelKeyParts {
    /// Version of the relation.
    pub relation_version: RelationVersion,
    /// Digest of the relation.
    pub relation_digest: RelationDigest,
    /// Identity, shape, arithmetic and weight table of the model.
    pub outline: ModelOutline,
    /// Identity of its tokenizer.
    pub tokenizer: TokenizerId,
    /// The tokens by which the model ends an answer.
    pub end_tokens: EndTokens,
    /// The tokens with which every text of the model begins. Their keys and values are the model's first cache,
    /// and no step consumes them.
    pub prefix: Vec<TokenId>,
    /// How many steps the segments of chains may have, all but the last, ascending.
    pub segment_steps: Vec<SegmentSteps>,
    /// The last segment of a chain has a multiple of so many steps, as far as there are positions.
    pub granularity: SegmentSteps,
    /// In which ways segments are cut into proofs, ascending.
    pub cuts: Vec<Cut>,
    /// How many steps the chains have that the key is for, ascending; empty for all that the positions allow.
    pub chain_steps: Vec<u32>,
    /// The commitments, by blowup, height and number of groups of layers, ascending.
    pub weights: Vec<KeyWeights>,
    /// The circuits, by their sizes, ascending.
    pub circuits: Vec<KeyCircuits>,
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

impl ModelKey {
    /// Version of the format, of the bytes and of the TOML file alike.
    pub const FORMAT: u32 = 8;

    /// Checks the bounds on all intermediate values, the end tokens against the vocabulary, and the order of the
    /// lists, and makes a key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Bounds`] for norms of weights with which an accumulator could leave the field,
    /// [`KeyError::EndToken`] and [`KeyError::PrefixToken`] for tokens that the vocabulary does not have,
    /// [`KeyError::FirstState`] for a prefix without a first cache, or one without a prefix, and
    /// [`KeyError::Order`] for a list that is empty, not ascending, or has something twice.
    pub fn new(parts: ModelKeyParts) -> Result<Self, KeyError> {
        let ModelOutline {
            shape, arithmetic, ..
        } = &parts.outline;
        ModelBounds::new(shape, arithmetic).map_err(KeyError::Bounds)?;
        let expected = shape.vocabulary();
        if let Some(got) = parts.end_tokens.above(expected) {
            return Err(KeyError::EndToken { expected, got });
        }
        if let Some(got) = parts.prefix.iter().find(|it| !it.is_below(expected)) {
            let got = *got;
            return Err(KeyError::PrefixToken { expected, got });
        }
        let has_prefix = !parts.prefix.is_empty();
        let mut circuits = parts.circuits.iter();
        if let Some(index) = circuits.position(|it| it.first_state.is_some() != has_prefix) {
            return Err(KeyError::FirstState { index });
        }
        ascending("segment lengths", &parts.segment_steps)?;
        ascending("cuts", &parts.cuts)?;
        let has = |cut| parts.cuts.contains(&cut);
        if !parts.chain_steps.is_empty() {
            ascending("chain lengths", &parts.chain_steps)?;
        }
        let places: Vec<_> = parts
            .weights
            .iter()
            .map(|it| (it.log_blowup, it.log_height, it.groups))
            .collect();
        ascending("commitments", &places)?;
        let sizes: Vec<_> = parts.circuits.iter().map(|it| it.sizes).collect();
        ascending("circuits", &sizes)?;
        for circuits in &parts.circuits {
            let list = "roots of a circuit";
            ascending(list, &circuits.steps)?;
            let steps = circuits.steps.len();
            for (cut, of_steps, roots) in [
                (Cut::Fused, steps, circuits.whole.len()),
                (Cut::Split, steps, circuits.arithmetic.len()),
                (Cut::Split, 1, circuits.lookup.iter().len()),
            ] {
                let expected = if has(cut) { of_steps } else { 0 };
                if expected != roots {
                    let index = expected.min(roots);
                    return Err(KeyError::Order { list, index });
                }
            }
        }
        Ok(Self { parts })
    }

    /// The fields.
    #[must_use]
    pub fn parts(&self) -> &ModelKeyParts {
        &self.parts
    }

    /// What the key says of the model, but for the commitments.
    #[must_use]
    pub fn outline(&self) -> &ModelOutline {
        &self.parts.outline
    }

    /// Identity of the model's tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> TokenizerId {
        self.parts.tokenizer
    }

    /// The tokens by which the model ends an answer; without any, its answers end at their limit only.
    #[must_use]
    pub fn end_tokens(&self) -> &EndTokens {
        &self.parts.end_tokens
    }

    /// The tokens with which every text of the model begins, before those of a prompt.
    #[must_use]
    pub fn prefix(&self) -> &[TokenId] {
        &self.parts.prefix
    }

    /// How many steps the segments of chains may have, all but the last, ascending.
    #[must_use]
    pub fn segment_steps(&self) -> &[SegmentSteps] {
        &self.parts.segment_steps
    }

    /// In which ways segments are cut into proofs, ascending.
    #[must_use]
    pub fn cuts(&self) -> &[Cut] {
        &self.parts.cuts
    }

    /// Of how many steps the last segment of a chain has a multiple, as far as there are positions.
    #[must_use]
    pub fn granularity(&self) -> SegmentSteps {
        self.parts.granularity
    }

    /// How many steps the chains have that the key is for, ascending; none where it is for all that the positions
    /// allow.
    #[must_use]
    pub fn chain_steps(&self) -> &[u32] {
        &self.parts.chain_steps
    }

    /// The commitments, sorted by blowup, height and number of groups of layers.
    #[must_use]
    pub fn weights(&self) -> &[KeyWeights] {
        &self.parts.weights
    }

    /// Into how many groups of layers the chains of the key may cut the model, ascending.
    #[must_use]
    pub fn groups(&self) -> Vec<LayerGroups> {
        let groups: BTreeSet<LayerGroups> = self.parts.weights.iter().map(|it| it.groups).collect();
        groups.into_iter().collect()
    }

    /// The profile of a level that all commitments of the key are for, if it is one alone.
    #[must_use]
    pub fn profile(&self, level: SecurityLevel) -> Option<Profile> {
        let blowups: BTreeSet<u32> = self.parts.weights.iter().map(|it| it.log_blowup).collect();
        let [blowup] = blowups.into_iter().collect::<Vec<_>>()[..] else {
            return None;
        };
        let has = |profile: &Profile| {
            let security = Security::new(level, *profile);
            security.is_ok_and(|it| it.parameters().log_blowup == blowup)
        };
        Profile::ALL.into_iter().find(has)
    }

    /// The circuits, sorted by their sizes.
    #[must_use]
    pub fn circuits(&self) -> &[KeyCircuits] {
        &self.parts.circuits
    }

    /// The commitment in trees of this blowup and height, of the model cut into so many groups of layers.
    #[must_use]
    pub fn commitment(
        &self,
        log_blowup: u32,
        log_height: u32,
        groups: LayerGroups,
    ) -> Option<PortCommitment> {
        let mut weights = self.parts.weights.iter();
        weights
            .find(|it| {
                let place = (it.log_blowup, it.log_height, it.groups);
                place == (log_blowup, log_height, groups)
            })
            .map(|it| it.commitment)
    }

    /// Blowups and heights of the commitments, in words.
    pub(super) fn heights(&self) -> String {
        let words: Vec<String> = self
            .parts
            .weights
            .iter()
            .map(|it| {
                let groups = in_groups(it.groups);
                format!("2^{} and 2^{}{groups}", it.log_blowup, it.log_height)
            })
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
        let weights = |it: &KeyWeights| {
            let groups = in_groups(it.groups);
            format!(
                "{} at blowup 2^{} and height 2^{}{groups}",
                it.commitment, it.log_blowup, it.log_height
            )
        };
        let circuits = |it: &KeyCircuits| {
            let CircuitSizes {
                log_blowup,
                log_height,
                segment_steps,
                first_layer,
                end_layer,
                log_cache,
                log_limbs,
                has_digits,
            } = it.sizes;
            let digits = if has_digits {
                ", values in two digits"
            } else {
                ""
            };
            let roots = it.steps.iter().map(|steps| {
                let parts = ProofPart::ALL.into_iter().filter_map(|part| {
                    let root = it.root(part, *steps)?;
                    Some(format!("{part} {root}"))
                });
                let parts: Vec<String> = parts.collect();
                format!("{steps} {}", parts.join(", "))
            });
            let roots: Vec<String> = roots.collect();
            format!(
                "layers {first_layer}..{end_layer}, {segment_steps} steps a segment at blowup 2^{log_blowup}, height 2^{log_height}, cache \
                 2^{log_cache}, limbs 2^{log_limbs}{digits}: first state {}, {}",
                it.first_state.as_ref().map_or_else(|| "empty".to_string(), |state| format!("{state:?}")),
                roots.join(", ")
            )
        };
        let (own, others) = (&self.parts, &other.parts);
        of_fields
            .or_else(|| {
                let field = "commitment to the weights";
                first_item(field, &own.weights, &others.weights, weights)
            })
            .or_else(|| first_item("circuit", &own.circuits, &others.circuits, circuits))
    }

    /// The fields but for the commitments and circuits, in words.
    fn fields(&self) -> [(&'static str, String); 13] {
        let ModelKeyParts {
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
            end_tokens,
            prefix,
            segment_steps,
            granularity,
            cuts,
            chain_steps,
            weights: _, // Compared by the caller, as the circuits are.
            circuits: _,
        } = &self.parts;
        [
            ("relation version", relation_version.to_string()),
            ("relation digest", relation_digest.to_string()),
            ("model", identity.to_string()),
            ("tokenizer", tokenizer.to_string()),
            ("end tokens", end_tokens.to_string()),
            ("prefix", format!("{prefix:?}")),
            ("shape", format!("{shape:?}")),
            ("arithmetic", format!("{arithmetic:?}")),
            ("weight table", table.id().to_string()),
            ("segment lengths", words(segment_steps)),
            ("granularity", granularity.to_string()),
            ("cuts", words(cuts)),
            ("chain lengths", format!("{chain_steps:?}")),
        ]
    }
}

/// ` in 3 groups of layers`, where there are several.
fn in_groups(groups: LayerGroups) -> String {
    match groups {
        LayerGroups::ONE => String::new(),
        groups => format!(" in {groups} groups of layers"),
    }
}

pub(super) fn words<T: ToString>(items: &[T]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// The first item in which two lists differ.
fn first_item<T: PartialEq>(
    field: &'static str,
    expected: &[T],
    got: &[T],
    words: impl Fn(&T) -> String,
) -> Option<KeyDifference> {
    let words = |it: Option<&T>| it.map_or_else(|| "none".to_string(), &words);
    (0..expected.len().max(got.len()))
        .map(|index| (expected.get(index), got.get(index)))
        .find(|(expected, got)| expected != got)
        .map(|(expected, got)| KeyDifference {
            field,
            expected: words(expected),
            got: words(got),
        })
}

/// Whether a list has something, and everything once, in ascending order.
fn ascending<T: Ord>(list: &'static str, items: &[T]) -> Result<(), KeyError> {
    let unsorted = items.windows(2).position(|pair| pair[0] >= pair[1]);
    let unsorted = unsorted.map(|index| index + 1);
    match unsorted.or(items.is_empty().then_some(0)) {
        None => Ok(()),
        Some(index) => Err(KeyError::Order { list, index }),
    }
}
