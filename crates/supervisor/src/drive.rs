//! Driving the agent: starting it, moving its output to events and terminal and people's lines to its input, and
//! seeing it end.

use crate::command::{NewLines, end_of};
use crate::completion::Completion;
use crate::environment::Env;
use crate::halt::Halt;
use crate::site::Site;
use crate::{home, terminal};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use strawboss_agent::lines::Lines;
use strawboss_agent::{Agent, Exit, Launch, LaunchContext, LaunchIo, Outcome, Understood, agent};
use strawboss_protocol::supervisor::{AgentEvent, AgentOrders, MAX_REPORT_TEXT, Phase, ReportBody};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, Command};

/// How much is read at once: what one terminal frame carries.
pub(crate) const READ: usize = 64 * 1024;
/// How much of standard error is kept for the reason of a failure, in bytes.
const ERROR_TAIL: usize = 4 * 1024;
/// How long an agent may take to end after its input was closed; what it left in the background may hold it.
const FAREWELL: Duration = Duration::from_secs(20);
/// How long output may still come after the agent's end, when everything that could hold it is gone.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often an agent that ended just when a person said something is launched again in its session.
const RELAUNCHES: usize = 20;

/// How the agent's work ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Driven {
    /// By itself.
    Ended(Outcome),
    /// It was ended.
    Halted(Halt),
}

/// Why it could not be launched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoLaunch {
    /// A person must mend the set-up.
    SetUp(String),
    /// The machinery failed.
    Machinery(String),
}

/// What one launch came to.
pub(crate) struct Launched {
    pub(crate) status: std::io::Result<ExitStatus>,
    pub(crate) halt: Option<Halt>,
    pub(crate) error_tail: Vec<u8>,
}

/// Runs the agent to its end, launching it again when its session is lost or a person's line came too late for it.
pub(crate) async fn drive(site: &Site, env: &Env, orders: &AgentOrders) -> Result<Driven, NoLaunch> {
    let (mut prompt, mut resume) = (orders.prompt.clone(), orders.resume_session.clone());
    let task = site.orders.run.task();
    let (workspace, completion) = (site.place.workspace(), Completion::of(&orders.completion, &site.place.temp));
    let reporter = std::env::current_exe().map_err(|error| NoLaunch::Machinery(format!("find this program: {error}")))?;
    completion.clear();
    for _ in 0..RELAUNCHES {
        let mut agent = agent(orders.kind, orders.mode);
        let context = LaunchContext {
            orders,
            prompt: &prompt,
            resume: resume.as_deref(),
            tools: &site.place.tools,
            relay: &site.relay,
            task: task.as_str(),
            home: &site.place.home,
            workspace: &workspace,
            reporter: &reporter,
            completion: &completion.file(),
            root: nix::unistd::getuid().is_root(),
        };
        let launch = agent.launch(&context).map_err(|error| NoLaunch::SetUp(error.to_string()))?;
        let program = PathBuf::from(&launch.program);
        home::furnish(&site.place.home, &launch.files)
            .map_err(|error| NoLaunch::Machinery(format!("furnish the agent's home: {error}")))?;
        tell(site, agent.told(&prompt));
        let launched = match &launch.io {
            LaunchIo::Pipes { first } => pipes(site, env, &launch, first.clone(), agent.as_mut()).await,
            LaunchIo::Terminal | LaunchIo::Interactive { .. } => {
                terminal::drive(site, env, &launch, agent.as_mut(), &completion).await
            }
        };
        let launched = launched.map_err(|error| no_launch(&program, &error))?;
        let status = launched.status.map_err(|error| NoLaunch::Machinery(format!("wait for the agent: {error}")))?;
        event(site, AgentEvent::Exited { code: status.code() }, None);
        if let Some(halt) = launched.halt {
            return Ok(Driven::Halted(halt));
        }
        let error_tail = strawboss_agent::text::tail(&launched.error_tail, ERROR_TAIL);
        let exit = Exit { code: status.code(), signal: status.signal(), error_tail: &error_tail };
        let outcome = agent.outcome(&exit);
        if outcome == Outcome::SessionLost && resume.take().is_some() {
            site.note("the agent does not know that session any more: it starts a new one");
            continue;
        }
        // One that ended while people were asked goes on with their answer.
        let goes_on = matches!((&launch.io, &outcome), (LaunchIo::Pipes { .. }, Outcome::Complete { .. }));
        if goes_on && agent.session().is_some() && site.asked.is_open() {
            site.phase(Phase::Waiting);
            while site.asked.is_open() {
                tokio::select! {
                    halt = site.halts.asked() => return Ok(Driven::Halted(halt)),
                    () = site.inbox.changed() => {}
                }
            }
            site.phase(Phase::Working);
        }
        match (&outcome, agent.session(), site.inbox.take_say()) {
            (Outcome::Complete { .. }, Some(session), Some(said)) => {
                resume = Some(session.to_owned());
                prompt = said;
            }
            _ => return Ok(Driven::Ended(outcome)),
        }
    }
    Ok(Driven::Ended(Outcome::Failed { detail: format!("the agent was launched {RELAUNCHES} times and came to no end") }))
}

fn no_launch(program: &Path, error: &std::io::Error) -> NoLaunch {
    let shown = program.display();
    if error.kind() == std::io::ErrorKind::NotFound && program.exists() {
        return NoLaunch::SetUp(format!(
            "could not start {shown}: the image lacks what the program needs, most likely glibc; use a glibc image (Debian, Ubuntu)"
        ));
    }
    if error.kind() == std::io::ErrorKind::NotFound && program.starts_with("/bin") {
        return NoLaunch::SetUp(format!("the image has no {shown}: use an image that has a shell"));
    }
    NoLaunch::Machinery(format!("could not start {shown}: {error}"))
}

pub(crate) fn command_of(site: &Site, env: &Env, launch: &Launch) -> (OsString, Env) {
    let mut env = env.clone();
    env.extend(launch.env.iter().map(|(name, value)| (name.into(), value.into())));
    // The agents' own tools come last: an image's program of the same name goes before.
    if let Some(folder) = Path::new(&launch.program).parent().filter(|folder| folder.starts_with(&site.place.tools)) {
        let path = env.entry("PATH".into()).or_default();
        path.push(":");
        path.push(folder);
    }
    (launch.program.clone(), env)
}

pub(crate) fn event(site: &Site, event: AgentEvent, raw: Option<String>) {
    site.outbox.report(ReportBody::Agent { event, raw });
}

/// Reports and shows what was understood.
pub(crate) fn tell(site: &Site, understood: Understood) {
    site.outbox.terminal(understood.transcript.as_bytes());
    for happened in understood.events {
        event(site, happened, None);
    }
}

/// What becomes of an agent's lines.
struct Listener<'a> {
    site: &'a Site,
    agent: &'a mut dyn Agent,
    lines: Lines,
    phase: Phase,
    turn_ended: bool,
    /// The last one that ended did so with an error.
    turn_failed: bool,
}

impl Listener<'_> {
    fn hear(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.push(bytes, |line, whole| self.line(line, whole));
        self.lines = lines;
    }

    fn end(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.end(|line, whole| self.line(line, whole));
    }

    fn line(&mut self, line: &[u8], whole: bool) {
        let understood = self.agent.understand(line, whole);
        self.turn_ended = understood.turn_ended || (self.turn_ended && !understood.turn_began);
        self.site.outbox.terminal(understood.transcript.as_bytes());
        let shown = &line[..line.len().min(4 * MAX_REPORT_TEXT)];
        let mut raw = Some(strawboss_agent::text::cut(&String::from_utf8_lossy(shown), MAX_REPORT_TEXT));
        for happened in understood.events {
            self.follow(&happened);
            event(self.site, happened, raw.take());
        }
    }

    /// Tells apart whether the agent works or waits for its provider.
    fn follow(&mut self, happened: &AgentEvent) {
        if let AgentEvent::TurnEnded { is_error, .. } = happened {
            self.turn_failed = *is_error;
        }
        let phase = match happened {
            AgentEvent::RateLimited { .. } => Phase::Waiting,
            AgentEvent::Message { .. }
            | AgentEvent::ToolCall { .. }
            | AgentEvent::ToolResult { .. }
            | AgentEvent::TurnEnded { is_error: false, .. } => Phase::Working,
            _ => return,
        };
        self.move_to(phase);
    }

    fn move_to(&mut self, phase: Phase) {
        if phase != self.phase {
            self.phase = phase;
            self.site.phase(phase);
        }
    }
}

async fn pipes(site: &Site, env: &Env, launch: &Launch, first: Vec<u8>, agent: &mut dyn Agent) -> std::io::Result<Launched> {
    let (program, env) = command_of(site, env, launch);
    let mut command = Command::new(program);
    command.args(&launch.args).current_dir(site.place.workspace()).env_clear().envs(env);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut started = site.processes.start(&mut command)?;
    let mut input = Input { stdin: started.child.stdin.take(), pending: first };
    let (mut stdout, mut stderr) = (started.child.stdout.take(), started.child.stderr.take());
    let mut listener =
        Listener { site, agent, lines: Lines::default(), phase: Phase::Working, turn_ended: false, turn_failed: false };
    let (mut out, mut err) = (vec![0; READ], vec![0; READ]);
    let mut error_tail = Vec::new();
    let mut newlines = NewLines::default();
    let mut farewell: Option<tokio::time::Instant> = None;
    let (status, halt) = {
        let end = end_of(site, &mut started);
        tokio::pin!(end);
        loop {
            while let Some(said) = input.is_open().then(|| site.inbox.take_say()).flatten() {
                tell(site, listener.agent.told(&said));
                input.pending.extend(listener.agent.say(&said));
                listener.turn_ended = false;
                listener.move_to(Phase::Working);
            }
            let is_idle = listener.turn_ended && input.pending.is_empty();
            let asks = is_idle && !listener.turn_failed && site.asked.is_open();
            if asks {
                listener.move_to(Phase::Waiting);
            }
            let finished = is_idle && !asks;
            if finished {
                input.stdin = None;
            }
            // It may begin another turn after its input was closed, with what was written before: that one is waited for.
            farewell = finished.then(|| farewell.unwrap_or_else(|| tokio::time::Instant::now() + FAREWELL));
            tokio::select! {
                ended = &mut end => break ended,
                count = read(site, &mut stdout, &mut out) => match count {
                    Some(count) => listener.hear(&out[..count]),
                    None => stdout = None,
                },
                count = read(site, &mut stderr, &mut err) => match count {
                    Some(count) => error_output(site, &mut newlines, &err[..count], &mut error_tail),
                    None => stderr = None,
                },
                () = input.write() => {}
                () = site.inbox.changed() => drop(site.inbox.take_input()),
                () = until(farewell) => {
                    site.note("the agent has finished and does not end: it is ended");
                    farewell = None;
                    site.processes.end_all().await;
                }
            }
        }
    };
    // Whoever still holds the pipes is gone after this; then what is left in them is read.
    site.processes.end_all().await;
    let rest = async {
        while let Some(count) = rest_of(&mut stdout, &mut out).await {
            listener.hear(&out[..count]);
        }
        while let Some(count) = rest_of(&mut stderr, &mut err).await {
            error_output(site, &mut newlines, &err[..count], &mut error_tail);
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    listener.end();
    Ok(Launched { status, halt, error_tail })
}

/// Standard error: shown dim, with nothing that a terminal would obey, and its end kept.
fn error_output(site: &Site, newlines: &mut NewLines, bytes: &[u8], tail: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(&newlines.translate(bytes)).replace('\r', "");
    site.outbox.terminal(format!("\x1b[2m{}\x1b[0m", strawboss_agent::text::visible(&text)).as_bytes());
    tail.extend_from_slice(bytes);
    let excess = tail.len().saturating_sub(ERROR_TAIL + 1);
    tail.drain(..excess);
}

/// Reads when there is room for what is read, or when the work is to stop; pending for ever when there is nothing to read from.
async fn read(site: &Site, from: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> Option<usize> {
    let Some(reader) = from else { return std::future::pending().await };
    tokio::select! {
        () = site.outbox.room() => {}
        _ = site.halts.asked() => {}
    }
    reader.read(buffer).await.ok().filter(|count| *count > 0)
}

async fn rest_of(from: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> Option<usize> {
    from.as_mut()?.read(buffer).await.ok().filter(|count| *count > 0)
}

pub(crate) async fn until(when: Option<tokio::time::Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// An agent's standard input, and what is still to be written to it.
struct Input {
    stdin: Option<ChildStdin>,
    pending: Vec<u8>,
}

impl Input {
    fn is_open(&self) -> bool {
        self.stdin.is_some()
    }

    /// Writes a part of what is pending; pending for ever when there is nothing to write. Cancel-safe.
    async fn write(&mut self) {
        let Some(stdin) = self.stdin.as_mut().filter(|_| !self.pending.is_empty()) else {
            return std::future::pending().await;
        };
        if let Ok(count) = stdin.write(&self.pending).await {
            self.pending.drain(..count);
        } else {
            // It closed its input, or ended.
            self.stdin = None;
            self.pending.clear();
        }
    }
}
