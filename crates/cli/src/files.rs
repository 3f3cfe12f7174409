//! Input files and output files of the commands, and what a file is that was given for another.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;
use matchmark_composer::{segment_file_name, FileKind};
use matchmark_files::{is_standard, is_standard_output, InputError, MAX_FILE_BYTES};
use matchmark_runtime::AttentionTrace;

use crate::error::CliError;

/// Longest policy, key or table that is read.
const MAX_CONFIGURATION_BYTES: u64 = 16 << 20;
/// Longest text that is read.
const MAX_TEXT_BYTES: u64 = 1 << 30;
/// How a pointer begins that stands for a file in a Git repository.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The forms of files that go into a command, or that are taken for one that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
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
    /// A segment of a chain.
    Segment,
    /// What resuming a chain needs to know.
    Manifest,
    /// A pointer in the place of a file.
    Pointer,
    /// JSON, such as a tokenizer or a configuration.
    Json,
}

impl Form {
    fn name(self) -> &'static str {
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
            Self::Segment => "a segment of a chain",
            Self::Manifest => "the manifest of a chain",
            Self::Pointer => "a git-lfs pointer, and not the file that it stands for",
            Self::Json => "a JSON file",
        }
    }

    /// Where it is of use.
    fn help(self) -> &'static str {
        match self {
            Self::Policy => "a policy goes to `--policy`",
            Self::Key => "a key goes to `--key`",
            Self::Model => "a model goes to `--model`, or to `--tokenizer` for its tokenizer alone",
            Self::Trace | Self::Floats | Self::Tensors => {
                "integer tensors go to `--trace`, float tensors to `quantize --float`, and the weights of \
                 a trained model are taken by its folder: `quantize --model DIR`"
            }
            Self::Table => "a table goes to `--table`",
            Self::Segment | Self::Manifest => "a chain is named by its folder",
            Self::Pointer => "`git lfs pull` puts the file there",
            Self::Json => "of a trained model the folder is taken",
            Self::Text => "a text goes to `--text` or `--calibrate`",
            Self::Calibration => "`matchmark plan --calibrate` writes it",
        }
    }

    fn max_bytes(self) -> u64 {
        match self {
            Self::Policy | Self::Key | Self::Table | Self::Calibration => MAX_CONFIGURATION_BYTES,
            Self::Text => MAX_TEXT_BYTES,
            _ => MAX_FILE_BYTES,
        }
    }

    /// Whether a file of this form is one that is expected.
    fn is(self, expected: Self) -> bool {
        match expected {
            // A text may look like anything but what stands for it.
            Self::Text => self != Self::Pointer,
            Self::Trace | Self::Floats => self == Self::Tensors,
            _ => self == expected,
        }
    }
}

/// What the first bytes of a file say of its form, and of TOML the lines that only one form has.
fn recognize(bytes: &[u8]) -> Option<Form> {
    for (beginning, form) in [
        (&b"matchmark model\n"[..], Form::Model),
        (b"matchmark table", Form::Table),
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

/// Reads an input file; `-` is standard input. A file that is plainly of another form is refused by what
/// it is.
pub(crate) fn read(path: &Utf8Path, expected: Form) -> Result<Vec<u8>, CliError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if is_standard(path.as_std_path()) && TAKEN.swap(true, Ordering::Relaxed) {
        return Err(CliError::StandardInputTwice);
    }
    let read = matchmark_files::read_input(path.as_std_path(), expected.max_bytes());
    let bytes = read.map_err(|error| refused(path, expected, error))?;
    match recognize(&bytes) {
        Some(got) if !got.is(expected) => Err(CliError::OtherFile {
            path: path.to_owned(),
            expected: expected.name(),
            got: got.name().to_owned(),
            help: got.help(),
        }),
        _ => Ok(bytes),
    }
}

/// As [`read`], of a file of text.
pub(crate) fn read_text(path: &Utf8Path, expected: Form) -> Result<String, CliError> {
    String::from_utf8(read(path, expected)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let reason = format!("expected text in UTF-8, which ends at byte {at}");
        CliError::Read {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, reason),
        }
    })
}

fn refused(path: &Utf8Path, expected: Form, error: InputError) -> CliError {
    let got = match error {
        InputError::NotRegular { got } => got,
        error => {
            return CliError::Read {
                path: path.to_owned(),
                source: error.into(),
            }
        }
    };
    CliError::OtherFile {
        path: path.to_owned(),
        expected: expected.name(),
        got: got.to_string(),
        help: match (got, expected) {
            (FileKind::Directory, Form::Model) => {
                "`matchmark quantize --model DIR` makes a model's file of the folder of a trained one"
            }
            (FileKind::Directory, _) => "name the file in it",
            _ => "name a regular file, or `-` for standard input",
        },
    }
}

/// Writes an output file: whole or not at all, if it is one; `-` is standard output.
pub(crate) fn write(path: &Utf8Path, bytes: &[u8]) -> Result<(), CliError> {
    match matchmark_files::write_output(path.as_std_path(), bytes) {
        // Who reads it has seen enough.
        Err(error)
            if error.kind() == io::ErrorKind::BrokenPipe
                && is_standard_output(path.as_std_path()) =>
        {
            Ok(())
        }
        written => written.map_err(|source| CliError::Write {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes a trace, as [`write`] writes.
pub(crate) fn write_trace(path: &Utf8Path, trace: &AttentionTrace) -> Result<(), CliError> {
    let bytes = trace.encode().map_err(|source| CliError::WriteTensors {
        path: path.to_owned(),
        source,
    })?;
    write(path, &bytes)
}

/// Refuses a file, or a part of a chain, where the folder of a chain is wanted. What is not there is left
/// to whoever needs it.
pub(crate) fn check_chain_folder(path: &Utf8Path) -> Result<(), CliError> {
    let expected = "the folder of a chain";
    if path.join(segment_file_name(0)).symlink_metadata().is_ok() {
        return Err(CliError::OtherFile {
            path: path.to_owned(),
            expected,
            got: "the folder of its segments".to_owned(),
            help: "name the folder above it",
        });
    }
    check_folder(path, expected)
}

/// Refuses what is not a folder. What is not there is left to whoever needs it.
pub(crate) fn check_folder(path: &Utf8Path, expected: &'static str) -> Result<(), CliError> {
    let Ok(metadata) = path.metadata() else {
        return Ok(());
    };
    if metadata.is_dir() {
        return Ok(());
    }
    let form = beginning(path.as_std_path()).and_then(|bytes| recognize(&bytes));
    let kind = FileKind::of(metadata.file_type());
    Err(CliError::OtherFile {
        path: path.to_owned(),
        expected,
        got: form.map_or_else(|| kind.to_string(), |form| form.name().to_owned()),
        help: form.map_or("name a folder", Form::help),
    })
}

/// What a file is recognized by, if it is one: all of a short one, and the first bytes of a long one.
fn beginning(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = matchmark_files::open(path).ok()?;
    file.take(1 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
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
