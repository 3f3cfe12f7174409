//! Builds for a target that has no standard library.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::commands::{on_plain_stable, succeeds, target_is_there, VERIFIER};
use super::documented::block;
use super::runner::Outcome;
use matchmark_tools::workspace;

/// A microcontroller: 32 bits, no operating system.
const TARGET: &str = "thumbv7em-none-eabi";
/// The crates that stand below the proof library.
const BELOW: [&str; 4] = [
    "matchmark-quant",
    "matchmark-graph",
    "matchmark-tables",
    "matchmark-statement",
];

/// The crates below the proof library build as they are.
pub fn below_the_proof_library() -> Outcome {
    if let Err(why) = target_is_there(TARGET) {
        return Outcome::Skipped(why);
    }
    let packages = BELOW.into_iter().flat_map(|name| ["--package", name]);
    let words: Vec<&str> = ["check", "--target", TARGET]
        .into_iter()
        .chain(packages)
        .collect();
    succeeds(on_plain_stable(&words))
}

/// The verifier builds where `dashmap`, which the proof library names and its verifier does not use, gives
/// way to an empty crate, as the verifier's README says.
pub fn verifier() -> Outcome {
    if let Err(why) = target_is_there(TARGET) {
        return Outcome::Skipped(why);
    }
    match tempfile::tempdir() {
        Err(error) => Outcome::Failed(error.to_string()),
        Ok(folder) => match write_program(folder.path()) {
            Err(why) => Outcome::Failed(why),
            Ok(()) => succeeds(in_folder(folder.path())),
        },
    }
}

fn in_folder(folder: &Path) -> Command {
    let mut command = on_plain_stable(&["check", "--target", TARGET]);
    command.current_dir(folder);
    command
}

/// A library without the standard library that has nothing in it but the verifier.
fn write_program(folder: &Path) -> Result<(), String> {
    let root = workspace::root();
    let readme = root.join("crates/verifier/README.md");
    let package = |name: &str, version: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n")
    };
    let patch = block(&readme, "toml", "[patch.crates-io]")?;
    let verifier = root.join("crates/verifier").display().to_string();
    let manifest = format!(
        "{}\n[workspace]\n\n[dependencies]\n{VERIFIER} = {{ path = {verifier:?} }}\n\n{patch}",
        package("bare", "0.0.0"),
    );
    let files = [
        ("Cargo.toml", manifest),
        (
            "src/lib.rs",
            "#![no_std]\npub use matchmark_verifier::verify_segment;\n".to_owned(),
        ),
        (
            "dashmap/Cargo.toml",
            block(&readme, "toml", "# dashmap/Cargo.toml")?,
        ),
        (
            "dashmap/src/lib.rs",
            block(&readme, "text", "// dashmap/src/lib.rs")?,
        ),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        let written = fs::create_dir_all(path.parent().unwrap_or(folder))
            .and_then(|()| fs::write(&path, text));
        written.map_err(|error| format!("{name}: {error}"))?;
    }
    for name in ["Cargo.lock", "rust-toolchain.toml"] {
        fs::copy(root.join(name), folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Another version would not take the place of the one that the proof library asks for.
    #[test]
    fn the_empty_crate_has_the_version_that_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        write_program(folder.path()).unwrap();
        let table = |name: &str| -> toml::Table {
            fs::read_to_string(folder.path().join(name))
                .unwrap()
                .parse()
                .unwrap()
        };
        let empty = table("dashmap/Cargo.toml");
        let lock = table("Cargo.lock");
        let locked = lock["package"].as_array().unwrap().iter();
        let locked = locked.filter(|package| package["name"] == empty["package"]["name"]);
        let versions: Vec<_> = locked.map(|package| &package["version"]).collect();
        assert_eq!(versions, [&empty["package"]["version"]]);
        assert!(table("Cargo.toml")["patch"]["crates-io"]["dashmap"].is_table());
    }
}
