//! `cargo xtask bench`: the project's figures, measured through the `matchmark` command, those of decoders
//! through a program that measures single segments.

mod decoder;
mod figure;
mod figures;
mod measure;
mod safetensors;
mod synthetic;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::document::Document;
use crate::failure::{Context as _, Failure};
use crate::machine;
use crate::matchmark::Matchmark;
use crate::workspace;
use decoder::Program;
use figure::Figure;
use measure::{Bench, Repetitions};

/// Where the generated table stands.
const PATH: &str = "docs/figures.md";
/// The document.
const DOCUMENT: Document = Document {
    command: "cargo xtask bench",
    new: "# Figures\n\n\
          What proofs cost, beside their bounds. Not edited by hand: `cargo xtask bench` measures, in\n\
          processes of their own, and writes the tables.\n\n",
};

/// How much to measure.
#[derive(Args)]
pub struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Measure each case once, and write no document.
    #[arg(long)]
    quick: bool,
    /// Use this matchmark binary instead of building one; without --quick it has to have the feature
    /// `candle`.
    #[arg(long, value_name = "FILE")]
    matchmark: Option<PathBuf>,
    /// Use this binary of the planner's example `decoder` instead of building one.
    #[arg(long, value_name = "FILE")]
    decoder: Option<PathBuf>,
}

/// Measures, prints figure beside bound, and rewrites the generated table of `docs/figures.md`.
///
/// A figure that misses its bound is printed as such and is no failure of the command.
///
/// # Errors
/// A run of `matchmark` that fails, or a proof that is not accepted.
pub fn run(options: &Options) -> Result<(), Failure> {
    let repetitions = if options.quick {
        Repetitions::QUICK
    } else {
        Repetitions::FULL
    };
    let scratch = Scratch::create()?;
    let evaluator = match (options.quick, options.matchmark.as_deref()) {
        (true, _) => None,
        (false, Some(given)) => Some(Matchmark::find(Some(given))?),
        // Before the command itself, whose place it takes.
        (false, None) => Some(Matchmark::with_candle(&scratch.path.join("evaluator"))?),
    };
    let matchmark = Matchmark::find(options.matchmark.as_deref())?;
    let bench = Bench {
        matchmark,
        scratch: scratch.path.clone(),
        repetitions,
    };
    // Everything is built before anything is measured.
    let program = Program::find(options.decoder.as_deref())?;
    let measurements = measure::all(&bench)?;
    let decoder = decoder::all(&bench, program, evaluator.as_ref())?;
    let figures = figures::of(&measurements);
    let of_decoder = decoder::figures(&decoder);
    let machine = machine::name();
    if options.json {
        let rows = |figures: &[Figure]| figures.iter().map(Figure::to_json).collect::<Vec<_>>();
        println!(
            "{}",
            json!({
                "figures": rows(&figures),
                "decoder_figures": rows(&of_decoder),
                "met": figures.iter().chain(&of_decoder).all(Figure::is_met),
                "quick": options.quick,
                "machine": machine,
                "cases": measurements.to_json(),
                "decoder_cases": decoder.to_json(),
            })
        );
    } else {
        print!("{}", figure::table(&figures).to_text());
        print!("\nDecoder\n\n{}", figure::table(&of_decoder).to_text());
    }
    if options.quick {
        eprintln!("{PATH} is left as it is: --quick measures too little for it");
        return Ok(());
    }
    let generated = format!(
        "{}\nMeasured on {machine}. Medians of {} proofs, each for a domain of its own (of one proof \
         for the 64 segments), and of at least {} verifications, each by a process of its own. Bytes \
         are those of the binary proof alone. {}\n\n{}",
        figure::table(&figures).to_markdown(),
        repetitions.domains,
        repetitions.verifications,
        figures::NOTE,
        decoder::section(&decoder)?,
    );
    let path = workspace::root().join(PATH);
    let existing = path
        .exists()
        .then(|| fs::read_to_string(&path).context(path.display()))
        .transpose()?;
    let text = DOCUMENT.update(existing.as_deref(), &generated)?;
    fs::write(&path, text).context(path.display())
}

/// A directory for chains, emptied before and removed after.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn create() -> Result<Self, Failure> {
        let path = workspace::target_dir().join("xtask-bench");
        if path.exists() {
            fs::remove_dir_all(&path).context(path.display())?;
        }
        fs::create_dir_all(&path).context(path.display())?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left for the next run to empty if it cannot be removed now.
        let _ = fs::remove_dir_all(&self.path);
    }
}
