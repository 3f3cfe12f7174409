//! Constraints of the cache component.
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::gadgets::digits::ValueDigits;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::SegmentLayout;
use crate::relation::{KeyRlc, Value, ValueRlc};

/// The cache component of one segment.
#[derive(Clone, Debug)]
pub struct Cache {
    /// Layout of the segment.
    pub layout: SegmentLayout,
}

impl Cache {
    /// The component of a segment.
    pub fn new(layout: &SegmentLayout) -> Self {
        Self {
            layout: layout.clone(),
        }
    }
}

impl Constraints for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn log_rows(&self) -> u32 {
        self.layout.log_rows().cache
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let layout = &self.layout;
        let Columns { selectors, lanes } = Columns::read(row, layout);
        let rlc = row.rlc();
        let one = constant::<E>(1);
        let later_position = one.clone() - selectors.first_position.clone();
        let later_dimension = one.clone() - selectors.first_dimension.clone();

        for (index, lane) in lanes.into_iter().enumerate() {
            let kept = one.clone() - lane.witness.new.clone();
            let (key, value) = (lane.after.key, lane.after.value);
            // An entry is kept, or it is new and its place was empty: else old entries change.
            row.constrain(
                "a key is kept or new",
                lane.before.key - kept.clone() * key.clone(),
            );
            row.constrain(
                "a value is kept or new",
                lane.before.value - kept * value.clone(),
            );
            // Keys are combined over positions, values over dimensions.
            let keys = row.accumulate(
                "combined keys accumulate",
                lane.rlcs.keys,
                |keys, before| {
                    keys - before * later_position.clone() * rlc.position - E::EF::from(key.clone())
                },
            );
            let digits = layout.digits().zip(lane.witness.value_high);
            let (next, entry) = match &digits {
                None => (rlc.dimension, E::EF::from(value.clone())),
                Some((digits, high)) => {
                    let low = digits.low::<E>(value.clone(), high.clone());
                    let both = ValueDigits::combine::<E>(rlc.dimension, high.clone(), low);
                    (rlc.dimension * rlc.dimension, both)
                }
            };
            let values = row.accumulate(
                "combined values accumulate",
                lane.rlcs.values,
                |values, before| {
                    values
                        - (before * later_dimension.clone() + selectors.first_dimension.clone())
                            * next
                        - entry.clone()
                },
            );

            let cache_row =
                selectors.row.clone() + E::F::from(M31::from(layout.lane_offset(index)));
            // Every entry, old or new, is in range, so that a proof needs no other proof for it.
            row.require(Value { value: key.clone() });
            match digits {
                None => row.require(Value {
                    value: value.clone(),
                }),
                // Digits that make up the value. Else: any two numbers that do, and sums of them that wrap.
                Some((digits, high)) => digits.constrain(row, value.clone(), high),
            }
            row.provide_times(
                lane.witness.value_uses,
                ValueRlc {
                    row: cache_row.clone(),
                    first: selectors.first_position.clone(),
                    value: values.coordinates,
                },
            );
            // Each row of the query heads of the group takes each new row once; the rows that it takes are fixed
            // by the statement, and so `new` is 1 on them and 0 elsewhere.
            row.provide_times(
                lane.witness.new * M31::from(layout.entry_uses()),
                KeyRlc {
                    row: cache_row,
                    keys: keys.coordinates,
                    key,
                    value,
                },
            );
        }
    }
}
