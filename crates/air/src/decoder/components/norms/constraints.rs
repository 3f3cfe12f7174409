//! Constraints of the norms component.
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
use crate::challenges::Challenges;
use crate::decoder::layout::{DecoderLayout, MANTISSA_BITS, RANGE_BITS, SQUARE_LOW_BITS};
use crate::gadgets::rescaling::range;
use crate::harness::row::{constant, Constraints, Row};
use crate::relation::RelationTag;

/// The norms component of one segment.
#[derive(Clone, Debug)]
pub struct Norms {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl Constraints for Norms {
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
        let lookups = &self.challenges.lookup;
        let arithmetic = self.decoder.arithmetic();

        // The sums are those of the stream; the low parts' is taken apart. Else: any norm.
        let low_sum = carry.clone() * M31::from_u32_unchecked(1 << SQUARE_LOW_BITS) + low.clone();
        row.require_times(
            lookups,
            RelationTag::SquareSums,
            selectors.active.clone(),
            &[selectors.row.clone(), high_sum.clone(), low_sum],
        );
        range(row, lookups, SQUARE_LOW_BITS, low);
        range(row, lookups, RANGE_BITS, carry.clone());

        // q = floor(sum / 2^14) + epsilon = m 4^e + r. Else: any mantissa.
        row.constrain(
            "mantissa and remainder make up the norm",
            high_sum + carry + selectors.epsilon
                - mantissa.clone() * power.clone()
                - remainder.clone(),
        );
        range(
            row,
            lookups,
            MANTISSA_BITS,
            mantissa.clone() - smallest.clone(),
        );
        row.require(
            lookups,
            RelationTag::Range,
            &[exponent.clone() + exponent.clone(), remainder],
        );
        // The power, the smallest mantissa and the divisor belong to the exponent.
        row.require(
            lookups,
            RelationTag::Exponent,
            &[exponent.clone(), power, smallest, divisor.clone()],
        );
        // The mantissa is below 2^14, and this is its reciprocal root.
        row.require(
            lookups,
            RelationTag::ReciprocalRoot,
            &[mantissa, factor.clone()],
        );
        let channels = M31::from(self.decoder.shape().hidden());
        let bits = exponent + constant::<E>(u32::from(arithmetic.shifts().norm));
        row.provide_times(
            lookups,
            RelationTag::NormFactor,
            selectors.active * channels,
            &[selectors.row, factor, bits, divisor],
        );
    }
}
