//! Components as objects: constraints together with where their columns stand.
//!
//! The constraint framework knows four trees, in order of commitment, and expects LogUp columns at
//! index 2. The protocol has more trees than that. A [`Routed`] component therefore lets the framework see
//! its own four interactions, and says for each which columns of which physical tree they are: what the
//! constraints say of each column as they read it. Columns of ports are opened at one more point (their
//! fingerprint), and public columns stand in no tree at all.
//!
//! Everything that has to do with all components of a proof is a loop over [`AnyComponent`]s.
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use matchmark_statement::ProofPart;
use stwo::core::air::accumulation::PointEvaluationAccumulator;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::TreeVec;
use stwo::core::ColumnVec;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::{
    FrameworkComponent, FrameworkEval, InfoEvaluator, TraceLocationAllocator, MAX_N_INTERACTIONS,
    PREPROCESSED_TRACE_IDX,
};

use super::public_columns::PublicColumns;
use super::row::{
    ColumnRead, Constraints, Evaluator, Observer, Source, System, CARRIED, LOOKUPS, WITNESS,
};
use crate::challenges::Challenges;
use crate::layout::SegmentLayout;
use crate::points::PortPoints;
use crate::preprocessed::Preprocessed;
use crate::trees::{Tree, TreeOrder};

/// The constraints of a component, whichever it is, with the challenges of a proof.
pub trait AnyConstraints: GeneratesAndRuns + Send + Sync {
    /// Name of the component.
    fn name(&self) -> &'static str;

    /// Log of the number of rows.
    fn log_rows(&self) -> u32;

    /// Shows an observer what a row reads and states.
    fn observe_structure(&self, observer: &mut dyn Observer<InfoEvaluator>);
}

impl<C: Stated> AnyConstraints for Evaluator<C> {
    fn name(&self) -> &'static str {
        self.constraints.name()
    }

    fn log_rows(&self) -> u32 {
        self.constraints.log_rows()
    }

    fn observe_structure(&self, observer: &mut dyn Observer<InfoEvaluator>) {
        self.observe(&mut InfoEvaluator::empty(), observer);
    }
}

/// A component of a proof, whichever it is.
pub trait AnyComponent: Component + Proves {
    /// The constraints as they are stated.
    fn constraints(&self) -> &dyn AnyConstraints;

    /// The columns that a row reads, in reading order, the preprocessed and the LogUp ones apart.
    fn columns(&self) -> &[ColumnRead];

    /// Tuples of all relations, over all rows.
    fn tuples(&self) -> u64;

    /// Name of the component.
    fn name(&self) -> &'static str {
        self.constraints().name()
    }

    /// Log of the number of rows.
    fn log_rows(&self) -> u32 {
        self.constraints().log_rows()
    }

    /// Number of columns from a source.
    fn columns_from(&self, source: Source) -> usize {
        let columns = self.columns().iter();
        columns.filter(|column| column.source == source).count()
    }
}

#[cfg(not(feature = "prover"))]
mod without_prover {
    use stwo_constraint_framework::FrameworkEval;

    use super::{Evaluator, Routed};

    /// What the prover asks of constraints: nothing where there is none.
    pub trait GeneratesAndRuns {}
    impl<C> GeneratesAndRuns for Evaluator<C> {}

    /// What the prover asks of a component: nothing where there is none.
    pub trait Proves {}
    impl<C, F: FrameworkEval> Proves for Routed<C, F> {}
}
#[cfg(not(feature = "prover"))]
pub use without_prover::{GeneratesAndRuns, Proves};

#[cfg(feature = "prover")]
pub use super::asked::{AnyEvaluation, GeneratesAndRuns, Proves};

/// Puts the components of a proof together, one after another.
pub struct Assembly<'a, S> {
    order: TreeOrder,
    system: &'a S,
    wiring: Wiring<'a>,
    preprocessed: Vec<PreProcessedColumnId>,
    /// The next column of each component tree.
    next: Vec<usize>,
    components: Vec<Box<dyn AnyComponent>>,
}

/// What components share besides their constraints.
#[derive(Clone, Copy)]
pub struct Wiring<'a> {
    /// Challenges of the proof.
    pub challenges: &'a Challenges,
    /// One claimed LogUp sum a component; those that are missing are zero.
    pub claimed_sums: &'a [QM31],
    /// Fingerprint points of the ports.
    pub points: &'a PortPoints,
    /// The public columns, all of which one component reads.
    pub public: &'a Arc<PublicColumns>,
}

impl<'a, S: System> Assembly<'a, S> {
    /// No components yet.
    pub fn new(layout: &SegmentLayout, part: ProofPart, system: &'a S, wiring: Wiring<'a>) -> Self {
        let order = TreeOrder::of(layout, part);
        let preprocessed = Preprocessed::of(layout, part);
        Self {
            next: vec![0; order.of_components().len()],
            order,
            system,
            wiring,
            preprocessed: preprocessed.iter().map(|column| column.id()).collect(),
            components: vec![],
        }
    }

    /// Adds a component, if the proof has it.
    ///
    /// # Panics
    ///
    /// If it reads some public columns and not all of them: an error in the component.
    pub fn add<C>(&mut self, constraints: Option<C>)
    where
        C: Stated,
    {
        let Some(constraints) = constraints else {
            return;
        };
        let place = self.components.len();
        let whole = Evaluator {
            constraints,
            challenges: self.wiring.challenges.clone(),
        };
        let claimed_sum = self.wiring.claimed_sums.get(place).copied();
        let evaluation = self.system.component(place, whole.clone());
        // A private allocator, so that the framework's offsets always start at zero.
        let mut own = TraceLocationAllocator::new_with_preprocessed_columns(&self.preprocessed);
        let inner = FrameworkComponent::new(&mut own, evaluation, claimed_sum.unwrap_or_default());
        let columns = Reads::of(&whole);
        let spans = self.allocate(&columns, lookup_columns(&inner));
        let has_port = |tree: Tree| {
            let mut spans = spans.iter();
            spans.any(|span| span.source == Source::Tree(tree))
        };
        let ports = self.order.of_components().iter();
        let fingerprints = ports
            .filter(|tree| tree.is_port() && has_port(**tree))
            .map(|tree| (*tree, self.wiring.points.of(*tree)))
            .collect();
        let public = spans.iter().filter(|span| span.source == Source::Public);
        let public: usize = public.map(|span| span.columns).sum();
        assert!(
            public == 0 || public == self.wiring.public.len(),
            "{} reads {public} public columns, expected all {}",
            whole.constraints.name(),
            self.wiring.public.len()
        );
        self.components.push(Box::new(Routed {
            whole,
            inner,
            order: self.order.clone(),
            columns,
            spans,
            fingerprints,
            public: (public > 0).then(|| self.wiring.public.clone()),
            #[cfg(feature = "prover")]
            public_polynomials: vec![],
        }));
    }

    /// Where the columns of a component stand: its witness columns, its LogUp columns, then the others in
    /// reading order.
    fn allocate(&mut self, columns: &[ColumnRead], lookups: usize) -> Vec<Span> {
        let mut spans: Vec<Span> = vec![];
        let mut next_public = 0;
        let mut add = |interaction, source, columns| {
            let next = match source {
                Source::Tree(tree) => &mut self.next[self.order.place(tree)],
                Source::Public => &mut next_public,
            };
            let start = *next;
            *next += columns;
            match spans.last_mut() {
                Some(span) if span.interaction == interaction && span.source == source => {
                    span.columns += columns;
                }
                _ => spans.push(Span {
                    interaction,
                    source,
                    start,
                    columns,
                }),
            }
        };
        let of = |interaction: usize| {
            columns
                .iter()
                .filter(move |it| it.interaction == interaction)
        };
        for column in of(WITNESS) {
            add(WITNESS, column.source, 1);
        }
        add(LOOKUPS, Source::Tree(Tree::Lookups), lookups);
        for column in of(CARRIED) {
            add(CARRIED, column.source, 1);
        }
        spans
    }

    /// The components in order.
    pub fn finish(self) -> Vec<Box<dyn AnyComponent>> {
        self.components
    }
}

/// Columns in the order in which a row reads them.
struct Reads(Vec<ColumnRead>);

impl Reads {
    fn of<C: Constraints>(whole: &Evaluator<C>) -> Vec<ColumnRead> {
        let mut reads = Self(vec![]);
        whole.observe(&mut InfoEvaluator::empty(), &mut reads);
        reads.0
    }
}

impl Observer<InfoEvaluator> for Reads {
    fn column(&mut self, column: ColumnRead) {
        self.0.push(column);
    }
}

/// How many LogUp columns the framework has allocated to a component.
fn lookup_columns<F: FrameworkEval>(inner: &FrameworkComponent<F>) -> usize {
    let mut locations = inner.trace_locations().iter();
    let lookups = locations.find(|location| location.tree_index == LOOKUPS);
    lookups.map_or(0, |location| location.col_end)
}

/// Constraints that components can be made of.
#[cfg(not(feature = "prover"))]
pub trait Stated: Constraints + Clone + Send + Sync + 'static {}
#[cfg(not(feature = "prover"))]
impl<C: Constraints + Clone + Send + Sync + 'static> Stated for C {}

/// Constraints that components can be made of: the prover makes their witness, too.
#[cfg(feature = "prover")]
pub trait Stated: Constraints + crate::execution::Generate + Clone + Send + Sync + 'static {}
#[cfg(feature = "prover")]
impl<C: Constraints + crate::execution::Generate + Clone + Send + Sync + 'static> Stated for C {}

/// A run of columns of one interaction, and where it starts in its source.
#[derive(Clone, Copy, Debug)]
struct Span {
    interaction: usize,
    source: Source,
    start: usize,
    columns: usize,
}

/// A component whose columns are routed to the commitment trees of the protocol.
pub struct Routed<C, F: FrameworkEval> {
    /// The constraints as they are stated.
    pub(super) whole: Evaluator<C>,
    /// The framework's component, of the system's evaluation.
    pub(super) inner: FrameworkComponent<F>,
    order: TreeOrder,
    columns: Vec<ColumnRead>,
    spans: Vec<Span>,
    /// Trees all of whose columns (of this component) are opened at one more point.
    fingerprints: Vec<(Tree, CirclePoint<QM31>)>,
    pub(super) public: Option<Arc<PublicColumns>>,
    #[cfg(feature = "prover")]
    pub(super) public_polynomials:
        Vec<stwo::prover::Poly<stwo::prover::backend::simd::SimdBackend>>,
}

impl<C, F: FrameworkEval> Routed<C, F> {
    fn has_fingerprint(&self, source: Source) -> bool {
        let mut fingerprints = self.fingerprints.iter();
        fingerprints.any(|(tree, _)| source == Source::Tree(*tree))
    }

    /// The framework's view of per-column data: preprocessed columns as they are, every other
    /// interaction gathered from its spans.
    pub(super) fn gather<T: Clone>(
        &self,
        trees: &TreeVec<ColumnVec<T>>,
        public: &[T],
    ) -> TreeVec<ColumnVec<T>> {
        let mut gathered: Vec<ColumnVec<T>> = vec![vec![]; MAX_N_INTERACTIONS];
        // The framework and every order of trees have the preprocessed tree first.
        gathered[PREPROCESSED_TRACE_IDX].clone_from(&trees[PREPROCESSED_TRACE_IDX]);
        for span in &self.spans {
            let columns = match span.source {
                Source::Tree(tree) => trees[self.order.place(tree)].as_slice(),
                Source::Public => public,
            };
            gathered[span.interaction]
                .extend_from_slice(&columns[span.start..span.start + span.columns]);
        }
        TreeVec::new(gathered)
    }

    /// This component's share of every commitment tree, in the order its columns were allocated.
    fn scatter<T>(&self, interactions: TreeVec<ColumnVec<T>>) -> TreeVec<ColumnVec<T>> {
        let mut interactions = interactions.0;
        interactions.resize_with(MAX_N_INTERACTIONS, Vec::new);
        let mut rest: Vec<_> = interactions.into_iter().map(Vec::into_iter).collect();
        let mut trees: Vec<Vec<T>> = self.order.of_components().iter().map(|_| vec![]).collect();
        trees[PREPROCESSED_TRACE_IDX].extend(rest[PREPROCESSED_TRACE_IDX].by_ref());
        for span in &self.spans {
            let run = rest[span.interaction].by_ref().take(span.columns);
            match span.source {
                Source::Tree(tree) => trees[self.order.place(tree)].extend(run),
                Source::Public => run.for_each(drop),
            }
        }
        TreeVec::new(trees)
    }
}

impl<C: Stated, F: FrameworkEval + Send + Sync + 'static> AnyComponent for Routed<C, F> {
    fn constraints(&self) -> &dyn AnyConstraints {
        &self.whole
    }

    fn columns(&self) -> &[ColumnRead] {
        &self.columns
    }

    fn tuples(&self) -> u64 {
        let counts = self.inner.logup_counts();
        counts.values().map(|count| *count as u64).sum()
    }
}

impl<C, F: FrameworkEval> Component for Routed<C, F> {
    fn n_constraints(&self) -> usize {
        self.inner.n_constraints()
    }

    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.inner.max_constraint_log_degree_bound()
    }

    fn trace_log_degree_bounds(&self) -> TreeVec<ColumnVec<u32>> {
        self.scatter(self.inner.trace_log_degree_bounds())
    }

    fn mask_points(
        &self,
        point: CirclePoint<QM31>,
        max_log_degree_bound: u32,
    ) -> TreeVec<ColumnVec<Vec<CirclePoint<QM31>>>> {
        let mut points = self.scatter(self.inner.mask_points(point, max_log_degree_bound));
        for (tree, extra) in &self.fingerprints {
            for column in points[self.order.place(*tree)].iter_mut() {
                // The library adds its periodicity check to the last of exactly two samples, so
                // fingerprinted columns are read at offset 0 alone and their extra point is first.
                assert_eq!(column.len(), 1, "a fingerprinted column has one offset");
                column.insert(0, *extra);
            }
        }
        points
    }

    fn preprocessed_column_indices(&self) -> ColumnVec<usize> {
        Component::preprocessed_column_indices(&self.inner)
    }

    fn evaluate_constraint_quotients_at_point(
        &self,
        point: CirclePoint<QM31>,
        mask: &TreeVec<ColumnVec<Vec<QM31>>>,
        accumulator: &mut PointEvaluationAccumulator,
        max_log_degree_bound: u32,
    ) {
        let public: Vec<Vec<QM31>> = match &self.public {
            None => vec![],
            Some(columns) => columns
                .evaluate(point.repeated_double(max_log_degree_bound - columns.log_rows()))
                .into_iter()
                .map(|value| vec![value])
                .collect(),
        };
        let mut gathered = self.gather(mask, &public);
        let mut at = [0; MAX_N_INTERACTIONS];
        for span in &self.spans {
            let start = at[span.interaction];
            at[span.interaction] += span.columns;
            if self.has_fingerprint(span.source) {
                for samples in &mut gathered[span.interaction][start..start + span.columns] {
                    samples.remove(0);
                }
            }
        }
        self.inner.evaluate_constraint_quotients_at_point(
            point,
            &gathered,
            accumulator,
            max_log_degree_bound,
        );
    }
}
