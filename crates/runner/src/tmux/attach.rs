//! One terminal that is attached to a session: tmux's own client at the other side of a PTY.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use strawboss_core::terminals::{HostFrame, HostTerminal, TerminalsError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::sync::mpsc;

/// The largest frame, in bytes.
const FRAME: usize = 64 * 1024;
/// Frames that wait for a viewer; then the terminal is read no further, and tmux passes over what is not taken.
const WAITING: usize = 2;
/// Keys and sizes that wait for the terminal.
const TYPED: usize = 64;
/// How long what was printed last may take to arrive once tmux's client has ended, and that to end once its terminal is gone.
const LAST: Duration = Duration::from_secs(1);

enum Typed {
    Bytes(Vec<u8>),
    Size(u16, u16),
}

/// An attached terminal. Its client ends when this is dropped.
pub(super) struct Attached {
    shown: mpsc::Receiver<HostFrame>,
    typed: mpsc::Sender<Typed>,
    ended: HostFrame,
}

fn io_error(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

fn size(cols: u16, rows: u16) -> pty_process::Size {
    pty_process::Size::new(rows.clamp(1, 1000), cols.clamp(1, 1000))
}

/// Starts tmux's client in a terminal.
pub(super) fn attach(
    program: &Path,
    arguments: &[String],
    environment: impl Iterator<Item = (String, String)>,
) -> io::Result<Attached> {
    let (pty, pts) = pty_process::open().map_err(io_error)?;
    pty.resize(size(80, 24)).map_err(io_error)?;
    let command = pty_process::Command::new(program).args(arguments).env_clear().envs(environment).kill_on_drop(true);
    let child = command.spawn(pts).map_err(io_error)?;
    let (show, shown) = mpsc::channel(WAITING);
    let (typed, keys) = mpsc::channel(TYPED);
    tokio::spawn(attend(pty, child, show, keys));
    Ok(Attached { shown, typed, ended: HostFrame::Ended { exit_code: 0, signal: None } })
}

/// Carries bytes until either side is gone.
async fn attend(pty: pty_process::Pty, mut child: Child, show: mpsc::Sender<HostFrame>, mut keys: mpsc::Receiver<Typed>) {
    let status = {
        let (mut reader, mut writer) = pty.into_split();
        let reading = async {
            let mut buffer = vec![0; FRAME];
            while let Ok(place) = show.reserve().await {
                match reader.read(&mut buffer).await {
                    Ok(count @ 1..) => place.send(HostFrame::Bytes(buffer[..count].to_vec())),
                    // All who had it open are gone.
                    Ok(0) | Err(_) => return,
                }
            }
        };
        let writing = async {
            while let Some(typed) = keys.recv().await {
                match typed {
                    Typed::Bytes(bytes) => {
                        if writer.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                    Typed::Size(cols, rows) => {
                        if let Err(error) = writer.resize(size(cols, rows)) {
                            tracing::debug!(%error, "a terminal did not take its size");
                        }
                    }
                }
            }
        };
        tokio::pin!(reading);
        tokio::select! {
            () = &mut reading => None,
            () = writing => None,
            () = show.closed() => None,
            status = child.wait() => {
                let _ = tokio::time::timeout(LAST, &mut reading).await;
                status.ok()
            }
        }
    };
    // Its terminal is gone, which it takes for being detached.
    let status = match status {
        Some(status) => Some(status),
        None => tokio::time::timeout(LAST, child.wait()).await.ok().and_then(Result::ok),
    };
    if status.is_none()
        && let Err(error) = child.kill().await
    {
        tracing::warn!(%error, "a client of tmux did not end");
    }
    let code = |status: ExitStatus| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    let ended = HostFrame::Ended { exit_code: status.map_or(0, code), signal: status.and_then(|status| status.signal()) };
    // Nobody may be there any more to hear it.
    let _ = show.send(ended).await;
}

impl Attached {
    fn send(&self, typed: Typed) -> Result<(), TerminalsError> {
        self.typed.try_send(typed).map_err(|error| TerminalsError::Unavailable {
            what: "typing".to_owned(),
            why: match error {
                mpsc::error::TrySendError::Full(_) => "the terminal does not keep up".to_owned(),
                mpsc::error::TrySendError::Closed(_) => "the terminal has ended".to_owned(),
            },
        })
    }
}

#[async_trait::async_trait]
impl HostTerminal for Attached {
    async fn next(&mut self) -> HostFrame {
        let Some(frame) = self.shown.recv().await else { return self.ended.clone() };
        if matches!(frame, HostFrame::Ended { .. }) {
            self.ended = frame.clone();
        }
        frame
    }

    fn input(&self, bytes: Vec<u8>) -> Result<(), TerminalsError> {
        if bytes.len() > FRAME {
            return Err(TerminalsError::Invalid { why: "More than 64 KiB of input at once; send it in pieces.".to_owned() });
        }
        self.send(Typed::Bytes(bytes))
    }

    fn resize(&self, cols: u16, rows: u16) -> Result<(), TerminalsError> {
        let sound = 1..=1000;
        if !sound.contains(&cols) || !sound.contains(&rows) {
            return Err(TerminalsError::Invalid { why: "A terminal has 1 to 1000 columns and rows.".to_owned() });
        }
        self.send(Typed::Size(cols, rows))
    }
}
