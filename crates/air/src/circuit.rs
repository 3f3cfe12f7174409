//! The components of a proof put together: the same on both sides of it.
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use matchmark_graph::Kind;
use matchmark_statement::ProofPart;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;

use crate::challenges::Challenges;
use crate::harness::component::{AnyComponent, Assembly, Wiring};
use crate::harness::public_columns::PublicColumns;
use crate::harness::row::{AsStated, System};
use crate::layout::SegmentLayout;
use crate::ops::argmax::constraints::Argmax;
use crate::ops::attention::cache::Cache;
use crate::ops::attention::scores::Scores;
use crate::ops::attention::vectors::{columns::entry_columns, Vectors};
use crate::ops::gated::constraints::Gated;
use crate::ops::linear::constraints::Linear;
use crate::ops::membership::Membership;
use crate::ops::norms::constraints::Norms;
use crate::ops::rotary::constraints::Rotary;
use crate::ops::stream::constraints::Stream;
use crate::ops::stream_in::constraints::StreamIn;
use crate::ops::stream_out::constraints::StreamOut;
use crate::ops::tables::Tables;
use crate::ops::values::constraints::Values;
use crate::points::PortPoints;
use crate::preprocessed::Preprocessed;
use crate::tables::table_groups;
use crate::trees::TreeOrder;

/// Everything that the components of a proof depend on, besides the layout.
#[derive(Clone, Debug)]
pub struct CircuitContext {
    /// Cache entries before the segment, `P`.
    pub entries_before: usize,
    /// Challenges of the proof.
    pub challenges: Challenges,
    /// One claimed LogUp sum a component; none as long as they are not known.
    pub claimed_sums: Vec<QM31>,
    /// Fingerprint points of the ports.
    pub points: PortPoints,
    /// Public columns: those of the vectors component, or of the argmax component of a decoder's last layers.
    pub public: Arc<PublicColumns>,
}

impl CircuitContext {
    /// A context for what depends on the layout alone (column counts, names, expressions).
    pub fn structural(layout: &SegmentLayout) -> Self {
        let public = match layout.decoder() {
            None => {
                let columns = entry_columns(layout.vector_lanes());
                PublicColumns::structural(layout.log_rows().vectors, columns)
            }
            Some(decoder) if decoder.has(Kind::Argmax) => {
                let log_rows = decoder.log_rows().argmax;
                PublicColumns::structural(log_rows, decoder.argmax_lanes())
            }
            Some(_) => PublicColumns::none(),
        };
        Self {
            entries_before: 0,
            challenges: Challenges::structural(),
            claimed_sums: vec![],
            points: PortPoints::structural(),
            public: Arc::new(public),
        }
    }
}

/// The components of a proof.
pub struct Circuit {
    order: TreeOrder,
    components: Vec<Box<dyn AnyComponent>>,
}

impl Circuit {
    /// Puts the components of a part together.
    pub fn new(layout: &SegmentLayout, part: ProofPart, context: &CircuitContext) -> Self {
        Self::of_system(layout, part, context, &AsStated)
    }

    /// The components of a part for what depends on the layout alone.
    pub fn structural(layout: &SegmentLayout, part: ProofPart) -> Self {
        Self::new(layout, part, &CircuitContext::structural(layout))
    }

    /// Puts the components of a part together as those of this system.
    pub fn of_system<S: System>(
        layout: &SegmentLayout,
        part: ProofPart,
        context: &CircuitContext,
        system: &S,
    ) -> Self {
        let CircuitContext {
            entries_before,
            challenges,
            claimed_sums,
            points,
            public,
        } = context;
        let wiring = Wiring {
            challenges,
            claimed_sums,
            points,
            public,
        };
        let is_main = part.is_main();
        let attention = is_main.then_some((layout, *entries_before));
        let decoder = layout.decoder().filter(|_| is_main);
        let decoder = decoder.map(|decoder| (decoder, *entries_before));

        let mut assembly = Assembly::new(layout, part, system, wiring);
        assembly.add(attention.map(|(layout, before)| Vectors::new(layout, before)));
        assembly.add(attention.map(|(layout, _)| Scores::new(layout)));
        assembly.add(attention.map(|(layout, _)| Cache::new(layout)));
        assembly.add(decoder.map(|(decoder, _)| Linear::new(decoder)));
        assembly.add(decoder.map(|(decoder, _)| Stream::new(decoder)));
        assembly.add(decoder.map(|(decoder, _)| Norms::new(decoder)));
        assembly.add(decoder.map(|(decoder, before)| Rotary::new(decoder, before)));
        assembly.add(decoder.map(|(decoder, _)| Values::new(decoder)));
        assembly.add(decoder.map(|(decoder, _)| Gated::new(decoder)));
        let with = |kind: Kind| decoder.filter(|(it, _)| it.has(kind));
        assembly.add(with(Kind::Argmax).map(|(decoder, _)| Argmax::new(decoder)));
        assembly.add(with(Kind::StreamIn).map(|(decoder, _)| StreamIn::new(decoder)));
        assembly.add(with(Kind::StreamOut).map(|(decoder, _)| StreamOut::new(decoder)));
        assembly.add((!is_main).then(|| Membership::new(layout)));
        for (log_rows, tables) in table_groups(layout, part) {
            assembly.add(Some(Tables::new(part, log_rows, tables)));
        }
        Self {
            order: TreeOrder::of(layout, part),
            components: assembly.finish(),
        }
    }

    /// What the proof shows.
    pub fn part(&self) -> ProofPart {
        self.order.part()
    }

    /// The order of its trees.
    pub fn order(&self) -> &TreeOrder {
        &self.order
    }

    /// Number of components, and of claimed sums.
    pub fn len(&self) -> usize {
        self.components.len()
    }

    /// Whether there are no components: never.
    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// The components in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &dyn AnyComponent> {
        self.components.iter().map(|component| &**component)
    }

    /// The components in order, as the verifier takes them.
    pub fn components(&self) -> Vec<&dyn Component> {
        self.iter()
            .map(|component| component as &dyn Component)
            .collect()
    }

    /// Tuples of all relations, over all rows of all components.
    pub fn tuples(&self) -> u64 {
        self.iter().map(AnyComponent::tuples).sum()
    }
}

#[cfg(feature = "prover")]
mod prover {
    use stwo::prover::backend::simd::SimdBackend;
    use stwo::prover::poly::twiddles::TwiddleTree;
    use stwo::prover::ComponentProver;

    use super::Circuit;

    impl Circuit {
        /// The components in order, as the prover takes them.
        pub fn provers(&self) -> Vec<&dyn ComponentProver<SimdBackend>> {
            let components = self.iter();
            components
                .map(|component| component as &dyn ComponentProver<SimdBackend>)
                .collect()
        }

        /// Extends the public columns for the prover, at the blowup of the committed ones.
        pub fn extend_public_columns(
            &mut self,
            twiddles: &TwiddleTree<SimdBackend>,
            log_blowup: u32,
        ) {
            for component in &mut self.components {
                component.extend_public_columns(twiddles, log_blowup);
            }
        }
    }
}

/// The columns of every component tree, in order of commitment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProofColumns {
    /// Log sizes.
    pub log_sizes: Vec<Vec<u32>>,
    /// How many samples are opened of each.
    pub samples: Vec<Vec<usize>>,
    /// Tuples of all relations, over all rows of all components. No relation has more uses.
    pub tuples: u64,
    /// Constraints of all components, those on LogUp columns included.
    pub constraints: usize,
    /// The same by component.
    pub components: Vec<ComponentColumns>,
}

/// The columns of a component in all trees but the preprocessed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentColumns {
    /// Name of the component.
    pub name: &'static str,
    /// Log of the number of rows.
    pub log_rows: u32,
    /// Columns.
    pub columns: usize,
    /// Samples that are opened of them.
    pub samples: usize,
}

impl ProofColumns {
    /// The columns of a part's proofs.
    pub fn of(layout: &SegmentLayout, part: ProofPart) -> Self {
        let circuit = Circuit::structural(layout, part);
        let trees = TreeOrder::of(layout, part).of_components().len();
        let mut columns = Self {
            log_sizes: vec![vec![]; trees],
            samples: vec![vec![]; trees],
            tuples: circuit.tuples(),
            constraints: circuit
                .components()
                .iter()
                .map(|it| it.n_constraints())
                .sum(),
            components: vec![],
        };
        for component in circuit.iter() {
            let log_sizes = component.trace_log_degree_bounds().0;
            let points = component.mask_points(CirclePoint::zero(), layout.max_log_rows());
            let own = log_sizes.iter().flatten();
            columns.components.push(ComponentColumns {
                name: component.name(),
                log_rows: component.log_rows(),
                columns: own.count() - log_sizes[0].len(),
                samples: points.0[1..].iter().flatten().map(Vec::len).sum(),
            });
            for (tree, (log_sizes, points)) in log_sizes.into_iter().zip(points.0).enumerate() {
                columns.log_sizes[tree].extend(log_sizes);
                columns.samples[tree].extend(points.iter().map(Vec::len));
            }
        }
        // Preprocessed columns may be shared by components; they stand in their tree once.
        let preprocessed = Preprocessed::of(layout, part);
        columns.samples[0] = vec![1; preprocessed.len()];
        columns.log_sizes[0] = preprocessed
            .into_iter()
            .map(|column| column.log_rows(layout))
            .collect();
        columns
    }
}
