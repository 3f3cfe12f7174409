//! The cost model of a reference machine, for machines that were not calibrated.
//!
//! Fitted by [`CostModel::fit`] to twenty synthetic chains of the sizes that a calibration measures, each
//! proven once, on a machine with two slow cores (x86-64, AVX2, 24 GiB). Other machines have other times: ratios between candidates carry over better than
//! seconds do.

use crate::cost::CostModel;

/// The model.
pub const MODEL: CostModel = CostModel {
    cores: 2,
    prove: [1.130e-9, 0.0, 2.314e-7, 9.063e-8, 6.766e-8, 6.326e-3],
    memory: [4.127, 73.51, 10.20, 7.992e6],
    verify: [0.0, 1.872e-4, 1.444e-4, 0.7453],
};
