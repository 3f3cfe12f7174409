//! Names of the files of a chain directory.

use camino::{Utf8Path, Utf8PathBuf};

/// The manifest: everything that is needed to resume.
pub const MANIFEST_FILE: &str = "chain.toml";
/// Copy of the trace.
pub const TRACE_FILE: &str = "trace.safetensors";
/// Copy of the model.
pub const MODEL_FILE: &str = "model.mm";
/// Copy of the weight table.
pub const TABLE_FILE: &str = "table.txt";
/// Locked by the process that proves.
pub const LOCK_FILE: &str = "lock";
/// Directory of the segment files.
pub const SEGMENTS_DIRECTORY: &str = "segments";
/// How the names of files begin that are being written.
#[cfg(feature = "prover")]
pub(crate) const TEMPORARY_PREFIX: &str = ".matchmark-";

const SEGMENT_SUFFIX: &str = ".segment";

/// Where the segment files of a chain are.
#[must_use]
pub fn segments_directory(chain: &Utf8Path) -> Utf8PathBuf {
    chain.join(SEGMENTS_DIRECTORY)
}

/// Name of the file of segment `index`, counted from 0: `000000.segment`.
#[must_use]
pub fn segment_file_name(index: u64) -> String {
    format!("{index:06}{SEGMENT_SUFFIX}")
}

/// The index in a segment file's name. A name that [`segment_file_name`] does not give is not a segment, so
/// that two files never have one index.
pub(crate) fn parse_segment_file_name(name: &str) -> Option<u64> {
    let index = name.strip_suffix(SEGMENT_SUFFIX)?.parse().ok()?;
    (segment_file_name(index) == name).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names() {
        assert_eq!(segment_file_name(7), "000007.segment");
        assert_eq!(segment_file_name(1_234_567), "1234567.segment");
        for bad in [
            "7.segment",
            "0000007.segment",
            "+00007.segment",
            "000007.segment ",
            "000007",
            ".segment",
            "00000a.segment",
            "000007.segment.segment",
        ] {
            assert_eq!(parse_segment_file_name(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn names_round_trip(index: u64) {
            prop_assert_eq!(parse_segment_file_name(&segment_file_name(index)), Some(index));
        }
    }
}
