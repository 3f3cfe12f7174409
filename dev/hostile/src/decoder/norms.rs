//! Lies about norms: sums of squares, exponents, mantissas, factors.
use std::sync::Arc;

use matchmark_air::column::field;
use matchmark_air::layout::decoder::{DecoderLayout, SQUARE_LOW_BITS};
use matchmark_air::ops::norms::columns::{Witness, COLUMNS};

use super::execution::{norm_columns, norm_with, What};
use crate::cases::Case;

/// What is wrong with a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// A square that is not that of the value.
    Square,
    /// Low parts out of their range, of several channels.
    SquareLow,
    /// A high part out of its range.
    SquareHigh,
    /// The sum of the high parts.
    HighSum,
    /// The sum of the low parts.
    LowSum,
    /// Other sums than those of the stream.
    Sums,
    /// The low parts' sum with a low part out of its range.
    Low,
    /// The low parts' sum with a carry out of its range.
    Carry,
    /// A mantissa that is not that of the norm.
    Mantissa,
    /// A mantissa below the smallest of its exponent.
    Smallest,
    /// A remainder out of its range.
    Remainder,
    /// A divisor that does not belong to the exponent.
    Divisor,
    /// A factor that is not that of the mantissa.
    Factor,
    /// A channel with another factor than the others.
    OwnFactor,
}

impl Break {
    /// Where the lie is told.
    pub fn site(self) -> What {
        match self {
            Self::Square | Self::SquareLow | Self::SquareHigh => What::Square,
            Self::HighSum | Self::LowSum => What::Sums,
            Self::Sums => What::NormSums,
            Self::OwnFactor => What::Factor,
            _ => What::Norm,
        }
    }

    /// On how many channels it is told.
    pub fn channels(self) -> usize {
        match self {
            Self::SquareLow => LIFTED_CHANNELS,
            _ => 1,
        }
    }

    /// Whether it is told on the last channel alone.
    pub fn is_of_last_channel(self) -> bool {
        matches!(self, Self::HighSum | Self::LowSum)
    }
}

/// On so many channels the high part grows by `2^14`: together by `2^17`, which is `2^-14` in the field.
const LIFTED_CHANNELS: usize = 8;
/// `2^-14` in the field.
const INVERSE_OF_UNIT: i64 = 1 << 17;

/// Tells a lie; `amount` is some positive number.
pub fn lie(case: &Arc<Case>, stage: usize, said: &mut [i64], how: Break, amount: i64) -> bool {
    let (_, decoder) = case.expect_decoder();
    let unit = 1_i64 << SQUARE_LOW_BITS;
    match how {
        Break::Square => said[0] = (said[0] + amount) % (unit + 1),
        Break::SquareLow => {
            if said[0] >= unit {
                return false;
            }
            said[0] += unit;
            said[1] -= unit * unit;
        }
        Break::SquareHigh => {
            // One less in the low part is `2^-14` more in the high one.
            if said[1] == 0 {
                return false;
            }
            said[1] -= 1;
            said[0] += INVERSE_OF_UNIT;
        }
        Break::HighSum | Break::Sums => said[0] += amount,
        Break::LowSum => said[1] += amount * unit / 4,
        Break::Low
        | Break::Carry
        | Break::Mantissa
        | Break::Remainder
        | Break::Smallest
        | Break::Divisor
        | Break::Factor => {
            let row: Result<[i64; COLUMNS], _> = (&*said).try_into();
            let other = row.ok().and_then(|row| {
                let row = Witness::from(row);
                lie_about_norm(decoder, stage, row, how, amount)
            });
            match other {
                Some(other) => said.copy_from_slice(&other.into_columns()),
                None => return false,
            }
        }
        Break::OwnFactor => {
            let other = amount % (1 << 15);
            if other == said[0] {
                return false;
            }
            said[0] = other;
        }
    }
    true
}

/// A row of the norms component with a lie in it.
fn lie_about_norm(
    decoder: &DecoderLayout,
    stage: usize,
    said: Witness<i64>,
    how: Break,
    amount: i64,
) -> Option<Witness<i64>> {
    match how {
        Break::Low | Break::Carry => lie_about_carry(decoder, stage, said, how, amount),
        // Half of it, so that remainders stay in their range.
        Break::Divisor => Some(Witness {
            divisor: said.divisor / 2,
            ..said
        }),
        Break::Factor => {
            let factor = amount % (1 << 15);
            (factor != said.factor).then_some(Witness { factor, ..said })
        }
        _ => lie_about_mantissa(decoder, stage, said, how, amount),
    }
}

fn lie_about_carry(
    decoder: &DecoderLayout,
    stage: usize,
    said: Witness<i64>,
    how: Break,
    amount: i64,
) -> Option<Witness<i64>> {
    let unit = 1_i64 << SQUARE_LOW_BITS;
    let Witness {
        high_sum,
        carry,
        low,
        ..
    } = said;
    let carried = match how {
        Break::Low => carry + amount % (1 << 14),
        _ if low == 0 => return None,
        _ => carry + INVERSE_OF_UNIT,
    };
    // As if the sum of low parts were all carry; the columns of the carry and the rest then differ.
    let honest = norm_columns(decoder, stage, [high_sum, carried * unit]);
    Some(Witness {
        carry: carried,
        low: match how {
            Break::Low => low - (carried - carry) * unit,
            _ => low - 1,
        },
        ..honest
    })
}

fn lie_about_mantissa(
    decoder: &DecoderLayout,
    stage: usize,
    said: Witness<i64>,
    how: Break,
    amount: i64,
) -> Option<Witness<i64>> {
    let epsilon = i64::from(decoder.arithmetic().epsilon_of_stage(stage));
    let norm = i64::from(field(said.high_sum + said.carry + epsilon).0);
    let largest = i64::from(decoder.max_norm_exponent());
    let (exponent, other) = match how {
        Break::Smallest => {
            if said.exponent == largest {
                return None;
            }
            let exponent = said.exponent + 1 + amount % (largest - said.exponent);
            (exponent, norm >> (2 * exponent))
        }
        _ => {
            let other = said.smallest + amount % ((1 << 14) - said.smallest);
            (said.exponent, other)
        }
    };
    if other == said.mantissa {
        return None;
    }
    let sums = [said.high_sum, said.carry, said.low];
    let mut row = norm_with(decoder, sums, norm, exponent, other);
    if how == Break::Mantissa {
        // Whatever is left over is called small.
        row.remainder = said.remainder;
    }
    Some(row)
}
