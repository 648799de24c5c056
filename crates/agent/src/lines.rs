//! Cutting a stream of bytes into lines without ever holding more than one bounded line.

/// The longest line that is kept, in bytes: what goes beyond is dropped. An agent's line may carry a file or a picture;
/// twice the largest text that a model may answer with.
pub const MAX_LINE: usize = 2 << 20;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
    dropped: bool,
}

impl Lines {
    /// Takes the next bytes and calls `each` with every line that they complete, without its line end, and with
    /// whether it is whole.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8], bool)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.finish(&mut each);
        }
        self.keep(bytes);
    }

    /// The stream ended: what is left is the last line.
    pub fn end(&mut self, mut each: impl FnMut(&[u8], bool)) {
        if !self.line.is_empty() {
            self.finish(&mut each);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.line.len();
        self.dropped |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish(&mut self, each: &mut impl FnMut(&[u8], bool)) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        each(line, !self.dropped);
        // A long line's memory is not held for the rest of the run.
        if self.line.capacity() > 64 * 1024 {
            self.line = Vec::new();
        }
        self.line.clear();
        self.dropped = false;
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, MAX_LINE};
    use proptest::prelude::*;

    #[test]
    fn a_huge_line_is_cut_and_the_next_one_is_whole() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for _ in 0..100 {
            lines.push(&vec![b'x'; 1 << 20], |line, whole| seen.push((line.len(), whole)));
            assert!(lines.line.capacity() <= 2 * MAX_LINE);
        }
        lines.push(b"\nshort\r\nlast", |line, whole| seen.push((line.len(), whole)));
        lines.end(|line, whole| seen.push((line.len(), whole)));
        assert_eq!(seen, [(MAX_LINE, false), (5, true), (4, true)]);
    }

    proptest! {
        #[test]
        fn however_it_arrives_the_lines_are_the_same(text in "[ab\n]{0,80}", cuts in proptest::collection::vec(0usize..80, 0..6)) {
            let mut at: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            at.sort_unstable();
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for pair in at.windows(2) {
                lines.push(&text.as_bytes()[pair[0]..pair[1]], |line, _| seen.push(String::from_utf8_lossy(line).into_owned()));
            }
            lines.end(|line, _| seen.push(String::from_utf8_lossy(line).into_owned()));
            let expected: Vec<&str> = text.lines().collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
