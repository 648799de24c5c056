//! The generated files: `openapi.json` from the server's handlers, and the web's client from that.

use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::Command;

/// Writes them anew, or with `check` says when they are not what their sources give.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    // An example of the server's own, so that this program need not be built with it.
    let document = crate::output(crate::cargo(root).args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "strawboss-server",
        "--example",
        "openapi",
    ]))?;
    write_or_check(&root.join("openapi.json"), &document, check)?;
    client(&root.join("web"), check)
}

fn write_or_check(path: &Path, text: &str, check: bool) -> Result<()> {
    let current = std::fs::read_to_string(path).unwrap_or_default();
    if current == text {
        return Ok(());
    }
    if !check {
        return std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()));
    }
    let same = current.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
    bail!(
        "{} is not what its source gives, from line {}. Run `cargo xtask codegen` and commit the result.",
        path.display(),
        same + 1
    );
}

fn client(web: &Path, check: bool) -> Result<()> {
    if !web.join("node_modules/openapi-typescript").is_dir() {
        bail!(
            "the web's client cannot be made: {} lacks its packages. Run `scripts/web.sh check` first, which installs them.",
            web.display()
        );
    }
    let script = if check { "codegen:check" } else { "codegen" };
    crate::output(Command::new("npm").args(["run", "--silent", script]).current_dir(web)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::write_or_check;

    #[test]
    fn drift_is_told_by_its_line_and_mended_without_check() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("openapi.json");
        let error = write_or_check(&path, "a\nb\n", true).unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("cargo xtask codegen"), "{error}");
        write_or_check(&path, "a\nb\n", false).unwrap();
        write_or_check(&path, "a\nb\n", true).unwrap();
        let error = write_or_check(&path, "a\nc\n", true).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
    }
}
