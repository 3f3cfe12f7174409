//! Public columns are evaluated to what the library's interpolation gives.
#![allow(clippy::unwrap_used)]

use matchmark_air::column::to_evaluation;
use matchmark_air::harness::public_columns::{One, PublicColumns};
use proptest::prelude::*;
use stwo::core::channel::{Blake2sChannel, Channel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::QM31;

fn point(seed: u32) -> CirclePoint<QM31> {
    let mut channel = Blake2sChannel::default();
    channel.mix_u32s(&[seed]);
    CirclePoint::get_random_point(&mut channel)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn evaluation_is_that_of_the_interpolant(
        log_rows in 4_u32..9,
        seed in any::<u32>(),
        values in prop::collection::vec(0..P, 512),
    ) {
        let column: Vec<M31> = values[..1 << log_rows]
            .iter()
            .map(|value| M31::from_u32_unchecked(*value))
            .collect();
        let expected = to_evaluation(&column).interpolate().eval_at_point(point(seed));
        let columns = PublicColumns::new(log_rows, vec![column.clone(), column]);
        prop_assert_eq!(columns.evaluate(point(seed)), vec![expected, expected]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Columns of a few ones are evaluated to what all their entries give.
    #[test]
    fn ones_are_evaluated_as_the_columns_that_they_stand_in(
        log_rows in 1_u32..10,
        seed in any::<u32>(),
        places in prop::collection::btree_set((0_usize..3, 0_usize..512), 0..9),
    ) {
        let rows = 1 << log_rows;
        let places: std::collections::BTreeSet<_> =
            places.into_iter().map(|(column, row)| (column, row % rows)).collect();
        let ones = places.iter().map(|(column, row)| One { column: *column, row: *row });
        let sparse = PublicColumns::of_ones(log_rows, 3, ones.collect());
        let columns = sparse.columns();
        let is_one = |column: usize, row: usize| places.contains(&(column, row));
        for (column, entries) in columns.iter().enumerate() {
            for (row, entry) in entries.iter().enumerate() {
                prop_assert_eq!(*entry, M31::from(u32::from(is_one(column, row))));
            }
        }
        let dense = PublicColumns::new(log_rows, columns);
        prop_assert_eq!(sparse.evaluate(point(seed)), dense.evaluate(point(seed)));
    }
}

#[test]
#[should_panic(expected = "public columns have no such place")]
fn a_one_stands_on_a_row() {
    PublicColumns::of_ones(5, 2, vec![One { column: 0, row: 32 }]);
}

#[test]
fn short_columns_are_filled_up_with_zero() {
    let (one, zero) = (M31::from(1), M31::from(0));
    let short = PublicColumns::new(5, vec![vec![one; 3]]);
    let mut full = vec![zero; 32];
    full[..3].fill(one);
    assert_eq!(short, PublicColumns::new(5, vec![full]));
}
