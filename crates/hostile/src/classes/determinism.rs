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
        "f5344f3a8f9f409043c5de4a9439a745b89459af3b6bb5ec0a4eb9a57dfad608",
    ),
    (
        "wide",
        "900fc03bd8058b8eeaf451017fe2c731176caba41be9019c7f2fcb710c787870",
    ),
    (
        "split narrow",
        "e1f08eab08940c1bd7a539bd13c80e00d67f912827978709c45639c1cb098abc",
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
