//! Chains: whatever is dropped, swapped, doubled, spliced or relabelled is noticed.

#![allow(clippy::unwrap_used)]

mod common;

use common::{
    decoder, decoder_segment, prompt, segment, statement, token, variations, with_decoder,
};
use matchmark_quant::StepRange;
use matchmark_statement::{
    ChainAccumulator, ChainError, ChainStatement, SegmentStatement, SegmentStatementParts,
    TokenEnds, TokenId,
};

/// Four segments, of 16 steps each, behind 2 prefix entries.
fn chain() -> Vec<SegmentStatementParts> {
    [2, 18, 34, 50].map(|before| segment(before, 16)).to_vec()
}

fn join(parts: Vec<SegmentStatementParts>) -> Result<ChainStatement, ChainError> {
    let statements: Vec<SegmentStatement> = parts.into_iter().map(statement).collect();
    ChainStatement::of(&statements)
}

#[test]
fn segments_join() {
    let whole = join(chain()).unwrap();
    assert_eq!(whole.segments(), 4);
    assert_eq!(whole.steps(), StepRange::new(2, 64).unwrap());
    assert_eq!(whole.first_state(), common::state(2));
    assert_eq!(whole.last_state(), common::state(66));
    assert_eq!(whole.terms(), statement(chain().remove(0)).terms());
    let one = join(vec![segment(2, 16)]).unwrap();
    assert_eq!((one.segments(), one.last_state()), (1, common::state(18)));
}

#[test]
fn dropped_segments_leave_a_gap() {
    for (index, expected) in [(1, 18), (2, 34)] {
        let mut parts = chain();
        parts.remove(index);
        assert_eq!(
            join(parts),
            Err(ChainError::PositionGap {
                segment: index as u64,
                expected,
                got: expected + 16
            })
        );
    }
    // Without its first or last segment it is a valid, shorter chain; the acceptance policy refuses it.
    assert_eq!(join(chain()[1..].to_vec()).unwrap().steps().steps(), 48);
    assert_eq!(join(chain()[..3].to_vec()).unwrap().steps().steps(), 48);
}

#[test]
fn doubled_segments_overlap() {
    for index in 0..4 {
        let mut parts = chain();
        parts.insert(index, parts[index].clone());
        let expected = 18 + 16 * index;
        assert_eq!(
            join(parts),
            Err(ChainError::PositionOverlap {
                segment: index as u64 + 1,
                expected,
                got: expected - 16
            })
        );
    }
}

#[test]
fn swapped_segments_do_not_join() {
    for a in 0..4 {
        for b in a + 1..4 {
            let mut parts = chain();
            parts.swap(a, b);
            assert!(
                matches!(
                    join(parts),
                    Err(ChainError::PositionGap { .. } | ChainError::PositionOverlap { .. })
                ),
                "{a} {b}"
            );
        }
    }
}

#[test]
fn relabelled_positions_do_not_join() {
    // A segment's proof moved to another place: right position, wrong state.
    let mut parts = chain();
    let moved = parts[3].clone();
    parts[2].state_before = moved.state_before;
    parts[2].state_after = moved.state_after;
    assert_eq!(
        join(parts),
        Err(ChainError::StateMismatch {
            segment: 2,
            group: 0,
            expected: common::state(34),
            got: common::state(50)
        })
    );
    // Right state, wrong position.
    let mut parts = chain();
    parts[1].steps = StepRange::new(19, 16).unwrap();
    assert_eq!(
        join(parts),
        Err(ChainError::PositionGap {
            segment: 1,
            expected: 18,
            got: 19
        })
    );
    let mut parts = chain();
    parts[1].steps = StepRange::new(17, 16).unwrap();
    assert_eq!(
        join(parts),
        Err(ChainError::PositionOverlap {
            segment: 1,
            expected: 18,
            got: 17
        })
    );
}

#[test]
fn every_shared_field_is_compared_and_named() {
    fields_are_compared(segment(2, 16), &segment(18, 16));
    fields_are_compared(decoder_segment(2, 16), &decoder_segment(18, 16));
}

fn fields_are_compared(first: SegmentStatementParts, second: &SegmentStatementParts) {
    let first = statement(first);
    let own_first = second.tokens.map(|tokens| tokens.first);
    for (field, parts) in variations(second) {
        let mut chain = ChainAccumulator::new();
        chain.push(&first).unwrap();
        let before = chain.statement().cloned();
        let result = chain.push(&statement(parts.clone()));
        match field {
            // A segment's own.
            "public_values" | "state_after" | "cut" => assert_eq!(result, Ok(true)),
            "state_before" => {
                assert!(matches!(result, Err(ChainError::StateMismatch { .. })));
            }
            "tokens" if parts.tokens.map(|tokens| tokens.first) == own_first => {
                assert_eq!(result, Ok(true));
            }
            "tokens" => assert!(matches!(result, Err(ChainError::TokenMismatch { .. }))),
            "steps" if parts.steps.entries_before() == 18 => assert_eq!(result, Ok(true)),
            "steps" => assert!(matches!(
                result,
                Err(ChainError::PositionGap { .. } | ChainError::PositionOverlap { .. })
            )),
            _ => match &result {
                Err(ChainError::Terms {
                    segment: 1,
                    field: named,
                    expected,
                    got,
                }) => {
                    assert_eq!(*named, field);
                    assert_ne!(expected, got, "{field}");
                }
                other => panic!("{field}: {other:?}"),
            },
        }
        // A refused segment leaves no mark.
        if result.is_err() {
            assert_eq!(chain.statement(), before.as_ref(), "{field}");
        }
    }
}

/// Four segments of a whole model, of 16 steps each.
fn decoder_chain() -> Vec<SegmentStatementParts> {
    [0, 16, 32, 48]
        .map(|before| decoder_segment(before, 16))
        .to_vec()
}

#[test]
fn tokens_are_carried_on() {
    let whole = join(decoder_chain()).unwrap();
    assert_eq!(whole.next_token(), Some(token(64)));
    let (first, next) = (token(0), token(64));
    assert_eq!(whole.tokens(), Some(TokenEnds { first, next }));
    assert_eq!(whole.terms().decoder, Some(decoder()));
    let attention = join(chain()).unwrap();
    assert_eq!((attention.tokens(), attention.next_token()), (None, None));
}

#[test]
fn behind_the_prompt_a_segment_begins_with_the_choice_of_the_one_before() {
    for index in 1..4 {
        let mut parts = decoder_chain();
        let (expected, got) = (token(16 * index), TokenId::new(7));
        parts[index].tokens.as_mut().unwrap().first = got;
        let refusal = ChainError::TokenMismatch {
            segment: index as u64,
            expected,
            got,
        };
        assert_eq!(join(parts.clone()), Err(refusal.clone()));
        // The other side of the same cut.
        let mut other = decoder_chain();
        other[index - 1].tokens.as_mut().unwrap().next = got;
        assert_eq!(
            join(other),
            Err(ChainError::TokenMismatch {
                segment: index as u64,
                expected: got,
                got: expected
            })
        );
        // Positions below the length of the prompt hold given tokens.
        let position = u32::try_from(16 * index).unwrap();
        for (tokens, given) in [(position, false), (position + 1, true)] {
            let parts = parts
                .iter()
                .map(|it| with_decoder(it, |it| it.prompt = prompt(tokens)));
            let result = join(parts.collect());
            if given {
                assert_eq!(result.unwrap().next_token(), Some(token(64)));
            } else {
                assert_eq!(result, Err(refusal.clone()));
            }
        }
    }
}

#[test]
fn digest_binds_every_segment_and_their_order() {
    let whole = join(chain()).unwrap();
    let mut digests = std::collections::HashSet::from([whole.chain_digest()]);
    for index in 0..4 {
        let mut parts = chain();
        let mut bytes = parts[index].public_values.to_bytes();
        bytes[31] ^= 1;
        parts[index].public_values = matchmark_statement::PublicValuesDigest::from_bytes(bytes);
        assert!(
            digests.insert(join(parts).unwrap().chain_digest()),
            "{index}"
        );
    }
    // The same steps in other cuts are another chain.
    let cuts = [2, 10, 18, 34, 50].map(|before| segment(before, if before < 18 { 8 } else { 16 }));
    assert!(digests.insert(join(cuts.to_vec()).unwrap().chain_digest()));
    for len in 1..4 {
        assert!(digests.insert(join(chain()[..len].to_vec()).unwrap().chain_digest()));
    }
}

#[test]
fn text_and_json_are_pinned() {
    let whole = join(chain()).unwrap();
    insta::assert_snapshot!("chain_text", whole);
    insta::assert_json_snapshot!("chain_json", whole);
    let whole = join(decoder_chain()).unwrap();
    insta::assert_snapshot!("decoder_chain_text", whole);
    insta::assert_json_snapshot!("decoder_chain_json", whole);
}
