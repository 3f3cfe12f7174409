//! Constraints of the stream component.
use alloc::vec;
use core::ops::Add;

use matchmark_quant::EXCESS_BITS;
use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
use crate::gadgets::rescaling::{range, twos_complement, ClampedColumns, Clamping};
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
        let half = M31::from_u32_unchecked(2).inverse();
        let Witness {
            high_sum,
            cross_sum,
            low_sum,
            factor,
            divisor,
            excess_limit,
            lanes,
        } = witness;
        let norm = Norm {
            factor,
            divisor,
            excess_limit,
        };
        let name = |first: &E::F, lane: usize| first.clone() + E::F::from(M31::from(lane));

        // The stream, and what was added to it in each channel.
        let (mut added, mut products, mut normalized) = (vec![], vec![], vec![]);
        for (index, lane) in lanes.into_iter().enumerate() {
            let [high_before, high] = lane.high;
            let [low_before, low] = lane.low;
            let value_before = joined::<E>(high_before, low_before);
            let value = joined::<E>(high.clone(), low.clone());

            // The limbs hold the stream to 16 bits of two's complement. Else: any stream, and squares that wrap.
            twos_complement(row, LIMB_BITS, &high);
            range(row, LIMB_BITS, low.clone());

            // What the last stage ends with goes to the group of layers behind: see `stream_out`, which requires each
            // value once.
            if let Some(goes_out) = &selectors.goes_out {
                row.provide_times(
                    goes_out.clone(),
                    StreamValue {
                        norm: selectors.norm.clone(),
                        input: name(&selectors.input, index),
                        value: value.clone(),
                    },
                );
            }

            // What was added: 2^k v + r - 2^(k-1) is the accumulator and the stream before, in the accumulator's
            // unit, with v the stream before it was clamped. The first stage begins at zero. Else: a stream that
            // forgets, or adds what it likes. See the gadget `rescaling`; a sum on the stream can leave the range by
            // more than one limb holds, so that the excess has a second one, in units of 2^15 before the division.
            let clamping = Clamping::of(self.decoder.arithmetic().stream(1));
            let sign = clamping.sign::<E>(&value);
            let excess_high = lane.excess_high.clone() * M31::from_u32_unchecked(1 << EXCESS_BITS);
            let unit = selectors.unit.clone();
            let sum = (value.clone() + sign.clone() * lane.excess.clone()) * unit.clone()
                + sign * excess_high.clone()
                + lane.remainder.clone()
                - unit.clone() * half;
            added.push(sum - value_before * selectors.before.clone());
            // Both limbs are below 2^15, so that their sum is zero only if both are. Else: any value.
            clamping.only_an_end_clamps(row, &value, lane.excess.clone() + excess_high);
            range(row, u32::from(EXCESS_BITS), lane.excess);
            range(row, u32::from(EXCESS_BITS), lane.excess_high);
            row.require(Range {
                limit: unit,
                value: lane.remainder,
            });

            products.push([
                high.clone() * high.clone(),
                high * low.clone(),
                low.clone() * low,
            ]);
            let of_norm = NormColumns {
                normalized: lane.normalized,
                remainder_low: lane.norm_remainder_low,
                remainder_high: lane.norm_remainder_high,
            };
            normalized.push(self.normalize(row, &norm, value, of_norm));
        }

        // Channels come before steps: from a channel to the next the sum is multiplied once for every step. Else:
        // what no matrix has computed.
        let of_channel = step.pow(self.decoder.steps() as u128);
        let of_row = of_channel.pow(added.len() as u128 - 1) * step;
        let first = selectors.first_channel.clone() * selectors.first_step.clone();
        let first_step = selectors.first_step.clone();
        let added = row.accumulate(
            "combined additions accumulate",
            rlcs.added,
            |sum, before| {
                let terms = added.iter().fold(E::EF::zero(), |terms, added| {
                    terms * of_channel + E::EF::from(added.clone())
                });
                sum - before.clone() * step * (one.clone() - first_step.clone())
                    - before * of_row * (first_step.clone() - first.clone())
                    - terms
            },
        );

        // The square in three parts, each summed over the channels. Else: any norm.
        let follows = one.clone() - selectors.first_channel;
        let [of_high, of_cross, of_low] = core::array::from_fn(|part| {
            let of_lanes = products.iter().map(|products| products[part].clone());
            of_lanes.fold(E::F::zero(), Add::add)
        });
        let mut accumulate = |name, [before, sum]: [E::F; 2], product: E::F| {
            row.constrain(name, sum.clone() - before * follows.clone() - product);
            sum
        };
        let high_sum = accumulate("squares of high limbs accumulate", high_sum, of_high);
        let cross_sum = accumulate("products of limbs accumulate", cross_sum, of_cross);
        let low_sum = accumulate("squares of low limbs accumulate", low_sum, of_low);
        row.provide_times(
            selectors.last_channel,
            SquareSums {
                norm: selectors.norm.clone(),
                high: high_sum,
                cross: cross_sum,
                low: low_sum,
            },
        );
        row.require_times(
            selectors.active,
            NormFactor {
                norm: selectors.norm.clone(),
                factor: norm.factor,
                divisor: norm.divisor,
                excess_limit: norm.excess_limit,
            },
        );

        // What matrices take in, combined over the steps.
        let follows = one - selectors.first_step;
        let of_lanes = rlcs.normalized.into_iter().zip(normalized);
        for (index, (combined, normalized)) in of_lanes.enumerate() {
            let normalized = row.accumulate(
                "combined normalized values accumulate",
                combined,
                |sum, before| {
                    sum - before * step * follows.clone() - E::EF::from(normalized.clone())
                },
            );
            row.provide_times(
                selectors.input_uses.clone(),
                LinearInput {
                    name: name(&selectors.input, index),
                    value: normalized.coordinates,
                },
            );
        }
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

impl Stream {
    /// States that a value is normalized: n = h R / 2^bits, rounded and clamped, with the factor that belongs to the
    /// stage and step. Returns `n`.
    fn normalize<E: EvalAtRow>(
        &self,
        row: &mut Row<'_, E>,
        norm: &Norm<E::F>,
        value: E::F,
        columns: NormColumns<E::F>,
    ) -> E::F {
        let clamping = self.normalized_range();
        let half = M31::from_u32_unchecked(2).inverse();
        let NormColumns {
            normalized,
            remainder_low,
            remainder_high,
        } = columns;
        let quotient = clamping.value::<E>(&normalized);
        let remainder = remainder_low.clone()
            + remainder_high.clone() * M31::from_u32_unchecked(1 << NORM_LOW_BITS);
        row.constrain(
            "normalized value is h * R over the divisor",
            value * norm.factor.clone() + norm.divisor.clone() * half
                - quotient * norm.divisor.clone()
                - remainder,
        );
        // The larger the divisor, the smaller the excess: their product is at most 2^26, which is all that a
        // normalization can need and keeps quotient times divisor below p.
        clamping.constrain(row, &normalized, norm.excess_limit.clone());
        row.require(Value {
            value: normalized.out.clone(),
        });
        range(row, NORM_LOW_BITS, remainder_low);
        row.require(Range {
            limit: norm.divisor.clone() * M31::from_u32_unchecked(1 << NORM_LOW_BITS).inverse(),
            value: remainder_high,
        });
        normalized.out
    }
}

/// How the values of a row are normalized.
struct Norm<T> {
    factor: T,
    divisor: T,
    excess_limit: T,
}

/// The columns of a normalized value.
struct NormColumns<T> {
    normalized: ClampedColumns<T>,
    remainder_low: T,
    remainder_high: T,
}

/// The number of these limbs.
fn joined<E: EvalAtRow>(high: E::F, low: E::F) -> E::F {
    high * M31::from_u32_unchecked(1 << LIMB_BITS) + low
}
