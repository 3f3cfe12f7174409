//! Proving of chains, with checkpoints and resume.

mod cutting;
mod directory;
mod disk;
mod end_tokens;
mod error;
mod executors;
pub(crate) mod front;
pub(crate) mod key;
mod manifest;
mod memory;
mod memory_check;
mod model_mock;
mod model_plan;
mod part;
mod part_error;
mod plan;
mod process;
mod progress;
pub(crate) mod prover;
pub(crate) mod provers;
mod report;
mod schedule;
mod segments;
mod shorter;
mod storage;
mod work;

pub use cutting::{Cutting, CuttingChoice};
pub use directory::policy_for;
pub use end_tokens::end_tokens_of;
pub use error::{ChainProveError, DirectoryError, PlanError};
pub use key::{derive_key, rederive_key, KeyOptions, KeygenError};
pub use manifest::{ChainInputs, ChainManifest, FileDigest, ManifestDifference};
pub use memory::{MemoryBound, MemoryFit, MemoryShortage, Resources};
pub use model_mock::ModelMock;
pub use model_plan::ModelPlan;
pub use part::{PartInput, ProvenPart};
pub use part_error::PartError;
pub use plan::{ChainOptions, ChainPlan};
pub use process::{cpu_ms as processor_time_ms, peak_rss_bytes as peak_memory_bytes};
pub use progress::{
    CancelToken, ChainOutline, ChainProgress, Progress, ProveEvent, SegmentPhase, Silent,
};
pub use prover::ChainProver;
pub use provers::Committing;
pub use report::{ProveReport, ProvenRow};
pub use schedule::Schedule;
pub use shorter::shorter_chain;
pub use storage::{FileSystem, Storage};
pub use work::ChainWork;
