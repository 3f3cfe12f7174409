//! The order of the crates: `docs/architecture.md`.

use toml::Value;

use super::manifests::{dependencies, manifests};
use super::tree::Tree;
use super::Finding;

/// From the ground up. A crate depends on crates that stand before it.
const ORDER: [&str; 16] = [
    "matchmark-files",
    "matchmark-quant",
    "matchmark-graph",
    "matchmark-tables",
    "matchmark-statement",
    "matchmark-air",
    "matchmark-verifier",
    "matchmark-prover",
    "matchmark-composer",
    "matchmark-planner",
    "matchmark",
    "matchmark-cli",
    "matchmark-fuzz-targets",
    "matchmark-hostile",
    "matchmark-bench",
    "matchmark-fuzz",
];
/// The integer reference stands beside the order, on the lowest crates.
const RUNTIME: &str = "matchmark-runtime";
const BELOW_RUNTIME: [&str; 3] = ["matchmark-files", "matchmark-quant", "matchmark-tables"];
/// The decoder models stand on the reference.
const MODEL: &str = "matchmark-models";
const BELOW_MODEL: [&str; 5] = [
    "matchmark-files",
    "matchmark-quant",
    "matchmark-graph",
    "matchmark-tables",
    RUNTIME,
];
/// Crates that take a witness from the reference or from a model; the first only for its prover's side.
const ON_RUNTIME_IF_OPTIONAL: &str = "matchmark-air";
const ON_RUNTIME: [&str; 7] = [
    "matchmark-prover",
    "matchmark-composer",
    "matchmark",
    "matchmark-cli",
    "matchmark-fuzz-targets",
    "matchmark-hostile",
    "matchmark-bench",
];
/// The project's commands use the others through the command line alone.
const XTASK: &str = "xtask";
/// What the project's commands share. It stands on nothing.
const TOOLS: &str = "matchmark-tools";
const ON_TOOLS: [&str; 2] = [XTASK, "matchmark-bench"];

/// Dependencies point down the order. Those of tests alone may point anywhere: no user of a crate
/// builds them.
pub fn layer_order(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, manifest) in manifests(tree, &mut findings) {
        let package = manifest
            .get("package")
            .and_then(|package| package.get("name"));
        let Some(name) = package.and_then(Value::as_str) else {
            continue;
        };
        if ![XTASK, TOOLS, RUNTIME, MODEL].contains(&name) && rank(name).is_none() {
            findings.push(Finding::in_file(
                &path,
                format!("{name} has no place in the order"),
            ));
            continue;
        }
        for (kind, dependency, value) in dependencies(&manifest) {
            // A dependency may be renamed.
            let dependency = value
                .get("package")
                .and_then(Value::as_str)
                .unwrap_or(dependency);
            let ours = rank(dependency).is_some()
                || dependency.starts_with("matchmark-")
                || dependency == XTASK;
            let optional = value.get("optional").and_then(Value::as_bool) == Some(true);
            if ours && kind != "dev-dependencies" && !allowed(name, dependency, optional) {
                let message = format!("{name} may not depend on {dependency}");
                findings.push(Finding::in_file(&path, message));
            }
        }
    }
    findings
}

fn rank(name: &str) -> Option<usize> {
    ORDER.iter().position(|&layer| layer == name)
}

fn allowed(name: &str, dependency: &str, optional: bool) -> bool {
    if dependency == TOOLS {
        return ON_TOOLS.contains(&name);
    }
    if name == RUNTIME {
        return BELOW_RUNTIME.contains(&dependency);
    }
    if name == MODEL {
        return BELOW_MODEL.contains(&dependency);
    }
    if dependency == RUNTIME || dependency == MODEL {
        return ON_RUNTIME.contains(&name) || (name == ON_RUNTIME_IF_OPTIONAL && optional);
    }
    match (rank(name), rank(dependency)) {
        (Some(name), Some(dependency)) => dependency < name,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a crate `name` with these lines below `[dependencies]`.
    fn found(name: &str, lines: &str) -> Vec<String> {
        let manifest = format!("[package]\nname = \"{name}\"\n[dependencies]\n{lines}");
        let tree = Tree::of(&[("a/Cargo.toml", &manifest)]);
        let messages = layer_order(&tree)
            .into_iter()
            .map(|finding| finding.message);
        messages.collect()
    }

    #[test]
    fn arrows_point_down() {
        let one = |name: &str, dependency: &str| {
            found(name, &format!("{dependency}.workspace = true")).is_empty()
        };
        for (above, name) in ORDER.iter().enumerate() {
            for (below, dependency) in ORDER.iter().enumerate() {
                assert_eq!(
                    one(name, dependency),
                    below < above,
                    "{name} on {dependency}"
                );
            }
            assert!(!one(name, "xtask"));
            assert!(!one("xtask", name));
            assert_eq!(
                one(RUNTIME, name),
                BELOW_RUNTIME.contains(name),
                "runtime on {name}"
            );
            assert_eq!(
                one(MODEL, name),
                BELOW_MODEL.contains(name),
                "model on {name}"
            );
            for beside in [RUNTIME, MODEL] {
                assert_eq!(
                    one(name, beside),
                    ON_RUNTIME.contains(name),
                    "{name} on {beside}"
                );
            }
        }
    }

    #[test]
    fn the_projects_own_commands_share_their_tools() {
        let tools = "matchmark-tools.workspace = true";
        for (name, allowed) in [
            ("xtask", true),
            ("matchmark-bench", true),
            ("matchmark-cli", false),
        ] {
            assert_eq!(found(name, tools).is_empty(), allowed, "{name}");
        }
        assert_eq!(found(TOOLS, "matchmark-quant.workspace = true").len(), 1);
    }

    #[test]
    fn models_stand_on_the_reference() {
        let one = |name: &str, dependency: &str| {
            found(name, &format!("{dependency}.workspace = true")).is_empty()
        };
        assert!(one(MODEL, RUNTIME));
        assert!(!one(RUNTIME, MODEL));
    }

    #[test]
    fn the_relation_knows_the_reference_on_the_provers_side_alone() {
        let optional = "matchmark-runtime = { workspace = true, optional = true }";
        assert_eq!(found("matchmark-air", optional), [""; 0]);
        assert_eq!(
            found("matchmark-verifier", optional),
            ["matchmark-verifier may not depend on matchmark-runtime"]
        );
    }

    #[test]
    fn tests_may_use_what_stands_above_and_names_may_change() {
        let dev = "[dev-dependencies]\nmatchmark-prover.workspace = true";
        assert_eq!(found("matchmark-verifier", dev), [""; 0]);
        let renamed = "p = { package = \"matchmark-prover\", path = \"../prover\" }";
        assert_eq!(
            found("matchmark-verifier", renamed),
            ["matchmark-verifier may not depend on matchmark-prover"]
        );
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        assert_eq!(
            found("matchmark-new", ""),
            ["matchmark-new has no place in the order"]
        );
        assert_eq!(found("xtask", "serde_json.workspace = true"), [""; 0]);
    }
}
