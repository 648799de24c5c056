//! How routes, guards and headers are put together.

use crate::auth::guard;
use crate::compat;
use crate::error::ApiError;
use crate::request_id;
use crate::routes;
use crate::state::AppState;
use crate::ui::{self, Pages};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;
use strawboss_engine::cause;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tracing::Instrument;

/// The whole interface.
pub(crate) fn app(state: AppState, pages: Arc<dyn Pages>) -> Router {
    let guarded = Router::from(routes::guarded()).merge(compat::guarded(compat::EDGE)).merge(compat::ticket_paths());
    let guarded = guarded.route_layer(from_fn_with_state(state.clone(), guard::by_method));
    let any_scope = [compat::EDGE, ""].map(compat::any_scope).into_iter().fold(Router::from(routes::any_scope()), Router::merge);
    let any_scope = any_scope.route_layer(from_fn_with_state(state.clone(), guard::any));
    let admin = Router::from(routes::admin()).route_layer(from_fn_with_state(state.clone(), guard::admin));
    let measured = Router::from(routes::measured()).route_layer(from_fn_with_state(state.clone(), guard::measured));
    let router = Router::from(routes::open())
        .merge(compat::health())
        .merge(compat::open(compat::EDGE))
        .merge(compat::open(""))
        .merge(guarded)
        .merge(any_scope)
        .merge(admin)
        .merge(measured)
        .fallback(move |request: Request| {
            let pages = pages.clone();
            async move { ui::answer(&*pages, &request) }
        })
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CompressionLayer::new().compress_when(worth_packing))
        .layer(from_fn_with_state(state.clone(), guard::host));
    dressed(router, state)
}

/// What every interface does with its requests and answers, whoever may ask.
pub(crate) fn dressed(router: Router<AppState>, state: AppState) -> Router {
    router
        .layer(from_fn(secure))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), observe))
        .with_state(state)
}

async fn method_not_allowed(request: Request) -> ApiError {
    let message =
        format!("`{}` cannot be asked by {}", request.uri().path().chars().take(200).collect::<String>(), request.method());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", message, Some("GET /api/openapi.json says how.".to_owned()))
}

/// Texts, and never streams: those must leave as they come.
fn worth_packing(_status: StatusCode, _version: Version, headers: &HeaderMap, _extensions: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let small =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).is_some_and(|n: u64| n < 512);
    !small
        && !kind.starts_with("text/event-stream")
        && ["text/", "application/json", "application/manifest+json", "image/svg+xml", "application/wasm"]
            .iter()
            .any(|start| kind.starts_with(start))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(what: Box<dyn Any + Send>) -> Response {
    let text = what.downcast_ref::<String>().map(String::as_str).or_else(|| what.downcast_ref::<&str>().copied());
    ApiError::internal(text.unwrap_or("a panic without words")).into_response()
}

const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Headers that keep browsers from doing more with an answer than it is for.
async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let html = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        (header::CONTENT_SECURITY_POLICY, if html { ui::CONTENT_POLICY } else { API_POLICY }),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Only pages say themselves that they may be kept.
    let kept = headers.get(header::CACHE_CONTROL).is_some_and(|value| value.as_bytes().starts_with(b"public"));
    if !kept && !headers.contains_key(header::ETAG) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Gives each request a number, and says and counts how it ended. Neither query nor headers are logged.
async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let id = request_id::next();
    let method = known_method(request.method());
    let asks = request.method().is_safe();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let path = request.uri().path().chars().take(200).collect::<String>();
    let parent = request_id::parent(request.headers());
    let span =
        tracing::info_span!("request", request.id = %id, request.parent = parent, method, path, caller = tracing::field::Empty);
    let began = Instant::now();
    let mut response = cause::on_behalf(id.clone(), next.run(request)).instrument(span.clone()).await;
    let took = began.elapsed();
    let status = response.status().as_u16();
    state.measure.answered(method, route, status, took);
    span.in_scope(|| {
        if asks {
            tracing::debug!(status, took_ms = took.as_secs_f64() * 1e3, "answered");
        } else {
            tracing::info!(status, took_ms = took.as_secs_f64() * 1e3, "answered");
        }
    });
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static(request_id::HEADER), id);
    }
    response
}
