//! `0 <= value <= slack`, where only the lower side matters to the caller and `slack` is any bound
//! that keeps its sums from wrapping around the field.
//!
//! **Contract.** The caller names the largest value that an honest witness can have, and tells which
//! slack it can live with. The gadget guarantees that the value it yields is an integer in
//! `0..=slack`.
//!
//! **Why.** `value = low + 2^w high`, each limb looked up in `0..2^w`. Where the slack of the limbs
//! alone would be too wide, the top limb is also bounded from above: `top_max - top` is looked up,
//! and two integers below `2^w` whose sum is `top_max` in the field have that sum over the integers.
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use crate::challenges::LookupChallenges;
use crate::harness::row::{constant, Row};
use crate::relation::RelationTag;

/// Shape of the gadget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonNegative {
    limb_bits: u32,
    two_limbs: bool,
    /// Largest value of the top limb, where it is bounded from above.
    top_max: Option<u32>,
}

/// Columns of the gadget, in reading order.
#[derive(Clone, Debug)]
pub struct NonNegativeColumns<T> {
    /// The value modulo `2^w`, or the whole value if one limb holds it.
    pub low: T,
    /// The value divided by `2^w`.
    pub high: Option<T>,
}

impl NonNegative {
    /// The cheapest gadget that holds every value up to `max` and whose slack the caller accepts;
    /// `None` if there is none.
    pub fn covering(max: u64, limb_bits: u32, accepts: impl Fn(u64) -> bool) -> Option<Self> {
        let size = 1_u64 << limb_bits;
        let two_limbs = max >= size;
        let top_max = if two_limbs { max >> limb_bits } else { max };
        if top_max >= size {
            return None;
        }
        let free = if two_limbs { size * size } else { size } - 1;
        let bounded = if two_limbs {
            (top_max + 1) * size - 1
        } else {
            max
        };
        let top_max = if accepts(free) {
            None
        } else if accepts(bounded) {
            Some(u32::try_from(top_max).ok()?)
        } else {
            return None;
        };
        Some(Self {
            limb_bits,
            two_limbs,
            top_max,
        })
    }

    /// Whether values take two limbs.
    pub fn is_wide(&self) -> bool {
        self.two_limbs
    }

    /// Reads the columns.
    pub fn read<E: EvalAtRow>(&self, row: &mut Row<'_, E>) -> NonNegativeColumns<E::F> {
        NonNegativeColumns {
            low: row.witness(),
            high: self.two_limbs.then(|| row.witness()),
        }
    }

    /// The value as an expression of degree one.
    pub fn value<E: EvalAtRow>(&self, columns: &NonNegativeColumns<E::F>) -> E::F {
        match &columns.high {
            None => columns.low.clone(),
            Some(high) => {
                columns.low.clone() + high.clone() * M31::from_u32_unchecked(1 << self.limb_bits)
            }
        }
    }

    /// Adds the lookups that keep the value in its range.
    pub fn constrain<E: EvalAtRow>(
        &self,
        row: &mut Row<'_, E>,
        lookups: &LookupChallenges,
        columns: &NonNegativeColumns<E::F>,
    ) {
        let mut limb = |x: E::F| row.require(lookups, RelationTag::Limb, &[x]);
        limb(columns.low.clone());
        let top = match &columns.high {
            None => &columns.low,
            Some(high) => {
                limb(high.clone());
                high
            }
        };
        if let Some(max) = self.top_max {
            limb(constant::<E>(max) - top.clone());
        }
    }
}

#[cfg(feature = "prover")]
mod witness {
    use stwo::core::fields::m31::M31;

    use super::{NonNegative, NonNegativeColumns};
    use crate::witness::columns::{field, UseCounts};

    impl NonNegative {
        /// Fills the columns and counts the limbs they look up.
        pub fn generate(
            &self,
            rows: impl ExactSizeIterator<Item = i64>,
            limbs: &mut UseCounts,
        ) -> NonNegativeColumns<Vec<M31>> {
            let mut low = Vec::with_capacity(rows.len());
            let mut high = self.two_limbs.then(|| Vec::with_capacity(rows.len()));
            let mask = (1 << self.limb_bits) - 1;
            for value in rows {
                let mut top = value;
                match &mut high {
                    None => {
                        limbs.add(value);
                        low.push(field(value));
                    }
                    Some(high) => {
                        top = value >> self.limb_bits;
                        limbs.add(value & mask);
                        limbs.add(top);
                        low.push(field(value & mask));
                        high.push(field(top));
                    }
                }
                if let Some(max) = self.top_max {
                    limbs.add(i64::from(max) - top);
                }
            }
            NonNegativeColumns { low, high }
        }
    }

    impl<T> NonNegativeColumns<T> {
        /// The columns in reading order.
        pub fn into_columns(self) -> impl Iterator<Item = T> {
            core::iter::once(self.low).chain(self.high)
        }
    }
}
