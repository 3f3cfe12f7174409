//! Expected numbers of nodes that independent uniform query positions touch.
//!
//! All of it follows from one fact: of `m` nodes, `k` given ones are missed by all of `n` positions with
//! probability `(1 - k/m)^n`, and expectations add up over nodes.

/// Probability that `n` positions miss `k` given nodes of `2^log_nodes`.
fn missed(k: f64, log_nodes: u32, n: u32) -> f64 {
    (1.0 - k / nodes(log_nodes)).max(0.0).powf(f64::from(n))
}

fn nodes(log_nodes: u32) -> f64 {
    f64::from(log_nodes).exp2()
}

/// Expected number of different nodes, of `2^log_nodes`, that `n` positions fall into.
pub(crate) fn occupied(log_nodes: u32, n: u32) -> f64 {
    nodes(log_nodes) * (1.0 - missed(1.0, log_nodes, n))
}

/// Expected number of nodes that complete the paths of `n` positions from `2^height` leaves to the
/// root: on every level the nodes that no position falls into while one falls into their sibling.
pub(crate) fn path_nodes(height: u32, n: u32) -> f64 {
    (1..=height)
        .map(|level| nodes(level) * (missed(1.0, level, n) - missed(2.0, level, n)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All `2^(height n)` ways to draw, counted.
    fn enumerated(height: u32, n: u32) -> (f64, f64) {
        let (mut nodes, mut leaves, all) = (0_u32, 0_u32, 1_u32 << (height * n));
        for draw in 0..all {
            let mut level: Vec<u32> = (0..n)
                .map(|i| draw >> (i * height) & ((1 << height) - 1))
                .collect();
            for step in 0..=height {
                level.sort_unstable();
                level.dedup();
                if step == 0 {
                    leaves += u32::try_from(level.len()).unwrap_or(u32::MAX);
                }
                if step < height {
                    let alone = level.iter().filter(|node| !level.contains(&(**node ^ 1)));
                    nodes += u32::try_from(alone.count()).unwrap_or(u32::MAX);
                }
                level.iter_mut().for_each(|node| *node >>= 1);
            }
        }
        let mean = |sum: u32| f64::from(sum) / f64::from(all);
        (mean(leaves), mean(nodes))
    }

    #[test]
    fn equal_to_all_cases_counted() {
        for (height, n) in [(0, 3), (1, 1), (1, 4), (2, 3), (3, 3), (3, 5), (4, 4)] {
            let (leaves, nodes) = enumerated(height, n);
            assert!((occupied(height, n) - leaves).abs() < 1e-9, "{height} {n}");
            assert!((path_nodes(height, n) - nodes).abs() < 1e-9, "{height} {n}");
        }
    }

    #[test]
    fn one_position_needs_a_node_on_every_level() {
        for height in 0..30 {
            assert!((path_nodes(height, 1) - f64::from(height)).abs() < 1e-6);
            assert!((occupied(height, 1) - 1.0).abs() < 1e-6);
        }
    }
}
