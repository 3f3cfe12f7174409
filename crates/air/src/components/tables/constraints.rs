//! Constraints of the table components: each entry is provided as often as the multiplicity column
//! says. A table has one multiplicity column and one LogUp tuple, and no other constraint: what a
//! multiplicity must be follows from the balance of the relation, as all uses together stay below
//! the modulus (checked from the shape).
use alloc::vec::Vec;

use matchmark_statement::ProofPart;
use stwo_constraint_framework::EvalAtRow;

use crate::decoder::layout::{DecoderLogRows, LOG_RANGE_ROWS, MANTISSA_BITS};
use crate::decoder::selectors::DecoderSelector;
use crate::harness::row::{Constraints, Row, Source};
use crate::layout::{SegmentLayout, MIN_LOG_ROWS};
use crate::preprocessed::Preprocessed;
use crate::relation::{
    Activation, Exponent, Limb, Range, ReciprocalRoot, RelationTag, Rotation, Tuple, Value, Weight,
};
use crate::trees::Tree;

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
    /// Name of the component.
    pub name: &'static str,
    /// Log of the number of entries.
    pub log_rows: u32,
    /// The tables.
    pub tables: Vec<Table>,
}

impl Tables {
    /// The component of these tables in a part's proofs.
    pub fn new(part: ProofPart, log_rows: u32, tables: Vec<Table>) -> Self {
        let name = match part {
            ProofPart::Fused | ProofPart::Arithmetic | ProofPart::Decoder => "tables",
            ProofPart::Lookup => "weight table",
        };
        Self {
            name,
            log_rows,
            tables,
        }
    }
}

impl Constraints for Tables {
    fn name(&self) -> &'static str {
        self.name
    }

    fn log_rows(&self) -> u32 {
        self.log_rows
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        for table in &self.tables {
            table.provide(row);
        }
    }
}

impl Table {
    /// Reads an entry and how often it is used, and provides it as often.
    fn provide<E: EvalAtRow>(self, row: &mut Row<'_, E>) {
        use DecoderSelector as Selector;
        match self {
            Self::Weights => {
                let tuple = Weight {
                    index: row.preprocessed(Preprocessed::TableIndex),
                    weight: row.preprocessed(Preprocessed::TableWeight),
                };
                provide(row, "weight uses", tuple);
            }
            Self::Values => {
                let value = row.preprocessed(Preprocessed::TableValue);
                provide(row, "value uses", Value { value });
            }
            Self::Limbs => {
                let value = row.preprocessed(Preprocessed::TableLimb);
                provide(row, "limb uses", Limb { value });
            }
            Self::Ranges => {
                let tuple = Range {
                    bits: row.decoder(Selector::RangeBits),
                    value: row.decoder(Selector::RangeValue),
                };
                provide(row, "range uses", tuple);
            }
            Self::ReciprocalRoots => {
                let tuple = ReciprocalRoot {
                    mantissa: row.decoder(Selector::RootMantissa),
                    factor: row.decoder(Selector::RootFactor),
                };
                provide(row, "root uses", tuple);
            }
            Self::Exponents => {
                let tuple = Exponent {
                    exponent: row.decoder(Selector::ExponentExponent),
                    power: row.decoder(Selector::ExponentPower),
                    smallest: row.decoder(Selector::ExponentSmallest),
                    divisor: row.decoder(Selector::ExponentDivisor),
                };
                provide(row, "exponent uses", tuple);
            }
            Self::Activations => {
                let model = Source::Tree(Tree::Model);
                let tuple = Activation {
                    gate: row.carried("gate", model),
                    activation: row.carried("activation", model),
                };
                provide(row, "activation uses", tuple);
            }
            Self::Rotations => {
                let model = Source::Tree(Tree::Model);
                let tuple = Rotation {
                    position: row.carried("position", model),
                    pair: row.carried("pair", model),
                    cos: row.carried("cos", model),
                    sin: row.carried("sin", model),
                };
                provide(row, "rotation uses", tuple);
            }
        }
    }
}

/// Provides an entry as often as the next witness column says.
fn provide<E: EvalAtRow>(row: &mut Row<'_, E>, uses: &'static str, entry: impl Tuple<E::F>) {
    let uses = row.witness(uses);
    row.provide_times(uses, entry);
}
