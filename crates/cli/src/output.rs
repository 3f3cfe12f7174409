//! Results on standard output: text, or one JSON object.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use camino::Utf8Path;
use matchmark_files::is_standard_output;
use serde_json::{json, Value};

use crate::error::{CliError, Outcome};

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    /// Whether standard output is taken by a file that a command writes.
    taken: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, taken: false }
    }

    /// For a command that writes this file: where that is standard output, the result goes to standard
    /// error.
    pub(crate) fn beside(self, file: &Utf8Path) -> Self {
        Self {
            taken: is_standard_output(file.as_std_path()),
            ..self
        }
    }

    /// Prints the result: the object or the text.
    pub(crate) fn result(&self, object: &Value, text: &str) -> Result<(), CliError> {
        self.end(Outcome::Done.name(), object, text)
    }

    /// As [`Self::result`], with the name of how the command ended.
    pub(crate) fn end(&self, kind: &str, object: &Value, text: &str) -> Result<(), CliError> {
        let mut object = object.clone();
        object["kind"] = kind.into();
        let printed = if self.taken {
            print(&mut io::stderr().lock(), self.json, &object, text)
        } else {
            print(&mut io::stdout().lock(), self.json, &object, text)
        };
        unless_closed(printed)
    }

    /// Prints text as it becomes known: on standard output, or on standard error where that is kept for one
    /// object.
    pub(crate) fn tell(&self, text: &str) -> Result<(), CliError> {
        let text = printable(text);
        let write =
            |out: &mut dyn io::Write| out.write_all(text.as_bytes()).and_then(|()| out.flush());
        unless_closed(if self.json {
            write(&mut io::stderr().lock())
        } else {
            write(&mut io::stdout().lock())
        })
    }

    /// Whether what [`Self::tell`] prints comes to a terminal.
    pub(crate) fn tells_on_terminal(&self) -> bool {
        if self.json {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal()
        }
    }

    /// Prints an error: the object on standard output, or the text on standard error.
    pub(crate) fn error(&self, error: &CliError) {
        let message = error.message();
        if self.json {
            let failure = failure(error.kind(), &message, error.variant().as_deref());
            self.failure(error.outcome(), failure);
        } else {
            // There is nothing to be done if standard error is closed.
            let _ = writeln!(io::stderr(), "matchmark: {}", printable(&message));
        }
    }

    /// Prints the object for arguments that were refused; the text was printed already.
    pub(crate) fn usage(&self, message: &str) {
        let failure = failure("usage", message.trim_end(), None);
        self.failure(Outcome::WrongUse, failure);
    }

    fn failure(&self, outcome: Outcome, failure: Value) {
        let object = json!({ "kind": outcome.name(), "error": failure });
        // There is nothing to be done if standard output is closed.
        let _ = print(&mut io::stdout().lock(), self.json, &object, "");
    }
}

/// The reason of a failure as JSON.
pub(crate) fn failure(kind: &str, message: &str, variant: Option<&str>) -> Value {
    json!({ "kind": kind, "message": message, "variant": variant })
}

fn print(out: &mut dyn io::Write, json: bool, object: &Value, text: &str) -> io::Result<()> {
    if json {
        writeln!(out, "{}", printable_json(&format!("{object:#}")))?;
    } else {
        writeln!(out, "{}", printable(text.trim_end()))?;
    }
    out.flush()
}

/// Who reads a result may have seen enough: a closed pipe is not an error.
fn unless_closed(printed: io::Result<()>) -> Result<(), CliError> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(CliError::Print),
    }
}

/// Says something on standard error that is neither result nor error.
pub(crate) fn note(text: &str) {
    // There is nothing to be done if standard error is closed.
    let _ = writeln!(io::stderr(), "matchmark: {}", printable(text));
}

/// Whether a character does something to a terminal, or to the order of what stands there, instead of
/// standing there itself. Ends of lines and tabulators are for the caller to judge.
fn acts(c: char) -> bool {
    c.is_control()
        // Marks, embeddings, overrides and isolates of the direction of writing.
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        // Separators of lines and paragraphs, the mark of byte order, tags.
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A text of which every character stands where it is written: what would act on a terminal is written as
/// its number, as in Rust. Whoever made a proof, a key or a file has had a say in what is printed.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let acts = |c: char| acts(c) && c != '\n' && c != '\t';
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// The same JSON, with every character that acts written as its number. Outside of strings there is none
/// but ends of lines.
fn printable_json(text: &str) -> Cow<'_, str> {
    let acts = |c: char| acts(c) && c != '\n';
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// A segment by its index, or a part of one by that and its group of layers.
pub(crate) fn part_name(segment: u64, group: Option<u16>) -> String {
    match group {
        None => segment.to_string(),
        Some(group) => format!("{segment}.{group}"),
    }
}

/// A table in text: every column as wide as its widest cell, numbers to the right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(String::len);
        cells.fold(header[column].len(), usize::max)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    for row in [&header].into_iter().chain(rows) {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{gap}{cell:>width$}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = vec![
            vec!["1".to_owned(), "ab".to_owned()],
            vec!["1000".to_owned(), "b".to_owned()],
        ];
        assert_eq!(table(&["n", "x"], &rows), "   n   x\n   1  ab\n1000   b\n");
    }

    #[test]
    fn nothing_acts_on_a_terminal() {
        assert_eq!(
            printable("one\n\ttwo \u{1f600}\u{200d}"),
            "one\n\ttwo \u{1f600}\u{200d}"
        );
        assert_eq!(
            printable("\x1b[2J\r\x07\u{9b}1m"),
            "\\u{1b}[2J\\u{d}\\u{7}\\u{9b}1m"
        );
        assert_eq!(printable("a\u{202e}b\u{7f}"), "a\\u{202e}b\\u{7f}");
        let object = json!({ "a": "\x1b]0;\u{9b}\u{202e}\u{e0041}\u{7f}\n" });
        let text = format!("{object:#}");
        let safe = printable_json(&text);
        assert!(safe.chars().all(|c| c == '\n' || !acts(c)), "{safe}");
        assert_eq!(serde_json::from_str::<Value>(&safe).ok(), Some(object));
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        assert!(unless_closed(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        let full = unless_closed(Err(io::ErrorKind::StorageFull.into()));
        assert!(matches!(full, Err(CliError::Print(_))));
    }
}
