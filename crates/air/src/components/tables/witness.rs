//! Trace generation of the table components: multiplicities are counted over all other components.
use matchmark_quant::centered;
use stwo::core::fields::m31::M31;

use super::constraints::{Table, Tables};
use crate::layout::SegmentLayout;
use crate::witness::{Column, Execution, Generate};

impl Generate for Tables {
    fn generate(&self, _execution: &Execution<'_>) -> Vec<Column> {
        vec![]
    }

    fn tables(&self) -> &[Table] {
        &self.tables
    }
}

impl Table {
    /// The row of the table at which a tuple of its relation stands, if it is an entry as far as its first
    /// elements say.
    pub fn entry(self, layout: &SegmentLayout, tuple: &[M31]) -> Option<usize> {
        let signed = |limit: i32| centered(tuple[0].0) + i64::from(limit);
        let row = match self {
            Self::Weights | Self::Limbs | Self::ReciprocalRoots | Self::Exponents => {
                i64::from(tuple[0].0)
            }
            Self::Values => signed(layout.value_bits().max_value()),
            Self::Activations => signed(
                layout
                    .expect_decoder()
                    .arithmetic()
                    .value_bits()
                    .max_value(),
            ),
            // Row 0 repeats the number of no width, which nothing looks up.
            Self::Ranges => {
                let (bits, value) = (tuple[0].0, i64::from(tuple[1].0));
                let first = 1_i64.checked_shl(bits).filter(|first| value < *first)?;
                first + value
            }
            Self::Rotations => {
                let pairs = layout.expect_decoder().shape().attention().head_dim() / 2;
                let (position, pair) = (tuple[0].0, tuple[1].0);
                let pairs = i64::try_from(pairs).ok()?;
                i64::from(position) * pairs + Some(i64::from(pair)).filter(|it| *it < pairs)?
            }
        };
        let row = usize::try_from(row).ok()?;
        (row < 1 << self.log_rows(layout)).then_some(row)
    }
}
