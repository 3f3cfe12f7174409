//! What a trace file says beside its tensors, as string metadata of the container.

use std::collections::BTreeMap;
use std::str::FromStr;

use matchmark_quant::{Scale, Scales, ScoreStep, ValueBits};
use matchmark_tables::{Rational, WeightTable};

use crate::dimension::to_u32;
use crate::{TableResolution, TraceError};

const PREFIX: &str = "matchmark.";
const VALUE_BITS: &str = "matchmark.value_bits";
const SCORE_STEP: &str = "matchmark.score_step";
const TABLE_DELTA: &str = "matchmark.table_delta";
const TABLE_LEN: &str = "matchmark.table_len";
const TABLE_LOG_SCALE: &str = "matchmark.table_log_scale";
const SCALES: [&str; 3] = [
    "matchmark.scale_q",
    "matchmark.scale_k",
    "matchmark.scale_v",
];

/// What is known of a trace beyond its integers, where it came from floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceMetadata {
    /// What one unit of each tensor stands for.
    pub scales: Option<Scales>,
    /// `D`, the units of score that one table index spans.
    pub score_step: Option<ScoreStep>,
    /// The exponential table that belongs to scales and score step.
    pub table: Option<TableResolution>,
}

/// Writes width and metadata. Scales are written as the shortest decimal that reads back as the
/// same float.
pub(crate) fn to_strings(bits: ValueBits, metadata: &TraceMetadata) -> BTreeMap<String, String> {
    let mut strings = BTreeMap::from([(VALUE_BITS.to_owned(), bits.to_string())]);
    if let Some(Scales { q, k, v }) = metadata.scales {
        for (key, scale) in SCALES.into_iter().zip([q, k, v]) {
            strings.insert(key.to_owned(), format!("{:?}", scale.get()));
        }
    }
    if let Some(step) = metadata.score_step {
        strings.insert(SCORE_STEP.to_owned(), step.to_string());
    }
    if let Some(table) = metadata.table {
        strings.insert(TABLE_DELTA.to_owned(), table.delta().to_string());
        strings.insert(TABLE_LEN.to_owned(), table.len().to_string());
        strings.insert(TABLE_LOG_SCALE.to_owned(), table.log_scale().to_string());
    }
    strings
}

/// Reads width (if given) and metadata. Keys of other programs are passed over.
pub(crate) fn from_strings(
    strings: &BTreeMap<String, String>,
) -> Result<(Option<ValueBits>, TraceMetadata), TraceError> {
    let known = || {
        [
            VALUE_BITS,
            SCORE_STEP,
            TABLE_DELTA,
            TABLE_LEN,
            TABLE_LOG_SCALE,
        ]
        .into_iter()
        .chain(SCALES)
    };
    for key in strings.keys().filter(|key| key.starts_with(PREFIX)) {
        if known().all(|name| name != key) {
            return Err(TraceError::UnknownMetadata {
                key: key.clone(),
                expected: known().collect::<Vec<_>>().join(", "),
            });
        }
    }
    let bits = read(
        strings,
        VALUE_BITS,
        "a whole number from 4 to 12",
        |bits: u8| ValueBits::new(bits).ok(),
    )?;
    let score_step = read(
        strings,
        SCORE_STEP,
        "a whole number from 1 to 2^24",
        |step: u32| ScoreStep::new(step).ok(),
    )?;
    let delta = read(
        strings,
        TABLE_DELTA,
        "a fraction above zero",
        |delta: Rational| (delta.numerator() > 0).then_some(delta),
    )?;
    let len = read(
        strings,
        TABLE_LEN,
        "a whole number from 2 to 16384",
        |len: u32| {
            TableResolution::new(Rational::ONE_SIXTEENTH, len)
                .ok()
                .map(TableResolution::len)
        },
    )?;
    let log_scale = read(
        strings,
        TABLE_LOG_SCALE,
        "a whole number from 0 to 23",
        |log_scale: u8| (log_scale <= WeightTable::MAX_LOG_SCALE).then_some(log_scale),
    )?;
    let table = match (delta, len) {
        (None, None) if log_scale.is_some() => {
            return Err(TraceError::MissingMetadata {
                key: TABLE_DELTA,
                beside: TABLE_LOG_SCALE,
            })
        }
        (None, None) => None,
        (None, Some(_)) => {
            return Err(TraceError::MissingMetadata {
                key: TABLE_DELTA,
                beside: TABLE_LEN,
            })
        }
        (Some(delta), len) => {
            let len = len.unwrap_or(to_u32(WeightTable::DEFAULT_LEN));
            let log_scale = log_scale.unwrap_or(WeightTable::DEFAULT_LOG_SCALE);
            Some(TableResolution::new(delta, len)?.with_log_scale(log_scale)?)
        }
    };
    let scale = |key| {
        read(strings, key, "a finite number above zero", |scale: f64| {
            Scale::new(scale).ok()
        })
    };
    let found = [scale(SCALES[0])?, scale(SCALES[1])?, scale(SCALES[2])?];
    let scales = match found {
        [None, None, None] => None,
        [Some(q), Some(k), Some(v)] => Some(Scales { q, k, v }),
        [q, k, v] => {
            // At least one is there and one is not: name the first of each.
            let mut found = SCALES.into_iter().zip([q, k, v]);
            let (mut key, mut beside) = (SCALES[0], SCALES[0]);
            while let Some((name, scale)) = found.next_back() {
                *if scale.is_some() {
                    &mut beside
                } else {
                    &mut key
                } = name;
            }
            return Err(TraceError::MissingMetadata { key, beside });
        }
    };
    Ok((
        bits,
        TraceMetadata {
            scales,
            score_step,
            table,
        },
    ))
}

fn read<T: FromStr, U>(
    strings: &BTreeMap<String, String>,
    key: &str,
    expected: &'static str,
    accept: impl FnOnce(T) -> Option<U>,
) -> Result<Option<U>, TraceError> {
    strings
        .get(key)
        .map(|text| {
            text.parse()
                .ok()
                .and_then(accept)
                .ok_or_else(|| TraceError::InvalidMetadata {
                    key: key.to_owned(),
                    expected,
                    got: text.clone(),
                })
        })
        .transpose()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn refused_entries() {
        for (key, value) in [
            (VALUE_BITS, "13"),
            (VALUE_BITS, "eight"),
            (SCORE_STEP, "0"),
            (TABLE_DELTA, "1/0"),
            (TABLE_DELTA, "0/1"),
            (TABLE_LEN, "1"),
            (TABLE_LEN, "16385"),
            (SCALES[0], "NaN"),
            (SCALES[1], "-1.0"),
            (SCALES[2], "inf"),
        ] {
            match from_strings(&strings(&[(key, value)])) {
                Err(TraceError::InvalidMetadata {
                    key: named, got, ..
                }) => {
                    assert_eq!((named.as_str(), got.as_str()), (key, value));
                }
                other => panic!("{other:?}"),
            }
        }
        let some = strings(&[(SCALES[0], "1.0"), (SCALES[2], "1.0")]);
        assert!(
            matches!(from_strings(&some), Err(TraceError::MissingMetadata { key, beside }) if (key, beside) == (SCALES[1], SCALES[0]))
        );
        let only_len = strings(&[(TABLE_LEN, "256")]);
        assert!(matches!(
            from_strings(&only_len),
            Err(TraceError::MissingMetadata { .. })
        ));
        let only_delta = from_strings(&strings(&[(TABLE_DELTA, "1/8")])).unwrap().1;
        assert_eq!(only_delta.table.map(TableResolution::len), Some(256));
        let unknown = strings(&[("matchmark.scale", "1.0")]);
        assert!(matches!(
            from_strings(&unknown),
            Err(TraceError::UnknownMetadata { .. })
        ));
        let other_program = strings(&[("scale", "0.125")]);
        assert_eq!(
            from_strings(&other_program).unwrap(),
            (None, TraceMetadata::default())
        );
    }

    proptest! {
        #[test]
        fn round_trips(q in 1e-30f64..1e30, k in 1e-30f64..1e30, v in 1e-30f64..1e30, step in 1u32..1 << 24, n in 1u64.., d in 1u64.., len in 2u32..=16_384) {
            let scale = |x| Scale::new(x).unwrap();
            let metadata = TraceMetadata {
                scales: Some(Scales { q: scale(q), k: scale(k), v: scale(v) }),
                score_step: Some(ScoreStep::new(step).unwrap()),
                table: Some(TableResolution::new(Rational::new(n, d).unwrap(), len).unwrap()),
            };
            let bits = ValueBits::DEFAULT;
            prop_assert_eq!(from_strings(&to_strings(bits, &metadata)).unwrap(), (Some(bits), metadata));
        }
    }
}
