//! The figures to reach and their bounds.

use super::figure::{Figure, Unit};
use super::measure::{Measured, Measurements};
use crate::statistics::{largest, median, median_difference, median_ratio};

/// What has to be said beside the table.
pub const NOTE: &str =
    "All at the default level, `proven-100`, where no other is named. Times of verification are those that the verifying process reports: reading, \
     decoding and verifying. For the comparison of 256 steps with 64 it is the time of verifying \
     alone, less what the verifier itself measures for digest and evaluation of the public values. \
     The trace of 256 steps is synthetic (`matchmark synthesize`); the other figures are the \
     fixture's. Ratios of times are medians of ratios: cases are proven and verified in turns, and \
     each time is compared with that of the same turn.";

/// Every figure, in the order of their list.
pub fn of(measured: &Measurements) -> Vec<Figure> {
    let Measurements {
        proven,
        unique,
        conjectured,
        insecure,
        long,
        steps,
        wide,
        wide_distance,
    } = measured;
    let bytes = |case: &Measured| median(&case.proof_bytes);
    let cpu = |case: &Measured| median(&case.cpu_seconds);
    let verify = |case: &Measured| median(&case.verify_ms);
    let memory = largest(&proven.peak_bytes) / f64::from(1u32 << 20);
    let (bounded, beside) = (Figure::at_most, Figure::beside);
    use Unit::{Bytes, Mebibytes, Milliseconds, Percent, Ratio, Seconds};
    vec![
        bounded("proof, proven-100 compact", bytes(proven), 158e3, Bytes),
        bounded(
            "proof, proven-100-unique compact",
            bytes(unique),
            280e3,
            Bytes,
        ),
        bounded(
            "proof, conjectured-100 compact",
            bytes(conjectured),
            83e3,
            Bytes,
        ),
        bounded("proof, insecure-13", bytes(insecure), 27e3, Bytes),
        bounded("proving, processor time", cpu(proven), 1.5, Seconds),
        bounded(
            "proving, processor time beyond that at conjectured-100",
            median_difference(&proven.cpu_seconds, &conjectured.cpu_seconds),
            0.5,
            Seconds,
        ),
        bounded(
            "the same of proven-100-unique",
            median_difference(&unique.cpu_seconds, &conjectured.cpu_seconds),
            0.5,
            Seconds,
        ),
        bounded("proving, largest memory", memory, 350.0, Mebibytes),
        bounded("verifying one segment", verify(proven), 5.0, Milliseconds),
        beside("the same for 256 steps", verify(long), Milliseconds),
        bounded(
            "verifying 256 steps against 64, public values apart",
            median_ratio(&long.proof_ms, &proven.proof_ms),
            1.3,
            Ratio,
        ),
        bounded(
            "proof of 256 steps against 64",
            bytes(long) / bytes(proven),
            1.4,
            Ratio,
        ),
        bounded(
            "64 segments of one step, fast: proving, processor time",
            cpu(steps),
            20.0,
            Seconds,
        ),
        bounded(
            "64 segments of one step, fast: verifying as a stream",
            verify(steps) / 1e3,
            0.5,
            Seconds,
        ),
        bounded(
            "proof at 12 bits against 8",
            bytes(wide) / bytes(proven),
            1.25,
            Ratio,
        ),
        bounded(
            "proving at 12 bits against 8, processor time",
            median_ratio(&wide.cpu_seconds, &proven.cpu_seconds),
            1.25,
            Ratio,
        ),
        bounded(
            "relative L2 distance from the float output at 12 bits",
            wide_distance * 100.0,
            0.2,
            Percent,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(bytes: f64, cpu: f64, verify: f64) -> Measured {
        Measured {
            proof_bytes: vec![bytes],
            public_bytes: vec![1.0],
            cpu_seconds: vec![cpu],
            user_seconds: vec![cpu],
            system_seconds: vec![0.0],
            peak_bytes: vec![300.0 * 1_048_576.0],
            verify_ms: vec![verify],
            proof_ms: vec![1.0 + verify / 10.0],
            lookup_claims: 8832.0,
        }
    }

    fn measurements() -> Measurements {
        Measurements {
            proven: case(90_000.0, 1.0, 2.0),
            unique: case(300_000.0, 1.2, 3.0),
            conjectured: case(80_000.0, 0.8, 2.0),
            insecure: case(25_000.0, 0.3, 1.0),
            long: case(117_000.0, 4.0, 5.0),
            steps: case(9e6, 17.0, 400.0),
            wide: case(99_000.0, 1.2, 2.0),
            wide_distance: 0.0015,
        }
    }

    #[test]
    fn figures_and_bounds() {
        let shown: Vec<String> = of(&measurements())
            .iter()
            .map(|figure| format!("{} {}", figure.shown(), figure.shown_bound()))
            .collect();
        assert_eq!(
            shown,
            [
                "90,000 bytes ≤ 158,000 bytes",
                "300,000 bytes ≤ 280,000 bytes",
                "80,000 bytes ≤ 83,000 bytes",
                "25,000 bytes ≤ 27,000 bytes",
                "1.00 s ≤ 1.50 s",
                "0.20 s ≤ 0.50 s",
                "0.40 s ≤ 0.50 s",
                "300 MiB ≤ 350 MiB",
                "2.00 ms ≤ 5.00 ms",
                "5.00 ms ",
                "1.25 times ≤ 1.30 times",
                "1.30 times ≤ 1.40 times",
                "17.00 s ≤ 20.00 s",
                "0.40 s ≤ 0.50 s",
                "1.10 times ≤ 1.25 times",
                "1.20 times ≤ 1.25 times",
                "0.150 % ≤ 0.200 %",
            ]
        );
    }

    #[test]
    fn met_and_not_met() {
        let figures = of(&measurements());
        let missed: Vec<usize> = (0..figures.len())
            .filter(|&i| !figures[i].is_met())
            .collect();
        assert_eq!(missed, [1]);
        assert_eq!(figures[1].to_json()["met"], false);
    }

    #[test]
    fn a_figure_without_measurements_is_not_met() {
        let mut measurements = measurements();
        measurements.proven = Measured::default();
        let figures = of(&measurements);
        assert!(!figures[0].is_met());
        assert!(!figures[7].is_met());
        assert_eq!(figures[0].shown(), "-");
    }
}
