//! What a proof is worth in bits, term by term.
use core::fmt;

use alloc::vec::Vec;

use matchmark_statement::{Regime, Security, SecurityLevel};
use serde::Serialize;

use crate::soundness::{self, Term};
use crate::structure::ProofStructure;

/// Security of the proofs of a segment at one level, in bits. The least of all terms is what they are worth,
/// since whoever breaks one round of one proof has broken the segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecurityFigures {
    /// Level and profile.
    pub security: Security,
    /// By published theorems, in the regime in which they say most.
    pub proven: Figure,
    /// Against the best attack that is known.
    pub conjectured: Figure,
    /// All terms, in the order of the transcript.
    pub terms: Vec<TermFigure>,
}

/// What a proof is worth in a regime.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Bits of the least term.
    pub bits: f64,
    /// The regime: all terms are counted in the same.
    pub regime: Regime,
    /// The least term.
    pub limited_by: Term,
}

/// A term of the error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TermFigure {
    /// The term.
    pub term: Term,
    /// Log of the number of hashes that each try costs; the most of all proofs.
    pub work: u32,
    /// Bits by the theorems of [`SecurityFigures::proven`], the work included; `None` where these leave a
    /// cheating prover no chance at all.
    pub proven: Option<f64>,
    /// Bits against the best attack that is known, the work included.
    pub conjectured: Option<f64>,
}

/// The terms of several proofs: the least of each.
fn least(structures: &[ProofStructure], regime: Regime) -> Vec<(Term, f64)> {
    let mut all: Vec<(Term, f64)> = of_proofs(structures, regime).flatten().collect();
    all.sort_by_key(|(term, _)| *term);
    let mut least: Vec<(Term, f64)> = Vec::new();
    for (term, bits) in all {
        match least.last_mut() {
            Some((last, least)) if *last == term => *least = least.min(bits),
            Some(_) | None => least.push((term, bits)),
        }
    }
    least
}

fn of_proofs(
    structures: &[ProofStructure],
    regime: Regime,
) -> impl Iterator<Item = Vec<(Term, f64)>> + '_ {
    structures
        .iter()
        .map(move |structure| structure.bits(regime))
}

impl Figure {
    /// The least of these terms; `None` if there are none.
    fn of(terms: &[(Term, f64)], regime: Regime) -> Option<Self> {
        let (limited_by, bits) = terms.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Self {
            bits: *bits,
            regime,
            limited_by: *limited_by,
        })
    }
}

impl SecurityFigures {
    /// All figures of a segment whose proofs have these structures.
    ///
    /// # Panics
    ///
    /// If there are no structures: no segment has none.
    pub fn new(structures: &[ProofStructure]) -> Self {
        let first = structures.first().expect("a segment has a proof");
        let regimes = soundness::proven_regimes();
        let proven = regimes
            .filter_map(|regime| Figure::of(&least(structures, regime), regime))
            .max_by(|a, b| a.bits.total_cmp(&b.bits))
            .expect("a proof has terms");
        let attack = Regime::BestKnownAttack;
        let best = least(structures, attack);
        let conjectured = Figure::of(&best, attack).expect("a proof has terms");
        let finite = |bits: f64| bits.is_finite().then_some(bits);
        let by_theorems = least(structures, proven.regime).into_iter();
        let terms = by_theorems.zip(best).map(|((term, proven), (_, best))| {
            let work = structures
                .iter()
                .map(|it| soundness::work(term, it.grinding(), it.parameters()));
            TermFigure {
                term,
                work: work.max().unwrap_or_default(),
                proven: finite(proven),
                conjectured: finite(best),
            }
        });
        Self {
            security: first.security(),
            proven,
            conjectured,
            terms: terms.collect(),
        }
    }

    /// Whether the level is fit for anything but comparison.
    pub fn is_insecure(&self) -> bool {
        self.security.level() == SecurityLevel::Insecure13
    }

    /// The long table: every term with its work and what it is worth.
    pub fn table(&self) -> impl fmt::Display + '_ {
        Table(self)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bits,
            regime,
            limited_by,
        } = self;
        let bits = Tenths(*bits);
        match regime {
            Regime::UniqueDecoding | Regime::Johnson { .. } => {
                write!(f, "{bits} bits ({regime}; limited by {limited_by})")
            }
            Regime::BestKnownAttack => write!(f, "{bits} bits (limited by {limited_by})"),
        }
    }
}

impl fmt::Display for SecurityFigures {
    /// Two lines: what is proven, and what is conjectured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            proven,
            conjectured,
            ..
        } = self;
        write!(f, "proven {proven}\nconjectured {conjectured}")
    }
}

/// Bits to one decimal, never rounded up: a figure that is printed is one that is there.
struct Tenths(f64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No term has a thousand bits.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let tenths = (self.0 * 10.0) as u32;
        f.pad(&alloc::format!("{}.{}", tenths / 10, tenths % 10))
    }
}

struct Table<'a>(&'a SecurityFigures);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecurityFigures { proven, terms, .. } = self.0;
        write!(
            f,
            "{:28} {:>4} {:>8} {:>11}   (proven by {})",
            "term", "work", "proven", "conjectured", proven.regime
        )?;
        for TermFigure {
            term,
            work,
            proven,
            conjectured,
        } in terms
        {
            let bits = |bits: &Option<f64>| match bits {
                Some(bits) => alloc::format!("{}", Tenths(*bits)),
                None => "no error".into(),
            };
            write!(
                f,
                "\n{:28} {work:>4} {:>8} {:>11}",
                alloc::format!("{term}"),
                bits(proven),
                bits(conjectured)
            )?;
        }
        Ok(())
    }
}
