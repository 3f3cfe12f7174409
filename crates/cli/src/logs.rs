//! Logs on standard error.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

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
        .with_ansi(coloured(
            io::stderr().is_terminal(),
            env::var_os("NO_COLOR"),
        ))
        .try_init();
    Ok(())
}

/// Whether logs have colours: on a terminal, unless `NO_COLOR` is set to anything (<https://no-color.org>).
fn coloured(terminal: bool, no_color: Option<OsString>) -> bool {
    terminal && no_color.is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_for_those_who_want_them() {
        assert!(coloured(true, None));
        assert!(coloured(true, Some("".into())));
        assert!(!coloured(true, Some("1".into())));
        assert!(!coloured(false, None));
    }
}
