//! `matchmark inspect`.

use std::fmt::Write as _;

use camino::Utf8Path;
use matchmark::{
    end_tokens_of, files, ChainReader, EndToken, EndTokens, Error, SegmentTokens, Stop, Tokenizer,
    MAX_SEGMENT_BYTES,
};
use matchmark_composer::{segment_sizes, StoredProofSizes};
use matchmark_quant::{AttentionShape, ValueBits};
use matchmark_runtime::encode_public_values;
use matchmark_statement::{
    AttentionValues, ChainAccumulator, ChainStatement, FinishReason, LayerGroups, SegmentKind,
    SegmentStatement, TokenId,
};
use serde_json::{json, Value};

use crate::args::InspectArgs;
use crate::error::{CliError, Outcome};
use crate::options::stop;
use crate::output::{part_name, table, Output};

/// Prints the statements of a chain.
pub(crate) fn run(args: &InspectArgs, output: &Output) -> Result<Outcome, CliError> {
    files::check_chain_folder(&args.directory)?;
    let mut statements: Vec<Value> = Vec::new();
    let mut text = String::new();
    let mut chain = ChainAccumulator::new();
    let mut values: Option<ChainValues> = None;
    let tokenizer = args
        .tokenizer
        .as_deref()
        .map(files::tokenizer)
        .transpose()?;
    let end_tokens = end_tokens(args, tokenizer.as_ref())?;
    let mut end = None;
    for stored in ChainReader::open(&args.directory, MAX_SEGMENT_BYTES)? {
        let stored = stored?;
        let statement = stored.file.statement();
        let segment = chain.statement().map_or(0, ChainStatement::segments);
        let is_complete = chain.push(statement)?;
        let several = statement.groups() != LayerGroups::ONE;
        let group = several.then(|| statement.group_index());
        if args.public.is_some() {
            let public = stored.file.public_values();
            let public = public.attention().ok_or_else(|| CliError::NoTensors {
                expected: SegmentKind::Attention,
                got: public.kind(),
            })?;
            values
                .get_or_insert_with(|| ChainValues::new(public))
                .push(public);
        }
        let mut object = json!({
            "segment": segment,
            "file_bytes": stored.bytes,
            "proof_bytes": stored.file.proof_bytes(),
            "statement": statement,
        });
        if let Some(group) = group {
            object["group"] = json!(group);
        }
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "segment {}\n{statement}\n\n",
            part_name(segment, group)
        );
        // All parts of a segment have the same.
        let tokens = SegmentTokens::of(stored.file.public_values()).filter(|_| is_complete);
        if let Some(tokens) = tokens {
            let first = statement.steps().entries_before();
            end = end.or_else(|| first_end(&end_tokens, statement, &tokens));
            text.push_str(&tokens_text(first, &tokens, tokenizer.as_ref())?);
            object["tokens"] = json!(tokens);
        }
        if args.sizes {
            let sizes = segment_sizes(&stored.file).map_err(|source| CliError::Sizes {
                segment: stored.segment,
                source,
            })?;
            for proof in &sizes {
                text.push_str(&sizes_text(proof));
            }
            object["proofs"] = json!(sizes);
        }
        statements.push(object);
    }
    let output = args
        .public
        .as_ref()
        .map_or(*output, |file| output.beside(file));
    if let (Some(path), Some(values)) = (&args.public, &values) {
        values.write(path)?;
    }
    // A chain that is still written may end within a segment.
    let chain = chain.statement();
    let mut finish_reason = None;
    if let Some(chain) = chain {
        let (name, reason) = finish(chain, end);
        finish_reason = name;
        let _ = write!(text, "{chain}\nfinish reason     {reason}\n\n");
    }
    text.push_str("Nothing was verified: these are claims.");
    let object = json!({
        "verified": false,
        "chain": chain,
        "finish_reason": finish_reason,
        "end": end,
        "segments": statements,
        "public": args.public,
    });
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}

/// The tokens that end an answer, as far as they are named.
fn end_tokens(args: &InspectArgs, tokenizer: Option<&Tokenizer>) -> Result<EndTokens, CliError> {
    let own = tokenizer.map_or(Ok(EndTokens::NONE), end_tokens_of);
    let own = own.map_err(Error::from)?;
    let stop: Stop = stop(&args.stop, false, tokenizer)?;
    Ok(stop.of_model(&own).clone())
}

/// The first end token that a segment says it generates.
fn first_end(
    end_tokens: &EndTokens,
    statement: &SegmentStatement,
    tokens: &SegmentTokens,
) -> Option<EndToken> {
    let prompt = statement.decoder()?.prompt;
    end_tokens.first_in(statement.steps(), prompt, &tokens.chosen)
}

/// Why a chain says that it ends, as far as it can be told without a policy: its name, and in words.
fn finish(chain: &ChainStatement, end: Option<EndToken>) -> (Option<FinishReason>, String) {
    let all = usize::try_from(chain.terms().shape.capacity().get()).unwrap_or(usize::MAX);
    let all = all == chain.steps().entries_after();
    match end {
        Some(end) => {
            let reason = FinishReason::Stop;
            (Some(reason), format!("{reason}, by {end}"))
        }
        None if all => (Some(FinishReason::Length), FinishReason::Length.to_string()),
        None => (
            None,
            "unknown: the chain has not all of its steps, and none of the end tokens that are named here"
                .to_owned(),
        ),
    }
}

/// One line a step: position, the token consumed, the token chosen, and their texts.
fn tokens_text(
    first: usize,
    tokens: &SegmentTokens,
    tokenizer: Option<&Tokenizer>,
) -> Result<String, CliError> {
    let shown = |token: TokenId| -> Result<String, CliError> {
        let Some(tokenizer) = tokenizer else {
            return Ok(token.to_string());
        };
        if let Some(name) = tokenizer.special_name(token.get()) {
            return Ok(format!("{token} {name}"));
        }
        let piece = tokenizer
            .piece(token.get())
            .map_err(|source| Error::Tokens {
                what: "tokens of the chain",
                source,
            })?;
        Ok(format!("{token} {:?}", String::from_utf8_lossy(piece)))
    };
    let mut rows = Vec::new();
    for (position, (consumed, chosen)) in (first..).zip(tokens.consumed.iter().zip(&tokens.chosen))
    {
        rows.push(vec![
            position.to_string(),
            shown(*consumed)?,
            shown(*chosen)?,
        ]);
    }
    Ok(format!(
        "{}\n",
        table(&["position", "consumed", "chosen"], &rows)
    ))
}

/// Where the bytes of a proof are.
fn sizes_text(proof: &StoredProofSizes) -> String {
    let sizes = &proof.sizes;
    let row = |name: &str, figures: [usize; 4]| -> Vec<String> {
        let figures = figures.map(|figure| figure.to_string());
        [name.to_owned()].into_iter().chain(figures).collect()
    };
    let trees = sizes.trees.iter().map(|tree| {
        let figures = [
            tree.columns,
            tree.samples,
            tree.queried_values,
            tree.merkle_paths,
        ];
        row(tree.tree, figures)
    });
    let components = sizes.components.iter().map(|it| {
        let name = format!("{}, 2^{} rows", it.component, it.log_rows);
        let own = [it.columns, it.samples, it.queried_values];
        let mut cells = row(&name, [own[0], own[1], own[2], 0]);
        "-".clone_into(&mut cells[4]);
        cells
    });
    let total = row(
        "total",
        [
            sizes.opened_columns,
            sizes.samples,
            sizes.queried_values,
            sizes.merkle_paths,
        ],
    );
    let by_tree: Vec<_> = trees.chain([total]).collect();
    let by_component: Vec<_> = components.collect();
    let header = |name| [name, "columns", "samples", "queried", "paths"];
    format!(
        "{} proof: {} bytes, of them {} low-degree test in {} layers, {} roots, sums and lengths; {} \
         queries\n{}\n{}\n",
        sizes.part,
        sizes.bytes,
        sizes.low_degree,
        sizes.low_degree_layers,
        sizes.rest,
        sizes.queries,
        table(&header("tree"), &by_tree),
        table(&header("component"), &by_component),
    )
}

/// The public values of all segments so far, by tensor and head.
struct ChainValues {
    shape: AttentionShape,
    bits: ValueBits,
    q: Vec<Vec<i16>>,
    k: Vec<Vec<i16>>,
    v: Vec<Vec<i16>>,
    out: Vec<Vec<i16>>,
}

impl ChainValues {
    /// Nothing yet, of the shape of these values.
    fn new(values: &AttentionValues) -> Self {
        let shape = values.shape();
        let heads = |count| vec![Vec::new(); count];
        Self {
            shape,
            bits: values.bits(),
            q: heads(shape.query_heads()),
            k: heads(shape.kv_heads()),
            v: heads(shape.kv_heads()),
            out: heads(shape.query_heads()),
        }
    }

    /// Appends the steps of a segment, head by head. The segments of a chain have one shape.
    fn push(&mut self, values: &AttentionValues) {
        let rows = values.steps() * self.shape.head_dim();
        for (all, new) in [
            (&mut self.q, values.q()),
            (&mut self.k, values.k()),
            (&mut self.v, values.v()),
            (&mut self.out, values.out()),
        ] {
            for (head, new) in all.iter_mut().zip(new.chunks_exact(rows)) {
                head.extend_from_slice(new);
            }
        }
    }

    fn write(&self, path: &Utf8Path) -> Result<(), CliError> {
        let bytes = encode_public_values(
            &self.shape,
            self.bits,
            &self.q.concat(),
            &self.k.concat(),
            &self.v.concat(),
            &self.out.concat(),
        )
        .map_err(|source| CliError::WriteTensors {
            path: path.to_owned(),
            source,
        })?;
        Ok(files::write(path, &bytes)?)
    }
}
