//! Single cells: every committed column of every phase, on its first, middle, last and padding rows
//! and on random ones, changed by one, to zero, to `p - 1` and to a random element.
//!
//! A changed cell is refused, or it is on the list of cells that are free by design, with the reason
//! ([`free`]). The list is complete and truthful: nothing else goes unnoticed, and a free cell does
//! no harm, so that a proof over it is accepted. The RLC tree is recomputed for a changed
//! witness, as a prover would, and so are the multiplicities of tables and combined values, so that no
//! change is refused for nothing but a table that was used as before; only multiplicities themselves are
//! changed alone. The random linear combinations' own cells are changed under an honest witness.

use crate::cases::vector_place;
use std::collections::BTreeSet;
use std::sync::Arc;

use matchmark_air::column::field;
use matchmark_air::preprocessed::Preprocessed;
use matchmark_air::trees::Tree;
use matchmark_quant::centered;
use stwo::core::fields::m31::M31;

use crate::attempt::{Attempt, Expect};
use crate::cases::{
    all, carry_is_bounded, edges, narrow, split_narrow, two_digits, unclipped, wide, Case,
};
use crate::cell::{columns, rows, Cell};
use crate::checker::Drop;
use crate::forge::{Forge, Forged};
use crate::proving::{outcome, Outcome};
use crate::report::Recorder;
use crate::Rng;

/// Why a cell may hold anything; `None` for a cell that is held by the constraints.
fn free(case: &Case, forge: &Forge, cell: Cell, new: M31) -> Option<&'static str> {
    let layout = &case.layout;
    let preprocessed = |column: Preprocessed| column.column(layout, &case.constants());
    let is_padding = || preprocessed(Preprocessed::VectorActive)[cell.row] == M31::from(0);
    let rows = &forge.scores;
    let remainder_low = forge
        .witness
        .main
        .component("vectors")
        .column("remainder low");
    let next = |row: usize| (row + 1) % rows.len();
    let is_alone = |row: usize| {
        let alone = rows[row].first == 1 && rows[next(row)].first == 1;
        alone && rows[row].last == 0
    };
    // Remainders in one limb, without a shift that would have to follow.
    let is_narrow = !case.forms.remainder && layout.rounding_shift().is_none();
    let complement = |denominator: i64, remainder: M31| {
        forge.remainder_bound(denominator) - 1 - centered(remainder.0)
    };
    match (cell.component, cell.read.name) {
        ("scores", "cache row") => {
            let mask = layout.lane_offset(1) - 1;
            let (lane, row) = (
                new.0 as usize >> layout.log_rows().cache,
                new.0 as usize & mask,
            );
            let is_first = preprocessed(Preprocessed::CacheFirstPosition)[row] == M31::from(1);
            (is_alone(cell.row) && lane < layout.lanes() && is_first)
                .then_some("cache row of a row that no step needs: another first position")
        }
        ("scores", "maximum") => is_alone(cell.row)
            .then_some("maximum of a row that no step needs: nobody asks for its score"),
        ("scores", "attained") => {
            let after = next(cell.row);
            let goes_on = rows[after].first == 0 && forge.gap(after) != 0;
            (forge.gap(cell.row) == 0 && rows[cell.row].last == 0 && !goes_on)
                .then_some("attained where the gap is zero and nothing after relies on it")
        }
        ("vectors", "denominator") => {
            let remainder = remainder_low[cell.row];
            let complement = complement(centered(new.0), remainder);
            let is_small = (0..1 << forge.limb_bits()).contains(&complement);
            (is_padding() && is_narrow && is_small)
                .then_some("denominator of a padding row, above its remainder")
        }
        ("vectors", "remainder low") => {
            // The padding divides by one: both limbs stay in range.
            let exchanged = field(complement(1, new)) == remainder_low[cell.row];
            (is_padding() && is_narrow && exchanged)
                .then_some("remainder of a padding row, exchanged with its complement")
        }
        ("vectors", "carry low" | "carry high") => {
            // Its numerator is nobody's.
            let top_max = layout.digits().map(|digits| {
                let largest = 2 * digits.carry_offset() - 1;
                i64::from(largest >> forge.limb_bits())
            });
            let limb = centered(new.0);
            let is_top = cell.read.name == "carry high" && carry_is_bounded(case);
            let is_below = !is_top || top_max.is_some_and(|top_max| limb <= top_max);
            (is_padding() && (0..1 << forge.limb_bits()).contains(&limb) && is_below)
                .then_some("carry of a padding row, within its limbs")
        }
        ("vectors", "keys") => {
            is_padding().then_some("combined key of a padding row, whose query is zero")
        }
        _ => None,
    }
}

/// The attempts on a case: nothing changed, one in so many of the changed cells, and all free ones.
pub(super) fn attempts(case: &Arc<Case>, seed: u64, every: usize) -> impl Iterator<Item = Attempt> {
    let (forge, honest, cells) = cells(case, seed);
    let unchanged = Attempt {
        label: format!("{}/unchanged", case.name),
        forged: honest.clone(),
        expect: Expect::Holds("nothing is changed"),
        follows: true,
    };
    let cells = cells.into_iter().enumerate();
    let case = case.clone();
    let changed = cells.filter_map(move |(place, (cell, new))| {
        let free = free(&case, &forge, cell, new);
        (free.is_some() || place % every == 0).then(|| Attempt {
            label: format!("{}/{cell} = {new}", case.name),
            forged: cell.changed(&honest, new),
            expect: free.map_or(Expect::Refused, Expect::Holds),
            follows: !cell.is_multiplicity(),
        })
    });
    std::iter::once(unchanged).chain(changed)
}

/// Number of reasons for which attempts hold.
const REASONS: usize = 8;

/// Rows that are not padding.
fn used(case: &Case, forge: &Forge, cell: &Cell, len: usize) -> usize {
    let layout = &case.layout;
    let attention = layout.shape().attention();
    let last = layout.head_dim() - 1;
    match cell.component {
        "cache" => layout.lane_row(0, case.steps.entries_after() - 1, last).1 + 1,
        "vectors" => {
            let (head, step) = (attention.query_heads() - 1, case.steps.steps() - 1);
            vector_place(layout, head, step, last).row + 1
        }
        "scores" => forge.first_filler() / layout.score_lanes(),
        _ => len,
    }
}

/// All cells to be changed, with the values to write.
fn cells(case: &Arc<Case>, seed: u64) -> (Forge, Forged, Vec<(Cell, M31)>) {
    let forge = Forge::honest(case, seed);
    let mut honest = forge.clone().finish(&Drop::Nothing);
    let mut rng = Rng(seed);
    let mut cells = vec![];
    for (cell, len) in columns(&honest) {
        let used = used(case, &forge, &cell, len);
        for row in rows(used, len, 3, &mut rng) {
            let cell = Cell { row, ..cell };
            let values = cell.values(&mut honest, &mut rng);
            cells.extend(values.into_iter().map(|new| (cell, new)));
        }
    }
    (forge, honest, cells)
}

/// Whether the states of a witness are caches that a prover can be given.
fn offered(case: &Case, forged: &Forged) -> bool {
    let steps = case.steps;
    let cache = |tree, entries| {
        let columns = forged.witness.main.tree(tree);
        crate::world::cache_of(case, &columns, entries).is_some()
    };
    cache(Tree::StateBefore, steps.entries_before())
        && cache(Tree::StateAfter, steps.entries_after())
}

pub fn run(recorder: &mut Recorder) {
    constraints(recorder);
    proofs(recorder);
}

/// Changed cells under the constraints: every second one, or all.
fn constraints(recorder: &mut Recorder) {
    let mut listed = BTreeSet::new();
    let (every, of_edges) = (recorder.amount(2, 1), recorder.amount(7, 1));
    let specs = all().into_iter().map(|spec| (spec, every));
    let edges = edges().into_iter().map(|spec| (spec, of_edges));
    for (index, (spec, every)) in specs.chain(edges).enumerate() {
        let case = spec.case();
        for attempt in attempts(&case, recorder.seed + index as u64, every) {
            if let Expect::Holds(reason) = attempt.expect {
                listed.insert(reason);
            }
            recorder.require(&attempt.label, || attempt.check());
        }
    }
    recorder.require("every reason on the list occurs", || match listed.len() {
        REASONS => Ok(()),
        got => Err(format!("expected {REASONS} reasons, got {got}: {listed:?}")),
    });
}

/// Changed cells as full proofs.
fn proofs(recorder: &mut Recorder) {
    let (every, of_edges) = (recorder.amount(12, 1), recorder.amount(60, 5));
    let specs =
        [narrow(), wide(), unclipped(), split_narrow(), two_digits()].map(|spec| (spec, every));
    let edges = edges().into_iter().map(|spec| (spec, of_edges));
    for (index, (spec, every)) in specs.into_iter().chain(edges).enumerate() {
        let case = spec.case();
        let (forge, honest, cells) = cells(&case, recorder.seed + 10 + index as u64);
        for (cell, new) in cells.into_iter().step_by(every) {
            if cell.is_rlc() {
                continue;
            }
            let forged = cell.changed(&honest, new);
            // A state that is not a cache of 16-bit numbers cannot be offered to the prover.
            if offered(&case, &forged) {
                let label = format!("{}/proof/{cell} = {new}", case.name);
                match free(&case, &forge, cell, new) {
                    None => recorder.refuse(&label, || match outcome(&forged) {
                        Outcome::Accepted => Ok(()),
                        other => Err(other),
                    }),
                    Some(reason) => recorder.require(&label, || match outcome(&forged) {
                        Outcome::Accepted => Ok(()),
                        other => Err(format!("{reason}: {other:?}")),
                    }),
                }
            }
        }
    }
}
