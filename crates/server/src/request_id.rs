//! Numbers of requests, by which one is followed through the log: from people's programs and from sandboxes alike.

use http::HeaderMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The header that the number is given back in, and that a proxy may say its own in.
pub(crate) const HEADER: &str = "x-request-id";
/// The longest number of somebody else that is noted, in bytes.
const LONGEST: usize = 64;

/// The next number: unique within this installation as long as no two starts fall into one millisecond.
pub(crate) fn next() -> String {
    static START: OnceLock<u128> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let start = START.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis()));
    format!("{start:x}-{:x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What the caller, a proxy most likely, calls the request: noted beside our own number when it is well-formed, and
/// never in its place. Nothing else is believed of it.
pub(crate) fn parent(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get(HEADER)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    ((1..=LONGEST).contains(&said.len()) && said.bytes().all(plain)).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::{HEADER, next, parent};
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(next(), next());
    }

    #[test]
    fn only_what_is_well_formed_is_noted() {
        let of = |value: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
            parent(&headers).map(str::to_owned)
        };
        assert_eq!(of(b"7f3a-1.edge:2").as_deref(), Some("7f3a-1.edge:2"));
        for wrong in [b"".as_slice(), b"a b", b"a\tb", b"\xff", b"<x>", &[b'x'; 65]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
        assert_eq!(parent(&HeaderMap::new()), None);
    }
}
