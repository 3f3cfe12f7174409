//! The one evaluator of rows over plain columns, sixteen rows at a time.
//!
//! Mock checker, use counts, random linear combinations and LogUp columns all run the constraints themselves
//! under it, and see by an [`Observer`](crate::harness::row::Observer) what they state.
use std::ops::Mul;

use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;
use stwo::core::Fraction;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::m31::{PackedBaseField, LOG_N_LANES, N_LANES};
use stwo::prover::backend::simd::qm31::PackedSecureField;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::EvalAtRow;

use super::row::{CARRIED, WITNESS};
use super::trace::ComponentTrace;
use crate::column::{to_library_order, Column};

/// The LogUp fractions of packed rows, in the order in which their tuples are stated.
pub type Fractions = Vec<Fraction<PackedSecureField, PackedSecureField>>;

/// Entries of a column, sixteen at a time.
enum Entries<'a> {
    /// In row order.
    Rows(&'a [M31]),
    /// In the library's order.
    Library(BaseColumn),
    /// Not known yet, and read as zero.
    Absent,
}

impl Entries<'_> {
    fn at(&self, vector: usize, offset: isize) -> PackedBaseField {
        match self {
            Self::Rows(column) => {
                // Rows are cyclic; their number is a power of two.
                let mask = column.len() - 1;
                let first = (vector << LOG_N_LANES).wrapping_add_signed(offset) & mask;
                match column.get(first..first + N_LANES) {
                    Some(lanes) => bytemuck::pod_read_unaligned(bytemuck::cast_slice(lanes)),
                    None => PackedBaseField::from_array(core::array::from_fn(|lane| {
                        column[(first + lane) & mask]
                    })),
                }
            }
            // No tuple contains an entry of another row.
            Self::Library(column) if offset == 0 => column.data[vector],
            Self::Library(_) | Self::Absent => PackedBaseField::zero(),
        }
    }
}

/// The columns of a component as its rows read them.
pub struct Rows<'a> {
    log_rows: u32,
    preprocessed: Vec<Entries<'a>>,
    witness: Vec<Entries<'a>>,
    carried: Vec<Entries<'a>>,
}

impl<'a> Rows<'a> {
    /// The columns in row order. Columns that are not filled yet read as zero.
    pub fn in_row_order(preprocessed: &'a [Column], trace: &'a ComponentTrace) -> Self {
        Self::new(preprocessed, trace, Entries::Rows)
    }

    /// The columns in the library's order, in which a row reads all others as zero: good enough for the
    /// tuples, none of which contains an entry of another row.
    pub fn in_library_order(preprocessed: &'a [Column], trace: &'a ComponentTrace) -> Self {
        Self::new(preprocessed, trace, |column| {
            Entries::Library(to_library_order(column))
        })
    }

    fn new(
        preprocessed: &'a [Column],
        trace: &'a ComponentTrace,
        entries: impl Fn(&'a [M31]) -> Entries<'a>,
    ) -> Self {
        let of = |interaction: usize| {
            let columns = trace.columns.iter();
            let columns = columns.filter(|column| column.read.interaction == interaction);
            columns
                .map(|column| match &column.entries {
                    Some(column) => entries(column),
                    None => Entries::Absent,
                })
                .collect()
        };
        let of_preprocessed = trace.preprocessed.iter();
        Self {
            log_rows: trace.log_rows,
            preprocessed: of_preprocessed
                .map(|place| entries(&preprocessed[*place]))
                .collect(),
            witness: of(WITNESS),
            carried: of(CARRIED),
        }
    }

    /// How often sixteen rows are evaluated at a time.
    pub fn vectors(&self) -> usize {
        1 << (self.log_rows - LOG_N_LANES)
    }

    /// The numbers of the rows of a vector.
    pub fn rows_of(vector: usize) -> core::ops::Range<usize> {
        vector * N_LANES..(vector + 1) * N_LANES
    }

    /// The evaluator of a vector of rows.
    pub fn evaluator(&self, vector: usize) -> RowEvaluator<'_> {
        RowEvaluator {
            rows: self,
            vector,
            next: Next::default(),
            fractions: vec![],
        }
    }
}

/// The next column of each kind.
#[derive(Default)]
struct Next {
    preprocessed: usize,
    witness: usize,
    carried: usize,
}

/// Evaluates sixteen rows over plain field elements.
pub struct RowEvaluator<'a> {
    rows: &'a Rows<'a>,
    vector: usize,
    next: Next,
    fractions: Fractions,
}

impl RowEvaluator<'_> {
    /// The fractions of the LogUp columns.
    pub fn into_fractions(self) -> Fractions {
        self.fractions
    }
}

impl EvalAtRow for RowEvaluator<'_> {
    type F = PackedBaseField;
    type EF = PackedSecureField;

    fn next_interaction_mask<const N: usize>(
        &mut self,
        interaction: usize,
        offsets: [isize; N],
    ) -> [Self::F; N] {
        let (columns, next) = match interaction {
            WITNESS => (&self.rows.witness, &mut self.next.witness),
            CARRIED => (&self.rows.carried, &mut self.next.carried),
            other => unreachable!("interaction {other} is read by the LogUp constraints alone"),
        };
        let column = &columns[*next];
        *next += 1;
        offsets.map(|offset| column.at(self.vector, offset))
    }

    /// Preprocessed columns come in reading order, as all others do.
    fn get_preprocessed_column(&mut self, _column: PreProcessedColumnId) -> Self::F {
        let column = &self.rows.preprocessed[self.next.preprocessed];
        self.next.preprocessed += 1;
        column.at(self.vector, 0)
    }

    fn add_constraint<G>(&mut self, _constraint: G)
    where
        Self::EF: Mul<G, Output = Self::EF> + From<G>,
    {
    }

    fn combine_ef(values: [Self::F; SECURE_EXTENSION_DEGREE]) -> Self::EF {
        PackedSecureField::from_packed_m31s(values)
    }

    fn write_logup_frac(&mut self, fraction: Fraction<Self::EF, Self::EF>) {
        self.fractions.push(fraction);
    }

    fn finalize_logup_in_pairs(&mut self) {}
}
