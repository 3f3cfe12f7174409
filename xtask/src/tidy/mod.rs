//! `cargo xtask tidy`: the rules of the source tree, as checks.
//!
//! Each rule reads a [`tree::Tree`] and returns findings; its tests hand it trees of a few lines.

mod circles;
mod code;
mod columns;
mod docs;
mod errors;
mod layers;
mod manifests;
mod modules;
mod names;
mod scan;
mod syntax;
mod text;
mod tree;
mod wildcards;

use std::fmt;
use std::path::Path;

use matchmark_tools::failure::Failure;
use matchmark_tools::workspace;

use tree::Tree;

/// A place where a rule does not hold.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    message: String,
}

impl Finding {
    fn in_file(path: &str, message: impl Into<String>) -> Self {
        Self::at(path, 0, message)
    }

    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// A rule of the tree.
type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [Rule; 21] = [
    code::file_length,
    code::default_pcs_config,
    code::other_systems,
    code::unfinished,
    code::bare_should_panic,
    code::ignored_tests,
    circles::no_circles,
    columns::no_numbers,
    wildcards::no_wildcards,
    errors::every_variant_is_reached,
    manifests::crate_files,
    manifests::inherited_fields,
    manifests::dependency_form,
    layers::layer_order,
    text::machine_paths,
    text::leftover_snapshots,
    docs::generated_figures,
    names::paths,
    names::links,
    names::examples,
    names::commands,
];

/// All findings in the tree below `root`, by path and line.
///
/// # Errors
/// A tree that cannot be read.
pub fn check(root: &Path) -> Result<Vec<Finding>, Failure> {
    let tree = Tree::read(root)?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.sort();
    Ok(findings)
}

/// Checks this workspace.
///
/// # Errors
/// Exit code 1 if there is a finding.
pub fn run() -> Result<(), Failure> {
    let findings = check(&workspace::root())?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} rules hold", RULES.len());
            Ok(())
        }
        count => Err(Failure::failed(format!("{count} findings"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_name_their_place() {
        let whole = Finding::in_file("a/b.rs", "too long");
        assert_eq!(whole.to_string(), "a/b.rs: too long");
        let line = Finding::at("a/b.rs", 7, "unfinished");
        assert_eq!(line.to_string(), "a/b.rs:7: unfinished");
    }

    /// The sources of these checks mention everything that they look for.
    #[test]
    fn the_checks_pass_their_own_sources() {
        let sources: Vec<Finding> = check(&workspace::root())
            .unwrap_or_else(|failure| panic!("{failure:?}"))
            .into_iter()
            .filter(|finding| finding.path.starts_with("xtask/src/"))
            .collect();
        assert_eq!(sources, []);
    }
}
