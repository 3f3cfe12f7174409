//! Verification of one segment.
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use matchmark_air::challenges::Challenges;
use matchmark_air::hash::{MerkleHasher, ProofChannel};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::segment::{public_columns, SegmentComponents, SegmentContext};
use matchmark_air::state::{fingerprint_point, StateOpening};
use matchmark_air::trees::Tree;
use matchmark_air::RELATION_DIGEST;
use matchmark_statement::{AcceptancePolicy, PreprocessedRoot, RelationVersion, SegmentStatement};
use num_traits::Zero;
use stwo::core::fields::m31::P;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::CommitmentSchemeVerifier;
use stwo::core::proof::StarkProof;
use stwo::core::verifier::{verify, VerificationError};

use crate::error::VerifyError;
use crate::figures::SecurityFigures;
use crate::proof::SegmentProof;
use crate::segment_file::SegmentFile;
use crate::structure::ProofStructure;
use crate::verified::Verified;
use crate::{queries, transcript};

/// A verified segment and the security with which it was verified.
#[derive(Clone, Debug)]
pub struct VerifiedSegment {
    /// The statement.
    pub statement: Verified<SegmentStatement>,
    /// What the proof is worth, term by term.
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

/// Verifies a segment against a policy.
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
    let preprocessed_root = policy.check_segment(statement)?;
    begin(Part::PublicValues);
    let digest = file.public_values().digest();
    if digest != statement.public_values() {
        return Err(VerifyError::PublicValuesMismatch {
            expected: statement.public_values(),
            got: digest,
        });
    }
    begin(Part::Proof);
    check_relation(statement)?;
    let layout = SegmentLayout::of(statement)?;
    let structure = ProofStructure::new(&layout, statement.security());
    check_lookup_uses(&structure)?;
    let proof = SegmentProof::decode(file.proof(), &structure)?;
    check_preprocessed_root(&proof, preprocessed_root)?;
    check_states(&proof, statement, &structure)?;
    let total = proof
        .claimed_sums
        .iter()
        .fold(QM31::zero(), |total, sum| total + *sum);
    if !total.is_zero() {
        return Err(VerifyError::LookupSumNotZero {
            got: total.to_m31_array().map(|coordinate| coordinate.0),
        });
    }
    verify_stark(proof, file, &layout, &structure, begin)?;
    Ok(VerifiedSegment {
        statement: Verified::new(statement.clone(), policy.id()),
        figures: SecurityFigures::new(&layout, &structure, statement.security()),
    })
}

/// The relation that this verifier checks is the one that the statement, and so the policy, is about.
fn check_relation(statement: &SegmentStatement) -> Result<(), VerifyError> {
    let (expected_version, expected) = (RelationVersion::CURRENT, RELATION_DIGEST);
    let (got_version, got) = (statement.relation_version(), statement.relation_digest());
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

fn check_preprocessed_root(
    proof: &SegmentProof,
    expected: PreprocessedRoot,
) -> Result<(), VerifyError> {
    let root = proof.stark.commitments[Tree::Preprocessed.index()];
    let got = PreprocessedRoot::from_bytes(root.0);
    if expected != got {
        return Err(VerifyError::PreprocessedRootMismatch { expected, got });
    }
    Ok(())
}

/// The states of the statement are those that the proof opens. The first sample of a state column is
/// the one at the fingerprint point.
fn check_states(
    proof: &SegmentProof,
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
        let samples = &proof.stark.sampled_values[tree.index()];
        let opening = StateOpening {
            root: proof.stark.commitments[tree.index()],
            fingerprint: samples.iter().map(|column| column[0]).collect(),
        };
        let got = opening.commitment(
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

/// Every relation has fewer uses than the field has elements, so that no multiplicity wraps around.
fn check_lookup_uses(structure: &ProofStructure) -> Result<(), VerifyError> {
    let got = structure.tuples();
    if got >= u64::from(P) {
        return Err(VerifyError::TooManyLookups {
            expected: u64::from(P),
            got,
        });
    }
    Ok(())
}

fn verify_stark(
    proof: SegmentProof,
    file: &SegmentFile,
    layout: &SegmentLayout,
    structure: &ProofStructure,
    begin: &mut dyn FnMut(Part),
) -> Result<(), VerifyError> {
    let statement = file.statement();
    let commitments = proof.stark.commitments.clone();
    let sizes = structure.column_log_sizes();
    let mut scheme = CommitmentSchemeVerifier::<ProofChannel>::new(structure.pcs_config());
    let mut transcript = transcript::begin(statement, structure);
    let mut commit = |tree: Tree, transcript: &mut transcript::Transcript| {
        let index = tree.index();
        scheme.commit(commitments[index], &sizes[index], transcript.channel());
    };
    commit(Tree::Preprocessed, &mut transcript);
    commit(Tree::StateBefore, &mut transcript);
    commit(Tree::StateAfter, &mut transcript);
    commit(Tree::Witness, &mut transcript);
    let projection = transcript.draw_projection();
    commit(Tree::Projections, &mut transcript);
    let lookup = transcript.draw_lookup();
    transcript.claim_sums(&proof.claimed_sums);
    commit(Tree::Lookups, &mut transcript);

    let draws = queries::draw(transcript.channel(), &proof, structure)?;
    queries::check_lengths(&draws.queries, &proof, structure)?;
    begin(Part::PublicValues);
    // The point as the columns see it, whose domain may be shorter than the longest.
    let public = public_columns(layout, file.public_values());
    let doublings = layout.max_log_rows() - public.log_rows();
    let public = public.evaluated_at(draws.point.repeated_double(doublings));
    begin(Part::Proof);
    let point = |tree: Tree| fingerprint_point(commitments[tree.index()]);
    let context = SegmentContext {
        entries_before: statement.steps().entries_before(),
        challenges: Challenges { projection, lookup },
        claimed_sums: proof.claimed_sums,
        fingerprint_points: [point(Tree::StateBefore), point(Tree::StateAfter)],
        public: Arc::new(public),
    };
    let components = SegmentComponents::new(layout, &context);
    let components: Vec<_> = components.components();
    let stark = StarkProof::<MerkleHasher>(proof.stark);
    verify(&components, transcript.channel(), &mut scheme, stark).map_err(|error| match error {
        VerificationError::OodsNotMatching => VerifyError::ConstraintsNotSatisfied,
        VerificationError::Merkle(error) => VerifyError::Opening(error.to_string()),
        VerificationError::Fri(error) => VerifyError::LowDegree(error.to_string()),
        other => VerifyError::Proof(other.to_string()),
    })
}
