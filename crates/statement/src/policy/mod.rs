//! Acceptance policies: what a verifier decided beforehand to accept.

mod binary;
mod circuits;
mod error;
#[cfg(feature = "std")]
mod file;
mod mismatch;
mod shorter;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::cmp::Ordering;

use matchmark_quant::{StepRange, TaggedSha256};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, EndToken, EndTokens};
use crate::chain::ChainStatement;
use crate::codec;
use crate::cut::ProofPart;
use crate::decoder::DecoderTerms;
use crate::error::StatementError;
use crate::identity::{PolicyId, PortCommitment, PreprocessedRoot};
use crate::public_values::PublicValues;
use crate::segment::SegmentStatement;
use crate::terms::{differ, SharedTerms, TermsDifference};
use crate::text;
use crate::tokens::TokenId;

pub use circuits::PolicyCircuit;
pub use error::PolicyError;
pub use mismatch::PolicyMismatch;
pub use shorter::ShorterChain;

/// The fields of an [`AcceptancePolicy`], open for construction and for taking apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptancePolicyParts {
    /// What statements of the chain must share.
    pub terms: SharedTerms,
    /// The tokens that the chain of a whole model is given: as many as its decoder says. Those before the first
    /// step are the model's prefix, which no step consumes. Empty for attention alone.
    pub prompt: Vec<TokenId>,
    /// The tokens that end the answer of a whole model. Empty for attention alone, and where an answer ends
    /// at its limit only.
    pub end_tokens: EndTokens,
    /// Most tokens of the answer of a whole model; what the last segment decodes behind them is surplus. 0 for
    /// attention alone.
    pub answer_tokens: u32,
    /// Commitment to the cache that the chain begins with.
    pub first_state: PortCommitment,
    /// The steps of the whole chain, or the most that it has where an end token ends it before.
    pub steps: StepRange,
    /// The circuits of each segment length in use, in any order: the one of fused segments, the two of split
    /// ones, or all three.
    pub circuits: Vec<PolicyCircuit>,
    /// The shorter chains that are accepted in the place of the whole one where an end token ends the answer, in any
    /// order. Empty where nothing is accepted but the first segments of the whole chain.
    pub shorter: Vec<ShorterChain>,
}

impl AcceptancePolicyParts {
    /// How many tokens all steps of the chain generate: the longest answer, with no surplus behind it. 0 for attention
    /// alone.
    #[must_use]
    pub fn generated_tokens(&self) -> u32 {
        match self.terms.decoder {
            None => 0,
            Some(_) => generated(self.steps.entries_after(), &self.prompt),
        }
    }
}

/// What a verifier decided beforehand to accept. Nothing that stands here is taken from a proof.
///
/// Immutable and valid by construction: the steps fit the shape, the accumulators stay within their
/// bounds, and the circuits are sorted by their number of steps and their part, one for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptancePolicy {
    parts: AcceptancePolicyParts,
    /// Made once, in the constructor, so that asking for it cannot fail.
    id: PolicyId,
}

impl AcceptancePolicy {
    /// Domain tag of the identity.
    pub const TAG: &'static str = "matchmark/acceptance-policy/v9";

    /// Checks the fields against each other and makes a policy of them.
    ///
    /// # Errors
    ///
    /// - [`PolicyError::Terms`] if the steps do not fit the capacity, or for terms that
    ///   [`SharedTerms::check`] refuses;
    /// - [`PolicyError::DecoderBegin`] for a decoder's chain that begins behind its given tokens: those before
    ///   its first step are its model's prefix;
    /// - [`PolicyError::PromptLength`], [`PolicyError::PromptToken`] unless the given tokens are as many
    ///   as the decoder's terms say and all of its vocabulary; attention alone has none;
    /// - [`PolicyError::EndToken`] for an end token that the vocabulary does not have: attention alone has
    ///   no vocabulary;
    /// - [`PolicyError::AnswerTokens`] unless the most tokens of a decoder's answer end in the last segment of the
    ///   chain; attention alone has no answer;
    /// - [`PolicyError::NoCircuits`], [`PolicyError::DuplicateCircuit`],
    ///   [`PolicyError::CircuitSteps`], [`PolicyError::HalfCircuit`] for a list of circuits that is empty,
    ///   names one twice, names a length that no segment has, or has only one of the two circuits of split
    ///   segments; [`PolicyError::CircuitGroup`] and [`PolicyError::GroupCircuit`] for one of a group of layers
    ///   that there is not, and for a group that has none of a length in use;
    /// - [`PolicyError::ShorterWithoutEnd`], [`PolicyError::DuplicateShorter`], [`PolicyError::ShorterSteps`] for
    ///   shorter chains that no token could end, of which one is there twice, or that are not shorter, and
    ///   [`PolicyError::Shorter`] with what else is wrong with one.
    pub fn new(mut parts: AcceptancePolicyParts) -> Result<Self, PolicyError> {
        parts.terms.shape.check_entries(&parts.steps)?;
        parts.terms.check()?;
        check_given(parts.terms.decoder.as_ref(), &parts.prompt)?;
        let (expected, got) = (parts.prompt.len(), parts.steps.entries_before());
        if parts.terms.decoder.is_some() && got >= expected {
            return Err(PolicyError::DecoderBegin { expected, got });
        }
        check_ends(parts.terms.decoder.as_ref(), &parts.end_tokens)?;
        check_answer(&parts)?;
        circuits::check(&parts.terms, &mut parts.circuits)?;
        shorter::check(&mut parts)?;
        let id = TaggedSha256::new(Self::TAG)
            .chain(&codec::encode(&parts).map_err(StatementError::from)?)
            .finish();
        Ok(Self {
            parts,
            id: PolicyId::from_bytes(id),
        })
    }

    /// Identity of the policy: SHA-256 under [`Self::TAG`] over the canonical encoding of all fields.
    #[must_use]
    pub const fn id(&self) -> PolicyId {
        self.id
    }

    /// The policy that accepts exactly chains like this one, for its owner to review: everything that
    /// makes it a decision is taken from the chain; the tokens that it was given (none of attention alone)
    /// and the circuits are added. No token ends it: it is as long as it is, and all that it generates is the answer.
    ///
    /// # Errors
    ///
    /// Those of [`AcceptancePolicy::new`].
    pub fn accepting(
        chain: &ChainStatement,
        prompt: Vec<TokenId>,
        circuits: Vec<PolicyCircuit>,
    ) -> Result<Self, PolicyError> {
        let mut parts = AcceptancePolicyParts {
            terms: chain.terms().clone(),
            prompt,
            end_tokens: EndTokens::NONE,
            answer_tokens: 0,
            first_state: chain.first_state(),
            steps: chain.steps(),
            circuits,
            shorter: Vec::new(),
        };
        parts.answer_tokens = parts.generated_tokens();
        Self::new(parts)
    }

    /// The policy that accepts no shorter chain, and is the same in all else.
    ///
    /// # Errors
    ///
    /// Those of [`AcceptancePolicy::new`], of no policy that is known.
    pub fn without_shorter(&self) -> Result<Self, PolicyError> {
        let mut parts = self.parts();
        parts.shorter.clear();
        Self::new(parts)
    }

    /// Whether a segment with this statement may be part of the chain, and by which circuits it must be
    /// proven: the roots of the preprocessed columns of its proofs, in the order of [`Cut::parts`](crate::Cut::parts).
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch`], one variant for each field.
    pub fn check_segment(
        &self,
        statement: &SegmentStatement,
    ) -> Result<Vec<PreprocessedRoot>, PolicyMismatch> {
        self.check_terms(statement.terms())?;
        let chain = self.chain_of(statement.terms());
        let (expected, got) = (chain.steps, statement.steps());
        if !expected.contains(&got) {
            return Err(PolicyMismatch::StepsOutside { expected, got });
        }
        // That of several groups of layers is compared when all are there: see `check_begin`.
        if statement.group().is_none() && got.entries_before() == expected.entries_before() {
            chain.check_first_state(statement.state_before())?;
        }
        let (group, cut) = (statement.group_index(), statement.cut().kind());
        circuits::roots_for(chain.circuits, got.steps(), group, cut)
    }

    /// Whether a chain of at least one segment begins as it must: with the first state.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch::FirstState`].
    pub fn check_begin(&self, chain: &ChainStatement) -> Result<(), PolicyMismatch> {
        self.chain_of(chain.terms())
            .check_first_state(chain.first_state())
    }

    /// Whether a chain is the whole one: first state, the terms that its segments share, and all steps, or an
    /// end token before. Gives what of it is the answer; attention alone has none.
    ///
    /// `end` is the first end token that was generated, as [`Self::end_in`] finds it in the first segment
    /// that has one; that the chain does not go on behind that segment is for its caller to say.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch`], one variant for each field.
    pub fn check_chain(
        &self,
        chain: &ChainStatement,
        end: Option<EndToken>,
    ) -> Result<Option<Answer>, PolicyMismatch> {
        self.check_terms(chain.terms())?;
        let accepted = self.chain_of(chain.terms());
        accepted.check_first_state(chain.first_state())?;
        let (expected, got) = (accepted.steps, chain.steps());
        if !self.is_whole(chain, end) {
            let begins = expected.entries_before() == got.entries_before();
            let end_tokens = self.parts.end_tokens.clone();
            return Err(match got.steps().cmp(&expected.steps()) {
                Ordering::Less if begins && !end_tokens.is_empty() => PolicyMismatch::EndsEarly {
                    expected,
                    got,
                    end_tokens,
                },
                // All steps of a shorter chain.
                Ordering::Equal if begins => PolicyMismatch::NoEndToken {
                    expected: end_tokens,
                    got,
                },
                Ordering::Less | Ordering::Equal | Ordering::Greater => {
                    PolicyMismatch::ChainSteps { expected, got }
                }
            });
        }
        Ok(self.answer(got, end))
    }

    /// Whether a chain that has come so far, and whose first generated end token is `end`, is whole or can become so:
    /// one with all steps of a shorter chain and no end token cannot.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch::NoEndToken`].
    pub fn check_going_on(
        &self,
        chain: &ChainStatement,
        end: Option<EndToken>,
    ) -> Result<(), PolicyMismatch> {
        let got = chain.steps();
        let has_all = self.steps_of(chain.terms()).entries_after() <= got.entries_after();
        if has_all && self.is_shorter(chain.terms()) && !self.is_whole(chain, end) {
            return Err(PolicyMismatch::NoEndToken {
                expected: self.parts.end_tokens.clone(),
                got,
            });
        }
        Ok(())
    }

    /// Whether a chain whose first generated end token is `end` is whole: it has all steps, or ends before, with the
    /// end token among its own. A shorter chain has an end token in any case.
    #[must_use]
    pub fn is_whole(&self, chain: &ChainStatement, end: Option<EndToken>) -> bool {
        let (limit, steps) = (self.steps_of(chain.terms()), chain.steps());
        let all = steps.entries_after();
        let ends = |end: EndToken| {
            let generated = self.generates(end.position) && end.position <= all;
            generated && self.parts.end_tokens.contains(end.token)
        };
        (limit == steps && !self.is_shorter(chain.terms()))
            || (limit.contains(&steps)
                && limit.entries_before() == steps.entries_before()
                && end.is_some_and(ends))
    }

    /// The steps of the chain that is accepted with these terms, or the most that it has where an end token ends it
    /// before: those of the whole chain, but with the shape of a shorter one.
    #[must_use]
    pub fn steps_of(&self, terms: &SharedTerms) -> StepRange {
        self.chain_of(terms).steps
    }

    /// Whether these terms have the shape of a shorter chain.
    #[must_use]
    pub fn is_shorter(&self, terms: &SharedTerms) -> bool {
        self.shorter_of(terms).is_some()
    }

    /// The shorter chain of this shape: the one entry of the list, or none. That of the whole chain is none's.
    fn shorter_of(&self, terms: &SharedTerms) -> Option<&ShorterChain> {
        let AcceptancePolicyParts {
            terms: whole,
            steps,
            shorter,
            ..
        } = &self.parts;
        if terms.shape == whole.shape {
            return None;
        }
        let has_shape = |it: &&ShorterChain| it.shape(whole.shape, *steps) == Ok(terms.shape);
        shorter.iter().find(has_shape)
    }

    /// What is accepted of a chain with these terms: what the policy says of a chain of their shape, or else of the
    /// whole one.
    fn chain_of(&self, terms: &SharedTerms) -> Accepted<'_> {
        let whole = Accepted {
            steps: self.parts.steps,
            first_state: self.parts.first_state,
            circuits: &self.parts.circuits,
        };
        let shorter = self.shorter_of(terms);
        // The constructor has asked for the steps, too.
        shorter.map_or(whole, |chain| Accepted {
            steps: chain.steps_in(self.parts.steps).unwrap_or(self.parts.steps),
            first_state: chain.first_state,
            circuits: &chain.circuits,
        })
    }

    /// What is the answer of a chain of these steps, whose first generated end token is `end`; `None` of
    /// attention alone.
    #[must_use]
    pub fn answer(&self, steps: StepRange, end: Option<EndToken>) -> Option<Answer> {
        let limit = self.parts.answer_tokens;
        self.parts.terms.answer(steps, limit, end)
    }

    /// The first end token that a segment generates: among what it chooses, but not in the place of a token
    /// of the prompt. Attention alone generates none.
    ///
    /// That the values are those of the statement is for [`SegmentStatement::check_tokens`] to say, which
    /// comes before.
    #[must_use]
    pub fn end_in(&self, steps: StepRange, values: &PublicValues) -> Option<EndToken> {
        let decoder = self.parts.terms.decoder.as_ref()?;
        let chosen = values.tokens()?.chosen();
        self.parts
            .end_tokens
            .first_in(steps, decoder.prompt, chosen)
    }

    /// Whether the token at this position is generated, and not given.
    fn generates(&self, position: usize) -> bool {
        let decoder = self.parts.terms.decoder.as_ref();
        decoder.is_some_and(|it| !it.prompt.gives(position))
    }

    /// Whether the fields that all segments share are the ones decided upon: for the whole chain, or for a shorter one
    /// if they have its shape.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch`], one variant for each field.
    pub fn check_terms(&self, terms: &SharedTerms) -> Result<(), PolicyMismatch> {
        let whole = &self.parts.terms;
        let shorter = self.shorter_of(terms);
        match shorter.map(|chain| chain.terms(whole, self.parts.steps)) {
            Some(Ok(shorter)) => mismatch::check_terms(&shorter, terms),
            // The constructor has made these terms, too.
            None | Some(Err(_)) => mismatch::check_terms(whole, terms),
        }
    }

    /// Whether the tokens that a segment is given are those decided upon: every token that it consumes at
    /// a position of the prompt. Of attention alone there is nothing to check.
    ///
    /// That the values are those of the statement, and have its number of steps, is for
    /// [`SegmentStatement::check_tokens`] to say, which comes before.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch::PromptToken`] for the first token that is another.
    pub fn check_prompt(
        &self,
        steps: StepRange,
        values: &PublicValues,
    ) -> Result<(), PolicyMismatch> {
        let consumed = values.tokens().map_or(&[][..], |tokens| tokens.consumed());
        let given = self.parts.prompt.iter().enumerate();
        for ((position, expected), got) in given.skip(steps.entries_before()).zip(consumed) {
            if expected != got {
                return Err(PolicyMismatch::PromptToken {
                    position,
                    expected: *expected,
                    got: *got,
                });
            }
        }
        Ok(())
    }

    /// The first field in which `other` differs from `self`, if any: `expected` is this policy's value.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<TermsDifference> {
        let (own, others) = (&self.parts, &other.parts);
        let steps = |steps: &StepRange| text::Steps(steps).to_string();
        let tokens = |tokens: &Vec<TokenId>| text::tokens(tokens);
        let circuits = |circuits: &Vec<PolicyCircuit>| circuits::in_words(circuits);
        own.terms
            .first_difference(&others.terms)
            .or_else(|| differ("prompt", &own.prompt, &others.prompt, tokens))
            .or_else(|| {
                let (own, others) = (&own.end_tokens, &others.end_tokens);
                differ("end_tokens", own, others, ToString::to_string)
            })
            .or_else(|| {
                let (own, others) = (&own.answer_tokens, &others.answer_tokens);
                differ("answer_tokens", own, others, ToString::to_string)
            })
            .or_else(|| differ("steps", &own.steps, &others.steps, steps))
            .or_else(|| {
                let (own, others) = (&own.first_state, &others.first_state);
                differ("first_state", own, others, ToString::to_string)
            })
            .or_else(|| differ("circuits", &own.circuits, &others.circuits, circuits))
            .or_else(|| shorter::first_difference(&own.shorter, &others.shorter))
    }

    /// The root of the circuit for this part of segments of `steps` steps of the whole chain and a group of layers, if
    /// there is one.
    #[must_use]
    pub fn preprocessed_root(
        &self,
        part: ProofPart,
        group: u16,
        steps: usize,
    ) -> Option<PreprocessedRoot> {
        let steps = u32::try_from(steps).ok()?;
        circuits::find(&self.parts.circuits, (steps, group, part))
    }

    /// The fields, circuits in ascending order of their steps, group and part, shorter chains in that of their steps.
    #[must_use]
    pub fn parts(&self) -> AcceptancePolicyParts {
        self.parts.clone()
    }

    /// What statements of the chain must share.
    #[must_use]
    pub const fn terms(&self) -> &SharedTerms {
        &self.parts.terms
    }

    /// The tokens that the chain of a whole model is given; none for attention alone.
    #[must_use]
    pub fn prompt(&self) -> &[TokenId] {
        &self.parts.prompt
    }

    /// The tokens that end the answer of a whole model; none where it ends at its limit only.
    #[must_use]
    pub fn end_tokens(&self) -> &EndTokens {
        &self.parts.end_tokens
    }

    /// Most tokens of the answer of a whole model; 0 for attention alone.
    #[must_use]
    pub const fn answer_tokens(&self) -> u32 {
        self.parts.answer_tokens
    }

    /// Length of the encoded public values of a segment of `steps` steps, in bytes.
    #[must_use]
    pub const fn public_values_len(&self, steps: usize) -> usize {
        self.parts.terms.public_values_len(steps)
    }

    /// Commitment to the cache that the chain begins with.
    #[must_use]
    pub const fn first_state(&self) -> PortCommitment {
        self.parts.first_state
    }

    /// The steps of the whole chain, or the most that it has where an end token ends it before.
    #[must_use]
    pub const fn steps(&self) -> StepRange {
        self.parts.steps
    }

    /// The circuits, in ascending order of their steps, group and part.
    #[must_use]
    pub fn circuits(&self) -> &[PolicyCircuit] {
        &self.parts.circuits
    }

    /// The shorter chains that are accepted where an end token ends the answer, in ascending order of their steps.
    #[must_use]
    pub fn shorter(&self) -> &[ShorterChain] {
        &self.parts.shorter
    }
}

/// What a policy says of a chain, beside its terms.
struct Accepted<'a> {
    steps: StepRange,
    first_state: PortCommitment,
    circuits: &'a [PolicyCircuit],
}

impl Accepted<'_> {
    fn check_first_state(&self, got: PortCommitment) -> Result<(), PolicyMismatch> {
        let expected = self.first_state;
        if expected != got {
            return Err(PolicyMismatch::FirstState { expected, got });
        }
        Ok(())
    }
}

/// Whether the given tokens are as many as the terms of the decoder say, and of its vocabulary.
fn check_given(decoder: Option<&DecoderTerms>, prompt: &[TokenId]) -> Result<(), PolicyError> {
    let expected = decoder.map_or(0, |decoder| decoder.prompt.get());
    let got = prompt.len();
    if usize::try_from(expected) != Ok(got) {
        return Err(PolicyError::PromptLength { expected, got });
    }
    let vocabulary = decoder.map_or(0, |decoder| decoder.shape.vocabulary());
    let mut tokens = prompt.iter().enumerate();
    match tokens.find(|(_, token)| !token.is_below(vocabulary)) {
        None => Ok(()),
        Some((position, got)) => Err(PolicyError::PromptToken {
            position,
            expected: vocabulary,
            got: *got,
        }),
    }
}

/// Whether the end tokens are of the decoder's vocabulary; attention alone has none.
fn check_ends(decoder: Option<&DecoderTerms>, ends: &EndTokens) -> Result<(), PolicyError> {
    let expected = decoder.map_or(0, |decoder| decoder.shape.vocabulary());
    match ends.above(expected) {
        None => Ok(()),
        Some(got) => Err(PolicyError::EndToken { expected, got }),
    }
}

/// How many tokens a chain generates that ends with so many cache entries: the choice after the last step is one,
/// too.
fn generated(entries_after: usize, prompt: &[TokenId]) -> u32 {
    u32::try_from((entries_after + 1).saturating_sub(prompt.len())).unwrap_or(u32::MAX)
}

/// Whether the most tokens of the answer end in the last segment of the chain, so that no segment is surplus as a
/// whole; attention alone has no answer.
fn check_answer(parts: &AcceptancePolicyParts) -> Result<(), PolicyError> {
    let got = parts.answer_tokens;
    let expected = match parts.terms.decoder {
        None => [0, 0],
        Some(_) => {
            let segments = parts.steps.segments(parts.terms.shape.segment_steps());
            let last = segments.last().map_or(0, |it| it.entries_before());
            [last + 1, parts.steps.entries_after()].map(|entries| generated(entries, &parts.prompt))
        }
    };
    if got < expected[0] || got > expected[1] {
        return Err(PolicyError::AnswerTokens { expected, got });
    }
    Ok(())
}
