//! How a claim is proven: with which resources, told to whom, and until when.

use std::fmt;
use std::num::NonZeroUsize;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_composer::{
    CancelToken, ChainProveError, ChainProver, ChainWork, PartInput, Progress, ProveEvent,
    ProveReport, ProvenPart, Resources, Silent,
};
use matchmark_quant::StepRange;
use matchmark_statement::AcceptancePolicy;

use crate::error::Error;
use crate::files::check_chain_folder;
use crate::prove::claim::{Claim, Prove, TokensOf, TraceOf};
use crate::text::ChainText;

/// A claim and the directory that its proof goes to.
#[derive(Debug)]
#[must_use = "nothing is proven before `run`"]
pub struct Job<'a> {
    claim: Claim,
    directory: Utf8PathBuf,
    means: Means<'a>,
}

/// With what a chain is proven.
struct Means<'a> {
    resources: Resources,
    progress: Box<dyn Progress + 'a>,
    cancel: CancelToken,
}

impl Default for Means<'_> {
    fn default() -> Self {
        Self {
            resources: Resources::default(),
            progress: Box::new(Silent),
            cancel: CancelToken::new(),
        }
    }
}

impl fmt::Debug for Means<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means")
            .field("resources", &self.resources)
            .field("cancel", &self.cancel)
            .finish_non_exhaustive()
    }
}

/// The settings that a new chain and a resumed one have in common.
macro_rules! settings {
    ($job:ident) => {
        impl<'a> $job<'a> {
            /// How many segments are proven at a time; without it as many as there are cores and memory for.
            pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
                self.means.resources.jobs = Some(jobs);
                self
            }

            /// Most memory of the process, in bytes; without it what there is.
            pub fn max_memory(mut self, bytes: u64) -> Self {
                self.means.resources.max_memory = Some(bytes);
                self
            }

            /// What proving may use of the machine, all at once.
            pub fn resources(mut self, resources: Resources) -> Self {
                self.means.resources = resources;
                self
            }

            /// Is told every event, one at a time and from several threads. The prover waits for each.
            pub fn progress(mut self, progress: impl Fn(&ProveEvent) + Sync + 'a) -> Self {
                self.means.progress = Box::new(progress);
                self
            }

            /// Stops when the token asks for it: segments that are being proven are finished, no other is
            /// begun, and the outcome is [`Error::Stopped`], or [`Error::Cancelled`] where nothing was
            /// written yet.
            pub fn cancel(mut self, cancel: &CancelToken) -> Self {
                self.means.cancel = cancel.clone();
                self
            }
        }
    };
}

settings!(Job);
settings!(Interrupted);

impl Prove<TokensOf> {
    /// The directory of the chain, absent or empty.
    pub fn to<'a>(self, directory: impl Into<Utf8PathBuf>) -> Job<'a> {
        Job::new(Claim::Tokens(self), directory.into())
    }
}

impl Prove<TraceOf> {
    /// The directory of the chain, absent or empty.
    pub fn to<'a>(self, directory: impl Into<Utf8PathBuf>) -> Job<'a> {
        Job::new(Claim::Trace(self), directory.into())
    }
}

impl<'a> Job<'a> {
    fn new(claim: Claim, directory: Utf8PathBuf) -> Self {
        Self {
            claim,
            directory,
            means: Means::default(),
        }
    }

    /// Checks everything that can be checked before something is written, memory included, and commits the
    /// model, if it is one's tokens that are proven.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`] if there is no such chain, or too little memory; [`Error::KeyMismatch`] for a model
    /// that is not the key's; [`Error::Tokens`] for a prompt that has no tokens; [`Error::Cancelled`].
    pub fn plan(self) -> Result<Planned<'a>, Error> {
        let Self {
            claim,
            directory,
            means,
        } = self;
        means.check_cancelled()?;
        let work = claim.plan(&means.resources)?;
        Ok(Planned {
            work,
            directory,
            means,
        })
    }

    /// Proves the whole chain into the directory.
    ///
    /// # Errors
    ///
    /// Those of [`Self::plan`], [`Planned::begin`] and [`Proving::run`].
    pub fn run(self) -> Result<ProveReport, Error> {
        self.plan()?.begin()?.run()
    }
}

impl Means<'_> {
    fn check_cancelled(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

/// A chain that can be proven. Nothing of it is written yet.
#[derive(Debug)]
pub struct Planned<'a> {
    work: ChainWork,
    directory: Utf8PathBuf,
    means: Means<'a>,
}

impl<'a> Planned<'a> {
    /// Number of segments.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.work.segment_count()
    }

    /// The steps of the chain.
    #[must_use]
    pub fn steps(&self) -> StepRange {
        self.work.steps()
    }

    /// The policy that accepts this chain and no other. It is the prover's: a verifier makes its own, of a
    /// model by [`Key::policy`](crate::Key::policy).
    ///
    /// # Errors
    ///
    /// [`Error::Plan`], for no plan that is known.
    pub fn policy(&self) -> Result<AcceptancePolicy, Error> {
        Ok(self.work.policy()?)
    }

    /// Makes the directory, with everything in it that resuming needs, and locks it.
    ///
    /// # Errors
    ///
    /// [`Error::Prove`] if the directory holds something else, is locked or cannot be written, and then
    /// nothing half-written stays; [`Error::Plan`] if there is too little memory; [`Error::Cancelled`].
    pub fn begin(self) -> Result<Proving<'a>, Error> {
        self.means.check_cancelled()?;
        let prover = ChainProver::create_within(&self.directory, self.work, &self.means.resources)?;
        Ok(Proving::new(prover, self.means))
    }
}

/// Goes on with a chain that was begun: what is in its directory is all that is needed.
pub fn resume<'a>(directory: impl Into<Utf8PathBuf>) -> Interrupted<'a> {
    Interrupted {
        directory: directory.into(),
        means: Means::default(),
    }
}

/// A chain that was begun, and is to be gone on with.
#[derive(Debug)]
#[must_use = "nothing is proven before `run`"]
pub struct Interrupted<'a> {
    directory: Utf8PathBuf,
    means: Means<'a>,
}

impl<'a> Interrupted<'a> {
    /// Reads what is to be proven, and locks the directory.
    ///
    /// # Errors
    ///
    /// [`Error::Prove`] if there is no chain, or its manifest or inputs were changed, or it is locked;
    /// [`Error::Plan`] if there is too little memory; [`Error::OtherFile`] for something else in its place.
    pub fn begin(self) -> Result<Proving<'a>, Error> {
        check_chain_folder(&self.directory)?;
        let resources = &self.means.resources;
        let prover = ChainProver::resume_within(&self.directory, resources)?;
        Ok(Proving::new(prover, self.means))
    }

    /// Proves what is missing. What is there is checked and kept.
    ///
    /// # Errors
    ///
    /// Those of [`Self::begin`] and [`Proving::run`].
    pub fn run(self) -> Result<ProveReport, Error> {
        self.begin()?.run()
    }
}

/// A chain whose directory is there, and locked until this is dropped. It can be resumed.
#[derive(Debug)]
pub struct Proving<'a> {
    prover: ChainProver,
    means: Means<'a>,
}

impl<'a> Proving<'a> {
    fn new(prover: ChainProver, means: Means<'a>) -> Self {
        let prover = prover.with_cancel(means.cancel.clone());
        Self { prover, means }
    }

    /// The directory of the chain.
    #[must_use]
    pub fn directory(&self) -> &Utf8Path {
        self.prover.directory()
    }

    /// What is to be proven.
    #[must_use]
    pub fn work(&self) -> &ChainWork {
        self.prover.work()
    }

    /// Puts the tokens of the segments together to a text, where they are a model's: each
    /// [`ProveEvent::Done`] has those of its segment.
    #[must_use]
    pub fn text(&self) -> Option<ChainText> {
        self.work().model().map(|plan| {
            let tokenizer = plan.model().tokenizer().clone();
            {
                let prefix = plan.model().prefix().tokens.len();
                let given = plan.prompt().len() - prefix;
                ChainText::new(
                    Some(tokenizer),
                    given,
                    plan.end_tokens(),
                    plan.answer_tokens(),
                )
            }
        })
    }

    /// What one part of a model's chain is proven from, counted over all segments and groups of layers: executes the
    /// model up to there. It can be written to a file, and proven wherever the chain's directory is.
    ///
    /// # Errors
    ///
    /// [`Error::Prove`] if there is no such part, or the model does not execute its tokens.
    pub fn part_input(&self, part: u64) -> Result<PartInput, Error> {
        Ok(self.prover.part_input(part)?)
    }

    /// Proves a part from its input, and writes its file. Parts may be proven in any order.
    ///
    /// # Errors
    ///
    /// [`Error::Prove`] for an input of another chain, for a part that is not there or is proven already, and for one
    /// that is not proven.
    pub fn prove_part(&self, input: &PartInput) -> Result<ProvenPart, Error> {
        Ok(self.prover.prove_part(input)?)
    }

    /// Proves all segments that are not there yet, and checks those that are.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if it was cancelled: finished segments are kept, and [`resume`] goes on.
    /// [`Error::Prove`] for a segment that is not proven, cannot be written, or is there and is not the
    /// chain's; finished segments stay then, too.
    pub fn run(&self) -> Result<ProveReport, Error> {
        self.run_telling(&*self.means.progress)
    }

    /// As [`Self::run`], and tells somebody else.
    ///
    /// # Errors
    ///
    /// Those of [`Self::run`].
    pub fn run_telling(&self, progress: &dyn Progress) -> Result<ProveReport, Error> {
        self.prover.run(progress).map_err(|error| match error {
            ChainProveError::Stopped { finished, segments } => Error::Stopped {
                directory: self.directory().to_owned(),
                finished,
                segments,
            },
            error => error.into(),
        })
    }
}

/// The policy that would accept the chain of a directory and no other, computed anew from the copies of its
/// inputs. What it pins is the chain's own claim, for its owner to review.
///
/// # Errors
///
/// [`Error::Prove`] if the directory holds no chain, or one whose inputs were changed.
pub fn policy_of(directory: impl AsRef<Utf8Path>) -> Result<AcceptancePolicy, Error> {
    let directory = directory.as_ref();
    check_chain_folder(directory)?;
    Ok(matchmark_composer::policy_for(directory)?)
}
