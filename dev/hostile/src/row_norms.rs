//! Weights beyond the norms of their rows that an arithmetic states: who refuses them, and what they would
//! do.
//!
//! The relation knows accumulators as elements of the field. A bound by the norms of the rows of weights
//! makes them integers; where weights exceed it, an accumulator is proven that is another one by the modulus.
use std::sync::Arc;

use matchmark_air::column::field;
use matchmark_graph::{Graph, MatrixName, Projection, WEIGHT_LIMIT};
use matchmark_models::{IntegerModel, Matrix, ModelError, ModelParts};
use matchmark_quant::{centered, MODULUS};
use matchmark_statement::Cut;
use matchmark_verifier::key::KeyError;
use matchmark_verifier::ModelKey;

use crate::cases::{insecure, Case};
use crate::checker::Drop;
use crate::decoder::cases::DecoderSpec;
use crate::decoder::execution::{rescaled, run, Value, What};
use crate::decoder::forge::forge;
use crate::decoder::places::{InputSpace, MatrixKind};
use crate::functions;

/// A wide MLP, whose gated products have the most bits.
fn spec() -> DecoderSpec {
    DecoderSpec {
        name: "wide MLP",
        sizes: [1, 4, 1, 1, 2, 900, 6, 4],
        biased: false,
        bits: 12,
        seed: 3,
        shorter: 0,
        heavier: 1,
        capacity: 4,
        segment_steps: 1,
        entries_before: 1,
        steps: 1,
        security: insecure(),
        cut: Cut::Fused,
        groups: (1, 0),
    }
}

/// The matrix.
const DOWN: MatrixName = MatrixName::of_layer(Projection::Down, 0);
/// The channel of the stream that the weights are for.
const CHANNEL: usize = 0;
/// The stage behind the MLP.
const STAGE: usize = 2;

/// Weights for a channel whose accumulator lies between half of the modulus and the modulus, for the one
/// token of a run.
struct Weights {
    row: Vec<i16>,
    accumulator: i64,
}

impl Weights {
    fn for_run(case: &Arc<Case>, seed: u64) -> Self {
        let mut gated = vec![];
        run(case, seed, &mut |site, said| {
            if site.what == What::Taken(InputSpace::Gated(0)) {
                gated.push(said[0]);
            }
        });
        let mut weights = Self {
            row: vec![],
            accumulator: 0,
        };
        for value in gated {
            let is_enough = weights.accumulator > i64::from(MODULUS / 4 * 3);
            let sign = if is_enough { 0 } else { value.signum() };
            let weight = sign * i64::from(WEIGHT_LIMIT);
            weights.accumulator += weight * value;
            weights.row.push(i16::try_from(weight).unwrap());
        }
        let is_wrapping = (MODULUS / 2..MODULUS).contains(&(weights.accumulator as u32));
        assert!(is_wrapping, "{}", weights.accumulator);
        weights
    }

    /// The model with these weights, without the norms that they have.
    fn mounted(&self, model: &IntegerModel) -> ModelParts {
        let mut parts = model.clone().into_parts();
        let down = parts.matrix_mut(MatrixName::of_layer(Projection::Down, 0));
        let mut weights = down.weights().to_vec();
        weights[CHANNEL * down.inputs()..][..down.inputs()].copy_from_slice(&self.row);
        *down = Matrix::new(down.outputs(), down.inputs(), weights).unwrap();
        parts
    }
}

/// No model has such weights: with the norms that the arithmetic states they are others, and with their own
/// an accumulator could leave the field.
pub fn no_model() -> Result<(), String> {
    let case = spec().case();
    let (part, _) = case.expect_decoder();
    let mut parts = Weights::for_run(&case, 1).mounted(&part.model);
    match IntegerModel::new(parts.clone()) {
        Err(ModelError::MatrixBounds { matrix: DOWN, .. }) => {}
        other => return Err(format!("expected another norm, got {:?}", other.err())),
    }
    parts.state_row_norms().map_err(|error| error.to_string())?;
    match IntegerModel::new(parts) {
        Err(ModelError::Quantity(_)) => Ok(()),
        other => Err(format!("expected a bound, got {:?}", other.err())),
    }
}

/// No key says that a model has such norms.
pub fn no_key() -> Result<(), String> {
    let mut parts = functions::key().parts().clone();
    let graph = Graph::decoder(&parts.outline.shape);
    let mut nodes = parts.outline.arithmetic.into_parts();
    nodes.matrix_mut(&graph, DOWN).row_norm = 1 << 24;
    parts.outline.arithmetic = nodes.try_into().unwrap();
    match ModelKey::new(parts) {
        Err(KeyError::Bounds(_)) => Ok(()),
        other => Err(format!("expected a bound, got {:?}", other.err())),
    }
}

/// With these weights in the model tree, the whole relation holds for an accumulator that is the modulus
/// less than the integers have, and the stream of the channel is at the other end of its range.
pub fn wraps_without_the_bound() -> Result<(), String> {
    let case = spec().case();
    let (part, decoder) = case.expect_decoder();
    let weights = Weights::for_run(&case, 1);
    let wrapped = weights.accumulator - i64::from(MODULUS);
    let mut proven = None;
    let mut run = run(&case, 1, &mut |site, said| match site.what {
        What::Given(MatrixKind::Down(0)) if site.index == CHANNEL => said[0] = wrapped,
        What::Rescaled(Value::Stream) if (site.layer, site.index) == (STAGE, CHANNEL) => {
            proven = Some(said[0]);
        }
        _ => {}
    });
    let node = MatrixKind::Down(0).node(decoder.graph());
    let matrix = decoder.matrices().iter().find(|it| it.node == node);
    let matrix = matrix.unwrap();
    // The first block is filled up with zeros in front.
    let place = matrix.blocks * decoder.width() - matrix.outputs + CHANNEL;
    let first = matrix.first_row + place / decoder.width() * matrix.inputs;
    let linear = run.witness.main.component_mut("linear");
    let column = linear.named_mut("weight").nth(place % decoder.width());
    let column = column.unwrap();
    for (input, weight) in weights.row.iter().enumerate() {
        column[first + input] = field(i64::from(*weight));
    }
    let forged = forge(&case, run, vec![]).finish(&Drop::Nothing);
    let failures = forged.failures();
    if !failures.is_empty() {
        return Err(format!("the relation fails {failures:?}"));
    }
    // The stream before is far too small to matter.
    let rescale = Value::Stream.rescale(part, STAGE, CHANNEL);
    let [expected, ..] = rescaled(rescale, weights.accumulator);
    let (row, _) = decoder.stream_row(STAGE, CHANNEL, 0);
    let stream = forged.witness.main.component("stream");
    let high = centered(stream.column("high")[row].0);
    let ends = [i64::from(rescale.min()), i64::from(rescale.max())];
    match (proven, high < 0, expected) {
        (Some(proven), true, expected) if [proven, expected] == ends => Ok(()),
        other => Err(format!("not the two ends of the range: {other:?}")),
    }
}
