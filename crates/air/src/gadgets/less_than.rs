//! `0 <= value < bound`, both sides shown.
//!
//! **Contract.** The caller gives `bound` as an expression of degree one whose true value lies in
//! `1..=max_bound`. The gadget guarantees that the value it yields is an integer in `0..bound`.
//!
//! **Why.** With one limb, `value` and `bound - 1 - value` are both looked up in the limb table
//! `0..2^w`; with two, `value = low + 2^w high` and `bound - 1 - value = c + 2^w (..)` are limb by
//! limb. Either way both are integers below `2^(2w) <= 2^28`; their sum is `bound - 1` in the field
//! and, as everything is far below `p`, over the integers. The high limb of the complement is no
//! column: it is `(bound - 1 - value - c) / 2^w`, and that quotient is looked up.
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use crate::harness::row::{constant, Row};
pub use crate::layout::limbs::LessThan;
use crate::relation::Limb;

/// Names of the gadget's columns within a component.
#[derive(Clone, Copy, Debug)]
pub struct LimbNames {
    /// Of the low limb.
    pub low: &'static str,
    /// Of the high limb.
    pub high: &'static str,
    /// Of the low limb of the complement.
    pub complement_low: &'static str,
}

/// Columns of the gadget, in reading order.
#[derive(Clone, Debug)]
pub struct LessThanColumns<T> {
    /// The value modulo `2^w`, or the whole value if one limb holds it.
    pub low: T,
    /// With two limbs: the value divided by `2^w`, and the complement modulo `2^w`.
    pub wide: Option<WideColumns<T>>,
}

/// What a second limb adds to [`LessThanColumns`].
#[derive(Clone, Debug)]
pub struct WideColumns<T> {
    /// The value divided by `2^w`.
    pub high: T,
    /// `bound - 1 - value` modulo `2^w`.
    pub complement_low: T,
}

impl LessThan {
    /// Reads the columns, by these names.
    pub fn read<E: EvalAtRow>(
        &self,
        row: &mut Row<'_, E>,
        names: &LimbNames,
    ) -> LessThanColumns<E::F> {
        LessThanColumns {
            low: row.witness(names.low),
            wide: self.two_limbs.then(|| WideColumns {
                high: row.witness(names.high),
                complement_low: row.witness(names.complement_low),
            }),
        }
    }

    /// The value as an expression of degree one.
    pub fn value<E: EvalAtRow>(&self, columns: &LessThanColumns<E::F>) -> E::F {
        match &columns.wide {
            None => columns.low.clone(),
            Some(wide) => columns.low.clone() + wide.high.clone() * self.limb_size(),
        }
    }

    /// Adds the lookups that hold the value below `bound`.
    pub fn constrain<E: EvalAtRow>(
        &self,
        row: &mut Row<'_, E>,
        columns: &LessThanColumns<E::F>,
        bound: E::F,
    ) {
        let complement = bound - constant::<E>(1) - self.value::<E>(columns);
        let mut limb = |value: E::F| row.require(Limb { value });
        limb(columns.low.clone());
        match &columns.wide {
            None => limb(complement),
            Some(wide) => {
                limb(wide.high.clone());
                limb(wide.complement_low.clone());
                let high = (complement - wide.complement_low.clone()) * self.limb_size().inverse();
                limb(high);
            }
        }
    }

    fn limb_size(&self) -> M31 {
        M31::from_u32_unchecked(1 << self.limb_bits)
    }
}

#[cfg(feature = "prover")]
mod witness {
    use stwo::core::fields::m31::M31;

    use super::{LessThan, LessThanColumns, WideColumns};
    use crate::column::field;

    impl LessThan {
        /// Fills the columns for `(value, bound)` pairs.
        pub fn generate(
            &self,
            rows: impl ExactSizeIterator<Item = (i64, i64)>,
        ) -> LessThanColumns<Vec<M31>> {
            let mut low = Vec::with_capacity(rows.len());
            let mut wide: Option<WideColumns<Vec<M31>>> = self.two_limbs.then(|| WideColumns {
                high: Vec::with_capacity(rows.len()),
                complement_low: Vec::with_capacity(rows.len()),
            });
            let mask = (1 << self.limb_bits) - 1;
            for (value, bound) in rows {
                match &mut wide {
                    None => low.push(field(value)),
                    Some(wide) => {
                        low.push(field(value & mask));
                        wide.high.push(field(value >> self.limb_bits));
                        wide.complement_low.push(field((bound - 1 - value) & mask));
                    }
                }
            }
            LessThanColumns { low, wide }
        }
    }

    impl<T> LessThanColumns<T> {
        /// The columns in reading order.
        pub fn into_columns(self) -> impl Iterator<Item = T> {
            let wide = self
                .wide
                .into_iter()
                .flat_map(|wide| [wide.high, wide.complement_low]);
            core::iter::once(self.low).chain(wide)
        }
    }
}
