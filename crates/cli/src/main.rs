//! The matchmark command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    matchmark_cli::run(std::env::args_os())
}
