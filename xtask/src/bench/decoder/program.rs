//! The program that measures one segment of a decoder, as a separate process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{Context as _, Failure};
use crate::matchmark::built;
use crate::process::{exit_code, shown};

/// The built program.
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// The given one, or one built now from this workspace.
    ///
    /// # Errors
    /// A build that fails.
    pub fn find(given: Option<&Path>) -> Result<Self, Failure> {
        let path = match given {
            Some(path) => path.to_path_buf(),
            None => built("matchmark-planner", &["--example", "decoder"], "decoder")?,
        };
        Ok(Self { path })
    }

    /// Runs one of its commands: the request goes in, one object comes out.
    ///
    /// # Errors
    /// A run that fails, which has said why itself.
    pub fn run(&self, command: &str, request: &Value) -> Result<Value, Failure> {
        let mut process = Command::new(&self.path);
        process
            .arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let name = shown(&process);
        let mut child = process.spawn().context(&name)?;
        if let Some(mut stdin) = child.stdin.take() {
            // Dropped afterwards, so that the program sees the end.
            stdin
                .write_all(request.to_string().as_bytes())
                .context(&name)?;
        }
        let output = child.wait_with_output().context(&name)?;
        if !output.status.success() {
            eprintln!("bench: {name} failed on {request}");
            return Err(Failure::passed_through(exit_code(output.status)));
        }
        serde_json::from_slice(&output.stdout).context(name)
    }
}
