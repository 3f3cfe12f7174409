//! What a witness states, constraint by constraint and tuple by tuple, so that a single one can be left
//! out.
//!
//! It is a second observer of the constraints beside the mock checker of the crate;
//! [`Evaluation::failing_names`] and [`mock_names`] must agree, which the constraint drop asserts.
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::channel::Challenge;
use matchmark_air::circuit::Circuit;
use matchmark_air::harness::evaluator::{RowEvaluator, Rows};
use matchmark_air::harness::row::Observer;
use matchmark_air::relation::RelationTag;
use matchmark_air::tables::{table_groups, Table};
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, PartTrace, SegmentWitness};
use matchmark_statement::{Cut, ProofPart};
use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::prover::backend::simd::m31::PackedBaseField;
use stwo::prover::backend::simd::qm31::PackedSecureField;
use stwo_constraint_framework::EvalAtRow;

use super::cases::{carry_is_bounded, excess_is_bounded, Case};

/// What the system leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drop {
    Nothing,
    /// The `index`-th constraint of a component.
    Constraint {
        component: usize,
        index: usize,
    },
    /// All tuples of a relation.
    Relation(RelationTag),
    /// The `index`-th tuple of a row of a component.
    Tuple {
        component: usize,
        index: usize,
    },
    /// The `index`-th of the library's own constraints on the LogUp columns of a component. The
    /// checkers know no LogUp columns.
    Sum {
        component: usize,
        index: usize,
    },
    /// That the claimed sums of a proof cancel.
    Balance,
    /// That the two proofs of a split segment have the same pairs.
    Pairs,
    /// The work before a challenge. The checkers know no transcript.
    Work(Challenge),
}

/// A tuple as a row states it: positive multiplicities require, negative ones provide.
#[derive(Clone, Debug)]
pub struct Stated {
    pub component: usize,
    pub row: usize,
    pub index: usize,
    pub tag: RelationTag,
    pub multiplicity: M31,
    pub values: Vec<M31>,
}

/// Everything that a witness states.
#[derive(Default)]
pub struct Evaluation {
    /// Component, index and name of every constraint that fails on some row.
    pub failed: BTreeSet<(usize, usize, &'static str)>,
    pub tuples: Vec<Stated>,
    /// Whether the two proofs have different pairs.
    pub pairs_differ: bool,
    /// Component and index of the uses that state tuples which do not cancel.
    open: OnceCell<BTreeSet<(usize, usize)>>,
}

/// Collects what sixteen rows of a component state.
struct Collector<'a> {
    evaluation: &'a mut Evaluation,
    component: usize,
    vector: usize,
    constraints: usize,
    tuples: usize,
}

impl Observer<RowEvaluator<'_>> for Collector<'_> {
    fn constraint(&mut self, name: &'static str, value: PackedSecureField) {
        if !value.is_zero() {
            self.evaluation
                .failed
                .insert((self.component, self.constraints, name));
        }
        self.constraints += 1;
    }

    fn tuple(&mut self, tag: RelationTag, times: &PackedBaseField, values: &[PackedBaseField]) {
        let values: Vec<_> = values.iter().map(|value| value.to_array()).collect();
        let rows = Rows::rows_of(self.vector).zip(times.to_array());
        for (lane, (row, multiplicity)) in rows.enumerate() {
            if !multiplicity.is_zero() {
                self.evaluation.tuples.push(Stated {
                    component: self.component,
                    row,
                    index: self.tuples,
                    tag,
                    multiplicity,
                    values: values.iter().map(|value| value[lane]).collect(),
                });
            }
        }
        self.tuples += 1;
    }
}

fn run(evaluation: &mut Evaluation, first: usize, circuit: &Circuit, trace: &PartTrace) {
    for (place, (component, columns)) in circuit.iter().zip(&trace.components).enumerate() {
        let rows = Rows::in_row_order(&trace.preprocessed, columns);
        for vector in 0..rows.vectors() {
            let mut collector = Collector {
                evaluation,
                component: first + place,
                vector,
                constraints: 0,
                tuples: 0,
            };
            let constraints = component.constraints();
            constraints.run(&mut rows.evaluator(vector), &mut collector);
        }
    }
}

/// Evaluates everything at the random linear combination points of the mock checker, with the random linear
/// combinations of a trace. Components are numbered as in descriptions, those of the lookup proof last.
pub fn evaluate(case: &Case, witness: &SegmentWitness, rlcs: &PartTrace) -> Evaluation {
    let points = RlcChallenges::structural();
    let mut evaluation = Evaluation::default();
    let circuit = witness.circuit(&case.layout, points);
    let trace = witness.main.with_tree_of(Tree::Rlc, rlcs);
    run(&mut evaluation, 0, &circuit, &trace);
    let public = witness.public_tuples(&case.layout, points);
    for (index, (tag, values, multiplicity)) in public.into_iter().enumerate() {
        evaluation.tuples.push(Stated {
            component: PUBLIC,
            row: 0,
            index,
            tag,
            multiplicity,
            values,
        });
    }
    if let Some(lookup) = &witness.lookup {
        let of_lookup = Circuit::structural(&case.layout, ProofPart::Lookup);
        run(&mut evaluation, circuit.len(), &of_lookup, lookup);
        let pairs = |trace: &PartTrace| -> Vec<Column> {
            trace.tree(Tree::Pairs).into_iter().cloned().collect()
        };
        evaluation.pairs_differ = pairs(lookup) != pairs(&witness.main);
    }
    evaluation
}

/// What a component states on each row, in order.
#[derive(Default)]
pub struct Names {
    pub component: &'static str,
    pub constraints: Vec<&'static str>,
    pub tuples: Vec<RelationTag>,
}

impl<E: EvalAtRow> Observer<E> for Names {
    fn constraint(&mut self, name: &'static str, _value: E::EF) {
        self.constraints.push(name);
    }

    fn tuple(&mut self, tag: RelationTag, _multiplicity: &E::F, _values: &[E::F]) {
        self.tuples.push(tag);
    }
}

/// What the components of a segment's proofs state, by place.
pub fn names(case: &Case) -> Vec<Names> {
    let mut all = vec![];
    for part in case.layout.parts() {
        for component in Circuit::structural(&case.layout, part).iter() {
            let mut names = Names {
                component: component.name(),
                ..Names::default()
            };
            component.constraints().observe_structure(&mut names);
            all.push(names);
        }
    }
    all
}

/// In the place of a component: the verifier's own terms.
const PUBLIC: usize = usize::MAX;

impl Drop {
    fn leaves_out(&self, tuple: &Stated) -> bool {
        match self {
            Self::Relation(tag) => tuple.tag == *tag,
            Self::Tuple { component, index } => {
                tuple.component == *component && tuple.index == *index
            }
            _ => false,
        }
    }
}

impl Evaluation {
    /// Net multiplicity of every tuple of a system that leaves `drop` out; what cancels is absent.
    pub fn open(&self, drop: &Drop) -> HashMap<(RelationTag, Vec<M31>), M31> {
        let mut open = HashMap::new();
        for tuple in self.tuples.iter().filter(|tuple| !drop.leaves_out(tuple)) {
            let key = (tuple.tag, tuple.values.clone());
            *open.entry(key).or_insert_with(M31::zero) += tuple.multiplicity;
        }
        open.retain(|_, net| !net.is_zero());
        open
    }

    /// Whether a use of a relation states a tuple that does not cancel.
    pub fn is_open_at(&self, component: usize, index: usize) -> bool {
        let open = self.open.get_or_init(|| {
            let open = self.open(&Drop::Nothing);
            let is_open = |it: &&Stated| open.contains_key(&(it.tag, it.values.clone()));
            let stated = self.tuples.iter().filter(is_open);
            stated.map(|it| (it.component, it.index)).collect()
        });
        open.contains(&(component, index))
    }

    /// Names of the constraints and relations that fail in a system that leaves `drop` out.
    pub fn failing_names(&self, drop: &Drop) -> BTreeSet<&'static str> {
        let constraints = self
            .failed
            .iter()
            .filter(|(component, index, _)| {
                *drop
                    != Drop::Constraint {
                        component: *component,
                        index: *index,
                    }
            })
            .map(|(_, _, name)| *name);
        let relations = self.open(drop).into_keys().map(|(tag, _)| tag.name());
        let pairs = (self.pairs_differ && *drop != Drop::Pairs).then_some("pairs");
        constraints.chain(relations).chain(pairs).collect()
    }
}

/// Names of what the crate's own mock checker finds.
pub fn mock_names(
    case: &Case,
    witness: &SegmentWitness,
    rlcs: &PartTrace,
) -> BTreeSet<&'static str> {
    let trace = witness.main.with_tree_of(Tree::Rlc, rlcs);
    matchmark_air::mock::failures(&case.layout, witness, &trace)
        .iter()
        .map(|failure| failure.name())
        .collect()
}

/// A tuple of a row: component, index, relation, what it is for, and whether the row requires it.
pub type TupleLabel = (usize, usize, RelationTag, String, bool);

/// The same so many times.
fn repeated<T: Clone>(of_lane: &[T], lanes: usize) -> Vec<T> {
    let all = std::iter::repeat_n(of_lane, lanes);
    all.flatten().cloned().collect()
}

/// Every tuple of a row of every component: component, index, relation, what it is for, and whether
/// the row requires it or provides it. Compared with the constraints themselves by the kill matrix.
pub fn tuple_labels(case: &Case) -> Vec<TupleLabel> {
    use RelationTag::{KeyRlc, Limb, StepTotals, Value, ValueDigits, ValueRlc, Weight};
    let layout = &case.layout;
    let less_than = |name: &str, wide: bool| -> Vec<(RelationTag, String, bool)> {
        let parts: &[&str] = if wide {
            &["low", "high", "complement low", "complement high"]
        } else {
            &["low", "complement"]
        };
        let label = |part| (Limb, format!("{name} {part}"), true);
        parts.iter().map(label).collect()
    };
    let one = |tag, name: &str, requires| vec![(tag, name.to_owned(), requires)];
    let shift = match layout.rounding_shift() {
        None => vec![],
        Some(_) => [
            one(Limb, "rounding shift low", true),
            one(Limb, "rounding shift high", true),
        ]
        .concat(),
    };
    let has_digits = layout.digits().is_some();
    let output = match has_digits {
        false => one(Value, "output range", true),
        true => one(ValueDigits, "output digits", true),
    };
    let mut carry = vec![];
    if has_digits {
        carry.extend(one(Limb, "carry low", true));
        carry.extend(one(Limb, "carry high", true));
    }
    if carry_is_bounded(case) {
        carry.extend(one(Limb, "carry top bound", true));
    }
    let of_head = [
        one(Value, "query range", true),
        output,
        less_than("output remainder", case.forms.remainder),
        shift,
        carry,
        one(StepTotals, "step totals", false),
    ]
    .concat();
    let mut vectors = repeated(&of_head, layout.vector_lanes());
    vectors.extend(one(KeyRlc, "key rlc", true));
    let (mut of_score, membership) = match layout.cut() {
        Cut::Fused => (one(Weight, "weight", true), vec![]),
        Cut::Split => (vec![], one(Weight, "weight", true)),
    };
    if case.forms.exact.is_some() {
        of_score.extend(less_than("excess", true));
    } else if let Some(wide) = case.forms.excess {
        of_score.extend(one(Limb, "excess low", true));
        if wide {
            of_score.extend(one(Limb, "excess high", true));
        }
        if excess_is_bounded(case) {
            of_score.extend(one(Limb, "excess top bound", true));
        }
    }
    if let Some(wide) = case.forms.gap_remainder {
        of_score.extend(less_than("gap remainder", wide));
    }
    of_score.extend(one(ValueRlc, "value rlc", true));
    let mut scores = repeated(&of_score, layout.score_lanes());
    scores.extend(one(StepTotals, "step totals", true));
    let membership = repeated(&membership, layout.score_lanes());
    let state = (0..layout.lanes())
        .flat_map(|lane| {
            [
                (Value, format!("key range of lane {lane}"), true),
                match has_digits {
                    false => (Value, format!("value range of lane {lane}"), true),
                    true => (ValueDigits, format!("value digits of lane {lane}"), true),
                },
                (ValueRlc, format!("value rlc of lane {lane}"), false),
                (KeyRlc, format!("key rlc of lane {lane}"), false),
            ]
        })
        .collect();
    let entries = |tables: Vec<Table>| -> Vec<(RelationTag, String, bool)> {
        let label = |tag: RelationTag| (tag, format!("entries of {}", tag.name()), false);
        tables.into_iter().map(|table| label(table.tag())).collect()
    };
    let groups = table_groups(layout, layout.main_part());
    let mut components = vec![vectors, scores, state];
    components.extend(groups.into_iter().map(|(_, tables)| entries(tables)));
    if layout.cut() == Cut::Split {
        components.extend([membership, entries(vec![Table::Weights])]);
    }
    let numbered = components.into_iter().enumerate();
    numbered
        .flat_map(|(component, tuples): (usize, Vec<_>)| {
            let labelled = tuples.into_iter().enumerate();
            labelled
                .map(move |(index, (tag, name, requires))| (component, index, tag, name, requires))
        })
        .collect()
}
