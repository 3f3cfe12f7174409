//! What a proven and verified chain looks like to a person.

use std::fmt::Write as _;

use serde_json::Value;

use matchmark_tools::table::{thousands, Table};

/// Digits shown of a state.
const SHORT: usize = 8;

/// One row a segment: steps, states, bytes, times.
pub fn segments(prove: &Value, verify: &Value) -> String {
    let mut table = Table::new(&[
        "segment",
        "steps",
        "state before",
        "state after",
        "proof bytes",
        "public bytes",
        "prove ms",
        "verify ms",
    ]);
    let none = Vec::new();
    let proven = prove["per_segment"].as_array().unwrap_or(&none);
    for (position, verified) in verify["per_segment"]
        .as_array()
        .unwrap_or(&none)
        .iter()
        .enumerate()
    {
        // The prover's row of the same segment: both list them in order.
        let proven = proven.get(position).unwrap_or(&Value::Null);
        table.row(vec![
            position.to_string(),
            number(&verified["steps"]),
            short(&verified["state_before"]),
            short(&verified["state_after"]),
            number(&verified["proof_bytes"]),
            number(&verified["public_bytes"]),
            milliseconds(&proven["prove_ms"]),
            milliseconds(&verified["verify_ms"]),
        ]);
    }
    table.to_text()
}

/// What was proven, what it cost, and at which level of security.
pub fn summary(prove: &Value, verify: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line(
        "accepted",
        format!(
            "{} steps in {} segments, {} lookup claims",
            number(&verify["steps"]),
            number(&verify["segments"]),
            number(&prove["lookup_claims"]),
        ),
    );
    line(
        "size",
        format!(
            "{} bytes of proof, {} bytes of public values",
            number(&verify["proof_bytes"]),
            number(&verify["public_bytes"]),
        ),
    );
    line(
        "prove",
        format!(
            "{} ms of processor time, {} MiB at most, {} trace rows, {} committed cells",
            milliseconds(&prove["prove_cpu_ms"]),
            mebibytes(&prove["peak_rss_bytes"]),
            number(&prove["trace_rows"]),
            number(&prove["committed_cells"]),
        ),
    );
    line(
        "verify",
        format!("{} ms", milliseconds(&verify["verify_ms"])),
    );
    line("security", security(&verify["security"]));
    line(
        "states",
        format!(
            "{} to {}",
            short(&verify["first_state"]),
            short(&verify["last_state"])
        ),
    );
    line("digest", string(&verify["chain_digest"]));
    text
}

/// Why a process refused, from the object that it printed. Nothing for arguments that were refused:
/// the process has explained them on stderr.
pub fn reason(result: &Value) -> Option<&str> {
    if result["error"]["kind"] == "usage" {
        return None;
    }
    let message = &result["error"]["message"];
    [message, &result["error"], &result["reason"]]
        .into_iter()
        .find_map(Value::as_str)
}

/// Level, profile and parameters, then every figure that the verifier gives beside them, in bits.
fn security(security: &Value) -> String {
    let [level, profile, parameters] =
        ["level", "profile", "parameters"].map(|key| string(&security[key]));
    let mut text = format!("{level} {profile} ({parameters})");
    let mut separator = ", in bits: ";
    for (name, value) in security.as_object().into_iter().flatten() {
        if let Some(bits) = value.as_f64() {
            let _ = write!(text, "{separator}{} {bits:.1}", name.replace('_', " "));
            separator = ", ";
        }
    }
    text
}

fn number(value: &Value) -> String {
    value.as_u64().map_or_else(absent, thousands)
}

fn milliseconds(value: &Value) -> String {
    value.as_f64().map_or_else(absent, |ms| {
        if ms < 100.0 {
            format!("{ms:.2}")
        } else {
            format!("{ms:.0}")
        }
    })
}

fn mebibytes(value: &Value) -> String {
    value
        .as_u64()
        .map_or_else(absent, |bytes| thousands(bytes.div_ceil(1 << 20)))
}

fn short(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(absent, |hex| hex.chars().take(SHORT).collect())
}

fn string(value: &Value) -> String {
    value.as_str().map_or_else(absent, str::to_owned)
}

fn absent() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prove() -> Value {
        json!({
            "segments": 2, "steps": 4, "lookup_claims": 8832, "trace_rows": 1024,
            "committed_cells": 65536, "prove_cpu_ms": 912.5, "peak_rss_bytes": 3 << 20,
            "per_segment": [{"prove_ms": 450.4}, {"prove_ms": 4.25}],
        })
    }

    fn verify() -> Value {
        let row = |before: &str, after: &str| {
            json!({
                "steps": 2, "state_before": before, "state_after": after,
                "proof_bytes": 90_000, "public_bytes": 2048, "verify_ms": 1.5,
            })
        };
        json!({
            "accepted": true, "reason": null, "segments": 2, "steps": 4,
            "proof_bytes": 180_000, "public_bytes": 4096, "verify_ms": 3.0,
            "first_state": "aaaaaaaaaa", "last_state": "cccccccccc", "chain_digest": "0123",
            "security": {
                "level": "conjectured-100", "profile": "compact",
                "conjectured": 100, "johnson": 58.25, "parameters": "20/4/20/3/5",
            },
            "per_segment": [row("aaaaaaaaaa", "bbbbbbbbbb"), row("bbbbbbbbbb", "cccccccccc")],
        })
    }

    #[test]
    fn one_row_a_segment() {
        assert_eq!(
            segments(&prove(), &verify()),
            "segment  steps  state before  state after  proof bytes  public bytes  prove ms  verify ms\n\
             \x20     0      2  aaaaaaaa      bbbbbbbb          90,000         2,048       450       1.50\n\
             \x20     1      2  bbbbbbbb      cccccccc          90,000         2,048      4.25       1.50\n"
        );
    }

    #[test]
    fn the_summary_has_what_was_proven_and_its_cost() {
        assert_eq!(
            summary(&prove(), &verify()),
            "accepted   4 steps in 2 segments, 8,832 lookup claims\n\
             size       180,000 bytes of proof, 4,096 bytes of public values\n\
             prove      912 ms of processor time, 3 MiB at most, 1,024 trace rows, 65,536 committed cells\n\
             verify     3.00 ms\n\
             security   conjectured-100 compact (20/4/20/3/5), in bits: conjectured 100.0, johnson 58.2\n\
             states     aaaaaaaa to cccccccc\n\
             digest     0123\n"
        );
    }

    #[test]
    fn what_is_not_there_is_a_dash() {
        assert!(summary(&json!({}), &json!({})).contains("verify     - ms"));
        let table = segments(&json!({}), &json!({"per_segment": [{}]}));
        let cells: Vec<&str> = table
            .lines()
            .skip(1)
            .flat_map(str::split_whitespace)
            .collect();
        assert_eq!(cells, ["0", "-", "-", "-", "-", "-", "-", "-"]);
    }

    #[test]
    fn reasons_of_both_forms() {
        let error = json!({"error": {"kind": "io", "message": "no such file"}});
        assert_eq!(reason(&error), Some("no such file"));
        let rejected = json!({"accepted": false, "reason": "another table"});
        assert_eq!(reason(&rejected), Some("another table"));
        let usage = json!({"error": {"kind": "usage", "message": "unknown level"}});
        assert_eq!(reason(&usage), None);
        assert_eq!(reason(&Value::Null), None);
    }
}
