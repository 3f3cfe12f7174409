//! Constraints of the norms component.
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
use crate::gadgets::rescaling::range;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{DecoderLayout, MANTISSA_BITS, RANGE_BITS, SQUARE_LOW_BITS};
use crate::relation::{Exponent, NormFactor, Range, ReciprocalRoot, SquareSums};

/// The norms component of one segment.
#[derive(Clone, Debug)]
pub struct Norms {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
}

impl Norms {
    /// The component of a segment.
    pub fn new(decoder: &DecoderLayout) -> Self {
        Self {
            decoder: decoder.clone(),
        }
    }
}

impl Constraints for Norms {
    fn name(&self) -> &'static str {
        "norms"
    }

    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().norms
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns { selectors, witness } = Columns::<E::F>::read::<E>(row);
        let Witness {
            high_sum,
            carry,
            low,
            exponent,
            power,
            smallest,
            divisor,
            mantissa,
            remainder,
            factor,
        } = witness;
        let arithmetic = self.decoder.arithmetic();

        // The sums are those of the stream; the low parts' is taken apart. Else: any norm.
        let low_sum = carry.clone() * M31::from_u32_unchecked(1 << SQUARE_LOW_BITS) + low.clone();
        row.require_times(
            selectors.active.clone(),
            SquareSums {
                norm: selectors.row.clone(),
                high: high_sum.clone(),
                low: low_sum,
            },
        );
        range(row, SQUARE_LOW_BITS, low);
        range(row, RANGE_BITS, carry.clone());

        // q = floor(sum / 2^14) + epsilon = m 4^e + r. Else: any mantissa.
        row.constrain(
            "mantissa and remainder make up the norm",
            high_sum + carry + selectors.epsilon
                - mantissa.clone() * power.clone()
                - remainder.clone(),
        );
        range(row, MANTISSA_BITS, mantissa.clone() - smallest.clone());
        row.require(Range {
            bits: exponent.clone() + exponent.clone(),
            value: remainder,
        });
        // The power, the smallest mantissa and the divisor belong to the exponent.
        row.require(Exponent {
            exponent: exponent.clone(),
            power,
            smallest,
            divisor: divisor.clone(),
        });
        // The mantissa is below 2^14, and this is its reciprocal root.
        row.require(ReciprocalRoot {
            mantissa,
            factor: factor.clone(),
        });
        let channels = M31::from(self.decoder.shape().hidden());
        let bits = exponent + constant::<E>(u32::from(arithmetic.shifts().norm));
        row.provide_times(
            selectors.active * channels,
            NormFactor {
                norm: selectors.row,
                factor,
                divisor_bits: bits,
                divisor,
            },
        );
    }
}
