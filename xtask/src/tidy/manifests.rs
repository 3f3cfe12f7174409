//! Rules about crates and their manifests.

use toml::{Table, Value};

use super::scan::code_only;
use super::tree::Tree;
use super::Finding;

/// Inner attribute of every crate root.
const FORBID_UNSAFE: &str = "#![forbid(unsafe_code)]";
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Every crate has a README, and forbids unsafe code in each of its roots.
pub fn crate_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, _) in tree.crates() {
        if tree.text(&format!("{folder}/README.md")).is_none() {
            findings.push(Finding::in_file(folder, "the crate has no README.md"));
        }
        let binaries = format!("{folder}/src/bin/");
        let roots = tree.rust().filter(|(path, _)| {
            let root = |name| path.strip_prefix(folder) == Some(name);
            root("/src/lib.rs") || root("/src/main.rs") || path.starts_with(&binaries)
        });
        for (path, text) in roots {
            if !code_only(text).contains(FORBID_UNSAFE) {
                findings.push(Finding::in_file(path, format!("no {FORBID_UNSAFE}")));
            }
        }
    }
    findings
}

/// Licence and lints come from the workspace, which has them.
pub fn inherited_fields(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let inherits = |field: Option<&Value>| field.is_some_and(is_inherited);
    for (path, manifest) in manifests(tree, &mut findings) {
        let field = |table: &str, key: &str| manifest.get(table)?.get(key).cloned();
        if path == ROOT {
            let package = manifest.get("workspace").and_then(|w| w.get("package"));
            let license = package.and_then(|package| package.get("license"));
            if !license.is_some_and(Value::is_str) {
                findings.push(Finding::in_file(&path, "no workspace.package.license"));
            }
            continue;
        }
        if !inherits(field("package", "license").as_ref()) {
            findings.push(Finding::in_file(&path, "needs license.workspace = true"));
        }
        if !inherits(manifest.get("lints")) {
            findings.push(Finding::in_file(&path, "needs lints.workspace = true"));
        }
    }
    findings
}

/// Versions stand in the workspace's manifest alone: a crate names its dependencies by
/// `workspace = true` or by path.
pub fn dependency_form(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, manifest) in manifests(tree, &mut findings) {
        for (kind, name, value) in dependencies(&manifest) {
            let by_path = value.get("path").is_some_and(Value::is_str);
            let elsewhere = value.get("git").is_some() || value.get("registry").is_some();
            if !(is_inherited(value) || by_path) || elsewhere {
                findings.push(Finding::in_file(
                    &path,
                    format!("{kind}.{name} is given neither by workspace = true nor by path"),
                ));
            }
        }
    }
    findings
}

const ROOT: &str = "Cargo.toml";

/// All manifests that can be read; the others become findings.
pub fn manifests(tree: &Tree, findings: &mut Vec<Finding>) -> Vec<(String, Table)> {
    let mut read = Vec::new();
    for (path, text) in tree.files() {
        if path == ROOT || path.ends_with("/Cargo.toml") {
            match text.parse::<Table>() {
                Ok(manifest) => read.push((path.to_owned(), manifest)),
                Err(error) => findings.push(Finding::in_file(path, error.message())),
            }
        }
    }
    read
}

/// Kind, name and value of each dependency, those of single targets included.
pub fn dependencies(manifest: &Table) -> Vec<(&'static str, &str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values);
    let places = targets.filter_map(Value::as_table).chain([manifest]);
    let mut found = Vec::new();
    for place in places {
        for kind in DEPENDENCIES {
            let table = place.get(kind).and_then(Value::as_table);
            for (name, value) in table.into_iter().flatten() {
                found.push((kind, name.as_str(), value));
            }
        }
    }
    found
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn readme_and_unsafe_code() {
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", ""),
            ("crates/a/README.md", "A."),
            ("crates/a/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]\n"),
            ("crates/a/src/inner.rs", ""),
            ("crates/b/Cargo.toml", ""),
            ("crates/b/src/main.rs", "// #![forbid(unsafe_code)]\n"),
            ("crates/b/src/bin/other.rs", ""),
        ]);
        assert_eq!(
            messages(&crate_files(&tree)),
            [
                "crates/b: the crate has no README.md",
                "crates/b/src/bin/other.rs: no #![forbid(unsafe_code)]",
                "crates/b/src/main.rs: no #![forbid(unsafe_code)]",
            ]
        );
    }

    #[test]
    fn inherited() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace.package]\nlicense = \"MIT\""),
            (
                "a/Cargo.toml",
                "[package]\nlicense.workspace = true\n[lints]\nworkspace = true",
            ),
            (
                "b/Cargo.toml",
                "[package]\nlicense = \"MIT\"\n[lints]\nworkspace = false",
            ),
        ]);
        assert_eq!(
            messages(&inherited_fields(&tree)),
            [
                "b/Cargo.toml: needs license.workspace = true",
                "b/Cargo.toml: needs lints.workspace = true",
            ]
        );
        let without = Tree::of(&[("Cargo.toml", "[workspace]")]);
        assert_eq!(
            messages(&inherited_fields(&without)),
            ["Cargo.toml: no workspace.package.license"]
        );
    }

    #[test]
    fn forms_of_dependencies() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace.dependencies]\nserde = \"1\""),
            (
                "a/Cargo.toml",
                "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"x\"] }\n\
                 c = { path = \"../c\" }\nd = \"1\"\n[build-dependencies]\ne = { version = \"1\" }\n\
                 [target.'cfg(unix)'.dev-dependencies]\nf = { git = \"g\", path = \"h\" }",
            ),
        ]);
        let names: Vec<String> = messages(&dependency_form(&tree))
            .iter()
            .filter_map(|message| Some(message.split_whitespace().nth(1)?.to_owned()))
            .collect();
        assert_eq!(
            names,
            [
                "dev-dependencies.f",
                "dependencies.d",
                "build-dependencies.e"
            ]
        );
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_a_finding() {
        let tree = Tree::of(&[("a/Cargo.toml", "[package")]);
        assert_eq!(dependency_form(&tree).len(), 1);
    }
}
