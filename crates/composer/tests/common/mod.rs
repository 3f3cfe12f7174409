//! Tiny chains for tests.
#![allow(dead_code, clippy::unwrap_used)] // Not every test file uses all of it.

pub mod model;

use std::fs;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_composer::{
    segment_file_name, segments_directory, CancelToken, ChainOptions, ChainPlan, ChainProver,
    ChainWork, ProveEvent, ProveReport, Schedule, Silent,
};
use matchmark_quant::{
    AttentionShape, HeadDim, KvHeads, QueryHeads, Rounding, SegmentSteps, StepRange, ValueBits,
};
use matchmark_runtime::{AttentionTrace, AttentionTraceParts};
use matchmark_statement::{
    CutPattern, ModelIdentity, Profile, Security, SecurityLevel, VerifierDomain,
};
use tempfile::TempDir;

pub const PREFIX: u32 = 2;
pub const STEPS: u32 = 6;

/// 2 query heads, 1 key/value head, dimension 8, 2 entries of prefix, 6 steps; values from `seed`.
pub fn trace(seed: u64) -> AttentionTrace {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut values = |count: u32| -> Vec<i16> {
        (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                i16::try_from((state >> 33) % 255).unwrap() - 127
            })
            .collect()
    };
    AttentionTrace::new(AttentionTraceParts {
        shape: AttentionShape::new(
            QueryHeads::new(2).unwrap(),
            KvHeads::new(1).unwrap(),
            HeadDim::new(8).unwrap(),
        )
        .unwrap(),
        value_bits: ValueBits::DEFAULT,
        steps: StepRange::new(PREFIX, STEPS).unwrap(),
        q: values(2 * STEPS * 8),
        k: values(STEPS * 8),
        v: values(STEPS * 8),
        prefix_k: values(PREFIX * 8),
        prefix_v: values(PREFIX * 8),
        metadata: Default::default(),
    })
    .unwrap()
}

pub fn options(segment_steps: u32) -> ChainOptions {
    ChainOptions {
        cuts: CutPattern::default(),
        domain: VerifierDomain::new("composer tests", [0; 16]).unwrap(),
        security: Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap(),
        model: ModelIdentity::TraceOnly,
        rounding: Rounding::NearestTiesUp,
        table: None,
        score_step: None,
        segment_steps: Some(SegmentSteps::new(segment_steps).unwrap()),
    }
}

pub fn plan(seed: u64, segment_steps: u32) -> ChainPlan {
    ChainPlan::new(trace(seed), options(segment_steps)).unwrap()
}

pub fn schedule(workers: usize, threads: usize) -> Schedule {
    Schedule {
        workers: NonZeroUsize::new(workers).unwrap(),
        threads_per_worker: NonZeroUsize::new(threads).unwrap(),
    }
}

/// A directory that is removed at the end, and a path in it at which there is nothing yet.
pub fn place() -> (TempDir, Utf8PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(directory.path().join("chain")).unwrap();
    (directory, path)
}

pub fn prove(path: &Utf8Path, work: impl Into<ChainWork>) -> ProveReport {
    ChainProver::create(path, work)
        .unwrap()
        .run(&Silent)
        .unwrap()
}

pub fn segment_path(chain: &Utf8Path, index: u64) -> Utf8PathBuf {
    segments_directory(chain).join(segment_file_name(index))
}

/// The bytes of all segment files, in order.
pub fn segment_bytes(chain: &Utf8Path) -> Vec<Vec<u8>> {
    (0..)
        .map_while(|index| fs::read(segment_path(chain, index)).ok())
        .collect()
}

/// Names of everything in a directory, sorted.
pub fn names(directory: &Utf8Path) -> Vec<String> {
    let mut names: Vec<String> = directory
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    names.sort();
    names
}

/// A token, and a callback that uses it after some segments.
pub fn stop_after(segments: u64) -> (CancelToken, impl Fn(&ProveEvent) + Sync) {
    let cancel = CancelToken::new();
    let (token, left) = (cancel.clone(), AtomicU64::new(segments));
    let tell = move |event: &ProveEvent| {
        if matches!(event, ProveEvent::Done { .. }) && left.fetch_sub(1, Ordering::SeqCst) <= 1 {
            token.cancel();
        }
    };
    (cancel, tell)
}
