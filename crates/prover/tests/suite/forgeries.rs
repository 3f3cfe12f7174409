//! Honest claims of every case at two levels are accepted, and the one forgery that needs shapes of its
//! own. The others are the class `forgeries` of the hostile suite.

use matchmark_air::layout::LaneChoice;
use matchmark_hostile::cases::{all, edges, fast, insecure, table, Spec};
use matchmark_hostile::checker::Drop;
use matchmark_hostile::forge::Forge;
use matchmark_hostile::gadgets::{self};
use matchmark_hostile::proving::{honest, outcome, Outcome};
use matchmark_hostile::refusal::BALANCE;
use matchmark_hostile::world::World;
use matchmark_quant::Rounding;
use matchmark_statement::Cut;
use std::collections::BTreeSet;

#[test]
fn honest_claims_are_accepted() {
    for mut spec in all().into_iter().chain(edges()) {
        for security in [insecure(), fast()] {
            spec.security = security;
            let (claim, forged) = honest(&spec.case(), 3);
            assert_eq!(claim.outcome(&forged), Outcome::Accepted, "{}", spec.name);
        }
    }
}

/// The other solution of the division: `2 (N - o Z) + Z - r = p` instead of zero, for a denominator
/// so large that the field has room for it. Among the shapes are the heaviest that does without a range
/// check of the rounding shift and the next heavier one, the heaviest weights that the bound on numerators
/// allows three entries, and the longest caches that it allows the default weights.
#[test]
fn rounding_wraps_the_modulus() {
    let (mut without, mut with, mut wrapped) = (0, 0, 0);
    for (bits, capacity, weight) in [
        (8, 3, 2_796_202),
        (8, 3, 1_406_342),
        (8, 3, 1_406_341),
        (8, 2047, 4096),
        (11, 511, 2048),
        (12, 3, 174_762),
        (12, 3, 87_414),
        (12, 3, 87_413),
        (12, 255, 2048),
        (4, 3, 16_777_215),
    ] {
        for rounding in [Rounding::NearestTiesUp, Rounding::Floor] {
            let shape = format!("{bits} bits, {capacity} entries of {weight}, {rounding}");
            let honest = heavy_world(bits, capacity, weight, rounding).finish(&Drop::Nothing);
            assert!(honest.is_true() && honest.failures().is_empty(), "{shape}");
            let mut forge = heavy_world(bits, capacity, weight, rounding);
            match forge.case.layout.rounding_shift() {
                None => without += 1,
                Some(_) => with += 1,
            }
            let Some((out, rem)) = gadgets::wrapped_output(&forge, (0, 0, 0)) else {
                continue;
            };
            wrapped += 1;
            let (denominator, _) = forge.sums(forge.run(0, 0));
            for c in 0..forge.case.layout.head_dim() {
                forge.set_output((0, 0, c), denominator, out, rem);
            }
            let forged = forge.finish(&Drop::Nothing);
            assert!(!forged.is_true());
            assert_eq!(forged.failures(), BTreeSet::from(["limb range"]));
            assert_eq!(outcome(&forged).name(), BALANCE, "{shape}: output {out}");
        }
    }
    assert_eq!((without, with), (13, 7));
    assert!(wrapped >= 6, "{wrapped}");
}

/// What is heavier than the bound on numerators allows has values in two digits, and nothing is heavier than these
/// allow.
#[test]
fn heavier_shapes_have_digits_or_no_case() {
    for rounding in [Rounding::NearestTiesUp, Rounding::Floor] {
        for (bits, capacity, weight) in [
            (8, 3, 2_796_203),
            (8, 2048, 4096),
            (11, 512, 2048),
            (12, 3, 174_763),
            (12, 256, 2048),
        ] {
            let case = heavy(bits, capacity, weight, rounding).case();
            assert!(case.layout.digits().is_some(), "{bits} {capacity} {weight}");
        }
        for (bits, capacity, weight) in [
            (8, 5, 13_421_671),
            (8, 16_384, 4096),
            (11, 8253, 2048),
            (12, 3, 5_592_363),
            (12, 8192, 2048),
        ] {
            let spec = heavy(bits, capacity, weight, rounding);
            assert!(spec.try_case().is_err(), "{bits} {capacity} {weight}");
        }
    }
}

fn heavy(bits: u8, capacity: u32, weight: u32, rounding: Rounding) -> Spec {
    Spec {
        name: "heavy weights",
        heads: [1, 1, 1],
        capacity,
        segment_steps: 1,
        entries_before: capacity - 1,
        steps: 1,
        bits,
        score_step: 5000,
        rounding,
        table: table(&[weight, 1]),
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

/// Cache entries of full weight whose values are all `M`.
fn heavy_world(bits: u8, capacity: u32, weight: u32, rounding: Rounding) -> Forge {
    let full = |len| vec![(1_i16 << (bits - 1)) - 1; len];
    let before = capacity as usize - 1;
    let world = World {
        q: vec![0; 1],
        k: vec![0; 1],
        v: full(1),
        prefix_k: vec![0; before],
        prefix_v: full(before),
    };
    Forge::new(&heavy(bits, capacity, weight, rounding).case(), &world)
}
