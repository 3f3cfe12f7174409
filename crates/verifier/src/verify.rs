//! Verification of one segment.
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use matchmark_air::challenges::Challenges;
use matchmark_air::decoder::tokens::public_sum;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::lookup::{LookupComponents, LookupContext, LOOKUP_COMPONENTS};
use matchmark_air::segment::{public_columns, SegmentComponents, SegmentContext};
use matchmark_air::trees::Tree;
use matchmark_air::RELATION_DIGEST;
use matchmark_statement::{
    AcceptancePolicy, Boundary, CircuitRoots, DecoderTerms, PreprocessedRoot, PublicValues,
    RelationVersion, SegmentBoundary, SegmentStatement, TableId,
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

/// A verified segment and the security with which it was verified.
#[derive(Clone, Debug)]
pub struct VerifiedSegment {
    /// The statement.
    pub statement: Verified<SegmentStatement>,
    /// What the proofs are worth, term by term.
    pub figures: SecurityFigures,
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
    let (root, lookup) = match (policy.check_segment(statement)?, file.lookup()) {
        (CircuitRoots::Fused(root) | CircuitRoots::Decoder(root), None) => (root, None),
        (CircuitRoots::Fused(_) | CircuitRoots::Decoder(_), Some(_)) => {
            return Err(VerifyError::UnexpectedLookupProof)
        }
        (CircuitRoots::Split { .. }, None) => return Err(VerifyError::LookupProofMissing),
        (CircuitRoots::Split { arithmetic, lookup }, Some(file)) => {
            check_pair(statement, file.statement().segment())?;
            (arithmetic, Some((lookup, file)))
        }
    };
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
    let mut structures = vec![ProofStructure::new(&layout, statement.security())];
    verify_main(file, &layout, &structures[0], root, begin)?;
    if let Some((root, file)) = lookup {
        let structure = ProofStructure::lookup(&layout, statement.security());
        verify_lookup(file, &layout, &structure, root)?;
        structures.push(structure);
    }
    Ok(VerifiedSegment {
        statement: Verified::new(statement.clone(), policy.id()),
        figures: SecurityFigures::new(&layout, &structures, statement.security()),
    })
}

/// The two proofs of a split segment are about the same boundary, and about the same segment otherwise.
fn check_pair(segment: &SegmentStatement, lookup: &SegmentStatement) -> Result<(), VerifyError> {
    let (expected, got) = (segment.boundary(), lookup.boundary());
    if expected != got {
        return Err(VerifyError::BoundaryMismatch { expected, got });
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
    let (expected_version, expected) = (RelationVersion::CURRENT, RELATION_DIGEST);
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

/// The states of the statement are those that the proof opens.
fn check_states(
    session: &Session<'_>,
    statement: &SegmentStatement,
    structure: &ProofStructure,
) -> Result<(), VerifyError> {
    let steps = statement.steps();
    let sides = [
        (
            "first",
            Tree::StateBefore,
            steps.entries_before(),
            statement.state_before(),
        ),
        (
            "last",
            Tree::StateAfter,
            steps.entries_after(),
            statement.state_after(),
        ),
    ];
    for (which, tree, entries, expected) in sides {
        let got = session.opening(tree).state_commitment(
            &statement.shape(),
            entries as u64,
            structure.lifting_log_size(),
        );
        if expected != got {
            return Err(VerifyError::StateMismatch {
                which,
                expected,
                got,
            });
        }
    }
    Ok(())
}

/// The verifier's own terms, unless a challenge hits one of their tuples.
pub(crate) fn own_sum(sum: Option<QM31>) -> Result<QM31, VerifyError> {
    sum.ok_or(VerifyError::ChallengeHitsTuple)
}

/// The model of the statement is the one whose weights and tables the proof opens, with the statement's
/// arithmetic and weight table.
fn check_model(
    session: &Session<'_>,
    structure: &ProofStructure,
    decoder: &DecoderTerms,
    table: TableId,
) -> Result<(), VerifyError> {
    let expected = decoder.weights;
    let opening = session.opening(Tree::Model);
    let got = opening.model_commitment(
        &decoder.shape,
        &decoder.arithmetic,
        table,
        structure.lifting_log_size(),
    );
    if expected != got {
        return Err(VerifyError::ModelMismatch { expected, got });
    }
    Ok(())
}

/// The boundary of the statement is the one that the proof opens.
fn check_boundary(
    session: &Session<'_>,
    layout: &SegmentLayout,
    structure: &ProofStructure,
    expected: SegmentBoundary,
) -> Result<(), VerifyError> {
    let opening = session.opening(Tree::Boundary);
    let got = opening.boundary_commitment(layout, structure.lifting_log_size());
    if expected != SegmentBoundary::Split(got) {
        return Err(VerifyError::BoundaryNotOpened {
            part: structure.part(),
            expected,
            got,
        });
    }
    Ok(())
}

/// Verifies the fused proof, or the arithmetic one.
fn verify_main(
    file: &SegmentFile,
    layout: &SegmentLayout,
    structure: &ProofStructure,
    root: PreprocessedRoot,
    begin: &mut dyn FnMut(Part),
) -> Result<(), VerifyError> {
    let statement = file.statement();
    let transcript = transcript::begin(statement, structure);
    let mut session = Session::open(file.proof(), structure, root, transcript)?;
    if let Some(decoder) = statement.decoder() {
        check_model(&session, structure, decoder, statement.table())?;
    }
    check_states(&session, statement, structure)?;
    if layout.boundary() == Boundary::Split {
        check_boundary(&session, layout, structure, statement.boundary())?;
    }
    // The sums of a decoder cancel with terms that depend on its challenges.
    if layout.decoder().is_none() {
        session.check_sums(QM31::zero())?;
    }
    session.commit(&[Tree::Preprocessed]);
    let model_point = match statement.decoder() {
        None => CirclePoint::<QM31>::zero(),
        Some(_) => {
            session.commit(&[Tree::Model]);
            session.fingerprint_point(Tree::Model)
        }
    };
    session.commit(&[Tree::StateBefore, Tree::StateAfter]);
    let boundary_point = match layout.boundary() {
        Boundary::Fused => CirclePoint::<QM31>::zero(),
        Boundary::Split => {
            session.commit(&[Tree::Boundary]);
            session.fingerprint_point(Tree::Boundary)
        }
    };
    session.commit(&[Tree::Witness]);
    let projection = session.transcript().draw_projection();
    session.commit(&[Tree::Projections]);
    let lookup = session.transcript().draw_lookup();
    let challenges = Challenges { projection, lookup };
    if let (Some(decoder), PublicValues::Tokens(tokens)) = (layout.decoder(), file.public_values())
    {
        begin(Part::PublicValues);
        let [consumed, chosen] = [tokens.consumed(), tokens.chosen()]
            .map(|tokens| tokens.iter().map(|token| token.get()).collect::<Vec<_>>());
        let sum = public_sum(decoder, &consumed, &chosen, &challenges);
        begin(Part::Proof);
        session.check_sums(own_sum(sum)?)?;
    }
    let claimed_sums = session.claim_sums();
    session.commit(&[Tree::Lookups]);

    let draws = session.draws()?;
    let public = match file.public_values() {
        PublicValues::Attention(values) => {
            begin(Part::PublicValues);
            // The point as the columns see it, whose domain may be shorter than the longest.
            let public = public_columns(layout, values);
            let doublings = layout.max_log_rows() - public.log_rows();
            let public = public.evaluated_at(draws.point.repeated_double(doublings));
            begin(Part::Proof);
            Arc::new(public)
        }
        // A decoder has no public columns.
        PublicValues::Tokens(_) => SegmentContext::structural(layout).public,
    };
    let context = SegmentContext {
        entries_before: statement.steps().entries_before(),
        challenges,
        claimed_sums,
        fingerprint_points: [Tree::StateBefore, Tree::StateAfter]
            .map(|tree| session.fingerprint_point(tree)),
        boundary_point,
        model_point,
        public,
    };
    let components = SegmentComponents::new(layout, &context);
    session.finish(&components.components(), &draws)
}

/// Verifies the lookup proof of a split segment.
pub(crate) fn verify_lookup(
    file: &LookupFile,
    layout: &SegmentLayout,
    structure: &ProofStructure,
    root: PreprocessedRoot,
) -> Result<(), VerifyError> {
    let expected = SegmentBoundary::Split(file.statement().boundary());
    let transcript = transcript::begin_lookup(file.statement(), structure);
    let mut session =
        Session::open(file.proof(), structure, root, transcript).map_err(in_lookup)?;
    check_boundary(&session, layout, structure, expected)?;
    session.check_sums(QM31::zero()).map_err(in_lookup)?;
    session.commit(&[Tree::Preprocessed, Tree::Boundary, Tree::Witness]);
    let challenges = session.transcript().draw_lookup();
    let sums = session.claim_sums();
    session.commit(&[Tree::Lookups]);
    let draws = session.draws().map_err(in_lookup)?;
    let context = LookupContext {
        challenges,
        // The structure has as many sums as there are components.
        claimed_sums: <[QM31; LOOKUP_COMPONENTS]>::try_from(sums).map_err(|sums| {
            VerifyError::WrongLength {
                part: "claimed sums",
                expected: LOOKUP_COMPONENTS,
                got: sums.len(),
            }
        })?,
        boundary_point: session.fingerprint_point(Tree::Boundary),
    };
    let components = LookupComponents::new(layout, &context);
    session
        .finish(&components.components(), &draws)
        .map_err(in_lookup)
}

/// Says that an error is the second proof's.
fn in_lookup(source: VerifyError) -> VerifyError {
    VerifyError::Lookup(Box::new(source))
}
