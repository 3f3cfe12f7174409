//! Vector instructions that the processor has and the build does not use.

/// A set of vector instructions for which the proof library has code of its own.
#[derive(Clone, Copy, Debug)]
struct InstructionSet {
    name: &'static str,
    /// Whether this processor has it.
    present: bool,
    /// Whether this program was compiled for it.
    compiled: bool,
}

/// Names of the vector instruction sets that this processor has, that the proof library has code for, and
/// that this program was compiled without; empty where nothing is lost.
///
/// The library chooses its code when it is compiled. By default a program is compiled for the oldest
/// processors of its architecture, and proving then takes several times as long as it could: 4 to 5 times
/// on a processor with AVX-512. The flag `-C target-cpu=native` makes the difference; it stands in the
/// configuration of whoever builds, which no dependency can change, so that all that is left is to say so.
///
/// ```
/// let unused = matchmark_prover::unused_instructions();
/// if !unused.is_empty() {
///     eprintln!("proofs take longer than they have to, without {}", unused.join(" and "));
/// }
/// ```
#[must_use]
pub fn unused_instructions() -> Vec<&'static str> {
    unused(&here())
}

fn unused(sets: &[InstructionSet]) -> Vec<&'static str> {
    let lost = sets.iter().filter(|set| set.present && !set.compiled);
    lost.map(|set| set.name).collect()
}

#[cfg(target_arch = "x86_64")]
fn here() -> [InstructionSet; 2] {
    [
        InstructionSet {
            name: "AVX2",
            present: std::arch::is_x86_feature_detected!("avx2"),
            compiled: cfg!(target_feature = "avx2"),
        },
        InstructionSet {
            name: "AVX-512",
            present: std::arch::is_x86_feature_detected!("avx512f"),
            compiled: cfg!(target_feature = "avx512f"),
        },
    ]
}

#[cfg(target_arch = "aarch64")]
fn here() -> [InstructionSet; 1] {
    [InstructionSet {
        name: "NEON",
        present: std::arch::is_aarch64_feature_detected!("neon"),
        compiled: cfg!(target_feature = "neon"),
    }]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn here() -> [InstructionSet; 0] {
    []
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_and_not_compiled_is_unused() {
        let set = |name, present, compiled| InstructionSet {
            name,
            present,
            compiled,
        };
        let of = |wide: (bool, bool), wider: (bool, bool)| {
            unused(&[set("wide", wide.0, wide.1), set("wider", wider.0, wider.1)])
        };
        assert_eq!(of((true, false), (true, false)), ["wide", "wider"]);
        assert_eq!(of((true, true), (true, false)), ["wider"]);
        assert_eq!(of((true, true), (true, true)), [""; 0]);
        assert_eq!(of((true, false), (false, false)), ["wide"]);
        assert_eq!(of((false, false), (false, false)), [""; 0]);
    }

    /// A program cannot run where what it was compiled for is missing.
    #[test]
    fn what_was_compiled_is_there() {
        for set in here() {
            assert!(set.present || !set.compiled, "{set:?}");
        }
    }
}
