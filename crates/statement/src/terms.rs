//! What all segments of a chain have in common.
//!
//! The terms are written down here and nowhere else: statement, chain statement, policy and the plans of
//! provers hold a [`SharedTerms`]. Whoever adds a term finds all that is to be said of it here (the
//! comparison, the listing, the checks), in `toml.rs` (how a policy's file writes it) and in
//! `PolicyMismatch` (how a verifier refuses another value).

#[cfg(feature = "std")]
pub(crate) mod toml;

use core::fmt;

use alloc::string::{String, ToString};

use matchmark_graph::LayerGroups;
use matchmark_quant::{
    AccumulatorBounds, QuantError, QuantizationPolicy, Rounding, StepRange, TableBounds,
};
use matchmark_tables::TableId;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, EndToken};
use crate::decoder::{DecoderTerms, SegmentKind};
use crate::domain::VerifierDomain;
use crate::error::StatementError;
use crate::identity::{ModelIdentity, RelationDigest, RelationVersion};
use crate::public_values::Form;
use crate::security::Security;
use crate::shape::SegmentShape;
use crate::text::{self, line};

/// Everything that the segments of a chain have in common: all fields of a statement that do not speak
/// of its own steps, values and states.
///
/// The fields are open for construction and for taking apart. Statements and policies hold terms that
/// [`Self::check`] accepts, as their constructors call it.
///
/// The encoding by [`codec`](crate::codec) is the canonical one, of statement and policy alike: the fields
/// in this order. In a statement the version of the statement stands before them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedTerms {
    /// Version of the relation that the proofs satisfy.
    pub relation_version: RelationVersion,
    /// Digest of that relation's constraints.
    pub relation_digest: RelationDigest,
    /// Application and nonce of the verifier.
    pub domain: VerifierDomain,
    /// Security level and profile of the proofs, exactly: a stronger level is another circuit.
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
    /// Whether the terms go with each other: every constructor of a statement and of a policy asks.
    ///
    /// # Errors
    ///
    /// - [`StatementError::DecoderMissing`] and [`StatementError::DecoderUnexpected`] unless there is a
    ///   decoder exactly if there is a model; [`StatementError::DecoderAttention`],
    ///   [`StatementError::DecoderValueBits`], [`StatementError::DecoderScoreStep`],
    ///   [`StatementError::DecoderScales`], [`StatementError::DecoderRounding`],
    ///   [`StatementError::CapacityAbovePositions`] and [`StatementError::PromptAboveCapacity`] for a
    ///   decoder that the other terms do not go with;
    /// - [`StatementError::Quantity`] if an accumulator could leave its bounds at the full capacity, or an
    ///   intermediate value of the decoder its own.
    pub fn check(&self) -> Result<(), StatementError> {
        self.check_decoder()?;
        self.bounds()?;
        Ok(())
    }

    /// How large every intermediate value of the attention can become at the full capacity.
    ///
    /// # Errors
    ///
    /// [`QuantError`] if one could leave its bounds: never of terms that are [checked](Self::check).
    pub fn bounds(&self) -> Result<AccumulatorBounds, QuantError> {
        AccumulatorBounds::new(
            &self.shape.attention(),
            self.shape.capacity(),
            self.quantization.value_bits(),
            self.quantization.score_step(),
            self.table_bounds,
        )
    }

    /// Whether there is a decoder exactly if there is a model, and whether it goes with the other terms.
    fn check_decoder(&self) -> Result<(), StatementError> {
        match (self.model, &self.decoder) {
            (ModelIdentity::TraceOnly, None) => Ok(()),
            (ModelIdentity::Weights(_), Some(decoder)) => {
                decoder.check(&self.quantization, self.rounding, &self.shape)
            }
            (ModelIdentity::Weights(got), None) => Err(StatementError::DecoderMissing { got }),
            (ModelIdentity::TraceOnly, Some(decoder)) => Err(StatementError::DecoderUnexpected {
                got: decoder.weights,
            }),
        }
    }

    /// The form of the public values of the chain's segments.
    pub(crate) const fn form(&self) -> Form<'_> {
        Form {
            attention: self.shape.attention(),
            bits: self.quantization.value_bits(),
            decoder: self.decoder.as_ref(),
        }
    }

    /// The first field in which `other` differs from `self`, if any.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<TermsDifference> {
        // Taken apart exhaustively: a new field does not compile until it is compared.
        let Self {
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
        let (version, digest) = (&other.relation_version, &other.relation_digest);
        differ(
            "relation_version",
            relation_version,
            version,
            ToString::to_string,
        )
        .or_else(|| {
            differ(
                "relation_digest",
                relation_digest,
                digest,
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

    /// Length of the encoded public values of a segment of `steps` steps, in bytes.
    #[must_use]
    pub const fn public_values_len(&self, steps: usize) -> usize {
        self.form().encoded_len(steps)
    }

    /// What is the answer, of at most `limit` tokens, of a chain of these steps, whose first generated end token is
    /// `end`; `None` of attention alone.
    #[must_use]
    pub fn answer(&self, steps: StepRange, limit: u32, end: Option<EndToken>) -> Option<Answer> {
        let decoder = self.decoder.as_ref()?;
        Some(Answer::new(steps, decoder.prompt, limit, end))
    }

    /// Into how many groups of layers the decoder is cut; attention alone is one.
    #[must_use]
    pub const fn groups(&self) -> LayerGroups {
        match &self.decoder {
            None => LayerGroups::ONE,
            Some(decoder) => decoder.groups,
        }
    }

    /// What the segments are of.
    #[must_use]
    pub const fn kind(&self) -> SegmentKind {
        SegmentKind::of(self.decoder.as_ref())
    }
}

impl fmt::Display for SharedTerms {
    /// One aligned line a field, with a line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart exhaustively: a new field does not compile until it is listed.
        let Self {
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
        line(f, "relation version", relation_version)?;
        line(f, "relation digest", relation_digest)?;
        line(f, "domain", domain)?;
        line(
            f,
            "security",
            format_args!("{security} ({})", security.parameters()),
        )?;
        line(f, "model", model)?;
        line(f, "quantization", text::Quantization(quantization))?;
        line(f, "quantization id", quantization.id())?;
        line(f, "rounding", rounding)?;
        line(f, "table", table)?;
        line(f, "table bounds", text::Bounds(table_bounds))?;
        line(f, "shape", shape.attention())?;
        line(
            f,
            "cache capacity",
            format_args!("{} entries", shape.capacity()),
        )?;
        line(
            f,
            "segment length",
            format_args!("at most {} steps", shape.segment_steps()),
        )?;
        if let Some(DecoderTerms {
            shape,
            arithmetic,
            weights,
            groups,
            prompt,
        }) = decoder
        {
            line(f, "model shape", shape)?;
            line(f, "model arithmetic", text::Arithmetic(arithmetic))?;
            line(f, "model commitment", weights)?;
            if *groups != LayerGroups::ONE {
                line(f, "layer groups", groups)?;
            }
            line(f, "prompt", format_args!("{prompt} tokens"))?;
        }
        Ok(())
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
        groups,
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
        .or_else(|| differ("decoder.groups", groups, &got.groups, ToString::to_string))
        .or_else(|| differ("decoder.prompt", prompt, &got.prompt, ToString::to_string))
}
