//! Reads the configuration again while the service runs, by SIGHUP or by the API: all that can change live does at once,
//! the rest is said by name, and a configuration with an error changes nothing.

use super::{catalog, providers};
use crate::config::settings::{Backup, Log, Runner, Server, Settings};
use crate::config::{self, Flags};
use crate::environment::Environment;
use crate::logging::Logging;
use crate::logging::files::Bounds;
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

/// A setting's name, and whether it differs.
type Differs = (&'static str, bool);

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

/// The names of what differs and needs a restart. Sections are taken apart in whole: a setting that is new does not compile
/// until it is said here, or named among those that hold at once.
fn after_restart(old: &Settings, new: &Settings) -> Vec<String> {
    let Settings {
        server,
        database,
        backlogs,
        projects: _,
        pull_requests,
        projects_dir: _,
        models: _,
        agents: _,
        providers: _,
        runner,
        scheduler,
        sessions,
        retention,
        log,
        backup,
    } = old;
    let mut differ = vec![
        ("database", *database != new.database),
        ("backlogs", *backlogs != new.backlogs),
        ("projects.*.pull_request", *pull_requests != new.pull_requests),
        ("scheduler", *scheduler != new.scheduler),
        ("sessions", *sessions != new.sessions),
        ("retention", *retention != new.retention),
    ];
    differ.extend(server_after_restart(server, &new.server));
    differ.extend(runner_after_restart(runner, &new.runner));
    differ.extend(log_after_restart(log, &new.log));
    differ.extend(backup_after_restart(backup.as_ref(), new.backup.as_ref()));
    let mut names: Vec<String> = differ.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names
}

fn server_after_restart(old: &Server, new: &Server) -> impl IntoIterator<Item = Differs> + use<> {
    let Server {
        listen,
        legacy_listen,
        data_dir,
        doors_dir,
        public_names,
        public_url,
        trusted_proxies,
        registration,
        metrics_on_loopback,
    } = old;
    [
        ("server.listen", *listen != new.listen),
        ("server.legacy_listen", *legacy_listen != new.legacy_listen),
        ("server.data_dir", *data_dir != new.data_dir),
        ("server.doors_dir", *doors_dir != new.doors_dir),
        ("server.public_names", *public_names != new.public_names),
        ("server.public_url", *public_url != new.public_url),
        ("server.trusted_proxies", *trusted_proxies != new.trusted_proxies),
        ("server.registration", *registration != new.registration),
        ("server.metrics_on_loopback", *metrics_on_loopback != new.metrics_on_loopback),
    ]
}

fn runner_after_restart(old: &Runner, new: &Runner) -> impl IntoIterator<Item = Differs> + use<> {
    let Runner { kind, max_concurrent: _, host, doors_volume, image, gpus } = old;
    [
        ("runner.type", *kind != new.kind),
        ("runner.host", *host != new.host),
        ("runner.doors_volume", *doors_volume != new.doors_volume),
        ("runner.image", *image != new.image),
        ("runner.gpus", *gpus != new.gpus),
    ]
}

fn log_after_restart(old: &Log, new: &Log) -> impl IntoIterator<Item = Differs> + use<> {
    let Log { level: _, format, files } = old;
    // How much is kept says nothing where there are no files.
    let both = files.zip(new.files);
    let differs = |what: fn(&Bounds, &Bounds) -> bool| both.is_some_and(|(old, new)| what(&old, &new));
    [
        ("log.format", *format != new.format),
        ("log.files", files.is_some() != new.files.is_some()),
        ("log.max_size", differs(|old, new| old.bytes != new.bytes)),
        ("log.max_age", differs(|old, new| old.age != new.age)),
    ]
}

fn backup_after_restart(old: Option<&Backup>, new: Option<&Backup>) -> Vec<Differs> {
    let (Some(old), Some(new)) = (old, new) else { return vec![("backup", old != new)] };
    let Backup { folder, every, keep, keep_age, recipients } = old;
    vec![
        ("backup.folder", *folder != new.folder),
        ("backup.every", *every != new.every),
        ("backup.keep", *keep != new.keep),
        ("backup.keep_age", *keep_age != new.keep_age),
        ("backup.recipients", *recipients != new.recipients),
    ]
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
