//! Model files: one encoding for each model, and a typed error for everything else.
#![allow(clippy::unwrap_used)]

mod common;

use common::folder::Folder;
use common::{model, with_prefix, SMALL};
use matchmark_models::graph::{MatrixArithmetic, ModelArithmeticParts};
use matchmark_models::quant::{QuantError, ValueBits};
use matchmark_models::{
    quantize_model, Evaluator, IntegerModel, ModelError, ModelFileError, Operation,
    QuantizeOptions, TokenizerError, Words,
};
use matchmark_quant::TaggedSha256;
use proptest::prelude::*;
use serde_json::{json, Value};

const HEADER: usize = 28;
/// Whether there are biases: after the eight sizes. Four bytes each.
const BIASES: usize = 32;
/// Where the numbers of the arithmetic stand in the encoding. Four bytes each.
const ARITHMETIC: usize = BIASES + 4;
/// Numbers of an arithmetic before those of its nodes, of which the embedding has none.
const FIRST_NORM: usize = 3;
/// The norm of the rows of the first query projection.
const FIRST_ROW_NORM: usize = FIRST_NORM + 2;
/// The shift of the first queries: behind norms and biases of queries, keys and values.
const FIRST_QUERY: usize = FIRST_ROW_NORM + 6;

/// Where the scales begin in the encoding of a model: after the arithmetic.
fn scales(model: &IntegerModel) -> usize {
    ARITHMETIC + 4 * ModelArithmeticParts::numbers_for(model.graph())
}

/// Length of what follows the prefix: embedding and matrices, two bytes an entry.
fn after_prefix(model: &IntegerModel) -> usize {
    let matrices = model.matrices().iter();
    let weights = matrices.map(|matrix| matrix.weights().len());
    2 * (model.embedding().len() + weights.sum::<usize>())
}

fn small() -> IntegerModel {
    model(SMALL, 11, 1)
}

/// A file whose identity is that of its changed content: past the check of the digest.
fn sealed(encoding: &[u8]) -> Vec<u8> {
    let identity = TaggedSha256::new("matchmark/model/v3")
        .chain(encoding)
        .finish();
    let mut bytes = b"matchmark model\n".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((encoding.len() as u64).to_le_bytes());
    bytes.extend(encoding);
    bytes.extend(identity);
    bytes
}

fn encoding() -> Vec<u8> {
    encoding_of(&small())
}

fn encoding_of(model: &IntegerModel) -> Vec<u8> {
    let bytes = model.to_bytes();
    bytes[HEADER..bytes.len() - 32].to_vec()
}

#[test]
fn files_round_trip() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.mm");
    for (sizes, bits, seed) in [
        (SMALL, 11, 1),
        (SMALL, 8, 2),
        ([1, 2, 1, 1, 2, 1, 2], 12, 3),
        ([1, 4, 2, 1, 4, 3, 700], 11, 4),
    ] {
        let model = model(sizes, bits, seed);
        model.save(&path).unwrap();
        let loaded = IntegerModel::load(&path).unwrap();
        assert_eq!(loaded, model);
        assert_eq!(loaded.to_bytes(), std::fs::read(&path).unwrap());
        assert_eq!(loaded.identity(), model.identity());
    }
    let model = with_prefix(&small(), &[5, 1, 31]);
    model.save(&path).unwrap();
    let loaded = IntegerModel::load(&path).unwrap();
    assert_eq!(loaded.prefix().tokens, [5, 1, 31]);
    assert_eq!(loaded, model);
    // One file, and nothing beside it.
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    assert_eq!(sealed(&encoding()), small().to_bytes());
    assert!(matches!(
        IntegerModel::load(&directory.path().join("none.mm")),
        Err(ModelFileError::Io { action: "read", .. })
    ));
    let nowhere = directory.path().join("none/model.mm");
    assert!(matches!(
        small().save(&nowhere),
        Err(ModelFileError::Io {
            action: "write",
            ..
        })
    ));
}

#[test]
fn truncated_extended_and_edited_files() {
    let bytes = small().to_bytes();
    assert!(matches!(
        IntegerModel::from_bytes(&[]),
        Err(ModelFileError::NotAModel)
    ));
    for length in [1, 15, 16, 19, 20, 27, 28, 59, 60, bytes.len() - 1] {
        let result = IntegerModel::from_bytes(&bytes[..length]);
        assert!(
            matches!(result, Err(ModelFileError::Truncated { got, .. }) if got == length as u64),
            "{length}"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(
        IntegerModel::from_bytes(&longer),
        Err(ModelFileError::TrailingBytes { .. })
    ));
    let edited = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        IntegerModel::from_bytes(&bytes)
    };
    for at in 0..16 {
        assert!(matches!(edited(at), Err(ModelFileError::NotAModel)));
    }
    for at in 16..20 {
        assert!(matches!(edited(at), Err(ModelFileError::Version { .. })));
    }
    // A file of the format before is refused by its number.
    let mut old = bytes.clone();
    old[16] = 2;
    assert!(matches!(
        IntegerModel::from_bytes(&old),
        Err(ModelFileError::Version {
            expected: 3,
            got: 2
        })
    ));
    for at in (HEADER..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        let result = edited(at);
        assert!(
            matches!(result, Err(ModelFileError::IdentityMismatch { .. })),
            "{at}"
        );
    }
}

/// How a text is cut is part of a model: in its file, its identity and that of its tokenizer.
#[test]
fn how_a_text_is_cut() {
    let of = |folder: &Folder| {
        let options = QuantizeOptions::new(ValueBits::new(11).unwrap());
        let float = folder.read().unwrap();
        quantize_model(&float, &[vec![0, 2, 3]], &options)
            .unwrap()
            .0
    };
    let plain = of(&Folder::new());
    let first = |folder: &mut Folder, step: Value, pattern: bool| {
        let mut level = folder.tokenizer["pre_tokenizer"].take();
        level["use_regex"] = json!(pattern);
        folder.tokenizer["pre_tokenizer"] =
            json!({"type": "Sequence", "pretokenizers": [step, level]});
    };
    let split = |words: Words| {
        let pattern = json!({"Regex": words.pattern().unwrap()});
        json!({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": false})
    };
    let digits = json!({"type": "Digits", "individual_digits": true});
    let two = plain.to_bytes();
    let end = two.len() - 32;
    let mut at = 0;
    let mut identities = vec![plain.tokenizer().identity()];
    type Change<'a> = &'a dyn Fn(&mut Folder);
    let changes: [(Change<'_>, Words, u8); 5] = [
        (
            &|it| first(it, digits.clone(), true),
            Words::Gpt2Digits,
            0b11,
        ),
        (
            &|it| first(it, split(Words::Llama3), false),
            Words::Llama3,
            0b101,
        ),
        (
            &|it| first(it, split(Words::Qwen2), false),
            Words::Qwen2,
            0b111,
        ),
        (
            &|it| it.tokenizer["model"]["ignore_merges"] = json!(true),
            Words::Gpt2,
            0b1001,
        ),
        (
            &|it| it.tokenizer["normalizer"] = json!({"type": "NFC"}),
            Words::Gpt2,
            0b1_0001,
        ),
    ];
    for (change, words, flags) in changes {
        let mut folder = Folder::new();
        change(&mut folder);
        let model = of(&folder);
        let one = model.to_bytes();
        let loaded = IntegerModel::from_bytes(&one).unwrap();
        assert_eq!(loaded, model);
        assert_eq!(loaded.tokenizer().parts(), model.tokenizer().parts());
        assert_eq!(loaded.tokenizer().parts().words, words);
        assert_ne!(model.identity(), plain.identity());
        assert!(!identities.contains(&model.tokenizer().identity()));
        identities.push(model.tokenizer().identity());
        // Some bits of one byte, that before the begin token.
        at = (0..end).find(|&at| one[at] != two[at]).unwrap();
        assert_eq!((one[at], two[at]), (flags, 1));
        assert_eq!(one[at + 1..end], two[at + 1..end]);
    }
    // No other bit of it is known, and of the byte before the end token other ones.
    for (at, flags) in [(at, 33), (at, 64), (at, 129), (at + 5, 2), (at + 5, 9)] {
        let mut encoding = two[HEADER..end].to_vec();
        encoding[at - HEADER] = flags;
        let refused = IntegerModel::from_bytes(&sealed(&encoding)).unwrap_err();
        assert!(
            matches!(
                refused,
                ModelFileError::PartForm {
                    part: "tokenizer",
                    ..
                }
            ),
            "{refused}"
        );
    }
}

/// Scales are not part of what is executed; where they make no sense, an evaluation says so.
/// Several tokens that end a text are in the file and in the identities, in their order; one alone is written as
/// it was before there could be several.
#[test]
fn several_tokens_that_end_a_text() {
    let of = |ends: Value| {
        let mut folder = Folder::new();
        folder.config["eos_token_id"] = ends;
        let bits = ValueBits::new(11).unwrap();
        quantize_model(
            &folder.read().unwrap(),
            &[vec![0, 2, 3]],
            &QuantizeOptions::new(bits),
        )
        .unwrap()
        .0
    };
    let models = [json!(1), json!([1, 3]), json!([3, 1]), json!([])].map(of);
    for (index, model) in models.iter().enumerate() {
        let loaded = IntegerModel::from_bytes(&model.to_bytes()).unwrap();
        assert_eq!(loaded, *model);
        for other in &models[..index] {
            assert_ne!(model.identity(), other.identity());
            assert_ne!(model.tokenizer().identity(), other.tokenizer().identity());
        }
    }
    assert_eq!(models[1].tokenizer().ends(), [1, 3]);
    assert_eq!(of(json!([1])), models[0]);

    // The byte before the end token, that token, and then how many more there are and which.
    let (one, two) = (models[0].to_bytes(), models[1].to_bytes());
    let at = (HEADER..one.len()).find(|&at| one[at] != two[at]).unwrap();
    assert_eq!((one[at], two[at]), (1, 3));
    assert_eq!(two[at + 5..at + 13], [1, 0, 0, 0, 3, 0, 0, 0]);
    let end = two.len() - 32;
    for (offset, byte) in [(5, 0), (0, 2), (9, 1), (9, 4)] {
        let mut encoding = two[HEADER..end].to_vec();
        encoding[at - HEADER + offset] = byte;
        let refused = IntegerModel::from_bytes(&sealed(&encoding)).unwrap_err();
        let reason = match &refused {
            ModelFileError::Model(ModelError::Tokenizer(error)) => Some(error),
            _ => None,
        };
        match (offset, byte) {
            (9, 1) => assert_eq!(reason, Some(&TokenizerError::DuplicateEnd { token: 1 })),
            (9, 4) => assert!(matches!(
                reason,
                Some(TokenizerError::UnknownToken { got: 4, .. })
            )),
            _ => assert!(
                matches!(refused, ModelFileError::PartForm { .. }),
                "{refused}"
            ),
        }
    }
}

#[test]
fn scales_that_are_not_those_of_the_floats() {
    let float = Folder::new().read().unwrap();
    let (tokens, options) = (
        vec![0, 2, 3],
        QuantizeOptions::new(ValueBits::new(11).unwrap()),
    );
    let (model, _) = quantize_model(&float, std::slice::from_ref(&tokens), &options).unwrap();
    let mut encoding = encoding_of(&model);
    // The scale of the embedding.
    encoding[scales(&model)..][..8].copy_from_slice(&1e300f64.to_le_bytes());
    let model = IntegerModel::from_bytes(&sealed(&encoding)).unwrap();
    let mut evaluator = Evaluator::new(&model, Some(&float)).unwrap();
    evaluator.sequence(&tokens, None).unwrap();
    let refused = evaluator.finish();
    assert!(
        matches!(
            refused,
            Err(ModelError::NoDistance {
                operation: Operation::Embedding
            })
        ),
        "{refused:?}"
    );
}

/// Whoever seals an edited encoding anew meets the checks of its parts.
#[test]
fn sealed_encodings() {
    let good = encoding();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut encoding = good.clone();
        change(&mut encoding);
        IntegerModel::from_bytes(&sealed(&encoding)).unwrap_err()
    };
    assert!(matches!(
        refused(&|e| e.truncate(e.len() - 1)),
        ModelFileError::PartTruncated { part: "matrices" }
    ));
    assert!(matches!(
        refused(&|e| e.truncate(31)),
        ModelFileError::PartTruncated { part: "shape" }
    ));
    assert!(matches!(
        refused(&|e| e.push(0)),
        ModelFileError::PartsTrailing { got: 1 }
    ));
    // No layer; heads that do not divide; an odd dimension.
    for (at, value) in [(0, 0), (12, 3), (16, 7)] {
        assert!(matches!(
            refused(&|e| e[at] = value),
            ModelFileError::Model(ModelError::Quantity(_))
        ));
    }
    // A vocabulary that is not there: refused before anything of its size is made.
    assert!(matches!(
        refused(&|e| e[24..28].copy_from_slice(&(1u32 << 18).to_le_bytes())),
        ModelFileError::PartForm { .. } | ModelFileError::PartTruncated { .. }
    ));
    // Biases that are not there, and neither yes nor no.
    assert!(matches!(
        refused(&|e| e[BIASES] = 1),
        ModelFileError::PartTruncated { .. }
            | ModelFileError::PartForm { .. }
            | ModelFileError::Model(_)
    ));
    assert!(matches!(
        refused(&|e| e[BIASES] = 2),
        ModelFileError::PartForm { part: "shape", .. }
    ));
    // The value width, the shift of the rotation, the score step; the shift and epsilon of the first
    // normalization, the shift of its queries; a shift that is one only in its lowest byte.
    for (number, value) in [
        (0, 13),
        (1, 0),
        (2, 0),
        (FIRST_NORM, 10),
        (FIRST_NORM, 17),
        (FIRST_NORM + 1, 1 << 20),
        (FIRST_QUERY, 15),
        (FIRST_QUERY, 256 + 5),
    ] {
        let at = ARITHMETIC + 4 * number;
        let error = refused(&|e| e[at..at + 4].copy_from_slice(&u32::to_le_bytes(value)));
        assert!(
            matches!(
                error,
                ModelFileError::Model(ModelError::Quantity(QuantError::ParameterOutOfRange { .. }))
            ),
            "{number} {error}"
        );
    }
    // The norm of the rows of the first query projection.
    assert!(matches!(
        refused(&|e| e[ARITHMETIC + 4 * FIRST_ROW_NORM] ^= 1),
        ModelFileError::Model(ModelError::MatrixBounds { .. })
    ));
    // The first scale is NaN. The model has two layers and five stages.
    let first = scales(&small());
    assert!(matches!(
        refused(&|e| e[first..first + 8].copy_from_slice(&f64::NAN.to_le_bytes())),
        ModelFileError::Model(ModelError::Quantity(QuantError::ScaleNotPositive { .. }))
    ));
    // Whether the stream is rotated: after two scales a stage, and those of gate and logits.
    let rotated = first + 8 * (2 * 5 + 2);
    let mut encoding = good.clone();
    encoding[rotated] = 1;
    let model = IntegerModel::from_bytes(&sealed(&encoding)).unwrap();
    assert!(model.scales().rotated);
    assert!(matches!(
        refused(&|e| e[rotated] = 2),
        ModelFileError::PartForm { part: "scales", .. }
    ));
    // The last weight is -2048.
    let end = good.len();
    assert!(matches!(
        refused(&|e| e[end - 2..].copy_from_slice(&(-2048i16).to_le_bytes())),
        ModelFileError::Model(ModelError::WeightOutOfRange { got: -2048, .. })
    ));
    // Another weight, within its range, makes another norm.
    assert!(matches!(
        refused(&|e| {
            let row = e.len() - 2 * 16 * 32..;
            let weights = e[row].chunks_exact_mut(2);
            weights.for_each(|two| two.copy_from_slice(&2i16.to_le_bytes()));
        }),
        ModelFileError::Model(ModelError::MatrixBounds {
            got: MatrixArithmetic { row_norm: 32, .. },
            ..
        })
    ));
}

/// The prefix in an encoding: its tokens, then its keys and values.
#[test]
fn sealed_prefixes() {
    let plain = small();
    let model = with_prefix(&plain, &[5, 1, 31]);
    let good = encoding_of(&model);
    let end = good.len() - after_prefix(&model);
    // Two layers of two heads of eight dimensions; keys and values.
    let entry = 2 * 2 * 2 * 8 * 2;
    let tokens = end - 3 * entry - 3 * 4;
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut encoding = good.clone();
        change(&mut encoding);
        IntegerModel::from_bytes(&sealed(&encoding)).unwrap_err()
    };
    assert_eq!(
        good[tokens - 4..tokens + 12],
        [3, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 31, 0, 0, 0]
    );
    assert!(matches!(
        refused(&|e| e[tokens] = 32),
        ModelFileError::Model(ModelError::UnknownToken {
            index: 0,
            got: 32,
            ..
        })
    ));
    for at in [tokens + 12, end - 2] {
        assert!(matches!(
            refused(&|e| e[at..at + 2].copy_from_slice(&1024i16.to_le_bytes())),
            ModelFileError::Model(ModelError::Attention(_))
        ));
    }
    // More tokens than there are: what follows is taken for them, until nothing is left.
    for count in [4u32, 64, 1 << 20, u32::MAX] {
        let error = refused(&|e| e[tokens - 4..tokens].copy_from_slice(&count.to_le_bytes()));
        assert!(
            matches!(error, ModelFileError::PartTruncated { .. }),
            "{count} {error}"
        );
    }
    // Without its tokens, their cache follows: bytes too many.
    assert!(matches!(
        refused(&|e| e[tokens - 4] = 0),
        ModelFileError::PartsTrailing { .. } | ModelFileError::Model(_)
    ));
    // The same without a prefix.
    let mut without = good.clone();
    without.drain(tokens..end);
    without[tokens - 4] = 0;
    assert_eq!(IntegerModel::from_bytes(&sealed(&without)).unwrap(), plain);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any change of any byte, sealed or not: an error, or the one encoding of another model.
    #[test]
    fn every_byte_is_answered(at in 0usize..1 << 20, value: u8) {
        let mut encoding = encoding();
        let at = at % encoding.len();
        encoding[at] = value;
        let bytes = sealed(&encoding);
        if let Ok(model) = IntegerModel::from_bytes(&bytes) {
            prop_assert_eq!(model.to_bytes(), bytes);
        }
    }
}
