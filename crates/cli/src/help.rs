//! What help says besides the options: usages, examples, and which options belong together.

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Cli;

/// Options that belong together, by the name of their field, in all commands.
const GROUPS: [(&str, &[&str]); 4] = [
    (
        "Input",
        &[
            "trace",
            "model",
            "prompt",
            "chat",
            "system",
            "prompt_tokens",
            "tokens",
            "stop",
            "no_stop",
            "key",
            "policy",
            "tokenizer",
            "check",
            "input",
            "float",
            "prefix",
            "calibrate",
            "evaluate",
            "positions",
            "no_prefix",
            "text",
            "prompts",
            "answer_tokens",
            "heads",
            "kv_heads",
            "head_dim",
            "steps",
            "bits",
            "seed",
        ],
    ),
    (
        "Proof",
        &[
            "cut",
            "cuts",
            "segment_steps",
            "granularity",
            "full_length",
            "layers",
            "max_latency_steps",
            "security",
            "levels",
            "profile",
            "profiles",
            "plan",
            "objective",
            "rounding",
            "table",
            "score_step",
            "domain",
            "nonce",
        ],
    ),
    (
        "Machine",
        &["jobs", "max_memory", "follow", "timeout", "speed"],
    ),
    (
        "Output",
        &[
            "out",
            "begin",
            "write_input",
            "to",
            "public",
            "sizes",
            "verbose",
            "json",
        ],
    ),
];

/// What is said of a command besides its options.
struct Help {
    command: &'static str,
    /// The ways to call it, where the one that follows from the options does not show them.
    usage: &'static [&'static str],
    examples: &'static [&'static str],
}

const HELP: [Help; 13] = [
    Help {
        command: "plan",
        usage: &[
            "--model <MODEL.mm> --tokens <N> [--objective <OBJECTIVE>] [OPTIONS]",
            "--heads <H> --head-dim <D> --steps <S> --objective <OBJECTIVE> [OPTIONS]",
            "--calibrate",
        ],
        examples: &[
            "matchmark plan --model stories.mm --prompt-tokens 5 --tokens 60 --objective prove",
            "matchmark plan --model smol.mm --prompt-tokens 35 --tokens 64 --max-memory 8GiB",
            "matchmark plan --heads 4 --head-dim 64 --prefix 2 --steps 64 --objective prove",
            "matchmark plan --heads 4 --head-dim 64 --steps 64 --objective bytes --max-memory 1GiB",
            "matchmark plan --calibrate",
        ],
    },
    Help {
        command: "prove",
        usage: &[
            "--model <MODEL.mm> --prompt <TEXT> --tokens <N> --out <DIR> [OPTIONS]",
            "--model <MODEL.mm> --chat <TEXT> --tokens <N> --out <DIR> [OPTIONS]",
            "--trace <FILE> --out <DIR> [OPTIONS]",
        ],
        examples: &[
            "matchmark prove --model stories.mm --prompt \"Once upon a time\" --tokens 48 --out story",
            "matchmark prove --model smol.mm --chat \"What is the capital of France?\" --tokens 16 --out answer",
            "matchmark prove --model stories.mm --prompt \"Once\" --tokens 8 --out story --jobs 1 --max-memory 2GiB",
            "matchmark prove --model stories.mm --prompt \"Once\" --tokens 48 --stop \".\" --out sentence",
            "matchmark prove --model stories.mm --prompt \"Once\" --tokens 48 --out story --begin",
            "matchmark prove --trace trace.safetensors --segment-steps 16 --out chain",
            "matchmark prove --trace trace.safetensors --plan bytes --out chain",
        ],
    },
    Help {
        command: "part",
        usage: &[
            "<DIR> <N> [--write-input <FILE>] [OPTIONS]",
            "<DIR> --input <FILE> [OPTIONS]",
        ],
        examples: &[
            "matchmark part story 2",
            "matchmark part story 1 --write-input part-1",
            "matchmark part story --input part-1",
        ],
    },
    Help {
        command: "resume",
        usage: &[],
        examples: &["matchmark resume story", "matchmark resume story --jobs 1"],
    },
    Help {
        command: "policy",
        usage: &[
            "--key <FILE> --prompt <TEXT> --tokenizer <PATH> --tokens <N> --to <FILE> [OPTIONS]",
            "--key <FILE> --chat <TEXT> --tokenizer <PATH> --tokens <N> --to <FILE> [OPTIONS]",
            "<DIR> --to <FILE>",
        ],
        examples: &[
            "matchmark policy --key stories.vk --prompt \"Once upon a time\" --tokenizer stories-2m --tokens 48 --to story.toml",
            "matchmark policy chain --to policy.toml",
        ],
    },
    Help {
        command: "keygen",
        usage: &[
            "--model <MODEL.mm> --to <FILE> [OPTIONS]",
            "--model <MODEL.mm> --check <FILE> [OPTIONS]",
        ],
        examples: &[
            "matchmark keygen --model stories.mm --to stories.vk",
            "matchmark keygen --model stories.mm --check stories.vk",
            "matchmark keygen --model stories.mm --to small.vk --profile compact --segment-steps 16,64",
        ],
    },
    Help {
        command: "verify",
        usage: &[],
        examples: &[
            "matchmark verify story --policy story.toml",
            "matchmark verify story --policy story.toml --key stories.vk --tokenizer stories-2m",
            "matchmark verify story --policy story.toml --follow --timeout 60",
        ],
    },
    Help {
        command: "inspect",
        usage: &[],
        examples: &[
            "matchmark inspect chain --sizes",
            "matchmark inspect story --tokenizer stories-2m",
            "matchmark inspect chain --public values.safetensors --json",
        ],
    },
    Help {
        command: "mock",
        usage: &[
            "--model <MODEL.mm> --prompt <TEXT> --tokens <N> [OPTIONS]",
            "--trace <FILE> [OPTIONS]",
        ],
        examples: &[
            "matchmark mock --model stories.mm --prompt \"Once upon a time\" --tokens 8",
            "matchmark mock --trace trace.safetensors --segment-steps 16",
        ],
    },
    Help {
        command: "quantize",
        usage: &[
            "--model <DIR|FILE.gguf> --calibrate <TEXT> --to <MODEL.mm> [OPTIONS]",
            "--float <FILE> --prefix <P> --to <TRACE> [OPTIONS]",
        ],
        examples: &[
            "matchmark quantize --model stories-2m --calibrate calibrate.txt --to stories.mm",
            "matchmark quantize --model stories-2m --calibrate calibrate.txt --evaluate held-out.txt --to stories.mm",
            "matchmark quantize --model SmolLM2-135M-Instruct.gguf --positions 512 --calibrate text.txt --to smol.mm",
            "matchmark quantize --float layer.safetensors --prefix 2 --to trace.safetensors",
        ],
    },
    Help {
        command: "eval",
        usage: &[
            "--model <MODEL.mm> --text <TEXT> [--float <DIR|FILE.gguf>] [OPTIONS]",
            "--model <MODEL.mm> --prompts <FILE> --float <DIR|FILE.gguf> [OPTIONS]",
        ],
        examples: &[
            "matchmark eval --model stories.mm --text held-out.txt",
            "matchmark eval --model stories.mm --float stories-2m --text held-out.txt",
            "matchmark eval --model stories.mm --text held-out.txt --speed 128",
            "matchmark eval --model smol.mm --float SmolLM2-135M-Instruct.gguf --prompts questions.txt",
        ],
    },
    Help {
        command: "chat",
        usage: &[],
        examples: &[
            "matchmark chat --model smol.mm",
            "matchmark chat --model smol.mm --system \"Be brief.\" --tokens 64",
        ],
    },
    Help {
        command: "synthesize",
        usage: &[],
        examples: &[
            "matchmark synthesize --heads 4 --head-dim 64 --prefix 2 --steps 64 --to trace.safetensors",
        ],
    },
];

/// The command with its help.
pub(crate) fn command() -> Command {
    HELP.iter().fold(Cli::command(), |command, help| {
        command.mut_subcommand(help.command, |command| {
            let command = command
                .mut_args(grouped)
                .after_help(block("Examples:", help.examples));
            if help.usage.is_empty() {
                return command;
            }
            let lines: Vec<String> = help
                .usage
                .iter()
                .map(|usage| format!("matchmark {} {usage}", help.command))
                .collect();
            command.override_usage(lines.join("\n       "))
        })
    })
}

/// An option under the heading of its group.
fn grouped(arg: Arg) -> Arg {
    let id = arg.get_id().as_str();
    let group = GROUPS.iter().find(|(_, ids)| ids.contains(&id));
    match group {
        // What is given by its place has a heading of its own.
        Some((heading, _)) if !arg.is_positional() => arg.help_heading(*heading),
        _ => arg,
    }
}

fn block(heading: &str, lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
    format!("{heading}\n{}", lines.join("\n"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The words of a line, as a shell splits it: double quotes keep spaces.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('"').enumerate();
        let words = parts.flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect()
    }

    fn subcommands() -> Vec<Command> {
        let mut all = command();
        all.build();
        let own = all.get_subcommands().filter(|it| it.get_name() != "help");
        own.cloned().collect()
    }

    #[test]
    fn every_help_has_examples_that_are_arguments() {
        for mut of in subcommands() {
            let text = of.render_long_help().to_string();
            let examples: Vec<&str> = text
                .lines()
                .skip_while(|line| *line != "Examples:")
                .skip(1)
                .collect();
            assert!(!examples.is_empty(), "{}", of.get_name());
            for example in examples {
                let words = words(example);
                assert_eq!(words[..2], ["matchmark", of.get_name()]);
                let parsed = command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn usages_name_options_that_there_are() {
        for mut of in subcommands() {
            let usage = of.render_usage().to_string();
            assert!(usage.contains(of.get_name()), "{usage}");
            let longs: Vec<&str> = of.get_arguments().filter_map(Arg::get_long).collect();
            for word in usage.split_whitespace() {
                if let Some(long) = word.strip_prefix("--") {
                    assert!(longs.contains(&long), "{usage}");
                }
            }
        }
        let usage = |name: &str| {
            let mut all = subcommands().into_iter();
            let mut of = all.find(|it| it.get_name() == name).unwrap();
            of.render_usage().to_string()
        };
        for (name, options) in [
            ("prove", ["--model", "--trace"]),
            ("policy", ["--key", "<DIR>"]),
            ("keygen", ["--to", "--check"]),
            ("quantize", ["--model", "--float"]),
            ("plan", ["--heads", "--model"]),
            ("mock", ["--model", "--trace"]),
        ] {
            assert!(options.iter().all(|it| usage(name).contains(it)), "{name}");
        }
    }

    #[test]
    fn options_are_grouped_and_groups_have_options() {
        let all: Vec<Arg> = subcommands()
            .iter()
            .flat_map(|of| of.get_arguments().cloned().collect::<Vec<_>>())
            .collect();
        for (heading, ids) in GROUPS {
            for id in ids {
                let mut of = all.iter().filter(|arg| arg.get_id() == *id).peekable();
                assert!(of.peek().is_some(), "nothing has the option {id}");
                for arg in of.filter(|arg| !arg.is_positional()) {
                    assert_eq!(arg.get_help_heading(), Some(heading), "{id}");
                }
            }
        }
        let loose = all
            .iter()
            .filter(|arg| !arg.is_positional() && arg.get_help_heading().is_none());
        let names: Vec<&str> = loose.map(|arg| arg.get_id().as_str()).collect();
        let known = ["help", "version"];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    }
}
