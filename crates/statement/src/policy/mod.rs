//! Acceptance policies: what a verifier decided beforehand to accept.

mod binary;
mod decoder;
#[cfg(feature = "std")]
mod file;
mod mismatch;

use alloc::string::ToString;
use alloc::vec::Vec;

use matchmark_quant::{
    AccumulatorBounds, QuantizationPolicy, Rounding, StepRange, TableBounds, TaggedSha256,
};
use matchmark_tables::TableId;
use serde::{Deserialize, Serialize};

use crate::boundary::{Boundary, ProofPart};
use crate::chain::ChainStatement;
use crate::codec;
use crate::decoder::{check_terms, Beside, DecoderTerms, SegmentKind};
use crate::domain::VerifierDomain;
use crate::error::StatementError;
use crate::identity::{
    ModelIdentity, PolicyId, PreprocessedRoot, RelationDigest, RelationVersion, StateCommitment,
    StatementVersion,
};
use crate::public_values::{Form, PublicValues};
use crate::security::Security;
use crate::segment::SegmentStatement;
use crate::shape::SegmentShape;
use crate::terms::{differ, SharedTerms, TermsDifference};
use crate::text;
use crate::tokens::TokenId;

pub use mismatch::{PolicyError, PolicyMismatch};

/// The circuit for one segment length and part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyCircuit {
    /// Number of steps of the segments that this circuit proves.
    pub steps: u32,
    /// What it proves of them.
    pub part: ProofPart,
    /// Root of its preprocessed columns.
    pub preprocessed_root: PreprocessedRoot,
}

/// The roots of the circuits by which a segment must be proven, one for each of its proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitRoots {
    /// Of the one proof.
    Fused(PreprocessedRoot),
    /// Of the two.
    Split {
        /// Of the arithmetic proof.
        arithmetic: PreprocessedRoot,
        /// Of the lookup proof.
        lookup: PreprocessedRoot,
    },
    /// Of the one proof of a decoder segment.
    Decoder(PreprocessedRoot),
}

/// The fields of an [`AcceptancePolicy`], open for construction and for taking apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptancePolicyParts {
    /// Version of the relation.
    pub relation_version: RelationVersion,
    /// Digest of the relation.
    pub relation_digest: RelationDigest,
    /// Application and nonce that proofs must have been made for.
    pub domain: VerifierDomain,
    /// Security level and profile, exactly: a stronger level is another circuit, and not accepted
    /// either.
    pub security: Security,
    /// What statements must say about a model.
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
    /// The decoder, if the chain is one of a whole model.
    pub decoder: Option<DecoderTerms>,
    /// The tokens that the chain of a whole model begins with: as many as its decoder says. Empty for
    /// attention alone.
    pub prompt: Vec<TokenId>,
    /// Commitment to the cache that the chain begins with.
    pub first_state: StateCommitment,
    /// The steps of the whole chain.
    pub steps: StepRange,
    /// The circuits of each segment length in use, in any order: the fused one, or the two of split
    /// segments, or all three; of a whole model the decoder's.
    pub circuits: Vec<PolicyCircuit>,
}

impl AcceptancePolicyParts {
    /// The terms of a chain, the tokens that it is given (none of attention alone), where it begins and how
    /// far it goes, and its circuits.
    #[must_use]
    pub fn of(
        terms: SharedTerms,
        prompt: Vec<TokenId>,
        first_state: StateCommitment,
        steps: StepRange,
        circuits: Vec<PolicyCircuit>,
    ) -> Self {
        let SharedTerms {
            version: _,
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
        } = terms;
        Self {
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
            prompt,
            first_state,
            steps,
            circuits,
        }
    }

    /// The fields that statements of the chain share, as this version of the statement has them.
    fn terms(&self) -> SharedTerms {
        // Taken apart exhaustively: a new field does not compile until it has its place here, or is
        // compared beside the terms.
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
            prompt: _,
            first_state: _,
            steps: _,
            circuits: _,
        } = self;
        SharedTerms {
            version: StatementVersion::CURRENT,
            relation_version: *relation_version,
            relation_digest: *relation_digest,
            domain: domain.clone(),
            security: *security,
            model: *model,
            quantization: *quantization,
            rounding: *rounding,
            table: *table,
            table_bounds: *table_bounds,
            shape: *shape,
            decoder: *decoder,
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
    pub const TAG: &'static str = "matchmark/acceptance-policy/v4";

    /// Checks the fields against each other and makes a policy of them.
    ///
    /// # Errors
    ///
    /// - [`PolicyError::Shape`] if the steps do not fit the capacity, or if there is a decoder that the
    ///   other fields do not go with, as in [`SegmentStatement::new`];
    /// - [`PolicyError::DecoderBegin`] for a decoder's chain that does not begin with its first token;
    /// - [`PolicyError::PromptLength`], [`PolicyError::PromptToken`] unless the given tokens are as many
    ///   as the decoder's terms say and all of its vocabulary; of attention alone there are none;
    /// - [`PolicyError::Quantity`] if an accumulator could leave its bounds;
    /// - [`PolicyError::NoCircuits`], [`PolicyError::DuplicateCircuit`],
    ///   [`PolicyError::CircuitSteps`], [`PolicyError::CircuitKind`], [`PolicyError::HalfCircuit`] for a
    ///   list of circuits that is empty, names one twice, names a length that no segment has, has a
    ///   decoder's circuit without a decoder or another with one, or has only one of the two circuits of
    ///   split segments.
    pub fn new(mut parts: AcceptancePolicyParts) -> Result<Self, PolicyError> {
        parts.shape.check_entries(&parts.steps)?;
        check_terms(
            parts.decoder.as_ref(),
            &Beside {
                model: parts.model,
                quantization: &parts.quantization,
                rounding: parts.rounding,
                shape: &parts.shape,
            },
        )?;
        let got = parts.steps.entries_before();
        if parts.decoder.is_some() && got != 0 {
            return Err(PolicyError::DecoderBegin { expected: 0, got });
        }
        check_given(parts.decoder.as_ref(), &parts.prompt)?;
        AccumulatorBounds::new(
            &parts.shape.attention(),
            parts.shape.capacity(),
            parts.quantization.value_bits(),
            parts.quantization.score_step(),
            parts.table_bounds,
        )?;
        if parts.circuits.is_empty() {
            return Err(PolicyError::NoCircuits);
        }
        parts.circuits.sort_unstable();
        for pair in parts.circuits.windows(2) {
            if (pair[0].steps, pair[0].part) == (pair[1].steps, pair[1].part) {
                return Err(PolicyError::DuplicateCircuit {
                    part: pair[0].part,
                    got: pair[0].steps,
                });
            }
        }
        let expected = parts.shape.segment_steps().get();
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
        let expected = SegmentKind::of(parts.decoder.as_ref());
        for circuit in &parts.circuits {
            if circuit.part.kind() != expected {
                return Err(PolicyError::CircuitKind {
                    expected,
                    got: circuit.part,
                    steps: circuit.steps,
                });
            }
            let expected = match circuit.part {
                ProofPart::Fused | ProofPart::Decoder => continue,
                ProofPart::Arithmetic => ProofPart::Lookup,
                ProofPart::Lookup => ProofPart::Arithmetic,
            };
            if find(&parts.circuits, expected, circuit.steps).is_none() {
                return Err(PolicyError::HalfCircuit {
                    expected,
                    got: circuit.part,
                    steps: circuit.steps,
                });
            }
        }
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
    /// and the circuits are added.
    ///
    /// # Errors
    ///
    /// Those of [`AcceptancePolicy::new`].
    pub fn accepting(
        chain: &ChainStatement,
        prompt: Vec<TokenId>,
        circuits: Vec<PolicyCircuit>,
    ) -> Result<Self, PolicyError> {
        Self::new(AcceptancePolicyParts::of(
            chain.shared_terms().clone(),
            prompt,
            chain.first_state(),
            chain.steps(),
            circuits,
        ))
    }

    /// Whether a segment with this statement may be part of the chain, and by which circuits it must be
    /// proven: the roots of their preprocessed columns.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch`], one variant for each field.
    pub fn check_segment(
        &self,
        statement: &SegmentStatement,
    ) -> Result<CircuitRoots, PolicyMismatch> {
        self.check_terms(&statement.shared_terms())?;
        let (expected, got) = (self.parts.steps, statement.steps());
        if !expected.contains(&got) {
            return Err(PolicyMismatch::StepsOutside { expected, got });
        }
        if got.entries_before() == expected.entries_before() {
            self.check_first_state(statement.state_before())?;
        }
        self.circuits_for(got.steps(), statement.boundary().kind())
    }

    /// The circuits of segments of `steps` steps that are proven in this way. Statements of decoders are
    /// fused by construction.
    fn circuits_for(
        &self,
        steps: usize,
        boundary: Boundary,
    ) -> Result<CircuitRoots, PolicyMismatch> {
        let root = |part| self.preprocessed_root(part, steps);
        let roots = match (SegmentKind::of(self.parts.decoder.as_ref()), boundary) {
            (SegmentKind::Decoder, _) => root(ProofPart::Decoder).map(CircuitRoots::Decoder),
            (SegmentKind::Attention, Boundary::Fused) => {
                root(ProofPart::Fused).map(CircuitRoots::Fused)
            }
            (SegmentKind::Attention, Boundary::Split) => root(ProofPart::Arithmetic)
                .zip(root(ProofPart::Lookup))
                .map(|(arithmetic, lookup)| CircuitRoots::Split { arithmetic, lookup }),
        };
        roots.ok_or_else(|| {
            let circuits = self.parts.circuits.iter();
            let of_length: Vec<Boundary> = circuits
                .clone()
                .filter(|circuit| usize::try_from(circuit.steps) == Ok(steps))
                .map(|circuit| circuit.part.boundary())
                .collect();
            match of_length.first() {
                Some(&expected) => PolicyMismatch::Boundary {
                    expected,
                    got: boundary,
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

    /// Whether a chain is the whole one: first state, all steps, and the terms that its segments share.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch`], one variant for each field.
    pub fn check_chain(&self, chain: &ChainStatement) -> Result<(), PolicyMismatch> {
        self.check_terms(chain.shared_terms())?;
        self.check_first_state(chain.first_state())?;
        let (expected, got) = (self.parts.steps, chain.steps());
        if expected != got {
            return Err(PolicyMismatch::ChainSteps { expected, got });
        }
        Ok(())
    }

    /// Whether the fields that all segments share are the ones decided upon.
    ///
    /// # Errors
    ///
    /// [`PolicyMismatch`], one variant for each field.
    pub fn check_terms(&self, terms: &SharedTerms) -> Result<(), PolicyMismatch> {
        let expected = &self.parts;
        // Taken apart exhaustively: a new field does not compile until it is checked. There is one
        // statement version only, which every constructor insists on.
        let SharedTerms {
            version: _,
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
        } = terms;
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
        decoder::check(expected.decoder.as_ref(), decoder.as_ref())
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
        let circuits = |circuits: &Vec<PolicyCircuit>| text::circuits(circuits);
        own.terms()
            .first_difference(&others.terms())
            .or_else(|| differ("prompt", &own.prompt, &others.prompt, tokens))
            .or_else(|| differ("steps", &own.steps, &others.steps, steps))
            .or_else(|| {
                let (own, others) = (&own.first_state, &others.first_state);
                differ("first_state", own, others, ToString::to_string)
            })
            .or_else(|| differ("circuits", &own.circuits, &others.circuits, circuits))
    }

    fn check_first_state(&self, got: StateCommitment) -> Result<(), PolicyMismatch> {
        let expected = self.parts.first_state;
        if expected != got {
            return Err(PolicyMismatch::FirstState { expected, got });
        }
        Ok(())
    }

    /// The root of the circuit for this part of segments of `steps` steps, if there is one.
    #[must_use]
    pub fn preprocessed_root(&self, part: ProofPart, steps: usize) -> Option<PreprocessedRoot> {
        find(&self.parts.circuits, part, u32::try_from(steps).ok()?)
    }

    /// The fields, circuits in ascending order of their steps and part.
    #[must_use]
    pub fn parts(&self) -> AcceptancePolicyParts {
        self.parts.clone()
    }

    /// Version of the relation.
    #[must_use]
    pub const fn relation_version(&self) -> RelationVersion {
        self.parts.relation_version
    }

    /// Digest of the relation.
    #[must_use]
    pub const fn relation_digest(&self) -> RelationDigest {
        self.parts.relation_digest
    }

    /// Application and nonce.
    #[must_use]
    pub const fn domain(&self) -> &VerifierDomain {
        &self.parts.domain
    }

    /// Security level and profile.
    #[must_use]
    pub const fn security(&self) -> Security {
        self.parts.security
    }

    /// What statements must say about a model.
    #[must_use]
    pub const fn model(&self) -> ModelIdentity {
        self.parts.model
    }

    /// Value width, score step and scales.
    #[must_use]
    pub const fn quantization(&self) -> &QuantizationPolicy {
        &self.parts.quantization
    }

    /// Rounding rule of the outputs.
    #[must_use]
    pub const fn rounding(&self) -> Rounding {
        self.parts.rounding
    }

    /// Identity of the weight table.
    #[must_use]
    pub const fn table(&self) -> TableId {
        self.parts.table
    }

    /// Length of the weight table and its largest weight.
    #[must_use]
    pub const fn table_bounds(&self) -> TableBounds {
        self.parts.table_bounds
    }

    /// Heads, head dimension, capacity and segment length.
    #[must_use]
    pub const fn shape(&self) -> SegmentShape {
        self.parts.shape
    }

    /// The decoder, if the chain is one of a whole model.
    #[must_use]
    pub const fn decoder(&self) -> Option<&DecoderTerms> {
        self.parts.decoder.as_ref()
    }

    /// The tokens that the chain of a whole model is given; none for attention alone.
    #[must_use]
    pub fn prompt(&self) -> &[TokenId] {
        &self.parts.prompt
    }

    /// Length of the encoded public values of a segment of `steps` steps, in bytes.
    #[must_use]
    pub const fn public_values_len(&self, steps: usize) -> usize {
        let form = Form {
            attention: self.parts.shape.attention(),
            bits: self.parts.quantization.value_bits(),
            decoder: self.parts.decoder.as_ref(),
        };
        form.encoded_len(steps)
    }

    /// Commitment to the cache that the chain begins with.
    #[must_use]
    pub const fn first_state(&self) -> StateCommitment {
        self.parts.first_state
    }

    /// The steps of the whole chain.
    #[must_use]
    pub const fn steps(&self) -> StepRange {
        self.parts.steps
    }

    /// The circuits, in ascending order of their steps and part.
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

/// The root in a sorted list of circuits.
fn find(circuits: &[PolicyCircuit], part: ProofPart, steps: u32) -> Option<PreprocessedRoot> {
    circuits
        .binary_search_by_key(&(steps, part), |circuit| (circuit.steps, circuit.part))
        .ok()
        .map(|index| circuits[index].preprocessed_root)
}
