//! Trace generation, phase by phase.
//!
//! [`SegmentWitness`] holds everything that does not depend on a challenge;
//! [`projections::project`] adds the projections tree once `r` and `t` are known, and
//! [`lookups::lookups_tree`] the LogUp tree once `z` and `alpha` are. Columns are plain vectors in
//! row order until they are committed, so that tests can forge them.
pub mod columns;
pub mod lookups;
pub mod projections;

use matchmark_runtime::SegmentExecution;
use matchmark_statement::{Boundary, ProofPart};
use matchmark_tables::WeightTable;
use stwo::core::fields::m31::M31;

use crate::components::tables::Table;
use crate::components::{candidates, state, tables, vectors};
use crate::decoder::witness::{DecoderUses, DecoderWitness};
use crate::harness::public_columns::PublicColumns;
use crate::layout::SegmentLayout;
use crate::preprocessed::Preprocessed;
use crate::segment::table_groups;
use columns::UseCounts;

/// A column in row order.
pub type Column = Vec<M31>;

/// How often each table entry is used.
#[derive(Clone, Debug)]
pub struct TableUses {
    /// Uses of the weight table.
    pub weights: UseCounts,
    /// Uses of the value range, counted from `-M`.
    pub values: UseCounts,
    /// Uses of the limb range.
    pub limbs: UseCounts,
    /// Uses of a decoder's own tables.
    pub decoder: Option<DecoderUses>,
}

impl TableUses {
    fn new(layout: &SegmentLayout) -> Self {
        let log_rows = layout.log_rows();
        Self {
            weights: UseCounts::new(0, 1 << log_rows.weights),
            values: UseCounts::new(
                -i64::from(layout.value_bits().max_value()),
                1 << log_rows.values,
            ),
            limbs: UseCounts::new(0, 1 << log_rows.limbs),
            decoder: layout.decoder().map(DecoderUses::new),
        }
    }

    fn of(&self, table: Table) -> &UseCounts {
        match table {
            Table::Weights => &self.weights,
            Table::Values => &self.values,
            Table::Limbs => &self.limbs,
            Table::Ranges => self.decoder().of_ranges(),
            Table::ReciprocalRoots => &self.decoder().roots,
            Table::Exponents => &self.decoder().exponents,
            Table::Activations => &self.decoder().activations,
            Table::Rotations => &self.decoder().rotations,
        }
    }

    fn decoder(&self) -> &DecoderUses {
        match &self.decoder {
            Some(uses) => uses,
            None => unreachable!("only a decoder has these tables"),
        }
    }

    /// The uses of a decoder's tables.
    pub(crate) fn expect_decoder(&mut self) -> &mut DecoderUses {
        match &mut self.decoder {
            Some(uses) => uses,
            None => unreachable!("only a decoder looks these up"),
        }
    }
}

/// All columns of a segment that do not depend on a challenge, in row order.
#[derive(Clone, Debug)]
pub struct SegmentWitness {
    /// Preprocessed tree, in the order of [`Preprocessed::of`] the part.
    pub preprocessed: Vec<Column>,
    /// State tree before the segment: key and value column, lane after lane.
    pub state_before: Vec<Column>,
    /// State tree after the segment.
    pub state_after: Vec<Column>,
    /// Query, key, value and output entries of the vectors component: public, or of the witness tree in a
    /// decoder.
    pub entries: Vec<Column>,
    /// Witness columns of the vectors component.
    pub vectors: Vec<Column>,
    /// Witness columns of the candidates component.
    pub candidates: Vec<Column>,
    /// Boundary tree of a split segment: table index and weight. Empty in a fused one, where both stand
    /// among the witness columns of the candidates.
    pub boundary: Vec<Column>,
    /// Witness columns of the state component.
    pub state: Vec<Column>,
    /// What is around the attention of a decoder.
    pub decoder: Option<DecoderWitness>,
    /// Witness columns of the table components.
    pub tables: Vec<Vec<Column>>,
    /// The columns of the lookup proof of a split segment.
    pub lookup: Option<LookupWitness>,
}

impl SegmentWitness {
    /// The witness of an honest execution between two caches, given by the columns of their trees.
    pub fn generate(
        layout: &SegmentLayout,
        execution: &SegmentExecution,
        entries: &PublicColumns,
        state_before: Vec<Column>,
        state_after: Vec<Column>,
        table: &WeightTable,
    ) -> Self {
        Self::with_decoder(
            layout,
            execution,
            entries,
            [state_before, state_after],
            table,
            |_| None,
        )
    }

    /// The same for a decoder, whose own witness `decoder` makes, counting what it looks up.
    pub fn with_decoder(
        layout: &SegmentLayout,
        execution: &SegmentExecution,
        entries: &PublicColumns,
        [state_before, state_after]: [Vec<Column>; 2],
        table: &WeightTable,
        decoder: impl FnOnce(&mut TableUses) -> Option<DecoderWitness>,
    ) -> Self {
        let mut uses = TableUses::new(layout);
        let entries = entries.columns().to_vec();
        let vectors = vectors::witness::generate(layout, execution, &entries, &mut uses);
        let (candidates, boundary) =
            candidates::witness::generate(layout, execution, table, &mut uses);
        let state = state::witness::generate(layout, execution.steps, &state_after, &mut uses);
        let decoder = decoder(&mut uses);
        let tables = table_groups(layout, layout.main_part())
            .into_iter()
            .map(|(_, group)| {
                group
                    .into_iter()
                    .map(|table| tables::witness::multiplicities(uses.of(table)))
                    .collect()
            })
            .collect();
        Self {
            preprocessed: preprocessed_columns(layout, layout.main_part(), table),
            state_before,
            state_after,
            entries,
            vectors,
            candidates,
            lookup: match layout.boundary() {
                Boundary::Fused => None,
                Boundary::Split => Some(LookupWitness::generate(layout, boundary.clone(), table)),
            },
            boundary,
            state,
            decoder,
            tables,
        }
    }

    /// The tables of a decoder's model: the columns of the model tree behind the weights.
    pub fn model_tables(&self) -> &[Column] {
        let Some(decoder) = &self.decoder else {
            return &[];
        };
        &decoder.model[decoder.width..]
    }

    /// Columns of the witness tree, in order.
    pub fn witness_tree(&self) -> impl Iterator<Item = &Column> {
        let (entries, decoder) = match &self.decoder {
            None => (&[][..], None),
            Some(decoder) => (&self.entries[..], Some(decoder.witness_tree())),
        };
        self.vectors
            .iter()
            .chain(entries)
            .chain(&self.candidates)
            .chain(&self.state)
            .chain(decoder.into_iter().flatten())
            .chain(self.tables.iter().flatten())
    }
}

/// The columns of a lookup proof that do not depend on a challenge, in row order.
#[derive(Clone, Debug)]
pub struct LookupWitness {
    /// Preprocessed tree: the weight table.
    pub preprocessed: Vec<Column>,
    /// Boundary tree: table index and weight.
    pub boundary: Vec<Column>,
    /// How often each entry of the weight table is used.
    pub uses: Column,
}

impl LookupWitness {
    /// The witness for a boundary: that of the arithmetic proof. Pairs that are no entries of the table
    /// are counted with the entry of their index; no proof will follow from them.
    pub fn generate(layout: &SegmentLayout, boundary: Vec<Column>, table: &WeightTable) -> Self {
        let mut uses = UseCounts::new(0, 1 << layout.log_rows().weights);
        for index in boundary.first().into_iter().flatten() {
            uses.add(i64::from(index.0));
        }
        Self {
            preprocessed: preprocessed_columns(layout, ProofPart::Lookup, table),
            uses: tables::witness::multiplicities(&uses),
            boundary,
        }
    }
}

/// The preprocessed columns of a part's proofs, in the order of their tree.
pub fn preprocessed_columns(
    layout: &SegmentLayout,
    part: ProofPart,
    table: &WeightTable,
) -> Vec<Column> {
    Preprocessed::of(part)
        .into_iter()
        .map(|column| column.column(layout, table))
        .collect()
}
