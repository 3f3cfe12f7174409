//! The text form of a table, for files given on the command line.
//!
//! ```text
//! matchmark table 1
//! kind custom
//! description halves
//! entries 4
//! 8 4 2 1
//! ```
//!
//! The kind is `exponential DELTA LOG_SCALE`, `essay9` or `custom`; only a custom table has the
//! line `description`. The entries follow in decimal, separated by white space, on any number of
//! lines. Empty lines and lines that begin with `#` are skipped. The kind must agree with the
//! entries.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use crate::rational::decimal;
use crate::{TableError, TableKind, WeightTable};

const HEADER: &str = "matchmark table 1";
/// Entries on a line of the written form.
const ENTRIES_PER_LINE: usize = 16;

impl WeightTable {
    /// Reads the text form:
    ///
    /// ```
    /// use matchmark_tables::WeightTable;
    /// let text = "matchmark table 1\nkind custom\ndescription halves\nentries 4\n8 4 2 1\n";
    /// let table = WeightTable::parse(text).unwrap();
    /// assert_eq!(table.entries(), [8, 4, 2, 1]);
    /// assert_eq!(table.to_text(), text);
    /// ```
    ///
    /// # Errors
    /// [`TableError::UnexpectedLine`], [`TableError::UnexpectedEnd`] and
    /// [`TableError::EntryCount`] for texts of another form, and those of
    /// [`WeightTable::from_parts`].
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| Line {
                number: index + 1,
                text: line.trim(),
            })
            .filter(|line| !line.text.is_empty() && !line.text.starts_with('#'));

        let header = lines.next().ok_or(TableError::UnexpectedEnd {
            expected: HEADER_WORDS,
        })?;
        if header.text != HEADER {
            return Err(header.unexpected(HEADER_WORDS));
        }
        let kind = lines.next().ok_or(TableError::UnexpectedEnd {
            expected: KIND_WORDS,
        })?;
        let words: Vec<&str> = kind.text.split_whitespace().collect();
        let kind = match words[..] {
            ["kind", "essay9"] => TableKind::Essay9,
            ["kind", "exponential", delta, log_scale] => TableKind::Exponential {
                delta: delta.parse()?,
                log_scale: decimal(log_scale)
                    .and_then(|s| u8::try_from(s).ok())
                    .ok_or_else(|| kind.unexpected(KIND_WORDS))?,
            },
            ["kind", "custom"] => {
                let line = lines.next().ok_or(TableError::UnexpectedEnd {
                    expected: DESCRIPTION_WORDS,
                })?;
                let description = line
                    .text
                    .strip_prefix("description")
                    .filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
                    .ok_or_else(|| line.unexpected(DESCRIPTION_WORDS))?;
                TableKind::Custom {
                    description: description.trim().to_string(),
                }
            }
            _ => return Err(kind.unexpected(KIND_WORDS)),
        };
        let count = lines.next().ok_or(TableError::UnexpectedEnd {
            expected: COUNT_WORDS,
        })?;
        let expected = count
            .text
            .strip_prefix("entries ")
            .and_then(|rest| decimal(rest.trim()))
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| count.unexpected(COUNT_WORDS))?;
        Self::check_announced(expected)?;
        let entries = read_entries(lines, expected)?;
        Self::from_parts(kind, entries)
    }

    /// Writes the text form that [`WeightTable::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from(HEADER);
        text.push_str("\nkind ");
        // Writing to a string cannot fail.
        let _ = match self.kind() {
            TableKind::Exponential { delta, log_scale } => {
                writeln!(text, "exponential {delta} {log_scale}")
            }
            TableKind::Essay9 => writeln!(text, "essay9"),
            TableKind::Custom { description } if description.is_empty() => {
                writeln!(text, "custom\ndescription")
            }
            TableKind::Custom { description } => {
                writeln!(text, "custom\ndescription {description}")
            }
        };
        let _ = writeln!(text, "entries {}", self.len());
        for row in self.entries().chunks(ENTRIES_PER_LINE) {
            for (column, entry) in row.iter().enumerate() {
                let _ = write!(text, "{}{entry}", if column == 0 { "" } else { " " });
            }
            text.push('\n');
        }
        text
    }

    /// Refuses an announced length before anything is read.
    fn check_announced(got: usize) -> Result<(), TableError> {
        if (Self::MIN_LEN..=Self::MAX_LEN).contains(&got) {
            return Ok(());
        }
        Err(TableError::LengthOutOfRange {
            minimum: Self::MIN_LEN,
            maximum: Self::MAX_LEN,
            got,
        })
    }
}

const HEADER_WORDS: &str = "\"matchmark table 1\"";
const KIND_WORDS: &str = "\"kind exponential DELTA LOG_SCALE\", \"kind essay9\" or \"kind custom\"";
const DESCRIPTION_WORDS: &str = "\"description TEXT\"";
const COUNT_WORDS: &str = "\"entries COUNT\"";
const ENTRY_WORDS: &str = "decimal numbers below 2^32";

struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn unexpected(&self, expected: &'static str) -> TableError {
        TableError::UnexpectedLine {
            line: self.number,
            expected,
            got: self.text.to_string(),
        }
    }
}

fn read_entries<'a>(
    lines: impl Iterator<Item = Line<'a>>,
    expected: usize,
) -> Result<Vec<u32>, TableError> {
    let mut entries = Vec::with_capacity(expected);
    let mut got = 0;
    for line in lines {
        for word in line.text.split_whitespace() {
            let entry = decimal(word)
                .and_then(|n| u32::try_from(n).ok())
                .ok_or_else(|| line.unexpected(ENTRY_WORDS))?;
            got += 1;
            if got <= expected {
                entries.push(entry);
            }
        }
    }
    if got != expected {
        return Err(TableError::EntryCount { expected, got });
    }
    Ok(entries)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Rational;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn round_trips() {
        for table in [
            WeightTable::exp256_default(),
            WeightTable::exponential(Rational::new(3, 7).unwrap(), 23, 1000).unwrap(),
            WeightTable::essay9(),
            WeightTable::custom(vec![5, 0, 7], "not # monotonic").unwrap(),
            WeightTable::custom(vec![5, 0, 7], "").unwrap(),
        ] {
            let text = table.to_text();
            assert_eq!(WeightTable::parse(&text).unwrap(), table);
            assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
        }
    }

    #[test]
    fn comments_and_line_ends() {
        let text =
            "# by hand\r\nmatchmark table 1\r\n\r\nkind custom\r\ndescription\tsome words \r\n\
                    entries 3\r\n 9\r\n# half\r\n4 2";
        let table = WeightTable::parse(text).unwrap();
        assert_eq!(
            table,
            WeightTable::custom(vec![9, 4, 2], "some words").unwrap()
        );
    }

    #[test]
    fn refused_texts() {
        let with = |from: &str, to: &str| {
            let text = "matchmark table 1\nkind custom\ndescription d\nentries 2\n2 1\n";
            assert!(text.contains(from));
            WeightTable::parse(&text.replacen(from, to, 1))
        };
        let line_of = |result| match result {
            Err(TableError::UnexpectedLine { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert!(matches!(
            WeightTable::parse(""),
            Err(TableError::UnexpectedEnd { .. })
        ));
        assert_eq!(line_of(with("table 1", "table 2")), 1);
        assert_eq!(line_of(with("kind custom", "kind other")), 2);
        assert_eq!(line_of(with("kind custom", "kind exponential 1/16 300")), 2);
        assert_eq!(line_of(with("description d", "descriptions")), 3);
        assert_eq!(line_of(with("entries 2", "entries -2")), 4);
        assert_eq!(line_of(with("2 1", "2 +1")), 5);
        assert_eq!(line_of(with("2 1", "2 4294967296")), 5);
        assert!(matches!(
            with("2 1", "2"),
            Err(TableError::EntryCount {
                expected: 2,
                got: 1
            })
        ));
        assert!(matches!(
            with("2 1", "2 1 0"),
            Err(TableError::EntryCount {
                expected: 2,
                got: 3
            })
        ));
        assert!(matches!(
            with("entries 2", "entries 99999"),
            Err(TableError::LengthOutOfRange { .. })
        ));
        assert!(matches!(
            with("2 1", "0 1"),
            Err(TableError::FirstEntryZero)
        ));
        assert!(matches!(
            with("kind custom\ndescription d", "kind exponential 1/0 12"),
            Err(TableError::ZeroDenominator)
        ));
        assert!(matches!(
            with("kind custom\ndescription d", "kind exponential 1/16 1"),
            Err(TableError::EntryContradictsKind {
                index: 1,
                expected: 2,
                got: 1
            })
        ));
        assert!(matches!(
            with("entries 2\n2 1\n", ""),
            Err(TableError::UnexpectedEnd { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(matchmark table 1\n)?(kind [a-z]{1,9} ?[0-9/]{0,4} ?[0-9]{0,3}\n)?.{0,40}\n(entries [0-9]{0,3})?\n[0-9 \n#]{0,30}") {
            let _ = WeightTable::parse(&text);
        }

        #[test]
        fn any_custom_table(entries in prop::collection::vec(0u32..1 << 24, 2..80), words in "[ -~]{0,30}") {
            let mut entries = entries;
            entries[0] += u32::from(entries[0] == 0);
            if let Ok(table) = WeightTable::custom(entries, words.trim()) {
                prop_assert_eq!(WeightTable::parse(&table.to_text()).unwrap(), table);
            }
        }
    }
}
