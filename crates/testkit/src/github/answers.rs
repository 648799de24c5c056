//! What the local GitHub answers, by GitHub's documentation of its REST API.

use super::state::State;
use super::{BOT, REPOSITORY, Repository, TOKEN};
use crate::script::{Reply, Script, Scripted};
use axum::http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// GitHub's form of a complaint.
pub(super) fn complaint(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }))
}

impl Scripted for Repository {
    fn script(&self) -> &Script<Self> {
        &self.script
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Reply {
        let mut state = self.state();
        let address = state.address.clone();
        reply(&mut state, &address, method, uri, headers, body)
    }
}

fn reply(state: &mut State, address: &str, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Reply {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bearer = bearer.strip_prefix("Bearer ").unwrap_or_default();
    let date = state.app.now();
    let asked = serde_json::from_slice(body).unwrap_or(Value::Null);
    if let Some(answered) = state.app.answer(method.as_str(), uri.path(), bearer, &asked) {
        let reply = match answered {
            Ok((status, value)) => Reply::json(status, &value),
            Err((status, why)) => complaint(status, &why),
        };
        let at = jiff::Timestamp::from_second(date).map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        return reply.header("date", at.unwrap_or_default());
    }
    state.as_app = state.app.takes(bearer).then(|| bearer.to_owned());
    if bearer != TOKEN && state.as_app.is_none() {
        return complaint(401, "Bad credentials");
    }
    let now = jiff::Timestamp::now().as_second();
    if state.rate.is_some_and(|(_, resets)| resets <= now) {
        state.rate = None;
    }
    if let Some((0, resets)) = state.rate {
        return complaint(403, "API rate limit exceeded for user ID 1.")
            .header("x-ratelimit-limit", 5000)
            .header("x-ratelimit-remaining", 0)
            .header("x-ratelimit-reset", resets);
    }
    let mut reply = route(state, address, method, uri, body);
    if *method == Method::GET && reply.status == 200 {
        let mut hasher = DefaultHasher::new();
        (&reply.body, reply.headers.iter().find(|(name, _)| name == "link")).hash(&mut hasher);
        let etag = format!("W/\"{:016x}\"", hasher.finish());
        if headers.get("if-none-match").and_then(|value| value.to_str().ok()) == Some(&etag) {
            reply = Reply { status: 304, headers: Vec::new(), body: String::new() };
        }
        reply = reply.header("etag", etag);
    }
    // An answer that nothing changed costs nothing.
    if let Some((remaining, resets)) = &mut state.rate {
        *remaining -= u64::from(reply.status != 304);
        reply = reply.header("x-ratelimit-remaining", *remaining).header("x-ratelimit-reset", *resets);
    }
    reply
}

pub(super) fn query(uri: &Uri) -> HashMap<String, String> {
    axum::extract::Query::try_from_uri(uri).map(|axum::extract::Query(query)| query).unwrap_or_default()
}

/// One page of a list, with where the next one is.
pub(super) fn paged(state: &State, address: &str, uri: &Uri, all: &[Value]) -> Reply {
    let mut query = query(uri);
    let number = |query: &HashMap<String, String>, key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let cap = if state.page_cap == 0 { 100 } else { state.page_cap };
    let size = number(&query, "per_page").unwrap_or(30).clamp(1, cap);
    let page = number(&query, "page").unwrap_or(1).max(1);
    let items: Vec<&Value> = all.iter().skip((page - 1) * size).take(size).collect();
    let reply = Reply::json(200, &json!(items));
    if page * size >= all.len() {
        return reply;
    }
    query.insert("page".to_owned(), (page + 1).to_string());
    let mut pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    pairs.sort();
    reply.header("link", format!("<{address}{}?{}>; rel=\"next\"", uri.path(), pairs.join("&")))
}

pub(super) fn escaped(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let code = others.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &others[2..];
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn route(state: &mut State, address: &str, method: &Method, uri: &Uri, body: &[u8]) -> Reply {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if uri.path() == "/user" {
        if state.as_app.is_some() {
            return complaint(403, "Resource not accessible by integration");
        }
        return Reply::json(200, &json!({ "login": BOT, "type": "User" }));
    }
    let not_found = || complaint(404, "Not Found");
    if let Some(reply) = super::projects::answer(state, address, uri) {
        return reply;
    }
    let Some(rest) = uri.path().strip_prefix(&format!("/repos/{REPOSITORY}")) else { return not_found() };
    if state.renamed {
        return complaint(301, "Moved Permanently").header("location", format!("{address}/repositories/7{rest}"));
    }
    let segments: Vec<String> = rest.split('/').filter(|part| !part.is_empty()).map(unescaped).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    if let Some(reply) = super::pulls::answer(state, address, method, uri, &segments, &body) {
        return reply;
    }
    match (method.as_str(), segments.as_slice()) {
        ("GET", []) => Reply::json(200, &json!({ "full_name": REPOSITORY })),
        ("GET", ["issues"]) => {
            let issues = listed(state, &query(uri));
            paged(state, address, uri, &issues)
        }
        ("POST", ["labels"]) => {
            let name = text("name").unwrap_or_default();
            if !state.labels.insert(name.to_lowercase()) {
                return complaint(422, "Validation Failed");
            }
            Reply::json(201, &json!({ "name": name }))
        }
        ("PATCH", ["issues", "comments", id]) => {
            let id: u64 = id.parse().unwrap_or_default();
            let comment = state.comments.values_mut().flatten().find(|comment| comment["id"] == id);
            let Some(comment) = comment else { return not_found() };
            comment["body"] = body["body"].clone();
            Reply::json(200, comment)
        }
        (_, ["issues", number, rest @ ..]) => {
            let number: u64 = number.parse().unwrap_or_default();
            match state.gone.get(&number) {
                Some(true) => {
                    let there = format!("{address}/repositories/8/issues/1");
                    return complaint(301, "Moved Permanently").header("location", there);
                }
                Some(false) => return complaint(410, "This issue was deleted"),
                None => {}
            }
            let Some(issue) = state.issue(number) else { return not_found() };
            of_issue(state, address, method, uri, (number, &issue), rest, &body)
        }
        _ => not_found(),
    }
}

fn of_issue(
    state: &mut State,
    address: &str,
    method: &Method,
    uri: &Uri,
    (number, issue): (u64, &Value),
    rest: &[&str],
    body: &Value,
) -> Reply {
    match (method.as_str(), rest) {
        ("GET", []) => Reply::json(200, issue),
        ("PATCH", []) => {
            state.edit(number, |issue| {
                for key in ["state", "state_reason", "title", "body"] {
                    if !body[key].is_null() {
                        issue[key] = body[key].clone();
                    }
                }
            });
            Reply::json(200, &state.issue(number).unwrap_or_default())
        }
        ("GET", ["comments"]) => {
            let comments = state.comments.get(&number).cloned().unwrap_or_default();
            paged(state, address, uri, &comments)
        }
        ("POST", ["comments"]) => {
            let text = body["body"].as_str().unwrap_or_default().to_owned();
            if text.is_empty() || text.chars().count() > 65_536 {
                return complaint(422, "Validation Failed");
            }
            let (login, association) = (state.asking(), if state.as_app.is_some() { "NONE" } else { "COLLABORATOR" });
            Reply::json(201, &state.comment(number, &login, association, &text))
        }
        ("POST", ["labels"]) => {
            for name in body["labels"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                state.label(number, name);
            }
            Reply::json(200, &state.issue(number).unwrap_or_default()["labels"])
        }
        ("DELETE", ["labels", name]) => {
            if state.unlabel(number, name) {
                Reply::json(200, &state.issue(number).unwrap_or_default()["labels"])
            } else {
                complaint(404, "Label does not exist")
            }
        }
        ("GET", ["dependencies", "blocked_by"]) => {
            let blockers = state.blocked_by.get(&number).cloned().unwrap_or_default();
            let blockers: Vec<Value> = blockers.into_iter().filter_map(|by| state.issue(by)).collect();
            paged(state, address, uri, &blockers)
        }
        _ => complaint(404, "Not Found"),
    }
}

fn listed(state: &State, query: &HashMap<String, String>) -> Vec<Value> {
    let wanted = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let labels: Vec<&str> = wanted("labels").split(',').filter(|label| !label.is_empty()).collect();
    let numbers = state.issues.keys().copied();
    let issues = numbers.filter_map(|number| state.issue(number).map(|issue| (number, issue)));
    let selected = issues.filter(|(number, issue)| {
        let names = state.label_names(*number);
        let assignees = issue["assignees"].as_array().map(Vec::as_slice).unwrap_or_default();
        let assigned = match wanted("assignee") {
            "" => true,
            "*" => !assignees.is_empty(),
            "none" => assignees.is_empty(),
            login => assignees.iter().any(|user| user["login"] == login),
        };
        let in_state = matches!(wanted("state"), "all") || issue["state"] == wanted("state");
        let since = issue["updated_at"].as_str().unwrap_or_default() >= wanted("since");
        let labelled = labels.iter().all(|label| names.iter().any(|name| name.eq_ignore_ascii_case(label)));
        in_state && since && assigned && labelled
    });
    selected.map(|(_, issue)| issue).collect()
}
