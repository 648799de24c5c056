//! Agents in a terminal: their bytes go to people and people's keys to them, and where they have hooks, those say what the
//! agent does.

use crate::command::end_of;
use crate::completion::Completion;
use crate::drive::{LAST_WORDS, Launched, READ, command_of, event, tell, until};
use crate::environment::Env;
use crate::hooks::{HOOKS, Hooks, Told};
use crate::processes::Started;
use crate::site::Site;
use nix::sys::signal::Signal;
use std::collections::VecDeque;
use std::time::Duration;
use strawboss_agent::{Agent, Launch, LaunchIo, completion};
use strawboss_protocol::supervisor::Phase;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often it is looked whether the file of completion is there.
const LOOK: Duration = Duration::from_millis(500);
/// How long an interface may take to begin its session, before people are told to look at it.
const BEGIN: Duration = Duration::from_mins(1);
/// How long after a text Return is pressed, and, as often as that was, again.
const RETURN: Duration = Duration::from_millis(250);
/// How often Return is pressed for one text.
const RETURNS: u32 = 20;
/// How long an agent whose task is complete may go on with its turn, and how long it may take to end after that.
const FAREWELL: Duration = Duration::from_secs(20);

/// Runs an agent in a terminal to its end.
pub(crate) async fn drive(
    site: &Site,
    env: &Env,
    launch: &Launch,
    agent: &mut dyn Agent,
    completion: &Completion,
) -> std::io::Result<Launched> {
    let (program, mut env) = command_of(site, env, launch);
    let mut hooks = match &launch.io {
        LaunchIo::Interactive { .. } => Some(Hooks::listen(&site.place.temp)?),
        LaunchIo::Terminal | LaunchIo::Pipes { .. } => None,
    };
    env.extend(hooks.iter().map(|hooks| (HOOKS.into(), hooks.socket().into())));
    let (mut pty, pts) = pty_process::open().map_err(std::io::Error::other)?;
    let (cols, rows) = site.inbox.take_size().unwrap_or(site.orders.terminal);
    let size = |cols: u16, rows: u16| pty_process::Size::new(rows.clamp(1, 1000), cols.clamp(1, 1000));
    pty.resize(size(cols, rows)).map_err(std::io::Error::other)?;
    let command = pty_process::Command::new(program).args(&launch.args).env_clear().envs(env);
    let child = command.current_dir(site.place.workspace()).kill_on_drop(true).spawn(pts).map_err(io_error)?;
    let mut started: Started = site.processes.adopt(child);
    let group = started.group();
    let mut talk = Talk::new(site, agent, &launch.io);
    let mut pending = Vec::new();
    let mut buffer = vec![0; READ];
    let mut open = true;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut reader, mut writer) = pty.split();
    let (status, halt) = {
        let end = end_of(site, &mut started);
        tokio::pin!(end);
        loop {
            pending.extend(talk.typed());
            if let Some((cols, rows)) = site.inbox.take_size() {
                let _ = writer.resize(size(cols, rows));
            }
            tokio::select! {
                ended = &mut end => break ended,
                count = read_until_blocked(site, &mut reader, &mut buffer), if open => {
                    site.outbox.terminal(&buffer[..count]);
                    open = count > 0;
                }
                written = writer.write(&pending), if open && !pending.is_empty() => match written {
                    Ok(count) => drop(pending.drain(..count)),
                    Err(_) => pending.clear(),
                },
                () = site.inbox.changed() => {}
                told = next(&mut hooks) => talk.hear(told),
                _ = look.tick(), if hooks.is_some() && !talk.agent.is_complete() => {
                    if let Some(summary) = completion.take() {
                        talk.agent.complete(&summary);
                    }
                }
                () = until(talk.due()) => match talk.next_step() {
                    Some(End::Ask) => group.signal(Signal::SIGTERM),
                    Some(End::Force) => site.processes.end_all().await,
                    None => {}
                },
            }
        }
    };
    site.processes.end_all().await;
    let rest = async {
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            site.outbox.terminal(&buffer[..count]);
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    // One that was written as the last thing, and all that an agent without hooks has to say.
    if !talk.agent.is_complete()
        && let Some(summary) = completion.take()
    {
        talk.agent.complete(&summary);
    }
    Ok(Launched { status, halt, error_tail: Vec::new() })
}

async fn next(hooks: &mut Option<Hooks>) -> Told {
    match hooks {
        Some(hooks) => hooks.next().await,
        None => std::future::pending().await,
    }
}

/// A text that was typed, and whether Return was taken after it.
struct Typing {
    /// How many texts were taken before.
    taken: u64,
    returns: u32,
    /// When Return is pressed next.
    at: Instant,
}

/// How an agent whose task is complete is ended.
enum End {
    Ask,
    Force,
}

/// What is said between people, hooks and the agent.
struct Talk<'a> {
    site: &'a Site,
    agent: &'a mut dyn Agent,
    /// What waits until the agent can be typed to.
    held: VecDeque<Vec<u8>>,
    /// What was typed last and is not taken yet.
    typing: Option<Typing>,
    phase: Phase,
    /// When people are told that its session does not begin.
    begin_by: Option<Instant>,
    /// When it is asked to end, since its task is complete.
    ask_at: Option<Instant>,
    /// When it is ended.
    force_at: Option<Instant>,
}

impl<'a> Talk<'a> {
    fn new(site: &'a Site, agent: &'a mut dyn Agent, io: &LaunchIo) -> Self {
        let held = match io {
            LaunchIo::Interactive { first } => VecDeque::from([first.clone()]),
            LaunchIo::Terminal | LaunchIo::Pipes { .. } => VecDeque::new(),
        };
        let begin_by = (!agent.is_ready()).then(|| Instant::now() + BEGIN);
        Self { site, agent, held, typing: None, phase: Phase::Working, begin_by, ask_at: None, force_at: None }
    }

    /// What is to be written to the terminal now.
    fn typed(&mut self) -> Vec<u8> {
        while let Some(said) = self.site.inbox.take_say() {
            // An agent without an interface is told: to its program it may mean something.
            if let Some(summary) = completion(&said).filter(|_| self.agent.taken().is_some()) {
                self.agent.complete(summary);
                continue;
            }
            tell(self.site, self.agent.told(&said));
            self.held.push_back(self.agent.say(&said));
        }
        // Keys go at once, since they may be what it waits for before it begins.
        let mut typed = self.site.inbox.take_input();
        if !self.agent.is_ready() {
            return typed;
        }
        self.begin_by = None;
        while self.typing.is_none()
            && let Some(mut text) = self.held.pop_front()
        {
            typed.append(&mut text);
            let known = self.agent.taken();
            self.typing = known.map(|taken| Typing { taken, returns: 0, at: Instant::now() + RETURN });
        }
        typed.extend(self.returned());
        typed
    }

    /// Return after a text, and again until the text was taken: an interface that is being drawn may lose it. On an empty line
    /// it does nothing, and behind the turn that goes on the text waits by itself.
    fn returned(&mut self) -> Option<u8> {
        let typing = self.typing.as_mut()?;
        let behind_a_turn = typing.returns > 0 && !self.agent.is_idle();
        if self.agent.taken() > Some(typing.taken) || behind_a_turn || typing.returns == RETURNS {
            self.typing = None;
            // The next text's turn comes with the next look.
            self.site.inbox.look_again();
            return None;
        }
        if Instant::now() < typing.at {
            return None;
        }
        typing.returns += 1;
        typing.at = Instant::now() + RETURN * typing.returns;
        Some(b'\r')
    }

    fn hear(&mut self, told: Told) {
        let hooked = self.agent.hooked(&told.message);
        // The hook's program may be gone: then nobody needs the answer.
        let _ = told.reply.send(hooked.reply);
        let mut raw = Some(strawboss_agent::text::cut(
            &String::from_utf8_lossy(&told.message),
            strawboss_protocol::supervisor::MAX_REPORT_TEXT,
        ));
        for happened in hooked.events {
            event(self.site, happened, raw.take());
        }
        if let Some(waits) = hooked.waits {
            self.follow(if waits { Phase::Waiting } else { Phase::Working });
        }
    }

    fn follow(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.site.phase(phase);
        }
    }

    /// When [`Self::next_step`] has something to do.
    fn due(&mut self) -> Option<Instant> {
        if !self.agent.is_complete() {
            return self.begin_by.or(self.typing.as_ref().map(|typing| typing.at));
        }
        // A turn that still goes on may be the one that wrote the summary; what it does after that belongs to the work.
        let at_last = *self.ask_at.get_or_insert_with(|| Instant::now() + FAREWELL);
        self.force_at.or(Some(if self.agent.is_idle() { Instant::now() } else { at_last }))
    }

    fn next_step(&mut self) -> Option<End> {
        if !self.agent.is_complete() {
            // Return is pressed with the next look.
            self.begin_by.take()?;
            self.site.note("the agent's session has not begun: look at what its terminal asks");
            self.follow(Phase::Waiting);
            return None;
        }
        let end = if self.force_at.is_some() { End::Force } else { End::Ask };
        self.force_at = Some(Instant::now() + FAREWELL);
        Some(end)
    }
}

/// Reads what there is, up to the whole buffer, so that a flood travels in large frames and a key's echo at once. 0: the
/// terminal is closed. Cancelled, it loses nothing: it reads only what it returns at once.
async fn read_until_blocked(site: &Site, reader: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> usize {
    tokio::select! {
        () = site.outbox.room() => {}
        _ = site.halts.asked() => {}
    }
    let Ok(mut count) = reader.read(buffer).await else { return 0 };
    while count > 0 && count < buffer.len() {
        match futures_util::FutureExt::now_or_never(reader.read(&mut buffer[count..])) {
            Some(Ok(more @ 1..)) => count += more,
            _ => break,
        }
    }
    count
}

fn io_error(error: pty_process::Error) -> std::io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        other => std::io::Error::other(other),
    }
}
