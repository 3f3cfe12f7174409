//! Policies as TOML files, for people to review.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
    Scales, ScoreStep, SegmentSteps, StepRange, TableBounds, ValueBits,
};
use matchmark_tables::TableId;
use serde::{Deserialize, Serialize};

use super::{AcceptancePolicy, AcceptancePolicyParts, PolicyCircuit, PolicyError};
use crate::boundary::ProofPart;
use crate::decoder::DecoderTerms;
use crate::domain::VerifierDomain;
use crate::identity::{
    ModelIdentity, PreprocessedRoot, RelationDigest, RelationVersion, StateCommitment,
};
use crate::security::Security;
use crate::shape::SegmentShape;
use crate::tokens::TokenId;

/// Version of the file format.
const FORMAT: u32 = AcceptancePolicy::FORMAT;

/// Read before everything else, so that a file of a later format is named as such.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// The file, field by field. Unknown fields are refused at every level: a misspelt restriction must not
/// silently restrict nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(rename = "format")]
    _format: u32,
    relation: RelationSection,
    domain: VerifierDomain,
    security: Security,
    model: ModelIdentity,
    quantization: QuantizationSection,
    table: TableSection,
    shape: ShapeSection,
    decoder: Option<DecoderTerms>,
    #[serde(default)]
    prompt: Vec<TokenId>,
    chain: ChainSection,
    circuits: Vec<CircuitSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationSection {
    version: RelationVersion,
    digest: RelationDigest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuantizationSection {
    value_bits: ValueBits,
    score_step: ScoreStep,
    rounding: Rounding,
    scales: Option<Scales>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableSection {
    id: TableId,
    length: u32,
    max_weight: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShapeSection {
    query_heads: QueryHeads,
    kv_heads: KvHeads,
    head_dim: HeadDim,
    capacity: CacheCapacity,
    segment_steps: SegmentSteps,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainSection {
    entries_before: u32,
    steps: u32,
    first_state: StateCommitment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CircuitSection {
    steps: u32,
    part: ProofPart,
    preprocessed_root: PreprocessedRoot,
}

impl AcceptancePolicy {
    /// Reads a policy from a TOML file's text. Strict: every field must be there (but for the scales,
    /// and the decoder of a policy of attention alone) and no other may.
    ///
    /// # Errors
    ///
    /// - [`PolicyError::File`] for a text that is no TOML, or a field that is missing, unknown or
    ///   outside of its own range;
    /// - [`PolicyError::Format`] for a file of another format version;
    /// - those of [`AcceptancePolicy::new`].
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let refused = |error: toml::de::Error| PolicyError::File {
            // The parser's message has several lines, with the place shown; one trailing line end.
            reason: error.to_string().trim_end().to_string(),
        };
        let Header { format: got } = toml::from_str(text).map_err(refused)?;
        if got != FORMAT {
            return Err(PolicyError::Format {
                expected: FORMAT,
                got,
            });
        }
        let file: PolicyFile = toml::from_str(text).map_err(refused)?;
        let shape = &file.shape;
        Self::new(AcceptancePolicyParts {
            relation_version: file.relation.version,
            relation_digest: file.relation.digest,
            domain: file.domain,
            security: file.security,
            model: file.model,
            quantization: QuantizationPolicy::new(
                file.quantization.value_bits,
                file.quantization.score_step,
                file.quantization.scales,
            ),
            rounding: file.quantization.rounding,
            table: file.table.id,
            table_bounds: TableBounds {
                len: file.table.length,
                max_weight: file.table.max_weight,
            },
            shape: SegmentShape::new(
                AttentionShape::new(shape.query_heads, shape.kv_heads, shape.head_dim)?,
                shape.capacity,
                shape.segment_steps,
            )?,
            decoder: file.decoder,
            prompt: file.prompt,
            first_state: file.chain.first_state,
            steps: StepRange::new(file.chain.entries_before, file.chain.steps)?,
            circuits: file
                .circuits
                .into_iter()
                .map(|circuit| PolicyCircuit {
                    steps: circuit.steps,
                    part: circuit.part,
                    preprocessed_root: circuit.preprocessed_root,
                })
                .collect(),
        })
    }

    /// The policy as a TOML file's text, with comments that tell its owner what each decision means.
    ///
    /// [`Self::from_toml`] reads it back to an equal policy, scales included, bit for bit.
    #[must_use]
    pub fn to_toml(&self) -> String {
        Toml(self).to_string()
    }
}

/// The section of the decoder as it is written, by the names by which it is read.
#[derive(Serialize)]
struct DecoderFile<'a> {
    decoder: &'a DecoderTerms,
}

/// Writes the file; a type of its own, so that the writing goes through a formatter.
struct Toml<'a>(&'a AcceptancePolicy);

impl fmt::Display for Toml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AcceptancePolicyParts {
            relation_version,
            relation_digest,
            domain,
            security,
            model,
            quantization,
            rounding,
            table,
            table_bounds,
            shape,
            decoder,
            prompt,
            first_state,
            steps,
            circuits,
        } = &self.0.parts;
        let domain_text = toml::Value::String(domain.application().to_string());
        let nonce = domain.nonce_hex();
        let model_text = match model {
            ModelIdentity::TraceOnly => "\"trace-only\"".to_string(),
            ModelIdentity::Weights(id) => format!("{{ weights = \"{id}\" }}"),
        };
        let prompt_text = match &prompt[..] {
            [] => String::new(),
            tokens => format!(
                "\n\
# The tokens that the chain begins with. A chain that is given others is refused.
prompt = {:?}
",
                tokens.iter().map(|token| token.get()).collect::<Vec<_>>()
            ),
        };
        writeln!(
            f,
            "\
# Acceptance policy: what a verifier accepts, decided beforehand. A proof is accepted only if its
# statement agrees with every line below; nothing that stands here is taken from the proof. If this
# file was written from a chain, its values are that chain's claims: review them before use.
format = {FORMAT}

# What the proofs say about a model: \"trace-only\" (nothing: the queries, keys and values may come from
# anywhere) or {{ weights = \"ID\" }}.
model = {model_text}
{prompt_text}
# The constraint system. Two circuits of one version have two digests.
[relation]
version = {relation_version}
digest = \"{relation_digest}\"

# Whom the proofs were made for. Choose a fresh nonce (32 hexadecimal digits) to refuse proofs that
# were made on another occasion; with a nonce of zeros a proof can be shown again and again.
[domain]
application = {domain_text}
nonce = \"{nonce}\"

# {}
[security]
level = \"{}\"
profile = \"{}\"
",
            security_comment(*security),
            security.level(),
            security.profile(),
        )?;
        writeln!(
            f,
            "\
# How floats became integers: the width of values in bits, the score step D that one table index
# spans, and the rounding of outputs (\"nearest\" or \"floor\").
# Identity of width, step and scales: {}
[quantization]
value_bits = {}
score_step = {}
rounding = \"{rounding}\"
",
            quantization.id(),
            quantization.value_bits(),
            quantization.score_step(),
        )?;
        if let Some(Scales { q, k, v }) = quantization.scales() {
            writeln!(
                f,
                "\
# What one unit of an integer stands for. Written so that every bit comes back.
[quantization.scales]
q = {:?}
k = {:?}
v = {:?}
",
                q.get(),
                k.get(),
                v.get()
            )?;
        }
        let attention = shape.attention();
        writeln!(
            f,
            "\
# The weight table: the digest of its content, its number of entries and the largest of them.
[table]
id = \"{table}\"
length = {}
max_weight = {}

# Heads and head dimension, cache entries at the end of the chain, and the largest number of steps of
# a segment.
[shape]
query_heads = {}
kv_heads = {}
head_dim = {}
capacity = {}
segment_steps = {}
",
            table_bounds.len,
            table_bounds.max_weight,
            attention.query_heads(),
            attention.kv_heads(),
            attention.head_dim(),
            shape.capacity(),
            shape.segment_steps(),
        )?;
        if let Some(decoder) = decoder {
            let section = toml::to_string(&DecoderFile { decoder }).map_err(|_| fmt::Error)?;
            writeln!(
                f,
                "\
# The decoder: the commitment to what it computes, its weights, tables, shape and arithmetic (which a
# holder of the model can compute anew), the number of tokens at the beginning of the chain that are given
# and not chosen, its shape (with the attention of one layer), and the constants of its integer arithmetic.
{section}"
            )?;
        }
        writeln!(
            f,
            "\
# The whole chain: cache entries before its first step, number of its steps (a chain with fewer is
# refused), and the commitment to the cache that it begins with.
[chain]
entries_before = {}
steps = {}
first_state = \"{first_state}\"

# The circuits of each segment length in use: \"fused\" for segments with one proof, \"arithmetic\" and
# \"lookup\" for those with two, \"decoder\" for those of a whole model. The root of the preprocessed
# columns follows from everything above, and can be computed anew to check it.",
            steps.entries_before(),
            steps.steps(),
        )?;
        for (index, circuit) in circuits.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            writeln!(
                f,
                "[[circuits]]\nsteps = {}\npart = \"{}\"\npreprocessed_root = \"{}\"",
                circuit.steps, circuit.part, circuit.preprocessed_root
            )?;
        }
        Ok(())
    }
}

/// What the level promises, in one line.
fn security_comment(security: Security) -> &'static str {
    use crate::security::SecurityLevel;
    match security.level() {
        SecurityLevel::Insecure13 => {
            "INSECURE: 13 bits. Anyone can forge such proofs; for comparison with published figures only."
        }
        SecurityLevel::Conjectured100 => {
            "100 bits by the conjectured formula in use across the field; not proven."
        }
        SecurityLevel::Johnson100 => "100 bits in the query phase at the proven Johnson radius.",
    }
}
