//! How close an integer model is to its floats.

mod errors;

use serde::Serialize;

use crate::{
    execute_float, execute_model, FloatModel, IntegerModel, ModelError, ModelState, Tokenizer,
    TokenizerError,
};

use crate::quantize::prepare;
use errors::ErrorTally;
pub use errors::OperationError;

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
    fn include(&mut self, logits: impl Iterator<Item = f64> + Clone, next: usize) {
        let maximum = logits.clone().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.clone().map(|x| libm::exp(x - maximum)).sum();
        let wanted = logits.clone().nth(next).unwrap_or(f64::NEG_INFINITY);
        self.nats += libm::log(sum) + maximum - wanted;
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
    /// A reference that computes the floats by other code, where there is one.
    pub reference: Option<Perplexity>,
    /// Greedy choices of the integer model and of the reference.
    pub reference_agreement: Option<Agreement>,
    /// Where the integers leave the floats, in the order of the computation; empty without floats.
    pub errors: Vec<OperationError>,
}

/// Runs sequences through an integer model and its floats.
pub struct Evaluator<'a> {
    model: &'a IntegerModel,
    /// In the basis of the model's stream.
    float: Option<FloatModel>,
    errors: ErrorTally,
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
            errors: ErrorTally::default(),
            evaluation: Evaluation::default(),
        })
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
        let initial = ModelState::initial(self.model);
        let (execution, _) = execute_model(self.model, &initial, tokens)?;
        let vocabulary = self.model.shape().vocabulary();
        let scale = self.model.scales().logits.get();
        let integer: Vec<f64> = execution
            .logits
            .iter()
            .map(|&x| f64::from(x) * scale)
            .collect();
        let evaluation = &mut self.evaluation;
        evaluation.sequences += 1;
        tally(&mut evaluation.integer, &integer, vocabulary, tokens);
        let choices = &execution.choices;
        if let Some(float) = &self.float {
            let prefix = self.model.prefix().tokens.as_slice();
            let run = execute_float(float, &[prefix, tokens].concat())?;
            let logits = &run.logits[prefix.len() * vocabulary..];
            let perplexity = evaluation.float.get_or_insert_default();
            tally(perplexity, logits, vocabulary, tokens);
            let agreement = evaluation.float_agreement.get_or_insert_default();
            agree(agreement, choices, logits, vocabulary);
            self.errors.include(self.model, float, &execution, &run);
        }
        if let Some(reference) = reference {
            if reference.len() != integer.len() {
                return Err(ModelError::WrongLength {
                    part: "logits of the reference".to_owned(),
                    expected: integer.len(),
                    got: reference.len(),
                });
            }
            let logits: Vec<f64> = reference.iter().map(|&x| f64::from(x)).collect();
            let perplexity = evaluation.reference.get_or_insert_default();
            tally(perplexity, &logits, vocabulary, tokens);
            let agreement = evaluation.reference_agreement.get_or_insert_default();
            agree(agreement, choices, &logits, vocabulary);
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
            errors: self.errors.finish(),
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

/// Counts the predictions of one sequence.
fn tally(perplexity: &mut Perplexity, logits: &[f64], vocabulary: usize, tokens: &[u32]) {
    let next = tokens.iter().skip(1);
    for (row, &next) in logits.chunks_exact(vocabulary).zip(next) {
        let next = usize::try_from(next).unwrap_or(usize::MAX);
        perplexity.include(row.iter().copied(), next);
    }
}

/// Compares the choices at every position but the last, after which nothing is predicted.
fn agree(agreement: &mut Agreement, choices: &[u32], logits: &[f64], vocabulary: usize) {
    let predicted = choices.len().saturating_sub(1);
    let rows = logits.chunks_exact(vocabulary).take(predicted);
    for (row, &choice) in rows.zip(choices) {
        let mut best = 0;
        for (index, logit) in row.iter().enumerate() {
            if *logit > row[best] {
                best = index;
            }
        }
        agreement.positions += 1;
        agreement.equal += u64::from(usize::try_from(choice) == Ok(best));
    }
}
