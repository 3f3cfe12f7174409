//! Numbers from measurements: medians, ratios, and the figures with their bounds. No words but reasons.

use crate::pressure::data::{
    Boundary, Configuration, Counts, Level, Measurement, NamedSizes, ProofSizes, Report, Rules,
    Sample, Shape,
};
use crate::pressure::report::essay;
use crate::pressure::rows::{configuration, essay_row, AXES, BASE, ESSAY_DIMS, STEPS};
use crate::statistics::median;
use crate::table::thousands;

/// Medians over the samples of a configuration.
#[derive(Clone, Debug)]
pub struct Medians<'a> {
    /// What does not depend on the domain.
    pub counts: &'a Counts,
    /// Number of samples.
    pub proofs: usize,
    /// Bytes of all proofs.
    pub bytes: f64,
    /// Largest less smallest bytes, over the median.
    pub spread: f64,
    /// Bytes of each kind of proof.
    pub parts: Vec<f64>,
    /// Length of the same as JSON.
    pub json_bytes: f64,
    /// CPU-seconds of proving.
    pub cpu_seconds: f64,
    /// Peak memory of proving, in bytes.
    pub memory_bytes: f64,
    /// Milliseconds of verifying.
    pub verify_ms: f64,
    samples: &'a [Sample],
}

/// What two configurations are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Bytes of all proofs.
    Bytes,
    /// CPU-seconds of proving.
    Cpu,
    /// Peak memory of proving.
    Memory,
    /// Time of verifying.
    Verify,
}

impl Cost {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bytes, Self::Cpu, Self::Memory, Self::Verify];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Cpu => "CPU-seconds of proving",
            Self::Memory => "peak memory",
            Self::Verify => "verifying time",
        }
    }
}

impl<'a> Medians<'a> {
    /// The medians of a measurement that has samples.
    pub fn of(measurement: &'a Measurement) -> Option<Self> {
        let samples = measurement.samples.as_slice();
        let counts = measurement.counts.as_ref()?;
        let first = samples.first()?;
        let over =
            |value: &dyn Fn(&Sample) -> f64| median(&samples.iter().map(value).collect::<Vec<_>>());
        let bytes: Vec<f64> = samples.iter().map(|it| float(it.proof_bytes)).collect();
        let largest = bytes.iter().copied().fold(f64::MIN, f64::max);
        let least = bytes.iter().copied().fold(f64::MAX, f64::min);
        Some(Self {
            counts,
            proofs: samples.len(),
            bytes: median(&bytes),
            spread: (largest - least) / median(&bytes),
            parts: (0..first.proofs.len())
                .map(|part| over(&|it| float(it.proofs[part].bytes)))
                .collect(),
            json_bytes: over(&|it| it.proofs.iter().map(|proof| float(proof.json_bytes)).sum()),
            cpu_seconds: over(&|it| it.prove_cpu_seconds),
            memory_bytes: over(&|it| float(it.peak_memory_bytes)),
            verify_ms: over(&|it| it.verify_ms),
            samples,
        })
    }

    /// One of the costs.
    pub fn cost(&self, cost: Cost) -> f64 {
        match cost {
            Cost::Bytes => self.bytes,
            Cost::Cpu => self.cpu_seconds,
            Cost::Memory => self.memory_bytes,
            Cost::Verify => self.verify_ms,
        }
    }

    /// The sample with the median bytes: the one that stands for the others where a whole proof is looked
    /// at.
    pub fn typical(&self) -> &'a Sample {
        let distance = |it: &Sample| (float(it.proof_bytes) - self.bytes).abs();
        let nearest = self
            .samples
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        // There is one: the constructor saw to it.
        nearest.unwrap_or(&self.samples[0])
    }

    /// The median of something of the proofs, summed over the kinds of proof.
    pub fn sum(&self, of: fn(&ProofSizes) -> u64) -> f64 {
        let sums = self.samples.iter();
        let sums = sums.map(|it| it.proofs.iter().map(|proof| float(of(proof))).sum());
        median(&sums.collect::<Vec<f64>>())
    }

    /// Medians of the sizes of the trees, or of the components, of one kind of proof.
    pub fn named(
        &self,
        part: usize,
        list: fn(&ProofSizes) -> &Vec<NamedSizes>,
    ) -> Vec<(String, u64, [f64; 3])> {
        let typical = list(&self.samples[0].proofs[part]);
        let of = |index: usize, value: fn(&NamedSizes) -> u64| {
            let values = self.samples.iter();
            let values = values.map(|it| float(value(&list(&it.proofs[part])[index])));
            median(&values.collect::<Vec<_>>())
        };
        typical
            .iter()
            .enumerate()
            .map(|(index, it)| {
                let sizes = [
                    of(index, |it| it.samples),
                    of(index, |it| it.queried_values),
                    of(index, |it| it.merkle_paths),
                ];
                (it.name.clone(), it.columns, sizes)
            })
            .collect()
    }
}

/// A count as a float.
#[allow(clippy::cast_precision_loss)] // Far below 2^52.
pub fn float(count: u64) -> f64 {
    count as f64
}

/// Medians of a shape at a level, fused and split; each `None` where it was not measured.
pub struct Pair<'a> {
    /// One proof a segment.
    pub fused: Option<Medians<'a>>,
    /// Two.
    pub split: Option<Medians<'a>>,
}

impl Pair<'_> {
    /// Fused over split, by a cost.
    pub fn ratio(&self, cost: Cost) -> Option<f64> {
        let (fused, split) = (self.fused.as_ref()?, self.split.as_ref()?);
        Some(fused.cost(cost) / split.cost(cost))
    }
}

/// Looks up medians.
pub fn medians<'a>(report: &'a Report, configuration: &Configuration) -> Option<Medians<'a>> {
    report.find(configuration).and_then(Medians::of)
}

/// A shape at a level, both ways.
pub fn pair<'a>(report: &'a Report, shape: &Shape, level: Level) -> Pair<'a> {
    let of = |boundary| medians(report, &configuration(shape.clone(), level, boundary));
    Pair {
        fused: of(Boundary::Fused),
        split: of(Boundary::Split),
    }
}

/// How a cost of the published rows grows from 32 to 64 steps, one value for each dimension that was
/// measured.
pub fn essay_growth(
    report: &Report,
    rules: Rules,
    level: Level,
    boundary: Boundary,
    value: fn(&Medians<'_>) -> f64,
) -> Vec<(u32, f64)> {
    let at = |dim, steps| {
        let row = essay_row(dim, steps, rules);
        medians(report, &configuration(row, level, boundary))
    };
    let growth = ESSAY_DIMS.iter().map(|&dim| {
        let (half, whole) = (at(dim, 32)?, at(dim, 64)?);
        Some((dim, value(&whole) / value(&half)))
    });
    growth.flatten().collect()
}

/// Least and largest of some values.
pub fn range(values: impl IntoIterator<Item = f64>) -> Option<[f64; 2]> {
    values.into_iter().fold(None, |range, value| {
        let [least, largest] = range.unwrap_or([value, value]);
        Some([least.min(value), largest.max(value)])
    })
}

/// A figure of the project beside its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What is measured.
    pub name: &'static str,
    /// The values, each with what it is of; the largest counts.
    pub values: Vec<(String, f64)>,
    /// The most it may be.
    pub bound: f64,
    /// Why it is not met, where it is not.
    pub reason: Option<String>,
}

/// Whether a figure is within its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    NotMet,
    /// Something of it was not measured.
    NotMeasured,
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::NotMeasured => "not measured",
        }
    }
}

impl Figure {
    /// The value that counts: the largest. NaN if one is missing.
    pub fn worst(&self) -> f64 {
        let values = self.values.iter().map(|(_, value)| *value);
        values.fold(f64::MIN, |worst, value| {
            if value.is_nan() || worst.is_nan() {
                f64::NAN
            } else {
                worst.max(value)
            }
        })
    }

    /// Within its bound or not.
    pub fn verdict(&self) -> Verdict {
        let worst = self.worst();
        if worst.is_nan() {
            Verdict::NotMeasured
        } else if worst <= self.bound {
            Verdict::Met
        } else {
            Verdict::NotMet
        }
    }

    /// The values as text.
    pub fn measured(&self) -> String {
        let values = self.values.iter().map(|(what, value)| {
            let value = if value.is_nan() {
                "-".to_owned()
            } else {
                ratio_text(*value)
            };
            if what.is_empty() {
                value
            } else {
                format!("{what}: {value}")
            }
        });
        values.collect::<Vec<_>>().join("; ")
    }

    /// For a terminal.
    pub fn line(&self) -> String {
        format!(
            "{}: {} (at most {}): {}",
            self.name,
            self.measured(),
            ratio_text(self.bound),
            self.verdict().name()
        )
    }
}

/// A ratio: three decimals, or four where it is small.
pub fn ratio_text(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("{ratio:.4}")
    } else {
        format!("{ratio:.3}")
    }
}

const MISSING: f64 = f64::NAN;

/// The figures that the project promised, in the order of the promise.
pub fn figures(report: &Report) -> Vec<Figure> {
    let base = |level| pair(report, &BASE, level);
    let conjectured = base(Level::Conjectured100);
    let fused = |shape: Shape| {
        let it = configuration(shape, Level::Conjectured100, Boundary::Fused);
        medians(report, &it)
    };
    let over = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => a / b,
        _ => MISSING,
    };
    let growth = ESSAY_DIMS.map(|dim| {
        let at = |steps| fused(essay_row(dim, steps, Rules::Default)).map(|it| it.bytes);
        (format!("d {dim}"), over(at(64), at(32)))
    });
    let at_steps = |steps| {
        let shape = AXES[STEPS].points().find(|(value, _)| *value == steps);
        shape.and_then(|(_, shape)| fused(shape)).map(|it| it.bytes)
    };
    let ratio = [Level::Conjectured100, Level::Johnson100].map(|level| {
        let ratio = base(level).ratio(Cost::Bytes);
        (level.name().to_owned(), ratio.unwrap_or(MISSING))
    });
    let by_step = Shape {
        segment_steps: 1,
        ..BASE
    };
    let (one, many) = (fused(BASE), fused(by_step));
    let sharing = |cost: Cost| {
        over(
            one.as_ref().map(|it| it.cost(cost)),
            many.as_ref().map(|it| it.cost(cost)),
        )
    };
    let mut figures = vec![
        Figure {
            name: "fused bytes, 32 to 64 steps, 4 heads, conjectured-100",
            values: growth.to_vec(),
            bound: 1.06,
            reason: None,
        },
        Figure {
            name: "fused bytes, 64 to 512 steps, d 64, 4 heads, conjectured-100",
            values: vec![(String::new(), over(at_steps(512), at_steps(64)))],
            bound: 1.7,
            reason: None,
        },
        Figure {
            name: "fused against split bytes, d 64, 4 heads, 64 steps",
            values: ratio.to_vec(),
            bound: 0.75,
            reason: None,
        },
        Figure {
            name: "fused proof at conjectured-100 against the published fused bytes at 13 bits",
            values: vec![(
                String::new(),
                over(
                    conjectured.fused.as_ref().map(|it| it.bytes),
                    Some(essay::FUSED_BYTES),
                ),
            )],
            bound: 0.36,
            reason: None,
        },
        Figure {
            name: "one proof for 64 steps against 64 proofs of one step: bytes",
            values: vec![(String::new(), sharing(Cost::Bytes))],
            bound: 1.0 / 40.0,
            reason: None,
        },
        Figure {
            name: "one proof for 64 steps against 64 proofs of one step: CPU-seconds",
            values: vec![(String::new(), sharing(Cost::Cpu))],
            bound: 1.0 / 8.0,
            reason: None,
        },
    ];
    for figure in &mut figures {
        if figure.verdict() == Verdict::NotMet {
            figure.reason = reason(report, figure);
        }
    }
    figures
}

/// Why a figure is not met, as far as the measurements say: how the two proofs differ, part by part.
fn reason(report: &Report, figure: &Figure) -> Option<String> {
    let (_, worst) = figure
        .values
        .iter()
        .enumerate()
        .map(|(index, (_, value))| (index, *value))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(index, value)| (value, index))?;
    let fused = |shape: Shape| {
        medians(
            report,
            &configuration(shape, Level::Conjectured100, Boundary::Fused),
        )
    };
    let (small, large) = match figure.name {
        name if name.starts_with("fused bytes, 32 to 64") => {
            let dim = *ESSAY_DIMS.get(worst)?;
            let row = |steps| fused(essay_row(dim, steps, Rules::Default));
            (row(32)?, row(64)?)
        }
        name if name.starts_with("fused bytes, 64 to 512") => {
            let shape = AXES[STEPS].points().find(|(value, _)| *value == 512)?.1;
            (fused(BASE)?, fused(shape)?)
        }
        _ => return None,
    };
    let grown = large.bytes - small.bytes;
    let part = |of: fn(&ProofSizes) -> u64| 100.0 * (large.sum(of) - small.sum(of)) / grown;
    let logs = [&small, &large].map(|it| it.typical().proofs[0].log_domain);
    let queries = large.typical().proofs[0].queries;
    let trees = large.counts.trees;
    let level = 25 * queries * trees;
    Some(format!(
        "Where it is largest, the proof grows by {} bytes: Merkle paths of the {trees} trees {:.0} %, \
         low-degree test {:.0} %, queried values {:.0} %, all else {:.0} %. The columns are the same {}; it \
         is the height that grows. Claims rise {:.2} times, rows are padded to powers of two, and all trees \
         are as high as the highest: their domain goes from 2^{} to 2^{}. At {queries} queries a level more \
         is up to 25 bytes for every query in every tree, {} bytes in all, before the low-degree test.",
        thousands(whole(grown)),
        part(|it| it.merkle_paths),
        part(|it| it.low_degree),
        part(|it| it.queried_values),
        part(|it| it.samples) + part(|it| it.rest),
        large.counts.opened_columns,
        float(large.counts.lookup_claims) / float(small.counts.lookup_claims),
        logs[0],
        logs[1],
        thousands(level),
    ))
}

/// A median of bytes, rounded.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Positive, far below 2^52.
pub fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}
