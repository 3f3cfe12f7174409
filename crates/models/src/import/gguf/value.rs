//! Values of the metadata, and the reader of a header's bytes.

use std::fmt;

use super::GgufError;

/// A value of the metadata. Arrays of numbers stay the bytes that they are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Unsigned(u64),
    Signed(i64),
    /// Written with 32 bits.
    Float(f32),
    Double(f64),
    Flag(bool),
    Text(&'a str),
    Texts(Vec<&'a str>),
    Numbers(Numbers<'a>),
}

/// An array of numbers or flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers<'a> {
    kind: u32,
    size: usize,
    bytes: &'a [u8],
}

impl<'a> Numbers<'a> {
    pub(super) fn len(self) -> usize {
        self.bytes.len() / self.size
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Option<Value<'a>>> {
        let chunks = self.bytes.chunks_exact(self.size);
        chunks.map(move |bytes| scalar(self.kind, bytes))
    }
}

/// As JSON writes it, but for arrays, which are given by their length.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Double(number) => write!(f, "{number:?}"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Texts(texts) => write!(f, "a list of {} texts", texts.len()),
            Self::Numbers(numbers) => write!(f, "a list of {} numbers", numbers.len()),
        }
    }
}

/// Types of values that have a fixed number of bytes, by the format's numbers for them.
fn size_of(kind: u32) -> Option<usize> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A value of fixed size; `None` for other bytes than such a value has.
fn scalar<'a>(kind: u32, bytes: &[u8]) -> Option<Value<'a>> {
    let mut wide = [0; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(wide);
    // The sign, from where it stands to the end.
    let bits = u32::try_from(64 - 8 * bytes.len()).ok()?;
    let signed = i64::from_le_bytes(wide).checked_shl(bits)? >> bits;
    let narrow = u32::try_from(unsigned);
    Some(match kind {
        0 | 2 | 4 | 10 => Value::Unsigned(unsigned),
        1 | 3 | 5 | 11 => Value::Signed(signed),
        6 => Value::Float(f32::from_bits(narrow.ok()?)),
        7 => Value::Flag(match unsigned {
            0 => false,
            1 => true,
            _ => return None,
        }),
        12 => Value::Double(f64::from_bits(unsigned)),
        _ => return None,
    })
}

/// What is left of a header.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next byte stands.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, count: u64, part: &str) -> Result<&'a [u8], GgufError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(count).ok().and_then(|n| rest.get(..n));
        let taken = taken.ok_or_else(|| GgufError::Truncated {
            part: part.to_owned(),
            at: self.at,
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    pub(super) fn u32(&mut self, part: &str) -> Result<u32, GgufError> {
        let mut four = [0; 4];
        four.copy_from_slice(self.take(4, part)?);
        Ok(u32::from_le_bytes(four))
    }

    pub(super) fn u64(&mut self, part: &str) -> Result<u64, GgufError> {
        let mut eight = [0; 8];
        eight.copy_from_slice(self.take(8, part)?);
        Ok(u64::from_le_bytes(eight))
    }

    pub(super) fn text(&mut self, part: &str) -> Result<&'a str, GgufError> {
        let length = self.u64(part)?;
        let at = self.at;
        std::str::from_utf8(self.take(length, part)?).map_err(|_| GgufError::NotText {
            part: part.to_owned(),
            at,
        })
    }

    /// A value of the metadata with its type before it.
    pub(super) fn value(&mut self, part: &str) -> Result<Value<'a>, GgufError> {
        let kind = self.u32(part)?;
        if kind == TEXT {
            return self.text(part).map(Value::Text);
        }
        if kind == ARRAY {
            return self.array(part);
        }
        let Some(size) = size_of(kind) else {
            return Err(form(
                part,
                "a value of type 0 to 12",
                format!("of type {kind}"),
            ));
        };
        let bytes = self.take(size as u64, part)?;
        scalar(kind, bytes).ok_or_else(|| form(part, "0 or 1", format!("{bytes:?}")))
    }

    fn array(&mut self, part: &str) -> Result<Value<'a>, GgufError> {
        let (kind, count) = (self.u32(part)?, self.u64(part)?);
        if kind == TEXT {
            // Every text takes eight bytes or more: what is not there ends this.
            let texts = (0..count).map(|_| self.text(part));
            return texts.collect::<Result<_, _>>().map(Value::Texts);
        }
        let Some(size) = size_of(kind) else {
            let got = format!("a list of type {kind}");
            return Err(form(part, "a list of texts or numbers", got));
        };
        let bytes = self.take(count.saturating_mul(size as u64), part)?;
        Ok(Value::Numbers(Numbers { kind, size, bytes }))
    }
}

pub(super) fn form(
    part: impl Into<String>,
    expected: impl Into<String>,
    got: impl ToString,
) -> GgufError {
    GgufError::Form {
        part: part.into(),
        expected: expected.into(),
        got: got.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Result<Value<'_>, GgufError> {
        Reader::new(bytes).value("x")
    }

    #[test]
    fn every_type_of_value() {
        for (bytes, expected) in [
            (&[0, 0, 0, 0, 200][..], Value::Unsigned(200)),
            (&[1, 0, 0, 0, 200], Value::Signed(-56)),
            (&[2, 0, 0, 0, 1, 2], Value::Unsigned(513)),
            (&[3, 0, 0, 0, 255, 255], Value::Signed(-1)),
            (&[4, 0, 0, 0, 0, 0, 0, 128], Value::Unsigned(1 << 31)),
            (&[5, 0, 0, 0, 0, 0, 0, 128], Value::Signed(-(1 << 31))),
            (&[6, 0, 0, 0, 0, 0, 0x80, 0x3f], Value::Float(1.0)),
            (&[7, 0, 0, 0, 1], Value::Flag(true)),
            (
                &[8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'a'],
                Value::Text("a"),
            ),
            (
                &[10, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
                Value::Unsigned(u64::MAX),
            ),
            (
                &[11, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
                Value::Signed(-1),
            ),
            (
                &[12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0xbf],
                Value::Double(-1.0),
            ),
        ] {
            assert_eq!(value(bytes).unwrap(), expected);
            for length in 0..bytes.len() {
                let cut = value(&bytes[..length]);
                assert!(matches!(cut, Err(GgufError::Truncated { .. })), "{cut:?}");
            }
        }
        let numbers = [9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 255];
        let Value::Numbers(numbers) = value(&numbers).unwrap() else {
            panic!("an array of numbers");
        };
        let got: Vec<_> = numbers.iter().map(Option::unwrap).collect();
        assert_eq!(got, [Value::Signed(7), Value::Signed(-1)]);
    }

    #[test]
    fn values_that_are_none() {
        for bytes in [
            &[7, 0, 0, 0, 2][..],
            &[13, 0, 0, 0, 0],
            // A list of lists.
            &[9, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let refused = value(bytes);
            assert!(
                matches!(refused, Err(GgufError::Form { .. })),
                "{refused:?}"
            );
        }
        let text = [8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff];
        assert!(matches!(
            value(&text),
            Err(GgufError::NotText { at: 12, .. })
        ));
        // Claims of lengths that nothing has.
        for kind in [0u32, 8, 12] {
            let mut bytes = [9u32.to_le_bytes(), kind.to_le_bytes()].concat();
            bytes.extend(u64::MAX.to_le_bytes());
            bytes.extend([0; 64]);
            let refused = value(&bytes);
            assert!(
                matches!(refused, Err(GgufError::Truncated { .. })),
                "{refused:?}"
            );
        }
    }
}
