//! A program outside of the workspace that depends on the prover, made of what the README says.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::documented::block;
use super::runner::Outcome;
use matchmark_tools::{process, workspace};

/// Where the README's dependencies stand.
const CLONE: &str = "../matchmark/";
/// What cargo and its configuration hand down to us would do the work of the configuration under test.
const INHERITED: [&str; 4] = [
    "RUSTC_BOOTSTRAP",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
];
/// What is built anew, as it belongs to the program or has features here that it does not have there. All of
/// it runs once, for a small proof, and need not be fast. A name too few or too many costs time alone.
const ANEW: [&str; 20] = [
    "matchmark",
    "matchmark-air",
    "matchmark-composer",
    "matchmark-graph",
    "matchmark-models",
    "matchmark-prover",
    "matchmark-quant",
    "matchmark-runtime",
    "matchmark-statement",
    "matchmark-tables",
    "matchmark-verifier",
    "regex-syntax",
    "starknet-crypto",
    "starknet-curve",
    "starknet-ff",
    "stwo",
    "stwo-constraint-framework",
    "toml",
    "toml_edit",
    "tracing-subscriber",
];
/// What the program prints in the end where the line for the processor had its effect.
const NOTHING_UNUSED: &str = "leaves unused: []";

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
    let mut command = workspace::cargo();
    command
        .current_dir(folder)
        .args(["run", "--target-dir"])
        .arg(workspace::target_dir())
        .stderr(Stdio::inherit());
    for variable in INHERITED {
        command.env_remove(variable);
    }
    let shown = process::shown(&command);
    let output = command
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    Ok(judged(&shown, output.status.success(), &text))
}

/// The program ends well, and leaves no instructions of the processor unused.
fn judged(shown: &str, success: bool, text: &str) -> Outcome {
    if !success {
        return Outcome::Failed(format!("{shown} failed"));
    }
    match text.lines().last() {
        Some(line) if line.ends_with(NOTHING_UNUSED) => Outcome::Passed,
        line => Outcome::Failed(format!(
            "{shown} ended with {:?}, expected {NOTHING_UNUSED:?}",
            line.unwrap_or_default()
        )),
    }
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
    let ours = fs::read_to_string(root.join("Cargo.toml")).map_err(|error| error.to_string())?;
    let ours = ours
        .parse::<toml::Table>()
        .map_err(|error| error.to_string())?;
    let files = [
        (
            "Cargo.toml",
            manifest(&dependencies.replace(CLONE, &there), &ours)?,
        ),
        (
            ".cargo/config.toml",
            block(&readme, "toml", "# .cargo/config.toml,")?,
        ),
        ("src/main.rs", block(&readme, "rust", "// src/main.rs")?),
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

/// A manifest with these dependencies. What the workspace builds in the same way is taken from there, so that the
/// profile is the workspace's but for what is built anew.
fn manifest(dependencies: &str, workspace: &toml::Table) -> Result<String, String> {
    let head =
        "[package]\nname = \"outside\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n";
    let table = |value: Option<&toml::Value>| value.and_then(toml::Value::as_table).cloned();
    let profile = table(workspace.get("profile")).unwrap_or_default();
    let mut dev = table(profile.get("dev")).unwrap_or_default();
    let mut packages = table(dev.get("package")).unwrap_or_default();
    let anew = toml::Table::from_iter([
        ("opt-level".to_owned(), 1.into()),
        ("debug".to_owned(), 0.into()),
    ]);
    packages.extend(ANEW.map(|name| (name.to_owned(), anew.clone().into())));
    dev.insert("package".to_owned(), packages.into());
    let dev = toml::Table::from_iter([("dev".to_owned(), dev.into())]);
    let profile = toml::Table::from_iter([("profile".to_owned(), toml::Value::from(dev))]);
    let profile = toml::to_string(&profile).map_err(|error| error.to_string())?;
    Ok(format!("{head}\n{dependencies}\n{profile}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_effect_is_noticed() {
        let judged = |success, text| judged("cargo run", success, text);
        let well = "proven\ninstructions that this build leaves unused: []\n";
        assert_eq!(judged(true, well), Outcome::Passed);
        let lost = "proven\ninstructions that this build leaves unused: [\"AVX2\"]\n";
        for (success, text) in [(true, lost), (true, ""), (false, well)] {
            assert!(
                matches!(judged(success, text), Outcome::Failed(_)),
                "{text}"
            );
        }
    }

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
