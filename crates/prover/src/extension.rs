//! The extension of a model's columns as bytes, to be kept between processes.
//!
//! A committed column is extended from its rows to a longer domain, by the blowup, before it is hashed. The
//! extension depends on the model, the blowup and the relation's order of columns, and on nothing of a
//! chain, not even on the height of its trees: one serves them all.
//!
//! ```text
//! "matchmark trees\n"                               16 bytes
//! format                                            u32
//! digest of the relation, identity of the model     32 bytes each
//! log of the blowup, number of columns              u32 each
//! for each column, log of the length extended       u32
//! for each column, its values                       u32 each, less than 2^31 - 1
//! ```
//!
//! All integers are little-endian, and the values are in the library's order. There is one text for each
//! extension: all but the values follows from the model, and what follows is compared, not believed.
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use matchmark_air::fingerprint::fingerprint_point;
use matchmark_air::hash::MerkleHasher;
use matchmark_air::witness::columns::Evaluation;
use matchmark_air::witness::Column;
use matchmark_statement::{ModelId, RelationDigest};
use stwo::core::fields::m31::{M31, P};
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::m31::{PackedM31, N_LANES};
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::circle::CircleEvaluation;
use stwo::prover::vcs_lifted::prover::MerkleProverLifted;
use stwo::prover::{CommitmentTreeProver, Poly};
use tracing::info_span;

use matchmark_verifier::key::{ModelChain, ModelOutline};

use crate::committed::CommittedColumns;
use crate::error::ExtensionError;
use crate::part::ProverTree;
use crate::setup::SegmentProver;

/// What every extension begins with.
const MAGIC: &[u8; 16] = b"matchmark trees\n";
/// The version of the format.
const FORMAT: u32 = 1;
/// Bytes of a value, and of every other integer.
const WORD: usize = 4;
/// Values that are read or written at a time.
const PIECE: usize = 1 << 14;

/// What the extension of a model's columns depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionId {
    relation: RelationDigest,
    model: ModelId,
    log_blowup: u32,
}

impl ExtensionId {
    /// Of a chain of this model.
    pub fn of_chain(chain: &ModelChain, model: &ModelOutline) -> Self {
        Self::new(model.identity, chain.security.parameters().log_blowup)
    }

    pub(crate) fn new(model: ModelId, log_blowup: u32) -> Self {
        Self {
            relation: matchmark_air::RELATION_DIGEST,
            model,
            log_blowup,
        }
    }
}

impl fmt::Display for ExtensionId {
    /// The name of a file: identity of the model, log of the blowup, and the beginning of the relation's
    /// digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            relation,
            model,
            log_blowup,
        } = self;
        write!(f, "{model}.{log_blowup}.{relation:.16}")
    }
}

/// The extension of a committed model's columns.
pub struct ModelExtension<'a> {
    id: ExtensionId,
    tree: &'a ProverTree,
}

impl<'a> ModelExtension<'a> {
    pub(crate) fn new(id: ExtensionId, tree: &'a ProverTree) -> Self {
        Self { id, tree }
    }

    /// What the extension depends on.
    pub fn id(&self) -> ExtensionId {
        self.id
    }

    /// The bytes, in pieces of at most 64 KiB or the length of the header.
    pub fn pieces(&self) -> impl Iterator<Item = Vec<u8>> + use<'a> {
        let columns = &self.tree.polynomials;
        let log_sizes = columns.iter().map(|it| it.evals.domain.log_size());
        let header = Header::new(self.id, log_sizes.collect());
        let values = columns.iter().flat_map(|column| {
            let values = &column.evals.values;
            // In memory the last lanes of a short column are filled up.
            let length = values.length;
            let pieces = values.data.chunks(PIECE / N_LANES);
            pieces.map(move |piece| {
                let values = piece.iter().flat_map(|lanes| lanes.to_array());
                values
                    .take(length)
                    .flat_map(|it| it.0.to_le_bytes())
                    .collect()
            })
        });
        std::iter::once(header.to_bytes()).chain(values)
    }
}

/// What stands before the values.
struct Header {
    id: ExtensionId,
    /// Logs of the lengths of the columns, extended.
    log_sizes: Vec<u32>,
}

impl Header {
    fn new(id: ExtensionId, log_sizes: Vec<u32>) -> Self {
        Self { id, log_sizes }
    }

    /// A model has far fewer columns.
    fn columns(&self) -> u32 {
        u32::try_from(self.log_sizes.len()).unwrap_or(u32::MAX)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let ExtensionId {
            relation,
            model,
            log_blowup,
        } = &self.id;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(relation.as_bytes());
        bytes.extend(model.as_bytes());
        bytes.extend(log_blowup.to_le_bytes());
        bytes.extend(self.columns().to_le_bytes());
        bytes.extend(self.log_sizes.iter().flat_map(|it| it.to_le_bytes()));
        bytes
    }

    /// Bytes of header and values.
    fn extension_bytes(&self) -> u64 {
        let values: u64 = self.log_sizes.iter().map(|log_size| 1 << log_size).sum();
        self.to_bytes().len() as u64 + WORD as u64 * values
    }

    /// Reads a header, which has to be this one.
    fn expect(&self, input: &mut Input<'_>) -> Result<(), ExtensionError> {
        let magic: [u8; MAGIC.len()] = input.array()?;
        if magic != *MAGIC {
            let text = |bytes: &[u8]| format!("{:?}", String::from_utf8_lossy(bytes));
            return Err(ExtensionError::Magic {
                expected: text(MAGIC),
                got: text(&magic),
            });
        }
        let got = input.word()?;
        if got != FORMAT {
            let expected = FORMAT;
            return Err(ExtensionError::Format { expected, got });
        }
        let ExtensionId {
            relation,
            model,
            log_blowup,
        } = self.id;
        let (expected, got) = (relation, RelationDigest::from_bytes(input.array()?));
        if got != expected {
            return Err(ExtensionError::Relation { expected, got });
        }
        let (expected, got) = (model, ModelId::from_bytes(input.array()?));
        if got != expected {
            return Err(ExtensionError::Model { expected, got });
        }
        let (expected, got) = (log_blowup, input.word()?);
        if got != expected {
            return Err(ExtensionError::Blowup { expected, got });
        }
        let (expected, got) = (self.columns(), input.word()?);
        if got != expected {
            return Err(ExtensionError::Columns { expected, got });
        }
        for (column, &expected) in self.log_sizes.iter().enumerate() {
            let got = input.word()?;
            if got != expected {
                return Err(ExtensionError::ColumnSize {
                    column,
                    expected,
                    got,
                });
            }
        }
        Ok(())
    }
}

/// Bytes that are read, and counted.
struct Input<'a> {
    bytes: &'a mut dyn Read,
    /// How many there have to be.
    expected: u64,
    /// How many there were.
    got: u64,
}

impl Input<'_> {
    /// Fills a buffer, or says how many bytes were there.
    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), ExtensionError> {
        while !buffer.is_empty() {
            match self.bytes.read(buffer) {
                Ok(0) => {
                    let Self { expected, got, .. } = *self;
                    return Err(ExtensionError::Truncated { expected, got });
                }
                Ok(count) => {
                    self.got += count as u64;
                    buffer = buffer.get_mut(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ExtensionError::Read(error)),
            }
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ExtensionError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<u32, ExtensionError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The values of a column, through a buffer of [`PIECE`] values.
    fn column(
        &mut self,
        column: usize,
        log_size: u32,
        buffer: &mut [u8],
    ) -> Result<BaseColumn, ExtensionError> {
        let length = 1_usize << log_size;
        let mut data = Vec::with_capacity(length.div_ceil(N_LANES));
        for first in (0..length).step_by(PIECE) {
            let piece = &mut buffer[..WORD * PIECE.min(length - first)];
            self.fill(piece)?;
            for (index, bytes) in piece.chunks(WORD * N_LANES).enumerate() {
                let mut lanes = [0; N_LANES];
                for (lane, word) in lanes.iter_mut().zip(bytes.as_chunks().0) {
                    *lane = u32::from_le_bytes(*word);
                }
                // All lanes are compared, as that is done at once.
                if lanes.iter().fold(false, |above, lane| above | (*lane >= P)) {
                    let lane = lanes.iter().position(|lane| *lane >= P).unwrap_or_default();
                    return Err(ExtensionError::NotCanonical {
                        column,
                        row: first + N_LANES * index + lane,
                        expected: P,
                        got: lanes[lane],
                    });
                }
                data.push(PackedM31::from_array(lanes.map(M31::from_u32_unchecked)));
            }
        }
        Ok(BaseColumn { data, length })
    }

    /// Nothing follows.
    fn end(&mut self) -> Result<(), ExtensionError> {
        match self.array::<1>() {
            Err(ExtensionError::Truncated { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                let Self { expected, got, .. } = *self;
                Err(ExtensionError::TrailingBytes { expected, got })
            }
        }
    }
}

impl SegmentProver {
    /// Commits columns by the extension that is read. Whether it is theirs is for the caller to check.
    pub(crate) fn commit_with_extension(
        &self,
        columns: Vec<Column>,
        id: ExtensionId,
        extension: &mut dyn Read,
    ) -> Result<CommittedColumns, ExtensionError> {
        let log_sizes = columns.iter().map(|it| it.len().ilog2() + id.log_blowup);
        let header = Header::new(id, log_sizes.collect());
        let values = info_span!("read extension").in_scope(|| read_values(&header, extension))?;
        let polynomials = self
            .interpolate(&columns)
            .into_iter()
            .zip(values)
            .map(|(coefficients, values)| Poly::new(Some(coefficients), values))
            .collect::<Vec<_>>();
        let commitment = info_span!("hash extension").in_scope(|| {
            let values = polynomials.iter().map(|it| &it.evals.values).collect();
            MerkleProverLifted::<SimdBackend, MerkleHasher>::commit(
                values,
                self.lifting_log_size(),
                0,
            )
        });
        let tree = CommitmentTreeProver {
            polynomials,
            commitment,
        };
        let opening = self.open(&tree);
        Ok(CommittedColumns {
            tree,
            columns,
            opening,
        })
    }

    /// Whether the values of a tree are those of its coefficients, at the point that follows from the root
    /// of these values. The fingerprint is that of the coefficients.
    pub(crate) fn compare(&self, read: &CommittedColumns) -> Result<(), ExtensionError> {
        let _span = info_span!("compare extension").entered();
        let point = fingerprint_point(read.opening.root);
        let mut weights = BTreeMap::new();
        let columns = read.tree.polynomials.iter().zip(&read.opening.fingerprint);
        for (column, (polynomial, &expected)) in columns.enumerate() {
            let log_size = polynomial.evals.domain.log_size();
            let weights = weights.entry(log_size).or_insert_with(|| {
                let point = point.repeated_double(self.lifting_log_size() - log_size);
                Evaluation::barycentric_weights(CanonicCoset::new(log_size), point)
            });
            let got = polynomial.evals.barycentric_eval_at_point(weights);
            if got != expected {
                return Err(ExtensionError::OtherColumn {
                    column,
                    expected,
                    got,
                });
            }
        }
        Ok(())
    }
}

/// Reads an extension with this header.
fn read_values(header: &Header, bytes: &mut dyn Read) -> Result<Vec<Evaluation>, ExtensionError> {
    let mut input = Input {
        bytes,
        expected: header.extension_bytes(),
        got: 0,
    };
    header.expect(&mut input)?;
    let mut buffer = vec![0; WORD * PIECE];
    let values = header
        .log_sizes
        .iter()
        .enumerate()
        .map(|(column, &log_size)| {
            let values = input.column(column, log_size, &mut buffer)?;
            let domain = CanonicCoset::new(log_size).circle_domain();
            Ok(CircleEvaluation::new(domain, values))
        })
        .collect::<Result<_, ExtensionError>>()?;
    input.end()?;
    Ok(values)
}
