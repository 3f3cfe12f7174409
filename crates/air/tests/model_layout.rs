//! Layouts of models: how wide rows of weights are, and that whatever may be made a model has a layout.
#![allow(clippy::unwrap_used)]

use matchmark_air::layout::{LayoutError, SegmentLayout};
use matchmark_graph::{
    ArithmeticTerms, GatedArithmetic, Graph, MatrixArithmetic, ModelArithmetic,
    ModelArithmeticParts, ModelBounds, ModelShape, NormArithmetic, RotaryArithmetic,
    UniformArithmetic, ValuesArithmetic,
};
use matchmark_quant::{
    AccumulatorBounds, AttentionShape, CacheCapacity, GapBounds, HeadDim, HiddenSize, KvHeads,
    Layers, MlpSize, QuantError, QueryHeads, Rounding, ScoreStep, SegmentSteps, TableBounds,
    ValueBits, VocabularySize, MAX_LOG_ROWS,
};
use matchmark_statement::SegmentShape;
use proptest::prelude::*;

const TABLE: TableBounds = TableBounds {
    len: 256,
    max_weight: 2048,
};

/// Layers, hidden size, query heads, key/value heads, head dimension, MLP, vocabulary, positions.
fn shape(sizes: [u32; 8]) -> Result<ModelShape, QuantError> {
    let [layers, hidden, queries, keys, dim, mlp, vocabulary, positions] = sizes;
    ModelShape::new(
        Layers::new(layers)?,
        HiddenSize::new(hidden)?,
        AttentionShape::new(
            QueryHeads::new(queries)?,
            KvHeads::new(keys)?,
            HeadDim::new(dim)?,
        )?,
        MlpSize::new(mlp)?,
        VocabularySize::new(vocabulary)?,
        CacheCapacity::new(positions)?,
    )
}

fn arithmetic(shape: &ModelShape, bits: u8, step: u32) -> ModelArithmetic {
    let constants = UniformArithmetic {
        matrix: MatrixArithmetic {
            row_norm: 1000,
            bias: 1000,
        },
        stream: (5, 5),
        norm: NormArithmetic {
            shift: 11,
            epsilon: 1,
        },
        rotary: RotaryArithmetic { query: 5, key: 5 },
        values: ValuesArithmetic { shift: 5 },
        gated: GatedArithmetic {
            gate: 5,
            up: 5,
            product: 8,
        },
    };
    let (bits, step) = (ValueBits::new(bits), ScoreStep::new(step));
    let common = (bits.unwrap(), 12, step.unwrap());
    let graph = Graph::decoder(shape);
    let parts = ModelArithmeticParts::uniform(&graph, common, &constants);
    ModelArithmetic::new(parts).unwrap()
}

/// The layout of a segment of one token, in a chain of so many.
fn layout(
    shape: ModelShape,
    arithmetic: ArithmeticTerms,
    capacity: u32,
) -> Result<SegmentLayout, LayoutError> {
    let segment = SegmentShape::new(
        shape.all_layers_attention(),
        CacheCapacity::new(capacity).unwrap(),
        SegmentSteps::new(1).unwrap(),
    )
    .unwrap();
    SegmentLayout::new(
        segment,
        1,
        arithmetic.value_bits(),
        arithmetic.score_step(),
        Rounding::NearestTiesUp,
        TABLE,
    )?
    .with_decoder(shape, arithmetic)
}

/// Width of a row of weights, and log of the number of rows.
fn width(sizes: [u32; 8]) -> Result<(usize, u32), LayoutError> {
    let shape = shape(sizes).unwrap();
    let terms = *arithmetic(&shape, 8, 2000).terms();
    let layout = layout(shape, terms, 1)?;
    let decoder = layout.decoder().unwrap();
    Ok((decoder.width(), decoder.log_rows().linear))
}

/// `Llama-3.2-1B` with both matrices of its vocabulary: 1.5 billion weights, four times what rows of 96 have
/// room for.
const LLAMA_1B: [u32; 8] = [16, 2048, 32, 8, 64, 8192, 128_256, 255];

#[test]
fn rows_grow_where_the_height_is_too_large() {
    // Nothing that fitted is any wider.
    assert_eq!(width([5, 256, 4, 4, 64, 704, 2048, 256]), Ok((86, 16)));
    // 96 times 2^22 weights are about 403 million.
    assert_eq!(shape(LLAMA_1B).unwrap().weights(), 1_498_415_104);
    assert_eq!(width(LLAMA_1B), Ok((373, MAX_LOG_ROWS)));
}

#[test]
fn a_model_that_no_row_is_wide_enough_for_is_refused_when_it_is_made() {
    let mut sizes = LLAMA_1B;
    sizes[0] = 32;
    let tall = shape(sizes).unwrap();
    let refusal = ModelBounds::new(&tall, &arithmetic(&tall, 8, 2000));
    assert!(matches!(
        refusal,
        Err(QuantError::TooManyRows { component: "linear", expected, got })
            if expected == 1 << MAX_LOG_ROWS && got > expected
    ));
    assert_eq!(
        width(sizes),
        Err(LayoutError::TooManyRows {
            component: "linear",
            expected: MAX_LOG_ROWS,
            got: MAX_LOG_ROWS + 1
        })
    );
}

proptest! {
    /// The bounds that a model is made with leave nothing for the layout to refuse in a chain of one token,
    /// and none of accumulators and gaps in one of all its positions.
    #[test]
    fn whatever_may_be_made_has_a_layout(
        layers in 1u32..=64, hidden in 1u32..=8192, keys in 1u32..=8, group in 1u32..=4, half in 1u32..=256,
        mlp in 1u32..=30_000, vocabulary in 2u32..=1 << 20, positions in 1u32..=1 << 12,
        bits in 4u8..=12, step in 1u32..=1 << 22, biased: bool,
    ) {
        let sizes = [layers, hidden, keys * group, keys, 2 * half, mlp, vocabulary, positions];
        let Ok(shape) = shape(sizes) else { return Ok(()) };
        let shape = shape.with_attention_bias(biased);
        let arithmetic = arithmetic(&shape, bits, step);
        let made = || -> Result<(), QuantError> {
            ModelBounds::new(&shape, &arithmetic)?;
            let (bits, step) = (arithmetic.value_bits(), arithmetic.score_step());
            let bounds =
                AccumulatorBounds::new(&shape.attention(), shape.capacity(), bits, step, TABLE)?;
            GapBounds::new(&bounds, step, TABLE.len)?;
            Ok(())
        };
        if made().is_err() {
            return Ok(());
        }
        let of_one = layout(shape, *arithmetic.terms(), 1);
        prop_assert!(of_one.is_ok(), "{of_one:?}");
        let of_all = layout(shape, *arithmetic.terms(), positions);
        let is_fine = matches!(
            of_all,
            Ok(_) | Err(LayoutError::TooManyRows { component: "scores" | "cache", .. })
        );
        prop_assert!(is_fine, "{of_all:?}");
    }
}
