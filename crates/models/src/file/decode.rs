//! Reading the canonical encoding. Whatever is read is bounded by what is left to read.

use matchmark_graph::{Graph, ModelArithmetic, ModelArithmeticParts, ModelShape};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QuantError,
    QueryHeads, Scale, ValueBits, VocabularySize,
};
use matchmark_runtime::KvCache;
use matchmark_tables::{
    ActivationTable, Rational, RotaryTable, RsqrtTable, TableError, TableId, TableKind, WeightTable,
};

use super::ModelFileError;
use crate::tokenizer::{cut_of, CHAT_TEMPLATE, CUT, MORE_ENDS};
use crate::{
    ChatTemplate, LayerScales, Matrix, ModelError, ModelParts, ModelPrefix, ModelScales,
    ModelTables, Tokenizer, TokenizerError, TokenizerParts,
};

/// The parts of an encoding, in the order in which they are written.
pub(super) fn decode(encoding: &[u8]) -> Result<ModelParts, ModelFileError> {
    let mut reader = Reader {
        rest: encoding,
        part: "shape",
    };
    let shape = shape(&mut reader)?;
    let graph = Graph::decoder(&shape);
    let arithmetic = arithmetic(reader.part("arithmetic"), &graph)?;
    let scales = scales(reader.part("scales"), &shape)?;
    let tables = ModelTables {
        weights: weight_table(reader.part("weight table"))?,
        rsqrt: rsqrt(reader.part("table of reciprocal roots"))?,
        activation: activation(
            reader.part("activation table"),
            arithmetic.terms().gate_bits(),
        )?,
        rotary: rotary(reader.part("rotary table"), &shape)?,
    };
    let tokenizer = tokenizer(reader.part("tokenizer"), &shape)?;
    let prefix = prefix(reader.part("prefix"), &shape)?;
    let (hidden, vocabulary) = (shape.hidden(), shape.vocabulary());
    let pairs = reader
        .part("embedding")
        .array(vocabulary.saturating_mul(hidden), 2)?;
    let embedding = pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    let embedding = embedding.collect();
    let mut matrices = Vec::new();
    for &(_, node, place) in graph.matrices() {
        let linear = graph.linear(node);
        let outputs = linear.matrices()[place].outputs;
        let reader = reader.part("matrices");
        matrices.push(matrix(
            reader,
            outputs,
            linear.inputs(),
            linear.has_biases(),
        )?);
    }
    if !reader.rest.is_empty() {
        return Err(ModelFileError::PartsTrailing {
            got: reader.rest.len(),
        });
    }
    Ok(ModelParts {
        shape,
        arithmetic,
        prefix,
        embedding,
        matrices,
        tables,
        scales,
        tokenizer,
    })
}

struct Reader<'a> {
    rest: &'a [u8],
    part: &'static str,
}

impl<'a> Reader<'a> {
    /// What is read from here on, for errors.
    fn part(&mut self, part: &'static str) -> &mut Self {
        self.part = part;
        self
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], ModelFileError> {
        match self.rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(ModelFileError::PartTruncated { part: self.part }),
        }
    }

    fn array(
        &mut self,
        count: usize,
        size: usize,
    ) -> Result<std::slice::ChunksExact<'a, u8>, ModelFileError> {
        Ok(self.bytes(count.saturating_mul(size))?.chunks_exact(size))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], ModelFileError> {
        let mut fixed = [0; N];
        fixed.copy_from_slice(self.bytes(N)?);
        Ok(fixed)
    }

    fn byte(&mut self) -> Result<u8, ModelFileError> {
        Ok(self.fixed::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, ModelFileError> {
        Ok(u32::from_le_bytes(self.fixed()?))
    }

    fn u64(&mut self) -> Result<u64, ModelFileError> {
        Ok(u64::from_le_bytes(self.fixed()?))
    }

    fn length(&mut self) -> Result<usize, ModelFileError> {
        Ok(usize::try_from(self.u32()?).unwrap_or(usize::MAX))
    }

    fn i32s(&mut self, count: usize) -> Result<Vec<i32>, ModelFileError> {
        let fours = self.array(count, 4)?;
        Ok(fours
            .map(|four| i32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect())
    }

    fn flag(&mut self) -> Result<bool, ModelFileError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            got => Err(self.form("0 or 1", got)),
        }
    }

    fn text(&mut self) -> Result<String, ModelFileError> {
        let length = self.length()?;
        let bytes = self.bytes(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.form("text in UTF-8", "other bytes"))
    }

    fn scale(&mut self) -> Result<Scale, ModelFileError> {
        Scale::new(f64::from_bits(self.u64()?)).map_err(quantity)
    }

    fn form(&self, expected: &'static str, got: impl ToString) -> ModelFileError {
        ModelFileError::PartForm {
            part: self.part,
            expected,
            got: got.to_string(),
        }
    }
}

fn quantity(error: QuantError) -> ModelFileError {
    ModelFileError::Model(ModelError::Quantity(error))
}

fn table(error: TableError) -> ModelFileError {
    ModelFileError::Model(ModelError::Table(error))
}

fn shape(reader: &mut Reader<'_>) -> Result<ModelShape, ModelFileError> {
    let mut sizes = [0; 9];
    for size in &mut sizes {
        *size = reader.u32()?;
    }
    let [layers, hidden, heads, kv_heads, dim, mlp, vocabulary, positions, bias] = sizes;
    let attention_bias = match bias {
        0 => false,
        1 => true,
        got => return Err(reader.form("0 or 1", got)),
    };
    let make = || {
        ModelShape::new(
            Layers::new(layers)?,
            HiddenSize::new(hidden)?,
            AttentionShape::new(
                QueryHeads::new(heads)?,
                KvHeads::new(kv_heads)?,
                HeadDim::new(dim)?,
            )?,
            MlpSize::new(mlp)?,
            VocabularySize::new(vocabulary)?,
            CacheCapacity::new(positions)?,
        )
    };
    let shape = make().map_err(quantity)?;
    Ok(shape.with_attention_bias(attention_bias))
}

fn arithmetic(reader: &mut Reader<'_>, graph: &Graph) -> Result<ModelArithmetic, ModelFileError> {
    let count = ModelArithmeticParts::numbers_for(graph);
    let fours = reader.array(count, 4)?;
    let numbers: Vec<u32> = fours
        .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect();
    let parts = ModelArithmeticParts::from_numbers(graph, &numbers).map_err(quantity)?;
    ModelArithmetic::new(parts).map_err(quantity)
}

fn prefix(reader: &mut Reader<'_>, shape: &ModelShape) -> Result<ModelPrefix, ModelFileError> {
    let count = reader.length()?;
    let mut tokens = Vec::new();
    for _ in 0..count {
        tokens.push(reader.u32()?);
    }
    let attention = shape.all_layers_attention();
    let entries = attention
        .kv_heads()
        .saturating_mul(attention.head_dim())
        .saturating_mul(count);
    let mut tensor = || -> Result<Vec<i16>, ModelFileError> {
        let pairs = reader.array(entries, 2)?;
        Ok(pairs
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect())
    };
    let (keys, values) = (tensor()?, tensor()?);
    let cache =
        KvCache::from_tensors(attention, count, &keys, &values).map_err(ModelError::from)?;
    Ok(ModelPrefix { tokens, cache })
}

fn scales(reader: &mut Reader<'_>, shape: &ModelShape) -> Result<ModelScales, ModelFileError> {
    let mut stages = || -> Result<Vec<Scale>, ModelFileError> {
        (0..shape.stages()).map(|_| reader.scale()).collect()
    };
    let (stream, normalized) = (stages()?, stages()?);
    let (gate, logits) = (reader.scale()?, reader.scale()?);
    Ok(ModelScales {
        stream,
        normalized,
        gate,
        logits,
        rotated: reader.flag()?,
        layers: (0..shape.layers())
            .map(|_| {
                Ok(LayerScales {
                    rotary_query: reader.scale()?,
                    rotary_key: reader.scale()?,
                    query: reader.scale()?,
                    key: reader.scale()?,
                    value: reader.scale()?,
                    up: reader.scale()?,
                    gated: reader.scale()?,
                })
            })
            .collect::<Result<_, ModelFileError>>()?,
    })
}

fn weight_table(reader: &mut Reader<'_>) -> Result<WeightTable, ModelFileError> {
    let kind = match reader.byte()? {
        0 => {
            let (numerator, denominator) = (reader.u64()?, reader.u64()?);
            let delta = Rational::new(numerator, denominator).map_err(table)?;
            // Reduced, so that there is one encoding.
            if (delta.numerator(), delta.denominator()) != (numerator, denominator) {
                let got = format!("{numerator}/{denominator}");
                return Err(reader.form("a fraction in lowest terms", got));
            }
            TableKind::Exponential {
                delta,
                log_scale: reader.byte()?,
            }
        }
        1 => TableKind::Essay9,
        2 => {
            let description = reader.text()?;
            TableKind::Custom { description }
        }
        got => return Err(reader.form("a kind of 0, 1 or 2", got)),
    };
    let length = reader.length()?;
    let fours = reader.array(length, 4)?;
    let entries = fours.map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    WeightTable::from_parts(kind, entries.collect()).map_err(table)
}

fn rsqrt(reader: &mut Reader<'_>) -> Result<RsqrtTable, ModelFileError> {
    let got = TableId::from_bytes(reader.fixed()?);
    let rsqrt = RsqrtTable::new();
    if got == rsqrt.id() {
        Ok(rsqrt)
    } else {
        Err(reader.form("the identity of the one table", got))
    }
}

fn activation(reader: &mut Reader<'_>, bits: ValueBits) -> Result<ActivationTable, ModelFileError> {
    let (input, output) = (reader.scale()?, reader.scale()?);
    let entries = reader.i32s(ActivationTable::len_for(bits))?;
    ActivationTable::new(bits, input, output, entries).map_err(table)
}

fn rotary(reader: &mut Reader<'_>, shape: &ModelShape) -> Result<RotaryTable, ModelFileError> {
    let attention = shape.attention();
    let entries = reader.i32s(shape.positions().saturating_mul(attention.head_dim()))?;
    RotaryTable::new(&attention, shape.capacity(), entries).map_err(table)
}

fn tokenizer(reader: &mut Reader<'_>, shape: &ModelShape) -> Result<Tokenizer, ModelFileError> {
    let (mut pieces, mut special) = (Vec::new(), Vec::new());
    for _ in 0..shape.vocabulary() {
        special.push(reader.flag()?);
        let length = reader.length()?;
        pieces.push(reader.bytes(length)?.to_vec());
    }
    let count = reader.length()?;
    let eights = reader.array(count, 8)?;
    let merges = eights.map(|eight| {
        let token = |at: usize| {
            u32::from_le_bytes([eight[at], eight[at + 1], eight[at + 2], eight[at + 3]])
        };
        [token(0), token(4)]
    });
    let merges = merges.collect();
    let (begin, cut) = end_token(reader, CUT)?;
    let (words, ignore_merges, nfc) = cut_of(cut);
    let (end, flags) = end_token(reader, MORE_ENDS | CHAT_TEMPLATE)?;
    let mut ends: Vec<u32> = end.into_iter().collect();
    if flags & MORE_ENDS != 0 {
        let count = reader.length()?;
        if ends.is_empty() || count == 0 {
            return Err(reader.form("more tokens that end a text behind a first one", count));
        }
        let fours = reader.array(count, 4)?;
        ends.extend(fours.map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]])));
    }
    let chat = if flags & CHAT_TEMPLATE == 0 {
        None
    } else {
        let [source, begin_name, end_name] = [reader.text()?, reader.text()?, reader.text()?];
        let chat = ChatTemplate::new(source, Some(begin_name), Some(end_name));
        Some(chat.map_err(|error| reader.form("a chat template", error))?)
    };
    Tokenizer::new(TokenizerParts {
        pieces,
        special,
        merges,
        words,
        ignore_merges,
        nfc,
        begin,
        ends,
        chat,
    })
    .map_err(|error: TokenizerError| ModelFileError::Model(error.into()))
}

/// The token at an end of a text, and those of the bits `more` that stand beside whether there is one.
fn end_token(reader: &mut Reader<'_>, more: u8) -> Result<(Option<u32>, u8), ModelFileError> {
    let flags = reader.byte()?;
    if flags & !(1 | more) != 0 {
        return Err(reader.form("known flags of a token", flags));
    }
    let token = match (flags & 1, reader.u32()?) {
        (0, 0) => None,
        (0, got) => return Err(reader.form("token 0 where there is none", got)),
        (_, token) => Some(token),
    };
    Ok((token, flags & more))
}

fn matrix(
    reader: &mut Reader<'_>,
    outputs: usize,
    inputs: usize,
    has_biases: bool,
) -> Result<Matrix, ModelFileError> {
    let pairs = reader.array(outputs.saturating_mul(inputs), 2)?;
    let weights = pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    let matrix = Matrix::new(outputs, inputs, weights.collect())?;
    if has_biases {
        return Ok(matrix.with_biases(reader.i32s(outputs)?)?);
    }
    Ok(matrix)
}
