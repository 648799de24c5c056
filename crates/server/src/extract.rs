//! How requests are read: bounded, validated, and refused with a sentence that helps.

use crate::error::ApiError;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// The largest JSON body, in bytes: the longest text that an endpoint takes is a task's action, well below.
pub(crate) const MAX_JSON_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive: it fits in a few packets, so whoever takes longer only holds a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body of at most [`MAX_JSON_BYTES`].
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json"));
        if !json {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "invalid",
                "the body is not marked as JSON",
                Some("Send `Content-Type: application/json`.".to_owned()),
            ));
        }
        let reading = axum::body::to_bytes(request.into_body(), MAX_JSON_BYTES);
        let bytes = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => {
                return Err(ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "invalid",
                    format!("the body was cut short or is longer than {MAX_JSON_BYTES} bytes"),
                    Some("Send less.".to_owned()),
                ));
            }
            Err(_) => {
                return Err(ApiError::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "invalid",
                    format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs()),
                    Some("Send it again.".to_owned()),
                ));
            }
        };
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            ApiError::invalid(format!("the body cannot be read: {error}"), "See /api/openapi.json for its shape.")
        })
    }
}

/// The query string, with unknown keys refused (its type says `deny_unknown_fields`).
#[derive(Debug)]
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned> QueryOf<T> {
    /// Reads an address's.
    pub(crate) fn of(uri: &http::Uri) -> Result<Self, ApiError> {
        match Query::<T>::try_from_uri(uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let why = match &rejection {
                    QueryRejection::FailedToDeserializeQueryString(inner) => inner.body_text(),
                    other => other.to_string(),
                };
                Err(ApiError::invalid(why, "See /api/openapi.json for what can be asked."))
            }
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::of(&parts.uri)
    }
}

/// The one id in the path.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T> FromRequestParts<S> for Id<T>
where
    T: FromStr,
    T::Err: Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid("the path cannot be read", "Percent-encode it as UTF-8."))?;
        text.parse().map(Self).map_err(|error: T::Err| ApiError::invalid(error.to_string(), "Take the id from a list."))
    }
}
