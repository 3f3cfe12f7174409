//! How often each entry of each table is used: what the tuples say that the components state.
use arrayvec::ArrayVec;
use num_traits::Zero;
use rayon::prelude::*;
use stwo::core::fields::m31::M31;
use stwo::prover::backend::simd::m31::PackedBaseField;

use crate::challenges::MAX_TUPLE;
use crate::circuit::Circuit;
use crate::column::Column;
use crate::harness::evaluator::{RowEvaluator, Rows};
use crate::harness::row::Observer;
use crate::harness::trace::PartTrace;
use crate::layout::SegmentLayout;
use crate::relation::{Elements, RelationTag};
use crate::tables::Table;

/// Uses of the entries of some tables.
#[derive(Clone, Debug)]
pub struct TableUses(Vec<(Table, Vec<M31>)>);

impl TableUses {
    fn new(tables: &[Table], layout: &SegmentLayout) -> Self {
        let zeros = |table: &Table| vec![M31::zero(); 1 << table.log_rows(layout)];
        Self(tables.iter().map(|it| (*it, zeros(it))).collect())
    }

    /// Uses of a table, entry after entry.
    ///
    /// # Panics
    ///
    /// If it is not one of the tables that were counted.
    pub fn of(&self, table: Table) -> Column {
        match self.0.iter().find(|(it, _)| *it == table) {
            Some((_, uses)) => uses.clone().into(),
            None => unreachable!("every table of a proof is counted"),
        }
    }

    fn add(mut self, other: &Self) -> Self {
        for ((_, uses), (_, others)) in self.0.iter_mut().zip(&other.0) {
            for (uses, others) in uses.iter_mut().zip(others) {
                *uses += *others;
            }
        }
        self
    }
}

/// Counts what the components of a proof look up in its tables. A tuple that is not an entry of its table
/// is not counted: no proof will follow from it.
pub(super) fn count(circuit: &Circuit, layout: &SegmentLayout, trace: &PartTrace) -> TableUses {
    let tables: Vec<Table> = circuit
        .iter()
        .flat_map(|component| component.constraints().tables())
        .copied()
        .collect();
    let mut uses = TableUses::new(&tables, layout);
    for (component, columns) in circuit.iter().zip(&trace.components) {
        let constraints = component.constraints();
        if !constraints.tables().is_empty() {
            continue;
        }
        let rows = Rows::in_row_order(&trace.preprocessed, columns);
        // One set of counts a thread: sets are as large as the tables.
        let vectors: Vec<usize> = (0..rows.vectors()).collect();
        let share = vectors.len().div_ceil(rayon::current_num_threads());
        let shares: Vec<TableUses> = vectors
            .par_chunks(share)
            .map(|vectors| {
                let uses = TableUses::new(&tables, layout);
                let mut counter = Counter { layout, uses };
                for vector in vectors {
                    constraints.run(&mut rows.evaluator(*vector), &mut counter);
                }
                counter.uses
            })
            .collect();
        uses = shares.iter().fold(uses, TableUses::add);
    }
    uses
}

/// Counts the tuples of the tables' relations.
struct Counter<'a> {
    layout: &'a SegmentLayout,
    uses: TableUses,
}

impl Observer<RowEvaluator<'_>> for Counter<'_> {
    fn tuple(&mut self, tag: RelationTag, times: &PackedBaseField, values: &[PackedBaseField]) {
        let mut tables = self.uses.0.iter_mut();
        let Some((table, uses)) = tables.find(|(table, _)| table.tag() == tag) else {
            return;
        };
        let values: ArrayVec<_, { MAX_TUPLE - 1 }> =
            values.iter().map(|value| value.to_array()).collect();
        for (lane, times) in times.to_array().into_iter().enumerate() {
            let entry: Elements<M31> = values.iter().map(|value| value[lane]).collect();
            if let Some(entry) = table.entry(self.layout, &entry) {
                uses[entry] += times;
            }
        }
    }
}
