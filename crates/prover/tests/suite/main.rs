//! The claim under test: attacks on witnesses, proofs and files, and what honest ones come to. One program,
//! so that the proof library is compiled into tests once.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod decoder;
mod digits;
mod exact_clipping;
mod forgeries;
mod forgeries_claims;
mod groups;
mod groups_attacks;
mod hostile_bytes;
mod kill_matrix;
mod library_traps;
mod malformed_proofs;
mod pinned_proof;
mod roundtrip;
mod security;
mod split;
