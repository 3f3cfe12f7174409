//! The documents: one table in `pressure.md`, and plots beside it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use matchmark_tools::document::Document;
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::table::{thousands, Table};

use crate::pressure::data::{Configuration, Cut, Rules};
use crate::pressure::plots;
use crate::pressure::rows::configuration;
use crate::pressure::store::write_whole;
use crate::pressure::summary::{Costs, Summary};

/// The document in Markdown: what stands around its generated part is kept.
const DOCUMENT: Document = Document {
    command: "cargo xtask pressure",
    new: "# Pressure\n\n\
          Fused against split proofs over shapes and levels. `cargo xtask pressure` measures, and writes the\n\
          table below, [`pressure.json`](pressure.json) and the plots.\n\n",
};

/// Writes the table and the plots of a summary into a folder.
///
/// # Errors
/// A folder that cannot be written, or a document whose marks are gone.
pub fn write(summary: &Summary, folder: &Path) -> Result<(), Failure> {
    let path = folder.join("pressure.md");
    let existing = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).context(path.display()),
    };
    let markdown = DOCUMENT.update(existing.as_deref(), &generated(summary))?;
    write_whole(&path, markdown.as_bytes())?;
    let plots = folder.join("pressure");
    fs::create_dir_all(&plots).context(plots.display())?;
    for (name, svg) in plots::all(summary)? {
        write_whole(&plots.join(format!("{name}.svg")), svg.as_bytes())?;
    }
    Ok(())
}

fn generated(summary: &Summary) -> String {
    let Summary {
        version,
        relation_digest,
        machine,
        proofs,
        rows,
        ..
    } = summary;
    let made: usize = rows
        .iter()
        .flat_map(|row| &row.costs)
        .map(|it| it.proofs)
        .sum();
    let links = plots::NAMES.map(|(name, what)| format!("[{what}](pressure/{name}.svg)"));
    format!(
        "{}\nBytes of all proofs of the chain, medians over so many proofs (fewest of both), each for a verifier \
         domain of its own; CPU-seconds, user and system, and peak memory of the proving process; verifying time is \
         the median of three processes, each of which reads, decodes and verifies the whole chain. Weights: 256 with \
         rounding to nearest, or the published nine with floor division and a score step of 1. {} configurations, \
         {made} proofs or chains, {proofs} asked for of each; {version}, relation {}, on {machine}, profile \
         `compact`, synthetic traces. The machine is shared: compare ratios rather than seconds.\n\n\
         Plots: {}.",
        table(summary).to_markdown(),
        rows.len(),
        relation_digest.get(..16).unwrap_or(relation_digest),
        links.join(", "),
    )
}

/// One row a shape and level, fused beside split.
fn table(summary: &Summary) -> Table {
    let mut table = Table::new(&[
        "heads",
        "d",
        "prefix",
        "steps",
        "weights",
        "level",
        "claims",
        "arithmetic",
        "lookup",
        "split",
        "fused",
        "ratio",
        "CPU s fused",
        "split",
        "MiB fused",
        "split",
        "ms fused",
        "split",
        "proofs",
    ]);
    let mut seen = Vec::new();
    for row in &summary.rows {
        let Configuration { shape, level, .. } = &row.configuration;
        if seen.contains(&(shape, level)) {
            continue;
        }
        seen.push((shape, level));
        let [fused, split] = [Cut::Fused, Cut::Split]
            .map(|cut| summary.costs(&configuration(shape.clone(), *level, cut)));
        let steps = match shape.segment_steps == shape.steps {
            true => shape.steps.to_string(),
            false => format!("{} by {}", shape.steps, shape.segment_steps),
        };
        let weights = match shape.rules {
            Rules::Default => "256",
            Rules::Essay => "9",
        };
        let part = |index: usize| {
            let part = split.and_then(|it| it.parts.get(index));
            part.map_or("-".to_owned(), |it| thousands(it.bytes))
        };
        let ratio = fused
            .zip(split)
            .map(|(fused, split)| fused.bytes / split.bytes);
        let both = |value: &dyn Fn(&Costs) -> String| {
            [fused, split].map(|it| it.map_or("-".to_owned(), value))
        };
        let [fused_bytes, split_bytes] = both(&|it| thousands(whole(it.bytes)));
        let proofs = [fused, split]
            .into_iter()
            .flatten()
            .map(|it| it.proofs)
            .min();
        let mut cells = vec![
            format!("{}/{}", shape.heads, shape.kv_heads),
            shape.head_dim.to_string(),
            shape.prefix.to_string(),
            steps,
            weights.to_owned(),
            level.name().to_owned(),
            thousands(shape.claims()),
            part(0),
            part(1),
            split_bytes,
            fused_bytes,
            ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
        ];
        cells.extend(both(&|it| format!("{:.2}", it.cpu_seconds)));
        cells.extend(both(&|it| {
            format!("{:.0}", it.memory_bytes / f64::from(1_u32 << 20))
        }));
        cells.extend(both(&|it| format!("{:.1}", it.verify_ms)));
        cells.push(proofs.map_or("-".to_owned(), |proofs| proofs.to_string()));
        table.row(cells);
    }
    table
}

/// A median of counts.
fn whole(number: f64) -> u64 {
    // The cast saturates, and numbers of bytes are far below 2^53.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = number.round() as u64;
    count
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use matchmark_tools::workspace;

    use super::*;

    fn committed() -> Summary {
        let path = workspace::root().join("docs/pressure.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn the_documents_are_those_of_the_committed_measurements() {
        let folder = tempfile::tempdir().unwrap();
        let docs = workspace::root().join("docs");
        fs::copy(docs.join("pressure.md"), folder.path().join("pressure.md")).unwrap();
        write(&committed(), folder.path()).unwrap();
        let mut files = vec!["pressure.md".to_owned()];
        files.extend(plots::NAMES.map(|(name, _)| format!("pressure/{name}.svg")));
        for file in files {
            let [expected, got] =
                [&docs, folder.path()].map(|it| fs::read_to_string(it.join(&file)).unwrap());
            assert!(
                expected == got,
                "{file} is not current: cargo xtask pressure --report-only"
            );
        }
    }

    #[test]
    fn fused_stands_beside_split_and_what_was_not_measured_is_a_dash() {
        let mut summary = committed();
        let table = table(&summary);
        let first = &table.rows()[0];
        assert_eq!(first[..4], ["4/4", "64", "2", "64"]);
        let split = summary.rows[0].configuration.clone();
        summary.rows.retain(|row| {
            row.configuration.shape == split.shape && row.configuration.level == split.level
        });
        assert_eq!(summary.rows.len(), 2);
        summary.rows[1].costs = None;
        let row = &super::table(&summary).rows()[0].clone();
        assert_eq!((&*row[9], &*row[11]), ("-", "-"));
        assert_eq!(row[10], first[10]);
    }
}
