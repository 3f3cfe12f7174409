//! Gadgets: small pieces of constraints that own their auxiliary columns and state their contract.
pub mod digits;
pub mod less_than;
pub mod non_negative;
pub mod rescaling;
