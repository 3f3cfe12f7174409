//! Every committed input through its target, on the stable compiler.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use matchmark_fuzz_targets::seeds;
use matchmark_fuzz_targets::targets::{imported, ALL};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files of a folder, which may be missing.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn seeds_pass() {
    for target in ALL {
        let seeds = files(&fuzz().join("seeds").join(target.name));
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for (_, bytes) in seeds {
            (target.run)(&bytes);
        }
    }
}

/// The folders that are seeds get as far as a model: one with its weights in one file, one in two, one with a
/// pattern of its own for words; and so does a GGUF file.
#[test]
fn the_seeds_of_import_are_quantized() {
    let seeds = files(&fuzz().join("seeds/import"));
    assert_eq!(seeds.len(), 4);
    for (path, bytes) in seeds {
        assert!(imported(&bytes).is_some(), "{}", path.display());
    }
}

/// What failed once stays mended.
#[test]
fn regressions_pass() {
    for target in ALL {
        for (path, bytes) in files(&fuzz().join("regressions").join(target.name)) {
            println!("{}", path.display());
            (target.run)(&bytes);
        }
    }
}

#[test]
fn committed_seeds_are_current() {
    let expected: BTreeSet<PathBuf> = seeds::all()
        .into_iter()
        .map(|seed| {
            let path = fuzz().join("seeds").join(seed.target).join(&seed.name);
            let got = fs::read(&path).ok();
            assert!(
                got.as_ref() == Some(&seed.bytes),
                "{} is not current: cargo run -p matchmark-fuzz-targets -- fuzz/seeds",
                path.display()
            );
            path
        })
        .collect();
    for target in ALL {
        for (path, _) in files(&fuzz().join("seeds").join(target.name)) {
            assert!(expected.contains(&path), "{} is no seed", path.display());
        }
    }
}

/// Each target has its binary, and a folder of regressions belongs to a target.
#[test]
fn targets_and_binaries_are_the_same() {
    let names: BTreeSet<&str> = ALL.iter().map(|target| target.name).collect();
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let binaries: BTreeSet<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"))
        .filter_map(|rest| rest.strip_suffix(".rs\""))
        .collect();
    assert_eq!(names, binaries);
    for name in &names {
        let source = fuzz().join(format!("fuzz_targets/{name}.rs"));
        let source = fs::read_to_string(source).unwrap();
        assert!(
            source.contains(&format!("targets::{name}(bytes)")),
            "{name}"
        );
    }
    let Ok(folders) = fs::read_dir(fuzz().join("regressions")) else {
        return;
    };
    for folder in folders {
        let folder = folder.unwrap();
        if folder.file_type().unwrap().is_dir() {
            let name = folder.file_name();
            assert!(names.contains(name.to_str().unwrap()), "{name:?}");
        }
    }
}

/// A few changes of every seed, as the fuzzer would begin.
#[test]
fn changed_seeds_pass() {
    for target in ALL {
        for (_, bytes) in files(&fuzz().join("seeds").join(target.name)) {
            let step = (bytes.len() / 40).max(1);
            for at in (0..bytes.len()).step_by(step) {
                for change in [0x01, 0x80] {
                    let mut changed = bytes.clone();
                    changed[at] ^= change;
                    (target.run)(&changed);
                }
                (target.run)(&bytes[..at]);
            }
        }
    }
}
