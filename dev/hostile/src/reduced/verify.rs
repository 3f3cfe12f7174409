//! The verifier of a system that lacks something: a side of the protocol beside the real one.
use matchmark_air::challenges::Challenges;
use matchmark_air::channel::WorkError;
use matchmark_air::circuit::{Circuit, CircuitContext};
use matchmark_air::decoder::tokens::public_tuples;
use matchmark_air::fingerprint::{fingerprint_point, Opening, PortContent};
use matchmark_air::hash::{MerkleHasher, ProofChannel};
use matchmark_air::points::PortPoints;
use matchmark_air::protocol::{self, Side, Transcript};
use matchmark_air::relation::TaggedRelation;
use matchmark_air::trees::Tree;
use matchmark_statement::{LookupStatement, PreprocessedRoot, ProofPart, PublicValues};
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{
    transcript, verify_segment, LookupFile, SegmentFile, SegmentProof, VerifyError,
};
use num_traits::Zero;
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
    let mut first = 0;
    for (place, (structure, proof)) in claimed.setup.structures.iter().zip(proofs).enumerate() {
        let verifier = Lacking {
            claimed,
            drop,
            structure,
            proof: SegmentProof::decode(proof, structure)?,
            scheme: CommitmentSchemeVerifier::new(structure.pcs_config()),
        };
        let verified = match place {
            0 => verifier.verify(
                place,
                first,
                transcript::begin(&claimed.statement, structure),
            ),
            _ => {
                let statement = LookupStatement::new(claimed.statement.clone()).unwrap();
                let transcript = transcript::begin_lookup(&statement, structure);
                verifier
                    .verify(place, first, transcript)
                    .map_err(|error| VerifyError::Lookup(Box::new(error)))
            }
        };
        verified?;
        first += structure.claimed_sums();
    }
    Ok(())
}

/// The proofs as a segment file.
pub fn stated_file(
    claimed: &Claimed<'_>,
    values: &PublicValues,
    proofs: &[Vec<u8>],
) -> SegmentFile {
    let statement = &claimed.statement;
    let lookup = proofs.get(1).map(|proof| {
        let statement = LookupStatement::new(statement.clone()).unwrap();
        LookupFile::new(statement, proof.clone())
    });
    let file = SegmentFile::new(statement.clone(), values.clone(), proofs[0].clone());
    file.with_lookup(lookup)
}

/// Sends the proofs as a segment file to the verifier of the project.
pub fn verify_as_stated(
    claimed: &Claimed<'_>,
    values: &PublicValues,
    proofs: &[Vec<u8>],
) -> Result<(), VerifyError> {
    let bytes = stated_file(claimed, values, proofs).encode()?;
    verify_segment(&SegmentFile::decode(&bytes)?, &claimed.policy(values)).map(|_| ())
}

/// A proof under verification.
struct Lacking<'a> {
    claimed: &'a Claimed<'a>,
    drop: &'a Drop,
    structure: &'a ProofStructure,
    proof: SegmentProof,
    scheme: CommitmentSchemeVerifier<ProofChannel>,
}

impl Side for Lacking<'_> {
    type Error = VerifyError;

    fn commit(&mut self, tree: Tree, transcript: &mut Transcript) -> Result<(), VerifyError> {
        self.check_port(tree)?;
        let place = self.structure.place(tree);
        let root = self.proof.stark.commitments[place];
        let sizes = &self.structure.column_log_sizes()[place];
        self.scheme.commit(root, sizes, transcript.channel());
        Ok(())
    }

    /// The claimed sums cancel, with what the verifier adds to them. It adds nothing to those of a lookup proof.
    fn claim(&mut self, challenges: &Challenges) -> Result<Vec<QM31>, VerifyError> {
        let public = match self.structure.part().is_main() {
            true => public_sum(self.claimed, self.drop, challenges),
            false => QM31::zero(),
        };
        let sums = self.proof.claimed_sums.iter();
        let total = sums.fold(public, |total, sum| total + *sum);
        if !total.is_zero() && *self.drop != Drop::Balance {
            let got = total.to_m31_array().map(|coordinate| coordinate.0);
            return Err(VerifyError::LookupSumNotZero { got });
        }
        Ok(self.proof.claimed_sums.clone())
    }
}

impl Lacking<'_> {
    fn opening(&self, tree: Tree) -> Opening {
        let place = self.structure.place(tree);
        let samples = &self.proof.stark.sampled_values[place];
        Opening {
            root: self.proof.stark.commitments[place],
            fingerprint: samples.iter().map(|column| column[0]).collect(),
        }
    }

    /// The port of the statement is the one that the proof opens; the second proof of a split segment may
    /// lack that.
    fn check_port(&self, tree: Tree) -> Result<(), VerifyError> {
        let Some(port) = tree.port() else {
            return Ok(());
        };
        let (statement, part) = (&self.claimed.statement, self.structure.part());
        if part == ProofPart::Lookup && *self.drop == Drop::Pairs {
            return Ok(());
        }
        let layout = &self.claimed.setup.case.layout;
        let content = PortContent::of(statement, layout, port).expect("a port of the segment");
        let expected = statement.port(port).expect("a port of the statement");
        let height = self.structure.lifting_log_size();
        let got = self.opening(tree).commitment(&content, height);
        match expected == got {
            true => Ok(()),
            false => Err(VerifyError::PortNotOpened {
                port,
                part,
                expected,
                got,
            }),
        }
    }

    /// Runs through the protocol and the library.
    fn verify(
        mut self,
        place: usize,
        first: usize,
        mut transcript: Transcript,
    ) -> Result<(), VerifyError> {
        let (claimed, structure) = (self.claimed, self.structure);
        let layout = &claimed.setup.case.layout;
        let root = |hash: [u8; 32]| PreprocessedRoot::from_bytes(hash);
        let expected = root(claimed.setup.preprocessed[place].opening.root.0);
        let got = root(self.proof.stark.commitments[structure.place(Tree::Preprocessed)].0);
        if expected != got {
            return Err(VerifyError::PreprocessedRootMismatch { expected, got });
        }
        transcript.supply(&self.proof.nonces);
        let phases = protocol::run(structure.order(), &mut transcript, &mut self)?;
        let ports = structure.trees().iter().filter(|tree| tree.is_port());
        let points = ports.map(|tree| (*tree, fingerprint_point(self.opening(*tree).root)));
        let context = CircuitContext {
            entries_before: claimed.statement.steps().entries_before(),
            challenges: phases.challenges,
            claimed_sums: phases.claimed_sums,
            points: PortPoints::new(points.collect()),
            public: public_columns(layout, &claimed.forged.witness),
        };
        let system = Reduced::new(self.drop, first, &context.claimed_sums);
        let circuit = Circuit::of_system(layout, structure.part(), &context, &system);
        let stark = StarkProof::<MerkleHasher>(self.proof.stark);
        let channel = transcript.hand_over();
        verify_stark(&circuit.components(), channel, &mut self.scheme, stark).map_err(|error| {
            match error {
                VerificationError::OodsNotMatching => VerifyError::ConstraintsNotSatisfied,
                other => VerifyError::Proof(other.to_string()),
            }
        })?;
        match (transcript.finish(), self.drop) {
            (Err(WorkError::NotEnough { challenge, .. }), Drop::Work(idle))
                if challenge == *idle =>
            {
                Ok(())
            }
            (finished, _) => Ok(finished.map(|_| ())?),
        }
    }
}

/// What the verifier of a decoder adds to the claimed sums: none of a relation that is left out.
fn public_sum(claimed: &Claimed<'_>, drop: &Drop, challenges: &Challenges) -> QM31 {
    let layout = claimed.setup.case.layout.decoder();
    let (Some(layout), Some(tokens)) = (layout, &claimed.forged.witness.tokens) else {
        return QM31::zero();
    };
    let challenge = challenges.rlc.position;
    let tuples = public_tuples(layout, &tokens.consumed, challenge);
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
