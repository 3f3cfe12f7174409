//! Trace files: what is written is read, and what is wrong is refused by name.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use common::traces;
use matchmark_quant::{QuantError, Rounding, ValueBits};
use matchmark_runtime::{
    decode, quantize_file, quantize_file_with, write_public_values, AttentionTrace, FloatError,
    TableResolution, TraceError,
};
use matchmark_tables::{Rational, WeightTable};
use proptest::prelude::*;
use safetensors::{tensor::TensorView, Dtype, SafeTensors};

/// Writes a file with the usual library.
struct Foreign {
    tensors: Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)>,
    metadata: HashMap<String, String>,
}

impl Foreign {
    fn new(dtype: Dtype, heads: usize, kv_heads: usize, steps: usize, dim: usize) -> Self {
        let tensor = |name, heads| {
            let shape = vec![heads, steps, dim];
            let bytes = vec![0; heads * steps * dim * dtype.size()];
            (name, dtype, shape, bytes)
        };
        let tensors = vec![
            tensor("q", heads),
            tensor("k", kv_heads),
            tensor("v", kv_heads),
        ];
        Self {
            tensors,
            metadata: HashMap::new(),
        }
    }

    fn with(mut self, name: &'static str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Self {
        self.tensors.retain(|(other, ..)| *other != name);
        self.tensors.push((name, dtype, shape.to_vec(), bytes));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.tensors.retain(|(other, ..)| *other != name);
        self
    }

    fn meta(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            (
                *name,
                TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
            )
        });
        safetensors::serialize(views, &Some(self.metadata.clone())).unwrap()
    }

    fn write(&self) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace.safetensors");
        std::fs::write(&path, self.bytes()).unwrap();
        (directory, path)
    }

    fn load(&self) -> Result<AttentionTrace, TraceError> {
        let (_directory, path) = self.write();
        AttentionTrace::load(path)
    }

    fn quantize(&self, prefix: usize) -> TraceError {
        let (_directory, path) = self.write();
        quantize_file(&path, prefix, ValueBits::DEFAULT).unwrap_err()
    }
}

fn int8() -> Foreign {
    Foreign::new(Dtype::I8, 2, 1, 3, 4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn round_trip(trace in traces()) {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        trace.save(&one).unwrap();
        let loaded = AttentionTrace::load(&one).unwrap();
        prop_assert_eq!(&loaded, &trace);
        loaded.save(&two).unwrap();
        let bytes = std::fs::read(&one).unwrap();
        prop_assert_eq!(&bytes, &std::fs::read(&two).unwrap());
        let theirs = SafeTensors::deserialize(&bytes).unwrap();
        let dtype = if trace.value_bits().get() <= 8 { Dtype::I8 } else { Dtype::I16 };
        prop_assert_eq!(theirs.tensor("q").unwrap().dtype(), dtype);
    }
}

#[test]
fn foreign_files_are_read() {
    let trace = int8().load().unwrap();
    assert_eq!(
        (
            trace.value_bits().get(),
            trace.step_range().entries_before()
        ),
        (8, 0)
    );
    assert_eq!(
        (trace.shape().query_heads(), trace.shape().kv_heads()),
        (2, 1)
    );
    let rules = trace.rules(Rounding::default(), None, None).unwrap();
    assert_eq!(
        (rules.score_step.get(), rules.table),
        (1, WeightTable::exp256_default())
    );

    let wide = Foreign::new(Dtype::I16, 2, 2, 1, 4);
    assert_eq!(wide.load().unwrap().value_bits().get(), 12);
    let zero_rows = int8().with("prefix_k", Dtype::I8, &[1, 0, 4], vec![]).with(
        "prefix_v",
        Dtype::I8,
        &[1, 0, 4],
        vec![],
    );
    assert_eq!(zero_rows.load().unwrap(), trace);
    let prefix = int8()
        .with("prefix_k", Dtype::I8, &[1, 2, 4], vec![1; 8])
        .with("prefix_v", Dtype::I8, &[1, 2, 4], vec![2; 8]);
    let prefix = prefix.load().unwrap();
    assert_eq!(prefix.step_range().entries_before(), 2);
    assert_eq!(
        (prefix.prefix_k(), prefix.prefix_v()),
        (&[1i16; 8][..], &[2i16; 8][..])
    );
    let delta = int8()
        .meta("matchmark.table_delta", "1/8")
        .meta("matchmark.score_step", "7");
    let rules = delta
        .load()
        .unwrap()
        .rules(Rounding::Floor, None, None)
        .unwrap();
    assert_eq!(
        rules.table,
        WeightTable::exp256(Rational::new(1, 8).unwrap()).unwrap()
    );
    assert_eq!(rules.score_step.get(), 7);
}

#[test]
fn missing_tensors() {
    for name in ["q", "k", "v"] {
        let refused = int8().without(name).load();
        assert!(matches!(refused, Err(TraceError::MissingTensor { tensor }) if tensor == name));
    }
    let half = int8()
        .with("prefix_k", Dtype::I8, &[1, 2, 4], vec![0; 8])
        .load();
    assert!(matches!(
        half,
        Err(TraceError::MissingTensor { tensor: "prefix_v" })
    ));
    let half = int8()
        .with("prefix_v", Dtype::I8, &[1, 2, 4], vec![0; 8])
        .load();
    assert!(matches!(
        half,
        Err(TraceError::MissingTensor { tensor: "prefix_k" })
    ));
}

#[test]
fn wrong_types() {
    let refused = |file: Foreign| match file.load() {
        Err(TraceError::WrongDtype {
            tensor,
            expected,
            got,
        }) => (tensor, expected, got),
        other => panic!("{other:?}"),
    };
    let float = int8().with("q", Dtype::F32, &[2, 3, 4], vec![0; 96]);
    assert_eq!(refused(float), ("q", "I8 or I16", "F32".to_owned()));
    let mixed = int8().with("k", Dtype::I16, &[1, 3, 4], vec![0; 24]);
    assert_eq!(refused(mixed), ("k", "I8", "I16".to_owned()));
    let contradiction = int8().meta("matchmark.value_bits", "12");
    assert_eq!(refused(contradiction), ("q", "I16", "I8".to_owned()));
    let narrow = Foreign::new(Dtype::I16, 1, 1, 1, 1).meta("matchmark.value_bits", "8");
    assert_eq!(refused(narrow), ("q", "I8", "I16".to_owned()));
}

#[test]
fn wrong_shapes() {
    for (name, shape) in [
        ("q", &[2, 3][..]),
        ("q", &[2, 3, 4, 1]),
        ("k", &[1, 2, 4]),
        ("k", &[1, 3, 5]),
        ("v", &[2, 3, 4]),
        ("prefix_k", &[2, 1, 4]),
        ("prefix_v", &[1, 1, 3]),
    ] {
        let file = int8()
            .with("prefix_k", Dtype::I8, &[1, 1, 4], vec![0; 4])
            .with("prefix_v", Dtype::I8, &[1, 1, 4], vec![0; 4])
            .with(name, Dtype::I8, shape, vec![0; shape.iter().product()]);
        match file.load() {
            Err(TraceError::WrongShape { tensor, got, .. }) => {
                assert_eq!((tensor, &got[..]), (name, shape))
            }
            other => panic!("{name} {shape:?}: {other:?}"),
        }
    }
    // Prefixes of different length.
    let uneven = int8()
        .with("prefix_k", Dtype::I8, &[1, 2, 4], vec![0; 8])
        .with("prefix_v", Dtype::I8, &[1, 1, 4], vec![0; 4]);
    assert!(matches!(
        uneven.load(),
        Err(TraceError::WrongShape {
            tensor: "prefix_v",
            ..
        })
    ));
}

#[test]
fn values_out_of_range() {
    let mut bytes = vec![0u8; 12];
    bytes[5] = 0x80;
    match int8().with("v", Dtype::I8, &[1, 3, 4], bytes).load() {
        Err(
            error @ TraceError::ValueOutOfRange {
                tensor: "v",
                index: 5,
                value: -128,
                ..
            },
        ) => {
            assert!(error.to_string().contains("-128 is excluded"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let seven =
        int8()
            .meta("matchmark.value_bits", "4")
            .with("q", Dtype::I8, &[2, 3, 4], vec![8; 24]);
    assert!(matches!(
        seven.load(),
        Err(TraceError::ValueOutOfRange {
            tensor: "q",
            index: 0,
            value: 8,
            reason: QuantError::ValueOutOfRange { .. }
        })
    ));
    let wide = Foreign::new(Dtype::I16, 1, 1, 1, 1);
    let low = wide.with(
        "k",
        Dtype::I16,
        &[1, 1, 1],
        (-2048i16).to_le_bytes().to_vec(),
    );
    assert!(matches!(
        low.load(),
        Err(TraceError::ValueOutOfRange { value: -2048, .. })
    ));
}

#[test]
fn sizes_that_make_no_decode() {
    let heads = Foreign::new(Dtype::I8, 3, 2, 1, 4).load();
    assert!(matches!(
        heads,
        Err(TraceError::Quantity(QuantError::HeadsNotDivisible {
            query_heads: 3,
            kv_heads: 2
        }))
    ));
    assert!(matches!(
        Foreign::new(Dtype::I8, 2, 1, 0, 4).load(),
        Err(TraceError::NoSteps)
    ));
    for empty in [
        Foreign::new(Dtype::I8, 0, 1, 1, 4),
        Foreign::new(Dtype::I8, 2, 0, 1, 4),
        Foreign::new(Dtype::I8, 2, 1, 1, 0),
    ] {
        let refused = empty.load();
        assert!(matches!(
            refused,
            Err(TraceError::Quantity(QuantError::ParameterOutOfRange {
                got: 0,
                ..
            }))
        ));
    }
}

#[test]
fn damaged_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    assert!(matches!(
        AttentionTrace::load(&path),
        Err(TraceError::Io { action: "read", .. })
    ));
    let bytes = int8().bytes();
    for length in [0, 7, 8, 50] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(matches!(
            AttentionTrace::load(&path),
            Err(TraceError::HeaderTruncated { got, .. }) if got == length as u64
        ));
    }
    let whole = bytes.len() as u64;
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = AttentionTrace::load(&path).unwrap_err();
    assert!(matches!(
        error,
        TraceError::Truncated { expected, got } if (expected, got) == (whole, whole - 1)
    ));
    let words = format!("truncated: it ends at byte {} of the {whole}", whole - 1);
    assert!(error.to_string().contains(&words), "{error}");
    std::fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
    assert!(matches!(
        AttentionTrace::load(&path),
        Err(TraceError::TrailingBytes { .. })
    ));
}

#[test]
fn public_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("public");
    let trace = int8().load().unwrap();
    let out = vec![1i16; 24];
    let write = |out: &[i16]| {
        let (shape, bits) = (trace.shape(), trace.value_bits());
        write_public_values(&path, &shape, bits, trace.q(), trace.k(), trace.v(), out)
    };
    assert!(matches!(
        write(&out[1..]),
        Err(TraceError::WrongLength {
            tensor: "out",
            expected: 24,
            got: 23
        })
    ));
    assert!(matches!(
        write(&[-128; 24]),
        Err(TraceError::ValueOutOfRange { tensor: "out", .. })
    ));
    assert!(!path.exists());
    write(&out).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("out").unwrap().shape(), [2, 3, 4]);
    assert_eq!(file.tensor("out").unwrap().data(), [1u8; 24]);
    // It is at the same time a trace without prefix.
    assert_eq!(AttentionTrace::load(&path).unwrap(), trace);
}

#[test]
fn refused_float_files() {
    let float = || Foreign::new(Dtype::F32, 2, 1, 3, 4);
    assert!(matches!(
        float().without("v").quantize(0),
        TraceError::MissingTensor { tensor: "v" }
    ));
    assert!(matches!(
        float().quantize(3),
        TraceError::PrefixTooLong { tokens: 3, got: 3 }
    ));
    assert!(matches!(
        float().quantize(usize::MAX),
        TraceError::PrefixTooLong { .. }
    ));
    assert!(matches!(
        int8().quantize(0),
        TraceError::Floats {
            tensor: "q",
            reason: FloatError::Dtype { got }
        } if got == "I8"
    ));
    let output = float().with("output", Dtype::F32, &[2, 2, 4], vec![0; 64]);
    assert!(matches!(
        output.quantize(0),
        TraceError::WrongShape {
            tensor: "output",
            ..
        }
    ));
    // In every tensor, what is measured against included.
    for (name, heads) in [("q", 2), ("k", 1), ("v", 1), ("output", 2)] {
        let with = |numbers: &[f32]| {
            let mut bytes = vec![0; heads * 48];
            for (to, number) in bytes.chunks_exact_mut(4).zip(numbers) {
                to.copy_from_slice(&number.to_le_bytes());
            }
            match float()
                .with(name, Dtype::F32, &[heads, 3, 4], bytes)
                .quantize(0)
            {
                TraceError::Floats { tensor, reason } => {
                    assert_eq!(tensor, name);
                    reason
                }
                other => panic!("{name}: {other}"),
            }
        };
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let reason = with(&[0.0, bad]);
            assert!(matches!(reason, FloatError::NotFinite { index: 1, .. }));
        }
        let reason = with(&[0.0, 1.0, -1e30]);
        assert!(matches!(reason, FloatError::TooLarge { index: 2, .. }));
        let reason = with(&[1e-40]);
        assert!(matches!(reason, FloatError::TooSmall { index: 0, .. }));
    }
    // Queries and keys that make no scores, each by itself a tensor like others.
    for unit in [1e-30f32, 1e9] {
        let file = float()
            .with("q", Dtype::F32, &[2, 3, 4], unit.to_le_bytes().repeat(24))
            .with("k", Dtype::F32, &[1, 3, 4], unit.to_le_bytes().repeat(12));
        let error = file.quantize(0);
        assert!(matches!(error, TraceError::Scores { .. }), "{error}");
    }
    assert!(matches!(
        Foreign::new(Dtype::F32, 2, 1, 0, 4).quantize(0),
        TraceError::NoSteps
    ));
    // All zero is a tensor like others.
    let (_directory, path) = float().write();
    let (trace, report) = quantize_file(&path, 1, ValueBits::DEFAULT).unwrap();
    assert_eq!(trace.step_range().steps(), 2);
    assert_eq!(report.against_exact.max_abs, 0.0);
}

/// Floats of every width that hold the same numbers give the same trace and the same report.
#[test]
fn floats_of_every_width() {
    let of = |dtype, encode: fn(f32) -> Vec<u8>| {
        let tensor = |heads: usize| {
            // Eighths up to 3 fit all types.
            let numbers = (0..heads * 12).map(|i| ((i * 7) % 49) as f32 / 8.0 - 3.0);
            numbers.flat_map(encode).collect::<Vec<u8>>()
        };
        let mut file = Foreign::new(dtype, 2, 1, 3, 4);
        for (name, heads) in [("q", 2), ("k", 1), ("v", 1), ("output", 2)] {
            file = file.with(name, dtype, &[heads, 3, 4], tensor(heads));
        }
        let (_directory, path) = file.write();
        let (trace, report) = quantize_file(&path, 1, ValueBits::DEFAULT).unwrap();
        (trace.encode().unwrap(), report)
    };
    let single = of(Dtype::F32, |x| x.to_le_bytes().to_vec());
    assert_eq!(
        single,
        of(Dtype::F64, |x| f64::from(x).to_le_bytes().to_vec())
    );
    let bf16 = |x: f32| ((x.to_bits() >> 16) as u16).to_le_bytes().to_vec();
    assert_eq!(single, of(Dtype::BF16, bf16));
    assert_eq!(single, of(Dtype::F16, |x| f16(x).to_le_bytes().to_vec()));
}

/// Sign, exponent and fraction of a number that is zero, or normal and exact as a half.
fn f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let magnitude = if x == 0.0 {
        0
    } else {
        (((bits >> 23) & 255) - 112) << 10 | (bits >> 13) & 1023
    };
    ((bits >> 31) << 15 | magnitude) as u16
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

/// Real tensors: the committed traces are what quantization makes, and the fidelity is as promised.
#[test]
fn real_tensors() {
    let float = fixture("attention-layer0.safetensors");
    for (bits, promised) in [(8u8, 0.02), (12, 0.002)] {
        let bits = ValueBits::new(bits).unwrap();
        let (trace, report) = quantize_file(&float, 2, bits).unwrap();
        assert_eq!(trace.step_range().lookup_claims(&trace.shape()), 8_832);
        let against_output = report.against_output.unwrap();
        assert!(against_output.relative_l2 <= promised, "{report}");
        assert!(report.against_exact.relative_l2 <= promised, "{report}");
        let committed =
            AttentionTrace::load(fixture(&format!("attention-layer0-{bits}bit.safetensors")));
        assert_eq!(committed.unwrap(), trace);
        // Delta belongs to the rounded score step.
        let scales = report.scales;
        let delta = f64::from(report.score_step.get()) * scales.q.get() * scales.k.get() / 8.0;
        assert!((report.table.delta().to_f64() - delta).abs() < 1e-14);
        for rounding in [Rounding::Floor, Rounding::NearestTiesUp] {
            decode(&trace, &trace.rules(rounding, None, None).unwrap()).unwrap();
        }
    }
    // A finer table is better, a coarser one worse.
    let l2 = |denominator, len| {
        let aim = TableResolution::new(Rational::new(1, denominator).unwrap(), len).unwrap();
        let bits = ValueBits::MAX;
        let (_, report) = quantize_file_with(&float, 2, bits, aim).unwrap();
        report.against_exact.relative_l2
    };
    assert!(l2(16, 256) > l2(64, 1024) && l2(64, 1024) > l2(256, 4096));
}
