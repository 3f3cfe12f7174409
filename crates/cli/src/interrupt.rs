//! Ctrl-C: says how to go on, and leaves nothing half-written.

use std::io::{self, IsTerminal as _, Write as _};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::Utf8Path;
use matchmark::CancelToken;

/// The exit code of a command that was stopped by Ctrl-C, as shells give it.
pub(crate) const INTERRUPTED: u8 = 130;

/// What an interrupt does. Locked while a file is written, which is finished first.
static STATE: Mutex<State> = Mutex::new(State {
    said: String::new(),
    token: None,
});

struct State {
    /// What is said when the command ends at once.
    said: String,
    /// What stops the command after what is being done, if it can be stopped so.
    token: Option<CancelToken>,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on Ctrl-C ends the command with a message: that nothing was written, until something else is to
/// be said.
pub(crate) fn watch() {
    *state() = State {
        said: "nothing was written".to_owned(),
        token: None,
    };
    // A program that has a handler of its own, or was started with the signal ignored, keeps that.
    let _ = ctrlc::try_set_handler(|| {
        let state = state();
        match &state.token {
            Some(token) if !token.is_cancelled() => {
                token.cancel();
                say("stopping when the segments that are being proven are finished; Ctrl-C again stops at once");
            }
            _ => {
                say(&format!("interrupted: {}", state.said));
                process::exit(INTERRUPTED.into());
            }
        }
    });
}

/// Says something on standard error, behind what a progress bar has drawn.
fn say(text: &str) {
    let mut stderr = io::stderr();
    let begin = if stderr.is_terminal() { "\n" } else { "" };
    // There is nothing to be done if standard error is closed.
    let _ = writeln!(stderr, "{begin}matchmark: {text}");
}

/// From now on there is a chain in this directory that can be resumed.
pub(crate) fn can_resume(directory: &Utf8Path) {
    *state() = State {
        said: how_to_resume(directory),
        token: None,
    };
}

/// From now on Ctrl-C asks by this token for the chain of this directory to be stopped, and the second time
/// ends the command.
pub(crate) fn can_stop(directory: &Utf8Path, token: &CancelToken) {
    *state() = State {
        said: how_to_resume(directory),
        token: Some(token.clone()),
    };
}

/// How to go on with the chain of a directory.
pub(crate) fn how_to_resume(directory: &Utf8Path) -> String {
    format!(
        "finished segments are kept; go on with `matchmark resume {}`",
        shell_word(directory.as_str())
    )
}

/// Writes something that is not to be cut off.
pub(crate) fn whole<T>(write: impl FnOnce() -> T) -> T {
    let _state = state();
    write()
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./+=:,@%".contains(it);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_change_them() {
        for (word, expected) in [
            ("a/chain-1.x", "a/chain-1.x"),
            ("my chain", "'my chain'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }
}
