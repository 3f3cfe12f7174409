//! The known forgeries of a decoder, each a run of the model with one lie.
use std::collections::HashMap;
use std::sync::Arc;

use matchmark_air::relation::RelationTag;

use super::attacks::{
    activation, any_value, choice, entry, given, norm, normalized, other_new_key, other_token,
    rescaled, rotation, taken, wide_excess, Choosing, Turn,
};
use super::execution::{rescaled_stream, run, Entry, Site, Value, What};
use super::forge::forge;
use super::norms;
use super::places::{InputSpace, MatrixKind};
use super::rescalings::Break;
use super::within;
use crate::attacks::{Alone, Attack};
use crate::cases::Case;
use crate::forge::Forge;
use crate::Rng;

/// A forgery: its name, how it is made, and what names it.
pub struct Forgery {
    pub name: String,
    pub attack: Attack,
    pub reason: &'static str,
}

/// All of them.
pub fn forgeries(case: &Arc<Case>) -> Vec<Forgery> {
    let last = case.expect_decoder().1.shape().layers() - 1;
    let (range, output, input) = (
        RelationTag::Range.name(),
        RelationTag::LinearOutput.name(),
        RelationTag::LinearInput.name(),
    );
    let entries = RelationTag::AttentionEntry.name();
    let mut list = List::default();
    list.add(
        "chosen token is not the maximum",
        choice(Choosing::LowGap, false),
        range,
    );
    list.add(
        "maximum is exceeded",
        choice(Choosing::HighGap, false),
        range,
    );
    let unattained = "the chosen token attains the maximum";
    list.add(
        "maximum is attained by none",
        choice(Choosing::Unattained, false),
        unattained,
    );
    list.add(
        "tie resolved to the higher index",
        choice(Choosing::LowGap, true),
        range,
    );
    list.add(
        "tie, attained by none",
        choice(Choosing::Unattained, true),
        unattained,
    );
    let falls = "a token is chosen where below falls";
    list.add(
        "tie, below is any number",
        choice(Choosing::AnyBelow, true),
        falls,
    );
    let maximum = "the maximum is the same for all tokens";
    list.add(
        "a maximum for each token",
        choice(Choosing::OwnMaximum, false),
        maximum,
    );
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
        let is_seen = last > 0 || !matches!(value, Value::Gate | Value::Up | Value::Gated);
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
    for space in [
        InputSpace::Normalized(0),
        InputSpace::Attention(0),
        InputSpace::Gated(0),
        InputSpace::Normalized(2 * last + 2),
    ] {
        list.add(
            format!("input of a matrix: {space:?}"),
            taken(space, false),
            input,
        );
    }
    for kind in [
        MatrixKind::Embedding,
        MatrixKind::Rotary(last),
        MatrixKind::Values(last),
        MatrixKind::Output(last),
        MatrixKind::UpGate(last),
        MatrixKind::Down(last),
        MatrixKind::Head,
    ] {
        list.add(
            format!("outputs of a matrix: {kind:?}"),
            given(kind, None),
            output,
        );
    }
    list.add("up and gate exchanged", exchanged(), output);
    list.add("stream forgets the stage before", forgetting(), output);
    list.add("embedding of another token", other_token(), input);
    list.add("query of the attention", entry(Entry::Query), entries);
    list.add("key of the attention", entry(Entry::Key), entries);
    list.add("value of the attention", entry(Entry::Value), entries);
    let keys = RelationTag::KeyRlc.name();
    list.add("new key of the cache", Box::new(other_new_key), keys);
    let public = RelationTag::Argmax.name();
    list.add("public choice", choice(Choosing::Public, false), public);
    list.add(
        "public choice, tied",
        choice(Choosing::Public, true),
        public,
    );
    list.add(
        "a token that the vocabulary does not have",
        choice(Choosing::Padding, false),
        public,
    );
    list.within(within::alone(case));
    list.0
}

/// Those of them on values in two digits.
pub fn forgeries_of_digits(case: &Arc<Case>) -> Vec<Forgery> {
    let mut list = List::default();
    list.within(within::of_digits(case));
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
            let rescale = value.rescale(&part.model, site.layer, site.index);
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
                let rescale = Value::Stream.rescale(&part.model, site.layer, site.index);
                let all = rescaled_stream(rescale, added[&(site.index, site.step)]);
                said.copy_from_slice(&all);
            }
            _ => {}
        });
        Some(forge(case, run, vec![]))
    })
}
