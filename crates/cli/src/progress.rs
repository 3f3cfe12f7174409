//! Progress, on a terminal only.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use matchmark::{Progress, ProveEvent};

/// How often the time that has passed is drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// A bar that is drawn on a terminal in this style, and nowhere else.
fn drawn(bar: ProgressBar, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
        return bar;
    }
    // The default style will do if this one is refused.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// A progress bar over the segments of a chain; nothing where standard error is not a terminal.
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
        let template = format!(
            "{{prefix}} {{bar:32}} {{pos}}/{{len}} {things}, {{elapsed}} so far, {{eta}} left"
        );
        let bar = drawn(ProgressBar::new(0), &template);
        bar.set_prefix(what);
        Self { bar }
    }

    /// Whether there is anyone to see it.
    pub(crate) fn is_visible(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// It is drawn from then on: without a length it would look finished.
    pub(crate) fn set_segments(&self, segments: u64) {
        self.bar.set_length(segments);
        if self.is_visible() {
            self.bar.enable_steady_tick(TICK);
        }
    }

    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Removes it, before something else is written to the terminal.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for SegmentBar {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Progress for SegmentBar {
    fn event(&self, event: &ProveEvent) {
        match event {
            ProveEvent::Planned(outline) => {
                self.set_segments(outline.segments * u64::from(outline.groups));
            }
            ProveEvent::Done { .. } => self.advance(),
            // The bar counts whole segments, or parts of them.
            _ => {}
        }
    }
}

/// Says what is being done, and for how long, where nobody knows how much there is to do; nothing where
/// standard error is not a terminal.
pub(crate) struct Step {
    bar: ProgressBar,
}

impl Step {
    /// Something is being done, until this is dropped or says something else.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        let step = Self {
            bar: drawn(
                ProgressBar::new_spinner(),
                "{spinner} {msg}, {elapsed} so far",
            ),
        };
        step.say(what);
        if !step.bar.is_hidden() {
            step.bar.enable_steady_tick(TICK);
        }
        step
    }

    /// Something else is being done now.
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
        self.bar.reset_elapsed();
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
