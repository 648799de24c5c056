//! What an agent may say of its plan: its own phase is its task, another one waits for a person who accepts the work.

use super::ground::{Ground, Played, git, until};
use super::rows::Rows;
use std::sync::Arc;
use strawboss_core::backlog::BacklogStatus;
use strawboss_core::project::{Project, ReviewMode};
use strawboss_core::run::CheckResult;
use strawboss_core::{TaskId, TaskState};
use strawboss_engine::Refused;
use strawboss_protocol::agent::{HandedOver, PhaseDone};
use strawboss_protocol::supervisor::{End, Phase, ReportBody};

fn task(number: u32) -> TaskId {
    TaskId::parse(&format!("demo-{number}")).unwrap()
}

async fn first_phase(review: ReviewMode) -> (Ground, Arc<Rows>, Played) {
    let rows = Arc::new(Rows::default());
    rows.plan(&["Set up", "Move", "Clean up"]);
    let ground = Ground::with_sources(|project| project.review = review, vec![rows.source()]).await;
    ground.engine.start().await.unwrap();
    let (_, agent) = ground.work(&task(1), "a.txt").await;
    (ground, rows, agent)
}

async fn until_state(ground: &Ground, number: u32, state: TaskState) {
    until(&format!("phase {number} is {}", state.word()), async || {
        ground.engine.task(&task(number)).await.ok().filter(|view| view.state == state).map(|_| ())
    })
    .await;
}

#[tokio::test]
async fn an_agent_is_told_where_its_plan_stands() {
    let (ground, rows, agent) = first_phase(ReviewMode::Manual).await;
    let plan = ground.engine.agent_plan(&agent.sandbox).await.unwrap();
    assert_eq!((&*plan.plan, plan.phases, plan.phases_done), ("move", 3, 0));
    assert_eq!(plan.yours.unwrap().title, "Set up");
    let next = plan.next.unwrap();
    assert_eq!((next.phase, &*next.title, next.text.as_deref()), (1, "Move", Some("Move in full")));
    rows.edit("Move", BacklogStatus::Completed, &[]);
    let plan = ground.engine.agent_plan(&agent.sandbox).await.unwrap();
    assert_eq!((plan.phases_done, &*plan.done[0].title, plan.next.unwrap().phase), (1, "Move", 2));
    assert_eq!(ground.engine.agent_phase_done(&agent.sandbox, 1, "").await.unwrap(), PhaseDone::Already);
}

#[tokio::test]
async fn its_own_phase_is_its_task() {
    let (ground, _rows, mut agent) = first_phase(ReviewMode::Manual).await;
    let done = ground.engine.agent_phase_done(&agent.sandbox, 0, "All is set up.").await.unwrap();
    assert_eq!(done, PhaseDone::Own(HandedOver::AtTurnsEnd));
    agent.done(End::Complete { summary: None }).await;
    until_state(&ground, 1, TaskState::Review).await;
    let run = ground.engine.run(&task(1).run(1)).await.unwrap();
    assert_eq!((run.summary.as_deref(), run.phases_done.len()), (Some("All is set up."), 0));
}

#[tokio::test]
async fn another_phase_is_completed_when_a_person_accepts_the_work() {
    // Green checks alone accept it not: they say nothing of what the run was not made for.
    let (ground, rows, mut agent) = first_phase(ReviewMode::Auto).await;
    let say = async |phase| ground.engine.agent_phase_done(&agent.sandbox, phase, "").await;
    assert!(matches!(say(3).await, Err(Refused::Invalid { .. })));
    assert!(matches!(say(2).await, Err(Refused::Conflict { .. })), "phase 1 comes before");
    assert_eq!(say(1).await.unwrap(), PhaseDone::WithThisWork);
    assert_eq!(say(1).await.unwrap(), PhaseDone::WithThisWork, "saying it twice is no error");
    let plan = ground.engine.agent_plan(&agent.sandbox).await.unwrap();
    assert_eq!((plan.claimed, plan.next.unwrap().phase, plan.phases_done), (vec![1], 2, 0));
    agent.done(End::Complete { summary: None }).await;
    until_state(&ground, 1, TaskState::Review).await;
    assert_eq!(ground.engine.task(&task(2)).await.unwrap().state, TaskState::Queued, "its word completes nothing");
    let seen = ground.engine.run(&task(1).run(1)).await.unwrap().phases_done;
    assert_eq!((seen.len(), seen[0].phase, &*seen[0].title), (1, 1, "Move"));

    ground.engine.review_approve(&task(1)).await.unwrap();
    until_state(&ground, 1, TaskState::Done).await;
    assert_eq!(ground.engine.task(&task(2)).await.unwrap().state, TaskState::Done);
    until("both are ticked", async || {
        let done = |phase| rows.status(phase) == Some(BacklogStatus::Completed);
        (done("Set up") && done("Move")).then_some(())
    })
    .await;
    until_state(&ground, 3, TaskState::Running).await;
    assert_eq!(ground.engine.task(&task(2)).await.unwrap().attempts, 0);
}

#[tokio::test]
async fn work_that_is_sent_back_completes_nothing_along() {
    let (ground, _rows, mut agent) = first_phase(ReviewMode::Manual).await;
    ground.engine.agent_phase_done(&agent.sandbox, 1, "").await.unwrap();
    agent.done(End::Complete { summary: None }).await;
    until_state(&ground, 1, TaskState::Review).await;
    ground.engine.review_reject(&task(1), Some("Phase 1 is not done".to_owned())).await.unwrap();
    let mut second = ground.play(&task(1).run(2), "agent").await;
    let told = second.orders.agent.as_ref().map(|agent| agent.prompt.clone()).unwrap_or_default();
    assert!(told.contains("other phases of the plan too: 1. That lapsed"), "{told}");
    second.report(ReportBody::Phase { phase: Phase::Working }).await;
    second.done(End::Complete { summary: None }).await;
    until_state(&ground, 1, TaskState::Review).await;
    ground.engine.review_approve(&task(1)).await.unwrap();
    until_state(&ground, 1, TaskState::Done).await;
    until_state(&ground, 2, TaskState::Running).await;
}

#[tokio::test]
async fn a_task_of_no_plan_has_no_phases() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Greet").await;
    let (_, agent) = ground.work(&task, "a.txt").await;
    assert!(matches!(ground.engine.agent_plan(&agent.sandbox).await, Err(Refused::Conflict { .. })));
    assert!(matches!(ground.engine.agent_phase_done(&agent.sandbox, 0, "").await, Err(Refused::Conflict { .. })));
}

#[tokio::test]
async fn a_phase_that_changes_no_file_is_done_when_its_checks_are_green() {
    let rows = Arc::new(Rows::default());
    rows.plan(&["Verify", "Move"]);
    let by_itself = |project: &mut Project| {
        project.review = ReviewMode::Auto;
        project.checks = vec!["make verify".to_owned()];
    };
    let ground = Ground::with_sources(by_itself, vec![rows.source()]).await;
    ground.engine.start().await.unwrap();
    verified(&ground, &task(1)).await;
    until_state(&ground, 1, TaskState::Done).await;
    until_state(&ground, 2, TaskState::Running).await;
}

#[tokio::test]
async fn a_task_of_no_plan_whose_agent_changed_nothing_waits_for_a_person() {
    let ground = Ground::started(|project| {
        project.review = ReviewMode::Auto;
        project.checks = vec!["make verify".to_owned()];
    })
    .await;
    let task = ground.add("Greet").await;
    verified(&ground, &task).await;
    let view = ground.until_state(&task, "review").await;
    assert_eq!(view.run.unwrap().green, Some(true));
}

/// The agent of a task changes nothing, and its check is green.
async fn verified(ground: &Ground, task: &TaskId) {
    let run = task.run(1);
    let mut agent = ground.play(&run, "agent").await;
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    let reference = format!("refs/heads/{}", task.branch());
    let commit = git(&ground.repository, &["rev-parse", "main"]);
    git(&ground.repository, &["push", "--quiet", ground.mirror().to_str().unwrap(), &format!("{commit}:{reference}")]);
    agent.report(ReportBody::Pushed { reference, commit }).await;
    agent.done(End::Complete { summary: None }).await;
    let mut checks = ground.play(&run, "checks").await;
    let command = "make verify".to_owned();
    let result = CheckResult { command, exit_code: Some(0), duration_ms: 1, output_tail: String::new() };
    checks.report(ReportBody::Check { index: 0, result }).await;
    checks.done(End::Complete { summary: None }).await;
}
