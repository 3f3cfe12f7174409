//! The plots. What was not measured is left out.

use matchmark_tools::failure::{Context as _, Failure};
use plotters::prelude::*;

use crate::pressure::data::{Cut, Level};
use crate::pressure::rows::{configuration, AXES, BASE, CUTS, LEVELS, SEGMENT_STEPS, STEPS};
use crate::pressure::summary::{float, Costs, Summary};

/// Width and height, in pixels.
const SIZE: (u32, u32) = (760, 440);
/// The colours of series and parts, told apart without seeing red or green (Okabe and Ito).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
];

/// Names of the files, and what they show.
pub const NAMES: [(&str, &str); 4] = [
    ("growth", "growth over steps"),
    ("segments", "a chain over the length of its segments"),
    ("parts", "bytes by part"),
    ("predictions", "CPU-seconds, predicted against measured"),
];

/// Every plot, with the name of its file.
///
/// # Errors
/// One that cannot be drawn.
pub fn all(summary: &Summary) -> Result<[(&'static str, String); 4], Failure> {
    let [growth, segments, parts, predictions] = NAMES.map(|(name, _)| name);
    Ok([
        (growth, self::growth(summary)?),
        (segments, self::segments(summary)?),
        (parts, self::parts(summary)?),
        (predictions, self::predictions(summary)?),
    ])
}

/// A line through points, or points alone.
struct Series {
    label: &'static str,
    points: Vec<(f64, f64)>,
}

/// What is written on a plot.
struct Captions {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    legend: SeriesLabelPosition,
}

/// The costs along an axis at conjectured-100.
fn along(summary: &Summary, axis: usize, cut: Cut) -> Vec<(f64, &Costs)> {
    let points = AXES[axis].points().filter_map(|(value, shape)| {
        let it = configuration(shape, Level::Conjectured100, cut);
        Some((f64::from(value), summary.costs(&it)?))
    });
    points.collect()
}

fn growth(summary: &Summary) -> Result<String, Failure> {
    let [fused, split] = CUTS.map(|cut| along(summary, STEPS, cut));
    let times_first = |label, points: &[(f64, &Costs)], value: fn(&Costs) -> f64| {
        let first = points.first().map_or(1.0, |(_, it)| value(it));
        let points = points.iter().map(|(x, it)| (*x, value(it) / first));
        let points = points.collect();
        Series { label, points }
    };
    let series = [
        times_first("claims", &fused, |it| float(it.counts.lookup_claims)),
        times_first("trace rows", &fused, |it| float(it.counts.trace_rows)),
        times_first("committed cells", &fused, |it| {
            float(it.counts.committed_cells)
        }),
        times_first("fused bytes", &fused, |it| it.bytes),
        times_first("split bytes", &split, |it| it.bytes),
    ];
    let captions = Captions {
        title: "Growth over steps: d 64, 4 heads, conjectured-100",
        x: "steps in one proof",
        y: "times the first",
        legend: SeriesLabelPosition::UpperLeft,
    };
    logarithmic(&captions, &series, &[])
}

fn segments(summary: &Summary) -> Result<String, Failure> {
    let [fused, split] = CUTS.map(|cut| along(summary, SEGMENT_STEPS, cut));
    let series = |label, points: &[(f64, &Costs)], value: fn(&Costs) -> f64| {
        let points = points.iter().map(|(x, it)| (*x, value(it))).collect();
        Series { label, points }
    };
    let series = [
        series("fused, kB", &fused, |it| it.bytes / 1e3),
        series("split, kB", &split, |it| it.bytes / 1e3),
        series("fused, CPU-seconds", &fused, |it| it.cpu_seconds),
        series("split, CPU-seconds", &split, |it| it.cpu_seconds),
    ];
    let captions = Captions {
        title: "A chain of 64 steps: d 64, 4 heads, conjectured-100",
        x: "steps a segment",
        y: "kB, CPU-seconds",
        legend: SeriesLabelPosition::UpperRight,
    };
    logarithmic(&captions, &series, &[])
}

fn predictions(summary: &Summary) -> Result<String, Failure> {
    let points = summary.rows.iter().filter_map(|row| {
        let (costs, predicted) = row.costs.as_ref().zip(row.predicted.as_ref())?;
        Some((costs.cpu_seconds, predicted.cpu_seconds))
    });
    let points: Vec<_> = points.collect();
    let ends = |label, off: f64| {
        let xs = points.iter().map(|(x, _)| *x);
        let (least, most) = (
            xs.clone().fold(f64::INFINITY, f64::min),
            xs.fold(0.0, f64::max),
        );
        Series {
            label,
            points: vec![(least, off * least), (most, off * most)],
        }
    };
    let lines = [ends("25 % more", 1.25), ends("25 % less", 0.75)];
    let captions = Captions {
        title: "CPU-seconds of shapes that the cost model was not fitted to",
        x: "measured",
        y: "predicted",
        legend: SeriesLabelPosition::UpperLeft,
    };
    logarithmic(&captions, &lines, &points)
}

/// The range of some numbers, with some room, on a logarithmic scale.
fn range(numbers: impl Iterator<Item = f64> + Clone) -> Result<std::ops::Range<f64>, Failure> {
    let least = numbers.clone().fold(f64::INFINITY, f64::min);
    let most = numbers.fold(0.0, f64::max);
    if least > 0.0 && least <= most {
        return Ok(least / 1.2..most * 1.2);
    }
    Err(Failure::failed(
        "nothing was measured that a plot could show",
    ))
}

/// Lines, and points beside them, on two logarithmic scales.
fn logarithmic(
    captions: &Captions,
    lines: &[Series],
    points: &[(f64, f64)],
) -> Result<String, Failure> {
    let all = lines.iter().flat_map(|it| &it.points).chain(points);
    let x = range(all.clone().map(|(x, _)| *x))?;
    let y = range(all.map(|(_, y)| *y))?;
    let draw = |root: &Area<'_>| -> Drawn {
        let mut chart = ChartBuilder::on(root)
            .caption(captions.title, ("sans-serif", 17))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x.clone().log_scale().base(2.0), y.clone().log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(captions.x)
            .y_desc(captions.y)
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .draw()?;
        for (line, colour) in lines.iter().zip(COLOURS) {
            let label = chart.draw_series(
                LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)).point_size(3),
            )?;
            label.label(line.label).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
            });
        }
        chart.draw_series(
            points
                .iter()
                .map(|point| Circle::new(*point, 4, COLOURS[2].filled())),
        )?;
        chart
            .configure_series_labels()
            .position(captions.legend.clone())
            .background_style(WHITE.mix(0.8))
            .draw()?;
        Ok(())
    };
    drawn(draw)
}

/// The parts of the proofs of the base shape, one bar a proof.
fn parts(summary: &Summary) -> Result<String, Failure> {
    let mut bars = Vec::new();
    for (level, cut) in LEVELS
        .into_iter()
        .flat_map(|level| CUTS.map(|it| (level, it)))
    {
        let costs = summary.costs(&configuration(BASE, level, cut));
        for part in costs.iter().flat_map(|it| &it.parts) {
            let bytes = [
                part.merkle_paths,
                part.low_degree,
                part.queried_values,
                part.samples,
                part.rest,
            ];
            bars.push((
                format!("{}, {}", level.name(), part.part),
                bytes.map(|it| float(it) / 1e3),
            ));
        }
    }
    let names = [
        "Merkle paths",
        "low-degree test",
        "queried values",
        "samples",
        "rest",
    ];
    let longest = bars
        .iter()
        .map(|(_, parts)| parts.iter().sum())
        .fold(1.0, f64::max);
    let draw = |root: &Area<'_>| -> Drawn {
        let count = bars.len();
        let mut chart = ChartBuilder::on(root)
            .caption("Bytes by part: d 64, 4 heads, 64 steps", ("sans-serif", 17))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(170)
            .build_cartesian_2d(0.0..longest * 1.05, (0..count).into_segmented())?;
        let label = |it: &SegmentValue<usize>| match it {
            SegmentValue::CenterOf(bar) => bars.get(*bar).map_or(String::new(), |it| it.0.clone()),
            SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(WHITE)
            .x_desc("kB")
            .y_labels(count)
            .y_label_formatter(&label)
            .draw()?;
        for (index, (name, colour)) in names.into_iter().zip(COLOURS).enumerate() {
            let boxes = bars.iter().enumerate().map(|(bar, (_, parts))| {
                let begin: f64 = parts[..index].iter().sum();
                let corners = [
                    (begin, SegmentValue::Exact(bar)),
                    (begin + parts[index], SegmentValue::Exact(bar + 1)),
                ];
                let mut shape = Rectangle::new(corners, colour.filled());
                shape.set_margin(4, 4, 0, 0);
                shape
            });
            let label = chart.draw_series(boxes)?;
            label.label(name).legend(move |(x, y)| {
                Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled())
            });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .draw()?;
        Ok(())
    };
    drawn(draw)
}

/// Where a plot is drawn.
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
/// What drawing may fail with.
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn drawn(draw: impl Fn(&Area<'_>) -> Drawn) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE).context("a plot")?;
        draw(&root).context("a plot")?;
        root.present().context("a plot")?;
    }
    Ok(svg)
}

/// A number of a scale: as many digits as it needs.
fn number(value: &f64) -> String {
    format!("{value}")
}
