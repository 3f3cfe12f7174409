//! Keys without a prover: policies that follow from them, policies that do not, and what is not a key.
//! Commitments and roots are made up here: that derived keys have the right ones is for the tests of the
//! composer to show.
extern crate std;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use matchmark_graph::{ArithmeticId, ArithmeticTerms, Graph, MatrixName, ModelArithmetic};
use matchmark_quant::{CacheCapacity, SegmentSteps, StepRange, ValueBits};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, CodecError, Cut, CutPattern, EndTokens, LayerGroups,
    ModelId, PortCommitment, PreprocessedRoot, Profile, PromptLength, ProofPart, RelationDigest,
    RelationVersion, Security, SecurityLevel, SegmentShape, SharedTerms, StatementError, TokenId,
    TokenizerId, VerifierDomain,
};
use matchmark_tables::WeightTable;

use super::tokens::{decoder, nodes};
use super::Case;
use crate::key::{
    ChainTermsError, CircuitSizes, FirstState, KeyCircuits, KeyError, KeyWeights, ModelChain,
    ModelKey, ModelKeyParts, ModelOptions, ModelOptionsError, ModelOutline, Stop,
};
use crate::{DIGITS_RELATION_DIGEST, RELATION_DIGEST};

mod cuts;
mod filling;
mod shorter;

fn outline() -> ModelOutline {
    let decoder = decoder();
    ModelOutline {
        identity: ModelId::from_bytes([2; 32]),
        shape: decoder.shape,
        arithmetic: nodes(&decoder.shape),
        table: WeightTable::essay9(),
    }
}

fn steps(steps: u32) -> SegmentSteps {
    SegmentSteps::new(steps).unwrap()
}

/// For `tokens` tokens behind two given ones, cut every two steps, at the default level.
fn options(tokens: u32) -> ModelOptions {
    ModelOptions {
        domain: VerifierDomain::new("keys", [1; 16]).unwrap(),
        security: Security::default(),
        segment_steps: Some(steps(2)),
        tokens,
        granularity: steps(1),
        cuts: CutPattern::default(),
        stop: Stop::default(),
        groups: LayerGroups::ONE,
        shorter: None,
    }
}

fn prompt() -> Vec<TokenId> {
    [3, 1].map(TokenId::new).to_vec()
}

/// The root of every lookup circuit of [`key_of`].
const LOOKUP: PreprocessedRoot = PreprocessedRoot::from_bytes([200; 32]);

/// The key of an outline for chains that are cut every two steps, with commitments and roots that are
/// their own place in the list.
fn key_of(outline: &ModelOutline) -> ModelKey {
    let security = Security::default();
    let log_blowup = security.parameters().log_blowup;
    let mut weights = vec![];
    let mut circuits: Vec<KeyCircuits> = vec![];
    let positions = u32::try_from(outline.shape.positions()).unwrap();
    for length in 1..=positions {
        let chain = ModelChain {
            domain: VerifierDomain::new("keys", [0; 16]).unwrap(),
            security,
            capacity: CacheCapacity::new(length).unwrap(),
            segment_steps: steps(length.min(2)),
            prompt: PromptLength::new(1).unwrap(),
            groups: LayerGroups::ONE,
        };
        for steps in 1..=length.min(2) {
            let sizes =
                CircuitSizes::of(&chain.layout(outline, steps as usize).unwrap(), log_blowup);
            weights.push((log_blowup, sizes.log_height));
            let root = PreprocessedRoot::from_bytes([u8::try_from(steps).unwrap(); 32]);
            let arithmetic = PreprocessedRoot::from_bytes([u8::try_from(steps).unwrap() + 100; 32]);
            match circuits.iter_mut().find(|it| it.sizes == sizes) {
                Some(it) if it.steps.contains(&steps) => {}
                Some(it) => {
                    it.steps.push(steps);
                    it.whole.push(root);
                    it.arithmetic.push(arithmetic);
                }
                None => circuits.push(KeyCircuits {
                    sizes,
                    first_state: None,
                    steps: vec![steps],
                    whole: vec![root],
                    arithmetic: vec![arithmetic],
                    lookup: Some(LOOKUP),
                }),
            }
        }
    }
    weights.sort_unstable();
    weights.dedup();
    circuits.sort();
    ModelKey::new(ModelKeyParts {
        relation_version: RelationVersion::CURRENT,
        relation_digest: RELATION_DIGEST,
        outline: outline.clone(),
        tokenizer: TokenizerId::from_bytes([5; 32]),
        end_tokens: ends(&[2]),
        prefix: vec![],
        segment_steps: vec![steps(2)],
        granularity: steps(1),
        cuts: Cut::ALL.to_vec(),
        chain_steps: vec![],
        weights: weights
            .into_iter()
            .map(|(log_blowup, log_height)| KeyWeights {
                log_blowup,
                log_height,
                groups: LayerGroups::ONE,
                commitment: PortCommitment::from_bytes([9; 32]),
            })
            .collect(),
        circuits,
    })
    .unwrap()
}

fn ends(tokens: &[u32]) -> EndTokens {
    EndTokens::new(tokens.iter().copied().map(TokenId::new)).unwrap()
}

fn key() -> ModelKey {
    key_of(&outline())
}

/// The key with other fields.
fn altered(change: impl FnOnce(&mut ModelKeyParts)) -> Result<ModelKey, KeyError> {
    let mut parts = key().parts().clone();
    change(&mut parts);
    ModelKey::new(parts)
}

fn policy() -> AcceptancePolicy {
    key().policy(&prompt(), &options(4)).unwrap()
}

#[test]
fn a_policy_follows_from_key_and_choices() {
    let policy = policy();
    assert_eq!(policy.prompt(), prompt());
    assert_eq!(policy.steps(), StepRange::new(0, 5).unwrap());
    assert_eq!(policy.terms().domain, options(4).domain);
    assert_eq!(policy.terms().table, outline().table.id());
    // Segments of two steps, and a last one of one.
    let roots: Vec<_> = policy
        .circuits()
        .iter()
        .map(|it| it.preprocessed_root)
        .collect();
    assert_eq!(
        roots,
        [1, 2].map(|it| PreprocessedRoot::from_bytes([it; 32]))
    );
    key().check_policy(&policy).unwrap();
}

/// Segments of two steps, and a last one of one: each with the circuits of its own cut.
#[test]
fn circuits_follow_from_the_cuts() {
    let root = |byte| PreprocessedRoot::from_bytes([byte; 32]);
    let of = |cuts: &str| -> Vec<_> {
        let mut options = options(4);
        options.cuts = cuts.parse().unwrap();
        let policy = key().policy(&prompt(), &options).unwrap();
        let circuits = policy.circuits().iter();
        circuits
            .map(|it| (it.steps, it.part, it.preprocessed_root))
            .collect()
    };
    use ProofPart::{Arithmetic, Lookup, Whole};
    assert_eq!(of("fused"), [(1, Whole, root(1)), (2, Whole, root(2))]);
    assert_eq!(
        of("split"),
        [
            (1, Arithmetic, root(101)),
            (1, Lookup, LOOKUP),
            (2, Arithmetic, root(102)),
            (2, Lookup, LOOKUP),
        ]
    );
    // The third segment is cut as the first.
    assert_eq!(
        of("fused,split"),
        [
            (1, Whole, root(1)),
            (2, Whole, root(2)),
            (2, Arithmetic, root(102)),
            (2, Lookup, LOOKUP),
        ]
    );
}

/// Whatever is changed of a chain's terms: the table that they name is the one that they hold.
#[test]
fn terms_name_the_table_that_they_hold() {
    let (chain, _) = options(4).chain(&outline().shape, 0, &prompt()).unwrap();
    let weights = PortCommitment::from_bytes([9; 32]);
    let own = chain.terms(&outline(), weights).unwrap();
    assert_eq!(own.decoder.unwrap().weights, weights);
    let other = WeightTable::exp256_default();
    assert_ne!(own.table, other.id());
    let (id, bounds) = (other.id(), other.bounds());
    let renamed = own.clone().with(|it| {
        it.domain = VerifierDomain::new("other", [1; 16]).unwrap();
        (it.table, it.table_bounds) = (id, bounds);
    });
    assert_eq!(renamed.domain.application(), "other");
    for terms in [&own, &renamed] {
        let table = terms.weight_table();
        assert_eq!(
            (terms.table, terms.table_bounds),
            (table.id(), table.bounds())
        );
        assert_eq!(table.id(), outline().table.id());
    }
    let held = own.with_table(other);
    assert_eq!((held.table, held.table_bounds), (id, bounds));
    assert_eq!(held.weight_table().id(), id);
}

/// A policy that differs in anything is not the key's, whoever wrote it.
#[test]
fn a_policy_that_does_not_follow_is_refused() {
    type Change = fn(&mut AcceptancePolicyParts);
    fn arithmetic(parts: &mut AcceptancePolicyParts, rotation: u8, identity: ArithmeticId) {
        let decoder = parts.terms.decoder.as_mut().unwrap();
        let own = decoder.arithmetic;
        let (bits, step) = (own.value_bits(), own.score_step());
        decoder.arithmetic = ArithmeticTerms::new(bits, rotation, step, identity).unwrap();
    }
    let changes: [(&str, Change); 12] = [
        ("relation_digest", |it| {
            it.terms.relation_digest = RelationDigest::from_bytes([1; 32]);
        }),
        ("model", |it| {
            it.terms.model =
                matchmark_statement::ModelIdentity::Weights(ModelId::from_bytes([8; 32]));
        }),
        ("table", |it| {
            it.terms.table = matchmark_statement::TableId::from_bytes([8; 32]);
        }),
        ("table_bounds", |it| it.terms.table_bounds.max_weight -= 1),
        ("decoder.arithmetic", |it| {
            arithmetic(it, 11, nodes(&decoder().shape).terms().identity());
        }),
        ("decoder.arithmetic", |it| {
            arithmetic(it, 12, ArithmeticId::from_bytes([8; 32]));
        }),
        ("decoder.weights", |it| {
            it.terms.decoder.as_mut().unwrap().weights = PortCommitment::from_bytes([8; 32]);
        }),
        ("first_state", |it| {
            it.first_state = PortCommitment::from_bytes([8; 32]);
        }),
        ("end_tokens", |it| {
            it.end_tokens = EndTokens::NONE;
            it.shorter.clear();
        }),
        ("end_tokens", |it| it.end_tokens = ends(&[3])),
        ("end_tokens", |it| it.end_tokens = ends(&[2, 3])),
        ("circuits", |it| {
            it.circuits[0].preprocessed_root = PreprocessedRoot::from_bytes([8; 32]);
        }),
    ];
    for (expected, change) in changes {
        let mut parts = policy().parts();
        change(&mut parts);
        let other = AcceptancePolicy::new(parts).unwrap();
        match key().check_policy(&other) {
            Err(KeyError::OtherPolicy { field, .. }) => assert_eq!(field, expected),
            refused => panic!("{expected}: {refused:?}"),
        }
    }
    // What the verifier chooses, it may choose.
    let mut parts = policy().parts();
    parts.terms.domain = VerifierDomain::new("another", [7; 16]).unwrap();
    parts.prompt[0] = TokenId::new(2);
    key()
        .check_policy(&AcceptancePolicy::new(parts).unwrap())
        .unwrap();
    // End tokens it chooses by saying so.
    for (stop, expected) in [
        (Stop::Model, ends(&[2])),
        (Stop::Tokens(ends(&[3, 1])), ends(&[1, 3])),
        (Stop::Tokens(EndTokens::NONE), EndTokens::NONE),
    ] {
        let mut options = options(4);
        options.stop = stop.clone();
        let policy = key().policy(&prompt(), &options).unwrap();
        assert_eq!(policy.end_tokens(), &expected);
        key().check_policy_stopping(&policy, &stop).unwrap();
        assert_eq!(key().check_policy(&policy).is_ok(), stop == Stop::Model);
    }
    // Among it, how segments are cut: each length in one way at least, by the circuits of the key.
    for cuts in ["split", "split,fused", "fused,split"] {
        let mut options = options(4);
        options.cuts = cuts.parse().unwrap();
        key()
            .check_policy(&key().policy(&prompt(), &options).unwrap())
            .unwrap();
    }
    // One circuit less accepts fewer chains, and is not the key's either.
    let mut parts = policy().parts();
    parts.circuits.pop();
    let fewer = AcceptancePolicy::new(parts).unwrap();
    assert!(matches!(
        key().check_policy(&fewer),
        Err(KeyError::OtherPolicy {
            field: "circuits",
            ..
        })
    ));
}

#[test]
fn a_policy_of_attention_alone_is_not_the_keys() {
    let text = super::read("narrow.policy.toml");
    let policy = AcceptancePolicy::from_toml(core::str::from_utf8(&text).unwrap()).unwrap();
    assert!(matches!(
        key().check_policy(&policy),
        Err(KeyError::OtherPolicy {
            field: "decoder",
            ..
        })
    ));
}

#[test]
fn text_and_bytes_read_back() {
    let key = key();
    assert_eq!(ModelKey::from_toml(&key.to_toml()), Ok(key.clone()));
    assert_eq!(ModelKey::from_bytes(&key.to_bytes().unwrap()), Ok(key));
}

/// With weights so large that chains of five tokens and more have values in two digits.
fn heavy() -> ModelOutline {
    let entries = (0..9).map(|index| 900_000 >> index).collect();
    let mut of_nodes = nodes(&outline().shape).into_parts();
    of_nodes.value_bits = ValueBits::new(9).unwrap();
    ModelOutline {
        arithmetic: ModelArithmetic::new(of_nodes).unwrap(),
        table: WeightTable::custom(entries, "heavy").unwrap(),
        ..outline()
    }
}

/// Chains whose values have two digits have circuits and a relation of their own.
#[test]
fn chains_of_two_digits_have_circuits_of_their_own() {
    let key = key_of(&heavy());
    let digits = |has_digits| {
        let mut circuits = key.circuits().iter();
        circuits.any(move |it| it.sizes.has_digits == has_digits)
    };
    assert!(digits(true) && digits(false));
    assert!(key.circuits().iter().any(|it| {
        let other = CircuitSizes {
            has_digits: !it.sizes.has_digits,
            ..it.sizes
        };
        key.circuits().iter().any(|it| it.sizes == other)
    }));
    let text = key.to_toml();
    assert!(text.contains("has_digits = true") && text.contains("has_digits = false"));
    assert_eq!(ModelKey::from_toml(&text), Ok(key.clone()));
    assert_eq!(
        ModelKey::from_bytes(&key.to_bytes().unwrap()),
        Ok(key.clone())
    );
    let unsaid = text.replacen("has_digits = false\n", "", 1);
    assert_ne!(unsaid, text);
    assert!(ModelKey::from_toml(&unsaid).is_err());

    for (tokens, relation) in [(3, RELATION_DIGEST), (4, DIGITS_RELATION_DIGEST)] {
        let policy = key.policy(&prompt(), &options(tokens)).unwrap();
        assert_eq!(policy.terms().relation_digest, relation, "{tokens}");
        key.check_policy(&policy).unwrap();
    }
}

/// Terms follow from one relation to the other, unless they name one that is neither.
#[test]
fn terms_name_the_relation_of_their_digits() {
    let options = options(3);
    let (chain, _) = options.chain(&heavy().shape, 0, &prompt()).unwrap();
    let terms = chain.terms_without_weights(&heavy()).unwrap();
    assert_eq!(terms.relation_digest, RELATION_DIGEST);
    let longer = |it: &mut SharedTerms| {
        let capacity = CacheCapacity::new(6).unwrap();
        it.shape =
            SegmentShape::new(it.shape.attention(), capacity, it.shape.segment_steps()).unwrap();
    };
    let digits = terms.clone().with(longer);
    assert_eq!(digits.relation_digest, DIGITS_RELATION_DIGEST);
    let lighter = digits.with_table(WeightTable::essay9());
    assert_eq!(lighter.relation_digest, RELATION_DIGEST);
    let other = RelationDigest::from_bytes([1; 32]);
    let other = terms.with(|it| it.relation_digest = other);
    let kept = other.clone().with(longer);
    assert_eq!(kept.relation_digest, other.relation_digest);
}

fn with_text(from: &str, to: &str) -> KeyError {
    let text = key().to_toml();
    assert!(text.contains(from), "{text}");
    ModelKey::from_toml(&text.replacen(from, to, 1)).unwrap_err()
}

fn no_policy(key: &ModelKey, options: &ModelOptions) -> KeyError {
    key.policy(&prompt(), options).unwrap_err()
}

/// A first cache, of a tree with the two columns of its one lane.
fn first_state() -> FirstState {
    FirstState {
        root: PreprocessedRoot::from_bytes([9; 32]),
        fingerprint: vec![[1, 2, 3, 4], [5, 6, 7, 8]],
    }
}

/// A model with a prefix: its chains begin behind it with the cache of the key, and no other.
#[test]
fn chains_begin_with_the_prefix_of_the_key() {
    let altered = |tokens: &[u32], state: FirstState| {
        let mut parts = key().parts().clone();
        parts.prefix = tokens.iter().copied().map(TokenId::new).collect();
        for circuits in &mut parts.circuits {
            circuits.first_state = Some(state.clone());
        }
        ModelKey::new(parts).unwrap()
    };
    let key = altered(&[7, 8], first_state());
    // What is written is what is read.
    assert_eq!(
        ModelKey::from_bytes(&key.to_bytes().unwrap()),
        Ok(key.clone())
    );
    assert_eq!(ModelKey::from_toml(&key.to_toml()), Ok(key.clone()));
    let policy = key.policy(&prompt(), &options(3)).unwrap();
    let given: Vec<u32> = policy.prompt().iter().map(|it| it.get()).collect();
    assert_eq!(given, [7, 8, 3, 1]);
    let (steps, decoder) = (policy.steps(), policy.terms().decoder.unwrap());
    assert_eq!((steps.entries_before(), steps.steps()), (2, 4));
    assert_eq!(decoder.prompt.get(), 4);
    assert_eq!(key.check_policy(&policy), Ok(()));
    // Another prefix, another first cache, one of another length, or none.
    let mut other = first_state();
    other.fingerprint[1][3] += 1;
    let without = self::key();
    for (other, field) in [
        (altered(&[7, 9], first_state()), "prompt"),
        (altered(&[7, 8], other), "first_state"),
        // As many tokens fewer of the prefix are as many steps more of the chain.
        (altered(&[7], first_state()), "steps"),
        (without, "steps"),
    ] {
        let refused = other.check_policy(&policy);
        assert!(
            matches!(refused, Err(KeyError::OtherPolicy { field: got, .. }) if got == field),
            "{field}: {refused:?}"
        );
        assert!(key.first_difference(&other).is_some());
    }
    // A prompt behind the prefix there has to be.
    assert!(matches!(
        key.policy(&[], &options(3)),
        Err(KeyError::Options(ModelOptionsError::EmptyPrompt {
            expected: 1,
            got: 0
        }))
    ));
}

/// Why there is no key, and no policy by one: for each variant how it is reached.
const KEYS: &[Case<(), KeyError>] = &[
    ("Magic", |()| {
        ModelKey::from_bytes(b"matchmark policy\n").unwrap_err()
    }),
    ("Format", |()| {
        let mut bytes = key().to_bytes().unwrap();
        bytes[14] = 7;
        let error = ModelKey::from_bytes(&bytes).unwrap_err();
        assert_eq!(error, with_text("format = 8", "format = 7"));
        error
    }),
    ("Encoding", |()| {
        let bytes = key().to_bytes().unwrap();
        let short = ModelKey::from_bytes(&bytes[..16]).unwrap_err();
        assert_eq!(short, CodecError::Truncated { got: 2 }.into());
        let mut longer = bytes;
        longer.push(0);
        ModelKey::from_bytes(&longer).unwrap_err()
    }),
    ("Text", |()| {
        with_text("format = 8", "format = 8\nextra = 0")
    }),
    ("NotCanonical", |()| with_text("# ", "#  ")),
    ("Table", |()| with_text("entries ", "entry ")),
    ("Bounds", |()| {
        // Weights so large that the accumulators of a matrix leave the field.
        let altered = altered(|it| {
            let mut parts = it.outline.arithmetic.clone().into_parts();
            let graph = Graph::decoder(&it.outline.shape);
            parts.matrix_mut(&graph, MatrixName::HEAD).row_norm = 1 << 24;
            it.outline.arithmetic = ModelArithmetic::new(parts).unwrap();
        });
        altered.unwrap_err()
    }),
    ("Order", |()| {
        type Change = fn(&mut ModelKeyParts);
        let refused = |list: &str, change: Change| match altered(change) {
            Err(KeyError::Order { list: got, .. }) => assert_eq!(got, list),
            other => panic!("{list}: {other:?}"),
        };
        refused("segment lengths", |it| it.segment_steps.clear());
        refused("commitments", |it| it.weights.push(it.weights[0]));
        refused("circuits", |it| it.circuits.reverse());
        refused("circuits", |it| it.circuits.clear());
        refused("roots of a circuit", |it| {
            it.circuits[1].whole.pop();
        });
        refused("roots of a circuit", |it| {
            it.circuits[1].arithmetic.pop();
        });
        altered(|it| it.circuits[1].steps.reverse()).unwrap_err()
    }),
    ("EndToken", |()| {
        // In a list that is sorted; one that is not is no list of a file.
        let text = key()
            .to_toml()
            .replacen("end_tokens = [2]", "end_tokens = [2, 2]", 1);
        assert!(matches!(
            ModelKey::from_toml(&text),
            Err(KeyError::Text { .. })
        ));
        altered(|it| it.end_tokens = ends(&[1, 1 << 20])).unwrap_err()
    }),
    ("PrefixToken", |()| {
        let altered = altered(|it| {
            it.prefix = vec![TokenId::new(16)];
            it.circuits
                .iter_mut()
                .for_each(|it| it.first_state = Some(first_state()));
        });
        altered.unwrap_err()
    }),
    ("FirstState", |()| {
        altered(|it| it.prefix = vec![TokenId::new(3)]).unwrap_err()
    }),
    ("Relation", |()| {
        let version = |it: &mut ModelKeyParts| it.relation_version = RelationVersion::new(1);
        let older = no_policy(&altered(version).unwrap(), &options(4));
        assert!(matches!(older, KeyError::Relation { .. }));
        let digest = |it: &mut ModelKeyParts| {
            it.relation_digest = RelationDigest::from_bytes([7; 32]);
        };
        no_policy(&altered(digest).unwrap(), &options(4))
    }),
    ("NoCommitment", |()| {
        let mut options = options(4);
        options.security = Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap();
        no_policy(&key(), &options)
    }),
    ("NoCircuit", |()| {
        let mut options = options(4);
        options.segment_steps = Some(steps(3));
        no_policy(&key(), &options)
    }),
    ("OtherPolicy", |()| {
        let mut parts = policy().parts();
        parts.first_state = PortCommitment::from_bytes([8; 32]);
        let other = AcceptancePolicy::new(parts).unwrap();
        key().check_policy(&other).unwrap_err()
    }),
    ("Options", |()| no_policy(&key(), &options(0))),
    ("Terms", |()| {
        // Weights for which the sums of an attention row do not fit into the field.
        let table = WeightTable::custom(vec![(1 << 24) - 1, 1], "large").unwrap();
        let key = altered(|it| it.outline.table = table).unwrap();
        no_policy(&key, &options(4))
    }),
];

#[test]
fn every_reason_to_have_no_key_is_reached() {
    // What a policy checks of a key's terms is checked of the key before.
    let reached = KeyError::NAMES.iter().filter(|name| **name != "Policy");
    let reached: Vec<&str> = reached.copied().collect();
    super::all_are_reached(&reached, KEYS, &(), KeyError::name);
}

const OPTIONS: &[Case<(), ModelOptionsError>] = &[
    ("EmptyPrompt", |()| no_chain(&[], 1)),
    ("NoTokens", |()| no_chain(&[1], 0)),
    ("PromptAbovePositions", |()| no_chain(&[1; 1 << 10], 1)),
    ("CacheFull", |()| no_chain(&[1, 1], 1 << 10)),
    ("Shorter", |()| {
        let mut options = options(4);
        options.shorter = Some(5);
        let prompt = prompt();
        options.chain(&outline().shape, 0, &prompt).unwrap_err()
    }),
    ("EndToken", |()| {
        let mut options = options(1);
        options.stop = Stop::Tokens(ends(&[1, 1 << 20]));
        let prompt = prompt();
        options.chain(&outline().shape, 0, &prompt).unwrap_err()
    }),
    ("Groups", |()| {
        let mut options = options(1);
        options.groups = LayerGroups::new(2).unwrap();
        let prompt = prompt();
        options.chain(&outline().shape, 0, &prompt).unwrap_err()
    }),
    ("PromptToken", |()| no_chain(&[1, 1 << 20], 1)),
];

fn no_chain(prompt: &[u32], tokens: u32) -> ModelOptionsError {
    let prompt: Vec<TokenId> = prompt.iter().copied().map(TokenId::new).collect();
    let chain = options(tokens).chain(&outline().shape, 0, &prompt);
    chain.unwrap_err()
}

#[test]
fn every_reason_to_have_no_chain_is_reached() {
    super::all_are_reached(
        ModelOptionsError::NAMES,
        OPTIONS,
        &(),
        ModelOptionsError::name,
    );
    // Up to the last position, and cut as a chain of its length can be.
    let positions = u32::try_from(outline().shape.positions()).unwrap();
    let (chain, steps) = options(positions - 1)
        .chain(&outline().shape, 0, &prompt())
        .unwrap();
    assert_eq!(steps.steps(), positions as usize);
    assert_eq!(chain.segment_steps.get(), 2);
    let mut long = options(1);
    long.segment_steps = Some(self::steps(64));
    let (chain, _) = long.chain(&outline().shape, 0, &prompt()).unwrap();
    assert_eq!(chain.segment_steps.get(), 2);
}

const TERMS: &[Case<(), ChainTermsError>] = &[
    ("Statement", |()| {
        let mut chain = options(4).chain(&outline().shape, 0, &prompt()).unwrap().0;
        chain.segment_steps = steps(chain.capacity.get() + 1);
        let error = chain.lifting_log_size(&outline()).unwrap_err();
        assert!(matches!(
            error,
            ChainTermsError::Statement(StatementError::SegmentStepsAboveCapacity { .. })
        ));
        error
    }),
    ("Layout", |()| {
        let chain = options(4).chain(&outline().shape, 0, &prompt()).unwrap().0;
        let mut heavy = outline();
        heavy.table = WeightTable::custom(vec![(1 << 24) - 1, 1], "large").unwrap();
        chain.lifting_log_size(&heavy).unwrap_err()
    }),
];

#[test]
fn every_reason_to_have_no_terms_is_reached() {
    super::all_are_reached(ChainTermsError::NAMES, TERMS, &(), ChainTermsError::name);
}

#[test]
fn the_first_line_that_is_not_canonical_is_named() {
    let text = key().to_toml();
    let lines: Vec<&str> = text.split('\n').collect();
    for at in 0..lines.len() {
        let mut changed = lines.clone();
        // A comment that is the key's text but for a space at its end, or behind the last line.
        let spaced = format!("{} ", lines[at]);
        changed[at] = &spaced;
        match ModelKey::from_toml(&changed.join("\n")) {
            Err(KeyError::NotCanonical {
                line,
                expected,
                got,
            }) => {
                assert_eq!((line, &*expected, &*got), (at + 1, lines[at], &*spaced));
            }
            // Within the text of the table, a space is another text.
            Err(KeyError::Table(_)) => {}
            other => panic!("{at}: {other:?}"),
        }
    }
    match ModelKey::from_toml(&text[..text.len() - 1]) {
        Err(KeyError::NotCanonical {
            line,
            expected,
            got,
        }) => assert_eq!(
            (line, expected, got),
            (lines.len(), String::new(), String::new())
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_are_compared_field_by_field() {
    let key = key();
    assert_eq!(key.first_difference(&key), None);
    type Change = fn(&mut ModelKeyParts);
    let changes: [(&str, Change); 9] = [
        ("model", |it| {
            it.outline.identity = ModelId::from_bytes([7; 32])
        }),
        ("tokenizer", |it| {
            it.tokenizer = TokenizerId::from_bytes([7; 32])
        }),
        ("segment lengths", |it| it.segment_steps.push(steps(4))),
        ("granularity", |it| it.granularity = steps(2)),
        ("commitment to the weights", |it| {
            it.weights[0].commitment = PortCommitment::from_bytes([7; 32]);
        }),
        ("circuit", |it| {
            it.circuits[0].whole[0] = PreprocessedRoot::from_bytes([7; 32]);
        }),
        ("circuit", |it| {
            it.circuits[0].arithmetic[0] = PreprocessedRoot::from_bytes([7; 32]);
        }),
        ("circuit", |it| {
            it.circuits[0].lookup = Some(PreprocessedRoot::from_bytes([7; 32]));
        }),
        ("circuit", |it| {
            it.circuits.pop();
        }),
    ];
    for (field, change) in changes {
        let other = altered(change).unwrap();
        let difference = key.first_difference(&other).unwrap();
        assert_eq!(difference.field, field);
        assert_ne!(difference.expected, difference.got);
    }
    let shorter = altered(|it| {
        it.circuits.pop();
    });
    let difference = key.first_difference(&shorter.unwrap()).unwrap();
    assert_eq!(difference.got, "none".to_owned());
}
