//! The container of a proven segment: header, statement, public values, proof.
use alloc::vec::Vec;

use matchmark_statement::{PublicValues, SegmentStatement, MAX_STATEMENT_LEN};

use crate::error::VerifyError;

/// First bytes of every segment file.
pub const MAGIC: [u8; 8] = *b"MATCHMRK";
/// Version of the container and of the proof encoding.
pub const FORMAT_VERSION: u16 = 1;
const HEADER_BYTES: usize = MAGIC.len() + 2 + 3 * 4;

/// A segment as it is stored and sent. Its parts are decoded, but nothing is verified yet: the proof
/// stays bytes until the policy has accepted the statement.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    statement: SegmentStatement,
    public_values: PublicValues,
    proof: Vec<u8>,
}

impl SegmentFile {
    /// Puts a segment together.
    pub fn new(statement: SegmentStatement, public_values: PublicValues, proof: Vec<u8>) -> Self {
        Self {
            statement,
            public_values,
            proof,
        }
    }

    /// What the proof claims to show.
    pub fn statement(&self) -> &SegmentStatement {
        &self.statement
    }

    /// Query, key, value and output entries of the segment's steps.
    pub fn public_values(&self) -> &PublicValues {
        &self.public_values
    }

    /// The proof in binary form.
    pub fn proof(&self) -> &[u8] {
        &self.proof
    }

    /// The file's bytes; see `docs/proof-format.md`.
    ///
    /// # Errors
    ///
    /// [`VerifyError::LengthTooLarge`] if a part is longer than its length field holds.
    pub fn encode(&self) -> Result<Vec<u8>, VerifyError> {
        let statement = self.statement.encode();
        let public_values = self.public_values.encode();
        let parts = [
            ("statement", statement.as_slice()),
            ("public values", public_values.as_slice()),
            ("proof", self.proof.as_slice()),
        ];
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        for (part, content) in parts {
            let len = u32::try_from(content.len()).map_err(|_| VerifyError::LengthTooLarge {
                part,
                expected: u32::MAX as usize,
                got: content.len(),
            })?;
            bytes.extend_from_slice(&len.to_le_bytes());
        }
        for (_, content) in parts {
            bytes.extend_from_slice(content);
        }
        Ok(bytes)
    }

    /// Reads a file. Lengths are compared with the input, and the length of the public values with
    /// the statement, before anything is copied.
    ///
    /// # Errors
    ///
    /// A typed [`VerifyError`] for every deviation.
    pub fn decode(bytes: &[u8]) -> Result<Self, VerifyError> {
        let header = bytes.get(..HEADER_BYTES).ok_or(VerifyError::Truncated {
            part: "header",
            expected: HEADER_BYTES,
            got: bytes.len(),
        })?;
        let (magic, header) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(VerifyError::WrongMagic {
                expected: MAGIC,
                got: core::array::from_fn(|i| magic[i]),
            });
        }
        let version = u16::from_le_bytes([header[0], header[1]]);
        if version != FORMAT_VERSION {
            return Err(VerifyError::WrongFormatVersion {
                expected: FORMAT_VERSION,
                got: version,
            });
        }
        let mut lengths = header[2..]
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize);
        let mut next_length = || lengths.next().unwrap_or_default();
        let (statement_len, public_len, proof_len) = (next_length(), next_length(), next_length());
        if statement_len > MAX_STATEMENT_LEN {
            return Err(VerifyError::LengthTooLarge {
                part: "statement",
                expected: MAX_STATEMENT_LEN,
                got: statement_len,
            });
        }
        let mut rest = &bytes[HEADER_BYTES..];
        let mut take = |part, len: usize| {
            let (head, tail) = rest.split_at_checked(len).ok_or(VerifyError::Truncated {
                part,
                expected: len,
                got: rest.len(),
            })?;
            rest = tail;
            Ok::<_, VerifyError>(head)
        };
        let statement = SegmentStatement::decode(take("statement", statement_len)?)?;
        let attention = statement.shape().attention();
        let bits = statement.quantization().value_bits();
        let steps = statement.steps().steps();
        let expected = PublicValues::encoded_len(&attention, bits, steps);
        if public_len != expected {
            return Err(VerifyError::WrongLength {
                part: "public values",
                expected,
                got: public_len,
            });
        }
        let public_values = take("public values", public_len)?;
        let proof = take("proof", proof_len)?.to_vec();
        if !rest.is_empty() {
            return Err(VerifyError::TrailingBytes {
                part: "file",
                got: rest.len(),
            });
        }
        let public_values = statement.decode_public_values(public_values)?;
        Ok(Self {
            statement,
            public_values,
            proof,
        })
    }
}
