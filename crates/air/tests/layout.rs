//! What a layout accepts, and that rows are unique.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use matchmark_air::layout::{LayoutError, SegmentLayout};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantError, QueryHeads, Rounding, ScoreStep,
    SegmentSteps, TableBounds, ValueBits,
};
use matchmark_statement::SegmentShape;

struct Sizes {
    heads: [u32; 3],
    capacity: u32,
    steps: u32,
    bits: u8,
    step: u32,
    rounding: Rounding,
    table: (u32, u32),
}

const FIXTURE: Sizes = Sizes {
    heads: [4, 4, 64],
    capacity: 66,
    steps: 64,
    bits: 8,
    step: 264,
    rounding: Rounding::NearestTiesUp,
    table: (256, 4096),
};

fn layout(sizes: Sizes) -> Result<SegmentLayout, LayoutError> {
    let [query, kv, dim] = sizes.heads;
    let attention = AttentionShape::new(
        QueryHeads::new(query).unwrap(),
        KvHeads::new(kv).unwrap(),
        HeadDim::new(dim).unwrap(),
    )
    .unwrap();
    let shape = SegmentShape::new(
        attention,
        CacheCapacity::new(sizes.capacity).unwrap(),
        SegmentSteps::new(sizes.steps).unwrap(),
    )
    .unwrap();
    let (len, max_weight) = sizes.table;
    SegmentLayout::new(
        shape,
        sizes.steps as usize,
        ValueBits::new(sizes.bits).unwrap(),
        ScoreStep::new(sizes.step).unwrap(),
        sizes.rounding,
        TableBounds { len, max_weight },
    )
}

#[test]
fn cache_rows_are_unique_over_lanes() {
    for kv_heads in [1, 2, 3, 5] {
        let sizes = Sizes {
            heads: [2 * kv_heads, kv_heads, 3],
            capacity: 7,
            steps: 4,
            ..FIXTURE
        };
        let layout = layout(sizes).unwrap();
        let mut rows = HashSet::new();
        for head in 0..kv_heads as usize {
            for position in 0..7 {
                for dim in 0..3 {
                    let row = layout.cache_row(head, position, dim);
                    assert!(rows.insert(row));
                    assert_eq!(row, layout.cache_row(head, 0, dim) + 3 * position);
                    assert!(row >> layout.log_rows().cache < layout.lanes());
                }
            }
        }
    }
}

#[test]
fn all_components_of_the_fixture_are_equally_high() {
    let rows = layout(FIXTURE).unwrap().log_rows();
    assert_eq!([rows.vectors, rows.scores, rows.cache, rows.limbs], [14; 4]);
}

#[test]
fn rounding_shifts_are_range_checked_where_they_could_wrap() {
    // (4 * 127 + 1) * 4096 * capacity reaches the modulus between 1030 and 1031 entries.
    let with = |capacity, rounding| {
        let sizes = Sizes {
            capacity,
            rounding,
            ..FIXTURE
        };
        layout(sizes).unwrap().rounding_shift()
    };
    assert_eq!(with(1030, Rounding::NearestTiesUp), None);
    assert!(with(1031, Rounding::NearestTiesUp).is_some());
    assert_eq!(with(1031, Rounding::Floor), None);
}

/// The bound on numerators alone limits a chain, under both rounding rules: the last number of entries
/// that it allows is carried whole, one more in two digits, up to the last number that these allow.
#[test]
fn numerators_alone_limit_the_length() {
    for (bits, weight, entries, in_digits) in [
        (8, 4096, 2047, 16_383),
        (11, 2048, 511, 8252),
        (12, 2048, 255, 8191),
    ] {
        for rounding in [Rounding::Floor, Rounding::NearestTiesUp] {
            let with = |capacity| {
                layout(Sizes {
                    heads: [1, 1, 1],
                    capacity,
                    steps: 1,
                    bits,
                    step: 4096,
                    rounding,
                    table: (256, weight),
                })
            };
            let whole = with(entries).unwrap();
            let checked = whole.rounding_shift();
            assert_eq!(checked.is_some(), rounding == Rounding::NearestTiesUp);
            assert_eq!(whole.digits(), None);
            for entries in [entries + 1, 2 * entries + 2, in_digits] {
                let layout = with(entries).unwrap();
                assert_eq!(layout.rounding_shift(), None);
                assert_eq!(layout.digits().unwrap().carry_offset(), entries * weight);
            }
            assert!(matches!(
                with(in_digits + 1),
                Err(LayoutError::Bounds(QuantError::TooManyEntries { expected, .. }))
                    if expected == u64::from(in_digits)
            ));
        }
    }
}

#[test]
fn gaps_that_could_wrap_are_refused() {
    let with = |dim, step| {
        layout(Sizes {
            heads: [1, 1, dim],
            capacity: 4,
            steps: 2,
            bits: 12,
            step,
            table: (9, 256),
            ..FIXTURE
        })
    };
    assert!(with(64, 4286).is_ok());
    let quantity = |layout| match layout {
        Err(LayoutError::Bounds(QuantError::AccumulatorTooLarge { quantity, .. })) => quantity,
        other => panic!("{other:?}"),
    };
    // Quotients of up to 2^29 do not fit two limbs.
    assert!(quantity(with(64, 1)).starts_with("clipped part"));
    // The largest gap is just below 2^30, and a large score step adds to it.
    assert!(with(128, 1000).is_ok());
    assert!(quantity(with(128, 5_000_000)).starts_with("decomposed gap"));
    assert!(quantity(with(129, 1)).starts_with("score gap"));
}

#[test]
fn too_many_rows_are_refused() {
    let sizes = Sizes {
        heads: [64, 64, 1024],
        capacity: 512,
        steps: 256,
        bits: 4,
        ..FIXTURE
    };
    assert!(matches!(
        layout(sizes),
        Err(LayoutError::TooManyRows {
            component: "vectors",
            ..
        })
    ));
}

/// Values and outputs of two digits are two coefficients each of what is combined over the dimensions.
#[test]
fn digits_count_among_the_combined_values() {
    let with = |capacity| {
        let sizes = Sizes {
            heads: [2, 2, 4],
            capacity,
            steps: 4,
            bits: 11,
            table: (2048, 2048),
            ..FIXTURE
        };
        layout(sizes).unwrap()
    };
    for (capacity, digits) in [(511, 1), (2048, 2)] {
        let layout = with(capacity);
        let rows = layout.log_rows();
        let expected = (1 + digits) * 2 * (1 << rows.cache)
            + (1 + digits) * (1 << rows.vectors)
            + 2 * (1 << rows.scores);
        assert_eq!(layout.combined_values(), expected);
    }
}
