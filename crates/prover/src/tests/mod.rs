//! Attacks on the protocol itself, mounted by a prover that does not keep to it.
//!
//! [`Variant`] describes protocols that differ from the real one in exactly one thing. Each attack
//! succeeds against the variant and fails against the real protocol.
mod phase_order;
mod protocol;
mod state_equivocation;
