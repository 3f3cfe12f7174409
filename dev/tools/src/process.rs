//! Running other programs.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The exit code of a process that a signal has ended: what it would have said of a refusal of the system.
/// 1 would be its judgment.
const ENDED_BY_A_SIGNAL: u8 = 3;

/// A process's exit code; 3 for one that a signal ended.
#[must_use]
pub fn exit_code(status: ExitStatus) -> u8 {
    if status.success() {
        return 0;
    }
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(ENDED_BY_A_SIGNAL)
}

/// The command as one would type it.
#[must_use]
pub fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether the command runs and succeeds; what it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command for at most `limit`, silently. `None` if it was still running then and was ended.
///
/// # Errors
/// That the program cannot be started or waited for.
pub fn run_for(command: &mut Command, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    wait_for(child, limit)
}

fn wait_for(mut child: Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn codes_and_signals() {
        let code = |script| exit_code(shell(script).status().unwrap());
        assert_eq!(code("exit 0"), 0);
        assert_eq!(code("exit 2"), 2);
        assert_eq!(code("kill -9 $$"), 3);
    }

    #[test]
    fn a_slow_program_is_ended() {
        let started = Instant::now();
        let slow = run_for(&mut shell("exec sleep 60"), Duration::from_millis(60)).unwrap();
        assert!(slow.is_none());
        assert!(started.elapsed() < Duration::from_secs(30));
        let quick = run_for(&mut shell("exit 3"), Duration::from_secs(30)).unwrap();
        assert_eq!(quick.map(exit_code), Some(3));
    }

    #[test]
    fn a_missing_program_does_not_succeed() {
        assert!(!succeeds(&mut Command::new("no-program-of-this-name")));
        assert!(!succeeds(&mut shell("exit 1")));
        assert!(succeeds(&mut shell("exit 0")));
    }

    #[test]
    fn commands_are_shown_without_the_folder_of_the_program() {
        let mut command = Command::new("some/where/cargo");
        command.args(["test", "--workspace"]);
        assert_eq!(shown(&command), "cargo test --workspace");
    }
}
