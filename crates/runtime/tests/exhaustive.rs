//! Small domains in full instead of sampled: products of 8-bit values, and entries of built-in tables.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use matchmark_quant::{
    AttentionShape, HeadDim, KvHeads, QueryHeads, Rounding, ScoreStep, StepRange, ValueBits,
};
use matchmark_runtime::{
    decode, execute_segment, AttentionTrace, AttentionTraceParts, KvCache, TableResolution,
    TraceMetadata,
};
use matchmark_tables::{TableKind, WeightTable};

/// Products `a * b` for all `b` of `-127 ..= 127`, by addition alone.
fn row_of_products(a: i16) -> Vec<i64> {
    let a = i64::from(a);
    // -127 a, and then one a more for each step of b.
    let first = -(0..127).fold(0, |sum, _| sum + a);
    (0..255)
        .scan(first, |sum, _| {
            let product = *sum;
            *sum += a;
            Some(product)
        })
        .collect()
}

/// Each 8-bit query against a cache that holds each 8-bit key once: all 65,025 products of values, as
/// scores of the reference. Every value is its own key, so that the outputs are not all the same.
#[test]
fn all_products_of_values() {
    let values: Vec<i16> = (-127..=127).collect();
    let shape = AttentionShape::new(
        QueryHeads::new(1).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(1).unwrap(),
    )
    .unwrap();
    let trace = |a: i16| {
        AttentionTrace::new(AttentionTraceParts {
            shape,
            value_bits: ValueBits::DEFAULT,
            steps: StepRange::new(254, 1).unwrap(),
            q: vec![a],
            k: values[254..].to_vec(),
            v: values[254..].to_vec(),
            prefix_k: values[..254].to_vec(),
            prefix_v: values[..254].to_vec(),
            metadata: TraceMetadata::default(),
        })
        .unwrap()
    };
    for a in -127..=127 {
        let trace = trace(a);
        let step = ScoreStep::new(5).unwrap();
        for rounding in [Rounding::Floor, Rounding::NearestTiesUp] {
            let rules = trace.rules(rounding, None, Some(step)).unwrap();
            let inputs = trace.segment(trace.step_range()).unwrap();
            let cache = KvCache::from_prefix(&trace);
            let (execution, _) = execute_segment(&cache, &inputs, &rules).unwrap();
            let scores: Vec<i64> = execution.scores.iter().map(|it| it.score).collect();
            assert_eq!(scores, row_of_products(a), "{a}");
            assert_eq!(execution.out, decode(&trace, &rules).unwrap(), "{a}");
        }
    }
}

/// Fraction bits of an [`Interval`].
const BITS: u32 = 60;

/// A real number of `0 ..= 1` between two multiples of `2^-60`.
#[derive(Clone, Copy, Debug)]
struct Interval {
    low: u128,
    high: u128,
}

impl Interval {
    const ONE: Self = Self {
        low: 1 << BITS,
        high: 1 << BITS,
    };

    fn times(self, other: Self) -> Self {
        Self {
            low: (self.low * other.low) >> BITS,
            high: (self.high * other.high).div_ceil(1 << BITS),
        }
    }

    /// `exp(-n / d)` for `n < d`, by its series. It shares nothing with the computation of the tables,
    /// which has 120 bits and splits off whole exponents.
    fn exponential(n: u64, d: u64) -> Self {
        assert!(n < d);
        let (n, d) = (u128::from(n), u128::from(d));
        let (mut low, mut high) = (0_i128, 0_i128);
        let mut term = Self::ONE;
        for k in 1..=24 {
            let [least, most] = [term.low, term.high].map(|x| i128::try_from(x).unwrap());
            if k % 2 == 1 {
                (low, high) = (low + least, high + most);
            } else {
                (low, high) = (low - most, high - least);
            }
            term = Self {
                low: term.low * n / (d * k),
                high: (term.high * n).div_ceil(d * k),
            };
        }
        // What is left out is smaller than the next term.
        let rest = i128::try_from(term.high).unwrap();
        Self {
            low: u128::try_from(low - rest).unwrap(),
            high: u128::try_from(high + rest).unwrap(),
        }
    }
}

/// Every entry is a nearest integer to `2^s exp(-g delta)`: the real number's interval lies within half
/// a unit of it.
fn check_exponential(table: &WeightTable) {
    let TableKind::Exponential { delta, log_scale } = table.kind() else {
        panic!("{:?} is no exponential", table.kind());
    };
    let one = Interval::exponential(delta.numerator(), delta.denominator());
    let mut power = Interval::ONE;
    for (g, &entry) in table.entries().iter().enumerate() {
        // In halves of a unit.
        let low = power.low << (log_scale + 1);
        let high = power.high << (log_scale + 1);
        let entry = u128::from(entry) << 1;
        assert!(entry.saturating_sub(1) << BITS <= low, "{g}: {entry}");
        assert!(high <= (entry + 1) << BITS, "{g}: {entry}");
        power = power.times(one);
    }
    assert!(power.high - power.low < 1 << 16, "the interval is narrow");
}

/// The default table, those of every width, and those of the committed traces, whose deltas belong to
/// their score steps: every entry of each.
#[test]
fn all_entries_of_exponential_tables() {
    let mut tables = vec![WeightTable::exp256_default()];
    for bits in ValueBits::all() {
        tables.push(TableResolution::for_bits(bits).unwrap().table().unwrap());
    }
    for name in ["8bit", "12bit"] {
        let path = format!("../../fixtures/attention-layer0-{name}.safetensors");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let trace = AttentionTrace::load(path).unwrap();
        let rules = trace.rules(Rounding::default(), None, None).unwrap();
        tables.push(rules.table);
    }
    let entries: usize = tables.iter().map(WeightTable::len).sum();
    assert_eq!(
        entries,
        256 + 5 * 256 + 512 + 1024 + 2048 + 4096 + 256 + 4096
    );
    for table in &tables {
        check_exponential(table);
    }
}

/// The essay's entries are nearest integers to `256 * 2^(-g/2)`, in squares: no root is taken.
#[test]
fn all_entries_of_the_table_of_the_essay() {
    let table = WeightTable::essay9();
    assert_eq!(table.len(), 9);
    for (g, &entry) in (0_u32..).zip(table.entries()) {
        // (2T - 1)^2 2^g <= (2 * 256)^2 <= (2T + 1)^2 2^g
        let square = |x: u64| (x * x) << g;
        let (twice, real) = (2 * u64::from(entry), 512 * 512);
        assert!(
            square(twice - 1) <= real && real <= square(twice + 1),
            "{g}"
        );
    }
}
