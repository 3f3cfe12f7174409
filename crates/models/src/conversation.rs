//! Conversations with a model: what is said, and the state that belongs to it.

use crate::tokenizer::{behind_prefix, take_text};
use crate::{
    execute_model, ChatError, IntegerModel, Message, ModelError, ModelState, Role, TokenizerError,
};

/// Tokens that are run at once: what is recorded of each takes memory.
const AT_ONCE: usize = 16;

/// Why a model does not answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversationError {
    /// What was said does not fit with an answer of one token.
    #[error("the conversation has more tokens than the model has positions, expected fewer than {positions}: begin a new one, or say less")]
    Full {
        /// Positions of the model.
        positions: usize,
    },
    /// The conversation is not written as tokens.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The model does not run.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerEnd {
    /// The model chose this token, which ends a text.
    Token(u32),
    /// It has as many tokens as it may have.
    Limit,
    /// The model has no further position.
    Full,
}

/// A conversation with a model. Answers are greedy: of all tokens the one with the largest logit.
#[derive(Clone, Debug)]
pub struct Conversation<'a> {
    model: &'a IntegerModel,
    messages: Vec<Message>,
    /// What the model was run on, and what it carries since; the end of it may be an answer.
    now: Run,
    /// The same before the last answer, whose tokens need not be those that its text has.
    before_answer: Run,
}

/// Tokens that a model was run on, and its state after them.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    tokens: Vec<u32>,
    state: ModelState,
}

impl Run {
    pub(crate) fn empty(model: &IntegerModel) -> Self {
        Self {
            tokens: Vec::new(),
            state: ModelState::initial(model),
        }
    }

    /// The position of the next token.
    pub(crate) fn position(&self) -> usize {
        self.state.position()
    }

    /// The tokens behind those of this run; `None` where it is of others, or of all.
    fn rest<'t>(&self, tokens: &'t [u32]) -> Option<&'t [u32]> {
        let rest = tokens.strip_prefix(self.tokens.as_slice());
        rest.filter(|rest| !rest.is_empty())
    }

    /// Runs tokens, and gives the choice after the last.
    pub(crate) fn extend(
        &mut self,
        model: &IntegerModel,
        tokens: &[u32],
    ) -> Result<u32, ModelError> {
        let mut choice = Err(ModelError::NoTokens);
        for some in tokens.chunks(AT_ONCE) {
            let (execution, state) = execute_model(model, &self.state, some)?;
            self.state = state;
            self.tokens.extend_from_slice(some);
            choice = execution
                .choices
                .last()
                .copied()
                .ok_or(ModelError::NoTokens);
        }
        choice
    }
}

impl<'a> Conversation<'a> {
    /// A conversation in which nothing is said yet but the instructions, if there are any.
    ///
    /// # Errors
    /// [`ChatError::NoTemplate`] for a model that was not made for conversations.
    pub fn new(model: &'a IntegerModel, system: Option<&str>) -> Result<Self, ChatError> {
        if model.tokenizer().chat_template().is_none() {
            return Err(ChatError::NoTemplate);
        }
        let system = system.map(|text| Message::new(Role::System, text));
        Ok(Self {
            model,
            messages: system.into_iter().collect(),
            now: Run::empty(model),
            before_answer: Run::empty(model),
        })
    }

    /// All that was said.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Says something, and has the model answer with at most so many tokens, zero being no bound. The text of the
    /// answer is told as it becomes known; the names of special tokens are not part of it.
    ///
    /// # Errors
    /// [`ConversationError`]. Where nothing was answered nothing was said, and the conversation can go on.
    pub fn ask(
        &mut self,
        text: &str,
        limit: usize,
        mut tell: impl FnMut(&str),
    ) -> Result<AnswerEnd, ConversationError> {
        let tokenizer = self.model.tokenizer();
        let positions = self.model.shape().positions();
        self.messages.push(Message::new(Role::User, text));
        let said = tokenizer.encode_chat(&self.messages, true, positions.saturating_sub(1));
        let prefix = &self.model.prefix().tokens;
        let said = match said.and_then(|tokens| behind_prefix(prefix, tokens)) {
            Ok(tokens) => self.run(&tokens),
            Err(ChatError::Tokenizer(TokenizerError::TooManyTokens { .. })) => {
                Err(ConversationError::Full { positions })
            }
            Err(error) => Err(error.into()),
        };
        let mut choice = said.inspect_err(|_| {
            self.messages.pop();
        })?;
        let (mut answer, mut open, mut tokens) = (String::new(), Vec::new(), 0);
        let end = loop {
            if tokenizer.ends().contains(&choice) {
                break AnswerEnd::Token(choice);
            }
            tokens += 1;
            open.extend_from_slice(tokenizer.piece(choice).map_err(ModelError::from)?);
            let known = answer.len();
            take_text(&mut open, &mut answer);
            tell(&answer[known..]);
            if tokens == limit {
                break AnswerEnd::Limit;
            }
            if self.now.position() == positions {
                break AnswerEnd::Full;
            }
            choice = self.now.extend(self.model, &[choice])?;
        };
        // A character that never became whole.
        let rest = String::from_utf8_lossy(&open);
        tell(&rest);
        answer.push_str(&rest);
        self.messages.push(Message::new(Role::Assistant, answer));
        Ok(end)
    }

    /// Runs the model on all that was said, from where it was run on the same; gives the choice after it.
    fn run(&mut self, tokens: &[u32]) -> Result<u32, ConversationError> {
        let (mut run, rest) = match (self.now.rest(tokens), self.before_answer.rest(tokens)) {
            (Some(rest), _) => (self.now.clone(), rest),
            (None, Some(rest)) => (self.before_answer.clone(), rest),
            (None, None) => (Run::empty(self.model), tokens),
        };
        let choice = run.extend(self.model, rest)?;
        self.before_answer.clone_from(&run);
        self.now = run;
        Ok(choice)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use matchmark_graph::ModelShape;
    use matchmark_quant::{
        AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
        ValueBits, VocabularySize,
    };

    use super::*;
    use crate::{synthetic_arithmetic, synthetic_model, ChatTemplate, Tokenizer};

    const TEMPLATE: &str = "{% for m in messages %}{{ m.role[0] }}{{ m.content }}|{% endfor %}{% if add_generation_prompt %}a{% endif %}";

    /// A model of 64 positions that nobody has trained; of the tokens of its tokenizer, 0 and 1 are special.
    fn model(source: &str, ends: Vec<u32>) -> IntegerModel {
        let attention = AttentionShape::new(
            QueryHeads::new(2).unwrap(),
            KvHeads::new(1).unwrap(),
            HeadDim::new(8).unwrap(),
        );
        let shape = ModelShape::new(
            Layers::new(1).unwrap(),
            HiddenSize::new(16).unwrap(),
            attention.unwrap(),
            MlpSize::new(24).unwrap(),
            VocabularySize::new(130).unwrap(),
            CacheCapacity::new(64).unwrap(),
        )
        .unwrap();
        let arithmetic = synthetic_arithmetic(shape, ValueBits::new(11).unwrap()).unwrap();
        let mut parts = synthetic_model(shape, arithmetic, 1).unwrap().into_parts();
        let mut tokenizer = parts.tokenizer.parts().clone();
        tokenizer.pieces = (0..130u8)
            .map(|token| vec![token.wrapping_sub(2)])
            .collect();
        tokenizer.pieces[0] = b"<0>".to_vec();
        tokenizer.pieces[1] = b"<1>".to_vec();
        tokenizer.ends = ends;
        tokenizer.chat = Some(ChatTemplate::new(source, None, None).unwrap());
        parts.tokenizer = Tokenizer::new(tokenizer).unwrap();
        IntegerModel::new(parts).unwrap()
    }

    fn ask(conversation: &mut Conversation<'_>, text: &str, limit: usize) -> (String, AnswerEnd) {
        let mut told = String::new();
        let end = conversation
            .ask(text, limit, |text| told.push_str(text))
            .unwrap();
        (told, end)
    }

    /// The greedy continuation of a conversation, run from its beginning.
    fn from_the_beginning(model: &IntegerModel, messages: &[Message], tokens: usize) -> Vec<u32> {
        let prompt = model.tokenizer().encode_chat(messages, true, 64).unwrap();
        let mut run = Run::empty(model);
        let mut choices = vec![run.extend(model, &prompt).unwrap()];
        while choices.len() < tokens {
            choices.push(run.extend(model, &choices[choices.len() - 1..]).unwrap());
        }
        choices
    }

    #[test]
    fn answers_are_those_of_the_whole_conversation() {
        let model = model(TEMPLATE, vec![]);
        let mut conversation = Conversation::new(&model, Some("s")).unwrap();
        for text in ["how", "what", "why"] {
            let (told, end) = ask(&mut conversation, text, 3);
            assert_eq!(end, AnswerEnd::Limit);
            let (answer, before) = conversation.messages().split_last().unwrap();
            assert_eq!((answer.role, &answer.content), (Role::Assistant, &told));
            let expected = from_the_beginning(&model, before, 3);
            let bytes = model.tokenizer().decode(&expected).unwrap();
            assert_eq!(told, String::from_utf8_lossy(&bytes));
        }
        assert_eq!(conversation.messages().len(), 7);
    }

    #[test]
    fn an_answer_ends_at_each_token_that_ends_a_text() {
        let endless = model(TEMPLATE, vec![]);
        let messages = [Message::new(Role::User, "how")];
        let choices = from_the_beginning(&endless, &messages, 8);
        let last = *choices.last().unwrap();
        let at = choices.iter().position(|token| *token == last).unwrap();
        let model = model(TEMPLATE, vec![1, last]);
        let mut conversation = Conversation::new(&model, None).unwrap();
        let (told, end) = ask(&mut conversation, "how", 0);
        assert_eq!(end, AnswerEnd::Token(last));
        let bytes = model.tokenizer().decode(&choices[..at]).unwrap();
        assert_eq!(told, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_full_context() {
        let model = model(TEMPLATE, vec![]);
        let mut conversation = Conversation::new(&model, None).unwrap();
        // "u", 58 characters, "|a": three positions are left, and the choice after the last.
        let (_, end) = ask(&mut conversation, &"x".repeat(58), 0);
        assert_eq!(end, AnswerEnd::Full);
        assert_eq!(conversation.now.tokens.len(), 64);
        let said = conversation.messages().to_vec();
        let refused = conversation.ask("y", 0, |_| ());
        assert_eq!(refused, Err(ConversationError::Full { positions: 64 }));
        assert_eq!(conversation.messages(), said);
        let mut conversation = Conversation::new(&model, None).unwrap();
        let refused = conversation.ask(&"x".repeat(61), 0, |_| ());
        assert_eq!(refused, Err(ConversationError::Full { positions: 64 }));
        assert_eq!(conversation.messages(), []);
    }

    #[test]
    fn conversations_that_there_are_not() {
        let model = model("{{ no_such() }}", vec![]);
        let mut conversation = Conversation::new(&model, None).unwrap();
        let refused = conversation.ask("x", 0, |_| ());
        assert!(matches!(
            refused,
            Err(ConversationError::Chat(ChatError::Template { .. }))
        ));
        let mut parts = model.into_parts();
        let mut tokenizer = parts.tokenizer.parts().clone();
        tokenizer.chat = None;
        parts.tokenizer = Tokenizer::new(tokenizer).unwrap();
        let model = IntegerModel::new(parts).unwrap();
        assert_eq!(
            Conversation::new(&model, None).err(),
            Some(ChatError::NoTemplate)
        );
    }
}
