//! Storage: every operation of a prover on its directory fails once, or from then on. The error names
//! file and operation, no file stands half-written under its own name, and the next prover ends the same
//! chain and proves nothing a second time.
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;

use camino::Utf8Path;
use matchmark_composer::{
    segment_file_name, segments_directory, ChainProveError, ChainProver, ChainReadError, ChainWork,
    DirectoryError, ProveReport, Schedule, Silent, Storage, LOCK_FILE, MANIFEST_FILE,
    SEGMENTS_DIRECTORY,
};
use matchmark_statement::Cut;

use super::crash::{finished, place, Finished, Of};
use crate::cases::insecure;
use crate::faults::{temporary, Fault, Faulty, Shot, Step, TEMPORARY};
use crate::report::Recorder;

/// Steps of the chain, each a segment.
const STEPS: u32 = 3;

/// What a prover finds.
#[derive(Clone, Copy, Debug)]
enum Scene {
    /// Nothing.
    Nothing,
    /// The manifest, and a copy of the first input on its way: the chain is created once more.
    Manifest,
    /// The first and the last segment; the one between them whole, but under its temporary name.
    Segments,
}

impl Scene {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "create",
            Self::Manifest => "create again",
            Self::Segments => "resume",
        }
    }
}

/// A chain as it comes out where nothing fails.
struct Whole {
    of: Of,
    cut: Cut,
    digest: String,
    files: Files,
}

/// An operation of a scene and what befalls it.
struct Case<'a> {
    whole: &'a Whole,
    scene: Scene,
    step: &'a Step,
    shot: Shot,
}

pub fn run(recorder: &mut Recorder) {
    let full = recorder.amount(0, 1) == 1;
    let mut kinds = vec![(Of::Attention, Cut::Fused)];
    if full {
        kinds.push((Of::Attention, Cut::Split));
        kinds.push((Of::Decoder, Cut::Fused));
    }
    let lasting: &[Fault] = if full { &Fault::ALL } else { &[Fault::Full] };
    for (of, cut) in kinds {
        let whole = Whole::new(of, cut);
        let label = format!("{}/short writes without a fault", whole.name());
        recorder.require(&label, || whole.written_in_pieces());
        for scene in [Scene::Nothing, Scene::Manifest, Scene::Segments] {
            let steps = whole.steps(scene);
            let label = format!("{}/{}/order", whole.name(), scene.name());
            recorder.require(&label, || in_order(&steps));
            let mut cases = vec![];
            for (at, step) in steps.iter().enumerate() {
                let once = Fault::ALL.into_iter().map(|fault| (fault, false));
                let lasting = lasting.iter().map(|fault| (*fault, true));
                for (fault, stays) in once.chain(lasting).filter(|(it, _)| it.suits(step)) {
                    cases.push(Case {
                        whole: &whole,
                        scene,
                        step,
                        shot: Shot { at, fault, stays },
                    });
                }
            }
            recorder.require_each(&cases, Case::label, Case::check);
        }
    }
}

fn plan(of: Of, cut: Cut) -> ChainWork {
    of.plan_of(STEPS, |options| {
        options.security = insecure();
        options.cuts = cut.into();
    })
}

/// One segment after the other, so that operations have the same numbers in every run.
fn prove(prover: ChainProver) -> Result<ProveReport, ChainProveError> {
    let schedule = Schedule {
        workers: NonZeroUsize::MIN,
        threads_per_worker: NonZeroUsize::MIN,
    };
    prover.with_schedule(schedule).run(&Silent)
}

/// All files of a directory by their path in it, the lock left out.
type Files = BTreeMap<String, Vec<u8>>;

fn files(chain: &Utf8Path) -> Files {
    let mut files = BTreeMap::new();
    for directory in ["", SEGMENTS_DIRECTORY] {
        let Ok(entries) = fs::read_dir(chain.join(directory)) else {
            continue;
        };
        for entry in entries.map(|entry| entry.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            if name != LOCK_FILE && entry.file_type().unwrap().is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                files.insert(Utf8Path::new(directory).join(name).into_string(), bytes);
            }
        }
    }
    files
}

/// A file is synced between its last write and its rename, and the directory after the rename: so that
/// no machine that stops has a name without the bytes.
fn in_order(steps: &[Step]) -> Result<(), String> {
    let mut renamed = 0;
    for (at, step) in steps
        .iter()
        .enumerate()
        .filter(|(_, it)| it.action == "rename")
    {
        let step_of = |at: usize| steps.get(at).map(|it| (it.action, it.path.as_path()));
        let before = at.checked_sub(1).and_then(step_of);
        let directory = step.path.parent();
        if before != Some(("sync", &step.path))
            || step_of(at + 1) != directory.map(|it| ("sync", it))
        {
            return Err(format!(
                "{} is renamed between {before:?} and {:?}",
                step.path,
                step_of(at + 1)
            ));
        }
        renamed += 1;
    }
    match renamed {
        0 => Err("nothing is renamed".into()),
        _ => Ok(()),
    }
}

fn segment(index: u64) -> String {
    segments_directory("".into())
        .join(segment_file_name(index))
        .into_string()
}

impl Whole {
    fn new(of: Of, cut: Cut) -> Self {
        let (_guard, path) = place();
        let report = prove(ChainProver::create(&path, plan(of, cut)).unwrap()).unwrap();
        let files = files(&path);
        assert_eq!(files.len(), 1 + of.copies().len() + STEPS as usize);
        Self {
            of,
            cut,
            digest: report.chain_digest.to_string(),
            files,
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.cut, self.of.name())
    }

    fn prepare(&self, scene: Scene, chain: &Utf8Path) {
        let put = |from: &str, to: &str| fs::write(chain.join(to), &self.files[from]).unwrap();
        match scene {
            Scene::Nothing => {}
            Scene::Manifest => {
                fs::create_dir(chain).unwrap();
                put(MANIFEST_FILE, MANIFEST_FILE);
                let first = self.of.copies()[0];
                put(first, &temporary(first));
            }
            Scene::Segments => {
                fs::create_dir(chain).unwrap();
                fs::create_dir(segments_directory(chain)).unwrap();
                for name in self.of.copies().iter().chain(&[MANIFEST_FILE]) {
                    put(name, name);
                }
                put(&segment(0), &segment(0));
                put(&segment(2), &segment(2));
                let hidden = format!("{SEGMENTS_DIRECTORY}/{}", temporary(&segment_file_name(1)));
                put(&segment(1), &hidden);
            }
        }
    }

    /// What a prover does that finds this.
    fn proceed(
        &self,
        scene: Scene,
        storage: Arc<dyn Storage>,
        chain: &Utf8Path,
    ) -> Result<ProveReport, ChainProveError> {
        prove(match scene {
            Scene::Nothing | Scene::Manifest => {
                ChainProver::create_on(storage, chain, plan(self.of, self.cut))?
            }
            Scene::Segments => ChainProver::resume_on(storage, chain)?,
        })
    }

    /// What a prover does that finds whatever a failure has left.
    fn recover(&self, chain: &Utf8Path) -> Result<ProveReport, ChainProveError> {
        let storage = || Arc::new(Faulty::new(None));
        let prover = match ChainProver::resume_on(storage(), chain) {
            Ok(prover) => prover,
            // No chain yet, or one without the copies of its inputs.
            Err(_) if self.of.copies().iter().any(|it| !chain.join(it).exists()) => {
                ChainProver::create_on(storage(), chain, plan(self.of, self.cut))?
            }
            Err(error) => return Err(error),
        };
        prove(prover)
    }

    /// A write that takes a part of the bytes is no fault: the others follow.
    fn written_in_pieces(&self) -> Result<(), String> {
        let (_guard, path) = place();
        let storage = Arc::new(Faulty::slow(1000));
        let report = self.proceed(Scene::Nothing, storage, &path);
        let report = report.map_err(|error| error.to_string())?;
        if report.chain_digest.to_string() != self.digest || files(&path) != self.files {
            return Err("another chain".into());
        }
        Ok(())
    }

    /// The operations of a prover until the chain is complete.
    fn steps(&self, scene: Scene) -> Vec<Step> {
        let (_guard, path) = place();
        self.prepare(scene, &path);
        let storage = Arc::new(Faulty::new(None));
        let report = self.proceed(scene, storage.clone(), &path).unwrap();
        assert_eq!(report.chain_digest.to_string(), self.digest);
        assert_eq!(files(&path), self.files);
        let mut steps = storage.steps();
        for step in &mut steps {
            // Every run has a place of its own.
            step.path = match step.path.strip_prefix(&path) {
                Ok(within) => within.to_owned(),
                Err(_) => "..".into(),
            };
        }
        steps
    }

    /// Every file that has its own name is whole. One under a temporary name was there before, unless the
    /// storage has failed for good.
    fn check_files(&self, chain: &Utf8Path, found: &Files, stays: bool) -> Result<(), String> {
        for (path, bytes) in files(chain) {
            let name = Utf8Path::new(&path).file_name().unwrap();
            if name.starts_with(TEMPORARY) {
                if !stays && found.get(&path) != Some(&bytes) {
                    return Err(format!("{path} is left behind"));
                }
            } else if self.files.get(&path) != Some(&bytes) {
                return Err(format!("{path} has {} other bytes", bytes.len()));
            }
        }
        Ok(())
    }
}

impl Case<'_> {
    fn label(&self) -> String {
        let Self {
            whole,
            scene,
            step,
            shot,
        } = self;
        let lasting = if shot.stays { " for good" } else { "" };
        let (scene, fault, file) = (scene.name(), shot.fault.name(), step.file());
        format!(
            "{}/{scene}/{} {} {file}/{fault}{lasting}",
            whole.name(),
            shot.at,
            step.action
        )
    }

    fn check(&self) -> Result<(), String> {
        let Self {
            whole, scene, shot, ..
        } = self;
        let (_guard, path) = place();
        whole.prepare(*scene, &path);
        let (before, found) = (finished(&path), files(&path));
        let storage = Arc::new(Faulty::new(Some(*shot)));
        match whole.proceed(*scene, storage, &path) {
            Ok(_) => return Err("the fault went unnoticed".into()),
            Err(error) => self.check_error(&path, &error)?,
        }
        whole.check_files(&path, &found, shot.stays)?;
        // Whoever cannot tell whether a directory is free leaves the lock that it has made there.
        let is_empty = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
        if !shot.stays && is_empty && matches!(scene, Scene::Nothing) {
            return Err("an empty directory is left behind".into());
        }
        let between = finished(&path);
        still_there(&before, &between)?;
        let report = whole
            .recover(&path)
            .map_err(|error| format!("the chain cannot be ended: {error}: {error:?}"))?;
        if report.chain_digest.to_string() != whole.digest || files(&path) != whole.files {
            return Err("another chain".into());
        }
        if report.parts_kept != between.len() as u64 {
            let (kept, there) = (report.parts_kept, between.len());
            return Err(format!("{kept} segments kept, {there} were finished"));
        }
        still_there(&between, &finished(&path))
    }

    /// The error says which file, which operation, and what the system said.
    fn check_error(&self, chain: &Utf8Path, error: &ChainProveError) -> Result<(), String> {
        let (action, path, source) = match error {
            ChainProveError::Directory(
                DirectoryError::Io {
                    action,
                    path,
                    source,
                }
                | DirectoryError::Segments(ChainReadError::Io {
                    action,
                    path,
                    source,
                }),
            ) => (*action, path, source),
            other => return Err(format!("refused for another reason: {other:?}")),
        };
        let expected = match self.step.path.as_str() {
            "" => chain.to_owned(),
            ".." => chain.parent().unwrap().to_owned(),
            within => chain.join(within),
        };
        let code = Some(self.shot.fault.code());
        if (action, path, source.raw_os_error()) != (self.step.action, &expected, code) {
            return Err(format!("the error names {action} of {path}: {source}"));
        }
        Ok(())
    }
}

/// What was finished is there as it was written.
fn still_there(before: &Finished, after: &Finished) -> Result<(), String> {
    match before
        .iter()
        .find(|(name, file)| after.get(*name) != Some(*file))
    {
        Some((name, _)) => Err(format!("{name} was written again, or is gone")),
        None => Ok(()),
    }
}
