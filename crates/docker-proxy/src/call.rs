//! Which calls pass: method, path and query against a list. Nothing is asked of anybody here.
//!
//! A path is taken apart and put together again, and so is a query: the engine never sees the caller's own spelling.

use crate::refusal::{Refusal, quoted};
use http::{Method, StatusCode};
use url::form_urlencoded;

/// The oldest API whose bodies mean what we judge: before 1.24 a start took a `HostConfig`.
const API_MINOR_MIN: u32 = 41;
const PATH_MAX: usize = 1024;

/// A call of the runner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Ping,
    Version,
    Info,
    ImageInspect { image: String },
    ImagePull { query: Query },
    ContainerCreate { query: Query },
    ContainerList { query: Query },
    ContainerInspect { id: String },
    ContainerStart { id: String },
    ContainerStop { id: String, query: Query },
    ContainerWait { id: String, query: Query },
    ContainerLogs { id: String, query: Query },
    ContainerRemove { id: String, query: Query },
    ArchiveLook { id: String, path: String },
    ArchiveFill { id: String, path: String },
    VolumeCreate,
    VolumeList { query: Query },
    VolumeInspect { name: String },
    VolumeRemove { name: String },
}

/// The engine's client sends some parameters always.
const NOTHING: Holds = Holds::OneOf(&[""]);

/// Judged pairs of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

/// What a parameter may hold.
#[derive(Debug, Clone, Copy)]
enum Holds {
    Bool,
    Number,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Judged later, or by the predicate.
    Text(fn(&str) -> bool),
}

impl Query {
    /// Takes `text` apart; every key must be listed, may come once, and must hold what it may.
    fn read(text: &str, allowed: &[(&str, Holds)]) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            let Some((_, holds)) = allowed.iter().find(|(name, _)| *name == key) else {
                return Err(Refusal::new("query", format!("the parameter {} is not one that Strawboss uses here", quoted(&key))));
            };
            if pairs.iter().any(|(before, _)| *before == key) {
                return Err(Refusal::new("query", format!("the parameter {} comes twice", quoted(&key))));
            }
            let fits = match holds {
                Holds::Bool => matches!(&*value, "true" | "false" | "1" | "0"),
                Holds::Number => value.len() <= 10 && value.strip_prefix('-').unwrap_or(&value).parse::<u32>().is_ok(),
                Holds::OneOf(words) => words.contains(&&*value),
                Holds::Text(fits) => fits(&value),
            };
            if !fits {
                let why = format!("the parameter {} may not be {}", quoted(&key), quoted(&value));
                return Err(Refusal::new("query", why));
            }
            pairs.push((key.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, key: &str, value: String) {
        self.0.retain(|(name, _)| name != key);
        self.0.push((key.to_owned(), value));
    }

    /// With its `?`, or nothing.
    pub(crate) fn text(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        format!("?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish())
    }
}

/// The version prefix (`/v1.41`, or nothing) and the call.
pub(crate) fn parse(method: &Method, path: &str, query: &str) -> Result<(String, Call), Refusal> {
    let parts = segments(path)?;
    let (version, parts) = match parts.split_first() {
        Some((first, rest)) if is_version(first) => (versioned(first)?, rest),
        _ => (String::new(), &parts[..]),
    };
    let none = |call: Call| Query::read(query, &[]).map(|_| call);
    let call = match (method.as_str(), parts) {
        ("GET" | "HEAD", ["_ping"]) => none(Call::Ping),
        ("GET", ["version"]) => none(Call::Version),
        ("GET", ["info"]) => none(Call::Info),
        ("POST", ["images", "create"]) => pull(query),
        ("GET", ["images", name @ .., "json"]) if !name.is_empty() => {
            let image = name.join("/");
            if !is_image(&image) {
                return Err(Refusal::new("images", format!("{} is no image's name", quoted(&image))));
            }
            none(Call::ImageInspect { image })
        }
        ("POST", ["containers", "create"]) => Query::read(query, &[("name", Holds::Text(is_our_name)), ("platform", NOTHING)])
            .map(|query| Call::ContainerCreate { query }),
        ("GET", ["containers", "json"]) => {
            Query::read(query, &[("all", Holds::Bool), ("size", Holds::OneOf(&["false"])), ("filters", Holds::Text(|_| true))])
                .map(|query| Call::ContainerList { query })
        }
        (_, ["containers", id]) if !is_object(id) => Err(no_name(id)),
        (_, ["containers", id, _]) if !is_object(id) => Err(no_name(id)),
        ("GET", ["containers", id, "json"]) => none(Call::ContainerInspect { id: (*id).to_owned() }),
        ("POST", ["containers", id, "start"]) => none(Call::ContainerStart { id: (*id).to_owned() }),
        ("POST", ["containers", id, "stop"]) => {
            Query::read(query, &[("t", Holds::Number)]).map(|query| Call::ContainerStop { id: (*id).to_owned(), query })
        }
        ("POST", ["containers", id, "wait"]) => {
            Query::read(query, &[("condition", Holds::OneOf(&["not-running", "next-exit", "removed"]))])
                .map(|query| Call::ContainerWait { id: (*id).to_owned(), query })
        }
        ("GET", ["containers", id, "logs"]) => Query::read(
            query,
            &[
                ("follow", Holds::Bool),
                ("stdout", Holds::Bool),
                ("stderr", Holds::Bool),
                ("timestamps", Holds::Bool),
                ("since", Holds::Number),
                ("until", Holds::Number),
                ("tail", Holds::Text(|text| text == "all" || text.parse::<u32>().is_ok())),
            ],
        )
        .map(|query| Call::ContainerLogs { id: (*id).to_owned(), query }),
        ("DELETE", ["containers", id]) => {
            Query::read(query, &[("force", Holds::Bool), ("v", Holds::Bool), ("link", Holds::OneOf(&["false"]))])
                .map(|query| Call::ContainerRemove { id: (*id).to_owned(), query })
        }
        ("HEAD", ["containers", id, "archive"]) => archive(query).map(|path| Call::ArchiveLook { id: (*id).to_owned(), path }),
        ("PUT", ["containers", id, "archive"]) => archive(query).map(|path| Call::ArchiveFill { id: (*id).to_owned(), path }),
        ("POST", ["volumes", "create"]) => none(Call::VolumeCreate),
        ("GET", ["volumes"]) => Query::read(query, &[("filters", Holds::Text(|_| true))]).map(|query| Call::VolumeList { query }),
        ("GET" | "DELETE", ["volumes", name]) if !is_object(name) => Err(no_name(name)),
        ("GET", ["volumes", name]) => none(Call::VolumeInspect { name: (*name).to_owned() }),
        ("DELETE", ["volumes", name]) => {
            Query::read(query, &[("force", Holds::OneOf(&["false"]))]).map(|_| Call::VolumeRemove { name: (*name).to_owned() })
        }
        _ => Err(Refusal::new("calls", "it is not among the calls that Strawboss makes")),
    }?;
    Ok((version, call))
}

fn no_name(name: &str) -> Refusal {
    Refusal::new("path", format!("{} is no name or id", quoted(name)))
}

/// The path's parts, when it is written in the one plain way.
fn segments(path: &str) -> Result<Vec<&str>, Refusal> {
    let refuse = |why: &str| Err(Refusal::new("path", why.to_owned()).with_status(StatusCode::FORBIDDEN));
    if path.len() > PATH_MAX {
        return refuse("the path is too long");
    }
    let Some(rest) = path.strip_prefix('/') else { return refuse("the path does not begin with a slash") };
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-:@".contains(&b)) {
        return refuse("the path holds something else than letters, digits and `/._-:@`: nothing may be escaped in it");
    }
    let parts: Vec<&str> = rest.split('/').collect();
    if parts.iter().any(|part| part.is_empty() || part.bytes().all(|b| b == b'.')) {
        return refuse("the path has an empty part, `.` or `..`");
    }
    Ok(parts)
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn versioned(part: &str) -> Result<String, Refusal> {
    let minor = part.strip_prefix("v1.").filter(|minor| minor.len() <= 3 && minor.bytes().all(|b| b.is_ascii_digit()));
    match minor.and_then(|minor| minor.parse::<u32>().ok()) {
        Some(minor) if minor >= API_MINOR_MIN => Ok(format!("/v1.{minor}")),
        _ => Err(Refusal::new("version", format!("API version {}: 1.{API_MINOR_MIN} or later is served", quoted(part)))),
    }
}

fn pull(query: &str) -> Result<Call, Refusal> {
    let query = Query::read(
        query,
        &[
            ("fromImage", Holds::Text(is_image)),
            ("tag", Holds::Text(|tag| tag.is_empty() || is_tag(tag))),
            ("platform", NOTHING),
            ("changes", NOTHING),
        ],
    )?;
    let whole = query.get("fromImage").is_some_and(|image| image.contains('@'));
    let tag = query.get("tag").unwrap_or_default();
    if query.get("fromImage").is_none() || (!whole && tag.is_empty()) {
        return Err(Refusal::new("images", "a pull names one image and its tag or digest"));
    }
    Ok(Call::ImagePull { query })
}

fn archive(query: &str) -> Result<String, Refusal> {
    let query = Query::read(query, &[("path", Holds::Text(is_plain_path))])?;
    match query.get("path") {
        Some(path) => Ok(path.to_owned()),
        None => Err(Refusal::new("query", "no path is given")),
    }
}

/// Absolute, and written in the one plain way.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path.len() <= 4096
        && path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains(['\0', '\\', ':', ',']))
        })
}

/// A name or id as the engine takes one.
pub(crate) fn is_object(name: &str) -> bool {
    name.len() <= 256
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// What Strawboss calls its containers and volumes.
pub(crate) fn is_our_name(name: &str) -> bool {
    is_object(name) && name.strip_prefix("strawboss-").is_some_and(|rest| !rest.is_empty())
}

fn is_image(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 512
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b))
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 128 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::{Call, parse};
    use http::Method;

    fn passes(method: &str, path: &str) -> Result<(String, Call), &'static str> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        parse(&Method::from_bytes(method.as_bytes()).unwrap(), path, query).map_err(|refusal| refusal.rule)
    }

    #[test]
    fn what_the_runner_asks_passes_in_our_spelling() {
        assert_eq!(passes("GET", "/_ping"), Ok((String::new(), Call::Ping)));
        assert_eq!(passes("GET", "/v1.041/info"), Ok(("/v1.41".to_owned(), Call::Info)));
        let image = "host:5000/a/b@sha256:00".to_owned();
        assert_eq!(
            passes("GET", "/v1.41/images/host:5000/a/b@sha256:00/json"),
            Ok(("/v1.41".to_owned(), Call::ImageInspect { image }))
        );
        let Ok((_, Call::ImagePull { query })) = passes("POST", "/images/create?fromImage=a%2Fb&tag=1") else { panic!() };
        assert_eq!(query.text(), "?fromImage=a%2Fb&tag=1");
    }

    #[test]
    fn each_other_call_is_refused_by_its_rule() {
        for (method, path, rule) in [
            ("POST", "/v1.41/build", "calls"),
            ("POST", "/v1.41/commit?container=x", "calls"),
            ("POST", "/v1.41/containers/a/exec", "calls"),
            ("POST", "/v1.41/exec/a/start", "calls"),
            ("POST", "/v1.41/containers/a/attach", "calls"),
            ("POST", "/v1.41/containers/a/update", "calls"),
            ("POST", "/v1.41/containers/a/rename", "calls"),
            ("POST", "/v1.41/containers/a/kill", "calls"),
            ("POST", "/v1.41/containers/prune", "calls"),
            ("GET", "/v1.41/containers/a/archive?path=/x", "calls"),
            ("GET", "/v1.41/containers/a/export", "calls"),
            ("GET", "/v1.41/containers/a/top", "calls"),
            ("GET", "/v1.41/events", "calls"),
            ("GET", "/v1.41/images/json", "calls"),
            ("POST", "/v1.41/images/load", "calls"),
            ("DELETE", "/v1.41/images/a", "calls"),
            ("POST", "/v1.41/volumes/prune", "calls"),
            ("GET", "/v1.41/networks", "calls"),
            ("POST", "/v1.41/networks/create", "calls"),
            ("POST", "/v1.41/swarm/init", "calls"),
            ("GET", "/v1.41/secrets", "calls"),
            ("POST", "/v1.41/plugins/pull", "calls"),
            ("POST", "/v1.41/session", "calls"),
            ("POST", "/grpc", "calls"),
            ("POST", "/auth", "calls"),
            ("GET", "/", "path"),
            ("GET", "/v1.24/info", "version"),
            ("GET", "/v1.18/containers/json", "version"),
            ("GET", "/v2.0/info", "version"),
            ("GET", "/v1.41//info", "path"),
            ("GET", "/v1.41/containers/../info", "path"),
            ("GET", "/v1.41/./info", "path"),
            ("GET", "/v1.41/info/", "path"),
            ("GET", "/v1.41/%69nfo", "path"),
            ("GET", "/v1.41/containers/%2e%2e/json", "path"),
            ("GET", "/v1.41/containers/a%2Fb/json", "path"),
            ("GET", "/v1.41/containers/-a/json", "path"),
            ("GET", "/v1.41/info;x", "path"),
            ("GET", "/v1.41/containers/json?filters={}&filters={}", "query"),
            ("GET", "/v1.41/containers/json?size=1", "query"),
            ("GET", "/v1.41/containers/a/json?size=1", "query"),
            ("POST", "/v1.41/containers/create?platform=x", "query"),
            ("POST", "/v1.41/containers/create?name=postgres", "query"),
            ("POST", "/v1.41/containers/a/start?detachKeys=x", "query"),
            ("POST", "/v1.41/containers/a/stop?signal=9", "query"),
            ("POST", "/v1.41/containers/a/stop?t=x", "query"),
            ("DELETE", "/v1.41/containers/a?link=1", "query"),
            ("DELETE", "/v1.41/volumes/a?force=1", "query"),
            ("PUT", "/v1.41/containers/a/archive?path=/a/../b", "query"),
            ("PUT", "/v1.41/containers/a/archive?path=a", "query"),
            ("PUT", "/v1.41/containers/a/archive", "query"),
            ("POST", "/v1.41/images/create?fromSrc=-", "query"),
            ("POST", "/v1.41/images/create?fromImage=a", "images"),
            ("POST", "/v1.41/images/create?tag=a", "images"),
            ("POST", "/v1.41/images/create?fromImage=a/../b&tag=1", "query"),
        ] {
            assert_eq!(passes(method, path), Err(rule), "{method} {path}");
        }
    }
}
