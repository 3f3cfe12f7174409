//! Proves a trace as a chain and verifies it: `chain TRACE DIRECTORY SEGMENT_STEPS [WORKERS THREADS]`,
//! at `conjectured-100 fast`.
use std::error::Error;
use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use matchmark_composer::{
    policy_for, verify_directory, ChainOptions, ChainPlan, ChainProver, Schedule, Silent,
};
use matchmark_quant::{Rounding, SegmentSteps};
use matchmark_runtime::AttentionTrace;
use matchmark_statement::{
    CutPattern, ModelIdentity, Profile, Security, SecurityLevel, VerifierDomain,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (trace, directory, steps, threads) = match arguments.as_slice() {
        [trace, directory, steps] => (trace, directory, steps, None),
        [trace, directory, steps, workers, threads] => {
            let schedule = Schedule {
                workers: workers.parse::<NonZeroUsize>()?,
                threads_per_worker: threads.parse::<NonZeroUsize>()?,
            };
            (trace, directory, steps, Some(schedule))
        }
        _ => return Err("expected TRACE DIRECTORY SEGMENT_STEPS [WORKERS THREADS]".into()),
    };
    let directory = Utf8PathBuf::from(directory);
    let plan = ChainPlan::new(
        AttentionTrace::load(trace)?,
        ChainOptions {
            domain: VerifierDomain::new("example", [0; 16])?,
            security: Security::new(SecurityLevel::Conjectured100, Profile::Fast)?,
            model: ModelIdentity::TraceOnly,
            rounding: Rounding::NearestTiesUp,
            table: None,
            score_step: None,
            segment_steps: Some(SegmentSteps::new(steps.parse()?)?),
            cuts: CutPattern::default(),
        },
    )?;
    let mut prover = ChainProver::create(&directory, plan)?;
    if let Some(schedule) = threads {
        prover = prover.with_schedule(schedule);
    }
    let proven = prover.run(&Silent)?;
    drop(prover);
    let policy = policy_for(&directory)?;
    let verified = verify_directory(&directory, &policy, |_| {})?;
    println!(
        "{} segments on {:?}: {:?} ms of processor time, {:.0} ms of wall time, {:?} bytes of memory",
        proven.segments,
        proven.schedule,
        proven.prove_cpu_ms,
        proven.prove_wall_ms,
        proven.peak_rss_bytes
    );
    println!(
        "{} bytes of proof, verified in {:.1} ms, chain digest {}",
        verified.proof_bytes,
        verified.verify_ms,
        verified.statement.chain_digest()
    );
    Ok(())
}
