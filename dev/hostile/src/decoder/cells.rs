//! Single cells of a decoder's trees: every column, on its first, middle, last and padding rows, changed
//! by one, to zero, to `p - 1` and to a random element.
//!
//! As with the attention, a changed cell is refused, or it is on the list of cells that are free by
//! design, with the reason, and the list is complete and truthful. The model tree is held by the
//! statement's commitment, not by the constraints: a changed weight is another model. What a prover makes
//! anew around a cell, random linear combinations and the multiplicities of tables, is made anew.
use crate::cases::vector_row;
use std::collections::BTreeSet;
use std::sync::Arc;

use matchmark_air::layout::decoder::{CROSS_LOW_BITS, PADDING_UNIT, RANGE_BITS};
use matchmark_graph::{Kind, SQUARE_SHIFT};
use matchmark_quant::centered;
use stwo::core::fields::m31::M31;

use super::cases::all;
use crate::attempt::{Attempt, Expect};
use crate::cases::{carry_is_bounded, Case};
use crate::cell::{columns, rows, Cell};
use crate::checker::Drop;
use crate::forge::{Forge, Forged};
use crate::reduced::{prove, verify_as_stated, Claimed, Setup};
use crate::report::Recorder;
use crate::Rng;

/// Whether a cell is not one of the attention's own, which are changed in the attention's own cases, or is one of
/// its digits and carries.
fn is_in_scope(cell: &Cell) -> bool {
    let name = cell.read.name;
    match cell.component {
        "vectors" => {
            let of_joints = ["query", "key", "value", "output", "combined output"];
            let of_digits = ["output high", "carry low", "carry high"];
            of_joints.contains(&name) || of_digits.contains(&name)
        }
        "cache" => name == "value high",
        "scores" => false,
        _ => true,
    }
}

/// Rows of a component that are not padding.
fn used(case: &Case, component: &str, len: usize) -> usize {
    let (_, decoder) = case.expect_decoder();
    let dim = decoder.shape().attention().head_dim();
    match component {
        "vectors" => {
            let heads = case.layout.shape().attention().query_heads();
            vector_row(&case.layout, heads - 1, decoder.steps() - 1, dim - 1) + 1
        }
        "cache" => {
            case.layout
                .lane_row(0, case.steps.entries_after() - 1, dim - 1)
                .1
                + 1
        }
        "linear" => {
            let matrices = decoder.matrices().iter();
            matrices.map(|matrix| matrix.blocks * matrix.inputs).sum()
        }
        "stream" => decoder.rows_in_use(Kind::Stream),
        "norms" => decoder.norm_row(decoder.stages(), 0),
        "rotary" => decoder.rows_in_use(Kind::Rotary),
        "values" => decoder.rows_in_use(Kind::Values),
        "gated" => decoder.rows_in_use(Kind::Gated),
        "argmax" => decoder.rows_in_use(Kind::Argmax),
        "stream in" | "stream out" => decoder.shape().hidden() * decoder.steps(),
        _ => len,
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
    let is_padding = cell.row >= used;
    let is_below = |bits: u32| new.0 < 1 << bits;
    let is_remainder = is_padding && new.0 < PADDING_UNIT;
    let max = i64::from(case.layout.value_bits().max_value());
    let is_value = centered(new.0).abs() <= max;
    let digits = case.layout.digits();
    let is_of_high_zero = digits.is_none_or(|digits| digits.high(centered(new.0)) == 0);
    let remainder = "remainder of a padding row: what is divided comes from nowhere";
    match (cell.component, cell.read.name) {
        ("vectors", "query" | "output") => {
            let is_held = cell.read.name == "output" && !is_of_high_zero;
            (!is_active(cell.row) && is_value && !is_held)
                .then_some("query or output of a row of no step: nobody asks for its sums")
        }
        ("vectors", "carry low" | "carry high") => {
            let limbs = case.layout.log_rows().limbs;
            let top_max = digits.map_or(0, |digits| (2 * digits.carry_offset() - 1) >> limbs);
            let is_bounded = cell.read.name == "carry high" && carry_is_bounded(case);
            let is_below_top = !is_bounded || new.0 <= top_max;
            (!is_active(cell.row) && is_below(limbs) && is_below_top)
                .then_some("carry of a row of no step, within its limbs")
        }
        ("vectors", "key" | "value") => (!is_active(cell.row))
            .then_some("key or value entry of a row of no step: nobody takes it in"),
        ("stream" | "values", "remainder")
        | ("rotary", "first remainder" | "second remainder")
        | ("gated", "gate remainder" | "up remainder") => is_remainder.then_some(remainder),
        ("gated", "up") => (is_padding && is_value)
            .then_some("value of up in a padding row, whose activation is zero"),
        ("stream", "factor") => {
            is_padding.then_some("factor of a padding row, whose value is zero")
        }
        ("norms", "cross low") => (is_padding && is_below(CROSS_LOW_BITS))
            .then_some("low bits of the products of a padding row: nobody has summed them"),
        ("norms", "low") => (is_padding && is_below(SQUARE_SHIFT.into()))
            .then_some("low part of the sum of a padding row: nobody has summed it"),
        ("values", "value") => is_padding.then_some("value of a padding row: nobody takes it in"),
        ("argmax", "gap low" | "gap high") => (is_padding && is_below(RANGE_BITS))
            .then_some("gap of a padding row: its logit comes from nowhere"),
        ("stream in" | "stream out", "stream") => is_padding
            .then_some("stream of a port in a padding row: nobody takes it in or gives it out"),
        ("linear", "input") => {
            is_padding.then_some("input of a padding row, whose weights are zero")
        }
        _ => None,
    }
}

/// Number of reasons for which attempts hold.
const REASONS: usize = 13;

/// The attempts on a case: nothing changed, one in so many of the changed cells, all free ones and those beside
/// them. One in so many is to be `proven`.
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
    let (name, in_use) = (case.name, used(case, "vectors", 0));
    let changed = cells.filter_map(move |(place, (cell, new, free))| {
        // Of the free ones, none is passed over, and none of the outputs of no step, which nothing but their
        // range refuses.
        let is_of_no_step =
            (cell.component, cell.read.name) == ("vectors", "output") && cell.row >= in_use;
        if place % every != 0 && free.is_none() && !is_of_no_step {
            return None;
        }
        let attempt = Attempt {
            label: format!("{name}/{cell} = {new}"),
            forged: cell.changed(&honest, new),
            expect: free.map_or(Expect::Refused, Expect::Holds),
            follows: !cell.is_multiplicity(),
        };
        let is_rlc = cell.is_rlc();
        Some((attempt, place % proven == 0 && !is_rlc && free.is_none()))
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
            let first = vector_row(&case.layout, head, step, 0);
            first..first + dim
        })
        .collect();
    let mut cells = vec![];
    for (cell, len) in columns(honest) {
        if !is_in_scope(&cell) {
            continue;
        }
        let used = used(case, cell.component, len);
        for row in rows(used, len, 1, &mut rng) {
            let cell = Cell { row, ..cell };
            for new in cell.values(honest, &mut rng) {
                let reason = free(case, cell, new, used, |row| active.contains(&row));
                cells.push((cell, new, reason));
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
