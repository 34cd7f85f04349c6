//! Words to people on a terminal. Much of what is told comes from outside: servers, files, the chain.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

/// Tells something beside the output, on one line.
pub(crate) fn say(words: &impl Display) {
    // When nobody reads it, there is nobody left to tell.
    let _ = writeln!(io::stderr(), "weir: {}", escaped(&words.to_string()));
}

/// The text with every character visible that could forge a line, move the cursor, or turn the
/// direction of writing: `\u{1b}` for ESC, `\n` for a newline.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Control characters, line and paragraph separators, and what Unicode has for the direction of
/// writing and for nothing to be seen.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn what_could_forge_a_line_is_seen() {
        assert_eq!(escaped("a\nweir: verified"), "a\\nweir: verified");
        assert_eq!(escaped("\u{1b}[2Kverified\r"), "\\u{1b}[2Kverified\\r");
        assert_eq!(escaped("\u{202e}abc\u{9b}1m"), "\\u{202e}abc\\u{9b}1m");
        assert_eq!(escaped("flow-mainnet, Zürich, 東京 ✓"), "flow-mainnet, Zürich, 東京 ✓");
    }
}
