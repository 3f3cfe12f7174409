//! All chains that would prove a workload, and the best of them.

use matchmark_air::layout::SegmentLayout;
use matchmark_graph::LayerGroups;
use matchmark_quant::SegmentSteps;
use matchmark_statement::{Cut, Profile, Security, SecurityLevel};
use matchmark_verifier::structure::ProofStructure;

use crate::bytes::{BytesByPart, ProofBytes};
use crate::candidate::Candidate;
use crate::cost::CostModel;
use crate::error::PlannerError;
use crate::reason;
use crate::request::{Limits, Objective, Request, Workload};
use crate::work::{ChainWork, PartWork};

/// A segment may be the whole chain, or a power of two of steps, or one of so many equal parts at most.
const MOST_PARTS: u32 = 12;

/// Steps of the segments of a chain whose decoder is cut by layers, and the most of them.
const LENGTHS_OF_GROUPS: [u32; 7] = [16, 32, 64, 80, 96, 112, LONGEST_OF_GROUPS];
const LONGEST_OF_GROUPS: u32 = 128;

/// The candidates within bounds, and why the first is the choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    objective: Objective,
    candidates: Vec<Candidate>,
    excluded: usize,
    reason: String,
}

impl Plan {
    /// Plans the proof of a workload.
    ///
    /// # Errors
    ///
    /// [`PlannerError::NothingFits`] if no candidate is within the limits; [`PlannerError::Layout`]
    /// or [`PlannerError::Quant`] if the relation cannot carry the workload in any segments.
    pub fn new(request: &Request, model: &CostModel) -> Result<Self, PlannerError> {
        let Request {
            workload,
            level,
            objective,
            limits,
        } = request;
        Self::among(
            candidates(workload, *level, limits, model)?,
            *objective,
            limits,
        )
    }

    /// The plan among given candidates.
    ///
    /// # Errors
    ///
    /// [`PlannerError::NothingFits`].
    pub fn among(
        mut all: Vec<Candidate>,
        objective: Objective,
        limits: &Limits,
    ) -> Result<Self, PlannerError> {
        all.sort_by(|a, b| a.compare(b, objective));
        let (candidates, excluded): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|one| one.is_within(limits));
        let Some(choice) = candidates.first() else {
            return Err(nothing_fits(&excluded, limits));
        };
        Ok(Self {
            objective,
            reason: reason::of(
                choice,
                candidates.get(1),
                excluded.first(),
                objective,
                limits,
            ),
            excluded: excluded.len(),
            candidates,
        })
    }

    /// What is least.
    #[must_use]
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// The best candidate.
    #[must_use]
    pub fn choice(&self) -> &Candidate {
        // There is one: the constructor refuses to make a plan without.
        &self.candidates[0]
    }

    /// All candidates within the limits, the best first.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Number of candidates beyond the limits.
    #[must_use]
    pub fn excluded(&self) -> usize {
        self.excluded
    }

    /// Why the choice is the choice, in a sentence or two.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// A count of bytes. The cast saturates, and counts are far below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(bytes: f64) -> u64 {
    bytes.round() as u64
}

#[allow(clippy::cast_precision_loss)] // Bytes are far below 2^52.
fn float(count: u64) -> f64 {
    count as f64
}

/// Segments of the shortest length are within any bound on their length: it is memory that is short.
fn nothing_fits(all: &[Candidate], limits: &Limits) -> PlannerError {
    let short = all.iter().filter(|one| one.fits_latency(limits));
    let tightest = short.min_by_key(|one| one.memory_bytes);
    PlannerError::NothingFits {
        expected: limits.max_memory.unwrap_or(u64::MAX),
        got: tightest.map_or(0, |one| one.memory_bytes),
        candidate: tightest.map_or_else(|| "none".to_owned(), reason::describe),
    }
}

/// Every candidate, in no order: cuts, segment lengths and profiles, but for segments that the
/// relation cannot carry.
fn candidates(
    workload: &Workload,
    level: SecurityLevel,
    limits: &Limits,
    model: &CostModel,
) -> Result<Vec<Candidate>, PlannerError> {
    let mut candidates = vec![];
    let mut refused = None;
    for groups in workload.groups()? {
        for segment_steps in segment_lengths(workload, groups, limits)? {
            let layouts = match workload.layouts(segment_steps, groups) {
                Ok(layouts) => layouts,
                Err(error) => {
                    refused = Some(error);
                    continue;
                }
            };
            for cut in cuts(groups) {
                for profile in Profile::ALL {
                    // A level need not have every profile.
                    let Ok(security) = Security::new(level, profile) else {
                        continue;
                    };
                    let way = Way {
                        cut: *cut,
                        groups,
                        segment_steps,
                        security,
                    };
                    match ChainWork::new(workload, &layouts, &way) {
                        Ok(work) => candidates.push(candidate(workload, &way, &work, model)),
                        Err(error) => refused = Some(error),
                    }
                }
            }
        }
    }
    match refused {
        Some(error) if candidates.is_empty() => Err(error),
        _ => Ok(candidates),
    }
}

/// A way to prove a workload.
struct Way {
    cut: Cut,
    groups: LayerGroups,
    segment_steps: SegmentSteps,
    security: Security,
}

/// The cuts of segments into proofs: where these are cut by layers, there is one for each part.
fn cuts(groups: LayerGroups) -> &'static [Cut] {
    match groups {
        LayerGroups::ONE => &Cut::ALL,
        _ => &[Cut::Fused],
    }
}

fn candidate(workload: &Workload, way: &Way, work: &ChainWork, model: &CostModel) -> Candidate {
    let Way {
        cut,
        groups,
        segment_steps,
        security,
    } = way;
    let bytes_by_part = work.bytes();
    let costs = model.predict(work);
    Candidate {
        cut: *cut,
        groups: *groups,
        segment_steps: segment_steps.get(),
        segments: work.segments,
        parts: work.segments * work.parts_of_segment(),
        security: security.level(),
        profile: security.profile(),
        bytes: whole(bytes_by_part.total()),
        cpu_seconds: costs.cpu_seconds,
        memory_bytes: whole(costs.memory_bytes) + workload.weight_bytes(*groups),
        verify_ms: costs.verify_ms,
        latency_steps: segment_steps.get(),
        bytes_by_part,
    }
}

/// Powers of two, equal parts, the whole chain, and what a bound on the length allows at most; where the layers are cut,
/// too, what the segments of large models have.
fn segment_lengths(
    workload: &Workload,
    groups: LayerGroups,
    limits: &Limits,
) -> Result<Vec<SegmentSteps>, PlannerError> {
    let steps = u32::try_from(workload.steps.steps()).unwrap_or(u32::MAX);
    if groups != LayerGroups::ONE {
        let bound = limits.max_latency_steps.map_or(steps, SegmentSteps::get);
        let lengths = LENGTHS_OF_GROUPS.into_iter().map(|it| it.min(steps));
        let mut lengths: Vec<u32> = lengths.chain([bound.min(steps)]).collect();
        lengths.retain(|length| *length <= LONGEST_OF_GROUPS);
        lengths.sort_unstable();
        lengths.dedup();
        let lengths = lengths.into_iter().map(SegmentSteps::new);
        return Ok(lengths.collect::<Result<_, _>>()?);
    }
    let powers = (0..u32::BITS)
        .map(|log| 1 << log)
        .take_while(|length| *length < steps);
    let parts = (1..=MOST_PARTS).map(|parts| steps.div_ceil(parts));
    let bound = limits.max_latency_steps.map(|bound| bound.get().min(steps));
    let mut lengths: Vec<u32> = powers.chain(parts).chain(bound).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let lengths = lengths.into_iter().map(SegmentSteps::new);
    Ok(lengths.collect::<Result<_, _>>()?)
}

impl ChainWork {
    /// The work of a workload in segments of parts of these layouts.
    fn new(
        workload: &Workload,
        layouts: &[(SegmentLayout, u64)],
        way: &Way,
    ) -> Result<Self, PlannerError> {
        let length = way.segment_steps;
        let rest = workload.steps.steps() % length.get() as usize;
        let parts = layouts.iter().map(|(layout, count)| {
            let layout = layout.clone().with_cut(way.cut);
            Ok(PartWork {
                count: *count,
                structures: ProofStructure::all(&layout, way.security)?,
                public_rows: match workload.decoder {
                    // Four columns, if one query head stands in a row.
                    None => (1 + layout.vector_lanes() as u64) << (layout.log_rows().vectors - 1),
                    // A decoder's public values are tokens, not columns.
                    Some(_) => 0,
                },
            })
        });
        Ok(Self {
            parts: parts.collect::<Result<_, PlannerError>>()?,
            segments: workload.steps.segments(length).len() as u64,
            lengths: if rest == 0 { 1 } else { 2 },
        })
    }

    /// The work of a workload in segments of this length that are not cut by layers.
    ///
    /// # Errors
    ///
    /// [`PlannerError::Layout`] and the like if there is no such chain.
    pub fn of(
        workload: &Workload,
        cut: Cut,
        segment_steps: SegmentSteps,
        security: Security,
    ) -> Result<Self, PlannerError> {
        let way = Way {
            cut,
            groups: LayerGroups::ONE,
            segment_steps,
            security,
        };
        let layouts = workload.layouts(segment_steps, LayerGroups::ONE)?;
        Self::new(workload, &layouts, &way)
    }

    /// Expected bytes of all proofs.
    #[must_use]
    pub fn bytes(&self) -> BytesByPart {
        let proofs = self.parts.iter().flat_map(|part| {
            let structures = part.structures.iter();
            structures.map(|it| (part.count, ProofBytes::expected(it)))
        });
        proofs
            .fold(BytesByPart::default(), |sum, (count, proof)| {
                sum.plus(&proof.by_part.times(float(count)))
            })
            .times(float(self.segments))
    }
}
