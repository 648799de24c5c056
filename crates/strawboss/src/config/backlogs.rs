//! `backlogs:`: where work comes from.

use super::problem::Problems;
use super::settings::{Backlog, Csv, PlanFile};
use super::table::{Field, Table};
use super::{github, plane, sheets};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use strawboss_core::ProjectName;
use strawboss_core::backlog::BacklogStatus;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
/// How often a file is looked at where nothing else is said.
const WATCH: Duration = Duration::from_secs(10);

/// The word of `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Plan,
    Github,
    Sheets,
    Plane,
}

/// Reads the section.
pub(super) fn backlogs(field: &Field<'_>, folder: &Path, problems: &mut Problems) -> Vec<Backlog> {
    let mut read: Vec<Backlog> = Vec::new();
    for item in field.items("backlogs", problems).unwrap_or_default() {
        let Some(mut table) = Table::of(&item, problems) else { continue };
        let kinds = [
            ("csv", Kind::Csv),
            ("plan", Kind::Plan),
            ("github", Kind::Github),
            ("sheets", Kind::Sheets),
            ("plane", Kind::Plane),
        ];
        let kind = table.read("type", problems, |field, problems| field.choice(&kinds, problems));
        if kind.is_none() && !table.has("type") {
            let hint = "Write `type: csv`, `type: plan`, `type: github`, `type: sheets` or `type: plane`.";
            problems.push(item.wrong("has no `type`").hint(hint));
        }
        read.extend(match kind {
            Some(Kind::Github) => {
                github::backlog(&item, table, folder, &read, problems).map(|one| Backlog::Github(Box::new(one)))
            }
            Some(Kind::Sheets) => {
                sheets::backlog(&item, table, folder, &read, problems).map(|one| Backlog::Sheets(Box::new(one)))
            }
            Some(Kind::Plane) => plane::backlog(&item, table, folder, &read, problems).map(|one| Backlog::Plane(Box::new(one))),
            Some(Kind::Csv | Kind::Plan) | None => file(kind, &item, table, folder, &read, problems),
        });
    }
    read
}

/// Reads a backlog that is a file.
fn file(
    kind: Option<Kind>,
    item: &Field<'_>,
    mut table: Table<'_>,
    folder: &Path,
    read: &[Backlog],
    problems: &mut Problems,
) -> Option<Backlog> {
    let written = table.get("file");
    let file = written.as_ref().and_then(|field| field.path(folder, problems));
    let watch_interval = table.read("watch_interval", problems, |field, problems| field.seconds(SECOND, DAY, problems));
    let in_review = table.read("in_review", problems, |field, problems| {
        let words = BacklogStatus::ALL.map(|status| (status.word(), status));
        field.choice(&words, problems)
    });
    let mut encoding = None;
    let mut project = None;
    // Of an unknown type, what another type has is no second error.
    if kind != Some(Kind::Plan) {
        encoding = table.read("encoding", problems, |field, problems| {
            field.choice(&[("utf-8", "utf-8"), ("UTF-8", "utf-8"), ("utf8", "utf-8")], problems)
        });
    }
    if kind != Some(Kind::Csv) {
        project = table.read("project", problems, project_name);
    }
    if written.is_none() {
        let hint = if kind == Some(Kind::Plan) { "Write `file: ./plans.json`." } else { "Write `file: ./priorities.csv`." };
        problems.push(item.wrong("has no `file`").hint(hint));
    }
    table.finish(problems);
    let (field, file) = (written?, file?);
    if read.iter().any(|other| other.file() == Some(&file)) {
        problems.push(field.wrong("is another backlog's file already").hint("Each file is one backlog: keep one."));
    }
    let written = field.text(&mut Problems::new()).unwrap_or_default();
    let watch_interval = watch_interval.unwrap_or(WATCH);
    let in_review = in_review.unwrap_or(BacklogStatus::InReview);
    Some(if kind == Some(Kind::Plan) {
        Backlog::Plan(PlanFile { written, file, watch_interval, project, in_review })
    } else {
        Backlog::Csv(Csv { written, file, watch_interval, encoding: encoding.unwrap_or("utf-8").to_owned(), in_review })
    })
}

fn project_name(field: &Field<'_>, problems: &mut Problems) -> Option<ProjectName> {
    let text = field.text(problems)?;
    match ProjectName::parse(&text) {
        Ok(name) => Some(name),
        Err(error) => {
            problems.push(field.wrong(format_args!("names no project: {error}")));
            None
        }
    }
}

/// As `config show` has it.
pub(crate) fn shown(backlog: &Backlog) -> serde_json::Value {
    match backlog {
        Backlog::Csv(csv) => json!({
            "type": "csv",
            "file": csv.file,
            "watch_interval_seconds": csv.watch_interval.as_secs(),
            "encoding": csv.encoding,
            "in_review": csv.in_review.word(),
        }),
        Backlog::Plan(plan) => json!({
            "type": "plan",
            "file": plan.file,
            "watch_interval_seconds": plan.watch_interval.as_secs(),
            "project": plan.project,
            "in_review": plan.in_review.word(),
        }),
        Backlog::Github(github) => github::shown(github),
        Backlog::Sheets(sheets) => sheets::shown(sheets),
        Backlog::Plane(plane) => plane::shown(plane),
    }
}
