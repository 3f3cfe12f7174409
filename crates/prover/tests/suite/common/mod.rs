//! What the adversarial tests share: small cases that between them use every gadget in every form
//! ([`cases`]), integer worlds to execute without any check ([`world`]), a constraint evaluator that
//! can leave a constraint or a tuple out ([`checker`]), witnesses that can be forged and made
//! consistent again ([`forge`]), the attacks themselves ([`attacks`], [`gadgets`]), and full proofs
//! of forged claims ([`proving`]).
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    reason = "test code; no test uses all of it"
)]

pub mod attacks;
pub mod bytes;
pub mod cases;
pub mod checker;
pub mod forge;
pub mod gadgets;
pub mod proving;
pub mod refusal;
pub mod regrind;
pub mod world;

/// SplitMix64: the only source of randomness, so that every failure can be replayed.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number in `-limit ..= limit`.
    pub fn symmetric(&mut self, limit: i64) -> i64 {
        (self.next() % (2 * limit as u64 + 1)) as i64 - limit
    }
}
