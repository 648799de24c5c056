//! The keys that end `run attach`.

/// The usual ones: the same as a container's.
pub(crate) const USUAL: &str = "ctrl-p,ctrl-q";

/// A sequence of keys, and how much of it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    wanted: Vec<u8>,
    typed: usize,
}

/// What becomes of typed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typed {
    /// What goes on to the other side.
    pub(crate) pass: Vec<u8>,
    /// Whether the sequence was typed.
    pub(crate) detach: bool,
}

impl DetachKeys {
    /// Reads keys with commas between: `ctrl-a` to `ctrl-z`, `ctrl-@`, `ctrl-[`, `ctrl-\`, `ctrl-]`, `ctrl-^`, `ctrl-_`, or
    /// one character.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut wanted = Vec::new();
        for key in text.split(',') {
            let byte = match key.trim().as_bytes() {
                [byte @ 0x21..=0x7e] => *byte,
                word => match word.get(..5).map(<[u8]>::to_ascii_lowercase).as_deref() {
                    Some(b"ctrl-") if word.len() == 6 && matches!(word[5].to_ascii_uppercase(), b'@'..=b'_') => {
                        word[5].to_ascii_uppercase() & 0x1f
                    }
                    _ => return Err(format!("`{key}` is no key: write keys like `{USUAL}` or `ctrl-]`")),
                },
            };
            wanted.push(byte);
        }
        Ok(Self { wanted, typed: 0 })
    }

    /// Takes typed bytes. What could be the beginning of the sequence is held back until it is clear.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Typed {
        let mut pass = Vec::with_capacity(bytes.len());
        for byte in bytes {
            loop {
                if self.wanted.get(self.typed) == Some(byte) {
                    self.typed += 1;
                    break;
                }
                if self.typed == 0 {
                    pass.push(*byte);
                    break;
                }
                // It was not the sequence: its first key was meant for the other side.
                pass.push(self.wanted[0]);
                let held: Vec<u8> = self.wanted[1..self.typed].to_vec();
                self.typed = 0;
                let again = self.take(&held);
                pass.extend(again.pass);
            }
            if self.typed == self.wanted.len() {
                self.typed = 0;
                return Typed { pass, detach: true };
            }
        }
        Typed { pass, detach: false }
    }

    /// As people say it.
    pub(crate) fn words(&self) -> String {
        let word = |byte: &u8| match byte {
            0..=0x1f => format!("Ctrl-{}", char::from(byte | 0x40)),
            byte => char::from(*byte).to_string(),
        };
        self.wanted.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::{DetachKeys, Typed, USUAL};

    fn keys(text: &str) -> DetachKeys {
        DetachKeys::parse(text).unwrap()
    }

    #[test]
    fn keys_are_read_as_written() {
        assert_eq!(keys(USUAL).wanted, [0x10, 0x11]);
        assert_eq!(keys("CTRL-],x").wanted, [0x1d, b'x']);
        assert_eq!(keys(USUAL).words(), "Ctrl-P Ctrl-Q");
        for wrong in ["", "ctrl-", "ctrl-1", "alt-x", "ctrl-p,,", "xy", "é"] {
            assert!(DetachKeys::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_whole_sequence_detaches_and_nothing_else_is_lost() {
        let mut it = keys(USUAL);
        assert_eq!(it.take(b"ab\x10"), Typed { pass: b"ab".to_vec(), detach: false });
        assert_eq!(it.take(b"c"), Typed { pass: b"\x10c".to_vec(), detach: false });
        assert_eq!(it.take(b"\x10\x10\x11x"), Typed { pass: b"\x10".to_vec(), detach: true });
        let mut it = keys("a,a,b");
        assert_eq!(it.take(b"aaab"), Typed { pass: b"a".to_vec(), detach: true });
        assert_eq!(it.take(b"aac"), Typed { pass: b"aac".to_vec(), detach: false });
    }
}
