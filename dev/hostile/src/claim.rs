//! What a witness claims, and whether that is true.
use matchmark_air::ops::attention::cache::witness::entries as cache_entries;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, PartTrace, SegmentWitness};
use matchmark_models::{execute_group, GroupInput};
use matchmark_quant::centered;
use matchmark_runtime::{execute_segment, SegmentInputs};

use super::cases::{Case, DecoderPart};
use super::world::{cache_of, public_tensors, rules};

/// Queries, keys, values and outputs of the vectors component, lane by lane each.
pub fn entries(witness: &SegmentWitness) -> [Vec<&Column>; 4] {
    let vectors = witness.main.component("vectors");
    ["query", "key", "value", "output"].map(|name| vectors.named(name).collect())
}

/// What the plain reference says of the claim that a witness makes: cache before, cache after and
/// public values. An independent decision: nothing of the witness but the claim is read.
pub fn claim_is_true(case: &Case, witness: &SegmentWitness) -> bool {
    if let Some(part) = &case.decoder {
        return is_true_of_model(part, case, witness);
    }
    let decide = || -> Option<bool> {
        let state = witness.main.tree(Tree::StateBefore);
        let before = cache_of(case, &state, case.steps.entries_before())?;
        let [q, k, v, out] = public_tensors(case, &entries(witness))?;
        let bits = case.terms.quantization.value_bits();
        let shape = case.layout.shape().attention();
        let inputs = SegmentInputs::new(shape, bits, case.steps, q, k, v).ok()?;
        let (execution, after) = execute_segment(&before, &inputs, &rules(case)).ok()?;
        let after = cache_entries(&case.layout, &after);
        let same = after.iter().eq(witness.main.tree(Tree::StateAfter));
        Some(execution.out == out && same)
    };
    decide().unwrap_or(false)
}

/// The stream `[S, C]` in a port's tree, if the case has one; `None` if it does not hold a stream. Padding says
/// nothing.
fn stream(case: &Case, trace: &PartTrace, tree: Tree) -> Option<Option<Vec<i32>>> {
    let (_, decoder) = case.expect_decoder();
    let (channels, steps) = (decoder.shape().hidden(), decoder.steps());
    let columns = trace.tree(tree);
    let Some(column) = columns.first() else {
        return Some(None);
    };
    let mut stream = vec![];
    for step in 0..steps {
        for channel in 0..channels {
            let value = centered(column[channel * steps + step].0);
            stream.push(i32::try_from(value).ok()?);
        }
    }
    Some(Some(stream))
}

/// Whether the stream that goes out, if one does, is this.
fn stream_out_is(case: &Case, trace: &PartTrace, expected: &[i32]) -> bool {
    match stream(case, trace, Tree::StreamOut) {
        None => false,
        Some(got) => got.is_none_or(|got| got == expected),
    }
}

/// The exact semantics of the model decide.
fn is_true_of_model(part: &DecoderPart, case: &Case, witness: &SegmentWitness) -> bool {
    let decide = || -> Option<bool> {
        let tokens = witness.tokens.as_ref()?;
        let trace = &witness.main;
        let state = trace.tree(Tree::StateBefore);
        let before = cache_of(case, &state, case.steps.entries_before())?;
        let stream = stream(case, trace, Tree::StreamIn)?;
        let input = GroupInput {
            tokens: &tokens.consumed,
            choices: &tokens.chosen,
            stream: &stream.unwrap_or_default(),
            cache: &before,
        };
        let (execution, after) = execute_group(&part.model, &part.group, &input).ok()?;
        let after = cache_entries(&case.layout, &after);
        let states = after.iter().eq(trace.tree(Tree::StateAfter));
        let model = part.columns.iter().eq(trace.tree(Tree::Model));
        let goes_out = stream_out_is(case, trace, execution.stream_out());
        Some(states && model && goes_out && execution.choices == tokens.chosen)
    };
    decide().unwrap_or(false)
}
