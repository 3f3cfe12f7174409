//! Chat templates: found in a folder or a GGUF file, and kept with the model.
#![allow(clippy::unwrap_used)]

mod common;

use common::folder::Folder;
use matchmark_models::quant::ValueBits;
use matchmark_models::{
    quantize_model, ChatError, FloatModel, ImportError, IntegerModel, Message, ModelFileError,
    QuantizeOptions, Role,
};
use matchmark_quant::TaggedSha256;
use serde_json::{json, Value};

const TEMPLATE: &str =
    "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}";

/// What is made of a folder with these files beside the usual ones.
fn read(files: &[(&str, &str)]) -> Result<FloatModel, ImportError> {
    let directory = tempfile::tempdir().unwrap();
    Folder::new().write(directory.path());
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    FloatModel::read(directory.path())
}

fn config(value: &Value) -> String {
    json!({"bos_token": {"content": "<bos>", "lstrip": false}, "eos_token": "<eos>", "chat_template": value})
        .to_string()
}

fn quantized(float: &FloatModel) -> IntegerModel {
    let bits = ValueBits::new(11).unwrap();
    let options = QuantizeOptions::new(bits);
    quantize_model(float, &[vec![0, 2, 3]], &options).unwrap().0
}

#[test]
fn templates_of_a_folder() {
    let list =
        json!([{"name": "tool", "template": "x"}, {"name": "default", "template": TEMPLATE}]);
    let name = "tokenizer_config.json";
    let messages = [
        Message::new(Role::User, "aaa"),
        Message::new(Role::Assistant, "a<eos>"),
    ];
    for files in [
        vec![(name, config(&json!(TEMPLATE)))],
        vec![(name, config(&list))],
        vec![
            (name, config(&json!("another"))),
            ("chat_template.jinja", TEMPLATE.to_owned()),
        ],
    ] {
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let tokenizer = read(&files).unwrap().tokenizer;
        let template = tokenizer.chat_template().unwrap();
        assert_eq!(template.source(), TEMPLATE);
        assert_eq!(
            template.render(&messages[..1], true).unwrap(),
            "<bos>aaa<eos>"
        );
        let tokens = tokenizer.encode_chat(&messages[..1], true, 99).unwrap();
        assert_eq!(tokens, [0, 3, 2, 1]);
        // Of a message, "<eos>" is text; the tokenizer has no "<".
        let refused = tokenizer.encode_chat(&messages, true, 99);
        assert!(
            matches!(refused, Err(ChatError::Tokenizer(_))),
            "{refused:?}"
        );
    }
    // There may be none.
    let tools = json!([{"name": "tool", "template": "x"}]);
    for without in [
        vec![],
        vec![(name, config(&tools))],
        vec![(name, config(&Value::Null))],
    ] {
        let files: Vec<_> = without
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        assert_eq!(read(&files).unwrap(), Folder::new().read().unwrap());
    }
    for bad in [
        json!(7),
        json!({"default": "x"}),
        json!([{"name": "default", "template": 7}]),
    ] {
        let refused = read(&[(name, &config(&bad))]);
        assert!(
            matches!(
                &refused,
                Err(ImportError::Json {
                    file: "tokenizer_config.json",
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    let long = json!("x".repeat(1 << 19));
    assert!(matches!(
        read(&[(name, &config(&long))]),
        Err(ImportError::Chat(ChatError::TooLong { .. }))
    ));
}

/// The template is in the file and in the identities; without one both are what they were.
#[test]
fn templates_of_a_model() {
    let name = "tokenizer_config.json";
    let plain = quantized(&Folder::new().read().unwrap());
    let chat = quantized(&read(&[(name, &config(&json!(TEMPLATE)))]).unwrap());
    let other = quantized(&read(&[("chat_template.jinja", TEMPLATE)]).unwrap());
    let ids = [&plain, &chat, &other].map(|model| model.tokenizer().identity());
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    let bytes = chat.to_bytes();
    let loaded = IntegerModel::from_bytes(&bytes).unwrap();
    assert_eq!(loaded, chat);
    let template = loaded.tokenizer().chat_template().unwrap();
    assert_eq!(template.begin_name(), Some("<bos>"));
    assert_eq!(template.end_name(), Some("<eos>"));
    assert_eq!(other.tokenizer().chat_template().unwrap().end_name(), None);

    // Bytes that are no text, in the place of the template.
    let at = bytes
        .windows(TEMPLATE.len())
        .position(|at| at == TEMPLATE.as_bytes())
        .unwrap();
    let mut encoding = bytes[28..bytes.len() - 32].to_vec();
    encoding[at - 28] = 0xff;
    let identity = TaggedSha256::new("matchmark/model/v3")
        .chain(&encoding)
        .finish();
    let bytes = [&bytes[..28], &encoding, &identity[..]].concat();
    assert!(matches!(
        IntegerModel::from_bytes(&bytes),
        Err(ModelFileError::PartForm {
            part: "tokenizer",
            ..
        })
    ));
}
