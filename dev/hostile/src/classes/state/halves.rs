//! Half-and-half trees at 3 queries.
use std::sync::Arc;

use matchmark_air::fingerprint::Opening;
use matchmark_air::trees::Tree;
use matchmark_fuzz_targets::regrind;
use matchmark_statement::{LookupStatement, Port, ProofPart, SegmentStatement};
use matchmark_tables::WeightTable;
use matchmark_verifier::{verify_segment, LookupFile, SegmentFile, SegmentProof, VerifyError};

use crate::bytes::Sample;
use crate::cases::{narrow, split_narrow, table, wide, Case};
use crate::checker::Drop;
use crate::decoder::cases::middle;
use crate::equivocation::{
    attempt, half_and_half, opens, pairs_commitment, restate, restate_pairs, state_commitment, Side,
};
use crate::forge::{Forge, Forged};
use crate::ports::stream_content;
use crate::proving::Claim;
use crate::reduced::{verify_as_stated, Claimed, Setup};
use crate::regrind::{fit, grind};
use crate::report::Recorder;
use crate::world::tree_of;

/// Trials before an opening counts as impossible: 2^3 are expected for one proof, 2^6 for two.
const TRIALS: usize = 1200;

fn honest(case: &Arc<Case>, seed: u64) -> Forged {
    Forge::honest(case, seed).finish(&Drop::Nothing)
}

/// One root for the caches of two runs: each run is accepted under its own commitment, and under none of
/// the other's.
pub fn states(recorder: &mut Recorder) {
    let trials = recorder.amount(6, 200);
    for spec in [narrow(), wide()] {
        let case = spec.case();
        let setup = Setup::new(&case);
        let (run_a, run_b) = (honest(&case, 1), honest(&case, 2));
        for side in Side::BOTH {
            let at = format!("{}/half-and-half {}", spec.name, side.name());
            let (mut a, mut b) = (Claimed::of(&setup, &run_a), Claimed::of(&setup, &run_b));
            let place = side.place();
            half_and_half(&setup, &mut a.states[place], &mut b.states[place]);
            let [of_a, of_b] = [&a, &b].map(|it| it.states[place].opening.clone());
            recorder.require(&format!("{at}/opens as both"), || {
                if of_a.root != of_b.root {
                    return Err("two roots".into());
                }
                for (claimed, own) in [(&mut a, &of_a), (&mut b, &of_b)] {
                    let commitment = state_commitment(claimed, side, own);
                    restate(claimed, side, commitment);
                    if opens(claimed, TRIALS).is_none() {
                        return Err("the tree opens one way only".into());
                    }
                }
                Ok(())
            });
            // The root is right, the queries are lucky now and then, and the cache is another.
            let commitment = state_commitment(&b, side, &of_a);
            restate(&mut b, side, commitment);
            for trial in 0..trials {
                let is_state = |error: &VerifyError| matches!(error, VerifyError::PortNotOpened { port, .. } if *port == side.port());
                let label = format!("{at}/in the other's name/{trial}");
                recorder.refuse_as(&label, is_state, || attempt(&mut b, trial).1);
                // The fingerprint of the other gets past that comparison, and no further.
                let label = format!("{at}/with the other's fingerprint/{trial}");
                recorder.refuse_as(&label, is_low_degree, || {
                    let (proofs, _) = attempt(&mut b, trial);
                    let sample = sample(&b, &run_b, &proofs[0]);
                    let mut proof = sample.proof();
                    let tree = [Tree::StateBefore, Tree::StateAfter][place];
                    let samples = &mut proof.stark.sampled_values[sample.structure.place(tree)];
                    for (samples, value) in samples.iter_mut().zip(&of_a.fingerprint) {
                        samples[0] = *value;
                    }
                    let queries = grind(&sample, &mut proof, trial as u64);
                    fit(&sample, &mut proof, &queries);
                    sample.attempt_proof(proof.encode(&sample.structure).unwrap())
                });
            }
        }
    }
}

/// One root for the streams of two runs of a group of layers, as [`states`] has it for caches.
pub fn streams(recorder: &mut Recorder) {
    let trials = recorder.amount(3, 200);
    let case = middle().case();
    let setup = Setup::new(&case);
    let (run_a, run_b) = (honest(&case, 1), honest(&case, 2));
    let height = setup.structures[0].lifting_log_size();
    let commit = |claimed: &mut Claimed<'_>, tree: Tree, opening: &Opening| {
        let commitment = opening.commitment(&stream_content(&case, tree), height);
        let mut parts = claimed.statement.parts();
        let group = parts.group.as_mut().unwrap();
        if tree == Tree::StreamIn {
            group.stream_in = Some(commitment);
        } else {
            group.stream_out = Some(commitment);
        }
        claimed.statement = SegmentStatement::new(parts).unwrap();
    };
    for (place, tree) in [Tree::StreamIn, Tree::StreamOut].into_iter().enumerate() {
        let at = format!("{}/half-and-half {}", case.name, tree.name());
        let (mut a, mut b) = (Claimed::of(&setup, &run_a), Claimed::of(&setup, &run_b));
        half_and_half(&setup, &mut a.streams[place].1, &mut b.streams[place].1);
        let [of_a, of_b] = [&a, &b].map(|it| it.streams[place].1.opening.clone());
        recorder.require(&format!("{at}/opens as both"), || {
            if of_a.root != of_b.root || of_a == of_b {
                return Err("not two streams under one root".into());
            }
            for (claimed, own) in [(&mut a, &of_a), (&mut b, &of_b)] {
                commit(claimed, tree, own);
                if opens(claimed, TRIALS).is_none() {
                    return Err("the tree opens one way only".into());
                }
            }
            Ok(())
        });
        commit(&mut b, tree, &of_a);
        for trial in 0..trials {
            let is_stream = |error: &VerifyError| matches!(error, VerifyError::PortNotOpened { port, .. } if Some(*port) == tree.port());
            let label = format!("{at}/in the other's name/{trial}");
            recorder.refuse_as(&label, is_stream, || attempt(&mut b, trial).1);
            let label = format!("{at}/with the other's fingerprint/{trial}");
            recorder.refuse_as(&label, is_low_degree, || {
                let (proofs, _) = attempt(&mut b, trial);
                let structure = &setup.structures[0];
                let mut proof = SegmentProof::decode(&proofs[0], structure).unwrap();
                let samples = &mut proof.stark.sampled_values[structure.place(tree)];
                for (samples, value) in samples.iter_mut().zip(&of_a.fingerprint) {
                    samples[0] = *value;
                }
                let queries = regrind::grind(&b.statement, structure, &mut proof, trial as u64);
                regrind::fit(structure, &mut proof, &queries);
                let proofs = [proof.encode(structure).unwrap()];
                verify_as_stated(&b, b.values.as_ref().unwrap(), &proofs)
            });
        }
    }
}

/// What refuses a proof that is ground again after an edit of its samples.
fn is_low_degree(error: &VerifyError) -> bool {
    matches!(
        error,
        VerifyError::Opening(_) | VerifyError::LowDegree(_) | VerifyError::ConstraintsNotSatisfied
    )
}

/// A claim and its fused proof as a segment file, valid or not.
fn sample(claimed: &Claimed<'_>, forged: &Forged, proof: &[u8]) -> Sample {
    let values = claimed.values.clone().unwrap();
    let policy = claimed.policy(&values);
    let file = SegmentFile::new(claimed.statement.clone(), values, proof.to_vec());
    Sample {
        claim: Claim::of(forged).unwrap(),
        policy,
        structure: claimed.setup.structures[0].clone(),
        bytes: file.encode().unwrap(),
        file,
    }
}

/// A table as long as this one, with its largest weight, and otherwise upside down.
fn upside_down(honest: &WeightTable) -> WeightTable {
    let mut entries = honest.entries().to_vec();
    entries[1..].reverse();
    let other = table(&entries);
    assert_eq!(other.bounds(), honest.bounds());
    other
}

/// One root for the pairs of a decode by another table and for true pairs: the arithmetic proof of false
/// outputs is accepted, the lookup proof of the true pairs as well, and the two do not go together.
pub fn pairs(recorder: &mut Recorder) {
    let case = split_narrow().case();
    let setup = Setup::new(&case);
    let mut other = Case::clone(&case);
    other.terms = (other.terms).with_table(upside_down(case.terms.weight_table()));
    let run = honest(&case, 1);
    let mut false_run = honest(&Arc::new(other), 1);
    false_run.witness.lookup = run.witness.lookup.clone();
    let at = format!("{}/half-and-half pairs", case.name);

    let mut true_claim = Claimed::of(&setup, &run);
    let mut claim = Claimed::of(&setup, &false_run);
    assert_ne!(
        true_claim.statement.public_values(),
        claim.statement.public_values(),
        "the outputs differ"
    );
    // The claim's own trees: the false pairs for the arithmetic, the true ones for the lookup.
    let [arithmetic, lookup] = &mut claim.pairs[..] else {
        panic!("two trees of pairs");
    };
    half_and_half(&setup, arithmetic, lookup);
    let [of_false, of_true] = [&*arithmetic, &*lookup].map(|it| it.opening.clone());
    for pairs in &mut true_claim.pairs {
        let mut false_pairs = setup.commit(&tree_of(&false_run.witness.main, Tree::Pairs));
        half_and_half(&setup, &mut false_pairs, pairs);
        assert_eq!(pairs.opening, of_true);
    }
    let commitment = pairs_commitment(&true_claim, &of_true);
    restate_pairs(&mut true_claim, commitment);
    let commitment = pairs_commitment(&claim, &of_false);
    restate_pairs(&mut claim, commitment);

    recorder.require(&format!("{at}/opens as the true pairs"), || {
        match opens(&mut true_claim, TRIALS) {
            Some(_) => Ok(()),
            None => Err("the tree does not open as the true pairs".into()),
        }
    });
    let trials = recorder.amount(24, 1000);
    let mut found = None;
    for trial in 0..trials {
        // Where the queries are lucky the arithmetic is accepted, and the lookup proof is not.
        let is_pairs = |error: &VerifyError| is_low_degree(error) || is_other_lookup(error);
        recorder.refuse_as(&format!("{at}/false pairs/{trial}"), is_pairs, || {
            let (proofs, verified) = attempt(&mut claim, trial);
            if let Err(error) = &verified {
                if is_other_lookup(error) {
                    found.get_or_insert((claim.statement.clone(), proofs));
                }
            }
            verified
        });
    }
    recorder.require(&format!("{at}/opens as the false pairs"), || {
        let more = (trials..TRIALS).find_map(|trial| {
            let (proofs, verified) = attempt(&mut claim, trial);
            let is_other = verified.is_err_and(|error| is_other_lookup(&error));
            is_other.then(|| (claim.statement.clone(), proofs))
        });
        let (statement, proofs) = found.take().or(more).ok_or("the tree opens one way only")?;
        put_together(&claim, &true_claim, &statement, &proofs)
    });
}

fn is_other_lookup(error: &VerifyError) -> bool {
    let lookup = ProofPart::Lookup;
    matches!(error, VerifyError::PortNotOpened { port: Port::Pairs, part, .. } if *part == lookup)
}

/// Two proofs each of which is accepted alone, put together in other ways.
fn put_together(
    claim: &Claimed<'_>,
    true_claim: &Claimed<'_>,
    statement: &SegmentStatement,
    proofs: &[Vec<u8>],
) -> Result<(), String> {
    let verify = |of_lookup: &SegmentStatement, lookup: Vec<u8>| {
        let of_lookup = LookupStatement::new(of_lookup.clone()).unwrap();
        let values = claim.values.clone().unwrap();
        let policy = crate::proving::policy(&claim.setup.prover, statement, &values);
        let file = SegmentFile::new(statement.clone(), values, proofs[0].clone())
            .with_lookup(Some(LookupFile::new(of_lookup, lookup)));
        verify_segment(&file, &policy).map(|_| ())
    };
    let refused = |result: Result<(), VerifyError>, expected: &str| match result {
        Err(error) if error.name() == expected => Ok(()),
        other => Err(format!("expected {expected}, got {other:?}")),
    };
    // Each half in the name of its own pairs: the two statements do not agree.
    let own = verify(&true_claim.statement, proofs[1].clone());
    refused(own, "CutMismatch")?;
    // A false fingerprint in the lookup proof gets past the comparison, and no further.
    let structure = &claim.setup.structures[1];
    let mut lookup = SegmentProof::decode(&proofs[1], structure).unwrap();
    let samples = &mut lookup.stark.sampled_values[structure.place(Tree::Pairs)];
    for (samples, value) in samples.iter_mut().zip(&claim.pairs[0].opening.fingerprint) {
        samples[0] = *value;
    }
    let edited = verify(statement, lookup.encode(structure).unwrap());
    refused(edited, "Lookup")
}
