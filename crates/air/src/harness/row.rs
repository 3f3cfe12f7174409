//! How a component reads its row and states its constraints.
//!
//! [`Row`] wraps the library's evaluator. It gives every constraint a name, and lets an observer see
//! the constraints and the tuples, which is how the mock checker and the pinned descriptions work
//! without a second copy of the constraints.
use core::ops::Mul;

use stwo::core::fields::m31::M31;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::{
    EvalAtRow, FrameworkEval, RelationEntry, INTERACTION_TRACE_IDX, ORIGINAL_TRACE_IDX,
};

use crate::challenges::LookupChallenges;
use crate::decoder::selectors::DecoderSelector;
use crate::preprocessed::Preprocessed;
use crate::relation::{RelationTag, TaggedRelation};

/// The framework's interaction that holds a component's witness columns.
pub const WITNESS: usize = ORIGINAL_TRACE_IDX;
/// The framework's interaction that holds a component's LogUp columns.
pub const LOOKUPS: usize = INTERACTION_TRACE_IDX;
/// The framework's interaction for all other columns: public, projections, state.
pub const CARRIED: usize = 3;

/// A constant as an expression.
pub fn constant<E: EvalAtRow>(value: u32) -> E::F {
    E::F::from(M31::from_u32_unchecked(value))
}

/// Sees what a component states.
pub trait Observer<E: EvalAtRow> {
    /// A constraint of this name follows.
    fn constraint(&mut self, _name: &'static str, _value: E::EF) {}
    /// A tuple enters a relation.
    fn tuple(&mut self, _tag: RelationTag, _multiplicity: &E::F, _values: &[E::F]) {}
}

/// A row of a component under some evaluator.
pub struct Row<'a, E: EvalAtRow> {
    eval: &'a mut E,
    observer: Option<&'a mut dyn Observer<E>>,
}

impl<'a, E: EvalAtRow> Row<'a, E> {
    /// A row that nobody watches.
    pub fn new(eval: &'a mut E) -> Self {
        Self {
            eval,
            observer: None,
        }
    }

    /// A row whose constraints and tuples an observer sees as well.
    pub fn observed(eval: &'a mut E, observer: &'a mut dyn Observer<E>) -> Self {
        Self {
            eval,
            observer: Some(observer),
        }
    }

    /// A preprocessed column.
    pub fn preprocessed(&mut self, id: PreProcessedColumnId) -> E::F {
        self.eval.get_preprocessed_column(id)
    }

    /// The next witness column at this row.
    pub fn witness(&mut self) -> E::F {
        self.eval.next_trace_mask()
    }

    /// The next witness column at the row before and at this one.
    pub fn witness_pair(&mut self) -> [E::F; 2] {
        self.eval.next_interaction_mask(WITNESS, [-1, 0])
    }

    /// The next witness column some rows before and at this one.
    pub fn witness_before(&mut self, rows: usize) -> [E::F; 2] {
        let offset = isize::try_from(rows).unwrap_or(isize::MAX);
        self.eval.next_interaction_mask(WITNESS, [-offset, 0])
    }

    /// A preprocessed column of the decoder.
    pub fn decoder(&mut self, selector: DecoderSelector) -> E::F {
        self.preprocessed(Preprocessed::Decoder(selector).id())
    }

    /// The next public, projection or state column at some offsets.
    pub fn carried<const N: usize>(&mut self, offsets: [isize; N]) -> [E::F; N] {
        self.eval.next_interaction_mask(CARRIED, offsets)
    }

    /// States that `expression` is zero on every row. Degree at most 3.
    pub fn constrain<G>(&mut self, name: &'static str, expression: G)
    where
        G: Clone,
        E::EF: Mul<G, Output = E::EF> + From<G>,
    {
        if let Some(observer) = &mut self.observer {
            observer.constraint(name, E::EF::from(expression.clone()));
        }
        self.eval.add_constraint(expression);
    }

    /// Requires a tuple once.
    pub fn require(&mut self, lookups: &LookupChallenges, tag: RelationTag, values: &[E::F]) {
        self.require_times(lookups, tag, constant::<E>(1), values);
    }

    /// Requires a tuple `multiplicity` times; negative multiplicities provide it.
    pub fn require_times(
        &mut self,
        lookups: &LookupChallenges,
        tag: RelationTag,
        multiplicity: E::F,
        values: &[E::F],
    ) {
        if let Some(observer) = &mut self.observer {
            observer.tuple(tag, &multiplicity, values);
        }
        let relation = TaggedRelation {
            tag,
            challenges: lookups,
        };
        self.eval.add_to_relation(RelationEntry::new(
            &relation,
            E::EF::from(multiplicity),
            values,
        ));
    }

    /// Provides a tuple `multiplicity` times.
    pub fn provide_times(
        &mut self,
        lookups: &LookupChallenges,
        tag: RelationTag,
        multiplicity: E::F,
        values: &[E::F],
    ) {
        self.require_times(lookups, tag, -multiplicity, values);
    }

    /// Ends the row: the LogUp constraints over all tuples, two to a column.
    fn finish(self) {
        self.eval.finalize_logup_in_pairs();
    }
}

/// A component's constraints.
pub trait Constraints {
    /// Log of the number of rows.
    fn log_rows(&self) -> u32;

    /// Reads the columns in order and states the constraints.
    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>);

    /// Runs [`Self::state`] under an observer, LogUp constraints included.
    fn observe<E: EvalAtRow>(&self, eval: &mut E, observer: &mut dyn Observer<E>) {
        let mut row = Row::observed(eval, observer);
        self.state(&mut row);
        row.finish();
    }
}

/// The library's view of a component: constraints of degree at most 3.
#[derive(Clone, Debug)]
pub struct Evaluator<C>(pub C);

impl<C: Constraints> FrameworkEval for Evaluator<C> {
    fn log_size(&self) -> u32 {
        self.0.log_rows()
    }

    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.0.log_rows() + 1
    }

    fn evaluate<E: EvalAtRow>(&self, mut eval: E) -> E {
        let mut row = Row::new(&mut eval);
        self.0.state(&mut row);
        row.finish();
        eval
    }
}

/// How the constraints of the components become what the library evaluates.
///
/// Provers and verifiers have one system, [`AsStated`]. The trait is there for attacks on systems that
/// lack something, which show that nothing can be left out.
pub trait System {
    /// What the constraints of a component become.
    type Of<C: Constraints + Sync>: FrameworkEval + Sync;

    /// The evaluation of a component, by its place among those of its proof.
    fn component<C: Constraints + Sync>(&self, place: usize, constraints: C) -> Self::Of<C>;
}

/// The system in which every constraint and every tuple is as the components state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsStated;

impl System for AsStated {
    type Of<C: Constraints + Sync> = Evaluator<C>;

    fn component<C: Constraints + Sync>(&self, _place: usize, constraints: C) -> Evaluator<C> {
        Evaluator(constraints)
    }
}
