//! Finished measurements, kept one to a file, so that an interrupted run goes on where it was.
//!
//! A file's name is a digest of everything that the measurement depends on; the file says the same in
//! full, and one that says something else, or cannot be read, is measured again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::pressure::command::Outcome;
use crate::pressure::data::{Configuration, Counts, Sample};
use matchmark_tools::failure::{Context as _, Failure};

/// Version of the files' form.
const FORMAT: u32 = 2;

/// The program that is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// What `matchmark --version` says.
    pub version: String,
    /// SHA-256 of the binary: another build is another program.
    pub sha256: String,
}

impl Program {
    /// The program in this file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of(binary: &Path, version: String) -> Result<Self, Failure> {
        let bytes = fs::read(binary).context(binary.display())?;
        Ok(Self {
            version,
            sha256: hex(&bytes),
        })
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    format: u32,
    program: Program,
    configuration: Configuration,
    nonce: String,
    counts: Option<Counts>,
    sample: Option<Sample>,
    refused: Option<String>,
}

/// A folder of measurements of one program.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    program: Program,
}

impl Store {
    /// Opens a folder, or makes it.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn open(folder: PathBuf, program: Program) -> Result<Self, Failure> {
        fs::create_dir_all(&folder).context(folder.display())?;
        Ok(Self { folder, program })
    }

    fn path(&self, configuration: &Configuration, nonce: &str) -> Result<PathBuf, Failure> {
        let key = serde_json::to_vec(&(FORMAT, &self.program, configuration, nonce));
        let key = key.context("the key of a measurement")?;
        Ok(self.folder.join(format!("{}.json", &hex(&key)[..32])))
    }

    /// What was measured before; `None` if nothing was, or the file is of no use.
    ///
    /// # Errors
    /// None but that of a key that cannot be made.
    pub fn load(
        &self,
        configuration: &Configuration,
        nonce: &str,
    ) -> Result<Option<Outcome>, Failure> {
        let Ok(bytes) = fs::read(self.path(configuration, nonce)?) else {
            return Ok(None);
        };
        let Ok(entry) = serde_json::from_slice::<Entry>(&bytes) else {
            return Ok(None);
        };
        let same = entry.format == FORMAT
            && entry.program == self.program
            && entry.configuration == *configuration
            && entry.nonce == nonce;
        if !same {
            return Ok(None);
        }
        Ok(match (entry.counts, entry.sample, entry.refused) {
            (Some(counts), Some(sample), None) => Some(Outcome::Measured { counts, sample }),
            (None, None, Some(reason)) => Some(Outcome::Refused(reason)),
            _ => None,
        })
    }

    /// Keeps a measurement: the file is whole or not there.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(
        &self,
        configuration: &Configuration,
        nonce: &str,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let mut entry = Entry {
            format: FORMAT,
            program: self.program.clone(),
            configuration: configuration.clone(),
            nonce: nonce.to_owned(),
            counts: None,
            sample: None,
            refused: None,
        };
        match outcome {
            Outcome::Measured { counts, sample } => {
                entry.counts = Some(counts.clone());
                entry.sample = Some(sample.clone());
            }
            Outcome::Refused(reason) => entry.refused = Some(reason.clone()),
        }
        let bytes = serde_json::to_vec_pretty(&entry).context("a measurement")?;
        write_whole(&self.path(configuration, nonce)?, &bytes)
    }
}

/// Writes a file under a temporary name beside it, and renames it.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // A temporary file is its owner's alone; a document is for everyone, as far as the mask allows.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder).context(folder.display())?;
    file.write_all(bytes).context(path.display())?;
    file.as_file().sync_all().context(path.display())?;
    file.persist(path).context(path.display())?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pressure::data::{Cut, Level};
    use crate::pressure::rows::{configuration, BASE};

    fn program(version: &str) -> Program {
        Program {
            version: version.to_owned(),
            sha256: "00".to_owned(),
        }
    }

    fn measured() -> Outcome {
        Outcome::Measured {
            counts: Counts {
                lookup_claims: 1,
                trace_rows: 2,
                committed_cells: 3,
                opened_columns: 4,
                trees: 5,
            },
            sample: Sample {
                nonce: "01".to_owned(),
                relation_digest: "ab".to_owned(),
                user_seconds: 1.25,
                system_seconds: 0.25,
                wall_seconds: 0.75,
                peak_memory_bytes: 77.0,
                verify_ms: 3.5,
                proof_bytes: 0,
                json_bytes: 0,
                proofs: vec![],
            },
        }
    }

    #[test]
    fn what_was_measured_is_found_again_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let open = |version| Store::open(folder.path().join("x"), program(version)).unwrap();
        let store = open("1");
        let [fused, split] =
            [Cut::Fused, Cut::Split].map(|cut| configuration(BASE, Level::Conjectured100, cut));
        assert_eq!(store.load(&fused, "01").unwrap(), None);
        store.save(&fused, "01", &measured()).unwrap();
        assert_eq!(store.load(&fused, "01").unwrap(), Some(measured()));
        assert_eq!(store.load(&fused, "02").unwrap(), None);
        assert_eq!(store.load(&split, "01").unwrap(), None);
        // Another program has measured nothing.
        assert_eq!(open("2").load(&fused, "01").unwrap(), None);
        assert_eq!(open("1").load(&fused, "01").unwrap(), Some(measured()));
        let refused = Outcome::Refused("too long".to_owned());
        store.save(&split, "01", &refused).unwrap();
        assert_eq!(store.load(&split, "01").unwrap(), Some(refused));
    }

    #[test]
    fn a_file_that_is_cut_or_exchanged_is_measured_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_owned(), program("1")).unwrap();
        let it = configuration(BASE, Level::Proven100, Cut::Fused);
        store.save(&it, "01", &measured()).unwrap();
        store.save(&it, "02", &measured()).unwrap();
        let [one, two] = ["01", "02"].map(|nonce| store.path(&it, nonce).unwrap());
        let bytes = fs::read(&one).unwrap();
        fs::write(&two, &bytes).unwrap();
        assert_eq!(store.load(&it, "02").unwrap(), None);
        fs::write(&one, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(store.load(&it, "01").unwrap(), None);
    }

    #[test]
    fn programs_are_told_apart_by_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::write(&path, b"abc").unwrap();
        let program = Program::of(&path, "1".to_owned()).unwrap();
        // FIPS 180-2, appendix B.1.
        assert!(program
            .sha256
            .starts_with("ba7816bf8f01cfea414140de5dae2223"));
        assert!(Program::of(&folder.path().join("none"), "1".to_owned()).is_err());
    }
}
