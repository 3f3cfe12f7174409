//! What is decided about a chain of a model, and the terms that follow from it.
use alloc::vec::Vec;
use core::ops::Deref;

use matchmark_air::layout::{LayoutError, SegmentLayout};
use matchmark_air::{relation_digest_of, RELATION_DIGEST};
use matchmark_graph::{LayerGroups, ModelArithmetic, ModelShape};
use matchmark_quant::{CacheCapacity, QuantizationPolicy, Rounding, SegmentSteps, StepRange};
use matchmark_statement::{
    CutPattern, DecoderTerms, ModelId, ModelIdentity, PortCommitment, PromptLength, RelationDigest,
    RelationVersion, Security, SegmentShape, SharedTerms, StatementError, TokenId, VerifierDomain,
};
use matchmark_tables::WeightTable;

use super::stop::Stop;

/// What the terms of a chain say of a model, but for its committed weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelOutline {
    /// Digest of the model's content.
    pub identity: ModelId,
    /// Sizes.
    pub shape: ModelShape,
    /// Widths, shifts and constants.
    pub arithmetic: ModelArithmetic,
    /// The table of the attention's weights.
    pub table: WeightTable,
}

/// What a prover decides about a decoder's chain, beside the model.
#[derive(Clone, Debug)]
pub struct ModelChain {
    /// Application and nonce of the verifier.
    pub domain: VerifierDomain,
    /// Security level and profile.
    pub security: Security,
    /// Tokens of the whole chain.
    pub capacity: CacheCapacity,
    /// Tokens of a segment.
    pub segment_steps: SegmentSteps,
    /// How many tokens are given.
    pub prompt: PromptLength,
    /// Into how many groups of layers the decoder is cut.
    pub groups: LayerGroups,
}

/// The terms of a chain, with the weight table as content: what a prover needs, where a verifier is content
/// with the table's identity.
///
/// Identity and bounds among the terms are always those of the table. That the terms go with each other is
/// checked where a statement or a policy is made of them.
#[derive(Clone, Debug)]
pub struct ChainTerms {
    shared: SharedTerms,
    weight_table: WeightTable,
}

impl Deref for ChainTerms {
    type Target = SharedTerms;

    fn deref(&self) -> &SharedTerms {
        &self.shared
    }
}

/// Why decisions make no chain that the relation can carry.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChainTermsError {
    /// The terms are not a statement.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// The relation cannot carry the shape.
    #[error("layout: {0}")]
    Layout(#[from] LayoutError),
}

variant_names!(ChainTermsError { Statement, Layout });

impl ModelChain {
    /// The terms of the chain of a model with these committed weights, those of all groups of layers: nothing of them is computed, so
    /// that whoever has the commitment needs no weights.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if a segment is longer than the capacity.
    pub fn terms(
        &self,
        model: &ModelOutline,
        weights: PortCommitment,
    ) -> Result<ChainTerms, StatementError> {
        let decoder = DecoderTerms {
            shape: model.shape,
            arithmetic: *model.arithmetic.terms(),
            weights,
            groups: self.groups,
            prompt: self.prompt,
        };
        let terms = self.terms_without_weights(model)?;
        Ok(terms.with(|it| it.decoder = Some(decoder)))
    }

    /// The layout of a segment of `steps` steps, of the first group of layers.
    ///
    /// # Errors
    ///
    /// [`ChainTermsError`] if the relation cannot carry the chain.
    pub fn layout(
        &self,
        model: &ModelOutline,
        steps: usize,
    ) -> Result<SegmentLayout, ChainTermsError> {
        self.layout_of(model, 0, steps)
    }

    /// The layout of a group of layers in a segment of `steps` steps.
    ///
    /// # Errors
    ///
    /// [`ChainTermsError`] if the relation cannot carry the chain.
    pub fn layout_of(
        &self,
        model: &ModelOutline,
        group: usize,
        steps: usize,
    ) -> Result<SegmentLayout, ChainTermsError> {
        // Of sizes alone: whatever the weights are.
        let terms = self.terms(model, PortCommitment::from_bytes([0; 32]))?;
        Ok(terms.layout_of(group, steps)?)
    }

    /// Log size of the domain of all commitment trees of the chain: what, beside the blowup, the
    /// commitment to a model's weights depends on.
    ///
    /// # Errors
    ///
    /// [`ChainTermsError`] if the relation cannot carry the chain.
    pub fn lifting_log_size(&self, model: &ModelOutline) -> Result<u32, ChainTermsError> {
        let layout = self.layout(model, self.segment_steps.get() as usize)?;
        Ok(layout.lifting_log_size(self.security.parameters().log_blowup))
    }

    /// The terms as if there were the attention alone.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if a segment is longer than the capacity.
    pub fn terms_without_weights(
        &self,
        model: &ModelOutline,
    ) -> Result<ChainTerms, StatementError> {
        let terms = ChainTerms::attention(
            self.domain.clone(),
            self.security,
            QuantizationPolicy::new(
                model.arithmetic.value_bits(),
                model.arithmetic.score_step(),
                None,
            ),
            Rounding::NearestTiesUp,
            SegmentShape::new(
                model.shape.all_layers_attention(),
                self.capacity,
                self.segment_steps,
            )?,
            model.table.clone(),
        );
        Ok(terms.with(|it| it.model = ModelIdentity::Weights(model.identity)))
    }
}

impl ChainTerms {
    /// The terms of a chain of attention alone under the relation of this program, of values that no model
    /// is named for.
    pub fn attention(
        domain: VerifierDomain,
        security: Security,
        quantization: QuantizationPolicy,
        rounding: Rounding,
        shape: SegmentShape,
        weight_table: WeightTable,
    ) -> Self {
        let mut shared = SharedTerms {
            relation_version: RelationVersion::CURRENT,
            relation_digest: RELATION_DIGEST,
            domain,
            security,
            model: ModelIdentity::TraceOnly,
            quantization,
            rounding,
            table: weight_table.id(),
            table_bounds: weight_table.bounds(),
            shape,
            decoder: None,
        };
        shared.relation_digest = own_relation(&shared);
        Self {
            shared,
            weight_table,
        }
    }

    /// The same with other terms. Identity and bounds of the table stay what they are, and a digest of the
    /// relation that is this program's stays that.
    #[must_use]
    pub fn with(self, change: impl FnOnce(&mut SharedTerms)) -> Self {
        let Self {
            mut shared,
            weight_table,
        } = self;
        let (is_own, before) = (
            shared.relation_digest == own_relation(&shared),
            shared.relation_digest,
        );
        change(&mut shared);
        shared.table = weight_table.id();
        shared.table_bounds = weight_table.bounds();
        if is_own && shared.relation_digest == before {
            shared.relation_digest = own_relation(&shared);
        }
        Self {
            shared,
            weight_table,
        }
    }

    /// The same with another weight table.
    #[must_use]
    pub fn with_table(self, weight_table: WeightTable) -> Self {
        Self {
            weight_table,
            ..self
        }
        .with(|_| {})
    }

    /// The terms as statements carry them.
    pub fn shared(&self) -> &SharedTerms {
        &self.shared
    }

    /// The weight table.
    pub fn weight_table(&self) -> &WeightTable {
        &self.weight_table
    }

    /// The layout of a segment of `steps` steps, of the first group of layers, proven by one proof.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] if the relation cannot carry the shape.
    pub fn layout(&self, steps: usize) -> Result<SegmentLayout, LayoutError> {
        self.layout_of(0, steps)
    }

    /// The layout of a group of layers in a segment of `steps` steps, proven by one proof. Attention alone is one
    /// group.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] if the relation cannot carry the shape, or there is no such group.
    pub fn layout_of(&self, group: usize, steps: usize) -> Result<SegmentLayout, LayoutError> {
        let shape = match &self.decoder {
            None => self.shape,
            Some(decoder) => {
                let layers = decoder.shape.layers();
                let layers = decoder.groups.group(layers, group);
                let layers = layers.ok_or(LayoutError::Layers)?;
                let shape = self.shape.of_layers(&decoder.shape, &layers);
                shape.map_err(|_| LayoutError::Layers)?
            }
        };
        let layout = SegmentLayout::new(
            shape,
            steps,
            self.quantization.value_bits(),
            self.quantization.score_step(),
            self.rounding,
            self.table_bounds,
        )?;
        match &self.decoder {
            None => Ok(layout),
            Some(decoder) => {
                layout.with_layers(decoder.shape, decoder.arithmetic, (decoder.groups, group))
            }
        }
    }
}

/// The digest of this program's relation for these terms. Of terms that have no statement it is any.
fn own_relation(terms: &SharedTerms) -> RelationDigest {
    match terms.bounds() {
        Ok(bounds) => relation_digest_of(&bounds),
        Err(_) => RELATION_DIGEST,
    }
}

/// What is decided about a chain of a model, beside the model and the tokens that are given: by its
/// prover, and by a verifier who writes a policy.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Application and nonce of the verifier.
    pub domain: VerifierDomain,
    /// Security level and profile.
    pub security: Security,
    /// Steps of a segment; `None` takes [`ModelOptions::SEGMENT_STEPS`]. A chain of fewer steps is one
    /// segment.
    pub segment_steps: Option<SegmentSteps>,
    /// Tokens that are decoded, at most.
    pub tokens: u32,
    /// The last segment has a multiple of so many steps, as far as there are positions: what it decodes behind the
    /// answer is surplus. With 1 there is none, and every number of tokens has circuits of its own.
    pub granularity: SegmentSteps,
    /// Which segments are fused, and which are split.
    pub cuts: CutPattern,
    /// Which tokens end the answer before its limit.
    pub stop: Stop,
    /// Into how many groups of layers the decoder is cut, each of which is proven by parts of its own.
    pub groups: LayerGroups,
    /// The steps of the shorter chain that an answer is proven in which an end token ends early, one of
    /// [`Self::shorter_steps`]; `None` for the chain that the longest answer takes.
    pub shorter: Option<u32>,
}

/// Why options and given tokens make no chain of a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelOptionsError {
    /// Nothing is given that a first token could be chosen by.
    #[error("the prompt has {got} tokens, expected at least {expected}")]
    EmptyPrompt {
        /// The fewest.
        expected: u32,
        /// The number given.
        got: u32,
    },
    /// No token is to be decoded.
    #[error("{got} tokens are to be decoded, expected at least {expected}")]
    NoTokens {
        /// The fewest.
        expected: u32,
        /// The number asked for.
        got: u32,
    },
    /// The prompt alone is longer than the model's positions.
    #[error(
        "the prompt has {got} tokens, expected at most {expected}, the positions of the model"
    )]
    PromptAbovePositions {
        /// The positions.
        expected: usize,
        /// The number of given tokens.
        got: usize,
    },
    /// Given and decoded tokens together are more than the model's positions.
    #[error(
        "{prompt} given and {tokens} decoded tokens need {got} positions, expected at most {expected}, \
         the positions of the model: decode fewer tokens, or shorten the prompt"
    )]
    CacheFull {
        /// Tokens that are given.
        prompt: u32,
        /// Tokens that are decoded.
        tokens: u32,
        /// The positions.
        expected: usize,
        /// Positions that the chain needs.
        got: usize,
    },
    /// A shorter chain that generates no token, or is not shorter than the longest answer.
    #[error("a shorter chain of {got} steps, expected {} to {}", .expected[0], .expected[1])]
    Shorter {
        /// The fewest, and the most.
        expected: [u32; 2],
        /// The number given.
        got: u32,
    },
    /// A token that is to end the answer is not in the vocabulary.
    #[error("end token {got}, expected only tokens below {expected}, the size of the vocabulary")]
    EndToken {
        /// Size of the vocabulary.
        expected: usize,
        /// The lowest end token that it does not have.
        got: TokenId,
    },
    /// There are more groups of layers than layers.
    #[error("{got} groups of layers, expected at most {expected}, the layers of the model")]
    Groups {
        /// Layers of the model.
        expected: usize,
        /// The groups asked for.
        got: LayerGroups,
    },
    /// A given token is not in the vocabulary.
    #[error("token {position} of the prompt is {got}, expected one below {expected}, the size of the vocabulary")]
    PromptToken {
        /// Position of the token, counted from 0.
        position: usize,
        /// Size of the vocabulary.
        expected: usize,
        /// The token.
        got: TokenId,
    },
}

variant_names!(ModelOptionsError {
    EmptyPrompt,
    NoTokens,
    PromptAbovePositions,
    CacheFull,
    Shorter,
    EndToken,
    Groups,
    PromptToken,
});

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The steps of a chain that has so many at least: its last segment has a multiple of `granularity`, but no more than
/// the longest segment, and all of them together no more than `most`, which they are at least.
#[must_use]
pub fn whole_steps(steps: u32, longest: u32, granularity: SegmentSteps, most: u32) -> u32 {
    let last = steps % longest;
    let rounded = last.next_multiple_of(granularity.get()).min(longest);
    (steps - last).saturating_add(rounded).min(most)
}

impl ModelOptions {
    /// Steps of a segment where nothing is said of them.
    pub const SEGMENT_STEPS: u32 = 16;

    /// How many steps the shorter chains have, ascending, that an answer behind so many tokens of a model of this shape
    /// can be proven in which an end token ends early: all lengths that chains of these options have, are longer than the
    /// given tokens and shorter than what the longest answer takes. None for options that make no chain.
    #[must_use]
    pub fn shorter_steps(&self, shape: &ModelShape, prefix: usize, given: usize) -> Vec<u32> {
        let own = to_u32(given.saturating_sub(prefix));
        let all = own.saturating_add(self.tokens).saturating_sub(1);
        let most = to_u32(shape.positions().saturating_sub(prefix));
        let longest = self
            .segment_steps
            .map_or(Self::SEGMENT_STEPS, SegmentSteps::get);
        if own == 0 || all > most {
            return Vec::new();
        }
        let steps = (own..all).map(|it| whole_steps(it, longest, self.granularity, most));
        let mut steps: Vec<u32> = steps.filter(|it| *it < all).collect();
        steps.dedup();
        steps
    }

    /// The chain of a model of this shape after these tokens, the first `prefix` of which are its
    /// [prefix](super::ModelKeyParts::prefix), and its steps. A step consumes a token and chooses the next; the prefix
    /// and the last token that is decoded are consumed by none.
    ///
    /// # Errors
    ///
    /// [`ModelOptionsError`], one variant a reason.
    pub fn chain(
        &self,
        shape: &ModelShape,
        prefix: usize,
        prompt: &[TokenId],
    ) -> Result<(ModelChain, StepRange), ModelOptionsError> {
        let chain = self.chain_after(shape, prefix, prompt.len())?;
        let expected = shape.vocabulary();
        let outside =
            |token: &TokenId| usize::try_from(token.get()).map_or(true, |it| it >= expected);
        match prompt.iter().position(outside) {
            None => Ok(chain),
            Some(position) => Err(ModelOptionsError::PromptToken {
                position,
                expected,
                got: prompt[position],
            }),
        }
    }

    /// As [`Self::chain`], after so many tokens of the vocabulary, whichever they are.
    ///
    /// # Errors
    ///
    /// [`ModelOptionsError`], all but [`ModelOptionsError::PromptToken`].
    pub fn chain_after(
        &self,
        shape: &ModelShape,
        prefix: usize,
        given: usize,
    ) -> Result<(ModelChain, StepRange), ModelOptionsError> {
        let Self {
            domain,
            security,
            segment_steps,
            tokens,
            granularity,
            cuts: _, // Neither steps nor terms depend on how they are proven,
            stop,    // nor on where the answer ends, which nobody knows yet.
            groups,
            shorter,
        } = self;
        if let Stop::Tokens(ends) = stop {
            let expected = shape.vocabulary();
            if let Some(got) = ends.above(expected) {
                return Err(ModelOptionsError::EndToken { expected, got });
            }
        }
        let (expected, got) = (shape.layers(), *groups);
        if got.count() > expected {
            return Err(ModelOptionsError::Groups { expected, got });
        }
        let length = given;
        let (given, prefix) = (to_u32(length), to_u32(prefix));
        let (expected, own) = (1, given.saturating_sub(prefix));
        if own == 0 {
            return Err(ModelOptionsError::EmptyPrompt { expected, got: own });
        }
        if *tokens == 0 {
            let got = *tokens;
            return Err(ModelOptionsError::NoTokens { expected, got });
        }
        let positions = shape.positions();
        let above = || ModelOptionsError::PromptAbovePositions {
            expected: positions,
            got: length,
        };
        if length > positions {
            return Err(above());
        }
        let steps = (length - 1).saturating_add(*tokens as usize);
        let full = || ModelOptionsError::CacheFull {
            prompt: given,
            tokens: *tokens,
            expected: positions,
            got: steps,
        };
        if steps > positions {
            return Err(full());
        }
        // Positions are a number of cache entries, so that what does not exceed them is in range, too.
        let longest = segment_steps.map_or(Self::SEGMENT_STEPS, SegmentSteps::get);
        let most = to_u32(positions) - prefix;
        let all = to_u32(steps) - prefix;
        let steps = match *shorter {
            None => whole_steps(all, longest, *granularity, most),
            Some(got) if got < own || got >= all => {
                let expected = [own, all - 1];
                return Err(ModelOptionsError::Shorter { expected, got });
            }
            Some(steps) => steps,
        };
        let entries = prefix + steps;
        let chain = ModelChain {
            domain: domain.clone(),
            security: *security,
            capacity: CacheCapacity::new(entries).map_err(|_| full())?,
            segment_steps: SegmentSteps::new(longest.min(steps)).map_err(|_| full())?,
            prompt: PromptLength::new(given).map_err(|_| above())?,
            groups: *groups,
        };
        Ok((chain, StepRange::new(prefix, steps).map_err(|_| full())?))
    }
}
