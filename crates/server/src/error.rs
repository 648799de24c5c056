//! What goes wrong in a request, as one answer: a status and [`ErrorBody`]. Internals are logged here, once, and not told.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use strawboss_engine::Refused;
use strawboss_protocol::api::ErrorBody;

/// An answer that says what was tried, why it failed and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: ErrorBody,
    /// Seconds after which it makes sense to try again.
    pub retry_after: Option<u64>,
}

impl ApiError {
    /// An error from its parts.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>, fix: Option<String>) -> Self {
        Self { status, body: ErrorBody { code: code.to_owned(), message: message.into(), fix }, retry_after: None }
    }

    /// What was sent makes no sense: 400.
    pub fn invalid(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message, Some(fix.into()))
    }

    /// No credentials, or ones that are not (or no more) good: 401.
    pub fn unauthorized(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message, Some(fix.into()))
    }

    /// Good credentials that do not allow it: 403.
    pub fn forbidden(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message, Some(fix.into()))
    }

    /// Nothing is there: 404.
    pub fn not_found(message: impl Into<String>, fix: Option<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message, fix)
    }

    /// Not now: 503.
    pub fn unavailable(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message, Some(fix.into()))
    }

    /// A defect: the text goes to the log, a plain sentence to the caller.
    pub fn internal(text: &str) -> Self {
        tracing::error!(error = text, "a request failed inside");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Strawboss failed inside while it answered",
            Some("Look for this request's x-request-id in the log of `strawboss serve`.".to_owned()),
        )
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound { .. } => Self::not_found(refused.to_string(), None),
            Refused::Conflict { message, fix } => Self::new(StatusCode::CONFLICT, "conflict", message, fix),
            Refused::Invalid { message, fix } => Self::new(StatusCode::BAD_REQUEST, "invalid", message, fix),
            Refused::Forbidden(message) => Self::new(StatusCode::FORBIDDEN, "forbidden", message, None),
            Refused::Unavailable(message) => {
                tracing::warn!(error = %message, "a request could not be served now");
                Self::unavailable(message, "Try again in a moment; `strawboss status` says what does not answer.")
            }
            Refused::Internal(text) => Self::internal(&text),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"strawboss\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::ApiError;
    use strawboss_engine::Refused;

    #[test]
    fn internals_are_not_told() {
        let error = ApiError::from(Refused::Internal("row 7 of runs: secret path /srv/x".to_owned()));
        assert_eq!(error.status.as_u16(), 500);
        assert!(!format!("{:?}", error.body).contains("secret path"));
    }

    #[test]
    fn each_refusal_has_its_status() {
        let cases = [
            (Refused::not_found("task", "x-1"), 404, "not_found"),
            (Refused::conflict("it runs", "stop it"), 409, "conflict"),
            (Refused::invalid("no such day", "use YYYY-MM-DD"), 400, "invalid"),
            (Refused::Forbidden("no".to_owned()), 403, "forbidden"),
            (Refused::Unavailable("the disk is full".to_owned()), 503, "unavailable"),
        ];
        for (refused, status, code) in cases {
            let error = ApiError::from(refused);
            assert_eq!((error.status.as_u16(), error.body.code.as_str()), (status, code));
        }
    }
}
