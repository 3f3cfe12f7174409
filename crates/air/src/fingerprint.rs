//! Commitments that fix their columns: a Merkle root and a fingerprint.
//!
//! A Merkle root alone does not fix columns: with few queries a tree can be built that opens to two
//! different codewords. What two proofs have to agree on is therefore committed as (root,
//! fingerprint): the point `z` is derived from the root, and the fingerprint is the value of every
//! column at `z`, opened in the same batch as everything else. With root and fingerprint fixed there
//! is one set of columns left; the argument is in `docs/soundness.md`. The carried state, weights and
//! tables of a model, and the pairs of a split segment are committed in this way.
use alloc::vec::Vec;

use matchmark_graph::{ArithmeticTerms, LayerGroup, ModelShape};
use matchmark_quant::StepRange;
use matchmark_statement::{Cut, Port, PortCommitment, SegmentShape, SegmentStatement, TableId};
use num_traits::Zero;
use sha2::{Digest, Sha256};
use stwo::core::channel::{Blake2sChannel, Channel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::QM31;
use stwo::core::vcs::blake2_hash::{Blake2sHash, Blake2sHasher};
use stwo::core::vcs_lifted::merkle_hasher::MerkleHasherLifted;

use crate::hash::{digest_to_bytes, MerkleHasher};
use crate::layout::SegmentLayout;

/// Domain tag of the fingerprint point (`"fingerprint"` as little-endian words, zero padded).
const POINT_TAG: [u32; 3] = [0x676e_6966, 0x7270_7265, 0x0074_6e69];
/// Domain tag of commitments to ports.
const PORT_TAG: &[u8] = b"matchmark/port/v2";

/// Log of the number of hashes that a fingerprint point takes.
///
/// No transcript stands before the point: a prover may try roots until two sets of columns that are near its
/// tree agree there, at the price of a hash a root. These hashes, one after the other, make each try cost as
/// much more.
pub const LOG_STRETCH: u32 = 8;

/// The point at which the columns of the tree with this root are fingerprinted.
pub fn fingerprint_point(root: Blake2sHash) -> CirclePoint<QM31> {
    let stretched = (0..1_u32 << LOG_STRETCH)
        .fold(root, |hash, _| Blake2sHasher::concat_and_hash(&hash, &root));
    let channel = &mut Blake2sChannel::default();
    channel.mix_u32s(&POINT_TAG);
    channel.update_digest(Blake2sHasher::concat_and_hash(
        &channel.digest(),
        &stretched,
    ));
    CirclePoint::get_random_point(channel)
}

/// What opens a commitment inside a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Root of the tree.
    pub root: Blake2sHash,
    /// Value of each column at [`fingerprint_point`], in column order.
    pub fingerprint: Vec<QM31>,
}

impl Opening {
    /// The commitment to a port: SHA-256 over what it is ([`PortContent`]), the height of the tree, the number
    /// of its columns, the root and the fingerprint.
    pub fn commitment(&self, content: &PortContent<'_>, lifting_log_size: u32) -> PortCommitment {
        let mut hash = Sha256::new();
        hash.update(PORT_TAG);
        let sizes = [u64::from(lifting_log_size), self.fingerprint.len() as u64];
        let kind = [content.kind()].into_iter();
        for size in kind.chain(content.sizes()).chain(sizes) {
            hash.update(size.to_le_bytes());
        }
        hash.update(digest_to_bytes(&self.root));
        for value in &self.fingerprint {
            for coordinate in value.to_m31_array() {
                hash.update(coordinate.0.to_le_bytes());
            }
        }
        PortCommitment::from_bytes(hash.finalize().into())
    }

    /// Of a tree of this height whose columns are zero: root and fingerprint of an empty cache.
    ///
    /// All leaves are the same, and so are all nodes of a level.
    pub fn of_zeros(columns: usize, lifting_log_size: u32) -> Self {
        let mut leaf = MerkleHasher::default();
        leaf.update_leaf(&alloc::vec![BaseField::zero(); columns]);
        let root = (0..lifting_log_size).fold(leaf.finalize(), |node, _| {
            MerkleHasher::hash_children((node, node))
        });
        Self {
            root,
            fingerprint: alloc::vec![QM31::zero(); columns],
        }
    }
}

/// What a port is, beside its columns: what a commitment to it names.
#[derive(Clone, Copy, Debug)]
pub enum PortContent<'a> {
    /// A cache.
    State {
        /// Shape of the chain.
        shape: SegmentShape,
        /// Its entries.
        entries: u64,
    },
    /// The pairs of a split segment.
    Pairs(&'a SegmentLayout),
    /// The function that a model computes. It does not depend on a chain, but on the height of its trees.
    ///
    /// What the tree does not hold is named as well, so that whoever has the commitment has the function: the
    /// same weights with another shift or table are another model.
    Model {
        /// Shape of the model.
        shape: &'a ModelShape,
        /// Its integer arithmetic.
        arithmetic: &'a ArithmeticTerms,
        /// Its weight table.
        table: TableId,
        /// The layers whose weights stand in the tree.
        layers: LayerGroup,
    },
    /// The residual stream between two groups of layers.
    Stream {
        /// Shape of the chain.
        shape: SegmentShape,
        /// Its channels.
        channels: usize,
        /// Layers before it.
        layers: usize,
        /// The steps.
        steps: StepRange,
    },
}

impl<'a> PortContent<'a> {
    /// What a port of a segment is; `None` if its proofs have no such port.
    pub fn of(
        statement: &'a SegmentStatement,
        layout: &'a SegmentLayout,
        port: Port,
    ) -> Option<Self> {
        let (shape, steps) = (statement.shape(), statement.steps());
        match port {
            Port::StateBefore => Some(Self::State {
                shape,
                entries: steps.entries_before() as u64,
            }),
            Port::StateAfter => Some(Self::State {
                shape,
                entries: steps.entries_after() as u64,
            }),
            Port::Pairs => match layout.cut() {
                Cut::Fused => None,
                Cut::Split => Some(Self::Pairs(layout)),
            },
            Port::StreamIn => Self::stream(statement, statement.layers()?.layers().start),
            Port::StreamOut => Self::stream(statement, statement.layers()?.layers().end),
            Port::Model => statement
                .decoder()
                .zip(statement.layers())
                .map(|(decoder, layers)| Self::Model {
                    shape: &decoder.shape,
                    arithmetic: &decoder.arithmetic,
                    table: statement.table(),
                    layers,
                }),
        }
    }

    /// The stream behind so many layers.
    fn stream(statement: &'a SegmentStatement, layers: usize) -> Option<Self> {
        let decoder = statement.decoder()?;
        Some(Self::Stream {
            shape: statement.shape(),
            channels: decoder.shape.hidden(),
            layers,
            steps: statement.steps(),
        })
    }

    /// Which of them it is, so that a commitment to one is never a commitment to another.
    fn kind(&self) -> u64 {
        match self {
            Self::Model { .. } => 0,
            Self::State { .. } => 1,
            Self::Pairs(_) => 2,
            Self::Stream { .. } => 3,
        }
    }

    fn sizes(&self) -> Vec<u64> {
        match self {
            Self::State { shape, entries } => {
                of_chain(shape).into_iter().chain([*entries]).collect()
            }
            Self::Pairs(layout) => {
                let own = [layout.steps() as u64, u64::from(layout.log_rows().scores)];
                of_chain(layout.shape()).into_iter().chain(own).collect()
            }
            Self::Model {
                shape,
                arithmetic,
                table,
                layers,
            } => {
                let mut numbers = of_model(shape, arithmetic, *table);
                // Of all layers there is nothing else to say.
                if layers.count() < layers.of() {
                    let range = layers.layers();
                    numbers.extend([range.start as u64, range.end as u64]);
                }
                numbers
            }
            Self::Stream {
                shape,
                channels,
                layers,
                steps,
            } => {
                let own = [*channels, *layers, steps.entries_before(), steps.steps()];
                let own = own.map(|it| it as u64);
                of_chain(shape).into_iter().chain(own).collect()
            }
        }
    }
}

/// The shape of a chain as numbers.
fn of_chain(shape: &SegmentShape) -> [u64; 5] {
    let attention = shape.attention();
    [
        attention.query_heads() as u64,
        attention.kv_heads() as u64,
        attention.head_dim() as u64,
        u64::from(shape.capacity().get()),
        u64::from(shape.segment_steps().get()),
    ]
}

/// Shape, arithmetic and weight table of a model as numbers.
fn of_model(shape: &ModelShape, arithmetic: &ArithmeticTerms, table: TableId) -> Vec<u64> {
    let sizes = shape.numbers().map(u64::from);
    let numbers = [
        u64::from(arithmetic.value_bits().get()),
        u64::from(arithmetic.rotation_shift()),
        u64::from(arithmetic.score_step().get()),
    ];
    // The constants of the nodes, and the norms of rows of weights that bound their accumulators.
    let identity = arithmetic.identity();
    let nodes = words(identity.as_bytes());
    sizes
        .into_iter()
        .chain(numbers)
        .chain(nodes)
        .chain(words(table.as_bytes()))
        .collect()
}

/// A digest as words, the least significant byte first.
fn words(digest: &[u8; 32]) -> impl Iterator<Item = u64> + '_ {
    let words = digest.chunks_exact(8);
    words.map(|it| {
        let bytes = it.iter().rev();
        bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
    })
}
