//! The seeds: small valid inputs, made from the committed segments.
use std::fs;
use std::io;
use std::path::Path;

use matchmark_quant::{AttentionShape, HeadDim, KvHeads, QueryHeads, StepRange, ValueBits};
use matchmark_runtime::synthetic_trace;
use matchmark_tables::{Rational, WeightTable};

use crate::samples;

/// A seed of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Name of the target, which is that of the folder.
    pub target: &'static str,
    /// File name.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// All seeds, the same whenever they are made.
pub fn all() -> Vec<Seed> {
    let mut seeds = vec![];
    let mut add = |target, name: &str, bytes: Vec<u8>| {
        let name = name.to_owned();
        seeds.push(Seed {
            target,
            name,
            bytes,
        });
    };
    let mut which = 0;
    for sample in samples::all() {
        let name = sample.name;
        add("segment_file", name, sample.bytes.to_vec());
        add("verify", name, sample.bytes.to_vec());
        add("statement", name, sample.file.statement().encode());
        add("policy", name, sample.policy_text.into());
        for bytes in sample.proofs() {
            add(
                "proof",
                &format!("{name}-{which}"),
                [&[which], bytes].concat(),
            );
            which += 1;
        }
    }
    for (name, place) in [
        ("first-sum", 0_u32),
        ("nothing", u32::MAX),
        ("inside", 2500),
    ] {
        let edit = [place.to_le_bytes(), 7_u32.to_le_bytes()].concat();
        let bytes = if place == u32::MAX { vec![] } else { edit };
        add("reground", name, bytes);
    }
    let custom = WeightTable::custom(vec![8, 4, 2, 1], "halves").unwrap();
    let third = WeightTable::exponential(Rational::new(1, 3).unwrap(), 6, 20).unwrap();
    for (name, table) in [
        ("custom", custom),
        ("essay9", WeightTable::essay9()),
        ("exponential", third),
    ] {
        add("table", name, table.to_text().into_bytes());
    }
    for (name, bits, steps) in [("trace-8", 8, [0, 2]), ("trace-12", 12, [2, 1])] {
        add("tensors", name, [&[0x14], &trace(bits, steps)[..]].concat());
    }
    add("tensors", "floats", [&[0x14], &floats()[..]].concat());
    seeds
}

/// Writes all seeds below a folder.
///
/// # Errors
/// A file that cannot be written.
pub fn write(root: &Path) -> io::Result<()> {
    for seed in all() {
        let folder = root.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&seed.name), &seed.bytes)?;
    }
    Ok(())
}

/// A trace of two query heads over one key/value head.
fn trace(bits: u8, [before, steps]: [u32; 2]) -> Vec<u8> {
    let shape = AttentionShape::new(
        QueryHeads::new(2).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(4).unwrap(),
    );
    let steps = StepRange::new(before, steps).unwrap();
    let bits = ValueBits::new(bits).unwrap();
    let trace = synthetic_trace(shape.unwrap(), bits, steps, 1).unwrap();
    trace.encode().unwrap()
}

/// Float tensors of one head, three tokens and two dimensions, with an output.
fn floats() -> Vec<u8> {
    let names = ["k", "output", "q", "v"];
    let values: Vec<f32> = (0_u8..24).map(|x| f32::from(x) / 8.0 - 1.25).collect();
    let entries: Vec<String> = (0..)
        .zip(names)
        .map(|(index, name)| {
            let (begin, end) = (24 * index, 24 * (index + 1));
            format!(r#""{name}":{{"dtype":"F32","shape":[1,3,2],"data_offsets":[{begin},{end}]}}"#)
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}
