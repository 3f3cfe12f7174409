//! The exact size of a fixed proof, where its bytes are, and what it is worth: the committed
//! fixture as one segment.
//!
//! The size depends on the query positions, and so on every bit of statement and witness; a change of
//! the relation, the transcript or the encoding shows here.

use std::fs;
use std::path::Path;

use matchmark_prover::{ChainTerms, SegmentInput, SegmentProver};
use matchmark_quant::{CacheCapacity, Rounding, SegmentSteps};
use matchmark_runtime::{execute_segment, AttentionTrace, KvCache};
use matchmark_statement::{Cut, Profile, Security, SecurityLevel, SegmentShape, VerifierDomain};
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::SecurityFigures;

/// What is pinned, and the long table of figures in it.
fn describe(level: SecurityLevel, profile: Profile, cut: Cut) -> (String, String) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let trace = AttentionTrace::load(fixtures.join("attention-layer0-8bit.safetensors")).unwrap();
    let rules = trace.rules(Rounding::NearestTiesUp, None, None).unwrap();
    let steps = trace.step_range();
    let length = |entries: usize| u32::try_from(entries).unwrap();
    let shape = SegmentShape::new(
        trace.shape(),
        CacheCapacity::new(length(steps.entries_after())).unwrap(),
        SegmentSteps::new(length(steps.steps())).unwrap(),
    );
    let prover = SegmentProver::new(ChainTerms::attention(
        VerifierDomain::new("pinned", [0; 16]).unwrap(),
        Security::new(level, profile).unwrap(),
        trace.quantization(&rules),
        rules.rounding,
        shape.unwrap(),
        rules.table.clone(),
    ))
    .unwrap();
    let cache = KvCache::from_prefix(&trace);
    let inputs = trace.segment(steps).unwrap();
    let (execution, after) = execute_segment(&cache, &inputs, &rules).unwrap();
    let (before, after) = (prover.state(cache).unwrap(), prover.state(after).unwrap());
    let input = SegmentInput {
        execution: &execution,
        before: &before,
        after: &after,
        cut,
    };
    let proven = prover.prove(&input).unwrap();
    let layout = prover.terms().layout(steps.steps()).unwrap();
    let layout = layout.with_cut(cut);
    let security = prover.terms().security;
    let structures = ProofStructure::all(&layout, security).unwrap();
    let figures = SecurityFigures::new(&structures);
    let table = figures.table().to_string();
    let text = format!(
        "proofs {} bytes, public values {} bytes, file {} bytes\n{:#?}\n{figures}\n{table}\n{}",
        proven.file.proof_bytes(),
        proven.file.public_values().encode().len(),
        proven.file.encode().unwrap().len(),
        proven.metrics,
        proven.file.statement()
    );
    (text, table)
}

#[test]
fn proven_100_compact() {
    let (text, table) = describe(SecurityLevel::Proven100, Profile::Compact, Cut::Fused);
    insta::assert_snapshot!(text);
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/soundness.md");
    let document = fs::read_to_string(document).unwrap();
    assert!(
        document.contains(&table),
        "docs/soundness.md has another table than\n{table}"
    );
}

#[test]
fn proven_100_unique_compact() {
    let (text, _) = describe(SecurityLevel::Proven100Unique, Profile::Compact, Cut::Fused);
    insta::assert_snapshot!(text);
}

#[test]
fn conjectured_100_compact() {
    let (text, _) = describe(SecurityLevel::Conjectured100, Profile::Compact, Cut::Fused);
    insta::assert_snapshot!(text);
}

#[test]
fn insecure_13() {
    let (text, _) = describe(SecurityLevel::Insecure13, Profile::Compact, Cut::Fused);
    insta::assert_snapshot!(text);
}

#[test]
fn conjectured_100_compact_split() {
    let (text, _) = describe(SecurityLevel::Conjectured100, Profile::Compact, Cut::Split);
    insta::assert_snapshot!(text);
}
