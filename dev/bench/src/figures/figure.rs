//! A measured number beside its bound.

use serde_json::{json, Value};

use matchmark_tools::table::{thousands, Table};

/// How a number is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things that are counted.
    Count,
    /// Whole bytes.
    Bytes,
    /// Units of 2^20 bytes.
    Mebibytes,
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// How often one number holds another.
    Ratio,
    /// Hundredths.
    Percent,
}

/// What a number has to keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// The most that it may be.
    AtMost(f64),
    /// The least that it may be.
    AtLeast(f64),
}

/// A measured number beside its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    name: &'static str,
    measured: f64,
    /// None for a figure that only explains another.
    bound: Option<Bound>,
    unit: Unit,
}

impl Figure {
    /// A figure that may be at most this.
    pub fn at_most(name: &'static str, measured: f64, most: f64, unit: Unit) -> Self {
        Self {
            bound: Some(Bound::AtMost(most)),
            ..Self::beside(name, measured, unit)
        }
    }

    /// A figure that must be at least this.
    pub fn at_least(name: &'static str, measured: f64, least: f64, unit: Unit) -> Self {
        Self {
            bound: Some(Bound::AtLeast(least)),
            ..Self::beside(name, measured, unit)
        }
    }

    /// A figure without a bound.
    pub fn beside(name: &'static str, measured: f64, unit: Unit) -> Self {
        Self {
            name,
            measured,
            bound: None,
            unit,
        }
    }

    /// The number as the table shows it.
    pub fn shown(&self) -> String {
        self.unit.show(self.measured)
    }

    /// The bound as the table shows it; empty for none.
    pub fn shown_bound(&self) -> String {
        match self.bound {
            None => String::new(),
            Some(Bound::AtMost(most)) => format!("≤ {}", self.unit.show(most)),
            Some(Bound::AtLeast(least)) => format!("≥ {}", self.unit.show(least)),
        }
    }

    /// Whether the bound is kept, if there is one. A figure that could not be measured keeps none.
    pub fn is_met(&self) -> bool {
        match self.bound {
            None => true,
            Some(Bound::AtMost(most)) => self.measured <= most,
            Some(Bound::AtLeast(least)) => self.measured >= least,
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.bound, self.is_met()) {
            (None, _) => "",
            (_, true) => "met",
            (_, false) => "not met",
        }
    }

    /// As one object.
    pub fn to_json(&self) -> Value {
        json!({
            "figure": self.name,
            "measured": self.measured,
            "at_most": match self.bound { Some(Bound::AtMost(most)) => Some(most), _ => None },
            "at_least": match self.bound { Some(Bound::AtLeast(least)) => Some(least), _ => None },
            "unit": self.unit.name(),
            "met": self.is_met(),
        })
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Bytes => "bytes",
            Self::Mebibytes => "MiB",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Ratio => "times",
            Self::Percent => "%",
        }
    }

    /// A number of this unit in words.
    pub fn show(self, number: f64) -> String {
        match self {
            _ if number.is_nan() => "-".to_owned(),
            Self::Count => whole(number),
            Self::Bytes => format!("{} {}", whole(number), self.name()),
            Self::Mebibytes => format!("{number:.0} {}", self.name()),
            Self::Seconds | Self::Milliseconds | Self::Ratio => {
                format!("{number:.2} {}", self.name())
            }
            Self::Percent => format!("{number:.3} {}", self.name()),
        }
    }
}

/// Figure beside bound.
pub fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new(&["figure", "measured", "bound", ""]);
    for figure in figures {
        table.row(vec![
            figure.name.to_owned(),
            figure.shown(),
            figure.shown_bound(),
            figure.verdict().to_owned(),
        ]);
    }
    table
}

/// A count that a median may have made half of one.
fn whole(number: f64) -> String {
    // The cast saturates, and numbers of bytes are far below 2^53.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = number.round() as u64;
    thousands(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_bounds() {
        let most = |measured| Figure::at_most("a", measured, 2.0, Unit::Seconds);
        assert!(most(2.0).is_met() && !most(2.1).is_met() && !most(f64::NAN).is_met());
        let least = |measured| Figure::at_least("a", measured, 97.0, Unit::Percent);
        assert!(least(97.0).is_met() && !least(96.9).is_met() && !least(f64::NAN).is_met());
        assert_eq!(least(98.0).shown_bound(), "≥ 97.000 %");
        assert_eq!(most(1.0).shown_bound(), "≤ 2.00 s");
        assert_eq!(Figure::beside("a", 1.0, Unit::Ratio).shown_bound(), "");
        assert_eq!(least(96.0).to_json()["at_least"], 97.0);
        assert_eq!(least(96.0).to_json()["at_most"], Value::Null);
    }

    #[test]
    fn met_and_not_met() {
        let figures = [
            Figure::at_most("kept", 1.0, 2.0, Unit::Bytes),
            Figure::at_most("missed", 3.0, 2.0, Unit::Bytes),
            Figure::at_least("not measured", f64::NAN, 2.0, Unit::Bytes),
        ];
        let text = table(&figures).to_text();
        assert_eq!(text.matches("not met").count(), 2);
        assert_eq!(figures[2].shown(), "-");
    }
}
