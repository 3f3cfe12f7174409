//! `cargo xtask bench`: the project's figures, measured through the `matchmark` command.

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
use figures::Figure;
use measure::{Bench, Repetitions};

/// Where the generated table stands.
const PATH: &str = "docs/figures.md";
/// The document.
const DOCUMENT: Document = Document {
    command: "cargo xtask bench",
    new: "# Figures\n\n\
          What proofs cost, beside the most that they may cost. Not edited by hand: `cargo xtask bench`\n\
          measures, through the `matchmark` command, and writes the table.\n\n",
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
    /// Use this matchmark binary instead of building one.
    #[arg(long, value_name = "FILE")]
    matchmark: Option<PathBuf>,
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
    let matchmark = Matchmark::find(options.matchmark.as_deref())?;
    let scratch = Scratch::create()?;
    let bench = Bench {
        matchmark,
        scratch: scratch.path.clone(),
        repetitions,
    };
    let measurements = measure::all(&bench)?;
    let figures = figures::of(&measurements);
    let machine = machine::name();
    if options.json {
        let rows: Vec<_> = figures.iter().map(Figure::to_json).collect();
        println!(
            "{}",
            json!({
                "figures": rows,
                "met": figures.iter().all(Figure::is_met),
                "quick": options.quick,
                "machine": machine,
                "cases": measurements.to_json(),
            })
        );
    } else {
        print!("{}", figures::table(&figures).to_text());
    }
    if options.quick {
        eprintln!("{PATH} is left as it is: --quick measures too little for it");
        return Ok(());
    }
    let generated = format!(
        "{}\nMeasured on {machine}. Medians of {} proofs, each for a domain of its own (of one proof \
         for the 64 segments), and of at least {} verifications, each by a process of its own. Bytes \
         are those of the binary proof alone. {}\n",
        figures::table(&figures).to_markdown(),
        repetitions.domains,
        repetitions.verifications,
        figures::NOTE,
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
