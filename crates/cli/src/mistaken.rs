//! Which option takes a file that was given for another, or says what a policy is refused for.

use matchmark::error::Error;
use matchmark::files::{Form, Found};
use matchmark_composer::FileKind;

/// What to do instead, where an error is about a file that was given for another, or about other end tokens
/// than the key's.
pub(crate) fn help(error: &Error) -> Option<&'static str> {
    let (expected, got) = match error {
        Error::OtherFile { expected, got, .. } => (expected, got),
        Error::KeyMismatch {
            field: "end_tokens",
            ..
        } => {
            return Some(
                "with `--stop TOKEN` a verifier accepts other end tokens than the key's, with `--no-stop` none",
            )
        }
        _ => return None,
    };
    Some(match got {
        Found::Form(form) => option_of(*form),
        Found::SegmentsFolder => "name the folder above it",
        Found::Kind(FileKind::Directory) if *expected == Form::Model.name() => {
            "`matchmark quantize --model DIR` makes a model's file of the folder of a trained one"
        }
        Found::Kind(FileKind::Directory) => "name the file in it",
        Found::Kind(_) if expected.starts_with(FOLDER) => "name a folder",
        Found::Kind(_) => "name a regular file, or `-` for standard input",
    })
}

/// How the name of a folder begins that is wanted.
const FOLDER: &str = "the folder of";

/// Where a file of this form is of use.
fn option_of(form: Form) -> &'static str {
    match form {
        Form::Policy => "a policy goes to `--policy`",
        Form::Key => "a key goes to `--key`",
        Form::Model => "a model goes to `--model`, or to `--tokenizer` for its tokenizer alone",
        Form::Trace | Form::Floats | Form::Tensors => {
            "integer tensors go to `--trace`, float tensors to `quantize --float`, and the weights of \
             a trained model are taken by its folder: `quantize --model DIR`"
        }
        Form::Gguf => {
            "a GGUF file goes to `quantize --model`, or to `--tokenizer` for its tokenizer alone"
        }
        Form::Table => "a table goes to `--table`",
        Form::PartInput => "the input of a part goes to `part --input`",
        Form::Segment | Form::Manifest => "a chain is named by its folder",
        Form::Pointer => "`git lfs pull` puts the file there",
        Form::Json => "of a trained model the folder is taken",
        Form::Text => "a text goes to `--text` or `--calibrate`",
        Form::Calibration => "`matchmark plan --calibrate` writes it",
    }
}
