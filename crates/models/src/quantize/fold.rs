//! Weights before they are rounded: those of the normalizations folded in.

use crate::FloatModel;

/// Matrices as in [`FloatModel`], with the weights of each normalization folded into the columns of the
/// matrices that follow it.
pub(super) struct FoldedModel {
    pub(super) layers: Vec<FoldedLayer>,
    pub(super) head: Vec<f64>,
}

pub(super) struct FoldedLayer {
    pub(super) query: Vec<f64>,
    pub(super) key: Vec<f64>,
    pub(super) value: Vec<f64>,
    pub(super) output: Vec<f64>,
    pub(super) gate: Vec<f64>,
    pub(super) up: Vec<f64>,
    pub(super) down: Vec<f64>,
}

impl FoldedModel {
    pub(super) fn new(model: &FloatModel) -> Self {
        let widen = |matrix: &[f32]| matrix.iter().map(|&w| f64::from(w)).collect();
        let layers = model.layers.iter().map(|layer| FoldedLayer {
            query: fold(&layer.query, &layer.attention_norm),
            key: fold(&layer.key, &layer.attention_norm),
            value: fold(&layer.value, &layer.attention_norm),
            output: widen(&layer.output),
            gate: fold(&layer.gate, &layer.mlp_norm),
            up: fold(&layer.up, &layer.mlp_norm),
            down: widen(&layer.down),
        });
        Self {
            layers: layers.collect(),
            head: fold(&model.head, &model.final_norm),
        }
    }
}

fn fold(matrix: &[f32], norm: &[f32]) -> Vec<f64> {
    let weights = norm.iter().cycle();
    matrix
        .iter()
        .zip(weights)
        .map(|(&w, &n)| f64::from(w) * f64::from(n))
        .collect()
}
