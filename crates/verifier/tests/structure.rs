//! Counts of a proof, held against counts made another way.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

mod common;

use std::collections::BTreeSet;

use common::sample;
use matchmark_air::hash::DIGEST_BYTES;
use matchmark_air::layout::SegmentLayout;
use matchmark_statement::{Profile, ProofPart, Regime, Security, SecurityLevel, SegmentStatement};
use matchmark_verifier::queries::QueryCounts;
use matchmark_verifier::structure::{FriLayer, ProofStructure};
use matchmark_verifier::{SecurityFigures, SegmentFile, SegmentProof, VerifyError};
use stwo::core::queries::Queries;

/// The proofs of a file with their structures.
fn proofs(file: &SegmentFile) -> Vec<(Vec<u8>, ProofStructure)> {
    let lookup = file.lookup().map(|lookup| lookup.proof());
    let bytes = std::iter::once(file.proof()).chain(lookup);
    let structures = ProofStructure::of_statement(file.statement()).unwrap();
    bytes.map(<[u8]>::to_vec).zip(structures).collect()
}

/// Statement, layout and structures of a sample's shape at another level.
fn at(
    name: &str,
    level: SecurityLevel,
    profile: Profile,
) -> (Security, SegmentLayout, Vec<ProofStructure>) {
    let (_, file, _) = sample(name);
    let mut parts = file.statement().parts();
    parts.terms.security = Security::new(level, profile).unwrap();
    let statement = SegmentStatement::new(parts).unwrap();
    let layout = SegmentLayout::of(&statement).unwrap();
    let structures = ProofStructure::of_statement(&statement).unwrap();
    (statement.security(), layout, structures)
}

fn all() -> Vec<(Security, SegmentLayout, Vec<ProofStructure>)> {
    let mut all = vec![];
    for name in ["narrow", "split"] {
        all.push(at(name, SecurityLevel::Insecure13, Profile::Compact));
        for profile in Profile::ALL {
            all.push(at(name, SecurityLevel::Conjectured100, profile));
            all.push(at(name, SecurityLevel::Proven100, profile));
            all.push(at(name, SecurityLevel::Proven100Unique, profile));
        }
    }
    all
}

#[test]
fn parts_and_lists_of_a_structure() {
    let (_, narrow, _) = sample("narrow");
    let (_, split, _) = sample("split");
    let parts = |file: &SegmentFile| -> Vec<ProofPart> {
        let proofs = proofs(file);
        proofs
            .iter()
            .map(|(_, structure)| structure.part())
            .collect()
    };
    assert_eq!(parts(&narrow), [ProofPart::Whole]);
    assert_eq!(parts(&split), [ProofPart::Arithmetic, ProofPart::Lookup]);
    for (_, _, structures) in all() {
        for structure in structures {
            let trees = structure.trees();
            assert_eq!(trees.len(), structure.samples().len());
            for (place, tree) in trees.iter().enumerate() {
                assert_eq!(structure.place(*tree), place);
            }
            // The composition tree has eight columns with one sample each, and is not a component's.
            assert_eq!(structure.samples().last().unwrap(), &vec![1; 8]);
            assert_eq!(structure.column_log_sizes().len(), trees.len() - 1);
            let columns = structure.samples().iter().map(Vec::len);
            assert_eq!(structure.columns(), columns.sum::<usize>());
            let of_components: usize = structure.components().iter().map(|it| it.columns).sum();
            let preprocessed = structure.samples()[0].len();
            assert_eq!(structure.columns(), of_components + preprocessed + 8);
            assert_eq!(structure.claimed_sums(), structure.components().len());
            assert!(structure.tuples() > 1);
        }
    }
}

#[test]
fn bounds_of_lists() {
    for (security, _, structures) in all() {
        let parameters = security.parameters();
        let queries = parameters.queries as usize;
        for structure in structures {
            for height in [0, 1, 5, 20] {
                let nodes = structure.max_hash_witness(height);
                assert_eq!(nodes, (0..height).map(|_| queries).sum::<usize>());
            }
            for layer in structure.layers() {
                let completing = (1..1_usize << layer.fold_step).count();
                let values = structure.max_layer_witness(layer);
                assert_eq!(values, (0..queries).map(|_| completing).sum::<usize>());
            }
            let last = structure.last_layer_len();
            assert_eq!(last.trailing_zeros(), parameters.log_last_layer);
            assert!(last.is_power_of_two());
        }
    }
}

/// From the highest trace to the last layer, each layer folds what the parameters say, and the last one
/// what is left.
#[test]
fn layers_fold_to_the_last() {
    let mut partial = 0;
    for (security, layout, structures) in all() {
        let parameters = security.parameters();
        for structure in structures {
            let (first, rest) = structure.layers().split_first().unwrap();
            let mut degree = layout.max_log_rows();
            assert_eq!(first.fold_step, parameters.fold_step);
            for layer in std::iter::once(first).chain(rest) {
                assert_eq!(layer.log_size, degree + parameters.log_blowup);
                assert!((1..=parameters.fold_step).contains(&layer.fold_step));
                partial += usize::from(layer.fold_step < parameters.fold_step);
                degree = degree.saturating_sub(layer.fold_step);
            }
            assert!(degree <= parameters.log_last_layer);
            for layer in rest {
                assert!(layer.log_size - parameters.log_blowup > parameters.log_last_layer);
            }
        }
    }
    assert!(partial > 0, "a last layer that folds less is among them");
}

#[test]
fn leaves_are_packed_where_a_layer_folds_by_more_than_two() {
    let leaf = |log_size, fold_step| {
        FriLayer {
            log_size,
            fold_step,
        }
        .log_leaf()
    };
    assert_eq!([leaf(10, 1), leaf(10, 2), leaf(10, 3)], [0, 2, 2]);
    assert_eq!([leaf(1, 3), leaf(2, 3), leaf(2, 1)], [0, 2, 0]);
}

/// Nodes beside the paths from these leaves to the root, by sets.
fn nodes(leaves: &BTreeSet<usize>, height: u32) -> usize {
    let mut level = leaves.clone();
    let mut nodes = 0;
    for _ in 0..height {
        nodes += level
            .iter()
            .filter(|node| !level.contains(&(*node ^ 1)))
            .count();
        level = level.iter().map(|node| node / 2).collect();
    }
    nodes
}

#[test]
fn lengths_that_follow_from_positions() {
    for (security, _, structures) in all() {
        let queries = security.parameters().queries as usize;
        for structure in structures {
            let log_size = structure.lifting_log_size();
            for seed in 1..40_usize {
                // Some positions are neighbours, some equal.
                let mut state = seed;
                let positions: Vec<usize> = (0..queries)
                    .map(|index| {
                        if index % 3 != 2 {
                            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
                        }
                        ((state >> 20) + index % 2) % (1 << log_size)
                    })
                    .collect();
                let counts = QueryCounts::of(&Queries::new(&positions, log_size), &structure);
                let mut open: BTreeSet<usize> = positions.into_iter().collect();
                assert_eq!(counts.queried_values, open.len());
                assert_eq!(counts.path_nodes, nodes(&open, log_size));
                assert_eq!(counts.layers.len(), structure.layers().len());
                for (layer, counts) in structure.layers().iter().zip(&counts.layers) {
                    let folds: BTreeSet<usize> =
                        open.iter().map(|at| at >> layer.fold_step).collect();
                    let size = 1 << layer.fold_step;
                    let opened: BTreeSet<usize> = folds
                        .iter()
                        .flat_map(|fold| fold * size..(fold + 1) * size)
                        .collect();
                    assert_eq!(counts.values, opened.difference(&open).count());
                    let packed = layer.log_leaf();
                    let leaves = opened.iter().map(|at| at >> packed).collect();
                    assert_eq!(counts.path_nodes, nodes(&leaves, layer.log_size - packed));
                    open = folds;
                }
            }
        }
    }
}

/// A proof's bytes are all accounted for, and every number of the account adds up.
#[test]
fn sizes_add_up() {
    for name in ["narrow", "split"] {
        let (_, file, _) = sample(name);
        for (bytes, structure) in proofs(&file) {
            let proof = SegmentProof::decode(&bytes, &structure).unwrap();
            assert_eq!(proof.encode(&structure).unwrap(), bytes);
            let sizes = proof.sizes(&structure);
            assert_eq!(sizes.bytes, bytes.len());
            assert_eq!(sizes.part, structure.part());
            let stark = &proof.stark;
            let queries = stark.queried_values[0][0].len();
            assert_eq!(sizes.queries, queries);
            let samples = |tree: usize| -> usize { structure.samples()[tree].iter().sum() };
            for (index, tree) in sizes.trees.iter().enumerate() {
                let columns = structure.samples()[index].len();
                assert_eq!(tree.columns, columns);
                assert_eq!(tree.samples, 16 * samples(index));
                assert_eq!(tree.queried_values, 4 * columns * queries);
                let nodes = stark.decommitments[index].hash_witness.len();
                assert_eq!(tree.merkle_paths, DIGEST_BYTES * nodes);
            }
            // The components have the columns of all trees but the first and the last.
            let inner = 1..sizes.trees.len() - 1;
            let columns = |of: fn(&matchmark_verifier::sizes::TreeSizes) -> usize| -> usize {
                sizes.trees[inner.clone()].iter().map(of).sum()
            };
            let components = &sizes.components;
            let sum = |of: fn(&matchmark_verifier::sizes::ComponentSizes) -> usize| -> usize {
                components.iter().map(of).sum()
            };
            assert_eq!(sum(|it| it.columns), columns(|it| it.columns));
            assert_eq!(sum(|it| it.samples), columns(|it| it.samples));
            assert_eq!(sum(|it| it.queried_values), columns(|it| it.queried_values));
            let trees = &sizes.trees;
            let total = |of: fn(&matchmark_verifier::sizes::TreeSizes) -> usize| -> usize {
                trees.iter().map(of).sum()
            };
            assert_eq!(sizes.samples, total(|it| it.samples));
            assert_eq!(sizes.queried_values, total(|it| it.queried_values));
            assert_eq!(sizes.merkle_paths, total(|it| it.merkle_paths));
            let fri = &stark.fri_proof;
            let mut low_degree = 16 * structure.last_layer_len();
            for layer in std::iter::once(&fri.first_layer).chain(&fri.inner_layers) {
                low_degree += DIGEST_BYTES + 16 * layer.fri_witness.len();
                low_degree += DIGEST_BYTES * layer.decommitment.hash_witness.len();
            }
            assert_eq!(sizes.low_degree, low_degree);
            assert_eq!(sizes.opened_columns, structure.columns());
            assert_eq!(sizes.low_degree_layers, structure.layers().len());
        }
    }
}

/// A list that the rest of the input cannot hold is refused before it is read, and says so.
#[test]
fn lists_are_refused_before_they_are_read() {
    let (_, file, _) = sample("narrow");
    let (bytes, structure) = proofs(&file).remove(0);
    let proof = SegmentProof::decode(&bytes, &structure).unwrap();
    let samples: usize = structure.samples().iter().flatten().sum();
    let start =
        16 * structure.claimed_sums() + DIGEST_BYTES * structure.trees().len() + 16 * samples + 2;
    let queries = proof.stark.queried_values[0][0].len();
    let expected = 4 * queries * structure.samples()[0].len();
    let refusal = |len: usize| SegmentProof::decode(&bytes[..len], &structure).unwrap_err();
    for missing in [1, expected] {
        let got = expected - missing;
        assert_eq!(
            refusal(start + got),
            VerifyError::Truncated {
                part: "queried values",
                expected,
                got,
            }
        );
    }
}

/// Every list of a proof has the length that its structure says, or the proof is not written.
#[test]
fn proofs_of_another_structure_are_not_written() {
    let (_, file, _) = sample("split");
    let [(first, arithmetic), (second, lookup)]: [_; 2] = proofs(&file).try_into().unwrap();
    for (bytes, own, other) in [
        (first, &arithmetic, &lookup),
        (second, &lookup, &arithmetic),
    ] {
        let proof = SegmentProof::decode(&bytes, own).unwrap();
        let error = proof.encode(other).unwrap_err();
        assert!(
            matches!(error, VerifyError::WrongLength { .. }),
            "{error:?}"
        );
        let mut longer = proof.clone();
        let nodes = &mut longer.stark.decommitments[0].hash_witness;
        nodes.resize(1 << 16, nodes[0]);
        assert_eq!(
            longer.encode(own).unwrap_err(),
            VerifyError::LengthTooLarge {
                part: "merkle paths",
                expected: 65_535,
                got: 65_536,
            }
        );
    }
}

/// The figures, with the standard library's functions and counts made here.
#[test]
fn figures_are_those_of_the_formulas() {
    for (security, layout, structures) in all() {
        for structure in structures {
            let figures = SecurityFigures::new(std::slice::from_ref(&structure));
            let parameters = security.parameters();
            let blowup = f64::from(parameters.log_blowup).exp2();
            let rows = f64::from(layout.max_log_rows()).exp2();
            let rate = (rows + 1.0) / (rows * blowup);
            let (distance, list, m) = match figures.proven.regime {
                Regime::UniqueDecoding => ((1.0 - rate) / 2.0, 1.0, None),
                Regime::Johnson { multiplicity } => {
                    let m = f64::from(multiplicity);
                    let distance = 1.0 - rate.sqrt() - rate.sqrt() / (2.0 * m);
                    (distance, (m + 0.5) / rate.sqrt(), Some(m + 0.5))
                }
                Regime::BestKnownAttack => panic!("nothing is proven by an attack"),
            };
            let field = 2_147_483_647_f64.powi(4);
            let combining = |rows: f64| match m {
                None => (distance * rows * blowup + 1.0) / field,
                Some(m) => {
                    let numerator = 2.0 * m.powi(5) + 3.0 * m * distance * rate;
                    let first = numerator * rows * blowup / (3.0 * rate.powf(1.5));
                    (first + m / rate.sqrt()) / field
                }
            };
            let samples = || structure.samples().iter().flatten();
            let batched: usize = samples()
                .map(|samples| match samples {
                    1 => 1,
                    2 => 3,
                    other => panic!("{other} samples"),
                })
                .sum();
            let most = *samples().max().unwrap() as f64;
            let combines = structure.part() != ProofPart::Lookup;
            let mut expected = vec![];
            if combines {
                let values = layout.combined_values() as f64;
                expected.push((
                    "random linear combinations".to_owned(),
                    list * values / field,
                ));
            }
            let tuples = structure.tuples() as f64;
            expected.push(("lookups".to_owned(), list * 10.0 * tuples / field));
            let constraints = structure.counts().constraints as f64;
            expected.push(("composition".to_owned(), list * constraints / field));
            let degree = 3.0 * (rows + most - 1.0) + rows - 1.0;
            let outside = field - rows - rows * blowup;
            expected.push(("out-of-domain point".to_owned(), list * degree / outside));
            expected.push((
                "batching".to_owned(),
                (batched as f64 - 1.0) * combining(rows),
            ));
            let mut left = layout.max_log_rows();
            for (index, layer) in structure.layers().iter().enumerate() {
                left = left.saturating_sub(layer.fold_step);
                let powers = f64::from(layer.fold_step).exp2() - 1.0;
                let error = powers * combining(f64::from(left).exp2());
                expected.push((format!("fold {}", index + 1), error));
            }
            let queries = (1.0 - distance).powi(parameters.queries as i32);
            expected.push(("queries".to_owned(), queries));
            let pairs = list * (list - 1.0) / 2.0;
            expected.push(("fingerprints".to_owned(), pairs * rows / field));
            expected.push(("hash collision".to_owned(), (-104_f64).exp2()));
            let grinding: Vec<u32> = structure.grinding().all().map(|(_, bits)| bits).collect();
            let worked = figures.terms.iter().map(|it| it.work);
            let worked: Vec<u32> = worked
                .take(grinding.len() - usize::from(!combines))
                .collect();
            assert_eq!(worked, grinding[usize::from(!combines)..]);
            assert_eq!(figures.terms.len(), expected.len());
            for (term, (name, error)) in figures.terms.iter().zip(expected) {
                assert_eq!(term.term.to_string(), name);
                match term.proven {
                    Some(bits) => {
                        let expected = f64::from(term.work) - error.log2();
                        assert!((bits - expected).abs() < 1e-6, "{name}: {bits} {expected}");
                    }
                    None => assert_eq!(error, 0.0, "{name}"),
                }
            }
            let least = figures.terms.iter().filter_map(|it| it.proven);
            assert_eq!(least.reduce(f64::min), Some(figures.proven.bits));
            if let Some(promised) = security.level().promised_bits() {
                let bits = match security.regime() {
                    Regime::BestKnownAttack => figures.conjectured.bits,
                    Regime::UniqueDecoding | Regime::Johnson { .. } => figures.proven.bits,
                };
                assert!(bits >= f64::from(promised), "{figures}");
            }
            let insecure = security.level() == SecurityLevel::Insecure13;
            assert_eq!(figures.is_insecure(), insecure);
        }
    }
}
