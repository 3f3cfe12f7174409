//! That there is too little memory, and what would fit.

use std::fmt;

use crate::proving::memory::room::MemoryBound;

/// That something takes more memory than there is: found before it was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryShortage {
    /// What it is, in words.
    pub what: String,
    /// Most bytes that it may take.
    pub expected: u64,
    /// Bytes that it would take, by an upper estimate.
    pub got: u64,
    /// What bounds it.
    pub bound: MemoryBound,
    /// What would fit in its place, the nearest to it first. Empty if nothing would.
    pub fits: Vec<MemoryFit>,
}

/// A choice by which less memory is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFit {
    /// The choice, in words.
    pub choice: String,
    /// Bytes that are taken by it.
    pub bytes: u64,
}

impl std::error::Error for MemoryShortage {}

impl fmt::Display for MemoryShortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            expected,
            got,
            bound,
            fits,
        } = self;
        write!(
            f,
            "{what} takes about {} of memory, expected at most {}, {bound}; ",
            Bytes(*got),
            Bytes(*expected)
        )?;
        if fits.is_empty() {
            return write!(f, "nothing smaller would fit");
        }
        write!(f, "what would fit: ")?;
        for (index, MemoryFit { choice, bytes }) in fits.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", or " };
            write!(f, "{gap}{choice} ({})", Bytes(*bytes))?;
        }
        Ok(())
    }
}

/// A number of bytes in its unit, rounded.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        // Whole numbers of hundredths, so that no float has a say.
        let hundredths = |log: u32| (u128::from(*bytes) * 100) >> log;
        match bytes {
            0..0x10_0000 => write!(f, "{bytes} bytes"),
            0x10_0000..0x4000_0000 => write!(f, "{} MiB", hundredths(20) / 100),
            _ => {
                let hundredths = hundredths(30);
                write!(f, "{}.{:02} GiB", hundredths / 100, hundredths % 100)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_there_is_and_what_would_fit() {
        let mut shortage = MemoryShortage {
            what: "proving 2 segments at a time".to_owned(),
            expected: 1 << 20,
            got: (5 << 30) / 2,
            bound: MemoryBound::Data,
            fits: vec![],
        };
        assert_eq!(
            shortage.to_string(),
            "proving 2 segments at a time takes about 2.50 GiB of memory, expected at most 1 MiB, the limit on \
             data (`ulimit -d`); nothing smaller would fit"
        );
        shortage.fits = [("1 at a time", 1023), ("the profile fast", 3 << 20)]
            .map(|(choice, bytes)| MemoryFit {
                choice: choice.to_owned(),
                bytes,
            })
            .into();
        let text = shortage.to_string();
        let end = "what would fit: 1 at a time (1023 bytes), or the profile fast (3 MiB)";
        assert!(text.ends_with(end), "{text}");
    }
}
