//! Chat templates: how a conversation is written as one text, in the language Jinja.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{context, Environment, Error, ErrorKind};

use super::TokenizerError;

/// Longest template, in bytes; the longest of known models have 20,000.
const MAX_TEMPLATE: usize = 1 << 18;
/// Work of one rendering: an instruction costs one unit, 64 bytes that it reads or writes cost another. What it
/// writes is therefore at most 64 MiB.
const FUEL: u64 = 1 << 20;

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions to the model.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name that templates know.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// What somebody says.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
        }
    }
}

/// Why a conversation is not written as a text, or that not as tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The model has no chat template: it was not made for conversations.
    #[error("the model has no chat template: give it a text to continue instead (`--prompt`)")]
    NoTemplate,
    /// The template is longer than any that is read.
    #[error("the chat template has {got} bytes, expected at most {expected}")]
    TooLong {
        /// The largest number.
        expected: usize,
        /// That of the template.
        got: usize,
    },
    /// The template is no Jinja, asks for something that there is not, or refuses the conversation.
    #[error("the chat template: {reason}")]
    Template {
        /// What its library says, or the template itself.
        reason: String,
    },
    /// Writing the conversation takes more than it may.
    #[error("the chat template does more than {expected} units of work, expected no more: the conversation is too long, or the template has no end")]
    TooMuchWork {
        /// The largest number of units.
        expected: u64,
    },
    /// The template does not take a message over as it is, so that what of the text is the message's is not
    /// known.
    #[error("a message has the name of a special token in it, or a part of one, and the chat template changes what it writes for that: expected a message without it")]
    SpecialInMessage,
    /// A message has every character in it that could mark what is the message's.
    #[error("a message has all of U+FDD0 to U+FDEF in it, expected one of these to be free")]
    NoMark,
    /// A conversation does not begin with the tokens that every text of the model begins with.
    #[error("the conversation begins with tokens {got:?}, expected {expected:?}, with which every text of the model begins")]
    OtherPrefix {
        /// The model's prefix.
        expected: Vec<u32>,
        /// As many tokens of the conversation.
        got: Vec<u32>,
    },
    /// The text has no tokens.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// How the conversations of a model are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTemplate {
    source: String,
    begin_name: Option<String>,
    end_name: Option<String>,
}

impl ChatTemplate {
    /// Takes a template in Jinja, and the texts that it knows as `bos_token` and `eos_token`. Whether it is a
    /// template is seen when a conversation is written.
    ///
    /// # Errors
    /// [`ChatError::TooLong`].
    pub fn new(
        source: impl Into<String>,
        begin_name: Option<String>,
        end_name: Option<String>,
    ) -> Result<Self, ChatError> {
        let source = source.into();
        let names = [&begin_name, &end_name];
        let lengths = names.map(|name| name.as_ref().map_or(0, String::len));
        let got = source.len().max(lengths[0]).max(lengths[1]);
        if got > MAX_TEMPLATE {
            return Err(ChatError::TooLong {
                expected: MAX_TEMPLATE,
                got,
            });
        }
        let not_empty = |name: Option<String>| name.filter(|name| !name.is_empty());
        Ok(Self {
            source,
            begin_name: not_empty(begin_name),
            end_name: not_empty(end_name),
        })
    }

    /// The template itself.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The name of the token that begins a text, where the template is told of one.
    #[must_use]
    pub fn begin_name(&self) -> Option<&str> {
        self.begin_name.as_deref()
    }

    /// The name of the token that ends a text, where the template is told of one.
    #[must_use]
    pub fn end_name(&self) -> Option<&str> {
        self.end_name.as_deref()
    }

    /// A conversation as one text, as the library `transformers` writes it; behind it what begins an answer, where
    /// that is asked for.
    ///
    /// A template knows `messages`, `add_generation_prompt`, `bos_token`, `eos_token`, the function
    /// `raise_exception`, and the methods of texts and lists that Python has. Tools and documents are none, and
    /// there is no clock.
    ///
    /// # Errors
    /// [`ChatError::Template`] and [`ChatError::TooMuchWork`].
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        let failed = |error: Error| match error.kind() {
            ErrorKind::OutOfFuel => ChatError::TooMuchWork { expected: FUEL },
            _ => ChatError::Template {
                reason: error.to_string(),
            },
        };
        let mut environment = Environment::new();
        // As `transformers` sets Jinja.
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().map_err(failed)?);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |reason: String| -> Result<Value, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, reason))
            },
        );
        let template = environment
            .template_from_str(&self.source)
            .map_err(failed)?;
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| {
                context! { role => message.role.name(), content => message.content.as_str() }
            })
            .collect();
        let nothing = Value::from(());
        let rendered = template.render(context! {
            messages,
            add_generation_prompt,
            bos_token => self.begin_name.as_deref().unwrap_or_default(),
            eos_token => self.end_name.as_deref().unwrap_or_default(),
            tools => nothing.clone(),
            documents => nothing,
        });
        rendered.map_err(failed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn render(source: &str, messages: &[(Role, &str)]) -> Result<String, ChatError> {
        let messages: Vec<Message> = messages
            .iter()
            .map(|(role, content)| Message::new(*role, *content))
            .collect();
        let names = ["<s>", "</s>"].map(|name| Some(name.to_owned()));
        let [begin, end] = names;
        ChatTemplate::new(source, begin, end)?.render(&messages, true)
    }

    /// That of SmolLM2-Instruct.
    const CHATML: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    /// In the manner of Llama 2 and Mistral: blocks on lines of their own, methods of Python, a refusal.
    const LINES: &str = "{{- bos_token }}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content.strip() %}
    {%- set messages = messages[1:] %}
{%- endif %}
{% for message in messages %}
    {% if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('roles must take turns') }}
    {% endif %}
    {% if message.role == 'user' %}
[INST] {% if loop.first and system is defined %}{{ system.upper() }}: {% endif %}{{ message.content | trim }} [/INST]
    {%- else %}
        {%- if message.content.startswith('x') %}{% continue %}{% endif %}
{{ ' ' ~ message.content.split(' ')[-1] }}{{ eos_token }}
    {%- endif %}
{% endfor %}
{{ tools is none }}{{ strftime_now is defined }}
";

    #[test]
    fn conversations_as_transformers_writes_them() {
        assert_eq!(
            render(CHATML, &[(Role::User, "What is the capital of France?")]).unwrap(),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
             <|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
        );
        assert_eq!(
            render(CHATML, &[(Role::System, "Be brief."), (Role::User, "Hi")]).unwrap(),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        );
        assert_eq!(
            render(
                LINES,
                &[
                    (Role::System, " be brief \n"),
                    (Role::User, " Hi "),
                    (Role::Assistant, "Hello you"),
                    (Role::User, "Bye"),
                ]
            )
            .unwrap(),
            "<s>[INST] BE BRIEF: Hi [/INST] you</s>[INST] Bye [/INST]TrueFalse"
        );
    }

    #[test]
    fn templates_that_refuse_or_are_none() {
        for (source, words) in [
            (LINES, "roles must take turns"),
            ("{% for %}", "syntax error"),
            ("{{ no_such() }}", "no_such"),
            ("{{ messages | no_such }}", "no_such"),
            ("{% include 'file' %}", ""),
            ("{{ messages[0].content.no_such() }}", "no_such"),
        ] {
            match render(source, &[(Role::Assistant, "Hi")]) {
                Err(ChatError::Template { reason }) => assert!(reason.contains(words), "{reason}"),
                other => panic!("{source}: {other:?}"),
            }
        }
        let long = " ".repeat(MAX_TEMPLATE + 1);
        assert_eq!(
            render(&long, &[]),
            Err(ChatError::TooLong {
                expected: MAX_TEMPLATE,
                got: MAX_TEMPLATE + 1
            })
        );
    }

    #[test]
    fn templates_without_an_end() {
        for source in [
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "{% for a in range(9999) %}{{ 'x' * 1000000 }}{% endfor %}",
            "{% set n = namespace(x='xxxxxxxx') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
            "{{ 'x' * 1000000000 * 1000000000 }}",
        ] {
            let refused = render(source, &[]);
            let expected = Err(ChatError::TooMuchWork { expected: FUEL });
            assert_eq!(refused, expected, "{source}");
        }
        // Deeper than the stack.
        for source in [
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
            "(".repeat(100_000),
            format!("{{{{ {}1{} }}}}", "(".repeat(90_000), ")".repeat(90_000)),
            "{% if true %}".repeat(15_000),
        ] {
            let refused = render(&source, &[]);
            match source.starts_with("((") {
                true => assert_eq!(refused, Ok(source)),
                false => assert!(refused.is_err()),
            }
        }
    }
}
