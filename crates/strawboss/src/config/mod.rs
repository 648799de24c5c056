//! The configuration: `strawboss.yaml`, then the environment, then flags; everything that is wrong in any of them is
//! reported together.
//!
//! It parses and checks; it opens no repository and starts nothing.

mod address;
pub(crate) mod backlogs;
mod backup;
mod folders;
pub(crate) mod github;
mod github_access;
pub(crate) mod origin;
mod plane;
pub(crate) mod problem;
mod projects;
pub(crate) mod pull_requests;
mod retention;
mod sections;
mod service;
mod sessions;
pub(crate) mod settings;
mod sheets;
pub(crate) mod suggest;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod units;
pub(crate) mod yaml;

use crate::environment::{self, Environment};
use problem::{Problem, Problems, Report};
pub(crate) use projects::is_secret_name;
use settings::{Backlog, Settings};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use strawboss_core::project::{AgentKind, ModelEntry};
use table::{Field, Table};

/// The file's usual name.
pub(crate) const FILE: &str = "strawboss.yaml";
/// Where the service listens when nothing else is said.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);
/// The image that the project itself builds.
pub(crate) const DEFAULT_IMAGE: &str = "strawboss/sandbox:latest";
/// The provider that agents use when a model names none.
pub(crate) const DEFAULT_PROVIDER: &str = "anthropic";
/// A configuration is a page or two; what is larger is another file.
const FILE_MAX: u64 = 1 << 20;

/// What flags say, as written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// `--config`
    pub(crate) config: Option<PathBuf>,
    /// `--listen`
    pub(crate) listen: Option<String>,
    /// `--data-dir`
    pub(crate) data_dir: Option<String>,
    /// `--runner`
    pub(crate) runner: Option<String>,
    /// `--max-concurrent`
    pub(crate) max_concurrent: Option<String>,
}

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file.
    pub(crate) file: PathBuf,
    /// What it says.
    pub(crate) settings: Settings,
    /// What is doubtful in it.
    pub(crate) report: Report,
    /// What the file says, as a tree: where a value was said.
    pub(crate) root: yaml::Node,
    /// Whether there is a file; without one, `file` is where it would be.
    pub(crate) is_file: bool,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// There is no file.
    #[error("there is no {FILE} in {} or above it", folder.display())]
    NoFile {
        /// Where was looked.
        folder: PathBuf,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It is wrong.
    #[error(transparent)]
    Wrong(Box<Report>),
}

/// The file that is meant: as named, else the nearest one from here upwards.
pub(crate) fn find(named: Option<&Path>, environment: &Environment) -> Result<PathBuf, ConfigError> {
    let here =
        std::env::current_dir().map_err(|error| ConfigError::Unreadable { path: PathBuf::from("."), why: error.to_string() })?;
    let named = named.map(Path::to_owned).or_else(|| environment.get(&environment::CONFIG).map(PathBuf::from));
    if let Some(named) = named {
        return Ok(here.join(named));
    }
    let found = here.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file());
    found.ok_or(ConfigError::NoFile { folder: here })
}

/// Whether variables say enough for a service that has no file.
fn environment_is_enough(flags: &Flags, environment: &Environment) -> bool {
    let enough = [&environment::DATA_DIR, &environment::PROJECTS_DIR, &environment::BACKLOG, &environment::SPREADSHEET];
    flags.data_dir.is_some() || enough.iter().any(|variable| environment.get(variable).is_some())
}

/// Finds and reads the configuration.
pub(crate) fn load(flags: &Flags, environment: &Environment) -> Result<Config, ConfigError> {
    let nowhere = |folder: PathBuf, text: &str| match parse(&folder.join(FILE), text, flags, environment) {
        Ok(config) => Ok(Config { is_file: false, ..config }),
        Err(ConfigError::Wrong(report)) => {
            let path = (!text.is_empty()).then(|| PathBuf::from(environment::CONFIG_TEXT.name));
            Err(ConfigError::Wrong(Box::new(Report { path, ..*report })))
        }
        Err(other) => Err(other),
    };
    if let Some(text) = environment.get(&environment::CONFIG_TEXT) {
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        if flags.config.is_some() || environment.get(&environment::CONFIG).is_some() {
            let message = format!("{} stands beside a file that is named", environment::CONFIG_TEXT.name);
            let problem = Problem::of(environment::CONFIG_TEXT.name, message).hint("Keep one of the two.");
            return Err(ConfigError::Wrong(Box::new(Report { path: None, text: String::new(), problems: vec![problem] })));
        }
        return nowhere(folder, text);
    }
    let file = match find(flags.config.as_deref(), environment) {
        Err(ConfigError::NoFile { folder }) if environment_is_enough(flags, environment) => return nowhere(folder, ""),
        found => found?,
    };
    let unreadable = |why: String| ConfigError::Unreadable { path: file.clone(), why };
    let size = std::fs::metadata(&file).map_err(|error| unreadable(error.to_string()))?;
    if !size.is_file() {
        return Err(unreadable("it is no file".to_owned()));
    }
    if size.len() > FILE_MAX {
        return Err(unreadable(format!("it is larger than {} KiB, which no configuration is", FILE_MAX >> 10)));
    }
    let bytes = std::fs::read(&file).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| unreadable(format!("byte {} is not UTF-8; save it as UTF-8", error.utf8_error().valid_up_to() + 1)))?;
    parse(&file, &text, flags, environment)
}

/// Reads the configuration from a text that stands in `file`.
pub(crate) fn parse(file: &Path, text: &str, flags: &Flags, environment: &Environment) -> Result<Config, ConfigError> {
    let mut problems = Problems::new();
    // A byte order mark is no part of YAML's text, and editors that write one hide it.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
    let root = yaml::parse(&body, &mut problems);
    let folder = file.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let empty = yaml::Node { span: 0..0, value: yaml::Value::Null };
    // What could not be parsed is not judged any further: every key would be missing.
    let broken = root.is_none() && !problems.is_empty();
    let root = root.unwrap_or(empty);
    for variable in environment::SECRETS.iter().filter(|variable| **variable != environment::TOKEN) {
        if let Some(why) = environment.trouble(variable) {
            problems.push(Problem::of(variable.name, why).hint("Name a file that this user may read, or unset it."));
        }
    }
    let settings = Table::of(&Field { node: &root, path: String::new() }, &mut problems)
        .and_then(|table| read(table, &folder, flags, environment, &mut problems));
    if broken {
        problems.retain(|problem| problem.span.is_some() || problem.origin.is_some());
    }
    let report = Report { path: Some(shown(file)), text: body, problems };
    match settings {
        Some(settings) if report.errors().next().is_none() => {
            Ok(Config { file: file.to_owned(), settings, report, root, is_file: true })
        }
        _ => Err(ConfigError::Wrong(Box::new(report))),
    }
}

/// A path as people know it: relative where it is below the current folder.
fn shown(file: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|here| file.strip_prefix(here).map(Path::to_owned).ok())
        .unwrap_or_else(|| file.to_owned())
}

/// Says which of the file's backlogs a variable takes away; none: it names the one that the file names.
fn overruled(field: &Field<'_>, written: &[Backlog], named: &[Backlog]) -> Option<Problem> {
    let lost: Vec<String> =
        written.iter().filter(|one| !named.iter().any(|named| named.file() == one.file())).map(ToString::to_string).collect();
    let name = environment::BACKLOG.name;
    let only = named.first()?;
    let message = format!("{name} names {only} and overrules `backlogs`: nothing is read of {}", lost.join(", "));
    let hint = format!("Unset {name} for what stands here, or remove `backlogs` here for what {name} names.");
    (!lost.is_empty()).then(|| Problem::at(field.node.span.clone(), message).hint(hint).into_warning())
}

fn read(
    mut table: Table<'_>,
    folder: &Path,
    flags: &Flags,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Settings> {
    let server = service::server(table.table("server", problems), folder, flags, environment, problems);
    let database = service::database(table.get("database").as_ref(), environment, problems);
    let written = table.get("backlogs");
    let backlogs = written.as_ref().map(|field| backlogs::backlogs(field, folder, problems));
    let mut backlogs = match environment.get(&environment::BACKLOG) {
        Some(text) => {
            let named = folders::backlog(text, problems)?;
            problems.extend(written.and_then(|field| overruled(&field, &backlogs.unwrap_or_default(), &named)));
            named
        }
        None if table.has("backlogs") => backlogs.unwrap_or_default(),
        None => sheets::automatic(folder, environment, problems),
    };
    let mut agents = table.table("agents", problems).map(|table| sections::agents(table, folder, problems)).unwrap_or_default();
    if let Some(command) = environment.get(&environment::SHELL_COMMAND) {
        agents.shell = Some(command.to_owned());
    }
    let named_providers = table.table("providers", problems);
    let providers = match &named_providers {
        Some(table) => sections::providers(table, folder, problems),
        None => Vec::new(),
    };
    // A provider that is there but wrong is not unknown as well.
    let provider_names: Vec<&str> =
        named_providers.iter().flat_map(Table::entries).map(|(key, _)| key.text.as_str()).chain([DEFAULT_PROVIDER]).collect();
    let model_table = table.table("models", problems);
    let model_names: Vec<&str> = model_table.iter().flat_map(Table::entries).map(|(key, _)| key.text.as_str()).collect();
    let read_models = model_table.as_ref().map(|table| sections::models(table, problems)).unwrap_or_default();
    let mut models = BTreeMap::new();
    for model in read_models {
        if let Some(provider) = &model.provider
            && !provider_names.contains(&provider.value.as_str())
        {
            let message = format!("there is no provider `{}`", provider.value);
            problems.push(Problem::at(provider.span.clone(), message).hint(suggest::hint(&provider.value, &provider_names)));
        }
        let provider = model.provider.map(|provider| provider.value);
        models.insert(model.name, ModelEntry { agent: model.agent, provider, model: model.id, unusable: None });
    }
    let read_projects = table.table("projects", problems).map(|table| projects::projects(&table, folder, problems));
    let mut projects = BTreeMap::new();
    let mut said_auto = BTreeSet::new();
    let mut pull_requests = BTreeMap::new();
    for read in read_projects.unwrap_or_default() {
        if let Some(model) = &read.model
            && !model_names.contains(&model.value.as_str())
        {
            let message = format!("there is no model `{}` under `models:`", model.value);
            problems.push(Problem::at(model.span.clone(), message).hint(suggest::hint(&model.value, &model_names)));
        }
        if let Some(agent) = &read.agent
            && agent.value == AgentKind::Shell
            && agents.shell.is_none()
        {
            problems.push(
                Problem::at(agent.span.clone(), "the agent `shell` has no command")
                    .hint("Add `agents: { shell: { command: … } }` to this file."),
            );
        }
        if read.said_auto {
            said_auto.insert(read.project.name.clone());
        }
        if let Some(of) = pull_requests::of(&read.project, read.review, read.pull_request, &backlogs, problems) {
            pull_requests.insert(read.project.name.clone(), of);
        }
        projects.insert(read.project.name.clone(), read.project);
    }
    plane::approve(&mut backlogs, &said_auto);
    let projects_dir = folders::projects_dir(table.get("projects_dir").as_ref(), folder, environment, problems);
    if let Some(dir) = &projects_dir {
        folders::add_projects(dir, &mut projects, problems);
    }
    let runner = service::runner(table.table("runner", problems), flags, environment, problems);
    let scheduler = service::scheduler(table.table("scheduler", problems), problems);
    let sessions = sessions::sessions(table.table("sessions", problems), folder, environment, problems);
    let log = service::log(table.table("log", problems), environment, problems);
    let backup = backup::backup(table.table("backup", problems), folder, environment, problems);
    let retention = retention::retention(table.table("retention", problems), environment, problems);
    table.finish(problems);
    Some(Settings {
        server: server?,
        database: database?,
        backlogs,
        projects,
        pull_requests,
        projects_dir,
        models,
        agents,
        providers,
        runner: runner?,
        scheduler,
        sessions,
        retention,
        log,
        backup,
    })
}
