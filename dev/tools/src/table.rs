//! Text tables.

use std::fmt::Write as _;

/// Rows of cells under a heading.
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(heading: &[&str]) -> Self {
        Self {
            heading: heading.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells are left empty.
    pub fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.heading.len(), String::new());
        self.rows.push(cells);
    }

    /// Aligned for a terminal: columns of numbers to the right, all others to the left.
    #[must_use]
    pub fn to_text(&self) -> String {
        let columns = 0..self.heading.len();
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.heading]);
            cells.map(|row| row[column].chars().count()).max()
        };
        let widths: Vec<usize> = columns.clone().map(|c| width(c).unwrap_or(0)).collect();
        let numeric: Vec<bool> = columns.map(|column| self.is_numeric(column)).collect();
        let mut text = String::new();
        for row in [&self.heading].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for ((cell, &width), &numeric) in row.iter().zip(&widths).zip(&numeric) {
                let padding = " ".repeat(width - cell.chars().count());
                let (before, after) = if numeric {
                    (padding.as_str(), "")
                } else {
                    ("", padding.as_str())
                };
                let _ = write!(line, "{before}{cell}{after}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The columns: their headings, and whether they hold numbers.
    pub fn columns(&self) -> impl Iterator<Item = (&str, bool)> {
        let headings = self.heading.iter().enumerate();
        headings.map(|(column, heading)| (heading.as_str(), self.is_numeric(column)))
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// As Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule: Vec<String> = (0..self.heading.len())
            .map(|column| {
                if self.is_numeric(column) {
                    "---:"
                } else {
                    "---"
                }
                .to_owned()
            })
            .collect();
        let mut text = line(&self.heading) + &line(&rule);
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }

    /// Whether a column holds numbers; empty cells and dashes may be among them.
    fn is_numeric(&self, column: usize) -> bool {
        let cells = self.rows.iter().map(|row| row[column].as_str());
        let mut cells = cells.filter(|cell| !cell.is_empty()).peekable();
        cells.peek().is_some()
            && cells.all(|cell| cell == "-" || cell.starts_with(|c: char| c.is_ascii_digit()))
    }
}

/// A whole number with its thousands apart: `96,000`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&["name", "bytes"]);
        table.row(vec!["one".into(), thousands(7)]);
        table.row(vec!["seventeen".into(), thousands(1_234_567)]);
        table.row(vec!["none".into(), "-".into()]);
        table
    }

    #[test]
    fn text_is_aligned() {
        assert_eq!(
            sample().to_text(),
            "name           bytes\n\
             one                7\n\
             seventeen  1,234,567\n\
             none               -\n"
        );
    }

    #[test]
    fn markdown_marks_the_columns_of_numbers() {
        assert_eq!(
            sample().to_markdown(),
            "| name | bytes |\n| --- | ---: |\n| one | 7 |\n| seventeen | 1,234,567 |\n| none | - |\n"
        );
    }

    #[test]
    fn missing_cells_are_empty() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec!["x".into()]);
        assert_eq!(table.to_text(), "a  b\nx\n");
        table.row(vec!["y".into(), "17".into()]);
        assert_eq!(table.to_text(), "a   b\nx\ny  17\n");
    }

    #[test]
    fn thousands_are_kept_apart() {
        let shown = [0, 999, 1_000, 96_000, 1_000_000].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "96,000", "1,000,000"]);
    }
}
