//! Reading of segment files, one at a time.

use std::fs::{self, File, ReadDir};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_files::{FileKind, InputError};
use matchmark_statement::{AcceptancePolicy, SharedTerms, MAX_STATEMENT_LEN};
use matchmark_verifier::SegmentFile;

use crate::error::ChainReadError;
use crate::layout::{parse_segment_file_name, segment_file_name, segments_directory};

/// Longest segment file that is read where no policy says how long one can be.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// Room for the proof itself. The largest of the supported levels have a few hundred kilobytes.
const MAX_PROOF_BYTES: u64 = 8 << 20;
/// Header, and room to spare.
const HEADER_BYTES: u64 = 64;

/// Longest file that a segment under this policy can have, in bytes.
#[must_use]
pub fn max_segment_bytes(policy: &AcceptancePolicy) -> u64 {
    max_bytes_of(policy.terms())
}

/// Longest file that a segment of these terms can have, in bytes.
pub(crate) fn max_bytes_of(terms: &SharedTerms) -> u64 {
    let public_values = terms.public_values_len(terms.shape.segment_steps().get() as usize);
    HEADER_BYTES + MAX_STATEMENT_LEN as u64 + public_values as u64 + MAX_PROOF_BYTES
}

/// A segment as it lies in a directory: decoded, not verified.
#[derive(Clone, Debug)]
pub struct StoredSegment {
    /// Index in the chain, from 0.
    pub segment: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// The segment.
    pub file: SegmentFile,
}

/// Reads the segments of a chain directory in order, holding one at a time.
///
/// An iterator over the segments; it ends after the first error.
#[derive(Clone, Debug)]
pub struct ChainReader {
    directory: Utf8PathBuf,
    max_bytes: u64,
    segments: u64,
    next: u64,
}

impl ChainReader {
    /// Lists the segment files of the chain directory `chain`: regular files, or symbolic links to such.
    /// No file may be longer than `max_bytes`; see [`max_segment_bytes`]. Neither listing nor reading waits
    /// for anything, whatever stands in the place of a file.
    ///
    /// # Errors
    ///
    /// [`ChainReadError`] for a directory that cannot be listed, has no segment files, lacks one, or
    /// has anything else among them.
    pub fn open(chain: &Utf8Path, max_bytes: u64) -> Result<Self, ChainReadError> {
        let directory = segments_directory(chain);
        let (mut got, mut expected) = (0, 0);
        scan(&directory, |index| {
            got += 1;
            expected = expected.max(index.saturating_add(1));
        })?;
        if got == 0 {
            return Err(ChainReadError::NoSegments { path: directory });
        }
        if got != expected {
            // Names are unique, so that one of the first `got + 1` is not there.
            let missing = (0..expected)
                .map(|index| directory.join(segment_file_name(index)))
                .find(|path| path.symlink_metadata().is_err());
            return Err(ChainReadError::MissingSegment {
                path: missing.unwrap_or(directory),
                expected,
                got,
            });
        }
        Ok(Self {
            directory,
            max_bytes,
            segments: got,
            next: 0,
        })
    }

    /// Number of segment files.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments
    }

    fn read(&self, segment: u64) -> Result<StoredSegment, ChainReadError> {
        read_segment(&self.directory, segment, self.max_bytes)
    }
}

/// Reads a segment of a directory of segment files.
pub(crate) fn read_segment(
    directory: &Utf8Path,
    segment: u64,
    max_bytes: u64,
) -> Result<StoredSegment, ChainReadError> {
    let path = directory.join(segment_file_name(segment));
    let bytes = read_bounded(&path, max_bytes)?;
    match SegmentFile::decode(&bytes) {
        Ok(file) => Ok(StoredSegment {
            segment,
            bytes: bytes.len() as u64,
            file,
        }),
        Err(source) => Err(ChainReadError::Segment { path, source }),
    }
}

impl Iterator for ChainReader {
    type Item = Result<StoredSegment, ChainReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.segments {
            return None;
        }
        let result = self.read(self.next);
        self.next = match result {
            Ok(_) => self.next + 1,
            Err(_) => self.segments,
        };
        Some(result)
    }
}

/// Calls `found` with the index of every segment file of a directory, in no order.
pub(crate) fn scan(directory: &Utf8Path, found: impl FnMut(u64)) -> Result<(), ChainReadError> {
    scan_listed(directory, fs::read_dir(directory), found)
}

/// As [`scan`], of a directory that was listed.
pub(crate) fn scan_listed(
    directory: &Utf8Path,
    listed: io::Result<ReadDir>,
    mut found: impl FnMut(u64),
) -> Result<(), ChainReadError> {
    let list_error = |source| ChainReadError::Io {
        action: "list",
        path: directory.to_owned(),
        source,
    };
    for entry in listed.map_err(list_error)? {
        let entry = entry.map_err(list_error)?;
        let name = entry.file_name();
        let Some(index) = name.to_str().and_then(parse_segment_file_name) else {
            return Err(ChainReadError::UnexpectedFile {
                path: directory.to_owned(),
                got: name.to_string_lossy().into_owned(),
            });
        };
        match FileKind::of(entry.file_type().map_err(list_error)?) {
            // Where a link leads is judged when it is opened: it may lead elsewhere by then.
            FileKind::Regular | FileKind::Link => found(index),
            got => {
                return Err(ChainReadError::NotAFile {
                    path: directory.join(segment_file_name(index)),
                    got,
                })
            }
        }
    }
    Ok(())
}

/// Reads a file of at most `max` bytes; a longer one is not read.
pub(crate) fn read_bounded(path: &Utf8Path, max: u64) -> Result<Vec<u8>, ChainReadError> {
    let opened = matchmark_files::open(path.as_std_path());
    read_opened(path, opened.map_err(io::Error::from), max)
}

/// As [`read_bounded`], of a file that was opened.
pub(crate) fn read_opened(
    path: &Utf8Path,
    opened: io::Result<File>,
    max: u64,
) -> Result<Vec<u8>, ChainReadError> {
    opened
        .map_err(InputError::from_io)
        .and_then(|file| matchmark_files::read_opened(file, max))
        .map_err(|error| refused(path, error))
}

fn refused(path: &Utf8Path, error: InputError) -> ChainReadError {
    let path = path.to_owned();
    match error {
        InputError::NotRegular { got } => ChainReadError::NotAFile { path, got },
        InputError::BrokenLink { target, source } => ChainReadError::BrokenLink {
            path,
            target,
            source,
        },
        InputError::TooLong { expected, got } => ChainReadError::FileTooLarge {
            path,
            expected,
            got,
        },
        other => ChainReadError::Io {
            action: "read",
            path,
            source: other.into(),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chain(names: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        let segments = segments_directory(&path);
        fs::create_dir(&segments).unwrap();
        for name in names {
            fs::write(segments.join(name), b"not a segment at all").unwrap();
        }
        (directory, path)
    }

    #[test]
    fn names_are_checked_before_anything_is_read() {
        let kept = chain(&["000000.segment", "000001.segment"]);
        assert_eq!(ChainReader::open(&kept.1, 100).unwrap().segments(), 2);
        let none = chain(&[]);
        assert!(matches!(
            ChainReader::open(&none.1, 100),
            Err(ChainReadError::NoSegments { .. })
        ));
        for extra in ["1.segment", ".matchmark-x", "000001.segment.bak"] {
            let (_guard, path) = chain(&["000000.segment", extra]);
            assert!(matches!(
                ChainReader::open(&path, 100),
                Err(ChainReadError::UnexpectedFile { got, .. }) if got == extra
            ));
        }
        let (_guard, path) = chain(&["000000.segment", "000002.segment", "000003.segment"]);
        match ChainReader::open(&path, 100) {
            Err(ChainReadError::MissingSegment {
                path,
                expected,
                got,
            }) => {
                assert_eq!(path.file_name(), Some("000001.segment"));
                assert_eq!((expected, got), (4, 3));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            ChainReader::open(&path.join("nowhere"), 100),
            Err(ChainReadError::Io { action: "list", .. })
        ));
    }

    #[test]
    fn a_directory_is_no_segment_file() {
        let (_guard, path) = chain(&[]);
        let directory = segments_directory(&path).join("000000.segment");
        fs::create_dir(&directory).unwrap();
        match ChainReader::open(&path, 100) {
            Err(ChainReadError::NotAFile { path, got }) => {
                assert_eq!((path, got), (directory, FileKind::Directory));
            }
            other => panic!("{other:?}"),
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_files_alone() {
        let link = |target: &str| {
            let (guard, path) = chain(&[]);
            fs::write(path.join("file"), b"not a segment at all").unwrap();
            let link = segments_directory(&path).join("000000.segment");
            std::os::unix::fs::symlink(target, &link).unwrap();
            let mut reader = ChainReader::open(&path, 100).unwrap();
            let read = reader.next().unwrap().unwrap_err();
            drop(guard);
            read
        };
        // What is behind it was read: only that it is not a segment is wrong with it.
        assert!(matches!(link("../file"), ChainReadError::Segment { .. }));
        assert!(matches!(
            link("/dev/zero"),
            ChainReadError::NotAFile {
                got: FileKind::Device,
                ..
            }
        ));
        assert!(matches!(
            link(".."),
            ChainReadError::NotAFile {
                got: FileKind::Directory,
                ..
            }
        ));
        match link("../nothing") {
            ChainReadError::BrokenLink { target, .. } => {
                assert_eq!(target, std::path::Path::new("../nothing"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn long_files_are_not_read_and_bad_ones_end_the_chain() {
        let (_guard, path) = chain(&["000000.segment", "000001.segment"]);
        let mut reader = ChainReader::open(&path, 10).unwrap();
        assert!(matches!(
            reader.next(),
            Some(Err(ChainReadError::FileTooLarge {
                expected: 10,
                got: 20,
                ..
            }))
        ));
        assert!(reader.next().is_none());
        let mut reader = ChainReader::open(&path, 20).unwrap();
        assert!(matches!(
            reader.next(),
            Some(Err(ChainReadError::Segment { .. }))
        ));
        assert!(reader.next().is_none());
    }
}
