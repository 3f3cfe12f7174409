//! Clipping that is held to its maximum exactly: the form of the excess gadget that only the widest
//! gaps need (12 bits, dimension 128). An honest segment is proven and verified, and each of the four
//! limb lookups is shown to be the only one that refuses some excess out of range.

use matchmark_air::column::field;
use matchmark_air::mock::{check, failures, MockFailure};
use matchmark_air::relation::RelationTag;
use matchmark_air::witness::SegmentWitness;
use matchmark_prover::{ChainTerms, SegmentInput, SegmentProver};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
    ScoreStep, SegmentSteps, StepRange, ValueBits,
};
use matchmark_runtime::{execute_segment, DecodeRules, KvCache, SegmentInputs};
use matchmark_statement::{
    AcceptancePolicy, ChainStatement, Cut, Profile, Security, SecurityLevel, SegmentShape,
    VerifierDomain,
};
use matchmark_tables::{Rational, WeightTable};
use matchmark_verifier::verify_segment;

const DIM: usize = 128;

fn values(seed: u64, len: usize) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i16::try_from(state % 4095).unwrap() - 2047
    };
    (0..len).map(|_| next()).collect()
}

fn terms() -> ChainTerms {
    let attention = AttentionShape::new(
        QueryHeads::new(1).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(u32::try_from(DIM).unwrap()).unwrap(),
    );
    let shape = SegmentShape::new(
        attention.unwrap(),
        CacheCapacity::new(5).unwrap(),
        SegmentSteps::new(2).unwrap(),
    );
    let (bits, step) = (ValueBits::new(12).unwrap(), ScoreStep::new(1200).unwrap());
    ChainTerms::attention(
        VerifierDomain::new("exact", [1; 16]).unwrap(),
        Security::new(SecurityLevel::Conjectured100, Profile::Fast).unwrap(),
        QuantizationPolicy::new(bits, step, None),
        Rounding::Floor,
        shape.unwrap(),
        WeightTable::exponential(Rational::new(1, 256).unwrap(), 11, 4096).unwrap(),
    )
}

/// Proves, verifies, and gives the witness with its prover.
fn honest() -> (SegmentProver, SegmentWitness) {
    let terms = terms();
    let rules = DecodeRules {
        table: terms.weight_table().clone(),
        rounding: terms.rounding,
        score_step: terms.quantization.score_step(),
        value_bits: terms.quantization.value_bits(),
    };
    let attention = terms.shape.attention();
    let prefix = (values(1, 3 * DIM), values(2, 3 * DIM));
    let cache = KvCache::from_tensors(attention, 3, &prefix.0, &prefix.1).unwrap();
    let [q, k, v] = [3, 4, 5].map(|seed| values(seed, 2 * DIM));
    let steps = StepRange::new(3, 2).unwrap();
    let inputs = SegmentInputs::new(attention, rules.value_bits, steps, q, k, v).unwrap();
    let (execution, after) = execute_segment(&cache, &inputs, &rules).unwrap();
    let prover = SegmentProver::new(terms).unwrap();
    let (before, after) = (prover.state(cache).unwrap(), prover.state(after).unwrap());
    let input = SegmentInput {
        execution: &execution,
        before: &before,
        after: &after,
        cut: Cut::Fused,
    };
    let file = prover.prove(&input).unwrap().file;
    let circuits = prover.circuits(Cut::Fused, 2).unwrap();
    let chain = ChainStatement::of([file.statement()]).unwrap();
    let policy = AcceptancePolicy::accepting(&chain, vec![], circuits).unwrap();
    verify_segment(&file, &policy).unwrap();
    let witness = prover.witness(&input).unwrap();
    (prover, witness)
}

#[test]
fn each_limb_lookup_refuses_what_no_other_does() {
    let (prover, witness) = honest();
    let layout = prover.terms().layout(2).unwrap();
    let limb_bits = layout.log_rows().limbs;
    let size = 1_i64 << limb_bits;
    // 2 M^2 d / D, less what the table holds: the largest excess.
    let max = 2 * 2047 * 2047 * 128 / 1200 - 4095;
    assert_eq!(check(&layout, &witness), Ok(()));
    let scores = witness.main.component("scores");
    let limbs = ["excess low", "excess high", "excess complement low"];
    assert!(limbs.iter().all(|limb| scores.has_column(limb)));
    assert!(!scores.has_column("remainder high"), "one limb");
    let row = (1 << scores.log_rows) - 1;
    let low = scores.column("excess low")[row];
    assert_eq!(low, field(0), "nothing is clipped");

    // Low limb, high limb, low limb of the complement, and the only limb that is out of range.
    let below = max + 1;
    let above = -1;
    let forgeries = [
        ([-1, 0, below % size], -1),
        ([size - 1, -1, below % size], -1),
        ([(max + 1) % size, (max + 1) / size, above], -1),
        ([(max + 1) % size, (max + 1) / size, size - 1], -1),
    ];
    for ([low, high, complement_low], refused) in forgeries {
        let mut forged = witness.clone();
        let complement = max - (low + size * high);
        let complement_high = (complement - complement_low) / size;
        assert_eq!(complement_low + size * complement_high, complement);
        let scores = forged.main.component_mut("scores");
        for (name, value) in limbs.into_iter().zip([low, high, complement_low]) {
            scores.column_mut(name)[row] = field(value);
        }
        // Every limb in range is provided as often as it is used.
        let mut tables = forged.main.components.iter_mut();
        let tables = tables.find(|tables| tables.has_column("limb uses"));
        let uses = tables.unwrap().column_mut("limb uses");
        let mut move_use = |limb: i64, by: i64| {
            if let Some(count) = usize::try_from(limb)
                .ok()
                .and_then(|limb| uses.get_mut(limb))
            {
                *count += field(by);
            }
        };
        for limb in [0, 0, max % size, max / size] {
            move_use(limb, -1);
        }
        let limbs = [low, high, complement_low, complement_high];
        for limb in limbs {
            move_use(limb, 1);
        }
        assert_eq!(
            limbs
                .iter()
                .filter(|limb| !(0..size).contains(*limb))
                .count(),
            1
        );
        let challenges = matchmark_air::challenges::RlcChallenges::structural();
        let trace = forged.combine(&layout, challenges);
        let failed = failures(&layout, &forged, &trace);
        let of_limbs = failed.iter().find_map(|failure| match failure {
            MockFailure::Relation {
                relation: RelationTag::Limb,
                tuple,
                times,
                ..
            } => Some((tuple.clone(), *times)),
            _ => None,
        });
        assert_eq!(of_limbs, Some((vec![refused], 1)), "{limbs:?}");
    }
}
