//! The handle on the engine: starts it, stops it, and is what everybody outside holds.

use crate::config::{EngineConfig, Parts};
use crate::error::Refused;
use crate::git::mirror;
use crate::health::{self, Part};
use crate::link::{GitAccess, Reach, SupervisorLink};
use crate::shared::{Shared, lock};
use crate::{host, landing, outbox, proposing, reconcile, retention, scheduler, supervise, sync};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use strawboss_core::project::Catalog;
use strawboss_core::store::{Account, ApiToken};
use strawboss_core::{ProjectName, RunId, SandboxId};
use strawboss_protocol::api::{NewToken, TokenView};
use strawboss_protocol::supervisor::TokenGrant;

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

impl Engine {
    /// Makes the engine without starting anything, so that doors can be wired to it.
    pub fn new(config: EngineConfig, parts: Parts) -> Self {
        Self { shared: Arc::new(Shared::new(config, parts)) }
    }

    /// Starts its loops. What was live goes on.
    pub async fn start(&self) -> Result<(), Refused> {
        let shared = &self.shared;
        scheduler::observe_projects(shared).await;
        health::look(shared).await;
        scheduler::go_on(shared).await?;
        shared.health.note(Part::Engine, "engine", Ok("started".to_owned()), shared.now());
        shared.tracker.spawn(reconcile::run(Arc::clone(shared)));
        shared.tracker.spawn(scheduler::run(Arc::clone(shared)));
        shared.tracker.spawn(scheduler::look(Arc::clone(shared)));
        shared.tracker.spawn(scheduler::write_down(Arc::clone(shared)));
        shared.tracker.spawn(outbox::run(Arc::clone(shared)));
        shared.tracker.spawn(retention::run(Arc::clone(shared)));
        shared.tracker.spawn(host::follow(Arc::clone(shared)));
        for source in shared.config.sources.clone() {
            shared.tracker.spawn(sync::follow(Arc::clone(shared), source));
        }
        for (project, pulls) in shared.config.pull_requests.clone() {
            shared.tracker.spawn(proposing::follow(Arc::clone(shared), project, pulls));
        }
        Ok(())
    }

    /// Starts no run from here on; all else goes on until [`Engine::shutdown`].
    pub fn drain(&self) {
        if !self.shared.draining.load(Ordering::Relaxed) {
            self.shared.drained_at.store(self.shared.now().0, Ordering::Relaxed);
            self.shared.draining.store(true, Ordering::Relaxed);
        }
    }

    /// Starts nothing new, ends its loops and waits for them. Sandboxes go on; the next start adopts them.
    pub async fn shutdown(&self) {
        self.drain();
        self.shared.stop.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
    }

    /// Takes another catalog and number of slots, at once. A project that is gone or has moved to another repository while
    /// runs of it are live stays as it was, so that they come to their end: those are given back.
    pub async fn reconfigure(&self, mut catalog: Catalog, slots: u32) -> Result<Vec<ProjectName>, Refused> {
        let shared = &self.shared;
        // While this is held no run starts.
        let writer = shared.write().await;
        let mut live = shared.parts.store.run_list_live().await?;
        live.extend(landing::accepted_runs(shared).await?);
        let old = shared.catalog();
        let mut kept = Vec::new();
        for name in live.into_iter().map(|run| run.project).collect::<BTreeSet<_>>() {
            let Some(before) = old.projects.get(&name) else { continue };
            if catalog.projects.get(&name).is_none_or(|now| now.repository != before.repository) {
                catalog.projects.insert(name.clone(), before.clone());
                kept.push(name);
            }
        }
        shared.reconfigure(catalog, slots);
        drop(writer);
        scheduler::observe_projects(shared).await;
        shared.nudge.notify_one();
        Ok(kept)
    }

    /// A project as configured.
    pub fn project(&self, name: &ProjectName) -> Option<strawboss_core::Project> {
        self.shared.configured().projects.get(name).cloned()
    }

    /// Makes an API token; the view holds its secret.
    pub async fn token_create(&self, new: NewToken) -> Result<TokenView, Refused> {
        self.shared.token_create(new).await
    }

    /// Tokens without their secrets.
    pub async fn token_list(&self) -> Result<Vec<TokenView>, Refused> {
        self.shared.token_list().await
    }

    /// Ends a token.
    pub async fn token_revoke(&self, id: &str) -> Result<(), Refused> {
        self.shared.token_revoke(id).await
    }

    /// The token that this secret belongs to and that is not over.
    pub async fn token_check(&self, secret: &str) -> Result<Option<ApiToken>, Refused> {
        self.shared.token_check(secret).await
    }

    /// Makes an account, from a hash of its password.
    pub async fn account_add(&self, name: &str, password_hash: String, scope: &str) -> Result<Account, Refused> {
        self.shared.account_add(name, password_hash, scope).await
    }

    /// An account, if there is one of that name.
    pub async fn account(&self, name: &str) -> Result<Option<Account>, Refused> {
        self.shared.account(name).await
    }

    /// The account that a token, by its id, was given to.
    pub async fn account_by_token(&self, token: &str) -> Result<Account, Refused> {
        self.shared.account_by_token(token).await
    }

    /// Keeps another list of projects with the account that a token was given to.
    pub async fn account_projects(&self, token: &str, projects: Vec<String>) -> Result<Account, Refused> {
        self.shared.account_projects(token, projects).await
    }

    /// Makes a token for an account whose password was right: its secret.
    pub async fn account_sign_in(&self, account: &Account) -> Result<String, Refused> {
        self.shared.account_sign_in(account).await
    }

    /// Gives a door's first caller the control token; refused ever after.
    pub async fn door_token(&self, sandbox: &SandboxId) -> Result<TokenGrant, Refused> {
        supervise::grant(&self.shared, sandbox).await
    }

    /// Takes a supervisor's connection.
    pub fn door_connect(&self, sandbox: &SandboxId, bearer: &str) -> Result<SupervisorLink, Refused> {
        supervise::connect(&self.shared, sandbox, bearer)
    }

    /// What the sandbox may do with its mirror.
    pub fn door_git(&self, sandbox: &SandboxId) -> Result<GitAccess, Refused> {
        lock(&self.shared.present)
            .get(sandbox)
            .map(|present| present.git.clone())
            .ok_or_else(|| Refused::not_found("sandbox", sandbox))
    }

    /// What else the sandbox may reach.
    pub fn door_reach(&self, sandbox: &SandboxId) -> Result<Reach, Refused> {
        lock(&self.shared.present)
            .get(sandbox)
            .map(|present| present.reach.clone())
            .ok_or_else(|| Refused::not_found("sandbox", sandbox))
    }

    /// The project's mirror that a run works on, for people who want the branch: its path.
    pub async fn run_mirror(&self, run: &RunId) -> Result<std::path::PathBuf, Refused> {
        let run = crate::queries::load_run(&self.shared, run).await?;
        let project = self.shared.project(&run.project).ok_or_else(|| Refused::not_found("project", &run.project))?;
        Ok(mirror::path_of(self.shared.data_dir(), &project))
    }

    /// Now, by the engine's clock.
    pub fn clock_now(&self) -> strawboss_core::Timestamp {
        self.shared.now()
    }
}
