use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::{Tokenizer, TokenizerError, TokenizerParts, Words};

/// The definition: looks through the whole word for each merge.
fn by_definition(tokenizer: &Tokenizer, word: &str) -> Vec<u32> {
    let TokenizerParts { pieces, merges, .. } = tokenizer.parts();
    let ranks: HashMap<_, _> = merges.iter().zip(0..).collect();
    let token = |bytes: &[u8]| {
        let found = pieces.iter().position(|piece| piece == bytes).unwrap();
        u32::try_from(found).unwrap()
    };
    let mut word: Vec<u32> = word.bytes().map(|byte| token(&[byte])).collect();
    loop {
        let ranked = word.windows(2).enumerate().filter_map(|(at, pair)| {
            let rank = ranks.get(&[pair[0], pair[1]])?;
            Some((*rank, at))
        });
        let Some((_, at)): Option<(u32, _)> = ranked.min() else {
            return word;
        };
        let both = [word[at], word[at + 1]].map(|token| pieces[token as usize].as_slice());
        word[at] = token(&both.concat());
        word.remove(at + 1);
    }
}

/// A tokenizer of the bytes `a` to `c` and of as many merges, each of two tokens that are there before it.
fn tokenizer(choices: &[(usize, usize)]) -> Tokenizer {
    let mut pieces: Vec<Vec<u8>> = [b'a', b'b', b'c'].map(|byte| vec![byte]).to_vec();
    let mut merges = Vec::new();
    let mut made = BTreeSet::new();
    for (left, right) in choices {
        let pair = [left % pieces.len(), right % pieces.len()];
        let piece = [pieces[pair[0]].as_slice(), &pieces[pair[1]]].concat();
        if piece.len() > 24 || !made.insert(pair) {
            continue;
        }
        if !pieces.contains(&piece) {
            pieces.push(piece);
        }
        merges.push(pair.map(|token| u32::try_from(token).unwrap()));
    }
    // Any order of merges is one.
    if choices.len() % 2 == 1 {
        merges.reverse();
    }
    Tokenizer::new(TokenizerParts {
        special: vec![false; pieces.len()],
        pieces,
        merges,
        words: Words::Gpt2,
        ignore_merges: false,
        nfc: false,
        begin: None,
        ends: vec![],
        chat: None,
    })
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_same_as_by_definition(
        choices in proptest::collection::vec((0usize..64, 0usize..64), 0..24),
        word in "[abc]{0,80}",
    ) {
        let tokenizer = tokenizer(&choices);
        prop_assert_eq!(tokenizer.encode(&word).unwrap(), by_definition(&tokenizer, &word));
    }
}

#[test]
fn leftmost_first_and_what_a_merge_makes_possible() {
    // aa before aaa: "aaaaa" is aa, aa, a, and the last two of these are one.
    let tokenizer = tokenizer(&[(0, 0), (3, 0)]);
    assert_eq!(tokenizer.encode("aaaaa").unwrap(), [3, 4]);
    assert_eq!(tokenizer.encode("a").unwrap(), [0]);
    assert_eq!(tokenizer.encode("").unwrap(), [0u32; 0]);
}

/// A word of a million bytes takes a second or so; looking through it for each merge would take hours.
#[test]
fn a_long_word_is_merged() {
    let tokenizer = tokenizer(&[(0, 0), (3, 3), (4, 4), (5, 5)]);
    let word = "a".repeat(1_000_000);
    assert_eq!(tokenizer.encode(&word).unwrap(), [6; 62_500]);
}

/// Names of special tokens that overlap, one of which is written like an ordinary token is for the library.
#[test]
fn special_tokens() {
    let pieces = ["<", "a", " ", "<a", "<a<a", "Ġ"].map(|piece| piece.as_bytes().to_vec());
    let tokenizer = Tokenizer::new(TokenizerParts {
        special: vec![false, false, false, true, true, true],
        pieces: pieces.to_vec(),
        merges: vec![],
        words: Words::Gpt2,
        ignore_merges: false,
        nfc: false,
        begin: Some(3),
        ends: vec![],
        chat: None,
    })
    .unwrap();
    // Leftmost, and of two there the longer.
    assert_eq!(tokenizer.encode("<<a<a<a a").unwrap(), [3, 0, 4, 3, 2, 1]);
    assert_eq!(tokenizer.encode(" Ġ ").unwrap(), [3, 2, 5, 2]);
    assert_eq!(tokenizer.encode("<a").unwrap(), [3, 3]);
    assert_eq!(
        tokenizer.encode("Ċ"),
        Err(TokenizerError::UnknownByte { got: 0xc4 })
    );
}
