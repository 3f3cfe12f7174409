//! Execution of a group of layers by itself.

use matchmark_graph::{Graph, LayerGroup, ModelArithmetic, STREAM_BITS};
use matchmark_runtime::KvCache;

use super::{ModelExecution, Run};
use crate::parts::check_tokens;
use crate::{IntegerModel, ModelError};

/// A group of layers of a model: its graph, and the constants of that graph's nodes.
#[derive(Clone, Debug)]
pub struct ModelGroup {
    group: LayerGroup,
    graph: Graph,
    arithmetic: ModelArithmetic,
}

impl ModelGroup {
    /// These layers of a model.
    ///
    /// # Errors
    /// [`ModelError::Group`] if they are not layers of the model.
    pub fn new(model: &IntegerModel, group: LayerGroup) -> Result<Self, ModelError> {
        let layers = model.shape().layers();
        if group.of() != layers || group.count() == 0 {
            return Err(ModelError::Group { layers, got: group });
        }
        Ok(Self {
            graph: Graph::decoder_group(model.shape(), &group),
            arithmetic: model.arithmetic().of_group(model.shape(), &group)?,
            group,
        })
    }

    /// The layers.
    #[must_use]
    pub const fn layers(&self) -> LayerGroup {
        self.group
    }

    /// What they compute.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The constants of the graph's nodes.
    #[must_use]
    pub const fn arithmetic(&self) -> &ModelArithmetic {
        &self.arithmetic
    }
}

/// What a group of layers takes in for consecutive tokens: everything that a proof of it is made of, beside the
/// model. `S` is the number of tokens.
#[derive(Clone, Copy, Debug)]
pub struct GroupInput<'a> {
    /// The tokens, `[S]`.
    pub tokens: &'a [u32],
    /// What was chosen after each token, `[S]`; the group with the output head computes it itself.
    pub choices: &'a [u32],
    /// The stream behind the group before, `[S, C]`; nothing where the embedding comes first.
    pub stream: &'a [i32],
    /// The cache of the group's layers.
    pub cache: &'a KvCache,
}

/// Runs tokens through a group of layers. Returns what happened, and the cache of the group's layers afterwards.
///
/// The groups of a model one after the other, each on the stream that the one before gives out, compute what the
/// whole model computes.
///
/// # Errors
/// Those of [`execute_model`](super::execute_model), and [`ModelError::WrongStream`] for a stream that no group
/// gives out.
pub fn execute_group(
    model: &IntegerModel,
    group: &ModelGroup,
    input: &GroupInput<'_>,
) -> Result<(ModelExecution, KvCache), ModelError> {
    let shape = model.shape();
    check_tokens(shape, input.tokens)?;
    let attention = shape.attention_of(group.group.count())?;
    if input.cache.shape() != attention {
        return Err(ModelError::WrongState {
            expected: attention,
            got: input.cache.shape(),
        });
    }
    input.cache.check(model.arithmetic().value_bits())?;
    let (limit, position, tokens) = (shape.positions(), input.cache.entries(), input.tokens.len());
    if position.saturating_add(tokens) > limit {
        return Err(ModelError::PositionLimit {
            limit,
            position,
            tokens,
        });
    }
    let expected = match group.group.is_first() {
        true => 0,
        false => tokens * shape.hidden(),
    };
    let limit = 1 << (STREAM_BITS - 1);
    let fitting = input.stream.iter();
    let fitting = fitting.filter(|it| (-limit..limit).contains(*it)).count();
    if (input.stream.len(), fitting) != (expected, expected) {
        return Err(ModelError::WrongStream {
            expected,
            got: input.stream.len(),
            fitting,
        });
    }
    let nodes = (&group.graph, &group.arithmetic);
    Run::begin(model, group.group, nodes, input)?.through()
}

impl ModelExecution {
    /// The stream behind the last stage, `[S, C]`: what the group of layers behind takes in.
    #[must_use]
    pub fn stream_out(&self) -> &[i32] {
        let last = self.steps.steps() * self.shape.hidden();
        &self.stream[self.stream.len() - last..]
    }

    /// The stream behind each of these groups of layers but the last, of an execution of all layers.
    ///
    /// # Panics
    /// If the execution is one of fewer layers.
    #[must_use]
    pub fn stream_behind(&self, group: &LayerGroup) -> &[i32] {
        let stage = self.steps.steps() * self.shape.hidden();
        let last = group.stages().end - 1;
        &self.stream[last * stage..][..stage]
    }
}
