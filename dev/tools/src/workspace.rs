//! Where things are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root: the folder above this package that holds the lock file.
#[must_use]
pub fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`, so that a moved checkout is found where it is now;
    // the folder at compile time serves when the binary is run by hand.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = package
        .ancestors()
        .find(|it| it.join("Cargo.lock").exists());
    root.map_or(package.clone(), Path::to_path_buf)
}

/// Where builds and scratch files go, wherever the command that is told of it runs.
#[must_use]
pub fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The cargo that runs this command (the pinned toolchain's), in the workspace's root.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}
