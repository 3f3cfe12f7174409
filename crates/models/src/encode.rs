//! The canonical encoding of a model, and the identity that is its digest.

use matchmark_graph::{ModelArithmetic, ModelShape};
use matchmark_quant::{Scale, TaggedSha256};
use matchmark_tables::{ActivationTable, RotaryTable, TableKind, WeightTable};

use crate::bytes::{encode_bytes, encode_u32};
use crate::{LayerScales, Matrix, ModelId, ModelParts, ModelPrefix, ModelScales, ModelTables};

const TAG: &str = "matchmark/model/v3";

/// The identity: SHA-256 under a tag of the canonical encoding.
pub(crate) fn identity(parts: &ModelParts) -> ModelId {
    identity_of(&encode(parts))
}

/// The identity of encoded parts.
pub(crate) fn identity_of(encoding: &[u8]) -> ModelId {
    ModelId::from_bytes(TaggedSha256::new(TAG).chain(encoding).finish())
}

/// The canonical encoding. Numbers are little-endian; every length that does not follow from what
/// stands before it is written. The matrices are those of the shape's graph, in its order.
pub(crate) fn encode(parts: &ModelParts) -> Vec<u8> {
    // Structs are taken apart exhaustively here and below, so that a new field has its place.
    let ModelParts {
        shape,
        arithmetic,
        prefix,
        embedding,
        matrices,
        tables,
        scales,
        tokenizer,
    } = parts;
    let mut out = Vec::new();
    encode_shape(&mut out, shape);
    encode_arithmetic(&mut out, arithmetic);
    encode_scales(&mut out, scales);
    encode_tables(&mut out, tables);
    tokenizer.append_encoding(&mut out);
    encode_prefix(&mut out, prefix);
    for entry in embedding {
        out.extend_from_slice(&entry.to_le_bytes());
    }
    for matrix in matrices {
        encode_matrix(&mut out, matrix);
    }
    out
}

fn encode_shape(out: &mut Vec<u8>, shape: &ModelShape) {
    for number in shape.numbers() {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// All numbers of the arithmetic; how many there are follows from the shape.
fn encode_arithmetic(out: &mut Vec<u8>, arithmetic: &ModelArithmetic) {
    for number in arithmetic.parts().numbers() {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// The tokens, then keys and values by head, position and dimension.
fn encode_prefix(out: &mut Vec<u8>, prefix: &ModelPrefix) {
    let ModelPrefix { tokens, cache } = prefix;
    encode_u32(out, tokens.len());
    for token in tokens {
        out.extend_from_slice(&token.to_le_bytes());
    }
    let heads = 0..cache.shape().kv_heads();
    let keys = heads.clone().flat_map(|head| cache.keys(head));
    let values = heads.flat_map(|head| cache.values(head));
    for entry in keys.chain(values) {
        out.extend_from_slice(&entry.to_le_bytes());
    }
}

fn encode_scale(out: &mut Vec<u8>, scale: Scale) {
    out.extend_from_slice(&scale.to_bits().to_le_bytes());
}

fn encode_scales(out: &mut Vec<u8>, scales: &ModelScales) {
    let ModelScales {
        stream,
        normalized,
        rotated,
        gate,
        logits,
        layers,
    } = scales;
    for scale in stream.iter().chain(normalized).chain([gate, logits]) {
        encode_scale(out, *scale);
    }
    out.push(u8::from(*rotated));
    for layer in layers {
        let LayerScales {
            rotary_query,
            rotary_key,
            query,
            key,
            value,
            up,
            gated,
        } = *layer;
        for scale in [rotary_query, rotary_key, query, key, value, up, gated] {
            encode_scale(out, scale);
        }
    }
}

fn encode_tables(out: &mut Vec<u8>, tables: &ModelTables) {
    let ModelTables {
        weights,
        rsqrt,
        activation,
        rotary,
    } = tables;
    encode_weight_table(out, weights);
    // The entries of this table are fixed: its identity stands for them.
    out.extend_from_slice(rsqrt.id().as_bytes());
    encode_activation(out, activation);
    encode_rotary(out, rotary);
}

fn encode_weight_table(out: &mut Vec<u8>, table: &WeightTable) {
    match table.kind() {
        TableKind::Exponential { delta, log_scale } => {
            out.push(0);
            out.extend_from_slice(&delta.numerator().to_le_bytes());
            out.extend_from_slice(&delta.denominator().to_le_bytes());
            out.push(*log_scale);
        }
        TableKind::Essay9 => out.push(1),
        TableKind::Custom { description } => {
            out.push(2);
            encode_bytes(out, description.as_bytes());
        }
    }
    encode_u32(out, table.len());
    for entry in table.entries() {
        out.extend_from_slice(&entry.to_le_bytes());
    }
}

fn encode_activation(out: &mut Vec<u8>, table: &ActivationTable) {
    encode_scale(out, table.input_scale());
    encode_scale(out, table.output_scale());
    for entry in table.entries() {
        out.extend_from_slice(&entry.to_le_bytes());
    }
}

fn encode_rotary(out: &mut Vec<u8>, table: &RotaryTable) {
    for entry in table.entries() {
        out.extend_from_slice(&entry.to_le_bytes());
    }
}

fn encode_matrix(out: &mut Vec<u8>, matrix: &Matrix) {
    out.reserve(2 * matrix.weights().len());
    for weight in matrix.weights() {
        out.extend_from_slice(&weight.to_le_bytes());
    }
    for bias in matrix.biases() {
        out.extend_from_slice(&bias.to_le_bytes());
    }
}
