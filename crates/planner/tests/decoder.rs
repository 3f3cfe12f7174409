//! Decoders: the reference coefficients against the measured segments that they are fitted to.
#![allow(clippy::unwrap_used)]

use matchmark_graph::{LayerGroups, ModelArithmetic, ModelShape};
use matchmark_models::synthetic_arithmetic;
use matchmark_planner::fit::non_negative;
use matchmark_planner::reference::DECODER;
use matchmark_planner::work::ChainWork;
use matchmark_planner::{CostModel, Decoder, Limits, Objective, Plan, Request, Workload};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_runtime::TableResolution;
use matchmark_statement::{Cut, Profile, Security, SecurityLevel};

/// A decoder of these sizes (layers, width of the stream, heads, their dimension, MLP, vocabulary).
fn decoder([layers, hidden, heads, dim, mlp, vocabulary]: [u32; 6]) -> Decoder {
    let shape = ModelShape::new(
        Layers::new(layers).unwrap(),
        HiddenSize::new(hidden).unwrap(),
        AttentionShape::new(
            QueryHeads::new(heads).unwrap(),
            KvHeads::new(heads).unwrap(),
            HeadDim::new(dim).unwrap(),
        )
        .unwrap(),
        MlpSize::new(mlp).unwrap(),
        VocabularySize::new(vocabulary).unwrap(),
        CacheCapacity::new(256).unwrap(),
    )
    .unwrap();
    let bits = ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS).unwrap();
    Decoder {
        shape,
        arithmetic: *synthetic_arithmetic(shape, bits).unwrap().terms(),
    }
}

/// So many steps of a decoder, all of them in a cache that ends with them.
fn workload(decoder: Decoder, prompt: u32, tokens: u32) -> Workload {
    let bits = decoder.arithmetic.value_bits();
    let table = TableResolution::for_bits(bits).unwrap().table().unwrap();
    Workload::of_model(decoder, table.bounds(), prompt, tokens).unwrap()
}

/// A segment that `docs/figures.md` has: sizes, entries before it, steps, level and profile, and what was measured of
/// it: seconds, GiB, milliseconds.
type Measured = ([u32; 6], u32, u32, SecurityLevel, Profile, [f64; 3]);

const STORIES: [u32; 6] = [2, 256, 4, 64, 704, 1024];
/// Four that were measured are left out: their choice, their stream or their gates have lanes since, so that their trees
/// have fewer cells.
const MEASURED: [Measured; 9] = {
    use Profile::{Balanced, Compact, Fast, Fastest};
    use SecurityLevel::{Conjectured100, Proven100};
    const LARGE: [u32; 6] = [4, 192, 4, 48, 512, 4096];
    const fn proven(
        sizes: [u32; 6],
        before: u32,
        steps: u32,
        profile: Profile,
        measured: [f64; 3],
    ) -> Measured {
        (sizes, before, steps, Proven100, profile, measured)
    }
    [
        proven(STORIES, 0, 64, Balanced, [2.88, 1.54, 5.4]),
        proven(STORIES, 0, 64, Compact, [4.81, 2.88, 5.0]),
        (STORIES, 0, 64, Conjectured100, Compact, [4.37, 2.88, 3.7]),
        proven(STORIES, 0, 64, Fast, [1.75, 0.87, 6.9]),
        proven(STORIES, 0, 64, Fastest, [1.33, 0.54, 11.2]),
        proven(STORIES, 64, 1, Balanced, [0.89, 0.52, 5.6]),
        proven([1, 64, 2, 32, 176, 512], 0, 32, Fast, [0.38, 0.23, 6.4]),
        proven(
            [2, 128, 4, 32, 352, 1024],
            0,
            64,
            Balanced,
            [1.49, 0.81, 5.2],
        ),
        proven(LARGE, 0, 16, Balanced, [1.32, 0.80, 5.7]),
    ]
};
const GIB: f64 = 1_073_741_824.0;

/// One segment of a chain whose common trees are there.
fn segment((sizes, before, steps, level, profile, _): &Measured) -> ChainWork {
    let security = Security::new(*level, *profile).unwrap();
    let workload = workload(decoder(*sizes), before + steps, 1);
    let length = SegmentSteps::new(*steps).unwrap();
    ChainWork {
        segments: 1,
        lengths: 0,
        ..ChainWork::of(&workload, Cut::Fused, length, security).unwrap()
    }
}

fn fit<const N: usize>(
    features: impl Fn(&ChainWork) -> [f64; N],
    cost: impl Fn(&[f64; 3]) -> f64,
) -> [f64; N] {
    let rows = MEASURED
        .iter()
        .map(|it| (features(&segment(it)), cost(&it.5)));
    non_negative(&rows.collect::<Vec<_>>())
}

#[test]
fn the_reference_is_the_fit_to_what_was_measured() {
    let fitted = CostModel {
        cores: 2,
        prove: fit(|it| it.prove(2), |it| it[0]),
        memory: fit(|it| it.memory(2), |it| it[1] * GIB),
        verify: fit(ChainWork::verify, |it| it[2]),
    };
    let close = |got: &[f64], reference: &[f64]| {
        let mut pairs = got.iter().zip(reference);
        pairs.all(|(got, reference)| (got - reference).abs() <= 0.005 * reference)
    };
    assert!(
        close(&fitted.prove, &DECODER.prove)
            && close(&fitted.memory, &DECODER.memory)
            && close(&fitted.verify, &DECODER.verify),
        "{fitted:?}"
    );
}

/// What `matchmark plan --model` says of its own uncertainty.
#[test]
fn how_far_predictions_are_off() {
    let off = |measured: &Measured| {
        let costs = DECODER.predict(&segment(measured));
        let [cpu, memory, verify] = measured.5;
        [
            costs.cpu_seconds / cpu,
            costs.memory_bytes / (memory * GIB),
            costs.verify_ms / verify,
        ]
    };
    for measured in &MEASURED {
        let [cpu, memory, verify] = off(measured);
        assert!((cpu - 1.0).abs() < 0.2, "{measured:?}: {cpu}");
        assert!((memory - 1.0).abs() < 0.03, "{measured:?}: {memory}");
        assert!((verify - 1.0).abs() < 0.2, "{measured:?}: {verify}");
    }
}

#[test]
fn layouts_are_those_that_were_measured() {
    let cells = |measured: &Measured| {
        let work = segment(measured);
        let [structure] = &work.parts[0].structures[..] else {
            panic!("a decoder's segment is one proof");
        };
        let committed = structure.column_log_sizes().iter().flatten();
        let composition =
            8_u64 << (structure.lifting_log_size() - structure.parameters().log_blowup);
        committed.map(|log| 1_u64 << log).sum::<u64>() + composition
    };
    // What was measured had other tables, and somewhat fewer cells by the relation of then.
    for (index, expected) in [(0, 26_106_656_u64), (5, 5_939_904)] {
        let got = cells(&MEASURED[index]);
        assert!(got.abs_diff(expected) * 100 < 4 * expected, "{got}");
    }
}

fn plan(objective: Objective, limits: Limits) -> Plan {
    let request = Request {
        workload: workload(decoder(STORIES), 5, 60),
        level: SecurityLevel::Conjectured100,
        objective,
        limits,
    };
    Plan::new(&request, &DECODER).unwrap()
}

#[test]
fn chains_of_a_decoder_are_planned() {
    let bytes = plan(Objective::Bytes, Limits::default());
    // Both cuts are weighed; a second proof has more bytes.
    for cut in Cut::ALL {
        assert!(bytes.candidates().iter().any(|it| it.cut == cut), "{cut}");
    }
    let choice = bytes.choice();
    assert_eq!(choice.cut, Cut::Fused);
    assert_eq!((choice.segments, choice.segment_steps), (1, 64));
    assert_eq!(choice.profile, Profile::Compact);
    // The proof of 64 tokens in `docs/figures.md`.
    let ratio = choice.bytes_by_part.total() / 145_452.0;
    assert!((ratio - 1.0).abs() < 0.03, "{ratio}");
    // The model is committed once, whatever the number of segments.
    let one = |steps| {
        let mut all = bytes.candidates().iter();
        let of = |it: &&matchmark_planner::Candidate| {
            let is_fused = it.cut == Cut::Fused;
            is_fused && it.segment_steps == steps && it.profile == Profile::Balanced
        };
        all.find(of).unwrap().cpu_seconds
    };
    assert!(one(64) < one(1));
    let least = plan(Objective::Memory, Limits::default());
    assert!(least.choice().memory_bytes < choice.memory_bytes);
    let limits = Limits {
        max_memory: Some(1 << 30),
        max_latency_steps: None,
    };
    let within = plan(Objective::Bytes, limits);
    assert!(within.choice().memory_bytes <= 1 << 30);
    assert!(within.excluded() > 0);
}

/// Cut by layers, a decoder takes less memory and more bytes: the choice follows the bound, and every way to cut it is
/// among the candidates.
#[test]
fn memory_is_bounded_by_groups_of_layers() {
    let decoder = decoder([6, 192, 4, 48, 512, 4096]);
    let mut request = Request {
        workload: workload(decoder, 64, 65),
        level: SecurityLevel::Proven100,
        objective: Objective::Bytes,
        limits: Limits::default(),
    };
    let free = Plan::new(&request, &DECODER).unwrap();
    assert_eq!(free.choice().groups, LayerGroups::ONE);
    let counts = |plan: &Plan| {
        let groups = plan.candidates().iter().map(|it| it.groups.get());
        groups.collect::<std::collections::BTreeSet<u16>>()
    };
    assert_eq!(counts(&free), [1, 2, 3, 6].into());
    for one in free.candidates() {
        let groups = u64::from(one.groups.get());
        assert_eq!(one.parts, one.segments * groups);
        // The cut into proofs is for those that are not cut by layers.
        assert!(groups == 1 || one.cut == Cut::Fused);
    }
    request.limits.max_memory = Some(free.choice().memory_bytes / 2);
    request.limits.max_latency_steps = None;
    let bounded = Plan::new(&request, &DECODER).unwrap();
    assert!(bounded.choice().memory_bytes <= free.choice().memory_bytes / 2);
    assert!(bounded.choice().bytes > free.choice().bytes);
    // At equal length and profile: less memory, and more bytes and proofs.
    let find = |groups: u16| {
        let mut all = free.candidates().iter();
        let profile = Profile::Fast;
        all.find(|it| {
            (it.groups.get(), it.segment_steps, it.profile, it.cut)
                == (groups, 128, profile, Cut::Fused)
        })
        .unwrap()
    };
    let (one, three) = (find(1), find(3));
    assert!(three.memory_bytes < one.memory_bytes);
    assert!(three.bytes > one.bytes && three.verify_ms > one.verify_ms);
}
