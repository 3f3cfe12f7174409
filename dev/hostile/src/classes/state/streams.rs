//! Statements of parts whose streams are committed as something else than what the proof opens.
use matchmark_air::fingerprint::{Opening, PortContent};
use matchmark_air::trees::Tree;
use matchmark_quant::StepRange;
use matchmark_statement::{PortCommitment, SegmentStatement};
use matchmark_verifier::VerifyError;

use super::commitments::{openings, shapes};
use crate::cases::fast;
use crate::checker::Drop;
use crate::decoder::cases::middle;
use crate::forge::Forge;
use crate::ports::stream_content;
use crate::reduced::{prove, verify_as_stated, Claimed, Setup};
use crate::report::{Extent, Recorder};

pub fn run(recorder: &mut Recorder) {
    let case = middle().case();
    let setup = Setup::new(&case);
    let height = setup.structures[0].lifting_log_size();
    let of_seed = |seed| Forge::honest(&case, seed).finish(&Drop::Nothing);
    let (own, other) = (of_seed(1), of_seed(2));
    let (mut claimed, foreign) = (Claimed::of(&setup, &own), Claimed::of(&setup, &other));
    let honest = claimed.statement.clone();
    let honest_proofs = prove(&claimed, &Drop::Nothing).unwrap();
    let is_full = recorder.extent == Extent::Full;
    // The same segment at another level: its trees have another height.
    let elsewhere = middle().with_security(fast()).case();
    let elsewhere = Setup::new(&elsewhere);
    let of_level = Claimed::of(&elsewhere, &own).statement;
    let opened = |claimed: &Claimed<'_>, tree: Tree| -> Opening {
        let mut streams = claimed.streams.iter();
        let (_, committed) = streams.find(|(of, _)| *of == tree).unwrap();
        committed.opening.clone()
    };
    let trees = [Tree::StreamIn, Tree::StreamOut];
    for tree in trees {
        let content = stream_content(&case, tree);
        let opening = opened(&claimed, tree);
        let commit = |opening: &Opening| opening.commitment(&content, height);
        let mut wrong: Vec<(String, PortCommitment)> = openings(&opening, &opened(&foreign, tree))
            .into_iter()
            .map(|(name, opening)| (name, commit(&opening)))
            .collect();
        for of in trees {
            let name = format!("the {} tree", of.name());
            wrong.push((name, commit(&opened(&claimed, of))));
        }
        wrong.extend(named_otherwise(&opening, content, height));
        for height in [height - 1, height + 1] {
            let commitment = opening.commitment(&content, height);
            wrong.push((format!("height {height}"), commitment));
        }
        for (name, statement) in [("own", &honest), ("another level's", &of_level)] {
            let group = statement.group().unwrap();
            for (which, stream) in [("in", group.stream_in), ("out", group.stream_out)] {
                wrong.push((format!("{name} stream {which}"), stream.unwrap()));
            }
        }
        wrong.extend([
            ("the state before".to_owned(), honest.state_before()),
            ("the state after".to_owned(), honest.state_after()),
            ("the weights".to_owned(), honest.group().unwrap().weights),
            (
                "the root itself".to_owned(),
                PortCommitment::from_bytes(opening.root.0),
            ),
            ("zeros".to_owned(), PortCommitment::from_bytes([0; 32])),
        ]);
        for (name, commitment) in wrong {
            let mut parts = honest.parts();
            let group = parts.group.as_mut().unwrap();
            let place = if tree == Tree::StreamIn {
                &mut group.stream_in
            } else {
                &mut group.stream_out
            };
            if place.replace(commitment) == Some(commitment) {
                continue;
            }
            claimed.statement = SegmentStatement::new(parts).unwrap();
            let is_expected = |error: &VerifyError| matches!(error, VerifyError::PortNotOpened { port, .. } if Some(*port) == tree.port());
            let label = format!("{}/{}/{name}", case.name, tree.name());
            // In full the proof is made for the statement; in quick it is the honest one, as its ports come first.
            recorder.refuse_as(&label, is_expected, || {
                let proofs = match is_full {
                    true => prove(&claimed, &Drop::Nothing).unwrap(),
                    false => honest_proofs.clone(),
                };
                verify_as_stated(&claimed, claimed.values.as_ref().unwrap(), &proofs)
            });
        }
    }
}

/// The same tree in the name of another place.
fn named_otherwise(
    opening: &Opening,
    content: PortContent<'_>,
    height: u32,
) -> Vec<(String, PortCommitment)> {
    let PortContent::Stream {
        shape,
        channels,
        layers,
        steps,
    } = content
    else {
        unreachable!("the content of a stream");
    };
    let stream = |shape, channels, layers, steps| {
        let content = PortContent::Stream {
            shape,
            channels,
            layers,
            steps,
        };
        opening.commitment(&content, height)
    };
    let mut out = vec![];
    for layers in (0..5).filter(|other| *other != layers) {
        let commitment = stream(shape, channels, layers, steps);
        out.push((format!("behind {layers} layers"), commitment));
    }
    for channels in [channels - 1, channels + 1] {
        let commitment = stream(shape, channels, layers, steps);
        out.push((format!("{channels} channels"), commitment));
    }
    let (before, count) = (steps.entries_before() as u32, steps.steps() as u32);
    for (before, count) in [
        (0, count),
        (before - 1, count),
        (before + 1, count),
        (before, count + 1),
        (before, count - 1),
        (count, before),
    ] {
        let steps = StepRange::new(before, count).unwrap();
        let commitment = stream(shape, channels, layers, steps);
        out.push((format!("{count} steps behind {before}"), commitment));
    }
    for (name, shape) in shapes(&shape) {
        out.push((name.to_owned(), stream(shape, channels, layers, steps)));
    }
    let entries = steps.entries_before() as u64;
    let state = PortContent::State { shape, entries };
    out.push(("a state".to_owned(), opening.commitment(&state, height)));
    out
}
