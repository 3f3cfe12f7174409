//! `matchmark plan`, and the choice of `prove --plan`.

use std::fmt::Write as _;

use camino::Utf8Path;
use matchmark::{files, Cut, PlanError, Stop, Table, Trace};
use matchmark_composer::ModelOptions;
use matchmark_graph::LayerGroups;
use matchmark_planner::calibration::cores;
use matchmark_planner::{
    reference, CalibrationState, Candidate, CostModel, Decoder, Limits, Objective, Plan,
    PlannerError, Request, Workload,
};
use matchmark_quant::{HeadDim, SegmentSteps, StepRange};
use matchmark_runtime::synthetic_score_step;
use matchmark_statement::{CutPattern, Security, VerifierDomain};
use serde_json::{json, Value};

use crate::args::{PlanArgs, TermsArgs, WorkloadArgs};
use crate::cache;
use crate::commands::calibrate::{calibrate, Calibrated};
use crate::commands::synthesize::shape;
use crate::error::{CliError, Outcome};
use crate::options::conversation;
use crate::output::{note, table, Output};

/// Candidates in the text: the choice and the runners-up.
const SHOWN: usize = 6;

/// Calibrates, plans, or both.
pub(crate) fn run(args: &PlanArgs, output: &Output) -> Result<Outcome, CliError> {
    // What is wrong with the arguments is known before the measuring, which takes a minute.
    let request = request(args)?;
    let calibrated = args.calibrate.then(calibrate).transpose()?;
    let mut object = json!({});
    let mut text = String::new();
    if let Some(calibrated) = &calibrated {
        object = calibration_object(calibrated);
        text = calibration_text(calibrated);
    }
    if let Some(request) = request {
        let basis = match request.workload.decoder {
            None => Basis::Machine(cache::load()?),
            Some(_) => Basis::Decoders,
        };
        let plan = Plan::new(&request, &basis.model())?;
        if let (Value::Object(object), Value::Object(mut plan)) =
            (&mut object, plan_object(&plan, &basis))
        {
            object.append(&mut plan);
        }
        if calibrated.is_some() {
            text.push_str("\n\n");
        }
        text.push_str(&plan_text(&plan, &basis));
        basis.warn();
    }
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}

/// What times and memory are predicted by.
#[allow(clippy::large_enum_variant, reason = "a command has one of it")]
enum Basis {
    /// What is known of this machine, for traces.
    Machine(CalibrationState),
    /// What was measured of decoders, on another machine.
    Decoders,
}

impl Basis {
    fn model(&self) -> CostModel {
        match self {
            Self::Machine(state) => state.model(),
            // It depends on the cores how many segments are in memory at a time.
            Self::Decoders => CostModel {
                cores: cores(),
                ..reference::DECODER
            },
        }
    }

    fn is_calibrated(&self) -> bool {
        match self {
            Self::Machine(state) => state.is_calibrated(),
            Self::Decoders => false,
        }
    }

    /// What predictions are worth.
    fn words(&self) -> &'static str {
        match self {
            Self::Machine(CalibrationState::Calibrated(_)) => {
                "times and memory: calibrated on this machine"
            }
            Self::Machine(CalibrationState::Stale(_)) => {
                "times and memory: of a reference machine; the calibration is stale"
            }
            Self::Machine(CalibrationState::Missing) => {
                "times and memory: of a reference machine; `matchmark plan --calibrate` measures this one"
            }
            Self::Decoders => {
                "bytes: the expectation, within a few percent of any proof; times: of a reference machine, for \
                 which no calibration of this one stands in, within 20 % for models of up to 3 M weights there \
                 and for one of 135 M in groups of layers; memory: within 3 %, for proofs of one part at a time; \
                 verifying: within 20 %, and two thirds of what it is for 135 M"
            }
        }
    }

    /// A calibration that is not used is said so.
    fn warn(&self) {
        if let Self::Machine(CalibrationState::Stale(stale)) = self {
            note(&format!(
                "the calibration is not used: {stale}; `matchmark plan --calibrate` renews it"
            ));
        }
    }
}

/// What is to be planned; `None` where there is a calibration only.
fn request(args: &PlanArgs) -> Result<Option<Request>, CliError> {
    // The cheapest proof is what is asked of a model where nothing else is.
    let of_model = args.workload.model.as_ref().map(|_| Objective::Prove);
    let Some(objective) = args.objective.or(of_model) else {
        return Ok(None);
    };
    let workload = match &args.workload.model {
        Some(path) => Some(model_workload(&args.workload, path)?),
        None => trace_workload(&args.workload)?,
    };
    Ok(workload.map(|workload| Request {
        workload,
        level: args.security,
        objective,
        limits: Limits {
            max_memory: args.max_memory,
            max_latency_steps: args.max_latency_steps,
        },
    }))
}

/// The tokens of a model.
fn model_workload(args: &WorkloadArgs, path: &Utf8Path) -> Result<Workload, CliError> {
    let model = files::model(path)?;
    let messages = conversation(args.chat.chat.as_deref(), args.chat.system.as_deref());
    let prompt = match (&args.prompt, messages) {
        (Some(text), _) => model.encode(text)?.len(),
        (None, Some(messages)) => model.encode_chat(&messages)?.len(),
        (None, None) => usize::try_from(args.prompt_tokens).unwrap_or(usize::MAX),
    };
    let tokens = args.tokens.unwrap_or(0);
    // Whether there is such a chain at all is the same question as where it is proven.
    let options = ModelOptions {
        domain: VerifierDomain::new("matchmark", [0; 16])?,
        security: Security::default(),
        segment_steps: None,
        groups: LayerGroups::ONE,
        tokens,
        granularity: SegmentSteps::new(1).map_err(PlannerError::Quant)?,
        cuts: CutPattern::default(),
        stop: Stop::default(),
        shorter: None,
    };
    let model = model.as_integer();
    let prefix = model.prefix().tokens.len();
    let chain = options.chain_after(model.shape(), prefix, prefix + prompt);
    chain.map_err(PlanError::from)?;
    let decoder = Decoder {
        shape: *model.shape(),
        arithmetic: *model.arithmetic().terms(),
    };
    let table = model.tables().weights.bounds();
    let prompt = u32::try_from(prompt).unwrap_or(u32::MAX);
    Ok(Workload::of_model(decoder, table, prompt, tokens)?)
}

/// The shape that arguments name; `None` where they name none.
fn trace_workload(args: &WorkloadArgs) -> Result<Option<Workload>, CliError> {
    let WorkloadArgs {
        model: _,
        tokens: _,
        prompt_tokens: _,
        prompt: _,
        chat: _,
        heads,
        kv_heads,
        head_dim,
        prefix,
        steps,
        bits,
        table,
        rounding,
        score_step,
    } = args;
    let (Some(heads), Some(head_dim), Some(steps)) = (*heads, *head_dim, *steps) else {
        return Ok(None);
    };
    let (shape, steps) = attention(heads, *kv_heads, head_dim, *prefix, steps)?;
    let score_step = match score_step {
        Some(step) => *step,
        None => synthetic_score_step(shape, *bits).map_err(PlannerError::Quant)?,
    };
    Ok(Some(Workload {
        shape,
        steps,
        value_bits: *bits,
        score_step,
        rounding: *rounding,
        table: table.table(None)?.bounds(),
        decoder: None,
    }))
}

fn attention(
    heads: u32,
    kv_heads: Option<u32>,
    head_dim: HeadDim,
    prefix: u32,
    steps: u32,
) -> Result<(matchmark_quant::AttentionShape, StepRange), PlannerError> {
    Ok((
        shape(heads, kv_heads, head_dim)?,
        StepRange::new(prefix, steps)?,
    ))
}

/// What is chosen for the proof of a trace.
pub(crate) struct Choice {
    pub(crate) security: Security,
    pub(crate) segment_steps: SegmentSteps,
    pub(crate) cut: Cut,
    /// What the report holds of it.
    pub(crate) object: Value,
}

/// Plans the proof of a trace: chooses cut, segment length and profile, and says why on standard
/// error.
pub(crate) fn choose(
    trace: &Trace,
    table: Option<Table>,
    args: &TermsArgs,
    objective: Objective,
) -> Result<Choice, CliError> {
    let rules = trace.rules(args.rounding, table, args.score_step)?;
    let request = Request {
        workload: Workload {
            shape: trace.shape(),
            steps: trace.step_range(),
            value_bits: rules.value_bits,
            score_step: rules.score_step,
            rounding: rules.rounding,
            table: rules.table.bounds(),
            decoder: None,
        },
        level: args.common.security,
        objective,
        limits: Limits::default(),
    };
    let basis = Basis::Machine(cache::load()?);
    let plan = Plan::new(&request, &basis.model())?;
    let choice = plan.choice();
    let security = Security::new(choice.security, choice.profile)?;
    let segment_steps = SegmentSteps::new(choice.segment_steps).map_err(PlannerError::Quant)?;
    note(&format!("plan: {}", plan.reason()));
    basis.warn();
    let mut object = plan_object(&plan, &basis);
    if let Value::Object(object) = &mut object {
        // The choice is what was proven; the others are `matchmark plan`'s to tell.
        object.remove("candidates");
    }
    Ok(Choice {
        security,
        segment_steps,
        cut: choice.cut,
        object,
    })
}

fn plan_object(plan: &Plan, basis: &Basis) -> Value {
    json!({
        "calibrated": basis.is_calibrated(),
        "basis": basis.words(),
        "objective": plan.objective(),
        "choice": plan.choice(),
        "candidates": plan.candidates(),
        "excluded": plan.excluded(),
        "reason": plan.reason(),
    })
}

fn plan_text(plan: &Plan, basis: &Basis) -> String {
    let rows: Vec<Vec<String>> = plan.candidates().iter().take(SHOWN).map(row).collect();
    let header = [
        "cut",
        "groups",
        "steps",
        "parts",
        "profile",
        "bytes",
        "cpu s",
        "MiB",
        "verify ms",
    ];
    let mut text = table(&header, &rows);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n{}\n{} candidates within bounds, {} beyond; {}",
        plan.reason(),
        plan.candidates().len(),
        plan.excluded(),
        basis.words(),
    );
    text
}

fn row(candidate: &Candidate) -> Vec<String> {
    #[allow(clippy::cast_precision_loss)] // Bytes are far below 2^52.
    let mebibytes = candidate.memory_bytes as f64 / f64::from(1_u32 << 20);
    vec![
        candidate.cut.to_string(),
        candidate.groups.to_string(),
        candidate.segment_steps.to_string(),
        candidate.parts.to_string(),
        candidate.profile.to_string(),
        candidate.bytes.to_string(),
        format!("{:.2}", candidate.cpu_seconds),
        format!("{mebibytes:.1}"),
        format!("{:.1}", candidate.verify_ms),
    ]
}

fn calibration_object(calibrated: &Calibrated) -> Value {
    let measured = calibrated.rows.iter().map(|(case, measured, fitted)| {
        json!({
            "heads": case.query_heads,
            "kv_heads": case.kv_heads,
            "head_dim": case.head_dim,
            "prefix": case.prefix,
            "steps": case.steps,
            "segment_steps": case.segment_steps,
            "security": case.level,
            "profile": case.profile,
            "measured": measured,
            "fitted": fitted,
        })
    });
    json!({
        "calibration": {
            "path": calibrated.path,
            "model": calibrated.calibration.model,
            "cases": measured.collect::<Vec<_>>(),
        }
    })
}

fn calibration_text(calibrated: &Calibrated) -> String {
    let rows: Vec<Vec<String>> = calibrated
        .rows
        .iter()
        .map(|(case, measured, fitted)| {
            let mebibytes = |bytes: f64| bytes / f64::from(1_u32 << 20);
            vec![
                format!("{}/{}", case.query_heads, case.kv_heads),
                case.head_dim.to_string(),
                format!("{}+{}", case.prefix, case.steps),
                case.segment_steps.to_string(),
                format!("{} {}", case.level, case.profile),
                format!("{:.2} / {:.2}", measured.cpu_seconds, fitted.cpu_seconds),
                format!(
                    "{:.0} / {:.0}",
                    mebibytes(measured.memory_bytes),
                    mebibytes(fitted.memory_bytes)
                ),
                format!("{:.1} / {:.1}", measured.verify_ms, fitted.verify_ms),
            ]
        })
        .collect();
    let header = [
        "heads",
        "d",
        "steps",
        "segment",
        "security",
        "cpu s",
        "MiB",
        "verify ms",
    ];
    let mut text = table(&header, &rows);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\nmeasured / fitted; the model is kept in {}",
        calibrated.path
    );
    text
}
