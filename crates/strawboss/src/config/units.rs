//! Sizes and durations as people write them: `4g`, `512 MiB`, `2h`, `1h30m`.

use std::time::Duration;

/// Reads a size in bytes. Units are powers of 1024, as in container engines.
pub(crate) fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let bytes = number * f64::from(1_u32 << 10).powi(shift / 10);
    (bytes < 2f64.powi(62)).then_some(bytes as u64)
}

/// Reads a duration: numbers each with `ms`, `s`, `m`, `h` or `d`, largest first or not.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = rest[letters..].trim_start();
    }
    Some(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::{duration, size};
    use std::time::Duration;

    #[test]
    fn sizes_are_read_as_engines_read_them() {
        for (text, bytes) in [("4g", 4 << 30), ("512 MiB", 512 << 20), ("1.5k", 1536), ("7", 7), ("2T", 2 << 40), ("0", 0)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for wrong in ["", "g", "4x", "-1g", "1e9g", "4 g b", "inf", "999999999999t", "."] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_need_units() {
        for (text, ms) in [("2h", 7_200_000), ("1h30m", 5_400_000), ("90 s", 90_000), ("250ms", 250), ("1d", 86_400_000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "2", "h", "2 hours", "-1h", "1.5h", "99999999999999999999s", "300000000000d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
