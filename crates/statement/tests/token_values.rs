//! Public values of decoders: lengths, vocabulary, encoding, digest, and that they follow from each other.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod common;

use common::{decoder_segment, model_shape, prompt, statement, SIZES};
use matchmark_graph::ModelShape;
use matchmark_quant::{SegmentSteps, StepRange};
use matchmark_statement::{
    FormError, PublicValues, PublicValuesError, SegmentKind, SegmentStatement, TokenEnds,
    TokenError, TokenId, TokenValues,
};
use proptest::prelude::*;

fn ids(tokens: &[u32]) -> Vec<TokenId> {
    tokens.iter().copied().map(TokenId::new).collect()
}

/// A decoder with a vocabulary of 1000 tokens, or another.
fn model(vocabulary: u32) -> ModelShape {
    let mut sizes = SIZES;
    sizes[6] = vocabulary;
    model_shape(sizes)
}

fn values(consumed: &[u32], chosen: &[u32]) -> TokenValues {
    let steps = consumed.len();
    TokenValues::new(&model(1000), steps, ids(consumed), ids(chosen)).unwrap()
}

#[test]
fn encoding_is_four_bytes_a_token() {
    let values = values(&[1, 258], &[999, 4]);
    let bytes = [1, 0, 0, 0, 2, 1, 0, 0, 231, 3, 0, 0, 4, 0, 0, 0];
    assert_eq!(values.encode(), bytes);
    assert_eq!(TokenValues::encoded_len(2), 16);
    assert_eq!(
        TokenValues::decode(&bytes, &model(1000), 2).unwrap(),
        values
    );
    assert_eq!(values.consumed(), ids(&[1, 258]));
    assert_eq!(values.chosen(), ids(&[999, 4]));
    assert_eq!((values.steps(), values.vocabulary()), (2, 1000));
    assert_eq!(TokenValues::encoded_len(usize::MAX), usize::MAX);
}

#[test]
fn the_longest_segment_is_the_longest_there_is() {
    let longest = SegmentSteps::MAX as usize;
    let of = |steps: usize| {
        let tokens = vec![TokenId::new(7); steps];
        TokenValues::new(&model(1000), steps, tokens.clone(), tokens)
    };
    assert_eq!(of(longest).unwrap().steps(), longest);
    for got in [0, longest + 1] {
        assert_eq!(
            of(got),
            Err(PublicValuesError::Steps {
                expected: longest,
                got
            })
        );
    }
}

#[test]
fn wrong_lengths_are_refused() {
    let model = model(1000);
    for got in [0, 1, 3] {
        for tensor in ["consumed", "chosen"] {
            let mut both = [ids(&[1, 2]), ids(&[3, 4])];
            both[usize::from(tensor == "chosen")].resize(got, TokenId::new(0));
            let [consumed, chosen] = both;
            assert_eq!(
                TokenValues::new(&model, 2, consumed, chosen),
                Err(PublicValuesError::TensorLength {
                    tensor,
                    expected: 2,
                    got
                })
            );
        }
    }
    let bytes = values(&[1, 2], &[3, 4]).encode();
    for wrong in [&bytes[..15], &[&bytes[..], &[0]].concat(), &[]] {
        assert_eq!(
            TokenValues::decode(wrong, &model, 2),
            Err(PublicValuesError::EncodedLength {
                expected: 16,
                got: wrong.len()
            })
        );
    }
    for got in [0, (1 << 20) + 1, usize::MAX] {
        let refusal = PublicValuesError::Steps {
            expected: 1 << 20,
            got,
        };
        assert_eq!(
            TokenValues::decode(&bytes, &model, got),
            Err(refusal.clone())
        );
        assert_eq!(TokenValues::new(&model, got, vec![], vec![]), Err(refusal));
    }
}

#[test]
fn tokens_beyond_the_vocabulary_are_refused_by_name() {
    let model = model(1000);
    for (at, tensor) in ["consumed", "chosen"].into_iter().enumerate() {
        for token in [1000, 1001, u32::MAX] {
            let mut both = [ids(&[999, 0, 1]), ids(&[999, 0, 1])];
            both[at][1] = TokenId::new(token);
            let bytes: Vec<u8> = both
                .concat()
                .iter()
                .flat_map(|token| token.get().to_le_bytes())
                .collect();
            let refusal = PublicValuesError::Token {
                tensor,
                index: 1,
                expected: 1000,
                got: TokenId::new(token),
            };
            let [consumed, chosen] = both;
            assert_eq!(
                TokenValues::new(&model, 3, consumed, chosen),
                Err(refusal.clone())
            );
            assert_eq!(TokenValues::decode(&bytes, &model, 3), Err(refusal));
        }
    }
}

#[test]
fn digest_binds_vocabulary_steps_and_every_token() {
    let original = values(&[1, 2, 3], &[4, 5, 6]);
    let mut digests = std::collections::HashSet::from([original.digest()]);
    let bytes = original.encode();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        if let Ok(changed) = TokenValues::decode(&changed, &model(1000), 3) {
            assert!(digests.insert(changed.digest()), "{index}");
        }
    }
    assert_eq!(digests.len(), 1 + 2 * 6);
    let narrow = TokenValues::decode(&bytes, &model(999), 3).unwrap();
    assert!(digests.insert(narrow.digest()));
    let swapped = values(&[4, 5, 6], &[1, 2, 3]);
    assert!(digests.insert(swapped.digest()));
    assert!(digests.insert(values(&[1, 2], &[3, 4]).digest()));
}

/// Tokens of the steps at positions 3 to 6 behind a prompt of 5: the first two consumed are given.
const CONSUMED: [u32; 4] = [10, 11, 21, 22];
const CHOSEN: [u32; 4] = [20, 21, 22, 23];

fn check(consumed: [u32; 4], chosen: [u32; 4], before: u32, given: u32) -> Result<(), TokenError> {
    let ends = TokenEnds {
        first: TokenId::new(10),
        next: TokenId::new(23),
    };
    let steps = StepRange::new(before, 4).unwrap();
    values(&consumed, &chosen).check(steps, prompt(given), ends)
}

#[test]
fn behind_the_prompt_every_token_is_the_choice_before() {
    assert_eq!(check(CONSUMED, CHOSEN, 3, 5), Ok(()));
    // Longer prompts leave more to be given, shorter ones less.
    assert_eq!(check(CONSUMED, CHOSEN, 3, 6), Ok(()));
    for given in [1, 4] {
        assert_eq!(
            check(CONSUMED, CHOSEN, 3, given),
            Err(TokenError::NotChosen {
                position: 4,
                expected: TokenId::new(20),
                got: TokenId::new(11)
            })
        );
    }
    // The same tokens one position later.
    assert!(matches!(
        check(CONSUMED, CHOSEN, 4, 5),
        Err(TokenError::NotChosen { position: 5, .. })
    ));
    assert_eq!(check(CONSUMED, CHOSEN, 2, 5), Ok(()));
    for (index, position) in [(2, 5), (3, 6)] {
        for got in [0, 999, CONSUMED[index] + 1] {
            let mut consumed = CONSUMED;
            consumed[index] = got;
            assert_eq!(
                check(consumed, CHOSEN, 3, 5),
                Err(TokenError::NotChosen {
                    position,
                    expected: TokenId::new(CHOSEN[index - 1]),
                    got: TokenId::new(got)
                })
            );
        }
        let mut chosen = CHOSEN;
        chosen[index - 1] = 500;
        assert_eq!(
            check(CONSUMED, chosen, 3, 5),
            Err(TokenError::NotChosen {
                position,
                expected: TokenId::new(500),
                got: TokenId::new(CONSUMED[index])
            })
        );
    }
    // Given tokens are free, and so are the choices that nothing consumes.
    let mut consumed = CONSUMED;
    consumed[1] = 500;
    assert_eq!(check(consumed, CHOSEN, 3, 5), Ok(()));
    let mut chosen = CHOSEN;
    chosen[0] = 500;
    assert_eq!(check(CONSUMED, chosen, 3, 5), Ok(()));
}

#[test]
fn both_ends_are_those_of_the_statement() {
    let mut consumed = CONSUMED;
    consumed[0] = 9;
    assert_eq!(
        check(consumed, CHOSEN, 3, 5),
        Err(TokenError::First {
            expected: TokenId::new(10),
            got: TokenId::new(9)
        })
    );
    let mut chosen = CHOSEN;
    chosen[3] = 24;
    assert_eq!(
        check(CONSUMED, chosen, 3, 5),
        Err(TokenError::Next {
            expected: TokenId::new(23),
            got: TokenId::new(24)
        })
    );
    let ends = TokenEnds {
        first: TokenId::new(10),
        next: TokenId::new(23),
    };
    for steps in [3, 5] {
        let range = StepRange::new(3, steps).unwrap();
        assert_eq!(
            values(&CONSUMED, &CHOSEN).check(range, prompt(5), ends),
            Err(TokenError::Steps {
                expected: steps as usize,
                got: 4
            })
        );
    }
}

/// A statement of these tokens, whether they follow from each other or not.
fn statement_of(values: &TokenValues, before: u32, ends: [u32; 2]) -> SegmentStatement {
    let [first, next] = ends.map(TokenId::new);
    let mut parts = decoder_segment(before, values.steps() as u32);
    parts.public_values = values.digest();
    parts.tokens = Some(TokenEnds { first, next });
    statement(parts)
}

#[test]
fn a_statement_accepts_its_own_tokens_only() {
    let own = values(&CONSUMED, &CHOSEN);
    let statement = statement_of(&own, 3, [10, 23]);
    assert_eq!(statement.kind(), SegmentKind::Decoder);
    assert_eq!(statement.public_values_len(), 32);
    let decoded = statement.decode_public_values(&own.encode()).unwrap();
    assert_eq!(decoded, PublicValues::from(own.clone()));
    assert_eq!((decoded.kind(), decoded.steps()), (SegmentKind::Decoder, 4));
    assert_eq!((decoded.tokens(), decoded.attention()), (Some(&own), None));
    assert_eq!(
        (decoded.encode(), decoded.digest()),
        (own.encode(), own.digest())
    );
    assert_eq!(statement.check_tokens(&decoded), Ok(()));
    let mut changed = own.encode();
    changed[0] ^= 1;
    assert!(matches!(
        statement.decode_public_values(&changed),
        Err(PublicValuesError::Digest { expected, got })
            if expected == own.digest() && got != expected
    ));
    assert!(matches!(
        statement.decode_public_values(&changed[4..]),
        Err(PublicValuesError::EncodedLength { .. })
    ));
    // The digest does not say that tokens follow from each other.
    let free = statement_of(&own, 4, [10, 23]);
    let decoded = free.decode_public_values(&own.encode()).unwrap();
    assert!(matches!(
        free.check_tokens(&decoded),
        Err(TokenError::NotChosen { position: 5, .. })
    ));
    for ends in [[11, 23], [10, 24]] {
        let other = statement_of(&own, 3, ends);
        assert!(matches!(
            other.check_tokens(&decoded),
            Err(TokenError::First { .. } | TokenError::Next { .. })
        ));
    }
    // A statement of attention alone has no use for tokens.
    assert_eq!(
        common::statement(common::base()).check_tokens(&decoded),
        Err(TokenError::Form(FormError::Kind {
            expected: SegmentKind::Attention,
            got: SegmentKind::Decoder
        }))
    );
    // Tokens for a larger vocabulary, each of them one that this one has as well: another form.
    let larger = TokenValues::new(&model(1001), 4, ids(&CONSUMED), ids(&CHOSEN)).unwrap();
    let other = statement_of(&larger, 3, [10, 23]);
    let larger = PublicValues::from(larger);
    let refusal = FormError::Vocabulary {
        expected: 1000,
        got: 1001,
    };
    assert_eq!(other.check_form(&larger), Err(refusal.clone()));
    assert_eq!(
        other.check_tokens(&larger),
        Err(TokenError::Form(refusal.clone()))
    );
    assert_eq!(
        refusal.to_string(),
        "tokens of a vocabulary of 1001, expected one of 1000"
    );
}

proptest! {
    #[test]
    fn round_trip(tokens in proptest::collection::vec((0_u32..1000, 0_u32..1000), 1..9)) {
        let (consumed, chosen): (Vec<u32>, Vec<u32>) = tokens.iter().copied().unzip();
        let original = values(&consumed, &chosen);
        let steps = consumed.len();
        let bytes = original.encode();
        prop_assert_eq!(bytes.len(), TokenValues::encoded_len(steps));
        prop_assert_eq!(TokenValues::decode(&bytes, &model(1000), steps), Ok(original));
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..48), steps in 0_usize..8) {
        if let Ok(values) = TokenValues::decode(&bytes, &model(1 << 18), steps) {
            prop_assert_eq!(values.encode(), bytes);
        }
    }

    /// The check accepts exactly what its definition says, read off position by position.
    #[test]
    fn check_is_its_definition(
        tokens in proptest::collection::vec((0_u32..2, 0_u32..2), 1..6),
        ends in (0_u32..2, 0_u32..2),
        before in 0_u32..4,
        given in 1_u32..9,
    ) {
        let (consumed, chosen): (Vec<u32>, Vec<u32>) = tokens.iter().copied().unzip();
        let steps = tokens.len();
        let follow = (1..steps).all(|i| before as usize + i < given as usize || consumed[i] == chosen[i - 1]);
        let expected = follow && consumed[0] == ends.0 && chosen[steps - 1] == ends.1;
        let range = StepRange::new(before, steps as u32).unwrap();
        let ends = TokenEnds { first: TokenId::new(ends.0), next: TokenId::new(ends.1) };
        prop_assert_eq!(values(&consumed, &chosen).check(range, prompt(given), ends).is_ok(), expected);
    }
}
