//! The files that rules read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use matchmark_tools::failure::{Context as _, Failure};

/// The mark that cargo leaves in its target directories.
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// Files by their path from the root, with `/` between folders. Bytes that are not text are
/// replaced, so that a rule for text sees what is legible in a binary file too.
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads everything below `root` but build output and the version control's own files. Links
    /// are not followed.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(root: &Path) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        read_folder(root, "", &mut files)?;
        Ok(Self { files })
    }

    /// A tree of the given files.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let owned = |&(path, text): &(&str, &str)| (path.to_owned(), text.to_owned());
        Self {
            files: files.iter().map(owned).collect(),
        }
    }

    /// All files, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// All Rust files.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// One file's text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The folders of the workspace's crates, and their manifests' text.
    pub fn crates(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files()
            .filter_map(|(path, text)| Some((path.strip_suffix("/Cargo.toml")?, text)))
    }
}

fn read_folder(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).context(folder.display())? {
        let entry = entry.context(folder.display())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, from_root) = (entry.path(), format!("{prefix}{name}"));
        // A folder, or the file that stands for it in a further working tree of a repository.
        if name == ".git" {
            continue;
        }
        let kind = entry.file_type().context(path.display())?;
        if kind.is_dir() {
            if !is_build_output(&path, &name) {
                read_folder(&path, &format!("{from_root}/"), files)?;
            }
        } else if kind.is_file() {
            let bytes = fs::read(&path).context(path.display())?;
            files.insert(from_root, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(())
}

fn is_build_output(folder: &Path, name: &str) -> bool {
    name == "target" || folder.join(CACHE_TAG).exists()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn build_output_and_version_control_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write("Cargo.toml", b"[workspace]");
        write("crates/a/Cargo.toml", b"[package]");
        write("crates/a/src/lib.rs", b"// a");
        write(".ci/run", b"binary \xff and text");
        write(".git/config", b"x");
        write("crates/.git", b"gitdir: elsewhere");
        write("target/debug/x.rs", b"x");
        write("build-elsewhere/CACHEDIR.TAG", b"x");
        write("build-elsewhere/x.rs", b"x");
        let tree = Tree::read(root.path()).unwrap();
        let paths: Vec<&str> = tree.files().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                ".ci/run",
                "Cargo.toml",
                "crates/a/Cargo.toml",
                "crates/a/src/lib.rs"
            ]
        );
        assert!(tree.text(".ci/run").unwrap().ends_with("and text"));
        assert_eq!(tree.rust().count(), 1);
        assert_eq!(
            tree.crates().collect::<Vec<_>>(),
            [("crates/a", "[package]")]
        );
    }

    #[test]
    fn a_missing_root_is_named() {
        let failure = Tree::read(Path::new("no-such-folder")).err().unwrap();
        assert!(failure.message.unwrap().starts_with("no-such-folder: "));
    }
}
