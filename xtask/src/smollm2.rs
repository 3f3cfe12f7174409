//! `cargo xtask smollm2`: a chat model that people use.

use clap::Args;
use matchmark_tools::failure::Failure;
use matchmark_tools::smollm2;

/// What is done with it.
#[derive(Args)]
pub struct Options {
    /// Fetch the model's GGUF file into the target folder, if it is not there, and print where it is
    #[arg(long, required = true)]
    fetch: bool,
}

/// Fetches the file.
///
/// # Errors
/// Those of [`smollm2::gguf`].
pub fn run(options: &Options) -> Result<(), Failure> {
    if options.fetch {
        println!("{}", smollm2::gguf()?.display());
    }
    Ok(())
}
