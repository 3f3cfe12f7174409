//! From arguments to the plan of a chain.

use std::convert::Infallible;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark::{
    files, prove, Domain, Error, ModelPolicy, Prove, Rational, Resources, Security, Table, Trace,
    TraceOf,
};
use matchmark_runtime::TableResolution;

use crate::args::{CommonArgs, MemoryArgs, ResourceArgs, TermsArgs};
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

/// The trace of a file, and the table that it is to be decoded with, if one is named.
pub(crate) fn trace_and_table(
    path: &Utf8Path,
    args: &TermsArgs,
) -> Result<(Trace, Option<Table>), CliError> {
    let trace = files::trace(path)?;
    let own = trace.metadata().table.map(TableResolution::delta);
    let table = args.table.as_ref().map(|choice| choice.table(own));
    Ok((trace, table.transpose()?))
}

/// What is claimed of a trace.
pub(crate) fn trace_claim(
    trace: Trace,
    table: Option<Table>,
    args: &TermsArgs,
) -> Result<Prove<TraceOf>, CliError> {
    let mut claim = common_claim(prove(trace), &args.common)?.rounding(args.rounding);
    if let Some(table) = table {
        claim = claim.table(table);
    }
    if let Some(step) = args.score_step {
        claim = claim.score_step(step);
    }
    Ok(claim)
}

/// What is claimed of a trace and of a model alike.
pub(crate) fn common_claim<S>(claim: Prove<S>, args: &CommonArgs) -> Result<Prove<S>, CliError> {
    let claim = claim.security(security(args)?).domain(domain(args)?);
    let claim = claim.cuts(args.cut.clone());
    Ok(match args.segment_steps {
        Some(steps) => claim.segment_steps(steps),
        None => claim,
    })
}

/// What is decided about the chain of a model by its verifier.
pub(crate) fn model_policy<'a>(
    policy: ModelPolicy<'a>,
    args: &CommonArgs,
    tokens: u32,
) -> Result<ModelPolicy<'a>, CliError> {
    let policy = policy.security(security(args)?).domain(domain(args)?);
    let policy = policy.tokens(tokens).cuts(args.cut.clone());
    Ok(match args.segment_steps {
        Some(steps) => policy.segment_steps(steps),
        None => policy,
    })
}

/// What proving may use of the machine.
pub(crate) fn resources(args: &ResourceArgs) -> Resources {
    Resources {
        jobs: args.jobs,
        ..memory(&args.memory)
    }
}

/// What memory may be used.
pub(crate) fn memory(args: &MemoryArgs) -> Resources {
    Resources {
        jobs: None,
        max_memory: args.max_memory,
    }
}

pub(crate) fn security(args: &CommonArgs) -> Result<Security, CliError> {
    Ok(Security::new(args.security, args.profile)?)
}

fn domain(args: &CommonArgs) -> Result<Domain, CliError> {
    Ok(Domain::new(
        args.domain.as_str(),
        args.nonce.unwrap_or_default(),
    )?)
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
