//! What entries of `config.json` may say.

/// Other forms of the rotary embedding, and attention to a part of the sequence, are refused.
pub(super) const ONLY: [(&str, &str); 3] = [
    ("layer_types", "null"),
    ("rope_scaling", "null"),
    ("use_sliding_window", "false"),
];

/// The window, and in which layers there would be one if it were used.
pub(super) const NEUTRAL: [&str; 2] = ["max_window_layers", "sliding_window"];
