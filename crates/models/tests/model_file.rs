//! Model files: one encoding for each model, and a typed error for everything else.
#![allow(clippy::unwrap_used)]

mod common;

use common::folder::Folder;
use common::{model, SMALL};
use matchmark_models::quant::{QuantError, ValueBits};
use matchmark_models::{
    quantize_model, Evaluator, IntegerModel, ModelError, ModelFileError, Operation, TokenizerError,
};
use matchmark_quant::TaggedSha256;
use proptest::prelude::*;
use serde_json::{json, Value};

const HEADER: usize = 28;

fn small() -> IntegerModel {
    model(SMALL, 11, 1)
}

/// A file whose identity is that of its changed content: past the check of the digest.
fn sealed(encoding: &[u8]) -> Vec<u8> {
    let identity = TaggedSha256::new("matchmark/model/v1")
        .chain(encoding)
        .finish();
    let mut bytes = b"matchmark model\n".to_vec();
    bytes.extend(1u32.to_le_bytes());
    bytes.extend((encoding.len() as u64).to_le_bytes());
    bytes.extend(encoding);
    bytes.extend(identity);
    bytes
}

fn encoding() -> Vec<u8> {
    let bytes = small().to_bytes();
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
    for at in (HEADER..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        let result = edited(at);
        assert!(
            matches!(result, Err(ModelFileError::IdentityMismatch { .. })),
            "{at}"
        );
    }
}

/// How digits are cut is part of a model: in its file, its identity and that of its tokenizer.
#[test]
fn digits_by_themselves() {
    let of = |folder: &Folder| {
        let bits = ValueBits::new(11).unwrap();
        let float = folder.read().unwrap();
        quantize_model(&float, &[vec![0, 2, 3]], bits).unwrap().0
    };
    let mut folder = Folder::new();
    let plain = of(&folder);
    let level = folder.tokenizer["pre_tokenizer"].take();
    let digits = json!({"type": "Digits", "individual_digits": true});
    folder.tokenizer["pre_tokenizer"] =
        json!({"type": "Sequence", "pretokenizers": [digits, level]});
    let model = of(&folder);
    let loaded = IntegerModel::from_bytes(&model.to_bytes()).unwrap();
    assert_eq!(loaded, model);
    assert!(loaded.tokenizer().parts().individual_digits);
    assert_ne!(model.identity(), plain.identity());
    assert_ne!(model.tokenizer().identity(), plain.tokenizer().identity());
    // One bit of one byte, that before the begin token; no other bit of it is known, and of the byte before
    // the end token another one.
    let (one, two) = (model.to_bytes(), plain.to_bytes());
    let end = one.len() - 32;
    let at = (0..end).find(|&at| one[at] != two[at]).unwrap();
    assert_eq!((one[at], two[at]), (3, 1));
    assert_eq!(one[at + 1..end], two[at + 1..end]);
    for (at, flags) in [(at, 4), (at, 7), (at + 5, 2), (at + 5, 9)] {
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
        quantize_model(&folder.read().unwrap(), &[vec![0, 2, 3]], bits)
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
    let (tokens, bits) = (vec![0, 2, 3], ValueBits::new(11).unwrap());
    let (model, _) = quantize_model(&float, std::slice::from_ref(&tokens), bits).unwrap();
    let bytes = model.to_bytes();
    let mut encoding = bytes[HEADER..bytes.len() - 32].to_vec();
    // The scale of the embedding.
    encoding[55..63].copy_from_slice(&1e300f64.to_le_bytes());
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
        ModelFileError::PartTruncated {
            part: "output head"
        }
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
    // 13 bits; a shift of 0; an exponent of 9.
    for (at, value) in [(32, 13), (33, 0), (54, 9)] {
        assert!(matches!(
            refused(&|e| e[at] = value),
            ModelFileError::Model(ModelError::Quantity(QuantError::ParameterOutOfRange { .. }))
        ));
    }
    // The first scale is NaN.
    assert!(matches!(
        refused(&|e| e[55..63].copy_from_slice(&f64::NAN.to_le_bytes())),
        ModelFileError::Model(ModelError::Quantity(QuantError::ScaleNotPositive { .. }))
    ));
    // The last mantissa is -128.
    assert!(matches!(
        refused(&|e| *e.last_mut().unwrap() = 0x80),
        ModelFileError::Model(ModelError::MantissaOutOfRange { got: -128, .. })
    ));
    // The exponents of the head stand before its mantissas.
    let at = good.len() - 32 * 16 - 1;
    assert!(matches!(
        refused(&|e| e[at] = 4),
        ModelFileError::Model(ModelError::WeightExponent { got: 4, .. })
    ));
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
