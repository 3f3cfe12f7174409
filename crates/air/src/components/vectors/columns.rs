//! What a row (query head `h`, step `i`, dimension `c`) of the vectors component is.
use stwo_constraint_framework::EvalAtRow;

use crate::decoder::selectors::DecoderSelector;
use crate::gadgets::less_than::LessThanColumns;
use crate::gadgets::non_negative::NonNegativeColumns;
use crate::gadgets::projection::{Extension, RunningSum};
use crate::harness::row::Row;
use crate::layout::SegmentLayout;
use crate::preprocessed::Preprocessed;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on rows of a step of the segment, 0 on padding.
    pub active: T,
    /// 1 on the first dimension of a step, and on padding.
    pub first: T,
    /// 1 on the last dimension of a step.
    pub last: T,
    /// Cache row of (key/value head, step, dimension), counted from the segment's first new entry.
    pub cache_row: T,
}

/// Entries of queries, keys, values and outputs: public columns, in no tree; those of a decoder stand in
/// the witness tree.
#[derive(Clone, Debug)]
pub struct Entries<T> {
    /// Query entry `q_hic`.
    pub query: T,
    /// New key entry of the head's group at this step.
    pub key: T,
    /// New value entry of the head's group at this step.
    pub value: T,
    /// Output entry `o_hic`.
    pub output: T,
}

/// Columns of the witness tree.
#[derive(Clone, Debug)]
pub struct Witness<T, Pair> {
    /// Denominator `Z` of the step, the same on all its rows; read at the row before as well.
    pub denominator: Pair,
    /// Remainder of the output division.
    pub remainder: LessThanColumns<T>,
    /// Rounding shift `(r - Z) / 2` plus its offset; absent where the shift needs no range check.
    pub shift: Option<NonNegativeColumns<T>>,
}

/// What a decoder has besides: where its queries, keys and values come from, and where its outputs go.
pub struct Joints<E: EvalAtRow> {
    /// Name of the query entry.
    pub query: E::F,
    /// 1 on the first step of a head.
    pub first_step: E::F,
    /// Name of the output as an input of matrices.
    pub input: E::F,
    /// How often the input is used; on the last step.
    pub input_uses: E::F,
    /// `sum_(i' <= i) t^(i-i') o_i'c`.
    pub output: RunningSum<E>,
}

/// Columns of the projections tree.
pub struct Projections<E: EvalAtRow> {
    /// `K_ic = sum_(p <= P+i) t^(P+i-p) k_pc`, taken from the state component.
    pub keys: Extension<E>,
    /// `sum_(c' <= c) q_ic' K_ic'`.
    pub score: RunningSum<E>,
    /// `r^(c+1) Z + sum_(c' <= c) r^(c-c') N_ic'`.
    pub numerator: RunningSum<E>,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// Entries.
    pub entries: Entries<E::F>,
    /// Witness columns.
    pub witness: Witness<E::F, [E::F; 2]>,
    /// Projections.
    pub projections: Projections<E>,
    /// What joins the attention to the rest of a decoder.
    pub joints: Option<Joints<E>>,
}

/// Number of columns of entries.
pub const ENTRY_COLUMNS: usize = 4;
/// Number of columns in the projections tree.
pub const PROJECTION_COLUMNS: usize = 12;
/// Number of columns in the projections tree that a decoder has besides.
pub const DECODER_PROJECTION_COLUMNS: usize = 4;

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, layout: &SegmentLayout) -> Self {
        let mut carried = || {
            let [x] = row.carried([0]);
            x
        };
        let entries = Entries {
            query: carried(),
            key: carried(),
            value: carried(),
            output: carried(),
        };
        Self {
            selectors: Selectors {
                active: row.preprocessed(Preprocessed::VectorActive.id()),
                first: row.preprocessed(Preprocessed::VectorFirst.id()),
                last: row.preprocessed(Preprocessed::VectorLast.id()),
                cache_row: row.preprocessed(Preprocessed::VectorCacheRow.id()),
            },
            entries,
            witness: Witness {
                denominator: row.witness_pair(),
                remainder: layout.remainder().read(row),
                shift: layout.rounding_shift().map(|gadget| gadget.read(row)),
            },
            projections: Projections {
                keys: Extension::read(row),
                score: RunningSum::read(row, 1),
                numerator: RunningSum::read(row, 1),
            },
            joints: layout.decoder().map(|_| {
                let stride = isize::try_from(layout.head_dim()).unwrap_or(isize::MAX);
                Joints {
                    query: row.decoder(DecoderSelector::VectorQuery),
                    first_step: row.decoder(DecoderSelector::VectorFirstStep),
                    input: row.decoder(DecoderSelector::VectorInput),
                    input_uses: row.decoder(DecoderSelector::VectorInputUses),
                    output: RunningSum::read(row, stride),
                }
            }),
        }
    }
}
