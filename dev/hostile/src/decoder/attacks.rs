//! The attack on each constraint, relation and lookup of a decoder.
use crate::cases::vector_row;
use std::sync::Arc;

use matchmark_air::column::field;
use matchmark_air::layout::decoder::{DecoderLayout, NORM_LOW_BITS};
use matchmark_air::ops::attention::cache::columns::LaneEntries;
use matchmark_air::ops::norms::columns::{Witness, COLUMNS};
use matchmark_air::relation::RelationTag;
use matchmark_air::trees::Tree;
use matchmark_graph::Kind;
use matchmark_quant::{centered, EXCESS_BITS, MODULUS};

use super::choices::{choice, Choosing, NOWHERE};
use super::execution::{run, run_behind, stage_of, take_decoder, Entry, Run, Site, Value, What};
use super::forge::{forge, Patch};
use super::norms;
use super::places::{InputSpace, MatrixKind};
use super::rescalings::{is, lie, lie_normalized, normalized_before_clamping, Break};
use crate::attacks::{claim_state, weight_not_in_table, Attack};
use crate::cases::Case;
use crate::claim::entries;
use crate::forge::Forge;
use crate::gadgets;
use crate::world::{output_remainder, tree_of, World};
use crate::Rng;

/// Runs with lies at some of the places where `tell` can tell one: those that `choose` takes. The
/// places where it was told come with the run.
pub(super) fn lying(
    case: &Arc<Case>,
    seed: u64,
    choose: impl Fn(&[Site], &mut Rng) -> Vec<Site>,
    tell: impl Fn(Site, &mut [i64], &mut Rng) -> bool,
) -> Option<(Run, Vec<Site>)> {
    let rng = |site: &Site| Rng(seed ^ ((site.index as u64) << 20) ^ ((site.layer as u64) << 40));
    let mut suitable = vec![];
    run(case, seed, &mut |site, said| {
        if tell(site, &mut said.to_vec(), &mut rng(&site)) {
            suitable.push(site);
        }
    });
    let chosen = choose(&suitable, &mut Rng(seed ^ 0x6c69_6573));
    let mut told = vec![];
    let run = run(case, seed, &mut |site, said| {
        if chosen.contains(&site) && tell(site, said, &mut rng(&site)) {
            told.push(site);
        }
    });
    (!told.is_empty() && told.len() == chosen.len()).then_some((run, told))
}

/// One of the places.
pub(super) fn any(sites: &[Site], rng: &mut Rng) -> Vec<Site> {
    match sites.len() {
        0 => vec![],
        count => vec![sites[rng.below(count)]],
    }
}

/// A single lie.
fn once(
    case: &Arc<Case>,
    seed: u64,
    tell: impl Fn(Site, &mut [i64], &mut Rng) -> bool,
) -> Option<(Run, Site)> {
    let (run, told) = lying(case, seed, any, tell)?;
    Some((run, told[0]))
}

fn attack(attack: impl Fn(&Arc<Case>, u64) -> Option<Forge> + Send + Sync + 'static) -> Attack {
    Box::new(attack)
}

/// A rescaled value that is another one.
pub fn rescaled(value: Value, how: Break) -> Attack {
    attack(move |case, seed| {
        let (part, _) = case.expect_decoder();
        let (run, _) = once(case, seed, |site, said, rng| {
            is(site, value) && lie(part, site, said, how, rng)
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// A rescaled value that is any other one within its range: the product before it is not its own.
pub fn any_value(value: Value) -> Attack {
    attack(move |case, seed| {
        let (part, _) = case.expect_decoder();
        let (run, _) = once(case, seed, |site, said, rng| {
            if !is(site, value) {
                return false;
            }
            let rescale = value.rescale(part, site.layer, site.index);
            let (min, max) = (i64::from(rescale.min()), i64::from(rescale.max()));
            let out = min + rng.below((max - min) as usize) as i64;
            let is_other = said[0] != out;
            if is_other {
                said[0] = out;
                said[1] = 0;
            }
            is_other
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// A normalized value that is another one; without `how` it has nothing to do with the stream.
pub fn normalized(how: Option<Break>) -> Attack {
    attack(move |case, seed| {
        let (part, decoder) = case.expect_decoder();
        let honest = part.run(case, seed).execution.norms;
        let (run, _) = once(case, seed, |site, said, rng| {
            if site.what != What::Normalized {
                return false;
            }
            let exponent = honest[decoder.norm_row(site.layer, site.step)].exponent;
            let node = stage_of(part, site.layer).norm;
            let bits = u32::from(node.shift + exponent);
            // Any shift: the range is that of the values.
            let range = decoder.arithmetic().value(1);
            match how {
                Some(how) => lie_normalized(range, said, how, bits, rng),
                None => {
                    let limit = i64::from(range.max());
                    let out = rng.symmetric(limit);
                    let is_other = said[0] != out;
                    said[0] = out;
                    said[1] = 0;
                    is_other
                }
            }
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// A norm that is not that of the stream.
pub fn norm(how: norms::Break) -> Attack {
    attack(move |case, seed| {
        let (part, decoder) = case.expect_decoder();
        let last = decoder.shape().hidden() - 1;
        let execution = part.run(case, seed).execution;
        let honest = norms::Honest {
            part,
            execution: &execution,
        };
        let (run, _) = once(case, seed, |site, said, rng| {
            let amount = 1 + rng.below(1 << 13) as i64;
            let of_last = !how.is_of_last_channel() || site.index == last;
            site.what == how.site() && of_last && norms::lie(honest, site, said, how, amount)
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// A normalized value whose quotient has wrapped: with so wide a limit of its excess, quotient times divisor
/// reaches the modulus.
pub fn wide_excess() -> Attack {
    attack(|case, seed| {
        let (part, decoder) = case.expect_decoder();
        let mut rng = Rng(seed ^ 0x7769_6465);
        let (stage, step) = (rng.below(decoder.stages()), rng.below(decoder.steps()));
        let (channel, is_up) = (rng.below(decoder.shape().hidden()), rng.below(2) == 0);
        let execution = part.run(case, seed).execution;
        let exponent = execution.norms[decoder.norm_row(stage, step)].exponent;
        let node = stage_of(part, stage).norm;
        let divisor = 1_i64 << (node.shift + exponent);
        let range = decoder.arithmetic().value(1);
        let mut is_told = false;
        let run = run(case, seed, &mut |site, said| {
            if (site.layer, site.step) != (stage, step) {
                return;
            }
            match site.what {
                What::Norm => {
                    let row: [i64; COLUMNS] = (&*said).try_into().unwrap();
                    let row = Witness {
                        excess_limit: 1 << EXCESS_BITS,
                        ..Witness::from(row)
                    };
                    said.copy_from_slice(&row.into_columns());
                }
                What::Normalized if site.index == channel => {
                    let quotient = normalized_before_clamping(range, said);
                    let remainder = said[2] + (said[3] << NORM_LOW_BITS);
                    let modulus = i64::from(MODULUS) * if is_up { 1 } else { -1 };
                    let product = quotient * divisor + remainder + modulus;
                    let (other, remainder) =
                        (product.div_euclid(divisor), product.rem_euclid(divisor));
                    let end = i64::from(if is_up { range.max() } else { range.min() });
                    let excess = (other - end).abs();
                    is_told = excess < 1 << EXCESS_BITS && said[0] != end;
                    said.copy_from_slice(&[
                        end,
                        excess,
                        remainder & ((1 << NORM_LOW_BITS) - 1),
                        remainder >> NORM_LOW_BITS,
                    ]);
                }
                _ => {}
            }
        });
        is_told.then(|| forge(case, run, vec![]))
    })
}

/// Outputs of a matrix that are not its own; a patch says where the lie is.
pub fn given(kind: MatrixKind, patch: Option<fn(MatrixKind) -> Patch>) -> Attack {
    attack(move |case, seed| {
        let (run, _) = once(case, seed, |site, said, rng| {
            let is_here = site.what == What::Given(kind);
            if is_here {
                said[0] += [1, -1][rng.below(2)] * (1 + rng.below(1 << 18) as i64);
            }
            is_here
        })?;
        let patches = patch.map(|patch| patch(kind));
        Some(forge(case, run, patches.into_iter().collect()))
    })
}

/// So many values of the stream that goes out are not those that the last stage ends with.
pub fn goes_out(values: usize) -> Attack {
    attack(move |case, seed| {
        let choose = |sites: &[Site], rng: &mut Rng| match sites.len() {
            0 => vec![],
            count => (0..values).map(|_| sites[rng.below(count)]).collect(),
        };
        let (run, _) = lying(case, seed, choose, |site, said, rng| {
            let is_here = site.what == What::GoesOut;
            if is_here {
                said[0] += [1, -1][rng.below(2)] * (1 + rng.below(1 << 12) as i64);
            }
            is_here
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// An input of a matrix that is not what its component has; `provided` if the component says that it
/// is.
pub fn taken(space: InputSpace, provided: bool) -> Attack {
    attack(move |case, seed| {
        let (_, decoder) = case.expect_decoder();
        let limit = i64::from(decoder.arithmetic().value(1).max());
        let (run, site) = once(case, seed, |site, said, rng| {
            let other = rng.symmetric(limit);
            let is_other = site.what == What::Taken(space) && said[0] != other;
            if is_other {
                said[0] = other;
            }
            is_other
        })?;
        let patch = provided.then_some(Patch::Provided(space, site.index));
        Some(forge(case, run, patch.into_iter().collect()))
    })
}

/// The embedding of another token than the public one.
pub fn other_token() -> Attack {
    attack(|case, seed| {
        let (_, decoder) = case.expect_decoder();
        let tokens = decoder.shape().vocabulary();
        let (run, _) = once(case, seed, |site, said, rng| {
            let other = rng.below(tokens) as i64;
            let is_other = site.what == What::Token && said[0] != other;
            if is_other {
                said[0] = other;
            }
            is_other
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// Biases that count twice in a step: the matrices take in another number than one.
pub fn another_one() -> Attack {
    attack(|case, seed| {
        let (part, decoder) = case.expect_decoder();
        let step = Rng(seed ^ 0x6f6e_6573).below(decoder.steps());
        let kind = MatrixKind::Values(0);
        let node = kind.node(decoder.graph());
        let layout = decoder.matrices().iter().find(|it| it.node == node)?;
        let name = decoder.graph().names_of(node).next()?;
        let biases = part.model.matrix(name).biases();
        if layout.blocks != 1 || biases.iter().all(|bias| *bias == 0) {
            return None;
        }
        let run = run(case, seed, &mut |site, said| {
            if site.what == What::Given(kind) && site.step == step {
                said[0] += i64::from(biases[site.index]);
            }
        });
        let patches = vec![Patch::One(kind, step), Patch::ToLinear(kind)];
        Some(forge(case, run, patches))
    })
}

/// A query, key or value of the attention that is not what was computed.
pub fn entry(which: Entry) -> Attack {
    attack(move |case, seed| {
        let (_, decoder) = case.expect_decoder();
        let limit = i64::from(decoder.arithmetic().value(1).max());
        let (run, _) = once(case, seed, |site, said, rng| {
            let other = rng.symmetric(limit);
            let is_other = site.what == What::Entry(which) && said[0] != other;
            if is_other {
                said[0] = other;
            }
            is_other
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// Which angle a value is rotated by instead of its own.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    OtherPosition,
    OtherPair,
    Any,
}

/// A rotation by another angle.
pub fn rotation(turn: Turn) -> Attack {
    attack(move |case, seed| {
        let (part, decoder) = case.expect_decoder();
        let half = decoder.shape().attention().head_dim() / 2;
        let (run, _) = once(case, seed, |site, said, rng| {
            if site.what != What::Angle {
                return false;
            }
            let (position, pair) = (case.steps.entries_before() + site.step, site.index % half);
            let table = &part.model.tables().rotary;
            let other = match turn {
                Turn::OtherPosition => {
                    let positions = decoder.shape().positions();
                    table.get(rng.below(positions), pair)
                }
                Turn::OtherPair => table.get(position, rng.below(half)),
                Turn::Any => Some((rng.symmetric(4096) as i32, rng.symmetric(4096) as i32)),
            };
            let Some((cos, sin)) = other else {
                return false;
            };
            let other = [i64::from(cos), i64::from(sin)];
            let is_other = said != other;
            said.copy_from_slice(&other);
            is_other
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// An activation that is not in the table.
pub fn activation() -> Attack {
    attack(|case, seed| {
        let (run, _) = once(case, seed, |site, said, rng| {
            let is_here = site.what == What::Activation;
            if is_here {
                said[0] += [1, -1][rng.below(2)] * (1 + rng.below(200) as i64);
            }
            is_here
        })?;
        Some(forge(case, run, vec![]))
    })
}

/// An entry of the cache after the segment that is not the one computed; the attention goes on with
/// the one computed.
pub fn other_new_key(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6e65_776b);
    let mut run = run(case, seed, &mut |_, _| {});
    let honest = run.witness.clone();
    let shape = case.layout.shape().attention();
    let position = case.steps.entries_before() + rng.below(case.steps.steps());
    let (head, c) = (rng.below(shape.kv_heads()), rng.below(shape.head_dim()));
    let (lane, row) = case.layout.lane_row(head, position, c);
    let mut after = tree_of(&run.witness.main, Tree::StateAfter);
    let cell = &mut after[LaneEntries::of_lane(lane).key][row];
    let other = rng.symmetric(i64::from(case.layout.value_bits().max_value()));
    if centered(cell.0) == other {
        return None;
    }
    *cell = field(other);
    run.witness.main.set_tree(Tree::StateAfter, &after);
    run.shadow = Some(honest);
    Some(forge(case, run, vec![Patch::Keys]))
}

/// An output of the attention that is any number, with a remainder out of its range.
fn output_off(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6f66_6675);
    let mut forge = Forge::honest(case, seed);
    let (head, step, c) = gadgets::entry(case, &mut rng);
    let (denominator, numerators) = forge.sums(forge.run(head, step));
    let out = rng.symmetric(forge.limit());
    if out == forge.output(head, step, c) {
        return None;
    }
    let remainder = output_remainder(case.terms.rounding, numerators[c], denominator, out);
    forge.set_output((head, step, c), denominator, out, remainder);
    Some(forge)
}

/// The keys (or values) of a lane are combined as if an old entry were another one.
pub fn other_old_entry(lane: usize, value: bool) -> Attack {
    attack(move |case, seed| {
        let mut rng = Rng(seed ^ 0x6f6c_6465);
        let shape = case.layout.shape().attention();
        let (before, dim) = (case.steps.entries_before(), shape.head_dim());
        let heads =
            (0..shape.kv_heads()).filter(|head| case.layout.lane_row(*head, 0, 0).0 == lane);
        let heads: Vec<_> = heads.collect();
        let (head, position, c) = (
            heads[rng.below(heads.len())],
            rng.below(before),
            rng.below(dim),
        );
        let other = rng.symmetric(i64::from(case.layout.value_bits().max_value()));
        let alter = |world: &mut World| {
            let prefix = if value {
                &mut world.prefix_v
            } else {
                &mut world.prefix_k
            };
            prefix[(head * before + position) * dim + c] = other as i16;
        };
        let run = run_behind(case, seed, alter, &mut |_, _| {});
        let mut forge = forge(case, run, vec![]);
        forge.rlcs = Some(forge.combiner());
        let honest = World::random(case, seed).witness(case);
        claim_state(&mut forge, &honest, Tree::StateBefore);
        let row = case.layout.lane_row(head, position, c).1;
        let column = 2 * lane + usize::from(value);
        let trees = [Tree::StateBefore, Tree::StateAfter];
        let [before, mut after] = trees.map(|tree| tree_of(&forge.witness.main, tree));
        after[column][row] = before[column][row];
        forge.witness.main.set_tree(Tree::StateAfter, &after);
        if let Some(digits) = case.layout.digits().filter(|_| value) {
            let high = digits.high(centered(before[column][row].0));
            let cache = forge.witness.main.component_mut("cache");
            cache.named_mut("value high").nth(lane)?[row] = field(high);
        }
        Some(forge)
    })
}

/// The attention's own random linear combinations.
const RLCS_OF_ATTENTION: &[(&str, &[&str])] = &[
    ("vectors", &["keys", "score", "numerator"]),
    ("scores", &["value", "score", "numerator"]),
    ("cache", &["combined keys", "combined values"]),
];

/// An attack on the attention of the last layer, with a decoder that goes on with its outputs.
pub fn on_attention(attack: Attack) -> Attack {
    self::attack(move |case, seed| {
        let mut forge = attack(case, seed)?;
        let honest = World::random(case, seed).witness(case);
        let (part, decoder) = case.expect_decoder();
        let attention = part.model.shape().attention();
        let first = (decoder.layers().count() - 1) * attention.query_heads();
        let first = vector_row(&case.layout, first, 0, 0);
        let (own, honest) = (entries(&forge.witness), entries(&honest));
        let outputs = own[3][0].clone();
        let before = outputs[..first] == honest[3][0][..first];
        if own[..3] != honest[..3] || !before {
            return None;
        }
        let dim = attention.head_dim();
        let run = run(case, seed, &mut |site, said| {
            if site.what == What::Attended {
                let (head, c) = (site.index / dim, site.index % dim);
                said[0] = centered(outputs[vector_row(&case.layout, head, site.step, c)].0);
            }
        });
        take_decoder(&mut forge.witness.main, &run.witness.main);
        forge.witness.tokens = run.witness.tokens;
        if let Some(of_attention) = forge.rlcs.take() {
            let (case, witness) = (case.clone(), forge.witness.clone());
            forge.rlcs = Some(Arc::new(move |points| {
                let mut rlcs = witness.combine(&case.layout, points);
                let of_attention = of_attention(points);
                for (name, columns) in RLCS_OF_ATTENTION {
                    let component = rlcs.component_mut(name);
                    for column in *columns {
                        component.take(column, of_attention.component(name));
                    }
                }
                rlcs
            }));
        }
        Some(forge)
    })
}

/// Where the constraints and tuples of a component are: its name.
pub fn on_constraint(component: &str, name: &str, ordinal: usize) -> Option<Attack> {
    let interior = |value| rescaled(value, Break::Interior);
    let to_component = |kind| given(kind, Some(Patch::ToComponent));
    Some(match (component, name, ordinal) {
        ("vectors", "combined outputs accumulate", _) => taken(InputSpace::Attention(0), true),
        ("stream in", "combined stream accumulates", _) => {
            given(MatrixKind::StreamIn, Some(Patch::ToLinear))
        }
        ("linear", "combined outputs accumulate W * X", _) => {
            given(MatrixKind::Output(0), Some(Patch::ToLinear))
        }
        ("stream", "combined additions accumulate", _) => to_component(MatrixKind::Down(0)),
        ("stream", "only an end clamps", 0) => interior(Value::Stream),
        ("stream", "squares of high limbs accumulate", _) => norm(norms::Break::HighSum),
        ("stream", "products of limbs accumulate", _) => norm(norms::Break::CrossSum),
        ("stream", "squares of low limbs accumulate", _) => norm(norms::Break::LowSum),
        ("stream", "normalized value is h * R over the divisor", _) => normalized(None),
        ("stream", "only an end clamps", 1) => normalized(Some(Break::Interior)),
        ("stream", "combined normalized values accumulate", _) => {
            taken(InputSpace::Normalized(1), true)
        }
        ("norms", "mantissa and remainder make up the norm", _) => norm(norms::Break::Mantissa),
        ("norms", "the divisor is that of stage and exponent", _) => norm(norms::Break::Divisor),
        ("norms", "the excess is limited by the divisor", _) => wide_excess(),
        ("rotary", "combined query and key accumulators accumulate", _) => {
            to_component(MatrixKind::Rotary(0))
        }
        ("rotary", "only an end clamps", which @ 0..=1) => interior(Value::Rotary(which)),
        ("rotary", "first value is rotated", _) => any_value(Value::Rotated(0)),
        ("rotary", "second value is rotated", _) => any_value(Value::Rotated(1)),
        ("rotary", "only an end clamps", which @ 2..=3) => interior(Value::Rotated(which - 2)),
        ("values", "combined value accumulators accumulate", _) => {
            to_component(MatrixKind::Values(0))
        }
        ("values", "only an end clamps", _) => interior(Value::Value),
        ("gated", "combined up and gate accumulators accumulate", _) => {
            to_component(MatrixKind::UpGate(0))
        }
        ("gated", "only an end clamps", 0) => interior(Value::Gate),
        ("gated", "only an end clamps", 1) => interior(Value::Up),
        ("gated", "gated value is activation * up, rescaled", _) => any_value(Value::Gated),
        ("gated", "only an end clamps", 2) => interior(Value::Gated),
        ("gated", "combined gated values accumulate", _) => taken(InputSpace::Gated(0), true),
        ("argmax", "the maximum is the same for all tokens", _) => {
            choice(Choosing::OwnMaximum, false)
        }
        ("argmax", "combined logits accumulate", _) => to_component(MatrixKind::Head),
        ("argmax", "below falls where a token is chosen", _) => choice(Choosing::AnyBelow, false),
        ("argmax", NOWHERE, _) => choice(Choosing::Nowhere, false),
        ("argmax", "the chosen token attains the maximum", _) => {
            choice(Choosing::Unattained, false)
        }
        ("cache", "combined keys accumulate", lane) => other_old_entry(lane, false),
        ("cache", "combined values accumulate", lane) => other_old_entry(lane, true),
        ("vectors" | "scores" | "cache", name, lane) => {
            on_attention(crate::attacks::on_constraint(name, lane)?)
        }
        _ => return None,
    })
}

/// The attacks on a whole relation, one for each place that it joins.
pub fn on_relation(decoder: &DecoderLayout, tag: RelationTag) -> Vec<(String, Attack)> {
    let one = |attack: Attack| vec![(String::new(), attack)];
    match tag {
        RelationTag::Range => one(rescaled(Value::Stream, Break::Remainder)),
        RelationTag::Activation => one(activation()),
        RelationTag::Rotation => one(rotation(Turn::Any)),
        RelationTag::ReciprocalRoot => one(norm(norms::Break::Factor)),
        RelationTag::Exponent => one(norm(norms::Break::Scale)),
        RelationTag::SquareSums => one(norm(norms::Break::Sums)),
        RelationTag::NormFactor => one(norm(norms::Break::OwnFactor)),
        RelationTag::AttentionEntry => [Entry::Query, Entry::Key, Entry::Value]
            .into_iter()
            .map(|which| (format!(" of a {which:?}"), entry(which)))
            .collect(),
        RelationTag::LinearInput => {
            let graph = decoder.graph();
            let mut spaces: Vec<_> = decoder
                .matrices()
                .iter()
                .flat_map(|matrix| graph.node(matrix.node).inputs())
                .map(|edge| InputSpace::of(graph, *edge))
                .collect();
            spaces.sort();
            spaces.dedup();
            let of_space = |space| match space {
                InputSpace::Tokens => (format!(" of {space:?}"), other_token()),
                InputSpace::One => (format!(" of {space:?}"), another_one()),
                InputSpace::Normalized(_) | InputSpace::Attention(_) | InputSpace::Gated(_) => {
                    (format!(" of {space:?}"), taken(space, false))
                }
            };
            spaces.into_iter().map(of_space).collect()
        }
        RelationTag::LinearOutput => {
            let of_matrix = |kind| (format!(" of {kind:?}"), given(kind, None));
            let matrices = decoder.matrices().iter();
            let matrices = matrices.map(|matrix| MatrixKind::of(decoder.graph(), matrix.node));
            let stream_in = decoder.has(Kind::StreamIn).then_some(MatrixKind::StreamIn);
            matrices.chain(stream_in).map(of_matrix).collect()
        }
        RelationTag::Value => one(rescaled(Value::Up, Break::Unclipped)),
        RelationTag::KeyRlc => one(Box::new(other_new_key)),
        RelationTag::Limb => one(on_attention(Box::new(output_off))),
        RelationTag::StreamValue => one(goes_out(1)),
        RelationTag::Weight
        | RelationTag::ValueRlc
        | RelationTag::StepTotals
        | RelationTag::ValueDigits => crate::attacks::on_relation(tag)
            .map(|attack| (String::new(), on_attention(attack)))
            .into_iter()
            .collect(),
    }
}

/// The attack on a lookup of a component: the `ordinal`-th of a relation.
pub fn on_tuple(component: &str, tag: RelationTag, ordinal: usize) -> Option<Attack> {
    use RelationTag as Tag;
    let excess = |value| rescaled(value, Break::Excess);
    let remainder = |value| rescaled(value, Break::Remainder);
    let unclipped = |value| rescaled(value, Break::Unclipped);
    Some(match (component, tag, ordinal) {
        ("stream", Tag::Range, 0) => unclipped(Value::Stream),
        ("stream", Tag::Range, 1) => norm(norms::Break::LimbLow),
        ("stream", Tag::Range, 2) => excess(Value::Stream),
        ("stream", Tag::Range, 3) => rescaled(Value::Stream, Break::HighExcess),
        ("stream", Tag::Range, 4) => remainder(Value::Stream),
        ("stream", Tag::Range, 5) => normalized(Some(Break::Excess)),
        ("stream", Tag::Range, 6) => normalized(Some(Break::Remainder)),
        ("stream", Tag::Range, 7) => normalized(Some(Break::HighRemainder)),
        ("stream", Tag::Value, 0) => normalized(Some(Break::Unclipped)),
        ("norms", Tag::Range, 0) => norm(norms::Break::CrossLow),
        ("norms", Tag::Range, 1) => norm(norms::Break::CrossQuotientLow),
        ("norms", Tag::Range, 2) => norm(norms::Break::CrossQuotientHigh),
        ("norms", Tag::Range, 3) => norm(norms::Break::Low),
        ("norms", Tag::Range, 4) => norm(norms::Break::Carry),
        ("norms", Tag::Range, 5) => norm(norms::Break::Smallest),
        ("norms", Tag::Range, 6) => norm(norms::Break::Remainder),
        ("norms", Tag::Exponent, 0) => norm(norms::Break::Scale),
        ("norms", Tag::ReciprocalRoot, 0) => norm(norms::Break::Factor),
        ("rotary", Tag::Range, 0 | 3) => excess(Value::Rotary(ordinal / 3)),
        ("rotary", Tag::Range, 1 | 4) => remainder(Value::Rotary(ordinal / 3)),
        ("rotary", Tag::Range, 2 | 5) => unclipped(Value::Rotary(ordinal / 3)),
        ("rotary", Tag::Range, 6 | 8) => excess(Value::Rotated((ordinal - 6) / 2)),
        ("rotary", Tag::Range, 7 | 9) => remainder(Value::Rotated((ordinal - 6) / 2)),
        ("rotary", Tag::Rotation, 0) => rotation(Turn::Any),
        ("values", Tag::Range, 0) => excess(Value::Value),
        ("values", Tag::Range, 1) => remainder(Value::Value),
        ("gated", Tag::Range, 0) => excess(Value::Gate),
        ("gated", Tag::Range, 1) => remainder(Value::Gate),
        ("gated", Tag::Range, 2) => excess(Value::Up),
        ("gated", Tag::Range, 3) => remainder(Value::Up),
        ("gated", Tag::Value, 0) => unclipped(Value::Up),
        ("gated", Tag::Activation, 0) => activation(),
        ("gated", Tag::Range, 4) => excess(Value::Gated),
        ("gated", Tag::Range, 5) => remainder(Value::Gated),
        ("gated", Tag::Range, 6) => unclipped(Value::Gated),
        ("argmax", Tag::Range, 0) => choice(Choosing::LowGap, false),
        ("argmax", Tag::Range, 1) => choice(Choosing::HighGap, false),
        ("membership", Tag::Weight, 0) => on_attention(Box::new(weight_not_in_table)),
        _ => return None,
    })
}

/// Whether both sides of a relation have fixed numbers at this use: without it nothing balances, not
/// even what is true.
pub fn is_fixed(component: &str, tag: RelationTag) -> bool {
    use RelationTag as Tag;
    matches!(
        (component, tag),
        ("vectors", Tag::AttentionEntry | Tag::LinearInput)
            | ("linear", Tag::LinearInput | Tag::LinearOutput)
            | ("stream in", Tag::LinearOutput)
            | ("stream" | "stream out", Tag::StreamValue)
            | (
                "stream",
                Tag::SquareSums | Tag::NormFactor | Tag::LinearInput | Tag::LinearOutput
            )
            | ("norms", Tag::SquareSums | Tag::NormFactor)
            | ("rotary" | "values", Tag::AttentionEntry | Tag::LinearOutput)
            | ("gated", Tag::LinearInput | Tag::LinearOutput)
            | ("argmax", Tag::LinearOutput)
            | ("tables" | "weight table", _)
    )
}
