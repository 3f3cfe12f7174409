//! Rust source as syntax trees, for the rules that words alone cannot state.

use proc_macro2::Span;
use syn::{Attribute, File, Meta};

use super::tree::Tree;
use super::Finding;

/// Every Rust file that `holds`, parsed, handed to a rule.
pub fn in_syntax(
    tree: &Tree,
    holds: impl Fn(&str) -> bool,
    rule: impl Fn(&File) -> Vec<(usize, String)>,
) -> Vec<Finding> {
    tree.rust()
        .filter(|&(path, _)| holds(path))
        .flat_map(|(path, text)| {
            let found = match syn::parse_file(text) {
                Ok(file) => rule(&file),
                Err(error) => vec![unreadable(&error)],
            };
            found
                .into_iter()
                .map(move |(line, message)| Finding::at(path, line, message))
        })
        .collect()
}

/// What is said of a file that is not Rust.
pub fn unreadable(error: &syn::Error) -> (usize, String) {
    (line(error.span()), format!("not Rust: {error}"))
}

/// The line where something begins, from 1.
pub fn line(span: Span) -> usize {
    span.start().line
}

/// Whether an item is compiled for tests alone.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test ,")
        }
        Meta::List(_) | Meta::Path(_) | Meta::NameValue(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_for_tests() {
        let tests = |attribute: &str| {
            let file = syn::parse_file(&format!("{attribute}\nmod a {{}}"));
            let file = file.unwrap_or_else(|error| panic!("{error}"));
            match &file.items[..] {
                [syn::Item::Mod(module)] => is_for_tests(&module.attrs),
                _ => panic!("one module"),
            }
        };
        assert!(tests("#[cfg(test)]"));
        assert!(tests("#[cfg(all(test, feature = \"prover\"))]"));
        assert!(!tests("#[cfg(feature = \"test\")]"));
        assert!(!tests("#[cfg(any(test, feature = \"prover\"))]"));
        assert!(!tests("#[allow(dead_code)]"));
    }

    #[test]
    fn a_file_that_is_not_rust_is_a_finding() {
        let tree = Tree::of(&[("a.rs", "fn a() {}\nfn {"), ("b.rs", "fn b() {}")]);
        let findings = in_syntax(&tree, |_| true, |_| vec![]);
        assert_eq!(findings.len(), 1);
        assert_eq!((&findings[0].path[..], findings[0].line), ("a.rs", 2));
    }
}
