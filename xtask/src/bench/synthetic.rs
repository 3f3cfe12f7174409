//! Longer and narrower traces in the scale of the fixture.

use super::safetensors::{File, Tensor};

/// Every run of every machine makes the same trace.
const SEED: u64 = 0x6d61_7463_686d_6172;

/// A trace of `steps` steps with the first `dimension` elements of each vector, and with the fixture's
/// heads, prefix and metadata.
///
/// Each step of each head is a step of the same head of the fixture, chosen by a generator with a
/// fixed seed, with every element moved by -1, 0 or 1: scores, gaps and clips are distributed as in
/// the fixture, and no two steps are equal.
///
/// # Errors
/// A fixture without one of the tensors, without steps, or with shorter vectors.
pub fn make(fixture: &File, steps: usize, dimension: usize) -> Result<File, String> {
    let mut generator = Generator(SEED);
    let mut tensors = Vec::new();
    for name in ["q", "k", "v"] {
        let tensor = named(fixture, name, dimension)?;
        tensors.push((name.to_owned(), resample(&tensor, steps, &mut generator)?));
    }
    for name in ["prefix_k", "prefix_v"] {
        tensors.push((name.to_owned(), named(fixture, name, dimension)?));
    }
    Ok(File {
        tensors,
        metadata: fixture.metadata.clone(),
    })
}

/// The fixture's tensor, with its vectors cut to `dimension` elements.
fn named(fixture: &File, name: &str, dimension: usize) -> Result<Tensor, String> {
    let tensor = fixture.tensor(name).ok_or(format!("no tensor {name}"))?;
    let [heads, rows, existing] = tensor.shape;
    if dimension == 0 || dimension > existing {
        return Err(format!(
            "{name} has vectors of {existing} elements, not of {dimension}"
        ));
    }
    let rows_of_data = tensor.data.chunks(existing);
    Ok(Tensor {
        shape: [heads, rows, dimension],
        data: rows_of_data
            .flat_map(|row| &row[..dimension])
            .copied()
            .collect(),
    })
}

fn resample(tensor: &Tensor, steps: usize, generator: &mut Generator) -> Result<Tensor, String> {
    let [heads, existing, dimension] = tensor.shape;
    if existing == 0 {
        return Err("no steps to choose from".to_owned());
    }
    let mut data = Vec::with_capacity(heads * steps * dimension);
    for head in 0..heads {
        for _ in 0..steps {
            let step = generator.below(existing);
            let row = &tensor.data[(head * existing + step) * dimension..][..dimension];
            data.extend(row.iter().map(|&byte| moved(byte, generator.below(3))));
        }
    }
    Ok(Tensor {
        shape: [heads, steps, dimension],
        data,
    })
}

/// The element moved by `by - 1`, within the range of 8 bits (-128 is no member of it).
fn moved(byte: u8, by: usize) -> u8 {
    let value = byte.cast_signed();
    let value = match by {
        0 => value.saturating_sub(1),
        1 => value,
        _ => value.saturating_add(1),
    };
    value.max(-i8::MAX).cast_unsigned()
}

/// `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, close enough to uniform for the small bounds here.
    fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.next()) * bound as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::workspace;

    fn fixture() -> File {
        let path = workspace::root().join("fixtures/attention-layer0-8bit.safetensors");
        File::parse(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn the_generator_is_the_published_one() {
        let mut generator = Generator(1_234_567);
        let first = [generator.next(), generator.next(), generator.next()];
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn shape_scale_and_range_are_those_of_the_fixture() {
        let long = make(&fixture(), 256, 64).unwrap();
        let shape = |name: &str| long.tensor(name).unwrap().shape;
        assert_eq!([shape("q"), shape("k"), shape("v")], [[4, 256, 64]; 3]);
        assert_eq!(shape("prefix_k"), [4, 2, 64]);
        assert_eq!(long.metadata, fixture().metadata);
        let energy = |file: &File, name: &str| {
            let data = &file.tensor(name).unwrap().data;
            let squares = data
                .iter()
                .map(|&byte| f64::from(byte.cast_signed()).powi(2));
            squares.sum::<f64>() / data.len() as f64
        };
        for name in ["q", "k", "v"] {
            let ratio = energy(&long, name) / energy(&fixture(), name);
            assert!((0.9..1.1).contains(&ratio), "{name}: {ratio}");
            let data = &long.tensor(name).unwrap().data;
            assert!(!data.contains(&(-128i8).cast_unsigned()));
        }
    }

    #[test]
    fn always_the_same_and_no_two_steps_equal() {
        let long = make(&fixture(), 128, 64).unwrap();
        assert_eq!(long, make(&fixture(), 128, 64).unwrap());
        let rows: std::collections::BTreeSet<&[u8]> =
            long.tensor("k").unwrap().data.chunks(64).collect();
        assert_eq!(rows.len(), 4 * 128);
    }

    #[test]
    fn narrower_vectors_are_beginnings() {
        let narrow = make(&fixture(), 2, 32).unwrap();
        assert_eq!(narrow.tensor("v").unwrap().shape, [4, 2, 32]);
        let prefix = |file: &File| file.tensor("prefix_k").unwrap().data.clone();
        assert_eq!(prefix(&narrow)[32..64], prefix(&fixture())[64..96]);
        for dimension in [0, 65] {
            assert!(make(&fixture(), 2, dimension)
                .unwrap_err()
                .starts_with("q has vectors"));
        }
    }

    #[test]
    fn elements_stay_in_range() {
        let shown = |value: i8, by| moved(value.cast_unsigned(), by).cast_signed();
        assert_eq!(
            [shown(-127, 0), shown(127, 2), shown(5, 1), shown(5, 0)],
            [-127, 127, 5, 4]
        );
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let mut file = fixture();
        file.tensors.retain(|(name, _)| name != "prefix_v");
        assert_eq!(make(&file, 2, 64).unwrap_err(), "no tensor prefix_v");
    }
}
