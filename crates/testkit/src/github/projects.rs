//! Project 7 of the organisation of the local GitHub's repository: its items, filtered by their column, with cursors.

use super::answers::{complaint, escaped, query};
use super::state::State;
use crate::script::Reply;
use axum::http::Uri;
use serde_json::{Value, json};

/// Its address.
const PATH: &str = "/orgs/acme/projectsV2/7/items";

/// What it answers; none: something else is asked for.
pub(super) fn answer(state: &State, address: &str, uri: &Uri) -> Option<Reply> {
    let (path, project) = (uri.path(), uri.path().contains("/projectsV2/"));
    if path != PATH {
        return project.then(|| complaint(404, "Not Found"));
    }
    if !state.may_read("organization_projects") {
        return Some(complaint(403, "Resource not accessible by integration"));
    }
    let query = query(uri);
    let filter = query.get("q").map(String::as_str).unwrap_or_default();
    let Some(wanted) = columns(filter) else { return Some(complaint(422, "The filter is invalid")) };
    let draft = json!({ "id": 1, "content_type": "DraftIssue", "content": { "title": "Someday" }, "archived_at": null });
    let mut items = vec![(0, draft)];
    items.extend(state.project.iter().filter(|(_, column)| wanted(column)).map(|(number, column)| {
        let content = state.issue(*number).unwrap_or(Value::Null);
        let fields = json!([{ "name": "Status", "value": column }]);
        (
            *number,
            json!({ "id": 1000 + number, "content_type": "Issue", "content": content, "fields": fields, "archived_at": null }),
        )
    }));
    // A cursor is opaque to whoever asks.
    let after = query.get("after").and_then(|cursor| cursor.strip_prefix("c:")?.parse::<u64>().ok());
    items.retain(|(number, _)| after.is_none_or(|after| *number > after));
    let cap = if state.page_cap == 0 { 100 } else { state.page_cap };
    let asked = query.get("per_page").and_then(|size| size.parse().ok()).unwrap_or(30);
    let more = items.len() > cap.min(asked);
    items.truncate(cap.min(asked));
    let reply = Reply::json(200, &json!(items.iter().map(|(_, item)| item).collect::<Vec<_>>()));
    let last = items.last().filter(|_| more).map(|(number, _)| *number);
    Some(match last {
        Some(last) => {
            let next = format!("{address}{PATH}?q={}&per_page={asked}&after={}", escaped(filter), escaped(&format!("c:{last}")));
            reply.header("link", format!("<{next}>; rel=\"next\""))
        }
        None => reply,
    })
}

/// What a filter by columns selects: `status:Ready`, `-status:"In review"`.
fn columns(filter: &str) -> Option<impl Fn(&str) -> bool> {
    let filter = filter.trim().to_owned();
    let not = filter.starts_with('-');
    let column = filter.trim_start_matches('-').strip_prefix("status:").map(|column| column.trim_matches('"').to_owned());
    let is_known = filter.is_empty() || column.is_some();
    let shows = move |at: &str| column.as_ref().is_none_or(|column| column.eq_ignore_ascii_case(at) != not);
    is_known.then_some(shows)
}
