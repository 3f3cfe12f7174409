//! The report as one page: no scripts, nothing from elsewhere.

use std::fmt::Write as _;

use crate::pressure::report::sections::{Block, Section};
use crate::pressure::report::svg::escape;

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --rule: #d8dde4; --page: #ffffff; --band: #f4f6f9;
  --good: #18794e; --bad: #b42318;
  --c0: #3266ad; --c1: #c2571a; --c2: #6d5ba8; --c3: #14804a; --c4: #b3364f; --c5: #b8860b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa5b4; --rule: #39424e; --page: #14181e;
  --band: #1c222a; --good: #4ccf8f; --bad: #ff8a7a;
  --c0: #7fb0f0; --c1: #f09a5c; --c2: #b6a6ee; --c3: #58cf94; --c4: #f08299; --c5: #e3bb4c; } }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.2rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; }
p, li { max-width: 46rem; } li { margin: .35rem 0; }
nav { font-size: .9rem; color: var(--soft); } nav a { margin-right: .9rem; white-space: nowrap; }
a { color: var(--c0); }
.wide { overflow-x: auto; margin: .9rem 0; }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .6rem; text-align: left; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; }
td.n, th.n { text-align: right; } tr:nth-child(even) td { background: var(--band); }
td.met { color: var(--good); font-weight: 600; } td.missed { color: var(--bad); font-weight: 600; }
svg { display: block; width: 100%; max-width: 54rem; height: auto; margin: 1rem 0; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .tick { fill: var(--soft); font-size: 11px; }
svg .name { fill: var(--soft); } svg .label { font-weight: 600; }
svg .grid { stroke: var(--rule); } svg .axis { stroke: var(--soft); }
svg .leader { stroke: var(--rule); stroke-dasharray: 2 3; } svg .line { fill: none; stroke-width: 2.2; }
.line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); }
.line.c3 { stroke: var(--c3); } .line.c4 { stroke: var(--c4); } .line.c5 { stroke: var(--c5); }
.dot.c0, .fill.c0, svg .label.c0 { fill: var(--c0); } .dot.c1, .fill.c1, svg .label.c1 { fill: var(--c1); }
.dot.c2, .fill.c2, svg .label.c2 { fill: var(--c2); } .dot.c3, .fill.c3, svg .label.c3 { fill: var(--c3); }
.dot.c4, .fill.c4, svg .label.c4 { fill: var(--c4); } .dot.c5, .fill.c5, svg .label.c5 { fill: var(--c5); }
";

/// The whole page.
pub fn page(sections: &[Section]) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Matchmark: pressure</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Pressure: fused against split proofs</h1>\n<nav>\n"
    );
    for (index, section) in sections.iter().enumerate() {
        let title = escape(&section.title);
        let _ = writeln!(html, "<a href=\"#s{index}\">{title}</a>");
    }
    html.push_str("</nav>\n");
    for (index, section) in sections.iter().enumerate() {
        let title = escape(&section.title);
        let _ = writeln!(html, "<section id=\"s{index}\">\n<h2>{title}</h2>");
        for block in &section.blocks {
            html.push_str(&of_block(block));
        }
        html.push_str("</section>\n");
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn of_block(block: &Block) -> String {
    match block {
        Block::Text(text) => format!("<p>{}</p>\n", escape(text).replace('`', "")),
        Block::List(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| format!("<li>{}</li>\n", escape(item)))
                .collect();
            format!("<ul>\n{}</ul>\n", items.concat())
        }
        Block::Table(table) => {
            let mut html = "<div class=\"wide\"><table>\n<tr>".to_owned();
            for (name, numeric) in table.columns() {
                let class = if numeric { " class=\"n\"" } else { "" };
                let _ = write!(html, "<th{class}>{}</th>", escape(name));
            }
            html.push_str("</tr>\n");
            let numeric: Vec<bool> = table.columns().map(|(_, numeric)| numeric).collect();
            for row in table.rows() {
                html.push_str("<tr>");
                for (cell, &numeric) in row.iter().zip(&numeric) {
                    let class = match cell.as_str() {
                        "met" => " class=\"met\"",
                        "not met" => " class=\"missed\"",
                        _ if numeric => " class=\"n\"",
                        _ => "",
                    };
                    let _ = write!(html, "<td{class}>{}</td>", escape(cell));
                }
                html.push_str("</tr>\n");
            }
            html.push_str("</table></div>\n");
            html
        }
        Block::Plot(svg) => svg.clone(),
    }
}
