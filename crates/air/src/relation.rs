//! The LogUp relations of attention and decoder.
//!
//! All relations share one pair of challenges; the first element of every tuple is the relation's
//! tag, so that a tuple of one relation never cancels a tuple of another.
use core::ops::Mul;

use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo_constraint_framework::{Relation, RelationEFTraitBound};

use crate::challenges::LookupChallenges;

/// Longest tuple, tag included ([`RelationTag::StepTotals`]).
pub const MAX_TUPLE: usize = 10;

/// Which relation a tuple belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum RelationTag {
    /// `(index, weight)`: an entry of the weight table.
    Weight = 1,
    /// `(x)`: `0 <= x < 2^limb_bits`.
    Limb = 2,
    /// `(x)`: `-M <= x <= M`.
    Value = 3,
    /// `(row, first, V[4])`: the projected value vector that ends at this cache row, and whether
    /// it is the head's first position.
    ValueProjection = 4,
    /// `(row, K[4], k, v)`: the projection of all keys up to this cache row, and the new entry.
    KeyProjection = 5,
    /// `(row, scores[4], numerators[4])`: the projected scores and numerators of one step.
    StepTotals = 6,
    /// `(bits, x)`: `0 <= x < 2^bits`.
    Range = 7,
    /// `(gate, activation)`: an entry of the SiLU table.
    Activation = 8,
    /// `(position, pair, cos, sin)`: an entry of the rotary table.
    Rotation = 9,
    /// `(mantissa, factor)`: an entry of the table of reciprocal roots.
    ReciprocalRoot = 10,
    /// `(exponent, 4^exponent, smallest mantissa, divisor)`: what belongs to an exponent.
    Exponent = 11,
    /// `(stage and step, high sum, low sum)`: the summed squares of a stage of the stream.
    SquareSums = 12,
    /// `(stage and step, factor, divisor bits, divisor)`: how a stage is normalized.
    NormFactor = 13,
    /// `(name, value)`: a query, key or value on its way into the attention.
    AttentionEntry = 14,
    /// `(name, X[4])`: an input of matrices, projected over the steps.
    LinearInput = 15,
    /// `(name, Y[4])`: the outputs of a matrix, projected over outputs and steps.
    LinearOutput = 16,
    /// `(step, token)`: the greedy choice after a step.
    Choice = 17,
}

impl RelationTag {
    /// The relations of the attention.
    pub const ATTENTION: [Self; 6] = [
        Self::Weight,
        Self::Limb,
        Self::Value,
        Self::ValueProjection,
        Self::KeyProjection,
        Self::StepTotals,
    ];

    /// The relations that only a decoder has.
    pub const DECODER: [Self; 11] = [
        Self::Range,
        Self::Activation,
        Self::Rotation,
        Self::ReciprocalRoot,
        Self::Exponent,
        Self::SquareSums,
        Self::NormFactor,
        Self::AttentionEntry,
        Self::LinearInput,
        Self::LinearOutput,
        Self::Choice,
    ];

    /// Name as printed in descriptions and by the mock checker.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight table",
            Self::Limb => "limb range",
            Self::Value => "value range",
            Self::ValueProjection => "value projection",
            Self::KeyProjection => "key projection",
            Self::StepTotals => "step totals",
            Self::Range => "range",
            Self::Activation => "activation table",
            Self::Rotation => "rotary table",
            Self::ReciprocalRoot => "reciprocal root table",
            Self::Exponent => "exponent table",
            Self::SquareSums => "square sums",
            Self::NormFactor => "norm factor",
            Self::AttentionEntry => "attention entry",
            Self::LinearInput => "linear input",
            Self::LinearOutput => "linear output",
            Self::Choice => "choice",
        }
    }

    /// The tag as the first element of a tuple.
    pub fn element(self) -> M31 {
        M31::from_u32_unchecked(self as u32)
    }
}

/// A relation together with the challenges it is combined by.
pub struct TaggedRelation<'a> {
    /// Which relation.
    pub tag: RelationTag,
    /// The challenges of this proof.
    pub challenges: &'a LookupChallenges,
}

impl<F: Clone, EF: RelationEFTraitBound<F>> Relation<F, EF> for TaggedRelation<'_> {
    /// `tag + sum_i alpha^(i+1) values_i - z`.
    fn combine(&self, values: &[F]) -> EF {
        // In every build: what stands behind the last power would not be part of the tuple.
        assert!(
            values.len() < MAX_TUPLE,
            "a tuple of the relation {} has {} values, expected fewer than {MAX_TUPLE}",
            self.tag.name(),
            values.len()
        );
        let start = EF::from(QM31::from(self.tag.element()) - self.challenges.shift());
        values
            .iter()
            .zip(&self.challenges.powers()[1..])
            .fold(start, |sum, (value, power)| {
                sum + Mul::<F>::mul(EF::from(*power), value.clone())
            })
    }

    fn get_name(&self) -> &str {
        self.tag.name()
    }

    fn get_size(&self) -> usize {
        MAX_TUPLE
    }
}

#[cfg(test)]
mod tests {
    use stwo::core::fields::qm31::QM31;

    use super::*;

    fn combine(values: usize) -> QM31 {
        let relation = TaggedRelation {
            tag: RelationTag::StepTotals,
            challenges: &LookupChallenges::structural(),
        };
        let values: alloc::vec::Vec<M31> = (1..=values).map(M31::from).collect();
        Relation::<M31, QM31>::combine(&relation, &values)
    }

    #[test]
    fn every_value_of_a_tuple_counts() {
        let all: alloc::vec::Vec<QM31> = (0..MAX_TUPLE).map(combine).collect();
        for (shorter, longer) in all.iter().zip(&all[1..]) {
            assert_ne!(shorter, longer);
        }
    }

    #[test]
    #[should_panic(expected = "has 10 values, expected fewer than 10")]
    fn a_tuple_does_not_lose_its_tail() {
        combine(MAX_TUPLE);
    }
}
