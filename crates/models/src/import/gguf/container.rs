//! The header of a GGUF file: its metadata, and where its tensors are.
//!
//! Nothing is taken on trust: a length is one of bytes that are there, and the tensors lie one behind the other
//! up to the end of the file.

use std::collections::BTreeMap;

use super::dequantize::{names, Type};
use super::value::{form, Reader, Value};
use super::GgufError;

const MAGIC: &[u8] = b"GGUF";
/// Where the alignment of the tensors is said, and what it is if it is not.
const ALIGNMENT: (&str, u64) = ("general.alignment", 32);
const MAX_ALIGNMENT: u64 = 1 << 16;
const MAX_DIMENSIONS: u32 = 4;

/// A header, which borrows its texts from its bytes.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) metadata: BTreeMap<&'a str, Value<'a>>,
    pub(super) tensors: BTreeMap<&'a str, Tensor>,
}

/// A tensor, and where in the file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) kind: Type,
    /// Dimensions, the outermost first: the format has them the other way round.
    pub(super) shape: Vec<usize>,
    /// Its first byte in the file.
    pub(super) begin: u64,
    /// Its bytes.
    pub(super) length: usize,
}

impl<'a> Header<'a> {
    /// Reads a header out of the first bytes of a file that has so many in all.
    pub(super) fn parse(bytes: &'a [u8], file: u64) -> Result<Self, GgufError> {
        if !bytes.starts_with(MAGIC) {
            return Err(GgufError::NotGguf);
        }
        let mut reader = Reader::new(bytes);
        reader.take(MAGIC.len() as u64, "its first bytes")?;
        match reader.u32("the version")? {
            2 | 3 => {}
            got => return Err(GgufError::Version { got }),
        }
        let tensors = reader.u64("the number of tensors")?;
        let entries = reader.u64("the number of keys")?;
        let mut metadata = BTreeMap::new();
        // Every key and every tensor takes bytes: more of them than there are ends this.
        for _ in 0..entries {
            let key = reader.text("a key of the metadata")?;
            let value = reader.value(key)?;
            once(metadata.insert(key, value).is_none(), key)?;
        }
        let alignment = alignment(metadata.get(ALIGNMENT.0))?;
        let mut found = BTreeMap::new();
        let mut order = Vec::new();
        for _ in 0..tensors {
            let name = reader.text("the name of a tensor")?;
            let tensor = tensor(&mut reader, name)?;
            order.push((tensor.begin, name));
            once(found.insert(name, tensor).is_none(), name)?;
        }
        let start = (reader.position() as u64).next_multiple_of(alignment);
        order.sort_unstable();
        let mut end = 0u64;
        for (offset, name) in order {
            let expected = end.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
            if offset != expected {
                return Err(GgufError::Layout {
                    tensor: name.to_owned(),
                    expected,
                    got: offset,
                });
            }
            if let Some(tensor) = found.get_mut(name) {
                end = offset.saturating_add(tensor.length as u64);
                tensor.begin = start.saturating_add(offset);
            }
        }
        let expected = start.saturating_add(end);
        // The last tensor may be padded like the others.
        let padded = expected.checked_next_multiple_of(alignment);
        if file < expected || file > padded.unwrap_or(u64::MAX) {
            return Err(GgufError::Length {
                expected,
                got: file,
            });
        }
        Ok(Self {
            metadata,
            tensors: found,
        })
    }
}

fn once(new: bool, name: &str) -> Result<(), GgufError> {
    if new {
        return Ok(());
    }
    Err(GgufError::Duplicate {
        name: name.to_owned(),
    })
}

fn alignment(value: Option<&Value<'_>>) -> Result<u64, GgufError> {
    match value {
        None => Ok(ALIGNMENT.1),
        Some(Value::Unsigned(number))
            if number.is_power_of_two() && (8..=MAX_ALIGNMENT).contains(number) =>
        {
            Ok(*number)
        }
        Some(other) => Err(form(
            ALIGNMENT.0,
            format!("a power of two of 8 to {MAX_ALIGNMENT}"),
            other,
        )),
    }
}

/// What a header says of a tensor; `begin` is counted from where the tensors begin.
fn tensor(reader: &mut Reader<'_>, name: &str) -> Result<Tensor, GgufError> {
    let part = format!("the tensor {name:?}");
    let dimensions = reader.u32(&part)?;
    if dimensions > MAX_DIMENSIONS {
        let expected = format!("of at most {MAX_DIMENSIONS} dimensions");
        return Err(form(part, expected, format!("of {dimensions}")));
    }
    let mut sizes = Vec::new();
    for _ in 0..dimensions {
        sizes.push(reader.u64(&part)?);
    }
    let kind = Type::of(reader.u32(&part)?).map_err(|got| GgufError::TensorType {
        tensor: name.to_owned(),
        expected: names(),
        got,
    })?;
    let begin = reader.u64(&part)?;
    let (elements, bytes) = kind.block();
    let row = sizes.first().copied().unwrap_or(1);
    if !row.is_multiple_of(elements as u64) {
        let expected = format!("of rows of a multiple of {elements} elements");
        return Err(form(part, expected, format!("of rows of {row}")));
    }
    let count = sizes.iter().try_fold(1u64, |all, &n| all.checked_mul(n));
    let length = count.and_then(|count| (count / elements as u64).checked_mul(bytes as u64));
    let length = length.and_then(|length| usize::try_from(length).ok());
    let shape: Result<Vec<usize>, _> = sizes.iter().rev().map(|&n| usize::try_from(n)).collect();
    let (Some(length), Ok(shape)) = (length, shape) else {
        return Err(form(
            part,
            "of a size that memory has",
            format!("{sizes:?}"),
        ));
    };
    Ok(Tensor {
        kind,
        shape,
        begin,
        length,
    })
}
