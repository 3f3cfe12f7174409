//! The components of a lookup proof put together: the same on both sides of it.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_statement::ProofPart;
use num_traits::Zero;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;

use crate::challenges::{Challenges, LookupChallenges, ProjectionChallenges};
use crate::components::candidates::columns::BOUNDARY_COLUMNS;
use crate::components::membership::Membership;
use crate::components::tables::{Table, Tables};
use crate::harness::routing::{ColumnAllocator, Route, Routed, Source, Wiring};
use crate::harness::row::{AsStated, System};
use crate::layout::SegmentLayout;
use crate::segment::ProofColumns;
use crate::trees::Tree;

/// Number of components, and of claimed sums.
pub const LOOKUP_COMPONENTS: usize = 2;

/// Everything about a lookup proof that its components depend on, besides the layout.
#[derive(Clone, Debug)]
pub struct LookupContext {
    /// Challenges of the proof.
    pub challenges: LookupChallenges,
    /// One claimed LogUp sum a component.
    pub claimed_sums: [QM31; LOOKUP_COMPONENTS],
    /// Fingerprint point of the boundary.
    pub boundary_point: CirclePoint<QM31>,
}

impl LookupContext {
    /// A context for what depends on the layout alone (column counts, names, expressions).
    pub fn structural() -> Self {
        Self {
            challenges: LookupChallenges::structural(),
            claimed_sums: [QM31::zero(); LOOKUP_COMPONENTS],
            boundary_point: CirclePoint::zero(),
        }
    }
}

/// The components of a lookup proof.
pub struct LookupComponents<S: System = AsStated> {
    /// Rows of the boundary.
    pub membership: Routed<S::Of<Membership>>,
    /// Entries of the weight table.
    pub table: Routed<S::Of<Tables>>,
}

impl LookupComponents {
    /// Puts the components together.
    pub fn new(layout: &SegmentLayout, context: &LookupContext) -> Self {
        Self::of_system(layout, context, &AsStated)
    }

    /// The columns of every component tree.
    pub fn columns(layout: &SegmentLayout) -> ProofColumns {
        let lookup = Self::new(layout, &LookupContext::structural());
        let tuples = lookup.membership.tuples() + lookup.table.tuples();
        ProofColumns::of(
            layout,
            ProofPart::Lookup,
            &[
                ("membership", &lookup.membership),
                ("weight table", &lookup.table),
            ],
            tuples,
        )
    }
}

impl<S: System> LookupComponents<S> {
    /// Puts the components together as those of this system.
    pub fn of_system(layout: &SegmentLayout, context: &LookupContext, system: &S) -> Self {
        let LookupContext {
            challenges,
            claimed_sums,
            boundary_point,
        } = context;
        // There are no projections here, and no constraint names their points.
        let challenges = Challenges {
            projection: ProjectionChallenges::structural(),
            lookup: challenges.clone(),
        };
        let allocator = &mut ColumnAllocator::new(ProofPart::Lookup);
        let membership = Routed::new(
            allocator,
            system.component(
                0,
                Membership {
                    log_rows: layout.log_rows().candidates,
                    challenges: challenges.clone(),
                },
            ),
            claimed_sums[0],
            Wiring {
                carried: vec![Route {
                    source: Source::Tree(Tree::Boundary),
                    columns: BOUNDARY_COLUMNS,
                }],
                fingerprints: vec![(Tree::Boundary, *boundary_point)],
                public: None,
            },
        );
        let table = Routed::new(
            allocator,
            system.component(
                1,
                Tables {
                    log_rows: layout.log_rows().weights,
                    tables: vec![Table::Weights],
                    challenges,
                },
            ),
            claimed_sums[1],
            Wiring::default(),
        );
        Self { membership, table }
    }

    /// The components in order.
    pub fn components(&self) -> Vec<&dyn Component> {
        vec![&self.membership, &self.table]
    }
}
