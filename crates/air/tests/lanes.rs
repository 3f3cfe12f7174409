//! Values that stand side by side in a row: whichever lane says something else, the relation refuses it.
#![allow(clippy::unwrap_used)]

mod common;

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::column::field;
use matchmark_air::layout::{LaneChoice, SegmentLayout};
use matchmark_air::mock::check;
use matchmark_air::witness::{ComponentTrace, SegmentWitness};
use matchmark_graph::LayerGroups;
use matchmark_statement::Cut;

use common::{model, model_with, witness_of, witness_with_lanes};

/// Up to so many lanes in each component, whatever that costs: all of a decoder and its parts, in one proof and in two.
#[test]
fn any_number_of_lanes_satisfies_the_relation() {
    let model = model(true);
    for most in 1..=8 {
        let choice = LaneChoice::UpTo(most);
        for (count, index) in [(1, 0), (3, 0), (3, 1), (3, 2)] {
            let group = (LayerGroups::new(count).unwrap(), index);
            let cut = [Cut::Fused, Cut::Split][most % 2];
            let (layout, witness) = witness_with_lanes(&model, group, (cut, 4), choice, |_, _| {});
            assert_eq!(layout.vector_lanes(), most.min(2));
            assert_eq!(layout.score_lanes(), most);
            let decoder = layout.decoder().unwrap();
            assert_eq!(decoder.gated_lanes(), most);
            assert_eq!(12 % decoder.stream_lanes(), 0);
            assert_eq!(check(&layout, &witness), Ok(()), "{most} {count} {index}");
        }
    }
}

/// The witness with other columns, and the uses of tables that follow.
fn changed(
    layout: &SegmentLayout,
    witness: &SegmentWitness,
    change: impl FnOnce(&mut ComponentTrace),
    component: &str,
) -> SegmentWitness {
    let mut witness = witness.clone();
    change(witness.main.component_mut(component));
    let circuit = witness.circuit(layout, RlcChallenges::structural());
    witness.main.count_uses(&circuit, layout);
    witness
}

/// Names of what refuses each column of a component's last lane, if it is one more on one row.
fn refusals(
    layout: &SegmentLayout,
    honest: &SegmentWitness,
    component: &str,
    names: &[&'static str],
    row: usize,
) -> Vec<&'static str> {
    let refusal = |name: &&'static str| {
        let one_more = |columns: &mut ComponentTrace| {
            let column = columns.named_mut(name).last().unwrap();
            column[row] += field(1);
        };
        let other = changed(layout, honest, one_more, component);
        check(layout, &other).unwrap_err().name()
    };
    names.iter().map(refusal).collect()
}

/// Exchanges these columns of two lanes on a row.
fn exchange(columns: &mut ComponentTrace, names: &[&'static str], row: usize) {
    for name in names {
        let mut lanes: Vec<_> = columns.named_mut(name).collect();
        let first = lanes[0][row];
        lanes[0][row] = lanes[1][row];
        lanes[1][row] = first;
    }
}

/// Channels of the stream stand side by side where that takes fewer cells. Whichever lane says something else, the
/// relation refuses it.
#[test]
fn many_channels_of_the_stream_have_lanes() {
    let model = model_with(false, [768, 20, 30, 120]);
    let groups = LayerGroups::new(3).unwrap();
    for index in 0..2 {
        let group = (groups, index);
        let (layout, honest) = witness_of(&model, group, Cut::Fused, 113, |_, _| {});
        let decoder = layout.decoder().unwrap();
        assert_eq!(decoder.stream_lanes(), 3);
        assert_eq!(decoder.stream_row(1, 1, 2), (256 * 113 + 2, 1));
        assert_eq!(check(&layout, &honest), Ok(()), "{index}");
        if index == 0 {
            continue;
        }
        let (row, lane) = decoder.stream_row(1, 500, 40);
        assert_eq!(lane, 2);
        let names = [
            "high",
            "low",
            "excess",
            "excess high",
            "remainder",
            "normalized",
            "normalized excess",
            "norm remainder low",
            "norm remainder high",
            "high sum",
            "factor",
        ];
        let normalized = "normalized value is h * R over the divisor";
        let ends = "only an end clamps";
        let found = refusals(&layout, &honest, "stream", &names, row);
        assert_eq!(
            found,
            [
                normalized,
                normalized,
                ends,
                ends,
                "linear output",
                normalized,
                normalized,
                normalized,
                normalized,
                "squares of high limbs accumulate",
                normalized,
            ]
        );
        // Two channels exchanged have the same norm.
        let all = |columns: &mut ComponentTrace| exchange(columns, &names[..9], row);
        let other = changed(&layout, &honest, all, "stream");
        assert_eq!(check(&layout, &other).unwrap_err().name(), "linear output");
    }
}

/// Steps of a gate stand side by side where that takes fewer cells, and the first row of a channel lacks some where
/// they do not divide the steps. Whichever lane says something else, the relation refuses it.
#[test]
fn many_steps_of_a_gate_have_lanes() {
    let model = model_with(false, [12, 1200, 30, 120]);
    let group = (LayerGroups::new(3).unwrap(), 1);
    let (layout, honest) = witness_of(&model, group, Cut::Fused, 113, |_, _| {});
    let decoder = layout.decoder().unwrap();
    assert_eq!((decoder.gated_lanes(), decoder.gated_missing()), (3, 1));
    assert_eq!(decoder.gated_row(0, 7, 4), (7 * 38 + 1, 2));
    assert_eq!(check(&layout, &honest), Ok(()));
    let names = [
        "gate",
        "gate excess",
        "gate remainder",
        "up",
        "up excess",
        "up remainder",
        "activation",
        "gated",
        "gated excess",
        "gated remainder",
    ];
    let (row, lane) = decoder.gated_row(0, 500, 40);
    assert_eq!(lane, 2);
    let (ends, product) = (
        "only an end clamps",
        "gated value is activation * up, rescaled",
    );
    let found = refusals(&layout, &honest, "gated", &names, row);
    let (table, output) = ("activation table", "linear output");
    assert_eq!(
        found,
        [table, ends, output, product, ends, output, product, product, product, product]
    );
    // Two steps exchanged.
    let all = |columns: &mut ComponentTrace| exchange(columns, &names, row);
    let other = changed(&layout, &honest, all, "gated");
    assert_eq!(check(&layout, &other).unwrap_err().name(), "linear output");
    // In the lane before the first step nothing is free that a sum has in it.
    let (first, lane) = decoder.gated_row(0, 500, 0);
    assert_eq!(lane, 1);
    let before = |name: &'static str| {
        let one_more = |columns: &mut ComponentTrace| {
            columns.named_mut(name).next().unwrap()[first] += field(1);
        };
        let other = changed(&layout, &honest, one_more, "gated");
        check(&layout, &other).unwrap_err().name()
    };
    let (values, accumulators) = (
        "values before the first step are zero",
        "accumulators before the first step are zero",
    );
    let found = names.map(before);
    assert_eq!(
        found,
        [
            values,
            ends,
            accumulators,
            values,
            ends,
            accumulators,
            table,
            product,
            product,
            product
        ]
    );
}
