//! Grids of three segments by three groups of layers: parts dropped, doubled, exchanged, moved, taken from other
//! runs, in another's name; parts that hold by themselves, and are none of the chain.
use matchmark_composer::ChainVerifyError;
use matchmark_statement::{
    AcceptancePolicy, ChainError, GroupFields, Port, PortCommitment, PublicValues,
    SegmentStatement, SegmentStatementParts, TokenId, TokenValues,
};
use matchmark_verifier::chain::FoldError;
use matchmark_verifier::{verify_segment, SegmentFile, VerifyError};

use super::restated::restated;
use crate::grid::{others, plain, Grid, GROUPS, OTHERS, SEGMENTS};
use crate::report::{error_name, Recorder};
use crate::runs::{verify, Run};
use crate::Rng;

/// Parts of the plain run.
const PARTS: usize = SEGMENTS * GROUPS;

/// Takes over a field of another part.
type Change = fn(&mut GroupFields, &GroupFields);

/// A part: of which run, and which one of it.
type Place = (usize, usize);

pub fn chains(recorder: &mut Recorder) {
    let grid = plain();
    let grids = others();
    let mut runs = vec![grid.run("plain")];
    runs.extend(grids.iter().zip(OTHERS).map(|(grid, name)| grid.run(name)));
    recorder.require("grid/the honest chain", || {
        verify(&runs[0].files, &runs[0].policy).map_err(|it| it.to_string())
    });
    reordered(recorder, &runs[0]);
    of_other_runs(recorder, &runs);
    random(recorder, &runs);
    true_by_themselves(recorder, &grid, &grids[0], &runs[0]);
    in_anothers_name(recorder, &grid, &runs);
}

/// Verifies parts of runs as a whole chain of the plain one.
fn judge(runs: &[Run], order: &[Place]) -> Result<(), ChainVerifyError> {
    let files = order.iter().map(|(run, at)| &runs[*run].files[*at]);
    verify(files, &runs[0].policy)
}

/// Why parts of the plain run in this order are none, by their places alone: `None` if they are the whole.
fn expected(order: &[usize]) -> Option<&'static str> {
    // A chain begins where its first part says; that this is where it must is seen with the first segment.
    let mut row = order.first().map_or(0, |at| at / GROUPS);
    for (place, at) in order.iter().enumerate() {
        let (segment, group) = (at / GROUPS, at % GROUPS);
        if group != place % GROUPS {
            return Some("GroupOrder");
        }
        if segment == row {
            if place + 1 == GROUPS && row > 0 {
                return Some("FirstState");
            }
            row += usize::from(group + 1 == GROUPS);
            continue;
        }
        return Some(match (group, segment > row) {
            (0, true) => "PositionGap",
            (0, false) => "PositionOverlap",
            _ => "OtherSegment",
        });
    }
    match (order.len() % GROUPS, row) {
        (0, SEGMENTS) => None,
        (0, _) if order.is_empty() => Some("Empty"),
        (0, _) => Some("Incomplete"),
        _ => Some("PartsMissing"),
    }
}

fn is_named(error: &ChainVerifyError, expected: &str) -> bool {
    let name = error_name(error);
    // Steps that are missing at the end are for the policy to say.
    name.ends_with(expected) || (expected == "Incomplete" && name.starts_with("Chain/Policy/"))
}

/// The parts of the plain run, but not in their order: each refused by the name that follows from where they are.
fn reordered(recorder: &mut Recorder, plain: &Run) {
    let whole: Vec<usize> = (0..PARTS).collect();
    let mut all: Vec<(String, Vec<usize>)> = vec![("nothing".to_owned(), vec![])];
    for i in 0..PARTS {
        let mut edited = whole.clone();
        edited.remove(i);
        all.push((format!("drop {i}"), edited));
        let edited = whole[..i].to_vec();
        all.push((format!("end before {i}"), edited));
        for j in 0..=PARTS {
            let mut edited = whole.clone();
            edited.insert(j, i);
            all.push((format!("double {i} at {j}"), edited));
        }
        for j in i + 1..PARTS {
            let mut edited = whole.clone();
            edited.swap(i, j);
            all.push((format!("exchange {i} and {j}"), edited));
            let mut edited = whole.clone();
            edited.drain(i..j);
            all.push((format!("drop {i} to {j}"), edited));
        }
        for j in (0..PARTS).filter(|j| *j != i) {
            let mut edited = whole.clone();
            edited[i] = j;
            all.push((format!("{j} in the place of {i}"), edited));
            let mut edited = whole.clone();
            let part = edited.remove(i);
            edited.insert(j, part);
            all.push((format!("{i} moved to {j}"), edited));
        }
    }
    let mut columns = whole.clone();
    columns.sort_by_key(|at| (at % GROUPS, at / GROUPS));
    all.push(("group by group".to_owned(), columns));
    let stride = recorder.amount(2, 1);
    let in_part = all.into_iter().step_by(stride);
    for (label, order) in in_part {
        let Some(expected) = expected(&order) else {
            continue;
        };
        let is_expected = |error: &ChainVerifyError| is_named(error, expected);
        recorder.refuse_as(&format!("grid/{label}"), is_expected, || {
            verify(order.iter().map(|at| &plain.files[*at]), &plain.policy)
        });
    }
}

/// Parts, rows and columns of other runs inside the plain one.
fn of_other_runs(recorder: &mut Recorder, runs: &[Run]) {
    let whole: Vec<Place> = (0..PARTS).map(|at| (0, at)).collect();
    for (other, run) in runs.iter().enumerate().skip(1) {
        let label = |what: String| format!("grid/{}/{what}", run.name);
        for at in 0..PARTS {
            let donors: Vec<usize> = match run.files.len() == PARTS {
                true => vec![at],
                false => (0..run.files.len()).collect(),
            };
            for donor in donors {
                let mut edited = whole.clone();
                edited[at] = (other, donor);
                let label = label(format!("{at} is its {donor}"));
                recorder.refuse(&label, || judge(runs, &edited));
            }
        }
        let edited: Vec<Place> = (0..run.files.len()).map(|at| (other, at)).collect();
        recorder.refuse(&label("all of it".to_owned()), || judge(runs, &edited));
        if run.files.len() != PARTS {
            continue;
        }
        for segment in 0..SEGMENTS {
            let mut edited = whole.clone();
            for group in 0..GROUPS {
                edited[segment * GROUPS + group].0 = other;
            }
            let label_of = label(format!("row {segment}"));
            recorder.refuse(&label_of, || judge(runs, &edited));
            let mut edited = whole.clone();
            edited[segment * GROUPS..]
                .iter_mut()
                .for_each(|it| it.0 = other);
            let label_of = label(format!("from row {segment} on"));
            recorder.refuse(&label_of, || judge(runs, &edited));
        }
        for group in 0..GROUPS {
            let mut edited = whole.clone();
            for segment in 0..SEGMENTS {
                edited[segment * GROUPS + group].0 = other;
            }
            let label_of = label(format!("column {group}"));
            recorder.refuse(&label_of, || judge(runs, &edited));
        }
    }
}

/// Several edits after one another.
fn random(recorder: &mut Recorder, runs: &[Run]) {
    let seed = recorder.seed;
    let count = recorder.amount(100, 4000);
    recorder.refuse_each("grid/edits", count, |index| {
        let mut rng = Rng::of(seed, "grids", index as u64);
        let mut order: Vec<Place> = (0..PARTS).map(|at| (0, at)).collect();
        for _ in 0..=rng.below(4) {
            let at = rng.below(order.len());
            match rng.below(5) {
                0 if order.len() > 1 => drop(order.remove(at)),
                1 => order.insert(rng.below(order.len() + 1), order[at]),
                2 => {
                    let other = rng.below(order.len());
                    order.swap(at, other);
                }
                3 => {
                    let run = rng.below(runs.len());
                    order[at] = (run, rng.below(runs[run].files.len()));
                }
                _ => {
                    // A part in the same place of another run.
                    let run = rng.below(runs.len());
                    let part = order[at].1;
                    if part < runs[run].files.len() {
                        order[at].0 = run;
                    }
                }
            }
        }
        let is_whole = order.iter().enumerate().all(|(at, it)| *it == (0, at));
        if is_whole && order.len() == PARTS {
            return None;
        }
        Some(judge(runs, &order))
    });
}

/// Parts that are accepted by themselves, and do not continue the chain.
fn true_by_themselves(recorder: &mut Recorder, grid: &Grid, other: &Grid, plain: &Run) {
    let in_chain = |at: usize, part: &SegmentFile| {
        let mut files = plain.files.clone();
        files[at] = part.clone();
        verify(&files, &plain.policy)
    };
    let mut attempt = |label: &str, at: usize, part: SegmentFile, expected: &'static str| {
        let label = format!("grid/{label}, part {at}");
        recorder.require(&format!("{label}/the part holds"), || {
            let verified = verify_segment(&part, &plain.policy);
            verified.map(|_| ()).map_err(|it| it.to_string())
        });
        let is_expected = |error: &ChainVerifyError| is_named(error, expected);
        recorder.refuse_as(&label, is_expected, || in_chain(at, &part));
    };
    for segment in 0..SEGMENTS {
        for group in 1..GROUPS {
            let at = segment * GROUPS + group;
            // The stream of another run, or one value of it one off.
            let own = grid.stream_in(segment, group);
            let mut off = own.clone();
            off[at % own.len()] += 1;
            for (name, stream) in [
                ("stream of another run", other.stream_in(segment, group)),
                ("a value of the stream", off),
            ] {
                let part = grid.part_on(segment, group, &stream);
                // What the last group makes of it may be other tokens.
                let is_same =
                    part.execution.choices == grid.parts[segment][group].execution.choices;
                if stream != own && is_same {
                    let file = grid.prove_as(&part, group, |_| {});
                    attempt(name, at, file, "StreamMismatch");
                }
            }
        }
        // The tokens of a middle part are what its statement says: nothing in it shows them.
        let part = &grid.parts[segment][1];
        for (name, parts, values) in other_tokens(grid, plain, segment) {
            let file = grid.prove_stated(part, 1, parts, values);
            attempt(name, segment * GROUPS + 1, file, "OtherSegment");
        }
    }
}

/// Statements and values of the middle part of a segment with other tokens than those of the segment.
fn other_tokens(
    grid: &Grid,
    plain: &Run,
    segment: usize,
) -> Vec<(&'static str, SegmentStatementParts, TokenValues)> {
    let file = &plain.files[segment * GROUPS + 1];
    let own = file.public_values().tokens().unwrap();
    let shape = grid.model.shape();
    let vocabulary = shape.vocabulary() as u32;
    let next = |token: TokenId| TokenId::new((token.get() + 1) % vocabulary);
    let mut out = vec![];
    let mut add = |name, consumed: Vec<TokenId>, chosen: Vec<TokenId>| {
        let values = TokenValues::new(shape, consumed.len(), consumed, chosen).unwrap();
        let mut parts = file.statement().parts();
        parts.public_values = PublicValues::from(values.clone()).digest();
        let ends = parts.tokens.as_mut().unwrap();
        ends.first = values.consumed()[0];
        ends.next = *values.chosen().last().unwrap();
        out.push((name, parts, values));
    };
    let (consumed, chosen) = (own.consumed().to_vec(), own.chosen().to_vec());
    let mut other = chosen.clone();
    let last = other.len() - 1;
    other[last] = next(other[last]);
    add("another choice", consumed.clone(), other);
    // Behind the prompt, a token and the choice that it is.
    if segment > 0 {
        let (mut consumed, mut chosen) = (consumed, chosen);
        consumed[last] = next(consumed[last]);
        chosen[last - 1] = consumed[last];
        add("another token", consumed, chosen);
    }
    out
}

/// Proofs in the name of another place, other streams, other weights; and weights of all groups joined otherwise.
fn in_anothers_name(recorder: &mut Recorder, grid: &Grid, runs: &[Run]) {
    let plain = &runs[0];
    let is_port = |error: &VerifyError| matches!(error, VerifyError::PortNotOpened { .. });
    for (at, file) in plain.files.iter().enumerate() {
        let (segment, group) = (at / GROUPS, at % GROUPS);
        let part = &grid.parts[segment][group];
        // The statement of each other part of as many ports.
        for (other, theirs) in plain.files.iter().enumerate() {
            if other == at {
                continue;
            }
            let label = format!("grid/proof {at} in the statement of {other}");
            recorder.refuse(&label, || {
                let named = restated(file, theirs.statement().clone());
                verify_segment(&named, &plain.policy).map(|_| ())
            });
        }
        // A proof that is made for the honest statement with the group fields of another segment or run.
        for (name, donor) in [("another segment", 0), ("another prompt", 1)] {
            let from = match donor {
                0 => (at + GROUPS) % PARTS,
                _ => at,
            };
            let theirs = runs[donor].files[from]
                .statement()
                .group()
                .copied()
                .unwrap();
            let own = file.statement().group().copied().unwrap();
            let changes: [(&str, Change); 2] = [
                ("in", |own, theirs| own.stream_in = theirs.stream_in),
                ("out", |own, theirs| own.stream_out = theirs.stream_out),
            ];
            for (which, change) in changes {
                let mut changed = own;
                change(&mut changed, &theirs);
                if changed == own {
                    continue;
                }
                let label = format!("grid/part {at} with the stream {which} of {name}");
                recorder.refuse_as(&label, is_port, || {
                    let named = grid.prove_as(part, group, |it| it.group = Some(changed));
                    verify_segment(&named, &plain.policy).map(|_| ())
                });
            }
        }
    }
    weights(recorder, grid, plain);
}

/// Parts that agree with each other and with a policy on weights that are not the ones that the terms name.
fn weights(recorder: &mut Recorder, grid: &Grid, plain: &Run) {
    let own: Vec<PortCommitment> = grid
        .provers
        .iter()
        .map(|prover| prover.model().unwrap().commitment())
        .collect();
    for (label, order) in [
        ("in another order", vec![1, 0, 2]),
        ("in reverse", vec![2, 1, 0]),
        ("one twice", vec![0, 1, 1]),
        ("one missing", vec![0, 1]),
        ("one more", vec![0, 1, 2, 2]),
        ("of one group", vec![1]),
    ] {
        let joined: Vec<_> = order.iter().map(|at: &usize| own[*at]).collect();
        let joined = PortCommitment::of_groups(&joined);
        let mut parts = plain.policy.parts();
        let decoder = parts.terms.decoder.as_mut().unwrap();
        decoder.weights = joined;
        let policy = AcceptancePolicy::new(parts).unwrap();
        let label = format!("grid/weights {label}");
        recorder.refuse(&format!("{label}/honest statements"), || {
            verify(&plain.files, &policy)
        });
        let is_weights = |error: &ChainVerifyError| {
            let ChainVerifyError::Join { source, .. } = error else {
                return false;
            };
            matches!(
                source,
                FoldError::Chain(ChainError::GroupWeights { segment: 0, .. })
            )
        };
        recorder.refuse_as(&label, is_weights, || {
            let files = (0..GROUPS).map(|group| {
                grid.prove_as(&grid.parts[0][group], group, |it| {
                    it.terms.decoder.as_mut().unwrap().weights = joined;
                })
            });
            verify(&files.collect::<Vec<_>>(), &policy)
        });
    }
}

/// Every field that a part's statement has beside those of a segment, changed under its valid proof.
pub fn fields(recorder: &mut Recorder) {
    let grid = plain();
    let run = grid.run("plain");
    for (at, file) in run.files.iter().enumerate().skip(GROUPS).take(GROUPS) {
        let own = *file.statement().group().unwrap();
        for (name, changed) in other_fields(own) {
            let label = format!("grid/part {at}/{name}");
            let mut parts = file.statement().parts();
            parts.group = changed;
            match SegmentStatement::new(parts) {
                Ok(statement) => recorder.refuse(&label, || {
                    verify_segment(&restated(file, statement), &run.policy).map(|_| ())
                }),
                Err(error) => recorder.refuse(&format!("{label}/no statement"), || Err(error)),
            }
        }
        // The statement does not hold any port but its own.
        let theirs = restated(&run.files[(at + 1) % GROUPS], file.statement().clone());
        recorder.refuse_as(
            &format!("grid/part {at}/another's proof"),
            |error| {
                !matches!(
                    error,
                    VerifyError::PortNotOpened {
                        port: Port::Pairs,
                        ..
                    }
                )
            },
            || verify_segment(&theirs, &run.policy).map(|_| ()),
        );
    }
}

fn other_fields(own: GroupFields) -> Vec<(String, Option<GroupFields>)> {
    let mut out = vec![("none".to_owned(), None)];
    for index in [0, 1, 2, 3, 7, u16::MAX] {
        if index != own.index {
            let changed = GroupFields { index, ..own };
            out.push((format!("index {index}"), Some(changed)));
        }
    }
    let flip = |commitment: PortCommitment, byte: usize, mask: u8| {
        let mut bytes = commitment.to_bytes();
        bytes[byte] ^= mask;
        PortCommitment::from_bytes(bytes)
    };
    let some = PortCommitment::from_bytes([3; 32]);
    for (byte, mask) in [(0, 1), (13, 0xff), (31, 0x80)] {
        let changed = GroupFields {
            weights: flip(own.weights, byte, mask),
            ..own
        };
        out.push((format!("weights, byte {byte}"), Some(changed)));
        for (which, stream) in [("in", own.stream_in), ("out", own.stream_out)] {
            let stream = Some(flip(stream.unwrap_or(some), byte, mask));
            let changed = match which {
                "in" => GroupFields {
                    stream_in: stream,
                    ..own
                },
                _ => GroupFields {
                    stream_out: stream,
                    ..own
                },
            };
            out.push((format!("stream {which}, byte {byte}"), Some(changed)));
        }
    }
    let exchanged = GroupFields {
        stream_in: own.stream_out,
        stream_out: own.stream_in,
        ..own
    };
    let weights = GroupFields {
        weights: own.stream_in.unwrap_or(some),
        ..own
    };
    let without = [
        GroupFields {
            stream_in: None,
            ..own
        },
        GroupFields {
            stream_out: None,
            ..own
        },
    ];
    out.push(("streams exchanged".to_owned(), Some(exchanged)));
    out.push(("weights are the stream in".to_owned(), Some(weights)));
    out.extend(without.map(|it| ("without a stream".to_owned(), Some(it))));
    out.retain(|(_, changed)| *changed != Some(own));
    out
}

/// Policies: circuits of two groups exchanged, those of a group missing or of one that there is not, and weights
/// that are joined in another order.
pub fn policies(recorder: &mut Recorder) {
    let grid = plain();
    let run = grid.run("plain");
    let parts = run.policy.parts();
    for first in 0..GROUPS as u16 {
        for second in first + 1..GROUPS as u16 {
            let mut changed = parts.clone();
            for circuit in &mut changed.circuits {
                circuit.group = match circuit.group {
                    group if group == first => second,
                    group if group == second => first,
                    group => group,
                };
            }
            let policy = AcceptancePolicy::new(changed).unwrap();
            for group in [first, second] {
                let label =
                    format!("grid/circuits of {first} and {second} exchanged, part {group}");
                let is_circuit = |error: &VerifyError| {
                    matches!(error, VerifyError::PreprocessedRootMismatch { .. })
                };
                recorder.refuse_as(&label, is_circuit, || {
                    verify_segment(&run.files[usize::from(group)], &policy).map(|_| ())
                });
            }
        }
        for (name, to) in [
            ("missing", None),
            ("of a group that there is not", Some(3)),
            ("of the last that there can be", Some(u16::MAX)),
        ] {
            let mut changed = parts.clone();
            match to {
                None => changed.circuits.retain(|circuit| circuit.group != first),
                Some(to) => {
                    let own = changed.circuits.iter_mut();
                    let own = own.filter(|circuit| circuit.group == first);
                    own.for_each(|circuit| circuit.group = to);
                }
            }
            let label = format!("grid/circuits of {first} {name}");
            match AcceptancePolicy::new(changed) {
                Ok(policy) => recorder.refuse(&label, || verify(&run.files, &policy)),
                Err(error) => recorder.refuse(&format!("{label}/no policy"), || Err(error)),
            }
        }
    }
    let mut first_state = parts;
    let mut bytes = first_state.first_state.to_bytes();
    bytes[7] ^= 1;
    first_state.first_state = PortCommitment::from_bytes(bytes);
    let policy = AcceptancePolicy::new(first_state).unwrap();
    let is_state = |error: &ChainVerifyError| is_named(error, "FirstState");
    recorder.refuse_as("grid/first state of all groups", is_state, || {
        verify(&run.files, &policy)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that are expected are those of the order alone.
    #[test]
    fn orders_have_their_reasons() {
        let whole: Vec<usize> = (0..PARTS).collect();
        assert_eq!(expected(&whole), None);
        assert_eq!(expected(&[]), Some("Empty"));
        assert_eq!(expected(&whole[..4]), Some("PartsMissing"));
        assert_eq!(expected(&whole[..6]), Some("Incomplete"));
        assert_eq!(expected(&[0, 2]), Some("GroupOrder"));
        assert_eq!(expected(&[3, 4]), Some("PartsMissing"));
        assert_eq!(expected(&[3, 4, 5]), Some("FirstState"));
        assert_eq!(expected(&[0, 4]), Some("OtherSegment"));
        assert_eq!(expected(&[0, 1, 2, 6]), Some("PositionGap"));
        assert_eq!(expected(&[0, 1, 2, 0]), Some("PositionOverlap"));
    }
}
