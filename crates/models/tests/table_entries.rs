//! Every entry of the activation's and the rotary table of the fixtures, against an interval around the
//! real function. The intervals come from integers alone and share nothing with the float functions that
//! the tables are made with: angles by square roots and rotations, the exponential by its series.
#![allow(clippy::unwrap_used)]

use std::ops::{Add, Mul, Neg, Sub};
use std::path::PathBuf;

use matchmark_models::quant::ValueBits;
use matchmark_models::{quantize_model, text_sequences, FloatModel, IntegerModel, QuantizeOptions};

/// Fraction bits of an [`Interval`]. Magnitudes up to `2^14` can be multiplied.
const BITS: u32 = 56;
const ONE: i128 = 1 << BITS;

/// A real number between two multiples of `2^-56`.
#[derive(Clone, Copy, Debug)]
struct Interval {
    low: i128,
    high: i128,
}

impl Interval {
    const fn integer(x: i128) -> Self {
        Self {
            low: x * ONE,
            high: x * ONE,
        }
    }

    /// A float is `mantissa * 2^exponent` exactly.
    fn float(x: f64) -> Self {
        let bits = x.to_bits();
        let exponent = i32::try_from((bits >> 52) & 0x7ff).unwrap() - 1075;
        assert!(x > 0.0 && exponent > -1075, "a normal number");
        let mantissa = i128::from((bits & ((1 << 52) - 1)) | (1 << 52));
        let shift = exponent + i32::try_from(BITS).unwrap();
        if shift >= 0 {
            let exact = mantissa << shift;
            return Self {
                low: exact,
                high: exact,
            };
        }
        let low = mantissa >> -shift;
        Self { low, high: low + 1 }
    }

    fn divided_by(self, divisor: i128) -> Self {
        assert!(divisor > 0);
        Self {
            low: self.low.div_euclid(divisor),
            high: -(-self.high).div_euclid(divisor),
        }
    }

    /// `1 / self`, of a number of at least 1.
    fn reciprocal(self) -> Self {
        assert!(self.low >= ONE);
        Self {
            low: ONE * ONE / self.high,
            high: ONE * ONE / self.low + 1,
        }
    }

    fn square_root(self) -> Self {
        assert!(self.low >= 0);
        Self {
            low: (self.low * ONE).isqrt(),
            high: (self.high * ONE).isqrt() + 1,
        }
    }

    /// Widened by as much in both directions.
    fn widened(self, by: i128) -> Self {
        Self {
            low: self.low - by,
            high: self.high + by,
        }
    }

    /// `sum of (-1)^n x^(step * n + first) / (step * n + first)!` for `0 <= x < 2`.
    fn series(self, first: i128, step: i128) -> Self {
        assert!(self.low >= 0 && self.high < 2 * ONE);
        let mut term = Self::integer(1);
        let (mut sum, mut negative) = (Self::integer(0), false);
        for power in 0..24 {
            if power >= first && (power - first) % step == 0 {
                sum = if negative { sum - term } else { sum + term };
                negative = !negative;
            }
            term = (term * self).divided_by(power + 1);
        }
        // From the second on the terms decrease: what is left out is smaller than the first of it.
        sum.widened(term.high)
    }

    /// `exp(-self)`, of a number that is not negative.
    fn exponential(self) -> Self {
        let whole = self.low.div_euclid(ONE);
        let rest = (self - Self::integer(whole)).series(0, 1);
        let inverse_e = Self::integer(1).series(0, 1);
        (0..whole).fold(rest, |power, _| power * inverse_e)
    }

    fn is_within(self, low: Self, high: Self) -> bool {
        low.high <= self.low && self.high <= high.low
    }
}

impl Neg for Interval {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            low: -self.high,
            high: -self.low,
        }
    }
}

impl Add for Interval {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }
}

impl Sub for Interval {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Interval {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let of = |a: i128, b: i128| a.checked_mul(b).unwrap();
        let products = [
            of(self.low, other.low),
            of(self.low, other.high),
            of(self.high, other.low),
            of(self.high, other.high),
        ];
        Self {
            low: products.into_iter().min().unwrap() >> BITS,
            high: (products.into_iter().max().unwrap() >> BITS) + 1,
        }
    }
}

/// An angle as cosine and sine.
#[derive(Clone, Copy)]
struct Turn(Interval, Interval);

impl Turn {
    const NONE: Self = Self(Interval::integer(1), Interval::integer(0));

    /// Of an angle of 0 or more, below 2.
    fn of(angle: Interval) -> Self {
        Self(angle.series(0, 2), angle.series(1, 2))
    }

    fn and(self, Self(cosine, sine): Self) -> Self {
        Self(
            self.0 * cosine - self.1 * sine,
            self.1 * cosine + self.0 * sine,
        )
    }

    /// By repeated doubling: each turn widens the intervals by a factor, so that there must be few.
    fn times(self, mut count: usize) -> Self {
        let (mut turn, mut power) = (Self::NONE, self);
        while count > 0 {
            if count % 2 == 1 {
                turn = turn.and(power);
            }
            power = power.and(power);
            count /= 2;
        }
        turn
    }
}

/// The entry is a nearest integer to `value / unit`.
fn is_nearest(entry: i32, value: Interval, unit: Interval) -> bool {
    let twice = 2 * i128::from(entry);
    let [low, high] = [twice - 1, twice + 1].map(|x| Interval::integer(x) * unit);
    (value + value).is_within(low, high)
}

fn fixture(name: &str) -> (FloatModel, IntegerModel) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models");
    let float = FloatModel::read(&folder.join(name)).unwrap();
    let text = std::fs::read_to_string(folder.join("calibrate.txt")).unwrap();
    let sequences = text_sequences(&float.tokenizer, &text, float.shape.positions()).unwrap();
    let options = QuantizeOptions::new(ValueBits::new(11).unwrap());
    let (model, _) = quantize_model(&float, &sequences, &options).unwrap();
    (float, model)
}

const MODELS: [&str; 2] = ["stories-2m", "stories-gqa-tiny"];

#[test]
fn all_entries_of_rotary_tables() {
    for name in MODELS {
        let (float, model) = fixture(name);
        let table = &model.tables().rotary;
        let unit = Interval::integer(1).divided_by(4096);
        // theta^(-2/d), by as many square roots as d has factors of 2.
        let d = 2 * table.pairs();
        assert!(d.is_power_of_two());
        let theta = Interval::float(float.rope.base);
        let roots = (d / 2).ilog2();
        let ratio = (0..roots).fold(theta.reciprocal(), |x, _| x.square_root());
        let mut angle = Interval::integer(1);
        for pair in 0..table.pairs() {
            let step = Turn::of(angle);
            for position in 0..table.positions() {
                let turn = step.times(position);
                let (cosine, sine) = table.get(position, pair).unwrap();
                let at = format!("{name}, position {position}, pair {pair}");
                assert!(is_nearest(cosine, turn.0, unit), "{at}: cosine {cosine}");
                assert!(is_nearest(sine, turn.1, unit), "{at}: sine {sine}");
            }
            let last = step.times(table.positions()).0;
            assert!(last.high - last.low < 1 << 24, "the interval is narrow");
            angle = angle * ratio;
        }
    }
}

#[test]
fn all_entries_of_activation_tables() {
    for name in MODELS {
        let (_, model) = fixture(name);
        let table = &model.tables().activation;
        let unit = Interval::float(table.output_scale().get());
        let input = Interval::float(table.input_scale().get());
        let limit = table.value_bits().max_value();
        for g in -limit..=limit {
            // An exact multiple: a product of intervals would be wider, and zero no zero.
            let [low, high] = [input.low, input.high].map(|end| end * i128::from(g.abs()));
            let magnitude = Interval { low, high };
            // x / (1 + exp(-x)), and for negative x the same as -|x| exp(-|x|) / (1 + exp(-|x|)).
            let exponential = magnitude.exponential();
            let sigmoid = (Interval::integer(1) + exponential).reciprocal();
            let value = if g < 0 {
                -(magnitude * exponential * sigmoid)
            } else {
                magnitude * sigmoid
            };
            let entry = table.get(g).unwrap();
            assert!(is_nearest(entry, value, unit), "{name}, {g}: {entry}");
        }
    }
}
