//! Keeps from a terminal what an agent's output must not do to it: ask it questions (whose answers would be typed into
//! the person's shell), set its title or clipboard, print, or send commands of other kinds. Text, colours and movement
//! pass.

/// The longest control sequence that is looked at; a longer one is dropped.
const SEQUENCE_MAX: usize = 64;
const ESC: u8 = 0x1b;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Text,
    /// After C2, which begins the C1 controls in UTF-8.
    C2,
    Escape,
    /// Intermediate bytes of an escape sequence: `ESC ( B`.
    Intermediate,
    Control,
    /// In a string that some terminal would act on: dropped to its end.
    String,
    StringEscape,
    StringC2,
}

/// What was seen so far of a stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    at: At,
    sequence: Vec<u8>,
    /// How many bytes the character under way still needs. A byte that belongs to none is dropped: what stood before it
    /// may have been dropped too, and the two must not meet.
    rest: u8,
}

impl Filter {
    /// What may pass of the next bytes. A sequence that is cut between two calls is kept until it is whole.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.byte(*byte, &mut out);
        }
        out
    }

    fn begin(&mut self, at: At) {
        self.sequence.clear();
        self.at = at;
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if !matches!(byte, 0x80..=0xbf) {
            self.rest = 0;
        }
        match (self.at, byte) {
            // In a string: everything to its end is dropped, whatever it is.
            (At::String, ESC) => self.at = At::StringEscape,
            (At::String, 0xc2) => self.at = At::StringC2,
            (At::String | At::StringEscape | At::StringC2, 0x07 | 0x18 | 0x1a)
            | (At::StringEscape, b'\\')
            | (At::StringC2, 0x9c) => self.at = At::Text,
            (At::StringC2, ESC) => self.at = At::StringEscape,
            (At::StringC2, _) => self.at = At::String,
            (At::String, _) | (At::StringEscape, ESC) => {}
            // An escape ends the string; what follows it is judged as any other.
            (At::StringEscape, byte) => {
                self.begin(At::Escape);
                self.byte(byte, out);
            }
            (_, 0x18 | 0x1a) => self.at = At::Text,
            (_, ESC) => self.begin(At::Escape),
            (At::Text, 0xc2) => self.at = At::C2,
            (At::Text, 0x05) => {}
            (At::Text, 0x80..=0xbf) => {
                if let Some(rest) = self.rest.checked_sub(1) {
                    self.rest = rest;
                    out.push(byte);
                }
            }
            (At::Text, byte) => {
                self.rest = match byte {
                    0xc3..=0xdf => 1,
                    0xe0..=0xef => 2,
                    0xf0..=0xf4 => 3,
                    _ => 0,
                };
                out.push(byte);
            }
            // A string, a control sequence, the old question who the terminal is: each as one character or as two.
            (At::C2, 0x90 | 0x98 | 0x9d | 0x9e | 0x9f) | (At::Escape, b']' | b'P' | b'X' | b'^' | b'_') => self.at = At::String,
            (At::C2, 0x9b) | (At::Escape, b'[') => self.begin(At::Control),
            (At::C2, 0x80..=0x9f) | (At::Escape, b'Z') => self.at = At::Text,
            (At::C2, 0xa0..=0xbf) => {
                self.at = At::Text;
                out.extend_from_slice(&[0xc2, byte]);
            }
            (At::C2, byte) => {
                self.at = At::Text;
                self.byte(byte, out);
            }
            (At::Escape | At::Intermediate, 0x20..=0x2f) => {
                self.sequence.push(byte);
                self.at = At::Intermediate;
            }
            (At::Escape | At::Intermediate, 0x30..=0x7e) => {
                if self.sequence.len() < SEQUENCE_MAX {
                    out.push(ESC);
                    out.append(&mut self.sequence);
                    out.push(byte);
                }
                self.at = At::Text;
            }
            (At::Control, 0x20..=0x3f) => self.sequence.push(byte),
            (At::Control, 0x40..=0x7e) => {
                if self.sequence.len() < SEQUENCE_MAX && harmless(&self.sequence, byte) {
                    out.extend_from_slice(b"\x1b[");
                    out.append(&mut self.sequence);
                    out.push(byte);
                }
                self.at = At::Text;
            }
            // Control characters within a sequence, and bytes that belong to none: dropped with it.
            (At::Escape | At::Intermediate | At::Control, _) => {}
        }
        self.sequence.truncate(SEQUENCE_MAX);
    }
}

/// Whether a control sequence only draws.
fn harmless(parameters: &[u8], last: u8) -> bool {
    match last {
        // Reports of status and attributes, window operations, checksums and parameters, printing, keyboard lamps.
        b'n' | b'c' | b't' | b'x' | b'y' | b'i' => false,
        // Requests for modes (`$p`), version (`>q`) and the keyboard protocol (`?u`).
        b'p' => !parameters.contains(&b'$'),
        b'q' => !parameters.starts_with(b">") && !parameters.contains(&b'"'),
        b'u' => parameters.is_empty(),
        b'w' | b'|' | b'{' | b'}' => !parameters.contains(&b'\'') && !parameters.contains(&b'$') && !parameters.contains(&b'*'),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    fn pass(text: &[u8]) -> Vec<u8> {
        Filter::default().pass(text)
    }

    #[test]
    fn text_colours_and_movement_pass() {
        for text in [
            "plain, naïve, 日本, \u{a0}\u{bf}\r\n\t\u{8}\u{7}",
            "\x1b[1;31mred\x1b[0m",
            "\x1b[2J\x1b[H\x1b[10;5Hx\x1b[K\x1b[?25l\x1b[?1049h\x1b[s\x1b[u",
            "\x1b(B\x1b7\x1b8\x1bM\x1b[38;2;1;2;3m\x1b[4:3m\x1b[0 q",
        ] {
            assert_eq!(String::from_utf8_lossy(&pass(text.as_bytes())), text, "{text:?}");
        }
    }

    #[test]
    fn what_acts_on_the_terminal_does_not() {
        for (text, left) in [
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]52;c;aGk=\x1b\\b", "ab"),
            ("a\x1bP+q544e\x1b\\b", "ab"),
            ("a\x1b_apc\x1b\\b\x1b^pm\x1b\\c\x1bXsos\x1b\\d", "abcd"),
            ("a\x1b[6nb\x1b[cb\x1b[>0cb\x1b[21tb", "abbbb"),
            ("a\x1b[?1$pb\x1b[>qb\x1b[?ub\x1b[5ib\x1bZb\x05b", "abbbbbb"),
            ("a\u{9b}6nb\u{9d}0;x\u{9c}b", "abb"),
            ("a\x1b]0;never ending\x1b[31mb", "a\x1b[31mb"),
            ("a\x1b[\x1b[31mb", "a\x1b[31mb"),
            ("a\x1b]x\x18b", "ab"),
            ("a\u{e9}\x1b[6n\u{2039}b", "a\u{e9}\u{2039}b"),
        ] {
            assert_eq!(String::from_utf8_lossy(&pass(text.as_bytes())), left, "{text:?}");
        }
    }

    #[test]
    fn what_is_left_out_brings_nothing_together() {
        assert_eq!(pass(b"a\xc2\x05\x9b6nb"), b"a6nb");
        assert_eq!(pass(b"a\x9b6n\xffb\xe2\x1b[6n\x80\xb9c"), b"a6n\xffb\xe2c");
    }

    proptest::proptest! {
        #[test]
        fn where_the_stream_is_cut_changes_nothing(
            bytes in proptest::collection::vec(proptest::sample::select(b"\x1b[]P\\;0?$nctm1a\x07\x18\xc2\x9b\x9d\x9c\xc3\xa9\n".to_vec()), 0..60),
            cut in 0_usize..60,
        ) {
            let cut = cut.min(bytes.len());
            let mut filter = Filter::default();
            let mut parts = filter.pass(&bytes[..cut]);
            parts.extend(filter.pass(&bytes[cut..]));
            proptest::prop_assert_eq!(parts, pass(&bytes));
        }

        #[test]
        fn nothing_passes_the_second_time_that_did_not_the_first(
            bytes in proptest::collection::vec(proptest::sample::select(b"\x1b[]P\\;0?$nctm1a\x07\x18\xc2\x9b\x9d\x9c\xc3\xa9\n".to_vec()), 0..80),
        ) {
            let once = pass(&bytes);
            proptest::prop_assert_eq!(pass(&once), once);
        }
    }
}
