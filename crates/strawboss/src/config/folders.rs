//! Projects and backlog as folders: what a deployment mounts, without a word about each.

use super::problem::{Problem, Problems};
use super::projects;
use super::settings::{Backlog, Csv};
use super::table::{self, Field};
use crate::environment::{self, Environment};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use strawboss_core::ProjectName;
use strawboss_core::project::{Project, Repository};

/// The file of a backlog's folder.
pub(super) const PRIORITIES: &str = "priorities.csv";
/// How many entries of a folder are looked at.
const MOST: usize = 10_000;

/// A path of a variable: relative to where the program was started.
pub(super) fn path(variable: &environment::Variable, text: &str, problems: &mut Problems) -> Option<PathBuf> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let read = table::expand(text, &here);
    read.map_err(|why| problems.push(Problem::of(variable.name, format!("{} {why}", variable.name)))).ok()
}

/// The one backlog that the environment names.
pub(super) fn backlog(text: &str, problems: &mut Problems) -> Option<Vec<Backlog>> {
    let mut file = path(&environment::BACKLOG, text, problems)?;
    if file.is_dir() {
        file.push(PRIORITIES);
    }
    let written = file.display().to_string();
    Some(vec![Backlog::Csv(Csv::usual(written, file))])
}

/// `projects_dir`
pub(super) fn projects_dir(
    field: Option<&Field<'_>>,
    folder: &Path,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<PathBuf> {
    match environment.get(&environment::PROJECTS_DIR) {
        Some(text) => path(&environment::PROJECTS_DIR, text, problems),
        None => field?.path(folder, problems),
    }
}

/// Whether a folder is a git repository: with a working tree, a linked one, or bare.
fn is_repository(folder: &Path) -> bool {
    folder.join(".git").exists() || (folder.join("HEAD").is_file() && folder.join("objects").is_dir())
}

/// Adds each git repository directly in `dir` as a project, unless one of its name or place is there already.
pub(super) fn add_projects(dir: &Path, projects: &mut BTreeMap<ProjectName, Project>, problems: &mut Problems) {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("the projects' folder {} cannot be read: {error}", dir.display());
            problems
                .push(Problem::whole(message).hint("Make it, or name another with `projects_dir` or STRAWBOSS_PROJECTS_DIR."));
            return;
        }
    };
    let mut folders: Vec<PathBuf> =
        entries.flatten().take(MOST).map(|entry| entry.path()).filter(|path| is_repository(path)).collect();
    folders.sort();
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let taken: Vec<PathBuf> = projects
        .values()
        .filter_map(|project| match &project.repository {
            Repository::Directory(path) => Some(place(path)),
            Repository::Url(_) => None,
        })
        .collect();
    for folder in folders {
        let Some(text) = folder.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if taken.contains(&place(&folder)) {
            continue;
        }
        match ProjectName::parse(text) {
            Ok(name) => {
                projects.entry(name.clone()).or_insert_with(|| projects::bare(name, Repository::Directory(folder.clone())));
            }
            Err(error) => {
                let message = format!("{} is no project: {error}", folder.display());
                problems
                    .push(Problem::whole(message).hint("Rename the folder, or give it a name under `projects:`.").into_warning());
            }
        }
    }
}
