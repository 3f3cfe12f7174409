//! Decoders: changed cells, the known forgeries as full proofs, and what a file says beside its proof.
use std::sync::Arc;

use matchmark_air::trees::Tree;
use matchmark_air::witness::SegmentTokens;
use matchmark_graph::ModelShape;
use matchmark_prover::ProveError;
use matchmark_quant::{HiddenSize, Layers, MlpSize, VocabularySize};
use matchmark_statement::{
    ChainAccumulator, ChainError, FormError, Port, PublicValues, SegmentStatement, TokenError,
    TokenId, TokenValues,
};
use matchmark_verifier::{verify_segment, SegmentProof, VerifyError};
use num_traits::{One, Zero};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;

use crate::attempt::{Attempt, Expect};
use crate::cases::Case;
use crate::checker::{names, Drop};
use crate::claim::claim_is_true;

use crate::decoder::cases::{all, DecoderSpec};
use crate::decoder::cells;
use crate::decoder::choices::{choice, Choosing, NOWHERE};
use crate::decoder::forgeries::{
    self, forgeries, forgeries_of_digits, forgeries_of_groups, Forgery,
};
use crate::forge::{Forge, Forged};
use crate::model_runs::HonestRun;
use crate::proving::NoValues;
use crate::reduced::{prove, stated_file, verify, verify_as_stated, Claimed, Setup};
use crate::report::Recorder;
use crate::stated::{Item, What};
use crate::world::tree_of;

/// Seeds that a forgery may try before it counts as impossible.
const SEEDS: u64 = 400;

pub fn run(recorder: &mut Recorder) {
    cells::run(recorder);
    let specs = recorder.amount(1, all().len());
    let every = recorder.amount(3, 1);
    for (place, spec) in all().iter().enumerate() {
        let case = spec.case();
        let setup = Setup::new(&case);
        if place >= specs {
            // Of the other cases, what the first one does not have.
            let digits = forgeries_of_digits(&case).into_iter();
            let own = digits.chain(forgeries_of_groups(&case));
            for (index, forgery) in own.enumerate() {
                forge(recorder, &setup, &forgery, index % every == 0);
            }
            half_goes_in(recorder, &setup);
            continue;
        }
        beside_the_proof(recorder, &setup);
        half_goes_in(recorder, &setup);
        let layers = case.expect_decoder().1.layers();
        if layers.is_last() {
            beyond_the_vocabulary(recorder, &setup);
        }
        if layers.is_last() && layers.is_first() {
            tokens_that_were_not_chosen(recorder, spec);
        }
        for (index, forgery) in forgeries(&case).iter().enumerate() {
            forge(recorder, &setup, forgery, index % every == 0);
        }
    }
}

/// One attempt of every forgery, and cells: one in so many.
pub(super) fn of_case(
    case: &Arc<Case>,
    seed: u64,
    every: usize,
) -> impl Iterator<Item = Attempt> + '_ {
    let forgeries = forgeries(case).into_iter();
    let forged = forgeries.filter_map(|forgery| mount(case, &forgery).ok());
    let cells = cells::attempts(case, seed, every, usize::MAX);
    forged.chain(cells.map(|(attempt, _)| attempt))
}

/// A forged witness of a false claim, refused by the constraints by name, and as a proof if it is to be
/// `proven`.
fn forge(recorder: &mut Recorder, setup: &Setup, forgery: &Forgery, proven: bool) {
    let case = &setup.case;
    let label = format!("{}/{}", case.name, forgery.name);
    let mut mounted = None;
    recorder.require(&format!("{label}/constraints"), || {
        match mounted.insert(mount(case, forgery)) {
            Ok(attempt) => attempt.check(),
            Err(error) => Err(error.clone()),
        }
    });
    // Without a witness there is nothing to prove, as the attempt before this one says.
    if !proven || matches!(mounted, Some(Err(_))) {
        return;
    }
    recorder.refuse(&format!("{label}/proof"), || {
        let attempt = mounted.unwrap_or_else(|| mount(case, forgery));
        outcome(setup, &attempt.unwrap().forged)
    });
}

fn mount(case: &Arc<Case>, forgery: &Forgery) -> Result<Attempt, String> {
    let forges = (0..SEEDS).filter_map(|seed| (forgery.attack)(case, seed));
    let mut are_false = forges.filter(|forge| !claim_is_true(case, &forge.witness));
    let forge = are_false.next().ok_or("no seed is suitable")?;
    Ok(Attempt {
        label: format!("{}/{}", case.name, forgery.name),
        forged: forge.finish(&Drop::Nothing),
        expect: Expect::Named(forgery.reason),
        follows: true,
    })
}

/// Why a claim was not accepted.
#[derive(Debug)]
#[allow(dead_code, reason = "printed")]
enum Refusal {
    NoValues(NoValues),
    Unproven(ProveError),
    Refused(VerifyError),
}

/// Proves whatever was forged, and sends it to the verifier of the project.
fn outcome(setup: &Setup, forged: &Forged) -> Result<(), Refusal> {
    let claimed = Claimed::of(setup, forged);
    let proofs = prove(&claimed, &Drop::Nothing).map_err(Refusal::Unproven)?;
    match &claimed.values {
        Ok(values) => verify_as_stated(&claimed, values, &proofs).map_err(Refusal::Refused),
        // No file holds the claim.
        Err(error) => Err(Refusal::NoValues(error.clone())),
    }
}

/// A token that the vocabulary does not have, in public values that were made for a larger vocabulary and
/// that the statement names: no file says that, but a caller that holds both in memory can. The statement
/// refuses them; so does the relation, whatever the statement is compared with.
fn beyond_the_vocabulary(recorder: &mut Recorder, setup: &Setup) {
    let case = &setup.case;
    let label = format!("{}/values for a larger vocabulary", case.name);
    let (_, decoder) = case.expect_decoder();
    let attack = choice(Choosing::Nowhere, false);
    let forged = (0..SEEDS).find_map(|seed| attack(case, seed));
    let forged = forged
        .expect("a step before the last")
        .finish(&Drop::Nothing);
    let shape = decoder.shape();
    let larger = ModelShape::new(
        Layers::new(shape.layers() as u32).unwrap(),
        HiddenSize::new(shape.hidden() as u32).unwrap(),
        shape.attention(),
        MlpSize::new(shape.mlp() as u32).unwrap(),
        VocabularySize::new(1 << 12).unwrap(),
        shape.capacity(),
    );
    let larger = larger.unwrap().with_attention_bias(shape.attention_bias());
    let tokens = forged.witness.tokens.as_ref().unwrap();
    let [consumed, chosen] = [&tokens.consumed, &tokens.chosen]
        .map(|tokens| tokens.iter().map(|token| TokenId::new(*token)).collect());
    let values = TokenValues::new(&larger, decoder.steps(), consumed, chosen);
    let values = PublicValues::from(values.unwrap());
    let mut claimed = Claimed::of(setup, &forged);
    let mut parts = claimed.statement.parts();
    parts.public_values = values.digest();
    claimed.statement = SegmentStatement::new(parts).unwrap();
    claimed.values = Ok(values.clone());
    // By a prover that leaves out what refuses it.
    let drop = Item {
        component: "argmax".to_owned(),
        what: What::Constraint,
        name: NOWHERE.to_owned(),
        ordinal: 0,
    };
    let drop = drop.drop(&names(case)).expect("a constraint of the list");
    let proofs = prove(&claimed, &drop).unwrap();
    let policy = claimed.policy(&values);
    let is_other_form =
        |error: &VerifyError| matches!(error, VerifyError::Form(FormError::Vocabulary { .. }));
    recorder.refuse_as(&format!("{label}/statement"), is_other_form, || {
        let file = stated_file(&claimed, &values, &proofs);
        verify_segment(&file, &policy).map(|_| ())
    });
    recorder.require(&format!("{label}/without the constraint"), || {
        verify(&claimed, &drop, &proofs).map_err(|error| error.to_string())
    });
    let is_unsatisfied = |error: &VerifyError| *error == VerifyError::ConstraintsNotSatisfied;
    recorder.refuse_as(&format!("{label}/relation"), is_unsatisfied, || {
        verify(&claimed, &Drop::Nothing, &proofs)
    });
}

/// The computation is honest; the file says something else, or the model is another one.
fn beside_the_proof(recorder: &mut Recorder, setup: &Setup) {
    let case = &setup.case;
    let label = |what: &str| format!("{}/{what}", case.name);
    let honest = Forge::honest(case, 1).finish(&Drop::Nothing);
    let claimed = Claimed::of(setup, &honest);
    let proofs = prove(&claimed, &Drop::Nothing).unwrap();
    let values = claimed.values.as_ref().unwrap();
    recorder.require(&label("the honest segment is accepted"), || {
        verify_as_stated(&claimed, values, &proofs).map_err(|error| error.to_string())
    });
    let PublicValues::Tokens(tokens) = values else {
        unreachable!("a decoder's values are tokens");
    };
    let vocabulary = case.expect_decoder().1.shape().vocabulary() as u32;
    let layers = case.expect_decoder().1.layers();
    let shows = [layers.is_first(), layers.is_last()];
    for which in 0..2 {
        for step in 0..case.steps.steps() {
            let mut changed = [tokens.consumed().to_vec(), tokens.chosen().to_vec()];
            let token = &mut changed[which][step];
            *token = TokenId::new((token.get() + 1) % vocabulary);
            let kind = ["consumed", "chosen"][which];
            let [consumed, chosen] = changed;
            let shape = case.expect_decoder().1.shape();
            let other =
                TokenValues::new(shape, case.steps.steps(), consumed.clone(), chosen.clone());
            let other = PublicValues::from(other.unwrap());
            recorder.refuse(&label(&format!("{kind} token {step} changed")), || {
                verify_as_stated(&claimed, &other, &proofs)
            });
            // The statement follows, and the proof is made for it.
            let mut forged = honest.clone();
            forged.witness.tokens = Some(SegmentTokens {
                consumed: consumed.iter().map(|token| token.get()).collect(),
                chosen: chosen.iter().map(|token| token.get()).collect(),
            });
            forged.keep_rlcs_of(&honest);
            let stated = label(&format!("{kind} token {step} stated"));
            match shows[which] {
                true => recorder.refuse(&stated, || outcome(setup, &forged)),
                // Another group's part shows them, and the chain compares: see the class `chains`.
                false => recorder.require(&format!("{stated} where it is not shown"), || {
                    outcome(setup, &forged).map_err(|refusal| format!("{refusal:?}"))
                }),
            }
        }
    }
    if shows == [false; 2] {
        return;
    }
    let mut sums = SegmentProof::decode(&proofs[0], &setup.structures[0]).unwrap();
    let total = sums.claimed_sums.iter();
    let total = total.fold(QM31::zero(), |total, sum| total + *sum);
    sums.claimed_sums[0] -= total;
    let mut proofs = proofs;
    proofs[0] = sums.encode(&setup.structures[0]).unwrap();
    recorder.refuse(&label("sums cancel without the public terms"), || {
        verify_as_stated(&claimed, values, &proofs)
    });
    if layers.is_first() {
        other_weight(recorder, setup, &honest);
    }
}

/// A stream in with a half in it. The part holds by itself, as nothing in it holds its port to integers; but no part
/// gives such a stream out, so that it joins none: of the stream that the honest run takes in, and that the part
/// before it gives out, the commitment is another.
fn half_goes_in(recorder: &mut Recorder, setup: &Setup) {
    let case = &setup.case;
    if !case.layout.streams().goes_in {
        return;
    }
    let honest = Forge::honest(case, 1).finish(&Drop::Nothing);
    let forged = forgeries::half_goes_in(case, 1).finish(&Drop::Nothing);
    let label = |what: &str| format!("{}/a half goes in/{what}", case.name);
    recorder.require(&label("the part holds"), || {
        outcome(setup, &forged).map_err(|refusal| format!("{refusal:?}"))
    });
    let [own, other] = [&honest, &forged].map(|it| Claimed::of(setup, it).statement);
    let is_not_joined = |error: &ChainError| matches!(error, ChainError::StreamMismatch { .. });
    recorder.refuse_as(&label("it joins no part"), is_not_joined, || {
        let mut chain = ChainAccumulator::new();
        for index in 0..other.group_index() {
            // The parts before it, with the honest stream between the last of them and this one.
            let mut parts = own.parts();
            let fields = parts.group.as_mut().unwrap();
            let joint = fields.stream_in;
            fields.index = index;
            fields.stream_in = joint.filter(|_| index > 0);
            fields.stream_out = joint;
            chain.push(&SegmentStatement::new(parts).unwrap())?;
        }
        chain.push(&other).map(|_| ())
    });
}

/// Runs of the model over tokens that it did not choose, in chains of every length of prompt: the
/// computation is honest to the last cell, and the only false thing is that the tokens behind the prompt
/// are said to be the model's.
fn tokens_that_were_not_chosen(recorder: &mut Recorder, spec: &DecoderSpec) {
    let first = spec.entries_before + 1;
    for prompt in first..=first + spec.steps - 1 {
        let case = spec.case_with_prompt(prompt);
        let setup = Setup::new(&case);
        let given = prompt as usize - case.steps.entries_before();
        let label = |what: &str| format!("{}, prompt of {prompt}/{what}", case.name);
        let (part, _) = case.expect_decoder();
        let run = (0..SEEDS).map(|seed| part.run(&case, seed)).find(|run| {
            let behind = run.execution.tokens[given..].iter();
            behind
                .zip(&run.execution.choices[given - 1..])
                .all(|(token, choice)| token != choice)
        });
        let of_run = |run: &HonestRun| {
            Forge::of_witness(&case, part.witness(&case, run)).finish(&Drop::Nothing)
        };
        let forged = of_run(&run.expect("a run without its choices"));
        recorder.require(&label("other tokens hold the constraints"), || {
            let failures = forged.failures();
            match failures.is_empty() {
                true => Ok(()),
                false => Err(format!("meant to hold, fails {failures:?}")),
            }
        });
        if given == case.steps.steps() {
            recorder.require(&label("given tokens are accepted"), || {
                outcome(&setup, &forged).map_err(|refusal| format!("{refusal:?}"))
            });
            continue;
        }
        let is_not_chosen = |refusal: &Refusal| {
            matches!(
                refusal,
                Refusal::Refused(VerifyError::Tokens(TokenError::NotChosen { .. }))
            )
        };
        recorder.refuse_as(&label("other tokens are consumed"), is_not_chosen, || {
            outcome(&setup, &forged)
        });
        let forged = of_run(&part.greedy_run(&case, given, 1));
        recorder.require(&label("chosen tokens are accepted"), || {
            outcome(&setup, &forged).map_err(|refusal| format!("{refusal:?}"))
        });
    }
}

/// A weight that the run does not meet, of a token that is not consumed, changed in the model tree:
/// everything holds, but it is another model than the statement's.
fn other_weight(recorder: &mut Recorder, setup: &Setup, honest: &Forged) {
    let case = &setup.case;
    let (_, decoder) = case.expect_decoder();
    let mut forged = honest.clone();
    let consumed = &forged.witness.tokens.as_ref().unwrap().consumed;
    let embedding = &decoder.matrices()[0];
    let unused = (0..embedding.inputs as u32).find(|token| !consumed.contains(token));
    let row = (embedding.blocks - 1) * embedding.inputs + unused.unwrap() as usize;
    let last = forged
        .witness
        .main
        .component_mut("linear")
        .named_mut("weight")
        .last();
    last.unwrap()[row] += M31::one();
    let columns = tree_of(&forged.witness.main, Tree::Model);
    let mut other = Setup::new(case);
    other.model = Some(other.commit(&columns));
    let label = format!("{}/a weight changed", case.name);
    recorder.require(&format!("{label}/constraints"), || {
        let failures = forged.failures();
        match failures.is_empty() {
            true => Ok(()),
            false => Err(format!("meant to hold, fails {failures:?}")),
        }
    });
    let is_other_model = |refusal: &Refusal| {
        matches!(
            refusal,
            Refusal::Refused(VerifyError::PortNotOpened {
                port: Port::Model,
                ..
            })
        )
    };
    recorder.refuse_as(&label, is_other_model, || outcome(&other, &forged));
}
