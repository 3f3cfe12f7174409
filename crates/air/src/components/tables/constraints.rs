//! Constraints of the table components: each entry is provided as often as the multiplicity column
//! says. A table has one multiplicity column and one LogUp tuple, and no other constraint: what a
//! multiplicity must be follows from the balance of the relation, as all uses together stay below
//! the modulus (checked from the shape).
use alloc::vec::Vec;

use matchmark_statement::ProofPart;
use stwo_constraint_framework::EvalAtRow;

use crate::challenges::Challenges;
use crate::decoder::layout::{DecoderLogRows, LOG_RANGE_ROWS, MANTISSA_BITS};
use crate::decoder::selectors::DecoderSelector;
use crate::harness::row::{Constraints, Row};
use crate::layout::{SegmentLayout, MIN_LOG_ROWS};
use crate::preprocessed::Preprocessed;
use crate::relation::RelationTag;

/// A lookup table in the preprocessed tree or in that of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `(g, T[g])`.
    Weights,
    /// `-M ..= M`.
    Values,
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

    /// The tables of the proofs of one part, in the order in which they are laid out.
    pub const fn of(part: ProofPart) -> &'static [Self] {
        match part {
            ProofPart::Fused => &Self::ATTENTION,
            ProofPart::Arithmetic => &[Self::Values, Self::Limbs],
            ProofPart::Lookup => &[Self::Weights],
            ProofPart::Decoder => &Self::DECODER,
        }
    }

    /// The relation that the table serves.
    pub const fn tag(self) -> RelationTag {
        match self {
            Self::Weights => RelationTag::Weight,
            Self::Values => RelationTag::Value,
            Self::Limbs => RelationTag::Limb,
            Self::Ranges => RelationTag::Range,
            Self::ReciprocalRoots => RelationTag::ReciprocalRoot,
            Self::Exponents => RelationTag::Exponent,
            Self::Activations => RelationTag::Activation,
            Self::Rotations => RelationTag::Rotation,
        }
    }

    /// The columns of an entry that stand in the preprocessed tree.
    pub const fn columns(self) -> &'static [Preprocessed] {
        use DecoderSelector as Selector;
        use Preprocessed::Decoder;
        match self {
            Self::Weights => &[Preprocessed::TableIndex, Preprocessed::TableWeight],
            Self::Values => &[Preprocessed::TableValue],
            Self::Limbs => &[Preprocessed::TableLimb],
            Self::Ranges => &[Decoder(Selector::RangeBits), Decoder(Selector::RangeValue)],
            Self::ReciprocalRoots => &[
                Decoder(Selector::RootMantissa),
                Decoder(Selector::RootFactor),
            ],
            Self::Exponents => &[
                Decoder(Selector::ExponentExponent),
                Decoder(Selector::ExponentPower),
                Decoder(Selector::ExponentSmallest),
                Decoder(Selector::ExponentDivisor),
            ],
            Self::Activations | Self::Rotations => &[],
        }
    }

    /// How many columns of an entry stand in the model tree.
    pub const fn model_columns(self) -> usize {
        match self {
            Self::Activations => 2,
            Self::Rotations => 4,
            Self::Weights
            | Self::Values
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
            Self::Values => layout.log_rows().values,
            Self::Limbs => layout.log_rows().limbs,
            Self::Ranges => LOG_RANGE_ROWS,
            Self::ReciprocalRoots => MANTISSA_BITS,
            Self::Exponents => MIN_LOG_ROWS,
            Self::Activations => decoder(|rows| rows.silu),
            Self::Rotations => decoder(|rows| rows.rotations),
        }
    }
}

/// Tables of equal height.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Log of the number of entries.
    pub log_rows: u32,
    /// The tables.
    pub tables: Vec<Table>,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl Constraints for Tables {
    fn log_rows(&self) -> u32 {
        self.log_rows
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        for table in &self.tables {
            let mut entry: Vec<E::F> = table
                .columns()
                .iter()
                .map(|column| row.preprocessed(column.id()))
                .collect();
            entry.extend((0..table.model_columns()).map(|_| {
                let [value] = row.carried([0]);
                value
            }));
            let uses = row.witness();
            row.provide_times(&self.challenges.lookup, table.tag(), uses, &entry);
        }
    }
}
