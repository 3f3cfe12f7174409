//! Proving of a chain.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use camino::Utf8Path;
use matchmark_prover::SegmentSizes;
use matchmark_statement::{AcceptancePolicy, FinishReason};
use matchmark_verifier::{verify_segment, SegmentFile};
use rayon::ThreadPoolBuildError;
use tracing::{debug, info};

use crate::clock::Clock;
use crate::proving::directory::ChainDirectory;
use crate::proving::disk::exists;
use crate::proving::error::ChainProveError;
use crate::proving::front::{Front, Job};
use crate::proving::manifest::FileDigest;
use crate::proving::memory::Resources;
use crate::proving::memory_check::work_schedule;
use crate::proving::process;
use crate::proving::progress::{
    CancelToken, ChainOutline, ChainProgress, Progress, ProveEvent, SegmentPhase,
};
use crate::proving::provers::Provers;
use crate::proving::report::{ProveReport, ProvenRow};
use crate::proving::schedule::Schedule;
use crate::proving::storage::{FileSystem, Storage};
use crate::proving::work::ChainWork;
use crate::reader::max_bytes_of;
use crate::verifier::{group_of, public_bytes};

/// Proves a chain into a directory, which it holds locked.
#[derive(Debug)]
pub struct ChainProver {
    directory: ChainDirectory,
    work: ChainWork,
    schedule: Schedule,
    cancel: CancelToken,
    start: Clock,
    start_cpu_ms: Option<u64>,
}

impl ChainProver {
    /// Begins a chain in a directory that does not exist, or is empty.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::Directory`] if the directory holds another chain, or this one already, or
    /// something else, or is locked, or cannot be written. Nothing half-written stays behind.
    /// [`PlanError::Memory`](crate::PlanError::Memory) if there is too little memory to prove one segment:
    /// nothing was written then.
    pub fn create(
        directory: &Utf8Path,
        work: impl Into<ChainWork>,
    ) -> Result<Self, ChainProveError> {
        Self::create_on(Arc::new(FileSystem), directory, work)
    }

    /// As [`Self::create`], with what proving may use of the machine.
    ///
    /// # Errors
    ///
    /// As [`Self::create`].
    pub fn create_within(
        directory: &Utf8Path,
        work: impl Into<ChainWork>,
        resources: &Resources,
    ) -> Result<Self, ChainProveError> {
        Self::create_by(Arc::new(FileSystem), directory, work.into(), resources)
    }

    /// As [`Self::create`], on a storage of one's own.
    ///
    /// # Errors
    ///
    /// As [`Self::create`].
    pub fn create_on(
        storage: Arc<dyn Storage>,
        directory: &Utf8Path,
        work: impl Into<ChainWork>,
    ) -> Result<Self, ChainProveError> {
        Self::create_by(storage, directory, work.into(), &Resources::default())
    }

    fn create_by(
        storage: Arc<dyn Storage>,
        directory: &Utf8Path,
        work: ChainWork,
        resources: &Resources,
    ) -> Result<Self, ChainProveError> {
        let (start, start_cpu_ms) = (Clock::start(), process::cpu_ms());
        // Before anything is written.
        let schedule = work_schedule(&work, resources, false)?;
        Ok(Self {
            directory: ChainDirectory::create(storage, directory, &work)?,
            work,
            schedule,
            cancel: CancelToken::new(),
            start,
            start_cpu_ms,
        })
    }

    /// Continues a chain that was begun, from what is in its directory.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::Directory`] if there is no chain, or its manifest or inputs were changed, or
    /// the directory is locked. [`PlanError::Memory`](crate::PlanError::Memory) if there is too little
    /// memory to prove one segment.
    pub fn resume(directory: &Utf8Path) -> Result<Self, ChainProveError> {
        Self::resume_on(Arc::new(FileSystem), directory)
    }

    /// As [`Self::resume`], on a storage of one's own.
    ///
    /// # Errors
    ///
    /// As [`Self::resume`].
    pub fn resume_on(
        storage: Arc<dyn Storage>,
        directory: &Utf8Path,
    ) -> Result<Self, ChainProveError> {
        Self::resume_by(storage, directory, &Resources::default())
    }

    /// As [`Self::resume`], with what proving may use of the machine.
    ///
    /// # Errors
    ///
    /// As [`Self::resume`].
    pub fn resume_within(
        directory: &Utf8Path,
        resources: &Resources,
    ) -> Result<Self, ChainProveError> {
        Self::resume_by(Arc::new(FileSystem), directory, resources)
    }

    fn resume_by(
        storage: Arc<dyn Storage>,
        directory: &Utf8Path,
        resources: &Resources,
    ) -> Result<Self, ChainProveError> {
        let (start, start_cpu_ms) = (Clock::start(), process::cpu_ms());
        let (directory, work) = ChainDirectory::resume(storage, directory, resources)?;
        let schedule = work_schedule(&work, resources, true)?;
        Ok(Self {
            directory,
            work,
            schedule,
            cancel: CancelToken::new(),
            start,
            start_cpu_ms,
        })
    }

    /// Proves by this schedule, instead of one made for this machine. The segments are the same bytes.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Stops when this token asks for it: before a segment is begun, and between the trees that all segments
    /// share. One tree, such as that of a model's weights, is committed to its end.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The directory of the chain.
    #[must_use]
    pub fn directory(&self) -> &Utf8Path {
        self.directory.path()
    }

    /// What is to be proven.
    #[must_use]
    pub fn work(&self) -> &ChainWork {
        &self.work
    }

    /// Proves all segments that are not there yet, and checks those that are: a segment is kept if its
    /// statement is the one that the reference demands, with states computed anew, and its proof is
    /// accepted by the chain's own policy.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::CorruptSegment`] and [`ChainProveError::OtherSegment`] for a segment that
    /// cannot be kept; it is left as it is. [`ChainProveError::Stopped`] if the token of
    /// [`Self::with_cancel`] asked for it before the last segment was begun.
    /// Otherwise the first error of any segment. Finished segments stay.
    pub fn run(&self, progress: &dyn Progress) -> Result<ProveReport, ChainProveError> {
        let work = &self.work;
        self.go_on()?;
        // This commits the weights of a model.
        let provers = work
            .provers()
            .map_err(|source| ChainProveError::Prove { segment: 0, source })?;
        self.go_on()?;
        let front = work.front(&provers)?;
        let policy = OnceLock::new();
        if provers.keeps_all() {
            // This makes the preprocessed trees, so that no worker waits for another one's.
            let made = work.policy_with(&provers)?;
            let _ = policy.set(made);
        }
        let schedule = self.schedule;
        info!(?schedule, segments = work.segment_count(), "proving");
        progress.event(&ProveEvent::Planned(ChainOutline {
            segments: work.segment_count(),
            groups: work.groups().get(),
            steps: work.steps().steps(),
            schedule,
        }));

        let shared = Shared {
            directory: &self.directory,
            work,
            provers: &provers,
            groups: u64::from(work.groups().get()),
            policy: &policy,
            progress,
            telling: Mutex::new(()),
            cancel: &self.cancel,
            front: Mutex::new(front),
            total: Mutex::new((work.part_count(), work.steps().steps())),
            outcome: Mutex::new(Outcome::default()),
        };
        let pools = (0..schedule.workers.get())
            .map(|_| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(schedule.threads_per_worker.get())
                    .build()
                    .map_err(threads_error)
            })
            .collect::<Result<Vec<_>, _>>()?;
        thread::scope(|scope| {
            for pool in &pools {
                scope.spawn(|| pool.install(|| shared.work()));
            }
        });

        let Shared { front, outcome, .. } = shared;
        let front = front.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = outcome.error {
            return Err(error);
        }
        let finished = outcome.rows.len() as u64;
        let (whole, end) = (front.is_done(), front.end());
        let chain = match front.chain() {
            Some(chain) if whole && finished == chain.parts() => chain,
            _ => {
                let segments = work.part_count();
                return Err(ChainProveError::Stopped { finished, segments });
            }
        };
        let segments = chain.segments();
        if end.is_some() {
            // There may be files behind the end, which nobody has looked at.
            self.directory.check_segments(chain.parts())?;
        }
        let answer = chain
            .terms()
            .answer(chain.steps(), work.answer_tokens(), end);
        let first_state = chain.first_state();
        let rows: Vec<ProvenRow> = outcome.rows.into_values().collect();
        let mut sizes = self.sizes()?;
        sizes.truncate(usize::try_from(segments).unwrap_or(usize::MAX));
        Ok(ProveReport {
            segments,
            parts: chain.parts(),
            parts_kept: rows.iter().filter(|row| row.kept).count() as u64,
            steps: chain.steps().steps(),
            finish_reason: answer.map_or(FinishReason::Length, |it| it.finish_reason()),
            answer,
            lookup_claims: chain.steps().lookup_claims(&work.attention()),
            trace_rows: sizes.iter().map(|it| it.trace_rows).sum(),
            committed_cells: sizes.iter().map(|it| it.committed_cells).sum(),
            opened_columns: sizes.iter().map(|it| it.opened_columns).max().unwrap_or(0),
            proof_bytes: rows.iter().map(|row| row.proof_bytes).sum(),
            public_bytes: rows.iter().map(|row| row.public_bytes).sum(),
            prove_cpu_ms: process::cpu_ms()
                .zip(self.start_cpu_ms)
                .map(|(end, start)| end.saturating_sub(start)),
            prove_wall_ms: self.start.milliseconds(),
            peak_rss_bytes: process::peak_rss_bytes(),
            schedule,
            first_state,
            last_state: chain.last_state(),
            chain_digest: chain.chain_digest(),
            per_segment: rows,
        })
    }

    /// That nobody asked to stop while what all segments share is committed: no segment is begun yet.
    fn go_on(&self) -> Result<(), ChainProveError> {
        if self.cancel.is_cancelled() {
            return Err(ChainProveError::Stopped {
                finished: 0,
                segments: self.work.part_count(),
            });
        }
        Ok(())
    }

    /// Digest of the manifest in the chain's directory.
    pub(crate) fn manifest_digest(&self) -> Result<FileDigest, ChainProveError> {
        Ok(self.directory.manifest_digest()?)
    }

    /// Whether there is a file of this part.
    pub(crate) fn is_proven(&self, part: u64) -> Result<bool, ChainProveError> {
        Ok(exists(&self.directory.segment_path(part))?)
    }

    /// Writes the file of a part.
    pub(crate) fn write_part(&self, part: u64, bytes: &[u8]) -> Result<(), ChainProveError> {
        Ok(self.directory.write_segment(part, bytes)?)
    }

    fn sizes(&self) -> Result<Vec<SegmentSizes>, ChainProveError> {
        let sizes = self.work.sizes();
        sizes.map_err(|source| ChainProveError::Prove { segment: 0, source })
    }
}

/// What the workers have found so far.
#[derive(Default)]
struct Outcome {
    rows: BTreeMap<u64, ProvenRow>,
    error: Option<ChainProveError>,
    stop: bool,
}

/// What the workers share.
struct Shared<'a> {
    directory: &'a ChainDirectory,
    work: &'a ChainWork,
    provers: &'a Provers,
    /// Parts of a segment.
    groups: u64,
    /// Made when it is asked for: that takes the selectors of all groups of layers.
    policy: &'a OnceLock<AcceptancePolicy>,
    progress: &'a dyn Progress,
    /// Held while something is told: one event at a time.
    telling: Mutex<()>,
    cancel: &'a CancelToken,
    front: Mutex<Front<'a>>,
    /// Parts and steps of the chain, as far as is known.
    total: Mutex<(u64, usize)>,
    outcome: Mutex<Outcome>,
}

impl Shared<'_> {
    /// Takes one segment after the other until there is none, or someone stops.
    fn work(&self) {
        while !self.cancel.is_cancelled() && !guard(&self.outcome).stop {
            let result = match self.advance() {
                Ok(None) => return,
                Ok(Some(job)) => self.finish(&job),
                Err(error) => Err(error),
            };
            let outcome = &mut *guard(&self.outcome);
            match result {
                Ok(row) => {
                    let (part, row) = row;
                    outcome.rows.insert(part, row.clone());
                    let progress = self.progress_of(&outcome.rows);
                    self.tell(&ProveEvent::Done { row, progress });
                }
                Err(error) => {
                    outcome.stop = true;
                    outcome.error.get_or_insert(error);
                }
            }
        }
    }

    /// The next segment, executed. The reference is sequential: one worker advances it, the others wait.
    /// Each holds one segment, so that memory does not grow with the chain.
    fn advance(&self) -> Result<Option<Job>, ChainProveError> {
        let mut front = guard(&self.front);
        if let Some((segment, steps)) = front.upcoming() {
            let part = segment * self.groups;
            self.tell(&ProveEvent::Begun { part, steps });
            self.tell_phase(part, SegmentPhase::Execute);
        }
        let job = front.advance()?;
        if let (Some(job), Some(_)) = (&job, front.end()) {
            let parts = (job.segment + 1) * self.groups;
            *guard(&self.total) = (parts, job.statement.steps().entries_after());
        }
        Ok(job)
    }

    fn tell(&self, event: &ProveEvent) {
        let _telling = guard(&self.telling);
        self.progress.event(event);
    }

    fn tell_phase(&self, part: u64, phase: SegmentPhase) {
        self.tell(&ProveEvent::Phase { part, phase });
    }

    /// How far the chain is with these parts finished.
    fn progress_of(&self, rows: &BTreeMap<u64, ProvenRow>) -> ChainProgress {
        let bytes = |row: &ProvenRow| row.proof_bytes + row.public_bytes;
        let (parts, steps) = *guard(&self.total);
        ChainProgress {
            finished: rows.len() as u64,
            parts,
            finished_steps: self.finished_steps(rows),
            steps,
            bytes: rows.values().map(bytes).sum(),
        }
    }

    /// Steps of the segments of which all parts are finished, in whichever order.
    fn finished_steps(&self, rows: &BTreeMap<u64, ProvenRow>) -> usize {
        let first = rows.iter().filter(|(part, _)| *part % self.groups == 0);
        let whole = first.filter(|(part, _)| {
            let parts = rows.range(**part..**part + self.groups);
            parts.count() as u64 == self.groups
        });
        whole.map(|(_, row)| row.steps).sum()
    }

    /// Keeps the segment that is there, or proves it and writes its file.
    fn finish(&self, job: &Job) -> Result<(u64, ProvenRow), ChainProveError> {
        let start = Clock::start();
        let (segment, part) = (job.segment, job.part);
        let max_bytes = max_bytes_of(self.provers.terms());
        let stored = self.directory.read_segment(part, max_bytes)?;
        let kept = stored.is_some();
        let proof_bytes = match stored {
            Some(bytes) => {
                self.tell_phase(part, SegmentPhase::Check);
                self.check(job, &bytes)?
            }
            None => self.prove(job)?,
        };
        debug!(part, kept, proof_bytes, "finished");
        let (statement, steps) = (&job.statement, job.statement.steps());
        let row = ProvenRow {
            segment,
            group: group_of(statement),
            entries_before: steps.entries_before(),
            steps: steps.steps(),
            state_before: statement.state_before(),
            state_after: statement.state_after(),
            proof_bytes,
            public_bytes: public_bytes(statement),
            kept,
            tokens: job.tokens.clone(),
            prove_ms: start.milliseconds(),
        };
        Ok((part, row))
    }

    /// Proves a segment and writes it; gives the length of the proof.
    fn prove(&self, job: &Job) -> Result<u64, ChainProveError> {
        let (segment, part) = (job.segment, job.part);
        let prove_error = |source| ChainProveError::Prove { segment, source };
        self.tell_phase(part, SegmentPhase::Prove);
        let proven = job.prove().map_err(prove_error)?;
        let encoded = proven.file.encode();
        let bytes = encoded.map_err(|source| prove_error(source.into()))?;
        self.tell_phase(part, SegmentPhase::Write);
        self.directory.write_segment(part, &bytes)?;
        Ok(proven.file.proof_bytes() as u64)
    }

    /// The policy that accepts the chain.
    fn policy(&self) -> Result<&AcceptancePolicy, ChainProveError> {
        if let Some(policy) = self.policy.get() {
            return Ok(policy);
        }
        let made = self.work.policy_with(self.provers)?;
        Ok(self.policy.get_or_init(|| made))
    }

    /// Checks a stored segment in full; gives the length of the proof.
    fn check(&self, job: &Job, bytes: &[u8]) -> Result<u64, ChainProveError> {
        let corrupt = |source| ChainProveError::CorruptSegment {
            path: self.directory.segment_path(job.part),
            source,
        };
        let file = SegmentFile::decode(bytes).map_err(corrupt)?;
        if *file.statement() != job.statement {
            return Err(ChainProveError::OtherSegment {
                path: self.directory.segment_path(job.part),
                expected: job.statement.digest(),
                got: file.statement().digest(),
            });
        }
        verify_segment(&file, self.policy()?).map_err(corrupt)?;
        Ok(file.proof_bytes() as u64)
    }
}

pub(crate) fn threads_error(error: ThreadPoolBuildError) -> ChainProveError {
    ChainProveError::Threads {
        reason: error.to_string(),
    }
}

/// A panic while a lock was held ends the whole run; until then what it guards is whole.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
