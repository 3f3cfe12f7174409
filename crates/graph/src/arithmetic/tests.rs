//! Every number of an arithmetic is checked, and counts.
#![allow(clippy::unwrap_used)]

use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    VocabularySize,
};

use super::*;
use crate::ModelShape;

fn graph() -> Graph {
    let shape = ModelShape::new(
        Layers::new(2).unwrap(),
        HiddenSize::new(6).unwrap(),
        AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(8).unwrap(),
        )
        .unwrap(),
        MlpSize::new(5).unwrap(),
        VocabularySize::new(11).unwrap(),
        CacheCapacity::new(64).unwrap(),
    );
    Graph::decoder(&shape.unwrap().with_attention_bias(true))
}

/// Constants of which no two of a node are equal.
fn parts() -> ModelArithmeticParts {
    let bits = ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS).unwrap();
    let common = (bits, 14, ScoreStep::new(100).unwrap());
    let constants = UniformArithmetic {
        matrix: MatrixArithmetic {
            row_norm: 1000,
            bias: 70,
        },
        stream: (8, 9),
        norm: NormArithmetic {
            shift: 12,
            epsilon: 300,
        },
        rotary: RotaryArithmetic { query: 5, key: 6 },
        values: ValuesArithmetic { shift: 7 },
        gated: GatedArithmetic {
            gate: 9,
            up: 10,
            product: 11,
        },
    };
    ModelArithmeticParts::uniform(&graph(), common, &constants)
}

fn with(change: impl FnOnce(&mut ModelArithmeticParts)) -> Result<ModelArithmetic, QuantError> {
    let mut parts = parts();
    change(&mut parts);
    ModelArithmetic::new(parts)
}

#[test]
fn nodes_have_their_constants() {
    let arithmetic = with(|it| it.stream_mut(2).norm.shift = 15).unwrap();
    let graph = graph();
    let stages = graph
        .of(Kind::Stream)
        .iter()
        .map(|id| *arithmetic.stream(*id));
    let stages: Vec<_> = stages
        .map(|it| (it.shift, it.before, it.norm.shift))
        .collect();
    let (first, other) = ((1, None, 12), (8, Some(9), 12));
    assert_eq!(stages, [first, other, (8, Some(9), 15), other, other]);
    assert!(arithmetic.check_graph(&graph).is_ok());
}

#[test]
fn ranges() {
    let arithmetic = with(|_| {}).unwrap();
    let terms = *arithmetic.terms();
    let stream = terms.stream(3);
    assert_eq!((stream.min(), stream.max()), (-(1 << 15), (1 << 15) - 1));
    assert_eq!(stream.excess_bits(), 27);
    let rotary = terms.rotary_input(3);
    assert_eq!((rotary.min(), rotary.max()), (-(1 << 12), (1 << 12) - 1));
    let gated = terms.gated(3);
    assert_eq!((gated.min(), gated.max()), (-(1 << 12), (1 << 12) - 1));
    assert_eq!(terms.value(3).max(), 1023);
    assert_eq!(
        (terms.rotation().shift(), terms.rotation().max()),
        (14, 1023)
    );
    let norm = NormArithmetic {
        shift: 13,
        epsilon: 150,
    };
    let norm = terms.norm(norm, 7);
    assert_eq!(
        (norm.shift(), norm.max(), norm.excess_bits()),
        (20, 1023, 6)
    );
}

/// The sum of squares of 1 channel is below `2^14 * 4^1` with any epsilon below `2^15`, and not with
/// `2^15` itself, whichever normalization has it.
#[test]
fn the_larger_epsilon_decides_the_exponent() {
    let limit = 1 << 15;
    for (first, second, exponent) in [
        (limit - 1, limit - 1, 1),
        (limit, 0, 2),
        (0, limit, 2),
        (limit, limit, 2),
    ] {
        let arithmetic = with(|it| {
            it.stream_mut(2).norm.epsilon = first;
            it.stream_mut(3).norm.epsilon = second;
        });
        let got = arithmetic.unwrap().max_norm_exponent(1);
        assert_eq!(got, exponent, "{first} {second}");
    }
}

#[test]
fn every_number_is_checked() {
    /// Sets a number; the least and the largest that it can be.
    type Case = (fn(&mut ModelArithmeticParts, u8), u8, u8);
    let changes: [Case; 10] = [
        (|it, x| it.rotary_mut(1).query = x, 1, 14),
        (|it, x| it.rotary_mut(1).key = x, 1, 14),
        (|it, x| it.values_mut(1).shift = x, 1, 14),
        (|it, x| it.stream_mut(1).shift = x, 1, 14),
        (|it, x| it.stream_mut(1).before = Some(x), 0, 14),
        (|it, x| it.stream_mut(1).norm.shift = x, 11, 16),
        (|it, x| it.gated_mut(1).gate = x, 1, 14),
        (|it, x| it.gated_mut(1).up = x, 1, 14),
        (|it, x| it.gated_mut(1).product = x, 1, 14),
        (|it, x| it.rotation = x, 1, 14),
    ];
    for (index, (change, low, high)) in changes.into_iter().enumerate() {
        assert!(with(|it| change(it, low)).is_ok(), "{index}");
        assert!(with(|it| change(it, high)).is_ok(), "{index}");
        assert!(with(|it| change(it, high + 1)).is_err(), "{index}");
        if let Some(below) = low.checked_sub(1) {
            assert!(with(|it| change(it, below)).is_err(), "{index}");
        }
    }
    assert!(with(|it| it.stream_mut(4).norm.epsilon = (1 << 20) - 1).is_ok());
    assert!(with(|it| it.stream_mut(4).norm.epsilon = 1 << 20).is_err());
}

#[test]
fn constants_are_those_of_the_graph() {
    let graph = graph();
    type Change = fn(&mut ModelArithmeticParts);
    let changes: [Change; 6] = [
        |it| it.nodes.truncate(2),
        |it| it.nodes.swap(3, 4),
        |it| it.stream_mut(1).before = None,
        |it| it.stream_mut(0).shift = 2,
        |it| it.linear_mut(1).matrices.truncate(1),
        // The output projection has no biases.
        |it| it.linear_mut(3).matrices[0].bias = 1,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let arithmetic = with(change).unwrap();
        assert!(arithmetic.check_graph(&graph).is_err(), "{index}");
    }
}

/// Every number that can change changes the identity.
#[test]
fn the_identity_is_of_all_numbers() {
    let graph = graph();
    let numbers = parts().numbers();
    assert_eq!(numbers.len(), ModelArithmeticParts::numbers_for(&graph));
    let read = |numbers: &[u32]| ModelArithmeticParts::from_numbers(&graph, numbers);
    assert_eq!(read(&numbers), Ok(parts()));
    for end in 0..numbers.len() {
        assert!(read(&numbers[..end]).is_err());
    }
    assert!(read(&[&numbers[..], &[0]].concat()).is_err());
    let identity = |numbers: &[u32]| {
        let arithmetic = ModelArithmetic::new(read(numbers).unwrap());
        arithmetic.unwrap().terms().identity()
    };
    let own = identity(&numbers);
    for index in 0..numbers.len() {
        let mut other = numbers.clone();
        // Where it can, a number goes down: some are the largest.
        other[index] = numbers[index].checked_sub(1).unwrap_or(1);
        assert_ne!(identity(&other), own, "{index}");
    }
    // Two layers of which constants are exchanged.
    let one = with(|it| it.rotary_mut(0).query += 1).unwrap();
    let other = with(|it| it.rotary_mut(1).query += 1).unwrap();
    assert_ne!(one.terms().identity(), other.terms().identity());
}

#[test]
fn serde_refuses_what_new_refuses() {
    let good = with(|_| {}).unwrap();
    let json = serde_json::to_string(&good).unwrap();
    let read: ModelArithmetic = serde_json::from_str(&json).unwrap();
    assert_eq!(read, good);
    assert!(json.contains("\"product\":11"));
    let bad = json.replace("\"product\":11", "\"product\":15");
    assert!(serde_json::from_str::<ModelArithmetic>(&bad).is_err());
    let terms = serde_json::to_string(good.terms()).unwrap();
    let read: ArithmeticTerms = serde_json::from_str(&terms).unwrap();
    assert_eq!(read, *good.terms());
    let bad = terms.replace("\"rotation\":14", "\"rotation\":15");
    assert!(serde_json::from_str::<ArithmeticTerms>(&bad).is_err());
}
