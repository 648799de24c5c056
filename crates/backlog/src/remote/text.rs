//! Other people's text: bounded, without control characters, and inert where it is shown.

use std::fmt::Write as _;

/// Without control characters but line ends and tabs, and with one kind of line end.
pub(crate) fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// At most so many bytes of a text; what was cut is said.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit);
    format!("{}\n[… {} more bytes were cut here]", &text[..end], text.len() - end)
}

/// As a block of code in Markdown, whatever is in it: nothing in it mentions, links or closes anything.
pub(crate) fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let mut block = String::new();
    // Writing to a string cannot fail.
    let _ = write!(block, "{fence}text\n{}\n{fence}\n", text.trim_end());
    block
}

#[cfg(test)]
mod tests {
    use super::{cut, fenced, plain};

    #[test]
    fn text_is_bounded_plain_and_inert() {
        assert_eq!(plain("a\r\nb\u{1b}[31m\0\tc\rd"), "a\nb[31m\tc\nd");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("äöü", 3), "ä\n[… 4 more bytes were cut here]");
        assert_eq!(fenced("see ```` @all"), "`````text\nsee ```` @all\n`````\n");
    }
}
