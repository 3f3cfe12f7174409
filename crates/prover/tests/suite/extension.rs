//! The extension of a model's columns, kept as bytes: what is read again proves the same, and nothing else
//! is used.
use std::io::{self, Read};
use std::sync::{Arc, LazyLock};

use matchmark_model::{synthetic_arithmetic, synthetic_model, IntegerModel};
use matchmark_prover::{ExtensionError, ModelChain, SegmentProver};
use matchmark_quant::{
    CacheCapacity, HiddenSize, Layers, MlpSize, ModelShape, SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_statement::{Profile, Security, SecurityLevel};
use proptest::prelude::*;

use crate::decoder::{chain, decisions, model, model_of};

/// Where the parts of the header begin: magic, format, relation, model, blowup, columns, lengths.
const PARTS: [usize; 7] = [0, 16, 20, 52, 84, 88, 92];

static EXTENSION: LazyLock<Vec<u8>> = LazyLock::new(|| extension(decisions(), model()));

/// The extension of a model, committed from its weights.
fn extension(chain: ModelChain, model: Arc<IntegerModel>) -> Vec<u8> {
    let prover = SegmentProver::for_model(chain, model).unwrap();
    prover
        .model()
        .unwrap()
        .extension()
        .pieces()
        .flatten()
        .collect()
}

fn read(chain: ModelChain, mut bytes: &[u8]) -> Result<SegmentProver, ExtensionError> {
    SegmentProver::for_model_with_extension(chain, model(), &mut bytes, None)
}

fn refused(bytes: &[u8]) -> ExtensionError {
    read(decisions(), bytes).err().unwrap()
}

/// Why the extension is refused after a change.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> ExtensionError {
    let mut bytes = EXTENSION.clone();
    change(&mut bytes);
    assert_ne!(bytes, *EXTENSION);
    refused(&bytes)
}

/// A little-endian integer of the extension.
fn word(at: usize) -> u32 {
    u32::from_le_bytes(EXTENSION[at..at + 4].try_into().unwrap())
}

fn set_word(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

/// Columns of the model.
fn columns() -> usize {
    word(PARTS[5]) as usize
}

/// Where the values of a column begin; of the one behind the last, where the extension ends.
fn begin(column: usize) -> usize {
    let lengths = (0..column).map(|column| 4_usize << word(PARTS[6] + 4 * column));
    PARTS[6] + 4 * columns() + lengths.sum::<usize>()
}

/// Blowup 2, where the others have 16.
fn other_blowup() -> ModelChain {
    let security = Profile::ALL
        .into_iter()
        .filter_map(|profile| Security::new(SecurityLevel::Conjectured100, profile).ok())
        .find(|it| it.parameters().log_blowup != decisions().security.parameters().log_blowup);
    ModelChain {
        security: security.unwrap(),
        ..decisions()
    }
}

#[test]
fn proofs_are_the_same_bytes() {
    let [plain, cached] = [
        SegmentProver::for_model(decisions(), model()).unwrap(),
        read(decisions(), &EXTENSION).unwrap(),
    ];
    assert_eq!(
        plain.model().unwrap().commitment(),
        cached.model().unwrap().commitment()
    );
    let proofs = |prover| {
        let segments = chain(prover).into_iter();
        segments
            .map(|it| it.file.encode().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(proofs(&plain), proofs(&cached));
    // What was read is written as it was.
    let again = cached.model().unwrap().extension();
    assert!(again.pieces().flatten().eq(EXTENSION.iter().copied()));
}

#[test]
fn one_extension_serves_chains_of_all_heights() {
    // With 5,000 tokens to choose from, 16 steps have more rows than the longest table.
    let shape = *model().shape();
    let shape = ModelShape::new(
        Layers::new(1).unwrap(),
        HiddenSize::new(12).unwrap(),
        shape.attention(),
        MlpSize::new(20).unwrap(),
        VocabularySize::new(5000).unwrap(),
        CacheCapacity::new(16).unwrap(),
    );
    let shape = shape.unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap();
    let model = Arc::new(synthetic_model(shape, arithmetic, 5).unwrap());
    let low = decisions();
    let high = ModelChain {
        capacity: CacheCapacity::new(16).unwrap(),
        segment_steps: SegmentSteps::new(16).unwrap(),
        ..decisions()
    };
    let kept = extension(low.clone(), model.clone());
    let commit = |chain: ModelChain| {
        let plain = SegmentProver::for_model(chain.clone(), model.clone()).unwrap();
        let read =
            SegmentProver::for_model_with_extension(chain, model.clone(), &mut &kept[..], None);
        let [plain, read] = [plain, read.unwrap()].map(|prover| {
            let commitment = prover.model().unwrap().commitment();
            (prover.lifting_log_size(), commitment)
        });
        assert_eq!(plain, read);
        read
    };
    let (low, high) = (commit(low), commit(high));
    assert!(low.0 < high.0);
    assert_ne!(low.1, high.1);
}

/// With the commitment of a key the columns are not evaluated once more; what is not of that commitment is
/// compared as if there were none.
#[test]
fn a_known_commitment_replaces_the_comparison_and_nothing_else() {
    let commitment = |prover: &SegmentProver| prover.model().unwrap().commitment();
    let known = |bytes: &[u8], known| {
        let input = &mut &*bytes;
        SegmentProver::for_model_with_extension(decisions(), model(), input, Some(known))
    };
    let plain = SegmentProver::for_model(decisions(), model()).unwrap();
    let own = commitment(&plain);
    assert_eq!(commitment(&known(&EXTENSION, own).unwrap()), own);
    // A key of something else has no say: the file is the model's.
    let other = SegmentProver::for_model(decisions(), model_of(6)).unwrap();
    assert_eq!(
        commitment(&known(&EXTENSION, commitment(&other)).unwrap()),
        own
    );
    // Neither has the right key where a value was changed, nor the key of the model whose values these are.
    let mut bytes = EXTENSION.clone();
    *bytes.last_mut().unwrap() ^= 1;
    let error = known(&bytes, own).err().unwrap();
    assert!(matches!(error, ExtensionError::OtherColumn { .. }));
    let values = extension(decisions(), model_of(6));
    bytes[begin(0)..].copy_from_slice(&values[begin(0)..]);
    let error = known(&bytes, commitment(&other)).err().unwrap();
    assert!(matches!(error, ExtensionError::OtherColumn { .. }));
}

/// Reads so many bytes, and then fails.
struct Fails<'a>(&'a [u8]);

impl Read for Fails<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::from_raw_os_error(5)),
            count => Ok(count),
        }
    }
}

/// What comes to a variant, and its name.
type Case = (&'static str, fn() -> ExtensionError);

const CASES: &[Case] = &[
    ("Prove", || {
        // Segments longer than the chain.
        let chain = ModelChain {
            capacity: CacheCapacity::new(2).unwrap(),
            ..decisions()
        };
        read(chain, &EXTENSION).err().unwrap()
    }),
    ("Read", || {
        let mut input = Fails(&EXTENSION[..begin(1) + 3]);
        let read = SegmentProver::for_model_with_extension(decisions(), model(), &mut input, None);
        read.err().unwrap()
    }),
    ("Magic", || changed(|bytes| bytes[3] ^= 1)),
    ("Format", || changed(|bytes| set_word(bytes, PARTS[1], 2))),
    ("Relation", || changed(|bytes| bytes[PARTS[2] + 31] ^= 1)),
    ("Model", || refused(&extension(decisions(), model_of(6)))),
    ("Blowup", || refused(&extension(other_blowup(), model()))),
    ("Columns", || {
        changed(|bytes| set_word(bytes, PARTS[5], u32::MAX))
    }),
    ("ColumnSize", || {
        changed(|bytes| set_word(bytes, PARTS[6] + 4, 31))
    }),
    ("Truncated", || refused(&EXTENSION[..EXTENSION.len() - 1])),
    ("TrailingBytes", || changed(|bytes| bytes.push(0))),
    ("NotCanonical", || {
        // Zero, in its other form.
        changed(|bytes| set_word(bytes, begin(1) + 20, (1 << 31) - 1))
    }),
    ("OtherColumn", || {
        changed(|bytes| {
            let at = begin(2) - 4;
            let other = (word(at) + 1) % ((1 << 31) - 1);
            set_word(bytes, at, other);
        })
    }),
];

#[test]
fn every_reason_to_refuse_an_extension_is_reached() {
    let reached: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
    assert_eq!(reached, ExtensionError::NAMES);
    for (expected, case) in CASES {
        assert_eq!(case().name(), *expected);
    }
}

#[test]
fn what_is_expected_and_what_is_there_is_named() {
    let length = EXTENSION.len() as u64;
    assert!(matches!(
        refused(&EXTENSION[..EXTENSION.len() - 1]),
        ExtensionError::Truncated { expected, got } if (expected, got) == (length, length - 1)
    ));
    assert!(matches!(
        changed(|bytes| bytes.extend([0; 9])),
        ExtensionError::TrailingBytes { expected, got } if (expected, got) == (length, length + 1)
    ));
    assert!(matches!(
        changed(|bytes| set_word(bytes, begin(1) + 20, u32::MAX)),
        ExtensionError::NotCanonical {
            column: 1,
            row: 5,
            expected: 0x7fff_ffff,
            got: u32::MAX
        }
    ));
    let blowup = decisions().security.parameters().log_blowup;
    let other = other_blowup().security.parameters().log_blowup;
    assert!(matches!(
        refused(&extension(other_blowup(), model())),
        ExtensionError::Blowup { expected, got } if (expected, got) == (blowup, other)
    ));
    assert_eq!(begin(columns()), EXTENSION.len());
}

/// Whoever writes the file may write any header: the values are compared with the model.
#[test]
fn values_of_another_model_are_refused_under_the_name_of_this_one() {
    let other = extension(decisions(), model_of(6));
    let column = (0..columns()).find(|&column| {
        let values = begin(column)..begin(column + 1);
        other[values.clone()] != EXTENSION[values]
    });
    let error = changed(|bytes| bytes[begin(0)..].copy_from_slice(&other[begin(0)..]));
    assert!(matches!(
        error,
        ExtensionError::OtherColumn { column: got, expected, got: value }
            if Some(got) == column && expected != value
    ));
}

/// Two columns of one length in each other's place: every value is one of the model's.
#[test]
fn columns_out_of_order_are_refused() {
    let error = changed(|bytes| {
        let (first, second, end) = (begin(0), begin(1), begin(2));
        bytes[first..end].rotate_left(second - first);
    });
    assert!(matches!(
        error,
        ExtensionError::OtherColumn { column: 0, .. }
    ));
}

#[test]
fn the_first_and_the_last_value_count() {
    for (at, column) in [(begin(0), 0), (EXTENSION.len() - 4, columns() - 1)] {
        let error = changed(|bytes| bytes[at] ^= 1);
        assert!(matches!(error, ExtensionError::OtherColumn { column: got, .. } if got == column));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_flipped_bit_is_refused(at: prop::sample::Index, bit in 0..8_u32) {
        let error = changed(|bytes| *at.get_mut(bytes) ^= 1 << bit);
        let of_header = at.index(EXTENSION.len()) < begin(0);
        let of_values = ["NotCanonical", "OtherColumn"].contains(&error.name());
        prop_assert_ne!(of_header, of_values);
    }

    #[test]
    fn a_flipped_bit_of_the_header_is_refused(at in 0..92_usize, bit in 0..8_u32) {
        let error = changed(|bytes| bytes[at] ^= 1 << bit);
        let part = PARTS.iter().filter(|begin| **begin <= at).count() - 1;
        let names = ["Magic", "Format", "Relation", "Model", "Blowup", "Columns"];
        prop_assert_eq!(error.name(), names[part]);
    }

    #[test]
    fn what_is_cut_off_is_refused(length: prop::sample::Index) {
        let length = length.index(EXTENSION.len());
        let error = refused(&EXTENSION[..length]);
        let named = matches!(
            error,
            ExtensionError::Truncated { expected, got }
                if (expected, got) == (EXTENSION.len() as u64, length as u64)
        );
        prop_assert!(named);
    }
}
