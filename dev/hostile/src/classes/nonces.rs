//! Work before challenges that was not done: before each challenge of each proof once, by a prover that is
//! honest in everything else; and nonces that are missing, left over, changed, used twice, exchanged, or those of
//! another proof, in otherwise honest files.
use std::collections::BTreeSet;
use std::sync::Arc;

use matchmark_air::channel::{Challenge, WorkError};
use matchmark_statement::{Profile, Security, SecurityLevel};
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{LookupFile, SegmentFile, SegmentProof, VerifyError};

use crate::bytes::{attempt, fields, Kind, Sample};
use crate::cases::{narrow, split_narrow, Case};
use crate::checker::Drop;
use crate::decoder::cases::{split, uneven};
use crate::proving::honest;
use crate::reduced::{prove, verify, verify_as_stated, Claimed, Setup};
use crate::report::{Extent, Recorder};

pub fn run(recorder: &mut Recorder) {
    for security in securities(recorder.extent) {
        let mut cases = vec![
            narrow().with_security(security).case(),
            split_narrow().with_security(security).case(),
        ];
        if recorder.extent == Extent::Full {
            cases.extend([uneven(), split()].map(|spec| spec.with_security(security).case()));
        }
        for case in cases {
            idle(recorder, &case);
            misplaced(recorder, &case);
        }
    }
}

/// Those under which proofs need work.
fn securities(extent: Extent) -> Vec<Security> {
    use SecurityLevel::{Conjectured100, Proven100, Proven100Unique};
    let mut all = vec![(Proven100, Profile::Fast)];
    if extent == Extent::Full {
        all.extend([
            (Proven100, Profile::Compact),
            (Proven100, Profile::Fastest),
            (Proven100Unique, Profile::Compact),
            (Conjectured100, Profile::Compact),
        ]);
    }
    let security = |(level, profile)| Security::new(level, profile).unwrap();
    all.into_iter().map(security).collect()
}

fn label(case: &Case, what: impl std::fmt::Display) -> String {
    format!("{}/{}/{what}", case.name, case.terms.security)
}

/// The challenges before which a proof needs work.
fn places(structure: &ProofStructure) -> Vec<Challenge> {
    let before = structure.grinding().all().filter(|(_, bits)| *bits > 0);
    before.map(|(challenge, _)| challenge).collect()
}

/// A prover does half the work before one challenge, and everything else as it must be.
fn idle(recorder: &mut Recorder, case: &Arc<Case>) {
    let setup = Setup::new(case);
    let (_, forged) = honest(case, 1);
    let claimed = Claimed::of(&setup, &forged);
    let values = claimed.values.clone().expect("honest values");
    let challenges: BTreeSet<Challenge> = setup.structures.iter().flat_map(places).collect();
    for challenge in challenges.into_iter().chain([Challenge::Queries]) {
        let drop = Drop::Work(challenge);
        let proofs = prove(&claimed, &drop).expect("a proof that lacks work");
        let is_named = |error: &VerifyError| lacks(error, |at| at == challenge);
        recorder.refuse_as(
            &label(case, format_args!("idle/{challenge}")),
            is_named,
            || verify_as_stated(&claimed, &values, &proofs),
        );
        // The library itself checks the work before the queries.
        if challenge != Challenge::Queries {
            let lacking = label(case, format_args!("idle/{challenge}/without the check"));
            recorder.require(&lacking, || {
                verify(&claimed, &drop, &proofs).map_err(|error| format!("refused: {error}"))
            });
        }
    }
}

/// Nonces of an honest file are no longer where they were.
fn misplaced(recorder: &mut Recorder, case: &Arc<Case>) {
    let [own, other] = [1, 2].map(|seed| Sample::new(case, seed));
    let structures = ProofStructure::all(&case.layout, case.terms.security).unwrap();
    for (proof, structure) in structures.iter().enumerate() {
        let places = places(structure);
        let nonces = Nonces::of(&own.file, proof, structure);
        let others = Nonces::of(&other.file, proof, structure);
        for (edit, expected, edited) in nonces.edits(&places, &others) {
            let label = label(case, format_args!("proof {proof}/{edit}"));
            recorder.refuse_as(
                &label,
                |error| expected.is_met_by(error),
                || attempt(&with_proof(&own.file, proof, edited), &own.policy),
            );
        }
    }
}

/// A file with other bytes in the place of one of its proofs.
fn with_proof(file: &SegmentFile, place: usize, proof: Vec<u8>) -> Vec<u8> {
    let (statement, values) = (file.statement().clone(), file.public_values().clone());
    let lookup = file.lookup().cloned();
    let file = match (place, lookup) {
        (0, lookup) => SegmentFile::new(statement, values, proof).with_lookup(lookup),
        (_, lookup) => {
            let lookup = lookup.map(|it| LookupFile::new(it.statement().clone(), proof));
            SegmentFile::new(statement, values, file.proof().to_vec()).with_lookup(lookup)
        }
    };
    file.encode().unwrap()
}

/// What must come of an edit.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The number of nonces is not the one that the structure has.
    Length,
    /// Work is missing at a place. By chance a nonce is work for what it was not found for, and then it is missing
    /// at a later one.
    From(Challenge),
}

impl Expected {
    fn is_met_by(self, error: &VerifyError) -> bool {
        match self {
            Self::Length => matches!(
                innermost(error),
                VerifyError::WrongLength { part: "nonces", .. }
            ),
            Self::From(first) => lacks(error, |at| at >= first),
        }
    }
}

/// The error behind the wrapper that says which proof it is about.
fn innermost(error: &VerifyError) -> &VerifyError {
    match error {
        VerifyError::Lookup(error) => error,
        error => error,
    }
}

fn lacks(error: &VerifyError, is_place: impl Fn(Challenge) -> bool) -> bool {
    match innermost(error) {
        VerifyError::Work(WorkError::NotEnough { challenge, .. }) => is_place(*challenge),
        _ => false,
    }
}

/// A proof's bytes, and the nonces among them.
struct Nonces {
    before: Vec<u8>,
    nonces: Vec<u64>,
    of_queries: u64,
    behind: Vec<u8>,
}

impl Nonces {
    fn of(file: &SegmentFile, place: usize, structure: &ProofStructure) -> Self {
        let bytes = match place {
            0 => file.proof(),
            _ => file.lookup().expect("a second proof").proof(),
        };
        let proof = SegmentProof::decode(bytes, structure).unwrap();
        let fields = fields(&proof, structure);
        let count = fields.iter().find(|it| it.name == "nonce count");
        let last = fields.iter().rev().find(|it| it.kind == Kind::Nonce);
        let (count, last) = (count.unwrap().range.clone(), last.unwrap().range.clone());
        let nonces = Self {
            before: bytes[..count.start].to_vec(),
            nonces: proof.nonces,
            of_queries: proof.stark.proof_of_work,
            behind: bytes[last.end..].to_vec(),
        };
        assert_eq!(nonces.with(&nonces.nonces, nonces.of_queries), bytes);
        nonces
    }

    /// The bytes with other nonces.
    fn with(&self, nonces: &[u64], of_queries: u64) -> Vec<u8> {
        let count = u16::try_from(nonces.len()).unwrap().to_le_bytes();
        let nonces = nonces.iter().chain([&of_queries]);
        let nonces = nonces.flat_map(|nonce| nonce.to_le_bytes());
        let bytes = self.before.iter().copied().chain(count).chain(nonces);
        bytes.chain(self.behind.iter().copied()).collect()
    }

    /// All edits: what was done, what must come of it, and the bytes.
    fn edits(&self, places: &[Challenge], other: &Self) -> Vec<(String, Expected, Vec<u8>)> {
        assert_eq!(places.len(), self.nonces.len());
        let mut edits = vec![];
        let mut edit = |what: String, expected, nonces: &[u64], of_queries| {
            if (nonces, of_queries) != (&self.nonces, self.of_queries) {
                edits.push((what, expected, self.with(nonces, of_queries)));
            }
        };
        let own = self.nonces.as_slice();
        let with = |index: usize, nonce| {
            let mut nonces = own.to_vec();
            nonces[index] = nonce;
            nonces
        };
        for (index, place) in places.iter().enumerate() {
            let mut fewer = own.to_vec();
            let nonce = fewer.remove(index);
            edit(
                format!("{place}/missing"),
                Expected::Length,
                &fewer,
                self.of_queries,
            );
            let mut more = own.to_vec();
            more.insert(index, nonce);
            edit(
                format!("{place}/twice"),
                Expected::Length,
                &more,
                self.of_queries,
            );
            let mut change = |what: String, nonce| {
                let what = format!("{place}/{what}");
                edit(
                    what,
                    Expected::From(*place),
                    &with(index, nonce),
                    self.of_queries,
                );
            };
            change("zero".into(), 0);
            change("next".into(), nonce.wrapping_add(1));
            change("largest".into(), u64::MAX);
            change("of another proof".into(), other.nonces[index]);
            change("of queries".into(), self.of_queries);
            for (from, nonce) in places.iter().zip(own) {
                change(format!("of {from}"), *nonce);
            }
            for (later, other) in places.iter().enumerate().skip(index + 1) {
                let mut exchanged = own.to_vec();
                exchanged.swap(index, later);
                let what = format!("{place}/exchanged with {other}");
                edit(what, Expected::From(*place), &exchanged, self.of_queries);
            }
        }
        edit("none".into(), Expected::Length, &[], self.of_queries);
        let surplus = [own, &[0]].concat();
        edit(
            "surplus".into(),
            Expected::Length,
            &surplus,
            self.of_queries,
        );
        let others = &other.nonces;
        let first = places.first().copied().unwrap_or(Challenge::Queries);
        edit(
            "all of another proof".into(),
            Expected::From(first),
            others,
            other.of_queries,
        );
        let queries = Expected::From(Challenge::Queries);
        edit("queries/zero".into(), queries, own, 0);
        edit("queries/next".into(), queries, own, self.of_queries + 1);
        edit(
            "queries/of another proof".into(),
            queries,
            own,
            other.of_queries,
        );
        for (from, nonce) in places.iter().zip(own) {
            edit(format!("queries/of {from}"), queries, own, *nonce);
        }
        edits
    }
}
