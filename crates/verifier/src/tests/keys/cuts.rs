//! Keys for fused segments alone, or for split ones.

use matchmark_statement::{Cut, ProofPart};

use super::{altered, key, options, prompt};
use crate::key::{KeyError, ModelKey, ModelKeyParts};

/// The key without the circuits of one cut.
fn without(cut: Cut) -> ModelKey {
    let altered = altered(|it| {
        it.cuts.retain(|other| *other != cut);
        for circuits in &mut it.circuits {
            match cut {
                Cut::Fused => circuits.whole.clear(),
                Cut::Split => {
                    circuits.arithmetic.clear();
                    circuits.lookup = None;
                }
            }
        }
    });
    altered.unwrap()
}

/// The policy is that of the key with both, where the key has the cut; else the proof without a circuit is named.
#[test]
fn a_key_may_be_for_one_cut_alone() {
    for cut in Cut::ALL {
        let key = without(cut);
        assert_eq!(
            ModelKey::from_bytes(&key.to_bytes().unwrap()),
            Ok(key.clone())
        );
        assert_eq!(ModelKey::from_toml(&key.to_toml()), Ok(key.clone()));
        for asked in Cut::ALL {
            let mut options = options(4);
            options.cuts = asked.into();
            let full = super::key().policy(&prompt(), &options).unwrap();
            let policy = key.policy(&prompt(), &options);
            if asked != cut {
                assert_eq!(policy, Ok(full.clone()));
                assert_eq!(key.check_policy(&full), Ok(()));
                continue;
            }
            let expected = match cut {
                Cut::Fused => ProofPart::Whole,
                Cut::Split => ProofPart::Arithmetic,
            };
            assert!(
                matches!(policy, Err(KeyError::NoCircuit { part, .. }) if part == expected),
                "{policy:?}"
            );
            assert!(key.check_policy(&full).is_err());
        }
        assert_eq!(super::key().first_difference(&key).unwrap().field, "cuts");
    }
}

/// Roots of a cut that the key is not for, or none of one that it is for, are no key's.
#[test]
fn roots_are_those_of_the_cuts() {
    type Change = fn(&mut ModelKeyParts);
    let changes: [Change; 5] = [
        |it| it.cuts = vec![Cut::Fused],
        |it| it.cuts = vec![Cut::Split],
        |it| it.circuits[0].lookup = None,
        |it| it.circuits[0].whole.clear(),
        |it| it.circuits[0].arithmetic.clear(),
    ];
    for change in changes {
        assert!(matches!(
            altered(change),
            Err(KeyError::Order {
                list: "roots of a circuit",
                ..
            })
        ));
    }
    for cuts in [vec![], vec![Cut::Split, Cut::Fused]] {
        let altered = altered(|it| it.cuts.clone_from(&cuts));
        assert!(matches!(altered, Err(KeyError::Order { list: "cuts", .. })));
    }
    assert_eq!(key().cuts(), Cut::ALL);
}
