//! Special files: pipes, sockets, devices, directories and links in the place of segments, policies, keys,
//! models, traces, tables and texts. Every command ends in time with a reason, nothing is accepted, and
//! what stands in the place of a result is not replaced.
use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::{symlink, FileTypeExt as _};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_composer::{segment_file_name, segments_directory, LOCK_FILE, MANIFEST_FILE};
use serde_json::Value;

use crate::report::Recorder;

/// Name of the hidden command by which this program is the `matchmark` command.
pub const COMMAND: &str = "matchmark";
/// No command takes as long, whatever the machine does besides. Those that wait are told to wait a second.
const LIMIT: Duration = Duration::from_secs(60);
/// How the name of an ending begins that does not exist.
const HANG: &str = "Hang";

/// What stands in the place of a file.
#[derive(Clone, Copy, Debug)]
enum Thing {
    Pipe,
    /// A pipe whose other end somebody holds, and writes nothing.
    HeldPipe,
    Socket,
    Directory,
    /// A link to this path, from the directory of the attempt.
    Link(&'static str),
}

/// `pipe`, `socket` and `directory` are there in every attempt.
const THINGS: [Thing; 16] = [
    Thing::Pipe,
    Thing::HeldPipe,
    Thing::Socket,
    Thing::Directory,
    Thing::Link("nothing"),
    Thing::Link("loop"),
    Thing::Link("pipe"),
    Thing::Link("socket"),
    Thing::Link("directory"),
    Thing::Link("/dev/zero"),
    Thing::Link("/dev/null"),
    Thing::Link("/dev/full"),
    Thing::Link("/dev/tty"),
    Thing::Link("/dev/stdin"),
    // Files by their kind, of no length by what the system says, and without an end.
    Thing::Link("/proc/self/pagemap"),
    Thing::Link("/proc/self/mem"),
];

/// Where the thing stands.
#[derive(Clone, Copy, Debug)]
enum Spot {
    Segment,
    /// Behind the only segment that there is.
    NextSegment,
    Segments,
    Chain,
    /// What resuming reads first, and what it locks.
    Manifest,
    Lock,
    Policy,
    Key,
    Model,
    Trace,
    Table,
    Text,
}

const SPOTS: [Spot; 12] = [
    Spot::Segment,
    Spot::NextSegment,
    Spot::Segments,
    Spot::Chain,
    Spot::Manifest,
    Spot::Lock,
    Spot::Policy,
    Spot::Key,
    Spot::Model,
    Spot::Trace,
    Spot::Table,
    Spot::Text,
];

/// Why a command did not accept, by name.
struct Ending(String);

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fixtures() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// A directory with a valid chain of one segment, its policy, and the things that links lead to.
struct Place {
    _directory: tempfile::TempDir,
    root: Utf8PathBuf,
    /// Keeps pipes open.
    held: Vec<File>,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap().to_owned();
        let fixture = |name: &str| fixtures().join("hostile").join(name);
        let segments = segments_directory(&root.join("chain"));
        fs::create_dir_all(&segments).unwrap();
        let segment = segments.join(segment_file_name(0));
        fs::copy(fixture("narrow.segment"), segment).unwrap();
        fs::copy(fixture("narrow.policy.toml"), root.join("policy")).unwrap();
        make_pipe(&root.join("pipe"));
        drop(UnixListener::bind(root.join("socket")).unwrap());
        fs::create_dir(root.join("directory")).unwrap();
        Self {
            _directory: directory,
            root,
            held: vec![],
        }
    }

    fn path(&self, spot: Spot) -> Utf8PathBuf {
        let chain = self.root.join("chain");
        match spot {
            Spot::Segment => segments_directory(&chain).join(segment_file_name(0)),
            Spot::NextSegment => segments_directory(&chain).join(segment_file_name(1)),
            Spot::Segments => segments_directory(&chain),
            Spot::Chain => chain,
            Spot::Manifest => chain.join(MANIFEST_FILE),
            Spot::Lock => chain.join(LOCK_FILE),
            Spot::Policy => self.root.join("policy"),
            Spot::Key | Spot::Model | Spot::Trace | Spot::Table | Spot::Text => {
                self.root.join("thing")
            }
        }
    }

    /// Puts the thing there, in place of what is there.
    fn put(&mut self, thing: Thing, path: &Utf8Path) {
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(path).unwrap();
        }
        match thing {
            Thing::Pipe => make_pipe(path),
            Thing::HeldPipe => {
                make_pipe(path);
                // For reading and writing at once, which waits for nobody.
                let both = File::options().read(true).write(true).open(path);
                self.held.push(both.unwrap());
            }
            Thing::Socket => drop(UnixListener::bind(path).unwrap()),
            Thing::Directory => fs::create_dir(path).unwrap(),
            // Of itself.
            Thing::Link("loop") => symlink(path, path).unwrap(),
            Thing::Link(target) => symlink(self.root.join(target), path).unwrap(),
        }
    }

    /// The commands that come upon what stands there.
    fn commands(&self, spot: Spot) -> Vec<Vec<String>> {
        let path = self.path(spot).into_string();
        let [chain, policy, never] =
            ["chain", "policy", "never"].map(|name| self.root.join(name).into_string());
        let trace = fixtures()
            .join("attention-layer0-8bit.safetensors")
            .into_string();
        let models = fixtures().join("models");
        let folder = models.join("stories-gqa-tiny").into_string();
        let verify = words(&["verify", &chain, "--policy", &policy, "--timeout", "20"]);
        let follow = words(&[
            "verify",
            &chain,
            "--policy",
            &policy,
            "--follow",
            "--timeout",
            "1",
        ]);
        match spot {
            Spot::Segment | Spot::NextSegment | Spot::Segments | Spot::Chain => {
                let inspect = words(&["inspect", &chain]);
                let resume = words(&["resume", &chain]);
                let own = words(&["policy", &chain, "--to", &never]);
                if matches!(spot, Spot::Chain) {
                    vec![verify, follow, inspect, resume, own]
                } else {
                    vec![verify, follow]
                }
            }
            Spot::Manifest | Spot::Lock => vec![words(&["resume", &chain])],
            Spot::Policy => vec![verify, follow],
            Spot::Key => vec![words(&["keygen", "--model", &never, "--check", &path])],
            Spot::Model => vec![words(&["keygen", "--model", &path, "--to", &never])],
            Spot::Trace => vec![
                words(&["mock", "--trace", &path]),
                words(&["prove", "--trace", &path, "--out", &never]),
                words(&[
                    "quantize", "--float", &path, "--prefix", "1", "--to", &never,
                ]),
            ],
            Spot::Table => vec![words(&["mock", "--trace", &trace, "--table", &path])],
            Spot::Text => vec![words(&[
                "quantize",
                "--model",
                &folder,
                "--calibrate",
                &path,
                "--to",
                &never,
            ])],
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn make_pipe(path: &Utf8Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// How a command ended: its exit code, and the object that it printed.
enum Ended {
    InTime(Option<i32>, Value),
    Late,
}

/// Runs the `matchmark` command in a process of its own, within the limit. It panics where that does.
fn run_command(arguments: &[String]) -> Ended {
    // Files, as nobody reads while it runs.
    let mut streams = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let [stdout, stderr] = [0, 1].map(|it: usize| streams[it].try_clone().unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(COMMAND)
        .args(arguments)
        .arg("--json")
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > LIMIT => {
                child.kill().unwrap();
                child.wait().unwrap();
                return Ended::Late;
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let [stdout, stderr] = [0, 1].map(|it: usize| {
        let mut text = String::new();
        streams[it].rewind().unwrap();
        streams[it].read_to_string(&mut text).unwrap();
        text
    });
    assert!(!stderr.contains("panicked"), "{stderr}");
    Ended::InTime(
        status.code(),
        serde_json::from_str(&stdout).unwrap_or_default(),
    )
}

/// Whether the command accepts, or why not.
fn attempt(arguments: &[String]) -> Result<(), Ending> {
    match run_command(arguments) {
        Ended::Late => Err(Ending(HANG.to_owned())),
        Ended::InTime(Some(0), _) => Ok(()),
        Ended::InTime(code, object) => {
            let part = |name: &str| object["error"][name].as_str().unwrap_or("?").to_owned();
            let known = matches!(code, Some(1..=4)) && object["error"]["kind"].is_string();
            // An ending without a name is not one of those that are meant.
            let name = if known {
                format!("{}/{}", part("kind"), part("variant"))
            } else {
                format!("{HANG} or crash: {code:?}")
            };
            Err(Ending(name))
        }
    }
}

pub fn run(recorder: &mut Recorder) {
    in_the_place_of_inputs(recorder);
    in_the_place_of_results(recorder);
    while_it_is_read(recorder);
}

fn in_the_place_of_inputs(recorder: &mut Recorder) {
    for spot in SPOTS {
        for thing in THINGS {
            let mut place = Place::new();
            let path = place.path(spot);
            place.put(thing, &path);
            if matches!(spot, Spot::Lock) {
                fs::write(place.path(Spot::Manifest), "format = 4\n").unwrap();
            }
            for command in place.commands(spot) {
                let option = if command.iter().any(|it| it == "--follow") {
                    " --follow"
                } else {
                    ""
                };
                let label = format!("{thing:?} as {spot:?}/{}{option}", command[0]);
                let is_named = |ending: &Ending| !ending.0.starts_with(HANG);
                recorder.refuse_as(&label, is_named, || attempt(&command));
                let kept = place.root.join("never").symlink_metadata().is_err();
                recorder.require(&format!("{label}: nothing is written"), || {
                    kept.then_some(()).ok_or_else(|| "a file".to_owned())
                });
            }
        }
    }
    // The suite would notice: the same commands accept what is there in the first place, and links to it.
    let mut place = Place::new();
    let segment = place.path(Spot::Segment);
    let content = place.root.join("content");
    for label in ["a file", "a link to it"] {
        for command in place.commands(Spot::Segment) {
            recorder.require(&format!("{label} as Segment/{}", command.join(" ")), || {
                attempt(&command).map_err(|ending| ending.0)
            });
        }
        if !content.exists() {
            fs::rename(&segment, &content).unwrap();
            place.put(Thing::Link("content"), &segment);
        }
    }
}

fn in_the_place_of_results(recorder: &mut Recorder) {
    let kind = |path: &Utf8Path| {
        let it = path.symlink_metadata().unwrap().file_type();
        (it.is_symlink(), it.is_fifo(), it.is_socket(), it.is_dir())
    };
    for thing in THINGS {
        // A pipe is written to, and somebody has to read it: the tests of the command do. The process's
        // memory is a file that nobody should write to.
        let waits = matches!(
            thing,
            Thing::Pipe | Thing::HeldPipe | Thing::Link("pipe" | "/dev/stdin" | "/proc/self/mem")
        );
        if waits {
            continue;
        }
        let mut place = Place::new();
        let path = place.root.join("result");
        place.put(thing, &path);
        let before = kind(&path);
        let command = words(&[
            "synthesize",
            "--heads",
            "1",
            "--head-dim",
            "2",
            "--steps",
            "1",
            "--to",
            path.as_str(),
        ]);
        recorder.require(&format!("{thing:?} as a result"), || {
            match run_command(&command) {
                Ended::Late => return Err(HANG.to_owned()),
                Ended::InTime(Some(0 | 2 | 3), _) => {}
                Ended::InTime(code, object) => return Err(format!("{code:?}: {object}")),
            }
            if kind(&path) != before {
                return Err("it was replaced".to_owned());
            }
            Ok(())
        });
    }
}

/// A segment that is now a file and now a pipe: whichever it is while it is opened, nobody waits.
fn while_it_is_read(recorder: &mut Recorder) {
    let mut place = Place::new();
    let segment = place.path(Spot::Segment);
    let (file, pipe) = (place.root.join("file"), place.root.join("other"));
    fs::rename(&segment, &file).unwrap();
    place.put(Thing::Pipe, &pipe);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let swaps = scope.spawn(|| {
            let mut swaps = 0_u64;
            let next = segment.with_extension("next");
            let next = place.root.join(next.file_name().unwrap());
            while !done.load(Ordering::Relaxed) {
                let from = if swaps.is_multiple_of(2) {
                    &file
                } else {
                    &pipe
                };
                fs::hard_link(from, &next).unwrap();
                fs::rename(&next, &segment).unwrap();
                swaps += 1;
            }
            swaps
        });
        for round in 0..recorder.amount(10, 200) {
            for command in place.commands(Spot::Segment) {
                let label = format!("a segment that changes/{round}/{}", command.len());
                recorder.require(&label, || match run_command(&command) {
                    // The segment itself is valid.
                    Ended::InTime(Some(0 | 1 | 4), _) => Ok(()),
                    Ended::InTime(code, object) => Err(format!("{code:?}: {object}")),
                    Ended::Late => Err(HANG.to_owned()),
                });
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(swaps.join().unwrap() > 0);
    });
}
