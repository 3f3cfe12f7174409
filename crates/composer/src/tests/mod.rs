//! Every variant of the errors is reached: the lists in the modules below are compared with the names
//! that the enums have, and every entry has to come to the variant that it is named after.
#![allow(clippy::unwrap_used)]

mod reading;

#[cfg(feature = "prover")]
mod keys;

#[cfg(feature = "prover")]
mod parts;

#[cfg(feature = "prover")]
mod proving;

#[cfg(feature = "prover")]
#[path = "../../tests/common/mod.rs"]
pub(crate) mod common;

/// What comes to a variant, and its name.
type Case<E> = (&'static str, fn() -> E);

/// The list has every name once, in their order, and what it says comes to that variant.
fn all_are_reached<E>(names: &[&str], cases: &[Case<E>], name: fn(&E) -> &'static str) {
    let reached: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    assert_eq!(reached, names, "a case for every variant, in their order");
    for (expected, case) in cases {
        assert_eq!(name(&case()), *expected);
    }
}
