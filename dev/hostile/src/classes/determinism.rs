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
        witness: "04c262aecbda4478f2de69ee5b2ff919238a3302bebb6907ecf9f7f3bf0dd0e4",
        file: "179ee039bbe020a73f33c63729b226687f38bcf51335dfbf886d241c6fcd97b3",
    },
    Pinned {
        name: "wide",
        witness: "281127e730f83de09a9c2818e368b66c5036b3c2868b94dc5726a305ee2ab0e9",
        file: "c480173e7a11912321faaf8330fa3b47c6797a97cd2728b525b9913c5f771b3d",
    },
    Pinned {
        name: "split narrow",
        witness: "1c05ced0baa7b33e94d16e4aa78d64558975abd0cacd1f7f6d3a3fa9a8502c49",
        file: "faa4246bed6b0e7ef292c88c94a9b2bcb45e49e830d9d93ccf3f69c0f778307b",
    },
    Pinned {
        name: "first segment of a decoder",
        witness: "784eb69d4ae2d48acadf8d618621f4be0f4d673500bbf1d3fc5d4775d2b4cf07",
        file: "9279e9f49753e4e27b6c09a3e0b761c1f63a3a738f52ba8f8d54534fcc1b4e29",
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
