//! Which configurations the report is about: its axes, as data.

use crate::pressure::data::{Configuration, Cut, Level, Rules, Shape};

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
pub const LEVELS: [Level; 3] = [Level::Conjectured100, Level::Proven100, Level::Insecure13];

/// Both cuts.
pub const CUTS: [Cut; 2] = [Cut::Fused, Cut::Split];

/// One axis: the values of what is varied, and the shape at each.
pub struct Axis {
    values: &'static [u32],
    at: fn(u32) -> Shape,
}

impl Axis {
    /// Its points: the value, and the shape at it.
    pub fn points(&self) -> impl Iterator<Item = (u32, Shape)> + '_ {
        self.values.iter().map(|&value| (value, (self.at)(value)))
    }
}

/// The base shape with so many steps, in one segment.
fn steps(steps: u32) -> Shape {
    Shape {
        steps,
        segment_steps: steps,
        ..BASE
    }
}

/// The axis of steps: the first of [`AXES`].
pub const STEPS: usize = 0;
/// The axis of segment lengths in [`AXES`].
pub const SEGMENT_STEPS: usize = 3;

/// The axes of the report.
pub const AXES: [Axis; 6] = [
    Axis {
        values: &[8, 16, 32, 64, 128, 256, 512],
        at: steps,
    },
    Axis {
        values: &[1, 2, 4, 8, 16],
        at: |heads| Shape {
            heads,
            kv_heads: heads,
            ..BASE
        },
    },
    Axis {
        values: &[8, 16, 32, 64, 128],
        at: |head_dim| Shape { head_dim, ..BASE },
    },
    Axis {
        values: &[1, 2, 4, 8, 16, 32, 64],
        at: |segment_steps| Shape {
            segment_steps,
            ..BASE
        },
    },
    Axis {
        values: &[1, 2, 4],
        at: |kv_heads| Shape { kv_heads, ..BASE },
    },
    Axis {
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

/// Shapes by which the planner is judged: none is on an axis, and none was measured to fit its cost model.
/// Query heads, key/value heads, dimension, prefix, steps, steps of a segment; level; cut.
pub const PLANNER_ROWS: [([u32; 6], Level, Cut); 24] = {
    use Cut::{Fused, Split};
    use Level::{Conjectured100, Insecure13, Proven100};
    [
        ([3, 3, 32, 10, 40, 40], Conjectured100, Fused),
        ([6, 2, 32, 0, 48, 48], Conjectured100, Fused),
        ([5, 1, 64, 7, 20, 20], Proven100, Fused),
        ([2, 1, 128, 50, 24, 24], Conjectured100, Fused),
        ([7, 7, 16, 3, 60, 60], Conjectured100, Split),
        ([12, 4, 16, 0, 30, 30], Conjectured100, Fused),
        ([3, 1, 64, 100, 20, 20], Conjectured100, Split),
        ([1, 1, 64, 10, 90, 90], Conjectured100, Fused),
        ([4, 2, 32, 20, 100, 100], Insecure13, Fused),
        ([6, 6, 64, 12, 36, 36], Conjectured100, Fused),
        ([6, 3, 8, 5, 96, 96], Proven100, Fused),
        ([2, 2, 32, 33, 72, 72], Conjectured100, Split),
        ([8, 1, 32, 17, 28, 28], Proven100, Split),
        ([9, 3, 8, 40, 44, 44], Conjectured100, Fused),
        ([2, 2, 64, 6, 60, 20], Conjectured100, Fused),
        ([3, 3, 16, 0, 48, 12], Conjectured100, Fused),
        ([4, 4, 32, 9, 40, 10], Conjectured100, Split),
        ([1, 1, 16, 25, 36, 6], Conjectured100, Fused),
        ([5, 5, 8, 11, 80, 80], Insecure13, Split),
        ([10, 5, 64, 1, 24, 24], Conjectured100, Fused),
        ([4, 1, 128, 14, 40, 40], Conjectured100, Split),
        ([3, 3, 64, 30, 56, 28], Proven100, Fused),
        ([2, 1, 8, 70, 110, 110], Conjectured100, Fused),
        ([16, 8, 8, 2, 20, 20], Conjectured100, Split),
    ]
};

/// The configurations of [`PLANNER_ROWS`].
pub fn planner_configurations() -> Vec<Configuration> {
    let rows = PLANNER_ROWS.iter();
    rows.map(|&(shape, level, cut)| {
        let [heads, kv_heads, head_dim, prefix, steps, segment_steps] = shape;
        Configuration {
            shape: Shape {
                heads,
                kv_heads,
                head_dim,
                prefix,
                steps,
                segment_steps,
                rules: Rules::Default,
            },
            level,
            cut,
        }
    })
    .collect()
}

/// Everything that a full report is about, each configuration once, in the order of the report.
pub fn all() -> Vec<Configuration> {
    let rows = ESSAY_STEPS
        .iter()
        .flat_map(|&steps| ESSAY_DIMS.map(|dim| (dim, steps)));
    let essay = rows.flat_map(|(dim, steps)| {
        [Rules::Default, Rules::Essay].map(|rules| essay_row(dim, steps, rules))
    });
    let axes = AXES.iter().flat_map(|axis| axis.points().map(|it| it.1));
    let shapes = [BASE, one_head()].into_iter().chain(essay).chain(axes);
    let mut all = every_way(shapes);
    all.extend(planner_configurations());
    without_repetition(all)
}

/// What a quick report is about.
pub fn quick() -> Vec<Configuration> {
    let essay = ESSAY_STEPS
        .iter()
        .flat_map(|&steps| ESSAY_DIMS.map(|dim| essay_row(dim, steps, Rules::Essay)));
    let light = |axis: usize, most: u32| {
        let points = AXES[axis].points();
        points.filter(move |(value, _)| *value <= most)
    };
    let shapes = light(STEPS, 64).map(|(_, shape)| shape);
    let mut all = every_way([BASE, one_head()].into_iter().chain(shapes));
    all.retain(|it| it.level != Level::Proven100 || it.shape == BASE);
    let essay = every_way(essay).into_iter();
    all.extend(essay.filter(|it| it.level == Level::Insecure13));
    all.extend(planner_configurations().into_iter().take(8));
    without_repetition(all)
}

/// Shapes at every level, fused and split.
fn every_way(shapes: impl Iterator<Item = Shape>) -> Vec<Configuration> {
    shapes
        .flat_map(|shape| LEVELS.map(|level| (shape.clone(), level)))
        .flat_map(|(shape, level)| CUTS.map(|cut| configuration(shape.clone(), level, cut)))
        .collect()
}

fn without_repetition(mut all: Vec<Configuration>) -> Vec<Configuration> {
    let mut seen = std::collections::HashSet::new();
    all.retain(|it| seen.insert(it.clone()));
    all
}

/// A configuration.
pub fn configuration(shape: Shape, level: Level, cut: Cut) -> Configuration {
    Configuration { shape, level, cut }
}

impl Shape {
    /// Lookup claims: the scores of all steps of all heads.
    pub fn claims(&self) -> u64 {
        let [heads, prefix, steps] = [self.heads, self.prefix, self.steps].map(u64::from);
        heads * (steps * prefix + steps * (steps + 1) / 2)
    }

    /// Cells of a chain's witness, roughly: what the cost of proving goes with. Only the order of work and
    /// the progress bar go by it.
    pub fn rough_cells(&self) -> f64 {
        let [heads, kv_heads, dim, prefix, steps, length] = [
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.prefix,
            self.steps,
            self.segment_steps,
        ]
        .map(f64::from);
        let padded = |rows: f64| rows.max(32.0).log2().ceil().exp2();
        let capacity = prefix + steps;
        let vectors = padded(heads * length * dim);
        let scores = padded(heads * length * (capacity - length / 2.0));
        let cache = padded((kv_heads / 2.0).ceil() * capacity * dim);
        let tables = padded(4096.0);
        (steps / length).ceil() * (32.0 * vectors + 36.0 * scores + 44.0 * cache + 6.0 * tables)
    }
}

impl Configuration {
    /// Processor seconds on a slow machine, roughly. As [`Shape::rough_cells`].
    pub fn rough_seconds(&self) -> f64 {
        let cell = match self.level {
            Level::Conjectured100 | Level::Proven100 => 1.0e-6,
            Level::Insecure13 => 0.25e-6,
        };
        let proofs = match self.cut {
            Cut::Fused => 1.0,
            Cut::Split => 1.3,
        };
        let segments = f64::from(self.shape.steps.div_ceil(self.shape.segment_steps));
        proofs * (cell * self.shape.rough_cells() + 0.15 * segments) + 0.5
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_base_shape_has_the_published_growth_of_claims() {
        let (half, whole) = (steps(32).claims(), steps(64).claims());
        assert_eq!((half, whole), (2_368, 8_832));
        assert_eq!(steps(64), BASE);
        assert_eq!(steps(512).claims(), 4 * (512 * 2 + (1..=512).sum::<u64>()));
    }

    #[test]
    fn axes_go_through_the_base_shape() {
        for axis in &AXES {
            assert_eq!(axis.points().filter(|(_, it)| *it == BASE).count(), 1);
            for (_, shape) in axis.points() {
                assert_eq!(shape.heads % shape.kv_heads, 0);
                assert!(shape.segment_steps <= shape.steps);
            }
        }
        assert!(AXES[STEPS]
            .points()
            .all(|(value, shape)| shape.steps == value));
        assert!(AXES[SEGMENT_STEPS]
            .points()
            .all(|(value, shape)| shape.segment_steps == value));
    }

    #[test]
    fn nothing_is_measured_twice_and_nothing_is_left_out() {
        let all = all();
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        for level in LEVELS {
            for cut in CUTS {
                for axis in &AXES {
                    for (_, shape) in axis.points() {
                        assert!(all.contains(&configuration(shape, level, cut)));
                    }
                }
                for steps in ESSAY_STEPS {
                    for dim in ESSAY_DIMS {
                        for rules in [Rules::Default, Rules::Essay] {
                            let row = essay_row(dim, steps, rules);
                            assert!(all.contains(&configuration(row, level, cut)));
                        }
                    }
                }
            }
        }
        assert!(quick().iter().all(|it| all.contains(it)));
    }

    #[test]
    fn planner_rows_are_on_no_axis() {
        let rows = planner_configurations();
        assert!(rows.len() >= 20);
        for row in &rows {
            for axis in &AXES {
                assert!(axis.points().all(|(_, shape)| shape != row.shape));
            }
            assert!(row.rough_seconds() < 12.0, "{row:?}");
            assert_eq!(row.shape.heads % row.shape.kv_heads, 0);
        }
    }

    #[test]
    fn longer_work_is_expected_to_take_longer() {
        let seconds = |shape, cut| configuration(shape, Level::Conjectured100, cut).rough_seconds();
        assert!(seconds(steps(512), Cut::Fused) > 10.0 * seconds(BASE, Cut::Fused));
        assert!(seconds(BASE, Cut::Split) > seconds(BASE, Cut::Fused));
    }
}
