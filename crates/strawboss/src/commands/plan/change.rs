//! What changes the plan file: `new`, `add`, `done`, `undone`, `delete`, `archive`.

use super::{chosen, failed};
use crate::failure::{ExitStatus, Failure, io};
use crate::output::{self, words};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;
use strawboss_backlog::plan::{self, Book, Edit, PlanError, markdown};

/// The most that is read of a text from standard input, in bytes.
const MOST: u64 = 1 << 20;

/// Begin a plan
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  strawboss plan new \"Move the crew to new machines\" --project Antenna")]
pub(crate) struct NewArgs {
    /// What it is about
    #[arg(value_name = "DESCRIPTION")]
    description: String,
    /// Its id (default: made from the description and the day)
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The project that its phases are worked on in
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Add a phase at a plan's end
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "strawboss plan add [OPTIONS] [ID] <TEXT>",
    after_help = "Examples:\n  strawboss plan add move_2026 \"PHASE 9: Clean up\"\n  strawboss plan add move_2026 - <phase.md"
)]
pub(crate) struct AddArgs {
    /// The plan's id, which may be left out where one plan alone is open, and the phase's text; `-` reads it from standard
    /// input
    #[arg(value_name = "ID TEXT", required = true, num_args = 1..=2, allow_hyphen_values = false)]
    words: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Mark a phase as done
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  strawboss plan done move_2026 0")]
pub(crate) struct TickArgs {
    /// The plan's id
    #[arg(value_name = "ID")]
    id: String,
    /// The phase, from 0
    #[arg(value_name = "IDX")]
    phase: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Delete a phase; those after it move up by one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  strawboss plan delete move_2026 3\n  strawboss plan delete move_2026 --whole")]
pub(crate) struct DeleteArgs {
    /// The plan's id
    #[arg(value_name = "ID")]
    id: String,
    /// The phase, from 0
    #[arg(value_name = "IDX", required_unless_present = "whole", conflicts_with = "whole")]
    phase: Option<usize>,
    /// Delete the whole plan
    #[arg(long)]
    whole: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl DeleteArgs {
    pub(super) fn whole(id: String) -> Self {
        Self { id, phase: None, whole: true, json: false }
    }
}

/// Put a plan away: it stays in the file, and is open no more
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "cleanup",
    after_help = "Examples:\n  strawboss plan archive move_2026\n  strawboss plan archive            every open plan that is done"
)]
pub(crate) struct ArchiveArgs {
    /// Its id; without it, every open plan whose phases are all done
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Changes the file, and says what was done.
fn changed(
    file: &Path,
    json: bool,
    mut change: impl FnMut(&Book, &mut Edit<'_>) -> Result<(String, Value), Failure>,
) -> Result<ExitStatus, Failure> {
    let edited = plan::edit(file, |book| {
        let mut edit = Edit::of(book, Timestamp::now());
        let said = change(book, &mut edit)?;
        Ok::<_, Trouble>((edit.finish(), said))
    });
    let (text, mut value) = edited.map_err(|trouble| trouble.into_failure(file))?;
    if json {
        value["file"] = json!(file);
        output::json(&value)?;
    } else {
        output::line(&words::clean(&text))?;
    }
    Ok(ExitStatus::Success)
}

/// Why an edit was not made.
pub(super) enum Trouble {
    Plan(PlanError),
    Said(Failure),
}

impl From<PlanError> for Trouble {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Said(failure)
    }
}

impl Trouble {
    pub(super) fn into_failure(self, file: &Path) -> Failure {
        match self {
            Self::Plan(error) => failed(file)(error),
            Self::Said(failure) => failure,
        }
    }
}

/// A file with no plan in it, where there is none.
pub(super) fn begin(file: &Path) -> Result<(), Failure> {
    match plan::create(file, Book::empty().as_str().as_bytes()) {
        Ok(()) | Err(PlanError::Exists) => Ok(()),
        Err(error) => Err(failed(file)(error)),
    }
}

/// An id that is not taken, made from a text and the day.
pub(super) fn fresh_id(book: &Book, text: &str) -> String {
    let day = jiff::Zoned::now().strftime("%Y%m%d");
    let base = format!("{}_{day}", markdown::slug(text));
    let taken = |id: &str| book.plans.iter().any(|plan| plan.id == id);
    let numbered = (2..).map(|number| format!("{base}_{number}"));
    std::iter::once(base.clone()).chain(numbered).find(|id| !taken(id)).unwrap_or(base)
}

/// An id that a person chose.
pub(super) fn checked_id(id: &str) -> Result<String, Failure> {
    let plain =
        !id.is_empty() && id.len() <= 200 && !id.chars().any(|c| c.is_control() || c.is_whitespace()) && !id.starts_with('-');
    if plain {
        return Ok(id.to_owned());
    }
    Err(Failure::usage(format!("`{}` is no id", words::one_line(id))).fix("Write one word, without blanks."))
}

/// `new`
pub(super) fn new(file: &Path, args: &NewArgs) -> Result<ExitStatus, Failure> {
    if args.description.trim().is_empty() {
        return Err(Failure::usage("the description is empty"));
    }
    let wanted = args.id.as_deref().map(checked_id).transpose()?;
    begin(file)?;
    let more: Vec<_> = args.project.iter().map(|project| ("project", project.clone())).collect();
    changed(file, args.json, |book, edit| {
        let id = wanted.clone().unwrap_or_else(|| fresh_id(book, &args.description));
        if book.plan(&id).is_ok() {
            return Err(failed(file)(PlanError::Taken { id }));
        }
        let raw = edit.new_plan(&id, args.description.trim(), &[], &more);
        edit.put_plans(&[(id.clone(), raw)]).map_err(failed(file))?;
        Ok((id.clone(), json!({ "plan": id })))
    })
}

/// `add`
pub(super) fn add(file: &Path, args: AddArgs) -> Result<ExitStatus, Failure> {
    let mut words = args.words;
    let mut text = words.pop().unwrap_or_default();
    let id = words.pop();
    if text == "-" {
        text.clear();
        let read = std::io::stdin().lock().take(MOST + 1).read_to_string(&mut text);
        read.map_err(io("read the phase from standard input"))?;
        if text.len() as u64 > MOST {
            return Err(Failure::usage("the phase has more than 1 MiB of text"));
        }
        text.truncate(text.trim_end().len());
    }
    if text.trim().is_empty() {
        return Err(Failure::usage("the phase has no text"));
    }
    changed(file, args.json, |book, edit| {
        let (at, plan) = chosen(file, book, id.as_deref())?;
        edit.add_phase(at, &text).map_err(failed(file))?;
        let phase = plan.phases.len();
        Ok((format!("phase {phase} of {} was added", plan.id), json!({ "plan": plan.id, "phase": phase })))
    })
}

/// `done` and `undone`
pub(super) fn tick(file: &Path, args: &TickArgs, done: bool) -> Result<ExitStatus, Failure> {
    changed(file, args.json, |book, edit| {
        let (at, plan) = book.plan(&args.id).map_err(failed(file))?;
        edit.set_done(at, args.phase, done).map_err(failed(file))?;
        let next = plan.phases.iter().enumerate().position(|(at, phase)| {
            let ticked = if at == args.phase { done } else { phase.done };
            !ticked
        });
        let after = match next {
            Some(next) => format!("next is {next}. {}", words::one_line(plan.phases[next].read().title)),
            None => "nothing is left: `strawboss plan archive` puts it away".to_owned(),
        };
        let word = if done { "done" } else { "not done" };
        let value = json!({ "plan": plan.id, "phase": args.phase, "done": done, "next": next });
        Ok((format!("phase {} of {} is {word}; {after}", args.phase, plan.id), value))
    })
}

/// `delete`
pub(super) fn delete(file: &Path, args: &DeleteArgs) -> Result<ExitStatus, Failure> {
    changed(file, args.json, |book, edit| {
        let (at, plan) = book.plan(&args.id).map_err(failed(file))?;
        let Some(phase) = args.phase else {
            edit.delete_plan(at).map_err(failed(file))?;
            return Ok((format!("{} is deleted", plan.id), json!({ "plan": plan.id })));
        };
        edit.delete_phase(at, phase).map_err(failed(file))?;
        let title = words::one_line(plan.phases[phase].read().title);
        Ok((format!("phase {phase} of {} is deleted: {title}", plan.id), json!({ "plan": plan.id, "phase": phase })))
    })
}

/// `archive`
pub(super) fn archive(file: &Path, args: &ArchiveArgs) -> Result<ExitStatus, Failure> {
    changed(file, args.json, |book, edit| {
        let done = |plan: &plan::Plan| plan.flaw.is_none() && plan.is_open() && !plan.phases.is_empty() && plan.next().is_none();
        let which: Vec<usize> = if let Some(id) = &args.id {
            vec![book.plan(id).map_err(failed(file))?.0]
        } else {
            book.plans.iter().enumerate().filter(|(_, plan)| done(plan)).map(|(at, _)| at).collect()
        };
        for at in &which {
            edit.set_status(*at, "archived").map_err(failed(file))?;
        }
        let ids: Vec<_> = which.iter().map(|at| book.plans[*at].id.as_str()).collect();
        let text = if ids.is_empty() {
            "no open plan is done".to_owned()
        } else {
            ids.iter().map(|id| format!("{id} is archived")).collect::<Vec<_>>().join("\n")
        };
        Ok((text, json!({ "archived": ids })))
    })
}
