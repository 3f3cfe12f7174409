//! Just enough of the safetensors container to make traces of traces: I8 tensors and the metadata.
//!
//! Eight bytes with the length of a JSON header, the header, then the tensors' bytes.

use serde_json::{json, Map, Value};

const METADATA: &str = "__metadata__";

/// A tensor of signed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Lengths of its axes, the slowest first.
    pub shape: [usize; 3],
    /// Its elements.
    pub data: Vec<u8>,
}

/// A file's tensors by name, and its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// In the order in which they are written.
    pub tensors: Vec<(String, Tensor)>,
    /// String metadata, as the file has it.
    pub metadata: Value,
}

impl File {
    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        let found = self.tensors.iter().find(|(own, _)| own == name);
        found.map(|(_, tensor)| tensor)
    }

    /// Reads a file of which every tensor is I8 with three axes; what is wrong otherwise.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or("no header length")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
        let (header, data) = rest
            .split_at_checked(length)
            .ok_or("the header is cut off")?;
        let mut header: Map<String, Value> =
            serde_json::from_slice(header).map_err(|error| error.to_string())?;
        let metadata = header.remove(METADATA).unwrap_or_else(|| json!({}));
        let tensors = header
            .into_iter()
            .map(|(name, info)| {
                let tensor =
                    tensor(&info, data).ok_or(format!("{name}: no I8 tensor of 3 axes"))?;
                Ok((name, tensor))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { tensors, metadata })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut header = Map::new();
        header.insert(METADATA.to_owned(), self.metadata.clone());
        let mut data = Vec::new();
        for (name, tensor) in &self.tensors {
            let begin = data.len();
            data.extend_from_slice(&tensor.data);
            let offsets = [begin, data.len()];
            let info = json!({"dtype": "I8", "shape": tensor.shape, "data_offsets": offsets});
            header.insert(name.clone(), info);
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        // Tensors begin at a multiple of eight bytes.
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.append(&mut header);
        bytes.append(&mut data);
        bytes
    }
}

fn tensor(info: &Value, data: &[u8]) -> Option<Tensor> {
    let numbers = |value: &Value| -> Option<Vec<usize>> {
        let numbers = value.as_array()?.iter().map(Value::as_u64);
        numbers
            .map(|number| usize::try_from(number?).ok())
            .collect()
    };
    let shape: [usize; 3] = numbers(&info["shape"])?.try_into().ok()?;
    let [begin, end]: [usize; 2] = numbers(&info["data_offsets"])?.try_into().ok()?;
    let data = data.get(begin..end)?.to_vec();
    let elements = shape
        .iter()
        .try_fold(1usize, |product, &axis| product.checked_mul(axis))?;
    (info["dtype"] == "I8" && data.len() == elements).then_some(Tensor { shape, data })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sample() -> File {
        let tensor = |shape, data: &[u8]| Tensor {
            shape,
            data: data.to_vec(),
        };
        File {
            tensors: vec![
                ("k".into(), tensor([1, 1, 2], &[7, 255])),
                ("q".into(), tensor([1, 2, 2], &[1, 2, 3, 4])),
            ],
            metadata: json!({"matchmark.value_bits": "8"}),
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let bytes = sample().to_bytes();
        assert_eq!((bytes.len() - 6) % 8, 0);
        assert_eq!(File::parse(&bytes).unwrap(), sample());
        assert_eq!(sample().tensor("q").unwrap().shape, [1, 2, 2]);
        assert!(sample().tensor("v").is_none());
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let bytes = sample().to_bytes();
        for length in 0..bytes.len() {
            assert!(File::parse(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn other_types_are_refused() {
        let text = r#"{"q":{"dtype":"F32","shape":[1,1,1],"data_offsets":[0,1]}}"#;
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        assert_eq!(
            File::parse(&bytes).unwrap_err(),
            "q: no I8 tensor of 3 axes"
        );
    }
}
