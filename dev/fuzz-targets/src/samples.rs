//! The committed segments that the targets start from; `fixtures/hostile`.
use std::sync::LazyLock;

use matchmark_statement::AcceptancePolicy;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{SegmentFile, SegmentProof};

/// A valid segment, and everything that follows from its statement.
#[derive(Debug)]
pub struct Sample {
    /// Name of the fixture.
    pub name: &'static str,
    /// The segment file.
    pub bytes: &'static [u8],
    /// The policy that accepts it, as text.
    pub policy_text: &'static str,
    /// The policy that accepts it.
    pub policy: AcceptancePolicy,
    /// The segment, decoded.
    pub file: SegmentFile,
    /// Structures of its proofs.
    pub structures: Vec<ProofStructure>,
}

impl Sample {
    fn new(name: &'static str, bytes: &'static [u8], policy_text: &'static str) -> Self {
        let policy = AcceptancePolicy::from_toml(policy_text).unwrap();
        let file = SegmentFile::decode(bytes).unwrap();
        let structures = ProofStructure::of_statement(file.statement()).unwrap();
        Self {
            name,
            bytes,
            policy_text,
            policy,
            file,
            structures,
        }
    }

    /// The proofs in binary form, in the order of the structures.
    pub fn proofs(&self) -> Vec<&[u8]> {
        let lookup = self.file.lookup().map(|lookup| lookup.proof());
        std::iter::once(self.file.proof()).chain(lookup).collect()
    }

    /// The first proof, decoded.
    pub fn proof(&self) -> SegmentProof {
        SegmentProof::decode(self.file.proof(), &self.structures[0]).unwrap()
    }
}

/// The fused segment.
pub fn fused() -> &'static Sample {
    static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
        Sample::new(
            "narrow",
            include_bytes!("../../../fixtures/hostile/narrow.segment"),
            include_str!("../../../fixtures/hostile/narrow.policy.toml"),
        )
    });
    &SAMPLE
}

/// The split one.
pub fn split() -> &'static Sample {
    static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
        Sample::new(
            "split",
            include_bytes!("../../../fixtures/hostile/split.segment"),
            include_str!("../../../fixtures/hostile/split.policy.toml"),
        )
    });
    &SAMPLE
}

/// A decoder's.
pub fn decoder() -> &'static Sample {
    static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
        Sample::new(
            "decoder",
            include_bytes!("../../../fixtures/hostile/decoder.segment"),
            include_str!("../../../fixtures/hostile/decoder.policy.toml"),
        )
    });
    &SAMPLE
}

/// All of them.
pub fn all() -> [&'static Sample; 3] {
    [fused(), split(), decoder()]
}
