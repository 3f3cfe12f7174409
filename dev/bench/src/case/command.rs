//! `command`: runs another program, and says what that took.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Instant;

use matchmark_tools::process::exit_code;
use serde_json::{json, Value};

use super::process::{Usage, Who};
use super::Failure;
use crate::run::Run;

/// Runs it. Whatever its exit code is, it was measured; one that succeeds has to print one object.
pub fn run(words: &[OsString]) -> Result<Value, Failure> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let start = Instant::now();
    let child = command.spawn();
    let child = child.map_err(|error| format!("{}: {error}", program.display()))?;
    let output = child.wait_with_output()?;
    let wall_seconds = start.elapsed().as_secs_f64();
    // The program is the only child there ever was.
    let usage = Usage::of(Who::Children)?;
    let code = exit_code(output.status);
    let printed = match serde_json::from_slice(&output.stdout) {
        Ok(object) => object,
        Err(_) if code != 0 => Value::Null,
        Err(error) => return Err(format!("{} printed no JSON: {error}", program.display()).into()),
    };
    Ok(json!(Run {
        code,
        json: printed,
        user_seconds: usage.user_seconds,
        system_seconds: usage.system_seconds,
        wall_seconds,
        peak_bytes: usage.peak_bytes,
    }))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Value, Failure> {
        run(&["sh", "-c", script].map(OsString::from))
    }

    #[test]
    fn what_a_program_prints_and_takes() {
        // Ten thousand turns of a shell take more than a millisecond of its time.
        let counting =
            "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; echo '{\"turns\": 10000}'";
        let done: Run = serde_json::from_value(shell(counting).unwrap()).unwrap();
        assert_eq!((done.code, &done.json["turns"]), (0, &json!(10_000)));
        assert!(done.cpu_seconds() > 1e-3 && done.wall_seconds > 0.0);
        assert!(done.peak_bytes > 1e5);
    }

    #[test]
    fn failures_are_results_and_silence_is_not() {
        assert_eq!(shell("exit 3").unwrap()["code"], 3);
        assert!(shell("echo done").is_err());
        assert!(run(&["no-program-of-this-name".into()]).is_err());
    }
}
