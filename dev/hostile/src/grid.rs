//! Chains of a decoder that is cut into groups of layers, in memory: the grid of their parts, segments by groups.
use std::collections::BTreeSet;
use std::sync::Arc;

use matchmark_graph::{MatrixName, Projection};
use matchmark_models::{
    execute_group, execute_model, GroupInput, IntegerModel, ModelExecution, ModelGroup, ModelState,
};
use matchmark_prover::{
    CommittedState, CommittedStream, ModelChain, ModelInput, PartPorts, SegmentProver,
};
use matchmark_quant::StepRange;
use matchmark_statement::{
    Cut, LayerGroups, PolicyCircuit, SegmentStatement, SegmentStatementParts, TokenValues,
    VerifierDomain,
};
use matchmark_verifier::SegmentFile;

use crate::decoder::cases::{middle, DecoderSpec};
use crate::model_runs::cache_of_layers;
use crate::runs::{whole, Run};

/// Segments of a run.
pub const SEGMENTS: usize = 3;
/// Groups of layers of the plain run.
pub const GROUPS: usize = 3;

/// What one part is proven from.
pub struct Part {
    pub execution: ModelExecution,
    pub before: Arc<CommittedState>,
    pub after: Arc<CommittedState>,
    pub stream_in: Option<Arc<CommittedStream>>,
    pub stream_out: Option<Arc<CommittedStream>>,
}

impl Part {
    fn input(&self) -> ModelInput<'_> {
        ModelInput {
            execution: &self.execution,
            before: &self.before,
            after: &self.after,
            stream_in: self.stream_in.as_deref(),
            stream_out: self.stream_out.as_deref(),
            cut: Cut::Fused,
        }
    }

    fn ports(&self) -> PartPorts<'_> {
        PartPorts {
            before: &self.before,
            after: &self.after,
            stream_in: self.stream_in.as_deref(),
            stream_out: self.stream_out.as_deref(),
        }
    }
}

/// The parts of a chain, and who proves them.
pub struct Grid {
    pub model: Arc<IntegerModel>,
    pub provers: Vec<SegmentProver>,
    /// By segment and group.
    pub parts: Vec<Vec<Part>>,
    /// Consumed tokens.
    pub tokens: Vec<u32>,
}

impl Grid {
    /// The whole chain of a decoder that is given these tokens.
    pub fn new(model: &Arc<IntegerModel>, chain: &ModelChain, given: &[u32]) -> Self {
        let provers = SegmentProver::for_groups(chain, model).unwrap();
        let own = provers.iter().map(|prover| prover.layers().unwrap());
        let own: Vec<_> = own.map(|it| ModelGroup::new(model, it).unwrap()).collect();
        let mut state = ModelState::initial(model);
        let mut states: Vec<_> = provers
            .iter()
            .zip(&own)
            .map(|(prover, group)| {
                let cache = cache_of_layers(model, state.cache(), &group.layers());
                Arc::new(prover.state(cache).unwrap())
            })
            .collect();
        let (mut parts, mut tokens, mut done) = (vec![], given.to_vec(), 0);
        let steps = StepRange::new(0, chain.capacity.get()).unwrap();
        for length in steps.segments(chain.segment_steps).map(|it| it.steps()) {
            // One token after the other, as each that is not given is the choice before it.
            while tokens.len() < done + length {
                let (execution, _) = execute_model(model, &state, &tokens[done..]).unwrap();
                tokens.extend(execution.choices.last());
            }
            let consumed = &tokens[done..done + length];
            let (execution, next) = execute_model(model, &state, consumed).unwrap();
            let (mut stream, mut committed) = (vec![], None);
            let mut of_segment = vec![];
            for ((prover, group), state) in provers.iter().zip(&own).zip(&mut states) {
                let input = GroupInput {
                    tokens: consumed,
                    choices: &execution.choices,
                    stream: &stream,
                    cache: state.cache(),
                };
                let part = part(prover, model, group, &input, state, committed);
                stream = part.execution.stream_out().to_vec();
                committed = part.stream_out.clone();
                *state = part.after.clone();
                of_segment.push(part);
            }
            parts.push(of_segment);
            done += length;
            if tokens.len() == done {
                tokens.extend(execution.choices.last());
            }
            state = next;
        }
        tokens.truncate(done);
        Self {
            model: model.clone(),
            provers,
            parts,
            tokens,
        }
    }

    pub fn prove(&self, segment: usize, group: usize) -> SegmentFile {
        let input = self.parts[segment][group].input();
        self.provers[group].prove_model(&input).unwrap().file
    }

    /// What is proven of a part's execution and ports, in another statement's name.
    pub fn prove_as(
        &self,
        part: &Part,
        group: usize,
        change: impl FnOnce(&mut SegmentStatementParts),
    ) -> SegmentFile {
        let prover = &self.provers[group];
        let input = part.input();
        let (statement, values) = prover.claim_model(&input).unwrap();
        let mut parts = statement.parts();
        change(&mut parts);
        self.prove_stated(part, group, parts, values)
    }

    /// The same of these values.
    pub fn prove_stated(
        &self,
        part: &Part,
        group: usize,
        parts: SegmentStatementParts,
        values: TokenValues,
    ) -> SegmentFile {
        let prover = &self.provers[group];
        let statement = SegmentStatement::new(parts).unwrap();
        let witness = prover.model_witness(&part.input()).unwrap();
        let proven = prover.prove_part_witness(statement, values, &witness, part.ports());
        proven.unwrap().file
    }

    /// What a group makes of another stream than the group before gives out: a part that is true by itself.
    pub fn part_on(&self, segment: usize, group: usize, stream: &[i32]) -> Part {
        let honest = &self.parts[segment][group];
        let prover = &self.provers[group];
        let input = GroupInput {
            tokens: &honest.execution.tokens,
            choices: &honest.execution.choices,
            stream,
            cache: honest.before.cache(),
        };
        let before = &self.provers[group - 1];
        let stream_in = before.stream_out(honest.execution.steps, stream).unwrap();
        let own = ModelGroup::new(&self.model, prover.layers().unwrap()).unwrap();
        let stream_in = Some(Arc::new(stream_in));
        part(prover, &self.model, &own, &input, &honest.before, stream_in)
    }

    /// The stream that a part takes in.
    pub fn stream_in(&self, segment: usize, group: usize) -> Vec<i32> {
        let execution = &self.parts[segment][group].execution;
        execution.stream[..execution.stream_out().len()].to_vec()
    }

    /// Its parts in order, with the policy that accepts them.
    pub fn run(&self, name: &'static str) -> Run {
        let places = (0..self.parts.len())
            .flat_map(|segment| (0..self.provers.len()).map(move |group| (segment, group)));
        let files = places.map(|(segment, group)| self.prove(segment, group));
        whole(name, files.collect(), self.circuits())
    }

    /// The circuits of all its parts.
    pub fn circuits(&self) -> Vec<PolicyCircuit> {
        let lengths = self.parts.iter().map(|it| it[0].execution.steps.steps());
        let lengths: BTreeSet<usize> = lengths.collect();
        let of_length = |steps: usize| {
            let provers = self.provers.iter();
            provers.flat_map(move |prover| prover.circuits(Cut::Fused, steps).unwrap())
        };
        lengths.into_iter().flat_map(of_length).collect()
    }
}

/// What a group of layers makes of its input.
fn part(
    prover: &SegmentProver,
    model: &IntegerModel,
    group: &ModelGroup,
    input: &GroupInput<'_>,
    before: &Arc<CommittedState>,
    stream_in: Option<Arc<CommittedStream>>,
) -> Part {
    let (execution, after) = execute_group(model, group, input).unwrap();
    let goes_out = !group.layers().is_last();
    let stream_out = goes_out.then(|| {
        let stream = prover.stream_out(execution.steps, execution.stream_out());
        Arc::new(stream.unwrap())
    });
    Part {
        execution,
        before: before.clone(),
        after: Arc::new(prover.state(after).unwrap()),
        stream_in,
        stream_out,
    }
}

/// Three segments of two steps by three groups of one layer each.
pub fn spec() -> DecoderSpec {
    DecoderSpec {
        entries_before: 0,
        segment_steps: 2,
        steps: 2,
        groups: (GROUPS as u16, 0),
        ..middle()
    }
}

/// The tokens that the plain run is given; it chooses the others.
pub const GIVEN: [u32; 3] = [1, 2, 3];

/// The plain run.
pub fn plain() -> Grid {
    Grid::new(&spec().model(), &spec().chain(GIVEN.len() as u32), &GIVEN)
}

/// Runs that differ from it in one thing each.
pub fn others() -> Vec<Grid> {
    let (spec, chain) = (spec(), spec().chain(GIVEN.len() as u32));
    let model = spec.model();
    let other_model = DecoderSpec {
        seed: spec.seed + 1,
        ..spec
    };
    let of_groups = |count| ModelChain {
        groups: LayerGroups::new(count).unwrap(),
        ..chain.clone()
    };
    let elsewhere = ModelChain {
        domain: VerifierDomain::new("another", [9; 16]).unwrap(),
        ..chain.clone()
    };
    vec![
        Grid::new(&model, &chain, &[4, 2, 3]),
        Grid::new(&other_model.model(), &chain, &GIVEN),
        Grid::new(&with_layer_of(&model, 1, 2), &chain, &GIVEN),
        Grid::new(&model, &of_groups(2), &GIVEN),
        Grid::new(&model, &of_groups(1), &GIVEN),
        Grid::new(&model, &elsewhere, &GIVEN),
    ]
}

/// Names of [`others`].
pub const OTHERS: [&str; 6] = [
    "another prompt",
    "another model",
    "other weights in a group",
    "two groups",
    "one group",
    "another domain",
];

/// Projections of a layer.
const OF_LAYER: [Projection; 7] = [
    Projection::Query,
    Projection::Key,
    Projection::Value,
    Projection::Output,
    Projection::Gate,
    Projection::Up,
    Projection::Down,
];

/// The same model, one layer of which has the weights of another.
pub fn with_layer_of(model: &IntegerModel, layer: usize, other: usize) -> Arc<IntegerModel> {
    let mut parts = model.clone().into_parts();
    for projection in OF_LAYER {
        let [own, other] = [layer, other].map(|it| MatrixName::of_layer(projection, it));
        *parts.matrix_mut(own) = parts.matrix_mut(other).clone();
    }
    parts.state_row_norms().unwrap();
    Arc::new(IntegerModel::new(parts).unwrap())
}

/// The same model, two layers of which have each other's weights.
pub fn with_layers_exchanged(model: &IntegerModel, layers: [usize; 2]) -> Arc<IntegerModel> {
    let mut parts = model.clone().into_parts();
    for projection in OF_LAYER {
        let [first, second] = layers.map(|it| MatrixName::of_layer(projection, it));
        let kept = parts.matrix_mut(first).clone();
        *parts.matrix_mut(first) = parts.matrix_mut(second).clone();
        *parts.matrix_mut(second) = kept;
    }
    parts.state_row_norms().unwrap();
    Arc::new(IntegerModel::new(parts).unwrap())
}
