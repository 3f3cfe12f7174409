//! Progress bars, on a terminal only.

use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use matchmark_composer::{ChainOutline, Progress, ProvenRow};

/// A progress bar over the segments of a chain; nothing where standard error is no terminal.
pub(crate) struct SegmentBar {
    bar: ProgressBar,
}

impl SegmentBar {
    /// `what` says in a word what is being done.
    pub(crate) fn new(what: &'static str) -> Self {
        Self::of(what, "segments")
    }

    /// A bar over something else than segments.
    pub(crate) fn of(what: &'static str, things: &str) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        // The default style will do if this one is refused.
        if let Ok(style) = ProgressStyle::with_template(&format!(
            "{{prefix}} {{bar:32}} {{pos}}/{{len}} {things}, {{eta}} left"
        )) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        Self { bar }
    }

    /// Whether there is anyone to see it.
    pub(crate) fn is_visible(&self) -> bool {
        !self.bar.is_hidden()
    }

    pub(crate) fn set_segments(&self, segments: u64) {
        self.bar.set_length(segments);
    }

    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }
}

impl Drop for SegmentBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for SegmentBar {
    fn begin(&self, outline: &ChainOutline) {
        self.set_segments(outline.segments);
    }

    fn segment(&self, _row: &ProvenRow) -> ControlFlow<()> {
        self.advance();
        ControlFlow::Continue(())
    }
}
