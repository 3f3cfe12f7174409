//! Attacks on the range gadgets: one limb at a time is wrong, all others are in range.
//!
//! Every builder takes a seed and may find that its random place does not lend itself to the attack;
//! the caller then tries the next seed.
use crate::cases::vector_place;
use std::sync::Arc;

use matchmark_air::column::field;
use matchmark_quant::{centered, Rounding, MODULUS};
use stwo::core::fields::m31::M31;

use super::cases::Case;
use super::forge::{Forge, Limbs};
use super::world::{output_remainder as output_remainder_by, sizes, World};
use super::Rng;

/// Which lookup of a gadget is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Low,
    High,
    /// The complement, in one limb.
    Complement,
    ComplementLow,
    ComplementHigh,
    TopBound,
}

impl Part {
    /// From the last words of a tuple's label.
    pub fn of(label: &str) -> Option<Self> {
        let ends = [
            ("complement low", Self::ComplementLow),
            ("complement high", Self::ComplementHigh),
            ("complement", Self::Complement),
            ("top bound", Self::TopBound),
            ("low", Self::Low),
            ("high", Self::High),
        ];
        ends.into_iter()
            .find(|(end, _)| label.ends_with(end))
            .map(|(_, part)| part)
    }

    fn is_below(self) -> bool {
        matches!(self, Self::Low | Self::High)
    }
}

/// Limbs of a value outside `0..bound` of which exactly `part` is outside its range, if the value is
/// not too far away.
fn broken(forge: &Forge, wide: bool, part: Part, value: i64, bound: i64) -> Limbs {
    let mask = (1 << forge.limb_bits()) - 1;
    let mut limbs = forge.split(wide, value, bound);
    match part {
        Part::Low => (limbs.low, limbs.high) = (value, 0),
        Part::ComplementLow => limbs.complement_low = bound - 1 - value,
        Part::ComplementHigh => limbs.complement_low = (bound - 1 - value) & mask,
        Part::High | Part::Complement | Part::TopBound => {}
    }
    limbs
}

/// A random entry `(head, step, dimension)`.
pub fn entry(case: &Case, rng: &mut Rng) -> (usize, usize, usize) {
    let (heads, _, dim, _, steps) = sizes(case);
    (rng.below(heads), rng.below(steps), rng.below(dim))
}

/// A random row of a random run, with its head and step.
pub fn place(forge: &Forge, rng: &mut Rng) -> (usize, usize, usize) {
    let (head, step, _) = entry(&forge.case, rng);
    let run = forge.run(head, step);
    (head, step, run.start + rng.below(run.len()))
}

/// An output one too large or too small, its remainder moved by a whole denominator the other way.
pub fn output_remainder(case: &Arc<Case>, seed: u64, part: Part) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6f75_7470);
    let mut forge = Forge::honest(case, seed);
    let at = entry(case, &mut rng);
    let (denominator, numerators) = forge.sums(forge.run(at.0, at.1));
    let (out, rem) = case.terms.rounding.divide(numerators[at.2], denominator);
    let bound = forge.remainder_bound(denominator);
    let (out, rem) = if part.is_below() {
        (out + 1, rem - bound)
    } else {
        (out - 1, rem + bound)
    };
    if out.abs() > forge.limit() {
        return None;
    }
    forge.set_output(at, denominator, out, rem);
    let limbs = broken(&forge, case.forms.remainder, part, rem, bound);
    let place = vector_place(&case.layout, at.0, at.1, at.2);
    forge.set_remainder_limbs(place, limbs);
    Some(forge)
}

/// A table index one too large or too small, the gap remainder moved by the score step the other way.
pub fn gap_remainder(case: &Arc<Case>, seed: u64, part: Part) -> Option<Forge> {
    let wide = case.forms.gap_remainder?;
    let mut rng = Rng(seed ^ 0x6761_7072);
    let mut forge = Forge::honest(case, seed);
    let (head, step, row) = place(&forge, &mut rng);
    let (index, excess, rem) = (
        forge.scores[row].index,
        forge.excess(row),
        forge.gap_remainder(row),
    );
    let bound = forge.score_step();
    let (index, rem) = if part.is_below() {
        (index + 1, rem - bound)
    } else {
        (index - 1, rem + bound)
    };
    if excess != 0 || index < 0 || index > forge.last_index() {
        return None;
    }
    forge.set_gap(row, index, 0, rem);
    forge.scores[row].remainder = broken(&forge, wide, part, rem, bound);
    if forge.sums(forge.run(head, step)).0 == 0 {
        return None;
    }
    forge.follow_run(head, step);
    Some(forge)
}

/// Clips a gap that is inside the table: the excess is negative.
pub fn clip_without_cause(case: &Arc<Case>, seed: u64, part: Part) -> Option<Forge> {
    let wide = case.forms.excess?;
    let mut rng = Rng(seed ^ 0x636c_6970);
    let mut forge = Forge::honest(case, seed);
    let (head, step, row) = place(&forge, &mut rng);
    let (index, rem) = (forge.scores[row].index, forge.gap_remainder(row));
    let excess = index - forge.last_index();
    if excess >= 0 {
        return None;
    }
    forge.set_gap(row, forge.last_index(), 0, rem);
    forge.scores[row].excess = broken(&forge, wide, part, excess, forge.excess_bound());
    if forge.sums(forge.run(head, step)).0 == 0 {
        return None;
    }
    forge.follow_run(head, step);
    Some(forge)
}

/// A maximum that some scores exceed: their negative gaps, taken modulo `p`, are huge quotients, and
/// so the largest scores get the smallest weight.
pub fn gap_that_wraps(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    case.layout.excess()?;
    let mut rng = Rng(seed ^ 0x7772_6170);
    let mut forge = Forge::honest(case, seed);
    let (head, step, row) = place(&forge, &mut rng);
    let maximum = forge.score(row);
    if forge.gap(row) == 0 {
        return None;
    }
    let (last, score_step) = (forge.last_index(), forge.score_step());
    let mut attained = 0;
    for row in forge.run(head, step) {
        let gap = maximum - forge.score(row);
        if gap < 0 {
            let gap = gap + i64::from(MODULUS);
            forge.set_gap(row, last, gap / score_step - last, gap % score_step);
        } else {
            forge.set_true_gap(row, gap);
        }
        attained |= i64::from(gap == 0);
        forge.scores[row].attained = attained;
        forge.scores[row].maximum = maximum;
    }
    if forge.sums(forge.run(head, step)).0 == 0 {
        return None;
    }
    forge.follow_run(head, step);
    Some(forge)
}

/// [`gap_that_wraps`] against an excess that is held to its maximum by a complement: one limb of the
/// complement, which is negative, is wrong.
pub fn excess_above_its_maximum(case: &Arc<Case>, seed: u64, part: Part) -> Option<Forge> {
    let bound = case.forms.exact?;
    let mut forge = gap_that_wraps(case, seed)?;
    for row in 0..forge.scores.len() {
        let excess = forge.excess(row);
        if excess >= bound {
            forge.scores[row].excess = broken(&forge, true, part, excess, bound);
        }
    }
    Some(forge)
}

/// A query entry out of range, everything else following from it.
pub fn query_out_of_range(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut world = World::random(case, seed);
    let at = Rng(seed ^ 0x7175_6572).below(world.q.len());
    world.q[at] = -(case.layout.value_bits().max_value() as i16) - 1;
    Some(Forge::new(case, &world))
}

/// A key (or value) of the cache out of range in a head of this lane, everything else following.
pub fn entry_out_of_range(case: &Arc<Case>, seed: u64, lane: usize, value: bool) -> Option<Forge> {
    let mut world = World::random(case, seed);
    let (_, groups, dim, before, _) = sizes(case);
    if before == 0 {
        return None;
    }
    let mut rng = Rng(seed ^ 0x656e_7472);
    let (group, rest) = (rng.below(groups), rng.below(before * dim));
    if case.layout.lane_row(group, 0, 0).0 != lane {
        return None;
    }
    let tensor = if value {
        &mut world.prefix_v
    } else {
        &mut world.prefix_k
    };
    tensor[group * before * dim + rest] = -(case.layout.value_bits().max_value() as i16) - 1;
    Some(Forge::new(case, &world))
}

/// Any remainder and the field element that makes it right: an output that is no small integer.
pub fn output_out_of_range(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6f72_616e);
    let mut forge = Forge::honest(case, seed);
    let at = entry(case, &mut rng);
    let (denominator, numerators) = forge.sums(forge.run(at.0, at.1));
    let rem = forge.random_remainder(&mut rng, denominator);
    // N - o Z = u, with u the remainder, or (r - Z) / 2 in the field.
    let half = M31::from(2).inverse();
    let offset = match case.terms.rounding {
        Rounding::Floor => field(rem),
        Rounding::NearestTiesUp => field(rem - denominator) * half,
    };
    let out = (field(numerators[at.2]) - offset) * field(denominator).inverse();
    let out = centered(out.0);
    if out.abs() <= forge.limit() {
        return None;
    }
    forge.set_output(at, denominator, out, rem);
    Some(forge)
}

/// Another output in range whose remainder, moved by the modulus, is in range as well; its parity is
/// the wrong one.
pub fn wrapped_output(forge: &Forge, at: (usize, usize, usize)) -> Option<(i64, i64)> {
    let rounding = forge.case.terms.rounding;
    let (denominator, numerators) = forge.sums(forge.run(at.0, at.1));
    let bound = forge.remainder_bound(denominator);
    let limit = forge.limit();
    (-limit..=limit)
        .flat_map(|out| [(out, -1), (out, 1)])
        .map(|(out, sign)| {
            let rem = output_remainder_by(rounding, numerators[at.2], denominator, out);
            (out, rem + sign * i64::from(MODULUS))
        })
        .find(|(_, rem)| (0..bound).contains(rem))
}

/// All weights are full and all values near `M`, and the output is half a field away.
pub fn remainder_of_the_wrong_parity(case: &Arc<Case>, seed: u64, part: Part) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x7061_7269);
    let mut world = World::random(case, seed);
    let limit = case.layout.value_bits().max_value() as i16;
    world.q.fill(0);
    for value in world.v.iter_mut().chain(&mut world.prefix_v) {
        *value = limit - rng.below(4) as i16;
    }
    let mut forge = Forge::new(case, &world);
    let at = entry(case, &mut rng);
    let (out, rem) = wrapped_output(&forge, at)?;
    let (denominator, _) = forge.sums(forge.run(at.0, at.1));
    forge.set_output(at, denominator, out, rem);
    if part == Part::Low {
        let place = vector_place(&case.layout, at.0, at.1, at.2);
        let shift = forge.shift_of(denominator, rem);
        forge.set_shift_limbs(place, shift, 0);
    }
    Some(forge)
}
