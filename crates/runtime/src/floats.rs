//! Elements of float tensors, and which are accepted.

use half::{bf16, f16};

use crate::{FloatError, TensorView};

/// Largest accepted magnitude, `2^40`: about 10^12. Nothing that is trained comes near it, and the square
/// of a sum of a million such numbers is within the range of an `f32`.
const MAX_MAGNITUDE: f64 = 1_099_511_627_776.0;

impl TensorView<'_> {
    /// The elements of a tensor of F16, BF16, F32 or F64, the last rounded to the nearest `f32`.
    ///
    /// # Errors
    /// [`FloatError`]: another type; an element that is NaN, infinite, or above `2^40` in magnitude; a
    /// tensor that is not zero, but has no element of at least `2^-126`, the smallest normal `f32`.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "rounding to the nearest is what is asked for"
    )]
    pub fn floats(&self) -> Result<Vec<f32>, FloatError> {
        let floats = match self.dtype {
            "F16" => self.map(|bytes| f16::from_le_bytes(bytes).to_f32()),
            "BF16" => self.map(|bytes| bf16::from_le_bytes(bytes).to_f32()),
            "F32" => self.map(f32::from_le_bytes),
            "F64" => {
                let wide = self.map(f64::from_le_bytes);
                check(wide.iter().copied())?;
                return Ok(wide.into_iter().map(|x| x as f32).collect());
            }
            other => {
                return Err(FloatError::Dtype {
                    got: other.to_owned(),
                })
            }
        };
        check_floats(&floats)?;
        Ok(floats)
    }

    /// The elements, of `N` bytes each; there are whole ones.
    fn map<const N: usize, T>(&self, from_le_bytes: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (elements, _) = self.bytes.as_chunks::<N>();
        elements.iter().map(|&bytes| from_le_bytes(bytes)).collect()
    }
}

/// Whether a tensor of these elements is accepted, however they were stored.
///
/// # Errors
/// [`FloatError`], but for that of a type.
pub fn check_floats(elements: &[f32]) -> Result<(), FloatError> {
    check(elements.iter().map(|&x| f64::from(x)))
}

fn check(elements: impl Iterator<Item = f64>) -> Result<(), FloatError> {
    let mut largest = (0, 0.0f64);
    for (index, got) in elements.enumerate() {
        if !got.is_finite() {
            return Err(FloatError::NotFinite { index, got });
        }
        if got.abs() > MAX_MAGNITUDE {
            return Err(FloatError::TooLarge { index, got });
        }
        if got.abs() > largest.1.abs() {
            largest = (index, got);
        }
    }
    let (index, got) = largest;
    if got != 0.0 && got.abs() < f64::from(f32::MIN_POSITIVE) {
        return Err(FloatError::TooSmall { index, got });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn floats(dtype: &str, bytes: &[u8]) -> Result<Vec<f32>, FloatError> {
        let view = TensorView {
            name: "t",
            dtype,
            shape: &[],
            bytes,
        };
        view.floats()
    }

    fn doubles(numbers: &[f64]) -> Result<Vec<f32>, FloatError> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        floats("F64", &bytes)
    }

    #[test]
    fn every_type_gives_its_numbers() {
        let tiny = 2f32.powi(-24);
        for (bits, number) in [
            (0x0001u16, tiny),
            (0x03ff, 1023.0 * tiny),
            (0x3c01, 1.0 + 2f32.powi(-10)),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
        ] {
            assert_eq!(floats("F16", &bits.to_le_bytes()).unwrap(), [number]);
        }
        assert_eq!(floats("BF16", &[0x81, 0xbf]).unwrap(), [-1.007_812_5]);
        assert_eq!(floats("F32", &0.1f32.to_le_bytes()).unwrap(), [0.1]);
        assert_eq!(doubles(&[0.1, -3.0]).unwrap(), [0.1, -3.0]);
        assert_eq!(floats("F32", &[]).unwrap(), [0.0f32; 0]);
        let refused = floats("I32", &[0; 4]);
        assert_eq!(
            refused,
            Err(FloatError::Dtype {
                got: "I32".to_owned()
            })
        );
    }

    #[test]
    fn numbers_that_nothing_can_be_computed_with() {
        for (dtype, bytes) in [
            ("F16", vec![0, 0, 0x00, 0x7c]),
            ("BF16", vec![0, 0, 0xc0, 0x7f]),
            (
                "F32",
                [0.0, f32::NEG_INFINITY].map(f32::to_le_bytes).concat(),
            ),
            ("F64", [0.0, f64::NAN].map(f64::to_le_bytes).concat()),
        ] {
            let refused = floats(dtype, &bytes);
            assert!(
                matches!(refused, Err(FloatError::NotFinite { index: 1, .. })),
                "{dtype}"
            );
        }
        assert!(doubles(&[MAX_MAGNITUDE, -MAX_MAGNITUDE]).is_ok());
        for got in [1e30, -1e30, MAX_MAGNITUDE * (1.0 + f64::EPSILON), f64::MAX] {
            let refused = doubles(&[1.0, 0.0, got]);
            assert_eq!(refused, Err(FloatError::TooLarge { index: 2, got }));
        }
        let refused = floats("F32", &1e30f32.to_le_bytes());
        assert!(matches!(
            refused,
            Err(FloatError::TooLarge { index: 0, .. })
        ));
        // What is small beside others is accepted; what is small by itself has no scale.
        assert_eq!(doubles(&[0.0, 1e-300, 1.0]).unwrap(), [0.0, 0.0, 1.0]);
        assert_eq!(doubles(&[0.0, -0.0]).unwrap(), [0.0, 0.0]);
        assert!(doubles(&[f64::from(f32::MIN_POSITIVE)]).is_ok());
        for got in [1e-300, -1e-40] {
            let refused = doubles(&[0.0, got, got / 2.0]);
            assert_eq!(refused, Err(FloatError::TooSmall { index: 1, got }));
        }
        let message = doubles(&[1e30]).unwrap_err().to_string();
        assert_eq!(
            message,
            "element 0 is 1e30, expected a magnitude of at most 2^40"
        );
    }
}
