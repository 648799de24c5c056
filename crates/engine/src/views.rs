//! What people see, made from what is stored.

use crate::error::Refused;
use crate::proposing;
use crate::shared::{Shared, lock};
use strawboss_core::backlog::SourceLink;
use strawboss_core::project::{Approval, Project, Repository};
use strawboss_core::run::{Question, Run};
use strawboss_core::store::StoredReport;
use strawboss_core::task::Task;
use strawboss_core::{RunState, TaskId, Timestamp};
use strawboss_protocol::api::{
    AnswerView, DependencyView, LoadView, PhaseView, ProgressView, ProjectView, PullRequestView, QuestionView, RunDetail,
    RunEvent, RunView, SessionSource, SessionView, TaskView,
};

/// A session without a container of its own; what else is known of it, who asks puts in.
pub(crate) fn session(id: String, source: SessionSource, created_at: Timestamp) -> SessionView {
    SessionView {
        id,
        run: None,
        source,
        command: String::new(),
        live: false,
        viewers: 0,
        bytes: None,
        project: None,
        created_at: created_at.0,
        state: None,
        detail: None,
        image: None,
        owner: None,
        private: false,
        saved_ref: None,
    }
}

fn question(asked: &Question) -> QuestionView {
    QuestionView {
        number: asked.number,
        text: asked.text.clone(),
        choices: asked.choices.clone(),
        at: asked.at.0,
        answer: asked.answer.as_ref().map(|answer| AnswerView {
            text: answer.text.clone(),
            by: answer.by.clone(),
            at: answer.at.0,
            told_at: asked.told_at.map(|at| at.0),
        }),
    }
}

pub(crate) fn run(run: &Run) -> RunView {
    RunView {
        id: run.id.to_string(),
        task: run.task.to_string(),
        project: run.project.to_string(),
        state: run.state,
        waiting_for: run.waiting_for.clone(),
        outcome: run.outcome,
        outcome_detail: run.outcome_detail.clone(),
        agent: run.agent.word().to_owned(),
        model: run.model.clone(),
        mode: run.mode,
        branch: run.branch.clone(),
        target: run.target.clone(),
        green: (run.state == RunState::Finished && run.checked_commit.is_some()).then(|| run.is_green()),
        progress: run.progress.as_ref().map(|said| ProgressView {
            text: said.text.clone(),
            percent: said.percent,
            at: said.at.0,
        }),
        question: run.open_question().map(question),
        usage: run.usage,
        created_at: run.created_at.0,
        started_at: run.started_at.map(|at| at.0),
        finished_at: run.finished_at.map(|at| at.0),
        heard_at: run.heard_at.map(|at| at.0),
    }
}

pub(crate) fn run_detail(shared: &Shared, it: &Run) -> RunDetail {
    let load = lock(&shared.present).values().find(|present| present.run == it.id).and_then(|present| present.load());
    RunDetail {
        run: run(it),
        prompt: it.prompt.clone(),
        base_commit: it.base_commit.clone(),
        head_commit: it.head_commit.clone(),
        saved_ref: it.saved_ref.clone(),
        summary: it.summary.clone(),
        questions: it.questions.iter().map(question).collect(),
        phases_done: it.phases_done.iter().map(|claim| PhaseView { phase: claim.phase, title: claim.title.clone() }).collect(),
        checks: it.checks.clone(),
        refusals: it.refusals.clone(),
        merged_commit: it.merged_commit.clone(),
        merge_problem: it.merge_problem.clone(),
        resumes: it.resumes.as_ref().map(ToString::to_string),
        recording_removed_at: it.recording_removed_at.map(|at| at.0),
        reports_removed_at: it.reports_removed_at.map(|at| at.0),
        load: load.map(|(beat, at)| LoadView {
            cpu_ms: beat.cpu_ms,
            memory_bytes: beat.memory_bytes,
            disk_bytes: beat.disk_bytes,
            processes: beat.processes,
            at: at.0,
        }),
    }
}

/// What work in review waits for.
fn in_review(shared: &Shared, task: &Task, last: Option<&Run>) -> String {
    let merge_problem = last.and_then(|run| run.merge_problem.clone());
    if let Some(why) = shared.proposals.problem(&task.id).or(merge_problem) {
        return why;
    }
    let project = shared.project(&task.project);
    match (proposing::open_link(task), last.zip(project)) {
        (Some(link), _) => format!("Its pull request waits to be merged: {}", link.url),
        (None, Some((run, project))) if proposing::is_wanted(&project, run) => {
            if shared.config.pull_requests.contains_key(&project.name) {
                "Its pull request is being opened.".to_owned()
            } else {
                "Its pull request is opened once the service was restarted: it did not know of them when it started.".to_owned()
            }
        }
        (None, _) => "Waits for a person's decision.".to_owned(),
    }
}

pub(crate) fn task(shared: &Shared, it: Task, last: Option<&Run>) -> TaskView {
    let landing = lock(&shared.landing).contains(&it.id);
    let waits_for = match it.state {
        strawboss_core::TaskState::Queued => lock(&shared.holds).get(&it.id).map(|hold| hold.sentence().to_owned()),
        strawboss_core::TaskState::Pending => Some(match &it.created_by {
            Some(run) => format!("The agent of {run} asked for it; waits for a person's approval."),
            None => "Waits for a person's approval.".to_owned(),
        }),
        strawboss_core::TaskState::Review if landing && last.is_some_and(|run| run.approved_at.is_some()) => {
            Some("The accepted work is being merged.".to_owned())
        }
        strawboss_core::TaskState::Review => Some(in_review(shared, &it, last)),
        strawboss_core::TaskState::Paused if it.preempted => {
            Some("A task of better priority took its place; it goes on by itself when there is room.".to_owned())
        }
        strawboss_core::TaskState::Paused => Some(it.not_before.map_or_else(
            || "Paused; it goes on when somebody starts it.".to_owned(),
            |_| "Paused until the provider's limit resets.".to_owned(),
        )),
        _ => None,
    };
    TaskView {
        id: it.id.to_string(),
        project: it.project.to_string(),
        action: it.action,
        priority: it.priority,
        deadline: it.deadline.map(|day| day.to_string()),
        needs_gpu: it.needs_gpu,
        agent: it.agent,
        model: it.model,
        mode: it.mode,
        state: it.state,
        block: it.block,
        waits_for,
        depends_on: it
            .depends_on
            .iter()
            .map(|needed| DependencyView { name: needed.name.clone(), task: needed.task.as_ref().map(ToString::to_string) })
            .collect(),
        ticket: it.source.as_ref().and_then(SourceLink::ticket_name).map(str::to_owned),
        pull_request: it.pull_request.as_ref().map(|link| PullRequestView {
            number: link.number,
            url: link.url.clone(),
            state: link.state.word().to_owned(),
        }),
        source_url: it.source.as_ref().and_then(|link| link.url.clone()),
        source: it.source.filter(|link| !link.detached).map(|link| link.source),
        run: last.map(run),
        attempts: it.attempts,
        created_at: it.created_at.0,
        updated_at: it.updated_at.0,
    }
}

pub(crate) async fn tasks(shared: &Shared, list: Vec<Task>) -> Result<Vec<TaskView>, Refused> {
    let mut views = Vec::with_capacity(list.len());
    for it in list {
        let last = match &it.run {
            Some(id) => shared.parts.store.run(id).await?,
            None => None,
        };
        views.push(task(shared, it, last.as_ref()));
    }
    Ok(views)
}

pub(crate) async fn task_by_id(shared: &Shared, id: &TaskId) -> Result<Option<TaskView>, Refused> {
    let Some(it) = shared.parts.store.task(id).await?.filter(|task| task.session.is_none()) else { return Ok(None) };
    Ok(tasks(shared, vec![it]).await?.pop())
}

pub(crate) fn report(row: i64, report: &StoredReport) -> RunEvent {
    RunEvent {
        row,
        sandbox: report.sandbox.to_string(),
        at: report.at.0,
        body: serde_json::from_str(&report.body).unwrap_or(serde_json::Value::Null),
    }
}

pub(crate) fn project(it: &Project) -> ProjectView {
    ProjectView {
        name: it.name.to_string(),
        repository: match &it.repository {
            Repository::Directory(path) => path.display().to_string(),
            Repository::Url(url) => without_credentials(url),
        },
        branch: it.branch.clone(),
        agent: it.agent.word().to_owned(),
        mode: it.mode,
        image: it.image.clone(),
        checks: it.checks.clone(),
        approval: if it.approval == Approval::Auto { "auto" } else { "manual" }.to_owned(),
        review: it.review.word().to_owned(),
        allow: it.allow.clone(),
        problem: it.unusable.as_ref().map(|unusable| format!("{} {}", unusable.message, unusable.fix)),
    }
}

/// A URL without the user and password that it may carry.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_url_is_shown_without_its_password() {
        assert_eq!(super::without_credentials("https://u:p@host/x@y.git"), "https://host/x@y.git");
        assert_eq!(super::without_credentials("git@host:x.git"), "git@host:x.git");
    }
}
