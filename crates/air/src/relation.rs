//! The LogUp relations of attention and decoder.
//!
//! All relations share one pair of challenges; the first element of every tuple is the relation's
//! tag, so that a tuple of one relation never cancels a tuple of another. A tuple is a struct of its
//! relation: one of another length or meaning does not compile.
use core::ops::Mul;

use arrayvec::ArrayVec;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE};
use stwo_constraint_framework::{Relation, RelationEFTraitBound};

use crate::challenges::{LookupChallenges, MAX_TUPLE};

/// The elements of a tuple, without the tag.
pub type Elements<F> = ArrayVec<F, { MAX_TUPLE - 1 }>;

/// A tuple of a relation.
pub trait Tuple<F> {
    /// The relation.
    const TAG: RelationTag;

    /// The elements in the order of the relation.
    fn elements(self) -> Elements<F>;
}

/// What a field of a tuple adds to its elements.
trait Field<F> {
    fn append(self, elements: &mut Elements<F>);
}

impl<F> Field<F> for F {
    fn append(self, elements: &mut Elements<F>) {
        elements.push(self);
    }
}

/// The coordinates of a value of the extension field.
impl<F> Field<F> for [F; SECURE_EXTENSION_DEGREE] {
    fn append(self, elements: &mut Elements<F>) {
        elements.extend(self);
    }
}

macro_rules! relations {
    ($(
        $(#[$group_meta:meta])*
        $group:ident: $(
            $(#[$meta:meta])*
            $name:ident = $tag:literal, $text:literal {
                $($(#[$field_meta:meta])* $field:ident: $type:ty,)+
            }
        )+;
    )+) => {
        /// Which relation a tuple belongs to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum RelationTag {
            $($($(#[$meta])* $name = $tag,)+)+
        }

        impl RelationTag {
            /// All relations, in the order of their tags.
            pub const ALL: &'static [Self] = &[$($(Self::$name),+),+];
            $(
                $(#[$group_meta])*
                pub const $group: [Self; [$($tag),+].len()] = [$(Self::$name),+];
            )+

            /// Name as printed in descriptions and by the mock checker.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$name => $text,)+)+
                }
            }
        }

        $($(
            $(#[$meta])*
            #[derive(Clone, Debug)]
            pub struct $name<F> {
                $($(#[$field_meta])* pub $field: $type,)+
            }

            impl<F> Tuple<F> for $name<F> {
                const TAG: RelationTag = RelationTag::$name;

                fn elements(self) -> Elements<F> {
                    let Self { $($field),+ } = self;
                    let mut elements = Elements::new();
                    $(Field::append($field, &mut elements);)+
                    elements
                }
            }
        )+)+
    };
}

relations! {
    /// The relations of the attention.
    ATTENTION:
    /// An entry of the weight table.
    Weight = 1, "weight table" {
        /// Index `g`.
        index: F,
        /// Weight `T[g]`.
        weight: F,
    }
    /// `0 <= x < 2^limb_bits`.
    Limb = 2, "limb range" {
        /// The number `x`.
        value: F,
    }
    /// `-M <= x <= M`.
    Value = 3, "value range" {
        /// The number `x`.
        value: F,
    }
    /// The combined value vector that ends at a cache row.
    ValueRlc = 4, "value rlc" {
        /// The cache row of the last dimension.
        row: F,
        /// 1 at the head's first position, 0 elsewhere.
        first: F,
        /// `V`.
        value: [F; SECURE_EXTENSION_DEGREE],
    }
    /// The random linear combination of all keys up to a cache row, and the new entry there.
    KeyRlc = 5, "key rlc" {
        /// The cache row.
        row: F,
        /// `K`.
        keys: [F; SECURE_EXTENSION_DEGREE],
        /// New key entry.
        key: F,
        /// New value entry.
        value: F,
    }
    /// The combined scores and numerators of one step.
    StepTotals = 6, "step totals" {
        /// The cache row of the step's last entry, at its last dimension.
        row: F,
        /// Combined scores.
        scores: [F; SECURE_EXTENSION_DEGREE],
        /// Combined numerators.
        numerators: [F; SECURE_EXTENSION_DEGREE],
    };

    /// The relations that only a decoder has.
    DECODER:
    /// `0 <= x < limit`.
    Range = 7, "range" {
        /// The limit, a power of two.
        limit: F,
        /// The number `x`.
        value: F,
    }
    /// An entry of the activation table.
    Activation = 8, "activation table" {
        /// The gate.
        gate: F,
        /// Its activation.
        activation: F,
    }
    /// An entry of the rotary table.
    Rotation = 9, "rotary table" {
        /// Position in the sequence.
        position: F,
        /// Pair of dimensions.
        pair: F,
        /// Cosine of the angle.
        cos: F,
        /// Sine of the angle.
        sin: F,
    }
    /// An entry of the table of reciprocal roots.
    ReciprocalRoot = 10, "reciprocal root table" {
        /// Mantissa of the norm.
        mantissa: F,
        /// Its reciprocal root.
        factor: F,
    }
    /// What belongs to the exponent of a norm.
    Exponent = 11, "exponent table" {
        /// `2^e`.
        scale: F,
        /// `4^e`.
        power: F,
        /// The smallest mantissa that goes with it.
        smallest: F,
    }
    /// The summed squares of a stage of the stream.
    SquareSums = 12, "square sums" {
        /// Number of (stage, step).
        norm: F,
        /// Sum of the squares of the high limbs.
        high: F,
        /// Sum of the products of both limbs.
        cross: F,
        /// Sum of the squares of the low limbs.
        low: F,
    }
    /// The stream that a group of layers gives out.
    StreamValue = 19, "stream value" {
        /// Number of (stage, step).
        norm: F,
        /// Name of the channel's normalized value as an input of matrices.
        input: F,
        /// The stream.
        value: F,
    }
    /// How a stage of the stream is normalized.
    NormFactor = 13, "norm factor" {
        /// Number of (stage, step).
        norm: F,
        /// The factor.
        factor: F,
        /// What normalization divides by.
        divisor: F,
        /// The limit of its excess.
        excess_limit: F,
    }
    /// A query, key or value on its way into the attention.
    AttentionEntry = 14, "attention entry" {
        /// Name of the entry.
        name: F,
        /// The entry.
        value: F,
    }
    /// An input of matrices, combined over the steps.
    LinearInput = 15, "linear input" {
        /// Name of the input.
        name: F,
        /// `X`.
        value: [F; SECURE_EXTENSION_DEGREE],
    }
    /// The outputs of a matrix, combined over outputs and steps. (Tag 17 was that of the greedy choice.)
    LinearOutput = 16, "linear output" {
        /// Name of the outputs.
        name: F,
        /// `Y`.
        value: [F; SECURE_EXTENSION_DEGREE],
    };

    /// The relation that a chain has whose values have two digits.
    DIGITS:
    /// A value `-M <= x <= M` and its high digit.
    ValueDigits = 18, "value digits" {
        /// The number `x`.
        value: F,
        /// `floor(x / 2^h)`.
        high: F,
    };
}

impl RelationTag {
    /// Where a combined value stands in the tuples of the relation whose first element is its name.
    pub const fn combined_at(self) -> Option<usize> {
        match self {
            Self::KeyRlc | Self::LinearInput | Self::LinearOutput => Some(1),
            Self::ValueRlc => Some(2),
            Self::Weight
            | Self::Limb
            | Self::Value
            | Self::StepTotals
            | Self::Range
            | Self::Activation
            | Self::Rotation
            | Self::ReciprocalRoot
            | Self::Exponent
            | Self::SquareSums
            | Self::NormFactor
            | Self::AttentionEntry
            | Self::ValueDigits
            | Self::StreamValue => None,
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

    #[test]
    fn elements_are_in_the_order_of_the_fields() {
        let tuple = KeyRlc {
            row: 1,
            keys: [2, 3, 4, 5],
            key: 6,
            value: 7,
        };
        assert_eq!(tuple.elements().as_slice(), [1, 2, 3, 4, 5, 6, 7]);
    }
}
