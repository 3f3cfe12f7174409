//! `matchmark keygen`.

use matchmark_composer::{ModelCache, ModelKey, PlanError};
use matchmark_quant::SegmentSteps;
use matchmark_statement::SecurityLevel;
use serde_json::json;

use crate::args::KeygenArgs;
use crate::error::{CliError, Outcome};
use crate::files;
use crate::models::{load_model, NamedKey};
use crate::output::Output;

/// Derives the key of a model, and writes it or compares it.
pub(crate) fn run(args: &KeygenArgs, output: &Output) -> Result<Outcome, CliError> {
    // What is wrong with a key is known before anything is committed.
    let known = args.check.as_deref().map(NamedKey::load).transpose()?;
    let model = load_model(&args.model)?;
    let cache = args.cache.as_ref().map(ModelCache::new);
    let cache = cache.as_ref();
    let (key, text) = if let Some(known) = &known {
        known.check_model(&args.model, &model)?;
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
        let key = ModelKey::derive_with_cache(&model, levels, longest, cache);
        let key = key.map_err(CliError::Keygen)?;
        let mut text = String::new();
        if let Some(to) = &args.to {
            files::write(to, key.to_toml().as_bytes())?;
            text = format!("written to {to}");
        }
        (key, text)
    };
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
    let output = args.to.as_ref().map_or(*output, |to| output.beside(to));
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}
