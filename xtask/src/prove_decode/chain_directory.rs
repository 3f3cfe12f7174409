//! Removing the chain of an earlier run, and nothing else.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use matchmark_tools::failure::{Context as _, Failure};

/// What the command writes first, and what makes a directory a chain.
const MANIFEST: &str = "chain.toml";
/// Everything else that a chain's directory may hold.
const OTHERS: [&str; 5] = [
    "trace.safetensors",
    "table.txt",
    "model.mm",
    "segments",
    "lock",
];
/// How the names of files begin that were being written when a run was killed.
const TEMPORARY: &str = ".matchmark-";

/// Removes the directory if it holds a chain, or nothing. One that is not there is fine.
///
/// # Errors
/// A path that is no directory (a link is none), or a directory that holds anything that no chain
/// has: it is left as it is.
pub fn remove(directory: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context(directory.display()),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(refuse(directory, "it is no directory"));
        }
        Ok(_) => {}
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).context(directory.display())? {
        let entry = entry.context(directory.display())?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    if let Some(foreign) = names.iter().find(|name| !belongs(name)) {
        return Err(refuse(directory, &format!("no chain holds {foreign:?}")));
    }
    if !names.is_empty() && !names.iter().any(|name| name == MANIFEST) {
        return Err(refuse(directory, &format!("it holds no {MANIFEST}")));
    }
    fs::remove_dir_all(directory).context(directory.display())
}

fn belongs(name: &str) -> bool {
    name == MANIFEST || OTHERS.contains(&name) || name.starts_with(TEMPORARY)
}

fn refuse(directory: &Path, why: &str) -> Failure {
    Failure::failed(format!(
        "{} is not removed, it is not a matchmark chain: {why}; move it away or give --out",
        directory.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A directory with these files; names that end in a slash are directories.
    fn holding(names: &[&str]) -> tempfile::TempDir {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("chain");
        fs::create_dir(&directory).unwrap();
        for name in names {
            match name.strip_suffix('/') {
                Some(name) => fs::create_dir(directory.join(name)).unwrap(),
                None => fs::write(directory.join(name), "x").unwrap(),
            }
        }
        parent
    }

    fn removed(names: &[&str]) -> bool {
        let parent = holding(names);
        let directory = parent.path().join("chain");
        let done = remove(&directory);
        assert_eq!(done.is_ok(), !directory.exists(), "{names:?}: {done:?}");
        done.is_ok()
    }

    #[test]
    fn chains_are_removed() {
        assert!(removed(&[
            "chain.toml",
            "trace.safetensors",
            "table.txt",
            "segments/",
            "lock"
        ]));
        // An interrupted run.
        assert!(removed(&["chain.toml", ".matchmark-Xy12"]));
        assert!(removed(&["chain.toml", "model.mm", "segments/", "lock"]));
        assert!(removed(&[]));
    }

    #[test]
    fn everything_else_is_left() {
        assert!(!removed(&["chain.toml", "thesis.tex"]));
        assert!(!removed(&["segments/"]));
        assert!(!removed(&["notes"]));
    }

    #[test]
    fn a_missing_directory_is_fine_and_a_file_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("chain");
        assert_eq!(remove(&path), Ok(()));
        fs::write(&path, "x").unwrap();
        assert_eq!(remove(&path).unwrap_err().code, 1);
        assert!(path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let parent = holding(&["chain.toml"]);
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(parent.path().join("chain"), &link).unwrap();
        assert_eq!(remove(&link).unwrap_err().code, 1);
        assert!(parent.path().join("chain/chain.toml").exists());
    }
}
