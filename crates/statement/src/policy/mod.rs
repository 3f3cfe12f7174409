//! Acceptance policies: what a verifier decided beforehand to accept.

mod binary;
mod error;
#[cfg(feature = "std")]
mod file;
mod mismatch;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use matchmark_quant::{StepRange, TaggedSha256};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, EndToken, EndTokens};
use crate::chain::ChainStatement;
use crate::codec;
use crate::cut::{Cut, ProofPart};
use crate::decoder::DecoderTerms;
use crate::error::StatementError;
use crate::identity::{PolicyId, PortCommitment, PreprocessedRoot};
use crate::public_values::PublicValues;
use crate::segment::SegmentStatement;
use crate::terms::{differ, SharedTerms, TermsDifference};
use crate::text;
use crate::tokens::TokenId;

pub use error::PolicyError;
pub use mismatch::PolicyMismatch;

/// The circuit for one segment length and part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyCircuit {
    /// Number of steps of the segments that this circuit proves.
    pub steps: u32,
    /// The group of layers that it is for; 0 where there is only one.
    pub group: u16,
    /// What it proves of them.
    pub part: ProofPart,
    /// Root of its preprocessed columns.
    pub preprocessed_root: PreprocessedRoot,
}

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
    pub const TAG: &'static str = "matchmark/acceptance-policy/v8";

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
    ///   that there is not, and for a group that has none of a length in use.
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
        if parts.circuits.is_empty() {
            return Err(PolicyError::NoCircuits);
        }
        parts.circuits.sort_unstable();
        for pair in parts.circuits.windows(2) {
            if place(&pair[0]) == place(&pair[1]) {
                return Err(PolicyError::DuplicateCircuit {
                    part: pair[0].part,
                    group: pair[0].group,
                    got: pair[0].steps,
                });
            }
        }
        let expected = parts.terms.shape.segment_steps().get();
        if let Some(circuit) = parts
            .circuits
            .iter()
            .find(|circuit| circuit.steps == 0 || circuit.steps > expected)
        {
            return Err(PolicyError::CircuitSteps {
                expected,
                got: circuit.steps,
            });
        }
        for circuit in &parts.circuits {
            let expected = match circuit.part {
                ProofPart::Whole => continue,
                ProofPart::Arithmetic => ProofPart::Lookup,
                ProofPart::Lookup => ProofPart::Arithmetic,
            };
            if find(&parts.circuits, (circuit.steps, circuit.group, expected)).is_none() {
                return Err(PolicyError::HalfCircuit {
                    expected,
                    got: circuit.part,
                    steps: circuit.steps,
                });
            }
        }
        check_groups(parts.terms.groups().get(), &parts.circuits)?;
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
        };
        parts.answer_tokens = parts.generated_tokens();
        Self::new(parts)
    }

    /// Whether a segment with this statement may be part of the chain, and by which circuits it must be
    /// proven: the roots of the preprocessed columns of its proofs, in the order of [`Cut::parts`].
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch`], one variant for each field.
    pub fn check_segment(
        &self,
        statement: &SegmentStatement,
    ) -> Result<Vec<PreprocessedRoot>, PolicyMismatch> {
        self.check_terms(statement.terms())?;
        let (expected, got) = (self.parts.steps, statement.steps());
        if !expected.contains(&got) {
            return Err(PolicyMismatch::StepsOutside { expected, got });
        }
        // That of several groups of layers is compared when all are there: see `check_begin`.
        if statement.group().is_none() && got.entries_before() == expected.entries_before() {
            self.check_first_state(statement.state_before())?;
        }
        self.roots_for(got.steps(), statement.group_index(), statement.cut().kind())
    }

    /// Whether a chain of at least one segment begins as it must: with the first state.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch::FirstState`].
    pub fn check_begin(&self, chain: &ChainStatement) -> Result<(), PolicyMismatch> {
        self.check_first_state(chain.first_state())
    }

    /// The roots of the circuits of segments of `steps` steps that are cut in this way, of a group of layers.
    fn roots_for(
        &self,
        steps: usize,
        group: u16,
        cut: Cut,
    ) -> Result<Vec<PreprocessedRoot>, PolicyMismatch> {
        let parts = cut.parts().iter();
        let roots = parts
            .map(|part| self.preprocessed_root(*part, group, steps))
            .collect();
        Option::ok_or_else(roots, || {
            let circuits = self.parts.circuits.iter();
            let mut of_length = circuits
                .clone()
                .filter(|it| usize::try_from(it.steps) == Ok(steps) && it.group == group);
            match of_length.next() {
                Some(circuit) => PolicyMismatch::Cut {
                    expected: circuit.part.cut(),
                    got: cut,
                },
                None => {
                    let mut expected: Vec<u32> = circuits.map(|circuit| circuit.steps).collect();
                    expected.dedup();
                    PolicyMismatch::SegmentLength {
                        expected,
                        got: steps,
                    }
                }
            }
        })
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
        self.check_first_state(chain.first_state())?;
        let (expected, got) = (self.parts.steps, chain.steps());
        if !self.is_whole(got, end) {
            let begins = expected.entries_before() == got.entries_before();
            return Err(
                if begins && got.steps() < expected.steps() && !self.parts.end_tokens.is_empty() {
                    let end_tokens = self.parts.end_tokens.clone();
                    PolicyMismatch::EndsEarly {
                        expected,
                        got,
                        end_tokens,
                    }
                } else {
                    PolicyMismatch::ChainSteps { expected, got }
                },
            );
        }
        Ok(self.answer(got, end))
    }

    /// Whether a chain of these steps, whose first generated end token is `end`, is whole: it has all steps,
    /// or ends before, with the end token among its own.
    #[must_use]
    pub fn is_whole(&self, steps: StepRange, end: Option<EndToken>) -> bool {
        let (limit, all) = (self.parts.steps, steps.entries_after());
        let ends = |end: EndToken| {
            let generated = self.generates(end.position) && end.position <= all;
            generated && self.parts.end_tokens.contains(end.token)
        };
        limit == steps
            || (limit.contains(&steps)
                && limit.entries_before() == steps.entries_before()
                && end.is_some_and(ends))
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

    /// Whether the fields that all segments share are the ones decided upon.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch`], one variant for each field.
    pub fn check_terms(&self, terms: &SharedTerms) -> Result<(), PolicyMismatch> {
        mismatch::check_terms(&self.parts.terms, terms)
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
        let circuits = |circuits: &Vec<PolicyCircuit>| circuits_in_words(circuits);
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
    }

    fn check_first_state(&self, got: PortCommitment) -> Result<(), PolicyMismatch> {
        let expected = self.parts.first_state;
        if expected != got {
            return Err(PolicyMismatch::FirstState { expected, got });
        }
        Ok(())
    }

    /// The root of the circuit for this part of segments of `steps` steps and a group of layers, if there is one.
    #[must_use]
    pub fn preprocessed_root(
        &self,
        part: ProofPart,
        group: u16,
        steps: usize,
    ) -> Option<PreprocessedRoot> {
        let steps = u32::try_from(steps).ok()?;
        find(&self.parts.circuits, (steps, group, part))
    }

    /// The fields, circuits in ascending order of their steps, group and part.
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

/// Where a circuit stands among others.
const fn place(circuit: &PolicyCircuit) -> (u32, u16, ProofPart) {
    (circuit.steps, circuit.group, circuit.part)
}

/// Whether every length of segments that is in use has circuits for all groups of layers, and for no others.
fn check_groups(expected: u16, circuits: &[PolicyCircuit]) -> Result<(), PolicyError> {
    if let Some(circuit) = circuits.iter().find(|circuit| circuit.group >= expected) {
        let got = circuit.group;
        return Err(PolicyError::CircuitGroup { expected, got });
    }
    for of_length in circuits.chunk_by(|left, right| left.steps == right.steps) {
        let missing = (0..expected).find(|group| of_length.iter().all(|it| it.group != *group));
        if let Some(group) = missing {
            let steps = of_length[0].steps;
            return Err(PolicyError::GroupCircuit { group, steps });
        }
    }
    Ok(())
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

/// `decoder circuit of 16 steps c0ffee..., ...`.
fn circuits_in_words(circuits: &[PolicyCircuit]) -> String {
    let words = circuits.iter().map(|circuit| {
        let PolicyCircuit {
            steps,
            group,
            part,
            preprocessed_root,
        } = circuit;
        let of_group = match group {
            0 => String::new(),
            group => format!(" of group {group}"),
        };
        format!("{part} circuit{of_group} of {steps} steps {preprocessed_root}")
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The root in a sorted list of circuits.
fn find(circuits: &[PolicyCircuit], at: (u32, u16, ProofPart)) -> Option<PreprocessedRoot> {
    circuits
        .binary_search_by_key(&at, place)
        .ok()
        .map(|index| circuits[index].preprocessed_root)
}
