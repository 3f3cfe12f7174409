//! Statements whose commitments are to something else than what the proof opens. The policy follows the
//! statement: the comparison of the two is the business of the class `policy`.
use matchmark_air::fingerprint::Opening;
use matchmark_air::trees::Tree;
use matchmark_quant::{AttentionShape, CacheCapacity, HeadDim, KvHeads, QueryHeads, SegmentSteps};
use matchmark_statement::{
    LookupStatement, Port, PortCommitment, ProofPart, SegmentCut, SegmentShape, SegmentStatement,
};
use matchmark_verifier::{verify_segment, LookupFile, SegmentFile, VerifyError};
use num_traits::One;
use stwo::core::fields::qm31::QM31;
use stwo::core::vcs::blake2_hash::Blake2sHash;

use crate::bytes::Sample;
use crate::cases::{fast, narrow, split_narrow, split_wide, wide, Spec};
use crate::equivocation::Side;
use crate::ports::{pairs_of, state_of};
use crate::proving::policy;
use crate::regrind::{fit, grind};
use crate::report::Recorder;

/// What opens a state of a valid segment.
fn state(sample: &Sample, side: Side) -> Opening {
    match side {
        Side::Before => sample.claim.before.opening(),
        Side::After => sample.claim.after.opening(),
    }
    .clone()
}

/// What the proof has of a tree where a commitment has root and fingerprint.
fn opened(sample: &Sample, tree: Tree) -> Opening {
    let (proof, place) = (sample.proof(), sample.structure.place(tree));
    let samples = &proof.stark.sampled_values[place];
    Opening {
        root: proof.stark.commitments[place],
        fingerprint: samples.iter().map(|column| column[0]).collect(),
    }
}

/// Openings that differ from `own`: of other roots and fingerprints, `other` among them.
pub fn openings(own: &Opening, other: &Opening) -> Vec<(String, Opening)> {
    let with = |root: Blake2sHash, fingerprint: &[QM31]| Opening {
        root,
        fingerprint: fingerprint.to_vec(),
    };
    let values = &own.fingerprint;
    let reversed: Vec<QM31> = values.iter().rev().copied().collect();
    let longer = [values.as_slice(), &values[..1]].concat();
    let mut root = own.root;
    root.0[0] ^= 1;
    let mut out = vec![
        ("root alone".to_owned(), with(own.root, &[])),
        ("another cache".to_owned(), other.clone()),
        (
            "fingerprint of another".to_owned(),
            with(own.root, &other.fingerprint),
        ),
        ("root of another".to_owned(), with(other.root, values)),
        ("columns exchanged".to_owned(), with(own.root, &reversed)),
        ("a column less".to_owned(), with(own.root, &values[1..])),
        ("a column more".to_owned(), with(own.root, &longer)),
        ("a bit of the root".to_owned(), with(root, values)),
    ];
    for column in 0..values.len() {
        let mut edited = values.clone();
        edited[column] += QM31::one();
        out.push((
            format!("column {column} off by one"),
            with(own.root, &edited),
        ));
    }
    out
}

/// Shapes that differ in one thing each.
pub fn shapes(own: &SegmentShape) -> Vec<(&'static str, SegmentShape)> {
    let attention = own.attention();
    let [heads, kv, dim] = [
        attention.query_heads(),
        attention.kv_heads(),
        attention.head_dim(),
    ]
    .map(|it| it as u32);
    let (capacity, steps) = (own.capacity().get(), own.segment_steps().get());
    let shape = |heads, kv, dim, capacity, steps| {
        let attention = AttentionShape::new(
            QueryHeads::new(heads).unwrap(),
            KvHeads::new(kv).unwrap(),
            HeadDim::new(dim).unwrap(),
        );
        SegmentShape::new(
            attention.unwrap(),
            CacheCapacity::new(capacity).unwrap(),
            SegmentSteps::new(steps).unwrap(),
        )
        .unwrap()
    };
    vec![
        (
            "twice the heads",
            shape(2 * heads, kv, dim, capacity, steps),
        ),
        (
            "twice all heads",
            shape(2 * heads, 2 * kv, dim, capacity, steps),
        ),
        (
            "a dimension more",
            shape(heads, kv, dim + 1, capacity, steps),
        ),
        ("an entry more", shape(heads, kv, dim, capacity + 1, steps)),
        ("an entry less", shape(heads, kv, dim, capacity - 1, steps)),
        ("a step more", shape(heads, kv, dim, capacity, steps + 1)),
        ("a step less", shape(heads, kv, dim, capacity, steps - 1)),
    ]
}

/// The same segment at another level: its trees have another height.
fn at_another_level(spec: &Spec) -> Sample {
    let mut spec = spec.clone();
    spec.security = fast();
    Sample::new(&spec.case(), 1)
}

/// The segment with another statement and the same proofs, under a policy that follows.
fn restated(sample: &Sample, statement: SegmentStatement) -> Result<(), VerifyError> {
    let policy = policy(
        &sample.claim.prover,
        &statement,
        sample.file.public_values(),
    );
    let lookup = sample.file.lookup().map(|lookup| {
        let of_lookup = LookupStatement::new(statement.clone()).unwrap();
        LookupFile::new(of_lookup, lookup.proof().to_vec())
    });
    let values = sample.file.public_values().clone();
    let file = SegmentFile::new(statement, values, sample.file.proof().to_vec());
    let bytes = file.with_lookup(lookup).encode().unwrap();
    verify_segment(&SegmentFile::decode(&bytes)?, &policy).map(|_| ())
}

pub fn states(recorder: &mut Recorder) {
    for spec in [narrow(), wide(), split_narrow()] {
        let case = spec.case();
        let (sample, other) = (Sample::new(&case, 1), Sample::new(&case, 2));
        let elsewhere = at_another_level(&spec);
        let statement = sample.file.statement();
        let (shape, height) = (statement.shape(), sample.structure.lifting_log_size());
        for side in Side::BOTH {
            let own = state(&sample, side);
            let entries = side.entries(statement);
            let commit = |opening: &Opening| state_of(opening, shape, entries, height);
            let mut wrong: Vec<(String, PortCommitment)> = openings(&own, &state(&other, side))
                .iter()
                .map(|(name, opening)| (name.clone(), commit(opening)))
                .collect();
            for tree in sample.structure.trees() {
                let name = format!("the tree {}", tree.name());
                wrong.push((name, commit(&opened(&sample, *tree))));
            }
            for (name, shape) in shapes(&shape) {
                let commitment = state_of(&own, shape, entries, height);
                wrong.push((name.to_owned(), commitment));
            }
            for entries in [0, entries - 1, entries + 1, u64::MAX] {
                let commitment = state_of(&own, shape, entries, height);
                wrong.push((format!("{entries} entries"), commitment));
            }
            for height in [height - 1, height + 1] {
                let commitment = state_of(&own, shape, entries, height);
                wrong.push((format!("height {height}"), commitment));
            }
            let of_level = elsewhere.file.statement();
            let pairs = pairs_of(&own, &case.layout, height).to_bytes();
            wrong.extend([
                ("another level, before".to_owned(), of_level.state_before()),
                ("another level, after".to_owned(), of_level.state_after()),
                (
                    "the root itself".to_owned(),
                    PortCommitment::from_bytes(own.root.0),
                ),
                ("pairs".to_owned(), PortCommitment::from_bytes(pairs)),
                ("zeros".to_owned(), PortCommitment::from_bytes([0; 32])),
            ]);
            for (name, commitment) in wrong {
                let mut parts = statement.parts();
                let place = match side {
                    Side::Before => &mut parts.state_before,
                    Side::After => &mut parts.state_after,
                };
                if std::mem::replace(place, commitment) == commitment {
                    continue;
                }
                let label = format!("{}/state {}/{name}", spec.name, side.name());
                let is_expected = |error: &VerifyError| matches!(error, VerifyError::PortNotOpened { port, .. } if *port == side.port());
                recorder.refuse_as(&label, is_expected, || {
                    restated(&sample, SegmentStatement::new(parts).unwrap())
                });
            }
        }
    }
}

pub fn pairs(recorder: &mut Recorder) {
    for spec in [split_narrow(), split_wide()] {
        let case = spec.case();
        let (sample, other) = (Sample::new(&case, 1), Sample::new(&case, 2));
        let elsewhere = at_another_level(&spec);
        let statement = sample.file.statement();
        let (layout, height) = (&case.layout, sample.structure.lifting_log_size());
        let (own, foreign) = [&sample, &other].map(|it| opened(it, Tree::Pairs)).into();
        let commit = |opening: &Opening| pairs_of(opening, layout, height);
        let mut wrong: Vec<(String, PortCommitment)> = openings(&own, &foreign)
            .iter()
            .map(|(name, opening)| (name.clone(), commit(opening)))
            .collect();
        for tree in sample.structure.trees() {
            let name = format!("the tree {}", tree.name());
            wrong.push((name, commit(&opened(&sample, *tree))));
        }
        for steps in 1..=layout.shape().segment_steps().get() as usize {
            let layout = case.terms.layout(steps).unwrap();
            let commitment = pairs_of(&own, &layout, height);
            wrong.push((format!("{steps} steps"), commitment));
        }
        for (name, shape) in shapes(layout.shape()) {
            let terms = case.terms.clone().with(|it| it.shape = shape);
            // Shapes that no layout carries have no pairs either.
            if let Ok(layout) = terms.layout(layout.steps()) {
                wrong.push((name.to_owned(), pairs_of(&own, &layout, height)));
            }
        }
        for height in [height - 1, height + 1] {
            let commitment = pairs_of(&own, layout, height);
            wrong.push((format!("height {height}"), commitment));
        }
        if let SegmentCut::Split(commitment) = elsewhere.file.statement().cut() {
            wrong.push(("another level".to_owned(), commitment));
        }
        for (name, bytes) in [
            ("the state before", statement.state_before().to_bytes()),
            ("the state after", statement.state_after().to_bytes()),
            ("the root itself", own.root.0),
            ("zeros", [0; 32]),
        ] {
            wrong.push((name.to_owned(), PortCommitment::from_bytes(bytes)));
        }
        for (name, commitment) in wrong {
            let mut parts = statement.parts();
            let cut = SegmentCut::Split(commitment);
            if std::mem::replace(&mut parts.cut, cut) == cut {
                continue;
            }
            let label = format!("{}/pairs/{name}", spec.name);
            let arithmetic = ProofPart::Arithmetic;
            let is_expected = |error: &VerifyError| matches!(error, VerifyError::PortNotOpened { port: Port::Pairs, part, .. } if *part == arithmetic);
            recorder.refuse_as(&label, is_expected, || {
                restated(&sample, SegmentStatement::new(parts).unwrap())
            });
        }
    }
}

/// A state tree of another proof in place of one's own, with all that opens it; the statement follows, and
/// the proof is ground again.
pub fn exchanged(recorder: &mut Recorder) {
    for spec in [narrow(), wide()] {
        let case = spec.case();
        let (sample, other) = (Sample::new(&case, 1), Sample::new(&case, 2));
        for side in Side::BOTH {
            for (donor, of) in [(&sample, "its own"), (&other, "another's")] {
                for from in Side::BOTH {
                    let label = format!(
                        "{}/state {} is {of} {}",
                        spec.name,
                        side.name(),
                        from.name()
                    );
                    if of == "its own" && side == from {
                        continue;
                    }
                    let refused = |error: &VerifyError| {
                        ["ConstraintsNotSatisfied", "Opening", "LowDegree"].contains(&error.name())
                    };
                    recorder.refuse_as(&label, refused, || exchange(&sample, side, donor, from));
                }
            }
        }
    }
}

fn exchange(sample: &Sample, side: Side, donor: &Sample, from: Side) -> Result<(), VerifyError> {
    let tree = |side: Side| {
        let trees = [Tree::StateBefore, Tree::StateAfter];
        sample.structure.place(trees[side.place()])
    };
    let (mut proof, given) = (sample.proof(), donor.proof());
    let (to, from_place) = (tree(side), tree(from));
    let (own, theirs) = (&mut proof.stark, given.stark);
    own.commitments[to] = theirs.commitments[from_place];
    own.sampled_values[to].clone_from(&theirs.sampled_values[from_place]);
    own.queried_values[to].clone_from(&theirs.queried_values[from_place]);
    own.decommitments[to] = theirs.decommitments[from_place].clone();
    let statement = sample.file.statement();
    let commitment = state_of(
        &state(donor, from),
        statement.shape(),
        side.entries(statement),
        sample.structure.lifting_log_size(),
    );
    let mut parts = statement.parts();
    match side {
        Side::Before => parts.state_before = commitment,
        Side::After => parts.state_after = commitment,
    }
    let statement = SegmentStatement::new(parts).unwrap();
    let values = sample.file.public_values().clone();
    let restated = Sample {
        claim: crate::proving::honest(&sample.claim.case, 1).0,
        policy: policy(&sample.claim.prover, &statement, &values),
        structure: sample.structure.clone(),
        file: SegmentFile::new(statement, values, vec![]),
        bytes: vec![],
    };
    let queries = grind(&restated, &mut proof, 0);
    fit(&restated, &mut proof, &queries);
    restated.attempt_proof(proof.encode(&restated.structure).unwrap())
}
