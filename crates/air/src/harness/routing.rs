//! Routing of columns to commitment trees.
//!
//! The constraint framework knows four trees, in order of commitment, and expects LogUp columns at
//! index 2. The protocol has more trees than that. A [`Routed`] component therefore lets the
//! framework see its own four interactions, and says for each which columns of which physical tree
//! they are. It may also open all columns of chosen trees at one more point (the fingerprint of a
//! state), and it may read public columns, which stand in no tree at all.
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
    FrameworkComponent, FrameworkEval, TraceLocationAllocator, MAX_N_INTERACTIONS,
    PREPROCESSED_TRACE_IDX,
};

use super::public_columns::PublicColumns;
use super::row::{CARRIED, LOOKUPS, WITNESS};
use crate::preprocessed::Preprocessed;
use crate::trees::{Tree, TreeOrder};

/// Where consecutive columns of an interaction come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Columns of a commitment tree.
    Tree(Tree),
    /// Public columns, in no tree.
    Public,
}

/// The next `columns` columns of [`CARRIED`] come from `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where they come from.
    pub source: Source,
    /// How many there are.
    pub columns: usize,
}

/// A run of columns of one interaction, and where it starts in its source.
#[derive(Clone, Copy, Debug)]
struct Span {
    interaction: usize,
    source: Source,
    start: usize,
    columns: usize,
}

/// Hands out the columns of the commitment trees, component after component.
#[derive(Clone, Debug)]
pub struct ColumnAllocator {
    order: TreeOrder,
    next: Vec<usize>,
    preprocessed: Vec<PreProcessedColumnId>,
}

impl ColumnAllocator {
    /// An allocator over the trees of a part's proofs.
    pub fn new(part: ProofPart) -> Self {
        let order = TreeOrder::of(part);
        let preprocessed = Preprocessed::of(part);
        Self {
            order,
            next: vec![0; order.of_components().len()],
            preprocessed: preprocessed.iter().map(|column| column.id()).collect(),
        }
    }
}

/// What a routed component needs besides its constraints.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    /// Routes of the columns that are neither witness nor LogUp columns, in reading order.
    pub carried: Vec<Route>,
    /// Trees all of whose columns (of this component) are opened at one more point.
    pub fingerprints: Vec<(Tree, CirclePoint<QM31>)>,
    /// The public columns that [`Source::Public`] refers to.
    pub public: Option<Arc<PublicColumns>>,
}

/// A component whose columns are routed to the commitment trees of the protocol.
pub struct Routed<F: FrameworkEval> {
    inner: FrameworkComponent<F>,
    order: TreeOrder,
    spans: Vec<Span>,
    fingerprints: Vec<(Tree, CirclePoint<QM31>)>,
    public: Option<Arc<PublicColumns>>,
    #[cfg(feature = "prover")]
    public_polynomials: Vec<stwo::prover::Poly<stwo::prover::backend::simd::SimdBackend>>,
}

impl<F: FrameworkEval> Routed<F> {
    /// Allocates the columns of a component.
    ///
    /// # Panics
    ///
    /// If the routes do not cover exactly the columns that the component reads: an error in the
    /// component, never in its input.
    pub fn new(
        allocator: &mut ColumnAllocator,
        evaluation: F,
        claimed_sum: QM31,
        wiring: Wiring,
    ) -> Self {
        // A private allocator, so that the framework's offsets always start at zero.
        let mut own =
            TraceLocationAllocator::new_with_preprocessed_columns(&allocator.preprocessed);
        let inner = FrameworkComponent::new(&mut own, evaluation, claimed_sum);
        let mut read = [0; MAX_N_INTERACTIONS];
        for location in inner.trace_locations().iter().skip(1) {
            read[location.tree_index] = location.col_end;
        }
        let mut routes = vec![
            (WITNESS, Source::Tree(Tree::Witness), read[WITNESS]),
            (LOOKUPS, Source::Tree(Tree::Lookups), read[LOOKUPS]),
        ];
        routes.extend(
            wiring
                .carried
                .iter()
                .map(|r| (CARRIED, r.source, r.columns)),
        );
        let carried: usize = wiring.carried.iter().map(|r| r.columns).sum();
        assert_eq!(
            carried, read[CARRIED],
            "routes do not cover the columns read"
        );
        let mut next_public = 0;
        let spans = routes
            .into_iter()
            .map(|(interaction, source, columns)| {
                let next = match source {
                    Source::Tree(tree) => &mut allocator.next[allocator.order.place(tree)],
                    Source::Public => &mut next_public,
                };
                let start = *next;
                *next += columns;
                Span {
                    interaction,
                    source,
                    start,
                    columns,
                }
            })
            .collect();
        let available = wiring.public.as_ref().map_or(0, |public| public.len());
        assert_eq!(next_public, available, "public columns are not all read");
        Self {
            inner,
            order: allocator.order,
            spans,
            fingerprints: wiring.fingerprints,
            public: wiring.public,
            #[cfg(feature = "prover")]
            public_polynomials: Vec::new(),
        }
    }

    /// The trees of the proof that the component is part of.
    pub fn order(&self) -> TreeOrder {
        self.order
    }

    /// The framework's component.
    pub fn inner(&self) -> &FrameworkComponent<F> {
        &self.inner
    }

    /// Tuples of all relations, over all rows.
    pub fn tuples(&self) -> u64 {
        self.inner
            .logup_counts()
            .values()
            .map(|count| *count as u64)
            .sum()
    }

    /// Number of columns in a tree, the preprocessed one apart.
    pub fn columns_in(&self, tree: Tree) -> usize {
        let of_tree = |span: &&Span| span.source == Source::Tree(tree);
        self.spans
            .iter()
            .filter(of_tree)
            .map(|span| span.columns)
            .sum()
    }

    /// Number of public columns.
    pub fn public_columns(&self) -> usize {
        self.public.as_ref().map_or(0, |public| public.len())
    }

    fn has_fingerprint(&self, source: Source) -> bool {
        self.fingerprints
            .iter()
            .any(|(tree, _)| source == Source::Tree(*tree))
    }

    /// The framework's view of per-column data: preprocessed columns as they are, every other
    /// interaction gathered from its spans.
    fn gather<T: Clone>(
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
        let mut columns: Vec<_> = interactions.into_iter().map(Vec::into_iter).collect();
        let mut trees: Vec<Vec<T>> = self.order.of_components().iter().map(|_| vec![]).collect();
        trees[0].extend(columns[0].by_ref());
        for span in &self.spans {
            let run = columns[span.interaction].by_ref().take(span.columns);
            match span.source {
                Source::Tree(tree) => trees[self.order.place(tree)].extend(run),
                Source::Public => run.for_each(drop),
            }
        }
        TreeVec::new(trees)
    }
}

impl<F: FrameworkEval> Component for Routed<F> {
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

#[cfg(feature = "prover")]
mod prover {
    use stwo::core::poly::circle::CanonicCoset;
    use stwo::core::utils::bit_reverse_coset_to_circle_domain_order;
    use stwo::prover::backend::simd::column::BaseColumn;
    use stwo::prover::backend::simd::SimdBackend;
    use stwo::prover::mempool::BaseColumnPool;
    use stwo::prover::poly::circle::{CircleEvaluation, PolyOps};
    use stwo::prover::poly::twiddles::TwiddleTree;
    use stwo::prover::{ComponentProver, DomainEvaluationAccumulator, Trace};

    use super::{FrameworkEval, Routed};

    impl<F: FrameworkEval> Routed<F> {
        /// Extends the public columns for the prover, at the blowup of the committed ones.
        pub fn extend_public_columns(
            &mut self,
            twiddles: &TwiddleTree<SimdBackend>,
            log_blowup: u32,
        ) {
            let Some(public) = &self.public else { return };
            let domain = CanonicCoset::new(public.log_rows()).circle_domain();
            let evaluations = public
                .columns()
                .iter()
                .map(|column| {
                    let mut column = column.clone();
                    bit_reverse_coset_to_circle_domain_order(&mut column);
                    CircleEvaluation::new(domain, BaseColumn::from_iter(column))
                })
                .collect();
            self.public_polynomials = SimdBackend::evaluate_polynomials(
                SimdBackend::interpolate_columns(evaluations, twiddles),
                log_blowup,
                twiddles,
                true,
                &BaseColumnPool::new(),
            );
        }
    }

    impl<F: FrameworkEval + Sync> ComponentProver<SimdBackend> for Routed<F> {
        fn evaluate_constraint_quotients_on_domain(
            &self,
            trace: &Trace<'_, SimdBackend>,
            accumulator: &mut DomainEvaluationAccumulator<SimdBackend>,
        ) {
            let public: Vec<_> = self.public_polynomials.iter().collect();
            let polys = self.gather(&trace.polys, &public);
            self.inner
                .evaluate_constraint_quotients_on_domain(&Trace { polys }, accumulator);
        }
    }
}
