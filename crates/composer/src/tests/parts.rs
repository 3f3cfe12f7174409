//! Every reason not to prove a part by itself.

use camino::Utf8PathBuf;
use matchmark_statement::{EndTokens, TokenId};
use tempfile::TempDir;

use super::common::model::{model, options, prompt};
use super::common::{place, plan, prove, segment_path};
use super::{all_are_reached, Case};
use crate::proving::{ChainProveError, ChainProver, ModelPlan, PartError, PartInput};
use crate::Stop;

/// A model's chain that was begun: seven steps in segments of 3, 3 and 1.
fn begun(stop: Stop) -> (TempDir, Utf8PathBuf) {
    let (guard, path) = place();
    let model = model(5);
    let options = crate::ModelOptions { stop, ..options(3) };
    let plan = ModelPlan::new(model.clone(), prompt(&model), &options).unwrap();
    drop(ChainProver::create(&path, plan).unwrap());
    (guard, path)
}

fn input(part: u64) -> (TempDir, ChainProver, PartInput) {
    let (guard, path) = begun(Stop::default());
    let prover = ChainProver::resume(&path).unwrap();
    let input = prover.part_input(part).unwrap();
    (guard, prover, input)
}

fn part_error<T>(result: Result<T, ChainProveError>) -> PartError {
    match result {
        Err(ChainProveError::Part(error)) => error,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("a part"),
    }
}

/// What is read of the bytes of an input that are changed so.
fn read(change: impl FnOnce(&mut Vec<u8>)) -> Result<PartInput, PartError> {
    let (_guard, _prover, input) = input(0);
    let mut bytes = input.to_bytes().unwrap();
    change(&mut bytes);
    PartInput::from_bytes(&bytes)
}

const CASES: &[Case<PartError>] = &[
    ("NotOfModel", || {
        let (_guard, path) = place();
        let prover = ChainProver::create(&path, plan(1, 2)).unwrap();
        part_error(prover.part_input(0))
    }),
    ("NoSuchPart", || {
        let (_guard, prover, _) = input(0);
        part_error(prover.part_input(3))
    }),
    ("BehindEnd", || {
        // Any token that is chosen in the first segment.
        let all = EndTokens::new((0..24).map(TokenId::new)).unwrap();
        let (_guard, path) = begun(Stop::Tokens(all));
        let prover = ChainProver::resume(&path).unwrap();
        part_error(prover.part_input(1))
    }),
    ("Magic", || read(|bytes| bytes.clear()).unwrap_err()),
    ("Format", || read(|bytes| bytes[21] = 0).unwrap_err()),
    ("Encoding", || read(|bytes| bytes.push(0)).unwrap_err()),
    ("OtherChain", || {
        let (_guard, prover, _) = input(0);
        // The digest of the manifest stands first.
        let other = read(|bytes| bytes[25] ^= 1).unwrap();
        part_error(prover.prove_part(&other))
    }),
    ("Steps", || {
        let (_guard, prover, _) = input(0);
        let other = read(|bytes| bytes[25 + 32] = 1);
        // Of the same chain, as the manifest has no time and no place in it.
        part_error(prover.prove_part(&other.unwrap()))
    }),
    ("Proven", || {
        let (_guard, prover, input) = input(2);
        prover.prove_part(&input).unwrap();
        part_error(prover.prove_part(&input))
    }),
];

#[test]
fn every_reason_not_to_prove_a_part_is_reached() {
    all_are_reached(PartError::NAMES, CASES, PartError::name);
}

/// The part of a segment that was proven with all others has the bytes of the one that is proven by itself.
#[test]
fn the_last_part_is_the_chains() {
    let (_guard, prover, input) = input(2);
    prover.prove_part(&input).unwrap();
    let (_other, path) = place();
    let model = model(5);
    let plan = ModelPlan::new(model.clone(), prompt(&model), &options(3)).unwrap();
    prove(&path, plan);
    let read = |chain: &camino::Utf8Path| std::fs::read(segment_path(chain, 2)).unwrap();
    assert_eq!(read(prover.directory()), read(&path));
}
