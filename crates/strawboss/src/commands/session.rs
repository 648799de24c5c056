//! `strawboss session …`

use super::attach::{self, AttachArgs};
use crate::client::{Answer, Api, part};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::Tone;
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use strawboss_protocol::api::{NewSession, NewSessionKind, RemovedSession, SessionSource, SessionState, SessionView};

/// Open, see and attach to terminals
#[derive(Debug, clap::Args)]
pub(crate) struct SessionArgs {
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SessionCommand {
    /// Open a session: a shell in a container of its own, or in the host's tmux
    #[command(after_help = "\
In a container there is a fresh clone of the project's repository on a branch of its own, no network but the hosts that the
project allows, and no key. It goes on until it is stopped, its volume until it is deleted. On the host it is a shell of the
user that the service runs as: that takes an admin's token, and `sessions: { tmux: true }`.

Examples:
  strawboss session create try --project Antenna --attach
  strawboss session create scratch --image debian:12
  strawboss session create build --project Antenna -- make -j4
  strawboss session create ops --host --folder /srv/app")]
    Create(CreateArgs),
    /// List sessions: in containers, of the host's tmux where that is served, of live runs and the newest finished ones
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Attach(AttachArgs),
    /// Start a session in a container again, on the volume that it had
    #[command(after_help = "Example:\n  strawboss session start try")]
    Start {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop a session in a container: what is on its volume is saved, and the volume stays
    #[command(after_help = "Example:\n  strawboss session stop try")]
    Stop {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete a session with everything in it; what a container has and its project does not is saved to a ref first
    #[command(
        visible_alias = "rm",
        after_help = "\
Whatever runs in it ends. Of the host, nothing is saved: what is in its folders stays there. Sessions of runs end with their
runs: `strawboss run stop`.

Example:
  strawboss session delete try"
    )]
    Delete {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// What it is asked for by: letters, digits, dashes and underscores
    #[arg(value_name = "NAME")]
    name: String,
    /// The project whose repository it begins in
    #[arg(long, short = 'p', value_name = "NAME")]
    project: Option<String>,
    /// The container's image; the project's when left out
    #[arg(long, value_name = "IMAGE", conflicts_with = "host")]
    image: Option<String>,
    /// Only its owner and admins may attach to it
    #[arg(long, conflicts_with = "host")]
    private: bool,
    /// On the host, in its tmux
    #[arg(long)]
    host: bool,
    /// Where it begins on the host
    #[arg(long, value_name = "FOLDER", requires = "host")]
    folder: Option<String>,
    /// Attach to it at once
    #[arg(long, conflicts_with = "json")]
    attach: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// What runs in it; a shell when left out
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A word of a command as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// One session that stands free of runs.
pub(super) async fn detail(api: &Api, name: &str) -> Result<Answer<SessionView>, Failure> {
    api.get::<SessionView>(&format!("/api/v1/sessions/{}", part(name))).await
}

/// Does what `session` says.
pub(crate) async fn run(args: SessionArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    match args.command {
        SessionCommand::Attach(args) => return attach::run(args, &api, context).await,
        SessionCommand::List { json } => list(&api, json).await?,
        SessionCommand::Create(args) => return create(args, &api, context).await,
        SessionCommand::Start { name, json } => told(&api, &name, "start", json).await?,
        SessionCommand::Stop { name, json } => told(&api, &name, "stop", json).await?,
        SessionCommand::Delete { name, json } => delete(&api, &name, json).await?,
    }
    Ok(ExitStatus::Success)
}

async fn create(args: CreateArgs, api: &Api, context: &Context) -> Result<ExitStatus, Failure> {
    if !args.host && args.project.is_none() && args.image.is_none() {
        return Err(Failure::usage("a session in a container needs a project or an image")
            .fix("Add `--project NAME`, `--image IMAGE`, or `--host` for a terminal on the host."));
    }
    let command: Vec<String> = args.command.iter().map(|word| quoted(word)).collect();
    let new = NewSession {
        name: args.name,
        kind: if args.host { NewSessionKind::Host } else { NewSessionKind::Container },
        project: args.project,
        image: args.image,
        command: (!command.is_empty()).then(|| command.join(" ")),
        folder: args.folder,
        private: args.private,
    };
    let answer = api.post::<SessionView>("/api/v1/sessions", Some(&new)).await?;
    let id = answer.value.id;
    if args.json {
        output::json(&answer.raw)?;
    } else if args.attach {
        return attach::run(AttachArgs::usual(id)?, api, context).await;
    } else {
        output::note(&format!("session {id} is open; sit at it with `strawboss session attach {id}`"));
    }
    Ok(ExitStatus::Success)
}

async fn told(api: &Api, name: &str, what: &str, json: bool) -> Result<(), Failure> {
    let answer = api.post::<SessionView>(&format!("/api/v1/sessions/{}/{what}", part(name)), None::<&()>).await?;
    if json {
        return output::json(&answer.raw);
    }
    let state = answer.value.state.map_or("there", SessionState::word);
    output::note(&format!("session {name} is {state}"));
    Ok(())
}

async fn delete(api: &Api, name: &str, json: bool) -> Result<(), Failure> {
    let answer = api.delete::<RemovedSession>(&format!("/api/v1/sessions/{}", part(name))).await?;
    if json {
        return output::json(&answer.raw);
    }
    let removed = answer.value;
    output::note(&if removed.gone {
        format!("session {name} is deleted")
    } else {
        format!("session {name} is being deleted: its volume goes as soon as what is on it is saved")
    });
    if let (Some(saved), Some(repository)) = (removed.saved_ref, removed.repository) {
        output::note(&format!("what it held is saved: git fetch {} {saved}", quoted(&repository)));
    }
    Ok(())
}

fn state(session: &SessionView) -> (String, Tone) {
    match session.state {
        Some(state @ SessionState::Running) => cell(state.word(), Tone::Busy),
        Some(state @ SessionState::Failed) => cell(state.word(), Tone::Bad),
        Some(state @ SessionState::Stopped) => cell(state.word(), Tone::Faint),
        Some(state) => plain(state.word()),
        None if session.live => cell("live", Tone::Busy),
        None => cell("ended", Tone::Faint),
    }
}

async fn list(api: &Api, json: bool) -> Result<(), Failure> {
    let answer = api.get::<Vec<SessionView>>("/api/v1/sessions").await?;
    if json {
        return output::json(&answer.raw);
    }
    let mut table = Table::new(&["ID", "WHERE", "PROJECT", "RUNS", "STATE", "VIEWERS", "OUTPUT"]);
    for session in &answer.value {
        let place = match session.source {
            SessionSource::Run => "run",
            SessionSource::Container => "container",
            SessionSource::Made | SessionSource::Discovered => "host",
        };
        let command = if session.command.is_empty() { "shell" } else { &session.command };
        table.row(vec![
            cell(session.id.clone(), Tone::Strong),
            plain(place),
            plain(words::one_line(session.project.as_deref().unwrap_or_default())),
            plain(words::one_line(command)),
            state(session),
            plain(session.viewers.to_string()),
            plain(session.bytes.map_or_else(String::new, words::size)),
        ]);
    }
    output::line(&table.finish("There is no session yet: each run has one, and `strawboss session create` opens others."))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_command_reads_back_as_it_was_said() {
        for (word, read) in
            [("make", "make"), ("-j4", "-j4"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("", "''"), ("$HOME", "'$HOME'")]
        {
            assert_eq!(quoted(word), read);
        }
    }
}
