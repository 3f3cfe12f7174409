//! A segment's file under another statement.
use matchmark_statement::SegmentStatement;
use matchmark_verifier::SegmentFile;

/// A segment in the name of another statement.
pub fn restated(file: &SegmentFile, statement: SegmentStatement) -> SegmentFile {
    let values = file.public_values().clone();
    SegmentFile::new(statement, values, file.proof().to_vec())
}
