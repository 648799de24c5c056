//! Turns what a source says into tasks: new rows, edited rows, rows that went, and what people set in Status.
//!
//! Which change of Status a person made is known from the Status that we last read or wrote there: a different one is a
//! person's word. One reading is one transaction.

mod links;

use crate::config::Source;
use crate::shared::{Shared, WRITE_BACK, lock, message_key};
use crate::sources::{self, PROBLEMS_SHOWN};
use crate::{drive, figures, outbox, proposing, tickets};
use links::Links;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use strawboss_core::backlog::{BacklogStatus, Reading, SourceItem, SourceLink, SourceProblem, WriteBack};
use strawboss_core::project::Approval;
use strawboss_core::run::StopReason;
use strawboss_core::store::{ChangeSet, Message, NewMessage, StoreError};
use strawboss_core::task::Task;
use strawboss_core::{BlockCode, BlockReason, RunId, TaskId, TaskState, Timestamp};
use strawboss_protocol::api::{ProblemView, SourceView};

/// Follows a source until the engine stops.
pub(crate) async fn follow(shared: Arc<Shared>, source: Source) {
    let mut wait = shared.config.backoff;
    loop {
        match look(&shared, &source).await {
            Ok(()) => wait = shared.config.backoff,
            Err(error) => {
                tracing::warn!(source = source.backlog.name(), error = %error, "what a source said could not be stored; trying again");
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = (wait * 2).min(std::time::Duration::from_secs(30));
                continue;
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = source.backlog.changed() => {}
        }
    }
}

/// Reads the source once and stores what follows.
pub(crate) async fn look(shared: &Arc<Shared>, source: &Source) -> Result<(), StoreError> {
    let name = source.backlog.name().to_owned();
    // No write of ours lands between the reading and what follows from it: a row that is read says what we know that it
    // says, or what a person made of it.
    let exchange = shared.exchange(&name);
    let _exchanging = exchange.lock().await;
    let reading = source.backlog.read().await;
    let problem = |problem: &SourceProblem| ProblemView {
        line: problem.line,
        column: problem.column.clone(),
        message: problem.message.clone(),
        skipped: problem.skipped,
    };
    let view = match &reading {
        Reading::Items { items, problems } => SourceView {
            name: name.clone(),
            readable: true,
            since: None,
            looked_at: Some(shared.now().0),
            items: u32::try_from(items.len()).unwrap_or(u32::MAX),
            problems: problems.iter().take(PROBLEMS_SHOWN).map(problem).collect(),
        },
        Reading::Unreadable { problem: unreadable } => {
            let items = lock(&shared.sources).get(&name).map_or(0, |seen| seen.items);
            SourceView {
                name: name.clone(),
                readable: false,
                since: Some(sources::down_since(shared, &name).await?),
                looked_at: Some(shared.now().0),
                items,
                problems: vec![problem(unreadable)],
            }
        }
    };
    let was_readable = lock(&shared.sources).get(&name).is_some_and(|seen| seen.readable);
    if view.readable && !was_readable {
        sources::is_back(shared, &name).await?;
    }
    let before = lock(&shared.sources).insert(name.clone(), view.clone());
    if before
        .as_ref()
        .is_none_or(|before| (before.readable, before.items, &before.problems) != (view.readable, view.items, &view.problems))
    {
        for problem in &view.problems {
            tracing::warn!(source = name, line = problem.line, column = problem.column, "{}", problem.message);
        }
        sources::announce(shared, &name).await?;
    }
    match reading {
        Reading::Items { items, problems } => {
            let unknown = proposing::before_completing(shared, &name, &items).await?;
            apply(shared, source, items, &problems, &unknown).await
        }
        Reading::Unreadable { .. } => Ok(()),
    }
}

/// What a reading asks for, gathered before it is committed.
#[derive(Default)]
struct Plan {
    changes: ChangeSet,
    stops: Vec<(RunId, StopReason)>,
    /// How many tickets a person approved of there.
    approved: u32,
}

impl Plan {
    fn write(&mut self, task: Task) {
        self.changes.tasks.push(task);
    }

    /// A person set a row's Status, or withdrew it, while a write to it waits: that one is not what they want any more. What it has to tell
    /// of runs, where the source has room for that, is told all the same.
    fn overrule(&mut self, waiting: &Message, by: BacklogStatus, is_ticket: bool, now: Timestamp) {
        self.changes.delivered.push(waiting.id);
        let write = serde_json::from_str::<WriteBack>(&waiting.payload).ok().filter(|_| is_ticket);
        let left = write.and_then(|write| write.overruled(by, now));
        if let Some(payload) = left.and_then(|left| serde_json::to_string(&left).ok()) {
            let (key, topic) = (waiting.key.clone(), waiting.topic.clone());
            self.changes.outbox.push(NewMessage { key, topic, payload, at: now });
        }
    }
}

async fn apply(
    shared: &Arc<Shared>,
    source: &Source,
    items: Vec<SourceItem>,
    problems: &[SourceProblem],
    unknown: &[TaskId],
) -> Result<(), StoreError> {
    let name = source.backlog.name().to_owned();
    let writer = shared.write().await;
    let now = shared.now();
    let messages = shared.parts.store.outbox_list(u32::MAX).await?;
    let completing = completing(&messages);
    let waiting: HashMap<String, Message> = messages
        .into_iter()
        .filter(|message| message.topic == WRITE_BACK)
        .map(|message| (message.key.clone(), message))
        .collect();
    let mut known: HashMap<String, Task> = HashMap::new();
    for task in shared.parts.store.task_list_by_source(&name).await? {
        if let Some(link) = &task.source {
            known.insert(link.native_ref.clone(), task);
        }
    }
    let mut links = Links::of(&items, &known);
    let mut plan = Plan::default();
    let mut fresh: Vec<SourceItem> = Vec::new();
    for item in items {
        match known.remove(&item.native_ref) {
            // It was taken out of the lists here before it says there that it is completed.
            None if item.is_ticket && completing.contains(&message_key(&name, &item.native_ref)) => {}
            None => fresh.push(item),
            // What a person set while its work is being merged is looked at again when that is done.
            Some(task) if lock(&shared.moving).contains(&task.id) || unknown.contains(&task.id) => {}
            Some(task) => {
                let waiting = waiting.get(&message_key(&name, &item.native_ref));
                fresh.extend(meet(shared, &mut plan, task, item, waiting, now));
            }
        }
    }
    known.retain(|_, task| !lock(&shared.moving).contains(&task.id));
    let lost = lost(known, problems);
    let edits = edits(shared, &lost, &fresh);
    let mut rewritten: HashMap<usize, BacklogStatus> = HashMap::new();
    for (task, successor) in lost.tasks.into_iter().zip(edits) {
        match successor {
            Some(at) => {
                if let Some(item) = fresh.get_mut(at) {
                    rewritten.insert(at, std::mem::replace(&mut item.status, BacklogStatus::Queued));
                }
                detach(&mut plan, task);
            }
            None if lost.certain => gone(&mut plan, task, &waiting, now),
            None => {}
        }
    }
    let mut numbers = numbers(shared, &fresh).await?;
    for (at, item) in fresh.into_iter().enumerate() {
        let row_status = rewritten.get(&at).copied().unwrap_or(item.status);
        if asks_for_nothing(&item) {
            continue;
        }
        if let Some(number) = numbers.get_mut(&item.project.slug()) {
            let task = new_task(shared, &name, item, row_status, *number, now);
            links.add(&task);
            plan.write(task);
            *number += 1;
        }
    }
    links.tie(shared, &mut plan).await?;
    let mut stopped = Vec::new();
    for (id, reason) in std::mem::take(&mut plan.stops) {
        if let Some(mut run) = shared.parts.store.run(&id).await?
            && drive::note_stop(&mut run, reason)
        {
            plan.changes.runs.push(run);
            stopped.push(id);
        }
    }
    // The stops belong to the same transaction: once the rows are known to say so, nobody would ask for them again.
    writer.commit(plan.changes).await?;
    drop(writer);
    (0..plan.approved).for_each(|_| figures::ticket_approved());
    for run in &stopped {
        shared.wake(run);
    }
    outbox::wake(shared);
    Ok(())
}

/// The keys of the rows that are about to say Completed.
fn completing(messages: &[Message]) -> HashSet<String> {
    let is_one = |message: &&Message| {
        let write = serde_json::from_str::<WriteBack>(&message.payload);
        // What a person set Completed themselves they may take up again.
        message.topic == WRITE_BACK && write.is_ok_and(|write| write.status == BacklogStatus::Completed && write.known.is_none())
    };
    messages.iter().filter(is_one).map(|message| message.key.clone()).collect()
}

/// Tasks whose rows are not in the reading.
struct Lost {
    /// In order of making.
    tasks: Vec<Task>,
    /// Whether they are surely gone; a row that could not be read well enough to tell its name may be any of them.
    certain: bool,
}

/// What is left of the known tasks: rows that are there but could not be understood keep theirs.
fn lost(known: HashMap<String, Task>, problems: &[SourceProblem]) -> Lost {
    let skipped = || problems.iter().filter(|problem| problem.skipped);
    let named: HashSet<&str> = skipped().filter_map(|problem| problem.native_ref.as_deref()).collect();
    let certain = skipped().all(|problem| problem.native_ref.is_some());
    let mut tasks: Vec<Task> =
        known.into_iter().filter(|(name, _)| !named.contains(name.as_str())).map(|(_, task)| task).collect();
    tasks.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Lost { tasks, certain }
}

/// For each lost task the new row that is its own row with another text, if there is one: in a file without ids an edited
/// text is another row, told by the Status that only ours can have.
fn edits(shared: &Shared, lost: &Lost, fresh: &[SourceItem]) -> Vec<Option<usize>> {
    let mut taken = HashSet::new();
    lost.tasks
        .iter()
        .map(|task| {
            if !matches!(task.state, TaskState::Running | TaskState::Review | TaskState::Done) {
                return None;
            }
            let status = shared.backlog_status(task);
            let at = fresh.iter().enumerate().position(|(at, item)| {
                !item.is_ticket && item.project == task.project && item.status == status && !taken.contains(&at)
            })?;
            taken.insert(at);
            Some(at)
        })
        .collect()
}

/// A row that was Completed before it was ever seen.
fn asks_for_nothing(item: &SourceItem) -> bool {
    item.status == BacklogStatus::Completed
}

/// The first number of each project's new tasks, taken in one go: a backlog may begin with ten thousand rows.
async fn numbers(shared: &Shared, fresh: &[SourceItem]) -> Result<HashMap<String, u64>, StoreError> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for item in fresh.iter().filter(|item| !asks_for_nothing(item)) {
        *counts.entry(item.project.slug()).or_default() += 1;
    }
    let mut numbers = HashMap::new();
    for (slug, count) in counts {
        let first = shared.parts.store.task_numbers_next(&slug, count).await?;
        numbers.insert(slug, first);
    }
    Ok(numbers)
}

/// Whether a person must approve of an item before an agent starts on it.
fn asks_first(shared: &Shared, item: &SourceItem) -> bool {
    item.needs_approval || shared.project(&item.project).is_some_and(|project| project.approval == Approval::Manual)
}

/// A task for a row that has none.
fn new_task(shared: &Shared, source: &str, item: SourceItem, row_status: BacklogStatus, number: u64, now: Timestamp) -> Task {
    let by_hand = |message: &str, fix: &str| (TaskState::Blocked, Some(BlockReason::new(BlockCode::BySource, message, fix)));
    let manual = asks_first(shared, &item);
    let (state, block) = match item.status {
        BacklogStatus::Completed => (TaskState::Done, None),
        BacklogStatus::Pending | BacklogStatus::Queued if manual => (TaskState::Pending, None),
        BacklogStatus::Pending | BacklogStatus::Queued => (TaskState::Queued, None),
        BacklogStatus::Paused => (TaskState::Paused, None),
        BacklogStatus::Blocked => (TaskState::Blocked, Some(drive::row_blocked())),
        BacklogStatus::InProgress => by_hand(
            "Its row says In Progress, but no run here works on it.",
            "Set the row's Status to Pending to have it worked on.",
        ),
        BacklogStatus::InReview => by_hand(
            "Its row says In Review, but there is no work on it here.",
            "Set the row's Status to Pending to have it worked on.",
        ),
    };
    Task {
        id: TaskId::nth(&item.project, number),
        project: item.project,
        action: item.action,
        priority: item.priority,
        deadline: item.deadline,
        needs_gpu: item.needs_gpu,
        agent: item.agent,
        model: item.model,
        mode: None,
        state,
        block,
        source: Some(SourceLink {
            source: source.to_owned(),
            native_ref: item.native_ref,
            row_status,
            detached: false,
            url: item.url,
            is_ticket: item.is_ticket,
            ticket: item.ticket,
        }),
        run: None,
        attempts: 0,
        resume: None,
        machinery_failures: 0,
        sent_back: 0,
        depends_on: Vec::new(), // tied when every row has its task
        not_before: None,
        preempted: false,
        preempted_at: None,
        created_by: None,
        session: None,
        pull_request: None,
        created_at: now,
        updated_at: now,
        version: 0,
    }
}

fn detach(plan: &mut Plan, mut task: Task) {
    if let Some(link) = &mut task.source {
        link.detached = true;
    }
    plan.write(task);
}

/// A task's row went: its run stops with its work saved, and it is withdrawn. A ticket that was completed stays in the list of
/// those: trackers pass over what is closed.
fn gone(plan: &mut Plan, mut task: Task, waiting: &HashMap<String, Message>, now: Timestamp) {
    if task.is_ticket() && task.state == TaskState::Done {
        return;
    }
    let link = task.source.as_ref();
    let waiting = link.and_then(|link| Some((link, waiting.get(&message_key(&link.source, &link.native_ref))?)));
    if let Some((link, waiting)) = waiting {
        plan.overrule(waiting, link.row_status, link.is_ticket, now);
    }
    if let (TaskState::Running, Some(run)) = (task.state, &task.run) {
        plan.stops.push((run.clone(), StopReason::Withdrawn));
    } else if !task.state.is_over() && task.cancel(now).is_err() {
        // `cancel` takes every state that is not over but Running, which was handled above.
        tracing::error!(task.id = %task.id, "a task whose row went could not be withdrawn");
    }
    detach(plan, task);
}

/// A row that has a task, and a write that may wait for it; gives the item back when it is new work, its old task let go.
fn meet(
    shared: &Shared,
    plan: &mut Plan,
    mut task: Task,
    item: SourceItem,
    waiting: Option<&Message>,
    now: Timestamp,
) -> Option<SourceItem> {
    let before = task.clone();
    let said = task.source.as_ref().map(|link| link.row_status);
    let ours = shared.backlog_status(&task);
    // While a write is on its way, the row may still say what it said before.
    let by_person = !item.status_unclear && Some(item.status) != said && item.status != ours;
    let text_changed = item.action != task.action || item.project != task.project;
    let worked_on = matches!(task.state, TaskState::Running | TaskState::Review) || task.state.is_over();
    if text_changed && worked_on && !item.is_ticket {
        detach(plan, task);
        let status = if by_person { item.status } else { BacklogStatus::Queued };
        return Some(SourceItem { status, ..item });
    }
    let SourceItem { status, status_unclear, needs_approval, .. } = item;
    if by_person {
        if let Some(waiting) = waiting {
            plan.overrule(waiting, item.status, item.is_ticket, now);
        }
        match status {
            BacklogStatus::Pending | BacklogStatus::Queued
                if matches!(task.state, TaskState::Done | TaskState::Review | TaskState::Cancelled) =>
            {
                detach(plan, task);
                return Some(item);
            }
            BacklogStatus::Pending
                if task.attempts == 0
                    && matches!(task.state, TaskState::Paused | TaskState::Blocked)
                    && asks_first(shared, &item) =>
            {
                moved(task.ask(now), &task.id);
            }
            BacklogStatus::Pending | BacklogStatus::Queued if task.state == TaskState::Running => {
                plan.stops.extend(task.run.clone().map(|run| (run, StopReason::RowPending)));
            }
            BacklogStatus::Pending | BacklogStatus::Queued => {
                let waits_for_approval = task.state == TaskState::Pending && status == BacklogStatus::Pending;
                if !waits_for_approval && matches!(task.state, TaskState::Pending | TaskState::Paused | TaskState::Blocked) {
                    let waited = task.state == TaskState::Pending;
                    moved(task.queue(now), &task.id);
                    if waited && task.state == TaskState::Queued {
                        plan.approved += u32::from(tickets::approved(&mut task, None, &shared.catalog()));
                    }
                }
            }
            BacklogStatus::Blocked => match (task.state, task.run.clone()) {
                (TaskState::Running, Some(run)) => plan.stops.push((run, StopReason::RowBlocked)),
                (state, _) if !state.is_over() => moved(task.block(drive::row_blocked(), now), &task.id),
                _ => {}
            },
            BacklogStatus::Paused => match (task.state, task.run.clone()) {
                (TaskState::Running, Some(run)) => plan.stops.push((run, StopReason::RowPaused)),
                (TaskState::Pending | TaskState::Queued, _) => moved(task.pause(None, now), &task.id),
                _ => {}
            },
            BacklogStatus::Completed => match (task.state, task.run.clone()) {
                (TaskState::Running, Some(run)) => plan.stops.push((run, StopReason::Withdrawn)),
                (state, _) if !state.is_over() => moved(task.cancel(now), &task.id),
                _ => {}
            },
            // Only runs of ours are in progress or in review: the row is set right again below.
            BacklogStatus::InProgress | BacklogStatus::InReview => {}
        }
        if let Some(link) = &mut task.source {
            link.row_status = status;
            // What a person set Completed stays so: it is theirs.
            link.detached |= status == BacklogStatus::Completed;
        }
    } else if waiting.is_none()
        && !status_unclear
        && let Some(link) = &mut task.source
    {
        link.row_status = status;
    }
    // What a person approved is not what it says now.
    if needs_approval && text_changed && matches!(task.state, TaskState::Queued | TaskState::Paused | TaskState::Blocked) {
        moved(task.ask(now), &task.id);
    }
    if let Some(link) = &mut task.source {
        link.url.clone_from(&item.url);
        link.ticket.clone_from(&item.ticket);
    }
    if !task.state.is_over() {
        let SourceItem { action, priority, deadline, needs_gpu, agent, model, .. } = item;
        task.priority = priority;
        task.deadline = deadline;
        if !matches!(task.state, TaskState::Running | TaskState::Review) {
            task.action = action;
            task.needs_gpu = needs_gpu;
            task.model = model;
            task.agent = agent;
        }
    }
    // A word that is being typed is not written over; once it is whole, the row is looked at again.
    let row_is_wrong = waiting.is_none()
        && !status_unclear
        && task.source.as_ref().is_some_and(|link| !link.detached && link.row_status != shared.backlog_status(&task));
    if task != before || row_is_wrong {
        plan.write(task);
    }
    None
}

fn moved(step: Result<(), strawboss_core::TransitionError>, task: &TaskId) {
    if let Err(error) = step {
        tracing::warn!(task.id = %task, error = %error, "what a row says could not be done");
    }
}
