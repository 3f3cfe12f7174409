//! What the relation holds besides constraints: selectors, tables of the relation's own, and the terms that
//! the verifier adds itself.
//!
//! A constraint says nothing without the selectors that it multiplies, and a relation balances with the
//! tuples that the verifier brings. The constraint expressions name both and hold neither.
use std::fmt;

use matchmark_graph::Kind;
use matchmark_quant::TaggedSha256;
use matchmark_statement::RelationDigest;
use matchmark_tables::WeightTable;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;

use super::ReferenceError;
use crate::decoder::tokens::{chosen_columns, public_tuples};
use crate::layout::SegmentLayout;
use crate::ops::attention::vectors::entries::entry_columns;
use crate::preprocessed::{Constants, Preprocessed};
use crate::relation::RelationTag;

/// A list of field elements that is part of the relation: a column, or the verifier's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentDescription {
    /// What it is.
    pub name: String,
    /// Number of elements.
    pub elements: usize,
    /// SHA-256 of the elements.
    pub digest: String,
}

impl ContentDescription {
    /// Describes a list of elements.
    pub fn of(name: impl Into<String>, elements: &[M31]) -> Self {
        let mut digest = TaggedSha256::new("matchmark/relation-content/v1");
        for element in elements {
            digest.update(&element.0.to_le_bytes());
        }
        Self {
            name: name.into(),
            elements: elements.len(),
            digest: RelationDigest::from_bytes(digest.finish()).to_string(),
        }
    }
}

impl fmt::Display for ContentDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            elements,
            digest,
        } = self;
        write!(f, "{name}: {elements} elements, {digest}")
    }
}

/// The contents that belong to a layout, by name: every preprocessed column of its proofs, the public columns
/// for some values, and the verifier's own tuples for some tokens and a fixed challenge.
///
/// # Errors
///
/// Never, unless the limits of the parameters are changed.
pub fn contents(layout: &SegmentLayout) -> Result<Vec<(String, Vec<M31>)>, ReferenceError> {
    let table = reference_table(layout)?;
    let arithmetic = layout.decoder().map(|it| -> Result<_, ReferenceError> {
        let whole = super::reference_arithmetic(it.shape())?;
        Ok(whole.of_group(it.shape(), it.layers())?)
    });
    let arithmetic = arithmetic.transpose()?;
    let constants = Constants {
        table: &table,
        arithmetic: arithmetic.as_ref(),
    };
    let mut contents = vec![];
    for part in layout.parts() {
        for column in Preprocessed::of(layout, part) {
            let name = format!("{part} {}", column.name());
            contents.push((name, column.column(layout, &constants)));
        }
    }
    match layout.decoder() {
        None => {
            let names = ["query", "key", "value", "output"];
            let columns = reference_entries(layout);
            let columns = names.into_iter().zip(columns);
            contents.extend(columns.map(|(name, column)| (format!("public {name}"), column)));
        }
        Some(decoder) => {
            let tokens = |factor: usize| -> Vec<u32> {
                let vocabulary = decoder.shape().vocabulary();
                (0..decoder.steps())
                    .map(|step| (factor * (step / 2) + 1) % vocabulary)
                    .map(|token| u32::try_from(token).unwrap_or(u32::MAX))
                    .collect()
            };
            // Two steps each consume and choose the same token.
            let (consumed, chosen) = (tokens(7), tokens(11));
            let challenge = QM31::from_u32_unchecked(3, 5, 7, 11);
            let tuples = public_tuples(decoder, &consumed, challenge);
            let elements = tuples.iter().flat_map(|(tag, values, times)| {
                let tag = [tag.element()].into_iter();
                tag.chain(values.iter().copied()).chain([*times])
            });
            let name = format!(
                "tuples of the verifier, {}",
                RelationTag::LinearInput.name()
            );
            contents.push((name, elements.collect()));
            if decoder.has(Kind::Argmax) {
                let columns = chosen_columns(decoder, &chosen).columns();
                let columns = columns.into_iter().enumerate();
                contents.extend(
                    columns.map(|(lane, column)| (format!("public chosen {lane}"), column)),
                );
            }
        }
    }
    Ok(contents)
}

/// [`contents`], described.
///
/// # Errors
///
/// As [`contents`].
pub fn describe_contents(
    layout: &SegmentLayout,
) -> Result<Vec<ContentDescription>, ReferenceError> {
    let contents = contents(layout)?.into_iter();
    Ok(contents
        .map(|(name, elements)| ContentDescription::of(name, &elements))
        .collect())
}

/// A table of the layout's length: what a chain's own holds is named by its statement.
fn reference_table(layout: &SegmentLayout) -> Result<WeightTable, ReferenceError> {
    let len = u32::try_from(layout.table_len()).unwrap_or(u32::MAX);
    let entries = (0..len).map(|index| len - index).collect();
    Ok(WeightTable::custom(entries, "reference")?)
}

/// Public columns of values that all differ as far as their width allows.
fn reference_entries(layout: &SegmentLayout) -> Vec<Vec<M31>> {
    let attention = layout.shape().attention();
    let max = i32::from(i16::MAX).min(layout.value_bits().max_value());
    let mut next = 0;
    let mut tensor = |heads: usize| -> Vec<i16> {
        (0..heads * layout.steps() * attention.head_dim())
            .map(|_| {
                next = (next + 1) % (2 * max + 1);
                i16::try_from(next - max).unwrap_or(i16::MAX)
            })
            .collect()
    };
    let (q, k) = (
        tensor(attention.query_heads()),
        tensor(attention.kv_heads()),
    );
    let (v, out) = (
        tensor(attention.kv_heads()),
        tensor(attention.query_heads()),
    );
    entry_columns(layout, [&q, &k, &v, &out]).columns()
}
