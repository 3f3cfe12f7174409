//! The binary form of a proof, and the only code that reads it.
//!
//! The proof format is a sequence of fixed-size parts whose counts follow from the statement, plus
//! the few counts that depend on the query positions; those are bounded before anything is
//! allocated, and compared with the transcript's queries before the library sees them. Integers are
//! little-endian and of fixed width; a part is either there or [`VerifyError::Truncated`], so that there
//! is not a reason to refuse bytes without a name of its own. Field elements must be below the modulus, so
//! that no proof has two encodings.
use alloc::vec::Vec;

use matchmark_air::hash::{digest_from_bytes, digest_to_bytes, DIGEST_BYTES};
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::QM31;
use stwo::core::fri::{FriLayerProof, FriProof};
use stwo::core::pcs::quotients::CommitmentSchemeProof;
use stwo::core::pcs::TreeVec;
use stwo::core::poly::line::LinePoly;
use stwo::core::vcs::blake2_hash::Blake2sHash;
use stwo::core::vcs_lifted::verifier::MerkleDecommitmentLifted;

use crate::error::VerifyError;
use crate::proof::SegmentProof;
use crate::sizes::NONCE_BYTES;
use crate::structure::ProofStructure;

impl SegmentProof {
    /// The binary form of the proof; see `docs/proof-format.md`.
    ///
    /// # Errors
    ///
    /// [`VerifyError::WrongLength`] and the like if the proof does not have this structure.
    pub fn encode(&self, structure: &ProofStructure) -> Result<Vec<u8>, VerifyError> {
        encode(self, structure)
    }

    /// Reads a proof of this structure, and of no other. `encode` gives the same bytes back.
    ///
    /// # Errors
    ///
    /// A typed [`VerifyError`] for every deviation; nothing is allocated beyond what the structure
    /// allows.
    pub fn decode(bytes: &[u8], structure: &ProofStructure) -> Result<Self, VerifyError> {
        decode(bytes, structure)
    }
}

/// Reads parts of a proof one after the other.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], VerifyError> {
        let Some((taken, rest)) = self.bytes.split_first_chunk() else {
            return Err(VerifyError::Truncated {
                part,
                expected: N,
                got: self.bytes.len(),
            });
        };
        self.bytes = rest;
        Ok(*taken)
    }

    fn list<T>(
        &mut self,
        part: &'static str,
        len: usize,
        item_bytes: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, VerifyError>,
    ) -> Result<Vec<T>, VerifyError> {
        // Before allocating: the input must be able to hold the list.
        let expected = len.saturating_mul(item_bytes);
        if self.bytes.len() < expected {
            return Err(VerifyError::Truncated {
                part,
                expected,
                got: self.bytes.len(),
            });
        }
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn base(&mut self, part: &'static str) -> Result<M31, VerifyError> {
        let got = u32::from_le_bytes(self.take(part)?);
        if got >= P {
            return Err(VerifyError::NonCanonicalField { expected: P, got });
        }
        Ok(M31::from_u32_unchecked(got))
    }

    fn extension(&mut self, part: &'static str) -> Result<QM31, VerifyError> {
        let mut coordinates = [M31::from_u32_unchecked(0); 4];
        for coordinate in &mut coordinates {
            *coordinate = self.base(part)?;
        }
        Ok(QM31::from_m31_array(coordinates))
    }

    fn extensions(&mut self, part: &'static str, len: usize) -> Result<Vec<QM31>, VerifyError> {
        self.list(part, len, 16, |reader| reader.extension(part))
    }

    fn digest(&mut self, part: &'static str) -> Result<Blake2sHash, VerifyError> {
        self.take::<DIGEST_BYTES>(part).map(digest_from_bytes)
    }

    /// A count that depends on the query positions: at most `max`.
    fn count(&mut self, part: &'static str, max: usize) -> Result<usize, VerifyError> {
        let got = usize::from(u16::from_le_bytes(self.take(part)?));
        if got > max {
            return Err(VerifyError::LengthTooLarge {
                part,
                expected: max,
                got,
            });
        }
        Ok(got)
    }

    fn decommitment(
        &mut self,
        part: &'static str,
        max: usize,
    ) -> Result<MerkleDecommitmentLifted<matchmark_air::hash::MerkleHasher>, VerifyError> {
        let len = self.count(part, max)?;
        let hash_witness = self.list(part, len, DIGEST_BYTES, |reader| reader.digest(part))?;
        Ok(MerkleDecommitmentLifted { hash_witness })
    }
}

fn decode(bytes: &[u8], structure: &ProofStructure) -> Result<SegmentProof, VerifyError> {
    let reader = &mut Reader { bytes };
    let trees = structure.samples().len();
    let claimed_sums = reader.extensions("claimed sums", structure.claimed_sums())?;
    let commitments = reader.list("commitments", trees, DIGEST_BYTES, |reader| {
        reader.digest("commitments")
    })?;
    let sampled_values = structure
        .samples()
        .iter()
        .map(|columns| {
            columns
                .iter()
                .map(|samples| reader.extensions("sampled values", *samples))
                .collect::<Result<Vec<_>, _>>()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let max_queries = structure.parameters().queries as usize;
    let queries = reader.count("queries", max_queries)?;
    let queried_values = structure
        .samples()
        .iter()
        .map(|columns| {
            reader.list("queried values", columns.len(), 4 * queries, |reader| {
                reader.list("queried values", queries, 4, |reader| {
                    reader.base("queried values")
                })
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let max_nodes = structure.max_hash_witness(structure.lifting_log_size());
    let decommitments = (0..trees)
        .map(|_| reader.decommitment("merkle paths", max_nodes))
        .collect::<Result<Vec<_>, _>>()?;
    let expected = structure.grinding().nonces();
    let nonces = reader.count("nonces", usize::from(u16::MAX))?;
    expect_len("nonces", expected, nonces)?;
    let nonces = reader.list("nonces", nonces, NONCE_BYTES, |reader| {
        Ok(u64::from_le_bytes(reader.take("nonces")?))
    })?;
    let proof_of_work = u64::from_le_bytes(reader.take("proof of work")?);
    let mut layers = structure.layers().iter().map(|layer| {
        let commitment = reader.digest("low-degree layer")?;
        let len = reader.count("low-degree values", structure.max_layer_witness(layer))?;
        let fri_witness = reader.extensions("low-degree values", len)?;
        let max_nodes = structure.max_hash_witness(layer.log_size);
        Ok(FriLayerProof {
            fri_witness,
            decommitment: reader.decommitment("low-degree paths", max_nodes)?,
            commitment,
        })
    });
    // Every structure has a first layer.
    let first_layer = layers.next().unwrap_or(Err(VerifyError::WrongLength {
        part: "low-degree layers",
        expected: 1,
        got: 0,
    }))?;
    let inner_layers = layers.collect::<Result<Vec<_>, VerifyError>>()?;
    let last_layer = reader.extensions("last low-degree layer", structure.last_layer_len())?;
    if !reader.bytes.is_empty() {
        return Err(VerifyError::TrailingBytes {
            part: "proof",
            got: reader.bytes.len(),
        });
    }
    Ok(SegmentProof {
        claimed_sums,
        nonces,
        stark: CommitmentSchemeProof {
            config: structure.pcs_config(),
            commitments: TreeVec::new(commitments),
            sampled_values: TreeVec::new(sampled_values),
            decommitments: TreeVec::new(decommitments),
            queried_values: TreeVec::new(queried_values),
            proof_of_work,
            fri_proof: FriProof {
                first_layer,
                inner_layers,
                last_layer_poly: LinePoly::new(last_layer),
            },
        },
    })
}

/// Writes parts of a proof one after the other.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn base(&mut self, value: M31) {
        self.bytes.extend_from_slice(&value.0.to_le_bytes());
    }

    fn extension(&mut self, value: &QM31) {
        value.to_m31_array().into_iter().for_each(|x| self.base(x));
    }

    fn digest(&mut self, digest: &Blake2sHash) {
        self.bytes.extend_from_slice(&digest_to_bytes(digest));
    }

    fn digests(&mut self, part: &'static str, digests: &[Blake2sHash]) -> Result<(), VerifyError> {
        self.count(part, digests.len())?;
        digests.iter().for_each(|digest| self.digest(digest));
        Ok(())
    }

    fn count(&mut self, part: &'static str, len: usize) -> Result<(), VerifyError> {
        let count = u16::try_from(len).map_err(|_| VerifyError::LengthTooLarge {
            part,
            expected: usize::from(u16::MAX),
            got: len,
        })?;
        self.bytes.extend_from_slice(&count.to_le_bytes());
        Ok(())
    }
}

fn expect_len(part: &'static str, expected: usize, got: usize) -> Result<(), VerifyError> {
    if expected == got {
        return Ok(());
    }
    Err(VerifyError::WrongLength {
        part,
        expected,
        got,
    })
}

fn encode(proof: &SegmentProof, structure: &ProofStructure) -> Result<Vec<u8>, VerifyError> {
    let writer = &mut Writer { bytes: Vec::new() };
    let stark = &proof.stark;
    let trees = structure.samples().len();
    expect_len(
        "claimed sums",
        structure.claimed_sums(),
        proof.claimed_sums.len(),
    )?;
    expect_len("commitments", trees, stark.commitments.len())?;
    expect_len("sampled values", trees, stark.sampled_values.len())?;
    expect_len("queried values", trees, stark.queried_values.len())?;
    expect_len("merkle paths", trees, stark.decommitments.len())?;
    proof.claimed_sums.iter().for_each(|x| writer.extension(x));
    stark
        .commitments
        .iter()
        .for_each(|root| writer.digest(root));
    for (columns, expected) in stark.sampled_values.iter().zip(structure.samples()) {
        expect_len("sampled values", expected.len(), columns.len())?;
        for (samples, expected) in columns.iter().zip(expected) {
            expect_len("sampled values", *expected, samples.len())?;
            samples.iter().for_each(|value| writer.extension(value));
        }
    }
    let queries = stark.queried_values.iter().flatten().map(Vec::len).next();
    let queries = queries.unwrap_or_default();
    writer.count("queries", queries)?;
    for (columns, expected) in stark.queried_values.iter().zip(structure.samples()) {
        expect_len("queried values", expected.len(), columns.len())?;
        for values in columns {
            expect_len("queried values", queries, values.len())?;
            values.iter().for_each(|value| writer.base(*value));
        }
    }
    for decommitment in stark.decommitments.iter() {
        writer.digests("merkle paths", &decommitment.hash_witness)?;
    }
    expect_len("nonces", structure.grinding().nonces(), proof.nonces.len())?;
    writer.count("nonces", proof.nonces.len())?;
    for nonce in &proof.nonces {
        writer.bytes.extend_from_slice(&nonce.to_le_bytes());
    }
    let nonce = stark.proof_of_work.to_le_bytes();
    writer.bytes.extend_from_slice(&nonce);
    let fri = &stark.fri_proof;
    expect_len(
        "low-degree layers",
        structure.layers().len(),
        1 + fri.inner_layers.len(),
    )?;
    for layer in core::iter::once(&fri.first_layer).chain(&fri.inner_layers) {
        writer.digest(&layer.commitment);
        writer.count("low-degree values", layer.fri_witness.len())?;
        layer.fri_witness.iter().for_each(|x| writer.extension(x));
        writer.digests("low-degree paths", &layer.decommitment.hash_witness)?;
    }
    let last_layer = &fri.last_layer_poly;
    expect_len(
        "last low-degree layer",
        structure.last_layer_len(),
        last_layer.len(),
    )?;
    last_layer.iter().for_each(|x| writer.extension(x));
    Ok(core::mem::take(&mut writer.bytes))
}
