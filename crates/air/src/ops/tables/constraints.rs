//! Constraints of the table components: each entry is provided as often as the multiplicity column
//! says. A table has one multiplicity column and one LogUp tuple, and no other constraint: what a
//! multiplicity must be follows from the balance of the relation, as all uses together stay below
//! the modulus (checked from the shape).
use alloc::vec::Vec;

use matchmark_statement::ProofPart;
use stwo_constraint_framework::EvalAtRow;

use crate::harness::row::{Constraints, Row, Source};
use crate::preprocessed::decoder::DecoderSelector;
use crate::preprocessed::Preprocessed;
use crate::relation::{
    Activation, Exponent, Limb, Range, ReciprocalRoot, Rotation, Tuple, Value, ValueDigits, Weight,
};
use crate::tables::Table;
use crate::trees::Tree;

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
            ProofPart::Whole | ProofPart::Arithmetic => "tables",
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
            provide_entry(*table, row);
        }
    }
}

/// Reads an entry and how often it is used, and provides it as often.
fn provide_entry<E: EvalAtRow>(table: Table, row: &mut Row<'_, E>) {
    use DecoderSelector as Selector;
    match table {
        Table::Weights => {
            let tuple = Weight {
                index: row.preprocessed(Preprocessed::TableIndex),
                weight: row.preprocessed(Preprocessed::TableWeight),
            };
            provide(row, "weight uses", tuple);
        }
        Table::Values => {
            let value = row.preprocessed(Preprocessed::TableValue);
            provide(row, "value uses", Value { value });
        }
        Table::ValueDigits => {
            let tuple = ValueDigits {
                value: row.preprocessed(Preprocessed::TableValue),
                high: row.preprocessed(Preprocessed::TableValueHigh),
            };
            provide(row, "digit uses", tuple);
        }
        Table::Limbs => {
            let value = row.preprocessed(Preprocessed::TableLimb);
            provide(row, "limb uses", Limb { value });
        }
        Table::Ranges => {
            let tuple = Range {
                limit: row.decoder(Selector::RangeLimit),
                value: row.decoder(Selector::RangeValue),
            };
            provide(row, "range uses", tuple);
        }
        Table::ReciprocalRoots => {
            let tuple = ReciprocalRoot {
                mantissa: row.decoder(Selector::RootMantissa),
                factor: row.decoder(Selector::RootFactor),
            };
            provide(row, "root uses", tuple);
        }
        Table::Exponents => {
            let tuple = Exponent {
                scale: row.decoder(Selector::ExponentScale),
                power: row.decoder(Selector::ExponentPower),
                smallest: row.decoder(Selector::ExponentSmallest),
            };
            provide(row, "exponent uses", tuple);
        }
        Table::Activations => {
            let model = Source::Tree(Tree::Model);
            let tuple = Activation {
                gate: row.carried("gate", model),
                activation: row.carried("activation", model),
            };
            provide(row, "activation uses", tuple);
        }
        Table::Rotations => {
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

/// Provides an entry as often as the next witness column says.
fn provide<E: EvalAtRow>(row: &mut Row<'_, E>, uses: &'static str, entry: impl Tuple<E::F>) {
    let uses = row.witness(uses);
    row.provide_times(uses, entry);
}
