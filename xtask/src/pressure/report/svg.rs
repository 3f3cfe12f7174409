//! Plots as inline SVG: scales, axes, lines, bars, points. Colours are the page's, by class: `c0` to `c5`.

use std::fmt::Write as _;

/// Width of every plot, in user units.
pub const WIDTH: f64 = 720.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;
/// Room for the labels at the ends of lines.
const RIGHT: f64 = 132.0;
/// Least distance between two labels at the ends of lines.
const LABEL_GAP: f64 = 15.0;

/// Text that may stand in an element or an attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A logarithmic scale from values to places.
#[derive(Clone, Copy, Debug)]
pub struct LogScale {
    least: f64,
    largest: f64,
    from: f64,
    to: f64,
}

impl LogScale {
    /// From positive values to places; the ends are moved apart if they are one.
    pub fn new(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut least, mut largest) = (f64::MAX, f64::MIN_POSITIVE);
        for value in values {
            least = least.min(value);
            largest = largest.max(value);
        }
        if least >= largest {
            (least, largest) = (largest / 1.5, largest * 1.5);
        }
        Self {
            least,
            largest,
            from,
            to,
        }
    }

    /// Where a value stands.
    pub fn place(&self, value: f64) -> f64 {
        let part = (value / self.least).ln() / (self.largest / self.least).ln();
        self.from + part * (self.to - self.from)
    }

    /// Powers of ten within, or of two where there are few.
    pub fn ticks(&self) -> Vec<f64> {
        let of = |base: f64| {
            let first = (self.least.ln() / base.ln() - 1e-9).ceil();
            let mut ticks = vec![];
            let mut power = first;
            while base.powf(power) <= self.largest * (1.0 + 1e-9) {
                ticks.push(base.powf(power));
                power += 1.0;
            }
            ticks
        };
        let tens = of(10.0);
        if tens.len() >= 3 {
            tens
        } else {
            of(2.0)
        }
    }
}

/// A number on an axis: short.
pub fn tick_text(value: f64) -> String {
    for (unit, name) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value >= unit {
            let scaled = value / unit;
            return if (scaled - scaled.round()).abs() < 0.05 {
                format!("{scaled:.0}{name}")
            } else {
                format!("{scaled:.1}{name}")
            };
        }
    }
    if value >= 10.0 || (value - value.round()).abs() < 1e-6 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// A line of a plot.
pub struct Series {
    /// What stands at its end.
    pub label: String,
    /// Class of its colour.
    pub class: &'static str,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// What stands around a plot.
pub struct Frame<'a> {
    /// For those who do not see it.
    pub title: &'a str,
    /// What the horizontal axis is.
    pub x: &'a str,
    /// What the vertical axis is.
    pub y: &'a str,
}

fn open(height: f64, title: &str) -> String {
    let title = escape(title);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>\n"
    )
}

fn text(svg: &mut String, [x, y]: [f64; 2], anchor: &str, class: &str, content: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>",
        escape(content)
    );
}

fn rule(svg: &mut String, [x1, y1, x2, y2]: [f64; 4], class: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"
    );
}

/// Moves places apart until they have the gap, without moving any above `top`; keeps their order.
pub fn spread(places: &[f64], gap: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| places[a].total_cmp(&places[b]));
    let mut moved = places.to_vec();
    for pair in order.windows(2) {
        moved[pair[1]] = moved[pair[1]].max(moved[pair[0]] + gap);
    }
    let mut limit = bottom;
    for &index in order.iter().rev() {
        moved[index] = moved[index].min(limit);
        limit = moved[index] - gap;
    }
    moved
}

/// Axes of a plot with logarithmic scales on both sides.
fn axes(svg: &mut String, frame: &Frame<'_>, x: &LogScale, xs: &[f64], y: &LogScale, height: f64) {
    let (right, bottom) = (WIDTH - RIGHT, height - BOTTOM);
    for tick in y.ticks() {
        let place = y.place(tick);
        rule(svg, [LEFT, place, right, place], "grid");
        text(
            svg,
            [LEFT - 6.0, place + 4.0],
            "end",
            "tick",
            &tick_text(tick),
        );
    }
    for &tick in xs {
        let place = x.place(tick);
        rule(svg, [place, bottom, place, bottom + 4.0], "axis");
        text(
            svg,
            [place, bottom + 17.0],
            "middle",
            "tick",
            &tick_text(tick),
        );
    }
    rule(svg, [LEFT, bottom, right, bottom], "axis");
    text(
        svg,
        [f64::midpoint(LEFT, right), height - 6.0],
        "middle",
        "name",
        frame.x,
    );
    let _ = writeln!(
        svg,
        "<text transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\" class=\"name\">{}</text>",
        f64::midpoint(TOP, bottom),
        escape(frame.y)
    );
}

/// Lines over logarithmic axes, each with its label at its end.
pub fn lines(frame: &Frame<'_>, series: &[Series]) -> String {
    let height = 340.0;
    let points = || series.iter().flat_map(|it| it.points.iter().copied());
    let mut xs: Vec<f64> = points().map(|(x, _)| x).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let x = LogScale::new(xs.iter().copied(), LEFT + 8.0, WIDTH - RIGHT - 8.0);
    let y = LogScale::new(points().map(|(_, y)| y), height - BOTTOM - 8.0, TOP + 8.0);
    let mut svg = open(height, frame.title);
    axes(&mut svg, frame, &x, &xs, &y, height);
    let drawn: Vec<&Series> = series.iter().filter(|it| !it.points.is_empty()).collect();
    let ends: Vec<f64> = drawn
        .iter()
        .map(|it| y.place(it.points[it.points.len() - 1].1))
        .collect();
    let labels = spread(&ends, LABEL_GAP, height - BOTTOM);
    for ((it, label), end) in drawn.iter().zip(labels).zip(ends) {
        let path: Vec<String> = it
            .points
            .iter()
            .map(|&(px, py)| format!("{:.1},{:.1}", x.place(px), y.place(py)))
            .collect();
        let class = it.class;
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" class=\"line {class}\"/>",
            path.join(" ")
        );
        for &(px, py) in &it.points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" class=\"dot {class}\"><title>{}: {} at {}</title></circle>",
                x.place(px),
                y.place(py),
                escape(&it.label),
                tick_text(py),
                tick_text(px)
            );
        }
        let from = x.place(it.points[it.points.len() - 1].0);
        let to = WIDTH - RIGHT + 8.0;
        rule(&mut svg, [from + 4.0, end, to, label], "leader");
        let class = format!("label {class}");
        text(
            &mut svg,
            [to + 3.0, label + 4.0],
            "start",
            &class,
            &it.label,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A bar that is made of parts.
pub struct Stack {
    /// What stands before it.
    pub label: String,
    /// Its parts from left to right, in the order of the legend.
    pub parts: Vec<f64>,
    /// What stands behind it.
    pub note: String,
}

/// Bars of parts, one below the other, over a common scale from zero.
pub fn stacks(title: &str, legend: &[(&str, &'static str)], bars: &[Stack]) -> String {
    let (left, right) = (210.0, WIDTH - 96.0);
    let total = |bar: &Stack| bar.parts.iter().sum::<f64>();
    let largest = bars.iter().map(total).fold(f64::MIN_POSITIVE, f64::max);
    let step = 26.0;
    #[allow(clippy::cast_precision_loss)] // A few dozen bars.
    let row = |index: usize| TOP + 28.0 + step * index as f64;
    let height = row(bars.len()) + 8.0;
    let mut svg = open(height, title);
    let mut x = left;
    for (name, class) in legend {
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{TOP}\" width=\"11\" height=\"11\" class=\"fill {class}\"/>"
        );
        text(&mut svg, [x + 15.0, TOP + 10.0], "start", "tick", name);
        #[allow(clippy::cast_precision_loss)] // Short names.
        let width = name.chars().count() as f64;
        x += 26.0 + 6.6 * width;
    }
    for (index, bar) in bars.iter().enumerate() {
        let top = row(index);
        text(
            &mut svg,
            [left - 8.0, top + 14.0],
            "end",
            "tick",
            &bar.label,
        );
        let mut from = left;
        for (part, (name, class)) in bar.parts.iter().zip(legend) {
            if *part <= 0.0 {
                continue;
            }
            let width = part / largest * (right - left);
            let _ = writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"18\" class=\"fill {class}\">\
                 <title>{}: {}</title></rect>",
                escape(name),
                tick_text(*part)
            );
            from += width;
        }
        text(
            &mut svg,
            [from + 6.0, top + 14.0],
            "start",
            "tick",
            &bar.note,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Points over logarithmic axes with the same units, the diagonal between them, and a band around it.
pub fn scatter(frame: &Frame<'_>, points: &[(f64, f64, String)], band: f64, class: &str) -> String {
    let height = 340.0;
    let all = points.iter().flat_map(|&(x, y, _)| [x, y]);
    let values: Vec<f64> = all.collect();
    let x = LogScale::new(values.iter().copied(), LEFT + 8.0, WIDTH - RIGHT - 8.0);
    let y = LogScale::new(values.iter().copied(), height - BOTTOM - 8.0, TOP + 8.0);
    let mut svg = open(height, frame.title);
    axes(&mut svg, frame, &x, &x.ticks(), &y, height);
    let (least, largest) = (x.least, x.largest);
    let corner = |factor: f64, value: f64| {
        // Where a line beside the diagonal meets the frame.
        let at = value.clamp(least, largest);
        let up = (at * factor).clamp(least, largest);
        [x.place(up / factor), y.place(up)]
    };
    for (factor, class) in [
        (1.0 - band, "leader"),
        (1.0, "axis"),
        (1.0 + band, "leader"),
    ] {
        let [x1, y1] = corner(factor, least);
        let [x2, y2] = corner(factor, largest);
        rule(&mut svg, [x1, y1, x2, y2], class);
    }
    for (px, py, what) in points {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" class=\"dot {class}\"><title>{}</title></circle>",
            x.place(*px),
            y.place(*py),
            escape(what)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_logarithmic() {
        let scale = LogScale::new([1.0, 100.0, 10_000.0], 0.0, 200.0);
        assert!((scale.place(100.0) - 100.0).abs() < 1e-9);
        assert_eq!(scale.ticks().len(), 5);
        // Few powers of ten: powers of two.
        let ticks = LogScale::new([8.0, 64.0], 0.0, 1.0).ticks();
        assert_eq!(ticks, [8.0, 16.0, 32.0, 64.0]);
        // One value stands in the middle.
        let one = LogScale::new([5.0], 0.0, 100.0);
        assert!((one.place(5.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn labels_are_apart_and_keep_their_order() {
        let moved = spread(&[100.0, 98.0, 20.0, 101.0], 15.0, 110.0);
        assert_eq!(moved[2], 20.0);
        assert!(moved[0] - moved[1] >= 15.0 && moved[3] - moved[0] >= 15.0);
        assert!(moved.iter().all(|place| *place <= 110.0));
    }

    #[test]
    fn everything_is_inside_and_escaped() {
        let frame = Frame {
            title: "a < b & \"c\"",
            x: "steps",
            y: "times",
        };
        let series = |label: &str, factor: f64| Series {
            label: label.to_owned(),
            class: "c0",
            points: [8.0, 64.0, 512.0].map(|x| (x, factor * x)).to_vec(),
        };
        let svg = lines(&frame, &[series("bytes", 1.0), series("claims", 1.1)]);
        assert!(svg.contains("a &lt; b &amp; &quot;c&quot;") && !svg.contains("a < b"));
        assert_eq!(svg.matches("<circle").count(), 6);
        let numbers = |key: &str| -> Vec<f64> {
            svg.split(&format!(" {key}=\""))
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
                .collect()
        };
        assert!(numbers("cx").iter().all(|x| (0.0..=WIDTH).contains(x)));
        assert!(numbers("cy").iter().all(|y| (0.0..=340.0).contains(y)));
        let points = [(1.0, 1.1, "x".to_owned()), (8.0, 7.0, "y".to_owned())];
        let svg = scatter(&frame, &points, 0.25, "c1");
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn bars_have_the_lengths_of_their_parts() {
        let bar = |parts: &[f64]| Stack {
            label: "b".to_owned(),
            parts: parts.to_vec(),
            note: String::new(),
        };
        let legend = [("one", "c0"), ("two", "c1")];
        let svg = stacks("t", &legend, &[bar(&[30.0, 10.0]), bar(&[20.0, 0.0])]);
        let widths: Vec<f64> = svg
            .split("<rect ")
            .skip(3)
            .map(|rest| {
                let width = rest.split("width=\"").nth(1).unwrap();
                width.split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        assert!((widths[0] / widths[1] - 3.0).abs() < 0.01);
        assert!((widths[0] / widths[2] - 1.5).abs() < 0.01);
        // A part that is not there is not drawn.
        assert_eq!(widths.len(), 3);
    }

    #[test]
    fn short_numbers() {
        let shown = [8.0, 512.0, 1500.0, 64_000.0, 2e6, 0.25, 1.0].map(tick_text);
        assert_eq!(shown, ["8", "512", "1.5k", "64k", "2M", "0.25", "1"]);
    }
}
