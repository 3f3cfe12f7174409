//! `matchmark keygen`.

use matchmark::{files, unused_instructions, Key, KeyOptions};
use matchmark_composer::{peak_memory_bytes, processor_time_ms};
use serde_json::json;

use crate::args::KeygenArgs;
use crate::error::{CliError, Outcome};
use crate::interrupt;
use crate::models::NamedKey;
use crate::options::memory;
use crate::output::Output;
use crate::progress::Step;

/// Derives the key of a model, and writes it or compares it.
pub(crate) fn run(args: &KeygenArgs, output: &Output) -> Result<Outcome, CliError> {
    interrupt::watch();
    // What is wrong with a key is known before anything is committed.
    let known = args.check.as_deref().map(NamedKey::load).transpose()?;
    let step = Step::new("reading the model");
    let model = files::model(&args.model)?;
    let on_tree = &mut |done: usize, all: usize| {
        step.say(format!(
            "committing the model and its circuits: {done} of {all} trees"
        ));
    };
    let resources = memory(&args.memory);
    let (key, text) = if let Some(known) = known {
        let checked = known.key.check_derivation(&model, &resources, on_tree);
        checked.map_err(known.names(&args.model))?;
        let text = format!("{} is the key of {}", known.path, args.model);
        (known.key, text)
    } else {
        let options = KeyOptions::default()
            .levels(args.levels.iter().copied())
            .profiles(args.profiles.iter().copied())
            .segment_steps(args.segment_steps.iter().copied())
            .chain_steps(args.steps.iter().copied())
            .granularity(args.granularity)
            .cuts(args.cuts.iter().copied())
            .layers(args.layers.iter().map(|layers| layers.get()));
        let key = Key::derive_with(&model, &options, &resources, on_tree)?;
        let mut text = String::new();
        if let Some(to) = &args.to {
            interrupt::whole(|| files::write(to, key.to_toml().as_bytes()))?;
            text = format!("written to {to}");
        }
        (key, text)
    };
    drop(step);
    let key = key.as_ref();
    let identity = key.outline().identity;
    let object = json!({
        "model": identity,
        "tokenizer": key.tokenizer(),
        "segment_steps": key.segment_steps(),
        "granularity": key.granularity(),
        "cuts": key.cuts(),
        "chain_steps": key.chain_steps(),
        "weights": key.weights(),
        "circuits": key.circuits(),
        "key": args.to.as_ref().or(args.check.as_ref()),
        "keygen_cpu_ms": processor_time_ms(),
        "peak_rss_bytes": peak_memory_bytes(),
        "unused_instructions": unused_instructions(),
    });
    let commitments = key.weights().len();
    let circuits = key.circuits().iter();
    let circuits: usize = circuits
        .map(|circuits| 1 + circuits.whole.len() + circuits.arithmetic.len())
        .sum();
    let text = format!(
        "{text}\nmodel      {identity}\nweights    {commitments} commitments\ncircuits   {circuits}"
    );
    let output = args.to.as_ref().map_or(*output, |to| output.beside(to));
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}
