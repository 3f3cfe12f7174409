//! The decoder's share of the projections tree.
use num_traits::{One, Zero};
use rayon::prelude::*;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;

use super::layout::{DecoderLayout, RANGE_BITS};
use super::selectors::DecoderSelector;
use super::tokens::projected_tokens;
use super::witness::DecoderWitness;
use crate::challenges::ProjectionChallenges;
use crate::layout::SegmentLayout;
use crate::witness::Column;

/// Projection columns over the extension field, in row order.
#[derive(Clone, Debug)]
pub struct DecoderProjections {
    /// Vectors: outputs of the attention over the steps.
    pub vectors: Vec<QM31>,
    /// Linear: input, output.
    pub linear: [Vec<QM31>; 2],
    /// Stream: additions, normalized values.
    pub stream: [Vec<QM31>; 2],
    /// Rotary: accumulators.
    pub rotary: [Vec<QM31>; 1],
    /// Values: accumulators.
    pub values: [Vec<QM31>; 1],
    /// Gated: accumulators, gated values.
    pub gated: [Vec<QM31>; 2],
    /// Choice: logits.
    pub choice: [Vec<QM31>; 1],
}

/// A sum of powers of `challenge`, restarted where `restarts` says so.
fn horner(
    rows: usize,
    challenge: QM31,
    restarts: impl Fn(usize) -> bool,
    term: impl Fn(usize) -> QM31,
) -> Vec<QM31> {
    strided(rows, 1, challenge, restarts, term)
}

/// The same over rows that are `stride` apart. Rows are cyclic, but the sums restart before they wrap
/// around, or nobody reads them.
fn strided(
    rows: usize,
    stride: usize,
    challenge: QM31,
    restarts: impl Fn(usize) -> bool,
    term: impl Fn(usize) -> QM31,
) -> Vec<QM31> {
    let mut sums = vec![QM31::zero(); rows];
    for row in 0..rows {
        let before = match (restarts(row), row.checked_sub(stride)) {
            (false, Some(before)) => sums[before] * challenge,
            _ => QM31::zero(),
        };
        sums[row] = before + term(row);
    }
    sums
}

/// The value of the first rescaling among consecutive columns (result, excess, remainder), before it
/// was rescaled.
fn rescaled_input(rescale: matchmark_quant::Rescale, columns: &[Column], row: usize) -> M31 {
    let (out, excess, remainder) = (columns[0][row], columns[1][row], columns[2][row]);
    let (min, max) = (M31::from(rescale.min()), M31::from(rescale.max()));
    let sign = (out + out - min - max) * (max - min).inverse();
    let unit = M31::from_u32_unchecked(1 << rescale.shift());
    let half = M31::from_u32_unchecked(1 << (rescale.shift() - 1));
    (out + excess * sign) * unit + remainder - half
}

/// Fills the decoder's projections for a witness, honest or not. `outputs` are the attention's, row by
/// row of the vectors component, `selector` gives a preprocessed column.
pub fn project<'a>(
    layout: &SegmentLayout,
    witness: &DecoderWitness,
    outputs: &[M31],
    selector: impl Fn(DecoderSelector) -> &'a [M31],
    challenges: ProjectionChallenges,
) -> DecoderProjections {
    use DecoderSelector as Selector;
    let decoder = layout.expect_decoder();
    let challenge = challenges.position;
    let set = |column: DecoderSelector| {
        let column = selector(column);
        move |row: usize| !column[row].is_zero()
    };
    let rows = |log_rows: u32| 1_usize << log_rows;
    let log_rows = decoder.log_rows();

    let vectors = strided(
        outputs.len(),
        layout.head_dim(),
        challenge,
        set(Selector::VectorFirstStep),
        |row| outputs[row].into(),
    );
    let stream = project_stream(decoder, witness, &selector, challenge);
    let rotary_rows = decoder.shape().attention();
    let rotary_rows = (rotary_rows.query_heads() + rotary_rows.kv_heads())
        * (rotary_rows.head_dim() / 2)
        * decoder.steps();
    let second = challenge.pow(rotary_rows as u128);
    let rotary = horner(
        rows(log_rows.rotary),
        challenge,
        set(Selector::RotaryFirst),
        |row| {
            let input = |index: usize| {
                rescaled_input(decoder.rotary_input(), &witness.rotary[3 * index..], row)
            };
            second * input(1) + input(0)
        },
    );
    let values = horner(
        rows(log_rows.values),
        challenge,
        set(Selector::ValueFirst),
        |row| rescaled_input(decoder.value(), &witness.values, row).into(),
    );
    let up_shift = challenge.pow((decoder.shape().mlp() * decoder.steps()) as u128);
    let accumulators = horner(
        rows(log_rows.gated),
        challenge,
        set(Selector::GatedFirst),
        |row| {
            let gate = rescaled_input(decoder.gate(), &witness.gated, row);
            let up = rescaled_input(decoder.up(), &witness.gated[3..], row);
            up_shift * up + gate
        },
    );
    let gated = horner(
        rows(log_rows.gated),
        challenge,
        set(Selector::GatedFirstStep),
        |row| witness.gated[GATED_OUT][row].into(),
    );
    let limb = M31::from_u32_unchecked(1 << RANGE_BITS);
    let choice = horner(
        rows(log_rows.choice),
        challenge,
        set(Selector::ChoiceStart),
        |row| {
            let [maximum, below, _, low, high] =
                core::array::from_fn(|column: usize| witness.choice[column][row]);
            (maximum - low - high * limb - below).into()
        },
    );

    // What each input of a matrix is, by name.
    let mut inputs = projected_tokens(decoder, &witness.consumed, challenge);
    inputs.resize(decoder.inputs(), QM31::zero());
    for (names, uses, sums) in [
        (Selector::StreamInput, Selector::StreamInputUses, &stream[1]),
        (Selector::VectorInput, Selector::VectorInputUses, &vectors),
        (Selector::GatedInput, Selector::GatedInputUses, &gated),
    ] {
        let used = selector(uses).iter().zip(selector(names)).zip(sums);
        for ((uses, name), sum) in used {
            if !uses.is_zero() {
                inputs[name.0 as usize] = *sum;
            }
        }
    }
    let linear = project_linear(decoder, witness, &selector, &inputs, challenge);
    DecoderProjections {
        vectors,
        linear,
        stream,
        rotary: [rotary],
        values: [values],
        gated: [accumulators, gated],
        choice: [choice],
    }
}

/// Place of the gated value among the columns of the gated component.
const GATED_OUT: usize = 7;
/// Place of the normalized value among the columns of the stream component.
const NORMALIZED_OUT: usize = 10;

fn project_stream<'a>(
    decoder: &DecoderLayout,
    witness: &DecoderWitness,
    selector: &impl Fn(DecoderSelector) -> &'a [M31],
    challenge: QM31,
) -> [Vec<QM31>; 2] {
    let rows = 1 << decoder.log_rows().stream;
    let columns = &witness.stream;
    let stage = decoder.shape().hidden() * decoder.steps();
    let multiplier = selector(DecoderSelector::StreamBefore);
    let (first_channel, first_step) = (
        selector(DecoderSelector::StreamFirstChannel),
        selector(DecoderSelector::StreamFirstStep),
    );
    let added = horner(
        rows,
        challenge,
        |row| first_channel[row].is_one() && first_step[row].is_one(),
        |row| {
            let before = match row.checked_sub(stage) {
                Some(before) => columns[0][before] * multiplier[row],
                None => M31::zero(),
            };
            (rescaled_input(decoder.stream(), columns, row) - before).into()
        },
    );
    let normalized = horner(
        rows,
        challenge,
        |row| first_step[row].is_one(),
        |row| columns[NORMALIZED_OUT][row].into(),
    );
    [added, normalized]
}

fn project_linear<'a>(
    decoder: &DecoderLayout,
    witness: &DecoderWitness,
    selector: &impl Fn(DecoderSelector) -> &'a [M31],
    inputs: &[QM31],
    challenge: QM31,
) -> [Vec<QM31>; 2] {
    let (names, active) = (
        selector(DecoderSelector::LinearInput),
        selector(DecoderSelector::LinearActive),
    );
    let (continues, next_block) = (
        selector(DecoderSelector::LinearContinues),
        selector(DecoderSelector::LinearNextBlock),
    );
    let rows = names.len();
    let input: Vec<QM31> = (0..rows)
        .map(|row| match active[row].is_zero() {
            true => QM31::zero(),
            false => inputs[names[row].0 as usize],
        })
        .collect();
    let of_output = challenge.pow(decoder.steps() as u128);
    let powers: Vec<QM31> =
        core::iter::successors(Some(QM31::one()), |power| Some(*power * of_output))
            .take(decoder.width() + 1)
            .collect();
    let weights = &witness.model[..decoder.width()];
    let products: Vec<QM31> = (0..rows)
        .into_par_iter()
        .with_min_len(256)
        .map(|row| {
            let projected = weights
                .iter()
                .rev()
                .zip(&powers)
                .fold(QM31::zero(), |sum, (column, power)| {
                    sum + *power * column[row]
                });
            projected * input[row]
        })
        .collect();
    let mut sum = QM31::zero();
    let output = (0..rows)
        .map(|row| {
            sum = sum * continues[row]
                + sum * next_block[row] * powers[decoder.width()]
                + products[row];
            sum
        })
        .collect();
    [input, output]
}
