//! Verification: of a chain in a directory, while it is written, or of the bytes of its segments.

use std::fmt;

use camino::Utf8Path;
use matchmark_composer::{
    follow_directory, max_segment_bytes, verify_directory, ChainReader, ChainReport, ChainRun,
    ChainVerifyError, Patience, SegmentReport,
};
use matchmark_statement::{AcceptancePolicy, Answer, ChainStatement, FinishReason, Security};
use matchmark_verifier::{SecurityFigures, SegmentFile, Verified};
use serde_json::{json, Value};

use crate::error::Error;
use crate::files::check_chain_folder;

/// Verifies the chain in a directory against a policy. Of the directory the segment files alone are read.
///
/// # Errors
///
/// [`Error::Chain`] if the files cannot be read as a chain, [`Error::Refused`] if the verifier does not
/// accept them, [`Error::OtherFile`] for something else in the directory's place.
/// [`kind`](Error::kind) says whether more segments may come yet.
pub fn verify(chain: impl AsRef<Utf8Path>, policy: &AcceptancePolicy) -> Result<Verdict, Error> {
    verify_with(chain, policy, |_| {})
}

/// As [`verify`]; `on_segment` is called after each segment that is accepted.
///
/// # Errors
///
/// Those of [`verify`].
pub fn verify_with(
    chain: impl AsRef<Utf8Path>,
    policy: &AcceptancePolicy,
    on_segment: impl FnMut(&SegmentReport),
) -> Result<Verdict, Error> {
    let chain = chain.as_ref();
    check_chain_folder(chain)?;
    Ok(Verdict(verify_directory(chain, policy, on_segment)?))
}

/// Verifies the chain in a directory while it is written, segment by segment, until all steps of the policy
/// are there, or an end token ends the chain. The directory need not exist yet.
///
/// # Errors
///
/// Those of [`verify`], and [`Error::Follow`] if a segment does not come within `patience`, or there are
/// segments behind the end.
pub fn follow(
    chain: impl AsRef<Utf8Path>,
    policy: &AcceptancePolicy,
    patience: Patience,
    on_segment: impl FnMut(&SegmentReport),
) -> Result<Verdict, Error> {
    let chain = chain.as_ref();
    check_chain_folder(chain)?;
    let report = follow_directory(chain, policy, patience, on_segment)?;
    Ok(Verdict(report))
}

/// How many segment files there are in a directory now.
///
/// # Errors
///
/// [`Error::Chain`] if they cannot be listed as a chain.
pub fn segments_of(chain: impl AsRef<Utf8Path>, policy: &AcceptancePolicy) -> Result<u64, Error> {
    let reader = ChainReader::open(chain.as_ref(), max_segment_bytes(policy))?;
    Ok(reader.segments())
}

/// Verifies a chain of the bytes of its segment files, in order, wherever they come from.
///
/// # Errors
///
/// [`Error::Refused`].
pub fn verify_segments<B: AsRef<[u8]>>(
    segments: impl IntoIterator<Item = B>,
    policy: &AcceptancePolicy,
) -> Result<Verdict, Error> {
    let mut chain = Chain::new(policy);
    for segment in segments {
        chain.push(segment.as_ref())?;
    }
    chain.finish()
}

/// A chain that is being verified from the bytes of its segments, one at a time.
#[derive(Clone, Debug)]
pub struct Chain(ChainRun);

impl Chain {
    /// A chain without segments yet, that this policy is to accept.
    #[must_use]
    pub fn new(policy: &AcceptancePolicy) -> Self {
        Self(ChainRun::new(policy))
    }

    /// Verifies the next segment, and that it continues the chain. Where it does not the chain is as it was
    /// before.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], with the index of the segment.
    pub fn push(&mut self, bytes: &[u8]) -> Result<&SegmentReport, Error> {
        let segment = self.accepted().len() as u64;
        let file = SegmentFile::decode(bytes)
            .map_err(|source| ChainVerifyError::Segment { segment, source })?;
        Ok(self.0.push(&file)?)
    }

    /// Whether the chain is whole: all steps are there, or an end token was generated, behind which no segment
    /// may follow.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_whole()
    }

    /// The segments that were accepted so far, in order.
    #[must_use]
    pub fn accepted(&self) -> &[SegmentReport] {
        self.0.rows()
    }

    /// Ends the chain: it must be the whole one that the policy speaks of.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`]; of the kind [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete) if nothing is
    /// wrong but that steps are missing.
    pub fn finish(self) -> Result<Verdict, Error> {
        Ok(Verdict(self.0.finish()?))
    }
}

/// That a chain is accepted, and what there is to say of it. Only a verification makes one.
#[derive(Clone, Debug)]
pub struct Verdict(ChainReport);

impl Verdict {
    /// What the chain says, verified.
    #[must_use]
    pub fn statement(&self) -> &Verified<ChainStatement> {
        &self.0.statement
    }

    /// Why the chain ends: with an end token, or at the limit of its tokens. Attention alone has all steps.
    #[must_use]
    pub fn finish_reason(&self) -> FinishReason {
        self.0.finish_reason
    }

    /// What of the chain of a decoder is its answer: how many tokens, and with which one it ends.
    #[must_use]
    pub fn answer(&self) -> Option<Answer> {
        self.0.answer
    }

    /// What the proofs are worth, term by term.
    #[must_use]
    pub fn figures(&self) -> &SecurityFigures {
        &self.0.figures
    }

    /// Sizes and times, one row a segment.
    #[must_use]
    pub fn report(&self) -> &ChainReport {
        &self.0
    }

    /// Whether the level proves nothing: anyone can forge such a chain.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.0.figures.is_insecure()
    }

    /// Whether the nonce is zeros, so that the chain can be shown again and again.
    #[must_use]
    pub fn allows_replay(&self) -> bool {
        self.0.statement.terms().domain.allows_replay()
    }

    /// All of it as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let ChainReport {
            statement,
            finish_reason,
            answer,
            segments,
            parts,
            steps,
            proof_bytes,
            public_bytes,
            figures,
            verify_ms,
            per_segment,
        } = &self.0;
        json!({
            "accepted": true,
            "reason": null,
            "segments": segments,
            "parts": parts,
            "steps": steps,
            "finish_reason": finish_reason,
            "answer": answer,
            "security": security_to_json(figures.security, json!(figures)),
            "proof_bytes": proof_bytes,
            "public_bytes": public_bytes,
            "domain": statement.terms().domain,
            "replay_open": self.allows_replay(),
            "verify_ms": verify_ms,
            "public_ms": per_segment.iter().fold(0.0, |ms, row| ms + row.public_ms),
            "first_state": statement.first_state(),
            "last_state": statement.last_state(),
            "chain_digest": statement.chain_digest(),
            "per_segment": per_segment,
        })
    }
}

impl fmt::Display for Verdict {
    /// What the chain says, what the proofs are worth, and what they cost.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.0;
        write!(
            f,
            "{}\nfinish reason     {}\n\nproven            {}\
             \nconjectured       {}\
             \nbytes             {} of proof, {} of public values\
             \ntime              {:.1} ms",
            *report.statement,
            finish_in_words(report.finish_reason, report.answer),
            report.figures.proven,
            report.figures.conjectured,
            report.proof_bytes,
            report.public_bytes,
            report.verify_ms,
        )
    }
}

/// Why a chain ends, and of a decoder what its answer is.
#[must_use]
pub fn finish_in_words(reason: FinishReason, answer: Option<Answer>) -> String {
    answer.map_or_else(|| reason.to_string(), |answer| answer.to_string())
}

/// What there is to say of a chain that is not accepted, with the keys of [`Verdict::to_json`]: why, and
/// what had been accepted before.
#[must_use]
pub fn refusal_to_json(
    reason: &Error,
    policy: &AcceptancePolicy,
    accepted: &[SegmentReport],
) -> Value {
    let segments = accepted.chunks_exact(policy.terms().groups().count());
    json!({
        "accepted": false,
        "reason": reason.message(),
        "error": { "kind": reason.name(), "message": reason.message(), "variant": reason.reason() },
        "segments": segments.len(),
        "parts": accepted.len(),
        "steps": segments.map(|parts| parts[0].steps).sum::<usize>(),
        "finish_reason": null,
        "answer": null,
        "security": security_to_json(policy.terms().security, Value::Null),
        "proof_bytes": accepted.iter().map(|row| row.proof_bytes).sum::<u64>(),
        "public_bytes": accepted.iter().map(|row| row.public_bytes).sum::<u64>(),
        "domain": policy.terms().domain,
        "replay_open": policy.terms().domain.allows_replay(),
        "verify_ms": accepted.iter().fold(0.0, |ms, row| ms + row.verify_ms),
        "first_state": null,
        "last_state": null,
        "chain_digest": null,
        "per_segment": accepted,
    })
}

/// Level, profile and parameters, and all figures.
fn security_to_json(security: Security, figures: Value) -> Value {
    let mut object = json!({
        "level": security.level(),
        "profile": security.profile(),
        "parameters": security.parameters().to_string(),
    });
    if let (Value::Object(object), Value::Object(mut figures)) = (&mut object, figures) {
        // Level and profile, which stand above.
        figures.remove("security");
        object.append(&mut figures);
    }
    object
}
