//! A request on its way: judged, checked against what the engine has, written anew, and its answer passed back.

use crate::Shared;
use crate::call::{self, Call, Query};
use crate::doors::DoorsPrefix;
use crate::engine::{AnyBody, Away, CutShort, FoundContainer, FoundVolume, Inspected, UntilStopped, full};
use crate::judge::{self, FILL, INSTALLATION, MARKER, NamedVolume, VOLUME};
use crate::refusal::{Refusal, quoted};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// A body that is judged.
const BODY_MAX: usize = 1 << 20;
const BODY_LIMIT: Duration = Duration::from_secs(30);
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");
const REGISTRY_AUTH_MAX: usize = 4096;
/// Of an answer, what clients read.
const ANSWER_HEADERS: [HeaderName; 6] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    HeaderName::from_static("api-version"),
    HeaderName::from_static("ostype"),
    HeaderName::from_static("server"),
    HeaderName::from_static("x-docker-container-path-stat"),
];

/// Why a request ends here.
enum Stop {
    Refused(Refusal),
    /// The engine's own answer, to a question of ours.
    Answered(StatusCode, Bytes),
    Away(Away),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Away> for Stop {
    fn from(away: Away) -> Self {
        Self::Away(away)
    }
}

/// The answer to a request, whatever it is.
pub(crate) async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<AnyBody> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match handle(shared, request).await {
        Ok(response) => {
            tracing::debug!(request.method = %method, request.path = %path, response.status = response.status().as_u16(), "passed");
            response
        }
        Err(Stop::Refused(refusal)) => {
            tracing::warn!(
                request.method = %method,
                request.path = %quoted(&path),
                refusal.rule = refusal.rule,
                refusal.why = %refusal.why,
                "refused"
            );
            let text = format!("strawboss docker-proxy refused {method} {}: {refusal}", quoted(&path));
            said(refusal.status, &text)
        }
        Err(Stop::Answered(status, bytes)) => json_answer(status, bytes),
        Err(Stop::Away(away)) => {
            tracing::warn!(request.method = %method, request.path = %path, error.message = %away, "the engine is away");
            said(StatusCode::BAD_GATEWAY, &away.to_string())
        }
    }
}

/// An error as the engine words one.
fn said(status: StatusCode, text: &str) -> Response<AnyBody> {
    json_answer(status, json!({ "message": text }).to_string().into())
}

fn json_answer(status: StatusCode, bytes: Bytes) -> Response<AnyBody> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn handle(shared: &Shared, request: Request<Incoming>) -> Result<Response<AnyBody>, Stop> {
    let (head, body) = request.into_parts();
    if head.uri.authority().is_some() || head.method == Method::CONNECT {
        return Err(Refusal::new("path", "the request names a host, as to a web proxy").into());
    }
    if head.headers.contains_key(UPGRADE) {
        return Err(Refusal::new("calls", "no call of Strawboss's changes the protocol").into());
    }
    let (version, call) = call::parse(&head.method, head.uri.path(), head.uri.query().unwrap_or_default())?;
    if !matches!(call, Call::ContainerCreate { .. } | Call::VolumeCreate | Call::ArchiveFill { .. }) && !body.is_end_stream() {
        return Err(Refusal::new("bodies", "this call has no body").into());
    }
    let lasting = matches!(call, Call::ContainerWait { .. } | Call::ContainerLogs { .. } | Call::ImagePull { .. });
    let plain = |path: String| Request::builder().method(&head.method).uri(format!("{version}{path}"));
    let bare = |path: String| (plain(path), full(Bytes::new()));
    let (built, body) = match call {
        Call::Ping => bare("/_ping".to_owned()),
        Call::Version => bare("/version".to_owned()),
        Call::Info => bare("/info".to_owned()),
        Call::ImageInspect { image } => bare(format!("/images/{image}/json")),
        Call::ImagePull { query } => {
            let mut built = plain(format!("/images/create{}", query.text()));
            if let Some(auth) = registry_auth(&head.headers)? {
                built = built.header(REGISTRY_AUTH, auth);
            }
            (built, full(Bytes::new()))
        }
        Call::ContainerCreate { query } => {
            let body = container(shared, &version, body).await?;
            (plain(format!("/containers/create{}", query.text())).header(CONTENT_TYPE, "application/json"), body)
        }
        Call::ContainerList { query } => bare(format!("/containers/json{}", narrowed(shared, query)?.text())),
        Call::ContainerInspect { id } => {
            let (_, words) = ours(shared, &version, &id).await?;
            return Ok(json_answer(StatusCode::OK, words));
        }
        Call::ContainerStart { id } => {
            let id = ours(shared, &version, &id).await?.0.id;
            bare(format!("/containers/{id}/start"))
        }
        Call::ContainerStop { id, query } => {
            let id = ours(shared, &version, &id).await?.0.id;
            bare(format!("/containers/{id}/stop{}", query.text()))
        }
        Call::ContainerWait { id, query } => {
            let id = ours(shared, &version, &id).await?.0.id;
            bare(format!("/containers/{id}/wait{}", query.text()))
        }
        Call::ContainerLogs { id, query } => {
            let id = ours(shared, &version, &id).await?.0.id;
            bare(format!("/containers/{id}/logs{}", query.text()))
        }
        Call::ContainerRemove { id, query } => {
            let id = ours(shared, &version, &id).await?.0.id;
            bare(format!("/containers/{id}{}", query.text()))
        }
        Call::ArchiveLook { id, path } => {
            let found = ours(shared, &version, &id).await?.0;
            let volumes = found.mounts.iter().flatten().filter(|mount| mount.kind == "volume");
            if !volumes
                .into_iter()
                .any(|mount| path.strip_prefix(&mount.destination).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            {
                return Err(Refusal::new("archives", format!("{} is in no volume of the container's", quoted(&path))).into());
            }
            bare(archive(&found.id, path))
        }
        Call::ArchiveFill { id, path } => {
            let found = ours(shared, &version, &id).await?.0;
            // What ran in a container may have left links; what never ran has none.
            if found.state.status != "created" {
                return Err(Refusal::new("archives", "the container was started already").into());
            }
            let volumes = found.mounts.iter().flatten().filter(|mount| mount.kind == "volume" && mount.writable);
            if !volumes.into_iter().any(|mount| mount.destination == path) {
                return Err(
                    Refusal::new("archives", format!("{} is no writable volume of the container's", quoted(&path))).into()
                );
            }
            if path == FILL && is_complete(shared, &version, &found.id).await? {
                // Other installations trust what is in it.
                return Err(Refusal::new("archives", "the tool's volume is filled already").into());
            }
            (
                plain(archive(&found.id, path)).header(CONTENT_TYPE, "application/x-tar"),
                body.map_err(CutShort::from).boxed_unsync(),
            )
        }
        Call::VolumeCreate => {
            let (volume, installation) = judge::volume(crate::json::parse(&read(body).await?)?)?;
            shared.installation.admit(&installation)?;
            check_volume(shared, &version, &NamedVolume { tool: false, name: volume.name.clone() }, &installation).await?;
            (plain("/volumes/create".to_owned()).header(CONTENT_TYPE, "application/json"), written(&volume)?)
        }
        Call::VolumeList { query } => bare(format!("/volumes{}", narrowed(shared, query)?.text())),
        Call::VolumeInspect { name } => {
            let (_, words) = our_volume(shared, &version, &name, shared.doors_volume.as_deref() == Some(&*name)).await?;
            return Ok(json_answer(StatusCode::OK, words));
        }
        Call::VolumeRemove { name } => {
            if judge::is_tool_name(&name) {
                return Err(Refusal::new("volumes", "a tool's volume belongs to every installation").into());
            }
            our_volume(shared, &version, &name, false).await?;
            bare(format!("/volumes/{name}"))
        }
    };
    let request = built.body(body).map_err(|_| Refusal::new("path", "the call cannot be written"))?;
    let (mut parts, body) = shared.engine.send(request).await?.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::new("calls", "the engine changes the protocol").with_status(StatusCode::BAD_GATEWAY).into());
    }
    let mut headers = HeaderMap::new();
    for name in ANSWER_HEADERS {
        if let Some(value) = parts.headers.remove(&name) {
            headers.insert(name, value);
        }
    }
    parts.headers = headers;
    let body = if lasting { UntilStopped::new(body, shared.stop.clone()).boxed_unsync() } else { body };
    Ok(Response::from_parts(parts, body))
}

/// Whether the tool's volume that a container would fill has the mark that is written last.
async fn is_complete(shared: &Shared, version: &str, id: &str) -> Result<bool, Stop> {
    let path = format!("{version}{}", archive(id, format!("{FILL}/{MARKER}")));
    let look = Request::head(path).body(full(Bytes::new())).map_err(|_| Refusal::new("path", "the call cannot be written"))?;
    match shared.engine.send(look).await?.status() {
        StatusCode::OK => Ok(true),
        StatusCode::NOT_FOUND => Ok(false),
        status => {
            let why = format!("whether the tool's volume is filled cannot be seen: the engine answers {status}");
            Err(Refusal::new("archives", why).into())
        }
    }
}

fn archive(id: &str, path: String) -> String {
    let mut query = Query::default();
    query.set("path", path);
    format!("/containers/{id}/archive{}", query.text())
}

/// Who pulls, for the registry: base64 of JSON, which the engine reads.
fn registry_auth(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Refusal> {
    let Some(value) = headers.get(REGISTRY_AUTH) else { return Ok(None) };
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"+/=-_".contains(b);
    if value.len() > REGISTRY_AUTH_MAX || !value.as_bytes().iter().all(plain) || headers.get_all(REGISTRY_AUTH).iter().count() > 1
    {
        return Err(Refusal::new("images", "X-Registry-Auth is not what the engine takes"));
    }
    Ok(Some(value))
}

/// A list's query, narrowed to the installation that is served.
fn narrowed(shared: &Shared, mut query: Query) -> Result<Query, Refusal> {
    let (installation, filters) = judge::filters(query.get("filters"))?;
    shared.installation.admit(&installation)?;
    query.set("filters", filters);
    Ok(query)
}

/// The container, when it is of the installation that is served. Its id is what is spoken of from then on: a name can
/// come to mean another container, an id and its labels never change.
async fn ours(shared: &Shared, version: &str, id: &str) -> Result<(FoundContainer, Bytes), Stop> {
    match shared.engine.container(version, id).await? {
        Inspected::Found(found, words) => {
            let whose = found.label(INSTALLATION).ok_or_else(|| Refusal::new("labels", "the container is not Strawboss's"))?;
            shared.installation.admit(whose)?;
            if found.id.len() != 64 || !found.id.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(Refusal::new("labels", "the engine does not say the container's id").into());
            }
            Ok((found, words))
        }
        Inspected::Answered(status, words) => Err(Stop::Answered(status, words)),
    }
}

/// The volume, when it is of the installation that is served, or `known` otherwise.
async fn our_volume(shared: &Shared, version: &str, name: &str, known: bool) -> Result<(FoundVolume, Bytes), Stop> {
    match shared.engine.volume(version, name).await? {
        Inspected::Found(found, words) if known => Ok((found, words)),
        Inspected::Found(found, words) => {
            let whose = found.labels.as_ref().and_then(|labels| labels.get(INSTALLATION));
            shared.installation.admit(whose.ok_or_else(|| Refusal::new("labels", "the volume is not Strawboss's"))?)?;
            Ok((found, words))
        }
        Inspected::Answered(status, words) => Err(Stop::Answered(status, words)),
    }
}

/// A volume that a container would mount, or that would be made, must be ours when it is there already.
async fn check_volume(shared: &Shared, version: &str, volume: &NamedVolume, installation: &str) -> Result<(), Stop> {
    let refuse = |why: &str| Err(Refusal::new("volumes", format!("volume {} {why}", quoted(&volume.name))).into());
    let found = match shared.engine.volume(version, &volume.name).await? {
        Inspected::Answered(StatusCode::NOT_FOUND, _) => return Ok(()),
        Inspected::Answered(status, words) => return Err(Stop::Answered(status, words)),
        Inspected::Found(found, _) => found,
    };
    if found.driver != "local" || found.options.iter().flatten().any(|(key, _)| key != "size") {
        return refuse("is there already, and is not of the local driver alone");
    }
    let labels = found.labels.unwrap_or_default();
    if volume.tool {
        // One that was removed by a person is made anew by a start, without labels.
        if !labels.is_empty() && labels.get(VOLUME).map(String::as_str) != Some("tool") {
            return refuse("is there already, and is no tool's");
        }
    } else if labels.get(INSTALLATION).map(String::as_str) != Some(installation) {
        return refuse("is there already, and is not this installation's");
    }
    Ok(())
}

/// The body of a container that may be made.
async fn container(shared: &Shared, version: &str, body: Incoming) -> Result<AnyBody, Stop> {
    let value = crate::json::parse(&read(body).await?)?;
    let prefix = match (&shared.doors, &shared.doors_volume) {
        (None, _) => None,
        (Some(doors), None) => Some(DoorsPrefix::new(&doors.folder().display().to_string())),
        (Some(_), Some(volume)) => match our_volume(shared, version, volume, true).await {
            Ok((found, _)) => Some(DoorsPrefix::new(&found.mountpoint)),
            Err(Stop::Answered(_, words)) => {
                let words = String::from_utf8_lossy(&words);
                let why = format!("the doors' volume {} cannot be looked at: {}", quoted(volume), quoted(&words));
                return Err(Refusal::new("binds", why).into());
            }
            Err(stop) => return Err(stop),
        },
    };
    let container = judge::container(value, prefix.as_ref())?;
    shared.installation.admit(&container.installation)?;
    for volume in &container.volumes {
        check_volume(shared, version, volume, &container.installation).await?;
    }
    if let Some(doors) = &shared.doors {
        for name in &container.doors {
            doors.adopt(name)?;
        }
    }
    Ok(written(&container.body)?)
}

fn written(value: &impl Serialize) -> Result<AnyBody, Refusal> {
    serde_json::to_vec(value).map(full).map_err(|_| Refusal::new("keys", "the body cannot be written"))
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let refuse = |status, why: &str| Refusal::new("bodies", why).with_status(status);
    match tokio::time::timeout(BODY_LIMIT, Limited::new(body, BODY_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than any of Strawboss's"))
        }
        Ok(Err(_)) => Err(refuse(StatusCode::BAD_REQUEST, "the body ended early")),
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}
