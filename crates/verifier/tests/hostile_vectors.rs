//! The vectors of `fixtures/hostile`, read as another verifier would read them.
#![allow(clippy::unwrap_used)]

mod common;

use common::fixture;
use matchmark_statement::AcceptancePolicy;
use matchmark_verifier::{verify_segment, KeyError, ModelKey, SegmentFile, VerifyError};
use serde_json::Value;

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The variant of an error, without what it holds; an error that another wraps behind a stroke.
fn variant(error: &VerifyError) -> String {
    if let VerifyError::Lookup(source) = error {
        return format!("Lookup/{}", variant(source));
    }
    let text = format!("{error:?}");
    let end = text.find(|c: char| !c.is_ascii_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

#[test]
fn every_vector_of_the_fused_segment_comes_out_as_it_says() {
    check("segment.json", 400);
}

#[test]
fn every_vector_of_the_split_segment_comes_out_as_it_says() {
    check("split.json", 200);
}

#[test]
fn every_vector_of_the_decoder_segment_comes_out_as_it_says() {
    check("decoder.json", 400);
}

/// Chains that are valid under the policies of their provers, and not what the key is for.
#[test]
fn another_function_is_not_the_keys() {
    let vectors: Value = serde_json::from_slice(&fixture("functions.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let key = ModelKey::from_bytes(&fixture(&text(&vectors["key"]))).unwrap();
    let read = |test: &Value| {
        let policy = fixture(&text(&test["policy"]));
        let policy = AcceptancePolicy::from_toml(std::str::from_utf8(&policy).unwrap()).unwrap();
        let file = SegmentFile::decode(&fixture(&text(&test["segment"]))).unwrap();
        (policy, file)
    };
    let tests = vectors["tests"].as_array().unwrap();
    let (honest, _) = read(&tests[0]);
    assert_eq!(
        (tests.len(), text(&tests[0]["result"])),
        (8, "valid".to_owned())
    );
    let mut told = Vec::new();
    for test in tests {
        let (policy, file) = read(test);
        verify_segment(&file, &policy).expect("valid under its own policy");
        told.push(file.public_values().encode());
        match (text(&test["result"]).as_str(), key.check_policy(&policy)) {
            ("valid", Ok(())) => {}
            ("invalid", Err(KeyError::OtherPolicy { field, .. })) => {
                assert_eq!(test["field"], field, "{test}");
                let refused = verify_segment(&file, &honest).unwrap_err();
                assert_eq!(variant(&refused), "Policy", "{test}");
            }
            (_, other) => panic!("{test}: {other:?}"),
        }
    }
    assert!(told[1..].iter().all(|it| *it != told[0]), "other stories");
}

fn check(list: &str, least: usize) {
    let vectors: Value = serde_json::from_slice(&fixture(list)).unwrap();
    assert_eq!(vectors["schema"], 1);
    let segment = fixture(vectors["segment"].as_str().unwrap());
    let policy = fixture(vectors["policy"].as_str().unwrap());
    let policy = AcceptancePolicy::from_toml(std::str::from_utf8(&policy).unwrap()).unwrap();
    let tests = vectors["tests"].as_array().unwrap();
    assert!(tests.len() > least, "{}", tests.len());
    let mut valid = 0;
    for test in tests {
        let edit = &test["edit"];
        let number = |name: &str| usize::try_from(edit[name].as_u64().unwrap()).unwrap();
        let (at, remove) = (number("at"), number("remove"));
        let mut bytes = segment.clone();
        let insert = from_hex(edit["insert"].as_str().unwrap());
        drop(bytes.splice(at..at + remove, insert));
        let verified = SegmentFile::decode(&bytes).and_then(|file| verify_segment(&file, &policy));
        match (test["result"].as_str().unwrap(), verified) {
            ("valid", Ok(_)) => valid += 1,
            ("invalid", Err(error)) => {
                let (expected, got) = (test["error"].as_str().unwrap(), variant(&error));
                // What else an error wraps is of another crate, and not looked at.
                let same = got == expected || expected.starts_with(&format!("{got}/"));
                assert!(same, "{test}: {got}");
            }
            (_, verified) => panic!("{test}: {:?}", verified.err()),
        }
    }
    assert_eq!(valid, 1, "the segment as it is");
}
