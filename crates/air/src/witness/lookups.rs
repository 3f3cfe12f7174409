//! The LogUp tree. Its fractions come from the constraints themselves: the component is evaluated on
//! every row, and the tuples that it states are collected, so that no second copy of the relations
//! exists.
use matchmark_statement::ProofPart;
use num_traits::Zero;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Mul;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::{SecureField, QM31, SECURE_EXTENSION_DEGREE};
use stwo::core::Fraction;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::m31::{PackedBaseField, LOG_N_LANES};
use stwo::prover::backend::simd::qm31::PackedSecureField;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::{EvalAtRow, FrameworkEval, LogupTraceGenerator};

use super::columns::{to_library_order, Evaluation};
use super::projections::Projections;
use super::{Column, LookupWitness, SegmentWitness};
use crate::decoder::segment::DecoderComponents;
use crate::harness::routing::Routed;
use crate::harness::row::{System, CARRIED, WITNESS};
use crate::lookup::{LookupComponents, LOOKUP_COMPONENTS};
use crate::preprocessed::Preprocessed;
use crate::segment::SegmentComponents;
use crate::trees::Tree;

/// The columns of one component in the library's order.
struct ComponentColumns<'a> {
    /// Preprocessed columns by identifier.
    preprocessed: HashMap<PreProcessedColumnId, &'a BaseColumn>,
    /// Witness columns in reading order.
    witness: Vec<&'a BaseColumn>,
    /// Public, projection and state columns in reading order.
    carried: Vec<&'a BaseColumn>,
}

/// Collects the fractions of one packed row. Constraints are ignored; masks of other rows, which no
/// tuple contains, read as zero.
struct FractionCollector<'a> {
    columns: &'a ComponentColumns<'a>,
    packed_row: usize,
    next: [usize; 4],
    fractions: Vec<Fraction<PackedSecureField, PackedSecureField>>,
}

impl EvalAtRow for FractionCollector<'_> {
    type F = PackedBaseField;
    type EF = PackedSecureField;

    fn next_interaction_mask<const N: usize>(
        &mut self,
        interaction: usize,
        offsets: [isize; N],
    ) -> [Self::F; N] {
        let columns = match interaction {
            WITNESS => &self.columns.witness,
            CARRIED => &self.columns.carried,
            _ => unreachable!("no other interaction is read outside the LogUp constraints"),
        };
        let column = columns[self.next[interaction]];
        self.next[interaction] += 1;
        offsets.map(|offset| match offset {
            0 => column.data[self.packed_row],
            _ => PackedBaseField::zero(),
        })
    }

    fn get_preprocessed_column(&mut self, id: PreProcessedColumnId) -> Self::F {
        self.columns.preprocessed[&id].data[self.packed_row]
    }

    fn add_constraint<G>(&mut self, _constraint: G)
    where
        Self::EF: Mul<G, Output = Self::EF> + From<G>,
    {
    }

    fn combine_ef(values: [Self::F; SECURE_EXTENSION_DEGREE]) -> Self::EF {
        PackedSecureField::from_packed_m31s(values)
    }

    fn write_logup_frac(&mut self, fraction: Fraction<Self::EF, Self::EF>) {
        self.fractions.push(fraction);
    }

    fn finalize_logup_in_pairs(&mut self) {}
}

/// The columns of the lookups tree and the claimed sums, component after component.
pub fn lookups_tree<S: System>(
    components: &SegmentComponents<S>,
    witness: &SegmentWitness,
    projections: &Projections,
) -> (Vec<Evaluation>, Vec<QM31>) {
    let part = components.vectors.order().part();
    let preprocessed = order(&witness.preprocessed);
    let of = |witness: &[Column], carried: &[&[Column]]| ComponentTrace {
        part,
        preprocessed: &preprocessed,
        witness: order(witness),
        carried: carried.iter().flat_map(|columns| order(columns)).collect(),
    };
    let (vectors, candidates, state) = (
        projections.vectors_columns(),
        projections.candidates_columns(),
        projections.state_columns(),
    );
    let mut all = vec![
        of(&witness.vectors, &[&witness.entries, &vectors]).lookups(&components.vectors),
        of(&witness.candidates, &[&witness.boundary, &candidates]).lookups(&components.candidates),
        of(
            &witness.state,
            &[&state, &witness.state_before, &witness.state_after],
        )
        .lookups(&components.state),
    ];
    if let (Some(components), Some(witness)) = (&components.decoder, &witness.decoder) {
        let carried = projections.decoder_columns();
        let DecoderComponents {
            linear,
            stream,
            norms,
            rotary,
            values,
            gated,
            choice,
        } = components;
        let weights = linear.columns_in(Tree::Model);
        all.extend([
            of(&[], &[&witness.model[..weights], &carried[0]]).lookups(linear),
            of(&witness.stream, &[&carried[1]]).lookups(stream),
            of(&witness.norms, &[&carried[2]]).lookups(norms),
            of(&witness.rotary, &[&carried[3]]).lookups(rotary),
            of(&witness.values, &[&carried[4]]).lookups(values),
            of(&witness.gated, &[&carried[5]]).lookups(gated),
            of(&witness.choice, &[&carried[6]]).lookups(choice),
        ]);
    }
    let mut model = witness.model_tables();
    for (component, columns) in components.tables.iter().zip(&witness.tables) {
        let (own, others) = model.split_at(component.columns_in(Tree::Model));
        model = others;
        all.push(of(columns, &[own]).lookups(component));
    }
    let (columns, sums): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    (columns.into_iter().flatten().collect(), sums)
}

/// The columns of the lookups tree of a lookup proof, and the claimed sums.
pub fn lookups_tree_of_lookup<S: System>(
    components: &LookupComponents<S>,
    witness: &LookupWitness,
) -> (Vec<Evaluation>, [QM31; LOOKUP_COMPONENTS]) {
    let preprocessed = order(&witness.preprocessed);
    let of = |witness: &[Column], carried: &[Column]| ComponentTrace {
        part: ProofPart::Lookup,
        preprocessed: &preprocessed,
        witness: order(witness),
        carried: order(carried),
    };
    let (mut columns, membership) = of(&[], &witness.boundary).lookups(&components.membership);
    let uses = core::slice::from_ref(&witness.uses);
    let (of_table, table) = of(uses, &[]).lookups(&components.table);
    columns.extend(of_table);
    (columns, [membership, table])
}

fn order(columns: &[Column]) -> Vec<BaseColumn> {
    columns
        .iter()
        .map(|column| to_library_order(column))
        .collect()
}

/// The trace of one component in the library's order.
struct ComponentTrace<'a> {
    part: ProofPart,
    preprocessed: &'a [BaseColumn],
    witness: Vec<BaseColumn>,
    carried: Vec<BaseColumn>,
}

impl ComponentTrace<'_> {
    fn lookups<F: FrameworkEval + Sync>(self, component: &Routed<F>) -> (Vec<Evaluation>, QM31) {
        let names = Preprocessed::of(self.part)
            .into_iter()
            .map(Preprocessed::id);
        let columns = ComponentColumns {
            preprocessed: names.zip(self.preprocessed).collect(),
            witness: self.witness.iter().collect(),
            carried: self.carried.iter().collect(),
        };
        lookup_columns::<F>(component.inner(), &columns)
    }
}

/// The LogUp columns of a component, and its claimed sum.
fn lookup_columns<F: FrameworkEval + Sync>(
    component: &F,
    columns: &ComponentColumns<'_>,
) -> (Vec<Evaluation>, QM31) {
    let packed_rows = 1_usize << (component.log_size() - LOG_N_LANES);
    let rows: Vec<Vec<_>> = (0..packed_rows)
        .into_par_iter()
        .with_min_len(16)
        .map(|packed_row| {
            let collector = FractionCollector {
                columns,
                packed_row,
                next: [0; 4],
                fractions: Vec::new(),
            };
            let fractions = component.evaluate(collector).fractions;
            fractions.chunks(2).map(add_fractions).collect()
        })
        .collect();
    let mut generator = LogupTraceGenerator::new(component.log_size());
    for batch in 0..rows[0].len() {
        generator.col_from_iter(rows.iter().map(|row: &Vec<_>| row[batch]));
    }
    let (columns, claimed_sum): (_, SecureField) = generator.finalize_last();
    (columns, claimed_sum)
}

fn add_fractions(
    pair: &[Fraction<PackedSecureField, PackedSecureField>],
) -> (PackedSecureField, PackedSecureField) {
    match pair {
        [a, b] => (
            a.numerator * b.denominator + b.numerator * a.denominator,
            a.denominator * b.denominator,
        ),
        [a] => (a.numerator, a.denominator),
        _ => (
            PackedSecureField::zero(),
            PackedSecureField::broadcast(QM31::from(BaseField::from(1))),
        ),
    }
}
