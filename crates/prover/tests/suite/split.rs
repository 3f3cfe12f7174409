//! Split segments: two proofs that belong together, and every way in which two do not.

use matchmark_air::layout::LaneChoice;
use matchmark_hostile::bytes::attempt;
use matchmark_hostile::cases::{fast, split_narrow, split_wide, Spec};
use matchmark_hostile::proving::{honest, Claim};
use matchmark_prover::ProvenSegment;
use matchmark_statement::{
    AcceptancePolicy, Cut, LookupStatement, PolicyMismatch, Port, PortCommitment, ProofPart,
    SegmentCut, SegmentStatement, VerifierDomain,
};
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{verify_segment, LookupFile, SegmentFile, VerifyError};

struct Split {
    claim: Claim,
    policy: AcceptancePolicy,
    file: SegmentFile,
}

fn split(spec: &Spec, seed: u64) -> Split {
    let (claim, forged) = honest(&spec.case(), seed);
    let ProvenSegment { file, metrics } = claim.prove(&forged).unwrap();
    let parts: Vec<_> = metrics.proofs.iter().map(|proof| proof.part).collect();
    assert_eq!(parts, spec.cut.parts());
    let bytes: usize = metrics.proofs.iter().map(|proof| proof.bytes).sum();
    assert_eq!(bytes, file.proof_bytes());
    let policy = claim.policy();
    verify_segment(&file, &policy).unwrap();
    Split {
        claim,
        policy,
        file,
    }
}

fn refusal(file: &SegmentFile, policy: &AcceptancePolicy) -> VerifyError {
    let bytes = file.encode().unwrap();
    let error = attempt(&bytes, policy).unwrap_err();
    // What the bytes say is what the file says.
    assert_eq!(verify_segment(file, policy).unwrap_err(), error);
    error
}

#[test]
fn two_proofs_of_one_segment_are_accepted() {
    for mut spec in [split_narrow(), split_wide()] {
        let one = split(&spec, 3);
        let bytes = one.file.encode().unwrap();
        assert_eq!(attempt(&bytes, &one.policy), Ok(()));
        assert_eq!(
            SegmentFile::decode(&bytes).unwrap().encode().unwrap(),
            bytes
        );
        spec.security = fast();
        split(&spec, 4);
    }
}

#[test]
fn a_missing_proof_is_named() {
    let one = split(&split_narrow(), 1);
    let alone = one.file.clone().with_lookup(None);
    assert_eq!(
        refusal(&alone, &one.policy),
        VerifyError::LookupProofMissing
    );
    // The lookup proof without the arithmetic one.
    let values = one.file.public_values().clone();
    let statement = one.file.statement().clone();
    let alone = SegmentFile::new(statement, values, vec![]).with_lookup(one.file.lookup().cloned());
    assert!(matches!(
        refusal(&alone, &one.policy),
        VerifyError::Truncated { .. }
    ));
    // Neither passes for the other.
    let lookup = one.file.lookup().unwrap();
    let swapped = SegmentFile::new(
        one.file.statement().clone(),
        one.file.public_values().clone(),
        lookup.proof().to_vec(),
    )
    .with_lookup(Some(LookupFile::new(
        lookup.statement().clone(),
        one.file.proof().to_vec(),
    )));
    refusal(&swapped, &one.policy);
}

#[test]
fn a_fused_segment_has_no_second_proof() {
    let two = split(&split_narrow(), 1);
    let fused = split(
        &Spec {
            cut: Cut::Fused,
            lanes: LaneChoice::FewestCells,
            ..split_narrow()
        },
        1,
    );
    let extra = fused.file.clone().with_lookup(two.file.lookup().cloned());
    assert_eq!(
        refusal(&extra, &fused.policy),
        VerifyError::UnexpectedLookupProof
    );
    // And a policy that knows fused segments alone accepts no split one, nor the other way round.
    let mut parts = fused.policy.parts();
    parts.steps = two.policy.steps();
    assert!(matches!(
        refusal(&two.file, &fused.policy),
        VerifyError::Policy(PolicyMismatch::Cut {
            expected: Cut::Fused,
            got: Cut::Split
        })
    ));
    assert!(matches!(
        refusal(&fused.file, &two.policy),
        VerifyError::Policy(PolicyMismatch::Cut {
            expected: Cut::Split,
            got: Cut::Fused
        })
    ));
}

/// Pairs of different runs: other inputs, or the same inputs for another verifier.
#[test]
fn pairs_of_different_runs_are_refused() {
    let one = split(&split_narrow(), 1);
    let two = split(&split_narrow(), 2);
    let mixed = one.file.clone().with_lookup(two.file.lookup().cloned());
    assert_eq!(
        refusal(&mixed, &one.policy),
        VerifyError::CutMismatch {
            expected: one.file.statement().cut(),
            got: two.file.statement().cut(),
        }
    );

    // The same pairs, and another domain.
    let mut parts = one.file.statement().parts();
    parts.terms.domain = VerifierDomain::new("another", [0; 16]).unwrap();
    let other = restated(&one, SegmentStatement::new(parts).unwrap());
    let mixed = one.file.clone().with_lookup(other.lookup().cloned());
    assert_eq!(
        refusal(&mixed, &one.policy),
        VerifyError::OtherLookup {
            field: "domain",
            expected: one.file.statement().digest(),
            got: other.statement().digest(),
        }
    );
    // The other run's proof under this run's statement.
    let proof = other.lookup().unwrap().proof().to_vec();
    let statement = LookupStatement::new(one.file.statement().clone()).unwrap();
    let mixed = one
        .file
        .clone()
        .with_lookup(Some(LookupFile::new(statement, proof)));
    assert!(matches!(
        refusal(&mixed, &one.policy),
        VerifyError::Lookup(_)
    ));
}

/// A proof of the same witness in the name of another statement.
fn restated(one: &Split, statement: SegmentStatement) -> SegmentFile {
    let claim = &one.claim;
    let (_, forged) = honest(&claim.case, 1);
    let proven = claim.prover.prove_witness(
        statement,
        claim.values.clone(),
        &forged.witness,
        &claim.before,
        &claim.after,
    );
    proven.unwrap().file
}

#[test]
fn swapped_and_invented_pairs_are_refused() {
    let one = split(&split_narrow(), 1);
    let two = split(&split_narrow(), 2);
    let cuts = [
        two.file.statement().cut(),
        SegmentCut::Split(PortCommitment::from_bytes([0; 32])),
    ];
    for cut in cuts {
        // Both statements name pairs that neither proof opens.
        let mut parts = one.file.statement().parts();
        parts.cut = cut;
        let file = restated(&one, SegmentStatement::new(parts).unwrap());
        let policy = matchmark_hostile::proving::policy(
            &one.claim.prover,
            file.statement(),
            file.public_values(),
        );
        match refusal(&file, &policy) {
            VerifyError::PortNotOpened {
                port: Port::Pairs,
                part: ProofPart::Arithmetic,
                expected,
                got,
            } => {
                assert_eq!(SegmentCut::Split(expected), cut);
                assert_eq!(SegmentCut::Split(got), one.file.statement().cut());
            }
            other => panic!("{other}"),
        }
        // The lookup proof alone does.
        let lookup = LookupFile::new(
            LookupStatement::new(one.file.statement().clone()).unwrap(),
            two.file.lookup().unwrap().proof().to_vec(),
        );
        let file = one.file.clone().with_lookup(Some(lookup));
        assert!(matches!(
            refusal(&file, &one.policy),
            VerifyError::PortNotOpened {
                port: Port::Pairs,
                part: ProofPart::Lookup,
                ..
            }
        ));
    }
}

/// Root and fingerprint of the pairs in the second proof, changed in place.
#[test]
fn tampered_pairs_are_refused() {
    let one = split(&split_narrow(), 1);
    let case = &one.claim.case;
    let structure = ProofStructure::all(&case.layout, case.terms.security)
        .unwrap()
        .remove(1);
    let lookup = one.file.lookup().unwrap();
    let proof = matchmark_verifier::SegmentProof::decode(lookup.proof(), &structure).unwrap();
    let place = structure.place(matchmark_air::trees::Tree::Pairs);
    let tampered = |edit: &dyn Fn(&mut matchmark_verifier::SegmentProof)| {
        let mut proof = proof.clone();
        edit(&mut proof);
        let proof = proof.encode(&structure).unwrap();
        let lookup = LookupFile::new(lookup.statement().clone(), proof);
        refusal(&one.file.clone().with_lookup(Some(lookup)), &one.policy)
    };
    let not_opened = |error: &VerifyError| {
        matches!(
            error,
            VerifyError::PortNotOpened {
                port: Port::Pairs,
                ..
            }
        )
    };
    let error = tampered(&|proof| proof.stark.commitments[place].0[0] ^= 1);
    assert!(not_opened(&error), "{error}");
    for column in 0..2 {
        let one = stwo::core::fields::m31::M31::from(1);
        let error = tampered(&|proof| proof.stark.sampled_values[place][column][0] += one);
        assert!(not_opened(&error), "{error}");
        // The value at the out-of-domain point is not in the commitment; the proof does not fit it.
        let error = tampered(&|proof| proof.stark.sampled_values[place][column][1] += one);
        assert!(matches!(error, VerifyError::Lookup(_)), "{error}");
    }
    // Every byte of the second proof, one bit each.
    let file = one.file.encode().unwrap();
    let start = file.len() - lookup.proof().len();
    for at in start..file.len() {
        let mut bytes = file.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(attempt(&bytes, &one.policy).is_err(), "byte {at}");
    }
}
