//! Rust source without its comments and literals: enough of a lexer for rules about words.

/// The source with everything inside comments, strings and character literals replaced by spaces.
/// Lines keep their numbers.
pub fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let in_word = code.chars().next_back().is_some_and(is_word);
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if first == '"' {
            string(rest)
        } else if first == '\'' {
            character(rest)
        } else if in_word {
            0
        } else {
            raw_string(rest)
        };
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (blanked, after) = rest.split_at(length);
            code.extend(blanked.chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = after;
        }
    }
    code
}

/// The places where a word stands: the line, and the text behind the word.
pub fn word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(word).filter_map(move |(start, _)| {
        let (before, after) = (&code[..start], &code[start + word.len()..]);
        let alone = !before.chars().next_back().is_some_and(is_word)
            && !after.chars().next().is_some_and(is_word);
        alone.then(|| (before.matches('\n').count() + 1, after))
    })
}

/// The attributes: the line of each, and the text inside its brackets.
pub fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.match_indices("#[").map(|(start, opening)| {
        let inside = &code[start + opening.len()..];
        let mut depth = 1usize;
        let end = inside.find(|c| {
            match c {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let line = code[..start].matches('\n').count() + 1;
        (line, &inside[..end.unwrap_or(inside.len())])
    })
}

/// Whether the text goes on with these tokens, with any white space before each.
pub fn continues(mut text: &str, tokens: &[&str]) -> bool {
    tokens
        .iter()
        .all(|token| match text.trim_start().strip_prefix(token) {
            Some(after) => {
                text = after;
                true
            }
            None => false,
        })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A string that begins with its quote; prefixes such as `b` are words before it.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A raw string with its prefix; 0 if none begins here.
fn raw_string(text: &str) -> usize {
    let prefixes = ["r", "br", "cr"];
    let Some(after) = prefixes.iter().find_map(|prefix| {
        let after = text.strip_prefix(prefix)?;
        (after.starts_with('#') || after.starts_with('"')).then_some(after)
    }) else {
        return 0;
    };
    let hashes = after.len() - after.trim_start_matches('#').len();
    let Some(content) = after[hashes..].strip_prefix('"') else {
        return 0; // a raw identifier
    };
    let end = format!("\"{}", "#".repeat(hashes));
    let before = text.len() - content.len();
    content
        .find(&end)
        .map_or(text.len(), |at| before + at + end.len())
}

/// A character literal; 0 for the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.char_indices().skip(1);
    match (inside.next(), inside.next()) {
        (Some((_, '\\')), Some(_)) => inside
            .find(|&(_, c)| c == '\'')
            .map_or(text.len(), |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that are left.
    fn words(source: &str) -> String {
        let code = code_only(source);
        assert_eq!(code.matches('\n').count(), source.matches('\n').count());
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments() {
        assert_eq!(words("a // b\nc /// d\n//! e\nf"), "a c f");
        assert_eq!(words("a /* b /* c */ d \n */ e"), "a e");
        assert_eq!(words("a /* b"), "a");
        assert_eq!(words("a / b * c"), "a / b * c");
    }

    #[test]
    fn strings() {
        assert_eq!(words(r#"a("b \" // c") d"#), "a( ) d");
        assert_eq!(words("a(b\"c\\\\\") d"), "a(b ) d");
        assert_eq!(words("x(r\"b\\\") y"), "x( ) y");
        assert_eq!(words("x(br##\"b\"# c\"##) y"), "x( ) y");
        assert_eq!(words("a \"b\nc\" d"), "a d");
        assert_eq!(words("r#type.for_\"b\""), "r#type.for_");
    }

    #[test]
    fn characters_and_lifetimes() {
        assert_eq!(words("a('\"') b('\\'') c('\\u{41}') d"), "a( ) b( ) c( ) d");
        assert_eq!(
            words("f<'a>(x: &'a str, y: &'static str)"),
            "f<'a>(x: &'a str, y: &'static str)"
        );
        assert_eq!(words("'ü' b"), "b");
    }

    #[test]
    fn whole_words_and_their_lines() {
        let code = "todo_list\nmy_todo todo\ntodo!()";
        let found: Vec<_> = word(code, "todo").collect();
        assert_eq!(found, [(2, "\ntodo!()"), (3, "!()")]);
    }

    #[test]
    fn attributes_end_at_their_own_bracket() {
        let found: Vec<_> = attributes("#[a(x[1])]\nlet y = [2];\n#[b]").collect();
        assert_eq!(found, [(1, "a(x[1])"), (3, "b")]);
    }

    #[test]
    fn tokens_in_a_row() {
        assert!(continues(" ::\n default ()", &["::", "default", "("]));
        assert!(!continues("::new()", &["::", "default"]));
    }
}
