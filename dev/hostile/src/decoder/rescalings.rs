//! Lies about rescaled values, each consistent but for one constraint or one lookup.
use matchmark_air::column::field;
use matchmark_air::layout::decoder::NORM_LOW_BITS;
use matchmark_quant::{centered, Rescale, EXCESS_BITS, NORM_PRODUCT_BITS};
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::execution::{Site, Value, What};
use crate::cases::DecoderPart;
use crate::Rng;

/// What is wrong with a rescaled value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// An end of the range, with an excess that is no small number.
    Excess,
    /// The same on the stream, with the excess in its high limb.
    HighExcess,
    /// Something was clamped off a value that is no end.
    Interior,
    /// The same on the stream, with the excess in its high limb.
    HighInterior,
    /// Another quotient, with a remainder that is no remainder.
    Remainder,
    /// The same with a remainder that is a fraction, small only where it is scaled into a wider limit.
    Fraction,
    /// The same for a normalized value: its high limb is out of its range.
    HighRemainder,
    /// What should be clamped is not.
    Unclipped,
}

/// Range, number of excess bits, the value before clamping, and what the high limb of an excess counts.
struct Honest {
    min: i64,
    max: i64,
    excess_bits: u32,
    value: i64,
    /// `2^15` over the unit of the division; one where an excess has one limb.
    high_unit: M31,
}

/// Of longer ranges, so many numbers are tried at random.
const TRIED: usize = 2048;

impl Honest {
    /// The sign of an excess, as the relation has it.
    fn sign(&self, out: i64) -> M31 {
        field(2 * out - self.min - self.max) * field(self.max - self.min).inverse()
    }

    /// The excess that makes up for a result.
    fn excess(&self, out: i64) -> i64 {
        let sign = self.sign(out);
        if sign.is_zero() {
            return -1;
        }
        centered((field(self.value - out) / sign).0)
    }

    /// The same in the high limb.
    fn high_excess(&self, out: i64) -> i64 {
        centered((field(self.excess(out)) / self.high_unit).0)
    }

    /// A result that is no end, with an excess that makes up for it and is small.
    fn interior(&self, rng: &mut Rng, excess: impl Fn(i64) -> i64) -> Option<(i64, i64)> {
        let (min, max) = (self.min, self.max);
        let (len, width) = ((max - min - 1) as usize, max - min);
        let tried: Vec<i64> = match len <= TRIED {
            true => (min + 1..max).collect(),
            false => {
                let random = (0..TRIED).map(|_| min + 1 + rng.below(len) as i64);
                // Where the sign is one over a small integer.
                let odd = (3..64).filter(|it| width % it == 0);
                let signs = odd.flat_map(|it| [width / it, -width / it]);
                let whole = signs.map(|sign| (sign + min + max) / 2);
                random
                    .collect::<Vec<_>>()
                    .into_iter()
                    .chain(whole)
                    .collect()
            }
        };
        let fitting: Vec<_> = tried
            .into_iter()
            .filter(|out| *out != self.value)
            .map(|out| (out, excess(out)))
            .filter(|(_, excess)| self.is_small(*excess))
            .collect();
        let count = fitting.len();
        (count > 0).then(|| fitting[rng.below(count)])
    }

    fn is_small(&self, excess: i64) -> bool {
        (0..1 << self.excess_bits).contains(&excess)
    }

    /// Another result and its excess.
    fn other(&self, how: Break, rng: &mut Rng) -> Option<(i64, i64)> {
        let (min, max) = (self.min, self.max);
        match how {
            Break::Excess => {
                let out = [min, max][rng.below(2)];
                let excess = self.excess(out);
                (!self.is_small(excess)).then_some((out, excess))
            }
            Break::HighExcess => {
                let out = [min, max][rng.below(2)];
                let excess = self.high_excess(out);
                (!self.is_small(excess)).then_some((out, excess))
            }
            Break::Interior => self.interior(rng, |out| self.excess(out)),
            Break::HighInterior => self.interior(rng, |out| self.high_excess(out)),
            Break::Fraction => {
                // Sixteen bits further are `2^31` in units of `2^-15`: one.
                let value = self.value - (1 << 16);
                let is_below = value < min && min - value < 1 << self.excess_bits;
                is_below.then_some((min, min - value))
            }
            Break::Remainder | Break::HighRemainder => {
                let out = min + rng.below((max - min) as usize) as i64;
                (out != self.value).then_some((out, 0))
            }
            Break::Unclipped => {
                let outside = self.value < min || self.value > max;
                outside.then_some((self.value, 0))
            }
        }
    }
}

/// Lies about a rescaled value, if it can be lied about in this way.
pub fn lie(part: &DecoderPart, site: Site, said: &mut [i64], how: Break, rng: &mut Rng) -> bool {
    let What::Rescaled(value) = site.what else {
        return false;
    };
    let is_of_stream = value == Value::Stream;
    let is_of_limbs = matches!(how, Break::HighExcess | Break::HighInterior);
    if is_of_limbs && !is_of_stream {
        return false;
    }
    let rescale = value.rescale(part, site.layer, site.index);
    let honest = Honest {
        min: i64::from(rescale.min()),
        max: i64::from(rescale.max()),
        excess_bits: EXCESS_BITS.into(),
        value: before_clamping(rescale, said),
        high_unit: match is_of_stream {
            true => field(1 << EXCESS_BITS) / field(1 << rescale.shift()),
            false => field(1),
        },
    };
    let Some((out, excess)) = honest.other(how, rng) else {
        return false;
    };
    said[0] = out;
    said[1] = excess;
    if is_of_stream {
        said[3] = 0;
    }
    if is_of_limbs {
        said.swap(1, 3);
    }
    let unit = 1_i64 << rescale.shift();
    match how {
        Break::Remainder => said[2] += (honest.value - out) * unit,
        // As an element of the field: a remainder and a part of `2^15`.
        Break::Fraction => said[2] += unit << 16,
        Break::Excess
        | Break::HighExcess
        | Break::Interior
        | Break::HighInterior
        | Break::HighRemainder
        | Break::Unclipped => {}
    }
    true
}

/// The value before it was clamped: on the stream with an excess of two limbs.
pub fn before_clamping(rescale: Rescale, said: &[i64]) -> i64 {
    let high = said.get(3).copied().unwrap_or(0);
    let excess = said[1] + (high << (EXCESS_BITS - rescale.shift()));
    match said[0] == i64::from(rescale.min()) {
        true => said[0] - excess,
        false => said[0] + excess,
    }
}

/// Lies about a normalized value, whose divisor is `2^bits`.
pub fn lie_normalized(
    range: Rescale,
    said: &mut [i64],
    how: Break,
    bits: u32,
    rng: &mut Rng,
) -> bool {
    let honest = Honest {
        min: i64::from(range.min()),
        max: i64::from(range.max()),
        excess_bits: u32::from(NORM_PRODUCT_BITS) - bits,
        value: normalized_before_clamping(range, said),
        high_unit: field(1),
    };
    let Some((out, excess)) = honest.other(how, rng) else {
        return false;
    };
    said[0] = out;
    said[1] = excess;
    let difference = honest.value - out;
    match how {
        Break::Remainder => said[2] += difference << bits,
        Break::HighRemainder => said[3] += difference << (bits - NORM_LOW_BITS),
        _ => {}
    }
    true
}

/// The quotient of a normalized value before it was clamped.
pub fn normalized_before_clamping(range: Rescale, said: &[i64]) -> i64 {
    match said[0] == i64::from(range.min()) {
        true => said[0] - said[1],
        false => said[0] + said[1],
    }
}

/// Whether a place is this rescaled value.
pub fn is(site: Site, value: Value) -> bool {
    site.what == What::Rescaled(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::cases::grouped;
    use crate::decoder::execution::rescaled_stream;

    /// A remainder that is a fraction makes up the same sum, is none of its unit, and would be one where it
    /// is looked up in a wider limit, scaled to it.
    #[test]
    fn a_fraction_is_a_remainder_where_it_is_scaled() {
        let case = grouped().case();
        let (part, _) = case.expect_decoder();
        let mut rng = Rng(1);
        for (stage, x) in [(1, 1 << 20), (2, 77_777), (3, 5000), (4, 1 << 19)] {
            let site = Site {
                what: What::Rescaled(Value::Stream),
                layer: stage,
                index: 0,
                step: 0,
            };
            let rescale = Value::Stream.rescale(part, stage, 0);
            let unit = field(1 << rescale.shift());
            let sum = |said: &[i64; 4]| {
                let value = field(before_clamping(rescale, said));
                value * unit + field(said[2])
            };
            let honest = rescaled_stream(rescale, x);
            let mut said = honest;
            assert!(lie(part, site, &mut said, Break::Fraction, &mut rng));
            assert_ne!(said[0], honest[0]);
            assert_eq!(sum(&said), sum(&honest));
            assert!(said[2] >= 1 << rescale.shift());
            let scaled = field(said[2]) * field(1 << (EXCESS_BITS - rescale.shift()));
            assert!(scaled.0 < 1 << EXCESS_BITS);
        }
    }
}
