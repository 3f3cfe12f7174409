//! Lookup challenges that a prover knows too early let it prove a false output.
//!
//! The forger states a wrong output. The combined numerator of that step is then wrong, and the
//! forger mends it by a wrong combined value `V` of one cache entry, so that all constraints hold; only
//! the relation "value rlc" is left unbalanced. If `z` and `alpha` are known before `V` is
//! committed, a second wrong `V`, on a row that no step asks for, makes the two LogUp terms cancel:
//! a linear equation in its four coordinates.
use matchmark_air::challenges::LookupChallenges;
use matchmark_air::relation::{RelationTag, TaggedRelation, Tuple, ValueRlc};
use matchmark_air::witness::PartTrace;
use matchmark_statement::{AttentionValues, Cut, SecurityLevel, SegmentCut};
use matchmark_verifier::{verify_segment, VerifyError};
use num_traits::{One, Zero};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo_constraint_framework::Relation;

use super::protocol::{Case, Honest, Variant};

/// `alpha`-combination of the tuple of "value rlc" of a row of the scores.
fn tuple(trace: &PartTrace, row: usize, value: QM31, challenges: &LookupChallenges) -> QM31 {
    let scores = trace.component("scores");
    let relation = TaggedRelation {
        tag: RelationTag::ValueRlc,
        challenges,
    };
    let tuple = ValueRlc {
        row: scores.column("cache row")[row],
        first: scores.column("first")[row],
        value: value.to_m31_array(),
    };
    relation.combine(&tuple.elements())
}

/// The field element with these tuple coordinates: solves `sum_k x_k alpha^(3 + k) = target`.
fn solve(challenges: &LookupChallenges, target: QM31) -> QM31 {
    let basis = core::array::from_fn::<_, 4, _>(|k| challenges.powers()[3 + k].to_m31_array());
    let target = target.to_m31_array();
    let mut rows: Vec<[M31; 5]> = (0..4)
        .map(|r| {
            [
                basis[0][r],
                basis[1][r],
                basis[2][r],
                basis[3][r],
                target[r],
            ]
        })
        .collect();
    for column in 0..4 {
        let pivot = (column..4).find(|r| !rows[*r][column].is_zero()).unwrap();
        rows.swap(column, pivot);
        let inverse = rows[column][column].inverse();
        rows[column].iter_mut().for_each(|x| *x *= inverse);
        for r in (0..4).filter(|r| *r != column) {
            let (factor, pivot_row) = (rows[r][column], rows[column]);
            for (x, pivot) in rows[r].iter_mut().zip(pivot_row) {
                *x -= pivot * factor;
            }
        }
    }
    QM31::from_m31_array(core::array::from_fn(|k| rows[k][4]))
}

/// Makes the random linear combinations fit the wrong output of head 0, step 0, given lookup challenges.
fn forge(case: &Case, trace: &mut PartTrace, known: &LookupChallenges) {
    let scores = trace.component("scores");
    let (first, weight) = (scores.column("first"), scores.column("weight"));
    let (first, weight) = (first.clone(), weight.clone());
    let count = case.inputs.steps().scores(0);
    let (last_dimension, _) = case.layout.vector_row(0, 0, case.layout.head_dim() - 1);
    let expected = trace.component("vectors");
    let missing = expected.extension("numerator", 0, last_dimension)
        - scores.extension("numerator", 0, count - 1);
    assert!(!missing.is_zero(), "the output is wrong");
    let row = (0..count).find(|row| !weight[*row].is_zero()).unwrap();
    let filler = first.len() - 1;
    let term = |row: usize, value: QM31| QM31::one() / tuple(trace, row, value, known);
    let value = |row: usize| scores.extension("value", 0, row);
    let total = term(row, value(row)) + term(filler, value(filler));
    let other = value(row) + missing / QM31::from(weight[row]);
    let wanted = QM31::one() / (total - term(row, other));
    let of_filler = solve(known, wanted - tuple(trace, filler, QM31::zero(), known));
    assert_eq!(tuple(trace, filler, of_filler, known), wanted);
    let scores = trace.component_mut("scores");
    scores.set_extension("value", 0, row, other);
    scores.set_extension("value", 0, filler, of_filler);
    let mut numerator = QM31::zero();
    for row in 0..first.len() {
        if first[row].is_one() {
            numerator = QM31::zero();
        }
        numerator += scores.extension("value", 0, row) * weight[row];
        scores.set_extension("numerator", 0, row, numerator);
    }
}

/// An honest segment, but for one output that is 77 off.
fn false_output(case: &Case) -> Honest {
    let mut honest = Honest::new(case, case.prefix(11));
    let values = &honest.public_values;
    let mut out = values.out().to_vec();
    out[0] = if out[0] > 0 { out[0] - 77 } else { out[0] + 77 };
    honest.execution.out = out.clone();
    honest.public_values = AttentionValues::new(
        values.shape(),
        values.bits(),
        values.steps(),
        values.q().to_vec(),
        values.k().to_vec(),
        values.v().to_vec(),
        out,
    )
    .unwrap();
    let input = crate::SegmentInput {
        execution: &honest.execution,
        before: &honest.before,
        after: &honest.after,
        cut: Cut::Fused,
    };
    honest.witness = case.prover.witness(&input).unwrap();
    honest.statement = case
        .prover
        .statement(&input, &honest.public_values, SegmentCut::Fused)
        .unwrap();
    honest
}

#[test]
fn parts_of_this_test_are_those_of_the_protocol() {
    let case = Case::new(SecurityLevel::Conjectured100);
    let honest = Honest::new(&case, case.prefix(11));
    let attempt = honest.attempt(&case);
    let proof = attempt.prove(Variant::Real, &|_, _| {}, false).unwrap();
    verify_segment(&attempt.file(&proof), &case.policy(&honest.statement)).unwrap();
    let early = attempt
        .prove(Variant::EarlyLookups, &|_, _| {}, false)
        .unwrap();
    assert_eq!(attempt.verify(Variant::EarlyLookups, early.clone()), Ok(()));
    assert!(attempt.verify(Variant::Real, early).is_err());
}

#[test]
fn early_lookup_challenges_prove_a_false_output() {
    let case = Case::new(SecurityLevel::Conjectured100);
    let forged = false_output(&case);
    let attempt = forged.attempt(&case);
    let forge = |trace: &mut PartTrace, known: &LookupChallenges| forge(&case, trace, known);
    let proof = attempt.prove(Variant::EarlyLookups, &forge, false).unwrap();
    assert_eq!(attempt.verify(Variant::EarlyLookups, proof), Ok(()));
}

#[test]
fn the_real_order_refuses_the_same_forgery() {
    let case = Case::new(SecurityLevel::Conjectured100);
    let forged = false_output(&case);
    let attempt = forged.attempt(&case);
    let policy = case.policy(&forged.statement);
    let forge = |trace: &mut PartTrace, guess: &LookupChallenges| forge(&case, trace, guess);
    // With sums as they are: constraints hold, sums do not cancel.
    let mut proof = attempt.prove(Variant::Real, &forge, false).unwrap();
    let refusal = verify_segment(&attempt.file(&proof), &policy).unwrap_err();
    assert!(
        matches!(refusal, VerifyError::LookupSumNotZero { .. }),
        "{refusal}"
    );
    // With sums patched afterwards: the transcript is another.
    let total = proof
        .claimed_sums
        .iter()
        .fold(QM31::zero(), |sum, x| sum + *x);
    proof.claimed_sums[1] -= total;
    let refusal = verify_segment(&attempt.file(&proof), &policy).unwrap_err();
    assert!(matches!(refusal, VerifyError::Work(_)), "{refusal}");
    // With sums that cancel from the start: the LogUp constraints do not hold.
    assert!(attempt.prove(Variant::Real, &forge, true).is_none());
}
