//! Files that commands write.

use camino::Utf8Path;
use matchmark::files::write;
use matchmark_runtime::AttentionTrace;

use crate::error::CliError;

/// Writes a trace; `-` is standard output.
pub(crate) fn write_trace(path: &Utf8Path, trace: &AttentionTrace) -> Result<(), CliError> {
    let bytes = trace.encode().map_err(|source| CliError::WriteTensors {
        path: path.to_owned(),
        source,
    })?;
    Ok(write(path, &bytes)?)
}
