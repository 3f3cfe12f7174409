//! `matchmark part`.

use matchmark::{files, CancelToken, PartInput};
use serde_json::json;

use crate::args::PartArgs;
use crate::error::{CliError, Outcome};
use crate::interrupt;
use crate::options::memory;
use crate::output::Output;
use crate::progress::Step;

/// Proves one part of a chain that was begun, or writes what it is proven from.
pub(crate) fn run(args: &PartArgs, output: &Output) -> Result<Outcome, CliError> {
    files::check_chain_folder(&args.directory)?;
    interrupt::watch();
    let step = Step::new("reading the chain");
    let chain = matchmark::resume(&args.directory)
        .resources(memory(&args.memory))
        .cancel(&CancelToken::new())
        .begin()?;
    let input = match (&args.input, args.part) {
        (Some(path), _) => files::part_input(path)?,
        // The arguments demand one of both.
        (None, part) => {
            step.say("executing the model");
            chain.part_input(part.unwrap_or(0))?
        }
    };
    if let Some(to) = &args.write_input {
        drop(step);
        return write(&input, to, output);
    }
    step.say("proving the part");
    let proven = chain.prove_part(&input)?;
    drop(step);
    let text = format!(
        "proven: part {}, group {} of segment {}, {} bytes",
        proven.part, proven.group, proven.segment, proven.proof_bytes
    );
    output.result(&json!(proven), &text)?;
    Ok(Outcome::Done)
}

fn write(input: &PartInput, to: &camino::Utf8Path, output: &Output) -> Result<Outcome, CliError> {
    let bytes = input.to_bytes().map_err(matchmark::Error::from)?;
    interrupt::whole(|| files::write(to, &bytes))?;
    let object = json!({ "part": input.part(), "input": to, "bytes": bytes.len() });
    let text = format!("written to {to}: the input of part {}", input.part());
    output.beside(to).result(&object, &text)?;
    Ok(Outcome::Done)
}
