//! How far predictions are from those of the floats, by position.

use serde::Serialize;

/// Positions below this are one range; each range above ends at twice its beginning.
const FIRST_END: usize = 64;

/// Kullback-Leibler divergence of an integer model's predictions from those of floats: `sum p ln (p / q)` over the
/// vocabulary, with `p` of the floats and `q` of the integers, in nats, by ranges of positions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Divergence {
    /// Positions 0 to 63, 64 to 127, 128 to 255, and so on; as many ranges as there is something of.
    ranges: Vec<DivergenceSum>,
}

/// The divergence at some positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DivergenceSum {
    /// Predictions.
    pub predictions: u64,
    /// Sum of their divergences.
    pub nats: f64,
}

impl DivergenceSum {
    /// The mean over the predictions.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.nats / self.predictions.max(1) as f64
    }
}

impl Divergence {
    /// At all positions.
    #[must_use]
    pub fn total(&self) -> DivergenceSum {
        let sum = |a: DivergenceSum, b: &DivergenceSum| DivergenceSum {
            predictions: a.predictions + b.predictions,
            nats: a.nats + b.nats,
        };
        self.ranges.iter().fold(DivergenceSum::default(), sum)
    }

    /// Ranges of positions, first and behind the last, at which something was predicted. Positions are those of
    /// the token after which it is, the prefix counted.
    pub fn by_position(
        &self,
    ) -> impl Iterator<Item = (std::ops::Range<usize>, DivergenceSum)> + '_ {
        let ranges = self.ranges.iter().enumerate();
        ranges
            .map(|(index, sum)| {
                let end = FIRST_END << index;
                (if index == 0 { 0 } else { end / 2 }..end, *sum)
            })
            .filter(|(_, sum)| sum.predictions > 0)
    }

    /// Counts a prediction after the token at a position.
    pub(super) fn include(&mut self, position: usize, float: &[f64], integer: &[f64]) {
        let index = (position / FIRST_END).checked_ilog2();
        let index = index.map_or(0, |log| log as usize + 1);
        if self.ranges.len() <= index {
            self.ranges.resize(index + 1, DivergenceSum::default());
        }
        let range = &mut self.ranges[index];
        range.predictions += 1;
        range.nats += divergence(float, integer);
    }
}

/// `sum p ln (p / q)` for the logits of `p` and `q`.
fn divergence(float: &[f64], integer: &[f64]) -> f64 {
    let (log_p, log_q) = (log_sum(float), log_sum(integer));
    let terms = float.iter().zip(integer).map(|(p, q)| {
        let (p, q) = (p - log_p, q - log_q);
        libm::exp(p) * (p - q)
    });
    terms.sum()
}

/// The logarithm of the sum of exponentials.
pub(super) fn log_sum(logits: &[f64]) -> f64 {
    let maximum = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| libm::exp(x - maximum)).sum();
    libm::log(sum) + maximum
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_two_distributions() {
        // p = (3/4, 1/4), q = (1/2, 1/2): 3/4 ln 3/2 + 1/4 ln 1/2.
        let p = [libm::log(3.0) + 7.0, 7.0];
        let got = divergence(&p, &[-1.0, -1.0]);
        let expected = 0.75 * libm::log(1.5) - 0.25 * libm::log(2.0);
        assert!((got - expected).abs() < 1e-15, "{got}");
        assert_eq!(divergence(&p, &p), 0.0);
        // The other way round it is another number: the floats are what it is weighted by.
        let back = 0.5 * libm::log(2.0 / 3.0) + 0.5 * libm::log(2.0);
        assert!((divergence(&[0.0, 0.0], &p) - back).abs() < 1e-15);
    }

    #[test]
    fn ranges_of_positions() {
        let mut divergence = Divergence::default();
        let (p, q) = ([1.0, 0.0], [0.0, 1.0]);
        for position in [0, 63, 256, 511, 1024, 2047] {
            divergence.include(position, &p, &q);
        }
        divergence.include(512, &p, &p);
        let ranges: Vec<_> = divergence.by_position().collect();
        let of = |at: usize| (ranges[at].0.clone(), ranges[at].1.predictions);
        assert_eq!(of(0), (0..64, 2));
        assert_eq!(of(1), (256..512, 2));
        assert_eq!(of(2), (512..1024, 1));
        assert_eq!(of(3), (1024..2048, 2));
        assert_eq!(ranges.len(), 4);
        assert_eq!(ranges[2].1.nats, 0.0);
        assert_eq!(ranges[0].1, ranges[3].1);
        let total = divergence.total();
        assert_eq!(total.predictions, 7);
        assert!((total.mean() - ranges[0].1.mean() * 6.0 / 7.0).abs() < 1e-15);
        // Nothing was predicted between.
        assert_eq!(Divergence::default().total().mean(), 0.0);
    }
}
