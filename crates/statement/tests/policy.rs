//! Acceptance policies: every field counts, each with its own refusal.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{attention, decoder_segment, given, segment, shape, state, statement, variations};
use matchmark_quant::{QuantError, Rounding, StepRange};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, ChainStatement, Cut, EndTokens, FinishReason,
    ModelIdentity, PolicyCircuit, PolicyError, PolicyMismatch, PortCommitment, PreprocessedRoot,
    Profile, ProofPart, Security, SecurityLevel, SegmentCut, SegmentKind, SegmentStatement,
    SegmentStatementParts, StatementError, TokenId,
};

fn circuit(steps: u32) -> PolicyCircuit {
    PolicyCircuit {
        steps,
        group: 0,
        part: ProofPart::Whole,
        preprocessed_root: root(steps),
    }
}

fn root(steps: u32) -> PreprocessedRoot {
    let mut bytes = [0xc0; 32];
    bytes[..4].copy_from_slice(&steps.to_le_bytes());
    PreprocessedRoot::from_bytes(bytes)
}

fn chain_of(cuts: &[(u32, u32)]) -> ChainStatement {
    let statements = cuts
        .iter()
        .map(|(before, steps)| statement(segment(*before, *steps)));
    ChainStatement::of(&statements.collect::<Vec<_>>()).unwrap()
}

/// For the chain of 64 steps behind 2 entries, in segments of 16 steps and a last one of 4.
fn policy() -> AcceptancePolicy {
    let chain = chain_of(&[(2, 16), (18, 16), (34, 16), (50, 12), (62, 4)]);
    AcceptancePolicy::accepting(&chain, vec![], vec![circuit(16), circuit(12), circuit(4)]).unwrap()
}

#[test]
fn the_chain_it_was_made_from_is_accepted() {
    let policy = policy();
    for (before, steps) in [(2, 16), (18, 16), (34, 16), (50, 12), (62, 4)] {
        assert_eq!(
            policy.check_segment(&statement(segment(before, steps))),
            Ok(vec![root(steps)])
        );
    }
    let chain = chain_of(&[(2, 16), (18, 16), (34, 16), (50, 12), (62, 4)]);
    assert_eq!(policy.check_chain(&chain, None), Ok(None));
    assert_eq!(policy.steps(), StepRange::new(2, 64).unwrap());
    let lengths: Vec<u32> = policy.circuits().iter().map(|it| it.steps).collect();
    assert_eq!(lengths, [4, 12, 16]);
}

/// For the chain of 66 steps of a whole model, in segments of 16 steps and a last one of 2.
#[test]
fn a_policy_says_what_it_asks_for() {
    let mut parts = policy().parts();
    parts.terms.security = Security::new(SecurityLevel::Proven100, Profile::Fast).unwrap();
    parts.terms.rounding = Rounding::Floor;
    let policy = AcceptancePolicy::new(parts.clone()).unwrap();
    assert_eq!(policy.terms().security, parts.terms.security);
    assert_eq!(policy.terms().rounding, Rounding::Floor);
}

fn decoder_policy() -> AcceptancePolicy {
    AcceptancePolicy::accepting(
        &decoder_chain(),
        given(),
        vec![decoder_circuit(16), decoder_circuit(2)],
    )
    .unwrap()
}

/// The same, where tokens 3 and 9 end the answer.
fn ending_policy() -> AcceptancePolicy {
    let mut parts = decoder_policy().parts();
    parts.end_tokens = EndTokens::new([3, 9].map(TokenId::new)).unwrap();
    AcceptancePolicy::new(parts).unwrap()
}

fn decoder_chain() -> ChainStatement {
    let cuts = [(0, 16), (16, 16), (32, 16), (48, 16), (64, 2)];
    let statements = cuts.map(|(before, steps)| statement(decoder_segment(before, steps)));
    ChainStatement::of(&statements).unwrap()
}

fn decoder_circuit(steps: u32) -> PolicyCircuit {
    PolicyCircuit {
        part: ProofPart::Whole,
        preprocessed_root: root(steps + 300),
        ..circuit(steps)
    }
}

#[test]
fn a_decoders_chain_is_accepted_by_its_own_circuits() {
    let policy = decoder_policy();
    for (before, steps) in [(0, 16), (32, 16), (64, 2)] {
        assert_eq!(
            policy.check_segment(&statement(decoder_segment(before, steps))),
            Ok(vec![root(steps + 300)])
        );
    }
    let answer = policy.check_chain(&decoder_chain(), None).unwrap().unwrap();
    assert_eq!(
        (answer.finish_reason(), answer.tokens()),
        (FinishReason::Length, 62)
    );
    assert_eq!(policy.terms().decoder, Some(common::decoder()));
    assert_eq!(policy.public_values_len(16), 8 * 16);
    assert_eq!(
        self::policy().public_values_len(16),
        (2 * 4 + 2 * 2) * 16 * 64
    );
    assert_eq!(
        policy.check_segment(&statement(decoder_segment(0, 15))),
        Err(PolicyMismatch::SegmentLength {
            expected: vec![2, 16],
            got: 15
        })
    );
    // Neither kind passes for the other.
    assert!(matches!(
        policy.check_segment(&statement(segment(0, 16))),
        Err(PolicyMismatch::Model { .. })
    ));
    assert!(matches!(
        self::policy().check_segment(&statement(decoder_segment(2, 16))),
        Err(PolicyMismatch::Model { .. })
    ));
    // Terms that no statement could have are compared all the same.
    let mut terms = decoder_segment(0, 16).terms;
    terms.decoder = None;
    assert_eq!(
        policy.check_terms(&terms),
        Err(PolicyMismatch::Kind {
            expected: SegmentKind::Decoder,
            got: SegmentKind::Attention
        })
    );
}

#[test]
fn every_field_of_a_decoder_has_its_own_refusal() {
    let policy = decoder_policy();
    let mut seen = BTreeSet::new();
    for (field, parts) in variations(&decoder_segment(0, 16)) {
        let result = policy.check_segment(&statement(parts.clone()));
        let decoder = parts.terms.decoder.unwrap_or_else(common::decoder);
        let fits = match (field, &result) {
            ("relation_version", Err(PolicyMismatch::RelationVersion { .. }))
            | ("relation_digest", Err(PolicyMismatch::RelationDigest { .. }))
            | ("domain", Err(PolicyMismatch::Domain { .. }))
            | (
                "security",
                Err(PolicyMismatch::WeakerSecurity { .. } | PolicyMismatch::Security { .. }),
            )
            | ("quantization", Err(PolicyMismatch::Quantization { .. }))
            | ("table", Err(PolicyMismatch::Table { .. }))
            | ("table_bounds", Err(PolicyMismatch::TableBounds { .. }))
            | ("shape", Err(PolicyMismatch::Shape { .. }))
            | ("state_before", Err(PolicyMismatch::FirstState { .. })) => true,
            ("model", Err(PolicyMismatch::Model { got, .. })) => *got == parts.terms.model,
            ("decoder.shape", Err(PolicyMismatch::ModelShape { expected, got })) => {
                **expected == common::decoder().shape && **got == decoder.shape
            }
            ("decoder.arithmetic", Err(PolicyMismatch::ModelArithmetic { expected, got })) => {
                *expected == common::decoder().arithmetic && *got == decoder.arithmetic
            }
            ("decoder.weights", Err(PolicyMismatch::ModelWeights { expected, got })) => {
                *expected == common::decoder().weights && *got == decoder.weights
            }
            ("decoder.groups", Err(PolicyMismatch::LayerGroups { expected, got })) => {
                *expected == common::decoder().groups && *got == decoder.groups
            }
            ("decoder.prompt", Err(PolicyMismatch::Prompt { expected, got })) => {
                *expected == common::decoder().prompt && *got == decoder.prompt
            }
            ("steps", Err(PolicyMismatch::SegmentLength { got: 15, .. })) => true,
            ("steps", Ok(_)) => parts.steps.steps() == 16,
            // Bound by proof and chain, not by policy.
            ("public_values" | "state_after" | "tokens", Ok(_)) => true,
            _ => false,
        };
        assert!(fits, "{field}: {result:?}");
        seen.insert(field);
    }
    assert_eq!(seen, BTreeSet::from(common::DECODER_FIELDS));
}

#[test]
fn decoders_begin_before_the_end_of_their_prompt() {
    let mut parts = decoder_policy().parts();
    // The tokens before the first step are the model's prefix.
    parts.steps = StepRange::new(4, 62).unwrap();
    assert!(AcceptancePolicy::new(parts.clone()).is_ok());
    parts.steps = StepRange::new(5, 61).unwrap();
    assert_eq!(
        AcceptancePolicy::new(parts),
        Err(PolicyError::DecoderBegin {
            expected: 5,
            got: 5
        })
    );
    // A chain that begins later is refused, whatever its first state.
    let mut late = decoder_segment(16, 16);
    late.state_before = state(0);
    let late = ChainStatement::of([&statement(late)]).unwrap();
    assert!(matches!(
        decoder_policy().check_chain(&late, None),
        Err(PolicyMismatch::ChainSteps { .. })
    ));
}

#[test]
fn a_decoder_that_does_not_go_with_the_rest_is_refused() {
    type Change = fn(&mut AcceptancePolicyParts);
    let changes: [Change; 8] = [
        |it| it.terms.decoder = None,
        |it| it.terms.model = ModelIdentity::TraceOnly,
        |it| it.terms.shape = shape(attention(4, 4, 64), 66, 16),
        |it| it.terms.shape = shape(attention(4, 2, 64), 129, 16),
        |it| it.terms.quantization = common::quantization(10, 345, None),
        |it| it.terms.quantization = common::quantization(11, 345, Some([1.0, 2.0, 3.0])),
        |it| it.terms.rounding = Rounding::Floor,
        |it| it.terms.decoder.as_mut().unwrap().prompt = common::prompt(67),
    ];
    for change in changes {
        let mut parts = decoder_policy().parts();
        change(&mut parts);
        // The same reason as for a statement with these fields.
        let mut same = decoder_segment(0, 16);
        same.terms = parts.terms.clone();
        let reason = SegmentStatement::new(same).unwrap_err();
        assert_eq!(
            AcceptancePolicy::new(parts),
            Err(PolicyError::Terms(reason))
        );
    }
}

#[test]
fn every_field_has_its_own_refusal() {
    let policy = policy();
    let mut seen = BTreeSet::new();
    for (field, parts) in variations(&segment(2, 16)) {
        let result = policy.check_segment(&statement(parts.clone()));
        let fits = match (field, &result) {
            ("relation_version", Err(PolicyMismatch::RelationVersion { got, .. })) => {
                *got == parts.terms.relation_version
            }
            ("relation_digest", Err(PolicyMismatch::RelationDigest { got, .. })) => {
                *got == parts.terms.relation_digest
            }
            ("domain", Err(PolicyMismatch::Domain { got, .. })) => *got == parts.terms.domain,
            ("security", Err(PolicyMismatch::WeakerSecurity { got, .. })) => {
                got.level() < SecurityLevel::Proven100
            }
            ("security", Err(PolicyMismatch::Security { got, .. })) => {
                got.level() >= SecurityLevel::Proven100 && *got == parts.terms.security
            }
            ("model", Err(PolicyMismatch::Model { got, .. })) => *got == parts.terms.model,
            ("quantization", Err(PolicyMismatch::Quantization { got, .. })) => {
                *got == parts.terms.quantization
            }
            ("rounding", Err(PolicyMismatch::Rounding { got, .. })) => *got == parts.terms.rounding,
            ("table", Err(PolicyMismatch::Table { got, .. })) => *got == parts.terms.table,
            ("table_bounds", Err(PolicyMismatch::TableBounds { got, .. })) => {
                *got == parts.terms.table_bounds
            }
            ("shape", Err(PolicyMismatch::Shape { got, .. })) => *got == parts.terms.shape,
            // Lengths 15 are proven by no circuit; every other change of the steps is a legal place for
            // a segment, which the chain accumulator checks.
            ("steps", Err(PolicyMismatch::SegmentLength { expected, got })) => {
                *expected == [4, 12, 16] && *got == 15
            }
            ("steps", Ok(_)) => parts.steps.steps() == 16,
            ("state_before", Err(PolicyMismatch::FirstState { got, .. })) => {
                *got == parts.state_before
            }
            ("cut", Err(PolicyMismatch::Cut { expected, got })) => {
                (*expected, *got) == (Cut::Fused, Cut::Split)
            }
            // Bound by proof and chain, not by policy.
            ("public_values" | "state_after", Ok(_)) => true,
            _ => false,
        };
        assert!(fits, "{field}: {result:?}");
        seen.insert(field);
    }
    assert_eq!(seen, BTreeSet::from(common::FIELDS));
}

#[test]
fn mismatches_say_what_was_expected_and_what_came() {
    let policy = policy();
    let mut kinds = std::collections::HashSet::new();
    let mut lines = Vec::new();
    let mut note = |mismatch: PolicyMismatch| {
        // The first of every kind.
        if kinds.insert(std::mem::discriminant(&mismatch)) {
            lines.push(mismatch.to_string());
        }
    };
    for (_, parts) in variations(&segment(2, 16)) {
        if let Err(mismatch) = policy.check_segment(&statement(parts)) {
            note(mismatch);
        }
    }
    let decoder = decoder_policy();
    for (_, parts) in variations(&decoder_segment(0, 16)) {
        if let Err(mismatch) = decoder.check_segment(&statement(parts)) {
            note(mismatch);
        }
    }
    let mut without = decoder_segment(0, 16).terms;
    without.decoder = None;
    note(decoder.check_terms(&without).unwrap_err());
    note(policy.check_chain(&chain_of(&[(2, 16)]), None).unwrap_err());
    let short = ChainStatement::of([&statement(decoder_segment(0, 16))]).unwrap();
    note(ending_policy().check_chain(&short, None).unwrap_err());
    let mut narrow = policy.parts();
    narrow.steps = StepRange::new(18, 48).unwrap();
    let narrow = AcceptancePolicy::new(narrow).unwrap();
    note(
        narrow
            .check_segment(&statement(segment(2, 16)))
            .unwrap_err(),
    );
    assert_eq!(lines.len(), 23);
    insta::assert_snapshot!("mismatches", lines.join("\n"));
}

#[test]
fn insecure_proofs_are_accepted_only_where_the_policy_names_them() {
    let insecure = Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap();
    let mut parts = segment(2, 16);
    parts.terms.security = insecure;
    let weak = statement(parts);
    for level in [SecurityLevel::Conjectured100, SecurityLevel::Proven100] {
        for profile in Profile::ALL {
            let mut parts = policy().parts();
            parts.terms.security = Security::new(level, profile).unwrap();
            let expected = parts.terms.security;
            assert_eq!(
                AcceptancePolicy::new(parts).unwrap().check_segment(&weak),
                Err(PolicyMismatch::WeakerSecurity {
                    expected,
                    got: insecure
                })
            );
        }
    }
    let mut parts = policy().parts();
    parts.terms.security = insecure;
    let named = AcceptancePolicy::new(parts).unwrap();
    assert_eq!(named.check_segment(&weak), Ok(vec![root(16)]));
    // And then nothing else: a policy pins its level exactly.
    assert!(matches!(
        named.check_segment(&statement(segment(2, 16))),
        Err(PolicyMismatch::Security { .. })
    ));
    // Proofs by the theorem of lists are weaker than those by unique decoding.
    let mut parts = policy().parts();
    parts.terms.security = Security::new(SecurityLevel::Proven100Unique, Profile::Compact).unwrap();
    assert!(matches!(
        AcceptancePolicy::new(parts)
            .unwrap()
            .check_segment(&statement(segment(2, 16))),
        Err(PolicyMismatch::WeakerSecurity { .. })
    ));
}

#[test]
fn segments_outside_of_the_chain_are_refused() {
    let mut parts = policy().parts();
    parts.steps = StepRange::new(10, 48).unwrap();
    parts.first_state = state(10);
    let policy = AcceptancePolicy::new(parts).unwrap();
    assert_eq!(
        policy.check_segment(&statement(segment(10, 16))),
        Ok(vec![root(16)])
    );
    for before in [2, 9, 43, 50] {
        assert_eq!(
            policy.check_segment(&statement(segment(before, 16))),
            Err(PolicyMismatch::StepsOutside {
                expected: StepRange::new(10, 48).unwrap(),
                got: StepRange::new(before, 16).unwrap()
            })
        );
    }
}

#[test]
fn truncated_chains_are_refused() {
    let policy = policy();
    let expected = StepRange::new(2, 64).unwrap();
    let short = chain_of(&[(2, 16), (18, 16), (34, 16), (50, 12)]);
    assert_eq!(
        policy.check_chain(&short, None),
        Err(PolicyMismatch::ChainSteps {
            expected,
            got: StepRange::new(2, 60).unwrap()
        })
    );
    let beheaded = chain_of(&[(18, 16), (34, 16), (50, 12), (62, 4)]);
    assert_eq!(
        policy.check_chain(&beheaded, None),
        Err(PolicyMismatch::FirstState {
            expected: state(2),
            got: state(18)
        })
    );
    // The right first state does not help a chain that begins late.
    let mut late = segment(18, 16);
    late.state_before = state(2);
    let late = ChainStatement::of([&statement(late)]).unwrap();
    assert!(matches!(
        policy.check_chain(&late, None),
        Err(PolicyMismatch::ChainSteps { .. })
    ));
}

#[test]
fn chains_are_checked_for_their_shared_terms_too() {
    shared_terms_are_checked(&policy(), &segment(2, 16));
    shared_terms_are_checked(&decoder_policy(), &decoder_segment(0, 16));
}

fn shared_terms_are_checked(policy: &AcceptancePolicy, base: &SegmentStatementParts) {
    for (field, parts) in variations(base) {
        if field == "decoder.groups" {
            // A segment of several parts, whose weights are others: see `groups.rs`.
            continue;
        }
        let chain = ChainStatement::of([&statement(parts)]).unwrap();
        let error = policy.check_chain(&chain, None).unwrap_err();
        let about_steps = matches!(error, PolicyMismatch::ChainSteps { .. });
        let own = ["steps", "public_values", "state_after", "cut", "tokens"].contains(&field);
        assert_eq!(about_steps, own, "{field}: {error}");
    }
}

fn split_circuits(steps: u32) -> [PolicyCircuit; 2] {
    let with = |part, root_of| PolicyCircuit {
        part,
        preprocessed_root: root(root_of),
        ..circuit(steps)
    };
    [
        with(ProofPart::Lookup, steps + 200),
        with(ProofPart::Arithmetic, steps + 100),
    ]
}

#[test]
fn each_length_is_accepted_in_the_ways_that_have_circuits() {
    let mut parts = policy().parts();
    // Both ways for 16 steps, split alone for 12, fused alone for 4.
    parts.circuits = [circuit(16), circuit(4)]
        .into_iter()
        .chain(split_circuits(16))
        .chain(split_circuits(12))
        .collect();
    let policy = AcceptancePolicy::new(parts).unwrap();
    let check = |before, steps, cut| {
        let mut parts = segment(before, steps);
        parts.cut = cut;
        policy.check_segment(&statement(parts))
    };
    let split = SegmentCut::Split(PortCommitment::from_bytes([9; 32]));
    let split_roots = |steps: u32| vec![root(steps + 100), root(steps + 200)];
    assert_eq!(check(2, 16, SegmentCut::Fused), Ok(vec![root(16)]));
    assert_eq!(check(2, 16, split), Ok(split_roots(16)));
    assert_eq!(check(50, 12, split), Ok(split_roots(12)));
    assert_eq!(
        check(50, 12, SegmentCut::Fused),
        Err(PolicyMismatch::Cut {
            expected: Cut::Split,
            got: Cut::Fused
        })
    );
    assert_eq!(
        check(62, 4, split),
        Err(PolicyMismatch::Cut {
            expected: Cut::Fused,
            got: Cut::Split
        })
    );
    assert_eq!(
        check(2, 15, split),
        Err(PolicyMismatch::SegmentLength {
            expected: vec![4, 12, 16],
            got: 15
        })
    );
}

#[test]
fn half_of_the_circuits_of_split_segments_is_refused() {
    for (index, expected) in [(0, ProofPart::Arithmetic), (1, ProofPart::Lookup)] {
        let mut parts = policy().parts();
        let half = split_circuits(16)[index];
        parts.circuits.push(half);
        assert_eq!(
            AcceptancePolicy::new(parts),
            Err(PolicyError::HalfCircuit {
                expected,
                got: half.part,
                steps: 16
            })
        );
    }
}

#[test]
fn policies_that_accept_nothing_are_refused() {
    let change = |edit: fn(&mut AcceptancePolicyParts)| {
        let mut parts = policy().parts();
        edit(&mut parts);
        AcceptancePolicy::new(parts)
    };
    assert_eq!(
        change(|parts| parts.circuits.clear()),
        Err(PolicyError::NoCircuits)
    );
    assert_eq!(
        change(|parts| parts.circuits.push(circuit(12))),
        Err(PolicyError::DuplicateCircuit {
            group: 0,
            part: ProofPart::Whole,
            got: 12
        })
    );
    for got in [0, 17] {
        let mut parts = policy().parts();
        parts.circuits.push(circuit(got));
        assert_eq!(
            AcceptancePolicy::new(parts),
            Err(PolicyError::CircuitSteps { expected: 16, got })
        );
    }
    assert_eq!(
        change(|parts| parts.steps = StepRange::new(3, 64).unwrap()),
        Err(PolicyError::Terms(StatementError::EntriesAboveCapacity {
            expected: 66,
            got: 67
        }))
    );
    assert!(matches!(
        change(|parts| parts.terms.shape = shape(attention(4, 2, 64), 1 << 15, 16)),
        Err(PolicyError::Terms(StatementError::Quantity(
            QuantError::TooManyEntries { .. }
        )))
    ));
}

#[cfg(feature = "std")]
mod file {
    use super::*;
    use common::quantization;
    use matchmark_statement::VerifierDomain;
    use proptest::prelude::*;

    #[test]
    fn file_is_pinned() {
        insta::assert_snapshot!("policy_file", policy().to_toml());
        insta::assert_snapshot!("decoder_policy_file", ending_policy().to_toml());
    }

    fn round_trip(parts: AcceptancePolicyParts) {
        let policy = AcceptancePolicy::new(parts).unwrap();
        assert_eq!(AcceptancePolicy::from_toml(&policy.to_toml()), Ok(policy));
    }

    #[test]
    fn files_read_back_to_the_same_policy() {
        round_trip(policy().parts());
        round_trip(decoder_policy().parts());
        round_trip(ending_policy().parts());
        let mut parts = policy().parts();
        parts.terms.quantization = quantization(12, 7, None);
        parts.terms.domain =
            VerifierDomain::new(r#"'quoted" \ {x} # = """ '''"#, [0xab; 16]).unwrap();
        round_trip(parts);
        for level in SecurityLevel::ALL {
            let mut parts = policy().parts();
            parts.terms.security = Security::new(level, Profile::Compact).unwrap();
            round_trip(parts);
        }
    }

    #[test]
    fn unknown_and_missing_fields_are_refused_everywhere() {
        assert_eq!(checked_fields(&policy().to_toml()), 34);
        assert_eq!(checked_fields(&ending_policy().to_toml()), 47);
    }

    /// Adds and removes a field at every line, and counts the fields.
    fn checked_fields(text: &str) -> usize {
        let lines: Vec<&str> = text.lines().collect();
        let mut fields = 0;
        for (index, line) in lines.iter().enumerate() {
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            // One more field after this line, in whichever section it is.
            let mut more = lines.clone();
            more.insert(index + 1, "unknown = 1");
            let error = AcceptancePolicy::from_toml(&more.join("\n")).unwrap_err();
            assert!(
                matches!(&error, PolicyError::File { reason } if reason.contains("unknown")),
                "{line}: {error}"
            );
            // This line left out.
            if !line.starts_with('[') {
                let mut fewer = lines.clone();
                fewer.remove(index);
                let error = AcceptancePolicy::from_toml(&fewer.join("\n")).unwrap_err();
                // Without its tokens a decoder's policy has none.
                let expected = match line.starts_with("prompt = [") {
                    true => matches!(error, PolicyError::PromptLength { got: 0, .. }),
                    false => matches!(error, PolicyError::File { .. }),
                };
                assert!(expected, "{line}: {error}");
                fields += 1;
            }
        }
        fields
    }

    #[test]
    fn values_outside_of_their_ranges_are_refused() {
        let text = policy().to_toml();
        for (from, to) in [
            ("value_bits = 8", "value_bits = 13"),
            ("score_step = 345", "score_step = 0"),
            ("query_heads = 4", "query_heads = 3"),
            ("steps = 64", "steps = 65"),
            ("steps = 64", "steps = 0"),
            ("segment_steps = 16", "segment_steps = 67"),
            ("max_weight = 4096", "max_weight = 0"),
            ("rounding = \"nearest\"", "rounding = \"up\""),
            ("profile = \"compact\"", "profile = \"small\""),
            ("level = \"proven-100\"", "level = \"default\""),
            ("q = 0.03125", "q = -1.0"),
            ("q = 0.03125", "q = nan"),
            ("digest = \"11", "digest = \"1"),
            ("nonce = \"22", "nonce = \"2G"),
            ("application = \"example", "application = \"caf\u{e9}"),
            ("steps = 12", "steps = 16"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(AcceptancePolicy::from_toml(&changed).is_err(), "{to}");
        }
        let text = ending_policy().to_toml();
        for (from, to) in [
            ("prompt = 5", "prompt = 0"),
            ("prompt = 5", "prompt = 67"),
            ("prompt = [7, 0, ", "prompt = [7, "),
            ("prompt = [7, 0, ", "prompt = [7, 0, 0, "),
            ("prompt = [7, ", "prompt = [-7, "),
            ("end_tokens = [3, 9]", "end_tokens = [9, 3]"),
            ("end_tokens = [3, 9]", "end_tokens = [3, 3]"),
            ("end_tokens = [3, 9]", "end_tokens = [3, 1000]"),
            ("end_tokens = [3, 9]", "end_tokens = 3"),
            ("layers = 2", "layers = 1"),
            ("layers = 2", "layers = 0"),
            ("positions = 128", "positions = 65"),
            ("rotation = 13", "rotation = 15"),
            ("identity = \"77", "identity = \"7"),
            ("weights = \"88", "weights = \"8"),
            ("part = \"whole\"", "part = \"lookup\""),
            ("part = \"whole\"", "part = \"decoder\""),
            ("entries_before = 0", "entries_before = 5"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(AcceptancePolicy::from_toml(&changed).is_err(), "{to}");
        }
        // The insecure level has no profile but its own.
        let text = policy().to_toml();
        let changed = text
            .replacen("level = \"proven-100\"", "level = \"insecure-13\"", 1)
            .replacen("profile = \"compact\"", "profile = \"fast\"", 1);
        assert!(AcceptancePolicy::from_toml(&changed).is_err());
    }

    #[test]
    fn other_formats_are_refused_by_number() {
        let text = policy().to_toml();
        let later = text.replacen("format = 11", "format = 12\nlater = true", 1);
        assert_eq!(
            AcceptancePolicy::from_toml(&later),
            Err(PolicyError::Format {
                expected: 11,
                got: 12
            })
        );
        for got in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] {
            let earlier = text.replacen("format = 11", &format!("format = {got}"), 1);
            assert_eq!(
                AcceptancePolicy::from_toml(&earlier),
                Err(PolicyError::Format { expected: 11, got })
            );
        }
        for bad in ["", "format = \"1\"", "= 1", "format = 11\nformat = 11"] {
            assert!(matches!(
                AcceptancePolicy::from_toml(bad),
                Err(PolicyError::File { .. })
            ));
        }
    }

    proptest! {
        #[test]
        fn scales_and_names_survive_the_file(
            q in 1_u64..0x7ff0_0000_0000_0000,
            k in 1_u64..0x7ff0_0000_0000_0000,
            v in 1_u64..0x7ff0_0000_0000_0000,
            name in "[ -~]{1,64}",
            nonce: [u8; 16],
        ) {
            let mut parts = policy().parts();
            parts.terms.quantization = quantization(8, 345, Some([q, k, v].map(f64::from_bits)));
            parts.terms.domain = VerifierDomain::new(name, nonce).unwrap();
            round_trip(parts);
        }
    }
}
