//! The `matchmark` command, as a separate process.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{Context as _, Failure};
use crate::process::{exit_code, shown};
use crate::workspace;

/// The binary to run.
pub struct Matchmark {
    program: PathBuf,
    quiet: bool,
}

/// Words and paths as the arguments of one command.
#[must_use]
pub fn words<'a>(parts: &[&'a dyn AsRef<OsStr>]) -> Vec<&'a OsStr> {
    parts
        .iter()
        .map(|&part| <dyn AsRef<OsStr>>::as_ref(part))
        .collect()
}

/// What one run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub code: u8,
    /// The object on stdout; null where a failed run printed none.
    pub json: Value,
}

impl Matchmark {
    /// The given binary, or one built now from this workspace.
    ///
    /// # Errors
    /// A build that fails.
    pub fn find(given: Option<&Path>) -> Result<Self, Failure> {
        match given {
            Some(program) => Ok(Self {
                program: program.to_path_buf(),
                quiet: false,
            }),
            None => Self::build(),
        }
    }

    /// The command of another checkout of this project, which is built there, or a binary.
    ///
    /// # Errors
    /// A build that fails.
    pub fn of_checkout_or_binary(path: &Path) -> Result<Self, Failure> {
        if !path.is_dir() {
            return Self::find(Some(path));
        }
        let mut cargo = Command::new("cargo");
        cargo.current_dir(path);
        // What belongs to this checkout: its toolchain, its target directory, its flags.
        for variable in [
            "CARGO",
            "CARGO_TARGET_DIR",
            "RUSTUP_TOOLCHAIN",
            "RUSTC_BOOTSTRAP",
        ] {
            cargo.env_remove(variable);
        }
        let words = ["--bin", "matchmark"];
        let program = built_by(cargo, "matchmark-cli", &words, "matchmark")?;
        Self::find(Some(&program))
    }

    /// Builds the command in release; cargo's output goes to stderr.
    fn build() -> Result<Self, Failure> {
        Ok(Self {
            program: built("matchmark-cli", &["--bin", "matchmark"], "matchmark")?,
            quiet: false,
        })
    }

    /// One built with a float model of another project for `eval`, and kept at `to`: the next build takes the
    /// place of this one.
    ///
    /// # Errors
    /// A build that fails, or a copy.
    pub fn with_candle(to: &Path) -> Result<Self, Failure> {
        let words = ["--bin", "matchmark", "--features", "candle"];
        let program = built("matchmark-cli", &words, "matchmark")?;
        std::fs::copy(&program, to).context(to.display())?;
        Self::find(Some(to))
    }

    /// The same, without what it says on stderr: its progress. Errors are in the objects that it prints.
    #[must_use]
    pub fn quietly(self) -> Self {
        Self {
            quiet: true,
            ..self
        }
    }

    /// The binary.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What `matchmark --version` says.
    ///
    /// # Errors
    /// A program that cannot be run.
    pub fn version(&self) -> Result<String, Failure> {
        let mut command = self.command(["--version"]);
        let output = command.output().context(shown(&command))?;
        if !output.status.success() {
            return Err(Failure::failed(format!(
                "{} ended with {}",
                shown(&command),
                output.status
            )));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(if self.quiet {
                Stdio::null()
            } else {
                Stdio::inherit()
            });
        command
    }

    /// Runs a command, which prints what it has to say, and gives its exit code.
    ///
    /// # Errors
    /// That the program cannot be started.
    pub fn run<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<u8, Failure> {
        let mut command = self.command(arguments);
        Ok(exit_code(command.status().context(shown(&command))?))
    }

    /// Runs a command with `--json` and reads the one object that it prints.
    ///
    /// # Errors
    /// That the program cannot be started, or succeeded without printing exactly one object.
    pub fn json<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Outcome, Failure> {
        let mut command = self.command(arguments);
        command.arg("--json");
        let output = command.output().context(shown(&command))?;
        let code = exit_code(output.status);
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(json) if json.is_object() => Ok(Outcome { code, json }),
            _ if code != 0 => {
                // Whatever it printed instead is a message for people.
                let _ = std::io::stderr().write_all(&output.stdout);
                Ok(Outcome {
                    code,
                    json: Value::Null,
                })
            }
            Ok(_) => Err(Failure::failed(format!(
                "{} printed no object",
                shown(&command)
            ))),
            Err(error) => Err(Failure::failed(format!(
                "{} printed no JSON: {error}",
                shown(&command)
            ))),
        }
    }
}

/// Builds a program of a package in release, with these words for cargo; cargo's output goes to stderr.
///
/// # Errors
/// A build that fails.
pub fn built(package: &str, words: &[&str], name: &str) -> Result<PathBuf, Failure> {
    built_by(workspace::cargo(), package, words, name)
}

fn built_by(
    mut cargo: Command,
    package: &str,
    words: &[&str],
    name: &str,
) -> Result<PathBuf, Failure> {
    cargo
        .args(["build", "--release", "--package", package])
        .args(words)
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let built = cargo.output().context(shown(&cargo))?;
    if !built.status.success() {
        return Err(Failure::failed(format!("{name} does not build")));
    }
    // Cargo names the file itself, whatever the target directory is set to.
    let messages = String::from_utf8_lossy(&built.stdout);
    executable(&messages, name)
        .ok_or_else(|| Failure::failed(format!("cargo built no executable named {name}")))
}

/// The executable of this name among cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == name)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_among_the_messages() {
        let messages = concat!(
            "not JSON\n",
            r#"{"reason":"compiler-artifact","target":{"name":"matchmark_cli"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"matchmark"},"executable":"t/release/matchmark"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(
            executable(messages, "matchmark"),
            Some(PathBuf::from("t/release/matchmark"))
        );
        assert_eq!(
            executable(r#"{"reason":"build-finished"}"#, "matchmark"),
            None
        );
    }

    /// A stand-in for the command: the shell, which takes `--json` as the name of the script.
    #[cfg(unix)]
    fn shell() -> Matchmark {
        Matchmark {
            program: PathBuf::from("sh"),
            quiet: false,
        }
    }

    #[cfg(unix)]
    #[test]
    fn results_and_exit_codes() {
        let run = |text| shell().json(["-c", text]);
        let accepted = run(r#"[ "$0" = --json ] && echo '{"accepted": true}'"#).unwrap();
        assert_eq!(
            (accepted.code, &accepted.json["accepted"]),
            (0, &true.into())
        );
        let rejected = run(r#"echo '{"accepted": false}'; exit 1"#).unwrap();
        assert_eq!(
            (rejected.code, &rejected.json["accepted"]),
            (1, &false.into())
        );
        let wrong_use = run("echo usage; exit 2").unwrap();
        assert_eq!((wrong_use.code, &wrong_use.json), (2, &Value::Null));
        assert_eq!(run("echo done").unwrap_err().code, 1);
        assert_eq!(run("echo 1").unwrap_err().code, 1);
        assert_eq!(run("echo '{}'; echo '{}'").unwrap_err().code, 1);
    }

    #[test]
    fn a_missing_program_is_named() {
        let matchmark = Matchmark::find(Some(Path::new("no-such-folder/matchmark"))).unwrap();
        let failure = matchmark.json(["prove"]).unwrap_err();
        assert!(failure
            .message
            .unwrap()
            .starts_with("matchmark prove --json: "));
    }
}
