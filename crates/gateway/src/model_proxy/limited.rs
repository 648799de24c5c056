//! Reads from a 429 when the provider will answer again.

use http::HeaderMap;
use strawboss_core::Timestamp;

/// A reset further away than this is a mistake, not a promise: 32 days.
const FURTHEST_MS: i64 = 32 * 24 * 3600 * 1000;

/// When more is to be had: `retry-after` where it is said, else the last reset of a limit that is used up, else the last
/// reset of any.
pub(super) fn until(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let plausible = |at: &Timestamp| at.ms_since(now) > -FURTHEST_MS && at.ms_since(now) <= FURTHEST_MS;
    let retry_after = text("retry-after").and_then(|value| after(value, now)).filter(plausible);
    if retry_after.is_some() {
        return retry_after;
    }
    let resets: Vec<(Timestamp, bool)> = headers
        .iter()
        .filter_map(|(name, value)| {
            let limit = name.as_str().strip_prefix("anthropic-ratelimit-")?.strip_suffix("-reset")?;
            let at = moment(value.to_str().ok()?.trim()).filter(plausible)?;
            let used_up = text(&format!("anthropic-ratelimit-{limit}-remaining")) == Some("0")
                || text(&format!("anthropic-ratelimit-{limit}-status")) == Some("rejected");
            Some((at, used_up))
        })
        .collect();
    let used_up = resets.iter().filter(|(_, used_up)| *used_up).map(|(at, _)| *at).max();
    used_up.or_else(|| resets.iter().map(|(at, _)| *at).max())
}

/// `retry-after`: seconds, or an HTTP date.
fn after(value: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(seconds) = value.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then(|| now.plus_ms((seconds * 1000.0).ceil() as i64));
    }
    jiff::fmt::rfc2822::parse(value).ok().map(|at| Timestamp(at.timestamp().as_millisecond()))
}

/// A reset: RFC 3339, or seconds since 1970 for a subscription.
fn moment(value: &str) -> Option<Timestamp> {
    if let Ok(seconds) = value.parse::<i64>() {
        return seconds.checked_mul(1000).map(Timestamp);
    }
    value.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::until;
    use http::{HeaderMap, HeaderName};
    use strawboss_core::Timestamp;

    const NOW: Timestamp = Timestamp(1_760_000_000_000); // 2025-10-09T08:53:20Z

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_moment_is_found_however_it_is_said() {
        for (pairs, expected) in [
            (&[("retry-after", "30")][..], Some(30_000)),
            (&[("retry-after", "0.5")], Some(500)),
            (&[("retry-after", "Thu, 09 Oct 2025 08:54:20 GMT")], Some(60_000)),
            (&[("anthropic-ratelimit-requests-reset", "2025-10-09T08:53:50Z")], Some(30_000)),
            (&[("anthropic-ratelimit-unified-reset", "1760000600")], Some(600_000)),
            (
                &[
                    ("anthropic-ratelimit-requests-reset", "2025-10-09T08:53:50Z"),
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-tokens-reset", "2025-10-09T08:55:00Z"),
                    ("anthropic-ratelimit-tokens-remaining", "1000"),
                ],
                Some(30_000),
            ),
            (&[("retry-after", "2"), ("anthropic-ratelimit-tokens-reset", "2025-10-09T08:55:00Z")], Some(2000)),
            (&[("retry-after", "soon"), ("anthropic-ratelimit-tokens-reset", "2025-10-09T08:55:00Z")], Some(100_000)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "1e300")], None),
            (&[("retry-after", "NaN")], None),
            (&[("anthropic-ratelimit-tokens-reset", "9223372036854775807")], None),
            (&[], None),
        ] {
            assert_eq!(until(&headers(pairs), NOW).map(|at| at.ms_since(NOW)), expected, "{pairs:?}");
        }
    }
}
