//! Chains of segments: streaming verification, and proving with resume.
//!
//! A chain is a directory of segment files. Verifying it takes the files in order, one at a time, in
//! constant space, and ends in a `Verified<ChainStatement>`:
//!
//! - [`ChainReader`] lists and reads the segment files of a directory, strictly;
//! - [`ChainVerifier`] takes segments one at a time;
//! - [`verify_directory`] is both together, with a report; [`follow_directory`] does the same while the
//!   chain is written.
//!
//! Nothing but the segment files and the verifier's own policy has a say in it: manifest, trace, table
//! and model lie in the same directory, and are the prover's.
//!
//! The segment of the fixtures is a chain of one:
//!
//! ```
//! use camino::Utf8Path;
//! use matchmark_composer::{segment_file_name, segments_directory, verify_directory};
//! use matchmark_statement::AcceptancePolicy;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let chain = Utf8Path::from_path(folder.path()).unwrap();
//! # let fixtures = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile");
//! let segments = segments_directory(chain);
//! std::fs::create_dir(&segments)?;
//! std::fs::copy(fixtures.join("narrow.segment"), segments.join(segment_file_name(0)))?;
//! let policy = std::fs::read_to_string(fixtures.join("narrow.policy.toml"))?;
//! let policy = AcceptancePolicy::from_toml(&policy)?;
//!
//! let report = verify_directory(chain, &policy, |row| println!("{} steps", row.steps))?;
//! assert_eq!(report.statement.segments(), 1);
//! // A chain that lacks a segment is not accepted.
//! std::fs::remove_file(segments.join(segment_file_name(0)))?;
//! assert!(verify_directory(chain, &policy, |_| {}).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `prover`: `ChainPlan` and `ModelPlan` (what is to be proven: the decode of a trace, or the tokens of a
//!   model), `ChainProver` (proving in parallel, checkpoints and resume), `Progress` and `CancelToken` (what it
//!   tells while it works, and how it is asked to stop), `policy_for` (the policy that
//!   would accept a chain, computed anew), `derive_key` (what a verifier needs of a model) and
//!   `Storage` (the operations of the file system by which
//!   a chain is written). `unused_instructions` says whether proving could be faster here.
//!
//! The crate knows nothing of constraints.
#![forbid(unsafe_code)]

mod clock;
mod error;
mod follow;
mod layout;
mod reader;
mod report;
mod sizes;
mod verifier;

#[cfg(feature = "prover")]
mod proving;

pub use error::{ChainReadError, ChainVerifyError, VerifyDirectoryError};
pub use follow::{follow_directory, Patience};
/// The tests have their small chains in common with those outside of the crate.
#[cfg(test)]
extern crate self as matchmark_composer;
#[cfg(test)]
mod tests;

pub use layout::{
    segment_file_name, segments_directory, LOCK_FILE, MANIFEST_FILE, MODEL_FILE,
    SEGMENTS_DIRECTORY, TABLE_FILE, TRACE_FILE,
};
pub use matchmark_files::FileKind;
pub use matchmark_verifier::key::{
    KeyDifference, KeyError, KeyWeights, ModelKey, ModelOptions, ModelOptionsError, Stop,
};
pub use matchmark_verifier::VerifyError;
pub use reader::{max_segment_bytes, ChainReader, StoredSegment, MAX_SEGMENT_BYTES};
pub use report::{ChainReport, SegmentReport, SegmentTokens};
pub use sizes::{segment_sizes, StoredProofSizes};
pub use verifier::{verify_directory, ChainRun, ChainVerifier};

#[cfg(feature = "prover")]
pub use matchmark_prover::unused_instructions;
#[cfg(feature = "prover")]
pub use proving::{
    derive_key, end_tokens_of, peak_memory_bytes, policy_for, processor_time_ms, rederive_key,
    shorter_chain, CancelToken, ChainInputs, ChainManifest, ChainOptions, ChainOutline, ChainPlan,
    ChainProgress, ChainProveError, ChainProver, ChainWork, Committing, Cutting, CuttingChoice,
    DirectoryError, FileDigest, FileSystem, KeyOptions, KeygenError, ManifestDifference,
    MemoryBound, MemoryFit, MemoryShortage, ModelMock, ModelPlan, PartError, PartInput, PlanError,
    Progress, ProveEvent, ProveReport, ProvenPart, ProvenRow, Resources, Schedule, SegmentPhase,
    Silent, Storage,
};

/// The example of the README, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
