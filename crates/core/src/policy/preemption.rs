//! Which runs stop so that better tasks can start.
//!
//! Better is a smaller priority, and nothing else: neither a deadline nor age is worth throwing an agent out. A place that
//! will soon be free is waited for, so that one better task never stops two runs.

use super::{Candidate, Decision, LiveRun, Snapshot};
use crate::{ProjectName, TaskId, Timestamp};
use std::collections::{HashMap, HashSet};

/// What would be free if every run that was asked to stop were gone.
struct Places<'a> {
    slots: i64,
    gpus: i64,
    busy: HashMap<&'a ProjectName, i64>,
}

impl<'a> Places<'a> {
    fn new(snapshot: &Snapshot<'a>) -> Self {
        let mut places =
            Self { slots: i64::from(snapshot.capacity.slots), gpus: i64::from(snapshot.capacity.gpus), busy: HashMap::new() };
        for run in snapshot.runs.iter().filter(|run| !run.stopping) {
            places.take(&run.project, run.gpu);
        }
        places
    }

    fn take(&mut self, project: &'a ProjectName, gpu: bool) {
        self.slots -= 1;
        self.gpus -= i64::from(gpu);
        *self.busy.entry(project).or_default() += 1;
    }

    /// Whether the task would fit if this run, too, were gone.
    fn fits(&self, task: &Candidate<'_>, without: Option<&LiveRun>) -> bool {
        let freed = i64::from(without.is_some());
        let gpus = self.gpus + i64::from(without.is_some_and(|run| run.gpu));
        let here = without.is_some_and(|run| run.project == task.project.name);
        let busy = self.busy.get(&task.project.name).copied().unwrap_or_default() - i64::from(here);
        self.slots + freed > 0 && busy < i64::from(task.project.max_concurrent) && (!task.needs_gpu || gpus > 0)
    }

    fn free(&mut self, run: &'a LiveRun) {
        self.slots += 1;
        self.gpus += i64::from(run.gpu);
        *self.busy.entry(&run.project).or_default() -= 1;
    }
}

/// Adds what has to stop. `ready`: every task that may start; which of them do is among the decisions.
pub(super) fn decide<'a>(snapshot: &Snapshot<'a>, mut ready: Vec<(impl Ord, Candidate<'a>)>, decisions: &mut Vec<Decision>) {
    let mut runs: Vec<&LiveRun> = snapshot.runs.iter().filter(|run| run.may_be_preempted && !run.stopping).collect();
    // The worst first; among equals the newest, which has the least to lose.
    runs.sort_unstable_by(|a, b| (b.priority, b.since, &b.id).cmp(&(a.priority, a.since, &a.id)));
    let Some(worst) = runs.first().map(|run| run.priority) else { return };
    let starts: HashSet<TaskId> = decisions
        .iter()
        .filter_map(|decision| if let Decision::Start(id) = decision { Some(id.clone()) } else { None })
        .collect();
    let mut places = Places::new(snapshot);
    for (_, candidate) in ready.iter().filter(|(_, candidate)| !starts.is_empty() && starts.contains(&candidate.task.id)) {
        places.take(&candidate.project.name, candidate.needs_gpu);
    }
    ready.retain(|(_, candidate)| candidate.task.priority < worst && !starts.contains(&candidate.task.id));
    ready.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for (_, candidate) in &ready {
        if candidate.waits(snapshot.now) {
            continue;
        }
        if !places.fits(candidate, None) {
            let worse = runs.iter().take_while(|run| run.priority > candidate.task.priority);
            let Some(at) = worse.clone().position(|run| places.fits(candidate, Some(run))) else {
                if runs.first().is_none_or(|run| run.priority <= candidate.task.priority) {
                    break;
                }
                continue;
            };
            let run = runs.remove(at);
            places.free(run);
            decisions.push(Decision::Preempt(run.id.clone(), candidate.task.id.clone()));
        }
        places.take(&candidate.project.name, candidate.needs_gpu);
    }
}

/// Whether a run may be preempted again so long after the last time.
pub fn is_rested(preempted_at: Option<Timestamp>, interval_ms: i64, now: Timestamp) -> bool {
    // Later than now: a clock was set back.
    preempted_at.is_none_or(|at| !(0..interval_ms).contains(&now.ms_since(at)))
}
