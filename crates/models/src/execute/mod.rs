//! Execution of tokens, with every intermediate value recorded.

mod attention;
mod norm;
mod rotary;

use matchmark_quant::{
    ArithmeticTerms, ModelArithmetic, ModelShape, Rescale, ResidualArithmetic, StepRange,
};
use matchmark_runtime::SegmentExecution;

use crate::parts::check_tokens;
use crate::{IntegerModel, Matrix, ModelError, ModelState, Operation, Place};

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

/// Runs tokens through a model. Returns what happened, and the state afterwards.
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
    let shape = *model.shape();
    let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let steps = StepRange::new(to_u32(state.position()), to_u32(tokens.len()))?;
    let run = Run { model, steps };

    let mut execution = run.begin(tokens);
    let mut stream = run.embed(tokens, &mut execution)?;
    let mut attentions = Vec::with_capacity(shape.layers());
    let layers = model.layers().iter().zip(model.arithmetic().layers());
    for (layer, (weights, nodes)) in layers.enumerate() {
        let normalized = run.normalize(Operation::AttentionNorm, layer, &stream, &mut execution)?;
        let attention = run.attend(layer, &normalized, state, &mut execution)?;
        let outputs = run.attention_outputs(&attention);
        attentions.push(attention);
        stream = run.add_to_stream(
            (Operation::AttentionOutput, layer),
            (weights.o(), nodes.output),
            &outputs,
            stream,
            &mut execution,
        )?;
        let normalized = run.normalize(Operation::MlpNorm, layer, &stream, &mut execution)?;
        let gated = run.mlp(layer, &normalized, &mut execution)?;
        stream = run.add_to_stream(
            (Operation::MlpOutput, layer),
            (weights.down(), nodes.down),
            &gated,
            stream,
            &mut execution,
        )?;
    }
    let normalized = run.normalize(Operation::FinalNorm, 0, &stream, &mut execution)?;
    execution.logits = model.head().apply(&normalized);
    execution.choices = execution
        .logits
        .chunks_exact(shape.vocabulary())
        .map(greedy_choice)
        .collect();
    let (attention, state) = run.join(attentions, state)?;
    execution.attention = attention;
    Ok((execution, state))
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

/// What all operations of a run share.
struct Run<'a> {
    model: &'a IntegerModel,
    steps: StepRange,
}

impl Run<'_> {
    /// An execution in which nothing has happened yet.
    fn begin(&self, tokens: &[u32]) -> ModelExecution {
        let attention = self.model.shape().all_layers_attention();
        ModelExecution {
            shape: *self.model.shape(),
            steps: self.steps,
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
                shape: attention,
                steps: self.steps,
                q: Vec::new(),
                k: Vec::new(),
                v: Vec::new(),
                out: Vec::new(),
                scores: Vec::new(),
                rows: Vec::new(),
                remainders: Vec::new(),
            },
        }
    }

    /// Where element `index` of a tensor `[S, width]` stands.
    fn place(&self, operation: Operation, layer: usize, width: usize, index: usize) -> Place {
        let in_layer = !matches!(
            operation,
            Operation::Embedding | Operation::FinalNorm | Operation::Logits
        );
        Place {
            operation,
            layer: in_layer.then_some(layer),
            position: self.steps.entries_before() + index / width.max(1),
            channel: index % width.max(1),
        }
    }

    /// Rescales a tensor `[S, width]`.
    fn rescale(
        &self,
        (operation, layer): (Operation, usize),
        rescale: Rescale,
        width: usize,
        accumulators: impl Iterator<Item = i64>,
    ) -> Result<Vec<i32>, ModelError> {
        accumulators
            .enumerate()
            .map(|(index, x)| match rescale.apply(x) {
                Ok(rescaled) => Ok(rescaled.out),
                Err(reason) => Err(ModelError::OutOfRange {
                    place: self.place(operation, layer, width, index),
                    reason,
                }),
            })
            .collect()
    }

    /// Multiplies and rescales; the accumulators are appended to `record`.
    fn project(
        &self,
        at: (Operation, usize),
        matrix: &Matrix,
        rescale: Rescale,
        input: &[i32],
        record: &mut Vec<i32>,
    ) -> Result<Vec<i32>, ModelError> {
        let accumulators = matrix.apply(input);
        let wide = accumulators.iter().map(|&x| i64::from(x));
        let values = self.rescale(at, rescale, matrix.outputs(), wide)?;
        record.extend(accumulators);
        Ok(values)
    }

    /// The embedding of every token.
    fn embed(
        &self,
        tokens: &[u32],
        execution: &mut ModelExecution,
    ) -> Result<Vec<i32>, ModelError> {
        let hidden = self.model.shape().hidden();
        let mut stream = Vec::with_capacity(tokens.len() * hidden);
        for &token in tokens {
            // Tokens were checked against the vocabulary.
            let row = usize::try_from(token).unwrap_or(usize::MAX) * hidden;
            let entries = &self.model.embedding()[row..row + hidden];
            stream.extend(entries.iter().map(|&entry| i32::from(entry)));
        }
        let accumulators = stream
            .iter()
            .map(|&entry| entry << ModelArithmetic::EMBEDDING_SHIFT);
        execution.stream_accumulators.extend(accumulators);
        execution.stream.extend_from_slice(&stream);
        Ok(stream)
    }

    /// What holds for all nodes.
    fn terms(&self) -> &ArithmeticTerms {
        self.model.arithmetic().terms()
    }

    /// Multiplies, adds to the stream, rescales.
    fn add_to_stream(
        &self,
        at: (Operation, usize),
        (matrix, node): (&Matrix, ResidualArithmetic),
        input: &[i32],
        stream: Vec<i32>,
        execution: &mut ModelExecution,
    ) -> Result<Vec<i32>, ModelError> {
        let rescale = self.terms().stream(node.shift);
        let accumulators = matrix.apply(input);
        let sums = accumulators
            .iter()
            .zip(&stream)
            .map(|(&x, &h)| i64::from(x) + (i64::from(h) << node.residual));
        let stream = self.rescale(at, rescale, matrix.outputs(), sums)?;
        execution.stream_accumulators.extend(accumulators);
        execution.stream.extend_from_slice(&stream);
        Ok(stream)
    }

    /// The gated MLP up to what its down projection takes in.
    fn mlp(
        &self,
        layer: usize,
        input: &[i32],
        execution: &mut ModelExecution,
    ) -> Result<Vec<i32>, ModelError> {
        let (weights, terms) = (self.model.layer(layer), self.terms());
        let nodes = &self.model.arithmetic().layers()[layer];
        let gates = self.project(
            (Operation::Gate, layer),
            weights.gate(),
            terms.gate(nodes.gate.shift),
            input,
            &mut execution.gate_accumulators,
        )?;
        let ups = self.project(
            (Operation::Up, layer),
            weights.up(),
            terms.value(nodes.up.shift),
            input,
            &mut execution.up_accumulators,
        )?;
        let table = &self.model.tables().activation;
        // Gates lie in the table's domain: they have the same width.
        let activated: Vec<i32> = gates.iter().map(|&g| table.get(g).unwrap_or(0)).collect();
        let products = activated
            .iter()
            .zip(&ups)
            .map(|(&s, &u)| i64::from(s) * i64::from(u));
        let width = self.model.shape().mlp();
        let gated = self.rescale(
            (Operation::Gated, layer),
            terms.gated(nodes.gated),
            width,
            products,
        )?;
        execution.gates.extend(gates);
        execution.ups.extend(ups);
        execution.activated.extend(activated);
        execution.gated.extend_from_slice(&gated);
        Ok(gated)
    }
}
