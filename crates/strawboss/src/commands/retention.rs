//! `strawboss retention …`

use crate::client::Api;
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::Tone;
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use strawboss_protocol::api::{RetentionKind, RetentionView};

/// Show what is kept for how long, and remove what is kept no longer
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing goes of a live run, of a task that is neither done nor cancelled, and no work that is in no ref.
The service applies it by itself once a day.

Examples:
  strawboss retention show
  strawboss retention apply --dry-run")]
pub(crate) struct RetentionArgs {
    #[command(subcommand)]
    command: RetentionCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RetentionCommand {
    /// Show each kind of thing: its limits, how much there is, how much of it would go
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what is kept no longer
    Apply {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what `retention` says.
pub(crate) async fn run(args: RetentionArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    let (answer, json, items) = match args.command {
        RetentionCommand::Show { json } => (api.get::<RetentionView>("/api/v1/retention").await?, json, false),
        RetentionCommand::Apply { dry_run: true, json } => (api.get::<RetentionView>("/api/v1/retention").await?, json, true),
        RetentionCommand::Apply { dry_run: false, json } => {
            (api.post::<RetentionView>("/api/v1/retention/apply", None::<&()>).await?, json, true)
        }
    };
    let view = &answer.value;
    if json {
        output::json(&answer.raw)?;
    } else if items {
        list(view)?;
    } else {
        summary(view)?;
    }
    for kind in &view.kinds {
        if let Some(why) = &kind.problem {
            output::note(&format!("{} could not be looked at, and nothing of them goes: {}", kind.kind, words::one_line(why)));
        }
    }
    let left = view.kinds.iter().any(|kind| kind.problem.is_some() || kind.remove.iter().any(|item| item.problem.is_some()));
    Ok(if view.applied && left { ExitStatus::Failure } else { ExitStatus::Success })
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), words::size)
}

fn limits(kind: &RetentionKind) -> String {
    let age = kind.age_ms.map(words::span);
    let limits: Vec<String> = age.into_iter().chain(kind.most_bytes.map(words::size)).collect();
    if limits.is_empty() { "everything".to_owned() } else { limits.join(", ") }
}

fn summary(view: &RetentionView) -> Result<(), Failure> {
    let mut table = Table::new(&["KIND", "KEPT", "THERE", "SIZE", "WOULD GO", "SIZE"]);
    for kind in &view.kinds {
        table.row(vec![
            cell(kind.kind.clone(), Tone::Strong),
            plain(limits(kind)),
            plain(kind.count.to_string()),
            plain(size(kind.bytes)),
            plain(kind.remove.len().to_string()),
            plain(size(kind.remove_bytes)),
        ]);
    }
    output::line(&table.finish("Nothing is kept."))
}

fn list(view: &RetentionView) -> Result<(), Failure> {
    let mut table = Table::new(&["KIND", "WHAT", "SIZE", "SINCE", "WHY", if view.applied { "LEFT BECAUSE" } else { "" }]);
    for kind in &view.kinds {
        for item in &kind.remove {
            table.row(vec![
                cell(kind.kind.clone(), Tone::Strong),
                plain(words::one_line(&item.id)),
                plain(size(item.bytes)),
                cell(words::ago(item.since, view.at), Tone::Faint),
                plain(item.cause.clone()),
                cell(words::one_line(item.problem.as_deref().unwrap_or_default()), Tone::Bad),
            ]);
        }
    }
    output::line(&table.finish(if view.applied { "Nothing was to go." } else { "Nothing would go." }))?;
    let gone: usize = view.kinds.iter().map(|kind| kind.remove.iter().filter(|item| item.problem.is_none()).count()).sum();
    let bytes: u64 = view.kinds.iter().filter_map(|kind| kind.remove_bytes).sum();
    let verb = if view.applied { "removed" } else { "would go" };
    output::note(&format!("{gone} {verb}, {} as far as sizes are known", words::size(bytes)));
    Ok(())
}
