//! What a local server of a vendor's does beside answering: it fails when it is told to, and remembers what it was asked.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What answers in the place of what was asked.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Only for requests whose method and path, as `POST /repos/…`, hold this; empty: all.
    pub matching: String,
    /// For how many requests.
    pub times: u32,
    /// The status; 0: the request is carried out, and its answer lost.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Fault {
    /// A status with GitHub's form of a complaint, for every request until it is mended.
    pub fn status(status: u16, message: &str) -> Self {
        let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }).to_string();
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { matching: String::new(), times: u32::MAX, status, headers, body }
    }

    /// The same with another header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same for so many requests that hold this.
    #[must_use]
    pub fn on(mut self, matching: &str, times: u32) -> Self {
        matching.clone_into(&mut self.matching);
        self.times = times;
        self
    }

    /// A page for people.
    pub fn html() -> Self {
        let fault = Self::status(200, "").header("content-type", "text/html");
        Self { body: "<!DOCTYPE html><title>Sign in</title>".to_owned(), ..fault }
    }
}

/// A request and its answer's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// The status.
    pub status: u16,
}

/// An answer before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: if body.is_null() { String::new() } else { body.to_string() } }
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// What is done once a request was answered.
type Change<S> = Box<dyn FnOnce(&S) + Send>;

/// The faults to come and what was asked.
pub(crate) struct Script<S> {
    pub(crate) faults: Mutex<Vec<Fault>>,
    pub(crate) asked: Mutex<Vec<Asked>>,
    /// By a part of the line, as `POST /v4/…`, that they wait for.
    pub(crate) changes: Mutex<Vec<(String, Change<S>)>>,
}

impl<S> Default for Script<S> {
    fn default() -> Self {
        Self { faults: Mutex::default(), asked: Mutex::default(), changes: Mutex::default() }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server that follows a script.
pub(crate) trait Scripted: Sized + Send + Sync + 'static {
    fn script(&self) -> &Script<Self>;
    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Reply;
}

/// Serves it.
pub(crate) fn router<S: Scripted>(server: Arc<S>) -> axum::Router {
    axum::Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let server = Arc::clone(&server);
        async move { respond(&*server, &method, &uri, &headers, &body) }
    })
}

fn respond<S: Scripted>(server: &S, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response<Body> {
    let line = format!("{method} {uri}");
    let fault = {
        let mut faults = lock(&server.script().faults);
        let fault = faults.iter_mut().find(|fault| fault.times > 0 && line.contains(&fault.matching));
        fault.map(|fault| {
            fault.times = fault.times.saturating_sub(u32::from(fault.times != u32::MAX));
            fault.clone()
        })
    };
    let lost = fault.as_ref().is_some_and(|fault| fault.status == 0);
    let reply = match fault.filter(|_| !lost) {
        Some(fault) => Reply { status: fault.status, headers: fault.headers, body: fault.body },
        None => server.answer(method, uri, headers, body),
    };
    let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    lock(&server.script().asked).push(Asked { method: method.to_string(), path, status: reply.status });
    let change = {
        let mut changes = lock(&server.script().changes);
        changes.iter().position(|(part, _)| line.contains(part.as_str())).map(|at| changes.remove(at))
    };
    if let Some((_, change)) = change {
        change(server);
    }
    // A status alone would be an answer.
    let mut response = Response::builder().status(if lost { 200 } else { reply.status });
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    // A broken-off answer: what was asked for is done, and nobody hears of it.
    let body = if lost {
        Body::from_stream(tokio_stream::once(Err::<Bytes, _>(std::io::Error::other("lost on its way"))))
    } else {
        Body::from(reply.body)
    };
    response.body(body).unwrap_or_default()
}
