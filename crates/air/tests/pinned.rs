//! Pinned descriptions of the relation: a change of the circuit is a diff of these snapshots, and of
//! the relation digest.
#![allow(clippy::unwrap_used)]

use matchmark_air::circuit::ProofColumns;
use matchmark_air::describe::{
    contents, describe_contents, describe_digits_relation, describe_relation, describe_segment,
    digest_of, digit_layouts, reference_layouts, relation_digest, ContentDescription,
    LayoutDescription,
};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::preprocessed::Preprocessed;
use matchmark_air::trees::TreeOrder;
use matchmark_air::{DIGITS_RELATION_DIGEST, RELATION_DIGEST};
use matchmark_statement::{ProofPart, SegmentKind};
use num_traits::One;
use stwo::core::fields::m31::M31;

fn description(index: usize) -> String {
    let (layout, entries_before) = reference_layouts().unwrap().swap_remove(index);
    describe(&layout, entries_before)
}

fn description_in_digits(index: usize) -> String {
    let (layout, entries_before) = digit_layouts().unwrap().swap_remove(index);
    describe(&layout, entries_before)
}

fn describe(layout: &SegmentLayout, entries_before: usize) -> String {
    let components = describe_segment(layout, entries_before);
    let mut text = String::new();
    for component in components {
        text.push_str(&component.to_string());
        text.push('\n');
    }
    let mut openings = |title: &str, part, columns: ProofColumns| {
        text.push_str(title);
        let order = TreeOrder::of(layout, part);
        for (tree, columns) in order.of_components().iter().zip(&columns.samples) {
            let openings: usize = columns.iter().sum();
            text.push_str(&format!(
                "\n  {}: {} ({openings} samples)",
                tree.name(),
                columns.len()
            ));
        }
    };
    let titles = ["opened columns by tree:", "\nof the lookup proof:"];
    for (title, part) in titles.into_iter().zip(layout.parts()) {
        openings(title, part, ProofColumns::of(layout, part));
    }
    text.push_str("\ncontents:");
    for content in describe_contents(layout).unwrap() {
        text.push_str(&format!("\n  {content}"));
    }
    text
}

#[test]
fn default_relation() {
    insta::assert_snapshot!(description(0));
}

#[test]
fn grouped_heads_floor_division() {
    insta::assert_snapshot!(description(1));
}

#[test]
fn wide_gaps_without_clipping() {
    insta::assert_snapshot!(description(2));
}

#[test]
fn clipping_in_two_limbs() {
    insta::assert_snapshot!(description(3));
}

#[test]
fn bounded_clipping_and_rounding_shift() {
    insta::assert_snapshot!(description(4));
}

#[test]
fn exact_clipping() {
    insta::assert_snapshot!(description(5));
}

#[test]
fn default_relation_split() {
    insta::assert_snapshot!(description(6));
}

#[test]
fn split_with_a_table_longer_than_the_pairs() {
    insta::assert_snapshot!(description(7));
}

#[test]
fn decoder() {
    insta::assert_snapshot!(description(8));
}

#[test]
fn decoder_with_biases() {
    insta::assert_snapshot!(description(10));
}

#[test]
fn first_layers_of_a_decoder() {
    insta::assert_snapshot!(description(11));
}

#[test]
fn layers_between_others() {
    insta::assert_snapshot!(description(12));
}

#[test]
fn last_layers_of_a_decoder() {
    insta::assert_snapshot!(description(13));
}

#[test]
fn decoder_with_many_tokens() {
    insta::assert_snapshot!(description(14));
}

#[test]
fn layers_with_lanes() {
    insta::assert_snapshot!(description(15));
}

#[test]
fn lanes_of_heads_and_positions() {
    insta::assert_snapshot!(description(16));
}

#[test]
fn lanes_of_heads_and_positions_split() {
    insta::assert_snapshot!(description(17));
}

#[test]
fn split_decoder() {
    insta::assert_snapshot!(description(9));
}

#[test]
fn two_digits() {
    insta::assert_snapshot!(description_in_digits(0));
}

#[test]
fn two_digits_floor_division() {
    insta::assert_snapshot!(description_in_digits(1));
}

#[test]
fn two_digits_split() {
    insta::assert_snapshot!(description_in_digits(2));
}

#[test]
fn decoder_of_two_digits() {
    insta::assert_snapshot!(description_in_digits(3));
}

#[test]
fn split_decoder_of_two_digits() {
    insta::assert_snapshot!(description_in_digits(4));
}

#[test]
fn two_digits_with_lanes() {
    insta::assert_snapshot!(description_in_digits(5));
}

#[test]
fn relation_digest_is_the_pinned_one() {
    assert_eq!(relation_digest().unwrap(), RELATION_DIGEST);
}

/// The relation of values in two digits has a digest of its own, which covers the other relation as well.
#[test]
fn relation_digest_of_two_digits_is_the_pinned_one() {
    let all = describe_digits_relation().unwrap();
    assert_eq!(digest_of(&all), DIGITS_RELATION_DIGEST);
    let whole = reference_layouts().unwrap();
    assert!(whole.iter().all(|(layout, _)| layout.digits().is_none()));
    let digits = digit_layouts().unwrap();
    assert!(digits.iter().all(|(layout, _)| layout.digits().is_some()));
    assert_eq!(all.len(), whole.len() + digits.len());
}

/// The digests cover every selector, every other fixed column, and the verifier's own terms: one other
/// element in any of them is another relation.
#[test]
fn one_other_element_is_another_relation() {
    let relation = describe_relation().unwrap();
    assert_eq!(digest_of(&relation), RELATION_DIGEST);
    let layouts = reference_layouts().unwrap();
    let names = names_of_covered(&layouts, &relation);
    // All layers, layers between others, so many tokens that the choice has lanes, and lanes in the layers.
    for index in [8, 12, 14, 15] {
        let (decoder, _) = &layouts[index];
        assert_eq!(decoder.kind(), SegmentKind::Decoder);
        for column in Preprocessed::of(decoder, ProofPart::Whole) {
            let name = format!("{} {}", ProofPart::Whole, column.name());
            assert!(names.contains(&name), "{name} is not covered");
        }
    }
    for name in [
        "tuples of the verifier, linear input",
        "public chosen 0",
        "public output",
    ] {
        assert!(names.iter().any(|it| it == name), "{name} is not covered");
    }
    let digits = digit_layouts().unwrap();
    let relation = describe_digits_relation().unwrap();
    let own = &relation[relation.len() - digits.len()..];
    let names = names_of_covered(&digits, own);
    let high = format!("{} table_value_high", ProofPart::Whole);
    assert!(names.contains(&high), "{high} is not covered");
}

/// Changes every element of a description that says something, and returns what it has.
fn names_of_covered(
    layouts: &[(SegmentLayout, usize)],
    relation: &[LayoutDescription],
) -> Vec<String> {
    let digest = digest_of(relation);
    let mut names = vec![];
    for (index, (layout, _)) in layouts.iter().enumerate() {
        for (place, (name, elements)) in contents(layout).unwrap().into_iter().enumerate() {
            // Of layers between others the verifier has no tuples.
            let Some(last) = elements.len().checked_sub(1) else {
                continue;
            };
            for at in [0, last / 2, last] {
                let mut changed = elements.clone();
                changed[at] += M31::one();
                let mut other = relation.to_vec();
                other[index].contents[place] = ContentDescription::of(name.clone(), &changed);
                assert_ne!(digest_of(&other), digest, "{name} {at}");
            }
            names.push(name);
        }
    }
    names
}

#[test]
fn no_constraint_exceeds_degree_three() {
    let whole = reference_layouts().unwrap();
    for (layout, entries_before) in whole.into_iter().chain(digit_layouts().unwrap()) {
        for component in describe_segment(&layout, entries_before) {
            for (name, degree) in component.constraints {
                assert!(
                    degree <= 3,
                    "{}: {name} has degree {degree}",
                    component.name
                );
            }
        }
    }
}
