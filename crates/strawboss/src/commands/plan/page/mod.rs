//! `strawboss plan` alone: a page that fills the terminal, with the open plans, their phases and what is next.
//!
//! It follows the file while it is shown. Commands of a phase and an agent's terminal get the usual screen.

mod draw;
mod state;

use super::{change, exec, failed};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure, io};
use crate::output::style;
use crate::terminal::screen::Screen;
use crossterm::event::Event;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use state::{Page, Wish};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;
use strawboss_backlog::plan::{self, Edit, PlanBacklog, PlanConfig};
use strawboss_core::backlog::Backlog as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// How often the file is looked at where the system tells of no changes.
const WATCH: Duration = Duration::from_secs(2);

/// Signals that end it. Ctrl-C is a key here; as a signal it is for the commands that are run.
struct Signals {
    terminate: Signal,
    hangup: Signal,
    _interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(io("listen for signals"));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
            _interrupt: on(SignalKind::interrupt())?,
        })
    }

    async fn ended(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// What comes from the terminal, each when it is asked for: between two answers nobody reads it, and what runs on the usual
/// screen has its input to itself.
struct Events {
    ask: std::sync::mpsc::Sender<()>,
    answers: mpsc::Receiver<std::io::Result<Event>>,
    asked: bool,
}

impl Events {
    fn new() -> Result<Self, Failure> {
        let (ask, asks) = std::sync::mpsc::channel();
        let (answer, answers) = mpsc::channel(1);
        // It waits in the terminal, which nothing ends but an event or the end of the program.
        let reader = std::thread::Builder::new().name("terminal-events".to_owned());
        let begun = reader.spawn(move || {
            while asks.recv().is_ok() {
                if answer.blocking_send(crossterm::event::read()).is_err() {
                    return;
                }
            }
        });
        begun.map_err(io("read from the terminal"))?;
        Ok(Self { ask, answers, asked: false })
    }

    /// The next one. Cancel-safe.
    async fn next(&mut self) -> Option<std::io::Result<Event>> {
        if !self.asked {
            self.ask.send(()).ok()?;
            self.asked = true;
        }
        let event = self.answers.recv().await;
        self.asked = false;
        event
    }
}

/// Shows the page until the person leaves.
pub(super) async fn run(file: &Path, context: &Context) -> Result<ExitStatus, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::usage("`strawboss plan` alone needs a terminal on standard input and output")
            .fix("Name what to do: `strawboss plan list`, `strawboss plan next`. `strawboss plan --help` names all."));
    }
    let book = plan::read(file).map_err(failed(file))?;
    let mut page = Page::new(file, &book);
    let watched = PlanBacklog::new(PlanConfig { file: file.to_owned(), base: None, watch_interval: WATCH, project: None });
    // What changed since is another state of the file.
    drop(watched.read().await);
    // Before the terminal is taken, so that no signal leaves it behind.
    let mut signals = Signals::new()?;
    let mut events = Events::new()?;
    let mut screen = Screen::page()?;
    let drawn = |error: std::io::Error| io("draw the page")(error);
    let fresh = || Terminal::new(CrosstermBackend::new(std::io::stdout())).map_err(drawn);
    let mut terminal = fresh()?;
    let colour = style::stdout();
    loop {
        terminal.draw(|frame| draw::draw(frame, &mut page, colour)).map_err(drawn)?;
        let event = tokio::select! {
            () = signals.ended() => return Ok(ExitStatus::Interrupted),
            () = watched.changed() => {
                drop(watched.read().await);
                page.take(plan::read(file));
                continue;
            }
            event = events.next() => event,
        };
        let wish = match event {
            Some(Ok(Event::Key(key))) => page.key(key),
            Some(Ok(_)) => Wish::Nothing,
            Some(Err(error)) => return Err(io("read from the terminal")(error)),
            None => Wish::Leave,
        };
        match wish {
            Wish::Nothing => {}
            Wish::Leave => return Ok(ExitStatus::Success),
            Wish::Toggle { plan, phase, text, done } => {
                page.said = tick(file, &plan, phase, &text, done);
                page.take(plan::read(file));
            }
            Wish::Run { plan, phase, text } => {
                page.said = screen.aside(|| aside(|| exec::run_phase(file, &plan, phase, &text)))?;
                page.take(plan::read(file));
                terminal = fresh()?;
            }
            Wish::Watch { run } => {
                page.said = screen.aside(|| aside(|| watch(&run, context)))?;
                terminal = fresh()?;
            }
        }
    }
}

/// Marks a phase as it was shown; what is said of it.
fn tick(file: &Path, id: &str, phase: usize, text: &str, done: bool) -> String {
    let ticked = plan::edit(file, |book| {
        let mut edit = Edit::of(book, jiff::Timestamp::now());
        let (at, plan) = book.plan(id)?;
        // Phases may have moved since it was drawn.
        if plan.phases.get(phase).is_none_or(|phase| phase.text != text) {
            return Err(change::Trouble::Said(exec::changed_meanwhile()));
        }
        edit.set_done(at, phase, done)?;
        Ok((edit.finish(), ()))
    });
    let word = if done { "done" } else { "not done" };
    match ticked {
        Ok(()) => format!("phase {phase} of {id} is {word}"),
        Err(trouble) => trouble.into_failure(file).message,
    }
}

/// Does something on the usual screen, and waits until the person has seen it; what is said of it.
fn aside(work: impl FnOnce() -> Result<ExitStatus, Failure>) -> String {
    let (said, failure) = match work() {
        Ok(ExitStatus::Success) => ("done".to_owned(), None),
        Ok(_) => ("it did not succeed".to_owned(), None),
        Err(failure) => (failure.message.clone(), Some(failure)),
    };
    if let Some(failure) = failure {
        crate::complain(&failure);
    }
    let mut err = std::io::stderr();
    // With the terminal gone there is nobody to wait for.
    let _ = err.write_all(b"Press Enter to go back. ").and_then(|()| err.flush());
    let _ = std::io::stdin().lock().read_line(&mut String::new());
    said
}

/// Looks on at an agent's terminal, by the command that does.
fn watch(run: &str, context: &Context) -> Result<ExitStatus, Failure> {
    let program = std::env::current_exe().map_err(io("find this program"))?;
    let mut command = std::process::Command::new(program);
    let global = &context.global;
    if let Some(config) = &global.config {
        command.arg("--config").arg(config);
    }
    if let Some(server) = &global.server {
        command.arg("--server").arg(server);
    }
    if let Some(token) = &global.token {
        // Not on a command line, which others can read.
        command.env("STRAWBOSS_TOKEN", token);
    }
    let status = command.args(["run", "attach", "--read-only", "--", run]).status().map_err(io("look on"))?;
    Ok(if status.success() { ExitStatus::Success } else { ExitStatus::Failure })
}
