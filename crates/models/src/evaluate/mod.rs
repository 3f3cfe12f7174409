//! How close an integer model is to its floats.

mod answers;
mod divergence;
mod errors;

use serde::Serialize;

use crate::{
    execute_float, execute_model, float_logits, FloatExecution, FloatModel, IntegerModel,
    ModelError, ModelState, Tokenizer, TokenizerError,
};

use crate::quantize::prepare;
use answers::largest;
use divergence::log_sum;
use errors::ErrorTally;

pub use answers::{greedy_answer, GreedyAnswer};
pub use divergence::{Divergence, DivergenceSum};
pub use errors::OperationError;

/// Sequences of more tokens are run some at a time, and only their logits are kept: everything that happens to
/// them does not fit into memory.
const RECORDED: usize = 512;
/// Tokens at a time.
const AT_ONCE: usize = 64;

/// The lines of a text as sequences of tokens, each with the tokens that begin and end a text; `positions`
/// is how many a model has room for. Empty lines are passed over.
///
/// # Errors
/// [`ModelError::Tokenizer`], [`ModelError::LongLine`], and [`ModelError::NoTokens`] for a text without a
/// line.
pub fn text_sequences(
    tokenizer: &Tokenizer,
    text: &str,
    positions: usize,
) -> Result<Vec<Vec<u32>>, ModelError> {
    let end = tokenizer.end();
    let limit = positions.saturating_sub(usize::from(end.is_some()));
    let lines = (1..).zip(text.lines());
    let sequences = lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(
            |(number, line)| match tokenizer.encode_at_most(line, limit) {
                Ok(mut tokens) => {
                    tokens.extend(end);
                    Ok(tokens)
                }
                Err(TokenizerError::TooManyTokens { .. }) => Err(ModelError::LongLine {
                    line: number,
                    limit: positions,
                }),
                Err(error) => Err(error.into()),
            },
        )
        .collect::<Result<Vec<_>, ModelError>>()?;
    if sequences.is_empty() {
        return Err(ModelError::NoTokens);
    }
    Ok(sequences)
}

/// How well logits predict a text: every token but the first of each sequence is predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Perplexity {
    /// Predicted tokens.
    pub tokens: u64,
    /// Sum of the negative logarithms of the predicted probabilities.
    pub nats: f64,
}

impl Perplexity {
    /// The mean of the negative logarithms.
    #[must_use]
    pub fn nats_per_token(&self) -> f64 {
        self.nats / self.tokens.max(1) as f64
    }

    /// The exponential of that mean.
    #[must_use]
    pub fn perplexity(&self) -> f64 {
        libm::exp(self.nats_per_token())
    }

    /// Counts one prediction.
    fn include(&mut self, logits: &[f64], next: u32) {
        let wanted = usize::try_from(next).ok().and_then(|next| logits.get(next));
        self.nats += log_sum(logits) - wanted.copied().unwrap_or(f64::NEG_INFINITY);
        self.tokens += 1;
    }
}

/// How often two models choose the same token, over all positions at which a token is predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Positions.
    pub positions: u64,
    /// Positions with the same choice.
    pub equal: u64,
}

impl Agreement {
    /// The share in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        100.0 * self.equal as f64 / self.positions.max(1) as f64
    }
}

/// An integer model beside its floats, over a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// Number of sequences.
    pub sequences: u64,
    /// The integer model.
    pub integer: Perplexity,
    /// The crate's own float pass, where the floats are given.
    pub float: Option<Perplexity>,
    /// Greedy choices of the integer model and of that float pass.
    pub float_agreement: Option<Agreement>,
    /// Predictions of the integer model from those of that float pass.
    pub float_divergence: Option<Divergence>,
    /// A reference that computes the floats by other code, where there is one.
    pub reference: Option<Perplexity>,
    /// Greedy choices of the integer model and of the reference.
    pub reference_agreement: Option<Agreement>,
    /// Predictions of the integer model from those of the reference.
    pub reference_divergence: Option<Divergence>,
    /// Where the integers leave the floats, in the order of the computation, in sequences of at most 512 tokens;
    /// empty without floats.
    pub errors: Vec<OperationError>,
}

/// Runs sequences through an integer model and its floats.
pub struct Evaluator<'a> {
    model: &'a IntegerModel,
    /// In the basis of the model's stream.
    float: Option<FloatModel>,
    /// Where the integers leave the floats, if that is asked for.
    errors: Option<ErrorTally>,
    evaluation: Evaluation,
}

impl<'a> Evaluator<'a> {
    /// An evaluation of no sequence yet.
    ///
    /// # Errors
    /// [`ModelError::OtherFloats`] if the floats have another shape or tokenizer than the model.
    pub fn new(model: &'a IntegerModel, float: Option<&'a FloatModel>) -> Result<Self, ModelError> {
        if let Some(float) = float {
            let same = float.shape == *model.shape() && float.tokenizer == *model.tokenizer();
            if !same {
                return Err(ModelError::OtherFloats {
                    expected: *model.shape(),
                    got: float.shape,
                });
            }
        }
        Ok(Self {
            model,
            float: float.map(|float| prepare(float, model.scales().rotated)),
            errors: Some(ErrorTally::default()),
            evaluation: Evaluation::default(),
        })
    }

    /// The same, without [`Evaluation::errors`], which take about as long as the float pass.
    #[must_use]
    pub fn without_errors(self) -> Self {
        Self {
            errors: None,
            ..self
        }
    }

    /// Runs one sequence, as it follows the model's prefix. `reference` are its logits `[S, V]` by other code.
    ///
    /// # Errors
    /// As [`execute_model`], and [`ModelError::WrongLength`] for a reference of another length.
    pub fn sequence(
        &mut self,
        tokens: &[u32],
        reference: Option<&[f32]>,
    ) -> Result<(), ModelError> {
        let model = self.model;
        let vocabulary = model.shape().vocabulary();
        // Everything that happens is recorded where it is asked for and does fit.
        let recorded = self.errors.as_mut().filter(|_| tokens.len() <= RECORDED);
        let at_once = recorded.as_ref().map_or(AT_ONCE, |_| tokens.len().max(1));
        let mut run = IntegerRun::default();
        let (mut state, mut execution) = (ModelState::initial(model), None);
        for some in tokens.chunks(at_once) {
            let (of_some, after) = execute_model(model, &state, some)?;
            run.logits.extend_from_slice(&of_some.logits);
            run.choices.extend_from_slice(&of_some.choices);
            (state, execution) = (after, Some(of_some));
        }
        let Some(execution) = execution else {
            return Err(ModelError::NoTokens);
        };
        let text = Compared {
            model,
            tokens,
            run: &run,
        };
        if let Some(reference) = reference {
            let (expected, got) = (run.logits.len(), reference.len());
            if got != expected {
                return Err(ModelError::WrongLength {
                    part: "logits of the reference".to_owned(),
                    expected,
                    got,
                });
            }
        }
        let evaluation = &mut self.evaluation;
        evaluation.sequences += 1;
        text.tally(&mut evaluation.integer);
        if let Some(float) = &self.float {
            let prefix = model.prefix().tokens.as_slice();
            let tokens = [prefix, tokens].concat();
            let run = match &recorded {
                Some(_) => execute_float(float, &tokens)?,
                None => FloatExecution {
                    logits: float_logits(float, &tokens)?,
                    ..FloatExecution::default()
                },
            };
            text.beside(
                &run.logits[prefix.len() * vocabulary..],
                evaluation.float.get_or_insert_default(),
                evaluation.float_agreement.get_or_insert_default(),
                evaluation.float_divergence.get_or_insert_default(),
            );
            if let Some(errors) = recorded {
                errors.include(model, float, &execution, &run);
            }
        }
        if let Some(reference) = reference {
            text.beside(
                reference,
                evaluation.reference.get_or_insert_default(),
                evaluation.reference_agreement.get_or_insert_default(),
                evaluation.reference_divergence.get_or_insert_default(),
            );
        }
        Ok(())
    }

    /// What came of all sequences.
    ///
    /// # Errors
    /// [`ModelError::NoPerplexity`] where a model predicts the text so badly that its perplexity is no
    /// number, and [`ModelError::NoDistance`] where it is so far from its floats.
    pub fn finish(self) -> Result<Evaluation, ModelError> {
        let evaluation = Evaluation {
            errors: self.errors.map(ErrorTally::finish).unwrap_or_default(),
            ..self.evaluation
        };
        for (of, perplexity) in [
            ("integers", Some(evaluation.integer)),
            ("floats", evaluation.float),
            ("reference", evaluation.reference),
        ] {
            if let Some(perplexity) = perplexity.filter(|it| !it.perplexity().is_finite()) {
                return Err(ModelError::NoPerplexity {
                    of,
                    nats_per_token: perplexity.nats_per_token(),
                });
            }
        }
        let finite = |it: &OperationError| it.own.is_finite() && it.accumulated.is_finite();
        match evaluation.errors.iter().find(|it| !finite(it)) {
            None => Ok(evaluation),
            Some(error) => Err(ModelError::NoDistance {
                operation: error.operation,
            }),
        }
    }
}

/// What an integer model makes of one sequence.
#[derive(Default)]
struct IntegerRun {
    /// `[S, V]`.
    logits: Vec<i32>,
    choices: Vec<u32>,
}

/// One sequence, as it is compared.
struct Compared<'a> {
    model: &'a IntegerModel,
    tokens: &'a [u32],
    run: &'a IntegerRun,
}

impl Compared<'_> {
    /// The integer logits at every position but the last, after which nothing is predicted, as floats, with the
    /// token that comes there.
    fn predictions(&self) -> impl Iterator<Item = (Vec<f64>, u32)> + '_ {
        let scale = self.model.scales().logits.get();
        let rows = self.run.logits.chunks_exact(self.vocabulary());
        let rows = rows.map(move |row| row.iter().map(|&x| f64::from(x) * scale).collect());
        rows.zip(self.tokens.iter().skip(1).copied())
    }

    fn vocabulary(&self) -> usize {
        self.model.shape().vocabulary()
    }

    /// Counts the predictions of the integer model.
    fn tally(&self, perplexity: &mut Perplexity) {
        for (row, next) in self.predictions() {
            perplexity.include(&row, next);
        }
    }

    /// Counts those of floats, and compares both.
    fn beside<T: Copy + Into<f64>>(
        &self,
        logits: &[T],
        perplexity: &mut Perplexity,
        agreement: &mut Agreement,
        divergence: &mut Divergence,
    ) {
        let prefix = self.model.prefix().tokens.len();
        let rows = logits.chunks_exact(self.vocabulary());
        let compared = rows.zip(self.predictions()).zip(&self.run.choices);
        for (position, ((row, (integer, next)), &choice)) in (prefix..).zip(compared) {
            let row: Vec<f64> = row.iter().map(|&x| x.into()).collect();
            perplexity.include(&row, next);
            divergence.include(position, &row, &integer);
            agreement.positions += 1;
            agreement.equal += u64::from(usize::try_from(choice) == Ok(largest(&row)));
        }
    }
}
