//! Decoders that are cut into groups of layers: what a part says, and how parts join.

#![allow(clippy::unwrap_used)]

mod common;

use common::{
    grid, group_fields, group_state, group_weights, join, layer_groups, part, place, state,
    statement, stream, token, with_decoder, GROUPS,
};
use matchmark_quant::{QuantError, StepRange, TaggedSha256};
use matchmark_statement::{
    ChainAccumulator, ChainError, ChainStatement, GroupFields, Port, PortCommitment,
    PublicValuesDigest, SegmentCut, SegmentStatement, SegmentStatementParts, StatementError,
    TokenEnds, TokenId,
};

/// Why the part that this change makes of one of the grid's is refused behind those before it; what is there
/// already stays as it was, and the grid can be ended with the parts as they are.
fn refused(at: usize, change: impl FnOnce(&mut SegmentStatementParts)) -> ChainError {
    let statements: Vec<SegmentStatement> = grid().into_iter().map(statement).collect();
    let mut chain = ChainAccumulator::new();
    for part in &statements[..at] {
        chain.push(part).unwrap();
    }
    let before = (chain.statement().cloned(), chain.parts_of_segment());
    let mut parts = statements[at].parts();
    change(&mut parts);
    let error = chain.push(&statement(parts)).unwrap_err();
    assert_eq!(
        (chain.statement().cloned(), chain.parts_of_segment()),
        before
    );
    for part in &statements[at..] {
        chain.push(part).unwrap();
    }
    assert_eq!(chain.finish(), join(grid()));
    error
}

fn fields(parts: &mut SegmentStatementParts) -> &mut GroupFields {
    parts.group.as_mut().unwrap()
}

#[test]
fn a_part_says_of_which_group_it_is_and_only_a_part_does() {
    let of = |groups: u16, group: Option<GroupFields>| {
        let mut parts = part(groups, 0, 0, 16);
        parts.group = group;
        SegmentStatement::new(parts)
    };
    // The only group of a decoder has no fields, and attention alone has none.
    assert!(of(1, None).is_ok());
    let unexpected = |got| Err(StatementError::GroupUnexpected { got });
    assert_eq!(of(1, Some(group_fields(0, 1, 0))), unexpected(0));
    assert_eq!(of(1, Some(group_fields(2, 3, 0))), unexpected(2));
    let mut attention = common::segment(2, 16);
    attention.group = Some(group_fields(1, 3, 0));
    assert_eq!(SegmentStatement::new(attention), unexpected(1));
    // Of several groups a part is of one.
    assert_eq!(
        of(3, None),
        Err(StatementError::GroupMissing { expected: 3 })
    );
    for index in 0..3 {
        assert!(of(3, Some(group_fields(index, 3, 0))).is_ok());
    }
    for got in [3, 4, u16::MAX] {
        let fields = GroupFields {
            index: got,
            ..group_fields(1, 3, 0)
        };
        assert_eq!(
            of(3, Some(fields)),
            Err(StatementError::GroupIndex { expected: 3, got })
        );
    }
    // A stream comes in to all but the first, and goes out of all but the last.
    for index in 0..3_u16 {
        let own = group_fields(index, 3, 0);
        let other = |has: Option<PortCommitment>| match has {
            None => Some(stream(0, 7)),
            Some(_) => None,
        };
        let refusal = |which, expected| {
            Err(StatementError::GroupStream {
                which,
                group: index,
                expected,
            })
        };
        let changed = GroupFields {
            stream_in: other(own.stream_in),
            ..own
        };
        assert_eq!(of(3, Some(changed)), refusal("in", index != 0));
        let changed = GroupFields {
            stream_out: other(own.stream_out),
            ..own
        };
        assert_eq!(of(3, Some(changed)), refusal("out", index != 2));
    }
    // Every group has a layer at least.
    assert!(of(6, Some(group_fields(0, 6, 0))).is_ok());
    assert!(matches!(
        of(7, Some(group_fields(0, 7, 0))),
        Err(StatementError::Quantity(
            QuantError::ParameterOutOfRange { .. }
        ))
    ));
}

#[test]
fn a_part_names_its_own_ports_and_layers() {
    let parts = [0, 1, 2].map(|index| statement(part(GROUPS, index, 16, 16)));
    for (part, index) in parts.iter().zip(0..) {
        assert_eq!(
            (part.group_index(), part.groups()),
            (index, layer_groups(3))
        );
        assert_eq!(part.port(Port::Model), Some(group_weights(index)));
        assert_eq!(part.port(Port::StateBefore), Some(group_state(16, index)));
        assert_eq!(part.port(Port::StateAfter), Some(group_state(32, index)));
        let layers = part.layers().unwrap().layers();
        let first = 2 * usize::from(index);
        assert_eq!(layers, first..first + 2);
        // The heads of two of the six layers.
        let own = part.part_shape().unwrap();
        assert_eq!(
            (
                own.attention().kv_heads(),
                part.shape().attention().kv_heads()
            ),
            (2, 6)
        );
        assert_eq!(own.capacity(), part.shape().capacity());
    }
    let streams = |port| parts.each_ref().map(|it| it.port(port));
    let between = [stream(16, 0), stream(16, 1)].map(Some);
    assert_eq!(streams(Port::StreamOut), [between[0], between[1], None]);
    assert_eq!(streams(Port::StreamIn), [None, between[0], between[1]]);
    let whole = statement(part(1, 0, 16, 16));
    assert_eq!(
        whole.port(Port::Model),
        Some(whole.decoder().unwrap().weights)
    );
    assert_eq!(whole.layers().unwrap().layers(), 0..6);
    assert_eq!(whole.part_shape().unwrap(), whole.shape());
    assert_eq!(
        (whole.port(Port::StreamIn), whole.port(Port::StreamOut)),
        (None, None)
    );
}

#[test]
fn every_field_of_a_group_is_bound() {
    let base = part(GROUPS, 1, 16, 16);
    let original = statement(base.clone());
    let changes: [fn(&mut GroupFields); 4] = [
        |it| it.weights = group_weights(0),
        |it| it.stream_in = Some(stream(16, 1)),
        |it| it.stream_out = Some(stream(16, 0)),
        |it| {
            // Both of its streams are those of a group between others: of the same number in another chain.
            it.index = 1;
            (it.stream_in, it.stream_out) = (it.stream_out, it.stream_in);
        },
    ];
    let mut digests = std::collections::HashSet::from([original.digest()]);
    for change in changes {
        let mut parts = base.clone();
        change(fields(&mut parts));
        let changed = statement(parts.clone());
        assert!(digests.insert(changed.digest()));
        assert_eq!(original.first_difference(&changed), Some("group"));
        assert_eq!(
            SegmentStatement::decode(&changed.encode()).unwrap().parts(),
            parts
        );
    }
    // The same fields of another group, in a decoder that is cut into four.
    let [second, third] = [1, 2].map(|index| {
        let mut parts = part(4, 1, 16, 16);
        fields(&mut parts).index = index;
        statement(parts)
    });
    assert_eq!(second.first_difference(&third), Some("group"));
    assert_ne!(second.digest(), third.digest());
}

#[test]
fn statements_of_parts_are_pinned() {
    let middle = statement(part(GROUPS, 1, 16, 16));
    insta::assert_snapshot!("part_text", middle);
    insta::assert_json_snapshot!("part_json", middle);
    let whole = join(grid()).unwrap();
    insta::assert_snapshot!("grid_text", whole);
    insta::assert_json_snapshot!("grid_json", whole);
}

/// SHA-256 under its own tag over all groups in order; of one group that group's.
#[test]
fn commitments_of_groups_are_one_of_all() {
    let groups = [0, 1, 2].map(group_weights);
    let mut hasher = TaggedSha256::new("matchmark/groups/v1");
    for group in &groups {
        hasher.update(group.as_bytes());
    }
    let all = PortCommitment::of_groups(&groups);
    assert_eq!(all.to_bytes(), hasher.finish());
    assert_eq!(PortCommitment::of_groups(&groups[..1]), groups[0]);
    // Order, number and what is the group of which count.
    let others = [
        vec![groups[0], groups[2], groups[1]],
        vec![groups[1], groups[0], groups[2]],
        groups[..2].to_vec(),
        vec![groups[0], groups[1], groups[2], groups[2]],
        vec![PortCommitment::of_groups(&groups[..2]), groups[2]],
        vec![],
    ];
    for other in others {
        assert_ne!(PortCommitment::of_groups(&other), all, "{other:?}");
    }
}

#[test]
fn a_whole_grid_joins() {
    let mut chain = ChainAccumulator::new();
    for (at, parts) in grid().into_iter().enumerate() {
        let (segment, group) = (at / 3, at % 3);
        assert_eq!(usize::from(chain.parts_of_segment()), group);
        assert_eq!(chain.push(&statement(parts)), Ok(group == 2));
        let segments = chain.statement().map_or(0, ChainStatement::segments);
        assert_eq!(segments, (segment + usize::from(group == 2)) as u64);
    }
    let whole = chain.finish().unwrap();
    assert_eq!((whole.segments(), whole.parts()), (3, 9));
    assert_eq!(whole.steps(), StepRange::new(0, 48).unwrap());
    let all = |entries| PortCommitment::of_groups(&[0, 1, 2].map(|it| group_state(entries, it)));
    assert_eq!((whole.first_state(), whole.last_state()), (all(0), all(48)));
    let (first, next) = (token(0), token(48));
    assert_eq!(whole.tokens(), Some(TokenEnds { first, next }));
    // One group is a grid of one column.
    let column = [0, 16, 32].map(|before| {
        let mut parts = part(1, 0, before, 16);
        parts.terms.decoder.as_mut().unwrap().weights = group_weights(0);
        parts
    });
    let column = join(column.to_vec()).unwrap();
    assert_eq!((column.segments(), column.parts()), (3, 3));
    assert_eq!(column.first_state(), group_state(0, 0));
}

#[test]
fn the_digest_is_over_every_part_and_their_order() {
    let whole = join(grid()).unwrap();
    let mut digests = std::collections::HashSet::from([whole.chain_digest()]);
    for segment in 0..3 {
        for group in 0..GROUPS {
            let mut parts = grid();
            parts[place(segment, group)].cut = SegmentCut::Split(state(1));
            assert!(digests.insert(join(parts).unwrap().chain_digest()));
        }
    }
    // The digest of part `i`: that of the chain before, and the part's own statement.
    let mut digest = TaggedSha256::new(ChainAccumulator::START_TAG)
        .chain(statement(grid().remove(0)).encoded_terms())
        .finish();
    for parts in grid() {
        digest = TaggedSha256::new(ChainAccumulator::SEGMENT_TAG)
            .chain(&digest)
            .chain(statement(parts).digest().as_bytes())
            .finish();
    }
    assert_eq!(whole.chain_digest().to_bytes(), digest);
}

#[test]
fn missing_doubled_and_swapped_parts_do_not_join() {
    let order = |segment: usize, expected, got| {
        let segment = segment as u64;
        Err(ChainError::GroupOrder {
            segment,
            expected,
            got,
        })
    };
    let all = grid().len();
    for at in 0..all {
        let (segment, group) = (at / 3, u16::try_from(at % 3).unwrap());
        let next = (group + 1) % 3;
        let mut missing = grid();
        missing.remove(at);
        let expected = match at + 1 == all {
            true => Err(ChainError::PartsMissing {
                segment: 2,
                expected: 3,
                got: 2,
            }),
            // The last part of one segment is missing where the first of the next comes.
            false => order(segment, group, next),
        };
        assert_eq!(join(missing), expected, "{at}");
        let mut doubled = grid();
        doubled.insert(at, doubled[at].clone());
        let of_next = segment + usize::from(group == 2);
        assert_eq!(join(doubled), order(of_next, next, group), "{at}");
    }
    for a in 0..all {
        for b in a + 1..all {
            let mut swapped = grid();
            swapped.swap(a, b);
            let error = join(swapped).unwrap_err();
            let same_group = a % 3 == b % 3;
            let fits = match error {
                ChainError::GroupOrder { .. } => !same_group,
                ChainError::PositionGap { .. } | ChainError::OtherSegment { .. } => same_group,
                _ => false,
            };
            assert!(fits || (a == 0 && same_group), "{a} {b}: {error}");
        }
    }
    // Segment by segment, not group by group.
    let columns = (0..GROUPS).flat_map(|group| {
        let before = [0, 16, 32].into_iter();
        before.map(move |before| part(GROUPS, group, before, 16))
    });
    assert_eq!(join(columns.collect()), order(0, 1, 0));
    // Whole segments that are missing, twice, or in the place of others.
    let rows = |order: &[usize]| {
        let rows = order
            .iter()
            .flat_map(|row| grid()[3 * row..3 * row + 3].to_vec());
        join(rows.collect())
    };
    assert!(matches!(
        rows(&[0, 2]),
        Err(ChainError::PositionGap { segment: 1, .. })
    ));
    assert!(matches!(
        rows(&[0, 0]),
        Err(ChainError::PositionOverlap { segment: 1, .. })
    ));
    assert_eq!(
        rows(&[1, 2]).unwrap().steps(),
        StepRange::new(16, 32).unwrap()
    );
}

#[test]
fn a_chain_does_not_end_within_a_segment() {
    for parts in 0..9_usize {
        let (segment, got) = (parts / 3, parts % 3);
        let result = join(grid()[..parts].to_vec());
        match got {
            0 if parts == 0 => assert_eq!(result, Err(ChainError::Empty)),
            0 => assert_eq!(result.unwrap().segments(), segment as u64),
            _ => assert_eq!(
                result,
                Err(ChainError::PartsMissing {
                    segment: segment as u64,
                    expected: 3,
                    got: u16::try_from(got).unwrap()
                })
            ),
        }
    }
}

#[test]
fn parts_are_of_one_segment() {
    let other = |group: u16, field| ChainError::OtherSegment {
        segment: 1,
        group,
        field,
    };
    for group in [1, 2] {
        let at = place(1, group);
        // As many steps at another place, and another number of steps.
        for (before, steps) in [(0, 16), (32, 16), (17, 16), (16, 15)] {
            let error = refused(at, |it| it.steps = StepRange::new(before, steps).unwrap());
            assert_eq!(error, other(group, "steps"));
        }
        let error = refused(at, |it| {
            it.public_values = PublicValuesDigest::from_bytes([0x45; 32]);
        });
        assert_eq!(error, other(group, "public values"));
        for change in [
            (|it| it.first = TokenId::new(7)) as fn(&mut TokenEnds),
            |it| it.next = TokenId::new(7),
        ] {
            let error = refused(at, |it| change(it.tokens.as_mut().unwrap()));
            assert_eq!(error, other(group, "tokens"));
        }
        // The cut of each part is its own.
        let mut parts = grid();
        parts[at].cut = SegmentCut::Split(state(1));
        assert!(join(parts).is_ok());
    }
}

#[test]
fn parts_have_the_terms_of_the_chain() {
    for segment in 0..3 {
        for group in 0..GROUPS {
            let at = place(segment, group);
            if at == 0 {
                continue;
            }
            let named = |change: &dyn Fn(&mut SegmentStatementParts)| match refused(at, change) {
                ChainError::Terms {
                    segment: of, field, ..
                } => {
                    assert_eq!(of, segment as u64);
                    field
                }
                other => panic!("{at}: {other}"),
            };
            let decoder = |it: &mut SegmentStatementParts| *it.terms.decoder.as_mut().unwrap();
            assert_eq!(
                named(&|it| {
                    let mut terms = decoder(it);
                    terms.weights = state(9);
                    it.terms.decoder = Some(terms);
                }),
                "decoder.weights"
            );
            assert_eq!(
                named(&|it| {
                    let mut terms = decoder(it);
                    terms.groups = layer_groups(4);
                    it.terms.decoder = Some(terms);
                    // The last of three is one between others of four.
                    fields(it).stream_out = (group < 3).then(|| stream(16 * segment, group));
                }),
                "decoder.groups"
            );
            assert_eq!(
                named(&|it| it.terms.table_bounds.max_weight -= 1),
                "table_bounds"
            );
        }
    }
    // A decoder that is not cut does not go on with one that is, and the other way round.
    let mut cut = grid()[..3].to_vec();
    cut.push(part(1, 0, 16, 16));
    assert!(matches!(
        join(cut),
        Err(ChainError::Terms {
            segment: 1,
            field: "decoder.weights",
            ..
        })
    ));
    let whole = with_decoder(&part(1, 0, 0, 16), |it| it.weights = group_weights(0));
    let mut uncut = vec![whole];
    uncut.push(with_decoder(&grid()[3], |it| it.weights = group_weights(0)));
    assert!(matches!(
        join(uncut),
        Err(ChainError::Terms {
            segment: 1,
            field: "decoder.groups",
            ..
        })
    ));
}

#[test]
fn a_part_takes_in_what_the_one_before_gives_out() {
    for segment in 0..3 {
        for group in [1, 2] {
            let expected = stream(16 * segment, group - 1);
            // Another, that of another segment, and the one that it gives out itself.
            for got in [
                state(1),
                stream(16 * segment + 16, group - 1),
                stream(16 * segment, group),
            ] {
                let error = refused(place(segment, group), |it| {
                    fields(it).stream_in = Some(got);
                });
                let segment = segment as u64;
                assert_eq!(
                    error,
                    ChainError::StreamMismatch {
                        segment,
                        group,
                        expected,
                        got
                    }
                );
            }
        }
    }
    let text = refused(place(0, 1), |it| fields(it).stream_in = Some(state(1))).to_string();
    assert!(text.contains("what group 0 gives out"), "{text}");
}

#[test]
fn each_group_goes_on_with_its_own_state() {
    for segment in [1, 2] {
        for group in 0..GROUPS {
            let expected = group_state(16 * segment, group);
            // That of another group, of the same group elsewhere, and any other.
            for got in [
                group_state(16 * segment, (group + 1) % 3),
                group_state(16 * segment - 16, group),
                state(1),
            ] {
                let error = refused(place(segment, group), |it| it.state_before = got);
                let segment = segment as u64;
                assert_eq!(
                    error,
                    ChainError::StateMismatch {
                        segment,
                        group,
                        expected,
                        got
                    }
                );
            }
        }
    }
    let named = |group| refused(place(1, group), |it| it.state_before = state(1)).to_string();
    assert!(named(2).starts_with("segment 1 of group 2 begins with state"));
    assert!(named(0).starts_with("segment 1 begins with state"));
}

#[test]
fn the_weights_of_all_groups_are_those_of_the_terms() {
    let expected = PortCommitment::of_groups(&[0, 1, 2].map(group_weights));
    for segment in 0..3 {
        for group in 0..GROUPS {
            // Those of another group, and any other.
            for other in [group_weights((group + 1) % 3), state(1)] {
                let mut parts = grid();
                fields(&mut parts[place(segment, group)]).weights = other;
                let mut weights = [0, 1, 2].map(group_weights);
                weights[usize::from(group)] = other;
                let refusal = ChainError::GroupWeights {
                    segment: segment as u64,
                    expected,
                    got: PortCommitment::of_groups(&weights),
                };
                assert_eq!(join(parts), Err(refusal.clone()));
                if group == 2 {
                    let error = refused(place(segment, group), |it| fields(it).weights = other);
                    assert_eq!(error, refusal);
                }
            }
        }
    }
    // Of a decoder that is not cut they are those of the terms by themselves.
    let mut all = grid()[..3].to_vec();
    for (parts, other) in all.iter_mut().zip([1, 0, 2]) {
        fields(parts).weights = group_weights(other);
    }
    assert!(matches!(
        join(all),
        Err(ChainError::GroupWeights { segment: 0, .. })
    ));
}

#[test]
fn tokens_are_carried_on_from_segment_to_segment() {
    for group in 0..GROUPS {
        let error = refused(place(1, 0), |it| {
            it.tokens.as_mut().unwrap().first = TokenId::new(7);
        });
        assert_eq!(
            error,
            ChainError::TokenMismatch {
                segment: 1,
                expected: token(16),
                got: TokenId::new(7)
            }
        );
        // All parts together do not change it.
        let mut parts = grid();
        for group in 0..=group {
            let tokens = parts[place(1, group)].tokens.as_mut().unwrap();
            tokens.first = TokenId::new(7);
        }
        assert!(matches!(
            join(parts),
            Err(ChainError::TokenMismatch { segment: 1, .. })
        ));
    }
}
