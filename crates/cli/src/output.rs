//! Results on standard output: text, or one JSON object.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{json, Value};

use crate::error::{full_message, CliError};

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints the result: the object or the text.
    pub(crate) fn result(&self, object: &Value, text: &str) -> Result<(), CliError> {
        self.print(object, text).map_err(CliError::Print)
    }

    /// Prints bytes of a text as they become known: on standard output, or on standard error where that is
    /// kept for one object.
    pub(crate) fn tell(&self, bytes: &[u8]) -> Result<(), CliError> {
        let write = |out: &mut dyn io::Write| out.write_all(bytes).and_then(|()| out.flush());
        let written = if self.json {
            write(&mut io::stderr().lock())
        } else {
            write(&mut io::stdout().lock())
        };
        written.map_err(CliError::Print)
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
        let message = full_message(error);
        if self.json {
            self.failure(error.kind(), &message);
        } else {
            // There is nothing to be done if standard error is closed.
            let _ = writeln!(io::stderr(), "matchmark: {message}");
        }
    }

    /// Prints the object for arguments that were refused; the text was printed already.
    pub(crate) fn usage(&self, message: &str) {
        self.failure("usage", message.trim_end());
    }

    fn failure(&self, kind: &str, message: &str) {
        if self.json {
            let object = json!({ "error": { "kind": kind, "message": message } });
            // There is nothing to be done if standard output is closed.
            let _ = self.print(&object, "");
        }
    }

    fn print(&self, object: &Value, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            writeln!(stdout, "{object:#}")?;
        } else {
            writeln!(stdout, "{}", text.trim_end())?;
        }
        stdout.flush()
    }
}

/// Says something on standard error that is neither result nor error.
pub(crate) fn note(text: &str) {
    // There is nothing to be done if standard error is closed.
    let _ = writeln!(io::stderr(), "matchmark: {text}");
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
}
