//! Test vectors for other verifiers: a valid segment, its policy, and edits that make it invalid, in the
//! manner of Wycheproof. The format is described in `fixtures/hostile/README.md`.
use std::fs;
use std::io;
use std::sync::Arc;

use camino::Utf8Path;
use matchmark_quant::MODULUS;
use matchmark_verifier::{verify_segment, SegmentFile, VerifyError};
use serde::Serialize;

use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::SegmentProof;

use super::bytes::{fields, Field, Kind, Sample, HEADER};
use super::cases::{narrow, split_narrow, Case};
use super::decoder::cases::first;
use super::functions;
use super::report::error_name;

/// Version of the format.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Vectors {
    schema: u32,
    segment: String,
    policy: String,
    tests: Vec<Vector>,
}

#[derive(Serialize)]
struct Vector {
    id: usize,
    comment: String,
    flags: Vec<&'static str>,
    edit: Edit,
    result: &'static str,
    error: Option<String>,
}

/// `remove` bytes at `at` give way to `insert`.
#[derive(Clone, Serialize)]
struct Edit {
    at: usize,
    remove: usize,
    insert: String,
}

impl Edit {
    fn new(at: usize, remove: usize, insert: &[u8]) -> Self {
        let insert = insert.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { at, remove, insert }
    }
}

struct Writer {
    sample: Sample,
    tests: Vec<Vector>,
}

impl Writer {
    fn add(
        &mut self,
        comment: impl Into<String>,
        flag: &'static str,
        at: usize,
        remove: usize,
        insert: &[u8],
    ) {
        let mut bytes = self.sample.bytes.clone();
        drop(bytes.splice(at..at + remove, insert.iter().copied()));
        let verify = || -> Result<(), VerifyError> {
            verify_segment(&SegmentFile::decode(&bytes)?, &self.sample.policy).map(|_| ())
        };
        let error = verify().err().map(|error| error_name(&error));
        let is_valid = bytes == self.sample.bytes;
        if is_valid && !self.tests.is_empty() {
            return;
        }
        assert_eq!(is_valid, error.is_none(), "the vector says what is true");
        self.tests.push(Vector {
            id: self.tests.len() + 1,
            comment: comment.into(),
            flags: if flag.is_empty() { vec![] } else { vec![flag] },
            edit: Edit::new(at, remove, insert),
            result: if is_valid { "valid" } else { "invalid" },
            error,
        });
    }

    /// One bit flipped.
    fn flip(&mut self, comment: impl Into<String>, flag: &'static str, at: usize, bit: u8) {
        let flipped = self.sample.bytes[at] ^ (1 << bit);
        self.add(comment, flag, at, 1, &[flipped]);
    }
}

/// Writes segments, policies and vectors into a directory.
///
/// # Errors
/// A file that cannot be written.
pub fn write(directory: &Utf8Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let cases = [narrow().case(), split_narrow().case(), first().case()];
    let [fused, split, decoder] = &cases;
    write_of(directory, fused, ["narrow", "segment"], vectors)?;
    write_of(directory, split, ["split", "split"], split_vectors)?;
    write_of(directory, decoder, ["decoder", "decoder"], vectors)?;
    write_functions(directory)
}

/// Chains by other functions in the name of the honest model, with the key that refuses their policies.
#[derive(Serialize)]
struct Functions {
    schema: u32,
    key: &'static str,
    tests: Vec<FunctionVector>,
}

#[derive(Serialize)]
struct FunctionVector {
    id: usize,
    comment: &'static str,
    segment: String,
    policy: String,
    /// Whether the key accepts the policy.
    result: &'static str,
    /// In which field the policy is not the key's.
    field: Option<&'static str>,
}

/// The file of the key.
const KEY: &str = "functions.key";

fn write_functions(directory: &Utf8Path) -> io::Result<()> {
    let key = functions::key().to_bytes().map_err(io::Error::other)?;
    fs::write(directory.join(KEY), key)?;
    let mut tests = vec![];
    for story in std::iter::once(functions::honest()).chain(functions::audited()) {
        let id = tests.len() + 1;
        let [segment, policy] = ["segment", "policy.toml"].map(|it| format!("function-{id}.{it}"));
        let bytes = story.file.encode().map_err(io::Error::other)?;
        fs::write(directory.join(&segment), bytes)?;
        fs::write(directory.join(&policy), story.policy.to_toml())?;
        tests.push(FunctionVector {
            id,
            comment: story.name,
            segment,
            policy,
            result: if story.field.is_none() {
                "valid"
            } else {
                "invalid"
            },
            field: story.field,
        });
    }
    let vectors = Functions {
        schema: SCHEMA,
        key: KEY,
        tests,
    };
    let text = serde_json::to_string_pretty(&vectors)? + "\n";
    fs::write(directory.join("functions.json"), text)
}

/// Writes one segment with its policy and vectors; `names` are those of the segment and of the list.
fn write_of(
    directory: &Utf8Path,
    case: &Arc<Case>,
    names: [&str; 2],
    vectors: fn(&mut Writer),
) -> io::Result<()> {
    let mut writer = Writer {
        sample: Sample::new(case, 1),
        tests: vec![],
    };
    vectors(&mut writer);
    let Writer { sample, tests } = writer;
    let [name, list] = names;
    let vectors = Vectors {
        schema: SCHEMA,
        segment: format!("{name}.segment"),
        policy: format!("{name}.policy.toml"),
        tests,
    };
    fs::write(directory.join(&vectors.segment), &sample.bytes)?;
    fs::write(directory.join(&vectors.policy), sample.policy.to_toml())?;
    let text = serde_json::to_string_pretty(&vectors)? + "\n";
    fs::write(directory.join(format!("{list}.json")), text)
}

fn vectors(writer: &mut Writer) {
    let [statement, public, proof] = writer.sample.sections();
    let end = writer.sample.bytes.len();
    writer.add("the segment as it is", "", 0, 0, &[]);
    for (at, comment) in [
        (0, "first byte of the magic"),
        (7, "last byte of the magic"),
    ] {
        writer.flip(comment, "Magic", at, 5);
    }
    for version in [0_u16, 1, 3, u16::MAX] {
        let comment = format!("format version {version}");
        writer.add(comment, "FormatVersion", 8, 2, &version.to_le_bytes());
    }
    lengths(writer);
    let ends = [statement.end, public.end, proof.end - 1];
    truncations(
        writer,
        [0, 1, 8, HEADER - 1, HEADER].into_iter().chain(ends),
    );
    writer.add("one byte more", "TrailingBytes", end, 0, &[0]);
    for at in statement {
        writer.flip(format!("byte {at}, in the statement"), "Statement", at, 0);
    }
    for at in public.step_by(3) {
        writer.flip(
            format!("byte {at}, in the public values"),
            "PublicValues",
            at,
            1,
        );
    }
    let parts = fields(&writer.sample.proof(), &writer.sample.structure);
    proof_parts(writer, proof.start, &parts, "");
}

/// What a split segment has and a fused one has not: a lookup statement, a second proof, pairs.
fn split_vectors(writer: &mut Writer) {
    let file = &writer.sample.file;
    let arithmetic = writer.sample.sections()[2].start;
    let statement = arithmetic + file.proof().len();
    let lookup = file.lookup().unwrap();
    let proof = statement + lookup.statement().segment().encode().len();
    let case = &writer.sample.claim.case;
    let structure = ProofStructure::all(&case.layout, case.terms.security)
        .unwrap()
        .remove(1);
    let decoded = SegmentProof::decode(lookup.proof(), &structure).unwrap();
    let lookup_parts = fields(&decoded, &structure);
    let parts = fields(&writer.sample.proof(), &writer.sample.structure);
    let end = writer.sample.bytes.len();
    writer.add("the segment as it is", "", 0, 0, &[]);
    lengths(writer);
    truncations(writer, [arithmetic, statement, proof, end - 1].into_iter());
    writer.add("one byte more", "TrailingBytes", end, 0, &[0]);
    for at in (statement..proof).step_by(3) {
        let comment = format!("byte {at}, in the lookup statement");
        writer.flip(comment, "Statement", at, 0);
    }
    proof_parts(writer, arithmetic, &parts, "arithmetic proof: ");
    proof_parts(writer, proof, &lookup_parts, "lookup proof: ");
}

/// Every length field of the header claims something else.
fn lengths(writer: &mut Writer) {
    for field in 0..5 {
        for length in [0_u32, 1, 1 << 31, u32::MAX] {
            let at = 10 + 4 * field;
            if writer.sample.bytes[at..at + 4] != length.to_le_bytes() {
                let comment = format!("length {field} is {length}");
                writer.add(comment, "Length", at, 4, &length.to_le_bytes());
            }
        }
    }
}

fn truncations(writer: &mut Writer, lengths: impl Iterator<Item = usize>) {
    let end = writer.sample.bytes.len();
    for len in lengths {
        let comment = format!("cut off after {len} bytes");
        writer.add(comment, "Truncated", len, end - len, &[]);
    }
}

/// Every part of a proof that begins at `start`.
fn proof_parts(writer: &mut Writer, start: usize, parts: &[Field], which: &str) {
    for part in parts.iter().filter(|part| !part.range.is_empty()) {
        let at = start + part.range.start;
        let name = &format!("{which}{}", part.name);
        match part.kind {
            Kind::Elements => {
                let own: [u8; 4] = writer.sample.bytes[at..at + 4].try_into().unwrap();
                let own = u32::from_le_bytes(own);
                let same = (own + MODULUS).to_le_bytes();
                writer.add(
                    format!("first element of the {name} written as itself plus the modulus"),
                    "NonCanonical",
                    at,
                    4,
                    &same,
                );
                let next = (own + 1) % MODULUS;
                writer.add(
                    format!("first element of the {name} one more"),
                    "Proof",
                    at,
                    4,
                    &next.to_le_bytes(),
                );
            }
            Kind::Digests => {
                writer.flip(format!("a bit of the first of the {name}"), "Proof", at, 3);
            }
            Kind::Count => {
                writer.add(format!("{name} of 65,535"), "Length", at, 2, &[0xff, 0xff]);
                writer.add(format!("{name} of 0"), "Length", at, 2, &[0, 0]);
            }
            Kind::Nonce => writer.flip(name.clone(), "Proof", at, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is committed is what this would write.
    #[test]
    fn committed_vectors_are_current() {
        let committed = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile");
        let directory = tempfile::tempdir().unwrap();
        let written = Utf8Path::from_path(directory.path()).unwrap();
        write(written).unwrap();
        let names = fs::read_dir(written).unwrap();
        let names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.len() > 20, "{names:?}");
        for name in &names {
            let (expected, got) = (fs::read(written.join(name)), fs::read(committed.join(name)));
            assert!(
                expected.unwrap() == got.unwrap(),
                "{name} is not current: cargo run --release -p matchmark-hostile -- write-vectors fixtures/hostile"
            );
        }
    }
}
