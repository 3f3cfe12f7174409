//! The prover of a system that lacks something.
use std::sync::Arc;

use matchmark_air::challenges::Challenges;
use matchmark_air::decoder::segment::DecoderComponents;
use matchmark_air::fingerprint::fingerprint_point;
use matchmark_air::harness::public_columns::PublicColumns;
use matchmark_air::hash::ProofChannel;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::lookup::{LookupComponents, LookupContext};
use matchmark_air::segment::{SegmentComponents, SegmentContext};
use matchmark_air::trees::Tree;
use matchmark_air::witness::columns::{coordinates, to_evaluation, to_library_order, Evaluation};
use matchmark_air::witness::lookups::{lookups_tree, lookups_tree_of_lookup};
use matchmark_air::witness::Column;
use matchmark_prover::ProveError;
use matchmark_statement::LookupStatement;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::transcript::{self, Transcript};
use matchmark_verifier::SegmentProof;
use num_traits::Zero;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::utils::MaybeOwned;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::{prove as prove_stark, CommitmentSchemeProver, ComponentProver};

use super::claim::{Claimed, Committed, Setup};
use super::system::Reduced;
use crate::checker::Drop;

type Scheme<'a> = CommitmentSchemeProver<'a, SimdBackend, ProofChannel>;

/// Proves a claim in the system without `drop`: the bytes of the fused proof, or of both proofs.
///
/// Where a constraint on LogUp columns is left out, the claimed sum of its component is whatever makes
/// all sums cancel, and the columns follow.
pub fn prove(claimed: &Claimed<'_>, drop: &Drop) -> Result<Vec<Vec<u8>>, ProveError> {
    let structures = &claimed.setup.structures;
    let mut proofs = vec![prove_main(claimed, drop, &structures[0])?.encode(&structures[0])?];
    if let Some(structure) = structures.get(1) {
        proofs.push(prove_lookup(claimed, drop, structure)?.encode(structure)?);
    }
    Ok(proofs)
}

/// A scheme and a transcript with the trees that come before every challenge.
fn begin<'a>(
    setup: &'a Setup,
    structure: &ProofStructure,
    mut transcript: Transcript,
    trees: impl IntoIterator<Item = &'a Committed>,
) -> (Scheme<'a>, Transcript) {
    let mut scheme = CommitmentSchemeProver::new(structure.pcs_config(), &setup.twiddles);
    scheme.set_store_polynomials_coefficients();
    for committed in trees {
        scheme.commit_tree(MaybeOwned::Borrowed(&committed.tree), transcript.channel());
    }
    (scheme, transcript)
}

fn commit(scheme: &mut Scheme<'_>, transcript: &mut Transcript, columns: Vec<Evaluation>) {
    let mut tree = scheme.tree_builder();
    tree.extend_evals(columns);
    tree.commit(transcript.channel());
}

fn evaluations<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Vec<Evaluation> {
    columns.into_iter().map(|it| to_evaluation(it)).collect()
}

fn prove_main(
    claimed: &Claimed<'_>,
    drop: &Drop,
    structure: &ProofStructure,
) -> Result<SegmentProof, ProveError> {
    let (setup, witness) = (claimed.setup, &claimed.forged.witness);
    let (layout, statement) = (&setup.case.layout, &claimed.statement);
    let trees = setup.preprocessed[..1].iter();
    let trees = trees
        .chain(&setup.model)
        .chain(&claimed.states)
        .chain(claimed.boundaries.first());
    let transcript = transcript::begin(statement, structure);
    let (mut scheme, mut transcript) = begin(setup, structure, transcript, trees);
    let columns = evaluations(witness.witness_tree());
    commit(&mut scheme, &mut transcript, columns);
    let projection = transcript.draw_projection();
    let projections = claimed.forged.projections_at(projection);
    commit(
        &mut scheme,
        &mut transcript,
        evaluations(&projections.columns()),
    );
    let lookup = transcript.draw_lookup();
    let point = |committed: &Committed| fingerprint_point(committed.opening.root);
    let boundary = claimed.boundaries.first();
    let mut context = SegmentContext {
        entries_before: setup.case.steps.entries_before(),
        challenges: Challenges { projection, lookup },
        claimed_sums: vec![QM31::zero(); SegmentComponents::count(layout)],
        fingerprint_points: claimed.states.each_ref().map(point),
        boundary_point: boundary.map_or_else(CirclePoint::zero, point),
        model_point: setup.model.as_ref().map_or_else(CirclePoint::zero, point),
        public: public_columns(layout, &witness.entries),
    };
    let system = Reduced::of_tuples(drop, 0, &context.claimed_sums);
    let components = SegmentComponents::of_system(layout, &context, &system);
    let (mut columns, mut sums) = lookups_tree(&components, witness, &projections);
    cancel(
        drop,
        0,
        structure,
        &components.components(),
        &mut columns,
        &mut sums,
    );
    transcript.claim_sums(&sums);
    commit(&mut scheme, &mut transcript, columns);
    context.claimed_sums = sums;
    let system = Reduced::new(drop, 0, &context.claimed_sums);
    let mut components = SegmentComponents::of_system(layout, &context, &system);
    components
        .vectors
        .extend_public_columns(&setup.twiddles, setup.log_blowup);
    let provers: Vec<&dyn ComponentProver<SimdBackend>> = [
        &components.vectors as &dyn ComponentProver<SimdBackend>,
        &components.candidates,
        &components.state,
    ]
    .into_iter()
    .chain(
        components
            .decoder
            .iter()
            .flat_map(DecoderComponents::provers),
    )
    .chain(components.tables.iter().map(|table| table as _))
    .collect();
    finish(&provers, transcript, scheme, &context.claimed_sums)
}

/// The public columns of a segment, of which a decoder has none.
pub fn public_columns(layout: &SegmentLayout, entries: &[Column]) -> Arc<PublicColumns> {
    match layout.decoder() {
        None => Arc::new(PublicColumns::new(
            layout.log_rows().vectors,
            entries.to_vec(),
        )),
        Some(_) => SegmentContext::structural(layout).public,
    }
}

fn prove_lookup(
    claimed: &Claimed<'_>,
    drop: &Drop,
    structure: &ProofStructure,
) -> Result<SegmentProof, ProveError> {
    let (setup, witness) = (claimed.setup, &claimed.forged.witness);
    let (layout, boundary) = (&setup.case.layout, &claimed.boundaries[1]);
    let witness = witness.lookup.as_ref().unwrap();
    let statement = LookupStatement::new(claimed.statement.clone()).unwrap();
    let transcript = transcript::begin_lookup(&statement, structure);
    let trees = [&setup.preprocessed[1], boundary];
    let (mut scheme, mut transcript) = begin(setup, structure, transcript, trees);
    commit(&mut scheme, &mut transcript, evaluations([&witness.uses]));
    let mut context = LookupContext {
        challenges: transcript.draw_lookup(),
        boundary_point: fingerprint_point(boundary.opening.root),
        ..LookupContext::structural()
    };
    let first = SegmentComponents::count(layout);
    let system = Reduced::of_tuples(drop, first, &context.claimed_sums);
    let components = LookupComponents::of_system(layout, &context, &system);
    let (mut columns, mut sums) = lookups_tree_of_lookup(&components, witness);
    cancel(
        drop,
        first,
        structure,
        &components.components(),
        &mut columns,
        &mut sums,
    );
    transcript.claim_sums(&sums);
    commit(&mut scheme, &mut transcript, columns);
    context.claimed_sums = sums;
    let system = Reduced::new(drop, first, &context.claimed_sums);
    let components = LookupComponents::of_system(layout, &context, &system);
    let provers: [&dyn ComponentProver<SimdBackend>; 2] =
        [&components.membership, &components.table];
    finish(&provers, transcript, scheme, &context.claimed_sums)
}

fn finish(
    components: &[&dyn ComponentProver<SimdBackend>],
    mut transcript: Transcript,
    scheme: Scheme<'_>,
    claimed_sums: &[QM31],
) -> Result<SegmentProof, ProveError> {
    let stark = prove_stark(components, transcript.channel(), scheme)
        .map_err(|_| ProveError::ConstraintsNotSatisfied)?;
    Ok(SegmentProof {
        claimed_sums: claimed_sums.to_vec(),
        stark: stark.0,
    })
}

/// Where `drop` is a constraint on the LogUp columns of one of these components: claims for it what
/// makes all sums cancel, and has its columns follow so that no other constraint notices.
fn cancel(
    drop: &Drop,
    first: usize,
    structure: &ProofStructure,
    components: &[&dyn Component],
    columns: &mut [Evaluation],
    sums: &mut [QM31],
) {
    let Drop::Sum { component, index } = *drop else {
        return;
    };
    let Some(place) = component.checked_sub(first).filter(|it| *it < sums.len()) else {
        return;
    };
    let lookups = structure.place(Tree::Lookups);
    let count = |it: &&dyn Component| it.trace_log_degree_bounds()[lookups].len();
    let start: usize = components[..place].iter().map(count).sum();
    let own = &mut columns[start..start + count(&components[place])];
    let missing = sums.iter().fold(QM31::zero(), |total, sum| total - *sum);
    sums[place] += missing;
    follow(own, index, missing);
}

/// Adds a step to the LogUp columns of a component that only the `omitted`-th constraint would notice,
/// and only on the first row.
fn follow(columns: &mut [Evaluation], omitted: usize, by: QM31) {
    let count = columns.len() / 4;
    let rows = 1_usize << columns[0].domain.log_size();
    let share = by / M31::from(rows);
    // The last constraint alone knows the claimed sum.
    if omitted + 1 == count {
        return;
    }
    for index in omitted..count {
        let step: Vec<QM31> = (0..rows)
            .map(|row| match (index + 1 == count, row) {
                (true, _) => by - share * M31::from(row + 1),
                (false, 0) => by,
                (false, _) => QM31::zero(),
            })
            .collect();
        for (column, step) in columns[4 * index..].iter_mut().zip(coordinates(&step)) {
            let step = to_library_order(&step);
            for (value, step) in column.values.data.iter_mut().zip(&step.data) {
                *value += *step;
            }
        }
    }
}
