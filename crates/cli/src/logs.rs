//! Logs on standard error.

use std::env;
use std::io;

use tracing_subscriber::EnvFilter;

use crate::error::CliError;

const VARIABLE: &str = "MATCHMARK_LOG";

/// Sends logs to standard error: warnings, or what the environment variable `MATCHMARK_LOG` asks for.
pub(crate) fn begin() -> Result<(), CliError> {
    let filter = match env::var(VARIABLE) {
        Ok(text) => EnvFilter::try_new(text).map_err(|error| CliError::LogFilter {
            reason: error.to_string(),
        })?,
        Err(env::VarError::NotPresent) => EnvFilter::new("warn"),
        Err(error) => {
            return Err(CliError::LogFilter {
                reason: error.to_string(),
            })
        }
    };
    // A program that has set up its own logs keeps them.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .try_init();
    Ok(())
}
