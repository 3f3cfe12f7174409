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

/// The model for segments of decoders, on a machine of two faster cores (x86-64, AVX-512).
///
/// Fitted by [`CostModel::fit`] to the eleven segments of decoders of up to 9 M weights that
/// `docs/figures.md` has, from 1 to 128 tokens in all three profiles: within 10 % of their processor time, 3 % of
/// their memory and 25 % of their time of verifying. One of 24 M weights, which is not in the fit, took 28 %
/// more processor time, as much memory, and 80 % more time of verifying than is predicted of it.
pub const DECODER: CostModel = CostModel {
    cores: 2,
    prove: [2.361e-10, 0.0, 5.980e-8, 2.533e-8, 0.0, 0.0],
    memory: [3.803, 75.83, 8.225, 8.388e6],
    verify: [0.0, 6.926e-5, 0.0, 1.576],
};
