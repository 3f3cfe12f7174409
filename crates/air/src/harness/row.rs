//! How a component reads its row and states its constraints.
//!
//! [`Row`] wraps the library's evaluator. It gives every column and every constraint a name, and lets an
//! observer see what is read and stated, which is how columns are routed to trees, random linear combinations
//! and use counts are filled, witnesses are checked and descriptions are made, without a second copy of
//! anything.
use core::ops::Mul;

use stwo::core::fields::m31::M31;
use stwo_constraint_framework::{
    EvalAtRow, FrameworkEval, RelationEntry, INTERACTION_TRACE_IDX, ORIGINAL_TRACE_IDX,
};

use super::rlc::{Extension, Place, RunningSum};
use crate::challenges::{Challenges, RlcChallenges};
use crate::preprocessed::decoder::DecoderSelector;
use crate::preprocessed::Preprocessed;
use crate::relation::{Elements, RelationTag, TaggedRelation, Tuple};
use crate::trees::Tree;

/// The framework's interaction that holds a component's witness columns.
pub const WITNESS: usize = ORIGINAL_TRACE_IDX;
/// The framework's interaction that holds a component's LogUp columns.
pub const LOOKUPS: usize = INTERACTION_TRACE_IDX;
/// The framework's interaction for all other columns: public, random linear combinations, ports.
pub const CARRIED: usize = 3;

/// Where a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// In a commitment tree.
    Tree(Tree),
    /// In no tree: the verifier knows every entry.
    Public,
}

/// A column that a component reads, the preprocessed and the LogUp ones apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnRead {
    /// Its name: unique within a component, but for lanes and the two sides of a state.
    pub name: &'static str,
    /// Where it stands.
    pub source: Source,
    /// The framework's interaction, [`WITNESS`] or [`CARRIED`].
    pub interaction: usize,
}

/// A constant as an expression.
pub fn constant<E: EvalAtRow>(value: u32) -> E::F {
    E::F::from(M31::from_u32_unchecked(value))
}

/// A constraint that says what the current value of a running sum is, given that and the value before:
/// `current - factor * previous - term`, where factor and term depend on neither.
pub type SumConstraint<'c, E> =
    dyn Fn(<E as EvalAtRow>::EF, <E as EvalAtRow>::EF) -> <E as EvalAtRow>::EF + 'c;

/// Sees what a component reads and states.
pub trait Observer<E: EvalAtRow> {
    /// A preprocessed column is read.
    fn preprocessed(&mut self, _column: Preprocessed) {}
    /// Another column is read.
    fn column(&mut self, _column: ColumnRead) {}
    /// Whether it sees constraints; if not, those of running sums are not evaluated for it.
    fn sees_constraints(&self) -> bool {
        true
    }
    /// A constraint of this name follows.
    fn constraint(&mut self, _name: &'static str, _value: E::EF) {}
    /// A tuple enters a relation.
    fn tuple(&mut self, _tag: RelationTag, _multiplicity: &E::F, _values: &[E::F]) {}
    /// The next constraint says what a running sum is, whose value before stands `distance` rows before.
    fn sum(&mut self, _place: Place, _distance: usize, _constraint: &SumConstraint<'_, E>) {}
    /// The next tuple, of this relation, holds a random linear combination that another component provides:
    /// that of this name. What the column holds where the multiplicity is zero does not matter.
    fn received(&mut self, _place: Place, _tag: RelationTag, _times: &E::F, _name: &E::F) {}
}

/// A row of a component under some evaluator, to which constraints and tuples go, or under an observer, who
/// sees them in its place.
pub struct Row<'a, E: EvalAtRow> {
    eval: &'a mut E,
    challenges: &'a Challenges,
    observer: Option<&'a mut (dyn Observer<E> + 'a)>,
    carried: usize,
}

impl<'a, E: EvalAtRow> Row<'a, E> {
    fn new(
        eval: &'a mut E,
        challenges: &'a Challenges,
        observer: Option<&'a mut (dyn Observer<E> + 'a)>,
    ) -> Self {
        Self {
            eval,
            challenges,
            observer,
            carried: 0,
        }
    }

    /// Points of the random linear combinations.
    pub fn rlc(&self) -> &'a RlcChallenges {
        &self.challenges.rlc
    }

    /// A preprocessed column.
    pub fn preprocessed(&mut self, column: Preprocessed) -> E::F {
        if let Some(observer) = &mut self.observer {
            observer.preprocessed(column);
        }
        self.eval.get_preprocessed_column(column.id())
    }

    /// A preprocessed column of the decoder.
    pub fn decoder(&mut self, selector: DecoderSelector) -> E::F {
        self.preprocessed(Preprocessed::Decoder(selector))
    }

    /// The next witness column at this row.
    pub fn witness(&mut self, name: &'static str) -> E::F {
        let [value] = self.read(name, Source::Tree(Tree::Witness), WITNESS, [0]);
        value
    }

    /// The next witness column some rows before and at this one.
    pub fn witness_before(&mut self, name: &'static str, rows: usize) -> [E::F; 2] {
        let offsets = [-offset(rows), 0];
        self.read(name, Source::Tree(Tree::Witness), WITNESS, offsets)
    }

    /// The next column of a tree, or public column, at this row, besides the witness columns.
    pub fn carried(&mut self, name: &'static str, source: Source) -> E::F {
        let [value] = self.read(name, source, CARRIED, [0]);
        value
    }

    /// The next RLC column at this row.
    pub fn extension(&mut self, name: &'static str) -> Extension<E> {
        let place = Place(self.carried);
        let tree = Source::Tree(Tree::Rlc);
        Extension::new(place, core::array::from_fn(|_| self.carried(name, tree)))
    }

    /// The next RLC column, a running sum, some rows before and at this one.
    pub fn running_sum(&mut self, name: &'static str, distance: usize) -> RunningSum<E> {
        let place = Place(self.carried);
        let (tree, offsets) = (Source::Tree(Tree::Rlc), [-offset(distance), 0]);
        let pairs: [[E::F; 2]; 4] =
            core::array::from_fn(|_| self.read(name, tree, CARRIED, offsets));
        RunningSum {
            distance,
            previous: E::combine_ef(pairs.clone().map(|[previous, _]| previous)),
            current: Extension::new(place, pairs.map(|[_, current]| current)),
        }
    }

    fn read<const N: usize>(
        &mut self,
        name: &'static str,
        source: Source,
        interaction: usize,
        offsets: [isize; N],
    ) -> [E::F; N] {
        if let Some(observer) = &mut self.observer {
            observer.column(ColumnRead {
                name,
                source,
                interaction,
            });
        }
        self.carried += usize::from(interaction == CARRIED);
        self.eval.next_interaction_mask(interaction, offsets)
    }

    /// States that `expression` is zero on every row. Degree at most 3.
    pub fn constrain<G>(&mut self, name: &'static str, expression: G)
    where
        E::EF: Mul<G, Output = E::EF> + From<G>,
    {
        match &mut self.observer {
            Some(observer) => observer.constraint(name, E::EF::from(expression)),
            None => self.eval.add_constraint(expression),
        }
    }

    /// States what a running sum is, by a constraint on its current value and the value before: `current -
    /// factor * previous - term`, where factor and term may depend on all columns but other running sums. The
    /// prover fills the column from it.
    pub fn accumulate(
        &mut self,
        name: &'static str,
        sum: RunningSum<E>,
        constraint: impl Fn(E::EF, E::EF) -> E::EF,
    ) -> Extension<E> {
        let RunningSum {
            distance,
            previous,
            current,
        } = sum;
        if let Some(observer) = &mut self.observer {
            observer.sum(current.place, distance, &constraint);
            if !observer.sees_constraints() {
                return current;
            }
        }
        self.constrain(name, constraint(current.value.clone(), previous));
        current
    }

    /// Requires a tuple once.
    pub fn require(&mut self, tuple: impl Tuple<E::F>) {
        self.require_times(constant::<E>(1), tuple);
    }

    /// Requires a tuple `multiplicity` times; negative multiplicities provide it.
    pub fn require_times<T: Tuple<E::F>>(&mut self, multiplicity: E::F, tuple: T) {
        self.tuple(T::TAG, multiplicity, &tuple.elements());
    }

    /// Requires a tuple whose combined value is what another component provides under the tuple's first
    /// element. The prover fills the column with it.
    pub fn receive_times<T: Tuple<E::F>>(&mut self, multiplicity: E::F, place: Place, tuple: T) {
        let elements = tuple.elements();
        if let Some(observer) = &mut self.observer {
            observer.received(place, T::TAG, &multiplicity, &elements[0]);
        }
        self.tuple(T::TAG, multiplicity, &elements);
    }

    /// Provides a tuple `multiplicity` times.
    pub fn provide_times(&mut self, multiplicity: E::F, tuple: impl Tuple<E::F>) {
        self.require_times(-multiplicity, tuple);
    }

    fn tuple(&mut self, tag: RelationTag, multiplicity: E::F, elements: &Elements<E::F>) {
        if let Some(observer) = &mut self.observer {
            observer.tuple(tag, &multiplicity, elements);
            return;
        }
        let relation = TaggedRelation {
            tag,
            challenges: &self.challenges.lookup,
        };
        self.eval.add_to_relation(RelationEntry::new(
            &relation,
            E::EF::from(multiplicity),
            elements,
        ));
    }

    /// Ends the row: the LogUp constraints over all tuples, two to a column.
    fn finish(self) {
        if self.observer.is_none() {
            self.eval.finalize_logup_in_pairs();
        }
    }
}

/// A distance in rows as an offset.
fn offset(rows: usize) -> isize {
    isize::try_from(rows).unwrap_or(isize::MAX)
}

/// A component's constraints.
pub trait Constraints {
    /// Name of the component.
    fn name(&self) -> &'static str;

    /// Log of the number of rows.
    fn log_rows(&self) -> u32;

    /// Reads the columns in order and states the constraints.
    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>);
}

/// The library's view of a component: constraints of degree at most 3.
#[derive(Clone, Debug)]
pub struct Evaluator<C> {
    /// The component.
    pub constraints: C,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl<C: Constraints> Evaluator<C> {
    /// Reads a row, and shows an observer what it states.
    pub fn observe<E: EvalAtRow>(&self, eval: &mut E, observer: &mut dyn Observer<E>) {
        self.run(eval, Some(observer));
    }

    fn run<'a, E: EvalAtRow>(
        &'a self,
        eval: &'a mut E,
        observer: Option<&'a mut (dyn Observer<E> + 'a)>,
    ) {
        let mut row = Row::new(eval, &self.challenges, observer);
        self.constraints.state(&mut row);
        row.finish();
    }
}

impl<C: Constraints> FrameworkEval for Evaluator<C> {
    fn log_size(&self) -> u32 {
        self.constraints.log_rows()
    }

    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.constraints.log_rows() + 1
    }

    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        self.run(&mut eval, None);
        eval
    }
}

/// How the constraints of the components become what the library evaluates.
///
/// Provers and verifiers have one system, [`AsStated`]. The trait is there for attacks on systems that
/// lack something, which show that nothing can be left out.
pub trait System {
    /// What the constraints of a component become.
    type Of<C: Constraints + Clone + Send + Sync + 'static>: FrameworkEval + Send + Sync + 'static;

    /// The evaluation of a component, by its place among those of its proof.
    fn component<C: Constraints + Clone + Send + Sync + 'static>(
        &self,
        place: usize,
        whole: Evaluator<C>,
    ) -> Self::Of<C>;
}

/// The system in which every constraint and every tuple is as the components state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsStated;

impl System for AsStated {
    type Of<C: Constraints + Clone + Send + Sync + 'static> = Evaluator<C>;

    fn component<C: Constraints + Clone + Send + Sync + 'static>(
        &self,
        _place: usize,
        whole: Evaluator<C>,
    ) -> Evaluator<C> {
        whole
    }
}
