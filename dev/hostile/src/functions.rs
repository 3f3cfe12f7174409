//! Another function under the same key: chains by the weights of a model whose key a verifier holds, with one
//! number of the arithmetic or one table changed, or the constants of two nodes exchanged, in the name of that model, each with a policy that its
//! prover would hand out. They are valid chains, and tell other stories.
use std::mem::swap;
use std::sync::Arc;

use matchmark_composer::{derive_key, end_tokens_of, KeyOptions, ModelKey, ModelOptions, Stop};
use matchmark_graph::{
    GatedArithmetic, ModelArithmetic, ModelArithmeticParts, RotaryArithmetic, StreamArithmetic,
};
use matchmark_models::{execute_model, IntegerModel, ModelState};
use matchmark_prover::{ModelInput, SegmentProver};
use matchmark_quant::{ScoreStep, SegmentSteps};
use matchmark_statement::{
    AcceptancePolicy, ChainStatement, Cut, CutPattern, DecoderTerms, LayerGroups, ModelId,
    ModelIdentity, PortCommitment, SegmentStatement, SegmentStatementParts, TokenId,
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
        // After token 2, all of the others decode something else than this model does.
        seed: 17,
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
        granularity: SegmentSteps::new(1).unwrap(),
        cuts: CutPattern::default(),
        stop: Stop::default(),
        groups: LayerGroups::ONE,
        shorter: None,
    }
}

/// The tokens that the chain is given.
pub fn prompt() -> Vec<TokenId> {
    vec![TokenId::new(2)]
}

/// The key of the honest model.
pub fn key() -> ModelKey {
    let options = options();
    let options = KeyOptions {
        securities: vec![options.security],
        segment_steps: options.segment_steps.into_iter().collect(),
        granularity: options.granularity,
        cuts: Cut::ALL.to_vec(),
        chain_steps: vec![],
        groups: vec![LayerGroups::ONE],
    };
    derive_key(&spec().model(), &options, &mut |_, _| {}).unwrap()
}

/// The honest chain.
pub fn honest() -> Story {
    let model = spec().model();
    story("nothing", None, &model, &model, Name::Model)
}

/// The seven that an audit found accepted under the honest key, each with the field that tells it now.
pub fn audited() -> Vec<Story> {
    stories(single_changes().into_iter(), |field| (field, Name::Model))
}

/// And those whose nodes have each other's constants.
pub fn others() -> Vec<Story> {
    let exchanged = stories(exchanges().into_iter(), |field| (field, Name::Model));
    audited().into_iter().chain(exchanged).collect()
}

/// The same, with the honest commitment in their statements: proofs that open another one.
pub fn under_the_honest_commitment(weights: PortCommitment) -> Vec<Story> {
    stories(single_changes().into_iter().chain(exchanges()), |field| {
        (field, Name::Weights(weights))
    })
}

/// The exchanges with all of the honest terms in their statements: their weights are the honest ones, so
/// that proofs open what is stated, and the constants stand in the preprocessed columns alone.
pub fn in_the_honest_terms(decoder: DecoderTerms) -> Vec<Story> {
    stories(exchanges().into_iter(), |_| {
        ("circuits", Name::Terms(decoder))
    })
}

fn stories(
    changes: impl Iterator<Item = Named>,
    of: impl Fn(&'static str) -> (&'static str, Name),
) -> Vec<Story> {
    let model = spec().model();
    changes
        .map(|(name, field, change)| {
            let (field, in_name) = of(field);
            let other = changed(&model, &change);
            story(name, Some(field), &model, &other, in_name)
        })
        .collect()
}

/// In whose name a story is told.
#[derive(Clone, Copy, Debug)]
enum Name {
    /// With the identity of the honest model.
    Model,
    /// And with the commitment to its weights.
    Weights(PortCommitment),
    /// And with everything else that is stated of it.
    Terms(DecoderTerms),
}

/// What is changed: in the arithmetic of the nodes, or in the weight table.
enum Change {
    Nodes(fn(&mut ModelArithmeticParts)),
    Table,
}

type Named = (&'static str, &'static str, Change);

const ARITHMETIC: &str = "decoder.arithmetic";

/// One number, in all layers, or one table.
fn single_changes() -> Vec<Named> {
    let nodes = |name, change| (name, ARITHMETIC, Change::Nodes(change));
    vec![
        nodes("rotation shift", |it| it.rotation -= 1),
        // Part of the quantization as well, which is compared first.
        (
            "score step",
            "quantization",
            Change::Nodes(|it| {
                it.score_step = ScoreStep::new(2 * it.score_step.get() + 1).unwrap()
            }),
        ),
        ("weight table", "table", Change::Table),
        nodes("epsilon", |it| {
            // Behind the attention, and behind the MLP.
            for stage in [1, 2] {
                it.stream_mut(stage).norm.epsilon += 1 << 12;
            }
        }),
        nodes("gate shift", |it| it.gated_mut(0).gate += 1),
        nodes("value shift", |it| it.values_mut(0).shift += 1),
        nodes("norm shift", |it| it.stream_mut(1).norm.shift -= 1),
    ]
}

/// The constants of two nodes change places: those of one component, by the same weights.
fn exchanges() -> Vec<Named> {
    let nodes = |name, change| (name, ARITHMETIC, Change::Nodes(change));
    vec![
        nodes("query and key exchanged", |it| {
            let RotaryArithmetic { query, key } = it.rotary_mut(0);
            swap(query, key);
        }),
        nodes("gate and up exchanged", |it| {
            let GatedArithmetic { gate, up, .. } = it.gated_mut(0);
            swap(gate, up);
        }),
        nodes("norms exchanged", |it| {
            let first = it.stream_mut(0).norm;
            let second = std::mem::replace(&mut it.stream_mut(1).norm, first);
            it.stream_mut(0).norm = second;
        }),
        nodes("residuals exchanged", |it| {
            let [first, second] = [1, 2].map(|stage| *it.stream_mut(stage));
            let sums = |from: StreamArithmetic, norm| StreamArithmetic { norm, ..from };
            *it.stream_mut(1) = sums(second, first.norm);
            *it.stream_mut(2) = sums(first, second.norm);
        }),
    ]
}

/// The same weights under another function.
fn changed(model: &IntegerModel, change: &Change) -> Arc<IntegerModel> {
    let mut parts = model.clone().into_parts();
    match change {
        Change::Nodes(change) => {
            let mut nodes = parts.arithmetic.into_parts();
            change(&mut nodes);
            parts.arithmetic = ModelArithmetic::new(nodes).unwrap();
        }
        Change::Table => {
            let table = &parts.tables.weights;
            // Every cache entry counts as much as the one with the largest score.
            let entries = vec![table.entries()[0]; table.entries().len()];
            parts.tables.weights = WeightTable::custom(entries, "flat").unwrap();
        }
    }
    Arc::new(IntegerModel::new(parts).unwrap())
}

/// Proves the tokens of `other` in the name of `model`.
fn story(
    name: &'static str,
    field: Option<&'static str>,
    model: &IntegerModel,
    other: &Arc<IntegerModel>,
    in_name: Name,
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
        stream_in: None,
        stream_out: None,
        cut: Cut::Fused,
    };
    let (statement, values) = prover.claim_model(&input).unwrap();
    let parts = in_the_name_of(statement.parts(), identity, in_name);
    let statement = SegmentStatement::new(parts).unwrap();
    let told = values.chosen().to_vec();
    let witness = prover.model_witness(&input).unwrap();
    let proven = prover.prove_witness(statement.clone(), values, &witness, &before, &after);
    let chain = ChainStatement::of([&statement]).unwrap();
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
    in_name: Name,
) -> SegmentStatementParts {
    parts.terms.model = identity;
    match (&mut parts.terms.decoder, in_name) {
        (Some(decoder), Name::Weights(weights)) => decoder.weights = weights,
        (decoder, Name::Terms(terms)) => *decoder = Some(terms),
        (_, Name::Model) | (None, Name::Weights(_)) => {}
    }
    parts
}

/// The same of a decoder in three groups of one layer each: one group is another function.
pub mod grid {
    use super::*;
    use crate::grid::{spec, with_layer_of, with_layers_exchanged, Grid, GIVEN, GROUPS};
    use matchmark_quant::SegmentSteps;

    /// What a group is proven by that is not its own.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum By {
        /// Other weights than the key's.
        Weights,
        /// Other constants, by the same weights.
        Constants,
    }

    /// One segment of all groups, by another function.
    pub struct GridStory {
        pub name: &'static str,
        /// The group that is another, and by what.
        pub group: usize,
        pub by: By,
        pub policy: AcceptancePolicy,
        pub files: Vec<SegmentFile>,
        /// Each part in the honest terms, with the honest weights.
        pub in_honest_terms: Vec<SegmentFile>,
    }

    fn one_segment() -> DecoderSpec {
        let spec = spec();
        DecoderSpec {
            segment_steps: spec.capacity,
            steps: spec.capacity,
            ..spec
        }
    }

    pub fn options() -> ModelOptions {
        let spec = one_segment();
        let chain = spec.chain(GIVEN.len() as u32);
        ModelOptions {
            domain: chain.domain,
            security: chain.security,
            segment_steps: Some(chain.segment_steps),
            tokens: spec.capacity + 1 - GIVEN.len() as u32,
            granularity: SegmentSteps::new(1).unwrap(),
            cuts: CutPattern::default(),
            stop: Stop::default(),
            groups: chain.groups,
            shorter: None,
        }
    }

    pub fn prompt() -> Vec<TokenId> {
        GIVEN.map(TokenId::new).into()
    }

    /// The key of the honest model, cut into groups and not.
    pub fn key() -> ModelKey {
        let spec = one_segment();
        let options = KeyOptions {
            securities: vec![spec.security],
            segment_steps: vec![SegmentSteps::new(spec.segment_steps).unwrap()],
            granularity: SegmentSteps::new(1).unwrap(),
            cuts: Cut::ALL.to_vec(),
            chain_steps: vec![],
            groups: vec![LayerGroups::ONE, LayerGroups::new(GROUPS as u16).unwrap()],
        };
        derive_key(&spec.model(), &options, &mut |_, _| {}).unwrap()
    }

    fn grid_of(model: &Arc<IntegerModel>) -> Grid {
        Grid::new(model, &one_segment().chain(GIVEN.len() as u32), &GIVEN)
    }

    /// The honest chain, and those by other functions.
    pub fn stories() -> (Vec<SegmentFile>, AcceptancePolicy, Vec<GridStory>) {
        let model = one_segment().model();
        let nodes = |change| changed(&model, &Change::Nodes(change));
        let honest = grid_of(&model);
        let run = honest.run("honest");
        let others: [(_, _, _, Arc<IntegerModel>); 6] = [
            (
                "weights of layers 1 and 2 exchanged",
                1,
                By::Weights,
                with_layers_exchanged(&model, [1, 2]),
            ),
            (
                "weights of layers 0 and 1 exchanged",
                0,
                By::Weights,
                with_layers_exchanged(&model, [0, 1]),
            ),
            (
                "layer 1 by the weights of layer 2",
                1,
                By::Weights,
                with_layer_of(&model, 1, 2),
            ),
            (
                "value shift of layer 1",
                1,
                By::Constants,
                nodes(|it| it.values_mut(1).shift += 1),
            ),
            (
                "gate shift of layer 2",
                2,
                By::Constants,
                nodes(|it| it.gated_mut(2).gate += 1),
            ),
            (
                "norm shift of layer 0",
                0,
                By::Constants,
                nodes(|it| it.stream_mut(1).norm.shift -= 1),
            ),
        ];
        let stories = others.map(|(name, group, by, other)| {
            let grid = grid_of(&other);
            let of_other = grid.run(name);
            let in_honest_terms = (0..GROUPS).map(|group| {
                let own = run.files[group].statement();
                grid.prove_as(&grid.parts[0][group], group, |parts| {
                    parts.terms = own.terms().clone();
                    parts.group.as_mut().unwrap().weights = own.group().unwrap().weights;
                })
            });
            let in_honest_terms = in_honest_terms.collect();
            let mut policy = of_other.policy.parts();
            policy.terms.model = run.policy.parts().terms.model;
            policy.end_tokens = end_tokens_of(model.tokenizer()).unwrap();
            GridStory {
                name,
                group,
                by,
                policy: AcceptancePolicy::new(policy).unwrap(),
                files: of_other.files,
                in_honest_terms,
            }
        });
        let mut policy = run.policy.parts();
        policy.end_tokens = end_tokens_of(model.tokenizer()).unwrap();
        let policy = AcceptancePolicy::new(policy).unwrap();
        (run.files, policy, stories.into())
    }
}
