//! Trace generation, phase by phase.
//!
//! [`SegmentWitness`] holds everything that does not depend on a challenge; [`SegmentWitness::combine`]
//! fills the RLC tree once `r` and `t` are known, and [`lookups::lookups_tree`] makes the LogUp tree
//! once `z` and `alpha` are. Columns are plain vectors in row order until they are committed, so that tests can
//! forge them.
mod generate;
pub mod lookups;
pub mod rlc;
mod uses;

use matchmark_graph::Kind;
use matchmark_statement::{Cut, ProofPart};
use matchmark_tables::WeightTable;

use crate::challenges::{Challenges, LookupChallenges, RlcChallenges};
use crate::circuit::{Circuit, CircuitContext};
use crate::decoder::tokens::{chosen_columns, public_tuples};
use crate::harness::public_columns::PublicColumns;
use crate::layout::SegmentLayout;
use crate::preprocessed::Constants;
use crate::trees::Tree;

pub use crate::column::Column;
pub use crate::execution::{DecoderExecution, Execution, Generate};
pub use crate::harness::trace::{preprocessed_columns, ComponentTrace, PartTrace, PortColumns};

/// The tokens of a segment of a decoder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentTokens {
    /// Tokens consumed.
    pub consumed: Vec<u32>,
    /// Tokens chosen.
    pub chosen: Vec<u32>,
}

/// All columns of a segment's proofs, the LogUp ones apart.
#[derive(Clone, Debug)]
pub struct SegmentWitness {
    /// Cache entries before the segment.
    pub entries_before: usize,
    /// The columns of the proof that shows the arithmetic: the only one, or the first of two.
    pub main: PartTrace,
    /// The columns of the lookup proof of a split segment.
    pub lookup: Option<PartTrace>,
    /// The tokens of a decoder's segment.
    pub tokens: Option<SegmentTokens>,
}

impl SegmentWitness {
    /// The witness of an honest execution between two caches, whose columns and those of a decoder's model
    /// are given as ports.
    pub fn generate(
        layout: &SegmentLayout,
        execution: &Execution<'_>,
        ports: &[(Tree, Vec<Column>)],
    ) -> Self {
        let entries_before = execution.attention.steps.entries_before();
        let context = CircuitContext {
            entries_before,
            ..CircuitContext::structural(layout)
        };
        let circuit = Circuit::new(layout, layout.main_part(), &context);
        let main = PartTrace::generate(
            &circuit,
            layout,
            &execution.constants(),
            ports,
            |component| component.generate(execution),
        );
        let lookup = match layout.cut() {
            Cut::Fused => None,
            Cut::Split => {
                let pairs = main.tree(Tree::Pairs).into_iter().cloned().collect();
                Some(lookup_trace(layout, execution.table, pairs))
            }
        };
        Self {
            entries_before,
            main,
            lookup,
            tokens: execution.decoder.map(|decoder| SegmentTokens {
                consumed: decoder.execution.tokens.clone(),
                chosen: decoder.execution.choices.clone(),
            }),
        }
    }

    /// The components of the proof that shows the arithmetic for these RLC challenges, LogUp left aside.
    pub fn circuit(&self, layout: &SegmentLayout, challenges: RlcChallenges) -> Circuit {
        let context = CircuitContext {
            entries_before: self.entries_before,
            challenges: Challenges {
                rlc: challenges,
                lookup: LookupChallenges::structural(),
            },
            ..CircuitContext::structural(layout)
        };
        Circuit::new(layout, self.main.part, &context)
    }

    /// The public columns of the proof that shows the arithmetic, in the place of those of its trace: where the
    /// tokens stand that were chosen, of a decoder's last layers. Those of attention are the trace's own.
    pub fn public_columns(&self, layout: &SegmentLayout) -> Option<PublicColumns> {
        let decoder = layout.decoder().filter(|it| it.has(Kind::Argmax))?;
        let tokens = self.tokens.as_ref()?;
        Some(chosen_columns(decoder, &tokens.chosen))
    }

    /// The trace of the proof that shows the arithmetic, with the public columns of its tokens and the random linear
    /// combinations at these challenges, for a witness that is honest or not.
    pub fn combine(&self, layout: &SegmentLayout, challenges: RlcChallenges) -> PartTrace {
        let mut trace = self.main.clone();
        if let Some(public) = self.public_columns(layout) {
            trace.set_public(&public);
        }
        let mut provided = rlc::Provided::default();
        for (tag, values, _) in self.public_tuples(layout, challenges) {
            provided.add_tuple(tag, &values);
        }
        rlc::fill(&self.circuit(layout, challenges), &mut trace, provided);
        trace
    }

    /// The verifier's own terms: relation, values, and how often it requires them.
    pub fn public_tuples(
        &self,
        layout: &SegmentLayout,
        challenges: RlcChallenges,
    ) -> Vec<crate::decoder::tokens::PublicTuple> {
        match (layout.decoder(), &self.tokens) {
            (Some(decoder), Some(SegmentTokens { consumed, .. })) => {
                public_tuples(decoder, consumed, challenges.position)
            }
            _ => vec![],
        }
    }
}

/// The trace of a lookup proof for these pairs: those of the arithmetic proof. Pairs that are not entries of
/// the table are counted with the entry of their index; no proof will follow from them.
pub fn lookup_trace(layout: &SegmentLayout, table: &WeightTable, pairs: Vec<Column>) -> PartTrace {
    let circuit = Circuit::structural(layout, ProofPart::Lookup);
    let ports = [(Tree::Pairs, pairs)];
    let constants = Constants {
        table,
        arithmetic: None,
    };
    PartTrace::generate(&circuit, layout, &constants, &ports, |_| vec![])
}
