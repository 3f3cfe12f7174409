//! What a proof is worth in bits, term by term.
//!
//! Every figure is `-log2` of a bound on the probability that a cheating prover succeeds in that part
//! of the protocol, or of the work of an attack. Nothing above the smallest is promised.
use core::fmt;

use matchmark_air::hash::DIGEST_BYTES;
use matchmark_air::layout::SegmentLayout;
use matchmark_statement::{Security, SecurityLevel};
use serde::Serialize;

use crate::structure::ProofStructure;

/// Bits of the extension field QM31: `log2(p^4)` is 124 less `3e-9`.
const FIELD_BITS: f64 = 124.0;

/// Security of a proof at one level and layout, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SecurityFigures {
    /// Level and profile.
    pub security: Security,
    /// Query phase and grinding if every query catches a cheater with probability `1 - rate`
    /// (proximity gaps up to capacity). A conjecture in this general form was refuted in November
    /// 2025; the figure is printed because the field compares by it.
    pub conjectured: f64,
    /// Query phase and grinding at the Johnson radius `1 - sqrt(rate)`.
    pub johnson: f64,
    /// Query phase and grinding at the unique-decoding radius `(1 - rate) / 2`.
    pub unique_decoding: f64,
    /// Commit phase of the low-degree test at the unique-decoding radius: the batching and folding
    /// coefficients. Ben-Sasson, Carmon, Ishai, Kopparty, Saraf, "Proximity Gaps for Reed-Solomon
    /// Codes" (2020), Theorem 4.1: `terms * domain / field`, the terms being those of the batch of
    /// quotients and of the folds.
    pub commit_unique_decoding: f64,
    /// The same at the Johnson radius, Theorem 5.1 there with `m = 3`:
    /// `(m + 1/2)^7 / (3 rate^(3/2)) * domain^2 / field` for each coefficient.
    pub commit_johnson: f64,
    /// Random combination of the constraints, and the out-of-domain point.
    pub constraints: f64,
    /// LogUp: tuples of all relations against a pair of challenges (Haböck 2022, Lemma 3).
    pub lookups: f64,
    /// Random linear combinations: a wrong vector whose combination is the right one.
    pub rlcs: f64,
    /// Fingerprints of the ports at points derived from their roots.
    pub fingerprints: f64,
    /// Work to find a collision of the Merkle hash.
    pub hash_collision: f64,
    /// Proof-of-work bits, counted in the first three figures.
    pub grinding: u32,
}

impl SecurityFigures {
    /// Computes all figures of a segment, whose proofs have these structures. The terms of two proofs
    /// add up.
    #[allow(
        clippy::cast_precision_loss,
        reason = "figures are printed with one decimal; counts are far below 2^52"
    )]
    pub fn new(layout: &SegmentLayout, structures: &[ProofStructure], security: Security) -> Self {
        let tuples: u64 = structures.iter().map(ProofStructure::tuples).sum();
        let coefficients: usize = structures
            .iter()
            .map(ProofStructure::commit_phase_terms)
            .sum();
        let parameters = security.parameters();
        let queries = f64::from(parameters.queries);
        let log_rate = f64::from(parameters.log_blowup);
        let grinding = f64::from(parameters.pow_bits);
        let domain = f64::from(layout.lifting_log_size(parameters.log_blowup));
        let rate = 1.0 / f64::from(1_u32 << parameters.log_blowup);
        let coefficients = log2(coefficients as f64);
        // (m + 1/2)^7 / 3 for m = 3.
        let johnson_constant = log2(6433.926 / 3.0);
        let degree = f64::from(layout.max_log_rows());
        Self {
            security,
            conjectured: grinding + queries * log_rate,
            johnson: grinding + queries * log_rate / 2.0,
            unique_decoding: grinding - queries * log2((1.0 + rate) / 2.0),
            commit_unique_decoding: FIELD_BITS - domain - coefficients,
            commit_johnson: FIELD_BITS
                - 2.0 * domain
                - 1.5 * log_rate
                - johnson_constant
                - coefficients,
            // Degree-3 constraints over the largest trace; the list of codewords at the Johnson
            // radius multiplies by less than 2^(log_rate + 2).
            constraints: FIELD_BITS - (degree + 2.0) - (log_rate + 2.0),
            lookups: FIELD_BITS - log2(tuples as f64) - 4.0,
            rlcs: FIELD_BITS - log2(layout.combined_values() as f64),
            fingerprints: FIELD_BITS - degree - 2.0 * (log_rate + 2.0),
            hash_collision: (DIGEST_BYTES * 8) as f64 / 2.0,
            grinding: parameters.pow_bits,
        }
    }

    /// Whether the level is fit for anything but comparison.
    pub fn is_insecure(&self) -> bool {
        self.security.level() == SecurityLevel::Insecure13
    }
}

impl fmt::Display for SecurityFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            security,
            conjectured,
            johnson,
            unique_decoding,
            commit_unique_decoding,
            commit_johnson,
            constraints,
            lookups,
            rlcs,
            fingerprints,
            hash_collision,
            grinding,
        } = self;
        writeln!(f, "{security}, {grinding} bits of grinding; bits by term:")?;
        writeln!(
            f,
            "  query phase   conjectured {conjectured:.1}, Johnson {johnson:.1}, unique decoding {unique_decoding:.1}"
        )?;
        writeln!(
            f,
            "  commit phase  Johnson {commit_johnson:.1}, unique decoding {commit_unique_decoding:.1}"
        )?;
        write!(
            f,
            "  field terms   constraints {constraints:.1}, lookups {lookups:.1}, random combinations {rlcs:.1}, fingerprints {fingerprints:.1}; hash collision {hash_collision:.0}"
        )
    }
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
mod tests {
    use super::log2;

    #[test]
    fn logarithms_of_powers_of_two_are_exact() {
        let mut power = 1.0 / 1024.0;
        for exponent in -10..=60 {
            assert_eq!(log2(power), f64::from(exponent));
            power *= 2.0;
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
}
