//! Writes the seeds: `cargo run -p matchmark-fuzz-targets -- fuzz/seeds`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use matchmark_fuzz_targets::seeds;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("error: expected the folder to write to");
        return ExitCode::from(2);
    };
    match seeds::write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
