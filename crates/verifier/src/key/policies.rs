//! The policies that follow from a key.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use matchmark_air::fingerprint::{Opening, PortContent};
use matchmark_air::RELATION_DIGEST;
use matchmark_quant::StepRange;
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, Cut, CutPattern, PolicyCircuit, PortCommitment,
    ProofPart, RelationVersion, SegmentShape, SharedTerms, ShorterChain, TermsDifference, TokenId,
};

use super::chain::{ChainTermsError, ModelChain, ModelOptions};
use super::error::KeyError;
use super::sizes::CircuitSizes;
use super::stop::Stop;
use super::{words, FirstState, ModelKey};

/// The lengths and cuts that segments of a chain have: of the lengths of all of them in order, and of the steps of the
/// chain if it is a shorter one.
type Kinds<'a> =
    dyn Fn(&mut dyn Iterator<Item = usize>, Option<u32>) -> BTreeSet<(usize, Cut)> + 'a;

/// What a key says of a chain.
struct KeyChain {
    terms: SharedTerms,
    steps: StepRange,
    first_state: PortCommitment,
    circuits: Vec<PolicyCircuit>,
}

impl KeyChain {
    /// As a policy lists it beside a longer one.
    fn shorter(self, steps: u32) -> ShorterChain {
        let Self {
            terms,
            steps: _,
            first_state,
            circuits,
        } = self;
        ShorterChain {
            steps,
            relation_digest: terms.relation_digest,
            // There is a decoder.
            weights: terms
                .decoder
                .map_or(PortCommitment::from_bytes([0; 32]), |it| it.weights),
            first_state,
            circuits,
        }
    }
}

impl ModelKey {
    /// The policy for a chain that is given these tokens behind the model's prefix. Everything in it is taken from the key and these
    /// choices, or computed from them: nothing comes from a prover. How the last segment is filled up is the key's to
    /// say, whatever the options say of it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Relation`] for a key of another relation, [`KeyError::NoCommitment`] and
    /// [`KeyError::NoCircuit`] for choices that the key does not speak of, [`KeyError::Options`] for
    /// those that make no chain of the model, [`KeyError::Terms`] and [`KeyError::Policy`] for a key of
    /// no model that there could be.
    pub fn policy(
        &self,
        prompt: &[TokenId],
        options: &ModelOptions,
    ) -> Result<AcceptancePolicy, KeyError> {
        let prompt = [self.prefix(), prompt].concat();
        let kinds = |lengths: &mut dyn Iterator<Item = usize>, _: Option<u32>| {
            let cuts = lengths.zip(0..);
            cuts.map(|(steps, segment)| (steps, options.cuts.of(segment)))
                .collect()
        };
        let shorter = self.shorter_candidates(prompt.len(), options);
        self.policy_of(&prompt, options, &shorter, &kinds)
    }

    /// How many steps the shorter chains have, ascending, that the policy of [`Self::policy`] accepts where an end token
    /// ends the answer to so many given tokens behind the model's prefix. None where the key has no policy for these
    /// options.
    ///
    /// # Errors
    ///
    /// [`KeyError::Terms`] and [`KeyError::Policy`] for a key of no model that there could be.
    pub fn shorter_steps(
        &self,
        given: usize,
        options: &ModelOptions,
    ) -> Result<Vec<u32>, KeyError> {
        // Which tokens are given changes nothing of it.
        let prompt = vec![TokenId::new(0); given];
        match self.policy(&prompt, options) {
            Ok(policy) => Ok(policy.shorter().iter().map(|it| it.steps).collect()),
            Err(
                KeyError::Relation { .. }
                | KeyError::NoCommitment { .. }
                | KeyError::NoCircuit { .. }
                | KeyError::Options(_),
            ) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The lengths of shorter chains that the key may have circuits for.
    fn shorter_candidates(&self, given: usize, options: &ModelOptions) -> Vec<u32> {
        if options.stop.of_model(self.end_tokens()).is_empty() {
            return Vec::new();
        }
        let options = ModelOptions {
            granularity: self.granularity(),
            ..options.clone()
        };
        options.shorter_steps(&self.parts.outline.shape, self.prefix().len(), given)
    }

    /// The cache that chains of these sizes begin with, where the model has a prefix.
    fn first_state(&self, sizes: CircuitSizes) -> Option<&FirstState> {
        let mut circuits = self.parts.circuits.iter();
        let of_sizes = circuits.find(|it| it.sizes == sizes);
        of_sizes.and_then(|it| it.first_state.as_ref())
    }

    /// The commitment to the caches of all groups of layers that a chain begins with.
    fn first_states(
        &self,
        chain: &ModelChain,
        shape: SegmentShape,
        prefix: usize,
    ) -> Result<PortCommitment, KeyError> {
        let log_blowup = chain.security.parameters().log_blowup;
        let content = PortContent::State {
            shape,
            entries: prefix as u64,
        };
        let steps = chain.segment_steps.get() as usize;
        let states = (0..chain.groups.count()).map(|group| {
            let layout = chain.layout_of(&self.parts.outline, group, steps)?;
            let log_height = layout.lifting_log_size(log_blowup);
            let opening = match self.first_state(CircuitSizes::of(&layout, log_blowup)) {
                Some(state) => state.opening(),
                None => Opening::of_zeros(2 * layout.lanes(), log_height),
            };
            Ok(opening.commitment(&content, log_height))
        });
        let states: Vec<PortCommitment> = states.collect::<Result<_, KeyError>>()?;
        Ok(PortCommitment::of_groups(&states))
    }

    /// The policy, for the lengths and cuts that `kinds` makes of the lengths of all segments of a chain in order, and of
    /// the steps of a shorter one; with those of the shorter chains that the key has commitment and circuits for.
    fn policy_of(
        &self,
        prompt: &[TokenId],
        options: &ModelOptions,
        shorter: &[u32],
        kinds: &Kinds<'_>,
    ) -> Result<AcceptancePolicy, KeyError> {
        let (expected, got) = (RELATION_DIGEST, self.parts.relation_digest);
        if expected != got || self.parts.relation_version != RelationVersion::CURRENT {
            return Err(KeyError::Relation { expected, got });
        }
        let mut options = ModelOptions {
            granularity: self.granularity(),
            shorter: None,
            ..options.clone()
        };
        let whole = self.chain_of(prompt, &options, kinds)?;
        let mut chains = Vec::new();
        for steps in shorter {
            options.shorter = Some(*steps);
            match self.chain_of(prompt, &options, kinds) {
                Ok(chain) => chains.push(chain.shorter(*steps)),
                // Not one of the key's, or none of the model's.
                Err(
                    KeyError::NoCommitment { .. }
                    | KeyError::NoCircuit { .. }
                    | KeyError::Terms(ChainTermsError::Layout(_)),
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(AcceptancePolicy::new(AcceptancePolicyParts {
            terms: whole.terms,
            prompt: prompt.to_vec(),
            end_tokens: options.stop.of_model(self.end_tokens()).clone(),
            answer_tokens: options.tokens,
            first_state: whole.first_state,
            steps: whole.steps,
            circuits: whole.circuits,
            shorter: chains,
        })?)
    }

    /// What the key says of the chain of these options.
    fn chain_of(
        &self,
        prompt: &[TokenId],
        options: &ModelOptions,
        kinds: &Kinds<'_>,
    ) -> Result<KeyChain, KeyError> {
        let outline = &self.parts.outline;
        let prefix = self.prefix().len();
        let (chain, steps) = options.chain(&outline.shape, prefix, prompt)?;
        let layout = chain.layout(outline, chain.segment_steps.get() as usize)?;
        let security = options.security;
        let log_blowup = security.parameters().log_blowup;
        let log_height = layout.lifting_log_size(log_blowup);
        let commitment = self
            .commitment(log_blowup, log_height, chain.groups)
            .ok_or_else(|| KeyError::NoCommitment {
                security,
                groups: chain.groups,
                expected: self.heights(),
                log_blowup,
                log_height,
            })?;
        let terms = chain
            .terms(outline, commitment)
            .map_err(ChainTermsError::from)?;
        let segments = steps.segments(chain.segment_steps);
        let kinds = kinds(&mut segments.map(|it| it.steps()), options.shorter);
        Ok(KeyChain {
            circuits: self.chain_circuits(&chain, &kinds)?,
            first_state: self.first_states(&chain, terms.shape, prefix)?,
            steps,
            terms: terms.shared().clone(),
        })
    }

    /// Whether a policy is the one that follows from the key and from what the policy itself chooses: the
    /// domain, the level and profile, the given tokens, how many are decoded, the longest segments, and
    /// whether segments may be fused, split or both. A policy may list fewer shorter chains than follow from the key, or
    /// none: it accepts less then. Its end tokens are not its own choice: they must be the key's.
    ///
    /// # Errors
    ///
    /// [`KeyError::OtherPolicy`] with the first field that is another, and those of [`Self::policy`] for
    /// choices that the key does not speak of.
    pub fn check_policy(&self, policy: &AcceptancePolicy) -> Result<(), KeyError> {
        self.check_policy_stopping(policy, &Stop::Model)
    }

    /// As [`Self::check_policy`], where a verifier has chosen other end tokens than the key's, or none.
    ///
    /// # Errors
    ///
    /// Those of [`Self::check_policy`].
    pub fn check_policy_stopping(
        &self,
        policy: &AcceptancePolicy,
        stop: &Stop,
    ) -> Result<(), KeyError> {
        let other = |field, expected: &str, got: &str| KeyError::OtherPolicy {
            field,
            expected: expected.to_string(),
            got: got.to_string(),
        };
        if policy.terms().decoder.is_none() {
            return Err(other("decoder", "a decoder", "none"));
        }
        let (prefix, prompt) = (self.prefix(), policy.prompt());
        if !prompt.starts_with(prefix) {
            let words = |tokens: &[TokenId]| format!("{tokens:?}");
            let got = &prompt[..prefix.len().min(prompt.len())];
            return Err(other("prompt", &words(prefix), &words(got)));
        }
        let options = ModelOptions {
            domain: policy.terms().domain.clone(),
            security: policy.terms().security,
            segment_steps: Some(policy.terms().shape.segment_steps()),
            tokens: policy.answer_tokens(),
            granularity: self.granularity(),
            cuts: CutPattern::default(),
            stop: stop.clone(),
            groups: policy.terms().groups(),
            shorter: None,
        };
        // Each length may be proven in the ways that the policy has circuits for, and in one at least.
        let kinds = |lengths: &mut dyn Iterator<Item = usize>, shorter: Option<u32>| {
            let shorter = shorter.and_then(|it| policy.shorter().iter().find(|of| of.steps == it));
            let circuits = shorter.map_or(policy.circuits(), |it| &it.circuits);
            // All groups of layers in the ways of the first.
            let has = |steps, part| {
                let mut circuits = circuits.iter();
                circuits.any(|it| (it.steps as usize, it.group, it.part) == (steps, 0, part))
            };
            let ways = |steps| {
                let cuts = Cut::ALL.into_iter();
                let split = has(steps, ProofPart::Arithmetic);
                cuts.filter(move |cut| match cut {
                    Cut::Fused => !split || has(steps, ProofPart::Whole),
                    Cut::Split => split,
                })
            };
            lengths
                .flat_map(|steps| ways(steps).map(move |cut| (steps, cut)))
                .collect()
        };
        // What is not one of the key's shorter chains is not derived, and differs below.
        let own = self.shorter_candidates(policy.prompt().len(), &options);
        let listed = policy.shorter().iter().map(|it| it.steps);
        let listed: Vec<u32> = listed.filter(|it| own.contains(it)).collect();
        let derived = self.policy_of(policy.prompt(), &options, &listed, &kinds)?;
        match derived.first_difference(policy) {
            None => Ok(()),
            Some(TermsDifference {
                field,
                expected,
                got,
            }) => Err(other(field, &expected, &got)),
        }
    }

    /// The circuits of the segments of a chain, of these lengths and cuts.
    fn chain_circuits(
        &self,
        chain: &ModelChain,
        kinds: &BTreeSet<(usize, Cut)>,
    ) -> Result<Vec<PolicyCircuit>, KeyError> {
        let outline = &self.parts.outline;
        let log_blowup = chain.security.parameters().log_blowup;
        let circuit = |steps: usize, group: u16, part: ProofPart| {
            let layout = chain.layout_of(outline, usize::from(group), steps)?;
            let sizes = CircuitSizes::of(&layout, log_blowup);
            let of_sizes = self.parts.circuits.iter().find(|it| it.sizes == sizes);
            let narrow = u32::try_from(steps).unwrap_or(u32::MAX);
            match of_sizes.and_then(|it| it.root(part, narrow)) {
                Some(preprocessed_root) => Ok(PolicyCircuit {
                    steps: narrow,
                    group,
                    part,
                    preprocessed_root,
                }),
                None => Err(KeyError::NoCircuit {
                    security: chain.security,
                    expected: words(&self.parts.segment_steps),
                    cuts: words(&self.parts.cuts),
                    part,
                    segment_steps: chain.segment_steps.get(),
                    groups: chain.groups,
                    steps: narrow,
                }),
            }
        };
        let mut circuits = Vec::new();
        for (steps, cut) in kinds {
            for group in 0..chain.groups.get() {
                for part in cut.parts() {
                    circuits.push(circuit(*steps, group, *part)?);
                }
            }
        }
        Ok(circuits)
    }
}
