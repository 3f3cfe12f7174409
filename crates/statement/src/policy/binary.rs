//! Policies as bytes: the same content as the file for people, for programs that read no TOML.

use alloc::vec::Vec;

use super::{AcceptancePolicy, AcceptancePolicyParts, PolicyError};
use crate::codec;
use crate::error::StatementError;

/// How the bytes of a policy begin.
const MAGIC: &str = "matchmark policy\n";

impl AcceptancePolicy {
    /// Version of the format, of the bytes and of the TOML file alike.
    pub const FORMAT: u32 = 11;
    /// Largest number of bytes that [`Self::from_bytes`] reads: far more than a prompt of the most
    /// tokens takes.
    pub const MAX_BYTES: usize = 1 << 24;

    /// The policy as bytes: [`Self::FORMAT`] behind a line that names what it is, then the canonical
    /// encoding of all fields. There is one encoding of each policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Terms`] if a field has no encoding, which no policy is known to have.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PolicyError> {
        let mut bytes = MAGIC.as_bytes().to_vec();
        bytes.extend(Self::FORMAT.to_le_bytes());
        bytes.extend(codec::encode(&self.parts).map_err(StatementError::from)?);
        Ok(bytes)
    }

    /// Reads the bytes of [`Self::to_bytes`], and checks all that [`Self::new`] does.
    ///
    /// # Errors
    ///
    /// - [`PolicyError::Magic`] for bytes that do not begin as a policy's do;
    /// - [`PolicyError::Format`] for a policy of another version of the format;
    /// - [`PolicyError::Encoding`] for bytes that are not the canonical encoding of a policy's fields, or end
    ///   elsewhere;
    /// - [`PolicyError::CircuitOrder`] if the circuits are not in ascending order of steps, group and part,
    ///   and [`PolicyError::ShorterOrder`] if the shorter chains are not in that of their steps;
    /// - those of [`AcceptancePolicy::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyError> {
        let magic = PolicyError::Magic { expected: MAGIC };
        let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or(magic)?;
        let (format, encoding) = rest
            .split_first_chunk::<4>()
            .ok_or(codec::truncated(rest))?;
        let (expected, got) = (Self::FORMAT, u32::from_le_bytes(*format));
        if expected != got {
            return Err(PolicyError::Format { expected, got });
        }
        let parts: AcceptancePolicyParts = codec::decode(encoding, Self::MAX_BYTES)?;
        let of_shorter = parts.shorter.iter().map(|it| &it.circuits);
        if !of_shorter.chain([&parts.circuits]).all(|it| it.is_sorted()) {
            return Err(PolicyError::CircuitOrder);
        }
        if !parts.shorter.is_sorted() {
            return Err(PolicyError::ShorterOrder);
        }
        Self::new(parts)
    }
}
