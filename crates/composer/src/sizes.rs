//! Where the bytes of stored proofs are.

use std::io;

use matchmark_verifier::sizes::ProofSizes;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{SegmentFile, SegmentProof, VerifyError};
use serde::Serialize;

/// Sizes of one proof of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredProofSizes {
    /// Sizes of the binary proof.
    #[serde(flatten)]
    pub sizes: ProofSizes,
    /// Bytes that the same proof has as JSON, by the proof library's own serialization: for comparison
    /// with sizes that were published in that form, and for nothing else.
    pub json_bytes: u64,
}

/// Measures the proofs of a segment, in the order of its file. Nothing is verified.
///
/// # Errors
///
/// [`VerifyError`] for a proof that does not have the structure that its statement asks for.
pub fn segment_sizes(file: &SegmentFile) -> Result<Vec<StoredProofSizes>, VerifyError> {
    let structures = ProofStructure::of_statement(file.statement())?;
    let lookup = file.lookup().map(|lookup| lookup.proof());
    structures
        .iter()
        .zip([file.proof()].into_iter().chain(lookup))
        .map(|(structure, bytes)| {
            let proof = SegmentProof::decode(bytes, structure)?;
            Ok(StoredProofSizes {
                json_bytes: json_bytes(&proof),
                sizes: proof.sizes(structure),
            })
        })
        .collect()
}

/// Length of the JSON text, which is not kept.
fn json_bytes(proof: &SegmentProof) -> u64 {
    struct Counter(u64);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // The counter takes everything, and no map of the proof has keys that are not strings.
    let written = serde_json::to_writer(&mut counter, &(&proof.claimed_sums, &proof.stark));
    assert!(written.is_ok(), "a proof is written as JSON");
    counter.0
}
