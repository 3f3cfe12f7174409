//! Text out of the bytes of tokens, as they come.

/// Takes what is whole out of bytes that go on: all characters, and a mark for every sequence that is none. What
/// is left may become a character yet.
pub fn take_text(open: &mut Vec<u8>, text: &mut String) {
    loop {
        match std::str::from_utf8(open) {
            Ok(whole) => {
                text.push_str(whole);
                open.clear();
                return;
            }
            Err(error) => {
                let whole = error.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&open[..whole]));
                let wrong = error.error_len();
                open.drain(..whole + wrong.unwrap_or(0));
                if wrong.is_none() {
                    return;
                }
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}
