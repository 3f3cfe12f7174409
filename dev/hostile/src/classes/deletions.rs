//! Every constraint, every lookup and every relation is deleted once; see [`crate::deletions`]. Another
//! class than this one, `names` and the pinned snapshots has to fail each time. In full, all classes are
//! asked, and what one of them alone notices is told; in quick, a part of the deletions is made, up to
//! the first class that notices it.
use std::collections::BTreeMap;
use std::sync::Arc;

use matchmark_air::relation::RelationTag;
use matchmark_statement::Cut;

use super::{cells, decoders, forgeries};
use crate::cases::{all, Case};
use crate::decoder;
use crate::decoder::within::on_digits;
use crate::deletions::{Noticed, Sweep};
use crate::report::{Extent, Recorder};
use crate::stated::Item;

pub fn run(recorder: &mut Recorder) {
    let fused: Vec<_> = all().iter().map(|spec| spec.case()).collect();
    let (fused, split): (Vec<_>, Vec<_>) = fused
        .into_iter()
        .partition(|case| case.layout.cut() == Cut::Fused);
    let decoders: Vec<_> = decoder::cases::all()
        .iter()
        .map(|spec| spec.case())
        .collect();
    of_kind(recorder, "fused", &fused, 11);
    of_kind(recorder, "split", &split, 11);
    of_kind(recorder, "decoder", &decoders, 40);
}

/// Deletes from all cases of a kind; in quick, one thing in so many.
fn of_kind(recorder: &mut Recorder, kind: &str, cases: &[Arc<Case>], every: usize) {
    let seed = recorder.seed;
    let is_full = recorder.extent == Extent::Full;
    let part = (seed as usize, recorder.amount(every, 1));
    let mut sweep = Sweep::new(cases, part, is_full, |item| {
        kind != "decoder" || !is_range_of_attention(item) || is_of_digits(cases, item)
    });
    let stride = recorder.amount(5, 1);
    for case in cases {
        if case.decoder.is_none() {
            sweep.attempts("forgeries", case, forgeries::of_case(case, seed));
            sweep.attempts("cells", case, cells::attempts(case, seed, stride));
        } else {
            sweep.attempts("decoders", case, decoders::of_case(case, seed, 7 * stride));
        }
    }
    for case in cases {
        sweep.constraint_drop(case);
    }
    // What a part of the cells does not notice, one of all of them may.
    for case in cases {
        if case.decoder.is_none() {
            sweep.last_attempts("cells", case, cells::attempts(case, seed, 1));
        } else {
            let cells = decoder::cells::attempts(case, seed, 1, usize::MAX);
            sweep.last_attempts("decoders", case, cells.map(|(attempt, _)| attempt));
        }
    }
    for (item, noticed) in sweep.noticed() {
        let label = format!("{kind}/{item}");
        recorder.noticed(&label, noticed.keys().copied().collect());
        recorder.require(&label, || match noticed.is_empty() {
            false => Ok(()),
            true => Err("deleted, and no class notices it".into()),
        });
    }
    if is_full {
        notes(recorder, kind, sweep.noticed().iter());
    }
}

/// The attention's lookups of limbs, each worth one unit of an output or of a gap: in a decoder that moves
/// hardly any choice. They are deleted from the attention's own cases.
fn is_range_of_attention(item: &Item) -> bool {
    let is_attention = ["vectors", "scores"].contains(&item.component.as_str());
    is_attention && item.tag() == Some(RelationTag::Limb)
}

/// A carry makes up for another output altogether, and so its limbs are deleted from decoders as well.
fn is_of_digits(cases: &[Arc<Case>], item: &Item) -> bool {
    let mut labels = cases.iter().filter_map(|case| item.label(case));
    labels.any(|label| on_digits(&label).is_some())
}

/// How many deletions each class notices, and which are noticed by one alone.
fn notes<'a>(
    recorder: &mut Recorder,
    kind: &str,
    noticed: impl Iterator<Item = (&'a Item, &'a Noticed)>,
) {
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut total = 0;
    for (item, noticed) in noticed {
        total += 1;
        noticed
            .keys()
            .for_each(|class| *counts.entry(class).or_default() += 1);
        if let (Some(class), 1) = (noticed.keys().next(), noticed.len()) {
            recorder.note(format!("{kind}/{item}: noticed by {class} alone"));
        }
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(class, count)| format!("{count} by {class}"))
        .collect();
    let counts = counts.join(", ");
    recorder.note(format!("{kind}: of {total} deletions are noticed {counts}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attacks;
    use crate::cases::shifted;
    use crate::checker::names;
    use crate::stated::What;

    /// The case in which the attention has every kind of constraint, in full.
    fn sweep(case: &Arc<Case>) -> Sweep {
        Sweep::new(std::slice::from_ref(case), (0, 1), true, |_| true)
    }

    /// Without attempts nothing is noticed, so that a class without them would fail.
    #[test]
    fn nothing_is_noticed_without_attempts() {
        let case = shifted().case();
        let mut sweep = sweep(&case);
        sweep.attempts("forgeries", &case, std::iter::empty());
        assert!(sweep.noticed().len() > 40);
        assert!(sweep.noticed().values().all(Noticed::is_empty));
    }

    /// Every constraint is noticed by the forgeries, which know neither the list nor the components.
    #[test]
    fn forgeries_notice_every_constraint() {
        let case = shifted().case();
        let mut sweep = sweep(&case);
        sweep.attempts("forgeries", &case, forgeries::of_case(&case, 1));
        let noticed = sweep.noticed().iter();
        let constraints = noticed.filter(|(item, _)| item.what == What::Constraint);
        let (noticed, missed): (Vec<_>, Vec<_>) = constraints
            .map(|(item, noticed)| (item.name.as_str(), noticed.contains_key("forgeries")))
            .partition(|(_, noticed)| *noticed);
        assert_eq!(missed, vec![]);
        for name in [
            "denominator is constant over a step",
            "rounding shift is half of r - Z",
        ] {
            assert!(noticed.contains(&(name, true)), "{name}");
        }
    }

    /// And so is every lookup that a false claim can do without.
    #[test]
    fn forgeries_notice_every_lookup_that_they_attack() {
        let case = shifted().case();
        let names = names(&case);
        let mut sweep = sweep(&case);
        sweep.attempts("forgeries", &case, forgeries::of_case(&case, 1));
        for alone in attacks::alone(&case) {
            let Some(lookup) = &alone.lookup else {
                continue;
            };
            let mut noticed = sweep.noticed().iter();
            let noticed = noticed.find(|(item, _)| item.drop(&names).as_ref() == Some(lookup));
            let (item, noticed) = noticed.unwrap();
            assert!(noticed.contains_key("forgeries"), "{item}: {}", alone.label);
        }
    }
}
