//! Trained models and float tensors that are read, and what is said of those that cannot be.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use common::{
    expect, expect_error, expect_json, trained_gguf, trained_model, trained_weights, Place,
    TraceFile, LFS_POINTER,
};
use safetensors::tensor::Dtype;
use serde_json::json;

/// A place with a trained model and a text to calibrate with.
struct World {
    place: Place,
    folder: Utf8PathBuf,
    text: Utf8PathBuf,
    to: Utf8PathBuf,
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        let (folder, text) = (place.join("folder"), place.join("text"));
        trained_model(&folder);
        fs::write(&text, "aaa\naa\n").unwrap();
        let to = place.join("model.mm");
        Self {
            place,
            folder,
            text,
            to,
        }
    }

    fn quantize(&self) -> Vec<&str> {
        let mut args = vec!["quantize", "--model", self.folder.as_str()];
        args.extend(["--calibrate", self.text.as_str(), "--to", self.to.as_str()]);
        args
    }

    /// Nothing is written, and the reason names all of `words`.
    fn refused(&self, words: &[&str]) {
        expect_error(&self.quantize(), 2, words);
        assert!(!self.to.exists());
    }
}

#[test]
fn models_in_one_file_and_in_two() {
    let world = World::new();
    let one = expect_json(&world.quantize(), 0);
    let ignored = &one["quantization"]["ignored"];
    assert_eq!(*ignored, json!(["is_llama_config"]));
    let said = String::from_utf8(expect(&world.quantize(), 0).stdout).unwrap();
    assert!(
        said.contains("without effect here: is_llama_config"),
        "{said}"
    );

    let names = ["model-1.safetensors", "model-2.safetensors"];
    let place = |tensor: &str| usize::from(tensor > "model.layers.0.m");
    let all = trained_weights(|_| true).tensors.into_iter();
    let map: serde_json::Map<_, _> = all
        .map(|(name, ..)| (name.clone(), json!(names[place(&name)])))
        .collect();
    for (number, name) in names.iter().enumerate() {
        trained_weights(|tensor| place(tensor) == number).write(&world.folder.join(name));
    }
    fs::remove_file(world.folder.join("model.safetensors")).unwrap();
    let index = world.folder.join("model.safetensors.index.json");
    let mut written = json!({ "metadata": {}, "weight_map": map });
    fs::write(&index, written.to_string()).unwrap();
    let two = expect_json(&world.quantize(), 0);
    assert_eq!(one["quantization"], two["quantization"]);

    fs::remove_file(&world.to).unwrap();
    written["weight_map"]["model.norm.weight"] = json!(names[0]);
    fs::write(&index, written.to_string()).unwrap();
    world.refused(&["model-1.safetensors", "model.norm.weight", "index.json"]);
    written["weight_map"]["model.norm.weight"] = json!("../model.safetensors");
    fs::write(&index, written.to_string()).unwrap();
    world.refused(&["../model.safetensors", "of the same folder"]);
}

#[test]
fn folders_that_cannot_be_read() {
    let world = World::new();
    let weights = world.folder.join("model.safetensors");
    let good = fs::read(&weights).unwrap();
    fs::write(&weights, &good[..good.len() - 9]).unwrap();
    let (end, whole) = ((good.len() - 9).to_string(), good.len().to_string());
    world.refused(&["model.safetensors", "truncated", &end, &whole]);

    let mut file = trained_weights(|_| true);
    file.tensor("model.norm.weight").3[4..8].copy_from_slice(&1e30f32.to_le_bytes());
    file.write(&weights);
    world.refused(&["model.norm.weight", "element 1", "2^40"]);
    file.tensor("model.norm.weight").3[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    file.write(&weights);
    world.refused(&["model.norm.weight", "element 1", "NaN"]);

    let (header, data) = good.split_at(8 + header_bytes(&good));
    let text = std::str::from_utf8(&header[8..]).unwrap();
    let entry = r#""model.norm.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"#;
    write_header(
        &weights,
        &text.replacen('{', &format!("{{{entry}"), 1),
        data,
    );
    world.refused(&["\"model.norm.weight\" twice"]);

    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let path = world.folder.join(name);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, LFS_POINTER).unwrap();
        world.refused(&[name, "git-lfs pointer", "4264616 bytes", "git lfs pull"]);
        fs::write(&path, kept).unwrap();
    }
    fs::write(&weights, good).unwrap();

    let config = world.folder.join("config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replacen('{', "{\"hidden_size\":4,", 1)).unwrap();
    world.refused(&["config.json", "\"hidden_size\" twice"]);
    fs::write(&config, text).unwrap();

    // A line of more tokens than the model has positions is several sequences, however long it is, and that is
    // said.
    fs::write(&world.text, format!("aa\n{}\n", "a".repeat(1_000_000))).unwrap();
    let output = expect(&world.quantize(), 0);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("1 of 2 lines"), "{said}");
}

fn header_bytes(file: &[u8]) -> usize {
    usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap()
}

fn write_header(path: &Utf8Path, header: &str, data: &[u8]) {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    fs::write(path, bytes).unwrap();
}

/// A header of 300,000 empty tensors, as a folder's weights, as floats and as a trace: refused by its length,
/// and with it however long such a file is. Below that length, the number of tensors is counted.
#[test]
fn headers_that_are_too_long() {
    let world = World::new();
    let header = |count: usize| {
        let entry =
            |i| format!("\"t{i}\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        let entries: Vec<String> = (0..count).map(entry).collect();
        format!("{{{}}}", entries.join(","))
    };
    let file = world.place.join("file");
    let trace = world.place.join("trace");
    for (count, words) in [
        (300_000, "at most 2097152"),
        (5_000, "more than 4096 tensors"),
    ] {
        let header = header(count);
        write_header(&file, &header, &[]);
        fs::copy(&file, world.folder.join("model.safetensors")).unwrap();
        let begin = Instant::now();
        world.refused(&["model.safetensors", words]);
        let (file, to) = (file.as_str(), trace.as_str());
        let args = ["quantize", "--float", file, "--prefix", "0", "--to", to];
        expect_error(&args, 2, &[words]);
        expect_error(&["mock", "--trace", file], 2, &[words]);
        // Six runs of the command; one alone took seconds.
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    assert!(!trace.exists());
}

#[test]
fn floats() {
    let place = Place::new();
    let (float, to) = (place.join("float"), place.join("trace"));
    let mut args = vec!["quantize", "--float", float.as_str(), "--prefix", "0"];
    args.extend(["--to", to.as_str()]);
    let file = |dtype: Dtype, encode: fn(f64) -> Vec<u8>| {
        let mut file = TraceFile::empty();
        for (name, heads) in [("q", 2), ("k", 1), ("v", 1), ("output", 2)] {
            let numbers = (0..heads * 12).map(|i| f64::from(i * 7 % 24) / 8.0 - 1.5);
            let bytes = numbers.flat_map(encode).collect();
            let shape = vec![usize::try_from(heads).unwrap(), 3, 4];
            file.tensors.push((name.to_owned(), dtype, shape, bytes));
        }
        file
    };
    let double = file(Dtype::F64, |x| x.to_le_bytes().to_vec());
    #[allow(clippy::cast_possible_truncation, reason = "eighths are exact")]
    let single = file(Dtype::F32, |x| (x as f32).to_le_bytes().to_vec());
    #[allow(clippy::cast_possible_truncation, reason = "eighths are exact")]
    let brain = file(Dtype::BF16, |x| (x as f32).to_le_bytes()[2..].to_vec());
    single.write(&float);
    let expected = expect_json(&args, 0);
    let trace = fs::read(&to).unwrap();
    for other in [&double, &brain] {
        other.write(&float);
        assert_eq!(expect_json(&args, 0), expected);
        assert_eq!(fs::read(&to).unwrap(), trace);
    }
    fs::remove_file(&to).unwrap();
    for (number, words) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (1e30, "1e30")] {
        let mut bad = double.clone();
        bad.tensor("output").3[16..24].copy_from_slice(&number.to_le_bytes());
        bad.write(&float);
        expect_error(&args, 2, &["\"output\"", "element 2", words]);
    }
    fs::write(&float, LFS_POINTER).unwrap();
    expect_error(&args, 2, &["git-lfs pointer", "git lfs pull"]);
    assert!(!to.exists());
}

/// Fewer positions than the model was made for, and never more.
#[test]
fn positions_that_a_user_wants() {
    let world = World::new();
    let with = |positions| [&world.quantize()[..], &["--positions", positions]].concat();
    expect(&with("4"), 0);
    let text = world.text.as_str();
    let args = ["eval", "--model", world.to.as_str(), "--text", text];
    let args = [&args[..], &["--float", world.folder.as_str()]].concat();
    expect_json(&args, 0);
    fs::remove_file(&world.to).unwrap();
    expect_error(&with("9"), 2, &["9 positions", "at most 8"]);
    assert!(!world.to.exists());

    let config = world.folder.join("config.json");
    let many = fs::read_to_string(&config).unwrap().replace(
        r#""max_position_embeddings":8"#,
        r#""max_position_embeddings":2000000"#,
    );
    fs::write(&config, many).unwrap();
    world.refused(&["2000000 positions", "--positions N"]);
    expect(&with("8"), 0);
}

/// The GGUF file of a model gives the model that its folder gives, and its tokenizer.
#[test]
fn models_in_a_gguf_file() {
    let world = World::new();
    let folder = expect_json(&world.quantize(), 0);
    let made = fs::read(&world.to).unwrap();
    let gguf = world.place.join("tiny.gguf");
    trained_gguf(&gguf);
    let mut args = world.quantize();
    args[2] = gguf.as_str();
    let file = expect_json(&args, 0);
    assert_eq!(fs::read(&world.to).unwrap(), made);
    assert_eq!(
        folder["quantization"]["identity"],
        file["quantization"]["identity"]
    );
    assert_eq!(file["quantization"]["ignored"], json!(["general.name"]));

    let text = world.text.as_str();
    let args = ["eval", "--model", world.to.as_str(), "--text", text];
    let floats = |path: &str| expect_json(&[&args[..], &["--float", path]].concat(), 0);
    assert_eq!(floats(gguf.as_str()), floats(world.folder.as_str()));

    // In the place of an integer model it is named, and so is a file that is neither.
    let args = ["eval", "--model", gguf.as_str(), "--text", text];
    expect_error(&args, 2, &["a GGUF file", "quantize --model"]);
    let mut args = world.quantize();
    args[2] = text;
    expect_error(&args, 2, &["or a GGUF file"]);
    let whole = fs::read(&gguf).unwrap();
    fs::write(&gguf, &whole[..whole.len() - 9]).unwrap();
    args[2] = gguf.as_str();
    expect_error(&args, 2, &["tiny.gguf", "GGUF file", "bytes"]);
}
