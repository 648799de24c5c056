//! One request and its bounded answer.

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Why there is no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    /// No connection, no answer in time, or one that broke off.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is larger than anything that was asked for.
    #[error("the answer is larger than {} MiB", .0 >> 20)]
    TooLarge(usize),
    /// The answer is a page for people, or cut, or something else.
    #[error("{0}")]
    NotJson(String),
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The last cause of an error: what an operator can act on.
fn last_cause(error: &reqwest::Error) -> String {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = cause.to_string();
        source = cause.source();
    }
    if error.is_timeout() { format!("it did not answer in time ({why})") } else { why }
}

/// Sends a request and reads its answer, at most `limit` bytes of it.
pub(crate) async fn fetch(request: RequestBuilder, limit: usize) -> Result<Answer, HttpError> {
    let unreachable = |error: reqwest::Error| HttpError::Unreachable(last_cause(&error));
    let mut response = request.send().await.map_err(unreachable)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), headers: response.headers().clone(), body })
}

impl Answer {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        self.headers.get(name)?.to_str().ok()
    }

    /// Its body, read as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        let start = self.body.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        if start == Some(b'<') || self.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(HttpError::NotJson("it answered with a page of HTML instead of JSON".to_owned()));
        }
        serde_json::from_slice(&self.body).map_err(|error| HttpError::NotJson(format!("its answer cannot be read: {error}")))
    }
}

/// How long the answer asks to wait, by `Retry-After` in seconds or as a date, or by the moment at which a limit that is used up
/// resets. Whoever waits bounds it.
pub(crate) fn wait_asked(answer: &Answer) -> Option<Duration> {
    let number = |name: &str| answer.header(name)?.trim().parse::<u64>().ok();
    let date = |name: &str| {
        let at = jiff::fmt::rfc2822::parse(answer.header(name)?.trim()).ok()?;
        u64::try_from(at.timestamp().as_second()).ok()
    };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // A moment that is over already comes in a moment.
    let until = |at: u64, now: u64| Duration::from_secs(at.saturating_sub(now).max(1));
    if let Some(seconds) = number("retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    if let Some(at) = date("retry-after") {
        // By the clock that it was written by.
        return Some(until(at, date("date").unwrap_or_else(now)));
    }
    if number("x-ratelimit-remaining") != Some(0) {
        return None;
    }
    Some(until(number("x-ratelimit-reset")?, now()))
}

/// The address of the next page, by the `Link` header.
pub(crate) fn link_next(answer: &Answer) -> Option<String> {
    answer.header("link")?.split(',').find_map(|link| {
        let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = rest.split(';').any(|part| matches!(part.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then(|| address.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{Answer, link_next, wait_asked};
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use std::time::Duration;

    fn answer(headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        Answer { status: StatusCode::OK, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn the_next_page_is_found_among_other_links() {
        let link = "<https://x.test/a?page=1>; rel=\"prev\", <https://x.test/a?page=3>; rel=\"next\"";
        assert_eq!(link_next(&answer(&[("link", link)], "")).as_deref(), Some("https://x.test/a?page=3"));
        assert_eq!(link_next(&answer(&[("link", "<https://x.test/a?page=1>; rel=\"prev\"")], "")), None);
        assert_eq!(link_next(&answer(&[], "")), None);
    }

    #[test]
    fn a_wait_is_what_the_server_says() {
        assert_eq!(wait_asked(&answer(&[("retry-after", "7")], "")), Some(Duration::from_secs(7)));
        let (date, later) = ("Thu, 09 Oct 2025 08:53:20 GMT", "Thu, 09 Oct 2025 08:54:25 GMT");
        let by_date = |at: &'static str| wait_asked(&answer(&[("date", date), ("retry-after", at)], ""));
        assert_eq!(by_date(later), Some(Duration::from_secs(65)), "by the server's own clock");
        assert_eq!(by_date("Wed, 08 Oct 2025 08:53:20 GMT"), Some(Duration::from_secs(1)));
        assert_eq!((by_date("soon"), by_date("-7"), by_date("")), (None, None, None));
        let far = wait_asked(&answer(&[("retry-after", "Thu, 01 Jan 2099 00:00:00 GMT")], ""));
        assert!(far > Some(Duration::from_hours(24)), "{far:?}, which whoever waits bounds");
        let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")];
        assert_eq!(wait_asked(&answer(&used_up, "")), Some(Duration::from_secs(1)));
        assert_eq!(wait_asked(&answer(&[("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "1")], "")), None);
    }

    #[test]
    fn a_page_for_people_is_no_json() {
        let page = answer(&[("content-type", "text/html; charset=utf-8")], "[]");
        assert!(page.json::<Vec<u32>>().is_err());
        let sign_in = answer(&[], " <!DOCTYPE html>");
        assert!(sign_in.json::<Vec<u32>>().unwrap_err().to_string().contains("HTML"));
        assert_eq!(answer(&[], "[1]").json::<Vec<u32>>(), Ok(vec![1]));
    }
}
