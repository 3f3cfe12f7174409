//! What the integers of a model stand for.

use matchmark_quant::Scale;

/// What one unit of each kind of integer stands for. No integer depends on a scale: they are labels, and
/// part of the model's identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelScales {
    /// Values of the residual stream at each stage: the embedding, then after each attention and each MLP,
    /// `2 L + 1` of them.
    pub stream: Vec<Scale>,
    /// Normalized values of each stage.
    pub normalized: Vec<Scale>,
    /// Whether the channels of the stream are those of the floats, rotated.
    pub rotated: bool,
    /// Values of the gate before its activation; those after it have the output scale of the table.
    pub gate: Scale,
    /// Logits.
    pub logits: Scale,
    /// The scales of each layer.
    pub layers: Vec<LayerScales>,
}

/// What one unit of each kind of integer of one layer stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayerScales {
    /// Queries before rotation.
    pub rotary_query: Scale,
    /// Keys before rotation.
    pub rotary_key: Scale,
    /// Queries.
    pub query: Scale,
    /// Keys.
    pub key: Scale,
    /// Values, and outputs of the attention.
    pub value: Scale,
    /// Values of the up projection.
    pub up: Scale,
    /// Products of activated gate and up projection.
    pub gated: Scale,
}
