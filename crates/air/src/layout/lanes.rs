//! How many values of one kind stand side by side in a row of a component: as many as make the fewest cells, columns
//! counted for what they cost a proof in bytes.

use crate::layout::LayoutError;

/// Most lanes of a row, be they tokens of the vocabulary, channels of the stream, steps of a gate, query heads of a
/// vector or positions of a score: more save nothing.
pub const MAX_LANES: usize = 8;
/// What a column costs a proof in bytes, as the number of cells that are weighed against it.
const COLUMN_CELLS: u64 = 1 << 16;

/// How a layout chooses the lanes of its components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LaneChoice {
    /// Those with the fewest cells, columns counted: the choice of every statement.
    #[default]
    FewestCells,
    /// As many as the shape allows, up to so many: for descriptions of lanes, and attacks on them, at sizes at which
    /// they do not pay. No statement has them.
    UpTo(usize),
}

/// Lanes and log of the number of rows of the argmax component, whose height with some lanes is given: those with the
/// fewest cells, columns counted, that keep it from being the tallest component; if all of them make it that, those
/// with the fewest cells.
pub fn argmax_lanes(
    choice: LaneChoice,
    tallest: u32,
    height: impl Fn(usize) -> Result<u32, LayoutError>,
) -> Result<(usize, u32), LayoutError> {
    let is_no_taller = |lanes| height(lanes).is_ok_and(|height| height <= tallest);
    let some_are = (1..=MAX_LANES).any(is_no_taller);
    choose(choice, argmax_columns, |lanes| {
        (is_no_taller(lanes) || !some_are).then(|| height(lanes))
    })
}

/// Lanes and log of the number of rows of a component, whose columns in all trees and whose height with some lanes
/// are given, if it can have so many.
pub fn choose(
    choice: LaneChoice,
    columns: impl Fn(usize) -> usize,
    height: impl Fn(usize) -> Option<Result<u32, LayoutError>>,
) -> Result<(usize, u32), LayoutError> {
    let most = match choice {
        LaneChoice::FewestCells => MAX_LANES,
        LaneChoice::UpTo(most) => most.clamp(1, MAX_LANES),
    };
    let (mut chosen, mut error) = (None::<(u64, usize, u32)>, None);
    for lanes in 1..=most {
        match height(lanes) {
            None => {}
            Some(Err(it)) => error = Some(it),
            Some(Ok(height)) => {
                let columns = columns(lanes) as u64;
                let cells = (columns << height) + columns * COLUMN_CELLS;
                let is_better = match choice {
                    LaneChoice::FewestCells => chosen.is_none_or(|(least, ..)| cells < least),
                    LaneChoice::UpTo(_) => true,
                };
                if is_better {
                    chosen = Some((cells, lanes, height));
                }
            }
        }
    }
    match (chosen, error) {
        (Some((_, lanes, height)), _) => Ok((lanes, height)),
        (None, Some(error)) => Err(error),
        (None, None) => unreachable!("one lane is always possible"),
    }
}

/// Columns of the gated component in all trees but the preprocessed one: the combined accumulators and products; of
/// each lane ten, and half a LogUp column for each of nine uses; as much for two more.
pub const fn gated_columns(lanes: usize) -> usize {
    8 + 10 * lanes + 4 * (9 * lanes + 2).div_ceil(2)
}

/// Columns of the stream component in all trees but the preprocessed one: three sums, three of the norm and the
/// combined additions; of each lane nine, the combined value, and half a LogUp column for each of eleven uses; as
/// much for three more.
pub const fn stream_columns(lanes: usize) -> usize {
    3 + 3 + 4 + 13 * lanes + 4 * (11 * lanes + 3).div_ceil(2)
}

/// Columns of the argmax component in all trees: maximum, `below` and the combined logits; of each lane two limbs and
/// half a LogUp column for each; one more LogUp column.
const fn argmax_columns(lanes: usize) -> usize {
    2 + 4 + 6 * lanes + 4
}

/// Columns of the vectors component in all trees but the preprocessed one, in a decoder and with remainders of two
/// limbs: new key and value, the combined keys, and half a LogUp column for each of three uses; of each lane query and
/// output, denominator, three of the remainder, three combinations, and half a LogUp column for each of nine uses.
pub const fn vectors_columns(lanes: usize) -> usize {
    2 + 4 + 18 * lanes + 4 * (9 * lanes + 3).div_ceil(2)
}

/// Columns of the scores component in all trees, with excess and remainder of two columns each: cache row, both ends
/// and maximum, two combinations, and half a LogUp column; of each lane seven, the combined value, and half a LogUp
/// column for each of six uses; and whether a lane is present, of all but the last.
pub const fn scores_columns(lanes: usize) -> usize {
    4 + 8 + 12 * lanes - 1 + 4 * (6 * lanes + 1).div_ceil(2)
}
