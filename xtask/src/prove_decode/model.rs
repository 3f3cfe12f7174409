//! The text of a model: quantized, its key derived, proven, and verified from key and policy.
//!
//! The model's file and its key are kept in the target directory, and made anew when anything that they are
//! made from is younger.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::{policy_path, print_both, print_report, refused, Options};
use crate::failure::{Context as _, Failure};
use crate::matchmark::{words, Matchmark, Outcome};
use crate::workspace;

/// The text that ranges are taken from.
const CALIBRATION: &str = "fixtures/models/calibrate.txt";
/// After how many steps a chain is cut where nothing is said.
const SEGMENT_STEPS: u32 = 16;

/// Prepares, proves, verifies and reports.
pub fn run(
    options: &Options,
    matchmark: &Matchmark,
    path: &Path,
    out: &Path,
) -> Result<(), Failure> {
    let folder = workspace::target_dir().join("models");
    fs::create_dir_all(&folder).context(folder.display())?;
    let model = match quantized(options, matchmark, path, &folder)? {
        Ok(model) => model,
        Err(outcome) => return refused(options.json, "quantize", &outcome, None),
    };
    let key = match key(options, matchmark, &model, &folder)? {
        Ok(key) => key,
        Err(outcome) => return refused(options.json, "keygen", &outcome, None),
    };
    let prompt = options.prompt.clone().unwrap_or_default();
    let tokens = options.tokens.unwrap_or(0).to_string();
    let common = |mut arguments: Vec<OsString>| {
        arguments.extend([
            "--key".into(),
            key.clone().into(),
            "--prompt".into(),
            prompt.clone().into(),
        ]);
        arguments
    };
    let decoding = |arguments: Vec<OsString>| {
        let mut arguments = common(arguments);
        arguments.extend(["--tokens".into(), tokens.clone().into()]);
        arguments.extend(options.terms());
        arguments
    };
    let policy = policy_path(out)?;
    let mut arguments: Vec<OsString> = vec!["policy".into(), "--tokenizer".into(), path.into()];
    arguments.extend(["--to".into(), policy.clone().into()]);
    let written = matchmark.json(decoding(arguments))?;
    if written.code != 0 {
        return refused(options.json, "policy", &written, None);
    }
    let mut arguments: Vec<OsString> = vec!["prove".into(), "--model".into(), model.into()];
    arguments.extend(["--out".into(), out.into()]);
    // The text goes to stderr as its proofs complete.
    let proved = matchmark.json(decoding(arguments))?;
    if proved.code != 0 {
        return refused(options.json, "prove", &proved, None);
    }
    let mut arguments: Vec<OsString> = vec!["verify".into(), out.into(), "--policy".into()];
    arguments.extend([policy.clone().into(), "--tokenizer".into(), path.into()]);
    let verified = matchmark.json(common(arguments))?;
    if verified.code != 0 || verified.json["accepted"] != true {
        return refused(options.json, "verify", &proved, Some(&verified));
    }
    if options.json {
        print_both(&proved.json, &verified.json);
    } else {
        print_report(&proved.json, &verified.json, out, &policy);
        println!("key        {}", key.display());
        println!("\nverified text:\n{}", text(&verified.json));
    }
    Ok(())
}

/// Prompt and decoded tokens as the verifier read them.
fn text(verified: &Value) -> String {
    let part = |name: &str| verified["tokens"][name].as_str().unwrap_or_default();
    format!("{}{}", part("prompt_text"), part("decoded_text"))
}

/// The model's file: the one that was given, or that of a folder.
fn quantized(
    options: &Options,
    matchmark: &Matchmark,
    path: &Path,
    folder: &Path,
) -> Result<Result<PathBuf, Outcome>, Failure> {
    if !path.is_dir() {
        return Ok(Ok(path.to_path_buf()));
    }
    let calibration = workspace::root().join(CALIBRATION);
    let to = folder.join(format!("{}.mm", name(path)?));
    let mut sources = vec![matchmark.program().to_path_buf(), calibration.clone()];
    for entry in fs::read_dir(path).context(path.display())? {
        sources.push(entry.context(path.display())?.path());
    }
    if is_younger(&to, &sources)? {
        return Ok(Ok(to));
    }
    say(options, "quantizing the model");
    let arguments = words(&[
        &"quantize",
        &"--model",
        &path,
        &"--calibrate",
        &calibration,
        &"--to",
        &to,
    ]);
    let outcome = matchmark.json(arguments)?;
    Ok(if outcome.code == 0 {
        Ok(to)
    } else {
        Err(outcome)
    })
}

/// The key of a model's file, for chains of the level that is asked for.
fn key(
    options: &Options,
    matchmark: &Matchmark,
    model: &Path,
    folder: &Path,
) -> Result<Result<PathBuf, Outcome>, Failure> {
    let level = options.security.as_deref().unwrap_or("conjectured-100");
    let profile = options.profile.as_deref().unwrap_or("compact");
    let steps = options.segment_steps.unwrap_or(SEGMENT_STEPS);
    let to = folder.join(format!("{}.{level}.{profile}.{steps}.vk", name(model)?));
    let sources = [matchmark.program().to_path_buf(), model.to_path_buf()];
    if is_younger(&to, &sources)? {
        return Ok(Ok(to));
    }
    say(options, "deriving the model's key");
    let steps = steps.to_string();
    let arguments = words(&[
        &"keygen",
        &"--model",
        &model,
        &"--security",
        &level,
        &"--profile",
        &profile,
        &"--segment-steps",
        &steps,
        &"--to",
        &to,
    ]);
    let outcome = matchmark.json(arguments)?;
    Ok(if outcome.code == 0 {
        Ok(to)
    } else {
        Err(outcome)
    })
}

fn say(options: &Options, what: &str) {
    if !options.json {
        eprintln!("{what}");
    }
}

/// The name of a file or folder, without its ending.
fn name(path: &Path) -> Result<String, Failure> {
    let whole = path.canonicalize().context(path.display())?;
    let name = whole
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| Failure::wrong_use(format!("{}: no model", path.display())))
}

/// Whether a file is there and was made after all of its sources.
fn is_younger(file: &Path, sources: &[PathBuf]) -> Result<bool, Failure> {
    if !file.exists() {
        return Ok(false);
    }
    let made = modified(file)?;
    for source in sources {
        if modified(source)? >= made {
            return Ok(false);
        }
    }
    Ok(true)
}

fn modified(path: &Path) -> Result<SystemTime, Failure> {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified());
    time.context(path.display())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_older_than_its_sources_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, second: u64| {
            let file = fs::File::create(path(name)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            file.set_modified(time).unwrap();
        };
        assert!(!is_younger(&path("made"), &[]).unwrap());
        write("made", 20);
        for (second, younger) in [(10, true), (20, false), (30, false)] {
            write("source", second);
            assert_eq!(
                is_younger(&path("made"), &[path("source")]).unwrap(),
                younger
            );
        }
        assert!(is_younger(&path("made"), &[path("missing")]).is_err());
    }

    #[test]
    fn the_text_is_that_of_the_verifier() {
        let verified = json!({"tokens": {"prompt_text": "Once", "decoded_text": " upon"}});
        assert_eq!(text(&verified), "Once upon");
        assert_eq!(text(&json!({})), "");
    }
}
