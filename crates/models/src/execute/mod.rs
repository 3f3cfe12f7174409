//! Execution of tokens, with every intermediate value recorded.

mod attention;
mod gated;
mod group;
mod norm;
mod rotary;
mod stream;

use matchmark_graph::{
    ArithmeticTerms, EdgeId, Graph, LayerGroup, Linear, MatrixName, ModelArithmetic, ModelShape,
    Node, NodeId, Operation as NodeOperation, Projection, EMBEDDING_SHIFT,
};
use matchmark_quant::{Rescale, StepRange};
use matchmark_runtime::{KvCache, SegmentExecution};

use crate::parts::check_tokens;
use crate::{IntegerModel, ModelError, ModelState, Operation, Place};

pub use group::{execute_group, GroupInput, ModelGroup};
pub use norm::NormRecord;

/// Consecutive tokens with everything that happened to them in a group of layers, or in all. Tensors are
/// flattened, last dimension fastest; `S` is the number of tokens, `L` that of the group's layers, `stages` is
/// `2 L + 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelExecution {
    /// Sizes of the model.
    pub shape: ModelShape,
    /// The layers.
    pub layers: LayerGroup,
    /// Which positions these are.
    pub steps: StepRange,
    /// Tokens consumed, `[S]`.
    pub tokens: Vec<u32>,
    /// The greedy choice after each token: the lowest token whose logit is the largest, `[S]`.
    pub choices: Vec<u32>,
    /// The residual stream after the embedding, or as the group before gives it out, after each attention and after each MLP,
    /// `[stages, S, C]`.
    pub stream: Vec<i32>,
    /// What was added to the stream, in units of `2^-shift` of it, with the shift of the stage, `[stages, S, C]`:
    /// the embedding, the accumulators of each attention's output projection, of each down projection.
    pub stream_accumulators: Vec<i32>,
    /// The normalization of each stage, `[stages, S]`.
    pub norms: Vec<NormRecord>,
    /// The normalized stream of each stage, `[stages, S, C]`.
    pub normalized: Vec<i32>,
    /// Accumulators of the query projections, `[L, S, H d]`.
    pub query_accumulators: Vec<i32>,
    /// Accumulators of the key projections, `[L, S, G d]`.
    pub key_accumulators: Vec<i32>,
    /// Accumulators of the value projections, `[L, S, G d]`.
    pub value_accumulators: Vec<i32>,
    /// Queries before rotation, `[L, S, H d]`.
    pub rotary_queries: Vec<i32>,
    /// Keys before rotation, `[L, S, G d]`.
    pub rotary_keys: Vec<i32>,
    /// Accumulators of the gate projections, `[L, S, F]`.
    pub gate_accumulators: Vec<i32>,
    /// Accumulators of the up projections, `[L, S, F]`.
    pub up_accumulators: Vec<i32>,
    /// Values of the gates, `[L, S, F]`.
    pub gates: Vec<i32>,
    /// Values of the up projections, `[L, S, F]`.
    pub ups: Vec<i32>,
    /// Activated gates: entries of the activation's table, `[L, S, F]`.
    pub activated: Vec<i32>,
    /// Rescaled products of activated gates and up projections, `[L, S, F]`.
    pub gated: Vec<i32>,
    /// Accumulators of the output head, `[S, V]`; none of a group without it.
    pub logits: Vec<i32>,
    /// The attention of all layers as one of `L H` query heads and `L G` key/value heads, layer by
    /// layer. Its `q`, `k` and `v` are what was rotated and rescaled, its `out` is what the output
    /// projections take in.
    pub attention: SegmentExecution,
}

/// Runs tokens through a model: a walk over the nodes of its graph. Returns what happened, and the state
/// afterwards.
///
/// Tokens at once or one at a time give the same integers.
///
/// # Errors
/// [`ModelError::NoTokens`], [`ModelError::UnknownToken`], [`ModelError::PositionLimit`],
/// [`ModelError::WrongState`]; [`ModelError::OutOfRange`] and [`ModelError::SquareSumTooLarge`] for a
/// value that a proof could not carry.
pub fn execute_model(
    model: &IntegerModel,
    state: &ModelState,
    tokens: &[u32],
) -> Result<(ModelExecution, ModelState), ModelError> {
    check_tokens(model.shape(), tokens)?;
    state.check(model, tokens.len())?;
    let input = GroupInput {
        tokens,
        choices: &[],
        stream: &[],
        cache: state.cache(),
    };
    let layers = LayerGroup::whole(model.shape().layers());
    let nodes = (model.graph(), model.arithmetic());
    let (execution, cache) = Run::begin(model, layers, nodes, &input)?.through()?;
    Ok((execution, ModelState::after(cache)))
}

/// The lowest index at which the maximum is attained.
fn greedy_choice(logits: &[i32]) -> u32 {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    u32::try_from(best).unwrap_or(u32::MAX)
}

/// A run through the graph.
struct Run<'a> {
    model: &'a IntegerModel,
    graph: &'a Graph,
    arithmetic: &'a ModelArithmetic,
    cache: &'a KvCache,
    /// The stream that comes from the group before.
    stream: &'a [i32],
    steps: StepRange,
    execution: ModelExecution,
    /// What edges carry, `[S, width]`: stacked matrices give a tensor each, the others one.
    edges: Vec<Vec<Vec<i32>>>,
    /// The attentions of the layers so far.
    attentions: Vec<SegmentExecution>,
}

impl<'a> Run<'a> {
    /// A run in which nothing has happened yet.
    fn begin(
        model: &'a IntegerModel,
        layers: LayerGroup,
        (graph, arithmetic): (&'a Graph, &'a ModelArithmetic),
        input: &GroupInput<'a>,
    ) -> Result<Self, ModelError> {
        let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (before, tokens) = (input.cache.entries(), input.tokens.len());
        let steps = StepRange::new(to_u32(before), to_u32(tokens))?;
        let execution = ModelExecution {
            shape: *model.shape(),
            layers,
            steps,
            tokens: input.tokens.to_vec(),
            choices: input.choices.to_vec(),
            stream: Vec::new(),
            stream_accumulators: Vec::new(),
            norms: Vec::new(),
            normalized: Vec::new(),
            query_accumulators: Vec::new(),
            key_accumulators: Vec::new(),
            value_accumulators: Vec::new(),
            rotary_queries: Vec::new(),
            rotary_keys: Vec::new(),
            gate_accumulators: Vec::new(),
            up_accumulators: Vec::new(),
            gates: Vec::new(),
            ups: Vec::new(),
            activated: Vec::new(),
            gated: Vec::new(),
            logits: Vec::new(),
            attention: SegmentExecution {
                shape: input.cache.shape(),
                steps,
                q: Vec::new(),
                k: Vec::new(),
                v: Vec::new(),
                out: Vec::new(),
                scores: Vec::new(),
                rows: Vec::new(),
                remainders: Vec::new(),
            },
        };
        Ok(Self {
            model,
            graph,
            arithmetic,
            cache: input.cache,
            stream: input.stream,
            steps,
            execution,
            edges: vec![Vec::new(); graph.edges().len()],
            attentions: Vec::new(),
        })
    }

    /// Computes all nodes.
    fn through(mut self) -> Result<(ModelExecution, KvCache), ModelError> {
        for id in self.graph.ids() {
            self.visit(id)?;
        }
        self.finish()
    }

    /// Computes a node from what its edges carry.
    fn visit(&mut self, id: NodeId) -> Result<(), ModelError> {
        let graph = self.graph;
        let node = graph.node(id);
        let outputs = match node.operation() {
            NodeOperation::Linear(linear) => vec![self.multiply(id, linear)],
            NodeOperation::Stream(_) => self.add_to_stream(id, node)?,
            NodeOperation::Rotary(_) => vec![self.rotate(id, node)?],
            NodeOperation::Values(_) => vec![self.values(id, node)?],
            NodeOperation::Attention(_) => vec![self.attend(node)?],
            NodeOperation::Gated(_) => vec![self.gate(id, node)?],
            NodeOperation::Argmax(_) => {
                self.choose(node);
                vec![]
            }
            NodeOperation::StreamIn(_) => vec![vec![self.take_in()]],
            // The last stage of the record is what goes out.
            NodeOperation::StreamOut(_) => vec![],
        };
        for (edge, tensors) in node.outputs().iter().zip(outputs) {
            self.edges[edge.index()] = tensors;
        }
        // What no node behind this one takes in is not kept.
        for edge in node.inputs() {
            if graph.edge(*edge).to().last() == Some(&id) {
                self.edges[edge.index()].clear();
            }
        }
        Ok(())
    }

    /// Accumulators of every stacked matrix.
    fn multiply(&self, id: NodeId, linear: &Linear) -> Vec<Vec<i32>> {
        let graph = self.graph;
        if !linear.is_summing() {
            return vec![self.embed()];
        }
        let input = &self.edges[graph.node(id).inputs()[0].index()][0];
        let names = graph.names_of(id);
        names
            .map(|name| self.model.matrix(name).apply(input))
            .collect()
    }

    /// The logits, and the choices by them.
    fn choose(&mut self, node: &Node) {
        let logits = self.take(node.inputs()[0]).remove(0);
        let vocabulary = self.model.shape().vocabulary();
        let choices = logits.chunks_exact(vocabulary).map(greedy_choice);
        self.execution.choices = choices.collect();
        self.execution.logits = logits;
    }

    /// What an edge carries to the one node that it goes to.
    fn take(&mut self, edge: EdgeId) -> Vec<Vec<i32>> {
        std::mem::take(&mut self.edges[edge.index()])
    }

    /// The stream of the group before, in the units of accumulators, as an embedding is.
    fn take_in(&self) -> Vec<i32> {
        let stream = self.stream.iter();
        stream.map(|&value| value << EMBEDDING_SHIFT).collect()
    }

    /// What holds for all nodes.
    fn terms(&self) -> &'a ArithmeticTerms {
        self.arithmetic.terms()
    }

    /// The matrix whose accumulators a node takes in first; `None` if those are the stream of the group before.
    fn matrix_before(&self, node: &Node) -> Option<MatrixName> {
        let graph = self.graph;
        let before = graph.edge(node.inputs()[0]).from()?;
        match graph.node(before).operation() {
            NodeOperation::Linear(_) => graph.names_of(before).next(),
            _ => None,
        }
    }

    /// Where element `index` of a tensor `[S, width]` stands.
    fn place(
        &self,
        (operation, layer): (Operation, Option<usize>),
        width: usize,
        index: usize,
    ) -> Place {
        Place {
            operation,
            layer,
            position: self.steps.entries_before() + index / width.max(1),
            channel: index % width.max(1),
        }
    }

    /// Rescales a tensor `[S, width]`.
    fn rescale(
        &self,
        at: (Operation, Option<usize>),
        rescale: Rescale,
        width: usize,
        accumulators: impl Iterator<Item = i64>,
    ) -> Result<Vec<i32>, ModelError> {
        accumulators
            .enumerate()
            .map(|(index, x)| match rescale.apply(x) {
                Ok(rescaled) => Ok(rescaled.out),
                Err(reason) => Err(ModelError::OutOfRange {
                    place: self.place(at, width, index),
                    reason,
                }),
            })
            .collect()
    }

    /// Rescales the accumulators `[S, width]` of a matrix.
    fn rescale_all(
        &self,
        at: (Operation, Option<usize>),
        rescale: Rescale,
        width: usize,
        accumulators: &[i32],
    ) -> Result<Vec<i32>, ModelError> {
        let wide = accumulators.iter().map(|&x| i64::from(x));
        self.rescale(at, rescale, width, wide)
    }
}

/// The operation that adds the accumulators of a matrix to the stream.
const fn addition(projection: Projection) -> Operation {
    match projection {
        Projection::Embedding => Operation::Embedding,
        Projection::Output => Operation::AttentionOutput,
        Projection::Down => Operation::MlpOutput,
        Projection::Query
        | Projection::Key
        | Projection::Value
        | Projection::Gate
        | Projection::Up
        | Projection::Head => unreachable!(),
    }
}

/// The normalization before a matrix.
const fn norm_before(projection: Projection) -> Operation {
    match projection {
        Projection::Query | Projection::Key | Projection::Value => Operation::AttentionNorm,
        Projection::Gate | Projection::Up => Operation::MlpNorm,
        Projection::Head => Operation::FinalNorm,
        Projection::Embedding | Projection::Output | Projection::Down => unreachable!(),
    }
}
