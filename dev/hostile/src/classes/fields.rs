//! Statement fields: each changed under a valid proof, for one segment and at every place of a chain;
//! and every bit of the encoding, for the first challenge.
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
    ScoreStep, SegmentSteps, StepRange, TableBounds, TaggedSha256, ValueBits,
};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, ChainStatement, LookupStatement, ModelId,
    ModelIdentity, PortCommitment, Profile, PublicValuesDigest, RelationDigest, RelationVersion,
    Security, SecurityLevel, SegmentCut, SegmentKind, SegmentShape, SegmentStatement,
    SegmentStatementParts, SharedTerms, StatementDigest, StatementVersion, TokenEnds, TokenId,
    VerifierDomain,
};
use matchmark_tables::TableId;
use matchmark_verifier::{transcript, verify_segment, LookupFile, SegmentFile};

use super::restated::restated;
use crate::bytes::Sample;
use crate::cases::{narrow, split_narrow};
use crate::decoder::cases::uneven;
use crate::decoders::{changed_terms, decoders, restate, stated};
use crate::report::Recorder;
use crate::runs::{plain, plain_of_decoder, verify, Run};

pub fn run(recorder: &mut Recorder) {
    for case in [narrow().case(), split_narrow().case(), uneven().case()] {
        let sample = Sample::new(&case, 1);
        segment(recorder, case.name, &sample);
        challenges(recorder, case.name, &sample);
    }
    chain(recorder, "chain", &plain());
    chain(recorder, "decoder's chain", &plain_of_decoder());
    super::grids::fields(recorder);
}

/// What a policy would have to be to have nothing against the statement itself; `None` if no policy
/// says that.
fn following(policy: &AcceptancePolicy, statement: &SegmentStatement) -> Option<AcceptancePolicy> {
    let AcceptancePolicyParts {
        circuits,
        first_state,
        mut prompt,
        end_tokens,
        ..
    } = policy.parts();
    if statement.kind() == SegmentKind::Attention {
        let chain = ChainStatement::of([statement]).unwrap();
        return AcceptancePolicy::accepting(&chain, vec![], circuits).ok();
    }
    // The chain of a decoder begins at the first token.
    let first_state = match statement.steps().entries_before() {
        0 => statement.state_before(),
        _ => first_state,
    };
    // As many tokens as the statement says are given.
    let given = statement.decoder()?.prompt.get() as usize;
    prompt.resize(given, TokenId::new(0));
    let entries = u32::try_from(statement.steps().entries_after()).ok()?;
    let mut parts = AcceptancePolicyParts {
        terms: statement.terms().clone(),
        prompt,
        end_tokens,
        answer_tokens: 0,
        first_state,
        steps: StepRange::new(0, entries).ok()?,
        circuits,
        shorter: vec![],
    };
    parts.answer_tokens = parts.generated_tokens();
    AcceptancePolicy::new(parts).ok()
}

fn segment(recorder: &mut Recorder, name: &str, sample: &Sample) {
    for (field, parts) in variations(&sample.file.statement().parts()) {
        let statement = match SegmentStatement::new(parts) {
            Ok(statement) => statement,
            Err(error) => {
                recorder.refuse(&format!("{name}/{field}/not a statement"), || Err(error));
                continue;
            }
        };
        let mut files = vec![(
            "",
            with_lookup(restated(&sample.file, statement.clone()), sample),
        )];
        // The second proof in the name of the changed segment.
        if let (Some(lookup), Ok(renamed)) = (
            sample.file.lookup(),
            LookupStatement::new(statement.clone()),
        ) {
            let lookup = LookupFile::new(renamed, lookup.proof().to_vec());
            let file = restated(&sample.file, statement.clone()).with_lookup(Some(lookup));
            files.push((", lookup too", file));
        }
        for (how, file) in files {
            recorder.refuse(&format!("{name}/{field}{how}"), || {
                verify_segment(&file, &sample.policy).map(|_| ())
            });
            if let Some(policy) = following(&sample.policy, &statement) {
                recorder.refuse(&format!("{name}/{field}{how}, policy too"), || {
                    verify_segment(&file, &policy).map(|_| ())
                });
            }
        }
    }
}

fn with_lookup(file: SegmentFile, sample: &Sample) -> SegmentFile {
    file.with_lookup(sample.file.lookup().cloned())
}

/// The first challenge of a statement that is these bytes.
fn first_challenge(sample: &Sample, encoding: &[u8]) -> String {
    let digest = TaggedSha256::new(SegmentStatement::TAG)
        .chain(encoding)
        .finish();
    let digest = StatementDigest::from_bytes(digest);
    let mut transcript = transcript::begin_with_digest(&digest, &sample.structure);
    format!("{:?}", transcript.draw_rlc())
}

fn challenges(recorder: &mut Recorder, name: &str, sample: &Sample) {
    let statement = sample.file.statement();
    let encoding = statement.encode();
    let mut transcript = transcript::begin(statement, &sample.structure);
    let own = format!("{:?}", transcript.draw_rlc());
    recorder.require(
        &format!("{name}/the challenge is that of the encoding"),
        || {
            if first_challenge(sample, &encoding) == own {
                Ok(())
            } else {
                Err("the transcript does not begin with the encoding's digest".into())
            }
        },
    );
    for bit in 0..8 * encoding.len() {
        let mut flipped = encoding.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        recorder.require(&format!("{name}/bit {bit} of the statement"), || {
            if first_challenge(sample, &flipped) == own {
                return Err("the first challenge stays the same".into());
            }
            // Where the bytes are a statement at all, it is another one.
            match SegmentStatement::decode(&flipped) {
                Ok(other) if other.digest() == statement.digest() => {
                    Err("the digest stays the same".into())
                }
                _ => Ok(()),
            }
        });
    }
}

fn chain(recorder: &mut Recorder, name: &str, run: &Run) {
    for at in 0..run.files.len() {
        for (field, parts) in variations(&run.files[at].statement().parts()) {
            let Ok(statement) = SegmentStatement::new(parts) else {
                // Counted for the single segment.
                continue;
            };
            let mut files = run.files.clone();
            files[at] = restated(&files[at], statement);
            let label = format!("{name} at {at}/{field}");
            recorder.refuse(&label, || verify(&files, &run.policy));
        }
    }
}

/// Statements that differ in one field each, by the name of field and change. The list is taken apart
/// exhaustively: a new field does not compile until it is changed here.
fn variations(base: &SegmentStatementParts) -> Vec<(String, SegmentStatementParts)> {
    let SegmentStatementParts {
        version,
        terms,
        steps,
        public_values,
        state_before,
        state_after,
        cut: _,
        tokens: _,
        group: _,
    } = base.clone();
    let SharedTerms {
        relation_version,
        relation_digest,
        domain,
        security,
        model: _,
        quantization,
        rounding: _,
        table,
        table_bounds,
        shape,
        decoder: _,
    } = terms;
    let mut out = vec![];
    macro_rules! vary {
        (@terms $field:ident: $($value:expr),+ $(,)?) => {
            vary!($field, terms: $(SharedTerms { $field: $value, ..base.terms.clone() }),+)
        };
        ($field:ident: $($value:expr),+ $(,)?) => { vary!($field, $field: $($value),+) };
        ($field:ident, $place:ident: $($value:expr),+) => {{
            let mut count = 0;
            $(
                let mut parts = base.clone();
                parts.$place = $value;
                if &parts != base {
                    count += 1;
                    out.push((format!("{} {count}", stringify!($field)), parts));
                }
            )+
            count
        }};
    }
    macro_rules! vary_digest {
        ($(@$of:ident)? $field:ident, $name:ident) => {{
            let flip = |byte: usize, mask: u8| {
                let mut bytes = $field.to_bytes();
                bytes[byte] ^= mask;
                $name::from_bytes(bytes)
            };
            vary!($(@$of)? $field:
                flip(0, 1), flip(31, 0x80), flip(13, 0xff), $name::from_bytes([0; 32]))
        }};
    }
    let mut fewest = usize::MAX;
    let mut least = |count: usize| fewest = fewest.min(count);
    let version = version.get();
    least(vary!(version:
        StatementVersion::new(0),
        StatementVersion::new(version - 1),
        StatementVersion::new(version + 1),
        StatementVersion::new(u16::MAX)));
    let relation = relation_version.get();
    least(vary!(@terms relation_version:
        RelationVersion::new(0),
        RelationVersion::new(relation - 1),
        RelationVersion::new(relation + 1),
        RelationVersion::new(u16::MAX)));
    least(vary_digest!(@terms relation_digest, RelationDigest));
    let (name, nonce) = (domain.application().to_owned(), *domain.nonce());
    let domain_of = |name: String, nonce| VerifierDomain::new(name, nonce).unwrap();
    least(vary!(@terms domain:
        domain_of(format!("{name}."), nonce),
        domain_of(name[1..].to_owned(), nonce),
        domain_of(name.to_uppercase(), nonce),
        domain_of(name.clone(), [0; 16])));
    let of = |level, profile| Security::new(level, profile).unwrap_or(security);
    least(vary!(@terms security:
        of(SecurityLevel::Insecure13, Profile::Compact),
        of(SecurityLevel::Conjectured100, Profile::Compact),
        of(SecurityLevel::Conjectured100, Profile::Fast),
        of(SecurityLevel::Proven100, Profile::Compact),
        of(SecurityLevel::Proven100, Profile::Fast)));
    let weights = |byte| ModelIdentity::Weights(ModelId::from_bytes([byte; 32]));
    least(vary!(@terms model: weights(0), weights(1), weights(0x7f), weights(0xff)));
    let (bits, step) = (quantization.value_bits(), quantization.score_step());
    let quantized = |bits: u8, step: u32| {
        let (bits, step) = (ValueBits::new(bits).unwrap(), ScoreStep::new(step).unwrap());
        QuantizationPolicy::new(bits, step, None)
    };
    least(vary!(@terms quantization:
        quantized(4, step.get()),
        quantized(5, step.get()),
        quantized(8, step.get()),
        quantized(12, step.get()),
        quantized(bits.get(), step.get() + 1)));
    // There are two rules: one change is all there is.
    vary!(@terms rounding: Rounding::Floor, Rounding::NearestTiesUp);
    least(vary_digest!(@terms table, TableId));
    let TableBounds { len, max_weight } = table_bounds;
    least(vary!(@terms table_bounds:
        TableBounds { len: len + 1, max_weight },
        TableBounds { len: len - 1, max_weight },
        TableBounds { len, max_weight: max_weight + 1 },
        TableBounds { len, max_weight: max_weight - 1 }));
    let attention = shape.attention();
    let shaped = |heads: u32, groups: u32, dim: u32, capacity: u32, steps: u32| {
        let attention = AttentionShape::new(
            QueryHeads::new(heads).unwrap(),
            KvHeads::new(groups).unwrap(),
            HeadDim::new(dim).unwrap(),
        );
        SegmentShape::new(
            attention.unwrap(),
            CacheCapacity::new(capacity).unwrap(),
            SegmentSteps::new(steps).unwrap(),
        )
        .unwrap()
    };
    let [heads, groups, dim] = [
        attention.query_heads() as u32,
        attention.kv_heads() as u32,
        attention.head_dim() as u32,
    ];
    let (capacity, longest) = (shape.capacity().get(), shape.segment_steps().get());
    least(vary!(@terms shape:
        shaped(2 * heads, groups, dim, capacity, longest),
        shaped(heads, 1, dim, capacity, longest),
        shaped(heads, groups, dim + 1, capacity, longest),
        shaped(heads, groups, dim, capacity + 1, longest),
        shaped(heads, groups, dim, capacity, longest + 1)));
    let (before, count) = (steps.entries_before() as u32, steps.steps() as u32);
    let range = |before, count| StepRange::new(before, count).unwrap_or(steps);
    least(vary!(steps:
        range(before + 1, count),
        range(before + 2, count),
        range(before, count + 1),
        range(before, count + 2),
        range(before.saturating_sub(1), count),
        range(before.saturating_sub(2), count)));
    least(vary_digest!(public_values, PublicValuesDigest));
    least(vary_digest!(state_before, PortCommitment));
    least(vary_digest!(state_after, PortCommitment));
    let split = |bytes| SegmentCut::Split(PortCommitment::from_bytes(bytes));
    least(vary!(cut:
        SegmentCut::Fused,
        split([0; 32]),
        split([0xff; 32]),
        split(state_before.to_bytes()),
        split(state_after.to_bytes())));
    let decoders = decoders(&shape, &quantization);
    let decoder = |index: usize| Some(decoders[index]);
    least(vary!(@terms decoder: decoder(0), decoder(1), decoder(2), decoder(3), decoder(4)));
    let ends = |first, next| {
        let (first, next) = (TokenId::new(first), TokenId::new(next));
        Some(TokenEnds { first, next })
    };
    least(vary!(tokens: ends(0, 0), ends(0, 1), ends(1, 0), ends(u32::MAX, u32::MAX)));
    // A decoder's own terms, alone and with what follows from them.
    for (name, terms) in base.terms.decoder.iter().flat_map(changed_terms) {
        let mut parts = base.clone();
        parts.terms.decoder = Some(terms);
        let whole = restate(base, terms);
        if whole != parts {
            out.push((format!("{name}, whole"), whole));
        }
        out.push((name, parts));
    }
    // With all that belongs to a decoder.
    for (index, decoder) in decoders.into_iter().enumerate() {
        out.push((
            format!("whole decoder {}", index + 1),
            stated(base, decoder),
        ));
    }
    assert!(fewest >= 4, "every field is changed in four ways");
    out
}
