//! Why a chain is not proven. One variant a reason.

use std::io;

use camino::Utf8PathBuf;
use matchmark_models::{ModelError, ModelFileError};
use matchmark_prover::ProveError;
use matchmark_quant::QuantError;
use matchmark_runtime::{RuntimeError, TraceError};
use matchmark_statement::{ChainError, PolicyError, StatementDigest};
use matchmark_tables::TableError;
use matchmark_verifier::key::ModelOptionsError;
use matchmark_verifier::{variant_names, VerifyError};

use crate::error::ChainReadError;
use crate::proving::manifest::FileDigest;
use crate::proving::memory::MemoryShortage;
use crate::proving::part_error::PartError;

/// Why a trace and options make no chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Options and given tokens make no chain of the model.
    #[error(transparent)]
    Options(#[from] ModelOptionsError),
    /// A quantity leaves its bounds.
    #[error(transparent)]
    Quantity(#[from] QuantError),
    /// The trace does not decode by these rules.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The terms are not a statement, or the relation cannot carry the shape.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The terms make no acceptance policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The model does not execute its tokens, so that nobody knows where its answer ends.
    #[error(transparent)]
    Execute(Box<ModelError>),
    /// There is too little memory: found before anything was begun.
    #[error(transparent)]
    Memory(Box<MemoryShortage>),
}

impl From<MemoryShortage> for PlanError {
    fn from(shortage: MemoryShortage) -> Self {
        Self::Memory(Box::new(shortage))
    }
}

variant_names!(PlanError {
    Options,
    Quantity,
    Runtime,
    Prove,
    Policy,
    Execute,
    Memory,
});

/// Why a directory cannot be used for a chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The system refuses a directory or a file.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried, in one word.
        action: &'static str,
        /// The directory or file.
        path: Utf8PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process proves into the directory.
    #[error("{path} is locked: another process proves into this directory")]
    Locked {
        /// The lock file.
        path: Utf8PathBuf,
    },
    /// The directory holds something that is not a chain.
    #[error("{path}: expected an empty directory or a chain, got {got:?}")]
    NotAChain {
        /// The directory.
        path: Utf8PathBuf,
        /// Name of the first thing in it that belongs to no chain.
        got: String,
    },
    /// There is no chain to be resumed.
    #[error("{path} does not hold a chain: expected chain.toml in it")]
    NoChain {
        /// The directory.
        path: Utf8PathBuf,
    },
    /// The directory holds another chain.
    #[error("{path} holds another chain: its {field} is {got}, expected {expected}")]
    OtherChain {
        /// The directory.
        path: Utf8PathBuf,
        /// In what the two differ.
        field: &'static str,
        /// The value by the plan.
        expected: String,
        /// The value in the directory.
        got: String,
    },
    /// The directory holds this very chain already.
    #[error("{path} holds this chain already: resume it")]
    AlreadyBegun {
        /// The directory.
        path: Utf8PathBuf,
    },
    /// The manifest is of another version of the format.
    #[error("{path} has format {got}, expected {expected}")]
    Format {
        /// The manifest.
        path: Utf8PathBuf,
        /// The only version known.
        expected: u32,
        /// The version in the file.
        got: u32,
    },
    /// The manifest cannot be read, or has no text.
    #[error("{path} is not a valid manifest: {reason}")]
    Manifest {
        /// The manifest.
        path: Utf8PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The manifest was written by a program that proves something else.
    #[error("{path}: {field} is {got}, expected {expected} by this program")]
    OtherProgram {
        /// The manifest.
        path: Utf8PathBuf,
        /// In what the two differ.
        field: &'static str,
        /// The value by this program.
        expected: String,
        /// The value in the manifest.
        got: String,
    },
    /// The copy of an input was changed.
    #[error("{path} was changed: expected SHA-256 {expected}, got {got}")]
    InputChanged {
        /// The copy.
        path: Utf8PathBuf,
        /// Digest in the manifest.
        expected: FileDigest,
        /// Digest of the file.
        got: FileDigest,
    },
    /// The copy of the trace is not a trace, or there is none of this trace.
    #[error("{path}: {source}")]
    Trace {
        /// The copy.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: TraceError,
    },
    /// The copy of the table is not a table.
    #[error("{path}: {source}")]
    Table {
        /// The copy.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: TableError,
    },
    /// The copy of the model is not a model.
    #[error("{path}: {source}")]
    Model {
        /// The copy.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: ModelFileError,
    },
    /// The segment files cannot be listed or read.
    #[error(transparent)]
    Segments(#[from] ChainReadError),
    /// There is a segment file that the chain does not have.
    #[error("{path}: expected segments 0 to {}, got segment {got}", .expected.saturating_sub(1))]
    SegmentOutside {
        /// The file.
        path: Utf8PathBuf,
        /// Number of segments of the chain.
        expected: u64,
        /// Index of the file.
        got: u64,
    },
}

variant_names!(DirectoryError {
    Io,
    Locked,
    NotAChain,
    NoChain,
    OtherChain,
    AlreadyBegun,
    Format,
    Manifest,
    OtherProgram,
    InputChanged,
    Trace,
    Table,
    Model,
    Segments,
    SegmentOutside,
});

/// Why a chain is not proven, or does not pass the mock checker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainProveError {
    /// Trace and terms make no chain.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The reference does not execute the steps of a segment.
    #[error("segment {segment}: {source}")]
    Execute {
        /// Index of the segment.
        segment: u64,
        /// Why.
        #[source]
        source: RuntimeError,
    },
    /// The model does not execute the tokens of a segment.
    #[error("segment {segment}: {source}")]
    ExecuteModel {
        /// Index of the segment.
        segment: u64,
        /// Why.
        #[source]
        source: ModelError,
    },
    /// A segment is not proven, its proof has no binary form, or it does not pass the mock checker.
    #[error("segment {segment}: {source}")]
    Prove {
        /// Index of the segment.
        segment: u64,
        /// Why.
        #[source]
        source: ProveError,
    },
    /// The segments of the plan do not fit together.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A stored segment is not one that this chain's own policy accepts. It is left as it is.
    #[error("{path} is corrupted: {source}; remove it to have it proven again")]
    CorruptSegment {
        /// The file.
        path: Utf8PathBuf,
        /// Why it is refused.
        #[source]
        source: VerifyError,
    },
    /// A stored segment is a proof of something else. It is left as it is.
    #[error("{path} is another segment: expected statement {expected}, got {got}; remove it to have it proven again")]
    OtherSegment {
        /// The file.
        path: Utf8PathBuf,
        /// Digest of the statement that the chain demands.
        expected: StatementDigest,
        /// Digest of the file's statement.
        got: StatementDigest,
    },
    /// There is no such part, or no such input of one.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The threads for proving cannot be started.
    #[error("cannot start threads: {reason}")]
    Threads {
        /// What the system says.
        reason: String,
    },
    /// Stopped on request. What is finished stays, and the chain can be resumed.
    #[error("stopped with {finished} of {segments} segments finished")]
    Stopped {
        /// Segments that are finished.
        finished: u64,
        /// Segments of the chain.
        segments: u64,
    },
}

variant_names!(ChainProveError {
    Plan,
    Directory,
    Execute,
    ExecuteModel,
    Prove,
    Chain,
    CorruptSegment,
    OtherSegment,
    Part,
    Threads,
    Stopped,
});
