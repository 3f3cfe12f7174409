//! The preprocessed columns: selectors, table contents, and the constants of a decoder's nodes. They follow from
//! shape, tables and arithmetic alone; the root of their tree is pinned by the acceptance policy.
pub mod decoder;

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use matchmark_graph::ModelArithmetic;
use matchmark_quant::embed;
use matchmark_statement::ProofPart;
use matchmark_tables::WeightTable;
use num_traits::{One, Zero};
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;

use crate::layout::SegmentLayout;
use decoder::DecoderSelector;

/// What the preprocessed columns hold beside what follows from a layout.
#[derive(Clone, Copy, Debug)]
pub struct Constants<'a> {
    /// The weight table.
    pub table: &'a WeightTable,
    /// The arithmetic of a decoder's nodes.
    pub arithmetic: Option<&'a ModelArithmetic>,
}

impl<'a> Constants<'a> {
    /// Those of a decoder.
    ///
    /// # Panics
    ///
    /// If there are none: an error in the program.
    fn expect_arithmetic(&self) -> &'a ModelArithmetic {
        match self.arithmetic {
            Some(arithmetic) => arithmetic,
            None => unreachable!("only the proofs of a decoder have its columns"),
        }
    }
}

/// A preprocessed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocessed {
    /// Vectors: 1 on rows of a step of the segment.
    VectorActive,
    /// Vectors: 1 on the first dimension of a step, and on padding.
    VectorFirst,
    /// Vectors: 1 on the last dimension of a step.
    VectorLast,
    /// Vectors: cache row of (key/value head, step, dimension) in a cache that was empty before.
    VectorCacheRow,
    /// Cache: 1 on the first dimension of a position, and on padding.
    CacheFirstDimension,
    /// Cache: 1 on the first position of a head, and on padding.
    CacheFirstPosition,
    /// Cache: the number of the row.
    CacheRow,
    /// Weight table: the index.
    TableIndex,
    /// Weight table: the weight.
    TableWeight,
    /// Value table: the value.
    TableValue,
    /// Table of digits: the high digit of the value.
    TableValueHigh,
    /// Limb table: the limb.
    TableLimb,
    /// A column of the decoder.
    Decoder(DecoderSelector),
}

impl Preprocessed {
    /// The columns of every attention, in the order in which they are committed.
    pub const ATTENTION: [Self; 11] = [
        Self::VectorActive,
        Self::VectorFirst,
        Self::VectorLast,
        Self::VectorCacheRow,
        Self::CacheFirstDimension,
        Self::CacheFirstPosition,
        Self::CacheRow,
        Self::TableIndex,
        Self::TableWeight,
        Self::TableValue,
        Self::TableLimb,
    ];

    /// The columns of the proofs of one part of such segments, in the order of their tree.
    pub fn of(layout: &SegmentLayout, part: ProofPart) -> Vec<Self> {
        let digits = layout.digits().map(|_| Self::TableValueHigh);
        let decoder = layout.decoder().into_iter().flat_map(|decoder| {
            let all = DecoderSelector::ALL.iter().copied();
            all.filter(|selector| selector.is_of(decoder))
        });
        let decoder = decoder.map(Self::Decoder);
        let all = Self::ATTENTION.into_iter().chain(digits).chain(decoder);
        all.filter(|column| match part {
            ProofPart::Whole => true,
            ProofPart::Arithmetic => !column.is_weight_table(),
            ProofPart::Lookup => column.is_weight_table(),
        })
        .collect()
    }

    const fn is_weight_table(self) -> bool {
        matches!(self, Self::TableIndex | Self::TableWeight)
    }

    /// Name of the column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VectorActive => "vector_active",
            Self::VectorFirst => "vector_first",
            Self::VectorLast => "vector_last",
            Self::VectorCacheRow => "vector_cache_row",
            Self::CacheFirstDimension => "cache_first_dimension",
            Self::CacheFirstPosition => "cache_first_position",
            Self::CacheRow => "cache_row",
            Self::TableIndex => "table_index",
            Self::TableWeight => "table_weight",
            Self::TableValue => "table_value",
            Self::TableValueHigh => "table_value_high",
            Self::TableLimb => "table_limb",
            Self::Decoder(selector) => selector.name(),
        }
    }

    /// The column's identifier in the framework.
    pub fn id(self) -> PreProcessedColumnId {
        PreProcessedColumnId {
            id: self.name().to_string(),
        }
    }

    /// Log of the number of rows.
    ///
    /// # Panics
    ///
    /// If it is a decoder's column, and the layout has no decoder.
    pub fn log_rows(self, layout: &SegmentLayout) -> u32 {
        let log_rows = layout.log_rows();
        match self {
            Self::VectorActive | Self::VectorFirst | Self::VectorLast | Self::VectorCacheRow => {
                log_rows.vectors
            }
            Self::CacheFirstDimension | Self::CacheFirstPosition | Self::CacheRow => log_rows.cache,
            Self::TableIndex | Self::TableWeight => log_rows.weights,
            Self::TableValue | Self::TableValueHigh => log_rows.values,
            Self::TableLimb => log_rows.limbs,
            Self::Decoder(selector) => selector.log_rows(layout, layout.expect_decoder()),
        }
    }

    /// The column's entries in row order.
    ///
    /// # Panics
    ///
    /// If it is a decoder's column, and the layout has no decoder or the constants have no arithmetic; if it is
    /// that of the digits, and the layout has none.
    pub fn column(self, layout: &SegmentLayout, constants: &Constants<'_>) -> Vec<M31> {
        let rows = 1 << self.log_rows(layout);
        let dim = layout.head_dim();
        let flag = |set: bool| if set { M31::one() } else { M31::zero() };
        let limit = layout.value_bits().max_value();
        // Tables are filled up with their first entry: a repeated entry allows nothing new.
        let entry = |row: usize| if row < layout.table_len() { row } else { 0 };
        match self {
            Self::VectorActive => vector_column(layout, M31::zero(), |_, _, _| M31::one()),
            Self::VectorFirst => vector_column(layout, M31::one(), |_, _, c| flag(c == 0)),
            Self::VectorLast => vector_column(layout, M31::zero(), |_, _, c| flag(c + 1 == dim)),
            Self::VectorCacheRow => vector_column(layout, M31::zero(), |h, i, c| {
                let kv_head = layout.shape().attention().kv_head_of(h);
                M31::from(layout.cache_row(kv_head, i, c))
            }),
            Self::CacheFirstDimension => cache_column(layout, |_, c| c == 0),
            Self::CacheFirstPosition => cache_column(layout, |p, _| p == 0),
            Self::CacheRow | Self::TableLimb => (0..rows).map(M31::from).collect(),
            Self::TableIndex => (0..rows).map(|row| M31::from(entry(row))).collect(),
            Self::TableWeight => (0..rows)
                .map(|row| M31::from(constants.table.entries()[entry(row)]))
                .collect(),
            Self::TableValue => values(limit, rows).map(M31::from).collect(),
            Self::TableValueHigh => {
                let digits = layout.expect_digits();
                let high = |value| M31::from(embed(digits.high(i64::from(value))));
                values(limit, rows).map(high).collect()
            }
            Self::Decoder(selector) => {
                let decoder = layout.expect_decoder();
                selector.column(layout, decoder, constants.expect_arithmetic())
            }
        }
    }
}

/// The values by row of their tables: a table is filled up with its first entry.
fn values(limit: i32, rows: usize) -> impl Iterator<Item = i32> {
    let entry = move |x| if x <= limit { x } else { -limit };
    (-limit..).take(rows).map(entry)
}

fn vector_column(
    layout: &SegmentLayout,
    padding: M31,
    entry: impl Fn(usize, usize, usize) -> M31,
) -> Vec<M31> {
    let mut column = vec![padding; 1 << layout.log_rows().vectors];
    for head in 0..layout.shape().attention().query_heads() {
        for step in 0..layout.steps() {
            for dim in 0..layout.head_dim() {
                let (row, _) = layout.vector_row(head, step, dim);
                column[row] = entry(head, step, dim);
            }
        }
    }
    column
}

fn cache_column(layout: &SegmentLayout, set: impl Fn(usize, usize) -> bool) -> Vec<M31> {
    let mut column = vec![M31::one(); 1 << layout.log_rows().cache];
    // The first lane has the most heads; all lanes have the same selectors.
    for head in 0..layout.heads_per_lane() {
        for position in 0..layout.cache_positions() {
            for dim in 0..layout.head_dim() {
                let (_, row) = layout.lane_row(head, position, dim);
                column[row] = if set(position, dim) {
                    M31::one()
                } else {
                    M31::zero()
                };
            }
        }
    }
    column
}
