//! What files are, by what is in them.

use std::fmt;

use matchmark_composer::FileKind;
use matchmark_files::MAX_FILE_BYTES;

/// Longest policy, key or table that is read.
const MAX_CONFIGURATION_BYTES: u64 = 16 << 20;
/// Longest text that is read.
const MAX_TEXT_BYTES: u64 = 1 << 30;
/// How a pointer begins that stands for a file in a Git repository.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The forms of files that are read here, or that are taken for one of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// An acceptance policy.
    Policy,
    /// The key of a model.
    Key,
    /// An integer model.
    Model,
    /// Integer tensors.
    Trace,
    /// Float tensors.
    Floats,
    /// A weight table.
    Table,
    /// A text.
    Text,
    /// What was measured of this machine.
    Calibration,
    /// A file of tensors, of whatever type.
    Tensors,
    /// A trained model in a file of llama.cpp.
    Gguf,
    /// A segment of a chain.
    Segment,
    /// What a part of a chain is proven from.
    PartInput,
    /// What resuming a chain needs to know.
    Manifest,
    /// A pointer in the place of a file.
    Pointer,
    /// JSON, such as a tokenizer or a configuration.
    Json,
}

impl Form {
    /// What such a file is, in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "an acceptance policy",
            Self::Key => "the key of a model",
            Self::Model => "an integer model (.mm)",
            Self::Trace => "a safetensors file of integer tensors",
            Self::Floats => "a safetensors file of float tensors",
            Self::Table => "a weight table",
            Self::Text => "a text",
            Self::Calibration => "the calibration of a machine",
            Self::Tensors => "a safetensors file",
            Self::Gguf => "a GGUF file",
            Self::Segment => "a segment of a chain",
            Self::PartInput => "the input of a part of a chain",
            Self::Manifest => "the manifest of a chain",
            Self::Pointer => "a git-lfs pointer, and not the file that it stands for",
            Self::Json => "a JSON file",
        }
    }

    pub(crate) fn max_bytes(self) -> u64 {
        match self {
            Self::Policy | Self::Key | Self::Table | Self::Calibration => MAX_CONFIGURATION_BYTES,
            Self::Text => MAX_TEXT_BYTES,
            _ => MAX_FILE_BYTES,
        }
    }

    /// Whether a file of this form is one that is expected.
    pub(crate) fn is(self, expected: Self) -> bool {
        match expected {
            // A text may look like anything but what stands for it.
            Self::Text => self != Self::Pointer,
            Self::Trace | Self::Floats => self == Self::Tensors,
            _ => self == expected,
        }
    }
}

/// What stands where something else is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file of another form.
    Form(Form),
    /// Something that is no regular file.
    Kind(FileKind),
    /// The folder of a chain's segments, in the place of the chain's.
    SegmentsFolder,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(form) => f.write_str(form.name()),
            Self::Kind(kind) => kind.fmt(f),
            Self::SegmentsFolder => f.write_str("the folder of its segments"),
        }
    }
}

/// What the first bytes of a file say of its form, and of TOML the lines that only one form has.
pub(crate) fn recognize(bytes: &[u8]) -> Option<Form> {
    for (beginning, form) in [
        (&b"matchmark model\n"[..], Form::Model),
        (b"matchmark table", Form::Table),
        (b"matchmark part input\n", Form::PartInput),
        (b"GGUF", Form::Gguf),
        (b"MATCHMRK", Form::Segment),
        (POINTER, Form::Pointer),
        (b"{", Form::Json),
    ] {
        if bytes.starts_with(beginning) {
            return Some(form);
        }
    }
    if let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length);
        if rest.first() == Some(&b'{') && length <= rest.len() as u64 {
            return Some(Form::Tensors);
        }
    }
    if bytes.len() as u64 > MAX_CONFIGURATION_BYTES {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let has = |beginning: &str| text.lines().any(|line| line.starts_with(beginning));
    if !has("format = ") {
        None
    } else if has("relation_digest = ") && has("tokenizer = ") {
        Some(Form::Key)
    } else if has("[inputs]") && has("[terms") {
        Some(Form::Manifest)
    } else if has("[domain]") && has("[quantization]") {
        Some(Form::Policy)
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_recognized() {
        let mut tensors = 2_u64.to_le_bytes().to_vec();
        tensors.extend(b"{}");
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
        for (bytes, form) in [
            (&b"matchmark model\n\x01"[..], Some(Form::Model)),
            (b"matchmark table 1\n", Some(Form::Table)),
            (b"MATCHMRK\x01", Some(Form::Segment)),
            (b"matchmark part input\n\x01", Some(Form::PartInput)),
            (pointer, Some(Form::Pointer)),
            (b"{\"a\": 1}", Some(Form::Json)),
            (&tensors, Some(Form::Tensors)),
            (b"", None),
            (b"Once upon a time", None),
            (b"format = 1\n", None),
            (b"\xff\xfe", None),
        ] {
            assert_eq!(recognize(bytes), form);
        }
    }

    #[test]
    fn a_text_may_look_like_anything() {
        for form in [Form::Json, Form::Policy, Form::Table] {
            assert!(form.is(Form::Text));
        }
        assert!(!Form::Pointer.is(Form::Text));
        assert!(Form::Tensors.is(Form::Trace) && !Form::Tensors.is(Form::Model));
    }
}
