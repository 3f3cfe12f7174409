//! A warning where the build leaves instructions of the processor unused.

use matchmark::unused_instructions;

use crate::args::Command;
use crate::output::note;

/// Says once, before work that takes long begins, that it could be done in less time. With `--json` the names
/// stand in the object instead.
pub(crate) fn warn(command: &Command) {
    let proves = matches!(
        command,
        Command::Prove(_) | Command::Resume(_) | Command::Part(_) | Command::Keygen(_)
    );
    if proves && !command.json() {
        if let Some(text) = warning(&unused_instructions()) {
            note(&text);
        }
    }
}

/// What there is to say of these unused instruction sets.
fn warning(unused: &[&str]) -> Option<String> {
    (!unused.is_empty()).then(|| {
        format!(
            "this program was built without {}, which this processor has: proving takes several times as long as it \
             could; `RUSTFLAGS=\"-C target-cpu=native\" cargo build --release` builds for this processor",
            unused.join(" and "),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_lost_is_told() {
        assert_eq!(warning(&[]), None);
        let text = warning(&["AVX2", "AVX-512"]).unwrap_or_default();
        assert!(text.starts_with("this program was built without AVX2 and AVX-512, "));
        assert!(text.contains("-C target-cpu=native"), "{text}");
    }
}
