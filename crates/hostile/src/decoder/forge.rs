//! From a run with a lie to a forged witness: what projections say where the witness says something else.
use std::sync::Arc;

use matchmark_air::decoder::layout::{DecoderLayout, InputSpace, MatrixKind};
use matchmark_air::decoder::projections::DecoderProjections;
use matchmark_air::witness::projections::{project, Projections};
use stwo::core::fields::qm31::QM31;

use super::execution::Run;
use crate::cases::Case;
use crate::forge::Forge;

/// What stands in a projection in the place of what follows from the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// A vector's entry as matrices took it in, where its component says what it is.
    Provided(InputSpace, usize),
    /// The outputs of a matrix as their component has them, where the matrix says what they are.
    ToLinear(MatrixKind),
    /// The outputs of a matrix as they are, where their component says what it has.
    ToComponent(MatrixKind),
    /// The attention goes on with the keys of the shadow.
    Keys,
}

/// The projected outputs of a matrix, in the component that uses them.
fn outputs<'a>(
    decoder: &DecoderLayout,
    projections: &'a mut DecoderProjections,
    kind: MatrixKind,
) -> &'a mut QM31 {
    let shape = decoder.shape();
    let attention = shape.attention();
    let (heads, keys, dim) = (
        attention.query_heads(),
        attention.kv_heads(),
        attention.head_dim(),
    );
    let last = decoder.steps() - 1;
    let stream = |stage| decoder.stream_row(stage, shape.hidden() - 1, last);
    match kind {
        MatrixKind::Embedding => &mut projections.stream[0][stream(0)],
        MatrixKind::Output(layer) => &mut projections.stream[0][stream(2 * layer + 1)],
        MatrixKind::Down(layer) => &mut projections.stream[0][stream(2 * layer + 2)],
        MatrixKind::Rotary(layer) => {
            let row = decoder.rotary_row(layer, heads + keys - 1, dim / 2 - 1, last);
            &mut projections.rotary[0][row]
        }
        MatrixKind::Values(layer) => {
            let row = decoder.values_row(layer, keys - 1, dim - 1, last);
            &mut projections.values[0][row]
        }
        MatrixKind::UpGate(layer) => {
            let row = decoder.gated_row(layer, shape.mlp() - 1, last);
            &mut projections.gated[0][row]
        }
        MatrixKind::Head => {
            &mut projections.choice[0][decoder.choice_row(shape.vocabulary() - 1, last)]
        }
    }
}

/// The row of the linear component that has all outputs of a matrix.
fn last_row(decoder: &DecoderLayout, kind: MatrixKind) -> usize {
    let matrix = decoder.matrices().iter().find(|it| it.kind == kind);
    let matrix = matrix.unwrap();
    matrix.first_row + matrix.blocks * matrix.inputs - 1
}

/// The projected entry of a vector, in the component that provides it.
fn provided<'a>(
    case: &Case,
    projections: &'a mut DecoderProjections,
    space: InputSpace,
    index: usize,
) -> &'a mut QM31 {
    let (_, decoder) = case.expect_decoder();
    let last = decoder.steps() - 1;
    match space {
        InputSpace::Tokens => unreachable!("the verifier provides tokens"),
        InputSpace::Normalized(stage) => {
            &mut projections.stream[1][decoder.stream_row(stage, index, last)]
        }
        InputSpace::Attention(layer) => {
            let attention = decoder.shape().attention();
            let dim = attention.head_dim();
            let head = layer * attention.query_heads() + index / dim;
            &mut projections.vectors[case.layout.vector_row(head, last, index % dim)]
        }
        InputSpace::Gated(layer) => {
            &mut projections.gated[1][decoder.gated_row(layer, index, last)]
        }
    }
}

/// Replaces parts of projections by others of them, or by those of the shadow.
fn apply(case: &Case, patch: Patch, projections: &mut Projections, shadow: &mut Projections) {
    let (_, decoder) = case.expect_decoder();
    if patch == Patch::Keys {
        projections.vectors.clone_from(&shadow.vectors);
        return;
    }
    let own = projections.decoder.as_mut().unwrap();
    match patch {
        Patch::Keys => unreachable!("done"),
        Patch::Provided(space, index) => {
            let other = shadow.decoder.as_mut().unwrap();
            *provided(case, own, space, index) = *provided(case, other, space, index);
        }
        Patch::ToLinear(kind) => {
            let used = *outputs(decoder, own, kind);
            own.linear[1][last_row(decoder, kind)] = used;
        }
        Patch::ToComponent(kind) => {
            let given = own.linear[1][last_row(decoder, kind)];
            *outputs(decoder, own, kind) = given;
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
    forge.projections = Some(Arc::new(move |points| {
        let of = |witness| project(&case.layout, case.steps.entries_before(), witness, points);
        let (mut projections, mut taken) = (of(&witness), of(&shadow));
        // Matrices multiply what they took in.
        let of_taken = taken.decoder.as_ref().unwrap().linear.clone();
        projections.decoder.as_mut().unwrap().linear = of_taken;
        for patch in &patches {
            apply(&case, *patch, &mut projections, &mut taken);
        }
        projections
    }));
    forge
}
