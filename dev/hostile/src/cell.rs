//! Single cells of committed columns: where they are, and what a prover makes anew around a changed one.
use std::fmt;

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::harness::row::{ColumnRead, Source};
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, PartTrace};
use matchmark_quant::MODULUS;
use stwo::core::fields::m31::M31;

use crate::checker::Drop;
use crate::forge::Forged;
use crate::world::tree_of;
use crate::Rng;

/// A cell of a committed column.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Of the lookup proof of a split segment, or of the proof that shows the arithmetic.
    pub is_of_lookup: bool,
    /// Place of the component in its proof.
    pub place: usize,
    pub component: &'static str,
    /// Number of the column in reading order.
    pub column: usize,
    /// The column.
    pub read: ColumnRead,
    /// Which of the columns of this name it is.
    pub ordinal: usize,
    pub row: usize,
}

impl Cell {
    /// Whether it is a cell of the RLC tree.
    pub fn is_rlc(&self) -> bool {
        self.read.source == Source::Tree(Tree::Rlc)
    }

    /// Whether it says how often something is used.
    pub fn is_multiplicity(&self) -> bool {
        ["tables", "weight table"].contains(&self.component) || self.read.name == "value uses"
    }

    fn trace<'a>(&self, forged: &'a mut Forged) -> &'a mut PartTrace {
        match &mut forged.witness.lookup {
            Some(lookup) if self.is_of_lookup => lookup,
            _ if self.is_rlc() => &mut forged.rlcs,
            _ => &mut forged.witness.main,
        }
    }

    fn column<'a>(&self, forged: &'a mut Forged) -> &'a mut Column {
        let component = &mut self.trace(forged).components[self.place];
        let entries = &mut component.columns[self.column].entries;
        entries.as_mut().expect("a filled column")
    }

    /// What stands in the cell.
    pub fn read(&self, forged: &mut Forged) -> M31 {
        self.column(forged)[self.row]
    }

    /// A witness with the cell changed, and all that a prover would make anew around it.
    pub fn changed(&self, honest: &Forged, new: M31) -> Forged {
        let mut forged = honest.clone();
        self.column(&mut forged)[self.row] = new;
        // Both proofs of a split segment open the changed pairs.
        if let (Some(lookup), Source::Tree(Tree::Pairs)) =
            (&mut forged.witness.lookup, self.read.source)
        {
            let pairs = tree_of(&forged.witness.main, Tree::Pairs);
            lookup.set_tree(Tree::Pairs, &pairs);
        }
        if !self.is_rlc() {
            let points = RlcChallenges::structural();
            forged.rlcs = forged.witness.combine(&forged.case.layout, points);
        }
        if !self.is_multiplicity() {
            forged.refill(&Drop::Nothing);
        }
        forged
    }

    /// The values to write: one more, zero, minus one, and a random element, where they are others.
    pub fn values(&self, honest: &mut Forged, rng: &mut Rng) -> Vec<M31> {
        let old = self.read(honest);
        let random = M31::from_u32_unchecked((rng.next_u64() % u64::from(MODULUS)) as u32);
        let zero = M31::from(0);
        let values = [old + M31::from(1), zero, zero - M31::from(1), random];
        values.into_iter().filter(|new| *new != old).collect()
    }
}

/// The first cells of all columns that components of a case commit, the model's apart, which are held by
/// the statement's commitment.
pub fn columns(honest: &Forged) -> Vec<(Cell, usize)> {
    let lookup = honest.witness.lookup.iter().map(|trace| (true, trace));
    let traces = std::iter::once((false, &honest.rlcs)).chain(lookup);
    let mut cells = vec![];
    for (is_of_lookup, trace) in traces {
        for (place, component) in trace.components.iter().enumerate() {
            for (column, of_trace) in component.columns.iter().enumerate() {
                let read = of_trace.read;
                let is_held_elsewhere = match read.source {
                    Source::Public | Source::Tree(Tree::Model) => true,
                    // The arithmetic proof has the same columns.
                    Source::Tree(Tree::Pairs) => is_of_lookup,
                    Source::Tree(
                        Tree::Preprocessed
                        | Tree::StreamIn
                        | Tree::StreamOut
                        | Tree::StateBefore
                        | Tree::StateAfter
                        | Tree::Witness
                        | Tree::Rlc
                        | Tree::Lookups
                        | Tree::Composition,
                    ) => false,
                };
                let before = component.columns[..column].iter();
                let same = before.filter(|other| other.read == read);
                let cell = Cell {
                    is_of_lookup,
                    place,
                    component: component.name,
                    column,
                    read,
                    ordinal: same.count(),
                    row: 0,
                };
                if !is_held_elsewhere {
                    cells.push((cell, 1 << component.log_rows));
                }
            }
        }
    }
    cells
}

/// First, middle, last row of what is in use, first and last of the padding, some at random.
pub fn rows(used: usize, len: usize, random: usize, rng: &mut Rng) -> Vec<usize> {
    let mut rows = vec![0, used / 2, used - 1, used.min(len - 1), len - 1];
    rows.extend((0..random).map(|_| rng.below(len)));
    rows.sort_unstable();
    rows.dedup();
    rows
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            component,
            read,
            ordinal,
            row,
            ..
        } = self;
        write!(f, "{component}, {} {ordinal} row {row}", read.name)?;
        match read.source {
            Source::Tree(tree) if tree.is_port() => write!(f, " of the {} tree", tree.name()),
            Source::Tree(_) | Source::Public => Ok(()),
        }
    }
}
