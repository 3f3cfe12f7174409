//! `matchmark quantize`.

use camino::Utf8Path;
use matchmark::files::{self, Form};
use matchmark_graph::ModelArithmetic;
use matchmark_models::{quantize_model, ImportOptions, QuantizeOptions};
use matchmark_quant::ValueBits;
use matchmark_runtime::quantize_bytes;
use serde_json::json;

use crate::args::QuantizeArgs;
use crate::error::{CliError, Outcome};
use crate::files::write_trace;
use crate::interrupt;
use crate::output::Output;
use crate::progress::Step;
use crate::sequences::read_sequences;

/// Makes an integer trace from float tensors, or an integer model from a trained one.
pub(crate) fn run(args: &QuantizeArgs, output: &Output) -> Result<Outcome, CliError> {
    interrupt::watch();
    let output = &output.beside(&args.to);
    // One of both is there, each with what it needs: the arguments say so.
    match (&args.model, &args.calibrate, &args.float) {
        (Some(model), Some(calibrate), _) => model_file(args, model, calibrate, output),
        (_, _, float) => trace_file(args, float.as_deref().unwrap_or("".into()), output),
    }
}

fn trace_file(args: &QuantizeArgs, float: &Utf8Path, output: &Output) -> Result<Outcome, CliError> {
    let (prefix, bits) = (args.prefix.unwrap_or(0), args.bits.unwrap_or_default());
    let (trace, report) =
        quantize_bytes(files::read(float, Form::Floats)?, prefix, bits).map_err(|source| {
            CliError::Floats {
                path: float.to_owned(),
                source,
            }
        })?;
    interrupt::whole(|| write_trace(&args.to, &trace))?;
    let object = json!({ "trace": args.to, "fidelity": report });
    output.result(&object, &format!("{report}\nwritten to     {}", args.to))?;
    Ok(Outcome::Done)
}

/// Tokens that a prefix has at most.
const MOST_PREFIX: usize = 64;

fn model_file(
    args: &QuantizeArgs,
    folder: &Utf8Path,
    calibrate: &Utf8Path,
    output: &Output,
) -> Result<Outcome, CliError> {
    let bits = match args.bits {
        Some(bits) => bits,
        None => ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS)
            .map_err(matchmark_models::ModelError::from)?,
    };
    let step = Step::new("reading the model");
    let positions = args.positions;
    let float = files::trained_model(folder, ImportOptions { positions })?;
    drop(step);
    let mut options = QuantizeOptions::new(bits);
    if !args.no_prefix {
        // Not all positions: something has to follow.
        let most = MOST_PREFIX.min(float.shape.positions() / 2);
        options.prefix = float.tokenizer.chat_prefix(most);
    }
    let positions = float.shape.positions() - options.prefix.len();
    let sequences = read_sequences(calibrate, &float.tokenizer, positions)?;
    let tokens: usize = sequences.iter().map(Vec::len).sum();
    let step = Step::new(format!(
        "running the model over {tokens} tokens and rounding its weights"
    ));
    let (model, report) = quantize_model(&float, &sequences, &options)?;
    drop(step);
    interrupt::whole(|| files::write(&args.to, &model.to_bytes()))?;
    let object = json!({ "model": args.to, "quantization": report });
    output.result(&object, &format!("{report}\nwritten to     {}", args.to))?;
    Ok(Outcome::Done)
}
