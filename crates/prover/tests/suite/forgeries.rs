//! Honest claims of every case at two levels are accepted, and the one forgery that needs shapes of its
//! own. The others are the class `forgeries` of the hostile suite.

use matchmark_hostile::cases::{all, edges, fast, insecure, table, Spec};
use matchmark_hostile::checker::Drop;
use matchmark_hostile::forge::Forge;
use matchmark_hostile::gadgets::{self};
use matchmark_hostile::proving::{honest, outcome, Outcome};
use matchmark_hostile::refusal::BALANCE;
use matchmark_hostile::world::World;
use matchmark_quant::Rounding;
use matchmark_statement::Boundary;
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
/// so large that the field has room for it. The heaviest shape that does without a range check of the
/// rounding shift, and the next heavier one, are among those tried.
#[test]
fn rounding_wraps_the_modulus() {
    let (mut without, mut with, mut wrapped) = (0, 0, 0);
    for (bits, weight) in [
        (8, 2_700_000),
        (8, 1_406_342),
        (8, 1_406_341),
        (12, 174_000),
        (12, 87_414),
        (12, 87_413),
        (4, 16_000_000),
    ] {
        for rounding in [Rounding::NearestTiesUp, Rounding::Floor] {
            let Some(mut forge) = heavy_world(bits, weight, rounding) else {
                continue;
            };
            match forge.case.layout.rounding_shift() {
                None => without += 1,
                Some(_) => with += 1,
            }
            let Some((out, rem)) = gadgets::wrapped_output(&forge, (0, 0, 0)) else {
                continue;
            };
            wrapped += 1;
            let (denominator, _) = forge.sums(forge.run(0, 0));
            for c in 0..4 {
                forge.set_output((0, 0, c), denominator, out, rem);
            }
            let forged = forge.finish(&Drop::Nothing);
            assert!(!forged.is_true());
            assert_eq!(forged.failures(), BTreeSet::from(["limb range"]));
            let shape = format!("{bits} bits, weight {weight}, {rounding}: output {out}");
            assert_eq!(outcome(&forged).name(), BALANCE, "{shape}");
        }
    }
    assert!(
        without >= 9 && with >= 2 && wrapped >= 2,
        "{without}, {with}, {wrapped}"
    );
}

/// Three candidates of full weight whose values are all `M`; `None` if the shape is refused.
fn heavy_world(bits: u8, weight: u32, rounding: Rounding) -> Option<Forge> {
    let spec = Spec {
        name: "heavy weights",
        heads: [1, 1, 4],
        capacity: 3,
        segment_steps: 1,
        entries_before: 2,
        steps: 1,
        bits,
        score_step: 5000,
        rounding,
        table: table(&[weight, 1]),
        security: insecure(),
        boundary: Boundary::Fused,
    };
    let full = |len| vec![(1_i16 << (bits - 1)) - 1; len];
    let world = World {
        q: vec![0; 4],
        k: vec![0; 4],
        v: full(4),
        prefix_k: vec![0; 8],
        prefix_v: full(8),
    };
    Some(Forge::new(&spec.try_case().ok()?, &world))
}
