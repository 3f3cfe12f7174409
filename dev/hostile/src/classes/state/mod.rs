//! States and boundaries: trees that open two ways, and commitments to something else than what a proof
//! opens.
mod commitments;
mod halves;

use crate::report::Recorder;

pub fn run(recorder: &mut Recorder) {
    halves::states(recorder);
    halves::boundaries(recorder);
    commitments::states(recorder);
    commitments::boundaries(recorder);
    commitments::exchanged(recorder);
}
