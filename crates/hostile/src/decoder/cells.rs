//! Single cells of a decoder's trees: every column, on its first, middle, last and padding rows, changed
//! by one, to zero, to `p - 1` and to a random element.
//!
//! As with the attention, a changed cell is refused, or it is on the list of cells that are free by
//! design, with the reason, and the list is complete and truthful. The model tree is held by the
//! statement's commitment, not by the constraints: a changed weight is another model.
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use matchmark_air::challenges::ProjectionChallenges;
use matchmark_air::decoder::projections::DecoderProjections;
use matchmark_air::witness::projections::project;
use matchmark_air::witness::{Column, SegmentWitness};
use matchmark_quant::MODULUS;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;

use super::cases::all;
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
fn free(cell: Cell, used: usize, is_active: impl Fn(usize) -> bool) -> Option<&'static str> {
    let is_padding = cell.row >= used;
    match (cell.part, cell.column) {
        (Part::Entries, 1 | 2) => (!is_active(cell.row))
            .then_some("key or value entry of a row of no step: nobody takes it in"),
        (Part::Stream, 7) => is_padding.then_some("factor of a padding row, whose value is zero"),
        (Part::Values, 0) => is_padding.then_some("value of a padding row: nobody takes it in"),
        (Part::Projections(1), 0..=3) => {
            is_padding.then_some("input of a padding row, whose weights are zero")
        }
        _ => None,
    }
}

/// Number of reasons in [`free`].
const REASONS: usize = 4;

fn recompute(forged: &mut Forged) {
    forged.projections = project(
        &forged.case.layout,
        forged.case.steps.entries_before(),
        &forged.witness,
        ProjectionChallenges::structural(),
    );
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
                let reason = free(cell, used, |row| active.contains(&row));
                for new in [old + M31::from(1), zero, zero - M31::from(1), random] {
                    if new != old {
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
        let mut forged = Forge::honest(&case, seed).finish(&Drop::Nothing);
        let honest = forged.projections.clone();
        let cells = cells(&case, &mut forged, seed);
        for (place, (cell, new, reason)) in cells.into_iter().enumerate() {
            listed.extend(reason);
            // Of the free ones, none is passed over.
            if place % every != 0 && reason.is_none() {
                continue;
            }
            let old = write(&mut forged, cell, |_| new);
            let is_projection = matches!(cell.part, Part::Projections(_));
            if !is_projection {
                recompute(&mut forged);
            }
            let label = format!("{}/{cell} = {new}", case.name);
            recorder.require(&label, || {
                let failures = forged.failures_without(&Drop::Nothing);
                match reason {
                    Some(reason) if !failures.is_empty() => {
                        Err(format!("listed as free ({reason}), but fails {failures:?}"))
                    }
                    None if failures.is_empty() => Err("free, and not on the list".into()),
                    _ => Ok(()),
                }
            });
            if place % proven == 0 && !is_projection && reason.is_none() {
                recorder.refuse(&format!("{label}/proof"), || outcome(&setup, &forged));
            }
            write(&mut forged, cell, |_| old);
            if !is_projection {
                forged.projections.clone_from(&honest);
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
