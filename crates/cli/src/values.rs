//! Values of arguments that are written in a form of their own: tables, sizes, nonces.

use std::convert::Infallible;
use std::str::FromStr;

use camino::Utf8PathBuf;
use matchmark::{files, Error, Rational, Table};

use crate::error::CliError;

/// Which weight table is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableChoice {
    /// 256 entries of the exponential, with the trace's delta or else 1/16.
    Exp256,
    /// The nine entries of the essay.
    Essay9,
    /// A table file.
    File(Utf8PathBuf),
}

impl FromStr for TableChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "exp256" => Self::Exp256,
            "essay9" => Self::Essay9,
            path => Self::File(path.into()),
        })
    }
}

impl TableChoice {
    /// The table; `own` is the delta of an exponential table where the trace has one.
    pub(crate) fn table(&self, own: Option<Rational>) -> Result<Table, CliError> {
        Ok(match self {
            Self::Exp256 => Table::exp256(own.unwrap_or(Rational::ONE_SIXTEENTH))
                .map_err(|error| Error::from(error).in_file("exp256"))?,
            Self::Essay9 => Table::essay9(),
            Self::File(path) => files::table(path)?,
        })
    }
}

/// Parses a number of bytes: a whole number, alone or with KiB, MiB or GiB.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let refused = || format!("expected bytes, or a number with KiB, MiB or GiB, got {text:?}");
    let suffixes = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, log) = suffixes
        .iter()
        .find_map(|(suffix, log)| Some((text.strip_suffix(suffix)?.trim_end(), *log)))
        .unwrap_or((text, 0));
    // The parser would take a sign.
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    let number: u64 = number.parse().map_err(|_| refused())?;
    number.checked_mul(1 << log).ok_or_else(refused)
}

/// Parses 32 hexadecimal digits.
pub(crate) fn parse_nonce(text: &str) -> Result<[u8; 16], String> {
    let refused = || format!("expected 32 hexadecimal digits, got {text:?}");
    if text.len() != 32 {
        return Err(refused());
    }
    let mut nonce = [0; 16];
    for (byte, pair) in nonce.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in pair {
            let digit = char::from(*digit).to_digit(16).ok_or_else(refused)?;
            *byte = *byte << 4 | digit.to_le_bytes()[0];
        }
    }
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces() {
        let mut expected = [0; 16];
        (expected[0], expected[15]) = (0xab, 0x0f);
        assert_eq!(
            parse_nonce("aB00000000000000000000000000000f"),
            Ok(expected)
        );
        for bad in [
            "",
            "ab",
            "+b00000000000000000000000000000f",
            "é000000000000000000000000000000",
        ] {
            assert!(parse_nonce(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("0"), Ok(0));
        assert_eq!(parse_bytes("1234"), Ok(1234));
        assert_eq!(parse_bytes("3KiB"), Ok(3072));
        assert_eq!(parse_bytes("2 MiB"), Ok(2 << 20));
        assert_eq!(parse_bytes("1GiB"), Ok(1 << 30));
        for bad in [
            "",
            "GiB",
            "-1",
            "+1",
            "1.5GiB",
            "1GB",
            "17179869184GiB",
            "1 KiB MiB",
        ] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tables() {
        assert_eq!("exp256".parse(), Ok(TableChoice::Exp256));
        assert_eq!("essay9".parse(), Ok(TableChoice::Essay9));
        assert_eq!("./essay9".parse(), Ok(TableChoice::File("./essay9".into())));
    }
}
