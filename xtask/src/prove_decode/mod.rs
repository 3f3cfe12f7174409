//! `cargo xtask prove-decode`: proves a text of a model, or a trace, as a chain, then verifies it as
//! somebody else would.
//!
//! A trace takes three processes: `matchmark prove`, `matchmark policy`, `matchmark verify`. The
//! verifying process gets the chain's directory and the policy file, and nothing else. A model is
//! [quantized](model) where it is a folder; its policy is made of its key before anything is proven.

mod model;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{json, Value};

use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::{words, Matchmark};
use matchmark_tools::workspace;

/// The committed trace, made from the float fixture at 8 bits.
const DEFAULT_TRACE: &str = "fixtures/attention-layer0-8bit.safetensors";

/// What to prove, and how.
#[derive(Args)]
pub struct Options {
    /// Trace to prove [default: the committed fixture at 8 bits].
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Model whose text is proven instead of a trace: a file, or a folder that is quantized.
    #[arg(long, value_name = "PATH", conflicts_with = "trace", requires_all = ["prompt", "tokens"])]
    model: Option<PathBuf>,
    /// The text that the model continues.
    #[arg(long, value_name = "TEXT", requires = "model")]
    prompt: Option<String>,
    /// Tokens to decode.
    #[arg(long, value_name = "N", requires = "model")]
    tokens: Option<u32>,
    /// Steps in one proof [default: all of a trace, 16 of a model].
    #[arg(long, value_name = "K")]
    segment_steps: Option<u32>,
    /// proven-100 (default), proven-100-unique, conjectured-100 or insecure-13.
    #[arg(long, value_name = "LEVEL")]
    security: Option<String>,
    /// compact (default) or fast.
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Directory of the chain [default: prove-decode in the target directory, where the chain of an
    /// earlier run is replaced, or prove-decode-2 and so on while others run]. The policy file is put
    /// beside it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object with both results, `prove` and `verify`.
    #[arg(long)]
    json: bool,
    /// Use this matchmark binary instead of building one.
    #[arg(long, value_name = "FILE")]
    matchmark: Option<PathBuf>,
}

/// Proves, writes the policy, verifies and reports.
///
/// # Errors
/// Exit code 1 or 2 of whichever process refused; its reason is printed by then.
pub fn run(options: &Options) -> Result<(), Failure> {
    // Held until the end of this run.
    let _lock;
    let out = match &options.out {
        // Another directory is the user's own: `matchmark prove` decides whether it may be used.
        Some(out) => out.clone(),
        None => {
            let (out, lock) = default_directory(&workspace::target_dir())?;
            _lock = lock;
            out
        }
    };
    let program = Matchmark::find(options.matchmark.as_deref())?;
    let mut commands = Commands {
        program,
        json: options.json,
        printed: Vec::new(),
    };
    let done = match &options.model {
        Some(path) => model::run(options, &mut commands, path, &out),
        None => trace(options, &mut commands, &out),
    };
    if options.json {
        println!("{}", commands.both());
    }
    done
}

fn trace(options: &Options, commands: &mut Commands, out: &Path) -> Result<(), Failure> {
    commands.run(&prove_arguments(options, out))?;
    let policy = policy_path(out)?;
    commands.run(&words(&[&"policy", &out, &"--to", &policy]))?;
    commands.run(&words(&[&"verify", &out, &"--policy", &policy]))
}

/// The commands that run one after another, each a process of its own.
struct Commands {
    program: Matchmark,
    /// Whether their objects are collected, and not their words shown.
    json: bool,
    /// Name and object of every command so far.
    printed: Vec<(String, Value)>,
}

impl Commands {
    /// Runs a command.
    ///
    /// # Errors
    /// The exit code of one that refuses; it has said why, or its object does.
    fn run(&mut self, arguments: &[impl AsRef<OsStr>]) -> Result<(), Failure> {
        let code = if self.json {
            let outcome = self.program.json(arguments)?;
            let name = arguments.first().map(|it| it.as_ref().to_string_lossy());
            self.printed
                .push((name.unwrap_or_default().into_owned(), outcome.json));
            outcome.code
        } else {
            self.program.run(arguments)?
        };
        match code {
            0 => Ok(()),
            code => Err(Failure::passed_through(code)),
        }
    }

    /// What proving and verifying printed, or whichever command came last.
    fn both(&self) -> Value {
        let named = |name: &str| {
            let found = self.printed.iter().rfind(|(own, _)| own == name);
            found.map_or(Value::Null, |(_, object)| object.clone())
        };
        let mut object = json!({ "prove": named("prove"), "verify": named("verify") });
        match self.printed.last() {
            Some((name, printed)) if object.get(name).is_none() => {
                object[name] = printed.clone();
            }
            _ => {}
        }
        object
    }
}

/// Runs at a time that have directories of their own.
const MOST_RUNS: usize = 16;

/// A directory for the chain that no other run uses, emptied of an earlier one, and the lock that keeps it
/// so. The lock is a file beside the directory, as the directory itself comes and goes.
fn default_directory(target: &Path) -> Result<(PathBuf, File), Failure> {
    fs::create_dir_all(target).context(target.display())?;
    for run in 1..=MOST_RUNS {
        let name = match run {
            1 => "prove-decode".to_owned(),
            _ => format!("prove-decode-{run}"),
        };
        let path = target.join(format!("{name}.lock"));
        let lock = File::create(&path).context(path.display())?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error).context(path.display()),
        }
        let out = target.join(name);
        // A chain of an earlier run. Nothing else is put there, and a link is not followed.
        match fs::remove_dir_all(&out) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context(out.display());
            }
            _ => {}
        }
        if run > 1 {
            eprintln!(
                "another run is going on: this one proves into {}",
                out.display()
            );
        }
        return Ok((out, lock));
    }
    Err(Failure::failed(format!(
        "{MOST_RUNS} runs of prove-decode are going on in {}: wait for one of them, or give --out",
        target.display()
    )))
}

fn prove_arguments(options: &Options, out: &Path) -> Vec<OsString> {
    let default_trace = || workspace::root().join(DEFAULT_TRACE);
    let trace = options.trace.clone().unwrap_or_else(default_trace);
    let mut arguments: Vec<OsString> = vec![
        "prove".into(),
        "--trace".into(),
        trace.into(),
        "--out".into(),
        out.into(),
    ];
    arguments.extend(options.terms());
    arguments
}

impl Options {
    /// What a prover is told of a chain, and a policy is made of.
    fn terms(&self) -> Vec<OsString> {
        let steps = self.segment_steps.map(|steps| steps.to_string());
        let mut arguments = Vec::new();
        for (flag, value) in [
            ("--segment-steps", &steps),
            ("--security", &self.security),
            ("--profile", &self.profile),
        ] {
            if let Some(value) = value {
                arguments.extend([flag.into(), value.into()]);
            }
        }
        arguments
    }
}

/// Beside the chain, not in it: `NAME.policy.toml`.
fn policy_path(out: &Path) -> Result<PathBuf, Failure> {
    // `.` and the like have no name of their own.
    let named = match out.file_name() {
        Some(_) => out.to_path_buf(),
        None => out.canonicalize().context(out.display())?,
    };
    let Some(name) = named.file_name() else {
        return Err(Failure::wrong_use(format!(
            "{}: a policy cannot be put beside a root directory",
            out.display()
        )));
    };
    let mut name = name.to_os_string();
    name.push(".policy.toml");
    Ok(named.with_file_name(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            trace: None,
            model: None,
            prompt: None,
            tokens: None,
            segment_steps: None,
            security: None,
            profile: None,
            out: None,
            json: false,
            matchmark: None,
        }
    }

    fn words(options: &Options) -> Vec<String> {
        let arguments = prove_arguments(options, Path::new("chain"));
        let words = arguments
            .iter()
            .map(|word| word.to_string_lossy().into_owned());
        words.collect()
    }

    #[test]
    fn the_default_is_the_committed_fixture() {
        let words = words(&options());
        assert_eq!(words.len(), 5);
        assert_eq!((&*words[0], &*words[1]), ("prove", "--trace"));
        assert!(words[2].ends_with("attention-layer0-8bit.safetensors"));
        assert!(Path::new(&words[2]).is_file());
        assert_eq!(words[3..], ["--out", "chain"]);
    }

    #[test]
    fn every_run_has_a_directory_of_its_own() {
        let target = tempfile::tempdir().unwrap();
        let run = || default_directory(&target.path().join("target")).unwrap();
        let name = |out: &Path| out.file_name().unwrap().to_string_lossy().into_owned();
        let (first, lock) = run();
        // Whoever comes second leaves what the first has begun.
        fs::create_dir(&first).unwrap();
        fs::write(first.join("chain.toml"), "x").unwrap();
        let (second, other) = run();
        assert_eq!(
            (&*name(&first), &*name(&second)),
            ("prove-decode", "prove-decode-2")
        );
        assert!(first.join("chain.toml").exists());
        // When it is done its directory is used again, and emptied.
        drop(lock);
        let (third, _lock) = run();
        assert_eq!(third, first);
        assert!(!first.exists());
        drop(other);
    }

    #[test]
    fn runs_beyond_all_directories_are_refused() {
        let target = tempfile::tempdir().unwrap();
        let runs: Vec<_> = (0..MOST_RUNS)
            .map(|_| default_directory(target.path()).unwrap())
            .collect();
        let failure = default_directory(target.path()).unwrap_err();
        assert!(failure.message.unwrap().contains("16 runs"));
        drop(runs);
    }

    #[test]
    fn options_are_passed_on() {
        let options = Options {
            trace: Some("t".into()),
            segment_steps: Some(8),
            security: Some("proven-100".into()),
            profile: Some("fast".into()),
            ..options()
        };
        assert_eq!(
            words(&options).join(" "),
            "prove --trace t --out chain --segment-steps 8 --security proven-100 --profile fast"
        );
    }

    #[test]
    fn the_policy_is_beside_the_chain() {
        let beside = |out: &str| policy_path(Path::new(out)).unwrap();
        assert_eq!(beside("a/chain"), Path::new("a/chain.policy.toml"));
        assert_eq!(beside("a/chain/"), Path::new("a/chain.policy.toml"));
        assert_eq!(beside("chain.1"), Path::new("chain.1.policy.toml"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(beside(".").parent(), here.parent());
        assert_eq!(policy_path(Path::new("/")).unwrap_err().code, 2);
    }

    /// A stand-in for the command: the shell, which takes `--json` as the name of the script.
    #[cfg(unix)]
    #[test]
    fn what_commands_print_is_collected_until_one_refuses() {
        let mut commands = Commands {
            program: Matchmark::find(Some(Path::new("sh"))).unwrap(),
            json: true,
            printed: Vec::new(),
        };
        commands.run(&["-c", r#"echo '{"a": 1}'"#]).unwrap();
        let refused = commands.run(&["-c", r#"echo '{"accepted": false}'; exit 1"#]);
        assert_eq!(refused.unwrap_err(), Failure::passed_through(1));
        assert_eq!(commands.both()["-c"], json!({ "accepted": false }));
        assert_eq!(commands.both()["verify"], Value::Null);
        commands.printed.push(("verify".to_owned(), json!(2)));
        assert_eq!(commands.both(), json!({ "prove": null, "verify": 2 }));
    }
}
