//! Expected bytes against the verifier's own counting, and against real proofs.
#![allow(clippy::unwrap_used)]

use matchmark_planner::bytes::{BytesByPart, ProofBytes};
use matchmark_planner::Workload;
use matchmark_prover::{ChainTerms, SegmentInput, SegmentProver};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QueryHeads, Rounding, SegmentSteps, StepRange,
    ValueBits,
};
use matchmark_runtime::{execute_segment, synthetic_score_step, synthetic_trace, KvCache};
use matchmark_statement::{
    Cut, Profile, ProofPart, Security, SecurityLevel, SegmentShape, VerifierDomain,
};
use matchmark_tables::WeightTable;
use matchmark_verifier::queries::QueryCounts;
use matchmark_verifier::structure::ProofStructure;
use stwo::core::queries::Queries;

fn workload([heads, kv_heads, dim]: [u32; 3], [prefix, steps]: [u32; 2]) -> Workload {
    let (heads, kv_heads) = (QueryHeads::new(heads), KvHeads::new(kv_heads));
    let dim = HeadDim::new(dim).unwrap();
    let shape = AttentionShape::new(heads.unwrap(), kv_heads.unwrap(), dim).unwrap();
    Workload {
        shape,
        steps: StepRange::new(prefix, steps).unwrap(),
        value_bits: ValueBits::DEFAULT,
        score_step: synthetic_score_step(shape, ValueBits::DEFAULT).unwrap(),
        rounding: Rounding::NearestTiesUp,
        table: WeightTable::exp256_default().bounds(),
        decoder: None,
    }
}

/// The structures of all proofs of a workload in one segment.
fn structures(workload: &Workload, cut: Cut, security: Security) -> Vec<ProofStructure> {
    let steps = u32::try_from(workload.steps.steps()).unwrap();
    let layout = workload.layout(SegmentSteps::new(steps).unwrap()).unwrap();
    ProofStructure::all(&layout.with_cut(cut), security).unwrap()
}

/// Those of the fused proof and of the two split ones.
fn all_structures(workload: &Workload, security: Security) -> Vec<ProofStructure> {
    Cut::ALL
        .into_iter()
        .flat_map(|cut| structures(workload, cut, security))
        .collect()
}

/// Expected bytes of all proofs of a workload in one segment.
fn expected(workload: &Workload, cut: Cut, security: Security) -> Vec<BytesByPart> {
    structures(workload, cut, security)
        .iter()
        .map(|structure| ProofBytes::expected(structure).by_part)
        .collect()
}

fn securities() -> [Security; 5] {
    use Profile::{Compact, Fast};
    [
        (SecurityLevel::Insecure13, Compact),
        (SecurityLevel::Conjectured100, Compact),
        (SecurityLevel::Conjectured100, Fast),
        (SecurityLevel::Proven100, Compact),
        (SecurityLevel::Proven100, Fast),
    ]
    .map(|(level, profile)| Security::new(level, profile).unwrap())
}

/// The bytes of what depends on the positions, by the format: 26 for a node, 16 for an extension
/// element, 4 for a base element.
fn counted(counts: &QueryCounts, structure: &ProofStructure) -> [f64; 3] {
    const NODE: usize = 26;
    let (trees, columns) = (structure.samples().len(), structure.columns());
    let layers = counts.layers.iter();
    let layers: usize = layers
        .map(|l| NODE + 16 * l.values + NODE * l.path_nodes)
        .sum();
    let last = 16 << structure.parameters().log_last_layer;
    [
        4 * counts.queried_values * columns,
        NODE * counts.path_nodes * trees,
        layers + last,
    ]
    .map(|bytes| f64::from(u32::try_from(bytes).unwrap()))
}

#[test]
fn expectations_are_the_means_of_the_verifiers_counting() {
    const DRAWS: u32 = 4000;
    let mut state = 1_u64;
    // Marsaglia, "Xorshift RNGs" (2003).
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 20
    };
    for (heads, steps) in [([2, 1, 8], [2, 6]), ([4, 4, 64], [0, 64])] {
        let structures = securities()
            .into_iter()
            .flat_map(|security| all_structures(&workload(heads, steps), security));
        for structure in structures {
            let log_size = structure.lifting_log_size();
            let mut sums = [0.0; 3];
            for _ in 0..DRAWS {
                let positions: Vec<usize> = (0..structure.parameters().queries)
                    .map(|_| usize::try_from(next() & ((1 << log_size) - 1)).unwrap())
                    .collect();
                let counts = QueryCounts::of(&Queries::new(&positions, log_size), &structure);
                let bytes = counted(&counts, &structure);
                sums.iter_mut().zip(bytes).for_each(|(sum, b)| *sum += b);
            }
            let expected = ProofBytes::expected(&structure).by_part;
            let parts = [
                expected.queried_values,
                expected.merkle_paths,
                expected.low_degree,
            ];
            for (part, (expected, sum)) in parts.into_iter().zip(sums).enumerate() {
                let ratio = expected / (sum / f64::from(DRAWS));
                assert!((ratio - 1.0).abs() < 0.005, "{structure:?} {part} {ratio}");
            }
        }
    }
}

/// Real proofs for so many domains: mean bytes, after the parts that are exact were compared.
fn proven(workload: &Workload, cut: Cut, security: Security, domains: u32) -> f64 {
    let trace = synthetic_trace(workload.shape, workload.value_bits, workload.steps, 1).unwrap();
    let rules = trace.rules(workload.rounding, None, None).unwrap();
    let length = |entries: usize| u32::try_from(entries).unwrap();
    let capacity = CacheCapacity::new(length(workload.steps.entries_after())).unwrap();
    let steps = SegmentSteps::new(length(workload.steps.steps())).unwrap();
    let cache = KvCache::from_prefix(&trace);
    let inputs = trace.segment(workload.steps).unwrap();
    let (execution, after) = execute_segment(&cache, &inputs, &rules).unwrap();
    let expected = expected(workload, cut, security);
    let mut sum = 0;
    for domain in 0..domains {
        let prover = SegmentProver::new(ChainTerms::attention(
            VerifierDomain::new(format!("domain {domain}"), [0; 16]).unwrap(),
            security,
            trace.quantization(&rules),
            rules.rounding,
            SegmentShape::new(workload.shape, capacity, steps).unwrap(),
            rules.table.clone(),
        ))
        .unwrap();
        let before = prover.state(cache.clone()).unwrap();
        let after = prover.state(after.clone()).unwrap();
        let segment = SegmentInput {
            execution: &execution,
            before: &before,
            after: &after,
            cut,
        };
        let proven = prover.prove(&segment).unwrap();
        let whole = |part: f64| format!("{part:.3}");
        let exact = |bytes: usize| format!("{bytes}.000");
        assert_eq!(proven.metrics.proofs.len(), expected.len());
        for (expected, proof) in expected.iter().zip(&proven.metrics.proofs) {
            assert_eq!(whole(expected.sampled_values), exact(proof.samples));
            let known = proof.samples + proof.queried_values + proof.merkle_paths;
            let rest = proof.bytes - known - proof.low_degree;
            assert_eq!(whole(expected.rest), exact(rest));
        }
        sum += proven.file.proof_bytes();
    }
    f64::from(u32::try_from(sum).unwrap()) / f64::from(domains)
}

#[test]
fn real_proofs_have_the_expected_bytes() {
    let [insecure, compact, fast, _, _] = securities();
    for (heads, steps, security, domains) in [
        // With three queries, single proofs differ by several per cent.
        ([2, 1, 8], [2, 6], insecure, 24),
        ([4, 2, 16], [3, 9], insecure, 24),
        ([4, 4, 8], [0, 8], compact, 4),
        ([2, 2, 16], [4, 12], fast, 4),
    ] {
        let workload = workload(heads, steps);
        for cut in Cut::ALL {
            let parts = expected(&workload, cut, security);
            let expected: f64 = parts.iter().map(BytesByPart::total).sum();
            let ratio = expected / proven(&workload, cut, security, domains);
            let case = format!("{heads:?} {cut} {security}");
            assert!((ratio - 1.0).abs() < 0.05, "{case}: {ratio}");
        }
    }
}

#[test]
fn trees_add_up_to_their_parts() {
    let workload = workload([4, 4, 64], [0, 64]);
    let structures = securities()
        .into_iter()
        .flat_map(|security| all_structures(&workload, security));
    for structure in structures {
        let ProofBytes { by_part, by_tree } = ProofBytes::expected(&structure);
        let mut sum = BytesByPart::default();
        for tree in &by_tree {
            sum.sampled_values += tree.sampled_values;
            sum.queried_values += tree.queried_values;
            sum.merkle_paths += tree.merkle_paths;
        }
        assert!((sum.sampled_values - by_part.sampled_values).abs() < 1e-6);
        assert!((sum.queried_values - by_part.queried_values).abs() < 1e-6);
        assert!((sum.merkle_paths - by_part.merkle_paths).abs() < 1e-6);
        let trees = match structure.part() {
            ProofPart::Whole => 7,
            ProofPart::Arithmetic => 8,
            ProofPart::Lookup => 5,
        };
        assert_eq!(by_tree.len(), trees);
        assert_eq!(by_tree[0].tree, "preprocessed");
    }
}
