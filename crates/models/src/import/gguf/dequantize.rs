//! Types of tensors, and the numbers that their blocks stand for, as `ggml-quants.c` of llama.cpp defines both.

use half::{bf16, f16};

/// A type of tensors that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    F32,
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
    Bf16,
}

/// Every type, with the format's number and name for it.
const ALL: [(Type, u32, &str); 11] = [
    (Type::F32, 0, "F32"),
    (Type::F16, 1, "F16"),
    (Type::Q4_0, 2, "Q4_0"),
    (Type::Q4_1, 3, "Q4_1"),
    (Type::Q5_0, 6, "Q5_0"),
    (Type::Q5_1, 7, "Q5_1"),
    (Type::Q8_0, 8, "Q8_0"),
    (Type::Q4K, 12, "Q4_K"),
    (Type::Q5K, 13, "Q5_K"),
    (Type::Q6K, 14, "Q6_K"),
    (Type::Bf16, 30, "BF16"),
];

/// Types that are not read, for messages.
const OTHERS: [(u32, &str); 15] = [
    (10, "Q2_K"),
    (11, "Q3_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

/// The names of all types that are read.
pub(super) fn names() -> String {
    let names: Vec<&str> = ALL.iter().map(|(.., name)| *name).collect();
    names.join(", ")
}

/// Elements of a block of the k-quants.
const SUPER: usize = 256;
/// Elements of a block of the others.
const BLOCK: usize = 32;

impl Type {
    /// The type of a number of the format, or the name of one that is not read.
    pub(super) fn of(number: u32) -> Result<Self, String> {
        let known = ALL.iter().find(|(_, of, _)| *of == number);
        known.map(|(kind, ..)| *kind).ok_or_else(|| {
            let other = OTHERS.iter().find(|(of, _)| *of == number);
            other.map_or_else(
                || format!("number {number}"),
                |(_, name)| (*name).to_owned(),
            )
        })
    }

    /// Elements and bytes of a block.
    pub(super) const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q4_0 => (BLOCK, 18),
            Self::Q4_1 => (BLOCK, 20),
            Self::Q5_0 => (BLOCK, 22),
            Self::Q5_1 => (BLOCK, 24),
            Self::Q8_0 => (BLOCK, 34),
            Self::Q4K => (SUPER, 144),
            Self::Q5K => (SUPER, 176),
            Self::Q6K => (SUPER, 210),
        }
    }

    /// The numbers of whole blocks.
    pub(super) fn floats(self, bytes: &[u8]) -> Vec<f32> {
        let (elements, size) = self.block();
        let blocks = bytes.chunks_exact(size);
        let mut floats = Vec::with_capacity(blocks.len() * elements);
        for block in blocks {
            match self {
                Self::F32 => floats.push(f32::from_le_bytes(fixed(block, 0))),
                Self::F16 => floats.push(half(block, 0)),
                Self::Bf16 => floats.push(bf16::from_le_bytes(fixed(block, 0)).to_f32()),
                Self::Q4_0 => {
                    let d = half(block, 0);
                    floats.extend(nibbles(&block[2..]).map(|q| (f32::from(q) - 8.0) * d));
                }
                Self::Q4_1 => {
                    let (d, m) = (half(block, 0), half(block, 2));
                    floats.extend(nibbles(&block[4..]).map(|q| f32::from(q) * d + m));
                }
                Self::Q5_0 => {
                    let d = half(block, 0);
                    let five = with_fifth_bits(&block[6..], u32::from_le_bytes(fixed(block, 2)));
                    floats.extend(five.map(|q| (f32::from(q) - 16.0) * d));
                }
                Self::Q5_1 => {
                    let (d, m) = (half(block, 0), half(block, 2));
                    let five = with_fifth_bits(&block[8..], u32::from_le_bytes(fixed(block, 4)));
                    floats.extend(five.map(|q| f32::from(q) * d + m));
                }
                Self::Q8_0 => {
                    let d = half(block, 0);
                    floats.extend(block[2..].iter().map(|&q| signed(q) * d));
                }
                Self::Q4K => k_quants(block, None, &block[16..], &mut floats),
                Self::Q5K => k_quants(block, Some(&block[16..48]), &block[48..], &mut floats),
                Self::Q6K => six_bits(block, &mut floats),
            }
        }
        floats
    }
}

/// Bytes at a place within a block.
fn fixed<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    let mut fixed = [0; N];
    fixed.copy_from_slice(&block[at..at + N]);
    fixed
}

fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes(fixed(block, at)).to_f32()
}

fn signed(byte: u8) -> f32 {
    f32::from(i8::from_le_bytes([byte]))
}

/// The low halves of all bytes, then the high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let low = bytes.iter().map(|byte| byte & 15);
    low.chain(bytes.iter().map(|byte| byte >> 4))
}

/// The same with a fifth bit for each.
fn with_fifth_bits(bytes: &[u8], bits: u32) -> impl Iterator<Item = u8> + '_ {
    let fifth = (0..BLOCK).map(move |j| if bits >> j & 1 == 1 { 16 } else { 0 });
    nibbles(bytes).zip(fifth).map(|(low, high)| low | high)
}

/// Scale and minimum of part `j` of eight, six bits each, out of twelve bytes.
fn scale_and_minimum(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            packed[j + 4] & 15 | packed[j - 4] >> 6 << 4,
            packed[j + 4] >> 4 | packed[j] >> 6 << 4,
        )
    };
    (f32::from(scale), f32::from(minimum))
}

/// Eight parts of 32 numbers with four bits each, or five where `fifth` is given.
fn k_quants(block: &[u8], fifth: Option<&[u8]>, low: &[u8], floats: &mut Vec<f32>) {
    let (d, dmin) = (half(block, 0), half(block, 2));
    let packed = &block[4..16];
    for (pair, bytes) in low.chunks_exact(BLOCK).enumerate() {
        for high in [0, 1] {
            let part = 2 * pair + high;
            let (scale, minimum) = scale_and_minimum(packed, part);
            let (scale, minimum) = (d * scale, dmin * minimum);
            for (l, byte) in bytes.iter().enumerate() {
                let four = if high == 0 { byte & 15 } else { byte >> 4 };
                let bit = fifth.map_or(0, |bits| bits[l] >> part & 1);
                floats.push(scale * f32::from(four | bit << 4) - minimum);
            }
        }
    }
}

/// Two halves of 128 numbers with six bits each, and a scale for every sixteen.
fn six_bits(block: &[u8], floats: &mut Vec<f32>) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, d) = rest.split_at(16);
    let d = half(d, 0);
    for half in [0, 1] {
        let (low, high) = (&low[64 * half..], &high[32 * half..]);
        for quarter in 0..4 {
            for l in 0..BLOCK {
                let byte = low[l + BLOCK * (quarter % 2)];
                let four = if quarter < 2 { byte & 15 } else { byte >> 4 };
                let six = four | (high[l] >> (2 * quarter) & 3) << 4;
                let scale = d * signed(scales[8 * half + 2 * quarter + l / 16]);
                floats.push(scale * (f32::from(six) - 32.0));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Blocks of random bytes, and what the Python package `gguf` makes of them:
    /// `fixtures/models/gguf_blocks.py` wrote both.
    #[test]
    fn the_same_numbers_as_another_reader() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/models/gguf-blocks.json");
        let cases: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let cases = cases.as_object().unwrap();
        assert_eq!(cases.len(), ALL.len());
        for (kind, _, name) in ALL {
            let case = &cases[name];
            let hex = case["blocks"].as_str().unwrap();
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            let bits = case["bits"].as_array().unwrap().iter();
            let expected: Vec<u32> = bits
                .map(|bits| u32::try_from(bits.as_u64().unwrap()).unwrap())
                .collect();
            let got = kind.floats(&bytes);
            assert_eq!(got.len(), expected.len(), "{name}");
            assert!(got.len() > kind.block().0, "{name}");
            assert!(got.iter().map(|x| x.to_bits()).eq(expected), "{name}");
        }
    }

    #[test]
    fn types_by_number() {
        for (kind, number, _) in ALL {
            assert_eq!(Type::of(number), Ok(kind));
        }
        assert_eq!(Type::of(10), Err("Q2_K".to_owned()));
        assert_eq!(Type::of(4), Err("number 4".to_owned()));
    }
}
