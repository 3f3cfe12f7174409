//! Constraints of the stream component.
use matchmark_quant::{NORM_PRODUCT_BITS, STREAM_BITS};
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::gadgets::rescaling::{range, twos_complement, Clamping};
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{DecoderLayout, NORM_LOW_BITS, RANGE_BITS, SQUARE_LOW_BITS};
use crate::relation::{LinearInput, LinearOutput, NormFactor, Range, SquareSums, Value};

/// The stream component of one segment.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
}

impl Stream {
    /// The range of normalized values.
    fn normalized_range(&self) -> Clamping {
        // Any shift: the range is that of the values.
        Clamping::of(self.decoder.value())
    }
}

impl Stream {
    /// The component of a segment.
    pub fn new(decoder: &DecoderLayout) -> Self {
        Self {
            decoder: decoder.clone(),
        }
    }
}

impl Constraints for Stream {
    fn name(&self) -> &'static str {
        "stream"
    }

    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().stream
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let columns = Columns::read(row, &self.decoder);
        let (rescaling, rescaled) = columns.rescaled(&self.decoder);
        let Columns {
            selectors,
            witness,
            rlcs,
        } = columns;
        let step = row.rlc().position;
        let one = constant::<E>(1);
        let [value_before, value] = witness.value;

        // What was added: the rescaled number is the accumulator and the stream before, in the
        // accumulator's unit. The first stage begins at zero. Else: a stream that forgets, or adds what
        // it likes.
        let added = rescaling.input::<E>(&rescaled) - value_before * selectors.before;
        let first = selectors.first_channel.clone() * selectors.first_step.clone();
        let added = row.accumulate(
            "combined additions accumulate",
            rlcs.added,
            |sum, before| {
                sum - before * step * (one.clone() - first.clone()) - E::EF::from(added.clone())
            },
        );
        rescaling.constrain(row, &rescaled);
        twos_complement(row, u32::from(STREAM_BITS), &value);

        // The square in two parts, each summed over the channels. Else: any norm.
        row.constrain(
            "square is split into two parts",
            value.clone() * value.clone()
                - witness.square_high.clone() * M31::from_u32_unchecked(1 << SQUARE_LOW_BITS)
                - witness.square_low.clone(),
        );
        range(row, SQUARE_LOW_BITS, witness.square_low.clone());
        range(row, RANGE_BITS, witness.square_high.clone());
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
            selectors.last_channel,
            SquareSums {
                norm: selectors.norm.clone(),
                high: high_sum,
                low: low_sum,
            },
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
        clamping.constrain(row, &witness.normalized, excess_bits);
        let normalized = witness.normalized.out;
        row.require(Value {
            value: normalized.clone(),
        });
        range(row, NORM_LOW_BITS, witness.norm_remainder_low);
        row.require(Range {
            bits: witness.divisor_bits.clone() - constant::<E>(NORM_LOW_BITS),
            value: witness.norm_remainder_high,
        });
        row.require_times(
            selectors.active,
            NormFactor {
                norm: selectors.norm.clone(),
                factor: witness.factor,
                divisor_bits: witness.divisor_bits,
                divisor: witness.divisor,
            },
        );

        // What matrices take in, combined over the steps.
        let follows = one - selectors.first_step;
        let normalized = row.accumulate(
            "combined normalized values accumulate",
            rlcs.normalized,
            |sum, before| sum - before * step * follows.clone() - E::EF::from(normalized.clone()),
        );
        row.provide_times(
            selectors.input_uses,
            LinearInput {
                name: selectors.input,
                value: normalized.coordinates,
            },
        );
        // What was added is what some matrix has computed.
        row.require_times(
            selectors.last,
            LinearOutput {
                name: selectors.norm,
                value: added.coordinates,
            },
        );
    }
}
