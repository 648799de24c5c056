//! What is different where work is a ticket of a tracker: strangers' text, discussions, reports, and a tracker that is away.

use super::ground::{Ground, until};
use super::rows::Rows;
use std::sync::Arc;
use strawboss_core::backlog::{BacklogStatus, WriteBack};
use strawboss_core::project::AgentMode;
use strawboss_core::store::Store as _;
use strawboss_core::{TaskId, TaskState};
use strawboss_engine::TaskQuery;
use strawboss_protocol::api::TaskView;
use strawboss_protocol::supervisor::{End, Phase, ReportBody};

async fn ground(rows: &Arc<Rows>) -> Ground {
    let mut ground = Ground::with_sources(|_| {}, vec![rows.source()]).await;
    ground.again(|config| config.public_url = Some("https://crew.example".to_owned())).await;
    ground
}

/// Waits for a task that may not be there yet.
async fn seen(ground: &Ground, task: &TaskId, state: &str) -> TaskView {
    until(&format!("{task} is {state}"), async || ground.engine.task(task).await.ok().filter(|view| view.state.word() == state))
        .await
}

fn task(number: u32) -> TaskId {
    TaskId::parse(&format!("demo-{number}")).unwrap()
}

#[tokio::test]
async fn a_strangers_ticket_waits_for_a_person_and_again_when_its_text_changes() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    rows.ticket(1, "Keep the only slot", false);
    let (_, _agent) = ground.work(&task(1), "work.txt").await;
    rows.ticket(2, "A stranger's wish", true);
    let view = seen(&ground, &task(2), "pending").await;
    assert_eq!(view.source_url.as_deref(), Some("https://tracker.example/2"));
    ground.engine.task_approve(&task(2), None).await.unwrap();
    seen(&ground, &task(2), "queued").await;
    rows.ticket(2, "Something else", true);
    let view = seen(&ground, &task(2), "pending").await;
    assert_eq!(view.action, "Something else");
}

#[tokio::test]
async fn what_is_written_in_a_ticket_during_and_after_its_work_is_no_new_work() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    rows.ticket(1, "Mend it", false);
    let (run, mut agent) = ground.work(&task(1), "work.txt").await;
    rows.ticket(1, "Mend it, please", false);
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    agent.done(End::Complete { summary: Some("Mended.".to_owned()) }).await;
    seen(&ground, &task(1), "review").await;
    ground.engine.review_approve(&task(1)).await.unwrap();
    seen(&ground, &task(1), "done").await;
    let done =
        until("it is written", async || rows.writes().into_iter().find(|write| write.status == BacklogStatus::Completed)).await;
    let report = done.report.unwrap();
    assert_eq!((report.run, report.summary.as_deref()), (run, Some("Mended.")));
    assert_eq!(report.link.as_deref(), Some("https://crew.example/tasks/demo-1"));
    assert!(report.commit.is_some() && report.trouble.is_none());
    assert!(
        rows.writes().iter().all(|write| write.report.is_some()
            == (write.status != BacklogStatus::InProgress && write.status != BacklogStatus::Queued))
    );
    rows.ticket(1, "Mend it, please. Thank you!", false);
    rows.ticket(3, "Another one", false);
    seen(&ground, &task(2), "running").await;
    let known = ground.store.task_list_by_source("rows").await.unwrap();
    assert_eq!(known.iter().map(|task| task.id.to_string()).collect::<Vec<_>>(), ["demo-1", "demo-2"]);
}

#[tokio::test]
async fn the_file_of_completion_may_bear_the_name_of_the_ticket() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    rows.ticket(12, "Mend it", false);
    let (_, agent) = ground.work(&task(1), "work.txt").await;
    assert_eq!(agent.orders.agent.unwrap().completion, ["demo-1", "WEB-12"]);
}

#[tokio::test]
async fn a_source_that_is_down_says_since_when_and_what_is_known_of_it_stays() {
    let rows = Arc::new(Rows::default());
    let mut ground = ground(&rows).await;
    rows.ticket(1, "A stranger's wish", true);
    seen(&ground, &task(1), "pending").await;
    let source = async |ground: &Ground| ground.engine.status().await.unwrap().sources.pop();
    rows.set_down(true);
    let down = until("it is seen to be down", async || source(&ground).await.filter(|source| !source.readable)).await;
    ground.clock.forward(std::time::Duration::from_hours(1));
    rows.set_down(true);
    let later =
        until("it is looked at again", async || source(&ground).await.filter(|source| source.looked_at > down.looked_at)).await;
    assert_eq!((later.since, later.since.is_some(), later.items), (down.since, true, 1));
    seen(&ground, &task(1), "pending").await;
    // A restart forgets nothing of that.
    ground.again(|_| {}).await;
    let after = until("it is looked at after a restart", async || source(&ground).await.filter(|source| !source.readable)).await;
    assert_eq!(after.since, down.since);
    rows.set_down(false);
    until("it is back", async || source(&ground).await.filter(|source| source.readable && source.since.is_none())).await;
    rows.set_down(true);
    let again = until("it is down again", async || source(&ground).await.filter(|source| !source.readable)).await;
    assert!(again.since > down.since);
}

#[tokio::test]
async fn what_happens_while_the_network_is_gone_for_an_hour_is_written_once_and_in_order() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    rows.ticket(1, "Mend it", false);
    let (run, mut agent) = ground.work(&task(1), "work.txt").await;
    until("the first write", async || rows.writes().pop()).await;
    rows.set_deaf(true);
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    agent.done(End::Complete { summary: Some("Mended.".to_owned()) }).await;
    seen(&ground, &task(1), "review").await;
    let failures = async || ground.store.outbox_list(10).await.unwrap().iter().map(|message| message.failures).max();
    for minutes in [20, 40] {
        let before = failures().await.unwrap_or_default();
        ground.clock.forward(std::time::Duration::from_mins(minutes));
        until("it is tried again, in vain", async || failures().await.filter(|now| *now > before)).await;
    }
    ground.engine.review_approve(&task(1)).await.unwrap();
    seen(&ground, &task(1), "done").await;
    let status = ground.engine.status().await.unwrap();
    assert!(status.outbox_waiting > 0, "people see that it waits");
    let problem = async || ground.engine.status().await.unwrap().sources.remove(0).problems.pop();
    // What takes the place of what was tried is tried anew.
    let told = until("people see why", problem).await.message;
    assert!(
        told.starts_with("How WEB-1 stands here could not be written there for ") && told.contains("the network is gone"),
        "{told}"
    );
    rows.set_deaf(false);
    ground.clock.forward(std::time::Duration::from_mins(2));
    until("all is written", async || ground.store.outbox_list(10).await.unwrap().is_empty().then_some(())).await;
    assert_eq!(problem().await, None);
    let writes = rows.writes();
    let order = [BacklogStatus::Queued, BacklogStatus::InProgress, BacklogStatus::InReview, BacklogStatus::Completed];
    let at: Vec<_> = writes.iter().map(|write| order.iter().position(|status| *status == write.status).unwrap()).collect();
    assert!(at.is_sorted_by(|a, b| a < b), "once each, and in order: {writes:?}");
    let last = writes.last().unwrap();
    assert_eq!((last.status, last.report.as_ref().map(|report| &report.run)), (BacklogStatus::Completed, Some(&run)));
}

#[tokio::test]
async fn of_every_run_that_ended_while_the_source_was_away_people_are_told_once_and_in_order() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    rows.ticket(1, "Mend it", false);
    let (first, mut agent) = ground.work(&task(1), "work.txt").await;
    until("the first write", async || rows.writes().pop()).await;
    rows.set_deaf(true);
    agent.done(End::AgentFailed { detail: "It gave up.".to_owned() }).await;
    seen(&ground, &task(1), "blocked").await;
    ground.engine.task_retry(&task(1)).await.unwrap();
    let second = task(1).run(2);
    let mut agent = ground.play(&second, "agent").await;
    agent.report(ReportBody::Phase { phase: Phase::Working }).await;
    let branch = format!("refs/heads/{}", task(1).branch());
    let commit = ground.push("more.txt", "more work", &branch);
    agent.report(ReportBody::Pushed { reference: branch, commit }).await;
    agent.done(End::Complete { summary: Some("Mended.".to_owned()) }).await;
    seen(&ground, &task(1), "review").await;
    ground.engine.review_approve(&task(1)).await.unwrap();
    seen(&ground, &task(1), "done").await;
    rows.set_deaf(false);
    ground.clock.forward(std::time::Duration::from_mins(2));
    until("all is written", async || ground.store.outbox_list(10).await.unwrap().is_empty().then_some(())).await;
    let last = rows.writes().pop().unwrap();
    let told: Vec<_> = last.reports().map(|(status, report)| (status, report.run.clone())).collect();
    assert_eq!(last.status, BacklogStatus::Completed);
    assert_eq!(told, [(BacklogStatus::Blocked, first.clone()), (BacklogStatus::Completed, second)]);
    let about_the_first = |write: &WriteBack| write.reports().any(|(_, report)| report.run == first);
    assert_eq!(rows.writes().iter().filter(|write| about_the_first(write)).count(), 1);
}

/// The network is back, and everything that waited for it is written.
async fn heard(ground: &Ground, rows: &Rows) {
    rows.set_deaf(false);
    ground.clock.forward(std::time::Duration::from_mins(2));
    until("all is written", async || ground.store.outbox_list(10).await.unwrap().is_empty().then_some(())).await;
}

fn told(rows: &Rows) -> Vec<String> {
    let runs = |write: &WriteBack| write.reports().map(|(_, report)| report.run.to_string()).collect::<Vec<_>>();
    rows.writes().iter().flat_map(runs).collect()
}

/// A ticket whose work waits for a person, while its tracker cannot be written to: there it is in progress.
async fn in_review_unheard(rows: &Arc<Rows>) -> Ground {
    let ground = ground(rows).await;
    rows.ticket(1, "Mend it", false);
    let (_, mut agent) = ground.work(&task(1), "work.txt").await;
    let written = async || rows.writes().pop().filter(|write| write.status == BacklogStatus::InProgress);
    until("its start is written", written).await;
    rows.set_deaf(true);
    agent.done(End::Complete { summary: Some("Mended.".to_owned()) }).await;
    seen(&ground, &task(1), "review").await;
    ground
}

#[tokio::test]
async fn a_ticket_that_a_person_closed_while_it_could_not_be_written_to_stays_closed_and_is_told_of_its_run() {
    let rows = Arc::new(Rows::default());
    let ground = in_review_unheard(&rows).await;
    rows.edit("Mend it", BacklogStatus::Completed, &[]);
    seen(&ground, &task(1), "cancelled").await;
    heard(&ground, &rows).await;
    assert_eq!(rows.status("Mend it"), Some(BacklogStatus::Completed), "{:?}", rows.writes());
    assert_eq!(told(&rows), ["demo-1.1"]);
}

#[tokio::test]
async fn a_write_that_was_due_while_the_source_was_read_is_overruled_by_what_is_read() {
    let rows = Arc::new(Rows::default());
    let ground = in_review_unheard(&rows).await;
    let (held, readers) = (rows.hold().await, rows.readers());
    rows.edit("Mend it", BacklogStatus::Completed, &[]);
    until("it is being read", async || (rows.readers() > readers).then_some(())).await;
    rows.set_deaf(false);
    ground.clock.forward(std::time::Duration::from_mins(2));
    let looks = ground.store.calls("outbox_due");
    until("it is found to be due", async || (ground.store.calls("outbox_due") > looks).then_some(())).await;
    drop(held);
    seen(&ground, &task(1), "cancelled").await;
    heard(&ground, &rows).await;
    assert_eq!(rows.status("Mend it"), Some(BacklogStatus::Completed), "{:?}", rows.writes());
    assert_eq!(told(&rows), ["demo-1.1"]);
}

#[tokio::test]
async fn a_ticket_that_is_not_listed_any_more_is_not_moved_and_is_told_of_its_run() {
    let rows = Arc::new(Rows::default());
    let ground = in_review_unheard(&rows).await;
    rows.drop_ticket(1);
    seen(&ground, &task(1), "cancelled").await;
    heard(&ground, &rows).await;
    let last = rows.writes().pop().unwrap();
    assert_eq!((last.status, last.known), (BacklogStatus::InProgress, Some(BacklogStatus::InProgress)));
    assert_eq!(told(&rows), ["demo-1.1"]);
}

#[tokio::test]
async fn a_person_who_stops_a_run_is_still_told_of_the_one_before() {
    for (word, state) in
        [(BacklogStatus::Paused, "paused"), (BacklogStatus::Blocked, "blocked"), (BacklogStatus::Completed, "cancelled")]
    {
        let rows = Arc::new(Rows::default());
        let ground = ground(&rows).await;
        rows.ticket(1, "Mend it", false);
        let (_, mut agent) = ground.work(&task(1), "work.txt").await;
        until("the first write", async || rows.writes().pop()).await;
        rows.set_deaf(true);
        agent.done(End::AgentFailed { detail: "It gave up.".to_owned() }).await;
        seen(&ground, &task(1), "blocked").await;
        ground.engine.task_retry(&task(1)).await.unwrap();
        let mut agent = ground.play(&task(1).run(2), "agent").await;
        agent.report(ReportBody::Phase { phase: Phase::Working }).await;
        rows.edit("Mend it", word, &[]);
        agent.until_stop().await;
        heard(&ground, &rows).await;
        assert_eq!(rows.status("Mend it"), Some(word), "{:?}", rows.writes());
        agent.done(End::Stopped).await;
        seen(&ground, &task(1), state).await;
        heard(&ground, &rows).await;
        assert_eq!(rows.status("Mend it"), Some(word), "{:?}", rows.writes());
        assert_eq!(told(&rows), ["demo-1.1"], "{word:?}: {:?}", rows.writes());
    }
}

/// A ticket's work is done and accepted.
async fn completed(ground: &Ground, rows: &Rows) {
    rows.ticket(1, "Mend it", false);
    let (_, mut agent) = ground.work(&task(1), "work.txt").await;
    agent.done(End::Complete { summary: Some("Mended.".to_owned()) }).await;
    seen(ground, &task(1), "review").await;
    ground.engine.review_approve(&task(1)).await.unwrap();
    seen(ground, &task(1), "done").await;
}

async fn done_list(ground: &Ground) -> Vec<String> {
    ground.engine.ticket_list(&[TaskState::Done]).await.unwrap().into_iter().map(|ticket| ticket.id).collect()
}

#[tokio::test]
async fn a_completed_ticket_is_listed_also_when_its_tracker_does_not_list_it_any_more() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    completed(&ground, &rows).await;
    rows.drop_ticket(1);
    rows.ticket(2, "Another one", true);
    seen(&ground, &task(2), "pending").await;
    assert_eq!(done_list(&ground).await, ["WEB-1"]);
    // Opened again, it is new work.
    rows.ticket(1, "Mend it", false);
    seen(&ground, &task(3), "running").await;
    assert!(done_list(&ground).await.is_empty());
}

#[tokio::test]
async fn a_completed_ticket_can_be_removed_here_before_its_tracker_has_heard_of_it() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    rows.ticket(1, "Mend it", false);
    until("the first write", async || rows.writes().pop()).await;
    rows.set_deaf(true);
    completed(&ground, &rows).await;
    ground.engine.ticket_remove(&task(1)).await.unwrap();
    assert!(done_list(&ground).await.is_empty());
    rows.ticket(2, "Another one", true);
    seen(&ground, &task(2), "pending").await;
    rows.set_deaf(false);
    ground.clock.forward(std::time::Duration::from_mins(2));
    until("all is written", async || ground.store.outbox_list(10).await.unwrap().is_empty().then_some(())).await;
    assert_eq!(rows.status("Mend it"), Some(BacklogStatus::Completed));
    rows.ticket(3, "One more", true);
    seen(&ground, &task(3), "pending").await;
    assert_eq!(ground.engine.task_list(&TaskQuery::default()).await.unwrap().items.len(), 3, "nothing was made of it again");
}

#[tokio::test]
async fn a_persons_summary_of_work_that_has_ended_is_kept_and_told() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    rows.ticket(1, "Mend it", false);
    let (run, mut agent) = ground.work(&task(1), "work.txt").await;
    agent.done(End::Complete { summary: Some("Mended.".to_owned()) }).await;
    seen(&ground, &task(1), "review").await;
    assert!(!ground.engine.ticket_complete(&task(1), " Mended.\n").await.unwrap());
    assert!(ground.engine.ticket_complete(&task(1), "It is mended, says Ann.").await.unwrap());
    assert_eq!(ground.run(&run).await.summary.as_deref(), Some("It is mended, says Ann."));
    let told = |write: &WriteBack| write.report.as_ref().and_then(|report| report.summary.clone());
    until("it is told", async || rows.writes().iter().filter_map(told).find(|said| said.contains("Ann"))).await;
    seen(&ground, &task(1), "review").await;
}

#[tokio::test]
async fn whoever_approves_of_a_ticket_sits_beside_it_wherever_they_say_so() {
    let rows = Arc::new(Rows::default());
    let ground = ground(&rows).await;
    rows.ticket(1, "Keep the only slot", false);
    let (_, _agent) = ground.work(&task(1), "work.txt").await;
    rows.ticket(2, "Approved there", true);
    rows.ticket(3, "Started here", true);
    for number in [2, 3] {
        seen(&ground, &task(number), "pending").await;
    }
    rows.edit("Approved there", BacklogStatus::Queued, &[]);
    ground.engine.task_start(&task(3)).await.unwrap();
    for number in [2, 3] {
        assert_eq!(seen(&ground, &task(number), "queued").await.mode, Some(AgentMode::Interactive), "{number}");
    }
}
