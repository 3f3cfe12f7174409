//! Attacks on values in two digits: numerators that wrap around the field, and digits of other values.
//!
//! Of an output a proof shows `N_high = o_high Z + c` and `N_low = o_low Z + u - 2^h c`. Modulo `p` the two
//! add up to `N = o Z + u`, which other outputs meet as well where `N` is larger than `p`. What refuses these
//! is that digits are small, and that the carry is.
use std::sync::Arc;

use matchmark_air::column::field;
use matchmark_air::layout::digits::ValueDigits;
use matchmark_quant::{centered, MODULUS};
use stwo::core::fields::m31::M31;

use super::cases::{carry_is_bounded, vector_place, Case, VectorPlace};
use super::forge::{vector_mut, Forge};
use super::gadgets::{entry, Part};
use super::world::{output_remainder, World};
use super::Rng;

/// All weights are full, and all values near one end: sums are as large as they get. What a decoder computes
/// stays as it is, with weights that are heavy enough.
fn full_world(case: &Arc<Case>, seed: u64, rng: &mut Rng) -> World {
    let mut world = World::random(case, seed);
    if case.decoder.is_some() {
        return world;
    }
    let limit = case.layout.value_bits().max_value() as i16;
    let sign = [1, -1][rng.below(2)];
    world.q.fill(0);
    for value in world.v.iter_mut().chain(&mut world.prefix_v) {
        *value = sign * (limit - rng.below(4) as i16);
    }
    world
}

/// What the attacks need to know of an output.
struct Division {
    digits: ValueDigits,
    at: (usize, usize, usize),
    /// Where it stands in the vectors component.
    place: VectorPlace,
    denominator: i64,
    numerator: i64,
    /// Weighted sum of the high digits.
    high_sum: i64,
    /// The output that is right.
    out: i64,
}

impl Division {
    fn of(forge: &Forge, at: (usize, usize, usize)) -> Option<Self> {
        let run = forge.run(at.0, at.1);
        let (denominator, numerators) = forge.sums(run.clone());
        let numerator = numerators[at.2];
        let (out, _) = forge.case.terms.rounding.divide(numerator, denominator);
        Some(Self {
            digits: forge.case.layout.digits()?,
            at,
            place: vector_place(&forge.case.layout, at.0, at.1, at.2),
            denominator,
            numerator,
            high_sum: forge.high_sums(run)[at.2],
            out,
        })
    }

    /// The carry that belongs to a high digit of the output.
    fn carry(&self, high: i64) -> i64 {
        self.high_sum - high * self.denominator
    }

    /// Other outputs in range, whose remainders are in range modulo `p`.
    fn wrapped(&self, forge: &Forge) -> Vec<(i64, i64)> {
        let bound = forge.remainder_bound(self.denominator);
        let limit = forge.limit();
        let rounding = forge.case.terms.rounding;
        (-limit..=limit)
            .filter(|out| *out != self.out)
            .map(|out| {
                let rem = output_remainder(rounding, self.numerator, self.denominator, out);
                (out, rem.rem_euclid(i64::from(MODULUS)))
            })
            .filter(|(_, rem)| *rem < bound)
            .collect()
    }

    /// Writes another output with the high digit and the carry of the right one.
    fn keep_digits(&self, forge: &mut Forge, out: i64, rem: i64) {
        forge.set_output(self.at, self.denominator, out, rem);
        self.keep_carry(forge);
        let high = self.digits.high(self.out);
        *vector_mut(&mut forge.witness, "output high", self.place) = field(high);
    }

    /// Has the carry of the right output.
    fn keep_carry(&self, forge: &mut Forge) {
        let carry = self.carry(self.digits.high(self.out));
        forge.set_carry(self.place, carry);
    }
}

/// An output whose numerator is another one modulo `p`: the carry makes up for it, and is out of its range.
pub fn numerator_that_wraps(case: &Arc<Case>, seed: u64, part: Part) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6361_7272);
    case.layout.digits()?;
    let world = full_world(case, seed, &mut rng);
    let mut forge = Forge::new(case, &world);
    let of = Division::of(&forge, entry(case, &mut rng))?;
    let (size, offset) = (1 << forge.limb_bits(), i64::from(of.digits.carry_offset()));
    let top_max = (2 * offset - 1) >> forge.limb_bits();
    let limbs = |out: i64| {
        let carry = of.carry(of.digits.high(out)) + offset;
        let (low, high) = (carry.rem_euclid(size), carry.div_euclid(size));
        match part {
            Part::Low => (!(0..size).contains(&carry)).then_some((carry, 0)),
            // The bound from above, where there is one, is kept.
            Part::High if carry_is_bounded(case) => {
                (high < 0 && top_max - high < size).then_some((low, high))
            }
            Part::High => (!(0..size).contains(&high)).then_some((low, high)),
            Part::TopBound => (high > top_max && high < size).then_some((low, high)),
            Part::Complement | Part::ComplementLow | Part::ComplementHigh => None,
        }
    };
    let outputs = of.wrapped(&forge).into_iter();
    let mut outputs = outputs.filter_map(|(out, rem)| Some((out, rem, limbs(out)?)));
    let (out, rem, (low, high)) = outputs.next()?;
    forge.set_output(of.at, of.denominator, out, rem);
    forge.set_carry_limbs(of.place, low, high);
    Some(forge)
}

/// The same with a carry that is small: the high digit is that of the right output, and what is left of the
/// claimed one is no digit.
pub fn output_of_other_digits(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6469_6769);
    case.layout.digits()?;
    let world = full_world(case, seed, &mut rng);
    let mut forge = Forge::new(case, &world);
    let of = Division::of(&forge, entry(case, &mut rng))?;
    let (out, rem) = *of.wrapped(&forge).first()?;
    of.keep_digits(&mut forge, out, rem);
    Some(forge)
}

/// The same with digits of the claimed output: those of a cache entry make up for it, which only the last step
/// of one head attends to.
pub fn entry_of_other_digits(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6869_6768);
    let digits = case.layout.digits()?;
    if case.layout.group_size() > 1 {
        return None;
    }
    let world = full_world(case, seed, &mut rng);
    let mut forge = Forge::new(case, &world);
    let (head, _, dim) = entry(case, &mut rng);
    let of = Division::of(&forge, (head, case.steps.steps() - 1, dim))?;
    let (out, rem) = *of.wrapped(&forge).first()?;
    forge.set_output(of.at, of.denominator, out, rem);
    of.keep_carry(&mut forge);
    // N_high has to grow by what the high digit of the output has: a fraction of the entry's weight.
    let more = (digits.high(out) - digits.high(of.out)) * of.denominator;
    let weight = forge.scores[forge.run(of.at.0, of.at.1).end - 1].weight;
    if weight == 0 {
        return None;
    }
    let (lane, row) = case
        .layout
        .lane_row(head, case.steps.entries_after() - 1, dim);
    let cache = forge.witness.main.component_mut("cache");
    let column = cache.named_mut("value high").nth(lane)?;
    column[row] += field(more) * field(weight).inverse();
    Some(forge)
}

/// An output that is one off with the digits that it has, and what the low digits lack as a carry: a fraction.
/// In a decoder, where that moves hardly any choice, all outputs of a step are as far off as their low digits allow.
pub fn carry_as_a_fraction(case: &Arc<Case>, seed: u64) -> Option<Forge> {
    let mut rng = Rng(seed ^ 0x6672_6163);
    let mut forge = Forge::honest(case, seed);
    let at = entry(case, &mut rng);
    let dimensions = match case.decoder {
        None => at.2..at.2 + 1,
        Some(_) => 0..case.layout.head_dim(),
    };
    let mut fractions = 0;
    for dimension in dimensions {
        let of = Division::of(&forge, (at.0, at.1, dimension))?;
        let (_, rem) = case.terms.rounding.divide(of.numerator, of.denominator);
        let (high, base) = (of.digits.high(of.out), i64::from(of.digits.base()));
        let ends = [(high + 1) * base - 1, high * base];
        let out = match case.decoder {
            None => of.out + [1, -1][rng.below(2)],
            Some(_) => ends[rng.below(2)],
        };
        let lacks = (out - of.out) * of.denominator;
        let is_fraction = lacks.rem_euclid(base) != 0;
        if out.abs() > forge.limit() || of.digits.high(out) != high || !is_fraction {
            continue;
        }
        forge.set_output(of.at, of.denominator, out, rem);
        let carry = field(of.carry(high)) + field(lacks) * M31::from(of.digits.base()).inverse();
        forge.set_carry(of.place, centered(carry.0));
        fractions += 1;
    }
    (fractions > 0).then_some(forge)
}
