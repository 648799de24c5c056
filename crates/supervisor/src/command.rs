//! Running a set-up command or a check: `sh -c`, its output into the terminal, its end kept.

use crate::environment::Env;
use crate::halt::Halt;
use crate::processes::Started;
use crate::site::Site;
use nix::sys::signal::Signal;
use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use strawboss_core::run::CheckResult;
use strawboss_protocol::supervisor::ReportBody;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::oneshot;

/// How much of a command's output is kept for its report, in bytes.
const TAIL: usize = CheckResult::TAIL_BYTES;
/// How much is read at once.
const READ: usize = 64 * 1024;
/// How much is read after a command's end from what it left in the background, before that is no longer waited for.
const AFTERMATH: usize = 1 << 20;

/// How a command ended.
pub(crate) struct Ended {
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Why it was ended, when it was.
    pub(crate) halt: Option<Halt>,
    pub(crate) duration: Duration,
    /// The end of what it printed, at most [`TAIL`] bytes.
    pub(crate) tail: String,
}

impl Ended {
    pub(crate) fn ok(&self) -> bool {
        self.code == Some(0) && self.halt.is_none()
    }

    pub(crate) fn duration_ms(&self) -> u64 {
        self.duration.as_millis() as u64
    }

    /// The end in words.
    pub(crate) fn words(&self) -> String {
        match (&self.halt, self.code, self.signal) {
            (Some(halt), _, _) => format!("was ended: {}", halt.words()),
            (None, Some(code), _) => format!("ended with code {code}"),
            (None, None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
        }
    }
}

/// Waits for a process; when the work is to stop, ends it: SIGTERM (a person's shell: SIGHUP as well), patience, SIGKILL for
/// everything.
pub(crate) async fn end_of(site: &Site, started: &mut Started) -> (std::io::Result<ExitStatus>, Option<Halt>) {
    let halt = tokio::select! {
        status = started.wait() => return (status, None),
        halt = site.halts.asked() => halt,
    };
    started.signal(Signal::SIGTERM);
    if site.orders.agent.as_ref().is_some_and(|agent| agent.session) {
        // A shell that people type into ignores SIGTERM, and ends when its terminal is closed.
        started.signal(Signal::SIGHUP);
    }
    // An agent that is stopped (SIGSTOP) hears SIGTERM only when it goes on.
    started.signal(Signal::SIGCONT);
    tokio::select! {
        status = started.wait() => return (status, Some(halt)),
        () = site.halts.patience() => {}
    }
    started.signal(Signal::SIGKILL);
    (started.wait().await, Some(halt))
}

/// Runs `sh -c <line>` in the workspace, shows it, and returns when it has ended. What it leaves running goes on.
pub(crate) async fn run(site: &Site, env: &Env, line: &str) -> std::io::Result<Ended> {
    site.headline(line);
    let began = Instant::now();
    let (reader, writer) = std::io::pipe()?;
    let reader = pipe::Receiver::from_owned_fd(reader.into())?;
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line).current_dir(site.place.workspace()).env_clear().envs(env);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let started = site.processes.start(&mut command);
    // The command holds the writing ends; with it they go.
    drop(command);
    let mut started = started?;
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let (drain, drained) = oneshot::channel::<oneshot::Sender<()>>();
    tokio::spawn(pump(Arc::clone(&site.outbox), reader, Arc::clone(&tail), drained));
    let (status, halt) = end_of(site, &mut started).await;
    let status = status?;
    let (done, all_read) = oneshot::channel();
    if drain.send(done).is_ok() {
        // An error says that the output has ended: all was read.
        let _ = all_read.await;
    }
    let mut tail = std::mem::take(&mut *tail.lock().unwrap_or_else(PoisonError::into_inner));
    let tail = strawboss_agent::text::tail(tail.make_contiguous(), TAIL);
    Ok(Ended { code: status.code(), signal: status.signal(), halt, duration: began.elapsed(), tail })
}

/// Moves output to the terminal until nobody can write any more: also what a command left in the background prints, which
/// would be ended by its next word otherwise. When asked, it says once that what was printed so far has been read.
async fn pump(
    outbox: Arc<crate::outbox::Outbox>,
    mut reader: pipe::Receiver,
    tail: Arc<Mutex<VecDeque<u8>>>,
    mut drain: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let mut buffer = vec![0; READ];
    let mut newlines = NewLines::default();
    let mut show = |bytes: &[u8]| {
        outbox.terminal(&newlines.translate(bytes));
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        // One byte more than is kept, so that it is known whether something was left out.
        let kept = &bytes[bytes.len().saturating_sub(TAIL + 1)..];
        let excess = (tail.len() + kept.len()).saturating_sub(TAIL + 1).min(tail.len());
        tail.drain(..excess);
        tail.extend(kept);
    };
    let mut asked = false;
    loop {
        let read = async {
            outbox.room().await;
            reader.read(&mut buffer).await
        };
        tokio::select! {
            count = read => match count {
                Ok(0) | Err(_) => return,
                Ok(count) => show(&buffer[..count]),
            },
            done = &mut drain, if !asked => {
                asked = true;
                let mut left = AFTERMATH;
                while let Ok(count @ 1..) = reader.try_read(&mut buffer) {
                    show(&buffer[..count]);
                    left = left.saturating_sub(count);
                    if left == 0 {
                        break;
                    }
                }
                if let Ok(done) = done {
                    let _ = done.send(());
                }
            }
        }
    }
}

/// Runs a step of the preparation and reports it.
pub(crate) async fn step(site: &Site, env: &Env, name: &str, line: &str) -> std::io::Result<Ended> {
    let ended = run(site, env, line).await?;
    let output_tail = (!ended.ok()).then(|| ended.tail.clone());
    let name = strawboss_agent::text::cut(name, 1000);
    site.outbox.report(ReportBody::Step { name, ok: ended.ok(), duration_ms: ended.duration_ms(), output_tail });
    Ok(ended)
}

/// Makes LF to CR LF, as a terminal's driver does, for output that comes through a pipe.
#[derive(Debug, Default)]
pub(crate) struct NewLines {
    after_cr: bool,
}

impl NewLines {
    pub(crate) fn translate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
        for byte in bytes {
            if *byte == b'\n' && !self.after_cr {
                out.push(b'\r');
            }
            out.push(*byte);
            self.after_cr = *byte == b'\r';
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::NewLines;

    #[test]
    fn line_ends_become_a_terminals_wherever_the_output_is_cut() {
        let mut lines = NewLines::default();
        let out = [&b"a\nb\r"[..], b"\nc\n", b"\n"].map(|bytes| lines.translate(bytes)).concat();
        assert_eq!(out, b"a\r\nb\r\nc\r\n\r\n");
    }
}
