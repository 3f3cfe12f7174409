//! Worlds: integer tensors, executed by the semantics without any check of their ranges.
use matchmark_air::circuit::Circuit;
use matchmark_air::harness::component::AnyConstraints;
use matchmark_air::harness::row::Source;
use matchmark_air::ops::attention::cache::columns::LaneEntries;
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{lookup_trace, Column, Execution, PartTrace, SegmentWitness};
use matchmark_quant::{centered, Rounding};
use matchmark_runtime::{DecodeRules, KvCache, ScoreRecord, SegmentExecution, StepRecord};
use matchmark_statement::Cut;
use stwo::core::fields::m31::M31;

use super::cases::{vector_place, Case, VectorPlace};
use super::model_runs::HonestRun;
use super::Rng;

/// The tensors of a segment: `q [H,S,d]`, `k, v [G,S,d]`, `prefix_k, prefix_v [G,P,d]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    pub q: Vec<i16>,
    pub k: Vec<i16>,
    pub v: Vec<i16>,
    pub prefix_k: Vec<i16>,
    pub prefix_v: Vec<i16>,
}

/// The columns of a tree.
pub fn tree_of(trace: &PartTrace, tree: Tree) -> Vec<Column> {
    trace.tree(tree).into_iter().cloned().collect()
}

/// Sizes `H, G, d, P, S`.
pub fn sizes(case: &Case) -> (usize, usize, usize, usize, usize) {
    let shape = case.layout.shape().attention();
    (
        shape.query_heads(),
        shape.kv_heads(),
        shape.head_dim(),
        case.steps.entries_before(),
        case.steps.steps(),
    )
}

impl World {
    /// The attention's tensors of a run of a model.
    pub fn of_run(case: &Case, run: &HonestRun) -> Self {
        let attention = &run.execution.attention;
        let columns = entries(&case.layout, &run.before);
        let shape = case.layout.shape().attention();
        let (before, dim) = (case.steps.entries_before(), shape.head_dim());
        let prefix = |which: fn(LaneEntries<usize>) -> usize| {
            (0..shape.kv_heads() * before * dim)
                .map(|index| {
                    let (head, rest) = (index / (before * dim), index % (before * dim));
                    let (lane, row) = case.layout.lane_row(head, rest / dim, rest % dim);
                    centered(columns[which(LaneEntries::of_lane(lane))][row].0) as i16
                })
                .collect()
        };
        Self {
            q: attention.q.clone(),
            k: attention.k.clone(),
            v: attention.v.clone(),
            prefix_k: prefix(|lane| lane.key),
            prefix_v: prefix(|lane| lane.value),
        }
    }

    /// Seeded tensors. Some seeds give small keys, so that gaps fall inside the table; some give
    /// skewed values, so that outputs are far from zero.
    ///
    /// Those of a decoder are what the model computes from seeded tokens.
    pub fn random(case: &Case, seed: u64) -> Self {
        if let Some(part) = &case.decoder {
            return Self::of_run(case, &part.run(case, seed));
        }
        let mut rng = Rng(seed);
        let (heads, groups, dim, before, steps) = sizes(case);
        let limit = i64::from(case.terms.quantization.value_bits().max_value());
        let shrink = [1, 3, 12, 60][rng.below(4)];
        let small = (limit / shrink).max(1);
        let mut tensor = |len: usize, limit: i64| -> Vec<i16> {
            (0..len).map(|_| rng.symmetric(limit) as i16).collect()
        };
        Self {
            q: tensor(heads * steps * dim, limit),
            k: tensor(groups * steps * dim, small),
            v: tensor(groups * steps * dim, limit),
            prefix_k: tensor(groups * before * dim, small),
            prefix_v: tensor(groups * before * dim, limit),
        }
    }

    /// Key or value (`which` 0 or 1) of a cache position, as `(tensor, index)`.
    fn cache_index(case: &Case, g: usize, p: usize, c: usize) -> (bool, usize) {
        let (_, _, dim, before, steps) = sizes(case);
        if p < before {
            (true, (g * before + p) * dim + c)
        } else {
            (false, (g * steps + p - before) * dim + c)
        }
    }

    pub fn key(&self, case: &Case, g: usize, p: usize, c: usize) -> i64 {
        let (old, index) = Self::cache_index(case, g, p, c);
        i64::from(if old {
            self.prefix_k[index]
        } else {
            self.k[index]
        })
    }

    pub fn value(&self, case: &Case, g: usize, p: usize, c: usize) -> i64 {
        let (old, index) = Self::cache_index(case, g, p, c);
        i64::from(if old {
            self.prefix_v[index]
        } else {
            self.v[index]
        })
    }

    /// The caches before and after.
    pub fn caches(&self, case: &Case) -> (KvCache, KvCache) {
        let (_, groups, dim, before, _) = sizes(case);
        let shape = case.layout.shape().attention();
        let all = case.steps.entries_after();
        let tensor = |entry: &dyn Fn(usize, usize, usize) -> i64| -> Vec<i16> {
            (0..groups * all * dim)
                .map(|i| entry(i / (all * dim), i / dim % all, i % dim) as i16)
                .collect()
        };
        let k = tensor(&|g, p, c| self.key(case, g, p, c));
        let v = tensor(&|g, p, c| self.value(case, g, p, c));
        (
            KvCache::from_tensors(shape, before, &self.prefix_k, &self.prefix_v).unwrap(),
            KvCache::from_tensors(shape, all, &k, &v).unwrap(),
        )
    }

    /// The semantics, step by step, on whatever stands in the tensors.
    pub fn execute(&self, case: &Case) -> SegmentExecution {
        let (heads, _, dim, _, steps) = sizes(case);
        let shape = case.layout.shape().attention();
        let table = case.terms.weight_table().entries();
        let step = i64::from(case.layout.score_step());
        let mut execution = SegmentExecution {
            shape,
            steps: case.steps,
            q: self.q.clone(),
            k: self.k.clone(),
            v: self.v.clone(),
            out: vec![],
            scores: vec![],
            rows: vec![],
            remainders: vec![],
        };
        for (h, t) in (0..heads).flat_map(|h| (0..steps).map(move |t| (h, t))) {
            let g = shape.kv_head_of(h);
            let scores: Vec<i64> = (0..case.steps.scores(t))
                .map(|p| {
                    let q = &self.q[(h * steps + t) * dim..][..dim];
                    let products = q.iter().enumerate();
                    products
                        .map(|(c, q)| i64::from(*q) * self.key(case, g, p, c))
                        .sum()
                })
                .collect();
            let maximum = *scores.iter().max().unwrap();
            let mut denominator = 0;
            let mut numerators = vec![0; dim];
            for (p, score) in scores.into_iter().enumerate() {
                let (quotient, remainder) = ((maximum - score) / step, (maximum - score) % step);
                let index = quotient.min(table.len() as i64 - 1);
                let weight = table[index as usize];
                denominator += i64::from(weight);
                for (c, numerator) in numerators.iter_mut().enumerate() {
                    *numerator += i64::from(weight) * self.value(case, g, p, c);
                }
                execution.scores.push(ScoreRecord {
                    score,
                    quotient,
                    remainder,
                    index: index as u32,
                    weight,
                });
            }
            execution.rows.push(StepRecord {
                maximum,
                denominator,
            });
            for numerator in numerators {
                let (out, remainder) = case.terms.rounding.divide(numerator, denominator);
                execution.out.push(out as i16);
                execution.remainders.push(remainder);
            }
        }
        execution
    }

    /// The honest witness of this world.
    pub fn witness(&self, case: &Case) -> SegmentWitness {
        let execution = self.execute(case);
        let (before, after) = self.caches(case);
        let layout = &case.layout;
        let mut ports = vec![
            (Tree::StateBefore, entries(layout, &before)),
            (Tree::StateAfter, entries(layout, &after)),
        ];
        let honest = Execution {
            attention: &execution,
            after: &entries(layout, &after),
            entries: &public_columns(case, &execution),
            table: case.terms.weight_table(),
            decoder: None,
        };
        let Some(part) = &case.decoder else {
            return SegmentWitness::generate(layout, &honest, &ports);
        };
        // What is around the attention of a decoder is left empty here.
        ports.push((Tree::Model, part.columns.clone()));
        if let Some(decoder) = layout.decoder() {
            let (ends, rows) = (layout.streams(), decoder.log_rows());
            let len = 1 << rows.stream_in.max(rows.stream_out);
            for (is_there, tree) in [
                (ends.goes_in, Tree::StreamIn),
                (ends.goes_out, Tree::StreamOut),
            ] {
                if is_there {
                    ports.push((tree, vec![vec![M31::from(0); len].into()]));
                }
            }
        }
        let circuit = Circuit::structural(layout, layout.main_part());
        let zeros = |constraints: &dyn AnyConstraints| {
            let own = circuit.iter().find(|it| it.name() == constraints.name());
            let own = own.map_or(0, |it| it.columns_from(Source::Tree(Tree::Witness)));
            let column: Column = vec![M31::from(0); 1 << constraints.log_rows()].into();
            vec![column; own]
        };
        let constants = case.constants();
        let main = PartTrace::generate(&circuit, layout, &constants, &ports, |constraints| {
            let is_table = !constraints.tables().is_empty();
            match is_table || ATTENTION.contains(&constraints.name()) {
                true => constraints.generate(&honest),
                false => zeros(constraints),
            }
        });
        let lookup = match layout.cut() {
            Cut::Fused => None,
            Cut::Split => {
                let pairs = tree_of(&main, Tree::Pairs);
                Some(lookup_trace(layout, honest.table, pairs))
            }
        };
        SegmentWitness {
            entries_before: case.steps.entries_before(),
            main,
            lookup,
            tokens: None,
        }
    }
}

/// The components of the attention, tables apart.
pub const ATTENTION: [&str; 3] = ["vectors", "scores", "cache"];

/// The public columns, without the range check of public values.
fn public_columns(case: &Case, execution: &SegmentExecution) -> Vec<Column> {
    let SegmentExecution { q, k, v, out, .. } = execution;
    let columns = entry_columns(&case.layout, [q, k, v, out]).columns();
    columns.into_iter().map(Column::from).collect()
}

/// A tensor read from columns; `None` if an element is not a 16-bit integer, or if the heads of a group
/// disagree.
fn tensor(shape: [usize; 3], element: impl Fn(usize, usize, usize) -> M31) -> Option<Vec<i16>> {
    let [heads, rows, dim] = shape;
    (0..heads * rows * dim)
        .map(|i| {
            let x = element(i / (rows * dim), i / dim % rows, i % dim);
            i16::try_from(centered(x.0)).ok()
        })
        .collect()
}

/// The caches that state columns hold, `entries` entries each; `None` if they hold more than that,
/// or numbers that are not 16-bit integers.
pub fn cache_of(case: &Case, columns: &[&Column], entry_count: usize) -> Option<KvCache> {
    let (_, groups, dim, _, _) = sizes(case);
    let layout = &case.layout;
    let read = |which: fn(LaneEntries<usize>) -> usize| {
        tensor([groups, entry_count, dim], |g, p, c| {
            let (lane, row) = layout.lane_row(g, p, c);
            columns[which(LaneEntries::of_lane(lane))][row]
        })
    };
    let shape = layout.shape().attention();
    let cache = KvCache::from_tensors(
        shape,
        entry_count,
        &read(|lane| lane.key)?,
        &read(|lane| lane.value)?,
    )
    .ok()?;
    let own = entries(layout, &cache);
    own.iter().eq(columns.iter().copied()).then_some(cache)
}

/// `q, k, v, out` of the public columns, lane by lane each; `None` if they are not 16-bit integers.
pub fn public_tensors(case: &Case, public: &[Vec<&Column>; 4]) -> Option<[Vec<i16>; 4]> {
    let (heads, groups, dim, _, steps) = sizes(case);
    let layout = &case.layout;
    let [queries, keys, values, outputs] = public;
    let of_heads = |lanes: &[&Column]| {
        tensor([heads, steps, dim], |h, t, c| {
            let VectorPlace { row, lane } = vector_place(layout, h, t, c);
            lanes[lane][row]
        })
    };
    let size = layout.group_size();
    let of_groups = |lanes: &[&Column]| {
        tensor([groups, steps, dim], |g, t, c| {
            lanes[0][vector_place(layout, g * size, t, c).row]
        })
    };
    Some([
        of_heads(queries)?,
        of_groups(keys)?,
        of_groups(values)?,
        of_heads(outputs)?,
    ])
}

pub fn rules(case: &Case) -> DecodeRules {
    DecodeRules {
        table: case.terms.weight_table().clone(),
        rounding: case.terms.rounding,
        score_step: case.terms.quantization.score_step(),
        value_bits: case.terms.quantization.value_bits(),
    }
}

/// Remainder of an output by the statement's rule, whatever its sign: `N - o Z`, or
/// `2 N + Z - 2 o Z`.
pub fn output_remainder(rounding: Rounding, numerator: i64, denominator: i64, out: i64) -> i64 {
    match rounding {
        Rounding::Floor => numerator - out * denominator,
        Rounding::NearestTiesUp => 2 * numerator + denominator - 2 * out * denominator,
    }
}
