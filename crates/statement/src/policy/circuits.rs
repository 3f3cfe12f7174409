//! The circuits that a policy accepts.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{PolicyError, PolicyMismatch};
use crate::cut::{Cut, ProofPart};
use crate::identity::PreprocessedRoot;
use crate::terms::SharedTerms;

/// The circuit for one segment length and part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyCircuit {
    /// Number of steps of the segments that this circuit proves.
    pub steps: u32,
    /// The group of layers that it is for; 0 where there is only one.
    pub group: u16,
    /// What it proves of them.
    pub part: ProofPart,
    /// Root of its preprocessed columns.
    pub preprocessed_root: PreprocessedRoot,
}

/// Where a circuit stands among others.
const fn place(circuit: &PolicyCircuit) -> (u32, u16, ProofPart) {
    (circuit.steps, circuit.group, circuit.part)
}

/// Puts the circuits of a chain in order, and checks them against its terms.
pub(super) fn check(
    terms: &SharedTerms,
    circuits: &mut [PolicyCircuit],
) -> Result<(), PolicyError> {
    if circuits.is_empty() {
        return Err(PolicyError::NoCircuits);
    }
    circuits.sort_unstable();
    for pair in circuits.windows(2) {
        if place(&pair[0]) == place(&pair[1]) {
            return Err(PolicyError::DuplicateCircuit {
                part: pair[0].part,
                group: pair[0].group,
                got: pair[0].steps,
            });
        }
    }
    let expected = terms.shape.segment_steps().get();
    if let Some(circuit) = circuits
        .iter()
        .find(|circuit| circuit.steps == 0 || circuit.steps > expected)
    {
        return Err(PolicyError::CircuitSteps {
            expected,
            got: circuit.steps,
        });
    }
    for circuit in circuits.iter() {
        let expected = match circuit.part {
            ProofPart::Whole => continue,
            ProofPart::Arithmetic => ProofPart::Lookup,
            ProofPart::Lookup => ProofPart::Arithmetic,
        };
        if find(circuits, (circuit.steps, circuit.group, expected)).is_none() {
            return Err(PolicyError::HalfCircuit {
                expected,
                got: circuit.part,
                steps: circuit.steps,
            });
        }
    }
    check_groups(terms.groups().get(), circuits)
}

/// Whether every length of segments that is in use has circuits for all groups of layers, and for no others.
fn check_groups(expected: u16, circuits: &[PolicyCircuit]) -> Result<(), PolicyError> {
    if let Some(circuit) = circuits.iter().find(|circuit| circuit.group >= expected) {
        let got = circuit.group;
        return Err(PolicyError::CircuitGroup { expected, got });
    }
    for of_length in circuits.chunk_by(|left, right| left.steps == right.steps) {
        let missing = (0..expected).find(|group| of_length.iter().all(|it| it.group != *group));
        if let Some(group) = missing {
            let steps = of_length[0].steps;
            return Err(PolicyError::GroupCircuit { group, steps });
        }
    }
    Ok(())
}

/// The roots of the circuits of segments of `steps` steps that are cut in this way, of a group of layers.
pub(super) fn roots_for(
    circuits: &[PolicyCircuit],
    steps: usize,
    group: u16,
    cut: Cut,
) -> Result<Vec<PreprocessedRoot>, PolicyMismatch> {
    let parts = cut.parts().iter();
    let roots = parts.map(|part| {
        let narrow = u32::try_from(steps).ok()?;
        find(circuits, (narrow, group, *part))
    });
    Option::ok_or_else(roots.collect(), || {
        let circuits = circuits.iter();
        let mut of_length = circuits
            .clone()
            .filter(|it| usize::try_from(it.steps) == Ok(steps) && it.group == group);
        match of_length.next() {
            Some(circuit) => PolicyMismatch::Cut {
                expected: circuit.part.cut(),
                got: cut,
            },
            None => {
                let mut expected: Vec<u32> = circuits.map(|circuit| circuit.steps).collect();
                expected.dedup();
                PolicyMismatch::SegmentLength {
                    expected,
                    got: steps,
                }
            }
        }
    })
}

/// `decoder circuit of 16 steps c0ffee..., ...`.
pub(super) fn in_words(circuits: &[PolicyCircuit]) -> String {
    let words = circuits.iter().map(|circuit| {
        let PolicyCircuit {
            steps,
            group,
            part,
            preprocessed_root,
        } = circuit;
        let of_group = match group {
            0 => String::new(),
            group => format!(" of group {group}"),
        };
        format!("{part} circuit{of_group} of {steps} steps {preprocessed_root}")
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The root in a sorted list of circuits.
pub(super) fn find(
    circuits: &[PolicyCircuit],
    at: (u32, u16, ProofPart),
) -> Option<PreprocessedRoot> {
    circuits
        .binary_search_by_key(&at, place)
        .ok()
        .map(|index| circuits[index].preprocessed_root)
}
