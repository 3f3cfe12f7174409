//! The projections tree: columns that depend on `r` and `t`.
use num_traits::{One, Zero};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;

use super::columns::coordinates;
use super::{Column, SegmentWitness};
use crate::challenges::ProjectionChallenges;
use crate::components::{candidates, vectors};
use crate::decoder::projections::{self, DecoderProjections};
use crate::layout::SegmentLayout;
use crate::preprocessed::Preprocessed;
use matchmark_quant::Rounding;

/// Projection columns over the extension field, in row order.
#[derive(Clone, Debug)]
pub struct Projections {
    /// Vectors: `K`, score, numerator.
    pub vectors: [Vec<QM31>; 3],
    /// Candidates: `V`, score, numerator.
    pub candidates: [Vec<QM31>; 3],
    /// State: keys and values of each lane.
    pub state: Vec<[Vec<QM31>; 2]>,
    /// What is around the attention of a decoder.
    pub decoder: Option<DecoderProjections>,
}

impl Projections {
    /// Base field columns of the tree, in order.
    pub fn columns(&self) -> Vec<Column> {
        self.vectors_columns()
            .into_iter()
            .chain(self.candidates_columns())
            .chain(self.state_columns())
            .chain(self.decoder_columns().into_iter().flatten())
            .collect()
    }

    /// Base field columns of the decoder's components, one after the other.
    pub fn decoder_columns(&self) -> Vec<Vec<Column>> {
        let Some(decoder) = &self.decoder else {
            return vec![];
        };
        vec![
            flatten(&decoder.linear),
            flatten(&decoder.stream),
            vec![],
            flatten(&decoder.rotary),
            flatten(&decoder.values),
            flatten(&decoder.gated),
            flatten(&decoder.choice),
        ]
    }

    /// Base field columns of the vectors component.
    pub fn vectors_columns(&self) -> Vec<Column> {
        let mut columns = flatten(&self.vectors);
        let decoder = self.decoder.iter();
        columns.extend(decoder.flat_map(|decoder| coordinates(&decoder.vectors)));
        columns
    }

    /// Base field columns of the candidates component.
    pub fn candidates_columns(&self) -> Vec<Column> {
        flatten(&self.candidates)
    }

    /// Base field columns of the state component.
    pub fn state_columns(&self) -> Vec<Column> {
        self.state.iter().flat_map(|lane| flatten(lane)).collect()
    }
}

fn flatten(columns: &[Vec<QM31>]) -> Vec<Column> {
    columns.iter().flat_map(|c| coordinates(c)).collect()
}

/// A running sum: on each row, `step(sum so far, row)`.
fn accumulate(rows: usize, mut step: impl FnMut(QM31, usize) -> QM31) -> Vec<QM31> {
    let mut sum = QM31::zero();
    (0..rows)
        .map(|row| {
            sum = step(sum, row);
            sum
        })
        .collect()
}

/// Fills the projections tree for a witness, honest or not.
pub fn project(
    layout: &SegmentLayout,
    entries_before: usize,
    witness: &SegmentWitness,
    challenges: ProjectionChallenges,
) -> Projections {
    let state = project_state(layout, witness, challenges);
    let vectors = project_vectors(layout, entries_before, witness, &state, challenges);
    let candidates = project_candidates(layout, witness, &state, challenges);
    let decoder = witness.decoder.as_ref().map(|decoder| {
        let selector = |selector| column(layout, witness, Preprocessed::Decoder(selector));
        projections::project(layout, decoder, &witness.entries[3], selector, challenges)
    });
    Projections {
        vectors,
        candidates,
        state,
        decoder,
    }
}

fn column<'a>(
    layout: &SegmentLayout,
    witness: &'a SegmentWitness,
    column: Preprocessed,
) -> &'a [M31] {
    let columns = Preprocessed::of(layout.main_part());
    let index = columns.iter().position(|c| *c == column);
    &witness.preprocessed[index.unwrap_or_default()]
}

fn project_state(
    layout: &SegmentLayout,
    witness: &SegmentWitness,
    challenges: ProjectionChallenges,
) -> Vec<[Vec<QM31>; 2]> {
    let stride = layout.position_stride();
    let first_position = column(layout, witness, Preprocessed::StateFirstPosition);
    let first_dimension = column(layout, witness, Preprocessed::StateFirstDimension);
    witness
        .state_after
        .chunks_exact(2)
        .map(|lane| {
            let (keys, values) = (&lane[0], &lane[1]);
            let mut projected = vec![QM31::zero(); keys.len()];
            for row in 0..keys.len() {
                // On the first row of a head the flag removes what is before it.
                let before = match (first_position[row].is_one(), row.checked_sub(stride)) {
                    (false, Some(before)) => projected[before] * challenges.position,
                    _ => QM31::zero(),
                };
                projected[row] = before + keys[row];
            }
            let values = accumulate(values.len(), |sum, row| {
                let before = if first_dimension[row].is_one() {
                    QM31::one()
                } else {
                    sum
                };
                before * challenges.dimension + values[row]
            });
            [projected, values]
        })
        .collect()
}

fn project_vectors(
    layout: &SegmentLayout,
    entries_before: usize,
    witness: &SegmentWitness,
    state: &[[Vec<QM31>; 2]],
    challenges: ProjectionChallenges,
) -> [Vec<QM31>; 3] {
    let active = column(layout, witness, Preprocessed::VectorActive);
    let first = column(layout, witness, Preprocessed::VectorFirst);
    let cache_row = column(layout, witness, Preprocessed::VectorCacheRow);
    let offset = entries_before * layout.position_stride();
    let lane_mask = layout.lane_offset(1) - 1;
    let keys: Vec<QM31> = active
        .iter()
        .zip(cache_row)
        .map(|(active, row)| {
            let row = row.0 as usize + offset;
            let (lane, row) = (row >> layout.log_rows().state, row & lane_mask);
            match state.get(lane) {
                Some([keys, _]) if active.is_one() => keys[row],
                _ => QM31::zero(),
            }
        })
        .collect();
    let (query, output) = (&witness.entries[0], &witness.entries[3]);
    let score = accumulate(keys.len(), |sum, row| {
        let before = if first[row].is_one() {
            QM31::zero()
        } else {
            sum
        };
        before + keys[row] * query[row]
    });
    let columns = vectors::witness::Columns::of(layout, &witness.vectors);
    let half = M31::from_u32_unchecked(2).inverse();
    let numerator = accumulate(keys.len(), |sum, row| {
        let denominator = columns.denominator[row];
        let before = if first[row].is_one() {
            QM31::from(denominator)
        } else {
            sum
        };
        let remainder = columns.remainder(row);
        let shift = match layout.rounding() {
            Rounding::Floor => remainder,
            Rounding::NearestTiesUp => (remainder - denominator) * half,
        };
        before * challenges.dimension + (output[row] * denominator + shift)
    });
    [keys, score, numerator]
}

fn project_candidates(
    layout: &SegmentLayout,
    witness: &SegmentWitness,
    state: &[[Vec<QM31>; 2]],
    challenges: ProjectionChallenges,
) -> [Vec<QM31>; 3] {
    let columns = candidates::witness::Columns::of(layout, &witness.candidates, &witness.boundary);
    let lane_mask = layout.lane_offset(1) - 1;
    let values: Vec<QM31> = columns
        .cache_row
        .iter()
        .map(|row| {
            let row = row.0 as usize;
            let (lane, row) = (row >> layout.log_rows().state, row & lane_mask);
            state.get(lane).map_or_else(QM31::zero, |[_, v]| v[row])
        })
        .collect();
    let score = accumulate(values.len(), |sum, row| {
        let before = if columns.first[row].is_one() {
            QM31::zero()
        } else {
            sum
        };
        before * challenges.position + columns.score(row)
    });
    let numerator = accumulate(values.len(), |sum, row| {
        let before = if columns.first[row].is_one() {
            QM31::zero()
        } else {
            sum
        };
        before + values[row] * columns.weight[row]
    });
    [values, score, numerator]
}
