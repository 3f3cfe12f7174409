//! The user's cache folder, and the calibration in it.

use std::env;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark::files::{read_text, write, Form};
use matchmark::Error;
use matchmark_planner::calibration::FILE_NAME;
use matchmark_planner::{Calibration, CalibrationState};

use crate::error::CliError;

/// Names the cache folder itself, before all others.
const VARIABLE: &str = "MATCHMARK_CACHE";
/// The folder's name where others have theirs beside it.
const FOLDER: &str = "matchmark";

/// An absolute path in the environment. Others are as good as none (XDG Base Directory Specification).
fn folder(variable: &str) -> Option<Utf8PathBuf> {
    let path = Utf8PathBuf::from(env::var(variable).ok()?);
    path.is_absolute().then_some(path)
}

/// The file that the calibration is kept in.
pub(crate) fn calibration_path() -> Result<Utf8PathBuf, CliError> {
    let own = env::var(VARIABLE).ok().filter(|path| !path.is_empty());
    if let Some(path) = own {
        return Ok(Utf8PathBuf::from(path).join(FILE_NAME));
    }
    let (caches, expected) = if cfg!(target_os = "windows") {
        (folder("LOCALAPPDATA"), "MATCHMARK_CACHE or LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        let caches = folder("HOME").map(|home| home.join("Library/Caches"));
        (caches, "MATCHMARK_CACHE or HOME")
    } else {
        let caches = folder("XDG_CACHE_HOME").or(folder("HOME").map(|home| home.join(".cache")));
        (caches, "MATCHMARK_CACHE, XDG_CACHE_HOME or HOME")
    };
    let caches = caches.ok_or(CliError::NoCacheFolder { expected })?;
    Ok(caches.join(FOLDER).join(FILE_NAME))
}

/// Reads the calibration. Where there is no cache folder there is none.
pub(crate) fn load() -> Result<CalibrationState, CliError> {
    let path = match calibration_path() {
        Ok(path) => path,
        Err(CliError::NoCacheFolder { .. }) => return Ok(CalibrationState::Missing),
        Err(error) => return Err(error),
    };
    match read_text(&path, Form::Calibration) {
        Ok(text) => {
            Calibration::read(&text).map_err(|source| CliError::Calibration { path, source })
        }
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(CalibrationState::Missing)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes sure that a calibration can be kept, before anyone waits for it; gives its path.
pub(crate) fn prepare() -> Result<Utf8PathBuf, CliError> {
    let path = calibration_path()?;
    if let Some(folder) = path.parent() {
        let probe =
            std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder).map(drop));
        probe.map_err(|source| Error::Write {
            path: folder.to_owned(),
            source,
        })?;
    }
    Ok(path)
}

/// Keeps a calibration in a prepared place, whole or not at all.
pub(crate) fn save(path: &Utf8Path, calibration: &Calibration) -> Result<(), CliError> {
    let text = calibration.to_toml()?;
    Ok(write(path, text.as_bytes())?)
}
