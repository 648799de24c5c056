//! `strawboss session …`

use super::attach::{self, AttachArgs};
use crate::client::Api;
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::Tone;
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use strawboss_protocol::api::SessionView;

/// See and attach to terminals
#[derive(Debug, clap::Args)]
pub(crate) struct SessionArgs {
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SessionCommand {
    /// List sessions of live runs, of the newest finished ones, and of the host's tmux where that is served
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Attach(AttachArgs),
}

/// Does what `session` says.
pub(crate) async fn run(args: SessionArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    let json = match args.command {
        SessionCommand::Attach(args) => return attach::run(args, &api, context).await,
        SessionCommand::List { json } => json,
    };
    let answer = api.get::<Vec<SessionView>>("/api/v1/sessions").await?;
    if json {
        output::json(&answer.raw)?;
        return Ok(ExitStatus::Success);
    }
    let mut table = Table::new(&["ID", "RUNS", "STATE", "VIEWERS", "OUTPUT"]);
    for session in &answer.value {
        let state = if session.live { cell("live", Tone::Busy) } else { cell("ended", Tone::Faint) };
        table.row(vec![
            cell(session.id.clone(), Tone::Strong),
            plain(words::one_line(&session.command)),
            state,
            plain(session.viewers.to_string()),
            plain(session.bytes.map_or_else(String::new, words::size)),
        ]);
    }
    output::line(&table.finish("There is no session yet: each run has one."))?;
    Ok(ExitStatus::Success)
}
