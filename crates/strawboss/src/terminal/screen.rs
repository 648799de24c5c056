//! The terminal while it is ours: raw, and given back as it was found, whatever happens.
//!
//! With a line to type into, the last row is the person's and the rest scrolls.

use crate::failure::{Failure, io};
use crossterm::terminal;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use unicode_width::UnicodeWidthChar as _;

/// Whether the terminal is raw because of us.
static RAW: AtomicBool = AtomicBool::new(false);
/// Whether the other screen is shown because of us.
static PAGE: AtomicBool = AtomicBool::new(false);
/// Shows the other screen, without a cursor.
const TO_PAGE: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
/// Shows the usual screen, with the cursor where it was.
const FROM_PAGE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";
/// Undoes what programs at the other end may have turned on: colours, hidden cursor, other screen, mouse, paste marks,
/// scrolling region, key modes.
const AS_FOUND: &[u8] =
    b"\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?7h\x1b[r";

fn give_back() {
    if RAW.swap(false, Ordering::SeqCst) {
        // With the terminal gone there is nothing to restore.
        let _ = terminal::disable_raw_mode();
    }
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(io("write to the terminal"))
}

/// The terminal, raw until this is dropped.
pub(crate) struct Screen {
    /// Whether the last row is a line to type into.
    lines: bool,
    size: (u16, u16),
    prompt: (String, usize),
}

impl Screen {
    /// Takes the terminal. A panic gives it back before it says anything.
    pub(crate) fn take(lines: bool) -> Result<Self, Failure> {
        let size = terminal::size().map_err(io("ask the terminal for its size"))?;
        terminal::enable_raw_mode().map_err(io("take the terminal"))?;
        RAW.store(true, Ordering::SeqCst);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let page = PAGE.swap(false, Ordering::SeqCst);
            let mut out = std::io::stdout();
            let _ = out.write_all(if page { FROM_PAGE } else { AS_FOUND }).and_then(|()| out.flush());
            give_back();
            before(info);
        }));
        let mut screen = Self { lines, size, prompt: (String::new(), 0) };
        if lines {
            // Pasted texts are marked, so that their line ends are not taken for Enter.
            write(b"\x1b[?2004h")?;
            screen.part()?;
        }
        Ok(screen)
    }

    /// Takes the terminal for a page that fills it; what stood there comes back with the end.
    pub(crate) fn page() -> Result<Self, Failure> {
        let screen = Self::take(false)?;
        PAGE.store(true, Ordering::SeqCst);
        write(TO_PAGE)?;
        Ok(screen)
    }

    /// Gives the terminal back while something else has it, and takes it for the page again: all of it is to be drawn anew.
    pub(crate) fn aside<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, Failure> {
        PAGE.store(false, Ordering::SeqCst);
        write(FROM_PAGE)?;
        give_back();
        let done = work();
        self.size = terminal::size().map_err(io("ask the terminal for its size"))?;
        terminal::enable_raw_mode().map_err(io("take the terminal"))?;
        RAW.store(true, Ordering::SeqCst);
        PAGE.store(true, Ordering::SeqCst);
        write(TO_PAGE)?;
        Ok(done)
    }

    /// Parts the screen: everything but the last row scrolls.
    fn part(&mut self) -> Result<(), Failure> {
        let rows = self.size.1.max(2);
        // A new line first, so that what stood on the last row scrolls away instead of being written over.
        let text = format!("\n\x1b[1;{}r\x1b[{};1H\x1b7", rows - 1, rows - 1);
        write(text.as_bytes())?;
        self.draw()
    }

    /// The size: columns and rows.
    pub(crate) fn size(&self) -> (u16, u16) {
        self.size
    }

    /// Looks at the size again; the new one.
    pub(crate) fn resized(&mut self) -> Result<(u16, u16), Failure> {
        self.size = terminal::size().map_err(io("ask the terminal for its size"))?;
        if self.lines {
            self.part()?;
        }
        Ok(self.size)
    }

    /// Shows output.
    pub(crate) fn show(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if !self.lines {
            return write(bytes);
        }
        let mut all = Vec::with_capacity(bytes.len() + 64);
        all.extend_from_slice(b"\x1b8");
        all.extend_from_slice(bytes);
        all.extend_from_slice(b"\x1b7");
        write(&all)?;
        self.draw()
    }

    /// Shows a remark of ours on a line of its own.
    pub(crate) fn remark(&mut self, text: &str) -> Result<(), Failure> {
        self.show(format!("\r\n\x1b[2m[{text}]\x1b[0m\r\n").as_bytes())
    }

    /// Clears what is shown.
    pub(crate) fn clear(&mut self) -> Result<(), Failure> {
        self.show(b"\x1b[2J\x1b[H")
    }

    /// Shows the line that is typed.
    pub(crate) fn prompt(&mut self, text: String, at: usize) -> Result<(), Failure> {
        self.prompt = (text, at);
        self.draw()
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let (text, column) = visible(&self.prompt.0, self.prompt.1, usize::from(self.size.0).saturating_sub(3));
        let text = format!("\x1b[{};1H\x1b[0m\x1b[K\x1b[1;36m›\x1b[0m {text}\x1b[{}G", self.size.1.max(2), column + 3);
        write(text.as_bytes())
    }
}

/// The part of a line that fits, and the cursor's column in it.
fn visible(text: &str, at: usize, room: usize) -> (String, usize) {
    let width = |c: char| c.width().unwrap_or(0);
    let chars: Vec<char> = text.chars().collect();
    let mut from = at;
    let mut column = 0;
    while from > 0 && column + width(chars[from - 1]) <= room.saturating_sub(1) {
        from -= 1;
        column += width(chars[from]);
    }
    let mut shown = String::new();
    let mut used = 0;
    for c in &chars[from..] {
        used += width(*c);
        if used > room {
            break;
        }
        shown.push(*c);
    }
    (shown, column)
}

impl Drop for Screen {
    fn drop(&mut self) {
        if PAGE.swap(false, Ordering::SeqCst) {
            // With the terminal gone there is nothing to restore.
            let _ = write(FROM_PAGE);
            return give_back();
        }
        let mut last = AS_FOUND.to_vec();
        if self.lines {
            last.extend_from_slice(format!("\x1b[{};1H\x1b[K", self.size.1.max(2)).as_bytes());
        } else {
            last.extend_from_slice(b"\r\n");
        }
        // With the terminal gone there is nothing to restore.
        let _ = write(&last);
        give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn the_cursor_is_always_in_the_part_that_is_shown() {
        assert_eq!(visible("hello", 5, 20), ("hello".to_owned(), 5));
        assert_eq!(visible("hello world", 11, 6), ("world".to_owned(), 5));
        assert_eq!(visible("hello world", 0, 6), ("hello ".to_owned(), 0));
        assert_eq!(visible("日本語", 3, 5), ("本語".to_owned(), 4));
        assert_eq!(visible("", 0, 0), (String::new(), 0));
    }
}
