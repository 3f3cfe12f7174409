//! One module a command.

pub(crate) mod calibrate;
pub(crate) mod chat;
pub(crate) mod eval;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod mock;
pub(crate) mod part;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod prove;
pub(crate) mod quantize;
pub(crate) mod synthesize;
pub(crate) mod verify;
