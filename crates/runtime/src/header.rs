//! The header of a safetensors file: how long it is, and what it says of each tensor. Both are bounded
//! before anything is built, and every name comes once.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{GitLfsPointer, TraceError};

/// Most tensors of a file. The model with the most layers, 64 of ten tensors each, has 643, a trace has
/// five; the others leave room for tensors that are passed over.
const MAX_TENSORS: usize = 4096;
/// Longest header: an entry of so many tensors has a name, a type, a few dimensions and two offsets, about
/// 130 bytes of 512.
pub(crate) const MAX_HEADER: usize = 512 * MAX_TENSORS;
/// Bytes that state the length of the header.
pub(crate) const LENGTH_BYTES: usize = 8;
/// The entry that is not a tensor.
pub(crate) const METADATA_KEY: &str = "__metadata__";

/// What the header says of one tensor.
#[derive(Serialize, Deserialize)]
pub(crate) struct Info {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data_offsets: [usize; 2],
}

/// A header.
#[derive(Default)]
pub(crate) struct Header {
    pub(crate) tensors: BTreeMap<String, Info>,
    pub(crate) metadata: BTreeMap<String, String>,
}

pub(crate) fn invalid(reason: String) -> TraceError {
    TraceError::InvalidFile { reason }
}

/// Where the header of a file lies, by the file's first bytes. What is not a safetensors file is refused
/// here, however long it is.
pub(crate) fn header_range(start: &[u8]) -> Result<Range<usize>, TraceError> {
    if let Some(pointer) = GitLfsPointer::detect(start) {
        return Err(TraceError::GitLfsPointer(pointer));
    }
    let truncated = |expected: usize| TraceError::HeaderTruncated {
        expected: expected as u64,
        got: start.len() as u64,
    };
    let Some((length, rest)) = start.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(truncated(LENGTH_BYTES));
    };
    let got = u64::from_le_bytes(*length);
    match usize::try_from(got) {
        Ok(length) if length <= MAX_HEADER => {
            let end = LENGTH_BYTES + length;
            if length <= rest.len() {
                Ok(LENGTH_BYTES..end)
            } else {
                Err(truncated(end))
            }
        }
        _ => Err(TraceError::HeaderTooLong {
            maximum: MAX_HEADER as u64,
            got,
        }),
    }
}

impl Header {
    /// Reads a header of at most [`MAX_HEADER`] bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, TraceError> {
        let mut found = Found::default();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let parsed = Entries(&mut found)
            .deserialize(&mut json)
            .and_then(|()| json.end());
        match (found.refused, parsed) {
            (Some(reason), _) => Err(reason),
            (None, Err(error)) => Err(invalid(format!("header: {error}"))),
            (None, Ok(())) => Ok(found.header),
        }
    }
}

/// What was read so far, and why no more is.
#[derive(Default)]
struct Found {
    header: Header,
    refused: Option<TraceError>,
}

impl Found {
    /// An error that stands for the typed one.
    fn refuse<E: serde::de::Error>(&mut self, reason: TraceError) -> E {
        let error = E::custom(&reason);
        self.refused = Some(reason);
        error
    }
}

/// Reads all entries of a header.
struct Entries<'a>(&'a mut Found);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(found) = self;
        let mut metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA_KEY {
                if metadata {
                    return Err(found.refuse(TraceError::DuplicateEntry { entry: name }));
                }
                metadata = true;
                map.next_value_seed(Strings(found))?;
                continue;
            }
            if found.header.tensors.contains_key(&name) {
                return Err(found.refuse(TraceError::DuplicateEntry { entry: name }));
            }
            if found.header.tensors.len() == MAX_TENSORS {
                return Err(found.refuse(TraceError::TooManyTensors {
                    maximum: MAX_TENSORS,
                }));
            }
            let info = map
                .next_value::<Info>()
                .map_err(|error| A::Error::custom(format!("entry {name:?}: {error}")))?;
            found.header.tensors.insert(name, info);
        }
        Ok(())
    }
}

/// Reads the texts beside the tensors.
struct Strings<'a>(&'a mut Found);

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of texts as {METADATA_KEY:?}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(found) = self;
        while let Some(key) = map.next_key::<String>()? {
            if found.header.metadata.contains_key(&key) {
                let entry = format!("{METADATA_KEY}.{key}");
                return Err(found.refuse(TraceError::DuplicateEntry { entry }));
            }
            let value = map.next_value()?;
            found.header.metadata.insert(key, value);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{"dtype":"I8","shape":[0],"data_offsets":[0,0]}"#;

    fn refused(header: &str) -> TraceError {
        Header::parse(header.as_bytes()).err().unwrap()
    }

    #[test]
    fn what_comes_twice() {
        let duplicates = [
            (format!(r#"{{"q":{ENTRY},"k":{ENTRY},"q":{ENTRY}}}"#), "q"),
            (
                r#"{"__metadata__":{},"__metadata__":{}}"#.to_owned(),
                METADATA_KEY,
            ),
            (
                r#"{"__metadata__":{"a":"1","a":"1"}}"#.to_owned(),
                "__metadata__.a",
            ),
        ];
        for (header, name) in duplicates {
            let error = refused(&header);
            assert!(
                matches!(&error, TraceError::DuplicateEntry { entry } if entry == name),
                "{error}"
            );
        }
        let within = r#"{"q":{"dtype":"I8","dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#;
        let error = refused(within).to_string();
        assert!(
            error.contains("\"q\"") && error.contains("dtype"),
            "{error}"
        );
    }

    #[test]
    fn as_many_tensors_as_there_may_be() {
        let header = |count: usize| {
            let entries: Vec<String> = (0..count).map(|i| format!("\"{i}\":{ENTRY}")).collect();
            format!("{{{}}}", entries.join(","))
        };
        let most = header(MAX_TENSORS);
        assert!(most.len() < MAX_HEADER);
        assert_eq!(
            Header::parse(most.as_bytes()).unwrap().tensors.len(),
            MAX_TENSORS
        );
        assert!(matches!(
            refused(&header(MAX_TENSORS + 1)),
            TraceError::TooManyTensors {
                maximum: MAX_TENSORS
            }
        ));
    }

    #[test]
    fn lengths() {
        let start =
            |length: u64, rest: usize| [&length.to_le_bytes()[..], &vec![b' '; rest]].concat();
        assert_eq!(header_range(&start(3, 5)).unwrap(), 8..11);
        assert!(matches!(
            header_range(&start(6, 5)),
            Err(TraceError::HeaderTruncated {
                expected: 14,
                got: 13
            })
        ));
        assert!(matches!(
            header_range(&[0; 7]),
            Err(TraceError::HeaderTruncated {
                expected: 8,
                got: 7
            })
        ));
        // However long the file is.
        let maximum = MAX_HEADER as u64;
        for got in [maximum + 1, u64::MAX] {
            assert!(matches!(
                header_range(&start(got, MAX_HEADER + 1)),
                Err(TraceError::HeaderTooLong { got: refused, .. }) if refused == got
            ));
        }
        assert!(header_range(&start(maximum, MAX_HEADER)).is_ok());
    }
}
