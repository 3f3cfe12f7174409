//! `matchmark synthesize`.

use matchmark_quant::{AttentionShape, HeadDim, KvHeads, QuantError, QueryHeads, StepRange};
use matchmark_runtime::{synthetic_trace, AttentionTrace};
use serde_json::json;

use crate::args::SynthesizeArgs;
use crate::error::{CliError, Outcome};
use crate::files;
use crate::output::Output;

/// Writes a trace of any shape, drawn by a fixed generator.
pub(crate) fn run(args: &SynthesizeArgs, output: &Output) -> Result<Outcome, CliError> {
    let trace = make(args).map_err(CliError::Synthetic)?;
    let output = output.beside(&args.to);
    files::write_trace(&args.to, &trace)?;
    let object = json!({
        "trace": args.to,
        "entries_before": args.prefix,
        "steps": args.steps,
    });
    output.result(&object, &format!("written to     {}", args.to))?;
    Ok(Outcome::Done)
}

fn make(args: &SynthesizeArgs) -> Result<AttentionTrace, QuantError> {
    let shape = shape(args.heads, args.kv_heads, args.head_dim)?;
    let steps = StepRange::new(args.prefix, args.steps)?;
    synthetic_trace(shape, args.bits, steps, args.seed)
}

/// The shape that arguments name; without a number of key/value heads there are as many as query heads.
pub(crate) fn shape(
    heads: u32,
    kv_heads: Option<u32>,
    head_dim: HeadDim,
) -> Result<AttentionShape, QuantError> {
    AttentionShape::new(
        QueryHeads::new(heads)?,
        KvHeads::new(kv_heads.unwrap_or(heads))?,
        head_dim,
    )
}
