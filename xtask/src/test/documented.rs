//! Code in documents: the fenced blocks that a test takes from them.

use std::path::Path;

/// The block of a document whose first line begins with `mark`.
///
/// # Errors
/// That the document cannot be read, or has no such block or several.
pub fn block(document: &Path, language: &str, mark: &str) -> Result<String, String> {
    let name = document.display();
    let text = std::fs::read_to_string(document).map_err(|error| format!("{name}: {error}"))?;
    let mut found = blocks(&text).filter(|(of, block)| *of == language && block.starts_with(mark));
    match (found.next(), found.next()) {
        (Some((_, block)), None) => Ok(block),
        (None, _) => Err(format!(
            "{name}: no block of {language} begins with `{mark}`"
        )),
        (Some(_), Some(_)) => Err(format!(
            "{name}: several blocks of {language} begin with `{mark}`"
        )),
    }
}

/// The fenced blocks of a text: the language, without what follows a comma, and the lines.
fn blocks(text: &str) -> impl Iterator<Item = (&str, String)> {
    let mut lines = text.lines();
    std::iter::from_fn(move || loop {
        let Some(info) = lines.next()?.strip_prefix("```") else {
            continue;
        };
        let inside = lines.by_ref().take_while(|line| *line != "```");
        let block = inside.map(|line| format!("{line}\n")).collect();
        return Some((info.split(',').next().unwrap_or_default(), block));
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_its_language_and_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        let text = "x\n```toml\n# one\na = 1\n```\n```rust,no_run\n// one\nf();\n```\n```toml\n# two\n```\n\
            ```toml\n# two again\n```\n";
        std::fs::write(&path, text).unwrap();
        assert_eq!(block(&path, "toml", "# one").unwrap(), "# one\na = 1\n");
        assert_eq!(block(&path, "rust", "// one").unwrap(), "// one\nf();\n");
        let missing = block(&path, "rust", "# one").unwrap_err();
        assert!(missing.contains("no block of rust"), "{missing}");
        let several = block(&path, "toml", "# two").unwrap_err();
        assert!(several.contains("several blocks"), "{several}");
        assert!(block(&folder.path().join("b.md"), "toml", "#").is_err());
    }
}
