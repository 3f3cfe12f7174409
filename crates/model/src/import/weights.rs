//! `model.safetensors`.

use std::collections::BTreeMap;

use matchmark_runtime::{TensorFile, TensorView};

use super::{ImportError, WEIGHTS};

/// A buffer of early versions of the format: the rotary frequencies, which follow from the
/// configuration.
const FREQUENCIES: &str = ".self_attn.rotary_emb.inv_freq";

/// The tensors that were not taken yet.
pub(super) struct Weights(BTreeMap<String, Tensor>);

struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Weights {
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, ImportError> {
        let file = TensorFile::parse(bytes)?;
        let tensors = file.tensors().map(|view: TensorView<'_>| {
            let tensor = Tensor {
                dtype: view.dtype.to_owned(),
                shape: view.shape.to_vec(),
                bytes: view.bytes.to_vec(),
            };
            (view.name.to_owned(), tensor)
        });
        Ok(Self(tensors.collect()))
    }

    /// Takes out one tensor.
    pub(super) fn take(
        &mut self,
        name: &str,
        dimensions: &[usize],
    ) -> Result<Vec<f32>, ImportError> {
        let tensor = self.0.remove(name).ok_or(ImportError::MissingTensor {
            tensor: name.to_owned(),
        })?;
        if tensor.shape != dimensions {
            return Err(ImportError::WrongShape {
                tensor: name.to_owned(),
                expected: dimensions.to_vec(),
                got: tensor.shape,
            });
        }
        let pairs = tensor.bytes.chunks_exact(2);
        let values: Vec<f32> = match tensor.dtype.as_str() {
            "F32" => {
                let fours = tensor.bytes.chunks_exact(4);
                fours
                    .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                    .collect()
            }
            "F16" => pairs
                .map(|pair| from_f16(u16::from_le_bytes([pair[0], pair[1]])))
                .collect(),
            "BF16" => pairs
                .map(|pair| f32::from_le_bytes([0, 0, pair[0], pair[1]]))
                .collect(),
            _ => {
                return Err(ImportError::WrongDtype {
                    tensor: name.to_owned(),
                    got: tensor.dtype,
                })
            }
        };
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(ImportError::NotFinite {
                tensor: name.to_owned(),
                index,
                got: values[index],
            });
        }
        Ok(values)
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self) -> Result<(), ImportError> {
        let unknown = self.0.into_keys().find(|name| !name.ends_with(FREQUENCIES));
        match unknown {
            None => Ok(()),
            Some(tensor) if tensor.ends_with(".bias") => Err(ImportError::Unsupported {
                file: WEIGHTS,
                feature: format!("a bias, tensor {tensor:?},"),
            }),
            Some(tensor) => Err(ImportError::UnknownTensor { tensor }),
        }
    }
}

/// IEEE 754 binary16 to binary32, exactly.
fn from_f16(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 10) & 31, bits & 1023);
    let magnitude = match exponent {
        // 2^-24 is the smallest number of the format.
        0 => f32::from(fraction) / 16_777_216.0,
        31 if fraction == 0 => f32::INFINITY,
        31 => f32::NAN,
        // 2^(exponent - 25) is a normal number of binary32.
        _ => f32::from(1024 + fraction) * f32::from_bits((u32::from(exponent) + 127 - 25) << 23),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2f32.powi(-24)),
            (0x03ff, 1023.0 * 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x3c00, 1.0),
            (0x3c01, 1.0 + 2f32.powi(-10)),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(from_f16(bits), value, "{bits:#x}");
        }
        assert!(from_f16(0x7c01).is_nan());
        assert!(from_f16(0x8000).is_sign_negative());
    }
}
