//! Integer models: made, measured, and refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use camino::Utf8PathBuf;
use common::{expect, expect_error, expect_json, Place};

fn fixture(name: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name)
}

/// A model, and a text of three lines that it is measured on.
fn quantized(place: &Place) -> (Utf8PathBuf, Utf8PathBuf) {
    let text = place.join("text.txt");
    let lines = fs::read_to_string(fixture("eval.txt")).unwrap();
    let lines: Vec<&str> = lines.lines().take(3).collect();
    fs::write(&text, lines.join("\n")).unwrap();
    let (folder, model) = (fixture("stories-gqa-tiny"), place.join("model.mm"));
    let args = [
        "quantize",
        "--model",
        folder.as_str(),
        "--calibrate",
        text.as_str(),
        "--to",
        model.as_str(),
    ];
    let object = expect_json(&args, 0);
    assert_eq!(object["quantization"]["calibration_tokens"], 440);
    let first = fs::read(&model).unwrap();
    expect(&args, 0);
    assert_eq!(fs::read(&model).unwrap(), first);
    (model, text)
}

#[test]
fn made_and_measured() {
    let place = Place::new();
    let (model, text) = quantized(&place);
    let folder = fixture("stories-gqa-tiny");
    let args = ["eval", "--model", model.as_str(), "--text", text.as_str()];
    let object = expect_json(&args, 0);
    assert!(object["float"].is_null());
    let alone = object["integer"]["perplexity"].as_f64().unwrap();
    let args = [&args[..], &["--float", folder.as_str()]].concat();
    let object = expect_json(&args, 0);
    assert_eq!(object["integer"]["perplexity"].as_f64().unwrap(), alone);
    assert!(object["float"]["ratio"].as_f64().unwrap() < 1.02);
    assert!(object["float"]["agreement_percent"].as_f64().unwrap() > 97.0);
    assert_eq!(object["errors"].as_array().unwrap().len(), 31);
    let output = String::from_utf8(expect(&args, 0).stdout).unwrap();
    for words in ["perplexity", "stream after attention", "accumulated"] {
        assert!(output.contains(words), "{output}");
    }
}

/// A new model is measured on a text that it was not made with, and with another text than its own.
#[test]
fn measured_where_it_is_made() {
    let place = Place::new();
    let (model, _) = quantized(&place);
    let (folder, held_out) = (fixture("stories-gqa-tiny"), place.join("held out.txt"));
    let all = fs::read_to_string(fixture("eval.txt")).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    fs::write(&held_out, lines[3..].join("\n")).unwrap();
    let (text, to) = (place.join("text.txt"), place.join("measured.mm"));
    let args = [
        "quantize",
        "--model",
        folder.as_str(),
        "--calibrate",
        text.as_str(),
        "--to",
        to.as_str(),
    ];
    let object = expect_json(&args, 0);
    assert!(object["evaluation"].is_null());
    let said = String::from_utf8(expect(&args, 0).stderr).unwrap();
    assert!(
        said.contains("440 tokens") && said.contains("--evaluate TEXT"),
        "{said}"
    );
    let args = [&args[..], &["--evaluate", held_out.as_str()]].concat();
    let object = expect_json(&args, 0);
    let evaluation = &object["evaluation"];
    assert_eq!(evaluation["predictions"], 300);
    assert_eq!(evaluation["text"], held_out.as_str());
    let ratio = evaluation["ratio"].as_f64().unwrap();
    assert!((0.99..1.01).contains(&ratio), "{ratio}");
    assert!(evaluation["agreement_percent"].as_f64().unwrap() > 97.0);
    assert!(evaluation["divergence_nats"].as_f64().unwrap() > 0.0);
    let output = expect(&args, 0);
    assert!(output.stderr.is_empty());
    let output = String::from_utf8(output.stdout).unwrap();
    let words = format!("300 predictions in {held_out}");
    assert!(
        output.contains(&words) && output.contains("times that of the floats"),
        "{output}"
    );
    // Measuring changes nothing of the model.
    assert_eq!(fs::read(&to).unwrap(), fs::read(&model).unwrap());

    // Of a long calibration text the end is left for it, and the ranges are those of the rest.
    let long = place.join("long.txt");
    fs::write(&long, format!("{all}\n").repeat(4)).unwrap();
    let mut args = args;
    args[4] = long.as_str();
    let whole = expect_json(&args, 0)["quantization"]["calibration_tokens"].as_u64();
    let object = expect_json(&args[..7], 0);
    assert!(object["evaluation"]["text"].is_null());
    assert_eq!(object["evaluation"]["predictions"], 300);
    let used = object["quantization"]["calibration_tokens"].as_u64();
    let left = whole.unwrap() - used.unwrap();
    assert!((300..600).contains(&left), "{left}");
}

#[test]
fn measured_by_answers_positions_and_speed() {
    let place = Place::new();
    let (model, text) = quantized(&place);
    let folder = fixture("stories-gqa-tiny");
    let prompts = place.join("prompts.txt");
    fs::write(&prompts, "Lily and Max were\n\n  Tom had a ball. \n").unwrap();
    let eval = ["eval", "--model", model.as_str()];
    let float = ["--float", folder.as_str()];
    let answers = ["--prompts", prompts.as_str(), "--answer-tokens", "12"];
    let measured = ["--text", text.as_str(), "--speed", "64"];
    let args = [&eval[..], &float, &answers, &measured].concat();
    let object = expect_json(&args, 0);
    let each = object["answers"]["each"].as_array().unwrap();
    assert_eq!((each.len(), &object["answers"]["limit"]), (2, &12.into()));
    assert_eq!(each[1]["prompt"], "Tom had a ball.");
    assert!(!each[1]["answer"].as_str().unwrap().is_empty());
    let equal: Vec<f64> = each
        .iter()
        .map(|it| it["equal_to_float"].as_f64().unwrap())
        .collect();
    assert!(equal.iter().all(|it| *it <= 12.0));
    let median = (equal[0] + equal[1]) / 2.0;
    assert_eq!(object["answers"]["median_equal_to_float"], median);
    let ranges = object["float"]["divergence"]["by_position"]
        .as_array()
        .unwrap();
    let predictions = ranges.iter().map(|it| it["predictions"].as_u64().unwrap());
    assert_eq!(predictions.sum::<u64>(), object["tokens"].as_u64().unwrap());
    assert_eq!(
        (&ranges[1]["from"], &ranges[1]["to"]),
        (&64.into(), &128.into())
    );
    assert!(object["float"]["divergence"]["nats"].as_f64().unwrap() > 0.0);
    assert_eq!(object["speed"]["entries"], 64);
    assert_eq!(object["speed"]["steps"], 32);
    let output = String::from_utf8(expect(&args, 0).stdout).unwrap();
    for words in [
        "tokens a second on one core, 32 steps around 64 entries",
        "64 to 127",
        "of at most 12",
        "Tom had a ball.",
        "(median)",
    ] {
        assert!(output.contains(words), "{words}: {output}");
    }
    // Answers alone, of 48 tokens where nothing else is said.
    let alone = expect_json(&[&eval[..], &float, &answers[..2]].concat(), 0);
    assert!(alone["integer"].is_null() && alone["speed"].is_null());
    assert_eq!(alone["answers"]["limit"], 48);
    // Answers of whom? Compared with what? Decoding which tokens?
    for options in [&answers[..], &[&float[..], &measured[2..]].concat(), &float] {
        expect(&[&eval[..], options].concat(), 2);
    }
    let too_many = [&eval[..], &float, &answers[..3], &["300"]].concat();
    expect_error(&too_many, 2, &["at most 256 positions"]);
    let too_far = [&eval[..], &measured[..3], &["250"]].concat();
    expect_error(&too_far, 2, &["at most 256 positions"]);
    fs::write(&prompts, "\n \n").unwrap();
    let none = [&eval[..], &float, &answers].concat();
    expect_error(&none, 2, &[prompts.as_str(), "0 prompts"]);
}

#[test]
fn long_lines_are_read_as_several_sequences() {
    let place = Place::new();
    let (model, text) = quantized(&place);
    let args = ["eval", "--model", model.as_str(), "--text", text.as_str()];
    fs::write(&text, "the cat ".repeat(300)).unwrap();
    let output = expect(&args, 0);
    let stderr = String::from_utf8(output.stderr).unwrap();
    for words in [
        "1 of 1 lines",
        "256 positions",
        "several sequences",
        text.as_str(),
    ] {
        assert!(stderr.contains(words), "{stderr}");
    }
    let long = expect_json(&args, 0);
    assert!(long["sequences"].as_u64().unwrap() > 1);
    // The first token of a sequence is predicted by none.
    let tokens = long["tokens"].as_u64().unwrap();
    let in_lines = format!("{}\n", "the cat ".repeat(25).trim_end()).repeat(12);
    fs::write(&text, in_lines).unwrap();
    let output = expect(&args, 0);
    assert!(output.stderr.is_empty());
    assert!(
        expect_json(&args, 0)["tokens"]
            .as_u64()
            .unwrap()
            .abs_diff(tokens)
            < 40
    );
    // A calibration takes them, too.
    fs::write(&text, "the cat ".repeat(300)).unwrap();
    let folder = fixture("stories-gqa-tiny");
    let to = place.join("long.mm");
    let mut args = vec!["quantize", "--model", folder.as_str()];
    args.extend(["--calibrate", text.as_str(), "--to", to.as_str()]);
    let output = expect(&args, 0);
    assert!(String::from_utf8_lossy(&output.stderr).contains("several sequences"));
}

#[test]
fn refused() {
    let place = Place::new();
    let (model, text) = quantized(&place);
    let bytes = fs::read(&model).unwrap();
    let args = ["eval", "--model", model.as_str(), "--text", text.as_str()];
    for (changed, words) in [
        (bytes[..bytes.len() - 1].to_vec(), "truncated"),
        ([bytes.as_slice(), &[0]].concat(), "follows"),
        (b"something else".to_vec(), "not a model file"),
    ] {
        fs::write(&model, changed).unwrap();
        expect_error(&args, 2, &[model.as_str(), words]);
    }
    let mut edited = bytes.clone();
    edited[5000] ^= 1;
    fs::write(&model, edited).unwrap();
    expect_error(&args, 2, &["identity", "expected"]);
    fs::write(&model, &bytes).unwrap();

    // Floats of another model, and a text without a line.
    let other = fixture("stories-2m");
    let with_floats = [&args[..], &["--float", other.as_str()]].concat();
    expect_error(&with_floats, 2, &["another model", "hidden size 256"]);
    fs::write(&text, "\n").unwrap();
    expect_error(&args, 2, &["0 tokens"]);
    fs::remove_file(&text).unwrap();
    expect_error(&args, 2, &["cannot read", text.as_str()]);

    // What makes a trace and what makes a model do not mix.
    let to = place.join("new.mm");
    let folder = fixture("stories-gqa-tiny");
    let (folder, to_text, eval) = (folder.as_str(), to.as_str(), fixture("eval.txt"));
    for options in [
        &[][..],
        &["--model", folder],
        &[
            "--model",
            folder,
            "--calibrate",
            eval.as_str(),
            "--prefix",
            "1",
        ],
        &[
            "--float",
            "x",
            "--prefix",
            "1",
            "--model",
            folder,
            "--calibrate",
            eval.as_str(),
        ],
        &["--float", "x"],
    ] {
        let args = [&["quantize", "--to", to_text], options].concat();
        expect(&args, 2);
    }
    let calibrate = ["--calibrate", eval.as_str(), "--to", to_text];
    let args = [
        &["quantize", "--model", place.path.as_str()],
        &calibrate[..],
    ]
    .concat();
    expect_error(&args, 2, &["config.json"]);
    // A width that there is not, and more positions than the model was made for.
    for (option, value, word) in [("--bits", "13", "13"), ("--positions", "257", "257")] {
        let args = [
            &["quantize", option, value, "--model", folder],
            &calibrate[..],
        ]
        .concat();
        expect_error(&args, 2, &[word]);
    }
    assert!(!to.exists());
}
