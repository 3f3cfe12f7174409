//! Malformed proofs (trap 3 of `docs/soundness.md`): the library relies on the lengths of its lists
//! and would panic. Every list is made one shorter, one longer and empty; and proofs are edited,
//! ground again and given the lengths that the new queries ask for, so that the library sees
//! well-formed nonsense behind the proof of work.

use matchmark_air::layout::Streams;
use matchmark_air::trees::TreeOrder;
use matchmark_hostile::bytes::{fields, Kind, Sample, Tally};
use matchmark_hostile::cases::{bounded_wide, fast, insecure, narrow};
use matchmark_hostile::regrind::{fit, grind};
use matchmark_hostile::Rng;
use matchmark_statement::{ProofPart, SegmentKind};
use matchmark_verifier::SegmentProof;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::poly::line::LinePoly;

fn sample(seed: u64) -> Sample {
    Sample::new(&narrow().case(), seed)
}

type Edit = Box<dyn Fn(&mut SegmentProof)>;

/// One element less and one more in every list of a proof.
fn list_edits() -> Vec<(&'static str, Edit)> {
    fn pop<T>(list: &mut Vec<T>) {
        list.pop();
    }
    fn double<T: Clone>(list: &mut Vec<T>) {
        let last = list.last().cloned();
        list.extend(last);
    }
    fn edit(f: impl Fn(&mut SegmentProof) + 'static) -> Edit {
        Box::new(f)
    }
    fn poly(coefficients: usize) -> LinePoly {
        LinePoly::new(vec![QM31::from(M31::from(3)); coefficients])
    }
    let mut edits = vec![
        ("one claimed sum less", edit(|p| pop(&mut p.claimed_sums))),
        (
            "one claimed sum more",
            edit(|p| double(&mut p.claimed_sums)),
        ),
        ("no claimed sums", edit(|p| p.claimed_sums.clear())),
        (
            "one commitment less",
            edit(|p| pop(&mut p.stark.commitments)),
        ),
        (
            "one commitment more",
            edit(|p| double(&mut p.stark.commitments)),
        ),
        ("no commitments", edit(|p| p.stark.commitments.clear())),
        (
            "one tree of samples less",
            edit(|p| pop(&mut p.stark.sampled_values)),
        ),
        (
            "one tree of samples more",
            edit(|p| double(&mut p.stark.sampled_values)),
        ),
        ("no samples", edit(|p| p.stark.sampled_values.clear())),
        (
            "one tree of queried values less",
            edit(|p| pop(&mut p.stark.queried_values)),
        ),
        (
            "one tree of queried values more",
            edit(|p| double(&mut p.stark.queried_values)),
        ),
        (
            "no queried values",
            edit(|p| p.stark.queried_values.clear()),
        ),
        (
            "one set of paths less",
            edit(|p| pop(&mut p.stark.decommitments)),
        ),
        (
            "one set of paths more",
            edit(|p| double(&mut p.stark.decommitments)),
        ),
        ("no paths", edit(|p| p.stark.decommitments.clear())),
        (
            "one layer less",
            edit(|p| pop(&mut p.stark.fri_proof.inner_layers)),
        ),
        (
            "one layer more",
            edit(|p| double(&mut p.stark.fri_proof.inner_layers)),
        ),
        (
            "no inner layers",
            edit(|p| p.stark.fri_proof.inner_layers.clear()),
        ),
        (
            "last layer of two",
            edit(|p| p.stark.fri_proof.last_layer_poly = poly(2)),
        ),
        (
            "last layer of 64",
            edit(|p| p.stark.fri_proof.last_layer_poly = poly(64)),
        ),
        (
            "first layer: one value less",
            edit(|p| pop(&mut p.stark.fri_proof.first_layer.fri_witness)),
        ),
        (
            "first layer: one value more",
            edit(|p| double(&mut p.stark.fri_proof.first_layer.fri_witness)),
        ),
        (
            "first layer: no values",
            edit(|p| p.stark.fri_proof.first_layer.fri_witness.clear()),
        ),
        (
            "first layer: one node less",
            edit(|p| pop(&mut p.stark.fri_proof.first_layer.decommitment.hash_witness)),
        ),
        (
            "first layer: one node more",
            edit(|p| double(&mut p.stark.fri_proof.first_layer.decommitment.hash_witness)),
        ),
        (
            "first layer: no nodes",
            edit(|p| {
                p.stark
                    .fri_proof
                    .first_layer
                    .decommitment
                    .hash_witness
                    .clear()
            }),
        ),
        (
            "no query at all",
            edit(|p| {
                p.stark
                    .queried_values
                    .iter_mut()
                    .flatten()
                    .for_each(Vec::clear)
            }),
        ),
        (
            "one query less",
            edit(|p| p.stark.queried_values.iter_mut().flatten().for_each(pop)),
        ),
        (
            "one query more",
            edit(|p| p.stark.queried_values.iter_mut().flatten().for_each(double)),
        ),
    ];
    for tree in 0..trees() {
        edits.extend([
            (
                "tree: one column of samples less",
                edit(move |p| pop(&mut p.stark.sampled_values[tree])),
            ),
            (
                "tree: one column of samples more",
                edit(move |p| double(&mut p.stark.sampled_values[tree])),
            ),
            (
                "tree: one sample less",
                edit(move |p| pop(&mut p.stark.sampled_values[tree][0])),
            ),
            (
                "tree: one sample more",
                edit(move |p| double(&mut p.stark.sampled_values[tree][0])),
            ),
            (
                "tree: no samples of a column",
                edit(move |p| p.stark.sampled_values[tree][0].clear()),
            ),
            (
                "tree: one column of values less",
                edit(move |p| pop(&mut p.stark.queried_values[tree])),
            ),
            (
                "tree: one column of values more",
                edit(move |p| double(&mut p.stark.queried_values[tree])),
            ),
            (
                "tree: no columns of values",
                edit(move |p| p.stark.queried_values[tree].clear()),
            ),
            (
                "tree: one value less",
                edit(move |p| pop(p.stark.queried_values[tree].last_mut().unwrap())),
            ),
            (
                "tree: one node less",
                edit(move |p| pop(&mut p.stark.decommitments[tree].hash_witness)),
            ),
            (
                "tree: one node more",
                edit(move |p| double(&mut p.stark.decommitments[tree].hash_witness)),
            ),
            (
                "tree: no nodes",
                edit(move |p| p.stark.decommitments[tree].hash_witness.clear()),
            ),
        ]);
    }
    edits
}

/// Trees of a fused proof.
fn trees() -> usize {
    TreeOrder::of_kind(SegmentKind::Attention, Streams::default(), ProofPart::Whole)
        .all()
        .len()
}

#[test]
fn every_list_has_its_length() {
    let mut strong = narrow();
    strong.security = fast();
    let mut tally = Tally::default();
    for sample in [sample(3), Sample::new(&strong.case(), 3)] {
        for (name, edit) in list_edits() {
            let mut proof = sample.proof();
            edit(&mut proof);
            let result = proof
                .encode(&sample.structure)
                .and_then(|bytes| sample.attempt_proof(bytes));
            let class = tally.refuse(|| name.to_owned(), result);
            let expected = ["WrongLength", "LengthTooLarge"];
            assert!(expected.contains(&class.as_str()), "{name}: {class}");
        }
        // By hand: the bytes of one item are missing, or come twice.
        for field in fields(&sample.proof(), &sample.structure) {
            let unit = match field.kind {
                Kind::Elements => 16,
                Kind::Digests => 25,
                Kind::Count | Kind::Nonce => field.range.len(),
            };
            if field.range.is_empty() {
                continue;
            }
            let proof = sample.file.proof();
            let start = field.range.start;
            let item = &proof[start..start + unit];
            let less = [&proof[..start], &proof[start + unit..]].concat();
            let more = [&proof[..start], item, &proof[start..]].concat();
            for bytes in [less, more] {
                tally.refuse(|| field.name.clone(), sample.attempt_proof(bytes));
            }
        }
    }
    println!("lists: {} attempts, {:?}", tally.attempts(), tally.0);
}

/// Edits that change the transcript; the proof is ground again, so that the library is reached.
#[test]
fn well_formed_nonsense_is_refused() {
    let mut wide = bounded_wide();
    wide.security = insecure();
    let mut tally = Tally::default();
    for sample in [sample(4), Sample::new(&wide.case(), 4)] {
        let mut rng = Rng(4);
        for round in 0..150 {
            let mut proof = sample.proof();
            let random = QM31::from_u32_unchecked(
                rng.below(1 << 30) as u32,
                1,
                2,
                rng.below(1 << 30) as u32,
            );
            let stark = &mut proof.stark;
            let expected: &[&str] = match round % 6 {
                0 => &["Opening"],
                1 => {
                    stark.fri_proof.last_layer_poly =
                        LinePoly::new(vec![random; sample.structure.last_layer_len()]);
                    &["Opening"]
                }
                2 => {
                    let layers = stark.fri_proof.inner_layers.len();
                    stark.fri_proof.inner_layers[rng.below(layers)].commitment.0[3] ^= 1;
                    &["Opening"]
                }
                3 => {
                    let tree = rng.below(trees() - 3) + 3;
                    let column = rng.below(stark.sampled_values[tree].len());
                    stark.sampled_values[tree][column][0] += random;
                    &["ConstraintsNotSatisfied"]
                }
                4 => {
                    proof.claimed_sums[0] += random;
                    proof.claimed_sums[1] -= random;
                    &["ConstraintsNotSatisfied"]
                }
                _ => {
                    stark.commitments[3 + rng.below(4)].0[0] ^= 1;
                    &["ConstraintsNotSatisfied"]
                }
            };
            let queries = grind(&sample, &mut proof, rng.below(1 << 20) as u64);
            fit(&sample, &mut proof, &queries);
            let bytes = proof.encode(&sample.structure).unwrap();
            let class = tally.refuse(|| format!("round {round}"), sample.attempt_proof(bytes));
            assert!(expected.contains(&class.as_str()), "round {round}: {class}");
        }
    }
    println!("nonsense: {} attempts, {:?}", tally.attempts(), tally.0);
}

/// Edits after the queries: nothing has to be ground again.
#[test]
fn edits_after_the_queries_are_refused() {
    let sample = sample(5);
    let mut tally = Tally::default();
    let mut rng = Rng(5);
    let proof_bytes = sample.file.proof();
    for field in fields(&sample.proof(), &sample.structure) {
        let after = ["queried values", "paths of", "values of layer"];
        if field.range.is_empty() || !after.iter().any(|name| field.name.starts_with(name)) {
            continue;
        }
        for _ in 0..12 {
            let mut bytes = proof_bytes.to_vec();
            let at = field.range.start + rng.below(field.range.len());
            // The lowest bits of an element or digest byte; elements stay canonical.
            bytes[at / 4 * 4] ^= 1 + rng.below(3) as u8;
            if bytes == proof_bytes {
                continue;
            }
            let class = tally.refuse(|| field.name.clone(), sample.attempt_proof(bytes));
            let expected = [
                "Opening",
                "LowDegree",
                "Work",
                "LengthTooLarge",
                "WrongLength",
                "NonCanonicalField",
                "Truncated",
            ];
            assert!(
                expected.contains(&class.as_str()),
                "{}: {class}",
                field.name
            );
        }
    }
    println!(
        "after the queries: {} attempts, {:?}",
        tally.attempts(),
        tally.0
    );
}
