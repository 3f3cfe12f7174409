//! Texts as sequences of tokens.

use camino::Utf8Path;
use matchmark::files::{read_text, Form};
use matchmark_models::{text_sequences, Tokenizer};

use crate::error::CliError;
use crate::output::note;

/// The tokens of a text, one sequence a line. A line of more tokens than the model has positions is several
/// sequences, each of as many as there is room for, and that is said.
pub(crate) fn read_sequences(
    path: &Utf8Path,
    tokenizer: &Tokenizer,
    positions: usize,
) -> Result<Vec<Vec<u32>>, CliError> {
    // Whatever their lengths: they are cut below.
    let lines = text_sequences(tokenizer, &read_text(path, Form::Text)?, usize::MAX)?;
    let long = lines.iter().map(Vec::len).filter(|len| *len > positions);
    if let Some(most) = long.clone().max() {
        note(&format!(
            "{path}: {} of {} lines have more tokens than the {positions} positions of the model, up to {most}: \
             each is read as several sequences, cut after {positions} tokens; put line breaks where the text \
             may be cut",
            long.count(),
            lines.len(),
        ));
    }
    Ok(cut(&lines, positions))
}

/// No sequence longer than this.
fn cut(lines: &[Vec<u32>], positions: usize) -> Vec<Vec<u32>> {
    // A model has at least one position.
    let pieces = lines.iter().flat_map(|line| line.chunks(positions.max(1)));
    pieces.map(<[u32]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_short_ones_are_not() {
        let lines = [vec![1, 2, 3], vec![4, 5, 6, 7, 8, 9, 10]];
        let expected: [&[u32]; 4] = [&[1, 2, 3], &[4, 5, 6], &[7, 8, 9], &[10]];
        assert_eq!(cut(&lines, 3), expected);
        assert_eq!(cut(&lines, 7), lines);
    }
}
