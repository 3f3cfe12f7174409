//! Proves transformer decode, and verifies the proofs: the whole project as one library.
//!
//! A decode is proven as a *chain* of *segments*, each with proofs of its own. A verifier needs the segment
//! files, its own [`Policy`] and, for a model, its [`Key`]: neither weights nor cache reaches it.
//!
//! | to | there is |
//! |---|---|
//! | prove the tokens of a model, or the decode of a trace | [`prove()`] |
//! | go on with a chain that was interrupted | [`resume`] |
//! | verify a chain in a directory | [`verify()`], [`verify_with`] |
//! | verify a chain while it is written | [`follow`] |
//! | verify the bytes of segments | [`verify_segments`], [`Chain`] |
//! | derive the key of a model, or check one | [`Key::derive`], [`Key::check_derivation`] |
//! | make a policy, or check one | [`Key::policy`], [`Key::check_policy`], [`policy_of`] |
//! | check constraints without a proof | [`Prove::mock`] |
//! | read files, and have a file that was given for another named | [`files`] |
//!
//! Every function returns the one [`Error`], whose [`kind`](Error::kind) says what to do about it.
//!
//! A committed trace of 64 steps, proven and verified in seconds, at a level that is for tests alone:
#![cfg_attr(feature = "prover", doc = "```")]
#![cfg_attr(not(feature = "prover"), doc = "```ignore")]
//! use matchmark::{Domain, Profile, Security, SecurityLevel, SegmentSteps};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let chain = camino::Utf8Path::from_path(folder.path()).unwrap().join("chain");
//! # let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/attention-layer0-8bit.safetensors");
//! let trace = matchmark::files::trace(fixture)?;
//! // The nonce is the verifier's: a new one for every chain that it asks for.
//! let domain = Domain::new("my application", [7; 16])?;
//! let planned = matchmark::prove(&trace)
//!     .domain(domain)
//!     .security(Security::new(SecurityLevel::Insecure13, Profile::Compact)?)
//!     .segment_steps(SegmentSteps::new(32)?)
//!     .to(&chain)
//!     .progress(|event| println!("{event:?}"))
//!     .plan()?;
//! // What a verifier would decide by itself.
//! let policy = planned.policy()?;
//! let report = planned.begin()?.run()?;
//!
//! let verdict = matchmark::verify(&chain, &policy)?;
//! assert_eq!(verdict.statement().chain_digest(), report.chain_digest);
//! assert!(verdict.is_insecure());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `prover` (on by default): proving, resuming, keys of models, checks without a proof. Whoever builds it
//!   needs two lines of configuration, which the README has.
//! - `model` (with `prover`, or by itself): integer models and tokenizers, so that prompts may be texts, and
//!   [`ChainText`] shows what a chain decodes.
//!
//! Without both, the crate is the verifier's side alone: it builds on plain stable Rust, and for
//! `wasm32-unknown-unknown`, where there is no clock and the times of a [`Verdict`] are zeros.
#![forbid(unsafe_code)]

pub mod error;
pub mod files;
mod form;
mod key;
#[cfg(feature = "model")]
mod model;
mod policy;
#[cfg(feature = "prover")]
mod prove;
#[cfg(feature = "model")]
mod text;
mod verify;

pub use error::{Error, ErrorKind};
pub use key::Key;
pub use policy::{check_prompt, ModelPolicy};
pub use verify::{
    finish_in_words, follow, refusal_to_json, segments_of, verify, verify_segments, verify_with,
    Chain, Verdict,
};

#[cfg(feature = "model")]
pub use model::{encode_chat, encode_prompt, token_named, Model};
#[cfg(feature = "model")]
pub use text::ChainText;

#[cfg(feature = "prover")]
pub use key::KeyOptions;
#[cfg(feature = "prover")]
pub use prove::{
    policy_of, prove, resume, Interrupted, Job, Mock, Planned, Provable, Prove, Proving, TokensOf,
    TraceOf,
};

pub use matchmark_composer::{
    ChainReadError, ChainReader, ChainReport, ChainVerifyError, Patience, SegmentReport,
    SegmentTokens, StoredSegment, VerifyDirectoryError, VerifyError, MAX_SEGMENT_BYTES,
};
pub use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantError, QueryHeads, Rounding, ScoreStep,
    SegmentSteps, StepRange, ValueBits,
};
pub use matchmark_statement::{
    AcceptancePolicy as Policy, Answer, ChainDigest, ChainError, ChainStatement, Cut, CutPattern,
    EndToken, EndTokens, FinishReason, PolicyError, PolicyMismatch, PortCommitment, Profile,
    PublicValues, Security, SecurityLevel, SegmentStatement, StatementError, TokenId,
    VerifierDomain as Domain,
};
pub use matchmark_tables::{Rational, TableError, WeightTable as Table};
pub use matchmark_verifier::chain::FoldError;
pub use matchmark_verifier::key::Stop;
pub use matchmark_verifier::{KeyError, ModelKey, SecurityFigures, SegmentFile, Verified};

#[cfg(feature = "model")]
pub use matchmark_models::{
    quantize_model, AnswerEnd, ChatError, ChatTemplate, Conversation, ConversationError,
    FloatModel, GgufError, ImportError, ImportOptions, IntegerModel, Message, ModelFileError,
    ModelId, Role, Tokenizer, TokenizerError,
};

#[cfg(feature = "prover")]
pub use matchmark_composer::{
    end_tokens_of, unused_instructions, CancelToken, ChainOutline, ChainProgress, ChainProveError,
    ChainWork, DirectoryError, KeygenError, MemoryFit, MemoryShortage, PartError, PartInput,
    PlanError, Progress, ProveEvent, ProveReport, ProvenPart, ProvenRow, Resources, Schedule,
    SegmentPhase, Silent,
};
#[cfg(feature = "prover")]
pub use matchmark_runtime::{synthetic_trace, AttentionTrace as Trace, TraceError};

/// The examples of the project's README and of the crate's, compiled with the tests.
#[cfg(all(doctest, feature = "prover"))]
#[doc = include_str!("../../../README.md")]
pub struct ProjectReadmeExample;

/// The examples of the crate's README.
#[cfg(all(doctest, feature = "prover"))]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
