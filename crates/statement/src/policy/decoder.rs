//! Comparing the decoder of a statement with the one decided upon.

use alloc::boxed::Box;

use super::PolicyMismatch;
use crate::decoder::{DecoderTerms, SegmentKind};

/// Whether two sets of terms speak of the same decoder, or both of none.
pub(super) fn check(
    expected: Option<&DecoderTerms>,
    got: Option<&DecoderTerms>,
) -> Result<(), PolicyMismatch> {
    let (Some(expected), Some(got)) = (expected, got) else {
        let (expected, got) = (SegmentKind::of(expected), SegmentKind::of(got));
        return if expected == got {
            Ok(())
        } else {
            Err(PolicyMismatch::Kind { expected, got })
        };
    };
    // Taken apart exhaustively: a new field does not compile until it is checked.
    let DecoderTerms {
        shape,
        arithmetic,
        weights,
        prompt,
    } = *got;
    if shape != expected.shape {
        return Err(PolicyMismatch::ModelShape {
            expected: Box::new(expected.shape),
            got: Box::new(shape),
        });
    }
    if arithmetic != expected.arithmetic {
        return Err(PolicyMismatch::ModelArithmetic {
            expected: expected.arithmetic,
            got: arithmetic,
        });
    }
    if weights != expected.weights {
        return Err(PolicyMismatch::ModelWeights {
            expected: expected.weights,
            got: weights,
        });
    }
    if prompt != expected.prompt {
        return Err(PolicyMismatch::Prompt {
            expected: expected.prompt,
            got: prompt,
        });
    }
    Ok(())
}
