//! What the proofs of pinned layouts are worth: the promise of their level, the work that it asks for, and a
//! second opinion.
//!
//! `tests/soundcalc/input.json` has the cases as the public calculator `soundcalc` is asked for them,
//! `output.json` what it says of them. `cargo xtask soundcalc` makes both anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use matchmark_air::challenges::MAX_TUPLE;
use matchmark_air::describe::{digit_layouts, reference_layouts};
use matchmark_air::hash::DIGEST_BYTES;
use matchmark_air::layout::decoder::DecoderLayout;
use matchmark_air::layout::SegmentLayout;
use matchmark_statement::{Profile, Regime, Security, SecurityLevel};
use matchmark_verifier::soundness::{Term, CONSTRAINT_DEGREE};
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::SecurityFigures;
use serde_json::{json, Value};

/// Whether it is a layout of a model with biases.
fn has_biases((layout, _): &(SegmentLayout, usize)) -> bool {
    let decoder = layout.decoder();
    decoder.is_some_and(|decoder| decoder.shape().attention_bias())
}

/// Those that the calculator was asked for: of all layers in one group, and those without lanes. The terms of the
/// others follow from other numbers by the same formulas.
fn asked_for() -> Vec<(String, ProofStructure)> {
    let mut layouts = reference_layouts().unwrap();
    layouts.retain(|it| !has_biases(it) && is_whole(it));
    structures_of("layout", &layouts)
}

fn is_whole((layout, _): &(SegmentLayout, usize)) -> bool {
    if layout.score_lanes() > 1 {
        return false;
    }
    let is_whole = |decoder: &DecoderLayout| {
        let layers = decoder.layers();
        layers.count() == layers.of() && decoder.argmax_lanes() == 1
    };
    layout.decoder().is_none_or(is_whole)
}

/// All structures of the pinned layouts of whole values at all levels, with a name for each. Biases change none.
fn structures() -> Vec<(String, ProofStructure)> {
    let mut layouts = reference_layouts().unwrap();
    layouts.retain(|layout| !has_biases(layout));
    structures_of("layout", &layouts)
}

/// A bias is a weight more: no tree is higher, and no term of the error larger, where rows of weights have room.
#[test]
fn biases_change_no_structure() {
    let (biased, mut others): (Vec<_>, Vec<_>) = reference_layouts()
        .unwrap()
        .into_iter()
        .partition(has_biases);
    assert_eq!(biased.len(), 1);
    // The same decoder of two layers without, in one proof.
    others.retain(|(layout, _)| {
        let layers = layout.decoder().map(|it| *it.layers());
        layers.is_some_and(|it| it.count() == 2) && layout.parts().count() == 1
    });
    let of = |layouts| -> Vec<Option<Value>> {
        let structures = structures_of("", layouts);
        structures.iter().map(|(_, it)| case("", it)).collect()
    };
    assert_eq!(of(&biased), of(&others));
}

/// All structures of layouts at all levels.
fn structures_of(what: &str, layouts: &[(SegmentLayout, usize)]) -> Vec<(String, ProofStructure)> {
    let mut all = vec![];
    for (index, (layout, _)) in layouts.iter().enumerate() {
        for level in SecurityLevel::ALL {
            for profile in Profile::ALL {
                let Ok(security) = Security::new(level, profile) else {
                    continue;
                };
                for structure in ProofStructure::all(layout, security).unwrap() {
                    let name = format!("{what} {index} {} {security}", structure.part());
                    all.push((name, structure));
                }
            }
        }
    }
    all
}

#[test]
fn pinned_layouts_keep_the_promise_of_their_level() {
    let digits = structures_of("digits", &digit_layouts().unwrap());
    for (name, structure) in structures().into_iter().chain(digits) {
        let security = structure.security();
        let figures = SecurityFigures::new(&[structure]);
        let Some(promised) = security.level().promised_bits() else {
            continue;
        };
        let bits = match security.regime() {
            Regime::BestKnownAttack => figures.conjectured.bits,
            Regime::UniqueDecoding | Regime::Johnson { .. } => figures.proven.bits,
        };
        assert!(bits >= f64::from(promised), "{name}: {figures}");
    }
}

/// The bits of work are integers that prover and verifier have to agree about.
#[test]
fn work_before_challenges() {
    let mut lines = String::new();
    for (name, structure) in structures() {
        let work: Vec<String> = structure
            .grinding()
            .all()
            .filter(|(_, bits)| *bits > 0)
            .map(|(challenge, bits)| format!("{challenge} {bits}"))
            .collect();
        if !work.is_empty() {
            writeln!(lines, "{name}: {}", work.join(", ")).unwrap();
        }
    }
    insta::assert_snapshot!(lines);
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/soundcalc")
}

/// A case as the calculator is asked for it; `None` where nothing is proven.
fn case(name: &str, structure: &ProofStructure) -> Option<Value> {
    let security = structure.security();
    let multiplicity = match security.regime() {
        Regime::UniqueDecoding => None,
        Regime::Johnson { multiplicity } => Some(multiplicity),
        Regime::BestKnownAttack => return None,
    };
    let (counts, parameters) = (structure.counts(), security.parameters());
    let work = structure.grinding().all();
    let mut work: BTreeMap<String, u32> = work.map(|(it, bits)| (it.to_string(), bits)).collect();
    work.insert("queries".to_owned(), parameters.pow_bits);
    Some(json!({
        "name": name,
        "log_rows": counts.log_rows,
        "log_blowup": parameters.log_blowup,
        "queries": parameters.queries,
        "digest_bits": 8 * DIGEST_BYTES,
        "batched": counts.batched,
        "folds": counts.folds,
        "tuples": counts.tuples,
        "longest_tuple": MAX_TUPLE,
        "constraints": counts.constraints,
        "constraint_degree": CONSTRAINT_DEGREE,
        "samples_of_column": counts.samples_of_column,
        "multiplicity": multiplicity,
        "work": work,
    }))
}

#[test]
fn the_public_calculator_says_the_same() {
    let structures = asked_for();
    let cases: Vec<Value> = structures
        .iter()
        .filter_map(|(name, structure)| case(name, structure))
        .collect();
    let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    let input = folder().join("input.json");
    if std::env::var_os("MATCHMARK_WRITE_SOUNDCALC").is_some() {
        std::fs::write(&input, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&input).unwrap(),
        text,
        "the calculator was asked for other parameters"
    );
    let output = std::fs::read(folder().join("output.json")).unwrap();
    let output: Vec<Value> = serde_json::from_slice(&output).unwrap();
    assert_eq!(output.len(), cases.len());
    let mut compared = 0;
    let proven = structures
        .iter()
        .filter(|(name, it)| case(name, it).is_some());
    for ((name, structure), theirs) in proven.zip(output) {
        assert_eq!(theirs["name"], name.as_str());
        let ours = structure.bits(structure.security().regime());
        for (term, bits) in ours {
            let Term::Challenge(challenge) = term else {
                continue;
            };
            // What the calculator does not know.
            let Some(expected) = theirs["bits"].get(challenge.to_string()) else {
                continue;
            };
            let expected = expected.as_f64().unwrap();
            assert!(
                (bits - expected).abs() < 0.1,
                "{name}, {term}: {bits} {expected}"
            );
            compared += 1;
        }
    }
    assert!(compared > 7 * cases.len(), "{compared}");
}
