//! Parts of a chain by themselves: proven in any order from their inputs, they are those of the chain; other inputs make
//! other parts, or none.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use common::model::{model, options, prompt};
use common::{place, schedule, segment_path};
use matchmark_composer::{
    policy_for, verify_directory, ChainProveError, ChainProver, ModelOptions, ModelPlan, PartError,
    PartInput, ProveReport, Silent, Stop,
};
use matchmark_statement::{EndTokens, LayerGroups, TokenId};

/// Seven steps in segments of 3, 3 and 1, by two groups of layers: six parts, of fused and split segments.
fn grid() -> ModelOptions {
    ModelOptions {
        groups: LayerGroups::new(2).unwrap(),
        cuts: "fused,split".parse().unwrap(),
        ..options(3)
    }
}

fn plan(seed: u64, options: &ModelOptions) -> ModelPlan {
    ModelPlan::new(model(seed), prompt(&model(5)), options).unwrap()
}

fn begun(options: &ModelOptions) -> (tempfile::TempDir, Utf8PathBuf) {
    let (guard, path) = place();
    drop(ChainProver::create(&path, plan(5, options)).unwrap());
    (guard, path)
}

fn whole(options: &ModelOptions) -> (tempfile::TempDir, Utf8PathBuf, ProveReport) {
    let (guard, path) = place();
    let prover = ChainProver::create(&path, plan(5, options)).unwrap();
    let report = prover.with_schedule(schedule(1, 1)).run(&Silent).unwrap();
    (guard, path, report)
}

fn part_error<T: std::fmt::Debug>(result: Result<T, ChainProveError>) -> PartError {
    match result {
        Err(ChainProveError::Part(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn bytes_of(chain: &Utf8Path, part: u64) -> Vec<u8> {
    fs::read(segment_path(chain, part)).unwrap()
}

/// The last part first: the files are, byte for byte, those of a prover that makes all of them.
#[test]
fn parts_are_proven_in_any_order() {
    for options in [grid(), options(3)] {
        let (_guard, expected, report) = whole(&options);
        let (_guard, path) = begun(&options);
        for part in (0..report.parts).rev() {
            // Each by a process of its own, which has the directory and the input.
            let prover = ChainProver::resume(&path).unwrap();
            let input = prover.part_input(part).unwrap().to_bytes().unwrap();
            let input = PartInput::from_bytes(&input).unwrap();
            assert_eq!(input.part(), part);
            let proven = prover.prove_part(&input).unwrap();
            assert_eq!(bytes_of(&path, part), bytes_of(&expected, part));
            let row = &report.per_segment[usize::try_from(part).unwrap()];
            assert_eq!((proven.part, proven.segment), (part, row.segment));
            assert_eq!(proven.proof_bytes, row.proof_bytes);
            let again = PartError::Proven { part };
            assert_eq!(part_error(prover.prove_part(&input)), again);
        }
        let policy = policy_for(&path).unwrap();
        let chain = verify_directory(&path, &policy, |_| ()).unwrap();
        assert_eq!(chain.statement.chain_digest(), report.chain_digest);
        // Whoever resumes the chain keeps all of them.
        let resumed = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
        assert_eq!(resumed.parts_kept, report.parts);
    }
}

/// An input is not believed: the part of another execution is one that the chain does not demand.
#[test]
fn a_part_of_another_execution_is_refused() {
    let (_guard, path) = begun(&grid());
    let prover = ChainProver::resume(&path).unwrap();
    let honest = prover.part_input(2).unwrap();
    // The first consumed token stands behind digest, part, range and the length of the list.
    let bytes = honest.to_bytes().unwrap();
    let at = 21 + 4 + 32 + 8 + 8 + 8;
    let mut other = bytes.clone();
    other[at] ^= 1;
    let other = PartInput::from_bytes(&other).unwrap();
    assert_ne!(other, honest);
    prover.prove_part(&other).unwrap();
    drop(prover);
    let refused = ChainProver::resume(&path).unwrap().run(&Silent);
    assert!(
        matches!(refused, Err(ChainProveError::OtherSegment { .. })),
        "{refused:?}"
    );
    // What the model does not execute is no part at all.
    fs::remove_file(segment_path(&path, 2)).unwrap();
    let prover = ChainProver::resume(&path).unwrap();
    let mut outside = bytes;
    outside[at + 3] = 0x7f;
    let outside = PartInput::from_bytes(&outside).unwrap();
    let refused = prover.prove_part(&outside);
    assert!(
        matches!(
            refused,
            Err(ChainProveError::ExecuteModel { segment: 1, .. })
        ),
        "{refused:?}"
    );
    assert!(!segment_path(&path, 2).exists());
}

#[test]
fn the_input_of_another_chain_is_refused() {
    let (_guard, path) = begun(&grid());
    let prover = ChainProver::resume(&path).unwrap();
    let input = prover.part_input(3).unwrap();
    let bytes = input.to_bytes().unwrap();
    for length in [0, 21, 24, 60, bytes.len() - 1] {
        assert!(PartInput::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    // Of the same model, with another limit.
    let (_guard, other) = begun(&ModelOptions {
        tokens: 4,
        ..grid()
    });
    let other = ChainProver::resume(&other).unwrap();
    let refused = part_error(other.prove_part(&input));
    assert_eq!(refused.name(), "OtherChain");
    assert!(refused.to_string().contains("expected"), "{refused}");
    // Part 1 is of the other group of layers, in a segment of other steps.
    let mut moved = bytes;
    moved[21 + 4 + 32] = 0;
    let moved = PartInput::from_bytes(&moved).unwrap();
    assert_eq!(part_error(prover.prove_part(&moved)).name(), "Steps");
    let outside = PartError::NoSuchPart {
        expected: 6,
        got: u64::MAX,
    };
    assert_eq!(part_error(prover.part_input(u64::MAX)), outside);
}

#[test]
fn there_is_no_part_behind_an_end_token() {
    // The first token that is chosen, in the first segment, ends the answer.
    let all = plan(5, &grid());
    let (_guard, path, _) = whole(&grid());
    let policy = policy_for(&path).unwrap();
    let mut chosen = vec![];
    verify_directory(&path, &policy, |row| {
        chosen.extend(row.tokens.iter().flat_map(|it| it.chosen.clone()));
    })
    .unwrap();
    let first = chosen[all.prompt().len() - 1];
    let stop = Stop::Tokens(EndTokens::new([TokenId::new(first.get())]).unwrap());
    let (_guard, path) = begun(&ModelOptions { stop, ..grid() });
    let prover = ChainProver::resume(&path).unwrap();
    assert_eq!(prover.part_input(1).unwrap().part(), 1);
    let refused = part_error(prover.part_input(2));
    assert!(matches!(refused, PartError::BehindEnd { part: 2, end } if end.token == first));
}
