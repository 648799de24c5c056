//! What the local Google answers, by its documentation of OAuth for service accounts, Sheets v4 and Drive v3.

use super::book::{Area, Book};
use super::cell::Cell;
use super::mask;
use super::{NAME, Office, Role, SPREADSHEET, State};
use crate::script::{Reply, Script, Scripted};
use axum::http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};
use std::collections::HashMap;

/// What is wrong with a request.
struct Refusal(u16, &'static str, String);

type Answer = Result<Value, Refusal>;

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal(400, "INVALID_ARGUMENT", message.into())
}

fn denied(message: &str) -> Refusal {
    Refusal(403, "PERMISSION_DENIED", message.to_owned())
}

/// A quota of each minute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) reads: u64,
    pub(super) writes: u64,
}

impl Scripted for Office {
    fn script(&self) -> &Script<Self> {
        &self.script
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Reply {
        let mut state = self.state();
        if uri.path() == "/token" {
            let form: HashMap<String, String> = pairs(std::str::from_utf8(body).unwrap_or_default());
            let token_uri = format!("{}/token", state.address);
            return match state.account.token(&form, &token_uri) {
                Ok(token) => Reply::json(200, &token),
                Err(refused) => Reply::json(400, &refused),
            };
        }
        match answer(&mut state, method, uri, headers, body) {
            Ok(value) => Reply::json(200, &value),
            Err(Refusal(status, word, message)) => {
                let mut error = json!({ "code": status, "message": message, "status": word });
                if message.contains("has not been used in project") {
                    error["details"] = json!([{
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com",
                    }]);
                }
                Reply::json(status, &json!({ "error": error }))
            }
        }
    }
}

fn answer(state: &mut State, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
    let query = pairs(uri.query().unwrap_or_default());
    let drive = uri.path() == "/drive/v3/files";
    authorised(state, headers, if drive { "drive.metadata.readonly" } else { "spreadsheets" })?;
    if state.api_off {
        return Err(denied(
            "Google Sheets API has not been used in project 1 before or it is disabled. Enable it by visiting \
             https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project=1 then retry.",
        ));
    }
    let fields = query.get("fields").map_or("*", String::as_str);
    let value = if drive { files(state, &query)? } else { of_spreadsheet(state, method, uri.path(), body)? };
    if fields == "*" { Ok(value) } else { mask::cut(value, fields).map_err(invalid) }
}

fn authorised(state: &State, headers: &HeaderMap, scope: &str) -> Result<(), Refusal> {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let now = jiff::Timestamp::now().as_second();
    let known = token.and_then(|token| state.account.tokens.get(token)).filter(|(_, until)| *until > now);
    let Some((scopes, _)) = known else {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
                       authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.";
        return Err(Refusal(401, "UNAUTHENTICATED", message.to_owned()));
    };
    let wanted = format!("https://www.googleapis.com/auth/{scope}");
    if scopes.split(' ').any(|known| known == wanted) {
        return Ok(());
    }
    Err(denied("Request had insufficient authentication scopes."))
}

/// A query or a form.
fn pairs(text: &str) -> HashMap<String, String> {
    let uri: Uri = format!("/?{text}").parse().unwrap_or_default();
    axum::extract::Query::try_from_uri(&uri).map(|axum::extract::Query(pairs)| pairs).unwrap_or_default()
}

/// Drive's list, two to a page.
fn files(state: &State, query: &HashMap<String, String>) -> Answer {
    let q = query.get("q").map(String::as_str).unwrap_or_default();
    let name = q
        .strip_prefix("name = '")
        .and_then(|rest| rest.strip_suffix("' and mimeType = 'application/vnd.google-apps.spreadsheet' and trashed = false"));
    let name = name.ok_or_else(|| invalid("Invalid Value"))?.replace("\\'", "'").replace("\\\\", "\\");
    let mut all: Vec<(&str, &str)> = Vec::new();
    if state.role != Role::Stranger {
        all.push((SPREADSHEET, NAME));
    }
    all.extend(state.others.iter().map(|(id, name)| (id.as_str(), name.as_str())));
    all.retain(|(_, known)| known.to_lowercase() == name.to_lowercase());
    let from: usize = query.get("pageToken").and_then(|token| token.strip_prefix("from-")?.parse().ok()).unwrap_or(0);
    let page: Vec<Value> = all.iter().skip(from).take(2).map(|(id, name)| json!({ "id": id, "name": name })).collect();
    let mut answer = json!({ "files": page });
    if from + 2 < all.len() {
        answer["nextPageToken"] = format!("from-{}", from + 2).into();
    }
    Ok(answer)
}

fn of_spreadsheet(state: &mut State, method: &Method, path: &str, body: &[u8]) -> Answer {
    let rest = path.strip_prefix("/v4/spreadsheets/").unwrap_or_default();
    let (id, what) = rest.split_at(rest.find([':', '/']).unwrap_or(rest.len()));
    if id != SPREADSHEET {
        return Err(Refusal(404, "NOT_FOUND", "Requested entity was not found.".to_owned()));
    }
    let writes = matches!(what, ":batchUpdate" | "/values:batchUpdate");
    if let Some(quota) = &mut state.quota {
        let (left, word) = if writes { (&mut quota.writes, "Write") } else { (&mut quota.reads, "Read") };
        if *left == 0 {
            let message = format!(
                "Quota exceeded for quota metric '{word} requests' and limit '{word} requests per minute per user' of service \
                 'sheets.googleapis.com' for consumer 'project_number:1'."
            );
            return Err(Refusal(429, "RESOURCE_EXHAUSTED", message));
        }
        *left -= 1;
    }
    if state.role == Role::Stranger || (writes && state.role == Role::Viewer) {
        return Err(denied("The caller does not have permission"));
    }
    let body: Value =
        if body.is_empty() { Value::Null } else { serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))? };
    match (method.as_str(), what) {
        ("GET", "") => Ok(state.book.answer(SPREADSHEET, None)),
        ("POST", ":getByDataFilter") => filtered(&state.book, &body),
        ("POST", ":batchUpdate") => batch(&mut state.book, &body),
        ("POST", "/values:batchUpdate") => values(&mut state.book, &body),
        _ => Err(Refusal(404, "NOT_FOUND", "Requested entity was not found.".to_owned())),
    }
}

fn filtered(book: &Book, body: &Value) -> Answer {
    let mut wanted = Vec::new();
    for filter in body["dataFilters"].as_array().into_iter().flatten() {
        let id = filter["gridRange"]["sheetId"].as_i64().unwrap_or_default();
        if !book.sheets.iter().any(|sheet| sheet.id == id) {
            return Err(invalid(format!("Invalid dataFilter[0]: No grid with id: {id}")));
        }
        wanted.push(id);
    }
    Ok(book.answer(SPREADSHEET, Some(&wanted)))
}

/// All of them, or none.
fn batch(book: &mut Book, body: &Value) -> Answer {
    let mut changed = book.clone();
    let mut replies = Vec::new();
    for request in body["requests"].as_array().into_iter().flatten() {
        if let Some(named) = request.get("addNamedRange").map(|add| &add["namedRange"]) {
            let range = &named["range"];
            let side = |start: &str, end: &str| {
                Some(usize::try_from(range[start].as_u64()?).ok()?..usize::try_from(range[end].as_u64()?).ok()?)
            };
            let area = side("startRowIndex", "endRowIndex").zip(side("startColumnIndex", "endColumnIndex"));
            let (rows, columns) = area.ok_or_else(|| invalid("Invalid requests[0].addNamedRange: an unbounded range"))?;
            let (name, sheet) = (named["name"].as_str().unwrap_or_default(), range["sheetId"].as_i64().unwrap_or_default());
            let id = changed.name(name, sheet, Area { rows, columns }).map_err(invalid)?;
            let mut named = named.clone();
            named["namedRangeId"] = id.into();
            replies.push(json!({ "addNamedRange": { "namedRange": named } }));
        } else if let Some(id) = request["deleteNamedRange"]["namedRangeId"].as_str() {
            let before = changed.names.len();
            changed.names.retain(|name| name.id != id);
            if changed.names.len() == before {
                return Err(invalid(format!("Invalid requests[0].deleteNamedRange: No named range with id: {id}")));
            }
            replies.push(json!({}));
        } else {
            return Err(invalid("Invalid JSON payload received. Unknown request."));
        }
    }
    if replies.is_empty() {
        return Err(invalid("Must specify at least one request."));
    }
    *book = changed;
    Ok(json!({ "spreadsheetId": SPREADSHEET, "replies": replies }))
}

fn values(book: &mut Book, body: &Value) -> Answer {
    let raw = match body["valueInputOption"].as_str() {
        Some("RAW") => true,
        Some("USER_ENTERED") => false,
        _ => return Err(invalid("'valueInputOption' is required but not specified")),
    };
    let mut changed = book.clone();
    let mut cells = 0;
    for (number, data) in body["data"].as_array().into_iter().flatten().enumerate() {
        let range = data["range"].as_str().unwrap_or_default();
        // Of the notations that Google takes only names are spoken here.
        let named = changed.names.iter().find(|name| name.name == range).cloned();
        let Some(named) = named else { return Err(invalid(format!("Unable to parse range: {range}"))) };
        let Some(sheet) = changed.sheets.iter_mut().find(|sheet| sheet.id == named.sheet_id) else { continue };
        for (row, values) in data["values"].as_array().into_iter().flatten().enumerate() {
            for (column, value) in values.as_array().into_iter().flatten().enumerate() {
                let (row, column) = (named.area.rows.start + row, named.area.columns.start + column);
                if !named.area.rows.contains(&row) || !named.area.columns.contains(&column) {
                    return Err(invalid(format!(
                        "Invalid data[{number}]: Requested writing within range [{range}], but tried writing outside"
                    )));
                }
                if sheet.protected.iter().any(|area| area.rows.contains(&row) && area.columns.contains(&column)) {
                    return Err(invalid(format!(
                        "Invalid data[{number}]: You are trying to edit a protected cell or object. Please contact the spreadsheet owner \
                         to remove protection if you need to edit."
                    )));
                }
                if !value.is_null() {
                    sheet.set(row, column, Cell::written(value, raw));
                    cells += 1;
                }
            }
        }
    }
    *book = changed;
    Ok(json!({ "spreadsheetId": SPREADSHEET, "totalUpdatedCells": cells, "responses": [] }))
}
