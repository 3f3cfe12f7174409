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

pub use claim::{Claimed, Committed, NoValues, Setup};
pub use prove::prove;
pub use verify::{verify, verify_as_stated};
