//! GGUF files of tiny models, written by the tests.
#![allow(dead_code, clippy::cast_possible_truncation, clippy::unwrap_used)]

/// A value of the metadata.
#[derive(Clone, Debug)]
pub enum Meta {
    U32(u32),
    F32(f32),
    Flag(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
}

/// A file that can be changed in one place.
#[derive(Clone, Debug)]
pub struct GgufFile {
    pub metadata: Vec<(String, Meta)>,
    /// Name, dimensions with the innermost first, type, bytes.
    pub tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl GgufFile {
    pub fn set(&mut self, key: &str, value: Meta) {
        self.remove(key);
        self.metadata.push((key.to_owned(), value));
    }

    pub fn remove(&mut self, key: &str) {
        self.metadata.retain(|(name, _)| name != key);
    }

    pub fn tensor(&mut self, name: &str) -> &mut (String, Vec<u64>, u32, Vec<u8>) {
        let mut tensors = self.tensors.iter_mut();
        tensors.find(|tensor| tensor.0 == name).unwrap()
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut out, key);
            let mut number = |kind: u32, bytes: &[u8]| {
                out.extend(kind.to_le_bytes());
                out.extend(bytes);
            };
            match value {
                Meta::U32(value) => number(4, &value.to_le_bytes()),
                Meta::F32(value) => number(6, &value.to_le_bytes()),
                Meta::Flag(value) => number(7, &[u8::from(*value)]),
                Meta::Text(value) => {
                    number(8, &[]);
                    text(&mut out, value);
                }
                Meta::Texts(values) => {
                    number(9, &8u32.to_le_bytes());
                    out.extend((values.len() as u64).to_le_bytes());
                    for value in values {
                        text(&mut out, value);
                    }
                }
                Meta::I32s(values) => {
                    number(9, &5u32.to_le_bytes());
                    out.extend((values.len() as u64).to_le_bytes());
                    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                }
            }
        }
        let mut offset = 0usize;
        for (name, dimensions, kind, bytes) in &self.tensors {
            text(&mut out, name);
            out.extend((dimensions.len() as u32).to_le_bytes());
            out.extend(dimensions.iter().flat_map(|n| n.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset = (offset + bytes.len()).next_multiple_of(32);
        }
        for (.., bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(bytes);
        }
        out
    }
}
