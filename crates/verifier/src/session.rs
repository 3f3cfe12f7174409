//! What the verification of every proof has in common: checks before the transcript begins, and the
//! run through transcript and library.
use alloc::string::ToString;

use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_air::hash::{MerkleHasher, ProofChannel};
use matchmark_air::points::{check_samples, PortPoints};
use matchmark_air::protocol::Transcript;
use matchmark_air::trees::Tree;
use matchmark_statement::PreprocessedRoot;
use num_traits::Zero;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::P;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::CommitmentSchemeVerifier;
use stwo::core::proof::StarkProof;
use stwo::core::verifier::{verify, VerificationError};

use crate::error::VerifyError;
use crate::proof::SegmentProof;
use crate::queries::{self, Draws};
use crate::structure::ProofStructure;

/// A decoded proof under verification.
pub(crate) struct Session<'a> {
    proof: SegmentProof,
    structure: &'a ProofStructure,
    scheme: CommitmentSchemeVerifier<ProofChannel>,
}

impl<'a> Session<'a> {
    /// Decodes a proof, and compares its preprocessed root with the policy's.
    pub(crate) fn open(
        bytes: &[u8],
        structure: &'a ProofStructure,
        expected: PreprocessedRoot,
    ) -> Result<Self, VerifyError> {
        check_lookup_uses(structure)?;
        let proof = SegmentProof::decode(bytes, structure)?;
        let root = proof.stark.commitments[structure.place(Tree::Preprocessed)];
        let got = PreprocessedRoot::from_bytes(root.0);
        if expected != got {
            return Err(VerifyError::PreprocessedRootMismatch { expected, got });
        }
        Ok(Self {
            proof,
            structure,
            scheme: CommitmentSchemeVerifier::new(structure.pcs_config()),
        })
    }

    /// The structure that the proof has.
    pub(crate) fn structure(&self) -> &'a ProofStructure {
        self.structure
    }

    /// The nonces of the work before challenges.
    pub(crate) fn nonces(&self) -> &[u64] {
        &self.proof.nonces
    }

    /// The claimed sums.
    pub(crate) fn claimed_sums(&self) -> &[QM31] {
        &self.proof.claimed_sums
    }

    /// The LogUp sums cancel, together with the verifier's own terms.
    pub(crate) fn check_sums(&self, own: QM31) -> Result<(), VerifyError> {
        let sums = self.proof.claimed_sums.iter();
        let total = sums.fold(own, |total, sum| total + *sum);
        if !total.is_zero() {
            return Err(VerifyError::LookupSumNotZero {
                got: total.to_m31_array().map(|coordinate| coordinate.0),
            });
        }
        Ok(())
    }

    /// Root and fingerprint of a tree as the proof opens it. The first sample of a fingerprinted column
    /// is the one at the fingerprint point.
    pub(crate) fn opening(&self, tree: Tree) -> Opening {
        let place = self.structure.place(tree);
        let samples = &self.proof.stark.sampled_values[place];
        Opening {
            root: self.proof.stark.commitments[place],
            fingerprint: samples.iter().map(|column| column[0]).collect(),
        }
    }

    /// The points at which the ports are fingerprinted.
    pub(crate) fn port_points(&self) -> PortPoints {
        let ports = self.structure.trees().iter().filter(|tree| tree.is_port());
        let point = |tree: &Tree| {
            let root = self.proof.stark.commitments[self.structure.place(*tree)];
            (*tree, fingerprint_point(root))
        };
        PortPoints::new(ports.map(point).collect())
    }

    /// Absorbs the root of a tree. The library numbers trees as they come, so the order is checked, in every
    /// build.
    ///
    /// # Panics
    ///
    /// If it does not come in the order of the structure: an error in the program, never in a proof.
    pub(crate) fn commit(&mut self, tree: Tree, transcript: &mut Transcript) {
        let place = self.structure.place(tree);
        assert_eq!(place, self.scheme.trees.len(), "trees come in order");
        self.scheme.commit(
            self.proof.stark.commitments[place],
            &self.structure.column_log_sizes()[place],
            transcript.channel(),
        );
    }

    /// Columns can be opened wherever the library will open them, given the out-of-domain point.
    pub(crate) fn check_points(
        &self,
        components: &[&dyn Component],
        point: CirclePoint<QM31>,
    ) -> Result<(), VerifyError> {
        let log_blowup = self.structure.parameters().log_blowup;
        let max_log_rows = self.structure.lifting_log_size() - log_blowup;
        Ok(check_samples(components, point, max_log_rows, log_blowup)?)
    }

    /// What the library will draw. All lists that depend on the query positions have the length that
    /// these demand.
    pub(crate) fn draws(&self, transcript: &mut Transcript) -> Result<Draws, VerifyError> {
        let draws = queries::draw(transcript.hand_over(), &self.proof, self.structure)?;
        queries::check_lengths(&draws.queries, &self.proof, self.structure)?;
        Ok(draws)
    }

    /// Hands the proof to the library, unless it would have to open columns at a point where nothing can be
    /// opened.
    pub(crate) fn finish(
        mut self,
        components: &[&dyn Component],
        mut transcript: Transcript,
        draws: &Draws,
    ) -> Result<(), VerifyError> {
        self.check_points(components, draws.point)?;
        let stark = StarkProof::<MerkleHasher>(self.proof.stark);
        let expected = self.structure.parameters().pow_bits;
        let got = stark.0.proof_of_work;
        let channel = transcript.channel();
        verify(components, channel, &mut self.scheme, stark)
            .map_err(|error| refusal(error, expected, got))?;
        // The channel cannot refuse while the library draws from it.
        transcript.finish()?;
        Ok(())
    }
}

/// The library's reason to refuse a proof, in our words.
fn refusal(error: VerificationError, pow_bits: u32, nonce: u64) -> VerifyError {
    match error {
        VerificationError::OodsNotMatching => VerifyError::ConstraintsNotSatisfied,
        VerificationError::Merkle(error) => VerifyError::Opening(error.to_string()),
        VerificationError::Fri(error) => VerifyError::LowDegree(error.to_string()),
        VerificationError::ProofOfWork => queries::before_queries(pow_bits, nonce),
        VerificationError::InvalidStructure(reason) => VerifyError::Proof(reason),
    }
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

#[cfg(test)]
pub(crate) mod tests {
    use alloc::string::ToString;

    use matchmark_air::channel::{Challenge, WorkError};
    use stwo::core::fri::FriVerificationError;
    use stwo::core::vcs_lifted::verifier::MerkleVerificationError;

    use super::*;

    /// What becomes of a structure that the library refuses. The lengths are compared before it sees a
    /// proof, so that no proof comes to this.
    pub(crate) fn structure_refused() -> VerifyError {
        let reason = "one column too few".to_string();
        refusal(VerificationError::InvalidStructure(reason), 20, 7)
    }

    #[test]
    fn every_refusal_of_the_library_has_its_own_name() {
        assert_eq!(
            structure_refused(),
            VerifyError::Proof("one column too few".to_string())
        );
        assert_eq!(
            refusal(VerificationError::ProofOfWork, 20, 7),
            VerifyError::Work(WorkError::NotEnough {
                challenge: Challenge::Queries,
                bits: 20,
                nonce: 7
            })
        );
        let name = |error| refusal(error, 20, 7).name();
        let constraints = VerificationError::OodsNotMatching;
        assert_eq!(name(constraints), "ConstraintsNotSatisfied");
        let merkle = MerkleVerificationError::RootMismatch;
        assert_eq!(name(VerificationError::Merkle(merkle)), "Opening");
        let fri = FriVerificationError::LastLayerDegreeInvalid;
        assert_eq!(name(VerificationError::Fri(fri)), "LowDegree");
    }
}
