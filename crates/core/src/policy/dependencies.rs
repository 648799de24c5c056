//! What a task depends on: done, not yet, never.

use super::Snapshot;
use crate::{BlockCode, BlockReason, Task, TaskId, TaskState};
use std::collections::{HashMap, HashSet};

/// How many names of a cycle are told.
const TOLD: usize = 8;

/// The dependencies of a snapshot's tasks.
pub(super) struct Dependencies<'a> {
    /// Tasks that wait or work; empty when no task depends on anything.
    tasks: HashMap<&'a TaskId, &'a Task>,
    others: &'a HashMap<TaskId, TaskState>,
    /// The cycle that each task in one is in.
    cycles: HashMap<&'a TaskId, String>,
}

impl<'a> Dependencies<'a> {
    pub(super) fn new(snapshot: &Snapshot<'a>) -> Self {
        let mut found = Self { tasks: HashMap::new(), others: snapshot.others, cycles: HashMap::new() };
        if snapshot.tasks.iter().all(|task| task.depends_on.is_empty()) {
            return found;
        }
        found.tasks = snapshot.tasks.iter().map(|task| (&task.id, task)).collect();
        found.find_cycles(snapshot.tasks);
        found
    }

    /// Whether all that the task depends on is done; an error when that cannot come to be by itself.
    pub(super) fn are_done(&self, task: &Task) -> Result<bool, BlockReason> {
        if task.depends_on.is_empty() {
            return Ok(true);
        }
        if let Some(cycle) = self.cycles.get(&task.id) {
            return Err(BlockReason::new(
                BlockCode::DependencyCycle,
                format!("It depends on itself: {cycle}."),
                "Take one of these dependencies away.",
            ));
        }
        let mut done = true;
        for dependency in &task.depends_on {
            let state = dependency.task.as_ref().and_then(|id| self.state(id));
            match state {
                Some(TaskState::Done) => {}
                Some(TaskState::Cancelled) => return Err(never(&dependency.name, "was withdrawn")),
                Some(_) => done = false,
                None => return Err(never(&dependency.name, "is not there")),
            }
        }
        Ok(done)
    }

    fn state(&self, id: &TaskId) -> Option<TaskState> {
        self.tasks.get(id).map(|task| task.state).or_else(|| self.others.get(id).copied())
    }

    /// Walks from task to what it depends on, without recursion: a plan may have ten thousand phases.
    fn find_cycles(&mut self, tasks: &'a [Task]) {
        let mut left: HashSet<&'a TaskId> = HashSet::new();
        for root in tasks.iter().filter(|task| !task.depends_on.is_empty()) {
            if left.contains(&root.id) {
                continue;
            }
            let mut path: Vec<(&'a Task, usize)> = vec![(root, 0)];
            let mut places: HashMap<&'a TaskId, usize> = HashMap::from([(&root.id, 0)]);
            while let Some((task, next)) = path.last_mut() {
                let Some(dependency) = task.depends_on.get(*next) else {
                    places.remove(&task.id);
                    left.insert(&task.id);
                    path.pop();
                    continue;
                };
                *next += 1;
                let Some(target) = dependency.task.as_ref().and_then(|id| self.tasks.get(id)).copied() else { continue };
                if let Some(from) = places.get(&target.id) {
                    let members: Vec<&'a TaskId> = path.iter().skip(*from).map(|(task, _)| &task.id).collect();
                    self.note_cycle(&members);
                } else if !left.contains(&target.id) {
                    places.insert(&target.id, path.len());
                    path.push((target, 0));
                }
            }
        }
    }

    fn note_cycle(&mut self, members: &[&'a TaskId]) {
        // Said from the same one whichever task it was found from, so that the words do not change from round to round.
        let first = members.iter().enumerate().min_by_key(|(_, id)| id.as_str()).map_or(0, |(at, _)| at);
        let mut names: Vec<&str> = (0..members.len()).map(|at| members[(first + at) % members.len()].as_str()).collect();
        if names.len() > TOLD {
            names.truncate(TOLD);
            names.push("…");
        }
        names.push(members[first].as_str());
        let told = names.join(" → ");
        for member in members {
            self.cycles.entry(member).or_insert_with(|| told.clone());
        }
    }
}

fn never(name: &str, what: &str) -> BlockReason {
    BlockReason::new(
        BlockCode::NoSuchDependency,
        format!("It depends on `{name}`, which {what}."),
        "Correct what it depends on; it is looked at again by itself.",
    )
}
