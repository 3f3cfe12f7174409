//! `matchmark keygen`.

use matchmark_composer::{ModelCache, ModelKey, PlanError};
use matchmark_quant::SegmentSteps;
use matchmark_runtime::write_file_atomically;
use matchmark_statement::SecurityLevel;
use serde_json::json;

use crate::args::KeygenArgs;
use crate::error::{CliError, Outcome};
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
    step.say("committing the model, once for every blowup and height");
    let cache = args.cache.as_ref().map(ModelCache::new);
    let cache = cache.as_ref();
    let resources = memory(&args.memory);
    let (key, text) = if let Some(known) = &known {
        known.check_model(&args.model, &model)?;
        let enough = resources.check_key_again(&model, &known.key);
        enough.map_err(|error| CliError::Keygen(error.into()))?;
        let key = known.key.rederive_with_cache(&model, cache);
        let key = key.map_err(CliError::Keygen)?;
        known.check_key(&args.model, &key)?;
        (key, format!("{} is the key of {}", known.path, args.model))
    } else {
        let longest = match args.max_segment_steps {
            Some(steps) => steps,
            None => SegmentSteps::new(ModelKey::MAX_SEGMENT_STEPS).map_err(PlanError::from)?,
        };
        let levels = match &args.levels[..] {
            [] => &SecurityLevel::ALL,
            levels => levels,
        };
        let enough = resources.check_key(&model, levels, longest);
        enough.map_err(|error| CliError::Keygen(error.into()))?;
        let key = ModelKey::derive_with_cache(&model, levels, longest, cache);
        let key = key.map_err(CliError::Keygen)?;
        let mut text = String::new();
        if let Some(to) = &args.to {
            let file = key.to_toml();
            let write = || write_file_atomically(to.as_std_path(), file.as_bytes());
            interrupt::whole(write).map_err(|source| CliError::Write {
                path: to.clone(),
                source,
            })?;
            text = format!("written to {to}");
        }
        (key, text)
    };
    drop(step);
    let identity = key.outline().identity;
    let object = json!({
        "model": identity,
        "tokenizer": key.tokenizer(),
        "max_segment_steps": key.max_segment_steps(),
        "weights": key.weights(),
        "key": args.to.as_ref().or(args.check.as_ref()),
    });
    let count = key.weights().len();
    let text = format!("{text}\nmodel      {identity}\nweights    {count} commitments");
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}
