//! Statements of split segments and of their lookup proofs.

#![allow(clippy::unwrap_used)]

mod common;

use common::{base, statement, variations};
use matchmark_statement::{
    Cut, CutPattern, LookupStatement, PortCommitment, ProofPart, SegmentCut, SegmentStatement,
    StatementError,
};

fn split() -> SegmentStatement {
    let mut parts = base();
    parts.cut = SegmentCut::Split(PortCommitment::from_bytes([0x66; 32]));
    statement(parts)
}

#[test]
fn a_split_segment_has_two_digests_and_a_fused_one_has_one() {
    let segment = split();
    let lookup = LookupStatement::new(segment.clone()).unwrap();
    assert_eq!(lookup.segment(), &segment);
    let commitment = PortCommitment::from_bytes([0x66; 32]);
    assert_eq!(segment.cut().commitment(), Some(commitment));
    assert_eq!(statement(base()).cut().commitment(), None);
    assert_eq!(lookup.pairs(), PortCommitment::from_bytes([0x66; 32]));
    assert_ne!(lookup.digest(), segment.digest());
    assert_eq!(
        LookupStatement::new(statement(base())),
        Err(StatementError::NotSplit {
            expected: "split",
            got: "fused"
        })
    );
}

#[test]
fn every_field_of_the_segment_moves_the_digest_of_its_lookup_statement() {
    let segment = split();
    let digest = LookupStatement::new(segment.clone()).unwrap().digest();
    let mut fields = std::collections::BTreeSet::new();
    for (field, parts) in variations(&segment.parts()) {
        let other = statement(parts);
        assert_eq!(segment.first_difference(&other), Some(field));
        let other = LookupStatement::new(other).unwrap();
        assert_ne!(other.digest(), digest, "{field}");
        fields.insert(field);
    }
    let expected = common::FIELDS.into_iter().filter(|it| *it != "model");
    assert_eq!(fields, expected.collect());
    assert_eq!(segment.first_difference(&segment), None);
}

#[test]
fn names() {
    for cut in Cut::ALL {
        assert_eq!(cut.to_string().parse(), Ok(cut));
        for part in cut.parts() {
            assert_eq!(part.cut(), cut);
        }
    }
    for part in ProofPart::ALL {
        assert!(part.cut().parts().contains(&part), "{part}");
        // The first proof of a file is the one that shows the arithmetic.
        assert_eq!(part.is_main(), part.cut().parts()[0] == part, "{part}");
    }
    assert_eq!(
        ProofPart::ALL.map(ProofPart::name),
        ["whole", "arithmetic", "lookup"]
    );
    assert_eq!(
        "Split".parse::<Cut>(),
        Err(StatementError::UnknownCut {
            expected: "fused or split",
            got: "Split".to_owned()
        })
    );
}

#[test]
fn patterns_repeat() {
    let pattern: CutPattern = "fused,split,split".parse().unwrap();
    assert_eq!(pattern.to_string(), "fused,split,split");
    let of = |segment| pattern.of(segment);
    assert_eq!(
        [of(0), of(1), of(2), of(3), of(4)],
        [Cut::Fused, Cut::Split, Cut::Split, Cut::Fused, Cut::Split]
    );
    assert_eq!(CutPattern::default().of(u64::MAX), Cut::Fused);
}

#[test]
fn what_is_no_pattern_is_refused() {
    for bad in ["", ",", "fused,", "fused split", "FUSED"] {
        let error = bad.parse::<CutPattern>().unwrap_err();
        assert!(matches!(error, StatementError::UnknownCut { .. }), "{bad}");
    }
    assert!(CutPattern::try_from(vec![]).is_err());
}
