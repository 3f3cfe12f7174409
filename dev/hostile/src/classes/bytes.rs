//! Bytes: flipped bits, truncations and structured edits of small valid segments.
use std::ops::Range;

use matchmark_composer::VerifyError;
use matchmark_quant::MODULUS;
use matchmark_verifier::{verify_segment, SegmentFile};

use crate::bytes::{fields, Field, Kind, Sample, HEADER};
use crate::cases::{narrow, split_narrow};
use crate::decoder::cases::uneven;
use crate::report::Recorder;
use crate::Rng;

pub(super) fn attempt(bytes: &[u8], sample: &Sample) -> Result<(), VerifyError> {
    let file = SegmentFile::decode(bytes)?;
    verify_segment(&file, &sample.policy).map(|_| ())
}

pub fn run(recorder: &mut Recorder) {
    for case in [narrow().case(), split_narrow().case(), uneven().case()] {
        let sample = Sample::new(&case, 1);
        let other = Sample::new(&case, 2);
        let (name, bytes) = (case.name, &sample.bytes);
        let seed = recorder.seed;
        let bits = 8 * bytes.len();
        let flips = recorder.amount(4000.min(bits), bits);
        recorder.refuse_each(&format!("{name}/flip"), flips, |index| {
            // All of them, or a seeded part.
            let bit = if flips == bits {
                index
            } else {
                Rng::of(seed, "flip", index as u64).below(bits)
            };
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Some(attempt(&bytes, &sample))
        });
        let lengths = recorder.amount(1000.min(bytes.len()), bytes.len());
        recorder.refuse_each(&format!("{name}/truncation"), lengths, |index| {
            let len = if lengths == bytes.len() {
                index
            } else {
                Rng::of(seed, "truncation", index as u64).below(bytes.len())
            };
            Some(attempt(&bytes[..len], &sample))
        });
        let editor = Editor::new(&sample, &other);
        let edits = recorder.amount(6000, 500_000);
        recorder.refuse_each(&format!("{name}/edit"), edits, |index| {
            let mut rng = Rng::of(seed, name, index as u64);
            let edited = editor.edit(&mut rng);
            (edited != *bytes && edited != other.bytes).then(|| attempt(&edited, &sample))
        });
    }
}

/// Knows where every part of a segment file stands.
pub(super) struct Editor<'a> {
    own: &'a [u8],
    other: &'a [u8],
    /// Sections: header, statement, public values, and what is behind them.
    sections: [Range<usize>; 4],
    other_sections: [Range<usize>; 4],
    /// Parts of the first proof, as ranges of the file.
    fields: Vec<Field>,
    other_fields: Vec<Field>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(sample: &'a Sample, other: &'a Sample) -> Self {
        let sections = |sample: &Sample| {
            let [statement, public, proof] = sample.sections();
            [0..HEADER, statement, public, proof]
        };
        let parts = |sample: &Sample| {
            let start = sample.sections()[2].start;
            let mut parts = fields(&sample.proof(), &sample.structure);
            for part in &mut parts {
                part.range = start + part.range.start..start + part.range.end;
            }
            parts.retain(|part| !part.range.is_empty());
            parts
        };
        Self {
            own: &sample.bytes,
            other: &other.bytes,
            sections: sections(sample),
            other_sections: sections(other),
            fields: parts(sample),
            other_fields: parts(other),
        }
    }

    /// One to three edits that a forger with a copy of the format would try.
    pub(super) fn edit(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.own.to_vec();
        for _ in 0..=rng.below(3) {
            self.edit_once(&mut bytes, rng);
        }
        bytes
    }

    fn edit_once(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let field = &self.fields[rng.below(self.fields.len())];
        let end = bytes.len();
        // An earlier edit may have moved what stands here; the bytes are then any others.
        let range = field.range.start.min(end)..field.range.end.min(end);
        match rng.below(12) {
            0 => write(bytes, 10 + 4 * rng.below(5), &number(rng).to_le_bytes()),
            1 => self.element(bytes, rng),
            2 => bytes[range].fill([0, 0xff][rng.below(2)]),
            3 => drop(bytes.drain(range)),
            4 => {
                let copy = bytes[range.clone()].to_vec();
                drop(bytes.splice(range.start..range.start, copy));
            }
            5 => {
                // The same part of another valid segment.
                if let Some(from) = self.other_fields.iter().find(|it| it.name == field.name) {
                    let from = self.other[from.range.clone()].iter().copied();
                    drop(bytes.splice(range, from));
                }
            }
            6 => {
                let section = 1 + rng.below(3);
                let own = self.sections[section].clone();
                if own.end <= bytes.len() {
                    let from = &self.other[self.other_sections[section].clone()];
                    drop(bytes.splice(own, from.iter().copied()));
                }
            }
            7 => {
                // Two elements, digests or bytes of a part change places.
                let unit = match field.kind {
                    Kind::Elements => 4,
                    Kind::Digests => 25,
                    Kind::Count | Kind::Nonce => 1,
                };
                let count = range.len() / unit;
                if count > 1 {
                    let (a, b) = (rng.below(count), rng.below(count));
                    for byte in 0..unit {
                        bytes.swap(range.start + a * unit + byte, range.start + b * unit + byte);
                    }
                }
            }
            8 => {
                let counts: Vec<_> = self
                    .fields
                    .iter()
                    .filter(|it| it.kind == Kind::Count)
                    .collect();
                let at = counts[rng.below(counts.len())].range.start;
                write(bytes, at, &(number(rng) as u16).to_le_bytes());
            }
            9 => {
                let at = rng.below(bytes.len() + 1);
                let len = 1 + rng.below(64);
                let noise: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
                drop(bytes.splice(at..at, noise));
            }
            10 => bytes.truncate(rng.below(bytes.len()).max(HEADER)),
            _ => {
                if !bytes.is_empty() {
                    let at = rng.below(bytes.len());
                    bytes[at] = rng.next_u64() as u8;
                }
            }
        }
    }

    /// A field element: one more, the modulus more, or any number.
    fn element(&self, bytes: &mut [u8], rng: &mut Rng) {
        let elements = self.fields.iter().filter(|it| it.kind == Kind::Elements);
        let elements: Vec<_> = elements.collect();
        let field = elements[rng.below(elements.len())];
        let at = field.range.start + 4 * rng.below(field.range.len() / 4);
        let Some(own) = bytes.get(at..at + 4) else {
            return;
        };
        let own = u32::from_le_bytes([own[0], own[1], own[2], own[3]]);
        let new = match rng.below(4) {
            0 => own.wrapping_add(1),
            1 => own.wrapping_add(MODULUS),
            2 => MODULUS - 1,
            _ => rng.next_u64() as u32,
        };
        write(bytes, at, &new.to_le_bytes());
    }
}

/// A number as it stands in a length that is meant to do harm, or a small one.
fn number(rng: &mut Rng) -> u32 {
    let known = [
        0,
        1,
        2,
        3,
        255,
        256,
        4096,
        0x7fff,
        0xffff,
        1 << 20,
        1 << 31,
        u32::MAX - 21,
        u32::MAX,
    ];
    match rng.below(2) {
        0 => known[rng.below(known.len())],
        _ => rng.below(3000) as u32,
    }
}

/// Writes where there is room.
fn write(bytes: &mut [u8], at: usize, new: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + new.len()) {
        place.copy_from_slice(new);
    }
}
