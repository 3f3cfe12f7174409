//! Pinned descriptions: what each component is, and the digest of the whole relation.
//!
//! The digest covers the constraint expressions of all components, as the library's expression
//! evaluator formats them, at fixed reference layouts that between them use every gadget in every
//! form; the contents of all preprocessed and public columns of these layouts; and the tuples that the
//! verifier adds itself. A change of any constraint, column, relation or selector changes it.
mod contents;

use std::collections::BTreeMap;
use std::fmt;

use matchmark_graph::{
    GatedArithmetic, Graph, LayerGroups, LinearArithmetic, MatrixArithmetic, ModelArithmetic,
    ModelArithmeticParts, ModelShape, NoConstants, Node, NodeArithmetic, NormArithmetic, Operation,
    RotaryArithmetic, StreamArithmetic, ValuesArithmetic,
};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QuantError,
    QueryHeads, Rounding, ScoreStep, SegmentSteps, TableBounds, TaggedSha256, ValueBits,
    VocabularySize,
};
use matchmark_statement::{Cut, RelationDigest, SegmentShape};
use stwo_constraint_framework::EvalAtRow;

pub use contents::{contents, describe_contents, ContentDescription};

use crate::circuit::{Circuit, CircuitContext};
use crate::harness::component::AnyComponent;
use crate::harness::row::{Observer, Source};
use crate::layout::{LaneChoice, SegmentLayout};
use crate::relation::RelationTag;
use crate::trees::{Tree, TreeOrder};

/// What a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentDescription {
    /// Name of the component.
    pub name: &'static str,
    /// Log of the number of rows.
    pub log_rows: u32,
    /// Columns by tree, preprocessed columns as often as they are read.
    pub columns: Vec<(Tree, usize)>,
    /// Public columns, in no tree.
    pub public_columns: usize,
    /// Name and degree bound of every constraint, the LogUp constraints last.
    pub constraints: Vec<(String, usize)>,
    /// Tuples a row, by relation.
    pub tuples: Vec<(RelationTag, usize)>,
    /// SHA-256 of the constraint expressions.
    pub expressions: String,
}

/// Collects names of constraints and counts tuples.
#[derive(Default)]
struct Names {
    constraints: Vec<&'static str>,
    tuples: BTreeMap<RelationTag, usize>,
}

impl<E: EvalAtRow> Observer<E> for Names {
    fn constraint(&mut self, name: &'static str, _value: E::EF) {
        self.constraints.push(name);
    }

    fn tuple(&mut self, tag: RelationTag, _multiplicity: &E::F, _values: &[E::F]) {
        *self.tuples.entry(tag).or_default() += 1;
    }
}

fn describe(order: &TreeOrder, component: &dyn AnyComponent) -> ComponentDescription {
    let mut names = Names::default();
    component.constraints().observe_structure(&mut names);
    let expressions = component.evaluation().expressions();
    let degrees = expressions.constraint_degree_bounds();
    let own = names.constraints.len();
    let constraints = degrees
        .into_iter()
        .enumerate()
        .map(|(index, degree)| {
            let name = match names.constraints.get(index) {
                Some(name) => (*name).to_owned(),
                None => format!("lookup sums {}", index - own),
            };
            (name, degree)
        })
        .collect();
    let in_trees = component.trace_log_degree_bounds();
    let columns = order
        .of_components()
        .iter()
        .zip(in_trees.iter())
        .map(|(tree, columns)| (*tree, columns.len()))
        .filter(|(_, columns)| *columns > 0)
        .collect();
    let digest = TaggedSha256::new("matchmark/expressions/v1")
        .chain(expressions.format_constraints().as_bytes())
        .finish();
    ComponentDescription {
        name: component.name(),
        log_rows: component.log_rows(),
        columns,
        public_columns: component.columns_from(Source::Public),
        constraints,
        tuples: names.tuples.into_iter().collect(),
        expressions: RelationDigest::from_bytes(digest).to_string(),
    }
}

/// Describes all components of a layout, those of the lookup proof last, for a segment that begins at
/// `entries_before`.
pub fn describe_segment(
    layout: &SegmentLayout,
    entries_before: usize,
) -> Vec<ComponentDescription> {
    let context = CircuitContext {
        entries_before,
        ..CircuitContext::structural(layout)
    };
    let of_part = |part| {
        let circuit = Circuit::new(layout, part, &context);
        let order = TreeOrder::of(layout, part);
        let describe = |component| describe(&order, component);
        circuit.iter().map(describe).collect::<Vec<_>>()
    };
    layout.parts().flat_map(of_part).collect()
}

impl fmt::Display for ComponentDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            log_rows,
            columns,
            public_columns,
            constraints,
            tuples,
            expressions,
        } = self;
        writeln!(f, "{name}: 2^{log_rows} rows")?;
        write!(f, "  columns:")?;
        for (tree, count) in columns {
            write!(f, " {count} {},", tree.name())?;
        }
        writeln!(f, " {public_columns} public")?;
        writeln!(f, "  tuples a row:")?;
        for (tag, count) in tuples {
            writeln!(f, "    {count} {}", tag.name())?;
        }
        writeln!(f, "  constraints:")?;
        for (name, degree) in constraints {
            writeln!(f, "    degree {degree}: {name}")?;
        }
        writeln!(f, "  expressions: {expressions}")
    }
}

/// Sizes and rules of a reference layout of attention.
struct Reference {
    /// Query heads, key/value heads, head dimension.
    heads: [u32; 3],
    capacity: u32,
    steps: u32,
    bits: u8,
    step: u32,
    rounding: Rounding,
    /// Length and largest weight of the table.
    table: (u32, u32),
}

impl Reference {
    /// The layout of the chain's last segment, and its position.
    fn layout(self) -> Result<(SegmentLayout, usize), ReferenceError> {
        let [query, kv, dim] = self.heads;
        let attention = AttentionShape::new(
            QueryHeads::new(query)?,
            KvHeads::new(kv)?,
            HeadDim::new(dim)?,
        )?;
        let shape = SegmentShape::new(
            attention,
            CacheCapacity::new(self.capacity)?,
            SegmentSteps::new(self.steps)?,
        )?;
        let (len, max_weight) = self.table;
        let layout = SegmentLayout::new(
            shape,
            self.steps as usize,
            ValueBits::new(self.bits)?,
            ScoreStep::new(self.step)?,
            self.rounding,
            TableBounds { len, max_weight },
        )?;
        Ok((layout, (self.capacity - self.steps) as usize))
    }
}

/// The same in two proofs.
fn split((layout, entries_before): (SegmentLayout, usize)) -> (SegmentLayout, usize) {
    (layout.with_cut(Cut::Split), entries_before)
}

/// The layouts at which the digest of the relation of values in two digits is taken, besides the
/// [`reference_layouts`], with the position of the segment.
///
/// # Errors
///
/// Never, unless the limits of the parameters are changed.
pub fn digit_layouts() -> Result<Vec<(SegmentLayout, usize)>, ReferenceError> {
    let long = || Reference {
        heads: [2, 1, 4],
        capacity: 2048,
        steps: 4,
        bits: 11,
        step: 300,
        rounding: Rounding::NearestTiesUp,
        table: (2048, 2048),
    };
    Ok(vec![
        // A long cache: the top limb of the carry is bounded from above.
        long().layout()?,
        // Heavy weights: the carry is bounded by its limbs; floor division; two lanes.
        Reference {
            heads: [2, 2, 3],
            capacity: 5,
            steps: 2,
            bits: 12,
            step: 20_000,
            rounding: Rounding::Floor,
            table: (9, 1_500_000),
        }
        .layout()?,
        split(long().layout()?),
        reference_decoder([2048, 2048], false)?,
        split(reference_decoder([2048, 2048], false)?),
        // Lanes of query heads and positions.
        with_lanes(long().layout()?, 4)?,
    ])
}

/// The layouts at which the relation digest is taken, with the position of the segment.
///
/// # Errors
///
/// Never, unless the limits of the parameters are changed.
pub fn reference_layouts() -> Result<Vec<(SegmentLayout, usize)>, ReferenceError> {
    let layout = |heads, [capacity, steps]: [u32; 2], bits, step, rounding, table| {
        let reference = Reference {
            heads,
            capacity,
            steps,
            bits,
            step,
            rounding,
            table,
        };
        reference.layout()
    };
    Ok(vec![
        // The default: wide remainders, clipping in one limb, two lanes.
        layout(
            [4, 4, 64],
            [66, 64],
            8,
            264,
            Rounding::NearestTiesUp,
            (256, 4096),
        )?,
        // Grouped heads, one lane; no gap remainder; floor division in one limb.
        layout([4, 1, 16], [7, 4], 8, 1, Rounding::Floor, (9, 256))?,
        // Wide gap remainders, and a table so long that nothing clips.
        layout(
            [2, 2, 8],
            [9, 1],
            12,
            20_000,
            Rounding::NearestTiesUp,
            (16_384, 4096),
        )?,
        // Clipping in two limbs, the top one bounded from above.
        layout(
            [4, 4, 64],
            [66, 64],
            8,
            61,
            Rounding::NearestTiesUp,
            (256, 4096),
        )?,
        // Clipping in one limb bounded from above; rounding whose shift needs a range check.
        layout(
            [1, 1, 64],
            [100, 2],
            12,
            110_000,
            Rounding::NearestTiesUp,
            (9, 4096),
        )?,
        // Clipping held to its maximum exactly.
        layout(
            [1, 1, 128],
            [100, 2],
            12,
            1000,
            Rounding::Floor,
            (4096, 4096),
        )?,
        // The default, split.
        split(layout(
            [4, 4, 64],
            [66, 64],
            8,
            264,
            Rounding::NearestTiesUp,
            (256, 4096),
        )?),
        // A split segment with fewer pairs than its table has entries.
        split(layout(
            [2, 1, 8],
            [9, 1],
            8,
            1,
            Rounding::Floor,
            (4096, 4096),
        )?),
        reference_decoder([64, 48], false)?,
        split(reference_decoder([64, 48], false)?),
        // With biases.
        reference_decoder([64, 48], true)?,
        // Layer by layer: the first, one between others, the last.
        reference_layer(0)?,
        reference_layer(1)?,
        reference_layer(2)?,
        // So many tokens that the choice has lanes, the first of which have no token in their first row.
        reference_layers(
            1,
            [64, 48],
            false,
            (LayerGroups::ONE, 0),
            Sizes {
                vocabulary: 22_000,
                ..Sizes::SMALL
            },
        )?,
        // A layer between others with lanes in the stream and in the gates, whose first rows lack a step.
        reference_layers(
            3,
            [128, 120],
            false,
            (LayerGroups::new(3)?, 1),
            Sizes {
                hidden: 768,
                mlp: 1200,
                segment_steps: 114,
                ..Sizes::SMALL
            },
        )?,
        // Lanes of query heads and positions, in one proof and in two.
        with_lanes(grouped()?, 3)?,
        split(with_lanes(grouped()?, 3)?),
    ])
}

/// The same with up to so many lanes in each component.
fn with_lanes(
    (layout, entries_before): (SegmentLayout, usize),
    lanes: usize,
) -> Result<(SegmentLayout, usize), ReferenceError> {
    let layout = layout.with_lanes(LaneChoice::UpTo(lanes))?;
    Ok((layout, entries_before))
}

/// Attention whose heads are grouped by three.
fn grouped() -> Result<(SegmentLayout, usize), ReferenceError> {
    let reference = Reference {
        heads: [6, 2, 8],
        capacity: 20,
        steps: 7,
        bits: 8,
        step: 264,
        rounding: Rounding::NearestTiesUp,
        table: (256, 4096),
    };
    reference.layout()
}

/// A decoder of two layers with grouped heads, whose heads are not as wide as the stream together, for so many
/// positions and cache entries; with biases of queries, keys and values or without.
fn reference_decoder(
    positions_and_capacity: [u32; 2],
    biases: bool,
) -> Result<(SegmentLayout, usize), ReferenceError> {
    let whole = (LayerGroups::ONE, 0);
    reference_layers(2, positions_and_capacity, biases, whole, Sizes::SMALL)
}

/// One of three layers of such a decoder, each a group of its own.
fn reference_layer(layer: usize) -> Result<(SegmentLayout, usize), ReferenceError> {
    let group = (LayerGroups::new(3)?, layer);
    reference_layers(3, [64, 48], false, group, Sizes::SMALL)
}

/// Sizes of a reference decoder that say which components have lanes.
struct Sizes {
    hidden: u32,
    mlp: u32,
    vocabulary: u32,
    /// One more than the segment has.
    segment_steps: u32,
}

impl Sizes {
    /// Those at which none has any.
    const SMALL: Self = Self {
        hidden: 24,
        mlp: 40,
        vocabulary: 50,
        segment_steps: 6,
    };
}

fn reference_layers(
    layers: u32,
    [positions, capacity]: [u32; 2],
    biases: bool,
    (groups, index): (LayerGroups, usize),
    sizes: Sizes,
) -> Result<(SegmentLayout, usize), ReferenceError> {
    let shape = ModelShape::new(
        Layers::new(layers)?,
        HiddenSize::new(sizes.hidden)?,
        AttentionShape::new(QueryHeads::new(4)?, KvHeads::new(2)?, HeadDim::new(8)?)?,
        MlpSize::new(sizes.mlp)?,
        VocabularySize::new(sizes.vocabulary)?,
        CacheCapacity::new(positions)?,
    )?
    .with_attention_bias(biases);
    let arithmetic = reference_arithmetic(&shape)?;
    let (bits, step) = (arithmetic.value_bits(), arithmetic.score_step());
    let segment = SegmentShape::new(
        shape.attention_of(shape.layers() / groups.count())?,
        CacheCapacity::new(capacity)?,
        SegmentSteps::new(sizes.segment_steps)?,
    )?;
    let steps = sizes.segment_steps as usize - 1;
    let table = TableBounds {
        len: 2048,
        max_weight: 2048,
    };
    let layout = SegmentLayout::new(segment, steps, bits, step, Rounding::NearestTiesUp, table)?;
    let layout = layout.with_layers(shape, *arithmetic.terms(), (groups, index))?;
    Ok((layout, 7))
}

/// The arithmetic of the reference decoder: no two nodes of a kind have the same constants.
fn reference_arithmetic(shape: &ModelShape) -> Result<ModelArithmetic, ReferenceError> {
    let bounds = MatrixArithmetic {
        row_norm: 10_000,
        bias: 0,
    };
    let constants = |node: &Node| {
        // A layer's are larger by one than those of the layer before.
        let more = node.layer().map_or(0, |layer| u8::from(layer > 0));
        match node.operation() {
            Operation::Linear(linear) => {
                NodeArithmetic::Linear(LinearArithmetic::uniform(linear, bounds))
            }
            Operation::Stream(_) => {
                let norm = |shift, epsilon| NormArithmetic { shift, epsilon };
                let (shift, before) = if node.rank() % 2 == 1 {
                    (8, 3)
                } else {
                    (12, 11)
                };
                NodeArithmetic::Stream(match node.rank() {
                    0 => StreamArithmetic::first(norm(12, 12)),
                    rank => StreamArithmetic {
                        shift: shift + more,
                        before: Some(before),
                        norm: match rank {
                            1 => norm(13, 13),
                            2 => norm(13, 15),
                            3 => norm(14, 16),
                            _ => norm(14, 1),
                        },
                    },
                })
            }
            Operation::Rotary(_) => NodeArithmetic::Rotary(RotaryArithmetic {
                query: 5 + more,
                key: 6 + more,
            }),
            Operation::Values(_) => NodeArithmetic::Values(ValuesArithmetic { shift: 7 + more }),
            Operation::Attention(_) => NodeArithmetic::Attention(NoConstants {}),
            Operation::Gated(_) => NodeArithmetic::Gated(GatedArithmetic {
                gate: 9 + more,
                up: 10 + more,
                product: 11 + more,
            }),
            Operation::Argmax(_) => NodeArithmetic::Argmax(NoConstants {}),
            Operation::StreamIn(_) => NodeArithmetic::StreamIn(NoConstants {}),
            Operation::StreamOut(_) => NodeArithmetic::StreamOut(NoConstants {}),
        }
    };
    let bits = ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS)?;
    let common = (bits, 14, ScoreStep::new(300)?);
    let graph = Graph::decoder(shape);
    Ok(ModelArithmetic::new(ModelArithmeticParts::of_graph(
        &graph, common, constants,
    ))?)
}

/// Why a reference layout cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A parameter is out of its limits.
    #[error(transparent)]
    Parameter(#[from] QuantError),
    /// A shape does not fit together.
    #[error(transparent)]
    Shape(#[from] matchmark_statement::StatementError),
    /// The relation does not carry the shape.
    #[error(transparent)]
    Layout(#[from] crate::layout::LayoutError),
    /// There is no such table.
    #[error(transparent)]
    Table(#[from] matchmark_tables::TableError),
}

/// What the digest of the relation covers at one layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutDescription {
    /// The components.
    pub components: Vec<ComponentDescription>,
    /// Columns and tuples that are fixed.
    pub contents: Vec<ContentDescription>,
}

/// What the digest of the relation covers, layout by layout.
///
/// # Errors
///
/// Those of [`reference_layouts`].
pub fn describe_relation() -> Result<Vec<LayoutDescription>, ReferenceError> {
    describe_layouts(reference_layouts()?)
}

/// What the digest of the relation of values in two digits covers: all of the relation, and its own layouts.
///
/// # Errors
///
/// Those of [`reference_layouts`] and [`digit_layouts`].
pub fn describe_digits_relation() -> Result<Vec<LayoutDescription>, ReferenceError> {
    let mut all = describe_relation()?;
    all.extend(describe_layouts(digit_layouts()?)?);
    Ok(all)
}

fn describe_layouts(
    layouts: Vec<(SegmentLayout, usize)>,
) -> Result<Vec<LayoutDescription>, ReferenceError> {
    let layouts = layouts.into_iter();
    layouts
        .map(|(layout, entries_before)| {
            Ok(LayoutDescription {
                components: describe_segment(&layout, entries_before),
                contents: describe_contents(&layout)?,
            })
        })
        .collect()
}

/// The digest of a relation of this description.
pub fn digest_of(relation: &[LayoutDescription]) -> RelationDigest {
    let mut digest = TaggedSha256::new("matchmark/relation/v4");
    let mut add = |text: String| {
        digest.update_u64(text.len() as u64);
        digest.update(text.as_bytes());
    };
    for LayoutDescription {
        components,
        contents,
    } in relation
    {
        components.iter().for_each(|it| add(it.to_string()));
        contents.iter().for_each(|it| add(it.to_string()));
    }
    RelationDigest::from_bytes(digest.finish())
}

/// Computes the digest of the relation; [`crate::RELATION_DIGEST`] pins it.
///
/// # Errors
///
/// Those of [`reference_layouts`].
pub fn relation_digest() -> Result<RelationDigest, ReferenceError> {
    Ok(digest_of(&describe_relation()?))
}
