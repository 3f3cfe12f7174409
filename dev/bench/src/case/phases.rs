//! Processor time by tracing span: those of the prover crate, and those of the proof library.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tracing::span::Id;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use super::process::cpu_seconds;
use super::Failure;

/// Spans that are timed. Each is entered by the thread that proves, and covers all that its threads do.
const NAMES: [&str; 11] = [
    "witness",
    "commit witness",
    "commit rlc",
    "commit lookups",
    "stark",
    "Composition",
    EXTENSION,
    CONSTRAINTS,
    "Evaluate columns out of domain",
    "Compute FRI quotients",
    "Grind",
];
/// Before the constraints of a component are evaluated where its columns have to be extended.
pub const EXTENSION: &str = "Constraint Extension";
/// The constraints of a component, in the order of components.
pub const CONSTRAINTS: &str = "Constraint point-wise eval";

/// A span that has ended.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// Processor time of the process meanwhile.
    pub seconds: f64,
}

/// The spans of [`NAMES`] that have ended, in this order.
#[derive(Clone, Default)]
pub struct Phases {
    ended: Arc<Mutex<Vec<Phase>>>,
}

impl Phases {
    /// Listens to the spans of proving a segment from now on.
    pub fn listen() -> Result<Self, Failure> {
        let phases = Self::default();
        let registry = Registry::default()
            .with(LevelFilter::INFO)
            .with(phases.clone());
        tracing::subscriber::set_global_default(registry)?;
        Ok(phases)
    }

    /// What has ended so far, and forgets it.
    pub fn take(&self) -> Vec<Phase> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Processor time when a span was entered.
struct Entered(f64);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Phases {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|it| NAMES.contains(&it.name())) else {
            return;
        };
        if let Ok(now) = cpu_seconds() {
            span.extensions_mut().replace(Entered(now));
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let entered = span.extensions_mut().remove::<Entered>();
        if let (Some(Entered(before)), Ok(now)) = (entered, cpu_seconds()) {
            let phase = Phase {
                name: span.name(),
                seconds: now - before,
            };
            let mut phases = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            phases.push(phase);
        }
    }
}
