//! Components that lack something: where it stood is a constraint that says nothing, or a tuple that is
//! stated zero times, so that all columns and coefficients stay where they are. (The library does not
//! know components without any constraint.)
use std::ops::Mul;

use matchmark_air::harness::row::{Constraints, Evaluator, Observer, System, LOOKUPS};
use matchmark_air::relation::RelationTag;
use num_traits::{One, Zero};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE};
use stwo::core::Fraction;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::{EvalAtRow, FrameworkEval, InfoEvaluator};

use crate::checker::Drop;

/// The components of one proof, without what `drop` leaves out. As long as there are no claimed sums, and so
/// no LogUp column that a constraint could be about, nothing of those constraints is left out.
pub struct Reduced<'a> {
    drop: &'a Drop,
    /// Components of the proofs before this one, from which `drop` counts on.
    first: usize,
    /// One claimed sum a component.
    claimed_sums: &'a [QM31],
}

impl<'a> Reduced<'a> {
    pub fn new(drop: &'a Drop, first: usize, claimed_sums: &'a [QM31]) -> Self {
        Self {
            drop,
            first,
            claimed_sums,
        }
    }
}

/// What is left out of one component.
#[derive(Clone, Debug, Default)]
struct Omission {
    constraint: Option<usize>,
    tuples: Vec<usize>,
    /// A constraint on LogUp columns, and the component's claimed sum by the number of rows.
    sum: Option<(usize, QM31)>,
}

/// A component without what is left out of it.
#[derive(Clone, Debug)]
pub struct Lacking<C> {
    whole: Evaluator<C>,
    omission: Omission,
}

/// The relations of the tuples of a row, in order.
#[derive(Default)]
struct Tags(Vec<RelationTag>);

impl<E: EvalAtRow> Observer<E> for Tags {
    fn tuple(&mut self, tag: RelationTag, _multiplicity: &E::F, _values: &[E::F]) {
        self.0.push(tag);
    }
}

impl System for Reduced<'_> {
    type Of<C: Constraints + Clone + Send + Sync + 'static> = Lacking<C>;

    fn component<C: Constraints + Clone + Send + Sync + 'static>(
        &self,
        place: usize,
        whole: Evaluator<C>,
    ) -> Lacking<C> {
        let mut omission = Omission::default();
        let here = |component: usize| component == self.first + place;
        match *self.drop {
            Drop::Constraint { component, index } if here(component) => {
                omission.constraint = Some(index);
            }
            Drop::Tuple { component, index } if here(component) => omission.tuples.push(index),
            Drop::Relation(tag) => {
                let mut tags = Tags::default();
                whole.observe(&mut InfoEvaluator::empty(), &mut tags);
                let places = tags.0.into_iter().enumerate();
                omission.tuples = places
                    .filter(|(_, other)| *other == tag)
                    .map(|(index, _)| index)
                    .collect();
            }
            Drop::Sum { component, index } if here(component) => {
                let rows = M31::from_u32_unchecked(1 << whole.log_size());
                let sum = self.claimed_sums.get(place);
                omission.sum = sum.map(|sum| (index, *sum / rows));
            }
            Drop::Nothing
            | Drop::Constraint { .. }
            | Drop::Tuple { .. }
            | Drop::Sum { .. }
            | Drop::Balance
            | Drop::Pairs
            | Drop::Work(_) => {}
        }
        Lacking { whole, omission }
    }
}

impl<C: Constraints> FrameworkEval for Lacking<C> {
    fn log_size(&self) -> u32 {
        self.whole.log_size()
    }

    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.whole.max_constraint_log_degree_bound()
    }

    fn evaluate<E: EvalAtRow>(&self, eval: E) -> E {
        let filter = Filter {
            eval,
            omission: &self.omission,
            constraints: 0,
            tuples: 0,
            fractions: vec![],
        };
        self.whole.evaluate(filter).eval
    }
}

/// An evaluator that passes on everything but what is left out.
struct Filter<'a, E: EvalAtRow> {
    eval: E,
    omission: &'a Omission,
    constraints: usize,
    tuples: usize,
    /// The fractions of all tuples, where a constraint on LogUp columns is left out.
    fractions: Vec<Fraction<E::EF, E::EF>>,
}

impl<E: EvalAtRow> Filter<'_, E> {
    /// What stands in the place of a constraint that is left out: zero is zero.
    fn say_nothing(&mut self) {
        self.eval.add_constraint(E::EF::zero());
    }
}

impl<E: EvalAtRow> EvalAtRow for Filter<'_, E> {
    type F = E::F;
    type EF = E::EF;

    fn next_interaction_mask<const N: usize>(
        &mut self,
        interaction: usize,
        offsets: [isize; N],
    ) -> [Self::F; N] {
        self.eval.next_interaction_mask(interaction, offsets)
    }

    fn get_preprocessed_column(&mut self, column: PreProcessedColumnId) -> Self::F {
        self.eval.get_preprocessed_column(column)
    }

    fn add_constraint<G>(&mut self, constraint: G)
    where
        Self::EF: Mul<G, Output = Self::EF> + From<G>,
    {
        match self.omission.constraint == Some(self.constraints) {
            true => self.say_nothing(),
            false => self.eval.add_constraint(constraint),
        }
        self.constraints += 1;
    }

    fn combine_ef(values: [Self::F; SECURE_EXTENSION_DEGREE]) -> Self::EF {
        E::combine_ef(values)
    }

    fn write_logup_frac(&mut self, mut fraction: Fraction<Self::EF, Self::EF>) {
        if self.omission.tuples.contains(&self.tuples) {
            fraction.numerator = Self::EF::zero();
        }
        self.tuples += 1;
        match self.omission.sum {
            None => self.eval.write_logup_frac(fraction),
            Some(_) => self.fractions.push(fraction),
        }
    }

    /// The library's constraints on the LogUp columns; its own code, where none of them is left out.
    fn finalize_logup_in_pairs(&mut self) {
        let Some((omitted, share)) = self.omission.sum else {
            self.eval.finalize_logup_in_pairs();
            return;
        };
        let fractions = core::mem::take(&mut self.fractions);
        let columns = fractions.len().div_ceil(2);
        let mut before = Self::EF::zero();
        for (index, pair) in fractions.chunks(2).enumerate() {
            // Each column adds its pair to the column before; the last one adds up the rows as well,
            // less an equal share of the claimed sum a row.
            let step = if index + 1 < columns {
                let [sum] = self.eval.next_extension_interaction_mask(LOOKUPS, [0]);
                let step = sum.clone() - before;
                before = sum;
                step
            } else {
                let [last_row, sum] = self.eval.next_extension_interaction_mask(LOOKUPS, [-1, 0]);
                sum - last_row - before.clone() + share
            };
            let (numerator, denominator) = add(pair);
            match index == omitted {
                true => self.say_nothing(),
                false => self.eval.add_constraint(step * denominator - numerator),
            }
        }
    }
}

/// The sum of one fraction, or of two.
fn add<T: Clone + One + Zero>(pair: &[Fraction<T, T>]) -> (T, T) {
    let start = (T::zero(), T::one());
    pair.iter().fold(start, |(numerator, denominator), next| {
        let sum =
            numerator * next.denominator.clone() + next.numerator.clone() * denominator.clone();
        (sum, denominator * next.denominator.clone())
    })
}
