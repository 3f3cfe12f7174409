//! Nonzero counts and sizes, one newtype each.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::QuantError;

macro_rules! bounded_parameter {
    ($($(#[$meta:meta])* $name:ident, $words:literal, $min:literal to $max:expr;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $name(u32);

        impl $name {
            /// Smallest accepted value.
            pub const MIN: u32 = $min;
            /// Largest accepted value.
            pub const MAX: u32 = $max;

            /// Takes a number from [`Self::MIN`] to [`Self::MAX`].
            ///
            /// # Errors
            /// [`QuantError::ParameterOutOfRange`] outside of that range.
            pub const fn new(value: u32) -> Result<Self, QuantError> {
                if value < Self::MIN || value > Self::MAX {
                    return Err(QuantError::ParameterOutOfRange {
                        parameter: $words,
                        minimum: Self::MIN as u64,
                        maximum: Self::MAX as u64,
                        got: value as u64,
                    });
                }
                Ok(Self(value))
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = QuantError;

            fn try_from(value: u32) -> Result<Self, QuantError> {
                Self::new(value)
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> u32 {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

bounded_parameter! {
    /// Number of query heads, `H`: 1 to 1024.
    QueryHeads, "number of query heads", 1 to 1024;
    /// Number of key/value heads, `G`: 1 to 1024.
    KvHeads, "number of key/value heads", 1 to 1024;
    /// Dimension of a head, `d`: 1 to 1024.
    HeadDim, "head dimension", 1 to 1024;
    /// Score step, `D`: how many units of integer score one table index spans, 1 to 2^24.
    ScoreStep, "score step", 1 to 1 << 24;
    /// Largest number of cache entries of a chain: 1 to 2^20.
    CacheCapacity, "cache capacity", 1 to 1 << 20;
    /// Largest number of steps of a segment: 1 to 2^20.
    SegmentSteps, "segment steps", 1 to 1 << 20;
    /// Number of layers of a decoder, `L`: 1 to 64.
    Layers, "number of layers", 1 to 64;
    /// Width of a decoder's residual stream, `C`: 2 to 16384.
    HiddenSize, "hidden size", 2 to 1 << 14;
    /// Width of a gated MLP, `F`: 1 to 65536.
    MlpSize, "MLP size", 1 to 1 << 16;
    /// Number of tokens in a vocabulary, `V`: 2 to 262144.
    VocabularySize, "vocabulary size", 2 to 1 << 18;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_every_range() {
        macro_rules! ends {
            ($($name:ident)+) => {$(
                assert!(matches!(
                    $name::new($name::MIN - 1),
                    Err(QuantError::ParameterOutOfRange { .. })
                ));
                assert_eq!($name::new($name::MIN).unwrap().get(), $name::MIN);
                assert_eq!($name::new($name::MAX).unwrap().get(), $name::MAX);
                assert!(matches!(
                    $name::new($name::MAX + 1),
                    Err(QuantError::ParameterOutOfRange { .. })
                ));
                assert!($name::new(u32::MAX).is_err());
            )+};
        }
        ends!(QueryHeads KvHeads HeadDim ScoreStep CacheCapacity SegmentSteps);
        ends!(Layers HiddenSize MlpSize VocabularySize);
        assert_eq!((HeadDim::MIN, VocabularySize::MIN), (1, 2));
    }

    #[test]
    fn serde_goes_through_the_constructor() {
        assert_eq!(
            serde_json::to_string(&HeadDim::new(64).unwrap()).unwrap(),
            "64"
        );
        assert!(serde_json::from_str::<HeadDim>("0").is_err());
        assert_eq!(serde_json::from_str::<HeadDim>("64").unwrap().get(), 64);
    }
}
