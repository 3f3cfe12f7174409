//! How types of the lower crates, and lists of fields, are written for people.

use core::fmt;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use matchmark_graph::ArithmeticTerms;
use matchmark_quant::{QuantizationPolicy, Scales, StepRange, TableBounds};

use crate::tokens::TokenId;

/// `8 bits, score step 12, scales q 0.5, k 0.25, v 1`.
pub(crate) struct Quantization<'a>(pub(crate) &'a QuantizationPolicy);

impl fmt::Display for Quantization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = self.0;
        write!(
            f,
            "{} bits, score step {}, ",
            policy.value_bits(),
            policy.score_step()
        )?;
        match policy.scales() {
            Some(Scales { q, k, v }) => write!(f, "scales q {q}, k {k}, v {v}"),
            None => f.write_str("no scales"),
        }
    }
}

/// `256 entries, largest weight 4096`.
pub(crate) struct Bounds<'a>(pub(crate) &'a TableBounds);

impl fmt::Display for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TableBounds { len, max_weight } = self.0;
        write!(f, "{len} entries, largest weight {max_weight}")
    }
}

/// `11 bits, score step 12, rotation shift 14, nodes 0123...`.
pub(crate) struct Arithmetic<'a>(pub(crate) &'a ArithmeticTerms);

impl fmt::Display for Arithmetic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arithmetic = self.0;
        write!(
            f,
            "{} bits, score step {}, rotation shift {}, nodes {}",
            arithmetic.value_bits(),
            arithmetic.score_step(),
            arithmetic.rotation_shift(),
            arithmetic.identity(),
        )
    }
}

/// `64 steps, cache positions 2 to 65`.
pub(crate) struct Steps<'a>(pub(crate) &'a StepRange);

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.0;
        let (first, last) = (range.entries_before(), range.entries_after() - 1);
        if first == last {
            write!(f, "1 step, cache position {first}")
        } else {
            write!(
                f,
                "{} steps, cache positions {first} to {last}",
                range.steps()
            )
        }
    }
}

/// `3 tokens: 5 17 4`; of more than 16 the first, and how many there are.
pub(crate) fn tokens(tokens: &[TokenId]) -> String {
    const SHOWN: usize = 16;
    let first = tokens.iter().take(SHOWN).map(ToString::to_string);
    let first = first.collect::<Vec<_>>().join(" ");
    let more = if tokens.len() > SHOWN { " ..." } else { "" };
    format!("{} tokens: {first}{more}", tokens.len())
}

/// One aligned line: a name and its value.
pub(crate) fn line(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: impl fmt::Display,
) -> fmt::Result {
    writeln!(f, "{name:<18}{value}")
}
