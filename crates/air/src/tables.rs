//! The lookup tables of a proof: which there are, how high they are, and where an entry stands.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_statement::{ProofPart, SegmentKind};
use stwo::core::fields::m31::M31;

use crate::layout::decoder::{DecoderLogRows, LOG_RANGE_ROWS, MANTISSA_BITS};
use crate::layout::{SegmentLayout, MIN_LOG_ROWS};
use crate::relation::RelationTag;

/// A lookup table in the preprocessed tree or in that of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `(g, T[g])`.
    Weights,
    /// `-M ..= M`.
    Values,
    /// `(v, floor(v / 2^h))` for `-M <= v <= M`.
    ValueDigits,
    /// `0 .. 2^limb_bits`.
    Limbs,
    /// `(bits, x)` with `0 <= x < 2^bits`.
    Ranges,
    /// `(mantissa, factor)`.
    ReciprocalRoots,
    /// `(e, 4^e, smallest mantissa, divisor)`.
    Exponents,
    /// `(gate, activation)`; of the model.
    Activations,
    /// `(position, pair, cos, sin)`; of the model.
    Rotations,
}

impl Table {
    /// The tables of the attention, in the order in which they are laid out.
    pub const ATTENTION: [Self; 3] = [Self::Weights, Self::Values, Self::Limbs];

    /// The tables of a decoder, in the order in which they are laid out.
    pub const DECODER: [Self; 8] = [
        Self::Weights,
        Self::Values,
        Self::Limbs,
        Self::Ranges,
        Self::ReciprocalRoots,
        Self::Exponents,
        Self::Activations,
        Self::Rotations,
    ];

    /// The tables of the proofs of one part of such segments, in the order in which they are laid out.
    pub fn of(layout: &SegmentLayout, part: ProofPart) -> impl Iterator<Item = Self> {
        let all: &[Self] = match layout.kind() {
            SegmentKind::Attention => &Self::ATTENTION,
            SegmentKind::Decoder => &Self::DECODER,
        };
        let digits = layout.digits().map(|_| Self::ValueDigits);
        let all = all.iter().copied().chain(digits);
        all.filter(move |table| match part {
            ProofPart::Whole => true,
            ProofPart::Arithmetic => *table != Self::Weights,
            ProofPart::Lookup => *table == Self::Weights,
        })
    }

    /// The relation that the table serves.
    pub const fn tag(self) -> RelationTag {
        match self {
            Self::Weights => RelationTag::Weight,
            Self::Values => RelationTag::Value,
            Self::ValueDigits => RelationTag::ValueDigits,
            Self::Limbs => RelationTag::Limb,
            Self::Ranges => RelationTag::Range,
            Self::ReciprocalRoots => RelationTag::ReciprocalRoot,
            Self::Exponents => RelationTag::Exponent,
            Self::Activations => RelationTag::Activation,
            Self::Rotations => RelationTag::Rotation,
        }
    }

    /// How many columns of an entry stand in the model tree.
    pub const fn model_columns(self) -> usize {
        match self {
            Self::Activations => 2,
            Self::Rotations => 4,
            Self::Weights
            | Self::Values
            | Self::ValueDigits
            | Self::Limbs
            | Self::Ranges
            | Self::ReciprocalRoots
            | Self::Exponents => 0,
        }
    }

    /// Log of the number of entries.
    pub fn log_rows(self, layout: &SegmentLayout) -> u32 {
        let decoder = |of: fn(DecoderLogRows) -> u32| of(layout.expect_decoder().log_rows());
        match self {
            Self::Weights => layout.log_rows().weights,
            Self::Values | Self::ValueDigits => layout.log_rows().values,
            Self::Limbs => layout.log_rows().limbs,
            Self::Ranges => LOG_RANGE_ROWS,
            Self::ReciprocalRoots => MANTISSA_BITS,
            Self::Exponents => MIN_LOG_ROWS,
            Self::Activations => decoder(|rows| rows.activations),
            Self::Rotations => decoder(|rows| rows.rotations),
        }
    }

    /// Where its entries stand.
    pub fn order(self, layout: &SegmentLayout) -> EntryOrder {
        let from_minus = |limit: i32| EntryOrder::First {
            offset: M31::from(limit),
        };
        match self {
            Self::Weights | Self::Limbs | Self::ReciprocalRoots => EntryOrder::First {
                offset: M31::from(0),
            },
            Self::Exponents => EntryOrder::Powers,
            Self::Values | Self::ValueDigits => from_minus(layout.value_bits().max_value()),
            Self::Activations => {
                let arithmetic = layout.expect_decoder().arithmetic();
                from_minus(arithmetic.gate_bits().max_value())
            }
            Self::Ranges => EntryOrder::Limits,
            Self::Rotations => {
                let shape = layout.expect_decoder().shape();
                EntryOrder::Pairs {
                    pairs: shape.attention().head_dim() / 2,
                }
            }
        }
    }
}

/// How the row in which an entry of a table stands follows from the first elements of its tuple.
#[derive(Clone, Copy, Debug)]
pub enum EntryOrder {
    /// It is the first element, and this many more.
    First {
        /// What the least entry is below zero.
        offset: M31,
    },
    /// The first element is a limit, a power of two, the second one of as many numbers. Row 0 repeats the number
    /// below one, which nothing looks up.
    Limits,
    /// The first element is a power of two; the row is its exponent.
    Powers,
    /// The first element is a position, the second one of so many pairs.
    Pairs {
        /// Pairs of a position.
        pairs: usize,
    },
}

impl EntryOrder {
    /// The row of a tuple with these first two elements, if the table has that many; `None` for a tuple that is
    /// in no such table. A tuple of one element has zero for the second.
    #[inline]
    pub fn row(self, first: M31, second: M31) -> Option<usize> {
        match self {
            Self::First { offset } => Some((first + offset).0 as usize),
            Self::Limits => {
                let (limit, number) = (first.0 as usize, second.0 as usize);
                (limit.is_power_of_two() && number < limit).then(|| limit + number)
            }
            Self::Powers => {
                let power = first.0;
                (power.is_power_of_two()).then(|| power.trailing_zeros() as usize)
            }
            Self::Pairs { pairs } => {
                let (position, pair) = (first.0 as usize, second.0 as usize);
                (pair < pairs).then(|| position * pairs + pair)
            }
        }
    }
}

/// The tables of a part's proofs, those of equal height together, in order of height.
pub fn table_groups(layout: &SegmentLayout, part: ProofPart) -> Vec<(u32, Vec<Table>)> {
    let log_rows = |table: Table| table.log_rows(layout);
    let mut tables: Vec<Table> = Table::of(layout, part).collect();
    tables.sort_by_key(|table| log_rows(*table));
    let mut groups: Vec<(u32, Vec<Table>)> = vec![];
    for table in tables {
        match groups.last_mut() {
            Some((log, group)) if *log == log_rows(table) => group.push(table),
            _ => groups.push((log_rows(table), vec![table])),
        }
    }
    groups
}
