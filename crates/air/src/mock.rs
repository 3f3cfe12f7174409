//! The mock checker: constraints and relations over a witness, row by row, without a proof.
//!
//! It runs the constraints themselves, under an evaluator over plain field elements, and names the
//! first constraint and row that fail, or the tuples of a relation that do not cancel. The LogUp
//! columns play no part: a relation is compared as a multiset.
use std::collections::HashMap;
use std::fmt;
use std::ops::Mul;

use matchmark_statement::{Boundary, ProofPart};
use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE};
use stwo::core::Fraction;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::EvalAtRow;

use crate::challenges::{Challenges, LookupChallenges, ProjectionChallenges};
use crate::decoder::segment::DecoderComponents;
use crate::decoder::tokens::public_tuples;
use crate::decoder::witness::DecoderWitness;
use crate::harness::row::{Constraints, Observer, CARRIED, WITNESS};
use crate::layout::SegmentLayout;
use crate::lookup::{LookupComponents, LookupContext};
use crate::preprocessed::Preprocessed;
use crate::relation::RelationTag;
use crate::segment::{SegmentComponents, SegmentContext};
use crate::trees::Tree;
use crate::witness::projections::{project, Projections};
use crate::witness::{Column, LookupWitness, SegmentWitness};

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
    /// The two proofs of a split segment do not share their boundary columns.
    #[error("boundary: the columns of the lookup proof are not those of the arithmetic proof")]
    Boundary,
}

impl MockFailure {
    /// Name of the constraint or relation.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constraint { constraint, .. } => constraint,
            Self::Relation { relation, .. } => relation.name(),
            Self::Boundary => "boundary",
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

/// Columns of one component in row order.
struct Trace<'a> {
    preprocessed: HashMap<PreProcessedColumnId, &'a Column>,
    witness: Vec<&'a Column>,
    carried: Vec<&'a Column>,
}

/// Evaluates one row over plain field elements.
struct RowEvaluator<'a> {
    trace: &'a Trace<'a>,
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
            WITNESS => &self.trace.witness,
            CARRIED => &self.trace.carried,
            _ => unreachable!("LogUp columns are not read"),
        };
        let column = columns[self.next[interaction]];
        self.next[interaction] += 1;
        // Rows are cyclic; the row count is a power of two.
        offsets.map(|offset| column[self.row.wrapping_add_signed(offset) & (self.rows - 1)])
    }

    fn get_preprocessed_column(&mut self, id: PreProcessedColumnId) -> M31 {
        self.trace.preprocessed[&id][self.row]
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

/// Tuples that do not cancel yet: net multiplicity and origin.
type Open = HashMap<(RelationTag, Vec<M31>), (M31, Origin)>;

/// Collects what fails on the rows of a component.
struct Checker<'a> {
    origin: Origin,
    failures: &'a mut Vec<MockFailure>,
    open: &'a mut Open,
}

impl Observer<RowEvaluator<'_>> for Checker<'_> {
    fn constraint(&mut self, name: &'static str, value: QM31) {
        let Origin { component, row } = self.origin;
        let seen = |failure: &MockFailure| {
            matches!(failure, MockFailure::Constraint { component: c, constraint, .. }
                if *c == component && *constraint == name)
        };
        if !value.is_zero() && !self.failures.iter().any(seen) {
            self.failures.push(MockFailure::Constraint {
                component,
                row,
                constraint: name,
            });
        }
    }

    fn tuple(&mut self, tag: RelationTag, multiplicity: &M31, values: &[M31]) {
        if multiplicity.is_zero() {
            return;
        }
        let (net, _) = self
            .open
            .entry((tag, values.to_vec()))
            .or_insert((M31::zero(), self.origin));
        *net += *multiplicity;
    }
}

fn check_component<C: Constraints>(
    name: &'static str,
    component: &C,
    trace: &Trace<'_>,
    failures: &mut Vec<MockFailure>,
    open: &mut Open,
) {
    let rows = 1 << component.log_rows();
    for row in 0..rows {
        let mut checker = Checker {
            origin: Origin {
                component: name,
                row,
            },
            failures,
            open,
        };
        let mut evaluator = RowEvaluator {
            trace,
            row,
            rows,
            next: [0; 4],
        };
        component.observe(&mut evaluator, &mut checker);
    }
}

/// Checks a witness: all constraints, then all relations.
///
/// The projections are those of the witness at fixed points; a verifier draws them at random.
///
/// # Errors
///
/// The first [`MockFailure`], components in order.
pub fn check(
    layout: &SegmentLayout,
    entries_before: usize,
    witness: &SegmentWitness,
) -> Result<(), MockFailure> {
    let challenges = ProjectionChallenges::structural();
    let projections = project(layout, entries_before, witness, challenges);
    let mut failures = failures(layout, entries_before, witness, &projections);
    if failures.is_empty() {
        return Ok(());
    }
    Err(failures.swap_remove(0))
}

/// Everything that fails: each constraint once, with its first row, then each relation once, with
/// its first tuple; then the same for the lookup proof of a split segment. The projections are taken as they are given; an honest prover has them from
/// [`project`] at [`ProjectionChallenges::structural`].
pub fn failures(
    layout: &SegmentLayout,
    entries_before: usize,
    witness: &SegmentWitness,
    projections: &Projections,
) -> Vec<MockFailure> {
    let context = SegmentContext {
        entries_before,
        challenges: Challenges {
            projection: ProjectionChallenges::structural(),
            lookup: LookupChallenges::structural(),
        },
        ..SegmentContext::structural(layout)
    };
    let segment = SegmentComponents::new(layout, &context);
    let preprocessed = || by_name(layout.main_part(), &witness.preprocessed);
    let (mut failures, mut open) = (Vec::new(), Open::new());
    let (failed, left) = (&mut failures, &mut open);

    let projected = projections.vectors_columns();
    let vectors = Trace {
        preprocessed: preprocessed(),
        witness: witness.vectors.iter().collect(),
        carried: witness.entries.iter().chain(&projected).collect(),
    };
    check_component(
        "vectors",
        &segment.vectors.inner().0,
        &vectors,
        failed,
        left,
    );

    let projected = projections.candidates_columns();
    let candidates = Trace {
        preprocessed: preprocessed(),
        witness: witness.candidates.iter().collect(),
        carried: witness.boundary.iter().chain(&projected).collect(),
    };
    check_component(
        "candidates",
        &segment.candidates.inner().0,
        &candidates,
        failed,
        left,
    );

    let projected = projections.state_columns();
    let state = Trace {
        preprocessed: preprocessed(),
        witness: witness.state.iter().collect(),
        carried: projected
            .iter()
            .chain(&witness.state_before)
            .chain(&witness.state_after)
            .collect(),
    };
    check_component("state", &segment.state.inner().0, &state, failed, left);

    if let (Some(components), Some(decoder)) = (&segment.decoder, &witness.decoder) {
        let preprocessed = &witness.preprocessed;
        check_decoder(components, decoder, preprocessed, projections, failed, left);
    }

    let mut model = witness.model_tables();
    for (component, multiplicities) in segment.tables.iter().zip(&witness.tables) {
        let (own, others) = model.split_at(component.columns_in(Tree::Model));
        model = others;
        let tables = Trace {
            preprocessed: preprocessed(),
            witness: multiplicities.iter().collect(),
            carried: own.iter().collect(),
        };
        check_component("tables", &component.inner().0, &tables, failed, left);
    }
    failures.extend(unbalanced(open));
    failures.extend(boundary_failure(layout, witness));
    if let Some(lookup) = &witness.lookup {
        failures.extend(lookup_failures(layout, lookup));
    }
    failures
}

/// Checks the components of a decoder, and adds the verifier's own terms to the relations.
fn check_decoder(
    components: &DecoderComponents,
    witness: &DecoderWitness,
    preprocessed: &[Column],
    projections: &Projections,
    failures: &mut Vec<MockFailure>,
    open: &mut Open,
) {
    let projected = projections.decoder_columns();
    let trace = |witness: &'_ [Column], carried: &[&'_ [Column]]| -> OwnedTrace {
        OwnedTrace {
            witness: witness.to_vec(),
            carried: carried
                .iter()
                .flat_map(|columns| columns.to_vec())
                .collect(),
        }
    };
    let names = || by_name(ProofPart::Decoder, preprocessed);
    let DecoderComponents {
        linear,
        stream,
        norms,
        rotary,
        values,
        gated,
        choice,
    } = components;
    let weights = &witness.model[..witness.width];
    macro_rules! check {
        ($name:literal, $component:expr, $trace:expr) => {
            let trace = $trace;
            let trace = Trace {
                preprocessed: names(),
                witness: trace.witness.iter().collect(),
                carried: trace.carried.iter().collect(),
            };
            check_component($name, &$component.inner().0, &trace, failures, open);
        };
    }
    check!("linear", linear, trace(&[], &[weights, &projected[0]]));
    check!("stream", stream, trace(&witness.stream, &[&projected[1]]));
    check!("norms", norms, trace(&witness.norms, &[&projected[2]]));
    check!("rotary", rotary, trace(&witness.rotary, &[&projected[3]]));
    check!("values", values, trace(&witness.values, &[&projected[4]]));
    check!("gated", gated, trace(&witness.gated, &[&projected[5]]));
    check!("choice", choice, trace(&witness.choice, &[&projected[6]]));
    let layout = &linear.inner().0;
    let challenge = layout.challenges.projection.position;
    let origin = |row| Origin {
        component: "tokens",
        row,
    };
    for (tag, values, times) in public_tuples(
        &layout.decoder,
        &witness.consumed,
        &witness.chosen,
        challenge,
    ) {
        let row = values[0].0 as usize;
        let (net, _) = open
            .entry((tag, values))
            .or_insert((M31::zero(), origin(row)));
        *net += times;
    }
}

/// The columns of one component, copied together.
struct OwnedTrace {
    witness: Vec<Column>,
    carried: Vec<Column>,
}

/// The two proofs of a split segment open one tree: their columns are the same.
fn boundary_failure(layout: &SegmentLayout, witness: &SegmentWitness) -> Option<MockFailure> {
    let shared = match layout.boundary() {
        Boundary::Fused => witness.lookup.is_none(),
        Boundary::Split => {
            let lookup = witness.lookup.as_ref();
            lookup.is_some_and(|lookup| lookup.boundary == witness.boundary)
        }
    };
    (!shared).then_some(MockFailure::Boundary)
}

/// Everything that fails in the witness of a lookup proof.
fn lookup_failures(layout: &SegmentLayout, witness: &LookupWitness) -> Vec<MockFailure> {
    let lookup = LookupComponents::new(layout, &LookupContext::structural());
    let preprocessed = || by_name(ProofPart::Lookup, &witness.preprocessed);
    let (mut failures, mut open) = (Vec::new(), Open::new());
    let (failed, left) = (&mut failures, &mut open);
    let membership = Trace {
        preprocessed: preprocessed(),
        witness: vec![],
        carried: witness.boundary.iter().collect(),
    };
    let component = &lookup.membership.inner().0;
    check_component("membership", component, &membership, failed, left);
    let table = Trace {
        preprocessed: preprocessed(),
        witness: vec![&witness.uses],
        carried: vec![],
    };
    let component = &lookup.table.inner().0;
    check_component("weight table", component, &table, failed, left);
    failures.extend(unbalanced(open));
    failures
}

/// The preprocessed columns of a part's proofs by identifier.
fn by_name(part: ProofPart, columns: &[Column]) -> HashMap<PreProcessedColumnId, &Column> {
    let names = Preprocessed::of(part).into_iter().map(Preprocessed::id);
    names.zip(columns).collect()
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
