//! Chains whose last segment is filled up to a multiple of steps.

use matchmark_statement::AcceptancePolicy;

use super::{altered, options, prompt, steps};
use crate::key::{whole_steps, KeyError, ModelKey};

/// The last segment has as many steps as the key's granularity says, whatever the verifier says of it; the answer has
/// as many tokens as the verifier asks for, and the rest is surplus.
#[test]
fn last_segments_are_filled_up_as_the_key_says() {
    let key = altered(|it| it.granularity = steps(2)).unwrap();
    let policy_of = |key: &ModelKey, tokens: u32, of_options: u32| {
        let mut options = options(tokens);
        options.granularity = steps(of_options);
        key.policy(&prompt(), &options).unwrap()
    };
    // Of five steps, which two given and four decoded tokens take, six are made.
    let four = policy_of(&key, 4, 2);
    assert_eq!(four, policy_of(&key, 4, 1));
    let figures = |policy: &AcceptancePolicy| {
        let (steps, parts) = (policy.steps().steps(), policy.parts());
        (steps, parts.answer_tokens, parts.generated_tokens())
    };
    assert_eq!(figures(&four), (6, 4, 5));
    assert!(four.circuits().iter().all(|it| it.steps == 2));
    let five = policy_of(&key, 5, 1);
    assert_eq!(figures(&five), (6, 5, 5));
    assert_eq!(four.first_difference(&five).unwrap().field, "answer_tokens");
    for policy in [&four, &five] {
        assert_eq!(ModelKey::from_toml(&key.to_toml()).unwrap(), key);
        key.check_policy(policy).unwrap();
    }
    // Under a key that fills up nothing, as many tokens take as many steps.
    let exact = super::key();
    assert_eq!(figures(&policy_of(&exact, 4, 2)), (5, 4, 4));
    assert!(matches!(
        exact.check_policy(&four),
        Err(KeyError::OtherPolicy { .. })
    ));
    assert_eq!(exact.check_policy(&five), Ok(()));
    assert_eq!(key.first_difference(&exact).unwrap().field, "granularity",);
}

/// Steps of chains whose last segment is filled up.
#[test]
fn steps_are_filled_up_to_the_longest_segment_and_the_positions() {
    for ((least, longest, granularity, most), expected) in [
        ((105, 108, 1, 2048), 105),
        ((105, 128, 16, 2048), 112),
        ((105, 108, 16, 2048), 108),
        ((128, 128, 16, 2048), 128),
        ((129, 128, 16, 2048), 144),
        ((250, 128, 16, 2048), 256),
        // There are no more positions than these.
        ((129, 128, 16, 140), 140),
        ((1, 16, 16, 16), 16),
    ] {
        let steps = whole_steps(least, longest, steps(granularity), most);
        assert_eq!(steps, expected, "{least} {longest} {granularity} {most}");
    }
}
