//! Things of the policy's world for tests; say only what the test is about.

use std::collections::BTreeMap;
use strawboss_core::project::{AfterMerge, AgentKind, Approval, Limits, Project, Repository, ReviewMode};
use strawboss_core::{ProjectName, Task, TaskId, TaskState, Timestamp};

pub(crate) fn name(text: &str) -> ProjectName {
    ProjectName::parse(text).unwrap()
}

/// Usable, with as many runs at once.
pub(crate) fn project(text: &str, max_concurrent: u32) -> Project {
    Project {
        name: name(text),
        repository: Repository::Directory("/nowhere".into()),
        agent: AgentKind::Claude,
        model: None,
        mode: None,
        image: None,
        setup: Vec::new(),
        checks: Vec::new(),
        cache: Vec::new(),
        checks_cache: Vec::new(),
        env: BTreeMap::new(),
        approval: Approval::Auto,
        review: ReviewMode::Manual,
        tries: 1,
        branch: None,
        limits: Limits::default(),
        allow: Vec::new(),
        internal: Vec::new(),
        max_concurrent,
        after_merge: AfterMerge::None,
        unusable: None,
    }
}

/// Queued.
pub(crate) fn task(id: &str, of: &str) -> Task {
    Task {
        id: TaskId::parse(id).unwrap(),
        project: name(of),
        action: "do it".into(),
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
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        version: 1,
    }
}
