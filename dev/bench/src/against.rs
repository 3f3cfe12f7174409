//! This checkout's `matchmark` against another one: the same cases proven by both, in turns.

use std::fs;
use std::path::{Path, PathBuf};

use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::{words, Matchmark};
use matchmark_tools::table::{thousands, Table};
use matchmark_tools::workspace;
use serde::Serialize;
use serde_json::json;

use crate::run::{self, Run};
use crate::statistics::{largest, median};

const TRACE: &str = "fixtures/attention-layer0-8bit.safetensors";
const MODEL: &str = "fixtures/models/stories-2m";
const CALIBRATE: &str = "fixtures/models/calibrate.txt";

/// The level of all cases, which both know by this name, whatever their defaults.
const LEVEL: &str = "conjectured-100";

/// What both prove: the name, and the arguments of `matchmark prove` behind what is proven. The cut is asked for
/// by the option's older name, which both know.
const CASES: [(&str, What, &[&str]); 3] = [
    (
        "attention",
        What::Trace,
        &["--boundary", "fused", "--security", LEVEL],
    ),
    (
        "attention, split",
        What::Trace,
        &["--boundary", "split", "--security", LEVEL],
    ),
    (
        "decoder",
        What::Model,
        // With the five tokens of the prompt, and without the last decoded one, 64 positions: one segment.
        &[
            "--prompt",
            "Once upon a time",
            "--tokens",
            "60",
            "--segment-steps",
            "64",
            "--profile",
            "balanced",
            "--security",
            LEVEL,
        ],
    ),
];

/// What a case proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Trace,
    Model,
}

/// What one of both came to in all turns.
#[derive(Clone, Debug, Default, Serialize)]
struct Costs {
    proof_bytes: Vec<f64>,
    cpu_seconds: Vec<f64>,
    user_seconds: Vec<f64>,
    system_seconds: Vec<f64>,
    peak_bytes: Vec<f64>,
    verify_cpu_seconds: Vec<f64>,
}

/// A case, ours first.
#[derive(Clone, Debug, Serialize)]
struct Compared {
    case: &'static str,
    costs: [Costs; 2],
}

/// Compares, ours first, and prints medians and ratios.
///
/// # Errors
/// A run that fails, or a chain that is not accepted.
pub fn run(both: [&Matchmark; 2], turns: usize, scratch: &Path, json: bool) -> Result<(), Failure> {
    let mut models = Vec::new();
    for (side, matchmark) in both.iter().enumerate() {
        // Each its own: the form of the file may differ.
        models.push(quantized(matchmark, &scratch.join(format!("{side}.mm")))?);
    }
    let mut compared = CASES.map(|(case, ..)| Compared {
        case,
        costs: Default::default(),
    });
    for turn in 0..turns {
        for ((case, what, options), compared) in CASES.into_iter().zip(&mut compared) {
            eprintln!("against: {case}, turn {} of {turns}", turn + 1);
            // Whoever is second in one turn is first in the next.
            let first = turn % 2;
            for side in [first, 1 - first] {
                let source = match what {
                    What::Trace => workspace::root().join(TRACE),
                    What::Model => models[side].clone(),
                };
                let proven = Proof {
                    what,
                    source: &source,
                    options,
                    turn,
                };
                proven.measure(both[side], scratch, &mut compared.costs[side])?;
            }
        }
    }
    if json {
        println!("{}", json!({ "turns": turns, "cases": compared }));
    } else {
        print!("{}", table(&compared).to_text());
    }
    Ok(())
}

fn quantized(matchmark: &Matchmark, to: &Path) -> Result<PathBuf, Failure> {
    let root = workspace::root();
    let (model, calibrate) = (root.join(MODEL), root.join(CALIBRATE));
    let arguments = words(&[
        &"quantize",
        &"--model",
        &model,
        &"--calibrate",
        &calibrate,
        &"--to",
        &to,
    ]);
    run::measured(matchmark.program(), &arguments, true)?.checked()?;
    Ok(to.to_path_buf())
}

/// One proof of one side.
struct Proof<'a> {
    what: What,
    source: &'a Path,
    options: &'a [&'a str],
    turn: usize,
}

impl Proof<'_> {
    fn measure(&self, by: &Matchmark, scratch: &Path, costs: &mut Costs) -> Result<(), Failure> {
        let (chain, policy) = (scratch.join("chain"), scratch.join("policy.toml"));
        let nonce = format!("{:032x}", self.turn + 1);
        let source = match self.what {
            What::Trace => "--trace",
            What::Model => "--model",
        };
        let mut prove = words(&[&"prove", &source, &self.source, &"--out", &chain]);
        prove.extend(words(&[&"--domain", &"against", &"--nonce", &nonce]));
        prove.extend(self.options.iter().map(std::ffi::OsStr::new));
        let run = |arguments: &[&std::ffi::OsStr]| {
            run::measured(by.program(), arguments, true)?.checked()
        };
        let proven = run(&prove)?;
        run(&words(&[&"policy", &chain, &"--to", &policy]))?;
        let verified = run(&words(&[&"verify", &chain, &"--policy", &policy]))?;
        costs.add(&proven, &verified)?;
        fs::remove_file(&policy).context(policy.display())?;
        fs::remove_dir_all(&chain).context(chain.display())
    }
}

impl Costs {
    fn add(&mut self, proven: &Run, verified: &Run) -> Result<(), Failure> {
        if verified.json["accepted"] != true {
            let message = format!("a chain is not accepted: {}", verified.json);
            return Err(Failure::failed(message));
        }
        let bytes = proven.json["proof_bytes"].as_f64();
        let bytes = bytes.ok_or_else(|| Failure::failed("`prove` printed no proof_bytes"))?;
        self.proof_bytes.push(bytes);
        self.cpu_seconds.push(proven.cpu_seconds());
        self.user_seconds.push(proven.user_seconds);
        self.system_seconds.push(proven.system_seconds);
        self.peak_bytes.push(proven.peak_bytes);
        self.verify_cpu_seconds.push(verified.cpu_seconds());
        Ok(())
    }
}

/// A measured quantity: its name, its values, and how a value is shown.
type Row = (&'static str, fn(&Costs) -> &Vec<f64>, fn(f64) -> String);

const ROWS: [Row; 6] = [
    ("proof, bytes", |it| &it.proof_bytes, whole),
    ("proving, CPU s", |it| &it.cpu_seconds, seconds),
    ("of it user", |it| &it.user_seconds, seconds),
    ("of it system", |it| &it.system_seconds, seconds),
    ("peak memory, MiB", |it| &it.peak_bytes, mebibytes),
    ("verifying, CPU s", |it| &it.verify_cpu_seconds, seconds),
];

fn table(compared: &[Compared]) -> Table {
    let heading = [
        "case",
        "",
        "this",
        "other",
        "this / other",
        "least",
        "most",
        "of the best",
    ];
    let mut table = Table::new(&heading);
    for Compared {
        case,
        costs: [ours, theirs],
    } in compared
    {
        for (name, values, show) in ROWS {
            let (ours, theirs) = (values(ours), values(theirs));
            let ratios: Vec<f64> = ours
                .iter()
                .zip(theirs)
                .map(|(ours, theirs)| ours / theirs)
                .collect();
            table.row(vec![
                (*case).to_owned(),
                name.to_owned(),
                show(median(ours)),
                show(median(theirs)),
                ratio(median(&ratios)),
                ratio(least(&ratios)),
                ratio(largest(&ratios)),
                ratio(least(ours) / least(theirs)),
            ]);
        }
    }
    table
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::min)
}

fn ratio(number: f64) -> String {
    format!("{number:.4}")
}

fn seconds(number: f64) -> String {
    format!("{number:.3}")
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1_u32 << 20))
}

fn whole(number: f64) -> String {
    // The cast saturates, and proofs are far below 2^53 bytes.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = number.round() as u64;
    thousands(count)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn run(json: Value, user: f64) -> Run {
        Run {
            code: 0,
            json,
            user_seconds: user,
            system_seconds: 0.5,
            wall_seconds: 1.0,
            peak_bytes: f64::from(1_u32 << 20),
        }
    }

    #[test]
    fn turns_are_compared_with_their_own() {
        // The machine is half as fast in the second turn: no ratio changes.
        let mut costs: [Costs; 2] = Default::default();
        for (side, [first, second]) in [[1.5, 3.5], [3.5, 7.5]].into_iter().enumerate() {
            for user in [first, second] {
                let proven = run(json!({ "proof_bytes": 1000 * (side + 1) }), user);
                costs[side]
                    .add(&proven, &run(json!({ "accepted": true }), 0.5))
                    .unwrap();
            }
        }
        let table = table(&[Compared { case: "x", costs }]);
        let rows = table.rows();
        assert_eq!(
            rows[0][2..],
            ["1,000", "2,000", "0.5000", "0.5000", "0.5000", "0.5000"]
        );
        assert_eq!(
            rows[1][2..],
            ["3.000", "6.000", "0.5000", "0.5000", "0.5000", "0.5000"]
        );
        assert_eq!(rows[4][2..5], ["1.0", "1.0", "1.0000"]);
        assert_eq!(rows.len(), ROWS.len());
    }

    #[test]
    fn what_is_not_accepted_does_not_count() {
        let mut costs = Costs::default();
        let proven = run(json!({ "proof_bytes": 1 }), 1.0);
        assert!(costs
            .add(&proven, &run(json!({ "accepted": false }), 1.0))
            .is_err());
        assert!(costs
            .add(&run(json!({}), 1.0), &run(json!({ "accepted": true }), 1.0))
            .is_err());
        assert!(costs.cpu_seconds.is_empty());
    }
}
