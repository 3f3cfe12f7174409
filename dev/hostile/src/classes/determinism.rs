//! The same input gives the same witness and the same bytes, whatever the number of threads and the build.
use std::sync::Arc;

use matchmark_air::harness::row::Source;
use matchmark_air::trees::{Tree, TreeOrder};
use matchmark_air::witness::{Column, SegmentWitness};
use sha2::{Digest, Sha256};

use crate::cases::{narrow, split_narrow, wide, Case};
use crate::decoder::cases::first;
use crate::forge::Forged;
use crate::proving::honest;
use crate::report::Recorder;

/// What is pinned of a case, SHA-256 each, whatever the build.
struct Pinned {
    name: &'static str,
    /// All columns of the trace before a challenge is drawn, and those of the random linear combinations: a
    /// change of the relation or of the generation of its trace shows here.
    witness: &'static str,
    /// The segment file: a change of transcript or encoding shows here as well.
    file: &'static str,
}

/// Of seed 1.
const PINNED: [Pinned; 4] = [
    Pinned {
        name: "narrow",
        witness: "d87e7b6744f697f2cc374cd4cbe4c0c6a26edd93609be6f056782ba8d3c0de94",
        file: "5fac44d2d421ece00a9605d1451bb03a3f3019e7366c7698591036d381804836",
    },
    Pinned {
        name: "wide",
        witness: "885c1eb5ae7e7e2d8e6b9c715951fe8527ea4979e3f403b67a9209a32eb924df",
        file: "d56778b55f7a0a1782ed99e2388bd444ddc8642abb7f061188297055996ce1b5",
    },
    Pinned {
        name: "split narrow",
        witness: "4fb4ff08c02837f98e717fffe1a873d9138f4b9e9ae4dab6f82b88a687d8b830",
        file: "92d6e0889d9b9628efb3816c0e31922a1bbbbc7046572e899e62a22396fe7e0a",
    },
    Pinned {
        name: "first segment of a decoder",
        witness: "6cc6fec8646a31bb8810fec3e0e50effc61b01f47894f16bf1503dacdf1042d9",
        file: "e1242aebf6febb2daa1c20d4b2f78993729ec0d79836f7298081d6cb82d77484",
    },
];

fn cases() -> [Arc<Case>; 4] {
    let [narrow, wide, split] = [narrow(), wide(), split_narrow()].map(|spec| spec.case());
    [narrow, wide, split, first().case()]
}

fn text(digest: Sha256) -> String {
    let digest = digest.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digest of all columns of a trace, each list with its length.
fn witness_digest(case: &Case, forged: &Forged) -> String {
    let mut digest = Sha256::new();
    let mut add = |columns: &[&Column]| {
        digest.update((columns.len() as u64).to_le_bytes());
        for column in columns {
            digest.update((column.len() as u64).to_le_bytes());
            for cell in column.iter() {
                digest.update(cell.0.to_le_bytes());
            }
        }
    };
    // Taken apart exhaustively: a new part of the witness does not compile until it is digested.
    let SegmentWitness {
        entries_before: _,
        main,
        lookup,
        tokens: _,
    } = &forged.witness;
    let main = main.with_tree_of(Tree::Rlc, &forged.rlcs);
    for trace in std::iter::once(&main).chain(lookup) {
        add(&trace.from(Source::Public));
        let order = TreeOrder::of(&case.layout, trace.part);
        for tree in order.of_components() {
            if *tree != Tree::Lookups {
                add(&trace.tree(*tree));
            }
        }
    }
    text(digest)
}

/// Compares the digests of witness and file with the pinned ones.
fn check(case: &Arc<Case>) -> Result<(), String> {
    let name = case.name;
    let pinned = PINNED.iter().find(|pinned| pinned.name == name);
    let pinned = pinned.ok_or_else(|| format!("{name} is not pinned"))?;
    let (claim, forged) = honest(case, 1);
    let bytes = claim.prove(&forged).unwrap().file.encode().unwrap();
    for (what, expected, got) in [
        ("witness", pinned.witness, witness_digest(case, &forged)),
        ("file", pinned.file, text(Sha256::new_with_prefix(bytes))),
    ] {
        if expected != got {
            return Err(format!(
                "{name}, {what}: expected SHA-256 {expected}, got {got}"
            ));
        }
    }
    Ok(())
}

pub fn run(recorder: &mut Recorder) {
    for case in cases() {
        for threads in [1, 2, 8] {
            let label = format!("{}, {threads} threads", case.name);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            recorder.require(&label, || {
                let pool = pool.map_err(|error| error.to_string())?;
                pool.install(|| check(&case))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use matchmark_air::witness::PartTrace;
    use stwo::core::fields::m31::M31;

    /// In the build of the tests, which is another than that of the full suite.
    #[test]
    fn witnesses_and_files_are_pinned() {
        let wrong: Vec<String> = cases()
            .iter()
            .filter_map(|case| check(case).err())
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// One cell more in the trace, and the digest is another.
    #[test]
    fn the_digest_covers_every_part() {
        fn add(trace: &mut PartTrace, component: &str, column: &str) {
            trace.component_mut(component).column_mut(column)[0] += M31::from(1);
        }
        let of_decoder: [fn(&mut Forged); 3] = [
            |it| add(&mut it.witness.main, "stream", "high"),
            |it| add(&mut it.witness.main, "argmax", "maximum"),
            |it| add(&mut it.rlcs, "vectors", "combined output"),
        ];
        differ(&first().case(), &of_decoder);
        let of_split: [fn(&mut Forged); 6] = [
            |it| add(&mut it.witness.main, "cache", "key"),
            |it| add(&mut it.witness.main, "scores", "cache row"),
            |it| add(&mut it.witness.main, "tables", "value uses"),
            |it| add(&mut it.witness.main, "scores", "weight"),
            |it| {
                add(
                    it.witness.lookup.as_mut().unwrap(),
                    "weight table",
                    "weight uses",
                )
            },
            |it| add(&mut it.rlcs, "vectors", "keys"),
        ];
        differ(&split_narrow().case(), &of_split);
    }

    fn differ(case: &Arc<Case>, changes: &[fn(&mut Forged)]) {
        let (_, forged) = honest(case, 1);
        let own = witness_digest(case, &forged);
        for (index, change) in changes.iter().enumerate() {
            let mut changed = forged.clone();
            change(&mut changed);
            assert_ne!(
                witness_digest(case, &changed),
                own,
                "{}, {index}",
                case.name
            );
        }
    }
}
