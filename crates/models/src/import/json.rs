//! JSON in which every key comes once: where one comes twice, readers differ in which of both counts.

use std::cell::RefCell;
use std::fmt;

use matchmark_runtime::GitLfsPointer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::Deserializer;
use serde_json::{Map, Number, Value};

use super::ImportError;

/// Reads a file of a folder.
pub(super) fn parse(file: &'static str, bytes: &[u8]) -> Result<Value, ImportError> {
    if let Some(pointer) = GitLfsPointer::detect(bytes) {
        return Err(ImportError::GitLfsPointer { file, pointer });
    }
    let duplicate = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = Unique(&duplicate)
        .deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value));
    match (duplicate.into_inner(), parsed) {
        (Some(entry), _) => Err(ImportError::DuplicateEntry { file, entry }),
        (None, Err(error)) => Err(ImportError::Json {
            file,
            reason: error.to_string(),
        }),
        (None, Ok(value)) => Ok(value),
    }
}

/// Reads a value. Where a key comes twice, its path is left behind.
#[derive(Clone, Copy)]
struct Unique<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if entries.contains_key(&key) {
                self.0.replace(Some(key));
                return Err(A::Error::custom("an entry that comes twice"));
            }
            let value = map.next_value_seed(self).inspect_err(|_| {
                if let Some(path) = &mut *self.0.borrow_mut() {
                    path.insert_str(0, &format!("{key}."));
                }
            })?;
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_same_values_as_the_library() {
        let text = r#" {"a": [1, -2, 2.5, 1e300, "x\u00e9", null, true, {}, []], "b": {"a": 18446744073709551615}} "#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse("f", text.as_bytes()).unwrap(), expected);
        for bad in [
            "",
            "{",
            "{} {}",
            "[1,]",
            "1e999",
            "\"\\ud800\"",
            &"[".repeat(1000),
        ] {
            let refused = parse("f", bad.as_bytes());
            assert!(matches!(refused, Err(ImportError::Json { .. })), "{bad}");
        }
    }

    #[test]
    fn entries_that_come_twice() {
        for (text, path) in [
            (r#"{"a": 1, "b": 2, "a": 1}"#, "a"),
            (
                r#"{"model": {"vocab": {"x": 1, "y": 2, "x": 3}}}"#,
                "model.vocab.x",
            ),
            (r#"{"list": [1, {"x": 1, "x": 1}]}"#, "list.x"),
            // The same key, written otherwise.
            (r#"{"a": 1, "\u0061": 2}"#, "a"),
        ] {
            let refused = parse("f", text.as_bytes());
            assert!(
                matches!(&refused, Err(ImportError::DuplicateEntry { file: "f", entry }) if entry == path),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_pointer_is_named() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
        let refused = parse("config.json", pointer.as_bytes());
        let words = refused.unwrap_err().to_string();
        assert!(
            words.starts_with("config.json: this is a git-lfs pointer"),
            "{words}"
        );
    }
}
