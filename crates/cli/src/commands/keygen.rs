//! `matchmark keygen`.

use matchmark_composer::{derive_key, rederive_key, unused_instructions, KeyOptions, PlanError};
use matchmark_statement::SecurityLevel;
use serde_json::json;

use crate::args::KeygenArgs;
use crate::error::{CliError, Outcome};
use crate::files;
use crate::interrupt;
use crate::models::{load_model, NamedKey};
use crate::options::memory;
use crate::output::Output;
use crate::progress::Step;

/// Derives the key of a model, and writes it or compares it.
pub(crate) fn run(args: &KeygenArgs, output: &Output) -> Result<Outcome, CliError> {
    interrupt::watch();
    // What is wrong with a key is known before anything is committed.
    let known = args.check.as_deref().map(NamedKey::load).transpose()?;
    let step = Step::new("reading the model");
    let model = load_model(&args.model)?;
    let on_tree = &mut |done: usize, all: usize| {
        step.say(format!(
            "committing the model and its circuits: {done} of {all} trees"
        ));
    };
    let resources = memory(&args.memory);
    let (key, text) = if let Some(known) = &known {
        known.check_model(&args.model, &model)?;
        let enough = resources.check_key_again(&model, &known.key);
        enough.map_err(|error| CliError::Keygen(error.into()))?;
        let key = rederive_key(&known.key, &model, on_tree);
        let key = key.map_err(CliError::Keygen)?;
        known.check_key(&args.model, &key)?;
        (key, format!("{} is the key of {}", known.path, args.model))
    } else {
        let levels = match &args.levels[..] {
            [] => &[SecurityLevel::default()][..],
            levels => levels,
        };
        let mut options = KeyOptions::of_levels(levels).map_err(PlanError::from)?;
        if !args.profiles.is_empty() {
            let securities = &mut options.securities;
            securities.retain(|security| args.profiles.contains(&security.profile()));
        }
        if !args.segment_steps.is_empty() {
            options.segment_steps.clone_from(&args.segment_steps);
        }
        let enough = resources.check_key(&model, &options);
        enough.map_err(|error| CliError::Keygen(error.into()))?;
        let key = derive_key(&model, &options, on_tree);
        let key = key.map_err(CliError::Keygen)?;
        let mut text = String::new();
        if let Some(to) = &args.to {
            interrupt::whole(|| files::write(to, key.to_toml().as_bytes()))?;
            text = format!("written to {to}");
        }
        (key, text)
    };
    drop(step);
    let identity = key.outline().identity;
    let object = json!({
        "model": identity,
        "tokenizer": key.tokenizer(),
        "segment_steps": key.segment_steps(),
        "weights": key.weights(),
        "circuits": key.circuits(),
        "key": args.to.as_ref().or(args.check.as_ref()),
        "unused_instructions": unused_instructions(),
    });
    let commitments = key.weights().len();
    let circuits = key.circuits().iter();
    let circuits: usize = circuits.map(|circuits| circuits.roots.len()).sum();
    let text = format!(
        "{text}\nmodel      {identity}\nweights    {commitments} commitments\ncircuits   {circuits}"
    );
    let output = args.to.as_ref().map_or(*output, |to| output.beside(to));
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}
