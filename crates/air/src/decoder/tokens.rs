//! The public side of a decoder's relations: the tokens that went in, and those that were chosen.
//!
//! The verifier knows both. It provides the embedding's inputs, the consumed tokens one-hot and
//! combined over the steps: terms that are added to the claimed sums of the components before they are compared
//! with zero. Where the chosen tokens stand is said by public columns of the argmax component. No committed column
//! carries a token. Where matrices have biases, the verifier provides their input as well, which is one at every
//! step. Else: biases times a number of one's own choosing.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_graph::{EdgeKind, Kind};
use num_traits::{One as _, Zero};
use stwo::core::fields::batch_inverse_in_place;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo_constraint_framework::Relation;

use crate::challenges::Challenges;
use crate::harness::public_columns::{One, PublicColumns};
use crate::layout::decoder::DecoderLayout;
use crate::relation::{LinearInput, RelationTag, TaggedRelation, Tuple};

/// The embedding's inputs, combined over the steps: for each token of the vocabulary
/// `X_v = sum over the steps i with token v of t^(S-1-i)`.
pub fn combined_tokens(decoder: &DecoderLayout, consumed: &[u32], challenge: QM31) -> Vec<QM31> {
    let mut combined = vec![QM31::zero(); decoder.shape().vocabulary()];
    let mut power = QM31::one();
    for token in consumed.iter().rev() {
        // A statement's tokens are below the vocabulary.
        if let Some(sum) = combined.get_mut(*token as usize) {
            *sum += power;
        }
        power *= challenge;
    }
    combined
}

/// The input of biases, which is one at every step, combined over the steps: `sum over the steps i of t^(S-1-i)`.
fn combined_ones(decoder: &DecoderLayout, challenge: QM31) -> QM31 {
    let steps = 0..decoder.steps();
    steps.fold(QM31::zero(), |sum, _| sum * challenge + QM31::one())
}

/// A tuple that the verifier adds to a relation: relation, values, and how often it requires them.
pub type PublicTuple = (RelationTag, Vec<M31>, M31);

/// The tuples that the verifier adds to the relations.
pub fn public_tuples(
    decoder: &DecoderLayout,
    consumed: &[u32],
    challenge: QM31,
) -> Vec<PublicTuple> {
    let graph = decoder.graph();
    let provided = |kind: EdgeKind, combined: Vec<QM31>| {
        let edge = graph.public(kind);
        edge.into_iter().flat_map(move |edge| {
            let times = -M31::from(decoder.input_uses(edge));
            let inputs = combined.clone().into_iter().enumerate();
            inputs.map(move |(index, input)| {
                let tuple = LinearInput {
                    name: M31::from(graph.name(edge, index)),
                    value: input.to_m31_array(),
                };
                public_tuple(tuple, times)
            })
        })
    };
    let tokens = provided(
        EdgeKind::Tokens,
        combined_tokens(decoder, consumed, challenge),
    );
    let ones = provided(EdgeKind::One, vec![combined_ones(decoder, challenge)]);
    tokens.chain(ones).collect()
}

/// The public columns of the argmax component, one a lane: 1 where the chosen token of a step stands, 0 elsewhere. A
/// token that the vocabulary does not have stands nowhere, and a step without one is refused by the component.
///
/// # Panics
///
/// If the layout has no argmax component.
pub fn chosen_columns(decoder: &DecoderLayout, chosen: &[u32]) -> PublicColumns {
    assert!(decoder.has(Kind::Argmax), "only the last layers choose");
    let vocabulary = decoder.shape().vocabulary();
    let steps = 0..decoder.steps();
    let ones = steps.zip(chosen).filter_map(|(step, token)| {
        let token = *token as usize;
        let (row, column) = decoder.argmax_row(token, step);
        (token < vocabulary).then_some(One { column, row })
    });
    let log_rows = decoder.log_rows().argmax;
    PublicColumns::of_ones(log_rows, decoder.argmax_lanes(), ones.collect())
}

fn public_tuple<T: Tuple<M31>>(tuple: T, times: M31) -> PublicTuple {
    (T::TAG, tuple.elements().to_vec(), times)
}

/// What the verifier adds to the claimed sums. `None` if a challenge hits a tuple, which happens by
/// chance only.
pub fn public_sum(
    decoder: &DecoderLayout,
    consumed: &[u32],
    challenges: &Challenges,
) -> Option<QM31> {
    let challenge = challenges.rlc.position;
    let tuples = public_tuples(decoder, consumed, challenge);
    let denominators: Vec<QM31> = tuples
        .iter()
        .map(|(tag, values, _)| {
            let relation = TaggedRelation {
                tag: *tag,
                challenges: &challenges.lookup,
            };
            Relation::<M31, QM31>::combine(&relation, values)
        })
        .collect();
    if denominators.iter().any(Zero::is_zero) {
        return None;
    }
    let mut inverses = vec![QM31::zero(); denominators.len()];
    batch_inverse_in_place(&denominators, &mut inverses);
    let terms = tuples.iter().zip(inverses);
    Some(terms.fold(QM31::zero(), |sum, ((_, _, times), inverse)| {
        sum + inverse * *times
    }))
}
