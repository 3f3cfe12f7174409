//! Lies about rescaled values, each consistent but for one constraint or one lookup.
use matchmark_air::column::field;
use matchmark_air::layout::decoder::{DecoderLayout, NORM_LOW_BITS};
use matchmark_quant::{centered, EXCESS_BITS, NORM_PRODUCT_BITS};
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::execution::{Site, Value, What};
use crate::Rng;

/// What is wrong with a rescaled value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// An end of the range, with an excess that is no small number.
    Excess,
    /// Something was clamped off a value that is no end.
    Interior,
    /// Another quotient, with a remainder that is no remainder.
    Remainder,
    /// The same for a normalized value: its high limb is out of its range.
    HighRemainder,
    /// What should be clamped is not.
    Unclipped,
}

/// Range, number of excess bits, and the value before clamping.
struct Honest {
    min: i64,
    max: i64,
    excess_bits: u32,
    value: i64,
}

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
            Break::Interior => {
                let interior = (min + 1..max).filter(|out| *out != self.value);
                let fitting: Vec<_> = interior
                    .map(|out| (out, self.excess(out)))
                    .filter(|(_, excess)| self.is_small(*excess))
                    .collect();
                let count = fitting.len();
                (count > 0).then(|| fitting[rng.below(count)])
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
pub fn lie(
    decoder: &DecoderLayout,
    site: Site,
    said: &mut [i64],
    how: Break,
    rng: &mut Rng,
) -> bool {
    let What::Rescaled(value) = site.what else {
        return false;
    };
    let rescale = value.rescale(decoder);
    let honest = Honest {
        min: i64::from(rescale.min()),
        max: i64::from(rescale.max()),
        excess_bits: EXCESS_BITS.into(),
        value: before_clamping(said, i64::from(rescale.min())),
    };
    let Some((out, excess)) = honest.other(how, rng) else {
        return false;
    };
    said[0] = out;
    said[1] = excess;
    if how == Break::Remainder {
        said[2] += (honest.value - out) << rescale.shift();
    }
    true
}

fn before_clamping(said: &[i64], min: i64) -> i64 {
    match said[0] == min {
        true => said[0] - said[1],
        false => said[0] + said[1],
    }
}

/// Lies about a normalized value, whose divisor is `2^bits`.
pub fn lie_normalized(
    decoder: &DecoderLayout,
    said: &mut [i64],
    how: Break,
    bits: u32,
    rng: &mut Rng,
) -> bool {
    let range = decoder.value();
    let honest = Honest {
        min: i64::from(range.min()),
        max: i64::from(range.max()),
        excess_bits: u32::from(NORM_PRODUCT_BITS) - bits,
        value: before_clamping(said, i64::from(range.min())),
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

/// Whether a place is this rescaled value.
pub fn is(site: Site, value: Value) -> bool {
    site.what == What::Rescaled(value)
}
