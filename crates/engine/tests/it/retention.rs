//! What is kept no longer goes, by age and by size, and nothing that anybody may still want.

use super::ground::{Ground, git, until};
use std::time::Duration;
use strawboss_core::retention::Keep;
use strawboss_core::runner::{Cache, KeptFolder, KeptKind, Purpose};
use strawboss_core::store::Store as _;
use strawboss_core::{ProjectName, RunId, TaskId, Timestamp};
use strawboss_engine::ViewerFrame;
use strawboss_engine::ports::Clock as _;
use strawboss_protocol::api::{RetentionKind, RetentionView};
use strawboss_protocol::supervisor::End;

const DAY: Duration = Duration::from_hours(24);

fn kind<'v>(view: &'v RetentionView, word: &str) -> &'v RetentionKind {
    view.kinds.iter().find(|kind| kind.kind == word).unwrap()
}

fn ids<'v>(view: &'v RetentionView, word: &str) -> Vec<&'v str> {
    kind(view, word).remove.iter().map(|item| item.id.as_str()).collect()
}

/// What would go, and then what went: the same, and nothing is left to go.
async fn apply(ground: &Ground) -> RetentionView {
    let plan = ground.engine.retention().await;
    let applied = ground.engine.retention_apply().await.unwrap();
    assert!(applied.applied && !plan.applied);
    for (planned, done) in plan.kinds.iter().zip(&applied.kinds) {
        assert_eq!(planned.remove, done.remove, "what was planned is what was done");
        assert_eq!(done.problem, None);
    }
    let rest = ground.engine.retention().await;
    assert!(rest.kinds.iter().all(|kind| kind.remove.is_empty()), "{rest:?}");
    applied
}

/// A task whose agent printed, pushed and ended; in review.
async fn reviewed(ground: &Ground, file: &str) -> (TaskId, RunId) {
    let task = ground.add(file).await;
    let (run, mut agent) = ground.work(&task, file).await;
    assert!(agent.print(0, b"hello").await);
    until("it is recorded", async || {
        let listed = ground.engine.session_list().await.unwrap();
        listed.iter().any(|session| session.id == run.as_str() && session.bytes == Some(5)).then_some(())
    })
    .await;
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    (task, run)
}

async fn landed(ground: &Ground, file: &str) -> (TaskId, RunId) {
    let (task, run) = reviewed(ground, file).await;
    ground.engine.review_approve(&task).await.unwrap();
    ground.until_state(&task, "done").await;
    (task, run)
}

fn recording(ground: &Ground, run: &RunId) -> bool {
    ground.data_dir().join("runs").join(run.as_str()).exists()
}

fn refs(ground: &Ground) -> String {
    git(&ground.mirror(), &["for-each-ref", "--format=%(refname)", "refs/heads/strawboss/", "refs/strawboss/"])
}

#[tokio::test]
async fn what_is_old_goes_and_the_run_says_so() {
    let ground = Ground::started(|_| {}).await;
    let (task, run) = landed(&ground, "one.txt").await;
    assert!(ground.engine.retention().await.kinds.iter().all(|kind| kind.remove.is_empty()), "nothing is old");
    ground.clock.forward(91 * DAY);
    let view = apply(&ground).await;
    assert_eq!((ids(&view, "recordings"), kind(&view, "recordings").remove_bytes), (vec![run.as_str()], Some(5)));
    assert_eq!(kind(&view, "recordings").remove[0].cause, "age");
    let branches =
        [format!("refs/heads/{}", task.branch()), format!("refs/strawboss/merge/{run}"), format!("refs/strawboss/runs/{run}")];
    let branches = branches.map(|reference| format!("{reference} of Demo"));
    assert_eq!(ids(&view, "branches"), branches);
    assert_eq!(ids(&view, "reports"), [""; 0]);
    assert!(!recording(&ground, &run));
    assert_eq!(refs(&ground), "");
    assert!(ground.on_main("one.txt"), "what landed stays");
    let seen = ground.engine.run(&run).await.unwrap();
    assert!(seen.recording_removed_at.is_some() && seen.reports_removed_at.is_none());
    // Whoever looks at the terminal sees an empty one, not an error.
    let mut viewer = ground.engine.session_attach(&run, Some(0)).await.unwrap();
    assert_eq!(viewer.next().await, ViewerFrame::Ended);
    assert!(!ground.engine.run_events(&run, 0, 10).await.unwrap().items.is_empty());
    ground.clock.forward(90 * DAY);
    let view = apply(&ground).await;
    assert_eq!(ids(&view, "reports"), [run.as_str()]);
    assert!(kind(&view, "reports").remove_bytes > Some(0));
    assert_eq!(ground.engine.run_events(&run, 0, 10).await.unwrap().items, []);
    assert_eq!(ground.engine.run(&run).await.unwrap().reports_removed_at, Some(view.at));
    // The evidence itself stays: what was changed can still be seen.
    assert_eq!(ground.engine.run_diff(&run).await.unwrap().stat.files, 1);
}

#[tokio::test]
async fn nothing_goes_of_work_that_waits_runs_or_is_in_no_ref() {
    let ground = Ground::started(|project| project.max_concurrent = 4).await;
    let (waiting, its_run) = reviewed(&ground, "waits.txt").await;
    let live = ground.add("live").await;
    let (live_run, agent) = ground.work(&live, "live.txt").await;
    assert!(agent.print(0, b"hello").await);
    // Withdrawn, not discarded: its ref is all there is of it.
    let stopped = ground.add("stopped").await;
    let (stopped_run, mut agent) = ground.work(&stopped, "stopped.txt").await;
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&stopped, "review").await;
    let mut task = ground.store.task(&stopped).await.unwrap().unwrap();
    task.cancel(ground.clock.now()).unwrap();
    ground.store.commit(&strawboss_core::store::ChangeSet { tasks: vec![task], ..Default::default() }).await.unwrap();
    ground.clock.forward(1000 * DAY);
    let view = ground.engine.retention_apply().await.unwrap();
    assert_eq!(ids(&view, "recordings"), [""; 0]);
    assert_eq!(ids(&view, "reports"), [stopped_run.as_str()]);
    assert_eq!(ids(&view, "branches"), [""; 0]);
    assert!(recording(&ground, &its_run) && recording(&ground, &live_run));
    assert!(ground.runner.has_volume(&its_run) && ground.runner.has_volume(&live_run));
    for task in [&waiting, &live, &stopped] {
        assert!(refs(&ground).contains(&format!("refs/heads/{}", task.branch())), "{}", refs(&ground));
    }
    assert_eq!(ground.engine.run_events(&live_run, 0, 10).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn discarded_work_goes_after_its_time_and_started_again_it_stays() {
    let ground = Ground::started(|_| {}).await;
    let (task, run) = reviewed(&ground, "one.txt").await;
    ground.engine.review_reject(&task, None).await.unwrap();
    assert!(ground.run(&run).await.discarded_at.is_some());
    ground.clock.forward(31 * DAY);
    let branches = [format!("refs/heads/{} of Demo", task.branch()), format!("refs/strawboss/runs/{run} of Demo")];
    assert_eq!(ids(&ground.engine.retention().await, "branches"), branches);
    ground.engine.task_start(&task).await.unwrap();
    assert_eq!(ids(&ground.engine.retention().await, "branches"), [""; 0]);
    assert_eq!(ids(&ground.engine.retention_apply().await.unwrap(), "branches"), [""; 0]);
    assert!(refs(&ground).contains(&task.branch()));
}

#[tokio::test]
async fn a_ref_whose_work_did_not_land_stays_though_its_task_is_done() {
    let ground = Ground::started(|_| {}).await;
    let (_, run) = landed(&ground, "one.txt").await;
    let saved = run.saved_ref();
    ground.push("half.txt", "half done", &saved);
    ground.clock.forward(31 * DAY);
    assert!(!ids(&apply(&ground).await, "branches").is_empty());
    assert_eq!(refs(&ground), saved);
}

#[tokio::test]
async fn by_size_the_oldest_goes_until_the_rest_fits() {
    let mut ground = Ground::started(|_| {}).await;
    let mut runs = Vec::new();
    for file in ["one.txt", "two.txt", "three.txt"] {
        runs.push(landed(&ground, file).await.1);
        ground.clock.forward(Duration::from_secs(1));
    }
    ground.again(|config| config.retention.recordings = Keep { age_ms: None, bytes: Some(12) }).await;
    let view = apply(&ground).await;
    assert_eq!(ids(&view, "recordings"), [runs[0].as_str()]);
    assert_eq!((kind(&view, "recordings").remove[0].cause.as_str(), kind(&view, "recordings").bytes), ("size", Some(15)));
    assert!(!recording(&ground, &runs[0]) && recording(&ground, &runs[1]) && recording(&ground, &runs[2]));
}

#[tokio::test]
async fn a_finished_workspace_is_kept_as_long_as_is_said() {
    let mut ground = Ground::new(|_| {}).await;
    ground.again(|config| config.retention.workspaces = Keep { age_ms: Some(86_400_000), bytes: None }).await;
    let (_, run) = landed(&ground, "one.txt").await;
    assert_eq!(ids(&ground.engine.retention().await, "workspaces"), [""; 0]);
    let rounds = ground.store.calls("sandbox_list_present");
    ground.again(|_| {}).await;
    until("the engine has reconciled", async || (ground.store.calls("sandbox_list_present") > rounds).then_some(())).await;
    assert!(ground.runner.has_volume(&run), "{:?}", ground.runner.all_asked());
    ground.clock.forward(2 * DAY);
    // By this or by reconciliation, whichever comes first.
    ground.engine.retention_apply().await.unwrap();
    until("the volume goes", async || (!ground.runner.has_volume(&run)).then_some(())).await;
}

#[tokio::test]
async fn caches_and_tools_go_when_nobody_used_them_for_long() {
    let ground = Ground::started(|project| project.cache = vec!["/used".to_owned()]).await;
    let long_ago = Timestamp(ground.clock.now().0 - 40 * 86_400_000);
    let cache = |path: &str| {
        let project = ProjectName::parse("Demo").unwrap();
        KeptKind::Cache(Some(Cache { project, purpose: Purpose::Agent, path: path.to_owned() }))
    };
    let folders = [
        ("used", cache("/used"), long_ago),
        ("dropped", cache("/dropped"), long_ago),
        ("young", cache("/young"), ground.clock.now()),
        ("strange", KeptKind::Cache(None), long_ago),
        ("tool", KeptKind::Tool("claude".to_owned()), long_ago),
        ("busy", KeptKind::Tool("claude".to_owned()), long_ago),
    ];
    for (key, kind, used_at) in folders {
        ground.runner.keep(KeptFolder { key: key.to_owned(), kind, bytes: None, used_at });
    }
    ground.runner.use_kept("busy");
    // While a run of its project lives, none of its caches goes.
    let task = ground.add("one").await;
    let (_, mut agent) = ground.work(&task, "one.txt").await;
    assert_eq!(ids(&ground.engine.retention().await, "caches"), [""; 0]);
    agent.done(End::Complete { summary: None }).await;
    ground.until_state(&task, "review").await;
    let view = ground.engine.retention_apply().await.unwrap();
    assert_eq!(ids(&view, "caches"), ["/dropped of Demo (agent)", "strange"]);
    let problems: Vec<_> = kind(&view, "tools").remove.iter().map(|item| item.problem.is_some()).collect();
    assert_eq!(problems, [false, true], "what a sandbox has stays, and that is said");
    assert_eq!(ground.runner.kept_keys(), ["used", "young", "busy"]);
    ground.clock.forward(31 * DAY);
    assert_eq!(ids(&ground.engine.retention().await, "caches"), ["/young of Demo (agent)", "/used of Demo (agent)"]);
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_done_the_next_time() {
    let ground = Ground::started(|_| {}).await;
    let (_, run) = landed(&ground, "one.txt").await;
    ground.clock.forward(91 * DAY);
    // It is said that the recording went, and its files are still there.
    ground.engine.retention_apply().await.unwrap();
    let folder = ground.data_dir().join("runs").join(run.as_str()).join("terminal");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{:016x}-{:016x}-{run}-agent", 0, 0)), "left").unwrap();
    assert_eq!(ids(&apply(&ground).await, "recordings"), [run.as_str()]);
    // A state that cannot be written keeps everything.
    std::fs::create_dir_all(&folder).unwrap();
    ground.store.refuse_commit(|changes| changes.runs.iter().any(|run| run.recording_removed_at.is_some()));
    let view = ground.engine.retention_apply().await.unwrap();
    assert!(kind(&view, "recordings").remove[0].problem.as_deref().unwrap().contains("disk is full"), "{view:?}");
    assert!(folder.is_dir());
}
