//! `strawboss agent …`: the agents' own programs, fetched once per machine, for sandboxes alone.

mod install;

use crate::config::settings::Agents;
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::Tone;
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use crate::tools;
use serde_json::json;

/// See and install the agents' own programs
#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AgentCommand {
    /// List agents, and whether they can be launched here
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch an agent's program from npm's registry, verify it, and keep it for sandboxes
    #[command(after_help = "\
The default version's sum is part of this program: what the registry serves must match it. For another version the
registry's own word is taken, unless --integrity says what must match.

Example:
  strawboss agent install claude")]
    Install(install::InstallArgs),
}

/// Does what `agent` says.
pub(crate) async fn run(args: AgentArgs, context: &Context) -> Result<ExitStatus, Failure> {
    match args.command {
        AgentCommand::List { json } => list(context, json),
        AgentCommand::Install(args) => install::run(args, context).await,
    }
}

fn list(context: &Context, json: bool) -> Result<ExitStatus, Failure> {
    // Without a configuration there is still what lies in the cache.
    let configured = context.config().map_or_else(|_| Agents::default(), |config| config.settings.agents);
    let agents = tools::agents(&configured, &context.environment);
    if json {
        let agents: Vec<_> = agents
            .iter()
            .map(|agent| {
                json!({
                    "agent": agent.kind.word(),
                    "version": agent.version,
                    "folder": agent.tool_dir,
                    "command": agent.command,
                    "problem": agent.unusable.as_ref().map(|unusable| &unusable.message),
                    "fix": agent.unusable.as_ref().map(|unusable| &unusable.fix),
                })
            })
            .collect();
        output::json(&agents)?;
        return Ok(ExitStatus::Success);
    }
    let mut table = Table::new(&["AGENT", "STATE", "VERSION", "WHERE"]);
    for agent in agents {
        let (state, place) = match &agent.unusable {
            None => (
                cell("ready", Tone::Good),
                agent.tool_dir.map(|dir| dir.display().to_string()).or(agent.command).unwrap_or_default(),
            ),
            Some(unusable) => (cell("not ready", Tone::Bad), format!("{}\n→ {}", unusable.message, unusable.fix)),
        };
        table.row(vec![
            cell(agent.kind.word(), Tone::Strong),
            state,
            plain(agent.version.unwrap_or_default()),
            plain(words::clean(&place)),
        ]);
    }
    output::line(&table.finish("There is no agent."))?;
    Ok(ExitStatus::Success)
}
