//! Statements of split segments and of their lookup proofs.

#![allow(clippy::unwrap_used)]

mod common;

use common::{base, statement, variations};
use matchmark_statement::{
    Boundary, LookupStatement, PortCommitment, ProofPart, SegmentBoundary, SegmentKind,
    SegmentStatement, StatementError,
};

fn split() -> SegmentStatement {
    let mut parts = base();
    parts.boundary = SegmentBoundary::Split(PortCommitment::from_bytes([0x66; 32]));
    statement(parts)
}

#[test]
fn a_split_segment_has_two_digests_and_a_fused_one_has_one() {
    let segment = split();
    let lookup = LookupStatement::new(segment.clone()).unwrap();
    assert_eq!(lookup.segment(), &segment);
    let commitment = PortCommitment::from_bytes([0x66; 32]);
    assert_eq!(segment.boundary().commitment(), Some(commitment));
    assert_eq!(statement(base()).boundary().commitment(), None);
    assert_eq!(lookup.boundary(), PortCommitment::from_bytes([0x66; 32]));
    assert_ne!(lookup.digest(), segment.digest());
    assert_eq!(
        LookupStatement::new(statement(base())),
        Err(StatementError::NotSplit {
            expected: Boundary::Split,
            got: Boundary::Fused
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
    for boundary in Boundary::ALL {
        assert_eq!(boundary.to_string().parse(), Ok(boundary));
        for part in boundary.parts() {
            assert_eq!(part.boundary(), boundary);
        }
    }
    for part in ProofPart::ALL {
        // The parts of attention alone are those of its boundaries.
        let listed = part.boundary().parts().contains(&part);
        assert_eq!(listed, part.kind() == SegmentKind::Attention, "{part}");
    }
    assert_eq!(
        ProofPart::ALL.map(ProofPart::name),
        ["fused", "arithmetic", "lookup", "decoder"]
    );
    assert_eq!(ProofPart::Decoder.boundary(), Boundary::Fused);
    assert_eq!(
        "Split".parse::<Boundary>(),
        Err(StatementError::UnknownBoundary {
            expected: "fused or split",
            got: "Split".to_owned()
        })
    );
}
