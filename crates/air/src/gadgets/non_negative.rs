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
//! Where that is still too wide, [`LessThan`](super::less_than) holds the value to its maximum exactly.
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::less_than::{LessThanColumns, LimbNames};
use crate::harness::row::{constant, Row};
pub use crate::layout::limbs::NonNegative;
use crate::layout::limbs::Upper;
use crate::relation::Limb;

/// Columns of the gadget, in reading order.
#[derive(Clone, Debug)]
pub enum NonNegativeColumns<T> {
    /// Limbs that stand for themselves.
    Limbs {
        /// The value modulo `2^w`, or the whole value if one limb holds it.
        low: T,
        /// The value divided by `2^w`.
        high: Option<T>,
    },
    /// Columns of the exact comparison.
    Exact(LessThanColumns<T>),
}

impl NonNegative {
    /// Reads the columns, by these names.
    pub fn read<E: EvalAtRow>(
        &self,
        row: &mut Row<'_, E>,
        names: &LimbNames,
    ) -> NonNegativeColumns<E::F> {
        match self.upper {
            Upper::Exact(gadget, _) => NonNegativeColumns::Exact(gadget.read(row, names)),
            Upper::Limbs | Upper::TopLimb(_) => NonNegativeColumns::Limbs {
                low: row.witness(names.low),
                high: self.two_limbs.then(|| row.witness(names.high)),
            },
        }
    }

    /// The value as an expression of degree one.
    pub fn value<E: EvalAtRow>(&self, columns: &NonNegativeColumns<E::F>) -> E::F {
        let (low, high) = columns.limbs();
        match high {
            None => low.clone(),
            Some(high) => low.clone() + high.clone() * M31::from_u32_unchecked(1 << self.limb_bits),
        }
    }

    /// Adds the lookups that keep the value in its range.
    pub fn constrain<E: EvalAtRow>(
        &self,
        row: &mut Row<'_, E>,
        columns: &NonNegativeColumns<E::F>,
    ) {
        if let (Upper::Exact(gadget, bound), NonNegativeColumns::Exact(columns)) =
            (self.upper, columns)
        {
            gadget.constrain(row, columns, constant::<E>(bound));
            return;
        }
        let (low, high) = columns.limbs();
        let mut limb = |value: E::F| row.require(Limb { value });
        limb(low.clone());
        if let Some(high) = high {
            limb(high.clone());
        }
        if let Upper::TopLimb(max) = self.upper {
            limb(constant::<E>(max) - high.unwrap_or(low).clone());
        }
    }
}

impl<T> NonNegativeColumns<T> {
    /// Low and high limb.
    pub fn limbs(&self) -> (&T, Option<&T>) {
        match self {
            Self::Limbs { low, high } => (low, high.as_ref()),
            Self::Exact(LessThanColumns { low, wide }) => {
                (low, wide.as_ref().map(|wide| &wide.high))
            }
        }
    }
}

#[cfg(feature = "prover")]
mod witness {
    use stwo::core::fields::m31::M31;

    use super::{NonNegative, NonNegativeColumns, Upper};
    use crate::column::field;

    impl NonNegative {
        /// Fills the columns.
        pub fn generate(
            &self,
            rows: impl ExactSizeIterator<Item = i64>,
        ) -> NonNegativeColumns<Vec<M31>> {
            if let Upper::Exact(gadget, bound) = self.upper {
                let pairs = rows.map(|value| (value, i64::from(bound)));
                return NonNegativeColumns::Exact(gadget.generate(pairs));
            }
            let mut low = Vec::with_capacity(rows.len());
            let mut high = self.two_limbs.then(|| Vec::with_capacity(rows.len()));
            let mask = (1 << self.limb_bits) - 1;
            for value in rows {
                match &mut high {
                    None => low.push(field(value)),
                    Some(high) => {
                        low.push(field(value & mask));
                        high.push(field(value >> self.limb_bits));
                    }
                }
            }
            NonNegativeColumns::Limbs { low, high }
        }
    }

    impl<T> NonNegativeColumns<T> {
        /// The columns in reading order.
        pub fn into_columns(self) -> impl Iterator<Item = T> {
            let (limbs, exact) = match self {
                Self::Limbs { low, high } => (Some((low, high)), None),
                Self::Exact(columns) => (None, Some(columns)),
            };
            let limbs = limbs
                .into_iter()
                .flat_map(|(low, high)| core::iter::once(low).chain(high));
            limbs.chain(exact.into_iter().flat_map(|columns| columns.into_columns()))
        }
    }
}
