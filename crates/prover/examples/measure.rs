//! Proves the fixture as one segment and prints sizes and times.
#![allow(clippy::unwrap_used, missing_docs)]
use matchmark_prover::*;
use matchmark_quant::*;
use matchmark_runtime::*;
use matchmark_statement::*;
use std::time::Instant;

fn cpu_ms() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let r: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (r[11].parse::<f64>().unwrap() + r[12].parse::<f64>().unwrap()) * 10.0
}

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let trace = AttentionTrace::load(&path).unwrap();
    let rules = trace.rules(Rounding::NearestTiesUp, None, None).unwrap();
    let range = trace.step_range();
    println!("D {} table {}", rules.score_step.get(), rules.table.id());
    for (level, profile) in [
        (SecurityLevel::Conjectured100, Profile::Compact),
        (SecurityLevel::Conjectured100, Profile::Fast),
        (SecurityLevel::Johnson100, Profile::Compact),
        (SecurityLevel::Insecure13, Profile::Compact),
    ] {
        let terms = ChainTerms {
            domain: VerifierDomain::new("measure", [0; 16]).unwrap(),
            security: Security::new(level, profile).unwrap(),
            model: ModelIdentity::TraceOnly,
            quantization: trace.quantization(&rules),
            rounding: rules.rounding,
            table: rules.table.clone(),
            shape: SegmentShape::new(
                trace.shape(),
                CacheCapacity::new(u32::try_from(range.entries_after()).unwrap()).unwrap(),
                SegmentSteps::new(u32::try_from(range.steps()).unwrap()).unwrap(),
            )
            .unwrap(),
        };
        let inputs = trace.segment(range).unwrap();
        let cache = KvCache::from_prefix(&trace);
        let (c0, t0) = (cpu_ms(), Instant::now());
        let (execution, after) = execute_segment(&cache, &inputs, &rules).unwrap();
        let prover = SegmentProver::new(terms).unwrap();
        let before = prover.state(cache).unwrap();
        let after = prover.state(after).unwrap();
        let input = SegmentInput {
            execution: &execution,
            before: &before,
            after: &after,
        };
        let proven = prover.prove(&input).unwrap();
        let (cpu, wall) = (cpu_ms() - c0, t0.elapsed());
        println!(
            "{:?}",
            prover.terms().layout(range.steps()).unwrap().log_rows()
        );
        println!("{:?} {}", proven.metrics, proven.file.statement());
        let root = prover.preprocessed_root(range.steps()).unwrap();
        let mut fold = ChainAccumulator::start(proven.file.statement());
        let _ = &mut fold;
        let policy = AcceptancePolicy::accepting(
            &fold.finish(),
            vec![PolicyCircuit {
                steps: u32::try_from(range.steps()).unwrap(),
                preprocessed_root: root,
            }],
        )
        .unwrap();
        let bytes = proven.file.encode().unwrap();
        let mut best = f64::MAX;
        for _ in 0..20 {
            let t1 = Instant::now();
            let file = matchmark_verifier::SegmentFile::decode(&bytes).unwrap();
            matchmark_verifier::verify_segment(&file, &policy).unwrap();
            best = best.min(t1.elapsed().as_secs_f64() * 1e3);
        }
        let file = matchmark_verifier::SegmentFile::decode(&bytes).unwrap();
        println!(
            "{}",
            matchmark_verifier::verify_segment(&file, &policy)
                .unwrap()
                .figures
        );
        println!("{level} {profile}: proof {} bytes, file {}, cpu {cpu} ms wall {wall:?}, verify {best:.2} ms", proven.file.proof().len(), bytes.len());
        // second run: warm
        let c0 = cpu_ms();
        prover.prove(&input).unwrap();
        println!("   warm prove cpu {} ms", cpu_ms() - c0);
    }
    println!(
        "{}",
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .find(|l| l.starts_with("VmHWM"))
            .unwrap()
    );
}
