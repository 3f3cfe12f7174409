//! Where an answer ends: chains that go on behind an end token or are cut off before it, end tokens of another
//! list, of the prompt, or in the surplus, and limits that are not the policy's. Every attack has an honest twin.
use matchmark_composer::ChainVerifyError;
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, Answer, ChainError, EndTokens, FinishReason,
    PolicyError, PolicyMismatch, PreprocessedRoot, SegmentStatement, ShorterChain, TokenEnds,
    TokenId, TokenValues,
};
use matchmark_verifier::chain::FoldError;
use matchmark_verifier::{verify_segment, ChainFold, KeyError, ModelKey, SegmentFile, Stop};

use crate::decoder::cases::{uneven, DecoderSpec};
use crate::functions;
use crate::report::Recorder;
use crate::runs::{greedy, judge, verify, Run};

pub fn run(recorder: &mut Recorder) {
    let chains = chains();
    let other = of_segments(4, 7);
    for chain in &chains {
        let of = format!("ends/{} segments", chain.files.len());
        stops(recorder, &of, chain);
        lists(recorder, &of, chain);
        limits(recorder, &of, chain, &other);
        answer_limits(recorder, &of, chain);
    }
    surplus(recorder, &chains[1]);
    mixed(recorder, &chains[0]);
    shorter(recorder, &chains[1]);
    keys(recorder);
}

/// Chains of eight steps, in segments of one, of four, and of three with a shorter last one.
fn chains() -> [Run; 3] {
    [1, 4, 3].map(|steps| of_segments(steps, 8))
}

/// A chain behind two given tokens, in segments of so many steps; the last may be shorter. By this seed tokens of
/// many kinds are generated, and neither the given ones nor what is chosen in their place.
fn of_segments(segment_steps: u32, capacity: u32) -> Run {
    let spec = DecoderSpec {
        capacity,
        segment_steps,
        entries_before: 0,
        steps: segment_steps,
        seed: 21,
        ..uneven()
    };
    greedy("in segments", &spec, spec.chain(2), &[0, 5])
}

/// What a chain chooses in the place of each of its tokens from position 1 on, with whether that is taken.
fn chosen(run: &Run) -> Vec<(TokenId, bool)> {
    let given = run.policy.prompt().len();
    let tokens = run
        .files
        .iter()
        .filter_map(|it| it.public_values().tokens());
    let tokens = tokens.flat_map(|it| it.chosen().to_vec());
    let positions = 1..;
    tokens
        .zip(positions)
        .map(|(token, position)| (token, position >= given))
        .collect()
}

fn generated(run: &Run) -> Vec<TokenId> {
    let chosen = chosen(run).into_iter().filter(|(_, taken)| *taken);
    chosen.map(|(token, _)| token).collect()
}

/// The policy of a chain with other end tokens.
fn ending(policy: &AcceptancePolicy, tokens: &[TokenId]) -> AcceptancePolicy {
    let mut parts = AcceptancePolicyParts {
        end_tokens: EndTokens::new(tokens.iter().copied()).unwrap(),
        ..policy.parts()
    };
    if tokens.is_empty() {
        // Nothing could end them.
        parts.shorter.clear();
    }
    AcceptancePolicy::new(parts).unwrap()
}

/// The segment, by its index, that generates the token at this index.
fn segment_of(run: &Run, generated: usize) -> usize {
    let position = run.policy.prompt().len() + generated;
    let holds = |file: &SegmentFile| position <= file.statement().steps().entries_after();
    run.files.iter().position(holds).unwrap()
}

/// That a chain is accepted, and its answer is this one.
fn accepted(
    recorder: &mut Recorder,
    label: &str,
    files: &[SegmentFile],
    policy: &AcceptancePolicy,
    expected: (FinishReason, usize),
) {
    recorder.require(label, || match judge(files, policy) {
        Ok(chain) => {
            let of = |answer: Answer| (answer.finish_reason(), answer.tokens());
            let got = chain.answer().map(of);
            if got == Some(expected) {
                Ok(())
            } else {
                Err(format!("expected {expected:?}, got {got:?}"))
            }
        }
        Err(error) => Err(error.to_string()),
    });
}

fn past_end(error: &ChainVerifyError) -> bool {
    let ChainVerifyError::Join { source, .. } = error else {
        return false;
    };
    matches!(source, FoldError::PastEnd { .. })
}

fn ends_early(error: &ChainVerifyError) -> bool {
    let ChainVerifyError::Chain { source, .. } = error else {
        return false;
    };
    matches!(
        source,
        FoldError::Policy(PolicyMismatch::EndsEarly { .. }) | FoldError::Chain(ChainError::Empty)
    )
}

/// Each generated token as the one that ends the answer: with the segment that has the first of them, the chain
/// is whole, and neither with a segment more nor with one less.
fn stops(recorder: &mut Recorder, of: &str, run: &Run) {
    let tokens = generated(run);
    let all = run.files.len();
    accepted(
        recorder,
        &format!("{of}/no end token"),
        &run.files,
        &run.policy,
        (FinishReason::Length, tokens.len()),
    );
    for (at, token) in tokens.iter().enumerate() {
        let first = tokens.iter().position(|it| it == token).unwrap();
        let policy = ending(&run.policy, &[*token]);
        let whole = segment_of(run, first) + 1;
        let label = format!("{of}/token {at} ends it");
        let stop = (FinishReason::Stop, first + 1);
        accepted(recorder, &label, &run.files[..whole], &policy, stop);
        for more in whole + 1..=all {
            let label = format!("{label}/goes on for {}", more - whole);
            recorder.refuse_as(&label, past_end, || verify(&run.files[..more], &policy));
        }
        for fewer in 0..whole {
            let label = format!("{label}/cut off after {fewer}");
            recorder.refuse_as(&label, ends_early, || verify(&run.files[..fewer], &policy));
        }
        // Behind the end, what is skipped is not missed either.
        for skipped in whole..all {
            let files = run.files[..whole].iter().chain(&run.files[skipped..]);
            let label = format!("{label}/goes on with {skipped}");
            recorder.refuse_as(&label, past_end, || verify(files, &policy));
        }
    }
}

/// Lists that the chain has nothing of, or nothing that was generated: it has all of its steps or is refused.
fn lists(recorder: &mut Recorder, of: &str, run: &Run) {
    let taken = generated(run);
    let vocabulary = run.policy.terms().decoder.unwrap().shape.vocabulary();
    let absent = (0..vocabulary as u32).map(TokenId::new);
    let absent = absent.filter(|it| !taken.contains(it));
    let mut lists = vec![("absent tokens", absent.collect::<Vec<_>>())];
    // Both are absent from what is generated, or else they end it as any other does.
    let of_prompt = run.policy.prompt().iter().copied();
    lists.push(("tokens of the prompt", of_prompt.collect()));
    let in_its_place = chosen(run).into_iter().filter(|(_, taken)| !taken);
    let in_its_place = in_its_place.map(|(token, _)| token).collect();
    lists.push(("choices in the place of the prompt", in_its_place));
    for (what, mut tokens) in lists {
        tokens.retain(|it| !taken.contains(it));
        let policy = ending(&run.policy, &tokens);
        let label = format!("{of}/{what}");
        let length = (FinishReason::Length, taken.len());
        accepted(recorder, &label, &run.files, &policy, length);
        for fewer in 0..run.files.len() {
            let label = format!("{label}/cut off after {fewer}");
            recorder.refuse(&label, || verify(&run.files[..fewer], &policy));
        }
    }
    // A prompt full of end tokens, as that of a conversation is: only the one that is generated counts.
    let at = taken.len() / 2;
    let list = [run.policy.prompt(), &taken[at..=at]].concat();
    let first = taken.iter().position(|it| *it == taken[at]).unwrap();
    let whole = segment_of(run, first) + 1;
    let policy = ending(&run.policy, &list);
    let label = format!("{of}/end tokens in the prompt");
    let stop = (FinishReason::Stop, first + 1);
    accepted(recorder, &label, &run.files[..whole], &policy, stop);
    for fewer in 0..whole {
        let label = format!("{label}/cut off after {fewer}");
        recorder.refuse_as(&label, ends_early, || verify(&run.files[..fewer], &policy));
    }
    // A chain that one list ends, judged by another or by none.
    for (at, token) in taken.iter().enumerate() {
        let whole = segment_of(run, at) + 1;
        let others: Vec<TokenId> = taken[at + 1..]
            .iter()
            .copied()
            .filter(|it| !taken[..=at].contains(it))
            .collect();
        for (name, list) in [("none", vec![]), ("later tokens", others)] {
            if whole == run.files.len() || taken[..at].contains(token) {
                continue;
            }
            let policy = ending(&run.policy, &list);
            // A later token of the same segment ends the chain with that segment, too.
            let last = run.files[whole - 1].statement().steps().entries_after();
            let known = last + 1 - run.policy.prompt().len();
            if list.iter().any(|it| taken[..known].contains(it)) {
                continue;
            }
            let label = format!("{of}/ends with token {at}, judged by {name}");
            recorder.refuse(&label, || verify(&run.files[..whole], &policy));
        }
    }
}

/// A chain with another limit, whole by its own policy, against a policy with this one's.
fn limits(recorder: &mut Recorder, of: &str, run: &Run, other: &Run) {
    let tokens = generated(run);
    let last = *tokens.last().unwrap();
    for policy in [run.policy.clone(), ending(&run.policy, &[last])] {
        let label = format!(
            "{of}/another limit, {} end tokens",
            policy.end_tokens().as_slice().len()
        );
        recorder.refuse(&label, || verify(&other.files, &policy));
    }
    // The other way around, and with the limit alone changed in the policy.
    recorder.refuse(&format!("{of}/limit of another"), || {
        verify(&run.files, &other.policy)
    });
    let steps = run.policy.steps().steps() as u32;
    for steps in [steps - 1, 1] {
        let mut parts = run.policy.parts();
        parts.steps = matchmark_quant::StepRange::new(0, steps).unwrap();
        parts.answer_tokens = parts.generated_tokens();
        let policy = AcceptancePolicy::new(parts).unwrap();
        let label = format!("{of}/limit of {steps} steps");
        recorder.refuse(&label, || verify(&run.files, &policy));
    }
}

/// Every limit of the answer's tokens: in the last segment the chain is whole with it, and an end token counts up to it
/// and not behind; a limit that a segment less would reach, or no step, is in no policy.
fn answer_limits(recorder: &mut Recorder, of: &str, run: &Run) {
    let tokens = generated(run);
    let with = |policy: &AcceptancePolicy, limit: usize| {
        let answer_tokens = u32::try_from(limit).unwrap();
        AcceptancePolicy::new(AcceptancePolicyParts {
            answer_tokens,
            ..policy.parts()
        })
    };
    for limit in 0..=tokens.len() + 1 {
        let label = format!("{of}/at most {limit} tokens");
        let in_last = (1..=tokens.len()).contains(&limit)
            && segment_of(run, limit - 1) + 1 == run.files.len();
        if !in_last {
            recorder.refuse_as(
                &label,
                |error| matches!(error, PolicyError::AnswerTokens { .. }),
                || with(&run.policy, limit).map(|_| ()),
            );
            continue;
        }
        let whole = with(&run.policy, limit).unwrap();
        accepted(
            recorder,
            &label,
            &run.files,
            &whole,
            (FinishReason::Length, limit),
        );
        for fewer in 0..run.files.len() {
            let label = format!("{label}/cut off after {fewer}");
            recorder.refuse(&label, || verify(&run.files[..fewer], &whole));
        }
        for (at, token) in tokens.iter().enumerate() {
            let first = tokens.iter().position(|it| it == token).unwrap();
            // Those of segments before the last end the chain there, whatever the limit.
            if segment_of(run, first) + 1 < run.files.len() {
                continue;
            }
            let policy = with(&ending(&run.policy, &[*token]), limit).unwrap();
            let expected = match first < limit {
                true => (FinishReason::Stop, first + 1),
                false => (FinishReason::Length, limit),
            };
            let label = format!("{label}/token {at} ends it");
            accepted(recorder, &label, &run.files, &policy, expected);
        }
    }
}

/// What is decoded behind the end is proven as well: none of it can be exchanged, moved or hidden.
fn surplus(recorder: &mut Recorder, run: &Run) {
    let tokens = generated(run);
    let policy = ending(&run.policy, &tokens[..1]);
    let files = &run.files[..1];
    accepted(
        recorder,
        "ends/surplus",
        files,
        &policy,
        (FinishReason::Stop, 1),
    );
    let file = &files[0];
    let values = file.public_values().tokens().unwrap();
    let decoder = policy.terms().decoder.unwrap();
    let steps = values.steps();
    for step in 0..steps {
        for token in (0..decoder.shape.vocabulary() as u32).map(TokenId::new) {
            let mut chosen = values.chosen().to_vec();
            if chosen[step] == token {
                continue;
            }
            chosen[step] = token;
            // The next step consumes it, as far as it is not given.
            let mut consumed = values.consumed().to_vec();
            if step + 1 < steps && !decoder.prompt.gives(step + 1) {
                consumed[step + 1] = token;
            }
            let label = format!("ends/surplus/step {step} chooses {token}");
            let values = TokenValues::new(&decoder.shape, steps, consumed, chosen).unwrap();
            // The values alone, and with a statement that says the same.
            let statement = file.statement().clone();
            let renamed = SegmentFile::new(statement, values.clone().into(), file.proof().to_vec());
            recorder.refuse(&label, || verify([&renamed], &policy));
            let mut parts = file.statement().parts();
            parts.public_values = values.digest();
            parts.tokens = Some(TokenEnds {
                first: values.consumed()[0],
                next: values.chosen()[steps - 1],
            });
            let statement = SegmentStatement::new(parts).unwrap();
            let stated = SegmentFile::new(statement, values.into(), file.proof().to_vec());
            recorder.refuse(&format!("{label}, stated"), || verify([&stated], &policy));
        }
    }
}

/// What a policy lists of a shorter chain that this run is of.
fn entry(run: &Run) -> ShorterChain {
    let parts = run.policy.parts();
    ShorterChain {
        steps: parts.steps.steps() as u32,
        relation_digest: parts.terms.relation_digest,
        weights: parts.terms.decoder.unwrap().weights,
        first_state: parts.first_state,
        circuits: parts.circuits,
    }
}

/// The policy of a chain that lists these shorter ones, too.
fn listing(policy: &AcceptancePolicy, shorter: &[&Run]) -> AcceptancePolicy {
    let parts = AcceptancePolicyParts {
        shorter: shorter.iter().map(|it| entry(it)).collect(),
        ..policy.parts()
    };
    AcceptancePolicy::new(parts).unwrap()
}

/// A change of an entry, with another one at hand.
type EntryChange = fn(&mut ShorterChain, &ShorterChain);
/// A change of a policy.
type PolicyChange = fn(&mut AcceptancePolicyParts);

fn no_end_token(error: &ChainVerifyError) -> bool {
    let ChainVerifyError::Join { source, .. } = error else {
        return false;
    };
    matches!(source, FoldError::Policy(PolicyMismatch::NoEndToken { .. }))
}

/// Each generated token as the one that ends the answer, in chains of every shorter length: those that hold the end are
/// accepted up to it, and the others refused; so are shapes that are not listed, mixed, or listed with what is another
/// one's.
fn shorter(recorder: &mut Recorder, whole: &Run) {
    let tokens = generated(whole);
    let given = whole.policy.prompt().len();
    let most = whole.policy.steps().steps() as u32;
    let runs: Vec<Run> = (given as u32..most)
        .map(|steps| of_segments(steps.min(4), steps))
        .collect();
    let all: Vec<&Run> = runs.iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let first = tokens.iter().position(|it| it == token).unwrap();
        let ended = ending(&whole.policy, &[*token]);
        let policy = listing(&ended, &all);
        let stop = (FinishReason::Stop, first + 1);
        let label = format!("ends/shorter/token {at} ends it");
        let files = &whole.files[..=segment_of(whole, first)];
        accepted(recorder, &label, files, &policy, stop);
        for (index, run) in runs.iter().enumerate() {
            let steps = run.policy.steps().steps();
            let label = format!("{label}/{steps} steps");
            if given + first > steps {
                recorder.refuse_as(&label, no_end_token, || verify(&run.files, &policy));
                for fewer in 0..run.files.len() {
                    let label = format!("{label}/cut off after {fewer}");
                    recorder.refuse_as(&label, ends_early, || verify(&run.files[..fewer], &policy));
                }
                continue;
            }
            let end = segment_of(run, first) + 1;
            accepted(recorder, &label, &run.files[..end], &policy, stop);
            for more in end + 1..=run.files.len() {
                let label = format!("{label}/goes on for {}", more - end);
                recorder.refuse_as(&label, past_end, || verify(&run.files[..more], &policy));
            }
            // The same chain where it is not listed, alone or at all, and under what is said of another.
            let mut others = all.clone();
            others.remove(index);
            for (what, policy) in [
                ("others", listing(&ended, &others)),
                ("none", ended.clone()),
            ] {
                let label = format!("{label}/by a policy that lists {what}");
                recorder.refuse(&label, || verify(&run.files[..end], &policy));
            }
            let other = entry(all[(index + 1) % all.len()]);
            let changes: [(&str, EntryChange); 2] = [
                ("first state", |it, other| {
                    it.first_state = other.first_state
                }),
                ("circuits", |it, _| {
                    it.circuits[0].preprocessed_root = PreprocessedRoot::from_bytes([1; 32]);
                    it.circuits.truncate(1);
                }),
            ];
            for (what, change) in changes {
                let mut parts = policy.parts();
                change(&mut parts.shorter[index], &other);
                let policy = AcceptancePolicy::new(parts).unwrap();
                let label = format!("{label}/{what} of another");
                recorder.refuse(&label, || verify(&run.files[..end], &policy));
            }
        }
    }
    // Segments of two shapes, whichever token ends the answer.
    let last = ending(&whole.policy, &tokens[tokens.len() - 2..]);
    let policy = listing(&last, &all);
    let every: Vec<&Run> = all.iter().copied().chain([whole]).collect();
    for (one, first) in every.iter().enumerate() {
        for (other, rest) in every.iter().enumerate() {
            if one == other
                || first.files[0].statement().steps().steps() != 4
                || rest.files.len() < 2
            {
                continue;
            }
            let label = format!("ends/shorter/shapes {one} and {other}");
            recorder.refuse(&label, || {
                verify(first.files[..1].iter().chain(&rest.files[1..]), &policy)
            });
        }
    }
    // Entries that are no shorter chains.
    let policy = listing(&ending(&whole.policy, &tokens[..1]), &all);
    let changes: [(&str, PolicyChange); 5] = [
        ("no end token", |it| it.end_tokens = EndTokens::NONE),
        ("twice", |it| it.shorter.push(it.shorter[0].clone())),
        ("as long as the whole", |it| {
            it.shorter[0].steps = it.steps.steps() as u32
        }),
        ("no generated token", |it| {
            it.shorter[0].steps = it.prompt.len() as u32 - 1
        }),
        ("no circuit", |it| it.shorter[0].circuits.clear()),
    ];
    for (what, change) in changes {
        let label = format!("ends/shorter/{what}");
        recorder.refuse(&label, || {
            let mut parts = policy.parts();
            change(&mut parts);
            AcceptancePolicy::new(parts).map(|_| ())
        });
    }
}

/// Segments that were verified under a policy with another list do not join a chain of this one.
fn mixed(recorder: &mut Recorder, run: &Run) {
    let tokens = generated(run);
    let policies = [run.policy.clone(), ending(&run.policy, &tokens[2..3])];
    for (of, policy) in policies.iter().enumerate() {
        for (by, other) in policies.iter().enumerate().filter(|(by, _)| *by != of) {
            for at in 0..run.files.len() {
                let mut fold = ChainFold::new(policy.clone());
                for file in &run.files[..at] {
                    let segment = verify_segment(file, policy).unwrap();
                    // Behind the end there is nothing to mix.
                    if fold.push(&segment).is_err() {
                        return;
                    }
                }
                let label = format!("ends/segment {at} by policy {by} in a chain of {of}");
                recorder.refuse_as(
                    &label,
                    |error| matches!(error, FoldError::OtherPolicy { .. }),
                    || {
                        fold.push(&verify_segment(&run.files[at], other).unwrap())
                            .map(|_| ())
                    },
                );
            }
        }
    }
}

/// A key lists the end tokens: a policy with others is not the key's, unless its owner says so, and a key with
/// others is not the model's.
fn keys(recorder: &mut Recorder) {
    let (key, options) = (functions::key(), functions::options());
    let policy = key.policy(&functions::prompt(), &options).unwrap();
    recorder.require("ends/key", || {
        key.check_policy(&policy).map_err(|it| it.to_string())
    });
    let own = key.end_tokens().as_slice();
    let lists = [
        vec![],
        vec![TokenId::new(0)],
        [own, &[TokenId::new(9)]].concat(),
    ];
    for list in lists {
        let other = ending(&policy, &list);
        let label = format!("ends/key/policy ends with {}", other.end_tokens());
        recorder.refuse_as(
            &label,
            |error| {
                matches!(
                    error,
                    KeyError::OtherPolicy {
                        field: "end_tokens",
                        ..
                    }
                )
            },
            || key.check_policy(&other),
        );
        recorder.require(&format!("{label}, which its owner says"), || {
            let stop = Stop::Tokens(other.end_tokens().clone());
            key.check_policy_stopping(&other, &stop)
                .map_err(|it| it.to_string())
        });
        let mut parts = key.parts().clone();
        parts.end_tokens = other.end_tokens().clone();
        let forged = ModelKey::new(parts).unwrap();
        recorder.require(&format!("{label}/key"), || {
            match key.first_difference(&forged).map(|it| it.field) {
                Some("end tokens") => Ok(()),
                got => Err(format!("expected the end tokens to differ, got {got:?}")),
            }
        });
    }
    let text = policy.to_toml();
    let line = text
        .lines()
        .find(|it| it.starts_with("end_tokens"))
        .unwrap();
    for edited in [
        "",
        "end_tokens = [1, 1]",
        "end_tokens = [4294967295]",
        "end_token = [1]",
    ] {
        recorder.refuse(&format!("ends/policy file/{edited:?}"), || {
            AcceptancePolicy::from_toml(&text.replacen(line, edited, 1)).map(|_| ())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else attempts would be about ends that are all alike, or about none.
    #[test]
    fn answers_end_within_segments_and_between_them() {
        for run in chains() {
            let tokens = generated(&run);
            let given = run.policy.prompt();
            let [in_its_place, ..] = chosen(&run)[..] else {
                panic!("a chain chooses something");
            };
            let absent = |token: &TokenId| !tokens.contains(token);
            assert!(given.iter().all(absent) && !in_its_place.1 && absent(&in_its_place.0));
            let mut firsts = tokens.clone();
            firsts.sort_unstable();
            firsts.dedup();
            assert!(firsts.len() >= 5, "{tokens:?}");
        }
    }

    /// It is the rule that refuses, and nothing else: without it the same chains are accepted.
    #[test]
    fn without_the_rule_chains_go_on_and_with_another_limit_they_are_cut_off() {
        let run = of_segments(4, 8);
        let token = generated(&run)[0];
        let policy = ending(&run.policy, &[token]);
        assert!(past_end(&verify(&run.files, &policy).unwrap_err()));
        assert!(verify(&run.files, &ending(&run.policy, &[])).is_ok());
        let never = ending(&run.policy, &[run.policy.prompt()[0]]);
        assert!(ends_early(&verify(&run.files[..1], &never).unwrap_err()));
        let mut parts = never.parts();
        parts.steps = matchmark_quant::StepRange::new(0, 4).unwrap();
        parts.answer_tokens = parts.generated_tokens();
        let shorter = AcceptancePolicy::new(parts).unwrap();
        assert!(verify(&run.files[..1], &shorter).is_ok());
    }
}
