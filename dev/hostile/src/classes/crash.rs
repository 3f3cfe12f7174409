//! Crashes: a chain whose prover is killed again and again ends as the same chain, and finished
//! segments are kept; a second prover is kept out; a changed file is named and left alone.
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_composer::{
    segments_directory, ChainOptions, ChainPlan, ChainProveError, ChainProver, ChainWork,
    DirectoryError, ModelOptions, ModelPlan, Silent, Stop, MANIFEST_FILE, MODEL_FILE, TABLE_FILE,
    TRACE_FILE,
};
use matchmark_quant::{
    AttentionShape, HeadDim, KvHeads, QueryHeads, Rounding, SegmentSteps, StepRange, ValueBits,
};
use matchmark_runtime::synthetic_trace;
use matchmark_statement::{
    CutPattern, EndTokens, LayerGroups, ModelIdentity, Profile, Security, SecurityLevel,
    VerifierDomain,
};

use crate::decoder::cases::{uneven, DecoderSpec};
use crate::report::Recorder;
use crate::Rng;

/// Steps of the chain, each a segment; parts of the grid.
const STEPS: u32 = 24;
/// Groups of layers of the grid.
const GROUPS: u16 = 3;
/// Name of the hidden command by which this program proves the chain in a process of its own.
pub const COMMAND: &str = "prove-chain";
/// Times that one chain is killed before it is left to end.
const KILLS_OF_A_CHAIN: usize = 5;

/// Options of the chains of this class and of `resources`.
pub(super) fn options(segment_steps: Option<SegmentSteps>) -> ChainOptions {
    ChainOptions {
        cuts: CutPattern::default(),
        domain: VerifierDomain::new("hostile", [0; 16]).unwrap(),
        security: Security::new(SecurityLevel::Conjectured100, Profile::Fast).unwrap(),
        model: ModelIdentity::TraceOnly,
        rounding: Rounding::NearestTiesUp,
        table: None,
        score_step: None,
        segment_steps,
    }
}

fn attention_plan(steps: u32, options: ChainOptions) -> ChainPlan {
    let shape = AttentionShape::new(
        QueryHeads::new(2).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(8).unwrap(),
    );
    let steps = StepRange::new(2, steps).unwrap();
    let trace = synthetic_trace(shape.unwrap(), ValueBits::DEFAULT, steps, 5).unwrap();
    ChainPlan::new(trace, options).unwrap()
}

/// What a chain is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Of {
    /// Attention alone.
    Attention,
    /// A whole decoder.
    Decoder,
    /// A decoder of three layers, each a group of its own.
    Grid,
}

impl Of {
    const ALL: [Self; 3] = [Self::Attention, Self::Decoder, Self::Grid];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Decoder => "decoder",
            Self::Grid => "grid",
        }
    }

    /// A chain of [`STEPS`] parts.
    fn plan(self) -> ChainWork {
        let steps = match self {
            Self::Attention | Self::Decoder => STEPS,
            // As many files.
            Self::Grid => STEPS / u32::from(GROUPS),
        };
        self.plan_of(steps, |_| {})
    }

    /// A chain of so many segments of one step each.
    pub(super) fn plan_of(self, steps: u32, change: impl FnOnce(&mut ChainOptions)) -> ChainWork {
        let mut options = options(Some(SegmentSteps::new(1).unwrap()));
        change(&mut options);
        match self {
            Self::Attention => attention_plan(steps, options).into(),
            Self::Decoder => decoder_plan(steps, 1, options).into(),
            Self::Grid => decoder_plan(steps, GROUPS, options).into(),
        }
    }

    /// The inputs that its directory has copies of, in the order in which they are written.
    pub(super) fn copies(self) -> &'static [&'static str] {
        match self {
            Self::Attention => &[TRACE_FILE, TABLE_FILE],
            Self::Decoder | Self::Grid => &[MODEL_FILE],
        }
    }
}

/// Three tokens are given, the others chosen; as many layers as groups of them.
fn decoder_plan(steps: u32, groups: u16, options: ChainOptions) -> ModelPlan {
    let spec = DecoderSpec {
        sizes: [groups.into(), 9, 3, 1, 6, 7, 11, steps],
        biased: false,
        ..uneven()
    };
    let prompt = vec![1, 2, 3];
    let options = ModelOptions {
        domain: options.domain,
        security: options.security,
        segment_steps: options.segment_steps,
        // The last one is not consumed.
        tokens: steps + 1 - 3,
        granularity: SegmentSteps::new(1).unwrap(),
        cuts: options.cuts,
        // Chains of all lengths, whatever the model says.
        stop: Stop::Tokens(EndTokens::NONE),
        groups: LayerGroups::new(groups).unwrap(),
        shorter: None,
    };
    ModelPlan::new(spec.model(), prompt, &options).unwrap()
}

/// Begins the chain, or goes on with it, and gives its digest: what the child process does.
pub fn prove_chain(path: &Utf8Path, of: Of) -> Result<String, ChainProveError> {
    let last = of.copies()[of.copies().len() - 1];
    let prover = match ChainProver::resume(path) {
        Ok(prover) => prover,
        Err(ChainProveError::Directory(DirectoryError::NoChain { .. })) => {
            ChainProver::create(path, of.plan())?
        }
        // Killed between the manifest and the copies of the inputs.
        Err(error) if !path.join(last).exists() => match ChainProver::create(path, of.plan()) {
            Ok(prover) => prover,
            Err(_) => return Err(error),
        },
        Err(error) => return Err(error),
    };
    Ok(prover.run(&Silent)?.chain_digest.to_string())
}

fn spawn(path: &Utf8Path, of: Of) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([COMMAND, path.as_str(), of.name()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Finished segments by name, with what tells one writing from another.
pub(super) type Finished = BTreeMap<String, (std::time::SystemTime, Vec<u8>)>;

/// The finished segments. No prover writes the same file twice.
pub(super) fn finished(path: &Utf8Path) -> Finished {
    let Ok(entries) = fs::read_dir(segments_directory(path)) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".segment"))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let written = entry.metadata().unwrap().modified().unwrap();
            (name, (written, fs::read(entry.path()).unwrap()))
        })
        .collect()
}

pub(super) fn place() -> (tempfile::TempDir, Utf8PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(directory.path().join("chain")).unwrap();
    (directory, path)
}

pub fn run(recorder: &mut Recorder) {
    for of in Of::ALL {
        let (_whole, whole) = place();
        let started = std::time::Instant::now();
        let digest = prove_chain(&whole, of).unwrap();
        let took = started.elapsed();
        let segments = finished(&whole).into_values();
        let expected = Expected {
            of,
            digest,
            segments: segments.map(|(_, bytes)| bytes).collect(),
            took,
        };
        assert_eq!(expected.segments.len(), STEPS as usize);
        killed(recorder, &expected);
        locked(recorder, of);
        changed(recorder, of, &whole);
    }
}

/// A chain whose prover nobody disturbed.
struct Expected {
    of: Of,
    digest: String,
    segments: Vec<Vec<u8>>,
    took: Duration,
}

/// Kills one chain a few times at random moments, of the resumed runs too, and lets it end.
fn killed(recorder: &mut Recorder, expected: &Expected) {
    let Expected {
        of,
        digest: expected,
        segments: files,
        took,
    } = expected;
    let (of, name) = (*of, of.name());
    let kills = match of {
        Of::Attention => recorder.amount(12, 500),
        Of::Decoder => recorder.amount(3, 250),
        Of::Grid => recorder.amount(KILLS_OF_A_CHAIN, 300),
    };
    for chain in 0..kills / KILLS_OF_A_CHAIN {
        let (_guard, path) = place();
        let mut rng = Rng::of(recorder.seed, name, chain as u64);
        for kill in 0..KILLS_OF_A_CHAIN {
            let before = finished(&path);
            let pause = rng.below(1 + took.as_micros() as usize / KILLS_OF_A_CHAIN * 2);
            let mut child = spawn(&path, of);
            sleep(Duration::from_micros(pause as u64));
            child.kill().unwrap();
            child.wait().unwrap();
            let after = finished(&path);
            recorder.require(&format!("{name}/chain {chain}, kill {kill}"), || {
                // Every file that has its name is whole, and what was finished was left alone.
                for (name, (written, bytes)) in &before {
                    if after.get(name) != Some(&(*written, bytes.clone())) {
                        return Err(format!("{name} was written again"));
                    }
                }
                match after.values().find(|(_, bytes)| !files.contains(bytes)) {
                    Some((_, bytes)) => Err(format!("a segment of {} other bytes", bytes.len())),
                    None => Ok(()),
                }
            });
        }
        let before = finished(&path);
        recorder.require(&format!("{name}/chain {chain}, end"), || {
            let output = spawn(&path, of)
                .wait_with_output()
                .map_err(|error| error.to_string())?;
            let digest = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if digest != *expected {
                let error = String::from_utf8_lossy(&output.stderr);
                return Err(format!(
                    "expected chain {expected}, got \"{digest}\": {error}"
                ));
            }
            let after = finished(&path);
            let kept = before
                .iter()
                .all(|(name, file)| after.get(name) == Some(file));
            let bytes: Vec<Vec<u8>> = after.into_values().map(|(_, bytes)| bytes).collect();
            if !kept || bytes != *files {
                return Err("segments were proven twice, or differ".into());
            }
            Ok(())
        });
    }
}

/// Two processes on one directory.
fn locked(recorder: &mut Recorder, of: Of) {
    let (_guard, path) = place();
    let first = ChainProver::create(&path, of.plan()).unwrap();
    let label = |what: &str| format!("{}/{what}", of.name());
    recorder.require(&label("a second process"), || {
        let second = spawn(&path, of).wait_with_output();
        let second = second.map_err(|error| error.to_string())?;
        let error = String::from_utf8_lossy(&second.stderr);
        if second.status.success() || !error.contains("is locked: another process") {
            return Err(format!("expected Locked, got {}: {error}", second.status));
        }
        Ok(())
    });
    recorder.require(&label("a second prover"), || {
        match ChainProver::resume(&path) {
            Err(ChainProveError::Directory(DirectoryError::Locked { .. })) => Ok(()),
            Err(error) => Err(format!("expected Locked, got {error}")),
            Ok(_) => Err("two provers prove into one directory".into()),
        }
    });
    drop(first);
}

/// One flipped bit in each file of a finished chain.
fn changed(recorder: &mut Recorder, of: Of, whole: &Utf8Path) {
    let names = of.copies().iter().chain(&[MANIFEST_FILE]);
    let mut files: Vec<Utf8PathBuf> = names.map(|name| whole.join(name)).collect();
    let segments = fs::read_dir(segments_directory(whole)).unwrap();
    files.extend(segments.map(|it| Utf8PathBuf::from_path_buf(it.unwrap().path()).unwrap()));
    files.sort();
    let flips = recorder.amount(1, 12);
    for file in &files {
        let own = fs::read(file).unwrap();
        for flip in 0..flips {
            let name = file.file_name().unwrap();
            let mut rng = Rng::of(recorder.seed, name, flip as u64);
            let mut edited = own.clone();
            let at = rng.below(own.len());
            edited[at] ^= 1 << rng.below(7);
            fs::write(file, &edited).unwrap();
            recorder.require(&format!("{}/{name}, flip {flip}", of.name()), || {
                let outcome = ChainProver::resume(whole).and_then(|it| it.run(&Silent));
                if fs::read(file).map_err(|error| error.to_string())? != edited {
                    return Err("the changed file was written over".into());
                }
                match outcome {
                    Err(_) => Ok(()),
                    // A comment or a space of the manifest says nothing.
                    Ok(report) if name == MANIFEST_FILE && report.parts_kept == report.parts => {
                        Ok(())
                    }
                    Ok(_) => Err("the change went unnoticed".into()),
                }
            });
            fs::write(file, &own).unwrap();
        }
    }
}
