//! Execution of tokens, with every intermediate value recorded.

mod attention;
mod gated;
mod norm;
mod rotary;
mod stream;

use matchmark_graph::{
    ArithmeticTerms, EdgeId, Linear, MatrixName, ModelShape, Node, NodeId,
    Operation as NodeOperation, Projection,
};
use matchmark_quant::{Rescale, StepRange};
use matchmark_runtime::SegmentExecution;

use crate::parts::check_tokens;
use crate::{IntegerModel, ModelError, ModelState, Operation, Place};

pub use norm::NormRecord;

/// Consecutive tokens with everything that happened to them. Tensors are flattened, last dimension
/// fastest; `S` is the number of tokens, `stages` is `2 L + 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelExecution {
    /// Sizes.
    pub shape: ModelShape,
    /// Which positions these are.
    pub steps: StepRange,
    /// Tokens consumed, `[S]`.
    pub tokens: Vec<u32>,
    /// The greedy choice after each token: the lowest token whose logit is the largest, `[S]`.
    pub choices: Vec<u32>,
    /// The residual stream after the embedding, after each attention and after each MLP,
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
    /// Accumulators of the output head, `[S, V]`.
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
    let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let steps = StepRange::new(to_u32(state.position()), to_u32(tokens.len()))?;
    let mut run = Run::begin(model, state, steps, tokens);
    for id in model.graph().ids() {
        run.visit(id)?;
    }
    run.finish()
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
    state: &'a ModelState,
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
        state: &'a ModelState,
        steps: StepRange,
        tokens: &[u32],
    ) -> Self {
        let execution = ModelExecution {
            shape: *model.shape(),
            steps,
            tokens: tokens.to_vec(),
            choices: Vec::new(),
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
                shape: model.shape().all_layers_attention(),
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
        Self {
            model,
            state,
            steps,
            execution,
            edges: vec![Vec::new(); model.graph().edges().len()],
            attentions: Vec::new(),
        }
    }

    /// Computes a node from what its edges carry.
    fn visit(&mut self, id: NodeId) -> Result<(), ModelError> {
        let model = self.model;
        let node = model.graph().node(id);
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
        };
        for (edge, tensors) in node.outputs().iter().zip(outputs) {
            self.edges[edge.index()] = tensors;
        }
        // What no node behind this one takes in is not kept.
        for edge in node.inputs() {
            if model.graph().edge(*edge).to().last() == Some(&id) {
                self.edges[edge.index()].clear();
            }
        }
        Ok(())
    }

    /// Accumulators of every stacked matrix.
    fn multiply(&self, id: NodeId, linear: &Linear) -> Vec<Vec<i32>> {
        let graph = self.model.graph();
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

    /// What holds for all nodes.
    fn terms(&self) -> &'a ArithmeticTerms {
        self.model.arithmetic().terms()
    }

    /// The matrix whose accumulators a node takes in first.
    fn matrix_before(&self, node: &Node) -> MatrixName {
        let graph = self.model.graph();
        let before = graph.edge(node.inputs()[0]).from();
        let mut names = before.into_iter().flat_map(|id| graph.names_of(id));
        match names.next() {
            Some(name) => name,
            None => unreachable!("accumulators come from a matrix"),
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
