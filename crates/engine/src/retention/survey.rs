//! What there is of each kind, since when it is of no use, and whether it may go at all.

use super::{Branch, Kind, Target, Thing, end_of};
use crate::git::{Git, mirror};
use crate::rescue::{self, Released};
use crate::shared::{Shared, lock};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use strawboss_core::project::Project;
use strawboss_core::retention::{Keep, Kept};
use strawboss_core::run::Run;
use strawboss_core::runner::{Cache, KeptKind, Tool};
use strawboss_core::store::StoreError;
use strawboss_core::task::Task;
use strawboss_core::{RunId, TaskId, TaskState, Timestamp};

/// Every kind, in the order in which people see them. What cannot be looked at says why, and nothing of it goes.
pub(super) async fn all(shared: &Shared) -> Vec<Kind> {
    let keep = shared.config.retention;
    vec![
        kind("recordings", keep.recordings, recordings(shared).await),
        kind("reports", keep.reports, reports(shared).await),
        kind("workspaces", keep.workspaces, workspaces(shared).await),
        kind("caches", keep.caches, folders(shared, true).await),
        kind("tools", keep.tools, folders(shared, false).await),
        kind("branches", keep.branches, branches(shared).await),
    ]
}

fn kind(word: &'static str, keep: Keep, found: Result<Vec<Thing>, String>) -> Kind {
    match found {
        Ok(things) => Kind { word, keep, things, problem: None },
        Err(why) => Kind { word, keep, things: Vec::new(), problem: Some(why) },
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A run that is over and whose task is done or cancelled, with nothing of it on its way.
pub(super) async fn settled(shared: &Shared, id: &RunId) -> Result<Option<Run>, StoreError> {
    let Some(run) = shared.parts.store.run(id).await?.filter(|run| !run.is_live()) else { return Ok(None) };
    let task = shared.parts.store.task(&run.task).await?;
    Ok(task.is_some_and(|task| task.state.is_over() && !on_its_way(shared, &task.id)).then_some(run))
}

/// Whether a task's work is being landed.
fn on_its_way(shared: &Shared, task: &TaskId) -> bool {
    lock(&shared.landing).contains(task) || lock(&shared.moving).contains(task)
}

async fn recordings(shared: &Shared) -> Result<Vec<Thing>, String> {
    let root = shared.data_dir().join("runs");
    let scan = tokio::task::spawn_blocking(move || sizes(&root));
    let found = scan.await.map_err(text)?.map_err(|error| format!("the recordings cannot be listed: {error}"))?;
    let mut things = Vec::new();
    for (id, bytes) in found {
        let run = settled(shared, &id).await.map_err(text)?;
        let since = run.as_ref().map(end_of).unwrap_or_default();
        let kept = Kept { since, bytes: Some(bytes), free: run.is_some() };
        things.push(Thing { id: id.to_string(), kept, target: Target::Recording(id) });
    }
    Ok(things)
}

/// The recordings that are there, with their sizes.
fn sizes(root: &Path) -> std::io::Result<BTreeMap<RunId, u64>> {
    let mut found = BTreeMap::new();
    let runs = match std::fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        runs => runs?,
    };
    for run in runs {
        let run = run?;
        let Some(id) = run.file_name().to_str().and_then(|name| RunId::parse(name).ok()) else { continue };
        let Ok(pieces) = std::fs::read_dir(run.path().join("terminal")) else { continue };
        let sizes = pieces.flatten().filter_map(|piece| piece.metadata().ok()).map(|piece| piece.len());
        found.insert(id, sizes.sum());
    }
    Ok(found)
}

async fn reports(shared: &Shared) -> Result<Vec<Thing>, String> {
    let totals = shared.parts.store.report_totals().await.map_err(text)?;
    let things = totals.into_iter().map(|total| Thing {
        id: total.run.to_string(),
        kept: Kept {
            since: total.last_at,
            bytes: Some(total.bytes),
            free: total.settled && !on_its_way(shared, &total.run.task()),
        },
        target: Target::Reports(total.run),
    });
    Ok(things.collect())
}

async fn workspaces(shared: &Shared) -> Result<Vec<Thing>, String> {
    let mut things = Vec::new();
    for volume in shared.parts.runner.run_volumes().await.map_err(text)? {
        let released = rescue::releasable(shared, &volume).await.map_err(text)?;
        let saved = matches!(released, Some(Released { unsaved: None, .. })) && !on_its_way(shared, &volume.task());
        let since = workspace_since(shared, &volume).await.map_err(text)?;
        let kept = Kept { since: since.unwrap_or_default(), bytes: None, free: saved && since.is_some() };
        things.push(Thing { id: volume.to_string(), kept, target: Target::Workspace(volume) });
    }
    Ok(things)
}

/// When the last run ended that worked on a volume; none while one works on it.
pub(super) async fn workspace_since(shared: &Shared, volume: &RunId) -> Result<Option<Timestamp>, StoreError> {
    let mut runs = shared.parts.store.run_list(&volume.task()).await?;
    runs.retain(|run| run.volume == *volume);
    Ok(if runs.iter().any(Run::is_live) { None } else { runs.iter().map(end_of).max() })
}

/// Caches, or copies of tools that are none of the current ones.
async fn folders(shared: &Shared, caches: bool) -> Result<Vec<Thing>, String> {
    let catalog = shared.catalog();
    let agents = catalog
        .agents
        .values()
        .filter_map(|agent| agent.tool_dir.as_ref().map(|dir| Tool { name: agent.kind.word().to_owned(), dir: dir.clone() }));
    let tools: Vec<Tool> = agents.chain([shared.config.supervisor.clone()]).collect();
    let found = shared.parts.runner.kept(&tools).await.map_err(text)?;
    let last = shared.parts.store.project_last_runs().await.map_err(text)?;
    let last: HashMap<String, (Timestamp, bool)> = last.into_iter().map(|(name, at, live)| (name, (at, live))).collect();
    let any_live = last.values().any(|(_, live)| *live);
    let things = found.into_iter().filter(|folder| matches!(folder.kind, KeptKind::Cache(_)) == caches).map(|folder| {
        let (id, since, free) = match &folder.kind {
            KeptKind::Cache(Some(cache)) => {
                let (at, live) = last.get(cache.project.as_str()).copied().unwrap_or_default();
                // What the project no longer names is used by none of its runs, however new they are.
                let named = catalog
                    .projects
                    .get(&cache.project)
                    .is_some_and(|project| project.caches(cache.purpose).contains(&cache.path));
                (called(cache), if named { folder.used_at.max(at) } else { folder.used_at }, !live)
            }
            KeptKind::Cache(None) => (folder.key.clone(), folder.used_at, !any_live),
            KeptKind::Tool(name) => (format!("{name} ({})", folder.key), folder.used_at, true),
        };
        Thing { id, kept: Kept { since, bytes: folder.bytes, free }, target: Target::Folder(folder.key) }
    });
    Ok(things.collect())
}

fn called(cache: &Cache) -> String {
    format!("{} of {} ({})", cache.path, cache.project, cache.purpose.word())
}

async fn branches(shared: &Shared) -> Result<Vec<Thing>, String> {
    let mut things = Vec::new();
    for project in shared.catalog().projects.values() {
        things.extend(branches_of(shared, project).await?);
    }
    Ok(things)
}

async fn branches_of(shared: &Shared, project: &Project) -> Result<Vec<Thing>, String> {
    let path = mirror::path_of(shared.data_dir(), project);
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let listed = Git::at(&path)
        .line(&["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/strawboss/", "refs/strawboss/"])
        .await
        .map_err(text)?;
    let mut things = Vec::new();
    for line in listed.lines() {
        let Some((commit, reference)) = line.split_once(' ') else { continue };
        let Some(id) = task_of(reference) else { continue };
        let Some(task) = shared.parts.store.task(&id).await.map_err(text)?.filter(|task| task.project == project.name) else {
            continue;
        };
        let branch = Branch {
            project: project.name.clone(),
            mirror: path.clone(),
            reference: reference.to_owned(),
            commit: commit.to_owned(),
        };
        let free = is_spent(shared, &task, &branch).await?;
        things.push(Thing {
            id: format!("{reference} of {}", project.name),
            kept: Kept { since: task.updated_at, bytes: None, free },
            target: Target::Branch(branch),
        });
    }
    Ok(things)
}

/// The task that a ref of ours belongs to.
pub(super) fn task_of(reference: &str) -> Option<TaskId> {
    if let Some(key) = reference.strip_prefix("refs/heads/strawboss/") {
        return TaskId::parse(key).ok();
    }
    // What a run saved, what it pushed, and what came of merging it.
    let (kind, run) = reference.strip_prefix("refs/strawboss/")?.split_once('/')?;
    if !matches!(kind, "saved" | "runs" | "merge") {
        return None;
    }
    RunId::parse(run).ok().map(|run| run.task())
}

/// Whether nobody needs a ref of a task any more: its work landed, or a person discarded it. A task that was cancelled any
/// other way may be wanted again, and its ref is all there is of it.
pub(super) async fn is_spent(shared: &Shared, task: &Task, branch: &Branch) -> Result<bool, String> {
    if on_its_way(shared, &task.id) {
        return Ok(false);
    }
    let Some(run) = &task.run else { return Ok(false) };
    let Some(run) = shared.parts.store.run(run).await.map_err(text)? else { return Ok(false) };
    match task.state {
        TaskState::Cancelled => Ok(run.discarded_at.is_some()),
        TaskState::Done => {
            let Some(landed) = run.merged_commit else { return Ok(false) };
            let within = ["merge-base", "--is-ancestor", branch.commit.as_str(), landed.as_str()];
            // What git cannot answer (the commit is not there any more) is no proof.
            Ok(Git::at(&branch.mirror).test(&within).await.unwrap_or(false))
        }
        _ => Ok(false),
    }
}
