//! Public columns are evaluated to what the library's interpolation gives.
#![allow(clippy::unwrap_used)]

use matchmark_air::column::to_evaluation;
use matchmark_air::harness::public_columns::PublicColumns;
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

#[test]
fn short_columns_are_filled_up_with_zero() {
    let (one, zero) = (M31::from(1), M31::from(0));
    let short = PublicColumns::new(5, vec![vec![one; 3]]);
    let mut full = vec![zero; 32];
    full[..3].fill(one);
    assert_eq!(short, PublicColumns::new(5, vec![full]));
}
