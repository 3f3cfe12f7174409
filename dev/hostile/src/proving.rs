//! Full proofs of honest and of forged claims.
use std::fmt;
use std::sync::Arc;

use matchmark_air::trees::Tree;
use matchmark_air::witness::SegmentTokens;
use matchmark_prover::{CommittedState, ProveError, ProvenSegment, SegmentProver};
use matchmark_quant::StepRange;
use matchmark_runtime::KvCache;
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, AttentionValues, ChainStatement, EndTokens, OwnFields,
    PolicyCircuit, Port, PortCommitment, PublicValues, PublicValuesError, SegmentCut,
    SegmentStatement, SegmentStatementParts, TokenEnds, TokenId, TokenValues,
};
use matchmark_verifier::{verify_segment, SegmentFile, VerifyError};

use super::cases::Case;
use super::claim::entries;
use super::forge::{Forge, Forged};
use super::world::{cache_of, public_tensors};

/// What became of a claim that went through a prover and a verifier.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Accepted,
    /// The claim has no public values: they are out of range.
    NoPublicValues(NoValues),
    /// No proof was made.
    Unproven(ProveError),
    /// The verifier refused.
    Refused(VerifyError),
}

impl Outcome {
    /// The variant, for comparison.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NoPublicValues(_) => "no public values",
            Self::Unproven(ProveError::ConstraintsNotSatisfied) => "constraints (prover)",
            Self::Unproven(_) => "unproven",
            Self::Refused(VerifyError::LookupSumNotZero { .. }) => "lookup sum",
            Self::Refused(VerifyError::ConstraintsNotSatisfied) => "constraints",
            Self::Refused(VerifyError::PortNotOpened {
                port: Port::StateBefore | Port::StateAfter,
                ..
            }) => "state",
            Self::Refused(VerifyError::PublicValuesMismatch { .. }) => "public values",
            Self::Refused(VerifyError::Lookup(error)) => match **error {
                VerifyError::LookupSumNotZero { .. } => "lookup sum",
                _ => "refused",
            },
            Self::Refused(_) => "refused",
        }
    }
}

/// Everything that goes into a proof, honest or not.
pub struct Claim {
    pub case: Arc<Case>,
    pub prover: SegmentProver,
    pub before: CommittedState,
    pub after: CommittedState,
    pub values: PublicValues,
    pub statement: SegmentStatement,
}

/// The statement of these terms, states and values.
pub fn statement(
    prover: &SegmentProver,
    steps: StepRange,
    values: &PublicValues,
    states: [PortCommitment; 2],
    cut: SegmentCut,
) -> SegmentStatement {
    let [state_before, state_after] = states;
    let own = OwnFields {
        steps,
        public_values: values.digest(),
        state_before,
        state_after,
        cut,
        tokens: match values {
            PublicValues::Attention(_) => None,
            PublicValues::Tokens(tokens) => token_ends(tokens.consumed(), tokens.chosen()),
        },
        group: None,
    };
    let parts = SegmentStatementParts::of(prover.terms().shared().clone(), own);
    SegmentStatement::new(parts).unwrap()
}

/// The prover of a case.
pub fn prover(case: &Case) -> SegmentProver {
    match &case.decoder {
        None => SegmentProver::new(case.terms.clone()).unwrap(),
        Some(part) => {
            let mut provers = SegmentProver::for_groups(&part.chain, &part.model).unwrap();
            provers.swap_remove(part.index.into())
        }
    }
}

/// The tokens at which a decoder's segment meets its neighbours.
pub fn tokens_of(decoder: &SegmentTokens) -> Option<TokenEnds> {
    let [consumed, chosen] = tokens(decoder);
    token_ends(&consumed, &chosen)
}

/// Consumed and chosen tokens.
fn tokens(decoder: &SegmentTokens) -> [Vec<TokenId>; 2] {
    [&decoder.consumed, &decoder.chosen]
        .map(|tokens| tokens.iter().map(|token| TokenId::new(*token)).collect())
}

fn token_ends(consumed: &[TokenId], chosen: &[TokenId]) -> Option<TokenEnds> {
    let ends = consumed.first().zip(chosen.last());
    ends.map(|(first, next)| TokenEnds {
        first: *first,
        next: *next,
    })
}

/// Why a claim has no public values, so that no segment file holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum NoValues {
    /// They are not even 16-bit numbers.
    Huge,
    Refused(PublicValuesError),
}

impl fmt::Display for NoValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Huge => write!(f, "not 16-bit numbers"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

/// What a forged witness says in public.
pub fn public_values(forged: &Forged) -> Result<PublicValues, NoValues> {
    let (case, witness) = (&forged.case, &forged.witness);
    if let Some(decoder) = &witness.tokens {
        let (part, layout) = case.expect_decoder();
        let [consumed, chosen] = tokens(decoder);
        let values = TokenValues::new(part.model.shape(), layout.steps(), consumed, chosen);
        return values.map(Into::into).map_err(NoValues::Refused);
    }
    let [q, k, v, out] = public_tensors(case, &entries(witness)).ok_or(NoValues::Huge)?;
    let attention = case.layout.shape().attention();
    let (bits, steps) = (case.layout.value_bits(), case.steps.steps());
    let values = AttentionValues::new(attention, bits, steps, q, k, v, out);
    values.map(Into::into).map_err(NoValues::Refused)
}

/// The tokens that a policy must give for a segment with these values to be accepted: those that it
/// consumes within the prompt, and the first token of the vocabulary where other segments consume them.
pub fn given(statement: &SegmentStatement, values: &PublicValues) -> Vec<TokenId> {
    let Some(decoder) = statement.decoder() else {
        return vec![];
    };
    let mut given = vec![TokenId::new(0); decoder.prompt.get() as usize];
    let own = given.iter_mut().skip(statement.steps().entries_before());
    let consumed = values.tokens().map_or(&[][..], TokenValues::consumed);
    for (token, consumed) in own.zip(consumed) {
        *token = *consumed;
    }
    given
}

/// The policy that accepts this very statement with these values, by the circuit of its terms.
pub fn policy(
    prover: &SegmentProver,
    statement: &SegmentStatement,
    values: &PublicValues,
) -> AcceptancePolicy {
    let given = given(statement, values);
    let steps = statement.steps();
    let cut = statement.cut().kind();
    let mut circuits = prover.circuits(cut, steps.steps()).unwrap();
    if statement.group().is_some() {
        return policy_of_part(statement, given, &circuits);
    }
    if statement.decoder().is_none() || steps.entries_before() == 0 {
        let chain = ChainStatement::of([statement]).unwrap();
        return AcceptancePolicy::accepting(&chain, given, circuits).unwrap();
    }
    // The chain of a decoder begins at the first token.
    let chain = ChainStatement::of([&segment_before(prover, statement), statement]).unwrap();
    if steps.entries_before() != steps.steps() {
        circuits.extend(prover.circuits(cut, steps.entries_before()).unwrap());
    }
    AcceptancePolicy::accepting(&chain, given, circuits).unwrap()
}

/// The policy under which a part of a group of layers is looked at by itself. The other groups have this one's
/// circuits, by which nothing is proven.
fn policy_of_part(
    statement: &SegmentStatement,
    prompt: Vec<TokenId>,
    circuits: &[PolicyCircuit],
) -> AcceptancePolicy {
    let groups = 0..statement.groups().get();
    let circuits = groups.flat_map(|group| {
        let circuits = circuits.iter();
        circuits.map(move |circuit| PolicyCircuit { group, ..*circuit })
    });
    let mut parts = AcceptancePolicyParts {
        terms: statement.terms().clone(),
        prompt,
        end_tokens: EndTokens::NONE,
        answer_tokens: 0,
        // Compared when all parts are there.
        first_state: PortCommitment::from_bytes([0; 32]),
        steps: StepRange::new(0, statement.shape().capacity().get()).unwrap(),
        circuits: circuits.collect(),
        shorter: vec![],
    };
    parts.answer_tokens = parts.generated_tokens();
    AcceptancePolicy::new(parts).unwrap()
}

/// The statement of a segment that ends where this one begins, from the first token on.
fn segment_before(prover: &SegmentProver, statement: &SegmentStatement) -> SegmentStatement {
    let steps = u32::try_from(statement.steps().entries_before()).unwrap();
    let empty = KvCache::empty(statement.shape().attention());
    let own = OwnFields {
        steps: StepRange::new(0, steps).unwrap(),
        public_values: statement.public_values(),
        state_before: prover.state(empty).unwrap().commitment(),
        state_after: statement.state_before(),
        cut: SegmentCut::Fused,
        tokens: statement.tokens().map(|ends| TokenEnds {
            first: ends.first,
            next: ends.first,
        }),
        group: None,
    };
    let parts = SegmentStatementParts::of(prover.terms().shared().clone(), own);
    SegmentStatement::new(parts).unwrap()
}

impl Claim {
    /// The claim that a forged witness makes, stated as its prover would.
    pub fn of(forged: &Forged) -> Result<Self, NoValues> {
        let case = forged.case.clone();
        let witness = &forged.witness;
        let steps = case.steps;
        let prover = prover(&case);
        let state = |tree, entries| {
            let columns = witness.main.tree(tree);
            let cache: KvCache =
                cache_of(&case, &columns, entries).expect("a cache of 16-bit numbers");
            prover.state(cache).unwrap()
        };
        let before = state(Tree::StateBefore, steps.entries_before());
        let after = state(Tree::StateAfter, steps.entries_after());
        let values = public_values(forged)?;
        let states = [before.commitment(), after.commitment()];
        let cut = prover.cut(&case.layout, witness);
        let statement = statement(&prover, steps, &values, states, cut);
        Ok(Self {
            case,
            prover,
            before,
            after,
            values,
            statement,
        })
    }

    pub fn policy(&self) -> AcceptancePolicy {
        policy(&self.prover, &self.statement, &self.values)
    }

    pub fn prove(&self, forged: &Forged) -> Result<ProvenSegment, ProveError> {
        self.prover.prove_witness(
            self.statement.clone(),
            self.values.clone(),
            &forged.witness,
            &self.before,
            &self.after,
        )
    }

    /// Proves, sends the bytes, and verifies against the policy made for the claim.
    pub fn outcome(&self, forged: &Forged) -> Outcome {
        let proven = match self.prove(forged) {
            Ok(proven) => proven,
            Err(error) => return Outcome::Unproven(error),
        };
        let bytes = proven.file.encode().unwrap();
        let verified = SegmentFile::decode(&bytes)
            .and_then(|file| verify_segment(&file, &self.policy()).map(|_| ()));
        match verified {
            Ok(()) => Outcome::Accepted,
            Err(error) => Outcome::Refused(error),
        }
    }
}

/// The whole way of a forged witness: claim, statement, proof, bytes, verifier.
pub fn outcome(forged: &Forged) -> Outcome {
    match Claim::of(forged) {
        Ok(claim) => claim.outcome(forged),
        Err(error) => Outcome::NoPublicValues(error),
    }
}

/// An honest claim with its witness.
pub fn honest(case: &Arc<Case>, seed: u64) -> (Claim, Forged) {
    let forged = Forge::honest(case, seed).finish(&super::checker::Drop::Nothing);
    (Claim::of(&forged).unwrap(), forged)
}
