//! The known forgeries of a decoder, each a run of the model with one lie.
use std::collections::HashMap;
use std::sync::Arc;

use matchmark_air::relation::RelationTag;
use matchmark_air::trees::Tree;
use num_traits::One;
use stwo::core::fields::m31::M31;

use super::attacks::{
    self, activation, any_value, entry, given, norm, normalized, other_new_key, other_token,
    rescaled, rotation, taken, wide_excess, Turn,
};
use super::choices::{choice, Choosing, NOWHERE};
use super::execution::{rescaled_stream, run, stage_of, Entry, Site, Value, What};
use super::forge::{forge, Patch};
use super::norms;
use super::places::{InputSpace, MatrixKind};
use super::rescalings::Break;
use super::within;
use crate::attacks::{Alone, Attack};
use crate::cases::Case;
use crate::forge::Forge;
use crate::world::tree_of;
use crate::Rng;

/// A forgery: its name, how it is made, and what names it.
pub struct Forgery {
    pub name: String,
    pub attack: Attack,
    pub reason: &'static str,
}

/// All of them.
pub fn forgeries(case: &Arc<Case>) -> Vec<Forgery> {
    let layers = *case.expect_decoder().1.layers();
    let last = layers.count() - 1;
    let (range, output, input) = (
        RelationTag::Range.name(),
        RelationTag::LinearOutput.name(),
        RelationTag::LinearInput.name(),
    );
    let entries = RelationTag::AttentionEntry.name();
    let mut list = List::default();
    if layers.is_last() {
        list.choices();
    }
    for value in [
        Value::Stream,
        Value::Rotary(0),
        Value::Rotary(1),
        Value::Rotated(0),
        Value::Rotated(1),
        Value::Value,
        Value::Gate,
        Value::Up,
        Value::Gated,
    ] {
        let clamps = "only an end clamps";
        // Behind the MLP of the last layer are choices alone, and one unit in it moves none of them.
        let is_seen = last > 0
            || !layers.is_last()
            || !matches!(value, Value::Gate | Value::Up | Value::Gated);
        if is_seen {
            list.add(
                format!("quotient one off, remainder shifted: {value:?}"),
                one_off(value),
                range,
            );
        }
        list.add(
            format!("clip without cause: {value:?}"),
            rescaled(value, Break::Interior),
            clamps,
        );
        list.add(
            format!("excess at the other end: {value:?}"),
            rescaled(value, Break::Excess),
            range,
        );
    }
    list.add(
        "excess in the high limb at the other end",
        rescaled(Value::Stream, Break::HighExcess),
        range,
    );
    list.add(
        "clip without cause: high limb of the excess",
        rescaled(Value::Stream, Break::HighInterior),
        "only an end clamps",
    );
    list.add(
        "a remainder that is a fraction",
        rescaled(Value::Stream, Break::Fraction),
        range,
    );
    let values = RelationTag::Value.name();
    list.add(
        "no clip with cause: stream",
        rescaled(Value::Stream, Break::Unclipped),
        range,
    );
    list.add(
        "no clip with cause: up",
        rescaled(Value::Up, Break::Unclipped),
        values,
    );
    list.add(
        "no clip with cause: gated",
        rescaled(Value::Gated, Break::Unclipped),
        range,
    );
    for which in [0, 1] {
        list.add(
            format!("no clip with cause: {:?}", Value::Rotary(which)),
            rescaled(Value::Rotary(which), Break::Unclipped),
            range,
        );
    }
    list.add(
        "no clip with cause: normalized",
        normalized(Some(Break::Unclipped)),
        values,
    );
    list.add(
        "normalized, quotient off",
        normalized(Some(Break::Remainder)),
        range,
    );
    list.add(
        "normalized, excess at the other end",
        normalized(Some(Break::Excess)),
        range,
    );
    let rotated = "first value is rotated";
    list.add(
        "rotated to any value",
        any_value(Value::Rotated(0)),
        rotated,
    );
    list.add(
        "norm with another exponent",
        norm(norms::Break::Smallest),
        range,
    );
    let mantissa = "mantissa and remainder make up the norm";
    list.add(
        "norm with another mantissa",
        norm(norms::Break::Mantissa),
        mantissa,
    );
    let root = RelationTag::ReciprocalRoot.name();
    list.add("norm with another factor", norm(norms::Break::Factor), root);
    let factor = RelationTag::NormFactor.name();
    list.add(
        "a factor for a channel",
        norm(norms::Break::OwnFactor),
        factor,
    );
    list.add(
        "scale of another exponent",
        norm(norms::Break::Scale),
        RelationTag::Exponent.name(),
    );
    let divisor = "the divisor is that of stage and exponent";
    list.add(
        "divisor of another exponent",
        norm(norms::Break::Divisor),
        divisor,
    );
    list.add(
        "divisor of another stage",
        norm(norms::Break::OtherStage),
        divisor,
    );
    list.add(
        "normalized quotient that wraps",
        wide_excess(),
        "the excess is limited by the divisor",
    );
    list.add(
        "sum of squares with a wrong carry",
        norm(norms::Break::Carry),
        range,
    );
    list.add(
        "sum of squares with a wrong low part",
        norm(norms::Break::Low),
        range,
    );
    for (name, how) in [
        ("low limb out of its range", norms::Break::LimbLow),
        ("high limb out of its range", norms::Break::LimbHigh),
        ("products of limbs, low bits", norms::Break::CrossLow),
        (
            "products of limbs that wrap, low limb",
            norms::Break::CrossQuotientLow,
        ),
        (
            "products of limbs that wrap, high limb",
            norms::Break::CrossQuotientHigh,
        ),
    ] {
        list.add(name, norm(how), range);
    }
    list.add("remainder of a norm", norm(norms::Break::Remainder), range);
    list.add(
        "norm of other sums",
        norm(norms::Break::Sums),
        RelationTag::SquareSums.name(),
    );
    let table = RelationTag::Rotation.name();
    list.add(
        "rotation by another position",
        rotation(Turn::OtherPosition),
        table,
    );
    list.add("another pair's angle", rotation(Turn::OtherPair), table);
    list.add("an angle of no table", rotation(Turn::Any), table);
    list.add(
        "activation not in the table",
        activation(),
        RelationTag::Activation.name(),
    );
    let mut spaces = vec![
        InputSpace::Normalized(0),
        InputSpace::Attention(0),
        InputSpace::Gated(0),
    ];
    // What the last stage ends with is taken in by the head alone.
    spaces.extend(
        layers
            .is_last()
            .then_some(InputSpace::Normalized(2 * last + 2)),
    );
    for space in spaces {
        list.add(
            format!("input of a matrix: {space:?}"),
            taken(space, false),
            input,
        );
    }
    let mut kinds = vec![
        MatrixKind::Rotary(last),
        MatrixKind::Values(last),
        MatrixKind::Output(last),
        MatrixKind::UpGate(last),
        MatrixKind::Down(last),
    ];
    kinds.push(match layers.is_first() {
        true => MatrixKind::Embedding,
        false => MatrixKind::StreamIn,
    });
    kinds.extend(layers.is_last().then_some(MatrixKind::Head));
    for kind in kinds {
        list.add(
            format!("outputs of a matrix: {kind:?}"),
            given(kind, None),
            output,
        );
    }
    list.add("up and gate exchanged", exchanged(), output);
    list.add("stream forgets the stage before", forgetting(), output);
    if layers.is_first() {
        list.add("embedding of another token", other_token(), input);
    }
    list.add("query of the attention", entry(Entry::Query), entries);
    list.add("key of the attention", entry(Entry::Key), entries);
    list.add("value of the attention", entry(Entry::Value), entries);
    let keys = RelationTag::KeyRlc.name();
    list.add("new key of the cache", Box::new(other_new_key), keys);
    list.groups(case);
    list.within(within::alone(case));
    list.0
}

/// Those of them on values in two digits.
pub fn forgeries_of_digits(case: &Arc<Case>) -> Vec<Forgery> {
    let mut list = List::default();
    list.within(within::of_digits(case));
    list.0
}

/// Those of them on what joins a group of layers to others.
pub fn forgeries_of_groups(case: &Arc<Case>) -> Vec<Forgery> {
    let mut list = List::default();
    list.groups(case);
    list.0
}

#[derive(Default)]
struct List(Vec<Forgery>);

impl List {
    fn add(&mut self, name: impl Into<String>, attack: Attack, reason: &'static str) {
        let name = name.into();
        self.0.push(Forgery {
            name,
            attack,
            reason,
        });
    }

    /// Choices that are not the lowest maximum.
    fn choices(&mut self) {
        let range = RelationTag::Range.name();
        self.add(
            "chosen token is not the maximum",
            choice(Choosing::LowGap, false),
            range,
        );
        self.add(
            "maximum is exceeded",
            choice(Choosing::HighGap, false),
            range,
        );
        let unattained = "the chosen token attains the maximum";
        self.add(
            "maximum is attained by none",
            choice(Choosing::Unattained, false),
            unattained,
        );
        self.add(
            "tie resolved to the higher index",
            choice(Choosing::LowGap, true),
            range,
        );
        self.add(
            "tie, attained by none",
            choice(Choosing::Unattained, true),
            unattained,
        );
        let falls = "below falls where a token is chosen";
        self.add(
            "tie, below is any number",
            choice(Choosing::AnyBelow, true),
            falls,
        );
        let maximum = "the maximum is the same for all tokens";
        self.add(
            "a maximum for each token",
            choice(Choosing::OwnMaximum, false),
            maximum,
        );
        self.add("public choice", choice(Choosing::Public, false), falls);
        self.add("public choice, tied", choice(Choosing::Public, true), falls);
        self.add(
            "a token that the vocabulary does not have",
            choice(Choosing::Padding, false),
            falls,
        );
        self.add(
            "no token of the vocabulary",
            choice(Choosing::Nowhere, false),
            NOWHERE,
        );
    }

    /// What joins a group of layers to those beside it.
    fn groups(&mut self, case: &Arc<Case>) {
        let ends = case.layout.streams();
        let (output, goes_out) = (
            RelationTag::LinearOutput.name(),
            RelationTag::StreamValue.name(),
        );
        for (is_there, tree, reason) in [
            (ends.goes_in, Tree::StreamIn, output),
            (ends.goes_out, Tree::StreamOut, goes_out),
        ] {
            for how in OtherStream::ALL.into_iter().filter(|_| is_there) {
                let name = format!("{}: {how:?}", tree.name());
                self.add(name, other_stream(tree, how), reason);
            }
        }
        if ends.goes_out {
            self.add(
                "a value goes out that is none",
                attacks::goes_out(1),
                goes_out,
            );
            self.add(
                "several values go out that are none",
                attacks::goes_out(3),
                goes_out,
            );
        }
        if ends.goes_in {
            let accumulates = "combined stream accumulates";
            let attack = given(MatrixKind::StreamIn, Some(Patch::ToLinear));
            self.add("stream in, combined as another", attack, accumulates);
            let range = RelationTag::Range.name();
            self.add("stream in, quotient one off", first_stage_off(), range);
        }
    }

    /// The attention's.
    fn within(&mut self, all: Vec<Alone>) {
        for alone in all {
            let name = format!("within: {}", alone.label);
            self.add(name, alone.attack, alone.reason);
        }
    }
}

/// A quotient one off, with the remainder shifted by the divisor.
fn one_off(value: Value) -> Attack {
    Box::new(move |case, seed| {
        let (part, _) = case.expect_decoder();
        let mut rng = Rng(seed ^ 0x6f6e_656f);
        let (mut skip, up) = (rng.below(40), rng.below(2) == 0);
        let mut told = false;
        let run = run(case, seed, &mut |site, said| {
            let is_here = site.what == What::Rescaled(value)
                && said[1] == 0
                && said.get(3).is_none_or(|high| *high == 0);
            if told || !is_here {
                return;
            }
            let rescale = value.rescale(part, site.layer, site.index);
            let other = if up { said[0] + 1 } else { said[0] - 1 };
            let fits = (i64::from(rescale.min())..=i64::from(rescale.max())).contains(&other);
            if !fits {
                return;
            }
            if skip > 0 {
                skip -= 1;
                return;
            }
            said[2] += (said[0] - other) << rescale.shift();
            said[0] = other;
            told = true;
        });
        told.then(|| forge(case, run, vec![]))
    })
}

/// The outputs of up and gate of a channel change places.
fn exchanged() -> Attack {
    Box::new(|case: &Arc<Case>, seed| -> Option<Forge> {
        let (_, decoder) = case.expect_decoder();
        let channels = decoder.shape().mlp();
        let channel = Rng(seed ^ 0x6578_6368).below(channels);
        let kind = What::Given(MatrixKind::UpGate(0));
        let mut honest = HashMap::new();
        run(case, seed, &mut |site, said| {
            if site.what == kind {
                honest.insert((site.index, site.step), said[0]);
            }
        });
        let run = run(case, seed, &mut |site: Site, said| {
            if site.what != kind || site.index % channels != channel {
                return;
            }
            let other = (site.index + channels) % (2 * channels);
            said[0] = honest[&(other, site.step)];
        });
        Some(forge(case, run, vec![]))
    })
}

/// A channel of the stream takes what is added to it as all there is.
fn forgetting() -> Attack {
    Box::new(|case: &Arc<Case>, seed| -> Option<Forge> {
        let (part, decoder) = case.expect_decoder();
        let channel = Rng(seed ^ 0x666f_7267).below(decoder.shape().hidden());
        let mut added = HashMap::new();
        let run = run(case, seed, &mut |site, said| match site.what {
            What::Given(MatrixKind::Output(0)) => {
                added.insert((site.index, site.step), said[0]);
            }
            What::Rescaled(Value::Stream) if site.layer == 1 && site.index == channel => {
                let rescale = Value::Stream.rescale(part, site.layer, site.index);
                let all = rescaled_stream(rescale, added[&(site.index, site.step)]);
                said.copy_from_slice(&all);
            }
            _ => {}
        });
        Some(forge(case, run, vec![]))
    })
}

/// How the stream in a port is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherStream {
    OneChannel,
    OneStep,
    ChannelsExchanged,
    StepsExchanged,
    /// Each value stands in the row of the step behind its own.
    Shifted,
    /// One value is less by a half: no integer.
    Half,
}

impl OtherStream {
    pub const ALL: [Self; 6] = [
        Self::OneChannel,
        Self::OneStep,
        Self::ChannelsExchanged,
        Self::StepsExchanged,
        Self::Shifted,
        Self::Half,
    ];
}

/// A port that holds another stream than the layers begin with, or end with; all else is honest.
pub fn other_stream(tree: Tree, how: OtherStream) -> Attack {
    Box::new(move |case, seed| {
        let (_, decoder) = case.expect_decoder();
        let mut rng = Rng(seed ^ 0x7374_7265);
        let mut forge = Forge::honest(case, seed);
        let mut columns = tree_of(&forge.witness.main, tree);
        let column = columns.first_mut()?;
        let (channels, steps) = (decoder.shape().hidden(), decoder.steps());
        let (channel, other) = (rng.below(channels), rng.below(channels));
        let (step, behind) = (rng.below(steps), rng.below(steps));
        let row = |channel: usize, step: usize| channel * steps + step;
        let used = channels * steps;
        match how {
            OtherStream::OneChannel => column[row(channel, step)] += M31::one(),
            OtherStream::OneStep => {
                for channel in 0..channels {
                    column[row(channel, step)] += M31::from(1 + channel as u32);
                }
            }
            OtherStream::ChannelsExchanged => {
                for step in 0..steps {
                    let kept = column[row(channel, step)];
                    column[row(channel, step)] = column[row(other, step)];
                    column[row(other, step)] = kept;
                }
            }
            OtherStream::StepsExchanged => {
                for channel in 0..channels {
                    let kept = column[row(channel, step)];
                    column[row(channel, step)] = column[row(channel, behind)];
                    column[row(channel, behind)] = kept;
                }
            }
            OtherStream::Shifted => {
                let honest = column.clone();
                for row in 0..used {
                    column[(row + 1) % used] = honest[row];
                }
            }
            OtherStream::Half => column[row(channel, step)] -= M31::from(2).inverse(),
        }
        forge.witness.main.set_tree(tree, &columns);
        Some(forge)
    })
}

/// The first stage begins one off the port's stream, with the remainder that makes up for it.
fn first_stage_off() -> Attack {
    Box::new(|case, seed| {
        let (part, decoder) = case.expect_decoder();
        let channel = Rng(seed ^ 0x6669_7273).below(decoder.shape().hidden());
        let shift = stage_of(part, 0).shift;
        let run = run(case, seed, &mut |site, said| {
            let is_first = site.what == What::Rescaled(Value::Stream) && site.layer == 0;
            if is_first && site.index == channel {
                said[0] += 1;
                said[2] -= 1 << shift;
            }
        });
        Some(forge(case, run, vec![]))
    })
}

/// A port of halves: one value of the stream in is less by a half, and the first stage begins with the integer
/// above it, whose remainder says so. The part holds: what goes in is held to be an integer of 16 bits by the part
/// that gives it out, and by nothing else.
pub fn half_goes_in(case: &Arc<Case>, seed: u64) -> Forge {
    let (_, decoder) = case.expect_decoder();
    let (channels, steps) = (decoder.shape().hidden(), decoder.steps());
    let mut rng = Rng(seed ^ 0x6861_6c66);
    let (channel, step) = (rng.below(channels), rng.below(steps));
    let mut run = run(case, seed, &mut |site, said| {
        let is_first = site.what == What::Rescaled(Value::Stream) && site.layer == 0;
        if is_first && (site.index, site.step) == (channel, step) {
            said[2] = 0;
        }
    });
    let mut columns = tree_of(&run.witness.main, Tree::StreamIn);
    let stream = columns.first_mut().unwrap();
    stream[channel * steps + step] -= M31::from(2).inverse();
    run.witness.main.set_tree(Tree::StreamIn, &columns);
    forge(case, run, vec![])
}
