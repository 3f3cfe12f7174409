//! Single cells: every committed column of every phase, on its first, middle, last and padding rows
//! and on random ones, changed by one, to zero, to `p - 1` and to a random element.
//!
//! A changed cell is refused, or it is on the list of cells that are free by design, with the reason
//! ([`free`]). The list is complete and truthful: nothing else goes unnoticed, and a free cell does
//! no harm, so that a proof over it is accepted. The projections tree is recomputed for a changed
//! witness, as a prover would, and so are the multiplicities of tables and projected values, so that no
//! change is refused for nothing but a table that was used as before; only multiplicities themselves are
//! changed alone. The projections' own cells are changed under an honest witness.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::attempt::{Attempt, Expect};
use crate::cases::{all, edges, narrow, split_narrow, unclipped, wide, Case};
use crate::checker::Drop;
use crate::forge::{candidate_columns_mut, Forge, Forged};
use crate::proving::{outcome, Outcome};
use crate::report::Recorder;
use crate::Rng;
use matchmark_air::challenges::ProjectionChallenges;
use matchmark_air::preprocessed::Preprocessed;
use matchmark_air::witness::columns::field;
use matchmark_air::witness::projections::{project, Projections};
use matchmark_air::witness::{Column, SegmentWitness};
use matchmark_quant::{centered, MODULUS};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;

/// Part of a committed tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    StateBefore,
    StateAfter,
    Vectors,
    Candidates,
    State,
    Tables(usize),
    /// Multiplicities of the lookup proof.
    LookupUses,
    /// Vectors, candidates, then the lanes of the state; columns are base field coordinates.
    Projections(usize),
}

/// A cell of a committed column.
#[derive(Clone, Copy, Debug)]
struct Cell {
    part: Part,
    column: usize,
    row: usize,
}

/// The columns of a part. Those of the candidates include the boundary of a split segment.
fn columns(witness: &mut SegmentWitness, part: Part) -> Vec<&mut Column> {
    match part {
        Part::StateBefore => witness.state_before.iter_mut().collect(),
        Part::StateAfter => witness.state_after.iter_mut().collect(),
        Part::Vectors => witness.vectors.iter_mut().collect(),
        Part::Candidates => candidate_columns_mut(witness),
        Part::State => witness.state.iter_mut().collect(),
        Part::Tables(group) => witness.tables[group].iter_mut().collect(),
        Part::LookupUses => witness.lookup.iter_mut().map(|it| &mut it.uses).collect(),
        Part::Projections(_) => unreachable!("projections are no part of the witness"),
    }
}

fn projection(projections: &mut Projections, index: usize) -> &mut [Vec<QM31>] {
    match index {
        0 => &mut projections.vectors,
        1 => &mut projections.candidates,
        lane => &mut projections.state[lane - 2],
    }
}

/// All parts with their numbers of columns and rows.
fn parts(honest: &mut Forged) -> Vec<(Part, usize, usize)> {
    let witness = &mut honest.witness;
    let tables = witness.tables.len();
    let mut parts = vec![
        Part::StateBefore,
        Part::StateAfter,
        Part::Vectors,
        Part::Candidates,
        Part::State,
    ];
    parts.extend((0..tables).map(Part::Tables));
    parts.extend(witness.lookup.iter().map(|_| Part::LookupUses));
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|part| {
            let columns = columns(witness, part);
            (part, columns.len(), columns[0].len())
        })
        .collect();
    for index in 0..2 + honest.projections.state.len() {
        let columns = projection(&mut honest.projections, index);
        parts.push((
            Part::Projections(index),
            4 * columns.len(),
            columns[0].len(),
        ));
    }
    parts
}

/// Writes a cell and says what stood there.
fn write(forged: &mut Forged, cell: Cell, value: impl FnOnce(M31) -> M31) -> M31 {
    let Cell { part, column, row } = cell;
    match part {
        Part::Projections(index) => {
            let element = &mut projection(&mut forged.projections, index)[column / 4][row];
            let mut coordinates = element.to_m31_array();
            let old = coordinates[column % 4];
            coordinates[column % 4] = value(old);
            *element = QM31::from_m31_array(coordinates);
            old
        }
        _ => {
            let entry = &mut columns(&mut forged.witness, part)[column][row];
            let old = *entry;
            *entry = value(old);
            // Both proofs of a split segment open the changed boundary.
            if let Some(lookup) = &mut forged.witness.lookup {
                lookup.boundary.clone_from(&forged.witness.boundary);
            }
            old
        }
    }
}

fn read(forged: &mut Forged, cell: Cell) -> M31 {
    write(forged, cell, |old| old)
}

/// Why a cell may hold anything; `None` for a cell that is held by the constraints.
fn free(case: &Case, forge: &Forge, cell: Cell, new: M31) -> Option<&'static str> {
    let layout = &case.layout;
    let preprocessed = |column: Preprocessed| column.column(layout, case.terms.weight_table());
    let is_padding = || preprocessed(Preprocessed::VectorActive)[cell.row] == M31::from(0);
    let rows = &forge.candidates;
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
    match (cell.part, cell.column) {
        (Part::Candidates, 0) => {
            let mask = layout.lane_offset(1) - 1;
            let (lane, row) = (
                new.0 as usize >> layout.log_rows().state,
                new.0 as usize & mask,
            );
            let is_first = preprocessed(Preprocessed::StateFirstPosition)[row] == M31::from(1);
            (is_alone(cell.row) && lane < layout.lanes() && is_first)
                .then_some("cache row of a row that no step needs: another first position")
        }
        (Part::Candidates, 3) => is_alone(cell.row)
            .then_some("maximum of a row that no step needs: nobody asks for its score"),
        (Part::Candidates, 6) => {
            let after = next(cell.row);
            let goes_on = rows[after].first == 0 && forge.gap(after) != 0;
            (forge.gap(cell.row) == 0 && rows[cell.row].last == 0 && !goes_on)
                .then_some("attained where the gap is zero and nothing after relies on it")
        }
        (Part::Vectors, 0) => {
            let remainder = forge.witness.vectors[1][cell.row];
            let complement = complement(centered(new.0), remainder);
            let is_small = (0..1 << forge.limb_bits()).contains(&complement);
            (is_padding() && is_narrow && is_small)
                .then_some("denominator of a padding row, above its remainder")
        }
        (Part::Vectors, 1) => {
            // The padding divides by one: both limbs stay in range.
            let exchanged = field(complement(1, new)) == forge.witness.vectors[1][cell.row];
            (is_padding() && is_narrow && exchanged)
                .then_some("remainder of a padding row, exchanged with its complement")
        }
        (Part::Projections(0), 0..=3) => {
            is_padding().then_some("projected key of a padding row, whose query is zero")
        }
        _ => None,
    }
}

impl Part {
    /// Whether a column says how often something is used.
    fn is_multiplicity(self, column: usize) -> bool {
        match self {
            Self::Tables(_) | Self::LookupUses => true,
            Self::State => column % 2 == 1,
            _ => false,
        }
    }
}

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
    if !cell.part.is_multiplicity(cell.column) {
        forged.refill(&Drop::Nothing);
    }
    forged
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
            forged: changed(&honest, cell, new),
            expect: free.map_or(Expect::Refused, Expect::Holds),
            follows: !cell.part.is_multiplicity(cell.column),
        })
    });
    std::iter::once(unchanged).chain(changed)
}

/// Number of reasons for which attempts hold.
const REASONS: usize = 7;

/// First, middle, last row of what is in use, first and last of the padding, some at random.
fn rows(case: &Case, forge: &Forge, part: Part, len: usize, rng: &mut Rng) -> Vec<usize> {
    let layout = &case.layout;
    let attention = layout.shape().attention();
    let dim = layout.head_dim();
    let used = match part {
        Part::StateBefore | Part::StateAfter | Part::State => {
            layout
                .state_row(0, case.steps.entries_after() - 1, dim - 1)
                .1
                + 1
        }
        Part::Projections(index) if index >= 2 => {
            layout
                .state_row(0, case.steps.entries_after() - 1, dim - 1)
                .1
                + 1
        }
        Part::Vectors | Part::Projections(0) => {
            layout.vector_row(attention.query_heads() - 1, case.steps.steps() - 1, dim - 1) + 1
        }
        Part::Candidates | Part::Projections(_) => forge.first_filler(),
        Part::Tables(_) | Part::LookupUses => len,
    };
    let mut rows = vec![0, used / 2, used - 1, used.min(len - 1), len - 1];
    rows.extend((0..3).map(|_| rng.below(len)));
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// All cells to be changed, with the values to write.
fn cells(case: &Arc<Case>, seed: u64) -> (Forge, Forged, Vec<(Cell, M31)>) {
    let forge = Forge::honest(case, seed);
    let mut honest = forge.clone().finish(&Drop::Nothing);
    let mut rng = Rng(seed);
    let mut cells = vec![];
    for (part, columns, len) in parts(&mut honest) {
        for column in 0..columns {
            for row in rows(case, &forge, part, len, &mut rng) {
                let cell = Cell { part, column, row };
                let old = read(&mut honest, cell);
                let random = M31::from_u32_unchecked((rng.next_u64() % u64::from(MODULUS)) as u32);
                let zero = M31::from(0);
                for new in [old + M31::from(1), zero, zero - M31::from(1), random] {
                    if new != old {
                        cells.push((cell, new));
                    }
                }
            }
        }
    }
    (forge, honest, cells)
}

/// Whether the states of a witness are caches that a prover can be given.
fn offered(case: &Case, forged: &Forged) -> bool {
    let steps = case.steps;
    let cache = |columns, entries| crate::world::cache_of(case, columns, entries).is_some();
    cache(&forged.witness.state_before, steps.entries_before())
        && cache(&forged.witness.state_after, steps.entries_after())
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
    let specs = [narrow(), wide(), unclipped(), split_narrow()].map(|spec| (spec, every));
    let edges = edges().into_iter().map(|spec| (spec, of_edges));
    for (index, (spec, every)) in specs.into_iter().chain(edges).enumerate() {
        let case = spec.case();
        let (forge, honest, cells) = cells(&case, recorder.seed + 10 + index as u64);
        for (cell, new) in cells.into_iter().step_by(every) {
            if matches!(cell.part, Part::Projections(_)) {
                continue;
            }
            let forged = changed(&honest, cell, new);
            // A state that is no cache of 16-bit numbers cannot be offered to the prover.
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

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, column, row } = self;
        write!(f, "{part:?} column {column} row {row}")
    }
}
