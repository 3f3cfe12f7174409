//! The cost model of a reference machine, for machines that were not calibrated.
//!
//! What `matchmark plan --calibrate` made of a machine with two cores (x86-64, AVX-512, 24 GiB). Other machines have
//! other times: ratios between candidates carry over better than seconds do.

use crate::cost::CostModel;

/// The model.
pub const MODEL: CostModel = CostModel {
    cores: 2,
    prove: [4.946e-10, 0.0, 6.581e-8, 4.985e-8, 1.206e-8, 1.740e-3],
    memory: [3.374, 81.69, 11.09, 1.155e7],
    verify: [1.740e-3, 8.837e-5, 1.143e-4, 1.019],
};

/// The model for segments of decoders, on a machine of two cores (x86-64, AVX-512).
///
/// Fitted by [`CostModel::fit`] to the thirteen segments of decoders of up to 9 M weights that `docs/figures.md` has,
/// from 1 to 128 tokens in all four profiles: within 20 % of their processor time, 3 % of their memory and 20 % of their
/// time of verifying. One of 24 M weights, which is not in the fit, took 50 % more processor time, as much memory, and
/// 60 % more time of verifying than is predicted of it. The times were measured under relation 5, whose segments
/// of decoders have 2 to 3 % fewer cells.
pub const DECODER: CostModel = CostModel {
    cores: 2,
    prove: [3.050e-10, 0.0, 1.442e-7, 3.244e-8, 4.874e-9, 0.0],
    memory: [3.663, 77.00, 7.590, 1.789e7],
    verify: [2.911e-3, 6.627e-5, 0.0, 1.461],
};
