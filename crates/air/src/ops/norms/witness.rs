//! Trace generation of the norms component.
use matchmark_graph::{Kind, ModelArithmetic, SQUARE_SHIFT};
use matchmark_models::ModelExecution;
use matchmark_quant::NORM_PRODUCT_BITS;

use super::columns::{Witness, COLUMNS};
use super::constraints::Norms;
use crate::column::field;
use crate::column::Column;
use crate::execution::{Execution, Generate};
use crate::layout::decoder::{
    DecoderLayout, CROSS_LIMB_BITS, CROSS_LOW_BITS, CROSS_OFFSET, LIMB_BITS, MANTISSA_BITS,
};

impl Generate for Norms {
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
    let rows = 1 << decoder.log_rows().norms;
    let (channels, steps) = (decoder.shape().hidden(), decoder.steps());
    let mut columns = Witness::from([(); COLUMNS].map(|()| Vec::with_capacity(rows)));
    for row in 0..rows {
        // Padding has sums of zero, and is normalized like the last stage.
        let active = row < decoder.stages() * steps;
        let stage = (row / steps).min(decoder.stages() - 1);
        let id = decoder.graph().nth(Kind::Stream, stage);
        let of_stage = arithmetic.stream(id).norm;
        let stream = active
            .then(|| &execution.stream[row * channels..][..channels])
            .into_iter()
            .flatten();
        let (mut high_sum, mut cross_sum, mut low_sum) = (0, 0, 0);
        for h in stream {
            let h = i64::from(*h);
            let (high, low) = (h >> LIMB_BITS, h & ((1 << LIMB_BITS) - 1));
            high_sum += high * high;
            cross_sum += high * low;
            low_sum += low * low;
        }
        let (cross_quotient, cross_low) = split(cross_sum, CROSS_LOW_BITS);
        let with_offset = cross_quotient + i64::from(CROSS_OFFSET);
        let (cross_quotient_high, cross_quotient_low) = split(with_offset, CROSS_LIMB_BITS);
        let (carry, low) = split(
            low_sum + (cross_low << (LIMB_BITS + 1)),
            u32::from(SQUARE_SHIFT),
        );
        let norm = 2 * high_sum + cross_quotient + carry + i64::from(of_stage.epsilon);
        let mut exponent = 0;
        while norm >= 1 << (MANTISSA_BITS + 2 * exponent) {
            exponent += 1;
        }
        let power = 1 << (2 * exponent);
        let smallest = match exponent {
            0 => 0,
            1.. => 1 << (MANTISSA_BITS - 2),
        };
        let (mantissa, remainder) = split(norm, 2 * exponent);
        let index = usize::try_from(mantissa).unwrap_or_default();
        let divisor_bits = u32::from(of_stage.shift) + exponent;
        let entries = Witness {
            high_sum,
            cross_low,
            cross_quotient_low,
            cross_quotient_high,
            low,
            carry,
            scale: 1 << exponent,
            power,
            smallest,
            divisor: 1 << divisor_bits,
            excess_limit: 1 << (u32::from(NORM_PRODUCT_BITS) - divisor_bits),
            mantissa,
            remainder,
            factor: i64::from(matchmark_tables::reciprocal_root(index)),
        };
        let mut all = columns.into_columns();
        for (column, entry) in all.iter_mut().zip(entries.into_columns()) {
            column.push(field(entry));
        }
        columns = Witness::from(all);
    }
    columns.into_columns().map(Column::from).into()
}

/// Quotient and remainder by a power of two.
fn split(number: i64, bits: u32) -> (i64, i64) {
    (number >> bits, number & ((1 << bits) - 1))
}
