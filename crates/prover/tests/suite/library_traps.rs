//! The traps in the proof library that `docs/soundness.md` lists, one test each. The third, malformed
//! structure, has a file of its own: `malformed_proofs.rs`.

use matchmark_air::circuit::ProofColumns;
use matchmark_hostile::bytes::{attempt, class, Sample};
use matchmark_hostile::cases::{bounded_narrow, bounded_wide, fast, insecure, narrow, table};
use matchmark_hostile::proving::{policy, statement};
use matchmark_prover::SegmentProver;
use matchmark_quant::MODULUS;
use matchmark_statement::{PolicyMismatch, Profile, Security, SecurityLevel, SegmentStatement};
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{transcript, SecurityFigures, SegmentFile, VerifyError};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::PcsConfig;

fn sample(seed: u64) -> Sample {
    Sample::new(&narrow().case(), seed)
}

fn security(level: SecurityLevel, profile: Profile) -> Security {
    Security::new(level, profile).unwrap()
}

// Trap 1: weak parameters.

#[test]
fn a_weaker_level_is_refused_by_name() {
    let weak = sample(1);
    let mut spec = narrow();
    for (level, profile) in [
        (SecurityLevel::Conjectured100, Profile::Fast),
        (SecurityLevel::Conjectured100, Profile::Compact),
        (SecurityLevel::Proven100, Profile::Fast),
    ] {
        spec.security = security(level, profile);
        let strong = Sample::new(&spec.case(), 1);
        let error = attempt(&weak.bytes, &strong.policy).unwrap_err();
        let weaker = matches!(
            error,
            VerifyError::Policy(PolicyMismatch::WeakerSecurity { .. })
        );
        assert!(weaker, "{error}");
        // A stronger one is another circuit, and refused as well.
        let error = attempt(&strong.bytes, &weak.policy).unwrap_err();
        assert!(
            matches!(error, VerifyError::Policy(PolicyMismatch::Security { .. })),
            "{error}"
        );
        // The strong statement with the proof of the weak level: the proof carries no configuration
        // of its own, and cannot have the structure.
        let statement = strong.file.statement().clone();
        let values = strong.file.public_values().clone();
        let file = SegmentFile::new(statement, values, weak.file.proof().to_vec());
        let error = attempt(&file.encode().unwrap(), &strong.policy).unwrap_err();
        let structural = [
            "Truncated",
            "LengthTooLarge",
            "NonCanonicalField",
            "TrailingBytes",
            "WrongLength",
        ];
        assert!(structural.contains(&class(&error).as_str()), "{error}");
    }
}

#[test]
fn the_default_configuration_is_never_used() {
    let case = narrow().case();
    let library: PcsConfig = Default::default();
    assert_eq!(library.security_bits(), 13);
    for (level, profile) in [
        (SecurityLevel::Conjectured100, Profile::Compact),
        (SecurityLevel::Conjectured100, Profile::Fast),
        (SecurityLevel::Proven100, Profile::Compact),
        (SecurityLevel::Proven100, Profile::Fast),
        (SecurityLevel::Insecure13, Profile::Compact),
    ] {
        let structure = ProofStructure::new(&case.layout, security(level, profile)).unwrap();
        let config = structure.pcs_config();
        assert_ne!(config, library);
        assert!(
            config.lifting_log_size.is_some(),
            "trees of different height are lifted"
        );
        if level != SecurityLevel::Insecure13 {
            assert!(config.security_bits() > library.security_bits());
        }
    }
}

// Trap 2: the proof carries its own preprocessed root.

#[test]
fn a_table_that_differs_by_one_entry_is_refused_by_its_root() {
    let mut spec = bounded_narrow();
    let honest = Sample::new(&spec.case(), 2);
    // The same bounds: length, and largest entry.
    spec.table = table(&[64, 40, 20, 10, 5, 3, 2, 0]);
    let other = Sample::new(&spec.case(), 2);
    // The statement names the table by identity: refused by the policy.
    let error = attempt(&other.bytes, &honest.policy).unwrap_err();
    assert!(
        matches!(error, VerifyError::Policy(PolicyMismatch::Table { .. })),
        "{error}"
    );
    // A prover with the other table that states the right one: refused by the root.
    let claim = &other.claim;
    let right = honest.claim.prover.terms().shared().clone();
    let mut parts = claim.statement.parts();
    parts.terms.table = right.table;
    let stated = SegmentStatement::new(parts).unwrap();
    let (_, forged) = matchmark_hostile::proving::honest(&spec.case(), 2);
    let proven = claim
        .prover
        .prove_witness(
            stated.clone(),
            claim.values.clone(),
            &forged.witness,
            &claim.before,
            &claim.after,
        )
        .unwrap();
    let policy = policy(&honest.claim.prover, &stated, &claim.values);
    let error = attempt(&proven.file.encode().unwrap(), &policy).unwrap_err();
    assert!(
        matches!(error, VerifyError::PreprocessedRootMismatch { .. }),
        "{error}"
    );
}

// Trap 4: lenient decoding.

#[test]
fn elements_are_canonical_and_nothing_trails() {
    let sample = sample(6);
    let mut proof = sample.file.proof().to_vec();
    proof[..4].copy_from_slice(&MODULUS.to_le_bytes());
    let error = sample.attempt_proof(proof).unwrap_err();
    assert_eq!(
        error,
        VerifyError::NonCanonicalField {
            expected: MODULUS,
            got: MODULUS
        }
    );
    let proof = [sample.file.proof(), &[0]].concat();
    let error = sample.attempt_proof(proof).unwrap_err();
    assert_eq!(
        error,
        VerifyError::TrailingBytes {
            part: "proof",
            got: 1
        }
    );
    let again = sample.proof().encode(&sample.structure).unwrap();
    assert_eq!(again, sample.file.proof());
}

// Trap 5: what the bits are worth.

#[test]
fn figures_state_proven_bits_beside_conjectured_ones() {
    let case = narrow().case();
    for (level, profile) in [
        (SecurityLevel::Conjectured100, Profile::Compact),
        (SecurityLevel::Conjectured100, Profile::Fastest),
        (SecurityLevel::Proven100, Profile::Compact),
        (SecurityLevel::Proven100, Profile::Fastest),
        (SecurityLevel::Proven100Unique, Profile::Compact),
        (SecurityLevel::Insecure13, Profile::Compact),
    ] {
        let security = security(level, profile);
        let structure = ProofStructure::new(&case.layout, security).unwrap();
        let figures = SecurityFigures::new(&[structure]);
        let (proven, conjectured) = (figures.proven.bits, figures.conjectured.bits);
        match level {
            SecurityLevel::Insecure13 => {
                // Three queries at a rate of a half, by which a word of nobody's choice passes.
                assert!((12.9..13.0).contains(&conjectured), "{figures}");
                assert!((11.0..12.0).contains(&proven), "{figures}");
            }
            SecurityLevel::Conjectured100 => {
                assert!((100.0..103.0).contains(&conjectured), "{figures}");
                assert!((50.0..65.0).contains(&proven), "{figures}");
            }
            SecurityLevel::Proven100 | SecurityLevel::Proven100Unique => {
                assert!((100.0..101.0).contains(&proven), "{figures}");
                assert!(conjectured >= proven, "{figures}");
            }
        }
        assert_eq!(figures.is_insecure(), level == SecurityLevel::Insecure13);
    }
}

// Trap 6: nothing is absorbed for you.

#[test]
fn everything_moves_the_first_challenge() {
    let sample = sample(7);
    let statement_ = sample.file.statement();
    let first = |statement: &SegmentStatement, structure: &ProofStructure| {
        transcript::begin(statement, structure).draw_rlc()
    };
    let own = first(statement_, &sample.structure);
    for byte in 0..32 {
        let mut digest = *statement_.digest().as_bytes();
        digest[byte] ^= 1 << (byte % 8);
        let digest = matchmark_statement::StatementDigest::from_bytes(digest);
        let other = transcript::begin_with_digest(&digest, &sample.structure).draw_rlc();
        assert_ne!(own, other, "byte {byte}");
    }
    // Parameters and column sizes, each under the same statement.
    let mut wide = narrow();
    wide.security = fast();
    let other = ProofStructure::new(&wide.case().layout, fast()).unwrap();
    assert_ne!(own, first(statement_, &other));
    let other = ProofStructure::new(&bounded_wide().case().layout, insecure()).unwrap();
    assert_ne!(own, first(statement_, &other));
    // Another nonce of the domain, everything else equal: another statement.
    let domain = matchmark_statement::VerifierDomain::new("adversarial", [8; 16]).unwrap();
    let terms = sample.claim.case.terms.clone();
    let terms = terms.with(|it| it.domain = domain);
    let prover = SegmentProver::new(terms).unwrap();
    let claim = &sample.claim;
    let states = [claim.before.commitment(), claim.after.commitment()];
    let replayed = statement(
        &prover,
        claim.case.steps,
        &claim.values,
        states,
        claim.statement.cut(),
    );
    assert_ne!(own, first(&replayed, &sample.structure));
    // The proof does not carry over, even for a policy of the other domain.
    let file = SegmentFile::new(
        replayed.clone(),
        claim.values.clone(),
        sample.file.proof().to_vec(),
    );
    let error = attempt(
        &file.encode().unwrap(),
        &policy(&prover, &replayed, &claim.values),
    )
    .unwrap_err();
    let known = ["Work", "ConstraintsNotSatisfied", "WrongLength"];
    assert!(known.contains(&class(&error).as_str()), "{error}");
}

// Trap 7: LogUp.

#[test]
fn a_patched_sum_is_refused() {
    let sample = sample(8);
    for component in 0..sample.structure.claimed_sums() {
        let mut proof = sample.proof();
        proof.claimed_sums[component] += QM31::from(M31::from(1));
        let bytes = proof.encode(&sample.structure).unwrap();
        let error = sample.attempt_proof(bytes).unwrap_err();
        assert_eq!(error, VerifyError::LookupSumNotZero { got: [1, 0, 0, 0] });
    }
}

#[test]
fn no_shape_has_as_many_uses_as_the_field_has_elements() {
    // The tallest components that a layout allows: 22 bits each, and two lanes.
    let rows = 1_u64 << matchmark_air::layout::MAX_LOG_ROWS;
    let most = rows * (12 + 12 + 4 * 2 + 1 + 1 + 1);
    assert!(most < u64::from(MODULUS), "{most}");
    for spec in matchmark_hostile::cases::all() {
        let layout = &spec.case().layout;
        let (claim, forged) = matchmark_hostile::proving::honest(&spec.case(), 1);
        let stated =
            matchmark_hostile::checker::evaluate(&claim.case, &forged.witness, &forged.rlcs);
        let tuples = ProofColumns::of(layout, layout.main_part()).tuples;
        assert!((stated.tuples.len() as u64) <= tuples, "{}", spec.name);
        assert!(tuples < u64::from(MODULUS));
    }
}
