//! The container of a proven segment: header, statement, public values, proof; and, if the segment is
//! split, statement and proof of the lookup.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_statement::{LookupStatement, PublicValues, SegmentStatement, MAX_STATEMENT_LEN};

use crate::error::VerifyError;

/// First bytes of every segment file.
pub const MAGIC: [u8; 8] = *b"MATCHMRK";
/// Version of the container and of the proof encoding.
pub const FORMAT_VERSION: u16 = 4;
/// Length fields: statement, public values, proof, statement and proof of the lookup.
const LENGTHS: usize = 5;
const HEADER_BYTES: usize = MAGIC.len() + 2 + LENGTHS * 4;

/// The second proof of a split segment, with the statement that it is about. Nothing is verified yet,
/// not even that the statement belongs to the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupFile {
    statement: LookupStatement,
    proof: Vec<u8>,
}

impl LookupFile {
    /// Puts statement and proof together.
    pub fn new(statement: LookupStatement, proof: Vec<u8>) -> Self {
        Self { statement, proof }
    }

    /// What the proof claims to show.
    pub fn statement(&self) -> &LookupStatement {
        &self.statement
    }

    /// The proof in binary form.
    pub fn proof(&self) -> &[u8] {
        &self.proof
    }
}

/// A segment as it is stored and sent. Its parts are decoded, but nothing is verified yet: the proof
/// stays bytes until the policy has accepted the statement.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    statement: SegmentStatement,
    public_values: PublicValues,
    proof: Vec<u8>,
    lookup: Option<LookupFile>,
}

impl SegmentFile {
    /// Puts a segment of one proof together.
    pub fn new(statement: SegmentStatement, public_values: PublicValues, proof: Vec<u8>) -> Self {
        Self {
            statement,
            public_values,
            proof,
            lookup: None,
        }
    }

    /// The same segment with this second proof, or without one.
    #[must_use]
    pub fn with_lookup(mut self, lookup: Option<LookupFile>) -> Self {
        self.lookup = lookup;
        self
    }

    /// What the proof claims to show.
    pub fn statement(&self) -> &SegmentStatement {
        &self.statement
    }

    /// Query, key, value and output entries of the segment's steps, or their tokens.
    pub fn public_values(&self) -> &PublicValues {
        &self.public_values
    }

    /// The proof in binary form that shows the arithmetic: the only one, or the first of a split segment.
    pub fn proof(&self) -> &[u8] {
        &self.proof
    }

    /// The lookup proof that came with it, if one did.
    pub fn lookup(&self) -> Option<&LookupFile> {
        self.lookup.as_ref()
    }

    /// Bytes of all proofs together.
    pub fn proof_bytes(&self) -> usize {
        self.proof.len() + self.lookup.as_ref().map_or(0, |lookup| lookup.proof.len())
    }

    /// The file's bytes; see `docs/proof-format.md`.
    ///
    /// # Errors
    ///
    /// [`VerifyError::LengthTooLarge`] if a part is longer than its length field holds.
    pub fn encode(&self) -> Result<Vec<u8>, VerifyError> {
        let statement = self.statement.encode();
        let public_values = self.public_values.encode();
        let (lookup_statement, lookup_proof) = match &self.lookup {
            None => (vec![], [].as_slice()),
            Some(lookup) => (lookup.statement.segment().encode(), lookup.proof.as_slice()),
        };
        let parts: [(_, &[u8]); LENGTHS] = [
            ("statement", &statement),
            ("public values", &public_values),
            ("proof", &self.proof),
            ("lookup statement", &lookup_statement),
            ("lookup proof", lookup_proof),
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
        let (lookup_statement_len, lookup_proof_len) = (next_length(), next_length());
        for (part, got) in [
            ("statement", statement_len),
            ("lookup statement", lookup_statement_len),
        ] {
            if got > MAX_STATEMENT_LEN {
                return Err(VerifyError::LengthTooLarge {
                    part,
                    expected: MAX_STATEMENT_LEN,
                    got,
                });
            }
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
        let expected = statement.public_values_len();
        if public_len != expected {
            return Err(VerifyError::WrongLength {
                part: "public values",
                expected,
                got: public_len,
            });
        }
        let public_values = take("public values", public_len)?;
        let proof = take("proof", proof_len)?.to_vec();
        let lookup_statement = take("lookup statement", lookup_statement_len)?;
        let lookup_proof = take("lookup proof", lookup_proof_len)?;
        if !rest.is_empty() {
            return Err(VerifyError::TrailingBytes {
                part: "file",
                got: rest.len(),
            });
        }
        let public_values = statement.decode_public_values(public_values)?;
        let lookup = if lookup_statement_len == 0 && lookup_proof_len == 0 {
            None
        } else {
            let statement = SegmentStatement::decode(lookup_statement)?;
            let statement = LookupStatement::new(statement)?;
            Some(LookupFile::new(statement, lookup_proof.to_vec()))
        };
        Ok(Self {
            statement,
            public_values,
            proof,
            lookup,
        })
    }
}
