//! A Merkle root alone does not join the two proofs of a split segment.
//!
//! The attacker decodes by a table of its own, proves that arithmetic, and proves memberships in the
//! real table for other pairs. One boundary tree, half of it from the codeword of the false pairs and
//! half from that of the true ones, opens as either as long as all queries fall into the right half.
//! Only the fingerprints tell the two apart.
use matchmark_air::fingerprint::fingerprint_point;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::segment::public_columns;
use matchmark_air::witness::{LookupWitness, SegmentWitness};
use matchmark_quant::TableBounds;
use matchmark_runtime::{execute_segment, DecodeRules};
use matchmark_statement::{
    AttentionValues, Boundary, LookupStatement, SecurityLevel, SegmentBoundary, SegmentStatement,
    VerifierDomain,
};
use matchmark_tables::WeightTable;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{verify_segment, LookupFile, SegmentFile, SegmentProof, VerifyError};
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::Column;
use stwo::prover::vcs_lifted::prover::MerkleProverLifted;

use super::protocol::Case;
use crate::committed::CommittedColumns;
use crate::CommittedState;

/// Trials before an attack counts as failed; 2^6 are expected for two proofs of 3 queries each.
const TRIALS: u32 = 1200;

/// One way to fill the arithmetic proof.
struct Side {
    witness: SegmentWitness,
    values: AttentionValues,
    boundary: CommittedColumns,
}

struct Attack {
    case: Case,
    layout: SegmentLayout,
    before: CommittedState,
    after: CommittedState,
    structures: Vec<ProofStructure>,
    honest: Side,
    forged: Side,
}

/// A table as long as the default one, with its largest weight, and otherwise upside down.
fn other_table() -> WeightTable {
    let honest = WeightTable::exp256_default();
    let mut entries = honest.entries().to_vec();
    entries[1..].reverse();
    let table = WeightTable::custom(entries, "attack").unwrap();
    let TableBounds { len, max_weight } = honest.bounds();
    assert_eq!(table.bounds(), TableBounds { len, max_weight });
    table
}

impl Attack {
    fn new() -> Self {
        let case = Case::new(SecurityLevel::Insecure13);
        let layout = case.layout.clone().with_boundary(Boundary::Split);
        let prefix = case.prefix(11);
        let (_, after) = case.execute(&prefix);
        let before = case.prover.state(prefix).unwrap();
        let after = case.prover.state(after).unwrap();
        let side = |table: WeightTable| {
            let rules = DecodeRules {
                table: table.clone(),
                ..case.rules.clone()
            };
            let (execution, _) = execute_segment(before.cache(), &case.inputs, &rules).unwrap();
            let values = crate::public_values(case.prover.terms(), &execution).unwrap();
            let mut witness = SegmentWitness::generate(
                &layout,
                &execution,
                &public_columns(&layout, &values),
                before.columns().to_vec(),
                after.columns().to_vec(),
                &table,
            );
            witness.lookup = None;
            Side {
                boundary: case
                    .prover
                    .commit_with_fingerprint(witness.boundary.clone()),
                witness,
                values,
            }
        };
        let mut honest = side(WeightTable::exp256_default());
        let mut forged = side(other_table());
        assert_ne!(
            honest.values.out(),
            forged.values.out(),
            "the outputs differ"
        );
        half_and_half(&case, &mut honest.boundary, &mut forged.boundary);
        Self {
            structures: ProofStructure::all(&layout, case.prover.terms().security),
            case,
            layout,
            before,
            after,
            honest,
            forged,
        }
    }

    /// The statement of a side's outputs, with the boundary that its own pairs open.
    fn statement(&self, side: &Side, trial: u32) -> SegmentStatement {
        let height = self.case.prover.lifting_log_size();
        let opening = &side.boundary.opening;
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&trial.to_le_bytes());
        let own = matchmark_statement::OwnFields {
            steps: self.case.inputs.steps(),
            public_values: side.values.digest(),
            state_before: self.before.commitment(),
            state_after: self.after.commitment(),
            boundary: SegmentBoundary::Split(opening.boundary_commitment(&self.layout, height)),
            tokens: None,
        };
        let mut terms = self.case.prover.terms().shared();
        terms.domain = VerifierDomain::new("attack", nonce).unwrap();
        SegmentStatement::new(matchmark_statement::SegmentStatementParts::of(terms, own)).unwrap()
    }

    fn arithmetic(&self, side: &Side, statement: &SegmentStatement) -> SegmentProof {
        let prover = &self.case.prover;
        let states = [&self.before, &self.after];
        let boundary = Some(&side.boundary);
        let structure = &self.structures[0];
        prover
            .prove_main(
                statement,
                &side.values,
                &side.witness,
                states,
                boundary,
                structure,
            )
            .unwrap()
    }

    /// Memberships of the honest pairs, in the name of any statement.
    fn lookup(&self, statement: &SegmentStatement) -> (LookupStatement, SegmentProof) {
        let statement = LookupStatement::new(statement.clone()).unwrap();
        let pairs = &self.honest.boundary;
        let table = &self.case.prover.terms().table;
        let witness = LookupWitness::generate(&self.layout, pairs.columns.clone(), table);
        let (prover, structure) = (&self.case.prover, &self.structures[1]);
        let proof = prover
            .prove_lookup(&statement, &self.layout, &witness, pairs, structure)
            .unwrap();
        (statement, proof)
    }

    fn verify(
        &self,
        side: &Side,
        statement: &SegmentStatement,
        arithmetic: &SegmentProof,
        (of_lookup, lookup): (LookupStatement, &SegmentProof),
    ) -> Result<(), VerifyError> {
        let encode =
            |proof: &SegmentProof, place: usize| proof.encode(&self.structures[place]).unwrap();
        let file = SegmentFile::new(
            statement.clone(),
            side.values.clone().into(),
            encode(arithmetic, 0),
        )
        .with_lookup(Some(LookupFile::new(of_lookup, encode(lookup, 1))));
        verify_segment(&file, &self.case.policy(statement)).map(|_| ())
    }
}

/// Replaces the commitments of two trees by that of one: its first half the codeword of `a`, its
/// second half that of `b`. Each keeps its own fingerprint, at the point of the common root.
fn half_and_half(case: &Case, a: &mut CommittedColumns, b: &mut CommittedColumns) {
    let hybrid: Vec<BaseColumn> = a
        .tree
        .polynomials
        .iter()
        .zip(&b.tree.polynomials)
        .map(|(a, b)| {
            let (a, b) = (a.evals.values.to_cpu(), b.evals.values.to_cpu());
            let half = a.len() / 2;
            a[..half].iter().chain(&b[half..]).copied().collect()
        })
        .collect();
    let height = case.prover.lifting_log_size();
    for side in [a, b] {
        side.tree.commitment = MerkleProverLifted::commit(hybrid.iter().collect(), height, 0);
        let root = side.tree.commitment.root();
        let point = fingerprint_point(root);
        side.opening.root = root;
        side.opening.fingerprint = side
            .tree
            .polynomials
            .iter()
            .map(|p| {
                let doublings = height - p.evals.domain.log_size();
                p.eval_at_point(point.repeated_double(doublings), None)
            })
            .collect();
    }
}

#[test]
fn one_root_opens_to_two_boundaries_and_one_commitment_to_one() {
    let attack = Attack::new();
    let (honest, forged) = (&attack.honest, &attack.forged);
    assert_eq!(honest.boundary.opening.root, forged.boundary.opening.root);
    assert_ne!(
        honest.boundary.opening.fingerprint,
        forged.boundary.opening.fingerprint
    );

    // The tree opens as the true pairs, in both proofs: this pair is accepted.
    let opens_as_true = (0..TRIALS).any(|trial| {
        let statement = attack.statement(honest, trial);
        let arithmetic = attack.arithmetic(honest, &statement);
        let (of_lookup, lookup) = attack.lookup(&statement);
        let verified = attack.verify(honest, &statement, &arithmetic, (of_lookup, &lookup));
        verified.is_ok()
    });
    assert!(opens_as_true, "the true pairs can be opened");

    // It opens as the false pairs, under the same root: the arithmetic proof of false outputs is
    // accepted, and what refuses the segment is the lookup proof, whose pairs are not these.
    let found = (0..TRIALS).find_map(|trial| {
        let statement = attack.statement(forged, trial);
        let arithmetic = attack.arithmetic(forged, &statement);
        let (of_lookup, lookup) = attack.lookup(&statement);
        let pair = (of_lookup, &lookup);
        match attack.verify(forged, &statement, &arithmetic, pair) {
            Err(
                error @ VerifyError::BoundaryNotOpened {
                    part: matchmark_statement::ProofPart::Lookup,
                    ..
                },
            ) => Some((statement, arithmetic, lookup, error)),
            Err(_) => None,
            Ok(()) => panic!("false outputs are accepted"),
        }
    });
    let (statement, arithmetic, mut lookup, error) = found.expect("the false pairs can be opened");
    assert!(error
        .to_string()
        .starts_with("lookup proof: expected boundary"));

    // Each half in the name of its own boundary: the two statements do not agree.
    let (of_lookup, other) = attack.lookup(&attack.statement(honest, 0));
    let pair = (of_lookup, &other);
    let error = attack
        .verify(forged, &statement, &arithmetic, pair)
        .unwrap_err();
    assert!(
        matches!(error, VerifyError::BoundaryMismatch { .. }),
        "{error}"
    );

    // A false fingerprint in the lookup proof gets past the comparison, and no further.
    let place = attack.structures[1].place(matchmark_air::trees::Tree::Boundary);
    let samples = lookup.stark.sampled_values[place].iter_mut();
    for (samples, value) in samples.zip(&forged.boundary.opening.fingerprint) {
        samples[0] = *value;
    }
    let of_lookup = LookupStatement::new(statement.clone()).unwrap();
    let pair = (of_lookup, &lookup);
    let error = attack
        .verify(forged, &statement, &arithmetic, pair)
        .unwrap_err();
    assert!(matches!(error, VerifyError::Lookup(_)), "{error}");
}
