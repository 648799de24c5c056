//! Entities to store: small ones, and ones with every field filled.

use strawboss_core::backlog::{BacklogStatus, SourceLink, Ticket, TicketTrigger};
use strawboss_core::project::{AgentKind, AgentMode};
use strawboss_core::pull_request::{PullRequestLink, PullRequestState};
use strawboss_core::run::{
    Answer, CheckResult, PhaseClaim, Progress, Question, Refusal, Run, RunOutcome, RunState, Sandbox, StopReason, Usage,
};
use strawboss_core::runner::Purpose;
use strawboss_core::session::ShellSession;
use strawboss_core::store::{ChangeSet, NewMessage, Store, StoreError, StoredReport};
use strawboss_core::task::{BlockCode, BlockReason, Resume, Task, TaskState};
use strawboss_core::{Date, Dependency, ProjectName, SandboxId, SessionId, TaskId, Timestamp};

/// Text with what databases and encodings stumble over.
pub const HARD_TEXT: &str =
    "it's \"5\" \\ $1 ?1 %s; DROP TABLE tasks;-- \u{0} \u{1F600} 日本語 e\u{301} \u{202e}\r\n\t\u{ffff} </script>";

/// The `number`th task of a project, queued, with nothing that it need not have.
pub fn task_of(project: &str, number: u64) -> Task {
    let project = ProjectName::parse(project).expect("the suite's own names are valid");
    Task {
        id: TaskId::nth(&project, number),
        project,
        action: "Do it".to_owned(),
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
        created_at: Timestamp(1_000),
        updated_at: Timestamp(1_000),
        version: 0,
    }
}

/// The `number`th task of the project `Sample`.
pub fn task(number: u64) -> Task {
    task_of("Sample", number)
}

/// A task's `attempt`th run, just made, so live.
pub fn run(task: &Task, attempt: u32) -> Run {
    let id = task.id.run(attempt);
    Run {
        task: task.id.clone(),
        project: task.project.clone(),
        prompt: "Do it".to_owned(),
        state: RunState::Starting,
        waiting_for: None,
        outcome: None,
        outcome_detail: None,
        agent: AgentKind::Shell,
        model: None,
        mode: AgentMode::default(),
        branch: task.id.branch(),
        target: "main".to_owned(),
        session: false,
        base_commit: None,
        head_commit: None,
        saved_ref: None,
        work_saved: false,
        agent_session: None,
        volume: id.clone(),
        resumes: None,
        summary: None,
        checks: Vec::new(),
        checked_commit: None,
        merged_commit: None,
        merge_problem: None,
        usage: Usage::default(),
        refusals: Vec::new(),
        stop_requested: None,
        approved_at: None,
        quota_until: None,
        created_at: Timestamp(2_000),
        started_at: None,
        finished_at: None,
        heard_at: None,
        progress: None,
        tasks_created: Vec::new(),
        questions: Vec::new(),
        phases_done: Vec::new(),
        discarded_at: None,
        recording_removed_at: None,
        reports_removed_at: None,
        version: 0,
        id,
    }
}

/// The same run, over.
pub fn finished(mut run: Run) -> Run {
    run.finish(RunOutcome::Succeeded, None, Timestamp(3_000)).expect("a live run can finish");
    run
}

/// A run's `number`th sandbox for its agent.
pub fn sandbox(run: &Run, number: u32) -> Sandbox {
    Sandbox {
        id: run.id.sandbox(Purpose::Agent, number),
        run: run.id.clone(),
        purpose: Purpose::Agent,
        handle: None,
        token_hash: None,
        removed: false,
        created_at: Timestamp(2_500),
        version: 0,
    }
}

/// A report of a sandbox.
pub fn report(sandbox: &SandboxId, seq: u64, body: &str) -> StoredReport {
    StoredReport { sandbox: sandbox.clone(), run: sandbox.run(), seq, at: Timestamp(2_600), body: body.to_owned() }
}

/// A message of the outbox.
pub fn message(key: &str, topic: &str, payload: &str, at: i64) -> NewMessage {
    NewMessage { key: key.to_owned(), topic: topic.to_owned(), payload: payload.to_owned(), at: Timestamp(at) }
}

/// A change set that adds one task.
pub fn adds(task: &Task) -> ChangeSet {
    ChangeSet { tasks: vec![task.clone()], ..ChangeSet::default() }
}

/// A task with every field filled.
pub fn full_task(number: u64) -> Task {
    let task = task_of("Größe & \"Maß\" 日本", number);
    Task {
        action: HARD_TEXT.to_owned(),
        priority: u32::MAX,
        deadline: Date::parse("2028-02-29"),
        needs_gpu: true,
        agent: Some("claude".to_owned()),
        model: Some(HARD_TEXT.to_owned()),
        mode: Some(AgentMode::Interactive),
        state: TaskState::Blocked,
        block: Some(BlockReason::new(BlockCode::MachineryFailed, HARD_TEXT, "Look.")),
        source: Some(SourceLink {
            source: "csv:priorities.csv".to_owned(),
            native_ref: HARD_TEXT.to_owned(),
            row_status: BacklogStatus::InProgress,
            detached: false,
            is_ticket: true,
            url: Some("https://tracker.example/issues/7".to_owned()),
            ticket: Some(Box::new(Ticket {
                id: "WEB-7".to_owned(),
                uuid: "4af68566-94a4-4eb3-94aa-50dc9427067b".to_owned(),
                project_id: HARD_TEXT.to_owned(),
                trigger: TicketTrigger::CommentAdded,
            })),
        }),
        run: Some(task.id.run(7)),
        attempts: 7,
        resume: Some(Resume { run: task.id.run(7), comment: Some(HARD_TEXT.to_owned()) }),
        machinery_failures: 3,
        sent_back: 2,
        depends_on: vec![
            Dependency { name: "id:7 · ü".to_owned(), task: Some(TaskId::parse("antenna-7").unwrap()) },
            Dependency { name: "id:none".to_owned(), task: None },
        ],
        not_before: Some(Timestamp(i64::MAX)),
        preempted: true,
        preempted_at: Some(Timestamp(7)),
        created_by: Some(task.id.run(9)),
        session: Some(ShellSession {
            name: SessionId::parse("Build_1-a").unwrap(),
            owner: HARD_TEXT.to_owned(),
            private: true,
            image: Some(HARD_TEXT.to_owned()),
            command: Some(HARD_TEXT.to_owned()),
        }),
        pull_request: Some(Box::new(PullRequestLink {
            number: u64::MAX,
            url: HARD_TEXT.to_owned(),
            state: PullRequestState::Closed,
            head: "abc".to_owned(),
            heard: Some(Timestamp(7)),
        })),
        created_at: Timestamp(i64::MIN),
        updated_at: Timestamp(-1),
        ..task
    }
}

/// A run with every field filled.
pub fn full_run(task: &Task, attempt: u32) -> Run {
    let run = run(task, attempt);
    Run {
        prompt: HARD_TEXT.to_owned(),
        state: RunState::Finished,
        waiting_for: Some("a permission".to_owned()),
        outcome: Some(RunOutcome::TimedOut),
        outcome_detail: Some(HARD_TEXT.to_owned()),
        agent: AgentKind::Claude,
        session: true,
        model: Some("model".to_owned()),
        base_commit: Some("a".repeat(40)),
        head_commit: Some("b".repeat(40)),
        saved_ref: Some(run.id.saved_ref()),
        work_saved: true,
        agent_session: Some("session".to_owned()),
        resumes: Some(task.id.run(1)),
        summary: Some(HARD_TEXT.to_owned()),
        checks: vec![
            CheckResult {
                command: HARD_TEXT.to_owned(),
                exit_code: Some(i32::MIN),
                duration_ms: u64::MAX,
                output_tail: HARD_TEXT.to_owned(),
            },
            CheckResult { command: "true".to_owned(), exit_code: None, duration_ms: 0, output_tail: String::new() },
        ],
        checked_commit: Some("b".repeat(40)),
        merged_commit: Some("c".repeat(40)),
        merge_problem: Some(HARD_TEXT.to_owned()),
        usage: Usage {
            requests: u64::MAX,
            input_tokens: u64::MAX - 1,
            output_tokens: 1 << 53,
            cache_read_tokens: (1 << 53) + 1,
            cache_write_tokens: 5,
            cost_microusd: 6,
        },
        refusals: vec![Refusal {
            target: "example.com:443".to_owned(),
            reason: HARD_TEXT.to_owned(),
            known_probe: true,
            count: u64::MAX,
            last_at: Timestamp(9),
        }],
        stop_requested: Some(StopReason::RowPaused),
        approved_at: Some(Timestamp(4)),
        quota_until: Some(Timestamp(5)),
        started_at: Some(Timestamp(1)),
        finished_at: Some(Timestamp(2)),
        heard_at: Some(Timestamp(3)),
        progress: Some(Progress { text: HARD_TEXT.to_owned(), percent: Some(100), at: Timestamp(i64::MAX) }),
        tasks_created: vec![task.id.clone()],
        questions: vec![Question {
            number: 1,
            text: HARD_TEXT.to_owned(),
            choices: vec![HARD_TEXT.to_owned()],
            at: Timestamp(0),
            answer: Some(Answer { text: HARD_TEXT.to_owned(), by: "admin".to_owned(), at: Timestamp(i64::MAX) }),
            told_at: Some(Timestamp(1)),
        }],
        phases_done: vec![PhaseClaim { native_ref: HARD_TEXT.to_owned(), phase: u32::MAX, title: String::new() }],
        discarded_at: Some(Timestamp(6)),
        recording_removed_at: Some(Timestamp(7)),
        reports_removed_at: Some(Timestamp(8)),
        ..run
    }
}

/// A sandbox with every field filled.
pub fn full_sandbox(run: &Run, number: u32) -> Sandbox {
    Sandbox {
        id: run.id.sandbox(Purpose::Checks, number),
        purpose: Purpose::Checks,
        handle: Some(HARD_TEXT.to_owned()),
        token_hash: Some("d".repeat(64)),
        removed: true,
        ..sandbox(run, number)
    }
}

/// Reads a task, adds one to its attempts and writes it, until nobody came in between.
pub async fn count_up(store: &dyn Store, id: &TaskId) {
    // More than enough among a handful of writers: a store that never lets one through shall fail, not hang.
    for _ in 0..10_000 {
        let mut task = store.task(id).await.unwrap().expect("the task is there");
        task.attempts += 1;
        match store.commit(&adds(&task)).await {
            Ok(()) => return,
            Err(StoreError::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("each of 10000 writes was refused");
}
