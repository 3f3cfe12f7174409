//! The error terms of a proof: what a cheating prover's chance is in each round, by which theorem.
//!
//! A proof is sound round by round: in each round the prover, having sent what it sent, is doomed unless the
//! next challenge is one of few. A non-interactive prover may try again, so a term of probability `e` before
//! which each try costs `2^g` hashes is worth `g - log2(e)` bits, and a proof is worth the least of its terms
//! (the BCS transform; the argument is in `docs/soundness.md`).
//!
//! Let `N` be the rows of the longest columns, `n` the size of their domain (`N` times the blowup), `rate =
//! (N + 1) / n`, `F = p^4` the size of the challenge field, `L` the number of candidates: sets of columns that are
//! near what was committed. A polynomial on the circle has up to `N` zeros where one of as many coefficients on a
//! line has `N - 1`: hence the one in the rate (Haböck, Levit and Papini, "Circle STARKs", eprint 2024/278).
//!
//! | regime | distance `d` | `L` | error of combining two words |
//! |---|---|---|---|
//! | unique decoding | `(1 - rate) / 2` | 1 | `(d n + 1) / F` (BCHKS25, Theorem 1.3) |
//! | Johnson, `m` | `1 - sqrt(rate) (1 + 1 / 2m)` | `(m + 1/2) / sqrt(rate)` | `((2 m'^5 + 3 m' d rate) n / (3 rate^1.5) + m' / sqrt(rate)) / F` with `m' = m + 1/2` (BCHKS25, Theorem 4.2) |
//! | best known attack | `1 - a`, with `a = rate + H(a) / log2(F)` | 1 | as for unique decoding |
//!
//! Combining by powers of one challenge multiplies the error by the number of words less one. BCHKS25 is
//! Ben-Sasson, Carmon, Haböck, Kopparty and Saraf, "On proximity gaps for Reed-Solomon codes", eprint 2025/2055.
//!
//! All arithmetic here is additions, products and quotients of `f64` in a fixed order, so that prover and
//! verifier compute the same bits of work on every machine.
use core::fmt;

use alloc::vec::Vec;

use matchmark_air::challenges::MAX_TUPLE;
use matchmark_air::channel::{Challenge, Grinding};
use matchmark_air::fingerprint::LOG_STRETCH;
use matchmark_air::hash::DIGEST_BYTES;
use matchmark_statement::{Regime, Security, SecurityParameters};
use serde::Serialize;

/// Size of the challenge field, `p^4`.
const FIELD: f64 = 2_147_483_647.0 * 2_147_483_647.0 * 2_147_483_647.0 * 2_147_483_647.0;
/// Bits of the same: 124 less `3e-9`.
const FIELD_BITS: f64 = 124.0;
/// Degree of the constraints in the columns.
pub const CONSTRAINT_DEGREE: u32 = 3;
/// More work than this before one challenge is refused: it would take a processor minutes.
const MAX_GRINDING: u32 = 32;
/// Bytes of a Merkle node.
#[allow(clippy::cast_possible_truncation)] // A number of two digits.
const DIGEST_BYTES_U32: u32 = DIGEST_BYTES as u32;
/// Multiplicities that are tried to find what a proof is worth.
const MULTIPLICITIES: core::ops::RangeInclusive<u32> = 3..=24;

/// What the error terms of a proof depend on, besides the parameters of its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Log of the rows of the longest columns.
    pub log_rows: u32,
    /// Values that enter random linear combinations.
    pub combined_values: u64,
    /// Tuples of all relations, over all rows.
    pub tuples: u64,
    /// Constraints of all components.
    pub constraints: usize,
    /// Most samples that are opened of one column.
    pub samples_of_column: usize,
    /// Words that the batching coefficient combines.
    pub batched: usize,
    /// Layers of the low-degree test: log of the rows that a fold leaves, and of the values that it folds.
    pub folds: Vec<(u32, u32)>,
}

/// A term of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// A challenge falls where it lets a false claim pass.
    Challenge(Challenge),
    /// Two candidates of a port have one fingerprint, at a point that follows from the root.
    Fingerprints,
    /// Two nodes of a Merkle tree have one digest.
    HashCollision,
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(challenge) => challenge.fmt(f),
            Self::Fingerprints => f.write_str("fingerprints"),
            Self::HashCollision => f.write_str("hash collision"),
        }
    }
}

impl Serialize for Term {
    /// As it is printed.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A proof would be worth less than its level says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{security} promises {expected} bits, and a proof of this size has {got} in the term \"{term}\": expected a \
     smaller segment, or another level"
)]
pub struct BelowLevel {
    /// Level and profile.
    pub security: Security,
    /// The term.
    pub term: Term,
    /// Bits that the level promises.
    pub expected: u32,
    /// Bits of the term, with as much work as is possible, rounded down.
    pub got: u32,
}

/// The rate and what follows from it in a regime.
struct Code {
    blowup: f64,
    rate: f64,
    sqrt_rate: f64,
    /// Share of a word in which it may differ from a codeword and still count as near.
    distance: f64,
    list: f64,
}

impl Code {
    /// The code of columns of so many rows.
    fn new(log_blowup: u32, log_rows: u32, regime: Regime) -> Self {
        let (blowup, one_more) = (power_of_two(log_blowup), 1.0 / power_of_two(log_rows));
        let rate = (1.0 + one_more) / blowup;
        let half = 1.0 / power_of_two(log_blowup / 2);
        let sqrt_rate = match log_blowup % 2 {
            0 => half,
            _ => half * core::f64::consts::FRAC_1_SQRT_2,
        };
        // No less than the root.
        let sqrt_rate = sqrt_rate * (1.0 + one_more / 2.0);
        let (distance, list) = match regime {
            Regime::UniqueDecoding => ((1.0 - rate) / 2.0, 1.0),
            Regime::Johnson { multiplicity } => {
                let m = f64::from(multiplicity);
                let distance = 1.0 - sqrt_rate * (1.0 + 1.0 / (2.0 * m));
                (distance, (m + 0.5) / sqrt_rate)
            }
            Regime::BestKnownAttack => (1.0 - agreement_by_chance(rate), 1.0),
        };
        Self {
            blowup,
            rate,
            sqrt_rate,
            distance,
            list,
        }
    }

    /// Error of combining two words over a domain for so many rows.
    fn combining(&self, regime: Regime, log_rows: u32) -> f64 {
        let n = power_of_two(log_rows) * self.blowup;
        match regime {
            // A challenge at which one position more agrees is one of so many: no attack does better.
            Regime::UniqueDecoding | Regime::BestKnownAttack => {
                ((1.0 - self.rate) / 2.0 * n + 1.0) / FIELD
            }
            Regime::Johnson { multiplicity } => {
                let m = f64::from(multiplicity) + 0.5;
                let fifth = m * m * m * m * m;
                let first = (2.0 * fifth + 3.0 * m * self.distance * self.rate) * n
                    / (3.0 * self.rate * self.sqrt_rate);
                (first + m / self.sqrt_rate) / FIELD
            }
        }
    }
}

/// The share of positions in which a word that nobody chose agrees with some codeword: the `a` at which as many
/// codewords as there are agree in `a n` positions with a random word over the challenge field,
/// `a = rate + H(a) / log2(F)`, with `H` the binary entropy. A prover that commits to anything at all has such
/// agreement, so that no query can be worth more than `-log2(a)` bits, whatever is conjectured.
fn agreement_by_chance(rate: f64) -> f64 {
    let mut agreement = rate;
    for _ in 0..64 {
        let rest = 1.0 - agreement;
        let entropy = -(agreement * log2(agreement) + rest * log2(rest));
        agreement = rate + entropy / FIELD_BITS;
    }
    agreement
}

impl Counts {
    /// Chance of a cheating prover in one try at this term.
    fn error(&self, term: Term, regime: Regime, parameters: &SecurityParameters) -> f64 {
        let code = Code::new(parameters.log_blowup, self.log_rows, regime);
        let rows = power_of_two(self.log_rows);
        let powers = |words: usize| words.saturating_sub(1) as f64;
        match term {
            // A polynomial of so many coefficients is zero at the point, for one of the candidates.
            Term::Challenge(Challenge::Rlc) => code.list * self.combined_values as f64 / FIELD,
            // Haböck, eprint 2022/1530, Lemma 5: the sum of fractions, multiplied out, has a degree of the
            // number of tuples in `z`, times the length of the longest in `alpha`.
            Term::Challenge(Challenge::Lookups) => {
                code.list * self.tuples as f64 * MAX_TUPLE as f64 / FIELD
            }
            // Haböck, eprint 2022/1216, Theorem 8: ALI and DEEP.
            Term::Challenge(Challenge::Composition) => code.list * self.constraints as f64 / FIELD,
            Term::Challenge(Challenge::OutOfDomain) => {
                let degree = f64::from(CONSTRAINT_DEGREE) * (rows + powers(self.samples_of_column));
                code.list * (degree + rows - 1.0) / (FIELD - rows - rows * code.blowup)
            }
            Term::Challenge(Challenge::Batching) => {
                powers(self.batched) * code.combining(regime, self.log_rows)
            }
            Term::Challenge(Challenge::Fold(layer)) => match self.folds.get(layer) {
                Some((log_rows, log_folded)) => {
                    (power_of_two(*log_folded) - 1.0) * code.combining(regime, *log_rows)
                }
                None => 0.0,
            },
            Term::Challenge(Challenge::Queries) => {
                (0..parameters.queries).fold(1.0, |error, _| error * (1.0 - code.distance))
            }
            // Two of the candidates agree at a point that nobody chose.
            Term::Fingerprints => {
                let pairs = match regime {
                    // One candidate: the root fixes the columns.
                    Regime::UniqueDecoding => 0.0,
                    Regime::Johnson { .. } => code.list * (code.list - 1.0) / 2.0,
                    Regime::BestKnownAttack => 1.0,
                };
                pairs * rows / FIELD
            }
            // Half of the bits: the birthday bound.
            Term::HashCollision => 1.0 / power_of_two(4 * DIGEST_BYTES_U32),
        }
    }

    /// All terms of a proof.
    fn terms(&self) -> impl Iterator<Item = Term> + '_ {
        let before = [
            Challenge::Rlc,
            Challenge::Lookups,
            Challenge::Composition,
            Challenge::OutOfDomain,
            Challenge::Batching,
        ];
        let folds = (0..self.folds.len()).map(Challenge::Fold);
        let challenges = before
            .into_iter()
            .chain(folds)
            .chain([Challenge::Queries])
            // Nothing is combined at a lookup proof's points: it draws none.
            .filter(|it| *it != Challenge::Rlc || self.combined_values > 0);
        let terms = challenges.map(Term::Challenge);
        terms.chain([Term::Fingerprints, Term::HashCollision])
    }

    /// The work before each challenge by which every term has what the level promises.
    ///
    /// # Errors
    ///
    /// [`BelowLevel`] if no work will do.
    pub fn grinding(&self, security: Security) -> Result<Grinding, BelowLevel> {
        let parameters = security.parameters();
        let mut grinding = Grinding {
            folds: self.folds.iter().map(|_| 0).collect(),
            ..Grinding::default()
        };
        let Some(promised) = security.level().promised_bits() else {
            return Ok(grinding);
        };
        for term in self.terms() {
            let error = self.error(term, security.regime(), &parameters);
            let slot = match term {
                Term::Challenge(challenge) => grinding.before_mut(challenge),
                Term::Fingerprints | Term::HashCollision => None,
            };
            let (least, most) = match slot {
                Some(_) => (0, MAX_GRINDING),
                None => {
                    let given = work(term, &Grinding::default(), &parameters);
                    (given, given)
                }
            };
            // The least work with which the term has what is promised.
            let enough = |bits: &u32| error <= power_of_two(*bits) / power_of_two(promised);
            let Some(bits) = (least..=most).find(enough) else {
                return Err(BelowLevel {
                    security,
                    term,
                    expected: promised,
                    got: whole_bits(error) + most,
                });
            };
            if let Some(slot) = slot {
                *slot = bits;
            }
        }
        Ok(grinding)
    }

    /// What every term is worth in a regime, in the order of the transcript.
    pub(crate) fn bits(
        &self,
        regime: Regime,
        parameters: &SecurityParameters,
        grinding: &Grinding,
    ) -> Vec<(Term, f64)> {
        let bits = |term| {
            let error = self.error(term, regime, parameters);
            let work = f64::from(work(term, grinding, parameters));
            match error > 0.0 {
                true => work - log2(error),
                false => f64::INFINITY,
            }
        };
        self.terms().map(|term| (term, bits(term))).collect()
    }
}

/// Log of the number of hashes that a try at a term costs.
pub(crate) fn work(term: Term, grinding: &Grinding, parameters: &SecurityParameters) -> u32 {
    match term {
        Term::Challenge(Challenge::Queries) => parameters.pow_bits,
        Term::Challenge(challenge) => grinding.before(challenge),
        Term::Fingerprints => LOG_STRETCH,
        // The birthday bound counts hashes already.
        Term::HashCollision => 0,
    }
}

/// The regimes by which something is proven.
pub(crate) fn proven_regimes() -> impl Iterator<Item = Regime> {
    let johnson = MULTIPLICITIES.map(|multiplicity| Regime::Johnson { multiplicity });
    core::iter::once(Regime::UniqueDecoding).chain(johnson)
}

/// `2^exponent`, exactly.
fn power_of_two(exponent: u32) -> f64 {
    f64::from_bits((1023 + u64::from(exponent)) << 52)
}

/// `-log2` of an error, rounded down; 0 for one above a half.
fn whole_bits(error: f64) -> u32 {
    let enough = |bits: &u32| error * power_of_two(*bits) <= 1.0;
    (1..1000).take_while(enough).last().unwrap_or(0)
}

/// Base-two logarithm of a positive, finite number, to about 12 digits: `core` has none.
fn log2(x: f64) -> f64 {
    let (mut exponent, mut mantissa) = (0.0, x);
    while mantissa >= 2.0 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    while mantissa < 1.0 {
        mantissa *= 2.0;
        exponent -= 1.0;
    }
    // Bit by bit: squaring doubles the logarithm.
    let mut bit = 0.5;
    for _ in 0..40 {
        mantissa *= mantissa;
        if mantissa >= 2.0 {
            mantissa /= 2.0;
            exponent += bit;
        }
        bit /= 2.0;
    }
    exponent
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloc::vec;

    use matchmark_statement::{Profile, SecurityLevel};

    use super::*;

    #[test]
    fn logarithms_of_powers_of_two_are_exact() {
        for exponent in 0..=60 {
            assert_eq!(log2(power_of_two(exponent)), f64::from(exponent));
            assert_eq!(log2(1.0 / power_of_two(exponent)), -f64::from(exponent));
        }
    }

    #[test]
    fn other_logarithms_are_good_to_twelve_digits() {
        for (x, expected) in [
            (0.75, -0.415_037_499_278_843_8),
            (3.0, 1.584_962_500_721_156),
            (1e6, 19.931_568_569_324_174),
        ] {
            assert!((log2(x) - expected).abs() < 2e-12, "{x}");
        }
    }

    #[test]
    fn whole_bits_are_rounded_down() {
        for (error, bits) in [
            (1.0, 0),
            (0.6, 0),
            (0.5, 1),
            (0.3, 1),
            (0.25, 2),
            (1e-30, 99),
        ] {
            assert_eq!(whole_bits(error), bits, "{error}");
        }
    }

    /// A word that nobody chose, at the rates in use: computed apart, to three digits.
    #[test]
    fn agreement_by_chance_is_above_the_rate() {
        for (rate, expected) in [
            (0.5, 0.5081),
            (0.25, 0.2566),
            (0.125, 0.1295),
            (0.0625, 0.0653),
        ] {
            let agreement = agreement_by_chance(rate);
            assert!((agreement - expected).abs() < 1e-4, "{rate}: {agreement}");
        }
    }

    /// More of everything than any layout with such columns has.
    fn largest(log_rows: u32, log_fold: u32, log_last: u32) -> Counts {
        let rows = 1_u64 << log_rows;
        let mut folds = vec![];
        let mut left = log_rows;
        while folds.is_empty() || left > log_last {
            let step = match folds.is_empty() {
                true => log_fold,
                false => log_fold.min(left - log_last),
            };
            left = left.saturating_sub(step);
            folds.push((left, step));
        }
        Counts {
            log_rows,
            combined_values: 16 * rows,
            // A relation with more uses than the field has elements is refused.
            tuples: (64 * rows).min(1 << 31),
            constraints: 2000,
            samples_of_column: 4,
            batched: 2000,
            folds,
        }
    }

    fn securities() -> impl Iterator<Item = Security> {
        SecurityLevel::ALL.into_iter().flat_map(|level| {
            let of_level = move |profile| Security::new(level, profile).ok();
            Profile::ALL.into_iter().filter_map(of_level)
        })
    }

    /// No layout is lower: this is the lowest table of limbs.
    const MIN_LOG_ROWS: u32 = 12;

    /// A level's name is kept by every proof up to 2^25 rows, with the work that its structure asks for.
    #[test]
    fn names_keep_what_they_promise_up_to_2_25_rows() {
        for security in securities() {
            let Some(promised) = security.level().promised_bits() else {
                continue;
            };
            let parameters = security.parameters();
            for log_rows in MIN_LOG_ROWS..=25 {
                let counts = largest(log_rows, parameters.fold_step, parameters.log_last_layer);
                let grinding = counts.grinding(security).unwrap();
                for (term, bits) in counts.bits(security.regime(), &parameters, &grinding) {
                    assert!(
                        bits >= f64::from(promised),
                        "{security}, 2^{log_rows} rows, {term}: {bits}"
                    );
                }
                // No bit of work more than is needed.
                for (challenge, bits) in grinding.all().filter(|(_, bits)| *bits > 0) {
                    let term = Term::Challenge(challenge);
                    let error = counts.error(term, security.regime(), &parameters);
                    let less = f64::from(bits - 1) - log2(error);
                    assert!(less < f64::from(promised), "{security} {challenge}");
                }
            }
        }
    }

    #[test]
    fn a_structure_below_its_level_is_refused() {
        let security = Security::default();
        let counts = largest(31, 3, 5);
        let refused = counts.grinding(security).unwrap_err();
        assert_eq!(refused.term, Term::Challenge(Challenge::Batching));
        assert_eq!((refused.expected, refused.security), (100, security));
        assert!(refused.got < 100, "{refused}");
        // The level for comparison promises nothing, and asks for no work.
        let insecure = Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap();
        assert_eq!(counts.grinding(insecure).unwrap().nonces(), 0);
    }
}
