//! Every variant of the errors is reached: the lists below are compared with the names that the enums
//! have, and every entry has to come to the variant that it is named after.
#![allow(clippy::unwrap_used)]
extern crate std;

#[cfg(feature = "std")]
mod keys;
mod tokens;

use alloc::vec;
use alloc::vec::Vec;
use core::iter::once;
use std::path::PathBuf;

use matchmark_air::circuit::{Circuit, CircuitContext};
use matchmark_air::fingerprint::{Opening, PortContent};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::points::PortPoints;
use matchmark_air::trees::Tree;
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QueryHeads, SegmentSteps, StepRange,
    TableBounds, ValueBits,
};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, AttentionValues, ChainError, EndTokens, FinishReason,
    FormError, LookupStatement, PolicyCircuit, PolicyMismatch, Port, PortCommitment,
    PreprocessedRoot, ProofPart, PublicValues, RelationDigest, SegmentCut, SegmentShape,
    SegmentStatement, SegmentStatementParts, VerifierDomain,
};
use num_traits::One;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo::core::vcs::blake2_hash::Blake2sHash;

use crate::chain::FoldError;
use crate::queries::{self, QueryCounts};
use crate::session::Session;
use crate::structure::ProofStructure;
use crate::verify::{own_sum, verify_lookup};
use crate::{
    transcript, verify_segment, ChainFold, LookupFile, SegmentFile, SegmentProof, VerifiedSegment,
    VerifyError,
};

/// The valid segment that is committed, and the policy that accepts it.
struct Fixture {
    bytes: Vec<u8>,
    file: SegmentFile,
    policy: AcceptancePolicy,
    structure: ProofStructure,
}

fn read(name: &str) -> Vec<u8> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile");
    std::fs::read(directory.join(name)).unwrap()
}

impl Fixture {
    fn new() -> Self {
        let bytes = read("narrow.segment");
        let policy = read("narrow.policy.toml");
        let policy = AcceptancePolicy::from_toml(core::str::from_utf8(&policy).unwrap()).unwrap();
        let file = SegmentFile::decode(&bytes).unwrap();
        let structures = ProofStructure::of_statement(file.statement()).unwrap();
        let [structure] = <[_; 1]>::try_from(structures).unwrap();
        verify_segment(&file, &policy).expect("the segment is valid");
        Self {
            bytes,
            file,
            policy,
            structure,
        }
    }

    /// The file with changed bytes.
    fn bytes(&self, change: impl FnOnce(&mut Vec<u8>)) -> VerifyError {
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        SegmentFile::decode(&bytes)
            .and_then(|file| verify_segment(&file, &self.policy))
            .unwrap_err()
    }

    /// The bytes of the proof changed, behind everything that stands before it.
    fn proof_bytes(&self, change: impl FnOnce(&mut [u8])) -> VerifyError {
        let before = self.bytes.len() - self.file.proof().len();
        self.bytes(|bytes| change(&mut bytes[before..]))
    }

    /// A changed statement, and a changed policy.
    fn restated(
        &self,
        statement: impl FnOnce(&mut SegmentStatementParts),
        policy: impl FnOnce(&mut AcceptancePolicyParts),
    ) -> (SegmentFile, AcceptancePolicy) {
        let mut parts = self.file.statement().parts();
        statement(&mut parts);
        let values = self.file.public_values().clone();
        let statement = SegmentStatement::new(parts).unwrap();
        let file = SegmentFile::new(statement, values, self.file.proof().to_vec());
        let mut parts = self.policy.parts();
        policy(&mut parts);
        (file, AcceptancePolicy::new(parts).unwrap())
    }

    fn refused(
        &self,
        statement: impl FnOnce(&mut SegmentStatementParts),
        policy: impl FnOnce(&mut AcceptancePolicyParts),
    ) -> VerifyError {
        let (file, policy) = self.restated(statement, policy);
        verify_segment(&file, &policy).unwrap_err()
    }

    /// A changed proof.
    fn proof(&self, change: impl FnOnce(&mut SegmentProof)) -> VerifyError {
        let mut proof = SegmentProof::decode(self.file.proof(), &self.structure).unwrap();
        change(&mut proof);
        let statement = self.file.statement().clone();
        let values = self.file.public_values().clone();
        let proof = proof.encode(&self.structure).unwrap();
        let file = SegmentFile::new(statement, values, proof);
        verify_segment(&file, &self.policy).unwrap_err()
    }

    /// Finds a nonce for an edited proof, and gives its lists the lengths that the new queries ask
    /// for.
    fn grind(&self, proof: &mut SegmentProof) {
        let begun = transcript::begin(self.file.statement(), &self.structure);
        let mut replayed = transcript::replay(begun, &self.structure, proof);
        let channel = replayed.hand_over().clone();
        let queries = (0..).find_map(|nonce| {
            proof.stark.proof_of_work = nonce;
            queries::draw(&channel, proof, &self.structure).ok()
        });
        let counts = QueryCounts::of(&queries.unwrap().queries, &self.structure);
        let stark = &mut proof.stark;
        for values in stark.queried_values.iter_mut().flatten() {
            values.resize(counts.queried_values, M31::one());
        }
        for paths in stark.decommitments.iter_mut() {
            let nodes = counts.path_nodes;
            paths.hash_witness.resize(nodes, Blake2sHash::default());
        }
        let fri = &mut stark.fri_proof;
        let layers = once(&mut fri.first_layer).chain(&mut fri.inner_layers);
        for (layer, counts) in layers.zip(&counts.layers) {
            layer.fri_witness.resize(counts.values, QM31::one());
            let nodes = &mut layer.decommitment.hash_witness;
            nodes.resize(counts.path_nodes, Blake2sHash::default());
        }
    }

    /// What becomes of values that were made for other heads, another width and another number of steps, each
    /// named by the statement.
    fn values_for_another_shape(&self) -> Vec<VerifyError> {
        let statement = self.file.statement();
        let (own, bits, steps) = (
            statement.shape().attention(),
            statement.quantization().value_bits(),
            statement.steps().steps(),
        );
        let dim = u32::try_from(own.head_dim()).unwrap();
        let other = AttentionShape::new(
            QueryHeads::new(1).unwrap(),
            KvHeads::new(1).unwrap(),
            HeadDim::new(dim).unwrap(),
        );
        let wider = ValueBits::new(bits.get() + 1).unwrap();
        [
            (other.unwrap(), bits, steps),
            (own, wider, steps),
            (own, bits, steps + 1),
        ]
        .into_iter()
        .map(|(shape, bits, steps)| {
            let [q, k] = [shape.query_heads(), shape.kv_heads()]
                .map(|heads| vec![0; heads * steps * shape.head_dim()]);
            let values = AttentionValues::new(shape, bits, steps, q.clone(), k.clone(), k, q);
            let values = PublicValues::from(values.unwrap());
            let mut parts = statement.parts();
            parts.public_values = values.digest();
            let statement = SegmentStatement::new(parts).unwrap();
            let file = SegmentFile::new(statement, values, self.file.proof().to_vec());
            verify_segment(&file, &self.policy).unwrap_err()
        })
        .collect()
    }

    /// What becomes of a proof whose out-of-domain point, or the point at which its first state is
    /// fingerprinted, lies in the subfield.
    fn opened_in_the_subfield(&self, domain: bool, fingerprint: bool) -> Result<(), VerifyError> {
        let point = |in_subfield| {
            let t = match in_subfield {
                true => QM31::from_u32_unchecked(5, 7, 0, 0),
                false => QM31::from_u32_unchecked(1, 2, 3, 4),
            };
            let inverse = (QM31::one() + t.square()).inverse();
            CirclePoint {
                x: (QM31::one() - t.square()) * inverse,
                y: (t + t) * inverse,
            }
        };
        let layout = SegmentLayout::of(self.file.statement()).unwrap();
        let mut context = CircuitContext::structural(&layout);
        context.points = PortPoints::new(vec![
            (Tree::StateBefore, point(fingerprint)),
            (Tree::StateAfter, point(false)),
        ]);
        let circuit = Circuit::new(&layout, ProofPart::Whole, &context);
        let root = self.policy.parts().circuits[0].preprocessed_root;
        let session = Session::open(self.file.proof(), &self.structure, root)?;
        session.check_points(&circuit.components(), point(domain))
    }

    /// Circuits of split segments, with these roots.
    fn split_circuits(&self, root: [u8; 32]) -> Vec<PolicyCircuit> {
        let steps = self.policy.parts().circuits[0].steps;
        [ProofPart::Arithmetic, ProofPart::Lookup]
            .map(|part| PolicyCircuit {
                steps,
                group: 0,
                part,
                preprocessed_root: PreprocessedRoot::from_bytes(root),
            })
            .into()
    }

    /// The segment as a split one. Its proofs are those of a fused segment, or none.
    fn split(&self) -> (SegmentFile, AcceptancePolicy) {
        self.restated(
            |parts| parts.cut = cut(1),
            |parts| parts.circuits = self.split_circuits([0; 32]),
        )
    }

    /// The segment as a split one, with a second proof that is about another segment.
    fn with_lookup_of(&self, change: impl FnOnce(&mut SegmentStatementParts)) -> VerifyError {
        let (file, policy) = self.split();
        let mut parts = file.statement().parts();
        change(&mut parts);
        verify_segment(&file.with_lookup(Some(lookup(parts))), &policy).unwrap_err()
    }

    /// A split segment whose arithmetic proof is all zeros, and whose states are those that it opens.
    fn zeros(&self) -> VerifyError {
        let mut parts = self.split().0.statement().parts();
        let statement = SegmentStatement::new(parts.clone()).unwrap();
        let layout = SegmentLayout::of(&statement).unwrap();
        let structure = ProofStructure::new(&layout, statement.security()).unwrap();
        let zeros = vec![0; 1 << 16];
        let left = match SegmentProof::decode(&zeros, &structure) {
            Err(VerifyError::TrailingBytes { got, .. }) => got,
            other => panic!("{other:?}"),
        };
        let opened = |tree: Tree, entries: usize| {
            let columns = structure.samples()[structure.place(tree)].len();
            let opening = Opening {
                root: Blake2sHash::default(),
                fingerprint: vec![QM31::default(); columns],
            };
            let content = PortContent::State {
                shape: parts.terms.shape,
                entries: entries as u64,
            };
            opening.commitment(&content, structure.lifting_log_size())
        };
        let states = [
            opened(Tree::StateBefore, parts.steps.entries_before()),
            opened(Tree::StateAfter, parts.steps.entries_after()),
        ];
        [parts.state_before, parts.state_after] = states;
        let (_, policy) = self.restated(
            |_| {},
            |policy| {
                policy.circuits = self.split_circuits([0; 32]);
                policy.first_state = states[0];
            },
        );
        let lookup = lookup(parts.clone());
        let file = SegmentFile::new(
            SegmentStatement::new(parts).unwrap(),
            self.file.public_values().clone(),
            zeros[left..].to_vec(),
        );
        verify_segment(&file.with_lookup(Some(lookup)), &policy).unwrap_err()
    }
}

fn cut(byte: u8) -> SegmentCut {
    SegmentCut::Split(PortCommitment::from_bytes([byte; 32]))
}

/// A lookup proof of no bytes in the name of this segment.
fn lookup(parts: SegmentStatementParts) -> LookupFile {
    let statement = SegmentStatement::new(parts).unwrap();
    LookupFile::new(LookupStatement::new(statement).unwrap(), vec![])
}

fn other_domain() -> VerifierDomain {
    VerifierDomain::new("other", [0; 16]).unwrap()
}

/// As many cache entries as no layout has rows for. The weights are so small that every sum stays within
/// its bounds.
fn too_long(shape: &mut SegmentShape, table: &mut TableBounds) {
    let capacity = CacheCapacity::new(1 << 20).unwrap();
    let steps = SegmentSteps::new(1 << 20).unwrap();
    *shape = SegmentShape::new(shape.attention(), capacity, steps).unwrap();
    table.max_weight = 1;
}

type Case<T, E> = (&'static str, fn(&T) -> E);

/// How each reason to refuse a segment comes about.
const REFUSALS: &[Case<Fixture, VerifyError>] = &[
    ("WrongMagic", |it| it.bytes(|bytes| bytes[0] ^= 1)),
    ("WrongFormatVersion", |it| it.bytes(|bytes| bytes[8] ^= 1)),
    ("Truncated", |it| it.bytes(|bytes| bytes.truncate(10))),
    ("TrailingBytes", |it| it.bytes(|bytes| bytes.push(0))),
    ("WrongLength", |it| it.bytes(|bytes| bytes[14] ^= 1)),
    ("LengthTooLarge", |it| it.bytes(|bytes| bytes[13] = 0xff)),
    ("NonCanonicalField", |it| {
        it.proof_bytes(|bytes| bytes[..4].copy_from_slice(&P.to_le_bytes()))
    }),
    ("Statement", |it| it.bytes(|bytes| bytes[30] ^= 1)),
    ("Policy", |it| {
        it.refused(|_| {}, |policy| policy.terms.domain = other_domain())
    }),
    ("UnknownRelation", |it| {
        let other = RelationDigest::from_bytes([1; 32]);
        it.refused(
            |parts| parts.terms.relation_digest = other,
            |policy| policy.terms.relation_digest = other,
        )
    }),
    ("Layout", |it| {
        it.refused(
            |parts| too_long(&mut parts.terms.shape, &mut parts.terms.table_bounds),
            |policy| too_long(&mut policy.terms.shape, &mut policy.terms.table_bounds),
        )
    }),
    ("TooManyLookups", |it| {
        let open = |tuples| {
            let structure = it.structure.clone().with_tuples(tuples);
            let root = it.policy.parts().circuits[0].preprocessed_root;
            Session::open(it.file.proof(), &structure, root).map(|_| ())
        };
        // One use less is few enough.
        assert_eq!(open(u64::from(P) - 1), Ok(()));
        open(u64::from(P)).unwrap_err()
    }),
    ("PublicValues", |it| {
        let proof = it.file.proof().len();
        let last = it.bytes.len() - proof - 1;
        it.bytes(|bytes| bytes[last] = 0x80)
    }),
    ("Form", |it| {
        let error = it.values_for_another_shape().remove(0);
        assert!(matches!(
            error,
            VerifyError::Form(FormError::Attention { .. })
        ));
        error
    }),
    ("PublicValuesMismatch", |it| {
        let values = it.file.public_values();
        let attention = it.file.statement().shape().attention();
        let bits = it.file.statement().quantization().value_bits();
        let mut encoded = values.encode();
        encoded[0] = if encoded[0] == 1 { 2 } else { 1 };
        let steps = it.file.statement().steps().steps();
        let other = AttentionValues::decode(&encoded, attention, bits, steps).unwrap();
        let statement = it.file.statement().clone();
        let file = SegmentFile::new(statement, other.into(), it.file.proof().to_vec());
        verify_segment(&file, &it.policy).unwrap_err()
    }),
    ("Tokens", |_| {
        tokens::refusal(tokens::tokens([1, 2, 8, 9], [7, 8, 9, 10]), [3, 10])
    }),
    ("ChallengeHitsTuple", |_| {
        assert_eq!(own_sum(Some(QM31::one())), Ok(QM31::one()));
        own_sum(None).unwrap_err()
    }),
    ("SubfieldPoint", |it| {
        let error = it.opened_in_the_subfield(true, true).unwrap_err();
        assert_eq!(error, it.opened_in_the_subfield(true, false).unwrap_err());
        assert_eq!(error, it.opened_in_the_subfield(false, true).unwrap_err());
        assert_eq!(it.opened_in_the_subfield(false, false), Ok(()));
        error
    }),
    ("PreprocessedRootMismatch", |it| {
        let other = PreprocessedRoot::from_bytes([1; 32]);
        it.refused(
            |_| {},
            |policy| policy.circuits[0].preprocessed_root = other,
        )
    }),
    ("PortNotOpened", |it| {
        // Each port is compared.
        let is_of = |error: &VerifyError, expected: Port| {
            assert!(
                matches!(error, VerifyError::PortNotOpened { port, .. } if *port == expected),
                "{expected}: {error}"
            );
        };
        is_of(&tokens::other_weights(), Port::Model);
        let other = PortCommitment::from_bytes([1; 32]);
        let before = |parts: &mut SegmentStatementParts| parts.state_before = other;
        let policy = |policy: &mut AcceptancePolicyParts| policy.first_state = other;
        is_of(&it.refused(before, policy), Port::StateBefore);
        let after = |parts: &mut SegmentStatementParts| parts.state_after = other;
        is_of(&it.refused(after, |_| {}), Port::StateAfter);
        let error = it.zeros();
        is_of(&error, Port::Pairs);
        error
    }),
    ("LookupProofMissing", |it| {
        let (file, policy) = it.split();
        verify_segment(&file, &policy).unwrap_err()
    }),
    ("UnexpectedLookupProof", |it| {
        let (split, _) = it.split();
        let lookup = lookup(split.statement().parts());
        let file = it.file.clone().with_lookup(Some(lookup));
        verify_segment(&file, &it.policy).unwrap_err()
    }),
    ("CutMismatch", |it| {
        it.with_lookup_of(|parts| parts.cut = cut(2))
    }),
    ("OtherLookup", |it| {
        it.with_lookup_of(|parts| parts.terms.domain = other_domain())
    }),
    ("Lookup", |it| {
        let (file, _) = it.split();
        let statement = file.statement();
        let layout = SegmentLayout::of(statement).unwrap();
        let structure = ProofStructure::all(&layout, statement.security())
            .unwrap()
            .remove(1);
        let root = PreprocessedRoot::from_bytes([0; 32]);
        verify_lookup(&lookup(statement.parts()), &layout, &structure, root).unwrap_err()
    }),
    ("LookupSumNotZero", |it| {
        it.proof(|proof| proof.claimed_sums[0] += QM31::one())
    }),
    ("BelowLevel", |it| {
        let mut counts = it.structure.counts().clone();
        counts.log_rows = 31;
        counts
            .grinding(matchmark_statement::Security::default())
            .unwrap_err()
            .into()
    }),
    ("Work", |it| {
        let nonce = |nonce| it.proof(|proof| proof.stark.proof_of_work = nonce);
        // One nonce in 2^10 is enough work for other positions.
        (0..64)
            .map(nonce)
            .find(|error| error.name() == "Work")
            .unwrap()
    }),
    ("ConstraintsNotSatisfied", |it| {
        it.proof(|proof| {
            proof.claimed_sums[0] += QM31::one();
            proof.claimed_sums[1] -= QM31::one();
            it.grind(proof);
        })
    }),
    ("Opening", |it| {
        it.proof(|proof| proof.stark.queried_values[3][0][0] += M31::one())
    }),
    ("LowDegree", |it| {
        it.proof(|proof| proof.stark.fri_proof.first_layer.fri_witness[0] += QM31::one())
    }),
    // No proof that was decoded ends here: what the library says is brought under the name in
    // `session.rs`, and tested there.
    ("Proof", |_| crate::session::tests::structure_refused()),
];

/// How each reason comes about for which verified segments are not a chain.
const FOLDS: &[Case<Fixture, FoldError>] = &[
    ("Chain", |it| {
        let mut fold = ChainFold::new(it.policy.clone());
        fold.push(&it.verified()).unwrap();
        let error = fold.push(&it.verified()).unwrap_err();
        assert!(matches!(
            error,
            FoldError::Chain(ChainError::PositionOverlap { .. })
        ));
        let empty = ChainFold::new(it.policy.clone()).finish().unwrap_err();
        assert_eq!(empty, FoldError::Chain(ChainError::Empty));
        error
    }),
    ("Policy", |it| {
        let (_, longer) = it.restated(
            |_| {},
            |policy| policy.steps = StepRange::new(4, 3).unwrap(),
        );
        let segment = verify_segment(&it.file, &longer).unwrap();
        let mut fold = ChainFold::new(longer);
        fold.push(&segment).unwrap();
        let error = fold.finish().unwrap_err();
        assert!(matches!(
            error,
            FoldError::Policy(PolicyMismatch::ChainSteps { .. })
        ));
        error
    }),
    ("OtherPolicy", |it| {
        let (_, other) = it.restated(|_| {}, |policy| policy.terms.domain = other_domain());
        ChainFold::new(other).push(&it.verified()).unwrap_err()
    }),
    ("PastEnd", |_| {
        // A decoder's segment again, behind an end token that it generates.
        let bytes = read("function-1.segment");
        let policy = read("function-1.policy.toml");
        let policy = AcceptancePolicy::from_toml(core::str::from_utf8(&policy).unwrap()).unwrap();
        let file = SegmentFile::decode(&bytes).unwrap();
        let mut parts = policy.parts();
        let chosen = file.public_values().tokens().unwrap().chosen();
        parts.end_tokens = EndTokens::new(chosen.last().copied()).unwrap();
        let policy = AcceptancePolicy::new(parts).unwrap();
        let segment = verify_segment(&file, &policy).unwrap();
        assert!(segment.end().is_some());
        let mut fold = ChainFold::new(policy);
        fold.push(&segment).unwrap();
        assert!(fold.is_whole());
        let whole = fold.clone().finish().unwrap();
        assert_eq!(whole.finish_reason(), FinishReason::Stop);
        assert_eq!(whole.answer().unwrap().end(), segment.end());
        fold.push(&segment).unwrap_err()
    }),
];

impl Fixture {
    fn verified(&self) -> VerifiedSegment {
        verify_segment(&self.file, &self.policy).unwrap()
    }
}

/// The list has every name once, and what it says comes to that variant.
fn all_are_reached<T, E>(
    names: &[&str],
    cases: &[Case<T, E>],
    fixture: &T,
    name: fn(&E) -> &'static str,
) {
    let reached: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    assert_eq!(reached, names, "a case for every variant, in their order");
    for (expected, case) in cases {
        assert_eq!(name(&case(fixture)), *expected);
    }
}

#[test]
fn every_reason_to_refuse_a_segment_is_reached() {
    let (names, fixture) = (VerifyError::NAMES, Fixture::new());
    all_are_reached(names, REFUSALS, &fixture, VerifyError::name);
}

#[test]
fn every_reason_to_refuse_a_chain_is_reached() {
    let (names, fixture) = (FoldError::NAMES, Fixture::new());
    all_are_reached(names, FOLDS, &fixture, FoldError::name);
}

#[test]
fn values_for_another_shape_are_refused_by_name() {
    let fixture = Fixture::new();
    let statement = fixture.file.statement();
    let (attention, bits, steps) = (
        statement.shape().attention(),
        statement.quantization().value_bits(),
        statement.steps().steps(),
    );
    let wider = ValueBits::new(bits.get() + 1).unwrap();
    let refusals = fixture.values_for_another_shape();
    let [heads, width, longer] = <[VerifyError; 3]>::try_from(refusals).unwrap();
    assert!(matches!(
        heads,
        VerifyError::Form(FormError::Attention { expected, got })
            if expected == attention && got.query_heads() == 1
    ));
    assert_eq!(
        width,
        VerifyError::Form(FormError::ValueBits {
            expected: bits,
            got: wider
        })
    );
    assert_eq!(
        longer,
        VerifyError::Form(FormError::Steps {
            expected: steps,
            got: steps + 1
        })
    );
}

#[test]
fn a_lookup_proof_says_that_it_is_the_second() {
    let (_, lookup) = REFUSALS.iter().find(|(name, _)| *name == "Lookup").unwrap();
    match lookup(&Fixture::new()) {
        VerifyError::Lookup(inner) => assert_eq!(inner.name(), "Truncated"),
        other => panic!("{other}"),
    }
}

/// The order of commitments is checked in every build.
#[test]
#[should_panic(expected = "trees come in order")]
fn trees_out_of_order_are_noticed() {
    let fixture = Fixture::new();
    let root = fixture.policy.parts().circuits[0].preprocessed_root;
    let mut begun = transcript::begin(fixture.file.statement(), &fixture.structure);
    let mut session = Session::open(fixture.file.proof(), &fixture.structure, root).unwrap();
    session.commit(Tree::Preprocessed, &mut begun);
    session.commit(Tree::StateAfter, &mut begun);
}

/// A decoder's sums cancel with the terms of its public tokens: as much is missing as these bring.
#[test]
fn own_terms_are_added_to_the_sums() {
    let fixture = Fixture::new();
    let mut proof = SegmentProof::decode(fixture.file.proof(), &fixture.structure).unwrap();
    let (missing, rest) = (QM31::from(M31::from(5)), QM31::from(M31::from(P - 10)));
    proof.claimed_sums[0] -= missing;
    let bytes = proof.encode(&fixture.structure).unwrap();
    let root = fixture.policy.parts().circuits[0].preprocessed_root;
    let session = Session::open(&bytes, &fixture.structure, root).unwrap();
    assert_eq!(session.check_sums(missing), Ok(()));
    assert_eq!(
        session.check_sums(-missing),
        Err(VerifyError::LookupSumNotZero {
            got: rest.to_m31_array().map(|coordinate| coordinate.0)
        })
    );
}
