//! `cargo xtask bench`: the project's figures, of attention through the `matchmark` command, of decoders
//! by single segments.
//!
//! What is measured is a [`Results`], which is written as JSON; the tables of the document are made from
//! such a file, now or later.

mod attention;
mod decoder;
mod figure;
mod measure;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use matchmark_tools::document::Document;
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::Matchmark;
use matchmark_tools::workspace;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{against, machine};
use decoder::Decoder;
use figure::Figure;
use measure::{Bench, Measurements, Repetitions};

/// Where the generated tables stand.
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
    /// Measure nothing: write the document of these results.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "against", "matchmark"])]
    from: Option<PathBuf>,
    /// Use this matchmark binary instead of building one; where the document is to be written it has to
    /// have the feature `candle`.
    #[arg(long, value_name = "FILE")]
    matchmark: Option<PathBuf>,
    /// Compare with another checkout, which is built, or another matchmark binary: bytes, processor time
    /// and memory of a few cases, in turns. Nothing is written.
    #[arg(long, value_name = "DIR_OR_BINARY")]
    against: Option<PathBuf>,
    /// Turns of a comparison.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "against")]
    turns: usize,
}

/// Everything that was measured, and where.
#[derive(Debug, Deserialize, Serialize)]
struct Results {
    /// The processor, and how many cores.
    machine: String,
    /// Memory of the machine, in bytes.
    machine_bytes: Option<f64>,
    /// Whether each case was measured once.
    quick: bool,
    /// How often each case was measured.
    repetitions: Repetitions,
    attention: Measurements,
    decoder: Decoder,
}

/// Measures, prints figure beside bound, and rewrites the generated part of `docs/figures.md`; or compares.
///
/// A figure that misses its bound is printed as such and is no failure of the command.
///
/// # Errors
/// A run of `matchmark` that fails, or a proof that is not accepted.
pub fn run(options: &Options) -> Result<(), Failure> {
    let target = workspace::target_dir();
    let scratch = tempfile::Builder::new().prefix("bench-").tempdir_in(target);
    let scratch = scratch.context("a folder for chains")?;
    if let Some(other) = &options.against {
        let [ours, theirs] = [
            Matchmark::find(options.matchmark.as_deref())?,
            Matchmark::of_checkout_or_binary(other)?,
        ];
        let turns = if options.quick { 1 } else { options.turns };
        return against::run([&ours, &theirs], turns, scratch.path(), options.json);
    }
    let results = match &options.from {
        None => measured(options, scratch.path())?,
        Some(from) => {
            let text = fs::read_to_string(from).context(from.display())?;
            serde_json::from_str(&text).context(from.display())?
        }
    };
    let figures = attention::of(&results.attention);
    let of_decoder = decoder::figures(&results.decoder);
    if options.json {
        let rows = |figures: &[Figure]| figures.iter().map(Figure::to_json).collect::<Vec<_>>();
        let object = json!({
            "figures": rows(&figures),
            "decoder_figures": rows(&of_decoder),
            "met": figures.iter().chain(&of_decoder).all(Figure::is_met),
            "results": results,
        });
        println!("{object}");
    } else {
        print!("{}", figure::table(&figures).to_text());
        print!("\nDecoder\n\n{}", figure::table(&of_decoder).to_text());
    }
    if results.quick {
        eprintln!("{PATH} is left as it is: --quick measures too little for it");
        return Ok(());
    }
    let path = workspace::root().join(PATH);
    let existing = path
        .exists()
        .then(|| fs::read_to_string(&path).context(path.display()))
        .transpose()?;
    let text = DOCUMENT.update(existing.as_deref(), &generated(&results, &figures)?)?;
    fs::write(&path, text).context(path.display())
}

/// Measures everything, and keeps it in the target directory.
fn measured(options: &Options, scratch: &Path) -> Result<Results, Failure> {
    let evaluator = match (options.quick, options.matchmark.as_deref()) {
        (true, _) => None,
        (false, Some(given)) => Some(Matchmark::find(Some(given))?),
        // Before the command itself, whose place it takes.
        (false, None) => Some(Matchmark::with_candle(&scratch.join("evaluator"))?),
    };
    let bench = Bench {
        matchmark: Matchmark::find(options.matchmark.as_deref())?,
        scratch: scratch.to_path_buf(),
        repetitions: if options.quick {
            Repetitions::QUICK
        } else {
            Repetitions::FULL
        },
    };
    let attention = measure::all(&bench)?;
    let results = Results {
        machine: machine::name(),
        machine_bytes: machine::memory_bytes(),
        quick: options.quick,
        repetitions: bench.repetitions,
        attention,
        decoder: decoder::all(&bench, evaluator.as_ref())?,
    };
    let path = workspace::target_dir().join("figures.json");
    let text = serde_json::to_string(&results).context("the results")?;
    fs::write(&path, text).context(path.display())?;
    eprintln!("bench: results in {}", path.display());
    Ok(results)
}

fn generated(results: &Results, figures: &[Figure]) -> Result<String, Failure> {
    let Results {
        machine,
        repetitions,
        decoder,
        ..
    } = results;
    Ok(format!(
        "{}\nMeasured on {machine}. Medians of {} proofs, each for a domain of its own (of one proof \
         for the 64 segments), and of at least {} verifications, each by a process of its own. Bytes \
         are those of the binary proof alone. {}\n\n{}",
        figure::table(figures).to_markdown(),
        repetitions.domains,
        repetitions.verifications,
        attention::NOTE,
        decoder::section(decoder, results.machine_bytes)?,
    ))
}
