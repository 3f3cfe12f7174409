//! Files by their path: read, written, and named by what they are where one was given for another.
//!
//! Whatever stands in the place of a file, nothing here waits for it or reads it without a bound. `-` is
//! standard input, for one file, and standard output.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;
#[cfg(feature = "prover")]
use matchmark_composer::PartInput;
use matchmark_composer::{segment_file_name, FileKind};
use matchmark_files::{is_standard, is_standard_output, InputError};
#[cfg(feature = "model")]
use matchmark_models::{FloatModel, ImportOptions, Tokenizer};
#[cfg(feature = "prover")]
use matchmark_runtime::AttentionTrace;
use matchmark_statement::AcceptancePolicy;
#[cfg(feature = "prover")]
use matchmark_tables::WeightTable;

use crate::error::Error;
use crate::form::recognize;
pub use crate::form::{Form, Found};
use crate::key::Key;
#[cfg(feature = "model")]
use crate::model::Model;

/// Reads an input file; `-` is standard input. A file that is plainly of another form is refused by what
/// it is.
///
/// # Errors
///
/// [`Error::Read`] if the system refuses it, [`Error::OtherFile`] for another form, and
/// [`Error::StandardInputTwice`].
pub fn read(path: &Utf8Path, expected: Form) -> Result<Vec<u8>, Error> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if is_standard(path.as_std_path()) && TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Error::StandardInputTwice);
    }
    let read = matchmark_files::read_input(path.as_std_path(), expected.max_bytes());
    let bytes = read.map_err(|error| refused(path, expected, error))?;
    match recognize(&bytes) {
        Some(got) if !got.is(expected) => Err(Error::OtherFile {
            path: path.to_owned(),
            expected: expected.name(),
            got: Found::Form(got),
        }),
        _ => Ok(bytes),
    }
}

/// As [`read`], of a file of text.
///
/// # Errors
///
/// Those of [`read`], and for what is not UTF-8.
pub fn read_text(path: &Utf8Path, expected: Form) -> Result<String, Error> {
    String::from_utf8(read(path, expected)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let reason = format!("expected text in UTF-8, which ends at byte {at}");
        Error::Read {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, reason),
        }
    })
}

fn refused(path: &Utf8Path, expected: Form, error: InputError) -> Error {
    let got = match error {
        InputError::NotRegular { got } => got,
        error => {
            return Error::Read {
                path: path.to_owned(),
                source: error.into(),
            }
        }
    };
    Error::OtherFile {
        path: path.to_owned(),
        expected: expected.name(),
        got: Found::Kind(got),
    }
}

/// Writes a file: whole or not at all, if it is one; `-` is standard output.
///
/// # Errors
///
/// [`Error::Write`]. A reader of standard output that has seen enough is no error.
pub fn write(path: &Utf8Path, bytes: &[u8]) -> Result<(), Error> {
    match matchmark_files::write_output(path.as_std_path(), bytes) {
        // Who reads it has seen enough.
        Err(error)
            if error.kind() == io::ErrorKind::BrokenPipe
                && is_standard_output(path.as_std_path()) =>
        {
            Ok(())
        }
        written => written.map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Reads an acceptance policy.
///
/// # Errors
///
/// Those of [`read`], and [`Error::Policy`].
pub fn policy(path: impl AsRef<Utf8Path>) -> Result<AcceptancePolicy, Error> {
    let path = path.as_ref();
    let policy = AcceptancePolicy::from_toml(&read_text(path, Form::Policy)?);
    policy.map_err(|error| Error::from(error).in_file(path))
}

/// Reads the key of a model.
///
/// # Errors
///
/// Those of [`read`], and [`Error::Key`].
pub fn key(path: impl AsRef<Utf8Path>) -> Result<Key, Error> {
    let path = path.as_ref();
    let key = Key::from_toml(&read_text(path, Form::Key)?);
    key.map_err(|error| error.in_file(path))
}

/// Reads the input of a part of a chain.
///
/// # Errors
///
/// Those of [`read`], and [`Error::Prove`].
#[cfg(feature = "prover")]
pub fn part_input(path: impl AsRef<Utf8Path>) -> Result<PartInput, Error> {
    let path = path.as_ref();
    let input = PartInput::from_bytes(&read(path, Form::PartInput)?);
    input.map_err(|error| Error::from(error).in_file(path))
}

/// Reads an integer model.
///
/// # Errors
///
/// Those of [`read`], and [`Error::Model`].
#[cfg(feature = "model")]
pub fn model(path: impl AsRef<Utf8Path>) -> Result<Model, Error> {
    let path = path.as_ref();
    let model = Model::from_bytes(&read(path, Form::Model)?);
    model.map_err(|error| error.in_file(path))
}

/// Reads a trained model: a folder in the format of Hugging Face, or a GGUF file.
///
/// # Errors
///
/// [`Error::OtherFile`] for another file, and [`Error::Import`].
#[cfg(feature = "model")]
pub fn trained_model(
    path: impl AsRef<Utf8Path>,
    options: ImportOptions,
) -> Result<FloatModel, Error> {
    let path = path.as_ref();
    if !is_gguf(path) {
        let expected =
            "the folder of a trained model (config.json, model.safetensors, tokenizer.json) or a GGUF file";
        check_folder(path, expected)?;
    }
    let model = FloatModel::read_with(path.as_std_path(), options);
    model.map_err(|error| Error::from(error).in_file(path))
}

/// Whether this is a GGUF file.
#[cfg(feature = "model")]
fn is_gguf(path: &Utf8Path) -> bool {
    let found = beginning(path.as_std_path()).and_then(|bytes| recognize(&bytes));
    found == Some(Form::Gguf)
}

/// Reads the tokenizer of a model: from the folder or the GGUF file of a trained one, or from an integer
/// model's file.
///
/// # Errors
///
/// Those of [`model()`], and [`Error::Import`] for a trained one.
#[cfg(feature = "model")]
pub fn tokenizer(path: impl AsRef<Utf8Path>) -> Result<Tokenizer, Error> {
    let path = path.as_ref();
    if path.is_dir() || is_gguf(path) {
        let tokenizer = FloatModel::read_tokenizer(path.as_std_path());
        return tokenizer.map_err(|error| Error::from(error).in_file(path));
    }
    Ok(model(path)?.tokenizer().clone())
}

/// Reads the trace of an attention layer: integer tensors.
///
/// # Errors
///
/// Those of [`read`], and [`Error::Trace`].
#[cfg(feature = "prover")]
pub fn trace(path: impl AsRef<Utf8Path>) -> Result<AttentionTrace, Error> {
    let path = path.as_ref();
    let trace = AttentionTrace::decode(read(path, Form::Trace)?);
    trace.map_err(|error| Error::from(error).in_file(path))
}

/// Reads a weight table.
///
/// # Errors
///
/// Those of [`read`], and [`Error::Table`].
#[cfg(feature = "prover")]
pub fn table(path: impl AsRef<Utf8Path>) -> Result<WeightTable, Error> {
    let path = path.as_ref();
    let table = WeightTable::parse(&read_text(path, Form::Table)?);
    table.map_err(|error| Error::from(error).in_file(path))
}

/// Refuses a file, or a part of a chain, where the folder of a chain is wanted. What is not there is left
/// to whoever needs it.
///
/// # Errors
///
/// [`Error::OtherFile`].
pub fn check_chain_folder(path: &Utf8Path) -> Result<(), Error> {
    let expected = "the folder of a chain";
    if path.join(segment_file_name(0)).symlink_metadata().is_ok() {
        return Err(Error::OtherFile {
            path: path.to_owned(),
            expected,
            got: Found::SegmentsFolder,
        });
    }
    check_folder(path, expected)
}

/// Refuses what is no folder. What is not there is left to whoever needs it.
///
/// # Errors
///
/// [`Error::OtherFile`].
pub fn check_folder(path: &Utf8Path, expected: &'static str) -> Result<(), Error> {
    let Ok(metadata) = path.metadata() else {
        return Ok(());
    };
    if metadata.is_dir() {
        return Ok(());
    }
    let form = beginning(path.as_std_path()).and_then(|bytes| recognize(&bytes));
    let kind = FileKind::of(metadata.file_type());
    Err(Error::OtherFile {
        path: path.to_owned(),
        expected,
        got: form.map_or(Found::Kind(kind), Found::Form),
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
