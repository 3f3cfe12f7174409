//! `matchmark quantize`.

use matchmark_runtime::quantize_file;
use serde_json::json;

use crate::args::QuantizeArgs;
use crate::error::{CliError, Outcome};
use crate::output::Output;

/// Makes an integer trace from float tensors.
pub(crate) fn run(args: &QuantizeArgs, output: &Output) -> Result<Outcome, CliError> {
    let (trace, report) =
        quantize_file(args.float.as_std_path(), args.prefix, args.bits).map_err(|source| {
            CliError::Floats {
                path: args.float.clone(),
                source,
            }
        })?;
    trace
        .save(&args.to)
        .map_err(|source| CliError::WriteTensors {
            path: args.to.clone(),
            source,
        })?;
    let object = json!({ "trace": args.to, "fidelity": report });
    output.result(&object, &format!("{report}\nwritten to     {}", args.to))?;
    Ok(Outcome::Done)
}
