//! The cost model of a reference machine, for machines that were not calibrated.
//!
//! Fitted by [`CostModel::fit`] to the cases of a calibration, on a machine with two slow cores (x86-64,
//! AVX2, 24 GiB). Other machines have other times: ratios between candidates carry over better than
//! seconds do.

use crate::cost::CostModel;

/// The model.
pub const MODEL: CostModel = CostModel {
    cores: 2,
    prove: [9.76e-10, 0.0, 2.321e-7, 8.685e-8, 7.221e-8, 7.64e-3],
    memory: [3.669, 77.04, 10.87, 8.406e6],
    verify: [0.0, 1.759e-4, 1.371e-4, 0.764],
};
