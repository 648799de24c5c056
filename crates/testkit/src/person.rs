//! A person at a terminal: a program on a pseudo-terminal, read as a person would.

use anyhow::{Context as _, Result, bail};
use nix::sys::termios::{LocalFlags, tcgetattr};
use pty_process::{Command, Pty, Size};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::time::timeout;

/// How long anything may take; machines are shared, and it only ends what hangs.
const DEADLINE: Duration = Duration::from_mins(2);

/// See the module.
pub struct Person {
    pty: Pty,
    child: Child,
    shown: String,
    /// The beginning of a character whose rest was not read yet.
    cut: Vec<u8>,
    /// Up to where it was read.
    read: usize,
}

impl Person {
    /// Starts the program on a terminal of 100 columns and 24 rows.
    pub fn sit_down(command: Command) -> Result<Self> {
        let (pty, pts) = pty_process::open()?;
        pty.resize(Size::new(24, 100))?;
        let child = command.kill_on_drop(true).spawn(pts)?;
        Ok(Self { pty, child, shown: String::new(), cut: Vec::new(), read: 0 })
    }

    /// Reads on until this is there.
    pub async fn see(&mut self, text: &str) -> Result<()> {
        loop {
            if let Some(at) = self.shown[self.read..].find(text) {
                self.read += at + text.len();
                return Ok(());
            }
            match timeout(DEADLINE, self.more()).await {
                Ok(true) => {}
                Ok(false) => bail!("the terminal was closed before `{text}`:\n{}", self.shown.escape_debug()),
                Err(_) => bail!("`{text}` was not seen:\n{}", self.shown.escape_debug()),
            }
        }
    }

    /// The same for as long as that; whether it is there.
    pub async fn sees_within(&mut self, text: &str, time: Duration) -> bool {
        let seen = async { while !self.shown[self.read..].contains(text) && self.more().await {} };
        let _ = timeout(time, seen).await;
        self.shown[self.read..].contains(text)
    }

    /// Whether there was more: a closed terminal is an error on this side.
    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.pty.read(&mut buffer).await {
            Ok(count @ 1..) => {
                self.cut.extend_from_slice(&buffer[..count]);
                let whole = whole(&self.cut);
                self.shown.push_str(&String::from_utf8_lossy(&self.cut[..whole]));
                self.cut.drain(..whole);
                true
            }
            _ => false,
        }
    }

    /// Presses keys.
    pub async fn press(&mut self, keys: &str) -> Result<()> {
        Ok(self.pty.write_all(keys.as_bytes()).await?)
    }

    /// Whether the program gets each key as it is pressed.
    pub fn is_raw(&self) -> Result<bool> {
        Ok(!tcgetattr(&self.pty)?.local_flags.contains(LocalFlags::ICANON))
    }

    /// The program's process.
    pub fn pid(&self) -> Result<nix::unistd::Pid> {
        Ok(nix::unistd::Pid::from_raw(i32::try_from(self.child.id().context("it has ended")?)?))
    }

    /// Reads to the program's end; how it ended, and all that it showed.
    pub async fn leave(&mut self) -> Result<(ExitStatus, &str)> {
        let end = async {
            while self.more().await {}
            self.child.wait().await
        };
        let status = timeout(DEADLINE, end).await.context("the program does not end")??;
        Ok((status, &self.shown))
    }
}

/// How many of the bytes are before a character that they end in the middle of.
fn whole(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().last() {
        Some(last) if std::str::from_utf8(last.invalid()).is_err_and(|error| error.error_len().is_none()) => {
            bytes.len() - last.invalid().len()
        }
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn a_character_is_read_whole_wherever_it_is_cut() {
        for (bytes, expected) in
            [(&b"ab"[..], 2), (b"a\xe2\x9c", 1), (b"a\xe2\x9c\x93", 4), (b"\xc3", 0), (b"a\xffb", 3), (b"a\xff", 2), (b"", 0)]
        {
            assert_eq!(whole(bytes), expected, "{bytes:?}");
        }
    }
}
