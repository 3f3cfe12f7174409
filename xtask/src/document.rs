//! Documents with a part that a command generates.

use crate::failure::Failure;
use crate::tidy::{BEGIN_GENERATED, END_GENERATED};

/// A document and the command that generates a part of it.
pub struct Document {
    /// The command.
    pub command: &'static str,
    /// What stands before the generated part of a new document.
    pub new: &'static str,
}

impl Document {
    /// The document with its generated part replaced; what stands around it is kept.
    ///
    /// # Errors
    /// A document without exactly one generated part of this command.
    pub fn update(&self, existing: Option<&str>, generated: &str) -> Result<String, Failure> {
        let begin = format!("{BEGIN_GENERATED}{}` -->", self.command);
        let part = format!(
            "{begin}\n\n{}\n\n{END_GENERATED}\n",
            generated.trim_matches('\n')
        );
        let Some(existing) = existing else {
            return Ok(format!("{}{part}", self.new));
        };
        let parts: Vec<&str> = existing.split(begin.as_str()).collect();
        let [before, after] = parts[..] else {
            return Err(Failure::failed(format!(
                "the document has {} parts that begin with {begin}, expected 1",
                parts.len() - 1
            )));
        };
        match after.split_once(END_GENERATED) {
            Some((_, after)) => Ok(format!(
                "{before}{part}{}",
                after.strip_prefix('\n').unwrap_or(after)
            )),
            None => Err(Failure::failed(format!(
                "the generated part does not end: no {END_GENERATED}"
            ))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DOCUMENT: Document = Document {
        command: "cargo xtask figures",
        new: "# Figures\n\n",
    };

    #[test]
    fn a_new_document_and_its_next_version() {
        let first = DOCUMENT.update(None, "| figure |\n").unwrap();
        assert!(first.starts_with("# Figures\n"));
        let edited = format!("{first}\nA closing word.\n");
        let second = DOCUMENT
            .update(Some(&edited), "| other |\n\nNote.\n")
            .unwrap();
        assert!(!second.contains("| figure |"));
        assert!(second.contains("-->\n\n| other |\n\nNote.\n\n<!--"));
        assert!(second.ends_with("-->\n\nA closing word.\n"));
        let again = DOCUMENT
            .update(Some(&second), "| other |\n\nNote.\n")
            .unwrap();
        assert_eq!(again, second);
    }

    #[test]
    fn a_document_without_its_marks_is_left() {
        let document = DOCUMENT.update(None, "x").unwrap();
        assert_eq!(
            DOCUMENT.update(Some("# Figures\n"), "x").unwrap_err().code,
            1
        );
        assert_eq!(
            DOCUMENT
                .update(Some(&document.repeat(2)), "x")
                .unwrap_err()
                .code,
            1
        );
        let cut = document.replace(END_GENERATED, "");
        assert_eq!(DOCUMENT.update(Some(&cut), "x").unwrap_err().code, 1);
    }
}
