//! Constraints of the stream component.
use matchmark_quant::{NORM_PRODUCT_BITS, STREAM_BITS};
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::challenges::Challenges;
use crate::decoder::layout::{DecoderLayout, NORM_LOW_BITS, RANGE_BITS, SQUARE_LOW_BITS};
use crate::gadgets::rescaling::{range, twos_complement, Clamping};
use crate::harness::row::{constant, Constraints, Row};
use crate::relation::RelationTag;

/// The stream component of one segment.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl Stream {
    /// The range of normalized values.
    fn normalized_range(&self) -> Clamping {
        // Any shift: the range is that of the values.
        Clamping::of(self.decoder.value())
    }
}

impl Constraints for Stream {
    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().stream
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let columns = Columns::read(row, &self.decoder);
        let (rescaling, rescaled) = columns.rescaled(&self.decoder);
        let Columns {
            selectors,
            witness,
            projections,
        } = columns;
        let lookups = &self.challenges.lookup;
        let step = self.challenges.projection.position;
        let one = constant::<E>(1);
        let [value_before, value] = witness.value;

        // What was added: the rescaled number is the accumulator and the stream before, in the
        // accumulator's unit. The first stage begins at zero. Else: a stream that forgets, or adds what
        // it likes.
        let added = rescaling.input::<E>(&rescaled) - value_before * selectors.before;
        let first = selectors.first_channel.clone() * selectors.first_step.clone();
        row.constrain(
            "projected additions accumulate",
            projections.added.current.value
                - projections.added.previous * step * (one.clone() - first)
                - E::EF::from(added),
        );
        rescaling.constrain(row, lookups, &rescaled);
        twos_complement(row, lookups, u32::from(STREAM_BITS), &value);

        // The square in two parts, each summed over the channels. Else: any norm.
        row.constrain(
            "square is split into two parts",
            value.clone() * value.clone()
                - witness.square_high.clone() * M31::from_u32_unchecked(1 << SQUARE_LOW_BITS)
                - witness.square_low.clone(),
        );
        range(row, lookups, SQUARE_LOW_BITS, witness.square_low.clone());
        range(row, lookups, RANGE_BITS, witness.square_high.clone());
        let follows = one.clone() - selectors.first_channel;
        let [high_before, high_sum] = witness.high_sum;
        row.constrain(
            "high parts of squares accumulate",
            high_sum.clone() - high_before * follows.clone() - witness.square_high,
        );
        let [low_before, low_sum] = witness.low_sum;
        row.constrain(
            "low parts of squares accumulate",
            low_sum.clone() - low_before * follows - witness.square_low,
        );
        row.provide_times(
            lookups,
            RelationTag::SquareSums,
            selectors.last_channel,
            &[selectors.norm.clone(), high_sum, low_sum],
        );

        // n = h R / 2^bits, rounded and clamped, with the factor that belongs to the stage and step.
        let clamping = self.normalized_range();
        let quotient = clamping.value::<E>(&witness.normalized);
        let remainder = witness.norm_remainder_low.clone()
            + witness.norm_remainder_high.clone() * M31::from_u32_unchecked(1 << NORM_LOW_BITS);
        let half = M31::from_u32_unchecked(2).inverse();
        row.constrain(
            "normalized value is h * R over the divisor",
            value * witness.factor.clone() + witness.divisor.clone() * half
                - quotient * witness.divisor.clone()
                - remainder,
        );
        // The wider the divisor, the smaller the excess: their product is at most 2^25, which is all that a
        // normalization can need and keeps quotient times divisor below p.
        let excess_bits = constant::<E>(NORM_PRODUCT_BITS.into()) - witness.divisor_bits.clone();
        clamping.constrain(row, lookups, &witness.normalized, excess_bits);
        let normalized = witness.normalized.out;
        row.require(
            lookups,
            RelationTag::Value,
            core::slice::from_ref(&normalized),
        );
        range(row, lookups, NORM_LOW_BITS, witness.norm_remainder_low);
        row.require(
            lookups,
            RelationTag::Range,
            &[
                witness.divisor_bits.clone() - constant::<E>(NORM_LOW_BITS),
                witness.norm_remainder_high,
            ],
        );
        row.require_times(
            lookups,
            RelationTag::NormFactor,
            selectors.active,
            &[
                selectors.norm.clone(),
                witness.factor,
                witness.divisor_bits,
                witness.divisor,
            ],
        );

        // What matrices take in, projected over the steps.
        let follows = one - selectors.first_step;
        row.constrain(
            "projected normalized values accumulate",
            projections.normalized.current.value
                - projections.normalized.previous * step * follows
                - E::EF::from(normalized),
        );
        let [x0, x1, x2, x3] = projections.normalized.current.coordinates;
        row.provide_times(
            lookups,
            RelationTag::LinearInput,
            selectors.input_uses,
            &[selectors.input, x0, x1, x2, x3],
        );
        // What was added is what some matrix has computed.
        let [y0, y1, y2, y3] = projections.added.current.coordinates;
        row.require_times(
            lookups,
            RelationTag::LinearOutput,
            selectors.last,
            &[selectors.norm, y0, y1, y2, y3],
        );
    }
}
