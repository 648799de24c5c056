//! What the engine is started with.

use crate::host::HostTerminals;
use crate::ports::{Clock, Doors};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::ProjectName;
use strawboss_core::backlog::{Backlog, BacklogStatus};
use strawboss_core::policy::Habits;
use strawboss_core::project::Catalog;
use strawboss_core::pull_request::PullRequests;
use strawboss_core::runner::{Runner, Tool};
use strawboss_core::store::Store;

/// A source of work and how it is spoken to.
#[derive(Clone)]
pub struct Source {
    /// The source.
    pub backlog: Arc<dyn Backlog>,
    /// What In Review reads as, for readers that do not know it.
    pub in_review: BacklogStatus,
}

/// What is configured.
#[derive(Clone)]
pub struct EngineConfig {
    /// Where mirrors, recordings and doors lie.
    pub data_dir: PathBuf,
    /// Projects, models, agents.
    pub catalog: Catalog,
    /// Where work comes from.
    pub sources: Vec<Source>,
    /// Where projects' work is proposed as pull requests.
    pub pull_requests: BTreeMap<ProjectName, Arc<dyn PullRequests>>,
    /// Runs at once.
    pub slots: u32,
    /// GPUs that sandboxes can be given.
    pub gpus: u32,
    /// The supervisor's folder, with `bin/strawboss-supervisor`.
    pub supervisor: Tool,
    /// What the scheduler does by itself.
    pub habits: Habits,
    /// How long a task that was preempted is left in peace.
    pub preempt_interval: Duration,
    /// The longest time between two rounds of the scheduler.
    pub tick: Duration,
    /// How long an agent has to end when its run is stopped, before its processes are killed and its work saved.
    pub stop_grace: Duration,
    /// How long an agent's question is held for its answer. Some clients of MCP give a call up after a minute, whatever they
    /// are told; after this the answer comes as a line in the agent's session.
    pub answer_wait: Duration,
    /// How long a running sandbox may be silent before its run is taken for lost.
    pub silence_limit: Duration,
    /// The wait after the first failure of the machinery; it doubles with each.
    pub backoff: Duration,
    /// How often the machinery may fail in a row before a person is asked.
    pub machinery_tries: u32,
    /// How many bytes of reports of one sandbox are stored, before nothing more is taken from it.
    pub report_limit: u64,
    /// The address that people open, without a path, when it is configured: reports link to it.
    pub public_url: Option<String>,
    /// What is kept for how long.
    pub retention: strawboss_core::retention::Retention,
    /// Sessions in sandboxes of their own.
    pub shells: crate::shells::ShellHabits,
    /// The host's own terminals; none: they are not served.
    pub host: Option<HostTerminals>,
    /// This program's version, for people.
    pub version: String,
}

impl EngineConfig {
    /// A configuration with the usual waits.
    pub fn new(data_dir: PathBuf, catalog: Catalog, supervisor: Tool) -> Self {
        Self {
            data_dir,
            catalog,
            sources: Vec::new(),
            pull_requests: BTreeMap::new(),
            slots: 2,
            gpus: 0,
            supervisor,
            habits: Habits { preempt: true, resume: true },
            preempt_interval: Duration::from_mins(10),
            tick: Duration::from_secs(5),
            stop_grace: Duration::from_secs(10),
            answer_wait: Duration::from_secs(50),
            silence_limit: Duration::from_mins(5),
            backoff: Duration::from_secs(1),
            machinery_tries: 6,
            report_limit: strawboss_protocol::supervisor::MAX_SANDBOX_REPORTS,
            public_url: None,
            retention: strawboss_core::retention::Retention::default(),
            shells: crate::shells::ShellHabits::default(),
            host: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// What the engine reaches the world through.
#[derive(Clone)]
pub struct Parts {
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// Sandboxes.
    pub runner: Arc<dyn Runner>,
    /// Their doors.
    pub doors: Arc<dyn Doors>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}
