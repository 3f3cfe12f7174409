//! Verification of one segment.
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use matchmark_air::challenges::Challenges;
use matchmark_air::circuit::{Circuit, CircuitContext};
use matchmark_air::decoder::tokens::{chosen_columns, public_sum};
use matchmark_air::fingerprint::PortContent;
use matchmark_air::harness::public_columns::PublicColumns;
use matchmark_air::layout::{LayoutError, SegmentLayout};
use matchmark_air::ops::attention::vectors::entries::public_columns;
use matchmark_air::protocol::{self, Claimed, Side, Transcript};
use matchmark_air::relation_digest_of;
use matchmark_air::trees::Tree;
use matchmark_graph::Kind;
use matchmark_statement::{
    AcceptancePolicy, Cut, EndToken, Port, PreprocessedRoot, PublicValues, RelationVersion,
    SegmentStatement, TokenId,
};
use num_traits::Zero;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;

use crate::error::VerifyError;
use crate::figures::SecurityFigures;
use crate::segment_file::{LookupFile, SegmentFile};
use crate::session::Session;
use crate::structure::ProofStructure;
use crate::transcript;
use crate::verified::Verified;

/// A verified segment, the first end token that it generates, and the security with which it was verified.
/// Only [`verify_segment`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedSegment {
    statement: Verified<SegmentStatement>,
    end: Option<EndToken>,
    figures: SecurityFigures,
}

impl VerifiedSegment {
    /// The statement.
    pub fn statement(&self) -> &Verified<SegmentStatement> {
        &self.statement
    }

    /// The first token that ends the answer by the policy, among those that the segment generates.
    pub fn end(&self) -> Option<EndToken> {
        self.end
    }

    /// What the proofs are worth, term by term.
    pub fn figures(&self) -> &SecurityFigures {
        &self.figures
    }
}

/// Parts of a verification that cost differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Digest and evaluation of the public values: linear in the segment's own steps.
    PublicValues,
    /// Everything else: hardly depends on the number of steps.
    Proof,
}

/// Verifies a segment against a policy: the one proof of a fused segment, or both proofs of a split one
/// and that they belong together.
///
/// # Errors
///
/// A typed [`VerifyError`] for every reason to refuse; hostile input never panics.
pub fn verify_segment(
    file: &SegmentFile,
    policy: &AcceptancePolicy,
) -> Result<VerifiedSegment, VerifyError> {
    verify_segment_watched(file, policy, &mut |_| {})
}

/// Verifies as [`verify_segment`] does, and tells `begin` which part begins, for measuring.
///
/// # Errors
///
/// As [`verify_segment`].
pub fn verify_segment_watched(
    file: &SegmentFile,
    policy: &AcceptancePolicy,
    begin: &mut dyn FnMut(Part),
) -> Result<VerifiedSegment, VerifyError> {
    begin(Part::Proof);
    let statement = file.statement();
    let roots = policy.check_segment(statement)?;
    match (statement.cut().kind(), file.lookup()) {
        (Cut::Fused, None) => {}
        (Cut::Fused, Some(_)) => return Err(VerifyError::UnexpectedLookupProof),
        (Cut::Split, None) => return Err(VerifyError::LookupProofMissing),
        (Cut::Split, Some(lookup)) => check_pair(statement, lookup.statement().segment())?,
    }
    // Whatever the values were made for, the layout below is the statement's.
    statement.check_form(file.public_values())?;
    begin(Part::PublicValues);
    let digest = file.public_values().digest();
    if digest != statement.public_values() {
        return Err(VerifyError::PublicValuesMismatch {
            expected: statement.public_values(),
            got: digest,
        });
    }
    statement.check_tokens(file.public_values())?;
    policy.check_prompt(statement.steps(), file.public_values())?;
    begin(Part::Proof);
    check_relation(statement)?;
    let layout = SegmentLayout::of(statement)?;
    let structures = ProofStructure::all(&layout, statement.security())?;
    for (structure, root) in structures.iter().zip(roots) {
        match (structure.part().is_main(), file.lookup()) {
            (true, _) => verify_main(file, &layout, structure, root, begin)?,
            (false, Some(lookup)) => verify_lookup(lookup, &layout, structure, root)?,
            (false, None) => return Err(VerifyError::LookupProofMissing),
        }
    }
    Ok(VerifiedSegment {
        statement: Verified::new(statement.clone(), policy.id()),
        // Of the values that were compared with the statement, which the proofs are about.
        end: policy.end_in(statement.steps(), file.public_values()),
        figures: SecurityFigures::new(&structures),
    })
}

/// The two proofs of a split segment are about the same pairs, and about the same segment otherwise.
fn check_pair(segment: &SegmentStatement, lookup: &SegmentStatement) -> Result<(), VerifyError> {
    let (expected, got) = (segment.cut(), lookup.cut());
    if expected != got {
        return Err(VerifyError::CutMismatch { expected, got });
    }
    match segment.first_difference(lookup) {
        None => Ok(()),
        Some(field) => Err(VerifyError::OtherLookup {
            field,
            expected: segment.digest(),
            got: lookup.digest(),
        }),
    }
}

/// The relation that this verifier checks is the one that the statement, and so the policy, is about.
fn check_relation(statement: &SegmentStatement) -> Result<(), VerifyError> {
    let bounds = statement.terms().bounds().map_err(LayoutError::from)?;
    let (expected_version, expected) = (RelationVersion::CURRENT, relation_digest_of(&bounds));
    let (got_version, got) = (
        statement.terms().relation_version,
        statement.terms().relation_digest,
    );
    if (expected_version, expected) != (got_version, got) {
        return Err(VerifyError::UnknownRelation {
            expected_version,
            expected,
            got_version,
            got,
        });
    }
    Ok(())
}

/// The verifier's own terms, unless a challenge hits one of their tuples.
pub(crate) fn own_sum(sum: Option<QM31>) -> Result<QM31, VerifyError> {
    sum.ok_or(VerifyError::ChallengeHitsTuple)
}

/// One proof of a segment under verification: the verifier's side of the protocol.
struct PartVerifier<'a, 'w> {
    session: Session<'a>,
    layout: &'a SegmentLayout,
    /// The statement of the segment, which names the ports.
    statement: &'a SegmentStatement,
    /// The public values of the proof; a lookup proof has none.
    values: Option<&'a PublicValues>,
    begin: &'w mut dyn FnMut(Part),
}

impl Side for PartVerifier<'_, '_> {
    type Error = VerifyError;

    /// Each port is the one that the statement names: with its root, its fingerprint is fixed as well.
    fn commit(&mut self, tree: Tree, transcript: &mut Transcript) -> Result<(), VerifyError> {
        if let Some(port) = tree.port() {
            self.check_port(port, tree)?;
        }
        self.session.commit(tree, transcript);
        Ok(())
    }

    /// The LogUp sums cancel, together with the terms of a decoder's tokens, which depend on challenges.
    fn claim(&mut self, challenges: &Challenges) -> Result<Vec<QM31>, VerifyError> {
        let mut own = QM31::zero();
        if let (Some(decoder), Some(PublicValues::Tokens(tokens))) =
            (self.layout.decoder(), self.values)
        {
            (self.begin)(Part::PublicValues);
            own = own_sum(public_sum(decoder, &numbers(tokens.consumed()), challenges))?;
            (self.begin)(Part::Proof);
        }
        self.session.check_sums(own)?;
        Ok(self.session.claimed_sums().to_vec())
    }
}

impl PartVerifier<'_, '_> {
    /// The port of the statement is the one that the proof opens.
    fn check_port(&self, port: Port, tree: Tree) -> Result<(), VerifyError> {
        let structure = self.session.structure();
        let named = self.statement.port(port);
        let content = PortContent::of(self.statement, self.layout, port);
        let (Some(expected), Some(content)) = (named, content) else {
            unreachable!("a proof has the ports that its statement names");
        };
        let opening = self.session.opening(tree);
        let got = opening.commitment(&content, structure.lifting_log_size());
        if expected != got {
            return Err(VerifyError::PortNotOpened {
                port,
                part: structure.part(),
                expected,
                got,
            });
        }
        Ok(())
    }

    /// Runs through the protocol and the library.
    fn verify(mut self, mut transcript: Transcript) -> Result<(), VerifyError> {
        let structure = self.session.structure();
        transcript.supply(self.session.nonces());
        let Claimed {
            challenges,
            claimed_sums,
        } = protocol::run(structure.order(), &mut transcript, &mut self)?;
        let draws = self.session.draws(&mut transcript)?;
        let context = CircuitContext {
            entries_before: self.statement.steps().entries_before(),
            challenges,
            claimed_sums,
            points: self.session.port_points(),
            public: self.public_columns(draws.point),
        };
        let circuit = Circuit::new(self.layout, structure.part(), &context);
        self.session
            .finish(&circuit.components(), transcript, &draws)
    }

    /// The public columns, evaluated at the out-of-domain point: those of attention alone, or those of the tokens
    /// that a decoder's last layers choose.
    fn public_columns(&mut self, point: CirclePoint<QM31>) -> Arc<PublicColumns> {
        (self.begin)(Part::PublicValues);
        let public = match (self.values, self.layout.decoder()) {
            (Some(PublicValues::Attention(values)), None) => public_columns(self.layout, values),
            (Some(PublicValues::Tokens(tokens)), Some(decoder)) if decoder.has(Kind::Argmax) => {
                chosen_columns(decoder, &numbers(tokens.chosen()))
            }
            // No component reads one. (A statement of attention has no tokens, and a decoder's nothing else.)
            (Some(PublicValues::Attention(_) | PublicValues::Tokens(_)) | None, _) => {
                PublicColumns::none()
            }
        };
        // The point as the columns see it, whose domain may be shorter than the longest.
        let doublings = self.layout.max_log_rows() - public.log_rows();
        let public = public.evaluated_at(point.repeated_double(doublings));
        (self.begin)(Part::Proof);
        Arc::new(public)
    }
}

/// Tokens as numbers.
fn numbers(tokens: &[TokenId]) -> Vec<u32> {
    tokens.iter().map(|token| token.get()).collect()
}

/// Verifies the proof that shows the arithmetic.
fn verify_main(
    file: &SegmentFile,
    layout: &SegmentLayout,
    structure: &ProofStructure,
    root: PreprocessedRoot,
    begin: &mut dyn FnMut(Part),
) -> Result<(), VerifyError> {
    let statement = file.statement();
    let part = PartVerifier {
        session: Session::open(file.proof(), structure, root)?,
        layout,
        statement,
        values: Some(file.public_values()),
        begin,
    };
    part.verify(transcript::begin(statement, structure))
}

/// Verifies the lookup proof of a split segment.
pub(crate) fn verify_lookup(
    file: &LookupFile,
    layout: &SegmentLayout,
    structure: &ProofStructure,
    root: PreprocessedRoot,
) -> Result<(), VerifyError> {
    let part = PartVerifier {
        session: Session::open(file.proof(), structure, root).map_err(in_lookup)?,
        layout,
        statement: file.statement().segment(),
        values: None,
        begin: &mut |_| {},
    };
    let transcript = transcript::begin_lookup(file.statement(), structure);
    part.verify(transcript).map_err(in_lookup)
}

/// Says that an error is the second proof's, where it does not say so itself.
fn in_lookup(source: VerifyError) -> VerifyError {
    match source {
        VerifyError::PortNotOpened { .. } => source,
        source => VerifyError::Lookup(Box::new(source)),
    }
}
