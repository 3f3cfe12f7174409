//! The mock checker: constraints and relations over a witness, row by row, without a proof.
//!
//! It runs the constraints themselves, under an evaluator over plain field elements, and names the
//! first constraint and row that fail, or the tuples of a relation that do not cancel. The LogUp
//! columns play no part: a relation is compared as a multiset.
use std::collections::HashMap;
use std::fmt;

use matchmark_statement::{Cut, ProofPart};
use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::prover::backend::simd::m31::PackedBaseField;
use stwo::prover::backend::simd::qm31::PackedSecureField;

use crate::challenges::RlcChallenges;
use crate::circuit::Circuit;
use crate::harness::evaluator::{RowEvaluator, Rows};
use crate::harness::row::Observer;
use crate::layout::SegmentLayout;
use crate::relation::RelationTag;
use crate::trees::Tree;
use crate::witness::{PartTrace, SegmentWitness};

/// What the mock checker found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MockFailure {
    /// A constraint is not zero.
    #[error("{component}, row {row}: constraint \"{constraint}\" does not hold")]
    Constraint {
        /// Name of the component.
        component: &'static str,
        /// The first row on which the constraint fails.
        row: usize,
        /// Name of the constraint.
        constraint: &'static str,
    },
    /// A tuple is required more often than it is provided, or the other way round.
    #[error("relation \"{}\": tuple {tuple:?} is left {times} times; {origin}", relation.name())]
    Relation {
        /// Which relation.
        relation: RelationTag,
        /// The values of the first such tuple, each as the integer nearest to zero.
        tuple: Vec<i64>,
        /// Requirements less provisions.
        times: i64,
        /// The first row that names the tuple.
        origin: Origin,
    },
    /// The two proofs of a split segment do not share their pairs.
    #[error("pairs: the columns of the lookup proof are not those of the arithmetic proof")]
    Pairs,
}

impl MockFailure {
    /// Name of the constraint or relation.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constraint { constraint, .. } => constraint,
            Self::Relation { relation, .. } => relation.name(),
            Self::Pairs => "pairs",
        }
    }
}

/// A row of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the component.
    pub component: &'static str,
    /// Its row.
    pub row: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "first named by {}, row {}", self.component, self.row)
    }
}

/// Tuples that do not cancel yet: net multiplicity and origin.
type Open = HashMap<(RelationTag, Vec<M31>), (M31, Origin)>;

/// Collects what fails on sixteen rows of a component.
struct Checker<'a> {
    component: &'static str,
    vector: usize,
    failures: &'a mut Vec<MockFailure>,
    open: &'a mut Open,
}

impl Observer<RowEvaluator<'_>> for Checker<'_> {
    fn constraint(&mut self, name: &'static str, value: PackedSecureField) {
        let component = self.component;
        let seen = |failure: &MockFailure| {
            matches!(failure, MockFailure::Constraint { component: c, constraint, .. }
                if *c == component && *constraint == name)
        };
        if value.is_zero() || self.failures.iter().any(seen) {
            return;
        }
        let values = value.to_array();
        let first = Rows::rows_of(self.vector)
            .zip(values)
            .find(|(_, value)| !value.is_zero());
        if let Some((row, _)) = first {
            self.failures.push(MockFailure::Constraint {
                component,
                row,
                constraint: name,
            });
        }
    }

    fn tuple(&mut self, tag: RelationTag, times: &PackedBaseField, values: &[PackedBaseField]) {
        let values: Vec<_> = values.iter().map(|value| value.to_array()).collect();
        let rows = Rows::rows_of(self.vector).zip(times.to_array());
        for (lane, (row, times)) in rows.enumerate() {
            if times.is_zero() {
                continue;
            }
            let origin = Origin {
                component: self.component,
                row,
            };
            let values = values.iter().map(|value| value[lane]).collect();
            let (net, _) = self
                .open
                .entry((tag, values))
                .or_insert((M31::zero(), origin));
            *net += times;
        }
    }
}

/// Checks the components of a proof.
fn check_part(
    circuit: &Circuit,
    trace: &PartTrace,
    failures: &mut Vec<MockFailure>,
    open: &mut Open,
) {
    for (component, columns) in circuit.iter().zip(&trace.components) {
        let rows = Rows::in_row_order(&trace.preprocessed, columns);
        for vector in 0..rows.vectors() {
            let mut checker = Checker {
                component: component.name(),
                vector,
                failures,
                open,
            };
            component
                .constraints()
                .run(&mut rows.evaluator(vector), &mut checker);
        }
    }
}

/// Checks a witness: all constraints, then all relations.
///
/// The random linear combinations are those of the witness at fixed points; a verifier draws them at random.
///
/// # Errors
///
/// The first [`MockFailure`], components in order.
pub fn check(layout: &SegmentLayout, witness: &SegmentWitness) -> Result<(), MockFailure> {
    let trace = witness.combine(layout, RlcChallenges::structural());
    let mut failures = failures(layout, witness, &trace);
    if failures.is_empty() {
        return Ok(());
    }
    Err(failures.swap_remove(0))
}

/// Everything that fails: each constraint once, with its first row, then each relation once, with its first
/// tuple; then the same for the lookup proof of a split segment. `trace` is that of the witness with its
/// random linear combinations, which are taken as they are given; an honest prover has them from
/// [`SegmentWitness::combine`] at [`RlcChallenges::structural`].
pub fn failures(
    layout: &SegmentLayout,
    witness: &SegmentWitness,
    trace: &PartTrace,
) -> Vec<MockFailure> {
    let challenges = RlcChallenges::structural();
    let (mut failures, mut open) = (Vec::new(), Open::new());
    let circuit = witness.circuit(layout, challenges);
    check_part(&circuit, trace, &mut failures, &mut open);
    for (tag, values, times) in witness.public_tuples(layout, challenges) {
        let origin = Origin {
            component: "tokens",
            row: values[0].0 as usize,
        };
        let (net, _) = open.entry((tag, values)).or_insert((M31::zero(), origin));
        *net += times;
    }
    failures.extend(unbalanced(open));
    failures.extend(pairs_failure(layout, witness));
    if let Some(lookup) = &witness.lookup {
        let mut open = Open::new();
        let circuit = Circuit::structural(layout, ProofPart::Lookup);
        check_part(&circuit, lookup, &mut failures, &mut open);
        failures.extend(unbalanced(open));
    }
    failures
}

/// The two proofs of a split segment open one tree: their columns are the same.
fn pairs_failure(layout: &SegmentLayout, witness: &SegmentWitness) -> Option<MockFailure> {
    let shared = match layout.cut() {
        Cut::Fused => witness.lookup.is_none(),
        Cut::Split => {
            let lookup = witness.lookup.as_ref();
            lookup.is_some_and(|lookup| lookup.tree(Tree::Pairs) == witness.main.tree(Tree::Pairs))
        }
    };
    (!shared).then_some(MockFailure::Pairs)
}

/// For each relation that does not cancel, its first tuple by origin.
fn unbalanced(open: Open) -> Vec<MockFailure> {
    let mut left: Vec<_> = open
        .into_iter()
        .filter(|(_, (net, _))| !net.is_zero())
        .map(|((tag, values), (net, origin))| (tag, origin.component, origin.row, values, net))
        .collect();
    left.sort_by_key(|(tag, component, row, values, _)| {
        let values: Vec<u32> = values.iter().map(|value| value.0).collect();
        (*tag, *component, *row, values)
    });
    left.dedup_by_key(|(tag, ..)| *tag);
    left.into_iter()
        .map(
            |(relation, component, row, tuple, net)| MockFailure::Relation {
                relation,
                tuple: tuple
                    .iter()
                    .map(|value| matchmark_quant::centered(value.0))
                    .collect(),
                times: matchmark_quant::centered(net.0),
                origin: Origin { component, row },
            },
        )
        .collect()
}
