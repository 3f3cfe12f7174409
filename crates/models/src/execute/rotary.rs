//! Rotary embedding of queries and keys, in the pairing of Hugging Face (`rotate_half`): channel `j` of
//! a head with channel `j + d/2`.

use super::Run;
use crate::{ModelError, Operation};

impl Run<'_> {
    /// Rotates a tensor `[S, heads * d]` of values before rotation.
    pub(super) fn rotate(
        &self,
        (operation, layer): (Operation, usize),
        values: &[i32],
        width: usize,
    ) -> Result<Vec<i32>, ModelError> {
        let d = self.model.shape().attention().head_dim();
        let half = d / 2;
        let table = &self.model.tables().rotary;
        let mut rotated = vec![0i64; values.len()];
        for (index, (from, to)) in values
            .chunks_exact(d)
            .zip(rotated.chunks_exact_mut(d))
            .enumerate()
        {
            let position = self.steps.entries_before() + index * d / width;
            for j in 0..half {
                // The table has every position up to the limit, which was checked.
                let (cos, sin) = table.get(position, j).unwrap_or((0, 0));
                let (x, y) = (i64::from(from[j]), i64::from(from[j + half]));
                let (cos, sin) = (i64::from(cos), i64::from(sin));
                to[j] = x * cos - y * sin;
                to[j + half] = y * cos + x * sin;
            }
        }
        let rescale = self.terms().rotation();
        self.rescale((operation, layer), rescale, width, rotated.into_iter())
    }
}
