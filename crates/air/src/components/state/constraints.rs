//! Constraints of the state component.
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::challenges::Challenges;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::SegmentLayout;
use crate::relation::RelationTag;

/// The state component of one segment.
#[derive(Clone, Debug)]
pub struct State {
    /// Layout of the segment.
    pub layout: SegmentLayout,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl Constraints for State {
    fn log_rows(&self) -> u32 {
        self.layout.log_rows().state
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let layout = &self.layout;
        let Columns { selectors, lanes } = Columns::read(row, layout);
        let (lookups, projection) = (&self.challenges.lookup, &self.challenges.projection);
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
            // Keys are projected over positions, values over dimensions.
            let keys = lane.projections.keys;
            row.constrain(
                "projected keys accumulate",
                keys.current.value
                    - keys.previous * later_position.clone() * projection.position
                    - E::EF::from(key.clone()),
            );
            let values = lane.projections.values;
            row.constrain(
                "projected values accumulate",
                values.current.value
                    - (values.previous * later_dimension.clone()
                        + selectors.first_dimension.clone())
                        * projection.dimension
                    - E::EF::from(value.clone()),
            );

            let cache_row =
                selectors.row.clone() + E::F::from(M31::from(layout.lane_offset(index)));
            // Every entry, old or new, is in range, so that a proof needs no other proof for it.
            for entry in [&key, &value] {
                row.require(lookups, RelationTag::Value, core::slice::from_ref(entry));
            }
            let [v0, v1, v2, v3] = values.current.coordinates;
            row.provide_times(
                lookups,
                RelationTag::ValueProjection,
                lane.witness.value_uses,
                &[
                    cache_row.clone(),
                    selectors.first_position.clone(),
                    v0,
                    v1,
                    v2,
                    v3,
                ],
            );
            // Each query head of the group takes each new row once; the rows that it takes are fixed
            // by the statement, and so `new` is 1 on them and 0 elsewhere.
            let [k0, k1, k2, k3] = keys.current.coordinates;
            row.provide_times(
                lookups,
                RelationTag::KeyProjection,
                lane.witness.new * M31::from(layout.group_size()),
                &[cache_row, k0, k1, k2, k3, key, value],
            );
        }
    }
}
