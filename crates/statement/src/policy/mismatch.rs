//! Why a statement is not accepted: in what it differs from a policy.

use alloc::boxed::Box;
use alloc::vec::Vec;

use matchmark_graph::{ArithmeticTerms, LayerGroups, ModelShape};
use matchmark_quant::{QuantizationPolicy, Rounding, StepRange, TableBounds};
use matchmark_tables::TableId;
use thiserror::Error;

use crate::answer::EndTokens;
use crate::cut::Cut;
use crate::decoder::{DecoderTerms, SegmentKind};
use crate::domain::VerifierDomain;
use crate::identity::{ModelIdentity, PortCommitment, RelationDigest, RelationVersion};
use crate::prompt::PromptLength;
use crate::security::Security;
use crate::shape::SegmentShape;
use crate::terms::SharedTerms;
use crate::text;
use crate::tokens::TokenId;

/// In which field a statement differs from what a policy accepts: `expected` is the policy's value,
/// `got` the statement's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // `expected` and `got` of every variant are explained once, above.
pub enum PolicyMismatch {
    /// Another version of the relation.
    #[error("relation version is {got}, expected {expected}")]
    RelationVersion {
        expected: RelationVersion,
        got: RelationVersion,
    },
    /// Another relation under the same version.
    #[error("relation digest is {got}, expected {expected}")]
    RelationDigest {
        expected: RelationDigest,
        got: RelationDigest,
    },
    /// Made for another application, or on another occasion.
    #[error("verifier domain is {got}, expected {expected}")]
    Domain {
        expected: VerifierDomain,
        got: VerifierDomain,
    },
    /// A weaker security level. `insecure-13` ends here unless the policy itself names it.
    #[error("security is only {got}, expected {expected}")]
    WeakerSecurity { expected: Security, got: Security },
    /// A stronger security level, or another profile of the same one.
    #[error("security is {got}, expected {expected}")]
    Security { expected: Security, got: Security },
    /// Another model.
    #[error("model is {got}, expected {expected}")]
    Model {
        expected: ModelIdentity,
        got: ModelIdentity,
    },
    /// Another quantization policy.
    #[error("quantization is {}, expected {}", text::Quantization(.got), text::Quantization(.expected))]
    Quantization {
        expected: QuantizationPolicy,
        got: QuantizationPolicy,
    },
    /// Another rounding rule.
    #[error("rounding is {got}, expected {expected}")]
    Rounding { expected: Rounding, got: Rounding },
    /// Another weight table.
    #[error("table is {got}, expected {expected}")]
    Table { expected: TableId, got: TableId },
    /// The right table's identity with the wrong length or largest weight.
    #[error("table bounds are {}, expected {}", text::Bounds(.got), text::Bounds(.expected))]
    TableBounds {
        expected: TableBounds,
        got: TableBounds,
    },
    /// Other heads, head dimension, capacity or segment length.
    #[error("shape is {got}, expected {expected}")]
    Shape {
        expected: SegmentShape,
        got: SegmentShape,
    },
    /// A decoder where attention alone was decided upon, or the other way around.
    #[error("chain is one of {got}, expected one of {expected}")]
    Kind {
        expected: SegmentKind,
        got: SegmentKind,
    },
    /// A decoder of another shape. Boxed, as nothing else is as large.
    #[error("model shape is {got}, expected {expected}")]
    ModelShape {
        expected: Box<ModelShape>,
        got: Box<ModelShape>,
    },
    /// A decoder with other integer arithmetic.
    #[error("model arithmetic is {}, expected {}", text::Arithmetic(.got), text::Arithmetic(.expected))]
    ModelArithmetic {
        expected: ArithmeticTerms,
        got: ArithmeticTerms,
    },
    /// Other weights or tables.
    #[error("model commitment is {got}, expected {expected}")]
    ModelWeights {
        expected: PortCommitment,
        got: PortCommitment,
    },
    /// A decoder that is cut into another number of groups of layers.
    #[error("decoder is cut into {got} groups of layers, expected {expected}")]
    LayerGroups {
        expected: LayerGroups,
        got: LayerGroups,
    },
    /// Another number of given tokens.
    #[error("prompt has {got} tokens, expected {expected}")]
    Prompt {
        expected: PromptLength,
        got: PromptLength,
    },
    /// Another token at a position of the prompt.
    #[error("token at position {position} of the prompt is {got}, expected {expected}")]
    PromptToken {
        position: usize,
        expected: TokenId,
        got: TokenId,
    },
    /// The segment has steps that are not among the chain's.
    #[error("segment has {}, expected some of {}", text::Steps(.got), text::Steps(.expected))]
    StepsOutside { expected: StepRange, got: StepRange },
    /// The chain has not all of the steps, or more.
    #[error("chain has {}, expected {}", text::Steps(.got), text::Steps(.expected))]
    ChainSteps { expected: StepRange, got: StepRange },
    /// The chain has not all of the steps, and none of its generated tokens is one that ends an answer.
    #[error(
        "chain has {}, expected {}, or an end token ({end_tokens}) among the generated tokens",
        text::Steps(.got), text::Steps(.expected)
    )]
    EndsEarly {
        expected: StepRange,
        got: StepRange,
        /// The tokens that would end it.
        end_tokens: EndTokens,
    },
    /// The chain has all steps of a shorter chain, and none of its generated tokens is one that ends an answer.
    #[error(
        "chain has {}, all of a shorter chain, expected an end token ({expected}) among the generated tokens: an answer \
         without one has the length of the whole chain",
        text::Steps(.got)
    )]
    NoEndToken { expected: EndTokens, got: StepRange },
    /// The chain, or its first segment, begins with another cache.
    #[error("first state is {got}, expected {expected}")]
    FirstState {
        expected: PortCommitment,
        got: PortCommitment,
    },
    /// Segments of this length are accepted, but not proven in this way.
    #[error("segment is {got}, expected {expected}")]
    Cut { expected: Cut, got: Cut },
    /// No circuit is accepted for segments of this length; `expected` lists the lengths there are.
    #[error("segment has {got} steps, expected one of {expected:?}")]
    SegmentLength { expected: Vec<u32>, got: usize },
}

/// Whether terms are the ones decided upon.
pub(super) fn check_terms(expected: &SharedTerms, got: &SharedTerms) -> Result<(), PolicyMismatch> {
    // Taken apart exhaustively: a new field does not compile until it is checked.
    let SharedTerms {
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
    } = got;
    if *relation_version != expected.relation_version {
        return Err(PolicyMismatch::RelationVersion {
            expected: expected.relation_version,
            got: *relation_version,
        });
    }
    if *relation_digest != expected.relation_digest {
        return Err(PolicyMismatch::RelationDigest {
            expected: expected.relation_digest,
            got: *relation_digest,
        });
    }
    if *domain != expected.domain {
        return Err(PolicyMismatch::Domain {
            expected: expected.domain.clone(),
            got: domain.clone(),
        });
    }
    if security.level() < expected.security.level() {
        return Err(PolicyMismatch::WeakerSecurity {
            expected: expected.security,
            got: *security,
        });
    }
    if *security != expected.security {
        return Err(PolicyMismatch::Security {
            expected: expected.security,
            got: *security,
        });
    }
    if *model != expected.model {
        return Err(PolicyMismatch::Model {
            expected: expected.model,
            got: *model,
        });
    }
    if *quantization != expected.quantization {
        return Err(PolicyMismatch::Quantization {
            expected: expected.quantization,
            got: *quantization,
        });
    }
    if *rounding != expected.rounding {
        return Err(PolicyMismatch::Rounding {
            expected: expected.rounding,
            got: *rounding,
        });
    }
    if *table != expected.table {
        return Err(PolicyMismatch::Table {
            expected: expected.table,
            got: *table,
        });
    }
    if *table_bounds != expected.table_bounds {
        return Err(PolicyMismatch::TableBounds {
            expected: expected.table_bounds,
            got: *table_bounds,
        });
    }
    if *shape != expected.shape {
        return Err(PolicyMismatch::Shape {
            expected: expected.shape,
            got: *shape,
        });
    }
    check_decoder(expected.decoder.as_ref(), decoder.as_ref())
}

/// Whether two sets of terms speak of the same decoder, or both of none.
fn check_decoder(
    expected: Option<&DecoderTerms>,
    got: Option<&DecoderTerms>,
) -> Result<(), PolicyMismatch> {
    let (Some(expected), Some(got)) = (expected, got) else {
        let (expected, got) = (SegmentKind::of(expected), SegmentKind::of(got));
        return if expected == got {
            Ok(())
        } else {
            Err(PolicyMismatch::Kind { expected, got })
        };
    };
    // Taken apart exhaustively: a new field does not compile until it is checked.
    let DecoderTerms {
        shape,
        arithmetic,
        weights,
        groups,
        prompt,
    } = *got;
    if shape != expected.shape {
        return Err(PolicyMismatch::ModelShape {
            expected: Box::new(expected.shape),
            got: Box::new(shape),
        });
    }
    if arithmetic != expected.arithmetic {
        return Err(PolicyMismatch::ModelArithmetic {
            expected: expected.arithmetic,
            got: arithmetic,
        });
    }
    if weights != expected.weights {
        return Err(PolicyMismatch::ModelWeights {
            expected: expected.weights,
            got: weights,
        });
    }
    if groups != expected.groups {
        return Err(PolicyMismatch::LayerGroups {
            expected: expected.groups,
            got: groups,
        });
    }
    if prompt != expected.prompt {
        return Err(PolicyMismatch::Prompt {
            expected: expected.prompt,
            got: prompt,
        });
    }
    Ok(())
}
