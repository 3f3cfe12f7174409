//! Proving of chains, with checkpoints and resume.

mod boundaries;
mod directory;
mod disk;
mod error;
pub(crate) mod front;
mod manifest;
mod plan;
mod process;
mod progress;
pub(crate) mod prover;
mod report;
mod schedule;
mod storage;

pub use boundaries::BoundaryPattern;
pub use error::{ChainProveError, DirectoryError, MockSegmentError, PlanError};
pub use manifest::{ChainManifest, FileDigest, ManifestDifference};
pub use plan::{policy_for, ChainOptions, ChainPlan};
pub use progress::{ChainOutline, Progress, Silent};
pub use prover::ChainProver;
pub use report::{ProveReport, ProvenRow};
pub use schedule::Schedule;
pub use storage::{FileSystem, Storage};
