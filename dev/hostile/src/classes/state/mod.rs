//! States, pairs and streams: trees that open two ways, and commitments to something else than what a proof
//! opens.
mod commitments;
mod halves;
mod streams;

use crate::report::Recorder;

pub fn run(recorder: &mut Recorder) {
    halves::states(recorder);
    halves::pairs(recorder);
    halves::streams(recorder);
    commitments::states(recorder);
    commitments::pairs(recorder);
    commitments::exchanged(recorder);
    streams::run(recorder);
}
