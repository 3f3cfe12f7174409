//! `segment`: proves one segment of a decoder's chain, and says what that took.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use matchmark_air::layout::SegmentLayout;
use matchmark_models::{execute_model, ModelState};
use matchmark_prover::{ModelChain, ModelInput, SegmentProver};
use matchmark_quant::{CacheCapacity, SegmentSteps, StepRange};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, Cut, EndTokens, LayerGroups, Profile, PromptLength,
    Security, SecurityLevel, TokenId, VerifierDomain,
};
use matchmark_verifier::structure::ProofStructure;
use serde::Deserialize;
use serde_json::{json, Value};

use super::models::Source;
use super::phases::Phases;
use super::process::{Clock, Usage, Who};
use super::{breakdown, layouts, Failure};

/// Which segment.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    model: Source,
    /// Tokens in the cache before the segment.
    before: u32,
    /// Tokens of the segment.
    steps: u32,
    /// Whether the segment's tokens are decoded, or given as those before are. Only one can be decoded.
    decoded: bool,
    level: SecurityLevel,
    profile: Profile,
    /// Another number makes another transcript.
    domain: u8,
    cores: u32,
    /// Where segment and policy are written: the stem of their names.
    to: PathBuf,
}

/// Proves it, and writes segment and policy.
pub fn run(request: &Segment) -> Result<Value, Failure> {
    let (before, steps) = (request.before as usize, request.steps as usize);
    let entries = request.before + request.steps;
    let (model, mut tokens) = request.model.load(before + steps)?;
    let model = Arc::new(model);
    let security = Security::new(request.level, request.profile)?;
    let prompt = if request.decoded {
        request.before
    } else {
        entries
    };
    let chain = ModelChain {
        domain: VerifierDomain::new("decoder figures", [request.domain; 16])?,
        security,
        capacity: CacheCapacity::new(entries)?,
        segment_steps: SegmentSteps::new(request.steps)?,
        prompt: PromptLength::new(prompt)?,
        groups: LayerGroups::ONE,
    };

    // What the chain's segments share.
    let setup = Clock::start()?;
    let prover = SegmentProver::for_model(chain, model.clone())?;
    let model_seconds = setup.seconds()?;
    let circuits = prover.circuits(Cut::Fused, steps)?;
    let empty = ModelState::initial(&model);
    let mut state = empty.clone();
    if before > 0 {
        let (execution, after) = execute_model(&model, &state, &tokens[..before])?;
        state = after;
        if request.decoded {
            tokens[before] = *execution.choices.last().ok_or("no choice")?;
        }
    }
    let clock = Clock::start()?;
    let state_before = prover.state(state.cache().clone())?;
    let before_seconds = clock.seconds()?;

    // The segment.
    let phases = Phases::listen()?;
    let (clock, wall) = (Clock::start()?, Instant::now());
    let (execution, after) = execute_model(&model, &state, &tokens[before..])?;
    let execute_seconds = clock.seconds()?;
    let committing = Clock::start()?;
    let state_after = prover.state(after.cache().clone())?;
    let after_seconds = committing.seconds()?;
    let proving = Clock::start()?;
    let proven = prover.prove_model(&ModelInput {
        execution: &execution,
        before: &state_before,
        after: &state_after,
        stream_in: None,
        stream_out: None,
        cut: Cut::Fused,
    })?;
    let prove_seconds = proving.seconds()?;
    let (seconds, wall) = (clock.seconds()?, wall.elapsed().as_secs_f64());
    let system_seconds = clock.system_seconds()?;
    let peak_bytes = Usage::of(Who::Itself)?.peak_bytes;
    let phases = phases.take();

    let statement = proven.file.statement();
    let given = tokens.iter().take(prompt as usize);
    let given = given.copied().map(TokenId::new).collect();
    let policy = AcceptancePolicy::new(AcceptancePolicyParts {
        terms: statement.terms().clone(),
        prompt: given,
        end_tokens: EndTokens::NONE,
        answer_tokens: (entries + 1).saturating_sub(prompt),
        first_state: prover.state(empty.cache().clone())?.commitment(),
        steps: StepRange::new(0, entries)?,
        circuits,
        shorter: vec![],
    })?;
    fs::write(request.to.with_extension("segment"), proven.file.encode()?)?;
    fs::write(request.to.with_extension("toml"), policy.to_toml())?;

    let layout = SegmentLayout::of(statement)?;
    let structure = ProofStructure::new(&layout, security)?;
    Ok(json!({
        "shape": model.shape(),
        "weights": model.shape().weights(),
        "proof_bytes": proven.file.proof().len(),
        "cpu_seconds": seconds,
        "system_seconds": system_seconds,
        "wall_seconds": wall,
        "peak_rss_bytes": peak_bytes,
        "setup": { "model_seconds": model_seconds },
        "parts": {
            "execute": execute_seconds,
            "state before": before_seconds,
            "state after": after_seconds,
            "prove": prove_seconds,
        },
        "phases": phases,
        "features": layouts::features(&layout, security, request.cores)?,
        "trees": layouts::trees(&structure),
        "components": breakdown::components(&layout, before, &phases),
    }))
}
