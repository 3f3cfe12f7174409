//! Which configurations the report is about: its axes, as data.

use crate::pressure::data::{Boundary, Configuration, Level, Rules, Shape};

/// The shape around which the axes go, one at a time: 64 steps at dimension 64 with 4 heads, and a
/// prefix of 2, with which claims grow from 32 to 64 steps by the published 3.73.
pub const BASE: Shape = Shape {
    heads: 4,
    kv_heads: 4,
    head_dim: 64,
    prefix: 2,
    steps: 64,
    segment_steps: 64,
    rules: Rules::Default,
};

/// The levels, in the order of the report.
pub const LEVELS: [Level; 3] = [Level::Conjectured100, Level::Johnson100, Level::Insecure13];

/// One axis: what is varied, and its values.
pub struct Axis {
    /// Key in files and anchors.
    pub key: &'static str,
    /// Title of its section.
    pub title: &'static str,
    /// What the first column of its table is called.
    pub label: &'static str,
    values: &'static [u32],
    at: fn(u32) -> Shape,
}

impl Axis {
    /// Its points: the value, and the shape at it.
    pub fn points(&self) -> impl Iterator<Item = (u32, Shape)> + '_ {
        self.values.iter().map(|&value| (value, (self.at)(value)))
    }
}

fn steps(steps: u32) -> Shape {
    Shape {
        steps,
        segment_steps: steps,
        ..BASE
    }
}

/// The axes of the report.
pub const AXES: [Axis; 6] = [
    Axis {
        key: "steps",
        title: "Steps",
        label: "steps",
        values: &[8, 16, 32, 64, 128, 256, 512],
        at: steps,
    },
    Axis {
        key: "heads",
        title: "Heads",
        label: "heads",
        values: &[1, 2, 4, 8, 16],
        at: |heads| Shape {
            heads,
            kv_heads: heads,
            ..BASE
        },
    },
    Axis {
        key: "head-dim",
        title: "Head dimension",
        label: "d",
        values: &[8, 16, 32, 64, 128],
        at: |head_dim| Shape { head_dim, ..BASE },
    },
    Axis {
        key: "segment-steps",
        title: "Segment length of a chain of 64 steps",
        label: "steps of a segment",
        values: &[1, 2, 4, 8, 16, 32, 64],
        at: |segment_steps| Shape {
            segment_steps,
            ..BASE
        },
    },
    Axis {
        key: "kv-heads",
        title: "Grouped heads: 4 query heads",
        label: "key/value heads",
        values: &[1, 2, 4],
        at: |kv_heads| Shape { kv_heads, ..BASE },
    },
    Axis {
        key: "prefix",
        title: "Cached entries before the first step",
        label: "prefix",
        values: &[0, 2, 64, 256, 1024],
        at: |prefix| Shape { prefix, ..BASE },
    },
];

/// Head dimensions of the published rows.
pub const ESSAY_DIMS: [u32; 4] = [8, 16, 32, 64];

/// Step counts of the published rows.
pub const ESSAY_STEPS: [u32; 2] = [32, 64];

/// A published row, under the given rules.
pub fn essay_row(head_dim: u32, row_steps: u32, rules: Rules) -> Shape {
    Shape {
        head_dim,
        rules,
        ..steps(row_steps)
    }
}

/// One head of the base shape, alone: what four proofs would prove instead of one.
pub fn one_head() -> Shape {
    Shape {
        heads: 1,
        kv_heads: 1,
        ..BASE
    }
}

/// A configuration.
pub fn configuration(shape: Shape, level: Level, boundary: Boundary) -> Configuration {
    Configuration {
        shape,
        level,
        boundary,
    }
}
