//! Chains of segments: streaming verification, and proving with resume
