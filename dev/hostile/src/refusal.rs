//! Forged claims on their whole way: refused by name by the mock checker, and by a typed error as
//! proofs.
use super::attacks::Attack;
use super::cases::Spec;
use super::checker::Drop;
use super::proving::outcome;

const SEEDS: u64 = 300;

/// What refuses a proof of an unbalanced relation, and of a broken constraint.
pub const BALANCE: &str = "lookup sum";
pub const CONSTRAINT: &str = "constraints (prover)";

/// Mounts an attack at the first seeds that suit it, `times` times.
pub fn refuse(spec: &Spec, attack: &Attack, reason: &str, refusal: &str, times: usize) {
    let case = spec.case();
    let mut mounted = 0;
    for seed in 0..SEEDS {
        let Some(forge) = attack(&case, seed) else {
            continue;
        };
        let forged = forge.finish(&Drop::Nothing);
        if forged.is_true() {
            // Equal values in the world made the change none.
            continue;
        }
        let at = format!("{}, seed {seed}", case.name);
        let failures = forged.failures();
        assert!(failures.contains(reason), "{at}: {failures:?}");
        let outcome = outcome(&forged);
        let expected = [refusal, "no public values"];
        assert!(expected.contains(&outcome.name()), "{at}: {outcome:?}");
        mounted += 1;
        if mounted == times {
            return;
        }
    }
    assert!(
        mounted > 0,
        "{}: no seed suits the attack on {reason}",
        case.name
    );
}
