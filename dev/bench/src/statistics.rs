//! The few statistics that the figures need.

/// The middle value, or the mean of the two middle ones. NaN for no values, which meets no bound.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The median of the ratios of values that were measured beside each other, pair by pair: what makes the
/// machine slow for a while makes both slow. NaN for no pairs, which meets no bound.
pub fn median_ratio(values: &[f64], against: &[f64]) -> f64 {
    let pairs = values.iter().zip(against);
    median(&pairs.map(|(value, base)| value / base).collect::<Vec<_>>())
}

/// The median of the differences of values that were measured beside each other. NaN for no pairs.
pub fn median_difference(values: &[f64], against: &[f64]) -> f64 {
    let pairs = values.iter().zip(against);
    median(&pairs.map(|(value, base)| value - base).collect::<Vec<_>>())
}

/// The largest value; NaN for none.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn ratios_are_of_pairs() {
        // A machine that is three times slower in the second round changes no ratio.
        assert_eq!(median_ratio(&[4.0, 12.0, 6.0], &[2.0, 6.0, 2.0]), 2.0);
        assert!(median_ratio(&[1.0], &[]).is_nan());
    }

    #[test]
    fn differences_are_of_pairs() {
        assert_eq!(median_difference(&[4.0, 13.0, 6.0], &[2.0, 10.0, 5.0]), 2.0);
        assert!(median_difference(&[], &[1.0]).is_nan());
    }

    #[test]
    fn largest_values() {
        assert_eq!(largest(&[1.0, 5.0, 2.0]), 5.0);
        assert!(largest(&[]).is_nan());
    }
}
