//! The segments that are measured, and those that are predicted.

use serde_json::{json, Value};

use super::super::measure::Repetitions;

/// The security level where no other is named.
const LEVEL: &str = "proven-100";

/// A segment of a decoder.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in tables.
    pub name: String,
    /// The model, as the measuring program takes it.
    pub model: Value,
    /// Tokens in the cache before it.
    pub before: u32,
    /// Its tokens.
    pub steps: u32,
    /// Whether its token is decoded, not given.
    pub decoded: bool,
    /// The security level.
    pub level: &'static str,
    /// Its profile.
    pub profile: &'static str,
    /// How often it is proven, each time for a domain of its own.
    pub proofs: usize,
    /// How often it is verified at least.
    pub verifications: usize,
}

/// The cases of the trained model, in the order of [`super::measure::Trained`].
pub fn trained(source: &Value, repetitions: Repetitions) -> [Case; 7] {
    let case = |before, steps, profile| Case {
        name: format!("stories-2m, {steps} tokens"),
        model: source.clone(),
        before,
        steps,
        decoded: false,
        level: LEVEL,
        profile,
        proofs: repetitions.domains,
        verifications: repetitions.verifications,
    };
    [
        case(0, 64, "balanced"),
        case(0, 64, "compact"),
        Case {
            level: "conjectured-100",
            ..case(0, 64, "compact")
        },
        case(0, 64, "fast"),
        case(0, 64, "fastest"),
        case(0, 128, "balanced"),
        Case {
            name: "stories-2m, 1 token after 64".to_owned(),
            decoded: true,
            ..case(64, 1, "balanced")
        },
    ]
}

/// Sizes of a decoder: layers, width of the stream, heads, their dimension, MLP, vocabulary.
#[derive(Clone, Copy, Debug)]
pub struct Sizes(pub [u32; 6]);

impl Sizes {
    /// As the measuring program takes it, for so many positions.
    pub fn shape(self, positions: u32) -> Value {
        let [layers, hidden, heads, dim, mlp, vocabulary] = self.0;
        json!({
            "layers": layers,
            "hidden": hidden,
            "attention": { "query_heads": heads, "kv_heads": heads, "head_dim": dim },
            "mlp": mlp,
            "vocabulary": vocabulary,
            "positions": positions,
        })
    }
}

/// The shape of the trained model.
pub const STORIES_2M: Sizes = Sizes([2, 256, 4, 64, 704, 1024]);
/// The shape of the model `stories15M` of llama2.c, whose embedding and head are one matrix: here they
/// are two.
pub const STORIES_15M: Sizes = Sizes([6, 288, 6, 48, 768, 32_000]);
/// A model of the depth and width of the small GPT-2, in Llama's form, with Llama's vocabulary.
pub const SMALL_124M: Sizes = Sizes([12, 768, 12, 64, 2048, 32_000]);
/// The same with GPT-2's vocabulary.
pub const SMALL_124M_GPT2: Sizes = Sizes([12, 768, 12, 64, 2048, 50_257]);

/// Decoders of other sizes than the trained one, which the cost model is fitted to as well.
pub fn synthetic(repetitions: Repetitions) -> Vec<Case> {
    let sizes = [
        ([1, 64, 2, 32, 176, 512], 32, "fast"),
        ([2, 128, 4, 32, 352, 1024], 64, "balanced"),
        ([4, 192, 4, 48, 512, 4096], 16, "balanced"),
        ([4, 192, 4, 48, 512, 4096], 64, "balanced"),
        ([4, 256, 4, 64, 704, 8192], 32, "fast"),
        ([6, 256, 4, 64, 704, 8192], 64, "balanced"),
    ];
    let cases = sizes.into_iter().map(|(sizes, steps, profile)| {
        let [layers, hidden, ..] = sizes;
        let name = format!("{layers} layers of {hidden}, {steps} tokens");
        drawn(
            name,
            Sizes(sizes),
            steps,
            profile,
            repetitions.domains.min(3),
        )
    });
    cases.collect()
}

/// The case that is measured to see how far the prediction is off; not in the fit.
pub fn check() -> Case {
    let name = "15 M shape, 64 tokens".to_owned();
    drawn(name, STORIES_15M, 64, "fast", 1)
}

fn drawn(name: String, sizes: Sizes, steps: u32, profile: &'static str, proofs: usize) -> Case {
    Case {
        name,
        model: json!({ "synthetic": { "shape": sizes.shape(256) } }),
        before: 0,
        steps,
        decoded: false,
        level: LEVEL,
        profile,
        proofs,
        verifications: 2 * proofs,
    }
}

/// What is predicted: name, sizes, tokens in the cache at the end of the chain, profile. The first is the
/// shape that [`check`] measures.
pub const WANTED: [(&str, Sizes, u32, &str); 8] = [
    ("15 M", STORIES_15M, 64, "fast"),
    ("15 M", STORIES_15M, 64, "balanced"),
    ("15 M", STORIES_15M, 256, "balanced"),
    ("124 M", SMALL_124M, 64, "fast"),
    ("124 M", SMALL_124M, 64, "balanced"),
    ("124 M", SMALL_124M, 256, "fast"),
    ("124 M", SMALL_124M, 1024, "fast"),
    ("124 M, vocabulary of GPT-2", SMALL_124M_GPT2, 64, "fast"),
];

/// Tokens of a predicted segment.
pub const WANTED_STEPS: u32 = 64;

/// The same as the measuring program takes it.
pub fn wanted() -> Value {
    let rows = WANTED.iter().map(|(name, sizes, capacity, profile)| {
        json!({
            "name": name,
            "shape": sizes.shape(1024),
            "steps": WANTED_STEPS,
            "capacity": capacity,
            "level": LEVEL,
            "profile": profile,
        })
    });
    Value::Array(rows.collect())
}
