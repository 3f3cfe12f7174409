//! What answers of chat models would cost, by their sizes alone: the table of `docs/figures.md`, "Larger chat models".
//!
//! ```sh
//! cargo run --release -p matchmark-planner --example chat_models
//! ```

use matchmark_graph::{ModelArithmetic, ModelShape};
use matchmark_models::synthetic_arithmetic;
use matchmark_planner::{reference, Decoder, Limits, Objective, Plan, Request, Workload};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    ValueBits, VocabularySize,
};
use matchmark_runtime::TableResolution;
use matchmark_statement::SecurityLevel;

const GIB: f64 = (1_u64 << 30) as f64;
/// Tokens of an answer, and of the conversation before it.
const ANSWER: u32 = 64;
const GIVEN: u32 = 65;

struct Model {
    name: &'static str,
    layers: u32,
    heads: u32,
    kv_heads: u32,
    mlp: u32,
    vocabulary: u32,
    biased: bool,
}

const MODELS: [Model; 3] = [
    Model {
        name: "SmolLM2-135M",
        layers: 30,
        heads: 9,
        kv_heads: 3,
        mlp: 1536,
        vocabulary: 49_152,
        biased: false,
    },
    Model {
        name: "Qwen2.5-0.5B",
        layers: 24,
        heads: 14,
        kv_heads: 2,
        mlp: 4864,
        vocabulary: 151_936,
        biased: true,
    },
    Model {
        name: "Llama-3.2-1B",
        layers: 16,
        heads: 32,
        kv_heads: 8,
        mlp: 8192,
        vocabulary: 128_256,
        biased: false,
    },
];

type Failure = Box<dyn std::error::Error>;

/// Heads have 64 values in all of them.
fn shape(model: &Model) -> Result<ModelShape, Failure> {
    let shape = ModelShape::new(
        Layers::new(model.layers)?,
        HiddenSize::new(model.heads * 64)?,
        AttentionShape::new(
            QueryHeads::new(model.heads)?,
            KvHeads::new(model.kv_heads)?,
            HeadDim::new(64)?,
        )?,
        MlpSize::new(model.mlp)?,
        VocabularySize::new(model.vocabulary)?,
        CacheCapacity::new(2048)?,
    )?;
    Ok(shape.with_attention_bias(model.biased))
}

fn main() -> Result<(), Failure> {
    println!("| model | weights | memory, at most | groups | steps | parts | bytes a token | CPU-s a token | memory | verifying |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for model in &MODELS {
        let shape = shape(model)?;
        let bits = ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS)?;
        let decoder = Decoder {
            shape,
            arithmetic: *synthetic_arithmetic(shape, bits)?.terms(),
        };
        let table = TableResolution::for_bits(bits)?.table()?;
        for gib in [8_u64, 16, 64] {
            let request = Request {
                workload: Workload::of_model(decoder, table.bounds(), GIVEN, ANSWER)?,
                level: SecurityLevel::Proven100,
                objective: Objective::Prove,
                limits: Limits {
                    max_memory: Some(gib << 30),
                    max_latency_steps: None,
                },
            };
            let (name, weights) = (model.name, shape.weights());
            match Plan::new(&request, &reference::DECODER) {
                Err(error) => {
                    println!("| {name} | {weights} | {gib} GiB | - | - | - | - | - | - | {error} |")
                }
                Ok(plan) => {
                    let one = plan.choice();
                    #[allow(clippy::cast_precision_loss)] // Far below 2^52.
                    let [bytes, memory] = [one.bytes, one.memory_bytes].map(|it| it as f64);
                    let steps = f64::from(GIVEN + ANSWER - 1);
                    println!(
                        "| {name} | {weights} | {gib} GiB | {} | {} | {} | {:.0} | {:.2} | {:.2} GiB | {:.0} ms |",
                        one.groups,
                        one.segment_steps,
                        one.parts,
                        bytes / steps,
                        one.cpu_seconds / steps,
                        memory / GIB,
                        one.verify_ms,
                    );
                }
            }
        }
    }
    Ok(())
}
