//! Long contexts, whose values have two digits: proven, verified, and what the carry between the digits refuses.

use matchmark_air::layout::LaneChoice;
use std::collections::BTreeSet;

use matchmark_hostile::cases::{carry_is_bounded, insecure, Spec};
use matchmark_hostile::checker::{tuple_labels, Drop};
use matchmark_hostile::digits::{entry_of_other_digits, numerator_that_wraps};
use matchmark_hostile::forge::{Forge, Forged};
use matchmark_hostile::gadgets::Part;
use matchmark_hostile::proving::{honest, outcome, Outcome};
use matchmark_hostile::reduced::{prove, verify, verify_as_stated, Claimed, Setup};
use matchmark_hostile::refusal::BALANCE;
use matchmark_hostile::world::World;
use matchmark_prover::{ModelChain, SegmentProver};
use matchmark_quant::{CacheCapacity, Rounding};
use matchmark_statement::Cut;
use matchmark_tables::{Rational, WeightTable};
use matchmark_verifier::{verify_segment, SegmentFile, VerifyError};

use super::decoder;

/// The last four of 2,048 entries, with the table that 11-bit values have: four times as long as whole values
/// allow.
fn long() -> Spec {
    Spec {
        name: "long",
        heads: [2, 1, 4],
        capacity: 2048,
        segment_steps: 4,
        entries_before: 2044,
        steps: 4,
        bits: 11,
        score_step: 700,
        rounding: Rounding::NearestTiesUp,
        table: WeightTable::exponential(Rational::new(1, 128).unwrap(), 11, 2048).unwrap(),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// The same with weights so small that values are carried whole.
fn whole() -> Spec {
    let entries = long().table.entries().to_vec();
    let entries: Vec<u32> = entries.iter().map(|weight| (weight / 5).max(1)).collect();
    Spec {
        name: "whole",
        table: matchmark_hostile::cases::table(&entries),
        ..long()
    }
}

#[test]
fn long_contexts_are_proven() {
    for cut in Cut::ALL {
        for rounding in [Rounding::NearestTiesUp, Rounding::Floor] {
            let spec = Spec {
                cut,
                rounding,
                ..long()
            };
            let case = spec.case();
            assert!(case.layout.digits().is_some() && carry_is_bounded(&case));
            let (claim, forged) = honest(&case, 5);
            assert!(forged.is_true());
            assert_eq!(forged.failures(), BTreeSet::new());
            assert_eq!(
                claim.outcome(&forged),
                Outcome::Accepted,
                "{cut} {rounding}"
            );
        }
    }
}

/// A chain whose cache is still short is of its capacity all the same, and so are its digits.
#[test]
fn long_chains_begin_with_short_caches() {
    for entries_before in [0, 1, 500] {
        let spec = Spec {
            entries_before,
            ..long()
        };
        let (claim, forged) = honest(&spec.case(), 7);
        assert_eq!(
            claim.outcome(&forged),
            Outcome::Accepted,
            "{entries_before}"
        );
    }
}

/// At the limits of what two digits allow: sums as large as they get, in both directions, and as far apart as
/// their digits get.
#[test]
fn the_heaviest_shapes_hold() {
    for (bits, capacity, weight) in [
        (8, 5, 13_421_670),
        (8, 16_383, 4096),
        (11, 8252, 2048),
        (12, 3, 5_592_362),
        (12, 8191, 2048),
    ] {
        let limit = (1_i16 << (bits - 1)) - 1;
        for rounding in [Rounding::NearestTiesUp, Rounding::Floor] {
            let spec = Spec {
                heads: [1, 1, 1],
                capacity,
                segment_steps: 1,
                entries_before: capacity - 1,
                steps: 1,
                bits,
                score_step: 5000,
                rounding,
                table: matchmark_hostile::cases::table(&[weight, 1]),
                ..long()
            };
            let case = spec.case();
            for [even, odd] in [
                [limit, limit],
                [-limit, -limit],
                [limit, -limit],
                [-1, 0],
                [31, -32],
            ] {
                let values = [even, odd].into_iter().cycle();
                let world = World {
                    q: vec![0],
                    k: vec![0],
                    v: vec![odd],
                    prefix_k: vec![0; capacity as usize - 1],
                    prefix_v: values.take(capacity as usize - 1).collect(),
                };
                let honest = Forge::new(&case, &world).finish(&Drop::Nothing);
                let shape =
                    format!("{bits} bits, {capacity} of {weight}, {rounding}, {even} {odd}");
                assert!(honest.is_true(), "{shape}");
                assert_eq!(honest.failures(), BTreeSet::new(), "{shape}");
            }
        }
    }
}

/// What digits cost: the same segment with values carried whole, column by column.
#[test]
fn digits_cost_a_few_columns() {
    let sizes = [whole(), long()].map(|spec| {
        let case = spec.case();
        let layout = &case.layout;
        let structures =
            matchmark_verifier::structure::ProofStructure::all(layout, case.terms.security)
                .unwrap();
        let columns = |name: &str| {
            let of_name = structures[0].components().iter();
            of_name
                .filter(|it| it.name == name)
                .map(|it| it.columns)
                .sum::<usize>()
        };
        ["vectors", "scores", "cache", "tables"].map(columns)
    });
    insta::assert_compact_debug_snapshot!(sizes);
}

/// The place of a lookup of the vectors component.
fn lookup(spec: &Spec, label: &str) -> Drop {
    let labels = tuple_labels(&spec.case()).into_iter();
    let mut labels = labels.filter(|it| it.3 == label);
    let (component, index, ..) = labels.next().unwrap();
    Drop::Tuple { component, index }
}

/// Another output for a step of 2,048 entries of full weight: its numerator is the true one modulo `p`. Without
/// one of the lookups of the carry a proof of it is made and accepted, with it the same is refused.
#[test]
fn a_numerator_that_wraps_is_refused_by_the_carry_alone() {
    let spec = long();
    let case = spec.case();
    let setup = Setup::new(&case);
    for (label, part) in [
        ("carry low", Part::Low),
        ("carry high", Part::High),
        ("carry top bound", Part::TopBound),
    ] {
        let drop = lookup(&spec, label);
        let is_refused = |forged: &Forged| forged.failures() == BTreeSet::from(["limb range"]);
        let mounted = (0..40)
            .filter_map(|seed| numerator_that_wraps(&case, seed, part))
            .map(|forge: Forge| forge.finish(&drop))
            .find(is_refused);
        let forged = mounted.unwrap_or_else(|| panic!("{label}: no forgery"));
        assert!(!forged.is_true(), "{label}");

        let claimed = Claimed::of(&setup, &forged);
        let reduced = prove(&claimed, &drop).unwrap();
        assert_eq!(verify(&claimed, &drop, &reduced), Ok(()), "{label}");
        let values = claimed.values.as_ref().unwrap();
        let refused = verify_as_stated(&claimed, values, &reduced);
        assert_eq!(
            refused,
            Err(VerifyError::ConstraintsNotSatisfied),
            "{label}"
        );
        // What the prover of the whole relation makes of it.
        assert_eq!(outcome(&forged).name(), BALANCE, "{label}");
    }
}

/// The honest outputs of the same world are the only ones: no digits of an entry make up for others.
#[test]
fn digits_of_an_entry_are_those_of_its_value() {
    let spec = Spec {
        heads: [2, 2, 4],
        ..long()
    };
    let case = spec.case();
    let forge = (0..40).find_map(|seed| entry_of_other_digits(&case, seed));
    let forged = forge.unwrap().finish(&Drop::Nothing);
    assert!(!forged.is_true());
    assert_eq!(forged.failures(), BTreeSet::from(["value digits"]));
    assert_eq!(outcome(&forged).name(), BALANCE);
}

/// A decoder of 2,048 positions, from tokens to tokens, fused and split.
#[test]
fn a_decoder_of_long_contexts_is_proven() {
    let model = decoder::model_of_positions(5, 2048, 11);
    let chain = ModelChain {
        capacity: CacheCapacity::new(2048).unwrap(),
        ..decoder::decisions()
    };
    let prover = SegmentProver::for_model(chain, model).unwrap();
    let layout = prover.terms().layout(4).unwrap();
    assert!(layout.digits().is_some() && layout.decoder().is_some());
    for cuts in [[Cut::Fused; 3], [Cut::Split, Cut::Fused, Cut::Split]] {
        let segments = decoder::chain(&prover, cuts);
        let files: Vec<_> = segments.iter().map(|segment| &segment.file).collect();
        let policy = decoder::policy(&prover, &files);
        for file in files {
            let file = SegmentFile::decode(&file.encode().unwrap()).unwrap();
            let verified = verify_segment(&file, &policy);
            assert!(verified.is_ok(), "{:?}", verified.err());
        }
    }
}
