//! Proving of one segment: its statement, its witness, and one proof after the other.
use std::sync::Arc;

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::decoder::tokens::chosen_columns;
use matchmark_air::fingerprint::PortContent;
use matchmark_air::harness::public_columns::PublicColumns;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::ops::attention::vectors::entries::public_columns;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, Execution, PartTrace, SegmentWitness};
use matchmark_graph::Kind;
use matchmark_quant::StepRange;
use matchmark_runtime::SegmentExecution;
use matchmark_statement::{
    AttentionValues, Cut, LookupStatement, OwnFields, PublicValues, SegmentCut, SegmentStatement,
    SegmentStatementParts,
};
use matchmark_verifier::key::ChainTerms;
use matchmark_verifier::sizes::ProofSizes;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::transcript;
use matchmark_verifier::{LookupFile, SegmentFile};
use tracing::info_span;

use crate::committed::CommittedColumns;
use crate::error::ProveError;
use crate::part::{prove_part, PartInput, ProverTree, Strategy};
use crate::setup::SegmentProver;
use crate::sizes::SegmentSizes;
use crate::state::CommittedState;
use crate::stream::CommittedStream;

/// The steps of a segment and the caches around them.
pub struct SegmentInput<'a> {
    /// What the reference computed.
    pub execution: &'a SegmentExecution,
    /// The cache before the first step.
    pub before: &'a CommittedState,
    /// The cache after the last step.
    pub after: &'a CommittedState,
    /// Whether one proof is to show the segment, or two.
    pub cut: Cut,
}

/// The committed ports of a part, beside the model and the pairs.
#[derive(Clone, Copy)]
pub struct PartPorts<'a> {
    /// The cache before the first step.
    pub before: &'a CommittedState,
    /// The cache after the last step.
    pub after: &'a CommittedState,
    /// The stream that comes from the group of layers before, if there is one.
    pub stream_in: Option<&'a CommittedStream>,
    /// The stream that goes to the group of layers behind, if there is one.
    pub stream_out: Option<&'a CommittedStream>,
}

impl<'a> PartPorts<'a> {
    /// Of attention alone, or of all layers in one group.
    pub fn of_states(before: &'a CommittedState, after: &'a CommittedState) -> Self {
        Self {
            before,
            after,
            stream_in: None,
            stream_out: None,
        }
    }

    fn streams(&self) -> impl Iterator<Item = (Tree, &'a ProverTree)> {
        let stream = |tree, stream: Option<&'a CommittedStream>| stream.map(|it| (tree, it.tree()));
        let stream_in = stream(Tree::StreamIn, self.stream_in);
        stream_in
            .into_iter()
            .chain(stream(Tree::StreamOut, self.stream_out))
    }
}

/// Sizes of a proven segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMetrics {
    /// Uses of the weight table: scores of all heads and steps.
    pub lookup_claims: u64,
    /// Rows of all components.
    pub trace_rows: u64,
    /// Cells of all commitment trees but the composition.
    pub committed_cells: u64,
    /// Columns opened at the queries, over all trees.
    pub opened_columns: u64,
    /// Where the bytes of the proofs are: of the only one, or of the arithmetic and the lookup proof.
    pub proofs: Vec<ProofSizes>,
}

/// A proven segment.
#[derive(Debug)]
pub struct ProvenSegment {
    /// Statement, public values and proof.
    pub file: SegmentFile,
    /// Sizes.
    pub metrics: SegmentMetrics,
}

/// The public values of an execution.
///
/// # Errors
///
/// [`ProveError::PublicValues`] if they do not fit the terms.
pub fn public_values(
    terms: &ChainTerms,
    execution: &SegmentExecution,
) -> Result<AttentionValues, ProveError> {
    Ok(AttentionValues::new(
        execution.shape,
        terms.quantization.value_bits(),
        execution.steps.steps(),
        execution.q.clone(),
        execution.k.clone(),
        execution.v.clone(),
        execution.out.clone(),
    )?)
}

impl SegmentProver {
    /// Proves the steps between two committed caches.
    ///
    /// # Errors
    ///
    /// [`ProveError::StateEntries`] if the caches do not fit the steps;
    /// [`ProveError::ConstraintsNotSatisfied`] if the execution is not one of the terms' semantics.
    pub fn prove(&self, input: &SegmentInput<'_>) -> Result<ProvenSegment, ProveError> {
        let SegmentInput {
            execution,
            before,
            after,
            cut: _,
        } = input;
        check_entries(execution.steps, before, after)?;
        let values = public_values(self.terms(), execution)?;
        let witness = info_span!("witness").in_scope(|| self.witness(input))?;
        let pairs = self.commit_pairs(&witness);
        let named = self.name_pairs(&self.layout(input)?, pairs.as_ref());
        let statement = self.statement(input, &values, named)?;
        let ports = PartPorts::of_states(before, after);
        self.prove_committed(statement, values.into(), &witness, ports, pairs.as_ref())
    }

    /// The witness of an execution between two caches: what [`Self::prove`] proves, and what the mock
    /// checker takes.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`] or [`ProveError::PublicValues`] if the execution does not fit the terms.
    pub fn witness(&self, input: &SegmentInput<'_>) -> Result<SegmentWitness, ProveError> {
        let layout = self.layout(input)?;
        let states = [input.before, input.after].map(|state| state.columns().to_vec());
        attention_witness(self.terms(), &layout, input.execution, states)
    }

    /// What [`Self::prove`] would prove: the statement and its public values, without a proof.
    ///
    /// # Errors
    ///
    /// [`ProveError::PublicValues`] or [`ProveError::Statement`] if the execution does not fit the terms.
    pub fn claim(
        &self,
        input: &SegmentInput<'_>,
    ) -> Result<(SegmentStatement, AttentionValues), ProveError> {
        let values = public_values(self.terms(), input.execution)?;
        let cut = match input.cut {
            Cut::Fused => SegmentCut::Fused,
            Cut::Split => self.cut(&self.layout(input)?, &self.witness(input)?),
        };
        let statement = self.statement(input, &values, cut)?;
        Ok((statement, values))
    }

    /// Commits the pairs of a split segment.
    pub(crate) fn commit_pairs(&self, witness: &SegmentWitness) -> Option<CommittedColumns> {
        witness.lookup.as_ref()?;
        let columns = witness.main.tree(Tree::Pairs);
        Some(self.commit_with_fingerprint(columns.into_iter().cloned().collect()))
    }

    /// The pairs as statements name them.
    pub(crate) fn name_pairs(
        &self,
        layout: &SegmentLayout,
        pairs: Option<&CommittedColumns>,
    ) -> SegmentCut {
        let height = self.lifting_log_size();
        pairs.map_or(SegmentCut::Fused, |pairs| {
            let content = PortContent::Pairs(layout);
            SegmentCut::Split(pairs.opening.commitment(&content, height))
        })
    }

    /// The cut of a witness as a statement names it: with the commitment to its pairs, if it is split.
    pub fn cut(&self, layout: &SegmentLayout, witness: &SegmentWitness) -> SegmentCut {
        self.name_pairs(layout, self.commit_pairs(witness).as_ref())
    }

    fn layout(&self, input: &SegmentInput<'_>) -> Result<SegmentLayout, ProveError> {
        let layout = self.layout_of_steps(input.execution.steps.steps())?;
        Ok(layout.with_cut(input.cut))
    }

    /// The statement of an execution between two caches, cut in this way.
    ///
    /// # Errors
    ///
    /// [`ProveError::Statement`] if the fields do not fit together.
    pub fn statement(
        &self,
        input: &SegmentInput<'_>,
        public_values: &AttentionValues,
        cut: SegmentCut,
    ) -> Result<SegmentStatement, ProveError> {
        let own = OwnFields {
            steps: input.execution.steps,
            public_values: public_values.digest(),
            state_before: input.before.commitment(),
            state_after: input.after.commitment(),
            cut,
            tokens: None,
            group: None,
        };
        let parts = SegmentStatementParts::of(self.terms().shared().clone(), own);
        Ok(SegmentStatement::new(parts)?)
    }

    /// Proves a given witness for a given statement, whether or not one follows from the other: the
    /// interface through which tests offer forged witnesses.
    ///
    /// # Errors
    ///
    /// [`ProveError::ConstraintsNotSatisfied`] if a constraint does not hold. An unbalanced relation
    /// is not noticed here, but by the verifier.
    pub fn prove_witness(
        &self,
        statement: SegmentStatement,
        public_values: impl Into<PublicValues>,
        witness: &SegmentWitness,
        before: &CommittedState,
        after: &CommittedState,
    ) -> Result<ProvenSegment, ProveError> {
        let ports = PartPorts::of_states(before, after);
        self.prove_part_witness(statement, public_values, witness, ports)
    }

    /// As [`Self::prove_witness`], of a group of layers with its streams.
    ///
    /// # Errors
    ///
    /// Those of [`Self::prove_witness`].
    pub fn prove_part_witness(
        &self,
        statement: SegmentStatement,
        public_values: impl Into<PublicValues>,
        witness: &SegmentWitness,
        ports: PartPorts<'_>,
    ) -> Result<ProvenSegment, ProveError> {
        let pairs = self.commit_pairs(witness);
        let values = public_values.into();
        self.prove_committed(statement, values, witness, ports, pairs.as_ref())
    }

    /// Proves a witness whose pairs are committed: both proofs open that one tree.
    pub(crate) fn prove_committed(
        &self,
        statement: SegmentStatement,
        public_values: PublicValues,
        witness: &SegmentWitness,
        ports: PartPorts<'_>,
        pairs: Option<&CommittedColumns>,
    ) -> Result<ProvenSegment, ProveError> {
        let layout = SegmentLayout::of(&statement)?;
        let structures = ProofStructure::all(&layout, statement.security())?;
        let mut metrics = metrics(&statement, &layout, &structures);
        let public = match (&public_values, layout.decoder()) {
            (PublicValues::Attention(values), _) => public_columns(&layout, values),
            (PublicValues::Tokens(tokens), Some(decoder)) if decoder.has(Kind::Argmax) => {
                let chosen = tokens.chosen().iter().map(|token| token.get());
                chosen_columns(decoder, &chosen.collect::<Vec<_>>())
            }
            // No component reads one.
            (PublicValues::Tokens(_), _) => PublicColumns::none(),
        };
        let public = Arc::new(public);
        let input = |structure| PartInput {
            layout: &layout,
            structure,
            entries_before: statement.steps().entries_before(),
            trees: vec![],
            public: public.clone(),
            twiddles: self.twiddles(),
        };

        let main = &structures[0];
        let preprocessed = self.preprocessed(main.part(), &layout);
        let mut of_main = input(main);
        of_main.trees = [
            (Tree::Preprocessed, &*preprocessed),
            (Tree::StateBefore, ports.before.tree()),
            (Tree::StateAfter, ports.after.tree()),
        ]
        .into_iter()
        .chain(ports.streams())
        .chain(self.model().map(|model| (Tree::Model, model.tree())))
        .chain(pairs.map(|pairs| (Tree::Pairs, &pairs.tree)))
        .collect();
        let transcript = transcript::begin(&statement, main);
        let mut honest = Honest::Main(witness, &layout);
        let proof = prove_part(&of_main, transcript, &mut honest)?;
        metrics.proofs.push(proof.sizes(main));

        let mut lookup = None;
        if let (Some(pairs), Some(structure), Some(trace)) =
            (pairs, structures.get(1), &witness.lookup)
        {
            let statement = LookupStatement::new(statement.clone())?;
            let preprocessed = self.preprocessed(structure.part(), &layout);
            // An honest witness has the same pairs in both proofs. A forged one may not.
            let columns = trace.tree(Tree::Pairs).into_iter();
            let other = (!columns.clone().eq(&pairs.columns))
                .then(|| self.commit_with_fingerprint(columns.cloned().collect()));
            let mut of_lookup = input(structure);
            of_lookup.trees = vec![
                (Tree::Preprocessed, &*preprocessed),
                (Tree::Pairs, &other.as_ref().unwrap_or(pairs).tree),
            ];
            let transcript = transcript::begin_lookup(&statement, structure);
            let proof = prove_part(&of_lookup, transcript, &mut Honest::Lookup(trace))?;
            metrics.proofs.push(proof.sizes(structure));
            lookup = Some(LookupFile::new(statement, proof.encode(structure)?));
        }
        let proof = proof.encode(main)?;
        let file = SegmentFile::new(statement, public_values, proof).with_lookup(lookup);
        Ok(ProvenSegment { file, metrics })
    }
}

/// The witness of an execution of attention between two caches, given by the columns of their trees.
pub(crate) fn attention_witness(
    terms: &ChainTerms,
    layout: &SegmentLayout,
    execution: &SegmentExecution,
    states: [Vec<Column>; 2],
) -> Result<SegmentWitness, ProveError> {
    let public = public_columns(layout, &public_values(terms, execution)?);
    let entries: Vec<Column> = public.columns().into_iter().map(Column::from).collect();
    let [before, after] = states;
    let ports = [(Tree::StateBefore, before), (Tree::StateAfter, after)];
    let execution = Execution {
        attention: execution,
        after: &ports[1].1,
        entries: &entries,
        table: terms.weight_table(),
        decoder: None,
    };
    Ok(SegmentWitness::generate(layout, &execution, &ports))
}

/// What an honest prover does with a witness.
enum Honest<'a> {
    /// In the proof that shows the arithmetic.
    Main(&'a SegmentWitness, &'a SegmentLayout),
    /// In the lookup proof.
    Lookup(&'a PartTrace),
}

impl Strategy for Honest<'_> {
    fn trace(&self) -> &PartTrace {
        match self {
            Self::Main(witness, _) => &witness.main,
            Self::Lookup(trace) => trace,
        }
    }

    fn combine(&mut self, challenges: &RlcChallenges) -> PartTrace {
        match self {
            Self::Main(witness, layout) => witness.combine(layout, *challenges),
            Self::Lookup(_) => unreachable!("a lookup proof has no random linear combinations"),
        }
    }
}

/// The caches stand where the steps begin and end.
pub(crate) fn check_entries(
    steps: StepRange,
    before: &CommittedState,
    after: &CommittedState,
) -> Result<(), ProveError> {
    for (which, expected, state) in [
        ("first", steps.entries_before(), before),
        ("last", steps.entries_after(), after),
    ] {
        let got = state.cache().entries();
        if got != expected {
            return Err(ProveError::StateEntries {
                which,
                expected,
                got,
            });
        }
    }
    Ok(())
}

fn metrics(
    statement: &SegmentStatement,
    layout: &SegmentLayout,
    structures: &[ProofStructure],
) -> SegmentMetrics {
    let sizes = SegmentSizes::new(structures);
    SegmentMetrics {
        lookup_claims: statement.steps().lookup_claims(&layout.shape().attention()),
        trace_rows: sizes.trace_rows,
        committed_cells: sizes.committed_cells,
        opened_columns: sizes.opened_columns,
        proofs: vec![],
    }
}
