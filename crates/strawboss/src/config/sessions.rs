//! `sessions:`: terminals that stand free of runs. Nothing is served unless it is said here or by a variable: a terminal on
//! the host is everything that the host's user may do.

use super::problem::{Problem, Problems};
use super::settings;
use super::table::{self, Field, Table};
use crate::environment::{self, Environment};
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

pub(super) fn sessions(
    table: Option<Table<'_>>,
    folder: &Path,
    environment: &Environment,
    problems: &mut Problems,
) -> settings::Sessions {
    let mut sessions = settings::Sessions { tmux: false, socket: None, start: true, discover: Duration::from_mins(1) };
    if let Some(mut table) = table {
        sessions.tmux = table.read("tmux", problems, Field::boolean).unwrap_or_default();
        sessions.socket = table.read("socket", problems, |field, problems| field.path(folder, problems));
        if let Some(start) = table.read("start", problems, Field::boolean) {
            sessions.start = start;
        }
        let least = Duration::from_secs(1);
        if let Some(every) = table.read("discover", problems, |field, problems| field.seconds(least, DAY, problems)) {
            sessions.discover = every;
        }
        table.finish(problems);
    }
    if let Some(on) = super::service::truth(&environment::TMUX, environment, problems) {
        sessions.tmux = on;
    }
    if let Some(start) = super::service::truth(&environment::TMUX_START, environment, problems) {
        sessions.start = start;
    }
    if let Some(text) = environment.get(&environment::TMUX_SOCKET) {
        let name = environment::TMUX_SOCKET.name;
        let here = std::env::current_dir().unwrap_or_else(|_| folder.to_owned());
        match table::expand(text, &here) {
            Ok(path) => sessions.socket = Some(path),
            Err(why) => problems.push(Problem::of(name, format!("{name} {why}"))),
        }
    }
    sessions
}
