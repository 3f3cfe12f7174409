//! The two implementations of the semantics agree, and what is recorded is what happened.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod common;

use common::{shape, traces};
use matchmark_quant::{QuantError, Rounding, ScoreStep, SegmentSteps, StepRange, ValueBits};
use matchmark_runtime::{
    decode, execute_segment, AttentionTrace, AttentionTraceParts, DecodeRules, KvCache,
    RuntimeError, SegmentExecution, SegmentInputs, TraceMetadata,
};
use matchmark_tables::WeightTable;
use proptest::prelude::*;

fn tables() -> impl Strategy<Value = WeightTable> {
    prop_oneof![
        Just(WeightTable::exp256_default()),
        Just(WeightTable::essay9()),
        (1u32..4000, prop::collection::vec(0u32..4000, 1..40)).prop_map(|(first, rest)| {
            let entries = std::iter::once(first).chain(rest).collect();
            WeightTable::custom(entries, "random").unwrap()
        }),
        // So heavy that the wider values have two digits, and sums do not fit 32 bits.
        prop::collection::vec(1_000_000u32..1_500_000, 2..40)
            .prop_map(|entries| WeightTable::custom(entries, "heavy").unwrap()),
    ]
}

fn roundings() -> impl Strategy<Value = Rounding> {
    prop::sample::select(vec![Rounding::Floor, Rounding::NearestTiesUp])
}

/// Every sentence of the semantics about one execution.
fn check_records(execution: &SegmentExecution, after: &KvCache, rules: &DecodeRules) {
    let SegmentExecution {
        shape,
        steps,
        q,
        out,
        scores,
        rows,
        remainders,
        ..
    } = execution;
    let (s, d) = (steps.steps(), shape.head_dim());
    assert_eq!(scores.len() as u64, steps.lookup_claims(shape));
    assert_eq!(rows.len(), shape.query_heads() * s);
    let step = i64::from(rules.score_step.get());
    let last = rules.table.len() as i64 - 1;
    let bounds = rules.bounds(shape, steps.entries_after()).unwrap();
    for h in 0..shape.query_heads() {
        let g = shape.kv_head_of(h);
        for t in 0..s {
            let records = execution.scores_of(h, t);
            let row = rows[h * s + t];
            let query = &q[(h * s + t) * d..][..d];
            assert!(records.iter().any(|c| c.score == row.maximum));
            for (j, c) in records.iter().enumerate() {
                let products = query.iter().zip(after.k(g, j));
                let score: i64 = products.map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
                assert_eq!(c.score, score);
                let gap = row.maximum - c.score;
                assert_eq!(gap, step * c.quotient + c.remainder);
                assert!((0..step).contains(&c.remainder) && gap >= 0 && gap <= bounds.max_gap());
                assert!(c.quotient <= bounds.max_quotient());
                assert_eq!(i64::from(c.index), c.quotient.min(last));
                assert_eq!(rules.table.get(c.index as usize), Some(c.weight));
            }
            assert_eq!(
                row.denominator,
                records.iter().map(|c| i64::from(c.weight)).sum::<i64>()
            );
            assert!(row.denominator > 0 && row.denominator <= bounds.max_denominator());
            for i in 0..d {
                let numerator: i64 = (records.iter().enumerate())
                    .map(|(j, c)| i64::from(c.weight) * i64::from(after.v(g, j)[i]))
                    .sum();
                assert!(numerator.abs() <= bounds.max_numerator());
                let at = (h * s + t) * d + i;
                let divided = (i64::from(out[at]), remainders[at]);
                assert_eq!(rules.rounding.divide(numerator, row.denominator), divided);
                rules.value_bits.check(i32::from(out[at])).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_implementations_agree(
        trace in traces(), table in tables(), rounding in roundings(), step in 1u32..5000,
    ) {
        let step = ScoreStep::new(step).unwrap();
        let rules = trace.rules(rounding, Some(table), Some(step)).unwrap();
        let expected = decode(&trace, &rules).unwrap();
        let inputs = trace.segment(trace.step_range()).unwrap();
        let cache = KvCache::from_prefix(&trace);
        let (execution, after) = execute_segment(&cache, &inputs, &rules).unwrap();
        prop_assert_eq!(&execution.out, &expected);
        check_records(&execution, &after, &rules);
    }

    #[test]
    fn segments_join(trace in traces(), length in 1u32..7, rounding in roundings()) {
        let rules = trace.rules(rounding, None, None).unwrap();
        let expected = decode(&trace, &rules).unwrap();
        let (whole, d) = (trace.step_range(), trace.shape().head_dim());
        let mut cache = KvCache::from_prefix(&trace);
        for range in whole.segments(SegmentSteps::new(length).unwrap()) {
            let inputs = trace.segment(range).unwrap();
            let (execution, after) = execute_segment(&cache, &inputs, &rules).unwrap();
            // Nothing that was there has changed.
            for g in 0..trace.shape().kv_heads() {
                prop_assert!(after.keys(g).starts_with(cache.keys(g)));
                prop_assert!(after.values(g).starts_with(cache.values(g)));
            }
            let first = range.entries_before() - whole.entries_before();
            for (head, out) in execution.out.chunks(range.steps() * d).enumerate() {
                let from = (head * whole.steps() + first) * d;
                prop_assert_eq!(out, &expected[from..from + out.len()]);
            }
            cache = after;
        }
        prop_assert_eq!(cache.entries(), whole.entries_after());
    }
}

fn parts(bits: u8) -> AttentionTraceParts {
    AttentionTraceParts {
        shape: shape(1, 1, 2),
        value_bits: ValueBits::new(bits).unwrap(),
        steps: StepRange::new(1, 2).unwrap(),
        q: vec![3, 0, 0, 3],
        k: vec![1, 2, 2, 1],
        v: vec![5, -5, 7, -7],
        prefix_k: vec![0, 0],
        prefix_v: vec![-7, 7],
        metadata: TraceMetadata::default(),
    }
}

/// Worked by hand with the nine-entry table.
#[test]
fn by_hand() {
    let trace = AttentionTrace::new(parts(4)).unwrap();
    let rules = trace
        .rules(Rounding::Floor, Some(WeightTable::essay9()), None)
        .unwrap();
    assert_eq!(rules.score_step.get(), 1);
    let inputs = trace.segment(trace.step_range()).unwrap();
    let (execution, _) = execute_segment(&KvCache::from_prefix(&trace), &inputs, &rules).unwrap();
    // Step 0: scores 0, 3; gaps 3, 0; weights 91, 256; (91*-7 + 256*5) / 347 = 643 / 347.
    assert_eq!((execution.out[0], execution.remainders[0]), (1, 643 - 347));
    assert_eq!(
        (execution.out[1], execution.remainders[1]),
        (-2, -643 + 2 * 347)
    );
    // Step 1: scores 0, 6, 3; weights 32, 256, 91; (32*-7 + 256*5 + 91*7) / 379 = 1693 / 379.
    let weights: Vec<u32> = execution.scores_of(0, 1).iter().map(|c| c.weight).collect();
    assert_eq!(weights, [32, 256, 91]);
    assert_eq!(execution.out[2..], [4, -5]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let trace = AttentionTrace::new(parts(8)).unwrap();
    let rules = trace.rules(Rounding::Floor, None, None).unwrap();
    let inputs = trace.segment(trace.step_range()).unwrap();
    let cache = KvCache::from_prefix(&trace);
    let run =
        |cache: &KvCache, rules: &DecodeRules| execute_segment(cache, &inputs, rules).unwrap_err();

    let empty = KvCache::empty(trace.shape());
    let expected = RuntimeError::PositionMismatch {
        expected: 0,
        got: 1,
    };
    assert_eq!(run(&empty, &rules), expected);
    let other = KvCache::from_tensors(shape(2, 1, 2), 1, &[0, 0], &[0, 0]).unwrap();
    assert!(matches!(
        run(&other, &rules),
        RuntimeError::ShapeMismatch { .. }
    ));
    let nine = DecodeRules {
        value_bits: ValueBits::new(9).unwrap(),
        ..rules.clone()
    };
    assert!(matches!(
        run(&cache, &nine),
        RuntimeError::BitsMismatch { .. }
    ));
    assert!(matches!(
        decode(&trace, &nine),
        Err(RuntimeError::BitsMismatch { .. })
    ));
    let cached = KvCache::from_tensors(trace.shape(), 1, &[0, 0], &[0, -128]).unwrap();
    assert!(matches!(
        run(&cached, &rules),
        RuntimeError::ValueOutOfRange {
            tensor: "cached values",
            index: 1,
            value: -128,
            reason: QuantError::ValueIsExcludedMinimum { .. },
        }
    ));
    // At 12 bits two digits hold one weight of 2^23, and the last step has three.
    let wide = AttentionTrace::new(parts(12)).unwrap();
    let heavy = DecodeRules {
        table: WeightTable::custom(vec![1 << 23, 1], "heavy").unwrap(),
        ..wide.rules(Rounding::Floor, None, None).unwrap()
    };
    let too_large = RuntimeError::Quantity(QuantError::TooManyEntries {
        bits: 12,
        max_weight: 1 << 23,
        expected: 1,
        got: 3,
    });
    let inputs_of_wide = wide.segment(wide.step_range()).unwrap();
    assert_eq!(
        execute_segment(&cache, &inputs_of_wide, &heavy).unwrap_err(),
        too_large
    );
    assert_eq!(decode(&wide, &heavy), Err(too_large));

    for (p, s) in [(0, 1), (1, 3), (3, 1), (2, 2)] {
        let outside = trace.segment(StepRange::new(p, s).unwrap());
        assert!(matches!(
            outside,
            Err(RuntimeError::StepsOutsideTrace { .. })
        ));
    }
    let mut cache = cache;
    assert!(matches!(
        cache.append(&[1, 2], &[1]),
        Err(RuntimeError::WrongLength {
            tensor: "v",
            expected: 2,
            got: 1
        })
    ));
    assert_eq!(cache.entries(), 1);
    assert!(KvCache::from_tensors(trace.shape(), usize::MAX, &[], &[]).is_err());
    let short = SegmentInputs::new(
        trace.shape(),
        trace.value_bits(),
        trace.step_range(),
        vec![],
        vec![],
        vec![],
    );
    assert!(matches!(
        short,
        Err(RuntimeError::WrongLength { tensor: "q", .. })
    ));
}
