//! A program outside of the workspace that depends on the prover, made of what the README says.

use std::fs;
use std::path::Path;

use super::documented::block;
use super::runner::Outcome;
use super::steps::succeeds;
use crate::workspace;

/// Where the README's dependencies stand.
const CLONE: &str = "../matchmark/";
/// What cargo and its configuration hand down to us would do the work of the configuration under test.
const INHERITED: [&str; 4] = [
    "RUSTC_BOOTSTRAP",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
];
/// What runs once, for a small proof, need not be fast: this takes the least time together.
const PROFILE: &str = "\n[profile.dev]\nopt-level = 1\ndebug = 0\n";
/// Fails where the build does not use what the processor has: the line for it had no effect.
const INSTRUCTIONS: &str = "\
fn main() {
    assert_eq!(matchmark_composer::unused_instructions(), [\"\"; 0]);
}
";

/// Builds the program and runs it: it proves a small chain and verifies it.
pub fn proves() -> Outcome {
    match in_a_folder() {
        Ok(outcome) => outcome,
        Err(why) => Outcome::Failed(why),
    }
}

fn in_a_folder() -> Result<Outcome, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = folder.path();
    if let Some(above) = configured(folder) {
        return Ok(Outcome::Skipped(format!(
            "cargo reads {above} in the folder for temporary files"
        )));
    }
    write_program(folder)?;
    for program in ["outside", "instructions"] {
        let mut command = workspace::cargo();
        command
            .current_dir(folder)
            .args(["run", "--quiet", "--bin", program, "--target-dir"])
            .arg(workspace::target_dir().join("outside"));
        for variable in INHERITED {
            command.env_remove(variable);
        }
        let outcome = succeeds(command);
        if outcome != Outcome::Passed {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Passed)
}

/// The configuration of cargo that a folder would have from a folder above it.
fn configured(folder: &Path) -> Option<String> {
    let files = ["config.toml", "config"];
    let mut paths = folder
        .ancestors()
        .flat_map(|above| files.map(|file| above.join(".cargo").join(file)));
    paths
        .find(|path| path.exists())
        .map(|path| path.display().to_string())
}

/// Writes the program and its configuration, as the README has them.
fn write_program(folder: &Path) -> Result<(), String> {
    let root = workspace::root();
    let readme = root.join("README.md");
    let dependencies = block(&readme, "toml", "# Cargo.toml,")?;
    let there = format!("{}/", root.display());
    let files = [
        ("Cargo.toml", manifest(&dependencies.replace(CLONE, &there))),
        (
            ".cargo/config.toml",
            block(&readme, "toml", "# .cargo/config.toml,")?,
        ),
        ("src/main.rs", block(&readme, "rust", "// src/main.rs")?),
        ("src/bin/instructions.rs", INSTRUCTIONS.to_owned()),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        let written = fs::create_dir_all(path.parent().unwrap_or(folder))
            .and_then(|()| fs::write(&path, text));
        written.map_err(|error| format!("{name}: {error}"))?;
    }
    // The versions that the workspace is tested with, and its compiler.
    for name in ["Cargo.lock", "rust-toolchain.toml"] {
        fs::copy(root.join(name), folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// A manifest with these dependencies.
fn manifest(dependencies: &str) -> String {
    let head =
        "[package]\nname = \"outside\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n";
    format!("{head}\n{dependencies}{PROFILE}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Inside of the clone, its own configuration would do the work of the lines under test.
    #[test]
    fn configuration_above_is_seen() {
        assert!(configured(&workspace::root().join("docs")).is_some());
    }

    #[test]
    fn the_program_is_what_the_readme_says() {
        let folder = tempfile::tempdir().unwrap();
        write_program(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for (name, value) in dependencies
            .iter()
            .filter(|(name, _)| name.starts_with("matchmark"))
        {
            let path = value["path"].as_str().unwrap();
            assert!(
                Path::new(path).join("Cargo.toml").exists(),
                "{name} at {path}"
            );
        }
        // What the clone's own configuration says for its own builds, and nothing else.
        let ours = fs::read_to_string(workspace::root().join(".cargo/config.toml")).unwrap();
        let mut ours: toml::Table = ours.parse().unwrap();
        ours.remove("alias");
        let theirs: toml::Table = read(".cargo/config.toml").parse().unwrap();
        assert_eq!(theirs, ours);
        assert!(read("src/main.rs").contains("fn main()"));
    }
}
