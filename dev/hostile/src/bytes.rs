//! The bytes of a segment file: where every field of the proof stands, and attempts to have changed
//! bytes accepted.
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use matchmark_air::hash::DIGEST_BYTES;
use matchmark_statement::AcceptancePolicy;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{verify_segment, SegmentFile, SegmentProof, VerifyError};

use super::cases::Case;
use super::proving::{honest, Claim};

/// Bytes before the statement: magic, version, five lengths.
pub const HEADER: usize = 30;

/// A valid segment and everything that is known about it.
pub struct Sample {
    pub claim: Claim,
    pub policy: AcceptancePolicy,
    pub structure: ProofStructure,
    pub file: SegmentFile,
    pub bytes: Vec<u8>,
}

impl Sample {
    pub fn new(case: &Arc<Case>, seed: u64) -> Self {
        let (claim, forged) = honest(case, seed);
        let file = claim.prove(&forged).unwrap().file;
        let policy = claim.policy();
        let structure = ProofStructure::new(&case.layout, case.terms.security).unwrap();
        let bytes = file.encode().unwrap();
        let sample = Self {
            claim,
            policy,
            structure,
            file,
            bytes,
        };
        assert_eq!(
            attempt(&sample.bytes, &sample.policy),
            Ok(()),
            "the sample is valid"
        );
        sample
    }

    /// Statement, public values and proof within the bytes.
    pub fn sections(&self) -> [Range<usize>; 3] {
        let statement = HEADER + self.file.statement().encode().len();
        let public = statement + self.file.public_values().encode().len();
        [
            HEADER..statement,
            statement..public,
            public..self.bytes.len(),
        ]
    }

    pub fn proof(&self) -> SegmentProof {
        SegmentProof::decode(self.file.proof(), &self.structure).unwrap()
    }

    /// The file with another proof.
    pub fn with_proof(&self, proof: Vec<u8>) -> Vec<u8> {
        let statement = self.file.statement().clone();
        let values = self.file.public_values().clone();
        SegmentFile::new(statement, values, proof).encode().unwrap()
    }

    pub fn attempt_proof(&self, proof: Vec<u8>) -> Result<(), VerifyError> {
        attempt(&self.with_proof(proof), &self.policy)
    }
}

/// Reads and verifies; a panic is a failure of the test, with the reason.
pub fn attempt(bytes: &[u8], policy: &AcceptancePolicy) -> Result<(), VerifyError> {
    let verify = || SegmentFile::decode(bytes).and_then(|file| verify_segment(&file, policy));
    match catch_unwind(AssertUnwindSafe(verify)) {
        Ok(result) => result.map(|_| ()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panic!("the verifier panicked: {}", text.unwrap_or_default());
        }
    }
}

/// Name of an error's variant.
pub fn class(error: &VerifyError) -> String {
    let text = format!("{error:?}");
    let end = text.find([' ', '(', '{']).unwrap_or(text.len());
    text[..end].to_owned()
}

/// Counts refusals by variant; nothing is accepted, and nothing is refused without a variant of its
/// own.
#[derive(Default, Debug)]
pub struct Tally(pub BTreeMap<String, usize>);

impl Tally {
    pub fn refuse(
        &mut self,
        what: impl FnOnce() -> String,
        result: Result<(), VerifyError>,
    ) -> String {
        let Err(error) = result else {
            panic!("accepted: {}", what());
        };
        let class = class(&error);
        assert_ne!(class, "Proof", "{}: untyped: {error}", what());
        *self.0.entry(class.clone()).or_default() += 1;
        class
    }

    pub fn attempts(&self) -> usize {
        self.0.values().sum()
    }
}

/// What stands at a place of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Field elements of four bytes.
    Elements,
    Digests,
    /// A count of two bytes.
    Count,
    Nonce,
}

/// A part of a proof's bytes.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub range: Range<usize>,
}

/// The parts of a valid proof, one after the other.
pub fn fields(proof: &SegmentProof, structure: &ProofStructure) -> Vec<Field> {
    let mut fields = vec![];
    let mut at = 0;
    let mut push = |name: String, kind: Kind, len: usize| {
        fields.push(Field {
            name,
            kind,
            range: at..at + len,
        });
        at += len;
    };
    let stark = &proof.stark;
    push(
        "claimed sums".into(),
        Kind::Elements,
        16 * proof.claimed_sums.len(),
    );
    for tree in 0..stark.commitments.len() {
        push(format!("commitment {tree}"), Kind::Digests, DIGEST_BYTES);
    }
    for (tree, samples) in structure.samples().iter().enumerate() {
        let samples: usize = samples.iter().sum();
        push(
            format!("samples of tree {tree}"),
            Kind::Elements,
            16 * samples,
        );
    }
    push("query count".into(), Kind::Count, 2);
    for (tree, columns) in stark.queried_values.iter().enumerate() {
        let values: usize = columns.iter().map(Vec::len).sum();
        push(
            format!("queried values of tree {tree}"),
            Kind::Elements,
            4 * values,
        );
    }
    for (tree, path) in stark.decommitments.iter().enumerate() {
        push(format!("path count of tree {tree}"), Kind::Count, 2);
        push(
            format!("paths of tree {tree}"),
            Kind::Digests,
            DIGEST_BYTES * path.hash_witness.len(),
        );
    }
    push("nonce count".into(), Kind::Count, 2);
    for nonce in 0..proof.nonces.len() {
        push(format!("nonce {nonce}"), Kind::Nonce, 8);
    }
    push("nonce of queries".into(), Kind::Nonce, 8);
    let fri = &stark.fri_proof;
    for (index, layer) in std::iter::once(&fri.first_layer)
        .chain(&fri.inner_layers)
        .enumerate()
    {
        push(
            format!("commitment of layer {index}"),
            Kind::Digests,
            DIGEST_BYTES,
        );
        push(format!("value count of layer {index}"), Kind::Count, 2);
        push(
            format!("values of layer {index}"),
            Kind::Elements,
            16 * layer.fri_witness.len(),
        );
        push(format!("path count of layer {index}"), Kind::Count, 2);
        let nodes = layer.decommitment.hash_witness.len();
        push(
            format!("paths of layer {index}"),
            Kind::Digests,
            DIGEST_BYTES * nodes,
        );
    }
    push(
        "last layer".into(),
        Kind::Elements,
        16 * fri.last_layer_poly.len(),
    );
    fields
}
