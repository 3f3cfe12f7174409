//! The terms in a policy's TOML file: how they are read, and how they are written for people to review.

use alloc::format;
use alloc::string::ToString;
use core::fmt;

use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
    Scales, ScoreStep, SegmentSteps, TableBounds, ValueBits,
};
use matchmark_tables::TableId;
use serde::{Deserialize, Serialize};

use super::SharedTerms;
use crate::decoder::DecoderTerms;
use crate::domain::VerifierDomain;
use crate::error::StatementError;
use crate::identity::{ModelIdentity, RelationDigest, RelationVersion};
use crate::security::{Security, SecurityLevel};
use crate::shape::SegmentShape;

/// The parts of a policy's file that speak of the terms.
pub(crate) struct TermsFile {
    pub(crate) relation: RelationSection,
    pub(crate) domain: VerifierDomain,
    pub(crate) security: Security,
    pub(crate) model: ModelIdentity,
    pub(crate) quantization: QuantizationSection,
    pub(crate) table: TableSection,
    pub(crate) shape: ShapeSection,
    pub(crate) decoder: Option<DecoderTerms>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelationSection {
    version: RelationVersion,
    digest: RelationDigest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuantizationSection {
    value_bits: ValueBits,
    score_step: ScoreStep,
    rounding: Rounding,
    scales: Option<Scales>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableSection {
    id: TableId,
    length: u32,
    max_weight: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShapeSection {
    query_heads: QueryHeads,
    kv_heads: KvHeads,
    head_dim: HeadDim,
    capacity: CacheCapacity,
    segment_steps: SegmentSteps,
}

impl TermsFile {
    /// The terms, each within its own range. Whether they go with each other is for
    /// [`SharedTerms::check`] to say.
    pub(crate) fn into_terms(self) -> Result<SharedTerms, StatementError> {
        let shape = &self.shape;
        let attention = AttentionShape::new(shape.query_heads, shape.kv_heads, shape.head_dim)?;
        Ok(SharedTerms {
            relation_version: self.relation.version,
            relation_digest: self.relation.digest,
            domain: self.domain,
            security: self.security,
            model: self.model,
            quantization: QuantizationPolicy::new(
                self.quantization.value_bits,
                self.quantization.score_step,
                self.quantization.scales,
            ),
            rounding: self.quantization.rounding,
            table: self.table.id,
            table_bounds: TableBounds {
                len: self.table.length,
                max_weight: self.table.max_weight,
            },
            shape: SegmentShape::new(attention, shape.capacity, shape.segment_steps)?,
            decoder: self.decoder,
        })
    }
}

/// The section of the decoder as it is written, by the names by which it is read.
#[derive(Serialize)]
struct DecoderFile<'a> {
    decoder: &'a DecoderTerms,
}

/// The term that stands above all sections.
pub(crate) struct TopLevel<'a>(pub(crate) &'a SharedTerms);

impl fmt::Display for TopLevel<'_> {
    /// The line of the model and its comment, with a line end after the last line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = match self.0.model {
            ModelIdentity::TraceOnly => "\"trace-only\"".to_string(),
            ModelIdentity::Weights(id) => format!("{{ weights = \"{id}\" }}"),
        };
        writeln!(
            f,
            "\
# What the proofs say about a model: \"trace-only\" (nothing: the queries, keys and values may come from
# anywhere) or {{ weights = \"ID\" }}.
model = {model}"
        )
    }
}

/// The sections of the terms.
pub(crate) struct Sections<'a>(pub(crate) &'a SharedTerms);

impl fmt::Display for Sections<'_> {
    /// All sections, with an empty line after each section.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart exhaustively: a new field does not compile until it is written.
        let SharedTerms {
            relation_version,
            relation_digest,
            domain,
            security,
            model: _, // Above the sections.
            quantization,
            rounding,
            table,
            table_bounds,
            shape,
            decoder,
        } = self.0;
        let domain_text = toml::Value::String(domain.application().to_string());
        let nonce = domain.nonce_hex();
        writeln!(
            f,
            "\
# The constraint system. Two circuits of one version have two digests.
[relation]
version = {relation_version}
digest = \"{relation_digest}\"

# Whom the proofs were made for. Choose a fresh nonce (32 hexadecimal digits) to refuse proofs that
# were made on another occasion; with a nonce of zeros a proof can be shown again and again.
[domain]
application = {domain_text}
nonce = \"{nonce}\"

# {}
[security]
level = \"{}\"
profile = \"{}\"
",
            security_comment(*security),
            security.level(),
            security.profile(),
        )?;
        writeln!(
            f,
            "\
# How floats became integers: the width of values in bits, the score step D that one table index
# spans, and the rounding of outputs (\"nearest\" or \"floor\").
# Identity of width, step and scales: {}
[quantization]
value_bits = {}
score_step = {}
rounding = \"{rounding}\"
",
            quantization.id(),
            quantization.value_bits(),
            quantization.score_step(),
        )?;
        if let Some(Scales { q, k, v }) = quantization.scales() {
            writeln!(
                f,
                "\
# What one unit of an integer stands for. Written so that every bit comes back.
[quantization.scales]
q = {:?}
k = {:?}
v = {:?}
",
                q.get(),
                k.get(),
                v.get()
            )?;
        }
        let attention = shape.attention();
        writeln!(
            f,
            "\
# The weight table: the digest of its content, its number of entries and the largest of them.
[table]
id = \"{table}\"
length = {}
max_weight = {}

# Heads and head dimension, cache entries at the end of the chain, and the largest number of steps of
# a segment.
[shape]
query_heads = {}
kv_heads = {}
head_dim = {}
capacity = {}
segment_steps = {}
",
            table_bounds.len,
            table_bounds.max_weight,
            attention.query_heads(),
            attention.kv_heads(),
            attention.head_dim(),
            shape.capacity(),
            shape.segment_steps(),
        )?;
        if let Some(decoder) = decoder {
            let section = toml::to_string(&DecoderFile { decoder }).map_err(|_| fmt::Error)?;
            writeln!(
                f,
                "\
# The decoder: the commitment to what it computes, its weights, tables, shape and arithmetic (which a
# holder of the model can compute anew), the number of groups of layers that are proven apart, the number of
# tokens at the beginning of the chain that are given and not chosen, its shape (with the attention of one
# layer), and the constants of its integer arithmetic.
{section}"
            )?;
        }
        Ok(())
    }
}

/// What the level promises, in one line.
fn security_comment(security: Security) -> &'static str {
    match security.level() {
        SecurityLevel::Insecure13 => {
            "INSECURE: 13 bits. Anyone can forge such proofs; for comparison with published figures only."
        }
        SecurityLevel::Conjectured100 => {
            "100 bits against the best known attack; that there is no better one is not proven."
        }
        SecurityLevel::Proven100 => "100 proven bits in every term.",
        SecurityLevel::Proven100Unique => {
            "100 proven bits in every term, by unique decoding alone."
        }
    }
}
