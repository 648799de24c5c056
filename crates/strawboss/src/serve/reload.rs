//! Reads the configuration again while the service runs, by SIGHUP or by the API: all that can change live does at once,
//! the rest is said by name, and a configuration with an error changes nothing.

use super::{catalog, providers};
use crate::config::settings::Settings;
use crate::config::{self, Flags};
use crate::environment::Environment;
use crate::logging::Logging;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use strawboss_core::meter::Meter;
use strawboss_engine::Engine;
use strawboss_protocol::api::ReloadView;
use strawboss_server::Reload;
use strawboss_server::door::gateway::GatewayWays;
use tokio::sync::Mutex;

/// What is changed by a reload.
pub(super) struct Live {
    pub(super) engine: Engine,
    pub(super) ways: GatewayWays,
    pub(super) logging: Logging,
}

/// See the module.
pub(super) struct Reloader {
    /// As the service was started: flags overrule the file as before.
    flags: Flags,
    /// What holds; for what needs a restart, what was started with.
    settings: Mutex<Settings>,
    live: OnceLock<Live>,
}

/// The names of what differs between two mappings, each with the section's name before it.
fn differing<K: Ord + ToString, V: PartialEq>(section: &str, old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Vec<String> {
    let mut names: Vec<String> = old
        .keys()
        .chain(new.keys())
        .filter(|name| old.get(name) != new.get(name))
        .map(|name| format!("{section}.{}", name.to_string()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The names of what differs and needs a restart.
fn after_restart(old: &Settings, new: &Settings) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: &str, differs: bool| {
        if differs {
            names.push(name.to_owned());
        }
    };
    add("server.listen", old.server.listen != new.server.listen);
    add("server.data_dir", old.server.data_dir != new.server.data_dir);
    add("server.legacy_listen", old.server.legacy_listen != new.server.legacy_listen);
    add("server.doors_dir", old.server.doors_dir != new.server.doors_dir);
    add("server.public_names", old.server.public_names != new.server.public_names);
    add("server.trusted_proxies", old.server.trusted_proxies != new.server.trusted_proxies);
    add("server.metrics_on_loopback", old.server.metrics_on_loopback != new.server.metrics_on_loopback);
    add("server.registration", old.server.registration != new.server.registration);
    add("database", old.database != new.database);
    add("backlogs", old.backlogs != new.backlogs);
    add("projects.*.pull_request", old.pull_requests != new.pull_requests);
    add("runner.type", old.runner.kind != new.runner.kind);
    add("runner.host", old.runner.host != new.runner.host);
    add("runner.doors_volume", old.runner.doors_volume != new.runner.doors_volume);
    add("runner.image", old.runner.image != new.runner.image);
    add("runner.gpus", old.runner.gpus != new.runner.gpus);
    add("scheduler", old.scheduler != new.scheduler);
    add("sessions", old.sessions != new.sessions);
    add("retention", old.retention != new.retention);
    add("log.format", old.log.format != new.log.format);
    add("log.files", old.log.files != new.log.files);
    names
}

impl Reloader {
    /// For a service that was started with these.
    pub(super) fn new(flags: Flags, settings: Settings) -> Arc<Self> {
        Arc::new(Self { flags, settings: Mutex::new(settings), live: OnceLock::new() })
    }

    /// From here on there is something to change.
    pub(super) fn start(&self, live: Live) {
        // The wiring calls this once.
        let _ = self.live.set(live);
    }

    async fn again(&self) -> Result<ReloadView, String> {
        let Some(live) = self.live.get() else { return Err("the service is still starting".to_owned()) };
        let mut held = self.settings.lock().await;
        // Files of secrets may hold others than before.
        let environment = Environment::of_process();
        let config = config::load(&self.flags, &environment).map_err(|error| error.to_string())?;
        let new = config.settings;
        // Everything that can fail comes before everything that changes.
        let meter: Arc<dyn Meter> = Arc::new(live.engine.clone());
        let models = providers::model_proxy(&new, &environment, meter).map_err(|failure| failure.to_string())?;
        let mut view = ReloadView {
            after_restart: after_restart(&held, &new),
            warnings: config.report.warnings().map(|problem| problem.message.clone()).collect(),
            ..ReloadView::default()
        };
        let kept = live.engine.reconfigure(catalog(&new, &environment), new.runner.max_concurrent).await;
        let kept = kept.map_err(|refused| format!("the projects could not be changed: {refused}"))?;
        live.ways.set_models(models);
        view.changed.extend(differing("projects", &held.projects, &new.projects));
        view.changed.extend(differing("models", &held.models, &new.models));
        let by_name = |settings: &Settings| -> BTreeMap<_, _> {
            settings.providers.iter().map(|provider| (provider.name.clone(), provider.clone())).collect()
        };
        view.changed.extend(differing("providers", &by_name(&held), &by_name(&new)));
        if held.agents != new.agents {
            view.changed.push("agents".to_owned());
        }
        if held.runner.max_concurrent != new.runner.max_concurrent {
            view.changed.push("runner.max_concurrent".to_owned());
        }
        if held.log.level != new.log.level {
            match live.logging.set_level(&new.log.level) {
                Ok(()) => view.changed.push("log.level".to_owned()),
                Err(why) => tracing::warn!(why, "the log's level could not be changed"),
            }
        }
        view.kept = kept.iter().map(ToString::to_string).collect();
        view.changed.retain(|name| !view.kept.iter().any(|kept| *name == format!("projects.{kept}")));
        for kept in &kept {
            tracing::warn!(project = %kept, "a project is gone or has moved: it stays as it was while runs of it are live");
        }
        // What needs a restart is compared with what was started with, the next time too.
        held.projects = new.projects;
        for name in &kept {
            if let Some(project) = live.engine.project(name) {
                held.projects.insert(name.clone(), project);
            }
        }
        held.models = new.models;
        held.providers = new.providers;
        held.agents = new.agents;
        held.runner.max_concurrent = new.runner.max_concurrent;
        held.log.level = new.log.level;
        Ok(view)
    }
}

#[async_trait::async_trait]
impl Reload for Reloader {
    async fn reload(&self) -> Result<ReloadView, String> {
        let done = self.again().await;
        match &done {
            Ok(view) => tracing::info!(
                changed = view.changed.join(", "),
                after_restart = view.after_restart.join(", "),
                kept = view.kept.join(", "),
                "the configuration was read again"
            ),
            Err(wrong) => tracing::error!("the configuration was read again and is wrong; nothing has changed: {wrong}"),
        }
        done
    }
}

/// The file that a reload reads is found from where the service was started, wherever that was.
pub(super) fn settled(flags: Flags, file: Option<PathBuf>) -> Flags {
    Flags { config: file.or(flags.config), ..flags }
}
