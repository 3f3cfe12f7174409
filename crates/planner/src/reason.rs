//! Why a candidate is the choice, in words made from the numbers.

use matchmark_graph::LayerGroups;

use crate::candidate::Candidate;
use crate::request::{Limits, Objective};

/// A candidate in a few words.
pub(crate) fn describe(candidate: &Candidate) -> String {
    let Candidate {
        cut,
        groups,
        segment_steps,
        profile,
        ..
    } = candidate;
    let groups = match *groups {
        LayerGroups::ONE => String::new(),
        groups => format!("{groups} groups of layers, "),
    };
    let plural = if *segment_steps == 1 { "" } else { "s" };
    format!("{cut}, {groups}{segment_steps} step{plural} a segment, {profile}")
}

/// A cost with its unit.
#[must_use]
pub fn show(cost: f64, objective: Objective) -> String {
    match objective {
        Objective::Bytes => format!("{} bytes", thousands(cost)),
        Objective::Prove => format!("{cost:.2} s of processor time"),
        Objective::Verify => format!("{cost:.1} ms"),
        Objective::Memory => format!("{:.1} MiB", cost / f64::from(1_u32 << 20)),
    }
}

fn thousands(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a candidate costs beside another, by the objective.
fn against(candidate: &Candidate, choice: &Candidate, objective: Objective) -> String {
    let (cost, least) = (candidate.cost(objective), choice.cost(objective));
    let percent = (cost / least - 1.0) * 100.0;
    let direction = if percent < 0.0 { "less" } else { "more" };
    format!(
        "{}, {:.1} % {direction}",
        show(cost, objective),
        percent.abs()
    )
}

/// The choice beside the next candidate, and beside the best of those that a limit excludes, if that
/// one would be better.
pub(crate) fn of(
    choice: &Candidate,
    next: Option<&Candidate>,
    best_excluded: Option<&Candidate>,
    objective: Objective,
    limits: &Limits,
) -> String {
    let mut text = format!(
        "{} has the least for {objective}: {}",
        describe(choice),
        show(choice.cost(objective), objective)
    );
    match next {
        Some(next) => {
            let cost = against(next, choice, objective);
            text += &format!("; the next, {}, would take {cost}.", describe(next));
        }
        None => text += "; it is the only one.",
    }
    let better = best_excluded.filter(|excluded| excluded.compare(choice, objective).is_lt());
    if let Some(better) = better {
        let mut bounds = vec![];
        if let (false, Some(bytes)) = (better.fits_memory(limits), limits.max_memory) {
            bounds.push(format!("memory of {bytes} bytes"));
        }
        if let (false, Some(steps)) = (better.fits_latency(limits), limits.max_latency_steps) {
            bounds.push(format!("latency of {} steps", steps.get()));
        }
        text += &format!(
            " Without the bound on {}, {} would take {}.",
            bounds.join(" and the bound on "),
            describe(better),
            against(better, choice, objective)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_their_units() {
        assert_eq!(show(1_234_567.0, Objective::Bytes), "1,234,567 bytes");
        assert_eq!(show(999.0, Objective::Bytes), "999 bytes");
        assert_eq!(show(1.234, Objective::Prove), "1.23 s of processor time");
        assert_eq!(show(3_145_728.0, Objective::Memory), "3.0 MiB");
    }
}
