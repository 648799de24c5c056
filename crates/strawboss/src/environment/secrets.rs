//! Secrets: in a variable, in a file that `<NAME>_FILE` names, or as a Docker secret of the variable's name.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest secret, in bytes; a key or a URL is a line.
const LARGEST: u64 = 64 * 1024;
/// What is added to a variable's name for the file that holds its value.
pub(super) const FILE: &str = "_FILE";
/// Where Docker and Compose mount secrets.
pub(crate) const DOCKER: &str = "/run/secrets";

/// A value that was found, and where.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) value: String,
    /// The file that it was read from; none: it stands in the variable itself.
    pub(crate) file: Option<PathBuf>,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Found {{ value: ***, file: {:?} }}", self.file)
    }
}

/// Reads a secret: bounded, without the line end that editors and `echo` add.
fn read(path: &Path) -> Result<String, String> {
    let what = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = std::fs::File::open(path).map_err(what)?;
    if !file.metadata().map_err(what)?.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(what)?;
    if text.len() as u64 > LARGEST {
        return Err(format!("{} is larger than {} KiB, which no secret is", path.display(), LARGEST >> 10));
    }
    let text = String::from_utf8(text).map_err(|_| format!("{} is not UTF-8", path.display()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(text.to_owned())
}

/// The file of a Docker secret that is named like the variable: as it is, in lower case, or with dashes.
fn docker(folder: &Path, name: &str) -> Option<PathBuf> {
    let lower = name.to_ascii_lowercase();
    [name.to_owned(), lower.replace('_', "-"), lower].iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Looks a secret up. `value` and `file` are what the two variables say.
pub(super) fn find(name: &str, value: Option<&str>, file: Option<&str>, folder: &Path) -> Result<Option<Found>, String> {
    match (value, file) {
        (Some(_), Some(_)) => Err(format!("{name} and {name}{FILE} are both set: keep one")),
        (Some(value), None) => Ok(Some(Found { value: value.to_owned(), file: None })),
        (None, Some(file)) => {
            let path = PathBuf::from(file);
            let value = read(&path).map_err(|why| format!("{name}{FILE}: {why}"))?;
            Ok(Some(Found { value, file: Some(path) }))
        }
        (None, None) => match docker(folder, name) {
            Some(path) => Ok(Some(Found { value: read(&path).map_err(|why| format!("{name}: {why}"))?, file: Some(path) })),
            None => Ok(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, find};

    #[test]
    fn a_secret_is_found_in_one_place_and_read_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let none = tempfile::tempdir().unwrap();
        let value = |value: Option<&str>, file: Option<&str>| {
            find("A_KEY", value, file, none.path()).map(|found| found.map(|found| found.value))
        };
        assert_eq!(value(None, None), Ok(None));
        assert_eq!(value(Some("x"), None), Ok(Some("x".to_owned())));
        let file = path("plain", b"sk-1\r\n");
        assert_eq!(value(None, Some(&file)), Ok(Some("sk-1".to_owned())));
        assert!(value(Some("x"), Some(&file)).unwrap_err().contains("both set"));
        for (wrong, why) in [
            (path("empty", b"\n"), "is empty"),
            (path("binary", b"\xff\xfe"), "is not UTF-8"),
            (path("large", &vec![b'x'; usize::try_from(LARGEST).unwrap() + 1]), "is larger than"),
            (dir.path().join("nowhere").to_str().unwrap().to_owned(), "cannot be read"),
            (dir.path().to_str().unwrap().to_owned(), "is no file"),
        ] {
            let error = value(None, Some(&wrong)).unwrap_err();
            assert!(error.starts_with("A_KEY_FILE: ") && error.contains(why) && !error.contains("sk-1"), "{error}");
        }
    }

    #[test]
    fn a_docker_secret_is_found_by_the_variables_name() {
        for name in ["A_KEY", "a_key", "a-key"] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(name), "sk-2\n").unwrap();
            let found = find("A_KEY", None, None, dir.path()).unwrap().unwrap();
            assert_eq!((found.value.as_str(), found.file), ("sk-2", Some(dir.path().join(name))));
            let found = find("A_KEY", Some("sk-3"), None, dir.path()).unwrap().unwrap();
            assert_eq!(found.value, "sk-3", "what is said counts more than what lies there");
        }
    }
}
