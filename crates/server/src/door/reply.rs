//! The bodies of the door's answers.

use crate::error::ApiError;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// Why an answer broke off after its head was sent.
pub type DoorError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a door's answer.
pub type DoorBody = UnsyncBoxBody<Bytes, DoorError>;

/// A body that is there already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> DoorBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<DoorBody> {
    let mut response = Response::new(full(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error for programs that read JSON.
pub(crate) fn error(error: &ApiError) -> Response<DoorBody> {
    let mut response = json(error.status, &error.body);
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An error for git, which shows plain text to whoever called it.
pub(crate) fn plain_error(error: &ApiError) -> Response<DoorBody> {
    let fix = error.body.fix.as_deref().unwrap_or_default();
    let mut response = Response::new(full(format!("{}. {fix}\n", error.body.message)));
    *response.status_mut() = error.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
