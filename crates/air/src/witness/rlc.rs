//! The RLC tree: random linear combinations, which depend on the RLC challenges, filled from the constraints.
//!
//! An RLC column is either a running sum, whose constraint says what it is, or it holds what another
//! component provides under a name, which a tuple says. Components are filled in the order in which
//! they depend on each other, for a witness that is honest or not.
use std::collections::HashMap;

use num_traits::{One, Zero};
use rayon::prelude::*;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE};
use stwo::prover::backend::simd::m31::{PackedBaseField, N_LANES};
use stwo::prover::backend::simd::qm31::PackedSecureField;
use stwo_constraint_framework::{EvalAtRow, InfoEvaluator};

use crate::circuit::Circuit;
use crate::column::{coordinates, Column};
use crate::harness::component::AnyConstraints;
use crate::harness::evaluator::{RowEvaluator, Rows};
use crate::harness::rlc::Place;
use crate::harness::row::{Observer, SumConstraint, CARRIED};
use crate::harness::trace::{ComponentTrace, PartTrace};
use crate::relation::RelationTag;

/// Names above this are nobody's: a relation's names are numbers of rows, or fewer.
const MAX_NAMES: usize = 1 << 27;

/// What is provided under each name of each relation that holds random linear combinations.
#[derive(Default)]
pub struct Provided(HashMap<RelationTag, Names>);

/// What is provided under each name of a relation.
#[derive(Default)]
struct Names(Vec<Option<Entry>>);

#[derive(Clone, Copy)]
struct Entry {
    value: QM31,
    is_provided: bool,
}

impl Names {
    /// Adds a value. What is provided zero times counts where nothing else has the name.
    fn add(&mut self, name: M31, value: QM31, is_provided: bool) {
        let (names, name) = (&mut self.0, name.0 as usize);
        if name >= MAX_NAMES {
            return;
        }
        if name >= names.len() {
            names.resize(name + 1, None);
        }
        if is_provided || !names[name].is_some_and(|entry| entry.is_provided) {
            names[name] = Some(Entry { value, is_provided });
        }
    }

    fn get(&self, name: M31) -> QM31 {
        let entry = self.0.get(name.0 as usize).copied().flatten();
        entry.map_or_else(QM31::zero, |entry| entry.value)
    }
}

impl Provided {
    fn of(&mut self, tag: RelationTag) -> &mut Names {
        self.0.entry(tag).or_default()
    }

    /// Adds a tuple, if it is one of a relation that holds random linear combinations.
    pub fn add_tuple(&mut self, tag: RelationTag, values: &[M31]) {
        if let Some(at) = tag.combined_at() {
            let value = core::array::from_fn(|index| values[at + index]);
            self.of(tag)
                .add(values[0], QM31::from_m31_array(value), true);
        }
    }
}

/// The RLC columns of a component: what they are.
#[derive(Default)]
struct Structure {
    received: Vec<(Place, RelationTag)>,
    sums: Vec<(Place, usize)>,
    /// Relations whose tuples the component states and does not receive.
    stated: Vec<RelationTag>,
}

impl Structure {
    fn of(constraints: &dyn AnyConstraints) -> Self {
        let mut structure = Self::default();
        constraints.observe_structure(&mut structure);
        let Self {
            received, stated, ..
        } = &mut structure;
        stated.retain(|tag| received.iter().all(|(_, other)| other != tag));
        structure
    }

    fn receives(&self, tag: RelationTag) -> bool {
        self.received.iter().any(|(_, other)| *other == tag)
    }
}

/// What stands for an element where only the structure is of interest.
type Counter = <InfoEvaluator as EvalAtRow>::F;

impl Observer<InfoEvaluator> for Structure {
    fn tuple(&mut self, tag: RelationTag, _times: &Counter, _values: &[Counter]) {
        self.stated.push(tag);
    }

    fn sum(&mut self, place: Place, distance: usize, _: &SumConstraint<'_, InfoEvaluator>) {
        self.sums.push((place, distance));
    }

    fn received(&mut self, place: Place, tag: RelationTag, _times: &Counter, _name: &Counter) {
        self.received.push((place, tag));
    }
}

/// Fills the RLC columns of a trace, given what the verifier itself provides.
///
/// # Panics
///
/// If components depend on each other in a circle: an error in the components.
pub fn fill(circuit: &Circuit, trace: &mut PartTrace, mut provided: Provided) {
    let PartTrace {
        preprocessed,
        components,
        ..
    } = trace;
    let mut open: Vec<_> = circuit
        .iter()
        .zip(components)
        .map(|(component, columns)| {
            let constraints = component.constraints();
            (Structure::of(constraints), constraints, columns)
        })
        .collect();
    while !open.is_empty() {
        let waits = |structure: &Structure| {
            let mut others = open.iter();
            others.any(|(other, ..)| other.stated.iter().any(|tag| structure.receives(*tag)))
        };
        let next = open.iter().position(|(structure, ..)| !waits(structure));
        let Some(next) = next else {
            panic!("components wait for each other's random linear combinations");
        };
        let (structure, constraints, columns) = open.remove(next);
        fill_received(&structure, constraints, preprocessed, columns, &provided);
        fill_sums(&structure, constraints, preprocessed, columns);
        let wanted: Vec<RelationTag> = structure.stated.into_iter().collect();
        let is_wanted = |tag: &RelationTag| open.iter().any(|(other, ..)| other.receives(*tag));
        let wanted: Vec<_> = wanted.into_iter().filter(is_wanted).collect();
        if !wanted.is_empty() {
            let rows = Rows::in_row_order(preprocessed, columns);
            let mut recorder = Recorder {
                wanted,
                provided: &mut provided,
            };
            for vector in 0..rows.vectors() {
                constraints.run(&mut rows.evaluator(vector), &mut recorder);
            }
        }
    }
}

/// Fills the columns that hold what other components provide.
fn fill_received(
    structure: &Structure,
    constraints: &dyn AnyConstraints,
    preprocessed: &[Column],
    columns: &mut ComponentTrace,
    provided: &Provided,
) {
    let count = structure.received.len();
    if count == 0 {
        return;
    }
    let rows = Rows::in_row_order(preprocessed, columns);
    let mut values = vec![QM31::zero(); count << columns.log_rows];
    values
        .par_chunks_mut(count * N_LANES)
        .enumerate()
        .with_min_len(16)
        .for_each(|(vector, values)| {
            let mut receiver = Receiver {
                provided,
                values: values.chunks_exact_mut(N_LANES),
            };
            constraints.run(&mut rows.evaluator(vector), &mut receiver);
        });
    for (index, (place, _)) in structure.received.iter().enumerate() {
        let of_column = values.chunks_exact(N_LANES).skip(index).step_by(count);
        let column: Vec<QM31> = of_column.flatten().copied().collect();
        set(columns, *place, &column);
    }
}

/// Writes what is received on sixteen rows, column after column.
struct Receiver<'a> {
    provided: &'a Provided,
    values: std::slice::ChunksExactMut<'a, QM31>,
}

impl Observer<RowEvaluator<'_>> for Receiver<'_> {
    fn sees_constraints(&self) -> bool {
        false
    }

    fn received(
        &mut self,
        _place: Place,
        tag: RelationTag,
        times: &PackedBaseField,
        name: &PackedBaseField,
    ) {
        let values = self.values.next().into_iter().flatten();
        let Some(names) = self.provided.0.get(&tag) else {
            return;
        };
        let lanes = times.to_array().into_iter().zip(name.to_array());
        for (value, (times, name)) in values.zip(lanes) {
            if !times.is_zero() {
                *value = names.get(name);
            }
        }
    }
}

/// Fills running sums: `factor * previous + term` on each row.
fn fill_sums(
    structure: &Structure,
    constraints: &dyn AnyConstraints,
    preprocessed: &[Column],
    columns: &mut ComponentTrace,
) {
    let count = structure.sums.len();
    if count == 0 {
        return;
    }
    let rows = Rows::in_row_order(preprocessed, columns);
    let mut steps = vec![[PackedSecureField::zero(); 2]; count * rows.vectors()];
    steps
        .par_chunks_mut(count)
        .enumerate()
        .with_min_len(16)
        .for_each(|(vector, steps)| {
            let mut summer = Summer(steps.iter_mut());
            constraints.run(&mut rows.evaluator(vector), &mut summer);
        });
    for (index, (place, distance)) in structure.sums.iter().enumerate() {
        let mut sums = vec![QM31::zero(); 1 << columns.log_rows];
        let of_sum = steps.iter().skip(index).step_by(count);
        for (vector, [factor, term]) in of_sum.enumerate() {
            let lanes = factor.to_array().into_iter().zip(term.to_array());
            for (row, (factor, term)) in Rows::rows_of(vector).zip(lanes) {
                // Rows are cyclic, but sums begin anew before they wrap around, or nobody reads them.
                sums[row] = match row.checked_sub(*distance) {
                    Some(before) => sums[before] * factor + term,
                    None => term,
                };
            }
        }
        set(columns, *place, &sums);
    }
}

/// Takes the constraints of sums apart on sixteen rows, sum after sum.
struct Summer<'a>(std::slice::IterMut<'a, [PackedSecureField; 2]>);

impl Observer<RowEvaluator<'_>> for Summer<'_> {
    fn sees_constraints(&self) -> bool {
        false
    }

    fn sum(&mut self, _: Place, _: usize, constraint: &SumConstraint<'_, RowEvaluator<'_>>) {
        let zero = PackedSecureField::zero();
        let negative_term = constraint(zero, zero);
        let negative_both = constraint(zero, PackedSecureField::one());
        if let Some(step) = self.0.next() {
            *step = [negative_term - negative_both, -negative_term];
        }
    }
}

/// Records the random linear combinations that a component provides.
struct Recorder<'a> {
    wanted: Vec<RelationTag>,
    provided: &'a mut Provided,
}

impl Observer<RowEvaluator<'_>> for Recorder<'_> {
    fn sees_constraints(&self) -> bool {
        false
    }

    fn tuple(&mut self, tag: RelationTag, times: &PackedBaseField, values: &[PackedBaseField]) {
        let (Some(at), true) = (tag.combined_at(), self.wanted.contains(&tag)) else {
            return;
        };
        let coordinates: [_; SECURE_EXTENSION_DEGREE] =
            core::array::from_fn(|index| values[at + index].to_array());
        let of_tag = self.provided.of(tag);
        let names = values[0].to_array().into_iter().zip(times.to_array());
        for (lane, (name, times)) in names.enumerate() {
            let value = QM31::from_m31_array(coordinates.map(|coordinate| coordinate[lane]));
            of_tag.add(name, value, !times.is_zero());
        }
    }
}

/// Sets the four columns of a random linear combination.
fn set(columns: &mut ComponentTrace, place: Place, values: &[QM31]) {
    let carried = columns.columns.iter_mut();
    let carried = carried.filter(|column| column.read.interaction == CARRIED);
    for (column, entries) in carried.skip(place.first()).zip(coordinates(values)) {
        column.entries = Some(entries);
    }
}
