//! Keys and policies with the files that they are from.

use camino::Utf8Path;
use matchmark::{files, Error, Key, Policy};

use crate::error::CliError;

/// A key and the file that it is from.
pub(crate) struct NamedKey<'a> {
    pub(crate) path: &'a Utf8Path,
    pub(crate) key: Key,
}

impl<'a> NamedKey<'a> {
    pub(crate) fn load(path: &'a Utf8Path) -> Result<Self, CliError> {
        Ok(Self {
            path,
            key: files::key(path)?,
        })
    }

    /// Names the two files of an error that says that one is not what the key says, and the key of an error
    /// that the key is to blame for.
    pub(crate) fn names<'b>(&'b self, path: &'b Utf8Path) -> impl Fn(Error) -> CliError + 'b {
        move |source| match source {
            source @ Error::KeyMismatch { .. } => CliError::KeyMismatch {
                path: path.to_owned(),
                key: self.path.to_owned(),
                source: Box::new(source),
            },
            source @ Error::Key(_) => source.in_file(self.path).into(),
            source => source.into(),
        }
    }
}

/// A policy and the file that it is from.
pub(crate) struct NamedPolicy<'a> {
    pub(crate) path: &'a Utf8Path,
    pub(crate) policy: Policy,
}

impl<'a> NamedPolicy<'a> {
    pub(crate) fn load(path: &'a Utf8Path) -> Result<Self, CliError> {
        Ok(Self {
            path,
            policy: files::policy(path)?,
        })
    }
}
