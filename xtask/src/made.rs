//! Files that are made of others, and kept until one of these is younger.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use matchmark_tools::failure::{Context as _, Failure};

/// Whether a file is there and was made after all of its sources.
///
/// # Errors
/// A source that is not there.
pub fn is_younger(file: &Path, sources: &[PathBuf]) -> Result<bool, Failure> {
    if !file.exists() {
        return Ok(false);
    }
    let made = modified(file)?;
    for source in sources {
        if modified(source)? >= made {
            return Ok(false);
        }
    }
    Ok(true)
}

fn modified(path: &Path) -> Result<SystemTime, Failure> {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified());
    time.context(path.display())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_older_than_its_sources_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, second: u64| {
            let file = fs::File::create(path(name)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            file.set_modified(time).unwrap();
        };
        assert!(!is_younger(&path("made"), &[]).unwrap());
        write("made", 20);
        for (second, younger) in [(10, true), (20, false), (30, false)] {
            write("source", second);
            assert_eq!(
                is_younger(&path("made"), &[path("source")]).unwrap(),
                younger
            );
        }
        assert!(is_younger(&path("made"), &[path("missing")]).is_err());
    }
}
