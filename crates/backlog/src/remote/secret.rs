//! What a source shows to be let in.

use std::fmt;
use std::path::PathBuf;

/// Where it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// It itself.
    Value(String),
    /// In a file of its own, which is read at each request: it may be replaced at any time.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Secret {
    /// It, or why there is none that could be one; `what` it is, for people.
    pub(crate) fn read(&self, what: &str) -> Result<String, String> {
        let text = match self {
            Self::Value(value) => value.clone(),
            Self::File(path) => {
                std::fs::read_to_string(path).map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?
            }
        };
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let place = match self {
                Self::Value(_) => "what is configured".to_owned(),
                Self::File(path) => format!("the file {}", path.display()),
            };
            return Err(format!("{place} holds no {what}: it must be one line without blanks"));
        }
        Ok(text.to_owned())
    }

    /// A text of PEM; in a value its lines may be parted by `\n`, since many files of variables know no other line end.
    pub(crate) fn read_pem(&self) -> Result<String, String> {
        use std::io::Read as _;
        let path = match self {
            Self::Value(value) => return Ok(value.replace("\\n", "\n")),
            Self::File(path) => path,
        };
        let failed = |error: std::io::Error| format!("the file {} cannot be read: {error}", path.display());
        let mut text = String::new();
        std::fs::File::open(path).map_err(failed)?.take(PEM_LIMIT).read_to_string(&mut text).map_err(failed)?;
        Ok(text)
    }
}

/// The largest file of a key that is read, in bytes: one has 2 KiB.
const PEM_LIMIT: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn it_is_one_line_without_blanks_and_is_not_shown() {
        let value = |text: &str| Secret::Value(text.to_owned());
        assert_eq!(value(" key-1\n").read("key"), Ok("key-1".to_owned()));
        for wrong in ["", " \n", "two words", "two\nlines", "schlüssel"] {
            assert!(value(wrong).read("key").unwrap_err().contains("holds no key"), "{wrong}");
        }
        assert!(Secret::File("/no/such/file".into()).read("key").unwrap_err().contains("/no/such/file"));
        assert_eq!(format!("{:?}", value("key-1")), "Value(…)");
    }
}
