//! What a row (query head `h`, step `i`, dimension `c`) of the vectors component is.
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
    /// Query entry `q_hic`.
    pub query: T,
    /// New key entry of the head's group at this step.
    pub key: T,
    /// New value entry of the head's group at this step.
    pub value: T,
    /// Output entry `o_hic`.
    pub output: T,
}

impl<T> Entries<T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> [T; ENTRY_COLUMNS] {
        let Self {
            query,
            key,
            value,
            output,
        } = self;
        [query, key, value, output]
    }
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

/// Columns of the RLC tree.
pub struct Rlcs<E: EvalAtRow> {
    /// `K_ic = sum_(p <= P+i) t^(P+i-p) k_pc`, taken from the cache component.
    pub keys: Extension<E>,
    /// `sum_(c' <= c) q_ic' K_ic'`.
    pub score: RunningSum<E>,
    /// `r^(c+1) Z + sum_(c' <= c) r^(c-c') N_ic'`; of values in two digits, `r^2` in the place of `r`, and two
    /// sums in that of `N`, as [`ValueDigits::combine`](crate::gadgets::digits::ValueDigits::combine) has them.
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
    /// Random linear combinations.
    pub rlcs: Rlcs<E>,
    /// What joins the attention to the rest of a decoder.
    pub joints: Option<Joints<E>>,
}

/// Number of columns of entries.
pub const ENTRY_COLUMNS: usize = 4;
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
        let source = match layout.decoder() {
            None => Source::Public,
            Some(_) => Source::Tree(Tree::Witness),
        };
        let entries = Entries {
            query: row.carried("query", source),
            key: row.carried("key", source),
            value: row.carried("value", source),
            output: row.carried("output", source),
        };
        Self {
            selectors: Selectors {
                active: row.preprocessed(Preprocessed::VectorActive),
                first: row.preprocessed(Preprocessed::VectorFirst),
                last: row.preprocessed(Preprocessed::VectorLast),
                cache_row: row.preprocessed(Preprocessed::VectorCacheRow),
            },
            entries,
            witness: Witness {
                denominator: row.witness_before("denominator", 1),
                remainder: layout.remainder().read(row, &REMAINDER),
                shift: layout
                    .rounding_shift()
                    .map(|gadget| gadget.read(row, &SHIFT)),
                digits: layout.digits().map(|digits| OutputDigits {
                    high: row.witness("output high"),
                    carry: digits.carry().read(row, &CARRY),
                }),
            },
            rlcs: Rlcs {
                keys: row.extension("keys"),
                score: row.running_sum("score", 1),
                numerator: row.running_sum("numerator", 1),
            },
            joints: layout.decoder().map(|_| Joints {
                query: row.decoder(DecoderSelector::VectorQuery),
                first_step: row.decoder(DecoderSelector::VectorFirstStep),
                input: row.decoder(DecoderSelector::VectorInput),
                input_uses: row.decoder(DecoderSelector::VectorInputUses),
                output: row.running_sum("combined output", layout.head_dim()),
            }),
        }
    }
}
