//! Why there is no plan, or no calibration. One variant a reason.

/// Why there is no plan, or no calibration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlannerError {
    /// A name that is not an objective.
    #[error("unknown objective {got:?}, expected {expected}")]
    UnknownObjective {
        /// The names that there are.
        expected: &'static str,
        /// The name that was given.
        got: String,
    },
    /// A number is out of its range.
    #[error(transparent)]
    Quant(matchmark_quant::QuantError),
    /// Heads, capacity and segment length do not fit together.
    #[error(transparent)]
    Shape(#[from] matchmark_statement::StatementError),
    /// The relation cannot carry the shape, in segments of any length.
    #[error(transparent)]
    Layout(#[from] matchmark_air::layout::LayoutError),
    /// Segments of any length would be worth less than their level says.
    #[error(transparent)]
    BelowLevel(#[from] matchmark_verifier::BelowLevel),
    /// Every candidate needs more memory than there may be.
    #[error("no candidate fits into memory: expected at most {expected} bytes, the tightest ({candidate}) needs {got}")]
    NothingFits {
        /// The bound.
        expected: u64,
        /// Bytes of the candidate that needs least.
        got: u64,
        /// That candidate.
        candidate: String,
    },
    /// The text is not a calibration.
    #[error("calibration is not valid: {reason}")]
    NoCalibration {
        /// What is wrong with it.
        reason: String,
    },
}
