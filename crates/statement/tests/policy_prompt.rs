//! The tokens that a policy gives, its form as bytes, and how two policies are compared.

#![allow(clippy::unwrap_used)]

mod common;

use common::{decoder_segment, given, segment, shape, state, statement};
use matchmark_quant::{Rounding, StepRange};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, ChainStatement, CodecError, EndTokens, PolicyCircuit,
    PolicyError, PolicyMismatch, PreprocessedRoot, ProofPart, PublicValues, TokenId, TokenValues,
};
use proptest::prelude::*;

fn circuits(part: ProofPart) -> Vec<PolicyCircuit> {
    let circuit = |steps: u32, byte| PolicyCircuit {
        steps,
        group: 0,
        part,
        preprocessed_root: PreprocessedRoot::from_bytes([byte; 32]),
    };
    vec![circuit(2, 0xc2), circuit(16, 0xcf)]
}

/// For the chain of 66 steps of a whole model, in segments of 16 steps and a last one of 2.
fn decoder_policy() -> AcceptancePolicy {
    let cuts = [(0, 16), (16, 16), (32, 16), (48, 16), (64, 2)];
    let statements = cuts.map(|(before, steps)| statement(decoder_segment(before, steps)));
    let chain = ChainStatement::of(&statements).unwrap();
    let circuits = circuits(ProofPart::Whole);
    let policy = AcceptancePolicy::accepting(&chain, given(), circuits).unwrap();
    let mut parts = policy.parts();
    parts.end_tokens = ends(&[9, 12]);
    AcceptancePolicy::new(parts).unwrap()
}

fn ends(tokens: &[u32]) -> EndTokens {
    EndTokens::new(tokens.iter().copied().map(TokenId::new)).unwrap()
}

fn attention_policy() -> AcceptancePolicy {
    let chain = ChainStatement::of([&statement(segment(2, 16))]).unwrap();
    AcceptancePolicy::accepting(&chain, vec![], circuits(ProofPart::Whole)).unwrap()
}

fn with(change: impl FnOnce(&mut AcceptancePolicyParts)) -> Result<AcceptancePolicy, PolicyError> {
    let mut parts = decoder_policy().parts();
    change(&mut parts);
    AcceptancePolicy::new(parts)
}

/// A segment's tokens from a position on: those of the prompt, and then token 3.
fn tokens(from: usize, steps: usize) -> Vec<TokenId> {
    let prompt = given().into_iter().skip(from);
    let rest = std::iter::repeat(TokenId::new(3));
    prompt.chain(rest).take(steps).collect()
}

fn values(consumed: Vec<TokenId>) -> PublicValues {
    let steps = consumed.len();
    let chosen = vec![TokenId::new(3); steps];
    let shape = common::decoder().shape;
    TokenValues::new(&shape, steps, consumed, chosen)
        .unwrap()
        .into()
}

#[test]
fn every_given_token_is_pinned() {
    let policy = decoder_policy();
    // The prompt of five tokens in one segment, or cut anywhere.
    for (before, steps) in [(0, 16), (0, 4), (4, 1), (1, 2), (3, 13), (5, 11), (40, 2)] {
        let range = StepRange::new(before, steps).unwrap();
        let (before, steps) = (before as usize, steps as usize);
        let honest = tokens(before, steps);
        assert_eq!(policy.check_prompt(range, &values(honest.clone())), Ok(()));
        for at in 0..steps {
            let mut other = honest.clone();
            other[at] = TokenId::new(other[at].get() + 1);
            let position = before + at;
            let expected = match given().get(position) {
                // Behind the prompt a token is the choice before it, which the statement sees to.
                None => Ok(()),
                Some(expected) => Err(PolicyMismatch::PromptToken {
                    position,
                    expected: *expected,
                    got: other[at],
                }),
            };
            assert_eq!(policy.check_prompt(range, &values(other)), expected);
        }
    }
}

#[test]
fn a_prompt_goes_with_the_terms() {
    for got in [0, 4, 6] {
        assert_eq!(
            with(|parts| parts.prompt.resize(got, TokenId::new(0))),
            Err(PolicyError::PromptLength { expected: 5, got })
        );
    }
    let vocabulary = common::decoder().shape.vocabulary();
    let above = TokenId::new(u32::try_from(vocabulary).unwrap());
    assert_eq!(
        with(|parts| parts.prompt[3] = above),
        Err(PolicyError::PromptToken {
            position: 3,
            expected: vocabulary,
            got: above
        })
    );
    // Attention alone is given none.
    let mut parts = attention_policy().parts();
    parts.prompt = vec![TokenId::new(0)];
    assert_eq!(
        AcceptancePolicy::new(parts),
        Err(PolicyError::PromptLength {
            expected: 0,
            got: 1
        })
    );
    assert_eq!(attention_policy().prompt(), []);
    assert_eq!(decoder_policy().prompt(), given());
}

#[test]
fn another_prompt_is_another_policy() {
    let other = with(|parts| parts.prompt[0] = TokenId::new(6)).unwrap();
    assert_ne!(other.id(), decoder_policy().id());
}

#[test]
fn policies_are_compared_field_by_field() {
    let policy = decoder_policy();
    assert_eq!(policy.first_difference(&policy), None);
    type Change = fn(&mut AcceptancePolicyParts);
    let changes: [(&str, Change); 7] = [
        ("end_tokens", |it| it.end_tokens = ends(&[9])),
        ("end_tokens", |it| it.end_tokens = EndTokens::NONE),
        ("prompt", |it| it.prompt[4] = TokenId::new(2)),
        ("answer_tokens", |it| it.answer_tokens -= 1),
        ("first_state", |it| it.first_state = state(9)),
        ("circuits", |it| {
            it.circuits[1].preprocessed_root = PreprocessedRoot::from_bytes([1; 32]);
        }),
        ("decoder.weights", |it| {
            it.terms.decoder.as_mut().unwrap().weights =
                matchmark_statement::PortCommitment::from_bytes([1; 32]);
        }),
    ];
    for (field, change) in changes {
        let other = with(change).unwrap();
        let difference = policy.first_difference(&other).unwrap();
        assert_eq!(difference.field, field);
        assert_ne!(difference.expected, difference.got);
        let back = other.first_difference(&policy).unwrap();
        assert_eq!(
            (back.field, back.expected, back.got),
            (field, difference.got, difference.expected)
        );
    }
    // A step less, with an answer that either has room for.
    let shorter = with(|it| it.answer_tokens -= 1).unwrap();
    let mut parts = shorter.parts();
    parts.steps = StepRange::new(0, 65).unwrap();
    let other = AcceptancePolicy::new(parts).unwrap();
    let difference = shorter.first_difference(&other).unwrap();
    assert_eq!(difference.field, "steps");
    // What statements share is compared as between segments of a chain.
    let mut parts = attention_policy().parts();
    parts.terms.rounding = Rounding::Floor;
    let other = AcceptancePolicy::new(parts).unwrap();
    let difference = attention_policy().first_difference(&other).unwrap();
    assert_eq!(difference.field, "rounding");
}

#[test]
fn bytes_read_back_to_the_same_policy() {
    for policy in [decoder_policy(), attention_policy()] {
        let bytes = policy.to_bytes().unwrap();
        assert_eq!(bytes[..17], *b"matchmark policy\n");
        assert_eq!(AcceptancePolicy::from_bytes(&bytes), Ok(policy));
    }
}

#[test]
fn other_bytes_are_refused_by_name() {
    let bytes = decoder_policy().to_bytes().unwrap();
    let read = AcceptancePolicy::from_bytes;
    for other in [&b""[..], b"matchmark key\n", &bytes[1..]] {
        assert_eq!(
            read(other),
            Err(PolicyError::Magic {
                expected: "matchmark policy\n"
            })
        );
    }
    assert_eq!(
        read(&bytes[..19]),
        Err(PolicyError::Encoding(CodecError::Truncated { got: 2 }))
    );
    let mut later = bytes.clone();
    later[17] = 12;
    assert_eq!(
        read(&later),
        Err(PolicyError::Format {
            expected: 11,
            got: 12
        })
    );
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(
        read(&longer),
        Err(PolicyError::Encoding(CodecError::TrailingBytes { .. }))
    ));
    // The same circuits in another order would be other bytes for the same policy.
    let mut parts = decoder_policy().parts();
    parts.circuits.reverse();
    let mut reversed = bytes[..21].to_vec();
    reversed.extend(matchmark_statement::codec::encode(&parts).unwrap());
    assert_eq!(read(&reversed), Err(PolicyError::CircuitOrder));
    // What the fields must hold of each other is checked as everywhere.
    let mut parts = decoder_policy().parts();
    parts.terms.shape = shape(parts.terms.shape.attention(), 65, 16);
    let mut unfit = bytes[..21].to_vec();
    unfit.extend(matchmark_statement::codec::encode(&parts).unwrap());
    assert!(matches!(read(&unfit), Err(PolicyError::Terms(_))));
}

proptest! {
    /// No edit of the bytes is the same policy, and none stops the reader.
    #[test]
    fn edited_bytes_are_another_policy_or_none(at in 0_usize..1000, mask in 1_u8..=255) {
        let policy = decoder_policy();
        let mut bytes = policy.to_bytes().unwrap();
        let at = at % bytes.len();
        bytes[at] ^= mask;
        if let Ok(other) = AcceptancePolicy::from_bytes(&bytes) {
            prop_assert_ne!(other.id(), policy.id());
            prop_assert_eq!(other.to_bytes().unwrap(), bytes);
        }
    }
}
