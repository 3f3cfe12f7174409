//! The verifier of a system that lacks something, and the real one.
use matchmark_air::challenges::Challenges;
use matchmark_air::decoder::tokens::public_tuples;
use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_air::hash::{MerkleHasher, ProofChannel};
use matchmark_air::lookup::{LookupComponents, LookupContext};
use matchmark_air::relation::TaggedRelation;
use matchmark_air::segment::{SegmentComponents, SegmentContext};
use matchmark_air::trees::Tree;
use matchmark_statement::{LookupStatement, PreprocessedRoot, PublicValues, SegmentBoundary};
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::transcript::{self, Transcript};
use matchmark_verifier::{verify_segment, LookupFile, SegmentFile, SegmentProof, VerifyError};
use num_traits::Zero;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo::core::pcs::CommitmentSchemeVerifier;
use stwo::core::proof::StarkProof;
use stwo::core::verifier::{verify as verify_stark, VerificationError};

use stwo_constraint_framework::Relation;

use super::claim::Claimed;
use super::prove::public_columns;
use super::system::Reduced;
use crate::checker::Drop;

/// Verifies a claim in the system without `drop`.
pub fn verify(claimed: &Claimed<'_>, drop: &Drop, proofs: &[Vec<u8>]) -> Result<(), VerifyError> {
    verify_main(claimed, drop, &proofs[0])?;
    match proofs.get(1) {
        None => Ok(()),
        Some(proof) => verify_lookup(claimed, drop, proof)
            .map_err(|error| VerifyError::Lookup(Box::new(error))),
    }
}

/// Sends the proofs as a segment file to the verifier of the project.
pub fn verify_as_stated(
    claimed: &Claimed<'_>,
    values: &PublicValues,
    proofs: &[Vec<u8>],
) -> Result<(), VerifyError> {
    let statement = &claimed.statement;
    let lookup = proofs.get(1).map(|proof| {
        let statement = LookupStatement::new(statement.clone()).unwrap();
        LookupFile::new(statement, proof.clone())
    });
    let file = SegmentFile::new(statement.clone(), values.clone(), proofs[0].clone());
    let bytes = file.with_lookup(lookup).encode()?;
    verify_segment(&SegmentFile::decode(&bytes)?, &claimed.policy(values)).map(|_| ())
}

/// A proof under verification.
struct Session<'a> {
    proof: SegmentProof,
    structure: &'a ProofStructure,
    transcript: Transcript,
    scheme: CommitmentSchemeVerifier<ProofChannel>,
}

impl<'a> Session<'a> {
    /// Decodes a proof, and checks the preprocessed root.
    fn open(
        claimed: &'a Claimed<'_>,
        place: usize,
        transcript: Transcript,
        bytes: &[u8],
    ) -> Result<Self, VerifyError> {
        let structure = &claimed.setup.structures[place];
        let proof = SegmentProof::decode(bytes, structure)?;
        let root = |hash: [u8; 32]| PreprocessedRoot::from_bytes(hash);
        let expected = root(claimed.setup.preprocessed[place].opening.root.0);
        let got = root(proof.stark.commitments[structure.place(Tree::Preprocessed)].0);
        if expected != got {
            return Err(VerifyError::PreprocessedRootMismatch { expected, got });
        }
        Ok(Self {
            proof,
            structure,
            transcript,
            scheme: CommitmentSchemeVerifier::new(structure.pcs_config()),
        })
    }

    /// The claimed sums cancel, with what the verifier adds to them.
    fn check_sums(&self, drop: &Drop, public: QM31) -> Result<(), VerifyError> {
        let sums = self.proof.claimed_sums.iter();
        let total = sums.fold(public, |total, sum| total + *sum);
        if !total.is_zero() && *drop != Drop::Balance {
            let got = total.to_m31_array().map(|coordinate| coordinate.0);
            return Err(VerifyError::LookupSumNotZero { got });
        }
        Ok(())
    }

    fn commit(&mut self, trees: &[Tree]) {
        for tree in trees {
            let place = self.structure.place(*tree);
            let root = self.proof.stark.commitments[place];
            let sizes = &self.structure.column_log_sizes()[place];
            self.scheme.commit(root, sizes, self.transcript.channel());
        }
    }

    fn opening(&self, tree: Tree) -> Opening {
        let place = self.structure.place(tree);
        let samples = &self.proof.stark.sampled_values[place];
        Opening {
            root: self.proof.stark.commitments[place],
            fingerprint: samples.iter().map(|column| column[0]).collect(),
        }
    }

    fn point(&self, tree: Tree) -> CirclePoint<QM31> {
        fingerprint_point(self.opening(tree).root)
    }

    /// The boundary of the statement is the one that the proof opens.
    fn check_boundary(&self, claimed: &Claimed<'_>) -> Result<(), VerifyError> {
        let layout = &claimed.setup.case.layout;
        let height = self.structure.lifting_log_size();
        let got = self
            .opening(Tree::Boundary)
            .boundary_commitment(layout, height);
        let expected = claimed.statement.boundary();
        if expected == SegmentBoundary::Split(got) {
            return Ok(());
        }
        Err(VerifyError::BoundaryNotOpened {
            part: self.structure.part(),
            expected,
            got,
        })
    }

    /// The states of the statement are those that the proof opens.
    fn check_states(&self, claimed: &Claimed<'_>) -> Result<(), VerifyError> {
        let (statement, steps) = (&claimed.statement, claimed.statement.steps());
        let height = self.structure.lifting_log_size();
        let (before, after) = (steps.entries_before(), steps.entries_after());
        for (which, tree, entries, expected) in [
            ("first", Tree::StateBefore, before, statement.state_before()),
            ("last", Tree::StateAfter, after, statement.state_after()),
        ] {
            let opening = self.opening(tree);
            let got = opening.state_commitment(&statement.shape(), entries as u64, height);
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

    fn finish(mut self, components: &[&dyn Component]) -> Result<(), VerifyError> {
        let stark = StarkProof::<MerkleHasher>(self.proof.stark);
        let channel = self.transcript.channel();
        verify_stark(components, channel, &mut self.scheme, stark).map_err(|error| match error {
            VerificationError::OodsNotMatching => VerifyError::ConstraintsNotSatisfied,
            other => VerifyError::Proof(other.to_string()),
        })
    }
}

fn verify_main(claimed: &Claimed<'_>, drop: &Drop, bytes: &[u8]) -> Result<(), VerifyError> {
    let layout = &claimed.setup.case.layout;
    let structure = &claimed.setup.structures[0];
    let transcript = transcript::begin(&claimed.statement, structure);
    let mut session = Session::open(claimed, 0, transcript, bytes)?;
    session.check_states(claimed)?;
    session.commit(&[Tree::Preprocessed]);
    let mut model_point = CirclePoint::zero();
    if let Some(decoder) = claimed.statement.decoder() {
        let height = structure.lifting_log_size();
        let opening = session.opening(Tree::Model);
        let (expected, got) = (
            decoder.weights,
            opening.model_commitment(
                &decoder.shape,
                &decoder.arithmetic,
                claimed.statement.table(),
                height,
            ),
        );
        if expected != got {
            return Err(VerifyError::ModelMismatch { expected, got });
        }
        session.commit(&[Tree::Model]);
        model_point = session.point(Tree::Model);
    }
    session.commit(&[Tree::StateBefore, Tree::StateAfter]);
    let mut boundary_point = CirclePoint::zero();
    if !claimed.boundaries.is_empty() {
        session.check_boundary(claimed)?;
        session.commit(&[Tree::Boundary]);
        boundary_point = session.point(Tree::Boundary);
    }
    session.commit(&[Tree::Witness]);
    let projection = session.transcript.draw_projection();
    session.commit(&[Tree::Projections]);
    let lookup = session.transcript.draw_lookup();
    let challenges = Challenges { projection, lookup };
    session.check_sums(drop, public_sum(claimed, drop, &challenges))?;
    session.transcript.claim_sums(&session.proof.claimed_sums);
    session.commit(&[Tree::Lookups]);
    let context = SegmentContext {
        entries_before: claimed.statement.steps().entries_before(),
        challenges,
        claimed_sums: session.proof.claimed_sums.clone(),
        fingerprint_points: [Tree::StateBefore, Tree::StateAfter].map(|tree| session.point(tree)),
        boundary_point,
        model_point,
        public: public_columns(layout, &claimed.forged.witness.entries),
    };
    let system = Reduced::new(drop, 0, &context.claimed_sums);
    let components = SegmentComponents::of_system(layout, &context, &system);
    session.finish(&components.components())
}

/// What the verifier of a decoder adds to the claimed sums: none of a relation that is left out.
fn public_sum(claimed: &Claimed<'_>, drop: &Drop, challenges: &Challenges) -> QM31 {
    let layout = claimed.setup.case.layout.decoder();
    let (Some(layout), Some(decoder)) = (layout, &claimed.forged.witness.decoder) else {
        return QM31::zero();
    };
    let challenge = challenges.projection.position;
    let tuples = public_tuples(layout, &decoder.consumed, &decoder.chosen, challenge);
    let stated = tuples
        .into_iter()
        .filter(|(tag, ..)| *drop != Drop::Relation(*tag));
    stated.fold(QM31::zero(), |sum, (tag, values, times)| {
        let relation = TaggedRelation {
            tag,
            challenges: &challenges.lookup,
        };
        let combined = Relation::<M31, QM31>::combine(&relation, &values);
        sum + combined.inverse() * times
    })
}

fn verify_lookup(claimed: &Claimed<'_>, drop: &Drop, bytes: &[u8]) -> Result<(), VerifyError> {
    let layout = &claimed.setup.case.layout;
    let statement = LookupStatement::new(claimed.statement.clone()).unwrap();
    let transcript = transcript::begin_lookup(&statement, &claimed.setup.structures[1]);
    let mut session = Session::open(claimed, 1, transcript, bytes)?;
    session.check_sums(drop, QM31::zero())?;
    if *drop != Drop::Boundary {
        session.check_boundary(claimed)?;
    }
    session.commit(&[Tree::Preprocessed, Tree::Boundary, Tree::Witness]);
    let challenges = session.transcript.draw_lookup();
    session.transcript.claim_sums(&session.proof.claimed_sums);
    session.commit(&[Tree::Lookups]);
    let context = LookupContext {
        challenges,
        claimed_sums: session.proof.claimed_sums.clone().try_into().unwrap(),
        boundary_point: session.point(Tree::Boundary),
    };
    let first = SegmentComponents::count(layout);
    let system = Reduced::new(drop, first, &context.claimed_sums);
    let components = LookupComponents::of_system(layout, &context, &system);
    session.finish(&components.components())
}
