//! The cost model of a reference machine, for machines that were not calibrated.
//!
//! Fitted by [`CostModel::fit`] to the cases of a calibration, on a machine with two slow cores (x86-64,
//! AVX2, 24 GiB). Other machines have other times: ratios between candidates carry over better than
//! seconds do.

use crate::cost::CostModel;

/// The model.
pub const MODEL: CostModel = CostModel {
    cores: 2,
    prove: [1e-9, 1e-9, 1e-8, 1e-8, 1e-7, 1e-3],
    memory: [4.0, 64.0, 4.0, 1e7],
    verify: [0.0, 1e-4, 1e-4, 0.5],
};
