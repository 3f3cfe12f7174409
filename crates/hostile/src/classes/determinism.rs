//! The same input gives the same bytes, whatever the number of threads and the build.
use sha2::{Digest, Sha256};

use crate::cases::{narrow, split_narrow, wide, Spec};
use crate::proving::honest;
use crate::report::Recorder;

/// SHA-256 of the segment files of seed 1, whatever the build: a change of the relation, the witness,
/// the transcript or the encoding shows here.
const PINNED: [(&str, &str); 3] = [
    (
        "narrow",
        "f0f884345253dc5dff35186d36ad453a6e6dc7fb27611560412626f4e29d4b00",
    ),
    (
        "wide",
        "d25bb81227fc9d045501e3b5c9a76a0690750d2a64e31aff0bf29803ade52209",
    ),
    (
        "split narrow",
        "7a782ce626d0e53c501d7660101cc117c1a8e977843845d5279d1efde578609c",
    ),
];

fn specs() -> [Spec; 3] {
    [narrow(), wide(), split_narrow()]
}

fn digest(spec: &Spec) -> String {
    let (claim, forged) = honest(&spec.case(), 1);
    let bytes = claim.prove(&forged).unwrap().file.encode().unwrap();
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_pinned(name: &str, got: &str) -> Result<(), String> {
    let pinned = PINNED.iter().find(|(pinned, _)| *pinned == name);
    let (_, expected) = pinned.ok_or_else(|| format!("{name} is not pinned"))?;
    if *expected == got {
        Ok(())
    } else {
        Err(format!("{name}: expected SHA-256 {expected}, got {got}"))
    }
}

pub fn run(recorder: &mut Recorder) {
    for spec in specs() {
        for threads in [1, 2, 8] {
            let label = format!("{}, {threads} threads", spec.name);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            recorder.require(&label, || {
                let pool = pool.map_err(|error| error.to_string())?;
                is_pinned(spec.name, &pool.install(|| digest(&spec)))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the build of the tests, which is another than that of the suite.
    #[test]
    fn files_are_pinned() {
        let wrong: Vec<String> = specs()
            .iter()
            .filter_map(|spec| is_pinned(spec.name, &digest(spec)).err())
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
