//! The prover of a system that lacks something: the prover's own side of the protocol, with the circuit of
//! that system.
use std::sync::Arc;

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::channel::{self, Search};
use matchmark_air::circuit::{Circuit, CircuitContext};
use matchmark_air::column::coordinates;
use matchmark_air::column::{to_library_order, Evaluation};
use matchmark_air::harness::component::AnyComponent;
use matchmark_air::harness::public_columns::PublicColumns;
use matchmark_air::harness::row::Source;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{PartTrace, SegmentWitness};
use matchmark_prover::part::{prove_part, PartInput, Strategy};
use matchmark_prover::ProveError;
use matchmark_statement::LookupStatement;
use matchmark_verifier::transcript;
use num_traits::Zero;
use stwo::core::channel::Channel;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE};

use super::claim::Claimed;
use super::system::Reduced;
use crate::checker::Drop;
use crate::forge::Forged;

/// Proves a claim in the system without `drop`: the bytes of the only proof, or of both.
///
/// Where a constraint on LogUp columns is left out, the claimed sum of its component is whatever makes
/// all sums cancel, and the columns follow.
pub fn prove(claimed: &Claimed<'_>, drop: &Drop) -> Result<Vec<Vec<u8>>, ProveError> {
    let (setup, forged) = (claimed.setup, claimed.forged);
    let (layout, statement) = (&setup.case.layout, &claimed.statement);
    let public = public_columns(layout, &forged.witness);
    let mut proofs = vec![];
    let mut first = 0;
    for (place, structure) in setup.structures.iter().enumerate() {
        let (transcript, trees, trace) = match place {
            0 => {
                let transcript = transcript::begin(statement, structure);
                (transcript, claimed.main_trees(), &forged.witness.main)
            }
            _ => {
                let statement = LookupStatement::new(statement.clone()).unwrap();
                let transcript = transcript::begin_lookup(&statement, structure);
                let trace = forged.witness.lookup.as_ref().expect("a split segment");
                (transcript, claimed.lookup_trees(), trace)
            }
        };
        let input = PartInput {
            layout,
            structure,
            entries_before: setup.case.steps.entries_before(),
            trees,
            public: public.clone(),
            twiddles: &setup.twiddles,
        };
        let mut strategy = Lacking {
            forged,
            trace,
            drop,
            first,
        };
        let proof = prove_part(&input, transcript, &mut strategy)?;
        proofs.push(proof.encode(structure)?);
        first += structure.claimed_sums();
    }
    Ok(proofs)
}

/// Proves a forged witness in a system that lacks something.
struct Lacking<'a> {
    forged: &'a Forged,
    trace: &'a PartTrace,
    drop: &'a Drop,
    /// Components of the proofs before this one.
    first: usize,
}

impl Strategy for Lacking<'_> {
    fn trace(&self) -> &PartTrace {
        self.trace
    }

    fn combine(&mut self, challenges: &RlcChallenges) -> PartTrace {
        self.forged.trace_at(*challenges)
    }

    fn circuit(&self, input: &PartInput<'_>, context: &CircuitContext) -> Circuit {
        let system = Reduced::new(self.drop, self.first, &context.claimed_sums);
        Circuit::of_system(input.layout, input.structure.part(), context, &system)
    }

    fn search(&self) -> Search {
        let Drop::Work(idle) = *self.drop else {
            return channel::search();
        };
        let honest = channel::search();
        Arc::new(move |channel, challenge, bits| {
            if challenge != idle {
                return honest(channel, challenge, bits);
            }
            // Half of what is needed; where that is by chance enough, the next nonce that is not.
            let half = honest(channel, challenge, bits - 1);
            let short = |nonce: &u64| !channel.verify_pow_nonce(bits, *nonce);
            (half..).find(short).expect("nonces that are no work")
        })
    }

    fn claim(&mut self, circuit: &Circuit, columns: &mut [Evaluation], sums: &mut [QM31]) {
        cancel(self.drop, self.first, circuit, columns, sums);
    }
}

/// The public columns of a segment: as its trace has them, or as a decoder's tokens say.
pub fn public_columns(layout: &SegmentLayout, witness: &SegmentWitness) -> Arc<PublicColumns> {
    let columns = match layout.decoder() {
        None => {
            let vectors = witness.main.component("vectors");
            let columns = vectors.columns_from(Source::Public);
            let entries = columns.filter_map(|it| it.entries.as_ref());
            PublicColumns::new(vectors.log_rows, entries.map(|it| it.to_vec()).collect())
        }
        Some(_) => {
            let chosen = witness.public_columns(layout);
            chosen.unwrap_or_else(PublicColumns::none)
        }
    };
    Arc::new(columns)
}

/// Where `drop` is a constraint on the LogUp columns of one of these components: claims for it what
/// makes all sums cancel, and has its columns follow so that no other constraint notices.
fn cancel(
    drop: &Drop,
    first: usize,
    circuit: &Circuit,
    columns: &mut [Evaluation],
    sums: &mut [QM31],
) {
    let Drop::Sum { component, index } = *drop else {
        return;
    };
    let Some(place) = component.checked_sub(first).filter(|it| *it < sums.len()) else {
        return;
    };
    let lookups = circuit.order().place(Tree::Lookups);
    let count = |it: &dyn AnyComponent| it.trace_log_degree_bounds()[lookups].len();
    let counts: Vec<usize> = circuit.iter().map(count).collect();
    let start: usize = counts[..place].iter().sum();
    let own = &mut columns[start..start + counts[place]];
    let missing = sums.iter().fold(QM31::zero(), |total, sum| total - *sum);
    sums[place] += missing;
    follow(own, index, missing);
}

/// Adds a step to the LogUp columns of a component that only the `omitted`-th constraint would notice,
/// and only on the first row.
fn follow(columns: &mut [Evaluation], omitted: usize, by: QM31) {
    let count = columns.len() / SECURE_EXTENSION_DEGREE;
    let rows = columns.iter().map(|column| column.domain.size()).max();
    let Some(rows) = rows else {
        return;
    };
    let share = by / M31::from(rows);
    // The last constraint alone knows the claimed sum.
    if omitted + 1 == count {
        return;
    }
    let constraints = columns.chunks_mut(SECURE_EXTENSION_DEGREE).enumerate();
    for (index, columns) in constraints.skip(omitted) {
        let step: Vec<QM31> = (0..rows)
            .map(|row| match (index + 1 == count, row) {
                (true, _) => by - share * M31::from(row + 1),
                (false, 0) => by,
                (false, _) => QM31::zero(),
            })
            .collect();
        for (column, step) in columns.iter_mut().zip(coordinates(&step)) {
            let step = to_library_order(&step);
            for (value, step) in column.values.data.iter_mut().zip(&step.data) {
                *value += *step;
            }
        }
    }
}
