//! The sections that variables and flags may overrule: where the service listens and keeps its state, what runs
//! sandboxes, how it logs.

use super::problem::{Problem, Problems};
use super::settings::{self, Database, DatabaseUrl, LogFormat, RunnerKind};
use super::table::{self, Field, Table};
use super::{DEFAULT_IMAGE, Flags, LISTEN, suggest, units};
use crate::environment::{self, Environment, Variable};
use crate::logging::files::Bounds;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The least that files of the log are bounded to, in bytes.
const LEAST_LOG: u64 = 1 << 20;
const HOUR: Duration = Duration::from_hours(1);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// A setting that variables and flags may overrule, as text.
fn overruled<'e>(
    variable: &Variable,
    environment: &'e Environment,
    flag: Option<&'e String>,
    name: &str,
) -> Option<(&'e str, String)> {
    let flag = flag.map(|text| (text.as_str(), name.to_owned()));
    flag.or_else(|| environment.get(variable).map(|text| (text, variable.name.to_owned())))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(port) =
        text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).or(Some(text)).and_then(|port| port.parse().ok())
    {
        return Ok(SocketAddr::new(LISTEN.ip(), port));
    }
    Err(format!("must be an address and a port, not `{text}`"))
}

/// An address of this machine that nobody else reaches.
fn loopback(field: &Field<'_>, problems: &mut Problems) -> Option<SocketAddr> {
    let text = field.text(problems)?;
    match address(&text) {
        Ok(address) if address.ip().is_loopback() => return Some(address),
        Ok(_) => {
            let problem = field.wrong(format_args!("must be an address of loopback, not `{text}`: nobody signs in there"));
            problems.push(problem.hint("Write it like `127.0.0.1:5001`; other machines reach it through an SSH tunnel."));
        }
        Err(why) => problems.push(field.wrong(why).hint("Write it like `127.0.0.1:5001`.")),
    }
    None
}

/// A variable that is `true` or `false`.
pub(super) fn truth(variable: &Variable, environment: &Environment, problems: &mut Problems) -> Option<bool> {
    match environment.get(variable)? {
        "true" => Some(true),
        "false" => Some(false),
        text => {
            problems.push(Problem::of(variable.name, format!("{} must be `true` or `false`, not `{text}`", variable.name)));
            None
        }
    }
}

const ADDRESS_HINT: &str = "Write it like `127.0.0.1:7070`; port 0 takes any free one.";

const NAME_HINT: &str = "Write it like `crew.example.org`.";
const PROXY_HINT: &str = "Write an address, a network like `10.0.0.0/8`, or a host name.";

fn host_name(text: &str) -> Result<String, String> {
    let sound = text.len() <= 253 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
    if sound { Ok(text.to_owned()) } else { Err(format!("`{text}` is no host name")) }
}

const URL_HINT: &str = "Write it like `https://crew.example.org`.";

/// An address without a path.
fn base_url(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is no address without a path");
    let url: reqwest::Url = text.trim().parse().map_err(|_| wrong())?;
    let plain =
        matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !plain || url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A variable that holds several values, with blanks or commas between them.
fn words<T>(
    variable: &Variable,
    text: &str,
    hint: &str,
    read: impl Fn(&str) -> Result<T, String>,
    problems: &mut Problems,
) -> Vec<T> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    words
        .filter_map(|word| {
            read(word)
                .map_err(|why| problems.push(Problem::of(variable.name, format!("{}: {why}", variable.name)).hint(hint)))
                .ok()
        })
        .collect()
}

pub(super) fn server(
    table: Option<Table<'_>>,
    folder: &Path,
    flags: &Flags,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<settings::Server> {
    let mut listen = Some(LISTEN);
    let mut legacy_listen = None;
    let mut data_dir = Some(folder.join(".strawboss"));
    let mut doors_dir = None;
    let mut public_names = Vec::new();
    let mut trusted_proxies = Vec::new();
    let mut public_url = None;
    let mut metrics_on_loopback = false;
    let mut registration = false;
    if let Some(mut table) = table {
        if let Some(field) = table.get("listen") {
            let text = field.text(problems);
            listen = text.and_then(|text| match address(&text) {
                Ok(address) => Some(address),
                Err(why) => {
                    problems.push(field.wrong(why).hint(ADDRESS_HINT));
                    None
                }
            });
        }
        legacy_listen = table.read("legacy_listen", problems, loopback);
        if let Some(field) = table.get("data_dir") {
            data_dir = field.path(folder, problems);
        }
        if let Some(field) = table.get("doors_dir") {
            doors_dir = field.path(folder, problems);
        }
        for name in
            table.read("public_names", problems, |field, problems| field.texts("host names", problems)).unwrap_or_default()
        {
            match host_name(&name.value) {
                Ok(name) => public_names.push(name),
                Err(why) => problems.push(Problem::at(name.span, why).hint(NAME_HINT)),
            }
        }
        for proxy in
            table.read("trusted_proxies", problems, |field, problems| field.texts("proxies", problems)).unwrap_or_default()
        {
            match proxy.value.parse() {
                Ok(proxy) => trusted_proxies.push(proxy),
                Err(why) => problems.push(Problem::at(proxy.span, why).hint(PROXY_HINT)),
            }
        }
        if let Some(url) = table.read("public_url", problems, Field::text_at) {
            match base_url(&url.value) {
                Ok(url) => public_url = Some(url),
                Err(why) => problems.push(Problem::at(url.span, why).hint(URL_HINT)),
            }
        }
        metrics_on_loopback = table.read("metrics_on_loopback", problems, Field::boolean).unwrap_or_default();
        let words = [("closed", false), ("open", true)];
        registration = table.read("registration", problems, |field, problems| field.choice(&words, problems)).unwrap_or_default();
        table.finish(problems);
    }
    if let Some((text, origin)) = overruled(&environment::LISTEN, environment, flags.listen.as_ref(), "--listen") {
        listen = match address(text) {
            Ok(address) => Some(address),
            Err(why) => {
                problems.push(Problem::of(&origin, format!("{origin} {why}")).hint(ADDRESS_HINT));
                None
            }
        };
    }
    // Relative to where the command was given, as every path on a command line.
    let here = std::env::current_dir().unwrap_or_else(|_| folder.to_owned());
    let mut path = |text: &str, origin: &str| {
        table::expand(text, &here).map_err(|why| problems.push(Problem::of(origin, format!("{origin} {why}")))).ok()
    };
    if let Some((text, origin)) = overruled(&environment::DATA_DIR, environment, flags.data_dir.as_ref(), "--data-dir") {
        data_dir = path(text, &origin);
    }
    if let Some((text, origin)) = overruled(&environment::DOORS_DIR, environment, None, "") {
        doors_dir = path(text, &origin);
    }
    if let Some(text) = environment.get(&environment::PUBLIC_NAMES) {
        public_names = words(&environment::PUBLIC_NAMES, text, NAME_HINT, host_name, problems);
    }
    if let Some(text) = environment.get(&environment::PUBLIC_URL) {
        let name = environment::PUBLIC_URL.name;
        match base_url(text) {
            Ok(url) => public_url = Some(url),
            Err(why) => problems.push(Problem::of(name, format!("{name}: {why}")).hint(URL_HINT)),
        }
    }
    // A page that was opened by it may ask.
    let public_host = public_url.as_deref().and_then(|url| url.parse::<reqwest::Url>().ok()?.host_str().map(str::to_owned));
    public_names.extend(public_host.filter(|host| !public_names.contains(host)));
    if let Some(text) = environment.get(&environment::TRUSTED_PROXIES) {
        trusted_proxies = words(&environment::TRUSTED_PROXIES, text, PROXY_HINT, str::parse, problems);
    }
    if let Some(on) = truth(&environment::METRICS_ON_LOOPBACK, environment, problems) {
        metrics_on_loopback = on;
    }
    let data_dir = data_dir?;
    let doors_dir = doors_dir.unwrap_or_else(|| data_dir.clone());
    Some(settings::Server {
        listen: listen?,
        legacy_listen,
        data_dir,
        doors_dir,
        public_names,
        public_url,
        trusted_proxies,
        registration,
        metrics_on_loopback,
    })
}

pub(super) fn database(field: Option<&Field<'_>>, environment: &Environment, problems: &mut Problems) -> Option<Database> {
    let judge = |text: &str| match text {
        "sqlite" => Some(Database::Sqlite),
        _ if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
            Some(Database::Postgres(DatabaseUrl::new(text.to_owned())))
        }
        _ => None,
    };
    let why = "must be `sqlite` or `postgres://…`";
    let hint = "Write `postgres://user@host:5432/database`, or `sqlite`: the state is then a file in the data directory.";
    if let Some(text) = environment.get(&environment::DATABASE_URL) {
        // Not repeated: it may hold a password.
        let name = environment::DATABASE_URL.name;
        let judged = judge(text.trim());
        if judged.is_none() {
            problems.push(Problem::of(name, format!("{name} {why}")).hint(hint));
        }
        return judged;
    }
    let Some(field) = field else { return Some(Database::Sqlite) };
    let judged = judge(&field.text(problems)?);
    if judged.is_none() {
        problems.push(Problem::of_secret(field.node.span.clone(), format!("database {why}")).hint(hint));
    }
    judged
}

pub(super) fn runner(
    table: Option<Table<'_>>,
    flags: &Flags,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<settings::Runner> {
    let mut runner = settings::Runner {
        kind: RunnerKind::Auto,
        max_concurrent: 2,
        host: None,
        doors_volume: None,
        image: DEFAULT_IMAGE.to_owned(),
        gpus: Vec::new(),
    };
    if let Some(mut table) = table {
        if let Some(kind) = table.read("type", problems, |field, problems| field.choice(&RunnerKind::WORDS, problems)) {
            runner.kind = kind;
        }
        if let Some(most) = table.read("max_concurrent", problems, |field, problems| field.integer(1, 10_000, problems)) {
            runner.max_concurrent = most;
        }
        runner.host = table.read("host", problems, |field, problems| {
            let text = field.text(problems)?;
            if text.starts_with("unix://") || text.starts_with("tcp://") {
                return Some(text);
            }
            problems.push(
                field
                    .wrong(format_args!("must be an engine's address, not `{text}`"))
                    .hint("Write it like `unix:///var/run/docker.sock`."),
            );
            None
        });
        runner.doors_volume = table.read("doors_volume", problems, |field, problems| {
            let text = field.text(problems)?;
            if !is_volume(&text) {
                problems.push(field.wrong(format_args!("must be a volume's name, not `{text}`")).hint(VOLUME_HINT));
                return None;
            }
            Some(text)
        });
        if let Some(image) = table.read("image", problems, Field::text) {
            runner.image = image;
        }
        let gpus = table.read("gpus", problems, |field, problems| field.texts("GPU devices", problems)).unwrap_or_default();
        runner.gpus = gpus.into_iter().map(|gpu| gpu.value).collect();
        table.finish(problems);
    }
    let before = problems.len();
    if let Some((text, origin)) = overruled(&environment::RUNNER, environment, flags.runner.as_ref(), "--runner") {
        if let Some((_, kind)) = RunnerKind::WORDS.iter().find(|(word, _)| *word == text) {
            runner.kind = *kind
        } else {
            let known = RunnerKind::WORDS.map(|(word, _)| word);
            problems.push(
                Problem::of(&origin, format!("{origin} must be one of {}, not `{text}`", known.join(", ")))
                    .hint(suggest::hint(text, &known)),
            );
        }
    }
    if let Some((text, origin)) =
        overruled(&environment::MAX_CONCURRENT, environment, flags.max_concurrent.as_ref(), "--max-concurrent")
    {
        match text.parse() {
            Ok(most) if (1..=10_000).contains(&most) => runner.max_concurrent = most,
            _ => problems.push(Problem::of(&origin, format!("{origin} must be a whole number from 1 to 10000, not `{text}`"))),
        }
    }
    if let Some(volume) = environment.get(&environment::DOORS_VOLUME) {
        let name = environment::DOORS_VOLUME.name;
        if !is_volume(volume) {
            problems.push(Problem::of(name, format!("{name} must be a volume's name, not `{volume}`")).hint(VOLUME_HINT));
        }
        runner.doors_volume = Some(volume.to_owned());
    }
    if let Some(image) = environment.get(&environment::SANDBOX_IMAGE) {
        image.clone_into(&mut runner.image);
    }
    if let Some(text) = environment.get(&environment::GPUS) {
        runner.gpus = words(&environment::GPUS, text, "", |word| Ok(word.to_owned()), problems);
    }
    (problems.len() == before).then_some(runner)
}

const VOLUME_HINT: &str = "Write it as `docker volume ls` says it.";

fn is_volume(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

pub(super) fn scheduler(table: Option<Table<'_>>, problems: &mut Problems) -> settings::Scheduler {
    let mut scheduler = settings::Scheduler { preempt: true, preempt_interval: Duration::from_mins(10), auto_resume: true };
    let Some(mut table) = table else { return scheduler };
    if let Some(field) = table.get("preempt") {
        scheduler.preempt = field.boolean(problems).unwrap_or_default();
    }
    let least = Duration::from_secs(1);
    if let Some(interval) = table.read("preempt_interval", problems, |field, problems| field.duration(least, YEAR, problems)) {
        scheduler.preempt_interval = interval;
    }
    if let Some(field) = table.get("auto_resume") {
        scheduler.auto_resume = field.boolean(problems).unwrap_or(true);
    }
    table.finish(problems);
    scheduler
}

pub(super) fn log(table: Option<Table<'_>>, environment: &Environment, problems: &mut Problems) -> settings::Log {
    let mut log = settings::Log { level: "info".to_owned(), format: LogFormat::Pretty, files: None };
    let (mut files, mut bounds) = (false, Bounds { bytes: 64 << 20, age: Duration::from_hours(7 * 24) });
    if let Some(mut table) = table {
        if let Some(level) = table.read("level", problems, |field, problems| {
            let text = field.text(problems)?;
            crate::logging::check(&text).map_err(|why| problems.push(field.wrong(why))).ok().map(|()| text)
        }) {
            log.level = level;
        }
        if let Some(format) = table.read("format", problems, |field, problems| field.choice(&LogFormat::WORDS, problems)) {
            log.format = format;
        }
        files = table.read("files", problems, Field::boolean).unwrap_or_default();
        if let Some(bytes) = table.read("max_size", problems, |field, problems| field.size(LEAST_LOG, problems)) {
            bounds.bytes = bytes;
        }
        if let Some(age) = table.read("max_age", problems, |field, problems| field.duration(HOUR, YEAR, problems)) {
            bounds.age = age;
        }
        table.finish(problems);
    }
    if let Some(level) = environment.get(&environment::LOG_LEVEL) {
        let name = environment::LOG_LEVEL.name;
        match crate::logging::check(level) {
            Ok(()) => level.clone_into(&mut log.level),
            Err(why) => problems.push(Problem::of(name, format!("{name} {why}"))),
        }
    }
    if let Some(format) = environment.get(&environment::LOG_FORMAT) {
        let name = environment::LOG_FORMAT.name;
        match LogFormat::WORDS.iter().find(|(word, _)| *word == format) {
            Some((_, format)) => log.format = *format,
            None => problems.push(Problem::of(name, format!("{name} must be `pretty` or `json`, not `{format}`"))),
        }
    }
    files = truth(&environment::LOG_FILES, environment, problems).unwrap_or(files);
    let bound = |variable: &Variable, wanted: &str, problems: &mut Problems, read: &mut dyn FnMut(&str) -> bool| {
        if let Some(text) = environment.get(variable)
            && !read(text)
        {
            problems.push(Problem::of(variable.name, format!("{} must be {wanted}, not `{text}`", variable.name)));
        }
    };
    bound(&environment::LOG_MAX_SIZE, "a size of at least 1m, such as `64m`", problems, &mut |text| {
        let read = units::size(text).filter(|bytes| *bytes >= LEAST_LOG);
        bounds.bytes = read.unwrap_or(bounds.bytes);
        read.is_some()
    });
    bound(&environment::LOG_MAX_AGE, "a duration from 1h to 365d, such as `7d`", problems, &mut |text| {
        let read = units::duration(text).filter(|age| (HOUR..=YEAR).contains(age));
        bounds.age = read.unwrap_or(bounds.age);
        read.is_some()
    });
    log.files = files.then_some(bounds);
    log
}
