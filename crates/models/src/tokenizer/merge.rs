//! Merging of the tokens of one word, in `O(n log n)` for a word of `n` bytes.
//!
//! The tokens are a linked list, in which a merged token takes the place of the left one of both; a priority
//! queue holds every pair of neighbours that has a merge. Its head is the pair whose merge comes first,
//! leftmost first: the one that looking through the whole word would find.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Tokenizer;

/// A neighbour that is not there: before the first token, and behind the last.
const NONE: usize = usize::MAX;

/// One place of a word.
struct Node {
    /// The token that begins here.
    token: u32,
    /// The place of the token before.
    before: usize,
    /// The place of the token behind.
    behind: usize,
    /// Whether a token begins here still.
    alive: bool,
}

/// Merges the tokens of one word: of all neighbours that have a merge, those whose merge comes first,
/// leftmost first, until there are none.
pub(super) fn merge(tokenizer: &Tokenizer, word: &[u32]) -> Vec<u32> {
    let mut nodes: Vec<Node> = Vec::with_capacity(word.len());
    for (at, &token) in word.iter().enumerate() {
        nodes.push(Node {
            token,
            before: at.checked_sub(1).unwrap_or(NONE),
            behind: if at + 1 < word.len() { at + 1 } else { NONE },
            alive: true,
        });
    }
    let merge_at = |nodes: &[Node], left: usize| {
        let right = nodes.get(nodes[left].behind)?;
        let pair = [nodes[left].token, right.token];
        tokenizer.ranks.get(&pair).copied()
    };
    let mut queue = BinaryHeap::with_capacity(word.len());
    for left in 0..nodes.len() {
        if let Some((rank, _)) = merge_at(&nodes, left) {
            queue.push(Reverse((rank, left)));
        }
    }
    while let Some(Reverse((rank, left))) = queue.pop() {
        // An entry may be of a pair that is no more; a rank belongs to one pair alone.
        let made = match merge_at(&nodes, left) {
            Some((now, made)) if nodes[left].alive && now == rank => made,
            _ => continue,
        };
        let right = nodes[left].behind;
        nodes[right].alive = false;
        let behind = nodes[right].behind;
        nodes[left].token = made;
        nodes[left].behind = behind;
        if let Some(node) = nodes.get_mut(behind) {
            node.before = left;
        }
        for left in [nodes[left].before, left] {
            if left == NONE {
                continue;
            }
            if let Some((rank, _)) = merge_at(&nodes, left) {
                queue.push(Reverse((rank, left)));
            }
        }
    }
    let alive = nodes.iter().filter(|node| node.alive);
    alive.map(|node| node.token).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::TokenizerParts;

    /// The definition: looks through the whole word for each merge.
    fn by_definition(tokenizer: &Tokenizer, word: &[u32]) -> Vec<u32> {
        let mut word = word.to_vec();
        loop {
            let ranked = word.windows(2).enumerate().filter_map(|(at, pair)| {
                let (rank, made) = tokenizer.ranks.get(&[pair[0], pair[1]])?;
                Some((*rank, at, *made))
            });
            let Some((_, at, made)) = ranked.min() else {
                return word;
            };
            word[at] = made;
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
            individual_digits: false,
            begin: None,
            end: None,
        })
        .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_same_as_by_definition(
            choices in proptest::collection::vec((0usize..64, 0usize..64), 0..24),
            word in proptest::collection::vec(0u32..3, 0..80),
        ) {
            let tokenizer = tokenizer(&choices);
            prop_assert_eq!(merge(&tokenizer, &word), by_definition(&tokenizer, &word));
        }
    }

    #[test]
    fn leftmost_first_and_what_a_merge_makes_possible() {
        // aa before aaa: "aaaaa" is aa, aa, a, and the last two of these are one.
        let tokenizer = tokenizer(&[(0, 0), (3, 0)]);
        assert_eq!(merge(&tokenizer, &[0; 5]), [3, 4]);
        assert_eq!(merge(&tokenizer, &[0]), [0]);
        assert_eq!(merge(&tokenizer, &[]), [0u32; 0]);
    }

    /// A word of a million bytes takes a second or so, and took hours by looking through it for each merge.
    #[test]
    fn a_long_word_is_merged() {
        let tokenizer = tokenizer(&[(0, 0), (3, 3), (4, 4), (5, 5)]);
        let word = vec![0; 1_000_000];
        assert_eq!(merge(&tokenizer, &word), [6; 62_500]);
    }
}
