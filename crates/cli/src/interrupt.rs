//! Ctrl-C: says how to go on, and leaves nothing half-written.

use std::io::{self, IsTerminal as _, Write as _};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::Utf8Path;

/// The exit code of a command that was stopped by Ctrl-C, as shells give it.
const INTERRUPTED: i32 = 130;

/// What is said when the command is interrupted. Held while a file is written, which is finished first.
static SAID: Mutex<String> = Mutex::new(String::new());

fn said() -> MutexGuard<'static, String> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on Ctrl-C ends the command with a message: that nothing was written, until something else is to
/// be said.
pub(crate) fn watch() {
    "nothing was written".clone_into(&mut said());
    // A program that has a handler of its own, or was started with the signal ignored, keeps that.
    let _ = ctrlc::try_set_handler(|| {
        let said = said();
        let mut stderr = io::stderr();
        // Behind what a progress bar has drawn. There is nothing to be done if standard error is closed.
        let begin = if stderr.is_terminal() { "\n" } else { "" };
        let _ = writeln!(stderr, "{begin}matchmark: interrupted: {said}");
        process::exit(INTERRUPTED);
    });
}

/// From now on there is a chain in this directory that can be resumed.
pub(crate) fn can_resume(directory: &Utf8Path) {
    *said() = format!(
        "finished segments are kept; go on with `matchmark resume {}`",
        shell_word(directory.as_str())
    );
}

/// Writes something that is not to be cut off.
pub(crate) fn whole<T>(write: impl FnOnce() -> T) -> T {
    let _said = said();
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
