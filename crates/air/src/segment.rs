//! The components of a fused proof (a decoder's included) or an arithmetic one put together: the same on
//! both sides of it.
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use matchmark_statement::{AttentionValues, Boundary, ProofPart};
use num_traits::Zero;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;

use crate::challenges::Challenges;
use crate::components::tables::Table;
use crate::components::{candidates, state, vectors};
use crate::components::{candidates::Candidates, state::State, tables::Tables, vectors::Vectors};
use crate::decoder::segment::{DecoderComponents, DecoderContext, DECODER_COMPONENTS};
use crate::harness::public_columns::PublicColumns;
use crate::harness::routing::{ColumnAllocator, Route, Routed, Source, Wiring};
use crate::harness::row::{AsStated, System};
use crate::layout::SegmentLayout;
use crate::preprocessed::Preprocessed;
use crate::trees::{Tree, TreeOrder};

/// Components of the attention, tables apart, and their claimed sums.
const ATTENTION_COMPONENTS: usize = 3;

/// Everything about a segment that its components depend on, besides the layout.
#[derive(Clone, Debug)]
pub struct SegmentContext {
    /// Cache entries before the segment, `P`.
    pub entries_before: usize,
    /// Challenges of the proof.
    pub challenges: Challenges,
    /// One claimed LogUp sum a component.
    pub claimed_sums: Vec<QM31>,
    /// Fingerprint points of the state before and the state after.
    pub fingerprint_points: [CirclePoint<QM31>; 2],
    /// Fingerprint point of the boundary; of no account in a fused segment.
    pub boundary_point: CirclePoint<QM31>,
    /// Fingerprint point of the model; of no account outside of a decoder.
    pub model_point: CirclePoint<QM31>,
    /// Public columns of the vectors component; of no account in a decoder.
    pub public: Arc<PublicColumns>,
}

impl SegmentContext {
    /// A context for what depends on the layout alone (column counts, names, expressions).
    pub fn structural(layout: &SegmentLayout) -> Self {
        let log_rows = layout.log_rows().vectors;
        let public = PublicColumns::structural(log_rows, vectors::columns::ENTRY_COLUMNS);
        Self {
            entries_before: 0,
            challenges: Challenges::structural(),
            claimed_sums: vec![QM31::zero(); SegmentComponents::count(layout)],
            fingerprint_points: [CirclePoint::zero(); 2],
            boundary_point: CirclePoint::zero(),
            model_point: CirclePoint::zero(),
            public: Arc::new(public),
        }
    }
}

/// The components of a fused or an arithmetic proof.
pub struct SegmentComponents<S: System = AsStated> {
    /// Rows (query head, step, dimension).
    pub vectors: Routed<S::Of<Vectors>>,
    /// Rows (query head, step, candidate).
    pub candidates: Routed<S::Of<Candidates>>,
    /// Rows (key/value head, position, dimension).
    pub state: Routed<S::Of<State>>,
    /// What is around the attention of a decoder.
    pub decoder: Option<DecoderComponents<S>>,
    /// Tables, those of equal height together, in order of height.
    pub tables: Vec<Routed<S::Of<Tables>>>,
}

/// The tables of a part's proofs, those of equal height together, in order of height.
pub fn table_groups(layout: &SegmentLayout, part: ProofPart) -> Vec<(u32, Vec<Table>)> {
    let log_rows = |table: Table| table.log_rows(layout);
    let mut tables = Table::of(part).to_vec();
    tables.sort_by_key(|table| log_rows(*table));
    let mut groups: Vec<(u32, Vec<Table>)> = vec![];
    for table in tables {
        match groups.last_mut() {
            Some((log, group)) if *log == log_rows(table) => group.push(table),
            _ => groups.push((log_rows(table), vec![table])),
        }
    }
    groups
}

impl SegmentComponents {
    /// Number of components, and of claimed sums.
    pub fn count(layout: &SegmentLayout) -> usize {
        let decoder = layout.decoder().map_or(0, |_| DECODER_COMPONENTS);
        ATTENTION_COMPONENTS + decoder + table_groups(layout, layout.main_part()).len()
    }

    /// Puts the components together.
    ///
    /// # Panics
    ///
    /// If the number of claimed sums is not [`Self::count`].
    pub fn new(layout: &SegmentLayout, context: &SegmentContext) -> Self {
        Self::of_system(layout, context, &AsStated)
    }

    /// The columns of every component tree.
    pub fn columns(layout: &SegmentLayout) -> ProofColumns {
        let segment = Self::new(layout, &SegmentContext::structural(layout));
        ProofColumns::of(
            layout,
            layout.main_part(),
            &segment.named_components(),
            segment.tuples(),
        )
    }
}

impl<S: System> SegmentComponents<S> {
    /// Puts the components together as those of this system.
    ///
    /// # Panics
    ///
    /// If the number of claimed sums is not [`SegmentComponents::count`].
    pub fn of_system(layout: &SegmentLayout, context: &SegmentContext, system: &S) -> Self {
        let SegmentContext {
            entries_before,
            challenges,
            claimed_sums,
            fingerprint_points,
            boundary_point,
            model_point,
            public,
        } = context;
        assert_eq!(
            claimed_sums.len(),
            SegmentComponents::count(layout),
            "claimed sums"
        );
        let part = layout.main_part();
        let allocator = &mut ColumnAllocator::new(part);
        let route = |source, columns| Route { source, columns };
        let lanes = layout.lanes();
        let (entries, projections, public) = match layout.decoder() {
            None => (
                Source::Public,
                vectors::columns::PROJECTION_COLUMNS,
                Some(public.clone()),
            ),
            Some(_) => (
                Source::Tree(Tree::Witness),
                vectors::columns::PROJECTION_COLUMNS + vectors::columns::DECODER_PROJECTION_COLUMNS,
                None,
            ),
        };
        let vectors = Routed::new(
            allocator,
            system.component(
                0,
                Vectors {
                    layout: layout.clone(),
                    entries_before: *entries_before,
                    challenges: challenges.clone(),
                },
            ),
            claimed_sums[0],
            Wiring {
                carried: vec![
                    route(entries, vectors::columns::ENTRY_COLUMNS),
                    route(Source::Tree(Tree::Projections), projections),
                ],
                public,
                ..Wiring::default()
            },
        );
        let boundary: Vec<_> = match layout.boundary() {
            Boundary::Fused => vec![],
            Boundary::Split => vec![(Tree::Boundary, *boundary_point)],
        };
        let candidates = Routed::new(
            allocator,
            system.component(
                1,
                Candidates {
                    layout: layout.clone(),
                    challenges: challenges.clone(),
                },
            ),
            claimed_sums[1],
            Wiring {
                carried: boundary
                    .iter()
                    .map(|_| {
                        route(
                            Source::Tree(Tree::Boundary),
                            candidates::columns::BOUNDARY_COLUMNS,
                        )
                    })
                    .chain([route(
                        Source::Tree(Tree::Projections),
                        candidates::columns::PROJECTION_COLUMNS,
                    )])
                    .collect(),
                fingerprints: boundary,
                ..Wiring::default()
            },
        );
        let state_columns = lanes * state::columns::LANE_STATE_COLUMNS;
        let state = Routed::new(
            allocator,
            system.component(
                2,
                State {
                    layout: layout.clone(),
                    challenges: challenges.clone(),
                },
            ),
            claimed_sums[2],
            Wiring {
                carried: vec![
                    route(
                        Source::Tree(Tree::Projections),
                        lanes * state::columns::LANE_PROJECTION_COLUMNS,
                    ),
                    route(Source::Tree(Tree::StateBefore), state_columns),
                    route(Source::Tree(Tree::StateAfter), state_columns),
                ],
                fingerprints: vec![
                    (Tree::StateBefore, fingerprint_points[0]),
                    (Tree::StateAfter, fingerprint_points[1]),
                ],
                public: None,
            },
        );
        let mut before_tables = ATTENTION_COMPONENTS;
        let decoder = layout.decoder().map(|decoder| {
            let first = before_tables;
            before_tables += DECODER_COMPONENTS;
            let context = DecoderContext {
                entries_before: *entries_before,
                challenges,
                model_point: *model_point,
                claimed_sums: &claimed_sums[first..before_tables],
                first_place: first,
            };
            DecoderComponents::of_system(allocator, decoder, &context, system)
        });
        let tables = table_groups(layout, part)
            .into_iter()
            .zip(claimed_sums.iter().enumerate().skip(before_tables))
            .map(|((log_rows, tables), (component, claimed_sum))| {
                let wiring = match tables.iter().map(|table| table.model_columns()).sum() {
                    0 => Wiring::default(),
                    columns => Wiring {
                        carried: vec![route(Source::Tree(Tree::Model), columns)],
                        fingerprints: vec![(Tree::Model, *model_point)],
                        public: None,
                    },
                };
                Routed::new(
                    allocator,
                    system.component(
                        component,
                        Tables {
                            log_rows,
                            tables,
                            challenges: challenges.clone(),
                        },
                    ),
                    *claimed_sum,
                    wiring,
                )
            })
            .collect();
        Self {
            vectors,
            candidates,
            state,
            decoder,
            tables,
        }
    }

    /// The components in order.
    pub fn components(&self) -> Vec<&dyn Component> {
        let named = self.named_components().into_iter();
        named.map(|(_, component)| component).collect()
    }

    /// The components in order, by name.
    pub fn named_components(&self) -> Vec<(&'static str, &dyn Component)> {
        let mut components: Vec<(_, &dyn Component)> = vec![
            ("vectors", &self.vectors),
            ("candidates", &self.candidates),
            ("state", &self.state),
        ];
        components.extend(
            self.decoder
                .iter()
                .flat_map(DecoderComponents::named_components),
        );
        let tables = self.tables.iter();
        components.extend(tables.map(|table| ("tables", table as &dyn Component)));
        components
    }

    /// Tuples of all relations, over all rows of all components.
    pub fn tuples(&self) -> u64 {
        self.vectors.tuples()
            + self.candidates.tuples()
            + self.state.tuples()
            + self.decoder.as_ref().map_or(0, DecoderComponents::tuples)
            + self.tables.iter().map(Routed::tuples).sum::<u64>()
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
    /// The columns of these components of a part's proofs.
    pub(crate) fn of(
        layout: &SegmentLayout,
        part: ProofPart,
        components: &[(&'static str, &dyn Component)],
        tuples: u64,
    ) -> Self {
        let trees = TreeOrder::of(part).of_components().len();
        let mut columns = Self {
            log_sizes: vec![vec![]; trees],
            samples: vec![vec![]; trees],
            tuples,
            components: vec![],
        };
        for (name, component) in components {
            let log_sizes = component.trace_log_degree_bounds().0;
            let points = component.mask_points(CirclePoint::zero(), layout.max_log_rows());
            let own = log_sizes.iter().flatten();
            columns.components.push(ComponentColumns {
                name,
                log_rows: own.clone().copied().max().unwrap_or(0),
                columns: own.count() - log_sizes[0].len(),
                samples: points.0[1..].iter().flatten().map(Vec::len).sum(),
            });
            for (tree, (log_sizes, points)) in log_sizes.into_iter().zip(points.0).enumerate() {
                columns.log_sizes[tree].extend(log_sizes);
                columns.samples[tree].extend(points.iter().map(Vec::len));
            }
        }
        // Preprocessed columns may be shared by components; they stand in their tree once.
        let preprocessed = Preprocessed::of(part);
        columns.samples[0] = vec![1; preprocessed.len()];
        columns.log_sizes[0] = preprocessed
            .into_iter()
            .map(|column| column.log_rows(layout))
            .collect();
        columns
    }
}

/// The public columns of the vectors component: query, key, value and output entries, row by row.
/// Keys and values are repeated for the query heads of their group.
pub fn public_columns(layout: &SegmentLayout, values: &AttentionValues) -> PublicColumns {
    entry_columns(layout, [values.q(), values.k(), values.v(), values.out()])
}

/// The same from queries, keys, values and outputs, `[heads, steps, dimensions]` each.
pub fn entry_columns(layout: &SegmentLayout, [q, k, v, out]: [&[i16]; 4]) -> PublicColumns {
    let log_rows = layout.log_rows().vectors;
    let attention = layout.shape().attention();
    let (dim, steps) = (layout.head_dim(), layout.steps());
    let mut columns = vec![vec![M31::zero(); 1 << log_rows]; vectors::columns::ENTRY_COLUMNS];
    for head in 0..attention.query_heads() {
        let kv_head = attention.kv_head_of(head);
        for step in 0..steps {
            for c in 0..dim {
                let row = layout.vector_row(head, step, c);
                let of_query = (head * steps + step) * dim + c;
                let of_group = (kv_head * steps + step) * dim + c;
                columns[0][row] = M31::from(i32::from(q[of_query]));
                columns[1][row] = M31::from(i32::from(k[of_group]));
                columns[2][row] = M31::from(i32::from(v[of_group]));
                columns[3][row] = M31::from(i32::from(out[of_query]));
            }
        }
    }
    PublicColumns::new(log_rows, columns)
}
