//! Trace generation of the norms component.
use matchmark_models::ModelExecution;

use super::columns::Witness;
use super::constraints::Norms;
use crate::column::field;
use crate::column::Column;
use crate::execution::{DecoderExecution, Execution, Generate};
use crate::layout::decoder::{DecoderLayout, MANTISSA_BITS, SQUARE_LOW_BITS};

impl Generate for Norms {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let DecoderExecution { execution, .. } = execution.expect_decoder();
        witness(&self.decoder, execution)
    }
}

/// The witness columns.
fn witness(decoder: &DecoderLayout, execution: &ModelExecution) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().norms;
    let (channels, steps) = (decoder.shape().hidden(), decoder.steps());
    let arithmetic = decoder.arithmetic();
    let mut columns = Witness {
        high_sum: vec![],
        carry: vec![],
        low: vec![],
        exponent: vec![],
        power: vec![],
        smallest: vec![],
        divisor: vec![],
        mantissa: vec![],
        remainder: vec![],
        factor: vec![],
    };
    for row in 0..rows {
        // Padding has sums of zero.
        let active = row < decoder.stages() * steps;
        let squares = active
            .then(|| &execution.stream[row * channels..][..channels])
            .into_iter()
            .flatten()
            .map(|h| i64::from(*h) * i64::from(*h));
        let mask = (1 << SQUARE_LOW_BITS) - 1;
        let (mut high_sum, mut low_sum) = (0, 0);
        for square in squares {
            high_sum += square >> SQUARE_LOW_BITS;
            low_sum += square & mask;
        }
        let (carry, low) = (low_sum >> SQUARE_LOW_BITS, low_sum & mask);
        let norm = high_sum + carry + i64::from(arithmetic.epsilon_of_stage(row / steps));
        let mut exponent = 0;
        while norm >= 1 << (MANTISSA_BITS + 2 * exponent) {
            exponent += 1;
        }
        let power = 1 << (2 * exponent);
        let smallest = match exponent {
            0 => 0,
            _ => 1 << (MANTISSA_BITS - 2),
        };
        let (mantissa, remainder) = (norm / power, norm % power);
        let index = usize::try_from(mantissa).unwrap_or_default();
        let factor = i64::from(matchmark_tables::reciprocal_root(index));
        let divisor = 1_i64 << (u32::from(arithmetic.shifts().norm) + exponent);
        for (column, value) in [
            (&mut columns.high_sum, high_sum),
            (&mut columns.carry, carry),
            (&mut columns.low, low),
            (&mut columns.exponent, i64::from(exponent)),
            (&mut columns.power, power),
            (&mut columns.smallest, smallest),
            (&mut columns.divisor, divisor),
            (&mut columns.mantissa, mantissa),
            (&mut columns.remainder, remainder),
            (&mut columns.factor, factor),
        ] {
            column.push(field(value));
        }
    }
    columns.into_columns().map(Column::from).into()
}
