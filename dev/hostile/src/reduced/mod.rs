//! Proofs by systems that lack something: prover and verifier of the protocol as it is, over the
//! components of the relation, under evaluators that leave out one constraint, one tuple, one relation
//! or one of the library's own constraints on LogUp columns. With [`Drop::Nothing`] they are the real
//! prover and the real verifier; the class `constraint-drop` compares the bytes.
//!
//! Nothing of this can be reached from the verifier: it puts the components together as they are
//! stated, and has no other way.
//!
//! [`Drop::Nothing`]: crate::checker::Drop::Nothing
mod claim;
mod prove;
mod system;
mod verify;

pub use claim::{Claimed, Committed, Setup};
pub use prove::prove;
pub use verify::{stated_file, verify, verify_as_stated};

#[cfg(test)]
mod tests {
    use super::{prove, Claimed, Setup};
    use crate::cases::{narrow, split_wide};
    use crate::checker::Drop;
    use crate::proving::honest;

    /// Where one constraint on LogUp columns is left out, the others are the library's: none left out
    /// of them, the proof is the same.
    #[test]
    fn logup_constraints_are_those_of_the_library() {
        // No row has so many tuples.
        let index = 1000;
        for spec in [narrow(), split_wide()] {
            let case = spec.case();
            let setup = Setup::new(&case);
            let (_, forged) = honest(&case, 1);
            let claimed = Claimed::of(&setup, &forged);
            let expected = prove(&claimed, &Drop::Nothing).unwrap();
            let components = setup.structures.iter().map(|it| it.claimed_sums());
            for component in 0..components.sum() {
                let none = Drop::Sum { component, index };
                assert!(prove(&claimed, &none).unwrap() == expected, "{component}");
            }
        }
    }
}
