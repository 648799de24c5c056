//! `strawboss plan …`: the plan file by hand.
//!
//! Phases are counted from 0, lines of their commands from 1.

mod change;
mod exchange;
mod exec;
mod page;
mod see;

use crate::config::ConfigError;
use crate::config::settings::Backlog;
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use std::path::{Path, PathBuf};
use strawboss_backlog::plan::{Book, Plan, PlanError, read};

/// The plan file where none is configured.
const PLANS: &str = "plans.json";

/// Keep plans: tasks with a checklist of phases
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Phases are counted from 0, the lines of their commands from 1. The file is --file, else the plan file of `backlogs:` in
strawboss.yaml, else plans.json beside strawboss.yaml or here. What is written changes the bytes that are meant and no others.

Without a command, a page that fills the terminal shows the open plans, their phases and what is next, and follows the file:
arrows move, Tab goes to the other list, n to what is next, Space ticks, x runs the commands after asking, w looks on at the
agent that works on a phase, q leaves.

Examples:
  strawboss plan
  strawboss plan import old_todos.json
  strawboss plan next
  strawboss plan exec move_2026 0            shows what would run
  strawboss plan exec move_2026 0.2 --run    runs line 2 of phase 0
  strawboss plan done move_2026 0")]
pub(crate) struct PlanArgs {
    /// The plan file
    #[arg(long = "file", id = "plan_file", global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<PlanCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum PlanCommand {
    Import(exchange::ImportArgs),
    List(see::ListArgs),
    Show(see::ShowArgs),
    Next(see::NextArgs),
    Tree(see::TreeArgs),
    New(change::NewArgs),
    Add(change::AddArgs),
    Done(change::TickArgs),
    /// Mark a phase as not done
    #[command(after_help = "Example:\n  strawboss plan undone move_2026 0")]
    Undone(change::TickArgs),
    Delete(change::DeleteArgs),
    /// Delete a whole plan
    #[command(name = "hard_delete", hide = true)]
    HardDelete {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
    },
    Exec(exec::ExecArgs),
    Lint(see::LintArgs),
    Export(exchange::ExportArgs),
    Archive(change::ArchiveArgs),
}

/// Does what `plan` says.
pub(crate) async fn run(args: PlanArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let file = file(args.file, context)?;
    let Some(command) = args.command else { return page::run(&file, context).await };
    match command {
        PlanCommand::Import(args) => exchange::import(&file, args),
        PlanCommand::List(args) => see::list(&file, &args),
        PlanCommand::Show(args) => see::show(&file, &args),
        PlanCommand::Next(args) => see::next(&file, &args),
        PlanCommand::Tree(args) => see::tree(&file, &args),
        PlanCommand::New(args) => change::new(&file, &args),
        PlanCommand::Add(args) => change::add(&file, args),
        PlanCommand::Done(args) => change::tick(&file, &args, true),
        PlanCommand::Undone(args) => change::tick(&file, &args, false),
        PlanCommand::Delete(args) => change::delete(&file, &args),
        PlanCommand::HardDelete { id } => change::delete(&file, &change::DeleteArgs::whole(id)),
        PlanCommand::Exec(args) => exec::exec(&file, &args),
        PlanCommand::Lint(args) => see::lint(&file, &args),
        PlanCommand::Export(args) => exchange::export(&file, &args),
        PlanCommand::Archive(args) => change::archive(&file, &args),
    }
}

/// Which file it is about.
fn file(named: Option<PathBuf>, context: &Context) -> Result<PathBuf, Failure> {
    if let Some(file) = named {
        return Ok(file);
    }
    match context.config() {
        Ok(config) => {
            let files = config.settings.backlogs.iter().filter_map(|backlog| match backlog {
                Backlog::Plan(plan) => Some(plan.file.as_path()),
                _ => None,
            });
            let files: Vec<&Path> = files.collect();
            match files.as_slice() {
                [file] => Ok((*file).to_owned()),
                [] if config.is_file => Ok(config.file.with_file_name(PLANS)),
                [] => Ok(PathBuf::from(PLANS)),
                several => {
                    let names: Vec<_> = several.iter().map(|file| file.display().to_string()).collect();
                    Err(Failure::usage("several plan files are configured, and none is named")
                        .fix(format!("Name one with `--file`: {}.", names.join(", "))))
                }
            }
        }
        Err(ConfigError::NoFile { .. }) => Ok(PathBuf::from(PLANS)),
        Err(error) => Err(error.into()),
    }
}

/// What went wrong with the file.
fn failed(file: &Path) -> impl Fn(PlanError) -> Failure {
    move |error| {
        let status = match error {
            PlanError::Missing | PlanError::NoPlan { .. } | PlanError::NoPhase { .. } => ExitStatus::NotFound,
            PlanError::Exists | PlanError::Taken { .. } => ExitStatus::Conflict,
            _ => ExitStatus::Failure,
        };
        Failure::new(format!("{}: {error}", file.display())).fix(error.fix()).status(status)
    }
}

fn book(file: &Path) -> Result<Book, Failure> {
    read(file).map_err(failed(file))
}

/// The plan of a name, or, without one, the only open one.
fn chosen<'b>(file: &Path, book: &'b Book, id: Option<&str>) -> Result<(usize, &'b Plan), Failure> {
    if let Some(id) = id {
        return book.plan(id).map_err(failed(file));
    }
    let open: Vec<_> = book.plans.iter().enumerate().filter(|(_, plan)| plan.is_open()).collect();
    match open.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(format!("{}: there is no open plan", file.display()))
            .fix("Begin one with `strawboss plan new DESCRIPTION`, or name one: `strawboss plan list --all`.")
            .status(ExitStatus::NotFound)),
        several => {
            let ids: Vec<_> = several.iter().take(10).map(|(_, plan)| plan.id.as_str()).collect();
            let message = format!("{}: there are {} open plans, and none is named", file.display(), several.len());
            Err(Failure::usage(message).fix(format!("Name one: {}.", ids.join(", "))))
        }
    }
}
