//! The targets.
use std::collections::BTreeMap;

use matchmark_graph::ModelArithmetic;
use matchmark_models::{
    quantize_model, text_sequences, FloatModel, ImportOptions, IntegerModel, QuantizeOptions,
};
use matchmark_quant::ValueBits;
use matchmark_runtime::{quantize_bytes, AttentionTrace};
use matchmark_statement::{
    AcceptancePolicy, LookupStatement, PublicValues, SegmentStatement, TokenId,
};
use matchmark_tables::WeightTable;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{verify_segment, SegmentFile, SegmentProof, VerifyError};

use crate::regrind::{fit, grind};
use crate::samples::{all, fused};

/// A target: what is done with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of the binary in `fuzz/`, and of its folders of seeds and regressions.
    pub name: &'static str,
    /// Panics where a property does not hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub const ALL: [Target; 9] = [
    Target {
        name: "segment_file",
        run: segment_file,
    },
    Target {
        name: "verify",
        run: verify,
    },
    Target {
        name: "proof",
        run: proof,
    },
    Target {
        name: "reground",
        run: reground,
    },
    Target {
        name: "statement",
        run: statement,
    },
    Target {
        name: "policy",
        run: policy,
    },
    Target {
        name: "table",
        run: table,
    },
    Target {
        name: "tensors",
        run: tensors,
    },
    Target {
        name: "import",
        run: import,
    },
];

/// A segment file: what is read is what was written, and so are the proofs in it, whatever structure
/// the statement asks for.
pub fn segment_file(bytes: &[u8]) {
    let Ok(file) = SegmentFile::decode(bytes) else {
        return;
    };
    assert!(file.encode().unwrap() == bytes, "a file has one encoding");
    check_statement(file.statement());
    check_values(file.public_values(), file.statement());
    let Ok(structures) = ProofStructure::of_statement(file.statement()) else {
        return;
    };
    let lookup = file.lookup().map(|lookup| lookup.proof());
    for (structure, bytes) in structures
        .iter()
        .zip(Some(file.proof()).into_iter().chain(lookup))
    {
        check_proof(bytes, structure);
    }
}

/// A whole segment against fixed policies: nothing is accepted but the segments that they are for.
pub fn verify(bytes: &[u8]) {
    let Ok(file) = SegmentFile::decode(bytes) else {
        return;
    };
    for sample in all() {
        match verify_segment(&file, &sample.policy) {
            Ok(_) => assert!(bytes == sample.bytes, "{}: accepted", sample.name),
            Err(error) => check_typed(&error),
        }
    }
}

/// A proof, read by the structure of a committed one; the first byte says which.
pub fn proof(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let structures: Vec<&ProofStructure> = all().iter().flat_map(|it| &it.structures).collect();
    check_proof(bytes, structures[usize::from(*which) % structures.len()]);
}

/// Edits of the fused proof that leave it well-formed, ground again: what the proof library sees is
/// nonsense of the right lengths. Each edit is eight bytes, a place and a word.
pub fn reground(bytes: &[u8]) {
    let sample = fused();
    let (statement, structure) = (sample.file.statement(), &sample.structures[0]);
    let mut edited = sample.file.proof().to_vec();
    let mut proof = sample.proof();
    for edit in bytes.chunks_exact(8).take(MAX_EDITS) {
        let (place, word) = edit.split_at(4);
        let place = u32::from_le_bytes([place[0], place[1], place[2], place[3]]) as usize;
        let place = place % (edited.len() - 3);
        let before = edited.clone();
        edited[place..place + 4].copy_from_slice(word);
        match SegmentProof::decode(&edited, structure) {
            Ok(decoded) => proof = decoded,
            Err(_) => edited = before,
        }
    }
    let nonce = proof.stark.proof_of_work;
    let positions = grind(statement, structure, &mut proof, nonce);
    fit(structure, &mut proof, &positions);
    let encoded = proof.encode(structure).unwrap();
    let is_own = encoded == sample.file.proof();
    let values = sample.file.public_values().clone();
    let file = SegmentFile::new(statement.clone(), values, encoded);
    match verify_segment(&file, &sample.policy) {
        Ok(_) => assert!(is_own, "accepted"),
        Err(error) => {
            assert!(!is_own, "the sample is refused: {error}");
            check_typed(&error);
        }
    }
}

/// Edits of one input of [`reground`] that are carried out.
const MAX_EDITS: usize = 16;

/// A statement: one encoding, and counts for every shape.
pub fn statement(bytes: &[u8]) {
    let Ok(statement) = SegmentStatement::decode(bytes) else {
        return;
    };
    assert!(statement.encode() == bytes, "a statement has one encoding");
    check_statement(&statement);
}

/// A policy: what is written of it reads back as the same.
pub fn policy(bytes: &[u8]) {
    let Some(policy) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| AcceptancePolicy::from_toml(text).ok())
    else {
        return;
    };
    let again = AcceptancePolicy::from_toml(&policy.to_toml()).unwrap();
    assert_eq!(policy, again);
    assert_eq!(policy.id(), again.id());
    for sample in all() {
        if verify_segment(&sample.file, &policy).is_ok() {
            assert_eq!(policy.first_state(), sample.policy.first_state());
            assert_eq!(policy.terms().shape, sample.policy.terms().shape);
            assert_eq!(policy.terms().table, sample.policy.terms().table);
        }
    }
}

/// A table's text: what is written of it reads back as the same.
pub fn table(bytes: &[u8]) {
    let Some(table) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| WeightTable::parse(text).ok())
    else {
        return;
    };
    let again = WeightTable::parse(&table.to_text()).unwrap();
    assert_eq!(table, again);
    assert_eq!(table.id(), again.id());
    assert!(table.entries()[0] > 0 && table.entries().len() == table.bounds().len as usize);
}

/// A safetensors file, as a trace and as float tensors to be quantized; the first byte says how.
pub fn tensors(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else {
        return;
    };
    if let Ok(trace) = AttentionTrace::decode(bytes.to_vec()) {
        check_trace(&trace);
    }
    let (prefix, bits) = (usize::from(how >> 4), 4 + how % 9);
    let bits = ValueBits::new(bits).unwrap();
    if let Ok((trace, report)) = quantize_bytes(bytes.to_vec(), prefix, bits) {
        check_trace(&trace);
        let distances = [Some(report.against_exact), report.against_output];
        for distance in distances.into_iter().flatten() {
            let figures = [distance.max_abs, distance.mean_abs, distance.relative_l2];
            assert!(figures.into_iter().all(f64::is_finite), "{report}");
        }
        // What it says to people.
        let _ = report.to_string();
    }
}

/// The files of a model's folder: the lengths of `config.json` and `tokenizer.json` in four bytes each, these,
/// and `model.safetensors`. With [`SHARDED`] in the first length, an index and two files of weights follow
/// instead, all but the last after their length. Or the bytes of a GGUF file, which begin as such a file does.
/// What is read is quantized, and the model's file reads back.
pub fn import(bytes: &[u8]) {
    let Some(model) = imported(bytes) else {
        return;
    };
    let bytes = model.to_bytes();
    let again = IntegerModel::from_bytes(&bytes).unwrap();
    assert_eq!(model, again);
    assert!(again.to_bytes() == bytes, "equal models, equal bytes");
}

/// The quantized model of an input of [`import`], if the input is one and the model small.
pub fn imported(bytes: &[u8]) -> Option<IntegerModel> {
    let float = if bytes.starts_with(b"GGUF") {
        FloatModel::from_gguf(bytes.to_vec(), ImportOptions::default())
    } else {
        FloatModel::from_files(&folder(bytes)?)
    };
    let float = float.ok()?;
    if float.shape.weights() > 4096 || float.shape.positions() > 64 {
        return None;
    }
    let sequences = text_sequences(&float.tokenizer, "aaa\naa", float.shape.positions()).ok()?;
    let bits = ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS).unwrap();
    let (model, report) = quantize_model(&float, &sequences, &QuantizeOptions::new(bits)).ok()?;
    // What it says to people.
    let _ = report.to_string();
    Some(model)
}

/// In the first length of an input of [`import`]: the weights are in two files.
pub const SHARDED: u32 = 1 << 31;
/// Names of both.
pub const SHARDS: [&str; 2] = ["a.safetensors", "b.safetensors"];

/// The files of an input of [`import`].
fn folder(bytes: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut rest = bytes;
    let first = word(&mut rest)?;
    let second = word(&mut rest)?;
    let mut files = vec![
        ("config.json", part(&mut rest, first & !SHARDED)?),
        ("tokenizer.json", part(&mut rest, second)?),
    ];
    if first & SHARDED == 0 {
        files.push(("model.safetensors", rest));
    } else {
        for name in ["model.safetensors.index.json", SHARDS[0]] {
            let length = word(&mut rest)?;
            files.push((name, part(&mut rest, length)?));
        }
        files.push((SHARDS[1], rest));
    }
    let owned = |(name, bytes): (&str, &[u8])| (name.to_owned(), bytes.to_vec());
    Some(files.into_iter().map(owned).collect())
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    let (word, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*word))
}

fn part<'a>(rest: &mut &'a [u8], length: u32) -> Option<&'a [u8]> {
    let (part, after) = rest.split_at_checked(length as usize)?;
    *rest = after;
    Some(part)
}

fn check_trace(trace: &AttentionTrace) {
    let encoded = trace.encode().unwrap();
    let again = AttentionTrace::decode(encoded.clone()).unwrap();
    assert_eq!(*trace, again);
    assert!(
        again.encode().unwrap() == encoded,
        "equal traces, equal bytes"
    );
}

fn check_statement(statement: &SegmentStatement) {
    let again = SegmentStatement::decode(&statement.encode()).unwrap();
    assert_eq!(*statement, again);
    assert_eq!(statement.digest(), again.digest());
    if let Ok(lookup) = LookupStatement::new(statement.clone()) {
        assert_ne!(lookup.digest(), statement.digest());
    }
    for sample in all() {
        // A policy has an answer to every statement.
        let _ = sample.policy.check_segment(statement);
    }
    if let Ok(structures) = ProofStructure::of_statement(statement) {
        for structure in structures {
            assert!(structure.lifting_log_size() < 31, "a domain of the circle");
        }
    }
}

fn check_values(values: &PublicValues, statement: &SegmentStatement) {
    assert_eq!(values.encode().len(), statement.public_values_len());
    assert_eq!(values.kind(), statement.kind());
    match values {
        PublicValues::Attention(values) => {
            let limit = statement.quantization().value_bits().max_value();
            let all = [values.q(), values.k(), values.v(), values.out()];
            assert!(all
                .into_iter()
                .flatten()
                .all(|x| i32::from(*x).abs() <= limit));
        }
        PublicValues::Tokens(values) => {
            let vocabulary = statement.decoder().unwrap().shape.vocabulary();
            let all = [values.consumed(), values.chosen()];
            let below = |token: &TokenId| (token.get() as usize) < vocabulary;
            assert!(all.into_iter().flatten().all(below));
        }
    }
}

fn check_proof(bytes: &[u8], structure: &ProofStructure) {
    match SegmentProof::decode(bytes, structure) {
        Ok(proof) => {
            assert!(
                proof.encode(structure).unwrap() == bytes,
                "a proof has one encoding"
            );
            assert_eq!(proof.sizes(structure).bytes, bytes.len());
        }
        Err(error) => check_typed(&error),
    }
}

/// No refusal is one that stands for whatever a library says.
fn check_typed(error: &VerifyError) {
    match error {
        VerifyError::Lookup(source) => check_typed(source),
        VerifyError::Proof(_) => panic!("untyped: {error}"),
        _ => {}
    }
}
