//! Rules about Rust source.

use super::scan::{attributes, code_only, continues, word};
use super::tree::Tree;
use super::Finding;

/// A file of more lines is split.
const MAX_LINES: usize = 800;

/// No Rust file is longer than 800 lines.
pub fn file_length(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|&(_, lines)| lines > MAX_LINES)
        .map(|(path, lines)| {
            Finding::in_file(
                path,
                format!("{lines} lines, at most {MAX_LINES}: split it"),
            )
        })
        .collect()
}

/// The library's default configuration has 13 bits of security: it is never used.
pub fn default_pcs_config(tree: &Tree) -> Vec<Finding> {
    in_code(tree, |code| {
        word(code, "PcsConfig")
            .filter(|(_, after)| {
                continues(after, &["::", "default", "("])
                    || continues(after, &[">", "::", "default", "("])
                    || continues(after, &["as", "Default", ">", "::", "default", "("])
            })
            .map(|(line, _)| {
                (
                    line,
                    "the library's 13-bit default configuration".to_owned(),
                )
            })
            .collect()
    })
}

/// Components are put together as they are stated, by everyone but the attacks on systems that lack
/// something.
pub fn other_systems(tree: &Tree) -> Vec<Finding> {
    const ALLOWED: [&str; 2] = ["crates/air/", "dev/hostile/"];
    let mut findings = in_code(tree, |code| {
        let message = "components of a system that is not the stated one";
        word(code, "of_system")
            .map(|(line, _)| (line, message.to_owned()))
            .collect()
    });
    let allowed = |path: &str| ALLOWED.iter().any(|allowed| path.starts_with(allowed));
    findings.retain(|finding| !allowed(&finding.path));
    findings
}

/// Nothing unfinished, and no debugging output.
pub fn unfinished(tree: &Tree) -> Vec<Finding> {
    in_code(tree, |code| {
        let macros = ["todo", "unimplemented", "dbg"];
        macros
            .into_iter()
            .flat_map(|name| word(code, name).map(move |(line, after)| (name, line, after)))
            .filter(|(_, _, after)| continues(after, &["!"]) && !continues(after, &["!="]))
            .map(|(name, line, _)| (line, format!("the macro {name} is left in")))
            .collect()
    })
}

/// A test that expects a panic says which one.
pub fn bare_should_panic(tree: &Tree) -> Vec<Finding> {
    in_code(tree, |code| {
        word(code, "should_panic")
            .filter(|(_, after)| !continues(after, &["(", "expected", "="]))
            .map(|(line, _)| (line, "should_panic without `expected`".to_owned()))
            .collect()
    })
}

/// No test is passed over, in the code or in its documentation.
pub fn ignored_tests(tree: &Tree) -> Vec<Finding> {
    let message = || "an ignored test".to_owned();
    let mut findings = in_code(tree, |code| {
        let ignores = |attribute: &str| word(attribute, "ignore").next().is_some();
        attributes(code)
            .filter(|(_, text)| {
                let text = text.trim_start();
                text.starts_with("ignore") || (text.starts_with("cfg_attr") && ignores(text))
            })
            .map(|(line, _)| (line, message()))
            .collect()
    });
    for (path, text) in tree.rust() {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let documented = line
                .strip_prefix("///")
                .or_else(|| line.strip_prefix("//!"));
            let fence = documented.and_then(|text| text.trim_start().strip_prefix("```"));
            if fence.is_some_and(|info| info.split(',').any(|word| word.trim() == "ignore")) {
                findings.push(Finding::at(path, number + 1, message()));
            }
        }
    }
    findings
}

/// Applies a rule to the code of every Rust file.
fn in_code(tree: &Tree, rule: impl Fn(&str) -> Vec<(usize, String)>) -> Vec<Finding> {
    tree.rust()
        .flat_map(|(path, text)| {
            let found = rule(&code_only(text));
            found
                .into_iter()
                .map(move |(line, message)| Finding::at(path, line, message))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;

    const NONE: [usize; 0] = [];

    /// The lines of a file where the rule does not hold.
    fn lines(rule: Rule, source: &str) -> Vec<usize> {
        let tree = Tree::of(&[("a.rs", source), ("a.md", source)]);
        rule(&tree).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn length() {
        assert_eq!(lines(file_length, &"x\n".repeat(800)), NONE);
        assert_eq!(lines(file_length, &"x\n".repeat(801)), [0]);
    }

    #[test]
    fn default_configuration() {
        let rule = default_pcs_config;
        assert_eq!(
            lines(
                rule,
                "// PcsConfig::default()\nlet x = \"PcsConfig::default()\";"
            ),
            NONE
        );
        assert_eq!(
            lines(rule, "PcsConfig::new(); OtherPcsConfig::default();"),
            NONE
        );
        assert_eq!(lines(rule, "\nlet c = PcsConfig::default();"), [2]);
        assert_eq!(lines(rule, "pcs::PcsConfig ::\n  default()"), [1]);
        assert_eq!(lines(rule, "<PcsConfig>::default()"), [1]);
        assert_eq!(lines(rule, "<PcsConfig as Default>::default()"), [1]);
    }

    #[test]
    fn systems() {
        let source = "let components = Circuit::of_system(layout, part, context, &system);";
        assert_eq!(lines(other_systems, source), [1]);
        assert_eq!(lines(other_systems, "// of_system\nof_systems();"), NONE);
        let found = |path| other_systems(&Tree::of(&[(path, source)])).len();
        assert_eq!(found("crates/verifier/src/verify.rs"), 1);
        assert_eq!(found("crates/air/src/segment.rs"), 0);
        assert_eq!(found("dev/hostile/src/reduced/verify.rs"), 0);
    }

    #[test]
    fn unfinished_macros() {
        assert_eq!(
            lines(unfinished, "// todo!()\nlet todo = 1; todo != 2;"),
            NONE
        );
        assert_eq!(
            lines(unfinished, "todo!()\nunimplemented!()\nstd::dbg!(x)"),
            [1, 2, 3]
        );
    }

    #[test]
    fn panics_are_expected_by_name() {
        let rule = bare_should_panic;
        assert_eq!(
            lines(rule, "#[should_panic(expected = \"out of range\")]"),
            NONE
        );
        assert_eq!(lines(rule, "#[test]\n#[should_panic]"), [2]);
        assert_eq!(lines(rule, "#[should_panic = \"x\"]"), [1]);
        assert_eq!(lines(rule, "#[cfg_attr(a, should_panic)]"), [1]);
    }

    #[test]
    fn tests_are_not_ignored() {
        let rule = ignored_tests;
        assert_eq!(
            lines(rule, "let ignore = x[ignore];\n#[allow(x)] f(a, ignore);"),
            NONE
        );
        assert_eq!(lines(rule, "#[test]\n#[ignore]"), [2]);
        assert_eq!(lines(rule, "#[ignore = \"slow\"]"), [1]);
        assert_eq!(
            lines(rule, "#[cfg_attr(\n  debug_assertions, ignore)]"),
            [1]
        );
        assert_eq!(
            lines(rule, "/// ```ignore\n//! ```rust, ignore\n/// ```text"),
            [1, 2]
        );
    }
}
