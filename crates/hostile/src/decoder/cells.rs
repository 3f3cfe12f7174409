//! Single cells of a decoder's trees: every column, on its first, middle, last and padding rows, changed
//! by one, to zero, to `p - 1` and to a random element.
//!
//! As with the attention, a changed cell is refused, or it is on the list of cells that are free by
//! design, with the reason, and the list is complete and truthful. The model tree is held by the
//! statement's commitment, not by the constraints: a changed weight is another model. What a prover makes
//! anew around a cell, projections and the multiplicities of tables, is made anew.
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use matchmark_air::challenges::ProjectionChallenges;
use matchmark_air::decoder::layout::{RANGE_BITS, SQUARE_LOW_BITS};
use matchmark_air::decoder::projections::DecoderProjections;
use matchmark_air::witness::projections::project;
use matchmark_air::witness::{Column, SegmentWitness};
use matchmark_quant::{centered, Rescale, MODULUS};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;

use super::cases::all;
use crate::attempt::{Attempt, Expect};
use crate::cases::Case;
use crate::checker::Drop;
use crate::forge::{Forge, Forged};
use crate::reduced::{prove, verify_as_stated, Claimed, Setup};
use crate::report::Recorder;
use crate::Rng;

/// Part of a committed tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Entries,
    Stream,
    Norms,
    Rotary,
    Values,
    Gated,
    Choice,
    Tables(usize),
    /// Projections: vectors, linear, stream, rotary, values, gated, choice.
    Projections(usize),
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    part: Part,
    column: usize,
    row: usize,
}

fn columns(witness: &mut SegmentWitness, part: Part) -> &mut Vec<Column> {
    if let Part::Tables(group) = part {
        return &mut witness.tables[group];
    }
    if part == Part::Entries {
        return &mut witness.entries;
    }
    let decoder = witness.decoder.as_mut().unwrap();
    match part {
        Part::Stream => &mut decoder.stream,
        Part::Norms => &mut decoder.norms,
        Part::Rotary => &mut decoder.rotary,
        Part::Values => &mut decoder.values,
        Part::Gated => &mut decoder.gated,
        Part::Choice => &mut decoder.choice,
        _ => unreachable!("no part of the witness of a decoder"),
    }
}

fn projection(projections: &mut DecoderProjections, index: usize) -> &mut [Vec<QM31>] {
    let DecoderProjections {
        vectors,
        linear,
        stream,
        rotary,
        values,
        gated,
        choice,
    } = projections;
    match index {
        0 => std::slice::from_mut(vectors),
        1 => linear,
        2 => stream,
        3 => rotary,
        4 => values,
        5 => gated,
        _ => choice,
    }
}

/// All parts with their numbers of columns and rows.
fn parts(honest: &mut Forged) -> Vec<(Part, usize, usize)> {
    let tables = (0..honest.witness.tables.len()).map(Part::Tables);
    let fixed = [
        Part::Entries,
        Part::Stream,
        Part::Norms,
        Part::Rotary,
        Part::Values,
        Part::Gated,
        Part::Choice,
    ];
    let mut parts: Vec<_> = fixed
        .into_iter()
        .chain(tables)
        .map(|part| {
            let columns = columns(&mut honest.witness, part);
            (part, columns.len(), columns[0].len())
        })
        .collect();
    let projections = honest.projections.decoder.as_mut().unwrap();
    parts.extend((0..7).map(|index| {
        let columns = projection(projections, index);
        (
            Part::Projections(index),
            4 * columns.len(),
            columns[0].len(),
        )
    }));
    parts
}

/// Writes a cell and says what stood there.
fn write(forged: &mut Forged, cell: Cell, value: impl FnOnce(M31) -> M31) -> M31 {
    let Cell { part, column, row } = cell;
    if let Part::Projections(index) = part {
        let projections = forged.projections.decoder.as_mut().unwrap();
        let element = &mut projection(projections, index)[column / 4][row];
        let mut coordinates = element.to_m31_array();
        let old = coordinates[column % 4];
        coordinates[column % 4] = value(old);
        *element = QM31::from_m31_array(coordinates);
        return old;
    }
    let entry = &mut columns(&mut forged.witness, part)[column][row];
    let old = *entry;
    *entry = value(old);
    old
}

/// Rows of a part that are not padding.
fn used(case: &Case, part: Part, len: usize) -> usize {
    let (_, decoder) = case.expect_decoder();
    let shape = decoder.shape();
    let attention = shape.attention();
    let (keys, dim) = (attention.kv_heads(), attention.head_dim());
    let heads = attention.query_heads() + keys;
    let last = shape.layers() - 1;
    match part {
        Part::Entries | Part::Projections(0) => {
            let heads = case.layout.shape().attention().query_heads();
            case.layout
                .vector_row(heads - 1, decoder.steps() - 1, dim - 1)
                + 1
        }
        Part::Projections(1) => {
            let matrices = decoder.matrices().iter();
            matrices.map(|matrix| matrix.blocks * matrix.inputs).sum()
        }
        Part::Stream | Part::Projections(2) => decoder.stream_row(decoder.stages(), 0, 0),
        Part::Norms => decoder.norm_row(decoder.stages(), 0),
        Part::Rotary | Part::Projections(3) => decoder.rotary_row(last, heads, 0, 0),
        Part::Values | Part::Projections(4) => decoder.values_row(last, keys, 0, 0),
        Part::Gated | Part::Projections(5) => decoder.gated_row(last, shape.mlp(), 0),
        Part::Choice | Part::Projections(_) => decoder.choice_row(shape.vocabulary(), 0),
        Part::Tables(_) => len,
    }
}

/// Why a cell may hold anything; `None` for a cell that is held by the constraints.
fn free(
    case: &Case,
    cell: Cell,
    new: M31,
    used: usize,
    is_active: impl Fn(usize) -> bool,
) -> Option<&'static str> {
    let (_, decoder) = case.expect_decoder();
    let is_padding = cell.row >= used;
    let is_below = |bits: u32| new.0 < 1 << bits;
    let is_remainder = |rescale: Rescale| is_padding && is_below(rescale.shift().into());
    let max = i64::from(case.layout.value_bits().max_value());
    let is_value = centered(new.0).abs() <= max;
    let remainder = "remainder of a padding row: what is divided comes from nowhere";
    match (cell.part, cell.column) {
        (Part::Entries, 0 | 3) => (!is_active(cell.row) && is_value)
            .then_some("query or output of a row of no step: nobody asks for its sums"),
        (Part::Entries, 1 | 2) => (!is_active(cell.row))
            .then_some("key or value entry of a row of no step: nobody takes it in"),
        (Part::Stream, 2) => is_remainder(decoder.stream()).then_some(remainder),
        (Part::Rotary, 2 | 5) => is_remainder(decoder.rotary_input()).then_some(remainder),
        (Part::Values, 2) => is_remainder(decoder.value()).then_some(remainder),
        (Part::Gated, 2) => is_remainder(decoder.gate()).then_some(remainder),
        (Part::Gated, 5) => is_remainder(decoder.up()).then_some(remainder),
        (Part::Gated, 3) => (is_padding && is_value)
            .then_some("value of up in a padding row, whose activation is zero"),
        (Part::Stream, 7) => is_padding.then_some("factor of a padding row, whose value is zero"),
        (Part::Stream, 9) => (is_padding && new.0 > 0 && new.0 <= RANGE_BITS)
            .then_some("width of a padding row's divisor: nobody has normalized it"),
        (Part::Stream, 10) => (is_padding && is_value)
            .then_some("normalized value of a padding row, whose divisor is zero"),
        (Part::Norms, 2) => (is_padding && is_below(SQUARE_LOW_BITS))
            .then_some("low part of the sum of a padding row: nobody has summed it"),
        (Part::Values, 0) => is_padding.then_some("value of a padding row: nobody takes it in"),
        (Part::Choice, 3 | 4) => (is_padding && is_below(RANGE_BITS))
            .then_some("gap of a padding row: its logit comes from nowhere"),
        (Part::Projections(1), 0..=3) => {
            is_padding.then_some("input of a padding row, whose weights are zero")
        }
        _ => None,
    }
}

/// Number of reasons for which attempts hold.
const REASONS: usize = 12;

/// A witness with one cell changed, and all that a prover would make anew around it.
fn changed(honest: &Forged, cell: Cell, new: M31) -> Forged {
    let mut forged = honest.clone();
    write(&mut forged, cell, |_| new);
    if !matches!(cell.part, Part::Projections(_)) {
        forged.projections = project(
            &forged.case.layout,
            forged.case.steps.entries_before(),
            &forged.witness,
            ProjectionChallenges::structural(),
        );
    }
    if !matches!(cell.part, Part::Tables(_)) {
        forged.refill(&Drop::Nothing);
    }
    forged
}

/// The attempts on a case: nothing changed, one in so many of the changed cells, and all free ones. One
/// in so many is to be `proven`.
pub fn attempts(
    case: &Arc<Case>,
    seed: u64,
    every: usize,
    proven: usize,
) -> impl Iterator<Item = (Attempt, bool)> {
    let mut honest = Forge::honest(case, seed).finish(&Drop::Nothing);
    let unchanged = Attempt {
        label: format!("{}/unchanged", case.name),
        forged: honest.clone(),
        expect: Expect::Holds("nothing is changed"),
        follows: true,
    };
    let cells = cells(case, &mut honest, seed).into_iter().enumerate();
    let name = case.name;
    let changed = cells.filter_map(move |(place, (cell, new, free))| {
        // Of the free ones, none is passed over.
        if place % every != 0 && free.is_none() {
            return None;
        }
        let attempt = Attempt {
            label: format!("{name}/{cell} = {new}"),
            forged: changed(&honest, cell, new),
            expect: free.map_or(Expect::Refused, Expect::Holds),
            follows: !matches!(cell.part, Part::Tables(_)),
        };
        let is_projection = matches!(cell.part, Part::Projections(_));
        Some((
            attempt,
            place % proven == 0 && !is_projection && free.is_none(),
        ))
    });
    std::iter::once((unchanged, false)).chain(changed)
}

/// All cells to be changed, with the values to write and the reasons of those that are free.
fn cells(
    case: &Arc<Case>,
    honest: &mut Forged,
    seed: u64,
) -> Vec<(Cell, M31, Option<&'static str>)> {
    let mut rng = Rng(seed);
    let (heads, dim) = (
        case.layout.shape().attention().query_heads(),
        case.layout.head_dim(),
    );
    let steps = case.layout.steps();
    let active: BTreeSet<usize> = (0..heads)
        .flat_map(|head| (0..steps).map(move |step| (head, step)))
        .flat_map(|(head, step)| {
            let first = case.layout.vector_row(head, step, 0);
            first..first + dim
        })
        .collect();
    let mut cells = vec![];
    for (part, columns, len) in parts(honest) {
        let used = used(case, part, len);
        for column in 0..columns {
            let mut rows = vec![0, used / 2, used - 1, used.min(len - 1), len - 1];
            rows.push(rng.below(len));
            rows.sort_unstable();
            rows.dedup();
            for row in rows {
                let cell = Cell { part, column, row };
                let old = write(honest, cell, |old| old);
                let random = M31::from_u32_unchecked((rng.next_u64() % u64::from(MODULUS)) as u32);
                let zero = M31::from(0);
                for new in [old + M31::from(1), zero, zero - M31::from(1), random] {
                    if new != old {
                        let reason = free(case, cell, new, used, |row| active.contains(&row));
                        cells.push((cell, new, reason));
                    }
                }
            }
        }
    }
    cells
}

/// Changes cells: each under the constraints, or a part of them; some as proofs.
pub fn run(recorder: &mut Recorder) {
    let (every, proven) = (recorder.amount(37, 1), recorder.amount(1110, 40));
    let mut listed = BTreeSet::new();
    for (index, spec) in all().iter().enumerate() {
        let case = spec.case();
        let setup = Setup::new(&case);
        let seed = recorder.seed + index as u64;
        for (attempt, proven) in attempts(&case, seed, every, proven) {
            if let Expect::Holds(reason) = attempt.expect {
                listed.insert(reason);
            }
            recorder.require(&attempt.label, || {
                let failures = attempt.forged.failures_without(&Drop::Nothing);
                attempt.expect.check(&failures)
            });
            if proven {
                let label = format!("{}/proof", attempt.label);
                recorder.refuse(&label, || outcome(&setup, &attempt.forged));
            }
        }
    }
    recorder.require(
        "every reason on the decoder's list occurs",
        || match listed.len() {
            REASONS => Ok(()),
            got => Err(format!("expected {REASONS} reasons, got {got}: {listed:?}")),
        },
    );
}

fn outcome(setup: &Setup, forged: &Forged) -> Result<(), String> {
    let claimed = Claimed::of(setup, forged);
    let proofs = prove(&claimed, &Drop::Nothing).map_err(|error| error.to_string())?;
    let values = claimed.values.as_ref().map_err(ToString::to_string)?;
    verify_as_stated(&claimed, values, &proofs).map_err(|error| error.to_string())
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, column, row } = self;
        write!(f, "{part:?} column {column} row {row}")
    }
}
