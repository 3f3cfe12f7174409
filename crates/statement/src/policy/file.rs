//! Policies as TOML files, for people to review.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

use matchmark_graph::LayerGroups;
use matchmark_quant::StepRange;
use serde::Deserialize;

use super::{AcceptancePolicy, AcceptancePolicyParts, PolicyCircuit, PolicyError, ShorterChain};
use crate::answer::EndTokens;
use crate::cut::ProofPart;
use crate::decoder::DecoderTerms;
use crate::domain::VerifierDomain;
use crate::identity::{ModelIdentity, PortCommitment, PreprocessedRoot, RelationDigest};
use crate::security::Security;
use crate::terms::toml::{
    QuantizationSection, RelationSection, Sections, ShapeSection, TableSection, TermsFile, TopLevel,
};
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
    end_tokens: Option<EndTokens>,
    answer_tokens: Option<u32>,
    chain: ChainSection,
    circuits: Vec<CircuitSection>,
    #[serde(default)]
    shorter: Vec<ShorterSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainSection {
    entries_before: u32,
    steps: u32,
    first_state: PortCommitment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CircuitSection {
    steps: u32,
    #[serde(default)]
    group: u16,
    part: ProofPart,
    preprocessed_root: PreprocessedRoot,
}

impl From<CircuitSection> for PolicyCircuit {
    fn from(section: CircuitSection) -> Self {
        let CircuitSection {
            steps,
            group,
            part,
            preprocessed_root,
        } = section;
        Self {
            steps,
            group,
            part,
            preprocessed_root,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShorterSection {
    steps: u32,
    relation_digest: RelationDigest,
    weights: PortCommitment,
    first_state: PortCommitment,
    circuits: Vec<CircuitSection>,
}

impl From<ShorterSection> for ShorterChain {
    fn from(section: ShorterSection) -> Self {
        let ShorterSection {
            steps,
            relation_digest,
            weights,
            first_state,
            circuits,
        } = section;
        Self {
            steps,
            relation_digest,
            weights,
            first_state,
            circuits: circuits.into_iter().map(Into::into).collect(),
        }
    }
}

impl AcceptancePolicy {
    /// Reads a policy from a TOML file's text. Strict: every field must be there (but for the scales,
    /// and the decoder of a policy of attention alone) and no other may.
    ///
    /// # Errors
    ///
    /// - [`PolicyError::File`] for a text that is not TOML, or a field that is missing, unknown or
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
        // Of a decoder the list must be there, though it may be empty: one that was lost on the way must
        // not silently turn a rule off.
        let end_tokens =
            match (file.end_tokens, &file.decoder) {
                (Some(tokens), _) => tokens,
                (None, None) => EndTokens::NONE,
                (None, Some(_)) => return Err(PolicyError::File {
                    reason:
                        "missing field `end_tokens` of a policy for a decoder; without any it is []"
                            .to_string(),
                }),
            };
        let answer_tokens = match (file.answer_tokens, &file.decoder) {
            (Some(tokens), _) => tokens,
            (None, None) => 0,
            (None, Some(_)) => {
                return Err(PolicyError::File {
                    reason: "missing field `answer_tokens` of a policy for a decoder".to_string(),
                })
            }
        };
        let terms = TermsFile {
            relation: file.relation,
            domain: file.domain,
            security: file.security,
            model: file.model,
            quantization: file.quantization,
            table: file.table,
            shape: file.shape,
            decoder: file.decoder,
        };
        Self::new(AcceptancePolicyParts {
            terms: terms.into_terms()?,
            prompt: file.prompt,
            end_tokens,
            answer_tokens,
            first_state: file.chain.first_state,
            steps: StepRange::new(file.chain.entries_before, file.chain.steps)?,
            circuits: file.circuits.into_iter().map(Into::into).collect(),
            shorter: file.shorter.into_iter().map(Into::into).collect(),
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

/// Writes the file; a type of its own, so that the writing goes through a formatter.
struct Toml<'a>(&'a AcceptancePolicy);

impl fmt::Display for Toml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AcceptancePolicyParts {
            terms,
            prompt,
            end_tokens,
            answer_tokens,
            first_state,
            steps,
            circuits,
            shorter,
        } = &self.0.parts;
        let numbers =
            |tokens: &[TokenId]| -> Vec<u32> { tokens.iter().map(|it| it.get()).collect() };
        let prompt_text = match &prompt[..] {
            [] => String::new(),
            tokens => format!(
                "\n\
# The tokens that the chain begins with. A chain that is given others is refused.
prompt = {:?}
",
                numbers(tokens)
            ),
        };
        let end_text = match &terms.decoder {
            None => String::new(),
            Some(_) => format!(
                "\n\
# The tokens that end the answer: a chain ends with the segment in which the decoder generates the first
# of them, and one that goes on is refused. Tokens of the prompt end nothing. Without any ([]) the chain
# has all of its steps.
end_tokens = {:?}

# Most tokens of the answer. What the last segment decodes behind it is proven, too, and is surplus.
answer_tokens = {answer_tokens}
",
                numbers(end_tokens.as_slice())
            ),
        };
        write!(
            f,
            "\
# Acceptance policy: what a verifier accepts, decided beforehand. A proof is accepted only if its
# statement agrees with every line below; nothing that stands here is taken from the proof. If this
# file was written from a chain, its values are that chain's claims: review them before use.
format = {FORMAT}

{}{prompt_text}{end_text}
{}",
            TopLevel(terms),
            Sections(terms),
        )?;
        writeln!(
            f,
            "\
# The whole chain: cache entries before its first step, number of its steps (a chain with fewer is
# refused, unless an end token ends it), and the commitment to the cache that it begins with.
[chain]
entries_before = {}
steps = {}
first_state = \"{first_state}\"

# The circuits of each segment length in use, of each group of layers where there are several: \"whole\" for
# segments with one proof, \"arithmetic\" and \"lookup\" for those with two. The root of the preprocessed
# columns follows from everything above, and can be computed anew to check it.",
            steps.entries_before(),
            steps.steps(),
        )?;
        for (index, circuit) in circuits.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            writeln!(f, "[[circuits]]")?;
            let PolicyCircuit {
                steps,
                group,
                part,
                preprocessed_root,
            } = circuit;
            writeln!(f, "steps = {steps}")?;
            if terms.groups() != LayerGroups::ONE {
                writeln!(f, "group = {group}")?;
            }
            writeln!(f, "part = \"{part}\"")?;
            writeln!(f, "preprocessed_root = \"{preprocessed_root}\"")?;
        }
        if !shorter.is_empty() {
            f.write_str(
                "\n\
# Shorter chains that are accepted in the place of the whole one where an end token ends the answer: the
# number of steps, and what depends on it. The cache has room for these steps and no more, segments are as
# long as those of the whole chain or, if the shorter one has fewer steps, as it is.
",
            )?;
        }
        for (index, chain) in shorter.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            write_shorter(f, chain, terms.groups())?;
        }
        Ok(())
    }
}

fn write_shorter(
    f: &mut fmt::Formatter<'_>,
    chain: &ShorterChain,
    groups: LayerGroups,
) -> fmt::Result {
    let ShorterChain {
        steps,
        relation_digest,
        weights,
        first_state,
        circuits,
    } = chain;
    write!(
        f,
        "[[shorter]]\nsteps = {steps}\nrelation_digest = \"{relation_digest}\"\nweights = \"{weights}\"\n\
         first_state = \"{first_state}\"\ncircuits = [\n"
    )?;
    for circuit in circuits {
        let PolicyCircuit {
            steps,
            group,
            part,
            preprocessed_root,
        } = circuit;
        write!(f, "  {{ steps = {steps}, ")?;
        if groups != LayerGroups::ONE {
            write!(f, "group = {group}, ")?;
        }
        writeln!(
            f,
            "part = \"{part}\", preprocessed_root = \"{preprocessed_root}\" }},"
        )?;
    }
    writeln!(f, "]")
}
