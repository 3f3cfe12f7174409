//! What all segments of a chain have in common.

use alloc::string::{String, ToString};

use matchmark_quant::{QuantizationPolicy, Rounding, TableBounds};
use matchmark_tables::TableId;
use serde::{Deserialize, Serialize};

use crate::decoder::{DecoderTerms, SegmentKind};
use crate::domain::VerifierDomain;
use crate::identity::{ModelIdentity, RelationDigest, RelationVersion, StatementVersion};
use crate::security::Security;
use crate::shape::SegmentShape;
use crate::text;

/// Everything that the segments of a chain have in common: all fields of a statement that do not speak
/// of its own steps, values and states.
///
/// In the canonical encoding of a statement these fields come first, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedTerms {
    /// Version of the statement.
    pub version: StatementVersion,
    /// Version of the relation.
    pub relation_version: RelationVersion,
    /// Digest of the relation.
    pub relation_digest: RelationDigest,
    /// Application and nonce of the verifier.
    pub domain: VerifierDomain,
    /// Security level and profile.
    pub security: Security,
    /// The model that the values come from, if the statement speaks of one.
    pub model: ModelIdentity,
    /// Value width, score step and scales.
    pub quantization: QuantizationPolicy,
    /// Rounding rule of the outputs.
    pub rounding: Rounding,
    /// Identity of the weight table.
    pub table: TableId,
    /// Length of the weight table and its largest weight.
    pub table_bounds: TableBounds,
    /// Heads, head dimension, capacity and segment length.
    pub shape: SegmentShape,
    /// The decoder, if the segments are those of a whole model.
    pub decoder: Option<DecoderTerms>,
}

/// One field in which two sets of terms, or two policies, differ, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsDifference {
    /// The field's name, as in [`SharedTerms`] or
    /// [`AcceptancePolicyParts`](crate::AcceptancePolicyParts); of a decoder's fields, as in
    /// `decoder.prompt`.
    pub field: &'static str,
    /// Its value on the side that was asked.
    pub expected: String,
    /// Its value on the other side.
    pub got: String,
}

impl SharedTerms {
    /// The first field in which `other` differs from `self`, if any.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<TermsDifference> {
        // Taken apart exhaustively: a new field does not compile until it is compared.
        let Self {
            version,
            relation_version,
            relation_digest,
            domain,
            security,
            model,
            quantization,
            rounding,
            table,
            table_bounds,
            shape,
            decoder,
        } = self;
        differ("version", version, &other.version, ToString::to_string)
            .or_else(|| {
                differ(
                    "relation_version",
                    relation_version,
                    &other.relation_version,
                    ToString::to_string,
                )
            })
            .or_else(|| {
                differ(
                    "relation_digest",
                    relation_digest,
                    &other.relation_digest,
                    ToString::to_string,
                )
            })
            .or_else(|| differ("domain", domain, &other.domain, ToString::to_string))
            .or_else(|| differ("security", security, &other.security, ToString::to_string))
            .or_else(|| differ("model", model, &other.model, ToString::to_string))
            .or_else(|| {
                differ("quantization", quantization, &other.quantization, |it| {
                    text::Quantization(it).to_string()
                })
            })
            .or_else(|| differ("rounding", rounding, &other.rounding, ToString::to_string))
            .or_else(|| differ("table", table, &other.table, ToString::to_string))
            .or_else(|| {
                differ("table_bounds", table_bounds, &other.table_bounds, |it| {
                    text::Bounds(it).to_string()
                })
            })
            .or_else(|| differ("shape", shape, &other.shape, ToString::to_string))
            .or_else(|| match (decoder, &other.decoder) {
                (Some(decoder), Some(other)) => decoder_difference(decoder, other),
                (expected, got) => {
                    let kind = |it: &Option<DecoderTerms>| SegmentKind::of(it.as_ref());
                    differ("decoder", &kind(expected), &kind(got), ToString::to_string)
                }
            })
    }

    /// What the segments are of.
    #[must_use]
    pub const fn kind(&self) -> SegmentKind {
        SegmentKind::of(self.decoder.as_ref())
    }
}

/// A field and its two values in words, if they differ.
pub(crate) fn differ<T: PartialEq>(
    field: &'static str,
    expected: &T,
    got: &T,
    text: impl Fn(&T) -> String,
) -> Option<TermsDifference> {
    (expected != got).then(|| TermsDifference {
        field,
        expected: text(expected),
        got: text(got),
    })
}

fn decoder_difference(expected: &DecoderTerms, got: &DecoderTerms) -> Option<TermsDifference> {
    // Taken apart exhaustively: a new field does not compile until it is compared.
    let DecoderTerms {
        shape,
        arithmetic,
        weights,
        prompt,
    } = expected;
    differ("decoder.shape", shape, &got.shape, ToString::to_string)
        .or_else(|| {
            differ("decoder.arithmetic", arithmetic, &got.arithmetic, |it| {
                text::Arithmetic(it).to_string()
            })
        })
        .or_else(|| {
            differ(
                "decoder.weights",
                weights,
                &got.weights,
                ToString::to_string,
            )
        })
        .or_else(|| differ("decoder.prompt", prompt, &got.prompt, ToString::to_string))
}
