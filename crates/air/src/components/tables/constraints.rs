//! Constraints of the table components: each entry is provided as often as the multiplicity column
//! says. A table has one multiplicity column and one LogUp tuple, and no other constraint: what a
//! multiplicity must be follows from the balance of the relation, as all uses together stay below
//! the modulus (checked from the shape).
use alloc::vec::Vec;

use matchmark_statement::ProofPart;
use stwo_constraint_framework::EvalAtRow;

use crate::challenges::Challenges;
use crate::harness::row::{Constraints, Row};
use crate::preprocessed::Preprocessed;
use crate::relation::RelationTag;

/// A lookup table in the preprocessed tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `(g, T[g])`.
    Weights,
    /// `-M ..= M`.
    Values,
    /// `0 .. 2^limb_bits`.
    Limbs,
}

impl Table {
    /// All tables, in the order in which they are laid out.
    pub const ALL: [Self; 3] = [Self::Weights, Self::Values, Self::Limbs];

    /// The tables of the proofs of one part, in the order in which they are laid out.
    pub const fn of(part: ProofPart) -> &'static [Self] {
        match part {
            ProofPart::Fused | ProofPart::Decoder => &Self::ALL,
            ProofPart::Arithmetic => &[Self::Values, Self::Limbs],
            ProofPart::Lookup => &[Self::Weights],
        }
    }

    /// The relation that the table serves.
    pub const fn tag(self) -> RelationTag {
        match self {
            Self::Weights => RelationTag::Weight,
            Self::Values => RelationTag::Value,
            Self::Limbs => RelationTag::Limb,
        }
    }

    /// The columns of an entry.
    pub const fn columns(self) -> &'static [Preprocessed] {
        match self {
            Self::Weights => &[Preprocessed::TableIndex, Preprocessed::TableWeight],
            Self::Values => &[Preprocessed::TableValue],
            Self::Limbs => &[Preprocessed::TableLimb],
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
            let entry: Vec<E::F> = table
                .columns()
                .iter()
                .map(|column| row.preprocessed(column.id()))
                .collect();
            let uses = row.witness();
            row.provide_times(&self.challenges.lookup, table.tag(), uses, &entry);
        }
    }
}
