//! The control plane at rest, with a past.

use super::{Size, say};
use crate::proc;
use crate::samples::Samples;
use crate::table::{Aim, Row};
use anyhow::Result;
use std::fmt::Write as _;
use std::time::Duration;
use strawboss_core::project::{AgentKind, AgentMode};
use strawboss_core::run::{CheckResult, Run, Usage};
use strawboss_core::runner::Purpose;
use strawboss_core::store::{ChangeSet, Store as _, StoredReport};
use strawboss_core::{ProjectName, RunOutcome, RunState, Task, TaskId, TaskState, Timestamp};
use strawboss_store::SqlStore;
use strawboss_testkit::{World, WorldOptions};

const GROUP: &str = "at rest";
const PROJECT: &str = "Bench";
/// Reports of each finished run: a short one of a real agent has as many.
const REPORTS: u64 = 20;

pub(crate) async fn measure(size: Size) -> Result<Vec<Row>> {
    let (tasks, settle, watched) = size.of((20, 1, 1), (1000, 10, 20));
    say!("the control plane at rest with {tasks} finished tasks, for {watched} s");
    let mut world = World::new(WorldOptions::default())?;
    world.project(PROJECT, &[("README.md", "# Bench\n")], "agent: shell\n")?;
    let mut text = format!("{}\n", strawboss_testkit::backlog::HEADER);
    for number in 0..tasks {
        writeln!(text, "{PROJECT},1,Completed,shell,2026-01-01T00:00:00Z,Do what row {number} says,,,")?;
    }
    world.backlog().write(&text)?;
    // The program makes its own folder; a past is put into it while it does not run.
    world.start().await?;
    world.stop().await?;
    let store = SqlStore::open_sqlite(&world.data_dir().join("strawboss.db")).await?;
    for number in 0..tasks {
        past(&store, number + 1).await?;
    }
    store.close().await;
    world.start().await?;
    let pid = world.pid()?.as_raw();
    let status = world.get("/api/v1/status").await?;
    anyhow::ensure!(
        status["tasks"].as_array().is_some_and(|counts| counts.iter().any(|one| one["state"] == "done" && one["count"] == tasks)),
        "the past is not known: {status}"
    );
    tokio::time::sleep(Duration::from_secs(settle)).await;
    let resident = proc::rss_mb(pid)?;
    let before = proc::cpu_ms(pid)?;
    tokio::time::sleep(Duration::from_secs(watched)).await;
    let used = proc::cpu_ms(pid)? - before;
    // What a person's browser asks for when it opens the board.
    world.tasks().await?;
    let shown = proc::rss_mb(pid)?;
    world.stop().await?;
    Ok(vec![
        Row::new(GROUP, format!("control plane with {tasks} finished tasks"), "MB resident", Samples::one(resident))
            .aim(Aim::Below(40.0)),
        Row::new(GROUP, "… after the whole board was asked for once", "MB resident", Samples::one(shown)),
        Row::new(GROUP, format!("its CPU over {watched} s"), "ms a second", Samples::one(used / watched as f64))
            .aim(Aim::Below(10.0)),
    ])
}

/// Stores a finished task with its run and what the run reported.
async fn past(store: &SqlStore, number: u64) -> Result<()> {
    let at = Timestamp(1_767_225_600_000 + i64::try_from(number)? * 60_000);
    let project = ProjectName::parse(PROJECT)?;
    let id = TaskId::nth(&project, store.task_numbers_next(&project.slug(), 1).await?);
    let mut task = Task {
        id,
        project: project.clone(),
        action: format!("Do what row {number} says"),
        priority: 1,
        deadline: None,
        needs_gpu: false,
        agent: None,
        model: None,
        mode: None,
        state: TaskState::Queued,
        block: None,
        source: None,
        run: None,
        attempts: 0,
        resume: None,
        machinery_failures: 0,
        sent_back: 0,
        depends_on: Vec::new(),
        not_before: None,
        preempted: false,
        preempted_at: None,
        created_by: None,
        session: None,
        pull_request: None,
        created_at: at,
        updated_at: at,
        version: 0,
    };
    let run_id = task.start(at)?;
    let commit = format!("{number:040x}");
    let mut run = Run {
        task: task.id.clone(),
        project,
        prompt: task.action.clone(),
        state: RunState::Starting,
        waiting_for: None,
        outcome: None,
        outcome_detail: None,
        agent: AgentKind::Shell,
        model: None,
        mode: AgentMode::default(),
        branch: task.id.branch(),
        target: "main".to_owned(),
        base_commit: Some(commit.clone()),
        head_commit: Some(commit.clone()),
        saved_ref: None,
        work_saved: false,
        agent_session: None,
        volume: run_id.clone(),
        resumes: None,
        summary: Some("It is done.".to_owned()),
        checks: vec![CheckResult {
            command: "make test".to_owned(),
            exit_code: Some(0),
            duration_ms: 1200,
            output_tail: "ok\n".repeat(100),
        }],
        checked_commit: Some(commit.clone()),
        approved_at: Some(at),
        merged_commit: Some(commit),
        merge_problem: None,
        session: false,
        usage: Usage::default(),
        refusals: Vec::new(),
        quota_until: None,
        stop_requested: None,
        created_at: at,
        started_at: Some(at),
        finished_at: None,
        heard_at: Some(at),
        progress: None,
        tasks_created: Vec::new(),
        questions: Vec::new(),
        phases_done: Vec::new(),
        discarded_at: None,
        recording_removed_at: None,
        reports_removed_at: None,
        version: 0,
        id: run_id.clone(),
    };
    run.finish(RunOutcome::Succeeded, None, at)?;
    task.submit(at)?;
    task.finish(at)?;
    let sandbox = run_id.sandbox(Purpose::Agent, 1);
    let row = strawboss_core::run::Sandbox {
        id: sandbox.clone(),
        run: run_id.clone(),
        purpose: Purpose::Agent,
        handle: None,
        token_hash: None,
        removed: true,
        created_at: at,
        version: 0,
    };
    let body = r#"{"kind":"step","name":"clone","ok":true,"duration_ms":12,"output_tail":null}"#;
    let reports =
        (1..=REPORTS).map(|seq| StoredReport { sandbox: sandbox.clone(), run: run_id.clone(), seq, at, body: body.to_owned() });
    let changes = ChangeSet {
        tasks: vec![task],
        runs: vec![run],
        sandboxes: vec![row],
        reports: reports.collect(),
        ..ChangeSet::default()
    };
    Ok(store.commit(&changes).await?)
}
