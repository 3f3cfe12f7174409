//! States and cuts: trees that open two ways, and commitments to something else than what a proof
//! opens.
mod commitments;
mod halves;

use crate::report::Recorder;

pub fn run(recorder: &mut Recorder) {
    halves::states(recorder);
    halves::cuts(recorder);
    commitments::states(recorder);
    commitments::cuts(recorder);
    commitments::exchanged(recorder);
}
