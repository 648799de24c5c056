//! What an agent's tools come to: of its own run alone, bounded, and starting nothing.

use super::ground::{Ground, until};
use std::time::Duration;
use strawboss_core::project::Approval;
use strawboss_core::store::{Store as _, TaskFilter};
use strawboss_core::{SandboxId, TaskState};
use strawboss_engine::Refused;
use strawboss_protocol::agent::{AgentNewTask, HandedOver, MAX_ACTION, MAX_PROGRESS, MAX_TASKS};
use strawboss_protocol::supervisor::{End, Phase, ReportBody};

fn new(action: &str) -> AgentNewTask {
    AgentNewTask { action: action.to_owned(), priority: Some(3), depends_on: Vec::new() }
}

#[tokio::test]
async fn an_agent_is_told_its_own_task() {
    let ground = Ground::started(|project| project.checks = vec!["true".to_owned()]).await;
    let task = ground.add("Greet\nin Latin").await;
    let (run, agent) = ground.work(&task, "a.txt").await;
    let told = ground.engine.agent_task(&agent.sandbox).await.unwrap();
    assert_eq!((told.id, told.title, told.text), (task.to_string(), "Greet".to_owned(), "Greet\nin Latin".to_owned()));
    assert_eq!((told.run, told.branch, told.checks), (run.to_string(), task.branch(), vec!["true".to_owned()]));
    assert_eq!(told.comment, None);
    let other = SandboxId::parse("demo-9.1-agent").unwrap();
    assert!(matches!(ground.engine.agent_task(&other).await, Err(Refused::NotFound { .. })));
}

#[tokio::test]
async fn the_comment_with_which_work_was_sent_back_is_told() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Greet").await;
    let (_, mut agent) = ground.work(&task, "a.txt").await;
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    ground.engine.review_reject(&task, Some("Say it in Latin".to_owned())).await.unwrap();
    let second = ground.play(&task.run(2), "agent").await;
    let told = ground.engine.agent_task(&second.sandbox).await.unwrap();
    assert_eq!(told.comment.as_deref(), Some("Say it in Latin"));
}

#[tokio::test]
async fn progress_is_shown_cleaned_bounded_and_once_a_second() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Greet").await;
    let (run, mut agent) = ground.work(&task, "a.txt").await;
    let sandbox = agent.sandbox.clone();
    let report = async |text: &str, percent| ground.engine.agent_progress(&sandbox, text, percent).await;
    for (text, percent) in [("", None), (" \u{1b}\n", None), (&*"x".repeat(MAX_PROGRESS + 1), None), ("well", Some(101))] {
        assert!(matches!(report(text, percent).await, Err(Refused::Invalid { .. })), "{} bytes, {percent:?}", text.len());
    }
    report("half\u{1b}[2J of \u{202e}it\nis there", Some(50)).await.unwrap();
    assert!(matches!(report("more", None).await, Err(Refused::Conflict { .. })), "not twice in a second");
    let view = ground.engine.task(&task).await.unwrap().run.unwrap().progress.unwrap();
    assert_eq!((&*view.text, view.percent), ("half[2J of it\nis there", Some(50)));
    ground.clock.forward(Duration::from_secs(2));
    report("all", None).await.unwrap();
    assert_eq!(ground.run(&run).await.progress.unwrap().text, "all");
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    assert!(report("after the end", None).await.is_err());
}

#[tokio::test]
async fn a_summary_goes_before_last_words() {
    let ground = Ground::started(|_| {}).await;
    let task = ground.add("Greet").await;
    let (run, mut agent) = ground.work(&task, "a.txt").await;
    let handed = ground.engine.agent_complete(&agent.sandbox, "It greets.").await.unwrap();
    assert_eq!(handed, HandedOver::AtTurnsEnd);
    assert_eq!(ground.engine.task(&task).await.unwrap().state, TaskState::Running, "its word ends nothing");
    agent.done(End::Complete { summary: Some("Bye.".to_owned()) }).await;
    ground.until_state(&task, "review").await;
    assert_eq!(ground.run(&run).await.summary.as_deref(), Some("It greets."));
}

#[tokio::test]
async fn a_task_that_an_agent_asks_for_waits_for_a_person() {
    let ground = Ground::started(|project| project.approval = Approval::Auto).await;
    let task = ground.add("Greet").await;
    let (run, agent) = ground.work(&task, "a.txt").await;
    let made = ground.engine.agent_create(&agent.sandbox, new("Mend the door")).await.unwrap();
    let after = AgentNewTask { depends_on: vec![made.to_string()], ..new("Paint the door") };
    ground.engine.agent_create(&agent.sandbox, after).await.unwrap();
    let view = ground.engine.task(&made).await.unwrap();
    assert_eq!((view.state, view.priority, &*view.project), (TaskState::Pending, 3, "Demo"));
    assert!(view.waits_for.is_some_and(|why| why.contains(run.as_str())), "people see who asked for it");
    let rounds = ground.store.calls("run_list_live");
    until("rounds later", async || (ground.store.calls("run_list_live") > rounds + 3).then_some(())).await;
    assert_eq!(ground.engine.task(&made).await.unwrap().state, TaskState::Pending);

    let odd = [new(" "), new(&"x".repeat(MAX_ACTION + 1)), AgentNewTask { depends_on: vec!["demo-99".to_owned()], ..new("x") }];
    for odd in odd {
        assert!(matches!(ground.engine.agent_create(&agent.sandbox, odd).await, Err(Refused::Invalid { .. })));
    }
    for number in 2..MAX_TASKS {
        ground.engine.agent_create(&agent.sandbox, new(&format!("Task {number}"))).await.unwrap();
    }
    assert!(matches!(ground.engine.agent_create(&agent.sandbox, new("One more")).await, Err(Refused::Conflict { .. })));
    assert_eq!(ground.run(&run).await.tasks_created.len(), MAX_TASKS);
    assert_eq!(ground.engine.task_approve(&made, None).await.unwrap().state, TaskState::Queued);
}

#[tokio::test]
async fn a_sandbox_of_checks_has_no_tools() {
    let ground = Ground::started(|project| project.checks = vec!["true".to_owned()]).await;
    let task = ground.add("Greet").await;
    let (run, mut agent) = ground.work(&task, "a.txt").await;
    assert!(ground.engine.door_reach(&agent.sandbox).unwrap().has_agent);
    agent.done(End::Complete { summary: None }).await;
    let mut checks = ground.play(&run, "checks").await;
    checks.report(ReportBody::Phase { phase: Phase::Checking }).await;
    assert!(!ground.engine.door_reach(&checks.sandbox).unwrap().has_agent);
    let refused = ground.engine.agent_create(&checks.sandbox, new("Escape")).await;
    assert!(matches!(refused, Err(Refused::NotFound { .. })), "{refused:?}");
    assert_eq!(ground.store.task_list(&TaskFilter::default()).await.unwrap().len(), 1);
}
