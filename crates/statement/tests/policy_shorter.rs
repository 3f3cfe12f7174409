//! Shorter chains in a policy: what is accepted in the place of the whole chain where an end token ends the answer.

#![allow(clippy::unwrap_used)]

mod common;

use common::{decoder_segment, given, group_weights, layer_groups, statement, variations};
use matchmark_quant::{CacheCapacity, SegmentSteps, StepRange};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, ChainStatement, EndToken, EndTokens, FinishReason,
    PolicyCircuit, PolicyError, PolicyMismatch, PortCommitment, PreprocessedRoot, ProofPart,
    RelationDigest, SegmentCut, SegmentShape, SegmentStatement, SegmentStatementParts,
    ShorterChain, TokenId,
};

const CUTS: [(u32, u32); 5] = [(0, 16), (16, 16), (32, 16), (48, 16), (64, 2)];
/// Most tokens of the answer: the last of them is chosen by step 65 of 66.
const ANSWER: u32 = 61;

fn root(chain: u32, steps: u32) -> PreprocessedRoot {
    let mut bytes = [0xc0; 32];
    bytes[..4].copy_from_slice(&chain.to_le_bytes());
    bytes[4..8].copy_from_slice(&steps.to_le_bytes());
    PreprocessedRoot::from_bytes(bytes)
}

fn circuit(chain: u32, steps: u32) -> PolicyCircuit {
    PolicyCircuit {
        steps,
        group: 0,
        part: ProofPart::Whole,
        preprocessed_root: root(chain, steps),
    }
}

fn marked(kind: u8, steps: u32) -> PortCommitment {
    let mut bytes = [kind; 32];
    bytes[..4].copy_from_slice(&steps.to_le_bytes());
    PortCommitment::from_bytes(bytes)
}

/// Of so many steps, in segments of at most 16.
fn shorter(steps: u32) -> ShorterChain {
    let lengths = [steps.min(16), steps % 16];
    let lengths = lengths.into_iter().filter(|it| *it > 0 && *it < 17);
    let mut circuits: Vec<PolicyCircuit> = lengths.map(|it| circuit(steps, it)).collect();
    circuits.sort_unstable();
    circuits.dedup();
    ShorterChain {
        steps,
        relation_digest: RelationDigest::from_bytes([0x5d; 32]),
        weights: marked(0x5a, steps),
        first_state: marked(0x5b, steps),
        circuits,
    }
}

/// A segment of the shorter chain of so many steps.
fn segment_of(chain: u32, before: u32, steps: u32) -> SegmentStatementParts {
    let mut parts = decoder_segment(before, steps);
    let terms = &mut parts.terms;
    terms.relation_digest = RelationDigest::from_bytes([0x5d; 32]);
    terms.shape = SegmentShape::new(
        terms.shape.attention(),
        CacheCapacity::new(chain).unwrap(),
        SegmentSteps::new(chain.min(16)).unwrap(),
    )
    .unwrap();
    terms.decoder.as_mut().unwrap().weights = marked(0x5a, chain);
    if before == 0 {
        parts.state_before = marked(0x5b, chain);
    }
    parts
}

fn chain_of(parts: impl IntoIterator<Item = SegmentStatementParts>) -> ChainStatement {
    let statements: Vec<_> = parts.into_iter().map(statement).collect();
    ChainStatement::of(&statements).unwrap()
}

fn whole(segments: usize) -> ChainStatement {
    chain_of(
        CUTS[..segments]
            .iter()
            .map(|it| decoder_segment(it.0, it.1)),
    )
}

fn ends(tokens: &[u32]) -> EndTokens {
    EndTokens::new(tokens.iter().copied().map(TokenId::new)).unwrap()
}

fn end(position: usize, token: u32) -> Option<EndToken> {
    let token = TokenId::new(token);
    Some(EndToken { position, token })
}

fn steps(count: u32) -> StepRange {
    StepRange::new(0, count).unwrap()
}

/// For the whole chain behind five given tokens, and for shorter ones of 9, 20 and 32 steps.
fn parts() -> AcceptancePolicyParts {
    let circuits = vec![circuit(66, 16), circuit(66, 2)];
    let policy = AcceptancePolicy::accepting(&whole(5), given(), circuits).unwrap();
    AcceptancePolicyParts {
        end_tokens: ends(&[9, 3]),
        answer_tokens: ANSWER,
        shorter: [32, 9, 20].map(shorter).to_vec(),
        ..policy.parts()
    }
}

fn policy() -> AcceptancePolicy {
    AcceptancePolicy::new(parts()).unwrap()
}

fn with(change: impl FnOnce(&mut AcceptancePolicyParts)) -> Result<AcceptancePolicy, PolicyError> {
    let mut parts = parts();
    change(&mut parts);
    AcceptancePolicy::new(parts)
}

fn answer(
    policy: &AcceptancePolicy,
    chain: &ChainStatement,
    end: Option<EndToken>,
) -> Result<(FinishReason, usize, usize), PolicyMismatch> {
    let answer = policy.check_chain(chain, end)?.unwrap();
    Ok((answer.finish_reason(), answer.tokens(), answer.surplus()))
}

#[test]
fn each_shape_has_its_own_steps_circuits_and_first_state() {
    let policy = policy();
    let listed: Vec<u32> = policy.shorter().iter().map(|it| it.steps).collect();
    assert_eq!(listed, [9, 20, 32]);
    let check = |parts| policy.check_segment(&statement(parts));
    assert_eq!(check(segment_of(9, 0, 9)), Ok(vec![root(9, 9)]));
    assert_eq!(check(segment_of(20, 0, 16)), Ok(vec![root(20, 16)]));
    assert_eq!(check(segment_of(20, 16, 4)), Ok(vec![root(20, 4)]));
    assert_eq!(check(decoder_segment(64, 2)), Ok(vec![root(66, 2)]));
    // Lengths of another entry.
    for (parts, expected, got) in [
        (segment_of(20, 0, 9), vec![4, 16], 9),
        (segment_of(32, 16, 4), vec![16], 4),
        (decoder_segment(16, 4), vec![2, 16], 4),
    ] {
        let refused = PolicyMismatch::SegmentLength { expected, got };
        assert_eq!(check(parts), Err(refused));
    }
    // The first state of another.
    let mut other = segment_of(20, 0, 16);
    other.state_before = marked(0x5b, 32);
    let refused = PolicyMismatch::FirstState {
        expected: marked(0x5b, 20),
        got: marked(0x5b, 32),
    };
    assert_eq!(check(other.clone()), Err(refused.clone()));
    let chain = chain_of([other]);
    assert_eq!(policy.check_begin(&chain), Err(refused.clone()));
    assert_eq!(policy.check_chain(&chain, end(9, 3)), Err(refused));
    let mut other = segment_of(20, 0, 16);
    other.state_before = policy.first_state();
    assert!(check(other).is_err());
    // Weights and relation of another: those of the whole chain in a shorter shape, and the other way around.
    for (mut parts, from) in [
        (segment_of(20, 0, 16), decoder_segment(0, 16)),
        (segment_of(20, 0, 16), segment_of(32, 0, 16)),
        (decoder_segment(0, 16), segment_of(20, 0, 16)),
    ] {
        parts.terms.decoder = from.terms.decoder;
        let error = check(parts).unwrap_err();
        assert!(
            matches!(error, PolicyMismatch::ModelWeights { .. }),
            "{error}"
        );
    }
    for (mut parts, from) in [
        (segment_of(20, 0, 16), decoder_segment(0, 16)),
        (decoder_segment(0, 16), segment_of(20, 0, 16)),
    ] {
        parts.terms.relation_digest = from.terms.relation_digest;
        let error = check(parts).unwrap_err();
        assert!(
            matches!(error, PolicyMismatch::RelationDigest { .. }),
            "{error}"
        );
    }
}

/// Whatever else a shorter chain may be, nothing that the policy says of all chains is another for it.
#[test]
fn a_shorter_chain_is_in_all_else_the_policys() {
    let policy = policy();
    let base = segment_of(20, 0, 16);
    assert!(policy.check_terms(&base.terms).is_ok());
    let mut refused = 0;
    for (field, parts) in variations(&base) {
        let own = ["steps", "public_values", "state_after", "tokens"].contains(&field);
        let Ok(segment) = SegmentStatement::new(parts.clone()) else {
            // More given tokens, or more steps, than the shorter cache holds.
            assert!(
                field == "steps" || policy.check_terms(&parts.terms).is_err(),
                "{field}"
            );
            continue;
        };
        let result = policy.check_segment(&segment);
        // Only the lengths 16 and 4 have circuits, and only 20 steps are there.
        let moved = field == "steps" && result.is_err();
        assert_eq!(result.is_ok(), own && !moved, "{field}: {result:?}");
        if !own && !["state_before", "cut"].contains(&field) {
            assert!(policy.check_terms(&parts.terms).is_err(), "{field}");
            refused += 1;
        }
    }
    assert!(refused > 20);
    let mut split = base;
    split.cut = SegmentCut::Split(marked(1, 1));
    let refused = policy.check_segment(&statement(split)).unwrap_err();
    assert!(matches!(refused, PolicyMismatch::Cut { .. }));
}

#[test]
fn a_shape_that_is_not_listed_is_refused() {
    let policy = policy();
    for chain in [8, 10, 16, 19, 21, 31, 33, 48, 64, 65] {
        let mut parts = segment_of(chain, 0, chain.min(16));
        // As if it were the whole chain's in all else.
        let of_whole = decoder_segment(0, 16);
        parts.terms.relation_digest = of_whole.terms.relation_digest;
        parts.terms.decoder = of_whole.terms.decoder;
        parts.state_before = of_whole.state_before;
        let (expected, got) = (policy.terms().shape, parts.terms.shape);
        let refused = PolicyMismatch::Shape { expected, got };
        assert_eq!(
            policy.check_segment(&statement(parts)),
            Err(refused.clone())
        );
    }
    // The capacity of one entry with the segment length of another.
    for (capacity, longest) in [(20, 9), (9, 8), (32, 20), (66, 9)] {
        let mut parts = segment_of(9, 0, 8);
        parts.terms.shape = SegmentShape::new(
            parts.terms.shape.attention(),
            CacheCapacity::new(capacity).unwrap(),
            SegmentSteps::new(longest).unwrap(),
        )
        .unwrap();
        assert!(policy.check_terms(&parts.terms).is_err());
        assert!(!policy.is_shorter(&parts.terms));
    }
}

#[test]
fn a_shorter_chain_ends_with_an_end_token() {
    let policy = policy();
    let all = chain_of([segment_of(20, 0, 16), segment_of(20, 16, 4)]);
    let first = chain_of([segment_of(20, 0, 16)]);
    assert!(policy.is_shorter(all.terms()) && !policy.is_shorter(whole(1).terms()));
    assert_eq!(policy.steps_of(all.terms()), steps(20));
    assert_eq!(policy.steps_of(whole(1).terms()), steps(66));
    // Positions 5 to 20 are generated.
    assert_eq!(
        answer(&policy, &all, end(20, 3)),
        Ok((FinishReason::Stop, 16, 0))
    );
    assert_eq!(
        answer(&policy, &all, end(17, 9)),
        Ok((FinishReason::Stop, 13, 3))
    );
    // As of the whole chain, segments behind the end are not needed; nor need it be the shortest that holds the answer.
    assert_eq!(
        answer(&policy, &first, end(5, 9)),
        Ok((FinishReason::Stop, 1, 11))
    );
    // No end token, one of another list, one of the prompt, one that is not there yet.
    let none = PolicyMismatch::NoEndToken {
        expected: ends(&[3, 9]),
        got: steps(20),
    };
    for no_end in [None, end(10, 4), end(4, 3), end(21, 3)] {
        assert_eq!(answer(&policy, &all, no_end), Err(none.clone()));
        assert!(!policy.is_whole(&all, no_end));
        assert_eq!(policy.check_going_on(&all, no_end), Err(none.clone()));
        let early = PolicyMismatch::EndsEarly {
            expected: steps(20),
            got: steps(16),
            end_tokens: ends(&[3, 9]),
        };
        assert_eq!(answer(&policy, &first, no_end), Err(early));
        assert_eq!(policy.check_going_on(&first, no_end), Ok(()));
    }
    assert_eq!(policy.check_going_on(&all, end(20, 3)), Ok(()));
    // The whole chain is as it was: it ends at its limit, too.
    assert_eq!(
        answer(&policy, &whole(5), None),
        Ok((FinishReason::Length, 61, 1))
    );
    assert_eq!(
        answer(&policy, &whole(2), end(30, 3)),
        Ok((FinishReason::Stop, 26, 2))
    );
    assert!(matches!(
        answer(&policy, &whole(2), None),
        Err(PolicyMismatch::EndsEarly { .. })
    ));
    assert_eq!(policy.check_going_on(&whole(5), None), Ok(()));
    // A chain of the list is refused by the policy without it.
    let without = with(|it| it.shorter.clear()).unwrap();
    assert!(matches!(
        without.check_chain(&all, end(20, 3)),
        Err(PolicyMismatch::RelationDigest { .. })
    ));
}

/// Segments of two shapes are no chain, whichever the policy lists.
#[test]
fn shapes_do_not_mix() {
    for (one, other) in [
        (segment_of(20, 0, 16), decoder_segment(16, 16)),
        (decoder_segment(0, 16), segment_of(20, 16, 4)),
        (segment_of(32, 0, 16), segment_of(20, 16, 4)),
    ] {
        let error = ChainStatement::of([&statement(one), &statement(other)]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("expected") && text.contains("as in segment 0"),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_shorter_chain_is_refused() {
    // Steps 5 to 64: the first generates a token, the last one fewer than the answer may have.
    for got in [0, 1, 4, 65, 66, 67, u32::MAX] {
        let expected = [5, 64];
        let refused = PolicyError::ShorterSteps { expected, got };
        let chain = ShorterChain {
            steps: got,
            ..shorter(20)
        };
        assert_eq!(with(|it| it.shorter.push(chain)), Err(refused));
    }
    for steps in [5, 64] {
        assert!(with(|it| it.shorter.push(shorter(steps))).is_ok());
    }
    assert_eq!(
        with(|it| it.shorter.push(ShorterChain {
            weights: marked(1, 1),
            ..shorter(20)
        })),
        Err(PolicyError::DuplicateShorter { got: 20 })
    );
    assert_eq!(
        with(|it| it.end_tokens = EndTokens::NONE),
        Err(PolicyError::ShorterWithoutEnd { got: 3 })
    );
    let of_20 = |change: fn(&mut ShorterChain)| {
        let mut chain = shorter(20);
        change(&mut chain);
        match with(|it| it.shorter = vec![chain]) {
            Err(PolicyError::Shorter { steps: 20, source }) => *source,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(of_20(|it| it.circuits.clear()), PolicyError::NoCircuits);
    assert_eq!(
        of_20(|it| it.circuits.push(circuit(20, 17))),
        PolicyError::CircuitSteps {
            expected: 16,
            got: 17
        }
    );
    assert_eq!(
        of_20(|it| it.circuits.push(circuit(9, 4))),
        PolicyError::DuplicateCircuit {
            part: ProofPart::Whole,
            group: 0,
            got: 4
        }
    );
    assert_eq!(
        of_20(|it| it.circuits[0].part = ProofPart::Lookup),
        PolicyError::HalfCircuit {
            expected: ProofPart::Arithmetic,
            got: ProofPart::Lookup,
            steps: 4
        }
    );
    assert_eq!(
        of_20(|it| it.circuits[0].group = 1),
        PolicyError::CircuitGroup {
            expected: 1,
            got: 1
        }
    );
    // Segments of a chain of nine steps have no more.
    match with(|it| it.shorter[1].circuits.push(circuit(9, 16))).unwrap_err() {
        PolicyError::Shorter { steps: 9, source } => {
            assert_eq!(
                *source,
                PolicyError::CircuitSteps {
                    expected: 9,
                    got: 16
                }
            );
        }
        other => panic!("{other}"),
    }
    // Attention alone has no answer that could end.
    let attention = chain_of([common::segment(2, 16)]);
    let attention = AcceptancePolicy::accepting(&attention, vec![], vec![circuit(66, 16)]).unwrap();
    let mut parts = attention.parts();
    parts.shorter = vec![shorter(9)];
    assert_eq!(
        AcceptancePolicy::new(parts),
        Err(PolicyError::ShorterWithoutEnd { got: 1 })
    );
    let error = with(|it| it.shorter[0].circuits.clear())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "shorter chain of 32 steps: policy: circuits are missing, expected one for each segment length in use"
    );
}

/// Steps are counted behind the model's prefix, which no step consumes.
#[test]
fn a_prefix_is_in_the_cache_of_a_shorter_chain() {
    let behind = |count: u32| {
        let policy = with(|it| {
            it.steps = StepRange::new(2, 64).unwrap();
            it.shorter = vec![shorter(count)];
        });
        policy.map(|it| {
            let mut terms = segment_of(count + 2, 2, 1).terms;
            let (attention, capacity) = (terms.shape.attention(), terms.shape.capacity());
            let longest = SegmentSteps::new(count.min(16)).unwrap();
            terms.shape = SegmentShape::new(attention, capacity, longest).unwrap();
            it.steps_of(&terms)
        })
    };
    assert_eq!(behind(9), Ok(StepRange::new(2, 9).unwrap()));
    assert!(behind(3).is_ok() && behind(62).is_ok());
    for got in [2, 63] {
        let expected = [3, 62];
        assert_eq!(
            behind(got),
            Err(PolicyError::ShorterSteps { expected, got })
        );
    }
}

/// Of each shorter chain there are circuits for all groups of layers.
#[test]
fn groups_of_layers_are_those_of_the_whole_chain() {
    let grouped = |shorter: ShorterChain| {
        with(|it| {
            let decoder = it.terms.decoder.as_mut().unwrap();
            decoder.groups = layer_groups(2);
            decoder.weights = PortCommitment::of_groups(&[0, 1].map(group_weights));
            it.circuits = in_groups(&it.circuits);
            it.shorter = vec![shorter];
        })
    };
    fn in_groups(circuits: &[PolicyCircuit]) -> Vec<PolicyCircuit> {
        let all = [0, 1].into_iter().flat_map(|group| {
            let of_group = circuits
                .iter()
                .map(move |it| PolicyCircuit { group, ..*it });
            of_group
        });
        all.collect()
    }
    let mut chain = shorter(20);
    match grouped(chain.clone()) {
        Err(PolicyError::Shorter { steps: 20, source }) => {
            assert_eq!(*source, PolicyError::GroupCircuit { group: 1, steps: 4 });
        }
        other => panic!("{other:?}"),
    }
    chain.circuits = in_groups(&chain.circuits);
    let policy = grouped(chain).unwrap();
    assert_eq!(AcceptancePolicy::from_toml(&policy.to_toml()), Ok(policy));
}

#[test]
fn another_list_is_another_policy() {
    let base = policy();
    let differs = |change: fn(&mut ShorterChain)| {
        let other = with(|it| change(&mut it.shorter[0])).unwrap();
        assert_ne!(base.id(), other.id());
        let difference = base.first_difference(&other).unwrap();
        assert_eq!(difference.field, "shorter");
        assert_ne!(difference.expected, difference.got);
        difference.got
    };
    differs(|it| it.weights = marked(1, 1));
    differs(|it| it.first_state = marked(1, 1));
    differs(|it| it.relation_digest = RelationDigest::from_bytes([1; 32]));
    differs(|it| it.circuits[0] = circuit(1, 16));
    assert!(differs(|it| it.steps = 48).starts_with("48 steps, "));
    let fewer = with(|it| it.shorter.truncate(2)).unwrap();
    assert_eq!(
        base.first_difference(&fewer).unwrap().expected[..9],
        *"20 steps,"
    );
    let none = with(|it| it.shorter.clear()).unwrap();
    assert_eq!(base.without_shorter(), Ok(none.clone()));
    let difference = none.first_difference(&base).unwrap();
    assert_eq!(difference.expected, "none");
    // The order in which they are given is none.
    assert_eq!(with(|it| it.shorter.reverse()), Ok(base));
}

#[test]
fn bytes_are_read_back_and_have_one_order() {
    let policy = policy();
    let bytes = policy.to_bytes().unwrap();
    assert_eq!(AcceptancePolicy::from_bytes(&bytes), Ok(policy.clone()));
    let swapped = |one: &[u8], other: &[u8]| {
        let find = |it: &[u8]| bytes.windows(it.len()).position(|at| at == it).unwrap();
        let (first, second) = (find(one), find(other));
        let mut bytes = bytes.clone();
        bytes[first..first + one.len()].copy_from_slice(other);
        bytes[second..second + other.len()].copy_from_slice(one);
        AcceptancePolicy::from_bytes(&bytes)
    };
    // The steps of two entries, and the circuits of one: by their roots, which tell them apart.
    let [one, other] = [9, 32].map(|steps| {
        let digest = RelationDigest::from_bytes([0x5d; 32]);
        [&u32::to_le_bytes(steps)[..], digest.as_bytes()].concat()
    });
    assert_eq!(swapped(&one, &other), Err(PolicyError::ShorterOrder));
    let [one, other] = [4, 16].map(|steps| {
        let bytes = root(20, steps);
        [
            &u32::to_le_bytes(steps)[..],
            &[0, 0, 0, 0, 0, 0],
            bytes.as_bytes(),
        ]
        .concat()
    });
    assert_eq!(swapped(&one, &other), Err(PolicyError::CircuitOrder));
}

#[cfg(feature = "std")]
mod file {
    use super::*;

    #[test]
    fn file_is_pinned_and_read_back() {
        let policy = policy();
        let text = policy.to_toml();
        assert_eq!(AcceptancePolicy::from_toml(&text), Ok(policy));
        let from = text.find("# Shorter chains").unwrap();
        insta::assert_snapshot!("shorter_chains", &text[from..]);
    }

    #[test]
    fn unknown_and_missing_fields_are_refused() {
        let text = policy().to_toml();
        let from = text.find("[[shorter]]").unwrap();
        let lines: Vec<&str> = text[from..].lines().collect();
        let mut fields = 0;
        for (index, line) in lines.iter().enumerate() {
            // A field of the entry.
            if line.contains(" = ") && !line.starts_with(' ') && !line.ends_with('[') {
                let mut more = lines.clone();
                more.insert(index + 1, "unknown = 1");
                let mut fewer = lines.clone();
                fewer.remove(index);
                for lines in [more, fewer] {
                    let text = [&text[..from], &lines.join("\n")].concat();
                    let error = AcceptancePolicy::from_toml(&text).unwrap_err();
                    assert!(matches!(error, PolicyError::File { .. }), "{line}: {error}");
                }
                fields += 1;
            }
            // A circuit of it.
            if line.starts_with("  {") {
                for changed in [
                    line.replace("{ steps", "{ unknown = 1, steps"),
                    line.replace("part = \"whole\", ", ""),
                    line.replace("steps = ", "length = "),
                ] {
                    let text = text.replacen(line, &changed, 1);
                    let error = AcceptancePolicy::from_toml(&text).unwrap_err();
                    assert!(
                        matches!(error, PolicyError::File { .. }),
                        "{changed}: {error}"
                    );
                }
                fields += 1;
            }
        }
        assert_eq!(fields, 3 * 4 + 4);
    }

    #[test]
    fn mismatches_say_what_helps() {
        let all = chain_of([segment_of(9, 0, 9)]);
        let error = policy().check_chain(&all, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "chain has 9 steps, cache positions 0 to 8, all of a shorter chain, expected an end token (3 9) among the \
             generated tokens: an answer without one has the length of the whole chain"
        );
    }
}
