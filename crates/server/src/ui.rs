//! The dashboard's pages, embedded in the program. A build without them works and says how to make them.

use crate::error::ApiError;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::borrow::Cow;

/// What the built pages may load: themselves. The terminal and the charts set styles from scripts.
pub(crate) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Files with a hash in their names never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Everything else is asked for again, and mostly answered with 304.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// A file of the pages.
pub(crate) struct Page {
    pub(crate) bytes: Cow<'static, [u8]>,
    pub(crate) sha256: [u8; 32],
}

/// Where pages come from.
pub(crate) trait Pages: Send + Sync {
    /// The file of this path, without the leading slash.
    fn page(&self, path: &str) -> Option<Page>;
}

#[derive(rust_embed::Embed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// What was built in `web/dist`: read from there in debug builds, embedded in others.
pub(crate) struct Embedded;

impl Pages for Embedded {
    fn page(&self, path: &str) -> Option<Page> {
        Dist::get(path).map(|file| Page { sha256: file.metadata.sha256_hash(), bytes: file.data })
    }
}

/// Paths that belong to programs, not to pages.
fn is_for_programs(path: &str) -> bool {
    ["api", "ws", "metrics", "health", "ready", "control", "git", "gateway", "mcp"]
        .iter()
        .any(|first| path.strip_prefix(first).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Answers what no route answers.
pub(crate) fn answer(pages: &dyn Pages, request: &Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    if is_for_programs(path) {
        let shown: String = request.uri().path().chars().take(200).collect();
        return ApiError::not_found(
            format!("there is nothing at `{} {shown}`", request.method()),
            Some("GET /api/openapi.json lists what there is.".to_owned()),
        )
        .into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let message = format!("pages are only read, not asked by {}", request.method());
        return ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", message, Some("Commands are under /api/v1.".to_owned()))
            .into_response();
    }
    let exact = if path.is_empty() { None } else { pages.page(path) };
    if let Some(page) = exact {
        return serve(page, path, request.headers());
    }
    // The dashboard has addresses of its own (`/runs/antenna-3.1`); whoever navigates there gets its first page.
    if path.is_empty() || navigates(request.headers()) {
        return match pages.page("index.html") {
            Some(page) => serve(page, "index.html", request.headers()),
            None => (StatusCode::SERVICE_UNAVAILABLE, Html(MISSING)).into_response(),
        };
    }
    ApiError::not_found("there is no such file", None).into_response()
}

fn navigates(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Strawboss</title>\
    <h1>This build has no pages</h1><p>Strawboss runs, and its API answers at <a href=\"/api/openapi.json\">/api/openapi.json</a>, \
    but the dashboard was not built into it.</p><p>Run <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, build \
    Strawboss again, and reload.</p></html>\n";

fn serve(page: Page, path: &str, headers: &HeaderMap) -> Response {
    use std::fmt::Write as _;
    let mut tag = String::from("W/\"");
    for byte in &page.sha256[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let fresh = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag || one.trim() == "*"));
    let mut response =
        if fresh { StatusCode::NOT_MODIFIED.into_response() } else { Body::from(page.bytes.into_owned()).into_response() };
    let out = response.headers_mut();
    if !fresh {
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    }
    out.insert(header::CACHE_CONTROL, if path.starts_with("assets/") { FOR_EVER } else { ASK_AGAIN });
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::{Embedded, Page, Pages, answer};
    use axum::body::Body;
    use axum::extract::Request;
    use axum::response::Response;
    use std::borrow::Cow;

    struct Built;

    impl Pages for Built {
        fn page(&self, path: &str) -> Option<Page> {
            let bytes: &'static [u8] = match path {
                "index.html" => b"<html>",
                "assets/app-1a2b.js" => b"go()",
                _ => return None,
            };
            Some(Page { bytes: Cow::Borrowed(bytes), sha256: [7; 32] })
        }
    }

    struct NotBuilt;

    impl Pages for NotBuilt {
        fn page(&self, _path: &str) -> Option<Page> {
            None
        }
    }

    fn ask(pages: &dyn Pages, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(pages, &request.body(Body::empty()).unwrap())
    }

    fn header<'r>(response: &'r Response, name: &str) -> &'r str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

    #[test]
    fn hashed_files_are_kept_and_the_first_page_is_asked_for_again() {
        let script = ask(&Built, "GET", "/assets/app-1a2b.js", &[]);
        assert_eq!((script.status().as_u16(), header(&script, "content-type")), (200, "text/javascript; charset=utf-8"));
        assert!(header(&script, "cache-control").contains("immutable"));
        let index = ask(&Built, "GET", "/", &[]);
        assert_eq!((index.status().as_u16(), header(&index, "cache-control")), (200, "no-cache"));
        let tag = header(&index, "etag").to_owned();
        assert_eq!(ask(&Built, "GET", "/", &[("if-none-match", &tag)]).status().as_u16(), 304);
        assert_eq!(ask(&Built, "GET", "/", &[("if-none-match", "W/\"other\"")]).status().as_u16(), 200);
    }

    #[test]
    fn pages_of_the_dashboard_are_found_and_files_that_are_not_there_are_not() {
        assert_eq!(ask(&Built, "GET", "/runs/antenna-3.1", &[HTML]).status().as_u16(), 200);
        assert_eq!(ask(&Built, "GET", "/assets/gone.js", &[]).status().as_u16(), 404);
        assert_eq!(ask(&Built, "GET", "/favicon.ico", &[("accept", "image/*")]).status().as_u16(), 404);
        assert_eq!(ask(&Built, "POST", "/runs", &[HTML]).status().as_u16(), 405);
    }

    #[test]
    fn unknown_paths_of_programs_are_json_even_for_browsers() {
        for path in
            ["/api", "/api/v1/nothing", "/ws/x", "/git/mirror.git/info/refs", "/control", "/gateway/anthropic/v1/messages"]
        {
            let response = ask(&Built, "GET", path, &[HTML]);
            assert_eq!((response.status().as_u16(), header(&response, "content-type")), (404, "application/json"), "{path}");
        }
        assert_eq!(ask(&Built, "GET", "/apish", &[HTML]).status().as_u16(), 200);
    }

    #[test]
    fn a_build_without_pages_says_how_to_make_them() {
        assert_eq!(ask(&NotBuilt, "GET", "/", &[]).status().as_u16(), 503);
    }

    #[test]
    fn no_path_leaves_the_pages() {
        for path in ["/../Cargo.toml", "/..%2fCargo.toml", "/assets/../../package.json", "//etc/passwd", "/%2e%2e/package.json"] {
            let response = ask(&Embedded, "GET", path, &[]);
            assert!(matches!(response.status().as_u16(), 404 | 503), "{path}");
        }
    }
}
