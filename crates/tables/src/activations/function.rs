//! What a function has to say of itself.

/// A function from the gate to its activation. The same float gives the same bits on every machine: it is
/// made of arithmetic that IEEE 754 rounds exactly, and of functions of the `libm` crate.
#[derive(Clone, Copy, Debug)]
pub struct Activation {
    /// What configurations call it (`hidden_act`): at least one name, none of which another function has.
    pub names: &'static [&'static str],
    /// The function. It is zero at zero, where rows of a proof that hold no gate look it up.
    pub function: fn(f64) -> f64,
    /// A bound on how steeply it grows, `|f(x)| <= slope |x|` for every `x`. It sets the scale of a
    /// table's entries, so that they stay within
    /// [`ActivationTable::ENTRY_FACTOR`](super::ActivationTable::ENTRY_FACTOR).
    pub slope: f64,
    /// Some `x` with `f(x)` rounded to a float, from arithmetic that shares nothing with `function`, which
    /// may be off by `2^-44` of it. No entry of a table shows more than 18 bits.
    pub vectors: &'static [(f64, f64)],
}

/// By how much of itself a function may be off at one of its vectors, `2^-44`. What goes into an exponential
/// may be rounded before, and the exponential of a hundred shows that a hundredfold.
#[cfg(test)]
const PRECISION: f64 = 1.0 / (1u64 << 44) as f64;

impl Activation {
    /// The function that configurations call so.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        super::ALL.into_iter().find(|it| it.names.contains(&name))
    }

    /// The function at `x`.
    #[must_use]
    pub fn at(self, x: f64) -> f64 {
        (self.function)(x)
    }
}

/// Functions are equal if they have the same names, which no two of them share.
impl PartialEq for Activation {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::activations::ALL;

    #[test]
    fn names_are_those_of_one_function() {
        let mut names = BTreeSet::new();
        for activation in ALL {
            assert!(!activation.names.is_empty());
            for name in activation.names {
                assert!(names.insert(name), "{name} twice");
                assert_eq!(Activation::by_name(name), Some(activation));
            }
        }
        assert_eq!(Activation::by_name("no such function"), None);
    }

    #[test]
    fn functions_keep_their_contract() {
        for Activation {
            names,
            function,
            slope,
            vectors,
        } in ALL
        {
            assert_eq!(function(0.0), 0.0, "{names:?}");
            for step in -40_000i32..=40_000 {
                let x = f64::from(step) / 256.0;
                assert!(function(x).abs() <= slope * x.abs(), "{names:?} at {x}");
            }
            assert!(vectors.len() >= 8, "{names:?}");
            for &(x, expected) in vectors {
                let error = (function(x) - expected).abs();
                let allowed = PRECISION * expected.abs();
                assert!(error <= allowed, "{names:?} at {x}: {}", function(x));
            }
        }
    }
}
