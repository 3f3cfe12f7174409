//! Constraints of the norms component.
use matchmark_graph::SQUARE_SHIFT;
use matchmark_quant::NORM_PRODUCT_BITS;
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
use crate::gadgets::rescaling::range;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{
    DecoderLayout, CROSS_LIMB_BITS, CROSS_LOW_BITS, CROSS_OFFSET, LIMB_BITS, MANTISSA_BITS,
    RANGE_BITS,
};
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
            cross_low,
            cross_quotient_low,
            cross_quotient_high,
            low,
            carry,
            scale,
            power,
            smallest,
            divisor,
            excess_limit,
            mantissa,
            remainder,
            factor,
        } = witness;
        let power_of_two = |log: u32| M31::from_u32_unchecked(1 << log);

        // The sums are those of the stream: sum h^2 = 2^16 A + 2^9 B + C, with B = 2^6 b + b' and
        // C + 2^9 b' = 2^15 c + c'. Else: any norm.
        let cross_quotient = cross_quotient_high.clone() * power_of_two(CROSS_LIMB_BITS)
            + cross_quotient_low.clone()
            - constant::<E>(CROSS_OFFSET);
        row.require_times(
            selectors.active.clone(),
            SquareSums {
                norm: selectors.row.clone(),
                high: high_sum.clone(),
                cross: cross_quotient.clone() * power_of_two(CROSS_LOW_BITS) + cross_low.clone(),
                low: carry.clone() * power_of_two(SQUARE_SHIFT.into()) + low.clone()
                    - cross_low.clone() * power_of_two(LIMB_BITS + 1),
            },
        );
        range(row, CROSS_LOW_BITS, cross_low);
        range(row, CROSS_LIMB_BITS, cross_quotient_low);
        range(row, CROSS_LIMB_BITS, cross_quotient_high);
        range(row, SQUARE_SHIFT.into(), low);
        range(row, RANGE_BITS, carry.clone());

        // q = floor(sum / 2^15) + epsilon = 2 A + b + c + epsilon = m 4^e + r. Else: any mantissa.
        row.constrain(
            "mantissa and remainder make up the norm",
            high_sum.clone() + high_sum + cross_quotient + carry + selectors.epsilon
                - mantissa.clone() * power.clone()
                - remainder.clone(),
        );
        range(row, MANTISSA_BITS, mantissa.clone() - smallest.clone());
        row.require(Range {
            limit: power.clone(),
            value: remainder,
        });
        // The power and the smallest mantissa belong to the exponent.
        row.require(Exponent {
            scale: scale.clone(),
            power,
            smallest,
        });
        // The divisor has the exponent in it. Else: values of another size.
        row.constrain(
            "the divisor is that of stage and exponent",
            divisor.clone() - selectors.unit * scale,
        );
        // Else: quotients that wrap.
        row.constrain(
            "the excess is limited by the divisor",
            excess_limit.clone() * divisor.clone() - constant::<E>(1 << NORM_PRODUCT_BITS),
        );
        // The mantissa is below 2^14, and this is its reciprocal root.
        row.require(ReciprocalRoot {
            mantissa,
            factor: factor.clone(),
        });
        // Once for each row of channels.
        let channels = M31::from(self.decoder.shape().hidden() / self.decoder.stream_lanes());
        row.provide_times(
            selectors.active * channels,
            NormFactor {
                norm: selectors.row,
                factor,
                divisor,
                excess_limit,
            },
        );
    }
}
