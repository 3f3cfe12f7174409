//! Trace generation of the stream component.
use matchmark_graph::{Kind, ModelArithmetic};
use matchmark_models::ModelExecution;
use matchmark_quant::EXCESS_BITS;
use stwo::core::fields::m31::M31;

use super::columns::{Lane, Witness};
use super::constraints::Stream;
use crate::column::field;
use crate::column::Column;
use crate::execution::rescaled;
use crate::execution::{Execution, Generate};
use crate::gadgets::rescaling::ClampedColumns;
use crate::layout::decoder::{DecoderLayout, LIMB_BITS, NORM_LOW_BITS, PADDING_UNIT};

impl Generate for Stream {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let decoder = execution.expect_decoder();
        witness(&self.decoder, decoder.execution, decoder.arithmetic)
    }
}

/// The witness columns.
fn witness(
    decoder: &DecoderLayout,
    execution: &ModelExecution,
    arithmetic: &ModelArithmetic,
) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().stream;
    let (channels, steps) = (decoder.shape().hidden(), decoder.steps());
    let terms = arithmetic.terms();
    let zeros = || vec![field(0); rows];
    let [mut high_sum, mut cross_sum, mut low_sum, mut factor] = core::array::from_fn(|_| zeros());
    // Padding normalizes zero; its divisor is that of no stage, but one that has a remainder.
    let padding = 1 << ModelArithmetic::MIN_NORM_SHIFT;
    let mut divisor = vec![M31::from_u32_unchecked(padding); rows];
    let mut excess_limit = vec![M31::from_u32_unchecked(1 << EXCESS_BITS); rows];
    let half = i64::from(padding) / 2;
    let mut lanes: Vec<Lane<Vec<M31>, Vec<M31>>> = (0..decoder.stream_lanes())
        .map(|_| Lane {
            high: zeros(),
            low: zeros(),
            excess: zeros(),
            excess_high: zeros(),
            // Padding rescales zero.
            remainder: vec![M31::from_u32_unchecked(PADDING_UNIT / 2); rows],
            normalized: ClampedColumns {
                out: zeros(),
                excess: zeros(),
            },
            norm_remainder_low: vec![field(half & NORM_LOW_MASK); rows],
            norm_remainder_high: vec![field(half >> NORM_LOW_BITS); rows],
        })
        .collect();
    for (stage, id) in decoder.graph().of(Kind::Stream).iter().enumerate() {
        let constants = arithmetic.stream(*id);
        let stream = terms.stream(constants.shift);
        for step in 0..steps {
            let at = |stage: usize, channel| (stage * steps + step) * channels + channel;
            let norm = &execution.norms[stage * steps + step];
            let rescale = terms.norm(constants.norm, norm.exponent);
            let (mut high_so_far, mut cross_so_far, mut low_so_far) = (0, 0, 0);
            for channel in 0..channels {
                let (row, lane) = decoder.stream_row(stage, channel, step);
                let lane = &mut lanes[lane];
                let before = constants.before.map_or(0, |shift| {
                    let before = execution.stream[at(stage - 1, channel)];
                    i64::from(before) << shift
                });
                let added = i64::from(execution.stream_accumulators[at(stage, channel)]);
                let set = rescaled(stream, added + before);
                // The high limb of the excess is as large as it can be.
                let per_unit = EXCESS_BITS - constants.shift;
                lane.excess[row] = field(i64::from(set.excess & ((1 << per_unit) - 1)));
                lane.excess_high[row] = field(i64::from(set.excess >> per_unit));
                lane.remainder[row] = field(i64::from(set.remainder));
                let h = i64::from(set.out);
                let (of_high, of_low) = (h >> LIMB_BITS, h & ((1 << LIMB_BITS) - 1));
                high_so_far += of_high * of_high;
                cross_so_far += of_high * of_low;
                low_so_far += of_low * of_low;
                lane.high[row] = field(of_high);
                lane.low[row] = field(of_low);
                // Those of the last lane stay.
                high_sum[row] = field(high_so_far);
                cross_sum[row] = field(cross_so_far);
                low_sum[row] = field(low_so_far);
                let set = rescaled(rescale, h * i64::from(norm.factor));
                factor[row] = M31::from(norm.factor);
                divisor[row] = M31::from_u32_unchecked(1 << rescale.shift());
                excess_limit[row] = M31::from_u32_unchecked(1 << rescale.excess_bits());
                lane.normalized.out[row] = field(i64::from(set.out));
                lane.normalized.excess[row] = field(i64::from(set.excess));
                let remainder = i64::from(set.remainder);
                lane.norm_remainder_low[row] = field(remainder & NORM_LOW_MASK);
                lane.norm_remainder_high[row] = field(remainder >> NORM_LOW_BITS);
            }
        }
    }
    // Padding adds nothing to the sums of the channels before.
    for row in decoder.rows_in_use(Kind::Stream)..rows {
        for sum in [&mut high_sum, &mut cross_sum, &mut low_sum] {
            sum[row] = sum[row - steps];
        }
    }
    Witness {
        high_sum,
        cross_sum,
        low_sum,
        factor,
        divisor,
        excess_limit,
        lanes,
    }
    .into_columns()
    .map(Column::from)
    .collect()
}

/// The low bits of the remainder of a normalization.
const NORM_LOW_MASK: i64 = (1 << NORM_LOW_BITS) - 1;
