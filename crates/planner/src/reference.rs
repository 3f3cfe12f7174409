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
/// Fitted by [`CostModel::fit`] to nine segments of decoders of up to 3 M weights that `docs/figures.md` has,
/// from 1 to 128 tokens in all four profiles: within 20 % of their processor time, 3 % of their memory and 20 % of their
/// time of verifying. The times were measured under relation 5, whose segments of decoders have 2 to 3 % fewer cells;
/// four more segments that were measured then, the largest among them, have fewer cells since and are left out.
pub const DECODER: CostModel = CostModel {
    cores: 2,
    prove: [2.705e-10, 0.0, 1.411e-7, 3.350e-8, 6.761e-9, 0.0],
    memory: [3.885, 72.13, 7.199, 2.800e7],
    verify: [0.0, 6.319e-5, 0.0, 2.933],
};
