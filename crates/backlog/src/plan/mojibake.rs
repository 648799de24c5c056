//! Texts that were read with the wrong encoding and saved: `â€”` or `‚Äî` for `—`.
//!
//! A run of signs beyond ASCII that, written back as Windows-1252 or Mac Roman, is UTF-8 of something shorter, was UTF-8.

/// Windows-1252 from 0x80; what it leaves open stands for itself.
const WINDOWS: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

/// Mac Roman from 0x80.
const MAC: &str = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";

/// What stands there wrongly, and what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mojibake {
    pub(crate) found: String,
    pub(crate) was: String,
}

/// The first of a text.
pub(crate) fn find(text: &str) -> Option<Mojibake> {
    if text.is_ascii() {
        return None;
    }
    if text.contains('\u{fffd}') {
        return Some(Mojibake { found: "\u{fffd}".to_owned(), was: String::new() });
    }
    text.split(|c: char| c.is_ascii()).filter(|run| run.chars().nth(1).is_some()).find_map(|run| {
        [windows as fn(char) -> Option<u8>, mac].into_iter().find_map(|encode| {
            let bytes: Vec<u8> = run.chars().map(encode).collect::<Option<_>>()?;
            let was = String::from_utf8(bytes).ok()?;
            Some(Mojibake { found: run.to_owned(), was })
        })
    })
}

fn windows(c: char) -> Option<u8> {
    if let Some(at) = WINDOWS.chars().position(|other| other == c) {
        return u8::try_from(0x80 + at).ok();
    }
    u8::try_from(u32::from(c)).ok().filter(|byte| *byte >= 0xa0)
}

fn mac(c: char) -> Option<u8> {
    MAC.chars().position(|other| other == c).and_then(|at| u8::try_from(0x80 + at).ok())
}

#[cfg(test)]
mod tests {
    use super::{MAC, WINDOWS, find};

    #[test]
    fn wrong_texts_are_found_and_right_ones_are_not() {
        assert_eq!((WINDOWS.chars().count(), MAC.chars().count()), (32, 128));
        for (text, was) in [
            ("cache ‚Äî build", "—"),
            ("≈ is ‚âà", "≈"),
            ("x â€” y", "—"),
            ("cafÃ©", "é"),
            ("[‚úó] 0", "✗"),
            ("\u{f8ff}üéÆ", "🎮"),
        ] {
            assert_eq!(find(text).unwrap().was, was, "{text}");
        }
        assert_eq!(find("lost \u{fffd}").unwrap().was, "");
        for text in ["", "plain", "CI — Build", "größer als Straße", "日本語テキスト", "naïve café", "≈100 MB → 3 GB", "ÄÖÜ", "…"]
        {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
