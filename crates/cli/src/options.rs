//! From arguments to the plan of a chain.

use camino::Utf8Path;
use matchmark::{
    files, prove, token_named, Domain, EndTokens, Error, Message, Model, ModelPolicy, Prove,
    Resources, Role, Security, Stop, Table, Tokenizer, TokensOf, Trace, TraceOf,
};
use matchmark_runtime::TableResolution;

use crate::args::{ChatArgs, CommonArgs, MemoryArgs, ResourceArgs, TermsArgs};
use crate::error::CliError;

/// The trace of a file, and the table that it is to be decoded with, if one is named.
pub(crate) fn trace_and_table(
    path: &Utf8Path,
    args: &TermsArgs,
) -> Result<(Trace, Option<Table>), CliError> {
    let trace = files::trace(path)?;
    let own = trace.metadata().table.map(TableResolution::delta);
    let table = args.table.as_ref().map(|choice| choice.table(own));
    Ok((trace, table.transpose()?))
}

/// What is claimed of a trace.
pub(crate) fn trace_claim(
    trace: Trace,
    table: Option<Table>,
    args: &TermsArgs,
) -> Result<Prove<TraceOf>, CliError> {
    let mut claim = common_claim(prove(trace), &args.common)?.rounding(args.rounding);
    if let Some(table) = table {
        claim = claim.table(table);
    }
    if let Some(step) = args.score_step {
        claim = claim.score_step(step);
    }
    Ok(claim)
}

/// A conversation that begins with this, if anything is said.
pub(crate) fn conversation(chat: Option<&str>, system: Option<&str>) -> Option<Vec<Message>> {
    let said = chat.map(|text| Message::new(Role::User, text));
    let system = system.map(|text| Message::new(Role::System, text));
    said.map(|said| system.into_iter().chain([said]).collect())
}

/// What is claimed of a trace and of a model alike.
pub(crate) fn common_claim<S>(claim: Prove<S>, args: &CommonArgs) -> Result<Prove<S>, CliError> {
    let claim = match args.profile {
        Some(profile) => claim.security(Security::new(args.security, profile)?),
        None => claim.level(args.security),
    };
    let claim = claim.domain(domain(args)?);
    let claim = claim.cuts(args.cut.clone());
    Ok(match args.segment_steps {
        Some(steps) => claim.segment_steps(steps),
        None => claim,
    })
}

/// What is claimed of the tokens that a model decodes after a prompt or in a conversation.
pub(crate) fn tokens_claim(
    model: Model,
    common: &CommonArgs,
    (prompt, chat): (Option<&str>, &ChatArgs),
    tokens: Option<u32>,
) -> Result<Prove<TokensOf>, CliError> {
    let mut claim = common_claim(prove(model), common)?.tokens(tokens.unwrap_or(0));
    if let Some(layers) = common.layers {
        claim = claim.layers(layers.get());
    }
    Ok(
        match conversation(chat.chat.as_deref(), chat.system.as_deref()) {
            Some(messages) => claim.chat(messages),
            None => claim.prompt(prompt.unwrap_or_default()),
        },
    )
}

/// What is decided about the chain of a model by its verifier.
pub(crate) fn model_policy<'a>(
    policy: ModelPolicy<'a>,
    args: &CommonArgs,
    tokens: u32,
) -> Result<ModelPolicy<'a>, CliError> {
    let policy = match args.profile {
        Some(profile) => policy.security(Security::new(args.security, profile)?),
        None => policy.level(args.security),
    };
    let policy = policy.domain(domain(args)?);
    let mut policy = policy.tokens(tokens).cuts(args.cut.clone());
    if let Some(layers) = args.layers {
        policy = policy.layers(layers.get());
    }
    Ok(match args.segment_steps {
        Some(steps) => policy.segment_steps(steps),
        None => policy,
    })
}

/// Which tokens end the answer: those that are named, none, or what nothing is said of.
pub(crate) fn stop(
    named: &[String],
    none: bool,
    tokenizer: Option<&Tokenizer>,
) -> Result<Stop, CliError> {
    if none {
        return Ok(Stop::Tokens(EndTokens::NONE));
    }
    if named.is_empty() {
        return Ok(Stop::Model);
    }
    let tokens = named.iter().map(|word| token_named(word, tokenizer));
    let tokens = EndTokens::new(tokens.collect::<Result<Vec<_>, _>>()?);
    Ok(Stop::Tokens(tokens.map_err(Error::from)?))
}

/// What proving may use of the machine.
pub(crate) fn resources(args: &ResourceArgs) -> Resources {
    Resources {
        jobs: args.jobs,
        ..memory(&args.memory)
    }
}

/// What memory may be used.
pub(crate) fn memory(args: &MemoryArgs) -> Resources {
    Resources {
        jobs: None,
        max_memory: args.max_memory,
    }
}

fn domain(args: &CommonArgs) -> Result<Domain, CliError> {
    Ok(Domain::new(
        args.domain.as_str(),
        args.nonce.unwrap_or_default(),
    )?)
}
