//! What the local Plane answers, by Plane's source and the documentation of its REST API.

use super::state::State;
use super::{API_KEY, Asked, BOT, WORKSPACE, Workspace};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The largest page that Plane makes.
const MOST: usize = 1000;

/// An answer before it is sent.
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.to_string() }
    }

    fn detail(status: u16, said: &str) -> Self {
        Self::json(status, &json!({ "detail": said }))
    }

    fn error(status: u16, said: &str) -> Self {
        Self::json(status, &json!({ "error": said }))
    }

    fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

fn no_such() -> Reply {
    Reply::error(404, "The requested resource does not exist.")
}

pub(super) fn router(workspace: Arc<Workspace>) -> axum::Router {
    axum::Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let workspace = Arc::clone(&workspace);
        async move {
            let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
            let reply = {
                let mut state = workspace.state();
                let reply = reply(&mut state, &method, &uri, &headers, &body);
                state.asked.push(Asked { method: method.to_string(), path: path.clone(), status: reply.status });
                reply
            };
            workspace.answered(&path);
            let mut response = Response::builder().status(if reply.status == 0 { 200 } else { reply.status });
            for (name, value) in &reply.headers {
                response = response.header(name, value);
            }
            // A broken-off answer: what was asked for is done, and nobody hears of it.
            let body = if reply.status == 0 {
                Body::from_stream(tokio_stream::once(Err::<Bytes, _>(std::io::Error::other("lost on its way"))))
            } else {
                Body::from(reply.body)
            };
            response.body(body).unwrap_or_default()
        }
    })
}

fn reply(state: &mut State, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Reply {
    let line = format!("{method} {uri}");
    let fault = state.faults.iter_mut().find(|fault| fault.times > 0 && line.contains(&fault.matching));
    let mut lost = false;
    if let Some(fault) = fault {
        fault.times = fault.times.saturating_sub(u32::from(fault.times != u32::MAX));
        lost = fault.status == 0;
        if !lost {
            return Reply { status: fault.status, headers: fault.headers.clone(), body: fault.body.clone() };
        }
    }
    match headers.get("x-api-key").and_then(|value| value.to_str().ok()) {
        None => return Reply::detail(401, "Authentication credentials were not provided."),
        Some(API_KEY) => {}
        // What its framework makes of a key that is not known.
        Some(_) => return Reply::detail(403, "Given API token is not valid"),
    }
    let now = jiff::Timestamp::now().as_second();
    if state.rate.is_some_and(|(_, resets)| resets <= now) {
        state.rate = None;
    }
    if let Some((0, resets)) = state.rate {
        let said = json!({ "error_code": 5900, "error_message": "RATE_LIMIT_EXCEEDED" });
        return Reply::json(429, &said).header("retry-after", resets - now);
    }
    let mut reply = route(state, method, uri, body);
    if let Some((remaining, resets)) = &mut state.rate {
        *remaining -= 1;
        reply = reply.header("x-ratelimit-remaining", *remaining).header("x-ratelimit-reset", *resets);
    }
    if lost { Reply { status: 0, ..reply } } else { reply }
}

fn query(uri: &Uri) -> HashMap<String, String> {
    axum::extract::Query::try_from_uri(uri).map(|axum::extract::Query(query)| query).unwrap_or_default()
}

/// One page of a list: cut by number, whatever the cursor's first part says.
fn paged(state: &State, uri: &Uri, all: &[Value]) -> Reply {
    let query = query(uri);
    let Ok(size) = query.get("per_page").map_or(Ok(MOST), |text| text.parse::<usize>()) else {
        return Reply::detail(400, "Invalid per_page parameter.");
    };
    if size > MOST || size == 0 {
        return Reply::detail(400, "Invalid per_page value. Cannot exceed 1000.");
    }
    let size = if state.page_cap == 0 { size } else { size.min(state.page_cap) };
    let parts: Option<Vec<usize>> =
        query.get("cursor").map_or(Some(vec![size, 0, 0]), |text| text.split(':').map(|part| part.parse().ok()).collect());
    let Some([_, page, _]) = parts.as_deref() else { return Reply::detail(400, "Invalid cursor parameter.") };
    let results: Vec<&Value> = all.iter().skip(page * size).take(size).collect();
    let body = json!({
        "grouped_by": null,
        "sub_grouped_by": null,
        "total_count": all.len(),
        "next_cursor": format!("{size}:{}:0", page + 1),
        "prev_cursor": format!("{size}:{}:1", *page as i64 - 1),
        "next_page_results": all.len() > (page + 1) * size,
        "prev_page_results": *page > 0,
        "count": results.len(),
        "total_pages": all.len().div_ceil(size),
        "total_results": all.len(),
        "extra_stats": null,
        "results": results,
    });
    Reply::json(200, &body)
}

fn route(state: &mut State, method: &Method, uri: &Uri, body: &[u8]) -> Reply {
    let Some(path) = uri.path().strip_prefix("/api/v1/").and_then(|path| path.strip_suffix('/')) else {
        return Reply::error(404, "Page not found.");
    };
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let segments: Vec<&str> = path.split('/').collect();
    let not_allowed = || Reply::detail(403, "You do not have permission to perform this action.");
    match (method.as_str(), segments.as_slice()) {
        ("GET", ["users", "me"]) => Reply::json(200, &json!({ "id": BOT, "email": "crew@acme.test", "display_name": "crew" })),
        (_, ["workspaces", slug, ..]) if *slug != WORKSPACE => not_allowed(),
        ("GET", ["workspaces", _, "members"]) if !state.old => Reply::json(200, &json!(state.members)),
        ("GET", ["workspaces", _, "projects"]) => paged(state, uri, &state.projects),
        (_, ["workspaces", _, "projects", project, rest @ ..]) => {
            if !state.projects.iter().any(|known| known["id"] == *project) {
                return not_allowed();
            }
            of_project(state, method, uri, project, rest, &body)
        }
        _ => Reply::error(404, "Page not found."),
    }
}

fn of_project(state: &mut State, method: &Method, uri: &Uri, project: &str, rest: &[&str], body: &Value) -> Reply {
    let old = state.old;
    match (method.as_str(), rest) {
        ("GET", ["states"]) => {
            let states: Vec<Value> = state.states.iter().filter(|known| known["project"] == project).cloned().collect();
            paged(state, uri, &states)
        }
        ("GET", ["issues" | "work-items"]) if !old || rest == ["issues"] => {
            let tickets = listed(state, uri, project);
            paged(state, uri, &tickets)
        }
        (_, [word @ ("issues" | "work-items"), id, rest @ ..]) if !old || *word == "issues" => {
            if state.tickets.get(*id).is_none_or(|ticket| ticket["project"] != project || !ticket["archived_at"].is_null()) {
                return no_such();
            }
            of_ticket(state, method, uri, id, rest, body)
        }
        _ => Reply::error(404, "Page not found."),
    }
}

/// A ticket with what was asked of it.
fn shown(state: &State, query: &HashMap<String, String>, ticket: &Value) -> Value {
    let mut ticket = ticket.clone();
    if query.get("expand").is_some_and(|expand| expand.split(',').any(|part| part == "labels")) {
        let ids = ticket["labels"].as_array().cloned().unwrap_or_default();
        ticket["labels"] = state.labels.iter().filter(|label| ids.contains(&label["id"])).cloned().collect();
    }
    if let (Some(fields), Some(map)) = (query.get("fields"), ticket.as_object_mut()) {
        map.retain(|key, _| fields.split(',').any(|field| field == key));
    }
    ticket
}

fn listed(state: &State, uri: &Uri, project: &str) -> Vec<Value> {
    let query = query(uri);
    let there = |ticket: &&Value| ticket["project"] == project && ticket["archived_at"].is_null();
    let mut tickets: Vec<&Value> = state.tickets.values().filter(there).collect();
    tickets.sort_by_key(|ticket| ticket["created_at"].as_str().unwrap_or_default().to_owned());
    if query.get("order_by").is_none_or(|order| order != "created_at") {
        tickets.reverse();
    }
    tickets.into_iter().map(|ticket| shown(state, &query, ticket)).collect()
}

fn of_ticket(state: &mut State, method: &Method, uri: &Uri, id: &str, rest: &[&str], body: &Value) -> Reply {
    match (method.as_str(), rest) {
        ("GET", []) => Reply::json(200, &shown(state, &query(uri), &state.tickets[id])),
        ("PATCH", []) => {
            let project = state.tickets[id]["project"].clone();
            let wanted = &body["state"];
            if !wanted.is_null() && !state.states.iter().any(|known| known["id"] == *wanted && known["project"] == project) {
                return Reply::json(400, &json!({ "state": ["Invalid pk - object does not exist."] }));
            }
            state.edit(id, |ticket| {
                for key in ["state", "name", "description_html", "priority"] {
                    if !body[key].is_null() {
                        ticket[key] = body[key].clone();
                    }
                }
                ticket["updated_by"] = BOT.into();
            });
            Reply::json(200, &state.tickets[id])
        }
        ("GET", ["comments"]) => {
            let comments: Vec<Value> = state.comments.get(id).into_iter().flatten().rev().cloned().collect();
            paged(state, uri, &comments)
        }
        ("POST", ["comments"]) => {
            let named = |comment: &&Value| {
                !body["external_id"].is_null()
                    && comment["external_id"] == body["external_id"]
                    && comment["external_source"] == body["external_source"]
            };
            if let Some(there) = state.comments.values().flatten().find(named) {
                let said = "Work item comment with the same external id and external source already exists";
                return Reply::json(409, &json!({ "error": said, "id": there["id"] }));
            }
            Reply::json(201, &state.comment(id, BOT, body))
        }
        (_, ["comments", comment]) => {
            let comment = state.comments.get_mut(id).into_iter().flatten().find(|known| known["id"] == *comment);
            match (method.as_str(), comment) {
                ("GET", Some(comment)) => Reply::json(200, comment),
                ("PATCH", Some(comment)) => {
                    comment["comment_html"] = body["comment_html"].clone();
                    let comment = comment.clone();
                    state.edit(id, |_| {});
                    Reply::json(200, &comment)
                }
                _ => no_such(),
            }
        }
        ("GET", ["relations"]) if !state.old => {
            let project_of = |id: &str| state.tickets.get(id).map(|ticket| ticket["project"].clone()).unwrap_or_default();
            let related = |id: &String| json!({ "issue_id": id, "project_id": project_of(id) });
            let there = |id: &&String| state.tickets.contains_key(*id);
            let pairs = || state.blocked_by.iter();
            let blocked_by: Vec<Value> =
                pairs().filter(|pair| pair.0 == id).map(|pair| &pair.1).filter(there).map(related).collect();
            let blocking: Vec<Value> =
                pairs().filter(|pair| pair.1 == id).map(|pair| &pair.0).filter(there).map(related).collect();
            Reply::json(
                200,
                &json!({
                    "blocking": blocking, "blocked_by": blocked_by, "duplicate": [], "relates_to": [], "start_after": [],
                    "start_before": [], "finish_after": [], "finish_before": [],
                }),
            )
        }
        ("GET", ["attachments" | "issue-attachments"]) => {
            Reply::json(200, &json!(state.attachments.get(id).cloned().unwrap_or_default()))
        }
        _ => Reply::error(404, "Page not found."),
    }
}
