//! Verification of a chain, one segment at a time, in constant space.

use camino::Utf8Path;
use matchmark_quant::StepRange;
use matchmark_statement::{AcceptancePolicy, ChainError, LayerGroups, SegmentStatement};
use matchmark_verifier::{
    verify_segment_watched, ChainFold, Part, SecurityFigures, SegmentFile, VerifiedChain,
};

use crate::clock::Clock;
use crate::error::{ChainVerifyError, VerifyDirectoryError};
use crate::reader::{max_segment_bytes, ChainReader};
use crate::report::{ChainReport, SegmentReport, SegmentTokens};

/// Verifies a chain whose segments are handed over in order. Where a decoder is cut into groups of layers, each
/// segment is as many parts, one after the other.
///
/// What it keeps does not grow with the chain.
#[derive(Clone, Debug)]
pub struct ChainVerifier {
    fold: ChainFold,
    parts: u64,
    figures: Option<SecurityFigures>,
}

impl ChainVerifier {
    /// Begins a chain that this policy is to accept.
    #[must_use]
    pub fn new(policy: AcceptancePolicy) -> Self {
        Self {
            fold: ChainFold::new(policy),
            parts: 0,
            figures: None,
        }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &AcceptancePolicy {
        self.fold.policy()
    }

    /// The steps that the chain may have, as far as is known: of the whole chain of the policy, or of the shorter one
    /// that the first segment is of.
    #[must_use]
    pub fn steps(&self) -> StepRange {
        self.fold.steps()
    }

    /// Parts accepted so far: segments, where all layers are one group.
    #[must_use]
    pub fn parts(&self) -> u64 {
        self.parts
    }

    /// What the proofs are worth; `None` before the first segment.
    #[must_use]
    pub fn figures(&self) -> Option<&SecurityFigures> {
        self.figures.as_ref()
    }

    /// Whether the chain is whole: all steps are there, or an end token was generated, behind which no
    /// segment may follow.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.fold.is_whole()
    }

    /// Verifies the next segment, or the next part of one, and that state and position fit the chain so far, which
    /// must not have ended.
    ///
    /// # Errors
    ///
    /// [`ChainVerifyError::Segment`] or [`ChainVerifyError::Join`]; the chain is then as it was
    /// before.
    pub fn push(&mut self, file: &SegmentFile) -> Result<SegmentReport, ChainVerifyError> {
        let segment = self.parts;
        let join = |source| ChainVerifyError::Join { segment, source };
        // Before any time goes to what cannot be part of the chain.
        self.fold.check_goes_on().map_err(join)?;
        let of_segment = self.fold.segments();
        let start = Clock::start();
        let mut public = Stopwatch::default();
        let watch = &mut |part| public.turn(part == Part::PublicValues);
        let verified = verify_segment_watched(file, self.fold.policy(), watch)
            .map_err(|source| ChainVerifyError::Segment { segment, source })?;
        let is_complete = self.fold.push(&verified).map_err(join)?;
        let (statement, figures) = (verified.statement(), verified.figures());
        let verify_ms = start.milliseconds();
        self.parts += 1;
        // A chain is worth what the least of its segments is.
        let is_less = |least: &SecurityFigures| figures.proven.bits < least.proven.bits;
        if self.figures.as_ref().is_none_or(is_less) {
            self.figures = Some(figures.clone());
        }
        Ok(SegmentReport {
            segment: of_segment,
            group: group_of(statement),
            entries_before: statement.steps().entries_before(),
            steps: statement.steps().steps(),
            state_before: statement.state_before(),
            state_after: statement.state_after(),
            proof_bytes: file.proof_bytes() as u64,
            public_bytes: public_bytes(statement),
            // All parts of a segment have the same.
            tokens: SegmentTokens::of(file.public_values()).filter(|_| is_complete),
            verify_ms,
            public_ms: public.milliseconds,
        })
    }

    /// Ends the chain: it must be the whole one that the policy speaks of.
    ///
    /// # Errors
    ///
    /// [`ChainVerifyError::Chain`] if there is no segment, or steps are missing and no end token was
    /// generated.
    pub fn finish(self) -> Result<VerifiedChain, ChainVerifyError> {
        let segments = self.parts;
        self.fold
            .finish()
            .map_err(|source| ChainVerifyError::Chain { segments, source })
    }
}

/// Verifies the chain in a directory. Of the directory it reads the segment files alone.
///
/// `on_segment` is called after each segment.
///
/// # Errors
///
/// [`VerifyDirectoryError`], one variant a reason.
pub fn verify_directory(
    chain: &Utf8Path,
    policy: &AcceptancePolicy,
    mut on_segment: impl FnMut(&SegmentReport),
) -> Result<ChainReport, VerifyDirectoryError> {
    let mut run = ChainRun::new(policy);
    for stored in ChainReader::open(chain, max_segment_bytes(policy))? {
        on_segment(run.push(&stored?.file)?);
    }
    Ok(run.finish()?)
}

/// A chain that is being verified, with what there will be to say of it: a row for each segment, so that
/// it grows with the chain, unlike [`ChainVerifier`].
#[derive(Clone, Debug)]
pub struct ChainRun {
    start: Clock,
    verifier: ChainVerifier,
    rows: Vec<SegmentReport>,
}

impl ChainRun {
    /// Begins a chain that this policy is to accept.
    #[must_use]
    pub fn new(policy: &AcceptancePolicy) -> Self {
        Self {
            start: Clock::start(),
            verifier: ChainVerifier::new(policy.clone()),
            rows: Vec::new(),
        }
    }

    /// The segments that were accepted, in order, or the parts of them.
    #[must_use]
    pub fn rows(&self) -> &[SegmentReport] {
        &self.rows
    }

    /// Steps of the segments that were accepted with all of their parts.
    #[must_use]
    pub fn steps(&self) -> usize {
        let groups = self.verifier.policy().terms().groups().count();
        let segments = self.rows.chunks_exact(groups);
        segments.map(|parts| parts[0].steps).sum()
    }

    /// The steps that the chain may have, as [`ChainVerifier::steps`] says.
    #[must_use]
    pub fn most_steps(&self) -> usize {
        self.verifier.steps().steps()
    }

    /// Whether the chain is whole, as [`ChainVerifier::is_whole`] says.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.verifier.is_whole()
    }

    /// Verifies the next segment, as [`ChainVerifier::push`] does.
    ///
    /// # Errors
    ///
    /// Those of [`ChainVerifier::push`].
    pub fn push(&mut self, file: &SegmentFile) -> Result<&SegmentReport, ChainVerifyError> {
        let report = self.verifier.push(file)?;
        let last = self.rows.len();
        self.rows.push(report);
        Ok(&self.rows[last])
    }

    /// Ends the chain, as [`ChainVerifier::finish`] does.
    ///
    /// # Errors
    ///
    /// Those of [`ChainVerifier::finish`].
    pub fn finish(self) -> Result<ChainReport, ChainVerifyError> {
        let Self {
            start,
            verifier,
            rows,
        } = self;
        let figures = verifier.figures().cloned().ok_or(ChainVerifyError::Chain {
            segments: 0,
            source: ChainError::Empty.into(),
        })?;
        let chain = verifier.finish()?;
        let statement = chain.statement().clone();
        Ok(ChainReport {
            finish_reason: chain.finish_reason(),
            answer: chain.answer(),
            segments: statement.segments(),
            parts: statement.parts(),
            steps: statement.steps().steps(),
            proof_bytes: rows.iter().map(|row| row.proof_bytes).sum(),
            public_bytes: rows.iter().map(|row| row.public_bytes).sum(),
            figures,
            verify_ms: start.milliseconds(),
            per_segment: rows,
            statement,
        })
    }
}

/// Sums up the time during which it runs.
#[derive(Default)]
struct Stopwatch {
    since: Option<Clock>,
    milliseconds: f64,
}

impl Stopwatch {
    fn turn(&mut self, on: bool) {
        if let Some(since) = self.since.take() {
            self.milliseconds += since.milliseconds();
        }
        if on {
            self.since = Some(Clock::start());
        }
    }
}

/// The group of layers that a part is of, where there are several.
pub(crate) fn group_of(statement: &SegmentStatement) -> Option<u16> {
    let several = statement.groups() != LayerGroups::ONE;
    several.then(|| statement.group_index())
}

/// Length of the public values of a segment in bytes.
pub(crate) fn public_bytes(statement: &SegmentStatement) -> u64 {
    statement.public_values_len() as u64
}
