//! What is particular to a family of models: how its configurations and tensors are named, and what of it
//! is refused.
//!
//! A family computes what the section "Decoder model" of `docs/semantics.md` says, or its folders are
//! refused. What it computes is a graph that follows from the shape; a family says which shape. It is one folder
//! here and one line of [`ALL`]; `import` has what all families share.

mod llama;
mod qwen2;

use matchmark_graph::{Graph, MatrixName, ModelShape, Projection};

/// Every family that is imported.
pub(crate) const ALL: [&Family; 2] = [&llama::FAMILY, &qwen2::FAMILY];

/// A family of models, as `import` reads its folders.
#[derive(Debug)]
pub(crate) struct Family {
    /// The one element of `architectures`.
    pub(crate) architecture: &'static str,
    /// The value of `model_type`, which may be absent.
    pub(crate) model_type: &'static str,
    /// Names of the entries that are read.
    pub(crate) entries: EntryNames,
    /// Base of the rotary angles where a configuration says nothing.
    pub(crate) rope_theta: f64,
    /// Entries that have to be there, if only as `null`, because the format's default is something else
    /// than what `import` takes their absence for.
    pub(crate) required: &'static [&'static str],
    /// Entries that change what is computed, each with the one value that is supported, as JSON. `null` and
    /// an absent entry are supported too.
    pub(crate) only: &'static [(&'static str, &'static str)],
    /// Entries of this family alone that do not change what is computed.
    pub(crate) neutral: &'static [&'static str],
    /// Whether queries, keys and values have biases.
    pub(crate) attention_bias: bool,
    /// Names of the tensors.
    pub(crate) tensors: TensorNames,
    /// What GGUF files of the family say, where they are read.
    pub(crate) gguf: Option<GgufNames>,
}

/// Names of the entries of `config.json` that are read. Those that have one name everywhere are in
/// `import`: `rope_theta`, `rope_parameters`, `tie_word_embeddings`, `bos_token_id` and `eos_token_id`.
#[derive(Debug)]
pub(crate) struct EntryNames {
    /// `L`.
    pub(crate) layers: &'static str,
    /// `C`.
    pub(crate) hidden: &'static str,
    /// `H`.
    pub(crate) query_heads: &'static str,
    /// `G`; absent or `null` where it is `H`.
    pub(crate) kv_heads: &'static str,
    /// `d`; absent or `null` where it is `C / H`.
    pub(crate) head_dim: &'static str,
    /// `F`.
    pub(crate) mlp: &'static str,
    /// `V`.
    pub(crate) vocabulary: &'static str,
    /// The number of positions.
    pub(crate) positions: &'static str,
    /// The activation, by one of the names in `matchmark_tables::activations`.
    pub(crate) activation: &'static str,
    /// Epsilon of the normalizations.
    pub(crate) norm_epsilon: &'static str,
}

/// How the metadata and the tensors of a family's GGUF files are named.
#[derive(Debug)]
pub(crate) struct GgufNames {
    /// The value of `general.architecture`, and what the family's keys begin with.
    pub(crate) architecture: &'static str,
    /// The activation, which the files do not say.
    pub(crate) activation: &'static str,
    /// `L`.
    pub(crate) layers: &'static str,
    /// `C`.
    pub(crate) hidden: &'static str,
    /// `H`.
    pub(crate) query_heads: &'static str,
    /// `G`; absent where it is `H`.
    pub(crate) kv_heads: &'static str,
    /// `d`; absent where it is `C / H`.
    pub(crate) key_length: &'static str,
    /// `d` again; may be absent.
    pub(crate) value_length: &'static str,
    /// How many dimensions of a head are rotated: `d`, or absent.
    pub(crate) rotary_dimensions: &'static str,
    /// `F`.
    pub(crate) mlp: &'static str,
    /// `V`; absent where it is the number of tokens.
    pub(crate) vocabulary: &'static str,
    /// The number of positions.
    pub(crate) positions: &'static str,
    /// Epsilon of the normalizations.
    pub(crate) norm_epsilon: &'static str,
    /// Base of the rotary angles.
    pub(crate) rope_theta: &'static str,
    /// The base where a file says nothing.
    pub(crate) default_rope_theta: f64,
    /// Keys that change what is computed, each with the one value that is supported, as it is written in
    /// messages. They may be absent.
    pub(crate) only: &'static [(&'static str, &'static str)],
    /// Keys of the family that do not change what is computed.
    pub(crate) neutral: &'static [&'static str],
    /// Whether queries, keys and values have biases.
    pub(crate) attention_bias: bool,
    /// Whether rows of queries and keys that are rotated together stand side by side, and not half a head apart.
    pub(crate) is_interleaved: bool,
    /// Names of the tensors.
    pub(crate) tensors: TensorNames,
}

/// Names of the tensors. Matrices are `[outputs, inputs]`, each a tensor of its own.
#[derive(Debug)]
pub(crate) struct TensorNames {
    /// Embedding, `[V, C]`.
    pub(crate) embedding: &'static str,
    /// Weights of the last normalization, `[C]`.
    pub(crate) final_norm: &'static str,
    /// Output head, `[V, C]`.
    pub(crate) head: &'static str,
    /// What the names of all layers begin with; the number of the layer and a dot follow.
    pub(crate) layers: &'static str,
    /// Names within a layer.
    pub(crate) layer: LayerTensorNames,
    /// Endings of names that stand for nothing: buffers whose content follows from the configuration.
    pub(crate) passed_over: &'static [&'static str],
}

/// Names of the tensors of a layer. Those of matrices come without their last part: `.weight`, or `.bias`.
#[derive(Debug)]
pub(crate) struct LayerTensorNames {
    pub(crate) attention_norm: &'static str,
    pub(crate) query: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    pub(crate) output: &'static str,
    pub(crate) mlp_norm: &'static str,
    pub(crate) gate: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
}

impl TensorNames {
    /// The names and dimensions of all tensors of a shape.
    pub(crate) fn all(&self, shape: &ModelShape) -> Vec<(String, Vec<usize>)> {
        let hidden = shape.hidden();
        let embedding = (self.embedding.to_owned(), vec![shape.vocabulary(), hidden]);
        let norms = (0..shape.stages()).map(|stage| (self.norm(shape, stage), vec![hidden]));
        let graph = Graph::decoder(shape);
        let matrices = graph.matrices().iter().flat_map(|&(name, node, place)| {
            let linear = graph.linear(node);
            let outputs = linear.matrices()[place].outputs;
            let weights = (self.matrix(name), vec![outputs, linear.inputs()]);
            let biases = linear
                .has_biases()
                .then(|| (self.bias(name), vec![outputs]));
            std::iter::once(weights).chain(biases)
        });
        let embedding = std::iter::once(embedding);
        embedding.chain(norms).chain(matrices).collect()
    }

    /// The weights of the normalization of a stage of the stream.
    pub(crate) fn norm(&self, shape: &ModelShape, stage: usize) -> String {
        let name = if stage.is_multiple_of(2) {
            self.layer.attention_norm
        } else {
            self.layer.mlp_norm
        };
        match stage / 2 {
            layer if layer < shape.layers() => self.in_layer(layer, name),
            _ => self.final_norm.to_owned(),
        }
    }

    /// The weights of a matrix.
    pub(crate) fn matrix(&self, name: MatrixName) -> String {
        self.tensor(name, "weight")
    }

    /// The biases of a matrix.
    pub(crate) fn bias(&self, name: MatrixName) -> String {
        self.tensor(name, "bias")
    }

    fn tensor(&self, MatrixName { projection, layer }: MatrixName, part: &str) -> String {
        let names = &self.layer;
        let name = match projection {
            Projection::Embedding => return self.embedding.to_owned(),
            Projection::Head => return self.head.to_owned(),
            Projection::Query => names.query,
            Projection::Key => names.key,
            Projection::Value => names.value,
            Projection::Output => names.output,
            Projection::Gate => names.gate,
            Projection::Up => names.up,
            Projection::Down => names.down,
        };
        // Only the two above are outside of all layers.
        self.in_layer(layer.unwrap_or(usize::MAX), &format!("{name}.{part}"))
    }

    fn in_layer(&self, layer: usize, name: &str) -> String {
        format!("{}{layer}.{name}", self.layers)
    }

    /// Whether a tensor has a row for each dimension of the queries or keys of a layer.
    pub(crate) fn is_rotated(&self, tensor: &str) -> bool {
        let names = [self.layer.query, self.layer.key];
        let (in_layer, part) = tensor.rsplit_once('.').unwrap_or((tensor, ""));
        ["weight", "bias"].contains(&part) && names.iter().any(|name| in_layer.ends_with(name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn families_are_told_apart() {
        let architectures: BTreeSet<_> = ALL.iter().map(|it| it.architecture).collect();
        assert_eq!(architectures.len(), ALL.len());
    }

    #[test]
    fn supported_values_are_canonical_json() {
        for family in ALL {
            for (entry, text) in family.only {
                let value: Result<serde_json::Value, _> = serde_json::from_str(text);
                let written = value.map(|value| value.to_string());
                assert_eq!(written.ok().as_deref(), Some(*text), "{entry}");
            }
        }
    }
}
