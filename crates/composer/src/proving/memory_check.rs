//! Whether there is memory for a chain or a key, found before anything is begun.
//!
//! From what is needed and what there is follows how many segments are proven at a time, or that not even
//! one can be, and what would fit in its place.

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::thread;

use matchmark_models::IntegerModel;
use matchmark_prover::{
    model_outline, ChainTerms, ModelChain, ModelOutline, ProveError, SegmentMemory,
};
use matchmark_quant::{CacheCapacity, SegmentSteps, StepRange};
use matchmark_statement::{
    Cut, CutPattern, LayerGroups, PortCommitment, Profile, PromptLength, Security, SecurityLevel,
    SegmentShape, VerifierDomain,
};
use matchmark_verifier::key::{ModelKey, ModelOptions};

use crate::proving::error::PlanError;
use crate::proving::key::KeyOptions;
use crate::proving::manifest::ChainManifest;
use crate::proving::memory::{rooms, MemoryFit, MemoryShortage, Need, Resources, Room};
use crate::proving::plan::{to_u32, ChainPlan};
use crate::proving::schedule::{most_that_fit, Excess, Schedule};
use crate::proving::work::ChainWork;

impl Resources {
    /// Whether there is memory to derive the key of a model, as [`derive_key`](crate::derive_key) does.
    ///
    /// # Errors
    ///
    /// [`PlanError::Memory`] if not; [`PlanError::Prove`] and the like if there is no such key.
    pub fn check_key(&self, model: &IntegerModel, options: &KeyOptions) -> Result<(), PlanError> {
        let outline = model_outline(model);
        let Some(longest) = options.segment_steps.iter().max() else {
            // What is not a key needs no memory: that is for others to say.
            return Ok(());
        };
        let securities = options.securities.iter();
        let needs = securities
            .flat_map(|security| options.groups.iter().map(move |groups| (security, groups)))
            .map(|(security, groups)| {
                let need = committing(&outline, *security, *longest, *groups)?;
                Ok((*security, need.with_weights(outline.shape.weights())))
            })
            .collect::<Result<Vec<_>, PlanError>>()?;
        check_key(&needs, &rooms(self.max_memory))
    }

    /// As [`Self::check_key`], to derive once more a key that there is.
    ///
    /// # Errors
    ///
    /// As [`Self::check_key`].
    pub fn check_key_again(&self, model: &IntegerModel, key: &ModelKey) -> Result<(), PlanError> {
        self.check_key(model, &KeyOptions::of_key(key))
    }
}

impl Resources {
    /// What of the memory there is may be planned with, in bytes.
    #[must_use]
    pub fn usable_memory(&self) -> u64 {
        let rooms = rooms(self.max_memory);
        rooms.iter().map(Room::usable).min().unwrap_or(u64::MAX)
    }
}

/// Cores that this process may use.
fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The profiles that a level has.
fn securities(level: SecurityLevel) -> impl Iterator<Item = Security> {
    let all = Profile::ALL.into_iter();
    all.filter_map(move |profile| Security::new(level, profile).ok())
}

/// What committing a model takes for the largest chain that a key speaks of.
fn committing(
    outline: &ModelOutline,
    security: Security,
    max_segment_steps: SegmentSteps,
    groups: LayerGroups,
) -> Result<Need, PlanError> {
    let positions = to_u32(outline.shape.positions());
    let capacities = (0..u32::BITS).map(|log| positions >> log);
    let mut refused = None;
    for capacity in capacities.take_while(|it| *it > 0) {
        for steps in (1..=max_segment_steps.get().min(capacity)).rev() {
            let chain = ModelChain {
                domain: VerifierDomain::new("matchmark", [0; 16]).map_err(ProveError::from)?,
                security,
                capacity: CacheCapacity::new(capacity)?,
                segment_steps: SegmentSteps::new(steps)?,
                prompt: PromptLength::new(1).map_err(ProveError::from)?,
                groups,
            };
            let terms = chain.terms(outline, NO_WEIGHTS).map_err(ProveError::from)?;
            // One group of layers is committed at a time.
            match SegmentMemory::of_one_at_a_time(&terms, Cut::Fused, steps as usize) {
                Ok(memory) => return Ok(Need::of_committing(&memory)),
                // Shorter ones may do.
                Err(error) => refused = Some(error),
            }
        }
    }
    // There is a position, so that something was refused.
    Err(refused.unwrap_or(ProveError::NoModel).into())
}

/// Sizes do not depend on what the weights are.
const NO_WEIGHTS: PortCommitment = PortCommitment::from_bytes([0; 32]);

/// Whether the largest of these needs, each of a level, has room.
fn check_key(needs: &[(Security, Need)], rooms: &[Room]) -> Result<(), PlanError> {
    let cores = cores();
    let all = |room: &Room| {
        needs
            .iter()
            .map(|(_, need)| room.taken(need, cores, 0))
            .max()
    };
    let short = |room: &&Room| all(room).unwrap_or(0).saturating_sub(room.most());
    let Some(room) = rooms.iter().max_by_key(short).filter(|it| short(it) > 0) else {
        return Ok(());
    };
    let names: Vec<String> = needs.iter().map(|(it, _)| it.to_string()).collect();
    let fits = needs.iter().filter_map(|(security, need)| {
        let bytes = room.taken(need, cores, 0);
        (bytes <= room.most()).then(|| MemoryFit {
            choice: format!("a key for {security} alone"),
            bytes,
        })
    });
    Err(MemoryShortage {
        what: format!("committing the model for a key of {}", names.join(", ")),
        expected: room.most(),
        got: all(room).unwrap_or(0),
        bound: room.bound.clone(),
        fits: fits.collect(),
    }
    .into())
}

/// A chain whose memory is estimated: its terms, of which weights have no say in it.
struct Draft {
    terms: ChainTerms,
    ways: Vec<Cut>,
    steps: StepRange,
}

/// For which groups of layers the weights are held at a time.
#[derive(Clone, Copy)]
enum Held {
    All,
    One,
}

/// The ways in which so many segments are cut.
fn ways(cuts: &CutPattern, segments: u64) -> Vec<Cut> {
    let in_use = |cut: &Cut| (0..segments).any(|segment| cuts.of(segment) == *cut);
    Cut::ALL.into_iter().filter(in_use).collect()
}

impl Draft {
    fn of_trace(plan: &ChainPlan) -> Self {
        Self {
            terms: plan.terms().clone(),
            ways: ways(plan.cuts(), plan.segment_count()),
            steps: plan.steps(),
        }
    }

    fn of_model(terms: ChainTerms, steps: StepRange, cuts: &CutPattern) -> Self {
        let segments = steps.segments(terms.shape.segment_steps()).len();
        Self {
            terms,
            ways: ways(cuts, segments as u64),
            steps,
        }
    }

    /// What takes the least memory.
    fn least(&self) -> Held {
        match self.terms.groups() {
            LayerGroups::ONE => Held::All,
            _ => Held::One,
        }
    }

    /// What it needs in segments of so many steps, at another level or profile.
    fn need(
        &self,
        segment_steps: SegmentSteps,
        security: Security,
        held: Held,
    ) -> Result<Need, PlanError> {
        let shape = &self.terms.shape;
        let shape = SegmentShape::new(shape.attention(), shape.capacity(), segment_steps)
            .map_err(ProveError::from)?;
        let terms = self.terms.clone().with(|it| {
            it.security = security;
            it.shape = shape;
        });
        let steps = segment_steps.get() as usize;
        let ways = self.ways.iter().map(|way| match held {
            Held::All => SegmentMemory::of(&terms, *way, steps),
            Held::One => SegmentMemory::of_one_at_a_time(&terms, *way, steps),
        });
        let lengths = if self.steps.steps().is_multiple_of(steps) {
            1
        } else {
            2
        };
        let need = Need::of_segments(&ways.collect::<Result<Vec<_>, _>>()?, lengths);
        let decoder = self.terms.decoder.as_ref();
        Ok(need.with_weights(decoder.map_or(0, |it| it.shape.weights())))
    }

    /// How it is shared out, and for how many groups of layers the weights are held at a time; or that it does not
    /// fit, and what would. The segments of a chain that was begun are what they are.
    fn schedule(&self, resources: &Resources, begun: bool) -> Result<(Schedule, usize), PlanError> {
        let length = self.terms.shape.segment_steps();
        let groups = self.terms.groups().count();
        let parts = self.steps.segments(length).len() as u64 * groups as u64;
        let rooms = rooms(resources.max_memory);
        let plan = |held, jobs| -> Result<_, PlanError> {
            let need = self.need(length, self.terms.security, held)?;
            let plan = Schedule::plan(&need, &rooms, cores(), parts, jobs);
            Ok(plan.map_err(|excess| (need, excess)))
        };
        let (need, excess) = match plan(Held::All, resources.jobs)? {
            Ok(schedule) => return Ok((schedule, groups)),
            Err(_) if groups > 1 => match plan(Held::One, NonZeroUsize::new(1))? {
                Ok(schedule) => return Ok((schedule, 1)),
                Err(short) => short,
            },
            Err(short) => short,
        };
        Err(self.shortage(&need, excess, begun).into())
    }

    fn shortage(&self, need: &Need, excess: Excess, begun: bool) -> MemoryShortage {
        let Excess {
            workers,
            bytes,
            cores,
            room,
        } = excess;
        let (length, security) = (self.terms.shape.segment_steps(), self.terms.security);
        let most = room.most();
        let mut fits = vec![];
        let jobs = most_that_fit(workers, |it| room.taken(need, cores, it) <= most);
        if jobs > 0 {
            fits.push(MemoryFit {
                choice: format!("{jobs} at a time"),
                bytes: room.taken(need, cores, jobs),
            });
        }
        let mut others_fit = vec![];
        let anew = if begun { "a chain begun anew in " } else { "" };
        let own = std::iter::once(security);
        let others = securities(security.level()).filter(|other| *other != security);
        for other in own.chain(others) {
            // The longest segments of this profile; those of the chain itself are not another choice.
            let longest = shorter(length).find_map(|steps| {
                let bytes = room.taken(&self.need(steps, other, self.least()).ok()?, cores, 1);
                (bytes <= most).then_some((steps, bytes))
            });
            let Some((steps, bytes)) = longest.filter(|(it, _)| (*it, other) != (length, security))
            else {
                continue;
            };
            let mut choice = anew.to_owned();
            if other != security {
                choice += &format!("the profile {}", other.profile());
            }
            if steps != length {
                let with = if other == security { "" } else { " with " };
                choice += &format!("{with}segments of {steps} steps");
            }
            let into = if other == security {
                &mut fits
            } else {
                &mut others_fit
            };
            into.push(MemoryFit { choice, bytes });
        }
        others_fit.sort_by_key(|fit| Reverse(fit.bytes));
        fits.extend(others_fit);
        let segments = match workers {
            1 => "one segment".to_owned(),
            several => format!("{several} segments"),
        };
        MemoryShortage {
            what: format!(
                "proving {segments} of {length} steps at a time in the profile {}",
                security.profile()
            ),
            expected: most,
            got: bytes,
            bound: room.bound,
            fits,
        }
    }
}

/// This length, and all powers of two below it, the longest first.
fn shorter(length: SegmentSteps) -> impl Iterator<Item = SegmentSteps> {
    let powers = (0..u32::BITS).rev().map(|log| 1_u32 << log);
    let below = powers.filter(move |steps| *steps < length.get());
    std::iter::once(length).chain(below.filter_map(|steps| SegmentSteps::new(steps).ok()))
}

impl Schedule {
    /// The schedule for a chain on this machine.
    ///
    /// # Errors
    ///
    /// [`PlanError::Memory`] if there is too little of it.
    pub fn for_work(work: &ChainWork, resources: &Resources) -> Result<Self, PlanError> {
        work_schedule(work, resources, false)
    }

    /// The schedule for a chain of a model after a prompt of so many tokens, before the model is committed.
    ///
    /// # Errors
    ///
    /// [`PlanError::Memory`] if there is too little of it, and the reasons for which there is no such chain.
    pub fn for_model(
        model: &IntegerModel,
        prompt: usize,
        options: &ModelOptions,
        resources: &Resources,
    ) -> Result<Self, PlanError> {
        let (chain, steps) = {
            let prefix = model.prefix().tokens.len();
            options.chain_after(model.shape(), prefix, prefix + prompt)?
        };
        let terms = chain.terms(&model_outline(model), NO_WEIGHTS);
        let terms = terms.map_err(ProveError::from)?;
        let draft = Draft::of_model(terms, steps, &options.cuts);
        Ok(draft.schedule(resources, false)?.0)
    }

    /// For how many groups of layers of such a chain the committed weights are held at a time: all, or one where
    /// there is too little memory for all.
    ///
    /// # Errors
    ///
    /// As [`Self::for_model`].
    pub fn groups_held(
        model: &IntegerModel,
        prompt: usize,
        options: &ModelOptions,
        resources: &Resources,
    ) -> Result<usize, PlanError> {
        let prefix = model.prefix().tokens.len();
        let (chain, steps) = options.chain_after(model.shape(), prefix, prefix + prompt)?;
        let terms = chain.terms(&model_outline(model), NO_WEIGHTS);
        let terms = terms.map_err(ProveError::from)?;
        let draft = Draft::of_model(terms, steps, &options.cuts);
        Ok(draft.schedule(resources, false)?.1)
    }
}

/// The schedule for a chain, which was begun or not.
pub(crate) fn work_schedule(
    work: &ChainWork,
    resources: &Resources,
    begun: bool,
) -> Result<Schedule, PlanError> {
    let draft = match work {
        ChainWork::Trace(plan) => Draft::of_trace(plan),
        ChainWork::Model(plan) => {
            let terms = plan.terms().clone();
            Draft::of_model(terms, plan.steps(), plan.cuts())
        }
    };
    Ok(draft.schedule(resources, begun)?.0)
}

/// Whether the chain of a manifest can be gone on with, before its model is committed: for how many groups of layers
/// the committed weights are held at a time.
pub(crate) fn check_begun(
    model: &IntegerModel,
    manifest: &ChainManifest,
    resources: &Resources,
) -> Result<usize, PlanError> {
    let ChainManifest {
        terms, steps, cuts, ..
    } = manifest;
    // A manifest without one does not belong to a model: that is for others to say.
    let Some(decoder) = terms.decoder else {
        return Ok(1);
    };
    let chain = ModelChain {
        domain: terms.domain.clone(),
        security: terms.security,
        capacity: terms.shape.capacity(),
        segment_steps: terms.shape.segment_steps(),
        prompt: decoder.prompt,
        groups: decoder.groups,
    };
    let terms = chain.terms(&model_outline(model), NO_WEIGHTS);
    let terms = terms.map_err(ProveError::from)?;
    let draft = Draft::of_model(terms, *steps, cuts);
    Ok(draft.schedule(resources, true)?.1)
}
