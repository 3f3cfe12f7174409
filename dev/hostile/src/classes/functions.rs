//! Another function under the same key.
use matchmark_statement::Port;
use matchmark_verifier::key::KeyError;
use matchmark_verifier::{verify_segment, ModelKey, VerifyError};

use crate::functions::grid::{self, By};
use crate::functions::{
    honest, in_the_honest_terms, key, options, others, prompt, under_the_honest_commitment, Story,
};
use crate::report::Recorder;
use crate::row_norms;
use crate::runs::verify;

pub fn run(recorder: &mut Recorder) {
    let key = key();
    let policy = key.policy(&prompt(), &options()).unwrap();
    let honest = honest();
    recorder.require("the honest chain", || {
        key.check_policy(&honest.policy)
            .map_err(|it| it.to_string())?;
        verify([&honest.file], &policy).map_err(|it| it.to_string())
    });
    let stories = others();
    for story in &stories {
        // A valid chain of its own policy, and another story: else the attack would show nothing.
        recorder.require(&format!("{}/is a chain", story.name), || {
            verify([&story.file], &story.policy).map_err(|it| it.to_string())
        });
        recorder.require(&format!("{}/policy", story.name), || refused(&key, story));
        recorder.refuse(&format!("{}/chain", story.name), || {
            verify([&story.file], &policy)
        });
    }
    recorder.require("other stories", || {
        let same = stories.iter().filter(|it| it.told == honest.told);
        let same: Vec<_> = same.map(|it| it.name).collect();
        match &same[..] {
            [] => Ok(()),
            same => Err(format!("{same:?} tell the same")),
        }
    });
    let decoder = policy.terms().decoder.expect("a decoder's policy");
    for story in under_the_honest_commitment(decoder.weights) {
        // In the honest commitment's name: the proof opens another, whatever the policy says.
        recorder.refuse_as(
            &format!("{}/honest commitment", story.name),
            |error| {
                matches!(
                    error,
                    VerifyError::PortNotOpened {
                        port: Port::Model,
                        ..
                    }
                )
            },
            || verify_segment(&story.file, &story.policy).map(|_| ()),
        );
        recorder.refuse(&format!("{}/honest commitment, chain", story.name), || {
            verify([&story.file], &policy)
        });
    }
    for story in in_the_honest_terms(decoder) {
        // Everything that is stated is the honest model's: nothing but the root of the preprocessed columns
        // tells the nodes from each other.
        let label = |what: &str| format!("{}/honest terms, {what}", story.name);
        recorder.require(&label("is a chain"), || {
            verify([&story.file], &story.policy).map_err(|it| it.to_string())
        });
        recorder.require(&label("policy"), || refused(&key, &story));
        recorder.refuse_as(
            &label("segment"),
            |error| matches!(error, VerifyError::PreprocessedRootMismatch { .. }),
            || verify_segment(&story.file, &policy).map(|_| ()),
        );
        recorder.refuse(&label("chain"), || verify([&story.file], &policy));
    }
    grids(recorder);
    recorder.require("weights beyond their norms/a model", row_norms::no_model);
    recorder.require("weights beyond their norms/a key", row_norms::no_key);
    recorder.require(
        "weights beyond their norms/what the bound prevents",
        row_norms::wraps_without_the_bound,
    );
}

/// The same of a decoder in groups of layers: one group by other weights or other constants, under the honest key.
fn grids(recorder: &mut Recorder) {
    let key = grid::key();
    let policy = key.policy(&grid::prompt(), &grid::options()).unwrap();
    let (files, own, stories) = grid::stories();
    recorder.require("grid/the honest chain", || {
        key.check_policy(&own).map_err(|it| it.to_string())?;
        verify(&files, &policy).map_err(|it| it.to_string())
    });
    for story in &stories {
        let label = |what: &str| format!("grid/{}/{what}", story.name);
        recorder.require(&label("policy"), || match key.check_policy(&story.policy) {
            Err(KeyError::OtherPolicy { .. }) => Ok(()),
            other => Err(format!("expected another policy, got {other:?}")),
        });
        recorder.refuse(&label("chain"), || verify(&story.files, &policy));
        recorder.refuse(&label("chain in the honest terms"), || {
            verify(&story.in_honest_terms, &policy)
        });
        let is_expected = |error: &VerifyError| match story.by {
            By::Weights => matches!(
                error,
                VerifyError::PortNotOpened {
                    port: Port::Model,
                    ..
                }
            ),
            By::Constants => matches!(error, VerifyError::PreprocessedRootMismatch { .. }),
        };
        recorder.refuse_as(&label("part in the honest terms"), is_expected, || {
            verify_segment(&story.in_honest_terms[story.group], &policy).map(|_| ())
        });
        // The other group inside the honest chain.
        for files_of in [&story.files, &story.in_honest_terms] {
            let mut mixed = files.clone();
            mixed[story.group] = files_of[story.group].clone();
            recorder.refuse(&label("one part of it"), || verify(&mixed, &policy));
        }
    }
}

/// The key refuses the policy, and names what differs.
fn refused(key: &ModelKey, story: &Story) -> Result<(), String> {
    match key.check_policy(&story.policy) {
        Err(KeyError::OtherPolicy { field, .. }) if Some(field) == story.field => Ok(()),
        other => Err(format!("expected {:?}, got {other:?}", story.field)),
    }
}
