//! What a plan is made for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use matchmark_air::layout::{LayoutError, SegmentLayout};
use matchmark_graph::{ArithmeticTerms, LayerGroups, ModelShape};
use matchmark_quant::{
    AttentionShape, CacheCapacity, QuantError, Rounding, ScoreStep, SegmentSteps, StepRange,
    TableBounds, ValueBits,
};
use matchmark_statement::{SecurityLevel, SegmentShape};
use serde::Serialize;

use crate::error::PlannerError;

/// Bytes of a weight as it is executed.
const WEIGHT_BYTES: u64 = 4;

/// What is to be least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Bytes of all proofs.
    Bytes,
    /// Processor time of proving.
    Prove,
    /// Time of verifying.
    Verify,
    /// Memory of proving.
    Memory,
}

impl Objective {
    /// Every objective, in the order in which ties are decided.
    pub const ALL: [Self; 4] = [Self::Bytes, Self::Prove, Self::Verify, Self::Memory];

    /// The name used in commands and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Prove => "prove",
            Self::Verify => "verify",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Objective {
    type Err = PlannerError;

    fn from_str(text: &str) -> Result<Self, PlannerError> {
        Self::ALL
            .into_iter()
            .find(|objective| objective.name() == text)
            .ok_or_else(|| PlannerError::UnknownObjective {
                expected: "bytes, prove, verify or memory",
                got: text.to_owned(),
            })
    }
}

/// What is to be proven: all that the structure of its proofs depends on, but for what a plan chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Heads and head dimension.
    pub shape: AttentionShape,
    /// Entries of the prefix and steps of the chain.
    pub steps: StepRange,
    /// Width of the values.
    pub value_bits: ValueBits,
    /// Units of score that one table index spans.
    pub score_step: ScoreStep,
    /// Rounding rule of the outputs.
    pub rounding: Rounding,
    /// Length and weights of the table.
    pub table: TableBounds,
    /// The decoder whose attention this is, if it is one's.
    pub decoder: Option<Decoder>,
}

/// What a decoder has around its attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    /// Sizes.
    pub shape: ModelShape,
    /// What holds for all nodes of its arithmetic.
    pub arithmetic: ArithmeticTerms,
}

impl Workload {
    /// The tokens of a decoder: so many given, then so many decoded, the last of which no step consumes.
    ///
    /// # Errors
    ///
    /// [`PlannerError::Quant`] for no step, or for more than a range of steps can have.
    pub fn of_model(
        decoder: Decoder,
        table: TableBounds,
        prompt: u32,
        tokens: u32,
    ) -> Result<Self, PlannerError> {
        let steps = prompt.saturating_add(tokens).saturating_sub(1);
        Ok(Self {
            shape: decoder.shape.all_layers_attention(),
            steps: StepRange::new(0, steps)?,
            value_bits: decoder.arithmetic.value_bits(),
            score_step: decoder.arithmetic.score_step(),
            rounding: Rounding::NearestTiesUp,
            table,
            decoder: Some(decoder),
        })
    }

    /// Bytes of the weights of a decoder that is proven in so many groups of layers, which are held beside the part that
    /// is proven: those of one that is proven as a whole are within the memory of its columns.
    pub(crate) fn weight_bytes(&self, groups: LayerGroups) -> u64 {
        match (self.decoder, groups) {
            (None, _) | (Some(_), LayerGroups::ONE) => 0,
            (Some(decoder), _) => decoder.shape.weights() * WEIGHT_BYTES,
        }
    }

    /// Into how many groups of layers the decoder may be cut, ascending: of each number of layers at most. One, where
    /// there is no decoder.
    ///
    /// # Errors
    ///
    /// [`PlannerError::Quant`] for a decoder of more layers than there can be groups.
    pub fn groups(&self) -> Result<Vec<LayerGroups>, PlannerError> {
        let Some(decoder) = self.decoder else {
            return Ok(vec![LayerGroups::ONE]);
        };
        let layers = decoder.shape.layers();
        let all = (1..=layers).rev();
        let all = all.map(|each| LayerGroups::of_at_most(layers, each));
        let mut all = all.collect::<Result<Vec<_>, _>>()?;
        all.dedup();
        Ok(all)
    }

    /// The layouts of the parts of segments of `segment_steps` steps, where the layers are cut into so many groups: one
    /// for each kind of group, with how many there are of it.
    ///
    /// # Errors
    ///
    /// [`PlannerError::Shape`] or [`PlannerError::Layout`] if there is no such chain.
    pub fn layouts(
        &self,
        segment_steps: SegmentSteps,
        groups: LayerGroups,
    ) -> Result<Vec<(SegmentLayout, u64)>, PlannerError> {
        let Some(decoder) = self.decoder else {
            return Ok(vec![(self.layout(segment_steps)?, 1)]);
        };
        let mut kinds: BTreeMap<_, (usize, u64)> = BTreeMap::new();
        for (index, group) in (0..).zip(groups.all(decoder.shape.layers())) {
            kinds.entry(group.kind()).or_insert((index, 0)).1 += 1;
        }
        let layouts = kinds.into_values().map(|(index, count)| {
            let layout = self.layout_of(segment_steps, Some((decoder, groups, index)))?;
            Ok((layout, count))
        });
        layouts.collect()
    }

    /// The layout of the segments if they have `segment_steps` steps and are not cut by layers.
    ///
    /// # Errors
    ///
    /// [`PlannerError::Shape`] or [`PlannerError::Layout`] if there is no such chain.
    pub fn layout(&self, segment_steps: SegmentSteps) -> Result<SegmentLayout, PlannerError> {
        let whole = self.decoder.map(|decoder| (decoder, LayerGroups::ONE, 0));
        self.layout_of(segment_steps, whole)
    }

    fn layout_of(
        &self,
        segment_steps: SegmentSteps,
        part: Option<(Decoder, LayerGroups, usize)>,
    ) -> Result<SegmentLayout, PlannerError> {
        let entries = u32::try_from(self.steps.entries_after()).unwrap_or(u32::MAX);
        let capacity = CacheCapacity::new(entries).map_err(PlannerError::Quant)?;
        let mut shape = SegmentShape::new(self.shape, capacity, segment_steps)?;
        if let Some((decoder, groups, index)) = &part {
            let group = groups.group(decoder.shape.layers(), *index);
            let group = group.ok_or(LayoutError::Layers)?;
            shape = shape.of_layers(&decoder.shape, &group)?;
        }
        let layout = SegmentLayout::new(
            shape,
            segment_steps.get() as usize,
            self.value_bits,
            self.score_step,
            self.rounding,
            self.table,
        )?;
        match part {
            None => Ok(layout),
            Some((Decoder { shape, arithmetic }, groups, index)) => {
                Ok(layout.with_layers(shape, arithmetic, (groups, index))?)
            }
        }
    }
}

/// What a chain may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Largest memory of proving, in bytes.
    pub max_memory: Option<u64>,
    /// Most steps of a segment: so many must have happened before there can be a proof of them.
    pub max_latency_steps: Option<SegmentSteps>,
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be proven.
    pub workload: Workload,
    /// How hard it is to forge; the profile is chosen.
    pub level: SecurityLevel,
    /// What is to be least.
    pub objective: Objective,
    /// What it may cost.
    pub limits: Limits,
}

impl From<QuantError> for PlannerError {
    fn from(error: QuantError) -> Self {
        Self::Quant(error)
    }
}
