//! The text of a model: quantized, its key derived, proven, and verified from key and policy.
//!
//! The model's file and its key are kept in the target directory, and made anew when anything that they are
//! made from is younger.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::words;
use matchmark_tools::workspace;

use super::{policy_path, Commands, Options};
use crate::made::is_younger;

/// The text that ranges are taken from.
const CALIBRATION: &str = "fixtures/models/calibrate.txt";
/// How many steps a segment has where nothing is said.
const SEGMENT_STEPS: u32 = 16;

/// Prepares, proves, verifies and reports.
pub fn run(
    options: &Options,
    commands: &mut Commands,
    path: &Path,
    out: &Path,
) -> Result<(), Failure> {
    let folder = workspace::target_dir().join("models");
    fs::create_dir_all(&folder).context(folder.display())?;
    let model = quantized(commands, path, &folder)?;
    let key = key(options, commands, &model, &folder)?;
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
    commands.run(&decoding(arguments))?;
    let mut arguments: Vec<OsString> = vec!["prove".into(), "--model".into(), model.into()];
    arguments.extend(["--out".into(), out.into()]);
    commands.run(&decoding(arguments))?;
    let mut arguments: Vec<OsString> = vec!["verify".into(), out.into(), "--policy".into()];
    arguments.extend([policy.into(), "--tokenizer".into(), path.into()]);
    commands.run(&common(arguments))
}

/// The model's file: the one that was given, or that of a folder.
fn quantized(commands: &mut Commands, path: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let calibration = workspace::root().join(CALIBRATION);
    let to = folder.join(format!("{}.mm", name(path)?));
    let mut sources = vec![
        commands.program.program().to_path_buf(),
        calibration.clone(),
    ];
    for entry in fs::read_dir(path).context(path.display())? {
        sources.push(entry.context(path.display())?.path());
    }
    if !is_younger(&to, &sources)? {
        let from = words(&[&"quantize", &"--model", &path, &"--calibrate", &calibration]);
        commands.run(&[from, words(&[&"--to", &to])].concat())?;
    }
    Ok(to)
}

/// The key of a model's file, for chains of the level that is asked for.
fn key(
    options: &Options,
    commands: &mut Commands,
    model: &Path,
    folder: &Path,
) -> Result<PathBuf, Failure> {
    let level = options.security.as_deref().unwrap_or("proven-100");
    let profile = options.profile.as_deref().unwrap_or("compact");
    let steps = options.segment_steps.unwrap_or(SEGMENT_STEPS).to_string();
    let to = folder.join(format!("{}.{level}.{profile}.{steps}.vk", name(model)?));
    let sources = [
        commands.program.program().to_path_buf(),
        model.to_path_buf(),
    ];
    if !is_younger(&to, &sources)? {
        let of = words(&[&"keygen", &"--model", &model, &"--to", &to]);
        let terms = words(&[&"--security", &level, &"--profile", &profile]);
        commands.run(&[of, terms, words(&[&"--segment-steps", &steps])].concat())?;
    }
    Ok(to)
}

/// The name of a file or folder, without its ending.
fn name(path: &Path) -> Result<String, Failure> {
    let whole = path.canonicalize().context(path.display())?;
    let name = whole
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| Failure::wrong_use(format!("{}: no model", path.display())))
}
