//! Constraints of the stream component.
use matchmark_quant::EXCESS_BITS;
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::gadgets::rescaling::{range, twos_complement, Clamping};
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{DecoderLayout, LIMB_BITS, NORM_LOW_BITS};
use crate::relation::{
    LinearInput, LinearOutput, NormFactor, Range, SquareSums, StreamValue, Value,
};

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
        Clamping::of(self.decoder.arithmetic().value(1))
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
        let Columns {
            selectors,
            witness,
            rlcs,
        } = Columns::read(row, &self.decoder);
        let step = row.rlc().position;
        let one = constant::<E>(1);
        let [high_before, high] = witness.high;
        let [low_before, low] = witness.low;
        let joined = |high: E::F, low: E::F| high * M31::from_u32_unchecked(1 << LIMB_BITS) + low;
        let value_before = joined(high_before, low_before);
        let value = joined(high.clone(), low.clone());

        // The limbs hold the stream to 16 bits of two's complement. Else: any stream, and squares that wrap.
        twos_complement(row, LIMB_BITS, &high);
        range(row, LIMB_BITS, low.clone());

        // What the last stage ends with goes to the group of layers behind: see `stream_out`, which requires each
        // value once.
        if let Some(goes_out) = selectors.goes_out {
            row.provide_times(
                goes_out,
                StreamValue {
                    norm: selectors.norm.clone(),
                    input: selectors.input.clone(),
                    value: value.clone(),
                },
            );
        }

        // What was added: 2^k v + r - 2^(k-1) is the accumulator and the stream before, in the accumulator's
        // unit, with v the stream before it was clamped. The first stage begins at zero. Else: a stream that
        // forgets, or adds what it likes. See the gadget `rescaling`; a sum on the stream can leave the range by
        // more than one limb holds, so that the excess has a second one, in units of 2^15 before the division.
        let clamping = Clamping::of(self.decoder.arithmetic().stream(1));
        let half = M31::from_u32_unchecked(2).inverse();
        let sign = clamping.sign::<E>(&value);
        let excess_high = witness.excess_high.clone() * M31::from_u32_unchecked(1 << EXCESS_BITS);
        let sum = (value.clone() + sign.clone() * witness.excess.clone()) * selectors.unit.clone()
            + sign * excess_high.clone()
            + witness.remainder.clone()
            - selectors.unit.clone() * half;
        let added = sum - value_before * selectors.before;
        let first = selectors.first_channel.clone() * selectors.first_step.clone();
        let added = row.accumulate(
            "combined additions accumulate",
            rlcs.added,
            |sum, before| {
                sum - before * step * (one.clone() - first.clone()) - E::EF::from(added.clone())
            },
        );
        // Both limbs are below 2^15, so that their sum is zero only if both are. Else: any value.
        clamping.only_an_end_clamps(row, &value, witness.excess.clone() + excess_high);
        range(row, u32::from(EXCESS_BITS), witness.excess);
        range(row, u32::from(EXCESS_BITS), witness.excess_high);
        row.require(Range {
            limit: selectors.unit,
            value: witness.remainder,
        });

        // The square in three parts, each summed over the channels. Else: any norm.
        let follows = one.clone() - selectors.first_channel;
        let mut accumulate = |name, [before, sum]: [E::F; 2], product: E::F| {
            row.constrain(name, sum.clone() - before * follows.clone() - product);
            sum
        };
        let high_sum = accumulate(
            "squares of high limbs accumulate",
            witness.high_sum,
            high.clone() * high.clone(),
        );
        let cross_sum = accumulate(
            "products of limbs accumulate",
            witness.cross_sum,
            high * low.clone(),
        );
        let low_sum = accumulate(
            "squares of low limbs accumulate",
            witness.low_sum,
            low.clone() * low,
        );
        row.provide_times(
            selectors.last_channel,
            SquareSums {
                norm: selectors.norm.clone(),
                high: high_sum,
                cross: cross_sum,
                low: low_sum,
            },
        );

        // n = h R / 2^bits, rounded and clamped, with the factor that belongs to the stage and step.
        let clamping = self.normalized_range();
        let quotient = clamping.value::<E>(&witness.normalized);
        let remainder = witness.norm_remainder_low.clone()
            + witness.norm_remainder_high.clone() * M31::from_u32_unchecked(1 << NORM_LOW_BITS);
        row.constrain(
            "normalized value is h * R over the divisor",
            value * witness.factor.clone() + witness.divisor.clone() * half
                - quotient * witness.divisor.clone()
                - remainder,
        );
        // The larger the divisor, the smaller the excess: their product is at most 2^26, which is all that a
        // normalization can need and keeps quotient times divisor below p.
        let excess_limit = witness.excess_limit.clone();
        clamping.constrain(row, &witness.normalized, excess_limit);
        let normalized = witness.normalized.out;
        row.require(Value {
            value: normalized.clone(),
        });
        range(row, NORM_LOW_BITS, witness.norm_remainder_low);
        row.require(Range {
            limit: witness.divisor.clone() * M31::from_u32_unchecked(1 << NORM_LOW_BITS).inverse(),
            value: witness.norm_remainder_high,
        });
        row.require_times(
            selectors.active,
            NormFactor {
                norm: selectors.norm.clone(),
                factor: witness.factor,
                divisor: witness.divisor,
                excess_limit: witness.excess_limit,
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
