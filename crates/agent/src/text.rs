//! Bounding and disarming of text that an agent, a command or a repository produced.

/// Cuts a text to at most `max` bytes at a character's boundary, the mark of the cut included.
pub fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mark = format!("… ({} bytes in all)", text.len());
    let mut end = max.saturating_sub(mark.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &text[..end], if mark.len() <= max { mark.as_str() } else { "" })
}

/// The last `max` bytes of an output, as text. A mark stands before it when something was left out.
pub fn tail(bytes: &[u8], max: usize) -> String {
    // What is no UTF-8 takes more room as text, never less: no more than `max` bytes of the end count.
    let from = bytes.len().saturating_sub(max);
    let text = String::from_utf8_lossy(&bytes[from..]);
    if from == 0 && text.len() <= max {
        return text.into_owned();
    }
    let mark = "… ";
    let mut start = (text.len() + mark.len()).saturating_sub(max).min(text.len());
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("{mark}{}", &text[start..])
}

/// A text as it may go to a terminal: line ends as CR LF, every other control character and every character that turns
/// the writing direction replaced by a visible picture of itself, so that no text can move the cursor, recolour,
/// retitle, or query the terminal of who looks at it.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => out.push_str("\r\n"),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\t' => out.push(c),
            '\u{7f}' => out.push('\u{2421}'),
            c if c < ' ' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or(char::REPLACEMENT_CHARACTER)),
            '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            c => out.push(c),
        }
    }
    out
}

/// A text on one line of at most `max` characters: line ends and tabs become spaces, the rest as in [`visible`].
pub fn one_line(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (kept, c) in text.trim().chars().enumerate() {
        if kept >= max {
            out.push('…');
            return out;
        }
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c => out.push_str(&visible(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{cut, one_line, tail, visible};
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(
            visible("a\x1b]0;title\x07\nb\r\nc\rd\u{9b}31m\u{202e}x\tz\x7f"),
            "a␛]0;title␇\r\nb\r\nc␍d\u{fffd}31m\u{fffd}x\tz␡"
        );
        assert_eq!(one_line("  a\nb\tc\x1bd  ", 5), "a b c…");
        assert_eq!(one_line("a\x1bb", 5), "a␛b");
    }

    proptest! {
        #[test]
        fn nothing_grows_past_its_bound(text in any::<String>(), max in 0usize..200) {
            prop_assert!(cut(&text, max).len() <= max);
            prop_assert!(tail(text.as_bytes(), max.max(4)).len() <= max.max(4));
            let seen = visible(&text);
            prop_assert!(seen.replace("\r\n", "").chars().all(|c| c == '\t' || !c.is_control()));
        }

        #[test]
        fn a_tail_of_any_bytes_is_bounded_text(bytes in proptest::collection::vec(any::<u8>(), 0..400), max in 16usize..64) {
            prop_assert!(tail(&bytes, max).len() <= max);
            let ended = [bytes.as_slice(), b"the end"].concat();
            prop_assert!(tail(&ended, max).ends_with("the end"));
        }
    }
}
