//! Pointers of git-lfs: what a clone has in the place of a large file that was not fetched.

use std::fmt;

/// A pointer to a large file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GitLfsPointer {
    /// Bytes of the file, where the pointer says so.
    pub size: Option<u64>,
}

impl GitLfsPointer {
    /// What every pointer begins with: its version is the address of the specification.
    const START: &'static [u8] = b"version https://git-lfs.github.com/spec/";
    /// By the specification, a pointer is shorter than this.
    const MAX_BYTES: usize = 1024;

    /// Whether a file with this content, or its first bytes, is a pointer.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        if !start.starts_with(Self::START) {
            return None;
        }
        let text = String::from_utf8_lossy(&start[..start.len().min(Self::MAX_BYTES)]);
        let size = text.lines().find_map(|line| line.strip_prefix("size "));
        Some(Self {
            size: size.and_then(|size| size.trim().parse().ok()),
        })
    }
}

impl fmt::Display for GitLfsPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is a git-lfs pointer to a file")?;
        if let Some(size) = self.size {
            write!(f, " of {size} bytes")?;
        }
        f.write_str(", not the file itself; get it with `git lfs pull`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4264616\n";
        let found = GitLfsPointer::detect(pointer.as_bytes());
        let size = Some(4_264_616);
        assert_eq!(found, Some(GitLfsPointer { size }));
        let words = GitLfsPointer { size }.to_string();
        assert!(words.contains("4264616 bytes") && words.contains("git lfs pull"));
        // Cut, or with a size that is not a number.
        for text in [&pointer[..45], &pointer.replace("4264616", "many")] {
            let found = GitLfsPointer::detect(text.as_bytes());
            assert_eq!(found, Some(GitLfsPointer { size: None }));
        }
        for other in ["", "version https://git-lfs", "{\"version\": 1}"] {
            assert_eq!(GitLfsPointer::detect(other.as_bytes()), None);
        }
    }
}
