//! The constraints under an evaluator that can leave one of them out.
//!
//! It is the second such evaluator beside the mock checker of the crate;
//! [`Evaluation::failing_names`] and [`mock_names`] must agree, which the constraint drop asserts. This
//! one also knows every constraint and every tuple of a row by its place, so that a single one can be
//! dropped.
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::Mul;

use matchmark_air::challenges::{Challenges, LookupChallenges, ProjectionChallenges};
use matchmark_air::components::tables::Table;
use matchmark_air::decoder::segment::{DecoderComponents, DECODER_COMPONENTS};
use matchmark_air::decoder::tokens::public_tuples;
use matchmark_air::decoder::witness::DecoderWitness;
use matchmark_air::harness::row::{Constraints, Observer, CARRIED, WITNESS};
use matchmark_air::lookup::{LookupComponents, LookupContext};
use matchmark_air::preprocessed::Preprocessed;
use matchmark_air::relation::RelationTag;
use matchmark_air::segment::{table_groups, SegmentComponents, SegmentContext};
use matchmark_air::trees::Tree;
use matchmark_air::witness::projections::Projections;
use matchmark_air::witness::{Column, SegmentWitness};
use matchmark_statement::{Boundary, ProofPart};
use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE};
use stwo::core::Fraction;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::{EvalAtRow, InfoEvaluator};

use super::cases::Case;

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
    /// That the two proofs of a split segment have the same boundary.
    Boundary,
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
    /// Whether the two proofs have different boundaries.
    pub boundary_differs: bool,
    /// Component and index of the uses that state tuples which do not cancel.
    open: OnceCell<BTreeSet<(usize, usize)>>,
}

struct RowEvaluator<'a> {
    preprocessed: &'a HashMap<PreProcessedColumnId, &'a Column>,
    witness: &'a [&'a Column],
    carried: &'a [&'a Column],
    row: usize,
    rows: usize,
    next: [usize; 4],
}

impl EvalAtRow for RowEvaluator<'_> {
    type F = M31;
    type EF = QM31;

    fn next_interaction_mask<const N: usize>(
        &mut self,
        interaction: usize,
        offsets: [isize; N],
    ) -> [M31; N] {
        let columns = match interaction {
            WITNESS => self.witness,
            CARRIED => self.carried,
            _ => unreachable!("LogUp columns are not read"),
        };
        let column = columns[self.next[interaction]];
        self.next[interaction] += 1;
        offsets.map(|offset| column[self.row.wrapping_add_signed(offset) & (self.rows - 1)])
    }

    fn get_preprocessed_column(&mut self, id: PreProcessedColumnId) -> M31 {
        self.preprocessed[&id][self.row]
    }

    fn add_constraint<G>(&mut self, _constraint: G)
    where
        QM31: Mul<G, Output = QM31> + From<G>,
    {
    }

    fn combine_ef(values: [M31; SECURE_EXTENSION_DEGREE]) -> QM31 {
        QM31::from_m31_array(values)
    }

    fn write_logup_frac(&mut self, _fraction: Fraction<QM31, QM31>) {}

    fn finalize_logup_in_pairs(&mut self) {}
}

struct Collector<'a> {
    evaluation: &'a mut Evaluation,
    component: usize,
    row: usize,
    constraints: usize,
    tuples: usize,
}

impl Observer<RowEvaluator<'_>> for Collector<'_> {
    fn constraint(&mut self, name: &'static str, value: QM31) {
        if !value.is_zero() {
            self.evaluation
                .failed
                .insert((self.component, self.constraints, name));
        }
        self.constraints += 1;
    }

    fn tuple(&mut self, tag: RelationTag, multiplicity: &M31, values: &[M31]) {
        if !multiplicity.is_zero() {
            self.evaluation.tuples.push(Stated {
                component: self.component,
                row: self.row,
                index: self.tuples,
                tag,
                multiplicity: *multiplicity,
                values: values.to_vec(),
            });
        }
        self.tuples += 1;
    }
}

fn run<C: Constraints>(
    evaluation: &mut Evaluation,
    component: (usize, &C),
    fixed: (ProofPart, &[Column]),
    columns: &[Column],
    carried: &[&Column],
) {
    let rows = 0..1 << component.1.log_rows();
    run_rows(evaluation, component, fixed, columns, carried, rows);
}

/// Evaluates a table, whose rows state nothing but how often their entries are used.
fn run_table<C: Constraints>(
    evaluation: &mut Evaluation,
    component: (usize, &C),
    fixed: (ProofPart, &[Column]),
    columns: &[Column],
    carried: &[&Column],
) {
    let is_used = |row: &usize| columns.iter().any(|column| !column[*row].is_zero());
    let rows = (0..1 << component.1.log_rows()).filter(is_used);
    run_rows(evaluation, component, fixed, columns, carried, rows);
}

fn run_rows<C: Constraints>(
    evaluation: &mut Evaluation,
    component: (usize, &C),
    (part, preprocessed): (ProofPart, &[Column]),
    columns: &[Column],
    carried: &[&Column],
    in_use: impl Iterator<Item = usize>,
) {
    let names = Preprocessed::of(part).into_iter().map(Preprocessed::id);
    let preprocessed: HashMap<_, _> = names.zip(preprocessed).collect();
    let witness: Vec<&Column> = columns.iter().collect();
    let rows = 1 << component.1.log_rows();
    for row in in_use {
        let mut collector = Collector {
            evaluation,
            component: component.0,
            row,
            constraints: 0,
            tuples: 0,
        };
        let mut evaluator = RowEvaluator {
            preprocessed: &preprocessed,
            witness: &witness,
            carried,
            row,
            rows,
            next: [0; 4],
        };
        component.1.observe(&mut evaluator, &mut collector);
    }
}

/// Evaluates everything at the projection points of the mock checker. Components are numbered as in
/// descriptions: vectors, candidates, state, tables, then those of the lookup proof.
pub fn evaluate(case: &Case, witness: &SegmentWitness, projections: &Projections) -> Evaluation {
    let context = SegmentContext {
        entries_before: case.steps.entries_before(),
        challenges: Challenges {
            projection: ProjectionChallenges::structural(),
            lookup: LookupChallenges::structural(),
        },
        ..SegmentContext::structural(&case.layout)
    };
    let segment = SegmentComponents::new(&case.layout, &context);
    let mut evaluation = Evaluation::default();
    let out = &mut evaluation;
    let fixed = (case.layout.main_part(), witness.preprocessed.as_slice());

    let projected = projections.vectors_columns();
    let carried: Vec<_> = witness.entries.iter().chain(&projected).collect();
    let component = &segment.vectors.inner().0;
    run(out, (0, component), fixed, &witness.vectors, &carried);

    let projected = projections.candidates_columns();
    let carried: Vec<_> = witness.boundary.iter().chain(&projected).collect();
    let component = &segment.candidates.inner().0;
    run(out, (1, component), fixed, &witness.candidates, &carried);

    let projected = projections.state_columns();
    let states = witness.state_before.iter().chain(&witness.state_after);
    let carried: Vec<_> = projected.iter().chain(states).collect();
    let component = &segment.state.inner().0;
    run(out, (2, component), fixed, &witness.state, &carried);

    if let (Some(components), Some(decoder)) = (&segment.decoder, &witness.decoder) {
        run_decoder(out, components, decoder, fixed, projections);
    }
    let first = first_table(case);
    let mut of_model = witness.model_tables();
    for (index, (component, columns)) in segment.tables.iter().zip(&witness.tables).enumerate() {
        let (own, others) = of_model.split_at(component.columns_in(Tree::Model));
        of_model = others;
        let carried: Vec<_> = own.iter().collect();
        let place = (first + index, &component.inner().0);
        run_table(out, place, fixed, columns, &carried);
    }
    if let Some(of_lookup) = &witness.lookup {
        let lookup = LookupComponents::new(&case.layout, &LookupContext::structural());
        let fixed = (ProofPart::Lookup, of_lookup.preprocessed.as_slice());
        let next = first + segment.tables.len();
        let carried: Vec<_> = of_lookup.boundary.iter().collect();
        let component = &lookup.membership.inner().0;
        run(out, (next, component), fixed, &[], &carried);
        let uses = std::slice::from_ref(&of_lookup.uses);
        let component = &lookup.table.inner().0;
        run(out, (next + 1, component), fixed, uses, &[]);
        out.boundary_differs = of_lookup.boundary != witness.boundary;
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
    fn of<C: Constraints>(component: &'static str, constraints: &C) -> Names {
        let mut names = Names {
            component,
            ..Names::default()
        };
        constraints.observe(&mut InfoEvaluator::empty(), &mut names);
        names
    }
    let layout = &case.layout;
    let segment = SegmentComponents::new(layout, &SegmentContext::structural(layout));
    let mut all = vec![
        of("vectors", &segment.vectors.inner().0),
        of("candidates", &segment.candidates.inner().0),
        of("state", &segment.state.inner().0),
    ];
    if let Some(decoder) = &segment.decoder {
        // Taken apart: a new component does not compile until it has its place.
        let DecoderComponents {
            linear,
            stream,
            norms,
            rotary,
            values,
            gated,
            choice,
        } = decoder;
        all.extend([
            of("linear", &linear.inner().0),
            of("stream", &stream.inner().0),
            of("norms", &norms.inner().0),
            of("rotary", &rotary.inner().0),
            of("values", &values.inner().0),
            of("gated", &gated.inner().0),
            of("choice", &choice.inner().0),
        ]);
    }
    let tables = segment.tables.iter();
    all.extend(tables.map(|table| of("tables", &table.inner().0)));
    if layout.boundary() == Boundary::Split {
        let lookup = LookupComponents::new(layout, &LookupContext::structural());
        all.push(of("membership", &lookup.membership.inner().0));
        all.push(of("weight table", &lookup.table.inner().0));
    }
    all
}

/// The place of the first table among the components.
pub fn first_table(case: &Case) -> usize {
    3 + case.layout.decoder().map_or(0, |_| DECODER_COMPONENTS)
}

/// The components of a decoder, in places 3 and after, and the verifier's own terms.
fn run_decoder(
    out: &mut Evaluation,
    components: &DecoderComponents,
    witness: &DecoderWitness,
    fixed: (ProofPart, &[Column]),
    projections: &Projections,
) {
    let projected = projections.decoder_columns();
    let DecoderComponents {
        linear,
        stream,
        norms,
        rotary,
        values,
        gated,
        choice,
    } = components;
    let weights = witness.model[..witness.width].iter();
    let carried: Vec<_> = weights.chain(&projected[0]).collect();
    run(out, (3, &linear.inner().0), fixed, &[], &carried);
    let of = |index: usize| projected[index].iter().collect::<Vec<_>>();
    let place = (4, &stream.inner().0);
    run(out, place, fixed, &witness.stream, &of(1));
    run(out, (5, &norms.inner().0), fixed, &witness.norms, &of(2));
    let place = (6, &rotary.inner().0);
    run(out, place, fixed, &witness.rotary, &of(3));
    let place = (7, &values.inner().0);
    run(out, place, fixed, &witness.values, &of(4));
    run(out, (8, &gated.inner().0), fixed, &witness.gated, &of(5));
    let place = (9, &choice.inner().0);
    run(out, place, fixed, &witness.choice, &of(6));
    let layout = &linear.inner().0;
    let (consumed, chosen) = (&witness.consumed, &witness.chosen);
    let challenge = layout.challenges.projection.position;
    let public = public_tuples(&layout.decoder, consumed, chosen, challenge);
    for (index, (tag, values, multiplicity)) in public.into_iter().enumerate() {
        out.tuples.push(Stated {
            component: PUBLIC,
            row: 0,
            index,
            tag,
            multiplicity,
            values,
        });
    }
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
        let boundary = (self.boundary_differs && *drop != Drop::Boundary).then_some("boundary");
        constraints.chain(relations).chain(boundary).collect()
    }
}

/// Names of what the crate's own mock checker finds.
pub fn mock_names(
    case: &Case,
    witness: &SegmentWitness,
    projections: &Projections,
) -> BTreeSet<&'static str> {
    let before = case.steps.entries_before();
    matchmark_air::mock::failures(&case.layout, before, witness, projections)
        .iter()
        .map(|failure| failure.name())
        .collect()
}

/// Every tuple of a row of every component: component, index, relation, what it is for, and whether
/// the row requires it or provides it. Compared with the constraints themselves by the kill matrix.
pub fn tuple_labels(case: &Case) -> Vec<(usize, usize, RelationTag, String, bool)> {
    use RelationTag::{KeyProjection, Limb, StepTotals, Value, ValueProjection, Weight};
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
    let vectors = [
        one(Value, "query range", true),
        one(Value, "output range", true),
        less_than("output remainder", case.forms.remainder),
        shift,
        one(KeyProjection, "key projection", true),
        one(StepTotals, "step totals", false),
    ]
    .concat();
    let (mut candidates, membership) = match layout.boundary() {
        Boundary::Fused => (one(Weight, "weight", true), vec![]),
        Boundary::Split => (vec![], one(Weight, "weight", true)),
    };
    if case.forms.exact.is_some() {
        candidates.extend(less_than("excess", true));
    } else if let Some(wide) = case.forms.excess {
        candidates.extend(one(Limb, "excess low", true));
        if wide {
            candidates.extend(one(Limb, "excess high", true));
        }
        if super::gadgets::excess_is_bounded(case) {
            candidates.extend(one(Limb, "excess top bound", true));
        }
    }
    if let Some(wide) = case.forms.gap_remainder {
        candidates.extend(less_than("gap remainder", wide));
    }
    candidates.extend(one(ValueProjection, "value projection", true));
    candidates.extend(one(StepTotals, "step totals", true));
    let state = (0..layout.lanes())
        .flat_map(|lane| {
            [
                (Value, format!("key range of lane {lane}"), true),
                (Value, format!("value range of lane {lane}"), true),
                (
                    ValueProjection,
                    format!("value projection of lane {lane}"),
                    false,
                ),
                (
                    KeyProjection,
                    format!("key projection of lane {lane}"),
                    false,
                ),
            ]
        })
        .collect();
    let entries = |tables: Vec<Table>| -> Vec<(RelationTag, String, bool)> {
        let label = |tag: RelationTag| (tag, format!("entries of {}", tag.name()), false);
        tables.into_iter().map(|table| label(table.tag())).collect()
    };
    let groups = table_groups(layout, layout.main_part());
    let mut components = vec![vectors, candidates, state];
    components.extend(groups.into_iter().map(|(_, tables)| entries(tables)));
    if layout.boundary() == Boundary::Split {
        components.extend([membership, entries(Table::of(ProofPart::Lookup).to_vec())]);
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
