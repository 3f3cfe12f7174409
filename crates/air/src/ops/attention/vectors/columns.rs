//! What a row (query heads `h`, step `i`, dimension `c`) of the vectors component is. Query heads that share a key and
//! value head stand side by side in the lanes of a row.
use alloc::vec::Vec;

use stwo_constraint_framework::EvalAtRow;

use crate::gadgets::less_than::{LessThanColumns, LimbNames};
use crate::gadgets::non_negative::NonNegativeColumns;
use crate::harness::rlc::{Extension, RunningSum};
use crate::harness::row::{Row, Source};
use crate::layout::SegmentLayout;
use crate::preprocessed::decoder::DecoderSelector;
use crate::preprocessed::Preprocessed;
use crate::trees::Tree;

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
    /// New key entry of the heads' group at this step.
    pub key: T,
    /// New value entry of the heads' group at this step.
    pub value: T,
    /// Those of each query head.
    pub lanes: Vec<HeadEntries<T>>,
}

/// Entries of one query head.
#[derive(Clone, Debug)]
pub struct HeadEntries<T> {
    /// Query entry `q_hic`.
    pub query: T,
    /// Output entry `o_hic`.
    pub output: T,
}

impl<T> Entries<T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> impl Iterator<Item = T> {
        let Self { key, value, lanes } = self;
        let lanes = lanes.into_iter();
        let lanes = lanes.flat_map(|HeadEntries { query, output }| [query, output]);
        [key, value].into_iter().chain(lanes)
    }
}

/// Columns of one query head in the witness tree.
#[derive(Clone, Debug)]
pub struct Witness<T, Pair> {
    /// Denominator `Z` of the step, the same on all its rows; read at the row before as well.
    pub denominator: Pair,
    /// Remainder of the output division.
    pub remainder: LessThanColumns<T>,
    /// Rounding shift `(r - Z) / 2` plus its offset; absent where the shift needs no range check.
    pub shift: Option<NonNegativeColumns<T>>,
    /// Digits of the output; absent where values and outputs are carried whole.
    pub digits: Option<OutputDigits<T>>,
}

/// What an output in two digits has besides.
#[derive(Clone, Debug)]
pub struct OutputDigits<T> {
    /// High digit of the output.
    pub high: T,
    /// What the high digits of the division leave to the low ones, `c`, plus its offset.
    pub carry: NonNegativeColumns<T>,
}

/// What a decoder has besides: where its queries, keys and values come from, and where its outputs go.
#[derive(Clone, Debug)]
pub struct Joints<T> {
    /// Name of the first query entry.
    pub query: T,
    /// 1 on the first step of a head.
    pub first_step: T,
    /// Name of the first output as an input of matrices.
    pub input: T,
    /// How often the inputs are used; on the last step.
    pub input_uses: T,
}

/// Columns of the RLC tree for one query head.
pub struct Rlcs<E: EvalAtRow> {
    /// `sum_(c' <= c) q_ic' K_ic'`.
    pub score: RunningSum<E>,
    /// `r^(c+1) Z + sum_(c' <= c) r^(c-c') N_ic'`; of values in two digits, `r^2` in the place of `r`, and two
    /// sums in that of `N`, as [`ValueDigits::combine`](crate::gadgets::digits::ValueDigits::combine) has them.
    pub numerator: RunningSum<E>,
    /// `sum_(i' <= i) t^(i-i') o_i'c`, in a decoder.
    pub output: Option<RunningSum<E>>,
}

/// What a row has of one query head.
pub struct Lane<E: EvalAtRow> {
    /// Entries.
    pub entries: HeadEntries<E::F>,
    /// Witness columns.
    pub witness: Witness<E::F, [E::F; 2]>,
    /// Random linear combinations.
    pub rlcs: Rlcs<E>,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// New key entry of the heads' group at this step.
    pub key: E::F,
    /// New value entry of the heads' group at this step.
    pub value: E::F,
    /// `K_ic = sum_(p <= P+i) t^(P+i-p) k_pc`, taken from the cache component.
    pub keys: Extension<E>,
    /// What joins the attention to the rest of a decoder.
    pub joints: Option<Joints<E::F>>,
    /// The query heads.
    pub lanes: Vec<Lane<E>>,
}

/// Number of columns of entries, for so many query heads in a row.
pub const fn entry_columns(lanes: usize) -> usize {
    2 + 2 * lanes
}

/// Names of the columns of the remainder.
const REMAINDER: LimbNames = LimbNames {
    low: "remainder low",
    high: "remainder high",
    complement_low: "remainder complement low",
};
/// Names of the columns of the rounding shift.
const SHIFT: LimbNames = LimbNames {
    low: "shift low",
    high: "shift high",
    complement_low: "shift complement low",
};
/// Names of the columns of the carry.
const CARRY: LimbNames = LimbNames {
    low: "carry low",
    high: "carry high",
    complement_low: "carry complement low",
};

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, layout: &SegmentLayout) -> Self {
        let lanes = 0..layout.vector_lanes();
        let source = match layout.decoder() {
            None => Source::Public,
            Some(_) => Source::Tree(Tree::Witness),
        };
        let [key, value] = ["key", "value"].map(|name| row.carried(name, source));
        let of_head = |row: &mut Row<'_, E>| HeadEntries {
            query: row.carried("query", source),
            output: row.carried("output", source),
        };
        let entries: Vec<_> = lanes.clone().map(|_| of_head(row)).collect();
        let selectors = Selectors {
            active: row.preprocessed(Preprocessed::VectorActive),
            first: row.preprocessed(Preprocessed::VectorFirst),
            last: row.preprocessed(Preprocessed::VectorLast),
            cache_row: row.preprocessed(Preprocessed::VectorCacheRow),
        };
        let joints = layout.decoder().map(|_| Joints {
            query: row.decoder(DecoderSelector::VectorQuery),
            first_step: row.decoder(DecoderSelector::VectorFirstStep),
            input: row.decoder(DecoderSelector::VectorInput),
            input_uses: row.decoder(DecoderSelector::VectorInputUses),
        });
        let witness: Vec<_> = lanes.map(|_| Witness::read(row, layout)).collect();
        let keys = row.extension("keys");
        let lanes = entries.into_iter().zip(witness);
        let lanes = lanes.map(|(entries, witness)| Lane {
            entries,
            witness,
            rlcs: Rlcs {
                score: row.running_sum("score", 1),
                numerator: row.running_sum("numerator", 1),
                output: layout
                    .decoder()
                    .map(|_| row.running_sum("combined output", layout.head_dim())),
            },
        });
        Self {
            selectors,
            key,
            value,
            keys,
            joints,
            lanes: lanes.collect(),
        }
    }
}

impl<T> Witness<T, [T; 2]> {
    fn read<E: EvalAtRow<F = T>>(row: &mut Row<'_, E>, layout: &SegmentLayout) -> Self {
        Self {
            denominator: row.witness_before("denominator", 1),
            remainder: layout.remainder().read(row, &REMAINDER),
            shift: layout
                .rounding_shift()
                .map(|gadget| gadget.read(row, &SHIFT)),
            digits: layout.digits().map(|digits| OutputDigits {
                high: row.witness("output high"),
                carry: digits.carry().read(row, &CARRY),
            }),
        }
    }
}
