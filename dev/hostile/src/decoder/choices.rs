//! Attacks on the choice of a token.
use matchmark_air::column::field;
use matchmark_air::layout::decoder::{DecoderLayout, RANGE_BITS};
use matchmark_air::witness::PartTrace;

use super::execution::{run, write_choice};
use super::forge::forge;
use crate::attacks::Attack;
use crate::Rng;

/// How another token is chosen than the lowest with the largest logit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choosing {
    /// Each token has a maximum of its own.
    OwnMaximum,
    /// What is below the chosen token is whatever fits.
    AnyBelow,
    /// The maximum is attained by none.
    Unattained,
    /// The maximum is exceeded: low limbs out of their range.
    LowGap,
    /// The same with high limbs.
    HighGap,
    /// The trace chooses as it should, the public tokens say something else.
    Public,
    /// A token that the vocabulary does not have is chosen, on a row of padding.
    Padding,
    /// Such a token is chosen, and all tokens are below it.
    Nowhere,
}

/// The constraint that refuses a choice that stands on no row.
pub const NOWHERE: &str = "a token is chosen at every step";

/// A token that is not the choice. `tied` if it has the largest logit, too.
pub fn choice(how: Choosing, tied: bool) -> Attack {
    Box::new(move |case, seed| {
        let (_, decoder) = case.expect_decoder();
        let mut rng = Rng(seed ^ 0x6368_6f69);
        let mut run = run(case, seed, &mut |_, _| {});
        // No statement names a token that the vocabulary does not have as the last one.
        let is_beyond = matches!(how, Choosing::Padding | Choosing::Nowhere);
        let steps = decoder.steps() - usize::from(is_beyond);
        if steps == 0 {
            return None;
        }
        let step = rng.below(steps);
        let logits = run.logits[step].clone();
        let (trace, tokens) = (&mut run.witness.main, run.witness.tokens.as_mut()?);
        let honest = tokens.chosen[step] as usize;
        let other = match how {
            Choosing::Padding => padding_token(decoder, &mut rng)?,
            Choosing::Nowhere => decoder.shape().vocabulary() + rng.below(8),
            Choosing::OwnMaximum
            | Choosing::AnyBelow
            | Choosing::Unattained
            | Choosing::LowGap
            | Choosing::HighGap
            | Choosing::Public => other_choice(&logits, honest, tied, &mut rng)?,
        };
        tokens.chosen[step] = other as u32;
        let below = |token: usize| i64::from(token < other);
        let most = logits[honest];
        let least = logits.get(other).copied().unwrap_or(most);
        match how {
            Choosing::Public => {}
            Choosing::Unattained => {
                write_choice(decoder, trace, step, &logits, most + 1, below);
            }
            Choosing::LowGap | Choosing::HighGap => {
                write_choice(decoder, trace, step, &logits, least, below);
            }
            Choosing::AnyBelow => {
                // What exceeds the maximum is below by less than nothing, and nothing else is below.
                let below = |token: usize| (least - logits[token]).min(0);
                write_choice(decoder, trace, step, &logits, least, below);
                write_padding(decoder, trace, step, |_| false);
            }
            Choosing::OwnMaximum => {
                write_choice(decoder, trace, step, &logits, least, below);
            }
            Choosing::Padding => {
                write_choice(decoder, trace, step, &logits, most + 1, below);
                write_padding(decoder, trace, step, |token| token < other);
            }
            Choosing::Nowhere => {
                write_choice(decoder, trace, step, &logits, most + 1, below);
            }
        }
        for (token, logit) in logits.iter().enumerate() {
            let (row, _) = decoder.argmax_row(token, step);
            let columns = trace.component_mut("argmax");
            let mut set = |name, value| columns.column_mut(name)[row] = value;
            match how {
                Choosing::LowGap => {
                    let high = columns.column("gap high")[row] * field(1 << RANGE_BITS);
                    columns.column_mut("gap low")[row] += high;
                    columns.column_mut("gap high")[row] = field(0);
                }
                Choosing::OwnMaximum => {
                    set("maximum", field(logit + below(token)));
                    set("gap low", field(0));
                    set("gap high", field(0));
                }
                _ => {}
            }
        }
        Some(forge(case, run, vec![]))
    })
}

/// A token behind the vocabulary that has a row for every step.
fn padding_token(decoder: &DecoderLayout, rng: &mut Rng) -> Option<usize> {
    let (tokens, rows) = (decoder.shape().vocabulary(), 1 << decoder.log_rows().argmax);
    let room = rows / decoder.steps() - tokens;
    (room > 0).then(|| tokens + rng.below(room))
}

/// What is said to be below the chosen token on padding.
fn write_padding(
    decoder: &DecoderLayout,
    trace: &mut PartTrace,
    step: usize,
    is_below: impl Fn(usize) -> bool,
) {
    let columns = trace.component_mut("argmax");
    for token in decoder.shape().vocabulary().. {
        let (row, _) = decoder.argmax_row(token, step);
        if row >= 1 << columns.log_rows {
            break;
        }
        columns.column_mut("below")[row] = field(i64::from(is_below(token)));
    }
}

fn other_choice(logits: &[i64], honest: usize, tied: bool, rng: &mut Rng) -> Option<usize> {
    let is_tied = |token: usize| logits[token] == logits[honest];
    let others = (0..logits.len()).filter(|token| *token != honest && is_tied(*token) == tied);
    let others: Vec<_> = others.collect();
    (!others.is_empty()).then(|| others[rng.below(others.len())])
}
