//! Into what parts the chain of a model is cut where nothing is said of it: by layers and by steps, so that each part
//! fits into memory.
//!
//! **Invariant:** the choice follows from the model's shape and the bound on memory alone, not from the tokens: whoever
//! derives a key and whoever proves with the same bound cut alike. Where no bound is given, it is what the machine has
//! free, up to [`Cutting::MEMORY`]; with a key the key's cutting is taken, whatever there is.

use matchmark_graph::LayerGroups;
use matchmark_models::IntegerModel;
use matchmark_prover::{model_outline, ModelChain, ModelOutline, ProveError, SegmentMemory};
use matchmark_quant::{CacheCapacity, SegmentSteps};
use matchmark_statement::{
    Cut, PortCommitment, Profile, PromptLength, Security, SecurityLevel, VerifierDomain,
};
use matchmark_verifier::key::ModelOptions;
use serde::Serialize;

use crate::proving::error::PlanError;
use crate::proving::memory::{Need, Resources};
use crate::proving::plan::to_u32;

/// How a chain of a model is cut into parts, and how these are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cutting {
    /// Into how many groups the layers are cut.
    pub groups: LayerGroups,
    /// Steps of a segment.
    pub segment_steps: SegmentSteps,
    /// Of how many steps the last segment has a multiple.
    pub granularity: SegmentSteps,
    /// The profile.
    pub profile: Profile,
    /// Whether the model is one that is proven in parts of all layers, where nothing is said of them.
    pub is_small: bool,
}

/// What of a cutting is decided already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CuttingChoice {
    /// Into how many groups the layers are cut.
    pub groups: Option<LayerGroups>,
    /// Steps of a segment.
    pub segment_steps: Option<SegmentSteps>,
    /// Of how many steps the last segment has a multiple.
    pub granularity: Option<SegmentSteps>,
    /// The profile.
    pub profile: Option<Profile>,
}

impl Cutting {
    /// The bound on memory where none is given, in bytes.
    pub const MEMORY: u64 = 15 << 29;
    /// A model whose parts are cut by steps alone takes at most so much memory, in bytes.
    const WHOLE: u64 = 4 << 30;
    /// Steps of the chains that a choice is made for: an answer with its question, and a conversation. The last one
    /// says how much memory a part takes; longer chains take more, and go by the same cutting.
    const CHAINS: [u32; 2] = [112, 256];
    /// Steps of the segments of models that are cut by layers, the longest first.
    const LENGTHS: [u32; 7] = [128, 112, 96, 80, 64, 32, 16];
    /// Of how many steps the last segment of such a model has a multiple.
    const GRANULARITY: u32 = 16;
    /// As how many values a proof counts: it has about a megabyte, which is to be kept, sent and verified.
    const PROOF: f64 = 33_554_432.0;

    /// The cutting of a model whose parts are proven on this machine, as far as it is not decided already: within the
    /// bound on memory, or else within [`Self::MEMORY`] and what there is.
    ///
    /// # Errors
    ///
    /// As [`Self::within`].
    pub fn of_model(
        model: &IntegerModel,
        level: SecurityLevel,
        choice: CuttingChoice,
        resources: &Resources,
    ) -> Result<Self, PlanError> {
        let usable = resources.usable_memory();
        let memory = match resources.max_memory {
            Some(_) => usable,
            None => usable.min(Self::MEMORY),
        };
        Self::within(&model_outline(model), level, choice, memory)
    }

    /// The cutting of a model whose parts are proven in so many bytes of memory, as far as it is not decided already.
    ///
    /// A model that takes little memory is not cut by layers; its segments have
    /// [`ModelOptions::SEGMENT_STEPS`] steps, the last one as many as there are, and its proofs are small. Of the ways
    /// to cut another one, that is taken which has the least to commit and to verify for a step of an answer and of a
    /// conversation; where none fits, the one that takes the least memory.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the relation cannot carry the model in any of these ways.
    pub fn within(
        model: &ModelOutline,
        level: SecurityLevel,
        choice: CuttingChoice,
        memory: u64,
    ) -> Result<Self, PlanError> {
        let CuttingChoice {
            groups,
            segment_steps,
            granularity,
            profile,
        } = choice;
        let whole = Self {
            groups: LayerGroups::ONE,
            segment_steps: SegmentSteps::new(ModelOptions::SEGMENT_STEPS)?,
            granularity: SegmentSteps::new(1)?,
            profile: Profile::default(),
            is_small: true,
        };
        let bound = memory.min(Self::WHOLE);
        let is_small = Cost::of(model, level, &whole).is_ok_and(|cost| cost.bytes <= bound);
        let default = match is_small {
            true => whole,
            false => Self {
                granularity: SegmentSteps::new(Self::GRANULARITY)?,
                profile: match level {
                    SecurityLevel::Insecure13 => Profile::Compact,
                    SecurityLevel::Proven100
                    | SecurityLevel::Proven100Unique
                    | SecurityLevel::Conjectured100 => Profile::Fastest,
                },
                is_small: false,
                ..whole
            },
        };
        let granularity = granularity.unwrap_or(default.granularity);
        let profile = profile.unwrap_or(default.profile);
        let cut = |groups, segment_steps| Self {
            groups,
            segment_steps,
            granularity,
            profile,
            is_small,
        };
        if is_small {
            return Ok(cut(
                groups.unwrap_or(default.groups),
                segment_steps.unwrap_or(default.segment_steps),
            ));
        }
        if let (Some(groups), Some(segment_steps)) = (groups, segment_steps) {
            return Ok(cut(groups, segment_steps));
        }
        let mut best: Option<(Self, Cost)> = None;
        let mut refused = None;
        for groups in groups_of(model.shape.layers(), groups)? {
            for segment_steps in lengths_of(segment_steps)? {
                let cutting = cut(groups, segment_steps);
                match Cost::of(model, level, &cutting) {
                    Err(error) => refused = Some(error),
                    Ok(cost) => {
                        if best.is_none_or(|(_, best)| cost.is_better(best, memory)) {
                            best = Some((cutting, cost));
                        }
                    }
                }
            }
        }
        match (best, refused) {
            (Some((cutting, _)), _) => Ok(cutting),
            (None, Some(error)) => Err(error),
            // Nothing was tried, which no list allows.
            (None, None) => Ok(default),
        }
    }
}

/// Every number of groups, or the one that is decided.
fn groups_of(layers: usize, decided: Option<LayerGroups>) -> Result<Vec<LayerGroups>, PlanError> {
    if let Some(groups) = decided {
        return Ok(vec![groups]);
    }
    let all = (1..=layers).map(|each| LayerGroups::of_at_most(layers, each));
    let mut all = all.collect::<Result<Vec<_>, _>>()?;
    all.dedup();
    Ok(all)
}

/// Every length of segments, or the one that is decided.
fn lengths_of(decided: Option<SegmentSteps>) -> Result<Vec<SegmentSteps>, PlanError> {
    match decided {
        Some(steps) => Ok(vec![steps]),
        None => {
            let lengths = Cutting::LENGTHS.map(SegmentSteps::new).into_iter();
            Ok(lengths.collect::<Result<_, _>>()?)
        }
    }
}

/// What a way of cutting costs.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Memory of proving one part at a time, in bytes: the most of any of the chains.
    bytes: u64,
    /// Values that are committed for each step, at the blowup, with so many for each proof: all chains together.
    work: f64,
}

impl Cost {
    fn of(
        model: &ModelOutline,
        level: SecurityLevel,
        cutting: &Cutting,
    ) -> Result<Self, PlanError> {
        let mut all = Self {
            bytes: 0,
            work: 0.0,
        };
        for steps in Cutting::CHAINS {
            let chain = Self::of_chain(model, level, cutting, steps)?;
            all.bytes = all.bytes.max(chain.bytes);
            all.work += chain.work;
        }
        Ok(all)
    }

    /// That of a chain of so many steps, or of as many as the model has positions.
    #[allow(clippy::cast_precision_loss)] // Counts are far below 2^52.
    fn of_chain(
        model: &ModelOutline,
        level: SecurityLevel,
        cutting: &Cutting,
        steps: u32,
    ) -> Result<Self, PlanError> {
        let Cutting {
            groups,
            segment_steps,
            profile,
            ..
        } = *cutting;
        let entries = steps.min(to_u32(model.shape.positions()));
        let chain = ModelChain {
            domain: VerifierDomain::new("matchmark", [0; 16]).map_err(ProveError::from)?,
            security: Security::new(level, profile).map_err(ProveError::from)?,
            capacity: CacheCapacity::new(entries)?,
            segment_steps: SegmentSteps::new(segment_steps.get().min(entries))?,
            prompt: PromptLength::new(1).map_err(ProveError::from)?,
            groups,
        };
        // Sizes do not depend on what the weights are.
        let weights = PortCommitment::from_bytes([0; 32]);
        let terms = chain.terms(model, weights).map_err(ProveError::from)?;
        let of_segment = chain.segment_steps.get();
        // A shorter last segment is as high as the others.
        let segments = entries.div_ceil(of_segment);
        let parts = SegmentMemory::of_groups(&terms, Cut::Fused, of_segment as usize)?;
        let one = SegmentMemory::of_one_at_a_time(&terms, Cut::Fused, of_segment as usize)?;
        let work = parts.iter().map(|part| {
            let all = part.model.plus(part.preprocessed).plus(part.own);
            all.evaluations as f64 + Cutting::PROOF
        });
        Ok(Self {
            bytes: Need::of_segments(&[one], 1)
                .with_weights(model.shape.weights())
                .bytes(1),
            work: f64::from(segments) * work.sum::<f64>() / f64::from(entries),
        })
    }

    /// Whether this is better than another within a bound on memory.
    fn is_better(self, other: Self, memory: u64) -> bool {
        match (self.bytes <= memory, other.bytes <= memory) {
            (true, true) => self.work < other.work,
            (false, false) => self.bytes < other.bytes,
            (fits, _) => fits,
        }
    }
}
