//! The documents of the report: `pressure.md` and `pressure.html`, from one list of sections, and
//! `pressure.json`.

pub mod analysis;
mod essay;
mod html;
mod json;
mod plots;
mod sections;
mod svg;
#[cfg(test)]
mod tests;
mod words;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::document::Document;
use crate::failure::{Context as _, Failure};
use crate::pressure::data::Report;
use crate::pressure::store::write_whole;
use sections::{Block, Section};

/// The document in Markdown: what stands around its generated part is kept.
const DOCUMENT: Document = Document {
    command: "cargo xtask pressure",
    new: "# Pressure\n\n\
          Fused against split proofs over shapes and levels, the published result beside ours, and the planner's\n\
          predictions beside what was measured. Not edited by hand: `cargo xtask pressure` measures, through the\n\
          `matchmark` command, and writes this document, [`pressure.html`](pressure.html) (the same with plots) and\n\
          [`pressure.json`](pressure.json) (medians for machines).\n\n",
};

/// Writes all of them into a folder.
///
/// # Errors
/// A folder that cannot be written, or a document whose marks are gone.
pub fn write(report: &Report, folder: &Path) -> Result<(), Failure> {
    let sections = sections::all(report);
    let path = folder.join("pressure.md");
    let existing = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).context(path.display()),
    };
    let markdown = DOCUMENT.update(existing.as_deref(), &markdown(&sections))?;
    write_whole(&path, markdown.as_bytes())?;
    let json = serde_json::to_vec(&json::summary(report)).context("the report")?;
    write_whole(&folder.join("pressure.json"), &json)?;
    write_whole(
        &folder.join("pressure.html"),
        html::page(&sections).as_bytes(),
    )
}

fn markdown(sections: &[Section]) -> String {
    let sections = sections.iter().map(|section| {
        let blocks = section.blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(text.clone()),
            Block::List(items) => {
                let items = items.iter().map(|item| format!("- {item}"));
                Some(items.collect::<Vec<_>>().join("\n"))
            }
            Block::Table(table) => Some(table.to_markdown().trim_end().to_owned()),
            Block::Plot(_) => None,
        });
        let blocks: Vec<String> = blocks.collect();
        format!("## {}\n\n{}", section.title, blocks.join("\n\n"))
    });
    sections.collect::<Vec<_>>().join("\n\n")
}
