//! From a run with a lie to a forged witness: what random linear combinations say where the witness says
//! something else.
use crate::cases::vector_row;
use std::sync::Arc;

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::layout::decoder::DecoderLayout;
use matchmark_air::witness::{PartTrace, SegmentWitness};
use matchmark_graph::Kind;
use num_traits::One;
use stwo::core::fields::qm31::QM31;

use super::execution::Run;
use super::places::{InputSpace, MatrixKind};
use crate::cases::Case;
use crate::forge::Forge;

/// What stands in a random linear combination in the place of what follows from the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// A vector's entry as matrices took it in, where its component says what it is.
    Provided(InputSpace, usize),
    /// The outputs of a matrix as their component has them, where the matrix says what they are.
    ToLinear(MatrixKind),
    /// The outputs of a matrix as they are, where their component says what it has.
    ToComponent(MatrixKind),
    /// The one of a step counts twice where these matrices take it in, whose outputs are one block.
    One(MatrixKind, usize),
    /// The attention goes on with the keys of the shadow.
    Keys,
}

/// A cell of an RLC column: component, column, row.
type Place = (&'static str, &'static str, usize);

fn get(trace: &PartTrace, (component, column, row): Place) -> QM31 {
    trace.component(component).extension(column, 0, row)
}

fn set(trace: &mut PartTrace, (component, column, row): Place, value: QM31) {
    let component = trace.component_mut(component);
    component.set_extension(column, 0, row, value);
}

/// Where the combined outputs of a matrix stand in the component that uses them.
fn outputs(decoder: &DecoderLayout, kind: MatrixKind) -> Place {
    let shape = decoder.shape();
    let attention = shape.attention();
    let (heads, keys, dim) = (
        attention.query_heads(),
        attention.kv_heads(),
        attention.head_dim(),
    );
    let last = decoder.steps() - 1;
    let stream = |stage| {
        let (row, _) = decoder.stream_row(stage, shape.hidden() - 1, last);
        ("stream", "added", row)
    };
    match kind {
        MatrixKind::Embedding | MatrixKind::StreamIn => stream(0),
        MatrixKind::Output(layer) => stream(2 * layer + 1),
        MatrixKind::Down(layer) => stream(2 * layer + 2),
        MatrixKind::Rotary(layer) => {
            let row = decoder.rotary_row(layer, heads + keys - 1, dim / 2 - 1, last);
            ("rotary", "accumulators", row)
        }
        MatrixKind::Values(layer) => {
            let row = decoder.values_row(layer, keys - 1, dim - 1, last);
            ("values", "accumulators", row)
        }
        MatrixKind::UpGate(layer) => {
            let (row, _) = decoder.gated_row(layer, shape.mlp() - 1, last);
            ("gated", "accumulators", row)
        }
        MatrixKind::Head => {
            let (row, _) = decoder.argmax_row(shape.vocabulary() - 1, last);
            ("argmax", "logits", row)
        }
    }
}

/// Where the linear component has all outputs of a matrix, or the port's component the stream.
fn given(decoder: &DecoderLayout, kind: MatrixKind) -> Place {
    if kind == MatrixKind::StreamIn {
        let row = decoder.rows_in_use(Kind::StreamIn) - 1;
        return ("stream in", "combined stream", row);
    }
    let node = kind.node(decoder.graph());
    let matrix = decoder.matrices().iter().find(|it| it.node == node);
    let matrix = matrix.unwrap();
    let row = matrix.first_row + matrix.blocks * matrix.inputs - 1;
    ("linear", "output", row)
}

/// Where the combined entry of a vector stands in the component that provides it.
fn provided(case: &Case, space: InputSpace, index: usize) -> Place {
    let (_, decoder) = case.expect_decoder();
    let last = decoder.steps() - 1;
    match space {
        InputSpace::Tokens | InputSpace::One => unreachable!("the verifier provides them"),
        InputSpace::Normalized(stage) => {
            let (row, _) = decoder.stream_row(stage, index, last);
            ("stream", "combined normalized", row)
        }
        InputSpace::Attention(layer) => {
            let attention = decoder.shape().attention();
            let dim = attention.head_dim();
            let head = layer * attention.query_heads() + index / dim;
            let row = vector_row(&case.layout, head, last, index % dim);
            ("vectors", "combined output", row)
        }
        InputSpace::Gated(layer) => {
            let (row, _) = decoder.gated_row(layer, index, last);
            ("gated", "combined gated", row)
        }
    }
}

/// Replaces parts of random linear combinations by others of them, or by those of the shadow.
fn apply(
    case: &Case,
    patch: Patch,
    trace: &mut PartTrace,
    shadow: &PartTrace,
    points: RlcChallenges,
) {
    let (_, decoder) = case.expect_decoder();
    match patch {
        Patch::Keys => {
            let vectors = trace.component_mut("vectors");
            for name in ["keys", "score", "numerator"] {
                vectors.take(name, shadow.component("vectors"));
            }
        }
        Patch::One(kind, step) => {
            // Biases are the weights on the last row.
            let (component, _, row) = given(decoder, kind);
            let place = (component, "input", row);
            let later = (step + 1..decoder.steps()).fold(QM31::one(), |it, _| it * points.position);
            set(trace, place, get(trace, place) + later);
        }
        Patch::Provided(space, index) => {
            let place = provided(case, space, index);
            set(trace, place, get(shadow, place));
        }
        Patch::ToLinear(kind) => {
            let used = get(trace, outputs(decoder, kind));
            set(trace, given(decoder, kind), used);
        }
        Patch::ToComponent(kind) => {
            let given = get(trace, given(decoder, kind));
            set(trace, outputs(decoder, kind), given);
        }
    }
}

/// The forged witness of a run.
pub fn forge(case: &Arc<Case>, run: Run, patches: Vec<Patch>) -> Forge {
    let Run {
        witness, shadow, ..
    } = run;
    let mut forge = Forge::of_witness(case, witness);
    if shadow.is_none() && patches.is_empty() {
        return forge;
    }
    let (case, witness) = (case.clone(), forge.witness.clone());
    let shadow = shadow.unwrap_or_else(|| witness.clone());
    forge.rlcs = Some(Arc::new(move |points| {
        let of = |witness: &SegmentWitness| witness.combine(&case.layout, points);
        let (mut rlcs, taken) = (of(&witness), of(&shadow));
        // Matrices multiply what they took in.
        let linear = rlcs.component_mut("linear");
        for name in ["input", "output"] {
            linear.take(name, taken.component("linear"));
        }
        for patch in &patches {
            apply(&case, *patch, &mut rlcs, &taken, points);
        }
        rlcs
    }));
    forge
}
