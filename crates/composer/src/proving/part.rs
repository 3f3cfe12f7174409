//! One part of a model's chain by itself: what it is proven from, as a value that can be written to a file, and its
//! proof.
//!
//! **Invariant:** a part follows from its input and the chain, and from no other part: parts are proven in any order,
//! wherever chain and input are. What an input says is not believed: a part of another execution has another statement
//! than the chain demands, and is refused by whoever resumes or verifies it.

use matchmark_models::{execute_group, GroupInput, ModelError};
use matchmark_prover::{CommittedModel, ModelInput, ProveError};
use matchmark_quant::StepRange;
use matchmark_runtime::KvCache;
use matchmark_statement::{codec, TokenId};
use serde::{Deserialize, Serialize};

use crate::proving::error::ChainProveError;
use crate::proving::executors::ModelExecutor;
use crate::proving::front::{Execution, Executor as _};
use crate::proving::manifest::FileDigest;
use crate::proving::model_plan::ModelPlan;
use crate::proving::part_error::PartError;
use crate::proving::prover::ChainProver;

/// How the bytes of an input begin.
const MAGIC: &[u8] = b"matchmark part input\n";

/// What a part of a model's chain is proven from, beside the chain's directory: tokens, and what comes in from the parts
/// before it. `S` is the number of its steps, `E` that of the entries before them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartInput {
    /// SHA-256 of the chain's manifest.
    chain: FileDigest,
    /// The part, counted over all segments and groups of layers.
    part: u64,
    /// The steps of its segment.
    steps: StepRange,
    /// Tokens consumed, `[S]`.
    tokens: Vec<u32>,
    /// Tokens chosen, `[S]`.
    choices: Vec<u32>,
    /// The stream from the group of layers before, `[S, C]`; nothing where there is none.
    stream: Vec<i32>,
    /// The keys in the cache of the group's layers, `[G, E, d]`.
    keys: Vec<i16>,
    /// The values in it, `[G, E, d]`.
    values: Vec<i16>,
}

/// A part that was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProvenPart {
    /// The part.
    pub part: u64,
    /// Index of its segment.
    pub segment: u64,
    /// Its group of layers.
    pub group: u16,
    /// Bytes of its proofs.
    pub proof_bytes: u64,
}

impl PartInput {
    /// Version of the format.
    pub const FORMAT: u32 = 1;
    /// Most bytes of an input.
    pub const MAX_BYTES: usize = 1 << 31;

    /// The part, counted over all segments and groups of layers.
    #[must_use]
    pub const fn part(&self) -> u64 {
        self.part
    }

    /// The input as bytes.
    ///
    /// # Errors
    ///
    /// [`PartError::Encoding`], for no input that is known.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PartError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(Self::FORMAT.to_le_bytes());
        bytes.extend(codec::encode(self)?);
        Ok(bytes)
    }

    /// Reads the bytes of [`Self::to_bytes`].
    ///
    /// # Errors
    ///
    /// [`PartError::Magic`], [`PartError::Format`] or [`PartError::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PartError> {
        let magic = PartError::Magic {
            expected: "matchmark part input",
        };
        let rest = bytes.strip_prefix(MAGIC).ok_or(magic)?;
        let truncated = codec::CodecError::Truncated { got: rest.len() };
        let (format, encoding) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        let (expected, got) = (Self::FORMAT, u32::from_le_bytes(*format));
        if expected != got {
            return Err(PartError::Format { expected, got });
        }
        Ok(codec::decode(encoding, Self::MAX_BYTES)?)
    }
}

/// Where a part is in its chain.
struct Place {
    segment: u64,
    group: u16,
    steps: StepRange,
}

impl ChainProver {
    fn model_plan(&self) -> Result<&ModelPlan, PartError> {
        self.work().model().ok_or(PartError::NotOfModel)
    }

    fn place(&self, part: u64) -> Result<Place, PartError> {
        let plan = self.model_plan()?;
        let groups = self.work().groups().get();
        let segment = part / u64::from(groups);
        let steps = usize::try_from(segment)
            .ok()
            .and_then(|segment| plan.segments().nth(segment));
        match steps {
            Some(steps) => Ok(Place {
                segment,
                // Below the number of groups.
                group: u16::try_from(part % u64::from(groups)).unwrap_or(0),
                steps,
            }),
            None => Err(PartError::NoSuchPart {
                expected: self.work().part_count(),
                got: part,
            }),
        }
    }

    /// Executes the model up to a part, and gives what that is proven from. Nothing is committed.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::Part`] if there is no such part, [`ChainProveError::ExecuteModel`].
    pub fn part_input(&self, part: u64) -> Result<PartInput, ChainProveError> {
        let place = self.place(part)?;
        let plan = self.model_plan()?;
        let failed = |segment| move |source| ChainProveError::ExecuteModel { segment, source };
        let of_first = failed(0);
        let (groups, prompt) = (self.work().groups(), plan.prompt());
        let executor = ModelExecutor::new(plan.model(), groups, prompt, plan.cuts());
        let mut executor = executor.map_err(of_first)?;
        let mut caches = plan.first_caches().map_err(of_first)?;
        for (segment, steps) in (0..).zip(plan.segments()) {
            let before: Vec<&KvCache> = caches.iter().collect();
            let executed = executor.execute(segment, steps, &before)?;
            if segment == place.segment {
                let group = usize::from(place.group);
                let (tokens, choices, stream) =
                    taken_in(&executed[group].execution).ok_or(PartError::NotOfModel)?;
                let cache = &caches[group];
                let heads = 0..cache.shape().kv_heads();
                return Ok(PartInput {
                    chain: self.manifest_digest()?,
                    part,
                    steps,
                    tokens: tokens.to_vec(),
                    choices: choices.to_vec(),
                    stream: stream.to_vec(),
                    keys: heads
                        .clone()
                        .flat_map(|head| cache.keys(head))
                        .copied()
                        .collect(),
                    values: heads.flat_map(|head| cache.values(head)).copied().collect(),
                });
            }
            let chosen =
                taken_in(&executed[0].execution).map_or(&[][..], |(_, choices, _)| choices);
            let chosen: Vec<TokenId> = chosen.iter().copied().map(TokenId::new).collect();
            let decoder = plan.terms().decoder.ok_or(PartError::NotOfModel)?;
            if let Some(end) = plan.end_tokens().first_in(steps, decoder.prompt, &chosen) {
                return Err(PartError::BehindEnd { end, part }.into());
            }
            caches = executed.into_iter().map(|it| it.after).collect();
        }
        Err(PartError::NoSuchPart {
            expected: self.work().part_count(),
            got: part,
        }
        .into())
    }

    /// Proves a part from its input, and writes its file.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::Part`] for an input of another chain, or of a part that is not there or is proven already;
    /// [`ChainProveError::ExecuteModel`] for one that the model does not execute, and [`ChainProveError::Prove`].
    pub fn prove_part(&self, input: &PartInput) -> Result<ProvenPart, ChainProveError> {
        let Place {
            segment,
            group,
            steps,
        } = self.place(input.part)?;
        let (expected, got) = (self.manifest_digest()?, input.chain);
        if expected != got {
            return Err(PartError::OtherChain { expected, got }.into());
        }
        if steps != input.steps {
            let (expected, got) = (steps, input.steps);
            return Err(PartError::Steps { expected, got }.into());
        }
        if self.is_proven(input.part)? {
            return Err(PartError::Proven { part: input.part }.into());
        }
        let plan = self.model_plan()?;
        let prove_error = |source| ChainProveError::Prove { segment, source };
        let provers = self.work().provers().map_err(prove_error)?;
        let prover = provers.get(group).map_err(prove_error)?;
        let committed: &CommittedModel = prover
            .model()
            .ok_or(ProveError::NoModel)
            .map_err(prove_error)?;
        let layers = committed.group().layers();
        let executed = || {
            let attention = plan.model().shape().attention_of(layers.count())?;
            let (entries, keys) = (steps.entries_before(), &input.keys);
            let cache = KvCache::from_tensors(attention, entries, keys, &input.values)?;
            let given = GroupInput {
                tokens: &input.tokens,
                choices: &input.choices,
                stream: &input.stream,
                cache: &cache,
            };
            let (execution, after) = execute_group(committed.model(), committed.group(), &given)?;
            Ok::<_, ModelError>((execution, cache, after))
        };
        let executed = executed();
        let (execution, before, after) =
            executed.map_err(|source| ChainProveError::ExecuteModel { segment, source })?;
        if execution.steps != steps {
            let (expected, got) = (steps, execution.steps);
            return Err(PartError::Steps { expected, got }.into());
        }
        let proven = || {
            let (before, after) = (prover.state(before)?, prover.state(after)?);
            let stream_in = match layers.is_first() {
                true => None,
                false => Some(prover.stream_in(steps, &input.stream)?),
            };
            let stream_out = match layers.is_last() {
                true => None,
                false => Some(prover.stream_out(steps, execution.stream_out())?),
            };
            prover.prove_model(&ModelInput {
                execution: &execution,
                before: &before,
                after: &after,
                stream_in: stream_in.as_ref(),
                stream_out: stream_out.as_ref(),
                cut: plan.cuts().of(segment),
            })
        };
        let proven = proven().map_err(prove_error)?;
        let bytes = proven.file.encode();
        let bytes = bytes.map_err(|source| prove_error(source.into()))?;
        self.write_part(input.part, &bytes)?;
        Ok(ProvenPart {
            part: input.part,
            segment,
            group,
            proof_bytes: proven.file.proof_bytes() as u64,
        })
    }
}

/// What a part of a decoder takes in: tokens consumed and chosen, and the stream. `None` of attention alone.
fn taken_in(execution: &Execution) -> Option<(&[u32], &[u32], &[i32])> {
    match execution {
        Execution::Attention(..) => None,
        Execution::Model(execution, _) => Some((&execution.tokens, &execution.choices, &[])),
        Execution::Layers(run, _) => Some((&run.tokens, &run.choices, &run.stream_in)),
    }
}
