//! Attacks on decoders that are cut into groups of layers: parts that hold by themselves, or do not, and are not parts
//! of this chain.
use std::sync::Arc;

use matchmark_graph::{MatrixName, Projection};
use matchmark_models::{execute_group, GroupInput, IntegerModel};
use matchmark_prover::{ModelChain, ProveError, SegmentProver};
use matchmark_quant::{CacheCapacity, StepRange};
use matchmark_statement::{
    AcceptancePolicy, ChainError, Cut, GroupFields, PolicyMismatch, Port, ProofPart,
    SegmentStatement, SegmentStatementParts, TokenId, TokenValues,
};
use matchmark_verifier::chain::FoldError;
use matchmark_verifier::{verify_segment, SegmentFile, VerifyError};

use super::groups::{
    chain, fields, fold, model, not_joined, policy_of, refused, Grid, Honest, Part, HONEST,
    VOCABULARY,
};

/// The same model, one layer of which has the weights of another.
fn with_layer_of(model: &IntegerModel, layer: usize, other: usize) -> Arc<IntegerModel> {
    let mut parts = model.clone().into_parts();
    for projection in [
        Projection::Query,
        Projection::Key,
        Projection::Value,
        Projection::Output,
        Projection::Gate,
        Projection::Up,
        Projection::Down,
    ] {
        let [own, other] = [layer, other].map(|it| MatrixName::of_layer(projection, it));
        *parts.matrix_mut(own) = parts.matrix_mut(other).clone();
    }
    parts.state_row_norms().unwrap();
    Arc::new(IntegerModel::new(parts).unwrap())
}

/// A chain that holds by itself, of a model one layer of which has another's weights, or of another model, in the
/// name of this one.
#[test]
fn a_group_is_proven_with_its_own_weights() {
    let terms = HONEST.files[0].statement().terms();
    for other in [with_layer_of(&model(3, 5), 1, 2), model(3, 6)] {
        let grid = Grid::new(&other, 3, 1);
        // As it is, it is about another model.
        assert!(matches!(
            refused(&grid.prove(0, 1, Cut::Fused)),
            VerifyError::Policy(PolicyMismatch::Model { .. })
        ));
        let in_the_name = |group: usize, change: &dyn Fn(&mut SegmentStatementParts)| {
            grid.prove_as(&grid.parts[0][group], group, |it| {
                it.terms = terms.clone();
                change(it);
            })
        };
        // Every part holds, and they join: only together they are of other weights. A commitment to weights is one
        // to the constants in the terms, too, so that these have another name under the terms of this model.
        let named = |group| {
            let file = in_the_name(group, &|_| {});
            let refused = match verify_segment(&file, &HONEST.policy) {
                Ok(_) => return file,
                Err(refused) => refused,
            };
            let VerifyError::PortNotOpened {
                port: Port::Model,
                got,
                ..
            } = refused
            else {
                panic!("{refused:?}");
            };
            in_the_name(group, &|it| fields(it).weights = got)
        };
        let files: Vec<_> = (0..3).map(named).collect();
        assert!(matches!(
            fold(&files, &HONEST.policy),
            Err(FoldError::Chain(ChainError::GroupWeights {
                segment: 0,
                ..
            }))
        ));
        // Named after the weights that the policy speaks of, a part does not open them.
        let own = HONEST.files[1].statement().port(Port::Model).unwrap();
        let named = in_the_name(1, &|it| fields(it).weights = own);
        assert!(matches!(
            refused(&named),
            VerifyError::PortNotOpened {
                port: Port::Model,
                ..
            }
        ));
    }
}

/// The stream that a part takes in: all but the first.
fn own_stream(part: &Part) -> Vec<i32> {
    let stage = part.execution.steps.steps() * part.execution.shape.hidden();
    part.execution.stream[..stage].to_vec()
}

fn stream_of(part: &Part) -> Vec<i32> {
    part.execution.stream_out().to_vec()
}

/// What the layers of a group compute of another stream behind the same cache.
fn run_on(grid: &Grid, segment: usize, group: usize, stream: &[i32]) -> Part {
    let (prover, honest) = (&grid.provers[group], &grid.parts[segment][group]);
    let committed = prover.model().unwrap();
    let input = GroupInput {
        tokens: &honest.execution.tokens,
        choices: &honest.execution.choices,
        stream,
        cache: honest.before.cache(),
    };
    let (execution, cache) = execute_group(committed.model(), committed.group(), &input).unwrap();
    let steps = execution.steps;
    let given = grid.provers[group - 1].stream_out(steps, stream);
    let stream_out = (!committed.group().layers().is_last()).then(|| {
        let stream = prover.stream_out(steps, execution.stream_out());
        Arc::new(stream.unwrap())
    });
    Part {
        before: honest.before.clone(),
        after: Arc::new(prover.state(cache).unwrap()),
        stream_in: Some(Arc::new(given.unwrap())),
        stream_out,
        execution,
    }
}

/// The layers of a group on a stream of another run: true of that stream, which the group before does not give out.
#[test]
fn a_group_takes_in_what_the_one_before_gives_out() {
    let grid = &HONEST.grid;
    let other = Grid::new(&model(3, 5), 3, 2);
    let honest = &grid.parts[0][1];
    let stream = own_stream(&other.parts[0][1]);
    assert_ne!(stream, own_stream(honest));
    let part = run_on(grid, 0, 1, &stream);
    let file = grid.prove_as(&part, 1, |_| {});
    assert!(verify_segment(&file, &HONEST.policy).is_ok());
    assert!(matches!(
        not_joined(1, &file),
        ChainError::StreamMismatch {
            segment: 0,
            group: 1,
            ..
        }
    ));
    // In the name of the streams that the groups beside it open.
    let own = HONEST.files[1].statement().parts().group.unwrap();
    for (port, change) in [
        (
            Port::StreamIn,
            Box::new(|it: &mut GroupFields| it.stream_in = own.stream_in) as Box<dyn Fn(&mut _)>,
        ),
        (
            Port::StreamOut,
            Box::new(|it: &mut GroupFields| it.stream_out = own.stream_out),
        ),
    ] {
        let named = grid.prove_as(&part, 1, |it| change(fields(it)));
        let VerifyError::PortNotOpened { port: got, .. } = refused(&named) else {
            panic!("{port}");
        };
        assert_eq!(got, port);
    }
}

/// A stream that the layers do not end with, or that they do not begin with, has no proof that is accepted.
#[test]
fn a_proof_opens_the_stream_that_it_is_about() {
    let grid = &HONEST.grid;
    let own = &grid.parts[0][1];
    let other = |at: usize| {
        let mut stream = own_stream(own);
        stream[at] += 1;
        let steps = own.execution.steps;
        Some(Arc::new(
            grid.provers[0].stream_out(steps, &stream).unwrap(),
        ))
    };
    // The witness of the honest run, between ports that hold another.
    let part = Part {
        execution: own.execution.clone(),
        before: own.before.clone(),
        after: own.after.clone(),
        stream_in: other(7),
        stream_out: own.stream_out.clone(),
    };
    let input = part.input(Cut::Fused);
    let refused_by_either = match grid.provers[1].prove_model(&input) {
        Err(error) => matches!(error, ProveError::ConstraintsNotSatisfied),
        Ok(proven) => verify_segment(&proven.file, &HONEST.policy).is_err(),
    };
    assert!(refused_by_either);
}

/// A stream of other steps, of another height, or behind other layers is none of this place.
#[test]
fn a_stream_is_of_its_steps_height_and_place() {
    let grid = &HONEST.grid;
    let own = &grid.parts[0][1];
    let stream = stream_of(own);
    let (here, behind) = (StepRange::new(0, 4).unwrap(), StepRange::new(4, 4).unwrap());
    let longer = ModelChain {
        capacity: CacheCapacity::new(16).unwrap(),
        ..chain(3)
    };
    let higher = ModelChain {
        security: matchmark_statement::Security::default(),
        ..chain(3)
    };
    let of_chain = |chain: &ModelChain| {
        let provers = SegmentProver::for_groups(chain, &model(3, 5)).unwrap();
        provers[1].stream_out(here, &stream).unwrap().commitment()
    };
    let honest = own.stream_out.as_ref().unwrap().commitment();
    let again = grid.provers[1].stream_out(here, &stream).unwrap();
    assert_eq!(again.commitment(), honest);
    let others = [
        // The steps of another segment.
        grid.provers[1]
            .stream_out(behind, &stream)
            .unwrap()
            .commitment(),
        // What the group before would give out.
        grid.provers[0]
            .stream_out(here, &stream)
            .unwrap()
            .commitment(),
        of_chain(&longer),
        of_chain(&higher),
    ];
    for other in others {
        assert_ne!(other, honest);
        let named = grid.prove_as(own, 1, |it| fields(it).stream_out = Some(other));
        assert!(matches!(
            refused(&named),
            VerifyError::PortNotOpened {
                port: Port::StreamOut,
                part: ProofPart::Whole,
                expected,
                got
            } if (expected, got) == (other, honest)
        ));
        // The group behind does not take it in either.
        let last = &grid.parts[0][2];
        let named = grid.prove_as(last, 2, |it| fields(it).stream_in = Some(other));
        assert!(matches!(
            refused(&named),
            VerifyError::PortNotOpened {
                port: Port::StreamIn,
                ..
            }
        ));
    }
    // The last group gives none out.
    assert!(matches!(
        grid.provers[2].stream_out(here, &stream),
        Err(ProveError::Streams { group: 2 })
    ));
}

/// Groups between others have the same layout: their weights and their place tell them apart.
#[test]
fn groups_of_one_shape_are_not_taken_for_each_other() {
    let grid = Grid::new(&model(4, 5), 4, 1);
    let files: Vec<_> = (0..4)
        .map(|group| grid.prove(0, group, Cut::Fused))
        .collect();
    let policy = policy_of(&grid.provers, &files);
    let mut exchanged = files.clone();
    exchanged.swap(1, 2);
    assert!(matches!(
        fold(&exchanged, &policy),
        Err(FoldError::Chain(ChainError::GroupOrder {
            segment: 0,
            expected: 1,
            got: 2
        }))
    ));
    // Each in the other's name, and the proof of one as it is in the other's statement: the constants of its nodes
    // are those of other layers. With those of the right layers it has other weights than these: see above.
    let refused = |file: &SegmentFile| {
        let refused = verify_segment(file, &policy).unwrap_err();
        matches!(refused, VerifyError::PreprocessedRootMismatch { .. })
    };
    for (group, other) in [(1, 2_u16), (2, 1)] {
        let named = grid.prove_as(&grid.parts[0][group], group, |it| fields(it).index = other);
        assert!(refused(&named));
    }
    let [first, second] = [1, 2].map(|at| files[at].clone());
    let values = first.public_values().clone();
    let moved = SegmentFile::new(second.statement().clone(), values, first.proof().to_vec());
    assert!(refused(&moved));
}

/// Circuits of a group are those of its nodes and its place.
#[test]
fn a_group_is_proven_by_its_own_circuit() {
    let Honest { files, policy, .. } = &*HONEST;
    for (group, other) in [(0, 1), (1, 2), (2, 0)] {
        let mut parts = policy.parts();
        let root = |group: u16| {
            policy
                .preprocessed_root(ProofPart::Whole, group, 4)
                .unwrap()
        };
        assert_ne!(root(group), root(other));
        for circuit in &mut parts.circuits {
            if (circuit.group, circuit.steps) == (group, 4) {
                circuit.preprocessed_root = root(other);
            }
        }
        let policy = AcceptancePolicy::new(parts).unwrap();
        assert!(matches!(
            verify_segment(&files[usize::from(group)], &policy),
            Err(VerifyError::PreprocessedRootMismatch { .. })
        ));
    }
}

#[test]
fn a_part_is_none_of_a_decoder_that_is_not_cut() {
    let whole = SegmentProver::for_model(chain(1), model(3, 5)).unwrap();
    let segments = super::decoder::chain(&whole, [Cut::Fused; 3]);
    let files: Vec<_> = segments.iter().map(|segment| &segment.file).collect();
    let uncut = super::decoder::policy(&whole, &files);
    assert!(verify_segment(files[0], &uncut).is_ok());
    assert!(matches!(
        refused(files[0]),
        VerifyError::Policy(PolicyMismatch::ModelWeights { .. })
    ));
    for part in &HONEST.files[..3] {
        assert!(matches!(
            verify_segment(part, &uncut),
            Err(VerifyError::Policy(PolicyMismatch::ModelWeights { .. }))
        ));
    }
    // Another number of groups.
    let two = Grid::new(&model(3, 5), 2, 1);
    assert!(matches!(
        refused(&two.prove(0, 0, Cut::Fused)),
        VerifyError::Policy(PolicyMismatch::ModelWeights { .. })
    ));
    // Provers of a cut decoder are as many as its groups.
    assert!(matches!(
        SegmentProver::for_model(chain(3), model(3, 5)),
        Err(ProveError::Streams { group: 0 })
    ));
    assert!(SegmentProver::for_groups(&chain(4), &model(3, 5)).is_err());
}

/// A group between others is proven whatever the tokens are: that they are those of the segment is for the chain
/// to say.
#[test]
fn tokens_of_all_parts_are_those_of_the_segment() {
    let Honest { grid, files, .. } = &*HONEST;
    let own = files[1].public_values().tokens().unwrap();
    let shape = model(3, 5).shape().to_owned();
    type Change = fn(&mut Vec<TokenId>, &mut Vec<TokenId>);
    let others = |change: Change| {
        let (mut consumed, mut chosen) = (own.consumed().to_vec(), own.chosen().to_vec());
        change(&mut consumed, &mut chosen);
        TokenValues::new(&shape, 4, consumed, chosen).unwrap()
    };
    // The last choice; a token behind the prompt and the choice that it is.
    let changes: [Change; 2] = [
        |_, chosen| chosen[3] = TokenId::new((chosen[3].get() + 1) % VOCABULARY),
        |consumed, chosen| {
            consumed[3] = TokenId::new((consumed[3].get() + 1) % VOCABULARY);
            chosen[2] = consumed[3];
        },
    ];
    for change in changes {
        let values = others(change);
        // In the file alone.
        let file = SegmentFile::new(
            files[1].statement().clone(),
            values.clone().into(),
            files[1].proof().to_vec(),
        );
        assert!(matches!(
            refused(&file),
            VerifyError::PublicValuesMismatch { .. }
        ));
        // In the statement, too, with the proof of the honest one.
        let mut parts = files[1].statement().parts();
        parts.public_values = matchmark_statement::PublicValues::from(values.clone()).digest();
        parts.tokens.as_mut().unwrap().next = values.chosen()[3];
        let statement = SegmentStatement::new(parts).unwrap();
        let proof = files[1].proof().to_vec();
        let file = SegmentFile::new(statement.clone(), values.clone().into(), proof);
        refused(&file);
        // And proven: the middle of a decoder says nothing of tokens, and the other parts do.
        let part = &grid.parts[0][1];
        let witness = grid.provers[1]
            .model_witness(&part.input(Cut::Fused))
            .unwrap();
        let proven = grid.provers[1].prove_part_witness(statement, values, &witness, part.ports());
        let file = proven.unwrap().file;
        assert!(verify_segment(&file, &HONEST.policy).is_ok());
        assert_eq!(
            not_joined(1, &file),
            ChainError::OtherSegment {
                segment: 0,
                group: 1,
                field: "public values"
            }
        );
    }
    // At both ends the tokens are what is shown.
    for group in [0, 2] {
        let values = others(changes[usize::from(group == 0)]);
        let part = &grid.parts[0][group];
        let prover = &grid.provers[group];
        let (statement, _) = prover.claim_model(&part.input(Cut::Fused)).unwrap();
        let mut parts = statement.parts();
        parts.public_values = matchmark_statement::PublicValues::from(values.clone()).digest();
        parts.tokens.as_mut().unwrap().next = values.chosen()[3];
        let statement = SegmentStatement::new(parts).unwrap();
        let witness = prover.model_witness(&part.input(Cut::Fused)).unwrap();
        let prove = |values| {
            let statement = statement.clone();
            prover.prove_part_witness(statement, values, &witness, part.ports())
        };
        if group == 0 {
            let proven = prove(values).unwrap();
            assert!(matches!(
                refused(&proven.file),
                VerifyError::LookupSumNotZero { .. }
            ));
            continue;
        }
        // Where the chosen tokens stand is public: no witness of others satisfies the constraints.
        assert!(matches!(
            prove(values.clone()),
            Err(ProveError::ConstraintsNotSatisfied)
        ));
        // A proof for the tokens that were chosen, in the name of a statement of others.
        let honest = files[group].public_values().tokens().unwrap().clone();
        let proof = prove(honest).unwrap().file.proof().to_vec();
        let file = SegmentFile::new(statement, values.into(), proof);
        assert_eq!(refused(&file), VerifyError::ConstraintsNotSatisfied);
    }
}

/// Each group goes on from the cache that it ended with, and begins with none.
#[test]
fn each_group_goes_on_with_its_own_cache() {
    let grid = &HONEST.grid;
    let other = Grid::new(&model(3, 5), 3, 2);
    // The cache of another run, behind which the group computes something else of the same stream.
    let honest = &grid.parts[1][1];
    let stream = own_stream(honest);
    let prover = &grid.provers[1];
    let committed = prover.model().unwrap();
    let cache = other.parts[1][1].before.cache();
    let input = GroupInput {
        tokens: &honest.execution.tokens,
        choices: &honest.execution.choices,
        stream: &stream,
        cache,
    };
    let (execution, after) = execute_group(committed.model(), committed.group(), &input).unwrap();
    let stream_out = prover.stream_out(execution.steps, execution.stream_out());
    let part = Part {
        before: Arc::new(prover.state(cache.clone()).unwrap()),
        after: Arc::new(prover.state(after).unwrap()),
        stream_in: honest.stream_in.clone(),
        stream_out: Some(Arc::new(stream_out.unwrap())),
        execution,
    };
    let file = grid.prove_as(&part, 1, |_| {});
    assert!(verify_segment(&file, &HONEST.policy).is_ok());
    assert!(matches!(
        not_joined(4, &file),
        ChainError::StateMismatch {
            segment: 1,
            group: 1,
            ..
        }
    ));
    let own = HONEST.files[4].statement().state_before();
    let named = grid.prove_as(&part, 1, |it| it.state_before = own);
    assert!(matches!(
        refused(&named),
        VerifyError::PortNotOpened {
            port: Port::StateBefore,
            ..
        }
    ));
}
