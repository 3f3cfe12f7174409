//! The arguments of the command.

use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand};
use matchmark::{Cut, CutPattern};
use matchmark_planner::Objective;
use matchmark_quant::{CacheCapacity, HeadDim, Rounding, ScoreStep, SegmentSteps, ValueBits};
use matchmark_statement::{Profile, SecurityLevel};

use crate::values::{parse_bytes, parse_nonce, TableChoice};

/// Proves transformer decode, and verifies the proofs.
#[derive(Clone, Debug, Parser)]
#[command(name = "matchmark", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Predict what proofs will cost, and choose segment length and profile
    Plan(PlanArgs),
    /// Prove tokens of a model, or the decode of a trace, as a chain of segments
    Prove(ProveArgs),
    /// Continue an interrupted chain
    Resume(ResumeArgs),
    /// Prove one part of a model's chain that was begun
    Part(PartArgs),
    /// Write the policy for a chain: from the key of its model, or the one that would accept it
    Policy(PolicyArgs),
    /// Derive from a model what a verifier needs of it, or check that
    Keygen(KeygenArgs),
    /// Verify a chain against an acceptance policy
    Verify(VerifyArgs),
    /// Print what the segments of a chain state, without verifying them
    Inspect(InspectArgs),
    /// Check the constraints on a trace, or on a model's tokens, without a proof
    Mock(MockArgs),
    /// Make an integer trace from float tensors, or an integer model from a trained one, and report what
    /// was chosen
    Quantize(QuantizeArgs),
    /// Measure how close an integer model is to the floats that it was made from
    Eval(EvalArgs),
    /// Talk with an integer model: answers at its speed, without a proof
    Chat(ChatCommandArgs),
    /// Make an integer trace of any shape, without a model, for measuring
    Synthesize(SynthesizeArgs),
}

impl Command {
    /// Whether the result is to be one JSON object.
    #[must_use]
    pub fn json(&self) -> bool {
        match self {
            Self::Plan(args) => args.json,
            Self::Prove(args) => args.json,
            Self::Resume(args) => args.json,
            Self::Part(args) => args.json,
            Self::Policy(args) => args.json,
            Self::Keygen(args) => args.json,
            Self::Verify(args) => args.json,
            Self::Inspect(args) => args.json,
            Self::Mock(args) => args.json,
            Self::Quantize(args) => args.json,
            Self::Eval(args) => args.json,
            // Its answers are text.
            Self::Chat(_) => false,
            Self::Synthesize(args) => args.json,
        }
    }
}

/// How the decode of a trace is proven.
#[derive(Args, Clone, Debug)]
pub struct TermsArgs {
    /// What a model's tokens are proven by, too.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Rounding of the outputs: floor or nearest
    #[arg(long, value_name = "RULE", default_value_t = Rounding::NearestTiesUp)]
    pub rounding: Rounding,
    /// Weight table: exp256 (with the trace's delta, or 1/16), essay9 or a table file [default: the
    /// trace's own, or exp256]
    #[arg(long, value_name = "TABLE")]
    pub table: Option<TableChoice>,
    /// Units of score that one table index spans [default: the trace's own, or 1]
    #[arg(long, value_name = "D", value_parser = number(ScoreStep::new))]
    pub score_step: Option<ScoreStep>,
}

/// How a chain is proven, of a trace or of a model.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// How segments are cut into proofs: fused (one) or split (two, joined by committed pairs of index and
    /// weight); several names, separated by commas, alternate over the segments
    // What the option was called before.
    #[arg(long, alias = "boundary", value_name = "CUT", default_value_t)]
    pub cut: CutPattern,
    /// Steps of a segment [default: all steps of a trace in one segment; of a model as its key says, or 16 of a small
    /// one, and as memory allows of any other]
    #[arg(long, value_name = "K", value_parser = number(SegmentSteps::new))]
    pub segment_steps: Option<SegmentSteps>,
    /// Most layers of a model that are proven in one part: fewer take less memory and make more proofs [default: as
    /// the key says, or all in one of a small model, and as memory allows of any other]
    #[arg(long, value_name = "N")]
    pub layers: Option<NonZeroUsize>,
    /// Security level: proven-100, proven-100-unique, conjectured-100 or insecure-13
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub security: SecurityLevel,
    /// Profile of the level: compact, balanced, fast or fastest [default: as the key says, or compact of a trace or a
    /// small model, and fastest of any other]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// Name of the application that the proof is for
    #[arg(long, value_name = "NAME", default_value = "matchmark")]
    pub domain: String,
    /// The verifier's nonce, 32 hexadecimal digits [default: zeros]
    #[arg(long, value_name = "HEX32", value_parser = parse_nonce)]
    pub nonce: Option<[u8; 16]>,
}

/// What proving may use of the machine.
#[derive(Args, Clone, Copy, Debug)]
pub struct ResourceArgs {
    /// Segments that are proven at a time [default: as many as there are cores and memory for]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// What memory may be used.
    #[command(flatten)]
    pub memory: MemoryArgs,
}

/// What memory may be used.
#[derive(Args, Clone, Copy, Debug)]
pub struct MemoryArgs {
    /// Most memory, in bytes or with KiB, MiB or GiB [default: what is free, within the limits of the process
    /// and its control groups]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub max_memory: Option<u64>,
}

/// Arguments of `plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// Measure this machine for about a minute, and keep the result for later plans
    #[arg(long)]
    pub calibrate: bool,
    /// What is to be proven.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// What is to be least: bytes, prove, verify or memory [default of a model: prove]
    #[arg(long, value_name = "OBJECTIVE", required_unless_present_any = ["calibrate", "model"])]
    pub objective: Option<Objective>,
    /// Most memory for proving, in bytes or with KiB, MiB or GiB
    #[arg(long, value_name = "B", value_parser = parse_bytes)]
    pub max_memory: Option<u64>,
    /// Most steps of a segment: so many must have happened before there can be a proof of them
    #[arg(long, value_name = "K", value_parser = number(SegmentSteps::new))]
    pub max_latency_steps: Option<SegmentSteps>,
    /// Security level: proven-100, proven-100-unique, conjectured-100 or insecure-13
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub security: SecurityLevel,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The shape of what is to be proven. Only a calibration can do without.
#[derive(Args, Clone, Debug)]
pub struct WorkloadArgs {
    /// Model file: plan the proof of its tokens, instead of one of a trace
    #[arg(
        long,
        value_name = "MODEL.mm",
        requires = "tokens",
        conflicts_with_all = [
            "heads", "kv_heads", "head_dim", "prefix", "steps", "bits", "table", "rounding", "score_step"
        ]
    )]
    pub model: Option<Utf8PathBuf>,
    /// Tokens to decode
    #[arg(long, value_name = "N", requires = "model")]
    pub tokens: Option<u32>,
    /// Tokens that are given before them
    #[arg(
        long,
        value_name = "P",
        requires = "model",
        conflicts_with = "chat",
        default_value_t = 1
    )]
    pub prompt_tokens: u32,
    /// The text that is given, instead of the number of its tokens
    #[arg(
        long,
        value_name = "TEXT",
        requires = "model",
        conflicts_with = "prompt_tokens"
    )]
    pub prompt: Option<String>,
    /// What is said to the model, instead of a text that it continues.
    #[command(flatten)]
    pub chat: ChatArgs,
    /// Query heads
    #[arg(long, value_name = "H", required_unless_present_any = ["calibrate", "model"])]
    pub heads: Option<u32>,
    /// Key/value heads, a divisor of the query heads [default: as many]
    #[arg(long, value_name = "G")]
    pub kv_heads: Option<u32>,
    /// Dimension of a head
    #[arg(
        long,
        value_name = "D",
        required_unless_present_any = ["calibrate", "model"],
        value_parser = number(HeadDim::new)
    )]
    pub head_dim: Option<HeadDim>,
    /// Entries in the cache before the first step
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub prefix: u32,
    /// Decode steps
    #[arg(long, value_name = "S", required_unless_present_any = ["calibrate", "model"])]
    pub steps: Option<u32>,
    /// Width of values in bits, 4 to 12
    #[arg(long, value_name = "B", default_value_t = ValueBits::DEFAULT, value_parser = number(ValueBits::new))]
    pub bits: ValueBits,
    /// Weight table: exp256, essay9 or a table file
    #[arg(long, value_name = "TABLE", default_value = "exp256")]
    pub table: TableChoice,
    /// Rounding of the outputs: floor or nearest
    #[arg(long, value_name = "RULE", default_value_t = Rounding::NearestTiesUp)]
    pub rounding: Rounding,
    /// Units of score that one table index spans [default: that of synthetic traces]
    #[arg(long, value_name = "D", value_parser = number(ScoreStep::new))]
    pub score_step: Option<ScoreStep>,
}

/// What is said to a model.
#[derive(Args, Clone, Debug)]
pub struct ChatArgs {
    /// What a user says to the model, as its chat template writes it, instead of a prompt
    #[arg(
        long,
        value_name = "TEXT",
        requires = "model",
        conflicts_with = "prompt",
        group = "given"
    )]
    pub chat: Option<String>,
    /// The instructions before it
    #[arg(long, value_name = "TEXT", requires = "chat")]
    pub system: Option<String>,
}

/// What is said to a model that is known by its key and its tokenizer.
#[derive(Args, Clone, Debug)]
pub struct TokenizedChatArgs {
    /// What a user says to the model, as its chat template writes it, instead of a prompt
    #[arg(
        long,
        value_name = "TEXT",
        requires_all = ["key", "tokenizer"],
        groups = ["given", "text"]
    )]
    pub chat: Option<String>,
    /// The instructions before it
    #[arg(long, value_name = "TEXT", requires = "chat")]
    pub system: Option<String>,
}

/// Arguments of `prove`.
#[derive(Args, Clone, Debug)]
pub struct ProveArgs {
    /// Safetensors file with the integer tensors q, k, v, prefix_k and prefix_v
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "model",
        conflicts_with = "layers"
    )]
    pub trace: Option<Utf8PathBuf>,
    /// Model file: prove its tokens, instead of a trace
    #[arg(
        long,
        value_name = "MODEL.mm",
        requires_all = ["given", "tokens"],
        conflicts_with_all = ["trace", "rounding", "table", "score_step", "plan"]
    )]
    pub model: Option<Utf8PathBuf>,
    /// The text that the model continues
    #[arg(long, value_name = "TEXT", requires = "model", group = "given")]
    pub prompt: Option<String>,
    /// What is said to the model, instead of a text that it continues.
    #[command(flatten)]
    pub chat: ChatArgs,
    /// Tokens to decode, at most
    #[arg(long, value_name = "N", requires = "model")]
    pub tokens: Option<u32>,
    /// Token that ends the answer where it is generated, by its text or number, in the place of the model's own
    /// end tokens; may be given several times
    #[arg(long, value_name = "TOKEN", requires = "model")]
    pub stop: Vec<String>,
    /// Let the answer run to its limit, whatever tokens end a text of the model
    #[arg(long, requires = "model", conflicts_with = "stop")]
    pub no_stop: bool,
    /// Let the last segment have a multiple of so many steps; what it decodes behind the answer is surplus [default:
    /// as the key says, or 1 for a small model and 16 for any other]
    #[arg(long, value_name = "M", requires = "model", value_parser = number(SegmentSteps::new))]
    pub granularity: Option<SegmentSteps>,
    /// Prove an answer that ends early in a chain as long as the longest answer takes, for a key or a policy that knows
    /// no shorter one
    #[arg(long, requires = "model")]
    pub full_length: bool,
    /// Key that the model must be the one of
    #[arg(long, value_name = "FILE", requires = "model")]
    pub key: Option<Utf8PathBuf>,
    /// Make the chain's directory, and leave the proofs to `part` and `resume`
    #[arg(long)]
    pub begin: bool,
    /// How it is proven.
    #[command(flatten)]
    pub terms: TermsArgs,
    /// Choose cut, segment length and profile so that this is least: bytes, prove, verify or memory
    #[arg(long, value_name = "OBJECTIVE", conflicts_with_all = ["cut", "segment_steps", "profile"])]
    pub plan: Option<Objective>,
    /// What proving may use of the machine.
    #[command(flatten)]
    pub resources: ResourceArgs,
    /// Directory of the chain: absent or empty
    #[arg(long, value_name = "DIR")]
    pub out: Utf8PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `resume`.
#[derive(Args, Clone, Debug)]
pub struct ResumeArgs {
    /// Directory of the chain
    #[arg(value_name = "DIR")]
    pub directory: Utf8PathBuf,
    /// What proving may use of the machine.
    #[command(flatten)]
    pub resources: ResourceArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `part`.
#[derive(Args, Clone, Debug)]
pub struct PartArgs {
    /// Directory of the chain
    #[arg(value_name = "DIR")]
    pub directory: Utf8PathBuf,
    /// The part: the number of its segment file
    #[arg(
        value_name = "N",
        required_unless_present = "input",
        conflicts_with = "input"
    )]
    pub part: Option<u64>,
    /// File that the part's input is written to, in the place of a proof
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    pub write_input: Option<Utf8PathBuf>,
    /// File with the part's input: nothing before the part is executed
    #[arg(long, value_name = "FILE")]
    pub input: Option<Utf8PathBuf>,
    /// What memory may be used.
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `policy`.
#[derive(Args, Clone, Debug)]
pub struct PolicyArgs {
    /// Directory of the chain: the policy that accepts it and no other
    #[arg(
        value_name = "DIR",
        required_unless_present = "key",
        conflicts_with_all = [
            "key", "prompt_tokens", "prompt", "chat", "tokens", "stop", "no_stop", "segment_steps", "layers", "security", "profile", "domain", "nonce"
        ]
    )]
    pub directory: Option<Utf8PathBuf>,
    /// Key of a model: the policy for a chain of it, with nothing taken from a prover
    #[arg(long, value_name = "FILE", requires_all = ["given", "tokens"])]
    pub key: Option<Utf8PathBuf>,
    /// The tokens that the chain is given, as numbers separated by commas
    #[arg(
        long,
        value_name = "TOKENS",
        requires = "key",
        group = "given",
        value_delimiter = ','
    )]
    pub prompt_tokens: Vec<u32>,
    /// The text that the chain is given, instead of its tokens
    #[arg(long, value_name = "TEXT", requires_all = ["key", "tokenizer"], groups = ["given", "text"])]
    pub prompt: Option<String>,
    /// What is said to the model, instead of a text that it continues.
    #[command(flatten)]
    pub chat: TokenizedChatArgs,
    /// Tokenizer of the key, for the tokens of the prompt and of --stop: folder or GGUF file of a trained model, or
    /// file of an integer one
    #[arg(long, value_name = "PATH", requires = "key")]
    pub tokenizer: Option<Utf8PathBuf>,
    /// Tokens that are decoded, at most
    #[arg(long, value_name = "N", requires = "key")]
    pub tokens: Option<u32>,
    /// Token that ends the answer where it is generated, by its text or number, in the place of the model's own
    /// end tokens; may be given several times
    #[arg(long, value_name = "TOKEN", requires = "key")]
    pub stop: Vec<String>,
    /// Let the answer run to its limit, whatever tokens end a text of the model
    #[arg(long, requires = "key", conflicts_with = "stop")]
    pub no_stop: bool,
    /// What else is decided with a key.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub to: Utf8PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Directory of the chain
    #[arg(value_name = "DIR")]
    pub directory: Utf8PathBuf,
    /// What to accept; without it, what follows from --key, the prompt, --tokens and the options of a chain
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "key",
        conflicts_with_all = ["tokens", "cut", "segment_steps", "layers", "security", "profile", "domain", "nonce"]
    )]
    pub policy: Option<Utf8PathBuf>,
    /// Key of the model; a policy must be the one that follows from it
    #[arg(long, value_name = "FILE")]
    pub key: Option<Utf8PathBuf>,
    /// Tokenizer of that key, to print the text: folder or GGUF file of a trained model, or file of
    /// an integer one
    #[arg(long, value_name = "PATH", requires = "key")]
    pub tokenizer: Option<Utf8PathBuf>,
    /// The text that the chain must be given
    #[arg(long, value_name = "TEXT", requires = "tokenizer", groups = ["given", "text"])]
    pub prompt: Option<String>,
    /// What is said to the model, instead of a text that it continues.
    #[command(flatten)]
    pub chat: TokenizedChatArgs,
    /// The tokens that the chain must be given, as numbers separated by commas, instead of the text
    #[arg(
        long,
        value_name = "TOKENS",
        requires = "key",
        group = "given",
        value_delimiter = ','
    )]
    pub prompt_tokens: Vec<u32>,
    /// Tokens that the chain must decode, unless an end token comes before, where there is no policy
    #[arg(
        long,
        value_name = "N",
        requires_all = ["key", "given"],
        required_unless_present = "policy"
    )]
    pub tokens: Option<u32>,
    /// Token that ends the answer where it is generated, by its text or number, in the place of the key's end
    /// tokens, which a policy must have otherwise; may be given several times
    #[arg(long, value_name = "TOKEN", requires = "key")]
    pub stop: Vec<String>,
    /// Let the answer run to its limit, whatever tokens end a text of the model
    #[arg(long, requires = "key", conflicts_with = "stop")]
    pub no_stop: bool,
    /// Also print every term of what the proofs are worth
    #[arg(long)]
    pub verbose: bool,
    /// What else is decided where there is no policy.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Verify while the chain is written: wait for one segment after the other
    #[arg(long)]
    pub follow: bool,
    /// End after so many seconds, whatever is missing then [default: none; with --follow 600 for each
    /// segment]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inspect`.
#[derive(Args, Clone, Debug)]
pub struct InspectArgs {
    /// Directory of the chain
    #[arg(value_name = "DIR")]
    pub directory: Utf8PathBuf,
    /// Write q, k, v and out of all steps to this safetensors file
    #[arg(long, value_name = "FILE")]
    pub public: Option<Utf8PathBuf>,
    /// Tokenizer to show tokens as text: folder or GGUF file of a trained model, or file of
    /// an integer one
    #[arg(long, value_name = "PATH")]
    pub tokenizer: Option<Utf8PathBuf>,
    /// Token that ends the answer, by its text or number, to say why the chain ends; may be given several times
    /// [default: those of the tokenizer]
    #[arg(long, value_name = "TOKEN")]
    pub stop: Vec<String>,
    /// Say where the bytes of each proof are: by part, by tree and by component
    #[arg(long)]
    pub sizes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `keygen`.
#[derive(Args, Clone, Debug)]
pub struct KeygenArgs {
    /// Model file
    #[arg(long, value_name = "MODEL.mm")]
    pub model: Utf8PathBuf,
    /// The key to write
    #[arg(long, value_name = "FILE", required_unless_present = "check")]
    pub to: Option<Utf8PathBuf>,
    /// Derive the model's key anew and compare it with this one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "levels", "profiles", "segment_steps", "layers", "steps", "granularity", "cuts"])]
    pub check: Option<Utf8PathBuf>,
    /// Security levels that the key is for [default: the default level]
    #[arg(long = "security", value_name = "LEVELS", value_delimiter = ',')]
    pub levels: Vec<SecurityLevel>,
    /// Profiles that the key is for [default: all of the levels for a small model, fastest for any other]
    #[arg(long = "profile", value_name = "PROFILES", value_delimiter = ',')]
    pub profiles: Vec<Profile>,
    /// How many steps the segments of chains may have; each number costs some trees [default: 16 for a small model,
    /// and as memory allows for any other]
    #[arg(long, value_name = "K", value_delimiter = ',', value_parser = number(SegmentSteps::new))]
    pub segment_steps: Vec<SegmentSteps>,
    /// Steps of the chains that the key is for: tokens that are given behind the model's prefix and tokens that are
    /// decoded, less one [default: all that the positions allow]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub steps: Vec<u32>,
    /// The last segment of a chain has a multiple of so many steps: the larger, the fewer trees [default: 1 for a small
    /// model, and 16 for any other]
    #[arg(long, value_name = "M", value_parser = number(SegmentSteps::new))]
    pub granularity: Option<SegmentSteps>,
    /// How segments are cut into proofs: fused, split, or both, separated by a comma [default: both for a small model,
    /// and fused for any other]
    #[arg(long = "cut", value_name = "CUTS", value_delimiter = ',')]
    pub cuts: Vec<Cut>,
    /// Most layers that are proven in one part; each number costs some trees [default: all of a small model, and as
    /// memory allows of any other]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub layers: Vec<NonZeroUsize>,
    /// What memory may be used.
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `mock`.
#[derive(Args, Clone, Debug)]
pub struct MockArgs {
    /// Safetensors file with the integer tensors q, k, v, prefix_k and prefix_v
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "model",
        conflicts_with = "layers"
    )]
    pub trace: Option<Utf8PathBuf>,
    /// Model file: check its tokens, instead of a trace
    #[arg(
        long,
        value_name = "MODEL.mm",
        requires_all = ["given", "tokens"],
        conflicts_with_all = ["trace", "rounding", "table", "score_step"]
    )]
    pub model: Option<Utf8PathBuf>,
    /// The text that the model continues
    #[arg(long, value_name = "TEXT", requires = "model", group = "given")]
    pub prompt: Option<String>,
    /// What is said to the model, instead of a text that it continues.
    #[command(flatten)]
    pub chat: ChatArgs,
    /// Tokens to decode, at most
    #[arg(long, value_name = "N", requires = "model")]
    pub tokens: Option<u32>,
    /// Token that ends the answer where it is generated, by its text or number, in the place of the model's own
    /// end tokens; may be given several times
    #[arg(long, value_name = "TOKEN", requires = "model")]
    pub stop: Vec<String>,
    /// Let the answer run to its limit, whatever tokens end a text of the model
    #[arg(long, requires = "model", conflicts_with = "stop")]
    pub no_stop: bool,
    /// How it would be proven.
    #[command(flatten)]
    pub terms: TermsArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quantize`: a file of float tensors makes a trace, a folder a model.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["float", "model"]))]
pub struct QuantizeArgs {
    /// Safetensors file with the float tensors q, k and v (F16, BF16, F32 or F64), and output if there is one
    #[arg(long, value_name = "FILE", requires = "prefix")]
    pub float: Option<Utf8PathBuf>,
    /// Tokens that are in the cache before the first step
    #[arg(long, value_name = "P", conflicts_with = "model")]
    pub prefix: Option<usize>,
    /// Trained model: a folder with config.json, tokenizer.json and the weights of LlamaForCausalLM, in
    /// model.safetensors or in several files with model.safetensors.index.json; or a GGUF file of the
    /// architecture llama
    #[arg(long, value_name = "DIR|FILE.gguf", requires = "calibrate")]
    pub model: Option<Utf8PathBuf>,
    /// Text from which the ranges of a model's values are taken, one sequence a line
    #[arg(long, value_name = "TEXT", conflicts_with = "float")]
    pub calibrate: Option<Utf8PathBuf>,
    /// Text that the new model is measured on, beside its floats, by 300 predictions at most [default: the end of
    /// the calibration text, which is then not used for it, where that has 8192 tokens or more]
    #[arg(long, value_name = "TEXT", conflicts_with = "float")]
    pub evaluate: Option<Utf8PathBuf>,
    /// Positions that the model is to have: the most tokens of a text with its continuation [default: as many
    /// as it was made for]
    #[arg(long, value_name = "N", conflicts_with = "float", value_parser = number(CacheCapacity::new))]
    pub positions: Option<CacheCapacity>,
    /// Compute the tokens with which all conversations begin like any others. Otherwise their keys and values are
    /// content of the model: first tokens have values so large that no range holds them and all others
    #[arg(long, conflicts_with = "float")]
    pub no_prefix: bool,
    /// Width of values in bits, 4 to 12 [default: 8 for a trace, 11 for a model]
    #[arg(long, value_name = "B", value_parser = number(ValueBits::new))]
    pub bits: Option<ValueBits>,
    /// The trace or model to write
    #[arg(long, value_name = "FILE")]
    pub to: Utf8PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `eval`.
#[derive(Args, Clone, Debug)]
pub struct EvalArgs {
    /// The integer model
    #[arg(long, value_name = "MODEL.mm")]
    pub model: Utf8PathBuf,
    /// Folder or GGUF file of the trained model that it was made from
    #[arg(long, value_name = "DIR|FILE.gguf")]
    pub float: Option<Utf8PathBuf>,
    /// Text to predict, one sequence a line
    #[arg(long, value_name = "TEXT", required_unless_present = "prompts")]
    pub text: Option<Utf8PathBuf>,
    /// What users say, one prompt a line, as the model's chat template writes it where it has one: the answers
    /// are compared with those of the floats, always with the token of the largest logit
    #[arg(long, value_name = "FILE", requires = "float")]
    pub prompts: Option<Utf8PathBuf>,
    /// Tokens that such an answer has at most
    #[arg(
        long,
        value_name = "N",
        requires = "prompts",
        default_value_t = NonZeroUsize::new(48).unwrap_or(NonZeroUsize::MIN)
    )]
    pub answer_tokens: NonZeroUsize,
    /// Measure the processor time of decode steps, one token at a time, around so many entries of the cache
    #[arg(long, value_name = "ENTRIES", requires = "text")]
    pub speed: Option<NonZeroUsize>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `chat`.
#[derive(Args, Clone, Debug)]
pub struct ChatCommandArgs {
    /// Model file, of a model with a chat template
    #[arg(long, value_name = "MODEL.mm")]
    pub model: Utf8PathBuf,
    /// Instructions to the model
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Most tokens of an answer [default: as many as the model has positions for]
    #[arg(long, value_name = "N")]
    pub tokens: Option<NonZeroUsize>,
}

/// Arguments of `synthesize`.
#[derive(Args, Clone, Debug)]
pub struct SynthesizeArgs {
    /// Query heads
    #[arg(long, value_name = "H")]
    pub heads: u32,
    /// Key/value heads, a divisor of the query heads [default: as many]
    #[arg(long, value_name = "G")]
    pub kv_heads: Option<u32>,
    /// Dimension of a head
    #[arg(long, value_name = "D", value_parser = number(HeadDim::new))]
    pub head_dim: HeadDim,
    /// Entries in the cache before the first step
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub prefix: u32,
    /// Decode steps
    #[arg(long, value_name = "S")]
    pub steps: u32,
    /// Width of values in bits, 4 to 12
    #[arg(long, value_name = "B", default_value_t = ValueBits::DEFAULT, value_parser = number(ValueBits::new))]
    pub bits: ValueBits,
    /// Equal seeds make equal traces
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The trace to write
    #[arg(long, value_name = "TRACE")]
    pub to: Utf8PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// A parser of numbers that a constructor accepts.
fn number<N, T, E>(
    make: impl Fn(N) -> Result<T, E> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    N: std::str::FromStr<Err: std::fmt::Display>,
    E: std::fmt::Display,
{
    move |text| {
        let number = text.parse().map_err(|error: N::Err| error.to_string())?;
        make(number).map_err(|error| error.to_string())
    }
}
