//! Integers in the field of the proofs, M31.

/// `p = 2^31 - 1`, the number of elements of the field M31.
pub const MODULUS: u32 = (1 << 31) - 1;

/// The canonical representative of `x` modulo [`MODULUS`], in `0 .. p`.
///
/// Two integers of magnitude below `2^30` have the same image only if they are equal.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    reason = "a Euclidean remainder by p lies in 0 .. 2^31 - 1"
)]
pub const fn embed(x: i64) -> u32 {
    x.rem_euclid(MODULUS as i64) as u32
}

/// The representative of a field element in `-(p-1)/2 ..= (p-1)/2`: the inverse of [`embed`] on
/// integers of magnitude below `2^30`. A number of `p` or more is reduced first.
#[must_use]
pub const fn centered(element: u32) -> i64 {
    let element = element % MODULUS;
    if element > MODULUS / 2 {
        element as i64 - MODULUS as i64
    } else {
        element as i64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        assert_eq!(embed(0), 0);
        assert_eq!(embed(-1), MODULUS - 1);
        assert_eq!(embed(i64::from(MODULUS)), 0);
        assert_eq!(centered(MODULUS), 0);
        assert_eq!(centered(u32::MAX), 1);
        assert_eq!(centered(MODULUS / 2), (1 << 30) - 1);
        assert_eq!(centered(MODULUS / 2 + 1), -(1 << 30) + 1);
    }

    proptest! {
        #[test]
        fn inverse_below_the_limit(x in -(1i64 << 30) + 1..1 << 30) {
            prop_assert_eq!(centered(embed(x)), x);
        }

        #[test]
        fn congruent(x: i64) {
            let image = embed(x);
            prop_assert!(image < MODULUS);
            prop_assert_eq!((i128::from(x) - i128::from(image)) % i128::from(MODULUS), 0);
            prop_assert_eq!((i128::from(x) - i128::from(centered(image))) % i128::from(MODULUS), 0);
        }
    }
}
