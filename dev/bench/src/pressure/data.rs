//! What is measured: configurations and samples.

use serde::{Deserialize, Serialize};

/// A workload and its segments: what is proven, apart from level and cut.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shape {
    /// Query heads.
    pub heads: u32,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Entries of a head's vector.
    pub head_dim: u32,
    /// Cached entries before the first step.
    pub prefix: u32,
    /// Steps of the chain.
    pub steps: u32,
    /// Steps of a segment; `steps` for a chain of one segment.
    pub segment_steps: u32,
    /// Table, rounding and score step.
    pub rules: Rules,
}

/// Table, rounding and score step of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// What `matchmark prove` takes without being told: 256 weights, rounding to nearest.
    Default,
    /// The published table's: nine weights, floor division, one unit of score an index.
    Essay,
}

/// Security levels of the report, the one that figures are about first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// 100 bits, conjectured.
    #[serde(rename = "conjectured-100")]
    Conjectured100,
    /// 100 proven bits.
    #[serde(rename = "proven-100")]
    Proven100,
    /// 13 bits: the published parameters, for comparison alone.
    #[serde(rename = "insecure-13")]
    Insecure13,
}

/// One proof a segment, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// One proof.
    Fused,
    /// An arithmetic and a lookup proof.
    Split,
}

/// What is measured: one configuration of the report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Configuration {
    /// The workload.
    pub shape: Shape,
    /// The security level, always with the profile `compact`.
    pub level: Level,
    /// Fused or split.
    pub cut: Cut,
}

/// One chain, proven and verified once, in processes of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The verifier's nonce, which sets the query positions.
    pub nonce: String,
    /// Digest of the relation that was proven.
    pub relation_digest: String,
    /// CPU-seconds of the proving process in user mode.
    pub user_seconds: f64,
    /// CPU-seconds of the system on its behalf.
    pub system_seconds: f64,
    /// Elapsed seconds of the same.
    pub wall_seconds: f64,
    /// Peak resident memory of the proving process, in bytes.
    pub peak_memory_bytes: f64,
    /// Milliseconds of verifying the whole chain; the median of a few runs.
    pub verify_ms: f64,
    /// Bytes of all proofs of the chain.
    pub proof_bytes: u64,
    /// Length of the same proofs as the library's JSON.
    pub json_bytes: u64,
    /// The sizes of each kind of proof, summed over the segments: one entry if fused, arithmetic and
    /// lookup if split.
    pub proofs: Vec<ProofSizes>,
}

impl Sample {
    /// CPU-seconds of both kinds.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

/// Sizes of one kind of proof, summed over the segments of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofSizes {
    /// `fused`, `arithmetic` or `lookup`.
    pub part: String,
    /// Bytes of the binary proof: the sum of the next five.
    pub bytes: u64,
    /// Values at the out-of-domain points.
    pub samples: u64,
    /// Column values at the query positions.
    pub queried_values: u64,
    /// Merkle paths of the trees.
    pub merkle_paths: u64,
    /// The low-degree test: its layers and its last polynomial.
    pub low_degree: u64,
    /// Roots, claimed sums, nonce, lengths.
    pub rest: u64,
}

/// What does not depend on the domain, for the whole chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lookups that are proven.
    pub lookup_claims: u64,
    /// Rows of all components.
    pub trace_rows: u64,
    /// Cells of all committed columns.
    pub committed_cells: u64,
    /// Opened columns of all proofs of all segments.
    pub opened_columns: u64,
    /// Merkle trees of columns, all proofs of one segment.
    pub trees: u64,
}

/// Everything measured for one configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// What was proven.
    pub configuration: Configuration,
    /// Its counts; `None` if the relation does not carry it.
    pub counts: Option<Counts>,
    /// One entry a domain, in the order of measuring.
    pub samples: Vec<Sample>,
    /// Why the configuration is not carried: the command's own message.
    pub refused: Option<String>,
}
