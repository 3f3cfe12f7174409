//! Deriving the key of a model: the commitments and the roots that its policies pin.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use matchmark_models::IntegerModel;
use matchmark_prover::{
    model_outline, CommittedModel, ModelChain, ModelOutline, ProveError, SegmentProver,
};
use matchmark_quant::{CacheCapacity, QuantError, SegmentSteps};
use matchmark_statement::{
    Cut, LayerGroups, PortCommitment, PreprocessedRoot, Profile, PromptLength, ProofPart,
    RelationVersion, Security, SecurityLevel, TokenId, TokenizerId, VerifierDomain,
};
use matchmark_verifier::key::{
    whole_steps, ChainTermsError, CircuitSizes, FirstState, KeyCircuits, KeyError, KeyWeights,
    ModelKey, ModelKeyParts, ModelOptions, Stop,
};
use matchmark_verifier::variant_names;

use crate::proving::end_tokens::end_tokens;
use crate::proving::error::PlanError;
use crate::proving::model_plan::first_caches;
use crate::proving::plan::to_u32;

/// The chains of a model that a key is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOptions {
    /// Levels and profiles. Those of one blowup have one set of commitments.
    pub securities: Vec<Security>,
    /// How many steps the segments of chains have. Chains of fewer steps are one segment.
    pub segment_steps: Vec<SegmentSteps>,
    /// The last segment of a chain has a multiple of so many steps, as far as there are positions: the larger, the
    /// fewer circuits there are.
    pub granularity: SegmentSteps,
    /// In which ways segments are cut into proofs.
    pub cuts: Vec<Cut>,
    /// How many steps chains have; all that the model's positions allow, where none is given.
    pub chain_steps: Vec<u32>,
    /// Into how many groups of layers the decoder is cut.
    pub groups: Vec<LayerGroups>,
}

impl KeyOptions {
    /// All profiles of these levels, and segments of as many steps as there are where nothing is said of
    /// them.
    ///
    /// # Errors
    ///
    /// None that is known: the number of steps is one that segments have.
    pub fn of_levels(levels: &[SecurityLevel]) -> Result<Self, QuantError> {
        let securities = levels
            .iter()
            .flat_map(|&level| Profile::ALL.map(|profile| Security::new(level, profile)))
            // A level need not have every profile.
            .filter_map(Result::ok)
            .collect();
        Ok(Self {
            securities,
            segment_steps: vec![SegmentSteps::new(ModelOptions::SEGMENT_STEPS)?],
            granularity: SegmentSteps::new(1)?,
            cuts: Cut::ALL.to_vec(),
            chain_steps: vec![],
            groups: vec![LayerGroups::ONE],
        })
    }
}

impl KeyOptions {
    /// The same, each list ascending and everything once.
    fn sorted(&self) -> Self {
        fn sorted<T: Ord + Copy>(items: &[T]) -> Vec<T> {
            let items: BTreeSet<T> = items.iter().copied().collect();
            items.into_iter().collect()
        }
        Self {
            securities: self.securities.clone(),
            segment_steps: sorted(&self.segment_steps),
            granularity: self.granularity,
            cuts: sorted(&self.cuts),
            chain_steps: sorted(&self.chain_steps),
            groups: sorted(&self.groups),
        }
    }

    /// For the blowups and segments of a key: what it is derived anew for.
    #[must_use]
    pub fn of_key(key: &ModelKey) -> Self {
        let has = |log_blowup: u32| key.weights().iter().any(|it| it.log_blowup == log_blowup);
        let levels = SecurityLevel::ALL.into_iter();
        let securities = levels
            .flat_map(|level| Profile::ALL.map(|profile| Security::new(level, profile)))
            .filter_map(Result::ok)
            .filter(|security| has(security.parameters().log_blowup))
            .collect();
        Self {
            securities,
            segment_steps: key.segment_steps().to_vec(),
            granularity: key.granularity(),
            cuts: key.cuts().to_vec(),
            chain_steps: key.chain_steps().to_vec(),
            groups: key.groups(),
        }
    }
}

/// Why no key of a model can be derived. One variant a reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeygenError {
    /// No level and profile, no segment length or no number of groups of layers is given: no chain could be verified.
    #[error("a key needs at least one {what}, got none")]
    Nothing {
        /// What is missing.
        what: &'static str,
    },
    /// The relation cannot carry any chain of the model that is asked for.
    #[error("no chain of the model can be proven: {0}")]
    NoChain(#[source] ProveError),
    /// A commitment cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What was derived is not a key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

variant_names!(KeygenError {
    Nothing,
    NoChain,
    Plan,
    Key,
});

impl From<ProveError> for KeygenError {
    fn from(error: ProveError) -> Self {
        PlanError::from(error).into()
    }
}

/// Derives the key of a model: commits the weights once for each blowup and height that a chain can have,
/// and the preprocessed columns of every segment of every chain.
/// `on_tree` is called with how many trees are done, and how many there are.
///
/// # Errors
///
/// [`KeygenError`], one variant a reason.
pub fn derive_key(
    model: &Arc<IntegerModel>,
    options: &KeyOptions,
    on_tree: &mut dyn FnMut(usize, usize),
) -> Result<ModelKey, KeygenError> {
    let outline = model_outline(model);
    let prefix = &model.prefix().tokens;
    let options = options.sorted();
    let chains = chains(&outline, to_u32(prefix.len()), &options)?;
    let KeyOptions {
        segment_steps,
        granularity,
        cuts,
        chain_steps,
        ..
    } = options;
    let trees = trees(&chains, &cuts);
    let parts: Vec<ProofPart> = cuts.iter().flat_map(|cut| cut.parts()).copied().collect();
    let mut done = 0;
    let mut weights = Vec::new();
    let mut circuits: BTreeMap<CircuitSizes, Roots> = BTreeMap::new();
    for ((log_blowup, log_height, groups), height) in &chains {
        let mut of_groups = Vec::new();
        let twiddles = SegmentProver::twiddles_of_chain(&height.chain, model)?;
        // One group of layers at a time is held.
        for group in 0..groups.get() {
            let prover = SegmentProver::for_group(&height.chain, model, group, &twiddles)?;
            of_groups.extend(prover.model().map(CommittedModel::commitment));
            done += 1;
            on_tree(done, trees);
            let of_group = height.circuits.iter().filter(|it| it.1 .0 == group);
            for ((sizes, steps), (_, chain)) in of_group {
                let mut root = |part| {
                    let root = prover.root_of_chain(chain, &outline, part, *steps as usize);
                    done += 1;
                    on_tree(done, trees);
                    root
                };
                // Other numbers of groups may have these layers, too.
                let of_sizes = match circuits.entry(*sizes) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let first_state = match prefix.is_empty() {
                            true => None,
                            false => {
                                let caches =
                                    first_caches(model, *groups).map_err(ProveError::from)?;
                                let cache = &caches[usize::from(group)];
                                let opening = prover.state_of_chain(chain, &outline, cache)?;
                                Some(FirstState::of(&opening))
                            }
                        };
                        new.insert(Roots {
                            first_state,
                            of_steps: BTreeMap::new(),
                            lookup: match parts.contains(&ProofPart::Lookup) {
                                true => Some(root(ProofPart::Lookup)?),
                                false => None,
                            },
                        })
                    }
                };
                if let Entry::Vacant(new) = of_sizes.of_steps.entry(*steps) {
                    let mut of_part = |part| parts.contains(&part).then(|| root(part)).transpose();
                    new.insert([of_part(ProofPart::Whole)?, of_part(ProofPart::Arithmetic)?]);
                }
            }
        }
        weights.push(KeyWeights {
            log_blowup: *log_blowup,
            log_height: *log_height,
            groups: *groups,
            commitment: PortCommitment::of_groups(&of_groups),
        });
    }
    Ok(ModelKey::new(ModelKeyParts {
        relation_version: RelationVersion::CURRENT,
        relation_digest: matchmark_verifier::RELATION_DIGEST,
        outline,
        tokenizer: TokenizerId::from_bytes(*model.tokenizer().identity().as_bytes()),
        end_tokens: end_tokens(&Stop::Model, model)?,
        prefix: prefix.iter().copied().map(TokenId::new).collect(),
        segment_steps,
        granularity,
        cuts,
        chain_steps,
        weights,
        circuits: circuits
            .into_iter()
            .map(|(sizes, roots)| roots.circuits(sizes))
            .collect(),
    })?)
}

/// The roots of circuits of these sizes, as far as they are made.
struct Roots {
    first_state: Option<FirstState>,
    /// Of fused segments and of arithmetic proofs, by the number of steps.
    of_steps: BTreeMap<u32, [Option<PreprocessedRoot>; 2]>,
    lookup: Option<PreprocessedRoot>,
}

impl Roots {
    fn circuits(self, sizes: CircuitSizes) -> KeyCircuits {
        let Self {
            first_state,
            of_steps,
            lookup,
        } = self;
        KeyCircuits {
            sizes,
            first_state,
            steps: of_steps.keys().copied().collect(),
            whole: of_steps.values().filter_map(|[whole, _]| *whole).collect(),
            arithmetic: of_steps
                .values()
                .filter_map(|[_, arithmetic]| *arithmetic)
                .collect(),
            lookup,
        }
    }
}

/// Derives the key of a model anew, for the same blowups and segments as this one: equal if this is the
/// model's.
///
/// # Errors
///
/// Those of [`derive_key`].
pub fn rederive_key(
    key: &ModelKey,
    model: &Arc<IntegerModel>,
    on_tree: &mut dyn FnMut(usize, usize),
) -> Result<ModelKey, KeygenError> {
    derive_key(model, &KeyOptions::of_key(key), on_tree)
}

/// What trees of one blowup and height are for.
pub(crate) struct Height {
    /// A chain whose trees have it.
    chain: ModelChain,
    /// Every circuit, with the group of layers that it is of and a chain that has it.
    circuits: BTreeMap<(CircuitSizes, u32), (u16, ModelChain)>,
}

/// How many trees there are: those of the weights of each group of layers, one for each length and cut of segments of
/// each size (fused and arithmetic), and one for the lookup proofs of all lengths. Several numbers of groups may
/// have circuits in common.
fn trees(chains: &BTreeMap<(u32, u32, LayerGroups), Height>, cuts: &[Cut]) -> usize {
    let weights = chains.values().map(|it| it.chain.groups.count());
    let circuits = chains.values().flat_map(|it| it.circuits.keys());
    let circuits: BTreeSet<_> = circuits.collect();
    let sizes: BTreeSet<_> = circuits.iter().map(|(sizes, _)| sizes).collect();
    let lookups = match cuts.contains(&Cut::Split) {
        true => sizes.len(),
        false => 0,
    };
    weights.sum::<usize>() + cuts.len() * circuits.len() + lookups
}

/// Every chain of the model, by blowup and height of its trees, and by the number of groups of layers.
pub(crate) fn chains(
    outline: &ModelOutline,
    prefix: u32,
    options: &KeyOptions,
) -> Result<BTreeMap<(u32, u32, LayerGroups), Height>, KeygenError> {
    let KeyOptions {
        securities,
        segment_steps,
        granularity,
        cuts,
        chain_steps,
        groups,
    } = options;
    let mut blowups = BTreeSet::new();
    let securities: Vec<Security> = securities
        .iter()
        .filter(|security| blowups.insert(security.parameters().log_blowup))
        .copied()
        .collect();
    for (what, empty) in [
        ("level and profile", securities.is_empty()),
        ("segment length", segment_steps.is_empty()),
        ("number of groups of layers", groups.is_empty()),
        ("cut", cuts.is_empty()),
    ] {
        if empty {
            return Err(KeygenError::Nothing { what });
        }
    }
    let most = to_u32(outline.shape.positions()).saturating_sub(prefix);
    let lengths = match &chain_steps[..] {
        [] => (1..=most).collect(),
        some => some.iter().copied().filter(|it| *it <= most).collect(),
    };
    let mut found = Chains {
        outline,
        prefix,
        most,
        granularity: *granularity,
        lengths,
        heights: BTreeMap::new(),
        refused: None,
    };
    for security in securities {
        for longest in segment_steps {
            for groups in groups {
                found.add_lengths(security, *longest, *groups)?;
            }
        }
    }
    match found.refused {
        Some(error) if found.heights.is_empty() => Err(KeygenError::NoChain(error.into())),
        _ => Ok(found.heights),
    }
}

/// The chains found so far.
struct Chains<'a> {
    outline: &'a ModelOutline,
    /// Entries of the model's first cache.
    prefix: u32,
    /// Most steps that a chain can have.
    most: u32,
    granularity: SegmentSteps,
    /// Steps of the chains, before their last segments are filled up.
    lengths: Vec<u32>,
    heights: BTreeMap<(u32, u32, LayerGroups), Height>,
    /// Why the first chain that was not added cannot be carried.
    refused: Option<ChainTermsError>,
}

impl Chains<'_> {
    /// Adds the chains of all lengths.
    fn add_lengths(
        &mut self,
        security: Security,
        longest: SegmentSteps,
        groups: LayerGroups,
    ) -> Result<(), KeygenError> {
        let log_blowup = security.parameters().log_blowup;
        let whole = |length: &u32| whole_steps(*length, longest.get(), self.granularity, self.most);
        let lengths: BTreeSet<u32> = self.lengths.iter().map(whole).collect();
        for length in lengths {
            let steps = longest.get().min(length);
            let chain = chain(security, self.prefix + length, steps, groups)?;
            let last = length % steps;
            for steps in [steps, last].into_iter().filter(|steps| *steps > 0) {
                for group in 0..groups.get() {
                    let layout = chain.layout_of(self.outline, group.into(), steps as usize);
                    let layout = match layout {
                        Ok(layout) => layout,
                        Err(error) => {
                            self.refused.get_or_insert(error);
                            break;
                        }
                    };
                    let sizes = CircuitSizes::of(&layout, log_blowup);
                    let place = (log_blowup, sizes.log_height, groups);
                    let height = self.heights.entry(place).or_insert_with(|| Height {
                        chain: chain.clone(),
                        circuits: BTreeMap::new(),
                    });
                    let circuits = &mut height.circuits;
                    circuits
                        .entry((sizes, steps))
                        .or_insert_with(|| (group, chain.clone()));
                }
            }
        }
        Ok(())
    }
}

/// A chain of these sizes. Neither commitments nor circuits depend on the rest.
fn chain(
    security: Security,
    capacity: u32,
    segment_steps: u32,
    groups: LayerGroups,
) -> Result<ModelChain, KeygenError> {
    let domain = VerifierDomain::new("matchmark", [0; 16]).map_err(ProveError::from)?;
    Ok(ModelChain {
        domain,
        security,
        capacity: CacheCapacity::new(capacity).map_err(PlanError::from)?,
        segment_steps: SegmentSteps::new(segment_steps).map_err(PlanError::from)?,
        prompt: PromptLength::new(1).map_err(ProveError::from)?,
        groups,
    })
}
