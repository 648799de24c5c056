//! Plans from other files, and out of this one: `import` and `export`.

use super::change::{Trouble, checked_id, fresh_id};
use super::{book, chosen, failed};
use crate::failure::{ExitStatus, Failure, io};
use crate::output::{self, words};
use jiff::Timestamp;
use serde_json::json;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use strawboss_backlog::plan::{self, Book, Edit, PlanError, markdown};

/// The largest file that is imported, in bytes: what is read of a plan file, too.
const MOST: u64 = 64 << 20;

/// Take plans over from a file: JSON in each of its three shapes, or Markdown with phases
#[derive(Debug, clap::Args)]
#[command(after_help = "\
JSON: a list of plans, {\"tasks\": [...]}, or plans by their ids. Every field is taken over as it is written. Markdown: headings
`## Phase 0: ...`, else the entries of a task list. All of it is taken over, or nothing: a plan whose id is there already with
another content is refused without --replace.

Examples:
  strawboss plan import todo-tasks.json
  strawboss plan import PLAN.md --id move_2026 --project Antenna")]
pub(crate) struct ImportArgs {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// The id of a plan from Markdown (default: made from its title and the day)
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The project of a plan from Markdown
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Replace plans that are there already
    #[arg(long)]
    replace: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Write plans out
#[derive(Debug, clap::Args)]
#[command(after_help = "\
JSON is the file as it is, byte for byte; one plan alone stands in the same shape.

Examples:
  strawboss plan export >copy.json
  strawboss plan export move_2026 --format markdown --output PLAN.md")]
pub(crate) struct ExportArgs {
    /// One plan alone
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Into a file that is not there yet, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// As the plan file is
    Json,
    /// With a heading for each phase
    Markdown,
}

fn read_all(from: &Path) -> Result<Vec<u8>, Failure> {
    let what = || format!("read {}", from.display());
    let mut bytes = Vec::new();
    let read = if from == Path::new("-") {
        std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes)
    } else {
        // A pipe would be waited for: what is no file is refused before it is opened.
        let metadata = std::fs::metadata(from).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let failure = io(what())(error);
            if missing { failure.status(ExitStatus::NotFound) } else { failure }
        })?;
        if !metadata.is_file() {
            return Err(Failure::new(format!("{} is no file", from.display())).fix("Name one, or `-` for standard input."));
        }
        File::open(from).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
    };
    read.map_err(io(what()))?;
    if bytes.len() as u64 > MOST {
        return Err(Failure::new(format!("{} has more than 64 MiB", from.display())));
    }
    Ok(bytes)
}

/// Whether it is Markdown, by its name, or, where that says nothing, by how it begins.
fn is_markdown(from: &Path, bytes: &[u8]) -> bool {
    match from.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("md" | "markdown") => true,
        Some("json") => false,
        _ => {
            let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
            !matches!(bytes.first(), Some(b'{' | b'[') | None) || bytes.starts_with(b"[ ]") || bytes.starts_with(b"[x]")
        }
    }
}

/// What is taken over.
enum Found {
    Sketch(markdown::Sketch),
    Book(Book),
}

/// `import`
pub(super) fn import(file: &Path, args: ImportArgs) -> Result<ExitStatus, Failure> {
    let bytes = read_all(&args.from)?;
    let found = if is_markdown(&args.from, &bytes) {
        Found::Sketch(markdown::read(&bytes).map_err(failed(&args.from))?)
    } else {
        if args.id.is_some() || args.project.is_some() {
            return Err(Failure::usage("--id and --project are for Markdown: plans in JSON have their own"));
        }
        let theirs = Book::parse(bytes.clone()).map_err(failed(&args.from))?;
        if let Some((plan, why)) = theirs.plans.iter().find_map(|plan| Some((plan, plan.flaw.clone()?))) {
            let what = format!("the plan on line {}", plan.line);
            return Err(failed(&args.from)(PlanError::Flawed { what, why }));
        }
        // The first import is a copy: nothing can be lost in it.
        match plan::create(file, &bytes) {
            Ok(()) => {
                let ids: Vec<_> = theirs.plans.iter().map(|plan| plan.id.clone()).collect();
                return said(file, args.json, &ids, &[], &[]);
            }
            Err(PlanError::Exists) => {}
            Err(error) => return Err(failed(file)(error)),
        }
        Found::Book(theirs)
    };
    super::change::begin(file)?;
    let wanted = args.id.as_deref().map(checked_id).transpose()?;
    let edited = plan::edit(file, |book| {
        let mut edit = Edit::of(book, Timestamp::now());
        let plans: Vec<(String, String)> = match &found {
            Found::Book(theirs) => theirs.plans.iter().map(|plan| (plan.id.clone(), theirs.raw_with_id(plan))).collect(),
            Found::Sketch(sketch) => {
                let stem = args.from.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let title = if sketch.description.is_empty() { &stem } else { &sketch.description };
                let id = wanted.clone().unwrap_or_else(|| fresh_id(book, title));
                let mut more = Vec::new();
                more.extend(args.project.iter().map(|project| ("project", project.clone())));
                more.extend(Some(&sketch.notes).filter(|notes| !notes.is_empty()).map(|notes| ("notes", notes.clone())));
                let raw = edit.new_plan(&id, title, &sketch.phases, &more);
                vec![(id, raw)]
            }
        };
        let (mut added, mut replaced, mut same) = (Vec::new(), Vec::new(), Vec::new());
        let mut put = Vec::new();
        for (id, raw) in plans {
            match book.plans.iter().find(|plan| plan.id == id) {
                None => added.push(id.clone()),
                Some(plan) if is_same(&book.raw_with_id(plan), &raw) => {
                    same.push(id);
                    continue;
                }
                Some(_) if args.replace => replaced.push(id.clone()),
                Some(_) => return Err(Trouble::Plan(PlanError::Taken { id })),
            }
            put.push((id, raw));
        }
        edit.put_plans(&put)?;
        Ok((edit.finish(), (added, replaced, same)))
    });
    let (added, replaced, same) = edited.map_err(|trouble| trouble.into_failure(file))?;
    said(file, args.json, &added, &replaced, &same)
}

/// Whether two plans say the same, however they are set.
fn is_same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || (read(one).is_some() && read(one) == read(other))
}

fn said(file: &Path, json: bool, added: &[String], replaced: &[String], same: &[String]) -> Result<ExitStatus, Failure> {
    if json {
        output::json(&json!({ "file": file, "added": added, "replaced": replaced, "unchanged": same }))?;
        return Ok(ExitStatus::Success);
    }
    let mut text = String::new();
    for (ids, what) in [(added, "added"), (replaced, "replaced"), (same, "there already")] {
        for id in ids {
            text.push_str(&format!("{} {what}\n", words::one_line(id)));
        }
    }
    if text.is_empty() {
        text.push_str("there was no plan in it\n");
    }
    output::print(&text)?;
    Ok(ExitStatus::Success)
}

/// `export`
pub(super) fn export(file: &Path, args: &ExportArgs) -> Result<ExitStatus, Failure> {
    let book = book(file)?;
    let text = match (args.format, &args.id) {
        (Format::Json, None) => book.as_str().to_owned(),
        (Format::Json, Some(id)) => book.alone(book.plan(id).map_err(failed(file))?.1),
        (Format::Markdown, id) => {
            let id = id.as_deref().or(match book.plans.as_slice() {
                [one] => Some(one.id.as_str()),
                _ => None,
            });
            markdown::write(chosen(file, &book, id)?.1)
        }
    };
    match &args.output {
        Some(into) => {
            plan::create(into, text.as_bytes()).map_err(failed(into))?;
            output::note(&format!("written to {}", into.display()));
        }
        None => output::print(&text)?,
    }
    Ok(ExitStatus::Success)
}
