//! Verification of a chain while it is written.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use matchmark_statement::AcceptancePolicy;

use crate::error::{ChainReadError, VerifyDirectoryError};
use crate::layout::segments_directory;
use crate::reader::{max_segment_bytes, read_segment, ChainReader};
use crate::report::{ChainReport, SegmentReport};
use crate::verifier::ChainRun;

/// Between two looks for the next segment.
const POLL: Duration = Duration::from_millis(50);

/// How long a chain that is written is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// So long for each segment, from the one before.
    Segment(Duration),
    /// So long for all of them together, their verification included. A verification that has begun is not
    /// ended.
    Chain(Duration),
}

/// Verifies the chain in a directory while it is written: waits for one segment after the other, until
/// all steps that the policy speaks of are there, or an end token ends the chain. The directory need not exist yet.
///
/// A prover gives a segment file its name when it is whole. It is verified as soon as it is there, and
/// `on_segment` is called after it. A link that leads to nothing is waited for as a file that is not there.
/// At the end the directory is listed once, as by [`verify_directory`](crate::verify_directory).
///
/// # Errors
///
/// [`VerifyDirectoryError`], one variant a reason: [`VerifyDirectoryError::Timeout`] if a segment does not come within
/// `patience`.
pub fn follow_directory(
    chain: &Utf8Path,
    policy: &AcceptancePolicy,
    patience: Patience,
    mut on_segment: impl FnMut(&SegmentReport),
) -> Result<ChainReport, VerifyDirectoryError> {
    let max_bytes = max_segment_bytes(policy);
    let directory = segments_directory(chain);
    let mut run = ChainRun::new(policy);
    let mut segment = 0;
    let mut since = Instant::now();
    while !run.is_whole() {
        let waited = since.elapsed();
        let timeout = VerifyDirectoryError::Timeout {
            segment,
            waited_ms: waited.as_millis(),
            expected: run.most_steps(),
            got: run.steps(),
        };
        let left = match patience {
            Patience::Segment(longest) => longest.saturating_sub(waited),
            // Looked at before a segment that is there, too: a chain may be long.
            Patience::Chain(longest) if waited >= longest => return Err(timeout),
            Patience::Chain(longest) => longest - waited,
        };
        match read_segment(&directory, segment, max_bytes) {
            Ok(stored) => {
                on_segment(run.push(&stored.file)?);
                segment += 1;
                if matches!(patience, Patience::Segment(_)) {
                    since = Instant::now();
                }
            }
            Err(ChainReadError::Io { source, .. } | ChainReadError::BrokenLink { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                if left.is_zero() {
                    return Err(timeout);
                }
                thread::sleep(POLL.min(left));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let got = ChainReader::open(chain, max_bytes)?.segments();
    if got != segment {
        return Err(VerifyDirectoryError::SegmentsBehind {
            expected: segment,
            got,
        });
    }
    Ok(run.finish()?)
}
