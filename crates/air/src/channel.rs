//! The channel of every proof: Blake2s, with proof of work before challenges.
//!
//! A challenge that a prover can draw again by changing what it sent before is worth the bits of its error
//! term plus those of the work that each try costs. The library grinds before the queries alone, and draws its
//! challenges through the trait [`Channel`]; [`GrindingChannel`] wraps [`Blake2sChannel`], and before each
//! challenge that needs it finds (prover) or checks (verifier) a nonce on the state as it stands, and absorbs
//! it. So the work comes after the last message that the challenge must not precede.
//!
//! The project's own challenges ask for their work by name ([`GrindingChannel::work`]); those of the library
//! are told by their order, from [`GrindingChannel::hand_over`] on.
//!
//! **Invariants**
//! - How much work each challenge needs ([`Grinding`]) follows from the structure of the proof and never from
//!   the proof, and is absorbed when the transcript begins.
//! - Where no work is needed no nonce is taken and none absorbed: a nonce of no bits would be free bytes.
//! - The trait cannot refuse. What is wrong is remembered, and [`GrindingChannel::finish`] tells it; whoever
//!   does not call it has checked nothing. It also refuses where nobody handed over, where the library did
//!   not draw what the order stands for, and where nonces are left.
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use stwo::core::channel::{Blake2sChannel, Channel};
use stwo::core::fields::qm31::QM31;
use stwo::core::vcs::blake2_hash::Blake2sHash;

/// Finds the nonce before a challenge: one of so many bits for the state. What it finds is not checked, that is
/// for the verifier. A value and no type parameter, so that the channel is one type with and without the feature
/// `prover`.
pub type Search = Arc<dyn Fn(&Blake2sChannel, Challenge, u32) -> u64 + Send + Sync>;

/// A challenge, or a set of challenges drawn together, in the order of the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Challenge {
    /// The points of the random linear combinations.
    Rlc,
    /// The coefficients of the relations.
    Lookups,
    /// The coefficient that combines all constraints.
    Composition,
    /// The out-of-domain point.
    OutOfDomain,
    /// The coefficient that combines all openings.
    Batching,
    /// The coefficient of a layer of the low-degree test, first to last.
    Fold(usize),
    /// The positions of the queries.
    Queries,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rlc => f.write_str("random linear combinations"),
            Self::Lookups => f.write_str("lookups"),
            Self::Composition => f.write_str("composition"),
            Self::OutOfDomain => f.write_str("out-of-domain point"),
            Self::Batching => f.write_str("batching"),
            Self::Fold(layer) => write!(f, "fold {}", layer + 1),
            Self::Queries => f.write_str("queries"),
        }
    }
}

/// Bits of proof of work before the challenges of a proof, those before the queries left out: the library asks
/// for these itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grinding {
    /// Before the points of the random linear combinations.
    pub rlc: u32,
    /// Before the coefficients of the relations.
    pub lookups: u32,
    /// Before the coefficient of the constraints.
    pub composition: u32,
    /// Before the out-of-domain point.
    pub out_of_domain: u32,
    /// Before the coefficient of the openings.
    pub batching: u32,
    /// Before the coefficient of each layer of the low-degree test.
    pub folds: Vec<u32>,
}

/// Challenges of the library before the first fold.
const BEFORE_FOLDS: [Challenge; 3] = [
    Challenge::Composition,
    Challenge::OutOfDomain,
    Challenge::Batching,
];

impl Grinding {
    /// The bits before each challenge, in the order of the transcript.
    pub fn all(&self) -> impl Iterator<Item = (Challenge, u32)> + '_ {
        let Self {
            rlc,
            lookups,
            composition,
            out_of_domain,
            batching,
            folds,
        } = self;
        let single = [
            (Challenge::Rlc, *rlc),
            (Challenge::Lookups, *lookups),
            (Challenge::Composition, *composition),
            (Challenge::OutOfDomain, *out_of_domain),
            (Challenge::Batching, *batching),
        ];
        let folds = folds.iter().enumerate();
        let folds = folds.map(|(layer, bits)| (Challenge::Fold(layer), *bits));
        single.into_iter().chain(folds)
    }

    /// The bits before a challenge; none before one that a proof does not have, and before the queries.
    pub fn before(&self, challenge: Challenge) -> u32 {
        let found = self.all().find(|(other, _)| *other == challenge);
        found.map_or(0, |(_, bits)| bits)
    }

    /// The same, for writing; `None` for the queries, and for a layer that a proof does not have.
    pub fn before_mut(&mut self, challenge: Challenge) -> Option<&mut u32> {
        match challenge {
            Challenge::Rlc => Some(&mut self.rlc),
            Challenge::Lookups => Some(&mut self.lookups),
            Challenge::Composition => Some(&mut self.composition),
            Challenge::OutOfDomain => Some(&mut self.out_of_domain),
            Challenge::Batching => Some(&mut self.batching),
            Challenge::Fold(layer) => self.folds.get_mut(layer),
            Challenge::Queries => None,
        }
    }

    /// Number of nonces that a proof carries.
    pub fn nonces(&self) -> usize {
        self.all().filter(|(_, bits)| *bits > 0).count()
    }
}

/// Why a transcript does not have the work that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// There is no nonce for a challenge.
    #[error(
        "the proof of work before the challenge \"{challenge}\" is missing: expected {bits} bits"
    )]
    Missing {
        /// The challenge.
        challenge: Challenge,
        /// Bits needed.
        bits: u32,
    },
    /// A nonce is not the work that is needed here: one of another place or another transcript, or of none.
    #[error(
        "the proof of work before the challenge \"{challenge}\" is not enough: expected {bits} bits, got nonce \
         {nonce}"
    )]
    NotEnough {
        /// The challenge.
        challenge: Challenge,
        /// Bits needed.
        bits: u32,
        /// The nonce.
        nonce: u64,
    },
    /// Nonces are left over.
    #[error("the proof has {got} nonces more than its challenges need")]
    Surplus {
        /// How many.
        got: usize,
    },
    /// The library did not draw what the order of challenges stands for, or was not handed over to: an error of
    /// the program.
    #[error("the library did not draw the challenges that the proof of work is for")]
    OtherDraws,
}

/// Where nonces come from.
#[derive(Clone, Default)]
enum Nonces {
    /// From nowhere.
    #[default]
    None,
    /// They are found, and kept (prover).
    Found(Search, Vec<u64>),
    /// They are given (verifier).
    Given(VecDeque<u64>),
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Found(_, nonces) => f.debug_tuple("Found").field(nonces).finish(),
            Self::Given(nonces) => f.debug_tuple("Given").field(nonces).finish(),
        }
    }
}

/// What the library does with the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// Absorbs a Merkle root.
    Root,
    /// Absorbs field elements.
    Elements,
    /// Absorbs words, or a nonce.
    Words,
    /// Draws a field element.
    Draw,
    /// Draws several at once.
    DrawMany,
    /// Draws words: queries.
    DrawWords,
}

/// The transcript of a proof with the work before its challenges; see the module.
#[derive(Clone, Debug, Default)]
pub struct GrindingChannel {
    inner: Blake2sChannel,
    grinding: Grinding,
    nonces: Nonces,
    /// What the library did; `None` before it is handed over to.
    events: Option<Vec<Event>>,
    error: Option<WorkError>,
}

impl GrindingChannel {
    /// An empty transcript whose challenges need this work.
    pub fn new(grinding: Grinding) -> Self {
        Self {
            grinding,
            ..Self::default()
        }
    }

    /// Nonces are found from here on.
    pub fn search(&mut self, search: Search) {
        self.nonces = Nonces::Found(search, vec![]);
    }

    /// Nonces are given from here on.
    pub fn supply(&mut self, nonces: &[u64]) {
        self.nonces = Nonces::Given(nonces.iter().copied().collect());
    }

    /// The nonces found so far.
    pub fn found(&self) -> &[u64] {
        match &self.nonces {
            Nonces::Found(_, nonces) => nonces,
            Nonces::None | Nonces::Given(_) => &[],
        }
    }

    /// The work before a challenge that is drawn next.
    pub fn work(&mut self, challenge: Challenge) {
        let bits = self.grinding.before(challenge);
        if bits == 0 {
            return;
        }
        let given = match &mut self.nonces {
            Nonces::Found(search, nonces) => {
                let nonce = search(&self.inner, challenge, bits);
                nonces.push(nonce);
                self.inner.mix_u64(nonce);
                return;
            }
            Nonces::Given(nonces) => nonces.pop_front(),
            Nonces::None => None,
        };
        let Some(nonce) = given else {
            self.refuse(WorkError::Missing { challenge, bits });
            return;
        };
        // The number of bits is in the hash, and the state is another at each place: no nonce serves two
        // places, or two strengths.
        if !self.inner.verify_pow_nonce(bits, nonce) {
            self.refuse(WorkError::NotEnough {
                challenge,
                bits,
                nonce,
            });
        }
        self.inner.mix_u64(nonce);
    }

    /// What is drawn from here on is drawn by the library.
    pub fn hand_over(&mut self) {
        self.events = Some(vec![]);
    }

    /// What was refused so far.
    ///
    /// # Errors
    ///
    /// The first [`WorkError`].
    pub fn check(&self) -> Result<(), WorkError> {
        self.error.map_or(Ok(()), Err)
    }

    /// That all the work is there, and nothing besides. To be called when the library is done.
    ///
    /// # Errors
    ///
    /// The first [`WorkError`].
    pub fn finish(&self) -> Result<(), WorkError> {
        self.check()?;
        if !self.events.as_ref().is_some_and(|it| self.follows(it)) {
            return Err(WorkError::OtherDraws);
        }
        match &self.nonces {
            Nonces::Given(left) if !left.is_empty() => Err(WorkError::Surplus { got: left.len() }),
            Nonces::None | Nonces::Found(..) | Nonces::Given(_) => Ok(()),
        }
    }

    /// Whether the library did what the order of challenges stands for.
    fn follows(&self, events: &[Event]) -> bool {
        let mut expected = vec![
            // Composition.
            Event::Draw,
            // Out-of-domain point.
            Event::Root,
            Event::Draw,
            // Batching.
            Event::Elements,
            Event::Draw,
        ];
        for _ in &self.grinding.folds {
            expected.extend([Event::Root, Event::Draw]);
        }
        // The last layer, and the work before the queries.
        expected.extend([Event::Elements, Event::Words]);
        match events.strip_prefix(expected.as_slice()) {
            Some(queries) => {
                !queries.is_empty() && queries.iter().all(|event| *event == Event::DrawWords)
            }
            None => false,
        }
    }

    /// The state of the transcript.
    pub fn digest(&self) -> Blake2sHash {
        self.inner.digest()
    }

    /// Absorbs a Merkle root, whose hash with the state this is.
    pub fn update_digest(&mut self, digest: Blake2sHash) {
        self.note(Event::Root);
        self.inner.update_digest(digest);
    }

    fn refuse(&mut self, error: WorkError) {
        self.error.get_or_insert(error);
    }

    fn note(&mut self, event: Event) {
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }

    /// The challenge that the library draws next; `None` before it is handed over to, and where it draws more
    /// than it has, which [`finish`](Self::finish) refuses.
    fn next_of_library(&self) -> Option<Challenge> {
        let events = self.events.as_ref()?;
        let drawn = events.iter().filter(|it| **it == Event::Draw).count();
        match BEFORE_FOLDS.get(drawn) {
            Some(challenge) => Some(*challenge),
            None => Some(Challenge::Fold(drawn - BEFORE_FOLDS.len())),
        }
    }
}

impl Channel for GrindingChannel {
    const BYTES_PER_HASH: usize = Blake2sChannel::BYTES_PER_HASH;

    fn verify_pow_nonce(&self, n_bits: u32, nonce: u64) -> bool {
        self.inner.verify_pow_nonce(n_bits, nonce)
    }

    fn mix_u32s(&mut self, data: &[u32]) {
        self.note(Event::Words);
        self.inner.mix_u32s(data);
    }

    fn mix_felts(&mut self, felts: &[QM31]) {
        self.note(Event::Elements);
        self.inner.mix_felts(felts);
    }

    fn mix_u64(&mut self, value: u64) {
        self.note(Event::Words);
        self.inner.mix_u64(value);
    }

    fn draw_secure_felt(&mut self) -> QM31 {
        if let Some(challenge) = self.next_of_library() {
            self.work(challenge);
        }
        self.note(Event::Draw);
        self.inner.draw_secure_felt()
    }

    fn draw_secure_felts(&mut self, n_felts: usize) -> Vec<QM31> {
        self.note(Event::DrawMany);
        self.inner.draw_secure_felts(n_felts)
    }

    fn draw_u32s(&mut self) -> Vec<u32> {
        self.note(Event::DrawWords);
        self.inner.draw_u32s()
    }
}

#[cfg(feature = "prover")]
pub use prover::search;

#[cfg(feature = "prover")]
mod prover {
    use std::sync::{Arc, OnceLock};

    use rayon::{ThreadPool, ThreadPoolBuilder};
    use stwo::core::channel::Blake2sChannel;
    use stwo::core::proof_of_work::GrindOps;
    use stwo::prover::backend::simd::SimdBackend;

    use super::{Challenge, GrindingChannel, Nonces, Search};

    /// Log of the number of nonces that the library hands to each of its threads at a time, each of which
    /// searches its own to the end.
    const LOG_RUN: u32 = 20;

    /// The library's search, which finds the smallest nonce.
    pub fn search() -> Search {
        Arc::new(|channel, _, bits| smallest(channel, bits))
    }

    /// Below [`LOG_RUN`] bits it runs on one thread, since the others would do work that nobody needs; the nonce
    /// is the same.
    fn smallest(channel: &Blake2sChannel, bits: u32) -> u64 {
        static ONE_THREAD: OnceLock<Option<ThreadPool>> = OnceLock::new();
        let search = || <SimdBackend as GrindOps<Blake2sChannel>>::grind(channel, bits);
        if bits > LOG_RUN {
            return search();
        }
        match ONE_THREAD.get_or_init(|| ThreadPoolBuilder::new().num_threads(1).build().ok()) {
            Some(pool) => pool.install(search),
            None => search(),
        }
    }

    /// The work before the queries, which the library asks for itself.
    impl GrindOps<GrindingChannel> for SimdBackend {
        fn grind(channel: &GrindingChannel, pow_bits: u32) -> u64 {
            match &channel.nonces {
                Nonces::Found(search, _) => search(&channel.inner, Challenge::Queries, pow_bits),
                Nonces::Given(_) | Nonces::None => smallest(&channel.inner, pow_bits),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn grinding() -> Grinding {
        Grinding {
            rlc: 3,
            lookups: 0,
            composition: 2,
            out_of_domain: 0,
            batching: 6,
            folds: vec![4, 0, 1],
        }
    }

    fn search() -> Search {
        Arc::new(|channel, _, bits| {
            let good = |nonce: &u64| channel.verify_pow_nonce(bits, *nonce);
            (0..).find(good).unwrap()
        })
    }

    /// Does what the project and the library do with a channel.
    fn run(channel: &mut GrindingChannel, folds: usize) -> Vec<QM31> {
        let mut drawn = vec![];
        channel.mix_u32s(&[1, 2, 3]);
        for challenge in [Challenge::Rlc, Challenge::Lookups] {
            channel.work(challenge);
            drawn.extend(channel.draw_secure_felts(2));
        }
        channel.hand_over();
        drawn.push(channel.draw_secure_felt());
        channel.update_digest(Blake2sHash([7; 32]));
        drawn.push(channel.draw_secure_felt());
        channel.mix_felts(&[drawn[0]]);
        drawn.push(channel.draw_secure_felt());
        for fold in (0..).take(folds) {
            channel.update_digest(Blake2sHash([fold; 32]));
            drawn.push(channel.draw_secure_felt());
        }
        channel.mix_felts(&[drawn[1]]);
        channel.mix_u64(5);
        channel.draw_u32s();
        drawn
    }

    fn proven() -> (Vec<u64>, Vec<QM31>) {
        let mut channel = GrindingChannel::new(grinding());
        channel.search(search());
        let drawn = run(&mut channel, 3);
        channel.finish().unwrap();
        (channel.found().to_vec(), drawn)
    }

    fn verified(nonces: &[u64]) -> Result<Vec<QM31>, WorkError> {
        let mut channel = GrindingChannel::new(grinding());
        channel.supply(nonces);
        let drawn = run(&mut channel, 3);
        channel.finish().map(|()| drawn)
    }

    #[test]
    fn what_a_prover_finds_a_verifier_takes() {
        let (nonces, drawn) = proven();
        assert_eq!(nonces.len(), grinding().nonces());
        assert_eq!(nonces.len(), 5);
        assert_eq!(verified(&nonces), Ok(drawn));
    }

    #[test]
    fn nonces_that_are_missing_short_exchanged_or_left_are_refused() {
        let (nonces, _) = proven();
        let missing = |challenge, bits| Err(WorkError::Missing { challenge, bits });
        assert_eq!(verified(&[]), missing(Challenge::Rlc, 3));
        assert_eq!(verified(&nonces[..4]), missing(Challenge::Fold(2), 1));
        let surplus = [nonces.as_slice(), &[0]].concat();
        assert_eq!(verified(&surplus), Err(WorkError::Surplus { got: 1 }));
        // A nonce of too few bits, at each place: who absorbs one without the work differs from the honest in
        // nothing else.
        for (place, (challenge, bits)) in grinding().all().filter(|(_, bits)| *bits > 0).enumerate()
        {
            let mut short = nonces.clone();
            // By chance a nonce is work after all, and the next one is missing then.
            let at_this_place = |error: &WorkError| matches!(error, WorkError::NotEnough { challenge: at, .. } if *at == challenge);
            let (nonce, error) = (0..)
                .find_map(|nonce| {
                    short[place] = nonce;
                    let error = verified(&short).err().filter(at_this_place);
                    error.map(|error| (nonce, error))
                })
                .unwrap();
            let expected = WorkError::NotEnough {
                challenge,
                bits,
                nonce,
            };
            assert_eq!(error, expected);
        }
        let mut reused = nonces.clone();
        reused[2] = nonces[0];
        assert!(verified(&reused).is_err());
    }

    #[test]
    fn other_draws_are_refused() {
        let (nonces, _) = proven();
        for folds in [0, 2, 4] {
            let mut channel = GrindingChannel::new(grinding());
            channel.search(search());
            run(&mut channel, folds);
            assert_eq!(channel.finish(), Err(WorkError::OtherDraws), "{folds}");
        }
        // Nobody handed over.
        let mut channel = GrindingChannel::new(Grinding::default());
        channel.supply(&nonces);
        channel.draw_secure_felt();
        assert_eq!(channel.finish(), Err(WorkError::OtherDraws));
    }

    #[test]
    fn no_bits_take_no_nonce() {
        let mut channel = GrindingChannel::new(Grinding {
            folds: vec![0; 3],
            ..Grinding::default()
        });
        let drawn = run(&mut channel, 3);
        assert_eq!(channel.finish(), Ok(()));
        channel = GrindingChannel::new(Grinding {
            folds: vec![0; 3],
            ..Grinding::default()
        });
        channel.supply(&[0]);
        assert_eq!(run(&mut channel, 3), drawn);
        assert_eq!(channel.finish(), Err(WorkError::Surplus { got: 1 }));
    }
}
