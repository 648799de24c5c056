//! A line that a person types for an agent: editing keys, a history, and pasted texts of several lines.
//!
//! Pure: bytes go in, what changed comes out; drawing is the screen's.

/// The longest line, in bytes: what the service takes.
pub(crate) const LINE_MAX: usize = 16 * 1024;
const HISTORY: usize = 200;

/// What a byte led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Nothing to see.
    Nothing,
    /// The line looks different.
    Changed,
    /// The line was finished.
    Line(String),
    /// Ctrl-C or Ctrl-D on an empty line.
    Leave,
}

/// The line under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Editor {
    text: Vec<char>,
    at: usize,
    history: Vec<String>,
    /// Which line of the history is shown, from the end; none: the one under way.
    shown: Option<usize>,
    draft: Vec<char>,
    escape: Option<Vec<u8>>,
    pasting: bool,
    utf8: Vec<u8>,
}

impl Editor {
    /// The text as it is, with line ends shown as signs, and how many characters are before the cursor.
    pub(crate) fn shown(&self) -> (String, usize) {
        let text = self.text.iter().map(|c| if *c == '\n' { '↵' } else { *c }).collect();
        (text, self.at)
    }

    /// Takes one typed byte.
    pub(crate) fn take(&mut self, byte: u8) -> Edit {
        if let Some(mut sequence) = self.escape.take() {
            return self.escaped(&mut sequence, byte);
        }
        match byte {
            0x1b => {
                self.escape = Some(Vec::new());
                Edit::Nothing
            }
            b'\r' | b'\n' if self.pasting => self.insert('\n'),
            b'\r' | b'\n' => self.finish(),
            0x7f | 0x08 => self.erase_before(1),
            0x01 => self.go(0),
            0x05 => self.go(self.text.len()),
            0x02 => self.go(self.at.saturating_sub(1)),
            0x06 => self.go(self.at + 1),
            0x15 => self.erase_before(self.at),
            0x0b => {
                self.text.truncate(self.at);
                Edit::Changed
            }
            0x17 => self.erase_before(self.word_before()),
            0x03 | 0x04 if self.text.is_empty() => Edit::Leave,
            0x03 => {
                self.text.clear();
                self.at = 0;
                Edit::Changed
            }
            0x04 => self.erase_after(),
            b'\t' => self.insert(' '),
            0x00..=0x1f => Edit::Nothing,
            byte => self.utf8(byte),
        }
    }

    fn utf8(&mut self, byte: u8) -> Edit {
        self.utf8.push(byte);
        match std::str::from_utf8(&self.utf8) {
            Ok(text) => {
                let c = text.chars().next();
                self.utf8.clear();
                match c.filter(|c| !c.is_control()) {
                    Some(c) => self.insert(c),
                    None => Edit::Nothing,
                }
            }
            Err(error) if error.error_len().is_some() || self.utf8.len() >= 4 => {
                self.utf8.clear();
                Edit::Nothing
            }
            Err(_) => Edit::Nothing,
        }
    }

    fn insert(&mut self, c: char) -> Edit {
        let bytes: usize = self.text.iter().map(|c| c.len_utf8()).sum();
        if bytes + c.len_utf8() > LINE_MAX {
            return Edit::Nothing;
        }
        self.text.insert(self.at, c);
        self.at += 1;
        Edit::Changed
    }

    fn erase_before(&mut self, count: usize) -> Edit {
        let from = self.at.saturating_sub(count);
        self.text.drain(from..self.at);
        self.at = from;
        Edit::Changed
    }

    fn erase_after(&mut self) -> Edit {
        if self.at < self.text.len() {
            self.text.remove(self.at);
        }
        Edit::Changed
    }

    /// How many characters the word before the cursor has, with the blanks after it.
    fn word_before(&self) -> usize {
        let before = &self.text[..self.at];
        let blanks = before.iter().rev().take_while(|c| c.is_whitespace()).count();
        let word = before[..before.len() - blanks].iter().rev().take_while(|c| !c.is_whitespace()).count();
        blanks + word
    }

    fn go(&mut self, to: usize) -> Edit {
        self.at = to.min(self.text.len());
        Edit::Changed
    }

    fn finish(&mut self) -> Edit {
        let line: String = self.text.drain(..).collect();
        self.at = 0;
        self.shown = None;
        if line.trim().is_empty() {
            return Edit::Changed;
        }
        if self.history.last() != Some(&line) {
            self.history.push(line.clone());
        }
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
        Edit::Line(line)
    }

    fn escaped(&mut self, sequence: &mut Vec<u8>, byte: u8) -> Edit {
        // `ESC [ … letter` or `ESC O letter`; anything else was Escape itself, and a key.
        if sequence.is_empty() && !matches!(byte, b'[' | b'O') {
            return Edit::Nothing;
        }
        sequence.push(byte);
        if sequence.len() < 2 || (byte.is_ascii_digit() || byte == b';') && sequence.len() < 16 {
            self.escape = Some(std::mem::take(sequence));
            return Edit::Nothing;
        }
        match &sequence[1..] {
            b"D" => self.go(self.at.saturating_sub(1)),
            b"C" => self.go(self.at + 1),
            b"H" | b"1~" | b"7~" => self.go(0),
            b"F" | b"4~" | b"8~" => self.go(self.text.len()),
            b"3~" => self.erase_after(),
            b"A" => self.older(),
            b"B" => self.newer(),
            b"200~" => {
                self.pasting = true;
                Edit::Nothing
            }
            b"201~" => {
                self.pasting = false;
                Edit::Nothing
            }
            _ => Edit::Nothing,
        }
    }

    fn show(&mut self, which: Option<usize>) -> Edit {
        if self.shown.is_none() {
            self.draft = self.text.clone();
        }
        self.shown = which;
        self.text = match which.and_then(|back| self.history.len().checked_sub(back + 1)).and_then(|at| self.history.get(at)) {
            Some(line) => line.chars().collect(),
            None => self.draft.clone(),
        };
        self.at = self.text.len();
        Edit::Changed
    }

    fn older(&mut self) -> Edit {
        let next = self.shown.map_or(0, |back| back + 1);
        if next < self.history.len() { self.show(Some(next)) } else { Edit::Nothing }
    }

    fn newer(&mut self) -> Edit {
        match self.shown {
            None => Edit::Nothing,
            Some(back) => self.show(back.checked_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Edit, Editor};

    fn typed(editor: &mut Editor, text: &str) -> Vec<String> {
        text.bytes()
            .filter_map(|byte| match editor.take(byte) {
                Edit::Line(line) => Some(line),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_line_is_edited_and_finished() {
        let mut editor = Editor::default();
        assert_eq!(typed(&mut editor, "helo\x1b[Dl\r"), ["hello"]);
        assert_eq!(typed(&mut editor, "one two three\x17\x17x\x01>\x05!\r"), [">one x!"]);
        assert_eq!(typed(&mut editor, "gone\x15naïve 日\x7f本\r"), ["naïve 本"]);
        assert_eq!(typed(&mut editor, "   \r\r"), Vec::<String>::new());
        assert_eq!(typed(&mut editor, "abc\x1b[H\x1b[3~\x04\r"), ["c"]);
    }

    #[test]
    fn the_history_is_walked_and_the_draft_comes_back() {
        let mut editor = Editor::default();
        typed(&mut editor, "first\rsecond\rsecond\r");
        typed(&mut editor, "dra\x1b[A\x1b[A\x1b[A");
        assert_eq!(editor.shown().0, "first");
        typed(&mut editor, "\x1b[B\x1b[B");
        assert_eq!(editor.shown().0, "dra");
        assert_eq!(typed(&mut editor, "\x1b[A\r"), ["second"]);
    }

    #[test]
    fn a_pasted_text_is_one_line_however_many_it_has() {
        let mut editor = Editor::default();
        typed(&mut editor, "\x1b[200~one\r\ttwo\x1b[201~");
        assert_eq!(editor.shown(), ("one↵ two".to_owned(), 8));
        assert_eq!(typed(&mut editor, "\r"), ["one\n two"]);
    }

    #[test]
    fn an_empty_line_can_be_left() {
        let mut editor = Editor::default();
        assert_eq!(editor.take(0x03), Edit::Leave);
        typed(&mut editor, "x");
        assert_eq!(editor.take(0x03), Edit::Changed);
        assert_eq!(editor.take(0x04), Edit::Leave);
    }

    proptest::proptest! {
        #[test]
        fn no_keys_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut editor = Editor::default();
            for byte in bytes {
                editor.take(byte);
                let (text, at) = editor.shown();
                proptest::prop_assert!(at <= text.chars().count());
            }
        }
    }
}
