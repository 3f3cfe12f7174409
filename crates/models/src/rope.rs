//! The angles of the rotary embedding.

/// How fast the pairs of a head are rotated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base of the angles: pair `j` of `d/2` is rotated by `base^(-2 j / d)` a position, before scaling.
    pub base: f64,
    /// How a model was made for longer texts than it was first trained for.
    pub scaling: RopeScaling,
}

/// A scaling of the angles, by the formulas of `transformers` (`modeling_rope_utils.py`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    None,
    /// All angles are divided by `factor`.
    Linear {
        /// The factor, at least 1.
        factor: f64,
    },
    /// Angles that turn around less than `low` times within the first context are divided by `factor`, those that
    /// turn around more than `high` times are not, and those between by something between.
    Llama3 {
        /// The factor, at least 1.
        factor: f64,
        /// Turns below which the whole factor counts.
        low: f64,
        /// Turns above which it does not count: larger than `low`.
        high: f64,
        /// Positions of the first context.
        context: f64,
    },
}

impl Rope {
    /// Angles of this base, not scaled.
    #[must_use]
    pub const fn plain(base: f64) -> Self {
        Self {
            base,
            scaling: RopeScaling::None,
        }
    }

    /// By how much a pair of channels is rotated from one position to the next, in radians.
    pub(crate) fn frequency(&self, pair: usize, head_dim: usize) -> f64 {
        let exponent = 2.0 * pair as f64 / head_dim as f64;
        let plain = libm::pow(self.base, -exponent);
        match self.scaling {
            RopeScaling::None => plain,
            RopeScaling::Linear { factor } => plain / factor,
            RopeScaling::Llama3 {
                factor,
                low,
                high,
                context,
            } => {
                let turns = context * plain / (2.0 * core::f64::consts::PI);
                // How much of the angle stays.
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 - kept) * plain / factor + kept * plain
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `transformers` 5.24.0 makes of the configurations of Llama-3.2-1B, and of a factor of four, in single
    /// precision: pairs 0, 5, 14, 15, 16, 17, 18 and 31 of heads of 64 dimensions.
    #[test]
    fn angles_are_those_of_transformers() {
        let pairs = [0, 5, 14, 15, 16, 17, 18, 31];
        let llama3 = RopeScaling::Llama3 {
            factor: 32.0,
            low: 1.0,
            high: 4.0,
            context: 8192.0,
        };
        let linear = RopeScaling::Linear { factor: 4.0 };
        for (scaling, expected) in [
            (
                llama3,
                [
                    1.0,
                    0.128687,
                    0.00321145,
                    0.00129055,
                    0.000429557,
                    9.70829e-05,
                    1.94616e-05,
                    9.41831e-08,
                ],
            ),
            (
                linear,
                [
                    0.25,
                    0.0321718,
                    0.000802862,
                    0.00053278,
                    0.000353553,
                    0.000234618,
                    0.000155693,
                    7.53465e-07,
                ],
            ),
        ] {
            let rope = Rope {
                base: 500_000.0,
                scaling,
            };
            for (pair, expected) in pairs.into_iter().zip(expected) {
                let got = rope.frequency(pair, 64);
                assert!(
                    (got / expected - 1.0).abs() < 1e-5,
                    "{pair} {got} {expected}"
                );
            }
        }
    }

    #[test]
    fn without_a_scaling_nothing_is_scaled() {
        let one = RopeScaling::Linear { factor: 1.0 };
        let base = 10_000.0;
        for pair in 0..4 {
            let plain = Rope::plain(base).frequency(pair, 8);
            assert_eq!(plain, Rope { base, scaling: one }.frequency(pair, 8));
            assert_eq!(plain, libm::pow(base, -(2.0 * pair as f64) / 8.0));
        }
    }
}
