//! The safetensors container: eight bytes of header length, a JSON header, the tensors' bytes.
//!
//! Read and written here rather than by the `safetensors` crate for two reasons. That crate writes
//! the string metadata in the order of a hash map, so that the same tensors give different files;
//! here equal content is equal bytes. And its reader adds offsets that the file controls without a
//! check, which panics where overflow is checked; here every file gets a typed error. The tests
//! read each other's files.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use crate::header::{header_range, invalid, Header, Info, LENGTH_BYTES, MAX_HEADER, METADATA_KEY};
use crate::TraceError;

/// A file of named tensors.
pub(crate) struct Container {
    bytes: Vec<u8>,
    tensors: BTreeMap<String, Info>,
    metadata: BTreeMap<String, String>,
    data_start: usize,
}

/// One tensor of a [`Container`].
pub(crate) struct Tensor<'a> {
    pub(crate) name: &'static str,
    pub(crate) dtype: &'a str,
    pub(crate) shape: &'a [usize],
    pub(crate) bytes: &'a [u8],
}

/// One tensor of a [`TensorFile`](crate::TensorFile).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorView<'a> {
    /// Its name.
    pub name: &'a str,
    /// The element type as the format writes it, such as `F16`.
    pub dtype: &'a str,
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its elements, row-major and little-endian: as many bytes as type and dimensions say.
    pub bytes: &'a [u8],
}

impl Container {
    /// Reads a file. What is not a safetensors file is refused by its first bytes, however long it is.
    pub(crate) fn read(path: &Path) -> Result<Self, TraceError> {
        let refuse = |source| TraceError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        };
        let file = matchmark_files::open(path).map_err(|error| refuse(error.into()))?;
        let mut bytes = Vec::new();
        let mut start = (&file).take((LENGTH_BYTES + MAX_HEADER) as u64);
        start.read_to_end(&mut bytes).map_err(refuse)?;
        header_range(&bytes)?;
        (&file).read_to_end(&mut bytes).map_err(refuse)?;
        Self::parse(bytes)
    }

    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, TraceError> {
        let header = header_range(&bytes)?;
        let data_start = header.end;
        let Header { tensors, metadata } = Header::parse(&bytes[header])?;
        let (expected, got) = (tiled(&tensors)?, bytes.len() - data_start);
        if expected != got {
            let with_header = |len: usize| (len as u64).saturating_add(data_start as u64);
            let [expected, got] = [expected, got].map(with_header);
            return Err(if got < expected {
                TraceError::Truncated { expected, got }
            } else {
                TraceError::TrailingBytes { expected, got }
            });
        }
        Ok(Self {
            bytes,
            tensors,
            metadata,
            data_start,
        })
    }

    /// All tensors by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TensorView<'_>> {
        let tensors = self.tensors.iter();
        tensors.map(|(name, info)| self.view(name, info))
    }

    /// The tensor of a name.
    pub(crate) fn get(&self, name: &str) -> Option<TensorView<'_>> {
        let (name, info) = self.tensors.get_key_value(name)?;
        Some(self.view(name, info))
    }

    fn view<'a>(&'a self, name: &'a str, info: &'a Info) -> TensorView<'a> {
        let [begin, end] = info.data_offsets;
        TensorView {
            name,
            dtype: &info.dtype,
            shape: &info.shape,
            // Offsets were checked against the length of the data.
            bytes: &self.bytes[self.data_start..][begin..end],
        }
    }

    pub(crate) fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    pub(crate) fn optional(&self, name: &'static str) -> Option<Tensor<'_>> {
        let view = self.get(name)?;
        Some(Tensor {
            name,
            dtype: view.dtype,
            shape: view.shape,
            bytes: view.bytes,
        })
    }

    pub(crate) fn tensor(&self, name: &'static str) -> Result<Tensor<'_>, TraceError> {
        self.optional(name)
            .ok_or(TraceError::MissingTensor { tensor: name })
    }
}

impl Tensor<'_> {
    /// The three dimensions of a tensor that must have three; `expected` names them.
    pub(crate) fn dimensions(&self, expected: &str) -> Result<[usize; 3], TraceError> {
        <[usize; 3]>::try_from(self.shape).map_err(|_| self.wrong_shape(expected))
    }

    pub(crate) fn expect_shape(&self, expected: [usize; 3]) -> Result<(), TraceError> {
        if self.shape == expected {
            Ok(())
        } else {
            Err(self.wrong_shape(&format!("{expected:?}")))
        }
    }

    pub(crate) fn wrong_shape(&self, expected: &str) -> TraceError {
        TraceError::WrongShape {
            tensor: self.name,
            expected: expected.to_owned(),
            got: self.shape.to_vec(),
        }
    }

    pub(crate) fn expect_dtype(&self, expected: &'static str) -> Result<(), TraceError> {
        if self.dtype == expected {
            Ok(())
        } else {
            Err(TraceError::WrongDtype {
                tensor: self.name,
                expected,
                got: self.dtype.to_owned(),
            })
        }
    }

    /// The elements of an I8 or I16 tensor, whichever is expected.
    pub(crate) fn integers(&self, expected: &'static str) -> Result<Vec<i16>, TraceError> {
        self.expect_dtype(expected)?;
        Ok(if expected == "I8" {
            self.bytes
                .iter()
                .map(|&byte| i16::from(i8::from_le_bytes([byte])))
                .collect()
        } else {
            self.bytes
                .chunks_exact(2)
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                .collect()
        })
    }

    pub(crate) fn floats(&self) -> Result<Vec<f32>, TraceError> {
        let Self {
            name: tensor,
            dtype,
            shape,
            bytes,
        } = *self;
        let view = TensorView {
            name: tensor,
            dtype,
            shape,
            bytes,
        };
        let refuse = |reason| TraceError::Floats { tensor, reason };
        view.floats().map_err(refuse)
    }
}

fn dtype_bytes(dtype: &str) -> Option<usize> {
    Some(match dtype {
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" => 1,
        "U16" | "I16" | "F16" | "BF16" => 2,
        "U32" | "I32" | "F32" => 4,
        "U64" | "I64" | "F64" => 8,
        _ => return None,
    })
}

/// Checks that every tensor has as many bytes as its shape says, and that the tensors follow each other
/// without gap or overlap; gives their number of bytes.
fn tiled(tensors: &BTreeMap<String, Info>) -> Result<usize, TraceError> {
    let mut order: Vec<_> = tensors
        .iter()
        .map(|(name, info)| (info.data_offsets, name, info))
        .collect();
    order.sort_by_key(|(offsets, ..)| *offsets);
    let mut position = 0;
    for ([begin, end], name, info) in order {
        let Info { dtype, shape, .. } = info;
        let size = dtype_bytes(dtype).ok_or_else(|| {
            invalid(format!(
                "tensor {name:?} has unknown element type {dtype:?}"
            ))
        })?;
        if begin != position {
            return Err(invalid(format!(
                "tensor {name:?} begins at byte {begin} of the tensors, expected {position}, where the one before it ends"
            )));
        }
        let expected = shape
            .iter()
            .try_fold(size, |product, &n| product.checked_mul(n));
        if expected.is_none() || end.checked_sub(begin) != expected {
            let expected = expected.map_or("more than memory has".to_owned(), |n| n.to_string());
            return Err(invalid(format!(
                "tensor {name:?} of type {dtype} and shape {shape:?} lies at bytes {begin} to {end}, expected its length to be {expected}"
            )));
        }
        position = end;
    }
    Ok(position)
}

/// A tensor to be written.
pub(crate) struct TensorToWrite<'a> {
    pub(crate) name: &'static str,
    pub(crate) shape: [usize; 3],
    pub(crate) values: &'a [i16],
}

/// The bytes of a file: tensors in the order given, metadata and header entries in alphabetical
/// order. Elements are I8 or I16; for I8 the caller has checked that they fit.
pub(crate) fn encode(
    tensors: &[TensorToWrite<'_>],
    bytes_per_value: usize,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, TraceError> {
    let dtype = if bytes_per_value == 1 { "I8" } else { "I16" };
    let mut data = Vec::new();
    let mut header: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
    let json = |error: serde_json::Error| invalid(format!("header: {error}"));
    if !metadata.is_empty() {
        header.insert(METADATA_KEY, serde_json::to_value(metadata).map_err(json)?);
    }
    for TensorToWrite {
        name,
        shape,
        values,
    } in tensors
    {
        let begin = data.len();
        for value in *values {
            data.extend_from_slice(&value.to_le_bytes()[..bytes_per_value]);
        }
        let info = Info {
            dtype: dtype.to_owned(),
            shape: shape.to_vec(),
            data_offsets: [begin, data.len()],
        };
        header.insert(name, serde_json::to_value(info).map_err(json)?);
    }
    let mut header = serde_json::to_vec(&header).map_err(json)?;
    // Padded with spaces so that the tensors begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut header);
    bytes.append(&mut data);
    Ok(bytes)
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TraceError> {
    matchmark_files::write(path, bytes).map_err(|source| TraceError::Io {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;
    use crate::GitLfsPointer;

    fn sample() -> Vec<u8> {
        let metadata = BTreeMap::from([
            ("b".to_owned(), "2".to_owned()),
            ("a".to_owned(), "1".to_owned()),
        ]);
        let tensors = [
            TensorToWrite {
                name: "q",
                shape: [1, 2, 3],
                values: &[1, -2, 3, -4, 5, -6],
            },
            TensorToWrite {
                name: "empty",
                shape: [1, 0, 3],
                values: &[],
            },
        ];
        encode(&tensors, 2, &metadata).unwrap()
    }

    #[test]
    fn the_usual_reader_reads_it() {
        let bytes = sample();
        let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let q = theirs.tensor("q").unwrap();
        assert_eq!(q.dtype(), safetensors::Dtype::I16);
        assert_eq!(q.shape(), [1, 2, 3]);
        assert_eq!(theirs.tensor("empty").unwrap().data().len(), 0);
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["a"], "1");
    }

    #[test]
    fn reads_what_it_writes() {
        let container = Container::parse(sample()).unwrap();
        assert_eq!(container.metadata()["b"], "2");
        let q = container.tensor("q").unwrap();
        assert_eq!(q.dimensions("").unwrap(), [1, 2, 3]);
        assert_eq!(q.integers("I16").unwrap(), [1, -2, 3, -4, 5, -6]);
        assert!(matches!(
            q.integers("I8"),
            Err(TraceError::WrongDtype {
                tensor: "q",
                expected: "I8",
                ..
            })
        ));
        assert!(matches!(
            container.tensor("k"),
            Err(TraceError::MissingTensor { tensor: "k" })
        ));
    }

    #[test]
    fn what_is_no_safetensors_file_is_refused_by_its_first_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        // Longer than memory, were it read.
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        (&file).write_all(&[0xff; 16]).unwrap();
        assert!(matches!(
            Container::read(&path),
            Err(TraceError::HeaderTooLong { got: u64::MAX, .. })
        ));
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 70\n";
        std::fs::write(&path, pointer).unwrap();
        assert!(matches!(
            Container::read(&path),
            Err(TraceError::GitLfsPointer(GitLfsPointer { size: Some(70) }))
        ));
        std::fs::write(&path, sample()).unwrap();
        assert_eq!(Container::read(&path).unwrap().iter().count(), 2);
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let bytes = sample();
        for length in 0..bytes.len() {
            let cut = Container::parse(bytes[..length].to_vec());
            let header = 8 + usize::from(bytes[0]);
            let (ends, of) = (length as u64, bytes.len() as u64);
            match cut.err() {
                Some(TraceError::HeaderTruncated { got, .. }) if length < header => {
                    assert_eq!(got, ends);
                }
                Some(TraceError::Truncated { expected, got }) if length >= header => {
                    assert_eq!((expected, got), (of, ends));
                }
                other => panic!("{length}: {other:?}"),
            }
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(matches!(
            Container::parse(longer),
            Err(TraceError::TrailingBytes { expected, got }) if got == expected + 1
        ));
    }

    #[test]
    fn no_byte_panics() {
        let bytes = sample();
        for position in 0..bytes.len() {
            for change in [0x01, 0x10, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[position] ^= change;
                if let Ok(container) = Container::parse(changed) {
                    let _ = container.tensor("q").and_then(|q| q.integers("I16"));
                }
            }
        }
    }

    #[test]
    fn offsets_near_the_end_of_the_number_range() {
        let file = |header: &str| {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend_from_slice(header.as_bytes());
            bytes
        };
        let longest = r#"{"q":{"dtype":"I8","shape":[18446744073709551608],"data_offsets":[0,18446744073709551608]}}"#;
        assert!(matches!(
            Container::parse(file(longest)),
            Err(TraceError::Truncated {
                expected: u64::MAX,
                ..
            })
        ));
        for header in [
            r#"{"q":{"dtype":"I8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
            r#"{"q":{"dtype":"I8","shape":[1],"data_offsets":[1,0]}}"#,
            r#"{"q":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}}"#,
            r#"{"k":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"q":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}}"#,
            r#"{"q":{"dtype":"I3","shape":[0],"data_offsets":[0,0]}}"#,
            r#"{"q":{"dtype":"I8","shape":[-1],"data_offsets":[0,0]}}"#,
            r#"{"q":7}"#,
            r#"{"__metadata__":{"a":1}}"#,
            "[]",
        ] {
            assert!(
                matches!(
                    Container::parse(file(header)),
                    Err(TraceError::InvalidFile { .. })
                ),
                "{header}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("no/file");
        assert!(matches!(
            write(&missing, b""),
            Err(TraceError::Io {
                action: "write",
                ..
            })
        ));
    }
}
