//! Another function under the same key: chains by the weights of a model whose key a verifier holds, with one
//! number of the arithmetic or one table changed, in the name of that model, each with a policy that its
//! prover would hand out. They are valid chains, and tell other stories.
use std::sync::Arc;

use matchmark_composer::{derive_key, end_tokens_of, KeyOptions, ModelKey, ModelOptions, Stop};
use matchmark_models::{execute_model, IntegerModel, ModelState};
use matchmark_prover::{ModelInput, SegmentProver};
use matchmark_quant::{ModelArithmetic, ModelShifts, ScoreStep};
use matchmark_statement::{
    AcceptancePolicy, ChainAccumulator, Cut, CutPattern, ModelId, ModelIdentity, PortCommitment,
    SegmentStatement, SegmentStatementParts, TokenId,
};
use matchmark_tables::WeightTable;
use matchmark_verifier::SegmentFile;

use super::decoder::cases::{uneven, DecoderSpec};

/// Tokens that are given, and tokens that are decoded.
const GIVEN: u32 = 1;
const DECODED: u32 = 8;

/// A chain of one segment, and the policy that its prover would hand out.
pub struct Story {
    /// What is changed; `"nothing"` of the honest chain.
    pub name: &'static str,
    /// The field in which the policy is not the key's.
    pub field: Option<&'static str>,
    pub policy: AcceptancePolicy,
    pub file: SegmentFile,
    /// The chosen tokens.
    pub told: Vec<TokenId>,
}

fn spec() -> DecoderSpec {
    DecoderSpec {
        name: "another function",
        // After token 4, all of the seven decode something else than this model does.
        seed: 0,
        capacity: GIVEN + DECODED - 1,
        segment_steps: GIVEN + DECODED - 1,
        entries_before: 0,
        steps: GIVEN + DECODED - 1,
        ..uneven()
    }
}

/// The verifier's choices for the chain.
pub fn options() -> ModelOptions {
    let chain = spec().chain(GIVEN);
    ModelOptions {
        domain: chain.domain,
        security: chain.security,
        segment_steps: Some(chain.segment_steps),
        tokens: DECODED,
        cuts: CutPattern::default(),
        stop: Stop::default(),
    }
}

/// The tokens that the chain is given.
pub fn prompt() -> Vec<TokenId> {
    vec![TokenId::new(4)]
}

/// The key of the honest model.
pub fn key() -> ModelKey {
    let options = options();
    let options = KeyOptions {
        securities: vec![options.security],
        segment_steps: options.segment_steps.into_iter().collect(),
    };
    derive_key(&spec().model(), &options, &mut |_, _| {}).unwrap()
}

/// The honest chain.
pub fn honest() -> Story {
    let model = spec().model();
    story("nothing", None, &model, &model, None)
}

/// The seven that an audit found accepted under the honest key, each with the field that tells it now.
pub fn others() -> Vec<Story> {
    let model = spec().model();
    all_changes()
        .into_iter()
        .map(|(name, field, change)| {
            let other = changed(&model, change);
            story(name, Some(field), &model, &other, None)
        })
        .collect()
}

/// The same, with the honest commitment in their statements: proofs that open another one.
pub fn under_the_honest_commitment(weights: PortCommitment) -> Vec<Story> {
    let model = spec().model();
    all_changes()
        .into_iter()
        .map(|(name, field, change)| {
            let other = changed(&model, change);
            story(name, Some(field), &model, &other, Some(weights))
        })
        .collect()
}

/// What is changed: in the arithmetic, or in the weight table.
enum Change {
    Shift(fn(&mut ModelShifts)),
    ScoreStep,
    Epsilon,
    Table,
}

fn all_changes() -> Vec<(&'static str, &'static str, Change)> {
    let arithmetic = "decoder.arithmetic";
    vec![
        (
            "rotation shift",
            arithmetic,
            Change::Shift(|it| it.rotation -= 1),
        ),
        // Part of the quantization as well, which is compared first.
        ("score step", "quantization", Change::ScoreStep),
        ("weight table", "table", Change::Table),
        ("epsilon", arithmetic, Change::Epsilon),
        ("gate shift", arithmetic, Change::Shift(|it| it.gate += 1)),
        ("value shift", arithmetic, Change::Shift(|it| it.value += 1)),
        ("norm shift", arithmetic, Change::Shift(|it| it.norm -= 1)),
    ]
}

/// The same weights under another function.
fn changed(model: &IntegerModel, change: Change) -> Arc<IntegerModel> {
    let mut parts = model.clone().into_parts();
    let own = parts.arithmetic;
    let (mut shifts, mut step, mut epsilon) = (own.shifts(), own.score_step(), own.norm_epsilon());
    match change {
        Change::Shift(shift) => shift(&mut shifts),
        Change::ScoreStep => step = ScoreStep::new(2 * step.get() + 1).unwrap(),
        Change::Epsilon => epsilon += 1 << 12,
        Change::Table => {
            let table = &parts.tables.weights;
            // Every cache entry counts as much as the one with the largest score.
            let entries = vec![table.entries()[0]; table.entries().len()];
            parts.tables.weights = WeightTable::custom(entries, "flat").unwrap();
        }
    }
    parts.arithmetic = ModelArithmetic::new(
        own.value_bits(),
        shifts,
        epsilon,
        own.embedding_epsilon(),
        step,
        own.weight_exponent(),
    )
    .unwrap();
    Arc::new(IntegerModel::new(parts).unwrap())
}

/// Proves the tokens of `other` in the name of `model`, and of the commitment if one is given.
fn story(
    name: &'static str,
    field: Option<&'static str>,
    model: &IntegerModel,
    other: &Arc<IntegerModel>,
    weights: Option<PortCommitment>,
) -> Story {
    let prover = SegmentProver::for_model(spec().chain(GIVEN), other.clone()).unwrap();
    let identity = ModelIdentity::Weights(ModelId::from_bytes(*model.identity().as_bytes()));
    let prompt = prompt();
    let state = ModelState::initial(other);
    let mut tokens: Vec<u32> = prompt.iter().map(|token| token.get()).collect();
    // Behind the prompt one token after the other is chosen.
    for _ in 1..DECODED {
        let (execution, _) = execute_model(other, &state, &tokens).unwrap();
        tokens.extend(execution.choices.last());
    }
    let (execution, next) = execute_model(other, &state, &tokens).unwrap();
    let [before, after] = [&state, &next].map(|it| prover.state(it.cache().clone()).unwrap());
    let input = ModelInput {
        execution: &execution,
        before: &before,
        after: &after,
        cut: Cut::Fused,
    };
    let (statement, values) = prover.claim_model(&input).unwrap();
    let parts = in_the_name_of(statement.parts(), identity, weights);
    let statement = SegmentStatement::new(parts).unwrap();
    let told = values.chosen().to_vec();
    let witness = prover.model_witness(&input).unwrap();
    let proven = prover.prove_witness(statement.clone(), values, &witness, &before, &after);
    let chain = ChainAccumulator::start(&statement).finish();
    let circuits = prover.circuits(Cut::Fused, tokens.len()).unwrap();
    let policy = AcceptancePolicy::accepting(&chain, prompt, circuits).unwrap();
    let mut parts = policy.parts();
    parts.end_tokens = end_tokens_of(model.tokenizer()).unwrap();
    let policy = AcceptancePolicy::new(parts).unwrap();
    Story {
        name,
        field,
        policy,
        file: proven.unwrap().file,
        told,
    }
}

fn in_the_name_of(
    mut parts: SegmentStatementParts,
    identity: ModelIdentity,
    weights: Option<PortCommitment>,
) -> SegmentStatementParts {
    parts.terms.model = identity;
    if let (Some(decoder), Some(weights)) = (&mut parts.terms.decoder, weights) {
        decoder.weights = weights;
    }
    parts
}
