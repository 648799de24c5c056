//! Moments as plans write them: with the offset, the fraction and the separator that stood there before.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned, civil};

/// How a moment is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Style {
    /// Between day and time.
    separator: char,
    /// Digits after the seconds' point.
    fraction: usize,
    /// As written (`+08:00`, `Z`); none: a local time that does not say where.
    offset: Option<String>,
}

/// Reads a moment; none when it is none.
fn read(text: &str) -> Option<(Timestamp, Style)> {
    let separator = text.chars().nth(10).filter(|c| matches!(c, 'T' | 't' | ' '))?;
    let clock = text.get(11..)?;
    let offset = clock.find(['Z', 'z', '+', '-']).map(|at| clock[at..].to_owned());
    let fraction = clock.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    let style = Style { separator, fraction, offset };
    let moment = if style.offset.is_some() {
        text.parse().ok()?
    } else {
        text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?.timestamp()
    };
    Some((moment, style))
}

/// Whether it is a moment.
pub(crate) fn is_moment(text: &str) -> bool {
    read(text).is_some()
}

fn offset(moment: Timestamp, written: &str) -> Option<Zoned> {
    // The offset of a moment that is known to be well written, read by the reader of moments itself.
    let whole = format!("1970-01-02T00:00:00{written}");
    let at_zero: Timestamp = whole.parse().ok()?;
    let seconds = i32::try_from(86_400 - at_zero.as_second()).ok()?;
    Some(moment.to_zoned(Offset::from_seconds(seconds).ok()?.to_time_zone()))
}

/// `now`, written as `like` is; none when `like` is no moment.
pub(crate) fn written_like(like: &str, now: Timestamp) -> Option<String> {
    let (_, style) = read(like)?;
    let zoned = match &style.offset {
        Some(written) => offset(now, written)?,
        None => now.to_zoned(TimeZone::system()),
    };
    let mut text = zoned.strftime(&format!("%Y-%m-%d{}%H:%M:%S", style.separator)).to_string();
    if style.fraction > 0 {
        let nanoseconds = format!("{:09}", zoned.subsec_nanosecond());
        text.push('.');
        text.push_str(&nanoseconds[..style.fraction.min(9)]);
    }
    text.push_str(style.offset.as_deref().unwrap_or_default());
    Some(text)
}

/// `now` as `old` is written, where that is later: a moment is never set back.
pub(crate) fn brought_forward(old: &str, now: Timestamp) -> Option<String> {
    let (before, _) = read(old)?;
    if now <= before { None } else { written_like(old, now) }
}

/// `now` with this machine's offset.
pub(crate) fn here(now: Timestamp) -> String {
    now.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::{brought_forward, here, is_moment, written_like};
    use jiff::Timestamp;

    #[test]
    fn a_moment_keeps_its_offset_and_its_style() {
        let now: Timestamp = "2026-01-15T10:00:00.123456789Z".parse().unwrap();
        for (old, new) in [
            ("2025-08-17T12:00:00+08:00", "2026-01-15T18:00:00+08:00"),
            ("2025-08-17 12:00:00+0530", "2026-01-15 15:30:00+0530"),
            ("2025-08-17T12:00:00.000001-03:00", "2026-01-15T07:00:00.123456-03:00"),
            ("2025-08-17T12:00:00Z", "2026-01-15T10:00:00Z"),
        ] {
            assert_eq!(brought_forward(old, now).as_deref(), Some(new));
        }
        assert_eq!(brought_forward("2027-01-01T00:00:00+08:00", now), None, "never set back");
        let local = written_like("2025-08-17T12:00:00", now).unwrap();
        assert_eq!(local.len(), "2025-08-17T12:00:00".len());
        for text in ["yesterday", "2025-08-17", "2025-13-17T12:00:00Z", ""] {
            assert!(!is_moment(text) && brought_forward(text, now).is_none(), "{text}");
        }
        assert!(is_moment(&here(now)));
    }
}
