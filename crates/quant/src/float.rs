//! From floats to integers: tensors, the score step, the table's delta.
//!
//! Only operations that IEEE 754 rounds exactly (`+ - * /`, conversions) are used, so that the same
//! file gives the same integers on every machine.

use alloc::vec::Vec;

use crate::{HeadDim, QuantError, Scale, Scales, ScoreStep, ValueBits};

/// Fraction bits of the delta that [`exact_table_delta`] returns.
pub const TABLE_DELTA_FRACTION_BITS: u32 = 48;

/// Largest table delta: every table with a larger one is `T[0], 0, 0, ...` anyway.
const MAX_TABLE_DELTA: f64 = 32_768.0;

/// Quantizes a tensor symmetrically: `scale = max|x| / M`, `x_int = clamp(round(x / scale), -M, M)`.
///
/// `round` goes to the nearest integer, halves away from zero. A tensor whose elements are all zero
/// (or that has none) gets the scale `1 / M`, as if its largest magnitude were 1.
///
/// # Errors
/// [`QuantError::NotFinite`] if an element is NaN or infinite.
pub fn quantize_tensor(values: &[f32], bits: ValueBits) -> Result<(Vec<i16>, Scale), QuantError> {
    let mut largest = 0.0f64;
    for (index, &value) in values.iter().enumerate() {
        if !value.is_finite() {
            return Err(QuantError::NotFinite { index, got: value });
        }
        let magnitude = f64::from(value).abs();
        if magnitude > largest {
            largest = magnitude;
        }
    }
    if largest == 0.0 {
        largest = 1.0;
    }
    let max_value = f64::from(bits.max_value());
    let scale = Scale::new(largest / max_value)?;
    let integers = values
        .iter()
        .map(|&value| {
            let quotient = (f64::from(value) / scale.get()).clamp(-max_value, max_value);
            round_small(quotient)
        })
        .collect();
    Ok((integers, scale))
}

/// Rounds a number of magnitude at most 2047 to the nearest integer, halves away from zero.
///
/// The fraction is taken apart from the truncated integer, which is exact for such numbers. Adding
/// 0.5 before truncating is not: it turns the largest float below 0.5 into 1.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the magnitude is at most 2047"
)]
fn round_small(x: f64) -> i16 {
    let whole = x as i16;
    let fraction = x - f64::from(whole);
    if fraction >= 0.5 {
        whole + 1
    } else if fraction <= -0.5 {
        whole - 1
    } else {
        whole
    }
}

/// `sqrt(d)`, correctly rounded, by integer arithmetic (`core` has no square root).
#[must_use]
pub fn sqrt_head_dim(head_dim: HeadDim) -> f64 {
    // d < 2^11, so that d << 116 fits; its root has at least 59 bits, six more than an f64 keeps.
    const FRACTION_BITS: u32 = 58;
    let shifted = u128::from(head_dim.get()) << (2 * FRACTION_BITS);
    let root = shifted.isqrt();
    // A lowest bit that says "not exact" keeps the conversion from mistaking a truncated root for
    // a tie.
    let sticky = u128::from(root * root != shifted);
    ((root << 1) | sticky) as f64 / power_of_two(FRACTION_BITS + 1)
}

/// The score step that makes one table index worth about `delta` in the exponent:
/// `D = max(1, round(delta * sqrt(d) / (scale_q * scale_k)))`, halves up, with
/// `delta = delta_num / delta_den`.
///
/// The integer score of a query and a key is the real one divided by `scale_q * scale_k`, and
/// attention divides the real one by `sqrt(d)`.
///
/// # Errors
/// [`QuantError::ParameterOutOfRange`] if `delta_den` is zero or the step would be above
/// [`ScoreStep::MAX`].
pub fn score_step_from(
    delta_num: u64,
    delta_den: u64,
    head_dim: HeadDim,
    scales: &Scales,
) -> Result<ScoreStep, QuantError> {
    if delta_den == 0 {
        return Err(QuantError::ParameterOutOfRange {
            parameter: "denominator of delta",
            minimum: 1,
            maximum: u64::MAX,
            got: 0,
        });
    }
    let delta = delta_num as f64 / delta_den as f64;
    let unit = scales.q.get() * scales.k.get();
    // A product of scales that underflows to zero gives an infinite step, which is refused below.
    let step = delta * sqrt_head_dim(head_dim) / unit;
    let nearest = round_up_halves(step);
    u32::try_from(nearest.max(1))
        .ok()
        .and_then(|d| ScoreStep::new(d).ok())
        .ok_or(QuantError::ParameterOutOfRange {
            parameter: "score step",
            minimum: u64::from(ScoreStep::MIN),
            maximum: u64::from(ScoreStep::MAX),
            got: nearest,
        })
}

/// What one table index is worth in the exponent for an integer score step, as a number:
/// `D * scale_q * scale_k / sqrt(d)`.
#[must_use]
pub fn table_delta_value(step: ScoreStep, head_dim: HeadDim, scales: &Scales) -> f64 {
    f64::from(step.get()) * (scales.q.get() * scales.k.get()) / sqrt_head_dim(head_dim)
}

/// [`table_delta_value`] as a fraction `(numerator, denominator)` in lowest terms whose denominator
/// is a power of two of at most `2^48`, to the nearest such fraction.
///
/// # Errors
/// [`QuantError::TableDeltaOutOfRange`] if it lies outside of `2^-48 ..= 32768`.
pub fn exact_table_delta(
    step: ScoreStep,
    head_dim: HeadDim,
    scales: &Scales,
) -> Result<(u64, u64), QuantError> {
    let value = table_delta_value(step, head_dim, scales);
    let minimum = 1.0 / power_of_two(TABLE_DELTA_FRACTION_BITS);
    if !(minimum..=MAX_TABLE_DELTA).contains(&value) {
        return Err(QuantError::TableDeltaOutOfRange {
            minimum,
            maximum: MAX_TABLE_DELTA,
            got: value,
        });
    }
    let numerator = round_up_halves(value * power_of_two(TABLE_DELTA_FRACTION_BITS));
    let common = numerator.trailing_zeros().min(TABLE_DELTA_FRACTION_BITS);
    Ok((
        numerator >> common,
        1 << (TABLE_DELTA_FRACTION_BITS - common),
    ))
}

/// Rounds a number that is not negative to the nearest integer, halves up; at most `u64::MAX`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "truncation is what is asked for, and the cast saturates"
)]
fn round_up_halves(x: f64) -> u64 {
    let whole = x as u64;
    // Above 2^53 every float is an integer and the difference is zero; an infinity saturates.
    if x - whole as f64 >= 0.5 {
        whole.saturating_add(1)
    } else {
        whole
    }
}

fn power_of_two(exponent: u32) -> f64 {
    (1u64 << exponent) as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn scales(q: f64, k: f64) -> Scales {
        Scales {
            q: Scale::new(q).unwrap(),
            k: Scale::new(k).unwrap(),
            v: Scale::new(1.0).unwrap(),
        }
    }

    #[test]
    fn root_of_every_dimension() {
        for d in 1..=HeadDim::MAX {
            let root = sqrt_head_dim(HeadDim::new(d).unwrap());
            assert_eq!(root.to_bits(), f64::from(d).sqrt().to_bits(), "{d}");
        }
    }

    #[test]
    fn ends_and_halves() {
        let bits = ValueBits::new(4).unwrap();
        let (ints, scale) =
            quantize_tensor(&[7.0, -7.0, 0.5, -0.5, 0.49999997, 2.5, 0.0], bits).unwrap();
        assert_eq!(ints, vec![7, -7, 1, -1, 0, 3, 0]);
        assert_eq!(scale.get(), 1.0);
    }

    #[test]
    fn tensors_without_magnitude() {
        for values in [&[][..], &[0.0, -0.0][..]] {
            let (ints, scale) = quantize_tensor(values, ValueBits::DEFAULT).unwrap();
            assert_eq!(ints, vec![0; values.len()]);
            assert_eq!(scale.get(), 1.0 / 127.0);
        }
        let tiny = f32::from_bits(1);
        assert_eq!(
            quantize_tensor(&[tiny, -tiny], ValueBits::DEFAULT)
                .unwrap()
                .0,
            vec![127, -127]
        );
    }

    #[test]
    fn refused_elements() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let refused = quantize_tensor(&[1.0, bad], ValueBits::DEFAULT);
            assert!(matches!(
                refused,
                Err(QuantError::NotFinite { index: 1, .. })
            ));
        }
    }

    #[test]
    fn steps() {
        let d64 = HeadDim::new(64).unwrap();
        assert_eq!(
            score_step_from(1, 16, d64, &scales(0.1, 0.1))
                .unwrap()
                .get(),
            50
        );
        assert_eq!(
            score_step_from(1, 16, d64, &scales(10.0, 10.0))
                .unwrap()
                .get(),
            1
        );
        for bad in [scales(1e-5, 1e-5), scales(1e-300, 1e-300)] {
            assert!(matches!(
                score_step_from(1, 16, d64, &bad),
                Err(QuantError::ParameterOutOfRange {
                    parameter: "score step",
                    ..
                })
            ));
        }
        assert!(score_step_from(1, 0, d64, &scales(1.0, 1.0)).is_err());
        let one = ScoreStep::new(1).unwrap();
        assert_eq!(
            exact_table_delta(one, d64, &scales(1.0, 0.5)).unwrap(),
            (1, 16)
        );
        assert_eq!(
            exact_table_delta(one, d64, &scales(8.0, 3.0)).unwrap(),
            (3, 1)
        );
        for bad in [scales(1e30, 1e30), scales(1e-30, 1e-30)] {
            assert!(matches!(
                exact_table_delta(one, d64, &bad),
                Err(QuantError::TableDeltaOutOfRange { .. })
            ));
        }
    }

    proptest! {
        #[test]
        fn integers_are_nearest(values in prop::collection::vec(-1e3f32..1e3, 1..50), bits in 4u8..=12) {
            let bits = ValueBits::new(bits).unwrap();
            let (ints, scale) = quantize_tensor(&values, bits).unwrap();
            for (&x, &i) in values.iter().zip(&ints) {
                bits.check(i32::from(i)).unwrap();
                prop_assert_eq!(i, (f64::from(x) / scale.get()).round() as i16);
            }
            let reached = ints.iter().map(|i| i32::from(i.abs())).max();
            if values.iter().any(|&x| x != 0.0) {
                prop_assert_eq!(reached, Some(bits.max_value()));
            }
        }

        #[test]
        fn delta_is_recomputed_from_the_step(q in 1e-3f64..1e-1, k in 1e-3f64..1e-1, d in 1u32..=1024) {
            let d = HeadDim::new(d).unwrap();
            let scales = scales(q, k);
            let step = score_step_from(1, 16, d, &scales).unwrap();
            let (numerator, denominator) = exact_table_delta(step, d, &scales).unwrap();
            prop_assert!(denominator.is_power_of_two());
            prop_assert!(numerator % 2 == 1 || denominator == 1);
            let delta = numerator as f64 / denominator as f64;
            prop_assert!((delta - table_delta_value(step, d, &scales)).abs() <= 1.0 / (1u64 << 49) as f64);
            // A rounded step is off by at most one half, unless it was raised to 1.
            if step.get() > 1 {
                prop_assert!((delta * 16.0 - 1.0).abs() <= 0.51 / (f64::from(step.get()) - 0.5));
            }
        }
    }
}
