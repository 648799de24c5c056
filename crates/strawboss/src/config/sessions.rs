//! `sessions:`: terminals that stand free of runs. Nothing of the host is served unless it is said here or by a variable: a
//! terminal on the host is everything that the host's user may do.

use super::problem::{Problem, Problems};
use super::settings;
use super::table::{self, Field, Table};
use crate::environment::{self, Environment};
use std::path::Path;
use std::time::Duration;
use strawboss_engine::ShellHabits;

const DAY: Duration = Duration::from_hours(24);
/// The most containers that may be open at once.
const MOST: u32 = 1000;
/// What is quiet for less is not idle: somebody thinks.
const LEAST_IDLE: Duration = Duration::from_mins(1);
const MOST_IDLE: Duration = Duration::from_hours(365 * 24);

pub(super) fn sessions(
    table: Option<Table<'_>>,
    folder: &Path,
    environment: &Environment,
    problems: &mut Problems,
) -> settings::Sessions {
    let mut sessions = settings::Sessions {
        tmux: false,
        socket: None,
        start: true,
        discover: Duration::from_mins(1),
        containers: ShellHabits::default(),
    };
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
        if let Some(containers) = table.table("containers", problems) {
            sessions.containers = self::containers(containers, problems);
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

fn containers(mut table: Table<'_>, problems: &mut Problems) -> ShellHabits {
    let usual = ShellHabits::default();
    let most = table.read("max", problems, |field, problems| field.integer(0, MOST, problems)).unwrap_or(usual.most);
    let idle = table.read("idle", problems, |field, problems| field.duration(LEAST_IDLE, MOST_IDLE, problems));
    let allow = table.table("network", problems).map(|table| super::projects::hosts(table, problems)).unwrap_or_default();
    table.finish(problems);
    ShellHabits { most, idle, allow }
}
