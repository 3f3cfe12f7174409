//! Trace generation of the stream component.
use matchmark_models::ModelExecution;
use matchmark_quant::ModelArithmetic;
use stwo::core::fields::m31::M31;

use super::columns::Witness;
use super::constraints::Stream;
use crate::column::field;
use crate::column::Column;
use crate::execution::rescaled;
use crate::execution::{DecoderExecution, Execution, Generate};
use crate::gadgets::rescaling::{ClampedColumns, RescalingColumns};
use crate::layout::decoder::{DecoderLayout, NORM_LOW_BITS, SQUARE_LOW_BITS};

impl Generate for Stream {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let DecoderExecution { execution, .. } = execution.expect_decoder();
        witness(&self.decoder, execution)
    }
}

/// The witness columns.
fn witness(decoder: &DecoderLayout, execution: &ModelExecution) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().stream;
    let (channels, steps) = (decoder.shape().hidden(), decoder.steps());
    let arithmetic = decoder.arithmetic();
    let zeros = || vec![field(0); rows];
    let mut value = RescalingColumns::of_zeros(rows, decoder.stream());
    let [mut square_high, mut square_low, mut high_sum, mut low_sum] =
        core::array::from_fn(|_| zeros());
    let [mut factor, mut divisor, mut remainder_low, mut remainder_high] =
        core::array::from_fn(|_| zeros());
    // Padding normalizes zero; its divisor is not looked up, but its width is that of some divisor.
    let padding = M31::from_u32_unchecked(ModelArithmetic::MIN_NORM_SHIFT.into());
    let mut divisor_bits = vec![padding; rows];
    let mut normalized = ClampedColumns {
        out: zeros(),
        excess: zeros(),
    };
    for stage in 0..decoder.stages() {
        for step in 0..steps {
            let at = |stage: usize, channel| (stage * steps + step) * channels + channel;
            let norm = &execution.norms[stage * steps + step];
            let rescale = arithmetic.norm(norm.exponent);
            let bits = u32::from(rescale.shift());
            let (mut high_so_far, mut low_so_far) = (0, 0);
            for channel in 0..channels {
                let row = decoder.stream_row(stage, channel, step);
                let before = match stage {
                    0 => 0,
                    _ => {
                        let before = execution.stream[at(stage - 1, channel)];
                        i64::from(before) << arithmetic.residual_shift(stage - 1)
                    }
                };
                let added = i64::from(execution.stream_accumulators[at(stage, channel)]);
                let set = rescaled(decoder.stream(), added + before);
                value.set(row, &set);
                let h = i64::from(set.out);
                let (high, low) = (
                    (h * h) >> SQUARE_LOW_BITS,
                    (h * h) & ((1 << SQUARE_LOW_BITS) - 1),
                );
                high_so_far += high;
                low_so_far += low;
                square_high[row] = field(high);
                square_low[row] = field(low);
                high_sum[row] = field(high_so_far);
                low_sum[row] = field(low_so_far);
                let set = rescaled(rescale, h * i64::from(norm.factor));
                factor[row] = M31::from(norm.factor);
                divisor[row] = M31::from_u32_unchecked(1 << bits);
                divisor_bits[row] = M31::from_u32_unchecked(bits);
                normalized.out[row] = field(i64::from(set.out));
                normalized.excess[row] = field(i64::from(set.excess));
                remainder_low[row] = field(i64::from(set.remainder & ((1 << NORM_LOW_BITS) - 1)));
                remainder_high[row] = field(i64::from(set.remainder >> NORM_LOW_BITS));
            }
        }
    }
    // Padding adds nothing to the sums of one channel before.
    for row in decoder.stages() * channels * steps..rows {
        high_sum[row] = high_sum[row - steps];
        low_sum[row] = low_sum[row - steps];
    }
    let RescalingColumns {
        clamped: ClampedColumns { out: value, excess },
        remainder,
    } = value;
    Witness {
        value,
        excess,
        remainder,
        square_high,
        square_low,
        high_sum,
        low_sum,
        factor,
        divisor,
        divisor_bits,
        normalized,
        norm_remainder_low: remainder_low,
        norm_remainder_high: remainder_high,
    }
    .into_columns()
    .map(Column::from)
    .into()
}
