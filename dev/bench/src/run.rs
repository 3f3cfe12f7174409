//! Running cases, each in a process of its own.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::process::{exit_code, shown};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a program came to, and what it took.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    /// The exit code.
    pub code: u8,
    /// The object on stdout; null where it printed none.
    pub json: Value,
    /// Processor time in user mode, in seconds.
    pub user_seconds: f64,
    /// Processor time of the system on its behalf, in seconds.
    pub system_seconds: f64,
    /// Time on the clock.
    pub wall_seconds: f64,
    /// Largest resident set, in bytes.
    pub peak_bytes: f64,
}

impl Run {
    /// Processor time of both kinds, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }

    /// A run that succeeded.
    ///
    /// # Errors
    /// Any other; what it printed is shown.
    pub fn checked(self) -> Result<Self, Failure> {
        if self.code == 0 {
            return Ok(self);
        }
        eprintln!("{}", self.json);
        Err(Failure::passed_through(self.code))
    }
}

/// Runs a program with `--json` behind these arguments, measured by a process that waits for nothing else.
///
/// # Errors
/// A program that cannot be started, or that succeeds without an object.
pub fn measured(program: &Path, arguments: &[&OsStr], quiet: bool) -> Result<Run, Failure> {
    let mut command = itself("command")?;
    command.arg(program).args(arguments).arg("--json");
    if quiet {
        command.stderr(Stdio::null());
    }
    let value = object(command, None)?;
    serde_json::from_value(value).context("a measured run")
}

/// Runs a case of this program: the request goes in, one object comes out.
///
/// # Errors
/// A case that fails, which has said why itself.
pub fn case(kind: &str, request: &Value) -> Result<Value, Failure> {
    object(itself(kind)?, Some(request))
}

fn itself(kind: &str) -> Result<Command, Failure> {
    let program = std::env::current_exe().context("the path of this program")?;
    let mut command = Command::new(program);
    command.args(["case", kind]).stderr(Stdio::inherit());
    Ok(command)
}

fn object(mut process: Command, request: Option<&Value>) -> Result<Value, Failure> {
    let stdin = if request.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    process.stdin(stdin).stdout(Stdio::piped());
    let name = shown(&process);
    let mut child = process.spawn().context(&name)?;
    if let (Some(mut stdin), Some(request)) = (child.stdin.take(), request) {
        // Dropped afterwards, so that the program sees the end.
        let written = stdin.write_all(request.to_string().as_bytes());
        written.context(&name)?;
    }
    let output = child.wait_with_output().context(&name)?;
    if !output.status.success() {
        let request = request.unwrap_or(&Value::Null);
        eprintln!("bench: {name} failed on {request}");
        return Err(Failure::passed_through(exit_code(output.status)));
    }
    serde_json::from_slice(&output.stdout).context(name)
}
