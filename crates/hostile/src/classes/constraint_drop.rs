//! Every part of the constraint system is left out once; see [`crate::constraint_drop`].
use rayon::prelude::*;

use crate::cases::all;
use crate::constraint_drop::targets;
use crate::report::Recorder;

pub fn run(recorder: &mut Recorder) {
    let specs = all();
    let outcomes: Vec<_> = specs
        .par_iter()
        .flat_map_iter(|spec| {
            let targets = targets(&spec.case()).into_iter();
            targets.map(|target| (target.label.clone(), target.outcome()))
        })
        .collect();
    for (label, outcome) in outcomes {
        recorder.require(&label, || outcome);
    }
}
