//! The decoder's figures and their bounds.

use super::super::figure::{Figure, Unit};
use super::measure::{Decoder, Measured, Trained};
use crate::statistics::{largest, median, median_difference, median_ratio};

/// What has to be said beside the table.
pub const NOTE: &str = "All at `proven-100`, in the profile `balanced`, where no other is named. \
     Proving is what a chain does for one more segment: it runs the tokens through the integer model, \
     commits the cache after them, and proves; the trees of the model and of the selectors, which all \
     segments share, are committed beforehand. Memory is that of the whole process, what it does \
     beforehand included. Times of verification are of reading, decoding and verifying one segment, each \
     by a process of its own. The rows of `matchmark prove` are \
     what that command reports of a chain of one segment, a text of 64 positions from a prompt: preprocessed \
     trees and execution one token at a time included. The ratio of processor times is the median of the ratios \
     of proofs that were made in turns. Float is candle's Llama on the same files.";

const MEBIBYTE: f64 = (1u32 << 20) as f64;

/// Every figure, in the order of their list.
pub fn of(decoder: &Decoder) -> Vec<Figure> {
    let Trained {
        balanced,
        compact,
        conjectured,
        fast,
        fastest,
        double,
        single,
    } = &decoder.trained;
    let bytes = |case: &Measured| median(&case.proof_bytes);
    let cpu = |case: &Measured| median(&case.cpu_seconds);
    let memory = |case: &Measured| largest(&case.peak_bytes) / MEBIBYTE;
    let verify = |case: &Measured| median(&case.verify_ms);
    let (at_most, beside) = (Figure::at_most, Figure::beside);
    use Unit::{Bytes, Count, Mebibytes, Milliseconds, Percent, Ratio, Seconds};
    let mut figures = vec![];
    if let Some(fidelity) = &decoder.fidelity {
        figures.extend([
            at_most(
                "perplexity of the integer model against float, held-out text",
                fidelity.candle.ratio,
                1.02,
                Ratio,
            ),
            Figure::at_least(
                "greedy choice equal to float, held-out text",
                fidelity.candle.agreement,
                97.0,
                Percent,
            ),
        ]);
    }
    figures.extend([
        at_most("64 tokens, compact: proof", bytes(compact), 295e3, Bytes),
        at_most(
            "64 tokens, compact: proving, processor time beyond that at conjectured-100",
            median_difference(&compact.cpu_seconds, &conjectured.cpu_seconds),
            0.5,
            Seconds,
        ),
        at_most(
            "64 tokens, compact: verifying",
            verify(compact),
            6.0,
            Milliseconds,
        ),
        beside("64 tokens: proof", bytes(balanced), Bytes),
        at_most(
            "64 tokens: proving, processor time",
            cpu(balanced),
            8.0,
            Seconds,
        ),
        at_most(
            "64 tokens: largest memory",
            memory(balanced),
            2048.0,
            Mebibytes,
        ),
        at_most("64 tokens: verifying", verify(balanced), 15.0, Milliseconds),
        at_most(
            "1 decoded token after 64: proving, processor time",
            cpu(single),
            3.0,
            Seconds,
        ),
        beside("1 decoded token after 64: proof", bytes(single), Bytes),
        at_most(
            "128 tokens against 64: proving, processor time",
            median_ratio(&double.cpu_seconds, &balanced.cpu_seconds),
            2.1,
            Ratio,
        ),
        at_most(
            "128 tokens against 64: proof",
            bytes(double) / bytes(balanced),
            1.15,
            Ratio,
        ),
        beside(
            "64 tokens, compact: proving, processor time",
            cpu(compact),
            Seconds,
        ),
        beside(
            "64 tokens, compact: largest memory",
            memory(compact),
            Mebibytes,
        ),
        beside(
            "64 tokens, compact, conjectured-100: proof",
            bytes(conjectured),
            Bytes,
        ),
        beside(
            "64 tokens, compact, conjectured-100: proving, processor time",
            cpu(conjectured),
            Seconds,
        ),
        beside("64 tokens, fast: proof", bytes(fast), Bytes),
        beside(
            "64 tokens, fast: proving, processor time",
            cpu(fast),
            Seconds,
        ),
        beside("64 tokens, fast: largest memory", memory(fast), Mebibytes),
        beside("64 tokens, fast: verifying", verify(fast), Milliseconds),
        beside("64 tokens, fastest: proof", bytes(fastest), Bytes),
        beside(
            "64 tokens, fastest: proving, processor time",
            cpu(fastest),
            Seconds,
        ),
        beside(
            "64 tokens, fastest: largest memory",
            memory(fastest),
            Mebibytes,
        ),
        beside(
            "64 tokens, fastest: verifying",
            verify(fastest),
            Milliseconds,
        ),
        beside(
            "committing the model once, processor time",
            median(&balanced.model_seconds),
            Seconds,
        ),
    ]);
    if let Some(command) = &decoder.command {
        let cpu = command.cpu_seconds;
        let memory = command.peak_bytes / MEBIBYTE;
        figures.extend([
            beside(
                "`matchmark prove`, one segment: tokens",
                command.steps,
                Count,
            ),
            beside(
                "`matchmark prove`, one segment: proof",
                command.proof_bytes,
                Bytes,
            ),
            beside(
                "`matchmark prove`, one segment: processor time",
                cpu,
                Seconds,
            ),
            beside(
                "`matchmark prove`, one segment: largest memory",
                memory,
                Mebibytes,
            ),
            beside(
                "`matchmark verify`, the same",
                median(&command.verify_ms),
                Milliseconds,
            ),
        ]);
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::super::fidelity::{Beside, Fidelity};
    use super::*;

    fn case(bytes: f64, cpu: f64, memory: f64, verify: f64) -> Measured {
        Measured {
            proof_bytes: vec![bytes],
            cpu_seconds: vec![cpu],
            system_seconds: vec![0.0],
            wall_seconds: vec![cpu / 2.0],
            peak_bytes: vec![memory * MEBIBYTE],
            verify_ms: vec![verify],
            model_seconds: vec![1.0],
            reports: vec![],
        }
    }

    #[test]
    fn figures_and_bounds() {
        let floats = Beside {
            perplexity: 2.0,
            ratio: 1.03,
            agreement: 98.5,
        };
        let decoder = Decoder {
            fidelity: Some(Fidelity {
                perplexity: 2.06,
                tokens: 1000.0,
                float: floats,
                candle: floats,
            }),
            command: None,
            trained: Trained {
                balanced: case(200e3, 2.0, 1500.0, 3.0),
                compact: case(150e3, 4.0, 3000.0, 2.0),
                conjectured: case(100e3, 3.7, 3000.0, 2.0),
                fast: case(400e3, 1.0, 800.0, 5.0),
                fastest: case(700e3, 0.7, 500.0, 8.0),
                double: case(210e3, 4.1, 3000.0, 4.0),
                single: case(120e3, 0.5, 500.0, 2.0),
            },
            larger: None,
        };
        let figures = of(&decoder);
        let bounded: Vec<String> = figures
            .iter()
            .filter(|figure| !figure.shown_bound().is_empty())
            .map(|figure| {
                let met = if figure.is_met() { "met" } else { "not met" };
                format!("{} {} {met}", figure.shown(), figure.shown_bound())
            })
            .collect();
        assert_eq!(
            bounded,
            [
                "1.03 times ≤ 1.02 times not met",
                "98.500 % ≥ 97.000 % met",
                "150,000 bytes ≤ 295,000 bytes met",
                "0.30 s ≤ 0.50 s met",
                "2.00 ms ≤ 6.00 ms met",
                "2.00 s ≤ 8.00 s met",
                "1500 MiB ≤ 2048 MiB met",
                "3.00 ms ≤ 15.00 ms met",
                "0.50 s ≤ 3.00 s met",
                "2.05 times ≤ 2.10 times met",
                "1.05 times ≤ 1.15 times met",
            ]
        );
    }
}
