//! Which tasks the rows of a source depend on: from the names that a source gives to the tasks that they became.

use super::Plan;
use crate::shared::{Shared, lock};
use std::collections::{HashMap, HashSet};
use strawboss_core::backlog::{BacklogStatus, SourceItem};
use strawboss_core::store::StoreError;
use strawboss_core::task::Task;
use strawboss_core::{Dependency, TaskId};

/// What a reading says of dependencies.
pub(super) struct Links {
    /// What each row that depends on something depends on, or did until now.
    wanted: HashMap<String, Vec<String>>,
    /// Rows that are Completed: whoever depends on them need not wait, whoever completed them.
    completed: HashSet<String>,
    /// The task of each row.
    tasks: HashMap<String, TaskId>,
    /// What is known of dependencies, by the row that has them.
    before: HashMap<String, Vec<Dependency>>,
}

impl Links {
    /// From a reading and the tasks that its rows have so far.
    pub(super) fn of(items: &[SourceItem], known: &HashMap<String, Task>) -> Self {
        let had = |item: &&SourceItem| known.get(&item.native_ref).is_some_and(|task| !task.depends_on.is_empty());
        let concerned = items.iter().filter(|item| !item.depends_on.is_empty() || had(item));
        let wanted: HashMap<_, _> = concerned.map(|item| (item.native_ref.clone(), item.depends_on.clone())).collect();
        if wanted.is_empty() {
            return Self { wanted, completed: HashSet::new(), tasks: HashMap::new(), before: HashMap::new() };
        }
        let completed = items.iter().filter(|item| item.status == BacklogStatus::Completed);
        Self {
            completed: completed.map(|item| item.native_ref.clone()).collect(),
            tasks: known.iter().map(|(name, task)| (name.clone(), task.id.clone())).collect(),
            before: wanted.keys().filter_map(|name| Some((name.clone(), known.get(name)?.depends_on.clone()))).collect(),
            wanted,
        }
    }

    /// Notes the task of a new row.
    pub(super) fn add(&mut self, task: &Task) {
        if let Some(link) = &task.source
            && !self.wanted.is_empty()
        {
            self.tasks.insert(link.native_ref.clone(), task.id.clone());
            // Another task's, if the row had one.
            self.before.remove(&link.native_ref);
        }
    }

    /// Writes down what changed: every row has its task now.
    pub(super) async fn tie(self, shared: &Shared, plan: &mut Plan) -> Result<(), StoreError> {
        let places: HashMap<TaskId, usize> =
            plan.changes.tasks.iter().enumerate().map(|(at, task)| (task.id.clone(), at)).collect();
        for (row, names) in &self.wanted {
            let Some(id) = self.tasks.get(row) else { continue };
            let before = self.before.get(row).map_or(&[][..], Vec::as_slice);
            let now = self.dependencies(names, before);
            if now == before {
                continue;
            }
            if let Some(task) = places.get(id).and_then(|at| plan.changes.tasks.get_mut(*at)) {
                task.depends_on = now;
            } else if !lock(&shared.moving).contains(id)
                && let Some(mut task) = shared.parts.store.task(id).await?
                && !task.state.is_over()
            {
                task.depends_on = now;
                plan.write(task);
            }
        }
        Ok(())
    }

    fn dependencies(&self, names: &[String], before: &[Dependency]) -> Vec<Dependency> {
        let mut seen = HashSet::new();
        let open = names.iter().filter(|name| seen.insert(*name) && !self.completed.contains(*name));
        open.map(|name| Dependency {
            name: name.clone(),
            // A row that went may have been done before it did.
            task: self.tasks.get(name).or_else(|| before.iter().find(|known| known.name == *name)?.task.as_ref()).cloned(),
        })
        .collect()
    }
}
