//! `matchmark chat`.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use matchmark::{files, AnswerEnd, Conversation, ConversationError, Error, Role};
use matchmark_models::IntegerModel;

use crate::args::ChatCommandArgs;
use crate::error::{CliError, Outcome};
use crate::output::{note, Output};
use crate::progress::Step;

/// Longest line that is read.
const MAX_LINE: u64 = 1 << 20;
/// What is said before anything else.
const NOTICE: &str =
    "nothing of this is proven: the answers are those of the integer model, run here and now; `matchmark prove --chat` proves one";

/// Answers line by line.
pub(crate) fn run(args: &ChatCommandArgs, output: &Output) -> Result<Outcome, CliError> {
    let step = Step::new("reading the model");
    let model = files::model(&args.model)?;
    drop(step);
    let model = model.as_integer();
    let mut conversation = begin(model, args)?;
    note(NOTICE);
    let is_terminal = io::stdin().is_terminal();
    let limit = args.tokens.map_or(0, std::num::NonZeroUsize::get);
    let mut lines = io::stdin().lock();
    loop {
        if is_terminal {
            // There is nothing to be done if standard error is closed.
            let _ = write!(io::stderr(), "> ").and_then(|()| io::stderr().flush());
        }
        let Some(line) = next_line(&mut lines)? else {
            return Ok(Outcome::Done);
        };
        let text = line.trim();
        if text.is_empty() {
            continue;
        }
        let begun = conversation
            .messages()
            .iter()
            .any(|message| message.role != Role::System);
        let mut answered = answer(&mut conversation, text, limit, output);
        if begun && is_full(&answered) {
            note(&format!(
                "the conversation does not fit into the {} positions of the model: it begins anew, without what was said",
                model.shape().positions()
            ));
            conversation = begin(model, args)?;
            answered = answer(&mut conversation, text, limit, output);
        }
        match answered {
            // Whoever sits there can say less.
            Err(error) if is_terminal => note(&error.message()),
            answered => answered?,
        }
    }
}

fn begin<'a>(
    model: &'a IntegerModel,
    args: &ChatCommandArgs,
) -> Result<Conversation<'a>, CliError> {
    let conversation = Conversation::new(model, args.system.as_deref());
    Ok(conversation.map_err(Error::from)?)
}

fn is_full(answered: &Result<(), CliError>) -> bool {
    match answered {
        Err(CliError::Conversation(ConversationError::Full { .. })) => true,
        Ok(()) | Err(_) => false,
    }
}

/// Says something and prints the answer as it comes.
fn answer(
    conversation: &mut Conversation<'_>,
    text: &str,
    limit: usize,
    output: &Output,
) -> Result<(), CliError> {
    let mut printed = Ok(());
    let end = conversation.ask(text, limit, |text| {
        if printed.is_ok() {
            printed = output.tell(text);
        }
    })?;
    printed?;
    output.tell("\n")?;
    match end {
        AnswerEnd::Token(_) => {}
        AnswerEnd::Limit => note("the answer ends here: it has as many tokens as `--tokens` says"),
        AnswerEnd::Full => note(
            "the answer ends here: the model has no further position; `quantize --positions N` makes one with more, as far as it was made for them",
        ),
    }
    Ok(())
}

/// The next line of standard input, if there is one.
fn next_line(lines: &mut io::StdinLock<'_>) -> Result<Option<String>, CliError> {
    let mut bytes = Vec::new();
    let refuse = |source| Error::Read {
        path: "-".into(),
        source,
    };
    let mut line = lines.take(MAX_LINE);
    line.read_until(b'\n', &mut bytes).map_err(refuse)?;
    if bytes.len() as u64 == MAX_LINE {
        let reason = format!("a line has {MAX_LINE} bytes or more, expected fewer");
        let error = io::Error::new(io::ErrorKind::InvalidData, reason);
        return Err(refuse(error).into());
    }
    let line = String::from_utf8(bytes).map_err(|error| {
        refuse(io::Error::new(
            io::ErrorKind::InvalidData,
            error.utf8_error(),
        ))
    })?;
    Ok((!line.is_empty()).then_some(line))
}
