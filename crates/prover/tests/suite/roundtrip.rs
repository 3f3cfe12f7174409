//! Honest claims are accepted, whatever their shape, and their bytes are what the format says: the
//! same for the same input, and the same again after reading and writing.

use matchmark_air::layout::LaneChoice;
use matchmark_air::trees::Tree;
use matchmark_hostile::bytes::{attempt, Sample};
use matchmark_hostile::cases::{all, fast, insecure, narrow, table, Spec};
use matchmark_hostile::forge::Forge;
use matchmark_hostile::proving::{honest, Outcome};
use matchmark_hostile::world::{rules, World};
use matchmark_hostile::Rng;
use matchmark_quant::Rounding;
use matchmark_runtime::{execute_segment, SegmentInputs};
use matchmark_statement::{Cut, Profile, Security, SecurityLevel};
use matchmark_tables::WeightTable;
use matchmark_verifier::{SegmentFile, SegmentProof};

/// One shape of the grid: heads, `[capacity, segment steps, entries before, steps]`, bits, `D`.
fn spec(
    heads: [u32; 3],
    sizes: [u32; 4],
    bits: u8,
    score_step: u32,
    rounding: Rounding,
    table: WeightTable,
) -> Spec {
    let [capacity, segment_steps, entries_before, steps] = sizes;
    Spec {
        name: "grid",
        heads,
        capacity,
        segment_steps,
        entries_before,
        steps,
        bits,
        score_step,
        rounding,
        table,
        security: insecure(),
        cut: Cut::Fused,
        lanes: LaneChoice::FewestCells,
    }
}

fn grid() -> Vec<Spec> {
    use Rounding::{Floor, NearestTiesUp};
    let exp = WeightTable::exp256_default;
    let essay = WeightTable::essay9;
    let long: Vec<u32> = (0..500).map(|i| 4096 - 8 * i).collect();
    vec![
        // Grouped heads, one and two lanes, an empty place in the second lane.
        spec([4, 2, 8], [6, 3, 3, 3], 8, 40, NearestTiesUp, exp()),
        spec([3, 1, 4], [5, 2, 3, 2], 8, 40, Floor, exp()),
        spec([6, 3, 4], [5, 2, 3, 2], 8, 40, NearestTiesUp, exp()),
        spec([5, 5, 2], [4, 2, 2, 2], 8, 40, NearestTiesUp, exp()),
        // Odd and extreme dimensions.
        spec([2, 1, 5], [6, 3, 3, 3], 8, 17, NearestTiesUp, exp()),
        spec([1, 1, 1], [6, 3, 3, 3], 8, 17, NearestTiesUp, exp()),
        spec([1, 1, 32], [1, 1, 0, 1], 8, 17, NearestTiesUp, exp()),
        spec([2, 2, 64], [1, 1, 0, 1], 8, 17, Floor, exp()),
        // No prefix; one step; one score in all.
        spec([2, 2, 4], [4, 4, 0, 4], 8, 9, NearestTiesUp, exp()),
        spec([2, 2, 4], [9, 1, 8, 1], 8, 9, NearestTiesUp, exp()),
        spec([1, 1, 4], [1, 1, 0, 1], 8, 9, Floor, exp()),
        // Segments in the middle of a capacity, and shorter than the longest of their chain.
        spec([2, 2, 4], [20, 5, 10, 5], 8, 9, NearestTiesUp, exp()),
        spec([2, 2, 4], [13, 5, 10, 3], 8, 9, NearestTiesUp, exp()),
        spec([4, 2, 4], [11, 5, 10, 1], 8, 9, Floor, exp()),
        // Value widths.
        spec([2, 2, 4], [6, 3, 3, 3], 4, 1, Floor, essay()),
        spec([2, 2, 4], [6, 3, 3, 3], 12, 6000, NearestTiesUp, exp()),
        spec([2, 2, 4], [6, 3, 3, 3], 5, 3, NearestTiesUp, exp()),
        // Tables: the essay's rows, two entries, one so long that nothing clips, zero weights.
        spec([2, 2, 8], [6, 3, 3, 3], 8, 1, Floor, essay()),
        spec(
            [2, 2, 4],
            [6, 3, 3, 3],
            8,
            300,
            NearestTiesUp,
            table(&[7, 1]),
        ),
        spec([2, 2, 4], [6, 3, 3, 3], 8, 300, Floor, table(&long)),
        spec(
            [2, 2, 4],
            [6, 3, 3, 3],
            8,
            3000,
            NearestTiesUp,
            table(&[1, 0, 0]),
        ),
        spec(
            [2, 2, 4],
            [6, 3, 3, 3],
            8,
            3000,
            NearestTiesUp,
            table(&[1, 900, 3]),
        ),
    ]
}

fn check(spec: &Spec, seed: u64) {
    let case = spec.case();
    let (claim, forged) = honest(&case, seed);
    assert!(forged.is_true(), "{spec:?}");
    assert_eq!(
        claim.outcome(&forged),
        Outcome::Accepted,
        "{spec:?}, seed {seed}"
    );
}

#[test]
fn every_shape_of_the_grid_verifies() {
    for (index, spec) in grid().iter().chain(&all()).enumerate() {
        for seed in 0..2 {
            check(spec, 100 * index as u64 + seed);
        }
    }
}

/// Positions stand side by side where a chain is long, in one proof and in two.
#[test]
fn lanes_of_scores_are_proven() {
    let exp = WeightTable::exp256_default();
    let sizes = [260, 260, 120, 9];
    let fused = spec([6, 2, 8], sizes, 8, 40, Rounding::NearestTiesUp, exp);
    for cut in Cut::ALL {
        let spec = Spec {
            cut,
            ..fused.clone()
        };
        assert_eq!(spec.case().layout.score_lanes(), 2);
        check(&spec, 7);
    }
}

#[test]
fn every_level_verifies() {
    for (level, profile) in [
        (SecurityLevel::Conjectured100, Profile::Compact),
        (SecurityLevel::Conjectured100, Profile::Fast),
        (SecurityLevel::Proven100, Profile::Fast),
    ] {
        for mut spec in [grid()[0].clone(), grid()[6].clone(), narrow()] {
            spec.security = Security::new(level, profile).unwrap();
            check(&spec, 7);
        }
    }
}

/// Every height of the tallest component modulo the folding of the low-degree test.
#[test]
fn every_height_verifies() {
    for (dim, steps) in [(16, 16), (64, 32), (64, 60), (128, 60)] {
        let mut spec = spec(
            [4, 2, dim],
            [steps, steps, 0, steps],
            8,
            200,
            Rounding::NearestTiesUp,
            WeightTable::exp256_default(),
        );
        for security in [insecure(), fast()] {
            spec.security = security;
            check(&spec, 5);
        }
        println!("{:?}", spec.case().layout.log_rows());
    }
}

#[test]
fn random_shapes_verify() {
    let mut rng = Rng(77);
    let mut proven = 0;
    while proven < 40 {
        let kv = 1 + rng.below(4) as u32;
        let heads = [kv * (1 + rng.below(3) as u32), kv, 1 + rng.below(9) as u32];
        let steps = 1 + rng.below(4) as u32;
        let segment_steps = steps + rng.below(3) as u32;
        let before = rng.below(6) as u32;
        let capacity = (before + steps).max(segment_steps) + rng.below(4) as u32;
        let rounding = if rng.below(2) == 0 {
            Rounding::Floor
        } else {
            Rounding::NearestTiesUp
        };
        let entries: Vec<u32> = (0..2 + rng.below(40))
            .map(|_| 1 + rng.below(4096) as u32)
            .collect();
        let log_step = 1 + rng.below(14);
        let score_step = 1 + rng.below(1 << log_step) as u32;
        let bits = 4 + rng.below(9) as u8;
        let sizes = [capacity, segment_steps, before, steps];
        let spec = spec(heads, sizes, bits, score_step, rounding, table(&entries));
        if spec.try_case().is_err() {
            continue;
        }
        check(&spec, rng.next_u64());
        proven += 1;
    }
}

/// The executor of these tests and the plain reference agree, so that forgeries differ from honest
/// claims in what they forge alone.
#[test]
fn the_reference_agrees() {
    for spec in grid().iter().chain(&all()) {
        let case = spec.case();
        let world = World::random(&case, 11);
        let (before, after) = world.caches(&case);
        let inputs = SegmentInputs::new(
            case.layout.shape().attention(),
            case.layout.value_bits(),
            case.steps,
            world.q.clone(),
            world.k.clone(),
            world.v.clone(),
        )
        .unwrap();
        let (execution, expected) = execute_segment(&before, &inputs, &rules(&case)).unwrap();
        assert_eq!(execution, world.execute(&case), "{spec:?}");
        assert_eq!(expected, after);
    }
}

#[test]
fn bytes_are_canonical_and_deterministic() {
    for spec in all() {
        let case = spec.case();
        let (one, two) = (Sample::new(&case, 21), Sample::new(&case, 21));
        assert_eq!(one.bytes, two.bytes, "the same input gives the same bytes");
        let file = SegmentFile::decode(&one.bytes).unwrap();
        assert_eq!(file.encode().unwrap(), one.bytes);
        let proof = SegmentProof::decode(file.proof(), &one.structure).unwrap();
        assert_eq!(proof.encode(&one.structure).unwrap(), file.proof());
        assert_eq!(attempt(&one.bytes, &two.policy), Ok(()));
        assert_ne!(one.bytes, Sample::new(&case, 22).bytes);
    }
}

/// What the crate's own prover makes of an execution is what these tests make of it.
#[test]
fn the_provers_witness_is_the_one_under_attack() {
    for spec in all() {
        let case = spec.case();
        let (claim, forged) = honest(&case, 31);
        let execution = World::random(&case, 31).execute(&case);
        let input = matchmark_prover::SegmentInput {
            execution: &execution,
            before: &claim.before,
            after: &claim.after,
            cut: case.layout.cut(),
        };
        let proven = claim.prover.prove(&input).unwrap();
        let again = claim.prove(&forged).unwrap();
        assert_eq!(proven.file.encode().unwrap(), again.file.encode().unwrap());
        let honest = Forge::honest(&case, 31).witness;
        let (own, attacked) = (&honest.main, &forged.witness.main);
        assert_eq!(own.tree(Tree::Witness), attacked.tree(Tree::Witness));
    }
}
