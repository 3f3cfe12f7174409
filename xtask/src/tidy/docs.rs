//! Rules about documents.

use matchmark_tools::document::{BEGIN_GENERATED, END_GENERATED};

use super::tree::Tree;
use super::Finding;

/// Headings of a table that make it a table of figures.
const FIGURE_HEADINGS: [&str; 2] = ["figure", "measured"];

/// Tables of measured figures stand between the marks of the command that generates them, and every
/// mark has its counterpart.
pub fn generated_figures(tree: &Tree) -> Vec<Finding> {
    tree.files()
        .filter(|(path, _)| path.ends_with(".md"))
        .flat_map(|(path, text)| {
            let found = in_document(text);
            found
                .into_iter()
                .map(move |(line, message)| Finding::at(path, line, message))
        })
        .collect()
}

fn in_document(text: &str) -> Vec<(usize, &'static str)> {
    let mut findings = Vec::new();
    let mut generated_since = None;
    let mut in_table = false;
    for (number, line) in text.lines().map(str::trim).enumerate() {
        let number = number + 1;
        if line.starts_with(BEGIN_GENERATED) {
            if generated_since.replace(number).is_some() {
                findings.push((number, "a generated part begins within another"));
            }
        } else if line == END_GENERATED && generated_since.take().is_none() {
            findings.push((number, "the end of a generated part that did not begin"));
        }
        let row = line.starts_with('|');
        if row && !in_table && generated_since.is_none() && is_heading_of_figures(line) {
            findings.push((number, "a table of figures that no command generates"));
        }
        in_table = row;
    }
    if let Some(number) = generated_since {
        findings.push((number, "a generated part without an end"));
    }
    findings
}

fn is_heading_of_figures(row: &str) -> bool {
    row.split('|')
        .map(|cell| cell.trim().to_lowercase())
        .any(|cell| FIGURE_HEADINGS.contains(&cell.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    const TABLE: &str = "| figure | bound |\n|---|---|\n| bytes | 1 |\n";

    fn lines(text: &str) -> Vec<usize> {
        let tree = Tree::of(&[("docs/a.md", text), ("a.rs", text)]);
        generated_figures(&tree)
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn figures_are_generated() {
        let begin = format!("{BEGIN_GENERATED}cargo xtask bench` -->");
        assert_eq!(lines(TABLE), [1]);
        assert_eq!(lines("| Measured |\n|---|\n"), [1]);
        assert_eq!(lines("| crate | owns |\n|---|---|\n| a | figure |\n"), NONE);
        assert_eq!(lines(&format!("{begin}\n{TABLE}{END_GENERATED}\n")), NONE);
        assert_eq!(
            lines(&format!("{begin}\n{TABLE}{END_GENERATED}\n\n{TABLE}")),
            [7]
        );
    }

    #[test]
    fn marks_come_in_pairs() {
        let begin = format!("{BEGIN_GENERATED}x` -->\n");
        assert_eq!(lines(&begin), [1]);
        assert_eq!(lines(END_GENERATED), [1]);
        assert_eq!(lines(&format!("{begin}{begin}{END_GENERATED}")), [2]);
    }
}
