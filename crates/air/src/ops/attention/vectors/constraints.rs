//! Constraints of the vectors component.
use matchmark_quant::Rounding;
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, HeadEntries, Joints, Lane, Selectors};
use crate::gadgets::digits::ValueDigits;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{KEY_ENTRY, VALUE_ENTRY};
use crate::layout::SegmentLayout;
use crate::relation::{AttentionEntry, KeyRlc, LinearInput, StepTotals, Value};

/// The vectors component of one segment.
#[derive(Clone, Debug)]
pub struct Vectors {
    /// Layout of the segment.
    pub layout: SegmentLayout,
    /// Cache entries before the segment, `P`.
    pub entries_before: usize,
}

impl Vectors {
    /// The component of a segment with so many cache entries before it.
    pub fn new(layout: &SegmentLayout, entries_before: usize) -> Self {
        Self {
            layout: layout.clone(),
            entries_before,
        }
    }
}

impl Constraints for Vectors {
    fn name(&self) -> &'static str {
        "vectors"
    }

    fn log_rows(&self) -> u32 {
        self.layout.log_rows().vectors
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            key,
            value,
            keys,
            joints,
            lanes,
        } = Columns::read(row, &self.layout);
        let entries_before = u32::try_from(self.entries_before * self.layout.position_stride());
        let cache_row =
            selectors.cache_row.clone() + constant::<E>(entries_before.unwrap_or(u32::MAX));

        // In a decoder, keys and values are what the rest of the layer computed. Else: an attention over keys and
        // values of one's own choosing.
        if joints.is_some() {
            let name = |kind: usize| selectors.cache_row.clone() + E::F::from(M31::from(kind));
            for (name, entry) in [(name(KEY_ENTRY), &key), (name(VALUE_ENTRY), &value)] {
                let value = entry.clone();
                let active = selectors.active.clone();
                row.require_times(active, AttentionEntry { name, value });
            }
        }
        for (lane, columns) in lanes.into_iter().enumerate() {
            let head = Head {
                lane,
                selectors: &selectors,
                joints: joints.as_ref(),
                keys: &keys.value,
                cache_row: &cache_row,
            };
            self.head(row, &head, columns);
        }
        // The combined keys and the new entry are those of the cache after the segment, at the
        // position of this step.
        row.receive_times(
            selectors.active,
            keys.place,
            KeyRlc {
                row: cache_row,
                keys: keys.coordinates,
                key,
                value,
            },
        );
    }
}

/// What the query heads of a row share, and which of them it is.
struct Head<'a, E: EvalAtRow> {
    lane: usize,
    selectors: &'a Selectors<E::F>,
    joints: Option<&'a Joints<E::F>>,
    keys: &'a E::EF,
    cache_row: &'a E::F,
}

impl Vectors {
    /// The constraints of one query head.
    fn head<E: EvalAtRow>(&self, row: &mut Row<'_, E>, of: &Head<'_, E>, columns: Lane<E>) {
        let Lane {
            entries,
            witness,
            rlcs,
        } = columns;
        let rlc = row.rlc();
        let one = constant::<E>(1);
        let first = of.selectors.first.clone();
        let follows = one.clone() - first.clone();
        let [denominator_before, denominator] = witness.denominator;

        // All rows of a step divide by the same Z. Else: a denominator for each dimension.
        row.constrain(
            "denominator is constant over a step",
            follows.clone() * (denominator.clone() - denominator_before),
        );

        // The dot product of query and combined keys, over the dimensions of the step.
        let score = row.accumulate(
            "combined score accumulates q * K",
            rlcs.score,
            |score, before| {
                score - before * follows.clone() - of.keys.clone() * entries.query.clone()
            },
        );

        // N_c by the rounding rule: o Z + r for `Floor`; for `NearestTiesUp`, where the remainder
        // is that of 2 N + Z by 2 Z, N = o Z + (r - Z) / 2.
        let gadget = self.layout.remainder();
        let remainder = gadget.value::<E>(&witness.remainder);
        let shift_gadget = self.layout.rounding_shift();
        let shift_columns = shift_gadget.zip(witness.shift.as_ref());
        let (shift, bound) = match self.layout.rounding() {
            Rounding::Floor => (remainder, denominator.clone()),
            Rounding::NearestTiesUp => {
                let bound = denominator.clone() + denominator.clone();
                let doubled = remainder - denominator.clone();
                let shift = match &shift_columns {
                    // The layout's bounds leave no room for a remainder of the wrong parity.
                    None => doubled * M31::from_u32_unchecked(2).inverse(),
                    Some((gadget, columns)) => {
                        let shift = gadget.value::<E>(columns)
                            - constant::<E>(self.layout.rounding_offset());
                        row.constrain(
                            "rounding shift is half of r - Z",
                            doubled - shift.clone() - shift.clone(),
                        );
                        shift
                    }
                };
                (shift, bound)
            }
        };
        // In two digits, N_high = o_high Z + c, and N_low is N less that, so that 2^h N_high + N_low = N.
        let HeadEntries { query, output } = entries;
        let digits = self.layout.digits().zip(witness.digits);
        let (next, entry) = match &digits {
            None => (
                rlc.dimension,
                E::EF::from(output.clone() * denominator.clone() + shift.clone()),
            ),
            Some((digits, columns)) => {
                let carry = digits.carry().value::<E>(&columns.carry)
                    - constant::<E>(digits.carry_offset());
                let low = digits.low::<E>(output.clone(), columns.high.clone());
                let of_high = columns.high.clone() * denominator.clone() + carry.clone();
                let of_low = low * denominator.clone() + shift.clone() - digits.raise::<E>(carry);
                let both = ValueDigits::combine::<E>(rlc.dimension, of_high, of_low);
                (rlc.dimension * rlc.dimension, both)
            }
        };
        let numerator = row.accumulate(
            "combined numerator accumulates o * Z + r",
            rlcs.numerator,
            |numerator, before| {
                let before = before * follows.clone() + first.clone() * denominator.clone();
                numerator - before * next - entry.clone()
            },
        );

        row.require(Value {
            value: query.clone(),
        });
        match &digits {
            None => row.require(Value {
                value: output.clone(),
            }),
            // Digits that make up the output. Else: any two numbers that do, and products that wrap.
            Some((digits, columns)) => {
                digits.constrain(row, output.clone(), columns.high.clone());
            }
        }
        // 0 <= r < Z, or 2 Z: else the quotient is any number.
        gadget.constrain(row, &witness.remainder, bound);
        // The shift is a small integer: else r - Z may be odd, and the half of it huge.
        if let Some((gadget, columns)) = shift_columns {
            gadget.constrain(row, columns);
        }
        // The carry is a small integer. Else: any o_high, and a carry that makes up for it modulo p, so that
        // nothing is left of the two sums but N modulo p, which other outputs have as well.
        if let Some((digits, columns)) = &digits {
            digits.carry().constrain(row, &columns.carry);
        }

        // In a decoder, queries are what the rest of the layer computed, and the outputs go to the next matrix. Else:
        // an attention of queries of one's own choosing.
        if let Some((joints, combined)) = of.joints.zip(rlcs.output) {
            let offset = |count: usize| E::F::from(M31::from(count));
            row.require_times(
                of.selectors.active.clone(),
                AttentionEntry {
                    name: joints.query.clone() + offset(self.layout.query_offset(of.lane)),
                    value: query,
                },
            );
            let later_step = one - joints.first_step.clone();
            let combined =
                row.accumulate("combined outputs accumulate", combined, |sum, before| {
                    sum - before * rlc.position * later_step.clone() - E::EF::from(output.clone())
                });
            row.provide_times(
                joints.input_uses.clone(),
                LinearInput {
                    name: joints.input.clone() + offset(of.lane * self.layout.head_dim()),
                    value: combined.coordinates,
                },
            );
        }
        // Some run of scores that ends at this position has these totals.
        row.provide_times(
            of.selectors.last.clone(),
            StepTotals {
                row: of.cache_row.clone(),
                scores: score.coordinates,
                numerators: numerator.coordinates,
            },
        );
    }
}
