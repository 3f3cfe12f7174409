//! The LogUp relations of the attention decode relation.
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
}

impl RelationTag {
    /// All relations.
    pub const ALL: [Self; 6] = [
        Self::Weight,
        Self::Limb,
        Self::Value,
        Self::ValueProjection,
        Self::KeyProjection,
        Self::StepTotals,
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
        debug_assert!(values.len() < MAX_TUPLE);
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
