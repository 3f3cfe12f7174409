//! Division by a unit `2^k`, rounded to nearest with halves up, then clamped to a range.
//!
//! **Contract.** The caller sees to it that `out` lies in `min ..= max`, by a lookup of its own, that the unit
//! is a power of two of 2 to `2^14`, a constant or a preprocessed column, and that what is rescaled is an integer for which nothing below wraps: its bound and that of
//! `2^k (|v| + 1)` are together less than `p` (`ModelBounds` checks it). The gadget guarantees that
//! `out = clamp(floor((x + 2^(k-1)) / 2^k), min, max)`, where `x` is what [`Rescaling::input`] says:
//! there is no other `out` for the same `x`.
//!
//! **Why.** `x + 2^(k-1) = 2^k v + r` with `0 <= r < 2^k` looked up, and `v = out + f s`, where the
//! excess `f` is looked up in `0 .. 2^15` and `s` is linear in `out`, `+1` at `max` and `-1` at `min`.
//! If `f` is not zero, `out` is one of the ends ("only an end clamps"), so `v` lies beyond that end by
//! `f`; if `f` is zero, `v = out` lies within the range. Either way `v` is an integer of magnitude below
//! `2^16`, both sides differ by less than `p`, and so they are equal as integers: `v` is the rounded
//! quotient, and `out` is `v` clamped. The quotient by the range's width inside `s` is taken in the field; where
//! `f` is not zero it is exact. The layout checks the bounds.
use matchmark_quant::{Rescale, EXCESS_BITS};
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use crate::harness::row::{constant, Row};
use crate::relation::Range;

/// A range to which values are clamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamping {
    min: M31,
    max: M31,
}

/// A value and what clamping took from it.
#[derive(Clone, Debug)]
pub struct ClampedColumns<T> {
    /// The clamped value.
    pub out: T,
    /// How far the value was outside of the range.
    pub excess: T,
}

impl Clamping {
    /// To the range of a rescaling, whatever it divides by.
    pub fn of(rescale: Rescale) -> Self {
        Self {
            min: M31::from(rescale.min()),
            max: M31::from(rescale.max()),
        }
    }

    /// The value before clamping, of degree two.
    pub fn value<E: EvalAtRow>(&self, columns: &ClampedColumns<E::F>) -> E::F {
        let ClampedColumns { out, excess } = columns;
        out.clone() + excess.clone() * self.sign::<E>(out)
    }

    /// States that nothing is clamped off but at an end of the range, and looks the excess up below its limit.
    pub fn constrain<E: EvalAtRow>(
        &self,
        row: &mut Row<'_, E>,
        columns: &ClampedColumns<E::F>,
        excess_limit: E::F,
    ) {
        let ClampedColumns { out, excess } = columns;
        self.only_an_end_clamps(row, out, excess.clone());
        row.require(Range {
            limit: excess_limit,
            value: excess.clone(),
        });
    }

    /// States that there is no excess but at an end of the range.
    pub fn only_an_end_clamps<E: EvalAtRow>(&self, row: &mut Row<'_, E>, out: &E::F, excess: E::F) {
        row.constrain(
            "only an end clamps",
            excess * (out.clone() - E::F::from(self.min)) * (out.clone() - E::F::from(self.max)),
        );
    }

    /// 1 at the upper end, -1 at the lower one, linear in the value.
    pub fn sign<E: EvalAtRow>(&self, out: &E::F) -> E::F {
        (out.clone() + out.clone() - E::F::from(self.max + self.min))
            * (self.max - self.min).inverse()
    }
}

/// Looks a number up in `0 .. 2^bits`.
pub fn range<E: EvalAtRow>(row: &mut Row<'_, E>, bits: u32, value: E::F) {
    row.require(Range {
        limit: constant::<E>(1 << bits),
        value,
    });
}

/// Looks a number up in two's complement of `bits` bits.
pub fn twos_complement<E: EvalAtRow>(row: &mut Row<'_, E>, bits: u32, value: &E::F) {
    let offset = constant::<E>(1 << (bits - 1));
    range(row, bits, value.clone() + offset);
}

/// Shape of the gadget.
pub struct Rescaling<E: EvalAtRow> {
    /// What is divided by, `2^k`.
    unit: E::F,
    clamping: Clamping,
}

/// Columns of the gadget, in reading order.
#[derive(Clone, Debug)]
pub struct RescalingColumns<T> {
    /// Result and excess.
    pub clamped: ClampedColumns<T>,
    /// Remainder of the division.
    pub remainder: T,
}

impl<T> RescalingColumns<T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> [T; 3] {
        [self.clamped.out, self.clamped.excess, self.remainder]
    }

    /// Reads the columns, by these names: result, excess, remainder.
    pub fn read<E: EvalAtRow<F = T>>(
        row: &mut Row<'_, E>,
        [out, excess, remainder]: [&'static str; 3],
    ) -> Self {
        Self {
            clamped: ClampedColumns {
                out: row.witness(out),
                excess: row.witness(excess),
            },
            remainder: row.witness(remainder),
        }
    }
}

impl<E: EvalAtRow> Rescaling<E> {
    /// The gadget of a division by this unit, to this range.
    pub fn new(unit: E::F, clamping: Clamping) -> Self {
        Self { unit, clamping }
    }

    /// What is rescaled, of degree three where the unit is a column.
    pub fn input(&self, columns: &RescalingColumns<E::F>) -> E::F {
        let half = M31::from_u32_unchecked(2).inverse();
        self.clamping.value::<E>(&columns.clamped) * self.unit.clone() + columns.remainder.clone()
            - self.unit.clone() * half
    }

    /// Adds the constraint and the lookups of excess and remainder.
    pub fn constrain(&self, row: &mut Row<'_, E>, columns: &RescalingColumns<E::F>) {
        let excess_limit = constant::<E>(1 << EXCESS_BITS);
        self.clamping.constrain(row, &columns.clamped, excess_limit);
        row.require(Range {
            limit: self.unit.clone(),
            value: columns.remainder.clone(),
        });
    }
}

#[cfg(feature = "prover")]
mod witness {
    use matchmark_quant::Rescaled;
    use stwo::core::fields::m31::M31;

    use super::{ClampedColumns, RescalingColumns};
    use crate::column::field;
    use crate::layout::decoder::PADDING_UNIT;

    impl RescalingColumns<Vec<M31>> {
        /// Columns of `rows` rows that rescale zero by the unit of padding, with room to be set row by row.
        pub fn of_zeros(rows: usize) -> Self {
            Self {
                clamped: ClampedColumns {
                    out: vec![field(0); rows],
                    excess: vec![field(0); rows],
                },
                remainder: vec![field(i64::from(PADDING_UNIT / 2)); rows],
            }
        }

        /// Sets a row.
        pub fn set(&mut self, row: usize, rescaled: &Rescaled) {
            self.clamped.out[row] = field(i64::from(rescaled.out));
            self.clamped.excess[row] = field(i64::from(rescaled.excess));
            self.remainder[row] = field(i64::from(rescaled.remainder));
        }
    }
}
