//! The hostile suite: attempts to have something false accepted, to make the verifier panic, or to
//! make a chain lose something.
//!
//! It has two users. `cargo xtask hostile` runs the [`classes`] and prints what they came to
//! ([`report`]); the tests of the prover use the same parts: small cases that between them use every
//! gadget in every form ([`cases`]), honest runs of their models ([`model_runs`]), integer worlds to
//! execute without any check ([`world`]), a decision on what is claimed ([`claim`]), a constraint
//! evaluator that can leave a constraint or a tuple out ([`checker`]), witnesses that can be forged and
//! made consistent again ([`forge`]), the attacks themselves ([`attacks`], [`gadgets`]), the
//! constraint drop ([`constraint_drop`]) with proofs by systems that lack something ([`reduced`]), full
//! proofs of forged claims ([`proving`]), two sets of columns under one root ([`equivocation`]), and a
//! storage that fails ([`faults`]).
//!
//! What goes wrong while an attempt is being prepared is a defect of the suite and panics; what goes
//! wrong in the attempt is recorded.
#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "a tool and the tests' own parts, no interface"
)]

pub mod attacks;
pub mod attempt;
pub mod bytes;
pub mod cases;
pub mod cell;
pub mod checker;
pub mod claim;
pub mod classes;
pub mod constraint_drop;
pub mod decoder;
pub mod decoders;
pub mod deletions;
pub mod digits;
pub mod equivocation;
pub mod faults;
pub mod forge;
pub mod functions;
pub mod gadgets;
pub mod grid;
pub mod model_runs;
pub mod ports;
pub mod proving;
pub mod reduced;
pub mod refusal;
pub mod regrind;
pub mod report;
pub mod row_norms;
pub mod runs;
pub mod stated;
pub mod vectors;
pub mod world;

/// SplitMix64: the only source of randomness, so that every failure can be replayed.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// The generator of one attempt: that of seed, class and index, whatever came before it.
    pub fn of(seed: u64, class: &str, index: u64) -> Self {
        let class = class.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut rng =
            Self(seed ^ class.rotate_left(17) ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93));
        rng.next_u64();
        rng
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }

    /// A number in `-limit ..= limit`.
    pub fn symmetric(&mut self, limit: i64) -> i64 {
        (self.next_u64() % (2 * limit as u64 + 1)) as i64 - limit
    }
}
