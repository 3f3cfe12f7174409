//! What entries of `config.json` may say.

/// Attention to a part of the sequence is refused.
pub(super) const ONLY: [(&str, &str); 2] =
    [("layer_types", "null"), ("use_sliding_window", "false")];

/// The window, and in which layers there would be one if it were used.
pub(super) const NEUTRAL: [&str; 2] = ["max_window_layers", "sliding_window"];
