//! Answers that we give ourselves, in the shape that the asking program understands. They never carry what the
//! upstream was asked with.

use crate::body::{Body, full};
use http::{HeaderValue, Response, StatusCode, header};

/// Says why, in the Messages API's error shape; agents show `message` to people.
pub(crate) fn api_error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    let text = serde_json::json!({ "type": "error", "error": { "type": kind, "message": message } }).to_string();
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Says why, as a line of text; proxies' clients show it, if anything.
pub(crate) fn plain(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(full(format!("{message}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
