//! Resources: how much memory and time a hostile segment takes before it is refused.
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_composer::{
    policy_for, segment_file_name, segments_directory, ChainPlan, ChainProver, Silent, VerifyError,
};
use matchmark_runtime::AttentionTrace;
use matchmark_statement::AcceptancePolicy;
use matchmark_verifier::{verify_segment, SegmentFile};

use super::bytes::{attempt, Editor};
use super::crash::options;
use crate::bytes::Sample;
use crate::cases::{fast, narrow};
use crate::report::{error_name, Extent, Recorder};
use crate::Rng;

/// Name of the hidden command by which this program verifies in a process of its own.
const COMMAND: &str = "verify-segment";
/// Address space that is enough for verifying the fixture, in KiB.
const ADDRESS_SPACE_KIB: u64 = 64 << 10;
/// Times that the slowest inputs are measured, for the best.
const TIMES: usize = 15;

/// The committed fixture as one segment.
struct Fixture {
    _directory: tempfile::TempDir,
    segment: Utf8PathBuf,
    policy: Utf8PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let fixtures = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let trace = fixtures.join("attention-layer0-8bit.safetensors");
        let trace = AttentionTrace::load(trace.as_std_path()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        let (chain, policy) = (root.join("chain"), root.join("policy.toml"));
        let plan = ChainPlan::new(trace, options(None)).unwrap();
        ChainProver::create(&chain, plan)
            .unwrap()
            .run(&Silent)
            .unwrap();
        let text = policy_for(&chain).unwrap().to_toml();
        fs::write(&policy, text).unwrap();
        Self {
            segment: segments_directory(&chain).join(segment_file_name(0)),
            policy,
            _directory: directory,
        }
    }

    /// Verifies a segment in a process with little address space: its outcome, and the largest memory
    /// that it held, in KiB.
    fn verify_limited(&self, segment: &Utf8Path) -> Result<(String, u64), String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "ulimit -v {ADDRESS_SPACE_KIB} && exec \"$0\" \"$@\""
            ))
            .arg(program)
            .args([COMMAND, segment.as_str(), self.policy.as_str()])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let parts = text.split_once(' ').and_then(|(outcome, peak)| {
            let peak = peak.parse().ok()?;
            Some((outcome.to_owned(), peak))
        });
        parts.ok_or_else(|| {
            let error = String::from_utf8_lossy(&output.stderr);
            format!("{}: {text}{error}", output.status)
        })
    }
}

/// What the child process prints: `accepted` or the name of the error, and its largest memory in KiB.
pub fn verify_and_measure(segment: &Utf8Path, policy: &Utf8Path) -> Result<String, String> {
    let text = fs::read_to_string(policy).map_err(|error| error.to_string())?;
    let policy = AcceptancePolicy::from_toml(&text).map_err(|error| error.to_string())?;
    let bytes = fs::read(segment).map_err(|error| error.to_string())?;
    let verify = || -> Result<(), VerifyError> {
        verify_segment(&SegmentFile::decode(&bytes)?, &policy).map(|_| ())
    };
    let outcome = match verify() {
        Ok(()) => "accepted".to_owned(),
        Err(error) => error_name(&error),
    };
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|rest| rest.trim().strip_suffix("kB"));
    let peak = peak.ok_or("the system does not say how much memory was held")?;
    Ok(format!("{outcome} {}", peak.trim()))
}

pub fn run(recorder: &mut Recorder) {
    if cfg!(target_os = "linux") {
        memory(recorder);
    }
    // A time is no test of a change: machines are shared.
    if recorder.extent == Extent::Full {
        time(recorder);
    }
}

/// Verifying the fixture fits in little memory, and lengths that claim gigabytes are refused before
/// anything is reserved for them.
fn memory(recorder: &mut Recorder) {
    let fixture = Fixture::new();
    let accepted = fixture.verify_limited(&fixture.segment);
    let peak = accepted.as_ref().map_or(0, |(_, peak)| *peak);
    recorder.require(
        "the fixture in 64 MiB of address space",
        || match accepted {
            Ok((outcome, _)) if outcome == "accepted" => Ok(()),
            Ok((outcome, _)) => Err(outcome),
            Err(why) => Err(why),
        },
    );
    let own = fs::read(&fixture.segment).unwrap();
    let edited = fixture.segment.with_extension("edited");
    for field in 0..5 {
        for length in [u32::MAX, u32::MAX - 21, 1 << 31, 1 << 30, 1 << 24] {
            let mut bytes = own.clone();
            let at = 10 + 4 * field;
            bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
            fs::write(&edited, &bytes).unwrap();
            let label = format!("length {field} of {length} bytes");
            recorder.require(&label, || {
                let (outcome, got) = fixture.verify_limited(&edited)?;
                match outcome.as_str() {
                    "accepted" => Err("accepted".into()),
                    // Some pages of noise: what a refusal holds is the file and the program.
                    _ if got > peak + 1024 => Err(format!("{got} KiB, {peak} of accepting")),
                    _ => Ok(()),
                }
            });
        }
    }
}

/// The slowest of many hostile inputs takes at most twice as long as a valid one.
fn time(recorder: &mut Recorder) {
    let mut spec = narrow();
    spec.security = fast();
    let case = spec.case();
    let (sample, other) = (Sample::new(&case, 1), Sample::new(&case, 2));
    let editor = Editor::new(&sample, &other);
    let took = |bytes: &[u8]| {
        let start = Instant::now();
        let _ = attempt(bytes, &sample);
        start.elapsed()
    };
    let best = |bytes: &[u8]| {
        (0..TIMES)
            .map(|_| took(bytes))
            .min()
            .unwrap_or(Duration::MAX)
    };
    let accepting = best(&sample.bytes);
    let (seed, count) = (recorder.seed, 20_000);
    let mut slowest: Vec<(Duration, usize)> = (0..count)
        .map(|index| {
            let mut rng = Rng::of(seed, "resources", index as u64);
            (took(&editor.edit(&mut rng)), index)
        })
        .collect();
    slowest.sort_unstable();
    for (_, index) in slowest.iter().rev().take(20) {
        recorder.require(&format!("time of edit {index}"), || {
            let mut rng = Rng::of(seed, "resources", *index as u64);
            let refusing = best(&editor.edit(&mut rng));
            if refusing <= 2 * accepting {
                Ok(())
            } else {
                Err(format!("{refusing:?} against {accepting:?} of accepting"))
            }
        });
    }
}
