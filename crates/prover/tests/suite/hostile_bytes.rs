//! Hostile bytes: truncations, bit flips, trailing bytes, edited lengths, elements that are not
//! canonical, sections of one valid segment in another, and files of other kinds. Nothing is
//! accepted, nothing panics, every refusal has a variant of its own.
//!
//! Where a proof has to get past the proof of work to reach deeper code, see `library_traps.rs`.

use matchmark_hostile::bytes::{attempt, fields, Kind, Sample, Tally, HEADER};
use matchmark_hostile::cases::{narrow, wide};
use matchmark_hostile::Rng;
use matchmark_quant::{CacheCapacity, SegmentSteps, TableBounds, MODULUS};
use matchmark_statement::{AcceptancePolicy, SegmentShape, SegmentStatement};
use matchmark_verifier::segment_file::FORMAT_VERSION;
use matchmark_verifier::{verify_segment, SegmentFile, VerifyError};

fn sample(seed: u64) -> Sample {
    Sample::new(&narrow().case(), seed)
}

#[test]
fn truncations() {
    let sample = sample(1);
    let mut tally = Tally::default();
    let mut rng = Rng(1);
    let short = 0..=sample.sections()[2].start + 64;
    let random: Vec<usize> = (0..1500).map(|_| rng.below(sample.bytes.len())).collect();
    let ends = sample.bytes.len() - 64..sample.bytes.len();
    for len in short.chain(random).chain(ends) {
        let class = tally.refuse(
            || format!("{len} bytes"),
            attempt(&sample.bytes[..len], &sample.policy),
        );
        assert_eq!(class, "Truncated", "{len} bytes");
    }
    // The same, with a header that agrees with the shorter proof.
    let proof = sample.file.proof();
    for len in (0..400).chain((0..600).map(|_| rng.below(proof.len()))) {
        let result = sample.attempt_proof(proof[..len].to_vec());
        let class = tally.refuse(|| format!("{len} bytes of proof"), result);
        assert_eq!(class, "Truncated", "{len} bytes of proof");
    }
    println!("truncations: {} attempts, {:?}", tally.attempts(), tally.0);
}

#[test]
fn bit_flips() {
    let sample = sample(2);
    let [statement, public, proof] = sample.sections();
    let mut tally = Tally::default();
    let mut flip = |at: usize, bit: usize| {
        let mut bytes = sample.bytes.clone();
        bytes[at] ^= 1 << bit;
        tally.refuse(
            || format!("byte {at}, bit {bit}"),
            attempt(&bytes, &sample.policy),
        )
    };
    // Header, statement and public values: every bit.
    for at in 0..public.end {
        for bit in 0..8 {
            let class = flip(at, bit);
            let expected: &[&str] = match at {
                0..=7 => &["WrongMagic"],
                8..=9 => &["WrongFormatVersion"],
                10..HEADER => &[
                    "Truncated",
                    "WrongLength",
                    "LengthTooLarge",
                    "TrailingBytes",
                    "Statement",
                ],
                _ if statement.contains(&at) => &[
                    "Statement",
                    "Policy",
                    "WrongLength",
                    "PublicValues",
                    "PublicValuesMismatch",
                    "PortNotOpened",
                ],
                _ => &["PublicValues", "PublicValuesMismatch"],
            };
            assert!(
                expected.contains(&class.as_str()),
                "byte {at}, bit {bit}: {class}"
            );
        }
    }
    let mut rng = Rng(2);
    for _ in 0..3000 {
        let at = proof.start + rng.below(proof.len());
        let class = flip(at, rng.below(8));
        assert!(
            !["Statement", "Policy", "PublicValues"].contains(&class.as_str()),
            "byte {at}: {class}"
        );
    }
    println!("bit flips: {} attempts, {:?}", tally.attempts(), tally.0);
}

#[test]
fn random_edits() {
    let sample = sample(3);
    let mut tally = Tally::default();
    let mut rng = Rng(3);
    for round in 0..1500 {
        let mut bytes = sample.bytes.clone();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len());
            let len = rng.below(40).min(bytes.len() - at);
            match rng.below(5) {
                0 => bytes[at..at + len].fill(0),
                1 => bytes[at..at + len].fill(0xff),
                2 => drop(bytes.drain(at..at + len)),
                3 => {
                    let copy = bytes[at..at + len].to_vec();
                    let to = rng.below(bytes.len());
                    drop(bytes.splice(to..to, copy));
                }
                _ => bytes
                    .iter_mut()
                    .skip(at)
                    .take(len)
                    .for_each(|byte| *byte = rng.next_u64() as u8),
            }
        }
        if bytes != sample.bytes {
            tally.refuse(|| format!("round {round}"), attempt(&bytes, &sample.policy));
        }
    }
    println!("random edits: {} attempts, {:?}", tally.attempts(), tally.0);
}

#[test]
fn trailing_bytes() {
    let sample = sample(4);
    for tail in [&[0_u8][..], &[0; 4096], b"MATCHMRK", &sample.bytes] {
        let bytes = [&sample.bytes[..], tail].concat();
        let error = attempt(&bytes, &sample.policy).unwrap_err();
        assert!(
            matches!(error, VerifyError::TrailingBytes { part: "file", got } if got == tail.len())
        );
        let proof = [sample.file.proof(), tail].concat();
        let error = sample.attempt_proof(proof).unwrap_err();
        assert!(
            matches!(error, VerifyError::TrailingBytes { part: "proof", got } if got == tail.len())
        );
    }
}

#[test]
fn header_lengths() {
    let sample = sample(5);
    let mut tally = Tally::default();
    // Those of the lookup are zero in a fused segment.
    for field in 0..5 {
        let at = 10 + 4 * field;
        let own = u32::from_le_bytes(sample.bytes[at..at + 4].try_into().unwrap());
        let edits = [
            0,
            1,
            own.wrapping_sub(1),
            own + 1,
            own / 2,
            own.wrapping_mul(2),
            4096,
            4097,
            1 << 31,
            u32::MAX - 21,
            u32::MAX,
        ];
        for edited in edits.into_iter().filter(|edited| *edited != own) {
            let mut bytes = sample.bytes.clone();
            bytes[at..at + 4].copy_from_slice(&edited.to_le_bytes());
            let class = tally.refuse(
                || format!("length {field} = {edited}"),
                attempt(&bytes, &sample.policy),
            );
            let expected = [
                "Truncated",
                "TrailingBytes",
                "WrongLength",
                "LengthTooLarge",
                "Statement",
            ];
            assert!(expected.contains(&class.as_str()), "{class}");
        }
    }
    println!("header lengths: {:?}", tally.0);
}

#[test]
fn count_fields() {
    let sample = sample(6);
    let proof = sample.file.proof();
    let mut tally = Tally::default();
    for field in fields(&sample.proof(), &sample.structure) {
        if field.kind != Kind::Count {
            continue;
        }
        let own = u16::from_le_bytes(proof[field.range.clone()].try_into().unwrap());
        for edited in [
            0,
            1,
            own.wrapping_sub(1),
            own + 1,
            own * 2 + 1,
            0x7fff,
            u16::MAX,
        ] {
            if edited == own {
                continue;
            }
            let mut bytes = proof.to_vec();
            bytes[field.range.clone()].copy_from_slice(&edited.to_le_bytes());
            tally.refuse(
                || format!("{} = {edited}", field.name),
                sample.attempt_proof(bytes),
            );
        }
    }
    println!("count fields: {} attempts, {:?}", tally.attempts(), tally.0);
}

#[test]
fn elements_that_are_not_canonical() {
    let sample = sample(7);
    let proof = sample.file.proof();
    let fields = fields(&sample.proof(), &sample.structure);
    assert_eq!(
        fields.last().unwrap().range.end,
        proof.len(),
        "the map covers the proof"
    );
    let mut rng = Rng(7);
    let mut attempts = 0;
    for field in fields.iter().filter(|field| field.kind == Kind::Elements) {
        let elements = field.range.len() / 4;
        if elements == 0 {
            continue;
        }
        for element in [0, elements - 1, rng.below(elements), rng.below(elements)] {
            let at = field.range.start + 4 * element;
            let own = u32::from_le_bytes(proof[at..at + 4].try_into().unwrap());
            // `own + p` is the same element again, written differently.
            for got in [MODULUS, MODULUS + 1, own + MODULUS, u32::MAX] {
                let mut bytes = proof.to_vec();
                bytes[at..at + 4].copy_from_slice(&got.to_le_bytes());
                let error = sample.attempt_proof(bytes).unwrap_err();
                let expected = VerifyError::NonCanonicalField {
                    expected: MODULUS,
                    got,
                };
                assert_eq!(error, expected, "{}", field.name);
                attempts += 1;
            }
        }
    }
    println!("elements: {attempts} attempts");
}

#[test]
fn sections_spliced() {
    let (one, two) = (sample(8), sample(9));
    let other_shape = Sample::new(&wide().case(), 8);
    let mut tally = Tally::default();
    for (a, b) in [
        (&one, &two),
        (&two, &one),
        (&one, &other_shape),
        (&other_shape, &one),
    ] {
        for mask in 1..7 {
            let mut parts = vec![];
            let mut header = a.bytes[..10].to_vec();
            for section in 0..3 {
                let from = if mask >> section & 1 == 1 { b } else { a };
                let part = &from.bytes[from.sections()[section].clone()];
                header.extend_from_slice(&(part.len() as u32).to_le_bytes());
                parts.extend_from_slice(part);
            }
            header.extend_from_slice(&[0; 8]);
            let bytes = [header, parts].concat();
            for policy in [&a.policy, &b.policy] {
                tally.refuse(|| format!("sections {mask:03b}"), attempt(&bytes, policy));
            }
        }
    }
    // Single fields of one proof in the other, where they are different.
    let (proof, other) = (one.file.proof(), two.file.proof());
    let of_other = fields(&two.proof(), &two.structure);
    for (field, from) in fields(&one.proof(), &one.structure).iter().zip(&of_other) {
        assert_eq!(field.name, from.name);
        let mut bytes = proof.to_vec();
        drop(bytes.splice(
            field.range.clone(),
            other[from.range.clone()].iter().copied(),
        ));
        if bytes != proof {
            tally.refuse(|| field.name.clone(), one.attempt_proof(bytes));
        }
    }
    println!("splices: {} attempts, {:?}", tally.attempts(), tally.0);
}

#[test]
fn files_of_other_kinds() {
    let sample = sample(10);
    let own = &sample.bytes;
    let text = sample
        .policy
        .parts()
        .terms
        .domain
        .application()
        .as_bytes()
        .to_vec();
    for bytes in [
        vec![],
        vec![0; HEADER],
        vec![0xff; 5000],
        text,
        b"[policy]\nrelation_version = 1\n# a policy, not a segment\n".to_vec(),
        [&8_u64.to_le_bytes()[..], b"{\"q\":{}}", &[0; 64]].concat(),
        own.iter().rev().copied().collect(),
        own[10..].to_vec(),
        sample.file.proof().to_vec(),
        sample.file.statement().encode(),
        b"matchmrk".iter().chain(&own[8..]).copied().collect(),
    ] {
        let error = SegmentFile::decode(&bytes).unwrap_err();
        let known = matches!(
            error,
            VerifyError::WrongMagic { .. } | VerifyError::Truncated { part: "header", .. }
        );
        assert!(known, "{error}");
    }
    for version in [0_u16, 1, 2, 3, 5, 256, u16::MAX] {
        let mut bytes = own.clone();
        bytes[8..10].copy_from_slice(&version.to_le_bytes());
        let error = attempt(&bytes, &sample.policy).unwrap_err();
        assert_eq!(
            error,
            VerifyError::WrongFormatVersion {
                expected: FORMAT_VERSION,
                got: version
            }
        );
    }
}

/// What the file format rules out but the interface does not: values that are not the statement's.
#[test]
fn values_of_another_segment() {
    let (one, two) = (sample(11), sample(12));
    let statement = one.file.statement().clone();
    let values = two.file.public_values().clone();
    let file = SegmentFile::new(statement, values, one.file.proof().to_vec());
    let error = verify_segment(&file, &one.policy).unwrap_err();
    assert!(
        matches!(error, VerifyError::PublicValuesMismatch { .. }),
        "{error}"
    );
}

/// A shape that statement and policy can name and the relation does not carry.
#[test]
fn a_shape_that_is_not_carried() {
    let sample = sample(13);
    let mut statement = sample.file.statement().parts();
    let mut policy = sample.policy.parts();
    // A cache and segments so long that the scores of a segment are more than a component may have.
    let attention = statement.terms.shape.attention();
    let capacity = CacheCapacity::new(CacheCapacity::MAX).unwrap();
    let segment_steps = SegmentSteps::new(CacheCapacity::MAX).unwrap();
    let shape = SegmentShape::new(attention, capacity, segment_steps).unwrap();
    let bounds = TableBounds {
        len: statement.terms.table_bounds.len,
        max_weight: 16,
    };
    (statement.terms.table_bounds, policy.terms.table_bounds) = (bounds, bounds);
    (statement.terms.shape, policy.terms.shape) = (shape, shape);
    let statement = SegmentStatement::new(statement).unwrap();
    let policy = AcceptancePolicy::new(policy).unwrap();
    let values = sample.file.public_values().clone();
    let file = SegmentFile::new(statement, values, sample.file.proof().to_vec());
    let error = attempt(&file.encode().unwrap(), &policy).unwrap_err();
    assert!(matches!(error, VerifyError::Layout(_)), "{error}");
}
