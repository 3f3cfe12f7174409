//! What a policy says of decoders that are cut into groups of layers.

#![allow(clippy::unwrap_used)]

mod common;

use common::{
    decoder_segment, given, grid, join, layer_groups, part, place, state, statement, with_decoder,
    GROUPS,
};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, ChainStatement, Cut, PolicyCircuit, PolicyError,
    PolicyMismatch, PreprocessedRoot, ProofPart, SegmentCut, SegmentStatementParts,
};

fn circuit(steps: u32, group: u16, part: ProofPart) -> PolicyCircuit {
    let mut bytes = [0xc0; 32];
    bytes[0] = steps.to_le_bytes()[0];
    bytes[1] = group.to_le_bytes()[0];
    bytes[2] = part.name().len().to_le_bytes()[0];
    PolicyCircuit {
        steps,
        group,
        part,
        preprocessed_root: PreprocessedRoot::from_bytes(bytes),
    }
}

fn circuits(part: ProofPart) -> Vec<PolicyCircuit> {
    (0..GROUPS).map(|group| circuit(16, group, part)).collect()
}

fn policy() -> AcceptancePolicy {
    let chain = join(grid()).unwrap();
    AcceptancePolicy::accepting(&chain, given(), circuits(ProofPart::Whole)).unwrap()
}

fn with(change: impl FnOnce(&mut AcceptancePolicyParts)) -> Result<AcceptancePolicy, PolicyError> {
    let mut parts = policy().parts();
    change(&mut parts);
    AcceptancePolicy::new(parts)
}

#[test]
fn a_grid_is_accepted_part_by_part() {
    let policy = policy();
    for parts in grid() {
        let group = parts.group.unwrap().index;
        let root = circuit(16, group, ProofPart::Whole).preprocessed_root;
        assert_eq!(policy.check_segment(&statement(parts)), Ok(vec![root]));
        assert_eq!(
            policy.preprocessed_root(ProofPart::Whole, group, 16),
            Some(root)
        );
    }
    assert_eq!(policy.preprocessed_root(ProofPart::Whole, 3, 16), None);
    let chain = join(grid()).unwrap();
    policy.check_begin(&chain).unwrap();
    policy.check_chain(&chain, None).unwrap();
    // The first state is that of all groups, which a part does not say; a segment does.
    let mut parts = grid();
    parts[place(0, 1)].state_before = state(1);
    policy
        .check_segment(&statement(parts[place(0, 1)].clone()))
        .unwrap();
    let other = join(parts).unwrap();
    for refused in [
        policy.check_begin(&other).unwrap_err(),
        policy.check_chain(&other, None).unwrap_err(),
    ] {
        assert!(matches!(refused, PolicyMismatch::FirstState { .. }));
    }
}

#[test]
fn a_part_is_proven_by_a_circuit_of_its_group() {
    let split = with(|it| {
        // The middle group in both ways, the last one split alone.
        it.circuits.pop();
        for group in [1, 2] {
            for part in [ProofPart::Arithmetic, ProofPart::Lookup] {
                it.circuits.push(circuit(16, group, part));
            }
        }
    })
    .unwrap();
    let check = |group, cut| {
        let mut parts = part(GROUPS, group, 0, 16);
        parts.cut = cut;
        split.check_segment(&statement(parts))
    };
    let fused = SegmentCut::Fused;
    let cut = SegmentCut::Split(state(1));
    let roots = |group, parts: &[ProofPart]| -> Result<Vec<_>, PolicyMismatch> {
        let roots = parts.iter().map(|part| circuit(16, group, *part));
        Ok(roots.map(|it| it.preprocessed_root).collect())
    };
    let halves = [ProofPart::Arithmetic, ProofPart::Lookup];
    assert_eq!(check(0, fused), roots(0, &[ProofPart::Whole]));
    assert_eq!(check(1, fused), roots(1, &[ProofPart::Whole]));
    assert_eq!(check(1, cut), roots(1, &halves));
    assert_eq!(check(2, cut), roots(2, &halves));
    let mismatch = |expected, got| Err(PolicyMismatch::Cut { expected, got });
    assert_eq!(check(0, cut), mismatch(Cut::Fused, Cut::Split));
    assert_eq!(check(2, fused), mismatch(Cut::Split, Cut::Fused));
    let mut short = part(GROUPS, 2, 0, 15);
    short.cut = cut;
    assert_eq!(
        split.check_segment(&statement(short)),
        Err(PolicyMismatch::SegmentLength {
            expected: vec![16],
            got: 15
        })
    );
}

#[test]
fn a_cut_decoder_and_a_whole_one_are_not_accepted_for_each_other() {
    let whole = part(1, 0, 0, 16);
    let uncut = {
        let chain = join(vec![whole.clone()]).unwrap();
        let circuit = circuit(16, 0, ProofPart::Whole);
        AcceptancePolicy::accepting(&chain, given(), vec![circuit]).unwrap()
    };
    let same_weights = |parts: &SegmentStatementParts, of: &AcceptancePolicy| {
        let weights = of.terms().decoder.unwrap().weights;
        statement(with_decoder(parts, |it| it.weights = weights))
    };
    let mismatch = |expected, got| {
        Err(PolicyMismatch::LayerGroups {
            expected: layer_groups(expected),
            got: layer_groups(got),
        })
    };
    let part = same_weights(&grid()[0], &uncut);
    assert_eq!(uncut.check_segment(&part), mismatch(1, 3));
    let whole = same_weights(&whole, &policy());
    assert_eq!(policy().check_segment(&whole), mismatch(3, 1));
    let text = policy().check_segment(&whole).unwrap_err().to_string();
    assert_eq!(text, "decoder is cut into 1 groups of layers, expected 3");
    // Their weights differ, too, as a commitment of all groups is none of one.
    assert!(matches!(
        uncut.check_segment(&statement(grid().remove(0))),
        Err(PolicyMismatch::ModelWeights { .. })
    ));
}

#[test]
fn circuits_are_those_of_all_groups_and_of_no_others() {
    for got in [3, 4, u16::MAX] {
        assert_eq!(
            with(|it| it.circuits.push(circuit(16, got, ProofPart::Whole))),
            Err(PolicyError::CircuitGroup { expected: 3, got })
        );
    }
    for group in 0..GROUPS {
        assert_eq!(
            with(|it| {
                it.circuits.remove(group.into());
            }),
            Err(PolicyError::GroupCircuit { group, steps: 16 })
        );
        assert_eq!(
            with(|it| it.circuits.push(circuit(2, group, ProofPart::Whole))),
            Err(PolicyError::GroupCircuit {
                group: if group == 0 { 1 } else { 0 },
                steps: 2
            })
        );
        assert_eq!(
            with(|it| it.circuits.push(circuit(16, group, ProofPart::Whole))),
            Err(PolicyError::DuplicateCircuit {
                group,
                part: ProofPart::Whole,
                got: 16
            })
        );
        // Half of the circuits of a split part, where another group has the other half.
        for (half, expected) in [
            (ProofPart::Arithmetic, ProofPart::Lookup),
            (ProofPart::Lookup, ProofPart::Arithmetic),
        ] {
            assert_eq!(
                with(|it| {
                    it.circuits.push(circuit(16, group, half));
                    it.circuits.push(circuit(16, (group + 1) % 3, expected));
                }),
                Err(PolicyError::HalfCircuit {
                    expected: match group {
                        // The first in order is named.
                        2 => half,
                        _ => expected,
                    },
                    got: match group {
                        2 => expected,
                        _ => half,
                    },
                    steps: 16
                })
            );
        }
    }
    // Circuits of a decoder that is not cut, and of attention alone, are of the first group.
    let chain = ChainStatement::of([&statement(decoder_segment(0, 16))]).unwrap();
    let of = |group| {
        let circuit = circuit(16, group, ProofPart::Whole);
        AcceptancePolicy::accepting(&chain, given(), vec![circuit])
    };
    assert!(of(0).is_ok());
    assert_eq!(
        of(1),
        Err(PolicyError::CircuitGroup {
            expected: 1,
            got: 1
        })
    );
    let chain = ChainStatement::of([&statement(common::segment(2, 16))]).unwrap();
    let circuit = circuit(16, 1, ProofPart::Whole);
    assert_eq!(
        AcceptancePolicy::accepting(&chain, vec![], vec![circuit]),
        Err(PolicyError::CircuitGroup {
            expected: 1,
            got: 1
        })
    );
}

#[test]
fn policies_of_grids_are_told_apart() {
    let differs = |change: &dyn Fn(&mut AcceptancePolicyParts)| {
        let other = with(change).unwrap();
        assert_ne!(other.id(), policy().id());
        policy().first_difference(&other).unwrap()
    };
    let groups = differs(&|it| {
        it.terms.decoder.as_mut().unwrap().groups = layer_groups(4);
        it.circuits.push(circuit(16, 3, ProofPart::Whole));
    });
    assert_eq!(
        (groups.field, groups.expected.as_str(), groups.got.as_str()),
        ("decoder.groups", "3", "4")
    );
    let circuits = differs(&|it| {
        let [first, second] = [0, 1].map(|at| it.circuits[at].preprocessed_root);
        it.circuits[0].preprocessed_root = second;
        it.circuits[1].preprocessed_root = first;
    });
    assert_eq!(circuits.field, "circuits");
    assert!(
        circuits.expected.starts_with("whole circuit of 16 steps")
            && circuits
                .expected
                .contains("whole circuit of group 2 of 16 steps"),
        "{}",
        circuits.expected
    );
}

fn split_policy() -> AcceptancePolicy {
    with(|it| {
        it.circuits.extend(circuits(ProofPart::Lookup));
        it.circuits.extend(circuits(ProofPart::Arithmetic));
    })
    .unwrap()
}

#[test]
fn the_bytes_of_a_policy_read_back() {
    for policy in [policy(), split_policy()] {
        let bytes = policy.to_bytes().unwrap();
        assert_eq!(AcceptancePolicy::from_bytes(&bytes), Ok(policy.clone()));
        // By steps, group and part.
        let places: Vec<_> = policy
            .circuits()
            .iter()
            .map(|it| (it.steps, it.group, it.part))
            .collect();
        assert!(places.is_sorted());
        // Two groups exchanged: the same circuits in another order.
        let roots: Vec<_> = policy
            .circuits()
            .iter()
            .map(|it| it.preprocessed_root)
            .collect();
        let at = |root: &PreprocessedRoot| {
            let found = bytes.windows(32).rposition(|it| it == root.as_bytes());
            found.unwrap() + 32
        };
        let (first, second, third) = (at(&roots[0]), at(&roots[1]), at(&roots[2]));
        let mut swapped = bytes[..first].to_vec();
        swapped.extend(&bytes[second..third]);
        swapped.extend(&bytes[first..second]);
        swapped.extend(&bytes[third..]);
        assert_eq!(
            AcceptancePolicy::from_bytes(&swapped),
            Err(PolicyError::CircuitOrder)
        );
    }
}

#[cfg(feature = "std")]
#[test]
fn the_file_of_a_policy_reads_back() {
    for policy in [policy(), split_policy()] {
        let text = policy.to_toml();
        assert_eq!(AcceptancePolicy::from_toml(&text), Ok(policy));
        // A circuit without its group is one of the first, which has one already.
        let without = text.replacen("group = 1\n", "", 1);
        assert_ne!(without, text);
        assert!(matches!(
            AcceptancePolicy::from_toml(&without),
            Err(PolicyError::DuplicateCircuit { group: 0, .. })
        ));
        for (from, to) in [
            ("group = 1", "group = 3"),
            ("group = 1", "group = -1"),
            ("groups = 3", "groups = 2"),
            ("groups = 3", "groups = 0"),
            ("groups = 3", "groups = 7"),
            ("groups = 3\n", ""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(AcceptancePolicy::from_toml(&changed).is_err(), "{to}");
        }
    }
    insta::assert_snapshot!("grid_policy_file", policy().to_toml());
}
