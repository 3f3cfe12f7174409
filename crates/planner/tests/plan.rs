//! The choice is the least of what is allowed, whatever there is to choose from.
#![allow(clippy::unwrap_used)]

use matchmark_graph::LayerGroups;
use matchmark_planner::bytes::BytesByPart;
use matchmark_planner::reference::MODEL;
use matchmark_planner::work::ChainWork;
use matchmark_planner::{Candidate, Limits, Objective, Plan, PlannerError, Request, Workload};
use matchmark_quant::{
    AttentionShape, HeadDim, KvHeads, QueryHeads, Rounding, ScoreStep, SegmentSteps, StepRange,
    ValueBits,
};
use matchmark_statement::{Cut, Profile, Security, SecurityLevel};
use matchmark_tables::WeightTable;
use proptest::prelude::*;

fn request(steps: u32, objective: Objective, limits: Limits) -> Request {
    let heads = (QueryHeads::new(4).unwrap(), KvHeads::new(2).unwrap());
    let dim = HeadDim::new(16).unwrap();
    Request {
        workload: Workload {
            shape: AttentionShape::new(heads.0, heads.1, dim).unwrap(),
            steps: StepRange::new(3, steps).unwrap(),
            value_bits: ValueBits::DEFAULT,
            score_step: ScoreStep::new(132).unwrap(),
            rounding: Rounding::NearestTiesUp,
            table: WeightTable::exp256_default().bounds(),
            decoder: None,
        },
        level: SecurityLevel::Conjectured100,
        objective,
        limits,
    }
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    // Few different numbers, so that there are ties.
    let one = (1_u32..20, 1_u64..6, 1_u64..6, 1_u64..6, 1_u32..4).prop_map(
        |(steps, bytes, memory, verify, cpu)| Candidate {
            cut: Cut::ALL[steps as usize % 2],
            groups: LayerGroups::ONE,
            segment_steps: steps,
            segments: 1,
            parts: 1,
            security: SecurityLevel::Conjectured100,
            profile: Profile::Compact,
            bytes,
            cpu_seconds: f64::from(cpu),
            memory_bytes: memory,
            verify_ms: verify as f64,
            latency_steps: steps,
            bytes_by_part: BytesByPart::default(),
        },
    );
    proptest::collection::vec(one, 1..40)
}

fn objectives() -> impl Strategy<Value = Objective> {
    proptest::sample::select(Objective::ALL.to_vec())
}

proptest! {
    #[test]
    fn choice_is_the_least_within_bounds(
        all in candidates(),
        objective in objectives(),
        memory in proptest::option::of(0_u64..6),
        latency in proptest::option::of(1_u32..20),
    ) {
        let limits = Limits {
            max_memory: memory,
            max_latency_steps: latency.map(|steps| SegmentSteps::new(steps).unwrap()),
        };
        let allowed: Vec<&Candidate> = all
            .iter()
            .filter(|one| memory.is_none_or(|most| one.memory_bytes <= most))
            .filter(|one| latency.is_none_or(|most| one.segment_steps <= most))
            .collect();
        match Plan::among(all.clone(), objective, &limits) {
            Ok(plan) => {
                prop_assert!(allowed.contains(&plan.choice()));
                for one in &allowed {
                    prop_assert!(plan.choice().cost(objective) <= one.cost(objective));
                    prop_assert!(plan.choice().compare(one, objective).is_le());
                }
                prop_assert_eq!(plan.candidates().len(), allowed.len());
                prop_assert_eq!(plan.excluded(), all.len() - allowed.len());
                let order = plan.candidates().windows(2);
                for pair in order {
                    prop_assert!(pair[0].compare(&pair[1], objective).is_le());
                }
            }
            Err(error) => {
                let typed = matches!(error, PlannerError::NothingFits { .. });
                prop_assert!(typed);
                prop_assert!(allowed.is_empty());
            }
        }
    }

    #[test]
    fn real_plans_respect_their_bounds(
        steps in 1_u32..300,
        objective in objectives(),
        latency in 1_u32..300,
    ) {
        let limits = Limits {
            max_memory: None,
            max_latency_steps: Some(SegmentSteps::new(latency).unwrap()),
        };
        let plan = Plan::new(&request(steps, objective, limits), &MODEL).unwrap();
        prop_assert!(plan.choice().segment_steps <= latency.min(steps));
        // The longest that is allowed is among them.
        let lengths = plan.candidates().iter().map(|one| one.segment_steps);
        prop_assert_eq!(lengths.max().unwrap(), latency.min(steps));
        prop_assert!(plan.candidates().len() + plan.excluded() <= 200);
        for one in plan.candidates() {
            let segments = u64::from(steps.div_ceil(one.segment_steps));
            prop_assert_eq!(one.segments, segments);
            let difference = one.bytes as f64 - one.bytes_by_part.total();
            prop_assert!(difference.abs() <= 0.5);
        }
    }
}

#[test]
fn memory_that_nothing_fits_into_names_the_tightest() {
    let limits = Limits {
        max_memory: Some(1 << 20),
        max_latency_steps: None,
    };
    let free = Plan::new(&request(16, Objective::Memory, Limits::default()), &MODEL).unwrap();
    let least = free.choice().memory_bytes;
    match Plan::new(&request(16, Objective::Bytes, limits), &MODEL) {
        Err(PlannerError::NothingFits {
            expected,
            got,
            candidate,
        }) => {
            assert_eq!((expected, got), (1 << 20, least));
            assert!(candidate.contains("step"), "{candidate}");
        }
        other => panic!("{other:?}"),
    }
    // With just as much, that one is the choice, and the reason names the bound.
    let limits = Limits {
        max_memory: Some(least),
        ..limits
    };
    let plan = Plan::new(&request(16, Objective::Bytes, limits), &MODEL).unwrap();
    assert_eq!(plan.choice().memory_bytes, least);
    assert!(plan.excluded() > 0);
    assert!(plan.reason().contains("Without the bound on memory"));
}

#[test]
fn levels_without_a_profile_and_shapes_that_cannot_be_proven() {
    let mut insecure = request(16, Objective::Bytes, Limits::default());
    insecure.level = SecurityLevel::Insecure13;
    let plan = Plan::new(&insecure, &MODEL).unwrap();
    assert!(plan
        .candidates()
        .iter()
        .all(|one| one.profile == Profile::Compact));
    let long = request(40_000, Objective::Bytes, Limits::default());
    assert!(matches!(
        Plan::new(&long, &MODEL),
        Err(PlannerError::Layout(_))
    ));
}

/// By hand: what is committed how often.
#[test]
fn work_of_a_chain() {
    let workload = request(10, Objective::Bytes, Limits::default()).workload;
    let security = Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap();
    let work_of = |cut: Cut, steps: u32| {
        let length = SegmentSteps::new(steps).unwrap();
        ChainWork::of(&workload, cut, length, security).unwrap()
    };
    let work = |steps: u32| work_of(Cut::Fused, steps);
    for (steps, segments, lengths) in [(10, 1, 1), (5, 2, 1), (4, 3, 2), (1, 10, 1)] {
        let work = work(steps);
        assert_eq!((work.segments, work.lengths), (segments, lengths));
        let points = f64::from(work.parts[0].structures[0].lifting_log_size()).exp2();
        let trees = 5 * segments + lengths + 1;
        assert!((work.prove(1)[2] - points * trees as f64).abs() < 1e-6);
        assert!((work.prove(1)[4] - 1024.0 * segments as f64).abs() < 1e-6);
        // The second core helps a single segment, and tries nonces in vain.
        let alone = work.prove(2)[4] > work.prove(1)[4];
        assert_eq!(alone, segments == 1);
        // Two at a time, where there are two.
        let ratio = work.memory(2)[1] / work.memory(1)[1];
        assert!((ratio - segments.min(2) as f64).abs() < 1e-9);
        // Split: the arithmetic proof has a tree of the pairs more. The lookup proof opens the same one, and
        // commits to a table, two trees and its composition.
        let split = work_of(Cut::Split, steps);
        let heights = split.parts[0].structures.iter();
        let points: Vec<f64> = heights
            .map(|structure| f64::from(structure.lifting_log_size()).exp2())
            .collect();
        let expected =
            points[0] * (trees + segments) as f64 + points[1] * (3 * segments + lengths) as f64;
        assert!((split.prove(1)[2] - expected).abs() < 1e-6);
        assert!((split.prove(1)[4] - 2.0 * 1024.0 * segments as f64).abs() < 1e-6);
    }
}
