//! Rules about what documents and comments name: it exists.

use super::tree::Tree;
use super::Finding;

/// Tells of what was there once.
const HISTORY: &str = "CHANGELOG.md";
/// How a command line names an example.
const EXAMPLE: &str = "--example ";
/// How one calls the project's own commands.
const COMMAND: &str = "cargo xtask ";

/// A file or folder that stands in backticks exists: from the root, from the crate of whoever names it,
/// or as the end of a longer path (`row.rs`, `harness/row.rs`). `quant/bounds.rs` is short for
/// `crates/quant/src/bounds.rs`.
pub fn paths(tree: &Tree) -> Vec<Finding> {
    let known = Known::of(tree);
    let mut findings = Vec::new();
    for (path, number, prose) in lines(tree) {
        let spans = prose.split('`').skip(1).step_by(2);
        for span in spans.filter(|span| known.is_path(span)) {
            if !known.exists(path, span.trim_end_matches('/')) {
                let message = format!("names `{span}`, which does not exist");
                findings.push(Finding::at(path, number, message));
            }
        }
    }
    findings
}

/// A link of a document to a file or folder leads there.
pub fn links(tree: &Tree) -> Vec<Finding> {
    let known = Known::of(tree);
    let mut findings = Vec::new();
    for (path, number, prose) in lines(tree).filter(|(path, ..)| path.ends_with(".md")) {
        for (_, after) in prose
            .match_indices("](")
            .map(|(at, mark)| prose[at..].split_at(mark.len()))
        {
            let target = after.split([')', '#']).next().unwrap_or_default();
            let elsewhere = target.is_empty() || target.contains("://");
            if !elsewhere && !joined(path, target).is_some_and(|target| known.is_there(&target)) {
                let message = format!("links to {target}, which does not exist");
                findings.push(Finding::at(path, number, message));
            }
        }
    }
    findings
}

/// An example that a command line runs exists.
pub fn examples(tree: &Tree) -> Vec<Finding> {
    let known = Known::of(tree);
    named(tree, EXAMPLE, |name| {
        let file = format!("/examples/{name}.rs");
        let folder = format!("/examples/{name}/main.rs");
        known.ends_with(&file) || known.ends_with(&folder)
    })
}

/// A command of the project that a line calls exists.
pub fn commands(tree: &Tree) -> Vec<Finding> {
    let commands = crate::command_names();
    named(tree, COMMAND, |name| {
        commands.iter().any(|command| command == name)
    })
}

/// Words behind a mark that do not name what there is. A word that does not begin with a small letter is
/// a place for a name.
fn named(tree: &Tree, mark: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, number, prose) in lines(tree) {
        for (at, _) in prose.match_indices(mark) {
            let word = prose[at + mark.len()..]
                .split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)))
                .next()
                .unwrap_or_default();
            if word.starts_with(|c: char| c.is_ascii_lowercase()) && !exists(word) {
                let message = format!("there is no {word:?} of `{}`", mark.trim_end());
                findings.push(Finding::at(path, number, message));
            }
        }
    }
    findings
}

/// The lines of documents and of comments in code.
fn lines(tree: &Tree) -> impl Iterator<Item = (&str, usize, &str)> {
    let documents = |path: &str| path.ends_with(".md") && path != HISTORY;
    let read = move |(path, _): &(&str, &str)| documents(path) || path.ends_with(".rs");
    tree.files().filter(read).flat_map(|(path, text)| {
        let all = path.ends_with(".md");
        let lines = text.lines().enumerate();
        lines.filter_map(move |(number, line)| {
            let line = line.trim();
            (all || line.starts_with("//")).then_some((path, number + 1, line))
        })
    })
}

/// The path of a link, from the root. `None` where it leads out of the tree.
fn joined(document: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The paths of a tree, with a `/` before each, folders included.
struct Known(Vec<String>);

impl Known {
    fn of(tree: &Tree) -> Self {
        let mut known: Vec<String> = Vec::new();
        for (path, _) in tree.files() {
            let ends = path.match_indices('/').map(|(at, _)| at);
            known.extend(
                ends.chain([path.len()])
                    .map(|end| format!("/{}", &path[..end])),
            );
        }
        known.sort();
        known.dedup();
        Self(known)
    }

    /// Whether a span of code means a file or folder of this tree: Rust files, and what begins with a
    /// folder of the root, of a crate, or with `src/`.
    fn is_path(&self, span: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        if span.starts_with('/') || !span.chars().all(plain) {
            return false;
        }
        match span.split_once('/') {
            Some(("src" | "tests" | "examples", _)) => true,
            Some((first, _)) => span.ends_with(".rs") || self.is_there(first),
            None => span.len() > ".rs".len() && span.ends_with(".rs"),
        }
    }

    /// Whether a file or folder exists that `span` means where it stands in `place`.
    fn exists(&self, place: &str, span: &str) -> bool {
        if self.is_there(span) || self.is_there(&format!("{}/{span}", package(place))) {
            return true;
        }
        let own_package = self.is_there(&format!("{}/Cargo.toml", package(place)));
        match span.split_once('/') {
            Some(("src" | "tests" | "examples", _)) if own_package => false,
            Some((first, _)) if self.is_there(first) => false,
            Some((first, rest)) if self.is_there(&format!("crates/{first}")) => {
                self.is_there(&format!("crates/{first}/src/{rest}"))
            }
            _ => self.ends_with(&format!("/{span}")),
        }
    }

    fn is_there(&self, path: &str) -> bool {
        self.0.binary_search(&format!("/{path}")).is_ok()
    }

    fn ends_with(&self, end: &str) -> bool {
        self.0.iter().any(|path| path.ends_with(end))
    }
}

/// The folder of the package that a file belongs to: `crates/<name>`, or the first folder of its path.
fn package(path: &str) -> &str {
    let folders = if path.starts_with("crates/") { 2 } else { 1 };
    let mut ends = path.match_indices('/').map(|(at, _)| at);
    ends.nth(folders - 1).map_or("", |end| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;

    const NONE: [usize; 0] = [];

    /// The lines of `place` where the rule does not hold, in a tree with a few files besides.
    fn found(rule: Rule, place: &str, text: &str) -> Vec<usize> {
        let tree = Tree::of(&[
            ("README.md", ""),
            ("crates/air/Cargo.toml", ""),
            ("crates/quant/src/bounds.rs", ""),
            ("crates/quant/examples/list.rs", ""),
            ("crates/air/src/harness/row.rs", ""),
            ("crates/air/examples/decoder/main.rs", ""),
            ("docs/figures.md", ""),
            (place, text),
        ]);
        let findings = rule(&tree).into_iter();
        findings
            .inspect(|finding| assert_eq!(finding.path, place))
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn files_and_folders() {
        let there =
            "`docs/figures.md` `crates/quant` `crates/air/src/` `row.rs` `harness/row.rs`\n\
            `quant/bounds.rs` `a/b` `x * y` `.rs` `r/2` `/etc/x.rs` `crates/<name>` `crates/*`";
        assert_eq!(found(paths, "docs/a.md", there), NONE);
        let gone = "`docs/figure.md`\n`crates/x`\n`rows.rs`\n`harness/rows.rs`\n`quant/row.rs`\n`src/gone`";
        assert_eq!(found(paths, "docs/a.md", gone), [1, 2, 3, 4, 5, 6]);
        assert_eq!(found(paths, HISTORY, gone), NONE);
    }

    #[test]
    fn a_crate_names_its_own_files() {
        let text =
            "`src/harness` `src/harness/row.rs` `examples/decoder`\n`src/bounds.rs`\n`src/x`";
        assert_eq!(found(paths, "crates/air/README.md", text), [2, 3]);
        assert_eq!(found(paths, "docs/a.md", "`src/bounds.rs`"), NONE);
    }

    #[test]
    fn comments_count_and_code_does_not() {
        let text = "//! `gone.rs`\nlet x = \"`gone.rs`\";\n    /// `gone.rs`\n// `row.rs`";
        assert_eq!(found(paths, "crates/air/src/lib.rs", text), [1, 3]);
    }

    #[test]
    fn links_lead_somewhere() {
        let text = "[a](figures.md#b) [c](../crates/quant) [d](https://x.y/z) [e](#f)\n\
            [g](gone.md)\n[h](../crates/air/src/harness/) [i](../../x)";
        assert_eq!(found(links, "docs/a.md", text), [2, 3]);
        assert_eq!(found(links, "a.rs", "// [g](gone.md)"), NONE);
    }

    #[test]
    fn examples_are_there() {
        let text =
            "cargo run --example list -- X\n`--example decoder`\n--example NAME\n--example measure";
        assert_eq!(found(examples, "docs/a.md", text), [4]);
    }

    #[test]
    fn commands_are_there() {
        let text = "cargo xtask tidy\n`cargo xtask <command>`\n`cargo xtask prove-decode`, `cargo xtask`\n\
            cargo xtask measure";
        assert_eq!(found(commands, "docs/a.md", text), [4]);
    }
}
