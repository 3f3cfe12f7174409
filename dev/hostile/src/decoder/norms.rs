//! Lies about norms: limbs and their sums, exponents, mantissas, divisors, factors.
use matchmark_air::column::field;
use matchmark_air::layout::decoder::{
    CROSS_LIMB_BITS, CROSS_LOW_BITS, LIMB_BITS, MANTISSA_BITS, RANGE_BITS,
};
use matchmark_air::ops::norms::columns::{Witness, COLUMNS};
use matchmark_graph::{Kind, ModelArithmetic, NormArithmetic, SQUARE_LIMIT, SQUARE_SHIFT};
use matchmark_models::ModelExecution;
use matchmark_quant::{centered, MODULUS, NORM_PRODUCT_BITS};

use super::execution::stage_of;
use super::execution::{Site, What};
use super::norm_columns::{columns_of_sums, norm_of, split, with_mantissa, with_norm};
use crate::cases::DecoderPart;

/// What is wrong with a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// A high limb out of its range, with the low limb that makes up the same value.
    LimbHigh,
    /// A low limb out of its range, with a high limb that makes up the same value: a sum of squares wraps.
    LimbLow,
    /// The sum of the squares of high limbs.
    HighSum,
    /// The sum of the products of limbs.
    CrossSum,
    /// The sum of the squares of low limbs.
    LowSum,
    /// Other sums than those of the stream.
    Sums,
    /// The products' sum with low bits out of their range.
    CrossLow,
    /// The products' sum moved by `2^25` units, which is one of its low bits: in the low limb.
    CrossQuotientLow,
    /// The same in the high limb.
    CrossQuotientHigh,
    /// The low squares' sum with a low part out of its range.
    Low,
    /// The low squares' sum with a carry out of its range.
    Carry,
    /// A mantissa that is not that of the norm.
    Mantissa,
    /// A mantissa below the smallest of its exponent.
    Smallest,
    /// A remainder out of its range.
    Remainder,
    /// A scale that does not belong to the power, and the divisor with it.
    Scale,
    /// A divisor that does not belong to the exponent.
    Divisor,
    /// The divisor that another stage has at this exponent.
    OtherStage,
    /// A factor that is not that of the mantissa.
    Factor,
    /// A channel with another factor than the others.
    OwnFactor,
}

impl Break {
    /// Where the lie is told.
    pub fn site(self) -> What {
        match self {
            Self::LimbHigh | Self::LimbLow => What::Limbs,
            Self::HighSum | Self::CrossSum | Self::LowSum => What::Sums,
            Self::Sums => What::NormSums,
            Self::OwnFactor => What::Factor,
            Self::CrossLow
            | Self::CrossQuotientLow
            | Self::CrossQuotientHigh
            | Self::Low
            | Self::Carry
            | Self::Mantissa
            | Self::Smallest
            | Self::Remainder
            | Self::Scale
            | Self::Divisor
            | Self::OtherStage
            | Self::Factor => What::Norm,
        }
    }

    /// Whether it is told on the last channel alone.
    pub fn is_of_last_channel(self) -> bool {
        matches!(self, Self::HighSum | Self::CrossSum | Self::LowSum)
    }
}

/// `2^25` units of the products' sum are one of its low bits: `2^6 2^25 = 2^31`, which is one in the field.
const CROSS_WRAP: i64 = 1 << (31 - CROSS_LOW_BITS);
/// So many units of `2^15` are one: `2^-15` in the field.
const INVERSE_OF_UNIT: i64 = 1 << (31 - SQUARE_SHIFT as i64);
const UNIT: i64 = 1 << SQUARE_SHIFT;

/// What a lie is about: the model, and what it computes up to there.
#[derive(Clone, Copy)]
pub struct Honest<'a> {
    pub part: &'a DecoderPart,
    pub execution: &'a ModelExecution,
}

impl Honest<'_> {
    /// The node of a stage.
    pub fn node(&self, stage: usize) -> NormArithmetic {
        stage_of(self.part, stage).norm
    }

    /// The limbs of a stage's channels in a step.
    fn limbs(&self, stage: usize, step: usize) -> Vec<[i64; 2]> {
        let channels = self.part.model.shape().hidden();
        let row = stage * self.execution.steps.steps() + step;
        let stream = self.execution.stream[row * channels..][..channels].iter();
        let split = |h: &i32| split(i64::from(*h), LIMB_BITS);
        stream.map(|h| split(h).into()).collect()
    }
}

/// Tells a lie; `amount` is some positive number.
pub fn lie(honest: Honest<'_>, site: Site, said: &mut [i64], how: Break, amount: i64) -> bool {
    let node = honest.node(site.layer);
    match how {
        Break::LimbHigh | Break::LimbLow => {
            let others = honest.limbs(site.layer, site.step);
            let other = match how {
                Break::LimbHigh => other_high_limb(node, &others, site.index, amount),
                _ => other_low_limb(&others, site.index, amount),
            };
            match other {
                Some(other) => said.copy_from_slice(&other),
                None => return false,
            }
        }
        Break::HighSum | Break::Sums => said[0] += amount,
        Break::CrossSum => said[1] += amount << CROSS_LOW_BITS,
        Break::LowSum => said[2] += amount * UNIT / 4,
        Break::CrossLow
        | Break::CrossQuotientLow
        | Break::CrossQuotientHigh
        | Break::Low
        | Break::Carry
        | Break::Mantissa
        | Break::Remainder
        | Break::Smallest
        | Break::Scale
        | Break::Divisor
        | Break::OtherStage
        | Break::Factor => {
            let row: Result<[i64; COLUMNS], _> = (&*said).try_into();
            let other = row.ok().and_then(|row| {
                let row = Witness::from(row);
                lie_about_norm(honest, site.layer, row, how, amount)
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

/// Another high limb in the field, with a low limb that makes up the same value, such that what comes of
/// it is a norm.
fn other_high_limb(
    node: NormArithmetic,
    limbs: &[[i64; 2]],
    channel: usize,
    amount: i64,
) -> Option<[i64; 2]> {
    let value = joined(limbs[channel]);
    let limit = 1 << LIMB_BITS;
    (0..limit).find_map(|tried| {
        let low = (tried + amount) % limit;
        let high = field(value - low) / field(limit);
        let high = centered(high.0);
        let mut changed = limbs.to_vec();
        changed[channel] = [high, low];
        let is_out = !(-limit / 2..limit / 2).contains(&high);
        (is_out && is_norm(&columns_of_sums(node, sums(&changed)))).then_some([high, low])
    })
}

/// A high limb within its range whose low limb is so far out of its own that the sum of its squares
/// exceeds the modulus, and what is left is a sum of squares still.
fn other_low_limb(limbs: &[[i64; 2]], channel: usize, amount: i64) -> Option<[i64; 2]> {
    let value = joined(limbs[channel]);
    let squares: i64 = limbs.iter().map(|it| joined(*it).pow(2)).sum();
    let others = limbs.iter().enumerate().filter(|(it, _)| *it != channel);
    let others: i64 = others.map(|(_, [_, low])| low * low).sum();
    let (modulus, limit) = (i64::from(MODULUS), 1_i64 << LIMB_BITS);
    let fitting: Vec<[i64; 2]> = (-limit / 2..limit / 2)
        .map(|high| [high, value - high * limit])
        .filter(|[_, low]| {
            let sum = others + low * low;
            let (wraps, rest) = (sum / modulus, sum % modulus);
            wraps > 0 && rest < 1 << 29 && squares - wraps * modulus > 0
        })
        .collect();
    let count = fitting.len() as i64;
    (count > 0).then(|| fitting[(amount % count) as usize])
}

fn joined([high, low]: [i64; 2]) -> i64 {
    (high << LIMB_BITS) + low
}

/// The three sums over channels, as elements of the field.
fn sums(limbs: &[[i64; 2]]) -> [i64; 3] {
    let sum = |a: usize, b: usize| -> i64 {
        let products = limbs.iter().map(|it| field(it[a]) * field(it[b]));
        products.map(|it| i64::from(it.0)).sum()
    };
    [sum(0, 0), sum(0, 1), sum(1, 1)]
}

/// A row of the norms component with a lie in it.
fn lie_about_norm(
    honest: Honest<'_>,
    stage: usize,
    said: Witness<i64>,
    how: Break,
    amount: i64,
) -> Option<Witness<i64>> {
    let node = honest.node(stage);
    let with_divisor = |divisor: i64| Witness {
        divisor,
        excess_limit: (1 << NORM_PRODUCT_BITS) / divisor,
        ..said.clone()
    };
    match how {
        // Half of it, so that remainders stay in their range.
        Break::Divisor => Some(with_divisor(said.divisor / 2)),
        Break::Scale => {
            let divisor = said.divisor / 2;
            let scale = field(divisor) / field(1 << node.shift);
            Some(Witness {
                scale: centered(scale.0),
                ..with_divisor(divisor)
            })
        }
        Break::OtherStage => {
            let stages = 0..honest.part.group.graph().of(Kind::Stream).len();
            let other = stages
                .map(|stage| honest.node(stage).shift)
                .find(|it| *it != node.shift)?;
            Some(with_divisor((1 << other) * said.scale))
        }
        Break::Factor => {
            let factor = amount % (1 << 15);
            (factor != said.factor).then_some(Witness { factor, ..said })
        }
        Break::Mantissa | Break::Smallest | Break::Remainder => {
            lie_about_mantissa(node, said, how, amount)
        }
        _ => {
            let other = lie_about_sums(said, how, amount)?;
            let other = with_norm(node, other);
            is_norm(&other).then_some(other)
        }
    }
}

/// The sums of the stream, taken apart in another way. Only the columns up to the carry are changed.
fn lie_about_sums(said: Witness<i64>, how: Break, amount: i64) -> Option<Witness<i64>> {
    let Witness {
        cross_low,
        cross_quotient_low,
        cross_quotient_high,
        low,
        carry,
        ..
    } = said;
    Some(match how {
        Break::Low => {
            let other = amount % (1 << 14);
            Witness {
                carry: other,
                low: low - (other - carry) * UNIT,
                ..said
            }
        }
        Break::Carry if low > 0 => Witness {
            carry: carry + INVERSE_OF_UNIT,
            low: low - 1,
            ..said
        },
        // So many units of the quotient more are `2^31` less in what the low bits add to the other sum: one.
        Break::CrossLow if low > 0 => {
            let (high, quotient_low) = split(INVERSE_OF_UNIT, CROSS_LIMB_BITS);
            Witness {
                cross_low: cross_low - (INVERSE_OF_UNIT << CROSS_LOW_BITS),
                cross_quotient_low: cross_quotient_low + quotient_low,
                cross_quotient_high: cross_quotient_high + high,
                low: low - 1,
                ..said
            }
        }
        Break::CrossQuotientLow | Break::CrossQuotientHigh if cross_low > 0 => {
            let of_low = (carry << SQUARE_SHIFT) + low - (1 << (LIMB_BITS + 1));
            let (carry, low) = split(of_low, SQUARE_SHIFT.into());
            let other = Witness {
                cross_low: cross_low - 1,
                carry,
                low,
                ..said
            };
            match how {
                Break::CrossQuotientLow => Witness {
                    cross_quotient_low: cross_quotient_low + CROSS_WRAP,
                    ..other
                },
                _ => Witness {
                    cross_quotient_high: cross_quotient_high + (CROSS_WRAP >> CROSS_LIMB_BITS),
                    ..other
                },
            }
        }
        _ => return None,
    })
}

fn lie_about_mantissa(
    node: NormArithmetic,
    said: Witness<i64>,
    how: Break,
    amount: i64,
) -> Option<Witness<i64>> {
    let norm = norm_of(node, &said);
    let own = i64::from(said.power.trailing_zeros() / 2);
    let largest = i64::from(ModelArithmetic::MAX_NORM_EXPONENT);
    let (exponent, other) = match how {
        Break::Smallest => {
            if own == largest {
                return None;
            }
            let exponent = own + 1 + amount % (largest - own);
            (exponent, norm >> (2 * exponent))
        }
        _ => {
            let other = said.smallest + amount % ((1 << MANTISSA_BITS) - said.smallest);
            (own, other)
        }
    };
    if other == said.mantissa {
        return None;
    }
    let remainder = said.remainder;
    let mut row = with_mantissa(node, said, norm, exponent, other);
    if how == Break::Mantissa {
        // Whatever is left over is called small.
        row.remainder = remainder;
    }
    Some(row)
}

/// Whether the columns behind the sums are those of a norm.
fn is_norm(row: &Witness<i64>) -> bool {
    let norm = row.mantissa * row.power + row.remainder;
    let is_range = |bits: u32, number: i64| (0..1 << bits).contains(&number);
    norm < SQUARE_LIMIT
        && is_range(MANTISSA_BITS, row.mantissa - row.smallest)
        && (is_range(CROSS_LIMB_BITS, row.cross_quotient_high)
            || row.cross_quotient_high >= CROSS_WRAP >> CROSS_LIMB_BITS)
        && (is_range(RANGE_BITS, row.carry) || row.carry >= INVERSE_OF_UNIT)
}
