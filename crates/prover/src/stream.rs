//! Committed residual streams between groups of layers.
use matchmark_air::fingerprint::PortContent;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::ops::stream_in::witness::stream_column;
use matchmark_air::witness::Column;
use matchmark_quant::StepRange;
use matchmark_statement::PortCommitment;

use crate::committed::CommittedColumns;
use crate::error::ProveError;
use crate::part::ProverTree;
use crate::setup::SegmentProver;

/// The residual stream between two groups of layers in its commitment tree, which the proofs of both open.
pub struct CommittedStream {
    committed: CommittedColumns,
    commitment: PortCommitment,
}

impl CommittedStream {
    /// The commitment that statements carry.
    pub fn commitment(&self) -> PortCommitment {
        self.commitment
    }

    pub(crate) fn tree(&self) -> &ProverTree {
        &self.committed.tree
    }
}

/// The columns of the port of a stream `[S, C]`.
pub(crate) fn stream_columns(layout: &SegmentLayout, stream: &[i32]) -> Vec<Column> {
    let decoder = layout.decoder();
    decoder
        .map(|decoder| stream_column(decoder, stream))
        .into_iter()
        .collect()
}

impl SegmentProver {
    /// Commits the stream `[S, C]` that the prover's group of layers gives out in these steps.
    ///
    /// # Errors
    ///
    /// [`ProveError::NoModel`] if the chain is not a decoder's, [`ProveError::Streams`] if the group is the last,
    /// [`ProveError::Layout`].
    pub fn stream_out(
        &self,
        steps: StepRange,
        stream: &[i32],
    ) -> Result<CommittedStream, ProveError> {
        let layers = self.layers().filter(|layers| !layers.is_last());
        self.commit_stream(steps, stream, layers.map(|it| it.layers().end))
    }

    /// Commits the stream `[S, C]` that the prover's group of layers takes in in these steps: as the group before, which
    /// gives it out, does.
    ///
    /// # Errors
    ///
    /// As [`Self::stream_out`], for the first group.
    pub fn stream_in(
        &self,
        steps: StepRange,
        stream: &[i32],
    ) -> Result<CommittedStream, ProveError> {
        let layers = self.layers().filter(|layers| !layers.is_first());
        self.commit_stream(steps, stream, layers.map(|it| it.layers().start))
    }

    /// Commits the stream behind so many layers.
    fn commit_stream(
        &self,
        steps: StepRange,
        stream: &[i32],
        layers: Option<usize>,
    ) -> Result<CommittedStream, ProveError> {
        let decoder = self.terms().decoder.ok_or(ProveError::NoModel)?;
        let layout = self.layout_of_steps(steps.steps())?;
        let layers = layers.ok_or(ProveError::Streams {
            group: self.group(),
        })?;
        let committed = self.commit_with_fingerprint(stream_columns(&layout, stream));
        let content = PortContent::Stream {
            shape: self.terms().shape,
            channels: decoder.shape.hidden(),
            layers,
            steps,
        };
        let commitment = committed
            .opening
            .commitment(&content, self.lifting_log_size());
        Ok(CommittedStream {
            committed,
            commitment,
        })
    }
}
