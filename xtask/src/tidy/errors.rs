//! Rules about the errors of the crates that judge proofs and chains.

use super::scan::{code_only, continues, word};
use super::tree::Tree;
use super::Finding;

/// Where every error has a test that reaches it.
const SOURCES: [&str; 2] = ["crates/composer/src/", "crates/verifier/src/"];

/// Every public error enum has the names of its variants, and a test of its crate goes through them.
pub fn every_variant_is_reached(tree: &Tree) -> Vec<Finding> {
    let mut findings = vec![];
    for source in SOURCES {
        let files: Vec<(&str, String)> = tree
            .rust()
            .filter(|(path, _)| path.starts_with(source))
            .map(|(path, text)| (path, code_only(text)))
            .collect();
        let somewhere = |name: &str, tokens: &[&str]| {
            let mut places = files.iter().flat_map(|(_, code)| word(code, name));
            places.any(|(_, after)| continues(after, tokens))
        };
        for (path, code) in &files {
            for (line, name) in public_errors(code) {
                if !somewhere("variant_names", &["!", "(", name, "{"]) {
                    let message = format!("{name} has no list of variant names");
                    findings.push(Finding::at(path, line, message));
                } else if !somewhere(name, &["::", "NAMES"]) {
                    let message = format!("no test goes through the variants of {name}");
                    findings.push(Finding::at(path, line, message));
                }
            }
        }
    }
    findings
}

/// The public enums whose names end in `Error`.
fn public_errors(code: &str) -> impl Iterator<Item = (usize, &str)> {
    word(code, "pub").filter_map(|(line, after)| {
        let after = after.trim_start().strip_prefix("enum")?.trim_start();
        let end = after.find(|c: char| !c.is_alphanumeric())?;
        let name = &after[..end];
        name.ends_with("Error").then_some((line, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names_and_tests() {
        let declared = "pub enum ReadError { A }";
        let named = "pub enum ReadError { A }\nvariant_names!(ReadError { A });";
        let test = "let names = ReadError::NAMES;";
        let found = |path: &str, error: &str| {
            let tests = "crates/composer/src/tests.rs";
            let sources = |test| Tree::of(&[(path, error), (tests, test)]);
            [sources(""), sources(test)].map(|tree| every_variant_is_reached(&tree).len())
        };
        let path = "crates/composer/src/error.rs";
        assert_eq!(found(path, declared), [1, 1]);
        assert_eq!(found(path, named), [1, 0]);
        assert_eq!(found(path, "pub(crate) enum ReadError { A }"), [0, 0]);
        assert_eq!(found(path, "// pub enum ReadError { A }"), [0, 0]);
        assert_eq!(found("crates/runtime/src/error.rs", declared), [0, 0]);
    }
}
