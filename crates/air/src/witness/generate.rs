//! The trace of a circuit, made by its components and counted over all of them.

use super::uses;
use crate::circuit::Circuit;
use crate::column::Column;
use crate::harness::component::AnyConstraints;
use crate::harness::row::Source;
use crate::harness::trace::{preprocessed_columns, ComponentTrace, PartTrace, TraceColumn};
use crate::layout::SegmentLayout;
use crate::preprocessed::{Constants, Preprocessed};
use crate::trees::Tree;

impl PartTrace {
    /// The trace of a circuit whose components make their own columns by `generate`, in reading order, and
    /// take those of these ports, in the order of the port. Multiplicities of tables are what the tuples of
    /// the other components say.
    ///
    /// # Panics
    ///
    /// If a component makes another number of columns than it reads, or a port has another number.
    pub fn generate(
        circuit: &Circuit,
        layout: &SegmentLayout,
        constants: &Constants<'_>,
        ports: &[(Tree, Vec<Column>)],
        generate: impl Fn(&dyn AnyConstraints) -> Vec<Column>,
    ) -> Self {
        let part = circuit.part();
        let of_part = Preprocessed::of(layout, part);
        let mut ports: Vec<_> = ports
            .iter()
            .map(|(tree, columns)| (*tree, columns.iter()))
            .collect();
        let components = circuit.iter().map(|component| {
            let mut own = generate(component.constraints()).into_iter();
            let columns: Vec<TraceColumn> = component
                .columns()
                .iter()
                .map(|read| {
                    let mut ports = ports.iter_mut();
                    let port = ports.find(|(tree, _)| read.source == Source::Tree(*tree));
                    let is_rlc = read.source == Source::Tree(Tree::Rlc);
                    let entries = match port {
                        Some((_, columns)) => columns.next().cloned(),
                        None if is_rlc || !component.constraints().tables().is_empty() => None,
                        None => own.next(),
                    };
                    TraceColumn {
                        read: *read,
                        entries,
                    }
                })
                .collect();
            assert_eq!(
                own.count(),
                0,
                "columns that {} does not read",
                component.name()
            );
            let preprocessed = component
                .constraints()
                .preprocessed_reads()
                .into_iter()
                .map(
                    |read| match of_part.iter().position(|column| *column == read) {
                        Some(place) => place,
                        None => panic!("a {part} proof has no column {}", read.name()),
                    },
                );
            ComponentTrace {
                name: component.name(),
                log_rows: component.log_rows(),
                preprocessed: preprocessed.collect(),
                columns,
            }
        });
        let mut trace = Self {
            part,
            preprocessed: preprocessed_columns(layout, part, constants),
            components: components.collect(),
        };
        trace.count_uses(circuit, layout);
        trace
    }

    /// Fills the multiplicities of the tables: how often the other components require each entry.
    pub fn count_uses(&mut self, circuit: &Circuit, layout: &SegmentLayout) {
        let uses = uses::count(circuit, layout, self);
        for (component, trace) in circuit.iter().zip(&mut self.components) {
            let witness = trace.columns_from_mut(Source::Tree(Tree::Witness));
            for (table, column) in component.constraints().tables().iter().zip(witness) {
                column.entries = Some(uses.of(*table));
            }
        }
    }
}
