//! Decoders: the reference coefficients against the measured segments that they are fitted to.
#![allow(clippy::unwrap_used)]

use matchmark_models::synthetic_arithmetic;
use matchmark_planner::fit::non_negative;
use matchmark_planner::reference::DECODER;
use matchmark_planner::work::ChainWork;
use matchmark_planner::{CostModel, Decoder, Limits, Objective, Plan, Request, Workload};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, ModelArithmetic,
    ModelShape, QueryHeads, SegmentSteps, ValueBits, VocabularySize,
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
        arithmetic: synthetic_arithmetic(shape, bits).unwrap(),
    }
}

/// So many steps of a decoder, all of them in a cache that ends with them.
fn workload(decoder: Decoder, prompt: u32, tokens: u32) -> Workload {
    let bits = decoder.arithmetic.value_bits();
    let table = TableResolution::for_bits(bits).unwrap().table().unwrap();
    Workload::of_model(decoder, table.bounds(), prompt, tokens).unwrap()
}

/// A segment that `docs/figures.md` has: sizes, entries before it, steps, profile, and what was measured of
/// it: seconds, GiB, milliseconds.
type Measured = ([u32; 6], u32, u32, Profile, [f64; 3]);

const STORIES: [u32; 6] = [2, 256, 4, 64, 704, 1024];
const MEASURED: [Measured; 11] = {
    use Profile::{Balanced, Compact, Fast};
    let large = [4, 192, 4, 48, 512, 4096];
    [
        (STORIES, 0, 64, Balanced, [1.90, 1.54, 2.7]),
        (STORIES, 0, 64, Compact, [2.99, 2.88, 2.4]),
        (STORIES, 0, 64, Fast, [1.19, 0.87, 3.2]),
        (STORIES, 0, 128, Balanced, [3.89, 3.03, 2.8]),
        (STORIES, 64, 1, Balanced, [0.43, 0.52, 2.6]),
        ([1, 64, 2, 32, 176, 512], 0, 32, Fast, [0.21, 0.22, 3.1]),
        (
            [2, 128, 4, 32, 352, 1024],
            0,
            64,
            Balanced,
            [0.88, 0.81, 2.7],
        ),
        (large, 0, 16, Balanced, [0.74, 0.80, 3.0]),
        (large, 0, 64, Balanced, [3.03, 2.60, 3.1]),
        ([4, 256, 4, 64, 704, 8192], 0, 32, Fast, [1.93, 1.46, 4.0]),
        (
            [6, 256, 4, 64, 704, 8192],
            0,
            64,
            Balanced,
            [6.73, 5.62, 3.5],
        ),
    ]
};
/// One that is not in the fit.
const LARGER: Measured = (
    [6, 288, 6, 48, 768, 32_000],
    0,
    64,
    Profile::Fast,
    [11.85, 8.05, 6.4],
);

const GIB: f64 = 1_073_741_824.0;

/// One segment of a chain whose common trees are there.
fn segment((sizes, before, steps, profile, _): &Measured) -> ChainWork {
    let security = Security::new(SecurityLevel::Conjectured100, *profile).unwrap();
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
        .map(|it| (features(&segment(it)), cost(&it.4)));
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
        let [cpu, memory, verify] = measured.4;
        [
            costs.cpu_seconds / cpu,
            costs.memory_bytes / (memory * GIB),
            costs.verify_ms / verify,
        ]
    };
    for measured in &MEASURED {
        let [cpu, memory, verify] = off(measured);
        assert!((cpu - 1.0).abs() < 0.1, "{measured:?}: {cpu}");
        assert!((memory - 1.0).abs() < 0.03, "{measured:?}: {memory}");
        assert!((verify - 1.0).abs() < 0.25, "{measured:?}: {verify}");
    }
    let [cpu, memory, verify] = off(&LARGER);
    assert!((0.75..0.8).contains(&cpu), "{cpu}");
    assert!((0.97..1.03).contains(&memory), "{memory}");
    assert!((0.5..0.6).contains(&verify), "{verify}");
}

#[test]
fn layouts_are_those_that_were_measured() {
    let cells = |measured: &Measured| {
        let work = segment(measured);
        let [structure] = &work.segment.structures[..] else {
            panic!("a decoder's segment is one proof");
        };
        let committed = structure.column_log_sizes().iter().flatten();
        let composition =
            8_u64 << (structure.lifting_log_size() - structure.parameters().log_blowup);
        committed.map(|log| 1_u64 << log).sum::<u64>() + composition
    };
    assert_eq!(cells(&MEASURED[10]), 91_051_296);
    // The trained model has another largest exponent of weights than a synthetic one, hence other tables.
    for (index, expected) in [(0, 26_106_656_u64), (3, 51_172_640), (4, 5_939_904)] {
        let got = cells(&MEASURED[index]);
        assert!(got.abs_diff(expected) * 100 < expected, "{got}");
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
    let ratio = choice.bytes_by_part.total() / 140_806.0;
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
