//! A chain that would prove a workload.

use std::cmp::Ordering;

use matchmark_graph::LayerGroups;
use matchmark_statement::{Cut, Profile, SecurityLevel};
use serde::Serialize;

use crate::bytes::BytesByPart;
use crate::request::{Limits, Objective};

/// A chain that would prove the workload, and what it is predicted to cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Whether a segment is one proof or two.
    pub cut: Cut,
    /// Into how many groups the layers of a decoder are cut; 1 of attention alone.
    pub groups: LayerGroups,
    /// Steps of a segment; the last may have fewer.
    pub segment_steps: u32,
    /// Number of segments.
    pub segments: u64,
    /// Number of parts: segments times groups of layers.
    pub parts: u64,
    /// Security level.
    pub security: SecurityLevel,
    /// Profile of the level.
    pub profile: Profile,
    /// Expected bytes of all proofs of the chain.
    pub bytes: u64,
    /// Processor time of proving, in seconds.
    pub cpu_seconds: f64,
    /// Largest resident set of the proving process, in bytes.
    pub memory_bytes: u64,
    /// Time of verifying the chain, in milliseconds.
    pub verify_ms: f64,
    /// Steps that must have happened before there can be a proof of them.
    pub latency_steps: u32,
    /// Expected bytes by part.
    pub bytes_by_part: BytesByPart,
}

#[allow(clippy::cast_precision_loss)] // Bytes are far below 2^52.
fn float(count: u64) -> f64 {
    count as f64
}

impl Candidate {
    /// What an objective makes least: bytes, seconds or milliseconds.
    #[must_use]
    pub fn cost(&self, objective: Objective) -> f64 {
        match objective {
            Objective::Bytes => float(self.bytes),
            Objective::Prove => self.cpu_seconds,
            Objective::Verify => self.verify_ms,
            Objective::Memory => float(self.memory_bytes),
        }
    }

    /// Whether memory and segment length are within the limits.
    #[must_use]
    pub fn is_within(&self, limits: &Limits) -> bool {
        self.fits_memory(limits) && self.fits_latency(limits)
    }

    pub(crate) fn fits_memory(&self, limits: &Limits) -> bool {
        let Limits { max_memory, .. } = limits;
        max_memory.is_none_or(|bytes| self.memory_bytes <= bytes)
    }

    pub(crate) fn fits_latency(&self, limits: &Limits) -> bool {
        let Limits {
            max_latency_steps, ..
        } = limits;
        max_latency_steps.is_none_or(|steps| self.latency_steps <= steps.get())
    }

    /// By the objective; ties by the other objectives in their order.
    #[must_use]
    pub fn compare(&self, other: &Self, objective: Objective) -> Ordering {
        std::iter::once(objective)
            .chain(Objective::ALL)
            .map(|objective| self.cost(objective).total_cmp(&other.cost(objective)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}
