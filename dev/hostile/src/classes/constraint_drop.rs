//! Every part of the constraint system is left out once; see [`crate::constraint_drop`].
use crate::cases::{all, unstated};
use crate::checker::Drop;
use crate::constraint_drop::{targets, targets_of};
use crate::decoder;
use crate::proving::honest;
use crate::reduced::{prove, verify, Claimed, Setup};
use crate::report::Recorder;

pub fn run(recorder: &mut Recorder) {
    decoders(recorder);
    for spec in all().into_iter().chain(unstated()) {
        let case = spec.case();
        let setup = Setup::new(&case);
        if case.is_stated() {
            recorder.require(&format!("{}/protocol", case.name), || protocol(&setup));
        }
        for target in targets(&case) {
            let mut forged = None;
            if target.is_of_checkers() {
                recorder.require(&target.label, || {
                    forged = Some(target.outcome()?);
                    Ok(())
                });
            }
            recorder.require(&format!("{}/proof", target.label), || {
                let forged = forged.map_or_else(|| target.outcome(), Ok)?;
                target.proof_outcome(&setup, &forged)
            });
        }
    }
}

/// The same for decoders, which are larger: a part of what can be left out, or all of it. A test of the
/// crate leaves out all of it by the checkers.
fn decoders(recorder: &mut Recorder) {
    let specs = recorder.amount(1, decoder::cases::all().len());
    for (place, spec) in decoder::cases::all().iter().enumerate() {
        let case = spec.case();
        let setup = Setup::new(&case);
        let (targets, every, proven) = match place < specs {
            true => {
                let (every, proven) = (recorder.amount(10, 1), recorder.amount(60, 1));
                (targets(&case), every, proven)
            }
            // Of the other cases, what the first one does not have.
            false => (
                targets_of(&case),
                1,
                if case.layout.digits().is_some() { 4 } else { 1 },
            ),
        };
        for (index, target) in targets.into_iter().enumerate().step_by(every) {
            let mut forged = None;
            recorder.require(&target.label, || {
                forged = Some(target.outcome()?);
                Ok(())
            });
            if index % proven == 0 {
                recorder.require(&format!("{}/proof", target.label), || {
                    let forged = forged.map_or_else(|| target.outcome(), Ok)?;
                    target.proof_outcome(&setup, &forged)
                });
            }
        }
    }
}

/// With nothing left out, the proofs of this class are those of the prover, byte by byte.
fn protocol(setup: &Setup) -> Result<(), String> {
    let (claim, forged) = honest(&setup.case, 1);
    let claimed = Claimed::of(setup, &forged);
    if claimed.statement != claim.statement {
        return Err("another statement".to_owned());
    }
    let proofs = prove(&claimed, &Drop::Nothing).map_err(|error| error.to_string())?;
    verify(&claimed, &Drop::Nothing, &proofs).map_err(|error| error.to_string())?;
    let file = claim
        .prove(&forged)
        .map_err(|error| error.to_string())?
        .file;
    let lookup = file.lookup().map(|lookup| lookup.proof());
    let expected: Vec<&[u8]> = [file.proof()].into_iter().chain(lookup).collect();
    match expected == proofs {
        true => Ok(()),
        false => Err("other proofs than the prover's".to_owned()),
    }
}
