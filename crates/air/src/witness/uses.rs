//! How often each entry of each table is used: what the tuples say that the components state.
use num_traits::Zero;
use rayon::prelude::*;
use stwo::core::fields::m31::M31;
use stwo::prover::backend::simd::m31::{PackedBaseField, N_LANES};

use crate::circuit::Circuit;
use crate::column::Column;
use crate::harness::evaluator::{RowEvaluator, Rows};
use crate::harness::row::Observer;
use crate::harness::trace::PartTrace;
use crate::layout::SegmentLayout;
use crate::relation::RelationTag;
use crate::tables::{EntryOrder, Table};

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
                let orders = tables.iter().map(|table| table.order(layout)).collect();
                let mut counter = Counter { orders, uses };
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
struct Counter {
    /// Of the tables, in their order.
    orders: Vec<EntryOrder>,
    uses: TableUses,
}

impl Observer<RowEvaluator<'_>> for Counter {
    fn sees_constraints(&self) -> bool {
        false
    }

    fn tuple(&mut self, tag: RelationTag, times: &PackedBaseField, values: &[PackedBaseField]) {
        let mut tables = self.uses.0.iter_mut().zip(&self.orders);
        let Some(((_, uses), order)) = tables.find(|((table, _), _)| table.tag() == tag) else {
            return;
        };
        if times.is_zero() {
            return;
        }
        let [first, second] = [0, 1].map(|index| match values.get(index) {
            Some(value) => value.to_array(),
            None => [M31::zero(); N_LANES],
        });
        let lanes = first.into_iter().zip(second).zip(times.to_array());
        for ((first, second), times) in lanes {
            // There is a count for each of the table's rows.
            let row = order.row(first, second).filter(|_| !times.is_zero());
            if let Some(uses) = row.and_then(|row| uses.get_mut(row)) {
                *uses += times;
            }
        }
    }
}
