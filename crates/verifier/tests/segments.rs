//! Refusals that no edit of one file's bytes leads to: parts of two files together, another relation,
//! chains of verified segments.
#![allow(clippy::unwrap_used)]

mod common;

use common::sample;
use matchmark_quant::StepRange;
use matchmark_statement::{
    AcceptancePolicy, ChainError, FinishReason, LookupStatement, PolicyMismatch, RelationDigest,
    SegmentStatement, StatementError,
};
use matchmark_verifier::chain::FoldError;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{
    verify_segment, verify_segment_watched, ChainFold, LookupFile, Part, SegmentFile, SegmentProof,
    VerifyError,
};

fn verify(file: &SegmentFile, policy: &AcceptancePolicy) -> Result<(), VerifyError> {
    verify_segment(file, policy).map(|_| ())
}

#[test]
fn a_segment_has_the_proofs_that_its_statement_says() {
    let (_, fused, fused_policy) = sample("narrow");
    let (_, split, split_policy) = sample("split");
    assert_eq!(verify(&fused, &fused_policy), Ok(()));
    assert_eq!(verify(&split, &split_policy), Ok(()));
    let alone = split.clone().with_lookup(None);
    assert_eq!(
        verify(&alone, &split_policy),
        Err(VerifyError::LookupProofMissing)
    );
    let both = fused.clone().with_lookup(split.lookup().cloned());
    assert_eq!(
        verify(&both, &fused_policy),
        Err(VerifyError::UnexpectedLookupProof)
    );
    assert!(fused.lookup().is_none());
    let lookup = split.lookup().unwrap();
    assert_eq!(
        split.proof_bytes(),
        split.proof().len() + lookup.proof().len()
    );
    assert_eq!(fused.proof_bytes(), fused.proof().len());
}

/// The lookup proof of a segment that differs in one field only, with pairs of its own or not.
#[test]
fn the_proofs_of_a_segment_belong_together() {
    let (_, split, policy) = sample("split");
    let lookup = split.lookup().unwrap();
    let with = |statement: SegmentStatement| {
        let lookup = LookupFile::new(
            LookupStatement::new(statement).unwrap(),
            lookup.proof().to_vec(),
        );
        verify(&split.clone().with_lookup(Some(lookup)), &policy)
    };
    assert_eq!(with(split.statement().clone()), Ok(()));
    let mut parts = split.statement().parts();
    parts.state_after = parts.state_before;
    let other = SegmentStatement::new(parts).unwrap();
    let got = other.digest();
    assert_eq!(
        with(other),
        Err(VerifyError::OtherLookup {
            field: "state_after",
            expected: split.statement().digest(),
            got,
        })
    );
    // The proofs change places.
    let exchanged = SegmentFile::new(
        split.statement().clone(),
        split.public_values().clone(),
        lookup.proof().to_vec(),
    );
    let second = LookupFile::new(lookup.statement().clone(), split.proof().to_vec());
    assert!(verify(&exchanged.with_lookup(Some(second)), &policy).is_err());
}

/// Policy and statement agree on a relation that this verifier does not know.
#[test]
fn a_relation_that_the_verifier_does_not_have() {
    let (_, file, policy) = sample("narrow");
    let other = RelationDigest::from_bytes([7; 32]);
    let mut parts = file.statement().parts();
    let expected = parts.terms.relation_digest;
    parts.terms.relation_digest = other;
    let statement = SegmentStatement::new(parts).unwrap();
    let mut parts = policy.parts();
    parts.terms.relation_digest = other;
    let policy = AcceptancePolicy::new(parts).unwrap();
    let values = file.public_values().clone();
    let file = SegmentFile::new(statement, values, file.proof().to_vec());
    let error = verify(&file, &policy).unwrap_err();
    assert!(
        matches!(error, VerifyError::UnknownRelation { expected: known, got, .. }
            if known == expected && got == other),
        "{error:?}"
    );
}

/// Bytes behind the parts that a file of one proof has are neither a lookup proof nor padding.
#[test]
fn half_a_lookup_is_refused() {
    let (bytes, file, _) = sample("narrow");
    let with_length = |field: usize, extra: &[u8]| {
        let mut bytes = bytes.clone();
        let at = 10 + 4 * field;
        bytes[at..at + 4].copy_from_slice(&u32::try_from(extra.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(extra);
        SegmentFile::decode(&bytes)
    };
    let is_statement = |result: Result<SegmentFile, VerifyError>| {
        let error = result.map(|_| ()).unwrap_err();
        assert!(matches!(error, VerifyError::Statement(_)), "{error:?}");
    };
    // A lookup proof without a statement.
    is_statement(with_length(4, &[1, 2, 3]));
    // A lookup statement without a proof: that of a fused segment is not one.
    let encoded = file.statement().encode();
    let error = with_length(3, &encoded).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error,
            VerifyError::Statement(StatementError::NotSplit { .. })
        ),
        "{error:?}"
    );
    // The longest that is read at all, and one byte more.
    is_statement(with_length(3, &[0; 640]));
    let error = with_length(3, &[0; 641]).map(|_| ()).unwrap_err();
    assert_eq!(
        error,
        VerifyError::LengthTooLarge {
            part: "lookup statement",
            expected: 640,
            got: 641,
        }
    );
}

#[test]
fn files_encode_to_their_bytes() {
    for name in ["narrow", "split"] {
        let (bytes, file, _) = sample(name);
        assert_eq!(file.encode().unwrap(), bytes);
    }
}

/// A verified segment says what was verified, and a chain is folded of such segments alone.
#[test]
fn chains_of_verified_segments() {
    let (_, file, policy) = sample("narrow");
    let verified = verify_segment(&file, &policy).unwrap();
    let segment = verified.statement();
    assert_eq!(segment.statement(), file.statement());
    assert_eq!(segment.digest(), file.statement().digest());
    assert_eq!(segment.policy(), policy.id());
    assert_eq!(segment.clone().into_statement(), *file.statement());

    let mut fold = ChainFold::new(policy.clone());
    assert_eq!(fold.policy(), &policy);
    assert!(matches!(
        fold.clone().finish(),
        Err(FoldError::Chain(ChainError::Empty))
    ));
    fold.push(&verified).unwrap();
    assert!(fold.is_whole());
    let again = fold.push(&verified).unwrap_err();
    assert!(
        matches!(
            again,
            FoldError::Chain(ChainError::PositionOverlap { segment: 1, .. })
        ),
        "{again:?}"
    );
    // The refused segment does not belong to it.
    let chain = fold.finish().unwrap();
    assert_eq!(chain.segments(), 1);
    assert_eq!(chain.steps(), file.statement().steps());
    assert_eq!(chain.policy(), policy.id());
    // Attention alone has no tokens that could end it.
    assert_eq!(
        (chain.finish_reason(), chain.answer()),
        (FinishReason::Length, None)
    );
    assert_eq!(verified.end(), None);

    // A policy that asks for one step more takes the same segment, and not the chain.
    let mut parts = policy.parts();
    let steps = parts.steps;
    let [before, more] =
        [steps.entries_before(), steps.steps() + 1].map(|count| u32::try_from(count).unwrap());
    parts.steps = StepRange::new(before, more).unwrap();
    let longer = AcceptancePolicy::new(parts).unwrap();
    let mut fold = ChainFold::new(longer.clone());
    let other = fold.push(&verified).unwrap_err();
    assert_eq!(
        other,
        FoldError::OtherPolicy {
            expected: longer.id(),
            got: policy.id(),
        }
    );
    let under_longer = verify_segment(&file, &longer).unwrap();
    fold.push(&under_longer).unwrap();
    assert!(!fold.is_whole());
    let short = fold.finish().unwrap_err();
    assert!(
        matches!(short, FoldError::Policy(PolicyMismatch::ChainSteps { .. })),
        "{short:?}"
    );
}

/// Lists that the query positions fix, one item shorter and one longer. None of them is absorbed, so that
/// the positions stay what they are; the library would panic.
#[test]
fn lists_have_the_length_of_the_positions() {
    type Edit = fn(&mut SegmentProof, &dyn Fn(usize) -> usize);
    fn resize<T: Clone>(list: &mut Vec<T>, to: &dyn Fn(usize) -> usize) {
        let last = list[list.len() - 1].clone();
        list.resize(to(list.len()), last);
    }
    let edits: [(&str, Edit); 5] = [
        ("queried values", |proof, to| {
            let columns = proof.stark.queried_values.iter_mut().flatten();
            columns.for_each(|values| resize(values, to));
        }),
        ("merkle paths", |proof, to| {
            resize(&mut proof.stark.decommitments[0].hash_witness, to);
        }),
        ("merkle paths", |proof, to| {
            let last = proof.stark.decommitments.last_mut().unwrap();
            resize(&mut last.hash_witness, to);
        }),
        ("low-degree values", |proof, to| {
            resize(&mut proof.stark.fri_proof.first_layer.fri_witness, to);
        }),
        ("low-degree paths", |proof, to| {
            let layer = &mut proof.stark.fri_proof.inner_layers[0];
            resize(&mut layer.decommitment.hash_witness, to);
        }),
    ];
    let (_, file, policy) = sample("narrow");
    let structure = ProofStructure::of_statement(file.statement())
        .unwrap()
        .remove(0);
    let mut looked_at = 0;
    for (part, edit) in edits {
        let resizes: [&dyn Fn(usize) -> usize; 2] = [&|len| len - 1, &|len| len + 1];
        for to in resizes {
            let mut proof = SegmentProof::decode(file.proof(), &structure).unwrap();
            edit(&mut proof, to);
            let proof = proof.encode(&structure).unwrap();
            let values = file.public_values().clone();
            let edited = SegmentFile::new(file.statement().clone(), values, proof);
            match verify(&edited, &policy).unwrap_err() {
                VerifyError::WrongLength { part: got, .. } => {
                    assert_eq!(got, part);
                    looked_at += 1;
                }
                // Longer than any positions would need: refused before that.
                VerifyError::LengthTooLarge { .. } => {}
                other => panic!("{part}: {other:?}"),
            }
        }
    }
    assert!(looked_at >= 7, "{looked_at}");
}

/// Public values are looked at twice: their digest, and their columns at the point.
#[test]
fn parts_are_told_in_order() {
    let (_, file, policy) = sample("split");
    let mut parts = vec![];
    verify_segment_watched(&file, &policy, &mut |part| parts.push(part)).unwrap();
    let (values, proof) = (Part::PublicValues, Part::Proof);
    assert_eq!(parts, [proof, values, proof, values, proof]);
}
