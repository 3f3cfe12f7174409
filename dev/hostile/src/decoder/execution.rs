//! Runs a model and writes its witness, place by place, with a hook at each that may say something else:
//! what comes after it follows from what was said.
use crate::cases::{vector_place, vector_row};
use std::sync::Arc;

use matchmark_air::column::field;
use matchmark_air::harness::row::Source;
use matchmark_air::layout::decoder::{DecoderLayout, LIMB_BITS, NORM_LOW_BITS, RANGE_BITS};
use matchmark_air::ops::norms::columns::Witness;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{PartTrace, SegmentTokens, SegmentWitness};
use matchmark_graph::{Kind, StreamArithmetic, EMBEDDING_SHIFT};
use matchmark_models::{IntegerModel, Matrix};
use matchmark_quant::{centered, Rescale, EXCESS_BITS};

use super::norm_columns::columns_of_sums;
use super::places::{InputSpace, MatrixKind};
use crate::cases::{Case, DecoderPart};
use crate::forge::vector_mut;
use crate::world::{World, ATTENTION};

/// What is said at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Token that a step consumes, as the embedding has it: one number.
    Token,
    /// Output of a matrix, as the component that uses it has it: one number.
    Given(MatrixKind),
    /// Input of a matrix, as the matrix has it: one number.
    Taken(InputSpace),
    /// A value that is rescaled: result, excess, remainder; on the stream the excess's high limb as well.
    Rescaled(Value),
    /// A value of the stream: high and low limb.
    Limbs,
    /// Sums over the channels so far: of the squares of high limbs, of the products of both, of the squares of
    /// low limbs.
    Sums,
    /// The same as the norms component has them.
    NormSums,
    /// The columns of the norms component.
    Norm,
    /// Factor, divisor and limit of the excess, as a channel of the stream has them.
    Factor,
    /// Normalized value: result, excess, low and high remainder.
    Normalized,
    /// Cosine and sine.
    Angle,
    /// A query, key or value as the attention has it: one number.
    Entry(Entry),
    /// An output of the attention: one number.
    Attended,
    /// Activation of a gate: one number.
    Activation,
    /// A value of the stream as the port to the group of layers behind has it: one number.
    GoesOut,
}

/// A value that is rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Stream,
    /// Before rotation: first or second of a pair.
    Rotary(usize),
    /// After rotation: first or second of a pair.
    Rotated(usize),
    Value,
    Gate,
    Up,
    Gated,
}

impl Value {
    /// How it is rescaled by its node: of a layer, or of a stage of the stream.
    pub fn rescale(self, part: &DecoderPart, layer: usize, index: usize) -> Rescale {
        let (graph, arithmetic) = (part.group.graph(), part.group.arithmetic());
        let terms = arithmetic.terms();
        let gated = || arithmetic.gated(graph.nth(Kind::Gated, layer));
        match self {
            Self::Stream => terms.stream(stage_of(part, layer).shift),
            Self::Rotary(_) => {
                let attention = part.model.shape().attention();
                let queries = attention.query_heads() * attention.head_dim() / 2;
                let constants = arithmetic.rotary(graph.nth(Kind::Rotary, layer));
                terms.rotary_input(if index < queries {
                    constants.query
                } else {
                    constants.key
                })
            }
            Self::Rotated(_) => terms.rotation(),
            Self::Value => {
                let constants = arithmetic.values(graph.nth(Kind::Values, layer));
                terms.value(constants.shift)
            }
            Self::Gate => terms.gate(gated().gate),
            Self::Up => terms.value(gated().up),
            Self::Gated => terms.gated(gated().product),
        }
    }
}

/// The constants of a stage of the stream, counted from the first layer of the case.
pub fn stage_of(part: &DecoderPart, stage: usize) -> &StreamArithmetic {
    let id = part.group.graph().nth(Kind::Stream, stage);
    part.group.arithmetic().stream(id)
}

/// What the attention takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Query,
    Key,
    Value,
}

/// A place in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    pub what: What,
    /// Layer, or stage of the stream, of those that the case has.
    pub layer: usize,
    /// Channel, or output of a matrix; (head, pair) or (head, dimension) as one number.
    pub index: usize,
    pub step: usize,
}

/// May change what is said at a place.
pub type Hook<'a> = dyn FnMut(Site, &mut [i64]) + 'a;

/// What a run came to.
pub struct Run {
    pub witness: SegmentWitness,
    /// The same witness with what matrices took in, where that is something else.
    pub shadow: Option<SegmentWitness>,
    /// Logits by step and token, as the choice has them.
    pub logits: Vec<Vec<i64>>,
}

/// An integer of some size as the columns of a rescaling.
pub fn rescaled(rescale: Rescale, x: i64) -> [i64; 3] {
    let unit = 1_i64 << rescale.shift();
    let v = (x + unit / 2).div_euclid(unit);
    let out = v.clamp(i64::from(rescale.min()), i64::from(rescale.max()));
    [out, (v - out).abs(), x + unit / 2 - v * unit]
}

/// The same on the stream, whose excess has two limbs: result, low limb, remainder, high limb.
pub fn rescaled_stream(rescale: Rescale, x: i64) -> [i64; 4] {
    let [out, excess, remainder] = rescaled(rescale, x);
    let per_unit = EXCESS_BITS - rescale.shift();
    let low = excess & ((1 << per_unit) - 1);
    [out, low, remainder, excess >> per_unit]
}

/// What a matrix took in instead of what its component has.
struct Override {
    space: InputSpace,
    index: usize,
    step: usize,
    value: i64,
}

struct Runner<'a> {
    case: &'a Arc<Case>,
    part: &'a DecoderPart,
    decoder: &'a DecoderLayout,
    hook: &'a mut Hook<'a>,
    trace: PartTrace,
    tokens: SegmentTokens,
    overrides: Vec<Override>,
    /// The stream by step and channel.
    stream: Vec<Vec<i64>>,
}

/// Replaces the columns of the components around the attention by those of another trace.
pub fn take_decoder(trace: &mut PartTrace, other: &PartTrace) {
    for (own, other) in trace.components.iter_mut().zip(&other.components) {
        if !ATTENTION.contains(&own.name) {
            own.clone_from(other);
        }
    }
}

/// Runs seeded tokens through the model of a case.
pub fn run<'a>(case: &'a Arc<Case>, seed: u64, hook: &'a mut Hook<'a>) -> Run {
    run_behind(case, seed, |_| {}, hook)
}

/// The same behind another cache: `alter` changes the entries before the segment.
pub fn run_behind<'a>(
    case: &'a Arc<Case>,
    seed: u64,
    alter: impl FnOnce(&mut World),
    hook: &'a mut Hook<'a>,
) -> Run {
    let (part, decoder) = case.expect_decoder();
    let honest = part.run(case, seed);
    let witness = part.witness(case, &honest);
    let runner = Runner {
        case,
        part,
        decoder,
        hook,
        trace: witness.main,
        tokens: witness.tokens.unwrap(),
        overrides: vec![],
        stream: vec![],
    };
    let mut world = World::of_run(case, &honest);
    alter(&mut world);
    runner.run(world)
}

impl Runner<'_> {
    fn say<const N: usize>(
        &mut self,
        what: What,
        [layer, index, step]: [usize; 3],
        mut said: [i64; N],
    ) -> [i64; N] {
        let site = Site {
            what,
            layer,
            index,
            step,
        };
        (self.hook)(site, &mut said);
        said
    }

    fn model(&self) -> &Arc<IntegerModel> {
        &self.part.model
    }

    fn steps(&self) -> usize {
        self.decoder.steps()
    }

    fn rescale(&mut self, value: Value, at: [usize; 3], x: i64) -> [i64; 3] {
        let [layer, index, _] = at;
        let honest = rescaled(value.rescale(self.part, layer, index), x);
        self.say(What::Rescaled(value), at, honest)
    }

    /// What a matrix takes in of a vector, by step.
    fn take(&mut self, space: InputSpace, layer: usize, values: Vec<Vec<i64>>) -> Vec<Vec<i64>> {
        let mut taken = values;
        for (step, of_step) in taken.iter_mut().enumerate() {
            for (index, taken) in of_step.iter_mut().enumerate() {
                let honest = *taken;
                let [value] = self.say(What::Taken(space), [layer, index, step], [honest]);
                if value != honest {
                    self.overrides.push(Override {
                        space,
                        index,
                        step,
                        value,
                    });
                }
                *taken = value;
            }
        }
        taken
    }

    /// What matrices give for their inputs, outputs one after the other, by step.
    fn give(&mut self, kind: MatrixKind, layer: usize, inputs: &[Vec<i64>]) -> Vec<Vec<i64>> {
        let model = self.model().clone();
        let graph = self.decoder.graph();
        let names = graph.names_of(kind.node(graph));
        let matrices: Vec<&Matrix> = names.map(|name| model.matrix(name)).collect();
        let mut outputs = vec![];
        for (step, input) in inputs.iter().enumerate() {
            let mut given = vec![];
            for matrix in &matrices {
                for output in 0..matrix.outputs() {
                    let product = |(j, x): (usize, &i64)| i64::from(matrix.weight(output, j)) * x;
                    let products = input.iter().enumerate().map(product);
                    let sum = products.sum::<i64>() + i64::from(matrix.bias(output));
                    let at = [layer, given.len(), step];
                    let [sum] = self.say(What::Given(kind), at, [sum]);
                    given.push(sum);
                }
            }
            outputs.push(given);
        }
        outputs
    }

    fn run(mut self, mut world: World) -> Run {
        let model = self.model().clone();
        let steps = self.steps();
        let shape = *model.shape();
        let attention = shape.attention();
        let dim = attention.head_dim();
        let layers = *self.decoder.layers();
        let public = self.tokens.consumed.clone();
        let mut used = public.clone();
        let tokens = if layers.is_first() { steps } else { 0 };
        for (step, token) in used.iter_mut().enumerate().take(tokens) {
            let [said] = self.say(What::Token, [0, 0, step], [i64::from(*token)]);
            *token = u32::try_from(said).unwrap();
        }
        let hidden = shape.hidden();
        let mut begin = vec![];
        for (step, token) in used.iter().enumerate() {
            let (kind, entries): (_, Vec<i64>) = if layers.is_first() {
                let entries = &model.embedding()[*token as usize * hidden..][..hidden];
                let entries = entries.iter().map(|entry| i64::from(*entry));
                (MatrixKind::Embedding, entries.collect())
            } else {
                let port = self.trace.component("stream in").column("stream");
                let entries = (0..hidden).map(|channel| centered(port[channel * steps + step].0));
                (MatrixKind::StreamIn, entries.collect())
            };
            let row = entries.iter().enumerate().map(|(channel, entry)| {
                let at = [0, channel, step];
                let given = entry << EMBEDDING_SHIFT;
                let [given] = self.say(What::Given(kind), at, [given]);
                given
            });
            begin.push(row.collect());
        }
        let mut normalized = self.stage(0, &begin);
        // Later layers have no part in the heads of earlier ones.
        for tensor in [&mut world.q, &mut world.k, &mut world.v] {
            tensor.fill(0);
        }
        let mut outputs_said = vec![];
        for layer in 0..layers.count() {
            let given = self.give(MatrixKind::Rotary(layer), layer, &normalized);
            self.rotate(layer, &given, &mut world);
            let given = self.give(MatrixKind::Values(layer), layer, &normalized);
            self.values(layer, &given, &mut world);
            let execution = world.execute(self.case);
            let mut attended = vec![vec![]; steps];
            for (step, attended) in attended.iter_mut().enumerate() {
                for head in 0..attention.query_heads() {
                    let head = layer * attention.query_heads() + head;
                    for c in 0..dim {
                        let out = i64::from(execution.out[(head * steps + step) * dim + c]);
                        let at = [layer, head * dim + c, step];
                        let [said] = self.say(What::Attended, at, [out]);
                        if said != out {
                            let place = vector_place(&self.case.layout, head, step, c);
                            outputs_said.push((place, said));
                        }
                        attended.push(said);
                    }
                }
            }
            let taken = self.take(InputSpace::Attention(layer), layer, attended);
            let given = self.give(MatrixKind::Output(layer), layer, &taken);
            let taken = self.stage(2 * layer + 1, &given);
            let given = self.give(MatrixKind::UpGate(layer), layer, &taken);
            let gated = self.mlp(layer, &given);
            let taken = self.take(InputSpace::Gated(layer), layer, gated);
            let given = self.give(MatrixKind::Down(layer), layer, &taken);
            normalized = self.stage(2 * layer + 2, &given);
        }
        self.fill_padding();
        let mut logits = vec![];
        if layers.is_last() {
            logits = self.give(MatrixKind::Head, layers.count(), &normalized);
            self.choose(&logits);
        } else {
            self.go_out();
        }
        let mut witness = world.witness(self.case);
        for (place, said) in outputs_said {
            *vector_mut(&mut witness, "output", place) = field(said);
        }
        take_decoder(&mut witness.main, &self.trace);
        witness.tokens = Some(self.tokens.clone());
        let mut shadow = None;
        if used != public || !self.overrides.is_empty() {
            let mut taken = witness.clone();
            self.write_taken(&mut taken);
            taken.tokens.as_mut().unwrap().consumed = used;
            shadow = Some(taken);
        }
        Run {
            witness,
            shadow,
            logits,
        }
    }

    /// A stage of the stream, from what is added to it to what matrices take in of it.
    fn stage(&mut self, stage: usize, added: &[Vec<i64>]) -> Vec<Vec<i64>> {
        let mut stream = vec![];
        let mut taken = vec![];
        for (step, added) in added.iter().enumerate() {
            let (values, sums) = self.add_to_stream(stage, step, added);
            let factor = self.norm(stage, step, sums);
            taken.push(self.normalize(stage, step, &values, factor));
            stream.push(values);
        }
        self.stream = stream;
        self.take(InputSpace::Normalized(stage), stage, taken)
    }

    fn write<const N: usize>(
        &mut self,
        component: &str,
        row: usize,
        names: [&str; N],
        values: [i64; N],
    ) {
        let component = self.trace.component_mut(component);
        for (name, value) in names.into_iter().zip(values) {
            component.column_mut(name)[row] = field(value);
        }
    }

    /// Writes all witness columns of a component on a row.
    fn write_all(&mut self, component: &str, row: usize, values: &[i64]) {
        let component = self.trace.component_mut(component);
        let columns = component.columns_from_mut(Source::Tree(Tree::Witness));
        for (column, value) in columns.zip(values) {
            if let Some(column) = &mut column.entries {
                column[row] = field(*value);
            }
        }
    }

    fn add_to_stream(&mut self, stage: usize, step: usize, added: &[i64]) -> (Vec<i64>, [i64; 3]) {
        let residual = stage_of(self.part, stage).before;
        let (mut values, mut sums) = (vec![], [0; 3]);
        for (channel, added) in added.iter().enumerate() {
            let (row, _) = self.decoder.stream_row(stage, channel, step);
            let at = [stage, channel, step];
            let before = residual.map_or(0, |shift| self.stream[step][channel] << shift);
            let rescale = Value::Stream.rescale(self.part, stage, channel);
            let honest = rescaled_stream(rescale, added + before);
            let said = self.say(What::Rescaled(Value::Stream), at, honest);
            let [out, excess, remainder, excess_high] = said;
            let names = ["excess", "excess high", "remainder"];
            self.write("stream", row, names, [excess, excess_high, remainder]);
            let limbs = [out >> LIMB_BITS, out & ((1 << LIMB_BITS) - 1)];
            let limbs = self.say(What::Limbs, at, limbs);
            self.write("stream", row, ["high", "low"], limbs);
            let [high, low] = limbs;
            let products = [[high, high], [high, low], [low, low]];
            let [of_high, of_both, of_low] = products.map(|[a, b]| product(a, b));
            let so_far = [sums[0] + of_high, sums[1] + of_both, sums[2] + of_low];
            sums = self.say(What::Sums, at, so_far);
            self.write("stream", row, ["high sum", "cross sum", "low sum"], sums);
            values.push(out);
        }
        (values, sums)
    }

    /// The norm of a stage: factor, divisor, and limit of the excess.
    fn norm(&mut self, stage: usize, step: usize, sums: [i64; 3]) -> [i64; 3] {
        let at = [stage, 0, step];
        let sums = self.say(What::NormSums, at, sums);
        let honest = columns_of_sums(stage_of(self.part, stage).norm, sums);
        let said = self.say(What::Norm, at, honest.into_columns());
        let row = self.decoder.norm_row(stage, step);
        self.write_all("norms", row, &said);
        let said = Witness::from(said);
        [said.factor, said.divisor, said.excess_limit]
    }

    fn normalize(
        &mut self,
        stage: usize,
        step: usize,
        values: &[i64],
        factor: [i64; 3],
    ) -> Vec<i64> {
        let mut normalized = vec![];
        for (channel, value) in values.iter().enumerate() {
            let (row, _) = self.decoder.stream_row(stage, channel, step);
            let at = [stage, channel, step];
            let said = self.say(What::Factor, at, factor);
            let names = ["factor", "divisor", "excess limit"];
            self.write("stream", row, names, said);
            // Any shift: the range is that of the values.
            let range = self.decoder.arithmetic().value(1);
            let honest = normalized_columns(range, *value, said);
            let said = self.say(What::Normalized, at, honest);
            let names = [
                "normalized",
                "normalized excess",
                "norm remainder low",
                "norm remainder high",
            ];
            self.write("stream", row, names, said);
            normalized.push(said[0]);
        }
        normalized
    }

    fn rotate(&mut self, layer: usize, given: &[Vec<i64>], world: &mut World) {
        let attention = self.decoder.shape().attention();
        let (queries, keys) = (attention.query_heads(), attention.kv_heads());
        let (dim, steps) = (attention.head_dim(), self.steps());
        let half = dim / 2;
        let model = self.model().clone();
        let table = &model.tables().rotary;
        for (step, given) in given.iter().enumerate() {
            for head in 0..queries + keys {
                for pair in 0..half {
                    let row = self.decoder.rotary_row(layer, head, pair, step);
                    let at = [layer, head * half + pair, step];
                    let [x, y] = [0, 1].map(|which| {
                        let x = given[head * dim + pair + which * half];
                        self.rescale(Value::Rotary(which), at, x)
                    });
                    let position = self.case.steps.entries_before() + step;
                    let (cos, sin) = table.get(position, pair).unwrap();
                    let angle = self.say(What::Angle, at, [i64::from(cos), i64::from(sin)]);
                    let [cos, sin] = angle;
                    let products = [x[0] * cos - y[0] * sin, y[0] * cos + x[0] * sin];
                    let rotated =
                        [0, 1].map(|it| self.rescale(Value::Rotated(it), at, products[it]));
                    let columns = [&x[..], &y, &angle, &rotated[0], &rotated[1]].concat();
                    self.write_all("rotary", row, &columns);
                    for (which, rotated) in rotated.into_iter().enumerate() {
                        let c = pair + which * half;
                        let (entry, head, tensor) = match head.checked_sub(queries) {
                            None => (Entry::Query, layer * queries + head, &mut world.q),
                            Some(head) => (Entry::Key, layer * keys + head, &mut world.k),
                        };
                        let at = [layer, head * dim + c, step];
                        let [said] = self.say(What::Entry(entry), at, [rotated[0]]);
                        tensor[(head * steps + step) * dim + c] = i16::try_from(said).unwrap_or(0);
                    }
                }
            }
        }
    }

    fn values(&mut self, layer: usize, given: &[Vec<i64>], world: &mut World) {
        let attention = self.decoder.shape().attention();
        let (heads, dim, steps) = (attention.kv_heads(), attention.head_dim(), self.steps());
        for (step, given) in given.iter().enumerate() {
            for (index, x) in given.iter().enumerate() {
                let (head, c) = (index / dim, index % dim);
                let row = self.decoder.values_row(layer, head, c, step);
                let said = self.rescale(Value::Value, [layer, index, step], *x);
                self.write_all("values", row, &said);
                let head = layer * heads + head;
                let at = [layer, head * dim + c, step];
                let [said] = self.say(What::Entry(Entry::Value), at, [said[0]]);
                world.v[(head * steps + step) * dim + c] = i16::try_from(said).unwrap_or(0);
            }
        }
    }

    fn mlp(&mut self, layer: usize, given: &[Vec<i64>]) -> Vec<Vec<i64>> {
        let channels = self.decoder.shape().mlp();
        let model = self.model().clone();
        let table = &model.tables().activation;
        let mut all = vec![];
        for (step, given) in given.iter().enumerate() {
            let mut of_step = vec![];
            for channel in 0..channels {
                let at = [layer, channel, step];
                let up = self.rescale(Value::Up, at, given[channel]);
                let gate = self.rescale(Value::Gate, at, given[channels + channel]);
                let entry = i32::try_from(gate[0]).ok().and_then(|gate| table.get(gate));
                let activation = i64::from(entry.unwrap_or(0));
                let [activation] = self.say(What::Activation, at, [activation]);
                let gated = self.rescale(Value::Gated, at, activation * up[0]);
                let columns = [&gate[..], &up, &[activation], &gated].concat();
                let (row, _) = self.decoder.gated_row(layer, channel, step);
                self.write_all("gated", row, &columns);
                of_step.push(gated[0]);
            }
            all.push(of_step);
        }
        all
    }

    /// Padding goes on with the sums of one channel before.
    fn fill_padding(&mut self) {
        let (stages, steps) = (self.decoder.stages(), self.steps());
        let used = stages * self.decoder.shape().hidden() * steps;
        for name in ["high sum", "cross sum", "low sum"] {
            let column = self.trace.component_mut("stream").column_mut(name);
            for row in used..column.len() {
                column[row] = column[row - steps];
            }
        }
    }

    /// What the last stage ends with goes to the group of layers behind.
    fn go_out(&mut self) {
        let steps = self.steps();
        for (step, values) in self.stream.clone().into_iter().enumerate() {
            for (channel, value) in values.into_iter().enumerate() {
                let [value] = self.say(What::GoesOut, [0, channel, step], [value]);
                self.write("stream out", channel * steps + step, ["stream"], [value]);
            }
        }
    }

    fn choose(&mut self, logits: &[Vec<i64>]) {
        for (step, logits) in logits.iter().enumerate() {
            let maximum = *logits.iter().max().unwrap();
            let choice = logits.iter().position(|logit| *logit == maximum).unwrap();
            self.tokens.chosen[step] = choice as u32;
            let below = |token: usize| i64::from(token < choice);
            write_choice(self.decoder, &mut self.trace, step, logits, maximum, below);
        }
    }

    /// What matrices took in, in the columns of a witness.
    fn write_taken(&self, witness: &mut SegmentWitness) {
        let attention = self.decoder.shape().attention();
        let (heads, dim) = (attention.query_heads(), attention.head_dim());
        for change in &self.overrides {
            let Override {
                space,
                index,
                step,
                value,
            } = *change;
            let (component, column, row) = match space {
                InputSpace::Tokens | InputSpace::One => unreachable!("they have no columns"),
                InputSpace::Normalized(stage) => {
                    let (row, _) = self.decoder.stream_row(stage, index, step);
                    ("stream", "normalized", row)
                }
                InputSpace::Attention(layer) => {
                    let head = layer * heads + index / dim;
                    let row = vector_row(&self.case.layout, head, step, index % dim);
                    ("vectors", "output", row)
                }
                InputSpace::Gated(layer) => {
                    let (row, _) = self.decoder.gated_row(layer, index, step);
                    ("gated", "gated", row)
                }
            };
            let component = witness.main.component_mut(component);
            component.column_mut(column)[row] = field(value);
        }
    }
}

/// The product of two limbs, which may be any elements of the field, as a small number where it is one.
fn product(a: i64, b: i64) -> i64 {
    centered((field(a) * field(b)).0)
}

/// The columns of a normalized value: `value * factor / divisor`, rounded and clamped.
pub fn normalized_columns(range: Rescale, value: i64, [factor, divisor, _]: [i64; 3]) -> [i64; 4] {
    let shifted = value * factor + divisor / 2;
    let quotient = shifted.div_euclid(divisor.max(1));
    let out = quotient.clamp(i64::from(range.min()), i64::from(range.max()));
    let remainder = shifted - quotient * divisor;
    [
        out,
        (quotient - out).abs(),
        remainder & ((1 << NORM_LOW_BITS) - 1),
        remainder >> NORM_LOW_BITS,
    ]
}

/// Writes the choice of a step: its maximum, and `below` for each token, padding included.
pub fn write_choice(
    decoder: &DecoderLayout,
    trace: &mut PartTrace,
    step: usize,
    logits: &[i64],
    maximum: i64,
    below: impl Fn(usize) -> i64,
) {
    let columns = trace.component_mut("argmax");
    let mut before = 1;
    let rows = 1_usize << columns.log_rows;
    for token in 0..rows.div_ceil(decoder.steps()) {
        let (row, _) = decoder.argmax_row(token, step);
        if row >= rows {
            break;
        }
        let [maximum, below, gap] = match logits.get(token) {
            Some(logit) => [maximum, below(token), maximum - logit - below(token)],
            // Padding chooses nothing; its logit is no gap away from the maximum.
            None => [maximum, before, 0],
        };
        for (name, value) in [
            ("maximum", maximum),
            ("below", below),
            ("gap low", gap & ((1 << RANGE_BITS) - 1)),
            ("gap high", gap >> RANGE_BITS),
        ] {
            columns.column_mut(name)[row] = field(value);
        }
        before = below;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::{mock_names, Drop};
    use crate::decoder::cases::all;
    use crate::decoder::forge::forge;
    use crate::world::tree_of;

    /// A run without a lie is the prover's own witness, and nothing refuses it.
    #[test]
    fn a_run_without_a_lie_is_honest() {
        for spec in all() {
            let case = spec.case();
            for seed in 0..4 {
                let (part, _) = case.expect_decoder();
                let expected = part.witness(&case, &part.run(&case, seed));
                let run = run(&case, seed, &mut |_, _| {});
                assert!(run.shadow.is_none());
                let forged = forge(&case, run, vec![]).finish(&Drop::Nothing);
                assert!(forged.is_true());
                let failures = mock_names(&case, &forged.witness, &forged.rlcs);
                assert!(failures.is_empty(), "{} {seed}: {failures:?}", case.name);
                // Without the uses of tables, whose equal entries may share them in several ways.
                let columns = |witness: &SegmentWitness| -> Vec<_> {
                    let mut trace = witness.main.clone();
                    trace.components.retain(|it| it.name != "tables");
                    let trees = [Tree::StateBefore, Tree::StateAfter, Tree::Witness];
                    let columns = trees.into_iter().flat_map(|tree| tree_of(&trace, tree));
                    columns.collect()
                };
                let (got, expected) = (columns(&forged.witness), columns(&expected));
                for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    assert!(got == expected, "{} {seed}: column {index}", case.name);
                }
            }
        }
    }
}
