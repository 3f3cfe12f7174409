//! Where a policy says that the answer ends: the end tokens, and the limit.

#![allow(clippy::unwrap_used)]

mod common;

use common::{decoder_segment, given, segment, statement};
use matchmark_quant::StepRange;
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, ChainStatement, EndToken, EndTokens, FinishReason,
    PolicyCircuit, PolicyError, PolicyMismatch, PreprocessedRoot, ProofPart, PublicValues, TokenId,
    TokenValues,
};

const CUTS: [(u32, u32); 5] = [(0, 16), (16, 16), (32, 16), (48, 16), (64, 2)];

/// The first so many segments of a chain of 66 steps, in segments of 16 steps and a last one of 2.
fn chain(segments: usize) -> ChainStatement {
    let statements = CUTS[..segments]
        .iter()
        .map(|(before, steps)| statement(decoder_segment(*before, *steps)));
    ChainStatement::of(&statements.collect::<Vec<_>>()).unwrap()
}

fn ends(tokens: &[u32]) -> EndTokens {
    EndTokens::new(tokens.iter().copied().map(TokenId::new)).unwrap()
}

/// For the whole chain behind five given tokens, or one that these tokens end.
fn policy(end_tokens: &[u32]) -> AcceptancePolicy {
    let circuit = |steps: u32| PolicyCircuit {
        steps,
        group: 0,
        part: ProofPart::Whole,
        preprocessed_root: PreprocessedRoot::from_bytes([7; 32]),
    };
    let policy =
        AcceptancePolicy::accepting(&chain(5), given(), vec![circuit(16), circuit(2)]).unwrap();
    let parts = AcceptancePolicyParts {
        end_tokens: ends(end_tokens),
        ..policy.parts()
    };
    AcceptancePolicy::new(parts).unwrap()
}

fn end(position: usize, token: u32) -> Option<EndToken> {
    let token = TokenId::new(token);
    Some(EndToken { position, token })
}

fn steps(count: u32) -> StepRange {
    StepRange::new(0, count).unwrap()
}

#[test]
fn a_chain_ends_with_an_end_token_or_with_all_steps() {
    let policy = policy(&[9, 3]);
    let answer = |segments, end| {
        let answer = policy.check_chain(&chain(segments), end)?.unwrap();
        let figures = (answer.finish_reason(), answer.tokens(), answer.surplus());
        assert_eq!(answer.end(), end);
        Ok::<_, PolicyMismatch>(figures)
    };
    // Positions 5 to 66 are generated.
    assert_eq!(answer(5, None), Ok((FinishReason::Length, 62, 0)));
    assert_eq!(answer(5, end(66, 3)), Ok((FinishReason::Stop, 62, 0)));
    assert_eq!(answer(1, end(5, 9)), Ok((FinishReason::Stop, 1, 11)));
    assert_eq!(answer(3, end(48, 9)), Ok((FinishReason::Stop, 44, 0)));
    assert_eq!(answer(3, end(40, 3)), Ok((FinishReason::Stop, 36, 8)));
    // No end token, one of another list, one of the prompt, one that is not there yet.
    let early = |got| PolicyMismatch::EndsEarly {
        expected: steps(66),
        got: steps(got),
        end_tokens: ends(&[3, 9]),
    };
    for none in [None, end(10, 4), end(4, 3), end(17, 3)] {
        assert_eq!(answer(1, none), Err(early(16)));
    }
    assert_eq!(answer(4, None), Err(early(64)));
    // Without a rule nothing but the limit ends a chain.
    let all = self::policy(&[]);
    assert_eq!(
        all.check_chain(&chain(4), end(10, 3)),
        Err(PolicyMismatch::ChainSteps {
            expected: steps(66),
            got: steps(64)
        })
    );
    assert!(all.check_chain(&chain(5), None).is_ok());
    // The limit is a limit with an end token, too; and the chain begins where it begins.
    let mut parts = policy.parts();
    parts.steps = steps(32);
    parts.answer_tokens = parts.generated_tokens();
    let shorter = AcceptancePolicy::new(parts).unwrap();
    assert!(matches!(
        shorter.check_chain(&chain(3), end(40, 3)),
        Err(PolicyMismatch::ChainSteps { .. })
    ));
    let late = ChainStatement::of([&statement(decoder_segment(16, 16))]).unwrap();
    assert!(!policy.is_whole(&late, end(20, 3)));
}

/// The last two steps, of positions 65 and 66, are surplus as far as the limit says so.
#[test]
fn an_answer_ends_at_its_limit_within_the_last_segment() {
    let with = |tokens: &[u32], limit| {
        let parts = AcceptancePolicyParts {
            answer_tokens: limit,
            ..policy(tokens).parts()
        };
        AcceptancePolicy::new(parts)
    };
    let answer = |limit, segments, end| {
        let policy = with(&[9, 3], limit).unwrap();
        let answer = policy.check_chain(&chain(segments), end)?.unwrap();
        let figures = (answer.finish_reason(), answer.tokens(), answer.surplus());
        Ok::<_, PolicyMismatch>(figures)
    };
    // Of the 62 tokens that are generated, the last segment has the last two.
    assert_eq!(answer(61, 5, None), Ok((FinishReason::Length, 61, 1)));
    assert_eq!(answer(61, 5, end(65, 3)), Ok((FinishReason::Stop, 61, 1)));
    // An end token behind the limit ends nothing.
    assert_eq!(answer(61, 5, end(66, 3)), Ok((FinishReason::Length, 61, 1)));
    assert_eq!(answer(61, 3, end(40, 3)), Ok((FinishReason::Stop, 36, 8)));
    assert!(answer(61, 4, None).is_err());
    for limit in [0, 1, 60, 63, u32::MAX] {
        let refused = PolicyError::AnswerTokens {
            expected: [61, 62],
            got: limit,
        };
        assert_eq!(with(&[9, 3], limit).unwrap_err(), refused);
    }
    assert_ne!(with(&[3], 61).unwrap().id(), with(&[3], 62).unwrap().id());
}

#[test]
fn end_tokens_are_found_behind_the_prompt() {
    let policy = policy(&[9, 3]);
    let values = |chosen: &[u32]| -> PublicValues {
        let ids = |tokens: &[u32]| tokens.iter().copied().map(TokenId::new).collect();
        let shape = common::decoder().shape;
        TokenValues::new(
            &shape,
            chosen.len(),
            ids(&vec![3; chosen.len()]),
            ids(chosen),
        )
        .unwrap()
        .into()
    };
    let found = |before, chosen: &[u32]| {
        let count = u32::try_from(chosen.len()).unwrap();
        policy.end_in(StepRange::new(before, count).unwrap(), &values(chosen))
    };
    // Choices for positions 1 to 4 are not taken, and what is consumed is no choice.
    assert_eq!(found(0, &[3, 9, 3, 9, 1, 2]), None);
    assert_eq!(found(0, &[3, 9, 3, 9, 1, 3, 9]), end(6, 3));
    assert_eq!(found(4, &[9, 3]), end(5, 9));
    assert_eq!(found(40, &[1, 2]), None);
    assert_eq!(self::policy(&[]).end_in(steps(2), &values(&[3, 9])), None);
}

#[test]
fn end_tokens_are_of_the_vocabulary() {
    let with = |parts: AcceptancePolicyParts| AcceptancePolicy::new(parts).map(|it| it.id());
    let mut parts = policy(&[3]).parts();
    parts.end_tokens = ends(&[3, 1000, 2000]);
    let refused = PolicyError::EndToken {
        expected: 1000,
        got: TokenId::new(1000),
    };
    assert_eq!(with(parts), Err(refused));
    // Attention alone has no tokens.
    let attention = ChainStatement::of([&statement(segment(2, 16))]).unwrap();
    let circuits = policy(&[]).circuits().to_vec();
    let attention = AcceptancePolicy::accepting(&attention, vec![], circuits).unwrap();
    assert!(attention.end_tokens().is_empty());
    let mut parts = attention.parts();
    parts.end_tokens = ends(&[0]);
    let refused = PolicyError::EndToken {
        expected: 0,
        got: TokenId::new(0),
    };
    assert_eq!(with(parts), Err(refused));
    // Another list is another policy.
    let ids = [&[][..], &[3], &[3, 9], &[9]].map(|tokens| policy(tokens).id());
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id));
    }
}
