//! Policies: a valid proof against a policy that asks for something else, and proofs of every level
//! against policies of every other.
use matchmark_quant::{Rounding, StepRange};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, EndTokens, ModelId, ModelIdentity, PortCommitment,
    PreprocessedRoot, Profile, ProofPart, RelationDigest, RelationVersion, Security, SecurityLevel,
    SharedTerms, ShorterChain, TokenId, VerifierDomain,
};
use matchmark_tables::TableId;
use matchmark_verifier::verify_segment;

use super::grids;
use super::restated::restated;
use crate::bytes::Sample;
use crate::cases::{narrow, split_narrow, unclipped, wide};
use crate::decoder::cases::first;
use crate::decoders::{ask, asked, changed_terms, decoders, recut};
use crate::report::Recorder;

pub fn run(recorder: &mut Recorder) {
    let others = [
        Sample::new(&wide().case(), 1),
        Sample::new(&unclipped().case(), 1),
    ];
    for case in [narrow().case(), split_narrow().case(), first().case()] {
        let sample = Sample::new(&case, 1);
        let consumed = sample.file.statement().steps().entries_after();
        for (field, parts) in variations(&sample.policy.parts(), consumed, &others) {
            let label = format!("{}/{field}", case.name);
            match AcceptancePolicy::new(parts) {
                Ok(policy) => {
                    recorder.refuse(&label, || verify_segment(&sample.file, &policy).map(|_| ()))
                }
                Err(error) => recorder.refuse(&format!("{label}/no policy"), || Err(error)),
            }
        }
    }
    levels(recorder);
    grids::policies(recorder);
}

/// Policies that differ in one field each. A new field does not compile until it is changed here.
///
/// Of the given tokens those are changed that the segment consumes, the first so many: the others are for
/// segments behind it to meet.
fn variations(
    base: &AcceptancePolicyParts,
    consumed: usize,
    others: &[Sample],
) -> Vec<(String, AcceptancePolicyParts)> {
    let AcceptancePolicyParts {
        terms,
        prompt,
        end_tokens: _,
        answer_tokens,
        first_state,
        steps,
        circuits,
        shorter: _,
    } = base.clone();
    let SharedTerms {
        relation_version,
        relation_digest,
        domain,
        security: _,
        model: _,
        quantization,
        rounding: _,
        table,
        table_bounds: _,
        shape,
        decoder: _,
    } = terms;
    let others: Vec<AcceptancePolicyParts> = others.iter().map(|it| it.policy.parts()).collect();
    let mut out = vec![];
    macro_rules! vary {
        (@terms $field:ident: $($value:expr),+ $(,)?) => {
            vary!($field, terms: $(SharedTerms { $field: $value, ..base.terms.clone() }),+)
        };
        ($field:ident: $($value:expr),+ $(,)?) => { vary!($field, $field: $($value),+) };
        ($field:ident, $place:ident: $($value:expr),+) => {$({
            let mut parts = base.clone();
            parts.$place = $value;
            if &parts != base {
                out.push((format!("{} {}", stringify!($field), out.len()), parts));
            }
        })+};
    }
    macro_rules! vary_digest {
        ($(@$of:ident)? $field:ident, $name:ident) => {
            for (byte, mask) in [(0, 1), (31, 0x80), (13, 0xff)] {
                let mut bytes = $field.to_bytes();
                bytes[byte] ^= mask;
                vary!($(@$of)? $field: $name::from_bytes(bytes));
            }
        };
    }
    for position in 0..prompt.len().min(consumed) {
        let mut other = prompt.clone();
        // The next lower token, or one more than the lowest.
        other[position] = TokenId::new(match other[position].get() {
            0 => 1,
            token => token - 1,
        });
        vary!(prompt: other);
    }
    let mut longer = prompt.clone();
    longer.push(TokenId::new(0));
    let shorter = prompt[..prompt.len().saturating_sub(1)].to_vec();
    vary!(prompt: longer, shorter, vec![TokenId::new(u32::MAX); prompt.len()]);
    // Which tokens end an answer is for the chain to meet, in class `chains`. Here it is what no policy has.
    // More tokens than there are steps for, and, at most, fewer than the last segment begins with.
    vary!(answer_tokens: answer_tokens + 1, 0, u32::MAX);
    vary!(end_tokens: EndTokens::new([TokenId::new(u32::MAX)]).unwrap());
    // So are shorter chains. Without end tokens there are none.
    vary!(shorter: vec![ShorterChain {
        steps: 1,
        relation_digest,
        weights: first_state,
        first_state,
        circuits: circuits.clone(),
    }]);
    let version = relation_version.get();
    vary!(@terms relation_version: RelationVersion::new(version + 1), RelationVersion::new(version - 1));
    vary_digest!(@terms relation_digest, RelationDigest);
    let name = domain.application();
    vary!(@terms domain:
        VerifierDomain::new(format!("{name}!"), *domain.nonce()).unwrap(),
        VerifierDomain::new(name, [0; 16]).unwrap());
    for (level, profile) in LEVELS {
        if let Ok(security) = Security::new(level, profile) {
            vary!(@terms security: security);
        }
    }
    vary!(@terms model: ModelIdentity::Weights(ModelId::from_bytes([0; 32])));
    // Alone, and with all that belongs to it.
    for decoder in decoders(&shape, &quantization) {
        vary!(@terms decoder: Some(decoder));
        out.push((format!("whole decoder {}", out.len()), asked(base, decoder)));
    }
    vary!(@terms decoder: None);
    for (name, terms) in base.terms.decoder.iter().flat_map(changed_terms) {
        vary!(@terms decoder: Some(terms));
        out.push((format!("{name}, whole"), ask(base, terms)));
    }
    vary!(circuits: recut(&circuits));
    vary!(@terms rounding: Rounding::Floor, Rounding::NearestTiesUp);
    vary_digest!(@terms table, TableId);
    for other in &others {
        vary!(@terms quantization: other.terms.quantization);
        vary!(@terms table_bounds: other.terms.table_bounds);
        vary!(@terms shape: other.terms.shape);
        vary!(@terms table: other.terms.table);
        vary!(circuits: other.circuits.clone());
    }
    vary_digest!(first_state, PortCommitment);
    let (before, count) = (steps.entries_before() as u32, steps.steps() as u32);
    vary!(steps:
        StepRange::new(before + 1, count).unwrap(),
        StepRange::new(before.saturating_sub(1), count).unwrap(),
        StepRange::new(before, count - 1).unwrap());
    for index in 0..circuits.len() {
        let changed = |change: &dyn Fn(&mut matchmark_statement::PolicyCircuit)| {
            let mut circuits = circuits.clone();
            change(&mut circuits[index]);
            circuits
        };
        let root = |root: &mut PreprocessedRoot, byte: usize| {
            let mut bytes = root.to_bytes();
            bytes[byte] ^= 1;
            *root = PreprocessedRoot::from_bytes(bytes);
        };
        vary!(circuits:
            changed(&|it| root(&mut it.preprocessed_root, 0)),
            changed(&|it| root(&mut it.preprocessed_root, 24)),
            changed(&|it| it.steps += 1),
            changed(&|it| it.part = ProofPart::Whole),
            changed(&|it| it.part = ProofPart::Arithmetic),
            changed(&|it| it.part = ProofPart::Lookup),
            vec![]);
    }
    out
}

const LEVELS: [(SecurityLevel, Profile); 5] = [
    (SecurityLevel::Insecure13, Profile::Compact),
    (SecurityLevel::Conjectured100, Profile::Fast),
    (SecurityLevel::Conjectured100, Profile::Compact),
    (SecurityLevel::Proven100, Profile::Fast),
    (SecurityLevel::Proven100, Profile::Compact),
];

/// A valid proof of each level against the policy of each other, as it is and in the name of the level
/// that the policy asks for.
fn levels(recorder: &mut Recorder) {
    let samples = LEVELS.map(|(level, profile)| {
        let mut spec = narrow();
        spec.security = Security::new(level, profile).unwrap();
        Sample::new(&spec.case(), 1)
    });
    for (of, sample) in samples.iter().enumerate() {
        for (by, judge) in samples.iter().enumerate().filter(|(by, _)| *by != of) {
            let label = format!("level {of} by the policy of {by}");
            recorder.refuse(&label, || {
                verify_segment(&sample.file, &judge.policy).map(|_| ())
            });
            let renamed = restated(&sample.file, judge.file.statement().clone());
            recorder.refuse(&format!("{label}, in its name"), || {
                verify_segment(&renamed, &judge.policy).map(|_| ())
            });
        }
    }
}
