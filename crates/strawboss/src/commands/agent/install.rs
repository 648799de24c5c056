//! Fetches Claude Code for sandboxes: the native program out of its npm package, verified before it is unpacked, in place
//! whole or not at all.

use crate::context::Context;
use crate::environment;
use crate::failure::{ExitStatus, Failure, io};
use crate::output;
use crate::tools::{CLAUDE_VERSION, arch, cache_dir};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256, Sha512};
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What npm's registry says of the pinned version's packages, by architecture.
const PINNED: [(&str, &str); 2] = [
    ("x64", "sha512-+n4lu1ubYAp02Y0X/MAUnxw9yY6SHHZ77F+IoW+V0wVoFuiI9opdH6gofjf14gXJCEYMTNpks7Gn1i8XZTKAWA=="),
    ("arm64", "sha512-IiG5umFToSCVWqB1lEsxwxIxKgxPXyZ3DRU915v8J4Bz5Q3JpslM0ew1m5yaT+lFXBPvYxmsEgi0XI68XHND0A=="),
];
const REGISTRY: &str = "https://registry.npmjs.org";
const PACKAGE: &str = "claude-code-linux";
/// A package is about 170 MB packed and 360 MB unpacked: past these it is another thing.
const PACKED_MAX: u64 = 1 << 30;
const UNPACKED_MAX: u64 = 4 << 30;
/// How long the registry may be silent.
const SILENCE: Duration = Duration::from_mins(1);
/// How long the program may take to say its version.
const SAYS: Duration = Duration::from_mins(1);

#[derive(Debug, clap::Args)]
pub(super) struct InstallArgs {
    /// Which agent
    #[arg(value_name = "AGENT", value_parser = ["claude"])]
    agent: String,
    /// Another version than the one this program was tried with
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// What the package must match, as npm writes it: sha512-…
    #[arg(long, value_name = "SUM")]
    integrity: Option<String>,
}

/// Where packages come from: a variable, npm's own configuration, or npm's registry.
fn registry(context: &Context) -> String {
    let named = context.environment.get(&environment::NPM_REGISTRY).map(str::to_owned);
    let configured = || {
        let text = fs::read_to_string(std::env::home_dir()?.join(".npmrc")).ok()?;
        text.lines()
            .find_map(|line| Some(line.trim().strip_prefix("registry")?.trim_start().strip_prefix('=')?.trim().to_owned()))
    };
    let registry = named.or_else(configured).unwrap_or_else(|| REGISTRY.to_owned());
    registry.trim_end_matches('/').to_owned()
}

/// Installs it, unless it is there.
pub(super) async fn run(args: InstallArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let version = args.version.unwrap_or_else(|| CLAUDE_VERSION.to_owned());
    if !version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')) || version.is_empty() {
        return Err(Failure::usage(format!("`{version}` is no version")).fix(format!("Write it like `{CLAUDE_VERSION}`.")));
    }
    let arch = arch();
    if std::env::consts::OS != "linux" || !PINNED.iter().any(|(known, _)| *known == arch) {
        return Err(Failure::new(format!("{} has no package for {} on {arch}", args.agent, std::env::consts::OS))
            .fix("Sandboxes are Linux on x64 or arm64: install it where they run."));
    }
    let tools = cache_dir(&context.environment)
        .ok_or_else(|| Failure::new("there is no folder to keep it in (HOME is not set)").fix("Set STRAWBOSS_CACHE to one."))?
        .join("tools");
    let folder = tools.join(format!("claude-{version}-{arch}"));
    fs::create_dir_all(&tools).map_err(io(format_args!("make {}", tools.display())))?;
    let lock = File::create(tools.join(format!(".claude-{version}-{arch}.lock"))).map_err(io("make a lock file"))?;
    if lock.try_lock().is_err() {
        output::note("another install of it is under way; waiting for it");
        let waiting = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
        return match waiting.await {
            Ok(Ok(lock)) => install(&folder, &version, arch, args.integrity, &registry(context), lock).await,
            Ok(Err(error)) => Err(io("wait for the other install")(error)),
            Err(error) => Err(Failure::new(error.to_string())),
        };
    }
    install(&folder, &version, arch, args.integrity, &registry(context), lock).await
}

async fn install(
    folder: &Path,
    version: &str,
    arch: &str,
    integrity: Option<String>,
    registry: &str,
    _lock: File,
) -> Result<ExitStatus, Failure> {
    if folder.join("bin/claude").is_file() && folder.join("manifest.json").is_file() {
        output::line(&format!("Claude Code {version} is there already: {}", folder.display()))?;
        return Ok(ExitStatus::Success);
    }
    let client = reqwest::Client::builder()
        .read_timeout(SILENCE)
        .connect_timeout(SILENCE)
        .build()
        .map_err(|error| Failure::new(format!("could not set up HTTP: {error}")))?;
    let pinned = (version == CLAUDE_VERSION).then(|| PINNED.iter().find(|(known, _)| *known == arch)).flatten();
    let integrity = match (integrity, pinned) {
        (Some(integrity), _) => integrity,
        (None, Some((_, integrity))) => (*integrity).to_owned(),
        (None, None) => {
            output::note(&format!(
                "{version} is not the version that this program pins: the registry's own word is taken for its sum"
            ));
            told(&client, registry, version, arch).await?
        }
    };
    // On the cache's own file system, so that the last step is a rename.
    let above = folder.parent().unwrap_or(Path::new("/"));
    let stage = tempfile::Builder::new().prefix(".stage-claude-").tempdir_in(above).map_err(io("make a folder to unpack in"))?;
    let packed = stage.path().join("package.tgz");
    let url = format!("{registry}/@anthropic-ai/{PACKAGE}-{arch}/-/{PACKAGE}-{arch}-{version}.tgz");
    let sum = fetch(&client, &url, &packed).await?;
    if sum != integrity {
        return Err(Failure::new(format!("what {url} served is not what was expected: {sum} instead of {integrity}"))
            .fix("It was not installed. Try again; if it stays so, ask why before you use it."));
    }
    output::note("unpacking");
    let tool = stage.path().join("tool");
    let (from, to) = (packed.clone(), tool.clone());
    let sha256 = match tokio::task::spawn_blocking(move || unpack(&from, &to)).await {
        Ok(done) => done.map_err(io("unpack the package"))?,
        Err(error) => return Err(Failure::new(error.to_string())),
    };
    says_its_version(&tool, stage.path(), version).await?;
    let manifest = serde_json::json!({ "name": "claude", "version": version, "arch": arch, "sha256": sha256 });
    fs::write(tool.join("manifest.json"), format!("{manifest}\n")).map_err(io("write the manifest"))?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("remove what was not whole")(error)),
        _ => {}
    }
    fs::rename(&tool, folder).map_err(io(format_args!("put it in place at {}", folder.display())))?;
    output::line(&format!("Claude Code {version} is in {}", folder.display()))?;
    output::note("`strawboss serve` uses it from its next start on.");
    Ok(ExitStatus::Success)
}

fn away(url: &str, error: &reqwest::Error) -> Failure {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = cause.to_string();
        source = cause.source();
    }
    Failure::new(format!("{url} could not be fetched: {why}"))
        .fix("Look at the network and HTTPS_PROXY; `npm_config_registry` names another registry.")
        .status(ExitStatus::Unreachable)
}

/// The sum that the registry says a version has.
async fn told(client: &reqwest::Client, registry: &str, version: &str, arch: &str) -> Result<String, Failure> {
    let url = format!("{registry}/@anthropic-ai%2F{PACKAGE}-{arch}/{version}");
    let answer = client.get(&url).send().await.map_err(|error| away(&url, &error))?;
    if answer.status() == reqwest::StatusCode::NOT_FOUND {
        return Err(Failure::new(format!("{registry} has no Claude Code {version} for {arch}"))
            .fix("Name another version, or leave `--version` out.")
            .status(ExitStatus::NotFound));
    }
    let answer = answer.error_for_status().map_err(|error| away(&url, &error))?;
    let text = answer.text().await.map_err(|error| away(&url, &error))?;
    let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let integrity = body["dist"]["integrity"].as_str().filter(|sum| sum.starts_with("sha512-"));
    integrity
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("{url} says no sum of that version")).fix("Give one with `--integrity`."))
}

/// Writes what is served into a file; its sum, as npm writes it.
async fn fetch(client: &reqwest::Client, url: &str, file: &Path) -> Result<String, Failure> {
    let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(|error| away(url, &error))?;
    let length = answer.content_length().unwrap_or(0);
    let progress = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("fetching {bar:30} {bytes}/{total_bytes} {bytes_per_sec}") {
        progress.set_style(style);
    }
    let mut out = File::create(file).map_err(io("write the package"))?;
    let mut digest = Sha512::new();
    let mut received = 0_u64;
    let mut stream = answer.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| away(url, &error))?;
        received += chunk.len() as u64;
        if received > PACKED_MAX {
            return Err(Failure::new(format!("{url} serves more than a package is"))
                .fix("It was not installed. Ask why before you try again."));
        }
        digest.update(&chunk);
        out.write_all(&chunk).map_err(io("write the package"))?;
        progress.set_position(received);
    }
    progress.finish_and_clear();
    Ok(format!("sha512-{}", STANDARD.encode(digest.finalize())))
}

/// Takes the program and its licence out of a verified package; the program's SHA-256. Nothing else is unpacked.
fn unpack(packed: &Path, tool: &Path) -> std::io::Result<String> {
    fs::create_dir_all(tool.join("bin"))?;
    let open = |mode: u32, path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(packed)?));
    let mut sum = None;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let target: PathBuf = match path.to_str() {
            Some("package/claude") => tool.join("bin/claude"),
            Some("package/LICENSE.md") => tool.join("LICENSE.md"),
            _ => continue,
        };
        if !entry.header().entry_type().is_file() || entry.size() > UNPACKED_MAX {
            return Err(std::io::Error::other(format!("{} is no file of a usual size", path.display())));
        }
        let mut out = File::create(&target)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = entry.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
            out.write_all(&buffer[..count])?;
        }
        out.sync_all()?;
        let program = target.ends_with("bin/claude");
        open(if program { 0o755 } else { 0o644 }, &target)?;
        if program {
            sum = Some(digest.finalize().iter().fold(String::new(), |mut text, byte| {
                use std::fmt::Write as _;
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            }));
        }
    }
    open(0o755, tool)?;
    open(0o755, &tool.join("bin"))?;
    sum.ok_or_else(|| std::io::Error::other("there is no program in it"))
}

/// Runs it once, with a home of its own, so that it leaves nothing in the caller's.
async fn says_its_version(tool: &Path, home: &Path, version: &str) -> Result<(), Failure> {
    let mut command = tokio::process::Command::new(tool.join("bin/claude"));
    command.arg("--version").env("HOME", home).env("DISABLE_AUTOUPDATER", "1").kill_on_drop(true);
    let fix = "It needs glibc on Linux; it was not installed.";
    let output = match tokio::time::timeout(SAYS, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(Failure::new(format!("the fetched claude does not run here: {error}")).fix(fix)),
        Err(_) => return Err(Failure::new("the fetched claude does not say its version").fix(fix)),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    if said.trim().starts_with(version) {
        return Ok(());
    }
    let said = if said.trim().is_empty() { String::from_utf8_lossy(&output.stderr) } else { said };
    Err(Failure::new(format!("the fetched claude calls itself `{}`, not {version}", output::words::one_line(&said)))
        .fix("It was not installed. Look at the package before you use it."))
}

#[cfg(test)]
mod tests {
    use super::unpack;
    use std::os::unix::fs::PermissionsExt as _;

    fn package(entries: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("p.tgz")).unwrap();
        let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
        for (path, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o4777);
            archive.append_data(&mut header, path, *bytes).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        dir
    }

    #[test]
    fn only_the_program_and_its_licence_are_unpacked() {
        let dir = package(&[("package/claude", b"program"), ("package/LICENSE.md", b"l"), ("package/other.js", b"x")]);
        let tool = dir.path().join("tool");
        let sum = unpack(&dir.path().join("p.tgz"), &tool).unwrap();
        assert_eq!(sum, "1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8");
        let mode = std::fs::metadata(tool.join("bin/claude")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "no set-user-id bit is taken over");
        assert!(!tool.join("other.js").exists() && !tool.join("bin/other.js").exists());
    }

    #[test]
    fn a_package_without_a_program_is_refused() {
        let dir = package(&[("package/README.md", b"x")]);
        assert!(unpack(&dir.path().join("p.tgz"), &dir.path().join("tool")).is_err());
    }
}
